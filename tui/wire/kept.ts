/**
 * What is kept between two calls of a script: the session and, while the key is open, its key token. Each is a file
 * (0600) in a folder `wafer` (0700). The key token lies in that of `$XDG_RUNTIME_DIR`, which ends with the person's
 * last log-in to this machine; where there is none, in that of `$XDG_STATE_HOME` if it is asked for. The session lies in
 * the state folder; its token, where the runtime folder is memory (tmpfs), there and not on a disk. How far this
 * terminal has seen each user's ledger lies in the state folder, and stays when one logs out.
 *
 * A file or folder that somebody else owns, may read or has put a link in the place of is not used. Files are replaced
 * whole: a reader sees the old one or the new one.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import type { Keeping, KeptSession, Server } from '../place.ts'
import type { LedgerMemory } from './client.ts'

/** What is there is not safe to use; the message says why, and what to do. */
export class Unsafe extends Error {
  override name = 'Unsafe'
}

type Environment = Record<string, string | undefined>

export class Kept implements Keeping {
  /** Null where there is no folder for what should not outlive a log-in. */
  readonly #runtime: string | null
  readonly #state: string

  constructor(environment: Environment = process.env) {
    this.#runtime = runtimeFolder(environment.XDG_RUNTIME_DIR)
    const { XDG_STATE_HOME: state, HOME = homedir() } = environment
    // XDG Base Directory Specification: a path that is not absolute is to be ignored.
    this.#state = join(state && isAbsolute(state) ? state : join(HOME, '.local', 'state'), 'wafer')
  }

  /** Whether a key token can be kept where it does not outlive the log-in. */
  get hasRuntimeFolder(): boolean {
    return this.#runtime !== null
  }

  /** Makes the folders, so that what cannot be kept is known before a secret is asked for. @throws Unsafe */
  prepare(): void {
    for (const folder of this.#folders) demandFolder(folder)
  }

  /** @throws Unsafe */
  session(): KeptSession | null {
    for (const folder of this.#folders) {
      const kept = read(folder, 'session.json')
      const place = placeIn(kept)
      if (place && isToken(kept?.token)) return { ...place, token: kept.token }
    }
    return null
  }

  /** Where one was logged in last, as long as one did not log out. @throws Unsafe */
  place(): Server | null {
    return placeIn(read(this.#state, 'session.json'))
  }

  /** Takes the place of what was kept; the key of another session goes. @throws Unsafe */
  keepSession(session: KeptSession): void {
    this.forgetSession()
    const { token, ...place } = session
    const isInMemory = this.#runtime !== null && isMemory(join(this.#runtime, '..'))
    if (isInMemory) write(this.#runtime!, 'session.json', session)
    write(this.#state, 'session.json', isInMemory ? place : session)
  }

  /** Safe to call twice. */
  forgetSession(): void {
    this.forgetKey()
    for (const folder of this.#folders) remove(folder, 'session.json')
  }

  /** @throws Unsafe */
  keyToken(): string | null {
    for (const folder of this.#folders) {
      const token = read(folder, 'key.json')?.key_token
      if (isToken(token)) return token
    }
    return null
  }

  /** @throws Unsafe */
  keepKeyToken(token: string): void {
    write(this.#runtime ?? this.#state, 'key.json', { key_token: token })
  }

  /** Safe to call twice. */
  forgetKey(): void {
    for (const folder of this.#folders) remove(folder, 'key.json')
  }

  /** How far the ledger was seen, as `GET /session` says it. @throws Unsafe */
  mark(server: string, user: string): string | null {
    const mark = read(this.#state, 'ledgers.json')?.[`${server} ${user}`]
    return isText(mark) ? mark : null
  }

  /** @throws Unsafe */
  keepMark(server: string, user: string, mark: string): void {
    write(this.#state, 'ledgers.json', { ...read(this.#state, 'ledgers.json'), [`${server} ${user}`]: mark })
  }

  get #folders(): string[] {
    return this.#runtime === null ? [this.#state] : [this.#runtime, this.#state]
  }
}

/** Of the one who runs this, and not one in which others could put things (`sudo -u` leaves such paths behind). */
const runtimeFolder = (path: string | undefined): string | null => {
  if (!path || !isAbsolute(path)) return null
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat?.isDirectory() || !isOurs(stat) || stat.mode & 0o022) return null
  return join(path, 'wafer')
}

/** tmpfs or ramfs, by their magic numbers (statfs(2)). */
const isMemory = (folder: string) => [0x01021994, 0x858458f6].includes(statfsSync(folder).type)

const isOurs = ({ uid }: Stats) => process.getuid === undefined || uid === process.getuid()

/** @returns false if there is none */
const isFolder = (folder: string): boolean => {
  const stat = lstatSync(folder, { throwIfNoEntry: false })
  if (!stat) return false
  if (!stat.isDirectory()) throw new Unsafe(`${folder} is not a folder. Nothing was done.`)
  demandOwn(folder, stat, '700')
  return true
}

const demandFolder = (folder: string): void => {
  if (isFolder(folder)) return
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  isFolder(folder)
}

const demandOwn = (path: string, stat: Stats, mode: string): void => {
  if (!isOurs(stat)) throw new Unsafe(`${path} belongs to somebody else. Nothing was done.`)
  if (process.platform !== 'win32' && stat.mode & 0o077)
    throw new Unsafe(`Others may read ${path}: end that with chmod ${mode} ${path}, or remove it.`)
}

const read = (folder: string, name: string): Record<string, unknown> | null => {
  if (!isFolder(folder)) return null
  const path = join(folder, name)
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return null
    if (code === 'ELOOP') throw new Unsafe(`${path} is a link to somewhere else. Nothing was done.`)
    throw error
  }
  try {
    const stat = fstatSync(file)
    if (!stat.isFile()) throw new Unsafe(`${path} is not a file. Nothing was done.`)
    demandOwn(path, stat, '600')
    const kept: unknown = stat.size > 64 * 1024 ? null : JSON.parse(readFileSync(file, 'utf8'))
    return typeof kept === 'object' ? (kept as Record<string, unknown> | null) : null
  } catch (error) {
    if (error instanceof SyntaxError) return null // not ours, or of another version: as if there were none
    throw error
  } finally {
    closeSync(file)
  }
}

const write = (folder: string, name: string, content: object): void => {
  demandFolder(folder)
  const next = join(folder, `${name}.${process.pid}.${process.hrtime.bigint()}`)
  const file = openSync(next, 'wx', 0o600)
  try {
    writeSync(file, `${JSON.stringify(content)}\n`)
    fsyncSync(file)
    closeSync(file)
    renameSync(next, join(folder, name))
  } catch (error) {
    rmSync(next, { force: true })
    throw error
  }
}

/** Of a link, the link. What lies in a folder of others is theirs. */
const remove = (folder: string, name: string): void => {
  if (isFolder(folder)) rmSync(join(folder, name), { force: true })
}

const placeIn = (kept: Record<string, unknown> | null): Server | null => {
  const { server, user, ca, fingerprint } = kept ?? {}
  if (!isText(server) || !isText(user)) return null
  return { server, user, ...(isText(ca) ? { ca } : {}), ...(isText(fingerprint) ? { fingerprint } : {}) }
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

/** What may stand in a header field. */
const isToken = (value: unknown): value is string =>
  typeof value === 'string' && /^[\w.~+/=-]{1,512}$/.test(value)

/** The same memory for a client with a screen: where nothing can be kept, nothing is remembered. */
export const ledgerMemory = (kept: Kept): LedgerMemory => ({
  mark: (server, user) => orNull(() => kept.mark(server, user)),
  keepMark: (server, user, mark) => void orNull(() => kept.keepMark(server, user, mark)),
})

const orNull = <Result>(work: () => Result): Result | null => {
  try {
    return work()
  } catch {
    return null
  }
}
