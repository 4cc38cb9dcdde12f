/** Assertions of a session's own passkeys: they open the key, approve that it be opened elsewhere, or prove who is there. */
import { Refusal } from '../ground/refusal.ts'
import type { Opens } from '../locked/vault/slots.ts'
import type { Session } from '../people/sessions.ts'
import { type Challenges, within } from './challenges.ts'
import type { Credentials } from './credentials.ts'
import { byPassphrase } from './keyrings.ts'
import { type Asserted, opensWith } from './prf.ts'
import type { RefusedAnswers } from './refused-answers.ts'
import { descriptorOf, parseAssertion, type RelyingParty, requestOptions } from './webauthn.ts'

/** What a form brings as its own proof. */
export type Proof = { passphrase: string } | { asserted: Asserted }

export type AssertionPurpose = 'unlock' | 'approve' | 'proof'

export class Assertions {
  readonly #site: RelyingParty
  readonly #challenges: Challenges
  readonly #credentials: Credentials
  readonly #refused: RefusedAnswers

  constructor(options: {
    site: RelyingParty
    challenges: Challenges
    credentials: Credentials
    refused: RefusedAnswers
  }) {
    this.#site = options.site
    this.#challenges = options.challenges
    this.#credentials = options.credentials
    this.#refused = options.refused
  }

  /** @throws Refusal `not-found` if no passkey opens the key */
  async options(
    purpose: AssertionPurpose,
    session: Session,
    about?: (string | number)[],
  ): Promise<{ options: string }> {
    const slots = await this.#credentials.openers(session.user.id)
    const list = (await this.#credentials.ofUser(session.user.id)).flatMap((row) => {
      const slot = slots.get(row.id)
      return slot ? [{ ...descriptorOf(row), salt: slot.kind === 'prf' ? slot.salt : null }] : []
    })
    if (list.length === 0) throw new Refusal('no-passkey-opens')
    const challenge = this.#challenges.issue(within(session, purpose, about))
    return { options: await requestOptions(this.#site, challenge, list) }
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
    purpose: AssertionPurpose,
    about?: (string | number)[],
  ): Promise<Opens> {
    const { user } = session
    const answered = async () => {
      const assertion = parseAssertion(asserted.response)
      const { octets, nextSalt } = await this.#challenges.take(assertion, within(session, purpose, about))
      const row = await this.#credentials.find(user.id, assertion.id)
      const state = await this.#credentials.signedBy(assertion, octets, row && { row, user })
      if (!row || !state) throw new Refusal('passkey-refused')
      await this.#credentials.count(row, state)
      const slot = (await this.#credentials.openers(user.id)).get(row.id)
      if (slot) return opensWith(slot, asserted, nextSalt)
      throw new Refusal('passkey-logs-in-only', { detail: { reason: 'logs-in-only' } })
    }
    return this.#refused.limited(session, answered, (refusal) => this.#refused.note(session, refusal))
  }

  /** What a form's own proof opens the keyring with. @throws Refusal as {@link opensBy} */
  async prove(session: Session, proof: Proof): Promise<Opens> {
    return 'passphrase' in proof
      ? byPassphrase(proof.passphrase)
      : this.opensBy(session, proof.asserted, 'proof')
  }
}
