/** The content of an encrypted CMS message, once its key is there. */
import { type CipherGCMTypes, createDecipheriv } from 'node:crypto'
import type { Encrypted } from './cms.ts'
import { contentCiphers, vectorOf } from './cms-algorithms.ts'
import { rc2 } from './rc2.ts'

/** What is said of the content besides what it is. */
export type OpenedContent = {
  content: Uint8Array
  /** Nothing tells whether it was changed on its way (CBC, RFC 8551 §6). */
  isMalleable: boolean
  /** Its cipher is one that no longer holds. */
  isOld: boolean
}

/** How long the content key is to be, in octets; null for a cipher that is not known here. */
export const contentKeyLength = ({ cipher }: Encrypted): number | null => {
  const { keyLength } = contentCiphers[cipher.id] ?? { keyLength: null }
  try {
    // RC2 is as long as it is strong, whoever writes it.
    const { effectiveBits } = vectorOf(cipher)
    return effectiveBits === null ? keyLength : Math.ceil(effectiveBits / 8)
  } catch {
    return null
  }
}

/** @throws Error for whatever reason; which one is nobody's business (no oracle) */
export const openContent = (encrypted: Encrypted, key: Uint8Array): OpenedContent => {
  const { cipher: algorithm, ciphertext, authenticated } = encrypted
  const cipher = contentCiphers[algorithm.id]
  const { vector, effectiveBits } = vectorOf(algorithm)
  if (!cipher || (cipher.mode === 'aead') !== (authenticated !== null))
    throw new Error('expected a known cipher')
  const about = { isMalleable: authenticated === null, isOld: cipher.isOld }
  if (authenticated) {
    const { tag, covers } = authenticated
    const decipher = createDecipheriv(cipher.name as CipherGCMTypes, key, vector, {
      authTagLength: tag.length,
    })
    decipher.setAuthTag(tag)
    if (covers.length > 0) decipher.setAAD(covers)
    return { ...about, content: Buffer.concat([decipher.update(ciphertext), decipher.final()]) }
  }
  if (effectiveBits !== null) return { ...about, content: rc2(ciphertext, key, vector, effectiveBits) }
  const decipher = createDecipheriv(cipher.name, key, vector)
  return { ...about, content: Buffer.concat([decipher.update(ciphertext), decipher.final()]) }
}
