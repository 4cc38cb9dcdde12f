/** The key that wraps a content key, from what two keys agreed on (RFC 5753 §7.2, RFC 8418 §2.2). */
import { createHash, hkdfSync } from 'node:crypto'
import { asIs, derOf, octetString, sequence, within } from './asn1-writing.ts'

/**
 * @param wrapping the algorithm that the key is for, an AlgorithmIdentifier in DER
 * @param length of the key, in octets
 */
export const keyDerivedFrom = (
  { kdf, hash }: { kdf: 'x963' | 'hkdf'; hash: string },
  secret: Uint8Array,
  wrapping: Uint8Array,
  userKeyingMaterial: Uint8Array | null,
  length: number,
): Uint8Array => {
  const info = sharedInfo(wrapping, userKeyingMaterial, length)
  if (kdf === 'hkdf') return new Uint8Array(hkdfSync(hash, secret, new Uint8Array(), info, length))
  const blocks: Uint8Array[] = []
  for (let made = 0, counter = 1; made < length; counter++) {
    const block = createHash(hash).update(secret).update(number(counter)).update(info).digest()
    blocks.push(block)
    made += block.length
  }
  return Buffer.concat(blocks).subarray(0, length)
}

/** ECC-CMS-SharedInfo (RFC 5753 §7.2). */
const sharedInfo = (wrapping: Uint8Array, userKeyingMaterial: Uint8Array | null, length: number) => {
  const value = [
    asIs(wrapping),
    ...(userKeyingMaterial ? [within(0, octetString(userKeyingMaterial))] : []),
    within(2, octetString(number(length * 8))),
  ]
  return derOf(sequence(...value))
}

const number = (value: number) => {
  const octets = Buffer.alloc(4)
  octets.writeUInt32BE(value)
  return octets
}
