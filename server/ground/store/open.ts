/**
 * The database, opened for whoever serves or commands: the engine that the settings name, at this version's schema.
 */
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { desc, gt, max } from 'drizzle-orm'
import { drizzle as drizzleSqlite } from 'drizzle-orm/better-sqlite3'
import { migrate as migrateSqlite } from 'drizzle-orm/better-sqlite3/migrator'
import type { Config } from '../config.ts'
import { Unusable } from '../refusal.ts'
import { type Database, everybody } from './database.ts'
import { refuseNewerVersion, sqliteMigrations } from './migrations.ts'
import { type SqliteDatabase, sqliteDatabase } from './sqlite.ts'
import { allowances, ledger, messages, outbox, sessions, stops } from './tables.ts'

export const databaseFile = (dataFolder: string) => join(dataFolder, 'wafer.db')

/** @throws Error with one sentence that names no password */
export const openDatabase = async ({
  data,
  database,
}: Pick<Config, 'data' | 'database'>): Promise<Database> =>
  database === null ? openSqlite(databaseFile(data)) : (await import('./postgres.ts')).openPostgres(database)

/**
 * Opens a SQLite file and brings it to this version's schema.
 *
 * @throws Error with one sentence if the file is from a newer version or no database; it is left as it was.
 */
export const openSqlite = (file: string, { called = file } = {}): SqliteDatabase => {
  const client = connect(file)
  try {
    const table = client.prepare("SELECT 1 FROM sqlite_master WHERE name = '__drizzle_migrations'").get()
    const newest = table && client.prepare('SELECT max(created_at) FROM __drizzle_migrations').pluck().get()
    refuseNewerVersion(called, sqliteMigrations, newest)
    client.pragma('journal_mode = WAL')
    migrateSqlite(drizzleSqlite(client), { migrationsFolder: sqliteMigrations })
  } catch (error) {
    client.close()
    if (error instanceof Sqlite.SqliteError && error.code === 'SQLITE_NOTADB')
      throw new Unusable(`${called} is not a Wafer database; nothing was changed.`, { cause: error })
    throw error
  }
  const reader = connect(file)
  reader.pragma('query_only = ON')
  return sqliteDatabase(client, reader)
}

const connect = (file: string) => {
  const client = new Sqlite(file)
  client.pragma('busy_timeout = 5000') // for the migration; what serves waits on the side
  client.pragma('synchronous = FULL') // an accepted mail is on the disk, not on its way there
  client.pragma('foreign_keys = ON')
  client.pragma('secure_delete = ON') // a deleted allowance leaves no copy in a free page
  return client
}

/** The newest time that any row holds, for a clock that must not run backwards. */
export const newestStoredTime = async (db: Database): Promise<number> => {
  const [contact] = await db.select({ at: max(sessions.contactAt) }).from(sessions)
  const [use] = await db.select({ at: max(allowances.usedAt) }).from(allowances)
  const [row] = await db.select({ at: ledger.at }).from(ledger).orderBy(desc(ledger.id)).limit(1)
  return Math.max(contact?.at ?? 0, use?.at ?? 0, row?.at ?? 0)
}

/**
 * Takes back times that a clock wrote which was ahead: sessions and allowances of then end, mail does not wait for them
 * and is not sorted by them. What the ledger says stays as it was written.
 *
 * @param now the true time
 */
export const takeBackTimes = (db: Database, now: number): Promise<void> =>
  db.transaction(everybody, async () => {
    await db.delete(allowances).where(gt(allowances.usedAt, now))
    await db.delete(sessions).where(gt(sessions.contactAt, now))
    await db.update(messages).set({ arrivedAt: now }).where(gt(messages.arrivedAt, now))
    await db.update(outbox).set({ nextAt: now }).where(gt(outbox.nextAt, now))
    await db.update(outbox).set({ createdAt: now }).where(gt(outbox.createdAt, now))
    await db.delete(stops).where(gt(stops.stoppedAt, now))
  })
