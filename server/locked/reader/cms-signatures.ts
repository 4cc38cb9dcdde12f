/** Checking CMS signatures (RFC 5652 §5.6, RFC 8550): did the key of a certificate sign this, and whose is it? */
import { createHash, verify } from 'node:crypto'
import { clockAheadMs } from '../../ground/limits.ts'
import { readDer } from './asn1.ts'
import { oid, type Signed, type Signer } from './cms.ts'
import { hashOf, isBrokenHash, schemeOf } from './cms-algorithms.ts'
import { type Check, invalid, noSignature } from './signatures.ts'
import { type Authorities, readable, trustIn } from './trust.ts'
import { isNamedBy, type MailCertificate } from './x509.ts'

/** An accepted certificate, and the addresses that it was accepted for. */
export type AcceptedCertificate = { der: Uint8Array; addresses: string[] }
/** By what S/MIME signatures are judged. */
export type Believed = { accepted: AcceptedCertificate[]; authorities: Authorities }

const altered = 'The signature does not fit the text: one of them was changed on the way.'
const unsupported = 'The signature is of a kind that cannot be checked here.'
const forgeable = 'The signature uses a method that can be forged.'
const unaccepted =
  'It is signed with a certificate that you have not accepted and that comes from no authority known here, so nothing can be said about who signed it.'

// Of several signatures the best one speaks: an unknown second signer takes nothing away from a known first.
const ranking: Check['status'][] = ['valid', 'mismatch', 'expired', 'invalid', 'unknown-key', 'none']

/**
 * @param content what was signed, where it stands beside the message
 * @returns also the certificate of the signer that speaks, as it came
 */
export const checkSigned = (
  signed: Signed,
  content: Uint8Array,
  believed: Believed,
): { check: Check; certificate: MailCertificate | null } => {
  const among = readable([...signed.certificates, ...believed.accepted.map(({ der }) => der)])
  let best: { check: Check; certificate: MailCertificate | null } = { check: noSignature, certificate: null }
  for (const signer of signed.signers) {
    const certificate = among.find((each) => isNamedBy(each, signer.by)) ?? null
    const check = checkSigner(signer, signed.contentType, content, certificate, among, believed)
    if (ranking.indexOf(check.status) < ranking.indexOf(best.check.status)) best = { check, certificate }
  }
  return best
}

const checkSigner = (
  signer: Signer,
  contentType: string,
  content: Uint8Array,
  certificate: MailCertificate | null,
  among: MailCertificate[],
  believed: Believed,
): Check => {
  const at = signingTime(signer)
  const fault = faultIn(signer, contentType, content, certificate)
  const known = { key: certificate?.fingerprint ?? null, at }
  if (fault) return { ...invalid(fault), ...known }
  if (!certificate) return { ...noSignature, status: 'unknown-key', at, reason: unaccepted }
  return { ...known, ...standing(certificate, among, believed, at) }
}

/** What is wrong with the signature itself; null if nothing is, as far as can be seen. */
const faultIn = (
  signer: Signer,
  contentType: string,
  content: Uint8Array,
  certificate: MailCertificate | null,
): string | null => {
  if (isBrokenHash(signer.digest)) return forgeable
  const hash = hashOf(signer.digest)
  const scheme = schemeOf(signer.algorithm, signer.digest)
  if (!hash || !scheme) return unsupported
  const { signedAttributes } = signer
  if (signedAttributes) {
    const digest = octetsIn(signer.attributes.get(oid.messageDigest))
    if (!digest || typeIn(signer) !== contentType) return altered
    if (Buffer.compare(digest, createHash(hash).update(content).digest()) !== 0) return altered
  } else if (contentType !== oid.data) return unsupported // RFC 5652 §5.3
  if (!certificate) return null
  if (certificate.isWeak) return 'The key that signed it is too weak or not meant for signing.'
  try {
    const key = { key: certificate.x509.publicKey, ...scheme.options }
    return verify(scheme.hash, signedAttributes ?? content, key, signer.signature) ? null : altered
  } catch {
    return unsupported
  }
}

/** The cryptography is good; is the certificate to be believed, and was it, then? */
const standing = (
  certificate: MailCertificate,
  among: MailCertificate[],
  { accepted, authorities }: Believed,
  signedAt: number | null,
): Pick<Check, 'status' | 'reason' | 'addresses'> => {
  const now = Date.now()
  const at = signedAt ?? now
  if (at > now + clockAheadMs)
    return { status: 'invalid', reason: 'The signature claims to be made in the future.', addresses: [] }
  const own = accepted.find(({ der }) => Buffer.compare(der, certificate.der) === 0)
  const trust = trustIn(certificate, among, authorities, at)
  if (!own && (trust === 'unknown' || trust === 'unfit'))
    return { status: 'unknown-key', reason: unaccepted, addresses: [] }
  // Whom an authority vouches for is named by the certificate alone.
  const addresses =
    own && trust !== 'trusted'
      ? certificate.addresses.filter((each) => own.addresses.includes(each))
      : certificate.addresses
  const failed = (status: Check['status'], reason: string) => ({ status, reason, addresses })
  if (trust === 'revoked') return failed('expired', 'The certificate that signed it was revoked.')
  if (trust === 'expired' || at < certificate.from || at > certificate.until)
    return failed('expired', 'The certificate was not valid on the day when it was signed.')
  if (!certificate.signs) return failed('invalid', 'The certificate is not meant for signing mail.')
  return failed('valid', '')
}

const signingTime = ({ attributes }: Signer): number | null => {
  const value = attributes.get(oid.signingTime)
  try {
    return value ? readDer(value).time : null
  } catch {
    return null
  }
}

const octetsIn = (value: Uint8Array | undefined) => {
  try {
    return value ? readDer(value).content : null
  } catch {
    return null
  }
}

const typeIn = ({ attributes }: Signer) => {
  const value = attributes.get(oid.contentType)
  try {
    return value ? readDer(value).objectIdentifier : null
  } catch {
    return null
  }
}
