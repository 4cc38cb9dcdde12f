/**
 * What the server's answers have to be, looked at once when they come in: behind that a number is a number and a word
 * one of those that are known, and only texts have to be made harmless. Typed by the API, so that a new member of an
 * answer does not compile until it is looked at here.
 */
import type {
  Allowance,
  Approval,
  ApprovalState,
  Correspondent,
  Folder,
  Key,
  KnownAddress,
  LogPage,
  Message,
  NewSession,
  Offered,
  OfferedKey,
  Opened,
  Page,
  Passkey,
  QueuePage,
  Recipient,
  Row,
  Sent,
  SessionView,
  TerminalView,
  WaitingMail,
} from './shapes.ts'

export type Check<T> = (value: unknown) => value is T

const text: Check<string> = (value) => typeof value === 'string'
/** Of what is asked for again by its name: half a surrogate pair has no place in an address (RFC 3986). */
const name: Check<string> = (value): value is string => text(value) && value.isWellFormed()
/** What a header field may carry. */
const token: Check<string> = (value): value is string => text(value) && /^[\x21-\x7e]+$/.test(value)
const yesOrNo: Check<boolean> = (value) => typeof value === 'boolean'
/** Of what is left out where it is not so. */
const yes: Check<true> = (value): value is true => value === true
/** Of things, and their names. */
const count: Check<number> = (value): value is number => Number.isSafeInteger(value) && Number(value) >= 0
const seconds: Check<number> = (value): value is number => Number.isFinite(value) && Number(value) >= 0

/** Named one by one, so that none of the API's is missing. */
const oneOf =
  <Word extends string>(words: Record<Word, true>): Check<Word> =>
  (value): value is Word =>
    typeof value === 'string' && Object.hasOwn(words, value)
const orNull =
  <T>(check: Check<T>): Check<T | null> =>
  (value): value is T | null =>
    value === null || check(value)
const orNothing =
  <T>(check: Check<T>): Check<T | undefined> =>
  (value): value is T | undefined =>
    value === undefined || check(value)
const list =
  <T>(check: Check<T>): Check<T[]> =>
  (value): value is T[] =>
    Array.isArray(value) && value.every(check)
const namedTexts: Check<Record<string, string>> = (value): value is Record<string, string> =>
  isRecord(value) && Object.values(value).every(text)
const shape =
  <T extends object>(members: { [Name in keyof T]-?: Check<T[Name]> }): Check<T> =>
  (value): value is T =>
    isRecord(value) &&
    Object.entries<Check<unknown>>(members).every(([name, check]) =>
      check(Object.hasOwn(value, name) ? value[name] : undefined),
    )

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

// ---- the answers

const scope = oneOf<Allowance['scope']>({ read: true, sign: true })
const method = oneOf<Allowance['method']>({
  passphrase: true,
  passkey: true,
  approval: true,
  recovery: true,
})
const keyMethod = oneOf<Key['methods'][number]>({ passphrase: true, passkey: true, recovery: true })
const slot = oneOf<NonNullable<Passkey['slot']>>({ prf: true, held: true })
const security = oneOf<Row['security']>({ plain: true, encrypted: true, signed: true })
const addresses = list(shape<{ name: string; address: string }>({ name: text, address: text }))

const holder = shape<NonNullable<SessionView['in_use']>>({
  grant: text,
  terminal: text,
  since: text,
  last_used: text,
})
const stopped = shape<NonNullable<SessionView['stopped']>>({
  at: text,
  by: shape<NonNullable<SessionView['stopped']>['by']>({ terminal: text, address: text }),
})
const held = {
  key: text,
  method,
  scope,
  granted_at: text,
  used_at: text,
  expires_at: text,
  idle_s: seconds,
}

export const newSession = shape<NewSession>({ token, user: text, idle_s: seconds, expires_at: text })
export const session = shape<SessionView>({
  user: text,
  terminal: text,
  idle_s: seconds,
  expires_at: text,
  allowance: orNull(shape<NonNullable<SessionView['allowance']>>(held)),
  in_use: orNull(holder),
  stopped: orNull(stopped),
  space: shape<SessionView['space']>({ used: count, quota: count }),
  waiting: orNothing(count),
  ledger: shape<SessionView['ledger']>({ newest: orNull(text), complete: yesOrNo }),
})
export const terminals = shape<{ terminals: TerminalView[] }>({
  terminals: list(
    shape<TerminalView>({
      id: name,
      terminal: text,
      address: text,
      since: text,
      last_contact: text,
      holds_key: yesOrNo,
      this: yesOrNo,
    }),
  ),
})

export const folders = shape<{ folders: Folder[] }>({
  folders: list(
    shape<Folder>({
      name,
      kind: oneOf<Folder['kind']>({ inbox: true, sent: true, drafts: true, trash: true, user: true }),
      total: count,
      unread: count,
    }),
  ),
})
export const newFolder = shape<{ name: string; kind: string }>({ name: text, kind: text })
const row = shape<Row>({
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
  security,
  outside: orNothing(yes),
})
export const page = shape<Page>({ messages: list(row), next: orNull(text) })

const content = {
  headers: namedTexts,
  from: addresses,
  to: addresses,
  cc: addresses,
  reply_to: addresses,
  text,
  html: orNothing(text),
  attachments: list(shape<Message['attachments'][number]>({ id: name, name: text, type: text, size: count })),
  isolated: list(shape<Message['isolated'][number]>({ id: name, name: text })),
  signature: shape<Message['signature']>({
    status: oneOf<Message['signature']['status']>({
      none: true,
      valid: true,
      invalid: true,
      'unknown-key': true,
      expired: true,
      mismatch: true,
    }),
    key: orNull(text),
    by: orNull(text),
    at: orNull(text),
    reason: text,
  }),
}
export const message = shape<Message>({
  id: count,
  folder: name,
  security,
  sent_as: orNull(security),
  outside: orNothing(yes),
  ...content,
})
export const opened = shape<Opened>(content)
export const changed = shape<{ changed: number }>({ changed: count })
export const sent = shape<Sent>({
  id: count,
  folder: name,
  delivered: list(text),
  queued: list(text),
  held_until: orNull(text),
})
export const recalled = shape<{ id: number; folder: string }>({ id: count, folder: name })
export const queue = shape<QueuePage>({
  queue: list(
    shape<WaitingMail>({
      id: count,
      to: list(text),
      since: orNull(text),
      next_at: text,
      why: orNull(text),
      held: yesOrNo,
      sending: yesOrNo,
    }),
  ),
  next: orNull(text),
})
export const givenUp = shape<{ id: number | null; folder: string }>({ id: orNull(count), folder: name })
export const signed = shape<{ signed: string }>({ signed: text })

export const allowance = shape<Allowance>({ key_token: token, ...held })
export const approval = shape<Approval>({ address: text, code: text, key_token: token, expires_at: text })
export const approvalState = shape<{ state: ApprovalState }>({
  state: oneOf<ApprovalState>({ pending: true, granted: true, denied: true, expired: true }),
})
export const keys = shape<{ keys: Key[] }>({
  keys: list(
    shape<Key>({
      id: text,
      fingerprint: name,
      aliases: list(text),
      created: text,
      expires: orNull(text),
      algorithm: text,
      public: text,
      methods: list(keyMethod),
      can_decrypt: yesOrNo,
      can_sign: yesOrNo,
      can_encrypt: yesOrNo,
      revoked: orNull(text),
      state: text,
    }),
  ),
})
export const passkeys = shape<{ passkeys: Passkey[] }>({
  passkeys: list(
    shape<Passkey>({
      id: text,
      name: text,
      created_at: text,
      used_at: orNull(text),
      prf: yesOrNo,
      backed_up: yesOrNo,
      slot: orNull(slot),
    }),
  ),
})
export const log = shape<LogPage>({
  events: list(
    shape<LogPage['events'][number]>({
      at: text,
      event: oneOf<LogPage['events'][number]['event']>({
        granted: true,
        used: true,
        refused: true,
        ended: true,
        stopped: true,
      }),
      terminal: text,
      address: text,
      method: orNothing(text),
      message: orNothing(count),
      reason: orNothing(text),
    }),
  ),
  next: orNull(text),
})

export const knownAddresses = shape<{ addresses: KnownAddress[] }>({
  addresses: list(shape<KnownAddress>({ name: text, address: text, key: yesOrNo })),
})
const obstacles = {
  expired: true,
  revoked: true,
  weak: true,
  'no-part': true,
  missing: true,
  card: true,
} as const
export const recipients = shape<{ recipients: Recipient[] }>({
  recipients: list(
    shape<Recipient>({
      address: text,
      key: yesOrNo,
      why: orNothing(oneOf<NonNullable<Recipient['why']>>(obstacles)),
    }),
  ),
})
export const correspondents = shape<{ correspondents: Correspondent[] }>({
  correspondents: list(
    shape<Correspondent>({
      fingerprint: name,
      addresses: list(text),
      accepted_at: text,
      can_encrypt: yesOrNo,
      why: orNull(oneOf<NonNullable<Correspondent['why']>>(obstacles)),
      revoked: orNull(text),
    }),
  ),
})
export const offered = shape<Offered>({
  revoked: list(name),
  offered: list(
    shape<OfferedKey>({
      fingerprint: name,
      addresses: list(text),
      names: list(text),
      algorithm: text,
      created: text,
      expires: orNull(text),
      can_encrypt: yesOrNo,
      conflicts: list(
        shape<OfferedKey['conflicts'][number]>({
          address: text,
          with: oneOf<OfferedKey['conflicts'][number]['with']>({ user: true, accepted: true }),
        }),
      ),
    }),
  ),
})
