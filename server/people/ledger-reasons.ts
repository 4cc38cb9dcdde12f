/**
 * Why a row of the ledger was written, typed, with what it names; each language says it from that. It lies in its row as
 * JSON with a version, so that the row's MAC covers it as it was written. Released versions before that wrote English
 * words, which are read here and nowhere else; programs still get them by the API.
 */
import { z } from 'zod'
import type { LedgerEventName } from '../ground/store/tables.ts'

/** Reasons that name nothing. */
const plain = [
  // what the key was used for
  'decrypted',
  'signed',
  // what was changed
  'passphrase-changed',
  'password-changed',
  'recovered',
  'recovery-code-replaced',
  'clock-mended',
  // why it was refused
  'wrong-passphrase',
  'wrong-passkey',
  'wrong-recovery-code',
  'wrong-code',
  'passkey-counter',
  'passkey-backup',
  // why it ended, or could not be stopped
  'locked',
  'idle',
  'max',
  'epoch',
  'contact-lost',
  'logout',
  'expired',
  'ended',
  'not-held',
] as const

const scope = z.enum(['read', 'sign'])
const [terminal, name] = [z.string(), z.string()]

const reasonShape = z.discriminatedUnion('kind', [
  z.object({ kind: z.enum(plain) }),
  z.object({ kind: z.literal('opened'), scope }),
  z.object({ kind: z.literal('opened-by-passkey'), scope, name }),
  /** What of the box was read. */
  z.object({ kind: z.literal('file-decrypted'), name }),
  /** `terminal` approved it. */
  z.object({ kind: z.literal('opened-by-approval'), scope, terminal }),
  z.object({ kind: z.literal('approval-denied'), terminal }),
  /** It was open at `terminal`. */
  z.object({ kind: z.literal('held-elsewhere'), terminal }),
  /** Of rows that were written before passkeys were named there, null. */
  z.object({ kind: z.enum(['passkey-added', 'passkey-removed']), name: name.nullable() }),
  z.object({ kind: z.enum(['ssh-key-added', 'ssh-key-removed']), name }),
  z.object({ kind: z.enum(['alias-added', 'alias-published', 'alias-hidden', 'alias-removed']), name }),
  z.object({ kind: z.enum(['identity-added', 'identity-removed', 'identity-exported']), name }),
  /** For so many minutes it stands without a use. */
  z.object({ kind: z.literal('idle-chosen'), minutes: z.number() }),
  /** What no version that we know wrote. */
  z.object({ kind: z.literal('unknown'), text: z.string() }),
])

export type LedgerReason = z.infer<typeof reasonShape>
/** The reason of one kind, or of some. */
export type ReasonOf<K extends LedgerReason['kind']> = LedgerReason & { kind: K }

export const storedReason = (reason: LedgerReason): string => JSON.stringify({ v: 1, ...reason })

export const readReason = (event: LedgerEventName, stored: string): LedgerReason => {
  if (!stored.startsWith('{')) return ofReleasedWords(event, stored)
  try {
    const { v, ...reason } = JSON.parse(stored) as { v: unknown }
    if (v === 1) return reasonShape.parse(reason)
  } catch {} // somebody edited it, which `check` finds
  return { kind: 'unknown', text: stored }
}

/** As programs read it in the API; the words in which released versions kept it. */
export const reasonText = (reason: LedgerReason): string => {
  switch (reason.kind) {
    case 'opened':
      return reason.scope
    case 'opened-by-passkey':
      return `${reason.scope}, by passkey ${reason.name}`
    case 'opened-by-approval':
      return `${reason.scope}, approved on ${reason.terminal}`
    case 'decrypted':
      return 'read'
    case 'file-decrypted':
      return `read file ${reason.name}`
    case 'signed':
      return 'sign'
    case 'approval-denied':
      return `denied on ${reason.terminal}`
    case 'held-elsewhere':
      return `was held by ${reason.terminal}`
    case 'passkey-added':
    case 'passkey-removed':
      return reason.name === null ? reason.kind : `${reason.kind} ${reason.name}`
    case 'ssh-key-added':
    case 'ssh-key-removed':
    case 'alias-added':
    case 'alias-published':
    case 'alias-hidden':
    case 'alias-removed':
    case 'identity-added':
    case 'identity-removed':
    case 'identity-exported':
      return `${reason.kind} ${reason.name}`
    case 'idle-chosen':
      return `${reason.kind} ${reason.minutes} min`
    case 'unknown':
      return reason.text
    default:
      return reason.kind
  }
}

const plainWords = z.enum(plain).exclude(['decrypted', 'signed'])

const ofReleasedWords = (event: LedgerEventName, words: string): LedgerReason => {
  const itself = plainWords.safeParse(words)
  if (itself.success) return { kind: itself.data }
  if (words === 'read' || words === 'sign') {
    if (event !== 'used') return { kind: 'opened', scope: words }
    return { kind: words === 'read' ? 'decrypted' : 'signed' }
  }
  const [, kind, named = null] = words.match(/^(passkey-(?:added|removed))(?: (.*))?$/s) ?? []
  if (kind === 'passkey-added' || kind === 'passkey-removed') return { kind, name: named }
  const [, scoped, did, who = ''] =
    words.match(/^(?:(read|sign), )?(by passkey|approved on|denied on|was held by) (.*)$/s) ?? []
  const known = scope.safeParse(scoped)
  if (known.success && did === 'by passkey')
    return { kind: 'opened-by-passkey', scope: known.data, name: who }
  if (known.success && did === 'approved on')
    return { kind: 'opened-by-approval', scope: known.data, terminal: who }
  if (!scoped && did === 'denied on') return { kind: 'approval-denied', terminal: who }
  if (!scoped && did === 'was held by') return { kind: 'held-elsewhere', terminal: who }
  return { kind: 'unknown', text: words }
}
