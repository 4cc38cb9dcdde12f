/** CMS messages as they leave (RFC 8551): what any S/MIME program of the last fifteen years reads. In DER. */
import {
  constants,
  createCipheriv,
  createHash,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  publicEncrypt,
  randomBytes,
} from 'node:crypto'
import * as asn1js from 'asn1js'
import { Refusal } from '../../ground/refusal.ts'
import {
  algorithm,
  asIs,
  type Block,
  derOf,
  identifier,
  integer,
  nothing,
  octetString,
  octetsAt,
  sequence,
  setOf,
  within,
} from './asn1-writing.ts'
import { oid } from './cms.ts'
import { keyDerivedFrom } from './cms-agreement.ts'
import { transport } from './cms-algorithms.ts'
import type { MailCertificate } from './x509.ts'

const contentInfo = (type: string, content: Block) => derOf(sequence(identifier(type), within(0, content)))

const digests = {
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
} as const
export type SigningHash = keyof typeof digests

/** How a key signs: with which hash, and what the signature is called; null for one that does not sign mail. */
export const signingScheme = (
  key: KeyObject,
): { hash: SigningHash; isPure: boolean; signature: string } | null => {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (type === 'rsa') return { hash: 'sha256', isPure: false, signature: transport.rsa }
  if (type === 'ed25519') return { hash: 'sha512', isPure: true, signature: '1.3.101.112' } // RFC 8419 §2.3
  if (type !== 'ec') return null
  const bits = { prime256v1: 256, secp384r1: 384, secp521r1: 521 }[details?.namedCurve ?? ''] ?? 256
  if (bits === 521) return { hash: 'sha512', isPure: false, signature: '1.2.840.10045.4.3.4' }
  if (bits === 384) return { hash: 'sha384', isPure: false, signature: '1.2.840.10045.4.3.3' }
  return { hash: 'sha256', isPure: false, signature: '1.2.840.10045.4.3.2' }
}

const gcm = { id: '2.16.840.1.101.3.4.1.46', name: 'aes-256-gcm', vector: 12 } as const
const cbc = { id: '2.16.840.1.101.3.4.1.42', name: 'aes-256-cbc', vector: 16 } as const

/** What we read, the best first (RFC 8551 §2.5.2). */
const capabilities = () =>
  sequence(...[gcm.id, '2.16.840.1.101.3.4.1.6', cbc.id, '2.16.840.1.101.3.4.1.2'].map((id) => algorithm(id)))

/** Whether a signer's capabilities, an attribute in DER, have AES-256-GCM. */
export const takesGcm = (attribute: Uint8Array): boolean =>
  Buffer.from(attribute).includes(Buffer.from(derOf(identifier(gcm.id))))

/**
 * A signature that stands beside its content (RFC 8551 §3.5.3).
 *
 * @param content the entity as it is sent, CRLF line ends
 * @param by the signer's certificate, those on the way to its authority, and what signs with its key
 */
export const signedBeside = (
  content: Uint8Array,
  by: {
    certificate: MailCertificate
    chain: Uint8Array[]
    /** Another certificate of the signer, where that is the one to encrypt to (RFC 8551 §2.5.2.1, §2.5.3). */
    encryptTo: MailCertificate | null
    sign(hash: SigningHash | null, octets: Uint8Array): Uint8Array
  },
): { octets: Uint8Array; hash: SigningHash } => {
  const scheme = signingScheme(by.certificate.x509.publicKey)
  if (!scheme) throw new Refusal('keys-only-read')
  const digest = createHash(scheme.hash).update(content).digest()
  const attribute = (type: string, value: Block) => sequence(identifier(type), setOf(value))
  const attributes = setOf(
    attribute(oid.contentType, identifier(oid.data)),
    attribute(oid.signingTime, timeOf(new Date())),
    attribute(oid.messageDigest, octetString(digest)),
    attribute(oid.capabilities, capabilities()),
    ...(by.encryptTo
      ? [attribute(encryptionKeyPreference, within(0, ...issuerAndSerialIn(by.encryptTo)))]
      : []),
  )
  const signature = by.sign(scheme.isPure ? null : scheme.hash, derOf(attributes))
  const digestAlgorithm = () => algorithm(digests[scheme.hash])
  const signer = sequence(
    integer(1),
    asIs(by.certificate.issuerAndSerial),
    digestAlgorithm(),
    within(0, ...attributes.valueBlock.value),
    scheme.signature === transport.rsa ? algorithm(scheme.signature, nothing()) : algorithm(scheme.signature),
    octetString(signature),
  )
  const certificates = [by.certificate.der, ...(by.encryptTo ? [by.encryptTo.der] : []), ...by.chain]
  const signed = sequence(
    integer(1),
    setOf(digestAlgorithm()),
    sequence(identifier(oid.data)),
    within(0, ...certificates.map(asIs)),
    setOf(signer),
  )
  return { octets: contentInfo(oid.signedData, signed), hash: scheme.hash }
}

const encryptionKeyPreference = '1.2.840.113549.1.9.16.2.11'

/** Its place says that it is one: it has a number of its own there. */
const issuerAndSerialIn = ({ issuerAndSerial }: MailCertificate) =>
  (asIs(issuerAndSerial) as asn1js.Sequence).valueBlock.value

/** RFC 5652 §11.3. */
const timeOf = (date: Date): Block =>
  date.getUTCFullYear() < 2050
    ? new asn1js.UTCTime({ valueDate: date })
    : new asn1js.GeneralizedTime({ valueDate: date })

/**
 * The content, encrypted to each of the certificates with AES-256.
 *
 * @param isAuthenticated with GCM (RFC 5083, RFC 5084), where all of them take it; else CBC
 * @throws Refusal `bad-key` where a key cannot be encrypted to
 */
export const encryptedTo = (
  certificates: MailCertificate[],
  content: Uint8Array,
  isAuthenticated: boolean,
): Uint8Array => {
  const key = randomBytes(32)
  try {
    const recipients = certificates.map((each) => recipientInfo(each, key))
    const isPlain = certificates.every(({ x509 }) => x509.publicKey.asymmetricKeyType === 'rsa')
    if (isAuthenticated) {
      const vector = randomBytes(gcm.vector)
      const cipher = createCipheriv(gcm.name, key, vector)
      const ciphertext = Buffer.concat([cipher.update(content), cipher.final()])
      const parameters = sequence(octetString(vector), integer(16))
      const inside = encryptedContent(algorithm(gcm.id, parameters), ciphertext)
      const data = sequence(integer(0), setOf(...recipients), inside, octetString(cipher.getAuthTag()))
      return contentInfo(oid.authEnvelopedData, data)
    }
    const vector = randomBytes(cbc.vector)
    const cipher = createCipheriv(cbc.name, key, vector)
    const ciphertext = Buffer.concat([cipher.update(content), cipher.final()])
    const inside = encryptedContent(algorithm(cbc.id, octetString(vector)), ciphertext)
    return contentInfo(oid.envelopedData, sequence(integer(isPlain ? 0 : 2), setOf(...recipients), inside))
  } finally {
    key.fill(0)
  }
}

const encryptedContent = (cipher: Block, ciphertext: Uint8Array) =>
  sequence(identifier(oid.data), cipher, octetsAt(0, ciphertext))

const recipientInfo = (certificate: MailCertificate, key: Uint8Array): Block => {
  try {
    const { publicKey } = certificate.x509
    return publicKey.asymmetricKeyType === 'rsa'
      ? transportedTo(certificate, publicKey, key)
      : agreedWith(certificate, publicKey, key)
  } catch (cause) {
    throw new Refusal('recipient-key-unfit', { cause })
  }
}

/** PKCS #1 v1.5: what every program reads; nobody can ask us about its padding, for this is the sending side. */
const transportedTo = (certificate: MailCertificate, publicKey: KeyObject, key: Uint8Array): Block =>
  sequence(
    integer(0),
    asIs(certificate.issuerAndSerial),
    algorithm(transport.rsa, nothing()),
    octetString(publicEncrypt({ key: publicKey, padding: constants.RSA_PKCS1_PADDING }, key)),
  )

/** With a key of our own for this message alone (RFC 5753 §3.1, RFC 8418). */
const agreedWith = (certificate: MailCertificate, publicKey: KeyObject, key: Uint8Array): Block => {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = publicKey
  const isMontgomery = type === 'x25519'
  if (!isMontgomery && type !== 'ec') throw new Error(`expected a key to encrypt to, got ${type}`)
  const own = isMontgomery
    ? generateKeyPairSync('x25519')
    : generateKeyPairSync('ec', { namedCurve: details!.namedCurve! })
  const agreement = isMontgomery
    ? { id: '1.2.840.113549.1.9.16.3.19', kdf: 'hkdf' as const, hash: 'sha256' }
    : { id: '1.3.132.1.11.1', kdf: 'x963' as const, hash: 'sha256' }
  const keyWrap = algorithm('2.16.840.1.101.3.4.1.45')
  const secret = diffieHellman({ privateKey: own.privateKey, publicKey })
  const wrappingKey = keyDerivedFrom(agreement, secret, derOf(keyWrap), null, 32)
  const wrapping = createCipheriv('aes256-wrap', wrappingKey, Buffer.alloc(8, 0xa6))
  const spki = asIs(own.publicKey.export({ type: 'spki', format: 'der' })) as asn1js.Sequence
  const [, point] = spki.valueBlock.value as [Block, asn1js.BitString]
  const kind = isMontgomery ? '1.3.101.110' : '1.2.840.10045.2.1'
  const sender = within(1, algorithm(kind), point)
  const wrapped = Buffer.concat([wrapping.update(key), wrapping.final()])
  return within(
    1,
    integer(3),
    within(0, sender),
    algorithm(agreement.id, keyWrap),
    sequence(sequence(asIs(certificate.issuerAndSerial), octetString(wrapped))),
  )
}
