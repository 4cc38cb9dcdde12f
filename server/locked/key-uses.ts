/** What a key can be used for, as it is stored, and what stands in the way of a use at a time. */
import { because, dayOf, type Obstacle } from '../ground/reasons.ts'

export type Hindrance = Exclude<Obstacle, 'expired'>
/** `until` is in Unix milliseconds, null for ever. */
export type Use = { until: number | null } | { not: Hindrance }
export type KeyUses = {
  encrypt: Use
  sign: Use
  /** Hard: no signature by the key counts any more; soft: none that was made later (RFC 9580 §5.2.3.31). */
  revoked: { at: number; hard: boolean } | null
  /** Of a certificate for S/MIME: its owner's programs read authenticated encryption (RFC 8551 §2.5.2), as far as is known. */
  takesGcm?: boolean
}
export type Kind = 'openpgp' | 'smime'
/** What a stored public key is: a packet's first bit is set (RFC 9580 §4.2), a certificate begins as a sequence. */
export const kindOfKey = (publicKey: Uint8Array): Kind => (publicKey[0]! & 0x80 ? 'openpgp' : 'smime')

/** A key whose secret half is here too. What it once could read it can always read. */
export type OwnUses = KeyUses & { decrypt: Use }

/** @returns null if it can be used at that time */
export const obstacle = (use: Use, at: number): Obstacle | null => {
  if ('not' in use) return use.not
  return use.until !== null && use.until <= at ? 'expired' : null
}

/** What stands in the way of a use at that time, as sentences take it; null if nothing does. */
export const hindrance = (use: Use, at: number): { why: Obstacle; until: number | null } | null => {
  const why = obstacle(use, at)
  return why && { why, until: 'until' in use ? use.until : null }
}

export const isUsable = (use: Use, at: number) => obstacle(use, at) === null

/** What an own key can do now where that is not everything, in sentences; '' where it is. */
export const stateOf = ({ encrypt, sign, decrypt, revoked }: OwnUses, at: number): string => {
  const cannot = (use: Use, what: string) => {
    const hindered = hindrance(use, at)
    return hindered ? [`${what}: it ${because(hindered)}`] : []
  }
  const reads = isUsable(decrypt, at)
  const found = [
    ...(reads ? [] : cannot(decrypt, 'Cannot open mail')),
    ...cannot(sign, reads ? 'Reads, cannot sign' : 'Cannot sign'),
    ...(reads && !revoked ? cannot(encrypt, 'Others cannot encrypt to it') : []),
  ]
  return found.map((sentence) => `${sentence}.`).join(' ')
}

/** The same of a certificate for S/MIME, whose end is told in time where none is there to go on with. */
export const identityState = (
  { uses, until, endsSoon }: { uses: OwnUses; until: number; endsSoon: boolean },
  at: number,
): string =>
  endsSoon ? `Ends on ${dayOf(until)}: ask whoever issued it for the next one in time.` : stateOf(uses, at)
