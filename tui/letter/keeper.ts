/**
 * The keeper of one letter from its first word until it has left. While it is written it lies in Drafts, always as the
 * same one draft; when it is sent it is held for a while and can be taken back. What is posted of it goes one after the
 * other, so that no draft is made beside the one that it takes the place of, and none behind a letter that was sent.
 *
 * The keeper has no letter of its own: that lies with who writes it, and is read when its turn comes, as it is by then.
 * How it all looks, and what is said of it, is the matter of the client around it.
 */
import type { Sent } from '../../server/contract/answers.ts'
import { type Client, isProblem, Problem } from '../wire/client.ts'
import type { Unreachable } from '../wire/connection.ts'
import { type Letter, sizeOfAttachment, toApi } from './letter.ts'

/** What keeping changes of it. */
export type Upkeep = {
  draft?: number
  /** Null once what the letter answers is gone: then it answers nothing. */
  inReplyTo?: null
  changedAt?: number | null
  /** When it was kept as a draft, Unix milliseconds. */
  keptAt?: number
}

/** Where the letter lies. */
export type Sheet = {
  /** The letter as it is by now; null once nobody writes it any more. */
  letter(): Letter | null
  /** Since when it differs from its draft, Unix milliseconds by this terminal's clock; null if it does not. */
  changedAt(): number | null
  write(upkeep: Upkeep): void
}

/** Time in which a letter can be taken back. */
export const holdS = 15
/** A draft is kept when it has changed for so long. */
const keepAfterMs = 10_000
/** Attachments go with it each time: what they have in octets waits longer. */
const octetsPerMs = 100

export class Keeper {
  readonly #client: Client
  readonly #sheet: Sheet
  readonly #now: () => number
  /** Goes up with each change. */
  #revision = 0
  #posts: Promise<unknown> = Promise.resolve()
  #isKeeping = false
  /** Sent, thrown away or left: nothing more is kept. */
  #isOver = false
  /** The message that it became. */
  #sent: number | null = null

  constructor(client: Client, sheet: Sheet, now: () => number) {
    this.#client = client
    this.#sheet = sheet
    this.#now = now
  }

  /** To be told of each change that is made to the letter. @returns its `changedAt` from now on */
  changed(): number {
    this.#revision += 1
    return this.#sheet.changedAt() ?? this.#now()
  }

  /** Something of the letter would be lost with the terminal. */
  get isUnsaved(): boolean {
    return !this.#isOver && this.#sheet.changedAt() !== null
  }

  /** It has waited long enough to be kept, and is not being kept. */
  get isDue(): boolean {
    if (!this.isUnsaved || this.#isKeeping) return false
    const waitedMs = this.#now() - (this.#sheet.changedAt() ?? Number.POSITIVE_INFINITY)
    if (waitedMs < keepAfterMs) return false
    const attachments = this.#sheet.letter()?.attachments ?? []
    return (
      waitedMs >= attachments.reduce((ms, each) => ms + sizeOfAttachment(each) / octetsPerMs, keepAfterMs)
    )
  }

  /**
   * Keeps the letter as a draft, if it changed, in the place of its last one.
   *
   * @param through how the server is asked here, such as through a log-in where the session has ended; it may do the
   *   work again, or give it up
   * @returns whether it is kept as it is now
   * @throws what `through` does: a `Problem` or an `Unreachable`, where it lets them pass
   */
  async keep(through: (work: () => Promise<void>) => Promise<unknown> = (work) => work()): Promise<boolean> {
    const isAlone = !this.#isKeeping
    this.#isKeeping = true
    let isDone = false
    try {
      await through(async () => {
        await this.#inTurn(() => this.#keepNow())
        isDone = true
      })
    } finally {
      if (isAlone) this.#isKeeping = false
      // What is not kept is tried again when it has waited once more.
      if (this.isUnsaved) this.#sheet.write({ changedAt: this.#now() })
    }
    return isDone && !this.isUnsaved
  }

  /**
   * Sends the letter, to leave when its time for being taken back is over. One that is refused, but that the server
   * keeps as a draft, is kept.
   *
   * @throws Problem, as the server refuses it; Unreachable: whether it left, {@link whetherItLeft} says
   */
  send(): Promise<Sent> {
    return this.#inTurn(async () => {
      const sent = await this.#post({ hold_s: holdS }).catch((error: unknown) => {
        if (error instanceof Problem && error.draft !== undefined) this.#lies(error.draft, this.#revision)
        throw error
      })
      // From here on no draft is made behind it.
      this.#isOver = true
      this.#sent = sent.id
      return sent
    })
  }

  /** Takes the sent letter back. @returns the draft that it is again. @throws Problem `too-late` once it has left */
  async recall(): Promise<number> {
    if (this.#sent === null) throw new Error('expected a letter that was sent, got none')
    return (await this.#client.recall(this.#sent)).id
  }

  /** Throws the letter and its draft away. @returns the draft, which the Trash has now; null if there was none */
  discard(): Promise<number | null> {
    return this.#inTurn(async () => {
      const draft = this.#sheet.letter()?.draft ?? null
      if (draft !== null)
        await this.#client.remove(draft).catch((error: unknown) => {
          if (!isProblem(error, 'not-found')) throw error
        })
      this.#isOver = true
      return draft
    })
  }

  /** Nobody writes it any more. */
  leave(): void {
    this.#isOver = true
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#posts.then(work)
    this.#posts = done.catch(() => undefined)
    return done
  }

  async #keepNow(): Promise<void> {
    if (!this.isUnsaved) return
    const revision = this.#revision
    const { id } = await this.#post({ draft: true }).catch((error: unknown) => {
      // Files of the box need the key; a letter that waits for it must not be lost.
      const isClosed = isProblem(error, 'allowance-required') || isProblem(error, 'key-in-use')
      if (!isClosed || !this.#sheet.letter()?.attachments.some((each) => 'file' in each)) throw error
      return this.#post({ draft: true }, { withoutBox: true })
    })
    this.#lies(id, revision)
  }

  /** The draft holds the letter as it was at that revision. */
  #lies(draft: number, revision: number) {
    const keptAt = this.#now()
    this.#sheet.write({ draft, keptAt, changedAt: this.#revision === revision ? null : keptAt })
  }

  /** Posts the letter as it is by now. What it answers may be gone meanwhile: then it answers nothing. */
  async #post(
    how: { draft: true } | { hold_s: number },
    { withoutBox = false }: { withoutBox?: boolean } = {},
  ): Promise<Sent> {
    const written = this.#sheet.letter()
    if (!written) throw new Error('expected the letter that is posted, got none')
    const attachments = written.attachments.filter((each) => !withoutBox || !('file' in each))
    const letter = { ...written, attachments }
    try {
      return await this.#client.send({ ...toApi(letter), ...how })
    } catch (error) {
      if (!isProblem(error, 'not-found') || typeof letter.inReplyTo !== 'number') throw error
      this.#sheet.write({ inReplyTo: null })
      return await this.#client.send({ ...toApi({ ...letter, inReplyTo: null }), ...how })
    }
  }
}

/** There is nothing in it that anybody would miss. */
export const isEmpty = ({ to, cc, bcc, subject, text, attachments }: Letter): boolean =>
  `${to}${cc}${bcc}${subject}${text}`.trim() === '' && attachments.length === 0

/** What one has to know of a letter that was sent when there was no answer: a sentence or two. */
export const whetherItLeft = ({ isUnsent }: Unreachable): string =>
  isUnsent
    ? 'Nothing was sent; the letter is still here.'
    : 'Whether the letter left is not known: look into Sent before you send it again. It is still here.'
