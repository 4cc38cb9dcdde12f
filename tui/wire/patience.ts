/**
 * How long an answer is waited for: a server may be silent for a while, and a whole answer takes no longer than its size
 * deserves, for whoever sends an octet now and then is never silent, and never done. The time that our own end takes,
 * to send what is to be sent and to take what comes, is nobody else's.
 */
import type http from 'node:http'
import { patienceMs, Unreachable } from './connection.ts'

/** A whole answer takes no longer, and for what is large so much more as a slow line needs. */
const answerMs = 60_000
const slowestOctetsPerMs = 16

export class Patience {
  readonly #request: http.ClientRequest
  readonly #host: string
  #timer: NodeJS.Timeout | undefined
  #octets: number
  #oursMs = 0
  #grantedMs = 0
  #waits = 0

  /** @param octets that are sent with it, as far as that is known */
  constructor(request: http.ClientRequest, host: string, octets: number) {
    this.#request = request
    this.#host = host
    this.#octets = octets
    request.setTimeout(patienceMs, () => {
      if (this.#waits === 0)
        request.destroy(new Unreachable(`${host} does not answer; please try again later.`))
    })
    request.on('close', () => clearTimeout(this.#timer))
    this.#grant()
  }

  count(octets: number) {
    this.#octets += octets
  }

  /** Waits for our own end. */
  async ours<Result>(work: Promise<Result> | Result): Promise<Result> {
    const beganMs = performance.now()
    this.#waits += 1
    try {
      return await work
    } finally {
      this.#waits -= 1
      this.#oursMs += performance.now() - beganMs
      // From here on it may be silent for as long again.
      this.#request.setTimeout(patienceMs)
    }
  }

  #grant() {
    const deservedMs = answerMs + this.#octets / slowestOctetsPerMs + this.#oursMs
    const moreMs = this.#waits > 0 ? answerMs : deservedMs - this.#grantedMs
    if (moreMs < 1000)
      return this.#request.destroy(
        new Unreachable(`${this.#host} answers too slowly; please try again later.`),
      )
    this.#timer = setTimeout(() => this.#grant(), moreMs)
    this.#grantedMs += moreMs
  }
}
