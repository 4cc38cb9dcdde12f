/**
 * The commands, as people and scripts call them: the real program as a child process, on data folders of its own.
 * Keys go to gpg and back. Needs the bundle (npm run build).
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it, type TestContext } from 'node:test'
import Sqlite from 'better-sqlite3'
import { OpenSsl } from '../support/identities.ts'
import { root } from '../support/places.ts'
import { needs } from '../support/programs.ts'

const program = join(root, 'dist', 'wafer.js')
const corpus = process.env.CORPUS_DIR ?? join(root, '..', 'shared', 'corpus')
const ann = 'ann@example.org'
const password = 'correct horse battery'
const passphrase = 'the seal of ann'

const folders: string[] = []
const newFolder = () => {
  const folder = mkdtempSync(join(tmpdir(), 'wafer-commands-'))
  folders.push(folder)
  return folder
}
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

type Outcome = { code: number | null; out: string; err: string; octets: Buffer }

/** A data folder, and the commands on it. */
class Place {
  readonly folder = newFolder()
  readonly data = join(this.folder, 'data')
  readonly servers: ChildProcess[] = []

  file(name: string, content?: string | Uint8Array): string {
    const path = join(this.folder, name)
    if (content !== undefined) writeFileSync(path, content)
    return path
  }

  environment(settings: Record<string, string> = {}) {
    const { PATH = '' } = process.env
    return {
      PATH,
      NODE_COMPILE_CACHE: compiled, // it is the same program each time
      WAFER_DATA: this.data,
      WAFER_PORT: '0',
      WAFER_SMTP_PORT: '0',
      WAFER_SSH_PORT: 'off',
      ...settings,
    }
  }

  run(words: string[], input: string | Buffer = '', settings: Record<string, string> = {}): Outcome {
    const env = this.environment(settings)
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...words], {
      input,
      env,
      timeout: 60_000,
    })
    return { code: status, out: stdout.toString(), err: stderr.toString(), octets: stdout }
  }

  /** The same for what has to go well. */
  did(words: string[], input: string | Buffer = '', settings: Record<string, string> = {}): string {
    const { code, out, err } = this.run(words, input, settings)
    assert.equal(`${code} ${err}`, '0 ', words.join(' '))
    return out
  }

  /** Serves until the test ends. @returns what was printed before it was ready */
  async serve(t: TestContext, settings: Record<string, string> = {}) {
    const child = spawn(process.execPath, [program, 'serve'], { env: this.environment(settings) })
    t.after(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    })
    let printed = ''
    let complained = ''
    child.stdout.on('data', (text) => (printed += text))
    child.stderr.on('data', (text) => (complained += text))
    while (!/Mail comes in on .*\n/.test(printed)) {
      if (child.exitCode !== null) throw new Error(`expected a server, got: ${complained}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const address = printed.match(/^Wafer listens on (\S+)\n/)?.[1] ?? ''
    return { child, address, printed: () => printed }
  }

  addAnn() {
    this.did(['user', 'add', ann, '--name', 'Ann', '--password-stdin'], `${password}\n`)
    return this
  }

  withAnn() {
    return this.#likeThat('ann', () => this.addAnn())
  }

  withKey() {
    return this.#likeThat('key', () =>
      this.withAnn().did(['key', 'generate', ann, '--passphrase-stdin'], `${passphrase}\n`),
    )
  }

  /** The first is made by the commands, and the others are copies of it: the same server secret, the same key. */
  #likeThat(name: string, make: () => unknown) {
    const made = join(models, name)
    if (existsSync(made)) cpSync(made, this.data, { recursive: true })
    else {
      make()
      cpSync(this.data, made, { recursive: true })
    }
    return this
  }
}
const models = newFolder()
const compiled = newFolder()

const oneLine = /^[^\n]+\n$/

const failed = ({ code, err }: Outcome, wanted: RegExp) => {
  assert.match(err, oneLine)
  assert.match(err, wanted)
  assert.equal(code, 1)
}

const ended = async (child: ChildProcess) => {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return child.exitCode
}

// biome-ignore lint/suspicious/noExplicitAny: each test says what it expects of an answer
type Json = any

const api = async (
  address: string,
  method: string,
  path: string,
  body?: object,
  headers: Record<string, string> = {},
) => {
  const answer = await fetch(`${address}/api/${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    body: body && JSON.stringify(body),
  })
  return { status: answer.status, body: (await answer.json().catch(() => null)) as Json }
}

const gpgIsHere = spawnSync('gpg', ['--version']).status === 0
const needsGpg =
  gpgIsHere || process.env.CI ? {} : { skip: 'gpg is not installed: install gnupg to run this test.' }

/** gpg in a home of its own. */
const gpgHome = (t: TestContext) => {
  const home = newFolder()
  chmodSync(home, 0o700)
  // Else gpg works as hard at a passphrase as this machine can in a tenth of a second, measured anew each time.
  writeFileSync(join(home, 'gpg-agent.conf'), 's2k-count 65536\n')
  const env = { ...process.env, GNUPGHOME: home, LANG: 'C.UTF-8' }
  t.after(() => spawnSync('gpgconf', ['--kill', 'gpg-agent'], { env }))
  return (words: string[], input: string | Buffer = '', secret = '') => {
    const unlock = ['--batch', '--quiet', '--pinentry-mode', 'loopback', '--passphrase', secret]
    const { status, stdout, stderr } = spawnSync('gpg', [...unlock, ...words], {
      env,
      input,
      timeout: 60_000,
    })
    assert.equal(status, 0, `gpg ${words.join(' ')}: ${stderr}`)
    return stdout
  }
}

describe('calls', () => {
  const place = new Place()
  const commands = [
    ['serve'],
    ...['add', 'list', 'remove', 'password'].map((word) => ['user', word]),
    ...['generate', 'import', 'list', 'export'].map((word) => ['key', word]),
    ...['import', 'export'].map((word) => ['mail', word]),
    ['backup'],
    ['restore'],
    ['check'],
  ]

  it('C17: the program says its version and explains each of its commands', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    assert.equal(place.did(['--version']), `${version}\n`)
    const all = place.did(['--help'])
    for (const words of commands) {
      assert.match(all, new RegExp(`^wafer ${words.join(' ')}\\b`, 'm'))
      assert.match(place.did([...words, '--help']), new RegExp(`^wafer ${words.join(' ')}\\b`))
    }
    assert.equal(existsSync(place.data), false)
  })

  const secret = 'hunter2hunter2'
  const wrong: [string, string[], string?][] = [
    ['no command', []],
    ['an unknown command', ['frobnicate']],
    ['half a command', ['user']],
    ['a missing argument', ['user', 'remove']],
    ['a surplus argument', ['serve', 'now']],
    ['an unknown option', ['user', 'list', '--all']],
    ['an option without its value', ['user', 'add', ann, '--name', '--password-stdin'], secret],
    ['a secret as an argument', ['user', 'add', ann, secret]],
    ['a secret as an unknown option', ['user', 'add', ann, `--password=${secret}`]],
    ['a secret as the value of a flag', ['user', 'add', ann, `--password-stdin=${secret}`]],
    ['no way given for the secret to come in', ['user', 'add', ann], secret],
    ['no secret on standard input', ['user', 'add', ann, '--password-stdin'], ''],
    [
      'two lines where one secret is wanted',
      ['user', 'add', ann, '--password-stdin'],
      `${secret}\n${secret}\n`,
    ],
    ['a key import without a file', ['key', 'import', ann, '--passphrase-stdin'], secret],
    ['a passphrase for public keys', ['key', 'export', ann, '--passphrase-stdin'], secret],
    ['mail import without a path', ['mail', 'import', ann]],
  ]
  for (const [name, words, input = ''] of wrong)
    it(`a wrong call, here ${name}, ends with 2 and one line without the secret`, () => {
      const { code, out, err } = place.run(words, input)
      assert.equal(code, 2)
      assert.equal(out, '')
      assert.match(err, oneLine)
      assert.equal(err.includes(secret), false)
    })
})

describe('npm', () => {
  it('what is named on the command line is meant from where the person stands, the data folder from the checkout', () => {
    const place = new Place().withAnn()
    const checkout = root
    place.file('letter.eml', 'Subject: here\n\nx\n')
    const npm = (words: string[], settings: Record<string, string>) =>
      spawnSync(process.execPath, [program, ...words], {
        cwd: checkout,
        env: {
          PATH: process.env.PATH ?? '',
          INIT_CWD: place.folder,
          npm_package_json: join(checkout, 'package.json'),
          ...settings,
        },
        encoding: 'utf8',
      })
    const imported = npm(['mail', 'import', ann, 'letter.eml'], { WAFER_DATA: place.data })
    assert.equal(imported.stdout, '1 message is now in Inbox.\n', imported.stderr)
    assert.match(npm(['user', 'list'], { WAFER_DATA: 'data' }).stdout, /^ann@example\.org/)
    // Of another package's script, the folder in which it runs is the one that is meant.
    const others = { WAFER_DATA: place.data, npm_package_json: join(place.folder, 'package.json') }
    assert.match(npm(['mail', 'import', ann, 'letter.eml'], others).stderr, /letter\.eml does not exist/)
    const unset = npm(['user', 'list'], {})
    if (unset.status !== 0) assert.ok(unset.stderr.includes(join(checkout, 'data')), unset.stderr)
  })
})

describe('users', () => {
  it('are added, listed, given a new password and removed', async () => {
    const place = new Place()
    place.did(['user', 'add', 'Ben@Example.org', '--password-stdin'], `${password}\r\n`)
    place.addAnn()
    assert.equal(place.did(['user', 'list']), `ann@example.org\tAnn\nben@example.org\n`)
    assert.equal(statSync(place.data).mode & 0o777, 0o700)
    assert.equal(statSync(join(place.data, 'wafer.db')).mode & 0o777, 0o600)
    failed(place.run(['user', 'add', ann, '--password-stdin'], password), /already/)
    failed(place.run(['user', 'add', 'nobody', '--password-stdin'], password), /not a mail address/)
    failed(place.run(['user', 'add', 'eve@example.org', '--password-stdin'], 'short'), /8 characters/)
    place.did(['user', 'remove', 'ben@example.org'])
    assert.equal(place.did(['user', 'list']), `ann@example.org\tAnn\n`)
    failed(place.run(['user', 'remove', 'ben@example.org']), /no user ben@example\.org/)
    failed(place.run(['user', 'password', 'ben@example.org', '--password-stdin'], password), /no user/)
  })

  it('a removed user leaves no row in any table', () => {
    const place = new Place().withKey()
    place.did(['mail', 'import', ann, place.file('a.eml', 'From: a@example.org\nSubject: x\n\nzebra\n')])
    place.did(['user', 'remove', ann])
    const db = new Sqlite(join(place.data, 'wafer.db'), { readonly: true })
    const tables = db
      .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%'")
      .pluck()
    const left = (tables.all() as string[])
      .filter((name) => !/^(sqlite_|__drizzle|message_search_|rate_limits)/.test(name))
      .filter((name) => db.prepare(`SELECT 1 FROM ${name}`).get())
    const found = db
      .prepare("SELECT count(*) FROM message_search WHERE message_search MATCH 'zebra'")
      .pluck()
      .get()
    db.close()
    assert.deepEqual(left, [])
    assert.equal(found, 0)
  })

  it('a new password ends the sessions of the old one, and only it logs in', async (t) => {
    const place = new Place().withAnn()
    const { address } = await place.serve(t)
    const { body } = await api(address, 'POST', 'session', { user: ann, password })
    const bearer = { authorization: `Bearer ${body.token}` }
    assert.equal((await api(address, 'GET', 'session', undefined, bearer)).status, 200)
    place.did(['user', 'password', ann, '--password-stdin'], 'another password\n')
    assert.equal((await api(address, 'GET', 'session', undefined, bearer)).status, 401)
    assert.equal((await api(address, 'POST', 'session', { user: ann, password })).status, 401)
    assert.equal(
      (await api(address, 'POST', 'session', { user: ann, password: 'another password' })).status,
      201,
    )
  })
})

describe('serve', () => {
  it('C17: prints where it listens and, while there is no user, a link that makes the first one', async (t) => {
    const place = new Place()
    const { child, address, printed } = await place.serve(t)
    while (!printed().includes('/setup/')) await new Promise((resolve) => setTimeout(resolve, 20))
    const [first = '', second = '', third = ''] = printed().split('\n')
    assert.match(first, /^Wafer listens on http:\/\/localhost:\d+$/)
    assert.match(second, /^Mail comes in on smtp:\/\/127\.0\.0\.1:\d+$/)
    const link = third.match(/http:\S+$/)?.[0] ?? ''
    assert.ok(link.startsWith(`${address}/setup/`))
    assert.equal((await fetch(link)).status, 200)
    child.kill('SIGTERM')
    assert.equal(await ended(child), 0)
  })

  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    it(`${signal} ends it cleanly, open connections or not`, async (t) => {
      const place = new Place().withAnn()
      const { child, address, printed } = await place.serve(t)
      await api(address, 'GET', 'session') // leaves a connection open
      child.kill(signal)
      assert.equal(await ended(child), 0)
      assert.equal(printed().includes('/setup/'), false)
      assert.deepEqual(
        readdirSync(place.data).filter((name) => /-(wal|journal)$/.test(name)),
        [],
      )
    })

  it('a taken port, a bad setting and a folder that cannot be are one line each', async (t) => {
    const place = new Place().withAnn()
    const taken = createServer().listen(0, '127.0.0.1')
    t.after(() => taken.close())
    await once(taken, 'listening')
    const port = String((taken.address() as { port: number }).port)
    failed(place.run(['serve'], '', { WAFER_PORT: port }), new RegExp(port))
    failed(place.run(['serve'], '', { WAFER_SMTP_PORT: port }), new RegExp(port))
    failed(place.run(['serve'], '', { WAFER_PORT: 'eighty' }), /WAFER_PORT/)
    failed(place.run(['serve'], '', { WAFER_BOGUS: '1' }), /WAFER_BOGUS/)
    failed(place.run(['user', 'list'], '', { WAFER_SESSION_IDLE: '5 minutes' }), /WAFER_SESSION_IDLE/)
    failed(place.run(['serve'], '', { WAFER_DATA: join(program, 'folder') }), /folder/)
    failed(place.run(['serve'], '', { WAFER_DATA: '/proc/wafer/data' }), /\/proc\/wafer\/data/)
    assert.equal(place.did(['user', 'list']), `${ann}\tAnn\n`)
  })

  it('a database of a newer version is refused by every command and stays as it was', () => {
    const place = new Place().withAnn()
    const file = join(place.data, 'wafer.db')
    const db = new Sqlite(file)
    db.exec("INSERT INTO __drizzle_migrations (hash, created_at) VALUES ('of the future', 9999999999999)")
    db.pragma('journal_mode = DELETE')
    db.close()
    const before = readFileSync(file)
    for (const words of [['serve'], ['user', 'list'], ['check']]) failed(place.run(words), /newer version/)
    assert.deepEqual(readFileSync(file), before)
    const other = new Place()
    const secret = join(place.data, 'server-secret')
    failed(other.run(['restore', file, '--secret', secret]), /newer version/)
    assert.equal(existsSync(join(other.data, 'wafer.db')), false)
  })

  it('a second server on the same data is refused, commands are welcome', async (t) => {
    const place = new Place().withAnn()
    await place.serve(t)
    failed(place.run(['serve']), /serves/)
    assert.equal(place.did(['user', 'list']), `${ann}\tAnn\n`)
  })
})

describe('keys', needsGpg, () => {
  it('a generated key goes to gpg, public and secret, and gpg signs and decrypts with it', (t) => {
    const gpg = gpgHome(t)
    const place = new Place().withAnn()
    const printed = place.did(['key', 'generate', ann, '--passphrase-stdin'], `${passphrase}\r\n`)
    const fingerprint = printed.match(/^Fingerprint: ([0-9A-F]{40})\n/)?.[1] ?? ''
    assert.match(printed, /\nRecovery code: ([0-9A-Z]{5}-){5}[0-9A-Z]\n[^\n]+\.\n$/)
    gpg(['--import'], place.did(['key', 'export', ann]))
    assert.match(String(gpg(['--with-colons', '--list-keys'])), new RegExp(`^fpr:+${fingerprint}:$`, 'm'))
    const letter = gpg(['--trust-model', 'always', '--encrypt', '--recipient', ann], 'for your eyes')
    const copy = place.did(
      ['key', 'export', ann, '--secret', '--passphrase-stdin'],
      `${passphrase}\nof the copy\n`,
    )
    gpg(['--import'], copy, 'of the copy')
    assert.equal(String(gpg(['--decrypt'], letter, 'of the copy')), 'for your eyes')
    assert.match(String(gpg(['--clearsign'], 'hello', 'of the copy')), /BEGIN PGP SIGNATURE/)
  })

  it('the copy of a secret key wants a line and a passphrase of its own', () => {
    const place = new Place().withKey()
    const exporting = (input: string) =>
      place.run(['key', 'export', ann, '--secret', '--passphrase-stdin'], input)
    for (const input of [passphrase, `${passphrase}\n`]) {
      const { code, out, err } = exporting(input)
      assert.equal(code, 2)
      assert.equal(out, '')
      assert.match(err, /^wafer: Standard input has one line, but should have two: [^\n]+\n$/)
    }
    failed(exporting(`${passphrase}\n\n`), /copy needs at least 8 characters/)
    failed(exporting(`${passphrase}\nseven77\n`), /copy needs at least 8 characters/)
    assert.match(exporting(`${passphrase}\neight888\n`).out, /BEGIN PGP PRIVATE KEY BLOCK/)
  })

  it('a passphrase that opens a keyring has eight characters, whichever way it comes', (t) => {
    const place = new Place().withAnn()
    const generating = (input: string) => place.run(['key', 'generate', ann, '--passphrase-stdin'], input)
    for (const short of ['a', 'seven77', 'ｋａｇｉ', '\u0061\u0301'.repeat(7)])
      failed(generating(short), /^wafer: The passphrase needs at least 8 characters\.\n$/)
    assert.equal(place.did(['key', 'list', ann]), '')

    const gpg = gpgHome(t)
    gpg(['--quick-generate-key', `Ann <${ann}>`, 'future-default'], '', 'short')
    const file = place.file('short.asc', gpg(['--armor', '--export-secret-keys'], '', 'short'))
    const importing = ['key', 'import', ann, '--file', file, '--passphrase-stdin']
    failed(place.run(importing, 'wrong'), /passphrase of the key in the file/)
    failed(place.run(importing, 'brief\nshort\n'), /^wafer: The passphrase needs at least 8 characters\.\n$/)
    assert.equal(place.did(['key', 'list', ann]), '')
    // That of the file is its owner's, who is told; what is chosen beside it is not.
    assert.match(place.did(importing, 'short\n'), /\nThe passphrase of this file is short, [^\n]+\n$/)
    const other = new Place().withAnn()
    assert.doesNotMatch(other.did(importing, 'of the keyring\nshort\n'), /is short/)
    other.did(['key', 'export', ann, '--secret', '--passphrase-stdin'], 'of the keyring\nof the copy\n')
    // What opens a keyring that is there is as it is.
    place.did(['key', 'generate', ann, '--passphrase-stdin'], 'short')
  })

  it('an S/MIME identity comes in, is listed, goes out for other programs, and is removed', (t) => {
    if (!needs(t, 'openssl')) return
    const place = new Place().withKey()
    const openssl = new OpenSsl(t)
    openssl.certificate('work', { email: ann, subject: '/CN=Ann/O=Work' })
    openssl.certificate('ben', { email: 'ben@example.org' })
    const importing = (name: string, input: string) =>
      place.run(['identity', 'import', ann, '--file', openssl.path(name), '--passphrase-stdin'], input)
    openssl.pkcs12('work', 'of the file')
    openssl.pkcs12('ben', '')
    failed(importing('work.p12', `${passphrase}\nof another file\n`), /not the passphrase of the file/)
    failed(importing('work.p12', 'of another keyring\nof the file\n'), /not the passphrase of your key/)
    failed(importing('none.p12', `${passphrase}\n\n`), /none\.p12 does not exist/)
    const came = importing('work.p12', `${passphrase}\nof the file\n`)
    assert.equal(`${came.code} ${came.err}`, '0 ')
    assert.match(
      came.out,
      /^Fingerprint: [0-9A-F]{64}\nCN=Ann, O=Work, from CN=Ann, O=Work, P-256, [-\d]+ to [-\d]+\n$/,
    )
    assert.match(
      importing('ben.p12', `${passphrase}\n\n`).out,
      /\nThis certificate does not name ann@example\.org: it is that of ben@example\.org\. [^\n]+\n$/,
    )
    assert.match(
      place.did(['identity', 'generate', ann, '--passphrase-stdin'], `${passphrase}\n`),
      /RSA 3072, [^\n]+\nNo authority vouches for this certificate/,
    )
    const rows = place.did(['identity', 'list', ann]).trimEnd().split('\n')
    assert.equal(rows.length, 3)
    const work = rows.find((row) => row.includes('Work'))!.split('\t')
    assert.equal(work[0], openssl.fingerprint('work').toUpperCase())
    assert.deepEqual(work.slice(4, 7), [ann, 'CN=Ann, O=Work', 'CN=Ann, O=Work'])

    assert.equal(place.did(['identity', 'export', ann]).match(/BEGIN CERTIFICATE/g)!.length, 3)
    const exporting = ['identity', 'export', ann, work[0]!, '--secret', '--passphrase-stdin']
    const one = place.run(exporting, `${passphrase}\n`)
    assert.deepEqual([one.code, /should have two/.test(one.err)], [2, true])
    const { code, octets } = place.run(exporting, `${passphrase}\nof the copy\n`)
    assert.equal(code, 0)
    openssl.write('out.p12', octets)
    openssl.ok(['pkcs12', '-in', 'out.p12', '-passin', 'pass:of the copy', '-nodes', '-out', 'out.pem'])
    assert.equal(openssl.fingerprint('out').toUpperCase(), work[0])
    place.did(['identity', 'remove', ann, work[0]!])
    failed(place.run(['identity', 'remove', ann, work[0]!]), /no such S\/MIME identity/)
    assert.equal(place.did(['identity', 'list', ann]).trimEnd().split('\n').length, 2)
  })

  it('key list prints the keys, the present one first; a key that names somebody else is told apart', (t) => {
    const place = new Place().withKey()
    const gpg = gpgHome(t)
    gpg(
      ['--quick-generate-key', 'Ben <ben@example.org>', 'future-default', 'default', '2099-06-01'],
      '',
      'of the file',
    )
    const file = place.file('ben.asc', gpg(['--armor', '--export-secret-keys'], '', 'of the file'))
    const printed = place.did(
      ['key', 'import', ann, '--file', file, '--passphrase-stdin'],
      `${passphrase}\nof the file\n`,
    )
    assert.match(
      printed,
      /\nThis key does not name ann@example\.org: it is that of ben@example\.org\. [^\n]+\n$/,
    )
    const rows = place
      .did(['key', 'list', ann])
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t'))
    assert.equal(rows.length, 2)
    const today = new Date().toISOString().slice(0, 7)
    for (const [fingerprint, , made] of rows) {
      assert.match(fingerprint!, /^[0-9A-F]{40}$/)
      assert.ok(made!.startsWith(today), made)
    }
    assert.match(printed, new RegExp(rows[0]![0]!))
    assert.deepEqual(
      rows.map(([, , , , addresses]) => addresses),
      ['ben@example.org', ann],
    )
    assert.match(rows[0]![3]!, /^2099-0[56]-/)
    assert.equal(rows[1]![3], 'never')
    failed(place.run(['key', 'list', 'ben@example.org']), /no user/)
  })

  for (const [kind, signing, encryption] of [
    ['RSA', 'rsa3072', 'rsa3072'],
    ['cv25519', 'ed25519', 'cv25519'],
  ] as const)
    it(`a key that gpg made (${kind}) comes in with its passphrase and goes back`, (t) => {
      const gpg = gpgHome(t)
      const secret = 'gpg pässphrase'
      gpg(['--quick-generate-key', `Ann <${ann}>`, signing, 'sign,cert', '0'], '', secret)
      const fingerprint =
        String(gpg(['--with-colons', '--list-keys'])).match(/^fpr:+([0-9A-F]{40}):$/m)?.[1] ?? ''
      gpg(['--quick-add-key', fingerprint, encryption, 'encr', '0'], '', secret)
      const place = new Place().withAnn()
      const armored = place.file('key.asc', gpg(['--armor', '--export-secret-keys', fingerprint], '', secret))
      const binary = place.file('key.gpg', gpg(['--export-secret-keys', fingerprint], '', secret))
      const importing = ['key', 'import', ann, '--passphrase-stdin', '--file']
      failed(place.run([...importing, armored], 'not this one'), /passphrase of the key in the file/)
      const printed = place.did([...importing, armored], `${secret}\n`)
      assert.match(printed, new RegExp(`^Fingerprint: ${fingerprint}\nRecovery code: `))
      assert.match(place.did([...importing, armored], secret), /in the keyring already; it is up to date/)

      const letter = gpg(['--trust-model', 'always', '--encrypt', '--recipient', ann], 'there and back')
      const other = gpgHome(t)
      other(
        ['--import'],
        place.did(['key', 'export', ann, '--secret', '--passphrase-stdin'], `${secret}\nof the copy\n`),
        'of the copy',
      )
      assert.equal(String(other(['--decrypt'], letter, 'of the copy')), 'there and back')

      place.did(['user', 'add', 'ben@example.org', '--password-stdin'], password)
      const again = place.did(
        ['key', 'import', 'ben@example.org', '--file', binary, '--passphrase-stdin'],
        secret,
      )
      assert.match(again, new RegExp(fingerprint))
    })

  it('a second key asks for the passphrase of the keyring and that of the file, and becomes the present one', (t) => {
    const gpg = gpgHome(t)
    gpg(['--quick-generate-key', `Ann <${ann}>`, 'future-default'], '', 'of the file')
    const place = new Place().withKey()
    const file = place.file('key.asc', gpg(['--armor', '--export-secret-keys'], '', 'of the file'))
    const importing = ['key', 'import', ann, '--file', file, '--passphrase-stdin']
    failed(place.run(importing, 'of the file\n'), /not the passphrase of your key/)
    failed(place.run(importing, `${passphrase}\n`), /passphrase of the key in the file/)
    const printed = place.did(importing, `${passphrase}\nof the file\n`)
    assert.match(printed, /^Fingerprint: [0-9A-F]{40}\n$/) // a keyring that existed has its recovery code already

    // Everything that comes out goes into another keyring, in the same order.
    const both = place.did(
      ['key', 'export', ann, '--secret', '--passphrase-stdin'],
      `${passphrase}\nof the copy\n`,
    )
    place.did(['user', 'add', 'ben@example.org', '--password-stdin'], password)
    place.did(
      ['key', 'import', 'ben@example.org', '--file', place.file('both.asc', both), '--passphrase-stdin'],
      'of the copy',
    )
    assert.equal(place.did(['key', 'export', 'ben@example.org']), place.did(['key', 'export', ann]))
  })

  it('a wrong passphrase, no key, and a file that is none fail with one line', () => {
    const place = new Place().withAnn()
    const file = place.file('not-a-key.asc', 'Dear Ann,\n')
    failed(place.run(['key', 'export', ann]), /no key/)
    failed(place.run(['key', 'export', ann, '--secret', '--passphrase-stdin'], 'a\nb\n'), /no key/)
    failed(
      place.run(['key', 'import', ann, '--file', file, '--passphrase-stdin'], 'x'),
      /not an OpenPGP secret key/,
    )
    failed(
      place.run(['key', 'import', ann, '--file', place.file('gone'), '--passphrase-stdin'], 'x'),
      /does not exist/,
    )
    place.did(['key', 'generate', ann, '--passphrase-stdin'], passphrase)
    failed(
      place.run(['key', 'export', ann, '--secret', '--passphrase-stdin'], 'a\nof the copy\n'),
      /not the passphrase/,
    )
    failed(place.run(['key', 'generate', ann, '--passphrase-stdin'], 'a'), /not the passphrase/)
  })
})

describe('mail files', () => {
  const stored = (place: Place, folder: string) => {
    const db = new Sqlite(join(place.data, 'wafer.db'), { readonly: true })
    const rows = db
      .prepare(
        `SELECT o.octets, m.seen, m.flagged, m.arrived_at AS arrivedAt, m.subject FROM messages m
         JOIN folders f ON f.id = m.folder_id JOIN content_pieces o ON o.content_id = m.content_id WHERE f.name = ? ORDER BY m.id`,
      )
      .all(folder) as { octets: Buffer; seen: number; flagged: number; arrivedAt: number; subject: string }[]
    db.close()
    return rows
  }

  it('an .eml file comes in as it is, with the date it bears, or that of the file', () => {
    const place = new Place().withAnn()
    const dated =
      'From: a@example.org\r\nDate: Tue, 02 Jan 2024 03:04:05 +0100\r\nSubject: dated\r\n\r\nbare LF\nno end'
    const undated = place.file('undated.eml', 'Subject: undated\n\nx\n')
    utimesSync(undated, 1_600_000_000, 1_600_000_000)
    const future = place.file('future.eml', 'Subject: future\nDate: Tue, 02 Jan 2299 03:04:05 +0000\n\nx\n')
    const printed = place.did(['mail', 'import', ann, place.file('dated.eml', dated), undated, future])
    assert.equal(printed, '3 messages are now in Inbox.\n')
    const [first, second, third] = stored(place, 'Inbox')
    assert.equal(first!.octets.toString('latin1'), dated)
    assert.equal(first!.arrivedAt, Date.UTC(2024, 0, 2, 2, 4, 5))
    assert.equal(second!.arrivedAt, 1_600_000_000_000)
    assert.ok(third!.arrivedAt <= Date.now())
  })

  it('an mbox is taken apart at its From_ lines only, and its quoting taken back', () => {
    const place = new Place().withAnn()
    const mbox = [
      'From a@example.org Mon Jan  1 10:00:00 2024',
      'From: a@example.org',
      'Subject: one',
      '',
      '>From quoted',
      '>>From quoted twice',
      'From the start this is prose',
      '',
      'From the beginning: prose as well, no header follows',
      '',
      '',
      'From - Tue Jan 02 10:00:00 2024',
      'Subject: two',
      'Status: RO',
      'X-Status: F',
      '',
      'no empty line after this one',
      'From b@example.org Wed, 03 Jan 2024 10:00:00 +0200',
      'Subject: three',
      '',
      'the end',
      '',
    ].join('\n')
    const file = place.file('old.mbox', mbox)
    assert.equal(
      place.did(['mail', 'import', ann, '--folder', 'Old mail', file]),
      '3 messages are now in Old mail.\nThe folder Old mail is new.\n',
    )
    assert.equal(
      place.did(['mail', 'import', ann, '--folder', 'old MAIL', place.file('none', '')]),
      '0 messages are now in Old mail.\n',
    )
    const [one, two, three] = stored(place, 'Old mail')
    assert.equal(
      String(one!.octets),
      'From: a@example.org\nSubject: one\n\nFrom quoted\n>From quoted twice\nFrom the start this is prose\n\n' +
        'From the beginning: prose as well, no header follows\n\n',
    )
    assert.equal(one!.arrivedAt, Date.UTC(2024, 0, 1, 10))
    assert.deepEqual([one!.seen, one!.flagged, two!.seen, two!.flagged], [0, 0, 1, 1])
    assert.match(String(two!.octets), /after this one\n$/)
    assert.equal(three!.arrivedAt, Date.UTC(2024, 0, 3, 8))
    assert.equal(String(three!.octets), 'Subject: three\n\nthe end\n')
  })

  it('an mbox with CRLF, an empty one and one of many parts of a disk block come in whole', () => {
    const place = new Place().withAnn()
    const crlf =
      'From a Mon Jan  1 10:00:00 2024\r\nSubject: a\r\n\r\nx\r\n\r\nFrom b Mon Jan  1 10:00:00 2024\r\nSubject: b\r\n\r\ny\r\n'
    place.did(['mail', 'import', ann, '--folder', 'crlf', place.file('crlf', crlf), place.file('empty', '')])
    assert.deepEqual(
      stored(place, 'crlf').map(({ octets }) => String(octets)),
      ['Subject: a\r\n\r\nx\r\n', 'Subject: b\r\n\r\ny\r\n'],
    )
    const bodies = [
      'a'.repeat(65_500),
      'b\n>From c\n'.repeat(20_000),
      `${'c'.repeat(200_000)}\n${'d'.repeat(70_000)}`,
    ]
    const big = bodies.map((body) => `From x Mon Jan  1 10:00:00 2024\nSubject: s\n\n${body}\n\n`).join('')
    place.did(['mail', 'import', ann, '--folder', 'big', place.file('big', big)])
    assert.deepEqual(
      stored(place, 'big').map(({ octets }) => String(octets)),
      bodies.map((body) => `Subject: s\n\n${body.replaceAll('>From', 'From')}\n`),
    )
  })

  it('links, pipes and mails that are too large are not imported', () => {
    const place = new Place().withAnn()
    const mail = place.file('true.eml', 'From: a@example.org\nSubject: x\n\nx\n')
    const at = (...names: string[]) => join(place.folder, ...names)
    const importing = (path: string) => place.run(['mail', 'import', ann, path])
    symlinkSync(mail, at('link.eml'))
    failed(importing(at('link.eml')), /link\.eml is not a regular file|link\.eml is a link/)
    assert.equal(spawnSync('mkfifo', [at('pipe.eml')]).status, 0)
    failed(importing(at('pipe.eml')), /pipe\.eml is not a regular file/)
    failed(importing('/dev/zero'), /not a regular file/)
    for (const name of ['linked', 'outer']) mkdirSync(at(name))
    mkdirSync(at('linked', 'new'))
    symlinkSync(mail, at('linked', 'new', '1.a'))
    failed(importing(at('linked')), /1\.a is a link/)
    symlinkSync(at('linked', 'new'), at('outer', 'cur'))
    failed(importing(at('outer')), /no Maildir/)
    const head = Buffer.from('From: a@example.org\n\n')
    const limit = 25 * 1024 * 1024
    const sized = (size: number) => Buffer.concat([head, Buffer.alloc(size - head.length, 'x')])
    failed(importing(place.file('over.eml', sized(limit + 1))), /over\.eml holds a mail of more than 25 MiB/)
    assert.match(place.did(['mail', 'import', ann, place.file('just.eml', sized(limit))]), /^1 message/)
  })

  it('a Maildir comes in with what its file names say', () => {
    const place = new Place().withAnn()
    const maildir = join(place.folder, 'Maildir')
    for (const name of ['cur', 'new', 'tmp']) mkdirSync(join(maildir, name), { recursive: true })
    const put = (name: string) =>
      writeFileSync(join(maildir, name), `Subject: ${name.slice(4, 5)}\n\nFrom x\n`)
    for (const name of [
      'cur/1.host:2,S',
      'cur/2.host:2,FRS',
      'cur/3.host:2,',
      'new/4.host',
      'tmp/5.host',
      'cur/.x',
    ])
      put(name)
    assert.equal(place.did(['mail', 'import', ann, maildir]), '4 messages are now in Inbox.\n')
    assert.deepEqual(
      stored(place, 'Inbox').map(({ subject, seen, flagged }) => `${subject}${seen}${flagged}`),
      ['110', '211', '300', '400'],
    )
  })

  it('an mbox of other programs: quoted From_ lines, prose, marks, byte order marks and empty lines at the front', () => {
    const place = new Place().withAnn()
    const from = (when = 'Mon Mar  3 09:00:00 2014') => `From x@example.org ${when}\n`
    const one = (subject: string, marks = '', body = 'text') =>
      `${marks}Subject: ${subject}\nDate: Mon, 3 Mar 2014 10:00:00 +0100\n\n${body}\n\n`
    const files: [string, string][] = [
      [
        'prose',
        from() +
          one(
            'prose',
            '',
            'Hello\n\nFrom our site\nhttps://example.org/x\n\nFrom me\nNote: bye\n\nFrom you\n',
          ),
      ],
      ['quoted', `${from()}>From - Sat Apr 12 2025 15:59:28\n${one('quoted', 'X-Mozilla-Status: 0003\n')}`],
      [
        'mozilla',
        `From - Sat Apr 12 2025 15:59:28\n${one('starred', 'X-Mozilla-Status: 0005\n')}From - Sat Apr 12 2025 15:59:28\n${one('deleted', 'X-Mozilla-Status: 0009\n')}From - Sat Apr 12 2025 15:59:28\n${one('new', 'X-Mozilla-Status: 0000\n')}`,
      ],
      ['marked', `\ufeff${from()}${one('bom')}`],
      ['empty lines', `\r\n\n${from()}${one('empty lines')}`],
      [
        'gmail',
        `From 1234@xxx Mon Mar 03 09:00:00 +0000 2014\n${one('gmail', 'X-Gmail-Labels: Inbox,Starred,Opened\n')}From 1235@xxx Mon Mar 03 09:00:00 +0000 2014\n${one('gmail new', 'X-Gmail-Labels: =?UTF-8?Q?Unread,Gr=C3=BC=C3=9Fe?=\n')}`,
      ],
      ['eudora', `From ???@??? Mon Mar 03 09:00:00 2014\n${one('eudora')}`],
      [
        'unix',
        `${from()}${one('unix', 'Status: RO\nX-Status: AF\n')}${from()}${one('gone', 'X-Status: D\n')}`,
      ],
      ['undated', `From MAILER-DAEMON\n${one('undated')}`],
    ]
    const paths = files.map(([name, text]) => place.file(`${name}.mbox`, text))
    paths.push(place.file('marked.eml', `\ufeff${one('eml')}`), place.file('late.eml', `\n\n${one('late')}`))
    const apple = join(place.folder, 'Apple.mbox')
    mkdirSync(apple)
    writeFileSync(join(apple, 'mbox'), from() + one('apple'))
    assert.equal(
      place.did(['mail', 'import', ann, ...paths, apple]),
      '14 messages are now in Inbox.\n2 messages are now in Trash.\n',
    )
    assert.deepEqual(
      stored(place, 'Inbox').map(({ subject, seen, flagged }) => `${subject} ${seen}${flagged}`),
      [
        'prose 00',
        'quoted 10',
        'starred 11',
        'new 00',
        'bom 00',
        'empty lines 00',
        'gmail 11',
        'gmail new 00',
        'eudora 00',
        'unix 11',
        'undated 00',
        'eml 00',
        'late 00',
        'apple 00',
      ],
    )
    assert.equal(
      place.did(['mail', 'import', ann, ...paths, apple]),
      '0 messages are now in Inbox.\n16 were there already.\n',
    )
  })

  it('one mail of an mbox that is too large is named and left out, the others are in, and once', () => {
    const place = new Place().withAnn()
    const one = (subject: string, body: string) =>
      `From a Mon Mar  3 09:00:00 2014\nSubject: ${subject}\n\n${body}\n\n`
    const twice = one('twice', 'x')
    const file = place.file(
      'big.mbox',
      one('before', 'x') + one('much', `${'x'.repeat(999)}\n`.repeat(27_000)) + twice + twice,
    )
    for (const [count, known] of [
      [3, ''],
      [0, '3 were there already.\n'],
    ] as const) {
      const outcome = place.run(['mail', 'import', ann, file])
      failed(outcome, /big\.mbox: the mail “much” .* larger than 25 MiB and was left out/)
      assert.equal(outcome.out, `${count} messages are now in Inbox.\n${known}`)
    }
    assert.deepEqual(
      stored(place, 'Inbox').map(({ subject }) => subject),
      ['before', 'twice', 'twice'],
    )
  })

  it('a Maildir’s subfolders become folders, those with a use the ones of that use; all flags count', () => {
    const place = new Place().withAnn()
    const maildir = join(place.folder, 'Maildir')
    const put = (path: string) => {
      mkdirSync(join(maildir, path, '..'), { recursive: true })
      writeFileSync(join(maildir, path), `Subject: ${path}\n\nx\n`)
    }
    for (const path of [
      'cur/1:2,RS',
      'cur/2:2,ST',
      '.Sent/cur/3:2,S',
      '.Lists.Caf&AOk-/new/4',
      '.Drafts/cur/5:2,D',
      '.Empty/tmp/6',
    ])
      put(path)
    const printed = place.did(['mail', 'import', ann, maildir])
    assert.match(printed, /^1 message is now in Inbox\.\n/)
    for (const name of ['Sent', 'Trash', 'Drafts', 'Lists.Café']) {
      assert.match(printed, new RegExp(`1 message is now in ${name}\\.`))
      assert.equal(stored(place, name).length, 1)
    }
    assert.match(printed, /\nThe folder Lists\.Café is new\.\n$/)
    assert.equal(
      place.did(['mail', 'import', ann, '--folder', 'Old', maildir]).split('\n')[0],
      '4 messages are now in Old.',
    )
  })

  it('a broken file is named in one line, and the others are in', () => {
    const place = new Place().withAnn()
    const good = place.file('good.eml', 'Subject: good\n\nx\n')
    const outcome = place.run(['mail', 'import', ann, place.file('bad.eml', Buffer.alloc(3000, 0xff)), good])
    failed(outcome, /bad\.eml is not a mail/)
    assert.equal(outcome.out, '1 message is now in Inbox.\n')
    failed(place.run(['mail', 'import', ann, place.file('gone.eml'), good]), /gone\.eml does not exist/)
    failed(place.run(['mail', 'import', ann, place.folder, good]), /no Maildir/)
    assert.equal(stored(place, 'Inbox').length, 1, 'what is there already is not doubled')
    failed(place.run(['mail', 'export', ann, '--folder', 'Nowhere']), /no such folder/)
    failed(place.run(['mail', 'import', 'ben@example.org', good]), /no user/)
  })

  it('what is exported comes in again with the same octets', (t) => {
    const source = join(corpus, 'thunderbird-desktop', 'eml')
    const place = new Place().withAnn()
    const quoting = 'Subject: q\r\n\r\nFrom a\r\n>From b\r\n>>>From c\r\n\rFrom d\r\n\r\n\r\n'
    place.did(['mail', 'import', ann, '--folder', 'a', place.file('quoting.eml', quoting)])
    if (existsSync(source))
      place.did([
        'mail',
        'import',
        ann,
        '--folder',
        'a',
        ...readdirSync(source).map((name) => join(source, name)),
      ])
    else t.diagnostic('The corpus is not here: only one mail of our own was tried. Set CORPUS_DIR.')
    const exported = place.run(['mail', 'export', ann, '--folder', 'A'])
    place.did(['mail', 'import', ann, '--folder', 'b', place.file('a.mbox', exported.octets)])
    const sorted = (folder: string) =>
      stored(place, folder)
        .map(({ octets }) => octets.toString('latin1'))
        .sort()
    const ended = sorted('a').map((mail) => (mail.endsWith('\n') ? mail : `${mail}\n`))
    assert.deepEqual(sorted('b'), ended)
    assert.deepEqual(place.run(['mail', 'export', ann, '--folder', 'b']).octets, exported.octets)
    assert.equal(place.run(['mail', 'export', ann]).octets.length, 2 * exported.octets.length)
  })
})

describe('backup, restore and check', () => {
  it('B7: old copy, old cookies: a backup made while a key is open opens nothing, whatever the epoch', async (t) => {
    const place = new Place().withKey()
    const epoch = { WAFER_EPOCH_FILE: place.file('epoch', randomBytes(32)) }
    chmodSync(epoch.WAFER_EPOCH_FILE, 0o600)
    const before = await place.serve(t, epoch)
    const { token } = (await api(before.address, 'POST', 'session', { user: ann, password })).body
    const bearer = { authorization: `Bearer ${token}` }
    const { key_token } = (await api(before.address, 'POST', 'allowance', { passphrase }, bearer)).body
    const held = { ...bearer, 'wafer-key': key_token }
    assert.equal((await api(before.address, 'POST', 'sign', { text: 'x' }, held)).status, 200)

    const copy = place.file('copy.db')
    const secret = place.file('copy.secret')
    place.did(['backup', copy, '--secret', secret], '', epoch)
    for (const file of [copy, secret]) assert.equal(statSync(file).mode & 0o777, 0o600)
    const db = new Sqlite(copy, { readonly: true })
    const counts = db
      .prepare('SELECT (SELECT count(*) FROM allowances) AS a, (SELECT count(*) FROM sessions) AS s')
      .get()
    db.close()
    assert.deepEqual(counts, { a: 0, s: 1 })
    assert.equal((await api(before.address, 'POST', 'sign', { text: 'x' }, held)).status, 200) // the live one goes on

    failed(place.run(['restore', copy], '', epoch), /server runs/)
    before.child.kill('SIGTERM')
    await ended(before.child)
    // The very database with its live allowance row, not only a backup: the new epoch shuts it.
    const live = place.file('live.db', readFileSync(join(place.data, 'wafer.db')))
    const oldEpoch = readFileSync(epoch.WAFER_EPOCH_FILE)
    for (const file of [copy, live]) {
      place.did(['restore', file], '', epoch)
      assert.equal(statSync(epoch.WAFER_EPOCH_FILE).mode & 0o777, 0o600)
      assert.notDeepEqual(readFileSync(epoch.WAFER_EPOCH_FILE), oldEpoch)
      const { child, address } = await place.serve(t, epoch)
      assert.equal((await api(address, 'POST', 'sign', { text: 'x' }, held)).status, 403)
      child.kill('SIGTERM')
      await ended(child)
    }
    assert.ok(existsSync(join(place.data, 'wafer.db.before-restore')))
    assert.ok(existsSync(join(place.data, 'wafer.db.before-restore.2')))
  })

  it('B8: a stolen copy does not open with the true passphrase, with the server secret it does', () => {
    const place = new Place().withKey()
    const copy = place.file('copy.db')
    const secret = place.file('copy.secret')
    place.did(['backup', copy, '--secret', secret])
    const exporting = ['key', 'export', ann, '--secret', '--passphrase-stdin']
    const lines = `${passphrase}\nof the copy\n`

    const thief = new Place().addAnn() // with a server secret of another installation
    thief.did(['restore', copy])
    failed(thief.run(exporting, lines), /not the passphrase/)

    const heir = new Place()
    failed(heir.run(['restore', copy]), /no server secret/)
    heir.did(['restore', copy, '--secret', secret])
    assert.equal(heir.did(['user', 'list']), `${ann}\tAnn\n`)
    assert.match(heir.did(exporting, lines), /BEGIN PGP PRIVATE KEY BLOCK/)
    assert.match(heir.did(['check']), /^Database: sound\.$/m)
  })

  it('backup writes over nothing and leaves nothing half done', () => {
    const place = new Place().withAnn()
    const there = place.file('there', 'precious')
    failed(place.run(['backup', there]), /exists already/)
    failed(place.run(['backup', place.file('new'), '--secret', there]), /exists already/)
    failed(place.run(['backup', place.file('same'), '--secret', place.file('same')]), /two files/)
    failed(place.run(['backup', place.file('no/folder')]), /cannot be written/)
    assert.equal(readFileSync(there, 'utf8'), 'precious')
    assert.deepEqual(readdirSync(place.folder).sort(), ['data', 'there'])
    failed(new Place().run(['backup', place.file('none')]), /no database/)
  })

  it('restore looks before it touches: what is damaged, foreign or empty changes nothing', () => {
    const place = new Place().withKey()
    for (let part = 0; part < 20; part += 1)
      place.file(`${part}.eml`, `Subject: ${part}\n\n${'x'.repeat(20_000)}\n`)
    place.did(['mail', 'import', ann, ...Array.from({ length: 20 }, (_, part) => place.file(`${part}.eml`))])
    const copy = place.file('copy.db')
    place.did(['backup', copy])
    const damaged = place.file('damaged.db', readFileSync(copy))
    const handle = openSync(damaged, 'r+')
    for (let page = 5; page < 80; page += 3) writeSync(handle, Buffer.alloc(3000, 0xff), 0, 3000, page * 4096)
    const database = join(place.data, 'wafer.db')
    const before = readFileSync(database)
    failed(place.run(['restore', damaged]), /damaged/)
    failed(
      place.run([
        'restore',
        place.file('text', 'no database at all, but some text that is long enough'.repeat(9)),
      ]),
      /not a Wafer database/,
    )
    failed(place.run(['restore', place.file('empty', '')]), /not a Wafer database/)
    failed(place.run(['restore', place.file('gone')]), /does not exist/)
    failed(place.run(['restore', copy, '--secret', place.file('text')]), /server secret/)
    assert.deepEqual(readFileSync(database), before)
    assert.deepEqual(readdirSync(place.data).sort(), ['server-secret', 'serving.lock', 'wafer.db'])

    // Of a damaged database `check` says so, and `restore` brings the backup in its place.
    writeFileSync(database, readFileSync(damaged))
    const outcome = place.run(['check'])
    assert.equal(outcome.code, 1)
    assert.match(outcome.out, /^Database: damaged/m)
    place.did(['restore', copy])
    place.did(['check'])
    assert.equal(place.run(['mail', 'export', ann]).out.match(/^Subject: /gm)?.length, 20)
  })

  it('check finds a ledger that was edited, another server secret, and one that is missing', async (t) => {
    const place = new Place().withKey()
    const { child, address } = await place.serve(t)
    const { token } = (await api(address, 'POST', 'session', { user: ann, password })).body
    const bearer = { authorization: `Bearer ${token}` }
    for (const _ of [1, 2, 3]) await api(address, 'POST', 'allowance', { passphrase }, bearer)
    assert.match(place.did(['check']), /^Ledger: complete and unchanged\.$/m)
    child.kill('SIGTERM')
    await ended(child)
    const copy = place.file('copy.db')
    place.did(['backup', copy])

    const db = new Sqlite(join(place.data, 'wafer.db'))
    db.exec('DELETE FROM ledger WHERE id = (SELECT max(id) FROM ledger)')
    db.close()
    const tampered = place.run(['check'])
    failed(tampered, /Not everything is sound/)
    assert.match(tampered.out, /^Ledger: .*taken out: ann@example\.org\.$/m)

    const other = new Place().addAnn()
    failed(other.run(['restore', copy]), /server secret does not belong/)
    assert.equal(other.did(['user', 'list']), `${ann}\tAnn\n`)
    writeFileSync(join(place.data, 'server-secret'), readFileSync(join(other.data, 'server-secret')))
    assert.match(place.run(['check']).out, /^Server secret: it is not the one/m)
    chmodSync(join(other.data, 'server-secret'), 0o644)
    assert.match(other.run(['check']).out, /^Server secret: others may read/m)
    rmSync(join(place.data, 'server-secret'))
    failed(place.run(['check']), /Not everything is sound/)
    failed(place.run(['serve']), /server-secret is missing/)
  })
})
