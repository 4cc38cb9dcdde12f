/**
 * The vault: the only folder that touches a DEK or secret key material. It runs in child processes only
 * (child.ts) and is asked to unwrap, to sign, to wrap; there is no function that hands a key out.
 *
 * A user's secret keys lie wrapped under the keyring's random data key (DEK). The DEK is wrapped once per slot; the
 * table of slots is covered by a MAC under a DEK-derived key, so that no slot can be added, moved or swapped in
 * the database. To open a keyring for a terminal, the DEK is sealed to (HPKE, RFC 9180) the public half of that
 * terminal's key token; only a request that brings the token opens it again.
 */

import { randomBytes } from 'node:crypto'
import * as openpgp from 'openpgp'
import { Refusal } from '../../ground/refusal.ts'
import type { OpenKeys } from '../open-keys.ts'
import { unrevoked } from '../reader/certificates.ts'
import { lentIdentities, openIdentity, type WrappedIdentity } from './identity-keys.ts'
import {
  type KeyPair,
  openPair,
  openSecret,
  type StoredPair,
  settings,
  signingPart,
  united,
  type WrappedKey,
  wrappedPair,
} from './keys-at-rest.ts'
import { type Identity, type NewIdentity, sealedIdentities } from './new-identities.ts'
import { type NewKey, openpgpKeys, type RefusedKey } from './new-keys.ts'
import { writePkcs12 } from './pkcs12.ts'
import {
  type Argon2Cost,
  type Attempt,
  changedTable,
  type Keyring,
  madeSlots,
  type NewSlot,
  type SlotSecret,
  type SlotTable,
  slotTableMac,
  withDek,
} from './slots.ts'
import { openWithToken, type SealedToToken, sealTo } from './wrapping.ts'

export type NewKeyring = {
  userId: number
  keyringId: string
  passphrase: Uint8Array
  /** Ids and server's shares for the slots to be made. */
  slots: { passphrase: SlotSecret; recovery: SlotSecret }
  argon2: Argon2Cost
  /** What it begins with. */
  first: { key: NewKey } | { identity: NewIdentity }
}

/** A keyring with its first keys, a passphrase slot and a recovery slot. The recovery code is in no other place. */
export const createKeyring = async (
  wanted: NewKeyring,
): Promise<{
  keyring: Keyring
  keys: KeyPair[]
  refused: RefusedKey[]
  identities: Identity[]
  recoveryCode: string
}> => {
  const dek = randomBytes(32)
  try {
    const { userId, keyringId, first } = wanted
    const { keys: found, refused } = 'key' in first ? await openpgpKeys(first.key) : { keys: [], refused: [] }
    const keys: KeyPair[] = []
    for (const each of found) keys.push(await wrappedPair(dek, userId, keyringId, each))
    const identities = 'identity' in first ? sealedIdentities(dek, userId, keyringId, first.identity) : []
    const { passphrase, slots, argon2: cost } = wanted
    const whose = { userId, keyringId, generation: 1 }
    const made = await madeSlots(dek, whose, [
      { kind: 'passphrase', share: slots.passphrase, passphrase, argon2: cost },
      { kind: 'recovery', share: slots.recovery },
    ])
    const keyring = { userId, id: keyringId, generation: 1, slots: made.slots }
    const mac = slotTableMac(dek, keyring)
    return { keyring: { ...keyring, mac }, keys, refused, identities, recoveryCode: made.recoveryCode! }
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
  attempt: Attempt,
  recipient: Uint8Array,
  bound: string,
): Promise<{ sealedDek: Uint8Array; changed: SlotTable | null }> =>
  withDek(attempt, async (dek) => {
    const changed = attempt.opens.kind === 'prf' ? (await changedTable(dek, attempt, [])).table : null
    return { sealedDek: await sealTo(recipient, bound, dek), changed }
  })

/**
 * Takes slots away and adds others; the DEK stays, and no key is touched.
 *
 * @returns null where nothing changes; `recoveryCode` where a slot for one was made
 * @throws Refusal `wrong-passphrase`, `wrong-passkey`
 */
export const changeSlots = async (
  attempt: Attempt,
  change: { remove: string[]; add: NewSlot[] },
): Promise<{ changed: SlotTable | null; recoveryCode: string | null }> =>
  withDek(attempt, async (dek) => {
    const { remove, add } = change
    if (remove.length + add.length === 0 && attempt.opens.kind !== 'prf')
      return { changed: null, recoveryCode: null }
    const { table, recoveryCode } = await changedTable(dek, attempt, add, remove)
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
  attempt: Attempt,
  wanted: NewKey,
  known: StoredPair[],
): Promise<{ keys: KeyPair[]; refused: RefusedKey[] }> =>
  withDek(attempt, async (dek) => {
    const { userId, id } = attempt.keyring
    const { keys: found, refused } = await openpgpKeys(wanted)
    const keys: KeyPair[] = []
    for (const one of found) {
      const stored = known.find(({ fingerprint }) => fingerprint === one.key.getFingerprint())
      const key = stored ? await united(await openPair(dek, userId, id, stored), one.key) : one.key
      keys.push(await wrappedPair(dek, userId, id, { ...one, key }))
    }
    return { keys, refused }
  })

/** The secret keys, armored, protected with a passphrase of their own. @throws Refusal `wrong-passphrase` */
export const exportSecret = (
  attempt: Attempt,
  keys: StoredPair[],
  copyPassphrase: Uint8Array,
): Promise<string[]> =>
  withDek(attempt, async (dek) => {
    const passphrase = Buffer.from(copyPassphrase).toString('utf8')
    const armored: string[] = []
    for (const key of keys) {
      const privateKey = await openPair(dek, attempt.keyring.userId, attempt.keyring.id, key)
      armored.push((await openpgp.encryptKey({ privateKey, passphrase, config: settings })).armor())
    }
    return armored
  })

/** S/MIME identities for a keyring that exists. @throws Refusal `wrong-passphrase`, `bad-key` if none could be taken */
export const addIdentities = (attempt: Attempt, wanted: NewIdentity): Promise<Identity[]> =>
  withDek(attempt, async (dek) => sealedIdentities(dek, attempt.keyring.userId, attempt.keyring.id, wanted))

/** The same for one that a key token opens. */
export const addIdentitiesByToken = async (opening: Opening, wanted: NewIdentity): Promise<Identity[]> => {
  const dek = await openWithToken(opening)
  try {
    return sealedIdentities(dek, opening.userId, opening.keyringId, wanted)
  } finally {
    dek.fill(0)
  }
}

/** PKCS #12 files, one for each identity, protected with a passphrase of their own. @throws Refusal `wrong-passphrase` */
export const exportIdentities = (
  attempt: Attempt,
  identities: WrappedIdentity[],
  copyPassphrase: Uint8Array,
): Promise<Uint8Array[]> =>
  withDek(attempt, async (dek) =>
    identities.map((identity) => {
      const key = openIdentity(dek, attempt.keyring.userId, attempt.keyring.id, identity)
      return writePkcs12(key, [identity.certificate, ...identity.chain], copyPassphrase)
    }),
  )

/** What a key token opens, for one piece of work. Keys in order of trial; the first one that can signs. */
export type Opening = SealedToToken & {
  userId: number
  keyringId: string
  keys: WrappedKey[]
  identities: WrappedIdentity[]
}

/** Lends the keys that a key token opens. They are of no use after the callback has returned. */
export const withOpenKeys = async <T>(opening: Opening, work: (keys: OpenKeys) => Promise<T>): Promise<T> => {
  const dek = await openWithToken(opening)
  let lent = true
  try {
    const open = new Map<string, Promise<openpgp.PrivateKey>>()
    const requireLent = () => {
      if (!lent) throw new Error('expected a key within the callback that it was lent to, got a use after it')
    }
    const secret = (key: WrappedKey) => {
      requireLent()
      const found = open.get(key.fingerprint) ?? openSecret(dek, opening.userId, opening.keyringId, key)
      open.set(key.fingerprint, found)
      return found
    }
    const signing = async () => {
      for (const key of opening.keys) {
        const signingKeys = await secret(key)
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
      identities: lentIdentities(opening.identities, (identity) => {
        requireLent()
        return openIdentity(dek, opening.userId, opening.keyringId, identity)
      }),
    })
  } finally {
    lent = false
    dek.fill(0)
  }
}
