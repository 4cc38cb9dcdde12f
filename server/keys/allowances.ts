/**
 * Allowances: the leave to use a user's key, granted to exactly one session (P39, P57, P85).
 *
 * An allowance is one row whose primary key is the user, so there is no second one. It holds the keyring's DEK
 * sealed to the public half of a key token; the token itself is with the terminal, and what makes a private half of
 * it, the epoch secret, is not in the database. Deleting the row ends the allowance, at once and in every process.
 * Each use reads the row, does its work, and compares the row again in the transaction that writes the ledger,
 * before the result is released: work that outlived its allowance is not handed out.
 */

import { randomBytes, timingSafeEqual } from 'node:crypto'
import { and, eq, gt, lte, not, type SQL, sql } from 'drizzle-orm'
import type { Clock } from '../ground/clock.ts'
import type { Config } from '../ground/config.ts'
import {
  allowanceSilenceMs,
  allowanceWatchMs,
  approvedReadingMs,
  minuteMs,
  stopLimits,
  useNoteMs,
} from '../ground/limits.ts'
import { type Holder, Refusal } from '../ground/refusal.ts'
import type { Epoch } from '../ground/server-secret.ts'
import type { Database } from '../ground/store/database.ts'
import { allowances, sessions, stops } from '../ground/store/tables.ts'
import { withinMs } from '../ground/within.ts'
import type { CryptoPool } from '../locked/crypto-pool.ts'
import type { Opening } from '../locked/vault/secret-keys.ts'
import type { Opens } from '../locked/vault/slots.ts'
import type { Ledger, LedgerEntry } from '../people/ledger.ts'
import type { ReasonOf } from '../people/ledger-reasons.ts'
import type { Session, Sessions } from '../people/sessions.ts'
import type { Identities } from './identities.ts'
import { byPassphrase, type Keyrings } from './keyrings.ts'
import type { Passkeys } from './passkeys.ts'
import type { Asserted } from './prf.ts'

export type Scope = 'read' | 'sign'

/** Times are Unix milliseconds. */
export type Allowance = {
  method: 'passphrase' | 'passkey' | 'approval' | 'recovery'
  scope: Scope
  grantedAt: number
  usedAt: number
  /** The latest end, whatever the use. */
  endsAt: number
  /** How long it stands without a use. */
  idleMs: number
}

export type KeyState =
  | { state: 'locked' }
  | { state: 'open'; allowance: Allowance }
  | { state: 'elsewhere'; by: Holder }

type AllowanceRow = typeof allowances.$inferSelect
type OpenedReason = ReasonOf<'opened' | 'opened-by-passkey' | 'opened-by-approval'>
type SessionRow = typeof sessions.$inferSelect

/** An allowance that may come to be: what the DEK is to be sealed to, and what that is bound to. */
export type Waiting = { id: string; publicHalf: Uint8Array }

/** The sessions that wait for an approval. */
export type Waits = {
  /**
   * In the transaction that did it: the session opened the key itself, locked it, or was stopped. An approval that comes
   * late then undoes none of these.
   */
  end(sessionId: string): Promise<void>
}

export class Allowances {
  readonly #db: Database
  readonly #clock: Clock
  readonly #config: Config
  readonly #epoch: Epoch
  readonly #sessions: Sessions
  readonly #keyrings: Keyrings
  readonly #identities: Identities
  readonly #passkeys: Passkeys
  readonly #ledger: Ledger
  readonly #pool: CryptoPool
  readonly #waits: Waits
  /** Of all work with a key that is being done: `look` ends it if its allowance does not stand. */
  readonly #watches = new Set<{ userId: number; look: () => Promise<void> }>()

  constructor(options: {
    db: Database
    clock: Clock
    config: Config
    epoch: Epoch
    sessions: Sessions
    keyrings: Keyrings
    identities: Identities
    passkeys: Passkeys
    ledger: Ledger
    pool: CryptoPool
    waits: Waits
  }) {
    this.#db = options.db
    this.#clock = options.clock
    this.#config = options.config
    this.#epoch = options.epoch
    this.#sessions = options.sessions
    this.#keyrings = options.keyrings
    this.#identities = options.identities
    this.#passkeys = options.passkeys
    this.#ledger = options.ledger
    this.#pool = options.pool
    this.#waits = options.waits
  }

  /** Whether this session holds the key, nobody does, or who else. */
  async state(session: Session): Promise<KeyState> {
    return this.#stateOf(session, await this.#liveHolder(session.user.id))
  }

  /** The same as a terminal sees it: its own allowance counts only with the key token that opens it. */
  async stateFor(session: Session, keyToken: string | null): Promise<KeyState> {
    const holder = await this.#liveHolder(session.user.id)
    const known = this.#stateOf(session, holder)
    if (!holder || known.state !== 'open') return known
    return (await this.#fits(holder.row, session, keyToken)) ? known : { state: 'locked' }
  }

  /**
   * Grants this session the key by passphrase (C2, C7).
   *
   * @returns the key token: a new one at each unlock, the old one is dead
   * @throws Refusal `key-in-use` before any passphrase is tried; `slow-down`, `wrong-passphrase`, `busy`;
   * `no-session` if the session ended meanwhile, `allowance-required` if the key was locked or stopped meanwhile;
   * `not-found` if the user has no key
   */
  async grantByPassphrase(
    session: Session,
    passphrase: string,
  ): Promise<{ keyToken: string; allowance: Allowance }> {
    const lockCount = await this.#sessions.lockCount(session) // what locks it from now on is for this unlock too
    await this.#refuseOtherHolder(session)
    const opens = byPassphrase(passphrase)
    return this.#grant(session, opens, 'passphrase', { lockCount })
  }

  /**
   * Grants this session the key by passkey (P87): the assertion is verified first, then opens its slot.
   *
   * @param asserted of a challenge for unlocking; or what {@link Passkeys.logIn} returned for one that said both
   * @returns as {@link grantByPassphrase}
   * @throws Refusal `key-in-use` before the assertion is looked at; `wrong-passkey`, also for a missing PRF result;
   *   `busy`, `no-session`, `allowance-required`, `not-found`
   */
  async grantByPasskey(
    session: Session,
    asserted: Asserted | Opens,
  ): Promise<{ keyToken: string; allowance: Allowance }> {
    const lockCount = await this.#sessions.lockCount(session)
    await this.#refuseOtherHolder(session)
    const opens =
      'response' in asserted ? await this.#passkeys.opensBy(session, asserted, 'unlock') : asserted
    const name = await this.#passkeys.nameOf(session.user.id, opens)
    const reason: OpenedReason =
      name === null ? { kind: 'opened', scope: 'sign' } : { kind: 'opened-by-passkey', scope: 'sign', name }
    return this.#grant(session, opens, 'passkey', { lockCount, reason })
  }

  /** A key token for a session that waits for an approval; it opens nothing before {@link grantWaiting}. */
  async prepare(session: Session): Promise<{ keyToken: string; waiting: Waiting }> {
    await this.#refuseOtherHolder(session)
    if ((await this.#keyrings.methods(session.user.id)).length === 0) throw new Refusal('no-key')
    const keyToken = randomBytes(32)
    const id = randomBytes(16).toString('base64url')
    const publicHalf = await this.#epoch.publicHalf(keyToken, session.id)
    return { keyToken: keyToken.toString('base64url'), waiting: { id, publicHalf } }
  }

  /**
   * Grants a waiting session the key that somebody opens elsewhere: the DEK is sealed to the waiting terminal alone.
   *
   * @param session the one that waits
   * @param by the session that opens the keyring; it gets nothing
   * @param lockCount of the waiting session, before anything was looked at
   * @param settle called in the transaction that grants; what it throws undoes everything
   * @throws Refusal `key-in-use` if another session holds the key by now, `no-session` if the waiting one ended,
   *   `allowance-required` if the key was locked or stopped meanwhile, and as {@link Keyrings.unlock} does
   */
  async grantWaiting(
    session: Session,
    waiting: Waiting,
    opens: Opens,
    approved: { by: Session; scope: Scope; lockCount: number; settle: () => Promise<void> },
  ): Promise<void> {
    const { by, scope, lockCount } = approved
    await this.#refuseOtherHolder(session)
    const binding = this.#binding(session.user.id, session.id, waiting.id)
    const terminal = { recipient: waiting.publicHalf, binding }
    const { sealedDek, settle } = await this.#keyrings.unlock(by, opens, terminal)
    const maxMs = scope === 'read' ? approvedReadingMs : Number.POSITIVE_INFINITY
    const grant = { ...waiting, sealedDek, method: 'approval', scope } as const
    const reason = { kind: 'opened-by-approval', scope, terminal: by.terminal } as const
    await this.#insert(session, lockCount, grant, [approved.settle, settle], { maxMs, reason })
  }

  async #grant(
    session: Session,
    opens: Opens,
    method: 'passphrase' | 'passkey',
    { lockCount, reason }: { lockCount: number; reason?: OpenedReason },
  ) {
    const { keyToken, waiting } = await this.prepare(session)
    const binding = this.#binding(session.user.id, session.id, waiting.id)
    const terminal = { recipient: waiting.publicHalf, binding }
    const stands = async () => {
      if ((await this.#sessions.lockCount(session)) !== lockCount) throw await this.#lockedMeanwhile(session)
    }
    // Others go through while this one waits.
    const beforeWork = () => this.#refuseOtherHolder(session)
    const { sealedDek, settle } = await this.#watched(session, stands, () =>
      this.#keyrings.unlock(session, opens, terminal, { beforeWork }),
    )
    const grant = { ...waiting, sealedDek, method, scope: 'sign' } as const
    const row = await this.#insert(session, lockCount, grant, [settle], { reason })
    return { keyToken, allowance: this.#shown(row) }
  }

  /**
   * Lends what opens the key to one piece of work, and releases its result only if the allowance still stands.
   *
   * @param what.file the path of a file of the box that is read
   * @param what.goesOn it is a further part of a use that is in the ledger already, or has a row of its own there: the
   *   same fence, and no row
   * @throws Refusal `key-in-use` if another session holds the key, `allowance-required` if this one does not
   * (or not for this scope), `no-session` if it ended meanwhile; and what the work throws
   */
  async use<T>(
    session: Session,
    keyToken: string | null,
    what: { scope: Scope; messageId?: number; file?: string; goesOn?: boolean },
    work: (opening: Opening) => Promise<T>,
  ): Promise<T> {
    const row = await this.#held(session, keyToken, what.scope)
    const { keyringId, keys } = await this.#keyrings.wrappedKeys(session.user.id)
    const identities = await this.#identities.wrapped(session.user.id)
    const stands = () => this.#require(session, row.id)
    const opening = {
      userId: session.user.id,
      keyringId,
      keys,
      identities,
      keyMaterial: this.#epoch.keyMaterial(tokenOctets(keyToken)!, session.id),
      sealedDek: row.sealedDek,
      binding: this.#binding(session.user.id, session.id, row.id),
    }
    const result = await this.#watched(session, stands, () => work(opening))
    // A durable write for each piece of a file would be worth nothing: this much is near enough.
    if (what.goesOn && this.#clock() - row.usedAt < Math.min(useNoteMs, this.#idleMs(row) / 10)) {
      await stands()
      return result
    }
    await this.#db.transaction(session.user.id, async () => {
      await stands()
      await this.#db.update(allowances).set({ usedAt: this.#clock() }).where(eq(allowances.id, row.id))
      if (what.goesOn) return
      await this.#note(session, {
        event: 'used',
        method: row.method,
        reason: usedFor(what),
        messageId: what.messageId ?? null,
      })
    })
    return result
  }

  /** @throws Refusal as {@link use} would, without using anything */
  async require(session: Session, keyToken: string | null, scope: Scope): Promise<void> {
    await this.#held(session, keyToken, scope)
  }

  /**
   * Has this session's allowance stand for a time of its user's choice without a use; its latest end stays as it is.
   *
   * @throws Refusal as {@link use}; `bad-request` for longer than the operator permits
   */
  async standFor(session: Session, keyToken: string | null, idleMs: number): Promise<Allowance> {
    const { id, method } = await this.#held(session, keyToken, 'read')
    const mostMs = this.#config.allowanceIdleMostMs
    if (idleMs > mostMs)
      throw new Refusal('key-idle-long', { values: { most: Math.floor(mostMs / minuteMs) } })
    return this.#db.transaction(session.user.id, async () => {
      await this.#require(session, id)
      const now = { idleMs, usedAt: this.#clock() }
      const [row] = await this.#db.update(allowances).set(now).where(eq(allowances.id, id)).returning()
      const minutes = Math.ceil(idleMs / minuteMs)
      await this.#note(session, { event: 'used', method, reason: { kind: 'idle-chosen', minutes } })
      return this.#shown(row!)
    })
  }

  /** Ends this session's own allowance, if it has one, its wait for an approval, and what is about to open the key. */
  async lock(session: Session): Promise<void> {
    await this.#db.transaction(session.user.id, async () => {
      await this.#sessions.countLock(session)
      await this.#waits.end(session.id)
      const [row] = await this.#db.delete(allowances).where(eq(allowances.sessionId, session.id)).returning()
      if (!row) return
      await this.#note(session, { event: 'ended', method: row.method, reason: { kind: 'locked' } })
      await this.taken(session.user.id)
    })
  }

  /**
   * Stops the key's allowance in whichever session holds it (S2080): at once, before any passphrase. An approval that
   * the stopped session waits for is not granted any more; nor does an unlock open the key that is on its way in
   * whichever session, as it is a lost terminal that may have begun it.
   *
   * @param of the `grant` of the holder that the person was shown: one that came after it is not stopped unseen
   * @throws Refusal `key-in-use` if another session than the one shown holds the key by now, and nothing is changed then;
   *   `slow-down` after the third time in ten minutes that no unlock in the session that stopped has followed
   */
  async stop(session: Session, of?: string): Promise<void> {
    const userId = session.user.id
    await this.#db.transaction(userId, async () => {
      const holder = await this.#liveHolder(userId)
      if (of !== undefined && holder && holder.row.id !== of) {
        await this.#refuseOtherHolder(session)
        return // the one that was shown is gone, and the key is open here
      }
      await this.#sessions.countStop(session.user)
      if (holder?.row.sessionId === session.id) {
        const { method } = holder.row
        await this.#waits.end(session.id)
        await this.#db.delete(allowances).where(eq(allowances.id, holder.row.id))
        await this.#note(session, { event: 'ended', method, reason: { kind: 'locked' } })
        return this.taken(userId)
      }
      await this.#refuseTooManyStops(userId)
      // Where nobody holds it too: it may have kept the owner from unlocking.
      await this.#db.insert(stops).values({ userId, sessionId: session.id, stoppedAt: this.#clock() })
      if (!holder) {
        await this.#note(session, { event: 'stopped', reason: { kind: 'not-held' } })
        return
      }
      const { method } = holder.row
      await this.#waits.end(holder.row.sessionId)
      await this.#db.delete(allowances).where(eq(allowances.id, holder.row.id))
      await this.#note(session, {
        event: 'stopped',
        method,
        reason: { kind: 'held-elsewhere', terminal: holder.terminal },
      })
      await this.#db
        .update(sessions)
        .set({
          stoppedAt: this.#clock(),
          stoppedByTerminal: session.terminal,
          stoppedByAddress: session.address,
        })
        .where(eq(sessions.id, holder.row.sessionId))
      await this.taken(userId)
    })
  }

  /** Tidies allowances that have ended by time or epoch, and puts their ends on the ledger; and stops of long ago. */
  async sweep(): Promise<void> {
    await this.#db.delete(stops).where(lte(stops.stoppedAt, this.#clock() - stopLimits.windowMs))
    const rows = await this.#db
      .select({ row: allowances, session: sessions })
      .from(allowances)
      .innerJoin(sessions, eq(sessions.id, allowances.sessionId))
      .where(not(and(this.#live(), this.#sessions.inContact())!))
    for (const { row, session } of rows) {
      if (this.#endReason(row, session) === null) continue
      await this.#db.transaction(row.userId, () => this.#endOver(row.id))
    }
  }

  /** Part of the transaction that took a user's key: the processes that have it end, in all processes of the server. */
  async taken(userId: number): Promise<void> {
    await this.#db.tell('key_taken', String(userId))
    this.#db.afterwards(() => this.#pool.endFor(userId))
  }

  /**
   * Another process of the server took a user's key. It may have been opened again since, here: work with it is asked
   * whether its allowance stands, and what has no work ends.
   */
  takenElsewhere(userId: number) {
    this.#pool.endFor(userId, { onlyIdle: true })
    for (const watch of this.#watches) if (watch.userId === userId) void watch.look()
  }

  // ---- the row

  #idleMs({ idleMs }: AllowanceRow): number {
    return idleMs ?? this.#config.allowanceIdleMs
  }

  #shown(row: AllowanceRow): Allowance {
    const { method, scope, grantedAt, usedAt, endsAt } = row
    return { method, scope, grantedAt, usedAt, endsAt, idleMs: this.#idleMs(row) }
  }

  #stateOf(session: Session, holder: { row: AllowanceRow; terminal: string } | null): KeyState {
    if (!holder) return { state: 'locked' }
    if (holder.row.sessionId === session.id) return { state: 'open', allowance: this.#shown(holder.row) }
    return { state: 'elsewhere', by: asHolder(holder) }
  }

  /** The live holder: of this epoch, within both its clocks, in a live session whose terminal keeps contact. */
  async #liveHolder(userId: number): Promise<{ row: AllowanceRow; terminal: string } | null> {
    const [found] = await this.#db
      .select({ row: allowances, terminal: sessions.terminal })
      .from(allowances)
      .innerJoin(sessions, eq(sessions.id, allowances.sessionId))
      .where(and(eq(allowances.userId, userId), this.#live(), this.#sessions.inContact()))
    return found ?? null
  }

  #live() {
    const now = this.#clock()
    return and(
      eq(allowances.epochId, this.#epoch.id),
      sql`${allowances.usedAt} + coalesce(${allowances.idleMs}, ${this.#config.allowanceIdleMs}) > ${now}`,
      gt(allowances.endsAt, now),
    )!
  }

  #endReason(row: AllowanceRow, session: SessionRow): 'epoch' | 'max' | 'idle' | 'contact-lost' | null {
    const now = this.#clock()
    if (row.epochId !== this.#epoch.id) return 'epoch'
    if (row.endsAt <= now) return 'max'
    if (row.usedAt + this.#idleMs(row) <= now) return 'idle'
    const { contactAt, heartbeatMs } = session
    return heartbeatMs !== null && contactAt + heartbeatMs <= now ? 'contact-lost' : null
  }

  /** Part of the caller's transaction: what was over may be gone by now, and was noted then. */
  async #endOver(id: string): Promise<void> {
    const over = await this.#withSession(eq(allowances.id, id))
    if (over && this.#endReason(over.row, over.session) !== null) await this.#end(over)
  }

  /** Of a session whose contact came too late. Part of the caller's transaction: another process may have noted a contact, and a new grant, before it. */
  async endOutOfContact(sessionId: string) {
    const lost = await this.#withSession(and(eq(sessions.id, sessionId), not(this.#sessions.inContact()))!)
    if (lost) await this.#end(lost)
  }

  async #withSession(which: SQL): Promise<{ row: AllowanceRow; session: SessionRow } | null> {
    const [found] = await this.#db
      .select({ row: allowances, session: sessions })
      .from(allowances)
      .innerJoin(sessions, eq(sessions.id, allowances.sessionId))
      .where(which)
    return found ?? null
  }

  async #end({ row, session }: { row: AllowanceRow; session: SessionRow }) {
    await this.#db.delete(allowances).where(eq(allowances.id, row.id))
    await this.#noteEnd(row, session)
    await this.taken(row.userId)
  }

  /**
   * One statement decides who holds: it writes where the session lives, nothing was locked or stopped since the unlock
   * began, and no other live holder stands.
   */
  async #insert(
    session: Session,
    lockCount: number,
    grant: Pick<AllowanceRow, 'id' | 'publicHalf' | 'sealedDek' | 'method' | 'scope'>,
    settle: (() => Promise<void>)[],
    {
      maxMs = Number.POSITIVE_INFINITY,
      reason = { kind: 'opened', scope: grant.scope },
    }: { maxMs?: number; reason?: OpenedReason } = {},
  ): Promise<AllowanceRow> {
    const userId = session.user.id
    return this.#db.transaction(userId, async () => {
      const now = this.#clock()
      const endsAt = now + Math.min(maxMs, this.#config.allowanceMaxMs)
      const before = await this.#withSession(eq(allowances.userId, userId))
      const granted = await this.#db.rows<{ id: string }>(sql`
        INSERT INTO ${allowances} (user_id, id, session_id, epoch_id, method, scope, granted_at, used_at, ends_at, public_half, sealed_dek)
        SELECT ${userId}, ${grant.id}, ${sessions.id}, ${this.#epoch.id}, ${grant.method}, ${grant.scope},
          ${now}, ${now}, ${endsAt}, ${Buffer.from(grant.publicHalf)}, ${Buffer.from(grant.sealedDek)}
        FROM ${sessions} WHERE ${sessions.id} = ${session.id} AND ${this.#sessions.live()}
          AND ${sessions.lockCount} = ${lockCount}
        ON CONFLICT (user_id) DO UPDATE SET
          id = excluded.id, session_id = excluded.session_id, epoch_id = excluded.epoch_id, method = excluded.method,
          scope = excluded.scope, granted_at = excluded.granted_at, used_at = excluded.used_at,
          ends_at = excluded.ends_at, idle_ms = NULL, public_half = excluded.public_half, sealed_dek = excluded.sealed_dek
        WHERE ${allowances.sessionId} = excluded.session_id OR NOT (${this.#live()} AND EXISTS (
          SELECT 1 FROM ${sessions} WHERE ${sessions.id} = ${allowances.sessionId} AND ${this.#sessions.inContact()}))
        RETURNING id`)
      if (granted.length === 0) {
        await this.#refuseOtherHolder(session)
        await this.#sessions.requireLive(session)
        throw await this.#lockedMeanwhile(session)
      }
      if (before && before.session.id !== session.id) await this.#noteEnd(before.row, before.session)
      await this.#db
        .update(sessions)
        .set({ stoppedAt: null, stoppedByTerminal: null, stoppedByAddress: null })
        .where(eq(sessions.id, session.id))
      // The one who stopped has shown what opens the key: that was a takeover, not an attack.
      await this.#db
        .delete(stops)
        .where(and(eq(stops.userId, session.user.id), eq(stops.sessionId, session.id)))
      for (const each of settle) await each()
      if (grant.method !== 'approval') await this.#waits.end(session.id)
      await this.#note(session, { event: 'granted', method: grant.method, reason })
      const [row] = await this.#db.select().from(allowances).where(eq(allowances.id, grant.id))
      return row!
    })
  }

  async #held(session: Session, keyToken: string | null, scope: Scope): Promise<AllowanceRow> {
    const row = await this.#ownRow(session)
    if (!row || !(await this.#fits(row, session, keyToken))) throw await this.#allowanceRequired(session)
    if (scope === 'sign' && row.scope !== 'sign')
      throw await this.#allowanceRequired(session, 'key-reads-only')
    return row
  }

  async #fits(row: AllowanceRow, session: Session, keyToken: string | null): Promise<boolean> {
    const token = tokenOctets(keyToken)
    if (!token) return false
    return timingSafeEqual(await this.#epoch.publicHalf(token, session.id), row.publicHalf)
  }

  /**
   * Does work with the key, and ends the processes that do it soon after another process of the server took the key
   * away: that one ends its own at once, but knows none of these.
   *
   * @param stands throws once it was taken
   * @throws as `stands` does, and as the work
   */
  async #watched<T>(session: Session, stands: () => Promise<void>, work: () => Promise<T>): Promise<T> {
    const look = async () => {
      try {
        await withinMs(allowanceSilenceMs, stands())
      } catch {
        this.#pool.endFor(session.user.id)
      }
    }
    const watch = { userId: session.user.id, look }
    this.#watches.add(watch)
    const timer = setInterval(look, allowanceWatchMs).unref()
    try {
      return await work()
    } catch (error) {
      // A process that was ended under the work because the key was taken: say that rather than "interrupted".
      await stands()
      throw error
    } finally {
      clearInterval(timer)
      this.#watches.delete(watch)
      await look()
    }
  }

  /** The fence: the session lives and holds the very allowance that the work began with. */
  async #require(session: Session, allowanceId: string) {
    const row = await this.#ownRow(session)
    if (row?.id === allowanceId) return
    await this.#sessions.requireLive(session)
    throw await this.#lockedMeanwhile(session)
  }

  async #lockedMeanwhile(session: Session): Promise<Refusal> {
    return this.#allowanceRequired(session, 'locked-meanwhile')
  }

  async #refuseOtherHolder(session: Session) {
    await this.#ownRow(session)
  }

  /** The allowance that the session holds; null if nobody holds one. @throws Refusal `key-in-use` if another does */
  async #ownRow(session: Session): Promise<AllowanceRow | null> {
    const holder = await this.#liveHolder(session.user.id)
    if (!holder) return null
    if (holder.row.sessionId === session.id) return holder.row
    throw new Refusal('key-in-use', {
      values: { terminal: holder.terminal },
      detail: { by: asHolder(holder) },
    })
  }

  async #refuseTooManyStops(userId: number) {
    const since = this.#clock() - stopLimits.windowMs
    const recent = await this.#db
      .select({ at: stops.stoppedAt })
      .from(stops)
      .where(and(eq(stops.userId, userId), gt(stops.stoppedAt, since)))
    if (recent.length < stopLimits.stops) return
    const waitS = Math.max(1, Math.ceil((Math.min(...recent.map(({ at }) => at)) - since) / 1000))
    throw new Refusal('stopped-often', {
      values: { limit: stopLimits.stops, waitS },
      detail: { retry_after_s: waitS },
    })
  }

  async #allowanceRequired(
    session: Session,
    reason: 'key-closed' | 'key-reads-only' | 'locked-meanwhile' = 'key-closed',
  ): Promise<Refusal> {
    return new Refusal(reason, {
      detail: { methods: await this.#keyrings.methods(session.user.id) },
    })
  }

  #binding(userId: number, sessionId: string, allowanceId: string) {
    return JSON.stringify(['wafer/allowance/v1', userId, sessionId, allowanceId, this.#epoch.id])
  }

  async #note(session: Session, entry: Omit<LedgerEntry, 'userId' | 'terminal' | 'address'>) {
    await this.#ledger.append({
      ...entry,
      userId: session.user.id,
      terminal: session.terminal,
      address: session.address,
    })
  }

  async #noteEnd(row: AllowanceRow, session: SessionRow) {
    const { userId, method } = row
    const { terminal, address } = session
    await this.#ledger.append({
      userId,
      event: 'ended',
      terminal,
      address,
      method,
      reason: { kind: this.#endReason(row, session) ?? 'expired' },
    })
  }
}

const usedFor = ({
  scope,
  file,
}: {
  scope: Scope
  file?: string
}): ReasonOf<'decrypted' | 'signed' | 'file-decrypted'> => {
  if (file !== undefined) return { kind: 'file-decrypted', name: file }
  return { kind: scope === 'read' ? 'decrypted' : 'signed' }
}

const asHolder = ({ row, terminal }: { row: AllowanceRow; terminal: string }): Holder => ({
  grant: row.id,
  terminal,
  since: row.grantedAt,
  last_used: row.usedAt,
})

const tokenOctets = (keyToken: string | null): Uint8Array | null => {
  const octets = keyToken === null ? null : Buffer.from(keyToken, 'base64url')
  return octets?.length === 32 ? octets : null
}
