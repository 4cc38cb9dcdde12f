/**
 * Secret keys: the only module that touches a DEK or OpenPGP secret key material, and it runs in child processes
 * only (child.ts). It is asked to unwrap, to sign, to seal; there is no function that hands a key out.
 *
 * A user's secret keys lie sealed under the keyring's random data key (DEK). The DEK is wrapped once per slot; the
 * table of slots is covered by a MAC under a DEK-derived key, so that no slot can be added, moved or swapped in
 * the database. To open a keyring for a terminal, the DEK is sealed (HPKE, RFC 9180) to the public half of that
 * terminal's key token; only a request that brings the token opens it again.
 */
import {
  argon2,
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'
import { promisify } from 'node:util'
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core'
import * as openpgp from 'openpgp'
import { Refusal } from '../../ground/refusal.ts'
import type { OwnUses } from '../key-uses.ts'
import {
  chain,
  merged,
  type Part,
  readCertificate,
  unrevoked,
  usesOf,
  weaknessOf,
  withDirectFlags,
} from '../reader/certificates.ts'
import { secretKeysIn } from '../reader/key-files.ts'
import { algorithmName, packets, type SessionKey } from '../reader/openpgp-packets.ts'

/** A slot as it lies in the database. */
export type Slot = {
  id: string
  kind: 'passphrase' | 'prf' | 'held' | 'recovery'
  /**
   * JSON. Of a passphrase `{memoryKiB, passes, salt}` of Argon2id; of a passkey with PRF {@link PrfParams}; of a held
   * one `{credential}`; of a recovery code `{}`.
   */
  params: string
  generation: number
  wrapped: Uint8Array
}
/** The server's own share of a slot's wrapping key. */
export type SlotSecret = { slotId: string; secret: Uint8Array }
/** `salt` is evaluated to open the slot, `recipient` the X25519 public key that the result makes; base64url. */
export type PrfParams = { credential: string; salt: string; recipient: string }
export type Keyring = { userId: number; id: string; generation: number; mac: Uint8Array; slots: Slot[] }
export type SealedKey = { fingerprint: string; sealedSecret: Uint8Array }
/** With its public half, which may know more: a revocation is learned without opening the secret one. */
export type StoredPair = SealedKey & { publicKey: Uint8Array }
export type KeyPair = StoredPair & {
  aliases: string[]
  uses: OwnUses
  algorithm: string
  createdAt: number
  expiresAt: number | null
}

/** What opens a keyring: what the person brings, the keyring as stored, and the server's shares. */
export type Proof = { opens: Opens; keyring: Keyring; slotSecrets: SlotSecret[] }
export type Opens =
  | { kind: 'passphrase'; passphrase: Uint8Array }
  | { kind: 'recovery'; code: string }
  /** PRF output of the slot's salt, and the public key that the output of `nextSalt` makes. */
  | { kind: 'prf'; slotId: string; output: Uint8Array; next: { salt: string; publicKey: Uint8Array } }
  /** An assertion that was verified, which is all that such a slot asks for. */
  | { kind: 'held'; slotId: string }

/** The slot table as it is to lie in the database from now on. */
export type SlotTable = Pick<Keyring, 'generation' | 'mac' | 'slots'>

/** A slot to be made. */
export type NewSlot =
  | { kind: 'passphrase'; share: SlotSecret; passphrase: Uint8Array; argon2: Argon2Cost }
  | { kind: 'prf'; share: SlotSecret; credential: string; next: { salt: string; publicKey: Uint8Array } }
  | { kind: 'held'; share: SlotSecret; credential: string }
  | { kind: 'recovery'; share: SlotSecret }
type Argon2Cost = { memoryKiB: number; passes: number }

/** What a key token opens, for one piece of work. Keys in order of trial; the first one that can signs. */
export type Opening = {
  userId: number
  keyringId: string
  keys: SealedKey[]
  /** Key material of the token's private half. */
  keyMaterial: Uint8Array
  sealedDek: Uint8Array
  /** What the seal is bound to. */
  binding: string
}

/** The keys, lent for the time of a callback. */
export interface OpenKeys {
  /** Key ids that a recipient packet for us can name, lower-case hex (RFC 9580 §5.1). */
  ids(): Promise<Set<string>>
  /**
   * Session keys of the message's recipient packets that are ours (RFC 9580 §5.1); passwords are never tried.
   *
   * @param message binary OpenPGP message
   * @returns none where none of them opens; `algorithm` is null where the encrypted data says it itself (SEIPDv2)
   */
  unwrap(message: Uint8Array): Promise<SessionKey[]>
  /** Armored signature over the octets (RFC 9580 §10.4). @throws Refusal `bad-key` if no key here can sign */
  signDetached(octets: Uint8Array): Promise<string>
  /** The text in the cleartext signature framework (RFC 9580 §7). @throws Refusal `bad-key` if no key here can sign */
  signCleartext(text: string): Promise<string>
}

const hpke = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
})

// ---- what the parent asks

export type NewKeyring = {
  userId: number
  keyringId: string
  passphrase: Uint8Array
  /** Ids and server's shares for the slots to be made. */
  slots: { passphrase: SlotSecret; recovery: SlotSecret }
  argon2: Argon2Cost
  key: NewKey
}
export type NewKey =
  | { generate: { name: string; address: string } }
  /** A file as another program exported it: one key or several. */
  | { import: { file: Uint8Array; passphrase: Uint8Array } }
/** A key of a file that was not taken, and the sentence that says why. */
export type RefusedKey = { fingerprint: string; sentence: string }

/** A keyring with its first keys, a passphrase slot and a recovery slot. The recovery code is in no other place. */
export const createKeyring = async (
  wanted: NewKeyring,
): Promise<{ keyring: Keyring; keys: KeyPair[]; refused: RefusedKey[]; recoveryCode: string }> => {
  const dek = randomBytes(32)
  try {
    const { keys: found, refused } = await openpgpKeys(wanted.key)
    const keys: KeyPair[] = []
    for (const each of found) keys.push(await sealedPair(dek, wanted.userId, wanted.keyringId, each))
    const { passphrase, slots, argon2: cost } = wanted
    const whose = { userId: wanted.userId, keyringId: wanted.keyringId, generation: 1 }
    const made = await madeSlots(dek, whose, [
      { kind: 'passphrase', share: slots.passphrase, passphrase, argon2: cost },
      { kind: 'recovery', share: slots.recovery },
    ])
    const keyring = { userId: wanted.userId, id: wanted.keyringId, generation: 1, slots: made.slots }
    const mac = slotTableMac(dek, keyring)
    return { keyring: { ...keyring, mac }, keys, refused, recoveryCode: made.recoveryCode! }
  } finally {
    dek.fill(0)
  }
}

/**
 * Opens the keyring and seals its DEK to a waiting terminal's public half.
 *
 * @returns with a PRF the slot table too, for the slot that opened is sealed to another key now
 * @throws Refusal `wrong-passphrase`, `wrong-passkey`
 */
export const unlock = async (
  proof: Proof,
  recipient: Uint8Array,
  bound: string,
): Promise<{ sealedDek: Uint8Array; changed: SlotTable | null }> =>
  withProof(proof, async (dek) => {
    const changed = proof.opens.kind === 'prf' ? (await changedTable(dek, proof, [])).table : null
    return { sealedDek: await seal(recipient, bound, dek), changed }
  })

/**
 * Takes slots away and adds others; the DEK stays, and no key is touched.
 *
 * @returns null where nothing changes; `recoveryCode` where a slot for one was made
 * @throws Refusal `wrong-passphrase`, `wrong-passkey`
 */
export const changeSlots = async (
  proof: Proof,
  change: { remove: string[]; add: NewSlot[] },
): Promise<{ changed: SlotTable | null; recoveryCode: string | null }> =>
  withProof(proof, async (dek) => {
    const { remove, add } = change
    if (remove.length + add.length === 0 && proof.opens.kind !== 'prf')
      return { changed: null, recoveryCode: null }
    const { table, recoveryCode } = await changedTable(dek, proof, add, remove)
    return { changed: table, recoveryCode }
  })

/**
 * Adds keys to a keyring that exists. One that is there already is brought up to date: what the other copy knows is
 * added, and nothing goes away.
 *
 * @param known the pairs of the keyring
 * @throws Refusal `wrong-passphrase`, `bad-key` if no key at all could be taken
 */
export const addKeys = (
  proof: Proof,
  wanted: NewKey,
  known: StoredPair[],
): Promise<{ keys: KeyPair[]; refused: RefusedKey[] }> =>
  withProof(proof, async (dek) => {
    const { userId, id } = proof.keyring
    const { keys: found, refused } = await openpgpKeys(wanted)
    const keys: KeyPair[] = []
    for (const one of found) {
      const stored = known.find(({ fingerprint }) => fingerprint === one.key.getFingerprint())
      const key = stored ? await united(await openPair(dek, userId, id, stored), one.key) : one.key
      keys.push(await sealedPair(dek, userId, id, { ...one, key }))
    }
    return { keys, refused }
  })

/** The secret keys, armored, protected with a passphrase of their own. @throws Refusal `wrong-passphrase` */
export const exportSecret = (
  proof: Proof,
  keys: StoredPair[],
  copyPassphrase: Uint8Array,
): Promise<string[]> =>
  withProof(proof, async (dek) => {
    const passphrase = Buffer.from(copyPassphrase).toString('utf8')
    const armored: string[] = []
    for (const key of keys) {
      const privateKey = await openPair(dek, proof.keyring.userId, proof.keyring.id, key)
      armored.push((await openpgp.encryptKey({ privateKey, passphrase, config: settings })).armor())
    }
    return armored
  })

/** Lends the keys that a key token opens. They are of no use after the callback has returned. */
export const withOpenKeys = async <T>(opening: Opening, work: (keys: OpenKeys) => Promise<T>): Promise<T> => {
  const dek = await unseal(opening)
  let lent = true
  try {
    const open = new Map<string, Promise<openpgp.PrivateKey>>()
    const secret = (key: SealedKey) => {
      if (!lent) throw new Error('expected a key within the callback that it was lent to, got a use after it')
      const found = open.get(key.fingerprint) ?? openSecret(dek, opening.userId, opening.keyringId, key)
      open.set(key.fingerprint, found)
      return found
    }
    const signing = async () => {
      for (const sealed of opening.keys) {
        const signingKeys = await secret(sealed)
        const part = await signingPart(signingKeys)
        if (part) return { signingKeys, signingKeyIDs: [part.getKeyID()], config: settings }
      }
      throw new Refusal('keys-only-read')
    }
    return await work({
      ids: async () => {
        const keys = await Promise.all(opening.keys.map(secret))
        return new Set(keys.flatMap((key) => key.getKeyIDs().map((id) => id.toHex())))
      },
      unwrap: async (octets) => {
        const message = await openpgp.readMessage({ binaryMessage: octets, config: settings })
        // What was revoked or has expired still opens what was once encrypted to it.
        const decryptionKeys = (await Promise.all(opening.keys.map(secret))).map(unrevoked)
        try {
          const sessionKeys = await openpgp.decryptSessionKeys({ message, decryptionKeys, config: settings })
          return sessionKeys.map(({ data, algorithm }) => ({ data, algorithm: algorithm ?? null }))
        } catch {
          return [] // whatever went wrong, it reads the same: no oracle
        }
      },
      signDetached: async (octets) =>
        openpgp.sign({
          message: await openpgp.createMessage({ binary: octets }),
          ...(await signing()),
          detached: true,
        }),
      signCleartext: async (text) =>
        openpgp.sign({
          message: await openpgp.createCleartextMessage({ text }),
          ...(await signing()),
        }),
    })
  } finally {
    lent = false
    dek.fill(0)
  }
}

// ---- slots

type Wrapping = {
  userId: number
  keyringId: string
  generation: number
  kind: Slot['kind']
  params: string
  share: SlotSecret
}
type Whose = Pick<Wrapping, 'userId' | 'keyringId' | 'generation'>

const madeSlots = async (dek: Uint8Array, whose: Whose, wanted: NewSlot[]) => {
  const slots: Slot[] = []
  let recoveryCode: string | null = null
  for (const slot of wanted) {
    const { kind, share } = slot
    if (kind === 'passphrase') {
      const params = JSON.stringify({ ...slot.argon2, salt: randomBytes(16).toString('base64url') })
      slots.push(await wrapSlot({ ...whose, kind, params, share }, slot.passphrase, dek))
    } else if (kind === 'prf') {
      slots.push(await sealSlot({ ...whose, kind, share }, slot.credential, slot.next, dek))
    } else if (kind === 'held') {
      const params = JSON.stringify({ credential: slot.credential })
      slots.push(await wrapSlot({ ...whose, kind, params, share }, Buffer.from(slot.credential), dek))
    } else {
      const code = randomBytes(16)
      recoveryCode = printedCode(code)
      slots.push(await wrapSlot({ ...whose, kind, params: '{}', share }, code, dek))
      code.fill(0)
    }
  }
  return { slots, recoveryCode }
}

const wrapSlot = async (slot: Wrapping, secret: Uint8Array, dek: Uint8Array): Promise<Slot> => ({
  id: slot.share.slotId,
  kind: slot.kind,
  params: slot.params,
  generation: slot.generation,
  wrapped: encrypt(await wrappingKey(slot, secret), dek, slotBinding(slot)),
})

/**
 * The next generation of the slot table. A slot that a PRF opened is sealed to the next output's key whatever else
 * changes: the output that travelled opens nothing any more.
 */
const changedTable = async (dek: Uint8Array, proof: Proof, add: NewSlot[], remove: string[] = []) => {
  const { keyring, opens } = proof
  const generation = keyring.generation + 1
  const whose = { userId: keyring.userId, keyringId: keyring.id, generation }
  const kept: Slot[] = []
  for (const slot of keyring.slots.filter(({ id }) => !remove.includes(id)))
    if (opens.kind === 'prf' && slot.id === opens.slotId) {
      const share = shareOf(proof, slot.id)
      const { credential } = JSON.parse(slot.params) as PrfParams
      kept.push(await sealSlot({ ...whose, kind: 'prf', share }, credential, opens.next, dek))
    } else kept.push(slot)
  const { slots, recoveryCode } = await madeSlots(dek, whose, add)
  const next = { userId: keyring.userId, id: keyring.id, generation, slots: [...kept, ...slots] }
  const table: SlotTable = { generation, slots: next.slots, mac: slotTableMac(dek, next) }
  return { table, recoveryCode }
}

const slotBinding = (slot: Wrapping) =>
  binding('slot', slot.userId, slot.keyringId, slot.share.slotId, slot.kind, slot.params, slot.generation)

/** HKDF over what the person knows and what the server keeps apart from the database: neither alone is enough. */
const wrappingKey = async (slot: Wrapping, secret: Uint8Array): Promise<Uint8Array> => {
  const stretched = slot.kind === 'passphrase' ? await stretch(secret, slot.params) : Buffer.from(secret)
  try {
    const input = Buffer.concat([stretched, slot.share.secret])
    return new Uint8Array(hkdfSync('sha256', input, '', slotBinding(slot), 32))
  } finally {
    stretched.fill(0)
  }
}

const stretch = async (passphrase: Uint8Array, params: string): Promise<Buffer> => {
  const { memoryKiB, passes, salt } = JSON.parse(params) as {
    memoryKiB: number
    passes: number
    salt: string
  }
  const nonce = Buffer.from(salt, 'base64url')
  return promisify(argon2)('argon2id', {
    message: passphrase,
    nonce,
    memory: memoryKiB,
    passes,
    parallelism: 1,
    tagLength: 32,
  })
}

/** A PRF slot: HPKE in PSK mode (RFC 9180 §5.1.2), the server's share as the pre-shared key. */
const sealSlot = async (
  slot: Omit<Wrapping, 'params'>,
  credential: string,
  next: { salt: string; publicKey: Uint8Array },
  dek: Uint8Array,
): Promise<Slot> => {
  const recipient = Buffer.from(next.publicKey).toString('base64url')
  const params = JSON.stringify({ credential, salt: next.salt, recipient } satisfies PrfParams)
  const info = exact(Buffer.from(slotBinding({ ...slot, params })))
  try {
    const recipientPublicKey = await hpke.kem.deserializePublicKey(exact(next.publicKey))
    const sealed = await hpke.seal({ recipientPublicKey, info, psk: preShared(slot.share) }, exact(dek))
    const wrapped = Buffer.concat([Buffer.from(sealed.enc), Buffer.from(sealed.ct)])
    return { id: slot.share.slotId, kind: slot.kind, params, generation: slot.generation, wrapped }
  } catch (cause) {
    // A point of small order (RFC 9180 §7.1.4) makes a shared secret that everybody knows.
    throw new Refusal('prf-unusable', { cause })
  }
}

const preShared = ({ slotId, secret }: SlotSecret) => ({
  id: exact(Buffer.from(slotId)),
  key: exact(secret),
})

/** @returns null if the output is not that of the slot's salt */
const openPrfSlot = async (
  wrapping: Wrapping,
  slot: Slot,
  output: Uint8Array,
): Promise<Uint8Array | null> => {
  const scalar = hkdfSync('sha256', output, '', 'wafer/prf/v1', 32)
  try {
    const recipientKey = await hpke.kem.importKey('raw', scalar, false) // RFC 7748 §5
    const context = {
      recipientKey,
      enc: exact(slot.wrapped.subarray(0, encLength)),
      info: exact(Buffer.from(slotBinding(wrapping))),
      psk: preShared(wrapping.share),
    }
    return new Uint8Array(await hpke.open(context, exact(slot.wrapped.subarray(encLength))))
  } catch {
    return null
  } finally {
    new Uint8Array(scalar).fill(0)
  }
}

const shareOf = (proof: Proof, slotId: string): SlotSecret => {
  const share = proof.slotSecrets.find((each) => each.slotId === slotId)
  if (!share) throw new Error(`expected the server's share of slot ${slotId}, got none`)
  return share
}

const openSlot = async (proof: Proof): Promise<Uint8Array> => {
  const { keyring, opens } = proof
  // The kind is the database's, whatever was asked for: nothing opens a slot of another kind.
  const slot = keyring.slots.find(({ id, kind }) =>
    'slotId' in opens ? id === opens.slotId && kind === opens.kind : kind === opens.kind,
  )
  if (!slot) throw new Error(`expected a ${opens.kind} slot in keyring ${keyring.id}, got none`)
  const wrapping = { ...slot, userId: keyring.userId, keyringId: keyring.id, share: shareOf(proof, slot.id) }
  const unwrapped = async (secret: Uint8Array) =>
    decrypt(await wrappingKey(wrapping, secret), slot.wrapped, slotBinding(wrapping))
  switch (opens.kind) {
    case 'passphrase': {
      const dek = await unwrapped(opens.passphrase)
      opens.passphrase.fill(0)
      if (dek) return dek
      throw new Refusal('wrong-passphrase')
    }
    case 'recovery': {
      const code = codeOctets(opens.code)
      const dek = code && (await unwrapped(code))
      if (dek) return dek
      throw new Refusal('wrong-recovery-code')
    }
    case 'prf': {
      const dek = await openPrfSlot(wrapping, slot, opens.output)
      opens.output.fill(0)
      if (dek) return dek
      throw new Refusal('prf-opens-nothing')
    }
    case 'held': {
      const { credential } = JSON.parse(slot.params) as { credential: string }
      const dek = await unwrapped(Buffer.from(credential))
      if (dek) return dek
      throw new Refusal('held-opens-nothing')
    }
  }
}

const withProof = async <T>(proof: Proof, work: (dek: Uint8Array) => Promise<T>): Promise<T> => {
  const { keyring } = proof
  const dek = await openSlot(proof)
  try {
    if (!timingSafeEqual(slotTableMac(dek, keyring), keyring.mac))
      throw new Error(`expected the slot table that keyring ${keyring.id} was closed with, got another`)
    return await work(dek)
  } finally {
    dek.fill(0)
  }
}

/** Covers the slots in the order of their ids, each with its wrapped DEK, and the table's generation. */
const slotTableMac = (dek: Uint8Array, keyring: Omit<Keyring, 'mac'>): Buffer => {
  const key = Buffer.from(hkdfSync('sha256', dek, '', binding('slot-table', keyring.userId, keyring.id), 32))
  const ordered = keyring.slots.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const rows = ordered.map((slot) => [
    slot.id,
    slot.kind,
    slot.params,
    slot.generation,
    createHash('sha256').update(slot.wrapped).digest('hex'),
  ])
  return createHmac('sha256', key)
    .update(JSON.stringify([keyring.generation, rows]))
    .digest()
}

/** 128 bits in 26 letters and digits that cannot be taken for each other (Crockford's base 32). */
const printedCode = (code: Uint8Array): string => {
  let bits = BigInt(`0x${Buffer.from(code).toString('hex')}`) << 2n
  let text = ''
  for (let place = 0; place < 26; place += 1, bits >>= 5n) text = digits[Number(bits & 31n)] + text
  return text.match(/.{1,5}/g)!.join('-')
}

/**
 * The octets of a printed code as people type it: with letters of either case or width, in groups of any kind, and
 * with O, I and L for the digits that they are taken for (Crockford's base 32 has none of the three).
 *
 * @returns null if it is none, also where the two bits to spare at its end are not 0: a code has one spelling
 */
const codeOctets = (text: string): Buffer | null => {
  const plain = text.normalize('NFKC').toUpperCase()
  const letters = plain
    .replace(/[\s\p{Dash}]/gu, '')
    .replaceAll('O', '0')
    .replace(/[IL]/g, '1')
  if (!/^[0-9A-HJKMNP-TV-Z]{26}$/.test(letters)) return null
  let bits = 0n
  for (const letter of letters) bits = (bits << 5n) | BigInt(digits.indexOf(letter))
  if (bits & 3n) return null
  return Buffer.from((bits >> 2n).toString(16).padStart(32, '0'), 'hex')
}

const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

// ---- the seal between a keyring and a terminal

const encLength = 32 // X25519, RFC 9180 §7.1

const seal = async (recipient: Uint8Array, bound: string, dek: Uint8Array): Promise<Uint8Array> => {
  const recipientPublicKey = await hpke.kem.deserializePublicKey(exact(recipient))
  const sealed = await hpke.seal({ recipientPublicKey, info: exact(Buffer.from(bound)) }, exact(dek))
  return Buffer.concat([Buffer.from(sealed.enc), Buffer.from(sealed.ct)])
}

const unseal = async (opening: Opening): Promise<Uint8Array> => {
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
const exact = (octets: Uint8Array): ArrayBuffer => new Uint8Array(octets).buffer

// ---- secret keys at rest

/** A key with its secret half; `onCard` if some of its secrets are on a card, where they stay. */
type OpenKey = { key: openpgp.PrivateKey; onCard: boolean }

const sealedPair = async (
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
      sealedSecret: encrypt(dek, octets, binding('secret-key', userId, keyringId, fingerprint)),
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
const ownUsesOf = async (key: openpgp.PrivateKey, onCard = false): Promise<OwnUses> => {
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

const openSecret = async (dek: Uint8Array, userId: number, keyringId: string, key: SealedKey) => {
  const octets = decrypt(dek, key.sealedSecret, binding('secret-key', userId, keyringId, key.fingerprint))
  if (!octets) throw new Error(`expected key ${key.fingerprint} under its keyring's DEK, got something else`)
  return withDirectFlags(await openpgp.readPrivateKey({ binaryKey: octets, config: settings }))
}

/** The secret key with what its public half has learned. */
const openPair = async (dek: Uint8Array, userId: number, keyringId: string, pair: StoredPair) =>
  merged(await openSecret(dek, userId, keyringId, pair), await readCertificate(pair.publicKey))

/** Two copies of one key: what either knows, and the secrets of both. */
const united = async (stored: openpgp.PrivateKey, copy: openpgp.PrivateKey) => {
  const key = await merged(stored, copy)
  for (const part of copy.getKeys().filter(hasSecret)) {
    const known = key.getKeys().find((one) => one.getFingerprint() === part.getFingerprint())
    if (known && !hasSecret(known)) Object.assign(known, { keyPacket: packetOf(part) })
  }
  return key
}

/** The part that signs now: its secret is here, and the key allows it. A newer one without its secret stands back. */
const signingPart = async (key: openpgp.PrivateKey): Promise<Part | null> => {
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

const hasSecret = (part: Part) => !packetOf(part).isDummy()

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
const packetOf = (part: Part) => (part as unknown as { keyPacket: SecretPacket }).keyPacket

// ---- keys that are made, or come from elsewhere

const openpgpKeys = async (wanted: NewKey): Promise<{ keys: OpenKey[]; refused: RefusedKey[] }> => {
  if ('import' in wanted) return importedKeys(wanted.import.file, wanted.import.passphrase)
  const { name, address } = wanted.generate
  // Version 4 with the curve's older identifiers: gpg 2.2 reads no other kind.
  const { privateKey } = await openpgp.generateKey({
    type: 'ecc',
    curve: 'curve25519Legacy',
    userIDs: [{ name, email: address }],
    format: 'object',
    config: settings,
  })
  return { keys: [{ key: privateKey, onCard: false }], refused: [] }
}

/** The keys of a file that can be taken; the refusal of the first where none can. */
const importedKeys = async (file: Uint8Array, passphrase: Uint8Array) => {
  const keys: OpenKey[] = []
  const refused: RefusedKey[] = []
  let first: unknown = null
  for (const octets of secretKeysIn(file))
    try {
      keys.push(await importedKey(octets, passphrase))
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      first ??= error
      refused.push({ fingerprint: await fingerprintOf(octets), sentence: error.message })
    }
  if (keys.length === 0) throw first
  return { keys, refused }
}

const fingerprintOf = (octets: Uint8Array) =>
  openpgp.readPrivateKey({ binaryKey: octets, config: settings }).then(
    (key) => key.getFingerprint(),
    () => '',
  )

const badKey = (sentence: string, cause?: unknown) => new Refusal('bad-key', sentence, { cause })

const importedKey = async (octets: Uint8Array, passphrase: Uint8Array): Promise<OpenKey> => {
  demandKnownVersions(octets)
  let key: openpgp.PrivateKey
  try {
    key = await withDirectFlags(await openpgp.readPrivateKey({ binaryKey: octets, config: settings }))
  } catch (cause) {
    throw badKey('The key in the file is damaged, or of a kind that is not supported here.', cause)
  }
  const weakness = weaknessOf(key)
  if (weakness) throw badKey(`${weakness} This one cannot be imported.`)
  if (key.users.length === 0)
    throw badKey('This key names nobody. Give it a name first: gpg --edit-key KEY adduid')
  const onCard = withoutCards(key)
  const parts = key.getKeys().filter(hasSecret)
  if (parts.length === 0)
    throw badKey(
      onCard
        ? 'The secret of this key is on a card, and cannot be taken from there. Import a key that has its secret in the file.'
        : 'The secret of this key is not in the file. Export it where the secret is: gpg --armor --export-secret-keys',
    )
  await openParts(parts, passphrase)
  try {
    // Do the halves belong together, and does the key itself say what it is?
    for (const part of parts) await packetOf(part).validate()
    const { getPrimarySelfSignature } = unrevoked(key) as unknown as SelfSigned
    await getPrimarySelfSignature.call(unrevoked(key), null)
  } catch (cause) {
    throw badKey(
      'This key is damaged: its parts do not belong together, or it has not signed its name.',
      cause,
    )
  }
  const { decrypt: reads, sign } = await ownUsesOf(key, onCard)
  if ('not' in reads && 'not' in sign) throw badKey('This key can neither open mail nor sign.')
  return { key, onCard }
}

type SelfSigned = { getPrimarySelfSignature(this: unknown, date: null): Promise<unknown> }

/** The library would pass over parts that it does not know. */
const demandKnownVersions = (octets: Uint8Array) => {
  for (const { tag, body } of packets(octets)) {
    if (tag !== 5 && tag !== 7) continue
    const version = body[0]!
    if (version < 4)
      throw badKey(`This is a key of version ${version}, from the time of PGP 2: too weak to be imported.`)
    if (version === 5)
      throw badKey(
        'This is a key of version 5, which only some programs know. Version 4 and 6 can be imported.',
      )
  }
}

/** Marks what is on a card as missing. @returns whether something was */
const withoutCards = (key: openpgp.PrivateKey): boolean => {
  let onCard = false
  for (const part of key.getKeys()) {
    const packet = packetOf(part)
    const material = packet.unparseableKeyMaterial
    if (material) {
      // GnuPG's own specifier: 101, a hash, `GNU`, and 2 for a card.
      if (!Buffer.from(material.subarray(0, 16)).includes('GNU\x02')) throw badKey(oldProtection)
      onCard = true
      packet.makeDummy()
    } else if (!packet.isDummy() && ![0, 253, 254].includes(packet.s2kUsage)) throw badKey(oldProtection)
  }
  return onCard
}

const oldProtection =
  'The secret in the file is protected in a way that is not supported here. Set its passphrase anew with gpg ' +
  '(gpg --edit-key ADDRESS passwd) and export it again.'

/** @throws Refusal `wrong-passphrase`, `bad-key` for whatever else is in the way */
const openParts = async (parts: Part[], passphrase: Uint8Array) => {
  const config = { ...openpgp.config, ...settings } as openpgp.Config
  const typed = Buffer.from(passphrase).toString('utf8')
  // As it was typed, and as other systems write the same letters (Unicode normalization forms).
  const spellings = [...new Set([typed, typed.normalize('NFC'), typed.normalize('NFD')])]
  for (const part of parts.filter((one) => !packetOf(one).isDecrypted())) {
    let failure: unknown = null
    for (const spelling of spellings)
      try {
        await packetOf(part).decrypt(spelling, config)
        failure = null
        break
      } catch (error) {
        failure = error
      }
    if (failure === null) continue
    const isWrong = /Incorrect key passphrase/.test(chain(failure))
    if (isWrong && parts.some((one) => packetOf(one).isDecrypted()))
      throw badKey(
        'The passphrase opens a part of this key only: its parts have different ones. Give it one passphrase with gpg ' +
          '(gpg --edit-key ADDRESS passwd) and export it again.',
        failure,
      )
    if (isWrong)
      throw new Refusal('key-passphrase-wrong', {
        cause: failure,
      })
    if (/memory/i.test(chain(failure)))
      throw badKey(
        'The passphrase of the key in the file takes more memory to check than is given here.',
        failure,
      )
    throw badKey('The secret in the file is damaged.', failure)
  }
}

/** What openpgp.js may do with keys of strangers and of our own (facts measured for 6.3.2). */
const settings: openpgp.PartialConfig = {
  showVersion: false,
  showComment: false,
  aeadProtect: false,
  maxArgon2MemoryExponent: 16,
  allowMissingKeyFlags: false,
  minRSABits: 2047,
}

// ---- AES-256-GCM envelopes: version, nonce, ciphertext, tag

const binding = (...parts: (string | number)[]) => JSON.stringify(['wafer/v1', ...parts])

const encrypt = (key: Uint8Array, plain: Uint8Array, bound: string): Buffer => {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(bound))
  return Buffer.concat([Buffer.of(1), nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** @returns null if key, octets or what they are bound to do not belong together */
const decrypt = (key: Uint8Array, sealed: Uint8Array, bound: string): Buffer | null => {
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
