/**
 * Counts wrong passwords and passphrases, so that guessing is slow and one guesser does not lock the owner out:
 * the tight limit is per user and network, a wide one per user and one per network bound what many networks or many
 * names can try, and a hundred failures in a row are the end (NIST SP 800-63B §5.2.2). The right secret ends the row
 * from wherever it comes, and so does a passkey: strangers who fail bar no network of an owner who comes in between. Where the owner came from
 * with it before, only what was tried from there counts. A recovery code has 128 bits, which nobody guesses:
 * it has no limit that counts from everywhere or for good, with which a stranger could keep the owner from recovery.
 */
import { createHash } from 'node:crypto'
import { and, eq, gte, lt, or } from 'drizzle-orm'
import { chosenSecretCharacters, guessLimits, knownNetworkS } from '../ground/limits.ts'
import { network } from '../ground/network.ts'
import { Refusal } from '../ground/refusal.ts'
import { type Counter, counter } from '../ground/store/counters.ts'
import type { Database } from '../ground/store/database.ts'
import { rateLimits } from '../ground/store/tables.ts'

export type Guessed = { what: (typeof guessable)[number]; user: string; address: string }
export const guessable = ['password', 'passphrase', 'recovery code'] as const

type Limit = keyof typeof guessLimits

/**
 * Whether a password or passphrase that somebody chooses now is too easily guessed; what opens something already may be
 * as it is.
 */
export const isTooShort = (secret: string): boolean =>
  [...secret.normalize('NFC')].length < chosenSecretCharacters

export class Guesses {
  readonly #db: Database
  readonly #limiters: Record<Limit, Counter>
  /** Networks that a user came from with the right secret: what others fail at elsewhere does not count there. */
  readonly #known: Counter

  constructor(db: Database) {
    this.#db = db
    const limiter = (keyPrefix: string, limit: { points: number; duration: number }) =>
      counter(db, { keyPrefix, ...limit })
    const names = Object.keys(guessLimits) as Limit[]
    const limiters = names.map((name) => [name, limiter(name, guessLimits[name])])
    this.#limiters = Object.fromEntries(limiters) as Record<Limit, Counter>
    this.#known = limiter('known', { points: 1, duration: knownNetworkS })
  }

  /** @throws Refusal `slow-down` when no further guess is looked at now */
  async admit(guess: Guessed): Promise<void> {
    for (const [name, key] of await this.#counters(guess)) {
      const count = await this.#limiters[name].get(key)
      if (!count || count.consumedPoints < guessLimits[name].points) continue
      if (name === 'userInRow' || name === 'pairInRow')
        throw new Refusal('guessed-in-row', { values: { what: guess.what } })
      const waitS = Math.max(1, Math.ceil(count.msBeforeNext / 1000))
      throw new Refusal('guessed-often', { values: { waitS }, detail: { retry_after_s: waitS } })
    }
  }

  async wrong(guess: Guessed): Promise<void> {
    for (const [name, key] of await this.#counters(guess)) await this.#limiters[name].penalty(key, 1)
  }

  async right(guess: Guessed): Promise<void> {
    for (const [name, key] of await this.#counters(guess))
      if (name !== 'address') await this.#limiters[name].delete(key)
    const keys = keysOf(guess)
    // Not among the counters of a known network, where strangers' failures do not count.
    await this.#limiters.userInRow.delete(keys.user)
    await this.#known.set(keys.pair, 1, knownNetworkS)
  }

  /** The owner came by what nobody guesses, a passkey: whatever was guessed before is no longer in a row. */
  async ownerCame(user: string, address: string): Promise<void> {
    for (const what of guessable) {
      const keys = keysOf({ what, user, address })
      await this.#limiters.userInRow.delete(keys.user)
      await this.#limiters.pairInRow.delete(keys.pair)
    }
  }

  /**
   * Forgets a user's failures from everywhere, at what there is a new one of: they told nothing about that. Of nothing
   * else, or who can change one would guess the others without end. Part of the caller's transaction.
   */
  async forgive(user: string, at: readonly Guessed['what'][]) {
    for (const what of at) {
      const { user: key } = keysOf({ what, user, address: '' })
      for (const name of Object.keys(guessLimits)) {
        const own = `${name}:${key}`
        // With what follows a colon, which is a network; a semicolon is the next character.
        const ofNetworks = and(gte(rateLimits.key, `${own}:`), lt(rateLimits.key, `${own};`))
        await this.#db.delete(rateLimits).where(or(eq(rateLimits.key, own), ofNetworks))
      }
    }
  }

  /** Forgets what has run out; nothing depends on it. */
  async sweep(): Promise<void> {
    await this.#db.delete(rateLimits).where(lt(rateLimits.expire, Date.now()))
  }

  async #counters(guess: Guessed): Promise<[Limit, string][]> {
    const keys = keysOf(guess)
    const slow: [Limit, string][] = [
      ['pair', keys.pair],
      ['address', keys.address],
    ]
    if (guess.what === 'recovery code') return slow
    const own: [Limit, string][] = [...slow, ['pairInRow', keys.pair]]
    if (await this.#known.get(keys.pair)) return own
    return [...own, ['user', keys.user], ['userInRow', keys.user]]
  }
}

/** Names as hashes: what somebody types as a name may be long, or a password in the wrong field. */
const keysOf = (guess: Guessed) => {
  const name = createHash('sha256').update(guess.user.toLowerCase()).digest('base64url').slice(0, 22)
  const user = `${guess.what}:${name}`
  return {
    pair: `${user}:${network(guess.address)}`,
    user,
    address: `${guess.what}:${network(guess.address)}`,
  }
}
