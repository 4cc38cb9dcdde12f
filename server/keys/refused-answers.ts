/**
 * Answers of passkeys that were refused: of a session a few are looked at, then none for a while, and of one user as many
 * stand on the ledger as its owner can read. Whoever has the password has sessions without end.
 */

import { passkeyLimits } from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'
import { type Counter, counter } from '../ground/store/counters.ts'
import type { Database } from '../ground/store/database.ts'
import type { Ledger } from '../people/ledger.ts'
import type { Session } from '../people/sessions.ts'

export class RefusedAnswers {
  readonly #ledger: Ledger
  /** Of each session, or before it of each user. */
  readonly #refused: Counter
  /** Of each user, those that are on the ledger. */
  readonly #noted: Counter

  constructor({ db, ledger }: { db: Database; ledger: Ledger }) {
    this.#ledger = ledger
    const { refused, refusedWindowS, noted, notedWindowS } = passkeyLimits
    this.#refused = counter(db, { keyPrefix: 'refused passkey', points: refused, duration: refusedWindowS })
    this.#noted = counter(db, { keyPrefix: 'noted passkey', points: noted, duration: notedWindowS })
  }

  /**
   * Looks at a session's answer; of refused ones there may be a few, then none is looked at or noted for a while.
   *
   * @param note told of a refusal that counts
   * @throws Refusal `slow-down`, and as the work does
   */
  async limited<T>(
    session: Session,
    work: () => Promise<T>,
    note?: (refusal: Refusal) => Promise<void>,
  ): Promise<T> {
    const before = await this.#refused.get(session.id)
    if (before && before.consumedPoints >= passkeyLimits.refused) throw tooManyRefused(before.msBeforeNext)
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof Refusal) || error.code !== 'wrong-passkey') throw error
      // What is sent twice is no try: a page that sends again must not keep its own passkey out.
      const isTry = error.detail.reason !== 'sent-twice'
      // Asked again, as many may have been looked at together.
      if (isTry && !(await this.mayRefuse(session.id)))
        throw tooManyRefused(passkeyLimits.refusedWindowS * 1000)
      await note?.(error)
      throw error
    }
  }

  /** Counts a refusal. @param key a session's id, or what stands for a user before the log-in */
  async mayRefuse(key: string): Promise<boolean> {
    return (await this.#refused.penalty(key, 1)).consumedPoints <= passkeyLimits.refused
  }

  /** On the ledger, unless its owner has read the like often enough of late. */
  async note({ user, terminal, address }: Pick<Session, 'user' | 'terminal' | 'address'>, refusal: Refusal) {
    if ((await this.#noted.penalty(user.id, 1)).consumedPoints > passkeyLimits.noted) return
    // A copy is told apart from what a person does wrong.
    const { reason: why } = refusal.detail
    const kind = why === 'passkey-counter' || why === 'passkey-backup' ? why : 'wrong-passkey'
    await this.#ledger.append({
      userId: user.id,
      event: 'refused',
      terminal,
      address,
      method: 'passkey',
      reason: { kind },
    })
  }
}

const tooManyRefused = (waitMs: number) => {
  const waitS = Math.max(1, Math.ceil(waitMs / 1000))
  return new Refusal('passkeys-refused-often', { values: { waitS }, detail: { retry_after_s: waitS } })
}
