/** Lets a few run at once and a few wait; everybody else is told to come back. For work that costs memory. */
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
