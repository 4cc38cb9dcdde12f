/** A thread that reads a SQLite file for the one that began it (sqlite-aside.ts). */
import { parentPort, workerData } from 'node:worker_threads'
import Sqlite from 'better-sqlite3'
import type { Asked, Told } from './sqlite-aside.ts'
import { Connection } from './sqlite-connection.ts'

const client = new Sqlite(workerData, { fileMustExist: true })
client.pragma('busy_timeout = 0') // who asks waits, and asks again
client.pragma('query_only = ON')
const connection = new Connection(client)

const answer = ({ id, sql, values, method }: Asked): Told => {
  try {
    return { id, rows: connection.run(sql, values, method).rows }
  } catch (error) {
    const { message, code } = error as { message: string; code?: string }
    return { id, message, code: code ?? null }
  }
}

parentPort!.on('message', (asked: Asked) => parentPort!.postMessage(answer(asked)))
