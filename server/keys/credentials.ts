/**
 * The credential records of WebAuthn (Level 3, §4): which passkeys a user has, what each of them last told of itself,
 * whose an assertion is, and which open the key. The kind of slot that a passkey has is read from the database.
 */

import { and, asc, count, eq, lt } from 'drizzle-orm'
import type { Clock } from '../ground/clock.ts'
import type { Config } from '../ground/config.ts'
import { passkeyLimits } from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'
import type { ServerSecret } from '../ground/server-secret.ts'
import { counted, type Database } from '../ground/store/database.ts'
import { passkeys, users } from '../ground/store/tables.ts'
import type { User } from '../people/users.ts'
import type { Keyrings, PasskeySlot } from './keyrings.ts'
import { type AssertedState, type Assertion, type RelyingParty, verifiedAssertion } from './webauthn.ts'

/** Times are Unix milliseconds. */
export type Passkey = {
  /** The credential id, base64url. */
  id: string
  name: string
  createdAt: number
  usedAt: number | null
  transports: string[]
  backedUp: boolean
  /** Whether the authenticator computes a secret of its own. */
  prf: boolean
  /** What it opens the key with; null if it only logs in. */
  slot: 'prf' | 'held' | null
}

export type Credential = typeof passkeys.$inferSelect

export class Credentials {
  readonly #db: Database
  readonly #clock: Clock
  readonly #config: Config
  readonly #secret: ServerSecret
  readonly #site: RelyingParty
  readonly #keyrings: Keyrings

  constructor(options: {
    db: Database
    clock: Clock
    config: Config
    secret: ServerSecret
    site: RelyingParty
    keyrings: Keyrings
  }) {
    this.#db = options.db
    this.#clock = options.clock
    this.#config = options.config
    this.#secret = options.secret
    this.#site = options.site
    this.#keyrings = options.keyrings
  }

  /** The user's, oldest first. */
  async ofUser(userId: number): Promise<Credential[]> {
    return this.#db
      .select()
      .from(passkeys)
      .where(eq(passkeys.userId, userId))
      .orderBy(asc(passkeys.createdAt), asc(passkeys.id))
  }

  /** The user's of that id; null if there is none. */
  async find(userId: number, id: string): Promise<Credential | null> {
    const [row] = await this.#db.select().from(passkeys).where(ownedBy(userId, id))
    return row ?? null
  }

  /** All of that id, with their owners: two users' passkeys may be named alike. */
  async named(id: string): Promise<{ row: Credential; user: User }[]> {
    return this.#db
      .select({ row: passkeys, user: { id: users.id, address: users.address, name: users.name } })
      .from(passkeys)
      .innerJoin(users, eq(users.id, passkeys.userId))
      .where(eq(passkeys.id, id))
  }

  /** Whether it is still there, and the same. */
  async stands({ id, userId, publicKey }: Credential): Promise<boolean> {
    const still = and(ownedBy(userId, id), eq(passkeys.publicKey, publicKey))
    const [row] = await this.#db.select({ id: passkeys.id }).from(passkeys).where(still)
    return row !== undefined
  }

  /** Part of the caller's transaction. @throws Refusal `exists`, also if there are too many by now */
  async add(credential: Credential) {
    const own = eq(passkeys.userId, credential.userId)
    const [known] = await this.#db.select({ count: count() }).from(passkeys).where(own)
    if (known!.count >= passkeyLimits.ofUser) throw tooManyPasskeys()
    const added = await this.#db.insert(passkeys).values(credential).onConflictDoNothing().returning(counted)
    if (added.length === 0) throw new Refusal('passkey-exists')
  }

  /** Whether there was one. */
  async rename(userId: number, id: string, name: string): Promise<boolean> {
    const renamed = await this.#db
      .update(passkeys)
      .set({ name })
      .where(ownedBy(userId, id))
      .returning(counted)
    return renamed.length > 0
  }

  /** Part of the caller's transaction. */
  async remove(userId: number, id: string) {
    await this.#db.delete(passkeys).where(ownedBy(userId, id))
  }

  /** The slots that passkeys may open, by credential id: held ones only while the operator permits them. */
  async openers(userId: number): Promise<Map<string, PasskeySlot>> {
    const slots = await this.#keyrings.passkeySlots(userId)
    if (this.#config.passkeyWithoutPrf !== 'deny') return slots
    return new Map([...slots].filter(([, { kind }]) => kind === 'prf'))
  }

  /**
   * Signature, user verification and owner (§7.2). Without a passkey the same is done with a key that nobody has.
   *
   * @returns null if it is not the owner's, or there is none
   */
  async signedBy(
    assertion: Assertion,
    challenge: Uint8Array,
    found: { row: Credential; user: Pick<User, 'id'> } | null,
  ): Promise<AssertedState | null> {
    const credential = found?.row ?? { id: assertion.id, publicKey: nobodysKey }
    const state = await verifiedAssertion(assertion, { ...this.#site, challenge, credential })
    return this.isHandleOf(found?.user.id ?? 0, assertion) && found ? state : null
  }

  /** Counter and backup eligibility; then the passkey counts as used. @throws Refusal `wrong-passkey` for a copy */
  async count(row: Credential, state: AssertedState) {
    refuseCopy(row, state)
    // Of two answers with one counter, one is a copy's: the row takes the first alone (§7.2 step 22).
    const { counter, backedUp } = state
    const stands = and(
      ownedBy(row.userId, row.id),
      counter === 0 ? eq(passkeys.counter, 0) : lt(passkeys.counter, counter),
    )
    const usedAt = this.#clock()
    const updated = await this.#db
      .update(passkeys)
      .set({ counter, backedUp, usedAt })
      .where(stands)
      .returning(counted)
    if (updated.length === 0) throw new Refusal('passkey-refused')
  }

  /** What authenticators know the user by: nothing that says who it is (§14.6.1). */
  userHandle(userId: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#secret.derive('user-handle', userId))
  }

  /** Whether an assertion names this user, or nobody. */
  isHandleOf(userId: number, { response: { userHandle } }: Assertion): boolean {
    const own = Buffer.from(this.userHandle(userId)).toString('base64url')
    return userHandle === undefined || userHandle === own
  }
}

/** A counter that stands still, or another kind of authenticator behind the same key (§6.1.1, §6.1.3). */
export const refuseCopy = (
  known: { counter: number; backupEligible: boolean },
  state: { counter: number; backupEligible: boolean },
) => {
  const counts = known.counter > 0 || state.counter > 0
  const isCopy = counts && state.counter <= known.counter
  if (!isCopy && state.backupEligible === known.backupEligible) return
  throw new Refusal('passkey-copied', { detail: { reason: isCopy ? 'passkey-counter' : 'passkey-backup' } })
}

/** As its owner sees it. */
export const toPasskey = (
  row: Omit<Credential, 'userId'>,
  slot: { kind: 'prf' | 'held' } | null | undefined,
): Passkey => ({
  id: row.id,
  name: row.name,
  createdAt: row.createdAt,
  usedAt: row.usedAt,
  transports: JSON.parse(row.transports) as string[],
  backedUp: row.backedUp,
  prf: row.prf,
  slot: slot?.kind ?? null,
})

/** A passkey's name as it is kept. */
export const label = (name: string) =>
  name
    .replace(/[\p{Cc}\p{Cf}]+/gu, ' ')
    .trim()
    .slice(0, 60) || 'Passkey'

export const tooManyPasskeys = () => new Refusal('passkeys-many', { values: { limit: passkeyLimits.ofUser } })

const ownedBy = (userId: number, id: string) => and(eq(passkeys.id, id), eq(passkeys.userId, userId))

/** COSE_Key of an ES256 key pair whose private half was thrown away when it was made. */
const nobodysKey = Buffer.from(
  'pQECAyYgASFYIE2U65tFAOGg-JwKzDwkyn1uMx9z9twl2sG2rLctTawWIlggOj91n2Duu66GTJnKiHf2iPS9jpTsFLIn4mQftIRvj-M',
  'base64url',
)
