/**
 * Counts wrong passwords and passphrases, so that guessing is slow and one guesser does not lock the owner out:
 * the tight limit is per user and network address, a wide one per user and one per address bound what many
 * addresses or many names can try, and a hundred failures in a row stop that user's secret (NIST SP 800-63B §5.2.2).
 */
import { isIPv6 } from 'node:net'
import { sql } from 'drizzle-orm'
import { RateLimiterSQLite } from 'rate-limiter-flexible'
import { type Database, rateLimits } from './database.ts'
import { Refusal } from './refusal.ts'

export type Guessed = { what: (typeof guessed)[number]; user: string; address: string }
const guessed = ['password', 'passphrase', 'recovery code'] as const

const limits = {
  pair: { points: 5, duration: 15 * 60 },
  user: { points: 15, duration: 10 * 60 },
  address: { points: 60, duration: 15 * 60 },
  inRow: { points: 100, duration: 0 }, // no end: a success, or the operator, takes it back
} as const

export class Guesses {
  readonly #db: Database
  readonly #limiters: Record<keyof typeof limits, RateLimiterSQLite>

  constructor(db: Database) {
    this.#db = db
    const limiter = (name: keyof typeof limits) =>
      new RateLimiterSQLite({
        storeClient: db.$client,
        storeType: 'better-sqlite3',
        tableName: 'rate_limits',
        tableCreated: true,
        keyPrefix: name,
        ...limits[name],
      })
    this.#limiters = {
      pair: limiter('pair'),
      user: limiter('user'),
      address: limiter('address'),
      inRow: limiter('inRow'),
    }
  }

  /** @throws Refusal `slow-down` when no further guess is looked at now */
  async admit(guess: Guessed): Promise<void> {
    for (const [name, key] of keysOf(guess)) {
      const count = await this.#limiters[name].get(key)
      if (!count || count.consumedPoints < limits[name].points) continue
      if (name === 'inRow')
        throw new Refusal(
          'slow-down',
          `Too many wrong tries of this ${guess.what}. Please ask the operator of this server.`,
        )
      const waitS = Math.max(1, Math.ceil(count.msBeforeNext / 1000))
      throw new Refusal(
        'slow-down',
        `Too many wrong tries. Please wait ${Math.ceil(waitS / 60)} min and try again.`,
        {
          detail: { retry_after_s: waitS },
        },
      )
    }
  }

  async wrong(guess: Guessed): Promise<void> {
    for (const [name, key] of keysOf(guess)) await this.#limiters[name].penalty(key, 1)
  }

  async right(guess: Guessed): Promise<void> {
    for (const [name, key] of keysOf(guess)) if (name !== 'address') await this.#limiters[name].delete(key)
  }

  /** Forgets a user's failures from everywhere: what the operator does with a new password. */
  async forgive(user: string): Promise<void> {
    for (const what of guessed) {
      const [[pair, from], ...others] = keysOf({ what, user, address: '' })
      for (const [name, key] of others) if (name !== 'address') await this.#limiters[name].delete(key)
      const prefix = `${pair}:${from}`
      this.#db.delete(rateLimits).where(sql`substr(${rateLimits.key}, 1, ${prefix.length}) = ${prefix}`).run()
    }
  }
}

const keysOf = (guess: Guessed) => {
  const user = `${guess.what}:${guess.user.toLowerCase()}`
  return [
    ['pair', `${user}:${network(guess.address)}`],
    ['user', user],
    ['address', `${guess.what}:${network(guess.address)}`],
    ['inRow', user],
  ] as const
}

/** An IPv6 host has a whole /64 to guess from. */
const network = (address: string) => {
  if (!isIPv6(address) || address.startsWith('::ffff:')) return address.replace('::ffff:', '')
  const [head = '', tail] = address.split('::')
  const left = head.split(':').filter(Boolean)
  const right = tail?.split(':').filter(Boolean) ?? []
  const groups =
    tail === undefined ? left : [...left, ...Array(8 - left.length - right.length).fill('0'), ...right]
  return groups.slice(0, 4).join(':')
}
