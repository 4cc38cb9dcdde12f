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
import { algorithmName } from './openpgp-packets.ts'
import { Refusal } from './refusal.ts'

/** A slot as it lies in the database. `secret` is the server's own share of its wrapping key. */
export type Slot = {
  id: string
  kind: 'passphrase' | 'recovery'
  /** JSON: `{memoryKiB, passes, salt}` of Argon2id, or `{}` */
  params: string
  generation: number
  wrapped: Uint8Array
}
export type SlotSecret = { slotId: string; secret: Uint8Array }
export type Keyring = { userId: number; id: string; generation: number; mac: Uint8Array; slots: Slot[] }
export type SealedKey = { fingerprint: string; sealedSecret: Uint8Array }
export type KeyPair = SealedKey & {
  publicKey: Uint8Array
  aliases: string[]
  algorithm: string
  createdAt: number
  expiresAt: number | null
}

/** What a passphrase opens: the keyring as stored and the server's shares. */
export type Passphrase = { passphrase: Uint8Array; keyring: Keyring; slotSecrets: SlotSecret[] }

/** What a key token opens, for one piece of work. Keys in order of trial; the first one signs. */
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

export type SessionKey = { algorithm: string | null; data: Uint8Array }

/** The keys, lent for the time of a callback. */
export interface OpenKeys {
  /**
   * Session keys of the message's recipient packets that are ours (RFC 9580 §5.1); passwords are never tried.
   *
   * @param message binary OpenPGP message
   * @returns none when nothing is for us; `algorithm` is null where the encrypted data says it itself (SEIPDv2)
   */
  unwrap(message: Uint8Array): Promise<SessionKey[]>
  /** Armored signature over the octets (RFC 9580 §10.4). */
  signDetached(octets: Uint8Array): Promise<string>
  /** The text in the cleartext signature framework (RFC 9580 §7). */
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
  argon2: { memoryKiB: number; passes: number }
  key: NewKey
}
export type NewKey =
  | { generate: { name: string; address: string } }
  /** As another program exported it. */
  | { import: { armored: string; passphrase: Uint8Array } }

/** A keyring with one key, a passphrase slot and a recovery slot. The recovery code is in no other place. */
export const createKeyring = async (
  wanted: NewKeyring,
): Promise<{ keyring: Keyring; key: KeyPair; recoveryCode: string }> => {
  const dek = randomBytes(32)
  try {
    const key = await sealedPair(dek, wanted.userId, wanted.keyringId, await openpgpKey(wanted.key))
    const code = randomBytes(16)
    const common = { userId: wanted.userId, keyringId: wanted.keyringId, generation: 1, dek }
    const params = JSON.stringify({ ...wanted.argon2, salt: randomBytes(16).toString('base64url') })
    const slots = [
      await wrapSlot({
        ...common,
        kind: 'passphrase',
        params,
        secret: wanted.passphrase,
        share: wanted.slots.passphrase,
      }),
      await wrapSlot({
        ...common,
        kind: 'recovery',
        params: '{}',
        secret: code,
        share: wanted.slots.recovery,
      }),
    ]
    const keyring = { userId: wanted.userId, id: wanted.keyringId, generation: 1, slots }
    return { keyring: { ...keyring, mac: slotTableMac(dek, keyring) }, key, recoveryCode: printedCode(code) }
  } finally {
    dek.fill(0)
  }
}

/**
 * Opens the keyring with the passphrase and seals its DEK to a waiting terminal's public half.
 *
 * @throws Refusal `wrong-passphrase`
 */
export const unlock = async (
  proof: Passphrase,
  recipient: Uint8Array,
  binding: string,
): Promise<{ sealedDek: Uint8Array }> =>
  withPassphrase(proof, async (dek) => ({ sealedDek: await seal(recipient, binding, dek) }))

/** Adds a key to a keyring that exists. @throws Refusal `wrong-passphrase`, `bad-key` */
export const addKey = (proof: Passphrase, key: NewKey): Promise<KeyPair> =>
  withPassphrase(proof, async (dek) =>
    sealedPair(dek, proof.keyring.userId, proof.keyring.id, await openpgpKey(key)),
  )

/** The secret keys, armored, protected with a passphrase of their own. @throws Refusal `wrong-passphrase` */
export const exportSecret = (
  proof: Passphrase,
  keys: SealedKey[],
  copyPassphrase: Uint8Array,
): Promise<string[]> =>
  withPassphrase(proof, async (dek) => {
    const passphrase = Buffer.from(copyPassphrase).toString('utf8')
    const armored: string[] = []
    for (const key of keys) {
      const privateKey = await openSecret(dek, proof.keyring.userId, proof.keyring.id, key)
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
    const signer = () => secret(opening.keys[0]!)
    return await work({
      unwrap: async (octets) => {
        const message = await openpgp.readMessage({ binaryMessage: octets, config: settings })
        const decryptionKeys = await Promise.all(opening.keys.map(secret))
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
          signingKeys: await signer(),
          detached: true,
          config: settings,
        }),
      signCleartext: async (text) =>
        openpgp.sign({
          message: await openpgp.createCleartextMessage({ text }),
          signingKeys: await signer(),
          config: settings,
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

const wrapSlot = async (slot: Wrapping & { secret: Uint8Array; dek: Uint8Array }): Promise<Slot> => ({
  id: slot.share.slotId,
  kind: slot.kind,
  params: slot.params,
  generation: slot.generation,
  wrapped: encrypt(await wrappingKey(slot, slot.secret), slot.dek, slotBinding(slot)),
})

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

const withPassphrase = async <T>(proof: Passphrase, work: (dek: Uint8Array) => Promise<T>): Promise<T> => {
  const { keyring } = proof
  const slot = keyring.slots.find(({ kind }) => kind === 'passphrase')
  const share = proof.slotSecrets.find(({ slotId }) => slotId === slot?.id)
  if (!slot || !share)
    throw new Error(`expected a passphrase slot with its share in keyring ${keyring.id}, got none`)
  const wrapping = { ...slot, userId: keyring.userId, keyringId: keyring.id, share }
  const key = await wrappingKey(wrapping, proof.passphrase)
  proof.passphrase.fill(0)
  const dek = decrypt(key, slot.wrapped, slotBinding(wrapping))
  if (!dek) throw new Refusal('wrong-passphrase', 'This is not the passphrase of your key.')
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
  for (let place = 0; place < 26; place += 1, bits >>= 5n)
    text = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'[Number(bits & 31n)] + text
  return text.match(/.{1,5}/g)!.join('-')
}

// ---- the seal between a keyring and a terminal

const seal = async (recipient: Uint8Array, bound: string, dek: Uint8Array): Promise<Uint8Array> => {
  const recipientPublicKey = await hpke.kem.deserializePublicKey(exact(recipient))
  const sealed = await hpke.seal({ recipientPublicKey, info: exact(Buffer.from(bound)) }, exact(dek))
  return Buffer.concat([Buffer.from(sealed.enc), Buffer.from(sealed.ct)])
}

const unseal = async (opening: Opening): Promise<Uint8Array> => {
  const recipientKey = await hpke.kem.deriveKeyPair(exact(opening.keyMaterial))
  opening.keyMaterial.fill(0)
  const encLength = 32 // X25519, RFC 9180 §7.1
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

const sealedPair = async (
  dek: Uint8Array,
  userId: number,
  keyringId: string,
  key: openpgp.PrivateKey,
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
    }
  } finally {
    octets.fill(0)
  }
}

const openSecret = async (dek: Uint8Array, userId: number, keyringId: string, key: SealedKey) => {
  const octets = decrypt(dek, key.sealedSecret, binding('secret-key', userId, keyringId, key.fingerprint))
  if (!octets) throw new Error(`expected key ${key.fingerprint} under its keyring's DEK, got something else`)
  return openpgp.readPrivateKey({ binaryKey: octets, config: settings })
}

const openpgpKey = async (key: NewKey): Promise<openpgp.PrivateKey> => {
  if ('import' in key) return importedKey(key.import.armored, key.import.passphrase)
  const { name, address } = key.generate
  // Version 4 with the curve's older identifiers: gpg 2.2 reads no other kind.
  const { privateKey } = await openpgp.generateKey({
    type: 'ecc',
    curve: 'curve25519Legacy',
    userIDs: [{ name, email: address }],
    format: 'object',
    config: settings,
  })
  return privateKey
}

const importedKey = async (armored: string, passphrase: Uint8Array): Promise<openpgp.PrivateKey> => {
  let key: openpgp.PrivateKey
  try {
    key = await openpgp.readPrivateKey({ armoredKey: armored, config: settings })
  } catch (cause) {
    throw new Refusal(
      'bad-key',
      'This is not an OpenPGP secret key, or one of a kind that is not supported.',
      { cause },
    )
  }
  for (const { algorithm, bits } of [key, ...key.subkeys].map((part) => part.getAlgorithmInfo())) {
    if (/elgamal|dsa$/i.test(algorithm) && !/^(ec|ed)dsa/i.test(algorithm))
      throw new Refusal('bad-key', 'Keys with DSA or Elgamal are too weak to be imported.')
    if (bits !== undefined && bits < 2047)
      throw new Refusal('bad-key', `RSA keys of ${bits} bits are too weak to be imported.`)
  }
  if (!key.isDecrypted()) {
    try {
      key = await openpgp.decryptKey({
        privateKey: key,
        passphrase: Buffer.from(passphrase).toString('utf8'),
        config: settings,
      })
    } catch (cause) {
      throw new Refusal('wrong-passphrase', 'This is not the passphrase of the key in the file.', { cause })
    }
  }
  try {
    const config = { ...openpgp.config, ...settings } as openpgp.Config
    // Do the halves belong together? (There at run time, missing in the library's types.)
    await (key as unknown as { validate(config: openpgp.Config): Promise<void> }).validate(config)
    await key.getSigningKey(undefined, new Date(), undefined, config)
    await key.getEncryptionKey(undefined, new Date(), undefined, config)
  } catch (cause) {
    throw new Refusal(
      'bad-key',
      'This key is damaged, revoked or expired, or cannot both sign and encrypt.',
      { cause },
    )
  }
  return key
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
