/**
 * The SSH door, with other people's clients: who may log in, what a connection is, that it and its session end together
 * whatever dies, and that nobody who floods it takes others down.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { sshLimits } from '../../server/ground/limits.ts'
import { openServices } from '../../server/main.ts'
import { needs } from '../support/programs.ts'
import {
  ann,
  doorProcess,
  memoryOf,
  overSsh,
  SshPerson,
  served,
  serving,
  terminals,
  until,
} from '../support/ssh.ts'
import { agentWithAuthenticator } from '../support/ssh-agent.ts'
import { passphrase, password, problem, Terminal, World } from '../support/world.ts'

const tried = (person: SshPerson, options: Parameters<SshPerson['run']>[1]) => person.run(['status'], options)

// ---- log-in

test('By password or by one of their keys a user logs in with OpenSSH and dropbear, by address or short name, and by nothing else (S1080/P88)', async (t) => {
  if (!needs(t, 'ssh', 'ssh-keygen', 'dbclient', 'dropbearkey')) return
  const { server, port, fingerprint, person } = await served(t)
  const desk = await server.terminal(ann, 'desk')

  // The host key is one file for its owner alone, and what the client shows is what was printed.
  const hostKey = join(server.config.data, 'ssh_host_ed25519_key')
  assert.equal(statSync(hostKey).mode & 0o777, 0o600)
  assert.equal(execFileSync('ssh-keygen', ['-lf', hostKey], { encoding: 'utf8' }).split(' ')[1], fingerprint)

  const shown = await tried(person, {})
  assert.deepEqual([shown.code, shown.err], [0, ''])
  assert.match(shown.out, /^user\tann@wafer\.test$/m)
  assert.match(shown.out, /^terminal\tSSH from 127\.0\.0\.1$/m)
  assert.match(shown.out, /^key\tlocked$/m)
  const known = execFileSync('ssh-keygen', ['-lf', person.file('known')], { encoding: 'utf8' })
  assert.ok(known.includes(fingerprint))
  // By the password method alone, by short name, in capitals.
  const byPassword = ['-o', 'PreferredAuthentications=password']
  for (const user of ['ann', 'Ann@Wafer.Test'])
    assert.equal((await tried(person, { user, options: byPassword })).code, 0, user)

  // Two of that name: the short one is nobody's.
  await server.addUser('ann@other.test', { key: false })
  const [wrong, unknown, ambiguous, empty] = [
    await tried(person, { password: 'not the password' }),
    await tried(person, { user: 'nobody@wafer.test' }),
    await tried(person, { user: 'ann' }),
    await tried(person, { user: '@' }),
  ]
  for (const outcome of [wrong, unknown, ambiguous, empty]) {
    assert.equal(outcome.code, 255)
    assert.equal(
      outcome.err.replace(/^\S+@127/, '@127'),
      '@127.0.0.1: Permission denied (publickey,keyboard-interactive,password).\r\n',
    )
  }

  // Keys of each kind; each is a log-in and nothing more.
  const keys = [
    person.newKey('ed25519', 'ed25519'),
    person.newKey('rsa', 'rsa', '-b', '2048'),
    person.newKey('p256', 'ecdsa', '-b', '256'),
    person.newKey('p521', 'ecdsa', '-b', '521'),
  ]
  const strange = person.newKey('strange', 'ed25519')
  for (const { line } of keys) assert.equal((await desk.post('/ssh-keys', { key: line })).status, 201)
  const byKey = (identity: string, ...options: string[]) =>
    tried(person, { identity, password: null, options })
  for (const { file } of keys) {
    const outcome = await byKey(file)
    assert.equal(outcome.code, 0, `${file}: ${outcome.err}`)
    assert.match(outcome.out, /^key\tlocked$/m)
  }
  const { keys: listed } = (await desk.get('/ssh-keys')).body
  assert.ok(listed.every(({ used_at }: { used_at: string | null }) => used_at !== null))
  assert.equal((await byKey(strange.file)).code, 255)
  // RSA with SHA-1.
  assert.equal((await byKey(keys[1]!.file, '-o', 'PubkeyAcceptedAlgorithms=ssh-rsa')).code, 255)
  // Somebody else's key is nobody's here.
  assert.equal(
    (await tried(person, { user: 'ann@other.test', identity: keys[0]!.file, password: null })).code,
    255,
  )
  await desk.delete(`/ssh-keys/${listed[0].id}`)
  assert.equal((await byKey(keys[0]!.file)).code, 255)

  // On an authenticator: with somebody present it logs in, without it does not.
  for (const kind of ['sk-ssh-ed25519@openssh.com', 'sk-ecdsa-sha2-nistp256@openssh.com'] as const) {
    const authenticator = await agentWithAuthenticator(t, person.file(`agent-${kind.slice(3, 8)}`), kind)
    assert.equal((await desk.post('/ssh-keys', { key: authenticator.line })).status, 201)
    const touched = () =>
      tried(person, {
        password: null,
        options: ['-o', 'IdentitiesOnly=no'],
        environment: { SSH_AUTH_SOCK: authenticator.socket },
      })
    assert.equal((await touched()).code, 0, kind)
    authenticator.isPresent = false
    assert.equal((await touched()).code, 255, kind)
  }

  // Dropbear's client, by password and by key.
  const drop = (words: string[], environment: Record<string, string> = {}) => {
    const env = { PATH: process.env.PATH, HOME: person.folder, ...environment }
    return new Promise<{ code: number | null; out: string }>((resolve) => {
      const child = spawn('dbclient', ['-y', '-y', '-T', '-p', `${port}`, '-l', ann, ...words], { env })
      let out = ''
      child.stdout.on('data', (text) => (out += text))
      child.on('close', (code) => resolve({ code, out }))
      child.stdin.end()
    })
  }
  const dropped = await drop(['127.0.0.1', 'folders'], { DROPBEAR_PASSWORD: password })
  assert.deepEqual([dropped.code, dropped.out.split('\n')[0]], [0, 'Inbox\tinbox\t0\t0'])
  const made = execFileSync('dropbearkey', ['-t', 'ed25519', '-f', person.file('drop')], { encoding: 'utf8' })
  await desk.post('/ssh-keys', { key: made.match(/^ssh-ed25519 .*$/m)![0] })
  assert.equal((await drop(['-i', person.file('drop'), '127.0.0.1', 'status'])).code, 0)

  // Each of these connections is over, and so is its session; the ledger and the logs say no secret.
  await until(async () => (await overSsh(desk)) === 0)
  assert.deepEqual(await terminals(desk), ['desk'])
  assert.ok(!server.logged.join('\n').includes(password))
})

test('Guesses by SSH count with those on pages, and who is to wait reads so (S1080/P88)', async (t) => {
  if (!needs(t, 'ssh')) return
  const { server, person } = await served(t)
  for (let times = 0; times < 5; times += 1)
    assert.equal((await tried(person, { password: 'wrong words' })).code, 255)
  const waits = await tried(person, { options: ['-o', 'LogLevel=INFO'] })
  assert.equal(waits.code, 255)
  assert.match(waits.err, /Too many wrong tries\. Please wait \d+ min and try again\./)
  const { status, body } = await new Terminal(() => server.url).post('/session', {
    user: ann,
    password,
  })
  assert.deepEqual([status, body.type], [429, 'urn:wafer:problem:slow-down'])
})

// ---- what a connection is

test('There is the client, its commands, and nothing else: no forwarding, agent, screen, shell, variable (P88)', async (t) => {
  if (!needs(t, 'ssh')) return
  const { server, person } = await served(t)
  await server.deliver(ann, 'From: bob@example.org\nSubject: Hello\n\nA line.\n')
  const run = (words: string[], options: string[] = [], rest = {}) => person.run(words, { options, ...rest })
  // Commands: words as a shell would make them, output, exit codes, input.
  const [mail] = JSON.parse((await run(['ls', '--json'])).out)
  assert.match((await run(['read', String(mail.id)])).out, /A line\./)
  assert.match((await run(["search 'Hello'"])).out, /Hello/)
  assert.equal((await run(['read', '999'])).code, 1)
  assert.equal((await run(['ls', '--nonsense'])).code, 2)
  const sent = await run(['send', '--to', ann, '--subject', '"two words"'], [], {
    input: 'Written by SSH.\n',
  })
  assert.deepEqual([sent.code, sent.err], [0, ''])
  assert.match((await run(['ls'])).out, /two words/)
  for (const command of [
    'sh',
    '/bin/sh',
    'ls; id',
    'ls "',
    'scp -t /tmp',
    'serve',
    'user list',
    'x'.repeat(33_000),
  ])
    assert.equal((await run([command])).code, 2, command.slice(0, 20))

  // Ways through the server to elsewhere: to itself would be enough.
  const bait = createServer((socket) => socket.end('through'))
  t.after(() => bait.close())
  bait.listen(0, '127.0.0.1')
  await once(bait, 'listening')
  const { port: inside } = bait.address() as { port: number }
  const direct = await run([], ['-W', `127.0.0.1:${inside}`])
  assert.notEqual(direct.code, 0)
  assert.ok(!direct.out.includes('through'))
  const back = await run(['status'], ['-o', 'ExitOnForwardFailure=yes', '-R', `0:127.0.0.1:${inside}`])
  assert.equal(back.code, 255)
  assert.match(back.err, /remote port forwarding failed/)
  const unix = await run(
    ['status'],
    ['-o', 'ExitOnForwardFailure=yes', '-R', `/tmp/x-${process.pid}:127.0.0.1:${inside}`],
  )
  assert.equal(unix.code, 255)
  const subsystem = await run(['netconf'], ['-s'])
  assert.match(`${subsystem.code} ${subsystem.err}`, /^255 .*subsystem request failed/s)
  // Of an agent and a screen of theirs it takes no notice; of variables only three.
  assert.equal((await run(['status'], ['-A', '-X'])).code, 0)
  const environment = { WAFER_DATA: '/', NODE_OPTIONS: '--inspect', LC_ALL: 'C', NO_COLOR: '1' }
  const sending = ['-o', 'SendEnv=WAFER_DATA NODE_OPTIONS LC_ALL NO_COLOR']
  assert.equal((await run(['status'], sending, { environment })).code, 0)
})

test('Programs that share a connection share its session and its key; log-out, or the end of the session, ends it (S1080/P88)', async (t) => {
  if (!needs(t, 'ssh')) return
  const { server, person } = await served(t)
  const desk = await server.terminal(ann, 'desk')
  const first = await person.share('first')
  assert.equal((await first.unlock()).code, 0)
  assert.match((await first.run(['status'])).out, /^key\topen/m)
  assert.equal(await overSsh(desk), 1)
  assert.equal(problem(await desk.post('/allowance', { passphrase })), 'key-in-use')
  assert.equal((await first.run(['lock'])).code, 0)
  assert.match((await first.run(['status'])).out, /^key\tlocked/m)
  assert.equal((await first.unlock()).code, 0)

  // More channels than may be, at once.
  const many = Array.from({ length: sshLimits.channels + 5 }, () => first.run(['wait', '--timeout', '2s']))
  const refused = (await Promise.all(many)).filter(({ code }) => code === 255)
  assert.ok(refused.length >= 5, `${refused.length}`)

  // Ended at another terminal: the connection goes, and the key with it.
  const { terminals: all } = (await desk.get('/terminals')).body
  const { id } = all.find(({ terminal }: { terminal: string }) => terminal.startsWith('SSH'))
  const lines = first.begin(['tui', '--plain'])
  let said = ''
  for (const stream of [lines.stdout, lines.stderr]) stream.on('data', (text) => (said += text))
  const linesEnded = once(lines, 'close')
  await until(() => said.includes('> '))
  assert.equal((await desk.delete(`/terminals/${id}`)).status, 204)
  await Promise.all([linesEnded, first.ended])
  assert.match(said, /This session is over: .* Please log in again\.\n$/)
  assert.equal(await overSsh(desk), 0)
  assert.equal((await desk.post('/allowance', { passphrase })).status, 201)
  await desk.delete('/allowance')

  // By time: nothing was done for too long.
  const second = await person.share('second')
  server.pass(16 * 60_000)
  await second.ended

  // By the person.
  const again = await server.terminal(ann, 'desk again')
  const third = await person.share('third')
  await third.run(['logout'])
  await third.ended
  await until(async () => (await overSsh(again)) === 0)
})

// ---- whatever dies

/** Those that work with keys and mail. */
const childProcesses = (): number[] => {
  const pids = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)], { encoding: 'utf8' })
  return pids
    .split('\n')
    .flatMap((each) => (each.includes('dist/child.js') ? [Number.parseInt(each, 10)] : []))
}

test('However a connection ends, its session, its key and the processes with the key end at once: client, door and server killed (S1080/P88)', async (t) => {
  if (!needs(t, 'ssh')) return
  const { server, port, person } = await served(t)
  const desk = await server.terminal(ann, 'desk')
  const open = async (name: string) => {
    const connection = await person.share(name)
    const unlocked = await connection.unlock()
    assert.equal(unlocked.code, 0, unlocked.err)
    return connection
  }
  const isFree = async () => {
    const { status } = await desk.unlock()
    if (status !== 201) return false
    await desk.delete('/allowance')
    return true
  }

  const killed = await open('killed')
  assert.equal(await isFree(), false)
  const withKey = childProcesses()
  killed.master.kill('SIGKILL')
  await until(async () => (await overSsh(desk)) === 0)
  // One of them may be the next one, without a key.
  await until(() => childProcesses().filter((pid) => withKey.includes(pid)).length <= 1)
  assert.equal(await isFree(), true)
  const ended = (await desk.get('/log')).body.events.find(({ event }: { event: string }) => event === 'ended')
  assert.ok(ended)

  const cut = await open('cut')
  process.kill(doorProcess(), 'SIGKILL')
  await cut.ended
  await until(async () => (await overSsh(desk)) === 0)
  assert.equal(await isFree(), true)
  // It is there again, on its port and with its host key.
  await until(async () => (await person.run(['status'])).code === 0)
  assert.equal(server.running.ssh!.port, port)

  // The server is stopped: clients are told, and the port is free.
  const last = await open('last')
  let said = ''
  const client = person.start(['tui', '--plain'])
  for (const stream of [client.stdout, client.stderr]) stream.on('data', (text) => (said += text))
  await until(() => said.includes('> '))
  const ends = [last.ended, once(client, 'close')]
  await server.stop()
  await Promise.all(ends)
  assert.match(said, /being stopped/)
  assert.throws(doorProcess)
})

test('A server that is killed takes its door with it, and the next one ends the sessions that connections had (S1080/P88)', async (t) => {
  if (!needs(t, 'ssh')) return
  const { server } = await served(t)
  const { data } = server.config
  await server.stop()
  const first = await serving(t, data, server.database)
  const person = new SshPerson(t, first.port, ann)
  const client = person.start(['wait', '--timeout', '10m'])
  const ended = once(client, 'exit')
  const rows = async () => {
    const services = await openServices(server.config)
    const found = await services.sessions.list((await services.users.byAddress(ann))!)
    await services.close()
    return found.map(({ terminal }) => terminal)
  }
  await until(async () => (await rows()).includes('SSH from 127.0.0.1'))
  first.child.kill('SIGKILL')
  await ended
  assert.deepEqual(await rows(), ['SSH from 127.0.0.1'], 'a row is left')
  await server.start()
  assert.deepEqual(await rows(), [])
})

test('Where the port is taken a server says so: the usual one it does without, a chosen one stops it (P88)', async (t) => {
  const { server, port } = await served(t)
  const taken = new RegExp(`WAFER_SSH_PORT: 127\\.0\\.0\\.1:${port} is taken by another program`)
  const beside = new World({ WAFER_SSH_PORT: String(port) })
  t.after(() => beside.end())
  await assert.rejects(beside.start(), { name: 'Unusable', message: taken })
  for (const [settings, message] of [
    [{ WAFER_SSH_PORT: '0', WAFER_SSH_HOST: '192.0.2.1' }, /WAFER_SSH_HOST.*192\.0\.2\.1/],
    [{ WAFER_SMTP_PORT: String(port) }, /WAFER_SMTP_PORT: 127\.0\.0\.1:\d+ is taken by another program/],
  ] as [Record<string, string>, RegExp][]) {
    const elsewhere = new World(settings)
    t.after(() => elsewhere.end())
    await assert.rejects(elsewhere.start(), { name: 'Unusable', message })
  }
  assert.equal(server.running.ssh!.port, port)
})

// ---- floods

const spoken = (port: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket))
    socket.on('error', reject)
  })

test('Two hundred connections that never log in, endless banners and nonsense cost nobody anything (P88)', async (t) => {
  if (!needs(t, 'ssh')) return
  const { server, port, person } = await served(t)
  const desk = await server.terminal(ann, 'desk')
  const door = doorProcess()
  const sockets: Socket[] = []
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  let closed = 0
  for (let each = 0; each < 200; each += 1) {
    const socket = await spoken(port)
    socket.on('close', () => (closed += 1)).resume()
    if (each % 4 === 1) socket.write('SSH-2.0-Silent\r\n')
    if (each % 4 === 2) socket.write(`${'x'.repeat(60_000)}`)
    if (each % 4 === 3) socket.write(Buffer.alloc(50_000, 0xff))
    sockets.push(socket)
  }
  await until(() => closed >= 200 - sshLimits.strangersOfNetwork)
  assert.equal((await tried(person, {})).code, 0)
  assert.equal((await desk.get('/folders')).status, 200)
  assert.equal(doorProcess(), door, 'the same process serves')
  const memory = memoryOf(door)
  assert.ok(memory < 250_000, `${memory} KiB`)
})
