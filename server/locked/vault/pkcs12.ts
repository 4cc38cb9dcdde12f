/**
 * PKCS #12 files (RFC 7292) with private keys and certificates, as Windows, macOS, OpenSSL, Firefox and authorities make
 * them, the old ciphers included; and one made for taking an identity elsewhere.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  type KeyObject,
  pbkdf2Sync,
  randomBytes,
  scryptSync,
  timingSafeEqual,
} from 'node:crypto'
import { pkcs12Limits } from '../../ground/limits.ts'
import { Refusal } from '../../ground/refusal.ts'
import { type Node, readAsn1, readDer } from '../reader/asn1.ts'
import {
  algorithm,
  type Block,
  derOf,
  identifier,
  integer,
  nothing,
  octetString,
  sequence,
  setOf,
  within,
} from '../reader/asn1-writing.ts'
import { type Algorithm, algorithmOf, oid } from '../reader/cms.ts'
import { rc2 } from '../reader/rc2.ts'
import { type Password, passwordKey, pkcs12Password } from './pkcs12-password.ts'

export type Pkcs12 = { keys: KeyObject[]; certificates: Uint8Array[] }

const encryptedData = '1.2.840.113549.1.7.6'
const bag = {
  key: '1.2.840.113549.1.12.10.1.1',
  shroudedKey: '1.2.840.113549.1.12.10.1.2',
  certificate: '1.2.840.113549.1.12.10.1.3',
  nested: '1.2.840.113549.1.12.10.1.6',
}
const x509Certificate = '1.2.840.113549.1.9.22.1'

/**
 * @param passphrase UTF-8; may be empty
 * @throws Refusal `wrong-passphrase` where the passphrase is not that of the file; `bad-key` where it is no such file
 */
export const readPkcs12 = (octets: Uint8Array, passphrase: Uint8Array): Pkcs12 => {
  if (octets.length > pkcs12Limits.octets)
    throw new Refusal('pkcs12-large', { values: { limitMiB: pkcs12Limits.octets / 1024 / 1024 } })
  const work = new Work()
  const { safe, mac } = partsOf(octets)
  const text = Buffer.from(passphrase).toString('utf8')
  const [password] = passwordsFor(text).filter((each) => mac === null || isMac(mac, safe, each, work))
  if (!password) throw new Refusal('wrong-file-passphrase')
  const found: Pkcs12 = { keys: [], certificates: [] }
  try {
    const reading = { password, work, found, bags: 0 }
    for (const content of readAsn1(safe).members) readSafe(reading, safeIn(reading, content), 0)
  } catch (cause) {
    if (cause instanceof Refusal) throw cause
    // Without a MAC, that nothing opens is all there is to tell a wrong passphrase by.
    throw new Refusal(mac === null ? 'wrong-file-passphrase' : 'not-pkcs12', { cause })
  }
  return found
}

/** What a file may cost, whose maker says how dear each of its keys is: rounds of a hash, all together. */
class Work {
  #left = pkcs12Limits.rounds

  /** @throws Refusal `bad-key` for more than the file may cost */
  take(rounds: number): number {
    if (!(rounds >= 1 && rounds <= this.#left)) throw new Refusal('pkcs12-unknown-method')
    this.#left -= rounds
    return rounds
  }
}

/** An empty passphrase is written in two ways. */
const passwordsFor = (text: string): Password[] => {
  const password = { utf8: Buffer.from(text), bmp: pkcs12Password(text) }
  return text === '' ? [password, { ...password, bmp: new Uint8Array() }] : [password]
}

type Mac = { hash: string; digest: Uint8Array; keyOf: (password: Password, work: Work) => Uint8Array }

/** PFX (RFC 7292 §4): what is kept, in DER, and what tells that it is whole. */
const partsOf = (octets: Uint8Array): { safe: Uint8Array; mac: Mac | null } => {
  try {
    const [version, content, mac] = readAsn1(octets).members
    const [type, inside] = content!.members
    if (version!.number !== 3 || type!.objectIdentifier !== oid.data) throw new Error('expected a password')
    return { safe: inside!.members[0]!.content, mac: mac ? macIn(mac) : null }
  } catch (cause) {
    if (cause instanceof Refusal) throw cause
    throw new Refusal('not-pkcs12', { cause })
  }
}

const hashes: Record<string, string> = {
  '1.3.14.3.2.26': 'sha1',
  '1.2.840.113549.2.5': 'md5',
  '2.16.840.1.101.3.4.2.4': 'sha224',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
}
const hmacSha256 = '1.2.840.113549.2.9'
const hmacs: Record<string, string> = {
  '1.2.840.113549.2.7': 'sha1',
  '1.2.840.113549.2.8': 'sha224',
  [hmacSha256]: 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
}

const macIn = (node: Node): Mac => {
  const [info, salt, rounds] = node.members
  const [how, octets] = info!.members
  const algorithm = algorithmOf(how)
  const digest = octets!.content
  if (algorithm.id === pbmac1) return { ...pbmac1In(algorithm), digest }
  const hash = hashes[algorithm.id]
  if (!hash) throw new Refusal('pkcs12-unknown-method')
  const { length } = createHash(hash).digest()
  const derive = { hash, salt: salt!.content, purpose: 3, length } as const
  const keyOf: Mac['keyOf'] = ({ bmp }, work) =>
    passwordKey({ ...derive, password: bmp, rounds: work.take(rounds?.number ?? 1) })
  return { hash, digest, keyOf }
}

/** RFC 9879 §4: the key by PBKDF2, as long as it says, and an HMAC. */
const pbmac1In = ({ parameters }: Algorithm): Omit<Mac, 'digest'> => {
  const [derivation, scheme] = readDer(parameters!).members.map(algorithmOf)
  const hash = hmacs[scheme!.id]
  if (!hash || derivation!.id !== pbkdf2) throw new Refusal('pkcs12-unknown-method')
  const length = readDer(derivation!.parameters!).members[2]!.number
  if (!(length >= 20 && length <= 64)) throw new Error('expected the length of a key')
  return { hash, keyOf: ({ utf8 }, work) => derivedKey(derivation!, utf8, length, work) }
}

const isMac = ({ hash, digest, keyOf }: Mac, safe: Uint8Array, password: Password, work: Work): boolean => {
  const { length } = createHash(hash).digest()
  if (digest.length !== length) return false
  return timingSafeEqual(createHmac(hash, keyOf(password, work)).update(safe).digest(), digest)
}

type Reading = { password: Password; work: Work; found: Pkcs12; bags: number }

/** The SafeContents of one part, in DER. */
const safeIn = (reading: Reading, content: Node): Node => {
  const [type, inside] = content.members
  const value = inside!.members[0]!
  if (type!.objectIdentifier === oid.data) return readDer(value.content)
  if (type!.objectIdentifier !== encryptedData) throw new Refusal('pkcs12-unknown-method')
  const [, encrypted] = value.members
  const [, algorithm, ciphertext] = encrypted!.members
  return readAsn1(decrypted(algorithmOf(algorithm), ciphertext!.content, reading))
}

const readSafe = (reading: Reading, safe: Node, depth: number): void => {
  for (const { members } of safe.members) {
    const [type, inside] = members
    if (++reading.bags > pkcs12Limits.bags) throw new Refusal('not-pkcs12')
    const value = inside!.members[0]!
    switch (type!.objectIdentifier) {
      case bag.key:
        addKey(reading.found, value.der)
        break
      case bag.shroudedKey: {
        const [algorithm, ciphertext] = value.members
        addKey(reading.found, decrypted(algorithmOf(algorithm), ciphertext!.content, reading))
        break
      }
      case bag.certificate: {
        const [kind, certificate] = value.members
        if (kind!.objectIdentifier === x509Certificate)
          reading.found.certificates.push(certificate!.members[0]!.content)
        break
      }
      case bag.nested:
        if (depth < pkcs12Limits.depth) readSafe(reading, value, depth + 1)
    }
  }
}

/** A key of a kind that is not known is passed over, as others may be. */
const addKey = ({ keys }: Pkcs12, pkcs8: Uint8Array): void => {
  try {
    keys.push(createPrivateKey({ key: Buffer.from(pkcs8), type: 'pkcs8', format: 'der' }))
  } catch {}
}

/** The ciphers of RFC 7292 §C: the key's octets, and RC2's bits. */
const oldCiphers: Record<string, { name: string; keyLength: number; rc2Bits?: number }> = {
  '1.2.840.113549.1.12.1.3': { name: 'des-ede3-cbc', keyLength: 24 },
  '1.2.840.113549.1.12.1.4': { name: 'des-ede-cbc', keyLength: 16 },
  '1.2.840.113549.1.12.1.5': { name: 'rc2', keyLength: 16, rc2Bits: 128 },
  '1.2.840.113549.1.12.1.6': { name: 'rc2', keyLength: 5, rc2Bits: 40 },
}
const pbes2 = '1.2.840.113549.1.5.13'
const pbkdf2 = '1.2.840.113549.1.5.12'
/** In the place of PKCS #12's own derivation (RFC 9879), as OpenSSL 3.4 and Java write it where FIPS 140 is asked for. */
const pbmac1 = '1.2.840.113549.1.5.14'

const decrypted = (
  algorithm: Algorithm,
  ciphertext: Uint8Array,
  { password, work }: Pick<Reading, 'password' | 'work'>,
): Uint8Array => {
  if (!algorithm.parameters) throw new Refusal('pkcs12-unknown-method')
  if (algorithm.id === pbes2) return withPbes2(algorithm.parameters, ciphertext, password, work)
  const cipher = oldCiphers[algorithm.id]
  if (!cipher) throw new Refusal('pkcs12-unknown-method')
  const [salt, rounds] = readDer(algorithm.parameters).members
  const derive = {
    hash: 'sha1',
    password: password.bmp,
    salt: salt!.content,
    rounds: work.take(rounds?.number ?? 1),
  }
  const key = passwordKey({ ...derive, purpose: 1, length: cipher.keyLength })
  const vector = passwordKey({ ...derive, purpose: 2, length: 8 })
  if (cipher.rc2Bits) return rc2(ciphertext, key, vector, cipher.rc2Bits)
  const decipher = createDecipheriv(cipher.name, key, vector)
  return Buffer.concat([decipher.update(ciphertext), decipher.final()])
}

const aes256Cbc = '2.16.840.1.101.3.4.1.42'
const blockCiphers: Record<string, { name: string; keyLength: number }> = {
  '2.16.840.1.101.3.4.1.2': { name: 'aes-128-cbc', keyLength: 16 },
  '2.16.840.1.101.3.4.1.22': { name: 'aes-192-cbc', keyLength: 24 },
  [aes256Cbc]: { name: 'aes-256-cbc', keyLength: 32 },
  '1.2.840.113549.3.7': { name: 'des-ede3-cbc', keyLength: 24 },
}

/** RFC 8018 §6.2: a key from the passphrase by PBKDF2 or scrypt (RFC 7914), then a block cipher. */
const withPbes2 = (
  parameters: Uint8Array,
  ciphertext: Uint8Array,
  { utf8, bmp }: Password,
  work: Work,
): Uint8Array => {
  const [derivation, scheme] = readDer(parameters).members.map(algorithmOf)
  const cipher = blockCiphers[scheme!.id]
  if (!cipher || !scheme!.parameters) throw new Refusal('pkcs12-unknown-method')
  const vector = readDer(scheme!.parameters).content
  // Some programs of Mozilla's take the passphrase as PKCS #12 itself writes it.
  for (const password of [utf8, bmp])
    try {
      const decipher = createDecipheriv(
        cipher.name,
        derivedKey(derivation!, password, cipher.keyLength, work),
        vector,
      )
      return Buffer.concat([decipher.update(ciphertext), decipher.final()])
    } catch (error) {
      if (error instanceof Refusal) throw error
    }
  throw new Error('expected the passphrase of the file')
}

const derivedKey = (
  { id, parameters }: Algorithm,
  password: Uint8Array,
  length: number,
  work: Work,
): Uint8Array => {
  const members = parameters ? readDer(parameters).members : []
  const salt = members[0]?.content ?? new Uint8Array()
  if (id === pbkdf2) {
    const prf = members.find((each) => each.is('universal', 16))
    const hash = prf ? hmacs[algorithmOf(prf).id] : 'sha1'
    if (!hash) throw new Refusal('pkcs12-unknown-method')
    const rounds = members[1]?.number ?? 1
    work.take(Math.ceil(rounds / pkcs12Limits.quickRounds))
    return pbkdf2Sync(password, salt, rounds, length, hash)
  }
  if (id !== '1.3.6.1.4.1.11591.4.11') throw new Refusal('pkcs12-unknown-method')
  const [N, r, p] = members.slice(1, 4).map((each) => each.number) as [number, number, number]
  if (!(128 * N * r <= pkcs12Limits.scryptMemory)) throw new Refusal('pkcs12-unknown-method')
  work.take(N * r * p) // about as long as rounds
  return scryptSync(password, salt, length, { N, r, p, maxmem: 2 * pkcs12Limits.scryptMemory })
}

/**
 * A file with one key and its certificates, for other programs: AES-256 and HMAC-SHA-256, which all of the last ten years read.
 *
 * @param certificates in DER, that of the key first
 */
export const writePkcs12 = (
  key: KeyObject,
  certificates: Uint8Array[],
  passphrase: Uint8Array,
): Uint8Array => {
  const text = Buffer.from(passphrase).toString('utf8')
  const keyId = () => attribute('1.2.840.113549.1.9.21', octetString(Buffer.from([1])))
  const keyBag = sequence(identifier(bag.shroudedKey), within(0, shrouded(key, text)), keyId())
  const bags = certificates.map((der, index) =>
    sequence(
      identifier(bag.certificate),
      within(0, sequence(identifier(x509Certificate), within(0, octetString(der)))),
      ...(index === 0 ? [keyId()] : []),
    ),
  )
  const part = (...value: Block[]) =>
    sequence(identifier(oid.data), within(0, octetString(derOf(sequence(...value)))))
  const safe = derOf(sequence(part(keyBag), part(...bags)))
  const salt = randomBytes(16)
  const macKey = passwordKey({
    hash: 'sha256',
    password: pkcs12Password(text),
    salt,
    rounds: pkcs12Limits.ownRounds,
    purpose: 3,
    length: 32,
  })
  const digest = createHmac('sha256', macKey).update(safe).digest()
  const sha256 = algorithm('2.16.840.1.101.3.4.2.1', nothing())
  return derOf(
    sequence(
      integer(3),
      sequence(identifier(oid.data), within(0, octetString(safe))),
      sequence(sequence(sha256, octetString(digest)), octetString(salt), integer(pkcs12Limits.ownRounds)),
    ),
  )
}

/** An EncryptedPrivateKeyInfo (RFC 5958 §3), by PBES2; Node's own export has 2,048 rounds alone. */
const shrouded = (key: KeyObject, passphrase: string) => {
  const [salt, vector, rounds] = [randomBytes(16), randomBytes(16), pkcs12Limits.ownRounds]
  const pkcs8 = key.export({ type: 'pkcs8', format: 'der' })
  try {
    const derived = pbkdf2Sync(passphrase, salt, rounds, 32, 'sha256')
    const cipher = createCipheriv('aes-256-cbc', derived, vector)
    const ciphertext = Buffer.concat([cipher.update(pkcs8), cipher.final()])
    const hmac = algorithm(hmacSha256, nothing())
    const derivation = sequence(octetString(salt), integer(rounds), hmac)
    const scheme = sequence(algorithm(pbkdf2, derivation), algorithm(aes256Cbc, octetString(vector)))
    return sequence(algorithm(pbes2, scheme), octetString(ciphertext))
  } finally {
    pkcs8.fill(0)
  }
}

const attribute = (type: string, value: Block) => setOf(sequence(identifier(type), setOf(value)))
