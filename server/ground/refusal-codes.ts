/**
 * The codes of what is refused, with their HTTP status: the last word of an RFC 9457 problem type, and what programs decide
 * by. Apart from the sentences (reasons.ts), so that a client of the API need not load those.
 */
export const refusalStatus = {
  /** Not understood: no such member, no number, no form. */
  'bad-request': 400,
  /** What ends somebody's use of a key wants a confirmation. */
  unconfirmed: 400,
  'bad-credentials': 401,
  /** There is none, or it has ended: log in. */
  'no-session': 401,
  /** Not for this user, or not from this site. */
  forbidden: 403,
  /** The key is not open in this terminal, or not for this: unlock by one of `methods`. */
  'allowance-required': 403,
  'wrong-passphrase': 403,
  'wrong-passkey': 403,
  /** Not the code that the terminal shows. */
  'wrong-code': 403,
  /** There is nothing to decrypt. */
  'not-encrypted': 403,
  'not-found': 404,
  /** Already there. */
  exists: 409,
  /** A file of the box goes on at another place: `size` says where. */
  'wrong-offset': 409,
  /** A folder of the box that is not empty. */
  'not-empty': 409,
  /** Another terminal has the key: `by` says which. */
  'key-in-use': 409,
  /** It has left, or is leaving. */
  'too-late': 409,
  'too-large': 413,
  /** Beyond the end of a file. */
  'bad-range': 416,
  /** The server goes by another name. */
  misdirected: 421,
  /** `reason` says why, `parts` what opens alone. */
  'cannot-decrypt': 422,
  /** No key that can be used for `addresses`. */
  'no-key-for': 422,
  /** Mail to other servers cannot leave this one. */
  'no-relay': 422,
  /** An address that is none, too many of them, or nobody to write to. */
  'bad-address': 422,
  /** No name for a file or folder of the box. */
  'bad-name': 422,
  /** A key that cannot be read, or is not good enough. */
  'bad-key': 422,
  /** Too many tries: wait for as long as Retry-After says. */
  'slow-down': 429,
  /** The server could not do it, and it is not the asker's fault. */
  failed: 500,
  /** Try again shortly. */
  busy: 503,
  'over-quota': 507, // RFC 4918 §11.5
} as const satisfies Record<string, number>

export type RefusalCode = keyof typeof refusalStatus
