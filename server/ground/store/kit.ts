/**
 * What tables are described with: the columns of one engine's dialect, by the names of neither. Which engine it is, the
 * setting decides for the whole process, as a table is made when its module is loaded. To the compiler all tables are
 * SQLite's: both dialects give and take the same values, for queries that are awaited, count rows by RETURNING, and hold
 * no SQL but what both engines know.
 */
import { type SQL, type SQLWrapper, sql } from 'drizzle-orm'
import * as postgres from 'drizzle-orm/pg-core'
import * as sqlite from 'drizzle-orm/sqlite-core'
import { isPostgresSet } from '../config.ts'

export const isPostgres = isPostgresSet(process.env)

export type Column = sqlite.AnySQLiteColumn

const sqliteKit = {
  table: sqlite.sqliteTable,
  index: sqlite.index,
  uniqueIndex: sqlite.uniqueIndex,
  primaryKey: sqlite.primaryKey,
  text: sqlite.text,
  /** Compared and put in order by its octets in UTF-8, whatever language the database is in. */
  exactText: sqlite.text,
  int: (name: string) => sqlite.integer(name),
  flag: (name: string) => sqlite.integer(name, { mode: 'boolean' }),
  json: (name: string) => sqlite.text(name, { mode: 'json' }),
  id: (name: string) => sqlite.integer(name).primaryKey({ autoIncrement: true }),
  bytes: sqlite.customType<{ data: Uint8Array; driverData: Buffer }>({
    dataType: () => 'blob',
    toDriver: asBuffer,
    fromDriver: asOctets,
  }),
  /** What follows the `@`. */
  domainOf: (address: Column): SQL<string> => sql<string>`substr(${address}, instr(${address}, '@') + 1)`,
  /** The row that a query finds, for the statement that takes it: who asks for it at the same time finds the next. */
  toTake: (query: SQLWrapper): SQL => sql`(${query.getSQL()})`,
}

const postgresKit = {
  table: postgres.pgTable,
  index: postgres.index,
  uniqueIndex: postgres.uniqueIndex,
  primaryKey: postgres.primaryKey,
  text: postgres.customType<{ data: string; driverData: string }>({
    dataType: () => 'text',
    // It keeps no NUL, which comes in headers and names as anything does.
    toDriver: (value) => value.replaceAll('\0', '\ufffd').toWellFormed(),
  }),
  exactText: postgres.customType<{ data: string; driverData: string }>({
    dataType: () => 'text COLLATE "C"',
    toDriver: (value) => value.replaceAll('\0', '\ufffd').toWellFormed(),
  }) as unknown as typeof sqlite.text,
  json: postgres.customType<{ data: unknown; driverData: string }>({
    dataType: () => 'text',
    toDriver: (value) => JSON.stringify(value),
    fromDriver: (text) => JSON.parse(text),
  }),
  int: (name: string) => postgres.bigint(name, { mode: 'number' }),
  flag: (name: string) => postgres.boolean(name),
  id: (name: string) => postgres.bigint(name, { mode: 'number' }).primaryKey().generatedByDefaultAsIdentity(),
  bytes: postgres.customType<{ data: Uint8Array; driverData: Buffer }>({
    dataType: () => 'bytea',
    toDriver: asBuffer,
    fromDriver: asOctets,
  }),
  domainOf: (address: Column): SQL<string> => sql<string>`substr(${address}, strpos(${address}, '@') + 1)`,
  toTake: (query: SQLWrapper): SQL => sql`(${query.getSQL()} FOR UPDATE SKIP LOCKED)`,
}

export const {
  table,
  index,
  uniqueIndex,
  primaryKey,
  text,
  exactText,
  int,
  flag,
  json,
  id,
  bytes,
  domainOf,
  toTake,
} = isPostgres ? (postgresKit as unknown as typeof sqliteKit) : sqliteKit

function asBuffer(value: Uint8Array): Buffer {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
}

function asOctets(value: Buffer): Uint8Array {
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
}
