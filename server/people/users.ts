/** Users: a login that is their mail address, and the password for it, which opens no key. */
import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { and, asc, eq, inArray, or, type SQL } from 'drizzle-orm'
import type { Clock } from '../ground/clock.ts'
import type { Config } from '../ground/config.ts'
import { chosenSecretCharacters } from '../ground/limits.ts'
import { aliasIn, mailAddress, oneLine } from '../ground/mail-address.ts'
import { Refusal } from '../ground/refusal.ts'
import { type Database, everybody } from '../ground/store/database.ts'
import { domainOf } from '../ground/store/kit.ts'
import { aliases, users } from '../ground/store/tables.ts'
import type { Turnstile } from '../ground/turnstile.ts'
import { beginsWith } from './aliases.ts'
import { type Guesses, guessable, isTooShort } from './guesses.ts'
import type { Ledger } from './ledger.ts'
import type { LogIn, Session, Sessions } from './sessions.ts'
import type { User } from './user.ts'

export { mailAddress } from '../ground/mail-address.ts'

export type { User } from './user.ts'

export type NewUser = { address: string; name?: string; password: string }
type Parameters = { memoryKiB: number; passes: number; nonce: Buffer }

const columns = { id: users.id, address: users.address, name: users.name }

export class Users {
  readonly #db: Database
  readonly #clock: Clock
  readonly #guesses: Guesses
  readonly #turnstile: Turnstile
  readonly #sessions: Sessions
  readonly #ledger: Ledger
  readonly #cost: Config['argon2']

  constructor(options: {
    db: Database
    clock: Clock
    guesses: Guesses
    turnstile: Turnstile
    sessions: Sessions
    ledger: Ledger
    cost: Config['argon2']
  }) {
    this.#db = options.db
    this.#clock = options.clock
    this.#guesses = options.guesses
    this.#turnstile = options.turnstile
    this.#sessions = options.sessions
    this.#ledger = options.ledger
    this.#cost = options.cost
  }

  /** @throws Refusal `bad-address`, `bad-request` for a short password, `exists` */
  async add(user: NewUser): Promise<User> {
    const { address, insert } = await this.#new(user)
    const [row] = await this.#db.transaction(everybody, insert)
    if (!row) throw new Refusal('user-exists', { values: { address } })
    return row
  }

  /** The first user; null if there is one already, by whichever process. @throws Refusal as {@link add} does */
  async addFirst(user: NewUser): Promise<User | null> {
    const { insert } = await this.#new(user)
    return this.#db.transaction(everybody, async () => {
      if (await this.exist()) return null
      return (await insert())[0] ?? null
    })
  }

  async #new(user: NewUser) {
    const address = mailAddress(user.address)
    const passwordHash = await this.#hash(acceptable(user.password))
    const row = { address, name: oneLine(user.name ?? ''), passwordHash, createdAt: this.#clock() }
    const insert = async () => {
      await this.#requireNoAlias(address)
      return this.#db.insert(users).values(row).onConflictDoNothing().returning(columns)
    }
    return { address, insert }
  }

  /** Within a transaction that stands alone. @throws Refusal `exists` where somebody is found by what is before the `@` */
  async #requireNoAlias(address: string) {
    const word = aliasIn(localPartOf(address))
    const [owner] = await this.#db
      .select(columns)
      .from(aliases)
      .innerJoin(users, eq(users.id, aliases.userId))
      .where(eq(aliases.word, word))
    if (owner) throw new Refusal('address-is-alias', { values: { name: word, address: owner.address } })
  }

  async list(): Promise<User[]> {
    return this.#db.select(columns).from(users).orderBy(asc(users.address))
  }

  async exist(): Promise<boolean> {
    const [any] = await this.#db.select(columns).from(users).limit(1)
    return any !== undefined
  }

  /** Whose mailbox this is: the user of this address, or of this alias in the domain of theirs. */
  async byAddress(address: string): Promise<User | null> {
    return this.#ofAddress(address, byWord(address))
  }

  /** The same for somebody who only looks: by aliases that are published, or their own. */
  async lookUp(asker: Pick<User, 'id'>, address: string): Promise<User | null> {
    const answers = or(eq(aliases.published, true), eq(aliases.userId, asker.id))
    return this.#ofAddress(address, and(byWord(address), answers))
  }

  /** One question, whatever it finds. */
  async #ofAddress(typed: string, byAlias: SQL | undefined): Promise<User | null> {
    const address = typed.toLowerCase()
    const found = await this.#db
      .select(columns)
      .from(users)
      .where(or(eq(users.address, address), eq(users.id, this.#ownerOf(byAlias))))
    const isOfAlias = (user: User) => domainOfAddress(user.address) === domainOfAddress(address)
    return found.find((user) => user.address === address) ?? found.find(isOfAlias) ?? null
  }

  #ownerOf(byAlias: SQL | undefined) {
    return this.#db.select({ id: aliases.userId }).from(aliases).where(byAlias)
  }

  /** The user of an address or an alias, where an unknown one is a refusal. */
  async named(address: string): Promise<User> {
    const user = await this.meant(address)
    if (!user) throw new Refusal('no-user', { values: { address: oneLine(address) } })
    return user
  }

  /** Whether anybody's address is in one of these domains, which are the same one, written in different ways. */
  async areIn(domains: string[]): Promise<boolean> {
    const [any] = await this.#db
      .select({ id: users.id })
      .from(users)
      .where(inArray(domainOf(users.address), domains))
      .limit(1)
    return any !== undefined
  }

  async #ofAlias(byAlias: SQL | undefined): Promise<User | null> {
    const [user] = await this.#db
      .select(columns)
      .from(users)
      .where(eq(users.id, this.#ownerOf(byAlias)))
    return user ?? null
  }

  /** The first user of this name or alias, whatever the domain. */
  async byName(name: string): Promise<User | null> {
    const [user] = await this.#whose(name, 1)
    return user ?? null
  }

  /**
   * Who logs in by this name: an address, or an alias.
   *
   * @param which `published` aliases alone: for somebody who has not shown yet that they are that user
   */
  async meant(typed: string, which: 'all' | 'published' = 'all'): Promise<User | null> {
    const name = typed.trim().toLowerCase()
    const byAlias = which === 'all' ? byWord(name) : and(byWord(name), eq(aliases.published, true))
    return name.includes('@') ? this.#ofAddress(name, byAlias) : this.#ofAlias(byAlias)
  }

  /** The same, or by what is before the `@` of an address where no two users share that. */
  async meantInShort(typed: string): Promise<User | null> {
    if (typed.includes('@')) return this.meant(typed)
    const [user, another] = await this.#whose(typed.trim().toLowerCase(), 2)
    return another ? null : (user ?? null)
  }

  async #whose(name: string, most: number): Promise<User[]> {
    return this.#db
      .select(columns)
      .from(users)
      .where(or(beginsWith(name), eq(users.id, this.#ownerOf(byWord(name)))))
      .orderBy(asc(users.address))
      .limit(most)
  }

  /** Removes a user with everything that is theirs: mail, keys, sessions. */
  async remove(id: number): Promise<void> {
    await this.#db.transaction(id, async () => {
      this.#ledger.noteRemoval(id)
      await this.#db.delete(users).where(eq(users.id, id))
    })
  }

  /**
   * A new password by the operator: all sessions of the user end, and whatever was guessed wrong is forgiven.
   *
   * @throws Refusal `bad-request` for a short one
   */
  async setPassword(user: User, password: string): Promise<void> {
    const passwordHash = await this.#hash(acceptable(password))
    await this.#db.transaction(user.id, async () => {
      await this.#db.update(users).set({ passwordHash }).where(eq(users.id, user.id))
      await this.#guesses.forgive(user.address, guessable)
      await this.#noteChange(user, { terminal: 'wafer user password', address: 'this server' })
      await this.#sessions.endAllOf(user)
    })
  }

  /**
   * A new password by its owner, who shows the old one. The user's other sessions end: who knew the old one may have
   * begun them.
   *
   * @throws Refusal `bad-request` for a short one or the old one again, `no-session`; as {@link logIn} does
   */
  async changePassword(session: Session, old: string, password: string): Promise<void> {
    if (acceptable(password).normalize('NFC') === old.normalize('NFC')) throw new Refusal('password-same')
    const { user, requireStands } = await this.logIn(session.user.address, old, session.address)
    const passwordHash = await this.#turnstile.pass(() => this.#hash(password))
    await this.#db.transaction(session.user.id, async () => {
      await this.#sessions.requireLive(session)
      await requireStands()
      await this.#db.update(users).set({ passwordHash }).where(eq(users.id, user.id))
      await this.#guesses.forgive(user.address, ['password'])
      await this.#noteChange(user, session)
      await this.#sessions.endOthers(session)
    })
  }

  async #noteChange({ id: userId }: User, { terminal, address }: Pick<Session, 'terminal' | 'address'>) {
    const reason = { kind: 'password-changed' } as const
    await this.#ledger.append({ userId, event: 'used', terminal, address, method: 'password', reason })
  }

  /**
   * Checks a log-in. An unknown user takes the same work and gets the same answer as a wrong password.
   *
   * @param typed who, as {@link meant} finds them: by whatever name, their wrong passwords are counted together
   * @param source network address that the log-in comes from
   * @throws Refusal `bad-credentials`, `slow-down`, `busy`
   */
  async logIn(typed: string, password: string, source: string): Promise<LogIn> {
    const known = await this.meant(typed)
    const guess = { what: 'password', user: known?.address ?? typed, address: source } as const
    await this.#guesses.admit(guess)
    return this.#turnstile.pass(async () => {
      await this.#guesses.admit(guess) // others may have failed while this one waited
      const [row] = await this.#db
        .select()
        .from(users)
        .where(eq(users.id, known?.id ?? 0))
      const right = await this.#verify(password, row?.passwordHash ?? null)
      if (!row || !right) {
        await this.#guesses.wrong(guess)
        throw wrongLogIn()
      }
      await this.#guesses.right(guess)
      const requireStands = async () => {
        const still = and(eq(users.id, row.id), eq(users.passwordHash, row.passwordHash))
        if (!(await this.#db.select(columns).from(users).where(still))[0]) throw wrongLogIn()
      }
      return { user: { id: row.id, address: row.address, name: row.name }, requireStands }
    })
  }

  async #hash(password: string): Promise<string> {
    const parameters = { ...this.#cost, nonce: randomBytes(16) }
    const tag = await stretch(password, parameters)
    const { memoryKiB, passes, nonce } = parameters
    return `$argon2id$v=19$m=${memoryKiB},t=${passes},p=1$${unpadded(nonce)}$${unpadded(tag)}`
  }

  async #verify(password: string, hash: string | null): Promise<boolean> {
    const [, memoryKiB, passes, nonce, tag] =
      hash?.match(/^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=1\$([^$]+)\$([^$]+)$/) ?? []
    if (!memoryKiB || !passes || !nonce || !tag) {
      await stretch(password, { ...this.#cost, nonce: Buffer.alloc(16) })
      return false
    }
    const parameters = {
      memoryKiB: Number(memoryKiB),
      passes: Number(passes),
      nonce: Buffer.from(nonce, 'base64'),
    }
    return timingSafeEqual(await stretch(password, parameters), Buffer.from(tag, 'base64'))
  }
}

const stretch = (password: string, { memoryKiB, passes, nonce }: Parameters): Promise<Buffer> =>
  promisify(argon2)('argon2id', {
    message: Buffer.from(password.normalize('NFC')),
    nonce,
    memory: memoryKiB,
    passes,
    parallelism: 1,
    tagLength: 32,
  })

const wrongLogIn = () => new Refusal('wrong-log-in')

/** Of an address, or of an alias alone. */
const byWord = (typed: string) => eq(aliases.word, aliasIn(localPartOf(typed)))

/** All of it where there is no `@`. */
const localPartOf = (address: string) => address.replace(/@[^@]*$/, '')

const domainOfAddress = (address: string) => address.slice(address.lastIndexOf('@') + 1)

const unpadded = (octets: Buffer) => octets.toString('base64').replace(/=+$/, '')

const acceptable = (password: string) => {
  if (isTooShort(password)) throw new Refusal('password-short', { values: { least: chosenSecretCharacters } })
  return password
}
