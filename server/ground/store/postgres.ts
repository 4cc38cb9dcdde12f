/**
 * The engine for any number of processes and machines: a PostgreSQL server (15 and newer).
 *
 * Transactions run side by side, and see what others committed meanwhile (READ COMMITTED). What they decide by is theirs
 * all the same: each takes a lock of the user whose rows it is about, which PostgreSQL takes back with the transaction.
 */
import { drizzle as drizzleForMigration } from 'drizzle-orm/node-postgres'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import { PgDialect } from 'drizzle-orm/pg-core'
import { drizzle } from 'drizzle-orm/pg-proxy'
import pg from 'pg'
import { postgresPool } from '../limits.ts'
import { Refusal, Unusable } from '../refusal.ts'
import {
  type Begun,
  type Database,
  databaseOver,
  everybody,
  type Method,
  type Statements,
} from './database.ts'
import { postgresMigrations, refuseNewerVersion } from './migrations.ts'
import { servingOf } from './postgres-serving.ts'
import { Turns } from './turns.ts'

export type PostgresDatabase = Database & { readonly $pool: pg.Pool }

/**
 * Opens a PostgreSQL database and brings it to this version's schema; of several processes that start, one brings it to its schema and the others wait.
 *
 * @param options.called what names it, for people
 * @throws Error with one sentence if it cannot be reached or used, or is from a newer version
 */
export const openPostgres = async (
  url: string,
  { called = 'WAFER_DATABASE' } = {},
): Promise<PostgresDatabase> => {
  const client = clientOf(url, called)
  client.on('error', () => {}) // told by the statement that meets it
  try {
    await client.connect()
    await client.query(settings(0))
    await client.query('SELECT pg_advisory_lock(0, 0)')
    const { rows } = await client.query(
      `SELECT current_setting('server_version') AS version, current_setting('server_encoding') AS encoding,
        to_regclass('__drizzle_migrations') IS NOT NULL AS has_tables`,
    )
    const [{ version, encoding, has_tables: hasTables }] = rows
    if (Number.parseInt(version, 10) < 15)
      throw new Unusable(`${called} names a PostgreSQL server older than version 15.`)
    if (encoding !== 'UTF8')
      throw new Unusable(`${called} names a database in ${encoding}: it must be in UTF8.`)
    if (hasTables) {
      const newest = await client.query('SELECT max(created_at) AS at FROM __drizzle_migrations')
      refuseNewerVersion(`The database that ${called} names`, postgresMigrations, newest.rows[0].at)
    }
    await migrate(drizzleForMigration({ client }), {
      migrationsFolder: postgresMigrations,
      migrationsSchema: 'public',
    })
  } catch (error) {
    if (error instanceof Unusable) throw error
    throw new Unusable(`The PostgreSQL server that ${called} names ${whyUnusable(error)}.`, { cause: error })
  } finally {
    await client.end().catch(() => {})
  }
  return postgresDatabase(url)
}

const clientOf = (url: string, called: string): pg.Client => {
  try {
    return new pg.Client({ connectionString: url, connectionTimeoutMillis: postgresPool.connectMs })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).path) throw error // a file that it names; that is told by its name
    throw new Unusable(
      `${called} cannot be read as an address: look at its port, and write signs such as # and % in the password as %23 and %25.`,
      { cause: error },
    )
  }
}

/** What is the operator's to mend, by SQLSTATE. */
const refusals = new Map([
  ['25006', 'takes no writes: it is a replica, or the database only reads'],
  ['28000', 'does not let this user in'],
  ['28P01', 'does not let this user in: the password is wrong, or missing'],
  ['3D000', 'has no such database'],
  ['42501', 'does not let this user make tables there: make it the owner of the database'],
])

const whyUnusable = (error: unknown): string => {
  const code = codeOf(error)
  if (code) return `${refusals.get(code) ?? 'cannot be used'} (${code})`
  return / SSL /.test((error as Error).message) ? 'speaks no TLS' : 'cannot be used (no answer)'
}

/** Libraries wrap what the server said. */
const codeOf = (error: unknown): string | undefined => {
  if (!(error instanceof Error)) return undefined
  return (error as { code?: string }).code ?? codeOf(error.cause)
}

/**
 * What a connection goes by, to whatever the server, the database or its user is set.
 *
 * @param statementMs how long a statement may take, or wait for another; 0 for as long as it likes. The server ends it
 *   then: what was given up here must not be done later.
 */
export const settings = (statementMs: number) => `
  SET search_path = public;
  SET statement_timeout = ${statementMs};
  SET lock_timeout = 0;
  SET default_transaction_isolation = 'read committed'`

/** @param url `postgres://…`, as libpq reads it */
const postgresDatabase = (url: string): PostgresDatabase => {
  const pool = new pg.Pool({
    connectionString: url,
    max: postgresPool.connections,
    connectionTimeoutMillis: postgresPool.connectMs,
    // A server that went away without a word is found out.
    keepAlive: true,
    query_timeout: postgresPool.statementMs,
    idle_in_transaction_session_timeout: postgresPool.statementMs,
    application_name: 'wafer',
    onConnect: (client) => client.query(settings(postgresPool.statementMs)),
  })
  pool.on('error', () => {}) // of an idle connection: whoever needs one makes another
  pool.on('connect', (client) => client.on('error', () => {})) // of one in use: its next statement tells
  const dialect = new PgDialect()
  const turns = new Turns<number>()

  const begin = async (of: number): Promise<Begun> => {
    // Of the same user they wait here, without a connection: one user's would be all there are.
    const pass = await turns.take(of)
    const client = await reached(() => pool.connect()).catch((error) => {
      pass()
      throw error
    })
    const release = (isBroken: boolean) => {
      client.release(isBroken)
      pass()
    }
    const end = async (statement: 'COMMIT' | 'ROLLBACK') => {
      try {
        const { command } = await reached(() => client.query(statement))
        // A statement failed and nobody said so: then it takes everything back, without an error.
        if (command !== statement) throw new Error(`expected ${statement}, got ${command}`)
      } catch (error) {
        release(true)
        throw error
      }
      release(false)
    }
    try {
      await reached(() => client.query(`BEGIN; ${lockOf(of)}`))
    } catch (error) {
      release(true)
      throw error
    }
    return {
      run: (sql, values, method) => ask(client, sql, values, method),
      commit: () => end('COMMIT'),
      // The connection may be what failed: without it, PostgreSQL takes everything back by itself.
      rollback: () => end('ROLLBACK').catch(() => {}),
    }
  }
  const database = databaseOver({
    statements: (run) => drizzle(run) as unknown as Statements,
    textOf: (statement) => dialect.sqlToQuery(statement),
    run: (sql, values, method) => ask(pool, sql, values, method),
    runAside: (sql, values, method) => ask(pool, sql, values, method),
    begin,
    alone: (work) => reached(work),
    ...servingOf(url),
    serverTime: async () => {
      const { rows } = await ask(pool, 'SELECT extract(epoch FROM clock_timestamp()) * 1000', [], 'values')
      return Number(rows[0]![0])
    },
    close: () => pool.end(),
  })
  return Object.assign(database, { $pool: pool })
}

/** Two kinds of advisory locks: one of all, which those of one user share; and one of each user. */
const lockOf = (of: number) =>
  of === everybody
    ? 'SELECT pg_advisory_xact_lock(0)'
    : `SELECT pg_advisory_xact_lock_shared(0), pg_advisory_xact_lock(${Math.trunc(of)})`

const ask = async (
  client: pg.Pool | pg.PoolClient,
  text: string,
  values: unknown[],
  method: Method,
): Promise<{ rows: never[] }> => {
  const { rows } = await reached(() =>
    method === 'objects' ? client.query({ text, values }) : client.query({ text, values, rowMode: 'array' }),
  )
  return { rows: rows as never[] }
}

/** Counts and sums come as 64-bit integers, which are within what a number holds. */
pg.types.setTypeParser(pg.types.builtins.INT8, Number)
pg.types.setTypeParser(pg.types.builtins.NUMERIC, Number)

/**
 * What the server says that cannot be reached, or has ended, or does not take part in writing now.
 *
 * @throws Refusal `server-busy` for these; any other error as it is
 */
const reached = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work()
  } catch (error) {
    if (!isAway(error)) throw error
    throw new Refusal('server-busy', { cause: error, detail: { retry_after_s: 5 } })
  }
}

/**
 * Class 08 connection, 53 resources, 57 operator intervention or too slow, 40 rolled back, 55P03 a lock that was waited
 * for too long, 25P03 a transaction that was, 25006 a replica that only reads.
 */
const isAway = (error: unknown): boolean => {
  const { code, message } = error as { code?: string; message?: string }
  if (/^(08|53|57|40)|^(55P03|25P03|25006)$|^E[A-Z]+$/.test(code ?? '')) return true
  return /timeout|terminated|not queryable|Connection/i.test(message ?? '') && !/^\d/.test(code ?? '')
}
