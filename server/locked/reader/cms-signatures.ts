/** Checking CMS signatures (RFC 5652 §5.6, RFC 8550): did the key of a certificate sign this, and whose is it? */
import { createHash, verify } from 'node:crypto'
import { clockAheadMs } from '../../ground/limits.ts'
import { readDer } from './asn1.ts'
import { algorithmOf, oid, type Signed, type Signer } from './cms.ts'
import { hashOf, isBrokenHash, schemeOf } from './cms-algorithms.ts'
import { type Check, invalid, noSignature } from './signatures.ts'
import { type Authorities, Judge, readable } from './trust.ts'
import { isNamedBy, type MailCertificate } from './x509.ts'

/** An accepted certificate, and the addresses that it was accepted for. */
export type AcceptedCertificate = { der: Uint8Array; addresses: string[] }
/** By what S/MIME signatures are judged. */
export type Believed = { accepted: AcceptedCertificate[]; authorities: Authorities }
export const nobodyBelieved: Believed = {
  accepted: [],
  authorities: { certificates: [], revocationLists: [] },
}

const altered = 'The signature does not fit the text: one of them was changed on the way.'
const unsupported = 'The signature is of a kind that cannot be checked here.'
const forgeable = 'The signature uses a method that can be forged.'
const unaccepted =
  'It is signed with a certificate that you have not accepted and that comes from no authority known here, so nothing can be said about who signed it.'

// Of several signatures the best one speaks: an unknown second signer takes nothing away from a known first.
const ranking: Check['status'][] = ['valid', 'mismatch', 'expired', 'invalid', 'unknown-key', 'none']

/** @param content what was signed, where it stands beside the message */
export const checkSigned = (signed: Signed, content: Uint8Array, believed: Believed): Check => {
  const among = readable([...signed.certificates, ...believed.accepted.map(({ der }) => der)])
  const judge = new Judge(among, believed.authorities)
  let best = noSignature
  for (const signer of signed.signers) {
    const check = checkedSigner(signer, signed.contentType, content, among, believed.accepted, judge)
    if (ranking.indexOf(check.status) < ranking.indexOf(best.status)) best = check
  }
  return best
}

/** Strangers wrote all of it: whatever cannot be read in it is damage. */
const checkedSigner: typeof checkSigner = (...given) => {
  try {
    return checkSigner(...given)
  } catch {
    return invalid('The signature is damaged.')
  }
}

const checkSigner = (
  signer: Signer,
  contentType: string,
  content: Uint8Array,
  among: MailCertificate[],
  accepted: AcceptedCertificate[],
  judge: Judge,
): Check => {
  const at = signingTime(signer)
  const fault = faultBeforeKey(signer, contentType, content)
  if (fault) return { ...invalid(fault), at }
  // Several may go by one name: a stranger writes what comes along.
  let first: Check | null = null
  for (const certificate of among.filter((each) => isNamedBy(each, signer.by))) {
    const flaw = faultWithKey(signer, content, certificate)
    const about = { key: certificate.fingerprint, at, certificate: aboutCertificate(certificate) }
    if (!flaw) return { ...about, ...standing(certificate, among, accepted, judge, at) }
    first ??= { ...invalid(flaw), ...about }
  }
  return first ?? { ...noSignature, status: 'unknown-key', at, reason: unaccepted }
}

const aboutCertificate = ({ subject, issuer, from, until, addresses }: MailCertificate) => ({
  subject,
  issuer,
  from,
  until,
  addresses,
  isVouchedFor: false,
  companions: [],
})

/** What is wrong with the signature whoever made it; null if nothing is. */
const faultBeforeKey = (signer: Signer, contentType: string, content: Uint8Array): string | null => {
  if (isBrokenHash(signer.digest)) return forgeable
  const hash = hashOf(signer.digest)
  if (!hash || !schemeOf(signer.algorithm, signer.digest)) return unsupported
  if (!signer.signedAttributes) return contentType === oid.data ? null : unsupported // RFC 5652 §5.3
  const digest = octetsIn(signer.attributes.get(oid.messageDigest))
  if (!digest || typeIn(signer) !== contentType) return altered
  return Buffer.compare(digest, createHash(hash).update(content).digest()) === 0 ? null : altered
}

/** What is wrong with it if this certificate's key made it; null if nothing is. */
const faultWithKey = (signer: Signer, content: Uint8Array, certificate: MailCertificate): string | null => {
  const scheme = schemeOf(signer.algorithm, signer.digest)!
  if (certificate.isWeak) return 'The key that signed it is too weak or not meant for signing.'
  try {
    if (!isMeant(certificate, signer)) return altered
    const key = { key: certificate.x509.publicKey, ...scheme.options }
    return verify(scheme.hash, signer.signedAttributes ?? content, key, signer.signature) ? null : altered
  } catch {
    return unsupported
  }
}

/**
 * Whether the signer meant this certificate and no other of the same key (RFC 5035 §3, §5): the name beside a signature
 * is not signed. Old signers do not say.
 */
const isMeant = ({ der }: MailCertificate, { attributes }: Signer): boolean => {
  const [second, first] = [attributes.get(oid.signingCertificateV2), attributes.get(oid.signingCertificate)]
  const value = second ?? first
  if (!value) return true
  const parts = [...(readDer(value).members[0]?.members[0]?.members ?? [])]
  const named = parts[0]?.is('universal', 16) ? hashOf(algorithmOf(parts.shift())) : 'sha256'
  const hash = second ? named : 'sha1'
  if (!hash || !parts[0]) return false
  return Buffer.compare(createHash(hash).update(der).digest(), parts[0].content) === 0
}

/** The cryptography is good; is the certificate to be believed, and was it, then? */
const standing = (
  certificate: MailCertificate,
  among: MailCertificate[],
  accepted: AcceptedCertificate[],
  judge: Judge,
  signedAt: number | null,
): Pick<Check, 'status' | 'reason' | 'addresses' | 'certificate'> => {
  const now = Date.now()
  const at = signedAt ?? now
  const about = aboutCertificate(certificate)
  const nobodys = { addresses: [], certificate: about }
  if (at > now + clockAheadMs)
    return { status: 'invalid', reason: 'The signature claims to be made in the future.', ...nobodys }
  const own = accepted.find(({ der }) => Buffer.compare(der, certificate.der) === 0)
  const trust = judge.trustIn(certificate, at)
  if (!own && (trust === 'unknown' || trust === 'unfit'))
    return { status: 'unknown-key', reason: unaccepted, ...nobodys }
  // Whom an authority vouches for is named by the certificate alone.
  const addresses =
    own && trust !== 'trusted'
      ? certificate.addresses.filter((each) => own.addresses.includes(each))
      : certificate.addresses
  const said =
    trust === 'trusted'
      ? { ...about, isVouchedFor: true, companions: companionsOf(certificate, among, judge) }
      : about
  const failed = (status: Check['status'], reason: string) => ({
    status,
    reason,
    addresses,
    certificate: said,
  })
  if (trust === 'revoked') return failed('expired', 'The certificate that signed it was revoked.')
  if (trust === 'expired' || at < certificate.from || at > certificate.until)
    return failed('expired', 'The certificate was not valid on the day when it was signed.')
  if (!certificate.signs) return failed('invalid', 'The certificate is not meant for signing mail.')
  return failed('valid', '')
}

/** Who signs with one certificate may have another to be encrypted to; it counts if it is good now. */
const companionsOf = (certificate: MailCertificate, among: MailCertificate[], judge: Judge): string[] =>
  certificate.encrypts
    ? []
    : among
        .filter(
          (each) =>
            each.encrypts &&
            each.addresses.some((address) => certificate.addresses.includes(address)) &&
            judge.trustIn(each, Date.now()) === 'trusted',
        )
        .map(({ fingerprint }) => fingerprint)

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
