/**
 * An expected no: what a person or a program is told when something may not be done. Thrown anywhere, it becomes
 * an answer in one place (web-server.ts for pages, api.ts for the API, cli.ts for commands).
 */

/** HTTP status of each refusal; the code is the last word of the RFC 9457 problem type. */
export const refusalStatus = {
  'bad-request': 400,
  unconfirmed: 400,
  'bad-credentials': 401,
  'no-session': 401,
  forbidden: 403,
  'allowance-required': 403,
  'wrong-passphrase': 403,
  'wrong-passkey': 403,
  'wrong-code': 403,
  'not-encrypted': 403,
  'not-found': 404,
  exists: 409,
  'key-in-use': 409,
  'too-late': 409,
  'too-large': 413,
  misdirected: 421,
  'cannot-decrypt': 422,
  'no-key-for': 422,
  'no-relay': 422,
  'bad-address': 422,
  'bad-key': 422,
  'slow-down': 429,
  failed: 500,
  busy: 503,
  'over-quota': 507, // RFC 4918 §11.5
} as const satisfies Record<string, number>

export type RefusalCode = keyof typeof refusalStatus

/**
 * What the holder of a key looks like to the one who is refused. Times are Unix milliseconds; `grant` names this very
 * allowance, so that a stop can be meant for it and for no later one.
 */
export type Holder = { grant: string; terminal: string; since: number; last_used: number }

/** Members that a problem document carries beside type, title and status. */
export type RefusalDetail = {
  methods?: string[]
  by?: Holder
  addresses?: string[]
  reason?: string
  /** Of each of the addresses. */
  reasons?: string[]
  /** The draft that the letter lies in. */
  draft?: number
  /** Parts that open alone, in a view of their own. */
  parts?: string[]
  retry_after_s?: number
}

export class Refusal extends Error {
  override name = 'Refusal'
  readonly code: RefusalCode
  readonly detail: RefusalDetail

  /** @param sentence what happened and what to do, for a person to read; no secrets, no internals */
  constructor(
    code: RefusalCode,
    sentence: string,
    options: { cause?: unknown; detail?: RefusalDetail } = {},
  ) {
    super(sentence, { cause: options.cause })
    this.code = code
    this.detail = options.detail ?? {}
  }

  get status() {
    return refusalStatus[this.code]
  }
}
