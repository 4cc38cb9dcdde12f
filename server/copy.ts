/**
 * Everything that a database holds, moved to the other engine while nothing serves: rows as they are, the search index made
 * anew from the mail itself. It is compared before it is kept, and kept as a whole: one that is interrupted leaves nothing.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { aboutLedger, ledgerOf, writeDurably } from './backup.ts'
import { type Config, isPostgresUrl } from './ground/config.ts'
import { copying } from './ground/limits.ts'
import { Refusal } from './ground/refusal.ts'
import { openServerSecret, type ServerSecret, serverSecretFile } from './ground/server-secret.ts'
import { type ServingLock, tryExclusive } from './ground/serving-lock.ts'
import {
  type Copied,
  copyRows,
  filledTable,
  indexAt,
  octetsOf,
  searchedContents,
  tableNames,
} from './ground/store/copy.ts'
import {
  type End,
  postgresSource,
  postgresTarget,
  sqliteSource,
  sqliteTarget,
  type Target,
} from './ground/store/copy-ends.ts'
import { databaseFile, openDatabase } from './ground/store/open.ts'
import { Turnstile } from './ground/turnstile.ts'
import { CryptoPool } from './locked/crypto-pool.ts'
import { LedgerEnds, ledgerEndsFile } from './people/ledger-ends.ts'

/** Where a copy goes: a PostgreSQL database, whose URL may hold a password, or a data folder. */
export type Place = { url: string } | { folder: string }

/** As a call names it; null if it is neither. */
export const placeOf = (text: string): Place | null => {
  const [, folder] = text.match(/^sqlite:(.+)$/s) ?? []
  if (folder) return { folder: resolve(folder) }
  return isPostgresUrl(text) ? { url: text } : null
}

/**
 * Copies the database of these settings.
 *
 * @param say is given a sentence for each thing that was done, and for what is to be done next
 * @throws Refusal if something serves, or the place is not an empty database of the other kind; `unsound` after all was
 *   copied, where the ledger was not sound before
 */
export const copyAll = async (
  config: Config,
  place: Place,
  say: (sentence: string) => void,
): Promise<void> => {
  const engine = config.database === null ? 'SQLite' : 'PostgreSQL'
  if ((config.database === null) === 'folder' in place)
    throw new Refusal('copy-to-same-engine', { values: { engine } })
  if (config.database === null && !existsSync(databaseFile(config.data)))
    throw new Refusal('no-database-to-copy', { values: { path: databaseFile(config.data) } })
  const folders = [config.data, ...('folder' in place && place.folder !== config.data ? [place.folder] : [])]
  const locks: ServingLock[] = []
  try {
    for (const folder of folders) locks.push(lockOf(folder))
    const secret = openServerSecret(config.data, false)
    if ('folder' in place) refuseOtherSecret(place.folder, secret)
    const ledger = await ledgerFindings(config, secret)
    const copied = await moved(config, place, say)
    if ('folder' in place && place.folder !== config.data) bring(config.data, place.folder, secret)
    const rows = [...copied.values()].reduce((sum, table) => sum + table.rows, 0)
    say(`Copied and compared: ${counted(rows, 'row')} of ${copied.size} tables, among them ${shown(copied)}.`)
    for (const { sentence } of ledger) say(sentence)
    for (const sentence of whatNext(config, place)) say(sentence)
    if (ledger.some(({ sound }) => !sound)) throw new Refusal('unsound')
  } finally {
    for (const lock of locks) lock.release()
  }
}

const lockOf = (folder: string): ServingLock => {
  if (!existsSync(folder)) mkdirSync(folder, { mode: 0o700 })
  const lock = tryExclusive(folder)
  if (!lock) throw new Refusal('server-runs', { values: { folder } })
  return lock
}

const refuseOtherSecret = (folder: string, secret: ServerSecret) => {
  const file = serverSecretFile(folder)
  if (existsSync(file) && readFileSync(file, 'utf8').trim() !== secret.toFile().trim())
    throw new Refusal('copy-target-secret', { values: { folder } })
}

/** Of the rows that will be compared with their copies. */
const ledgerFindings = async (config: Config, secret: ServerSecret) => {
  const db = await openDatabase(config)
  try {
    const state = await ledgerOf(db, secret, new LedgerEnds(ledgerEndsFile(config.data)))
    if (state === 'other secret')
      throw new Refusal('copy-with-other-secret', { values: { folder: config.data } })
    return aboutLedger(state)
  } finally {
    await db.close()
  }
}

const moved = async (
  config: Config,
  place: Place,
  say: (sentence: string) => void,
): Promise<Map<string, Copied>> => {
  const from = await (config.database === null
    ? sqliteSource(databaseFile(config.data))
    : postgresSource(config.database, 'WAFER_DATABASE', tableNames))
  try {
    const to = await targetAt(place)
    try {
      const table = await filledTable(to)
      if (table) throw new Refusal('copy-target-filled', { values: { called: '--to', table } })
      say(
        to.isAnew
          ? 'A copy that was interrupted before is thrown away: this one begins anew.'
          : 'The copy begins from the start; if it is interrupted, nothing of it is kept, and it is run again.',
      )
      const copied = await copyRows(from, to)
      await makeIndex(from, to, say)
      await to.keep()
      return copied
    } catch (error) {
      await to.close()
      throw error
    }
  } finally {
    await from.close()
  }
}

const targetAt = async (place: Place): Promise<Target> => {
  if ('url' in place) return postgresTarget(place.url, '--to', tableNames)
  const file = databaseFile(place.folder)
  if (existsSync(file)) {
    const there = await sqliteSource(file)
    const table = await filledTable(there).finally(() => there.close())
    if (table) throw new Refusal('copy-target-filled', { values: { called: '--to', table } })
  }
  return sqliteTarget(place.folder)
}

/** In child processes, as everything that reads mail: what cannot be read there is found by nothing, as at its delivery. */
const makeIndex = async (from: End, to: End, say: (sentence: string) => void) => {
  const pool = new CryptoPool(new Turnstile(2, 32))
  const wordsOf = async (octets: Buffer) => {
    try {
      return (await pool.run('intake', 'summarize', { octets }, { user: null })).index
    } catch (error) {
      if (error instanceof Refusal && error.code === 'busy') throw error
      return { sender: '', recipients: '', subject: '', body: '' }
    }
  }
  try {
    let mails = 0
    for await (const ids of searchedContents(from)) {
      const contents: Buffer[] = []
      for (const id of ids) contents.push(await octetsOf(from, id))
      const words = await Promise.all(contents.map(wordsOf))
      for (const [at, id] of ids.entries()) await indexAt(to, id, words[at]!)
      const before = mails
      mails += ids.length
      if (Math.floor(mails / copying.saidAfter) > Math.floor(before / copying.saidAfter))
        say(`${mails} mails can be searched.`)
    }
  } finally {
    pool.close()
  }
}

/** What a data folder has beside the database: the secret, and what this machine has seen of the ledgers. */
const bring = (from: string, to: string, secret: ServerSecret) => {
  if (!existsSync(serverSecretFile(to))) writeDurably(serverSecretFile(to), secret.toFile())
  const ends = new LedgerEnds(ledgerEndsFile(from))
  if (ends.exist) new LedgerEnds(ledgerEndsFile(to)).replace(ends.read())
}

const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`

const shown = (copied: Map<string, Copied>): string => {
  const rowsOf = (table: string) => copied.get(table)?.rows ?? 0
  return `${counted(rowsOf('users'), 'user')} and ${counted(rowsOf('messages'), 'message')}`
}

const whatNext = ({ data }: Config, place: Place): string[] =>
  'url' in place
    ? [
        `Next: set WAFER_DATABASE to that database, in ${join(data, '.env')} for instance. Server secret and settings stay in ${data}.`,
        `Remove ${databaseFile(data)} when all is well: it opens with the same secret.`,
      ]
    : [
        place.folder === data
          ? `Next: unset WAFER_DATABASE. Server secret and settings stay in ${data}.`
          : `Next: set WAFER_DATA to ${place.folder}, and unset WAFER_DATABASE. The server secret is there too; settings in ${join(data, '.env')} are not.`,
        'Drop the PostgreSQL database when all is well: it opens with the same secret.',
      ]
