/**
 * Passkeys: a finger, a face or a security key logs in (P87), and opens the secret key itself where the authenticator
 * computes a secret of its own for us (prf.ts). This is what the rest of the house asks; behind it lie
 *
 * - credentials.ts: the passkeys that there are, and whether an answer is one's;
 * - challenges.ts: what is answered, once;
 * - registration.ts: how one comes to be;
 * - assertions.ts: what a session's own are asked for;
 * - passkey-log-ins.ts: the same before the log-in, where nothing tells who exists (decoys.ts);
 * - refused-answers.ts: how many wrong answers are looked at.
 */
import type { Clock } from '../ground/clock.ts'
import type { Config } from '../ground/config.ts'
import { Refusal } from '../ground/refusal.ts'
import type { ServerSecret } from '../ground/server-secret.ts'
import type { Database } from '../ground/store/database.ts'
import type { Opens } from '../locked/vault/slots.ts'
import type { Guesses } from '../people/guesses.ts'
import type { Ledger } from '../people/ledger.ts'
import type { LogIn, Session, Sessions } from '../people/sessions.ts'
import type { Users } from '../people/users.ts'
import { type AssertionPurpose, Assertions, type Proof } from './assertions.ts'
import { Challenges } from './challenges.ts'
import { Credentials, label, type Passkey, toPasskey } from './credentials.ts'
import { Decoys } from './decoys.ts'
import type { Keyrings } from './keyrings.ts'
import { PasskeyLogIns } from './passkey-log-ins.ts'
import { type Asserted, parseAsserted } from './prf.ts'
import { RefusedAnswers } from './refused-answers.ts'
import { Registration } from './registration.ts'
import type { RelyingParty } from './webauthn.ts'

export class Passkeys {
  readonly #db: Database
  readonly #keyrings: Keyrings
  readonly #sessions: Sessions
  readonly #challenges: Challenges
  readonly #credentials: Credentials
  readonly #assertions: Assertions
  readonly #registration: Registration
  readonly #logIns: PasskeyLogIns

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
    users: Pick<Users, 'meant'>
  }) {
    this.#db = options.db
    this.#keyrings = options.keyrings
    this.#sessions = options.sessions
    this.#challenges = new Challenges(options)
    this.#credentials = new Credentials(options)
    const refused = new RefusedAnswers(options)
    const known = { ...options, challenges: this.#challenges, credentials: this.#credentials, refused }
    this.#assertions = new Assertions(known)
    this.#registration = new Registration({ ...known, assertions: this.#assertions })
    this.#logIns = new PasskeyLogIns({ ...known, decoys: new Decoys(options.secret, options.clock) })
  }

  /** The user's passkeys, oldest first. */
  async list(userId: number): Promise<Passkey[]> {
    const slots = await this.#keyrings.passkeySlots(userId)
    return (await this.#credentials.ofUser(userId)).map((row) => toPasskey(row, slots.get(row.id)))
  }

  /** Whether one of the user's passkeys opens the key. */
  async forUnlock(userId: number): Promise<boolean> {
    return (await this.#credentials.openers(userId)).size > 0
  }

  /** What the user calls the passkey whose slot this opens; null if none does. */
  async nameOf(userId: number, opens: Opens): Promise<string | null> {
    const slots = await this.#keyrings.passkeySlots(userId)
    const isOpened = (id: string) => 'slotId' in opens && slots.get(id)?.slotId === opens.slotId
    return (await this.#credentials.ofUser(userId)).find(({ id }) => isOpened(id))?.name ?? null
  }

  /** @throws Refusal `not-found` */
  async rename(userId: number, id: string, name: string): Promise<void> {
    if (!(await this.#credentials.rename(userId, id, label(name)))) throw new Refusal('no-passkey')
  }

  /**
   * Removes a passkey and its slot, and ends the user's other sessions: it may have logged in.
   *
   * @throws Refusal `not-found`; as {@link prove} and {@link Keyrings.changePasskeySlot} do
   */
  async remove(session: Session, id: string, proof: Proof): Promise<void> {
    const userId = session.user.id
    const row = await this.#credentials.find(userId, id)
    if (!row) throw new Refusal('no-passkey')
    const slot = (await this.#keyrings.passkeySlots(userId)).get(id)
    const opens = await this.prove(session, proof)
    const change = slot ? { remove: slot.slotId } : null
    const reason = { kind: 'passkey-removed', name: row.name } as const
    const { settle } = await this.#keyrings.changePasskeySlot(session, opens, change, reason)
    await this.#db.transaction(userId, async () => {
      await settle()
      await this.#credentials.remove(userId, id)
      await this.#sessions.endOthers(session)
    })
  }

  /** As {@link Registration.options} says. */
  registrationOptions(session: Session) {
    return this.#registration.options(session)
  }

  /** As {@link Registration.begin} says. */
  beginRegistration(session: Session, attestation: string) {
    return this.#registration.begin(session, attestation)
  }

  /** As {@link Registration.check} says. */
  registrationCheck(session: Session) {
    return this.#registration.check(session)
  }

  /** As {@link Registration.finish} says. */
  finishRegistration(session: Session, input: Parameters<Registration['finish']>[1]): Promise<Passkey> {
    return this.#registration.finish(session, input)
  }

  /**
   * Options for a get() of one purpose: before the log-in as {@link PasskeyLogIns.options} says, within a session as
   * {@link Assertions.options}.
   *
   * @param who.about for `approve`: what the challenge is to be bound to beside the session
   */
  async assertionOptions(
    purpose: AssertionPurpose | 'login' | 'login+unlock',
    who: {
      session?: Session
      user?: string
      preSession?: string
      address?: string
      about?: (string | number)[]
    },
  ): Promise<{ options: string }> {
    if (purpose === 'login' || purpose === 'login+unlock') return this.#logIns.options(purpose, who)
    if (!who.session) throw new Error(`expected a session for the purpose ${purpose}, got none`)
    return this.#assertions.options(purpose, who.session, who.about)
  }

  /** As {@link PasskeyLogIns.logIn} says. */
  logIn(
    asserted: Asserted,
    pre: Parameters<PasskeyLogIns['logIn']>[1],
  ): Promise<LogIn & { opens: Opens | null }> {
    return this.#logIns.logIn(asserted, pre)
  }

  /** As {@link Assertions.opensBy} says. */
  opensBy(session: Session, asserted: Asserted, purpose: AssertionPurpose, about?: (string | number)[]) {
    return this.#assertions.opensBy(session, asserted, purpose, about)
  }

  /** As {@link Assertions.prove} says. */
  prove(session: Session, proof: Proof): Promise<Opens> {
    return this.#assertions.prove(session, proof)
  }

  /** What a form's field holds. @throws Refusal `bad-request` */
  asserted(text: string): Asserted {
    return parseAsserted(text)
  }

  /** Tidies challenges that count no more, and passkeys that nobody came back for. */
  async sweep(): Promise<void> {
    await this.#challenges.sweep()
    await this.#registration.sweep()
  }
}
