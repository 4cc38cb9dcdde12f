/**
 * Copies of one's own letters lie encrypted to their writer, whatever left. Lists tell what left, and so does what is
 * said of each.
 */

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { openSqlite } from '../../server/ground/store/open.ts'
import { columnOf, sqliteAlone } from '../support/databases.ts'
import { Desk } from '../support/desk.ts'
import { databaseBefore } from '../support/old-database.ts'
import { world } from '../support/world.ts'

const [ann, bob] = ['ann@wafer.test', 'bob@wafer.test']
const ways = [
  { subject: 'Openly', sign: false, encrypt: false, left: 'plain' },
  { subject: 'By my hand', sign: true, encrypt: false, left: 'signed' },
  { subject: 'Closed', sign: false, encrypt: true, left: 'encrypted' },
  { subject: 'Both', sign: true, encrypt: true, left: 'encrypted' },
] as const

const letters = async (t: TestContext) => {
  const server = await world(t)
  await server.addUser(ann)
  await server.addUser(bob)
  const terminal = await server.terminal(ann)
  await terminal.unlock()
  for (const { left, ...letter } of ways) {
    const { status } = await terminal.post('/messages', { to: bob, text: 'x', ...letter })
    assert.equal(status, 201, left)
  }
  return { server, terminal }
}

test('The list of Sent tells how each letter left, by the API and in the terminal client', async (t) => {
  const { server, terminal } = await letters(t)
  const { messages } = (await terminal.get('/folders/Sent/messages')).body
  for (const { subject, left } of ways) {
    const row = messages.find((each: { subject: string }) => each.subject === subject)
    assert.equal(row.security, left, subject)
    const { body } = await terminal.get(`/messages/${row.id}`)
    assert.deepEqual(
      [body.security, body.sent_as],
      ['encrypted', left],
      `${subject} needs the key all the same`,
    )
    assert.equal((await terminal.patch(`/messages/${row.id}`, { flagged: true })).body.security, left)
  }
  await terminal.delete('/allowance')

  const desk = new Desk(server)
  t.after(() => desk.end())
  await desk.logIn()
  desk.press('J')
  await desk.sees(/^ {2} F {3}bob@wafer.test +Openly/m, /^ {2} F S bob@wafer.test +By my hand/m)
  await desk.sees(/^ {2} F E bob@wafer.test +Closed/m, /^[> ] {1} F E bob@wafer.test +Both/m)
  desk.press('j', 'j', 'j', 'enter')
  await desk.sees('Sent in plain; this copy is kept encrypted to you. D decrypts it.')
  desk.press('D')
  await desk.unlock()
  await desk.sees(/Sent in plain; this copy is kept encrypted to you\.$/m)
  desk.press('K')
  await desk.sees('Sent signed, not encrypted; this copy is kept encrypted to you.')
  desk.press('K')
  await desk.sees('Encrypted mail, open. It is not signed.')
})

test('A letter that was taken back has not left, and Drafts do not say that it has', async (t) => {
  const { terminal } = await letters(t)
  const letter = { to: bob, subject: 'Wait', text: 'x', hold_s: 600 }
  const { id } = (await terminal.post('/messages', letter)).body
  assert.equal((await terminal.get(`/messages/${id}`)).body.sent_as, 'plain')
  assert.equal((await terminal.post(`/messages/${id}/recall`)).status, 200)
  assert.equal((await terminal.get(`/messages/${id}`)).body.sent_as, null)
})

test('What somebody writes into a mail does not say how a letter of mine left', async (t) => {
  const { server, terminal } = await letters(t)
  await server.deliver(ann, `X-Wafer-Protection: sign\nFrom: ${ann}\nTo: ${ann}\nSubject: Forged\n\nx\n`)
  const [{ id }] = (await terminal.get('/folders/Inbox/messages')).body.messages
  await terminal.patch(`/messages/${id}`, { folder: 'Sent' })
  const { body } = await terminal.get(`/messages/${id}`)
  assert.deepEqual([body.security, body.sent_as], ['plain', null])
})

test('Copies that were kept before lists told how letters left are told apart, too', {
  skip: sqliteAlone('PostgreSQL has no such database'),
}, async (t) => {
  const file = databaseBefore(t, 'sent-as', (client) => {
    client.exec(`INSERT INTO users (id, address, name, password_hash, created_at) VALUES (1, '${ann}', '', '', 0);
    INSERT INTO folders (id, user_id, kind, name) VALUES (1, 1, 'sent', 'Sent'), (2, 1, 'drafts', 'Drafts')`)
    const store =
      client.prepare(`INSERT INTO messages (id, user_id, folder_id, arrived_at, sender, recipients, subject, size, attachments, security)
    VALUES (?, 1, ?, 0, '', '', '', 0, 0, 'encrypted')`)
    const keep = client.prepare('INSERT INTO octets (message_id, octets) VALUES (?, ?)')
    const copies = [
      [1, 1, 'X-Wafer-Protection: none\r\nFrom: x\r\n\r\n'],
      [2, 1, 'X-Wafer-Protection: sign\r\nFrom: x\r\n\r\n'],
      [3, 1, 'X-Wafer-Protection: sign encrypt\r\n\r\n'],
      [4, 2, 'X-Wafer-Protection: none\r\n\r\n'],
    ] as const
    for (const [id, folderId, octets] of copies) {
      store.run(id, folderId)
      keep.run(id, Buffer.from(octets))
    }
  })

  const db = openSqlite(file)
  t.after(() => db.close())
  const found = await columnOf(db, 'SELECT sent_as FROM messages ORDER BY id')
  assert.deepEqual(found, ['plain', 'signed', null, null])
})
