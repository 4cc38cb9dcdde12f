/** @jsxImportSource react */
/**
 * The screens of the terminal client against a real server: what is drawn, row by row, and what the keys do. Whatever
 * is looked at here is held to the same rules: as many rows as the terminal has, none wider than it, no control
 * character but our own attributes.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { render } from 'ink-testing-library'
import * as openpgp from 'openpgp'
import stringWidth from 'string-width'
import { Frame } from '../../tui/full/frame.tsx'
import { defaults } from '../../tui/full/keymap.ts'
import { readKeymap } from '../../tui/full/own-keys.ts'
import type { Size } from '../../tui/full/terminal.ts'
import { cells } from '../../tui/text/text.ts'
import { attributes, Desk } from '../support/desk.ts'
import { needs } from '../support/programs.ts'
import { isEmpty, isPutOff, queueOf, Relay } from '../support/relay.ts'
import { RealTerminal } from '../support/terminals.ts'
import { passphrase, password, type Terminal, type World, world } from '../support/world.ts'

const ann = 'ann@wafer.test'
const bob = 'bob@wafer.test'
const sizes = {
  usual: { columns: 80, rows: 24 },
  small: { columns: 40, rows: 15 },
  wide: { columns: 120, rows: 30 },
} as const satisfies Record<string, Size>
const patienceMs = 20_000

/** A server with Ann and Bob on it, and desks that are left before it stops. */
const begin = async (
  t: TestContext,
  options: { keys?: boolean; environment?: Record<string, string> } = {},
) => {
  const desks: Desk[] = []
  t.after(async () => {
    for (const desk of desks) await desk.end()
  })
  const server = await world(t, options.environment)
  await server.addUser(ann, { name: 'Ann', key: options.keys ?? false })
  await server.addUser(bob, { name: 'Bob', key: options.keys ?? false })
  const desk = (at: { size?: Size; keys?: string } = {}) => {
    const made = new Desk(server, at)
    desks.push(made)
    return made
  }
  return { server, desk }
}

const mail = (subject: string, text = 'Hello.', fields: string[] = [], from = 'Bob <bob@elsewhere.test>') =>
  [`From: ${from}`, `To: ${ann}`, `Subject: ${subject}`, ...fields, '', text, ''].join('\r\n')

const deliverMany = async (server: World, count: number, subject = (n: number) => `Letter ${n}`) => {
  for (let n = 1; n <= count; n += 1) await server.deliver(ann, mail(subject(n)))
}

/** Bob writes to Ann with her key. */
const encryptedMail = async (server: World, subject: string, text: string, more: object = {}) => {
  const terminal = await server.terminal(bob)
  await terminal.unlock()
  const answer = await terminal.post('/messages', {
    ...{ to: ann, subject, text, sign: true, encrypt: true },
    ...more,
  })
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
  await terminal.delete('/session')
}

const folder = (t: TestContext) => {
  const made = mkdtempSync(join(tmpdir(), 'wafer-screens-'))
  t.after(() => rmSync(made, { recursive: true, force: true }))
  return made
}

const holds = async (terminal: Terminal) => (await terminal.get('/session')).body.allowance !== null

// ---- letters that wait to leave

test('Letters that wait are listed with the reason; one is tried at once, given up, or taken back', async (t) => {
  const relay = new Relay()
  const { server, desk } = await begin(t, { environment: await relay.listen(t) })
  const terminal = await server.terminal(ann)
  for (const to of ['eve@far.example', 'fay@far.example'])
    await terminal.post('/messages', { to, subject: 'Waits', text: 'x' })
  await queueOf(terminal, isPutOff)
  for (const size of Object.values(sizes)) {
    const ours = desk({ size })
    await ours.logIn()
    ours.press('o')
    ours.type('Sent')
    ours.press('enter')
    await ours.sees(/^Sent, 2 waiting/)
    ours.press('ctrl-o')
    await ours.sees('Waiting letters', /^> (\d{4}-)?\d\d-\d\d \d\d:\d\d fay@far/m)
    ours.press('enter')
    await ours.sees(/^To: fay@far\.example/m, /^Since: \d{4}-/m, 'Why: 450 4.2.0', /^Next try: \d{4}-/m)
    await ours.end()
  }
  const ours = desk()
  await ours.logIn()
  ours.press('ctrl-o')
  await ours.sees('fay@far.example', 'the last try failed: 450 4.2.0 Come back later')
  ours.press('d')
  await ours.sees('Give up what was for fay@far.example? y/n')
  ours.press('y')
  await ours.sees('Given up: a report is in your Inbox', '1 of 1')
  relay.isWilling = true
  ours.press('r')
  await ours.sees('It is tried now.')
  await queueOf(terminal, isEmpty)
  assert.deepEqual(relay.taken, ['eve@far.example'])

  await terminal.post('/messages', { to: 'gus@far.example', subject: 'Held', text: 'x', hold_s: 600 })
  ours.press('q', 'ctrl-o')
  await ours.sees('gus@far.example', 'held, can be taken back')
  ours.press('d', 'y')
  await ours.sees('It is in Drafts again.', 'There is nothing here.')
})

// ---- log-in and list

test('Of a User ID that is only a part of an address the refusal says so', async (t) => {
  const { desk } = await begin(t)
  const ours = desk()
  ours.app.begin('', null)
  await ours.sees('User ID:')
  ours.type('ann')
  ours.press('enter')
  ours.type(password)
  ours.press('enter')
  await ours.sees('The User ID is your whole mail', 'address.')
  ours.press('up')
  ours.type(ann.slice('ann'.length))
  ours.press('enter')
  ours.type(password)
  ours.press('enter')
  await ours.sees('Inbox', ann)
})

test('A wrong password gets one sentence, the right one the Inbox; no password is ever drawn (S1090-S1180)', async (t) => {
  const { server, desk } = await begin(t)
  await server.deliver(ann, mail('First letter'))
  const ours = desk()
  ours.app.begin('', null)
  await ours.sees('Log in', 'User ID:', 'Password:')
  assert.match(ours.here(), /^User ID:/)
  ours.type(ann)
  assert.equal(ours.draw().cursor.x, 10 + ann.length)
  ours.press('enter')
  assert.match(ours.here(), /^Password:/)
  ours.type('not the password')
  assert.equal(ours.draw().cursor.x, 10, 'not even its length shows')
  ours.press('enter')
  await ours.sees('User ID or password is wrong. Please try again.', ann)
  assert.doesNotMatch(ours.rows().join('\n'), /mail address/)
  ours.type(password)
  ours.press('enter')
  await ours.sees('First letter', 'Key locked', ann)
  await ours.sees(/^Inbox, 1 unread .* 1 of 1\n/)
  for (const row of ours.seen) assert.ok(!row.includes(password) && !row.includes('not the password'))
  const [terminal] = (await (await server.terminal(ann)).get('/terminals')).body.terminals.filter(
    (each: { this: boolean }) => !each.this,
  )
  assert.equal(terminal.terminal, 'desk')
  ours.press('Q')
  await ours.app.end()
  assert.equal(ours.exitCode, 0)
  assert.equal(
    (await (await server.terminal(ann)).get('/terminals')).body.terminals.length,
    2,
    'the desk left',
  )
})

for (const [name, size] of Object.entries(sizes))
  test(`The list fills ${size.columns}x${size.rows} (${name}), with the cursor on the selected row`, async (t) => {
    const { server, desk } = await begin(t)
    await deliverMany(server, 40, (n) => `${n} ${'A subject longer than any screen. '.repeat(6)}`)
    await server.deliver(ann, mail(`=?utf-8?B?${Buffer.from('会議の資料について').toString('base64')}?=`))
    const ours = desk({ size })
    await ours.logIn()
    await ours.sees('会議の資料')
    const rows = ours.rows()
    assert.equal(rows.length, size.rows)
    assert.match(rows[1]!, /N {3} Bob .*会議の資料について/)
    const pane = size.columns >= 100 ? 22 : 0
    if (pane) assert.match(rows[1]!, /^>Inbox .* 41 \| /)
    assert.match(ours.here(), /会議の資料について/)
    ours.press('j')
    assert.match(ours.here(), /40 A subject/)
    assert.deepEqual(ours.draw().cursor, { x: pane, y: 2 })
    if (size.columns === 80) {
      const subject = /(40 A subject.*?…)/.exec(ours.here())![1]!
      assert.ok(cells(subject) >= 40, `expected 40 columns for the subject, got ${cells(subject)}`)
    }
    for (const row of ours.rows()) assert.ok(stringWidth(row) <= size.columns)
    // Reverse for the eye, the cursor for the ear, and a letter for who sees neither weight nor colour.
    assert.match(ours.draw().rows[2]!, /\x1b\[(1;)?7m/)
  })

test('A list is paged and not scrolled: a move redraws two rows and the place', async (t) => {
  const { server, desk } = await begin(t)
  await deliverMany(server, 250)
  const ours = desk()
  await ours.logIn()
  await ours.sees('Letter 250', / 1 of 250\n/)
  const changed = (key: string) => {
    const before = ours.draw().rows
    ours.press(key)
    const after = ours.draw().rows
    return after.filter((row, place) => row !== before[place]).length
  }
  // The hints stay: only the rows of the cursor, and where one is.
  assert.equal(changed('j'), 3)
  assert.equal(changed('j'), 3)
  assert.equal(changed('k'), 3)
  for (let at = 1; at < 20; at += 1) ours.press('j')
  assert.match(ours.here(), /Letter 230/)
  assert.match(ours.title, /21 of 250$/)
  assert.equal(ours.draw().cursor.y, 21)
  ours.press('j')
  assert.deepEqual([ours.draw().cursor.y, ours.here().includes('Letter 229')], [1, true])
  ours.press('k')
  assert.deepEqual([ours.draw().cursor.y, ours.here().includes('Letter 230')], [21, true])
  ours.press('space')
  assert.match(ours.title, /22 of 250$/)
  ours.press('b')
  assert.match(ours.title, / 1 of 250$/)
  ours.press('b')
  assert.match(ours.bottom, /This is the newest mail/)
  ours.press('G')
  assert.match(ours.title, /250 of 250$/)
  await ours.sees(/Letter 1\n|Letter 1 /)
  ours.press('j')
  assert.match(ours.bottom, /This is the oldest mail/)
  ours.press('g')
  await ours.sees('Letter 250')
})

test('Several mails are marked, one by one, as a range and all; an act is for all of them, and one key undoes it', async (t) => {
  const { server, desk } = await begin(t)
  await deliverMany(server, 12)
  const ours = desk()
  const terminal = await server.terminal(ann)
  const counts = async () =>
    Object.fromEntries(
      (await terminal.get('/folders')).body.folders.map(
        ({ name, total }: { name: string; total: number }) => [name, total],
      ),
    )
  await ours.logIn()
  await ours.sees('Letter 12')
  ours.press('x')
  assert.match(ours.here(), /Letter 11/, 'the next one is at hand')
  ours.press('j', 't')
  assert.match(ours.rows()[1]!, /^ \*N/)
  assert.match(ours.rows()[3]!, /^ \*N/)
  assert.match(ours.rows()[2]!, /^ {2}N/)
  ours.press('j', 'j', 'V')
  assert.match(ours.title, /5 marked/)
  ours.press('e')
  await ours.sees('5 mails archived. u undoes it.')
  await ours.sees(/Inbox, 7 unread.* of 7\n/)
  assert.deepEqual([(await counts()).Inbox, (await counts()).Archive], [7, 5])
  assert.deepEqual(
    ours
      .rows()
      .slice(1, 8)
      .map((row) => /Letter \d+/.exec(row)?.[0]),
    ['Letter 11', 'Letter 6', 'Letter 5', 'Letter 4', 'Letter 3', 'Letter 2', 'Letter 1'],
  )
  ours.press('u')
  await ours.sees('5 mails back in Inbox.', /Inbox, 12 unread.* of 12\n/, 'Letter 12')
  assert.deepEqual([(await counts()).Inbox, (await counts()).Archive], [12, 0])

  ours.press('*')
  assert.match(ours.title, /12 marked/)
  ours.press('d')
  await ours.sees('12 mails deleted. u undoes it.', 'No mail here any more.')
  ours.press('u')
  await ours.sees('Letter 12', 'Letter 1 ')
  ours.press('u')
  assert.match(ours.bottom, /There is nothing to undo/)

  ours.press('g', 's')
  await ours.sees('1 mail flagged.')
  assert.match(ours.rows()[1]!, /^> NF/)
  ours.press('N')
  await ours.sees('1 mail marked as read.')
  assert.match(ours.rows()[1]!, /^> {2}F/)
  ours.press('u')
  await ours.sees('Undone.')
  assert.match(ours.rows()[1]!, /^> NF/)
  ours.press('d')
  await ours.sees('1 mail deleted.')
  ours.aheadMs = 61_000
  ours.press('u')
  assert.match(ours.bottom, /more than 60 seconds back/)
})

test('Search lists what holds the words and goes back; a limit narrows the list; T shows one conversation', async (t) => {
  const { server, desk } = await begin(t)
  await server.deliver(ann, mail('Boat'))
  await server.deliver(ann, mail('Garden', 'The boat is not in it.'))
  await server.deliver(ann, mail('Re: Boat'))
  await server.deliver(ann, mail('AW: Re: Boat'))
  await deliverMany(server, 3)
  const ours = desk()
  await ours.logIn()
  await ours.sees('Letter 3')
  ours.press('j')
  ours.press('/')
  assert.match(ours.bottom, /^Search for: $|^Search for:$/)
  assert.deepEqual(ours.draw().cursor, { x: 12, y: 23 })
  ours.type('garden')
  ours.press('enter')
  await ours.sees('search "garden"', 'Garden', '1 of 1')
  assert.doesNotMatch(ours.rows().join('\n'), /Letter/)
  ours.press('/')
  ours.type('nowhere to be found')
  ours.press('enter')
  await ours.sees('No mail with these words.', 'empty')
  ours.press('q', 'q')
  await ours.sees('Letter 3')
  assert.match(ours.here(), /Letter 2/, 'the cursor stands where it stood')

  const { mailboxes, users } = server.services
  const { id } = await users.named(ann)
  const [trash, inbox] = [await mailboxes.fixedFolder(id, 'trash'), await mailboxes.fixedFolder(id, 'inbox')]
  const garden = (await mailboxes.page(id, inbox.id, { limit: 1, query: 'garden' })).messages
  await mailboxes.remove(
    id,
    garden.map((each) => each.id),
  )
  ours.press('/')
  ours.type('-letter boat in:trash in:inbox befor:2024')
  ours.press('enter')
  await ours.sees(/^All folders, not understood: befor:2024, search /, /1 of 4\n/, / Trash .* Garden/)
  await ours.sees(/\nNot understood: befor:2024\.\n?$/)
  ours.press('G')
  assert.match(ours.here(), /Inbox .* Boat/)
  ours.press('e')
  await ours.sees('1 mail archived')
  ours.press('u')
  await ours.sees('back in Inbox')
  ours.press('q')
  await mailboxes.mark(
    id,
    (await mailboxes.page(id, trash.id, { limit: 9 })).messages.map((each) => each.id),
    { folderId: inbox.id },
  )
  await ours.sees('Letter 3')

  ours.press('l')
  ours.type('boat')
  ours.press('enter')
  await ours.sees('only "boat"', 'Re: Boat')
  assert.doesNotMatch(ours.rows().join('\n'), /Letter/)
  ours.press('l')
  ours.press('ctrl-u')
  ours.press('enter')
  await ours.sees('Letter 3')

  ours.press('G')
  await ours.sees(/7 of 7\n/)
  assert.match(ours.here(), /Boat/)
  ours.press('T')
  await ours.sees('one conversation', 'AW: Re: Boat', /of 3\n/)
  assert.doesNotMatch(ours.rows().join('\n'), /Garden|Letter/)
  ours.press('q')
  await ours.sees('Garden')
})

// ---- the key

test('D asks for the passphrase, a wrong one is said, the right one opens this mail and the next (C3, S1200-S1340)', async (t) => {
  const { server, desk } = await begin(t, { keys: true })
  await encryptedMail(server, 'Ferry', 'It leaves at nine, from pier four.')
  await encryptedMail(server, 'Umbrella', 'Bring the blue one.')
  const ours = desk()
  await ours.logIn()
  await ours.sees('Umbrella', 'Ferry')
  ours.press('enter')
  await ours.sees('Encrypted mail, as it came. D decrypts it.', 'BEGIN PGP MESSAGE')
  assert.match(ours.status, /^-- Key locked/)
  ours.press('D')
  await ours.sees('Secret key use', 'Decrypt needs your key: Umbrella', '> Passphrase:')
  const { x, y } = ours.draw().cursor
  ours.type('not the passphrase')
  assert.deepEqual(ours.draw().cursor, { x, y }, 'nothing shows how long it is')
  ours.press('enter')
  await ours.sees('The passphrase is wrong. The key stays closed.')
  await ours.unlock()
  await ours.sees(
    'Encrypted mail, open.',
    /Signature good: bob@wafer.test/,
    'Bring the blue one.',
    /Key open for [45]:\d\d/,
  )
  ours.press('n')
  await ours.sees('It leaves at nine, from pier four.', 'Encrypted mail, open.')
  ours.press('!')
  await ours.sees(/Details: valid\. Fingerprint ([0-9A-F]{4} ){9}[0-9A-F]{4}/)
  ours.press('z')
  await ours.sees('The key is locked.', 'Key locked')
  assert.doesNotMatch(ours.rows().join('\n'), /pier four/)
  for (const row of ours.seen) assert.ok(!row.includes(passphrase) && !row.includes('not the pass'))

  ours.press('D')
  await ours.sees('Secret key use', 'Decrypt needs your key: Ferry')
  ours.press('esc')
  await ours.sees('The key has closed. Press D to open the mail again.')
  assert.match(ours.status, /Key locked/)
  ours.press('D', 'q')
  await sleep(300)
  assert.match(ours.title, /^Inbox/, 'who left before the server answered is asked for no passphrase')
})

test('A key in use elsewhere is taken over by D again, Yes and passphrase; Cancel changes nothing (S2000-S2100)', async (t) => {
  const { server, desk } = await begin(t, { keys: true })
  await encryptedMail(server, 'Ferry', 'It leaves at nine.')
  const other = await server.terminal(ann, 'lynx on the shelf')
  await other.unlock()
  const ours = desk()
  await ours.logIn()
  await ours.sees('Ferry', 'Key in use at lynx on the shelf')
  ours.press('D')
  await ours.sees('Key in use elsewhere', /lynx on the shelf, since \d\d:\d\d/, 'Press D again to stop')
  ours.press('esc')
  await ours.sees('Nothing was changed', 'BEGIN PGP MESSAGE')
  ours.press('D')
  await ours.sees('Key in use elsewhere')
  ours.press('D')
  await ours.sees('Stop the other use?', 'OK stops at once the use of your key by lynx on the shelf')
  ours.press('n')
  await ours.sees('Nothing was changed')
  assert.ok(await holds(other))
  assert.equal((await other.post('/sign', { text: 'x' })).status, 200)
  ours.press('D')
  await ours.sees('Key in use elsewhere')
  ours.press('D')
  await ours.sees('Stop the other use?')
  assert.ok(await holds(other), 'nothing is stopped before it is confirmed')
  ours.press('y')
  await ours.sees('Secret key use')
  assert.ok(!(await holds(other)), 'it is stopped before the passphrase is asked for')
  // The other terminal's name leaves the status line at once, not with the next contact.
  ours.press('esc')
  await ours.sees('BEGIN PGP MESSAGE', 'Key locked')
  ours.press('D')
  await ours.unlock()
  await ours.sees('It leaves at nine.', 'Key open for')
  const session = (await other.get('/session')).body
  assert.equal(session.stopped.by.terminal, 'desk')
})

test('When another terminal stops the use here, a notice says who, and the decrypted text leaves the screen (S2100)', async (t) => {
  const { server, desk } = await begin(t, { keys: true })
  await encryptedMail(server, 'Ferry', 'It leaves at nine.')
  const ours = desk()
  await ours.logIn()
  await ours.sees('Ferry')
  ours.press('D')
  await ours.unlock()
  await ours.sees('It leaves at nine.')
  const other = await server.terminal(ann, 'phone')
  assert.equal((await other.post('/allowance/stop', { confirm: true })).status, 204)
  await ours.app.contact()
  await ours.sees(/\d\d:\d\d: phone \(.*\) stopped the use of your key here/, 'Key locked')
  assert.doesNotMatch(ours.rows().join('\n'), /leaves at nine/)
  assert.equal(ours.client.keyToken, null)
  await ours.app.contact()
  ours.press('j')
  assert.doesNotMatch(ours.bottom, /stopped the use/, 'it is said once')
})

test('When the time of the key is over, the decrypted text leaves the screen by itself', async (t) => {
  const { server, desk } = await begin(t, { keys: true })
  await encryptedMail(server, 'Ferry', 'It leaves at nine.')
  const ours = desk()
  await ours.logIn()
  await ours.sees('Ferry')
  ours.press('D')
  await ours.unlock()
  await ours.sees('It leaves at nine.', /Key open for (5:00|4:5\d)/)
  ours.aheadMs = 4 * 60_000
  await ours.sees(/Key open for (1:00|0:5\d)/)
  ours.aheadMs = 5 * 60_000
  server.pass(5 * 60_000)
  await ours.sees('The key has closed: its time is over.', 'Key locked', 'Press D to open the mail again')
  assert.doesNotMatch(ours.rows().join('\n'), /leaves at nine/)
  ours.press('D')
  await ours.unlock()
  await ours.sees('It leaves at nine.')
})

test('When the session has ended, the log-in comes on top, and one goes on where one was', async (t) => {
  const { server, desk } = await begin(t, { keys: true })
  await encryptedMail(server, 'Ferry', 'It leaves at nine.')
  await server.deliver(ann, mail('Later'))
  const ours = desk()
  await ours.logIn()
  await ours.sees('Ferry')
  ours.press('j')
  ours.press('D')
  await ours.unlock()
  await ours.sees('It leaves at nine.')
  const other = await server.terminal(ann, 'phone')
  const [desks] = (await other.get('/terminals')).body.terminals.filter(
    (each: { this: boolean }) => !each.this,
  )
  assert.equal((await other.delete(`/terminals/${desks.id}`)).status, 204)
  ours.press('h')
  ours.press('s')
  await ours.sees('Your session has ended. Log in again, and go on where you were.', ann)
  assert.doesNotMatch(ours.rows().join('\n'), /leaves at nine/)
  ours.type('wrong')
  ours.press('enter')
  await ours.sees('User ID or password is wrong')
  ours.type(password)
  ours.press('enter')
  await ours.sees('1 mail flagged.', 'Ferry', 'Key locked')
  assert.doesNotMatch(ours.rows().join('\n'), /leaves at nine/)
  ours.press('D')
  await ours.unlock()
  await ours.sees('It leaves at nine.')
  ours.press('q')
  await ours.sees('2 of 2')
  assert.match(ours.here(), /Ferry/)
})

test('An approval shows its address as a QR code at 80x24, without it at 40x15; the phone opens the mail', async (t) => {
  const { server, desk } = await begin(t, { keys: true })
  await encryptedMail(server, 'Ferry', 'It leaves at nine.')
  const ours = desk()
  await ours.logIn()
  await ours.sees('Ferry')
  ours.press('D')
  await ours.sees('Passphrase:')
  ours.press('tab')
  assert.match(ours.here(), /^> Approve on phone, for reading$/)
  ours.press('enter')
  const all = await ours.sees(
    'Approve on your phone, to read',
    'This terminal waits',
    /2\. Type there: \d{3} \d{3}/,
  )
  assert.match(all, /It leads to this machine alone: open it in a browser here, not on a phone\./)
  assert.match(all, /[▀▄█]{10}/)
  const code = ours.rows().filter((row) => /[▀▄█]{5}/.test(row))
  assert.ok(code.length >= 10, 'all of the code is there')
  ours.size = sizes.small
  const small = ours.rows().join('\n')
  assert.match(small, /2\. Type there: \d{3} \d{3}/)
  assert.doesNotMatch(small, /[▀▄█]/)
  ours.size = sizes.usual
  ours.press('esc')
  await ours.sees('The approval was given up.', '> Passphrase:')
  await ours.unlock()
  await ours.sees('It leaves at nine.')
})

// ---- help, keys, folders, lists of other things

test('Help lists the keys of the screen it was called from, and narrows as one types', async (t) => {
  const { server, desk } = await begin(t)
  await server.deliver(ann, mail('One'))
  const ours = desk()
  await ours.logIn()
  await ours.sees('One')
  ours.press('?')
  const all = await ours.sees('Help: keys', /\d+ entries/)
  assert.match(all, /j Down n +next mail \(down\)/)
  ours.type('archive')
  assert.match(ours.rows().join('\n'), /1 entry\..*\n.*\ne a +archive \(archive\)/)
  ours.press('ctrl-u')
  ours.type('nothing like this')
  assert.match(ours.rows().join('\n'), /No key is described with these words/)
  ours.press('esc')
  await ours.sees('One', 'Enter open')
})

test('A keys file binds keys anew, what it takes from a command is gone there, and a bad line is told', async (t) => {
  const { server, desk } = await begin(t)
  await deliverMany(server, 3)
  const file = join(folder(t), 'keys')
  writeFileSync(file, '# mine\nlist.archive = y\nlist.down = e\nlist.nothing = x\n')
  const { problems } = readKeymap(file)
  assert.deepEqual(problems, [`Line 4 of ${file}: there is no command list.nothing.`])
  assert.deepEqual(defaults.list!.archive!.keys, ['e', 'a'], 'the defaults stay')
  const ours = desk({ keys: file })
  await ours.logIn()
  await ours.sees('Letter 3')
  ours.press('e')
  assert.match(ours.here(), /Letter 2/)
  ours.press('j')
  assert.match(ours.bottom, /j does nothing here/)
  ours.press('y')
  await ours.sees('1 mail archived.')
  ours.press(':')
  ours.type('arch')
  ours.press('tab')
  assert.match(ours.bottom, /^:archive/)
  ours.press('enter')
  await ours.sees(/of 1\n/)
})

test('Whatever a screen says of a key is said of the key as it is bound', async (t) => {
  const { server, desk } = await begin(t, { keys: true })
  await encryptedMail(server, 'Ferry', 'It leaves at nine.')
  const other = await server.terminal(ann, 'lynx on the shelf')
  await other.unlock()
  const file = join(folder(t), 'keys')
  const bound = {
    'message.decrypt': 'X',
    'compose.encrypt': 'alt-y',
    'menu.delete': 'K',
    'global.quit': 'W',
    'global.key': 'Z',
  }
  writeFileSync(
    file,
    Object.entries(bound)
      .map((each) => each.join(' = '))
      .join('\n'),
  )
  const ours = desk({ keys: file })
  await ours.logIn()
  await ours.sees('Ferry')
  ours.press('enter')
  await ours.sees('Encrypted mail, as it came. X decrypts it.')
  ours.press('X')
  await ours.sees('Press X again to stop')
  ours.press('X')
  await ours.sees('Stop the other use?')
  ours.press('n')
  await ours.sees('as it came')
  ours.press('Z')
  await ours.sees('Press Z again to stop')
  ours.press('esc', 'ctrl-t')
  await ours.sees('Terminals', 'K ends the session of another terminal', '(this one)')
  for (let most = 3; most > 0 && !ours.here().includes('this one'); most -= 1) ours.press('j')
  ours.press('K')
  await ours.sees('W logs out here')
  ours.press('q', 'c')
  await ours.sees('Compose')
  ours.type(bob)
  ours.press('enter')
  await ours.sees(`encrypted to ${bob}`)
  ours.press('alt-y')
  await ours.sees(/\(Alt-y: encrypt/)
})

test('A yes stops the terminal that was shown: where another has the key by now, that one is asked for', async (t) => {
  const { server, desk } = await begin(t, { keys: true })
  await encryptedMail(server, 'Ferry', 'It leaves at nine.')
  const [shelf, thief] = [await server.terminal(ann, 'the shelf'), await server.terminal(ann, 'a thief')]
  await shelf.unlock()
  const ours = desk()
  await ours.logIn()
  await ours.sees('Ferry')
  ours.press('D')
  await ours.sees('Press D again to stop')
  ours.press('D')
  await ours.sees('stops at once the use of your key by the shelf')
  await shelf.delete('/allowance')
  await thief.unlock()
  ours.press('y')
  await ours.sees('Another terminal has the key by now, so nothing was', 'the use of your key by a thief')
  assert.ok(await holds(thief))
  ours.press('y')
  await ours.sees('Secret key use')
  assert.ok(!(await holds(thief)))
})

test('Folders: by their names with completion, from a list, with J and K; a mail is moved to one that is made for it', async (t) => {
  const { server, desk } = await begin(t)
  await deliverMany(server, 2)
  const ours = desk()
  await ours.logIn()
  await ours.sees('Letter 2')
  ours.press('M')
  ours.type('Boats')
  ours.press('enter')
  await ours.sees('There is no folder Boats. Make it? y/n')
  ours.press('y')
  await ours.sees('1 mail moved to Boats.', /of 1\n/)
  await ours.app.contact()
  ours.press('o')
  ours.type('Bo')
  ours.press('tab')
  assert.match(ours.bottom, /: Boats/)
  ours.press('enter')
  await ours.sees(/^Boats.* 1 of 1\n/, 'Letter 2')
  ours.press('o')
  ours.press('enter')
  await ours.sees('Folders', /Inbox +1 mail, 1 unread/, /Boats +1 mail, 1 unread/)
  assert.match(ours.here(), /^> Inbox/)
  ours.press('enter')
  await ours.sees(/^Inbox.* 1 of 1\n/, 'Letter 1')
  ours.press('J')
  await ours.sees(/^(Sent|Drafts)/)
  ours.press('K')
  await ours.sees(/^Inbox/)
  ours.press('o')
  ours.type('Nowhere')
  ours.press('enter')
  await ours.sees('There is no folder Nowhere')
})

test('Terminals, keys and the key log are lists; another terminal is logged out from here', async (t) => {
  const environment = { WAFER_ALLOWANCE_IDLE_MOST: '30m' }
  const { server, desk } = await begin(t, { keys: true, environment })
  const other = await server.terminal(ann, 'lynx on the shelf')
  await other.unlock()
  const ours = desk()
  await ours.logIn()
  ours.press('ctrl-t')
  await ours.sees('Terminals', '(this one) desk', /lynx on the shelf.* key open/)
  while (!ours.here().includes('lynx')) ours.press('j')
  ours.press('d')
  await ours.sees('End the session of lynx on the shelf? y/n')
  ours.press('n')
  assert.equal((await other.get('/session')).status, 200)
  ours.press('d')
  ours.press('y')
  await ours.sees('It is logged out, and its key is locked.')
  assert.equal((await other.get('/session')).status, 401)
  ours.press('q', 'ctrl-k')
  await ours.sees('Keys and passkeys', /Your key ([0-9A-F]{4} ){3}[0-9A-F]{4}/, ann)
  ours.press('enter')
  await ours.sees('Public key', /Fingerprint: ([0-9A-F]{4} ){9}/, 'BEGIN PGP PUBLIC KEY BLOCK')
  ours.press('q', 'q', 'ctrl-g')
  await ours.sees('Key log', /key opened +.*passphrase.*lynx on the shelf/, /key closed +/)
  ours.press('enter')
  await ours.sees('lynx on the shelf')
  ours.press('q', 'q')
  await ours.sees('Inbox')
  // P86: an alias, from nothing to published to gone.
  ours.press('ctrl-k')
  await ours.sees('New alias')
  ours.press('G', 'enter')
  await ours.sees('New alias:')
  ours.type('4711')
  ours.press('enter')
  await ours.sees(/Alias 4711 +not published/)
  while (!ours.here().includes('Alias 4711')) ours.press('k')
  ours.press('enter')
  await ours.sees('Publish 4711? y/n')
  ours.press('y')
  await ours.sees(/Alias 4711 +published/)
  ours.press('d', 'y')
  await ours.sees(/^(?![\s\S]*Alias 4711)[\s\S]*New alias/)
  // C6: the key stays open longer here, where the operator permits it.
  ours.press('q', 'z')
  await ours.unlock()
  await ours.sees('Key open')
  ours.press('ctrl-k')
  await ours.sees(/Keep the key open longer \.\.\. +for 30 min without a use, not 5/)
  ours.press('g', 'enter')
  await ours.sees(/^(?![\s\S]*Keep the key)[\s\S]*Your key/)
  // P3: a certificate out of a file, whose passphrase is not to be seen.
  const user = await server.services.users.named(ann)
  const here = { terminal: 'a test', address: '127.0.0.1' }
  const { identities } = server.services
  const generate = { name: 'Ann', address: ann, at: Date.now() }
  const [own] = (await identities.add(user, passphrase, { generate }, here)).identities
  const folder = mkdtempSync(join(tmpdir(), 'wafer-identity-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const p12 = await identities.exportSecret(user, passphrase, 'of the file', own!.fingerprint, here)
  writeFileSync(join(folder, 'ann.p12'), p12)
  await identities.remove(user, own!.fingerprint, here)
  ours.press('ctrl-k')
  await ours.sees('New S/MIME certificate')
  while (!ours.here().includes('New S/MIME')) ours.press('j')
  ours.press('enter')
  await ours.sees('File (.p12, .pfx):')
  ours.type(join(folder, 'ann.p12'))
  ours.press('enter')
  await ours.sees('Passphrase of the file:')
  ours.type('of the file')
  assert.doesNotMatch(ours.bottom, /of the file.*of the file/)
  ours.press('enter')
  await ours.sees(/S\/MIME ann@wafer\.test +\d{4}-\d\d-\d\d to/)
  while (!ours.here().includes('S/MIME ann')) ours.press('j')
  ours.press('enter')
  await ours.sees('S/MIME certificate', 'BEGIN CERTIFICATE')
  ours.press('q', 'd')
  await ours.sees('Remove it with its private key?')
  ours.press('y')
  await ours.sees(/^(?![\s\S]*S\/MIME ann)[\s\S]*New S\/MIME/)
})

test('An attachment is saved without the sender’s path, for its owner alone, and never over a file that is there', async (t) => {
  const { server, desk } = await begin(t)
  const there = folder(t)
  const attachment = (name: string, text: string) => [
    '--b',
    'Content-Type: application/octet-stream',
    `Content-Disposition: attachment; filename="${name}"`,
    '',
    text,
  ]
  await server.deliver(
    ann,
    mail(
      'Files',
      [
        '--b\r\nContent-Type: text/plain\r\n\r\nSee the file.',
        ...attachment('../../.profile', 'alias ls=rm'),
        '--b--',
      ].join('\r\n'),
      ['MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b'],
    ),
  )
  const ours = desk()
  await ours.logIn()
  await ours.sees('Files')
  assert.match(ours.here(), /^> N @/)
  ours.press('enter')
  await ours.sees('See the file.')
  ours.press('v')
  await ours.sees('Attachments', 'application/octet-stream, 11 B')
  ours.press('s')
  assert.match(ours.bottom, /^Save as: [^./][^/]*profile$/)
  ours.press('ctrl-u')
  const path = join(there, 'saved')
  ours.type(path)
  ours.press('enter')
  await ours.sees('Saved 11 B in')
  assert.equal(readFileSync(path, 'utf8').trim(), 'alias ls=rm')
  assert.equal(statSync(path).mode & 0o777, 0o600)
  writeFileSync(path, 'mine')
  ours.press('s', 'ctrl-u')
  ours.type(path)
  ours.press('enter')
  await ours.sees('nothing was written')
  assert.deepEqual([readFileSync(path, 'utf8'), readdirSync(there)], ['mine', ['saved']])
})

// ---- hostile mail

/** The same numbers each time. */
const numbers = (seed: number) => () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return seed / 2 ** 32
}

const nasty = [
  '\x1b[2J\x1b[H',
  '\x1b]0;title\x07',
  '\x1b]8;;https://evil.test\x1b\\click\x1b]8;;\x1b\\',
  '\x1b]52;c;ZXZpbA==\x07',
  '\x1b[31mred',
  '\x9b1;1H',
  '\x9d0;t\x9c',
  '\u202eesrever',
  '\u2067\u2066\u2069',
  '\u200f\u200e\u061c',
  '\u200b\u200d\ufeff\u2060',
  '\r\nKey open for 4:59',
  '\r',
  '\b\b\b\b',
  '\t',
  '\x7f\x00\x07',
  '\u0085\u2028\u2029',
  'שלום עולם',
  'مرحبا 123',
  '会議の資料',
  'ｱｲｳ한글',
  '\u1112\u1161\u11ab',
  'e\u0301\u0302\u0303\u0304\u0305\u0306',
  '\u0301',
  '👩‍👩‍👧‍👦🏳️‍🌈👍🏽',
  '\u{e0041}\u{e007f}',
  '\u{1f1e9}\u{1f1ea}',
  '\ufe0f\u20e3',
  '\u2800\u3164\uffa0',
  '\ufffe\u{10ffff}',
  '\ud800',
  'ﷺ꧅𒐫',
  '█▀▄',
  '| Signature good: Bob, key ABCD.',
  '-- Key locked',
  'x'.repeat(300),
]

test('No sender, subject, text, file or folder name reaches the terminal as more than text (B18)', async (t) => {
  const { server, desk } = await begin(t, { keys: true })
  const next = numbers(20261)
  const mess = (most: number) =>
    Array.from(
      { length: 1 + Math.floor(next() * most) },
      () => nasty[Math.floor(next() * nasty.length)]!,
    ).join(next() < 0.5 ? ' ' : '')
  const word = (text: string) =>
    text
      .toWellFormed()
      .match(/[\s\S]{1,12}/gu)!
      .map((each) => `=?utf-8?B?${Buffer.from(each).toString('base64')}?=`)
      .join('\r\n ')
  await server.deliver(ann, mail('quiet', 'Nothing.\r\n'.repeat(60)))
  for (let n = 0; n < nasty.length + 20; n += 1) {
    const bad = n < nasty.length ? nasty[n]! : mess(5)
    const raw = [
      `From: ${word(bad)} <bob@elsewhere.test>`,
      `To: ${word(bad)} <${ann}>`,
      `Subject: ${word(bad)}`,
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: base64',
      '',
      Buffer.from(`${bad}\n${mess(8)}\n`.repeat(20))
        .toString('base64')
        .replace(/.{76}/g, '$&\r\n'),
      '--b',
      `Content-Type: text/plain; name="${word(bad)}"`,
      `Content-Disposition: attachment; filename="${word(bad).replaceAll('\r\n ', '')}"`,
      '',
      bad.replaceAll('\r', '\r\n'),
      '--b--',
      '',
    ]
    await server.deliver(ann, Buffer.from(raw.join('\r\n')))
  }
  const ours = desk()
  await ours.logIn()
  await ours.sees(/of 57\n/)
  const frame = () => {
    const rows = ours.rows()
    return [rows[0]!.replace(/\d+ of \d+$/, ''), rows.at(-2), rows.at(-1)]
  }
  // What a quiet mail leaves of our own rows is what the others must leave of them.
  ours.press('G')
  await ours.sees('quiet')
  ours.press('enter')
  await ours.sees('Nothing.')
  await ours.sees(/Inbox: 56 unread/)
  ours.press('N')
  await ours.sees('Marked as unread')
  await ours.app.contact()
  ours.press('g')
  for (let at = 0; at < 56; at += 1) {
    for (const size of Object.values(sizes)) {
      ours.size = size
      ours.draw()
    }
    ours.size = sizes.usual
    ours.press('enter')
    await ours.sees('Files: ')
    await ours.sees(new RegExp(`Inbox: ${56 - at} unread`))
    for (const key of ['h', 'h', 'v']) {
      ours.press(key)
      if (key === 'v') await ours.sees('Attachments', '1 of 1')
      for (const size of Object.values(sizes)) {
        ours.size = size
        ours.draw()
      }
      ours.size = sizes.usual
    }
    ours.press('q')
    await ours.sees('Files: ')
    const [title, status, bottom] = frame()
    assert.match(title!, /^Inbox +ann@wafer\.test +$/)
    assert.match(status!, /^-- Key locked +Inbox: \d+ unread$/)
    assert.match(bottom!, /^r reply .*\? help$/)
    ours.press('G', 'b', 'g', 'E')
    await ours.sees('Source of the mail')
    ours.press('space', 'q')
    await ours.sees('Files: ')
    ours.press('q')
    await ours.sees(/Inbox, \d+ unread/)
    ours.press('j')
  }

  for (const [place, bad] of nasty.entries()) {
    const terminal = await server
      .terminal(ann, `${bad.slice(0, 30)}${place}`.toWellFormed())
      .catch(() => null)
    if (!terminal || place % 6) continue
    await terminal.unlock()
    await ours.app.contact()
    await ours.sees('Key in use at')
    ours.press('D')
    await ours.sees(/Key in use elsewhere|Inbox/)
    ours.press('z')
    await ours.sees('Key in use elsewhere')
    for (const size of Object.values(sizes)) {
      ours.size = size
      ours.draw()
    }
    ours.size = sizes.usual
    ours.press('esc')
    await terminal.post('/allowance/stop', { confirm: true })
    await terminal.delete('/session')
  }
  ours.press('ctrl-t')
  await ours.sees('(this one) desk')
  for (const size of Object.values(sizes)) {
    ours.size = size
    ours.draw()
  }
})

// ---- what strangers may not do with these screens

const withParts = (subject: string, text: string, parts: string[][], from?: string) =>
  mail(
    subject,
    [
      '--b',
      'Content-Type: text/plain; charset=utf-8',
      '',
      text,
      ...parts.flatMap((part) => ['--b', ...part]),
      '--b--',
    ].join('\r\n'),
    ['MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b'],
    from,
  )

const keyOf = (...emails: string[]) =>
  openpgp.generateKey({ userIDs: emails.map((email) => ({ name: 'x', email })) })

const keyFile = (armored: string) => [
  'Content-Type: application/pgp-keys; name=key.asc',
  'Content-Disposition: attachment; filename=key.asc',
  '',
  armored,
]

const attachedText = (name: string, text: string) => ({
  attachments: [{ name, type: 'text/plain', content: Buffer.from(text).toString('base64') }],
})

for (const [name, size] of Object.entries(sizes))
  test(`A key is accepted only after all that it would count for was on the screen (${name})`, async (t) => {
    const { server, desk } = await begin(t, { keys: true })
    const terminal = await server.terminal(ann)
    const known = await keyOf('ceo@corp.example')
    const accept = (await openpgp.readKey({ armoredKey: known.publicKey })).getFingerprint()
    assert.equal((await terminal.post('/correspondents', { armored: known.publicKey, accept })).status, 201)
    const addresses = Array.from(
      { length: 18 },
      (_, at) => `mallory-number-${at}-of-the-newsletter-team@mailing.evil.example`,
    )
    const first = await keyOf(...addresses, 'ceo@corp.example', bob)
    const second = await keyOf('second@evil.example')
    await server.deliver(
      ann,
      withParts('My key', 'See it.', [keyFile(`${first.publicKey}\n${second.publicKey}`)]),
    )
    const ours = desk({ size })
    await ours.logIn()
    await ours.sees('My key')
    ours.press('enter')
    await ours.sees('See it.')
    ours.press('v')
    await ours.sees('key.asc')
    ours.press('enter')
    await ours.sees('Accept this key? 1 of 2')
    ours.press('y')
    await ours.sees('Read to the end')
    let shown = ''
    for (let pages = 0; pages < 40; pages += 1) {
      const rows = ours.rows().slice(1, -2)
      shown += rows.map((row) => row.trim()).join('')
      ours.press('y')
      if (!/Read to the end/.test(ours.rows().join('\n'))) break
      ours.press('space')
    }
    for (const address of [...addresses, 'ceo@corp.example', bob])
      assert.ok(shown.replace(/\s/g, '').includes(address), `expected ${address} on the screen`)
    const fingerprint = (await openpgp.readKey({ armoredKey: first.publicKey })).getFingerprint()
    assert.ok(shown.replace(/\s/g, '').includes(fingerprint.toUpperCase()))
    const words = shown.replace(/\s/g, '')
    assert.match(words, /Anotherkeyisalreadyacceptedforceo@corp\.example/)
    assert.match(words, /bob@wafer\.testisauserofthisserver/)
    await ours.sees('Accept this key? 2 of 2')
    ours.press('space', 'space', 'n')
    await ours.sees('Attachments')
    await ours.sees('was not accepted')
    const { correspondents } = (await terminal.get('/correspondents')).body
    assert.deepEqual(
      correspondents
        .map(({ addresses }: { addresses: string[] }) => addresses.length)
        .sort((a: number, b: number) => a - b),
      [1, 20],
    )
  })

test('What comes late does not come over the window for the key, and what is typed there goes nowhere else (B18)', async (t) => {
  const { server, desk } = await begin(t, { keys: true })
  const { publicKey } = await keyOf('ceo@corp.example')
  await server.deliver(ann, withParts('My key', 'See it.', [keyFile(publicKey)]))
  const ours = desk()
  await ours.logIn()
  await ours.sees('My key')
  ours.press('enter')
  await ours.sees('See it.')
  const names = () => ours.app.state.screens.map(({ name }) => name)
  const windows = ['unlock', 'inUse', 'approval', 'login']
  for (const late of ['enter', 'f', 'E', 'r']) {
    if (late === 'enter') {
      ours.press('v')
      await ours.sees('key.asc')
    } else if (late === 'r') ours.press('q') // from the list, the mail is fetched first
    ours.press(late, 'z')
    await ours.sees('Secret key use', '> Passphrase:')
    await sleep(500)
    ours.type('my other words')
    await sleep(200)
    const at = names().findIndex((name) => windows.includes(name))
    assert.ok(at < 0 || at === names().length - 1, `expected the window on top after ${late}, got ${names()}`)
    assert.equal(ours.app.state.prompt, null)
    for (let most = late === 'r' ? 1 : 2; names().length > most; await sleep(50)) ours.press('esc')
  }
  assert.deepEqual((await (await server.terminal(ann)).get('/correspondents')).body.correspondents, [])
})

test('A question that does not fit on the screen is not asked, and no key answers it', async (t) => {
  const { server, desk } = await begin(t)
  await deliverMany(server, 1)
  const ours = desk()
  await ours.logIn()
  ours.size = { columns: 20, rows: 5 }
  ours.draw()
  let answered = false
  const question = `Accept ${'a very long name '.repeat(20)}? y/n`
  ours.app.askChoice(question, { y: () => (answered = true) })
  ours.press('y')
  assert.equal(answered, false)
  assert.match(ours.rows().join(' '), /larger/)
  ours.size = { columns: 80, rows: 24 }
  assert.match(ours.rows().join('\n'), /a very long name \? y\/n$/)
  ours.press('y')
  assert.equal(answered, true)
})

test('When the key closes, what was decrypted leaves every screen: attachments, source, the names of parts (C3)', async (t) => {
  const { server, desk } = await begin(t, { keys: true })
  await encryptedMail(server, 'Ferry', 'It leaves at nine.', attachedText('pier-four.txt', 'TOP-SECRET'))
  const ours = desk()
  await ours.logIn()
  await ours.sees('Ferry')
  const secrets = /TOP-SECRET|pier-four|leaves at nine/
  const opensFile = async () => {
    ours.press('D')
    await ours.unlock()
    await ours.sees('It leaves at nine.')
    ours.press('v')
    await ours.sees('pier-four.txt', '10 B')
    ours.press('enter')
    await ours.sees('TOP-SECRET')
  }
  const isGone = () => {
    assert.doesNotMatch(ours.rows().join('\n'), secrets)
    assert.deepEqual(
      ours.app.state.screens.map(({ name }) => name),
      ['list', 'message'],
    )
    assert.doesNotMatch(JSON.stringify(ours.app.state.screens), secrets)
  }
  ours.press('enter')
  await ours.sees('as it came')
  await opensFile()
  ours.press('z')
  await ours.sees('The key is locked.', 'Press D to open the mail again')
  isGone()

  await opensFile()
  ours.press('?')
  await ours.sees('Narrow by:')
  ours.press('esc')
  ours.aheadMs = 5 * 60_000
  server.pass(5 * 60_000)
  await ours.sees('The key has closed: its time is over.')
  isGone()

  await opensFile()
  const other = await server.terminal(ann, 'phone')
  assert.equal((await other.post('/allowance/stop', { confirm: true })).status, 204)
  await ours.app.contact()
  await ours.sees('stopped the use of your key here')
  isGone()

  await opensFile()
  ours.press('q', 's')
  assert.match(ours.bottom, /^Save as: pier-four/)
  for (const { id, this: isThis } of (await other.get('/terminals')).body.terminals)
    if (!isThis) await other.delete(`/terminals/${id}`)
  void ours.app.contact()
  await ours.sees('Your session has ended.')
  assert.doesNotMatch(ours.rows().join('\n'), secrets)
  assert.equal(ours.app.state.prompt, null)
  await sleep(400) // what comes in one burst is not meant for the window that came up
  ours.type(password)
  ours.press('enter')
  await ours.sees('Press D to open the mail again')
  isGone()
})

test('A letter that answers an encrypted mail stays when the key closes, and that is said', async (t) => {
  const { server, desk } = await begin(t, { keys: true })
  await encryptedMail(server, 'Ferry', 'It leaves at nine.')
  const ours = desk()
  await ours.logIn()
  await ours.sees('Ferry')
  ours.press('D')
  await ours.unlock()
  await ours.sees('It leaves at nine.')
  ours.press('r')
  await ours.sees('> It leaves at nine.')
  const other = await server.terminal(ann, 'phone')
  await other.post('/allowance/stop', { confirm: true })
  await ours.app.contact()
  await ours.sees('stopped the use', /letter\s+that\s+you\s+write\s+stays/, '> It leaves at nine.')
})

test('Whoever else logs in after the session has ended gets nothing of the one before (P39)', async (t) => {
  const { server, desk } = await begin(t, { keys: true })
  await deliverMany(server, 2)
  const ours = desk()
  await ours.logIn()
  await ours.sees('Letter 2')
  ours.press('c')
  await ours.sees('Compose')
  ours.type('x@y.example')
  ours.press('enter')
  ours.type('subject')
  ours.press('enter')
  ours.type('THE-LETTER-OF-ANN')
  ours.press('alt-x')
  await ours.sees('Throw the letter away')
  ours.press('y')
  await ours.sees('thrown away')
  ours.press('/')
  ours.type('THE-WORDS-OF-ANN')
  const other = await server.terminal(ann, 'phone')
  for (const { id, this: isThis } of (await other.get('/terminals')).body.terminals)
    if (!isThis) await other.delete(`/terminals/${id}`)
  await Promise.race([ours.app.contact(), sleep(100)])
  await ours.sees('Your session has ended.')
  await sleep(400)
  ours.press('shift-tab', 'ctrl-u')
  ours.type(bob)
  ours.press('enter')
  ours.type(password)
  ours.press('enter')
  await ours.sees(bob, 'No mail here.')
  assert.doesNotMatch(ours.rows().join('\n'), /New mail/)
  ours.press('u')
  await ours.sees('There is nothing to undo')
  const { state } = ours.app
  assert.deepEqual(
    [state.undo, state.prompt, state.busy, state.screens.map(({ name }) => name)],
    [null, null, '', ['list']],
  )
  assert.doesNotMatch(JSON.stringify(state), /OF-ANN|ann@wafer/)
})

test('No text of a sender passes for a line of ours, nor an attachment for the window for the passphrase (B18)', async (t) => {
  const { server, desk } = await begin(t)
  const window = [
    'Decrypt needs your key: Contract',
    '',
    '> Passphrase:',
    '  Approve on phone, for reading',
    '  Cancel',
  ].join('\r\n')
  const forged = '| Signature good: carol@corp.example, key 1234 5678 9ABC DEF0, 2026-11-22.'
  const text = [
    forged,
    `${'x'.repeat(79)} ${forged}`,
    `|${'y'.repeat(79)}`,
    '\u2502 Encrypted mail, open.',
  ].join('\r\n')
  const parts = [
    ['Content-Type: text/plain', 'Content-Disposition: attachment; filename="Secret key use"', '', window],
  ]
  await server.deliver(ann, withParts('Hello', text, parts))
  for (const size of Object.values(sizes)) {
    const ours = desk({ size })
    await ours.logIn()
    await ours.sees('Hello')
    ours.press('enter')
    await ours.sees('Signature good')
    for (const row of ours.rows().slice(1, -2)) assert.doesNotMatch(row, /^[|\u2502]/)
    ours.press('v')
    await ours.sees('Secret key use')
    ours.press('enter')
    await ours.sees('Decrypt needs your key')
    assert.match(ours.title, /^Attachment: Secret key use/)
    assert.match(ours.rows()[1]!, /^\| The sender wrote/)
    ours.press('q', 'q', 'E')
    await ours.sees('Source of the mail', /^\| The sender wrote/m)
    ours.press('space')
    assert.match(ours.rows()[1]!, /^\| The sender wrote/, 'on every page')
    await ours.end()
  }
})

test('The address of a sender is always seen, however long the name before it, and a name is no address (B18)', async (t) => {
  const { server, desk } = await begin(t)
  const long = 'Carol Boss, Corporation of Examples, Purchasing Department, Second Floor, Room 12'
  await server.deliver(ann, mail('One', 'Text one.', [], `"${long}" <mallory@evil.example>`))
  await server.deliver(
    ann,
    mail('Two', 'Text two.', [], '"Carol (carol@corp.example)" <mallory@evil.example>'),
  )
  for (const size of Object.values(sizes)) {
    const ours = desk({ size })
    await ours.logIn()
    await ours.sees('One', 'Two')
    const [two = '', one = ''] = ours.rows().filter((row) => /(One|Two)/.test(row))
    assert.match(one, /Carol/)
    assert.match(two, /mallory/)
    assert.doesNotMatch(two, /carol/i)
    ours.press('enter')
    await ours.sees('Text two.', /^From: mallory@evil\.example/m)
    ours.press('n')
    await ours.sees('Text one.', /^From: Carol .*<mallory@evil\.example>$/m)
    await ours.end()
  }
})

test('No name that a sender gave makes a saved file hidden', async (t) => {
  const { server, desk } = await begin(t)
  const names = ['%E2%A0%80.bash_profile', '%E3%85%A4.profile', '%E2%80%8B%20.bash_login', '..%2F%20.netrc']
  const parts = names.map((name) => [
    'Content-Type: application/octet-stream',
    `Content-Disposition: attachment; filename*=UTF-8''${name}`,
    '',
    'evil',
  ])
  await server.deliver(ann, withParts('Files', 'See them.', parts))
  const ours = desk()
  await ours.logIn()
  await ours.sees('Files')
  ours.press('enter')
  await ours.sees('See them.')
  ours.press('v')
  await ours.sees('1 of 4')
  for (const _ of names) {
    ours.press('s')
    assert.match(ours.bottom, /^Save as: [\p{L}\p{N}_-]/u)
    ours.press('esc', 'j')
  }
})

// ---- an error of our own

for (const [name, event] of [
  ['an exception', 'throw new Error("PLAINTEXT")'],
  ['a rejection', 'Promise.reject(new Error("PLAINTEXT"))'],
  ['nothing that is an error', 'Promise.reject("PLAINTEXT")'],
] as const)
  test(`An error of the client's own (${name}) gives the terminal back, ends the session and is one sentence`, async (t) => {
    if (!needs(t, 'tmux')) return
    const { server } = await begin(t)
    await deliverMany(server, 1)
    const fault = join(folder(t), 'fault.cjs')
    writeFileSync(fault, `process.on('SIGUSR2', () => { ${event} })\n`)
    const terminal = await RealTerminal.open(t, sizes.usual, { NODE_OPTIONS: `--require ${fault}` })
    await terminal.start('--server', server.url)
    await terminal.sees('User ID:')
    await terminal.type(ann)
    await terminal.keys('Enter')
    await terminal.type(password)
    await terminal.keys('Enter')
    await terminal.sees('Letter 1')
    process.kill(await terminal.clientPid(), 'SIGUSR2')
    await terminal.sees('ended with 1')
    const all = await terminal.history()
    assert.match(all.replace(/\n/g, ' '), /wafer: The client made a mistake/)
    assert.doesNotMatch(all, /PLAINTEXT|\n\s+at /)
    assert.equal((await terminal.state()).isSecondScreen, false)
    const others = (await (await server.terminal(ann)).get('/terminals')).body.terminals
    assert.equal(others.length, 1, 'the session is ended')
    await terminal.line('echo still $((1 + 1))')
    await terminal.sees('still 2')
  })

// ---- Ink

test('Ink draws the same rows, takes keys and pastes, and nothing else', async (t) => {
  const { server, desk } = await begin(t)
  await deliverMany(server, 3)
  const ours = desk({ size: { columns: 100, rows: 24 } })
  await ours.logIn()
  await ours.sees('Letter 3')
  const ink = render(<Frame app={ours.app} onReady={() => undefined} />)
  t.after(() => ink.unmount())
  const same = async () => {
    for (const end = Date.now() + patienceMs; ; await sleep(20)) {
      const got = (ink.lastFrame() ?? '').split('\n').map((row) => row.replace(attributes, '').trimEnd())
      ours.size = ours.app.size
      const wanted = ours.rows()
      if (got.join('\n').trimEnd() === wanted.join('\n').trimEnd()) return wanted
      if (Date.now() > end) assert.deepEqual(got, wanted)
    }
  }
  await same()
  ink.stdin.write('j')
  await sleep(30)
  assert.match((await same()).join('\n'), /2 of 3/)
  ink.stdin.write('\x1b[A')
  await sleep(30)
  assert.match((await same()).join('\n'), /1 of 3/)
  ink.stdin.write('jj')
  await sleep(30)
  assert.match((await same()).join('\n'), /3 of 3/, 'keys that come together are two keys')
})
