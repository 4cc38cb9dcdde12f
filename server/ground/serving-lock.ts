/**
 * Who serves a data folder: a lock that the operating system takes back when the process ends, however it ends
 * (SQLite's own file lock on a file of its own). One process serves alone; several only share it, which they may
 * when they share an epoch; `restore` needs it for itself.
 */
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'

export type ServingLock = { release(): void }

const take = (dataFolder: string, statements: string[]): ServingLock | null => {
  const client = new Sqlite(join(dataFolder, 'serving.lock'), { timeout: 0 })
  try {
    for (const statement of statements) client.exec(statement)
    return { release: () => client.close() }
  } catch (error) {
    client.close()
    if (error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY')) return null
    throw error
  }
}

/** @returns null if another process serves this folder */
export const tryExclusive = (dataFolder: string) => take(dataFolder, ['BEGIN EXCLUSIVE'])

/** @returns null if another process holds the lock for itself */
export const tryShared = (dataFolder: string) =>
  take(dataFolder, ['BEGIN', 'SELECT count(*) FROM sqlite_master'])
