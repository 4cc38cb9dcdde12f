/**
 * Private keys of S/MIME identities: sealed under their keyring's DEK like OpenPGP keys, and asked to unwrap content keys
 * (RFC 5652 §6.2, RFC 5753, RFC 8418) and to sign. Arithmetic is OpenSSL's, by node:crypto.
 */
import {
  constants,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type KeyObject,
  privateDecrypt,
  randomBytes,
  sign,
} from 'node:crypto'
import { cmsLimits } from '../../ground/limits.ts'
import type { OpenIdentities, OwnCertificate } from '../open-keys.ts'
import { readDer } from '../reader/asn1.ts'
import { algorithmOf, type Recipient } from '../reader/cms.ts'
import { keyDerivedFrom } from '../reader/cms-agreement.ts'
import { agreements, keyWraps, oaepHashOf, transport } from '../reader/cms-algorithms.ts'
import { readable } from '../reader/trust.ts'
import { isNamedBy } from '../reader/x509.ts'
import { binding, unwrap, wrap } from './wrapping.ts'

/** `sealedSecret` is a PKCS#8 PrivateKeyInfo (RFC 5958), wrapped. */
export type WrappedIdentity = OwnCertificate & { sealedSecret: Uint8Array }

const place = (userId: number, keyringId: string, fingerprint: string) =>
  binding('identity-key', userId, keyringId, fingerprint)

export const sealIdentity = (
  dek: Uint8Array,
  userId: number,
  keyringId: string,
  fingerprint: string,
  key: KeyObject,
): Uint8Array => {
  const octets = key.export({ type: 'pkcs8', format: 'der' })
  try {
    return wrap(dek, octets, place(userId, keyringId, fingerprint))
  } finally {
    octets.fill(0)
  }
}

export const openIdentity = (
  dek: Uint8Array,
  userId: number,
  keyringId: string,
  { fingerprint, sealedSecret }: Pick<WrappedIdentity, 'fingerprint' | 'sealedSecret'>,
): KeyObject => {
  const octets = unwrap(dek, sealedSecret, place(userId, keyringId, fingerprint))
  if (!octets) throw new Error(`expected identity ${fingerprint} under its keyring's DEK, got something else`)
  try {
    return createPrivateKey({ key: octets, type: 'pkcs8', format: 'der' })
  } finally {
    octets.fill(0)
  }
}

/**
 * Identities as they are lent.
 *
 * @param secret opens one of them, for as long as it is lent
 */
export const lentIdentities = (
  identities: WrappedIdentity[],
  secret: (identity: WrappedIdentity) => KeyObject,
): OpenIdentities => ({
  certificates: identities.map(({ fingerprint, certificate, chain }) => ({
    fingerprint,
    certificate,
    chain,
  })),
  contentKeys: (recipients, length) => {
    const named = identities.flatMap((identity) => {
      const [certificate] = readable([identity.certificate])
      return certificate ? [{ identity, certificate }] : []
    })
    const ours = recipients.flatMap((recipient) => {
      const found = named.find(({ certificate }) => isNamedBy(certificate, recipient.to))
      return found ? [{ recipient, identity: found.identity }] : []
    })
    if (ours.length === 0) return null
    return ours
      .slice(0, cmsLimits.ownRecipients)
      .flatMap(({ recipient, identity }) => contentKey(secret(identity), recipient, length) ?? [])
  },
  sign: (fingerprint, hash, octets) => {
    const identity = identities.find((each) => each.fingerprint === fingerprint)
    if (!identity) throw new Error(`expected an identity ${fingerprint}, got none`)
    return sign(hash, octets, secret(identity))
  },
})

/**
 * The content key that lies in a message for this key. Where RSA does not open it, a random one comes back: whoever
 * sent it learns nothing from what happens then (RFC 3218, Bleichenbacher).
 *
 * @param length of the content key, in octets
 * @returns null where the message is for another kind of key, or in a way that is not known
 */
const contentKey = (key: KeyObject, recipient: Recipient, length: number): Uint8Array | null =>
  recipient.kind === 'transport' ? transported(key, recipient, length) : agreedOn(key, recipient)

const transported = (
  key: KeyObject,
  { algorithm, encryptedKey }: Recipient,
  length: number,
): Uint8Array | null => {
  if (key.asymmetricKeyType !== 'rsa') return null
  const oaepHash = algorithm.id === transport.oaep ? oaepHashOf(algorithm) : undefined
  if (oaepHash === null || (oaepHash === undefined && algorithm.id !== transport.rsa)) return null
  let opened: Uint8Array = randomBytes(length)
  try {
    const padding = oaepHash ? constants.RSA_PKCS1_OAEP_PADDING : constants.RSA_PKCS1_PADDING
    const found = privateDecrypt({ key, padding, ...(oaepHash ? { oaepHash } : {}) }, encryptedKey)
    if (found.length === length) opened = found
  } catch {}
  return opened
}

const agreedOn = (key: KeyObject, recipient: Recipient & { kind: 'agreement' }): Uint8Array | null => {
  const agreement = agreements[recipient.algorithm.id]
  const wrapping = recipient.algorithm.parameters
  if (!agreement || !wrapping) return null
  const keyWrap = keyWraps[algorithmOf(readDer(wrapping)).id]
  if (!keyWrap) return null
  try {
    const publicKey = senderKey(key, recipient.senderKey)
    const secret = diffieHellman({ privateKey: key, publicKey })
    const wrappingKey = keyDerivedFrom(
      agreement,
      secret,
      wrapping,
      recipient.userKeyingMaterial,
      keyWrap.keyLength,
    )
    const unwrapping = createDecipheriv(keyWrap.cipher, wrappingKey, keyWrap.vector)
    return Buffer.concat([unwrapping.update(recipient.encryptedKey), unwrapping.final()])
  } catch {
    return null
  }
}

/** On the curve of our own key, in place of whose point it is put; OpenSSL refuses one that is not on it. */
const senderKey = (own: KeyObject, octets: Uint8Array): KeyObject => {
  const spki = createPublicKey(own).export({ type: 'spki', format: 'der' })
  const point = readDer(spki).members[1]!.bits
  if (octets.length !== point.length || (own.asymmetricKeyType === 'ec' && octets[0] !== 4))
    throw new Error('expected a point in full, on the curve of the key')
  spki.set(octets, spki.length - point.length)
  return createPublicKey({ key: spki, type: 'spki', format: 'der' })
}
