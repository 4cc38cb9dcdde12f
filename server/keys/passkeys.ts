/**
 * Passkeys: a finger, a face or a security key logs in (P87), and opens the secret key itself where the authenticator
 * computes a secret of its own for us (the PRF extension of WebAuthn Level 3).
 *
 * Each challenge is a nonce, its expiry, and a MAC over both and what it is for: purpose, session, and for an approval
 * the request, its scope, expiry and code. Nothing is stored for one that is given out, so that asking for many fills
 * nothing; the answer writes the row that makes it count once. Two PRF salts go with it: the output of the first one
 * opens the slot, and the public key that the output of the second one makes is what the slot is sealed to from then
 * on; an output that was seen on its way opens nothing afterwards.
 *
 * Before the log-in nothing tells who exists: options for an address are made by the same work, in the same shape,
 * whether it has passkeys or not (decoys.ts), and so is the refusal of an answer.
 *
 * Which kind of slot a passkey has is read from the database. A PRF slot without a PRF result is a refusal.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import {
  type AuthenticatorTransport,
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type PublicKeyCredentialRequestOptionsJSON,
} from '@simplewebauthn/server'
import { and, asc, count, eq, lte, sql } from 'drizzle-orm'
import { RateLimiterMemory, RateLimiterSQLite } from 'rate-limiter-flexible'
import { z } from 'zod'
import type { Clock } from '../ground/clock.ts'
import type { Config } from '../ground/config.ts'
import {
  type Database,
  immediate,
  keySlots,
  passkeys,
  pendingPasskeys,
  spentChallenges,
  users,
} from '../ground/database.ts'
import { Refusal } from '../ground/refusal.ts'
import type { ServerSecret } from '../ground/server-secret.ts'
import type { Opens, PrfParams } from '../locked/vault/slots.ts'
import { type Guesses, network } from '../people/guesses.ts'
import type { Ledger } from '../people/ledger.ts'
import type { LogIn, Session, Sessions } from '../people/sessions.ts'
import type { User } from '../people/users.ts'
import { Decoys, usualTransports } from './decoys.ts'
import { byPassphrase, type Keyrings, type PasskeySlot } from './keyrings.ts'
import {
  type AssertedState,
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

type Purpose = 'register' | 'check' | 'unlock' | 'login' | 'login+unlock' | 'approve' | 'proof'
type Row = typeof passkeys.$inferSelect
type Pending = typeof pendingPasskeys.$inferSelect
type Descriptor = { id: string; transports: AuthenticatorTransport[] }
/** A passkey that is asked for; `salt` is what its PRF evaluates first. */
type Wanted = Descriptor & { salt: string | null }
/** Whom and what an answer must be for; the same words make the challenge and check it. */
type Bound = { purpose: Purpose; to: (string | number)[] }
/** A challenge, and the salt of the second PRF evaluation that goes with it: the next one of whichever slot opens. */
type Challenge = { octets: Uint8Array<ArrayBuffer>; nextSalt: string }

/** Within the time that WebAuthn §15.1 recommends where the user is verified. */
const lifeMs = 5 * 60_000
const pendingLifeMs = 2 * 60_000
const passkeysPerUser = 20
/** More than these hardly anybody has: for so many the work is the same, whether somebody has them or nobody does. */
const usualMost = 8
/** So many refused answers one session may give in this time: each is a row of the ledger. */
const refusedLimit = 10
const refusedWindowS = 15 * 60
/** So many of them one user's ledger takes in this time: whoever has the password has sessions without end. */
const notedLimit = 30
const notedWindowS = 60 * 60
/** How often one network may ask for the options of log-ins, and how often for those of one address. */
const askedLimits = { network: 120, pair: 30 }
const askedWindowS = 10 * 60
/** Options for an address come so long after they were asked for: the work for each differs in less. */
const optionsMs = 10
/** A refused log-in takes at least so long: kinds of keys differ in how soon a signature is known to be none. */
const refusedLogInMs = 25

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
  readonly #guesses: Guesses
  readonly #decoys: Decoys
  /** Of each session, or before it of each user. */
  readonly #refused: RateLimiterSQLite
  /** Of each user, those that are on the ledger. */
  readonly #noted: RateLimiterSQLite
  /** In memory, each process its own: whoever asks without being known writes nothing. */
  readonly #asked = {
    network: new RateLimiterMemory({ points: askedLimits.network, duration: askedWindowS }),
    pair: new RateLimiterMemory({ points: askedLimits.pair, duration: askedWindowS }),
  }

  constructor(options: {
    db: Database
    clock: Clock
    config: Config
    secret: ServerSecret
    site: RelyingParty
    keyrings: Keyrings
    sessions: Sessions
    ledger: Ledger
    guesses: Guesses
  }) {
    this.#db = options.db
    this.#clock = options.clock
    this.#config = options.config
    this.#secret = options.secret
    this.#site = options.site
    this.#keyrings = options.keyrings
    this.#sessions = options.sessions
    this.#ledger = options.ledger
    this.#guesses = options.guesses
    this.#decoys = new Decoys(options.secret, options.clock)
    const limiter = (keyPrefix: string, points: number, duration: number) =>
      new RateLimiterSQLite({
        storeClient: options.db.$client,
        storeType: 'better-sqlite3',
        tableName: 'rate_limits',
        tableCreated: true,
        keyPrefix,
        points,
        duration,
      })
    this.#refused = limiter('refused passkey', refusedLimit, refusedWindowS)
    this.#noted = limiter('noted passkey', notedLimit, notedWindowS)
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

  /** What the user calls the passkey whose slot this opens; null if none does. */
  async nameOf(userId: number, opens: Opens): Promise<string | null> {
    const slots = await this.#keyrings.passkeySlots(userId)
    const own = this.#rows(userId).find(
      ({ id }) => 'slotId' in opens && slots.get(id)?.slotId === opens.slotId,
    )
    return own?.name ?? null
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
    const row = this.#db.select().from(passkeys).where(own).get()
    if (!row) throw noSuch()
    const slot = (await this.#keyrings.passkeySlots(session.user.id)).get(id)
    const opens = await this.prove(session, proof)
    const change = slot ? { remove: slot.slotId } : null
    const reason = `passkey-removed ${row.name}` as const
    const { settle } = await this.#keyrings.changePasskeySlot(session, opens, change, reason)
    const tell = this.#db.transaction((tx) => {
      settle()
      tx.delete(passkeys).where(own).run()
      return this.#sessions.endOthers(session)
    }, immediate)
    tell()
  }

  // ---- registration

  /** @throws Refusal `not-found` if the user has no key, `exists` if there are too many */
  async registrationOptions(session: Session): Promise<{ options: string }> {
    if (!(await this.#keyrings.present(session.user.id))) throw new Refusal('nothing-to-open')
    const known = this.#rows(session.user.id)
    if (known.length >= passkeysPerUser) throw tooMany()
    const { name, address } = session.user
    const challenge = this.#issue(within(session, 'register'))
    const options = await generateRegistrationOptions({
      rpName: 'Wafer',
      rpID: this.#rpId,
      userName: address,
      userID: this.#userHandle(session.user.id),
      userDisplayName: name || address,
      challenge: challenge.octets,
      timeout: lifeMs,
      attestationType: 'none',
      excludeCredentials: known.map(descriptorOf),
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      supportedAlgorithmIDs: algorithms,
    })
    return { options: withPrf(options, { eval: { first: challenge.nextSalt } }) }
  }

  /**
   * Takes what create() made; it is kept for two minutes, until {@link finishRegistration}.
   *
   * @param attestation JSON: `response`, a RegistrationResponseJSON without PRF results, and `prfHash`, base64url
   *   SHA-256 of the first PRF output, where there was one
   * @returns options for the get() that evaluates again
   * @throws Refusal `wrong-passkey`, `exists`, `bad-request`, `slow-down`
   */
  async beginRegistration(session: Session, attestation: string): Promise<{ options: string; prf: boolean }> {
    const { response, prfHash } = parsed(attestedShape, attestation)
    const { attested, salt } = await this.#limited(session, async () => {
      const made = parseAttestation(response)
      const { octets: challenge, nextSalt } = this.#take(made, within(session, 'register'))
      return { attested: await verifiedAttestation(made, { ...this.#site, challenge }), salt: nextSalt }
    })
    const { id } = attested
    // Shorter ones are no random names (WebAuthn L3, credential id: at least 16 octets, at most 1023).
    const idLength = Buffer.from(id, 'base64url').length
    if (idLength < 16 || idLength > 1023) throw new Refusal('passkey-misnamed')
    // Only of the user's own: what others have is not to be learnt by registering under its name.
    const own = and(eq(passkeys.id, id), eq(passkeys.userId, session.user.id))
    if (this.#db.select({ id: passkeys.id }).from(passkeys).where(own).get())
      throw new Refusal('passkey-exists')
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
      throw new Refusal('passkey-added-late', {
        detail: { reason: 'too-late' },
      })
    const { state, prf, kind, nextSalt } = await this.#limited(session, () =>
      this.#tried(session, pending, input),
    )
    const opens = await this.prove(session, input.proof)
    const credential = pending.id
    const next = { salt: nextSalt, publicKey: decoded(prf?.next ?? '') }
    const add = kind && (kind === 'prf' ? { kind, credential, next } : { kind, credential })
    const name = label(input.name)
    const reason = `passkey-added ${name}` as const
    const { settle } = await this.#keyrings.changePasskeySlot(session, opens, add && { add }, reason)
    const row = {
      ...pending,
      ...state,
      userId: session.user.id,
      name,
      prf: kind === 'prf',
      createdAt: this.#clock(),
      usedAt: null,
    }
    this.#db.transaction((tx) => {
      const waits = and(eq(pendingPasskeys.sessionId, session.id), eq(pendingPasskeys.id, pending.id))
      if (!tx.delete(pendingPasskeys).where(waits).run().changes) throw notAccepted()
      settle()
      const own = tx.select({ has: count() }).from(passkeys).where(eq(passkeys.userId, row.userId)).get()
      if ((own?.has ?? 0) >= passkeysPerUser) throw tooMany() // others may have been added meanwhile
      if (!tx.insert(passkeys).values(row).onConflictDoNothing().run().changes)
        throw new Refusal('passkey-exists')
    }, immediate)
    return toPasskey(row, kind ? { kind } : undefined)
  }

  /** What the passkey that waits to be registered showed when it was tried out. */
  async #tried(session: Session, pending: Pending, input: { asserted: Asserted; consent: boolean }) {
    const assertion = parseAssertion(input.asserted.response)
    const { octets: challenge, nextSalt } = this.#take(assertion, within(session, 'check'))
    if (assertion.id !== pending.id || !this.#isHandleOf(session.user.id, assertion)) throw notAccepted()
    const state = await verifiedAssertion(assertion, { ...this.#site, challenge, credential: pending })
    refuseCopy(pending, state)
    const prf = input.asserted.prf ? checked(prfShape, input.asserted.prf) : null
    const kind = prf ? this.#computedTwice(pending, prf.output) : this.#withoutPrf(pending, input.consent)
    if (prf) refuseSpentNext(prf)
    return { state, prf, kind, nextSalt }
  }

  /**
   * A slot is made for a passkey that computed the same twice in a row. One that did not may try again with what it
   * computed now: some evaluate at an assertion alone, and over another way (hybrid) to other values than when made.
   */
  #computedTwice(pending: Pending, output: string): 'prf' {
    const hash = sha256(decoded(output))
    const before = pending.firstHash
    if (before && timingSafeEqual(before, hash)) return 'prf'
    const waits = and(eq(pendingPasskeys.sessionId, pending.sessionId), eq(pendingPasskeys.id, pending.id))
    const expiresAt = this.#clock() + pendingLifeMs
    this.#db.update(pendingPasskeys).set({ firstHash: hash, expiresAt }).where(waits).run()
    throw new Refusal(before ? 'passkey-computes-anew' : 'passkey-computes-after-all')
  }

  #withoutPrf({ firstHash }: Pending, consent: boolean): 'held' | null {
    // What computed a secret once must do so again: a result that was taken away on its way is no reason to do without.
    if (firstHash) throw new Refusal('passkey-computes-no-more')
    const policy = this.#config.passkeyWithoutPrf
    if (policy === 'deny') throw new Refusal('passkey-keeps-no-secret')
    return policy === 'allow' || consent ? 'held' : null
  }

  async #checkOptions(session: Session, pending: Pending): Promise<string> {
    const challenge = this.#issue(within(session, 'check'))
    return this.#requestOptions(challenge, [{ ...descriptorOf(pending), salt: pending.salt }])
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
   * @param who.address where a terminal that is not logged in asks from
   * @param who.user for `login+unlock`: the address that was typed; an unknown one gets options that look alike
   * @param who.about for `approve`: what the challenge is to be bound to beside the session
   * @throws Refusal `not-found` if no passkey opens the key; before the log-in `slow-down`, as whoever asked often
   *   enough would see the salts of an address move
   */
  async assertionOptions(
    purpose: 'unlock' | 'login' | 'login+unlock' | 'approve' | 'proof',
    who: {
      session?: Session
      user?: string
      preSession?: string
      address?: string
      about?: (string | number)[]
    },
  ): Promise<{ options: string }> {
    if (purpose === 'login' || purpose === 'login+unlock') {
      const bound = before(purpose, who.preSession)
      const user = purpose === 'login' ? null : addressIn(who.user ?? '')
      await this.#admit(network(who.address ?? ''), user)
      // The end is settled before the work begins, so that it tells nothing of how long that took.
      const held = user !== null && pause(optionsMs)
      const options = await this.#requestOptions(
        this.#issue(bound),
        user === null ? null : this.#listFor(user),
      )
      await held
      return { options }
    }
    if (!who.session) throw new Error(`expected a session for the purpose ${purpose}, got none`)
    const slots = await this.#permittedSlots(who.session.user.id)
    const list = this.#rows(who.session.user.id).flatMap((row) => {
      const slot = slots.get(row.id)
      return slot ? [{ ...descriptorOf(row), salt: slot.kind === 'prf' ? slot.salt : null }] : []
    })
    if (list.length === 0) throw new Refusal('no-passkey-opens')
    const challenge = this.#issue(within(who.session, purpose, who.about))
    return { options: await this.#requestOptions(challenge, list) }
  }

  /**
   * Logs in with a passkey.
   *
   * @param pre.user the address that was typed, if one was
   * @returns what {@link Sessions.begin} asks for; and, of a challenge that said so, what
   *   {@link Allowances.grantByPasskey} opens the key with
   * @throws Refusal `bad-credentials`, the same and after the same work whatever it was that did not fit
   */
  async logIn(
    asserted: Asserted,
    pre: { preSession: string; address: string; user?: string },
  ): Promise<LogIn & { opens: Opens | null }> {
    const refusalAt = performance.now() + refusedLogInMs
    try {
      const assertion = parseAssertion(asserted.response)
      const { purpose, octets: challenge, nextSalt } = this.#beforeLogIn(assertion, pre.preSession)
      const known = this.#db
        .select({ row: passkeys, user: { id: users.id, address: users.address, name: users.name } })
        .from(passkeys)
        .innerJoin(users, eq(users.id, passkeys.userId))
        .where(eq(passkeys.id, assertion.id))
        .all()
      // Two users' passkeys may be named alike: whose it is the authenticator says, or what was typed (§7.2 step 6).
      const isNamed = assertion.response.userHandle !== undefined
      const typed = purpose === 'login' ? null : addressIn(pre.user ?? '')
      const found = known.find(({ user }) =>
        isNamed ? this.#isHandleOf(user.id, assertion) : user.address === typed,
      )
      const state = await this.#signedBy(assertion, challenge, found)
      if (!found || !state) throw notAccepted()
      const { row, user } = found
      // Only now: who has no passkey can write no row, however often it asks and answers.
      this.#spend(challenge)
      try {
        this.#count(row, state)
      } catch (error) {
        const key = `user ${user.id}`
        if (error instanceof Refusal && error.detail.reason && (await this.#mayRefuse(key)))
          await this.#note({ user, terminal: 'log-in', address: pre.address }, error)
        throw error
      }
      const requireStands = () => {
        const { id, userId, publicKey } = row
        const still = and(eq(passkeys.id, id), eq(passkeys.userId, userId), eq(passkeys.publicKey, publicKey))
        if (!this.#db.select({ id: passkeys.id }).from(passkeys).where(still).get()) throw noLogIn()
      }
      await this.#guesses.ownerCame(user.address, pre.address)
      if (purpose === 'login') return { user, requireStands, opens: null }
      const slot = (await this.#permittedSlots(user.id)).get(row.id)
      // A browser that computes no PRF logs in all the same; the key stays closed.
      const isOpener = slot && (slot.kind === 'held' || asserted.prf)
      return { user, requireStands, opens: isOpener ? opensWith(slot, asserted, nextSalt) : null }
    } catch (cause) {
      if (!(cause instanceof Refusal) || cause.code === 'busy' || cause.code === 'slow-down') throw cause
      await pause(Math.max(0, refusalAt - performance.now()))
      throw noLogIn(cause)
    }
  }

  /**
   * What the assertion opens the session's user's keyring with; the keyring itself stays closed.
   *
   * @throws Refusal `wrong-passkey`, also where the slot wants a PRF result and none came; `slow-down` after ten of
   *   them in a session
   */
  async opensBy(
    session: Session,
    asserted: Asserted,
    purpose: 'unlock' | 'approve' | 'proof',
    about?: (string | number)[],
  ): Promise<Opens> {
    const { user } = session
    const answered = async () => {
      const assertion = parseAssertion(asserted.response)
      const { octets: challenge, nextSalt } = this.#take(assertion, within(session, purpose, about))
      const own = and(eq(passkeys.id, assertion.id), eq(passkeys.userId, user.id))
      const row = this.#db.select().from(passkeys).where(own).get()
      const state = await this.#signedBy(assertion, challenge, row && { row, user })
      if (!row || !state) throw notAccepted()
      this.#count(row, state)
      const slot = (await this.#permittedSlots(user.id)).get(row.id)
      if (slot) return opensWith(slot, asserted, nextSalt)
      throw new Refusal('passkey-logs-in-only', { detail: { reason: 'logs-in-only' } })
    }
    return this.#limited(session, answered, (refusal) => this.#note(session, refusal))
  }

  /** Counts who asks before the log-in. Addresses as hashes: what is typed as one may be long. */
  async #admit(from: string, user: string | null) {
    const counts: [RateLimiterMemory, string][] = [[this.#asked.network, from]]
    if (user !== null)
      counts.push([this.#asked.pair, `${from} ${sha256(Buffer.from(user)).toString('base64url')}`])
    for (const [limiter, key] of counts) {
      const { consumedPoints, msBeforeNext } = await limiter.penalty(key, 1)
      if (consumedPoints > limiter.points) throw slowDown('passkeys-asked-often', msBeforeNext)
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

  /** Tidies challenges that count no more, and passkeys that nobody came back for. */
  async sweep(): Promise<void> {
    const now = this.#clock()
    this.#db.delete(spentChallenges).where(lte(spentChallenges.expiresAt, now)).run()
    this.#db.delete(pendingPasskeys).where(lte(pendingPasskeys.expiresAt, now)).run()
  }

  /**
   * Signature, user verification and owner (§7.2). Without a passkey the same is done with a key that nobody has.
   *
   * @returns null if it is not the owner's, or there is none
   */
  async #signedBy(
    assertion: Assertion,
    challenge: Uint8Array,
    found: { row: Row; user: Pick<User, 'id'> } | undefined,
  ): Promise<AssertedState | null> {
    const credential = found?.row ?? { id: assertion.id, publicKey: nobodysKey }
    const state = await verifiedAssertion(assertion, { ...this.#site, challenge, credential })
    return this.#isHandleOf(found?.user.id ?? 0, assertion) && found ? state : null
  }

  /** Counter and backup eligibility; then the passkey counts as used. */
  #count(row: Row, state: AssertedState) {
    refuseCopy(row, state)
    // Of two answers with one counter, one is a copy's: the row takes the first alone (§7.2 step 22).
    const { counter, backedUp } = state
    const stands = and(
      eq(passkeys.id, row.id),
      eq(passkeys.userId, row.userId),
      counter === 0 ? eq(passkeys.counter, 0) : sql`${passkeys.counter} < ${counter}`,
    )
    const usedAt = this.#clock()
    if (!this.#db.update(passkeys).set({ counter, backedUp, usedAt }).where(stands).run().changes)
      throw notAccepted()
  }

  /** Looks at a session's answer; of refused ones there may be a few, then none is looked at or noted for a while. */
  async #limited<T>(
    session: Session,
    work: () => Promise<T>,
    note?: (refusal: Refusal) => Promise<void>,
  ): Promise<T> {
    const before = await this.#refused.get(session.id)
    if (before && before.consumedPoints >= refusedLimit) throw tooManyRefused(before.msBeforeNext)
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof Refusal) || error.code !== 'wrong-passkey') throw error
      // What is sent twice is no try: a page that sends again must not keep its own passkey out.
      const isTry = error.detail.reason !== 'sent-twice'
      // Asked again, as many may have been looked at together.
      if (isTry && !(await this.#mayRefuse(session.id))) throw tooManyRefused(refusedWindowS * 1000)
      await note?.(error)
      throw error
    }
  }

  async #mayRefuse(key: string): Promise<boolean> {
    return (await this.#refused.penalty(key, 1)).consumedPoints <= refusedLimit
  }

  /** On the ledger, unless its owner has read the like often enough of late. */
  async #note({ user, terminal, address }: Pick<Session, 'user' | 'terminal' | 'address'>, refusal: Refusal) {
    if ((await this.#noted.penalty(user.id, 1)).consumedPoints > notedLimit) return
    // A copy is told apart from what a person does wrong.
    const reason = /^passkey-/.test(refusal.detail.reason ?? '') ? refusal.detail.reason : refusal.code
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

  #issue(bound: Bound): Challenge {
    const head = Buffer.alloc(headLength)
    randomBytes(nonceLength).copy(head)
    head.writeUIntBE(this.#clock() + lifeMs, nonceLength, expiryLength)
    return this.#given(Buffer.concat([head, this.#seal(head, bound)]))
  }

  #given(challenge: Uint8Array): Challenge {
    const octets = new Uint8Array(challenge)
    const nextSalt = this.#secret.mac('next-salt', Buffer.from(octets).toString('base64url'))
    return { octets, nextSalt: nextSalt.toString('base64url') }
  }

  #seal(head: Uint8Array, { purpose, to }: Bound): Buffer {
    return this.#secret.mac('challenge', JSON.stringify([Buffer.from(head).toString('hex'), purpose, ...to]))
  }

  #isFor(challenge: Buffer, bound: Bound): boolean {
    const [head, seal] = [challenge.subarray(0, headLength), challenge.subarray(headLength)]
    return seal.length === sealLength && timingSafeEqual(seal, this.#seal(head, bound))
  }

  /** The challenge that a session's answer is to; whatever becomes of the answer, there is no second one. */
  #take(answer: Assertion | Attestation, bound: Bound): Challenge {
    const challenge = challengeOf(answer)
    this.#spend(challenge)
    if (!this.#isFor(challenge, bound)) throw notAccepted()
    this.#refuseLate(challenge)
    return this.#given(challenge)
  }

  /** The same before the log-in, where the answer must be right before it uses up anything. */
  #beforeLogIn(answer: Assertion, preSession: string): Challenge & { purpose: 'login' | 'login+unlock' } {
    const challenge = challengeOf(answer)
    const purposes = ['login', 'login+unlock'] as const
    const purpose = purposes.find((each) => this.#isFor(challenge, before(each, preSession)))
    if (!purpose) throw notAccepted()
    this.#refuseLate(challenge)
    return { purpose, ...this.#given(challenge) }
  }

  #refuseLate(challenge: Buffer) {
    if (challenge.readUIntBE(nonceLength, expiryLength) > this.#clock()) return
    throw new Refusal('passkey-late', {
      detail: { reason: 'too-late' },
    })
  }

  /** The row makes it count once, in all processes; it stays for as long as any challenge could be answered. */
  #spend(challenge: Uint8Array) {
    const row = { hash: sha256(challenge), expiresAt: this.#clock() + lifeMs }
    if (!this.#db.insert(spentChallenges).values(row).onConflictDoNothing().run().changes)
      throw new Refusal('passkey-sent-twice', {
        detail: { reason: 'sent-twice' },
      })
  }

  /** @param list null where any passkey of this site will do */
  async #requestOptions(challenge: Challenge, list: Wanted[] | null): Promise<string> {
    const options = await generateAuthenticationOptions({
      rpID: this.#rpId,
      challenge: challenge.octets,
      timeout: lifeMs,
      userVerification: 'required',
      ...(list ? { allowCredentials: list.map(({ id, transports }) => ({ id, transports })) } : {}),
    })
    const salted = (list ?? []).flatMap(({ id, salt }) =>
      salt ? [[id, { first: salt, second: challenge.nextSalt }]] : [],
    )
    return withPrf(options, list ? { evalByCredential: Object.fromEntries(salted) } : null)
  }

  /**
   * The passkeys of an address, or ones that look like some. Questions to the database and derivations are the same
   * for both, and each passkey has its salt, whether or not it opens anything.
   */
  #listFor(address: string): Wanted[] {
    const own = this.#db
      .select({ id: passkeys.id, transports: passkeys.transports })
      .from(passkeys)
      .innerJoin(users, eq(users.id, passkeys.userId))
      .where(eq(users.address, address))
      .orderBy(asc(passkeys.createdAt), asc(passkeys.id))
      .limit(passkeysPerUser)
      .all()
    const slots = this.#db
      .select({ params: keySlots.params })
      .from(keySlots)
      .innerJoin(users, eq(users.id, keySlots.userId))
      .where(and(eq(users.address, address), eq(keySlots.kind, 'prf')))
      .all()
      .map(({ params }) => JSON.parse(params) as PrfParams)
    const salts = new Map(slots.map(({ credential, salt }) => [credential, salt]))
    const decoys = this.#decoys.of(address, usualMost)
    return [...own.map(descriptorOf), ...decoys.list]
      .slice(0, Math.max(usualMost, own.length))
      .map(({ id, transports }) => ({ id, transports, salt: this.#decoys.salt(address, id) }))
      .map(({ salt, ...one }) => ({ ...one, salt: salts.get(one.id) ?? salt }))
      .slice(0, own.length || decoys.seen)
      .map(({ transports, ...one }) => ({
        ...one,
        transports: usualTransports(transports) as AuthenticatorTransport[],
      }))
  }

  get #rpId() {
    return new URL(this.#site.origin).hostname
  }

  /** What authenticators know the user by: nothing that says who it is (§14.6.1). */
  #userHandle(userId: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#secret.derive('user-handle', userId))
  }

  #isHandleOf(userId: number, { response: { userHandle } }: Assertion): boolean {
    const own = Buffer.from(this.#userHandle(userId)).toString('base64url')
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
  throw new Refusal('passkey-copied', { detail: { reason: isCopy ? 'passkey-counter' : 'passkey-backup' } })
}

/** What was typed as a User ID. */
const addressIn = (typed: string) => typed.trim().toLowerCase()

const before = (purpose: Purpose, preSession: string | undefined): Bound => {
  if (!preSession) throw new Refusal('no-cookie')
  return { purpose, to: [preSession] }
}

const within = (session: Session, purpose: Purpose, about: (string | number)[] = []): Bound => ({
  purpose,
  to: [session.user.id, session.id, ...about],
})

/** A challenge in octets: a nonce (WebAuthn §13.4.3 asks for 16), when it ends in Unix milliseconds, HMAC-SHA256. */
const nonceLength = 16
const expiryLength = 6
const headLength = nonceLength + expiryLength
const sealLength = 32

/** COSE_Key of an ES256 key pair whose private half was thrown away when it was made. */
const nobodysKey = Buffer.from(
  'pQECAyYgASFYIE2U65tFAOGg-JwKzDwkyn1uMx9z9twl2sG2rLctTawWIlggOj91n2Duu66GTJnKiHf2iPS9jpTsFLIn4mQftIRvj-M',
  'base64url',
)

const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest()

/** What the slot opens with; its kind is the slot's, whatever came. */
const opensWith = (slot: PasskeySlot, asserted: Asserted, nextSalt: string): Opens => {
  if (slot.kind === 'held') return { kind: 'held', slotId: slot.slotId }
  if (!asserted.prf) throw new Refusal('prf-missing', { detail: { reason: 'no-prf' } })
  const { output, next } = checked(prfShape, asserted.prf)
  refuseSpentNext({ output, next })
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

/**
 * A browser that evaluated one salt twice would have the slot sealed to the key that the output on its way makes: what
 * travelled once would open it for ever. Compared are octets: of a key there are two spellings (RFC 7748 §5 ignores the
 * top bit), and of base64url too.
 */
const refuseSpentNext = ({ output, next }: { output: string; next: string }) => {
  const scalar = Buffer.from(hkdfSync('sha256', decoded(output), '', 'wafer/prf/v1', 32))
  // RFC 8410 §7: a private key of 32 octets in its PKCS #8 wrapping.
  const der = Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), scalar])
  const { x } = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })).export({
    format: 'jwk',
  })
  const given = decoded(next)
  const isSpelledOtherwise = given[31]! > 127
  if (!isSpelledOtherwise && !timingSafeEqual(decoded(x!), given)) return
  throw new Refusal('prf-sent-again', { detail: { reason: 'no-prf' } })
}

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

const noLogIn = (cause?: unknown) => new Refusal('passkey-logs-nobody-in', { cause })
const noSuch = () => new Refusal('no-passkey')
const tooMany = () => new Refusal('passkeys-many', { values: { limit: passkeysPerUser } })
const slowDown = (reason: 'passkeys-refused-often' | 'passkeys-asked-often', waitMs: number) => {
  const waitS = Math.max(1, Math.ceil(waitMs / 1000))
  return new Refusal(reason, { values: { waitS }, detail: { retry_after_s: waitS } })
}
const tooManyRefused = (waitMs: number) => slowDown('passkeys-refused-often', waitMs)
const notAccepted = () => new Refusal('passkey-refused')

const checked = <S extends z.ZodType>(shape: S, value: unknown): z.output<S> => {
  const result = shape.safeParse(value)
  if (result.success) return result.data
  throw new Refusal('passkey-unreadable')
}

const parsed = <S extends z.ZodType>(shape: S, text: string): z.output<S> => {
  try {
    return checked(shape, JSON.parse(text))
  } catch (cause) {
    if (cause instanceof Refusal) throw cause
    return checked(shape, undefined)
  }
}
