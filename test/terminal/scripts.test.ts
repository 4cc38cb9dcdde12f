/**
 * The client for scripts: the real program as a child process, in a home of its own, against a real server. Needs the
 * bundle (npm run build).
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'
import { build } from 'esbuild'
import { Client, Problem } from '../../tui/wire/client.ts'
import { Unreachable, Untrusted } from '../../tui/wire/connection.ts'
import { root, vectors } from '../support/places.ts'
import { isEmpty, isPutOff, queueOf, Relay, type Waiting } from '../support/relay.ts'
import { passphrase, password, type World, world } from '../support/world.ts'

const program = join(root, 'dist', 'wafer.js')
const vector = (name: string) => join(vectors, name)
const ann = 'ann@wafer.test'
const ben = 'ben@wafer.test'

// biome-ignore lint/suspicious/noExplicitAny: each test says what it expects of an answer
type Json = any
type Outcome = { code: number | null; out: string; err: string }

/** A person's home on some machine, and the commands called there. */
class Home {
  readonly folder = mkdtempSync(join(tmpdir(), 'wafer-scripts-'))
  readonly state = join(this.folder, 'state')
  readonly runtime = join(this.folder, 'run')
  settings: Record<string, string> = {}

  constructor(t: TestContext) {
    mkdirSync(this.runtime, { mode: 0o700 })
    t.after(() => rmSync(this.folder, { recursive: true, force: true }))
  }

  start(
    words: string[],
    settings: Record<string, string> = {},
    output: 'pipe' | number = 'pipe',
  ): ChildProcess {
    const { PATH = '' } = process.env
    const folders = { HOME: this.folder, XDG_STATE_HOME: this.state, XDG_RUNTIME_DIR: this.runtime }
    return spawn(process.execPath, [program, ...words], {
      cwd: this.folder,
      env: { PATH, ...folders, ...this.settings, ...settings },
      stdio: ['pipe', output, 'pipe'],
    })
  }

  async run(words: string[], input: string | Uint8Array = '', settings = {}): Promise<Outcome> {
    return outcome(this.start(words, settings), input)
  }

  /** The same for what has to go well. */
  async did(words: string[], input: string | Uint8Array = '', settings = {}): Promise<string> {
    const { code, out, err } = await this.run(words, input, settings)
    assert.equal(`${code} ${err}`, '0 ', words.join(' '))
    return out
  }

  async json(words: string[], input: string | Uint8Array = ''): Promise<Json> {
    return JSON.parse(await this.did([...words, '--json'], input))
  }

  logIn(server: string, user = ann, ...more: string[]) {
    const words = ['login', '--server', server, '--user', user, '--password-stdin', ...more]
    return this.run(words, `${password}\n`)
  }

  unlock(...more: string[]) {
    return this.run(['unlock', '--passphrase-stdin', ...more], `${passphrase}\n`)
  }

  get keyFile() {
    return join(this.runtime, 'wafer', 'key.json')
  }

  /** Everything that is kept. */
  kept(): { path: string; mode: number; content: string }[] {
    return [this.state, this.runtime].flatMap((folder) =>
      (existsSync(folder) ? readdirSync(folder, { recursive: true }).map(String) : [])
        .map((name) => join(folder, name))
        .filter((path) => statSync(path).isFile())
        .map((path) => ({ path, mode: statSync(path).mode & 0o777, content: readFileSync(path, 'utf8') })),
    )
  }
}

const outcome = async (child: ChildProcess, input: string | Uint8Array): Promise<Outcome> => {
  let [out, err] = ['', '']
  child.stdout?.setEncoding('utf8').on('data', (text) => (out += text))
  child.stderr!.setEncoding('utf8').on('data', (text) => (err += text))
  child.stdin!.on('error', () => {}) // it may have ended without reading
  child.stdin!.end(input)
  const [code] = await once(child, 'close')
  return { code, out, err }
}

const failed = ({ code, out, err }: Outcome, wanted: RegExp, wantedCode = 1) => {
  assert.match(err, /^wafer: [^\n]+\n$/)
  assert.match(err, wanted)
  assert.equal(out, '')
  assert.equal(code, wantedCode)
}

/** A server with Ann and Ben, and Ann logged in at home. */
const annAtHome = async (t: TestContext, environment: Record<string, string> = {}) => {
  const server = await world(t, environment)
  await server.addUser(ann, { name: 'Ann' })
  const home = new Home(t)
  const { code, err } = await home.logIn(server.url)
  assert.equal(`${code} ${err}`, '0 ')
  return { server, home }
}

const mail = (subject: string, text = 'Hello.') =>
  `From: Ben <${ben}>\nTo: ${ann}\nSubject: ${subject}\nDate: Thu, 01 Jan 2026 10:00:00 +0000\n\n${text}\n`

const isLocked = async (server: World) => {
  const { body } = await (await server.terminal(ann)).get('/session')
  return body.in_use === null
}

// ---- sessions

test('A script logs in, sees who it is, and logs out; what is kept is for its owner only', async (t) => {
  const { server, home } = await annAtHome(t)
  const kept = home.kept()
  assert.ok(kept.length > 0)
  for (const { path, mode } of kept) assert.equal(mode, 0o600, path)
  assert.equal(statSync(join(home.state, 'wafer')).mode & 0o777, 0o700)
  assert.match(await home.did(['status']), /^server\thttp\S+\nuser\tann@wafer\.test\nterminal\t/)
  const status = await home.json(['status'])
  assert.equal(status.user, ann)
  assert.equal(status.allowance, null)
  assert.equal(JSON.stringify(status).includes('token'), false)
  await home.did(['logout'])
  assert.deepEqual(home.kept(), [])
  failed(await home.run(['status']), /log in first/)
  assert.equal(
    (await server.terminal(ann).then((terminal) => terminal.get('/terminals'))).body.terminals.length,
    1,
  )
  await home.did(['logout'])
})

test('login --json tells of the session, but not its token', async (t) => {
  const { server, home } = await annAtHome(t)
  const { out } = await home.logIn(server.url, ann, '--json')
  assert.deepEqual(Object.keys(JSON.parse(out)).sort(), ['expires_at', 'idle_s', 'server', 'user'])
})

test('Who logs in again leaves no session behind', async (t) => {
  const { server, home } = await annAtHome(t)
  await home.logIn(server.url)
  const { body } = await (await server.terminal(ann)).get('/terminals')
  assert.equal(body.terminals.length, 2)
})

test('A session that has ended is forgotten, and the script is told to log in', async (t) => {
  const { server, home } = await annAtHome(t)
  await home.unlock()
  server.pass(13 * 3_600_000)
  failed(await home.run(['ls', '--json']), /session has ended: log in first/)
  assert.deepEqual(home.kept(), [])
})

test('A wrong password is a no, and nothing is kept', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const home = new Home(t)
  const words = ['login', '--server', server.url, '--user', ann, '--password-stdin']
  const secret = 'not the right password'
  const answer = await home.run(words, secret)
  failed(answer, /password/i)
  assert.equal(answer.err.includes(secret), false)
  assert.deepEqual(home.kept(), [])
})

// ---- calls

test('A wrong call ends with 2 and one line, and no secret is taken from the arguments', async (t) => {
  const home = new Home(t)
  const secret = 'hunter2hunter2'
  const wrong: [string[], string?][] = [
    [['login', '--user', ann, '--password-stdin'], secret],
    [['login', '--server', 'http://localhost:1', '--user', ann], secret],
    [['login', '--server', 'http://localhost:1', '--user', ann, '--password-stdin', secret]],
    [['login', '--server', 'http://localhost:1', '--user', ann, `--password=${secret}`]],
    [['unlock', secret]],
    [['unlock', `--passphrase-stdin=${secret}`]],
    [['ls', 'Inbox', 'Sent']],
    [['ls', '--limit']],
    [['read']],
    [['search']],
    [['send', '--colour', 'red'], 'x'],
    [['tui', 'https://wafer.test']],
  ]
  for (const [words, input = ''] of wrong) {
    const answer = await home.run(words, input)
    failed(answer, /./, 2)
    assert.equal(answer.err.includes(secret), false, words.join(' '))
  }
  assert.deepEqual(home.kept(), [])
})

test('A wrong call of one who is logged in ends with 2 as well, and nothing is sent', async (t) => {
  const { home } = await annAtHome(t)
  const wrong: [string[], string?][] = [
    [['read', 'abc']],
    [['read', '0']],
    [['ls', '--limit', '0']],
    [['wait', '--timeout', 'soon']],
    [['send'], 'no header, just text'],
    [['send'], ''],
    [['send', 'https://example.org'], 'x'],
    [['send', `mailto:${ben}`, '--subject', 'x'], 'x'],
    [['send', `mailto:${ben}`], ''],
    [['send', '--to', ann, '--hold', 'x'], 'x'],
    [['send', '--to', ann, '--kind', 'pgp'], 'x'],
  ]
  for (const [words, input = ''] of wrong) failed(await home.run(words, input), /./, 2)
  failed(await home.run(['send', '--to', ann], Buffer.from('caf\xe9', 'latin1')), /is not UTF-8 text/, 2)
  assert.deepEqual(await home.json(['ls', 'Sent']), [])
})

test('Each command for scripts explains itself', async (t) => {
  const home = new Home(t)
  const all = await home.did(['--help'])
  const commands = 'tui login logout status folders ls read search send unlock lock wait'.split(' ')
  for (const name of commands) {
    assert.match(all, new RegExp(`^wafer ${name}\\b`, 'm'))
    assert.match(await home.did([name, '--help']), new RegExp(`^wafer ${name}\\b`))
  }
})

// ---- mail

const subjectsOf = (rows: Json[]) => rows.map(({ subject }) => subject)

test('Folders, lists and searches are columns, or bare arrays of what the API says; nothing found is []', async (t) => {
  const { server, home } = await annAtHome(t)
  assert.deepEqual(await home.json(['ls']), [])
  assert.equal(await home.did(['ls']), '')
  assert.deepEqual(await home.json(['search', 'zebra']), [])
  assert.equal(await home.did(['search', 'zebra']), '')
  await server.deliver(ann, mail('One'))
  await server.deliver(ann, mail('Two', 'a zebra'))
  const rows: Json[] = await home.json(['ls'])
  assert.deepEqual(
    rows.map(({ subject, seen, security }) => ({ subject, seen, security })),
    ['Two', 'One'].map((subject) => ({ subject, seen: false, security: 'plain' })),
  )
  const [two, one] = (await home.did(['ls'])).split('\n')
  assert.equal(two, `${rows[0].id}\t2026-01-01T10:00:00.000Z\tN----\tBen <${ben}>\tTwo`)
  assert.match(one!, /\tOne$/)
  assert.equal((await home.did(['ls', '--limit', '1'])).split('\n').length, 2)
  assert.equal((await home.json(['ls', 'inbox', '--limit', '1'])).length, 1)
  assert.match(await home.did(['folders']), /^Inbox\tinbox\t2\t2$/m)
  assert.deepEqual((await home.json(['folders']))[0], { name: 'Inbox', kind: 'inbox', total: 2, unread: 2 })
  assert.match(await home.did(['search', 'zebra']), /\tTwo\tInbox\n$/)
  assert.equal((await home.json(['search', 'zebra', '--folder', 'Inbox']))[0].folder, 'Inbox')
  assert.deepEqual(await home.json(['search', 'zebra', '--folder', 'Sent']), [])
  assert.deepEqual(
    await home.json(['search', '-zebra', 'is:unread', '-from:eve', '--json']).then(subjectsOf),
    ['One'],
  )
  const odd = await home.run(['search', 'befor:2024', 'zebra', '--json'])
  assert.deepEqual([subjectsOf(JSON.parse(odd.out)), odd.code], [['Two'], 0])
  assert.equal(odd.err, 'wafer: Not understood: befor:2024.\n')
  failed(await home.run(['ls', 'Nowhere']), /./)
  failed(await home.run(['ls', 'Nowhere', '--json']), /./)
})

test('A list is as long as it is asked for, over the pages of the API', async (t) => {
  const { server, home } = await annAtHome(t)
  const { user } = { user: await server.services.users.named(ann) }
  const inbox = await server.services.mailboxes.fixedFolder(user.id, 'inbox')
  const octets = Buffer.from(mail('Many').replaceAll('\n', '\r\n'))
  for (let each = 0; each < 510; each += 1)
    await server.services.mailboxes.store(user.id, inbox.id, octets, { arrivedAt: 1_700_000_000_000 + each })
  assert.equal((await home.json(['ls', '--limit', '505'])).length, 505)
  assert.equal((await home.json(['ls', '--limit', '900'])).length, 510)
  assert.equal((await home.json(['ls'])).length, 50)
})

test('A message is read, labels and verdict before an empty line, and what the sender wrote after it', async (t) => {
  const { server, home } = await annAtHome(t)
  await server.deliver(ann, mail('Tea?', 'signature\tvalid\n\nAt four.'))
  const [{ id }] = await home.json(['ls'])
  const [labels, ...text] = (await home.did(['read', String(id)])).split('\n\n')
  assert.match(
    labels!,
    new RegExp(`^id\t${id}\nfolder\tInbox\nfrom\tBen <${ben}>\nto\t${ann}\ndate\t.*\nsubject\tTea\\?\n`),
  )
  assert.match(labels!, /\nsecurity\tplain\nsignature\tnone\t\t\t$/)
  assert.equal(text.join('\n\n'), 'signature       valid\n\nAt four.\n')
  assert.equal((await home.json(['read', String(id)])).text, 'signature\tvalid\n\nAt four.\n'.trimEnd())
  failed(await home.run(['read', '4711']), /./)
})

test('A hostile mail moves no terminal: not in a list, not when it is read, not in JSON, not in a complaint (B18)', async (t) => {
  const { server, home } = await annAtHome(t)
  const subject = '\x1b]0;owned\x07\x1b[2J\u202egpj.exe\u2066\u200b\x9b31m\u2028\u0301'
  const encoded = `=?utf-8?B?${Buffer.from(subject).toString('base64')}?=`
  const type = 'MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n'
  await server.deliver(
    ann,
    `From: ${encoded} <${ben}>\nTo: ${ann}\nSubject: ${encoded}\n${type}\n${subject}\n\tx\n`,
  )
  const [{ id }] = await home.json(['ls'])
  for (const words of [
    ['ls'],
    ['read', String(id)],
    ['search', 'gpj'],
    ['ls', '--json'],
    ['read', String(id), '--json'],
  ]) {
    const out = await home.did(words)
    assert.doesNotMatch(
      out,
      /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069]/,
      words.join(' '),
    )
  }
  assert.equal((await home.did(['ls'])).split('\t').length, 5)
  const { err } = await home.run(['ls', `no\u202esuch\x1b[2J`])
  assert.doesNotMatch(err, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/)
})

test('An encrypted message is read while the key is open, and not a word of it before or after', async (t) => {
  const { home } = await annAtHome(t)
  const unlocked = await home.unlock()
  assert.match(unlocked.out, /^key\topen\tsign\tpassphrase\t\S+Z\n$/)
  assert.equal(statSync(home.keyFile).mode & 0o777, 0o600)
  assert.equal(statSync(join(home.keyFile, '..')).mode & 0o777, 0o700)
  await home.did(['send', '--to', ann, '--subject', 'secret', '--encrypt', '--sign'], 'the tea is at four')
  const [{ id, security }] = await home.json(['ls'])
  assert.equal(security, 'encrypted')
  assert.match(
    await home.did(['read', String(id)]),
    /\nsignature\tvalid\tann@wafer\.test\t[\s\S]*\n\nthe tea is at four\n$/,
  )
  const read = await home.json(['read', String(id)])
  assert.equal(read.text.trimEnd(), 'the tea is at four')
  assert.equal(read.signature.status, 'valid')
  await home.did(['lock'])
  assert.equal(existsSync(home.keyFile), false)
  for (const more of [[], ['--json']])
    failed(await home.run(['read', String(id), ...more]), /encrypted: open the key with wafer unlock/)
})

test('A key that was locked elsewhere is forgotten here', async (t) => {
  const { server, home } = await annAtHome(t)
  await home.unlock()
  await home.did(['send', '--to', ann, '--subject', 'secret', '--encrypt'], 'the tea is at four')
  const [{ id }] = await home.json(['ls'])
  const other = await server.terminal(ann)
  assert.equal((await other.post('/allowance/stop', { confirm: true })).status, 204)
  failed(await home.run(['read', String(id)]), /key is locked: open the key/)
  assert.equal(existsSync(home.keyFile), false)
  assert.match(await home.did(['status']), /\nkey\tlocked\nstopped\t/)
})

test('A key in use elsewhere is told of, and not taken', async (t) => {
  const { server, home } = await annAtHome(t)
  const other = await server.terminal(ann, 'the other terminal')
  await other.unlock()
  failed(await home.unlock(), /in use/i)
  assert.match(await home.did(['status']), /\nkey\tin use\tthe other terminal\t/)
  assert.equal(existsSync(home.keyFile), false)
  assert.equal((await other.get('/session')).body.allowance.method, 'passphrase')
})

test('With --take-over a script stops the use that it is told of; both refusals say so', async (t) => {
  const { server, home } = await annAtHome(t)
  await home.unlock()
  await home.did(['send', '--to', ann, '--subject', 'secret', '--encrypt'], 'the tea is at four')
  await home.did(['lock'])
  const [{ id }] = await home.json(['ls'])
  const other = await server.terminal(ann, 'the other terminal')
  await home.unlock()
  await server.services.allowances.lock((await server.services.sessions.contact(other.token!))!)
  assert.equal((await other.post('/allowance/stop', { confirm: true })).status, 204)
  await other.unlock()
  const howTo = /the other terminal\. .*wafer unlock --passphrase-stdin --take-over\.$/m
  failed(await home.run(['read', String(id)]), howTo)
  failed(await home.unlock(), howTo)
  assert.notEqual((await other.get('/session')).body.allowance, null)
  assert.equal((await home.unlock('--take-over')).code, 0)
  assert.match((await other.get('/session')).body.stopped.by.terminal, /^wafer on /)
  assert.match(await home.did(['read', String(id)]), /the tea is at four/)
  assert.equal((await home.unlock('--take-over')).code, 0, 'where nobody else has it, it is only opened')
})

// ---- what is sent

test('A letter is sent from options and text, from a whole message, and from a mailto: link', async (t) => {
  const { home } = await annAtHome(t)
  const byOptions = ['send', '--to', ann, '--to', `"Doe, Ann" <${ann}>`, '--subject', 'options']
  assert.match(await home.did(byOptions, 'first'), /^id\t\d+\nfolder\tSent\ndelivered\tann@wafer\.test\n$/)
  const whole = [
    'X-Mailer: mine',
    `To: =?iso-8859-1?Q?D=F6,_Ann?= <${ann}>`,
    'Subject: =?utf-8?B?5pel5pys?= =?utf-8?B?6Kqe?=',
    ' folded',
    '',
    '',
    'second: text',
  ].join('\r\n')
  await home.did(['send'], whole)
  await home.did([
    'send',
    `mailto:${ann}?subject=Caf%C3%A9%20at%20four&body=third%0D%0Aline&attach=/etc/passwd`,
  ])
  await home.did(['send', `mailto:${ann}?subject=replaced&body=old`], 'fourth')
  const rows: Json[] = await home.json(['ls'])
  assert.deepEqual(
    rows.map(({ subject }) => subject),
    ['replaced', 'Café at four', '日本語 folded', 'options'],
  )
  const texts = []
  for (const { id } of rows) texts.push((await home.json(['read', String(id)])).text.trim())
  assert.deepEqual(texts, ['fourth', 'third\nline', 'second: text', 'first'])
  assert.equal(rows[1].attachments, 0)
  assert.equal((await home.json(['read', String(rows[2].id)])).to[0].name, 'Dö, Ann')
})

test('Output that cannot be written is a failure', {
  skip: !existsSync('/dev/full') && 'There is no /dev/full here.',
}, async (t) => {
  const { home } = await annAtHome(t)
  for (const words of [['ls'], ['ls', '--json'], ['folders']]) {
    const full = openSync('/dev/full', 'w')
    const child = home.start(words, {}, full)
    closeSync(full)
    const { code, err } = await outcome(child, '')
    assert.deepEqual([code, err], [1, 'wafer: The output could not be written: the disk is full.\n'])
  }
})

test('Attachments, drafts, answers and held letters', async (t) => {
  const { home } = await annAtHome(t)
  const file = join(home.folder, 'plan.pdf')
  writeFileSync(file, '%PDF')
  await home.did(['send', '--to', ann, '--subject', 'with', '--attach', file, '--attach', file], 'see')
  const [{ id, attachments }] = await home.json(['ls'])
  assert.equal(attachments, 2)
  assert.match(await home.did(['read', String(id)]), /\nattachment\t\S+\tplan\.pdf\tapplication\/pdf\t4\n/)
  const [, part = ''] = (await home.did(['read', String(id)])).match(/\nattachment\t(\S+)/) ?? []
  assert.equal(await home.did(['read', String(id), '--part', part]), '%PDF')
  assert.equal((await home.run(['read', String(id), '--part', part, '--json'])).code, 2)
  failed(await home.run(['read', String(id), '--part', '99']), /./)
  failed(await home.run(['send', '--to', ann, '--attach', join(home.folder, 'none')], 'x'), /cannot be read/)
  failed(await home.run(['send', '--to', ann, '--attach', home.folder], 'x'), /not a file/)
  assert.match(await home.did(['send', '--to', 'a@else.example', '--draft'], 'later'), /\nfolder\tDrafts\n$/)
  await home.did(['send', '--to', ann, '--subject', 'Re: with', '--in-reply-to', String(id)], 'seen')
  assert.match(await home.did(['ls']), new RegExp(`^${id}\t\\S+\t-[F-]A@-\t`, 'm'))
  const held = await home.json(['send', '--to', ann, '--subject', 'held', '--hold', '60'], 'x')
  assert.match(held.held_until, /Z$/)
  assert.deepEqual(held.queued, [ann])
})

test('A letter that cannot go names its reason and the draft that keeps it', async (t) => {
  const { home, server } = await annAtHome(t)
  failed(
    await home.run(['send', '--to', 'x@else.example', '--subject', 's'], 'x'),
    /The letter is in Drafts: \d+\.\n$/,
  )
  failed(
    await home.run(['send', '--to', 'x@else.example', '--subject', 's', '--encrypt'], 'x'),
    /x@else\.example/,
  )
  // P3: who reads S/MIME alone.
  const generate = { name: '', address: ben, at: Date.now() }
  const other = await server.addUser(ben, { key: false })
  await server.services.identities.add(other, passphrase, { generate }, { terminal: 'a test', address: '' })
  const both = ['send', '--to', ann, '--to', ben, '--encrypt']
  failed(await home.run(both, 'x'), /no one mail fits both\. [^\n]+ The first is --kind each\.\n$/)
  assert.match(await home.did([...both, '--kind', 'each'], 'x'), /\ndelivered\tben@wafer\.test\n/)
  failed(await home.run(['send', '--to', ann, '--sign'], 'x'), /key is locked/)
  failed(await home.run(['send', '--subject', 'nobody'], 'x'), /./)
  failed(
    await home.run(['send'], `To: ${ann}\nContent-Type: multipart/mixed; boundary=x\n\n--x\n`),
    /Only plain text/,
  )
  failed(await home.run(['send', '--to', ann], new Uint8Array([0xff, 0xfe])), /UTF-8/, 2)
})

test('Mails are marked, moved and deleted by their numbers; of those that are not there it is told (P88)', async (t) => {
  const { server, home } = await annAtHome(t)
  for (const subject of ['one', 'two', 'three'])
    await server.deliver(ann, `From: ben@wafer.test\nSubject: ${subject}\n\nx`)
  await server.services.mailboxes.createFolder((await server.services.users.named(ann)).id, 'Later')
  const [three, two, one] = ((await home.json(['ls'])) as { id: number }[]).map(({ id }) => String(id))
  assert.equal(await home.did(['mark', one!, two!, one!, '--seen', '--flag']), 'changed\t2\n')
  assert.deepEqual(await home.json(['mark', two!, '--unflag', '--unseen']), { changed: 1 })
  const marks = async (folder: string) =>
    ((await home.json(['ls', folder])) as Json[]).map(({ subject, seen, flagged }) => [
      subject,
      seen,
      flagged,
    ])
  assert.deepEqual(await marks('Inbox'), [
    ['three', false, false],
    ['two', false, false],
    ['one', true, true],
  ])
  assert.equal(await home.did(['move', one!, two!, '--to', 'later']), 'changed\t2\n')
  failed(await home.run(['move', three!, '--to', 'nowhere']), /no such folder/)
  failed(await home.run(['mark', three!]), /needs --seen or --unseen/, 2)
  failed(await home.run(['mark', three!, '--seen', '--unseen']), /needs --seen or --unseen/, 2)
  failed(await home.run(['move', three!]), /needs --to FOLDER/, 2)
  failed(await home.run(['delete', 'x']), /A message has a number/, 2)
  assert.equal(await home.did(['delete', one!]), 'deleted\t1\n')
  assert.deepEqual(await marks('Trash'), [['one', true, true]])
  const partly = await home.run(['delete', one!, '999999', three!])
  assert.deepEqual([partly.code, partly.out], [1, 'deleted\t2\n'])
  assert.match(partly.err, /There is no message 999999\./)
  assert.deepEqual([await marks('Trash'), await marks('Inbox')], [[['three', false, false]], []])
  const moved = await home.run(['mark', '999999', two!, '--seen'])
  assert.deepEqual([moved.code, moved.out], [1, 'changed\t1\n'])
})

test('wait ends with the mail that comes, and without one when its time is over', async (t) => {
  const { server, home } = await annAtHome(t)
  await server.deliver(ann, mail('Old'))
  failed(await home.run(['wait', '--timeout', '1s']), /Nothing new/)
  assert.deepEqual(await home.json(['wait', '--timeout', '1s']), [])
  const child = home.start(['wait', '--timeout', '60s'])
  // Only what comes after it has asked once is new to it.
  const deliveries = setInterval(() => server.deliver(ann, mail('New')), 500)
  const { code, out, err } = await outcome(child, '').finally(() => clearInterval(deliveries))
  assert.equal(`${code} ${err}`, '0 ')
  assert.match(out, /^(\d+\t.*\tNew\n)+$/)
})

// ---- JSON

/** Of JSON Schema what docs/scripts.md uses. @returns where the value is not as the schema says */
const strays = (value: Json, schema: Json, whole: Json = schema, place = ''): string[] => {
  if (schema.$ref) return strays(value, whole.$defs[schema.$ref.split('/').at(-1)], whole, place)
  if (schema.enum && !schema.enum.includes(value)) return [`${place} is ${JSON.stringify(value)}`]
  const kind = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
  const kinds = [schema.type ?? kind].flat().map((each) => (each === 'integer' ? 'number' : each))
  if (!kinds.includes(kind)) return [`${place} is ${kind}, not ${kinds}`]
  if (kind === 'array')
    return value.flatMap((each: Json, at: number) => strays(each, schema.items, whole, `${place}[${at}]`))
  if (kind !== 'object') return []
  const missing = (schema.required ?? []).filter((name: string) => !(name in value))
  const known = Object.entries(schema.properties ?? {}).filter(([name]) => name in value)
  return [
    ...missing.map((name: string) => `${place}.${name} is missing`),
    ...known.flatMap(([name, each]) => strays(value[name], each, whole, `${place}.${name}`)),
  ]
}

test('What the commands print with --json is as the documented schemas say', async (t) => {
  const schemas = new Map<string, Json>()
  for (const section of readFileSync(join(root, 'docs', 'scripts.md'), 'utf8')
    .split('\n### ')
    .slice(1)) {
    const [, schema] = /```json\n([\s\S]*?)```/.exec(section) ?? []
    const example = /^`([[{].*)`$/m.exec(section)?.[1]
    for (const name of section.split('\n')[0]!.split(', '))
      schemas.set(name, schema ? JSON.parse(schema) : schemas.get('status').properties.allowance)
    assert.deepEqual(strays(JSON.parse(example!), schemas.get(section.split(/[,\n]/)[0]!)), [], section)
  }
  const { server, home } = await annAtHome(t)
  const conforms = async (words: string[], input = '') => {
    const value = await home.json(words, input)
    const schema = schemas.get(words.slice(0, 2).join(' ')) ?? schemas.get(words[0]!)
    assert.deepEqual(strays(value, schema), [], words.join(' '))
    return value
  }
  const logIn = ['login', '--server', server.url, '--user', ann, '--password-stdin']
  await conforms(logIn, password)
  await conforms(['unlock', '--passphrase-stdin'], passphrase)
  await conforms(['status'])
  await conforms(['folders'])
  const file = join(home.folder, 'plan.pdf')
  writeFileSync(file, '%PDF')
  const letter = ['send', '--to', ann, '--subject', 'zebra', '--attach', file]
  await conforms([...letter, '--encrypt', '--sign'], 'secret')
  await conforms([...letter, '--hold', '5'], 'plain')
  await conforms(['queue'])
  const [{ id }] = await conforms(['ls'])
  await conforms(['search', 'zebra'])
  await conforms(['read', String(id)])
  await conforms(['mark', String(id), '--flag'])
  await conforms(['move', String(id), '--to', 'Trash'])
  await conforms(['delete', String(id)])
  await conforms(['wait', '--timeout', '1s'])
  await conforms(['files', 'put', file])
  await conforms(['files', 'put', '-', 'garden/plan.txt'], 'pots')
  assert.equal((await conforms(['files', 'ls'])).length, 2)
  assert.equal((await home.run(['files', 'get', 'garden/plan.txt'])).out, 'pots')
  await conforms(['files', 'rm', 'garden', '--all'])
  await conforms(['lock'])
  const other = await server.terminal(ann)
  await other.unlock()
  assert.notEqual((await conforms(['status'])).in_use, null)
  await conforms(['logout'])
})

// ---- where the key is kept

test('Without a runtime folder unlock wants --keep, before it reads a passphrase', async (t) => {
  const { server, home } = await annAtHome(t)
  const without = { XDG_RUNTIME_DIR: '' }
  failed(await home.run(['unlock', '--passphrase-stdin'], passphrase, without), /--keep/, 2)
  assert.ok(await isLocked(server))
  // The session's own file may lie in the runtime folder.
  const other = new Home(t)
  other.settings = without
  await other.logIn(server.url)
  assert.equal((await other.unlock('--keep')).code, 0)
  const [key] = other.kept().filter(({ path }) => path.endsWith('key.json'))
  assert.equal(key?.path, join(other.state, 'wafer', 'key.json'))
  assert.equal(key?.mode, 0o600)
  await other.did(['lock'])
  assert.ok(await isLocked(server))
  // What is advised works here, as it is said.
  const elsewhere = await server.terminal(ann)
  await elsewhere.unlock()
  failed(await other.unlock('--keep'), /wafer unlock --passphrase-stdin --keep --take-over\.$/m)
  assert.equal((await other.unlock('--keep', '--take-over')).code, 0)
})

test('A file or folder that others may read, or a link in its place, is not used', async (t) => {
  const { server, home } = await annAtHome(t)
  await home.unlock()
  chmodSync(home.keyFile, 0o644)
  failed(await home.run(['ls']), /chmod 600/)
  rmSync(home.keyFile)
  symlinkSync('/etc/passwd', home.keyFile)
  failed(await home.run(['ls']), /is a link/)
  rmSync(home.keyFile)
  await home.did(['ls'])
  chmodSync(join(home.state, 'wafer'), 0o755)
  failed(await home.run(['ls']), /chmod 700/)
  failed(await home.logIn(server.url), /chmod 700/)
  const other = new Home(t)
  mkdirSync(other.state)
  symlinkSync(other.folder, join(other.state, 'wafer'))
  failed(await other.logIn(server.url), /not a folder/)
  chmodSync(home.runtime, 0o777)
  failed(await home.unlock(), /--keep/, 2)
})

test('A key token that cannot be kept leaves no key open', async (t) => {
  const { server, home } = await annAtHome(t)
  mkdirSync(home.keyFile, { recursive: true, mode: 0o700 }) // what stands there cannot be replaced
  const { code } = await home.unlock()
  assert.equal(code, 1)
  assert.ok(await isLocked(server))
})

test('Who interrupts unlock finds the key locked and nothing kept, or open and kept', async (t) => {
  const { server, home } = await annAtHome(t)
  for (const afterMs of [0, 40, 80, 120, 160, 250]) {
    const child = home.start(['unlock', '--passphrase-stdin'])
    const ended = outcome(child, passphrase)
    await new Promise((wake) => setTimeout(wake, afterMs))
    child.kill('SIGINT')
    const { code, out } = await ended
    const isOpen = !(await isLocked(server))
    assert.equal(existsSync(home.keyFile), isOpen, `after ${afterMs} ms`)
    if (!isOpen) assert.notEqual(code, 0)
    if (!isOpen) assert.equal(out, '')
    if (isOpen) await home.did(['lock'])
  }
})

// ---- trust

const overTls = { WAFER_TLS_CERT: vector('localhost-cert.pem'), WAFER_TLS_KEY: vector('localhost-key.pem') }
const fingerprintOf = (name: string) => new X509Certificate(readFileSync(vector(name))).fingerprint256

test('Without trust no session starts and no password leaves; with --ca or --fingerprint it does (S1040, S1060)', async (t) => {
  const server = await world(t, overTls)
  await server.addUser(ann)
  const home = new Home(t)
  failed(
    await home.logIn(server.url),
    /^wafer: No encrypted communication was established with \S+: .*signed by/,
  )
  const wrong = fingerprintOf('other-name-cert.pem')
  failed(await home.logIn(server.url, ann, '--fingerprint', wrong), /another fingerprint/)
  failed(await home.logIn(server.url, ann, '--fingerprint', 'abc'), /not that of a certificate/)
  failed(
    await home.logIn(server.url, ann, '--ca', vector('other-name-cert.pem')),
    /No encrypted communication/,
  )
  failed(await home.logIn(server.url, ann, '--ca', join(home.folder, 'none.pem')), /cannot be read/)
  failed(await home.logIn(server.url.replace('https', 'http')), /speaks TLS; use https/)
  assert.deepEqual(home.kept(), [])

  assert.equal((await home.logIn(server.url, ann, '--ca', overTls.WAFER_TLS_CERT)).code, 0)
  assert.deepEqual(await home.json(['ls']), [])
  // As on a machine whose own authorities know it.
  const known = { SSL_CERT_FILE: overTls.WAFER_TLS_CERT }
  const words = ['login', '--server', server.url, '--user', ann, '--password-stdin']
  assert.equal((await home.run(words, password, known)).code, 0)
  assert.equal((await home.run(['ls'], '', known)).code, 0)
  failed(await home.run(['ls']), /No encrypted communication/)
  const pin = fingerprintOf('localhost-cert.pem')
  for (const given of [pin, pin.replaceAll(':', '').toLowerCase()]) {
    assert.equal((await home.logIn(server.url, ann, '--fingerprint', given)).code, 0)
    assert.deepEqual(await home.json(['ls']), [])
  }
})

test('To a server whose certificate is not acceptable not an octet of a request goes (S1040)', async (t) => {
  const [cert, key] = [overTls.WAFER_TLS_CERT, overTls.WAFER_TLS_KEY].map((file) => readFileSync(file))
  let received = 0
  const server = createTlsServer({ cert: cert!, key: key! }, (socket) => {
    socket.on('error', () => {}).on('data', (octets) => (received += octets.length))
  })
  server.listen(0, '127.0.0.1').on('tlsClientError', () => {})
  await once(server, 'listening')
  t.after(() => server.close())
  const address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  for (const trust of [
    {},
    { fingerprint: fingerprintOf('other-name-cert.pem') },
    { ca: vector('expired-cert.pem') },
  ])
    await assert.rejects(new Client({ server: address, ...trust }).logIn(ann, password, 'test'), Untrusted)
  assert.equal(received, 0)
})

test('A certificate for another name, or one that has expired, is not accepted (S1040)', async (t) => {
  const odd = async (name: string) => {
    const server = await world(t, { WAFER_TLS_CERT: vector(name), WAFER_TLS_KEY: vector('odd-key.pem') })
    return server.url
  }
  const refused = (options: ConstructorParameters<typeof Client>[0], reason: RegExp) =>
    assert.rejects(
      new Client(options).folders(),
      (error) => error instanceof Untrusted && reason.test(error.reason),
    )
  const expired = await odd('expired-cert.pem')
  await refused({ server: expired, ca: vector('expired-cert.pem') }, /has expired/)
  await refused({ server: expired, fingerprint: fingerprintOf('expired-cert.pem') }, /has expired/)
  const other = await odd('other-name-cert.pem')
  await refused({ server: other, ca: vector('other-name-cert.pem') }, /another name/)
  // The fingerprint says more than a name.
  const pinned = new Client({ server: other, fingerprint: fingerprintOf('other-name-cert.pem') })
  await assert.rejects(pinned.folders(), (error) => error instanceof Problem && error.code === 'no-session')
})

test('Plain HTTP is spoken to this machine only (S1040)', () => {
  for (const server of [
    'http://mail.example.test',
    'http://192.0.2.1:8080',
    'http://localhost.example.test',
    'http://0.0.0.0',
  ])
    assert.throws(() => new Client({ server }), Untrusted, server)
  for (const server of [
    'http://localhost:8080',
    'http://127.0.0.1',
    'http://127.8.9.1',
    'http://[::1]:8080',
    'localhost:8080',
  ])
    assert.equal(new Client({ server }).server.protocol, 'http:', server)
  assert.equal(new Client({ server: 'mail.example.test' }).server.href, 'https://mail.example.test/')
  for (const server of ['', 'ftp://x.example', 'https://u:p@x.example', 'https://x.example/mail', 'https://'])
    assert.throws(() => new Client({ server }), Unreachable, server)
})

/** Another program on loopback. */
const stranger = async (t: TestContext, ...[listener]: Parameters<typeof createServer>) => {
  const server: Server = createServer(listener as never).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('Another server’s answer passes for no answer, and a redirect is not followed', async (t) => {
  const asked: string[] = []
  const answers: [number, Record<string, string>, string][] = [
    [200, { 'content-type': 'text/html' }, '<h1>It works!</h1>'],
    [200, { 'content-type': 'application/json' }, '{"folders": 5}'],
    [200, { 'content-type': 'application/json' }, '[]'],
    [200, { 'content-type': 'application/json' }, 'null'],
    [200, { 'content-type': 'application/json' }, '{'],
    [302, { location: '/elsewhere' }, ''],
    [500, { 'content-type': 'text/plain' }, 'oops'],
    [401, { 'content-type': 'application/json' }, '{"error": "no"}'],
  ]
  for (const [status, headers, body] of answers) {
    const server = await stranger(t, ((request: { url: string }, response: Json) => {
      asked.push(request.url)
      response.writeHead(status, headers).end(body)
    }) as never)
    await assert.rejects(
      new Client({ server }).folders(),
      (error) => error instanceof Unreachable && /does not answer like a Wafer server/.test(error.message),
      body,
    )
  }
  assert.deepEqual([...new Set(asked)], ['/api/folders'])
})

test('An answer that never ends is given up after a minute, one that goes on at a fair pace is not', async (t) => {
  // Each of them is never silent for long.
  const drips = async (octets: string, everyMs: number) =>
    stranger(t, ((_request: unknown, response: Json) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const timer = setInterval(() => response.write(octets), everyMs)
      response.on('close', () => clearInterval(timer))
    }) as never)
  const slow = await drips(' ', 5)
  const large = await drips(' '.repeat(64 * 1024), 5)
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const breath = () => new Promise((resolve) => setImmediate(resolve))
  for (const [server, minutes, isGivenUp] of [
    [slow, 1, false],
    [slow, 2, true],
    [large, 1.5, false],
  ] as const) {
    const client = new Client({ server })
    let error: unknown = null
    const asked = client.folders().catch((reason: unknown) => {
      error = reason
    })
    const begun = performance.now()
    while (performance.now() - begun < 300) await breath()
    t.mock.timers.tick(minutes * 60_000 - 1)
    // What is not to happen is given a moment, what is to happen as long as a busy machine needs.
    const isWaiting = (ms: number) => performance.now() - begun < ms
    while (isGivenUp ? error === null && isWaiting(20_000) : isWaiting(400)) await breath()
    assert.equal(error !== null, isGivenUp, `${minutes} minutes`)
    if (isGivenUp)
      assert.match(String(error), /^Unreachable: .* answers too slowly; please try again later\./)
    client.close()
    await asked
  }
})

test('A part that is no part of what the API says is no answer: numbers are numbers, and each word is known', async (t) => {
  const hostile = '\x1b]52;c;QUFB\x07'
  const at = '2026-11-22T00:00:00.000Z'
  const row = { id: 1, from: 'a', to: 'b', subject: 's', date: at, size: 1, seen: true, flagged: false }
  const listed = { ...row, answered: false, attachments: 0, security: 'plain' }
  const signature = { status: 'none', key: null, by: null, at: null, reason: '' }
  const people = { from: [{ name: '', address: 'a@b' }], to: [], cc: [], reply_to: [] }
  const mail = { id: 1, folder: 'Inbox', headers: {}, ...people, text: '', attachments: [], isolated: [] }
  const message = { ...mail, signature, security: 'plain', sent_as: null, thread: null }
  const session = { user: 'a', terminal: 't', idle_s: 900, expires_at: at, allowance: null, in_use: null }
  const space = { used: 0, quota: 2 ** 31 }
  const seen = { ...session, stopped: null, space, ledger: { newest: null, complete: true } }
  const folder = { name: 'Inbox', kind: 'inbox', total: 1, unread: 0 }
  const event = { at, event: 'used', terminal: 't', address: 'a' }
  let body: unknown = null
  const server = await stranger(t, ((_request: unknown, response: Json) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))) as never)
  const client = new Client({ server })
  t.after(() => client.close())
  const calls: [() => Promise<unknown>, good: unknown, bad: unknown[]][] = [
    [
      () => client.session(),
      seen,
      [
        { ...seen, idle_s: hostile },
        { ...seen, allowance: {} },
        { ...seen, stopped: undefined },
        { ...seen, ledger: { newest: hostile, complete: 1 } },
        { ...seen, in_use: { terminal: 1 } },
      ],
    ],
    [
      () => client.folders(),
      { folders: [folder] },
      [
        { folders: [{ ...folder, total: hostile }] },
        { folders: [{ ...folder, unread: -1 }] },
        { folders: [{ ...folder, kind: 'constructor' }] },
        { folders: [null] },
        { folders: [{ ...folder, name: '\ud800' }] },
      ],
    ],
    [
      () => client.messages('Inbox'),
      { messages: [listed], next: null },
      [
        { messages: [listed] },
        ...[
          { attachments: hostile },
          { security: hostile },
          { id: '1' },
          { seen: 'yes' },
          { subject: null },
        ].map((wrong) => ({ messages: [{ ...listed, ...wrong }], next: null })),
      ],
    ],
    [
      () => client.message(1),
      message,
      [
        { ...message, signature: { ...signature, status: hostile } },
        { ...message, signature: null },
        { ...message, headers: { from: 5 } },
        { ...message, from: [{ name: null, address: 'x' }] },
        { ...message, attachments: [{ id: 'a', name: 'b', type: 'c', size: hostile }] },
        { ...message, security: undefined },
      ],
    ],
    [
      () => client.log(),
      { events: [event], next: null },
      [
        { events: [{ ...event, message: hostile }], next: null },
        { events: [{ ...event, event: hostile }], next: null },
      ],
    ],
    [() => client.terminals(), { terminals: [] }, [{ terminals: null }, { terminals: [{ id: 'x' }] }]],
    [
      () => client.logIn('a', 'b', 'c'),
      { token: 'abc', user: 'a', idle_s: 1, expires_at: at },
      [{ token: 'a\r\nb', user: 'a', idle_s: 1, expires_at: at }],
    ],
  ]
  for (const [call, good, bad] of calls) {
    body = good
    await call()
    for (const wrong of bad) {
      body = wrong
      await assert.rejects(call(), /does not answer like a Wafer server/, JSON.stringify(wrong))
    }
  }
})

test('Where nothing answers, it is said so, and HTTPS to a plain port is no trust', async (t) => {
  const server = await stranger(t, ((_: unknown, response: Json) => response.end('{}')) as never)
  const https = new Client({ server: server.replace('http', 'https') })
  await assert.rejects(
    https.folders(),
    (error) => error instanceof Untrusted && /speak TLS/.test(error.reason),
  )
  const home = new Home(t)
  failed(
    await home.logIn('http://127.0.0.1:9'),
    /There is no connection to 127\.0\.0\.1:9: nothing answers there/,
  )
})

// ---- what it loads

test('The client for scripts loads neither Ink nor React, and of the server the contract alone', async () => {
  const { metafile } = await build({
    entryPoints: [join(root, 'tui', 'scripts.ts')],
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    format: 'esm',
    write: false,
    metafile: true,
  })
  const inputs = Object.keys(metafile.inputs)
  assert.ok(inputs.includes('tui/wire/client.ts'))
  const own =
    /^(tui\/|server\/contract\/|server\/ground\/refusal-codes\.ts$|node_modules\/get-east-asian-width\/)/
  const others = inputs.filter((file) => !own.test(file))
  assert.deepEqual(others, [])
  const cli = readFileSync(program, 'utf8')
  const imported = [...cli.matchAll(/^import .* from "([^"]+)"|^import "([^"]+)"/gm)].map(
    ([, from, bare]) => from ?? bare!,
  )
  const parts = imported.filter((name) => !name.startsWith('node:'))
  for (const part of parts) assert.ok(statSync(join(root, 'dist', part)).size < 40_000, part)
})

test('queue lists what waits, whom for, since when and why; retry has it tried at once, drop gives it up', async (t) => {
  const relay = new Relay()
  const server = await world(t, await relay.listen(t))
  await server.addUser(ann)
  await server.addUser(ben)
  const terminal = await server.terminal(ann)
  const home = new Home(t)
  await home.logIn(server.url)
  assert.deepEqual([await home.did(['queue']), await home.json(['queue'])], ['', []])
  for (const to of ['eve@far.example', 'fay@far.example'])
    await home.did(['send', '--to', to, '--subject', 'Waits'], 'x')
  const [newest, oldest] = await queueOf(terminal, isPutOff)
  assert.deepEqual(await home.json(['queue']), [newest, oldest])
  assert.deepEqual(newest, {
    id: newest!.id,
    to: ['fay@far.example'],
    since: newest!.since,
    next_at: newest!.next_at,
    why: '450 4.2.0 Come back later',
    held: false,
    sending: false,
  })
  const row = ({ id, since, next_at, to, why }: Waiting) =>
    `${id}\t${since}\twaiting\t${next_at}\t${to}\t${why}\n`
  assert.equal(await home.did(['queue']), row(newest!) + row(oldest!))
  assert.match(await home.did(['status']), /^waiting\t2$/m)

  for (const wrong of [['retry'], ['fly', '1'], ['drop', 'x'], ['1']])
    failed(await home.run(['queue', ...wrong]), /queue/, 2)
  const other = new Home(t)
  await other.logIn(server.url, ben)
  assert.deepEqual(await other.json(['queue']), [])
  failed(await other.run(['queue', 'drop', `${newest!.id}`]), /does not wait any more/)
  failed(await other.run(['queue', 'retry', `${newest!.id}`]), /does not wait any more/)

  assert.equal(await home.did(['queue', 'drop', `${newest!.id}`]), 'folder\tInbox\n')
  failed(await home.run(['queue', 'drop', `${newest!.id}`]), /does not wait any more/)
  assert.match(await home.did(['ls']), /Your mail could not be delivered/)
  relay.isWilling = true
  assert.deepEqual(await home.json(['queue', 'retry', `${oldest!.id}`]), { id: oldest!.id })
  await queueOf(terminal, isEmpty)
  assert.deepEqual(relay.taken, ['eve@far.example'])

  await home.did(['send', '--to', 'gus@far.example', '--subject', 'Held', '--hold', '600'], 'x')
  const [held] = await home.json(['queue'])
  assert.deepEqual(
    { ...held, id: 0, next_at: '' },
    {
      ...{ id: 0, next_at: '', to: ['gus@far.example'], since: null, why: null, held: true, sending: false },
    },
  )
  const draft = await home.json(['queue', 'drop', `${held.id}`])
  assert.equal(draft.folder, 'Drafts')
  assert.deepEqual(
    (await home.json(['ls', 'Drafts'])).map(({ id }: { id: number }) => id),
    [draft.id],
  )
})
