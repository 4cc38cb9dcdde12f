/** A connection to SQLite that keeps its statements prepared. */
import type Sqlite from 'better-sqlite3'
import { preparedStatements } from '../limits.ts'
import type { Method } from './database.ts'

export class Connection {
  readonly #client: Sqlite.Database
  readonly #prepared = new Map<string, Sqlite.Statement>()

  constructor(client: Sqlite.Database) {
    this.#client = client
  }

  isReading(sql: string): boolean {
    return this.#statement(sql).readonly
  }

  run(sql: string, values: unknown[], method: Method): { rows: never[] } {
    const statement = this.#statement(sql)
    if (!statement.reader) {
      statement.run(values)
      return { rows: [] }
    }
    statement.raw(method !== 'objects')
    return { rows: (method === 'get' ? statement.get(values) : statement.all(values)) as never[] }
  }

  #statement(sql: string): Sqlite.Statement {
    const known = this.#prepared.get(sql)
    if (known) return known
    const statement = this.#client.prepare(sql)
    if (this.#prepared.size >= preparedStatements) this.#prepared.delete(this.#prepared.keys().next().value!)
    this.#prepared.set(sql, statement)
    return statement
  }
}
