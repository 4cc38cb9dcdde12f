/**
 * The ledger: every grant, use, refusal and end of an allowance, for the key's owner to read. Each row is covered
 * by a MAC that includes the row before it, and the end of the chain by one of its own, under a key that is not in
 * the database: a row that was changed, put in or taken out is found by `check`. An older state of the whole database
 * is not: nothing outside of it tells the time.
 */
import { timingSafeEqual } from 'node:crypto'
import { and, asc, desc, eq, isNotNull, lt } from 'drizzle-orm'
import type { Clock } from './clock.ts'
import { type Database, immediate, keySlots, ledger, ledgerHeads } from './database.ts'
import type { ServerSecret } from './server-secret.ts'

export type LedgerEntry = {
  userId: number
  event: 'granted' | 'used' | 'refused' | 'ended' | 'stopped'
  terminal: string
  address: string
  method?: string | null
  reason?: string | null
  messageId?: number | null
}
export type LedgerEvent = LedgerEntry & { id: number; at: number }

export class Ledger {
  readonly #db: Database
  readonly #secret: ServerSecret
  readonly #clock: Clock

  constructor(options: { db: Database; secret: ServerSecret; clock: Clock }) {
    this.#db = options.db
    this.#secret = options.secret
    this.#clock = options.clock
  }

  /** Writes a row; synchronous, so that it can be part of the caller's transaction. */
  append(entry: LedgerEntry) {
    this.#db.transaction((tx) => {
      const head = tx.select().from(ledgerHeads).where(eq(ledgerHeads.userId, entry.userId)).get()
      const row = {
        userId: entry.userId,
        at: this.#clock(),
        event: entry.event,
        terminal: entry.terminal,
        address: entry.address,
        method: entry.method ?? null,
        reason: entry.reason ?? null,
        messageId: entry.messageId ?? null,
      }
      const count = (head?.count ?? 0) + 1
      const before = head
        ? tx.select({ mac: ledger.mac }).from(ledger).where(eq(ledger.id, head.lastId)).get()
        : null
      const mac = this.#rowMac(row, count, before?.mac ?? null)
      const { id } = tx
        .insert(ledger)
        .values({ ...row, mac })
        .returning({ id: ledger.id })
        .get()
      const next = { userId: entry.userId, lastId: id, count, mac: this.#headMac(entry.userId, count, mac) }
      tx.insert(ledgerHeads).values(next).onConflictDoUpdate({ target: ledgerHeads.userId, set: next }).run()
    }, immediate)
  }

  /** @param before id of the row after which to go on, newest first */
  async list(userId: number, before: number | null, limit: number): Promise<LedgerEvent[]> {
    return this.#db
      .select()
      .from(ledger)
      .where(and(eq(ledger.userId, userId), before === null ? undefined : lt(ledger.id, before)))
      .orderBy(desc(ledger.id))
      .limit(limit)
      .all()
  }

  /** Ids of the users whose ledger does not fit its MACs. */
  async findTampered(): Promise<number[]> {
    const tampered = new Set<number>()
    const chains = new Map<number, { mac: Uint8Array; count: number; lastId: number }>()
    for (const row of this.#db.select().from(ledger).orderBy(asc(ledger.id)).all()) {
      const chain = chains.get(row.userId)
      const count = (chain?.count ?? 0) + 1
      if (!timingSafeEqual(row.mac, this.#rowMac(row, count, chain?.mac ?? null))) tampered.add(row.userId)
      chains.set(row.userId, { mac: row.mac, count, lastId: row.id })
    }
    const heads = new Map(
      this.#db
        .select()
        .from(ledgerHeads)
        .all()
        .map((head) => [head.userId, head]),
    )
    // Whose key was ever unlocked has a chain.
    const used = this.#db
      .select({ userId: keySlots.userId })
      .from(keySlots)
      .where(isNotNull(keySlots.usedAt))
      .all()
    for (const userId of new Set([...chains.keys(), ...heads.keys(), ...used.map((slot) => slot.userId)])) {
      const chain = chains.get(userId)
      const head = heads.get(userId)
      if (
        !chain ||
        !head ||
        head.lastId !== chain.lastId ||
        head.count !== chain.count ||
        !timingSafeEqual(head.mac, this.#headMac(userId, chain.count, chain.mac))
      )
        tampered.add(userId)
    }
    return [...tampered]
  }

  /** Whether at least one row was written under this server secret; null where there is no row. */
  async knowsSecret(): Promise<boolean | null> {
    const chains = new Map<number, { mac: Uint8Array; count: number }>()
    for (const row of this.#db.select().from(ledger).orderBy(asc(ledger.id)).all()) {
      const chain = chains.get(row.userId)
      const count = (chain?.count ?? 0) + 1
      if (timingSafeEqual(row.mac, this.#rowMac(row, count, chain?.mac ?? null))) return true
      chains.set(row.userId, { mac: row.mac, count })
    }
    return chains.size === 0 ? null : false
  }

  #rowMac(row: Omit<LedgerEvent, 'id'>, count: number, before: Uint8Array | null): Uint8Array {
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
