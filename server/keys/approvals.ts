/**
 * Approval: a terminal that knows nothing of WebAuthn gets the key by somebody's touch on a phone (RFC 10027, BCP 247:
 * authenticate, then initiate; limited scope).
 *
 * Only a session may ask, and only another session of the same user may answer. What waits is a public key: at the
 * approval the DEK goes from the phone's slot sealed to the terminal that asked, within that one request. The six
 * digits on the terminal's screen are typed on the phone, so that nobody approves another terminal than the one before
 * them; they are made from the key token, and the row keeps only a MAC of them.
 */

import { randomBytes, timingSafeEqual } from 'node:crypto'
import { and, asc, desc, eq, gt, lte, ne } from 'drizzle-orm'
import type { Clock } from '../ground/clock.ts'
import { approvalLimits } from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'
import type { Epoch, ServerSecret } from '../ground/server-secret.ts'
import { counted, type Database } from '../ground/store/database.ts'
import { approvals, sessions } from '../ground/store/tables.ts'
import type { Ledger } from '../people/ledger.ts'
import type { LedgerReason } from '../people/ledger-reasons.ts'
import type { Session, Sessions } from '../people/sessions.ts'
import type { User } from '../people/users.ts'
import type { Allowances, Scope } from './allowances.ts'
import type { Proof } from './assertions.ts'
import type { Passkeys } from './passkeys.ts'

export type ApprovalState = 'pending' | 'granted' | 'denied' | 'expired'

/** What the phone shows. Times are Unix milliseconds. */
export type Request = {
  id: string
  /** The session that asks. */
  sessionId: string
  scope: Scope
  terminal: string
  address: string
  askedAt: number
  expiresAt: number
}

type ApprovalRow = typeof approvals.$inferSelect

export class Approvals {
  readonly #db: Database
  readonly #clock: Clock
  readonly #secret: ServerSecret
  readonly #epoch: Epoch
  readonly #site: { origin: string }
  readonly #sessions: Sessions
  readonly #allowances: Allowances
  readonly #passkeys: Passkeys
  readonly #ledger: Ledger

  constructor(options: {
    db: Database
    clock: Clock
    secret: ServerSecret
    epoch: Epoch
    site: { origin: string }
    sessions: Sessions
    allowances: Allowances
    passkeys: Passkeys
    ledger: Ledger
  }) {
    this.#db = options.db
    this.#clock = options.clock
    this.#secret = options.secret
    this.#epoch = options.epoch
    this.#site = options.site
    this.#sessions = options.sessions
    this.#allowances = options.allowances
    this.#passkeys = options.passkeys
    this.#ledger = options.ledger
  }

  // ---- the terminal that asks

  /**
   * Asks that the key be opened for this session elsewhere; an older request of the session ends.
   *
   * @returns the code for the screen, and the key token that works once the request is granted
   * @throws Refusal `key-in-use`; `slow-down` after the third request in ten minutes that was not granted;
   *   `not-found` without a key
   */
  async ask(
    session: Session,
    scope: Scope,
  ): Promise<{
    id: string
    address: string
    code: string
    keyToken: string
    scope: Scope
    expiresAt: number
  }> {
    const { keyToken, waiting } = await this.#allowances.prepare(session)
    const id = randomBytes(16).toString('base64url')
    const code = this.#codeOf(id, keyToken)
    const now = this.#clock()
    const userId = session.user.id
    const row = {
      id,
      userId,
      sessionId: session.id,
      epochId: this.#epoch.id,
      scope,
      state: 'pending',
      codeMac: this.#codeMac(id, code),
      wrongCodes: 0,
      allowanceId: waiting.id,
      publicHalf: waiting.publicHalf,
      endsAt: now + approvalLimits.lifeMs,
    } as const
    await this.#db.transaction(userId, async () => {
      const before = await this.#db
        .select({ at: approvals.askedAt })
        .from(approvals)
        .where(
          and(
            eq(approvals.userId, userId),
            gt(approvals.askedAt, now - approvalLimits.askedWindowMs),
            ne(approvals.state, 'granted'),
          ),
        )
        .orderBy(asc(approvals.askedAt))
      if (before.length >= approvalLimits.asked)
        throw tooOften(before.at(-approvalLimits.asked)!.at + approvalLimits.askedWindowMs - now)
      await this.endWait(session.id)
      // Of two within a millisecond too, one is the newest.
      const askedAt = Math.max(now, ((await this.#newest(session))?.askedAt ?? 0) + 1)
      await this.#db.insert(approvals).values({ ...row, askedAt })
    })
    return { id, address: this.#address, code, keyToken, scope, expiresAt: row.endsAt }
  }

  /** The session waits no longer. */
  async cancel(session: Session): Promise<void> {
    await this.endWait(session.id)
  }

  /** What the session's newest request has come to; null if it never asked. */
  async state(session: Session): Promise<ApprovalState | null> {
    const row = await this.#newest(session)
    return row && this.#stateOf(row)
  }

  /** The session's newest request as its own screen shows it; null without the token that it was asked with. */
  async waiting(
    session: Session,
    keyToken: string | null,
  ): Promise<{
    id: string
    address: string
    code: string
    scope: Scope
    expiresAt: number
    state: ApprovalState
  } | null> {
    const row = await this.#newest(session)
    if (!row || keyToken === null) return null
    const code = this.#codeOf(row.id, keyToken)
    if (!timingSafeEqual(this.#codeMac(row.id, code), row.codeMac)) return null
    const { id, scope, endsAt: expiresAt } = row
    return { id, address: this.#address, code, scope, expiresAt, state: this.#stateOf(row) }
  }

  // ---- the phone that answers

  /** The user's requests that can be answered, oldest first. */
  async pending(user: User): Promise<Request[]> {
    const rows = await this.#db
      .select({ row: approvals, session: sessions })
      .from(approvals)
      .innerJoin(sessions, eq(sessions.id, approvals.sessionId))
      .where(and(eq(approvals.userId, user.id), this.#answerable(), this.#sessions.live()))
      .orderBy(asc(approvals.askedAt))
    return rows.map(({ row, session }) => ({
      id: row.id,
      sessionId: session.id,
      scope: row.scope,
      terminal: session.terminal,
      address: session.address,
      askedAt: row.askedAt,
      expiresAt: row.endsAt,
    }))
  }

  /**
   * Options for the phone's touch: their challenge is bound to this request, the session that asks, scope, expiry and
   * code, and to the phone's session.
   *
   * @throws Refusal as {@link approve} does before any proof is looked at; `not-found` if no passkey opens the key
   */
  async passkeyOptions(phone: Session, id: string, code: string): Promise<{ options: string }> {
    const { row } = await this.#answered(phone, id, code)
    return this.#passkeys.assertionOptions('approve', { session: phone, about: aboutOf(row, code) })
  }

  /**
   * Grants the key to the session that asked; the phone's own session gets nothing.
   *
   * @param code the six digits that the asking terminal shows, as typed
   * @throws Refusal `not-found` for what cannot be answered (any more), `wrong-code`, `forbidden` from the asking
   *   session itself; `wrong-passkey`, `wrong-passphrase`, `slow-down`; `key-in-use` if a third session holds the key
   */
  async approve(phone: Session, id: string, code: string, proof: Proof): Promise<void> {
    const { row, lockCount } = await this.#answered(phone, id, code)
    const asking = (await this.#sessions.list(phone.user)).find((each) => each.id === row.sessionId)
    if (!asking) throw noSuch()
    const opens =
      'asserted' in proof
        ? await this.#passkeys.opensBy(phone, proof.asserted, 'approve', aboutOf(row, code))
        : await this.#passkeys.prove(phone, proof)
    const waiting = { id: row.allowanceId, publicHalf: row.publicHalf }
    const settle = async () => {
      await this.#sessions.requireLive(phone)
      // Whoever waits no longer (locked, was stopped, typed the passphrase instead) is not granted it by a late touch.
      const still = and(eq(approvals.id, id), this.#answerable())
      const granted = await this.#db
        .update(approvals)
        .set({ state: 'granted' })
        .where(still)
        .returning(counted)
      if (granted.length === 0) throw noSuch()
    }
    const approved = { by: phone, scope: row.scope, lockCount, settle }
    await this.#allowances.grantWaiting(asking, waiting, opens, approved).catch(async (error: unknown) => {
      if (!(error instanceof Refusal)) throw error
      // The key was locked or stopped while the touch was on its way: nobody else is to touch again for this request.
      if (error.code === 'allowance-required') await this.endWait(asking.id)
      // It is the asking session that ended, not the phone's.
      throw error.code === 'no-session' || error.code === 'allowance-required' ? noSuch() : error
    })
  }

  /**
   * "I did not ask for this": ends the session that asked.
   *
   * @throws Refusal `not-found` for what cannot be answered (any more)
   */
  async deny(phone: Session, id: string): Promise<void> {
    await this.#db.transaction(phone.user.id, async () => {
      const { sessionId } = await this.#answerableRow(phone.user.id, id)
      await this.#db.update(approvals).set({ state: 'denied' }).where(eq(approvals.id, id))
      await this.#note(phone, { kind: 'approval-denied', terminal: phone.terminal })
      await this.#sessions.endOne(phone.user, sessionId!)
    })
  }

  /** Tidies requests that no longer count against the limit. */
  async sweep(): Promise<void> {
    await this.#db
      .delete(approvals)
      .where(lte(approvals.askedAt, this.#clock() - approvalLimits.askedWindowMs))
  }

  // ---- rows

  /** The session waits no longer. Part of the caller's transaction. */
  async endWait(sessionId: string) {
    const own = and(eq(approvals.sessionId, sessionId), eq(approvals.state, 'pending'))
    await this.#db.update(approvals).set({ state: 'expired' }).where(own)
  }

  async #newest(session: Session): Promise<ApprovalRow | null> {
    const own = eq(approvals.sessionId, session.id)
    const [row] = await this.#db.select().from(approvals).where(own).orderBy(desc(approvals.askedAt)).limit(1)
    return row ?? null
  }

  #stateOf({ state, endsAt, epochId }: ApprovalRow): ApprovalState {
    const isOver = endsAt <= this.#clock() || epochId !== this.#epoch.id
    return state === 'pending' && isOver ? 'expired' : state
  }

  #answerable() {
    return and(
      eq(approvals.state, 'pending'),
      gt(approvals.endsAt, this.#clock()),
      eq(approvals.epochId, this.#epoch.id), // a key token of another epoch opens nothing
    )!
  }

  async #answerableRow(userId: number, id: string): Promise<ApprovalRow> {
    const [found] = await this.#db
      .select({ row: approvals })
      .from(approvals)
      .innerJoin(sessions, eq(sessions.id, approvals.sessionId))
      .where(
        and(eq(approvals.id, id), eq(approvals.userId, userId), this.#answerable(), this.#sessions.live()),
      )
    if (!found) throw noSuch()
    return found.row
  }

  /** The request that this code is for. A wrong code counts, also among several that come at once; none at all does not. */
  async #answered(
    phone: Session,
    id: string,
    code: string,
  ): Promise<{ row: ApprovalRow; lockCount: number }> {
    const looked = await this.#db.transaction(phone.user.id, async () => {
      const row = await this.#answerableRow(phone.user.id, id)
      if (row.sessionId === phone.id) throw new Refusal('approve-elsewhere')
      if (digitsOf(code) === '') throw new Refusal('code-missing')
      if (timingSafeEqual(this.#codeMac(id, digitsOf(code)), row.codeMac)) {
        // At the same moment: no lock or stop comes between that neither ends the request nor counts.
        const lockCount = await this.#sessions.lockCount({ id: row.sessionId! })
        return { right: { row, lockCount } }
      }
      const wrongCodes = row.wrongCodes + 1
      const state = wrongCodes >= approvalLimits.wrongCodes ? 'denied' : 'pending'
      await this.#db.update(approvals).set({ wrongCodes, state }).where(eq(approvals.id, id))
      await this.#note(phone, { kind: 'wrong-code' })
      return { left: approvalLimits.wrongCodes - wrongCodes }
    })
    if (looked.right) return looked.right
    if (looked.left === 0) throw new Refusal('code-wrong-at-last')
    throw new Refusal('code-wrong', { values: { left: looked.left } })
  }

  async #note({ user, terminal, address }: Session, reason: LedgerReason) {
    await this.#ledger.append({
      userId: user.id,
      event: 'refused',
      terminal,
      address,
      method: 'approval',
      reason,
    })
  }

  // ---- address and code

  get #address() {
    return `${this.#site.origin}/a`
  }

  /** Six digits that only who holds the key token can show again. */
  #codeOf(id: string, keyToken: string): string {
    const octets = this.#secret.mac('approval-code', JSON.stringify([id, keyToken]))
    return String(octets.readUIntBE(0, 6) % 1_000_000).padStart(6, '0')
  }

  #codeMac(id: string, code: string): Uint8Array {
    return this.#secret.mac('approval-code-check', JSON.stringify([id, code]))
  }
}

/** People type codes in groups, and with the digits of their own script. */
const digitsOf = (code: string) => code.normalize('NFKC').replace(/[\s-]/g, '')

const aboutOf = ({ id, sessionId, scope, endsAt }: ApprovalRow, code: string) => [
  id,
  sessionId!,
  scope,
  endsAt,
  digitsOf(code),
]

const tooOften = (waitMs: number) => {
  const waitS = Math.max(1, Math.ceil(waitMs / 1000))
  return new Refusal('approval-asked-often', {
    values: { limit: approvalLimits.asked, waitS },
    detail: { retry_after_s: waitS },
  })
}

const noSuch = () => new Refusal('approval-over')
