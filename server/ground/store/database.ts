/**
 * What the owners of tables ask, whichever engine answers.
 *
 * A statement belongs to the transaction that it is called in, by whatever functions that lies between: the context knows
 * (`AsyncLocalStorage`). So an owner's method is the same alone and as a part of another's transaction.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type SQL, sql } from 'drizzle-orm'
import type { SqliteRemoteDatabase } from 'drizzle-orm/sqlite-proxy'

export type Statements = Pick<
  SqliteRemoteDatabase,
  'select' | 'selectDistinct' | 'insert' | 'update' | 'delete' | 'with'
>

export type Database = Statements & {
  /** The rows of a statement that is SQL, by the names of their columns. */
  rows<T>(statement: SQL): Promise<T[]>
  /**
   * Runs statements as one: all that is asked of this database until `work` is over belongs to it. One within another is
   * a part of it that can be undone alone. It holds nothing but statements: who waits in it for something else keeps
   * others waiting.
   *
   * @param of the user whose rows it is about: another of the same user comes after it. {@link everybody} where it is
   *   about more than one user's, and then it stands alone; {@link nobody} where it is about no user's
   * @throws as `work` does, and then nothing has changed; Refusal `server-busy` when another process writes for too long
   */
  transaction<T>(of: number, work: () => Promise<T>): Promise<T>
  /**
   * Reads what may take long, such as a search: where the engine is within this process, in a thread beside it, so that
   * nobody waits for it. Within a transaction it is a part of that one.
   */
  aside<T>(work: () => Promise<T>): Promise<T>
  /** Called once the transaction is committed that this is called in; at once where there is none. */
  afterwards(work: () => void): void
  /** Does what writes by other means than this, a library that has a connection, while no transaction is open there. */
  alone<T>(work: () => Promise<T>): Promise<T>
  /** Tells the other processes that serve this database, once the transaction is committed that this is called in. */
  tell(channel: Channel, text: string): Promise<void>
  /**
   * Begins to serve this database, beside the other processes that do.
   *
   * @throws Unusable, with one sentence, if others serve it that this one does not go together with
   */
  join(server: Serving): Promise<Joined>
  /** The engine's own clock, in Unix milliseconds; null where it is this machine's. */
  serverTime(): Promise<number | null>
  close(): Promise<void>
}

/** What processes tell each other: a user's allowance was taken, by the user's id. It may be lost, and nothing depends on it. */
export type Channel = 'key_taken'

/** A process that serves the database. */
export type Serving = {
  /** What names the epoch that it shares with others, who have the same; null where it serves alone. */
  epoch: string | null
  /** What names its server secret, and tells nothing of it: the same for all. */
  secret: string
  onTold(channel: Channel, text: string): void
  /** It does not serve any more by right: it was cut off, and meanwhile others began who do not go together with it. */
  onSupplanted(sentence: string): void
}
export type Joined = { leave(): Promise<void> }

export const everybody = 0
/** For what is no user's any more, or not yet: what is about that comes one after the other, and keeps no user waiting. */
export const nobody = -1
/** Where rows of these users are what a transaction is about. */
export const ofUsers = (userIds: number[]): number => (new Set(userIds).size === 1 ? userIds[0]! : everybody)

/** For RETURNING, where the rows that a statement changed are to be counted. */
export const counted = { one: sql<number>`1` }

/** As drizzle asks: rows as arrays, all of them or one, or none; `objects` for rows by the names of their columns. */
export type Method = 'run' | 'all' | 'values' | 'get' | 'execute' | 'objects'
export type Run = (sql: string, values: unknown[], method: Method) => Promise<{ rows: never[] }>

/** What an engine gives to be a database. */
export type Engine = {
  /** drizzle in its dialect, over what runs the statements. */
  statements(run: Run): Statements
  textOf(statement: SQL): { sql: string; params: unknown[] }
  /** Outside of transactions. */
  run: Run
  /** Reads, as `run`, beside what else runs. */
  runAside: Run
  begin(of: number): Promise<Begun>
  alone: Database['alone']
  /** By `run`, which may be within a transaction. */
  tell(run: Run, channel: Channel, text: string): Promise<void>
  join: Database['join']
  serverTime: Database['serverTime']
  close(): Promise<void>
}
export type Begun = {
  run: Run
  /** Writes to the disk what was done; nothing was, if it throws. */
  commit(): Promise<void>
  rollback(): Promise<void>
}

/** A transaction in whose context things are called, also such as outlive it. */
type Around = { begun: Begun; isOver: boolean; parts: number; afterwards: (() => void)[] }

export const databaseOver = (engine: Engine): Database => {
  const contexts = new AsyncLocalStorage<Around>()
  const around = () => {
    const found = contexts.getStore()
    return found && !found.isOver ? found : null
  }
  const asides = new AsyncLocalStorage<true>()
  const run: Run = (sql, values, method) => {
    const begun = around()?.begun
    if (begun) return begun.run(sql, values, method)
    return asides.getStore() ? engine.runAside(sql, values, method) : engine.run(sql, values, method)
  }

  const whole = async <T>(of: number, work: () => Promise<T>) => {
    const begun = await engine.begin(of)
    const context: Around = { begun, isOver: false, parts: 0, afterwards: [] }
    let result: T
    try {
      // Awaited within: a statement is sent when somebody waits for it.
      result = await contexts.run(context, async () => await work())
      context.isOver = true
      await begun.commit()
    } catch (error) {
      context.isOver = true
      await begun.rollback()
      throw error
    }
    for (const each of context.afterwards) contexts.exit(each)
    return result
  }
  const part = async <T>(within: Around, work: () => Promise<T>) => {
    const name = `part_${++within.parts}`
    const before = within.afterwards.length
    await within.begun.run(`SAVEPOINT ${name}`, [], 'run')
    try {
      const result = await work()
      await within.begun.run(`RELEASE SAVEPOINT ${name}`, [], 'run')
      return result
    } catch (error) {
      within.afterwards.length = before
      await within.begun.run(`ROLLBACK TO SAVEPOINT ${name}`, [], 'run')
      throw error
    }
  }

  return Object.assign(plainErrors(engine.statements(run)), {
    rows: async <T>(statement: SQL) => {
      const { sql, params } = engine.textOf(statement)
      return (await run(sql, params, 'objects')).rows as T[]
    },
    transaction: <T>(of: number, work: () => Promise<T>) => {
      const within = around()
      return within ? part(within, work) : whole(of, work)
    },
    // Awaited within, as above.
    aside: <T>(work: () => Promise<T>) => asides.run(true, async () => await work()),
    afterwards: (work: () => void) => {
      const within = around()
      if (within) within.afterwards.push(work)
      else work()
    },
    alone: <T>(work: () => Promise<T>) => (around() ? work() : engine.alone(work)),
    tell: (channel: Channel, text: string) => engine.tell(run, channel, text),
    join: (server: Serving) => engine.join(server),
    serverTime: () => engine.serverTime(),
    close: () => engine.close(),
  })
}

type Prepared = {
  queryWithCache(sql: string, values: unknown[], query: () => Promise<unknown>): Promise<unknown>
}

/** drizzle puts the values of a statement that failed into its message, and so into logs: here an error stays as it came. */
const plainErrors = (statements: Statements): Statements => {
  const { session } = statements as unknown as { session: { prepareQuery(...of: unknown[]): Prepared } }
  const prepare = session.prepareQuery.bind(session)
  session.prepareQuery = (...of) =>
    Object.assign(prepare(...of), {
      queryWithCache: (_sql: string, _values: unknown[], query: () => unknown) => query(),
    })
  return statements
}
