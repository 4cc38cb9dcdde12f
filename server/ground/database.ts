/**
 * The embedded database: one SQLite file in the data folder. Each table has one owner module, named here; nobody
 * else writes to it. Times are Unix milliseconds in columns that end in `_at`.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { sql } from 'drizzle-orm'
import { type BetterSQLite3Database, drizzle } from 'drizzle-orm/better-sqlite3'
import { migrate } from 'drizzle-orm/better-sqlite3/migrator'
import {
  type AnySQLiteColumn,
  blob,
  customType,
  index,
  integer,
  primaryKey,
  sqliteTable,
  text,
  uniqueIndex,
} from 'drizzle-orm/sqlite-core'
import { root } from './places.ts'
import type { Delay } from './reasons.ts'
import { Unusable } from './refusal.ts'

const bytes = customType<{ data: Uint8Array; driverData: Buffer }>({
  dataType: () => 'blob',
  toDriver: (value) => Buffer.from(value.buffer, value.byteOffset, value.byteLength),
  fromDriver: (value) => new Uint8Array(value.buffer, value.byteOffset, value.byteLength),
})
const flag = (name: string) => integer(name, { mode: 'boolean' })

// ---- owner: users.ts

/** Of an address; the index of users is by the very same words. */
export const domainOf = (address: AnySQLiteColumn) =>
  sql<string>`substr(${address}, instr(${address}, '@') + 1)`

export const users = sqliteTable(
  'users',
  {
    id: integer('id').primaryKey({ autoIncrement: true }),
    /** Login and mail address, lower case. */
    address: text('address').notNull().unique(),
    name: text('name').notNull(),
    /** Argon2id in PHC string format. */
    passwordHash: text('password_hash').notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (table) => [index('users_domain').on(domainOf(table.address))],
)

// ---- owner: guesses.ts

/** Counters against guessing, and of refused passkeys, kept by rate-limiter-flexible (which names the columns). */
export const rateLimits = sqliteTable('rate_limits', {
  key: text('key').primaryKey(),
  points: integer('points').notNull().default(0),
  expire: integer('expire'),
})

// ---- owner: sessions.ts

export const sessions = sqliteTable(
  'sessions',
  {
    id: text('id').primaryKey(),
    /** SHA-256 of the session token; the token itself is stored nowhere. */
    tokenHash: bytes('token_hash').notNull().unique(),
    userId: integer('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    /** What the terminal calls itself, or what it was taken for. */
    terminal: text('terminal').notNull(),
    /** Network address of the log-in. */
    address: text('address').notNull(),
    createdAt: integer('created_at').notNull(),
    contactAt: integer('contact_at').notNull(),
    endsAt: integer('ends_at').notNull(),
    /** Set when another terminal stopped this session's allowance, until its owner was told. */
    stoppedAt: integer('stopped_at'),
    stoppedByTerminal: text('stopped_by_terminal'),
    stoppedByAddress: text('stopped_by_address'),
    /** How long after a contact the session may still hold the key, of a terminal that promised to keep contact. */
    heartbeatMs: integer('heartbeat_ms'),
    /** Grows with each lock of this session and each stop by any of its user's: an unlock that began before opens nothing. */
    lockCount: integer('lock_count').notNull().default(0),
  },
  (table) => [index('sessions_user').on(table.userId)],
)

/** Whose a token was that no longer opens a session: an interrupted form goes back to its own user only. */
export const sessionEnds = sqliteTable('session_ends', {
  tokenHash: bytes('token_hash').primaryKey(),
  userId: integer('user_id')
    .notNull()
    .references(() => users.id, { onDelete: 'cascade' }),
  reason: text('reason', { enum: ['logout', 'expired', 'ended'] }).notNull(),
  endedAt: integer('ended_at').notNull(),
})

// ---- owner: parked-forms.ts

export const parkedForms = sqliteTable(
  'parked_forms',
  {
    id: text('id').primaryKey(),
    userId: integer('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    /** AES-256-GCM under a key that only the next page's hidden field holds. */
    sealed: bytes('sealed').notNull(),
    expiresAt: integer('expires_at').notNull(),
  },
  (table) => [index('parked_forms_user').on(table.userId)],
)

// ---- owner: keyrings.ts

export const keyrings = sqliteTable('keyrings', {
  userId: integer('user_id')
    .primaryKey()
    .references(() => users.id, { onDelete: 'cascade' }),
  id: text('id').notNull().unique(),
  /** Grows by one with every change of the slot table; a change names the generation it replaces. */
  generation: integer('generation').notNull(),
  /** HMAC under a DEK-derived key over generation and slot table. */
  mac: bytes('mac').notNull(),
})

export const keySlots = sqliteTable(
  'key_slots',
  {
    id: text('id').primaryKey(),
    userId: integer('user_id')
      .notNull()
      .references(() => keyrings.userId, { onDelete: 'cascade' }),
    kind: text('kind', { enum: ['passphrase', 'prf', 'held', 'recovery'] }).notNull(),
    /** Key derivation parameters, JSON; of a passkey's slot its credential id too. */
    params: text('params').notNull(),
    /** The keyring's generation when this slot was wrapped. */
    generation: integer('generation').notNull(),
    /** The DEK, wrapped. */
    wrapped: bytes('wrapped').notNull(),
    createdAt: integer('created_at').notNull(),
    usedAt: integer('used_at'),
  },
  (table) => [index('key_slots_user').on(table.userId)],
)

/** The halves of a key pair, always together (P22). */
export const keyPairs = sqliteTable(
  'key_pairs',
  {
    userId: integer('user_id')
      .notNull()
      .references(() => keyrings.userId, { onDelete: 'cascade' }),
    /** Lower-case hexadecimal. */
    fingerprint: text('fingerprint').notNull(),
    /** The transferable public key, binary (RFC 9580 §10.1). */
    publicKey: bytes('public_key').notNull(),
    /** The transferable secret key, AES-256-GCM under the DEK. */
    sealedSecret: bytes('sealed_secret').notNull(),
    /** Mail addresses of its user ids, JSON. */
    aliases: text('aliases').notNull(),
    algorithm: text('algorithm').notNull(),
    createdAt: integer('created_at').notNull(),
    expiresAt: integer('expires_at'),
    /** What it can be used for (`OwnUses`), JSON; null in rows older than that. */
    uses: text('uses'),
    /** When it came into the keyring; of those that can be used the newest one is. */
    addedAt: integer('added_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.userId, table.fingerprint] })],
)

// ---- owner: allowances.ts

/** At most one row per user: that is what makes two holders impossible (P85). */
export const allowances = sqliteTable('allowances', {
  userId: integer('user_id')
    .primaryKey()
    .references(() => users.id, { onDelete: 'cascade' }),
  id: text('id').notNull().unique(),
  sessionId: text('session_id')
    .notNull()
    .unique()
    .references(() => sessions.id, { onDelete: 'cascade' }),
  epochId: text('epoch_id').notNull(),
  method: text('method', { enum: ['passphrase', 'passkey', 'approval', 'recovery'] }).notNull(),
  scope: text('scope', { enum: ['read', 'sign'] }).notNull(),
  grantedAt: integer('granted_at').notNull(),
  usedAt: integer('used_at').notNull(),
  endsAt: integer('ends_at').notNull(),
  /** X25519 public key that the key token's private half answers to. */
  publicHalf: bytes('public_half').notNull(),
  /** The DEK, HPKE-sealed to the public half. */
  sealedDek: bytes('sealed_dek').notNull(),
})

/** Stops of another session's allowance that no unlock where they were pressed has followed yet. */
export const stops = sqliteTable(
  'stops',
  {
    id: integer('id').primaryKey(),
    userId: integer('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    /** Who pressed; no foreign key, for a log-out forgives nothing. */
    sessionId: text('session_id').notNull(),
    stoppedAt: integer('stopped_at').notNull(),
  },
  (table) => [index('stops_user').on(table.userId)],
)

// ---- owner: credentials.ts

export const passkeys = sqliteTable(
  'passkeys',
  {
    /** The credential id, base64url. Whoever registers chooses it: another user may have the same. */
    id: text('id').notNull(),
    userId: integer('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    name: text('name').notNull(),
    /** COSE_Key (RFC 9052 §7). */
    publicKey: bytes('public_key').notNull(),
    /** The signature counter that came last; 0 from authenticators that do not count. */
    counter: integer('counter').notNull(),
    /** JSON. */
    transports: text('transports').notNull(),
    backupEligible: flag('backup_eligible').notNull(),
    backedUp: flag('backed_up').notNull(),
    /** Whether it gave a PRF result, the same one twice, when it was registered. */
    prf: flag('prf').notNull(),
    createdAt: integer('created_at').notNull(),
    usedAt: integer('used_at'),
  },
  (table) => [primaryKey({ columns: [table.id, table.userId] }), index('passkeys_user').on(table.userId)],
)

// ---- owner: challenges.ts

/** Challenges that were answered: no row is written for one that is given out. */
export const spentChallenges = sqliteTable('spent_challenges', {
  /** SHA-256 of the challenge. */
  hash: bytes('hash').primaryKey(),
  expiresAt: integer('expires_at').notNull(),
})

// ---- owner: registration.ts

/** A passkey that was made in this session, and is not registered before its PRF was evaluated twice. */
export const pendingPasskeys = sqliteTable('pending_passkeys', {
  sessionId: text('session_id')
    .primaryKey()
    .references(() => sessions.id, { onDelete: 'cascade' }),
  id: text('id').notNull(),
  publicKey: bytes('public_key').notNull(),
  counter: integer('counter').notNull(),
  transports: text('transports').notNull(),
  backupEligible: flag('backup_eligible').notNull(),
  backedUp: flag('backed_up').notNull(),
  /** The salt of its first evaluation, base64url. */
  salt: text('salt').notNull(),
  /** SHA-256 of the first evaluation's result; null while there was none. */
  firstHash: bytes('first_hash'),
  expiresAt: integer('expires_at').notNull(),
})

// ---- owner: approvals.ts

/** A terminal's request that the key be opened for it on another device. No row holds anything that opens a key. */
export const approvals = sqliteTable(
  'approvals',
  {
    id: text('id').primaryKey(),
    userId: integer('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    /** Who asks; without the session nothing can be granted, but the row still counts against the limit. */
    sessionId: text('session_id').references(() => sessions.id, { onDelete: 'set null' }),
    epochId: text('epoch_id').notNull(),
    scope: text('scope', { enum: ['read', 'sign'] }).notNull(),
    state: text('state', { enum: ['pending', 'granted', 'denied', 'expired'] }).notNull(),
    /** HMAC of the six digits under a key that is not in the database. */
    codeMac: bytes('code_mac').notNull(),
    wrongCodes: integer('wrong_codes').notNull(),
    /** The allowance that it will be, and the public half of the key token that waits for it. */
    allowanceId: text('allowance_id').notNull(),
    publicHalf: bytes('public_half').notNull(),
    askedAt: integer('asked_at').notNull(),
    endsAt: integer('ends_at').notNull(),
  },
  (table) => [
    index('approvals_user').on(table.userId, table.askedAt),
    uniqueIndex('approvals_pending').on(table.sessionId).where(sql`state = 'pending'`),
  ],
)

// ---- owner: ledger.ts

export const ledgerEvents = ['granted', 'used', 'refused', 'ended', 'stopped'] as const
export type LedgerEventName = (typeof ledgerEvents)[number]
/** How the key was opened, or what was shown. */
export const ledgerMethods = ['passphrase', 'passkey', 'approval', 'recovery', 'password'] as const
export type LedgerMethod = (typeof ledgerMethods)[number]

export const ledger = sqliteTable(
  'ledger',
  {
    id: integer('id').primaryKey({ autoIncrement: true }),
    userId: integer('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    at: integer('at').notNull(),
    event: text('event', { enum: ledgerEvents }).notNull(),
    terminal: text('terminal').notNull(),
    address: text('address').notNull(),
    method: text('method', { enum: ledgerMethods }),
    /** Why: ledger-reasons.ts. */
    reason: text('reason'),
    messageId: integer('message_id'),
    /** HMAC over this row and the row before it of the same user. */
    mac: bytes('mac').notNull(),
  },
  (table) => [index('ledger_user').on(table.userId, table.id)],
)

/** The end of each user's chain: a ledger that was cut short does not fit it. */
export const ledgerHeads = sqliteTable('ledger_heads', {
  userId: integer('user_id')
    .primaryKey()
    .references(() => users.id, { onDelete: 'cascade' }),
  lastId: integer('last_id').notNull(),
  count: integer('count').notNull(),
  mac: bytes('mac').notNull(),
})

// ---- owner: contents.ts

/** The octets of mail, as they were received, once for all that refer to them: messages and what waits in the queue. */
export const contents = sqliteTable(
  'contents',
  {
    id: integer('id').primaryKey({ autoIncrement: true }),
    /** How many rows refer to it, kept by triggers. */
    references: integer('references').notNull().default(0),
    /** Until then it is kept although nothing refers to it. */
    leasedUntil: integer('leased_until').notNull(),
  },
  (table) => [index('contents_unreferenced').on(table.leasedUntil).where(sql`"references" = 0`)],
)

/** In pieces, each of them written and deleted in a moment. Lists never touch this table. */
export const contentPieces = sqliteTable(
  'content_pieces',
  {
    contentId: integer('content_id')
      .notNull()
      .references(() => contents.id),
    place: integer('place').notNull(),
    octets: blob('octets', { mode: 'buffer' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.contentId, table.place] })],
)

// ---- owner: quota.ts

/** How many octets a user's mail, drafts, queue and parked forms come to, kept by triggers. */
export const usage = sqliteTable('usage', {
  userId: integer('user_id')
    .primaryKey()
    .references(() => users.id, { onDelete: 'cascade' }),
  octets: integer('octets').notNull(),
})

// ---- owner: mailboxes.ts

export const folders = sqliteTable(
  'folders',
  {
    id: integer('id').primaryKey({ autoIncrement: true }),
    userId: integer('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    kind: text('kind', { enum: ['inbox', 'sent', 'drafts', 'trash', 'user'] }).notNull(),
    name: text('name').notNull(),
  },
  (table) => [uniqueIndex('folders_name').on(table.userId, sql`lower(${table.name})`)],
)

export const messages = sqliteTable(
  'messages',
  {
    id: integer('id').primaryKey({ autoIncrement: true }),
    userId: integer('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    folderId: integer('folder_id')
      .notNull()
      .references(() => folders.id, { onDelete: 'cascade' }),
    /** When it came into the mailbox; lists are sorted by it. */
    arrivedAt: integer('arrived_at').notNull(),
    /** The Date field, or null where there is none that can be read. */
    sentAt: integer('sent_at'),
    /** Decoded header fields as lists show them. */
    sender: text('sender').notNull(),
    recipients: text('recipients').notNull(),
    subject: text('subject').notNull(),
    size: integer('size').notNull(),
    seen: flag('seen').notNull().default(false),
    flagged: flag('flagged').notNull().default(false),
    answered: flag('answered').notNull().default(false),
    attachments: integer('attachments').notNull(),
    /** As it lies here: drafts and copies of letters are encrypted to the user's own key. */
    security: text('security', { enum: ['plain', 'encrypted', 'signed', 'partly'] }).notNull(),
    /** How a letter left of which this is the copy; null of all other mail. */
    sentAs: text('sent_as', { enum: ['plain', 'encrypted', 'signed'] }),
    /** Claims an address of this server, but came from outside. */
    outside: flag('outside').notNull().default(false),
    contentId: integer('content_id').references(() => contents.id),
  },
  (table) => [
    index('messages_content').on(table.contentId),
    index('messages_page').on(table.folderId, table.arrivedAt, table.id),
    index('messages_user').on(table.userId),
    index('messages_unseen').on(table.folderId).where(sql`seen = 0`),
  ],
)

// The full-text index `message_search` (FTS5) is made by hand in the first migration: drizzle cannot describe it. Its rows
// are those of `contents`: what came for many is indexed once.

// ---- owner: correspondents.ts

/** Public keys of other people that this user has accepted. */
export const correspondents = sqliteTable(
  'correspondents',
  {
    userId: integer('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    fingerprint: text('fingerprint').notNull(),
    /** Mail addresses of its user ids, JSON, lower case. */
    addresses: text('addresses').notNull(),
    publicKey: bytes('public_key').notNull(),
    /** What it can be used for (`KeyUses`), JSON; null in rows older than that. */
    uses: text('uses'),
    acceptedAt: integer('accepted_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.userId, table.fingerprint] })],
)

// ---- owner: outbox.ts

/** Mail that still has to leave; a recipient goes when it was delivered or bounced, the row with the last one. */
export const outbox = sqliteTable(
  'outbox',
  {
    id: integer('id').primaryKey({ autoIncrement: true }),
    /** Null for a bounce, which has no sender to bounce to. */
    userId: integer('user_id').references(() => users.id, { onDelete: 'cascade' }),
    /** Envelope sender; empty for a bounce (RFC 5321 §4.5.5). */
    sender: text('sender').notNull(),
    /** Envelope recipients, JSON. */
    recipients: text('recipients').notNull(),
    contentId: integer('content_id').references(() => contents.id),
    size: integer('size').notNull().default(0),
    attempts: integer('attempts').notNull().default(0),
    createdAt: integer('created_at').notNull(),
    nextAt: integer('next_at').notNull(),
    /** Why it did not leave when it was tried last; null if it was not, and while it is being tried. */
    lastError: text('last_error', { mode: 'json' }).$type<Delay>(),
    /** The copy in Sent of a letter that can be taken back: null from when the first of its mails is claimed. */
    messageId: integer('message_id').references(() => messages.id, { onDelete: 'set null' }),
  },
  (table) => [
    index('outbox_due').on(table.nextAt),
    index('outbox_message').on(table.messageId),
    index('outbox_content').on(table.contentId),
    index('outbox_user').on(table.userId, table.id),
  ],
)

// ---- owner: letter-numbers.ts

/** What became of a letter: the draft that it is kept as, or its copy in Sent. */
export const letterNumbers = sqliteTable(
  'letter_numbers',
  {
    userId: integer('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    number: text('number').notNull(),
    messageId: integer('message_id').references(() => messages.id, { onDelete: 'set null' }),
    /** MAC of what left, by which the same letter pressed twice is told from a changed one; null while it has not left. */
    left: bytes('left'),
    touchedAt: integer('touched_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.userId, table.number] }),
    index('letter_numbers_message').on(table.messageId),
  ],
)

const schema = {
  users,
  rateLimits,
  sessions,
  sessionEnds,
  parkedForms,
  keyrings,
  keySlots,
  keyPairs,
  allowances,
  passkeys,
  spentChallenges,
  pendingPasskeys,
  approvals,
  ledger,
  ledgerHeads,
  contents,
  contentPieces,
  usage,
  folders,
  messages,
  correspondents,
  outbox,
  letterNumbers,
}

export type Database = BetterSQLite3Database<typeof schema> & { $client: Sqlite.Database }

export const databaseFile = (dataFolder: string) => join(dataFolder, 'wafer.db')

/** How every transaction begins: it takes its turn to write before it reads what it decides by. */
export const immediate = { behavior: 'immediate' } as const

const migrationsFolder = () => join(root, 'migrations')

/**
 * Opens the database and brings it to this version's schema.
 *
 * @param file a path, or `:memory:`
 * @throws Error with one sentence if the file is from a newer version or no database; it is left as it was.
 */
export const openDatabase = (file: string, { called = file } = {}): Database => {
  const client = new Sqlite(file)
  try {
    client.pragma('busy_timeout = 5000')
    refuseNewerVersion(client, called)
    client.pragma('journal_mode = WAL')
    client.pragma('synchronous = FULL') // an accepted mail is on the disk, not on its way there
    client.pragma('foreign_keys = ON')
    client.pragma('secure_delete = ON') // a deleted allowance leaves no copy in a free page
    const db = drizzle(client, { schema })
    migrate(db, { migrationsFolder: migrationsFolder() })
    return db
  } catch (error) {
    client.close()
    if (error instanceof Sqlite.SqliteError && error.code === 'SQLITE_NOTADB')
      throw new Unusable(`${called} is not a Wafer database; nothing was changed.`, { cause: error })
    throw error
  }
}

const refuseNewerVersion = (client: Sqlite.Database, file: string) => {
  const journal = JSON.parse(readFileSync(join(migrationsFolder(), 'meta', '_journal.json'), 'utf8')) as {
    entries: { when: number }[]
  }
  const known = Math.max(...journal.entries.map((entry) => entry.when))
  const table = client.prepare("SELECT 1 FROM sqlite_master WHERE name = '__drizzle_migrations'").get()
  if (!table) return
  const newest = client.prepare('SELECT max(created_at) AS at FROM __drizzle_migrations').get() as {
    at: number | null
  }
  if ((newest.at ?? 0) > known)
    throw new Unusable(
      `${file} was written by a newer version of Wafer; use that version. Nothing was changed.`,
    )
}

/** The newest time that any row holds, for a clock that must not run backwards. */
export const newestStoredTime = (db: Database): number =>
  db.get<{ at: number | null }>(
    sql`SELECT max(
      coalesce((SELECT max(${sessions.contactAt}) FROM ${sessions}), 0),
      coalesce((SELECT max(${allowances.usedAt}) FROM ${allowances}), 0),
      coalesce((SELECT ${ledger.at} FROM ${ledger} ORDER BY ${ledger.id} DESC LIMIT 1), 0)) AS at`,
  )?.at ?? 0

/**
 * Takes back times that a clock wrote which was ahead: sessions and allowances of then end, mail does not wait for them
 * and is not sorted by them. What the ledger says stays as it was written.
 *
 * @param now the true time
 */
export const takeBackTimes = (db: Database, now: number) =>
  db.transaction((tx) => {
    tx.run(sql`DELETE FROM ${allowances} WHERE ${allowances.usedAt} > ${now}`)
    tx.run(sql`DELETE FROM ${sessions} WHERE ${sessions.contactAt} > ${now}`)
    tx.run(sql`UPDATE ${messages} SET arrived_at = ${now} WHERE ${messages.arrivedAt} > ${now}`)
    tx.run(sql`UPDATE ${outbox} SET next_at = min(next_at, ${now}), created_at = min(created_at, ${now})`)
    tx.run(sql`DELETE FROM ${stops} WHERE ${stops.stoppedAt} > ${now}`)
  }, immediate)
