/**
 * The tables, described once for both engines (`kit`). Each has one owner module, named here; nobody else writes to it.
 * Times are Unix milliseconds in columns that end in `_at`.
 */
import { sql } from 'drizzle-orm'
import type { Delay } from '../reasons.ts'
import {
  bytes,
  domainOf,
  exactText,
  flag,
  id,
  index,
  int,
  json,
  primaryKey,
  table,
  text,
  uniqueIndex,
} from './kit.ts'

// ---- owner: users.ts

export const users = table(
  'users',
  {
    id: id('id'),
    /** Login and mail address, lower case. */
    address: text('address').notNull().unique(),
    name: text('name').notNull(),
    /** Argon2id in PHC string format. */
    passwordHash: text('password_hash').notNull(),
    createdAt: int('created_at').notNull(),
  },
  (table) => [index('users_domain').on(domainOf(table.address))],
)

// ---- owner: aliases.ts

/** Words other than the address by which a user is found (P86). */
export const aliases = table(
  'aliases',
  {
    id: text('id').primaryKey(),
    userId: int('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    /** As `aliasIn` has it; no address here begins with it. */
    word: text('word').notNull().unique(),
    /** Whether it answers those who only look it up, too. */
    published: flag('published').notNull(),
    addedAt: int('added_at').notNull(),
  },
  (table) => [index('aliases_user').on(table.userId)],
)

// ---- owner: guesses.ts

/** Counters against guessing, and of refused passkeys, kept by rate-limiter-flexible (which names the columns). */
export const rateLimits = table(
  'rate_limits',
  {
    key: text('key').primaryKey(),
    points: int('points').notNull().default(0),
    expire: int('expire'),
  },
  (table) => [index('rate_limits_expire').on(table.expire)],
)

// ---- owner: sessions.ts

export const sessions = table(
  'sessions',
  {
    id: text('id').primaryKey(),
    /** SHA-256 of the session token; the token itself is stored nowhere. */
    tokenHash: bytes('token_hash').notNull().unique(),
    userId: int('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    /** What the terminal calls itself, or what it was taken for. */
    terminal: text('terminal').notNull(),
    /** Network address of the log-in. */
    address: text('address').notNull(),
    createdAt: int('created_at').notNull(),
    contactAt: int('contact_at').notNull(),
    endsAt: int('ends_at').notNull(),
    /** Set when another terminal stopped this session's allowance, until its owner was told. */
    stoppedAt: int('stopped_at'),
    stoppedByTerminal: text('stopped_by_terminal'),
    stoppedByAddress: text('stopped_by_address'),
    /** How long after a contact the session may still hold the key, of a terminal that promised to keep contact. */
    heartbeatMs: int('heartbeat_ms'),
    /** Grows with each lock of this session and each stop by any of its user's: an unlock that began before opens nothing. */
    lockCount: int('lock_count').notNull().default(0),
    /** It lasts for as long as a connection that the server itself holds (SSH), and not longer than the server. */
    ofConnection: flag('of_connection').notNull().default(false),
  },
  (table) => [
    index('sessions_user').on(table.userId),
    index('sessions_contact').on(table.contactAt),
    index('sessions_end').on(table.endsAt),
    index('sessions_of_connection').on(table.endsAt).where(sql`of_connection`),
  ],
)

/** Whose a token was that no longer opens a session: an interrupted form goes back to its own user only. */
export const sessionEnds = table(
  'session_ends',
  {
    tokenHash: bytes('token_hash').primaryKey(),
    userId: int('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    reason: text('reason', { enum: ['logout', 'expired', 'ended'] }).notNull(),
    endedAt: int('ended_at').notNull(),
  },
  (table) => [index('session_ends_user').on(table.userId), index('session_ends_time').on(table.endedAt)],
)

// ---- owner: ssh-keys.ts

/** Public keys that log a user in by SSH, and open nothing else. */
export const sshKeys = table(
  'ssh_keys',
  {
    id: text('id').primaryKey(),
    userId: int('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    name: text('name').notNull(),
    /** As it goes over the wire (RFC 4253 §6.6). */
    key: bytes('key').notNull(),
    addedAt: int('added_at').notNull(),
    usedAt: int('used_at'),
  },
  (table) => [uniqueIndex('ssh_keys_key').on(table.userId, table.key)],
)

// ---- owner: parked-forms.ts

export const parkedForms = table(
  'parked_forms',
  {
    id: text('id').primaryKey(),
    userId: int('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    /** AES-256-GCM under a key that only the next page's hidden field holds. */
    sealed: bytes('sealed').notNull(),
    expiresAt: int('expires_at').notNull(),
  },
  (table) => [index('parked_forms_user').on(table.userId), index('parked_forms_expiry').on(table.expiresAt)],
)

// ---- owner: keyrings.ts

export const keyrings = table('keyrings', {
  userId: int('user_id')
    .primaryKey()
    .references(() => users.id, { onDelete: 'cascade' }),
  id: text('id').notNull().unique(),
  /** Grows by one with every change of the slot table; a change names the generation it replaces. */
  generation: int('generation').notNull(),
  /** HMAC under a DEK-derived key over generation and slot table. */
  mac: bytes('mac').notNull(),
})

export const keySlots = table(
  'key_slots',
  {
    id: text('id').primaryKey(),
    userId: int('user_id')
      .notNull()
      .references(() => keyrings.userId, { onDelete: 'cascade' }),
    kind: text('kind', { enum: ['passphrase', 'prf', 'held', 'recovery'] }).notNull(),
    /** Key derivation parameters, JSON; of a passkey's slot its credential id too. */
    params: text('params').notNull(),
    /** The keyring's generation when this slot was wrapped. */
    generation: int('generation').notNull(),
    /** The DEK, wrapped. */
    wrapped: bytes('wrapped').notNull(),
    createdAt: int('created_at').notNull(),
    usedAt: int('used_at'),
  },
  (table) => [index('key_slots_user').on(table.userId)],
)

/** The halves of a key pair, always together (P22). */
export const keyPairs = table(
  'key_pairs',
  {
    userId: int('user_id')
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
    createdAt: int('created_at').notNull(),
    expiresAt: int('expires_at'),
    /** What it can be used for (`OwnUses`), JSON; null in rows older than that. */
    uses: text('uses'),
    /** When it came into the keyring; of those that can be used the newest one is. */
    addedAt: int('added_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.userId, table.fingerprint] })],
)

// ---- owner: identities.ts

/** S/MIME identities: certificates whose private keys are here, sealed in the keyring. */
export const identities = table(
  'identities',
  {
    userId: int('user_id')
      .notNull()
      .references(() => keyrings.userId, { onDelete: 'cascade' }),
    /** SHA-256 of the certificate, lower-case hexadecimal. */
    fingerprint: text('fingerprint').notNull(),
    /** In DER (RFC 5280). */
    certificate: bytes('certificate').notNull(),
    /** The certificates on its way to an authority, as far as they came along, in DER: JSON, base64. */
    chain: text('chain').notNull(),
    /** The private key (PKCS #8), AES-256-GCM under the DEK. */
    sealedSecret: bytes('sealed_secret').notNull(),
    /** What the certificate says (`Says` of new-identities.ts), JSON: it is read in child processes alone. */
    says: text('says').notNull(),
    /** When it came into the keyring. */
    addedAt: int('added_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.userId, table.fingerprint] })],
)

// ---- owner: allowances.ts

/** At most one row per user: that is what makes two holders impossible (P85). */
export const allowances = table('allowances', {
  userId: int('user_id')
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
  grantedAt: int('granted_at').notNull(),
  usedAt: int('used_at').notNull(),
  endsAt: int('ends_at').notNull(),
  /** How long it stands without a use, in milliseconds, where its user chose; null for as long as it is set. */
  idleMs: int('idle_ms'),
  /** X25519 public key that the key token's private half answers to. */
  publicHalf: bytes('public_half').notNull(),
  /** The DEK, HPKE-sealed to the public half. */
  sealedDek: bytes('sealed_dek').notNull(),
})

/** Stops of another session's allowance that no unlock where they were pressed has followed yet. */
export const stops = table(
  'stops',
  {
    id: id('id'),
    userId: int('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    /** Who pressed; no foreign key, for a log-out forgives nothing. */
    sessionId: text('session_id').notNull(),
    stoppedAt: int('stopped_at').notNull(),
  },
  (table) => [index('stops_user').on(table.userId), index('stops_time').on(table.stoppedAt)],
)

// ---- owner: credentials.ts

export const passkeys = table(
  'passkeys',
  {
    /** The credential id, base64url. Whoever registers chooses it: another user may have the same. */
    id: text('id').notNull(),
    userId: int('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    name: text('name').notNull(),
    /** COSE_Key (RFC 9052 §7). */
    publicKey: bytes('public_key').notNull(),
    /** The signature counter that came last; 0 from authenticators that do not count. */
    counter: int('counter').notNull(),
    /** JSON. */
    transports: text('transports').notNull(),
    backupEligible: flag('backup_eligible').notNull(),
    backedUp: flag('backed_up').notNull(),
    /** Whether it gave a PRF result, the same one twice, when it was registered. */
    prf: flag('prf').notNull(),
    createdAt: int('created_at').notNull(),
    usedAt: int('used_at'),
  },
  (table) => [primaryKey({ columns: [table.id, table.userId] }), index('passkeys_user').on(table.userId)],
)

// ---- owner: challenges.ts

/** Challenges that were answered: no row is written for one that is given out. */
export const spentChallenges = table(
  'spent_challenges',
  {
    /** SHA-256 of the challenge. */
    hash: bytes('hash').primaryKey(),
    expiresAt: int('expires_at').notNull(),
  },
  (table) => [index('spent_challenges_expiry').on(table.expiresAt)],
)

// ---- owner: registration.ts

/** A passkey that was made in this session, and is not registered before its PRF was evaluated twice. */
export const pendingPasskeys = table(
  'pending_passkeys',
  {
    sessionId: text('session_id')
      .primaryKey()
      .references(() => sessions.id, { onDelete: 'cascade' }),
    id: text('id').notNull(),
    publicKey: bytes('public_key').notNull(),
    counter: int('counter').notNull(),
    transports: text('transports').notNull(),
    backupEligible: flag('backup_eligible').notNull(),
    backedUp: flag('backed_up').notNull(),
    /** The salt of its first evaluation, base64url. */
    salt: text('salt').notNull(),
    /** SHA-256 of the first evaluation's result; null while there was none. */
    firstHash: bytes('first_hash'),
    expiresAt: int('expires_at').notNull(),
  },
  (table) => [index('pending_passkeys_expiry').on(table.expiresAt)],
)

// ---- owner: approvals.ts

/** A terminal's request that the key be opened for it on another device. No row holds anything that opens a key. */
export const approvals = table(
  'approvals',
  {
    id: text('id').primaryKey(),
    userId: int('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    /** Who asks; without the session nothing can be granted, but the row still counts against the limit. */
    sessionId: text('session_id').references(() => sessions.id, { onDelete: 'set null' }),
    epochId: text('epoch_id').notNull(),
    scope: text('scope', { enum: ['read', 'sign'] }).notNull(),
    state: text('state', { enum: ['pending', 'granted', 'denied', 'expired'] }).notNull(),
    /** HMAC of the six digits under a key that is not in the database. */
    codeMac: bytes('code_mac').notNull(),
    wrongCodes: int('wrong_codes').notNull(),
    /** The allowance that it will be, and the public half of the key token that waits for it. */
    allowanceId: text('allowance_id').notNull(),
    publicHalf: bytes('public_half').notNull(),
    askedAt: int('asked_at').notNull(),
    endsAt: int('ends_at').notNull(),
  },
  (table) => [
    index('approvals_user').on(table.userId, table.askedAt),
    index('approvals_session').on(table.sessionId, table.askedAt),
    index('approvals_time').on(table.askedAt),
    uniqueIndex('approvals_pending').on(table.sessionId).where(sql`state = 'pending'`),
  ],
)

// ---- owner: ledger.ts

export const ledgerEvents = ['granted', 'used', 'refused', 'ended', 'stopped'] as const
export type LedgerEventName = (typeof ledgerEvents)[number]
/** How the key was opened, or what was shown. */
export const ledgerMethods = ['passphrase', 'passkey', 'approval', 'recovery', 'password'] as const
export type LedgerMethod = (typeof ledgerMethods)[number]

export const ledger = table(
  'ledger',
  {
    id: id('id'),
    userId: int('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    at: int('at').notNull(),
    event: text('event', { enum: ledgerEvents }).notNull(),
    terminal: text('terminal').notNull(),
    address: text('address').notNull(),
    method: text('method', { enum: ledgerMethods }),
    /** Why: ledger-reasons.ts. */
    reason: text('reason'),
    messageId: int('message_id'),
    /** HMAC over this row and the row before it of the same user. */
    mac: bytes('mac').notNull(),
  },
  (table) => [index('ledger_user').on(table.userId, table.id)],
)

/** The end of each user's chain: a ledger that was cut short does not fit it. */
export const ledgerHeads = table('ledger_heads', {
  userId: int('user_id')
    .primaryKey()
    .references(() => users.id, { onDelete: 'cascade' }),
  lastId: int('last_id').notNull(),
  count: int('count').notNull(),
  mac: bytes('mac').notNull(),
})

// ---- owner: contents.ts

/** The octets of mail, as they were received, once for all that refer to them: messages and what waits in the queue. */
export const contents = table(
  'contents',
  {
    id: id('id'),
    /** How many rows refer to it, kept by triggers. */
    references: int('references').notNull().default(0),
    /** Until then it is kept although nothing refers to it. */
    leasedUntil: int('leased_until').notNull(),
  },
  (table) => [index('contents_unreferenced').on(table.leasedUntil).where(sql`"references" = 0`)],
)

/** In pieces, each of them written and deleted in a moment. Lists never touch this table. */
export const contentPieces = table(
  'content_pieces',
  {
    contentId: int('content_id')
      .notNull()
      .references(() => contents.id),
    place: int('place').notNull(),
    octets: bytes('octets').notNull(),
  },
  (table) => [primaryKey({ columns: [table.contentId, table.place] })],
)

// ---- owner: quota.ts

/** How many octets a user's mail, drafts, queue, parked forms and files come to, kept by triggers. */
export const usage = table('usage', {
  userId: int('user_id')
    .primaryKey()
    .references(() => users.id, { onDelete: 'cascade' }),
  octets: int('octets').notNull(),
})

// ---- owner: mailboxes.ts

export const folders = table(
  'folders',
  {
    id: id('id'),
    userId: int('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    kind: text('kind', { enum: ['inbox', 'sent', 'drafts', 'trash', 'user'] }).notNull(),
    name: text('name').notNull(),
    /** How many messages are in it, and how many of them not seen, kept by triggers. */
    total: int('total').notNull().default(0),
    unread: int('unread').notNull().default(0),
  },
  (table) => [uniqueIndex('folders_name').on(table.userId, sql`lower(${table.name})`)],
)

export const messages = table(
  'messages',
  {
    id: id('id'),
    userId: int('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    folderId: int('folder_id')
      .notNull()
      .references(() => folders.id, { onDelete: 'cascade' }),
    /** When it came into the mailbox; lists are sorted by it. */
    arrivedAt: int('arrived_at').notNull(),
    /** The Date field, or null where there is none that can be read. */
    sentAt: int('sent_at'),
    /** Decoded header fields as lists show them. */
    sender: text('sender').notNull(),
    recipients: text('recipients').notNull(),
    subject: text('subject').notNull(),
    size: int('size').notNull(),
    seen: flag('seen').notNull().default(false),
    flagged: flag('flagged').notNull().default(false),
    answered: flag('answered').notNull().default(false),
    attachments: int('attachments').notNull(),
    /** As it lies here: drafts and copies of letters are encrypted to the user's own key. */
    security: text('security', { enum: ['plain', 'encrypted', 'signed', 'partly'] }).notNull(),
    /** How a letter left of which this is the copy; null of all other mail. */
    sentAs: text('sent_as', { enum: ['plain', 'encrypted', 'signed'] }),
    /** Claims an address of this server, but came from outside. */
    outside: flag('outside').notNull().default(false),
    contentId: int('content_id').references(() => contents.id),
  },
  (table) => [
    index('messages_content').on(table.contentId),
    index('messages_page').on(table.folderId, table.arrivedAt, table.id),
    index('messages_user').on(table.userId, table.arrivedAt, table.id),
  ],
)

// The full-text index `message_search` (FTS5) is made by hand in the first migration: drizzle cannot describe it. Its rows
// are those of `contents`: what came for many is indexed once.

// ---- owner: correspondents.ts

/** Public keys of other people that this user has accepted. */
export const correspondents = table(
  'correspondents',
  {
    userId: int('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    fingerprint: text('fingerprint').notNull(),
    /** Mail addresses of its user ids, JSON, lower case. */
    addresses: text('addresses').notNull(),
    publicKey: bytes('public_key').notNull(),
    /** What it can be used for (`KeyUses`), JSON; null in rows older than that. */
    uses: text('uses'),
    acceptedAt: int('accepted_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.userId, table.fingerprint] })],
)

// ---- owner: outbox.ts

/** Mail that still has to leave; a recipient goes when it was delivered or bounced, the row with the last one. */
export const outbox = table(
  'outbox',
  {
    id: id('id'),
    /** Null for a bounce, which has no sender to bounce to. */
    userId: int('user_id').references(() => users.id, { onDelete: 'cascade' }),
    /** Envelope sender; empty for a bounce (RFC 5321 §4.5.5). */
    sender: text('sender').notNull(),
    /** Envelope recipients, JSON. */
    recipients: text('recipients').notNull(),
    contentId: int('content_id').references(() => contents.id),
    size: int('size').notNull().default(0),
    attempts: int('attempts').notNull().default(0),
    createdAt: int('created_at').notNull(),
    nextAt: int('next_at').notNull(),
    /** Why it did not leave when it was tried last; null if it was not, and while it is being tried. */
    lastError: json('last_error').$type<Delay>(),
    /** The copy in Sent of a letter that can be taken back: null from when the first of its mails is claimed. */
    messageId: int('message_id').references(() => messages.id, { onDelete: 'set null' }),
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
export const letterNumbers = table(
  'letter_numbers',
  {
    userId: int('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    number: text('number').notNull(),
    messageId: int('message_id').references(() => messages.id, { onDelete: 'set null' }),
    /** MAC of what left, by which the same letter pressed twice is told from a changed one; null while it has not left. */
    left: bytes('left'),
    touchedAt: int('touched_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.userId, table.number] }),
    index('letter_numbers_message').on(table.messageId),
    index('letter_numbers_time').on(table.touchedAt),
  ],
)

// ---- owner: files.ts

/** A user's box of files. Names and sizes are not encrypted; what is in a file is. */
export const files = table(
  'files',
  {
    userId: int('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    /** All of its names with a slash between two, none before the first; NFC. */
    path: exactText('path').notNull(),
    /** The path of the folder that it lies in; empty for those that lie in none. */
    folder: exactText('folder').notNull(),
    /** What is in it; null of a folder. */
    bodyId: int('body_id').references(() => fileBodies.id),
    modifiedAt: int('modified_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.userId, table.path] }),
    index('files_folder').on(table.userId, table.folder, table.path),
    uniqueIndex('files_body').on(table.bodyId),
  ],
)

/** What is in one file, or is being put into one. Triggers make it nobody's when its file goes or gets another. */
export const fileBodies = table(
  'file_bodies',
  {
    id: id('id'),
    /** To whose quota it counts; null from when it is nobody's and only waits to be deleted. */
    userId: int('user_id').references(() => users.id, { onDelete: 'set null' }),
    /** Octets of its clear text that are stored. */
    size: int('size').notNull().default(0),
    /** Octets of all its pieces, as they lie encrypted. */
    octets: int('octets').notNull().default(0),
    /** Until then it is kept although no file has it; null while one has. */
    leasedUntil: int('leased_until'),
  },
  (table) => [
    index('file_bodies_user').on(table.userId),
    index('file_bodies_lease').on(table.leasedUntil).where(sql`leased_until IS NOT NULL`),
  ],
)

/** Each an OpenPGP message to its user's own key, which says within which body and place it is of. */
export const filePieces = table(
  'file_pieces',
  {
    bodyId: int('body_id')
      .notNull()
      .references(() => fileBodies.id),
    /** Of its first octet of clear text. */
    start: int('start').notNull(),
    octets: bytes('octets').notNull(),
  },
  (table) => [primaryKey({ columns: [table.bodyId, table.start] })],
)
