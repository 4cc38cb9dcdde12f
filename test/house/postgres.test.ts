/** The engine of many processes, met as operators have it: settings of all kinds, and users who do much at once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { and, eq, inArray, sql } from 'drizzle-orm'
import pg from 'pg'

// Of a whole process the tables are in one dialect: before they are made.
process.env.WAFER_DATABASE = 'postgres://any/any'
const { postgres } = await import('../support/a-postgres.ts')
const { openPostgres } = await import('../../server/ground/store/postgres.ts')
const { Contents } = await import('../../server/mail/contents.ts')
const { folders, messages, users } = await import('../../server/ground/store/tables.ts')

/** As an operator, with psql. */
const operate = async (url: string, ...statements: string[]) => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  for (const statement of statements) await client.query(statement)
  await client.end()
}

test('Users who have mail in common delete it, or go, at the same time and never wait for each other in a circle', async (t) => {
  const server = await postgres(t)
  if (!server) return
  const url = server.database()
  const [one, two] = await Promise.all([openPostgres(url), openPostgres(url)])
  t.after(() => Promise.all([one.close(), two.close()]))
  const contents = new Contents({ db: one, clock: Date.now })
  const shared: number[] = []
  for (let n = 0; n < 150; n += 1) shared.push(await contents.keep(Buffer.from('x')))
  const withMail = async (userId: number, contentIds: number[]) => {
    const user = { id: userId, address: `${userId}@wafer.test`, name: '', passwordHash: '', createdAt: 0 }
    await one.insert(users).values(user).onConflictDoNothing()
    const texts = { sender: '', recipients: '', subject: '' }
    for (const half of [contentIds.slice(0, 75), contentIds.slice(75)]) {
      const folder = { userId, kind: 'user' as const, name: String(half[0]) }
      const [{ id: folderId } = { id: 0 }] = await one.insert(folders).values(folder).returning()
      const row = {
        ...texts,
        userId,
        folderId,
        arrivedAt: 1,
        size: 1,
        attachments: 0,
        security: 'plain' as const,
      }
      await one.insert(messages).values(half.map((contentId) => ({ ...row, contentId })))
    }
  }
  const referred = () => one.rows<{ id: number }>(sql`SELECT id FROM contents WHERE "references" <> 0`)
  for (let round = 0; round < 5; round += 1) {
    await withMail(1, shared)
    await withMail(2, shared.toReversed())
    const mine = await two.select({ id: messages.id }).from(messages).where(eq(messages.userId, 2))
    const ids = mine.map(({ id }) => id)
    await Promise.all([
      one.transaction(1, () => one.delete(users).where(eq(users.id, 1)).execute()),
      two.transaction(2, () =>
        two
          .delete(messages)
          .where(and(eq(messages.userId, 2), inArray(messages.id, ids)))
          .execute(),
      ),
    ])
    assert.deepEqual(await referred(), [])
    await one.delete(users)
  }
})

test('One user who asks for a lot at once leaves connections to the others', async (t) => {
  const server = await postgres(t)
  if (!server) return
  const url = server.database()
  const [here, elsewhere] = await Promise.all([openPostgres(url), openPostgres(url)])
  const { promise: end, resolve } = Promise.withResolvers<void>()
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
  t.after(() => {
    resolve()
    return Promise.all([here.close(), elsewhere.close()])
  })
  const held = elsewhere.transaction(1, async () => {
    begin()
    await end
  })
  await begun
  const order: number[] = []
  const many = Array.from({ length: 30 }, (_, n) => here.transaction(1, async () => void order.push(n)))
  await here.rows(sql`SELECT 1`)
  await here.transaction(2, async () => {})
  assert.deepEqual(order, [])
  resolve()
  await Promise.all([held, ...many])
  assert.deepEqual(order, [...many.keys()])
})

test('Whatever a database is set to, Wafer finds its tables in it and its statements have their time', async (t) => {
  const server = await postgres(t)
  if (!server) return
  for (const setting of [
    "search_path = ''",
    'search_path = nowhere',
    'statement_timeout = 1',
    'lock_timeout = 1',
    "default_transaction_isolation = 'serializable'",
  ]) {
    const url = server.database()
    const name = new URL(url.replace('@/', '@any/')).pathname.slice(1)
    // PostgreSQL looks into a schema of the user's name first.
    await operate(url, 'CREATE SCHEMA wafer', `ALTER DATABASE ${name} SET ${setting}`)
    for (let start = 0; start < 2; start += 1) {
      const db = await openPostgres(url)
      await db.transaction(1, () => db.rows(sql`SELECT pg_sleep(0.05)`))
      const where = await db.rows<{
        schema: string
      }>(sql`SELECT DISTINCT schemaname AS "schema" FROM pg_tables WHERE tablename = 'users'
        UNION SELECT current_setting('transaction_isolation')`)
      assert.deepEqual(where.map(({ schema }) => schema).sort(), ['public', 'read committed'], setting)
      await db.close()
    }
  }
})

test('A transaction in which a statement failed is never taken for one that was kept', async (t) => {
  const server = await postgres(t)
  if (!server) return
  const db = await openPostgres(server.database())
  t.after(() => db.close())
  const swallowed = db.transaction(1, async () => {
    await db.rows(sql`SELECT 1 / 0`).catch(() => {})
  })
  await assert.rejects(swallowed, /expected COMMIT, got ROLLBACK/)
  assert.deepEqual(await db.rows(sql`SELECT 1 AS one`), [{ one: 1 }])
})

test('What a PostgreSQL server ends because it took too long is put off, not a fault of the program', async (t) => {
  const server = await postgres(t)
  if (!server) return
  const db = await openPostgres(server.database())
  t.after(() => db.close())
  for (const setting of ['statement_timeout', 'idle_in_transaction_session_timeout']) {
    const late = db.transaction(1, async () => {
      await db.rows(sql.raw(`SET LOCAL ${setting} = 50`))
      await operate(server.url('postgres'), 'SELECT pg_sleep(0.3)')
      await db.rows(sql`SELECT pg_sleep(0.3)`)
    })
    await assert.rejects(late, { reason: 'server-busy' }, setting)
  }
})

test('Who cannot use a PostgreSQL server is told why, and nobody reads the password', async (t) => {
  const server = await postgres(t)
  if (!server) return
  const url = server.database()
  await operate(
    url,
    'CREATE ROLE low LOGIN',
    'CREATE DATABASE of_others',
    'CREATE DATABASE reading',
    'ALTER DATABASE reading SET default_transaction_read_only = on',
    "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0",
  )
  for (const [address, sentence] of [
    ['postgres://ann:hidden@127.0.0.1:99999/db', /cannot be read as an address: look at its port/],
    ['postgres://ann:hid#den@127.0.0.1/db', /cannot be read as an address: .* %23/],
    ['postgres://ann:hidden@[::1/db', /cannot be read as an address/],
    ['postgres://ann:hidden@127.0.0.1:1/db', /cannot be used \(ECONNREFUSED\)\.$/],
    [server.url('missing'), /has no such database \(3D000\)\.$/],
    [server.url('ascii'), /SQL_ASCII: it must be in UTF8/],
    [server.url('reading'), /takes no writes: .*\(25006\)\.$/],
    [`${url}&sslmode=verify-full`, /speaks no TLS\.$/],
    [server.url('of_others').replace('wafer@', 'low@'), /make it the owner of the database \(42501\)\.$/],
  ] as const)
    await assert.rejects(openPostgres(address), (error: Error) => {
      assert.equal(error.name, 'Unusable')
      assert.match(error.message, sentence)
      assert.doesNotMatch(error.message, /hid|den@/)
      return true
    })
})
