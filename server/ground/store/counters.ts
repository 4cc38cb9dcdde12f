/** Counters that all processes share, of the library that counts: its table `rate_limits` is in either engine. */
import { type RateLimiterAbstract, RateLimiterPostgres, RateLimiterSQLite } from 'rate-limiter-flexible'
import type { Database } from './database.ts'
import type { PostgresDatabase } from './postgres.ts'
import type { SqliteDatabase } from './sqlite.ts'

export type Counter = Pick<RateLimiterAbstract, 'get' | 'set' | 'penalty' | 'consume' | 'delete'>

/** @param limit so many points in so many seconds, of each key */
export const counter = (
  db: Database,
  limit: { keyPrefix: string; points: number; duration: number },
): Counter => {
  // What has run out is deleted by the owner of the table.
  const options = { ...limit, tableName: 'rate_limits', tableCreated: true, clearExpiredByTimeout: false }
  const counts: Counter =
    '$pool' in db
      ? new RateLimiterPostgres({
          ...options,
          storeClient: (db as PostgresDatabase).$pool,
          storeType: 'pool',
        })
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
    delete: (key) => db.alone(() => counts.delete(key)),
  }
}
