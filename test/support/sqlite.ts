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
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'wafer.db')
}

/** Tables of keys and of their uses, each before those that refer to it. */
const ofKeys = ['keyrings', 'key_slots', 'ledger', 'ledger_heads']

/** Looks at what comes of an edit of these tables behind the owners' backs, and takes it back. Each connection sees it. */
export const edited = async (
  client: Sqlite.Database,
  edit: string,
  look: () => Promise<void>,
): Promise<void> => {
  for (const name of ofKeys) client.exec(`CREATE TEMP TABLE kept_${name} AS SELECT * FROM main.${name}`)
  client.exec(edit)
  await look()
  client.pragma('foreign_keys = OFF')
  for (const name of ofKeys)
    client.exec(
      `DELETE FROM main.${name}; INSERT INTO main.${name} SELECT * FROM kept_${name}; DROP TABLE kept_${name}`,
    )
  client.pragma('foreign_keys = ON')
}
