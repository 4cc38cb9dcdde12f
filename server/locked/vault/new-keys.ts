/** Keys that are made, or come from elsewhere: what a file may hold, and what is in the way of taking it. */

import * as openpgp from 'openpgp'
import { Refusal } from '../../ground/refusal.ts'
import { chain, type KeyPart, unrevoked, weaknessOf, withDirectFlags } from '../reader/certificates.ts'
import { secretKeysIn } from '../reader/key-files.ts'
import { packets } from '../reader/openpgp-packets.ts'
import { hasSecret, type OpenKey, ownUsesOf, packetOf, settings } from './keys-at-rest.ts'

export type NewKey =
  | { generate: { name: string; address: string } }
  /** A file as another program exported it: one key or several. */
  | { import: { file: Uint8Array; passphrase: Uint8Array } }
/** A key of a file that was not taken, and the sentence that says why. */
export type RefusedKey = { fingerprint: string; sentence: string }

export const openpgpKeys = async (wanted: NewKey): Promise<{ keys: OpenKey[]; refused: RefusedKey[] }> => {
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

const importedKey = async (octets: Uint8Array, passphrase: Uint8Array): Promise<OpenKey> => {
  demandKnownVersions(octets)
  let key: openpgp.PrivateKey
  try {
    key = await withDirectFlags(await openpgp.readPrivateKey({ binaryKey: octets, config: settings }))
  } catch (cause) {
    throw new Refusal('key-damaged', { cause })
  }
  const weakness = weaknessOf(key)
  if (weakness) throw new Refusal('key-weak', { values: { weakness } })
  if (key.users.length === 0) throw new Refusal('key-nameless')
  const onCard = withoutCards(key)
  const parts = key.getKeys().filter(hasSecret)
  if (parts.length === 0) throw new Refusal(onCard ? 'key-on-card' : 'key-without-secret')
  await openParts(parts, passphrase)
  try {
    // Do the halves belong together, and does the key itself say what it is?
    for (const part of parts) await packetOf(part).validate()
    const { getPrimarySelfSignature } = unrevoked(key) as unknown as SelfSigned
    await getPrimarySelfSignature.call(unrevoked(key), null)
  } catch (cause) {
    throw new Refusal('key-inconsistent', { cause })
  }
  const { decrypt: reads, sign } = await ownUsesOf(key, onCard)
  if ('not' in reads && 'not' in sign) throw new Refusal('key-useless')
  return { key, onCard }
}

type SelfSigned = { getPrimarySelfSignature(this: unknown, date: null): Promise<unknown> }

const fingerprintOf = (octets: Uint8Array) =>
  openpgp.readPrivateKey({ binaryKey: octets, config: settings }).then(
    (key) => key.getFingerprint(),
    () => '',
  )

/** The library would pass over parts that it does not know. */
const demandKnownVersions = (octets: Uint8Array) => {
  for (const { tag, body } of packets(octets)) {
    if (tag !== 5 && tag !== 7) continue
    const version = body[0]!
    if (version < 4) throw new Refusal('key-of-pgp-2', { values: { version } })
    if (version === 5) throw new Refusal('key-of-version-5')
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
      if (!Buffer.from(material.subarray(0, 16)).includes('GNU\x02')) throw new Refusal('key-protected-oddly')
      onCard = true
      packet.makeDummy()
    } else if (!packet.isDummy() && ![0, 253, 254].includes(packet.s2kUsage))
      throw new Refusal('key-protected-oddly')
  }
  return onCard
}

/** @throws Refusal `wrong-passphrase`, `bad-key` for whatever else is in the way */
const openParts = async (parts: KeyPart[], passphrase: Uint8Array) => {
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
      throw new Refusal('key-passphrases-differ', { cause: failure })
    if (isWrong)
      throw new Refusal('key-passphrase-wrong', {
        cause: failure,
      })
    if (/memory/i.test(chain(failure))) throw new Refusal('key-passphrase-dear', { cause: failure })
    throw new Refusal('key-secret-damaged', { cause: failure })
  }
}
