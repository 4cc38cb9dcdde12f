/**
 * OpenPGP as octets: the packet sequence, counted before the library sees a packet, and the settings of the library for
 * everything that came from outside.
 */
import { type AlgorithmInfo, config, enums } from 'openpgp'
import { mailOctetsLimit, openpgpLimits } from '../../ground/limits.ts'

// Settings of the library for everything that came from outside; a bomb or a guess costs a bounded amount.
config.maxDecompressedMessageSize = mailOctetsLimit
config.maxArgon2MemoryExponent = openpgpLimits.argon2MemoryExponent
config.allowUnauthenticatedMessages = false
config.allowUnauthenticatedStream = false
config.ignoreMalformedPackets = false
config.minRSABits = openpgpLimits.fewestRsaBits

/** For tests with old sample keys only: many published samples are signed with RSA of 1024 bits. */
export const allowShortRsaKeys = (bits: number) => {
  config.minRSABits = bits
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
    if (list.length >= openpgpLimits.packets) throw new Error('too many packets')
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
        if (++chunks > openpgpLimits.chunks) throw new Error('too many packets')
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

export const ignored = new Set([10, 12, 21]) // marker, trust, padding: §5.8, §5.10, §5.14

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

/** Name of a hash algorithm as RFC 3156 §5 writes it in micalg. */
export const micalg = (hash: number) => `pgp-${enums.read(enums.hash, hash)}`.toLowerCase()

/** As people say it: `RSA 3072`, `Ed25519`. */
export const algorithmName = ({ algorithm, bits, curve }: AlgorithmInfo): string => {
  if (bits) return `RSA ${bits}`
  const name = (curve ?? algorithm).replace(/legacy$/i, '')
  return name.charAt(0).toUpperCase() + name.slice(1)
}
