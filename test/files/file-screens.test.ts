/** Files in the full terminal client: with the disk of its machine, and without one, as behind SSH. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Desk } from '../support/desk.ts'
import { world } from '../support/world.ts'

const ann = 'ann@wafer.test'

const letterWithFile = (content: string) =>
  `From: Bob <bob@example.org>\r\nTo: ${ann}\r\nSubject: The map\r\nMIME-Version: 1.0\r\n` +
  'Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nHere it is.\r\n--x\r\n' +
  'Content-Type: text/plain; name=map.txt\r\nContent-Disposition: attachment; filename="old/map.txt"\r\n\r\n' +
  `${content}\r\n--x--\r\n`

test('P24: F opens Files: a file goes in from the disk, is read, moved, fetched again, and removed', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const folder = mkdtempSync(join(tmpdir(), 'wafer-files-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const large = randomBytes(2_500_000)
  writeFileSync(join(folder, 'large.bin'), large)
  writeFileSync(join(folder, 'note.txt'), 'the third pot\u001b]0;evil\u0007')
  const desk = new Desk(server)
  t.after(() => desk.end())
  await desk.logIn()
  desk.press('F')
  await desk.sees(/^Files/, '0 B of 2.1 GB are used.', 'There is nothing here.')
  for (const name of ['large.bin', 'note.txt']) {
    desk.press('a')
    await desk.sees('Put:')
    desk.type(join(folder, name))
    desk.press('enter')
    await desk.sees(`${name} is in Files`, new RegExp(`^> ${name}`, 'm'))
  }
  desk.press('a')
  desk.type(join(folder, 'note.txt'))
  desk.press('enter')
  await desk.sees('There is note.txt already. Replace it? y/n')
  desk.press('n')
  desk.press('N')
  await desk.sees('New folder:')
  desk.type('plans')
  desk.press('enter')
  await desk.sees(/^> plans\/ +folder/m)

  desk.press('G')
  await desk.sees(/^> plans\//m)
  desk.press('k')
  desk.press('enter')
  await desk.unlock()
  await desk.sees('File: note.txt', 'type no passphrase here', 'the third pot')
  desk.press('esc')
  await desk.sees(/^> note\.txt/m)
  desk.press('r')
  await desk.sees('Its path: note.txt')
  for (let n = 0; n < 8; n++) desk.press('backspace')
  desk.type('plans/pots.txt')
  desk.press('enter')
  await desk.sees('It is plans/pots.txt now.')
  desk.press('g')
  desk.press('s')
  await desk.sees('Save as: large.bin')
  desk.press('ctrl-u')
  desk.type(join(folder, 'note.txt'))
  desk.press('enter')
  await desk.sees('exists already; nothing was written.')
  desk.press('s')
  desk.press('ctrl-u')
  desk.type(join(folder, 'back.bin'))
  desk.press('enter')
  await desk.sees(/Saved 2\.5 MB in/)
  assert.ok(readFileSync(join(folder, 'back.bin')).equals(large))
  desk.press('G')
  desk.press('enter')
  await desk.sees(/^Files: plans/, /^> pots\.txt/m)
  desk.press('d')
  await desk.sees('Remove pots.txt for good? y/n')
  desk.press('y')
  await desk.sees('pots.txt is removed.', 'There is nothing here.')
  desk.press('left')
  await desk.sees(/^Files /, /^> plans\//m)
  desk.press('?')
  await desk.sees('put a file of this machine here (put)')
  desk.press('esc')
  desk.press('esc')
  await desk.sees(/^Inbox/)
})

test('P24: attachments and mails go to Files, and files to letters, without a disk and without passing the terminal', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  await server.deliver(ann, letterWithFile('under the third pot'))
  const desk = new Desk(server, { disk: null })
  t.after(() => desk.end())
  await desk.logIn()
  await desk.sees('The map')
  desk.press('enter')
  await desk.sees('Here it is.')
  desk.press('W')
  await desk.sees('Save to Files as: The map.eml')
  desk.press('enter')
  await desk.sees('Saved in Files as The map.eml.')
  desk.press('v')
  await desk.sees('map.txt')
  desk.press('W')
  await desk.sees('Save to Files as: old_map.txt')
  desk.press('enter')
  await desk.sees('Saved in Files as old_map.txt.')
  desk.press('F')
  await desk.sees(/^Files/, /old_map\.txt +19 B/)
  desk.press('a')
  await desk.sees('put them with sftp')
  desk.press('s')
  await desk.sees('fetch it with sftp')
  desk.press('esc', 'esc', 'esc')

  await desk.sees(/^Inbox/)
  desk.press('c')
  await desk.sees('Compose')
  desk.type(ann)
  desk.press('enter')
  desk.type('To myself')
  desk.press('enter')
  desk.type('The file comes from Files.')
  desk.press('ctrl-t')
  await desk.sees(/^Attach from Files/, 'The map.eml')
  desk.press('G', 'enter')
  await desk.sees('| Attached: old_map.txt (19 B)', 'The file comes from Files.')
  // Kept as a draft while the key is locked: what was typed is there, whatever becomes of the file.
  desk.press('alt-d')
  await desk.sees('Kept in Drafts.')
  desk.press('ctrl-x')
  await desk.unlock()
  await desk.sees(`Sent to ${ann}`)
  server.pass(16_000)
  await server.services.outbox.tick()
  desk.press('z')
  await desk.sees('The key is locked.')
  const terminal = await server.terminal(ann)
  await terminal.unlock()
  const [sent, another] = (await terminal.get('/folders/Sent/messages')).body.messages
  assert.equal(another, undefined)
  const { attachments } = (await terminal.call('POST', `/messages/${sent.id}/decrypt`, {})).body
  assert.deepEqual(
    attachments.map(({ name, size }: { name: string; size: number }) => [name, size]),
    [['old_map.txt', 19]],
  )
})
