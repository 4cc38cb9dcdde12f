/**
 * The terminal client in line mode, as a person uses it: what is typed goes in, what is printed comes out, against a
 * real server. Only the terminal is a pair of streams.
 */
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { createMessage, encrypt, generateKey, readKey } from 'openpgp'
import { disk } from '../../tui/letter/disk.ts'
import { fileNameOf } from '../../tui/letter/file-names.ts'
import { Dialogue } from '../../tui/plain/dialogue.ts'
import { runPlain } from '../../tui/plain/plain.ts'
import { Client } from '../../tui/wire/client.ts'
import { localNote } from '../../tui/wire/connection.ts'
import { vectors } from '../support/places.ts'
import { isEmpty, isPutOff, queueOf, Relay } from '../support/relay.ts'
import { passphrase, password, type World, world } from '../support/world.ts'

const ann = 'ann@wafer.test'
const bob = 'bob@wafer.test'
const patienceMs = 30_000

/** Somebody at a terminal that shows lines. */
class Person {
  readonly input: PassThrough & { isTTY?: boolean; setRawMode?: (raw: boolean) => void } = new PassThrough()
  readonly signals = new EventEmitter()
  readonly client: Client
  /** All that was ever printed. */
  heard = ''
  /** What was printed since the last expectation. */
  #new = ''
  #isHearing: (() => void) | null = null
  readonly #exit: Promise<number>

  constructor(
    t: TestContext,
    server: World,
    options: { user?: string; mailto?: string; tty?: boolean } = {},
  ) {
    this.client = new Client({ server: server.url })
    if (options.tty) {
      this.input.isTTY = true
      this.input.setRawMode = (raw) => void this.rawModes.push(raw)
    }
    const output = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.heard += chunk
        this.#new += chunk
        this.#isHearing?.()
        done()
      },
    })
    const { user, mailto } = options
    this.#exit = runPlain({
      client: this.client,
      terminal: 'plain terminal',
      heartbeat_s: 60,
      input: this.input,
      output,
      signals: this.signals,
      disk,
      hasLogIn: true,
      ...(user === undefined ? {} : { user }),
      ...(mailto === undefined ? {} : { mailto }),
    })
    t.after(async () => {
      this.input.end()
      this.signals.emit('SIGTERM')
      await this.#exit
    })
  }

  readonly rawModes: boolean[] = []

  /** Waits until that is printed. @returns what was printed up to its end */
  async hears(what: string | RegExp): Promise<string> {
    const timeout = AbortSignal.timeout(patienceMs)
    for (;;) {
      const found =
        typeof what === 'string'
          ? this.#new.indexOf(what) + (this.#new.includes(what) ? what.length : 0)
          : (({ index, 0: text }) => index + text.length)(what.exec(this.#new) ?? { index: -1, 0: '' })
      if (found > 0) {
        const heard = this.#new.slice(0, found)
        this.#new = this.#new.slice(found)
        return heard
      }
      await new Promise<void>((resolve, reject) => {
        this.#isHearing = resolve
        timeout.addEventListener('abort', () =>
          reject(new Error(`expected to hear ${what}, got ${JSON.stringify(this.#new)}`)),
        )
      })
    }
  }

  types(line: string) {
    this.input.write(`${line}\n`)
  }

  /** A command, and what is printed up to the next prompt. */
  async does(line: string, until: string | RegExp = /^[A-Z][^\n]*> $/m): Promise<string> {
    this.types(line)
    return this.hears(until)
  }

  async logsIn(secret = password) {
    await this.hears('Password of ann@wafer.test, not shown: ')
    this.types(secret)
    return this.hears(prompt)
  }

  async unlocks() {
    await this.does('unlock', 'Passphrase: ')
    await this.does(passphrase, 'The key is open.')
    return this.hears(prompt)
  }

  leaves(): Promise<number> {
    return this.#exit
  }
}

const prompt = /^[A-Z][^\n]*, key [^\n]*> $/m

const plainMail = (subject: string, text: string, from = 'Eve <eve@far.example>', more = '') =>
  `From: ${from}\nTo: ${ann}\nSubject: ${subject}\nDate: Mon, 2 Nov 2026 10:00:00 +0000\nMessage-ID: <${Math.abs(
    hash(subject + text),
  )}@far.example>\n${more}\n${text}\n`

const hash = (text: string) => [...text].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)!) | 0, 7)

const ready = async (t: TestContext, environment: Record<string, string> = {}) => {
  const server = await world(t, environment)
  await server.addUser(ann, { name: 'Ann' })
  await server.addUser(bob, { name: 'Bob' })
  return server
}

/** Mail from Bob to Ann, encrypted. */
const sealed = async (server: World, subject: string, text: string) => {
  const other = await server.terminal(bob)
  const sent = await other.post('/messages', { to: ann, subject, text, encrypt: true })
  assert.equal(sent.status, 201)
}

test('One logs in without an echo, hears why not, and leaves with everything locked (S1090-S1180)', async (t) => {
  const server = await ready(t)
  await server.deliver(ann, plainMail('Lunch', 'At noon?'))
  const person = new Person(t, server, { tty: true })
  await person.does('', 'User ID: ')
  await person.hears('User ID: ')
  await person.does(ann, `Password of ${ann}, not shown: `)
  assert.deepEqual(person.rawModes, [true], 'the terminal echoes nothing while the password is typed')
  await person.does('wrong', 'User ID: ')
  await person.does(ann, `Password of ${ann}, not shown: `)
  // A correction, an arrow key and a letter too much.
  await person.does(`X\x15${password}\x1b[Dq\x7f`, 'You are logged in as ann@wafer.test.')
  const list = await person.hears(prompt)
  assert.match(list, /^1\. Unread\. From Eve[^\n]*: Lunch\. 2 Nov[^\n]*\n/m)
  assert.match(list, /^Inbox, 1 unread, key locked> $/m)
  assert.deepEqual(person.rawModes, [true, false, true, false])
  assert.doesNotMatch(person.heard, /correct horse|\x1b|\*/)
  person.types('quit')
  assert.equal(await person.leaves(), 0)
  assert.match(person.heard, /The key is locked, and you are logged out\.\n$/)
})

test('the exit code tells what kind of end it was', async (t) => {
  const server = await ready(t)
  const nobody = new Person(t, server)
  nobody.input.end()
  assert.equal(await nobody.leaves(), 1, 'nobody logged in')

  const wrong = new Person(t, server, { user: ann })
  for (const again of [`Password of ${ann}, not shown: `, 'User ID: ', 'User ID: ']) {
    await wrong.hears(again)
    if (again === 'User ID: ') await wrong.does(ann, 'not shown: ')
    wrong.types('wrong')
  }
  assert.equal(await wrong.leaves(), 1, 'three wrong passwords')

  const gone = new Person(t, server, { user: ann })
  await gone.logsIn()
  gone.input.end()
  assert.equal(await gone.leaves(), 0, 'the end of input is a proper end')
  assert.match(gone.heard, /you are logged out/)

  const twice = new Person(t, server, { user: ann })
  await twice.logsIn()
  twice.signals.emit('SIGINT')
  await twice.hears('Ctrl-C once more, or quit, leaves Wafer.')
  await twice.hears(prompt)
  twice.signals.emit('SIGINT')
  assert.equal(await twice.leaves(), 0, 'Ctrl-C twice at the prompt')

  for (const [signal, code] of [
    ['SIGHUP', 129],
    ['SIGTERM', 143],
  ] as const) {
    const ended = new Person(t, server, { user: ann })
    await ended.logsIn()
    await ended.unlocks()
    ended.signals.emit(signal)
    assert.equal(await ended.leaves(), code)
  }
  const after = await server.terminal(ann)
  assert.equal((await after.get('/terminals')).body.terminals.length, 1, 'no session of theirs is left')
  assert.equal((await after.unlock()).status, 201, 'nor the use of the key')
})

test('nothing answers at the address: a sentence, and 1', async (t) => {
  const server = await ready(t)
  const person = new Person(t, server, { user: ann })
  await person.hears('not shown: ')
  await server.stop()
  person.types(password)
  assert.equal(await person.leaves(), 1)
  assert.match(person.heard, /\n[A-Z0-9][^\n]*\.\n$/)
})

test('Of a certificate that is not acceptable one reads; no password is asked for; it ends with 1 (S1040-S1070)', async (t) => {
  const vector = (name: string) => join(vectors, name)
  const server = await ready(t, {
    WAFER_TLS_CERT: vector('localhost-cert.pem'),
    WAFER_TLS_KEY: vector('localhost-key.pem'),
  })
  const person = new Person(t, server, { user: ann })
  assert.equal(await person.leaves(), 1)
  assert.match(
    person.heard,
    /^No encrypted communication with the server was established\.\n[^\n]+\.\nNothing was sent/m,
  )
  assert.doesNotMatch(person.heard, /Password/)
})

test('An encrypted mail is shown as it came, opened by passphrase, and a wrong one changes nothing (S1190-S1340)', async (t) => {
  const server = await ready(t)
  await sealed(server, 'The plan', 'Meet at the old mill.')
  const person = new Person(t, server, { user: ann })
  const list = await person.logsIn()
  assert.match(list, /^1\. Unread, encrypted\. From Bob/m)
  const came = await person.does('1')
  assert.match(
    came,
    /^Mail 1 in Inbox\. State: Encrypted\. This is the mail as it came\.\nFrom: Bob <bob@wafer\.test>\n/m,
  )
  assert.doesNotMatch(came, /BEGIN PGP/, 'nobody wants to hear it')
  assert.match(await person.does('more'), /^ {2}-----BEGIN PGP MESSAGE-----$/m)

  await person.does('decrypt', 'Passphrase: ')
  assert.match(await person.does('wrong'), /not the passphrase of your key\.\n[^\n]*key locked> $/)
  await person.does('D', 'Passphrase: ')
  const opened = await person.does(passphrase)
  assert.match(
    opened,
    /^The key is open\.\nMail 1 in Inbox\. State: Was encrypted\. Not signed\.[\s\S]*\n {2}Meet at the old mill\.\nText ends\. /m,
  )
  assert.match(opened, /^Inbox, key open for 5 min> $/m)
  assert.match(await person.does('decrypt 1'), /Meet at the old mill/, 'P57: no question any more')
  assert.match(await person.does('z'), /Your key is locked\.\nInbox, key locked> $/)
  await person.does('decrypt', 'Passphrase: ')
  person.signals.emit('SIGINT')
  assert.match(await person.hears(prompt), /Cancelled\.\n/)
  assert.doesNotMatch(person.heard, new RegExp(passphrase))
})

test('A key in use elsewhere is taken over in three steps, and given up after cancelling none (S2000-S2100)', async (t) => {
  const server = await ready(t)
  await sealed(server, 'The plan', 'Meet at the old mill.')
  const other = await server.terminal(ann, 'lynx')
  assert.equal((await other.unlock()).status, 201)
  const person = new Person(t, server, { user: ann })
  assert.match(await person.logsIn(), /key in use at lynx> $/)
  const error = await person.does('decrypt 1')
  assert.match(error, /^Key in use elsewhere\.\nlynx is using your key: since [^\n]*\nType decrypt again/m)
  assert.match(await person.does('list'), /Inbox: mails/, 'another command in between')
  assert.match(await person.does('decrypt 1'), /Key in use elsewhere/, 'so this is the first press again')
  await person.does('decrypt', 'Type yes or no: ')
  assert.match(await person.does('no'), /Nothing was changed\.\n/)
  assert.notEqual((await other.get('/session')).body.allowance, null)
  await person.does('decrypt', /Type decrypt again[\s\S]*> $/)
  await person.does('decrypt', /Stop the other use\?[\s\S]*Type yes or no: /)
  await person.does('yes', /The other use is stopped\.\nSecret key use\.[\s\S]*Passphrase: /)
  assert.equal((await other.get('/session')).body.allowance, null, 'stopped before the passphrase is typed')
  assert.match(await person.does(passphrase), /Meet at the old mill/)

  // The other way round: it is told before the next prompt, and only then.
  await other.post('/allowance/stop', { confirm: true })
  const told = await person.does('?  undo')
  assert.match(told, /^lynx at [^\n]* stopped the use of your key here\.[^\n]*\nInbox, key locked> $/m)
  assert.doesNotMatch(await person.does('? undo'), /stopped the use/, 'once')
})

test('A yes stops the terminal that was named: where another has the key by now, that one is told of', async (t) => {
  const server = await ready(t)
  await sealed(server, 'The plan', 'Meet at the old mill.')
  const [lynx, thief] = [await server.terminal(ann, 'lynx'), await server.terminal(ann, 'a thief')]
  await lynx.unlock()
  const person = new Person(t, server, { user: ann })
  await person.logsIn()
  await person.does('decrypt 1')
  await person.does('decrypt', 'Type yes or no: ')
  await lynx.delete('/allowance')
  await thief.unlock()
  const told = await person.does('yes')
  assert.match(
    told,
    /Another terminal has the key by now, so nothing was stopped\.\nKey in use elsewhere\.\na thief is/,
  )
  assert.notEqual((await thief.get('/session')).body.allowance, null)
  await person.does('decrypt', 'Type yes or no: ')
  await person.does('yes', 'Passphrase: ')
  assert.equal((await thief.get('/session')).body.allowance, null)
})

test('Of an address that leads to this machine alone it is said so, of any other nothing', () => {
  for (const host of ['localhost:8080', 'wafer.localhost', '127.0.0.1', '[::1]:8443'])
    assert.match(String(localNote(`http://${host}/a`)), /this machine alone/, host)
  for (const host of ['mail.example.org', 'localhost.example.org', '10.0.0.1', '[fd00::1]'])
    assert.equal(localNote(`https://${host}/a`), null, host)
})

test('Approval on a phone by an address and a code, checked by typing check (P87)', async (t) => {
  const server = await ready(t)
  await sealed(server, 'The plan', 'Meet at the old mill.')
  const { approvals, sessions } = server.services
  const phone = await server.terminal(ann, 'phone')
  const person = new Person(t, server, { user: ann })
  await person.logsIn()
  await person.does('decrypt 1', 'Passphrase: ')
  const asked = await person.does('', 'or no to give up: ')
  const code = /^((?:\d ){5}\d)$/m.exec(asked)![1]!.replaceAll(' ', '')
  assert.match(asked, /^https?:\/\/[^\n]*\/a$/m)
  assert.match(asked, /^It leads to this machine alone: open it in a browser here, not on a phone\.$/m)
  assert.match(await person.does('check', 'or no to give up: '), /Not approved yet\.\n/)
  const session = (await sessions.contact(phone.token!))!
  const [request] = await approvals.pending(session.user)
  await approvals.approve(session, request!.id, code, { passphrase })
  const opened = await person.does('check')
  assert.match(opened, /^The key is open, for reading only\.\n/m)
  assert.match(opened, /Meet at the old mill/)

  await person.does('lock')
  await person.does('approve', 'or no to give up: ')
  assert.match(await person.does('no'), /The request is taken back\./)
  assert.equal((await approvals.pending(session.user)).length, 0)
})

test('a letter is written, signed on the screen, sent, and taken back while it is held', async (t) => {
  const server = await ready(t)
  await server.deliver(ann, plainMail('Lunch', 'At noon?', `Bob <${bob}>`))
  const person = new Person(t, server, { user: ann })
  await person.logsIn()
  await person.does('compose', 'To: ')
  await person.does('nobody', 'please type the whole address.\nTo: ')
  await person.does('bo', /Bob <bob@wafer\.test>\.\n/)
  await person.hears('Cc (Enter for none): ')
  await person.does('', 'Subject: ')
  await person.does('Dinner', 'two dots stand for a line with one.\n')
  person.types('Tonight at eight.')
  person.types('..')
  const letter = /^Letter to [^\n]*> $/m
  assert.match(
    await person.does('.', letter),
    /^The letter leaves encrypted\. Everybody it goes to has a key\. It is not signed, as the key is locked/m,
  )
  await person.does('sign', 'Passphrase: ')
  assert.match(await person.does('wrong', letter), /not the passphrase/)
  await person.does('S', 'Passphrase: ')
  const signed = await person.does(passphrase, letter)
  assert.match(
    signed,
    /Signed, and ready to send[\s\S]*\n {2}Tonight at eight\.\n {2}\.\n\n {2}-----BEGIN PGP SIGNATURE-----/,
  )
  assert.match(
    await person.does('send', prompt),
    /^On its way to bob@wafer\.test\. It leaves in 15 seconds; until then undo/m,
  )
  const boxes = await server.terminal(bob)
  const arrived = async () => (await boxes.get('/folders/Inbox/messages')).body.messages
  assert.deepEqual(await arrived(), [])
  assert.match(await person.does('undo', letter), /The letter did not leave: it is yours again\./)
  await person.does('subject Dinner tonight', letter)
  await person.does('send', prompt)
  server.pass(16_000)
  await server.services.outbox.tick()
  const [mail] = await arrived()
  assert.equal(mail.subject, 'Dinner tonight')
  assert.equal(mail.security, 'encrypted')
  await boxes.unlock()
  assert.equal((await boxes.post(`/messages/${mail.id}/decrypt`)).body.signature.status, 'valid')
  assert.match(await person.does('undo'), /\n?[A-Z][^\n]*\.\n/)
  assert.match(await person.does('go drafts'), /Drafts: no mail here/)
  assert.equal((await arrived()).length, 1)
})

test('why a letter cannot be encrypted is said with the addresses, before and at sending', async (t) => {
  const server = await ready(t)
  const person = new Person(t, server, { user: ann })
  await person.logsIn()
  const letter = /^Letter to [^\n]*> $/m
  await person.does(`compose ${bob}, eve@far.example`, 'Cc (Enter for none): ')
  await person.does('.', letter)
  await person.does('subject Hello', letter)
  assert.match(
    await person.does('encrypt', letter),
    /cannot leave encrypted: there is no key for eve@far\.example\. Type plain/,
  )
  await person.does('send', 'Passphrase: ')
  assert.match(await person.does(passphrase, letter), /no public key for eve@far\.example/)
  // P3: who reads S/MIME alone, and who OpenPGP.
  const dora = await server.addUser('dora@wafer.test', { key: false })
  const generate = { name: '', address: dora.address, at: Date.now() }
  await server.services.identities.add(dora, passphrase, { generate }, { terminal: 'a test', address: '' })
  await person.does(`to ${bob}, ${dora.address}`, letter)
  const mixed = await person.does('encrypt-only', letter)
  assert.match(mixed, /leaves encrypted\. Everybody it goes to has a key\. Some of them read OpenPGP alone/)
  assert.match(await person.does('send', letter), /no one mail fits both[\s\S]*Type each and then send/)
  assert.match(await person.does('smime', letter), /leaves encrypted by S\/MIME/)
  await person.does('each', letter)
  assert.match(await person.does('send', prompt), /On its way/)
})

test('an answer quotes only what is open, keeps the encryption, and warns before it would leave in plain', async (t) => {
  const server = await ready(t)
  await sealed(server, 'The plan', 'Meet at the old mill.')
  const person = new Person(t, server, { user: ann })
  await person.logsIn()
  const letter = /^Letter to [^\n]*> $/m
  await person.does('1')
  assert.match(
    await person.does('reply', 'two dots stand for a line with one.\n'),
    /An encrypted mail that is not open is not quoted\./,
  )
  await person.does('.', letter)
  await person.does('discard', /yes or no: /)
  await person.does('yes', prompt)
  await person.does('decrypt', 'Passphrase: ')
  await person.does(passphrase)
  const reply = await person.does('r', 'two dots stand for a line with one.\n')
  assert.match(reply, /^To: "?Bob"? <bob@wafer\.test>\nSubject: Re: /m)
  await person.does('Agreed.\n.', letter)
  assert.match(
    await person.does('show', letter),
    /encrypted and signed[\s\S]*\n {2}Agreed\.\n[\s\S]*\n {2}> Meet at the old mill\./,
  )
  await person.does('plain', letter)
  assert.match(
    await person.does('send', letter),
    /this would go unencrypted\.\nType send again if you mean it\./,
  )
  await person.does('encrypt', letter)
  assert.match(await person.does('send', prompt), /On its way/)
})

/** What lies encrypted to Ann, as somebody else may have caught it. */
const caught = async (server: World, entity: string): Promise<string> => {
  const { body } = await (await server.terminal(ann)).get('/keys')
  const encryptionKeys = await readKey({ armoredKey: body.keys[0].public })
  const message = await createMessage({ binary: Buffer.from(entity.replace(/\n/g, '\r\n')) })
  return encrypt({ message, encryptionKeys })
}

/** PGP/MIME (RFC 3156 §4), as the body of a mail or of a part. */
const encryptedEntity = (armored: string, boundary: string) =>
  `Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=${boundary}\n\n--${boundary}\n` +
  'Content-Type: application/pgp-encrypted\n\nVersion: 1\n\n' +
  `--${boundary}\nContent-Type: application/octet-stream\n\n${armored}\n--${boundary}--\n`

const mixed = (boundary: string, ...parts: string[]) =>
  `Content-Type: multipart/mixed; boundary=${boundary}\n\n--${boundary}\n${parts.join(`\n--${boundary}\n`)}\n--${boundary}--\n`

test('A mail that is attached is passed on whole, and what lies in it not once more beside it', async (t) => {
  const server = await ready(t)
  const file = (type: string, name: string, body: string) =>
    `Content-Type: ${type}\nContent-Disposition: attachment; filename=${name}\n\n${body}`
  const inner = `Subject: Within\nMIME-Version: 1.0\n${mixed('i', file('text/plain', 'map.txt', 'x'))}`
  const outer = mixed('o', 'Content-Type: text/plain\n\nsee\n', file('message/rfc822', 'within.eml', inner))
  await server.deliver(ann, `From: b@example.org\nTo: ${ann}\nSubject: s\nMIME-Version: 1.0\n${outer}`)
  const person = new Person(t, server, { user: ann })
  await person.logsIn()
  assert.match(await person.does('1'), /^2 attachments/m)
  assert.match(await person.does('forward', 'To: '), /^1 attachment go with it/m)
})

test('Nothing of a part that was opened alone goes into an answer or a forwarded mail (CC)', async (t) => {
  const server = await ready(t)
  const secret = mixed(
    'inner',
    'Content-Type: text/plain\n\nSTOLEN-TEXT\n',
    'Content-Type: application/octet-stream\nContent-Disposition: attachment; filename=stolen.bin\n\nSTOLEN-FILE\n',
  )
  const stolen = encryptedEntity(await caught(server, secret), 'stolen')
  const lure = mixed('lure', 'Content-Type: text/plain\n\nPlease answer me.\n', stolen)
  const from = 'Mallory <mallory@evil.example>'
  await server.deliver(ann, `From: ${from}\nTo: ${ann}\nSubject: s\nMIME-Version: 1.0\n${lure}`)
  const person = new Person(t, server, { user: ann })
  await person.logsIn()
  await person.unlocks()
  const letter = /^Letter to [^\n]*> $/m
  for (const command of ['decrypt', 'part 1']) {
    await person.does('1')
    assert.match(await person.does(command), /one encrypted part alone[\s\S]*STOLEN-TEXT/)
    assert.match(
      await person.does('reply', 'ends it; two dots stand for a line with one.\n'),
      /A part that was opened alone is not quoted/,
    )
    await person.does('.', letter)
    const answer = await person.does('show', /Text (begins|ends)[^\n]*\n[^\n]*> $/)
    assert.match(answer, /The letter cannot leave encrypted: there is no key for mallory@evil\.example/)
    assert.doesNotMatch(answer, /STOLEN/)
    await person.does('discard', 'yes or no: ')
    await person.does('yes', prompt)
    const forwarded = await person.does('forward', 'To: ')
    assert.doesNotMatch(forwarded, /attachment/)
    person.signals.emit('SIGINT')
    await person.hears(letter)
    assert.doesNotMatch(await person.does('show', /Text (begins|ends)[^\n]*\n[^\n]*> $/), /STOLEN|stolen/)
    await person.does('discard', 'yes or no: ')
    await person.does('yes', prompt)
  }
})

test('What was decrypted is not read on when the key is locked, or was stopped, or its time is over; other texts are', async (t) => {
  const server = await ready(t)
  const text = Array.from({ length: 45 }, (_, place) => `line ${place + 1}`).join('\n')
  await server.deliver(ann, plainMail('Plain', text))
  await sealed(server, 'Sealed', text)
  const other = await server.terminal(ann, 'lynx')
  const person = new Person(t, server, { user: ann })
  await person.logsIn()
  for (const close of ['lock', 'list', 'stop', 'idle', 'Enter'] as const) {
    await person.does('decrypt 1', 'Passphrase: ')
    assert.match(await person.does(passphrase), /line 20\n20 of 45 lines/)
    if (close === 'lock') await person.does('lock')
    if (close === 'list') {
      await person.does('list')
      await person.does('lock')
    }
    if (close === 'stop' || close === 'Enter') await other.post('/allowance/stop', { confirm: true })
    if (close === 'idle') server.pass(5 * 60_000 + 1000)
    const said = await person.does(close === 'Enter' ? '' : 'more')
    assert.doesNotMatch(said, /line \d/, close)
    assert.match(said, /The text was closed with the key; open the mail again to read on\./)
    assert.match(await person.does('decrypt 1', 'Passphrase: '), /Secret key use/)
    person.signals.emit('SIGINT')
    await person.hears(prompt)
  }
  await person.does('2')
  await person.unlocks()
  await person.does('lock')
  assert.match(await person.does('more'), /line 40\n/)
})

test('A mail in the Inbox that claims to be one’s own is answered to whom it claims to be from', async (t) => {
  const server = await ready(t)
  await server.deliver(ann, `From: ${ann}\nTo: mallory@evil.example\nSubject: forged\n\nWhat did we say?\n`)
  const annas = await server.terminal(ann)
  await annas.post('/messages', { to: bob, subject: 'mine', text: 'x' })
  const person = new Person(t, server, { user: ann })
  await person.logsIn()
  const letter = /^Letter to [^\n]*> $/m
  for (const command of ['reply', 'reply all']) {
    await person.does('1')
    assert.match(
      await person.does(command, 'Text. A line'),
      /^To: ann@wafer\.test(, mallory@evil\.example)?$/m,
    )
    person.signals.emit('SIGINT')
    await person.hears(letter)
    await person.does('discard', 'yes or no: ')
    await person.does('yes', prompt)
  }
  await person.does('go sent')
  await person.does('1')
  assert.match(await person.does('reply', 'Text. A line'), /^To: bob@wafer\.test$/m)
})

test('The session ends while a letter is written: one logs in again and goes on with the same letter (P39)', async (t) => {
  const server = await ready(t)
  const person = new Person(t, server, { user: ann })
  await person.logsIn()
  const letter = /^Letter to [^\n]*> $/m
  await person.does(`compose ${bob}`, 'Cc (Enter for none): ')
  await person.does('', 'Subject: ')
  await person.does('Long thoughts', 'two dots')
  await person.does('A first line.\n.', letter)
  server.pass(13 * 60 * 60_000)
  await person.does('send', /Your session has ended\.[^\n]*\nPassword of ann@wafer\.test, not shown: /)
  person.signals.emit('SIGINT')
  assert.match(await person.hears(letter), /The letter is here/)
  await person.does('send', 'not shown: ')
  assert.match(await person.does(password, prompt), /You are logged in again[\s\S]*On its way to bob/)
})

test('What is answered may be deleted meanwhile: the answer is kept and sent all the same', async (t) => {
  const server = await ready(t)
  await server.deliver(ann, plainMail('Gone soon', 'Hello.', `Bob <${bob}>`))
  const person = new Person(t, server, { user: ann })
  await person.logsIn()
  const letter = /^Letter to [^\n]*> $/m
  await person.does('1', prompt)
  await person.does('reply', 'two dots')
  await person.does('Hi\n.', letter)
  const elsewhere = await server.terminal(ann)
  const [mail] = (await elsewhere.get('/folders/Inbox/messages')).body.messages
  await elsewhere.delete(`/messages/${mail.id}`)
  await elsewhere.delete(`/messages/${mail.id}`)
  assert.match(await person.does('save', letter), /^Saved in Drafts\.$/m)
  assert.match(await person.does('send', prompt), /^On its way to Bob <bob@wafer\.test>\./m)
})

test('Where the server is not reached at sending, one hears that nothing was sent, and the letter is here', async (t) => {
  const server = await ready(t)
  const person = new Person(t, server, { user: ann })
  await person.logsIn()
  const letter = /^Letter to [^\n]*> $/m
  await person.does(`compose ${bob}`, 'Cc (Enter for none): ')
  await person.does('', 'Subject: ')
  await person.does('Storm', 'two dots')
  await person.does('Wind.\n.', letter)
  await server.stop()
  // The connection that was there breaks off, and none comes again.
  await person.does('show', 'nothing answers there.')
  await person.hears(letter)
  const heard = await person.does('send', letter)
  assert.match(heard, /^Nothing was sent; the letter is still here\.$/m)
  assert.doesNotMatch(heard, /is not known/)
})

test('what was typed is in Drafts when the terminal goes away in the middle of a letter', async (t) => {
  const server = await ready(t)
  for (const end of ['SIGHUP', 'end of input'] as const) {
    const person = new Person(t, server, { user: ann })
    await person.logsIn()
    await person.does(`compose ${bob}`, 'Cc (Enter for none): ')
    await person.does('', 'Subject: ')
    await person.does(`Cut off by ${end}`, 'two dots stand for a line with one.\n')
    person.types('Half a sentence')
    await new Promise((resolve) => setTimeout(resolve, 100))
    if (end === 'SIGHUP') person.signals.emit(end)
    else person.input.end('and its end')
    await person.leaves()

    const again = new Person(t, server, { user: ann })
    await again.logsIn()
    const drafts = await again.does('go dr')
    assert.match(drafts, new RegExp(`^1\\. Encrypted\\. To bob@wafer\\.test: Cut off by ${end}\\.`, 'm'))
    await again.does('1')
    await again.does('resume', 'Passphrase: ')
    const letter = /^Letter to [^\n]*> $/m
    await again.does(passphrase, letter)
    assert.match(await again.does('show', letter), /\n {2}Half a sentence\n/)
    if (end === 'end of input') assert.match(await again.does('show', letter), /\n {2}and its end\n/)
    await again.does('send', prompt)
    assert.match(
      await again.does('go drafts'),
      /Drafts: no mail here/,
      'the letter took the place of its draft',
    )
    again.types('quit')
    await again.leaves()
  }
})

test('many mails by numbers and ranges: deleted, moved, flagged, and each undone', async (t) => {
  const server = await ready(t)
  for (let number = 12; number >= 1; number -= 1)
    await server.deliver(ann, plainMail(`Mail ${number}`, 'text'))
  const person = new Person(t, server, { user: ann })
  const first = await person.logsIn()
  assert.match(first, /Inbox: mails 1 to 10 of 12\./)
  assert.match(first, /Type next for older mails\./)
  const second = await person.does('next')
  assert.match(second, /^11\. Unread\. From Eve[^\n]*Mail 11\.[\s\S]*^12\. /m)
  assert.match(await person.does('n'), /There are no older mails in this list\./)
  assert.match(await person.does('p'), /mails 1 to 10 of 12/)

  assert.match(
    await person.does('delete 1-3,5'),
    /4 mails to the Trash\. Undo takes that back\.\nInbox, 8 unread/,
  )
  assert.match(await person.does('undo'), /4 mails back where they were\.\nInbox, 12 unread/)
  assert.match(await person.does('undo'), /nothing to undo/)
  assert.match(await person.does('flag 2, 4'), /2 mails flagged/)
  assert.match(await person.does('unread 1-2'), /2 mails marked as read[\s\S]*Inbox, 10 unread/)
  assert.match(await person.does('list'), /^2\. Flagged\. From Eve/m)
  assert.match(await person.does('mark 6-7 9'), /3 mails marked\.\n[^\n]*3 marked/)
  assert.match(await person.does('archive'), /The folder Archive is made\.\n3 mails moved to Archive\./)
  assert.match(await person.does('move 12 to Nowhere'), /There is no mail 12 in this list/)
  assert.match(await person.does('move 1 to Nowhere'), /There is no folder Nowhere/)
  for (const wrong of ['delete 0', 'delete 3-1', 'delete 99', 'delete 1-', 'delete x', 'delete'])
    assert.match(await person.does(wrong), /\.\n/, wrong)
  assert.match(await person.does('folders'), /^1\. Inbox: 7 unread of 9\n/m)
  assert.match(await person.does('go archive'), /Archive: mails 1 to 3 of 3/)
  await person.does('delete 1')
  await person.does('go Trash')
  await person.does('delete 1', 'Delete 1 mail for good? Type yes or no: ')
  assert.match(await person.does('no'), /Nothing was deleted/)
  await person.does('d 1', 'yes or no: ')
  assert.match(await person.does('yes'), /1 mail deleted for good/)
})

test('search goes through all folders, limit through one; nothing found is said', async (t) => {
  const server = await ready(t)
  await server.deliver(ann, plainMail('Apples', 'red ones'))
  await server.deliver(ann, plainMail('Pears', 'and apples too'))
  await server.deliver(ann, plainMail('Plums', 'blue'))
  const person = new Person(t, server, { user: ann })
  await person.logsIn()
  await person.does('move 3 to Sent')
  const found = await person.does('/apples')
  assert.match(found, /^All folders with apples: mails 1 to 2\.$/m)
  assert.match(found, /in Sent\. (To|From)/i)
  assert.match(await person.does('limit apples'), /^Inbox with apples: mails 1 to 1\.$/m)
  assert.match(await person.does('1'), /Subject: Pears/)
  assert.match(await person.does('limit'), /^Inbox: mails 1 to 2 of 2\.$/m)
  const none = await person.does('search cherries befor:2024')
  assert.match(none, /All folders: no mail with cherries/)
  assert.match(none, /Not understood: befor:2024\.\s.*text of encrypted mail is not searched/s)
  assert.match(await person.does('search in:sent -plums apples'), /mails 1 to 1\./)
})

test('What a mail says can neither leave its place nor pass for Wafer (B18)', async (t) => {
  const server = await ready(t)
  const evil = [
    'Harmless at first.',
    'Text ends.',
    'Inbox, key open for 5 min> ',
    '\x1b]0;title\x07\x1b[2J\x1b[1;1HMail 1 in Inbox. State: Signed by bank@bank.example, accepted key 1234.',
    'left \u202egnp.exe\u202c \u200bhidden \x9b31m red \r\nPassphrase: ',
    `${'wide '.repeat(60)}Inbox, key locked> `,
    '.',
  ].join('\n')
  await server.deliver(
    ann,
    plainMail(
      `=?utf-8?B?${Buffer.from('Hi\x1b[31m\n2. Signed. From Bank: x\u202e').toString('base64')}?=`,
      evil,
      '=?utf-8?Q?Bob=0A1=2E_Signed?= <eve@far.example>',
    ),
  )
  const person = new Person(t, server, { user: ann })
  const list = await person.logsIn()
  assert.equal(list.match(/^\d+\. /gm)!.length, 1, 'one mail is one line')
  const shown = await person.does('1')
  const [, word] = /carry the words (\w+ \w+):/.exec(person.heard)!
  const lines = shown.split('\n')
  const begin = lines.findIndex((line) => /^Text begins, \d+ lines\. /.test(line) && line.includes(word!))
  const end = lines.findIndex((line) => line.startsWith('Text ends. ') && line.includes(word!))
  assert.ok(begin > 0 && end > begin)
  assert.ok(
    lines.findIndex((line) => line.includes('State: Neither encrypted nor signed.')) < begin,
    'the verdict comes first',
  )
  for (const line of lines.slice(begin + 1, end))
    assert.match(line, /^ {2}|^$/, 'each line of the text is indented')
  for (const line of lines.slice(begin + 1, end))
    assert.ok(line.length <= 80, 'and no terminal breaks it elsewhere')
  assert.doesNotMatch(person.heard, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]/)
})

test('a long text comes twenty lines at a time', async (t) => {
  const server = await ready(t)
  const text = Array.from({ length: 45 }, (_, place) => `line ${place + 1}`).join('\n')
  await server.deliver(ann, plainMail('Long', text))
  const person = new Person(t, server, { user: ann })
  await person.logsIn()
  const first = await person.does('open 1')
  assert.match(first, /\n {2}line 20\n20 of 45 lines\. [^\n]*Type more/)
  assert.doesNotMatch(first, /line 21/)
  assert.match(await person.does(''), /^ {2}line 21\n[\s\S]* {2}line 40\n40 of 45/m)
  assert.match(await person.does('more'), /line 45\nText ends\. /)
  assert.match(await person.does('more'), /There is no more text\./)
})

test('attachments are listed and saved under a harmless name, never over a file that is there', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'wafer-plain-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const server = await ready(t)
  const body = [
    '--x',
    'Content-Type: text/plain',
    '',
    'See the file.',
    '--x',
    'Content-Type: application/pdf',
    'Content-Disposition: attachment; filename="../../.evil\x1b[2J.pdf"',
    '',
    'octets',
    '--x--',
  ].join('\n')
  await server.deliver(
    ann,
    plainMail(
      'File',
      body,
      'Eve <eve@far.example>',
      'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n',
    ),
  )
  const person = new Person(t, server, { user: ann })
  await person.logsIn()
  assert.match(await person.does('1'), /1 attachment; type attachments/)
  assert.match(await person.does('v'), /^Attachment 1: [^\n]*pdf, application\/pdf, 6 bytes$/m)
  const asked = await person.does('save 1', /File \(Enter for [^\n]*\): /)
  assert.doesNotMatch(asked, /Enter for [./]|\x1b/)
  const file = join(folder, 'saved.pdf')
  assert.match(await person.does(file), /6 bytes written/)
  assert.equal(readFileSync(file, 'utf8').trim(), 'octets')
  assert.match(await person.does(`save 1 ${file}`), /is there already\. Nothing was written/)
  assert.match(await person.does('save 2'), /no attachment with that number/)
  assert.match(await person.does(`raw ${join(folder, 'mail.eml')}`), /written to/)
  assert.ok(existsSync(join(folder, 'mail.eml')))
  assert.match(await person.does('raw'), /\n {2}Subject: File\n/)

  writeFileSync(join(folder, 'note.txt'), 'a note')
  const letter = /^Letter to [^\n]*> $/m
  await person.does('forward', 'To: ')
  await person.does(bob, 'Cc (Enter for none): ')
  await person.does('.', letter)
  assert.match(
    await person.does(`attach ${join(folder, 'note.txt')}`, letter),
    /Attached: note\.txt, 6 bytes/,
  )
  assert.match(await person.does(`attach ${join(folder, 'absent')}`, letter), /absent does not exist\./)
  assert.match(await person.does('attachments', letter), /Attachment 2: note\.txt/)
  assert.match(await person.does('send', prompt), /On its way/)
})

test('terminals, keys and the key log are read out, and another terminal is logged out', async (t) => {
  const server = await ready(t, { WAFER_ALLOWANCE_IDLE_MOST: '30m' })
  const other = await server.terminal(ann, 'lynx')
  const person = new Person(t, server, { user: ann })
  await person.logsIn()
  await person.unlocks()
  const terminals = await person.does('terminals')
  assert.match(terminals, /^\d\. This terminal, has the key open\. plain terminal at/im)
  const number = /^(\d)\. lynx at/m.exec(terminals)![1]!
  assert.match(await person.does(`end ${number}`), /lynx is logged out/)
  assert.equal((await other.get('/session')).status, 401)
  assert.match(
    await person.does('keys'),
    /^Your key: ([0-9A-F]{4} )+[0-9A-F]{4}\nFor: ann@wafer\.test\n[\s\S]*You have no passkey\./m,
  )
  // C6: longer, where the operator permits it.
  assert.match(await person.does('longer'), /stays open for 30 minutes now/)
  assert.match(await person.does('longer'), /no longer time/)
  // P3: a certificate out of a file.
  const user = await server.services.users.named(ann)
  const here = { terminal: 'a test', address: '127.0.0.1' }
  const generate = { name: 'Ann', address: ann, at: Date.now() }
  const { identities } = server.services
  const [own] = (await identities.add(user, passphrase, { generate }, here)).identities
  const p12 = join(mkdtempSync(join(tmpdir(), 'wafer-plain-')), 'ann.p12')
  writeFileSync(p12, await identities.exportSecret(user, passphrase, 'of the file', own!.fingerprint, here))
  await identities.remove(user, own!.fingerprint, here)
  assert.match(await person.does('certificates'), /You have none/)
  assert.match(await person.does('certificate /absent.p12'), /cannot be read \(ENOENT\)/)
  assert.match(await person.does(`certificate ${p12}`, /Passphrase of the file[^\n]*: $/), /Enter for none/)
  assert.match(await person.does('of another'), /not the passphrase of the file/)
  await person.does(`certificate ${p12}`, /Passphrase of the file[^\n]*: $/)
  assert.match(
    await person.does('of the file'),
    /^It is in your keyring:\nS\/MIME certificate of ann@wafer\.test$/m,
  )
  rmSync(dirname(p12), { recursive: true })
  // P86: aliases.
  assert.match(await person.does('alias 4711'), /You are found by 4711\. It is not published/)
  assert.match(await person.does('aliases'), /^1\. 4711, not published$/m)
  assert.match(await person.does('publish 1'), /4711 is published now/)
  assert.match(await person.does('unalias 1'), /4711 is removed/)
  assert.match(await person.does('unalias 1'), /Which alias\?/)
  assert.match(await person.does('log'), /^Opened, by passphrase\. plain terminal at /m)
  const stranger = { generate: { ...generate, address: 'eve@far.example' } }
  const [eves] = (await identities.add(user, passphrase, stranger, here)).identities
  await identities.remove(user, eves!.fingerprint, here)
  const accepted = await (await server.terminal(ann)).post('/correspondents', {
    armored: eves!.pem,
    accept: eves!.fingerprint,
  })
  assert.ok(accepted.status < 300)
  assert.match(await person.does('correspondents'), /^1\. eve@far\.example\. Certificate ([0-9A-F]{4}[ .])+/m)
  const help = await person.does('? key log')
  assert.match(help, /no command/i)
  assert.match(await person.does('?trash'), /^delete NUMBERS \(or d\): deletes/m)
  assert.match(await person.does('blah'), /There is no such command/)
})

test('Before a key is accepted one hears each key, each address, and what it stands against', async (t) => {
  const server = await ready(t)
  const folder = mkdtempSync(join(tmpdir(), 'wafer-plain-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const made = async (...emails: string[]) =>
    (await generateKey({ userIDs: emails.map((email) => ({ name: 'Somebody', email })) })).publicKey
  const save = (name: string, keys: string[]) => {
    writeFileSync(join(folder, name), keys.join('\n'))
    return join(folder, name)
  }
  const person = new Person(t, server, { user: ann })
  await person.logsIn()
  const good = save('good.asc', [await made('boss@corp.example')])
  await person.does(`accept ${good}`, 'yes or no: ')
  assert.match(await person.does('yes'), /The key is accepted\./)
  const filler = Array.from(
    { length: 6 },
    (_, n) => `mallory-number-${n}-of-the-newsletter-team@evil.example`,
  )
  const evil = save('evil.asc', [
    await made(...filler, 'boss@corp.example', bob),
    await made('second@evil.example'),
  ])
  const first = await person.does(`accept ${evil}`, 'yes or no: ')
  assert.match(first, /There are 2 keys in it[^\n]*\nKey 1 of 2\.\nKey: [0-9A-F ]+\n/)
  assert.match(first, /It will count for 8 addresses:\n/)
  for (const address of [...filler, 'boss@corp.example', bob])
    assert.match(first, new RegExp(`^Address: ${address}$`, 'm'))
  assert.match(first, /^Attention: you have accepted another key for boss@corp\.example\./m)
  assert.match(first, /^Attention: bob@wafer\.test is a user of this server/m)
  const second = await person.does('no', 'yes or no: ')
  assert.match(second, /It was not accepted\.\nKey 2 of 2\.\n[\s\S]*^Address: second@evil\.example$/m)
  await person.does('no')
  const list = await person.does('correspondents')
  assert.match(list, /boss@corp\.example/)
  assert.doesNotMatch(list, /evil/)
})

test('Whatever Wafer itself says or asks is harmless, wherever its words came from (B18)', async () => {
  const input = new PassThrough()
  let heard = ''
  const output = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      heard += chunk
      done()
    },
  })
  const talk = new Dialogue({ input, output, signals: new EventEmitter() })
  const hostile = 'a\x1b]52;c;QUFB\x07b\x9b2J\u202ec\nInbox> '
  talk.say(hostile)
  talk.text(hostile)
  const asked = talk.ask(hostile)
  input.write('yes\n')
  assert.equal(await asked, 'yes')
  talk.close()
  assert.doesNotMatch(heard, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]/)
  assert.doesNotMatch(heard, /^Inbox/m)
  talk.text(`${'\n'.repeat(300_000)}end`)
  assert.match(heard, /Text begins, 300001 lines/)
})

test('new mail is told before the next prompt, and nothing is said while one types', async (t) => {
  const server = await ready(t)
  const person = new Person(t, server, { user: ann })
  await person.logsIn()
  await server.deliver(ann, plainMail('News', 'text'))
  const before = person.heard
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(person.heard, before)
  assert.match(await person.does('? undo'), /1 new mail in Inbox\.\nInbox, 1 unread, key locked> $/)
  assert.doesNotMatch(await person.does('? undo'), /new mail/)
})

test('a mailto: link begins a letter with what it says, and sends nothing by itself', async (t) => {
  const server = await ready(t)
  const person = new Person(t, server, {
    user: ann,
    mailto: `mailto:${bob}?subject=Hello%0D%0ABcc:%20x@y&body=One%0D%0ATwo&attach=/etc/passwd`,
  })
  await person.hears('not shown: ')
  const letter = /^Letter to bob@wafer\.test, encrypted, [^\n]*> $/m
  const begun = await person.does(password, letter)
  assert.match(begun, /^Subject: Hello {1,2}Bcc: x@y$/m)
  const shown = await person.does('show', letter)
  assert.match(shown, /\n {2}One\n {2}Two\n/)
  assert.doesNotMatch(shown, /^Bcc:|Attachment/m)
  await person.does('quit', prompt)
  assert.match(await person.does('go drafts'), /To bob@wafer\.test: Hello/)
})

test('a link may name its fields like what every object has', async (t) => {
  const server = await ready(t)
  const link = `mailto:${bob}?constructor=1&__proto__=2&toString=3&hasOwnProperty=4&subject=Hi&body=There`
  const person = new Person(t, server, { user: ann, mailto: link })
  await person.hears('not shown: ')
  const letter = /^Letter to bob@wafer\.test, encrypted, [^\n]*> $/m
  assert.match(await person.does(password, letter), /^Subject: Hi$/m)
  assert.match(await person.does('show', letter), /\n {2}There\n/)
})

test('a sender’s name for a file becomes one that can be saved here', () => {
  for (const [name, saved] of [
    ['report.pdf', 'report.pdf'],
    ['日本 の 図.png', '日本 の 図.png'],
    ['../../etc/passwd', 'passwd'],
    ['C:\\windows\\evil.exe', 'evil.exe'],
    ['.bashrc', 'bashrc'],
    ['x/ .bash_profile', 'bash_profile'],
    ['\u2800.bash_profile', 'bash_profile'],
    ['\u3164.bash_profile', 'bash_profile'],
    ['\u200b \u0301.-.bash_login', 'bash_login'],
    ['-rf', 'rf'],
    ['~', '_'],
    ['a;b|c$(d).sh', 'a_b_c_(d).sh'],
    ['\u202egnp.exe', 'gnp.exe'],
    ['..', 'attachment'],
    ['', 'attachment'],
    ['/', 'attachment'],
  ] as const)
    assert.equal(fileNameOf(name), saved, JSON.stringify(name))
  for (const letter of ['x', 'ᄀ', '日', '\u{20000}', 'é']) {
    const saved = fileNameOf(`${letter.repeat(400)}.pdf`)
    assert.ok(Buffer.byteLength(saved) <= 255)
    assert.match(saved, /^[^\ufffd]{40,}.*\.pdf$|^ᄀ.*\.pdf$/u)
  }
})

test('the editor of the person gets the text and gives it back; without a terminal none is opened', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'wafer-plain-'))
  const before = process.env.VISUAL
  t.after(() => {
    rmSync(folder, { recursive: true, force: true })
    if (before === undefined) delete process.env.VISUAL
    else process.env.VISUAL = before
  })
  const editor = join(folder, 'editor')
  writeFileSync(editor, '#!/bin/sh\nsed -i "s/draft/letter/" "$1"\necho "and more" >> "$1"\n', {
    mode: 0o700,
  })
  process.env.VISUAL = editor
  const server = await ready(t)
  const letter = /^Letter to [^\n]*> $/m
  for (const tty of [true, false]) {
    const person = new Person(t, server, { user: ann, tty })
    await person.logsIn()
    await person.does(`compose ${bob}`, 'Cc (Enter for none): ')
    await person.does('', 'Subject: ')
    await person.does('Edited', 'two dots stand for a line with one.\n')
    await person.does('This is a draft.\n.', letter)
    const said = await person.does('edit', letter)
    const shown = await person.does('show', letter)
    if (tty) assert.match(shown, /\n {2}This is a letter\.\n {2}and more\n/)
    else {
      assert.match(said, /An editor needs a terminal/)
      assert.match(shown, /\n {2}This is a draft\.\n/)
    }
    await person.does('discard', 'yes or no: ')
    await person.does('yes', prompt)
  }
})

test('A terminal that is not heard of for its heartbeat leaves no key behind, and is told so (C5)', async (t) => {
  const server = await ready(t)
  const person = new Person(t, server, { user: ann })
  await person.logsIn()
  await person.unlocks()
  const other = await server.terminal(ann, 'lynx')
  assert.equal((await other.unlock()).status, 409, 'within the heartbeat it is in use')
  server.pass(61_000)
  assert.equal((await other.unlock()).status, 201, 'after it nobody is asked to stop anything')
  assert.match(await person.does('? undo'), /Your key is locked again[^\n]*\nInbox, key in use at lynx> $/)
})

test('What waits to leave is read out with its reason, and tried at once, given up, or taken back', async (t) => {
  const relay = new Relay()
  const server = await ready(t, await relay.listen(t))
  const terminal = await server.terminal(ann)
  for (const to of ['eve@far.example', 'fay@far.example'])
    await terminal.post('/messages', { to, subject: 'Waits', text: 'x' })
  await queueOf(terminal, isPutOff)
  const person = new Person(t, server, { user: ann })
  await person.logsIn()
  assert.match(await person.does('go Sent'), /2 letters have not left yet: type queue\./)
  const said = await person.does('queue')
  assert.match(
    said,
    /^1\. To fay@far\.example\. The last try failed: 450 4\.2\.0 Come back\s+later\. Since /m,
  )
  assert.match(said.replace(/\s+/g, ' '), /2\. To eve@far\.example\..* Next try .*Type retry and a number/)
  assert.match(await person.does('drop'), /Which letter\? Type queue, then drop and a number\./)
  assert.match(await person.does('drop 1'), /Given up\. A report in your Inbox/)
  assert.match(await person.does('drop 1'), /That mail does not wait any more/)
  relay.isWilling = true
  assert.match(await person.does('retry 2'), /It is tried now\./)
  await queueOf(terminal, isEmpty)
  assert.deepEqual(relay.taken, ['eve@far.example'])
  assert.match(await person.does('queue'), /All that you sent has left\./)
  await terminal.post('/messages', { to: 'gus@far.example', subject: 'Held', text: 'x', hold_s: 600 })
  assert.match(await person.does('queue'), /1\. To gus@far\.example\. Held, can be taken back\. Leaves /)
  assert.match(await person.does('drop 1'), /The letter did not leave: it is in Drafts again\./)
})
