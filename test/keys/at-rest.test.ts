/** What lies on the disk and what stays in memory: enough to go on, nothing to open a key with. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  closeSync,
  cpSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import * as openpgp from 'openpgp'
import { isPostgres } from '../../server/ground/store/kit.ts'
import { sqliteAlone } from '../support/databases.ts'
import { root } from '../support/places.ts'
import { sqliteOf } from '../support/sqlite.ts'
import { passphrase, password, problem, Terminal, World, world } from '../support/world.ts'

const ann = 'ann@wafer.test'
const canary = 'Kanarienvogel im Schacht, 鉱山のカナリア, 4711'

/** Every form in which a text could have been written down. */
const encodings = (text: string): Buffer[] => {
  const utf8 = Buffer.from(text)
  const base64 = [0, 1, 2].flatMap((offset) => {
    const shifted = Buffer.concat([Buffer.alloc(offset), utf8])
    const inner = shifted.toString('base64').slice(offset ? 4 : 0, -4)
    return [inner, inner.replaceAll('+', '-').replaceAll('/', '_')]
  })
  const quotedPrintable = [...utf8]
    .map((octet) =>
      octet > 126 || octet === 61
        ? `=${octet.toString(16).toUpperCase().padStart(2, '0')}`
        : String.fromCharCode(octet),
    )
    .join('')
  const forms = [
    ...base64,
    quotedPrintable,
    encodeURIComponent(text),
    JSON.stringify(text).slice(1, -1),
    utf8.toString('hex'),
  ]
  const escaped = text.replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return [utf8, Buffer.from(text, 'utf16le'), ...[...forms, escaped].map((form) => Buffer.from(form))]
}

const findings = (folder: string, secrets: string[]): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .flatMap((entry) => {
      const content = readFileSync(join(entry.parentPath, entry.name))
      return secrets
        .filter((secret) => encodings(secret).some((form) => content.includes(form)))
        .map((secret) => `${secret} in ${entry.name}`)
    })

test('The search for secrets finds each form that it looks for', () => {
  for (const form of encodings(canary))
    assert.ok(encodings(canary).some((wanted) => Buffer.concat([Buffer.from('x'), form]).includes(wanted)))
  const wrapped = Buffer.from(`..${canary}..`).toString('base64')
  assert.ok(encodings(canary).some((form) => Buffer.from(wrapped).includes(form)))
})

test('B9: neither plaintext nor passphrase nor tokens are in the data folder or the log, while open and after the lock', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  await terminal.unlock('a wrong passphrase that nobody may read')
  const { body } = await terminal.post('/messages', {
    to: ann,
    subject: 'plain subject',
    text: canary,
    draft: true,
  })
  await terminal.post('/messages', { to: ann, subject: 'letter', text: canary, encrypt: true })
  await terminal.unlock()
  const opened = await terminal.post(`/messages/${body.id}/decrypt`)
  assert.equal(opened.body.text.trim(), canary)
  await terminal.post('/messages', {
    to: ann,
    subject: 'signed letter',
    text: canary,
    encrypt: true,
    sign: true,
  })
  const user = await server.services.users.named(ann)
  await server.services.parkedForms.park(user.id, { text: canary })
  const secrets = [
    canary,
    passphrase,
    'a wrong passphrase that nobody may read',
    terminal.token!,
    terminal.keyToken!,
  ]
  const data = server.config.data
  assert.deepEqual(findings(data, secrets), [], 'while the key is open')
  await terminal.delete('/allowance')
  await terminal.delete('/session')
  assert.deepEqual(findings(data, secrets), [], 'after the lock')
  await server.stop()
  assert.deepEqual(findings(data, secrets), [], 'after the end')
  const log = server.logged.join('')
  for (const secret of secrets)
    for (const form of encodings(secret)) assert.ok(!log.includes(form.toString()), secret)
})

test('The data folder is for its owner alone', async (t) => {
  const server = await world(t)
  const mode = (name: string) => (statSync(join(server.config.data, name)).mode & 0o777).toString(8)
  assert.equal(mode('.'), '700')
  assert.equal(mode('server-secret'), '600')
  if (!isPostgres) assert.equal(mode('wafer.db'), '600')
})

test('B8: a stolen database does not open with the true passphrase, for the server secret is not in it', {
  skip: sqliteAlone('its file is stolen'),
}, async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const thief = new World({ WAFER_DATA: join(server.folder, 'stolen') })
  t.after(() => thief.end())
  await thief.start() // has a server secret of its own
  await thief.stop()
  for (const file of ['wafer.db', 'wafer.db-wal', 'wafer.db-shm'])
    cpSync(join(server.config.data, file), join(thief.config.data, file), { force: true })
  await thief.start()
  const terminal = await thief.terminal(ann)
  assert.equal(problem(await terminal.unlock()), 'wrong-passphrase')
})

test('B7: a copy of the data folder taken while the key is open, with all tokens, opens nothing without the epoch', {
  skip: sqliteAlone('its file is stolen'),
}, async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  const { body } = await terminal.post('/messages', { to: ann, text: 'sealed', draft: true })
  await terminal.unlock()
  const copy = join(server.folder, 'copy')
  cpSync(server.config.data, copy, { recursive: true })
  const thief = new World({ WAFER_DATA: copy })
  t.after(() => thief.end())
  await thief.start()
  const replay = new Terminal(() => thief.url)
  replay.token = terminal.token
  replay.keyToken = terminal.keyToken
  assert.equal((await replay.get('/session')).status, 200, 'the copy knows the session')
  assert.equal(problem(await replay.post(`/messages/${body.id}/decrypt`)), 'allowance-required')
  // Nor does it help to write the other epoch's name into the row.
  const other = await thief.terminal(ann)
  await other.unlock()
  const name = sqliteOf(thief.services.db).prepare('SELECT epoch_id FROM allowances').pluck().get()
  const row = sqliteOf(server.services.db).prepare('SELECT * FROM allowances').get() as Record<
    string,
    unknown
  >
  sqliteOf(thief.services.db)
    .prepare('UPDATE allowances SET id = ?, session_id = ?, public_half = ?, sealed_dek = ?, epoch_id = ?')
    .run(row.id, row.session_id, row.public_half, row.sealed_dek, name)
  assert.equal(problem(await replay.post(`/messages/${body.id}/decrypt`)), 'allowance-required')
  assert.equal((await terminal.post(`/messages/${body.id}/decrypt`)).status, 200, 'the original goes on')
})

/** Processes that this one started, by id. */
const childProcesses = (): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const [, state, parent] = readFileSync(`/proc/${pid}/stat`, 'utf8').match(/\) (\S) (\d+) /) ?? []
        return Number(parent) === process.pid && state !== 'Z'
      } catch {
        return false
      }
    })

/** Whether the octets are anywhere in what a process can write to. */
const isInMemory = (pid: number, wanted: Buffer): boolean => {
  let memory: number
  try {
    memory = openSync(`/proc/${pid}/mem`, 'r')
  } catch {
    return false // gone
  }
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const [, from, to, rights] = line.match(/^([0-9a-f]+)-([0-9a-f]+) (\S+)/) ?? []
      if (!rights?.startsWith('rw')) continue
      const start = BigInt(`0x${from}`)
      const length = Number(BigInt(`0x${to}`) - start)
      if (length > 256 * 1024 * 1024) continue // reserved, not used
      const content = Buffer.alloc(length)
      try {
        readSync(memory, content, 0, length, start as never)
      } catch {
        continue
      }
      if (content.includes(wanted)) return true
    }
    return false
  } catch {
    return false
  } finally {
    closeSync(memory)
  }
}

test('B10: after the lock no process that held the key is left within five seconds', async (t) => {
  if (process.platform !== 'linux') return t.skip('needs /proc: run it on Linux')
  const server = await world(t)
  const user = await server.addUser(ann, { key: false })
  const { privateKey } = await openpgp.generateKey({
    type: 'ecc',
    curve: 'curve25519Legacy',
    userIDs: [{ email: ann }],
    passphrase: 'of the file',
    format: 'object',
  })
  const plain = await openpgp.decryptKey({ privateKey, passphrase: 'of the file' })
  const { privateParams } = plain.keyPacket as unknown as { privateParams: { seed: Uint8Array } }
  const seed = Buffer.from(privateParams.seed)
  const file = { file: Buffer.from(privateKey.armor()), passphrase: Buffer.from('of the file') }
  await server.services.keyrings.add(user, passphrase, { import: file })
  const terminal = await server.terminal(ann)
  await terminal.unlock()
  await terminal.post('/sign', { text: 'a use of the key' })
  const holders = () => childProcesses().filter((pid) => isInMemory(pid, seed))
  assert.notDeepEqual(holders(), [], 'the search finds the key where it is in use')
  await terminal.delete('/allowance')
  // Sooner than an idle process ends by itself.
  for (let tenths = 0; tenths < 20 && holders().length > 0; tenths += 1) await sleep(100)
  assert.deepEqual(holders(), [])
})

/** The program itself, as `npm start` runs it. */
const startProgram = async (t: TestContext, folder: string, environment: Record<string, string>) => {
  const program = join(root, 'dist', 'wafer.js')
  const child = spawn(process.execPath, [program, 'serve'], {
    env: {
      ...process.env,
      WAFER_DATABASE: undefined,
      WAFER_DATA: folder,
      WAFER_PORT: '0',
      WAFER_SMTP_PORT: '0',
      WAFER_SSH_PORT: 'off',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })
  for await (const line of lines) {
    const [address] = line.match(/https?:\/\/\S+/) ?? []
    if (address) return { child, url: new URL(address).origin }
  }
  throw new Error('expected the program to print its address, got the end of its output')
}

test('C5: killed and started again, the session goes on and the key is locked; with an epoch file it stays open', async (t) => {
  for (const shared of [false, true]) {
    const server = await world(t)
    await server.addUser(ann)
    await server.stop()
    const environment = {
      ...server.database,
      ...(shared ? { WAFER_EPOCH_FILE: join(server.folder, 'epoch') } : {}),
    }
    if (shared) writeFileSync(environment.WAFER_EPOCH_FILE!, randomBytes(32), { mode: 0o600 })
    const first = await startProgram(t, server.config.data, environment)
    const terminal = new Terminal(() => first.url)
    terminal.token = (await terminal.post('/session', { user: ann, password })).body.token
    const { body } = await terminal.post('/messages', { to: ann, text: 'sealed', draft: true })
    assert.equal((await terminal.unlock()).status, 201)
    first.child.kill('SIGKILL')
    await once(first.child, 'exit')
    const second = await startProgram(t, server.config.data, environment)
    const again = new Terminal(() => second.url)
    again.token = terminal.token
    again.keyToken = terminal.keyToken
    assert.equal((await again.get('/session')).status, 200)
    const opened = await again.post(`/messages/${body.id}/decrypt`)
    assert.equal(opened.status, shared ? 200 : 403, JSON.stringify(opened.body))
    assert.equal((await again.unlock()).status, 201, 'nobody has to be stopped first')
  }
})

test('A second process on the same data is refused without a shared epoch', async (t) => {
  const server = await world(t)
  const second = new World({ WAFER_DATA: server.config.data, ...server.database })
  t.after(() => second.end())
  await assert.rejects(second.start(), /Another process serves/)
})
