/**
 * Sessions: one per terminal, told apart by a token of which only the hash is stored (P50). A session ends when its
 * terminal logs out, a fixed time after the last contact, or at the latest after its longest time (S1080, P38); the
 * allowance that belongs to it ends with it, by a foreign key (P39).
 */
import { createHash, randomBytes } from 'node:crypto'
import { and, asc, eq, gt, inArray, isNull, lte, ne, or, type SQL, sql } from 'drizzle-orm'
import type { Clock } from '../ground/clock.ts'
import type { Config } from '../ground/config.ts'
import { contactNoteMs, parkedFormMs } from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'
import type { Database } from '../ground/store/database.ts'
import { allowances, sessionEnds, sessions, users } from '../ground/store/tables.ts'
import type { Ledger } from './ledger.ts'
import type { User } from './user.ts'

export type Session = {
  id: string
  user: User
  terminal: string
  address: string
  createdAt: number
  contactAt: number
  /** The latest end, whatever the contact. */
  endsAt: number
  /** Who stopped this session's allowance, until it was told. */
  stopped: { at: number; by: { terminal: string; address: string } } | null
}
/** Who showed who they are, before a session of theirs begins. */
export type LogIn = {
  user: User
  /**
   * Asked in the transaction in which the session begins: the work before it took its time.
   *
   * @throws Refusal `bad-credentials` if what was shown (password, passkey) is not good any more
   */
  requireStands: () => Promise<void>
}
/** What becomes of the key with what becomes of a session. */
export type SessionKey = {
  /** In the transaction that ends the user's allowance with its session: processes with the key are to end too. */
  taken(userId: number): Promise<void>
  /** In the transaction that notes a contact of a session which came too late to keep the key. */
  lose(sessionId: string): Promise<void>
}
export type SessionEnd = 'logout' | 'expired' | 'ended'

export class Sessions {
  readonly #db: Database
  readonly #clock: Clock
  readonly #config: Config
  readonly #ledger: Ledger
  readonly #key: SessionKey

  constructor(options: { db: Database; clock: Clock; config: Config; ledger: Ledger; key: SessionKey }) {
    this.#db = options.db
    this.#clock = options.clock
    this.#config = options.config
    this.#ledger = options.ledger
    this.#key = options.key
  }

  /** The condition under which a session is alive, for every question that depends on one. */
  live(): SQL {
    const now = this.#clock()
    return and(gt(sessions.contactAt, now - this.#config.sessionIdleMs), gt(sessions.endsAt, now))!
  }

  /** The condition under which a session may hold the key: alive, and in contact as its terminal promised. */
  inContact(): SQL {
    const inTime = sql`${sessions.contactAt} + ${sessions.heartbeatMs} > ${this.#clock()}`
    return and(this.live(), or(isNull(sessions.heartbeatMs), inTime))!
  }

  /**
   * @param terminal what the terminal calls itself; @param address where it is
   * @param options.heartbeatMs the terminal promises contact at least twice in this time: without any, it loses the key
   * @param options.ofConnection it lasts for as long as a connection that this process holds
   * @throws Refusal as {@link LogIn.requireStands} does
   */
  async begin(
    { user, requireStands }: LogIn,
    terminal: string,
    address: string,
    {
      heartbeatMs = null,
      ofConnection = false,
    }: { heartbeatMs?: number | null; ofConnection?: boolean } = {},
  ): Promise<{ token: string; session: Session }> {
    const token = randomBytes(32).toString('base64url')
    const now = this.#clock()
    const row = {
      id: randomBytes(16).toString('base64url'),
      tokenHash: hash(token),
      userId: user.id,
      terminal:
        terminal
          .replace(/[\p{Cc}\p{Cf}]+/gu, ' ')
          .trim()
          .slice(0, 60) || 'unnamed terminal',
      address,
      createdAt: now,
      contactAt: now,
      endsAt: now + this.#config.sessionMaxMs,
      heartbeatMs,
      ofConnection,
    }
    await this.#db.transaction(user.id, async () => {
      await requireStands()
      await this.#db.insert(sessions).values(row)
    })
    return {
      token,
      session: toSession({ ...row, stoppedAt: null, stoppedByTerminal: null, stoppedByAddress: null }, user),
    }
  }

  /** The live session of a token, its contact noted; null if there is none. */
  async contact(token: string): Promise<Session | null> {
    const [found] = await this.#db
      .select({ session: sessions, user: { id: users.id, address: users.address, name: users.name } })
      .from(sessions)
      .innerJoin(users, eq(users.id, sessions.userId))
      .where(and(eq(sessions.tokenHash, hash(token)), this.live()))
    if (!found) return null
    const now = this.#clock()
    const { id, contactAt, heartbeatMs } = found.session
    // Not every request is worth a durable write: a tenth of the idle time is near enough.
    const nearEnoughMs = Math.min(
      this.#config.sessionIdleMs / 10,
      contactNoteMs,
      (heartbeatMs ?? Infinity) / 3,
    )
    // Another process may write for seconds: a contact that changes nothing else can be noted with the next one.
    const isLate = heartbeatMs !== null && now - contactAt >= heartbeatMs
    if (now - contactAt >= nearEnoughMs) {
      const noted = this.#db.transaction(found.user.id, async () => {
        // What was lost meanwhile must not come to life again by this contact.
        if (isLate) await this.#key.lose(id)
        await this.#db.update(sessions).set({ contactAt: now }).where(eq(sessions.id, id))
      })
      if (isLate) await noted
      else noted.catch(() => {})
      found.session.contactAt = now
    }
    return toSession(found.session, found.user)
  }

  /** Contact, while a request of the session takes long. What has ended does not come to life by it. */
  async stay(session: Session): Promise<void> {
    const which = and(eq(sessions.id, session.id), this.inContact())
    await this.#db.update(sessions).set({ contactAt: this.#clock() }).where(which)
  }

  /** Whose session this token was, within the hour after its end. */
  async formerUserId(token: string): Promise<number | null> {
    const tokenHash = hash(token)
    const [ended] = await this.#db.select().from(sessionEnds).where(eq(sessionEnds.tokenHash, tokenHash))
    if (ended) return ended.userId
    const [session] = await this.#db.select().from(sessions).where(eq(sessions.tokenHash, tokenHash))
    return session?.userId ?? null
  }

  /** The user's live sessions, oldest first. */
  async list(user: User): Promise<Session[]> {
    const rows = await this.#db
      .select()
      .from(sessions)
      .where(and(eq(sessions.userId, user.id), this.live()))
      .orderBy(asc(sessions.createdAt))
    return rows.map((row) => toSession(row, user))
  }

  /** The stopped session has read who stopped it. */
  async acknowledgeStop(session: Session): Promise<void> {
    const told = { stoppedAt: null, stoppedByTerminal: null, stoppedByAddress: null }
    await this.#db.update(sessions).set(told).where(eq(sessions.id, session.id))
  }

  /** Those of these sessions that are alive. */
  async alive(ids: string[]): Promise<Set<string>> {
    const rows = await this.#db
      .select({ id: sessions.id })
      .from(sessions)
      .where(and(inArray(sessions.id, ids), this.live()))
    return new Set(rows.map(({ id }) => id))
  }

  /** Where this process alone serves the database, and begins: connections of one before it are gone. */
  async endLeftConnections(): Promise<void> {
    const left = await this.#db
      .select({ id: sessions.id })
      .from(sessions)
      // As their index says it: with a value in it, the index would not be used.
      .where(and(sql`${sessions.ofConnection}`, gt(sessions.endsAt, this.#clock())))
    for (const { id } of left) await this.end(id, 'ended')
  }

  async end(id: string, reason: SessionEnd): Promise<void> {
    const which = eq(sessions.id, id)
    const [session] = await this.#db.select({ userId: sessions.userId }).from(sessions).where(which)
    if (!session) return
    await this.#endWhere(session.userId, which, reason)
  }

  /** @throws Refusal `not-found` if the user has no such session */
  async endOwn(user: User, id: string): Promise<void> {
    const ended = await this.#endWhere(user.id, eq(sessions.id, id), 'ended')
    if (ended === 0) throw new Refusal('terminal-logged-out')
  }

  /**
   * Asked in the transaction that changes what opens the key: work that outlived its session changes nothing.
   *
   * @throws Refusal `no-session`
   */
  async requireLive(session: Session) {
    const which = and(eq(sessions.id, session.id), this.live())
    const [live] = await this.#db.select({ id: sessions.id }).from(sessions).where(which)
    if (!live) throw sessionEnded()
  }

  // The next three are part of the caller's transaction: a change and the ends that it brings happen both or not at
  // all.

  /** With a change of what opens the key: whoever else is logged in as this user is not any more (ASVS 7.4.3). */
  async endOthers(session: Session): Promise<void> {
    await this.#endWhere(session.user.id, ne(sessions.id, session.id), 'ended')
  }

  async endAllOf(user: User): Promise<void> {
    await this.#endWhere(user.id, undefined, 'ended')
  }

  async endOne(user: User, id: string): Promise<void> {
    await this.#endWhere(user.id, eq(sessions.id, id), 'ended')
  }

  /**
   * Asked before the key is opened for a session, and compared in the transaction that grants it
   * (allowances.ts): what was locked or stopped in between stays so.
   *
   * @throws Refusal `no-session`
   */
  async lockCount(session: Pick<Session, 'id'>): Promise<number> {
    const which = and(eq(sessions.id, session.id), this.live())
    const [row] = await this.#db.select({ lockCount: sessions.lockCount }).from(sessions).where(which)
    if (!row) throw sessionEnded()
    return row.lockCount
  }

  /** Part of the caller's transaction: no unlock that is on its way for this session opens the key. */
  async countLock(session: Session) {
    await this.#countLocks(eq(sessions.id, session.id))
  }

  /** The same for all sessions of a user. */
  async countStop(user: User) {
    await this.#countLocks(eq(sessions.userId, user.id))
  }

  async #countLocks(which: SQL) {
    await this.#db
      .update(sessions)
      .set({ lockCount: sql`${sessions.lockCount} + 1` })
      .where(which)
  }

  /** Tidies what has expired: nothing depends on it, expiry is judged at each use. */
  async sweep(): Promise<void> {
    const now = this.#clock()
    const expired = or(lte(sessions.contactAt, now - this.#config.sessionIdleMs), lte(sessions.endsAt, now))!
    // Not DISTINCT in the statement, for which an engine may read all sessions by user.
    const rows = await this.#db.select({ userId: sessions.userId }).from(sessions).where(expired)
    for (const id of new Set(rows.map(({ userId }) => userId))) await this.#endWhere(id, expired, 'expired')
    await this.#db.delete(sessionEnds).where(lte(sessionEnds.endedAt, now - parkedFormMs))
  }

  /** @param which of the user's sessions; undefined for all. @returns how many these were */
  async #endWhere(userId: number, which: SQL | undefined, reason: SessionEnd): Promise<number> {
    return this.#db.transaction(userId, async () => {
      const found = await this.#db
        .select({ session: sessions, method: allowances.method })
        .from(sessions)
        .leftJoin(allowances, eq(allowances.sessionId, sessions.id))
        .where(and(eq(sessions.userId, userId), which))
      for (const { session, method } of found) {
        const { terminal, address, tokenHash } = session
        if (method)
          await this.#ledger.append({
            userId,
            event: 'ended',
            terminal,
            address,
            method,
            reason: { kind: reason },
          })
        await this.#db
          .insert(sessionEnds)
          .values({ tokenHash, userId, reason, endedAt: this.#clock() })
          .onConflictDoNothing()
        await this.#db.delete(sessions).where(eq(sessions.id, session.id))
      }
      if (found.some(({ method }) => method !== null)) await this.#key.taken(userId)
      return found.length
    })
  }
}

const sessionEnded = () => new Refusal('session-ended')

const hash = (token: string): Uint8Array =>
  createHash('sha256').update('wafer/session/v1').update(token).digest()

const toSession = (
  row: Omit<
    typeof sessions.$inferSelect,
    'tokenHash' | 'userId' | 'heartbeatMs' | 'lockCount' | 'ofConnection'
  >,
  user: User,
): Session => ({
  id: row.id,
  user,
  terminal: row.terminal,
  address: row.address,
  createdAt: row.createdAt,
  contactAt: row.contactAt,
  endsAt: row.endsAt,
  stopped:
    row.stoppedAt === null
      ? null
      : {
          at: row.stoppedAt,
          by: { terminal: row.stoppedByTerminal ?? '', address: row.stoppedByAddress ?? '' },
        },
})
