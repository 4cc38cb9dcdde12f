/**
 * Log-ins by passkey. Before the log-in nothing tells who exists: options for an address are made by the same work, in
 * the same shape, whether it has passkeys or not (decoys.ts), and so is the refusal of an answer.
 */

import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { and, asc, eq } from 'drizzle-orm'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import { passkeyLimits } from '../ground/limits.ts'
import { network } from '../ground/network.ts'
import { Refusal } from '../ground/refusal.ts'
import type { Database } from '../ground/store/database.ts'
import { keySlots, passkeys, users } from '../ground/store/tables.ts'
import type { Opens, PrfParams } from '../locked/vault/slots.ts'
import type { Guesses } from '../people/guesses.ts'
import type { LogIn } from '../people/sessions.ts'
import type { User, Users } from '../people/users.ts'
import { before, type Challenges } from './challenges.ts'
import type { Credential, Credentials } from './credentials.ts'
import type { Decoys } from './decoys.ts'
import { type Asserted, opensWith } from './prf.ts'
import type { RefusedAnswers } from './refused-answers.ts'
import {
  type AssertedState,
  type Assertion,
  descriptorOf,
  parseAssertion,
  type RelyingParty,
  requestOptions,
  type Wanted,
} from './webauthn.ts'

export class PasskeyLogIns {
  readonly #db: Database
  readonly #site: RelyingParty
  readonly #challenges: Challenges
  readonly #credentials: Credentials
  readonly #decoys: Decoys
  readonly #refused: RefusedAnswers
  readonly #guesses: Guesses
  readonly #users: Pick<Users, 'meant'>
  /** In memory, each process its own: whoever asks without being known writes nothing. */
  readonly #asked = {
    network: new RateLimiterMemory({
      points: passkeyLimits.asked.network,
      duration: passkeyLimits.askedWindowS,
    }),
    pair: new RateLimiterMemory({ points: passkeyLimits.asked.pair, duration: passkeyLimits.askedWindowS }),
  }

  constructor(options: {
    db: Database
    site: RelyingParty
    challenges: Challenges
    credentials: Credentials
    decoys: Decoys
    refused: RefusedAnswers
    guesses: Guesses
    users: Pick<Users, 'meant'>
  }) {
    this.#db = options.db
    this.#site = options.site
    this.#challenges = options.challenges
    this.#credentials = options.credentials
    this.#decoys = options.decoys
    this.#refused = options.refused
    this.#guesses = options.guesses
    this.#users = options.users
  }

  /**
   * @param who.preSession what stands for the terminal; `address`: where it asks from
   * @param who.user for `login+unlock`: the address that was typed; an unknown one gets options that look alike
   * @throws Refusal `slow-down`, as whoever asked often enough would see the salts of an address move
   */
  async options(
    purpose: 'login' | 'login+unlock',
    who: { user?: string; preSession?: string; address?: string },
  ): Promise<{ options: string }> {
    const bound = before(purpose, who.preSession)
    const user = purpose === 'login' ? null : await this.#addressIn(who.user ?? '')
    await this.#admit(network(who.address ?? ''), user)
    // The end is settled before the work begins, so that it tells nothing of how long that took.
    const held = user !== null && pause(passkeyLimits.optionsMs)
    const challenge = this.#challenges.issue(bound)
    const options = await requestOptions(
      this.#site,
      challenge,
      user === null ? null : await this.#ownOrAlike(user),
    )
    await held
    return { options }
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
    const refusalAt = performance.now() + passkeyLimits.refusedLogInMs
    try {
      return await this.#loggedIn(asserted, pre)
    } catch (cause) {
      if (!(cause instanceof Refusal) || cause.code === 'busy' || cause.code === 'slow-down') throw cause
      await pause(Math.max(0, refusalAt - performance.now()))
      throw noLogIn(cause)
    }
  }

  async #loggedIn(asserted: Asserted, pre: { preSession: string; address: string; user?: string }) {
    const assertion = parseAssertion(asserted.response)
    const { purpose, octets, nextSalt } = this.#challenges.takeBeforeLogIn(assertion, pre.preSession)
    const found = await this.#ownerOf(
      assertion,
      purpose === 'login' ? null : await this.#addressIn(pre.user ?? ''),
    )
    const state = await this.#credentials.signedBy(assertion, octets, found)
    if (!found || !state) throw new Refusal('passkey-refused')
    const { row, user } = found
    // Only now: who has no passkey can write no row, however often it asks and answers.
    await this.#challenges.spend(octets)
    await this.#count(row, state, { user, address: pre.address })
    const requireStands = async () => {
      if (!(await this.#credentials.stands(row))) throw noLogIn()
    }
    await this.#guesses.ownerCame(user.address, pre.address)
    if (purpose === 'login') return { user, requireStands, opens: null }
    const slot = (await this.#credentials.openers(user.id)).get(row.id)
    // A browser that computes no PRF logs in all the same; the key stays closed.
    const isOpener = slot && (slot.kind === 'held' || asserted.prf)
    return { user, requireStands, opens: isOpener ? opensWith(slot, asserted, nextSalt) : null }
  }

  /**
   * What was typed as a User ID, as an address where it is that of a user. The same passkeys by an alias would tell
   * strangers whose it is: one that is not published has none.
   */
  async #addressIn(typed: string): Promise<string> {
    const user = await this.#users.meant(typed, 'published')
    return user?.address ?? typed.trim().toLowerCase()
  }

  /** Two users' passkeys may be named alike: whose it is the authenticator says, or what was typed (§7.2 step 6). */
  async #ownerOf(
    assertion: Assertion,
    typed: string | null,
  ): Promise<{ row: Credential; user: User } | null> {
    const isNamed = assertion.response.userHandle !== undefined
    const known = await this.#credentials.named(assertion.id)
    const isOwner = (user: User) =>
      isNamed ? this.#credentials.isHandleOf(user.id, assertion) : user.address === typed
    return known.find(({ user }) => isOwner(user)) ?? null
  }

  /** What tells a copy is noted for its owner. */
  async #count(row: Credential, state: AssertedState, { user, address }: { user: User; address: string }) {
    try {
      await this.#credentials.count(row, state)
    } catch (error) {
      if (
        error instanceof Refusal &&
        error.detail.reason &&
        (await this.#refused.mayRefuse(`user ${user.id}`))
      )
        await this.#refused.note({ user, terminal: 'log-in', address }, error)
      throw error
    }
  }

  /** Counts who asks. Addresses as hashes: what is typed as one may be long. */
  async #admit(from: string, user: string | null) {
    const counts: [RateLimiterMemory, string][] = [[this.#asked.network, from]]
    if (user !== null)
      counts.push([this.#asked.pair, `${from} ${createHash('sha256').update(user).digest('base64url')}`])
    for (const [limiter, key] of counts) {
      const { consumedPoints, msBeforeNext } = await limiter.penalty(key, 1)
      if (consumedPoints <= limiter.points) continue
      const waitS = Math.max(1, Math.ceil(msBeforeNext / 1000))
      throw new Refusal('passkeys-asked-often', { values: { waitS }, detail: { retry_after_s: waitS } })
    }
  }

  /** The passkeys of an address, or ones that look like some; the questions to the database are the same for both. */
  async #ownOrAlike(address: string): Promise<Wanted[]> {
    const own = await this.#db
      .select({ id: passkeys.id, transports: passkeys.transports })
      .from(passkeys)
      .innerJoin(users, eq(users.id, passkeys.userId))
      .where(eq(users.address, address))
      .orderBy(asc(passkeys.createdAt), asc(passkeys.id))
      .limit(passkeyLimits.ofUser)
    const rows = await this.#db
      .select({ params: keySlots.params })
      .from(keySlots)
      .innerJoin(users, eq(users.id, keySlots.userId))
      .where(and(eq(users.address, address), eq(keySlots.kind, 'prf')))
    const slots = rows.map(({ params }) => JSON.parse(params) as PrfParams)
    const salts = new Map(slots.map(({ credential, salt }) => [credential, salt]))
    return this.#decoys.byConstantWork(address, own.map(descriptorOf), salts)
  }
}

const noLogIn = (cause?: unknown) => new Refusal('passkey-logs-nobody-in', { cause })
