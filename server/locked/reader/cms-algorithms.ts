/** The algorithms of CMS by their object identifiers (RFC 5754, RFC 8017, RFC 5753, RFC 8418, RFC 8419, RFC 3565, RFC 5084). */
import { constants } from 'node:crypto'
import { readDer } from './asn1.ts'
import { NotBer } from './ber.ts'
import type { Algorithm } from './cms.ts'

/** Hashes that hold; SHA-1 and MD5 are not among them, and vouch for nothing. */
const hashes: Record<string, string> = {
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
  '2.16.840.1.101.3.4.2.4': 'sha224',
  '2.16.840.1.101.3.4.2.8': 'sha3-256',
  '2.16.840.1.101.3.4.2.9': 'sha3-384',
  '2.16.840.1.101.3.4.2.10': 'sha3-512',
}
const brokenHashes: Record<string, string> = { '1.3.14.3.2.26': 'sha1', '1.2.840.113549.2.5': 'md5' }

export const hashOf = ({ id }: Algorithm): string | null => hashes[id] ?? null
/** Those too that no longer hold: to say of an old mail what it is. */
export const isBrokenHash = ({ id }: Algorithm): boolean => id in brokenHashes

const signatureHashes: Record<string, string> = {
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.2.840.113549.1.1.14': 'sha224',
  '1.2.840.10045.4.3.1': 'sha224',
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
  '1.3.101.112': 'none', // Ed25519 hashes by itself
  '1.3.101.113': 'none', // Ed448
}
const rsa = '1.2.840.113549.1.1.1'
const rsaPss = '1.2.840.113549.1.1.10'
const ecKey = '1.2.840.10045.2.1'

/** What a signature hashes with, `none` where it does so by itself; null where it does not hold, or is not known. */
export const hashOfSignature = (algorithm: Algorithm): string | null =>
  algorithm.id === rsaPss ? (pssOf(algorithm)?.hash ?? null) : (signatureHashes[algorithm.id] ?? null)

/**
 * How a signer's signature is checked.
 *
 * @returns null where it is of a kind that cannot be checked here
 */
export const schemeOf = (
  algorithm: Algorithm,
  digest: Algorithm,
): { hash: string | null; options: { padding?: number; saltLength?: number } } | null => {
  if (algorithm.id === rsaPss) {
    const pss = pssOf(algorithm)
    return (
      pss && {
        hash: pss.hash,
        options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: pss.saltLength },
      }
    )
  }
  const named =
    algorithm.id === rsa || algorithm.id === ecKey ? hashOf(digest) : signatureHashes[algorithm.id]
  if (!named) return null
  return { hash: named === 'none' ? null : named, options: {} }
}

/** RFC 8017 §A.2.3; its defaults are of SHA-1. */
const pssOf = ({ parameters }: Algorithm): { hash: string; saltLength: number } | null => {
  if (!parameters) return null
  let hash: string | null = null
  let saltLength = 20
  for (const each of readDer(parameters).members) {
    if (each.is('context', 0)) hash = hashes[each.members[0]!.members[0]!.objectIdentifier] ?? null
    if (each.is('context', 2)) saltLength = each.members[0]!.number
  }
  return hash === null || saltLength > 512 ? null : { hash, saltLength }
}

/** The hash of OAEP (RFC 8017 §A.2.1). Node uses the same one in the mask, and another label than none is nobody's. */
export const oaepHashOf = ({ parameters }: Algorithm): string | null => {
  let hash: string | null = 'sha1'
  let maskHash: string | null = 'sha1'
  const named = (id: string) => hashes[id] ?? brokenHashes[id] ?? null
  for (const each of parameters ? readDer(parameters).members : []) {
    if (each.is('context', 0)) hash = named(each.members[0]!.members[0]!.objectIdentifier)
    if (each.is('context', 1)) maskHash = named(each.members[0]!.members[1]!.members[0]!.objectIdentifier)
  }
  return hash === maskHash ? hash : null
}

export const transport = { rsa, oaep: '1.2.840.113549.1.1.7' }

/** How the key that wraps comes from what was agreed on (RFC 5753 §7.1.4, RFC 8418 §2.2). */
export const agreements: Record<string, { kdf: 'x963' | 'hkdf'; hash: string }> = {
  '1.3.133.16.840.63.0.2': { kdf: 'x963', hash: 'sha1' },
  '1.3.132.1.11.0': { kdf: 'x963', hash: 'sha224' },
  '1.3.132.1.11.1': { kdf: 'x963', hash: 'sha256' },
  '1.3.132.1.11.2': { kdf: 'x963', hash: 'sha384' },
  '1.3.132.1.11.3': { kdf: 'x963', hash: 'sha512' },
  '1.2.840.113549.1.9.16.3.19': { kdf: 'hkdf', hash: 'sha256' },
  '1.2.840.113549.1.9.16.3.20': { kdf: 'hkdf', hash: 'sha384' },
  '1.2.840.113549.1.9.16.3.21': { kdf: 'hkdf', hash: 'sha512' },
}

const aesWrapVector = Buffer.alloc(8, 0xa6)

/** Key wraps (RFC 3394; RFC 3217 of old mail), as Node names them, and the octets of their keys. */
export const keyWraps: Record<string, { cipher: string; keyLength: number; vector: Uint8Array | null }> = {
  '2.16.840.1.101.3.4.1.5': { cipher: 'aes128-wrap', keyLength: 16, vector: aesWrapVector },
  '2.16.840.1.101.3.4.1.25': { cipher: 'aes192-wrap', keyLength: 24, vector: aesWrapVector },
  '2.16.840.1.101.3.4.1.45': { cipher: 'aes256-wrap', keyLength: 32, vector: aesWrapVector },
  '1.2.840.113549.1.9.16.3.6': { cipher: 'des3-wrap', keyLength: 24, vector: null },
}

export type ContentCipher = { name: string; keyLength: number; mode: 'cbc' | 'aead'; isOld: boolean }

/** What content is encrypted with; RC2 takes its strength from its parameters. */
export const contentCiphers: Record<string, ContentCipher> = {
  '2.16.840.1.101.3.4.1.2': { name: 'aes-128-cbc', keyLength: 16, mode: 'cbc', isOld: false },
  '2.16.840.1.101.3.4.1.22': { name: 'aes-192-cbc', keyLength: 24, mode: 'cbc', isOld: false },
  '2.16.840.1.101.3.4.1.42': { name: 'aes-256-cbc', keyLength: 32, mode: 'cbc', isOld: false },
  '2.16.840.1.101.3.4.1.6': { name: 'aes-128-gcm', keyLength: 16, mode: 'aead', isOld: false },
  '2.16.840.1.101.3.4.1.26': { name: 'aes-192-gcm', keyLength: 24, mode: 'aead', isOld: false },
  '2.16.840.1.101.3.4.1.46': { name: 'aes-256-gcm', keyLength: 32, mode: 'aead', isOld: false },
  // RFC 8103
  '1.2.840.113549.1.9.16.3.18': {
    name: 'chacha20-poly1305',
    keyLength: 32,
    mode: 'aead',
    isOld: false,
  },
  // RFC 3657
  '1.2.392.200011.61.1.1.1.2': { name: 'camellia-128-cbc', keyLength: 16, mode: 'cbc', isOld: false },
  '1.2.392.200011.61.1.1.1.3': { name: 'camellia-192-cbc', keyLength: 24, mode: 'cbc', isOld: false },
  '1.2.392.200011.61.1.1.1.4': { name: 'camellia-256-cbc', keyLength: 32, mode: 'cbc', isOld: false },
  '1.2.840.113549.3.7': { name: 'des-ede3-cbc', keyLength: 24, mode: 'cbc', isOld: true },
  '1.2.840.113549.3.2': { name: 'rc2-cbc', keyLength: 16, mode: 'cbc', isOld: true },
}

/** The initialization vector or nonce in a cipher's parameters; of RC2 its effective bits too. */
export const vectorOf = ({
  id,
  parameters,
}: Algorithm): { vector: Uint8Array; effectiveBits: number | null } => {
  if (!parameters) throw new NotBer('no vector')
  const node = readDer(parameters)
  if (node.is('universal', 4)) return { vector: node.content, effectiveBits: null }
  const members = node.members
  if (id !== '1.2.840.113549.3.2') return { vector: members[0]!.content, effectiveBits: null }
  // RFC 3370 §5.2: the version stands for the bits.
  const version = members.length > 1 ? members.shift()!.number : 32
  const bits = ({ 160: 40, 120: 64, 58: 128 } as Record<number, number>)[version] ?? version
  return { vector: members[0]!.content, effectiveBits: bits }
}
