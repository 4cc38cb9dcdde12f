/** What a key can be used for, as it is stored, and what stands in the way of a use at a time. */

/**
 * Why a key cannot be used for something: it has no part for it, was revoked, is too weak, or the secret of that part
 * is not in the keyring, or on a card.
 */
export type Hindrance = 'no-part' | 'revoked' | 'weak' | 'missing' | 'card'
/** `until` is in Unix milliseconds, null for ever. */
export type Use = { until: number | null } | { not: Hindrance }
export type KeyUses = {
  encrypt: Use
  sign: Use
  /** Hard: no signature by the key counts any more; soft: none that was made later (RFC 9580 §5.2.3.31). */
  revoked: { at: number; hard: boolean } | null
}
/** A key whose secret half is here too. What it once could read it can always read. */
export type OwnUses = KeyUses & { decrypt: Use }

/** What stands in the way of a use now. */
export type Obstacle = Hindrance | 'expired'

/** @returns null if it can be used at that time */
export const obstacle = (use: Use, at: number): Obstacle | null => {
  if ('not' in use) return use.not
  return use.until !== null && use.until <= at ? 'expired' : null
}

export const isUsable = (use: Use, at: number) => obstacle(use, at) === null

/** As the date stands in sentences. */
export const dayOf = (at: number) => new Date(at).toISOString().slice(0, 10)

/** Why it cannot be used, as the end of a sentence that begins with the key. */
export const because = (use: Use, at: number): string => {
  const why = obstacle(use, at)
  if (why === 'expired' && 'until' in use) return `expired on ${dayOf(use.until ?? 0)}`
  if (why === 'revoked') return 'was revoked'
  if (why === 'weak') return 'is too weak'
  if (why === 'card') return 'has the secret for it on a card'
  if (why === 'missing') return 'came without the secret for it'
  return 'has no part for it'
}

/** What an own key can do now where that is not everything, in sentences; '' where it is. */
export const stateOf = ({ encrypt, sign, decrypt, revoked }: OwnUses, at: number): string => {
  const cannot = (use: Use, what: string) => (isUsable(use, at) ? [] : [`${what}: it ${because(use, at)}`])
  const reads = isUsable(decrypt, at)
  const found = [
    ...(reads ? [] : cannot(decrypt, 'Cannot open mail')),
    ...cannot(sign, reads ? 'Reads, cannot sign' : 'Cannot sign'),
    ...(reads && !revoked ? cannot(encrypt, 'Others cannot encrypt to it') : []),
  ]
  return found.map((sentence) => `${sentence}.`).join(' ')
}
