/**
 * What the API answers. The server's answers are held to these types when it is compiled; a client looks at each answer
 * once when it comes in, and behind that a number is a number and a word one of those that are known, and only texts have
 * to be made harmless. Times are RFC 3339 strings in UTC.
 */
import {
  type Answer,
  count,
  list,
  name,
  namedTexts,
  oneOf,
  orNothing,
  orNull,
  seconds,
  shape,
  text,
  token,
  yes,
  yesOrNo,
} from './checks.ts'

const scope = oneOf('read', 'sign')
const security = oneOf('plain', 'encrypted', 'signed')
const addresses = list(shape({ name: text, address: text }))
/** Why a key cannot be used. */
const obstacle = oneOf('expired', 'revoked', 'weak', 'no-part', 'missing', 'card')

// ---- sessions

const holding = {
  /** Fingerprint of the key that is used first. */
  key: text,
  method: oneOf('passphrase', 'passkey', 'approval', 'recovery'),
  scope,
  granted_at: text,
  used_at: text,
  expires_at: text,
  idle_s: seconds,
  /** How long that may be chosen to be; older servers have no choice. */
  idle_most_s: orNothing(seconds),
}
export const held = shape(holding)
/** The key as a session's own terminal has it open. */
export type Held = Answer<typeof held>

/** Who has the key. `grant` is sent back with a stop, so that nobody is stopped who was not shown. */
export const holder = { grant: text, terminal: text, since: text, last_used: text }

export const newSession = shape({ token, user: text, idle_s: seconds, expires_at: text })
export type NewSession = Answer<typeof newSession>

export const session = shape({
  user: text,
  terminal: text,
  idle_s: seconds,
  expires_at: text,
  allowance: orNull(held),
  /** Who else has the key open. */
  in_use: orNull(shape(holder)),
  stopped: orNull(shape({ at: text, by: shape({ terminal: text, address: text }) })),
  /** In octets. */
  space: shape({ used: count, quota: count }),
  /** Mails of the user that have not left yet, if there are any. */
  waiting: orNothing(count),
  /** `complete` is false if it has not got the row that the terminal remembers. */
  ledger: shape({ newest: orNull(text), complete: yesOrNo }),
})
export type SessionView = Answer<typeof session>

const terminal = shape({
  id: name,
  terminal: text,
  address: text,
  since: text,
  last_contact: text,
  holds_key: yesOrNo,
  this: yesOrNo,
})
export type TerminalView = Answer<typeof terminal>
export const terminals = shape({ terminals: list(terminal) })
export type Terminals = Answer<typeof terminals>

// ---- mail

const folder = shape({
  name,
  kind: oneOf('inbox', 'sent', 'drafts', 'trash', 'user'),
  total: count,
  unread: count,
})
export type Folder = Answer<typeof folder>
export const folders = shape({ folders: list(folder) })
export type Folders = Answer<typeof folders>
export const newFolder = shape({ name: text, kind: text })
export type NewFolder = Answer<typeof newFolder>

const rowMembers = {
  id: count,
  from: text,
  to: text,
  subject: text,
  date: text,
  size: count,
  seen: yesOrNo,
  flagged: yesOrNo,
  answered: yesOrNo,
  attachments: count,
  /** Of the copy of a letter: as it left, whatever it is kept as. */
  security,
  /** Claims an address of this server, but came from outside. */
  outside: orNothing(yes),
}
const row = shape(rowMembers)
export type Row = Answer<typeof row>
/** What is said of a search beside what was found. */
const searched = {
  /** Words of what was sought that were not understood. */
  ignored: orNothing(list(text)),
  /** Words were sought that may stand in the text of encrypted mail, where nothing is found. */
  encrypted_not_searched: orNothing(yes),
}
export const page = shape({ messages: list(row), next: orNull(text), ...searched })
export type Page = Answer<typeof page>
const foundRow = shape({ ...rowMembers, folder: name })
export type FoundRow = Answer<typeof foundRow>
export const found = shape({ messages: list(foundRow), next: orNull(text), ...searched })
export type Found = Answer<typeof found>
/** A message whose marks were changed, and where it lies. */
export type Marked = Row & { folder: string }
export const changed = shape({ changed: count })
export type Changed = Answer<typeof changed>

const content = {
  headers: namedTexts,
  from: addresses,
  to: addresses,
  cc: addresses,
  reply_to: addresses,
  text,
  html: orNothing(text),
  attachments: list(shape({ id: name, name: text, type: text, size: count })),
  /** Encrypted parts that open alone. */
  isolated: list(shape({ id: name, name: text })),
  signature: shape({
    status: oneOf('none', 'valid', 'invalid', 'unknown-key', 'expired', 'mismatch'),
    key: orNull(text),
    by: orNull(text),
    at: orNull(text),
    reason: text,
    /** Of S/MIME, as its issuer wrote it; `vouched` by an authority that the server's operator named. */
    certificate: orNothing(
      shape({
        subject: text,
        issuer: text,
        begins: text,
        expires: text,
        addresses: list(text),
        vouched: yesOrNo,
      }),
    ),
  }),
  /** Of an opened S/MIME mail, what its encryption does not keep: changes may not show, the cipher may be broken. */
  weakness: orNothing(shape({ changes_unseen: yesOrNo, old_cipher: yesOrNo })),
}
export const opened = shape(content)
export type Opened = Answer<typeof opened>
export const message = shape({
  id: count,
  folder: name,
  /** As it lies here: `encrypted` needs the key. */
  security,
  sent_as: orNull(security),
  /** The Message-ID with which its conversation began, its own of a first one; null where it has none. */
  thread: orNull(text),
  outside: orNothing(yes),
  ...content,
})
export type Message = Answer<typeof message>

// ---- letters

export const sent = shape({
  id: count,
  folder: name,
  delivered: list(text),
  queued: list(text),
  /** Until when it can be taken back; null if it cannot. */
  held_until: orNull(text),
})
export type Sent = Answer<typeof sent>
export const recalled = shape({ id: count, folder: name })
export type Recalled = Answer<typeof recalled>

const waitingMail = shape({
  id: count,
  /** Whom it has not reached. */
  to: list(text),
  since: orNull(text),
  next_at: text,
  /** What the last try came to. */
  why: orNull(text),
  held: yesOrNo,
  sending: yesOrNo,
})
export type WaitingMail = Answer<typeof waitingMail>
export const queue = shape({ queue: list(waitingMail), next: orNull(text) })
export type QueuePage = Answer<typeof queue>
/** `id` of the report, or of the draft that it is again. */
export const givenUp = shape({ id: orNull(count), folder: name })
export type GivenUp = Answer<typeof givenUp>

export const signed = shape({ signed: text })
export type Signed = Answer<typeof signed>

const knownAddress = shape({ name: text, address: text, key: yesOrNo })
export type KnownAddress = Answer<typeof knownAddress>
export const knownAddresses = shape({ addresses: list(knownAddress) })
export type KnownAddresses = Answer<typeof knownAddresses>

const recipient = shape({
  address: text,
  /** Whether it can be encrypted to them. */
  key: yesOrNo,
  /** By which kinds, where S/MIME is one. */
  kinds: orNothing(list(oneOf('openpgp', 'smime'))),
  why: orNothing(obstacle),
})
export type Recipient = Answer<typeof recipient>
export const recipients = shape({ recipients: list(recipient) })
export type Recipients = Answer<typeof recipients>

// ---- files

const file = shape({
  /** Of a folder's list the last part of its path, else all of it. */
  name: text,
  /** Its media type; `folder` of a folder. */
  type: text,
  size: count,
  modified_at: text,
})
export type FileEntry = Answer<typeof file>
export const files = shape({ files: list(file), next: orNull(text) })
export type FilePage = Answer<typeof files>
/** A file that was put, saved, moved or gone on with, by its path. */
export const stored = shape({ name: text, size: count })
export type Stored = Answer<typeof stored>

// ---- the key

export const allowance = shape({ key_token: token, ...holding })
export type Allowance = Answer<typeof allowance>
export const approval = shape({ address: text, code: text, key_token: token, expires_at: text })
export type Approval = Answer<typeof approval>
export const approvalState = shape({ state: oneOf('pending', 'granted', 'denied', 'expired') })
export type ApprovalState = Answer<typeof approvalState>

const key = shape({
  id: text,
  fingerprint: name,
  /** Addresses in it, and its user's aliases. */
  aliases: list(text),
  created: text,
  expires: orNull(text),
  algorithm: text,
  /** Armored. */
  public: text,
  /** An approval opens the key by one of these. */
  methods: list(oneOf('passphrase', 'passkey', 'recovery')),
  can_decrypt: yesOrNo,
  can_sign: yesOrNo,
  can_encrypt: yesOrNo,
  revoked: orNull(text),
  /** What it cannot do now, in sentences. */
  state: text,
})
export type Key = Answer<typeof key>
export const keys = shape({ keys: list(key) })
export type Keys = Answer<typeof keys>

/** A word, beside the address, by which the user is found. */
export const alias = shape({ id: text, alias: text, published: yesOrNo, added_at: text })
export type Alias = Answer<typeof alias>
export const aliases = shape({ aliases: list(alias) })
export type Aliases = Answer<typeof aliases>

const passkey = shape({
  id: text,
  name: text,
  created_at: text,
  used_at: orNull(text),
  prf: yesOrNo,
  backed_up: yesOrNo,
  /** How it opens the key; null if it does not. */
  slot: orNull(oneOf('prf', 'held')),
})
export type Passkey = Answer<typeof passkey>
export const passkeys = shape({ passkeys: list(passkey) })
export type Passkeys = Answer<typeof passkeys>

const use = shape({
  at: text,
  event: oneOf('granted', 'used', 'refused', 'ended', 'stopped'),
  terminal: text,
  address: text,
  method: orNothing(text),
  message: orNothing(count),
  reason: orNothing(text),
})
export const log = shape({ events: list(use), next: orNull(text) })
export type LogPage = Answer<typeof log>

// ---- S/MIME identities

const identity = shape({
  id: name,
  /** SHA-256 of the certificate. */
  fingerprint: name,
  addresses: list(text),
  subject: text,
  issuer: text,
  algorithm: text,
  begins: text,
  expires: text,
  /** In PEM. */
  certificate: text,
  can_decrypt: yesOrNo,
  can_sign: yesOrNo,
  can_encrypt: yesOrNo,
  state: text,
})
export type Identity = Answer<typeof identity>
export const identities = shape({ identities: list(identity) })
export type Identities = Answer<typeof identities>

// ---- correspondents

const keyKind = oneOf('openpgp', 'smime')
const correspondent = shape({
  kind: keyKind,
  fingerprint: name,
  addresses: list(text),
  accepted_at: text,
  can_encrypt: yesOrNo,
  why: orNull(obstacle),
  revoked: orNull(text),
})
export type Correspondent = Answer<typeof correspondent>
export const correspondents = shape({ correspondents: list(correspondent) })
export type Correspondents = Answer<typeof correspondents>

const offeredKey = shape({
  kind: keyKind,
  fingerprint: name,
  addresses: list(text),
  names: list(text),
  /** Of a certificate, who issued it. */
  issuer: orNull(text),
  algorithm: text,
  created: text,
  expires: orNull(text),
  can_encrypt: yesOrNo,
  /** Addresses that have another key here already. */
  conflicts: list(shape({ address: text, with: oneOf('user', 'accepted') })),
})
export type OfferedKey = Answer<typeof offeredKey>
/** `revoked`: fingerprints of the keys that the text revoked. */
export const offered = shape({ offered: list(offeredKey), revoked: list(name) })
export type Offered = Answer<typeof offered>
/** Of a key that was accepted. */
export type Accepted = Pick<Correspondent, 'fingerprint' | 'addresses'>
