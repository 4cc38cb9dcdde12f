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
import { inTurns } from './in-turns.ts'
import type { Keyrings } from './keyrings.ts'
import { withoutTag } from './recipients.ts'
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

const addressLimit = 20
/** An address that a page shows whole and as it is. */
const isReadable = (address: string) => address.length <= 254 && !/[\s\p{C}]/u.test(address)

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
   * The usable public keys in pasted text or in an attachment, each with all the addresses that it is to count for.
   *
   * @throws Refusal `bad-key` if there is none
   */
  async offered(octets: Uint8Array): Promise<OfferedKey[]> {
    const usable = (await this.#pool.run('reading', 'inspectKeys', { octets }))
      .filter((key) => !key.revoked)
      .map((key) => ({ ...key, addresses: key.addresses.filter(isReadable) }))
    const keys = usable.filter(({ addresses }) => addresses.length <= addressLimit)
    if (usable.length > 0 && keys.length === 0)
      throw new Refusal(
        'bad-key',
        `The key names more than ${addressLimit} addresses. Nobody can look through so many, so it is not taken.`,
      )
    if (keys.length === 0)
      throw new Refusal(
        'bad-key',
        'There is no public key in it that can be used. Paste the whole block, from BEGIN to END.',
      )
    return keys
  }

  /** What stands in an offered key's way: its addresses that a user of this server has, or another accepted key. */
  async conflicts(
    userId: number,
    { fingerprint, addresses }: OfferedKey,
  ): Promise<{ address: string; with: 'user' | 'accepted' }[]> {
    const others = (await this.list(userId)).filter((accepted) => accepted.fingerprint !== fingerprint)
    const found: { address: string; with: 'user' | 'accepted' }[] = []
    for (const address of addresses) {
      if ((await this.#keysOfUser(address)).length > 0) found.push({ address, with: 'user' })
      else if (others.some((other) => other.addresses.includes(address)))
        found.push({ address, with: 'accepted' })
    }
    return found
  }

  /** Accepts what {@link offered} showed, for the addresses shown. Accepting a key again brings it up to date. */
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

  /** @returns whether there was one */
  async remove(userId: number, fingerprint: string): Promise<boolean> {
    const which = and(eq(correspondents.userId, userId), eq(correspondents.fingerprint, fingerprint))
    return this.#db.delete(correspondents).where(which).run().changes > 0
  }

  /**
   * The keys that a signature may be by: the user's own, those of this server's users who are named as the sender, and
   * the accepted ones. A key of this server vouches for its owner's address only, whatever its user ids say; an accepted
   * one for the addresses that were shown when it was accepted, but never for a user of this server with keys.
   *
   * @param sender the From field as lists show it
   */
  async certificates(user: User, sender: string): Promise<Certificate[]> {
    const named = (sender.match(/[^\s<>,;:"()]+@[^\s<>,;:"()]+/g) ?? []).slice(0, 5)
    const local: Certificate[] = []
    for (const address of new Set([user.address, ...named.map((found) => found.toLowerCase())])) {
      for (const { publicKey } of await this.#keysOfUser(address))
        local.push({ publicKey, addresses: [address] })
    }
    const accepted: Certificate[] = []
    for await (const { publicKey, addresses } of inTurns(await this.list(user.id))) {
      const vouchedFor: string[] = []
      for (const address of addresses)
        if ((await this.#keysOfUser(address)).length === 0) vouchedFor.push(address)
      accepted.push({ publicKey, addresses: vouchedFor })
    }
    return [...local, ...accepted]
  }

  async #keysOfUser(address: string) {
    const owner = await this.#owner(address)
    return owner ? this.#keyrings.list(owner.id) : []
  }

  async #owner(address: string) {
    return (await this.#users.byAddress(address)) ?? this.#users.byAddress(withoutTag(address))
  }

  /** The key to encrypt to for each address, and the addresses that have none. */
  async keysFor(
    userId: number,
    addresses: string[],
  ): Promise<{ keys: Map<string, Uint8Array>; missing: string[] }> {
    const accepted = await this.list(userId)
    const keys = new Map<string, Uint8Array>()
    for await (const address of inTurns(addresses.map((each) => each.toLowerCase()))) {
      const owner = await this.#owner(address)
      const key =
        (owner && (await this.#keyrings.present(owner.id))?.publicKey) ??
        accepted.find((correspondent) => correspondent.addresses.includes(address))?.publicKey
      if (key) keys.set(address, key)
    }
    return { keys, missing: addresses.filter((address) => !keys.has(address.toLowerCase())) }
  }
}
