/**
 * The slots of a keyring: each wraps the DEK for one way to open it. The table of them is covered by a MAC, checked
 * whenever one opens.
 */

import { argon2, createHash, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { Refusal } from '../../ground/refusal.ts'
import { codeOctets, printedCode } from './recovery-code.ts'
import { binding, openWithScalar, sealTo, unwrap, wrap } from './wrapping.ts'

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

/** What opens a keyring: what the person brings, the keyring as stored, and the server's shares. */
export type Attempt = { opens: Opens; keyring: Keyring; slotSecrets: SlotSecret[] }
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
export type Argon2Cost = { memoryKiB: number; passes: number }

export const withDek = async <T>(attempt: Attempt, work: (dek: Uint8Array) => Promise<T>): Promise<T> => {
  const { keyring } = attempt
  const dek = await openSlot(attempt)
  try {
    if (!timingSafeEqual(slotTableMac(dek, keyring), keyring.mac))
      throw new Error(`expected the slot table that keyring ${keyring.id} was closed with, got another`)
    return await work(dek)
  } finally {
    dek.fill(0)
  }
}

const openSlot = async (attempt: Attempt): Promise<Uint8Array> => {
  const { keyring, opens } = attempt
  // The kind is the database's, whatever was asked for: nothing opens a slot of another kind.
  const slot = keyring.slots.find(({ id, kind }) =>
    'slotId' in opens ? id === opens.slotId && kind === opens.kind : kind === opens.kind,
  )
  if (!slot) throw new Error(`expected a ${opens.kind} slot in keyring ${keyring.id}, got none`)
  const wrapping = {
    ...slot,
    userId: keyring.userId,
    keyringId: keyring.id,
    share: shareOf(attempt, slot.id),
  }
  const opened = async (secret: Uint8Array) =>
    unwrap(await wrappingKey(wrapping, secret), slot.wrapped, slotBinding(wrapping))
  switch (opens.kind) {
    case 'passphrase': {
      const dek = await opened(opens.passphrase)
      opens.passphrase.fill(0)
      if (dek) return dek
      throw new Refusal('wrong-passphrase')
    }
    case 'recovery': {
      const code = codeOctets(opens.code)
      const dek = code && (await opened(code))
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
      const dek = await opened(Buffer.from(credential))
      if (dek) return dek
      throw new Refusal('held-opens-nothing')
    }
  }
}

/**
 * The next generation of the slot table. A slot that a PRF opened is sealed to the next output's key whatever else
 * changes: the output that travelled opens nothing any more.
 */
export const changedTable = async (
  dek: Uint8Array,
  attempt: Attempt,
  add: NewSlot[],
  remove: string[] = [],
) => {
  const { keyring, opens } = attempt
  const generation = keyring.generation + 1
  const whose = { userId: keyring.userId, keyringId: keyring.id, generation }
  const kept: Slot[] = []
  for (const slot of keyring.slots.filter(({ id }) => !remove.includes(id)))
    if (opens.kind === 'prf' && slot.id === opens.slotId) {
      const share = shareOf(attempt, slot.id)
      const { credential } = JSON.parse(slot.params) as PrfParams
      kept.push(await wrapPrfSlot({ ...whose, kind: 'prf', share }, credential, opens.next, dek))
    } else kept.push(slot)
  const { slots, recoveryCode } = await madeSlots(dek, whose, add)
  const next = { userId: keyring.userId, id: keyring.id, generation, slots: [...kept, ...slots] }
  const table: SlotTable = { generation, slots: next.slots, mac: slotTableMac(dek, next) }
  return { table, recoveryCode }
}

type Wrapping = {
  userId: number
  keyringId: string
  generation: number
  kind: Slot['kind']
  params: string
  share: SlotSecret
}
type Whose = Pick<Wrapping, 'userId' | 'keyringId' | 'generation'>

export const madeSlots = async (dek: Uint8Array, whose: Whose, wanted: NewSlot[]) => {
  const slots: Slot[] = []
  let recoveryCode: string | null = null
  for (const slot of wanted) {
    const { kind, share } = slot
    if (kind === 'passphrase') {
      const params = JSON.stringify({ ...slot.argon2, salt: randomBytes(16).toString('base64url') })
      slots.push(await wrapSlot({ ...whose, kind, params, share }, slot.passphrase, dek))
    } else if (kind === 'prf') {
      slots.push(await wrapPrfSlot({ ...whose, kind, share }, slot.credential, slot.next, dek))
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
  wrapped: wrap(await wrappingKey(slot, secret), dek, slotBinding(slot)),
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

/** A PRF slot: HPKE in PSK mode (RFC 9180 §5.1.2), the server's share as the pre-shared key. */
const wrapPrfSlot = async (
  slot: Omit<Wrapping, 'params'>,
  credential: string,
  next: { salt: string; publicKey: Uint8Array },
  dek: Uint8Array,
): Promise<Slot> => {
  const recipient = Buffer.from(next.publicKey).toString('base64url')
  const params = JSON.stringify({ credential, salt: next.salt, recipient } satisfies PrfParams)
  try {
    const wrapped = await sealTo(next.publicKey, slotBinding({ ...slot, params }), dek, slot.share)
    return { id: slot.share.slotId, kind: slot.kind, params, generation: slot.generation, wrapped }
  } catch (cause) {
    // A point of small order (RFC 9180 §7.1.4) makes a shared secret that everybody knows.
    throw new Refusal('prf-unusable', { cause })
  }
}

/** @returns null if the output is not that of the slot's salt */
const openPrfSlot = async (
  wrapping: Wrapping,
  slot: Slot,
  output: Uint8Array,
): Promise<Uint8Array | null> => {
  const scalar = hkdfSync('sha256', output, '', 'wafer/prf/v1', 32)
  try {
    return await openWithScalar(scalar, slot.wrapped, slotBinding(wrapping), wrapping.share)
  } catch {
    return null
  } finally {
    new Uint8Array(scalar).fill(0)
  }
}

const shareOf = (attempt: Attempt, slotId: string): SlotSecret => {
  const share = attempt.slotSecrets.find((each) => each.slotId === slotId)
  if (!share) throw new Error(`expected the server's share of slot ${slotId}, got none`)
  return share
}

/** Covers the slots in the order of their ids, each with its wrapped DEK, and the table's generation. */
export const slotTableMac = (dek: Uint8Array, keyring: Omit<Keyring, 'mac'>): Buffer => {
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
