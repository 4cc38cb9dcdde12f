/** RC2 (RFC 2268) of old mail and old PKCS #12 files, to read them: OpenSSL, and Node with it, has it no longer. */
import forge from 'node-forge'

/** @param bits effective ones of the key @throws Error where the padding is wrong */
export const rc2 = (
  ciphertext: Uint8Array,
  key: Uint8Array,
  vector: Uint8Array,
  bits: number,
): Uint8Array => {
  const binary = (octets: Uint8Array) => Buffer.from(octets).toString('binary')
  const decipher = forge.rc2.createDecryptionCipher(binary(key), bits)
  decipher.start(binary(vector))
  decipher.update(forge.util.createBuffer(binary(ciphertext)))
  if (!decipher.finish()) throw new Error('expected whole blocks')
  return Buffer.from(decipher.output.getBytes(), 'binary')
}
