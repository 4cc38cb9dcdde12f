/**
 * OpenPGP messages (RFC 9580 §10.3): what an encrypted one consists of, and opening it with a session key.
 *
 * openpgp.js decrypts SEIPDv1. OCB and GCM run in node:crypto: the library needs a second of blocked process per MB of
 * OCB, and the sender chooses. What comes out has always been authenticated as a whole (MDC or AEAD, §5.13); nothing is
 * released before.
 */

import { createDecipheriv, hkdfSync } from 'node:crypto'
import { enums, type LiteralDataPacket, type Message, readMessage, type SignaturePacket } from 'openpgp'
import { openpgpLimits } from '../../ground/limits.ts'
import type { SessionKey } from '../open-keys.ts'
import { ignored, type Packet, packets } from './openpgp-packets.ts'

export type Encrypted = {
  /** The message with at most 32 recipient packets, those that name one of our keys first; for OpenKeys.unwrap. */
  forUnwrap: Uint8Array
  /** Whether a recipient packet names one of our keys. */
  isOurs: boolean
  /** Recipient packets that may be for us, those included that name nobody; none means that it is to others, or a password. */
  recipients: number
  data: Packet
}

/**
 * The encrypted message (RFC 9580 §10.3: session-key packets, then one encrypted packet, then nothing).
 *
 * @param ids our key ids, lower-case hex
 * @throws Error where the octets are anything else
 */
export const encryptedMessage = (octets: Uint8Array, ids: Set<string>): Encrypted => {
  const all = packets(octets).filter((packet) => !ignored.has(packet.tag) && packet.tag < 40)
  const data = all.at(-1)
  const keys = all.slice(0, -1)
  if (!data || ![18, 20].includes(data.tag) || keys.some((packet) => packet.tag !== 1 && packet.tag !== 3)) {
    throw new Error('not one encrypted message with integrity protection')
  }
  const possible = keys.filter((packet) => packet.tag === 1 && isTried(packet.body))
  const ours = possible.filter(({ body }) => ids.has(recipientOf(body)))
  const recipients = [...ours, ...possible.filter(({ body }) => recipientOf(body) === anybody)]
  const tried = recipients.slice(0, openpgpLimits.recipients)
  const forUnwrap = Buffer.concat([...tried, data].map((packet) => octets.subarray(packet.start, packet.end)))
  return { forUnwrap, isOurs: ours.length > 0, recipients: recipients.length, data }
}

const anybody = '0'.repeat(16)

/** The key id that a recipient packet names, or {@link anybody} (RFC 9580 §5.1.1, §5.1.2). */
const recipientOf = (body: Uint8Array): string => {
  const hex = (from: number, to: number) => Buffer.from(body.subarray(from, to)).toString('hex')
  if (body[0] === 3) return hex(1, 9)
  const length = body[1]!
  if (length === 0) return anybody
  // A key id is the end of a fingerprint of version 4, the beginning of a later one (§5.5.4).
  return body[2] === 4 ? hex(length - 6, 2 + length) : hex(3, 11)
}

/** Version 3 and 6; not Elgamal, whose small subgroups leak the key (the library itself would try). */
const isTried = (body: Uint8Array) => {
  if (body[0] !== 3 && body[0] !== 6) return false
  const algorithm = body[0] === 3 ? body[9] : body[2 + body[1]!]
  return algorithm !== 16 && algorithm !== 20
}

const symmetric: Record<string, number> = { aes128: 7, aes192: 8, aes256: 9 }
const keyOctets: Record<number, number> = { 7: 16, 8: 24, 9: 32 }

/** AEAD modes that node:crypto does: OCB (2) and GCM (3), with their nonce lengths (RFC 9580 §9.6). */
const native: Record<number, { name: 'ocb' | 'gcm'; nonce: number }> = {
  2: { name: 'ocb', nonce: 15 },
  3: { name: 'gcm', nonce: 12 },
}

type Mode = { name: 'ocb' | 'gcm'; nonce: number }

/**
 * Opens the encrypted packet with one session key.
 *
 * @returns the message inside, read by the library and sound in grammar: literal data, perhaps signed, perhaps compressed once
 * @throws Error for every way it can fail; the caller must not let them be told apart
 */
export const decryptWith = async (encrypted: Encrypted, key: SessionKey): Promise<Message<Uint8Array>> => {
  const { tag, body } = encrypted.data
  const mode = native[body[2]!]
  let opened: Message<Uint8Array>
  if (mode && tag === 18 && body[0] === 2) {
    opened = await readInner(openSeipd2(body, key, mode))
  } else if (mode?.name === 'ocb' && tag === 20 && body[0] === 1) {
    opened = await readInner(openPacket20(body, key, mode))
  } else {
    const whole = await readMessage({ binaryMessage: encrypted.forUnwrap })
    const keys = [{ data: key.data, algorithm: key.algorithm ?? undefined }]
    // The library wants the algorithm absent for SEIPDv2, which its types do not say.
    opened = (await (whole as unknown as LowLevel).decrypt(undefined, undefined, keys)) as Message<Uint8Array>
  }
  await settle(opened.packets as unknown as Settling)
  if (!opened.packets.length) throw new Error('empty message')
  return opened
}

type Settling = {
  stream: { getReader(): { read(): Promise<{ done: boolean; value: Settling[number] }> } } | null
  push(packet: unknown): void
  [index: number]: { packets?: Settling }
  length: number
}

/** The library reads up to the data and leaves the rest for later; here everything is read, and judged, at once. */
const settle = async (list: Settling): Promise<void> => {
  const reader = list.stream?.getReader()
  list.stream = null
  while (reader) {
    const { done, value } = await reader.read()
    if (done) break
    list.push(value)
  }
  for (let i = 0; i < list.length; i++) {
    const inner = list[i]!.packets
    if (inner?.length) await settle(inner)
  }
}

type LowLevel = { decrypt(keys: undefined, passwords: undefined, sessionKeys: object[]): Promise<unknown> }

const readInner = (plain: Uint8Array) => {
  packets(plain) // counted before the library meets them
  return readSettled(plain)
}

/** A message that is not encrypted, read to its end. */
export const readSettled = async (octets: Uint8Array): Promise<Message<Uint8Array>> => {
  const message = (await readMessage({ binaryMessage: octets })) as Message<Uint8Array>
  await settle(message.packets as unknown as Settling)
  return message
}

const openSeipd2 = (body: Uint8Array, key: SessionKey, mode: Mode) => {
  // RFC 9580 §5.13.2: message key and nonce prefix come from the session key and the salt.
  const [, cipher, , chunkSize] = body
  const salt = body.subarray(4, 36)
  const info = Uint8Array.of(0xd2, 2, cipher!, body[2]!, chunkSize!)
  const size = keyLength(cipher!, key)
  const derived = new Uint8Array(hkdfSync('sha256', key.data, salt, info, size + mode.nonce - 8))
  const prefix = derived.subarray(size)
  return openChunks(body.subarray(36), derived.subarray(0, size), mode, chunkSize!, {
    nonce: (index) => Buffer.concat([prefix, uint64(index)]),
    associated: () => info,
    last: (_, total) => Buffer.concat([info, uint64(total)]),
  })
}

const openPacket20 = (body: Uint8Array, key: SessionKey, mode: Mode) => {
  // LibrePGP §5.16, as GnuPG 2.3 and later write it: the session key itself, the nonce's end XORed with the index.
  const [, cipher, , chunkSize] = body
  if (key.algorithm !== null && symmetric[key.algorithm] !== cipher)
    throw new Error('cipher differs from the session key')
  keyLength(cipher!, key)
  const start = body.subarray(4, 4 + mode.nonce)
  const head = Uint8Array.of(0xd4, 1, cipher!, body[2]!, chunkSize!)
  return openChunks(body.subarray(4 + mode.nonce), key.data, mode, chunkSize!, {
    nonce: (index) => {
      const nonce = Buffer.from(start)
      const counter = uint64(index)
      for (let i = 0; i < 8; i++) nonce[mode.nonce - 8 + i]! ^= counter[i]!
      return nonce
    },
    associated: (index) => Buffer.concat([head, uint64(index)]),
    last: (index, total) => Buffer.concat([head, uint64(index), uint64(total)]),
  })
}

const keyLength = (cipher: number, key: SessionKey) => {
  const size = keyOctets[cipher]
  if (size === undefined || key.data.length !== size) throw new Error('session key does not fit the cipher')
  return size
}

const uint64 = (value: number) => {
  const octets = Buffer.alloc(8)
  octets.writeBigUInt64BE(BigInt(value))
  return octets
}

type Chunking = {
  nonce: (index: number) => Uint8Array
  associated: (index: number) => Uint8Array
  last: (index: number, total: number) => Uint8Array
}

const tagOctets = 16

const openChunks = (chunks: Uint8Array, key: Uint8Array, mode: Mode, chunkSize: number, parts: Chunking) => {
  if (chunkSize > 16) throw new Error('chunk size too large') // §5.13.2
  const size = 2 ** (chunkSize + 6)
  const cipher = `aes-${key.length * 8}-${mode.name}` as 'aes-256-gcm'
  const plain: Uint8Array[] = []
  const open = (index: number, chunk: Uint8Array, tag: Uint8Array, associated: Uint8Array) => {
    const decipher = createDecipheriv(cipher, key, parts.nonce(index), { authTagLength: tagOctets })
    decipher.setAAD(associated)
    decipher.setAuthTag(tag)
    // OCB hands its last octets out in final(), and throws there if the tag is wrong.
    plain.push(decipher.update(chunk), decipher.final())
  }
  const end = chunks.length - tagOctets
  if (end < 0) throw new Error('truncated message')
  let index = 0
  let total = 0
  for (let at = 0; at < end; index++) {
    const stop = Math.min(at + size + tagOctets, end)
    if (stop - at < tagOctets) throw new Error('truncated message')
    const chunk = chunks.subarray(at, stop - tagOctets)
    open(index, chunk, chunks.subarray(stop - tagOctets, stop), parts.associated(index))
    total += chunk.length
    at = stop
  }
  // The last tag covers the length: without it, whole chunks could be cut off.
  open(index, new Uint8Array(), chunks.subarray(end), parts.last(index, total))
  return new Uint8Array(Buffer.concat(plain))
}

export const literalAndSignatures = (message: Message<Uint8Array>) => {
  const { packets: list } = unwrapCompressed(message)
  const literals = list.filterByTag(enums.packet.literalData) as unknown as LiteralDataPacket[]
  if (literals.length !== 1) return null
  const signatures = list.filterByTag(enums.packet.signature) as unknown as SignaturePacket[]
  return { literal: literals[0]!, signatures }
}

// There at run time, missing in the library's types.
export const octetsOf = (literal: LiteralDataPacket) =>
  (literal as unknown as { getBytes(): Uint8Array }).getBytes()
const unwrapCompressed = (message: Message<Uint8Array>) =>
  (message as unknown as { unwrapCompressed(): Message<Uint8Array> }).unwrapCompressed()
