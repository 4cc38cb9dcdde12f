/** Lets a few run at once and a few wait; everybody else is told to come back. For work that costs memory, or others' time. */
import { Refusal } from './refusal.ts'

export class Turnstile {
  #running = 0
  readonly #waiting: (() => void)[] = []
  readonly #atOnce: number
  readonly #queue: number

  constructor(atOnce: number, queue: number) {
    this.#atOnce = atOnce
    this.#queue = queue
  }

  get isIdle(): boolean {
    return this.#running === 0
  }

  /** @throws Refusal `busy` when the queue is full */
  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#atOnce) {
      if (this.#waiting.length >= this.#queue)
        throw new Refusal('server-busy', {
          detail: { retry_after_s: 5 },
        })
      await new Promise<void>((resolve) => this.#waiting.push(resolve)) // the place is handed over, not freed
    } else this.#running += 1
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running -= 1
    }
  }
}

/** One for each of those who are to take nothing from each other, for as long as something of theirs is at it. */
export class Turnstiles<Whose> {
  readonly #each = new Map<Whose, Turnstile>()
  readonly #atOnce: number
  readonly #queue: number

  constructor(atOnce: number, queue: number) {
    this.#atOnce = atOnce
    this.#queue = queue
  }

  /** @throws Refusal `busy` when the queue of this one is full */
  async pass<T>(whose: Whose, work: () => Promise<T>): Promise<T> {
    const turnstile = this.#each.get(whose) ?? new Turnstile(this.#atOnce, this.#queue)
    this.#each.set(whose, turnstile)
    try {
      return await turnstile.pass(work)
    } finally {
      if (turnstile.isIdle) this.#each.delete(whose)
    }
  }
}
