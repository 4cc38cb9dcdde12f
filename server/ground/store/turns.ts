/** One after the other, in the order in which they came, of those that are about the same. */
export class Turns<About> {
  readonly #last = new Map<About, Promise<void>>()

  /** @returns what passes the turn on; safe to call twice */
  async take(about: About): Promise<() => void> {
    const before = this.#last.get(about)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#last.set(about, promise)
    await before
    return () => {
      if (this.#last.get(about) === promise) this.#last.delete(about)
      resolve()
    }
  }

  async taken<T>(about: About, work: () => Promise<T>): Promise<T> {
    const pass = await this.take(about)
    try {
      return await work()
    } finally {
      pass()
    }
  }
}
