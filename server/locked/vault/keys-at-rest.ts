/** Secret keys at rest, wrapped under their keyring's DEK, and what they can be used for. */

import * as openpgp from 'openpgp'
import { openpgpLimits } from '../../ground/limits.ts'
import type { OwnUses } from '../key-uses.ts'
import {
  type KeyPart,
  merged,
  readCertificate,
  unrevoked,
  usesOf,
  withDirectFlags,
} from '../reader/certificates.ts'
import { algorithmName } from '../reader/openpgp-packets.ts'
import { binding, unwrap, wrap } from './wrapping.ts'

export type WrappedKey = { fingerprint: string; sealedSecret: Uint8Array }
/** With its public half, which may know more: a revocation is learned without opening the secret one. */
export type StoredPair = WrappedKey & { publicKey: Uint8Array }
export type KeyPair = StoredPair & {
  aliases: string[]
  uses: OwnUses
  algorithm: string
  createdAt: number
  expiresAt: number | null
}

/** A key with its secret half; `onCard` if some of its secrets are on a card, where they stay. */
export type OpenKey = { key: openpgp.PrivateKey; onCard: boolean }

export const wrappedPair = async (
  dek: Uint8Array,
  userId: number,
  keyringId: string,
  { key, onCard }: OpenKey,
): Promise<KeyPair> => {
  const fingerprint = key.getFingerprint()
  const octets = key.write()
  const expires = await key.getExpirationTime()
  try {
    return {
      fingerprint,
      publicKey: key.toPublic().write(),
      sealedSecret: wrap(dek, octets, binding('secret-key', userId, keyringId, fingerprint)),
      aliases: [...new Set(key.users.flatMap(({ userID }) => userID?.email?.toLowerCase() ?? []))],
      algorithm: algorithmName(key.getAlgorithmInfo()),
      createdAt: key.getCreationTime().getTime(),
      expiresAt: expires instanceof Date ? expires.getTime() : null,
      uses: await ownUsesOf(key, onCard),
    }
  } finally {
    octets.fill(0)
  }
}

/** What the key can be used for with the secrets that are here. */
export const ownUsesOf = async (key: openpgp.PrivateKey, onCard = false): Promise<OwnUses> => {
  const uses = await usesOf(key, hasSecret)
  // A key reads what it once could read, whatever became of it.
  const { encrypt: reads } = await usesOf(unrevoked(key), hasSecret)
  const decrypt = 'until' in reads ? { until: null } : reads
  const found = { ...uses, decrypt }
  if (onCard)
    for (const name of ['encrypt', 'sign', 'decrypt'] as const) {
      const use = found[name]
      if ('not' in use && use.not === 'missing') found[name] = { not: 'card' }
    }
  return found
}

export const openSecret = async (dek: Uint8Array, userId: number, keyringId: string, key: WrappedKey) => {
  const octets = unwrap(dek, key.sealedSecret, binding('secret-key', userId, keyringId, key.fingerprint))
  if (!octets) throw new Error(`expected key ${key.fingerprint} under its keyring's DEK, got something else`)
  return withDirectFlags(await openpgp.readPrivateKey({ binaryKey: octets, config: settings }))
}

/** The secret key with what its public half has learned. */
export const openPair = async (dek: Uint8Array, userId: number, keyringId: string, pair: StoredPair) =>
  merged(await openSecret(dek, userId, keyringId, pair), await readCertificate(pair.publicKey))

/** Two copies of one key: what either knows, and the secrets of both. */
export const united = async (stored: openpgp.PrivateKey, copy: openpgp.PrivateKey) => {
  const key = await merged(stored, copy)
  for (const part of copy.getKeys().filter(hasSecret)) {
    const known = key.getKeys().find((one) => one.getFingerprint() === part.getFingerprint())
    if (known && !hasSecret(known)) Object.assign(known, { keyPacket: packetOf(part) })
  }
  return key
}

/** The part that signs now: its secret is here, and the key allows it. A newer one without its secret stands back. */
export const signingPart = async (key: openpgp.PrivateKey): Promise<KeyPart | null> => {
  const config = { ...openpgp.config, ...settings } as openpgp.Config
  const newestFirst = [...key.subkeys].sort(
    (a, b) => Number(b.getCreationTime()) - Number(a.getCreationTime()),
  )
  for (const part of [...newestFirst, key].filter(hasSecret))
    try {
      await key.getSigningKey(part.getKeyID(), new Date(), undefined, config)
      return part
    } catch {} // another may
  return null
}

export const hasSecret = (part: KeyPart) => !packetOf(part).isDummy()

/** Members of a secret-key packet that the library's types do not name. */
type SecretPacket = {
  isDummy(): boolean
  isDecrypted(): boolean
  makeDummy(): void
  decrypt(passphrase: string, config: openpgp.Config): Promise<void>
  validate(): Promise<void>
  s2kUsage: number
  unparseableKeyMaterial?: Uint8Array
}
export const packetOf = (part: KeyPart) => (part as unknown as { keyPacket: SecretPacket }).keyPacket

/** What openpgp.js may do with keys of strangers and of our own (facts measured for 6.3.2). */
export const settings: openpgp.PartialConfig = {
  showVersion: false,
  showComment: false,
  aeadProtect: false,
  maxArgon2MemoryExponent: openpgpLimits.argon2MemoryExponent,
  allowMissingKeyFlags: false,
  minRSABits: openpgpLimits.fewestRsaBits,
}
