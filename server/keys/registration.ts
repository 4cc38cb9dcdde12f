/**
 * How a passkey is registered: create() makes it, and a get() tries it out, so that a slot is made only for one whose
 * PRF gives the same octets again. In between it waits two minutes in a row of its session.
 */

import { createHash, timingSafeEqual } from 'node:crypto'
import { generateRegistrationOptions } from '@simplewebauthn/server'
import { and, eq, lte } from 'drizzle-orm'
import { z } from 'zod'
import type { Clock } from '../ground/clock.ts'
import type { Config } from '../ground/config.ts'
import { passkeyLimits } from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'
import { counted, type Database } from '../ground/store/database.ts'
import { pendingPasskeys } from '../ground/store/tables.ts'
import type { Session } from '../people/sessions.ts'
import type { Assertions, Proof } from './assertions.ts'
import { type Challenges, within } from './challenges.ts'
import {
  type Credentials,
  label,
  type Passkey,
  refuseCopy,
  tooManyPasskeys,
  toPasskey,
} from './credentials.ts'
import type { Keyrings } from './keyrings.ts'
import { type Asserted, decoded, octets32, prfResultsOf, refuseSpentNext } from './prf.ts'
import type { RefusedAnswers } from './refused-answers.ts'
import {
  algorithms,
  descriptorOf,
  parseAssertion,
  parseAttestation,
  parsed,
  type RelyingParty,
  requestOptions,
  rpIdOf,
  verifiedAssertion,
  verifiedAttestation,
  withPrf,
} from './webauthn.ts'

type Pending = typeof pendingPasskeys.$inferSelect

const attestedShape = z.object({ response: z.unknown(), prfHash: octets32.nullish() })

export class Registration {
  readonly #db: Database
  readonly #clock: Clock
  readonly #config: Config
  readonly #site: RelyingParty
  readonly #keyrings: Keyrings
  readonly #challenges: Challenges
  readonly #credentials: Credentials
  readonly #assertions: Assertions
  readonly #refused: RefusedAnswers

  constructor(options: {
    db: Database
    clock: Clock
    config: Config
    site: RelyingParty
    keyrings: Keyrings
    challenges: Challenges
    credentials: Credentials
    assertions: Assertions
    refused: RefusedAnswers
  }) {
    this.#db = options.db
    this.#clock = options.clock
    this.#config = options.config
    this.#site = options.site
    this.#keyrings = options.keyrings
    this.#challenges = options.challenges
    this.#credentials = options.credentials
    this.#assertions = options.assertions
    this.#refused = options.refused
  }

  /** @throws Refusal `not-found` if the user has no key, `exists` if there are too many */
  async options(session: Session): Promise<{ options: string }> {
    if (!(await this.#keyrings.exists(session.user.id))) throw new Refusal('nothing-to-open')
    const known = await this.#credentials.ofUser(session.user.id)
    if (known.length >= passkeyLimits.ofUser) throw tooManyPasskeys()
    const { name, address } = session.user
    const challenge = this.#challenges.issue(within(session, 'register'))
    const options = await generateRegistrationOptions({
      rpName: 'Wafer',
      rpID: rpIdOf(this.#site),
      userName: address,
      userID: this.#credentials.userHandle(session.user.id),
      userDisplayName: name || address,
      challenge: challenge.octets,
      timeout: passkeyLimits.challengeLifeMs,
      attestationType: 'none',
      excludeCredentials: known.map(descriptorOf),
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      supportedAlgorithmIDs: algorithms,
    })
    return { options: withPrf(options, { eval: { first: challenge.nextSalt } }) }
  }

  /**
   * Takes what create() made; it is kept for two minutes, until {@link finish}.
   *
   * @param attestation JSON: `response`, a RegistrationResponseJSON without PRF results, and `prfHash`, base64url
   *   SHA-256 of the first PRF output, where there was one
   * @returns options for the get() that evaluates again
   * @throws Refusal `wrong-passkey`, `exists`, `bad-request`, `slow-down`
   */
  async begin(session: Session, attestation: string): Promise<{ options: string; prf: boolean }> {
    const { response, prfHash } = parsed(attestedShape, attestation)
    const { attested, salt } = await this.#refused.limited(session, async () => {
      const made = parseAttestation(response)
      const { octets: challenge, nextSalt } = await this.#challenges.take(made, within(session, 'register'))
      return { attested: await verifiedAttestation(made, { ...this.#site, challenge }), salt: nextSalt }
    })
    const { id } = attested
    // Shorter ones are no random names.
    const idLength = Buffer.from(id, 'base64url').length
    if (idLength < passkeyLimits.idOctets.least || idLength > passkeyLimits.idOctets.most)
      throw new Refusal('passkey-misnamed')
    // Only of the user's own: what others have is not to be learnt by registering under its name.
    if (await this.#credentials.find(session.user.id, id)) throw new Refusal('passkey-exists')
    const row = {
      ...attested,
      transports: JSON.stringify(attested.transports),
      sessionId: session.id,
      salt,
      firstHash: prfHash ? Buffer.from(prfHash, 'base64url') : null,
      expiresAt: this.#clock() + passkeyLimits.pendingLifeMs,
    }
    await this.#db
      .insert(pendingPasskeys)
      .values(row)
      .onConflictDoUpdate({ target: pendingPasskeys.sessionId, set: row })
    return this.#checkOptions(session, row)
  }

  /** Options for another check of the passkey that waits to be registered; null if none does. */
  async check(session: Session): Promise<{ options: string; prf: boolean } | null> {
    const pending = await this.#pending(session)
    return pending && this.#checkOptions(session, pending)
  }

  /**
   * Registers the passkey that {@link begin} took: its PRF gave the same octets again, and the form brings a proof of
   * its own, which is what opens the keyring for the new slot.
   *
   * @param input.consent the user agreed that the server itself keeps what opens the key
   * @throws Refusal `wrong-passkey`, `wrong-passphrase`; `forbidden` without PRF where the operator does not permit it;
   *   as {@link Assertions.prove} does
   */
  async finish(
    session: Session,
    input: { name: string; asserted: Asserted; proof: Proof; consent: boolean },
  ): Promise<Passkey> {
    const pending = await this.#pending(session)
    if (!pending) throw new Refusal('passkey-added-late', { detail: { reason: 'too-late' } })
    const { state, prf, kind, nextSalt } = await this.#refused.limited(session, () =>
      this.#tried(session, pending, input),
    )
    const opens = await this.#assertions.prove(session, input.proof)
    const credential = pending.id
    const next = { salt: nextSalt, publicKey: decoded(prf?.next ?? '') }
    const add = kind && (kind === 'prf' ? { kind, credential, next } : { kind, credential })
    const name = label(input.name)
    const reason = { kind: 'passkey-added', name } as const
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
    await this.#db.transaction(session.user.id, async () => {
      const waits = and(eq(pendingPasskeys.sessionId, session.id), eq(pendingPasskeys.id, pending.id))
      const taken = await this.#db.delete(pendingPasskeys).where(waits).returning(counted)
      if (taken.length === 0) throw new Refusal('passkey-refused')
      await settle()
      await this.#credentials.add(row) // others may have been added meanwhile
    })
    return toPasskey(row, kind && { kind })
  }

  /** Tidies passkeys that nobody came back for. */
  async sweep() {
    await this.#db.delete(pendingPasskeys).where(lte(pendingPasskeys.expiresAt, this.#clock()))
  }

  /** What the passkey that waits to be registered showed when it was tried out. */
  async #tried(session: Session, pending: Pending, input: { asserted: Asserted; consent: boolean }) {
    const assertion = parseAssertion(input.asserted.response)
    const { octets: challenge, nextSalt } = await this.#challenges.take(assertion, within(session, 'check'))
    if (assertion.id !== pending.id || !this.#credentials.isHandleOf(session.user.id, assertion))
      throw new Refusal('passkey-refused')
    const state = await verifiedAssertion(assertion, { ...this.#site, challenge, credential: pending })
    refuseCopy(pending, state)
    const prf = prfResultsOf(input.asserted)
    const kind = prf
      ? await this.#computedTwice(pending, prf.output)
      : this.#withoutPrf(pending, input.consent)
    if (prf) refuseSpentNext(prf)
    return { state, prf, kind, nextSalt }
  }

  /**
   * A slot is made for a passkey that computed the same twice in a row. One that did not may try again with what it
   * computed now: some evaluate at an assertion alone, and over another way (hybrid) to other values than when made.
   */
  async #computedTwice(pending: Pending, output: string): Promise<'prf'> {
    const hash = createHash('sha256').update(decoded(output)).digest()
    const before = pending.firstHash
    if (before && timingSafeEqual(before, hash)) return 'prf'
    const waits = and(eq(pendingPasskeys.sessionId, pending.sessionId), eq(pendingPasskeys.id, pending.id))
    const expiresAt = this.#clock() + passkeyLimits.pendingLifeMs
    await this.#db.update(pendingPasskeys).set({ firstHash: hash, expiresAt }).where(waits)
    throw new Refusal(before ? 'passkey-computes-anew' : 'passkey-computes-after-all')
  }

  #withoutPrf({ firstHash }: Pending, consent: boolean): 'held' | null {
    // What computed a secret once must do so again: a result that was taken away on its way is no reason to do without.
    if (firstHash) throw new Refusal('passkey-computes-no-more')
    const policy = this.#config.passkeyWithoutPrf
    if (policy === 'deny') throw new Refusal('passkey-keeps-no-secret')
    return policy === 'allow' || consent ? 'held' : null
  }

  async #checkOptions(session: Session, pending: Pending): Promise<{ options: string; prf: boolean }> {
    const challenge = this.#challenges.issue(within(session, 'check'))
    const list = [{ ...descriptorOf(pending), salt: pending.salt }]
    const options = await requestOptions(this.#site, challenge, list)
    return { options, prf: pending.firstHash !== null }
  }

  async #pending(session: Session): Promise<Pending | null> {
    const [row] = await this.#db
      .select()
      .from(pendingPasskeys)
      .where(eq(pendingPasskeys.sessionId, session.id))
    return row && row.expiresAt > this.#clock() ? row : null
  }
}
