/**
 * A whole server for a test: real database in a folder of its own, real child processes, real ports on loopback.
 * Only the cost of Argon2 is lowered, and the clock can be moved forward.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import pino from 'pino'
import { type Clock, steadyClock } from '../../server/ground/clock.ts'
import { type Config, readConfig } from '../../server/ground/config.ts'
import { type Running, serve } from '../../server/main.ts'
import type { Services } from '../../server/services.ts'
import { type OwnDatabase, ownDatabase } from './databases.ts'

export const password = 'correct horse battery'
export const passphrase = 'the seal of ann, and of nobody else'

// biome-ignore lint/suspicious/noExplicitAny: what comes back is looked at by the test, not trusted
export type Answer = { status: number; body: any; headers: Headers }

export class World {
  readonly folder = mkdtempSync(join(tmpdir(), 'wafer-test-'))
  /** Every line that the server logged. */
  readonly logged: string[] = []
  #aheadMs = 0
  #running: Running | null = null
  #database: OwnDatabase | null = null
  readonly #environment: Record<string, string>

  constructor(environment: Record<string, string>) {
    this.#environment = environment
  }

  get config(): Config {
    const config = readConfig({
      WAFER_DATA: join(this.folder, 'data'),
      WAFER_PORT: '0',
      WAFER_SMTP_PORT: '0',
      WAFER_SSH_PORT: 'off',
      ...this.database,
      ...this.#environment,
    })
    return { ...config, argon2: { memoryKiB: 64, passes: 1 } }
  }

  /** The setting that names this server's database, where it does not lie in the data folder. */
  get database(): { WAFER_DATABASE?: string } {
    return this.#database?.url ? { WAFER_DATABASE: this.#database.url } : {}
  }

  async start() {
    if (!this.#environment.WAFER_DATABASE) this.#database ??= await ownDatabase()
    const clock: Clock = steadyClock(0)
    const log = pino({ level: 'debug' }, { write: (line: string) => void this.logged.push(line) })
    this.#running = await serve(this.config, { clock: () => clock() + this.#aheadMs, log })
  }

  async stop() {
    await this.#running?.close()
    this.#running = null
  }

  async restart() {
    await this.stop()
    await this.start()
  }

  /** Moves the server's clock forward. */
  pass(ms: number) {
    this.#aheadMs += ms
  }

  get running(): Running {
    if (!this.#running) throw new Error('expected a server that runs, got one that was stopped')
    return this.#running
  }

  get services(): Services {
    return this.running.services
  }

  get url(): string {
    return this.running.address
  }

  /** A user with a password, and with a key unless it is said otherwise. */
  async addUser(address: string, options: { name?: string; key?: boolean } = {}) {
    const user = await this.services.users.add({ address, name: options.name ?? '', password })
    if (options.key !== false)
      await this.services.keyrings.add(user, passphrase, { generate: { name: user.name, address } })
    return user
  }

  async deliver(address: string, message: string | Uint8Array) {
    const user = await this.services.users.named(address)
    const octets = typeof message === 'string' ? Buffer.from(message.replace(/\r?\n/g, '\r\n')) : message
    await this.services.mailboxes.deliver([user.id], octets)
  }

  /** A terminal that speaks the API, logged in. */
  async terminal(user: string, name = 'test terminal'): Promise<Terminal> {
    const terminal = new Terminal(() => this.url)
    const { status, body } = await terminal.post('/session', { user, password, terminal: name })
    if (status !== 201)
      throw new Error(`expected a session for ${user}, got ${status} ${JSON.stringify(body)}`)
    terminal.token = body.token
    return terminal
  }

  async end() {
    await this.stop()
    await this.#database?.drop()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** An API client: one session, one key token. */
export class Terminal {
  token: string | null = null
  keyToken: string | null = null
  readonly #url: () => string

  constructor(url: () => string) {
    this.#url = url
  }

  async call(method: string, path: string, json?: unknown): Promise<Answer> {
    const response = await fetch(`${this.#url()}/api${path}`, {
      method,
      headers: {
        ...(this.token ? { authorization: `Bearer ${this.token}` } : {}),
        ...(this.keyToken ? { 'wafer-key': this.keyToken } : {}),
      },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    })
    const text = await response.text()
    const isJson = /json/.test(response.headers.get('content-type') ?? '')
    return { status: response.status, body: isJson ? JSON.parse(text) : text, headers: response.headers }
  }

  get = (path: string) => this.call('GET', path)
  post = (path: string, json?: unknown) => this.call('POST', path, json ?? {})
  delete = (path: string) => this.call('DELETE', path)
  patch = (path: string, json: unknown) => this.call('PATCH', path, json)

  async unlock(words = passphrase): Promise<Answer> {
    const answer = await this.post('/allowance', { passphrase: words })
    if (answer.status === 201) this.keyToken = answer.body.key_token
    return answer
  }
}

/** The last word of a problem's type. */
export const problem = (answer: Answer): string => String(answer.body?.type).split(':').at(-1)!

/** Keeps the next work of a child process from its beginning until it is released, for what happens meanwhile. */
export const heldWork = ({ services: { pool } }: World) => {
  const run = pool.run.bind(pool) as (...given: unknown[]) => Promise<never>
  const [begun, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  pool.run = async (...given: unknown[]) => {
    pool.run = run
    begun.resolve()
    await gate.promise
    return run(...given)
  }
  return { begun: begun.promise, release: () => gate.resolve() }
}

/** A server for one test, ended with it. */
export const world = async (t: TestContext, environment: Record<string, string> = {}): Promise<World> => {
  const made = new World(environment)
  t.after(() => made.end())
  await made.start()
  return made
}
