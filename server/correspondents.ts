/**
 * Correspondents: the public keys of other people. A key is offered (in an attachment, pasted, or by a user of this
 * server), shown with its fingerprint, and counts only once the user has accepted it; the keys of this server's
 * users count as accepted, each for its owner's own address.
 */
import { and, desc, eq } from 'drizzle-orm'
import type { Clock } from './clock.ts'
import type { CryptoPool } from './crypto-pool.ts'
import { correspondents, type Database } from './database.ts'
import type { Certificate, InspectedKey } from './encrypted-mail.ts'
import type { Keyrings } from './keyrings.ts'
import { Refusal } from './refusal.ts'
import type { User, Users } from './users.ts'

/** A public key to be shown with its fingerprint before it is accepted. */
export type OfferedKey = InspectedKey
export type Correspondent = {
  fingerprint: string
  addresses: string[]
  publicKey: Uint8Array
  acceptedAt: number
}

export class Correspondents {
  readonly #db: Database
  readonly #clock: Clock
  readonly #pool: CryptoPool
  readonly #users: Users
  readonly #keyrings: Keyrings

  constructor(options: { db: Database; clock: Clock; pool: CryptoPool; users: Users; keyrings: Keyrings }) {
    this.#db = options.db
    this.#clock = options.clock
    this.#pool = options.pool
    this.#users = options.users
    this.#keyrings = options.keyrings
  }

  /**
   * The usable public keys in pasted text or in an attachment.
   *
   * @throws Refusal `bad-key` if there is none
   */
  async offered(octets: Uint8Array): Promise<OfferedKey[]> {
    const keys = (await this.#pool.run('reading', 'inspectKeys', { octets })).filter((key) => !key.revoked)
    if (keys.length === 0)
      throw new Refusal(
        'bad-key',
        'There is no public key in it that can be used. Paste the whole block, from BEGIN to END.',
      )
    return keys
  }

  /** Accepts what {@link offered} showed. Accepting a key again brings it up to date. */
  async accept(userId: number, key: OfferedKey): Promise<void> {
    const { fingerprint, publicKey } = key
    const row = { publicKey, addresses: JSON.stringify(key.addresses), acceptedAt: this.#clock() }
    this.#db
      .insert(correspondents)
      .values({ userId, fingerprint, ...row })
      .onConflictDoUpdate({ target: [correspondents.userId, correspondents.fingerprint], set: row })
      .run()
  }

  /** Accepted keys, the newest first. */
  async list(userId: number): Promise<Correspondent[]> {
    return this.#db
      .select()
      .from(correspondents)
      .where(eq(correspondents.userId, userId))
      .orderBy(desc(correspondents.acceptedAt))
      .all()
      .map((row) => ({ ...row, addresses: JSON.parse(row.addresses) as string[] }))
  }

  async remove(userId: number, fingerprint: string): Promise<void> {
    const which = and(eq(correspondents.userId, userId), eq(correspondents.fingerprint, fingerprint))
    this.#db.delete(correspondents).where(which).run()
  }

  /**
   * The keys that a signature may be by: the user's own, the accepted ones, and those of this server's users who are
   * named as the sender. A key of this server vouches for its owner's address only, whatever its user ids say.
   *
   * @param sender the From field as lists show it
   */
  async certificates(user: User, sender: string): Promise<Certificate[]> {
    const accepted = (await this.list(user.id)).map(({ publicKey }) => ({ publicKey, addresses: null }))
    const named = (sender.match(/[^\s<>,;:"()]+@[^\s<>,;:"()]+/g) ?? []).slice(0, 5)
    const local: Certificate[] = []
    for (const address of new Set([user.address, ...named.map((found) => found.toLowerCase())])) {
      const owner = await this.#users.byAddress(address)
      const keys = owner ? await this.#keyrings.list(owner.id) : []
      for (const { publicKey } of keys) local.push({ publicKey, addresses: [address] })
    }
    return [...local, ...accepted]
  }

  /** The key to encrypt to for each address, and the addresses that have none. */
  async keysFor(
    userId: number,
    addresses: string[],
  ): Promise<{ keys: Map<string, Uint8Array>; missing: string[] }> {
    const accepted = await this.list(userId)
    const keys = new Map<string, Uint8Array>()
    for (const address of addresses.map((each) => each.toLowerCase())) {
      const owner = await this.#users.byAddress(address)
      const key =
        (owner && (await this.#keyrings.present(owner.id))?.publicKey) ??
        accepted.find((correspondent) => correspondent.addresses.includes(address))?.publicKey
      if (key) keys.set(address, key)
    }
    return { keys, missing: addresses.filter((address) => !keys.has(address.toLowerCase())) }
  }
}
