/** The embedded engine's own connection, to look at rows and to change them behind the owners' backs. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type Sqlite from 'better-sqlite3'
import type { Database } from '../../server/ground/store/database.ts'
import type { SqliteDatabase } from '../../server/ground/store/sqlite.ts'

export const sqliteOf = (db: Database): Sqlite.Database => (db as SqliteDatabase).$client

/** The name of a file for a database of this process alone. */
export const newDatabaseFile = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'wafer-db-'))
  if (folders.length === 0)
    process.once('exit', () => {
      for (const each of folders) rmSync(each, { recursive: true, force: true })
    })
  folders.push(folder)
  return join(folder, 'wafer.db')
}
const folders: string[] = []
