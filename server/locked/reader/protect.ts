/** The way out: a finished MIME entity, signed and encrypted (RFC 3156). */

import { randomBytes } from 'node:crypto'
import { createMessage, encrypt, enums, readSignature } from 'openpgp'
import { Refusal } from '../../ground/refusal.ts'
import type { OpenKeys } from '../open-keys.ts'
import { forCopies, readCertificate } from './certificates.ts'
import { micalg } from './openpgp-packets.ts'

/**
 * RFC 3156 around a finished MIME entity: signed, encrypted, or both in one (§6.2).
 *
 * @param entity its own Content-* fields first, CRLF line ends
 * @param options.copyTo the sender's own keys, which are encrypted to whether they have expired or not
 * @returns Content-Type field and body, CRLF; what gpg 2.2 can read: SEIPDv1, AES-256, not compressed
 * @throws Refusal `bad-key` if a certificate cannot be encrypted to
 */
export const protect = async (
  entity: Uint8Array,
  options: { sign: OpenKeys | null; encryptTo: Uint8Array[]; copyTo?: Uint8Array[] },
): Promise<Uint8Array> => {
  const { sign, encryptTo, copyTo = [] } = options
  const armored = sign ? await sign.signDetached(entity) : null
  if (!encryptTo.length && !copyTo.length) return armored ? signedEntity(entity, armored) : entity
  const encryptionKeys = await Promise.all([
    ...encryptTo.map(readCertificate),
    ...copyTo.map(forCopies),
  ]).catch((cause) => {
    throw new Refusal('recipient-key-unreadable', { cause })
  })
  let message: string
  try {
    message = await encrypt({
      message: await createMessage({ binary: entity }),
      encryptionKeys,
      signature: armored ? await readSignature({ armoredSignature: armored }) : undefined,
      config: {
        aeadProtect: false,
        preferredSymmetricAlgorithm: enums.symmetric.aes256,
        preferredCompressionAlgorithm: enums.compression.uncompressed,
      },
    })
  } catch (cause) {
    throw new Refusal('recipient-key-unfit', {
      cause,
    })
  }
  const boundary = newBoundary()
  return lines(
    'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted";',
    ` boundary="${boundary}"`,
    '',
    `--${boundary}`,
    'Content-Type: application/pgp-encrypted',
    'Content-Description: PGP/MIME version identification',
    '',
    'Version: 1',
    '',
    `--${boundary}`,
    'Content-Type: application/octet-stream; name="encrypted.asc"',
    'Content-Description: OpenPGP encrypted message',
    'Content-Disposition: inline; filename="encrypted.asc"',
    '',
    message,
    `--${boundary}--`,
    '',
  )
}

/** The same for a built message: its Content-* fields and body are protected, the other fields stay outside. */
export const protectMessage = async (
  message: Uint8Array,
  options: { sign: OpenKeys | null; encryptTo: Uint8Array[]; copyTo: Uint8Array[] },
): Promise<Uint8Array> => {
  const { outer, entity } = takeApart(message)
  return Buffer.concat([outer, await protect(entity, options)])
}

/** The fields that stay outside, with their line ends, and the entity that is to be protected. */
export const takeApart = (message: Uint8Array): { outer: Buffer; entity: Buffer } => {
  const octets = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  const end = octets.indexOf('\r\n\r\n')
  const fields = octets
    .subarray(0, end)
    .toString('latin1')
    .split(/\r\n(?![ \t])/)
  const isContent = (field: string) => /^content-/i.test(field)
  const outer = fields.filter((field) => !isContent(field))
  const entity = fields.filter(isContent)
  return {
    outer: Buffer.from(`${outer.join('\r\n')}\r\n`, 'latin1'),
    entity: Buffer.concat([Buffer.from(`${entity.join('\r\n')}`, 'latin1'), octets.subarray(end)]),
  }
}

const signedEntity = async (entity: Uint8Array, armored: string): Promise<Uint8Array> => {
  const signature = await readSignature({ armoredSignature: armored })
  const { hashAlgorithm } = signature.packets[0] as unknown as { hashAlgorithm: number }
  const boundary = newBoundary()
  const head = lines(
    `Content-Type: multipart/signed; micalg=${micalg(hashAlgorithm)};`,
    ` protocol="application/pgp-signature"; boundary="${boundary}"`,
    '',
    `--${boundary}`,
    '',
  )
  const tail = lines(
    '',
    `--${boundary}`,
    'Content-Type: application/pgp-signature; name="signature.asc"',
    'Content-Description: OpenPGP digital signature',
    'Content-Disposition: attachment; filename="signature.asc"',
    '',
    armored,
    `--${boundary}--`,
    '',
  )
  return Buffer.concat([head, entity, tail])
}

export const newBoundary = () => `=_${randomBytes(18).toString('base64url')}`

export const lines = (...text: string[]) => Buffer.from(text.join('\r\n').replace(/\r?\n/g, '\r\n'), 'latin1')
