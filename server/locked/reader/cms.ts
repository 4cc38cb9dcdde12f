/**
 * What a CMS message holds (RFC 5652, RFC 5083, RFC 3274): for whom it is encrypted and with what, who signed it. Only
 * structure: nothing is decrypted or verified here.
 */
import { inflateSync } from 'node:zlib'
import { cmsLimits } from '../../ground/limits.ts'
import { type Node, readAsn1 } from './asn1.ts'
import { NotBer } from './ber.ts'

/** Which certificate is meant (RFC 5652 §10.2.4): by its issuer and number, in DER, or by its key. */
export type CertificateName = { issuerAndSerial: Uint8Array } | { keyId: Uint8Array }

/** An algorithm by its object identifier; parameters in DER, null where there are none. */
export type Algorithm = { id: string; parameters: Uint8Array | null }

/** How a content key lies in the message for one recipient. */
export type Recipient = { to: CertificateName; encryptedKey: Uint8Array; algorithm: Algorithm } & (
  | { kind: 'transport' }
  | {
      kind: 'agreement'
      /** Point or octets of the sender's public key, which is for this message alone. */
      senderKey: Uint8Array
      userKeyingMaterial: Uint8Array | null
    }
)

export type Signer = {
  by: CertificateName
  digest: Algorithm
  algorithm: Algorithm
  signature: Uint8Array
  /** What was signed instead of the content, in DER; null where the content itself was. */
  signedAttributes: Uint8Array | null
  /** By object identifier, the one value of each in DER. What stands there twice is left out: nobody knows which counts. */
  attributes: Map<string, Uint8Array>
}

export type Encrypted = {
  kind: 'encrypted'
  recipients: Recipient[]
  cipher: Algorithm
  ciphertext: Uint8Array
  /** With an authenticated cipher (RFC 5083): its tag, and what else it covers; else null. */
  authenticated: { tag: Uint8Array; covers: Uint8Array } | null
}
export type Signed = {
  kind: 'signed'
  /** Null where it stands beside the message. */
  content: Uint8Array | null
  contentType: string
  /** In DER, as they came. */
  certificates: Uint8Array[]
  signers: Signer[]
}
export type Cms = Encrypted | Signed | { kind: 'compressed'; content: Uint8Array } | { kind: 'other' }

/** Object identifiers of contents and attributes. */
export const oid = {
  data: '1.2.840.113549.1.7.1',
  signedData: '1.2.840.113549.1.7.2',
  envelopedData: '1.2.840.113549.1.7.3',
  authEnvelopedData: '1.2.840.113549.1.9.16.1.23',
  compressedData: '1.2.840.113549.1.9.16.1.9',
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingTime: '1.2.840.113549.1.9.5',
  capabilities: '1.2.840.113549.1.9.15',
  signingCertificate: '1.2.840.113549.1.9.16.2.12',
  signingCertificateV2: '1.2.840.113549.1.9.16.2.47',
}

const kinds: Record<string, 'signed' | 'encrypted' | 'compressed'> = {
  '2a864886f70d010702': 'signed',
  '2a864886f70d010703': 'encrypted',
  '2a864886f70d0109100117': 'encrypted',
  '2a864886f70d0109100109': 'compressed',
}

/** What a CMS message says it is in its first octets, of which no more are read; null for anything else. */
export const kindOfCms = (octets: Uint8Array): 'signed' | 'encrypted' | 'compressed' | null => {
  const lengthOctets = octets[1]! > 0x80 ? octets[1]! & 0x7f : 0
  const at = 2 + lengthOctets
  if (octets[0] !== 0x30 || lengthOctets > 6 || octets[at] !== 6) return null
  const type = octets.subarray(at + 2, at + 2 + Math.min(octets[at + 1]!, 0x20))
  return kinds[Buffer.from(type).toString('hex')] ?? null
}

/** @param octets BER or DER @throws NotBer if it is no CMS message, or not within the bounds */
export const readCms = (octets: Uint8Array): Cms => {
  const [type, content] = readAsn1(octets).members
  const kind = type?.objectIdentifier
  const inside = content?.is('context', 0) ? content.members[0] : undefined
  if (!inside) throw new NotBer('no content')
  if (kind === oid.signedData) return signedIn(inside)
  if (kind === oid.envelopedData) return encryptedIn(inside, false)
  if (kind === oid.authEnvelopedData) return encryptedIn(inside, true)
  if (kind === oid.compressedData) return compressedIn(inside)
  return { kind: 'other' }
}

const sequence = (node: Node | undefined) => {
  if (!node?.is('universal', 16)) throw new NotBer('no sequence')
  return node.members
}
const set = (node: Node | undefined) => {
  if (!node?.is('universal', 17)) throw new NotBer('no set')
  return node.members
}
const octetString = (node: Node | undefined) => {
  if (!node?.is('universal', 4)) throw new NotBer('no octet string')
  return node.content
}

export const algorithmOf = (node: Node | undefined): Algorithm => {
  const [id, parameters] = sequence(node)
  if (!id) throw new NotBer('no algorithm')
  return { id: id.objectIdentifier, parameters: parameters?.der ?? null }
}

/** An EnvelopedData (RFC 5652 §6.1) or AuthEnvelopedData (RFC 5083 §2.1). */
const encryptedIn = (node: Node, isAuthenticated: boolean): Encrypted => {
  const [, ...rest] = sequence(node)
  if (rest[0]?.is('context', 0)) rest.shift() // the originator's certificates
  const recipients = set(rest.shift())
  if (recipients.length > cmsLimits.recipients) throw new NotBer('too many recipients')
  const [, cipher, content] = sequence(rest.shift())
  let covers: Uint8Array = new Uint8Array()
  if (rest[0]?.is('context', 1) && isAuthenticated) covers = asSet(rest.shift()!)
  return {
    kind: 'encrypted',
    recipients: recipients.flatMap(recipientsIn),
    cipher: algorithmOf(cipher),
    ciphertext: content?.is('context', 0) ? content.content : new Uint8Array(),
    authenticated: isAuthenticated ? { tag: octetString(rest[0]), covers } : null,
  }
}

/** Attributes as they are signed and authenticated: a set, where the message has a number of its own (RFC 5652 §5.4). */
const asSet = (attributes: Node): Uint8Array => {
  const der = Uint8Array.from(attributes.der)
  der[0] = 0x31
  return der
}

/** Those for passwords and for keys that were agreed on before are of no use here, and left out. */
const recipientsIn = (node: Node): Recipient[] => {
  if (node.is('universal', 16)) {
    const [, to, algorithm, encryptedKey] = node.members
    return [
      {
        kind: 'transport',
        to: nameIn(to),
        algorithm: algorithmOf(algorithm),
        encryptedKey: octetString(encryptedKey),
      },
    ]
  }
  if (!node.is('context', 1)) return []
  const [, originator, ...rest] = node.members
  const sender = originator?.is('context', 0) ? originator.members[0] : undefined
  if (!sender?.is('context', 1)) return [] // a lasting key of the sender, as nobody uses it
  const [, senderKey] = sender.members
  const userKeyingMaterial = rest[0]?.is('context', 1) ? octetString(rest.shift()!.members[0]) : null
  const algorithm = algorithmOf(rest[0])
  return sequence(rest[1]).map((each) => {
    const [to, encryptedKey] = sequence(each)
    return {
      kind: 'agreement',
      // By its key, it is a sequence with more in it that nobody needs.
      to: to?.is('context', 0) ? { keyId: octetString(to.members[0]) } : nameIn(to),
      algorithm,
      senderKey: senderKey!.bits,
      userKeyingMaterial,
      encryptedKey: octetString(encryptedKey),
    }
  })
}

const nameIn = (node: Node | undefined): CertificateName => {
  if (node?.is('context', 0)) return { keyId: node.content }
  sequence(node)
  return { issuerAndSerial: node!.der }
}

/** A SignedData (RFC 5652 §5.1). Revocation lists and other kinds of certificates in it are left out. */
const signedIn = (node: Node): Signed => {
  const [, , inside, ...rest] = sequence(node)
  const [contentType, content] = sequence(inside)
  const certificates = rest[0]?.is('context', 0) ? rest.shift()!.members : []
  if (rest[0]?.is('context', 1)) rest.shift()
  const signers = set(rest[0])
  if (signers.length > cmsLimits.signers || certificates.length > cmsLimits.certificates)
    throw new NotBer('too many signers')
  // What is no octet string is signed without its tag and length (RFC 5652 §5.2.1).
  const carried = content?.is('context', 0) ? content.members[0] : undefined
  return {
    kind: 'signed',
    contentType: contentType!.objectIdentifier,
    content: carried?.content ?? null,
    certificates: certificates.filter((each) => each.is('universal', 16)).map(({ der }) => der),
    signers: signers.map(signerIn),
  }
}

const signerIn = (node: Node): Signer => {
  const [, by, digest, ...rest] = sequence(node)
  const signed = rest[0]?.is('context', 0) ? rest.shift()! : null
  const [algorithm, signature] = rest
  return {
    by: nameIn(by),
    digest: algorithmOf(digest),
    algorithm: algorithmOf(algorithm),
    signature: octetString(signature),
    signedAttributes: signed && asSet(signed),
    attributes: signed ? attributesIn(signed) : new Map(),
  }
}

const attributesIn = (node: Node) => {
  const found = new Map<string, Uint8Array>()
  const repeated = new Set<string>()
  for (const attribute of node.members) {
    const [type, values] = sequence(attribute)
    const id = type!.objectIdentifier
    const [value, another] = set(values)
    if (found.has(id) || !value || another) repeated.add(id)
    else found.set(id, value.der)
  }
  for (const id of repeated) found.delete(id)
  return found
}

/** A CompressedData (RFC 3274), unpacked. */
const compressedIn = (node: Node): Cms => {
  const [, , inside] = sequence(node)
  const [, content] = sequence(inside)
  const packed = content?.is('context', 0) ? content.members[0] : undefined
  if (!packed) throw new NotBer('no content')
  try {
    return {
      kind: 'compressed',
      content: inflateSync(packed.content, { maxOutputLength: cmsLimits.unpacked }),
    }
  } catch {
    throw new NotBer('compressed content that does not unpack')
  }
}
