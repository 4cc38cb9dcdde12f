/**
 * Parked forms: what somebody typed, kept while the unlock window or a log-in stands in between (C8). Each lies
 * sealed under a key that only the next page's hidden field holds, for an hour, and goes back to its own user only.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { eq, lte } from 'drizzle-orm'
import type { Clock } from './clock.ts'
import { type Database, parkedForms } from './database.ts'

const lifeMs = 60 * 60_000

export class ParkedForms {
  readonly #db: Database
  readonly #clock: Clock

  constructor(options: { db: Database; clock: Clock }) {
    this.#db = options.db
    this.#clock = options.clock
  }

  /** @returns the ticket for the hidden field: it opens the form and is stored nowhere */
  async park(userId: number, form: unknown): Promise<string> {
    const id = randomBytes(9).toString('base64url')
    const key = randomBytes(32)
    const nonce = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(JSON.stringify([id, userId])))
    const sealed = Buffer.concat([
      nonce,
      cipher.update(JSON.stringify(form)),
      cipher.final(),
      cipher.getAuthTag(),
    ])
    this.#db
      .insert(parkedForms)
      .values({ id, userId, sealed, expiresAt: this.#clock() + lifeMs })
      .run()
    return `${id}${key.toString('base64url')}`
  }

  /** The form behind a ticket, still parked; null if it is gone or another user's. */
  async open(userId: number, ticket: string): Promise<unknown> {
    const id = ticket.slice(0, 12)
    const key = Buffer.from(ticket.slice(12), 'base64url')
    const row = this.#db.select().from(parkedForms).where(eq(parkedForms.id, id)).get()
    if (!row || key.length !== 32 || row.userId !== userId || row.expiresAt <= this.#clock()) return null
    try {
      const cipher = createDecipheriv('aes-256-gcm', key, row.sealed.subarray(0, 12), { authTagLength: 16 })
      cipher.setAAD(Buffer.from(JSON.stringify([id, userId]))).setAuthTag(row.sealed.subarray(-16))
      return JSON.parse(
        Buffer.concat([cipher.update(row.sealed.subarray(12, -16)), cipher.final()]).toString(),
      )
    } catch {
      return null
    }
  }

  /** The form has come back to its page and need not be kept. */
  async drop(ticket: string): Promise<void> {
    this.#db
      .delete(parkedForms)
      .where(eq(parkedForms.id, ticket.slice(0, 12)))
      .run()
  }

  async sweep(): Promise<void> {
    this.#db.delete(parkedForms).where(lte(parkedForms.expiresAt, this.#clock())).run()
  }
}
