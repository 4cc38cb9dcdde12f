/** What this process asks its database, and whether the engine reads whole tables to answer it. */
import Sqlite from 'better-sqlite3'
import { sql } from 'drizzle-orm'
import pg from 'pg'
import type { Database } from '../../server/ground/store/database.ts'
import { isPostgres } from '../../server/ground/store/kit.ts'
import type { PostgresDatabase } from '../../server/ground/store/postgres.ts'
import type { SqliteDatabase } from '../../server/ground/store/sqlite.ts'

/** Each statement once, with the values that it came with first. */
export type Statements = Map<string, unknown[]>

/** Notes statements until the process ends, whoever sends them, libraries too. SQLite's come when they are prepared. */
export const noteStatements = (): Statements => {
  const statements: Statements = new Map()
  const note = (text: string, values: unknown[]) => {
    if (/^\s*(select|insert|update|delete|with)\b/i.test(text) && !statements.has(text))
      statements.set(text, values)
  }
  const { prepare } = Sqlite.prototype
  Sqlite.prototype.prepare = function (this: Sqlite.Database, text: string) {
    note(text, [])
    return prepare.call(this, text)
  } as typeof prepare
  type Query = (this: pg.Client, ...of: unknown[]) => unknown
  const { prototype } = pg.Client as unknown as { prototype: { query: Query } }
  const { query } = prototype
  prototype.query = function (...of) {
    const [first, second] = of as [string | { text: string; values?: unknown[] }, unknown[]?]
    if (typeof first === 'string') note(first, Array.isArray(second) ? second : [])
    else note(first.text, first.values ?? [])
    return query.apply(this, of)
  }
  return statements
}

/** A table, and what the engine calls it to read all of it. */
type Read = { table: string; how: string }

/** What statements read whole; nothing of what they read by index alone. */
export const wholeReads = async (
  db: Database,
  statements: Statements,
): Promise<(Read & { text: string })[]> => {
  const found: (Read & { text: string })[] = []
  const readsOf = isPostgres ? postgresReads : sqliteReads
  for (const [text, values] of statements)
    if (!isHead(text)) for (const read of await readsOf(db, text, values)) found.push({ ...read, text })
  return found
}

/** The first rows of a table in the order of an index, or any; not those that fit something. */
const isHead = (text: string) =>
  /^\s*select [^()]* from "\w+"( order by "\w+"\."\w+"( desc)?)? limit (\?|\$1)$/i.test(text)

const sqliteReads = async (db: Database, text: string): Promise<Read[]> => {
  const { $client } = db as SqliteDatabase
  const steps = $client.prepare(`EXPLAIN QUERY PLAN ${text}`).all(...unset(text)) as { detail: string }[]
  return steps.flatMap(({ detail }) => {
    // A virtual table says by `M` that it looks words up.
    const [, table] = detail.match(/^SCAN (\w+)(?! VIRTUAL TABLE INDEX \d+:M)\b/) ?? []
    return table ? [{ table, how: detail }] : []
  })
}

/** A plan does not depend on values here. */
const unset = (text: string) => Array((text.match(/\?/g) ?? []).length).fill(null)

type Step = {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Index Cond'?: string
  Plans?: Step[]
}

/** What is read whole although the planner was told to do anything else first. An index of few rows is not all of them. */
const postgresReads = async (db: Database, text: string, values: unknown[]): Promise<Read[]> => {
  const client = await (db as PostgresDatabase).$pool.connect()
  try {
    await client.query('SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off')
    const partial = await client.query("SELECT indexname FROM pg_indexes WHERE indexdef LIKE '% WHERE %'")
    const small = new Set(partial.rows.map(({ indexname }) => indexname))
    const { rows } = await client.query(`EXPLAIN (FORMAT JSON) ${text}`, values)
    const steps = stepsOf(rows[0]['QUERY PLAN'][0].Plan, '')
    return steps
      .filter((step) => isWhole(step) && !small.has(step['Index Name']))
      .map(({ table, ...step }) => ({
        table,
        how: `${step['Node Type']} ${step['Index Name'] ?? ''}`.trim(),
      }))
  } finally {
    client.release(true)
  }
}

const isWhole = (step: Step) =>
  step['Node Type'] === 'Seq Scan' ||
  (/^(Index|Bitmap Index)/.test(step['Node Type']) && step['Index Cond'] === undefined)

/** A plan's steps with their tables; the scan of an index alone is told from the step above it. */
const stepsOf = (step: Step, above: string): (Step & { table: string })[] => {
  const table = step['Relation Name'] ?? above
  return [{ ...step, table }, ...(step.Plans ?? []).flatMap((part) => stepsOf(part, table))]
}

/** Foreign keys that no index leads to the rows of: deleting one row that they refer to reads all of theirs. */
export const foreignKeysWithoutIndex = async (db: Database): Promise<string[]> => {
  const rows = await db.rows<{ key: string }>(isPostgres ? postgresKeys : sqliteKeys)
  return rows.map(({ key }) => key)
}

const sqliteKeys = sql`
  SELECT tables.name || '.' || keys."from" AS key
  FROM pragma_table_list AS tables JOIN pragma_foreign_key_list(tables.name) AS keys
  WHERE NOT EXISTS (
    SELECT 1 FROM pragma_index_list(tables.name) AS indexes JOIN pragma_index_info(indexes.name) AS columns
    WHERE NOT indexes.partial AND columns.seqno = 0 AND columns.name = keys."from"
  ) AND NOT EXISTS (
    SELECT 1 FROM pragma_table_info(tables.name) AS columns WHERE columns.pk = 1 AND columns.name = keys."from"
  )`

const postgresKeys = sql`
  SELECT conrelid::regclass || '.' || attname AS key
  FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
  WHERE contype = 'f' AND NOT EXISTS (
    SELECT 1 FROM pg_index WHERE indrelid = conrelid AND indkey[0] = conkey[1] AND indpred IS NULL
  )`
