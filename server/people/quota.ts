/**
 * Quota: how much of the server's disk a user may take (`WAFER_QUOTA`), all that is theirs together: mail, drafts, what
 * waits in the queue and parked forms. What many users have in common counts for each of them. Triggers keep the sum,
 * so that it is right whatever deletes a row, and asking costs nothing.
 */
import { eq, inArray } from 'drizzle-orm'
import type { Config } from '../ground/config.ts'
import { Refusal } from '../ground/refusal.ts'
import type { Database } from '../ground/store/database.ts'
import { usage } from '../ground/store/tables.ts'

/** In octets. */
export type Space = { used: number; quota: number }

export class Quota {
  readonly #db: Database
  readonly #octets: number

  constructor(options: { db: Database; config: Pick<Config, 'quotaOctets'> }) {
    this.#db = options.db
    this.#octets = options.config.quotaOctets
  }

  async space(userId: number): Promise<Space> {
    const [row] = await this.#db.select().from(usage).where(eq(usage.userId, userId))
    return { used: row?.octets ?? 0, quota: this.#octets }
  }

  /** Those of these users who have no room for so many octets more. Part of the caller's transaction. */
  async full(userIds: number[], octets: number): Promise<number[]> {
    if (octets > this.#octets) return userIds
    const rows = await this.#db.select().from(usage).where(inArray(usage.userId, userIds))
    const used = new Map(rows.map((row) => [row.userId, row.octets]))
    return userIds.filter((id) => (used.get(id) ?? 0) + octets > this.#octets)
  }

  /** Part of the caller's transaction. @throws Refusal `over-quota` if so many octets more have no room */
  async require(userId: number, octets: number) {
    if ((await this.full([userId], octets)).length === 0) return
    const { used, quota } = await this.space(userId)
    throw new Refusal('no-room', { values: { used, quota } })
  }
}
