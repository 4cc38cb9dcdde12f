/** RC2 (RFC 2268) of old mail and old PKCS #12 files, to read them: OpenSSL, and Node with it, has it no longer. */
import forge from 'node-forge'
import { cmsLimits } from '../../ground/limits.ts'

/** @param bits effective ones of the key @throws Error where the padding is wrong */
export const rc2 = (
  ciphertext: Uint8Array,
  key: Uint8Array,
  vector: Uint8Array,
  bits: number,
): Uint8Array => {
  const binary = (octets: Uint8Array) => Buffer.from(octets).toString('binary')
  const decipher = forge.rc2.createDecryptionCipher(binary(key), bits)
  const plain: Buffer[] = []
  // The library keeps all blocks that it was ever given before it: begun anew with the last one, it takes no time for that.
  for (let at = 0; at < ciphertext.length; at += cmsLimits.rc2Octets) {
    const end = at + cmsLimits.rc2Octets
    decipher.start(binary(at === 0 ? vector : ciphertext.subarray(at - vector.length, at)))
    decipher.update(forge.util.createBuffer(binary(ciphertext.subarray(at, end))))
    if (end >= ciphertext.length && !decipher.finish()) throw new Error('expected whole blocks')
    plain.push(Buffer.from(decipher.output.getBytes(), 'binary'))
  }
  return Buffer.concat(plain)
}
