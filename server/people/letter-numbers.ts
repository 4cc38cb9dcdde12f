/**
 * A letter's number: its identity from the moment that Compose opens. It says what became of the letter, so that what
 * is pressed twice, reloaded, or sent again after a lost line makes one draft and leaves once.
 */
import { and, eq, isNull, lte } from 'drizzle-orm'
import type { Clock } from '../ground/clock.ts'
import { type Database, letterNumbers } from '../ground/database.ts'
import { letterMemoryMs } from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'
import type { ServerSecret } from '../ground/server-secret.ts'

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
    const kept = this.#db
      .select({ number: letterNumbers.number })
      .from(letterNumbers)
      .where(
        and(
          eq(letterNumbers.userId, userId),
          eq(letterNumbers.messageId, draft),
          isNull(letterNumbers.left), // a copy that was moved from Sent to Drafts is another letter
        ),
      )
      .get()
    if (kept) return kept.number
    return this.#secret
      .mac('draft-number', JSON.stringify([userId, draft]))
      .toString('base64url')
      .slice(0, 12)
  }

  /** What became of a letter; null if nothing is known of it. */
  async fate(userId: number, number: string): Promise<Fate | null> {
    const row = this.#row(userId, number)
    return row ? { messageId: row.messageId, hasLeft: row.left !== null } : null
  }

  /** Whether what left under this number is this, to the letter. */
  async isWhatLeft(userId: number, number: string, content: string): Promise<boolean> {
    return Buffer.from(this.#row(userId, number)?.left ?? []).equals(this.#mac(content))
  }

  /**
   * The letter is kept as this draft. Synchronous, like what follows, for the transaction that stores it.
   *
   * @throws Refusal `exists` if the letter has left
   */
  noteDraft(userId: number, number: string, messageId: number) {
    this.#note(userId, number, { messageId, left: null })
  }

  /** The letter leaves, and this is its copy. @throws Refusal `exists` if it has left already */
  noteLeft(userId: number, number: string, messageId: number, content: string) {
    this.#note(userId, number, { messageId, left: this.#mac(content) })
  }

  /** The letter was taken back: its copy is a draft. */
  noteRecalled(userId: number, messageId: number) {
    this.#db
      .update(letterNumbers)
      .set({ left: null })
      .where(and(eq(letterNumbers.userId, userId), eq(letterNumbers.messageId, messageId)))
      .run()
  }

  async sweep(): Promise<void> {
    this.#db
      .delete(letterNumbers)
      .where(lte(letterNumbers.touchedAt, this.#clock() - letterMemoryMs))
      .run()
  }

  #note(userId: number, number: string, change: { messageId: number; left: Buffer | null }) {
    const now = { ...change, touchedAt: this.#clock() }
    const { changes } = this.#db
      .insert(letterNumbers)
      .values({ userId, number, ...now })
      .onConflictDoUpdate({
        target: [letterNumbers.userId, letterNumbers.number],
        set: now,
        setWhere: isNull(letterNumbers.left),
      })
      .run()
    if (changes === 0) throw sentAlready()
  }

  #row(userId: number, number: string) {
    return this.#db
      .select()
      .from(letterNumbers)
      .where(and(eq(letterNumbers.userId, userId), eq(letterNumbers.number, number)))
      .get()
  }

  /** Of the content, which may be secret: not a hash, from which whoever has the database could guess it. */
  #mac = (content: string) => this.#secret.mac('letter', content)
}

export const sentAlready = () => new Refusal('letter-left')
