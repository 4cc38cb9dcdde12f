/**
 * Parked forms: what somebody typed, and the files that came with it, kept while the unlock window, a log-in or another
 * page stands in between (C8). Each lies sealed for an hour under a secret that only its *ticket* holds, which is in the
 * hidden field of the next page, and goes back to its own user only. A ticket says whose it is: a form that comes
 * back without its session is kept all the same.
 */
import { createCipheriv, createDecipheriv, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { and, count, eq, gt, gte, lt, lte, ne, or, sql, sum } from 'drizzle-orm'
import type { Clock } from '../ground/clock.ts'
import {
  parkedFormLimit,
  parkedFormMs,
  parkedOctetsLimit,
  parkedOctetsReserve,
  parkedPieceOctets,
} from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'
import type { ServerSecret } from '../ground/server-secret.ts'
import type { Database } from '../ground/store/database.ts'
import { parkedForms } from '../ground/store/tables.ts'

/** 72 bits of name, 120 of secret, 48 that vouch for the owner, and the owner: bytes count in a page. */
const ticketForm = /^([\w-]{12})([\w-]{20})([\w-]{8})([0-9a-z]{1,11})$/
type Ticket = { id: string; secret: Buffer; userId: number }

export class ParkedForms {
  readonly #db: Database
  readonly #clock: Clock
  readonly #secret: Pick<ServerSecret, 'mac'>

  constructor(options: { db: Database; clock: Clock; secret: Pick<ServerSecret, 'mac'> }) {
    this.#db = options.db
    this.#clock = options.clock
    this.#secret = options.secret
  }

  /**
   * A ticket for a form that is not parked yet. Nothing is stored.
   *
   * @param by a secret of the session, from which its page can have the same ticket again by the id alone
   */
  ticket(userId: number, by: Uint8Array = randomBytes(32), id = newId()): string {
    const secret = createHmac('sha256', by).update(id).digest().subarray(0, 15).toString('base64url')
    return `${id}${secret}${this.#voucher(id, userId)}${userId.toString(36)}`
  }

  /** Whose a ticket is; null for what is none of ours. */
  ownerOf(ticket: string): number | null {
    return this.#read(ticket)?.userId ?? null
  }

  /** The part of a ticket that names what is parked and opens nothing: it may stand in an address. */
  idOf(ticket: string): string {
    return ticket.slice(0, 12)
  }

  /** @returns the ticket of what is parked */
  async park(userId: number, form: unknown): Promise<string> {
    const ticket = this.ticket(userId)
    await this.keep(ticket, form)
    return ticket
  }

  /**
   * Parks a form under a ticket, in the place of what was parked under it.
   *
   * @throws Refusal `too-large` if too much of this user waits already
   */
  async keep(ticket: string, form: unknown): Promise<void> {
    const read = this.#read(ticket)
    if (!read) throw new Error('expected a ticket, got something else')
    const content = Buffer.from(JSON.stringify(form))
    await this.#db.transaction(read.userId, async () => {
      await this.#requireRoom(read, content.length, parkedOctetsLimit + parkedOctetsReserve)
      await this.#store(read, read.id, content)
    })
  }

  /**
   * Parks the octets of a file, piece by piece: between two, others have their turn. Of the quota it leaves a reserve,
   * for what is typed.
   *
   * @throws as {@link keep}
   */
  async parkFile(userId: number, octets: Uint8Array): Promise<string> {
    const ticket = this.ticket(userId)
    const read = this.#read(ticket)!
    await this.#requireRoom(read, octets.length, parkedOctetsLimit)
    const places = piecesOf(octets.length)
    for (const [number, from] of places.entries()) {
      await this.#store(read, pieceId(read.id, number), octets.subarray(from, from + parkedPieceOctets))
      await nextTurn()
    }
    // Last, so that there is no file without its end.
    await this.#store(read, read.id, Buffer.from(JSON.stringify({ pieces: places.length })))
    return ticket
  }

  /** The form behind a ticket, still parked; null if it is gone or another user's. */
  async open(userId: number, ticket: string): Promise<unknown> {
    const read = this.#read(ticket)
    if (read?.userId !== userId) return null
    const octets = await this.#stored(read, read.id)
    return octets && JSON.parse(octets.toString())
  }

  /** The octets of a parked file; null as {@link open}. */
  async openFile(userId: number, ticket: string): Promise<Uint8Array | null> {
    const file = (await this.open(userId, ticket)) as { pieces: number } | null
    const read = this.#read(ticket)
    if (!file || !read) return null
    const pieces: Buffer[] = []
    for (let number = 0; number < file.pieces; number += 1) {
      const piece = await this.#stored(read, pieceId(read.id, number))
      if (!piece) return null
      pieces.push(piece)
      await nextTurn()
    }
    return Buffer.concat(pieces)
  }

  /** It has come back for good. */
  async drop(ticket: string): Promise<void> {
    const read = this.#read(ticket)
    if (read) await this.#db.delete(parkedForms).where(withPieces(read.id))
  }

  /** What is parked is elsewhere by now: it need not wait out its hour, only a Reload and a Back or two. */
  async finish(tickets: string[]): Promise<void> {
    const soon = this.#clock() + parkedFormMs / 6
    for (const { id } of tickets.map((ticket) => this.#read(ticket)).filter((read) => read !== null))
      await this.#db
        .update(parkedForms)
        .set({ expiresAt: soon })
        .where(and(withPieces(id), gt(parkedForms.expiresAt, soon)))
  }

  async sweep(): Promise<void> {
    await this.#db.delete(parkedForms).where(lte(parkedForms.expiresAt, this.#clock()))
  }

  async #requireRoom({ id, userId }: Ticket, octets: number, limit: number) {
    const now = this.#clock()
    const [others] = await this.#db
      .select({ forms: count(), octets: sum(sql`length(${parkedForms.sealed})`).mapWith(Number) })
      .from(parkedForms)
      .where(and(eq(parkedForms.userId, userId), ne(parkedForms.id, id), gt(parkedForms.expiresAt, now)))
    if (others!.forms >= parkedFormLimit || (others!.octets ?? 0) + octets > limit)
      throw new Refusal('much-is-parked')
  }

  async #store(ticket: Ticket, id: string, content: Uint8Array) {
    const { userId } = ticket
    const nonce = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', keyOf(ticket), nonce).setAAD(nameOf(id, userId))
    const sealed = Buffer.concat([nonce, cipher.update(content), cipher.final(), cipher.getAuthTag()])
    const row = { sealed, expiresAt: this.#clock() + parkedFormMs }
    await this.#db
      .insert(parkedForms)
      .values({ id, userId, ...row })
      .onConflictDoUpdate({ target: parkedForms.id, set: row, setWhere: eq(parkedForms.userId, userId) })
  }

  async #stored(ticket: Ticket, id: string): Promise<Buffer | null> {
    const { userId } = ticket
    const [row] = await this.#db.select().from(parkedForms).where(eq(parkedForms.id, id))
    if (!row || row.userId !== userId || row.expiresAt <= this.#clock()) return null
    try {
      const sealed = Buffer.from(row.sealed.buffer, row.sealed.byteOffset, row.sealed.byteLength)
      const cipher = createDecipheriv('aes-256-gcm', keyOf(ticket), sealed.subarray(0, 12), {
        authTagLength: 16,
      })
      cipher.setAAD(nameOf(id, userId)).setAuthTag(sealed.subarray(-16))
      return Buffer.concat([cipher.update(sealed.subarray(12, -16)), cipher.final()])
    } catch {
      return null
    }
  }

  #read(ticket: string): Ticket | null {
    const [, id, secret, voucher, owner] = ticket.match(ticketForm) ?? []
    if (!id || !secret || !voucher || !owner) return null
    const userId = Number.parseInt(owner, 36)
    const [given, expected] = [Buffer.from(voucher), Buffer.from(this.#voucher(id, userId))]
    return timingSafeEqual(given, expected) ? { id, secret: Buffer.from(secret, 'base64url'), userId } : null
  }

  #voucher = (id: string, userId: number) =>
    this.#secret
      .mac('parked-form', JSON.stringify([id, userId]))
      .toString('base64url')
      .slice(0, 8)
}

const newId = () => randomBytes(9).toString('base64url')
const keyOf = ({ secret }: Ticket) => createHmac('sha256', secret).update('parked form').digest()
const nameOf = (id: string, userId: number) => Buffer.from(JSON.stringify([id, userId]))

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Where the pieces of so many octets begin. */
const piecesOf = (octets: number): number[] =>
  Array.from({ length: Math.ceil(octets / parkedPieceOctets) }, (_, number) => number * parkedPieceOctets)
const pieceId = (id: string, number: number) => `${id}/${number}`
/** A row and the pieces of its file: names are made of `\w` and `-`, so none begins with another and a slash. */
const withPieces = (id: string) =>
  or(eq(parkedForms.id, id), and(gte(parkedForms.id, `${id}/`), lt(parkedForms.id, `${id}0`)))!
