/**
 * Aliases (P86): words other than the address by which a user is found, such as an employee number. One of them finds
 * mailbox and key as the address does: at the log-in, in the operator's commands, and before the `@` of the user's own
 * domain. It belongs to one user of the whole server, and is the beginning of nobody's address. Who only looks it up, and
 * sends nothing, is answered as if there were none, until it is published.
 */
import { randomBytes } from 'node:crypto'
import { and, asc, count, eq, gte, lt, or } from 'drizzle-orm'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import type { Clock } from '../ground/clock.ts'
import { aliasLimits } from '../ground/limits.ts'
import { aliasIn, mailAddress } from '../ground/mail-address.ts'
import { Refusal } from '../ground/refusal.ts'
import { type Database, everybody } from '../ground/store/database.ts'
import { aliases, users } from '../ground/store/tables.ts'
import type { Ledger } from './ledger.ts'
import type { User } from './user.ts'

/** `addedAt` in Unix milliseconds. */
export type Alias = { id: string; word: string; published: boolean; addedAt: number }
/** Where a change comes from: a session, or a command of the operator's. */
type From = { terminal: string; address: string; isOperator?: true }

/** Who has one of these is taken for whoever runs the server (RFC 2142, and what programs write to). */
const ofOperator =
  /^(?:abuse|admin|administrator|hostmaster|mailer-daemon|no-?reply|noc|postmaster|root|security|support|webmaster)$/

const columns = {
  id: aliases.id,
  word: aliases.word,
  published: aliases.published,
  addedAt: aliases.addedAt,
}

export class Aliases {
  readonly #db: Database
  readonly #clock: Clock
  readonly #ledger: Ledger
  /** In memory, each process its own: only to slow down whoever tries numbers one after the other. */
  readonly #taken = new RateLimiterMemory(aliasLimits.taken)

  constructor(options: { db: Database; clock: Clock; ledger: Ledger }) {
    this.#db = options.db
    this.#clock = options.clock
    this.#ledger = options.ledger
  }

  /** A user's aliases, oldest first. */
  async list(userId: number): Promise<Alias[]> {
    return this.#db
      .select(columns)
      .from(aliases)
      .where(eq(aliases.userId, userId))
      .orderBy(asc(aliases.addedAt), asc(aliases.id))
  }

  /**
   * @param typed the word, or an address of it in the user's own domain
   * @throws Refusal `bad-name`, `exists`, `slow-down`; `bad-request` where there are too many
   */
  async add(user: User, typed: string, published: boolean, from: From): Promise<Alias> {
    const word = wordFor(user, typed)
    if (!from.isOperator) await this.#admit(user, word)
    const row = {
      id: randomBytes(6).toString('hex'),
      userId: user.id,
      word,
      published,
      addedAt: this.#clock(),
    }
    // An address that begins so may come at the same time, to whomever.
    const isTaken = await this.#db.transaction(everybody, async () => {
      const [all] = await this.#db
        .select({ aliases: count() })
        .from(aliases)
        .where(eq(aliases.userId, user.id))
      if (all!.aliases >= aliasLimits.ofUser)
        throw new Refusal('aliases-full', { values: { most: aliasLimits.ofUser } })
      const [address] = await this.#db.select({ id: users.id }).from(users).where(beginsWith(word)).limit(1)
      if (address) return true
      const added = await this.#db
        .insert(aliases)
        .values(row)
        .onConflictDoNothing()
        .returning({ id: aliases.id })
      if (added.length === 0) return true
      await this.#note(user, from, { kind: 'alias-added', name: word })
      if (published) await this.#note(user, from, { kind: 'alias-published', name: word })
      return false
    })
    if (!isTaken) return { id: row.id, word, published, addedAt: row.addedAt }
    if (!from.isOperator) await this.#taken.penalty(user.id)
    throw new Refusal('alias-taken')
  }

  async #admit(user: User, word: string) {
    if (ofOperator.test(word)) throw new Refusal('alias-reserved')
    const tried = await this.#taken.get(user.id)
    if (!tried || tried.consumedPoints < this.#taken.points) return
    const waitS = Math.max(1, Math.ceil(tried.msBeforeNext / 1000))
    throw new Refusal('aliases-tried', { detail: { retry_after_s: waitS } })
  }

  /** @param which its id or the word. @throws Refusal `not-found` */
  async publish(user: User, which: string, published: boolean, from: From): Promise<Alias> {
    return this.#db.transaction(user.id, async () => {
      const [changed] = await this.#db
        .update(aliases)
        .set({ published })
        .where(ownNamed(user, which))
        .returning(columns)
      if (!changed) throw new Refusal('no-alias')
      await this.#note(user, from, {
        kind: published ? 'alias-published' : 'alias-hidden',
        name: changed.word,
      })
      return changed
    })
  }

  /** @param which its id or the word. @throws Refusal `not-found` */
  async remove(user: User, which: string, from: From): Promise<Alias> {
    return this.#db.transaction(user.id, async () => {
      const [gone] = await this.#db.delete(aliases).where(ownNamed(user, which)).returning(columns)
      if (!gone) throw new Refusal('no-alias')
      await this.#note(user, from, { kind: 'alias-removed', name: gone.word })
      return gone
    })
  }

  async #note(
    { id: userId }: User,
    { terminal, address }: From,
    reason: { kind: 'alias-added' | 'alias-published' | 'alias-hidden' | 'alias-removed'; name: string },
  ) {
    await this.#ledger.append({ userId, event: 'used', terminal, address, reason })
  }
}

/** Addresses whose part before the `@` this is. An address has one `@`, and `A` is the next character. */
export const beginsWith = (word: string) => and(gte(users.address, `${word}@`), lt(users.address, `${word}A`))

const ownNamed = (user: User, which: string) =>
  and(eq(aliases.userId, user.id), or(eq(aliases.id, which), eq(aliases.word, aliasIn(which))))

const alike = [/\p{sc=Latin}/u, /\p{sc=Greek}/u, /\p{sc=Cyrillic}/u]

/** @throws Refusal `bad-name` */
const wordFor = ({ address }: User, typed: string): string => {
  const domain = address.slice(address.lastIndexOf('@'))
  const whole = aliasIn(typed)
  const word = whole.endsWith(domain) ? whole.slice(0, -domain.length) : whole
  try {
    // Not as an option of a command, a subaddress, or what no mailbox may be called (RFC 5321 §4.1.2); nor as what looks
    // like somebody else's word: with what is not seen, or of alphabets that share their shapes (UTS #39 §5.1).
    const isWord =
      !/^[-.]|\.\.|\.$|[+@\p{C}\p{DI}]/u.test(word) &&
      alike.filter((letters) => letters.test(word)).length <= 1 &&
      Buffer.byteLength(word) <= aliasLimits.octets
    if (isWord && mailAddress(word + domain) === word + domain) return word
  } catch {}
  throw new Refusal('alias-malformed')
}
