/**
 * Keyrings: where each user's key pairs lie, sealed, and the slots that open them. This module knows rows and asks
 * a child process (secret-keys.ts) for everything that opens one; it never sees a DEK or a secret key.
 *
 * The slot table changes as a whole: a change names the generation that it was made from, and is written where that
 * generation still stands, in one transaction with whatever depends on it.
 */
import { randomBytes } from 'node:crypto'
import { and, asc, desc, eq, isNull } from 'drizzle-orm'
import type { Clock } from '../ground/clock.ts'
import type { Config } from '../ground/config.ts'
import { chosenSecretCharacters } from '../ground/limits.ts'
import type { Obstacle } from '../ground/reasons.ts'
import { Refusal } from '../ground/refusal.ts'
import type { ServerSecret } from '../ground/server-secret.ts'
import { counted, type Database } from '../ground/store/database.ts'
import { keyPairs, keyrings, keySlots } from '../ground/store/tables.ts'
import { armor } from '../locked/armor.ts'
import type { CryptoPool, Result, Task } from '../locked/crypto-pool.ts'
import { hindrance, type OwnUses, obstacle } from '../locked/key-uses.ts'
import type { KeyPair, StoredPair, WrappedKey } from '../locked/vault/keys-at-rest.ts'
import type { Identity, NewIdentity } from '../locked/vault/new-identities.ts'
import type { NewKey, RefusedKey } from '../locked/vault/new-keys.ts'
import type { NewKeyring } from '../locked/vault/secret-keys.ts'
import type {
  Attempt,
  Keyring,
  NewSlot,
  Opens,
  PrfParams,
  SlotSecret,
  SlotTable,
} from '../locked/vault/slots.ts'
import { type Guessed, type Guesses, isTooShort } from '../people/guesses.ts'
import type { Ledger } from '../people/ledger.ts'
import type { ReasonOf } from '../people/ledger-reasons.ts'
import type { Session, Sessions } from '../people/sessions.ts'
import type { User } from '../people/users.ts'

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
  uses: OwnUses
  /** What stands in the way of each use now. */
  now: Record<'encrypt' | 'sign' | 'decrypt', Obstacle | null>
}

/** What became of a key that was to be added, and of the others in its file. */
export type Added = {
  keys: (OwnKey & { isNew: boolean })[]
  refused: RefusedKey[]
  /** Of a new keyring; stored nowhere. Null for one that existed. */
  recoveryCode: string | null
}

/** A passkey's slot, as far as WebAuthn needs it; `salt` and `recipient` of a PRF slot only, base64url. */
export type PasskeySlot =
  | ({ kind: 'prf'; slotId: string } & PrfParams)
  | { kind: 'held'; slotId: string; credential: string }

export type NewPasskeySlot =
  | { kind: 'prf'; credential: string; next: { salt: string; publicKey: Uint8Array } }
  | { kind: 'held'; credential: string }

/** Ways in which a keyring opens, in the order in which they are offered. */
export const methods = ['passphrase', 'passkey', 'approval', 'recovery'] as const
export type Method = (typeof methods)[number]

const own = {
  fingerprint: keyPairs.fingerprint,
  publicKey: keyPairs.publicKey,
  aliases: keyPairs.aliases,
  algorithm: keyPairs.algorithm,
  createdAt: keyPairs.createdAt,
  expiresAt: keyPairs.expiresAt,
  uses: keyPairs.uses,
}

/** What the ledger says of a change of what opens a key. */
type SlotChange = ReasonOf<
  'passphrase-changed' | 'recovered' | 'recovery-code-replaced' | 'passkey-added' | 'passkey-removed'
>

export class Keyrings {
  readonly #db: Database
  readonly #clock: Clock
  readonly #pool: CryptoPool
  readonly #secret: ServerSecret
  readonly #guesses: Guesses
  readonly #ledger: Ledger
  readonly #sessions: Sessions
  readonly #config: Config

  constructor(options: {
    db: Database
    clock: Clock
    pool: CryptoPool
    secret: ServerSecret
    guesses: Guesses
    ledger: Ledger
    sessions: Sessions
    config: Config
  }) {
    this.#db = options.db
    this.#clock = options.clock
    this.#pool = options.pool
    this.#secret = options.secret
    this.#guesses = options.guesses
    this.#ledger = options.ledger
    this.#sessions = options.sessions
    this.#config = options.config
  }

  /** The user's keys, the present one first: by what they can do now, then by when they came. */
  async list(userId: number): Promise<OwnKey[]> {
    const rows = await this.#db
      .select(own)
      .from(keyPairs)
      .where(eq(keyPairs.userId, userId))
      .orderBy(...newestFirst)
    const keys: OwnKey[] = []
    for (const row of rows) {
      const uses = row.uses === null ? await this.#learnUses(userId, row) : (JSON.parse(row.uses) as OwnUses)
      keys.push(this.#shown({ ...row, uses, aliases: JSON.parse(row.aliases) as string[] }))
    }
    const worth = ({ now }: OwnKey) => Object.values(now).filter((why) => why === null).length
    return keys.sort((a, b) => worth(b) - worth(a))
  }

  #shown(key: Omit<OwnKey, 'armored' | 'now'>): OwnKey {
    const at = this.#clock()
    const { encrypt, sign, decrypt } = key.uses
    const now = { encrypt: obstacle(encrypt, at), sign: obstacle(sign, at), decrypt: obstacle(decrypt, at) }
    return { ...key, armored: armor('PUBLIC KEY', key.publicKey), now }
  }

  /** Of a row from before it was kept. Keys were taken only whole then, so the certificate says it all. */
  async #learnUses(
    userId: number,
    { fingerprint, publicKey }: { fingerprint: string; publicKey: Uint8Array },
  ) {
    const found = await this.#pool.run('reading', 'usesOfCertificate', { publicKey }, { user: userId })
    const uses: OwnUses = { ...found, decrypt: { until: null } }
    await this.#db
      .update(keyPairs)
      .set({ uses: JSON.stringify(uses) })
      .where(and(eq(keyPairs.userId, userId), eq(keyPairs.fingerprint, fingerprint), isNull(keyPairs.uses)))
    return uses
  }

  async present(userId: number): Promise<OwnKey | null> {
    return (await this.list(userId))[0] ?? null
  }

  /** Whether the user has a keyring: one may hold no OpenPGP key, but S/MIME identities. */
  async exists(userId: number): Promise<boolean> {
    return (await this.#record(userId)) !== null
  }

  /** The keyring as a child is to open it with the passphrase. @throws Refusal `not-found` if the user has none */
  async attempt(userId: number, passphrase: string): Promise<Attempt> {
    return { opens: byPassphrase(passphrase), ...(await this.#existing(userId)) }
  }

  /** @throws Refusal `bad-key` if none of the user's keys can sign now, with the reason of each */
  async requireSigner(userId: number): Promise<void> {
    const keys = await this.list(userId)
    if (keys.length === 0 || keys.some((key) => key.now.sign === null)) return
    const now = this.#clock()
    const hindered = keys.flatMap(({ fingerprint, uses }) => {
      const why = hindrance(uses.sign, now)
      return why ? [{ name: shortName(fingerprint), ...why }] : []
    })
    throw new Refusal('no-key-signs', { values: { keys: hindered }, detail: { reason: 'cannot-sign' } })
  }

  /**
   * The user's own public key for copies and drafts; null for who has none that reads. One that has expired or was
   * revoked still opens what is kept with it.
   */
  async copyKey(userId: number): Promise<OwnKey | null> {
    return (await this.list(userId)).find(({ now }) => now.decrypt === null) ?? null
  }

  /**
   * Notes that keys were revoked, as {@link Correspondents.learn} does for others.
   *
   * @returns fingerprints of the keys that were
   */
  async learnRevocations(userId: number, octets: Uint8Array, names: string[]): Promise<string[]> {
    const named = (await this.list(userId)).filter((key) => isNamed(key.fingerprint, names))
    if (named.length === 0) return []
    const task = { octets, stored: named.map(({ publicKey }) => publicKey) }
    const learned = await this.#pool.run('reading', 'learnRevocations', task, { user: userId })
    for (const { fingerprint, publicKey, uses: found } of learned) {
      const before = named.find((key) => key.fingerprint === fingerprint)!
      const { uses } = before
      // What cannot be done for want of a secret stays so.
      const still = (name: 'encrypt' | 'sign') => ('not' in uses[name] ? uses[name] : found[name])
      const next: OwnUses = {
        ...found,
        encrypt: still('encrypt'),
        sign: still('sign'),
        decrypt: uses.decrypt,
      }
      const which = and(
        eq(keyPairs.userId, userId),
        eq(keyPairs.fingerprint, fingerprint),
        eq(keyPairs.publicKey, Buffer.from(before.publicKey)),
      )
      const updated = await this.#db
        .update(keyPairs)
        .set({ publicKey: Buffer.from(publicKey), uses: JSON.stringify(next) })
        .where(which)
        .returning(counted)
      // Another has learned something of it meanwhile, which must not be forgotten.
      if (updated.length === 0) return this.learnRevocations(userId, octets, names)
    }
    return learned.map(({ fingerprint }) => fingerprint)
  }

  /** Ways in which the user's keyring opens. */
  async methods(userId: number): Promise<Method[]> {
    const rows = await this.#db
      .select({ kind: keySlots.kind })
      .from(keySlots)
      .where(eq(keySlots.userId, userId))
    // A slot that the operator permits no more opens nothing.
    const usable = rows.filter(({ kind }) => kind !== 'held' || this.#config.passkeyWithoutPrf !== 'deny')
    const present = new Set<Method>(
      usable.map(({ kind }) => (kind === 'prf' || kind === 'held' ? 'passkey' : kind)),
    )
    // Whoever approves may do so with the passphrase: so it can always be asked for.
    if (rows.length > 0) present.add('approval')
    return methods.filter((method) => present.has(method))
  }

  /** The slots that passkeys open, by credential id. */
  async passkeySlots(userId: number): Promise<Map<string, PasskeySlot>> {
    const slots = new Map<string, PasskeySlot>()
    for (const { id: slotId, kind, params } of (await this.#record(userId))?.keyring.slots ?? []) {
      if (kind !== 'prf' && kind !== 'held') continue
      const known = JSON.parse(params) as PrfParams
      slots.set(known.credential, { kind, slotId, ...known })
    }
    return slots
  }

  /**
   * Adds a key pair, or all of a file, to the keyring that the passphrase opens, or to a new one that it will open. A
   * key that is there already is brought up to date.
   *
   * @throws Refusal `wrong-passphrase`, `bad-key`, `bad-request` for a short passphrase of a new keyring, unless it is
   *   that of the imported file, which was chosen elsewhere and is its owner's to change
   */
  async add(user: User, passphrase: string, wanted: NewKey): Promise<Added> {
    const existing = await this.#record(user.id)
    if (!existing) {
      const { keys, refused, recoveryCode } = await this.#create(user, passphrase, { key: wanted })
      return {
        keys: keys.map((pair) => ({ ...this.#shown(pair), isNew: true })),
        refused,
        recoveryCode,
      }
    }
    const attempt = { opens: byPassphrase(passphrase), ...existing }
    const known = await this.#pairs(user.id)
    const task = { attempt, wanted, known }
    const { keys, refused } = await this.#pool.run(user.id, 'addKeys', task)
    await this.#db.transaction(user.id, () => this.#store(user.id, keys, known))
    const isNew = ({ fingerprint }: KeyPair) => !known.some((pair) => pair.fingerprint === fingerprint)
    return {
      keys: keys.map((key) => ({ ...this.#shown(key), isNew: isNew(key) })),
      refused,
      recoveryCode: null,
    }
  }

  /**
   * Part of the caller's transaction. The first key of a file is its present one, as exports begin with it: it
   * counts as the newest. A pair that was known takes the place of what it was made from, and of nothing else.
   */
  async #store(userId: number, keys: KeyPair[], known: StoredPair[] = []) {
    const now = this.#clock()
    for (const [place, pair] of keys.entries()) {
      const { addedAt, ...row } = pairRow(userId, pair, now + keys.length - 1 - place)
      const before = known.find(({ fingerprint }) => fingerprint === pair.fingerprint)
      const insert = this.#db.insert(keyPairs).values({ ...row, addedAt })
      const stored = before
        ? insert.onConflictDoUpdate({
            target: [keyPairs.userId, keyPairs.fingerprint],
            set: row,
            setWhere: eq(keyPairs.publicKey, Buffer.from(before.publicKey)),
          })
        : insert.onConflictDoNothing()
      if ((await stored.returning(counted)).length === 0) throw changedMeanwhile()
    }
  }

  async #pairs(userId: number): Promise<StoredPair[]> {
    return this.#db
      .select({
        fingerprint: keyPairs.fingerprint,
        sealedSecret: keyPairs.sealedSecret,
        publicKey: keyPairs.publicKey,
      })
      .from(keyPairs)
      .where(eq(keyPairs.userId, userId))
      .orderBy(...newestFirst)
  }

  /**
   * A keyring that begins with S/MIME identities.
   *
   * @param store keeps them, in the transaction that makes the keyring
   * @returns its recovery code, which is stored nowhere
   * @throws Refusal `bad-key`, `wrong-passphrase` of the file; `bad-request` for a short passphrase, as {@link add};
   *   `exists` where there is a keyring by now
   */
  async beginWithIdentities(
    user: User,
    passphrase: string,
    identity: NewIdentity,
    store: (identities: Identity[]) => Promise<void>,
  ): Promise<{ identities: Identity[]; recoveryCode: string }> {
    return this.#create(user, passphrase, { identity }, store)
  }

  async #create(
    user: User,
    passphrase: string,
    first: NewKeyring['first'],
    store: (identities: Identity[]) => Promise<void> = async () => {},
  ): Promise<Result<'createKeyring'>> {
    const wanted = 'key' in first ? first.key : first.identity
    const isOfFile =
      'import' in wanted && Buffer.from(wanted.import.passphrase).equals(Buffer.from(passphrase))
    if (!isOfFile) demandLong(passphrase)
    const keyringId = randomBytes(16).toString('base64url')
    const task = {
      userId: user.id,
      keyringId,
      passphrase: utf8(passphrase),
      slots: { passphrase: this.#newSlot(), recovery: this.#newSlot() },
      argon2: this.#config.argon2,
      first,
    }
    const created = await this.#pool.run(user.id, 'createKeyring', task)
    const now = this.#clock()
    await this.#db.transaction(user.id, async () => {
      const { userId, id, generation, mac, slots } = created.keyring
      const made = await this.#db
        .insert(keyrings)
        .values({ userId, id, generation, mac })
        .onConflictDoNothing()
        .returning(counted)
      if (made.length === 0) throw new Refusal('keyring-exists')
      await this.#ledger.begin(userId)
      for (const slot of slots) await this.#db.insert(keySlots).values({ ...slot, userId, createdAt: now })
      await this.#store(user.id, created.keys)
      await store(created.identities)
    })
    return created
  }

  /**
   * Opens the keyring and seals its DEK to a terminal (see allowances.ts, the only caller).
   *
   * @param session whose secret opens it, and whose wrong ones count
   * @param options.beforeWork asked when it is its turn: throws what has come in between
   * @returns `settle` is to be called in the transaction that grants: it writes the slot as it is from now on, and
   *   throws Refusal `busy` if that slot was changed or removed meanwhile
   * @throws Refusal `wrong-passphrase`, `wrong-passkey`, `slow-down`, `busy`; `not-found` if the user has no key
   */
  async unlock(
    session: Session,
    opens: Opens,
    terminal: { recipient: Uint8Array; binding: string },
    options: { beforeWork?: () => Promise<void> } = {},
  ): Promise<{ sealedDek: Uint8Array; settle: () => Promise<void> }> {
    const attempt = { opens, ...(await this.#existing(session.user.id)) }
    const slot = slotThatOpens(attempt)
    const task = { attempt, ...terminal }
    const { sealedDek, changed } = await this.#guarded(session, 'unlock', task, options.beforeWork)
    return { sealedDek, settle: () => this.#settle(attempt.keyring, slot, changed) }
  }

  /**
   * Has the child do what a person's secret opens, not too often: wrong ones are counted and put on the ledger. What
   * needs no guessing (a passkey) is done straight away.
   */
  async #guarded<O extends 'unlock' | 'changeSlots'>(
    session: Session,
    operation: O,
    task: Task<O>,
    beforeWork = async () => {},
  ): Promise<Result<O>> {
    const guess = guessOf(session, task.attempt.opens)
    if (guess) await this.#guesses.admit(guess)
    const before = async () => {
      if (guess) await this.#guesses.admit(guess) // others may have failed while this one waited
      await beforeWork()
    }
    try {
      const result = await this.#pool.run(session.user.id, operation, task, { before })
      if (guess) await this.#guesses.right(guess)
      return result
    } catch (error) {
      if (error instanceof Refusal) await this.#noteWrong(session, task.attempt.opens, error)
      throw error
    }
  }

  async #noteWrong(session: Session, opens: Opens, { code }: Refusal) {
    const guess = guessOf(session, opens)
    if (code !== (guess ? 'wrong-passphrase' : 'wrong-passkey')) return
    if (guess) await this.#guesses.wrong(guess)
    await this.#ledger.append({
      userId: session.user.id,
      event: 'refused',
      terminal: session.terminal,
      address: session.address,
      method: methodOf(opens),
      reason: { kind: guess?.what === 'recovery code' ? 'wrong-recovery-code' : code },
    })
  }

  /**
   * Adds a passkey's slot to the keyring, or takes one away.
   *
   * @returns `settle` as of {@link unlock}
   * @throws Refusal `wrong-passphrase`, `wrong-passkey`, `slow-down`, `busy`; `not-found` if the user has no key
   */
  async changePasskeySlot(
    session: Session,
    opens: Opens,
    change: { add: NewPasskeySlot } | { remove: string } | null,
    reason: SlotChange,
  ): Promise<{ settle: () => Promise<void> }> {
    const add = change && 'add' in change ? [{ ...change.add, share: this.#newSlot() }] : []
    const remove = change && 'remove' in change ? [change.remove] : []
    const { settle } = await this.#change(session, opens, reason, () => ({ add, remove }))
    return { settle }
  }

  /**
   * A new passphrase in the place of the old one; the key itself is not touched. The user's other sessions end: who
   * changes a passphrase may have been watched.
   *
   * @param opens what the form's proof opens the keyring with (passkeys.ts, `prove`)
   * @throws Refusal `bad-request` for a short one, `wrong-passphrase`, `wrong-passkey`, `slow-down`, `busy`
   */
  async changePassphrase(session: Session, opens: Opens, passphrase: string): Promise<void> {
    const { settle } = await this.#change(session, opens, { kind: 'passphrase-changed' }, (keyring) => ({
      remove: idsOf(keyring, 'passphrase'),
      add: [this.#passphraseSlot(passphrase)],
    }))
    await this.#settleAlone(session, settle, ['passphrase'])
  }

  /**
   * Opens the keyring with the recovery code, which is used up by it: a new passphrase and a new code take the places
   * of the old ones, and the user's other sessions end.
   *
   * @returns the new code, which is stored nowhere
   * @throws Refusal `bad-request`, `wrong-passphrase` for a wrong code, `slow-down`, `busy`
   */
  async recover(session: Session, code: string, passphrase: string): Promise<{ recoveryCode: string }> {
    const { settle, recoveryCode } = await this.#change(
      session,
      { kind: 'recovery', code },
      { kind: 'recovered' },
      (keyring) => ({
        remove: [...idsOf(keyring, 'passphrase'), ...idsOf(keyring, 'recovery')],
        add: [this.#passphraseSlot(passphrase), { kind: 'recovery', share: this.#newSlot() }],
      }),
    )
    await this.#settleAlone(session, settle, ['passphrase', 'recovery code'])
    return { recoveryCode: recoveryCode! }
  }

  /**
   * A new recovery code in the place of the old one, for who lost it or showed it to somebody.
   *
   * @param opens what the form's proof opens the keyring with (passkeys.ts, `prove`)
   * @returns the new code, which is stored nowhere
   * @throws Refusal `wrong-passphrase`, `wrong-passkey`, `slow-down`, `busy`; `not-found` if the user has no key
   */
  async replaceRecoveryCode(session: Session, opens: Opens): Promise<{ recoveryCode: string }> {
    const { settle, recoveryCode } = await this.#change(
      session,
      opens,
      { kind: 'recovery-code-replaced' },
      (keyring) => ({
        remove: idsOf(keyring, 'recovery'),
        add: [{ kind: 'recovery', share: this.#newSlot() }],
      }),
    )
    await this.#db.transaction(session.user.id, async () => {
      await settle()
      await this.#guesses.forgive(session.user.address, ['recovery code'])
    })
    return { recoveryCode: recoveryCode! }
  }

  /** A change after which the user is logged in here alone; what was guessed of that which is new now is forgiven. */
  async #settleAlone(session: Session, settle: () => Promise<void>, renewed: Guessed['what'][]) {
    await this.#db.transaction(session.user.id, async () => {
      await settle()
      await this.#guesses.forgive(session.user.address, renewed)
      await this.#sessions.endOthers(session)
    })
  }

  async #change(
    session: Session,
    opens: Opens,
    reason: SlotChange,
    wanted: (keyring: Keyring) => { remove: string[]; add: NewSlot[] },
  ) {
    const userId = session.user.id
    const attempt = { opens, ...(await this.#existing(userId)) }
    const slot = slotThatOpens(attempt)
    const task = { attempt, change: wanted(attempt.keyring) }
    const { changed, recoveryCode } = await this.#guarded(session, 'changeSlots', task)
    const { terminal, address } = session
    const method = methodOf(opens)
    const settle = async () => {
      await this.#sessions.requireLive(session)
      await this.#settle(attempt.keyring, slot, changed)
      await this.#ledger.append({ userId, event: 'used', terminal, address, method, reason })
    }
    return { settle, recoveryCode }
  }

  /** Part of the caller's transaction: compares the generation, and swaps the table. */
  async #settle(keyring: Keyring, opened: { id: string; generation: number }, changed: SlotTable | null) {
    const now = this.#clock()
    const stands = and(eq(keySlots.id, opened.id), eq(keySlots.generation, opened.generation))
    const used = await this.#db.update(keySlots).set({ usedAt: now }).where(stands).returning(counted)
    if (used.length === 0) throw changedMeanwhile()
    if (!changed) return
    const { userId } = keyring
    const swapped = await this.#db
      .update(keyrings)
      .set({ generation: changed.generation, mac: changed.mac })
      .where(and(eq(keyrings.userId, userId), eq(keyrings.generation, keyring.generation)))
      .returning(counted)
    if (swapped.length === 0) throw changedMeanwhile()
    const kept = new Set(changed.slots.map(({ id }) => id))
    for (const { id } of keyring.slots)
      if (!kept.has(id)) await this.#db.delete(keySlots).where(eq(keySlots.id, id))
    for (const slot of changed.slots) {
      const { params, generation, wrapped } = slot
      await this.#db
        .insert(keySlots)
        .values({ ...slot, userId, createdAt: now })
        .onConflictDoUpdate({ target: keySlots.id, set: { params, generation, wrapped } })
    }
  }

  #passphraseSlot(passphrase: string): NewSlot {
    demandLong(passphrase)
    return {
      kind: 'passphrase',
      share: this.#newSlot(),
      passphrase: utf8(passphrase),
      argon2: this.#config.argon2,
    }
  }

  /** What an allowance needs beside its DEK: the wrapped keys, those that can be used most first. */
  async wrappedKeys(userId: number): Promise<{ keyringId: string; keys: WrappedKey[] }> {
    const pairs = await this.#sorted(userId)
    const keys = pairs.map(({ fingerprint, sealedSecret }) => ({ fingerprint, sealedSecret }))
    return { keyringId: (await this.#existing(userId)).keyring.id, keys }
  }

  async #sorted(userId: number): Promise<StoredPair[]> {
    const order = (await this.list(userId)).map(({ fingerprint }) => fingerprint)
    const place = ({ fingerprint }: StoredPair) => order.indexOf(fingerprint)
    return (await this.#pairs(userId)).sort((a, b) => place(a) - place(b))
  }

  /**
   * Armored secret keys, each protected with the copy's passphrase.
   *
   * @throws Refusal `bad-request` for a short one of the copy, `wrong-passphrase`; `not-found` if the user has no key
   */
  async exportSecret(user: User, passphrase: string, copyPassphrase: string): Promise<string[]> {
    const attempt = await this.attempt(user.id, passphrase)
    demandLong(copyPassphrase, 'copy-passphrase-short')
    const keys = await this.#sorted(user.id)
    const task = { attempt, keys, copyPassphrase: utf8(copyPassphrase) }
    return this.#pool.run(user.id, 'exportSecret', task)
  }

  #newSlot(): SlotSecret {
    return this.#slotSecret(randomBytes(16).toString('base64url'))
  }

  #slotSecret(slotId: string): SlotSecret {
    return { slotId, secret: this.#secret.derive('slot', slotId) }
  }

  async #existing(userId: number) {
    const record = await this.#record(userId)
    if (!record) throw new Refusal('no-key')
    return record
  }

  async #record(userId: number): Promise<Omit<Attempt, 'opens'> | null> {
    // In one statement: a table that changes meanwhile would not fit the keyring's MAC.
    const rows = await this.#db
      .select({ keyring: keyrings, slot: keySlots })
      .from(keyrings)
      .leftJoin(keySlots, eq(keySlots.userId, keyrings.userId))
      .where(eq(keyrings.userId, userId))
      .orderBy(asc(keySlots.id))
    const [first] = rows
    if (!first) return null
    const slots = rows.flatMap(({ slot }) => slot ?? [])
    return {
      keyring: {
        ...first.keyring,
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

const demandLong = (
  passphrase: string,
  reason: 'passphrase-short' | 'copy-passphrase-short' = 'passphrase-short',
) => {
  if (isTooShort(passphrase)) throw new Refusal(reason, { values: { least: chosenSecretCharacters } })
}

const newestFirst = [desc(keyPairs.addedAt), asc(keyPairs.fingerprint)]

/** The end of a fingerprint, as it is said in a sentence. */
export const shortName = (fingerprint: string) => fingerprint.slice(-16).toUpperCase()

/** @param names fingerprints or key ids: the end of one of version 4, the beginning of a later one (RFC 9580 §5.5.4) */
export const isNamed = (fingerprint: string, names: string[]) =>
  names.some((name) =>
    fingerprint.length === 40 ? fingerprint.endsWith(name) : fingerprint.startsWith(name),
  )

/** What a typed passphrase opens a keyring with. */
export const byPassphrase = (passphrase: string): Opens => ({
  kind: 'passphrase',
  passphrase: utf8(passphrase),
})

/** What a person calls it. */
const methodOf = ({ kind }: Opens) => (kind === 'prf' || kind === 'held' ? 'passkey' : kind)

/** What wrong ones are counted as; null for what nobody guesses. */
const guessOf = ({ user, address }: Session, opens: Opens): Guessed | null => {
  const method = methodOf(opens)
  if (method === 'passkey') return null
  return { what: method === 'recovery' ? 'recovery code' : method, user: user.address, address }
}

const slotThatOpens = ({ opens, keyring }: Attempt): { id: string; generation: number } => {
  const slot = keyring.slots.find(({ id, kind }) =>
    'slotId' in opens ? id === opens.slotId && kind === opens.kind : kind === opens.kind,
  )
  if (!slot) throw new Refusal('opens-no-more')
  return { id: slot.id, generation: slot.generation }
}

const idsOf = ({ slots }: Keyring, wanted: string) =>
  slots.filter(({ kind }) => kind === wanted).map(({ id }) => id)

const changedMeanwhile = () =>
  new Refusal('opening-changed', {
    detail: { retry_after_s: 1 },
  })

/** A secret as it is stretched: the same letters are the same octets, however they were typed. */
export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text.normalize('NFC'))

const pairRow = (userId: number, pair: KeyPair, addedAt: number) => ({
  ...pair,
  userId,
  aliases: JSON.stringify(pair.aliases),
  uses: JSON.stringify(pair.uses),
  addedAt,
})
