/** What is wrapped under a key (AES-256-GCM), and what is sealed to a public key (HPKE); each is bound to its place. */

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core'

export const binding = (...parts: (string | number)[]) => JSON.stringify(['wafer/v1', ...parts])

export const encrypt = (key: Uint8Array, plain: Uint8Array, bound: string): Buffer => {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(bound))
  return Buffer.concat([Buffer.of(1), nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** @returns null if key, octets or what they are bound to do not belong together */
export const decrypt = (key: Uint8Array, sealed: Uint8Array, bound: string): Buffer | null => {
  if (sealed[0] !== 1 || sealed.length < 29) return null
  const cipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(1, 13), { authTagLength: 16 })
  cipher.setAAD(Buffer.from(bound)).setAuthTag(sealed.subarray(-16))
  const plain = cipher.update(sealed.subarray(13, -16))
  try {
    return Buffer.concat([plain, cipher.final()])
  } catch {
    return null
  }
}

export const hpke = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
})

export const encLength = 32 // X25519, RFC 9180 §7.1

/** A DEK that is sealed to the public half of a key token, and what opens it. */
export type Sealed = {
  /** Key material of the token's private half. */
  keyMaterial: Uint8Array
  sealedDek: Uint8Array
  /** What it is bound to. */
  binding: string
}

export const seal = async (recipient: Uint8Array, bound: string, dek: Uint8Array): Promise<Uint8Array> => {
  const recipientPublicKey = await hpke.kem.deserializePublicKey(exact(recipient))
  const sealed = await hpke.seal({ recipientPublicKey, info: exact(Buffer.from(bound)) }, exact(dek))
  return Buffer.concat([Buffer.from(sealed.enc), Buffer.from(sealed.ct)])
}

export const unseal = async (opening: Sealed): Promise<Uint8Array> => {
  const recipientKey = await hpke.kem.deriveKeyPair(exact(opening.keyMaterial))
  opening.keyMaterial.fill(0)
  const context = {
    recipientKey,
    enc: exact(opening.sealedDek.subarray(0, encLength)),
    info: exact(Buffer.from(opening.binding)),
  }
  return new Uint8Array(await hpke.open(context, exact(opening.sealedDek.subarray(encLength))))
}

/** A buffer of its own: WebCrypto takes whole ArrayBuffers. */
export const exact = (octets: Uint8Array): ArrayBuffer => new Uint8Array(octets).buffer
