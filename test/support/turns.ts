/**
 * Whether one slows another: the real server as a process of its own, and how long its event loop was held, how long a
 * bystander waited and how much memory the server took while something happened to it. Needs the bundle (npm run build).
 *
 * The figures are of what the server itself did, not of a clock on the wall (see turn-meter.ts), so that a machine with
 * other work on it changes nothing.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { Worker } from 'node:worker_threads'
import { readConfig } from '../../server/ground/config.ts'
import { openServices } from '../../server/main.ts'
import type { Services } from '../../server/services.ts'
import { worldsFolder } from './places.ts'
import type { Turns } from './turn-meter.ts'
import { passphrase, password, Terminal } from './world.ts'

/** What a stretch came to. */
export type Figures = Turns & { longestWaitMs: number; asked: number }

/** No request and no mail may keep another user waiting for longer, nor the server take more. */
export const bar = { turnMs: 100, waitMs: 100, memoryMB: 400 }

export class MeasuredServer {
  readonly process: ChildProcess
  readonly url: string
  readonly smtpPort: number
  readonly data: string
  readonly #bystander: Terminal

  constructor(process: ChildProcess, data: string, told: { web: string; smtp: string }, bystander: Terminal) {
    this.process = process
    this.data = data
    this.url = `http://${told.web}`
    this.smtpPort = Number(told.smtp.split(':').at(-1))
    this.#bystander = bystander
  }

  /** A terminal that speaks the API, logged in. */
  async terminal(user: string): Promise<Terminal> {
    return logIn(this.url, user)
  }

  /** What the server, and a bystander of it, went through while the work was done. */
  async during<T>(work: () => Promise<T>): Promise<{ figures: Figures; result: T }> {
    const probe = new Worker(join(import.meta.dirname, 'turn-probe.ts'), {
      workerData: { url: this.url, token: this.#bystander.token, serverPid: this.process.pid },
    })
    const failed = once(probe, 'error').then(([error]) => Promise.reject(error))
    failed.catch(() => {})
    try {
      await Promise.race([once(probe, 'message'), failed])
      this.process.send!('begin')
      const result = await work()
      this.process.send!('end')
      const [turns] = (await once(this.process, 'message')) as [Turns]
      probe.postMessage('end')
      const [waits] = (await Promise.race([once(probe, 'message'), failed])) as [
        Pick<Figures, 'longestWaitMs' | 'asked'>,
      ]
      return { figures: { ...turns, ...waits }, result }
    } finally {
      await probe.terminate()
    }
  }
}

/**
 * A server that is measured, ended with the test.
 *
 * @param prepare makes users and mail before it serves; the bystander is made besides
 */
export const measuredServer = async (
  t: TestContext,
  prepare: (services: Services) => Promise<void>,
  settings: Record<string, string> = {},
): Promise<MeasuredServer> => {
  const folder = mkdtempSync(join(worldsFolder(), 'wafer-turns-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const data = join(folder, 'data')
  const environment = {
    WAFER_DATA: data,
    WAFER_PORT: '0',
    WAFER_SMTP_PORT: '0',
    WAFER_SSH_PORT: 'off',
    ...settings,
  }
  const config = { ...readConfig(environment), argon2: { memoryKiB: 64, passes: 1 } }
  const services = await openServices(config, { create: true })
  try {
    await services.users.add({ address: bystander, password })
    await prepare(services)
  } finally {
    await services.close()
  }
  const program = join(import.meta.dirname, '..', '..', 'dist', 'wafer.js')
  const meter = join(import.meta.dirname, 'turn-meter.ts')
  // As launch.cjs starts it.
  const server = spawn(process.execPath, ['--max-semi-space-size=4', '--import', meter, program, 'serve'], {
    env: { PATH: process.env.PATH ?? '', ...servingMemory, ...environment },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  t.after(async () => {
    if (server.exitCode !== null || server.signalCode !== null) return
    server.kill('SIGKILL')
    await once(server, 'exit')
  })
  const told = await serving(server)
  return new MeasuredServer(server, data, told, await logIn(`http://${told.web}`, bystander))
}

/** A user with a key that the test's passphrase opens. */
export const withKey = async ({ users, keyrings }: Services, address: string) => {
  const user = await users.add({ address, password })
  await keyrings.add(user, passphrase, { generate: { name: '', address } })
  return user
}

export const assertUndisturbed = (figures: Figures, what = '') => {
  const told = `${what} ${JSON.stringify(figures)}`
  assert.ok(figures.longestCpuMs <= bar.turnMs, `one turn of the event loop was long: ${told}`)
  // A turn that sleeps waits for a process to begin or for the collector's threads, and these for a processor.
  const sleptMs = figures.longestHeldMs - figures.longestCpuMs
  assert.ok(figures.longestWaitMs - sleptMs <= bar.waitMs, `another user waited: ${told}`)
  assert.ok(figures.peakMemoryMB <= bar.memoryMB, `the server took much memory: ${told}`)
}

const servingMemory = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
}

const bystander = 'bystander@wafer.test'

const logIn = async (url: string, user: string): Promise<Terminal> => {
  const terminal = new Terminal(() => url)
  const { status, body } = await terminal.post('/session', { user, password, terminal: 'test terminal' })
  assert.equal(status, 201, `expected a session for ${user}, got ${JSON.stringify(body)}`)
  terminal.token = body.token
  return terminal
}

/** Where it listens, from the line that it logs when it does. */
const serving = async (server: ChildProcess): Promise<{ web: string; smtp: string }> => {
  let logged = ''
  return new Promise((resolve, reject) => {
    server.once('exit', () => reject(new Error(`expected a server, got: ${logged}`)))
    server.stderr!.on('data', (text) => {
      logged += text
      const line = logged.split('\n').find((each) => each.includes('"serving"'))
      if (line?.endsWith('}')) resolve(JSON.parse(line))
    })
  })
}
