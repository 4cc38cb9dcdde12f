/** Checking signatures: did an accepted key make it over these octets, and was it allowed to, then? */

import {
  createMessage,
  enums,
  type Key,
  type LiteralDataPacket,
  type Message,
  readSignature,
  type SignaturePacket,
} from 'openpgp'
import { clockAheadMs, openpgpLimits } from '../../ground/limits.ts'
import { addressesOfKey, beforeRevocation, chain, readCertificate } from './certificates.ts'
import { literalAndSignatures } from './openpgp-messages.ts'
import { kindOf, packets } from './openpgp-packets.ts'

export type Signature = {
  status: 'none' | 'valid' | 'invalid' | 'unknown-key' | 'expired' | 'mismatch'
  /** Fingerprint of the signing key's certificate, lower-case hex; of an unknown key what the signature names. */
  key: string | null
  /** The address that the key's user id names; where several do, the sender's if it is among them. */
  by: string | null
  /** When it was signed, by the signature itself. */
  at: number | null
  /** One sentence for people; '' where there is nothing to explain. */
  reason: string
  /** Of an S/MIME signature, the certificate that it was made with, where that came along; null for OpenPGP. */
  certificate: SigningCertificate | null
}

/** What a certificate says of itself, as strangers wrote it, and whether an authority that the operator named issued it. */
export type SigningCertificate = {
  subject: string
  issuer: string
  /** Unix milliseconds. */
  from: number
  until: number
  addresses: string[]
  isVouchedFor: boolean
  /** Others that came along, for the same address and vouched for likewise, to encrypt to: fingerprints. */
  companions: string[]
}

/**
 * An accepted key: its binary transferable public key, and the addresses that it may vouch for; null for all that its
 * user ids name.
 */
export type Certificate = { publicKey: Uint8Array; addresses: string[] | null }

export type Check = Omit<Signature, 'by'> & {
  /** Addresses that the key's own, unrevoked user ids name. */
  addresses: string[]
}

export const noSignature: Check = {
  status: 'none',
  key: null,
  at: null,
  reason: '',
  addresses: [],
  certificate: null,
}
export const invalid = (reason: string): Check => ({ ...noSignature, status: 'invalid', reason })

const unaccepted =
  'It is signed with a key that you have not accepted, so nothing can be said about who signed it.'
const altered = 'The signature does not fit the text: one of them was changed on the way.'
const unsupported = 'The signature is of a kind that cannot be checked here.'

export type Accepted = { key: Key; addresses: string[] | null }

export const readCertificates = async (certificates: Certificate[]): Promise<Accepted[]> => {
  const read = certificates.map(({ publicKey, addresses }) =>
    readCertificate(publicKey).then(
      (key) => ({ key, addresses }),
      () => null,
    ),
  )
  return (await Promise.all(read)).filter((accepted) => accepted !== null)
}

export const checkMessage = async (
  message: Message<Uint8Array>,
  certificates: Accepted[],
): Promise<Check> => {
  const parts = literalAndSignatures(message)
  return parts ? checkSignatures(parts.literal, parts.signatures, certificates, false) : invalid(unsupported)
}

/** @param octets exactly what was signed */
export const checkDetached = async (
  octets: Uint8Array,
  signature: Uint8Array,
  certificates: Accepted[],
): Promise<Check> => {
  if (kindOf(signature) !== 'signature') return noSignature
  let list: SignaturePacket[]
  try {
    const raw = packets(signature)
    if (raw.length > 100) return invalid(unsupported)
    const old = raw.find(({ tag, body }) => tag === 2 && body[0] === 3)
    if (old) return checkVersion3(old.body, certificates)
    const parsed = await readSignature({ binarySignature: signature })
    list = parsed.packets.filterByTag(enums.packet.signature) as unknown as SignaturePacket[]
  } catch {
    return invalid('The signature is damaged.')
  }
  const literal = (await createMessage({ binary: octets })).packets[0] as unknown as LiteralDataPacket
  return checkSignatures(literal, list, certificates, true)
}

/** Version 3 (RFC 4880 §5.2.2) is older than hashes that still hold: it never makes a seal, but it says whose it was. */
const checkVersion3 = (body: Uint8Array, certificates: Accepted[]): Check => {
  const id = Buffer.from(body.subarray(7, 15)).toString('hex')
  const at = body.length > 15 ? Buffer.from(body).readUInt32BE(3) * 1000 : null
  const isKnown = certificates.some(({ key }) => key.getKeys().some((one) => one.getKeyID().toHex() === id))
  if (isKnown) return { ...invalid('The signature uses a method that can be forged.'), at }
  return { ...noSignature, status: 'unknown-key', at, reason: unaccepted }
}

// Of several signatures the best one speaks: an unknown second signer takes nothing away from a known first.
const ranking: Signature['status'][] = ['valid', 'mismatch', 'expired', 'invalid', 'unknown-key', 'none']

const checkSignatures = async (
  literal: LiteralDataPacket,
  signatures: SignaturePacket[],
  certificates: Accepted[],
  detached: boolean,
): Promise<Check> => {
  let best = noSignature
  for (const signature of signatures.slice(0, openpgpLimits.signatures)) {
    // Only signatures over documents (RFC 9580 §5.2.1); one over a key says nothing about a mail.
    const type = signature.signatureType as number | null
    if (type !== enums.signature.binary && type !== enums.signature.text) continue
    const check = await checkOne(literal, signature, certificates, detached)
    if (ranking.indexOf(check.status) < ranking.indexOf(best.status)) best = check
  }
  return best
}

type SignatureMethods = {
  signedHashValue: Uint8Array
  hash(type: number, data: unknown, toHash: undefined, detached: boolean): Promise<Uint8Array>
  verify(key: unknown, type: number, data: unknown, date: Date, detached: boolean): Promise<void>
}

const checkOne = async (
  literal: LiteralDataPacket,
  signature: SignaturePacket,
  certificates: Accepted[],
  detached: boolean,
): Promise<Check> => {
  const at = signature.created?.getTime() ?? null
  const type = signature.signatureType as number
  const low = signature as unknown as SignatureMethods
  const issuer = signature.issuerKeyID
  const candidates = certificates.filter(({ key }) => key.getKeys(issuer).length > 0)
  if (!candidates.length) {
    // Without the key, the two octets of the digest (RFC 9580 §5.2.3) still tell a text that was changed.
    try {
      const hash = await low.hash(type, literal, undefined, detached)
      if (hash[0] !== low.signedHashValue[0] || hash[1] !== low.signedHashValue[1])
        return { ...invalid(altered), at }
    } catch {
      return { ...invalid(unsupported), at }
    }
    const fingerprint = signature.issuerFingerprint
    const key = fingerprint ? Buffer.from(fingerprint).toString('hex') : issuer.toHex()
    return { ...noSignature, status: 'unknown-key', key, at, reason: unaccepted }
  }
  let result = invalid(altered)
  for (const { key, addresses } of candidates) {
    const signer = key.getKeys(issuer)[0]!
    const named = await addressesOfKey(key)
    const vouchedFor = named.filter((address) => addresses === null || addresses.includes(address))
    const base = { ...noSignature, key: key.getFingerprint().toLowerCase(), at, addresses: vouchedFor }
    const failed = (status: Signature['status'], reason: string): Check => ({ ...base, status, reason })
    try {
      // The clock only tells a signature that ran out or comes from the future; keys are judged at the signing time.
      const now = Date.now()
      const isAhead = at !== null && at > now && at <= now + clockAheadMs
      await low.verify(signer.keyPacket, type, literal, new Date(isAhead ? at : now), detached)
    } catch (error) {
      const message = String(error)
      if (/Signature is expired/.test(message)) result = failed('expired', 'The signature has run out.')
      else if (/in the future/.test(message))
        result = failed('invalid', 'The signature claims to be made in the future.')
      else if (/Insecure/.test(message))
        result = failed('invalid', 'The signature uses a method that can be forged.')
      else if (/critical/.test(message)) result = failed('invalid', unsupported)
      else result = failed('invalid', altered)
      continue
    }
    return signingTimeCheck(key, signature, base)
  }
  return result
}

/** The cryptography is good; was the key allowed to sign, then? */
const signingTimeCheck = async (
  key: Key,
  signature: SignaturePacket,
  base: Omit<Check, 'status' | 'reason'>,
): Promise<Check> => {
  const failed = (status: Signature['status'], reason: string): Check => ({ ...base, status, reason })
  const { created, issuerKeyID } = signature
  if (!created) return failed('invalid', unsupported)
  const signer = key.getKeys(issuerKeyID)[0]!
  if (signer.getCreationTime() > created)
    return failed('invalid', 'The signature claims to be older than its key.')
  try {
    await key.getSigningKey(issuerKeyID, created)
  } catch (error) {
    let cause = chain(error)
    if (/in the future|self-certifications|not yet/i.test(cause)) {
      // A newer self-signature has taken the place of the one of that time: judge by what the key says now.
      try {
        await (await beforeRevocation(key, created)).getSigningKey(issuerKeyID)
        return { ...base, status: 'valid', reason: '' }
      } catch (now) {
        cause = chain(now)
      }
    }
    if (/revoked/i.test(cause)) return failed('expired', 'The key that signed it was revoked.')
    if (/expired/i.test(cause)) return failed('expired', 'The key had expired when it was signed.')
    return failed('invalid', 'The key that signed it is too weak or not meant for signing.')
  }
  return { ...base, status: 'valid', reason: '' }
}
