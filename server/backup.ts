/**
 * Copies of what must not be lost, the way back from them, and whether all is sound. Database and server secret are
 * copied to two files, to be kept apart: a stolen copy of the database opens nothing, not even with the true
 * passphrase. A copy holds no allowance, and `restore` renews the epoch: old cookies open nothing of it either. All this
 * is of the embedded engine's file; PostgreSQL has backups of its own, and of ours the server secret is left.
 */
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import Sqlite from 'better-sqlite3'
import { clockFault } from './ground/clock.ts'
import type { Config } from './ground/config.ts'
import { Refusal, Unusable } from './ground/refusal.ts'
import {
  openServerSecret,
  parseServerSecret,
  type ServerSecret,
  serverSecretFile,
} from './ground/server-secret.ts'
import { tryExclusive } from './ground/serving-lock.ts'
import type { Database, Joined } from './ground/store/database.ts'
import {
  databaseFile,
  newestStoredTime,
  openDatabase,
  openSqlite,
  takeBackTimes,
} from './ground/store/open.ts'
import { users } from './ground/store/tables.ts'
import { Ledger, type LedgerFault } from './people/ledger.ts'
import { type LedgerEnd, LedgerEnds, ledgerEndsFile } from './people/ledger-ends.ts'

// ---- backup

/**
 * Writes a consistent copy of the database, whoever serves meanwhile, and of the server secret if `secretFile` is
 * given; each a new file that only its owner reads.
 *
 * @throws Refusal `exists` for a file that is there, `not-found` without a database, `failed` if the copy is damaged
 */
export const backup = async (config: Config, file: string, secretFile: string | null): Promise<void> => {
  if (config.database !== null) throw new Refusal('backup-of-postgres')
  const source = databaseFile(config.data)
  if (!existsSync(source)) throw new Refusal('no-database-to-back-up', { values: { path: source } })
  if (secretFile !== null && resolve(secretFile) === resolve(file)) throw new Refusal('backup-in-one-file')
  const reserved = [file, ...(secretFile === null ? [] : [secretFile])]
  const made: string[] = []
  const aside = `${file}.${randomBytes(6).toString('hex')}.tmp`
  try {
    for (const name of reserved) {
      reserve(name)
      made.push(name)
    }
    reserve(aside)
    made.push(aside)
    if (secretFile !== null) writeDurably(secretFile, openServerSecret(config.data, false).toFile())
    // Not read-only: such a connection, if it is the last, leaves the write-ahead log behind.
    const client = new Sqlite(source, { fileMustExist: true })
    try {
      await client.backup(aside)
    } finally {
      client.close()
    }
    withoutAllowances(aside)
    const damage = damageOf(aside)
    if (damage) throw new Refusal('database-damaged', { values: { damage } })
    renameSync(aside, file)
    syncFolder(dirname(file))
  } catch (error) {
    for (const name of made) rmSync(name, { force: true })
    throw error
  }
}

/**
 * The server secret alone: where PostgreSQL keeps the database, it backs it up by itself.
 *
 * @throws Refusal `exists` for a file that is there
 */
export const backupSecret = (config: Config, file: string): void => {
  const secret = openServerSecret(config.data, false)
  reserve(file)
  try {
    writeDurably(file, secret.toFile())
  } catch (error) {
    rmSync(file, { force: true })
    throw error
  }
}

/** A new, empty file of ours; an existing one is never written over. */
const reserve = (file: string) => {
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    if (code === 'EEXIST') throw new Refusal('path-exists', { values: { path: file }, cause })
    throw new Refusal('path-unwritable', { values: { path: file, code: `${code}` }, cause })
  }
}

/** The one place beside allowances.ts that writes this table: in copies, which nobody serves from. */
const withoutAllowances = (copy: string) => {
  const client = new Sqlite(copy, { fileMustExist: true })
  try {
    client.pragma('journal_mode = DELETE') // one file, not three
    client.pragma('synchronous = FULL')
    client.pragma('secure_delete = ON')
    client.exec('DELETE FROM allowances')
  } finally {
    client.close()
  }
}

// ---- restore

/**
 * Puts a copy of the database, and of the server secret if given, in the place of what is there; that is kept aside.
 * The copy is examined before anything is touched, and every allowance ends: the epoch is new afterwards.
 *
 * @returns where the old database is now, or null if there was none
 * @throws Refusal if a server runs on the data folder, or the copy is damaged, newer, or not one of a database; then
 *   nothing was changed
 */
export const restore = async (
  config: Config,
  file: string,
  secretFile: string | null,
): Promise<string | null> => {
  if (config.database !== null) throw new Refusal('restore-of-postgres')
  if (!existsSync(file)) throw new Refusal('copy-absent', { values: { path: file } })
  if (!existsSync(config.data)) mkdirSync(config.data, { mode: 0o700 })
  const lock = tryExclusive(config.data)
  if (!lock) throw new Refusal('server-runs', { values: { folder: config.data } })
  const copy = join(config.data, `wafer.db.${randomBytes(6).toString('hex')}.tmp`)
  try {
    const secret = secretFile === null ? null : readSecret(secretFile)
    if (!secret && !existsSync(serverSecretFile(config.data)))
      throw new Refusal('server-secret-missing', { values: { folder: config.data, path: file } })
    const ends = await examine(file, copy, secret ?? openServerSecret(config.data, false))
    if (config.epochFile) renewEpoch(config.epochFile)
    if (secret) replaceSecret(config.data, secret)
    new LedgerEnds(ledgerEndsFile(config.data)).replace(ends)
    const old = setAside(databaseFile(config.data))
    renameSync(copy, databaseFile(config.data))
    syncFolder(config.data)
    return old
  } finally {
    for (const end of ['', '-wal', '-shm', '-journal']) rmSync(copy + end, { force: true })
    lock.release()
  }
}

/**
 * Makes the copy that will be the database, and looks at everything that can be known of it beforehand.
 *
 * @returns the ends of its ledgers, which are what this machine has seen from then on
 */
const examine = async (file: string, copy: string, secret: ServerSecret): Promise<[number, LedgerEnd][]> => {
  if ((statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0)
    throw new Refusal('copy-in-use', { values: { path: file } })
  try {
    copyFileSync(file, copy)
    chmodSync(copy, 0o600)
    const client = new Sqlite(copy, { fileMustExist: true })
    try {
      const wanted = client.prepare(
        "SELECT count(*) AS n FROM sqlite_master WHERE name IN ('users', 'key_slots')",
      )
      if ((wanted.get() as { n: number }).n !== 2)
        throw new Refusal('copy-foreign', { values: { path: file } })
    } finally {
      client.close()
    }
    const damage = damageOf(copy)
    if (damage) throw new Refusal('copy-damaged', { values: { path: file, damage } })
    let ends: [number, LedgerEnd][]
    const db = openSqlite(copy, { called: file })
    try {
      ends = await new Ledger({ db, secret, clock: Date.now }).ends()
      if (ends.length > 0 && (await ledgerOf(db, secret, null)) === 'other secret')
        throw new Refusal('server-secret-foreign', { values: { path: file } })
    } finally {
      await db.close()
    }
    withoutAllowances(copy)
    return ends
  } catch (error) {
    if (error instanceof Refusal) throw error
    const code = (error as { code?: string }).code ?? ''
    if (['SQLITE_NOTADB', 'SQLITE_CORRUPT', 'EISDIR'].some((start) => code.startsWith(start)))
      throw new Refusal('copy-no-database', { values: { path: file }, cause: error })
    if (error instanceof Unusable)
      throw new Refusal('copy-unfit', { values: { why: error.message }, cause: error })
    throw error
  }
}

const readSecret = (file: string): ServerSecret => {
  try {
    return parseServerSecret(readFileSync(file, 'utf8'), file)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === undefined) throw cause
    throw new Refusal('path-unreadable', { values: { path: file }, cause })
  }
}

const replaceSecret = (dataFolder: string, secret: ServerSecret) => {
  const file = serverSecretFile(dataFolder)
  if (existsSync(file)) {
    if (readFileSync(file, 'utf8').trim() === secret.toFile().trim()) return
    renameSync(file, free(`${file}.before-restore`))
  }
  writeDurably(file, secret.toFile())
}

/** 32 new octets: what was sealed in the old epoch, in whatever copy of the database, stays shut. */
const renewEpoch = (file: string) => writeDurably(file, randomBytes(32))

/** Renames a database with what belongs to it; an older one that was set aside before is kept too. */
const setAside = (file: string): string | null => {
  if (!existsSync(file)) return null
  try {
    // What stands in the write-ahead log goes into the database, so that there is one file to rename.
    const client = new Sqlite(file, { fileMustExist: true })
    client.pragma('wal_checkpoint(TRUNCATE)')
    client.close()
  } catch {
    // It may be damaged, which is why people restore: it is set aside as it is, its log with it.
  }
  const aside = free(`${file}.before-restore`)
  if (existsSync(`${file}-wal`)) renameSync(`${file}-wal`, `${aside}-wal`)
  rmSync(`${file}-shm`, { force: true })
  renameSync(file, aside)
  return aside
}

const free = (file: string): string => {
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? file : `${file}.${number}`
    if (!existsSync(name)) return name
  }
}

// ---- check

export type Finding = { sound: boolean; sentence: string }

/**
 * Database, references, server secret, ledger and clock: what is sound, what is not. Nothing is changed, unless
 * `mendClock` says that this machine's clock is right and a time that is ahead of it was wrong.
 *
 * @throws Refusal if the clock is to be mended while a server runs
 */
export const check = async (
  config: Config,
  { mendClock = false, now = Date.now() }: { mendClock?: boolean; now?: number } = {},
): Promise<Finding[]> => {
  const findings: Finding[] = []
  const note = (sound: boolean, sentence: string) => findings.push({ sound, sentence })
  const { db, finding } = await (config.database === null ? examined(config) : reached(config))
  findings.push(finding)
  try {
    const secret = foundSecret(config, note)
    if (!secret || !db) {
      note(false, 'Ledger: not checked.')
      return findings
    }
    const state = await ledgerOf(db, secret, new LedgerEnds(ledgerEndsFile(config.data)))
    findings.push(aboutSecret(config, state), ...aboutLedger(state))
    const fault = clockFault(await newestStoredTime(db), now)
    if (fault && mendClock) note(true, await mended(config, db, secret, now))
    else note(!fault, fault ?? 'Clock: not behind what is stored.')
  } finally {
    await db?.close()
  }
  return findings
}

type Looked = { db: Database | null; finding: Finding }

const examined = async ({ data }: Config): Promise<Looked> => {
  const file = databaseFile(data)
  if (!existsSync(file)) throw new Refusal('no-database-to-check', { values: { path: file } })
  const damage = damageOf(file)
  if (damage) return { db: null, finding: { sound: false, sentence: `Database: damaged: ${damage}.` } }
  return { db: openSqlite(file), finding: { sound: true, sentence: 'Database: sound.' } }
}

/** PostgreSQL looks after its files and references by itself. */
const reached = async (config: Config): Promise<Looked> => {
  try {
    const db = await openDatabase(config)
    return {
      db,
      finding: { sound: true, sentence: 'Database: PostgreSQL answers, with the tables of this version.' },
    }
  } catch (error) {
    if (!(error instanceof Unusable)) throw error
    return { db: null, finding: { sound: false, sentence: `Database: ${error.message}` } }
  }
}

const foundSecret = (
  { data }: Config,
  note: (sound: boolean, sentence: string) => void,
): ServerSecret | null => {
  try {
    return openServerSecret(data, false)
  } catch (error) {
    note(false, `Server secret: ${error instanceof Error ? error.message : 'cannot be read.'}`)
    return null
  }
}

const aboutSecret = (config: Config, state: LedgerState): Finding => {
  const isOpen = (statSync(serverSecretFile(config.data)).mode & 0o077) !== 0
  if (isOpen)
    return { sound: false, sentence: 'Server secret: others may read its file. Give it the mode 0600.' }
  if (state === 'other secret')
    return { sound: false, sentence: 'Server secret: it is not the one that this database was used with.' }
  if (state === 'empty') return { sound: true, sentence: 'Server secret: present.' }
  return { sound: true, sentence: 'Server secret: present, and the one that this database was used with.' }
}

/** What `check` says of it. */
export const aboutLedger = (state: LedgerState): Finding[] => {
  if (state === 'empty') return [{ sound: true, sentence: 'Ledger: empty.' }]
  if (state === 'sound') return [{ sound: true, sentence: 'Ledger: complete and unchanged.' }]
  if (state === 'other secret')
    return [{ sound: false, sentence: 'Ledger: no entry fits the server secret.' }]
  return [...state].map(([fault, whose]) => ({
    sound: false,
    sentence: `Ledger: ${faultSentences[fault]}: ${whose.join(', ')}.`,
  }))
}

/** Takes back the times that are ahead. The ledger goes on from now, with an entry that says so. */
const mended = async (config: Config, db: Database, secret: ServerSecret, now: number): Promise<string> => {
  const lock = tryExclusive(config.data)
  if (!lock) throw new Refusal('server-runs', { values: { folder: config.data } })
  let joined: Joined | null = null
  try {
    joined = await joinedAlone(db, secret)
    await takeBackTimes(db, now)
    const ledger = new Ledger({ db, secret, clock: () => now })
    const terminal = 'wafer check --mend-clock'
    for (const { id: userId } of await db.select({ id: users.id }).from(users))
      await ledger.append({
        userId,
        event: 'used',
        terminal,
        address: 'this server',
        reason: { kind: 'clock-mended' },
      })
    return 'Clock: mended. Whoever was logged in at the wrong time logs in again.'
  } finally {
    await joined?.leave()
    lock.release()
  }
}

/** Keeps servers with other data folders away, too. */
const joinedAlone = async (db: Database, secret: ServerSecret): Promise<Joined> => {
  try {
    return await db.join({ epoch: null, secret: secret.tag, onTold: () => {}, onSupplanted: () => {} })
  } catch (error) {
    if (!(error instanceof Unusable)) throw error
    throw new Refusal('database-served', { values: { called: 'WAFER_DATABASE' }, cause: error })
  }
}

const faultSentences: Record<LedgerFault, string> = {
  changed: 'entries were changed, put in or taken out',
  emptied: 'it was emptied',
  older:
    'the newest entry that this machine has seen is missing, so it was cut off or the database was put back to an older state',
}

export type LedgerState = 'empty' | 'sound' | 'other secret' | Map<LedgerFault, string[]>

/**
 * Whether the ledger's MACs fit, and its ends those that were noted. Where not a single MAC does, it is the secret that
 * is another.
 *
 * @param ends null for a database that lay elsewhere
 * @returns the addresses of whom each fault concerns, where there are any
 */
export const ledgerOf = async (
  db: Database,
  secret: ServerSecret,
  ends: LedgerEnds | null,
): Promise<LedgerState> => {
  const ledger = new Ledger({ db, secret, clock: Date.now, ends })
  const faults = await ledger.faults()
  const known = await ledger.knowsSecret()
  if (faults.size === 0) return known === null ? 'empty' : 'sound'
  if (known === false) return 'other secret'
  const addresses = new Map((await db.select().from(users)).map(({ id, address }) => [id, address]))
  const whose = new Map<LedgerFault, string[]>()
  for (const [id, fault] of faults)
    whose.set(fault, [...(whose.get(fault) ?? []), addresses.get(id) ?? `user ${id}`])
  return whose
}

/** What SQLite finds wrong with a database file, in a few words; null if nothing. */
const damageOf = (file: string): string | null => {
  try {
    const client = new Sqlite(file, { fileMustExist: true })
    try {
      client.pragma('busy_timeout = 5000')
      const [first] = client.pragma('integrity_check(1)') as { integrity_check: string }[]
      if (first?.integrity_check !== 'ok')
        return (first?.integrity_check ?? 'unknown').replace(/\s+/g, ' ').trim()
      const [orphan] = client.pragma('foreign_key_check') as { table: string; parent: string }[]
      return orphan ? `a row of ${orphan.table} refers to one of ${orphan.parent} that is not there` : null
    } finally {
      client.close()
    }
  } catch (error) {
    if (error instanceof Sqlite.SqliteError && /^SQLITE_(NOTADB|CORRUPT)/.test(error.code))
      return error.message
    throw error
  }
}

// ---- files

/** Written aside, synced, and renamed: at no time is there half a file. */
export const writeDurably = (file: string, content: string | Uint8Array) => {
  const aside = `${file}.${randomBytes(6).toString('hex')}.tmp`
  writeFileSync(aside, content, { mode: 0o600, flush: true, flag: 'wx' })
  renameSync(aside, file)
  syncFolder(dirname(file))
}

const syncFolder = (folder: string) => {
  const handle = openSync(folder, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
