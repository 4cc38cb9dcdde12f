/**
 * The two ends of a copy from one engine to the other. The kit makes tables for one engine in a process; here both are
 * asked, by SQL that both know. An end stands still while it is open: nobody else writes to what is copied, and what is
 * written is there as a whole when it is kept, or not at all.
 */
import { chmodSync, closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import Sqlite from 'better-sqlite3'
import { PgDialect } from 'drizzle-orm/pg-core'
import { type SQL, sql } from 'drizzle-orm/sql'
import { SQLiteAsyncDialect } from 'drizzle-orm/sqlite-core'
import pg from 'pg'
import { copying, postgresPool } from '../limits.ts'
import { Refusal, Unusable } from '../refusal.ts'
import { databaseFile, openSqlite } from './open.ts'
import { openPostgres, settings } from './postgres.ts'
import { lockAlone } from './postgres-serving.ts'

export type End = {
  readonly isPostgres: boolean
  rows<T>(statement: SQL): Promise<T[]>
  /** What was written and not kept is gone. */
  close(): Promise<void>
}
export type Target = End & {
  /** Whether a copy that was interrupted had left something, which was thrown away. */
  readonly isAnew: boolean
  /** After the last statement: all that was written is there, on the disk. */
  keep(): Promise<void>
}

// ---- SQLite

const sqliteDialect = new SQLiteAsyncDialect()

const sqliteEnd = (client: Sqlite.Database): End => ({
  isPostgres: false,
  rows: async (statement) => {
    const { sql, params } = sqliteDialect.sqlToQuery(statement)
    const prepared = client.prepare(sql)
    if (prepared.reader) return prepared.all(params) as never[]
    prepared.run(params)
    return []
  },
  close: async () => void client.close(),
})

/** @param file of a database, which is brought to this version's schema */
export const sqliteSource = async (file: string): Promise<End> => {
  await openSqlite(file).close()
  const client = new Sqlite(file, { fileMustExist: true, timeout: copying.waitMs })
  client.exec('BEGIN IMMEDIATE')
  return sqliteEnd(client)
}

/** @param folder a data folder, locked by the caller, with an empty database or none */
export const sqliteTarget = async (folder: string): Promise<Target> => {
  const file = databaseFile(folder)
  const aside = `${file}.copy`
  const isAnew = existsSync(aside)
  const discard = (name: string) => {
    for (const end of ['', '-wal', '-shm', '-journal']) rmSync(name + end, { force: true })
  }
  discard(aside)
  await openSqlite(aside).close()
  chmodSync(aside, 0o600)
  const client = new Sqlite(aside)
  // Until it is kept, nobody wants it back.
  for (const mode of ['journal_mode = DELETE', 'journal_mode = OFF', 'synchronous = OFF']) client.pragma(mode)
  const triggers = client.prepare("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").all() as {
    name: string
    sql: string
  }[]
  client.exec('BEGIN')
  for (const { name } of triggers) client.exec(`DROP TRIGGER "${name}"`)
  return {
    ...sqliteEnd(client),
    isAnew,
    keep: async () => {
      for (const trigger of triggers) client.exec(trigger.sql)
      client.exec('COMMIT')
      client.close()
      synced(aside)
      discard(file) // it is empty, but a log beside it would be taken for the copy's
      renameSync(aside, file)
      synced(dirname(file))
    },
    close: async () => {
      client.close()
      discard(aside)
    },
  }
}

const synced = (path: string) => {
  const handle = openSync(path, 'r')
  fsyncSync(handle)
  closeSync(handle)
}

// ---- PostgreSQL

const postgresDialect = new PgDialect()

/**
 * A transaction, begun when nobody else uses the database.
 *
 * @param called what names it, for people
 */
const postgresEnd = async (url: string, called: string): Promise<End> => {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: postgresPool.connectMs,
    keepAlive: true,
    application_name: 'wafer copy',
  })
  client.on('error', () => {}) // told by the statement that meets it
  // What a server says of a statement may quote values.
  const asked = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      const { code = 'no answer' } = error as { code?: string }
      const sentence = `The PostgreSQL server that ${called} names failed (${code}). Nothing of the copy was kept; run it again.`
      throw new Unusable(sentence, { cause: error })
    }
  }
  const end: End = {
    isPostgres: true,
    rows: async (statement) => {
      const { sql, params } = postgresDialect.sqlToQuery(statement)
      return (await asked(() => client.query(sql, params))).rows
    },
    close: () => client.end().catch(() => {}),
  }
  try {
    await asked(() => client.connect())
    await asked(() => client.query(settings(0)))
    await whileAlone(end, called)
    await end.rows(sql`BEGIN ISOLATION LEVEL REPEATABLE READ`)
    return end
  } catch (error) {
    await end.close()
    throw error
  }
}

/**
 * Nobody serves it from here on, and no command is at work; sessions of processes that just ended are there for a moment.
 *
 * @throws Refusal `database-served`
 */
const whileAlone = async (end: End, called: string) => {
  const until = performance.now() + copying.waitMs
  const others = sql`SELECT 1 FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'wafer%' AND pid <> pg_backend_pid()`
  const isAlone = async () => {
    const [lock] = await end.rows<{ taken: boolean }>(sql.raw(lockAlone))
    return lock!.taken && (await end.rows(others)).length === 0
  }
  while (!(await isAlone())) {
    if (performance.now() > until) throw new Refusal('database-served', { values: { called } })
    await pause(copying.pollMs)
  }
}

/** @param tables their names: until the end nobody writes to them */
export const postgresSource = async (url: string, called: string, tables: string[]): Promise<End> => {
  await (await openPostgres(url)).close()
  const end = await postgresEnd(url, called)
  const names = tables.map((name) => sql.identifier(name))
  await end.rows(sql`LOCK TABLE ${sql.join(names, sql`, `)} IN SHARE MODE`)
  return end
}

export const postgresTarget = async (url: string, called: string, tables: string[]): Promise<Target> => {
  await (await openPostgres(url, { called })).close()
  const end = await postgresEnd(url, called)
  const triggers = async (what: 'DISABLE' | 'ENABLE') => {
    for (const name of tables)
      await end.rows(sql`ALTER TABLE ${sql.identifier(name)} ${sql.raw(what)} TRIGGER USER`)
  }
  await triggers('DISABLE')
  return {
    ...end,
    // A transaction that was interrupted left nothing.
    isAnew: false,
    keep: async () => {
      await triggers('ENABLE')
      await end.rows(sql`COMMIT`)
      await end.close()
    },
  }
}
