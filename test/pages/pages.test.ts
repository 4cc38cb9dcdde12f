/** The pages as a browser without JavaScript uses them: links, forms and cookies against a whole server. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCleartextMessage, enums, generateKey, revokeKey, sign } from 'openpgp'
import { nearTime } from '../../web/text.ts'
import { Authenticator } from '../support/authenticator.ts'
import { Browser } from '../support/browser.ts'
import { isPutOff, queueOf, Relay } from '../support/relay.ts'
import { passphrase, password, type World, world } from '../support/world.ts'

const ann = 'ann@example.org'
const bob = 'bob@example.org'

const people = async (made: World) => {
  await made.addUser(ann, { name: 'Ann Example' })
  await made.addUser(bob, { name: 'Bob Builder' })
}

const secret = 'The key lies under the third pot.'

/** Bob sends Ann a signed and encrypted mail. */
const seal = async (made: World, text = secret, subject = 'The shed', attachments: object[] = []) => {
  const terminal = await made.terminal(bob)
  await terminal.unlock()
  const letter = {
    to: ann,
    cc: '',
    bcc: '',
    subject,
    text,
    attachments,
    sign: true,
    encrypt: true,
    draft: false,
  }
  const { status, body } = await terminal.post('/messages', letter)
  assert.equal(status, 201, JSON.stringify(body))
  await terminal.delete('/session')
}

const mail = (subject: string, text: string, head = '') =>
  `From: Bob Builder <${bob}>\nTo: ${ann}, Carla <carla@example.net>\nSubject: ${subject}\nMessage-ID: <${subject.length}-x@example.org>\n${head}${head.includes('Content-Type') ? '' : 'Content-Type: text/plain; charset=utf-8\n'}\n${text}\n`

test('A wrong log-in is told on the same screen, User ID kept; a right one leads to the mailbox (S1090-S1180, F4)', async (t) => {
  const made = await world(t)
  await people(made)
  const lynx = new Browser(made)
  await lynx.go('/')
  assert.equal(lynx.page.path, '/login')
  for (const label of ['User ID', 'Password', 'Login', 'Clear'])
    assert.match(lynx.page.text, new RegExp(label))
  assert.match(lynx.page.html, /<button type="?reset"?>Clear/)
  await lynx.press('Login', { user: ann, pass: 'wrong wrong' })
  assert.equal(lynx.page.status, 200)
  assert.match(lynx.page.happened, /wrong/)
  assert.equal(lynx.page.value('user'), ann)
  assert.doesNotMatch(lynx.page.happened, /mail address/)
  for (const half of ['ann', 'nobody']) {
    await lynx.press('Login', { user: half, pass: password })
    assert.match(lynx.page.happened, /wrong.* The User ID is your whole mail address\./)
    assert.equal(lynx.page.value('user'), half)
  }
  await lynx.press('Login', { user: ann, pass: password })
  assert.match(lynx.page.heading, /^Inbox/)
  for (const name of ['Inbox', 'Sent', 'Drafts', 'Compose', 'Decrypt', 'Sign', 'Log out'])
    assert.ok(lynx.page.has(name), `${name} is missing`)
  assert.ok(!lynx.page.has('Lock key'))
  await lynx.press('Log out')
  assert.equal(lynx.page.path, '/login?out=1')
  assert.equal((await lynx.go('/f/inbox')).path, '/login?next=%2Ff%2Finbox')
})

test('a log-in leads back to where one wanted to go, and never to another site', async (t) => {
  const made = await world(t)
  await people(made)
  const lynx = new Browser(made)
  await lynx.go('/folders')
  assert.equal(lynx.page.path, '/login?next=%2Ffolders')
  assert.equal((await lynx.press('Login', { user: ann, pass: password })).path, '/folders')
  for (const next of [
    '//evil.example/',
    'https://evil.example/',
    '/\\evil.example',
    '\\\\evil.example',
    '/\t/evil.example',
    '/f//evil.example',
  ]) {
    const other = new Browser(made)
    await other.go(`/login?next=${encodeURIComponent(next)}`)
    assert.ok(!other.page.html.includes('evil.example'), next)
    assert.match((await other.press('Login', { user: ann, pass: password, next })).path, /^\/f\/inbox$/, next)
  }
})

test('Decrypt asks once, says what was wrong, shows the mail, and the look changes (S1190-S1340, C2, C3, C7, P57)', async (t) => {
  const made = await world(t)
  await people(made)
  await seal(made)
  await seal(made, 'Another one.', 'Second')
  const lynx = new Browser(made)
  await lynx.logIn()
  await lynx.follow('The shed')
  assert.match(lynx.page.text, /BEGIN PGP MESSAGE/)
  assert.match(lynx.page.text, new RegExp(bob))
  assert.ok(!lynx.page.text.includes(secret))
  await lynx.follow('Decrypt')
  assert.equal(lynx.page.heading, 'Secret key use')
  for (const label of ['Passphrase', 'Passphrase again'])
    assert.match(lynx.page.html, new RegExp(`<label>${label} `))
  for (const name of ['OK', 'Clear', 'Cancel']) assert.ok(lynx.page.has(name))
  await lynx.press('OK', { passphrase: 'not this one' })
  assert.equal(lynx.page.heading, 'Secret key use')
  assert.match(lynx.page.happened, /wrong/)
  await lynx.press('OK', { passphrase, passphrase2: 'something else' })
  assert.match(lynx.page.happened, /differ/)
  await lynx.press('Cancel')
  assert.match(lynx.page.text, /BEGIN PGP MESSAGE/)
  assert.ok(lynx.page.has('Decrypt') && !lynx.page.has('Decrypt, key open'), 'the state is as before')
  await lynx.follow('Decrypt')
  await lynx.press('OK', { passphrase, passphrase2: passphrase })
  assert.match(lynx.page.path, /^\/m\/\d+\/open\b/)
  assert.ok(lynx.page.text.includes(secret))
  assert.match(lynx.page.text, /Signed by bob@example\.org on \d+ \w+ \d{4}, accepted key/)
  for (const name of ['Decrypt, key open', 'Sign, key open', 'Lock key']) assert.ok(lynx.page.has(name), name)
  assert.match(lynx.page.text, /Session ends in \d+ min\. Key open for 5 min, at most 60\./)
  await lynx.follow('Inbox')
  assert.ok(lynx.page.has('Decrypt, key open') && lynx.page.has('Sign, key open'))
  await lynx.follow('Second')
  await lynx.follow('Decrypt, key open')
  assert.match(lynx.page.text, /Another one\./)
  await lynx.press('Lock key')
  assert.match(lynx.page.happened, /locked/)
  assert.ok(lynx.page.has('Decrypt') && !lynx.page.has('Lock key'))
  assert.match(lynx.page.text, /Session ends in \d+ min\. /)
  await lynx.press('Decrypt')
  assert.equal(lynx.page.heading, 'Secret key use', 'Decrypt of the list takes the newest encrypted mail')
})

test('Sign gives the text back signed; whatever happens nothing typed is lost (S1400-S1510, F9, C8)', async (t) => {
  const made = await world(t)
  await people(made)
  const lynx = new Browser(made)
  await lynx.logIn()
  await lynx.follow('Compose')
  assert.match(lynx.page.html, /<a href=\/c aria-current=page class=k>Compose<\/a>/, 'Compose is highlighted')
  const typed = {
    to: bob,
    cc: 'x@example.org',
    subject: 'A "quoted" <subject>',
    text: '\nfirst line is empty\n- dash\n</textarea><b>',
  }
  const file = new File(['contents of the file'], 'notes.txt', { type: 'text/plain' })
  await lynx.press('Sign', { ...typed, file })
  assert.equal(lynx.page.heading, 'Secret key use')
  await lynx.press('OK', { passphrase: 'wrong' })
  await lynx.press('Cancel')
  assert.equal(lynx.page.heading, 'Compose')
  const isAsTyped = () => {
    for (const [name, value] of Object.entries(typed)) assert.equal(lynx.page.value(name), value)
    assert.match(lynx.page.text, /Keep notes\.txt/)
  }
  isAsTyped()
  await lynx.press('Sign')
  await lynx.unlock()
  assert.match(lynx.page.value('text'), /^-----BEGIN PGP SIGNED MESSAGE-----/)
  assert.match(lynx.page.value('text'), /- - dash/)
  assert.match(lynx.page.happened, /ready to send/)
  assert.ok(lynx.page.has('Sign, key open'))
  assert.match(lynx.page.text, /Keep notes\.txt/)
  assert.match(lynx.page.happened, /not the attached files/)
  await lynx.press('Send', { cc: '', keep: [] })
  assert.equal(lynx.page.happened, 'Sent to bob@example.org.')
  const other = new Browser(made)
  await other.logIn(bob)
  await other.follow('A "quoted" <subject>')
  assert.match(other.page.text, /first line is empty/)
  assert.match(other.page.text, /Signed by ann@example\.org/)
})

test('A letter that signs when it is sent waits for the key too, and then it is sent (C8)', async (t) => {
  const made = await world(t)
  await people(made)
  const lynx = new Browser(made)
  await lynx.logIn()
  await lynx.follow('Compose')
  const file = new File(['contents of the file'], 'notes.txt', { type: 'text/plain' })
  await lynx.press('Send', { to: bob, subject: 'Sealed', text: secret, prot: 'both', file })
  await lynx.unlock()
  assert.equal(lynx.page.happened, 'Sent to bob@example.org.')
  const other = new Browser(made)
  await other.logIn(bob)
  await other.press('Decrypt')
  await other.unlock()
  assert.ok(other.page.text.includes(secret))
  assert.match(other.page.text, /Signed by ann@example\.org/)
  await other.follow('notes.txt')
  assert.equal(other.page.html, 'contents of the file')
})

test('The three screens of a takeover; Cancel changes nothing; the stopped terminal is told (S2000-S2100, P82)', async (t) => {
  const made = await world(t)
  await people(made)
  await seal(made)
  const first = new Browser(made)
  await first.logIn()
  await first.press('Decrypt')
  await first.unlock()
  const second = new Browser(made, { 'user-agent': 'w3m/0.5.3' })
  await second.logIn()
  await second.press('Decrypt')
  assert.equal(second.page.heading, 'Key in use elsewhere')
  assert.match(second.page.text, /Lynx is using your key since .* last use/)
  await second.press('Decrypt')
  assert.equal(second.page.heading, 'Stop the other use?')
  await second.press('Cancel')
  assert.match(second.page.text, /BEGIN PGP MESSAGE/)
  assert.ok((await first.go('/f/inbox')).has('Decrypt, key open'), 'nothing has changed')
  await second.follow('Decrypt')
  await second.press('Decrypt')
  await second.press('OK')
  assert.equal(second.page.heading, 'Secret key use')
  assert.equal(
    (await made.services.allowances.state((await sessionOf(made, first))!)).state,
    'locked',
    'stopped before the passphrase',
  )
  await first.go('/f/inbox')
  assert.match(first.page.happened, /w3m \(.*\) stopped the use of your key/)
  assert.ok(first.page.has('Decrypt') && !first.page.has('Lock key'))
  assert.equal((await first.go('/f/inbox')).happened, '', 'told once')
  await second.unlock()
  assert.ok(second.page.text.includes(secret))
})

test('OK stops the terminal that the page named: where another has the key by now, it is named and asked for', async (t) => {
  for (const [language, said] of [
    ['en', /Another terminal has the key by now, so nothing was stopped/],
    ['ja', /今は別の端末が鍵を使っているため/],
  ] as const) {
    const made = await world(t)
    await people(made)
    await seal(made)
    const desk = await made.terminal(ann, 'desk')
    const thief = await made.terminal(ann, 'thief')
    await desk.unlock()
    const browser = new Browser(made)
    await browser.logIn()
    await browser.go('/f/inbox')
    await browser.press('Decrypt')
    await browser.press('Decrypt')
    if (language === 'ja') browser.cookies.set('lang', 'ja')
    await desk.delete('/allowance')
    await thief.unlock()
    await browser.press('OK')
    assert.match(browser.page.happened, said)
    assert.match(browser.page.text, /thief/)
    assert.notEqual((await thief.get('/session')).body.allowance, null)
    await browser.press('OK')
    assert.notEqual((await thief.get('/session')).body.stopped, null)
  }
})

const sessionOf = (made: World, browser: Browser) =>
  made.services.sessions.contact(browser.cookies.get('wafer') ?? '')

test('Sign goes through the same screens, and the letter comes back from each of them (S2000-S2100, C8)', async (t) => {
  const made = await world(t)
  await people(made)
  const holder = await made.terminal(ann, 'left behind')
  await holder.unlock()
  const lynx = new Browser(made)
  await lynx.logIn()
  await lynx.follow('Compose')
  const text = 'typed with a pen'
  await lynx.press('Sign', { to: bob, subject: 'Pen', text })
  assert.equal(lynx.page.heading, 'Key in use elsewhere')
  assert.match(lynx.page.text, /left behind/)
  await lynx.press('Cancel')
  assert.equal(lynx.page.value('text'), text)
  await lynx.press('Sign')
  await lynx.press('Sign')
  assert.equal(lynx.page.heading, 'Stop the other use?')
  await lynx.press('Cancel')
  assert.equal(lynx.page.value('text'), text)
  await lynx.press('Sign')
  await lynx.press('Sign')
  await lynx.press('OK')
  await lynx.unlock()
  assert.match(lynx.page.value('text'), /BEGIN PGP SIGNED MESSAGE.*typed with a pen/s)
})

test('A letter sent after the session has ended comes back after the log-in, with its files (S1080, P38)', async (t) => {
  const made = await world(t)
  await people(made)
  const lynx = new Browser(made)
  await lynx.logIn()
  await lynx.follow('Compose')
  made.pass(16 * 60_000)
  const file = new File(['contents'], 'a.txt', { type: 'text/plain' })
  await lynx.press('Send', { to: bob, subject: 'Long', text: 'It took me long.', file })
  assert.match(lynx.page.happened, /what you wrote comes back/)
  await lynx.press('Login', { user: ann, pass: 'wrong wrong' })
  await lynx.press('Login', { pass: password })
  assert.equal(lynx.page.heading, 'Compose')
  assert.equal(lynx.page.value('text'), 'It took me long.')
  assert.match(lynx.page.text, /Keep a\.txt/)
  const { messages } = await made.services.mailboxes.page(
    2,
    (await made.services.mailboxes.fixedFolder(2, 'inbox')).id,
    { limit: 5 },
  )
  assert.equal(messages.length, 0, 'nothing was sent meanwhile')
})

test('A reply quotes an encrypted mail only if open, goes encrypted, and says so before it goes in plain (B2)', async (t) => {
  const made = await world(t)
  await people(made)
  await seal(made)
  const lynx = new Browser(made)
  await lynx.logIn()
  await lynx.follow('The shed')
  await lynx.follow('Reply')
  assert.equal(lynx.page.value('text'), '')
  assert.equal(lynx.page.value('to'), `Bob Builder <${bob}>`)
  assert.equal(lynx.page.value('subject'), 'Re: The shed')
  assert.equal(lynx.page.protection, 'both')
  await lynx.press('Send', { text: 'Thanks', prot: 'plain' })
  assert.match(lynx.page.happened, /unencrypted/)
  assert.equal(lynx.page.value('text'), 'Thanks')
  await lynx.follow('Inbox')
  await lynx.press('Decrypt')
  await lynx.unlock()
  await lynx.follow('Reply')
  assert.match(lynx.page.value('text'), /Bob Builder wrote:\n> The key lies under the third pot\./)
  assert.equal(lynx.page.protection, 'both')
  await lynx.press('Send')
  assert.equal(lynx.page.happened, 'Sent to bob@example.org.')
  assert.match(lynx.page.text, /A E Bob Builder/, 'marked as answered')
})

test('reply-all leaves out oneself, Re: stands once, and a forwarded mail keeps its attachments', async (t) => {
  const made = await world(t)
  await people(made)
  const head =
    'Cc: "Doe, Dora" <dora@example.net>, Ann <ANN@example.org>\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n'
  const parts =
    '--b\nContent-Type: text/plain\n\nHello\nyou\n--b\nContent-Type: text/html\nContent-Disposition: attachment; filename="<x>.html"\n\n<script>alert(1)</script>\n--b--'
  await made.deliver(ann, mail('RE: re: Gate', parts, head))
  const lynx = new Browser(made)
  await lynx.logIn()
  await lynx.follow('RE: re: Gate')
  await lynx.follow('Reply all')
  assert.equal(lynx.page.value('to'), `Bob Builder <${bob}>, Carla <carla@example.net>`)
  assert.equal(lynx.page.value('cc'), '"Doe, Dora" <dora@example.net>')
  assert.equal(lynx.page.value('subject'), 'Re: Gate')
  assert.match(lynx.page.value('text'), /> Hello\n> you/)
  await lynx.follow('Inbox')
  await lynx.follow('RE: re: Gate')
  await lynx.follow('Forward')
  assert.match(lynx.page.text, /Keep <x>\.html/)
  assert.match(lynx.page.value('text'), /From: Bob Builder <bob@example\.org>/)
  await lynx.follow('Inbox')
  await lynx.follow('RE: re: Gate')
  const file = await lynx.follow('<x>.html')
  assert.equal(file.headers.get('content-type'), 'application/octet-stream')
  assert.match(file.headers.get('content-disposition')!, /^attachment; filename="_x_\.html"/)
  assert.match(file.headers.get('content-security-policy')!, /sandbox/)
})

test('a mail in the Inbox that claims to be one’s own is answered to whom it claims to be from', async (t) => {
  const made = await world(t)
  await people(made)
  await made.deliver(ann, `From: ${ann}\nTo: mallory@evil.example\nSubject: forged\n\nWhat did we say?\n`)
  const lynx = new Browser(made)
  await lynx.logIn()
  await lynx.follow('forged')
  await lynx.follow('Reply')
  assert.equal(lynx.page.value('to'), ann)
})

test('what a stranger writes is text: in subject, name, file name, and body', async (t) => {
  const made = await world(t)
  await people(made)
  const evil = `"><script>alert(1)</script><form action="https://evil.example">'&amp;`
  const from = `From: =?utf-8?B?${Buffer.from(evil).toString('base64')}?= <eve@evil.example>\n`
  const subject = `Subject: ${evil}\u202e\n`
  await made.deliver(
    ann,
    `${from}${subject}To: ${ann}\nContent-Type: text/plain; charset=utf-8\n\n${evil}\n</p></main><nav>\n`,
  )
  const lynx = new Browser(made)
  await lynx.logIn()
  const path = lynx.page.html.match(/\/m\/\d+/)![0]
  for (const each of [
    '/f/inbox',
    path,
    `/c?re=${path.slice(3)}`,
    `/c?fw=${path.slice(3)}`,
    '/f/inbox?q=%22%3E%3Cscript%3E',
  ]) {
    await lynx.go(each)
    assert.equal(lynx.page.status, 200)
    assert.ok(!/<script>|<form action="?h|"evil/.test(lynx.page.html), each)
    assert.equal(lynx.page.html.match(/<nav/g)?.length, 1, each)
    if (!each.startsWith('/c')) assert.ok(!lynx.page.html.includes('\u202e'), 'no turned writing direction')
  }
  await lynx.go(path)
  assert.ok(lynx.page.text.includes(`<script>alert(1)</script>`))
})

test('an encrypted part of a mail that is not encrypted opens alone, and is not quoted', async (t) => {
  const made = await world(t)
  await people(made)
  await seal(made)
  const { mailboxes } = made.services
  const inbox = await mailboxes.fixedFolder(1, 'inbox')
  const [sealed] = (await mailboxes.page(1, inbox.id, { limit: 1 })).messages
  const octets = Buffer.from(await mailboxes.octets(1, sealed!.id)).toString('latin1')
  const entity = octets.slice(octets.search(/^content-type:/im))
  const boundary = 'outer'
  await made.deliver(
    ann,
    mail(
      'Framed',
      `--${boundary}\nContent-Type: text/plain\n\nStrange words around.\n--${boundary}\n${entity.replace(/\r\n/g, '\n')}\n--${boundary}--`,
      `Reply-To: eve@evil.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=${boundary}\n`,
    ),
  )
  const lynx = new Browser(made)
  await lynx.logIn()
  await lynx.follow('Framed')
  assert.match(lynx.page.text, /Strange words around/)
  assert.ok(lynx.page.link('Open alone'))
  await lynx.follow('Decrypt')
  await lynx.unlock()
  assert.match(lynx.page.text, /one encrypted part alone/)
  assert.ok(lynx.page.text.includes(secret) && !lynx.page.text.includes('Strange words'))
  const alone = lynx.page.path
  await lynx.follow('Reply')
  assert.equal(lynx.page.value('text').trim(), '', 'neither the part nor the mail around it')
  assert.match(lynx.page.happened, /A part that was opened alone is not quoted/)
  assert.doesNotMatch(lynx.page.value('to'), /evil/, 'who has read it answers its sender')
  assert.match(lynx.page.happened, /eve@evil\.example/)
  await lynx.go(alone)
  await lynx.follow('Back to the mail')
  await lynx.follow('Reply')
  assert.equal(lynx.page.value('to'), 'eve@evil.example')
  assert.match(lynx.page.value('text'), /Strange words/)
  assert.match(lynx.page.happened, /What is encrypted in the mail and opens alone is not quoted/)
  assert.match(lynx.page.html, /<option value="?both"? selected/)
  assert.ok(!lynx.page.value('text').includes(secret))
})

test('Decrypt of a mail that is not encrypted asks for no passphrase and says so', async (t) => {
  const made = await world(t)
  await people(made)
  await made.deliver(ann, mail('Open', 'Nothing to hide.'))
  const lynx = new Browser(made)
  await lynx.logIn()
  await lynx.follow('Open')
  await lynx.follow('Decrypt')
  assert.match(lynx.page.happened, /not encrypted/)
  assert.match(lynx.page.text, /Nothing to hide/)
})

test('ticked mail is deleted, taken back, marked and moved; a list is paged both ways and searched', async (t) => {
  const made = await world(t)
  await people(made)
  for (let number = 1; number <= 45; number++)
    await made.deliver(ann, mail(`Mail ${number}.`, `body${number}`))
  const lynx = new Browser(made)
  await lynx.logIn()
  const ids = () => [...lynx.page.html.matchAll(/name=m value=(\d+)/g)].map(([, id]) => id!)
  const newest = ids()
  assert.equal(newest.length, 20)
  assert.match(lynx.page.heading, /Inbox \(45 new of 45\)/)
  await lynx.follow('Older')
  await lynx.follow('Older')
  assert.equal(ids().length, 5)
  assert.equal(lynx.page.link('Older'), null)
  await lynx.follow('Newer')
  await lynx.follow('Newer')
  assert.deepEqual(ids(), newest)
  await lynx.press('Delete', { m: newest.slice(0, 2) })
  assert.equal(lynx.page.happened.split('.')[0], '2 to the Trash')
  assert.match(lynx.page.heading, /of 43/)
  await lynx.press('Undo')
  assert.match(lynx.page.heading, /of 45/)
  await lynx.press('Flag', { m: newest.slice(0, 1) })
  assert.match(lynx.page.text, /N F Bob Builder/)
  await lynx.press('Read', { m: newest })
  assert.match(lynx.page.heading, /25 new of 45/)
  await lynx.press('Delete')
  assert.match(lynx.page.happened, /Tick a mail first/)
  await lynx.go('/f/inbox?q=body17')
  assert.deepEqual(ids().length, 1)
  assert.match(lynx.page.text, /Mail 17\./)
  assert.equal(lynx.page.heading, 'Inbox: 1 found')
  assert.match(lynx.page.text, /Only this folder is searched/)
  assert.equal((await lynx.go('/f/inbox?q=nowhere')).heading, 'Inbox: nothing found')
  assert.equal((await lynx.go('/f/inbox?q=body')).heading, 'Inbox: more than 20 found')
  await lynx.go('/folders')
  await lynx.press('Create', { name: 'a/b' })
  assert.equal(lynx.page.value('name'), 'a/b', 'a refused name stays')
  await lynx.press('Create', { name: 'Garden' })
  const garden = lynx.page.link('Garden')!.split('/').at(-1)!
  await lynx.follow('Inbox')
  await lynx.press('Move', { m: newest.slice(0, 3), to: garden })
  await lynx.go(`/f/${garden}`)
  assert.match(lynx.page.heading, /Garden \(3\)/)
  await lynx.go('/f/inbox')
  await lynx.press('Delete', { m: ids().slice(0, 1) })
  await lynx.go('/f/trash')
  await lynx.press('Empty trash')
  assert.match(lynx.page.happened, /1 deleted for good/)
})

test('a draft is kept, asks for the key to go on with it, and is gone when it was sent', async (t) => {
  const made = await world(t)
  await people(made)
  const lynx = new Browser(made)
  await lynx.logIn()
  await lynx.follow('Compose')
  await lynx.press('Save draft', {
    to: bob,
    subject: 'Half',
    text: 'half a letter',
    prot: 'encrypt',
    file: new File(['f'], 'f.txt'),
  })
  assert.match(lynx.page.path, /^\/f\/drafts/)
  assert.match(lynx.page.happened, /Saved/)
  await lynx.follow('Half')
  await lynx.unlock()
  assert.equal(lynx.page.value('text').trim(), 'half a letter')
  assert.equal(lynx.page.value('to'), bob)
  assert.equal(lynx.page.protection, 'encrypt')
  assert.match(lynx.page.text, /Keep f\.txt/)
  await lynx.press('Send')
  assert.equal(lynx.page.happened, 'Sent to bob@example.org.')
  await lynx.follow('Drafts')
  assert.equal(lynx.page.heading, 'Drafts (0)')
})

test('a letter that cannot be sent comes back with the reason, and nothing is lost', async (t) => {
  const made = await world(t)
  await people(made)
  const lynx = new Browser(made)
  await lynx.logIn()
  await lynx.follow('Compose')
  await lynx.press('Send', { to: 'not an address', subject: 'S', text: 'kept' })
  assert.match(lynx.page.happened, /not an address/)
  await lynx.press('Send', { to: 'carla@elsewhere.example', prot: 'encrypt' })
  assert.match(lynx.page.happened, /no public key for carla@elsewhere\.example/)
  assert.equal(lynx.page.link('Look for a key'), '/k')
  await lynx.press('Send', { prot: 'plain' })
  assert.match(lynx.page.happened, /Drafts/)
  assert.equal(lynx.page.value('text'), 'kept')
  await lynx.press('Send', { to: bob })
  assert.equal(lynx.page.happened, 'Sent to bob@example.org.')
  assert.equal((await lynx.follow('Drafts')).heading, 'Drafts (0)')
})

test('a pasted key is shown with its fingerprint and counts once it is accepted', async (t) => {
  const made = await world(t)
  await people(made)
  const other = new Browser(made)
  await other.logIn(bob)
  await other.go('/k')
  const [, fingerprint] = other.page.html.match(/\/k\/([0-9a-f]+)\.asc/)!
  const key = (await other.follow('Public key (file)')).html
  assert.match(key, /^-----BEGIN PGP PUBLIC KEY BLOCK-----/)
  const lynx = new Browser(made)
  await lynx.logIn()
  await lynx.go('/k')
  await lynx.press('Look at it', { key: 'nothing' })
  assert.match(lynx.page.happened, /no public key/)
  await lynx.press('Look at it', { key })
  assert.equal(lynx.page.heading, 'Accept this key?')
  assert.ok(lynx.page.text.replace(/ /g, '').includes(fingerprint!.toUpperCase()))
  assert.equal((await made.services.correspondents.list(1)).length, 0)
  await lynx.press('Accept')
  assert.match(lynx.page.happened, /accepted/)
  assert.equal((await made.services.correspondents.list(1))[0]?.fingerprint, fingerprint)
  await lynx.press('Remove')
  assert.equal((await made.services.correspondents.list(1)).length, 0)
  const block = `--b\nContent-Type: text/plain\n\nmy key\n--b\nContent-Type: application/pgp-keys\nContent-Disposition: attachment; filename=key.asc\n\n${key}\n--b--`
  await made.deliver(
    ann,
    mail('My key', block, 'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n'),
  )
  await lynx.go('/f/inbox')
  await lynx.follow('My key')
  await lynx.follow('Keys in this mail')
  await lynx.press('Accept')
  assert.equal((await made.services.correspondents.list(1))[0]?.fingerprint, fingerprint)
})

test('a revocation that is pasted or mailed is noted at once, and the page of the key says so', async (t) => {
  const made = await world(t)
  await people(made)
  const lynx = new Browser(made)
  await lynx.logIn()
  const carla = 'carla@elsewhere.example'
  const make = () =>
    generateKey({ type: 'ecc', curve: 'curve25519Legacy', userIDs: [{ email: carla }], format: 'object' })
  const [key, other] = [await make(), await make()]
  for (const { publicKey } of [key, other]) {
    await lynx.go('/k')
    await lynx.press('Look at it', { key: publicKey.armor() })
    await lynx.press('Accept')
  }
  await lynx.go('/k')
  assert.doesNotMatch(lynx.page.text, /Revoked/)
  await lynx.press('Look at it', { key: key.revocationCertificate })
  assert.match(lynx.page.happened, /Revoked by its owner, which is noted now/)
  assert.equal(lynx.page.heading, 'Keys')
  assert.match(lynx.page.text, /Revoked .*no signature by it counts any more, and nothing is encrypted to it/)

  const reasonForRevocation = { flag: enums.reasonForRevocation.keySuperseded }
  const revoked = await revokeKey({ key: other.privateKey, reasonForRevocation, format: 'object' })
  const block = `--b\nContent-Type: text/plain\n\nnew key soon\n--b\nContent-Type: application/pgp-keys\nContent-Disposition: attachment; filename=key.asc\n\n${revoked.publicKey.armor()}\n--b--`
  await made.deliver(
    ann,
    mail('My old key', block, 'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n'),
  )
  await lynx.go('/f/inbox')
  await lynx.follow('My old key')
  await lynx.follow('Keys in this mail')
  assert.match(lynx.page.happened, /Revoked by its owner/)
  await lynx.go('/k')
  assert.match(lynx.page.text, /Revoked .*later signatures by it do not count/)
  await lynx.follow('Compose')
  await lynx.press('Send', { to: carla, subject: 'S', text: 'kept', prot: 'encrypt' })
  assert.match(lynx.page.happened, /The key of carla@elsewhere\.example was revoked/)
  assert.equal(lynx.page.value('text'), 'kept')
})

test('the page of keys says what an own key cannot do, and Sign says why', async (t) => {
  const made = await world(t)
  const user = await made.addUser(ann, { key: false })
  const { privateKey } = await generateKey({
    type: 'curve25519',
    userIDs: [{ email: ann }],
    keyExpirationTime: 3600,
    format: 'object',
  })
  const file = privateKey.write()
  await made.services.keyrings.add(user, passphrase, { import: { file, passphrase: Buffer.from('') } })
  made.pass(2 * 3_600_000)
  const lynx = new Browser(made)
  await lynx.logIn()
  await lynx.go('/k')
  assert.match(
    lynx.page.text,
    /reads, cannot sign: it has expired; others cannot encrypt to it: it has expired/,
  )
  lynx.cookies.set('lang', 'ja')
  await lynx.go('/k')
  assert.match(lynx.page.text, /署名できません\(期限切れ\)/)
  lynx.cookies.set('lang', 'en')
  await lynx.go('/k')
  await lynx.follow('Compose')
  await lynx.press('Sign', { to: bob, subject: 'S', text: 'kept' })
  await lynx.unlock()
  assert.match(lynx.page.happened, /You have no key that can sign now: key [0-9A-F]{16} expired on/)
  assert.equal(lynx.page.value('text').trim(), 'kept')
})

test('terminals are listed and can be logged out; every use of the key is in the key log', async (t) => {
  const made = await world(t)
  await people(made)
  await seal(made)
  const old = new Browser(made, { 'user-agent': 'w3m/0.5' })
  await old.logIn()
  const lynx = new Browser(made)
  await lynx.logIn()
  await lynx.press('Decrypt')
  await lynx.unlock()
  await lynx.go('/t')
  assert.match(lynx.page.text, /w3m/)
  assert.match(lynx.page.text, /Lynx ?,.*has the key open ?\(this terminal\)/)
  await lynx.press('Log it out')
  assert.match((await old.go('/f/inbox')).path, /^\/login/)
  await lynx.go('/log')
  assert.match(lynx.page.text, /Decrypted \. Lynx \(.*\) mail .*Opened by passphrase\. Lynx \(/)
})

test('a letter that waits is told of in Sent and listed with its reason; it can be tried at once and given up', async (t) => {
  const relay = new Relay()
  const made = await world(t, await relay.listen(t))
  await people(made)
  const desk = await made.terminal(ann)
  const send = (to: string, more: object = {}) =>
    desk.post('/messages', { to, subject: 'Waits', text: 'x', ...more })
  const lynx = new Browser(made)
  await lynx.logIn()
  await lynx.go('/f/sent')
  assert.equal(lynx.page.link('Waiting letters'), null, 'nothing waits')
  await lynx.go('/folders')
  await lynx.follow('Waiting letters')
  assert.match(lynx.page.text, /All that you sent has left\./)

  for (let n = 11; n > 1; n -= 1) await send(`to${n}@far.example`)
  await send('<eve@far.example>, bob@example.org')
  await queueOf(desk, isPutOff)
  await lynx.follow('Sent')
  assert.match(lynx.page.text, /11 letters have not left yet:/)
  await lynx.follow('Waiting letters')
  assert.ok(lynx.page.size <= 6_000, String(lynx.page.size))
  assert.match(
    lynx.page.text,
    /eve@far\.example ?\. Since (\d+ \w+, )?\d\d:\d\d\. The last try failed: 450 4\.2\.0 Come back later\. Next try: (\d+ \w+, )?\d\d:\d\d\./,
  )
  assert.ok(!lynx.page.text.includes('to11@'))
  await lynx.follow('Older')
  assert.match(lynx.page.text, /to11@far\.example/)
  lynx.cookies.set('lang', 'ja')
  await lynx.go('/q')
  assert.match(lynx.page.text, /送信待ち.*から。前回の失敗: 450 4\.2\.0 Come back later。/)
  lynx.cookies.set('lang', 'en')

  await lynx.go('/q')
  const stale = lynx.page
  await lynx.press('Give up')
  assert.match(lynx.page.happened, /^Given up\. A report in your Inbox/)
  assert.match((await lynx.go('/f/inbox')).text, /Your mail could not be delivered/)
  lynx.page = stale
  await lynx.press('Give up')
  assert.match(lynx.page.happened, /^That mail does not wait any more/)

  relay.isWilling = true
  await lynx.press('Try now')
  assert.match(lynx.page.happened, /^It is tried now\./)
  await queueOf(desk, (queue) => queue.every(({ to }) => to[0] !== 'to2@far.example'))
  assert.deepEqual(relay.taken, ['to2@far.example'])

  await send('fay@far.example', { hold_s: 600 })
  await lynx.go('/q')
  assert.match(lynx.page.text, /fay@far\.example ?\. It leaves at (\d+ \w+, )?\d\d:\d\d\./)
  await lynx.press('Take back')
  assert.match(lynx.page.happened, /^The letter did not leave: it is in Drafts again/)
  assert.match((await lynx.go('/f/drafts')).text, /fay@far\.example/)

  // Who wants so has what this terminal sends wait, and takes it back where it was sent.
  await lynx.go('/q')
  assert.match(lynx.page.text, /from this terminal leave at once/)
  await lynx.press('Wait 15 seconds')
  assert.match(lynx.page.text, /wait 15 seconds before they leave/)
  const letter = { to: bob, subject: 'Rash', text: 'x', prot: 'plain' }
  await lynx.go('/c')
  await lynx.press('Send', letter)
  assert.match(lynx.page.happened, /^On its way to bob@example\.org\./)
  await lynx.press('Take back')
  assert.match(lynx.page.happened, /^The letter did not leave: it is in Drafts again/)
  assert.match(lynx.page.text, /Rash/)
  const other = new Browser(made)
  assert.doesNotMatch((await other.logIn(bob)).text, /Rash/)
  await lynx.go('/c')
  await lynx.press('Send', { ...letter, subject: 'Late' })
  made.pass(16_000)
  made.services.outbox.lookAgain()
  await queueOf(desk, (queue) => queue.every(({ held }) => !held))
  await lynx.press('Take back')
  assert.match(lynx.page.happened, /has left/)
  await other.go('/f/inbox')
  assert.match(other.page.text, /Late/)
  assert.match((await other.go('/q')).text, /All that you sent has left\./)
})

test('the set-up link makes the first user with a key, once', async (t) => {
  const made = await world(t)
  const link = new URL(made.running.setupLink!).pathname
  const lynx = new Browser(made)
  await lynx.go(link)
  const typed = { address: ann, name: 'Ann', pass: password, passphrase }
  await lynx.press('Begin', { ...typed, address: 'ann', pass: 'short', passphrase2: 'other' })
  assert.match(lynx.page.happened, /must be one.*8 characters.*differ\. Type both again/)
  assert.equal(lynx.page.value('name'), 'Ann')
  await lynx.press('Begin', { ...typed, passphrase2: 'other' })
  assert.match(lynx.page.happened, /^The two passphrases differ/)
  const short = 'é'.normalize('NFD').repeat(7)
  await lynx.press('Begin', { ...typed, passphrase: short, passphrase2: short })
  assert.equal(lynx.page.happened, 'The passphrase needs at least 8 characters.')
  assert.match(lynx.page.text, /Passphrase \(opens the key\) \(at least 8 characters\)/)
  assert.equal(lynx.page.value('address'), ann)
  await lynx.press('Begin', { ...typed, passphrase2: passphrase })
  assert.match(lynx.page.text, /Recovery code: (\w{5} ){5}\w /)
  await lynx.follow('Inbox')
  assert.match(lynx.page.heading, /^Inbox/, 'one is logged in')
  assert.equal((await lynx.go(link)).status, 404)
  await lynx.go('/f/inbox')
  await lynx.press('Decrypt')
  await lynx.unlock()
  assert.match(lynx.page.text, /first encrypted mail/)
})

test('The pages speak Japanese where the browser or the user asks for it (P86)', async (t) => {
  const made = await world(t)
  await people(made)
  const lynx = new Browser(made, { 'accept-language': 'ja,en;q=0.5' })
  await lynx.go('/login')
  assert.match(lynx.page.html, /<html lang=ja>/)
  await lynx.press('ログイン', { user: ann, pass: password })
  assert.match(lynx.page.heading, /^受信箱/)
  assert.ok(lynx.page.has('復号') && lynx.page.has('署名'))
  await lynx.go('/folders')
  await lynx.press('English')
  assert.match(lynx.page.html, /<html lang=en>/)
  assert.equal(lynx.page.heading, 'Folders and more')
})

test('thin pages: each keeps its budget of bytes, is whole, and hides nothing', async (t) => {
  const made = await world(t)
  await people(made)
  const text = 'A line of text.\n'.repeat(20)
  for (let number = 1; number <= 25; number++)
    await made.deliver(ann, mail('Minutes of the last meeting in the hall', text))
  await seal(made, text, 'The shed')
  const lynx = new Browser(made)
  await lynx.go('/login')
  const atMost = (limit: number, beside = 0) =>
    assert.ok(lynx.page.size - beside <= limit, `${lynx.page.path}: ${lynx.page.size - beside} > ${limit}`)
  atMost(2_000)
  await lynx.logIn()
  atMost(6_000)
  await lynx.press('Decrypt')
  atMost(2_000)
  const withBreaks = text.length + 20 * 4
  await lynx.unlock()
  atMost(2_000, withBreaks)
  for (const language of ['ja', 'en'])
    for (const path of ['/c', '/c?sign=1']) {
      lynx.cookies.set('lang', language)
      await lynx.go(path)
      atMost(2_000)
    }
  await lynx.press('Send', { to: bob, subject: 'x', text: 'y', prot: 'plain' })
  atMost(6_000)
  await lynx.go('/folders')
  atMost(2_000)
  await made.deliver(ann, mail('Long', `${'&'.repeat(30_000)}\n${'word '.repeat(10_000)}`))
  await lynx.go('/f/inbox')
  await lynx.follow('Long')
  atMost(14_000)
  let words = 0
  for (;;) {
    words += lynx.page.text.match(/&/g)?.length ?? 0
    atMost(14_000)
    if (!lynx.page.link('More text')) break
    await lynx.follow('More text')
  }
  assert.equal(words, 30_000, 'nothing of a long mail is lost')
  for (const page of ['/t', '/log', '/k', '/q', '/nowhere']) await lynx.go(page)
  assert.equal(lynx.page.status, 404)
  for (const { html, headers, path, size } of lynx.pages) {
    assert.equal(headers.get('content-length'), String(size), path)
    assert.ok(!/ hidden|<(details|dialog|template|datalist|pre|svg|iframe)|display:none/.test(html), path)
    assert.equal(html.match(/<h1>/g)?.length, 1, path)
    assert.match(html, /<main><div role=status/, path)
    assert.ok(!/<\/a><a /.test(html), 'links are kept apart')
    for (const [form] of html.matchAll(/<form method=post.*?<\/form>/gs))
      assert.match(form, /name=t value=/, path)
  }
})

test('a form without its token changes nothing', async (t) => {
  const made = await world(t)
  await people(made)
  await made.deliver(ann, mail('Here', 'x'))
  const lynx = new Browser(made)
  await lynx.logIn()
  const [, id] = lynx.page.html.match(/name=m value=(\d+)/)!
  await lynx.go('/f/inbox', new URLSearchParams({ a: 'delete', m: id! }))
  assert.equal(lynx.page.status, 403)
  assert.match((await lynx.go('/f/inbox')).heading, /of 1\)/)
})

test('another user’s mail, folders and parked letters are not there for one', async (t) => {
  const made = await world(t)
  await people(made)
  await made.deliver(ann, mail('Private', 'x'))
  const inbox = await made.services.mailboxes.fixedFolder(1, 'inbox')
  const token = (browser: Browser) => browser.page.html.match(/name=t value=([\w-]+)/)![1]!
  const own = new Browser(made)
  await own.logIn(ann)
  await own.go('/c')
  await own.go('/c', new URLSearchParams({ t: token(own), a: 'sign', text: 'parked by ann' }))
  const ticket = own.page.html.match(/name=park value="?([\w-]+)/)![1]!
  const other = new Browser(made)
  await other.logIn(bob)
  for (const path of [
    '/m/1',
    '/m/1/open',
    '/m/1/raw',
    '/m/1/a/1',
    '/m/1/keys',
    `/f/${inbox.id}`,
    '/c?re=1',
    '/c?d=1',
  ])
    assert.equal((await other.go(path)).status, 404, path)
  const giveBack = async (browser: Browser) =>
    (await browser.go('/unlock', new URLSearchParams({ t: token(browser), a: 'cancel', park: ticket }))).text
  await other.go('/t')
  assert.ok(!(await giveBack(other)).includes('parked by ann'))
  assert.ok((await giveBack(own)).includes('parked by ann'))
})

/** A public key of somebody else, as it is pasted, and a hand that signs with it. */
const strangersKey = async (userIDs: { name?: string; email?: string }[]) => {
  const { publicKey, privateKey } = await generateKey({ userIDs, format: 'object', type: 'curve25519' })
  const signed = async (text: string) =>
    sign({ message: await createCleartextMessage({ text }), signingKeys: privateKey })
  return { key: publicKey.armor(), fingerprint: publicKey.getFingerprint(), signed }
}

test('Each address of an offered key has a line; only those count, and never a user’s of this server (B6)', async (t) => {
  const made = await world(t)
  await people(made)
  const carol = 'carol@example.net'
  const evil = await strangersKey([
    { name: 'Eve '.repeat(80), email: 'eve@evil.example' },
    { name: 'Ann', email: ann },
    { name: 'Carol', email: carol },
  ])
  const first = await strangersKey([{ name: 'Carol', email: carol }])
  const lynx = new Browser(made)
  await lynx.logIn()
  await lynx.go('/k')
  await lynx.press('Look at it', { key: first.key })
  assert.ok(!lynx.page.text.includes('Another key'))
  await lynx.press('Accept')
  await lynx.press('Look at it', { key: evil.key })
  for (const address of ['eve@evil.example', ann, carol])
    assert.match(lynx.page.html, new RegExp(`<br><b>${address}</b>`), address)
  assert.match(lynx.page.text, /ann@example\.org is a user of this server: this key will not count for/)
  assert.match(lynx.page.text, /Another key is already accepted for carol@example\.net/)
  await lynx.press('Accept')
  const { correspondents } = made.services
  const [accepted] = await correspondents.list(1)
  assert.deepEqual(accepted?.addresses, ['eve@evil.example', ann, carol])
  const user = await made.services.users.named(ann)
  const { certificates } = await correspondents.believed(user, `Ann <${ann}>`)
  assert.deepEqual(
    certificates.map(({ addresses }) => addresses),
    [[ann], ['eve@evil.example', carol], [carol]],
  )
  const from = (address: string, text: string) =>
    `From: <${address}>\nTo: ${ann}\nSubject: ${address}\n\n${text}`
  await made.deliver(ann, from(ann, await evil.signed('I am you')))
  await made.deliver(ann, from('eve@evil.example', await evil.signed('I am I')))
  await lynx.go('/f/inbox')
  await lynx.follow(ann)
  assert.match(lynx.page.text, /do NOT rely on it/)
  await lynx.go('/f/inbox')
  await lynx.follow('eve@evil.example')
  assert.match(lynx.page.text, /Signed by eve@evil\.example on \d+ \w+ \d{4}, accepted key/)
})

test('a key that names twenty addresses is offered, one that names more is not', async (t) => {
  const made = await world(t)
  await people(made)
  const naming = (count: number) =>
    strangersKey(Array.from({ length: count }, (_, place) => ({ email: `e${place}@evil.example` })))
  const lynx = new Browser(made)
  await lynx.logIn()
  await lynx.go('/k')
  await lynx.press('Look at it', { key: (await naming(21)).key })
  assert.match(lynx.page.happened, /more than 20 addresses/)
  await lynx.press('Look at it', { key: (await naming(20)).key })
  assert.match(lynx.page.text, /e19@evil\.example/)
})

test('a mail of a million characters is cut only as far as the page that was asked for', async (t) => {
  const made = await world(t)
  await people(made)
  for (const [subject, text] of [
    ['Lines', '\n'.repeat(499_990)],
    ['Line', '<'.repeat(999_990)],
    ['Faces', '\u{1f600}'.repeat(240_000)],
    ['Blanks', `x${' '.repeat(990_000)}x`],
  ] as const)
    await made.deliver(ann, mail(subject, `${text}\nThe end.`))
  const lynx = new Browser(made)
  await lynx.logIn()
  for (const subject of ['Line', 'Faces', 'Blanks']) {
    await lynx.go('/f/inbox')
    await lynx.follow(subject)
    assert.match(lynx.page.text, /\bPage 1 \| More text/)
    assert.ok(lynx.page.size < 14_000, `${subject} ${lynx.page.size}`)
    assert.ok(!lynx.page.html.includes('\ufffd'))
    await lynx.follow('More text')
    assert.match(lynx.page.text, /\bPage 2 \| More text/)
    await lynx.go(`${lynx.page.path.split('?')[0]}?p=99999`)
    assert.match(lynx.page.text, /The end\. Page \d+ /)
    assert.equal(lynx.page.link('More text'), null)
  }
})

test('Each page names the zone of its times, and so does what is quoted to somebody in another one', async (t) => {
  const made = await world(t)
  await people(made)
  const { timeZone } = new Intl.DateTimeFormat().resolvedOptions()
  await made.deliver(ann, mail('Hello', 'x'))
  const lynx = new Browser(made)
  await lynx.logIn()
  for (const path of ['/f/inbox', '/t', '/log', '/m/1']) {
    await lynx.go(path)
    assert.ok(lynx.page.text.includes(` Times: ${timeZone}.`), path)
  }
  await lynx.go('/c?re=1')
  assert.ok(lynx.page.value('text').includes(` (${timeZone}), `))
  await lynx.go('/c?fw=1')
  assert.match(lynx.page.value('text'), /Date: .*\d\d:\d\d \(.+\)$/m)
})

test('A time near now keeps its hour on the other side of midnight, in both languages', () => {
  const late = new Date(2026, 10, 28, 23, 58).getTime()
  assert.equal(nearTime('en', late, late), '23:58')
  assert.match(nearTime('en', late + 10 * 60_000, late), /^29 Nov.* 00:08$/)
  assert.match(nearTime('ja', late + 10 * 60_000, late), /^11月29日 0?0:08$/)
})

test('A name hides no address: it is cut, the address is whole; one that looks like an address comes after it', async (t) => {
  const made = await world(t)
  await people(made)
  const long = `${'a.very.long.part.'.repeat(12)}@mail.example.org.evil.example`
  const word = (text: string) => `=?utf-8?B?${Buffer.from(text).toString('base64')}?=`
  const at = (address: string, name: string) =>
    `From: ${word(name)} <${address}>\nTo: ${ann}\nSubject: Hello\n\nText\n`
  const cases = [
    [
      at('m@evil.example', `bob@example.org ${'x'.repeat(130)}`),
      'm@evil.example',
      /^From: m@evil\.example, under the name “bob@/,
    ],
    [
      at('m@evil.example', `bob\uff20example.org`),
      'm@evil.example',
      /^From: m@evil\.example, under the name “bob\uff20example\.org”/,
    ],
    [at('m@evil.example', 'x'.repeat(3000)), null, /^From: x{59}… <m@evil\.example>/],
    [at('m@evil.example', `Bob <bob, Eve`), null, /^From: "Bob <bob, Eve" <m@evil\.example>/],
    [at(long, 'bob@example.org'), long, new RegExp(`^From: ${long}, under`)],
    [at('m@evil.example', 'Bo\u200b\u{e0062}\u3164\u200d\ufe0fb'), null, /^From: Bob <m@evil\.example>/],
    [at('bo\u200bb@example.org', ''), 'bo\ufffdb@example.org', /^From: bo\ufffdb@example\.org /],
  ] as const
  const lynx = new Browser(made)
  await lynx.logIn()
  for (const [message, listed, shown] of cases) {
    await made.deliver(ann, message)
    await lynx.go('/f/inbox')
    if (listed) assert.ok(lynx.page.text.includes(` ${listed}, `), `${listed} in ${lynx.page.text}`)
    await lynx.follow('Hello')
    assert.match(lynx.page.text.replace(/^.*? From: /s, 'From: '), shown)
    const id = lynx.page.path.match(/\d+/)![0]
    await lynx.go(`/c?re=${id}`)
    assert.doesNotMatch(lynx.page.value('text'), /bob\S*example\.org.* wrote:/, 'nor is it quoted as one')
    await lynx.go('/f/inbox')
    await lynx.follow('Hello')
    await lynx.press('Delete')
  }
})

test('What nobody sees is in no page; what scripts and emoji need is in the text', async (t) => {
  const made = await world(t)
  await people(made)
  const hidden = '\u200b\u2060\ufeff\u00ad\u115f\u3164\u{e0041}\u{e007f}\u{e0100}\u180e'
  const word = `=?utf-8?B?${Buffer.from(`pay${hidden}ment`).toString('base64')}?=`
  const text = `se${hidden}cret, \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645, \u2764\ufe0f`
  await made.deliver(
    ann,
    `From: bob@example.org\nTo: ${ann}\nSubject: ${word}\nContent-Type: text/plain; charset=utf-8\n\n${text}\n`,
  )
  const lynx = new Browser(made)
  await lynx.logIn()
  await lynx.follow('payment')
  assert.ok(lynx.page.html.includes('secret, \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645, \u2764\ufe0f'))
})

test('what turns the writing direction around, or controls a terminal, is in no page', async (t) => {
  const made = await world(t)
  await people(made)
  const tricks = '\u202e\u2066\u200f\u061c\u001b[2J\u009b'
  const word = (text: string) => `=?utf-8?B?${Buffer.from(text).toString('base64')}?=`
  await made.deliver(
    ann,
    `From: ${word(`Mal${tricks}lory`)} <m@evil.example>\nTo: ${ann}\nSubject: ${word(`Sub${tricks}ject`)}\nContent-Type: text/plain; charset=utf-8\n\nTe${tricks}xt\tand\nmore\n`,
  )
  const lynx = new Browser(made)
  await lynx.logIn()
  const id = lynx.page.html.match(/\/m\/(\d+)/)![1]
  for (const path of ['/f/inbox', `/m/${id}`, `/c?re=${id}`, `/c?fw=${id}`]) {
    await lynx.go(path)
    assert.doesNotMatch(
      lynx.page.html,
      /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]|(?![\n\t])\p{Cc}/u,
      path,
    )
  }
  await lynx.go(`/m/${id}`)
  assert.match(lynx.page.html, /Te\[2Jxt\tand<br>more/)
})

test('a subject with such characters is one plain line in both windows of the key, passphrase and passkey', async (t) => {
  const made = await world(t)
  await people(made)
  const { passkeys, sessions, site } = made.services
  const session = (await sessions.contact((await made.terminal(ann)).token!))!
  const authenticator = new Authenticator({ origin: site.origin })
  const { options } = await passkeys.registrationOptions(session)
  const begun = await passkeys.beginRegistration(session, authenticator.create(options))
  const { id } = authenticator.credentials[0]!
  const asserted = authenticator.get(begun.options, { credential: id })
  await passkeys.finishRegistration(session, {
    name: 'finger',
    asserted,
    proof: { passphrase },
    consent: false,
  })
  const lynx = new Browser(made)
  await lynx.logIn()
  const tricks = '\u202e\u2066\u200f\u061c\u001b[2J\u009b'
  const letter = { to: bob, subject: `Sub${tricks}ject`, text: 'Two tickets, please.' }
  for (const name of ['Sign', 'Use passkey']) {
    if (name === 'Sign') await lynx.go('/c')
    await lynx.press(name, name === 'Sign' ? letter : {})
    assert.equal(lynx.page.heading, 'Secret key use')
    assert.match(lynx.page.html, /<b>Sub\[2Jject<\/b>/)
    assert.doesNotMatch(
      lynx.page.html,
      /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]|(?![\n\t])\p{Cc}/u,
      name,
    )
  }
})

test('the answer to an encrypted mail goes to its sender, not to where a field that nothing protects says', async (t) => {
  const made = await world(t)
  await people(made)
  await seal(made)
  const { mailboxes } = made.services
  const inbox = await mailboxes.fixedFolder(1, 'inbox')
  const [sealed] = (await mailboxes.page(1, inbox.id, { limit: 1 })).messages
  const octets = Buffer.from(await mailboxes.octets(1, sealed!.id)).toString('latin1')
  await made.deliver(ann, Buffer.from(`Reply-To: eve@evil.example\r\n${octets}`, 'latin1'))
  await made.deliver(ann, mail('Open', 'x', 'Reply-To: list@example.net\n'))
  const lynx = new Browser(made)
  await lynx.logIn()
  await lynx.press('Decrypt')
  await lynx.unlock()
  for (const link of ['Reply', 'Reply all']) {
    const { path } = lynx.page
    await lynx.follow(link)
    assert.doesNotMatch(lynx.page.value('to'), /evil/)
    assert.match(lynx.page.value('to'), /bob@example\.org/)
    assert.match(lynx.page.happened, /eve@evil\.example/)
    await lynx.go(path)
  }
  await lynx.go('/f/inbox')
  await lynx.follow('Open')
  await lynx.follow('Reply')
  assert.equal(lynx.page.value('to'), 'list@example.net')
})

test('a mail that is attached goes along whole, also by way of Drafts: what lies in it is not beside it', async (t) => {
  const made = await world(t)
  await people(made)
  const file = (type: string, name: string, body: string) =>
    `Content-Type: ${type}\nContent-Disposition: attachment; filename=${name}\n\n${body}`
  const mixed = (boundary: string, part: string) =>
    `--${boundary}\nContent-Type: text/plain\n\nsee\n--${boundary}\n${part}\n--${boundary}--\n`
  const type = (boundary: string) =>
    `MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=${boundary}\n`
  const inner = `From: ${bob}\nSubject: Within\n${type('i')}\n${mixed('i', file('text/plain', 'map.txt', 'x'))}`
  const outer = mixed('o', file('message/rfc822', 'within.eml', inner))
  await made.deliver(ann, mail('Around', outer, type('o')))
  const lynx = new Browser(made)
  await lynx.logIn()
  await lynx.follow('Around')
  assert.ok(lynx.page.link('map.txt'), 'each can be had where it is read')
  await lynx.follow('Forward')
  const names = () => [...lynx.page.text.matchAll(/Keep (\S+) \(/g)].map(([, name]) => name)
  assert.deepEqual(names(), ['within.eml'])
  await lynx.press('Save draft', { to: bob })
  await lynx.follow('Fwd: Around')
  await lynx.unlock()
  assert.deepEqual(names(), ['within.eml'])
})

test('only a message in Drafts is a draft: saving or sending deletes no other', async (t) => {
  const made = await world(t)
  await people(made)
  await made.deliver(ann, mail('Precious', 'x'))
  const lynx = new Browser(made)
  await lynx.logIn()
  const id = lynx.page.html.match(/\/m\/(\d+)/)![1]!
  assert.equal((await lynx.go(`/c?d=${id}`)).status, 404)
  for (const a of ['save', 'send']) {
    await lynx.go('/c')
    const token = lynx.page.html.match(/name=t value=([\w-]+)/)![1]!
    await lynx.go('/c', new URLSearchParams({ t: token, a, d: id, to: bob, text: 'y' }))
    await lynx.go('/f/inbox')
    assert.ok(lynx.page.link('Precious'), a)
  }
})

test('An opened encrypted mail is forwarded in plain only after a warning, also by way of Drafts (B2)', async (t) => {
  const made = await world(t)
  await people(made)
  await seal(made)
  const lynx = new Browser(made)
  await lynx.logIn()
  await lynx.press('Decrypt')
  await lynx.unlock()
  await lynx.follow('Forward')
  assert.ok(lynx.page.value('text').includes(secret))
  await lynx.press('Save draft', { to: bob })
  await lynx.follow('Fwd: The shed')
  await lynx.press('Send', { prot: 'plain' })
  assert.match(lynx.page.happened, /unencrypted/)
  await lynx.press('Send')
  assert.equal(lynx.page.happened, 'Sent to bob@example.org.')
})

test('a copy in Sent says how the letter left, and nobody else’s mail can say so', async (t) => {
  const made = await world(t)
  await people(made)
  const lynx = new Browser(made)
  await lynx.logIn()
  for (const [prot, subject] of [
    ['plain', 'Openly'],
    ['sign', 'By my hand'],
    ['encrypt', 'Closed'],
  ] as const) {
    await lynx.go('/c')
    await lynx.press('Send', { to: bob, subject, text: 'x', prot })
    if (prot === 'sign') await lynx.unlock()
    assert.equal(lynx.page.happened, 'Sent to bob@example.org.')
  }
  const opened = async (subject: string) => {
    await lynx.go('/f/sent')
    const came = (await lynx.follow(subject)).text
    await lynx.follow('Decrypt, key open')
    return [came, lynx.page.text] as const
  }
  const [came, open] = await opened('Openly')
  assert.match(came, /Sent in plain\. This copy is kept encrypted to you; press Decrypt/)
  assert.match(open, /Sent in plain\. This copy is kept encrypted to you\./)
  assert.match((await opened('By my hand'))[0], /Sent signed\. This copy/)
  assert.match((await opened('Closed'))[1], /Was encrypted\. Not signed\./)
  assert.match(
    (await lynx.go('/f/sent')).text,
    / E bob@example\.org, [\d:]+ Closed S bob@example\.org, [\d:]+ By my hand bob@example\.org, [\d:]+ Openly /,
  )
  await made.deliver(ann, mail('Forged', 'x', `X-Wafer-Protection: sign\n`))
  const forged = (await lynx.go('/f/inbox')).link('Forged')!
  assert.doesNotMatch((await lynx.go(forged)).text, /Sent signed/)
  const sent = await made.services.mailboxes.fixedFolder(1, 'sent')
  await made.services.mailboxes.mark(1, [Number(forged.split('/').at(-1))], { folderId: sent.id })
  assert.doesNotMatch((await lynx.go(forged)).text, /Sent signed/, 'not from one’s own address')
})

test('a text that was changed after it was signed is sent only after a warning', async (t) => {
  const made = await world(t)
  await people(made)
  const lynx = new Browser(made)
  await lynx.logIn()
  await lynx.go('/c')
  await lynx.press('Sign', { to: bob, subject: 'Price', text: 'It costs 10.' })
  await lynx.unlock()
  await lynx.press('Send', { text: lynx.page.value('text').replace('10', '99') })
  assert.match(lynx.page.happened, /You changed the text after you signed it/)
  assert.match(lynx.page.value('text'), /99/)
  await lynx.press('Send')
  assert.equal(lynx.page.happened, 'Sent to bob@example.org.')
})

test('a letter that has not left yet is said to be on its way', async (t) => {
  const made = await world(t, { WAFER_RELAY: 'smtp://127.0.0.1:1' })
  await people(made)
  const lynx = new Browser(made)
  await lynx.logIn()
  await lynx.go('/c')
  await lynx.press('Send', { to: 'x@elsewhere.example', subject: 'Out', text: 'x' })
  assert.equal(lynx.page.happened, 'On its way to x@elsewhere.example.')
  const other = new Browser(made)
  await other.logIn(bob)
  assert.equal((await other.go(lynx.page.path)).happened, '', 'another user’s letter is none of theirs')
})

test('the password is changed by whoever knows the old one; it ends the other sessions, and opens no key', async (t) => {
  const made = await world(t)
  await people(made)
  const [desk, other] = [new Browser(made), new Browser(made)]
  await desk.logIn(ann)
  await other.logIn(ann)
  const change = async (old: string, fresh: string, again = fresh) => {
    const page = await desk.go('/s?of=password')
    assert.equal(page.value('user'), ann)
    const t = page.html.match(/name=t value=([\w-]+)/)![1]!
    return desk.go(
      '/s?of=password',
      new URLSearchParams({ t, a: 'password', password: old, new: fresh, new2: again }),
    )
  }
  assert.match((await change(password, 'a new password', 'another one')).happened, /differ/)
  assert.match((await change('not the password', 'a new password')).happened, /wrong/)
  assert.match((await change(password, 'short')).happened, /8 characters/)
  assert.match((await change(password, password)).happened, /is the old one/)
  assert.match((await change(password, 'a new password')).happened, /new password is set/)
  assert.equal((await desk.go('/t')).heading, 'Terminals')
  assert.notEqual((await other.go('/t')).heading, 'Terminals')
  await assert.rejects(made.services.users.logIn(ann, password, '127.0.0.1'), { code: 'bad-credentials' })
  assert.equal((await made.services.users.logIn(ann, 'a new password', '127.0.0.1')).user.address, ann)
  assert.match((await desk.go('/log')).text, /: Password changed ?\. /)
  await desk.go('/folders')
  await desk.press('日本語')
  assert.match((await desk.go('/log')).text, /: パスワードを変えた ?。/)
  assert.match((await change('a new password', 'a new password')).happened, /今のパスワードと同じ/)
})
