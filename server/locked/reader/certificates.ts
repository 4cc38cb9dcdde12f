/**
 * OpenPGP certificates (transferable public keys, RFC 9580 §10.1): what a key can be used for and until when, how two
 * copies of one key become one, and how its revocation is learned.
 *
 * Nothing here depends on the present time: what a key says of itself is asked once and stored, and whoever wants to
 * use it compares its times with the clock. Only what the key itself has signed counts; everything else in a copy is
 * left where it is.
 */

import { config, enums, type Key, readKey, type SignaturePacket, type Subkey } from 'openpgp'
import type { Weakness } from '../../ground/reasons.ts'
import type { KeyUses, Use } from '../key-uses.ts'
import { packets } from './openpgp-packets.ts'

/** @throws Error where the octets are no key */
export const readCertificate = async (binaryKey: Uint8Array): Promise<Key> =>
  withDirectFlags(await readKey({ binaryKey }))

/**
 * Lets a key of version 4 say by a direct-key signature what its user ids do not (RFC 9580 §5.2.1.9, §5.2.3.10). The
 * library looks there for keys of version 6 only.
 */
export const withDirectFlags = async <K extends Key>(key: K): Promise<K> => {
  const direct = newest(await verified(key, low(key).directSignatures, enums.signature.key))
  if (!direct) return key
  for (const { selfCertifications } of key.users)
    for (const certification of selfCertifications as Flags[]) {
      certification.keyFlags ??= direct.keyFlags
      certification.preferredSymmetricAlgorithms ??= direct.preferredSymmetricAlgorithms
      certification.features ??= direct.features
    }
  return key
}

/**
 * What a key can be used for.
 *
 * @param has whether a part's secret is here; of a certificate alone there is nothing to ask
 */
export const usesOf = async (key: Key, has: (part: KeyPart) => boolean = () => true): Promise<KeyUses> => ({
  encrypt: await useOf(key, 'getEncryptionKey', has),
  sign: await useOf(key, 'getSigningKey', has),
  revoked: await revocationOf(key),
})

export type KeyPart = Key | Subkey

/** What is too weak in a key, or not allowed; null if nothing is. */
export const weaknessOf = (key: Key): Weakness | null => {
  for (const part of key.getKeys()) {
    const { algorithm, bits, curve } = part.getAlgorithmInfo()
    if (algorithm === 'dsa' || algorithm === 'elgamal') return { kind: 'dsa-or-elgamal' }
    if (bits !== undefined && bits < config.minRSABits) return { kind: 'rsa', bits }
    // RFC 9580 §9.2: the legacy curve identifiers belong to version 4 keys only.
    const isLegacy = /legacy/i.test(`${algorithm} ${curve}`)
    if (isLegacy && low(key).keyPacket.version === 6) return { kind: 'curve-of-version-4' }
    if (curve && config.rejectCurves.has(curve as never)) return { kind: 'curve', curve }
  }
  return null
}

const useOf = async (
  key: Key,
  find: 'getEncryptionKey' | 'getSigningKey',
  has: (part: KeyPart) => boolean,
): Promise<Use> => {
  let failures = ''
  let isMissing = false
  const ends: number[] = []
  for (const part of key.getKeys()) {
    try {
      await low(key)[find](part.getKeyID(), null) // no date: whatever the time is
    } catch (error) {
      failures += chain(error)
      continue
    }
    if (has(part)) ends.push(Math.min(await endOf(key), await endOf(part)))
    else isMissing = true
  }
  if (ends.length) {
    const until = Math.max(...ends)
    return { until: until === Number.POSITIVE_INFINITY ? null : until }
  }
  if (isMissing) return { not: 'missing' }
  if (/revoked/i.test(failures)) return { not: 'revoked' }
  return { not: /too weak|disabled/i.test(failures) ? 'weak' : 'no-part' }
}

/** Infinity where it does not expire, 0 where nothing binds it. */
const endOf = async (part: KeyPart): Promise<number> =>
  Number(await ('subkeys' in part ? part.getExpirationTime() : low(part).getExpirationTime(null)))

/** The key's own revocation; the hard one, if there are several. */
export const revocationOf = async (key: Key): Promise<KeyUses['revoked']> => {
  const found = await verified(key, low(key).revocationSignatures, enums.signature.keyRevocation)
  const each = found
    .map((signature) => ({ at: signature.created?.getTime() ?? 0, hard: isHard(signature) }))
    .sort((a, b) => Number(b.hard) - Number(a.hard) || a.at - b.at)
  return each[0] ?? null
}

const soft = new Set<number | null>([
  enums.reasonForRevocation.keyRetired,
  enums.reasonForRevocation.keySuperseded,
  enums.reasonForRevocation.userIDInvalid,
])
const isHard = (signature: SignaturePacket) => !soft.has(signature.reasonForRevocationFlag)

/**
 * The key without its soft revocations that came after a time: with them it could not say what it was at that time,
 * where a newer self-signature has taken the place of the one of then.
 */
export const beforeRevocation = async (key: Key, date: Date): Promise<Key> => {
  const then = await readCertificate(key.write())
  const stands = (signature: SignaturePacket) =>
    isHard(signature) || (signature.created !== null && signature.created <= date)
  for (const one of [then, ...then.subkeys].map(low))
    one.revocationSignatures = one.revocationSignatures.filter(stands)
  return then
}

/** A copy that says nothing of revocations: for reading, and for copies to oneself. */
export const unrevoked = <K extends Key>(key: K): K => {
  const copy = (key as unknown as { clone(): K }).clone()
  for (const one of [copy, ...copy.subkeys, ...copy.users].map(low)) one.revocationSignatures = []
  return copy
}

/**
 * One's own key, to be encrypted to whatever it says of its time and of revocations: it is ours, and a letter whose
 * copy could not be kept would be lost.
 */
export const forCopies = async (publicKey: Uint8Array): Promise<Key> => {
  const key = low(unrevoked(await readCertificate(publicKey)))
  const { getEncryptionKey, getPrimarySelfSignature } = key
  key.getEncryptionKey = (id, _, ...rest) => getEncryptionKey.call(key, id, null, ...rest)
  key.getPrimarySelfSignature = (_, ...rest) => getPrimarySelfSignature.call(key, null, ...rest)
  return key as unknown as Key
}

// ---- two copies of one key

/**
 * A copy with what another copy of the same key knows: newer self-signatures, user ids, subkeys and revocations, as far
 * as the key itself has signed them. Nothing goes away by it, a revocation least of all.
 *
 * @param only what of the other copy counts
 */
export const merged = async <K extends Key>(
  into: K,
  from: Key,
  only: 'all' | 'revocations' = 'all',
): Promise<K> => {
  const { certGeneric, certRevocation, key, keyRevocation, subkeyBinding, subkeyRevocation } = enums.signature
  const copy = (into as unknown as { clone(): K }).clone()
  const all = only === 'all'
  const take = async (at: Signed, other: Signed, name: keyof Signed, type: number, data: object) =>
    at[name]!.push(...(await verified(copy, news(at[name]!, other[name]!), type, data)))

  await take(low(copy), low(from), 'revocationSignatures', keyRevocation, {})
  if (all) await take(low(copy), low(from), 'directSignatures', key, {})
  for (const user of from.users) {
    const name = { userID: user.userID, userAttribute: user.userAttribute }
    const known = copy.users.find((one) => nameOf(one) === nameOf(user))
    if (known) {
      await take(low(known), low(user), 'revocationSignatures', certRevocation, name)
      if (all) await take(low(known), low(user), 'selfCertifications', certGeneric, name)
    } else if (all) {
      const added = low(low(user).clone())
      added.mainKey = copy
      added.selfCertifications = await verified(copy, added.selfCertifications!, certGeneric, name)
      if (added.selfCertifications.length) copy.users.push(added as never)
    }
  }
  for (const subkey of from.subkeys) {
    const data = { bind: low(subkey).keyPacket }
    const known = copy.subkeys.find((one) => one.getFingerprint() === subkey.getFingerprint())
    if (known) {
      await take(low(known), low(subkey), 'revocationSignatures', subkeyRevocation, data)
      if (all) await take(low(known), low(subkey), 'bindingSignatures', subkeyBinding, data)
    } else if (all) {
      const added = low(low(subkey).clone())
      added.mainKey = copy
      added.bindingSignatures = await verified(copy, added.bindingSignatures!, subkeyBinding, data)
      if (added.bindingSignatures.length) copy.subkeys.push(added as never)
    }
  }
  return withDirectFlags(copy)
}

const nameOf = (user: Key['users'][number]) =>
  user.userID ? `id ${user.userID.userID}` : `attribute ${hex(low(user).userAttribute!.write())}`

/** Signatures of the other copy that are not in this one, the newest few: a copy may be flooded. */
const news = (known: SignaturePacket[], offered: SignaturePacket[]) => {
  const seen = new Set(known.map(textOf))
  return offered.filter((signature) => !seen.has(textOf(signature))).slice(-signaturesTaken)
}
const signaturesTaken = 50
const textOf = (signature: SignaturePacket) => hex(signature.write())
const hex = (octets: Uint8Array) => Buffer.from(octets).toString('hex')

// ---- revocations

/** The packets of key revocations that stand alone (RFC 9580 §10.1.2), as `gpg --gen-revoke` makes them. */
export const bareRevocations = (octets: Uint8Array): Uint8Array[] => {
  const list = packets(octets)
  if (list.some(({ tag }) => tag !== 2)) return []
  return list
    .filter(({ body }) => (body[0] === 4 || body[0] === 6) && body[1] === enums.signature.keyRevocation)
    .slice(0, signaturesTaken)
    .map(({ start, end }) => octets.subarray(start, end))
}

/** The key with those of the revocations that it has signed itself. */
export const withRevocations = async (key: Key, revocations: SignaturePacket[]): Promise<Key> => {
  const copy = low(low(key).clone())
  const offered = news(copy.revocationSignatures, revocations)
  copy.revocationSignatures.push(...(await verified(key, offered, enums.signature.keyRevocation)))
  return copy as unknown as Key
}

// ---- names

/** Addresses in user ids that the key itself certifies and has not revoked. */
export const addressesOfKey = async (key: Key): Promise<string[]> => {
  const found = new Set<string>()
  for (const { email, userID, valid } of await validUsers(key)) {
    const address = email || (/^[^\s<>()]+@[^\s<>()]+$/.test(userID) ? userID : '')
    if (valid && address) found.add(address.toLowerCase())
  }
  return [...found]
}

export const validUsers = async (key: Key) => {
  const results = []
  for (const user of key.users.slice(0, 200)) {
    if (!user.userID) continue
    // Expiry is judged elsewhere; here it is about forged and revoked names, at the newest time there is.
    const valid = await user.verify().then(
      () => true,
      (error) => /expired/i.test(chain(error)) && !/revoked/i.test(chain(error)),
    )
    results.push({
      userID: user.userID.userID,
      email: user.userID.email,
      valid: valid && user.selfCertifications.length > 0,
    })
  }
  return results
}

// ---- below the library's types

/** Signatures that the primary key made over itself and `data`, whatever the time is. */
const verified = async (key: Key, signatures: SignaturePacket[], type: number, data: object = {}) => {
  const primary = low(key).keyPacket
  const found: SignaturePacket[] = []
  for (const signature of signatures)
    try {
      await (signature as unknown as LowSignature).verify(primary, type, { key: primary, ...data }, null)
      found.push(signature)
    } catch {} // somebody else's, damaged, or by a method that can be forged
  return found
}

const newest = (signatures: SignaturePacket[]): Flags | undefined =>
  signatures.sort((a, b) => Number(b.created) - Number(a.created))[0]

export const chain = (error: unknown): string =>
  error instanceof Error ? `${error.message} ${chain(error.cause ?? '')}` : String(error)

type Flags = Pick<SignaturePacket, 'keyFlags' | 'preferredSymmetricAlgorithms' | 'features'>
type LowSignature = { verify(key: unknown, type: number, data: object, date: null): Promise<void> }
type Signed = {
  revocationSignatures: SignaturePacket[]
  directSignatures?: SignaturePacket[]
  selfCertifications?: SignaturePacket[]
  bindingSignatures?: SignaturePacket[]
}
/** Members that are there at run time, and dates that may be null. */
type Low = Signed & {
  directSignatures: SignaturePacket[]
  keyPacket: { version: number }
  mainKey: Key
  userAttribute: { write(): Uint8Array } | null
  clone(): Low
  getExpirationTime(date: null): Promise<Date | number | null>
  getEncryptionKey(id: unknown, date: Date | null, ...rest: unknown[]): Promise<KeyPart>
  getSigningKey(id: unknown, date: Date | null, ...rest: unknown[]): Promise<KeyPart>
  getPrimarySelfSignature(date: Date | null, ...rest: unknown[]): Promise<SignaturePacket>
}
const low = (one: unknown) => one as Low
