/** What is wrapped under a key (AES-256-GCM), and what is sealed to a public key (HPKE); each is bound to its place. */

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core'

export const binding = (...parts: (string | number)[]) => JSON.stringify(['wafer/v1', ...parts])

export const wrap = (key: Uint8Array, plain: Uint8Array, bound: string): Buffer => {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(bound))
  return Buffer.concat([Buffer.of(1), nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** @returns null if key, octets or what they are bound to do not belong together */
export const unwrap = (key: Uint8Array, wrapped: Uint8Array, bound: string): Buffer | null => {
  if (wrapped[0] !== 1 || wrapped.length < 29) return null
  const cipher = createDecipheriv('aes-256-gcm', key, wrapped.subarray(1, 13), { authTagLength: 16 })
  cipher.setAAD(Buffer.from(bound)).setAuthTag(wrapped.subarray(-16))
  const plain = cipher.update(wrapped.subarray(13, -16))
  try {
    return Buffer.concat([plain, cipher.final()])
  } catch {
    return null
  }
}

const hpke = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
})
const encLength = 32 // X25519, RFC 9180 §7.1

/** The server's share, without which nothing opens that was sealed with it: a pre-shared key (RFC 9180 §5.1.2). */
type PreShared = { slotId: string; secret: Uint8Array }

/** Seals a DEK to an X25519 public key. @throws Error where the public key is none, or a point of small order (§7.1.4) */
export const sealTo = async (
  recipient: Uint8Array,
  bound: string,
  dek: Uint8Array,
  share?: PreShared,
): Promise<Uint8Array> => {
  const recipientPublicKey = await hpke.kem.deserializePublicKey(exact(recipient))
  const sealed = await hpke.seal({ recipientPublicKey, ...context(bound, share) }, exact(dek))
  return Buffer.concat([Buffer.from(sealed.enc), Buffer.from(sealed.ct)])
}

/** A DEK that is sealed to the public half of a key token, and what opens it. */
export type SealedToToken = {
  /** Key material of the token's private half. */
  keyMaterial: Uint8Array
  sealedDek: Uint8Array
  /** What it is bound to. */
  binding: string
}

/** The key material is gone afterwards. @throws Error where it does not open */
export const openWithToken = async ({ keyMaterial, sealedDek, binding: bound }: SealedToToken) => {
  const recipientKey = await hpke.kem.deriveKeyPair(exact(keyMaterial))
  keyMaterial.fill(0)
  return openSealed(recipientKey, sealedDek, bound)
}

/** @param scalar the X25519 private key itself (RFC 7748 §5). @throws Error where it does not open */
export const openWithScalar = async (
  scalar: ArrayBuffer,
  sealed: Uint8Array,
  bound: string,
  share: PreShared,
) => openSealed(await hpke.kem.importKey('raw', scalar, false), sealed, bound, share)

const openSealed = async (
  recipientKey: CryptoKey | CryptoKeyPair,
  sealed: Uint8Array,
  bound: string,
  share?: PreShared,
): Promise<Uint8Array> => {
  const enc = exact(sealed.subarray(0, encLength))
  const opened = await hpke.open(
    { recipientKey, enc, ...context(bound, share) },
    exact(sealed.subarray(encLength)),
  )
  return new Uint8Array(opened)
}

const context = (bound: string, share?: PreShared) => ({
  info: exact(Buffer.from(bound)),
  ...(share ? { psk: { id: exact(Buffer.from(share.slotId)), key: exact(share.secret) } } : {}),
})

/** A buffer of its own: WebCrypto takes whole ArrayBuffers. */
const exact = (octets: Uint8Array): ArrayBuffer => new Uint8Array(octets).buffer
