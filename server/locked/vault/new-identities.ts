/** S/MIME identities that are made, or come from elsewhere: a certificate (RFC 5280), its private key, and the way to its authority. */
import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import forge from 'node-forge'
import { cmsLimits, selfMadeIdentity } from '../../ground/limits.ts'
import { Refusal } from '../../ground/refusal.ts'
import type { OwnUses } from '../key-uses.ts'
import { signingScheme } from '../reader/cms-writing.ts'
import { readable } from '../reader/trust.ts'
import { type MailCertificate, readX509 } from '../reader/x509.ts'
import { sealIdentity, type WrappedIdentity } from './identity-keys.ts'
import { readPkcs12 } from './pkcs12.ts'

export type NewIdentity =
  /** @param at Unix milliseconds: when it begins */
  | { generate: { name: string; address: string; at: number } }
  /** A PKCS #12 file as another program exported it, with one identity or several. */
  | { import: { file: Uint8Array; passphrase: Uint8Array } }

/** What a certificate says, for those who may not read one; times are Unix milliseconds. */
export type Says = Pick<
  MailCertificate,
  'addresses' | 'subject' | 'issuer' | 'algorithm' | 'from' | 'until'
> & {
  uses: OwnUses
  isSelfMade: boolean
}
export type Identity = WrappedIdentity & { says: Says }

/** Sealed under the keyring's DEK. @throws Refusal as {@link newIdentities} */
export const sealedIdentities = (
  dek: Uint8Array,
  userId: number,
  keyringId: string,
  wanted: NewIdentity,
): Identity[] =>
  newIdentities(wanted).map(({ key, certificate, chain }) => {
    const { fingerprint, der } = certificate
    const sealedSecret = sealIdentity(dek, userId, keyringId, fingerprint, key)
    return { fingerprint, certificate: der, chain, sealedSecret, says: saysOf(certificate) }
  })

type Opened = { key: KeyObject; certificate: MailCertificate; chain: Uint8Array[] }

/** @throws Refusal `bad-key`, `wrong-passphrase` where none can be taken */
const newIdentities = (wanted: NewIdentity): Opened[] => {
  if ('generate' in wanted) return [selfMade(wanted.generate)]
  const { keys, certificates } = readPkcs12(wanted.import.file, wanted.import.passphrase)
  if (keys.length === 0) throw new Refusal('pkcs12-without-key')
  const all = readable(certificates)
  const found = keys.flatMap((key) =>
    all
      .filter(({ x509 }) => x509.checkPrivateKey(key))
      .map((certificate) => ({ key, certificate, chain: wayFrom(certificate, all) })),
  )
  if (found.length === 0) throw new Refusal('pkcs12-without-certificate')
  const fit = found.filter(({ key }) => opensMail(key) || signingScheme(createPublicKey(key)))
  if (fit.length === 0)
    throw new Refusal('identity-unfit', { values: { algorithm: found[0]!.certificate.algorithm } })
  return fit
}

/** The certificates of the file from its issuer on. */
const wayFrom = (certificate: MailCertificate, all: MailCertificate[]): Uint8Array[] => {
  const way = [certificate]
  while (way.length <= cmsLimits.chain) {
    const last = way.at(-1)!
    const issuer = all.find((each) => !way.includes(each) && last.x509.checkIssued(each.x509))
    if (!issuer) break
    way.push(issuer)
  }
  return way.slice(1).map(({ der }) => der)
}

const opensMail = ({ asymmetricKeyType: type }: KeyObject) =>
  type === 'rsa' || type === 'ec' || type === 'x25519' || type === 'x448'

/** What an identity can be used for: its key reads for ever what was once encrypted to it. */
const saysOf = (certificate: MailCertificate): Says => {
  const { addresses, subject, issuer, algorithm, from, until, x509, isWeak, signs, encrypts } = certificate
  const key = x509.publicKey
  const use = (may: boolean) =>
    isWeak ? ({ not: 'weak' } as const) : may ? { until } : ({ not: 'no-part' } as const)
  const uses: OwnUses = {
    encrypt: use(encrypts && opensMail(key)),
    sign: use(signs && signingScheme(key) !== null),
    decrypt: opensMail(key) ? { until: null } : { not: 'no-part' },
    revoked: null,
  }
  const isSelfMade = subject === issuer
  return { addresses, subject, issuer, algorithm, from, until, uses, isSelfMade }
}

/** For trying: nobody vouches for it but its owner. RSA, because every program reads it. */
const selfMade = ({ name, address, at }: { name: string; address: string; at: number }): Opened => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: selfMadeIdentity.bits })
  const { pki } = forge
  const made = pki.createCertificate()
  made.publicKey = pki.publicKeyFromPem(publicKey.export({ type: 'spki', format: 'pem' }) as string)
  // Positive, and of no length that could be shortened (RFC 5280 §4.1.2.2).
  made.serialNumber = `01${randomBytes(15).toString('hex')}`
  made.validity.notBefore = new Date(at - selfMadeIdentity.earlierMs)
  made.validity.notAfter = new Date(at + selfMadeIdentity.forMs)
  // The type of a string (UTF-8), which the library calls a class.
  const valueTagClass = forge.asn1.Type.UTF8 as unknown as forge.asn1.Class
  const called = [{ shortName: 'CN', value: name || address, valueTagClass }]
  made.setSubject(called)
  made.setIssuer(called)
  made.setExtensions([
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
    { name: 'extKeyUsage', emailProtection: true },
    { name: 'subjectAltName', altNames: [{ type: 1, value: address }] },
    { name: 'subjectKeyIdentifier' },
  ])
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  made.sign(pki.privateKeyFromPem(pem), forge.md.sha256.create())
  const certificate = readX509(
    Buffer.from(forge.asn1.toDer(pki.certificateToAsn1(made)).getBytes(), 'binary'),
  )
  return { key: privateKey, certificate, chain: [] }
}
