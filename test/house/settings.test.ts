/** The settings: what is malformed or cannot be meant stops the start in one sentence, what is dangerous is said at it. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { noticesOn, readConfig, serverAddress } from '../../server/ground/config.ts'
import { wafer as program, vectors } from '../support/places.ts'

const root = mkdtempSync(join(tmpdir(), 'wafer-settings-'))
after(() => rmSync(root, { recursive: true, force: true }))
const data = join(root, 'data')

const withEnvFile = (text: string) => {
  const folder = mkdtempSync(join(root, 'data-'))
  writeFileSync(join(folder, '.env'), text)
  return { WAFER_DATA: folder }
}

const refused = (environment: Record<string, string>, sentence: RegExp) =>
  assert.throws(
    () => readConfig({ WAFER_DATA: data, ...environment }),
    (error: Error) => {
      assert.match(error.message, sentence)
      assert.match(error.message, /^[^\n]+\.$/)
      return true
    },
    JSON.stringify(environment),
  )

test('Domains are names of two labels at least; what was meant otherwise is refused', () => {
  for (const domains of [
    'bad domain',
    'bad',
    'a..b',
    '-a.example',
    'a-.example',
    `${'x'.repeat(64)}.org`,
    ',',
    'a@b.org',
  ])
    refused({ WAFER_DOMAINS: domains }, /^WAFER_DOMAINS is not a list of domains/)
  const taken = (text: string) => readConfig({ WAFER_DATA: data, WAFER_DOMAINS: text }).domains
  assert.deepEqual(taken('Example.org, mail.example.net xn--mnchen-3ya.de'), [
    'example.org',
    'mail.example.net',
    'xn--mnchen-3ya.de',
  ])
  assert.deepEqual(taken('localhost'), ['localhost'])
})

test('An idle time beyond the longest time is refused; the usual one gives way to a shorter longest time', () => {
  for (const of of ['WAFER_SESSION', 'WAFER_ALLOWANCE']) {
    refused(
      { [`${of}_IDLE`]: '61m', [`${of}_MAX`]: '1h' },
      new RegExp(`^${of}_IDLE is longer than ${of}_MAX \\(1h\\)`),
    )
    readConfig({ WAFER_DATA: data, [`${of}_IDLE`]: '60m', [`${of}_MAX`]: '1h' })
  }
  refused({ WAFER_SESSION_IDLE: '13h' }, /WAFER_SESSION_MAX \(12h\)/)
  refused({ WAFER_SESSION_IDLE: '2m', WAFER_SESSION_MAX: '90s' }, /WAFER_SESSION_MAX \(90s\)/)
  refused({ WAFER_ALLOWANCE_IDLE_MOST: '61m' }, /^WAFER_ALLOWANCE_IDLE_MOST is not between.*\(5m\).*\(1h\)/)
  refused({ WAFER_ALLOWANCE_IDLE_MOST: '4m' }, /^WAFER_ALLOWANCE_IDLE_MOST is not between/)
  const short = readConfig({ WAFER_DATA: data, WAFER_ALLOWANCE_MAX: '2m', WAFER_SESSION_MAX: '10m' })
  assert.equal(short.allowanceIdleMs, 120_000)
  assert.equal(short.sessionIdleMs, 600_000)
})

test('A proxy is named by addresses; nothing in its place trusts everybody', () => {
  for (const proxy of [
    '10.0.0.1/',
    '10.0.0.0/0',
    '::/0',
    '10.0.0.0/33',
    '10.0.0.0/8/9',
    '10.0.0.0/1e1',
    ',',
    'nginx',
  ])
    refused({ WAFER_PROXY: proxy }, /^WAFER_PROXY is not an address or network/)
  const { proxy } = readConfig({ WAFER_DATA: data, WAFER_PROXY: '10.0.0.0/24, 192.0.2.7 fd00::/8' })
  const inside = (address: string) => proxy!.check(address, address.includes(':') ? 'ipv6' : 'ipv4')
  assert.deepEqual(['10.0.0.9', '192.0.2.7', 'fd00::1'].map(inside), [true, true, true])
  assert.deepEqual(['10.0.1.9', '192.0.2.8', 'fe80::1'].map(inside), [false, false, false])
})

test('A line of .env that sets nothing, an unknown name, and the data folder itself are refused', () => {
  refused(withEnvFile('WAFER_DATA=/elsewhere\n'), /^WAFER_DATA stands in .*\.env/)
  refused(withEnvFile('WAFER_DATA=\n'), /^WAFER_DATA stands in/)
  refused(withEnvFile('# ports\nWAFER_PORT: 9000\n'), /^Line 2 of .*\.env is not like WAFER_PORT=8080\./)
  refused(withEnvFile('export WAFER_PORT 9000'), /^Line 1 of/)
  refused(withEnvFile('wafer_port=9000'), /^wafer_port is not a setting/)
  refused(withEnvFile('\uFEFFWAFER_BOGUS=1'), /^WAFER_BOGUS is not a setting/)
  refused(withEnvFile('WAFER_BOGUS='), /^WAFER_BOGUS is not a setting/)
  const read = readConfig(withEnvFile('export WAFER_PORT  = 9000 # ours\nWAFER_RELAY=\nPATH=/bin\n'))
  assert.equal(read.port, 9000)
  assert.equal(read.relay, null)
})

test('A certificate and a key are looked at before anything is served', () => {
  const cert = join(vectors, 'localhost-cert.pem')
  const key = join(vectors, 'localhost-key.pem')
  refused({ WAFER_TLS_CERT: key, WAFER_TLS_KEY: key }, /^WAFER_TLS_CERT: .* certificate/)
  refused({ WAFER_TLS_CERT: cert, WAFER_TLS_KEY: cert }, /^WAFER_TLS_KEY: .* key/)
  refused(
    { WAFER_TLS_CERT: cert, WAFER_TLS_KEY: join(vectors, 'odd-key.pem') },
    /^WAFER_TLS_KEY: .* is not that of the certificate/,
  )
  assert.ok(readConfig({ WAFER_DATA: data, WAFER_TLS_CERT: cert, WAFER_TLS_KEY: key }).tls)
})

test('What is permitted but dangerous is said: an http origin elsewhere, https without TLS, mail in the clear', () => {
  const notices = (environment: Record<string, string>) =>
    noticesOn(readConfig({ WAFER_DATA: data, ...environment })).join('\n')
  assert.equal(notices({}), '')
  assert.match(
    notices({ WAFER_ORIGIN: 'http://mail.example.org' }),
    /^WAFER_ORIGIN is http:\/\/mail\.example\.org: /,
  )
  for (const origin of [
    'http://localhost:9000',
    'http://wafer.localhost',
    'http://127.0.0.1',
    'http://[::1]:80',
  ])
    assert.equal(notices({ WAFER_ORIGIN: origin }), '', origin)
  assert.match(notices({ WAFER_ORIGIN: 'https://mail.example.org' }), /plain HTTP/)
  assert.equal(notices({ WAFER_ORIGIN: 'https://mail.example.org', WAFER_PROXY: '127.0.0.1' }), '')
  assert.match(notices({ WAFER_SMTP_HOST: '0.0.0.0' }), /^WAFER_SMTP_HOST is 0\.0\.0\.0.* unencrypted/)
  const tls = {
    WAFER_TLS_CERT: join(vectors, 'localhost-cert.pem'),
    WAFER_TLS_KEY: join(vectors, 'localhost-key.pem'),
  }
  assert.equal(notices({ WAFER_SMTP_HOST: '0.0.0.0', ...tls }), '')
})

test('A terminal client on the same machine finds the server by the settings of the place', () => {
  assert.equal(serverAddress({ WAFER_DATA: data }), 'http://localhost:8080')
  assert.equal(serverAddress({ WAFER_DATA: data, WAFER_PORT: '9000' }), 'http://localhost:9000')
  const inFile = withEnvFile(
    'WAFER_ORIGIN=https://mail.example.org\nWAFER_TLS_CERT=/no/cert\nWAFER_TLS_KEY=/no/key\n',
  )
  assert.equal(serverAddress(inFile), 'https://mail.example.org')
  assert.equal(
    serverAddress(withEnvFile('WAFER_PORT=8443\nWAFER_TLS_CERT=/no/cert\nWAFER_TLS_KEY=/no/key')),
    'https://localhost:8443',
  )
})

test('The terminal client asks where this call says, else where one logged in last, else what the settings here say', () => {
  const home = mkdtempSync(join(root, 'home-'))
  const here = withEnvFile('WAFER_PORT=4')
  const asks = (environment: Record<string, string>, words: string[] = []) => {
    const env = { PATH: process.env.PATH ?? '', HOME: home, ...here, ...environment }
    const { stdout } = spawnSync(process.execPath, [program, 'tui', '--plain', ...words], { env, input: '' })
    return String(stdout).match(/^Wafer, in plain lines, with (\S+)\.$/m)?.[1]
  }
  assert.equal(asks({}), 'localhost:4')
  mkdirSync(join(home, '.local', 'state', 'wafer'), { recursive: true, mode: 0o700 })
  const kept = join(home, '.local', 'state', 'wafer', 'session.json')
  writeFileSync(kept, JSON.stringify({ server: 'http://localhost:5', user: 'ann' }), { mode: 0o600 })
  assert.equal(asks({}), 'localhost:5')
  assert.equal(asks({ WAFER_PORT: '3' }), 'localhost:3')
  assert.equal(asks({ WAFER_PORT: '3' }, ['--server', 'localhost:2']), 'localhost:2')
})

const serve = (environment: Record<string, string>) => {
  const env = {
    PATH: process.env.PATH ?? '',
    WAFER_DATA: data,
    WAFER_PORT: '0',
    WAFER_SMTP_PORT: '0',
    WAFER_SSH_PORT: 'off',
    ...environment,
  }
  return { env, refusal: () => spawnSync(process.execPath, [program, 'serve'], { env, timeout: 60_000 }) }
}

test('Authorities for S/MIME are certificates and lists that can be read, or the server does not start (P3)', () => {
  const certificate = readFileSync(join(vectors, 'localhost-cert.pem'), 'utf8')
  const file = (name: string, text: string) => {
    writeFileSync(join(root, name), text)
    return join(root, name)
  }
  const good = file('ca.pem', `A root of ours\n${certificate}\n${certificate}`)
  assert.equal(readConfig({ WAFER_DATA: data, WAFER_SMIME_CA: good }).smime.certificates.length, 2)
  assert.deepEqual(readConfig({ WAFER_DATA: data }).smime, { certificates: [], revocationLists: [] })
  refused({ WAFER_SMIME_CA: join(root, 'nowhere') }, /^WAFER_SMIME_CA: .*nowhere cannot be read/)
  refused(
    { WAFER_SMIME_CA: file('empty.pem', '') },
    /^WAFER_SMIME_CA: .* holds no "BEGIN CERTIFICATE" as PEM/,
  )
  refused({ WAFER_SMIME_CRL: good }, /^WAFER_SMIME_CRL: .* holds no "BEGIN X509 CRL" as PEM/)
  refused({ WAFER_SMIME_CA: file('large.pem', certificate.repeat(10_000)) }, /is larger than 4 MiB/)
  for (const [setting, label] of [
    ['WAFER_SMIME_CA', 'CERTIFICATE'],
    ['WAFER_SMIME_CRL', 'X509 CRL'],
  ] as const) {
    const broken = file('broken.pem', `-----BEGIN ${label}-----\nMIIB\n-----END ${label}-----\n`)
    const { status, stderr } = serve({ [setting]: broken }).refusal()
    assert.match(String(stderr), new RegExp(`^wafer: ${setting} holds a .* that cannot be read\\.\n$`))
    assert.equal(status, 1)
  }
})

test('The epoch file is made by its owner, for nobody else: missing, readable by others or of another length it is refused', () => {
  const file = join(root, 'epoch')
  const said = (sentence: RegExp) => {
    const { status, stderr } = serve({ WAFER_EPOCH_FILE: file }).refusal()
    assert.match(String(stderr), sentence)
    assert.match(String(stderr), /^wafer: WAFER_EPOCH_FILE: [^\n]+\n$/)
    assert.equal(status, 1)
  }
  said(
    /does not exist\. Where others serve the database, copy theirs; else make one: \(umask 077; head -c 32 \/dev\/urandom > /,
  )
  assert.equal(existsSync(file), false)
  for (const mode of [0o644, 0o640, 0o604, 0o620]) {
    writeFileSync(file, randomBytes(32))
    chmodSync(file, mode)
    said(/by others: end that with chmod 600/)
  }
  chmodSync(file, 0o600)
  writeFileSync(file, 'short')
  said(/should hold 32 octets, but holds 5/)
  rmSync(file)
  mkdirSync(file, { mode: 0o700 })
  said(/is not a file/)
})

test('The epoch file that the sentence tells how to make is taken', async (t) => {
  const file = join(root, "ann's epoch")
  const { stderr } = serve({ WAFER_EPOCH_FILE: file }).refusal()
  const command = String(stderr).match(/make one: (.*)\.\n$/)?.[1] ?? ''
  assert.equal(spawnSync('sh', ['-c', command]).status, 0, command)
  assert.equal(readFileSync(file).length, 32)
  await started(t, { WAFER_EPOCH_FILE: file })
})

test('An LMTP socket in a folder that is not there is refused in a sentence', () => {
  const { status, stderr } = serve({ WAFER_LMTP_SOCKET: join(root, 'nowhere', 'lmtp') }).refusal()
  assert.match(
    String(stderr),
    /^wafer: WAFER_LMTP_SOCKET: there is no folder \S+nowhere to put the socket in\. [^\n]+\n$|\n/,
  )
  assert.match(String(stderr), /there is no folder .*nowhere/)
  assert.doesNotMatch(String(stderr), /EACCES/)
  assert.equal(status, 1)
})

test('The server says at its start what is dangerous, and serves', async (t) => {
  const { complained } = await started(t, { WAFER_ORIGIN: 'http://mail.example.org' })
  assert.match(complained(), /^wafer: WAFER_ORIGIN is http:\/\/mail\.example\.org: [^\n]+\n/)
})

/** A server that runs until the test ends. */
const started = async (
  t: { after(work: () => Promise<void>): void },
  environment: Record<string, string>,
) => {
  const { env } = serve({ WAFER_DATA: mkdtempSync(join(root, 'data-')), ...environment })
  const child: ChildProcess = spawn(process.execPath, [program, 'serve'], { env })
  t.after(async () => {
    child.kill('SIGTERM')
    if (child.exitCode === null) await once(child, 'exit')
  })
  let complained = ''
  child.stderr!.on('data', (text) => (complained += text))
  const [first] = await Promise.race([once(child.stdout!, 'data'), once(child, 'exit')])
  assert.match(String(first), /^Wafer listens on/, complained)
  return { complained: () => complained }
}
