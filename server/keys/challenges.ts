/**
 * The challenges of WebAuthn: each is a nonce, its expiry, and a MAC over both and what it is for (purpose, session, and
 * for an approval the request, its scope, expiry and code). Nothing is stored for one that is given out, so that asking
 * for many fills nothing; the answer writes the row that makes it count once.
 */

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { lte } from 'drizzle-orm'
import type { Clock } from '../ground/clock.ts'
import { passkeyLimits } from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'
import type { ServerSecret } from '../ground/server-secret.ts'
import { counted, type Database } from '../ground/store/database.ts'
import { spentChallenges } from '../ground/store/tables.ts'
import type { Session } from '../people/sessions.ts'
import { type Assertion, type Attestation, challengeOf } from './webauthn.ts'

/** What a challenge is for. */
export type Purpose = 'register' | 'check' | 'unlock' | 'login' | 'login+unlock' | 'approve' | 'proof'
/** Whom and what an answer must be for; the same words make the challenge and check it. */
export type Bound = { purpose: Purpose; to: (string | number)[] }
/** A challenge, and the salt of the second PRF evaluation that goes with it: the next one of whichever slot opens. */
export type Challenge = { octets: Uint8Array<ArrayBuffer>; nextSalt: string }

/** For a terminal that is not logged in. @param preSession what stands for it */
export const before = (purpose: Purpose, preSession: string | undefined): Bound => {
  if (!preSession) throw new Refusal('no-cookie')
  return { purpose, to: [preSession] }
}

export const within = (session: Session, purpose: Purpose, about: (string | number)[] = []): Bound => ({
  purpose,
  to: [session.user.id, session.id, ...about],
})

/** A challenge in octets: a nonce (WebAuthn §13.4.3 asks for 16), when it ends in Unix milliseconds, HMAC-SHA256. */
const nonceLength = 16
const expiryLength = 6
const headLength = nonceLength + expiryLength
const macLength = 32

export class Challenges {
  readonly #db: Database
  readonly #clock: Clock
  readonly #secret: ServerSecret

  constructor({ db, clock, secret }: { db: Database; clock: Clock; secret: ServerSecret }) {
    this.#db = db
    this.#clock = clock
    this.#secret = secret
  }

  issue(bound: Bound): Challenge {
    const head = Buffer.alloc(headLength)
    randomBytes(nonceLength).copy(head)
    head.writeUIntBE(this.#clock() + passkeyLimits.challengeLifeMs, nonceLength, expiryLength)
    return this.#given(Buffer.concat([head, this.#mac(head, bound)]))
  }

  /**
   * The challenge that a session's answer is to; whatever becomes of the answer, there is no second one.
   *
   * @throws Refusal `wrong-passkey`, `too-late`
   */
  async take(answer: Assertion | Attestation, bound: Bound): Promise<Challenge> {
    const challenge = challengeOf(answer)
    await this.spend(challenge)
    if (!this.#isFor(challenge, bound)) throw new Refusal('passkey-refused')
    this.#refuseLate(challenge)
    return this.#given(challenge)
  }

  /** The same before the log-in, where the answer must be right before it uses up anything: then {@link spend}. */
  takeBeforeLogIn(answer: Assertion, preSession: string): Challenge & { purpose: 'login' | 'login+unlock' } {
    const challenge = challengeOf(answer)
    const purposes = ['login', 'login+unlock'] as const
    const purpose = purposes.find((each) => this.#isFor(challenge, before(each, preSession)))
    if (!purpose) throw new Refusal('passkey-refused')
    this.#refuseLate(challenge)
    return { purpose, ...this.#given(challenge) }
  }

  /** The row makes it count once, in all processes; it stays for as long as any challenge could be answered. */
  async spend(challenge: Uint8Array) {
    const hash = createHash('sha256').update(challenge).digest()
    const row = { hash, expiresAt: this.#clock() + passkeyLimits.challengeLifeMs }
    const spent = await this.#db.insert(spentChallenges).values(row).onConflictDoNothing().returning(counted)
    if (spent.length === 0) throw new Refusal('passkey-sent-twice', { detail: { reason: 'sent-twice' } })
  }

  /** Tidies those that count no more. */
  async sweep() {
    await this.#db.delete(spentChallenges).where(lte(spentChallenges.expiresAt, this.#clock()))
  }

  #given(challenge: Uint8Array): Challenge {
    const octets = new Uint8Array(challenge)
    const nextSalt = this.#secret.mac('next-salt', Buffer.from(octets).toString('base64url'))
    return { octets, nextSalt: nextSalt.toString('base64url') }
  }

  #mac(head: Uint8Array, { purpose, to }: Bound): Buffer {
    return this.#secret.mac('challenge', JSON.stringify([Buffer.from(head).toString('hex'), purpose, ...to]))
  }

  #isFor(challenge: Buffer, bound: Bound): boolean {
    const [head, mac] = [challenge.subarray(0, headLength), challenge.subarray(headLength)]
    return mac.length === macLength && timingSafeEqual(mac, this.#mac(head, bound))
  }

  #refuseLate(challenge: Buffer) {
    if (challenge.readUIntBE(nonceLength, expiryLength) > this.#clock()) return
    throw new Refusal('passkey-late', { detail: { reason: 'too-late' } })
  }
}
