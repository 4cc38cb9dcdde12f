/**
 * OpenPGP as octets: armor, the packet sequence of a message, and opening its encrypted packet with a session key.
 *
 * openpgp.js parses, decrypts SEIPDv1 and verifies. Here is what it does too slowly or too kindly for received mail:
 * - armor is read natively, and tolerates what mailers do to it (a no-break space in the separator line);
 * - OCB and GCM run in node:crypto: openpgp.js needs a second of blocked process per MB of OCB, and the sender chooses;
 * - counts are limited before the library sees a packet.
 * What comes out has always been authenticated as a whole (MDC or AEAD, RFC 9580 §5.13); nothing is released before.
 */
import { createDecipheriv, hkdfSync } from 'node:crypto'
import { type AlgorithmInfo, config, enums, type Message, readMessage } from 'openpgp'
import type { SessionKey } from '../vault/secret-keys.ts'

// Settings of the library for everything that came from outside; a bomb or a guess costs a bounded amount.
config.maxDecompressedMessageSize = 25 * 1024 * 1024
config.maxArgon2MemoryExponent = 16
config.allowUnauthenticatedMessages = false
config.allowUnauthenticatedStream = false
config.ignoreMalformedPackets = false
config.minRSABits = 2047

/** For tests with old sample keys only: many published samples are signed with RSA of 1024 bits. */
export const allowShortRsaKeys = (bits: number) => {
  config.minRSABits = bits
}

const packetLimit = 10_000
const armorHeaderLimit = 100
const cleartextLimit = 4 * 1024 * 1024
const recipientLimit = 32

export type Armored = {
  /** `MESSAGE`, `SIGNED MESSAGE`, `SIGNATURE`, `PUBLIC KEY BLOCK`, `PRIVATE KEY BLOCK` */
  type: string
  /** Armor headers, names in lower case. */
  headers: Record<string, string>
  /** Where the block stands in the text: first character, and one after its last. */
  start: number
  end: number
  /** The packets; of a `SIGNED MESSAGE` those of its signature. */
  octets: Uint8Array
  /** Of a `SIGNED MESSAGE`: the signed lines joined by CRLF, dash-unescaped, without trailing blanks (§7.2); null where malformed or over 4 MiB. */
  signedText: string | null
}

// The separator may hold blanks (§6.2); mailers make them no-break spaces, here as Latin-1 or as the octets of UTF-8.
const isBlank = (line: string) => /^[ \t\r\xa0\xc2]*$/.test(line)

const armorBody = (text: string) => {
  const headers: Record<string, string> = {}
  let at = 0
  let count = 0
  for (;;) {
    const end = text.indexOf('\n', at)
    if (end < 0) break
    const line = text.slice(at, end)
    const header = /^([A-Za-z][\w-]*): ?(.*)$/s.exec(line)
    if (!isBlank(line) && !header) break // no separator line at all: data begins here
    at = end + 1
    if (!header) break
    if (++count <= armorHeaderLimit) headers[header[1]!.toLowerCase()] = header[2]!.trimEnd()
  }
  return { headers, at }
}

/** Base64 without its CRC line: §6.1 forbids to reject on it, and what is encrypted or signed has a better check. */
const radix64 = (text: string) => {
  const data = text.trimEnd()
  const crc = /(?:^|\n)[ \t\xa0\xc2]*=[A-Za-z0-9+/]{4}$/.exec(data.slice(-80))
  return new Uint8Array(Buffer.from(crc ? data.slice(0, data.length - crc[0].length) : data, 'base64'))
}

/**
 * The armored blocks of a text, in order (RFC 9580 §6.2, §7).
 *
 * @param text octets as a Latin-1 string, so that no charset is presumed
 */
export const armoredBlocks = (text: string): Armored[] => {
  const blocks: Armored[] = []
  const begin =
    /^-----BEGIN PGP (MESSAGE|SIGNED MESSAGE|SIGNATURE|PUBLIC KEY BLOCK|PRIVATE KEY BLOCK)-----[ \t\r\xa0\xc2]{0,80}$/gm
  const endless = new Set<string>() // no end of that type is ahead: a thousand beginnings must not each look for it
  for (let found = begin.exec(text); found && blocks.length < 100; found = begin.exec(text)) {
    const type = found[1]!
    const after = text.indexOf('\n', found.index) + 1
    if (!after) break
    if (endless.has(type)) continue
    const block = type === 'SIGNED MESSAGE' ? cleartext(text, after) : plainBlock(text, type, after)
    if (!block) {
      endless.add(type)
      continue
    }
    blocks.push({ type, start: found.index, ...block })
    begin.lastIndex = block.end
  }
  return blocks
}

const plainBlock = (text: string, type: string, after: number) => {
  const close = text.indexOf(`\n-----END PGP ${type}-----`, after - 1)
  if (close < 0) return null
  const inside = text.slice(after, close + 1)
  const { headers, at } = armorBody(inside)
  const end = lineEnd(text, close + 1)
  return { headers, end, octets: radix64(inside.slice(at)), signedText: null }
}

const cleartext = (text: string, after: number) => {
  const broken = { headers: {}, end: text.length, octets: new Uint8Array(), signedText: null }
  const signature = /^-----BEGIN PGP SIGNATURE-----[ \t\r]*$/gm
  signature.lastIndex = after
  const found = signature.exec(text)
  if (!found) return broken
  const tail = plainBlock(text, 'SIGNATURE', text.indexOf('\n', found.index) + 1 || text.length)
  if (!tail) return broken
  const result = { ...broken, end: tail.end, octets: tail.octets }
  if (found.index - after > cleartextLimit) return result
  const lines = text.slice(after, found.index).split('\n')
  lines.pop()
  // Only Hash may stand here (§7.1): with NotDashEscaped and the like, what is hashed is not what is read.
  let line = 0
  for (; line < lines.length && !isBlank(lines[line]!); line++) {
    if (!/^Hash: /i.test(lines[line]!)) return result
  }
  if (line === lines.length) return result
  const signed: string[] = []
  for (const raw of lines.slice(line + 1)) {
    if (raw.startsWith('-') && !raw.startsWith('- ')) return result // every such line must be escaped (§7.2)
    signed.push(withoutTrailingBlanks(raw.startsWith('- ') ? raw.slice(2) : raw))
  }
  return { ...result, signedText: signed.join('\r\n') }
}

/** By hand: the regular expression for it takes quadratic time on a long line of blanks. */
const withoutTrailingBlanks = (line: string) => {
  let end = line.length
  while (end > 0 && ' \t\r'.includes(line[end - 1]!)) end--
  return line.slice(0, end)
}

const lineEnd = (text: string, from: number) => {
  const end = text.indexOf('\n', from)
  return end < 0 ? text.length : end + 1
}

export type Packet = { tag: number; body: Uint8Array; start: number; end: number }

const dataPackets = new Set([8, 9, 11, 18, 20])

/**
 * The packet sequence (RFC 9580 §4.2), partial lengths joined.
 *
 * @throws Error where the framing is broken or there are more than 10,000 packets
 */
export const packets = (octets: Uint8Array): Packet[] => {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength)
  const list: Packet[] = []
  let at = 0
  let chunks = 0
  const take = (length: number) => {
    if (at + length > octets.length) throw new Error(`broken packet: wanted ${length} octets`)
    at += length
    return octets.subarray(at - length, at)
  }
  while (at < octets.length) {
    const start = at
    const first = octets[at++]!
    if (!(first & 0x80)) throw new Error('broken packet: no packet header')
    if (list.length >= packetLimit) throw new Error('too many packets')
    if (!(first & 0x40)) {
      const tag = (first >> 2) & 15
      const kind = first & 3
      if (kind === 3) {
        if (!dataPackets.has(tag)) throw new Error('broken packet: indeterminate length')
        list.push({ tag, body: take(octets.length - at), start, end: at })
        continue
      }
      const width = 1 << kind
      take(width)
      const at0 = at - width
      const length = width === 1 ? octets[at0]! : width === 2 ? view.getUint16(at0) : view.getUint32(at0)
      list.push({ tag, body: take(length), start, end: at })
      continue
    }
    const tag = first & 63
    const pieces: Uint8Array[] = []
    for (;;) {
      const one = take(1)[0]!
      if (one >= 224 && one < 255) {
        // §4.2.1.4: only data packets, the first chunk at least 512 octets.
        const size = 2 ** (one & 31)
        if (!dataPackets.has(tag) || (!pieces.length && size < 512))
          throw new Error('broken packet: partial length')
        if (++chunks > 1_000_000) throw new Error('too many packets')
        pieces.push(take(size))
        continue
      }
      let length = one
      if (one === 255) {
        take(4)
        length = view.getUint32(at - 4)
      } else if (one >= 192) {
        length = ((one - 192) << 8) + take(1)[0]! + 192
      }
      pieces.push(take(length))
      break
    }
    list.push({ tag, body: pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces), start, end: at })
  }
  return list
}

const ignored = new Set([10, 12, 21]) // marker, trust, padding: §5.8, §5.10, §5.14

/** What a sequence of packets is, by its first one; no judgement whether the rest is sound. */
export const kindOf = (octets: Uint8Array): 'encrypted' | 'message' | 'keys' | 'signature' | 'broken' => {
  let rest: Packet[]
  try {
    // The head is enough, and a long message must not be walked for a list row.
    rest = [firstPacket(octets)]
  } catch {
    return 'broken'
  }
  const tag = rest[0]!.tag
  if (tag === 1 || tag === 3 || tag === 9 || tag === 18 || tag === 20) return 'encrypted'
  if (tag === 4 || tag === 8 || tag === 11) return 'message'
  if (tag === 5 || tag === 6) return 'keys'
  if (tag === 2) return 'signature'
  return 'broken'
}

const firstPacket = (octets: Uint8Array): Packet => {
  let at = 0
  for (let count = 0; count < 100; count++) {
    const first = octets[at]
    if (first === undefined || !(first & 0x80)) break
    const tag = first & 0x40 ? first & 63 : (first >> 2) & 15
    if (!ignored.has(tag)) return { tag, body: octets, start: at, end: octets.length }
    // Ignored packets are short; their length is one octet in either format.
    const length = octets[at + 1]
    if (length === undefined || length >= 192) break
    at += 2 + length
  }
  throw new Error('broken packet: no packet header')
}

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
  const tried = recipients.slice(0, recipientLimit)
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
    const sealed = await readMessage({ binaryMessage: encrypted.forUnwrap })
    const keys = [{ data: key.data, algorithm: key.algorithm ?? undefined }]
    // The library wants the algorithm absent for SEIPDv2, which its types do not say.
    opened = (await (sealed as unknown as LowLevel).decrypt(
      undefined,
      undefined,
      keys,
    )) as Message<Uint8Array>
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

type Mode = { name: 'ocb' | 'gcm'; nonce: number }

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

const openChunks = (sealed: Uint8Array, key: Uint8Array, mode: Mode, chunkSize: number, parts: Chunking) => {
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
  const end = sealed.length - tagOctets
  if (end < 0) throw new Error('truncated message')
  let index = 0
  let total = 0
  for (let at = 0; at < end; index++) {
    const stop = Math.min(at + size + tagOctets, end)
    if (stop - at < tagOctets) throw new Error('truncated message')
    const chunk = sealed.subarray(at, stop - tagOctets)
    open(index, chunk, sealed.subarray(stop - tagOctets, stop), parts.associated(index))
    total += chunk.length
    at = stop
  }
  // The last tag covers the length: without it, whole chunks could be cut off.
  open(index, new Uint8Array(), sealed.subarray(end), parts.last(index, total))
  return new Uint8Array(Buffer.concat(plain))
}

/** Name of a hash algorithm as RFC 3156 §5 writes it in micalg. */
export const micalg = (hash: number) => `pgp-${enums.read(enums.hash, hash)}`.toLowerCase()

/** As people say it: `RSA 3072`, `Ed25519`. */
export const algorithmName = ({ algorithm, bits, curve }: AlgorithmInfo): string => {
  if (bits) return `RSA ${bits}`
  const name = (curve ?? algorithm).replace(/legacy$/i, '')
  return name.charAt(0).toUpperCase() + name.slice(1)
}
