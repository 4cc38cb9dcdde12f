/**
 * Public keys for SSH: read from the line of a .pub file, and asked whether a signature is theirs. Ed25519 (RFC 8709),
 * RSA with SHA-2 (RFC 8332), ECDSA (RFC 5656), and keys on FIDO authenticators (OpenSSH's PROTOCOL.u2f), which sign only
 * with somebody present.
 */
import { createHash, createPublicKey, type JsonWebKey, type KeyObject, verify } from 'node:crypto'
import { sshKeyLimits } from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'

export type SshPublicKey = {
  type: string
  /** As it goes over the wire (RFC 4253 §6.6). */
  octets: Buffer
  /** What its owner wrote behind it. */
  comment: string
}

/** A signature as it came with a log-in. */
export type SshSignature = {
  /** The signature algorithm: that of the key, or for RSA the name with the hash. */
  algorithm: string
  /** What follows the algorithm's name, as it goes over the wire; of ECDSA as DER, but not on an authenticator. */
  octets: Buffer
  signed: Buffer
}

type Kind = {
  /** Names of signature algorithms, each with its hash; null where the algorithm has its own. */
  hashes: Record<string, 'sha256' | 'sha384' | 'sha512' | null>
  jwk(fields: Fields): JsonWebKey
  /** On an authenticator: the key ends with what it was made for. */
  isOnAuthenticator: boolean
}

const ecdsa = (curve: string, crv: string, hash: 'sha256' | 'sha384' | 'sha512', octets: number) => ({
  hashes: { [`ecdsa-sha2-${curve}`]: hash },
  jwk: (fields: Fields) => {
    if (fields.text() !== curve) throw malformed()
    const point = fields.octets()
    if (point.length !== 1 + 2 * octets || point[0] !== 4) throw malformed() // uncompressed, SEC 1 §2.3.3
    return { kty: 'EC', crv, x: base64(point.subarray(1, 1 + octets)), y: base64(point.subarray(1 + octets)) }
  },
  isOnAuthenticator: false,
})
const ed25519: Kind = {
  hashes: { 'ssh-ed25519': null },
  jwk: (fields) => ({ kty: 'OKP', crv: 'Ed25519', x: base64(fields.octets(32)) }),
  isOnAuthenticator: false,
}
const p256 = ecdsa('nistp256', 'P-256', 'sha256', 32)

const kinds: Record<string, Kind> = {
  'ssh-ed25519': ed25519,
  'ssh-rsa': {
    hashes: { 'rsa-sha2-256': 'sha256', 'rsa-sha2-512': 'sha512' },
    jwk: (fields) => {
      const [e, n] = [fields.octets(), fields.octets()]
      return { kty: 'RSA', e: base64(e), n: base64(n[0] === 0 ? n.subarray(1) : n) }
    },
    isOnAuthenticator: false,
  },
  'ecdsa-sha2-nistp256': p256,
  'ecdsa-sha2-nistp384': ecdsa('nistp384', 'P-384', 'sha384', 48),
  'ecdsa-sha2-nistp521': ecdsa('nistp521', 'P-521', 'sha512', 66),
  'sk-ssh-ed25519@openssh.com': {
    ...ed25519,
    hashes: { 'sk-ssh-ed25519@openssh.com': null },
    isOnAuthenticator: true,
  },
  'sk-ecdsa-sha2-nistp256@openssh.com': {
    ...p256,
    hashes: { 'sk-ecdsa-sha2-nistp256@openssh.com': 'sha256' },
    isOnAuthenticator: true,
  },
}

/**
 * The key in the line of a .pub file, or in a file of RFC 4716, as PuTTY and Tectia save it.
 *
 * @throws Refusal `bad-key`: a secret key, no key, several, of no use here, or too weak
 */
export const readSshPublicKey = (text: string): SshPublicKey => {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----|^PuTTY-User-Key-File/.test(text.trim()))
    throw new Refusal('ssh-key-secret')
  if (text.length > sshKeyLimits.characters) throw malformed()
  const { type, octets, comment } = inRfc4716(text) ?? inLine(text)
  if (!Object.hasOwn(kinds, type)) throw new Refusal('ssh-key-kind', { values: { type } })
  const { key } = parse(octets, type)
  const bits = key.asymmetricKeyDetails?.modulusLength
  if (bits !== undefined && bits < sshKeyLimits.fewestRsaBits)
    throw new Refusal('ssh-key-weak', { values: { bits } })
  if (bits !== undefined && bits > sshKeyLimits.mostRsaBits) throw malformed()
  return { type, octets, comment }
}

/** A line of a .pub file or of authorized_keys; comments and empty lines around it count for nothing. */
const inLine = (text: string): SshPublicKey => {
  const lines = text
    .split(/[\r\n]/)
    .map((each) => each.trim())
    .filter((each) => each !== '' && !each.startsWith('#'))
  const found = lines.map((each) =>
    each.match(/^([\w@.-]{1,64})[ \t]+(AAAA[A-Za-z0-9+/]*={0,2})(?:[ \t]+(.*))?$/),
  )
  if (found.length > 1 && found.every((each) => each !== null)) throw new Refusal('ssh-keys-several')
  // What the options let the key do is not kept here, and without them it could do more.
  if (!found[0] && /[ \t](?:sk-)?(?:ssh|ecdsa)-[\w@.-]{1,60}[ \t]+AAAA/.test(lines[0] ?? ''))
    throw new Refusal('ssh-key-options')
  const [, type = '', encoded = '', comment = ''] = (found.length === 1 && found[0]) || []
  if (!encoded) throw malformed()
  return { type, octets: Buffer.from(encoded, 'base64'), comment }
}

/** RFC 4716 §3: headers, whose lines go on after a backslash, then Base64. Null where the text is none of it. */
const inRfc4716 = (text: string): SshPublicKey | null => {
  const [before, inside, another] = text.split('---- BEGIN SSH2 PUBLIC KEY ----')
  if (before?.trim() !== '' || inside === undefined) return null
  if (another !== undefined) throw new Refusal('ssh-keys-several')
  const [body, end] = inside.split('---- END SSH2 PUBLIC KEY ----')
  const lines = body!.replace(/\r\n?/g, '\n').replaceAll('\\\n', '').trim().split('\n')
  const encoded = lines.filter((each) => !each.includes(':')).join('')
  if (end === undefined || !/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) throw malformed()
  const octets = Buffer.from(encoded, 'base64')
  const comment = lines.find((each) => /^comment:/i.test(each))?.slice('comment:'.length) ?? ''
  try {
    const type = new Fields(octets).text()
    return { type, octets, comment: comment.trim().replace(/^"(.*)"$/, '$1') }
  } catch {
    throw malformed()
  }
}

/** As OpenSSH shows it. */
export const sshFingerprint = (octets: Uint8Array) =>
  `SHA256:${createHash('sha256').update(octets).digest('base64').replace(/=+$/, '')}`

/**
 * Whether the signature is this key's, and, of a key on an authenticator, was made with somebody present.
 *
 * @param octets the key as it goes over the wire, from a stranger
 */
export const isSignedBy = (
  octets: Buffer,
  { algorithm, octets: signature, signed }: SshSignature,
): boolean => {
  try {
    const fields = new Fields(octets)
    const type = fields.text()
    const kind = Object.hasOwn(kinds, type) ? kinds[type]! : null
    if (!kind || !Object.hasOwn(kind.hashes, algorithm)) return false
    const { key, application } = parse(octets, type)
    const hash = kind.hashes[algorithm]!
    if (!kind.isOnAuthenticator) return verify(hash, signed, key, signature)
    const tail = signature.subarray(-5) // flags, and a counter of 32 bits
    const isPresent = ((tail[0] ?? 0) & 1) === 1
    const attested = Buffer.concat([sha256(application), tail, sha256(signed)])
    const own = signature.subarray(0, -5)
    if (key.asymmetricKeyType !== 'ec') return isPresent && verify(null, attested, key, own)
    const numbers = new Fields(own)
    const parts = [numbers.number(32), numbers.number(32)] // r and s, of P-256
    numbers.end()
    return isPresent && verify(hash, attested, { key, dsaEncoding: 'ieee-p1363' }, Buffer.concat(parts))
  } catch {
    return false
  }
}

const parse = (octets: Buffer, type: string): { key: KeyObject; application: Buffer } => {
  try {
    const fields = new Fields(octets)
    if (fields.text() !== type) throw malformed()
    const { jwk, isOnAuthenticator } = kinds[type]!
    const key = createPublicKey({ key: jwk(fields), format: 'jwk' })
    const application = isOnAuthenticator ? fields.octets() : Buffer.alloc(0)
    fields.end()
    return { key, application }
  } catch {
    throw malformed() // what OpenSSL says of it helps nobody
  }
}

/** Fields of the wire, one after another (RFC 4251 §5). */
class Fields {
  #at = 0
  readonly #all: Buffer

  constructor(all: Buffer) {
    this.#all = all
  }

  octets(length?: number): Buffer {
    const found = this.#all.readUInt32BE(this.#at)
    const end = this.#at + 4 + found
    if (end > this.#all.length || (length !== undefined && found !== length)) throw malformed()
    const octets = this.#all.subarray(this.#at + 4, end)
    this.#at = end
    return octets
  }

  text(): string {
    return this.octets().toString('latin1')
  }

  /** A positive number, as so many octets. */
  number(width: number): Buffer {
    const octets = this.octets()
    const digits = octets[0] === 0 ? octets.subarray(1) : octets
    if (digits.length > width) throw malformed()
    return Buffer.concat([Buffer.alloc(width - digits.length), digits])
  }

  end() {
    if (this.#at !== this.#all.length) throw malformed()
  }
}

const malformed = () => new Refusal('ssh-key-malformed')
const base64 = (octets: Buffer) => octets.toString('base64url')
const sha256 = (octets: Buffer) => createHash('sha256').update(octets).digest()
