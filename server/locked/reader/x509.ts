/**
 * What a certificate says (RFC 5280, RFC 8550): whose it is, for which addresses, from when to when, and what its key
 * may be used for. Whether it is to be believed is decided in trust.ts.
 */
import { createHash, type KeyObject, X509Certificate } from 'node:crypto'
import { addressCharacters, cmsLimits, openpgpLimits } from '../../ground/limits.ts'
import { type Node, readDer } from './asn1.ts'
import { constructedOf, NotBer } from './ber.ts'
import { latin1 } from './charsets.ts'
import type { CertificateName } from './cms.ts'
import { type NameConstraints, readNameConstraints } from './name-constraints.ts'

export type MailCertificate = {
  der: Uint8Array
  x509: X509Certificate
  /** SHA-256 of the certificate, lower-case hexadecimal. */
  fingerprint: string
  /** Addresses that its issuer vouches for, lower-case, as many as are looked at: names of the subject, and `emailAddress` of older ones. */
  addresses: string[]
  /** Names as certificates write them, `CN=…, O=…`, in one line. */
  subject: string
  issuer: string
  /** Unix milliseconds. */
  from: number
  until: number
  /** For instance `RSA 2048`, `P-256`. */
  algorithm: string
  /** The key is too weak for anything but reading old mail. */
  isWeak: boolean
  /** What its key may be used for; where it names no restriction, for all. */
  signs: boolean
  encrypts: boolean
  isAuthority: boolean
  /** Its purposes, where it names any, are mail's: of an authority, for what it may issue certificates. */
  isForMail: boolean
  /** The relative names of the subject, in DER, the outermost first. */
  name: Uint8Array[]
  /** Of an authority that may not give all names; null for one that may. */
  nameConstraints: NameConstraints | null
  /** How messages name it: by issuer and number, in DER, or by its key. */
  issuerAndSerial: Uint8Array
  keyId: Uint8Array | null
  /** It has extensions that must be understood (RFC 5280 §4.2), and are not. */
  isBeyondUs: boolean
}

const extension = {
  keyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  alternativeNames: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  policies: '2.5.29.32',
  policyConstraints: '2.5.29.36',
  purposes: '2.5.29.37',
}
const understood = new Set(Object.values(extension))
const emailProtection = '1.3.6.1.5.5.7.3.4'
const anyPurpose = '2.5.29.37.0'
const emailAddress = '1.2.840.113549.1.9.1'
const smtpUtf8Mailbox = '1.3.6.1.5.5.7.8.9' // RFC 9598

/** @throws NotBer if it is no certificate */
export const readX509 = (octets: Uint8Array): MailCertificate => {
  let x509: X509Certificate
  try {
    x509 = new X509Certificate(octets)
  } catch {
    throw new NotBer('no certificate')
  }
  const der = new Uint8Array(x509.raw)
  const parts = partsOf(readDer(der))
  const found = extensionsOf(parts.extensions)
  const usage = usageIn(found.get(extension.keyUsage)?.value)
  const constraints = found.get(extension.nameConstraints)?.value
  const forMail = isForMail(found.get(extension.purposes)?.value)
  const key = keyOf(x509)
  const from = parts.validity[0]!.time
  const until = parts.validity[1]!.time
  return {
    der,
    x509,
    fingerprint: createHash('sha256').update(der).digest('hex'),
    addresses: addressesOf(parts.subject, found.get(extension.alternativeNames)?.value),
    subject: inOneLine(x509.subject),
    issuer: inOneLine(x509.issuer),
    from,
    until,
    ...key,
    signs: forMail && (usage === null || usage.digitalSignature || usage.nonRepudiation),
    encrypts: forMail && (usage === null || usage.keyEncipherment || usage.keyAgreement),
    isForMail: forMail,
    name: parts.subject.members.map((each) => each.der),
    nameConstraints: constraints ? readNameConstraints(constraints) : null,
    isAuthority: x509.ca && (usage === null || usage.keyCertSign),
    issuerAndSerial: constructedOf(0x30, parts.issuer.der, parts.serial.der),
    keyId: found.get(extension.keyId)?.value?.content ?? null,
    isBeyondUs: [...found].some(
      ([id, { isCritical, value }]) =>
        (isCritical || id === extension.nameConstraints) && (!understood.has(id) || !value),
    ),
  }
}

export const isNamedBy = (certificate: MailCertificate, name: CertificateName): boolean =>
  'keyId' in name
    ? certificate.keyId !== null && Buffer.compare(certificate.keyId, name.keyId) === 0
    : Buffer.compare(certificate.issuerAndSerial, name.issuerAndSerial) === 0

const partsOf = (certificate: Node) => {
  const [body] = certificate.members
  const rest = body!.members
  if (rest[0]?.is('context', 0)) rest.shift() // its version
  const [serial, , issuer, validity, subject, , ...more] = rest
  if (!serial || !issuer || !validity || !subject) throw new NotBer('no certificate')
  const extensions = more.find((each) => each.is('context', 3))?.members[0]?.members ?? []
  return { serial, issuer, validity: validity.members, subject, extensions }
}

/** By their object identifier; the value is null where it cannot be read, or stands there twice. */
const extensionsOf = (extensions: Node[]) => {
  const found = new Map<string, { isCritical: boolean; value: Node | null }>()
  for (const each of extensions) {
    const [id, ...rest] = each.members
    const isCritical = rest[0]?.is('universal', 1) ? rest.shift()!.content[0] !== 0 : false
    const name = id!.objectIdentifier
    found.set(name, { isCritical, value: found.has(name) ? null : elementIn(rest[0]) })
  }
  return found
}

const elementIn = (octetString: Node | undefined): Node | null => {
  try {
    return octetString ? readDer(octetString.content) : null
  } catch {
    return null
  }
}

/** RFC 5280 §4.2.1.3; null where the certificate does not restrict its key. */
const usageIn = (value: Node | null | undefined) => {
  if (value === undefined) return null
  const octet = value?.bits[0] ?? 0
  return {
    digitalSignature: Boolean(octet & 0x80),
    nonRepudiation: Boolean(octet & 0x40),
    keyEncipherment: Boolean(octet & 0x20),
    keyAgreement: Boolean(octet & 0x08),
    keyCertSign: Boolean(octet & 0x04),
  }
}

const isForMail = (value: Node | null | undefined) =>
  value === undefined ||
  Boolean(value?.members.some((each) => [emailProtection, anyPurpose].includes(each.objectIdentifier)))

/** The names of the subject (RFC 5280 §4.2.1.6), and `emailAddress` in its distinguished name (RFC 8550 §3). */
const addressesOf = (subject: Node, names: Node | null | undefined): string[] => {
  const found: string[] = []
  for (const name of names?.members ?? []) {
    if (name.is('context', 1)) found.push(latin1(name.content))
    if (name.is('context', 0) && name.members[0]!.objectIdentifier === smtpUtf8Mailbox)
      found.push(Buffer.from(name.members[1]!.members[0]!.content).toString('utf8'))
  }
  for (const { members } of subject.members)
    for (const each of members) {
      const [type, value] = each.members
      if (type!.objectIdentifier === emailAddress) found.push(latin1(value!.content))
    }
  // A name of two addresses, or with something hidden in it, is none.
  return [...new Set(found.map((each) => each.toLowerCase()))]
    .filter((each) => each.length <= addressCharacters && /^[^\s@\p{C}<>,;"]+@[^\s@\p{C}<>,;"]+$/u.test(each))
    .slice(0, cmsLimits.addresses)
}

const inOneLine = (name: string | undefined) => (name ?? '').split('\n').join(', ')

const curves: Record<string, string> = { prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' }

const keyOf = (x509: X509Certificate): { algorithm: string; isWeak: boolean } => {
  let key: KeyObject
  try {
    key = x509.publicKey
  } catch {
    return { algorithm: 'unknown', isWeak: true }
  }
  const { asymmetricKeyType: type = 'unknown', asymmetricKeyDetails: details = {} } = key
  if (type === 'rsa' || type === 'rsa-pss') {
    const bits = details.modulusLength ?? 0
    return {
      algorithm: `${type === 'rsa' ? 'RSA' : 'RSA-PSS'} ${bits}`,
      isWeak: bits < openpgpLimits.fewestRsaBits,
    }
  }
  if (type === 'ec') {
    const curve = details.namedCurve ?? 'unknown'
    return {
      algorithm: curves[curve] ?? curve,
      isWeak: !(curve in curves) && !/^brainpoolP(256|384|512)/.test(curve),
    }
  }
  const isEdwards = ['ed25519', 'ed448', 'x25519', 'x448'].includes(type)
  return { algorithm: type, isWeak: !isEdwards }
}
