/**
 * S/MIME identities: the user's certificates whose private keys lie sealed in their keyring, beside the OpenPGP keys. Like
 * keyrings.ts this knows rows, and asks a child process for everything that opens one. Old ones stay, for old mail.
 * Nothing of them is published.
 */
import { and, asc, count, desc, eq } from 'drizzle-orm'
import type { Clock } from '../ground/clock.ts'
import { chosenSecretCharacters, identitiesOfUser, identityEndsSoonMs } from '../ground/limits.ts'
import type { Obstacle } from '../ground/reasons.ts'
import { Refusal } from '../ground/refusal.ts'
import type { Database } from '../ground/store/database.ts'
import { identities } from '../ground/store/tables.ts'
import type { CryptoPool } from '../locked/crypto-pool.ts'
import { obstacle } from '../locked/key-uses.ts'
import type { WrappedIdentity } from '../locked/vault/identity-keys.ts'
import type { Identity, NewIdentity, Says } from '../locked/vault/new-identities.ts'
import type { Opening } from '../locked/vault/secret-keys.ts'
import { isTooShort } from '../people/guesses.ts'
import type { Ledger } from '../people/ledger.ts'
import type { User } from '../people/users.ts'
import { type Keyrings, utf8 } from './keyrings.ts'

/** What anybody may know of an identity. Times are Unix milliseconds. */
export type OwnIdentity = Says & {
  /** SHA-256 of the certificate, lower-case hexadecimal. */
  fingerprint: string
  /** What a person calls it: its first address, or else its subject. */
  name: string
  /** The certificate in DER, and as programs pass it around (RFC 7468 §5). */
  certificate: Uint8Array
  pem: string
  addedAt: number
  /** What stands in the way of each use now. */
  now: Record<'encrypt' | 'sign' | 'decrypt', Obstacle | null>
  /** It ends within weeks, and there is none yet to go on with. */
  endsSoon: boolean
}
export type AddedIdentities = {
  identities: (OwnIdentity & { isNew: boolean })[]
  /** Of a new keyring; stored nowhere. Null for one that existed. */
  recoveryCode: string | null
}

/** Where a change comes from. */
type From = { terminal: string; address: string }
/** Lends what opens the keyring, by the session's allowance. */
type Lend = (work: (opening: Opening) => Promise<Identity[]>) => Promise<Identity[]>

export class Identities {
  readonly #db: Database
  readonly #clock: Clock
  readonly #pool: CryptoPool
  readonly #ledger: Ledger
  readonly #keyrings: Keyrings

  constructor(options: {
    db: Database
    clock: Clock
    pool: CryptoPool
    ledger: Ledger
    keyrings: Keyrings
  }) {
    this.#db = options.db
    this.#clock = options.clock
    this.#pool = options.pool
    this.#ledger = options.ledger
    this.#keyrings = options.keyrings
  }

  /** The user's identities, the present one first: by what they can do now, then by when they came. */
  async list(userId: number): Promise<OwnIdentity[]> {
    const rows = await this.#db
      .select()
      .from(identities)
      .where(eq(identities.userId, userId))
      .orderBy(...newestFirst)
    const shown = rows.map(({ fingerprint, certificate, says, addedAt }) =>
      this.#shown({ fingerprint, certificate, addedAt, says: JSON.parse(says) as Says }),
    )
    const later = this.#clock() + identityEndsSoonMs
    const lasting = shown.filter(({ until, now }) => until > later && now.sign === null)
    for (const each of shown)
      each.endsSoon =
        each.now.sign === null &&
        each.until <= later &&
        !lasting.some(({ addresses }) => addresses.some((address) => each.addresses.includes(address)))
    const worth = ({ now }: OwnIdentity) => Object.values(now).filter((why) => why === null).length
    return shown.sort((a, b) => worth(b) - worth(a))
  }

  #shown({
    says,
    ...identity
  }: Pick<Identity, 'fingerprint' | 'certificate' | 'says'> & { addedAt: number }): OwnIdentity {
    const at = this.#clock()
    const { encrypt, sign, decrypt } = says.uses
    const now = { encrypt: obstacle(encrypt, at), sign: obstacle(sign, at), decrypt: obstacle(decrypt, at) }
    const pem = pemOf(identity.certificate)
    return { ...identity, ...says, name: nameOf(says), pem, now, endsSoon: false }
  }

  /**
   * Adds identities to the keyring that the passphrase opens, or to a new one that it will open.
   *
   * @throws Refusal `wrong-passphrase` of keyring or file, `bad-key`; `bad-request` for a short passphrase of a new
   *   keyring, or where there are too many identities
   */
  async add(user: User, passphrase: string, wanted: NewIdentity, from: From): Promise<AddedIdentities> {
    const known = await this.list(user.id)
    if (!(await this.#keyrings.exists(user.id))) {
      const store = (made: Identity[]) => this.#store(user, made, from)
      const made = await this.#keyrings.beginWithIdentities(user, passphrase, wanted, store)
      return { ...this.#added(made.identities, known), recoveryCode: made.recoveryCode }
    }
    const attempt = await this.#keyrings.attempt(user.id, passphrase)
    const made = await this.#pool.run(user.id, 'addIdentities', { attempt, wanted })
    await this.#db.transaction(user.id, () => this.#store(user, made, from))
    return { ...this.#added(made, known), recoveryCode: null }
  }

  /** The same for who holds the key already, and need not type its passphrase. @param lend by the allowance for signing */
  async addWith(user: User, lend: Lend, wanted: NewIdentity, from: From): Promise<AddedIdentities> {
    const known = await this.list(user.id)
    const made = await lend((opening) => this.#pool.run(user.id, 'addIdentitiesByToken', { opening, wanted }))
    await this.#db.transaction(user.id, () => this.#store(user, made, from))
    return { ...this.#added(made, known), recoveryCode: null }
  }

  #added(made: Identity[], known: OwnIdentity[]) {
    const addedAt = this.#clock()
    return {
      identities: made.map(({ fingerprint, certificate, says }) => ({
        ...this.#shown({ fingerprint, certificate, addedAt, says }),
        isNew: !known.some((each) => each.fingerprint === fingerprint),
      })),
    }
  }

  /** Part of the caller's transaction. One that is there already stays as it came first. */
  async #store(user: User, made: Identity[], from: From) {
    const addedAt = this.#clock()
    for (const { says, chain, ...identity } of made) {
      const row = {
        ...identity,
        certificate: Buffer.from(identity.certificate),
        sealedSecret: Buffer.from(identity.sealedSecret),
        userId: user.id,
        chain: JSON.stringify(chain.map((der) => Buffer.from(der).toString('base64'))),
        says: JSON.stringify(says),
        addedAt,
      }
      const stored = await this.#db
        .insert(identities)
        .values(row)
        .onConflictDoNothing()
        .returning({ fingerprint: identities.fingerprint })
      if (stored.length > 0) await this.#note(user, from, { kind: 'identity-added', name: nameOf(says) })
    }
    const [all] = await this.#db
      .select({ identities: count() })
      .from(identities)
      .where(eq(identities.userId, user.id))
    if (all!.identities > identitiesOfUser)
      throw new Refusal('identities-full', { values: { most: identitiesOfUser } })
  }

  /** Its private key is gone with it: what was encrypted to it alone opens no more. @throws Refusal `not-found` */
  async remove(user: User, fingerprint: string, from: From): Promise<void> {
    await this.#db.transaction(user.id, async () => {
      const own = and(eq(identities.userId, user.id), eq(identities.fingerprint, bare(fingerprint)))
      const [gone] = await this.#db.delete(identities).where(own).returning({ says: identities.says })
      if (!gone) throw new Refusal('no-identity')
      await this.#note(user, from, {
        kind: 'identity-removed',
        name: nameOf(JSON.parse(gone.says) as Says),
      })
    })
  }

  /**
   * Certificate, private key and chain as a PKCS #12 file that the copy's passphrase opens.
   *
   * @throws Refusal `bad-request` for a short one of the copy, `wrong-passphrase`; `not-found` if there is no such identity
   */
  async exportSecret(
    user: User,
    passphrase: string,
    copyPassphrase: string,
    fingerprint: string,
    from: From,
  ): Promise<Uint8Array> {
    const wanted = (await this.wrapped(user.id)).filter((each) => each.fingerprint === bare(fingerprint))
    if (wanted.length === 0) throw new Refusal('no-identity')
    if (isTooShort(copyPassphrase))
      throw new Refusal('copy-passphrase-short', { values: { least: chosenSecretCharacters } })
    const attempt = await this.#keyrings.attempt(user.id, passphrase)
    const task = { attempt, identities: wanted, copyPassphrase: utf8(copyPassphrase) }
    const [file] = await this.#pool.run(user.id, 'exportIdentities', task)
    const known = (await this.list(user.id)).find((each) => each.fingerprint === wanted[0]!.fingerprint)
    if (known) await this.#note(user, from, { kind: 'identity-exported', name: known.name })
    return file!
  }

  /** What an allowance needs beside its DEK: as they lie sealed, the newest first. */
  async wrapped(userId: number): Promise<WrappedIdentity[]> {
    const rows = await this.#db
      .select({
        fingerprint: identities.fingerprint,
        certificate: identities.certificate,
        chain: identities.chain,
        sealedSecret: identities.sealedSecret,
      })
      .from(identities)
      .where(eq(identities.userId, userId))
      .orderBy(...newestFirst)
    return rows.map((row) => ({ ...row, chain: chainIn(row.chain) }))
  }

  async #note(
    { id: userId }: User,
    { terminal, address }: From,
    reason: { kind: 'identity-added' | 'identity-removed' | 'identity-exported'; name: string },
  ) {
    await this.#ledger.append({ userId, event: 'used', terminal, address, reason })
  }
}

const pemOf = (der: Uint8Array): string => {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

const nameOf = ({ addresses, subject }: Says): string => addresses[0] ?? subject

const newestFirst = [desc(identities.addedAt), asc(identities.fingerprint)]

const chainIn = (json: string) => (JSON.parse(json) as string[]).map((der) => Buffer.from(der, 'base64'))

/** A fingerprint as other programs write it, in capitals and with colons. */
const bare = (fingerprint: string) => fingerprint.replace(/[:\s]/g, '').toLowerCase()
