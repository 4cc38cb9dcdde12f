/**
 * Quota: how much of the server's disk a user may take (`WAFER_QUOTA`), all that is theirs together: mail, drafts, what
 * waits in the queue and parked forms. What many users have in common counts for each of them. Triggers keep the sum,
 * so that it is right whatever deletes a row, and asking costs nothing.
 */
import { eq, inArray } from 'drizzle-orm'
import type { Config } from '../ground/config.ts'
import { type Database, usage } from '../ground/database.ts'
import { Refusal } from '../ground/refusal.ts'

/** In octets. */
export type Space = { used: number; quota: number }

export class Quota {
  readonly #db: Database
  readonly #octets: number

  constructor(options: { db: Database; config: Pick<Config, 'quotaOctets'> }) {
    this.#db = options.db
    this.#octets = options.config.quotaOctets
  }

  space(userId: number): Space {
    const row = this.#db.select().from(usage).where(eq(usage.userId, userId)).get()
    return { used: row?.octets ?? 0, quota: this.#octets }
  }

  /** Those of these users who have no room for so many octets more. Synchronous, for the caller's transaction. */
  full(userIds: number[], octets: number): number[] {
    if (octets > this.#octets) return userIds
    const rows = this.#db.select().from(usage).where(inArray(usage.userId, userIds)).all()
    const used = new Map(rows.map((row) => [row.userId, row.octets]))
    return userIds.filter((id) => (used.get(id) ?? 0) + octets > this.#octets)
  }

  /** Synchronous, for the caller's transaction. @throws Refusal `over-quota` if so many octets more have no room */
  require(userId: number, octets: number) {
    if (this.full([userId], octets).length === 0) return
    const { used, quota } = this.space(userId)
    throw new Refusal('no-room', { values: { used, quota } })
  }
}
