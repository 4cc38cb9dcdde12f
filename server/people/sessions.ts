/**
 * Sessions: one per terminal, told apart by a token of which only the hash is stored (P50). A session ends when its
 * terminal logs out, a fixed time after the last contact, or at the latest after its longest time (S1080, P38); the
 * allowance that belongs to it ends with it, by a foreign key (P39).
 */
import { createHash, randomBytes } from 'node:crypto'
import { and, asc, eq, gt, isNull, lte, ne, or, type SQL, sql } from 'drizzle-orm'
import type { Clock } from '../ground/clock.ts'
import type { Config } from '../ground/config.ts'
import { allowances, type Database, immediate, sessionEnds, sessions, users } from '../ground/database.ts'
import { contactNoteMs, parkedFormMs } from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'
import { isWritable, writeTurn } from '../ground/write-turn.ts'
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
  requireStands: () => void
}
/** What becomes of the key with what becomes of a session. */
export type SessionKey = {
  /** The user's allowance ended with its session, for certain: processes with the key are to end too. */
  close(userId: number): void
  /** In the transaction that notes a contact of a session which came too late to keep the key. */
  lose(sessionId: string): void
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
   * @param heartbeatMs the terminal promises contact at least twice in this time: without any, it loses the key
   * @throws Refusal as {@link LogIn.requireStands} does
   */
  async begin(
    { user, requireStands }: LogIn,
    terminal: string,
    address: string,
    heartbeatMs: number | null = null,
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
    }
    this.#db.transaction((tx) => {
      requireStands()
      tx.insert(sessions).values(row).run()
    }, immediate)
    return {
      token,
      session: toSession({ ...row, stoppedAt: null, stoppedByTerminal: null, stoppedByAddress: null }, user),
    }
  }

  /** The live session of a token, its contact noted; null if there is none. */
  async contact(token: string): Promise<Session | null> {
    const found = this.#db
      .select({ session: sessions, user: { id: users.id, address: users.address, name: users.name } })
      .from(sessions)
      .innerJoin(users, eq(users.id, sessions.userId))
      .where(and(eq(sessions.tokenHash, hash(token)), this.live()))
      .get()
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
    if (isLate) await writeTurn(this.#db)
    if (now - contactAt >= nearEnoughMs && (isLate || isWritable(this.#db))) {
      this.#db.transaction((tx) => {
        // What was lost meanwhile must not come to life again by this contact.
        if (isLate) this.#key.lose(id)
        tx.update(sessions).set({ contactAt: now }).where(eq(sessions.id, id)).run()
      }, immediate)
      found.session.contactAt = now
    }
    return toSession(found.session, found.user)
  }

  /** Whose session this token was, within the hour after its end. */
  async formerUserId(token: string): Promise<number | null> {
    const tokenHash = hash(token)
    const ended = this.#db.select().from(sessionEnds).where(eq(sessionEnds.tokenHash, tokenHash)).get()
    if (ended) return ended.userId
    return this.#db.select().from(sessions).where(eq(sessions.tokenHash, tokenHash)).get()?.userId ?? null
  }

  /** The user's live sessions, oldest first. */
  async list(user: User): Promise<Session[]> {
    const rows = this.#db
      .select()
      .from(sessions)
      .where(and(eq(sessions.userId, user.id), this.live()))
      .orderBy(asc(sessions.createdAt))
      .all()
    return rows.map((row) => toSession(row, user))
  }

  /** The stopped session has read who stopped it. */
  async acknowledgeStop(session: Session): Promise<void> {
    const told = { stoppedAt: null, stoppedByTerminal: null, stoppedByAddress: null }
    this.#db.update(sessions).set(told).where(eq(sessions.id, session.id)).run()
  }

  async end(id: string, reason: SessionEnd): Promise<void> {
    this.#endWhere(eq(sessions.id, id), reason).tell()
  }

  /** @throws Refusal `not-found` if the user has no such session */
  async endOwn(user: User, id: string): Promise<void> {
    const { ended, tell } = this.#endWhere(and(eq(sessions.id, id), eq(sessions.userId, user.id))!, 'ended')
    if (ended === 0) throw new Refusal('terminal-logged-out')
    tell()
  }

  /**
   * Asked in the transaction that changes what opens the key: work that outlived its session changes nothing.
   *
   * @throws Refusal `no-session`
   */
  requireLive(session: Session) {
    const which = and(eq(sessions.id, session.id), this.live())
    if (!this.#db.select({ id: sessions.id }).from(sessions).where(which).get()) throw sessionEnded()
  }

  // The next three are part of the caller's transaction: a change and the ends that it brings happen both or not at
  // all. Each returns what is to be called once that is committed, and ends the processes that have the key.

  /** With a change of what opens the key: whoever else is logged in as this user is not any more (ASVS 7.4.3). */
  endOthers(session: Session): () => void {
    return this.#endWhere(and(eq(sessions.userId, session.user.id), ne(sessions.id, session.id))!, 'ended')
      .tell
  }

  endAllOf(user: User): () => void {
    return this.#endWhere(eq(sessions.userId, user.id), 'ended').tell
  }

  endOne(id: string): () => void {
    return this.#endWhere(eq(sessions.id, id), 'ended').tell
  }

  /**
   * Asked before the key is opened for a session, and compared in the transaction that grants it
   * (allowances.ts): what was locked or stopped in between stays so.
   *
   * @throws Refusal `no-session`
   */
  lockCount(session: Pick<Session, 'id'>): number {
    const which = and(eq(sessions.id, session.id), this.live())
    const row = this.#db.select({ lockCount: sessions.lockCount }).from(sessions).where(which).get()
    if (!row) throw sessionEnded()
    return row.lockCount
  }

  /** Part of the caller's transaction: no unlock that is on its way for this session opens the key. */
  countLock(session: Session) {
    this.#countLocks(eq(sessions.id, session.id))
  }

  /** The same for all sessions of a user. */
  countStop(user: User) {
    this.#countLocks(eq(sessions.userId, user.id))
  }

  #countLocks(which: SQL) {
    this.#db
      .update(sessions)
      .set({ lockCount: sql`${sessions.lockCount} + 1` })
      .where(which)
      .run()
  }

  /** Tidies what has expired: nothing depends on it, expiry is judged at each use. */
  async sweep(): Promise<void> {
    const now = this.#clock()
    const expired = or(lte(sessions.contactAt, now - this.#config.sessionIdleMs), lte(sessions.endsAt, now))!
    this.#endWhere(expired, 'expired').tell()
    this.#db
      .delete(sessionEnds)
      .where(lte(sessionEnds.endedAt, now - parkedFormMs))
      .run()
  }

  #endWhere(which: SQL, reason: SessionEnd): { ended: number; tell: () => void } {
    const rows = this.#db.transaction((tx) => {
      const found = tx
        .select({ session: sessions, method: allowances.method })
        .from(sessions)
        .leftJoin(allowances, eq(allowances.sessionId, sessions.id))
        .where(which)
        .all()
      for (const { session, method } of found) {
        const { userId, terminal, address, tokenHash } = session
        if (method)
          this.#ledger.append({ userId, event: 'ended', terminal, address, method, reason: { kind: reason } })
        tx.insert(sessionEnds)
          .values({ tokenHash, userId, reason, endedAt: this.#clock() })
          .onConflictDoNothing()
          .run()
        tx.delete(sessions).where(eq(sessions.id, session.id)).run()
      }
      return found
    }, immediate)
    const tell = () => {
      for (const { session, method } of rows) if (method) this.#key.close(session.userId)
    }
    return { ended: rows.length, tell }
  }
}

const sessionEnded = () => new Refusal('session-ended')

const hash = (token: string): Uint8Array =>
  createHash('sha256').update('wafer/session/v1').update(token).digest()

const toSession = (
  row: Omit<typeof sessions.$inferSelect, 'tokenHash' | 'userId' | 'heartbeatMs' | 'lockCount'>,
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
