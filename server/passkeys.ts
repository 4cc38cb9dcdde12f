/**
 * Passkeys: a finger, a face or a security key logs in (P87), and opens the secret key itself where the authenticator
 * computes a secret of its own for us (the PRF extension of WebAuthn Level 3).
 *
 * Each challenge is the hash of a nonce and of what it is for: purpose, session, and for an approval the request, its
 * scope, expiry and code. The row that remembers it keeps the nonce alone and is deleted by the statement that reads
 * it, so an answer counts once, for one purpose, in one session. Two PRF salts go with it: the output of the first
 * one opens the slot, and the public key that the output of the second one makes is what the slot is sealed to from
 * then on; an output that was seen on its way opens nothing afterwards.
 *
 * Which kind of slot a passkey has is read from the database. A PRF slot without a PRF result is a refusal.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import {
  type AuthenticatorTransport,
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type PublicKeyCredentialRequestOptionsJSON,
} from '@simplewebauthn/server'
import { and, asc, eq, lte, sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import { challenges, type Database, immediate, passkeys, pendingPasskeys, users } from './database.ts'
import { byPassphrase, type Keyrings, type PasskeySlot } from './keyrings.ts'
import type { Ledger } from './ledger.ts'
import { Refusal } from './refusal.ts'
import type { Opens } from './secret-keys.ts'
import type { ServerSecret } from './server-secret.ts'
import type { Session, Sessions } from './sessions.ts'
import type { User } from './users.ts'
import {
  type Assertion,
  type Attestation,
  algorithms,
  challengeOf,
  parseAssertion,
  parseAttestation,
  type RelyingParty,
  verifiedAssertion,
  verifiedAttestation,
} from './webauthn.ts'

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

/** An assertion as the browser posts it, PRF results apart. */
export type Asserted = {
  /** JSON of the AuthenticationResponseJSON. */
  response: string
  /** base64url: the first salt's output; the X25519 public key that the second one's output makes. */
  prf?: { output: string; next: string } | undefined
}

/** What a form brings as its own proof. */
export type Proof = { passphrase: string } | { asserted: Asserted }

export type { Opens }

type Purpose = (typeof challenges.$inferSelect)['purpose']
type Row = typeof passkeys.$inferSelect
type Descriptor = { id: string; transports: AuthenticatorTransport[] }
type Salts = { first: string; second: string }
/** Whom and what an answer must be for; the same words make the challenge and check it. */
type Bound = { purpose: Purpose; sessionId: string | null; to: (string | number)[] }

/** Within the time that WebAuthn §15.1 recommends where the user is verified. */
const lifeMs = 5 * 60_000
const pendingLifeMs = 2 * 60_000
const passkeysPerUser = 20

const hash256 = z.base64url().length(43)
const assertedShape = z.object({
  response: z.string(),
  prf: z.object({ output: z.string(), next: z.string() }).optional(),
})
const attestedShape = z.object({ response: z.unknown(), prfHash: hash256.nullish() })
/** 32 octets in base64url. */
const prfShape = z.object({ output: hash256, next: hash256 })

export class Passkeys {
  readonly #db: Database
  readonly #clock: Clock
  readonly #config: Config
  readonly #secret: ServerSecret
  readonly #site: RelyingParty
  readonly #keyrings: Keyrings
  readonly #sessions: Sessions
  readonly #ledger: Ledger

  constructor(options: {
    db: Database
    clock: Clock
    config: Config
    secret: ServerSecret
    site: RelyingParty
    keyrings: Keyrings
    sessions: Sessions
    ledger: Ledger
  }) {
    this.#db = options.db
    this.#clock = options.clock
    this.#config = options.config
    this.#secret = options.secret
    this.#site = options.site
    this.#keyrings = options.keyrings
    this.#sessions = options.sessions
    this.#ledger = options.ledger
  }

  /** The user's passkeys, oldest first. */
  async list(userId: number): Promise<Passkey[]> {
    const slots = await this.#keyrings.passkeySlots(userId)
    return this.#rows(userId).map((row) => toPasskey(row, slots.get(row.id)))
  }

  /** Whether one of the user's passkeys opens the key. */
  async forUnlock(userId: number): Promise<boolean> {
    return (await this.#permittedSlots(userId)).size > 0
  }

  /** @throws Refusal `not-found` */
  async rename(userId: number, id: string, name: string): Promise<void> {
    const own = and(eq(passkeys.id, id), eq(passkeys.userId, userId))
    if (
      !this.#db
        .update(passkeys)
        .set({ name: label(name) })
        .where(own)
        .run().changes
    )
      throw noSuch()
  }

  /**
   * Removes a passkey and its slot, and ends the user's other sessions: it may have logged in.
   *
   * @throws Refusal `not-found`; as {@link prove} and {@link Keyrings.changePasskeySlot} do
   */
  async remove(session: Session, id: string, proof: Proof): Promise<void> {
    const own = and(eq(passkeys.id, id), eq(passkeys.userId, session.user.id))
    if (!this.#db.select().from(passkeys).where(own).get()) throw noSuch()
    const slot = (await this.#keyrings.passkeySlots(session.user.id)).get(id)
    const opens = await this.prove(session, proof)
    const change = slot ? { remove: slot.slotId } : null
    const { settle } = await this.#keyrings.changePasskeySlot(session, opens, change, 'passkey-removed')
    this.#db.transaction((tx) => {
      settle()
      tx.delete(passkeys).where(own).run()
    }, immediate)
    await this.#sessions.endOthers(session)
  }

  // ---- registration

  /** @throws Refusal `not-found` if the user has no key, `exists` if there are too many */
  async registrationOptions(session: Session): Promise<{ options: string }> {
    if (!(await this.#keyrings.present(session.user.id)))
      throw new Refusal('not-found', 'You have no key yet, so there is nothing that a passkey could open.')
    const known = this.#rows(session.user.id)
    if (known.length >= passkeysPerUser)
      throw new Refusal('exists', `You have ${passkeysPerUser} passkeys. Remove one first.`)
    const salts = newSalts()
    const { name, address } = session.user
    const challenge = this.#issue(this.#within(session, 'register'), salts.first)
    const options = await generateRegistrationOptions({
      rpName: 'Wafer',
      rpID: this.#rpId,
      userName: address,
      userID: this.#userHandle(session.user.id),
      userDisplayName: name || address,
      challenge,
      timeout: lifeMs,
      attestationType: 'none',
      excludeCredentials: known.map(descriptorOf),
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      supportedAlgorithmIDs: algorithms,
    })
    return { options: withPrf(options, { eval: { first: salts.first } }) }
  }

  /**
   * Takes what create() made; it is kept for two minutes, until {@link finishRegistration}.
   *
   * @param attestation JSON: `response`, a RegistrationResponseJSON without PRF results, and `prfHash`, base64url
   *   SHA-256 of the first PRF output, where there was one
   * @returns options for the get() that evaluates again
   * @throws Refusal `wrong-passkey`, `exists`, `bad-request`
   */
  async beginRegistration(session: Session, attestation: string): Promise<{ options: string; prf: boolean }> {
    const { response, prfHash } = parsed(attestedShape, attestation)
    const made = parseAttestation(response)
    const { challenge, nextSalt: salt } = this.#take(made, this.#within(session, 'register'))
    const attested = await verifiedAttestation(made, { ...this.#site, challenge })
    const { id } = attested
    // Shorter ones are no random names (WebAuthn L3, credential id: at least 16 octets, at most 1023).
    const idLength = Buffer.from(id, 'base64url').length
    if (idLength < 16 || idLength > 1023)
      throw new Refusal('bad-request', 'This passkey names itself in a way that is not permitted.')
    if (this.#db.select({ id: passkeys.id }).from(passkeys).where(eq(passkeys.id, id)).get())
      throw new Refusal('exists', 'This passkey is registered already.')
    const firstHash = prfHash ? Buffer.from(prfHash, 'base64url') : null
    const row = {
      ...attested,
      transports: JSON.stringify(attested.transports),
      sessionId: session.id,
      salt,
      firstHash,
      expiresAt: this.#clock() + pendingLifeMs,
    }
    this.#db
      .insert(pendingPasskeys)
      .values(row)
      .onConflictDoUpdate({ target: pendingPasskeys.sessionId, set: row })
      .run()
    return { options: await this.#checkOptions(session, row), prf: firstHash !== null }
  }

  /** Options for another check of the passkey that waits to be registered; null if none does. */
  async registrationCheck(session: Session): Promise<{ options: string; prf: boolean } | null> {
    const pending = this.#pending(session)
    return pending && { options: await this.#checkOptions(session, pending), prf: pending.firstHash !== null }
  }

  /**
   * Registers the passkey that {@link beginRegistration} took: its PRF gave the same octets again, and the form brings
   * a proof of its own, which is what opens the keyring for the new slot.
   *
   * @param input.consent the user agreed that the server itself keeps what opens the key
   * @throws Refusal `wrong-passkey`, `wrong-passphrase`; `forbidden` without PRF where the operator does not permit it;
   *   as {@link prove} does
   */
  async finishRegistration(
    session: Session,
    input: { name: string; asserted: Asserted; proof: Proof; consent: boolean },
  ): Promise<Passkey> {
    const pending = this.#pending(session)
    if (!pending)
      throw new Refusal('wrong-passkey', 'This took too long. Please begin again with "Add a passkey".')
    const assertion = parseAssertion(input.asserted.response)
    const taken = this.#take(assertion, this.#within(session, 'check'))
    if (assertion.id !== pending.id || !this.#isHandleOf(session.user, assertion)) throw notAccepted()
    const state = await verifiedAssertion(assertion, {
      ...this.#site,
      challenge: taken.challenge,
      credential: pending,
    })
    refuseCopy(pending, state)
    const prf = input.asserted.prf ? checked(prfShape, input.asserted.prf) : null
    const kind = this.#slotKind(pending.firstHash, prf, input.consent)
    const opens = await this.prove(session, input.proof)
    const credential = pending.id
    const next = { salt: taken.nextSalt, publicKey: decoded(prf?.next ?? '') }
    const add = kind && (kind === 'prf' ? { kind, credential, next } : { kind, credential })
    const { settle } = await this.#keyrings.changePasskeySlot(session, opens, add && { add }, 'passkey-added')
    const row = {
      ...pending,
      ...state,
      userId: session.user.id,
      name: label(input.name),
      prf: kind === 'prf',
      createdAt: this.#clock(),
      usedAt: null,
    }
    this.#db.transaction((tx) => {
      const own = and(eq(pendingPasskeys.sessionId, session.id), eq(pendingPasskeys.id, pending.id))
      if (!tx.delete(pendingPasskeys).where(own).run().changes) throw notAccepted()
      settle()
      if (!tx.insert(passkeys).values(row).onConflictDoNothing().run().changes)
        throw new Refusal('exists', 'This passkey is registered already.')
    }, immediate)
    return toPasskey(row, kind ? { kind } : undefined)
  }

  #slotKind(
    firstHash: Uint8Array | null,
    prf: { output: string; next: string } | null,
    consent: boolean,
  ): 'prf' | 'held' | null {
    // What computed a secret once must do so again: a result that was taken away on its way is no reason to do without.
    if (firstHash || prf) {
      const again = prf && createHash('sha256').update(decoded(prf.output)).digest()
      if (!firstHash || !again || !timingSafeEqual(firstHash, again))
        throw new Refusal(
          'wrong-passkey',
          'This passkey did not compute the same secret twice, so it cannot keep your key. Nothing was stored.',
        )
      return 'prf'
    }
    const policy = this.#config.passkeyWithoutPrf
    if (policy === 'deny')
      throw new Refusal(
        'forbidden',
        'This passkey cannot keep a secret, and the operator of this server does not permit such passkeys.',
      )
    return policy === 'allow' || consent ? 'held' : null
  }

  async #checkOptions(session: Session, pending: typeof pendingPasskeys.$inferSelect): Promise<string> {
    const second = newSalt()
    const challenge = this.#issue(this.#within(session, 'check'), second)
    const salts = { [pending.id]: { first: pending.salt, second } }
    return this.#requestOptions(challenge, [descriptorOf(pending)], salts)
  }

  #pending(session: Session) {
    const row = this.#db.select().from(pendingPasskeys).where(eq(pendingPasskeys.sessionId, session.id)).get()
    return row && row.expiresAt > this.#clock() ? row : null
  }

  // ---- assertions

  /**
   * Options for a get() of one purpose.
   *
   * @param who.preSession what stands for a terminal that is not logged in
   * @param who.user for `login+unlock`: the address that was typed; an unknown one gets options that look alike
   * @param who.about for `approve`: what the challenge is to be bound to beside the session
   */
  async assertionOptions(
    purpose: 'unlock' | 'login' | 'login+unlock' | 'approve' | 'proof',
    who: { session?: Session; user?: string; preSession?: string; about?: (string | number)[] },
  ): Promise<{ options: string }> {
    const second = newSalt()
    if (purpose === 'login' || purpose === 'login+unlock') {
      const challenge = this.#issue(before(purpose, who.preSession), second)
      if (purpose === 'login') return { options: await this.#requestOptions(challenge, undefined, {}) }
      const { list, salts } = await this.#listFor(who.user ?? '', second)
      return { options: await this.#requestOptions(challenge, list, salts) }
    }
    if (!who.session) throw new Error(`expected a session for the purpose ${purpose}, got none`)
    const slots = await this.#permittedSlots(who.session.user.id)
    const list = this.#rows(who.session.user.id).filter(({ id }) => slots.has(id))
    if (list.length === 0)
      throw new Refusal('not-found', 'None of your passkeys opens your key. Use the passphrase.')
    const challenge = this.#issue(this.#within(who.session, purpose, who.about), second)
    return {
      options: await this.#requestOptions(challenge, list.map(descriptorOf), saltsOf(slots, second)),
    }
  }

  /**
   * Logs in with a passkey.
   *
   * @returns the user; and, of a challenge that said so, what {@link Allowances.grantByPasskey} opens the key with
   * @throws Refusal `bad-credentials`
   */
  async logIn(
    asserted: Asserted,
    pre: { preSession: string; address: string },
  ): Promise<{ user: User; opens: Opens | null }> {
    try {
      const assertion = parseAssertion(asserted.response)
      const purpose = this.#purposeOf(assertion) === 'login+unlock' ? 'login+unlock' : 'login'
      const taken = this.#take(assertion, before(purpose, pre.preSession))
      const found = this.#db
        .select({ row: passkeys, user: { id: users.id, address: users.address, name: users.name } })
        .from(passkeys)
        .innerJoin(users, eq(users.id, passkeys.userId))
        .where(eq(passkeys.id, assertion.id))
        .get()
      if (!found) throw notAccepted()
      const { user, row } = found
      try {
        // Who it is was not known before, so the authenticator must say it too (§7.2 step 6).
        const handle = purpose === 'login' ? 'required' : 'optional'
        await this.#verify(assertion, row, taken.challenge, user, handle)
      } catch (error) {
        const isCopy = error instanceof Refusal && error.detail.reason !== undefined
        if (isCopy) this.#note({ user, terminal: 'log-in', address: pre.address }, error)
        throw error
      }
      if (purpose === 'login') return { user, opens: null }
      const slot = (await this.#permittedSlots(user.id)).get(row.id)
      return { user, opens: slot ? opensWith(slot, asserted, taken.nextSalt) : null }
    } catch (cause) {
      if (!(cause instanceof Refusal) || cause.code === 'busy') throw cause
      throw new Refusal('bad-credentials', 'This passkey was not accepted. Use the password.', { cause })
    }
  }

  /**
   * What the assertion opens the session's user's keyring with; the keyring itself stays closed.
   *
   * @throws Refusal `wrong-passkey`, also where the slot wants a PRF result and none came
   */
  async opensBy(
    session: Session,
    asserted: Asserted,
    purpose: 'unlock' | 'approve' | 'proof',
    about?: (string | number)[],
  ): Promise<Opens> {
    try {
      const assertion = parseAssertion(asserted.response)
      const taken = this.#take(assertion, this.#within(session, purpose, about))
      const own = and(eq(passkeys.id, assertion.id), eq(passkeys.userId, session.user.id))
      const row = this.#db.select().from(passkeys).where(own).get()
      if (!row) throw notAccepted()
      await this.#verify(assertion, row, taken.challenge, session.user, 'optional')
      const slot = (await this.#permittedSlots(session.user.id)).get(row.id)
      if (!slot) throw new Refusal('wrong-passkey', 'This passkey logs you in, but does not open your key.')
      return opensWith(slot, asserted, taken.nextSalt)
    } catch (error) {
      if (error instanceof Refusal) this.#note(session, error)
      throw error
    }
  }

  /** What a form's field holds. @throws Refusal `bad-request` */
  asserted(text: string): Asserted {
    return parsed(assertedShape, text)
  }

  /** What a form's own proof opens the keyring with. @throws Refusal as {@link opensBy} */
  async prove(session: Session, proof: Proof): Promise<Opens> {
    return 'passphrase' in proof
      ? byPassphrase(proof.passphrase)
      : this.opensBy(session, proof.asserted, 'proof')
  }

  /** Tidies challenges and passkeys that nobody came back for. */
  async sweep(): Promise<void> {
    const now = this.#clock()
    this.#db.delete(challenges).where(lte(challenges.expiresAt, now)).run()
    this.#db.delete(pendingPasskeys).where(lte(pendingPasskeys.expiresAt, now)).run()
  }

  /** Signature, user verification, owner, counter, backup eligibility; then the passkey counts as used. */
  async #verify(
    assertion: Assertion,
    row: Row,
    challenge: Uint8Array,
    user: User,
    handle: 'required' | 'optional',
  ) {
    const isMissing = handle === 'required' && assertion.response.userHandle === undefined
    if (isMissing || !this.#isHandleOf(user, assertion)) throw notAccepted()
    const state = await verifiedAssertion(assertion, { ...this.#site, challenge, credential: row })
    refuseCopy(row, state)
    // Of two answers with one counter, one is a copy's: the row takes the first alone (§7.2 step 22).
    const { counter, backedUp } = state
    const stands = and(
      eq(passkeys.id, row.id),
      counter === 0 ? eq(passkeys.counter, 0) : sql`${passkeys.counter} < ${counter}`,
    )
    const usedAt = this.#clock()
    if (!this.#db.update(passkeys).set({ counter, backedUp, usedAt }).where(stands).run().changes)
      throw notAccepted()
  }

  #note({ user, terminal, address }: Pick<Session, 'user' | 'terminal' | 'address'>, refusal: Refusal) {
    if (refusal.code !== 'wrong-passkey') return
    const reason = refusal.detail.reason ?? refusal.code
    this.#ledger.append({
      userId: user.id,
      event: 'refused',
      terminal,
      address,
      method: 'passkey',
      reason,
    })
  }

  /** The slots that passkeys may open: held ones only while the operator permits them. */
  async #permittedSlots(userId: number): Promise<Map<string, PasskeySlot>> {
    const slots = await this.#keyrings.passkeySlots(userId)
    if (this.#config.passkeyWithoutPrf !== 'deny') return slots
    return new Map([...slots].filter(([, { kind }]) => kind === 'prf'))
  }

  // ---- challenges

  #within(session: Session, purpose: Purpose, about: (string | number)[] = []): Bound {
    return { purpose, sessionId: session.id, to: [session.user.id, session.id, ...about] }
  }

  #issue({ purpose, sessionId, to }: Bound, nextSalt: string): Uint8Array<ArrayBuffer> {
    const nonce = randomBytes(32)
    const challenge = challengeFor(nonce, purpose, to)
    const hash = sha256(challenge)
    const expiresAt = this.#clock() + lifeMs
    this.#db.insert(challenges).values({ hash, purpose, nonce, sessionId, nextSalt, expiresAt }).run()
    return challenge
  }

  /** Uses a challenge up: whatever becomes of the answer, there is no second one. @throws Refusal `wrong-passkey` */
  #take(answer: Assertion | Attestation, { purpose, to }: Bound) {
    const challenge = challengeOf(answer)
    const row = this.#db
      .delete(challenges)
      .where(eq(challenges.hash, sha256(challenge)))
      .returning()
      .get()
    if (!row || row.expiresAt <= this.#clock())
      throw new Refusal('wrong-passkey', 'This took too long, or was sent twice. Please try again.')
    if (row.purpose !== purpose || !timingSafeEqual(challengeFor(row.nonce, purpose, to), challenge))
      throw notAccepted()
    return { challenge, nextSalt: row.nextSalt }
  }

  #purposeOf(answer: Assertion): Purpose | null {
    const hash = sha256(challengeOf(answer))
    return this.#db.select().from(challenges).where(eq(challenges.hash, hash)).get()?.purpose ?? null
  }

  async #requestOptions(
    challenge: Uint8Array<ArrayBuffer>,
    list: Descriptor[] | undefined,
    evalByCredential: Record<string, Salts>,
  ): Promise<string> {
    const options = await generateAuthenticationOptions({
      rpID: this.#rpId,
      challenge,
      timeout: lifeMs,
      userVerification: 'required',
      ...(list ? { allowCredentials: list } : {}),
    })
    return withPrf(options, list ? { evalByCredential } : null)
  }

  /** The passkeys of an address, or ones that look like some: whether there is such a user shows in nothing. */
  async #listFor(address: string, second: string) {
    const user = this.#db
      .select({ id: users.id })
      .from(users)
      .where(eq(users.address, address.trim().toLowerCase()))
      .get()
    const decoys = this.#decoys(address.trim().toLowerCase())
    const rows = this.#rows(user?.id ?? -1)
    const slots = await this.#permittedSlots(user?.id ?? -1)
    return rows.length === 0
      ? {
          list: decoys.map(descriptorOf),
          salts: saltsOf(
            decoys.map(({ id, slot }) => [id, slot]),
            second,
          ),
        }
      : { list: rows.map(descriptorOf), salts: saltsOf(slots, second) }
  }

  /** The same for the same address, but for the salt, which a true user's passkey changes from time to time too. */
  #decoys(address: string): { id: string; transports: string; slot: PasskeySlot }[] {
    const shape = this.#secret.derive('decoy', address)
    const days = Math.floor(this.#clock() / 86_400_000 + (shape[2]! & 7)) >> (shape[3]! & 1)
    const length = [16, 20, 32, 32, 48, 64][shape[0]! % 6]!
    const id = Buffer.concat([
      this.#secret.derive('decoy-id', address, 0),
      this.#secret.derive('decoy-id', address, 1),
    ])
      .subarray(0, length)
      .toString('base64url')
    const salt = Buffer.from(this.#secret.derive('decoy-salt', address, days)).toString('base64url')
    const transports = [['internal', 'hybrid'], ['internal'], ['usb']][shape[1]! % 3]!
    const slot = { kind: 'prf', slotId: '', credential: id, salt, recipient: '' } as const
    return [{ id, transports: JSON.stringify(transports), slot }]
  }

  get #rpId() {
    return new URL(this.#site.origin).hostname
  }

  /** What authenticators know the user by: nothing that says who it is (§14.6.1). */
  #userHandle(userId: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#secret.derive('user-handle', userId))
  }

  #isHandleOf({ id }: User, { response: { userHandle } }: Assertion): boolean {
    const own = Buffer.from(this.#userHandle(id)).toString('base64url')
    return userHandle === undefined || userHandle === own
  }

  #rows(userId: number): Row[] {
    return this.#db
      .select()
      .from(passkeys)
      .where(eq(passkeys.userId, userId))
      .orderBy(asc(passkeys.createdAt), asc(passkeys.id))
      .all()
  }
}

/** A counter that stands still, or another kind of authenticator behind the same key (§6.1.1, §6.1.3). */
const refuseCopy = (
  known: { counter: number; backupEligible: boolean },
  state: { counter: number; backupEligible: boolean },
) => {
  const counts = known.counter > 0 || state.counter > 0
  const isCopy = counts && state.counter <= known.counter
  if (!isCopy && state.backupEligible === known.backupEligible) return
  throw new Refusal(
    'wrong-passkey',
    'This passkey looks like a copy of another one and was not accepted. It is on your ledger.',
    { detail: { reason: isCopy ? 'passkey-counter' : 'passkey-backup' } },
  )
}

const before = (purpose: Purpose, preSession: string | undefined): Bound => {
  if (!preSession)
    throw new Refusal('forbidden', 'Your browser sent no cookie. Permit cookies for this site.')
  return { purpose, sessionId: null, to: [preSession] }
}

const challengeFor = (nonce: Uint8Array, purpose: Purpose, to: (string | number)[]) =>
  new Uint8Array(
    createHash('sha256')
      .update(nonce)
      .update(JSON.stringify(['wafer/challenge/v1', purpose, ...to]))
      .digest(),
  )

const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest()

/** What the slot opens with; its kind is the slot's, whatever came. */
const opensWith = (slot: PasskeySlot, asserted: Asserted, nextSalt: string): Opens => {
  if (slot.kind === 'held') return { kind: 'held', slotId: slot.slotId }
  if (!asserted.prf)
    throw new Refusal(
      'wrong-passkey',
      'Your key opens with what this passkey computes, and the browser sent nothing of it. Use the passphrase here.',
    )
  const { output, next } = checked(prfShape, asserted.prf)
  // A browser that evaluated one salt twice would leave the output that travelled good for the next time.
  if (next === slot.recipient) throw notAccepted()
  return {
    kind: 'prf',
    slotId: slot.slotId,
    output: decoded(output),
    next: { salt: nextSalt, publicKey: decoded(next) },
  }
}

const withPrf = (options: object, prf: object | null): string => {
  const { extensions } = options as PublicKeyCredentialRequestOptionsJSON
  return JSON.stringify(prf ? { ...options, extensions: { ...extensions, prf } } : options)
}

const saltsOf = (slots: Iterable<[string, PasskeySlot]>, second: string): Record<string, Salts> =>
  Object.fromEntries(
    [...slots].flatMap(([id, slot]) => (slot.kind === 'prf' ? [[id, { first: slot.salt, second }]] : [])),
  )

const newSalt = () => randomBytes(32).toString('base64url')
const newSalts = (): Salts => ({ first: newSalt(), second: newSalt() })

const decoded = (base64url: string): Uint8Array => new Uint8Array(Buffer.from(base64url, 'base64url'))

const descriptorOf = ({ id, transports }: { id: string; transports: string }): Descriptor => ({
  id,
  transports: JSON.parse(transports) as AuthenticatorTransport[],
})

const toPasskey = (row: Omit<Row, 'userId'>, slot: { kind: 'prf' | 'held' } | undefined): Passkey => ({
  id: row.id,
  name: row.name,
  createdAt: row.createdAt,
  usedAt: row.usedAt,
  transports: JSON.parse(row.transports) as string[],
  backedUp: row.backedUp,
  prf: row.prf,
  slot: slot?.kind ?? null,
})

const label = (name: string) =>
  name
    .replace(/[\p{Cc}\p{Cf}]+/gu, ' ')
    .trim()
    .slice(0, 60) || 'Passkey'

const noSuch = () => new Refusal('not-found', 'There is no such passkey.')
const notAccepted = () => new Refusal('wrong-passkey', 'This passkey was not accepted. Please try again.')

const checked = <S extends z.ZodType>(shape: S, value: unknown): z.output<S> => {
  const result = shape.safeParse(value)
  if (result.success) return result.data
  throw new Refusal('bad-request', 'The answer of the browser could not be read. Please try again.')
}

const parsed = <S extends z.ZodType>(shape: S, text: string): z.output<S> => {
  try {
    return checked(shape, JSON.parse(text))
  } catch (cause) {
    if (cause instanceof Refusal) throw cause
    return checked(shape, undefined)
  }
}
