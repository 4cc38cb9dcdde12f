/**
 * The octets of mail, stored once for all who have it: a mail to twenty users is one content with twenty references,
 * and goes with the last of them. Octets are written, read and deleted in pieces, between which the event loop is
 * everybody's: a large mail keeps nobody waiting.
 *
 * Who stores a content refers to it by a row of their own (a message, a mail in the queue) before its lease ends; the
 * references are counted by triggers, so that no way of deleting such a row leaves octets behind.
 */
import { setImmediate as others } from 'node:timers/promises'
import { and, asc, eq, inArray, lte, sql } from 'drizzle-orm'
import type { Clock } from '../ground/clock.ts'
import { contentLeaseMs, deletedAtOnce, storedPieceOctets } from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'
import { type Database, nobody } from '../ground/store/database.ts'
import { contentPieces, contents } from '../ground/store/tables.ts'

export class Contents {
  readonly #db: Database
  readonly #clock: Clock
  #sweeping: Promise<void> | null = null
  #closed = false

  constructor(options: { db: Database; clock: Clock }) {
    this.#db = options.db
    this.#clock = options.clock
  }

  /** Stores octets; they are on the disk when it resolves, and stay for an hour or as long as something refers to them. */
  async keep(octets: Uint8Array): Promise<number> {
    const [row] = await this.#db
      .insert(contents)
      .values({ leasedUntil: this.#clock() + contentLeaseMs })
      .returning({ id: contents.id })
    const { id } = row!
    try {
      for (const [place, piece] of piecesOf(octets).entries()) {
        if (place > 0) await others()
        await this.#db.insert(contentPieces).values({ contentId: id, place, octets: piece })
      }
    } catch (error) {
      await this.release(id)
      throw error
    }
    return id
  }

  /** @throws Refusal `not-found` if it was deleted meanwhile */
  async read(id: number): Promise<Buffer> {
    const sizes = await this.#db
      .select({ size: sql<number>`length(${contentPieces.octets})` })
      .from(contentPieces)
      .where(eq(contentPieces.contentId, id))
      .orderBy(asc(contentPieces.place))
    const whole = Buffer.allocUnsafe(sizes.reduce((sum, { size }) => sum + size, 0))
    let at = 0
    for (const place of sizes.keys()) {
      if (place > 0) await others()
      const which = and(eq(contentPieces.contentId, id), eq(contentPieces.place, place))
      const [piece] = await this.#db.select({ octets: contentPieces.octets }).from(contentPieces).where(which)
      if (!piece) throw new Refusal('no-message')
      whole.set(piece.octets, at)
      at += piece.octets.length
    }
    return whole
  }

  /** Gives up a lease: what nothing refers to goes now. */
  async release(id: number) {
    try {
      await this.#db
        .update(contents)
        .set({ leasedUntil: 0 })
        .where(and(eq(contents.id, id), unreferenced))
    } catch {
      // Its lease ends by itself; why the database cannot be written is told by whoever wanted to.
    }
  }

  /** Deletes what nothing refers to any more, piece by piece. */
  sweep(): Promise<void> {
    // One that runs may have passed what was released since: it is followed by another.
    const sweeping = (this.#sweeping ?? Promise.resolve()).then(async () => {
      while (!this.#closed && (await this.#sweepSome())) await others()
    })
    const settled = sweeping
      .catch(() => {})
      .finally(() => {
        if (this.#sweeping === settled) this.#sweeping = null
      })
    this.#sweeping = settled
    return sweeping
  }

  /** @returns whether there may be more */
  async #sweepSome(): Promise<boolean> {
    const over = and(unreferenced, lte(contents.leasedUntil, this.#clock()))
    return this.#db.transaction(nobody, async () => {
      const dead = await this.#db
        .select({ id: contents.id })
        .from(contents)
        .where(over)
        .limit(deletedAtOnce.contents)
      if (dead.length === 0) return false
      const ids = dead.map(({ id }) => id)
      const pieces = await this.#db
        .select({
          contentId: contentPieces.contentId,
          place: contentPieces.place,
          size: sql<number>`length(${contentPieces.octets})`,
        })
        .from(contentPieces)
        .where(inArray(contentPieces.contentId, ids))
        .limit(deletedAtOnce.contents)
      let octets = 0
      for (const { contentId, place, size } of pieces) {
        if (octets > 0 && octets + size > storedPieceOctets) return true
        octets += size
        const which = and(eq(contentPieces.contentId, contentId), eq(contentPieces.place, place))
        await this.#db.delete(contentPieces).where(which)
      }
      if (pieces.length < deletedAtOnce.contents)
        await this.#db.delete(contents).where(inArray(contents.id, ids))
      return true
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#sweeping
  }
}

/** The number is in the text, as in the index of these: an engine that plans without it reads all contents. */
const unreferenced = sql`${contents.references} = 0`

const piecesOf = (octets: Uint8Array): Buffer[] => {
  const whole = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength)
  const count = Math.max(1, Math.ceil(whole.length / storedPieceOctets))
  return Array.from({ length: count }, (_, place) =>
    whole.subarray(place * storedPieceOctets, (place + 1) * storedPieceOctets),
  )
}
