/** Certificates for S/MIME as they are offered: with a signature, in a list of them, or alone (RFC 8551 §3.8, RFC 7468 §5). */
import { certificatesOffered, cmsLimits } from '../../ground/limits.ts'
import type { KeyUses, Use } from '../key-uses.ts'
import { readAsn1, readDer } from './asn1.ts'
import { constructedOf } from './ber.ts'
import { latin1 } from './charsets.ts'
import { kindOfCms, oid, readCms, type Signed } from './cms.ts'
import { takesGcm } from './cms-writing.ts'
import { readable } from './trust.ts'
import { isNamedBy, type MailCertificate } from './x509.ts'

/**
 * A signature without what it signs: the certificates that came along, and what its signer's programs can read.
 *
 * @param octets a SignedData
 * @returns null if it is broken, or larger than certificates are
 */
export const signatureAlone = (octets: Uint8Array): Uint8Array | null => {
  try {
    const [type, inside] = readAsn1(octets).members
    const [version, digests, content, ...rest] = inside!.members[0]!.members.map(({ der }) => der)
    const nothing = constructedOf(0x30, readDer(content!).members[0]!.der)
    const signed = constructedOf(0x30, version!, digests!, nothing, ...rest)
    const alone = constructedOf(0x30, type!.der, constructedOf(0xa0, signed))
    return alone.length > certificatesOffered.octets ? null : alone
  } catch {
    return null
  }
}

export type InspectedCertificate = {
  fingerprint: string
  publicKey: Uint8Array
  userIds: string[]
  addresses: string[]
  algorithm: string
  createdAt: number
  expiresAt: number
  uses: KeyUses
  /** Who issued it, as certificates write names; its own name where nobody else did. */
  issuer: string
}

/** Those of people, not of authorities, in DER or PEM, one or a list of them (`.p7c`), or with a signature (`.p7s`). */
export const inspectCertificates = (octets: Uint8Array): InspectedCertificate[] => {
  const found = new Map<string, InspectedCertificate>()
  for (const source of sourcesIn(octets).slice(0, cmsLimits.certificates))
    for (const each of certificatesIn(source))
      if (!found.has(each.fingerprint)) found.set(each.fingerprint, each)
  return [...found.values()]
}

const sourcesIn = (octets: Uint8Array): Uint8Array[] => {
  if (octets[0] === 0x30) return [octets]
  const text = latin1(octets.subarray(0, certificatesOffered.octets))
  const blocks = text.matchAll(/-----BEGIN (CERTIFICATE|PKCS7|CMS)-----([A-Za-z0-9+/=\s]+)-----END \1-----/g)
  return [...blocks].map(([, , base64]) => new Uint8Array(Buffer.from(base64!, 'base64')))
}

const certificatesIn = (octets: Uint8Array): InspectedCertificate[] => {
  if (kindOfCms(octets) === null)
    return readable([octets])
      .filter(isOfPerson)
      .map((each) => inspected(each, false))
  try {
    const message = readCms(octets)
    return message.kind === 'signed' ? offeredWith(message) : []
  } catch {
    return [] // broken, or of a kind that nobody here knows
  }
}

const offeredWith = (message: Signed): InspectedCertificate[] => {
  const certificates = readable(message.certificates).filter(isOfPerson)
  return certificates.map((certificate) => {
    // Who has one certificate to sign and another to encrypt to has them for one address.
    const signer = message.signers.find(({ by }) =>
      certificates.some(
        (each) =>
          isNamedBy(each, by) &&
          (each === certificate || each.addresses.some((address) => certificate.addresses.includes(address))),
      ),
    )
    const capabilities = signer?.attributes.get(oid.capabilities)
    return inspected(certificate, capabilities !== undefined && takesGcm(capabilities))
  })
}

/** One that it issued itself may call itself an authority: so many tools make them. */
const isOfPerson = ({ isAuthority, addresses }: MailCertificate) => !isAuthority || addresses.length > 0

const inspected = (certificate: MailCertificate, takesAuthenticated: boolean): InspectedCertificate => ({
  fingerprint: certificate.fingerprint,
  publicKey: certificate.der,
  userIds: [certificate.subject],
  addresses: certificate.addresses,
  algorithm: certificate.algorithm,
  createdAt: certificate.from,
  expiresAt: certificate.until,
  uses: usesOfMailCertificate(certificate, takesAuthenticated),
  issuer: certificate.issuer,
})

export const usesOfMailCertificate = (certificate: MailCertificate, takesAuthenticated: boolean): KeyUses => {
  const { isWeak, isBeyondUs, signs, encrypts, until } = certificate
  const use = (isMeant: boolean): Use =>
    isWeak ? { not: 'weak' } : isMeant && !isBeyondUs ? { until } : { not: 'no-part' }
  return { sign: use(signs), encrypt: use(encrypts), revoked: null, takesGcm: takesAuthenticated }
}
