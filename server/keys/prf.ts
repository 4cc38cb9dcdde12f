/**
 * What an authenticator computes for us (the PRF extension of WebAuthn Level 3), and what a passkey's slot opens with.
 * Two salts are evaluated each time: the output of the first one opens the slot, and the public key that the output of
 * the second one makes is what the slot is sealed to from then on; an output that was seen on its way opens nothing
 * afterwards.
 */
import { createPrivateKey, createPublicKey, hkdfSync, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { Refusal } from '../ground/refusal.ts'
import type { Opens } from '../locked/vault/slots.ts'
import type { PasskeySlot } from './keyrings.ts'
import { checked, parsed } from './webauthn.ts'

/** An assertion as the browser posts it, PRF results apart. */
export type Asserted = {
  /** JSON of the AuthenticationResponseJSON. */
  response: string
  /** base64url: the first salt's output; the X25519 public key that the second one's output makes. */
  prf?: { output: string; next: string } | undefined
}

const assertedShape = z.object({
  response: z.string(),
  prf: z.object({ output: z.string(), next: z.string() }).optional(),
})
/** 32 octets in base64url. */
export const octets32 = z.base64url().length(43)
const resultsShape = z.object({ output: octets32, next: octets32 })

/** What a form's field holds. @throws Refusal `bad-request` */
export const parseAsserted = (text: string): Asserted => parsed(assertedShape, text)

/** What the passkey computed; null if nothing. @throws Refusal `bad-request` */
export const prfResultsOf = ({ prf }: Asserted): { output: string; next: string } | null =>
  prf ? checked(resultsShape, prf) : null

/** What the slot opens with; its kind is the slot's, whatever came. A PRF slot without a PRF result is a refusal. */
export const opensWith = (slot: PasskeySlot, asserted: Asserted, nextSalt: string): Opens => {
  if (slot.kind === 'held') return { kind: 'held', slotId: slot.slotId }
  const results = prfResultsOf(asserted)
  if (!results) throw new Refusal('prf-missing', { detail: { reason: 'no-prf' } })
  refuseSpentNext(results)
  return {
    kind: 'prf',
    slotId: slot.slotId,
    output: decoded(results.output),
    next: { salt: nextSalt, publicKey: decoded(results.next) },
  }
}

/**
 * A browser that evaluated one salt twice would have the slot sealed to the key that the output on its way makes: what
 * travelled once would open it for ever. Compared are octets: of a key there are two spellings (RFC 7748 §5 ignores the
 * top bit), and of base64url too.
 */
export const refuseSpentNext = ({ output, next }: { output: string; next: string }) => {
  const scalar = Buffer.from(hkdfSync('sha256', decoded(output), '', 'wafer/prf/v1', 32))
  // RFC 8410 §7: a private key of 32 octets in its PKCS #8 wrapping.
  const der = Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), scalar])
  const { x } = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })).export({
    format: 'jwk',
  })
  const given = decoded(next)
  const isSpelledOtherwise = given[31]! > 127
  if (!isSpelledOtherwise && !timingSafeEqual(decoded(x!), given)) return
  throw new Refusal('prf-sent-again', { detail: { reason: 'no-prf' } })
}

export const decoded = (base64url: string): Uint8Array => new Uint8Array(Buffer.from(base64url, 'base64url'))
