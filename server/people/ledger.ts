/**
 * The ledger: every grant, use, refusal and end of an allowance, for the key's owner to read. Each row is covered
 * by a MAC that includes the row before it, and the end of the chain by one of its own, under a key that is not in
 * the database: a row that was changed, put in or taken out is found by `check`. An end is made with each keyring, so
 * that an emptied ledger is not one that never began.
 *
 * An older end with its own MAC, or an older state of the whole database, fits all that. It is found by what is kept
 * elsewhere: the ends that this machine has seen (ledger-ends.ts), and the mark of the newest row that each terminal
 * has seen (`markOf`, `has`).
 */
import { timingSafeEqual } from 'node:crypto'
import { and, asc, desc, eq, inArray, isNotNull, isNull, lt } from 'drizzle-orm'
import type { Clock } from '../ground/clock.ts'
import { headsCompared, ledgerEndsSlack, ledgersAtOnce } from '../ground/limits.ts'
import type { ServerSecret } from '../ground/server-secret.ts'
import { type Database, everybody } from '../ground/store/database.ts'
import {
  keyrings,
  keySlots,
  type LedgerEventName,
  type LedgerMethod,
  ledger,
  ledgerHeads,
} from '../ground/store/tables.ts'
import type { LedgerEnd, LedgerEnds } from './ledger-ends.ts'
import { type LedgerReason, readReason, storedReason } from './ledger-reasons.ts'

export type LedgerEntry = {
  userId: number
  event: LedgerEventName
  terminal: string
  address: string
  method?: LedgerMethod | null
  reason?: LedgerReason | null
  messageId?: number | null
}
export type LedgerEvent = Required<LedgerEntry> & { id: number; at: number }
type Stored = Omit<typeof ledger.$inferSelect, 'id' | 'mac'>

/**
 * What is wrong with a ledger: rows were changed, put in or taken out; or it has not got the newest row that this
 * machine has seen, so that it was cut off, or the whole database is of an older time; or it was emptied.
 */
export type LedgerFault = 'changed' | 'older' | 'emptied'

export class Ledger {
  readonly #db: Database
  readonly #secret: ServerSecret
  readonly #clock: Clock
  readonly #ends: LedgerEnds | null
  /** The ends as they were noted; read when they are first asked for. */
  #noted: Map<number, LedgerEnd | null> | null = null
  /** Users whose ledgers have rows that were not noted yet. */
  readonly #unnoted = new Set<number>()
  #linesNoted = 0
  #isAboutToNote = false
  #noting: Promise<void> = Promise.resolve()

  /** @param options.ends where this machine notes how far each ledger goes; null to look at the database alone */
  constructor(options: { db: Database; secret: ServerSecret; clock: Clock; ends?: LedgerEnds | null }) {
    this.#db = options.db
    this.#secret = options.secret
    this.#clock = options.clock
    this.#ends = options.ends ?? null
  }

  /** Begins a user's ledger, in the transaction that makes their keyring: from here on, none at all is an emptied one. */
  async begin(userId: number) {
    const mac = this.#headMac(userId, 0, none)
    await this.#db.insert(ledgerHeads).values({ userId, lastId: 0, count: 0, mac }).onConflictDoNothing()
  }

  /**
   * At the first start on this machine: ledgers that never had a row begin now, and the ends are noted for the first
   * time. Later on it only looks.
   *
   * @returns ids of the users whose ledgers are not as this machine has seen them
   */
  async open(): Promise<number[]> {
    if (!this.#ends) return []
    if (this.#ends.exist) return this.#olderThanNoted()
    const missing = await this.#db
      .select({ userId: keyrings.userId })
      .from(keyrings)
      .leftJoin(ledgerHeads, eq(ledgerHeads.userId, keyrings.userId))
      .where(isNull(ledgerHeads.userId))
    for (const { userId } of missing) await this.begin(userId)
    this.#ends.replace(await this.ends())
    return []
  }

  /** Writes a row; also as a part of the caller's transaction. */
  async append(entry: LedgerEntry) {
    await this.#db.transaction(entry.userId, async () => {
      const [head] = await this.#db.select().from(ledgerHeads).where(eq(ledgerHeads.userId, entry.userId))
      const row = {
        userId: entry.userId,
        at: this.#clock(),
        event: entry.event,
        terminal: entry.terminal,
        address: entry.address,
        method: entry.method ?? null,
        reason: entry.reason ? storedReason(entry.reason) : null,
        messageId: entry.messageId ?? null,
      }
      const count = (head?.count ?? 0) + 1
      const before = head ? await this.#macOf(entry.userId, head.lastId) : null
      const mac = this.#rowMac(row, count, before)
      const [written] = await this.#db
        .insert(ledger)
        .values({ ...row, mac })
        .returning({ id: ledger.id })
      const next = {
        userId: entry.userId,
        lastId: written!.id,
        count,
        mac: this.#headMac(entry.userId, count, mac),
      }
      await this.#db
        .insert(ledgerHeads)
        .values(next)
        .onConflictDoUpdate({ target: ledgerHeads.userId, set: next })
    })
    this.#db.afterwards(() => this.#noteSoon(entry.userId))
  }

  #noteSoon(userId: number) {
    if (!this.#ends) return
    this.#unnoted.add(userId)
    if (this.#isAboutToNote) return
    this.#isAboutToNote = true
    setImmediate(() => {
      this.#isAboutToNote = false
      this.noteEnds().catch(() => {}) // it lags behind until the next row
    })
  }

  /**
   * Notes how far the ledgers go that got rows; by itself soon after each. Where the
   * file cannot be written (a full disk), it lags behind until the next row, and nobody waits for it.
   */
  noteEnds(): Promise<void> {
    const noting = this.#noting.then(async () => {
      const users = [...this.#unnoted]
      this.#unnoted.clear()
      try {
        await this.#noteEnds(users)
      } catch (error) {
        for (const userId of users) this.#unnoted.add(userId)
        if ((error as NodeJS.ErrnoException).code === undefined) throw error
      }
    })
    this.#noting = noting.catch(() => {})
    return noting
  }

  /** Notes the last ends; what is left unnoted then stays so. To be called before the database is closed. */
  async close() {
    await this.noteEnds()
    this.#unnoted.clear()
  }

  async #noteEnds(users: number[]) {
    if (!this.#ends || users.length === 0) return
    this.#noted ??= this.#ends.read()
    const noted = this.#noted
    const found: [number, LedgerEnd][] = []
    for (const userId of users) {
      const end = await this.#end(userId)
      const before = noted.get(userId)
      // An end that is missing stays noted: it is what shows that the ledger was cut.
      if (!end || (before && !(await this.#stands(userId, before)))) continue
      found.push([userId, end])
    }
    // Who was removed meanwhile stays so.
    const next = found.filter(([userId]) => noted.get(userId) !== null)
    this.#ends.note(next)
    for (const [userId, end] of next) noted.set(userId, end)
    this.#linesNoted += next.length
    if (this.#linesNoted < ledgerEndsSlack + noted.size) return
    this.#linesNoted = 0
    // Within a transaction: who is being removed by another process is noted before or after.
    await this.#db.transaction(everybody, async () => this.#ends?.replace(this.#ends.read()))
  }

  /** In the transaction that removes the user. */
  noteRemoval(userId: number) {
    this.#ends?.noteRemoval(userId)
    this.#noted?.set(userId, null)
  }

  /**
   * What a terminal remembers of a ledger: its newest row, as `ROW.MAC` with 66 bits of the MAC; null for one without
   * rows.
   */
  async markOf(userId: number): Promise<string | null> {
    const end = await this.#end(userId)
    return end && markOf(end)
  }

  /** Whether a ledger has the row that a terminal remembers: if not, it was cut, or put back to an older state. */
  async has(userId: number, mark: string): Promise<boolean> {
    const id = Number(mark.match(/^(\d{1,15})\./)?.[1] ?? Number.NaN)
    const mac = Number.isNaN(id) ? null : await this.#macOf(userId, id)
    return mac !== null && markOf({ id, mac }) === mark
  }

  /** The user's newest row; null where there is none. */
  async #end(userId: number): Promise<LedgerEnd | null> {
    const [row] = await this.#db
      .select({ id: ledger.id, mac: ledger.mac })
      .from(ledger)
      .where(eq(ledger.userId, userId))
      .orderBy(desc(ledger.id))
      .limit(1)
    return row ?? null
  }

  /** Of each user whose ledger has rows, the newest. */
  async ends(): Promise<[userId: number, end: LedgerEnd][]> {
    const rows = await this.#db
      .select({ userId: ledgerHeads.userId, id: ledger.id, mac: ledger.mac })
      .from(ledgerHeads)
      .innerJoin(ledger, eq(ledger.id, ledgerHeads.lastId))
    return rows.map(({ userId, ...end }) => [userId, end])
  }

  async #macOf(userId: number, id: number): Promise<Uint8Array | null> {
    const [row] = await this.#db
      .select({ mac: ledger.mac })
      .from(ledger)
      .where(and(eq(ledger.id, id), eq(ledger.userId, userId)))
    return row?.mac ?? null
  }

  async #stands(userId: number, { id, mac }: LedgerEnd): Promise<boolean> {
    const stored = await this.#macOf(userId, id)
    return stored !== null && Buffer.from(mac).equals(stored)
  }

  async #olderThanNoted(): Promise<number[]> {
    const older: number[] = []
    const noted = [...(this.#ends?.read() ?? [])].filter(
      (each): each is [number, LedgerEnd] => each[1] !== null,
    )
    for (let at = 0; at < noted.length; at += ledgersAtOnce) {
      const some = noted.slice(at, at + ledgersAtOnce)
      const ids = some.map(([, { id }]) => id)
      const rows = await this.#db
        .select({ id: ledger.id, userId: ledger.userId, mac: ledger.mac })
        .from(ledger)
        .where(inArray(ledger.id, ids))
      const stored = new Map(rows.map((row) => [row.id, row]))
      for (const [userId, { id, mac }] of some) {
        const row = stored.get(id)
        if (row?.userId !== userId || !Buffer.from(mac).equals(row.mac)) older.push(userId)
      }
    }
    return older
  }

  /** @param before id of the row after which to go on, newest first */
  async list(userId: number, before: number | null, limit: number): Promise<LedgerEvent[]> {
    const rows = await this.#db
      .select()
      .from(ledger)
      .where(and(eq(ledger.userId, userId), before === null ? undefined : lt(ledger.id, before)))
      .orderBy(desc(ledger.id))
      .limit(limit)
    return rows.map(({ mac: _, reason, ...row }) => ({
      ...row,
      reason: reason === null ? null : readReason(row.event, reason),
    }))
  }

  /** By user id, what is wrong with the user's ledger; those that are sound are not in it. */
  async faults(): Promise<Map<number, LedgerFault>> {
    const faults = new Map<number, LedgerFault>()
    const chains = new Map<number, { mac: Uint8Array; count: number; lastId: number }>()
    for (const row of await this.#db.select().from(ledger).orderBy(asc(ledger.id))) {
      const chain = chains.get(row.userId)
      const count = (chain?.count ?? 0) + 1
      if (!timingSafeEqual(row.mac, this.#rowMac(row, count, chain?.mac ?? null)))
        faults.set(row.userId, 'changed')
      chains.set(row.userId, { mac: row.mac, count, lastId: row.id })
    }
    const heads = new Map((await this.#db.select().from(ledgerHeads)).map((head) => [head.userId, head]))
    for (const userId of new Set([...chains.keys(), ...heads.keys(), ...(await this.#begun())])) {
      const chain = chains.get(userId)
      const head = heads.get(userId)
      const { count, lastId, mac } = chain ?? { count: 0, lastId: 0, mac: none }
      if (!head) faults.set(userId, chain ? 'changed' : 'emptied')
      else if (
        head.lastId !== lastId ||
        head.count !== count ||
        !timingSafeEqual(head.mac, this.#headMac(userId, count, mac))
      )
        faults.set(userId, chain ? 'changed' : 'emptied')
      else if (!chain && (await this.#used()).has(userId)) faults.set(userId, 'emptied')
    }
    for (const userId of await this.#olderThanNoted()) if (!faults.has(userId)) faults.set(userId, 'older')
    return faults
  }

  /** Users whose ledgers have begun: with a keyring; before the first start of a version that begins them, a used one. */
  async #begun(): Promise<Set<number>> {
    if (this.#ends && !this.#ends.exist) return this.#used()
    const rows = await this.#db.select({ userId: keyrings.userId }).from(keyrings)
    return new Set(rows.map(({ userId }) => userId))
  }

  /** Users whose keyring was ever unlocked: a row of the ledger says so. */
  async #used(): Promise<Set<number>> {
    const slots = await this.#db
      .select({ userId: keySlots.userId })
      .from(keySlots)
      .where(isNotNull(keySlots.usedAt))
    return new Set(slots.map(({ userId }) => userId))
  }

  /** The same as {@link knowsSecret}, by the newest users' ledgers alone. */
  async fitsSecret(): Promise<boolean | null> {
    const heads = await this.#db
      .select()
      .from(ledgerHeads)
      .orderBy(desc(ledgerHeads.userId))
      .limit(headsCompared)
    for (const { userId, count, lastId, mac } of heads) {
      const end = count === 0 ? none : await this.#macOf(userId, lastId)
      if (end && timingSafeEqual(mac, this.#headMac(userId, count, end))) return true
    }
    return heads.length === 0 ? null : false
  }

  /** Whether at least one row or beginning was written under this server secret; null where there is none. */
  async knowsSecret(): Promise<boolean | null> {
    const begun = await this.#db.select().from(ledgerHeads).where(eq(ledgerHeads.count, 0))
    if (begun.some(({ userId, mac }) => timingSafeEqual(mac, this.#headMac(userId, 0, none)))) return true
    const chains = new Map<number, { mac: Uint8Array; count: number }>()
    for (const row of await this.#db.select().from(ledger).orderBy(asc(ledger.id))) {
      const chain = chains.get(row.userId)
      const count = (chain?.count ?? 0) + 1
      if (timingSafeEqual(row.mac, this.#rowMac(row, count, chain?.mac ?? null))) return true
      chains.set(row.userId, { mac: row.mac, count })
    }
    return chains.size + begun.length === 0 ? null : false
  }

  #rowMac(row: Stored, count: number, before: Uint8Array | null): Uint8Array {
    const { userId, at, event, terminal, address, method, reason, messageId } = row
    const previous = before ? Buffer.from(before).toString('hex') : ''
    return this.#secret.mac(
      'ledger',
      JSON.stringify([previous, count, userId, at, event, terminal, address, method, reason, messageId]),
    )
  }

  #headMac(userId: number, count: number, mac: Uint8Array): Uint8Array {
    return this.#secret.mac('ledger-head', JSON.stringify([userId, count, Buffer.from(mac).toString('hex')]))
  }
}

/** In the place of the newest row's MAC, where there is no row. */
const none = new Uint8Array()

const markOf = ({ id, mac }: LedgerEnd): string =>
  `${id}.${Buffer.from(mac).toString('base64url').slice(0, 11)}`
