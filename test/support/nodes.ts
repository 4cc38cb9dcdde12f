/**
 * Several processes of the program as it is built, which serve one PostgreSQL database: for tests that set
 * `WAFER_DATABASE` before they load this file, as tables are made in one engine's dialect for a whole process.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import pg from 'pg'
import { readConfig } from '../../server/ground/config.ts'
import { openServices } from '../../server/main.ts'
import { wafer } from './places.ts'
import { Postgres, postgresFolder } from './postgres.ts'
import { passphrase, password, Terminal } from './world.ts'

/** A process, and what it has said so far. */
type Begun = { child: ChildProcess; printed: string; log: string }

/** A process that serves. */
export class Node {
  readonly url: string
  readonly smtpPort: number
  readonly #begun: Begun

  constructor(begun: Begun) {
    this.#begun = begun
    this.url = begun.printed.match(/listens on (\S+)/)![1]!
    this.smtpPort = Number(begun.printed.match(/smtp:\/\/\S+:(\d+)/)![1])
  }

  get #child() {
    return this.#begun.child
  }

  get printed() {
    return this.#begun.printed
  }

  get log() {
    return this.#begun.log
  }

  get hasEnded() {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** Ids of the processes that it started. */
  get children(): number[] {
    const { pid } = this.#child
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .trim()
      .split(/\s+/)
      .filter(Boolean)
      .map(Number)
  }

  async end(signal: NodeJS.Signals = 'SIGTERM') {
    if (this.hasEnded) return
    const ended = once(this.#child, 'exit')
    this.#child.kill(signal)
    await ended
  }

  async ended(): Promise<number | null> {
    if (!this.hasEnded) await once(this.#child, 'exit')
    return this.#child.exitCode
  }

  async terminal(user: string, name = 'test terminal'): Promise<Terminal> {
    const terminal = new Terminal(() => this.url)
    const { status, body } = await terminal.post('/session', { user, password, terminal: name })
    assert.equal(status, 201, JSON.stringify(body))
    terminal.token = body.token
    return terminal
  }
}

/** The same session, asked for elsewhere. */
export const at = (node: Node, { token, keyToken }: Terminal): Terminal =>
  Object.assign(new Terminal(() => node.url), { token, keyToken })

export class Cluster {
  readonly folder = mkdtempSync(join(tmpdir(), 'wafer-nodes-'))
  readonly epochFile = join(this.folder, 'epoch')
  readonly postgres: Postgres
  readonly database: string
  readonly #nodes: Node[] = []
  #folders = 0

  constructor(postgres: Postgres) {
    this.postgres = postgres
    this.database = postgres.database()
    writeFileSync(this.epochFile, randomBytes(32), { mode: 0o600 })
  }

  /** Users whose passwords and passphrases take no time. */
  async seed(...addresses: string[]) {
    const config = readConfig({ WAFER_DATA: this.dataFolder(), WAFER_DATABASE: this.database })
    const cheap = { ...config, argon2: { memoryKiB: 64, passes: 1 } }
    const services = await openServices(cheap, { create: true })
    for (const address of addresses) {
      const user = await services.users.add({ address, password })
      await services.keyrings.add(user, passphrase, { generate: { name: '', address } })
    }
    await services.close()
  }

  /** A new one, with the server secret where there is one already. */
  dataFolder({ secret = true } = {}): string {
    const folder = join(this.folder, `data-${++this.#folders}`)
    mkdirSync(folder, { mode: 0o700 })
    const first = join(this.folder, 'data-1', 'server-secret')
    if (secret && existsSync(first)) copyFileSync(first, join(folder, 'server-secret'))
    return folder
  }

  /** Resolves once it serves or has ended. */
  async #begin(environment: Record<string, string>): Promise<Begun> {
    const env = {
      PATH: process.env.PATH ?? '',
      WAFER_DATA: environment.WAFER_DATA ?? this.dataFolder(),
      WAFER_PORT: '0',
      WAFER_SMTP_PORT: '0',
      WAFER_SSH_PORT: 'off',
      WAFER_DATABASE: this.database,
      WAFER_EPOCH_FILE: this.epochFile,
      ...environment,
    }
    const child = spawn(process.execPath, [wafer, 'serve'], { env })
    const begun: Begun = { child, printed: '', log: '' }
    child.stderr.on('data', (text) => {
      begun.log += text
    })
    const ended = once(child, 'exit')
    const serves = new Promise<void>((resolve) => {
      child.stdout.on('data', (text) => {
        begun.printed += text
        if (/smtp:\/\/.*\n/.test(begun.printed)) resolve()
      })
    })
    await Promise.race([serves, ended])
    return begun
  }

  async start(environment: Record<string, string> = {}): Promise<Node> {
    const begun = await this.#begin(environment)
    assert.equal(begun.child.exitCode, null, begun.log)
    const node = new Node(begun)
    this.#nodes.push(node)
    return node
  }

  /** Of a process that does not begin to serve: what it said. */
  async refusal(environment: Record<string, string>): Promise<string> {
    const begun = await this.#begin(environment)
    const { child } = begun
    if (child.exitCode === null) {
      child.kill('SIGKILL')
      assert.fail(`expected a refusal, got a server\n${begun.log}`)
    }
    assert.equal(child.exitCode, 1)
    return begun.log
  }

  /** Rows as the database has them. */
  async rows<T extends pg.QueryResultRow>(statement: string): Promise<T[]> {
    const client = new pg.Client({ connectionString: this.database })
    client.on('error', () => {}) // told by the statement
    await client.connect()
    try {
      return (await client.query<T>(statement)).rows
    } finally {
      await client.end()
    }
  }

  async end() {
    await Promise.all(this.#nodes.map((node) => node.end('SIGKILL')))
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** For one test, ended with it; null, and the test skipped with a sentence, where there is no PostgreSQL. */
export const cluster = async (t: TestContext): Promise<Cluster | null> => {
  const programs = postgresFolder()
  if (!programs) {
    const sentence = 'This test starts PostgreSQL: install it with apt-get install postgresql.'
    if (process.env.CI) throw new Error(sentence)
    t.skip(sentence)
    return null
  }
  const postgres = new Postgres(programs)
  t.after(() => postgres.remove())
  await postgres.start()
  const made = new Cluster(postgres)
  t.after(() => made.end())
  return made
}

/** Asks again and again until it is so: what a machine that is busy does late is no fault. */
export const until = async (what: string, isSo: () => Promise<boolean> | boolean) => {
  const endMs = performance.now() + 60_000
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`expected ${what}, in vain`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
