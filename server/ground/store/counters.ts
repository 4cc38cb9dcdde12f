/** Counters that all processes share, of the library that counts: its table `rate_limits` is in either engine. */
import { sql } from 'drizzle-orm'
import { type RateLimiterAbstract, RateLimiterPostgres, RateLimiterSQLite } from 'rate-limiter-flexible'
import type { Database } from './database.ts'
import { isPostgres } from './kit.ts'
import type { SqliteDatabase } from './sqlite.ts'

export type Counter = Pick<RateLimiterAbstract, 'get' | 'set' | 'penalty' | 'consume'> & {
  delete(key: string): Promise<void>
}

/** @param limit so many points in so many seconds, of each key */
export const counter = (
  db: Database,
  limit: { keyPrefix: string; points: number; duration: number },
): Counter => {
  // What has run out is deleted by the owner of the table.
  const options = { ...limit, tableName: 'rate_limits', tableCreated: true, clearExpiredByTimeout: false }
  const counts = isPostgres
    ? new RateLimiterPostgres({ ...options, storeClient: asPool(db), storeType: 'pool' })
    : new RateLimiterSQLite({
        ...options,
        storeClient: (db as SqliteDatabase).$client,
        storeType: 'better-sqlite3',
      })
  return {
    get: (key) => db.alone(() => counts.get(key)),
    set: (key, points, seconds) => db.alone(() => counts.set(key, points, seconds)),
    penalty: (key, points) => db.alone(() => counts.penalty(key, points)),
    consume: (key, points) => db.alone(() => counts.consume(key, points)),
    delete: async (key) => {
      await db.alone(() => counts.delete(key))
    },
  }
}

/** What the library asks belongs to the transaction that it is called in, as any statement does. */
const asPool = (db: Database) => ({
  query: async ({ text, values }: { text: string; values: unknown[] }) => {
    const pieces = text.split(/\$(\d+)/)
    const statement = pieces.map((piece, place) =>
      place % 2 === 1 ? sql`${values[Number(piece) - 1]}` : sql.raw(piece),
    )
    const rows = await db.rows(sql.join(statement))
    return { rows, rowCount: rows.length }
  },
})
