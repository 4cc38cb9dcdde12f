/** A PostgreSQL server of the test's own, in a folder of its own, spoken to over a socket there. */
import { execFileSync, spawn } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const programs = '/usr/lib/postgresql'

/** The newest one's programs; null where there is none. */
export const postgresFolder = (): string | null => {
  if (!existsSync(programs)) return null
  const [newest] = readdirSync(programs)
    .map(Number)
    .sort((a, b) => b - a)
  const folder = join(programs, String(newest), 'bin')
  return existsSync(join(folder, 'initdb')) ? folder : null
}

/** It refuses to run as root: then nobody runs it. */
const asOrdinary = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}

export class Postgres {
  readonly folder = mkdtempSync(join(tmpdir(), 'wafer-pg-'))
  readonly #bin: string
  #databases = 0
  #process: ReturnType<typeof spawn> | null = null

  constructor(bin: string) {
    this.#bin = bin
    if (asOrdinary.uid) chownSync(this.folder, asOrdinary.uid, asOrdinary.gid)
    this.#run(
      'initdb',
      '-D',
      join(this.folder, 'data'),
      '-U',
      'wafer',
      '-E',
      'UTF8',
      '--no-locale',
      '-A',
      'trust',
      '-N',
    )
  }

  async start() {
    const settings = {
      listen_addresses: '',
      unix_socket_directories: this.folder,
      fsync: 'off',
      max_connections: '200',
    }
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    this.#process = spawn(join(this.#bin, 'postgres'), ['-D', join(this.folder, 'data'), ...flags], {
      ...asOrdinary,
      cwd: this.folder,
      stdio: 'ignore',
    })
    const ended = new Promise((resolve) => this.#process!.once('exit', resolve))
    while (true) {
      try {
        this.#run('pg_isready', '-q', '-h', this.folder)
        return
      } catch {}
      if (
        await Promise.race([ended.then(() => true), new Promise((resolve) => setTimeout(resolve, 20, false))])
      )
        throw new Error('expected a PostgreSQL server that runs, got one that ended')
    }
  }

  /** Ids of all its processes. */
  get processes(): number[] {
    const pid = this.#process?.pid
    if (!pid) return []
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/)
    return [pid, ...children.filter(Boolean).map(Number)]
  }

  /** At once, as in a failure of power, or as an operator does. */
  async stop(signal: 'SIGINT' | 'SIGQUIT' = 'SIGINT') {
    const running = this.#process
    this.#process = null
    if (!running || running.exitCode !== null) return
    const ended = new Promise((resolve) => running.once('exit', resolve))
    running.kill(signal)
    await ended
  }

  /** @returns the URL of an empty database */
  database(): string {
    const name = `wafer_${++this.#databases}`
    this.#run('createdb', '-h', this.folder, '-U', 'wafer', name)
    return this.url(name)
  }

  url(name: string): string {
    return `postgres://wafer@/${name}?host=${encodeURIComponent(this.folder)}`
  }

  async remove() {
    await this.stop('SIGQUIT')
    rmSync(this.folder, { recursive: true, force: true })
  }

  #run(program: string, ...parameters: string[]) {
    execFileSync(join(this.#bin, program), parameters, { ...asOrdinary, cwd: this.folder, stdio: 'pipe' })
  }
}
