/** Letters written in the terminal client, against a real server: nothing typed is lost, whatever happens on the way. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { render } from 'ink-testing-library'
import { createMessage, encrypt, readKey } from 'openpgp'
import { createElement } from 'react'
import { Frame } from '../../tui/full/frame.tsx'
import { openCompose } from '../../tui/full/screens/begin-letter.ts'
import { keepDue } from '../../tui/full/screens/keep-letter.ts'
import type { Size } from '../../tui/full/terminal.ts'
import { attributes, Desk } from '../support/desk.ts'
import { passphrase, password, type Terminal, type World, world } from '../support/world.ts'

const ann = 'ann@wafer.test'
const bob = 'bob@wafer.test'
const carl = 'carl@wafer.test'
/** However it was wrapped. */
const allTheSame = /Send\s+it\s+all\s+the\s+same\?\s+y\/n/
const small: Size = { columns: 40, rows: 15 }

/** Ann's desk, logged in; Bob has a key, Carl has none. */
const begin = async (t: TestContext, options: { size?: Size; environment?: Record<string, string> } = {}) => {
  let desk: Desk | null = null
  t.after(() => desk?.end())
  const server = await world(t, options.environment)
  await server.addUser(ann, { name: 'Ann' })
  await server.addUser(bob, { name: 'Bob' })
  await server.addUser(carl, { name: 'Carl', key: false })
  desk = new Desk(server, options.size ? { size: options.size } : {})
  await desk.logIn(ann)
  return { server, ours: desk, terminal: await server.terminal(ann) }
}

const list = async (terminal: Terminal, folder: string) =>
  (await terminal.get(`/folders/${folder}/messages`)).body.messages

/** Waits until the folder holds so many. */
const holds = async (terminal: Terminal, folder: string, count: number) => {
  for (const end = Date.now() + 20_000; ; await sleep(20)) {
    const found = await list(terminal, folder)
    if (found.length === count) return found
    if (Date.now() > end)
      throw new Error(`expected ${count} mails in ${folder}, got ${JSON.stringify(found)}`)
  }
}

/** The one draft, as its writer opens it elsewhere. */
const draft = async (server: World) => {
  const other = await server.terminal(ann, 'other terminal')
  await other.post('/allowance/stop', { confirm: true })
  await other.unlock()
  const [only, another] = await list(other, 'Drafts')
  assert.ok(only && !another, 'one draft')
  const { body } = await other.post(`/messages/${only.id}/decrypt`)
  await other.delete('/session')
  return { id: only.id, ...body }
}

const compose = async (ours: Desk, letter: { to?: string; subject?: string; text?: string } = {}) => {
  ours.press('c')
  assert.match(ours.title, /^Compose/)
  ours.type(letter.to ?? '')
  ours.press('enter')
  ours.type(letter.subject ?? '')
  ours.press('enter')
  ours.type(letter.text ?? '')
}

const leaves = async (server: World) => {
  server.pass(16_000)
  await server.services.outbox.tick()
}

const folder = (t: TestContext) => {
  const made = mkdtempSync(join(tmpdir(), 'wafer-compose-'))
  t.after(() => rmSync(made, { recursive: true, force: true }))
  return made
}

const freePort = async (): Promise<number> => {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

const withEditor = (t: TestContext, script: string) => {
  const { VISUAL, EDITOR } = process.env
  t.after(() => {
    for (const [name, before] of Object.entries({ VISUAL, EDITOR }))
      if (before === undefined) delete process.env[name]
      else process.env[name] = before
  })
  const program = join(folder(t), 'editor')
  writeFileSync(program, `#!/bin/sh\n${script}`, { mode: 0o700 })
  process.env.VISUAL = program
}

test('Enter, Tab and arrows go through the fields, the cursor at the caret, at 80x24 and 40x15 (S1400-S1440)', async (t) => {
  const { ours } = await begin(t)
  ours.press('c')
  assert.deepEqual(ours.draw().cursor, { x: 9, y: 1 })
  assert.deepEqual(ours.rows().slice(1, 4), ['To:', 'Subject:', '| Will be: not signed, NOT encrypted'])
  ours.type('日本')
  assert.deepEqual(ours.draw().cursor, { x: 13, y: 1 }, 'by cells')
  ours.press('left')
  assert.deepEqual(ours.draw().cursor, { x: 11, y: 1 })
  ours.press('ctrl-k', 'ctrl-u', 'tab')
  assert.deepEqual(ours.draw().cursor, { x: 9, y: 2 }, 'an empty one is passed')
  ours.type('件名')
  ours.press('down')
  ours.type('本文 and text')
  ours.press('enter')
  assert.deepEqual(ours.draw().cursor, { x: 0, y: 5 })
  ours.press('up', 'up')
  assert.deepEqual(ours.draw().cursor.y, 2, 'from the first row up to the subject')
  ours.press('alt-c')
  assert.deepEqual(ours.rows().slice(1, 5), ['To:', 'Cc:', 'Bcc:', 'Subject: 件名'])
  assert.deepEqual(ours.draw().cursor, { x: 9, y: 2 })
  ours.press('shift-tab', 'shift-tab')
  assert.deepEqual(ours.draw().cursor.y, 6, 'round to the text')
  ours.press('tab')
  assert.deepEqual(ours.draw().cursor.y, 1)
  for (const size of [small, { columns: 20, rows: 5 }, { columns: 12, rows: 4 }, { columns: 80, rows: 24 }]) {
    ours.size = size
    for (let place = 0; place < 6; place += 1) {
      ours.press('down')
      ours.draw()
    }
  }
  assert.match(ours.bottom, /^\^X send .* \^G help$/)
  ours.press('ctrl-g')
  await ours.sees('Help: keys', '^X ^S', 'throw the letter away')
  assert.doesNotMatch(ours.rows().join('\n'), /…/, 'at 80 columns the help cuts nothing')
  assert.doesNotMatch(ours.rows().join('\n'), /compose a mail/, 'letters are text in a letter')
  ours.press('esc')
  await ours.sees('本文 and text')
})

test('What was pasted comes as it is into the text, and as one line into fields (F8)', async (t) => {
  const { ours, terminal } = await begin(t)
  ours.press('c')
  ours.app.paste(`Bob <${bob}>\r\n${ann}\n`)
  assert.match(ours.here(), new RegExp(`^To: {6}Bob <${bob}>, ${ann}$`))
  ours.press('enter')
  ours.app.paste('one\ntwo\x1b[31m')
  assert.match(ours.here(), /^Subject: one two\[31m$/)
  ours.press('enter')
  const lines = Array.from({ length: 100 }, (_, n) => `${n} a line\u202e that is pasted`)
  ours.app.paste(lines.join('\r\n'))
  assert.match(ours.here(), /^99 a line/)
  await ours.sees('not signed (the key is locked), encrypted to bob@wafer.test, ann@waf')
  ours.press('ctrl-x')
  await ours.sees(`Sent to ${bob}, ${ann} (leaves in 15 s; u takes it back)`)
  const [sent] = await list(terminal, 'Sent')
  assert.equal(sent.subject, 'one two[31m')
  await terminal.unlock()
  const { body } = await terminal.post(`/messages/${sent.id}/decrypt`)
  assert.equal(body.text.replace(/\r\n/g, '\n').trimEnd(), lines.join('\n'))
})

test('Tab completes an address by whom one wrote to, goes through the candidates, and on where nothing is begun', async (t) => {
  const { ours, terminal } = await begin(t)
  await terminal.post('/messages', { to: `Bob <${bob}>`, subject: 'x' })
  await terminal.post('/messages', { to: `Bob <${bob}>`, subject: 'x' })
  await terminal.post('/messages', { to: `"Bobson, Carl" <${carl}>`, subject: 'x' })
  ours.press('c')
  ours.type('bob')
  ours.press('tab')
  await ours.sees(`To:      Bob <${bob}>,`, `[Bob <${bob}>]  "Bobson, Carl" <${carl}>`)
  ours.press('tab')
  await ours.sees(`To:      "Bobson, Carl" <${carl}>,`, `["Bobson, Carl" <${carl}>]`)
  ours.press('tab')
  await ours.sees(`To:      Bob <${bob}>,`)
  ours.press('esc')
  assert.match(ours.here(), /^To: {6}bob$/, 'what was typed comes back')
  assert.match(ours.title, /^Compose/)
  ours.press('tab')
  await ours.sees(`[Bob <${bob}>]`)
  ours.type('carl')
  ours.press('tab')
  await ours.sees(`To:      Bob <${bob}>, "Bobson, Carl" <${carl}>,`)
  ours.press('tab')
  assert.match(ours.here(), /^Subject:/)
  await ours.sees(`no key for ${carl}`)
  ours.press('up')
  ours.type('nobody')
  ours.press('tab')
  await ours.sees('Nobody whom you had mail with begins with "nobody".')
  ours.type('@nowhere.test')
  ours.press('tab')
  await ours.sees(/^Subject:$/m)
})

test('Why a letter cannot be encrypted is said before and at sending; a wrong address is named and stops nothing', async (t) => {
  const { ours, terminal, server } = await begin(t)
  await compose(ours, { to: `${bob}, ${carl}`, subject: 'Hi', text: 'x' })
  await ours.sees(`| Will be: not signed, NOT encrypted: no key for ${carl}`)
  ours.press('alt-e')
  await ours.sees(`| Will be: not signed, CANNOT be encrypted: no key for ${carl}`)
  ours.press('ctrl-s')
  await ours.sees(`There is no public key for ${carl}.`)
  assert.match(ours.title, /^Compose/)
  ours.press('tab', 'end')
  ours.type(', nonsense')
  ours.press('tab')
  await ours.sees('Nobody whom you had mail with begins with "nonsense".')
  assert.match([...ours.seen].join('\n'), /not checked yet/)
  ours.press('tab')
  await ours.sees('Nobody whom you had mail with begins with "nonsense".')
  assert.match(ours.here(), /^To: .*nonsense$/, 'what is no address is not left by Tab')
  ours.press('enter')
  assert.match(ours.here(), /^Subject: Hi$/)
  await ours.sees(/^\| Will be: not signed, encrypted\. This is not a mail address: nonsense\.$/m)
  ours.press('tab')
  ours.type('more ')
  ours.press('ctrl-x')
  await ours.sees('This is not a mail address: nonsense.', /more/)
  assert.deepEqual(await list(terminal, 'Sent'), [])

  // P3: Carl reads S/MIME alone, and Bob OpenPGP.
  const user = await server.services.users.named(carl)
  const generate = { name: '', address: carl, at: Date.now() }
  await server.services.identities.add(user, passphrase, { generate }, { terminal: 'a test', address: '' })
  ours.press('esc')
  await ours.sees(/^Inbox/)
  await compose(ours, { to: `${bob}, ${carl}`, subject: 'Hi', text: 'x' })
  await ours.sees('| Will be: not signed (the key is locked), encrypted to')
  await ours.sees('encrypted to each, OpenPGP or S/MIME')
  ours.press('alt-k')
  await ours.sees(/encrypted, by S\/MIME to/)
  ours.press('alt-k', 'ctrl-x')
  await ours.sees(/no one mail fits both[\s\S]*Send each what they can read\? y\/n/)
  assert.deepEqual(await list(terminal, 'Sent'), [])
  ours.press('y')
  await ours.sees(`Sent to ${bob}`)
  assert.equal((await list(terminal, 'Sent')).length, 1)
})

test('A letter to nobody’s address is shown with the cursor in the field that holds it, whatever the sentence says', async (t) => {
  const { ours } = await begin(t)
  await compose(ours, { to: bob, subject: 'Hi', text: 'x' })
  ours.press('alt-c')
  ours.type(`Ben <ben@wafer.test>, ${carl}`)
  ours.press('ctrl-x')
  await ours.sees('There is no mailbox ben@wafer.test.', /^Cc: .*ben@wafer\.test/m)
  await ours.sees(/^\| Will be: .*There is no mailbox/m)
  assert.match(ours.here(), /^Cc: /)
})

test('The text comes back signed after the unlock window; cancelled, it is as it was (C8, S1450-S1510)', async (t) => {
  const { ours, terminal, server } = await begin(t)
  await compose(ours, { to: bob, subject: 'Terms', text: 'I agree.' })
  ours.press('alt-g')
  await ours.sees('Secret key use', 'Sign needs your key: Terms')
  ours.press('esc')
  await ours.sees('The text was not signed; it is as it was.', 'I agree.', `To:      ${bob}`)
  ours.press('alt-g')
  await ours.unlock('not the passphrase')
  await ours.sees('The passphrase is wrong')
  await ours.unlock()
  await ours.sees(
    '-----BEGIN PGP SIGNED MESSAGE-----',
    'I agree.',
    'Will be: text signed, encrypted to bob@wafer.test',
  )
  await ours.sees(/Signed, and ready to send/)
  ours.press('alt-g')
  await ours.sees('The text is signed already.')
  ours.press('ctrl-end')
  ours.type('P.S. No.')
  ours.press('ctrl-x')
  await ours.sees('You changed the text after you signed it', allTheSame)
  ours.press('n')
  await ours.sees('The letter is as it was.')
  ours.press(...Array.from({ length: 8 }, () => 'backspace'), 'ctrl-x')
  await ours.sees(`Sent to ${bob}`)
  await leaves(server)
  const reader = await server.terminal(bob)
  const [arrived] = await list(reader, 'Inbox')
  await reader.unlock()
  const { body } = await reader.post(`/messages/${arrived.id}/decrypt`)
  assert.match(body.text, /I agree\./)
  assert.ok(['valid', 'unknown-key'].includes(body.signature.status), body.signature.status)
  assert.equal((await list(terminal, 'Sent')).length, 1)
})

/** Bob writes to Ann with her key. */
const encryptedMail = async (server: World, subject: string, text: string, more: object = {}) => {
  const terminal = await server.terminal(bob)
  await terminal.unlock()
  const answer = await terminal.post('/messages', {
    to: ann,
    subject,
    text,
    sign: true,
    encrypt: true,
    ...more,
  })
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
  await terminal.delete('/session')
}

test('The answer to an open encrypted mail quotes it, signed and encrypted; in plain only after a warning (F8, F9)', async (t) => {
  const { ours, server } = await begin(t)
  await encryptedMail(server, 'Plans', 'We meet at noon.')
  ours.press('ctrl-r')
  await ours.sees('Plans')
  ours.press('r')
  await ours.sees('Reply', 'An encrypted mail that is not open is not quoted.', 'Will be: signed, encrypted')
  ours.press('esc')
  await ours.sees('Inbox')
  ours.press('D')
  await ours.unlock()
  await ours.sees('We meet at noon.')
  ours.press('r')
  await ours.sees('Subject: Re: Plans', '> We meet at noon.', `Will be: signed, encrypted to ${bob}`)
  assert.deepEqual(ours.draw().cursor, { x: 0, y: 4 }, 'where one writes')
  ours.type('Yes!')
  ours.press('alt-e')
  await ours.sees('Will be: signed, NOT encrypted')
  ours.press('ctrl-x')
  await ours.sees('this would go unencrypted.', allTheSame)
  ours.press('n', 'alt-e', 'ctrl-x')
  await ours.sees(`Sent to ${bob} (leaves in 15 s; u takes it back)`)
  await leaves(server)
  const reader = await server.terminal(bob)
  await reader.unlock()
  const [arrived] = await list(reader, 'Inbox')
  assert.equal(arrived.security, 'encrypted')
  const { body } = await reader.post(`/messages/${arrived.id}/decrypt`)
  assert.match(body.text, /^Yes!\r?\n\r?\nOn .* wrote:\r?\n> We meet at noon\./)
  assert.ok(['valid', 'unknown-key'].includes(body.signature.status), body.signature.status)
  const [answered] = await list(await server.terminal(ann), 'Inbox')
  assert.equal(answered.answered, true)
})

test('A letter is held and can be taken back as it was, text, Bcc and attachment; once it has left that is said', async (t) => {
  const { ours, server, terminal } = await begin(t)
  const files = folder(t)
  writeFileSync(join(files, 'report.pdf'), 'octets')
  await compose(ours, { to: `${bob},`, subject: 'Numbers', text: 'See the attached report.' })
  ours.press('alt-c', 'down')
  ours.type(carl)
  ours.press('ctrl-x')
  await ours.sees('speaks of an attachment, but nothing is attached.', allTheSame)
  ours.press('esc', 'ctrl-t')
  ours.type(join(files, 'report.pdf'))
  ours.press('enter')
  await ours.sees('| Attached: report.pdf (6 B)')
  ours.press('ctrl-x')
  await ours.sees(`Sent to ${bob}, ${carl} (leaves in 15 s; u takes it back)`, /^Inbox/)
  ours.press('u')
  await ours.sees('The letter did not leave: it is yours again.', /^Compose .*kept \d\d:\d\d$/m)
  await ours.sees('See the attached report.', `Bcc:     ${carl}`, '| Attached: report.pdf (6 B)')
  await leaves(server)
  assert.deepEqual(await list(await server.terminal(bob), 'Inbox'), [])
  assert.equal((await holds(terminal, 'Drafts', 1)).length, 1)
  ours.press('ctrl-x')
  await ours.sees('Sent to')
  await leaves(server)
  ours.press('u')
  await ours.sees('it has left')
  assert.equal((await list(await server.terminal(bob), 'Inbox')).length, 1)
  assert.equal((await list(terminal, 'Sent')).length, 1)
  assert.deepEqual(await list(terminal, 'Drafts'), [], 'the draft went with it')
})

test('What is typed is kept after ten seconds, silently, always as the same one draft; sending removes it', async (t) => {
  const { ours, server, terminal } = await begin(t)
  await compose(ours, { to: 'bob@waf', subject: 'Slow', text: 'One' })
  ours.aheadMs = 9000
  await sleep(1200)
  assert.deepEqual(await list(terminal, 'Drafts'), [])
  ours.aheadMs = 12_000
  await holds(terminal, 'Drafts', 1)
  await ours.sees(/^Compose .* kept \d\d:\d\d$/m)
  ours.type(' two')
  assert.doesNotMatch(ours.title, /kept/)
  const first = await draft(server)
  assert.match(first.text, /^One\s*$/)
  assert.equal(first.headers.to, 'bob@waf')
  ours.aheadMs = 40_000
  await ours.sees(/^Compose .* kept \d\d:\d\d$/m)
  const second = await draft(server)
  assert.match(second.text, /^One two\s*$/)
  ours.press('alt-d')
  assert.match(ours.bottom, /It lies in Drafts as it is/)
  ours.type('!')
  const { client } = ours
  const send = client.send.bind(client)
  const answered = new Promise((resolve) => {
    client.send = async (letter) => {
      const answer = await send(letter)
      client.send = send
      ours.type('?') // while the answer is on its way
      setTimeout(resolve)
      return answer
    }
  })
  ours.press('alt-d')
  await answered
  assert.doesNotMatch(ours.title, /kept/)
  ours.aheadMs = 60_000
  await ours.sees(/^Compose .* kept \d\d:\d\d$/m)
  assert.match((await draft(server)).text, /^One two!\?\s*$/)
  ours.press('tab', 'end')
  ours.type('er.test')
  ours.press('alt-d')
  await ours.sees('Kept in Drafts.')
  assert.equal((await list(terminal, 'Drafts')).length, 1)
  ours.press('ctrl-x')
  await ours.sees(`Sent to ${bob}`)
  await holds(terminal, 'Drafts', 0)
})

test('Keeping and sending at once leave one letter, sent, and no draft of it, whichever comes first', async (t) => {
  const { ours, terminal } = await begin(t)
  for (const isKeptFirst of [true, false]) {
    await compose(ours, { to: bob, subject: 'Both', text: 'x' })
    ours.aheadMs += 11_000
    if (isKeptFirst) keepDue(ours.app)
    ours.press('ctrl-x')
    keepDue(ours.app)
    await ours.sees(`Sent to ${bob}`, /^Inbox/)
  }
  await sleep(300)
  assert.deepEqual(await list(terminal, 'Drafts'), [])
  assert.equal((await list(terminal, 'Sent')).length, 2)
})

test('Esc keeps what was written as a draft that opens again with all of it; what nobody touched leaves nothing', async (t) => {
  const { ours, server, terminal } = await begin(t)
  await server.deliver(ann, `From: Eve <eve@far.example>\nTo: ${ann}\nSubject: Boat\n\nA boat.\n`)
  ours.press('ctrl-r')
  await ours.sees('Boat')
  ours.press('c', 'esc')
  await ours.sees(/^Inbox/)
  ours.press('r')
  await ours.sees('> A boat.')
  ours.press('esc')
  await ours.sees('Nothing was written, so nothing was kept.')
  assert.deepEqual(await list(terminal, 'Drafts'), [])
  const files = folder(t)
  writeFileSync(join(files, 'a.txt'), 'abc')
  ours.press('r')
  await ours.sees('> A boat.')
  ours.type('日本の船 ')
  ours.press('alt-s', 'alt-e', 'ctrl-t')
  ours.type(join(files, 'a.txt'))
  ours.press('enter')
  await ours.sees('a.txt (3 B)')
  ours.press('esc')
  await ours.sees('The letter lies in Drafts.', /^Inbox/)
  ours.press('o')
  ours.type('drafts')
  ours.press('enter')
  await ours.sees(/^Drafts/, 'Re: Boat')
  ours.press('enter')
  await ours.sees('Decrypt needs your key: Re: Boat')
  await ours.unlock()
  await ours.sees('日本の船', '> A boat.', '| Attached: a.txt (3 B)', 'To:      Eve <eve@far.example>')
  await ours.sees('CANNOT be encrypted: no key for eve@far.example')
  ours.press('alt-t')
  assert.doesNotMatch(ours.rows().join('\n'), /Attached: a/)
  ours.press('alt-x')
  await ours.sees('Throw the letter away? y/n')
  ours.press('y')
  await ours.sees('The letter was thrown away. u undoes it.', /^Drafts/)
  await holds(terminal, 'Drafts', 0)
  ours.press('u')
  await ours.sees('日本の船')
})

test('The session ends while one writes: one logs in again over the letter, and it goes on, is kept and sent (P39)', async (t) => {
  const { ours, server, terminal } = await begin(t)
  await compose(ours, { to: bob, subject: 'Long', text: 'Half of' })
  const away = async () => {
    const { terminals } = (await terminal.get('/terminals')).body
    const desk = terminals.find((each: { terminal: string }) => each.terminal === 'desk')
    await terminal.delete(`/terminals/${desk.id}`)
  }
  const again = async () => {
    await ours.sees('Your session has ended. Log in again, and go on where you were.')
    ours.type(password)
    ours.press('enter')
  }
  await away()
  ours.aheadMs = 11_000
  await again()
  await ours.sees('Half of', 'everything is as you left it')
  await holds(terminal, 'Drafts', 1)
  ours.type(' it')
  ours.press('alt-s')
  await away()
  ours.press('ctrl-x')
  await again()
  await ours.sees('Send needs your key: Long')
  await ours.unlock()
  await ours.sees(`Sent to ${bob}`)
  await leaves(server)
  const reader = await server.terminal(bob)
  const [arrived] = await list(reader, 'Inbox')
  await reader.unlock()
  const opened = await reader.post(`/messages/${arrived.id}/decrypt`)
  assert.equal(opened.body.text.trim(), 'Half of it', 'encrypted, as it was to be')
  assert.deepEqual(await list(terminal, 'Drafts'), [])
})

test('Where the server is not reached, that is said once, the letter stays, and is kept when it is reached again', async (t) => {
  const { ours, server, terminal } = await begin(t, { environment: { WAFER_PORT: `${await freePort()}` } })
  await compose(ours, { to: bob, subject: 'Storm', text: 'Wind' })
  await server.stop()
  ours.aheadMs = 11_000
  await ours.sees('The letter is here, but not kept as a draft:')
  ours.type(' and rain')
  ours.press('ctrl-x')
  await ours.sees(/Nothing\s+was\s+sent; the letter is still here/, 'Wind and rain')
  ours.press('esc')
  await ours.sees('not kept as a draft', 'Wind and rain')
  ours.press('ctrl-c')
  await ours.sees('keep the letter as a draft? y keeps it')
  ours.press('y')
  await ours.sees('not kept as a draft', 'Wind and rain')
  assert.equal(ours.exitCode, null, 'it is still here')
  await server.start()
  ours.aheadMs = 60_000
  await ours.sees(/^Compose .* kept \d\d:\d\d$/m)
  assert.equal((await list(terminal, 'Drafts')).length, 1)
})

test('Quitting asks about a letter that is not kept, and keeps it', async (t) => {
  const { ours, terminal } = await begin(t)
  await compose(ours, { to: bob, subject: 'Late', text: 'Going' })
  ours.press('ctrl-c', 'esc')
  assert.match(ours.title, /^Compose/)
  ours.press('ctrl-c')
  await ours.sees('Quit: keep the letter as a draft?')
  ours.press('y')
  await holds(terminal, 'Drafts', 1)
  for (const end = Date.now() + 10_000; ours.exitCode === null; await sleep(20)) assert.ok(Date.now() < end)
  assert.equal(ours.exitCode, 0)
})

test('Quitting from the window for the key asks over the letter; at the log-in it says what is lost', async (t) => {
  const { ours, terminal } = await begin(t)
  await compose(ours, { to: bob, subject: 'Pier', text: 'Not yet kept.' })
  ours.press('alt-s', 'ctrl-x')
  await ours.sees('Secret key use')
  ours.press('ctrl-c')
  await ours.sees('Quit: keep the letter as a draft?', 'Not yet kept.')
  assert.equal(ours.exitCode, null)
  ours.press('esc')
  for (const { id, this: isThis } of (await terminal.get('/terminals')).body.terminals)
    if (!isThis) await terminal.delete(`/terminals/${id}`)
  void ours.app.contact()
  await ours.sees('Your session has ended.')
  await sleep(400)
  ours.press('ctrl-c')
  await ours.sees('is not kept as a draft. Log in, and it will be')
  // Whoever tries to log in again means to stay: what is lost by leaving is said once more.
  ours.type('wrong')
  ours.press('enter')
  await ours.sees('User ID or password is wrong.')
  await sleep(400)
  ours.press('ctrl-c')
  await ours.sees('is not kept as a draft. Log in, and it will be')
  assert.equal(ours.app.state.prompt, null)
  await sleep(50)
  assert.equal(ours.exitCode, null)
  ours.press('ctrl-c')
  for (let most = 200; most > 0 && ours.exitCode === null; most -= 1) await sleep(20)
  assert.equal(ours.exitCode, 0)
})

test('A mail to another domain without a relay lies in Drafts afterwards, once, and on the screen', async (t) => {
  const { ours, terminal } = await begin(t)
  await compose(ours, { to: 'eve@far.example', subject: 'Far', text: 'x' })
  ours.press('ctrl-x')
  await ours.sees('far.example', /^Compose .* kept/m)
  assert.match(ours.rows().join('\n'), /relay|other domains|cannot/i)
  assert.equal((await list(terminal, 'Drafts')).length, 1)
  ours.type('y')
  ours.press('esc')
  await ours.sees('The letter lies in Drafts.')
  assert.equal((await list(terminal, 'Drafts')).length, 1)
})

test('The person’s editor gets the text and gives it back; each save is as good as typed; a failure leaves the text', async (t) => {
  const { ours } = await begin(t)
  delete process.env.VISUAL
  withEditor(t, 'sed -i "s/draft/letter/" "$1"; printf "%s\\n" "日本 and more" >> "$1"\n')
  const goOn = async () => {
    for (const end = Date.now() + 10_000; Date.now() < end; await sleep(20)) {
      const all = ours.rows().join('\n')
      if (/in a file on this machine's disk/.test(all)) return ours.press('y')
      if (/and more|was not found|is as it was/.test(all)) return
    }
  }
  await compose(ours, { to: bob, subject: 'Edited', text: 'A draft.' })
  ours.press('ctrl-o')
  await goOn()
  await ours.sees('A letter.', '日本 and more')
  ours.press('ctrl-_')
  await ours.sees('A draft.')
  process.env.VISUAL = 'no-such-editor'
  ours.press('ctrl-o')
  await ours.sees('The editor no-such-editor was not found; the text is as it was before.', 'A draft.')
  delete process.env.VISUAL
  delete process.env.EDITOR
  ours.press('ctrl-o')
  await ours.sees('No editor is set')
})

test('Attaching completes paths as a shell does, and says why a file cannot be attached', async (t) => {
  const { ours } = await begin(t)
  const files = folder(t)
  mkdirSync(join(files, 'reports'))
  writeFileSync(join(files, 'reports', '報告 one.pdf'), 'x'.repeat(2000))
  writeFileSync(join(files, 'reports', '報告 two.pdf'), 'x')
  await compose(ours, { to: bob, subject: 'Files' })
  ours.press('ctrl-t')
  ours.type(`${files}/rep`)
  ours.press('tab')
  await ours.sees('reports/')
  ours.press('tab')
  await ours.sees('報告')
  ours.press('tab')
  await ours.sees('報告 one.pdf  報告 two.pdf')
  ours.type('one.pdf')
  ours.press('enter')
  await ours.sees('| Attached: 報告 one.pdf (2 kB)', 'Attached: 報告 one.pdf (2 kB).')
  ours.press('ctrl-t')
  ours.type(files)
  ours.press('enter')
  await ours.sees('is a folder; only files can be attached.')
  ours.press('alt-t')
  await ours.sees('報告 one.pdf is not attached any more.')
})

test('From the list nothing of an encrypted mail is quoted or passed on, though the key is open (CC)', async (t) => {
  const { ours, server } = await begin(t)
  await encryptedMail(server, 'Sealed', 'UNSEEN', {
    attachments: [{ name: 'unseen.bin', type: 'application/x-map', content: 'AP8K' }],
  })
  ours.press('ctrl-r')
  await ours.sees('Sealed')
  ours.press('z')
  await ours.unlock()
  await ours.sees('Key open')
  for (const key of ['r', 'f']) {
    ours.press(key)
    await ours.sees('An encrypted mail that is not open is not quoted.', 'Will be: signed, encrypted')
    assert.doesNotMatch(ours.rows().join('\n'), /UNSEEN|unseen/)
    ours.press('esc')
    await ours.sees('Inbox')
  }
  ours.press('enter')
  await ours.sees('UNSEEN')
  ours.press('r')
  await ours.sees('> UNSEEN')
})

test('Nothing of a part that was opened alone goes into an answer, which is encrypted all the same (CC)', async (t) => {
  const { ours, server, terminal } = await begin(t)
  const encryptionKeys = await readKey({ armoredKey: (await terminal.get('/keys')).body.keys[0].public })
  const message = await createMessage({ text: 'Content-Type: text/plain\r\n\r\nSTOLEN\r\n' })
  const stolen = await encrypt({ message, encryptionKeys })
  const sealed = [
    'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=c\n',
    '--c\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n',
    `--c\nContent-Type: application/octet-stream\n\n${stolen}\n--c--\n`,
  ].join('\n')
  await server.deliver(
    ann,
    `From: mallory@evil.example\nTo: ${ann}\nSubject: Lure\nMIME-Version: 1.0\n` +
      'Content-Type: multipart/mixed; boundary=b\n\n' +
      `--b\nContent-Type: text/plain\n\nPlease answer.\n--b\n${sealed}\n--b--\n`,
  )
  ours.press('ctrl-r')
  await ours.sees('Lure')
  ours.press('enter')
  await ours.sees('Please answer.')
  ours.press('D')
  await ours.unlock()
  await ours.sees('STOLEN')
  ours.press('r')
  await ours.sees('A part that was opened alone is not quoted', 'mallory@evil.example', /CANNOT be encrypted/)
  assert.doesNotMatch(ours.rows().join('\n'), /STOLEN/)
})

test('A mail is passed on with its attachments, encrypted as it came (F8)', async (t) => {
  const { ours, server } = await begin(t)
  await encryptedMail(server, 'Map', 'The map.', {
    attachments: [{ name: 'map.bin', type: 'application/x-map', content: 'AP8K' }],
  })
  ours.press('ctrl-r')
  await ours.sees('Map')
  ours.press('D')
  await ours.unlock()
  await ours.sees('The map.')
  ours.press('f')
  await ours.sees('Subject: Fwd: Map', '| Attached: map.bin (3 B)', 'The map.', 'signed, encrypted')
  ours.type(bob)
  ours.press('ctrl-x')
  await ours.sees(`Sent to ${bob}`)
  await leaves(server)
  const reader = await server.terminal(bob)
  await reader.unlock()
  const [arrived] = await list(reader, 'Inbox')
  const { body } = await reader.post(`/messages/${arrived.id}/decrypt`)
  assert.deepEqual(
    body.attachments.map(({ name, size }: { name: string; size: number }) => [name, size]),
    [['map.bin', 3]],
  )
})

test('What is answered may be deleted meanwhile: the answer is kept and sent all the same', async (t) => {
  const { ours, server, terminal } = await begin(t)
  await server.deliver(ann, `From: Bob <${bob}>\nTo: ${ann}\nSubject: Gone soon\n\nHello.\n`)
  ours.press('ctrl-r')
  await ours.sees('Gone soon')
  ours.press('r')
  await ours.sees('> Hello.')
  const [mail] = await list(terminal, 'Inbox')
  await terminal.delete(`/messages/${mail.id}`)
  await terminal.delete(`/messages/${mail.id}`)
  ours.type('Hi')
  ours.press('alt-d')
  await ours.sees('Kept in Drafts.')
  ours.press('ctrl-x')
  await ours.sees(`Sent to ${bob}`)
})

test('A mailto: link begins a letter with what it says, sends nothing, and whatever stands in it is harmless', async (t) => {
  const { ours, terminal } = await begin(t)
  openCompose(ours.app, {
    mailto: `mailto:${bob}?cc=${carl}&subject=Hel%1b%5b31mlo%0aBcc%3a%20x&body=One%0aT%e2%80%aewo&attach=/etc/passwd`,
  })
  await ours.sees(`To:      ${bob}`, `Cc:      ${carl}`, 'A letter from a link', 'One', 'Two')
  assert.match(ours.rows().join('\n'), /^Subject: Hel.*lo Bcc: x$/m)
  assert.doesNotMatch(ours.rows().join('\n'), /Attached|passwd/)
  assert.deepEqual([await list(terminal, 'Sent'), await list(terminal, 'Drafts')], [[], []])
  openCompose(ours.app, { mailto: 'http://wafer.test' })
  await ours.sees('This is not a mailto: link.')
})

test('Ink draws a letter as its rows, and keys and pastes reach it', async (t) => {
  const { ours } = await begin(t)
  ours.press('c')
  const ink = render(createElement(Frame, { app: ours.app, onReady: () => undefined }))
  t.after(() => ink.unmount())
  const frame = () => (ink.lastFrame() ?? '').replace(attributes, '')
  const sees = async (wanted: string) => {
    for (const end = Date.now() + 10_000; !frame().includes(wanted); await sleep(20))
      assert.ok(Date.now() < end, `expected ${wanted}, got ${frame()}`)
  }
  ink.stdin.write(bob)
  await sees(`To:      ${bob}`)
  ink.stdin.write('\r')
  ink.stdin.write('日本語\r')
  await sees('Subject: 日本語')
  ink.stdin.write('\x1b[200~two\nlines\x1b[201~')
  await sees('lines')
  ink.stdin.write('\x1be')
  await sees('Will be: not signed, encrypted')
  await sees('two')
})

test('A letter to people with keys starts encrypted, signed where the key is open, and says why not otherwise', async (t) => {
  const { server, ours, terminal } = await begin(t)
  await compose(ours, { to: bob, subject: 'One', text: 'x' })
  await ours.sees('Will be: not signed (the key is locked), encrypted to bob@wafer.test')
  ours.press('ctrl-x')
  await ours.sees('Sent to bob@wafer.test')
  assert.equal((await holds(terminal, 'Sent', 1))[0].security, 'encrypted')

  // Sent before it was looked whether there are keys: it does not leave in plain for that.
  await compose(ours, { to: bob, subject: 'Fast', text: 'x' })
  ours.press('ctrl-x')
  await ours.sees('Sent to bob@wafer.test')
  assert.equal((await holds(terminal, 'Sent', 2))[0].security, 'encrypted')

  ours.press('z')
  await ours.unlock()
  await ours.sees('The key is open.')
  await compose(ours, { to: bob, subject: 'Two', text: 'x' })
  await ours.sees('Will be: signed, encrypted to bob@wafer.test')

  // One more, who has none: what was to be encrypted does not leave in plain unseen.
  ours.press('shift-tab', 'shift-tab')
  ours.type(`, ${carl}`)
  ours.press('ctrl-x')
  await ours.sees(/NOT encrypted: no key for\s+carl@wafer\.test\. It was not sent/)
  await ours.sees('Will be: not signed, NOT encrypted: no key for carl@wafer.test')
  ours.press('ctrl-x')
  await ours.sees('Sent to bob@wafer.test, carl@wafer.test')
  assert.equal((await holds(terminal, 'Sent', 3))[0].security, 'plain')

  await compose(ours, { to: bob, subject: 'Chosen', text: 'x' })
  await ours.sees('Will be: signed, encrypted')
  ours.press('alt-e')
  ours.press('alt-s')
  await ours.sees('Will be: not signed, NOT encrypted (Alt-e: encrypted, all have keys)')
  ours.press('shift-tab', 'shift-tab')
  ours.type(`, ${ann}`)
  ours.press('enter')
  await ours.sees('NOT encrypted (Alt-e: encrypted, all have keys)')
  ours.press('ctrl-x')
  await ours.sees('Sent to bob@wafer.test, ann@wafer.test')
  assert.equal((await holds(terminal, 'Sent', 4))[0].security, 'plain', 'what was chosen stays')
  await leaves(server)
})
