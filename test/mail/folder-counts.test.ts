/** How many messages a folder has, and how many that were not seen, is kept: it must be what counting would find. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'drizzle-orm'
import type { Database } from '../../server/ground/store/database.ts'
import { isPostgres } from '../../server/ground/store/kit.ts'
import { openSqlite } from '../../server/ground/store/open.ts'
import type { User } from '../../server/people/user.ts'
import { databaseBefore } from '../support/old-database.ts'
import { world } from '../support/world.ts'

const mail = (subject: string) => Buffer.from(`From: eve@far.example\r\nSubject: ${subject}\r\n\r\nHello\r\n`)

type Counts = { id: number; total: number; unread: number }

const requireTrue = async (db: Database, when: string) => {
  const kept = await db.rows<Counts>(sql`SELECT id, total, unread FROM folders ORDER BY id`)
  const counted = await db.rows<Counts>(sql`
    SELECT folders.id, count(messages.id) AS total, count(CASE WHEN NOT seen THEN 1 END) AS unread
    FROM folders LEFT JOIN messages ON folder_id = folders.id GROUP BY folders.id ORDER BY folders.id`)
  assert.deepEqual(kept, counted, when)
  return kept
}

/** Numbers below `below` that are the same in each run (Lehmer's generator). */
const lehmer = (seed: number) => {
  let state = seed
  return (below: number) => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
}

/** Another one may delete the folder meanwhile. */
const isGone = (error: { code: string }) => assert.equal(error.code, 'not-found', String(error))

test('The counts of folders are right after any mixture of deliveries, marks, moves and deletes', async (t) => {
  const server = await world(t)
  const { db, mailboxes, users } = server.services
  const people: User[] = []
  for (const name of ['ann', 'bob', 'cid'])
    people.push(await server.addUser(`${name}@wafer.test`, { key: false }))
  const pick = lehmer(20_261_129)
  const oneOf = <T>(list: T[]) => list[pick(list.length)]!
  const some = async (userId: number) => {
    const folders = await mailboxes.folders(userId)
    const ids = await mailboxes.ids(oneOf(folders).id)
    return { folders, ids: ids.filter(() => pick(2) === 0) }
  }
  const acts: Record<string, (userId: number) => Promise<unknown>> = {
    deliver: () =>
      mailboxes.deliver(
        people.filter(() => pick(3) > 0).map(({ id }) => id),
        mail(`no. ${pick(1000)}`),
      ),
    store: async (userId) => {
      const { folders, ids } = await some(userId)
      const options = { seen: pick(2) === 0, replaces: pick(2) === 0 ? (ids[0] ?? null) : null }
      await mailboxes.store(userId, oneOf(folders).id, mail('kept'), options).catch(isGone)
    },
    mark: async (userId) => {
      const { folders, ids } = await some(userId)
      const seen = oneOf([true, false, undefined])
      const folderId = oneOf([undefined, oneOf(folders).id])
      const marks = { ...(seen === undefined ? { flagged: true } : { seen }), ...(folderId && { folderId }) }
      await mailboxes.mark(userId, ids, marks).catch(isGone)
    },
    remove: async (userId) => mailboxes.remove(userId, (await some(userId)).ids),
    erase: async (userId) => mailboxes.erase(userId, (await some(userId)).ids.slice(0, 2)),
    emptyTrash: (userId) => (pick(3) === 0 ? mailboxes.emptyTrash(userId) : Promise.resolve()),
    createFolder: (userId) =>
      mailboxes.createFolder(userId, `Folder ${pick(5)}`).catch((error: { code: string }) => {
        assert.equal(error.code, 'exists')
      }),
    deleteFolder: async (userId) => {
      const own = (await mailboxes.folders(userId)).find(({ kind }) => kind === 'user')
      if (own) await mailboxes.deleteFolder(userId, own.id).catch(isGone)
    },
  }
  await acts.deliver!(0)
  const names = Object.keys(acts)
  for (let round = 0; round < 40; round += 1) {
    // Several at the same moment, also of one user.
    const now = Array.from({ length: 4 }, () => [oneOf(names), oneOf(people).id] as const)
    await Promise.all(now.map(([name, userId]) => acts[name]!(userId)))
    await requireTrue(db, `round ${round}: ${now.map(([name]) => name).join(', ')}`)
  }
  const counts = await requireTrue(db, 'before the end')
  assert.ok(counts.some(({ total }) => total > 5) && counts.some(({ unread }) => unread > 0))
  await users.remove(people[0]!.id)
  await requireTrue(db, 'a user was removed')
  await assert.rejects(
    db.transaction(people[1]!.id, async () => {
      await mailboxes.deliver([people[1]!.id], mail('undone'))
      throw new Error('undone')
    }),
    /undone/,
  )
  await requireTrue(db, 'a delivery was undone')
})

const skip = isPostgres && 'It is about SQLite alone: PostgreSQL has no older version.'
test('A database of an older version has its folders counted when it is opened', { skip }, async (t) => {
  const file = databaseBefore(t, 'kept-counts', (client) => {
    client.exec(`
      INSERT INTO users (id, address, name, password_hash, created_at) VALUES (1, 'ann@wafer.test', '', '', 0);
      INSERT INTO folders (id, user_id, kind, name) VALUES (1, 1, 'inbox', 'Inbox'), (2, 1, 'user', 'Empty');`)
    const insert = client.prepare(`INSERT INTO messages
      (user_id, folder_id, arrived_at, sender, recipients, subject, size, seen, attachments, security)
      VALUES (1, 1, 0, '', '', '', 0, ?, 0, 'plain')`)
    for (const seen of [0, 1, 0]) insert.run(seen)
  })
  const db = openSqlite(file)
  t.after(() => db.close())
  assert.deepEqual(await requireTrue(db, 'migrated'), [
    { id: 1, total: 3, unread: 2 },
    { id: 2, total: 0, unread: 0 },
  ])
})
