/**
 * A letter's number: its identity from the moment that Compose opens. It says what became of the letter, so that what
 * is pressed twice, reloaded, or sent again after a lost line makes one draft and leaves once.
 */
import { and, eq, isNull, lte } from 'drizzle-orm'
import type { Clock } from '../ground/clock.ts'
import { letterMemoryMs } from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'
import type { ServerSecret } from '../ground/server-secret.ts'
import { counted, type Database } from '../ground/store/database.ts'
import { letterNumbers } from '../ground/store/tables.ts'

/** The draft that a letter is kept as, or its copy in Sent; null if that was deleted, or there was none. */
export type Fate = { messageId: number | null; hasLeft: boolean }

export class LetterNumbers {
  readonly #db: Database
  readonly #clock: Clock
  readonly #secret: Pick<ServerSecret, 'mac'>

  constructor(options: { db: Database; clock: Clock; secret: Pick<ServerSecret, 'mac'> }) {
    this.#db = options.db
    this.#clock = options.clock
    this.#secret = options.secret
  }

  /** The number of the letter in a draft: the one it was kept by, or one that is always the same for this draft. */
  async ofDraft(userId: number, draft: number): Promise<string> {
    const [kept] = await this.#db
      .select({ number: letterNumbers.number })
      .from(letterNumbers)
      .where(
        and(
          eq(letterNumbers.userId, userId),
          eq(letterNumbers.messageId, draft),
          isNull(letterNumbers.left), // a copy that was moved from Sent to Drafts is another letter
        ),
      )
    if (kept) return kept.number
    return this.#secret
      .mac('draft-number', JSON.stringify([userId, draft]))
      .toString('base64url')
      .slice(0, 12)
  }

  /** What became of a letter; null if nothing is known of it. */
  async fate(userId: number, number: string): Promise<Fate | null> {
    const row = await this.#row(userId, number)
    return row ? { messageId: row.messageId, hasLeft: row.left !== null } : null
  }

  /** Whether what left under this number is this, to the letter. */
  async isWhatLeft(userId: number, number: string, content: string): Promise<boolean> {
    return Buffer.from((await this.#row(userId, number))?.left ?? []).equals(this.#mac(content))
  }

  /**
   * The letter is kept as this draft. Part of the transaction that stores it, like what follows.
   *
   * @throws Refusal `exists` if the letter has left
   */
  async noteDraft(userId: number, number: string, messageId: number) {
    await this.#note(userId, number, { messageId, left: null })
  }

  /** The letter leaves, and this is its copy. @throws Refusal `exists` if it has left already */
  async noteLeft(userId: number, number: string, messageId: number, content: string) {
    await this.#note(userId, number, { messageId, left: this.#mac(content) })
  }

  /** The letter was taken back: its copy is a draft. */
  async noteRecalled(userId: number, messageId: number) {
    await this.#db
      .update(letterNumbers)
      .set({ left: null })
      .where(and(eq(letterNumbers.userId, userId), eq(letterNumbers.messageId, messageId)))
  }

  async sweep(): Promise<void> {
    await this.#db.delete(letterNumbers).where(lte(letterNumbers.touchedAt, this.#clock() - letterMemoryMs))
  }

  async #note(userId: number, number: string, change: { messageId: number; left: Buffer | null }) {
    const now = { ...change, touchedAt: this.#clock() }
    const noted = await this.#db
      .insert(letterNumbers)
      .values({ userId, number, ...now })
      .onConflictDoUpdate({
        target: [letterNumbers.userId, letterNumbers.number],
        set: now,
        setWhere: isNull(letterNumbers.left),
      })
      .returning(counted)
    if (noted.length === 0) throw sentAlready()
  }

  async #row(userId: number, number: string) {
    const [row] = await this.#db
      .select()
      .from(letterNumbers)
      .where(and(eq(letterNumbers.userId, userId), eq(letterNumbers.number, number)))
    return row
  }

  /** Of the content, which may be secret: not a hash, from which whoever has the database could guess it. */
  #mac = (content: string) => this.#secret.mac('letter', content)
}

export const sentAlready = () => new Refusal('letter-left')
