/** The way out by S/MIME (RFC 8551): a finished MIME entity, signed beside itself (§3.5.3), encrypted (§3.3, §3.4), or both. */
import { Refusal } from '../../ground/refusal.ts'
import type { OpenIdentities } from '../open-keys.ts'
import { encryptedTo, signedBeside } from './cms-writing.ts'
import { lines, newBoundary, takeApart } from './protect.ts'
import { readable } from './trust.ts'
import { readX509 } from './x509.ts'

/** Who signs: identities that are lent, and which of them; where another one is encrypted to, it goes along. */
export type SmimeSigner = { identities: OpenIdentities; fingerprint: string; encryptTo: string | null }

/**
 * A built message: its Content-* fields and body are protected, the other fields stay outside. What is signed is signed
 * within what is encrypted.
 *
 * @param options.encryptTo certificates in DER, those of the sender among them; none where it is signed alone
 * @param options.isAuthenticated all of them are known to read AES-256-GCM; else it is CBC
 * @throws Refusal `bad-key` if a certificate cannot be encrypted to
 */
export const protectBySmime = (
  message: Uint8Array,
  options: { sign: SmimeSigner | null; encryptTo: Uint8Array[]; isAuthenticated: boolean },
): Uint8Array => {
  const { outer, entity } = takeApart(message)
  const inner = options.sign ? signedEntity(entity, options.sign) : entity
  if (options.encryptTo.length === 0) return Buffer.concat([outer, inner])
  const certificates = readable(options.encryptTo)
  if (certificates.length < options.encryptTo.length) throw new Refusal('recipient-key-unreadable')
  const octets = encryptedTo(certificates, inner, options.isAuthenticated)
  const type = options.isAuthenticated ? 'authEnveloped-data' : 'enveloped-data'
  const head = lines(
    `Content-Type: application/pkcs7-mime; smime-type=${type};`,
    ' name="smime.p7m"',
    'Content-Transfer-Encoding: base64',
    'Content-Disposition: attachment; filename="smime.p7m"',
    'Content-Description: S/MIME encrypted message',
    '',
    '',
  )
  return Buffer.concat([outer, head, inBase64(octets)])
}

const signedEntity = (
  entity: Uint8Array,
  { identities, fingerprint, encryptTo }: SmimeSigner,
): Uint8Array => {
  const named = (wanted: string | null) => identities.certificates.find((each) => each.fingerprint === wanted)
  const own = named(fingerprint)
  if (!own) throw new Error(`expected an identity ${fingerprint}, got none`)
  const other = encryptTo === fingerprint ? undefined : named(encryptTo)
  const { octets, hash } = signedBeside(entity, {
    certificate: readX509(own.certificate),
    chain: own.chain,
    encryptTo: other ? readX509(other.certificate) : null,
    sign: (hash, attributes) => identities.sign(fingerprint, hash, attributes),
  })
  const boundary = newBoundary()
  const head = lines(
    `Content-Type: multipart/signed; micalg=${micalgs[hash]};`,
    ` protocol="application/pkcs7-signature"; boundary="${boundary}"`,
    '',
    `--${boundary}`,
    '',
  )
  const tail = lines(
    '',
    `--${boundary}`,
    'Content-Type: application/pkcs7-signature; name="smime.p7s"',
    'Content-Transfer-Encoding: base64',
    'Content-Disposition: attachment; filename="smime.p7s"',
    'Content-Description: S/MIME signature',
    '',
    '',
  )
  return Buffer.concat([head, entity, tail, inBase64(octets), lines(`--${boundary}--`, '')])
}

/** RFC 8551 §3.5.3.2. */
const micalgs = { sha256: 'sha-256', sha384: 'sha-384', sha512: 'sha-512' }

/** Lines of 76 characters (RFC 2045 §6.8), the last one ended too. */
const inBase64 = (octets: Uint8Array): Buffer => {
  const text = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('base64')
  return Buffer.from(text.replace(/.{1,76}/g, '$&\r\n'), 'latin1')
}
