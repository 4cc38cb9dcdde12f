/**
 * Keys that are pressed while windows come and go. Such a window opens or closes when the server answers, while somebody
 * may be in the middle of a word, of a passphrase it may be: what they go on typing was meant for a screen that is gone
 * or never came, and is left out until they pause.
 */

/** Keys closer together than this are one burst of typing. */
const burstMs = 300
/** What was typed for a window that did not come goes on until there is a pause as long as this. */
const aheadMs = 1000

export class TypingAhead {
  readonly #now: () => number
  #isPressing = false
  /** Presses so far, how many there had been when work was begun last, and when the last one was. */
  #presses = 0
  #begunAfter = 0
  #pressedAt = Number.NEGATIVE_INFINITY
  /** What is typed now was meant for a screen that is gone. */
  #isStray = false
  /** The pause that ends it. */
  #strayMs = burstMs

  constructor(now: () => number) {
    this.#now = now
  }

  /** Counts a press. @returns whether it is meant for what is on the screen */
  counts(): boolean {
    this.#isStray = this.isStray
    this.#pressedAt = this.#now()
    this.#presses += 1
    return !this.#isStray
  }

  get isStray(): boolean {
    return this.#isStray && this.#isWithin(this.#strayMs)
  }

  /** Does what the press is for: what comes and goes within that was asked for by it. */
  pressing(work: () => void): void {
    this.#isPressing = true
    try {
      work()
    } finally {
      this.#isPressing = false
    }
  }

  /** Work begins, or what was typed so far was meant for a window: from here on it is ahead of what comes. */
  begins(): void {
    this.#begunAfter = this.#presses
  }

  /** Work begins; only one that a press asked for counts. */
  asks(): void {
    if (this.#isPressing) this.begins()
  }

  /** Somebody may be typing when a window opens or closes by itself; that is for neither what opens nor what shows. */
  windowMoves(): void {
    if (this.#isAhead(burstMs)) this.strays()
  }

  /**
   * Work that might have asked for the passphrase is over, and did not. Who typed it meanwhile goes on with the rest of
   * it: it must not come into the letter, nor be taken for commands.
   *
   * @returns whether something is left out for it
   */
  noWindowCame(): boolean {
    if (!this.#isAhead(aheadMs)) return false
    this.strays(aheadMs)
    return true
  }

  /** What follows without a pause is meant for nothing here. */
  strays(untilPauseMs = burstMs): void {
    this.#isStray = true
    this.#strayMs = untilPauseMs
  }

  #isAhead(pauseMs: number): boolean {
    return !this.#isPressing && this.#presses > this.#begunAfter && this.#isWithin(pauseMs)
  }

  #isWithin(pauseMs: number): boolean {
    return this.#now() - this.#pressedAt < pauseMs
  }
}
