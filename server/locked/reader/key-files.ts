/**
 * Key files as people have them: saved by a shell as UTF-16, with a byte order mark, indented or quoted in a mail,
 * several keys in one block, binary. Here the packets of each key are found, and what else lies in the file is called
 * by its name, so that who took the wrong file knows which one to take.
 */
import { keyFileLimit, keysOfFile } from '../../ground/limits.ts'
import { Refusal } from '../../ground/refusal.ts'
import { armoredBlocks } from './armored-blocks.ts'
import { packets } from './openpgp-packets.ts'

/** One transferable secret key (RFC 9580 §10.2) each. @throws Refusal `bad-key` that says what the file is instead */
export const secretKeysIn = (file: Uint8Array): Uint8Array[] => {
  if (file.length === 0) throw new Refusal('key-file-empty')
  if (file.length > keyFileLimit)
    throw new Refusal('key-file-large', { values: { limitMiB: keyFileLimit / 1024 / 1024 } })
  const text = plainText(file)
  const blocks = armoredBlocks(text)
  const sources = blocks.filter(({ type }) => type === 'PRIVATE KEY BLOCK').map(({ octets }) => octets)
  if (blocks.length === 0 && file[0]! & 0x80 && !isUtf16(file)) sources.push(file)
  if (sources.length === 0) throw new Refusal(otherwise(text, new Set(blocks.map(({ type }) => type))))
  const keys = sources.flatMap((source) => split(source, 5))
  if (keys.length > keysOfFile) throw new Refusal('key-file-of-many', { values: { limit: keysOfFile } })
  if (keys.length > 0) return keys
  if (sources.some((source) => split(source, 6).length > 0)) throw new Refusal('key-file-public')
  throw new Refusal('key-file-without-key')
}

/** Of armored text the packets of its blocks, of binary these themselves; each certificate, or signature alone. */
export const publicPacketsIn = (octets: Uint8Array): Uint8Array[] => {
  const blocks = armoredBlocks(plainText(octets)).filter(({ type }) => type === 'PUBLIC KEY BLOCK')
  return blocks.length ? blocks.map((block) => block.octets) : [octets]
}

/** Cuts before each packet of the tag and before each key of another kind: a broken one must not take others with it. */
export const split = (octets: Uint8Array, tag: 5 | 6): Uint8Array[] => {
  let list: ReturnType<typeof packets>
  try {
    list = packets(octets)
  } catch {
    return []
  }
  const starts = list.filter((packet) => packet.tag === 5 || packet.tag === 6)
  return starts.flatMap((packet, index) =>
    packet.tag === tag ? [octets.subarray(packet.start, starts[index + 1]?.start ?? octets.length)] : [],
  )
}

const isUtf16 = (file: Uint8Array) =>
  (file[0] === 0xff && file[1] === 0xfe) || (file[0] === 0xfe && file[1] === 0xff)

/** The text of a file, each octet a character, without what shells, editors and mailers put around it. */
const plainText = (file: Uint8Array): string => {
  const octets = Buffer.from(file.buffer, file.byteOffset, file.byteLength)
  const head = octets.subarray(0, 64)
  const [little, big] = [1, 0].map((odd) => head.every((octet, at) => at % 2 !== odd || octet === 0))
  let text = octets.toString('latin1')
  if ((octets[0] === 0xff && octets[1] === 0xfe) || little) text = octets.toString('utf16le')
  else if ((octets[0] === 0xfe && octets[1] === 0xff) || big)
    text = Buffer.from(octets.subarray(0, octets.length & ~1))
      .swap16()
      .toString('utf16le')
  text = text.replace(/^(\ufeff|\xef\xbb\xbf)/, '').replace(/\r\n?/g, '\n')
  // Indented, or quoted in a mail: as much as stands before BEGIN goes away at each line.
  const before = /^([ \t>|]{1,20})-----BEGIN PGP /m.exec(text)?.[1]
  return before ? text.replaceAll(`\n${before}`, '\n').replace(before, '') : text
}

/** What a file is that is no secret key. */
const otherwise = (text: string, types: Set<string>) => {
  if (types.has('PUBLIC KEY BLOCK')) return 'key-file-public'
  if (types.has('MESSAGE')) return 'key-file-encrypted'
  if (types.size) return 'key-file-signed-text'
  if (/-----BEGIN PGP PRIVATE KEY BLOCK-----/.test(text)) return 'key-file-cut-off'
  if (/-----BEGIN (OPENSSH|RSA|EC|DSA) PRIVATE KEY-----|^PuTTY-User-Key-File/m.test(text))
    return 'key-file-of-ssh'
  if (/-----BEGIN (ENCRYPTED )?(PRIVATE KEY|CERTIFICATE)-----/.test(text)) return 'key-file-of-tls'
  if (/\(\d*:?(shadowed-|protected-)?private-key/.test(text)) return 'key-file-of-gnupg-store'
  if (/AGE-SECRET-KEY-/i.test(text)) return 'key-file-of-age'
  return 'key-file-of-something'
}
