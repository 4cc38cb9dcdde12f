/** The octets of mail are stored once for all who have it, go with the last of them, and count for each. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'drizzle-orm'
import type { Database } from '../../server/ground/store/database.ts'
import { openSqlite } from '../../server/ground/store/open.ts'
import { cellOf, sqliteAlone } from '../support/databases.ts'
import { databaseBefore } from '../support/old-database.ts'
import { sqliteOf } from '../support/sqlite.ts'
import { problem, type World, world } from '../support/world.ts'

const [ann, bob, cid] = ['ann@wafer.test', 'bob@wafer.test', 'cid@wafer.test'] as const
const mail = (subject: string, octets = 0) =>
  Buffer.from(`From: eve@far.example\r\nSubject: ${subject}\r\n\r\n${'x'.repeat(octets)}\r\n`)

const count = (db: Database, table: string) => cellOf<number>(db, `SELECT count(*) FROM ${table}`)
const stored = async ({ services: { db } }: World) => ({
  contents: await count(db, 'contents'),
  pieces: await count(db, 'content_pieces'),
  found: await count(db, 'message_search'),
})

const withThree = async (server: World) => {
  const ids = []
  for (const address of [ann, bob, cid]) ids.push((await server.addUser(address, { key: false })).id)
  return ids
}

/** What the user has, counted; what is kept must be the same. */
const counted = async ({ services: { db, quota } }: World, userId: number) => {
  const [row] = await db.rows<{ n: number }>(
    sql`SELECT (SELECT coalesce(sum(size), 0) FROM messages WHERE user_id = ${userId})
      + (SELECT coalesce(sum(size), 0) FROM outbox WHERE user_id = ${userId})
      + (SELECT coalesce(sum(length(sealed)), 0) FROM parked_forms WHERE user_id = ${userId}) AS n`,
  )
  assert.equal((await quota.space(userId)).used, row!.n)
  return row!.n
}

test('A mail to three users is stored and indexed once, and goes with the last who has it', async (t) => {
  const server = await world(t)
  const ids = await withThree(server)
  const { mailboxes } = server.services
  const octets = mail('shared', 2_000_000)
  await mailboxes.deliver(ids, octets)
  assert.deepEqual(await stored(server), { contents: 1, pieces: 4, found: 1 })
  for (const [place, address] of [ann, bob, cid].entries()) {
    const user = await server.terminal(address)
    const [message] = (await user.get('/folders/Inbox/messages?q=shared')).body.messages
    assert.deepEqual(Buffer.from(await mailboxes.octets(ids[place]!, message.id)), octets)
    await user.delete(`/messages/${message.id}`)
    assert.equal((await stored(server)).contents, 1)
    await user.delete(`/messages/${message.id}`)
    await assert.rejects(mailboxes.octets(ids[place]!, message.id), { code: 'not-found' })
    assert.equal((await stored(server)).contents, place < 2 ? 1 : 0)
  }
  assert.deepEqual(await stored(server), { contents: 0, pieces: 0, found: 0 })
})

test('A user who is removed takes what was theirs alone, and the others keep what was shared', async (t) => {
  const server = await world(t)
  const [first, second] = await withThree(server)
  const { mailboxes, users, contents } = server.services
  await mailboxes.deliver([first!, second!], mail('shared'))
  await mailboxes.deliver([first!], mail('alone'))
  await users.remove(first!)
  await contents.sweep()
  assert.deepEqual(await stored(server), { contents: 1, pieces: 1, found: 1 })
  const user = await server.terminal(bob)
  assert.equal((await user.get('/folders/Inbox/messages?q=shared')).body.messages.length, 1)
})

test('Two who delete the same mail for good at once, each in an order of their own, do not keep each other waiting', async (t) => {
  const server = await world(t)
  const people = (await withThree(server)).slice(0, 2)
  const { mailboxes } = server.services
  const [first, second] = people as [number, number]
  for (let round = 0; round < 2; round += 1) {
    for (let each = 0; each < 40; each += 1) await mailboxes.deliver(people, mail(`no. ${each}`))
    const [inbox, trash] = await Promise.all([
      mailboxes.fixedFolder(second, 'inbox'),
      mailboxes.fixedFolder(second, 'trash'),
    ])
    // What was moved lies elsewhere in the table, in the order of the moves.
    for (const id of (await mailboxes.ids(inbox.id)).sort((a, b) => b - a))
      await mailboxes.mark(second, [id], { folderId: trash.id })
    const own = await mailboxes.ids((await mailboxes.fixedFolder(first, 'inbox')).id)
    const moved = await mailboxes.ids(trash.id)
    await Promise.all([mailboxes.erase(first, own), mailboxes.erase(second, moved)])
    assert.deepEqual(await stored(server), { contents: 0, pieces: 0, found: 0 })
  }
})

test('What a crash left between the octets and the mail goes when its lease ends', async (t) => {
  const server = await world(t)
  const { contents } = server.services
  await contents.keep(mail('nobody', 1_000_000))
  await contents.sweep()
  assert.deepEqual(await stored(server), { contents: 1, pieces: 2, found: 0 })
  server.pass(61 * 60_000)
  await contents.sweep()
  assert.deepEqual(await stored(server), { contents: 0, pieces: 0, found: 0 })
})

test('The mail, the queue and the index of a database of before come over, with what each user takes', {
  skip: sqliteAlone('PostgreSQL has no such database'),
}, async (t) => {
  const file = databaseBefore(t, 'shared-contents', (before) => {
    before.exec(`
    INSERT INTO users VALUES (1, 'ann@wafer.test', '', 'x', 1), (2, 'bob@wafer.test', '', 'x', 1);
    INSERT INTO folders VALUES (1, 1, 'inbox', 'Inbox'), (2, 2, 'inbox', 'Inbox');
    INSERT INTO messages (id, user_id, folder_id, arrived_at, sender, recipients, subject, size, attachments, security)
      VALUES (3, 1, 1, 5, '', '', 'one', 3, 0, 'plain'), (8, 2, 2, 6, '', '', 'two', 4, 0, 'plain');
    INSERT INTO octets VALUES (3, x'010203'), (8, x'04050607');
    INSERT INTO message_search (rowid, sender, recipients, subject, body)
      VALUES (3, '', '', 'one', ''), (8, '', '', 'two', '');
    INSERT INTO outbox (id, user_id, sender, recipients, octets, created_at, next_at)
      VALUES (1, 1, 'ann@wafer.test', '["eve@far.example"]', x'0809', 7, 7);
    INSERT INTO parked_forms VALUES ('p', 2, x'0000000000', 9);`)
  })
  const db = openSqlite(file)
  t.after(() => sqliteOf(db).close())
  const rows = (query: string) => sqliteOf(db).prepare(query).raw().all()
  assert.deepEqual(
    rows(`SELECT m.id AS a, hex(p.octets) AS b FROM messages m JOIN content_pieces p USING (content_id)`),
    [
      [3, '010203'],
      [8, '04050607'],
    ],
  )
  assert.deepEqual(
    rows(`SELECT o.size AS a, hex(p.octets) AS b FROM outbox o JOIN content_pieces p USING (content_id)`),
    [[2, '0809']],
  )
  const found = `SELECT m.id AS a, 0 AS b FROM messages m WHERE content_id IN
    (SELECT rowid FROM message_search WHERE message_search MATCH 'two')`
  assert.deepEqual(rows(found), [[8, 0]])
  assert.deepEqual(rows('SELECT user_id AS a, octets AS b FROM usage ORDER BY user_id'), [
    [1, 5],
    [2, 9],
  ])
  assert.deepEqual(rows('SELECT count(*) AS a, sum("references") AS b FROM contents'), [[3, 3]])
  sqliteOf(db).exec('DELETE FROM outbox')
  assert.deepEqual(rows('SELECT count(*) AS a, sum("references") AS b FROM contents'), [[3, 2]])
  assert.deepEqual(rows('PRAGMA foreign_key_check'), [])
})

// ---- quota

test('The usual quota of 2 GiB is said in gigabytes', async (t) => {
  const server = await world(t)
  await withThree(server)
  const { token } = await server.terminal(ann)
  const more = await fetch(`${server.url}/folders`, { headers: { cookie: `wafer=${token}` } })
  assert.match(await more.text(), /0 B of 2\.1 GB are used/)
})

test('Mail, drafts, the queue and parked forms count, and what goes is free again', async (t) => {
  const server = await world(t, { WAFER_QUOTA: '1MiB', WAFER_RELAY: 'smtp://127.0.0.1:1' })
  const [id] = (await withThree(server)) as [number]
  const { parkedForms } = server.services
  const user = await server.terminal(ann)
  const space = async () => (await user.get('/session')).body.space
  assert.deepEqual(await space(), { used: 0, quota: 1024 * 1024 })
  const more = await fetch(`${server.url}/folders`, { headers: { cookie: `wafer=${user.token}` } })
  assert.match(await more.text(), /0 B of 1\.0 MB are used/)
  await server.deliver(ann, mail('one', 1000))
  const draft = await user.post('/messages', { draft: true, subject: 'two', text: 'y'.repeat(2000) })
  const letter = { to: 'eve@far.example', text: 'z'.repeat(3000), hold_s: 60 }
  assert.equal((await user.post('/messages', letter)).status, 201)
  const ticket = await parkedForms.park(id, { text: 'p'.repeat(4000) })
  assert.ok((await counted(server, id)) > 1000 + 2000 + 2 * 3000 + 4000)
  assert.equal((await space()).used, await counted(server, id))
  await parkedForms.drop(ticket)
  await user.delete(`/messages/${draft.body.id}`)
  await user.delete(`/messages/${draft.body.id}`)
  assert.ok((await counted(server, id)) < 9000)
})

test('Who has no room is told so, sends nothing twice and loses nothing', async (t) => {
  const server = await world(t, { WAFER_QUOTA: '100KiB' })
  const [id, other] = (await withThree(server)) as [number, number]
  await server.deliver(ann, mail('most of it', 90_000))
  const user = await server.terminal(ann)
  const text = 'a letter '.repeat(1500)
  for (const letter of [
    { to: bob, text },
    { to: bob, text, hold_s: 60 },
    { draft: true, text },
  ]) {
    const answer = await user.post('/messages', letter)
    assert.deepEqual([answer.status, problem(answer)], [507, 'over-quota'])
    assert.match(answer.body.detail ?? answer.body.title, /no room/)
  }
  assert.equal(await counted(server, other), 0)
  const [message] = (await user.get('/folders/Inbox/messages')).body.messages
  for (let times = 0; times < 2; times += 1) await user.delete(`/messages/${message.id}`)
  assert.equal((await user.post('/messages', { to: bob, text })).status, 201)
  assert.ok((await counted(server, other)) > text.length)
  assert.ok((await counted(server, id)) > text.length)
})

test('A letter between users waits for the one who has no room, and reaches the others', async (t) => {
  const server = await world(t, { WAFER_QUOTA: '100KiB' })
  const [, other] = (await withThree(server)) as [number, number]
  await server.deliver(bob, mail('most of it', 95_000))
  const user = await server.terminal(ann)
  const sent = await user.post('/messages', { to: `${bob}, ${cid}`, text: 'b '.repeat(5000) })
  assert.deepEqual([sent.body.delivered, sent.body.queued], [[cid], [bob]])
  const full = await server.terminal(bob)
  const [message] = (await full.get('/folders/Inbox/messages')).body.messages
  for (let times = 0; times < 2; times += 1) await full.delete(`/messages/${message.id}`)
  server.pass(2 * 60_000)
  await server.services.outbox.tick()
  assert.equal((await full.get('/folders/Inbox/messages')).body.messages.length, 1)
  assert.ok((await counted(server, other)) > 10_000)
})
