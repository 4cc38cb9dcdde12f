/**
 * The thread that reads what may take long: a connection of its own to the same file (sqlite-thread.ts), begun when it is
 * first asked. It answers one after the other. One that fails is not missed: the next who asks begins another.
 */
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import Sqlite from 'better-sqlite3'
import { root } from '../places.ts'
import type { Method, Run } from './database.ts'

/** What the thread is asked. */
export type Asked = { id: number; sql: string; values: unknown[]; method: Method }
/** What it answers; `code` is SQLite's. */
export type Told = { id: number } & ({ rows: never[] } | { message: string; code: string | null })

type Waiting = { resolve(rows: { rows: never[] }): void; reject(error: unknown): void }

const program = join(root, 'dist', 'sqlite-thread.js')

export class SqliteAside {
  readonly #file: string
  readonly #waiting = new Map<number, Waiting>()
  #thread: Worker | null = null
  #asked = 0

  constructor(file: string) {
    this.#file = file
  }

  /** Questions that are not answered yet. */
  get waiting(): number {
    return this.#waiting.size
  }

  run: Run = (sql, values, method) =>
    new Promise((resolve, reject) => {
      const id = ++this.#asked
      const thread = this.#begun()
      thread.ref() // who waits for an answer is not left without one
      this.#waiting.set(id, { resolve, reject })
      thread.postMessage({ id, sql, values, method } satisfies Asked)
    })

  #begun(): Worker {
    if (this.#thread) return this.#thread
    const thread = new Worker(program, { workerData: this.#file, env: {}, execArgv: [] })
    thread.on('message', (told: Told) => {
      const waiting = this.#waiting.get(told.id)
      this.#waiting.delete(told.id)
      if (this.#waiting.size === 0) thread.unref()
      if ('rows' in told) waiting?.resolve({ rows: told.rows })
      else
        waiting?.reject(told.code ? new Sqlite.SqliteError(told.message, told.code) : new Error(told.message))
    })
    const lost = (error: unknown) => {
      if (this.#thread !== thread) return
      this.#thread = null
      for (const { reject } of this.#waiting.values()) reject(error)
      this.#waiting.clear()
    }
    thread.on('error', lost)
    thread.on('exit', () => lost(new Error('expected answers, got the end of the thread that reads')))
    this.#thread = thread
    return thread
  }

  async close(): Promise<void> {
    await this.#thread?.terminate()
  }
}
