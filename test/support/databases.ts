/**
 * Databases of a test's own, of the engine that the whole process is for, and what is asked of them beside the owners of
 * tables: a look at rows, and changes behind the owners' backs.
 */
import { existsSync, readFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { sql } from 'drizzle-orm'
import pg from 'pg'
import { type Database, everybody } from '../../server/ground/store/database.ts'
import { isPostgres } from '../../server/ground/store/kit.ts'
import { openSqlite } from '../../server/ground/store/open.ts'
import { openPostgres } from '../../server/ground/store/postgres.ts'
import { newDatabaseFile, sqliteOf } from './sqlite.ts'

/** Why a test is about SQLite alone; as its option `skip`, it runs there and says why elsewhere. */
export const sqliteAlone = (why: string): string | false => isPostgres && `It is about SQLite alone: ${why}.`

export const postgresAlone = (why: string): string | false =>
  !isPostgres && `It is about PostgreSQL alone: ${why}.`

/** What names a database of its own: nothing for SQLite, whose file is in the data folder. */
export type OwnDatabase = { url: string | undefined; drop(): Promise<void> }

/** A database with all tables and no rows. */
export const ownDatabase = async (): Promise<OwnDatabase> => {
  if (!isPostgres) return { url: undefined, drop: async () => {} }
  const template = process.env.WAFER_DATABASE!
  const [, name] = template.match(/\/(\w+)\?/)!
  const own = `of_${process.pid}_${++databases}`
  await administer(`CREATE DATABASE ${own} TEMPLATE ${name}`)
  return {
    url: template.replace(`/${name}?`, `/${own}?`),
    drop: () => administer(`DROP DATABASE ${own} WITH (FORCE)`),
  }
}
let databases = 0

const administer = async (statement: string) => {
  const client = new pg.Client({
    connectionString: process.env.WAFER_DATABASE!.replace(/\/\w+\?/, '/postgres?'),
  })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

/** An open database without a server, for a process of tests. */
export const openOwn = async (): Promise<Database> => {
  const { url } = await ownDatabase()
  return url ? openPostgres(url) : openSqlite(newDatabaseFile())
}

/** The rows of a statement in the words of both engines, by the names of their columns. */
export const rowsOf = <Row>(db: Database, text: string): Promise<Row[]> => db.rows<Row>(sql.raw(text))

/** The first column of each row. */
export const columnOf = async <Value>(db: Database, text: string): Promise<Value[]> =>
  (await rowsOf<object>(db, text)).map((row) => Object.values(row)[0] as Value)

/** The first column of the only row. */
export const cellOf = async <Value>(db: Database, text: string): Promise<Value> =>
  (await columnOf<Value>(db, text))[0] as Value

/** All tables that have rows of ours; the search index aside, which no query reads whole. */
export const tablesOf = (db: Database): Promise<string[]> =>
  columnOf(
    db,
    isPostgres
      ? "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
      : "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%'",
  )

/** What is another one after anything was written. */
export const writesOf = async (db: Database): Promise<unknown> => {
  if (!isPostgres) return cellOf(db, 'SELECT total_changes()')
  const tables = await tablesOf(db)
  return Promise.all(
    tables.map((table) => rowsOf(db, `SELECT count(*), max(xmin::text::bigint) FROM "${table}"`)),
  )
}

/** The text of each statement that is sent until the test ends. */
export const askedOf = (t: TestContext, db: Database): string[] => {
  const asked: string[] = []
  const noted = (prototype: object, method: string, textOf: (of: unknown, given: unknown) => string) => {
    const original = Reflect.get(prototype, method) as (...given: unknown[]) => unknown
    t.mock.method(prototype as Record<string, () => unknown>, method, function (
      this: object,
      ...given: unknown[]
    ) {
      asked.push(textOf(this, given[0]))
      return original.apply(this, given)
    } as () => unknown)
  }
  if (isPostgres)
    noted(pg.Client.prototype, 'query', (_, given) => (given as { text?: string }).text ?? String(given))
  else
    for (const method of ['run', 'get', 'all'])
      noted(
        Object.getPrototypeOf(sqliteOf(db).prepare('SELECT 1')),
        method,
        (of) => (of as { source: string }).source,
      )
  return asked
}

/** Whatever lies in the database, as it lies there: its files' octets, or all values of all rows. */
export const octetsOf = async (db: Database): Promise<Buffer[]> => {
  if (!isPostgres) {
    const file = sqliteOf(db).name
    return [file, `${file}-wal`].filter(existsSync).map((each) => readFileSync(each))
  }
  const tables = await tablesOf(db)
  const rows = await Promise.all(tables.map((table) => rowsOf<object>(db, `SELECT * FROM "${table}"`)))
  return rows
    .flat()
    .flatMap(Object.values)
    .map((value) => (value instanceof Uint8Array ? Buffer.from(value) : Buffer.from(String(value))))
}

/** Does `work` while no row of a table can be deleted, as if the power went at that point. */
export const withoutPower = async (db: Database, table: string, work: () => Promise<void>): Promise<void> => {
  const refusing = isPostgres
    ? [
        `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the power is gone'; END $$`,
        `CREATE TRIGGER power BEFORE DELETE ON ${table} FOR EACH ROW EXECUTE FUNCTION refuse()`,
      ]
    : [`CREATE TRIGGER power BEFORE DELETE ON ${table} BEGIN SELECT RAISE(ABORT, 'the power is gone'); END`]
  const over = isPostgres ? ['DROP FUNCTION refuse CASCADE'] : ['DROP TRIGGER power']
  for (const statement of refusing) await rowsOf(db, statement)
  await work()
  for (const statement of over) await rowsOf(db, statement)
}

/** Tables of keys and of their uses, each before those that refer to it. */
const ofKeys = ['keyrings', 'key_slots', 'ledger', 'ledger_heads']

/** Looks at what comes of edits of these tables behind the owners' backs, and takes them back. */
export const edited = async (db: Database, edits: string, look: () => Promise<void>): Promise<void> => {
  for (const name of ofKeys) await rowsOf(db, `CREATE TABLE kept_${name} AS SELECT * FROM ${name}`)
  for (const edit of edits.split(/;\s*/)) await rowsOf(db, edit)
  await look()
  // What refers to these rows stays while they are away.
  if (!isPostgres) sqliteOf(db).pragma('foreign_keys = OFF')
  await db.transaction(everybody, async () => {
    if (isPostgres) await rowsOf(db, 'SET LOCAL session_replication_role = replica')
    for (const name of ofKeys) {
      await rowsOf(db, `DELETE FROM ${name}`)
      await rowsOf(db, `INSERT INTO ${name} SELECT * FROM kept_${name}`)
      await rowsOf(db, `DROP TABLE kept_${name}`)
    }
  })
  if (!isPostgres) sqliteOf(db).pragma('foreign_keys = ON')
}
