/**
 * ASCII armor as it comes in mail (RFC 9580 §6.2, §7): read natively, and tolerant of what mailers do to it, such as a
 * no-break space in the separator line.
 */
import { beginningOctets, openpgpLimits } from '../../ground/limits.ts'
import { latin1 } from './charsets.ts'
import { kindOf } from './openpgp-packets.ts'

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
  if (found.index - after > openpgpLimits.cleartextOctets) return result
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
    if (++count <= openpgpLimits.armorHeaders) headers[header[1]!.toLowerCase()] = header[2]!.trimEnd()
  }
  return { headers, at }
}

/** Base64 without its CRC line: §6.1 forbids to reject on it, and what is encrypted or signed has a better check. */
const radix64 = (text: string) => {
  const data = text.trimEnd()
  const crc = /(?:^|\n)[ \t\xa0\xc2]*=[A-Za-z0-9+/]{4}$/.exec(data.slice(-80))
  return new Uint8Array(Buffer.from(crc ? data.slice(0, data.length - crc[0].length) : data, 'base64'))
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

export const isArmored = (octets: Uint8Array) =>
  /^\s*-----BEGIN PGP /.test(latin1(octets.subarray(0, beginningOctets)))

/** What the octets of a file are, armored or not. */
export const armoredKind = (octets: Uint8Array): ReturnType<typeof kindOf> | 'cleartext' => {
  if (!isArmored(octets)) return kindOf(octets)
  const block = armoredBlocks(latin1(octets))[0]
  if (!block) return 'broken'
  return block.type === 'SIGNED MESSAGE' ? 'cleartext' : kindOf(block.octets)
}
