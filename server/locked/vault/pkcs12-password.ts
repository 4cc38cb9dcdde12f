/** Keys from the password of a PKCS #12 file (RFC 7292 §B). */
import { createHash, hash as hashed } from 'node:crypto'

/** The passphrase as PBES2 takes it, and as the rest of PKCS #12 does. */
export type Password = { utf8: Uint8Array; bmp: Uint8Array }

/** UTF-16 big-endian with a null at the end (§B.1). */
export const pkcs12Password = (text: string): Uint8Array => Buffer.from(`${text}\0`, 'utf16le').swap16()

const blockLengths: Record<string, number> = {
  md5: 64,
  sha1: 64,
  sha224: 64,
  sha256: 64,
  sha384: 128,
  sha512: 128,
}

/** @param purpose 1: a key, 2: an initialization vector, 3: a MAC's key (§B.3) */
export const passwordKey = (wanted: {
  hash: string
  password: Uint8Array
  salt: Uint8Array
  rounds: number
  purpose: 1 | 2 | 3
  length: number
}): Uint8Array => {
  const { hash, password, salt, rounds, purpose, length } = wanted
  const block = blockLengths[hash]!
  const diversifier = Buffer.alloc(block, purpose)
  const input = Buffer.concat([repeated(salt, block), repeated(password, block)])
  const blocks: Uint8Array[] = []
  for (let made = 0; made < length; ) {
    let digest = createHash(hash).update(diversifier).update(input).digest()
    // In one call, as NSS and GnuTLS ask for 600,000 rounds: a third of the time.
    for (let round = 1; round < rounds; round++) digest = hashed(hash, digest, 'buffer')
    blocks.push(digest)
    made += digest.length
    addToEach(input, repeated(digest, block).subarray(0, block), block)
  }
  return Buffer.concat(blocks).subarray(0, length)
}

const repeated = (octets: Uint8Array, block: number): Uint8Array => {
  const length = Math.ceil(octets.length / block) * block
  return octets.length === 0 ? octets : Buffer.alloc(length, octets)
}

/** Adds the number and one to each block of the input, as numbers of that length. */
const addToEach = (input: Uint8Array, number: Uint8Array, block: number): void => {
  for (let start = 0; start < input.length; start += block) {
    let carry = 1
    for (let i = block - 1; i >= 0; i--) {
      carry += input[start + i]! + number[i]!
      input[start + i] = carry & 0xff
      carry >>= 8
    }
  }
}
