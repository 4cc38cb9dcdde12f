/**
 * Pieces of the files that a user keeps here, each an OpenPGP message of its own to the user's key, so that a file can be
 * read from any place. Which piece it is stands inside, as the name in its literal data packet (RFC 9580 §5.9): pieces
 * that were swapped in the database do not open in each other's place.
 */
import { createMessage, encrypt, enums, type LiteralDataPacket } from 'openpgp'
import { Refusal } from '../../ground/refusal.ts'
import type { OpenKeys } from '../open-keys.ts'
import { forCopies } from './certificates.ts'
import { decryptMessage } from './opening.ts'
import { literalAndSignatures, octetsOf } from './openpgp-messages.ts'

export type SealedPiece = { octets: Uint8Array; place: string }

/** @param copyTo the user's own public key, which is encrypted to whether it has expired or not */
export const sealPiece = async (octets: Uint8Array, place: string, copyTo: Uint8Array): Promise<Uint8Array> =>
  encrypt({
    message: await createMessage({ binary: octets, filename: place }),
    encryptionKeys: await forCopies(copyTo),
    format: 'binary',
    config: {
      aeadProtect: false,
      preferredSymmetricAlgorithm: enums.symmetric.aes256,
      preferredCompressionAlgorithm: enums.compression.uncompressed,
    },
  }) as Promise<Uint8Array>

/** @returns the clear text of each. @throws Refusal `cannot-decrypt`; `failed` for a piece of another place */
export const openPieces = async (pieces: SealedPiece[], keys: OpenKeys): Promise<Uint8Array[]> => {
  const opened: Uint8Array[] = []
  for (const { octets, place } of pieces) {
    const parts = literalAndSignatures(await decryptMessage(octets, keys))
    if (!parts || nameOf(parts.literal) !== place) throw new Refusal('file-damaged')
    opened.push(octetsOf(parts.literal))
  }
  return opened
}

// There at run time, private in the library's types.
const nameOf = (literal: LiteralDataPacket) => (literal as unknown as { getFilename(): string }).getFilename()
