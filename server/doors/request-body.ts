/**
 * The octets of requests' bodies, as far as they may go. Large ones are memory that all share: few are read at one time,
 * of each user one, and they are worked on one after the other.
 */
import type { IncomingMessage } from 'node:http'
import { blockOctets, largeBodies as limits, tinyChunks } from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'

export class Bodies {
  /** The large ones, in the order in which they came. */
  readonly #large = new Map<IncomingMessage, Large>()
  #watching: NodeJS.Timeout | undefined

  /**
   * Reads a body. A large one is whole when its turn to be worked on has come, which it keeps until {@link release}.
   *
   * @param limit in octets
   * @param reason what the person is told who sent more
   * @param user who sends it, null for a stranger
   * @param cutUpTo a larger one, of up to so many octets, is read to its end, and given out up to the limit
   * @returns blocks, whose concatenation is the body: nothing large is copied here; and the size of all that came
   * @throws Refusal `too-large`; the rest is read and forgotten, so that the answer can be read. `busy` when its turn
   *   does not come. `bad-request` for a body in pieces of a few octets, which cost all more than their sender
   */
  async read(
    incoming: IncomingMessage,
    {
      limit,
      reason,
      user,
      cutUpTo = limit,
    }: { limit: number; reason: 'form-large' | 'body-large'; user: number | null; cutUpTo?: number },
  ): Promise<{ blocks: Uint8Array[]; size: number }> {
    const refuse = (refusal: Refusal) => {
      incoming.resume()
      throw refusal
    }
    const tooLarge = () => new Refusal(reason)
    if (Number(incoming.headers['content-length'] ?? 0) > cutUpTo) refuse(tooLarge())
    const blocks: Uint8Array[] = []
    let size = 0
    let chunks = 0
    let block = Buffer.alloc(0)
    let used = 0
    let large: Large | null = null
    for await (const chunk of incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      size += chunk.length
      chunks += 1
      if (size > cutUpTo) refuse(tooLarge())
      if (chunks > tinyChunks.count && size < chunks * tinyChunks.octets) refuse(new Refusal('body-in-bits'))
      if (size > limits.octets) {
        if (!large) {
          large = { state: 'waiting', user, octets: 0, since: { ms: 0, octets: 0 }, next: () => {} }
          this.#large.set(incoming, large)
          await this.#turn(incoming, large)
        }
        large.octets = size
      }
      if (size > limit) continue
      for (let at = 0; at < chunk.length; ) {
        if (used === block.length) {
          if (used > 0) blocks.push(block)
          block = Buffer.allocUnsafeSlow(Math.min(blockOctets, limit))
          used = 0
        }
        const copied = chunk.copy(block, used, at)
        used += copied
        at += copied
      }
    }
    if (used > 0) blocks.push(block.subarray(0, used))
    if (large) {
      large.state = 'whole'
      await this.#turn(incoming, large)
    }
    return { blocks, size }
  }

  /** The request is answered, however: others have their turn. Safe to call twice, and for what was never large. */
  release(incoming: IncomingMessage) {
    if (this.#large.delete(incoming)) this.#next()
  }

  /** Waits until it may be read, or worked on. */
  #turn(incoming: IncomingMessage, large: Large): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (error?: Error) => {
        clearTimeout(deadline)
        incoming.off('close', gone)
        error ? reject(error) : resolve()
      }
      const gone = () => end(new Refusal('request-cut-off'))
      const deadline = setTimeout(() => {
        incoming.resume()
        end(isBusy())
      }, limits.waitMs)
      large.next = () => end()
      if (large.state === 'waiting') incoming.once('close', gone)
      this.#next()
    })
  }

  #next() {
    const all = [...this.#large.values()]
    const whole = all.find(({ state }) => state === 'whole')
    if (whole && !all.some(({ state }) => state === 'working')) begin(whole, 'working')
    for (const large of all) {
      const placed = all.filter(({ state }) => state !== 'waiting')
      if (placed.length >= limits.atOnce) break
      if (large.state === 'waiting' && !placed.some(({ user }) => user === large.user))
        begin(large, 'reading')
    }
    const isWaiting = all.some(({ state }) => state === 'waiting')
    if (isWaiting) this.#watching ??= setInterval(() => this.#dropSlow(), limits.watchMs).unref()
    else {
      clearInterval(this.#watching)
      this.#watching = undefined
    }
  }

  /** Somebody waits: who sends next to nothing has no place any more. */
  #dropSlow() {
    const nowMs = performance.now()
    for (const [incoming, large] of this.#large) {
      const seconds = (nowMs - large.since.ms) / 1000
      if (large.state !== 'reading' || seconds < limits.graceS) continue
      if ((large.octets - large.since.octets) / seconds < limits.octetsPerS) incoming.destroy(isBusy())
      else large.since = { ms: nowMs, octets: large.octets }
    }
  }
}

type Large = {
  state: 'waiting' | 'reading' | 'whole' | 'working'
  user: number | null
  /** That have come. */
  octets: number
  /** How many there were when its pace was last looked at, by the process's own clock. */
  since: { ms: number; octets: number }
  next: () => void
}

const isBusy = () => new Refusal('large-bodies-wait', { detail: { retry_after_s: 60 } })

const begin = (large: Large, state: 'reading' | 'working') => {
  large.state = state
  if (state === 'reading') large.since = { ms: performance.now(), octets: 0 }
  large.next()
}
