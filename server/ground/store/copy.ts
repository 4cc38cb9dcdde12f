/**
 * Copies the rows of all tables from one engine to the other, as the tables are described: ids stay, and what was
 * written is read again and compared. The search index is each engine's own (search.ts), and made anew.
 */
import { createHash } from 'node:crypto'
import { is, type SQL, sql, Table } from 'drizzle-orm'
import { getTableConfig as postgresConfig } from 'drizzle-orm/pg-core'
import { getTableConfig as sqliteConfig } from 'drizzle-orm/sqlite-core'
import { copying } from '../limits.ts'
import { Refusal } from '../refusal.ts'
import type { End } from './copy-ends.ts'
import { isPostgres } from './kit.ts'
import { indexing, type Searchable } from './search.ts'
import * as everything from './tables.ts'

type Value = null | boolean | number | string | Uint8Array
type Row = Record<string, Value>
type Described = {
  name: string
  /** `isLong` where the length of a value is nobody's but its writer's. */
  columns: { name: string; isFlag: boolean; isLong: boolean }[]
  /** Columns of the primary key: rows are read in their order. */
  key: string[]
  /** Whether the engine counts up its ids. */
  isCounted: boolean
}
/** How many rows, and a digest of them all in whatever order. */
export type Copied = { rows: number; digest: string }

// ---- the tables

const configOf = (table: Table) =>
  (isPostgres ? postgresConfig : (sqliteConfig as unknown as typeof postgresConfig))(table as never)

const describe = (table: Table): Described => {
  const { name, columns, primaryKeys } = configOf(table)
  const key = primaryKeys[0]?.columns ?? columns.filter(({ primary }) => primary)
  return {
    name,
    columns: columns.map((column) => ({
      name: column.name,
      isFlag: column.dataType === 'boolean',
      isLong: /^(text\b.*|blob|bytea)$/.test(column.getSQLType()),
    })),
    key: key.map((column) => column.name),
    isCounted: key.some((column) => column.name === 'id' && column.dataType === 'number'),
  }
}

/** Each after those that its rows refer to. */
const inOrder = (): Described[] => {
  const ordered = new Set<Table>()
  const take = (table: Table) => {
    if (ordered.has(table)) return
    for (const { reference } of configOf(table).foreignKeys) take(reference().foreignTable)
    ordered.add(table)
  }
  for (const value of Object.values(everything)) if (is(value, Table)) take(value)
  return [...ordered].map(describe)
}

const tables = inOrder()
export const tableNames = tables.map(({ name }) => name)

const list = (names: string[]): SQL =>
  sql.join(
    names.map((name) => sql.identifier(name)),
    sql`, `,
  )

/** The name of a table that has rows; null where none has. */
export const filledTable = async (end: End): Promise<string | null> => {
  for (const { name } of tables)
    if ((await end.rows(sql`SELECT 1 AS one FROM ${sql.identifier(name)} LIMIT 1`)).length > 0) return name
  return null
}

// ---- rows

/** @throws Refusal `copy-differs` if what was written is not what is read of it afterwards */
export const copyRows = async (from: End, to: End): Promise<Map<string, Copied>> => {
  const copied = new Map<string, Copied>()
  for (const table of tables) {
    const sum = new Sum(table)
    for await (const rows of batches(from, table)) {
      for (const row of rows) sum.add(row)
      await insert(to, table, rows)
    }
    if (table.isCounted) await countOn(to, table.name, await lastCounted(from, table.name))
    copied.set(table.name, sum.copied)
  }
  for (const table of tables) {
    const sum = new Sum(table)
    for await (const rows of batches(to, table)) for (const row of rows) sum.add(row)
    const { rows, digest } = copied.get(table.name)!
    if (sum.copied.rows !== rows || sum.copied.digest !== digest)
      throw new Refusal('copy-differs', { values: { table: table.name } })
  }
  return copied
}

/** By key, as many at a time as are not too large together; a row that is larger comes alone. */
async function* batches(end: End, table: Described): AsyncGenerator<Row[]> {
  const name = sql.identifier(table.name)
  const key = list(table.key)
  const columns = list(table.columns.map((column) => column.name))
  let after = sql``
  while (true) {
    const sizes: { size: number }[] = await end.rows(
      sql`SELECT ${sizeOf(table)} AS size FROM ${name} ${after} ORDER BY ${key} LIMIT ${copying.rows}`,
    )
    if (sizes.length === 0) return
    let octets = 0
    const tooMany = sizes.findIndex(({ size }, at) => {
      octets += size
      return at > 0 && octets > copying.octets
    })
    const count = tooMany < 0 ? sizes.length : tooMany
    const rows: Row[] = await end.rows(
      sql`SELECT ${columns} FROM ${name} ${after} ORDER BY ${key} LIMIT ${count}`,
    )
    yield rows.map((row) => plain(table, row))
    const values = table.key.map((column) => sql`${rows.at(-1)![column]}`)
    after = sql`WHERE (${key}) > (${sql.join(values, sql`, `)})`
  }
}

/** What a row's octets and texts come to: of numbers there are few. */
const sizeOf = ({ columns }: Described): SQL => {
  const lengths = columns
    .filter(({ isLong }) => isLong)
    .map(({ name }) => sql`coalesce(length(${sql.identifier(name)}), 0)`)
  return lengths.length === 0 ? sql`0` : sql.join(lengths, sql` + `)
}

/** The same of either engine: SQLite has no flags, and PostgreSQL keeps no NUL in texts. */
const plain = ({ columns }: Described, row: Row): Row =>
  Object.fromEntries(
    columns.map(({ name, isFlag }) => {
      const value = row[name] ?? null
      if (isFlag && value !== null) return [name, Boolean(value)]
      return [name, typeof value === 'string' ? value.replaceAll('\0', '\ufffd') : value]
    }),
  )

const insert = async (end: End, { name, columns }: Described, rows: Row[]) => {
  const bound = (value: Value) =>
    sql`${typeof value === 'boolean' && !end.isPostgres ? Number(value) : value}`
  const tuples = rows.map(
    (row) =>
      sql`(${sql.join(
        columns.map((column) => bound(row[column.name]!)),
        sql`, `,
      )})`,
  )
  const names = list(columns.map((column) => column.name))
  await end.rows(sql`INSERT INTO ${sql.identifier(name)} (${names}) VALUES ${sql.join(tuples, sql`, `)}`)
}

/** The order of rows does not count: of texts it is each engine's own. */
class Sum {
  readonly #table: Described
  readonly #digests = Buffer.alloc(32)
  #rows = 0

  constructor(table: Described) {
    this.#table = table
  }

  add(row: Row) {
    const hash = createHash('sha256')
    for (const { name } of this.#table.columns) {
      const value = row[name] ?? null
      const octets = value instanceof Uint8Array ? value : Buffer.from(String(value))
      hash.update(
        `${value instanceof Uint8Array ? 'octets' : value === null ? 'null' : typeof value} ${octets.length} `,
      )
      hash.update(octets)
    }
    for (const [at, octet] of hash.digest().entries()) this.#digests[at]! ^= octet
    this.#rows += 1
  }

  get copied(): Copied {
    return { rows: this.#rows, digest: this.#digests.toString('hex') }
  }
}

// ---- ids: one that was given is never given again, though its row has gone

const lastCounted = async (end: End, table: string): Promise<number> => {
  if (!end.isPostgres) {
    const [row] = await end.rows<{ seq: number }>(sql`SELECT seq FROM sqlite_sequence WHERE name = ${table}`)
    return row?.seq ?? 0
  }
  const [{ sequence } = { sequence: '' }] = await end.rows<{ sequence: string }>(
    sql`SELECT pg_get_serial_sequence(${`"${table}"`}, 'id') AS sequence`,
  )
  const [row] = await end.rows<{ last: number; used: boolean }>(
    sql`SELECT last_value AS last, is_called AS used FROM ${sql.raw(sequence)}`,
  )
  return row?.used ? row.last : 0
}

const countOn = async (end: End, table: string, last: number) => {
  if (last === 0) return
  if (end.isPostgres)
    await end.rows(sql`SELECT setval(pg_get_serial_sequence(${`"${table}"`}, 'id'), ${last})`)
  else {
    await end.rows(sql`DELETE FROM sqlite_sequence WHERE name = ${table}`)
    await end.rows(sql`INSERT INTO sqlite_sequence (name, seq) VALUES (${table}, ${last})`)
  }
}

// ---- what can be searched

/** Contents that somebody has as mail, so that they can be found by their words. */
export async function* searchedContents(end: End): AsyncGenerator<number[]> {
  let last = 0
  while (true) {
    const found = await end.rows<{ id: number }>(
      sql`SELECT id FROM contents WHERE id > ${last}
        AND EXISTS (SELECT 1 FROM messages WHERE messages.content_id = contents.id) ORDER BY id LIMIT ${copying.mails}`,
    )
    if (found.length === 0) return
    yield found.map(({ id }) => id)
    last = found.at(-1)!.id
  }
}

export const octetsOf = async (end: End, contentId: number): Promise<Buffer> => {
  const pieces = await end.rows<{ octets: Buffer }>(
    sql`SELECT octets FROM content_pieces WHERE content_id = ${contentId} ORDER BY place`,
  )
  return Buffer.concat(pieces.map(({ octets }) => octets))
}

export const indexAt = async (end: End, contentId: number, text: Searchable): Promise<void> => {
  await end.rows(indexing(end.isPostgres, contentId, text))
}
