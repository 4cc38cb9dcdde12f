/**
 * What hands bring from mutt and aerc, in the full client: keys that take back before they leave, a line of the key that
 * is never behind the server, typing ahead that reaches no window it was not meant for.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import Sqlite from 'better-sqlite3'
import type { Size } from '../../tui/full/terminal.ts'
import { terminalName } from '../../tui/machine.ts'
import { Desk } from '../support/desk.ts'
import { passphrase, password, type Terminal, type World, world } from '../support/world.ts'

const ann = 'ann@wafer.test'
const bob = 'bob@wafer.test'
const small: Size = { columns: 40, rows: 15 }

const begin = async (t: TestContext, options: { keys?: boolean } = {}) => {
  const desks: Desk[] = []
  t.after(async () => {
    for (const desk of desks) await desk.end()
  })
  const server = await world(t)
  await server.addUser(ann, { name: 'Ann', key: options.keys ?? false })
  await server.addUser(bob, { name: 'Bob', key: options.keys ?? false })
  const desk = (size: Size = { columns: 80, rows: 24 }) => {
    const made = new Desk(server, { size })
    desks.push(made)
    return made
  }
  return { server, desk }
}

const mail = (subject: string, fields: string[] = []) =>
  ['From: Bob <bob@elsewhere.test>', `To: ${ann}`, `Subject: ${subject}`, ...fields, '', 'Hello.', ''].join(
    '\r\n',
  )

const deliver = async (server: World, ...subjects: string[]) => {
  for (const subject of subjects) await server.deliver(ann, mail(subject))
}

/** Bob writes to Ann with her key. */
const encryptedMail = async (server: World, subject: string, text: string, sign = true) => {
  const terminal = await server.terminal(bob)
  await terminal.unlock()
  const { status } = await terminal.post('/messages', { to: ann, subject, text, sign, encrypt: true })
  assert.equal(status, 201)
  await terminal.delete('/session')
}

const endDesk = async (terminal: Terminal) => {
  for (const { id, this: isThis } of (await terminal.get('/terminals')).body.terminals)
    if (!isThis) await terminal.delete(`/terminals/${id}`)
}

const subjects = (desk: Desk) =>
  desk
    .rows()
    .slice(1)
    .flatMap((row) => /(?:Re: )?(?:Letter \d+|Boat)/.exec(row)?.[0] ?? [])

// ---- lists

test('Esc and q lift the marks, then the limit, then leave a pushed list; Esc never quits, and q asks', async (t) => {
  const { server, desk } = await begin(t)
  await deliver(server, 'Letter 1', 'Boat', 'Letter 2', 'Boat again')
  for (const key of ['esc', 'q']) {
    const ours = desk()
    await ours.logIn()
    await ours.sees('Boat again')
    ours.press('/')
    ours.type('boat')
    ours.press('enter')
    await ours.sees(/^All folders, search "boat" .* 1 of 2\n/)
    ours.press('l')
    ours.type('again')
    ours.press('enter')
    await ours.sees(/^All folders, search "boat", only "again" .* 1 of 1\n/)
    ours.press('x')
    await ours.sees(/^All folders, search "boat", only "again", 1 marked /)
    ours.press(key)
    await ours.sees(/^All folders, search "boat", only "again" /)
    ours.press(key)
    await ours.sees(/^All folders, search "boat" .* of 2\n/)
    ours.press(key)
    await ours.sees(/^Inbox, 4 unread/)
    assert.equal(ours.app.state.screens.length, 1)
    ours.press(key)
    if (key === 'esc') assert.match(ours.bottom, /This is the first screen\. Q quits\./)
    else {
      assert.match(ours.bottom, /^Lock the key, log out and quit\? y\/n/)
      ours.press('n')
      assert.equal(ours.app.state.prompt, null)
      ours.press('q', 'y')
      while (ours.exitCode === null) await sleep(20)
    }
    assert.equal(ours.exitCode, key === 'esc' ? null : 0)
  }
})

test('A limit that is lifted leaves the cursor where it stood; Tab goes to the next unread mail and round', async (t) => {
  const { server, desk } = await begin(t)
  await deliver(server, ...Array.from({ length: 30 }, (_, n) => `Letter ${n + 1}`))
  const ours = desk()
  await ours.logIn()
  await ours.sees('Letter 30')
  for (let n = 0; n < 25; n += 1) ours.press('j')
  assert.match(ours.here(), /Letter 5 /)
  ours.press('l')
  ours.type('28')
  ours.press('enter')
  await ours.sees('only "28"', 'Letter 28')
  ours.press('esc')
  await ours.sees(/26 of 30\n/)
  assert.match(ours.here(), /^> {1}N.*Letter 5 /)
  ours.press('*', 'N')
  await ours.sees('30 mails marked as read.')
  ours.press('esc')
  for (let n = 0; n < 20; n += 1) ours.press('k')
  ours.press('N')
  await ours.sees('1 mail marked as unread.')
  ours.press('j', 'tab')
  assert.match(ours.here(), /Letter 25 /)
  ours.press('N')
  await ours.sees('1 mail marked as read.')
  ours.press('tab')
  await ours.sees('No unread mail is listed here.')
})

test('The last page is full, and what is left of it is paged as before', async (t) => {
  const { server, desk } = await begin(t)
  await deliver(server, ...Array.from({ length: 30 }, (_, n) => `Letter ${n + 1}`))
  const ours = desk()
  await ours.logIn()
  await ours.sees('Letter 30')
  ours.press('G')
  await ours.sees('Letter 21 ', /Letter 1 /)
  assert.equal(subjects(ours).length, 21)
  assert.match(ours.here(), /^>.*Letter 1 /)
  ours.press('b')
  assert.match(ours.here(), /Letter 30 /)
})

test('T lists a conversation from its beginning on, with what one wrote, and keeps the mail under the cursor', async (t) => {
  const { server, desk } = await begin(t)
  const terminal = await server.terminal(ann)
  await deliver(server, 'Boat')
  server.pass(60_000)
  await terminal.post('/messages', { to: bob, subject: 'Re: Boat', text: 'Mine.' })
  server.pass(60_000)
  await deliver(server, 'Re: Boat', 'Letter 1')
  const ours = desk()
  await ours.logIn()
  await ours.sees('Letter 1')
  ours.press('G')
  ours.press('T')
  await ours.sees('one conversation', / of 3\n/)
  assert.deepEqual(subjects(ours), ['Boat', 'Re: Boat', 'Re: Boat'])
  assert.match(ours.here(), /^>.* Boat /)
  ours.press('j')
  assert.match(ours.here(), /Ann/)
  ours.press('e')
  await ours.sees('1 mail archived.', / of 2\n/)
  ours.press('u')
  await ours.sees('1 mail back in Sent.', / of 3\n/)
  assert.match(ours.here(), /Ann/, 'the cursor is on it again')
})

test('After the last mail of a list is taken away it says so; undone, the cursor is where it was', async (t) => {
  const { server, desk } = await begin(t)
  await deliver(server, 'Letter 1', 'Letter 2', 'Letter 3')
  const ours = desk()
  await ours.logIn()
  await ours.sees('Letter 3')
  ours.press('j', 'd')
  await ours.sees('1 mail deleted.', / of 2\n/)
  ours.press('g', 'u')
  await ours.sees('1 mail back in Inbox.', / of 3\n/)
  await ours.sees(/^> N.*Letter 2 /m)
  ours.press('*', 'a')
  await ours.sees('No mail here any more.')
  ours.press('u')
  await ours.sees('Letter 2')
})

// ---- the state of the key

test('The line of the key follows any answer: a refused use tells who has the key now (C3)', async (t) => {
  const { server, desk } = await begin(t, { keys: true })
  await encryptedMail(server, 'Ferry', 'At nine.')
  const ours = desk()
  await ours.logIn()
  await ours.sees('Ferry')
  ours.press('enter')
  await ours.sees('BEGIN PGP MESSAGE', 'q back')
  await ours.app.contact()
  const other = await server.terminal(ann, 'phone')
  await other.unlock()
  assert.match(ours.status, /Key locked/, 'nothing was heard of it')
  ours.press('D')
  await ours.sees('Key in use elsewhere')
  await sleep(1000) // long before the next contact by itself
  assert.match(ours.status, /Key in use at phone/)
  await other.post('/allowance/stop', { confirm: true })
  ours.press('esc')
  ours.press('q', 'ctrl-g')
  await ours.sees('Key log', 'Key locked')
})

test('A takeover is heard of by the small question alone; without a connection nothing is claimed of the key', async (t) => {
  const { server, desk } = await begin(t, { keys: true })
  await encryptedMail(server, 'Ferry', 'At nine.')
  const ours = desk()
  await ours.logIn()
  await ours.sees('Ferry')
  ours.press('D')
  await ours.unlock()
  await ours.sees('At nine.', 'Key open for')
  const other = await server.terminal(ann, 'phone')
  await other.post('/allowance/stop', { confirm: true })
  await ours.app.checkKey()
  await ours.sees('stopped the use of your key here', 'Key locked')
  await server.stop()
  await ours.app.checkKey()
  await ours.sees('No connection: key state unknown')
  assert.doesNotMatch(ours.rows().join('\n'), /Key (locked|open)/)
})

// ---- typing ahead

test('What is typed ahead reaches no window that opens or closes meanwhile', async (t) => {
  const { server, desk } = await begin(t, { keys: true })
  await encryptedMail(server, 'Ferry', 'At nine.')
  const ours = desk()
  await ours.logIn()
  await ours.sees('Ferry')
  ours.press('enter')
  await ours.sees('BEGIN PGP MESSAGE')
  let isClosed = false
  const types = async () => {
    while (!isClosed) {
      ours.press('j')
      await sleep(20)
    }
  }
  ours.press('D')
  const typing = types()
  await ours.sees('Secret key use')
  await sleep(200)
  isClosed = true
  await typing
  const window = ours.app.top
  assert.ok(window?.name === 'unlock' && window.passphrase.isEmpty, 'none of it is a passphrase')
  await sleep(350)
  await ours.unlock()
  await ours.sees('At nine.')
})

test('A passphrase that is typed for a window that does not come stands nowhere, and is no command either', async (t) => {
  const { desk } = await begin(t, { keys: true })
  const ours = desk()
  await ours.logIn()
  const types = async (until: RegExp) => {
    for (let most = 1000; most > 0 && !until.test(ours.rows().join('\n')); most -= 1) {
      ours.press(...'zQ!')
      await sleep(10)
    }
    for (let each = 0; each < 20; each += 1) {
      ours.press(...'zQ!d')
      await sleep(20)
    }
  }
  ours.press('c')
  await ours.sees('Compose')
  ours.type('nobody@elsewhere.test')
  ours.press('enter')
  ours.type('Tea')
  ours.press('enter')
  ours.type('At four?')
  ours.press('alt-s', 'alt-e', 'ctrl-x')
  await types(/There is no public key/)
  assert.doesNotMatch([...ours.seen].join('\n'), /zQ/)
  await ours.sees('At four?', 'Compose')
  await sleep(1100)
  ours.type(' Yes')
  await ours.sees('At four? Yes')
  assert.equal(ours.app.state.screens.length, 2)
})

test('A word is no answer to a question, whatever letters it has', async (t) => {
  const { desk } = await begin(t)
  const ours = desk()
  await ours.logIn()
  ours.press('c')
  await ours.sees('Compose')
  ours.type(bob)
  ours.press('enter', 'enter')
  ours.type('Hello')
  ours.press('ctrl-x')
  await ours.sees('There is no subject.')
  ours.type('my sunny day')
  await ours.sees('There is no subject.', 'Hello')
  assert.doesNotMatch([...ours.seen].join('\n'), /sun|unny|day/)
  await sleep(350)
  ours.press('n')
  await ours.sees('The letter is as it was.')
  ours.app.pressAll(
    [...'\u0018yes'].map((text) =>
      text === '\u0018' ? { name: 'ctrl-x', text: null } : { name: text, text },
    ),
  )
  await ours.sees('There is no subject.')
  assert.equal(ours.app.state.screens.length, 2)
})

test('Who goes on writing while the session ends types into no password', async (t) => {
  const { server, desk } = await begin(t)
  const ours = desk()
  await ours.logIn()
  ours.press('c')
  ours.type('bob')
  await endDesk(await server.terminal(ann, 'phone'))
  ours.type(' and')
  void ours.app.contact()
  while (ours.app.top?.name !== 'login') {
    ours.press('x')
    await sleep(10)
  }
  ours.type('secret things')
  ours.press('enter')
  const { top } = ours.app
  assert.ok(top?.name === 'login' && top.password.isEmpty && !top.busy && top.problem === '')
  await sleep(350)
  ours.type(password)
  ours.press('enter')
  await ours.sees('Compose')
})

test('On the way to a takeover a piece of many keys does nothing, and neither do other letters (S2080)', async (t) => {
  const { server, desk } = await begin(t, { keys: true })
  await encryptedMail(server, 'Ferry', 'At nine.')
  const other = await server.terminal(ann, 'phone')
  await other.unlock()
  const ours = desk()
  await ours.logIn()
  await ours.sees('Ferry')
  ours.press('D')
  await ours.sees('Key in use elsewhere')
  const press = (name: string) => ({ name, text: name })
  ours.app.pressAll([press('D'), press('y')])
  await ours.sees('Key in use elsewhere')
  ours.press('D')
  await ours.sees('Stop the other use?')
  ours.app.pressAll([press('y'), press('y')])
  ours.type('hello world')
  await sleep(200)
  await ours.sees('Stop the other use?')
  assert.ok((await other.get('/session')).body.allowance)
  assert.ok(!passphrase.startsWith('y'))
})

// ---- notices and hints

test('What was said goes by itself; that a letter can be taken back is not talked over', async (t) => {
  const { server, desk } = await begin(t)
  await deliver(server, 'Letter 1')
  const ours = desk()
  await ours.logIn()
  await ours.sees('Letter 1')
  ours.press('s')
  await ours.sees('1 mail flagged. u undoes it.')
  await deliver(server, 'Letter 2')
  await ours.app.contact()
  await ours.sees('1 mail flagged. u undoes it.', 'Letter 2')
  ours.aheadMs = 11_000
  await ours.sees('New mail has come.')
  ours.aheadMs = 17_000
  await ours.sees(/Enter open .*\? help/)
})

test('Feet promise what works: D only where something is closed, s only where something can be saved', async (t) => {
  const { server, desk } = await begin(t, { keys: true })
  await deliver(server, 'Letter 1')
  const ours = desk()
  await ours.logIn()
  await ours.sees('Letter 1')
  assert.doesNotMatch(ours.bottom, /decrypt/)
  ours.press('enter')
  await ours.sees('Hello.')
  assert.match(ours.bottom, /^r reply/)
  assert.doesNotMatch(ours.bottom, /decrypt|attachments/)
  ours.press('q')
  await encryptedMail(server, 'Ferry', 'At nine.', false)
  await ours.app.contact()
  await ours.sees('Ferry', 'New mail has come.')
  ours.aheadMs += 6000 // notices last five seconds
  await ours.sees('Ferry', 'D decrypt')
  ours.press('D')
  await ours.unlock()
  await ours.sees('Encrypted mail, open. It is not signed.')
  assert.match(ours.bottom, /^r reply/)
  ours.press('ctrl-k')
  await ours.sees('Your key', 'Enter choose  s save')
  ours.press('q', 'ctrl-g')
  await ours.sees('Key log', /^Enter choose {2}q back/m)
  ours.press('?')
  await ours.sees('PgDn/arrows move')
})

test('Times come first in the log and the terminals, at 80 and at 40 columns; details have labels', async (t) => {
  const { server, desk } = await begin(t, { keys: true })
  const other = await server.terminal(ann, 'a terminal with a very long name that no screen has room for')
  await other.unlock()
  const ours = desk()
  await ours.logIn()
  for (const size of [{ columns: 80, rows: 24 }, small]) {
    ours.size = size
    ours.press('ctrl-g')
    await ours.sees(/^> (\d{4}-)?\d\d-\d\d \d\d:\d\d key opened/m)
    ours.press('enter')
    await ours.sees(/^When: \d{4}-/m, /^What: key opened/m, /^Method: passphrase/m, /^Terminal: a terminal/m)
    ours.press('q', 'q', 'ctrl-t')
    await ours.sees(/^[> ] (\d{4}-)?\d\d-\d\d \d\d:\d\d \(this one\) desk/m)
    ours.press('q')
  }
})

test('All header fields stand whole above the text, and scroll with it', async (t) => {
  const { server, desk } = await begin(t)
  const long = `X-Long: ${'word '.repeat(60)}END`
  await server.deliver(
    ann,
    mail('Letter 1', [long, 'Cc: "Doe, Jane" <jane@elsewhere.test>, eve@elsewhere.test']),
  )
  const ours = desk(small)
  await ours.logIn()
  await ours.sees('Letter 1')
  ours.press('enter')
  await ours.sees('Hello.', 'Cc: "Doe, Jane" <jane@')
  ours.press('h')
  ours.press('G')
  await ours.sees('Hello.')
  for (let n = 0; n < 40 && !ours.rows().join('\n').includes('END'); n += 1) ours.press('k')
  await ours.sees('END')
})

test('Commands by the names that hands know: :q, :unlock and :lock', async (t) => {
  const { desk } = await begin(t, { keys: true })
  const ours = desk()
  await ours.logIn()
  const says = (command: string) => {
    ours.press(':')
    ours.type(command)
    ours.press('enter')
  }
  says('lock')
  assert.match(ours.bottom, /locked already/)
  says('unlock')
  await ours.unlock()
  await ours.sees('The key is open.')
  says('unlock')
  assert.match(ours.bottom, /open already/)
  says('lock')
  await ours.sees('The key is locked.')
  says('q')
  while (ours.exitCode === null) await sleep(20)
})

// ---- a letter

test('Before the passphrase is asked for, the addresses of a letter are checked', async (t) => {
  const { desk } = await begin(t, { keys: true })
  const ours = desk()
  await ours.logIn()
  ours.press('S')
  await ours.sees('Will be: signed')
  assert.match(ours.bottom, /^Tab completes/)
  ours.type('nonsense')
  ours.press('enter')
  ours.type('Hi')
  ours.press('enter')
  ours.type('x')
  ours.press('ctrl-x')
  await ours.sees('Will be: signed', 'This is not a mail address: nonsense.')
  assert.match(ours.here(), /^To: {6}nonsense/)
  assert.equal(ours.app.top?.name, 'compose')
})

test('Two terminals of one machine have two names', () => {
  const name = terminalName()
  assert.match(name, /^terminal on /)
  assert.ok(name.length <= 60)
  if (process.stdin.isTTY) assert.match(name, /, (pts|tty|console)/)
})

test('The star marks all of a folder, fetched or not, and says how many; of very many as many as one act takes', async (t) => {
  const { server, desk } = await begin(t)
  const db = new Sqlite(join(server.folder, 'data', 'wafer.db'))
  t.after(() => db.close())
  const inbox = await server.services.mailboxes.fixedFolder(1, 'inbox')
  const insert =
    db.prepare(`INSERT INTO messages (user_id, folder_id, arrived_at, sender, recipients, subject, size, attachments, security)
    VALUES (1, ${inbox.id}, ?, 'bob@example.org', '', ?, 1, 0, 'plain')`)
  const fill = db.transaction((from: number, to: number) => {
    for (let n = from; n <= to; n += 1) insert.run(n, `Letter ${n}`)
  })
  fill(1, 430)
  const ours = desk()
  await ours.logIn()
  await ours.sees('Letter 430', /1 of 430\n/)
  ours.press('*')
  await ours.sees('All 430 are marked.', /Inbox, 430 marked/)
  ours.press('N')
  await ours.sees('430 mails marked as read.')
  assert.equal(db.prepare('SELECT count(*) FROM messages WHERE seen').pluck().get(), 430)
  ours.press('*')
  assert.doesNotMatch(ours.title, /marked/)

  fill(431, 1150)
  await ours.app.contact()
  await ours.sees(/1 of 1150\n/)
  ours.press('*')
  await ours.sees('1000 of 1150 are marked: no more than 1000 at once.')
  ours.press('s')
  await ours.sees('1000 mails flagged.')
})
