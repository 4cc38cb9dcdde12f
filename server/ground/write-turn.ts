/**
 * SQLite lets one process write at a time, and who meets another's lock waits with the whole event loop. So what is about
 * to write asks first whether it may, and waits on the side: those who only read go on.
 */
import { setTimeout as pause } from 'node:timers/promises'
import Sqlite from 'better-sqlite3'
import type { Database } from './database.ts'
import { writeTurn as limits } from './limits.ts'
import { Refusal } from './refusal.ts'

/** All who wait for one database wait together. */
const waiting = new WeakMap<Database, Promise<void>>()

/** Whether nobody else writes at this moment. Costs no disk access. */
export const isWritable = ({ $client: client }: Database): boolean => {
  if (client.inTransaction) return true
  const usual = client.pragma('busy_timeout', { simple: true })
  client.pragma('busy_timeout = 0')
  try {
    client.exec('BEGIN IMMEDIATE; ROLLBACK')
    return true
  } catch (error) {
    if (isLocked(error)) return false
    throw error
  } finally {
    client.pragma(`busy_timeout = ${usual}`)
  }
}

/** Resolves when nobody else writes. @throws Refusal `busy` when that takes too long */
export const writeTurn = (db: Database): Promise<void> => {
  if (isWritable(db)) return Promise.resolve()
  const begun = waiting.get(db) ?? poll(db).finally(() => waiting.delete(db))
  waiting.set(db, begun)
  return begun
}

const poll = async (db: Database) => {
  const endMs = performance.now() + limits.waitMs
  do {
    if (performance.now() > endMs) throw isBusy()
    await pause(limits.pollMs)
  } while (!isWritable(db))
}

/** Of a lock that was met all the same, the refusal; null for any other error. */
export const lockedRefusal = (error: unknown): Refusal | null =>
  isLocked(error) || (error instanceof Error && isLocked(error.cause)) ? isBusy(error) : null

const isLocked = (error: unknown) =>
  error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY')

const isBusy = (cause?: unknown) => new Refusal('server-busy', { cause, detail: { retry_after_s: 5 } })
