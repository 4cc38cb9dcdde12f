/** What the owners of tables rely on, on either engine: whole transactions, in their turn, and nothing said that is not so. */

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import Sqlite from 'better-sqlite3'
import { eq } from 'drizzle-orm'
import { counter } from '../../server/ground/store/counters.ts'
import { type Database, everybody, nobody } from '../../server/ground/store/database.ts'
import { isPostgres } from '../../server/ground/store/kit.ts'
import { users } from '../../server/ground/store/tables.ts'
import { openOwn, postgresAlone, rowsOf, sqliteAlone } from '../support/databases.ts'
import { sqliteOf } from '../support/sqlite.ts'

const opened = async (t: TestContext) => {
  const db = await openOwn()
  t.after(() => db.close())
  return db
}

const add = (db: Database, address: string) =>
  db.insert(users).values({ address, name: '', passwordHash: '', createdAt: 0 })

const names = async (db: Database) =>
  (await db.select({ address: users.address }).from(users).orderBy(users.id)).map(({ address }) => address)

/** Something that another piece of work is told. */
const signal = () => Promise.withResolvers<void>()

test('A statement belongs to the transaction that it is called in, by whatever functions that lies between', async (t) => {
  const db = await opened(t)
  const counts = counter(db, { keyPrefix: 'x', points: 9, duration: 99 })
  await assert.rejects(
    db.transaction(1, async () => {
      await Promise.resolve().then(() => add(db, 'within'))
      await counts.penalty('within', 1)
      assert.deepEqual(await names(db), ['within'])
      throw new Error('taken back')
    }),
    /taken back/,
  )
  assert.deepEqual([await names(db), await counts.get('within')], [[], null])
})

test('What is read meanwhile goes on, and sees only what was committed', async (t) => {
  const db = await opened(t)
  const [written, read] = [signal(), signal()]
  const work = db.transaction(1, async () => {
    await add(db, 'one')
    written.resolve()
    await read.promise
  })
  await written.promise
  assert.deepEqual(await names(db), [])
  read.resolve()
  await work
  assert.deepEqual(await names(db), ['one'])
})

for (const [whom, first, second] of [
  ['of one user', 1, 1],
  ['of everybody and of a user', everybody, 1],
  ['of a user and of everybody', 1, everybody],
  ['of nobody', nobody, nobody],
] as const)
  test(`Two transactions ${whom} never interleave`, async (t) => {
    const db = await opened(t)
    const steps: string[] = []
    const [begun, asked] = [signal(), signal()]
    const one = db.transaction(first, async () => {
      begun.resolve()
      await asked.promise
      for (const step of ['a', 'b', 'c']) {
        await add(db, step)
        steps.push(step)
      }
    })
    await begun.promise
    const two = db.transaction(second, async () => {
      steps.push(...(await names(db)), 'then')
    })
    asked.resolve()
    await Promise.all([one, two])
    assert.deepEqual(steps, ['a', 'b', 'c', 'a', 'b', 'c', 'then'])
  })

test('A part is undone alone, also where a statement of it failed, and the whole goes on', async (t) => {
  const db = await opened(t)
  await db.transaction(1, async () => {
    await add(db, 'first')
    await assert.rejects(
      db.transaction(1, async () => {
        await add(db, 'undone')
        await db.transaction(1, () => add(db, 'deeper'))
        await add(db, 'first') // there is one
      }),
    )
    await db.transaction(1, () => add(db, 'last'))
  })
  assert.deepEqual(await names(db), ['first', 'last'])
})

test('What outlives its transaction is outside of it', async (t) => {
  const db = await opened(t)
  const over = signal()
  let late: Promise<unknown> = Promise.resolve()
  await assert.rejects(
    db.transaction(1, async () => {
      late = over.promise.then(() => add(db, 'late'))
      throw new Error('taken back')
    }),
  )
  over.resolve()
  await late
  assert.deepEqual(await names(db), ['late'])
})

test('What is to come afterwards comes after the commit and outside of the transaction, or never; at once where there is none', async (t) => {
  const db = await opened(t)
  const seen: string[] = []
  const seenBy = (work: string) => () => void seen.push(work)
  db.afterwards(seenBy('at once'))
  await db.transaction(1, async () => {
    db.afterwards(seenBy('whole'))
    await db.transaction(1, async () => db.afterwards(seenBy('part')))
    seen.push('work')
  })
  await assert.rejects(
    db.transaction(1, async () => {
      db.afterwards(seenBy('never'))
      throw new Error('taken back')
    }),
  )
  assert.deepEqual(seen, ['at once', 'work', 'whole', 'part'])
  const own = signal()
  await db.transaction(1, async () => {
    db.afterwards(() => void db.transaction(1, () => add(db, 'own')).then(() => own.resolve(), own.reject))
  })
  await own.promise
  assert.deepEqual(await names(db), ['own'])
})

test('What is to come after a part that was undone never comes', async (t) => {
  const db = await opened(t)
  const seen: string[] = []
  await db.transaction(1, async () => {
    db.afterwards(() => void seen.push('whole'))
    await assert.rejects(
      db.transaction(1, async () => {
        db.afterwards(() => void seen.push('part'))
        throw new Error('taken back')
      }),
    )
  })
  assert.deepEqual(seen, ['whole'])
})

test('A transaction whose statement failed unseen says that it is written only where it is', async (t) => {
  const db = await opened(t)
  await add(db, 'there')
  const done = await db
    .transaction(1, async () => {
      await add(db, 'new')
      await add(db, 'there').catch(() => {})
    })
    .then(
      () => ['there', 'new'],
      () => ['there'],
    )
  assert.deepEqual(await names(db), done)
})

test('The error of a statement has no values in its message', async (t) => {
  const db = await opened(t)
  await add(db, 'of-nobody-else')
  await assert.rejects(add(db, 'of-nobody-else'), (error: Error) => {
    assert.doesNotMatch(error.message, /of-nobody-else/)
    return true
  })
  assert.equal((await names(db)).length, 1)
})

test('A text comes back as it was, but for what no engine keeps; octets as they were', async (t) => {
  const db = await opened(t)
  const texts = ['plain', 'İstanbul 日本語 👩‍👩‍👧', "'; DROP TABLE users; --", '\\', 'a\nb\tc', '']
  for (const name of texts) {
    await db.delete(users)
    await add(db, 'x')
    await db.update(users).set({ name })
    assert.equal((await db.select({ name: users.name }).from(users))[0]!.name, name)
  }
  // Neither is in mail that was decoded well, but both come in what strangers send.
  for (const [name, kept] of [
    ['a\0b', /^a[\0\ufffd]b$/],
    ['a\ud800b', /^a\ufffd+b$/],
    ['\udc00', /^\ufffd+$/],
  ] as const) {
    await db.update(users).set({ name })
    const [row] = await db.select({ name: users.name }).from(users).where(eq(users.address, 'x'))
    assert.match(row!.name, kept)
  }
})

test('Another process that writes is waited for on the side; too long, and the server is busy', {
  skip: sqliteAlone('PostgreSQL keeps users apart'),
}, async (t) => {
  const db = await opened(t)
  const other = new Sqlite(sqliteOf(db).name)
  t.after(() => other.close())
  other.exec("BEGIN IMMEDIATE; INSERT INTO users VALUES (7, 'other', '', '', 0)")
  const waiting = db.transaction(1, () => add(db, 'waited'))
  assert.deepEqual(await names(db), [], 'reading goes on')
  other.exec('COMMIT')
  await waiting
  assert.deepEqual(await names(db), ['other', 'waited'])
  other.exec('BEGIN IMMEDIATE')
  await assert.rejects(
    db.transaction(1, () => add(db, 'several')),
    { reason: 'server-busy' },
  )
  other.exec('ROLLBACK')
  await add(db, 'again')
  assert.deepEqual(await names(db), ['other', 'waited', 'again'])
})

test('A lost connection ends in a busy server, and the next work goes on', {
  skip: postgresAlone('SQLite has no connection to lose'),
}, async (t) => {
  const db = await opened(t)
  const lost = 'SELECT pg_terminate_backend(pg_backend_pid())'
  await assert.rejects(rowsOf(db, lost), { reason: 'server-busy' })
  await assert.rejects(
    db.transaction(1, async () => {
      await add(db, 'undone')
      await rowsOf(db, lost)
    }),
    { reason: 'server-busy' },
  )
  await db.transaction(1, () => add(db, 'kept'))
  // Connections that are idle are lost unseen.
  await Promise.all([1, 2, 3].map((user) => db.transaction(user, () => names(db))))
  await rowsOf(
    db,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()`,
  )
  await db.transaction(1, () => add(db, 'again'))
  assert.deepEqual(await names(db), ['kept', 'again'])
})

test('Transactions of different users go side by side', {
  skip: postgresAlone('SQLite writes one after the other'),
}, async (t) => {
  const db = await opened(t)
  const [one, two] = [signal(), signal()]
  const meet = (own: typeof one, other: typeof one) => async () => {
    own.resolve()
    await other.promise
  }
  await Promise.all([db.transaction(1, meet(one, two)), db.transaction(2, meet(two, one))])
  assert.ok(isPostgres)
})
