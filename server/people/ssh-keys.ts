/**
 * The public keys that log a user in by SSH. Such a key begins a session and opens nothing: for the secret key its owner
 * is asked as everywhere.
 */
import { randomBytes } from 'node:crypto'
import { and, asc, count, eq } from 'drizzle-orm'
import type { Clock } from '../ground/clock.ts'
import { sshKeyLimits } from '../ground/limits.ts'
import { oneLine } from '../ground/mail-address.ts'
import { Refusal } from '../ground/refusal.ts'
import type { Database } from '../ground/store/database.ts'
import { sshKeys } from '../ground/store/tables.ts'
import type { Guesses } from './guesses.ts'
import type { Ledger } from './ledger.ts'
import type { LogIn } from './sessions.ts'
import { readSshPublicKey, sshFingerprint } from './ssh-public-keys.ts'
import type { User } from './user.ts'

/** Times in Unix milliseconds; `usedAt` null where nobody logged in with it yet. */
export type SshKey = {
  id: string
  name: string
  fingerprint: string
  addedAt: number
  usedAt: number | null
}
/** Where a change comes from. */
type From = { terminal: string; address: string }

export class SshKeys {
  readonly #db: Database
  readonly #clock: Clock
  readonly #ledger: Ledger
  readonly #guesses: Guesses

  constructor(options: { db: Database; clock: Clock; ledger: Ledger; guesses: Guesses }) {
    this.#db = options.db
    this.#clock = options.clock
    this.#ledger = options.ledger
    this.#guesses = options.guesses
  }

  /** A user's keys, oldest first. */
  async list(user: User): Promise<SshKey[]> {
    const rows = await this.#db
      .select()
      .from(sshKeys)
      .where(eq(sshKeys.userId, user.id))
      .orderBy(asc(sshKeys.addedAt), asc(sshKeys.id))
    return rows.map(shown)
  }

  /**
   * @param line of a .pub file; @param name what it is called in lists: else by the comment in the line
   * @throws Refusal `bad-key`, `exists`; `bad-request` where there are too many
   */
  async add(user: User, line: string, name: string | undefined, from: From): Promise<SshKey> {
    const { octets, type, comment } = readSshPublicKey(line)
    const row = {
      id: randomBytes(6).toString('hex'), // typed in a command, where a hyphen in front would be an option
      userId: user.id,
      name: label(name ?? '') || label(comment) || type,
      key: octets,
      addedAt: this.#clock(),
      usedAt: null,
    }
    await this.#db.transaction(user.id, async () => {
      const same = and(eq(sshKeys.userId, user.id), eq(sshKeys.key, octets))
      const [there] = await this.#db.select({ name: sshKeys.name }).from(sshKeys).where(same)
      if (there) throw new Refusal('ssh-key-exists', { values: { name: there.name } })
      const [all] = await this.#db.select({ keys: count() }).from(sshKeys).where(eq(sshKeys.userId, user.id))
      if (all!.keys >= sshKeyLimits.ofUser)
        throw new Refusal('ssh-keys-full', { values: { most: sshKeyLimits.ofUser } })
      await this.#db.insert(sshKeys).values(row)
      await this.#note(user, from, { kind: 'ssh-key-added', name: row.name })
    })
    return shown(row)
  }

  /** @throws Refusal `not-found` */
  async remove(user: User, id: string, from: From): Promise<void> {
    await this.#db.transaction(user.id, async () => {
      const own = and(eq(sshKeys.userId, user.id), eq(sshKeys.id, id))
      const [gone] = await this.#db.delete(sshKeys).where(own).returning({ name: sshKeys.name })
      if (!gone) throw new Refusal('no-ssh-key')
      await this.#note(user, from, { kind: 'ssh-key-removed', name: gone.name })
    })
  }

  /** Whether this key logs the user in. */
  async knows(user: User, key: Uint8Array): Promise<boolean> {
    return (await this.#find(user, key)) !== null
  }

  /**
   * Somebody has shown, by a signature, that this key is theirs.
   *
   * @param source network address that the log-in comes from
   * @throws Refusal `bad-credentials` if it does not log the user in
   */
  async logIn(user: User, key: Uint8Array, source: string): Promise<LogIn> {
    const row = await this.#find(user, key)
    if (!row) throw new Refusal('wrong-log-in')
    await this.#guesses.ownerCame(user.address, source)
    const requireStands = async () => {
      const still = and(eq(sshKeys.userId, user.id), eq(sshKeys.id, row.id))
      const used = await this.#db
        .update(sshKeys)
        .set({ usedAt: this.#clock() })
        .where(still)
        .returning({ id: sshKeys.id })
      if (used.length === 0) throw new Refusal('wrong-log-in')
    }
    return { user, requireStands }
  }

  async #find(user: User, key: Uint8Array) {
    const same = and(eq(sshKeys.userId, user.id), eq(sshKeys.key, key))
    const [row] = await this.#db.select({ id: sshKeys.id }).from(sshKeys).where(same)
    return row ?? null
  }

  async #note(
    { id: userId }: User,
    { terminal, address }: From,
    reason: { kind: 'ssh-key-added' | 'ssh-key-removed'; name: string },
  ) {
    await this.#ledger.append({ userId, event: 'used', terminal, address, reason })
  }
}

const shown = ({ id, name, key, addedAt, usedAt }: typeof sshKeys.$inferSelect): SshKey => ({
  id,
  name,
  fingerprint: sshFingerprint(key),
  addedAt,
  usedAt,
})

const label = (text: string) => oneLine(text).slice(0, sshKeyLimits.nameCharacters)
