/**
 * The processes that serve one PostgreSQL database, any number of them: each has a connection of its own to it, apart from
 * those for statements. On it, it hears what the others tell (LISTEN), and holds locks that the server takes back with the
 * connection, however that ends: by them it is known who serves, and whether they go together.
 *
 * A connection that is lost is made again. What was told meanwhile is lost, and nothing depends on it.
 */
import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { postgresPool, servingLinkMs } from '../limits.ts'
import { Unusable } from '../refusal.ts'
import type { Channel, Joined, Run, Serving } from './database.ts'

const name = 'wafer_serving'

/** @param url as libpq reads it */
export const servingOf = (url: string) => {
  // Who tells something does not hear it: it knew before, and may have begun anew since.
  const self = randomBytes(9).toString('base64url')
  const tell = async (run: Run, channel: Channel, text: string): Promise<void> => {
    await run('SELECT pg_notify($1, $2)', [name, `${self} ${channel} ${text}`], 'run')
  }
  const join = async (server: Serving): Promise<Joined> => {
    const link = new Link({ url, self, server })
    try {
      await link.open()
    } catch (error) {
      await link.leave()
      if (error instanceof Unusable) throw error
      throw new Unusable('The PostgreSQL server that WAFER_DATABASE names cannot be used any more.', {
        cause: error,
      })
    }
    return link
  }
  return { tell, join }
}

/**
 * Advisory locks of two numbers each, of which the first says what it is about. All who serve hold the first, who serves
 * alone for itself; and each one in the name of its epoch and one in that of its server secret.
 */
const locks = { serving: 1, epoch: 2, secret: 3 } as const
/** As who serves alone: while it is held nobody else does. */
export const lockAlone = `SELECT pg_try_advisory_lock(${locks.serving}, 0) AS taken`

const tagOf = (text: string) => createHash('sha256').update(text).digest().readInt32BE(0)

/** @throws Unusable if others serve it that this one does not go together with */
const take = async (client: pg.Client, { epoch, secret }: Serving): Promise<void> => {
  // Who went away without a word is found out soon, and with that what they held is free.
  await client.query(
    'SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 2; SET idle_session_timeout = 0',
  )
  const lock = epoch === null ? lockAlone : `SELECT pg_try_advisory_lock_shared(${locks.serving}, 0) AS taken`
  const endMs = performance.now() + servingLinkMs.wait
  while (!(await client.query(lock)).rows[0].taken) {
    if (performance.now() > endMs)
      throw new Unusable(
        'Another process serves the database that WAFER_DATABASE names. Several may only do so with one WAFER_EPOCH_FILE for all.',
      )
    await pause(servingLinkMs.poll)
  }
  await requireSame(client, locks.secret, tagOf(secret), 'server-secret in its WAFER_DATA')
  if (epoch !== null) await requireSame(client, locks.epoch, tagOf(epoch), 'WAFER_EPOCH_FILE')
}

/** Taken first and then compared: of two that begin at the same moment, one sees the other at least. */
const requireSame = async (client: pg.Client, lock: number, tag: number, what: string): Promise<void> => {
  await client.query('SELECT pg_advisory_lock_shared($1, $2)', [lock, tag])
  const { rowCount } = await client.query(
    `SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND classid = $1::int::oid AND objid <> $2::int::oid
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [lock, tag],
  )
  if (rowCount !== 0)
    throw new Unusable(
      `Another process serves the database that WAFER_DATABASE names, with another ${what}: copy that to here.`,
    )
}

class Link implements Joined {
  readonly #url: string
  readonly #self: string
  readonly #server: Serving
  #client: pg.Client | null = null
  #left = false

  constructor({ url, self, server }: { url: string; self: string; server: Serving }) {
    this.#url = url
    this.#self = self
    this.#server = server
  }

  async open(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#url,
      connectionTimeoutMillis: postgresPool.connectMs,
      query_timeout: postgresPool.statementMs,
      keepAlive: true,
      application_name: 'wafer serving',
    })
    this.#client = client
    client.on('error', () => {}) // it ends as well
    client.on('notification', ({ payload = '' }) => {
      const [by, channel, text = ''] = payload.split(' ')
      if (by !== this.#self) this.#server.onTold(channel as Channel, text)
    })
    await client.connect()
    await take(client, this.#server)
    await client.query(`LISTEN ${name}`)
    client.once('end', () => void this.#openAgain())
    const watch = setInterval(() => {
      client.query('SELECT 1').catch(() => client.end().catch(() => {}))
    }, servingLinkMs.watch).unref()
    client.once('end', () => clearInterval(watch))
  }

  async leave(): Promise<void> {
    this.#left = true
    await this.#client?.end().catch(() => {})
  }

  async #openAgain(): Promise<void> {
    while (!this.#left) {
      try {
        await this.open()
        if (this.#left) await this.#client?.end()
        return
      } catch (error) {
        await this.#client?.end().catch(() => {})
        if (error instanceof Unusable && !this.#left) {
          this.#left = true
          return this.#server.onSupplanted(error.message)
        }
      }
      await pause(servingLinkMs.again, undefined, { ref: false })
    }
  }
}
