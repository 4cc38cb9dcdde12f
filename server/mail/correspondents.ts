/**
 * Correspondents: the public keys of other people, and their certificates for S/MIME. A key is offered (in an attachment,
 * with a signature, pasted, or by a user of this server), shown with its fingerprint, and counts only once the user has accepted it; the keys of this server's
 * users count as accepted, each for its owner's own address.
 */
import { and, desc, eq } from 'drizzle-orm'
import type { Clock } from '../ground/clock.ts'
import { inTurns } from '../ground/in-turns.ts'
import { addressesOfKey } from '../ground/limits.ts'
import type { Obstacle } from '../ground/reasons.ts'
import { Refusal } from '../ground/refusal.ts'
import { counted, type Database } from '../ground/store/database.ts'
import { correspondents } from '../ground/store/tables.ts'
import type { Identities, OwnIdentity } from '../keys/identities.ts'
import { isNamed, type Keyrings } from '../keys/keyrings.ts'
import type { CryptoPool } from '../locked/crypto-pool.ts'
import { hindrance, type KeyUses, type Kind, kindOfKey, obstacle, type Use } from '../locked/key-uses.ts'
import type { Believed } from '../locked/reader/cms-signatures.ts'
import type { InspectedKey } from '../locked/reader/inspect-keys.ts'
import type { Certificate, Signature } from '../locked/reader/signatures.ts'
import type { Authorities } from '../locked/reader/trust.ts'
import { withoutTag } from '../people/recipients.ts'
import type { User, Users } from '../people/users.ts'

/** A public key to be shown with its fingerprint before it is accepted. */
export type OfferedKey = InspectedKey & { kind: Kind; canEncrypt: boolean }
export type Correspondent = {
  kind: Kind
  fingerprint: string
  addresses: string[]
  publicKey: Uint8Array
  uses: KeyUses
  /** Why it cannot be encrypted to now; null if it can. */
  obstacle: Obstacle | null
  acceptedAt: number
}

/** An address that nothing can be encrypted to, and why: it has no key, or what is in the way of the one it has. */
export type Unreachable = {
  address: string
  why: 'none' | Obstacle
  /** In Unix milliseconds, of a key that has expired. */
  until: number | null
}

/** What letters to addresses can be encrypted to, and of each kind whom they cannot. */
export type Readers = {
  openpgp: Map<string, Uint8Array>
  /** Certificates in DER, and whether their owner is known to read authenticated encryption. */
  smime: Map<string, { der: Uint8Array; takesGcm: boolean }>
  missing: Record<Kind, Unreachable[]>
}

/** An address that a page shows whole and as it is. */
const isReadable = (address: string) => address.length <= 254 && !/[\s\p{C}]/u.test(address)

export class Correspondents {
  readonly #db: Database
  readonly #clock: Clock
  readonly #pool: CryptoPool
  readonly #users: Users
  readonly #keyrings: Keyrings
  readonly #identities: Identities
  readonly #authorities: Authorities

  constructor(options: {
    db: Database
    clock: Clock
    pool: CryptoPool
    users: Users
    keyrings: Keyrings
    identities: Identities
    config: { smime: Authorities }
  }) {
    this.#db = options.db
    this.#clock = options.clock
    this.#pool = options.pool
    this.#users = options.users
    this.#keyrings = options.keyrings
    this.#identities = options.identities
    this.#authorities = options.config.smime
  }

  /**
   * Looks at keys that are offered. Revocations among them are noted at once, of the user's own keys and of accepted
   * ones: a key revokes itself, so there is nothing to accept.
   *
   * @returns the usable keys as {@link offered} finds them, and the fingerprints of those that were revoked by this
   * @throws Refusal `bad-key` if there is neither
   */
  async look(user: User, octets: Uint8Array): Promise<{ keys: OfferedKey[]; revoked: string[] }> {
    const revoked = await this.learn(user, octets)
    try {
      return { keys: await this.offered(user.id, octets), revoked }
    } catch (error) {
      if (!(error instanceof Refusal) || revoked.length === 0) throw error
      return { keys: [], revoked }
    }
  }

  /** Notes what revocations say, in copies of keys or alone. @returns fingerprints of the keys that they changed */
  async learn(user: User, octets: Uint8Array): Promise<string[]> {
    const names = await this.#pool.run('reading', 'revocationsOffered', { octets }, { user: user.id })
    if (names.length === 0) return []
    const own = await this.#keyrings.learnRevocations(user.id, octets, names)
    const named = (await this.list(user.id)).filter(({ fingerprint }) => isNamed(fingerprint, names))
    if (named.length === 0) return own
    const task = { octets, stored: named.map(({ publicKey }) => publicKey) }
    const learned = await this.#pool.run('reading', 'learnRevocations', task, { user: user.id })
    for (const { fingerprint, publicKey, uses } of learned) {
      const before = named.find((key) => key.fingerprint === fingerprint)!.publicKey
      const row = { publicKey: Buffer.from(publicKey), uses: JSON.stringify(uses) }
      if (!(await this.#update(user.id, fingerprint, before, row))) return this.learn(user, octets)
    }
    return [...own, ...learned.map(({ fingerprint }) => fingerprint)]
  }

  /**
   * Learns from a valid S/MIME signature: the certificate, and another of its owner's to encrypt to, where an authority that
   * the operator named vouches for them; and that its owner's programs read authenticated encryption (RFC 8551 §2.5.2).
   *
   * @param signedWith a signature as {@link offered} takes it
   */
  async learnFrom(user: User, { key, certificate }: Signature, signedWith: Uint8Array): Promise<void> {
    if (!certificate) return
    const accepted = await this.list(user.id)
    const isAccepted = (wanted: string) => accepted.some(({ fingerprint }) => fingerprint === wanted)
    const known = accepted.find(({ fingerprint }) => fingerprint === key)
    const toKeep = certificate.isVouchedFor ? [key, ...certificate.companions] : []
    const isComplete = toKeep.every((wanted) => wanted === null || isAccepted(wanted))
    if (isComplete && (known?.uses.takesGcm || !known)) return
    if (!known && (await this.#isOwn(certificate.addresses))) return
    const keys = await this.offered(user.id, signedWith).catch((error) => {
      if (error instanceof Refusal) return [] // it is believed, but cannot be kept
      throw error
    })
    for (const found of keys) {
      const { fingerprint, uses } = found
      if (toKeep.includes(fingerprint) && !isAccepted(fingerprint)) await this.accept(user.id, found)
      if (known && fingerprint === key && uses.takesGcm && !known.uses.takesGcm)
        await this.#update(user.id, fingerprint, known.publicKey, { uses: JSON.stringify(uses) })
    }
  }

  /** Whether one of the addresses is a user's of this server, whose certificates are known. */
  async #isOwn(addresses: string[]): Promise<boolean> {
    for (const address of addresses) if (await this.#owner(address)) return true
    return false
  }

  /** Only what it was made from gives way: else what another learned meanwhile would be forgotten. @returns whether it did */
  async #update(
    userId: number,
    fingerprint: string,
    before: Uint8Array,
    row: { publicKey?: Buffer; uses: string; addresses?: string; acceptedAt?: number },
  ): Promise<boolean> {
    const which = and(
      eq(correspondents.userId, userId),
      eq(correspondents.fingerprint, fingerprint),
      eq(correspondents.publicKey, Buffer.from(before)),
    )
    return (await this.#db.update(correspondents).set(row).where(which).returning(counted)).length > 0
  }

  /**
   * The usable public keys in pasted text or in an attachment, each with all the addresses that it is to count for.
   *
   * @throws Refusal `bad-key` if there is none
   */
  async offered(userId: number, octets: Uint8Array): Promise<OfferedKey[]> {
    const usable = (await this.#pool.run('reading', 'inspectKeys', { octets }, { user: userId }))
      .filter(({ uses }) => uses.revoked === null)
      .map((key) => ({
        ...key,
        kind: kindOfKey(key.publicKey),
        addresses: key.addresses.filter(isReadable),
        canEncrypt: obstacle(key.uses.encrypt, this.#clock()) === null,
      }))
    const keys = usable.filter(({ addresses }) => addresses.length <= addressesOfKey)
    if (usable.length > 0 && keys.length === 0)
      throw new Refusal('key-of-many-addresses', { values: { limit: addressesOfKey } })
    if (keys.length === 0) throw new Refusal('no-public-key')
    return keys
  }

  /** What stands in an offered key's way: its addresses that a user of this server has, or another accepted key. */
  async conflicts(
    userId: number,
    { kind, fingerprint, addresses }: OfferedKey,
  ): Promise<{ address: string; with: 'user' | 'accepted' }[]> {
    const others = (await this.list(userId)).filter(
      (accepted) => accepted.kind === kind && accepted.fingerprint !== fingerprint,
    )
    const found: { address: string; with: 'user' | 'accepted' }[] = []
    for (const address of addresses) {
      if ((await this.#keysOfUser(address, { id: userId })).length > 0) found.push({ address, with: 'user' })
      else if (others.some((other) => other.addresses.includes(address)))
        found.push({ address, with: 'accepted' })
    }
    return found
  }

  /**
   * Accepts what {@link offered} showed, for the addresses shown. Accepting a key again brings it up to date; an older
   * copy takes nothing away from it.
   */
  async accept(userId: number, key: OfferedKey): Promise<void> {
    const { fingerprint, kind } = key
    const known = (await this.list(userId)).find((each) => each.fingerprint === fingerprint)
    const stored = known?.publicKey
    const task = { stored: stored ?? key.publicKey, offered: key.publicKey }
    // A certificate stays as it is; what its owner's programs read may have become known.
    if (kind === 'smime' && known?.uses.takesGcm) key.uses.takesGcm = true
    const { publicKey, uses } =
      stored && kind === 'openpgp'
        ? await this.#pool.run('reading', 'mergeCertificates', task, { user: userId })
        : key
    const row = {
      publicKey: Buffer.from(publicKey),
      uses: JSON.stringify(uses),
      addresses: JSON.stringify(key.addresses),
      acceptedAt: this.#clock(),
    }
    const isDone = stored
      ? await this.#update(userId, fingerprint, stored, row)
      : (
          await this.#db
            .insert(correspondents)
            .values({ userId, fingerprint, ...row })
            .onConflictDoNothing()
            .returning(counted)
        ).length > 0
    if (!isDone) return this.accept(userId, key) // it was changed meanwhile, or is gone
  }

  /** Accepted keys, the newest first. */
  async list(userId: number): Promise<Correspondent[]> {
    const rows = await this.#db
      .select()
      .from(correspondents)
      .where(eq(correspondents.userId, userId))
      .orderBy(desc(correspondents.acceptedAt))
    const accepted: Correspondent[] = []
    for (const row of rows) {
      const uses = row.uses === null ? await this.#learnUses(userId, row) : (JSON.parse(row.uses) as KeyUses)
      accepted.push({
        ...row,
        kind: kindOfKey(row.publicKey),
        uses,
        obstacle: obstacle(uses.encrypt, this.#clock()),
        addresses: JSON.parse(row.addresses) as string[],
      })
    }
    return accepted
  }

  /** Of a row from before it was kept. */
  async #learnUses(
    userId: number,
    { fingerprint, publicKey }: { fingerprint: string; publicKey: Uint8Array },
  ) {
    const uses = await this.#pool.run('reading', 'usesOfCertificate', { publicKey }, { user: userId })
    await this.#update(userId, fingerprint, publicKey, { uses: JSON.stringify(uses) })
    return uses
  }

  /** @returns whether there was one */
  async remove(userId: number, fingerprint: string): Promise<boolean> {
    const which = and(eq(correspondents.userId, userId), eq(correspondents.fingerprint, fingerprint))
    return (await this.#db.delete(correspondents).where(which).returning(counted)).length > 0
  }

  /**
   * The keys that a signature may be by: the user's own, those of this server's users who are named as the sender, and
   * the accepted ones. A key of this server vouches for its owner's address only, whatever its user ids say; an accepted
   * one for the addresses that were shown when it was accepted, but never for a user of this server with keys. With
   * certificates for S/MIME it is the same, and the authorities that the operator named vouch for theirs.
   *
   * @param sender the From field as lists show it
   */
  async believed(user: User, sender: string): Promise<{ certificates: Certificate[]; smime: Believed }> {
    const named = (sender.match(/[^\s<>,;:"()]+@[^\s<>,;:"()]+/g) ?? []).slice(0, 5)
    const found: { kind: Kind; publicKey: Uint8Array; addresses: string[] }[] = []
    for (const address of new Set([user.address, ...named.map((each) => each.toLowerCase())])) {
      for (const publicKey of await this.#keysOfUser(address))
        found.push({ kind: kindOfKey(publicKey), publicKey, addresses: [address] })
    }
    for await (const { kind, publicKey, addresses } of inTurns(await this.list(user.id))) {
      const vouchedFor: string[] = []
      for (const address of addresses)
        if ((await this.#keysOfUser(address)).length === 0) vouchedFor.push(address)
      found.push({ kind, publicKey, addresses: vouchedFor })
    }
    const of = (wanted: Kind) => found.filter(({ kind }) => kind === wanted)
    const accepted = of('smime').map(({ publicKey, addresses }) => ({ der: publicKey, addresses }))
    return { certificates: of('openpgp'), smime: { accepted, authorities: this.#authorities } }
  }

  /** The public keys and certificates of a user of this server. @param asker as {@link #owner} */
  async #keysOfUser(address: string, asker: Pick<User, 'id'> | null = null): Promise<Uint8Array[]> {
    const owner = await this.#owner(address, asker)
    if (!owner) return []
    const keys = (await this.#keyrings.list(owner.id)).map(({ publicKey }) => publicKey)
    return [...keys, ...(await this.#identities.list(owner.id)).map(({ certificate }) => certificate)]
  }

  /** @param asker who only looks it up */
  async #owner(address: string, asker: Pick<User, 'id'> | null = null) {
    const find = (written: string) =>
      asker ? this.#users.lookUp(asker, written) : this.#users.byAddress(written)
    return (await find(address)) ?? find(withoutTag(address))
  }

  /**
   * The key and the certificate to encrypt to for each address: the newest of each kind that can be encrypted to now. A user
   * of this server with keys is encrypted to by these alone; one with OpenPGP keys is read by S/MIME only with a certificate
   * here, too.
   *
   * @param to `look up` before anything is sent: an alias that is not published has no key then
   */
  async readersOf(userId: number, addresses: string[], to: 'send' | 'look up'): Promise<Readers> {
    const accepted = await this.list(userId)
    const found: Readers = { openpgp: new Map(), smime: new Map(), missing: { openpgp: [], smime: [] } }
    const now = this.#clock()
    for await (const typed of inTurns(addresses)) {
      const address = typed.toLowerCase()
      const owner = await this.#owner(address, to === 'send' ? null : { id: userId })
      const keys = owner ? await this.#keyrings.list(owner.id) : []
      const identities = owner ? await this.#identities.list(owner.id) : []
      const known = accepted.filter((each) => each.addresses.includes(address))
      const of = (kind: Kind) => known.filter((each) => each.kind === kind)
      const isUsable = ({ uses }: { uses: KeyUses }) => obstacle(uses.encrypt, now) === null

      const openpgp = keys.length > 0 ? keys : of('openpgp')
      const key = openpgp.find(isUsable)
      if (key) found.openpgp.set(address, key.publicKey)
      else found.missing.openpgp.push(unreachable(typed, openpgp[0]?.uses.encrypt, now))

      const isOfUser = keys.length > 0 || identities.length > 0
      const smime = isOfUser ? identities.map(asReadHere) : of('smime').map(asReadElsewhere)
      const certificate = smime.find(isUsable)
      if (certificate) found.smime.set(address, certificate)
      else found.missing.smime.push(unreachable(typed, smime[0]?.uses.encrypt, now))
    }
    return found
  }
}

const asReadHere = ({ certificate, uses }: OwnIdentity) => ({ der: certificate, uses, takesGcm: true })
const asReadElsewhere = ({ publicKey, uses }: Correspondent) => ({
  der: publicKey,
  uses,
  takesGcm: uses.takesGcm ?? false,
})

const unreachable = (address: string, use: Use | undefined, now: number): Unreachable =>
  use
    ? { address, ...(hindrance(use, now) ?? { why: 'no-part', until: null }) }
    : { address, why: 'none', until: null }
