/** Keys that come with mail: which of them can be used, and what they change in those that are stored. */

import { config, readSignature, type SignaturePacket } from 'openpgp'
import type { KeyUses } from '../key-uses.ts'
import {
  addressesOfKey,
  bareRevocations,
  merged,
  readCertificate,
  usesOf,
  validUsers,
  withRevocations,
} from './certificates.ts'
import { inspectCertificates } from './cms-certificates.ts'
import { decodeHeader } from './headers.ts'
import { publicPacketsIn, split } from './key-files.ts'
import { algorithmName, kindOf } from './openpgp-packets.ts'

export type InspectedKey = {
  fingerprint: string
  publicKey: Uint8Array
  userIds: string[]
  addresses: string[]
  algorithm: string
  createdAt: number
  expiresAt: number | null
  uses: KeyUses
  /** Of a certificate for S/MIME, who issued it; null of an OpenPGP key. */
  issuer: string | null
}

/**
 * Public keys in armored text (any number of blocks) or in binary. Left out is what must never be used: nothing
 * that binds a name to it, DSA and Elgamal, RSA under 2047 bits, curves forbidden in version 6, secret keys. Certificates
 * for S/MIME too, in PEM, in DER, or with a signature.
 */
export const inspectKeys = async (armoredOrBinary: Uint8Array): Promise<InspectedKey[]> => {
  const found: InspectedKey[] = inspectCertificates(armoredOrBinary)
  for (const single of certificatesIn(armoredOrBinary)) {
    const key = await inspectKey(single).catch(() => null)
    if (key && !found.some(({ fingerprint }) => fingerprint === key.fingerprint)) found.push(key)
  }
  return found
}

const certificatesIn = (armoredOrBinary: Uint8Array) =>
  publicPacketsIn(armoredOrBinary)
    .filter((source) => kindOf(source) === 'keys')
    .flatMap((source) => split(source, 6).slice(0, 100))

const inspectKey = async (octets: Uint8Array): Promise<InspectedKey | null> => {
  const key = await readCertificate(octets)
  if (key.isPrivate()) return null
  const info = key.getAlgorithmInfo()
  if (info.algorithm === 'dsa' || info.algorithm === 'elgamal') return null
  if (info.bits !== undefined && info.bits < config.minRSABits) return null
  // RFC 9580 §9.2: the legacy curve identifiers belong to version 4 keys only.
  const hasLegacyCurve = [key, ...key.subkeys].some((part) =>
    /legacy/i.test(`${part.getAlgorithmInfo().algorithm} ${part.getAlgorithmInfo().curve}`),
  )
  if (hasLegacyCurve && (key.keyPacket as unknown as { version: number }).version === 6) return null
  const users = (await validUsers(key)).filter(({ valid }) => valid)
  if (!users.length) return null
  const expires = await key.getExpirationTime().catch(() => null)
  return {
    fingerprint: key.getFingerprint().toLowerCase(),
    publicKey: key.write(),
    userIds: users.map(({ userID }) => decodeHeader(userID)),
    addresses: await addressesOfKey(key),
    algorithm: algorithmName(info),
    createdAt: key.getCreationTime().getTime(),
    expiresAt: expires instanceof Date ? expires.getTime() : null,
    uses: await usesOf(key),
    issuer: null,
  }
}

/** A stored certificate: what there is to know of it, for rows that do not have it yet. */
export const usesOfCertificate = async (publicKey: Uint8Array): Promise<KeyUses> =>
  usesOf(await readCertificate(publicKey))

/** The stored copy with what the offered one knows. */
export const mergeCertificates = async (
  stored: Uint8Array,
  offered: Uint8Array,
): Promise<{ publicKey: Uint8Array; uses: KeyUses }> => {
  const key = await merged(await readCertificate(stored), await readCertificate(offered))
  return { publicKey: key.write(), uses: await usesOf(key) }
}

export type Learned = { fingerprint: string; publicKey: Uint8Array; uses: KeyUses }

/**
 * Whose keys may be revoked by what is offered: fingerprints of certificates, and key ids of those who signed a
 * revocation that stands alone.
 */
export const revocationsOffered = async (armoredOrBinary: Uint8Array): Promise<string[]> => {
  const names: string[] = []
  for (const single of certificatesIn(armoredOrBinary)) {
    const key = await readCertificate(single).catch(() => null)
    if (key) names.push(key.getFingerprint())
  }
  for (const signature of await standingAlone(armoredOrBinary)) names.push(signature.issuerKeyID.toHex())
  return names
}

const standingAlone = async (armoredOrBinary: Uint8Array): Promise<SignaturePacket[]> => {
  const found: SignaturePacket[] = []
  for (const source of publicPacketsIn(armoredOrBinary)) {
    if (kindOf(source) !== 'signature') continue
    for (const binarySignature of bareRevocations(source))
      try {
        const { packets: list } = await readSignature({ binarySignature })
        found.push(...(list as unknown as SignaturePacket[]))
      } catch {} // of a kind that nobody here knows
  }
  return found
}

/**
 * What offered copies and revocations change in certificates that are stored. A revocation is signed by the key itself:
 * it needs nobody's consent, wherever it was found.
 *
 * @returns those that say something else now
 */
export const learnRevocations = async (
  armoredOrBinary: Uint8Array,
  stored: Uint8Array[],
): Promise<Learned[]> => {
  const alone = await standingAlone(armoredOrBinary)
  const learned: Learned[] = []
  for (const publicKey of stored) {
    const before = await readCertificate(publicKey)
    let key = await withRevocations(before, alone)
    for (const single of certificatesIn(armoredOrBinary)) {
      const copy = await readCertificate(single).catch(() => null)
      if (copy?.getFingerprint() === key.getFingerprint()) key = await merged(key, copy, 'revocations')
    }
    if (key.write().length > before.write().length)
      learned.push({ fingerprint: key.getFingerprint(), publicKey: key.write(), uses: await usesOf(key) })
  }
  return learned
}
