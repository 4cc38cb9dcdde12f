/**
 * What balancers and watchers ask: `/healthz`, whether this process is alive, and `/readyz`, whether it can serve. It is
 * nobody's visit: no name of the server is compared, no cookie is read, no line is logged.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { sql } from 'drizzle-orm'
import { isLoopback } from '../ground/config.ts'
import { readyWithinMs } from '../ground/limits.ts'
import type { Database } from '../ground/store/database.ts'
import { withinMs } from '../ground/within.ts'
import type { Services } from '../services.ts'
import { clientOf, plainAddress } from './asker.ts'

/** @returns whether it was such a question, and is answered */
export const health = ({ config, db }: Pick<Services, 'config' | 'db'>) => {
  const canServe = readiness(db)
  return (request: IncomingMessage, response: ServerResponse): boolean => {
    const path = request.url?.replace(/\?.*$/s, '')
    if (path !== '/healthz' && path !== '/readyz') return false
    const answer = (status: number, text: string) => {
      request.resume()
      const headers = { 'Content-Type': 'text/plain;charset=utf-8', 'Cache-Control': 'no-store' }
      const body = `${text}\n`
      response.writeHead(status, {
        ...headers,
        ...(status === 503 ? { 'Retry-After': '5' } : {}),
        'Content-Length': body.length,
      })
      response.end(request.method === 'HEAD' ? undefined : body)
    }
    const forwarded = String(request.headers['x-forwarded-for'] ?? '')
    const client = clientOf(plainAddress(request.socket.remoteAddress ?? ''), forwarded, config)
    if (config.health === 'loopback' && !isLoopback(client)) answer(404, 'There is no such page.')
    else if (request.method !== 'GET' && request.method !== 'HEAD') answer(405, 'This is asked with GET.')
    else if (path === '/healthz') answer(200, 'alive')
    else
      void canServe().then((ready) =>
        answer(ready ? 200 : 503, ready ? 'ready' : 'The database does not answer.'),
      )
    return true
  }
}

/** Whoever asks while the database is being asked has the same answer: many who ask are no load. */
const readiness = (db: Pick<Database, 'rows'>) => {
  let asked: Promise<boolean> | null = null
  return () => {
    asked ??= withinMs(readyWithinMs, db.rows(sql`SELECT 1 AS one`))
      .then(
        () => true,
        () => false,
      )
      .finally(() => {
        asked = null
      })
    return asked
  }
}
