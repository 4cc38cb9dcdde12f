/**
 * Keyrings: where each user's key pairs lie, sealed, and the slots that open them. This module knows rows and asks
 * a child process (secret-keys.ts) for everything that needs a passphrase; it never sees a DEK or a secret key.
 */
import { randomBytes } from 'node:crypto'
import { asc, desc, eq } from 'drizzle-orm'
import { armor } from './armor.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import type { CryptoPool } from './crypto-pool.ts'
import { type Database, immediate, keyPairs, keyrings, keySlots } from './database.ts'
import { Refusal } from './refusal.ts'
import type { KeyPair, NewKey, Passphrase, SealedKey, SlotSecret } from './secret-keys.ts'
import type { ServerSecret } from './server-secret.ts'
import type { Turnstile } from './turnstile.ts'
import type { User } from './users.ts'

/** What anybody may know of a key pair. Times are Unix milliseconds. */
export type OwnKey = {
  fingerprint: string
  publicKey: Uint8Array
  /** The public key in ASCII armor. */
  armored: string
  aliases: string[]
  algorithm: string
  createdAt: number
  expiresAt: number | null
}

const own = {
  fingerprint: keyPairs.fingerprint,
  publicKey: keyPairs.publicKey,
  aliases: keyPairs.aliases,
  algorithm: keyPairs.algorithm,
  createdAt: keyPairs.createdAt,
  expiresAt: keyPairs.expiresAt,
}

export class Keyrings {
  readonly #db: Database
  readonly #clock: Clock
  readonly #pool: CryptoPool
  readonly #secret: ServerSecret
  readonly #turnstile: Turnstile
  readonly #cost: Config['argon2']

  /** Argon2 takes memory: it runs when a process stands ready, and few at once. */
  readonly #turn = <T>(work: () => Promise<T>) => this.#turnstile.pass(work)

  constructor(options: {
    db: Database
    clock: Clock
    pool: CryptoPool
    secret: ServerSecret
    turnstile: Turnstile
    cost: Config['argon2']
  }) {
    this.#db = options.db
    this.#clock = options.clock
    this.#pool = options.pool
    this.#secret = options.secret
    this.#turnstile = options.turnstile
    this.#cost = options.cost
  }

  /** The user's keys, the present one first. */
  async list(userId: number): Promise<OwnKey[]> {
    const rows = this.#db
      .select(own)
      .from(keyPairs)
      .where(eq(keyPairs.userId, userId))
      .orderBy(...presentFirst)
      .all()
    return rows.map((row) => shown({ ...row, aliases: JSON.parse(row.aliases) as string[] }))
  }

  async present(userId: number): Promise<OwnKey | null> {
    return (await this.list(userId))[0] ?? null
  }

  /** Ways in which the user's keyring opens. */
  async methods(userId: number): Promise<('passphrase' | 'recovery')[]> {
    const rows = this.#db
      .select({ kind: keySlots.kind })
      .from(keySlots)
      .where(eq(keySlots.userId, userId))
      .all()
    return [...new Set(rows.map(({ kind }) => kind))].sort()
  }

  /**
   * Adds a key pair: to the keyring that the passphrase opens, or to a new one that it will open.
   *
   * @returns the recovery code of a new keyring, which is stored nowhere; null for one that existed
   * @throws Refusal `wrong-passphrase`, `bad-key`, `exists`, `bad-request` for an empty passphrase
   */
  async add(
    user: User,
    passphrase: string,
    key: NewKey,
  ): Promise<{ key: OwnKey; recoveryCode: string | null }> {
    const existing = this.#record(user.id)
    if (!existing) return this.#create(user, passphrase, key)
    const proof = { passphrase: utf8(passphrase), ...existing }
    const pair = await this.#pool.run(user.id, 'addKey', { proof, key }, { turn: this.#turn })
    const added = this.#db
      .insert(keyPairs)
      .values(pairRow(user.id, pair, this.#clock()))
      .onConflictDoNothing()
      .returning({ fingerprint: keyPairs.fingerprint })
      .get()
    if (!added) throw new Refusal('exists', `The key ${pair.fingerprint} is in the keyring already.`)
    return { key: shown(pair), recoveryCode: null }
  }

  async #create(user: User, passphrase: string, key: NewKey) {
    if (passphrase === '') throw new Refusal('bad-request', 'The passphrase is empty.')
    const keyringId = randomBytes(16).toString('base64url')
    const task = {
      userId: user.id,
      keyringId,
      passphrase: utf8(passphrase),
      slots: { passphrase: this.#newSlot(), recovery: this.#newSlot() },
      argon2: this.#cost,
      key,
    }
    const created = await this.#pool.run(user.id, 'createKeyring', task, { turn: this.#turn })
    const now = this.#clock()
    this.#db.transaction((tx) => {
      const { userId, id, generation, mac, slots } = created.keyring
      if (!tx.insert(keyrings).values({ userId, id, generation, mac }).onConflictDoNothing().run().changes)
        throw new Refusal('exists', 'This user got a keyring meanwhile. Nothing was changed.')
      for (const slot of slots)
        tx.insert(keySlots)
          .values({ ...slot, userId, createdAt: now })
          .run()
      tx.insert(keyPairs)
        .values(pairRow(user.id, created.key, now))
        .run()
    }, immediate)
    return { key: shown(created.key), recoveryCode: created.recoveryCode }
  }

  /**
   * Proves the passphrase and seals the keyring's DEK to a terminal (see allowances.ts, the only caller).
   *
   * @param atTurn asked when the turn has come, after whatever waiting; what it throws ends the try before it is made
   * @throws Refusal `wrong-passphrase`; `not-found` if the user has no key
   */
  async unlock(
    userId: number,
    passphrase: string,
    seal: { recipient: Uint8Array; binding: string },
    atTurn: () => Promise<void>,
  ): Promise<Uint8Array> {
    const proof = { passphrase: utf8(passphrase), ...this.#existing(userId) }
    const turn = <T>(work: () => Promise<T>) =>
      this.#turn(async () => {
        await atTurn()
        return work()
      })
    const { sealedDek } = await this.#pool.run(userId, 'unlock', { proof, ...seal }, { turn })
    const slot = proof.keyring.slots.find(({ kind }) => kind === 'passphrase')!
    this.#db.update(keySlots).set({ usedAt: this.#clock() }).where(eq(keySlots.id, slot.id)).run()
    return sealedDek
  }

  /** What an allowance needs beside its DEK: the sealed keys, the one that signs first. */
  async sealedKeys(userId: number): Promise<{ keyringId: string; keys: SealedKey[] }> {
    const keys = this.#db
      .select({ fingerprint: keyPairs.fingerprint, sealedSecret: keyPairs.sealedSecret })
      .from(keyPairs)
      .where(eq(keyPairs.userId, userId))
      .orderBy(...presentFirst)
      .all()
    return { keyringId: this.#existing(userId).keyring.id, keys }
  }

  /**
   * Armored secret keys, each protected with the copy's passphrase.
   *
   * @throws Refusal `wrong-passphrase`; `not-found` if the user has no key
   */
  async exportSecret(user: User, passphrase: string, copyPassphrase: string): Promise<string[]> {
    if (copyPassphrase === '') throw new Refusal('bad-request', 'The passphrase for the copy is empty.')
    const proof = { passphrase: utf8(passphrase), ...this.#existing(user.id) }
    const { keys } = await this.sealedKeys(user.id)
    const task = { proof, keys, copyPassphrase: utf8(copyPassphrase) }
    return this.#pool.run(user.id, 'exportSecret', task, { turn: this.#turn })
  }

  #newSlot(): SlotSecret {
    return this.#slotSecret(randomBytes(16).toString('base64url'))
  }

  #slotSecret(slotId: string): SlotSecret {
    return { slotId, secret: this.#secret.derive('slot', slotId) }
  }

  #existing(userId: number) {
    const record = this.#record(userId)
    if (!record)
      throw new Refusal('not-found', 'You have no key yet. The operator of this server can make one for you.')
    return record
  }

  #record(userId: number): Omit<Passphrase, 'passphrase'> | null {
    const row = this.#db.select().from(keyrings).where(eq(keyrings.userId, userId)).get()
    if (!row) return null
    const slots = this.#db
      .select()
      .from(keySlots)
      .where(eq(keySlots.userId, userId))
      .orderBy(asc(keySlots.id))
      .all()
    return {
      keyring: {
        ...row,
        slots: slots.map(({ id, kind, params, generation, wrapped }) => ({
          id,
          kind,
          params,
          generation,
          wrapped,
        })),
      },
      slotSecrets: slots.map(({ id }) => this.#slotSecret(id)),
    }
  }
}

const presentFirst = [desc(keyPairs.addedAt), asc(keyPairs.fingerprint)]

const shown = (key: Omit<OwnKey, 'armored'>): OwnKey => ({
  ...key,
  armored: armor('PUBLIC KEY', key.publicKey),
})

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text.normalize('NFC'))

const pairRow = (userId: number, pair: KeyPair, addedAt: number) => ({
  ...pair,
  userId,
  aliases: JSON.stringify(pair.aliases),
  addedAt,
})
