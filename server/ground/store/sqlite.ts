/**
 * The embedded engine: one SQLite file in the data folder.
 *
 * Its statements run on the event loop, while transactions span awaits. So these are begun on a connection that nothing
 * else uses, one after the other; what is read outside of them is read on another one, and sees what was committed. What
 * may take long to read is read in threads beside this one (sqlite-aside.ts), several, so that one long question keeps
 * no other waiting.
 */
import { setTimeout as pause } from 'node:timers/promises'
import Sqlite from 'better-sqlite3'
import { SQLiteAsyncDialect } from 'drizzle-orm/sqlite-core'
import { drizzle } from 'drizzle-orm/sqlite-proxy'
import { asideThreads, lockWait as limits } from '../limits.ts'
import { Refusal } from '../refusal.ts'
import { type Begun, type Database, databaseOver, type Run } from './database.ts'
import { SqliteAside } from './sqlite-aside.ts'
import { Connection } from './sqlite-connection.ts'
import { Turns } from './turns.ts'

export type SqliteDatabase = Database & {
  /** The connection that writes, for what is this engine's alone. */
  readonly $client: Sqlite.Database
}

/**
 * @param client the connection that writes; with it this database closes both
 * @param reading another to the same file
 */
export const sqliteDatabase = (client: Sqlite.Database, reading: Sqlite.Database): SqliteDatabase => {
  const writer = new Connection(client)
  const reader = new Connection(reading)
  client.pragma('busy_timeout = 0') // it waits on the side
  const asides = Array.from({ length: asideThreads }, () => new SqliteAside(reading.name))
  const turns = new Turns<'writing'>()
  const dialect = new SQLiteAsyncDialect()

  const run: Run = async (sql, values, method) => {
    if (reader.isReading(sql)) return reader.run(sql, values, method)
    return turns.taken('writing', () => unlocked(() => writer.run(sql, values, method)))
  }
  const runAside: Run = async (sql, values, method) => {
    if (!reader.isReading(sql)) throw new Error('expected a statement that reads, got one that writes')
    // The first that is free: so a second one begins when there is a use for it.
    const least = asides.reduce((least, each) => (each.waiting < least.waiting ? each : least))
    return unlocked(() => least.run(sql, values, method))
  }
  const begin = async (): Promise<Begun> => {
    const pass = await turns.take('writing')
    try {
      await unlocked(() => writer.run('BEGIN IMMEDIATE', [], 'run'))
    } catch (error) {
      pass()
      throw error
    }
    return {
      run: async (sql, values, method) => writer.run(sql, values, method),
      commit: async () => {
        writer.run('COMMIT', [], 'run')
        pass()
      },
      rollback: async () => {
        try {
          // A full disk takes everything back by itself.
          if (client.inTransaction) writer.run('ROLLBACK', [], 'run')
        } finally {
          pass() // or nobody writes any more
        }
      },
    }
  }
  const database = databaseOver({
    statements: drizzle,
    textOf: (statement) => dialect.sqlToQuery(statement),
    run,
    runAside,
    begin,
    alone: (work) => turns.taken('writing', () => unlocked(work)),
    // Who shares a file looks into it often enough, has this machine's clock, and holds the lock of its folder.
    tell: async () => {},
    join: async () => ({ leave: async () => {} }),
    serverTime: async () => null,
    close: async () => {
      await Promise.all(asides.map((aside) => aside.close()))
      client.close()
      reading.close()
    },
  })
  return Object.assign(database, { $client: client })
}

/**
 * Waits on the side while another process writes, so that who only reads goes on.
 *
 * @throws Refusal `server-busy` when that takes too long
 */
const unlocked = async <T>(work: () => T | Promise<T>): Promise<T> => {
  const endMs = performance.now() + limits.waitMs
  while (true) {
    try {
      return await work()
    } catch (error) {
      if (!isLocked(error)) throw error
      if (performance.now() > endMs)
        throw new Refusal('server-busy', { cause: error, detail: { retry_after_s: 5 } })
    }
    await pause(limits.pollMs)
  }
}

const isLocked = (error: unknown) =>
  error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY')
