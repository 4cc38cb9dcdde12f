/**
 * Outgoing mail. Copies for this server's users go straight into their mailboxes; others wait in the queue (the table
 * `outbox`, of which this module is the only writer) and leave through the relay. Mail that cannot be delivered comes
 * back to its sender as a report (RFC 3464).
 *
 * A letter may be held for a while before it leaves. As long as no process has claimed any of its mails, all of them
 * can be taken back. Who claims one forgets its copy, in all of them, before it is sent; until then it is there for who
 * takes the letter back, finds that not all were left, and undoes that: so it is one or the other.
 *
 * A row belongs to the process that moved its `next_at` ahead, until then; `attempts` has grown with it, so that one
 * who comes back too late changes nothing. A mail is sent at least once: after a crash between the relay's 250 and our
 * note of it, a second time.
 *
 * Its sender sees what waits, may have it tried at once, and may give it up; only what is on its way just then is left
 * alone. `last_error` tells the two apart: it is null while a row is at work, and says why from when it was put off.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { and, asc, count, desc, eq, isNotNull, isNull, lt, lte, min, or, sql } from 'drizzle-orm'
import type { SMTPError } from 'nodemailer/lib/smtp-connection'
import type { Logger } from 'pino'
import type { Clock } from '../ground/clock.ts'
import type { Config } from '../ground/config.ts'
import { inTurns } from '../ground/in-turns.ts'
import { queueLimits } from '../ground/limits.ts'
import type { Delay } from '../ground/reasons.ts'
import { Refusal } from '../ground/refusal.ts'
import { counted, type Database, ofUsers } from '../ground/store/database.ts'
import { toTake } from '../ground/store/kit.ts'
import { outbox } from '../ground/store/tables.ts'
import type { Quota } from '../people/quota.ts'
import { recipientOf } from '../people/recipients.ts'
import { mailAddress, type User, type Users } from '../people/users.ts'
import type { Contents } from './contents.ts'
import type { Mailboxes } from './mailboxes.ts'
import { judged, sendThrough, withCleanLines } from './relay.ts'
import { type Failure, undeliverable } from './reports.ts'

export type Outgoing = {
  userId: number
  /** Envelope sender, the user's address. */
  sender: string
  recipients: string[]
  octets: Uint8Array
}
/** Mails of one letter whose octets are stored, for the queue. */
export type Kept = { mail: Omit<Outgoing, 'octets'>; contentId: number; size: number }[]
/** The row in the queue if there is one, and which recipients have the mail already. */
export type Submitted = { id: number | null; delivered: string[]; queued: string[] }
/** A mail that is ready to be sent, within an hour. */
export type Departure = {
  /** Whose rows that is about. */
  users: number[]
  /**
   * Sends it, as part of the caller's transaction, after which comes {@link Outbox.lookAgain}.
   *
   * @throws Refusal `over-quota` if the sender has no room for what waits
   */
  leave(): Promise<Submitted>
}
/** A mail that has not left yet for all whom it is to, as its sender sees it. */
export type Waiting = {
  id: number
  /** Those who have not got it. */
  to: string[]
  /** From when on it was to leave; null as long as that time is still to come. */
  since: number | null
  /** When it is tried next. */
  nextAt: number
  /** Why it did not leave when it was tried last; null if it was not. */
  why: Delay | null
  /** `held`: can still be taken back; `sending`: a process is at work on it. */
  state: 'held' | 'sending' | 'waiting'
  /** Of a held one, the letter's copy in Sent. */
  copyId: number | null
}
/** What is in the queue, with the octets. */
type OutboxRow = typeof outbox.$inferSelect & { octets: Buffer }
type Outcome = { address: string } & (
  | { state: 'delivered' }
  | { state: 'later'; why: Delay }
  /** `status` is an enhanced status code (RFC 3463). */
  | { state: 'failed'; why: Failure; status: string }
)

const mailboxFull: Delay = { kind: 'mailbox-full' }
const mailboxUnwritable = (codes: string[]): Delay => ({ kind: 'mailbox-unwritable', codes })

export class Outbox {
  readonly #db: Database
  readonly #config: Pick<Config, 'relay' | 'hostname' | 'domains'>
  readonly #users: Pick<Users, 'byAddress' | 'areIn'>
  readonly #mailboxes: Pick<Mailboxes, 'prepare'>
  readonly #contents: Contents
  readonly #quota: Quota
  readonly #clock: Clock
  readonly #log: Logger
  readonly #breakOff = new AbortController()
  #closing = false
  #started = false
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> = Promise.resolve()
  /** The database is away, and that was said. */
  #isAway = false

  constructor(options: {
    db: Database
    config: Pick<Config, 'relay' | 'hostname' | 'domains'>
    users: Pick<Users, 'byAddress' | 'areIn'>
    mailboxes: Pick<Mailboxes, 'prepare'>
    contents: Contents
    quota: Quota
    clock: Clock
    log: Logger
  }) {
    this.#db = options.db
    this.#config = options.config
    this.#users = options.users
    this.#mailboxes = options.mailboxes
    this.#contents = options.contents
    this.#quota = options.quota
    this.#clock = options.clock
    this.#log = options.log
  }

  /**
   * Says where a mail to these would go, without sending it. A recipient named twice is there once.
   *
   * @throws Refusal `bad-address` or `no-relay`, with the addresses
   */
  async resolve(
    recipients: string[],
  ): Promise<{ local: { address: string; user: User }[]; outside: string[] }> {
    const bad: string[] = []
    const local: { address: string; user: User }[] = []
    const outside: string[] = []
    const seen = new Set<string>()
    for await (const address of inTurns(recipients.map((text) => text.trim()))) {
      if (seen.has(address.toLowerCase())) continue
      seen.add(address.toLowerCase())
      const recipient = isMailAddress(address) ? await this.#recipientOf(address) : 'unknown'
      if (recipient === 'unknown') bad.push(address)
      else if (recipient === 'elsewhere') outside.push(address)
      else local.push({ address, user: recipient })
    }
    if (seen.size === 0) throw new Refusal('mail-without-recipient', { detail: { addresses: [] } })
    if (bad.length > 0)
      throw new Refusal('no-mailbox', { values: { addresses: bad }, detail: { addresses: bad } })
    if (outside.length > 0 && !this.#config.relay)
      throw new Refusal('no-relay', { values: { addresses: outside }, detail: { addresses: outside } })
    return { local, outside }
  }

  /**
   * Sends a mail. When it resolves, every copy is in a mailbox or in the queue.
   *
   * @throws Refusal as `resolve`, or `over-quota`; nothing was delivered or stored then
   */
  async submit(mail: Outgoing): Promise<Submitted> {
    const { users, leave } = await this.prepare(mail)
    const submitted = await this.#db.transaction(ofUsers(users), leave)
    this.lookAgain()
    return submitted
  }

  /**
   * Does of sending a mail what takes time and can be refused. Copies for our own users and the place in the queue for
   * the others come in one transaction, so that a crash neither loses nor doubles one.
   *
   * @throws Refusal as `resolve`
   */
  async prepare({ octets: composed, ...mail }: Outgoing): Promise<Departure> {
    const { local, outside } = await this.resolve(mail.recipients)
    const here = local.map(({ address }) => address)
    const octets = await withCleanLines(composed)
    const size = octets.length // what is returned must not hold the octets themselves
    const contentId = await this.#contents.keep(octets)
    const deliver = await this.#reachOurs(local, octets, contentId)
    const users = usersOf(local)
    const leave = async () => {
      const full = deliver ? await deliver() : users
      const waiting = local.filter(({ user }) => full.includes(user.id)).map(({ address }) => address)
      const delivered = here.filter((address) => !waiting.includes(address))
      const queued = [...waiting, ...outside]
      if (queued.length === 0) return { id: null, delivered, queued }
      await this.#quota.require(mail.userId, size)
      const now = this.#clock()
      const tried = {
        nextAt: now + queueLimits.soonMs,
        attempts: 1,
        lastError: deliver ? mailboxFull : mailboxUnwritable([]),
      }
      const wait = waiting.length === 0 ? { nextAt: now, attempts: 0 } : tried
      const id = await this.#enqueue({ ...mail, contentId, size, recipients: queued, ...wait })
      return { id, delivered, queued }
    }
    return { users: [mail.userId, ...users], leave }
  }

  async #reachOurs(local: { user: User }[], octets: Uint8Array, contentId: number) {
    if (local.length === 0) return async () => []
    try {
      return await this.#mailboxes.prepare(usersOf(local), octets, { contentId })
    } catch (error) {
      this.#log.error({ codes: codesOf(error) }, 'mail to our own users waits in the queue')
      return null
    }
  }

  /** Stores the mails of a letter, for {@link hold} within an hour. */
  async keep(mails: Outgoing[]): Promise<Kept> {
    const kept: Kept = []
    for (const { octets: composed, ...mail } of mails) {
      const octets = await withCleanLines(composed)
      kept.push({ mail, contentId: await this.#contents.keep(octets), size: octets.length })
    }
    return kept
  }

  /**
   * Puts the mails of one letter into the queue, from which they leave later. Part of the caller's transaction, which
   * stores the copy in Sent, and after which comes {@link lookAgain}.
   *
   * @param mails their recipients are as `resolve` took them
   * @param copyId the copy, by which the letter can be taken back; null for one that shall not be
   * @returns when they leave
   * @throws Refusal `over-quota`
   */
  async hold(mails: Kept, holdMs: number, copyId: number | null): Promise<number> {
    const nextAt = this.#clock() + holdMs
    for (const { mail, contentId, size } of mails) {
      await this.#quota.require(mail.userId, size)
      await this.#enqueue({ ...mail, contentId, size, nextAt, messageId: copyId })
    }
    return nextAt
  }

  /** Sends what is due by now: for after a transaction that put something into the queue. */
  lookAgain() {
    this.#wake(0)
  }

  /**
   * Takes back a letter that is held: all its mails or none.
   *
   * @param copyId its copy in Sent
   * @param settle called in the transaction; what it throws undoes everything
   * @throws Refusal `too-late` once the first of its mails is on its way, or was sent
   */
  async recall(userId: number, copyId: number, settle: () => Promise<void>): Promise<void> {
    await this.#db.transaction(userId, async () => {
      const mails = and(eq(outbox.messageId, copyId), eq(outbox.userId, userId))
      const held = await this.#db
        .delete(outbox)
        .where(and(mails, eq(outbox.attempts, 0)))
        .returning(counted)
      const [claimed] = await this.#db.select({ id: outbox.id }).from(outbox).where(mails).limit(1)
      if (held.length === 0 || claimed) throw new Refusal('letter-waits-no-more')
      await settle()
    })
    await this.#contents.sweep()
  }

  /**
   * What a user sent that has not left yet, newest first.
   *
   * @param page.before the id that the page before ended with
   */
  async waiting(userId: number, page: { before: number | null; limit: number }): Promise<Waiting[]> {
    const now = this.#clock()
    const rows = await this.#db
      .select()
      .from(outbox)
      .where(and(eq(outbox.userId, userId), page.before === null ? undefined : lt(outbox.id, page.before)))
      .orderBy(desc(outbox.id))
      .limit(page.limit)
    return rows.map((row) => asSeen(row, now))
  }

  /** How many mails of a user have not left yet. */
  async countWaiting(userId: number): Promise<number> {
    const [row] = await this.#db.select({ mails: count() }).from(outbox).where(eq(outbox.userId, userId))
    return row?.mails ?? 0
  }

  /** One of them. @throws Refusal `not-found` */
  async oneWaiting(userId: number, id: number): Promise<Waiting> {
    const [row] = await this.#db
      .select()
      .from(outbox)
      .where(and(eq(outbox.id, id), eq(outbox.userId, userId)))
    if (!row) throw new Refusal('mail-waits-no-more')
    return asSeen(row, this.#clock())
  }

  /**
   * Has a mail tried at once. A letter that is held leaves with all its mails: it cannot be taken back from then on.
   *
   * @throws Refusal `not-found`; `too-late` while it is on its way
   */
  async retry(userId: number, id: number): Promise<void> {
    const now = this.#clock()
    const letter = this.#db.select({ copy: outbox.messageId }).from(outbox).where(eq(outbox.id, id))
    const hurried = await this.#db
      .update(outbox)
      .set({
        nextAt: now,
        createdAt: sql`CASE WHEN ${outbox.createdAt} > ${now} THEN ${now} ELSE ${outbox.createdAt} END`,
      })
      .where(
        and(
          eq(outbox.userId, userId),
          or(eq(outbox.id, id), sql`${outbox.messageId} = ${letter}`),
          this.#isLeftAlone(now),
        ),
      )
      .returning(counted)
    if (hurried.length === 0) throw await this.#whyNot(userId, id)
    this.#wake(0)
  }

  /**
   * Gives up a mail that is not held (one that is, {@link recall} takes back): whom it has not reached by now it will
   * not reach, and a report says so.
   *
   * @throws Refusal `not-found`; `too-late` while it is on its way
   */
  async giveUp(userId: number, id: number): Promise<void> {
    const now = this.#clock()
    const mine = and(eq(outbox.id, id), eq(outbox.userId, userId), isNull(outbox.messageId))
    const [row] = await this.#db
      .select()
      .from(outbox)
      .where(and(mine, this.#isLeftAlone(now)))
    if (!row) throw await this.#whyNot(userId, id)
    // As a process that sends it does: nobody else takes it while the report is made.
    const claims = await this.#db
      .update(outbox)
      .set(claimed(now))
      .where(and(mine, eq(outbox.attempts, row.attempts)))
      .returning(counted)
    if (claims.length === 0) throw await this.#whyNot(userId, id)
    const octets = row.contentId === null ? Buffer.alloc(0) : await this.#contents.read(row.contentId)
    const why: Failure = { kind: 'given-up', after: row.lastError }
    const given = (JSON.parse(row.recipients) as string[]).map((address) => ({
      ...{ address, why, status: '5.0.0' },
      state: 'failed' as const,
    }))
    await this.#giveBack({ ...row, octets }, given)
    await this.#db.delete(outbox).where(and(mine, eq(outbox.attempts, row.attempts + 1)))
    await this.#contents.sweep()
  }

  /** No process is at work on it, or the one that was has not come back in time. */
  #isLeftAlone(now: number) {
    return or(eq(outbox.attempts, 0), isNotNull(outbox.lastError), lte(outbox.nextAt, now))
  }

  async #whyNot(userId: number, id: number): Promise<Refusal> {
    const { state } = await this.oneWaiting(userId, id)
    return state === 'held' ? new Refusal('letter-held') : new Refusal('mail-being-sent')
  }

  /** Sends what is due, and goes on doing so. */
  start() {
    this.#started = true
    this.#wake(0)
  }

  /**
   * Begins no further mail and lets those that are on their way arrive; what does not in time stays in the queue. A mail
   * that is broken off between its end and the relay's 250 would be sent twice. Safe to call twice.
   */
  async close(graceMs = queueLimits.graceMs): Promise<void> {
    this.#started = false
    this.#closing = true
    clearTimeout(this.#timer)
    const timer = setTimeout(() => this.#breakOff.abort(new Error('The server is going down')), graceMs)
    await this.#running
    clearTimeout(timer)
  }

  /** Sends all that is due now; resolves when each was delivered, given back or put off. */
  tick(): Promise<void> {
    this.#running = this.#running.then(async () => {
      await Promise.all(Array.from({ length: queueLimits.lanes }, () => this.#work()))
    })
    return this.#running
  }

  #wake(inMs: number) {
    if (!this.#started) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(async () => {
      await this.tick()
      this.#wake(await this.#untilNextMs())
    }, inMs)
    this.#timer.unref()
  }

  async #untilNextMs() {
    if (!this.#started) return queueLimits.pollMs
    try {
      const [row] = await this.#db.select({ at: min(outbox.nextAt) }).from(outbox)
      this.#isAway = false
      const next = row?.at ?? Number.POSITIVE_INFINITY
      return Math.min(Math.max(next - this.#clock(), queueLimits.shortestPollMs), queueLimits.pollMs)
    } catch (error) {
      this.#noteFailure(error, 'the queue of outgoing mail cannot be read')
      return queueLimits.awayMs
    }
  }

  async #work() {
    while (!this.#closing) {
      try {
        const row = await this.#claim()
        if (!row) return
        const octets = row.contentId === null ? Buffer.alloc(0) : await this.#contents.read(row.contentId)
        await this.#process({ ...row, octets })
      } catch (error) {
        this.#noteFailure(error, 'the queue of outgoing mail failed')
        return
      }
    }
  }

  /** A database that is away is spoken of once. */
  #noteFailure(error: unknown, what: string) {
    const isAway = isBusy(error)
    if (!(isAway && this.#isAway)) this.#log.error({ codes: codesOf(error) }, what)
    this.#isAway = isAway
  }

  /**
   * Notes what became of a mail that this process sent: while the database is away, for as long as the row is its own.
   * Without the note it would be sent a second time.
   */
  async #noted<T>(work: () => Promise<T>): Promise<T> {
    const endMs = performance.now() + queueLimits.claimMs - queueLimits.sendMs
    while (true) {
      try {
        return await work()
      } catch (error) {
        if (!isBusy(error) || this.#closing || performance.now() > endMs) throw error
        await pause(queueLimits.awayMs, undefined, { ref: false })
      }
    }
  }

  /** One row that is due, for this process alone. From then on its letter cannot be taken back. */
  async #claim(): Promise<Omit<OutboxRow, 'octets'> | undefined> {
    const now = this.#clock()
    const due = this.#db
      .select({ id: outbox.id })
      .from(outbox)
      .where(lte(outbox.nextAt, now))
      .orderBy(asc(outbox.nextAt), asc(outbox.id))
      .limit(1)
    const [row] = await this.#db
      .update(outbox)
      .set(claimed(now))
      .where(eq(outbox.id, toTake(due)))
      .returning()
    if (row?.userId && row.messageId) {
      const letter = eq(outbox.messageId, row.messageId)
      await this.#db.transaction(row.userId, async () => {
        await this.#db.update(outbox).set({ messageId: null }).where(letter)
      })
    }
    return row
  }

  async #process(row: OutboxRow) {
    const outcomes = (await this.#attempt(row)).map((outcome) => this.#final(row, outcome))
    const failed = outcomes.filter((outcome) => outcome.state === 'failed')
    if (failed.length > 0) await this.#noted(() => this.#giveBack(row, failed))
    const left = outcomes.filter((outcome) => outcome.state === 'later')
    const mine = and(eq(outbox.id, row.id), eq(outbox.attempts, row.attempts))
    if (left.length === 0) {
      await this.#noted(() => this.#db.delete(outbox).where(mine).execute())
      await this.#contents.sweep()
    } else {
      const waitMs = queueLimits.backOffMs[row.attempts - 1] ?? queueLimits.backOffMs.at(-1)!
      const recipients = JSON.stringify(left.map(({ address }) => address))
      const waiting = { recipients, nextAt: this.#clock() + waitMs, lastError: left[0]!.why }
      await this.#noted(() => this.#db.update(outbox).set(waiting).where(mine).execute())
    }
    const count = (state: Outcome['state']) => outcomes.filter((outcome) => outcome.state === state).length
    this.#log.info(
      {
        id: row.id,
        attempt: row.attempts,
        delivered: count('delivered'),
        later: count('later'),
        failed: failed.length,
      },
      'mail sent from the queue',
    )
  }

  /** What is put off too long has failed (RFC 3463: 4.4.7, delivery time expired). */
  #final(row: OutboxRow, outcome: Outcome): Outcome {
    if (outcome.state !== 'later' || this.#clock() - row.createdAt < queueLimits.giveUpMs) return outcome
    return { address: outcome.address, state: 'failed', why: outcome.why, status: '4.4.7' }
  }

  async #attempt(row: OutboxRow): Promise<Outcome[]> {
    const outcomes: Outcome[] = []
    const local: { address: string; user: User }[] = []
    const outside: string[] = []
    for await (const address of inTurns(JSON.parse(row.recipients) as string[])) {
      const recipient = await this.#recipientOf(address)
      if (recipient === 'elsewhere') outside.push(address)
      else if (recipient !== 'unknown') local.push({ address, user: recipient })
      else outcomes.push({ address, state: 'failed', status: '5.1.1', why: { kind: 'no-such-mailbox' } })
    }
    if (local.length > 0) outcomes.push(...(await this.#attemptLocal(row, local)))
    if (outside.length > 0) outcomes.push(...(await this.#attemptRelay(row, outside)))
    return outcomes
  }

  async #attemptLocal(row: OutboxRow, local: { address: string; user: User }[]): Promise<Outcome[]> {
    try {
      const { contentId } = row
      const users = usersOf(local)
      const stored = contentId === null ? {} : { contentId }
      const deliver = await this.#mailboxes.prepare(users, row.octets, stored)
      const full = await this.#db.transaction(ofUsers(users), async () => {
        const full = await deliver()
        await this.#forgetDelivered(row, local, full)
        return full
      })
      return local.map(({ address, user }) =>
        full.includes(user.id)
          ? { address, state: 'later', why: mailboxFull }
          : { address, state: 'delivered' },
      )
    } catch (error) {
      const why = mailboxUnwritable(codesOf(error))
      return local.map(({ address }) => ({ address, state: 'later', why }))
    }
  }

  /** In the transaction that delivers: whoever tries the row after a crash brings these no second copy. */
  async #forgetDelivered(row: OutboxRow, local: { address: string; user: User }[], full: number[]) {
    const delivered = local.filter(({ user }) => !full.includes(user.id)).map(({ address }) => address)
    const left = (JSON.parse(row.recipients) as string[]).filter((address) => !delivered.includes(address))
    const still = await this.#db
      .update(outbox)
      .set({ recipients: JSON.stringify(left) })
      .where(and(eq(outbox.id, row.id), eq(outbox.attempts, row.attempts)))
      .returning(counted)
    if (still.length === 0)
      throw new Error('expected a row of its own in the queue, got one of another process')
  }

  async #attemptRelay(row: OutboxRow, recipients: string[]): Promise<Outcome[]> {
    const { relay } = this.#config
    if (!relay) return recipients.map((address) => ({ address, state: 'later', why: { kind: 'no-relay' } }))
    let rejected: SMTPError[]
    try {
      const signal = AbortSignal.any([this.#breakOff.signal, AbortSignal.timeout(queueLimits.sendMs)])
      rejected = await sendThrough(relay, this.#config.hostname, { ...row, recipients }, signal)
    } catch (thrown) {
      const error = thrown as SMTPError
      if (!error.rejectedErrors?.length) return recipients.map((address) => ({ address, ...judged(error) }))
      rejected = error.rejectedErrors
    }
    return recipients.map((address) => {
      const error = rejected.find(({ recipient }) => recipient === address)
      return error ? { address, ...judged(error) } : { address, state: 'delivered' }
    })
  }

  /** Tells the sender what could not be delivered. A report that cannot be delivered is dropped (RFC 5321 §6.1). */
  async #giveBack(row: OutboxRow, failed: Extract<Outcome, { state: 'failed' }>[]) {
    this.#log.warn({ id: row.id, failed: failed.map(({ status }) => status) }, 'mail cannot be delivered')
    if (row.userId === null || row.sender === '') return
    const report = undeliverable(row, failed, { hostname: this.#config.hostname, now: this.#clock() })
    try {
      const deliver = await this.#mailboxes.prepare([row.userId], report)
      const full = await this.#db.transaction(row.userId, deliver)
      if (full.length > 0) throw new Refusal('mailbox-full')
    } catch (error) {
      this.#log.error(
        { id: row.id, codes: codesOf(error) },
        'a report on undelivered mail waits in the queue',
      )
      const contentId = await this.#contents.keep(report)
      const size = report.length
      const nextAt = this.#clock() + queueLimits.soonMs
      await this.#enqueue({ userId: null, sender: '', recipients: [row.sender], contentId, size, nextAt })
    }
  }

  async #enqueue(mail: {
    userId: number | null
    sender: string
    recipients: string[]
    contentId: number
    size: number
    nextAt: number
    attempts?: number
    lastError?: Delay
    messageId?: number | null
  }): Promise<number> {
    const { recipients, ...rest } = mail
    // The days until a mail is given up begin when it may leave, not when it was put on hold.
    const createdAt = Math.max(this.#clock(), mail.attempts ? 0 : mail.nextAt)
    const [row] = await this.#db
      .insert(outbox)
      .values({ ...rest, recipients: JSON.stringify(recipients), createdAt })
      .returning({ id: outbox.id })
    return row!.id
  }

  #recipientOf(address: string) {
    return recipientOf(address, { config: this.#config, users: this.#users })
  }
}

/** A row becomes that of the one who sends it. */
const claimed = (now: number) => ({
  nextAt: now + queueLimits.claimMs,
  attempts: sql`${outbox.attempts} + 1`,
  lastError: null,
})

const asSeen = (row: typeof outbox.$inferSelect, now: number): Waiting => {
  const { id, recipients, createdAt, nextAt, attempts, lastError, messageId } = row
  const isAtWork = attempts > 0 && lastError === null && nextAt > now
  return {
    id,
    to: JSON.parse(recipients),
    since: createdAt > now ? null : createdAt,
    nextAt,
    why: lastError,
    state: messageId !== null && attempts === 0 ? 'held' : isAtWork ? 'sending' : 'waiting',
    copyId: messageId,
  }
}

/** A user who is named by two addresses gets one copy. */
const usersOf = (local: { user: User }[]) => [...new Set(local.map(({ user }) => user.id))]

const isMailAddress = (text: string) => {
  try {
    return mailAddress(text) !== ''
  } catch {
    return false
  }
}

/** The database is away, or another process writes for too long. */
const isBusy = (error: unknown) => error instanceof Refusal && error.reason === 'server-busy'

/** What went wrong, without the words of the database, which may quote a mail. */
const codesOf = (error: unknown): string[] =>
  error instanceof Error
    ? [String((error as NodeJS.ErrnoException).code ?? error.name), ...codesOf(error.cause)]
    : []
