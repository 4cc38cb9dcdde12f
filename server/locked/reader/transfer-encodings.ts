/** Octets out of the encodings in which mail carries them: base64 and quoted-printable (RFC 2045 §6), uuencode. */
import { latin1 } from './charsets.ts'

const base64Digits = new Int8Array(256).fill(-1)
for (const [value, digit] of [
  ...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
].entries())
  base64Digits[digit.charCodeAt(0)] = value

/** Padding may stand anywhere: several encoded texts joined by a mailing list have each their own. */
export const decodeBase64 = (octets: Uint8Array): Uint8Array => {
  const out = new Uint8Array(Math.ceil(octets.length * 0.75))
  let length = 0
  let bits = 0
  let count = 0
  for (let i = 0; i < octets.length; i++) {
    const octet = octets[i]!
    const digit = base64Digits[octet]!
    if (digit < 0) {
      if (octet === 61) count = 0
      continue
    }
    bits = ((bits << 6) | digit) & 0xffff
    count += 6
    if (count >= 8) {
      count -= 8
      out[length++] = (bits >> count) & 255
    }
  }
  return out.subarray(0, length)
}

const hexDigit = (octet: number | undefined) => {
  if (octet === undefined) return -1
  if (octet >= 48 && octet <= 57) return octet - 48
  const upper = octet & 0xdf
  return upper >= 65 && upper <= 70 ? upper - 55 : -1
}

export const decodeQuotedPrintable = (octets: Uint8Array): Uint8Array => {
  const out = new Uint8Array(octets.length)
  let length = 0
  for (let i = 0; i < octets.length; i++) {
    const octet = octets[i]!
    if (octet !== 61) {
      out[length++] = octet
      continue
    }
    let end = i + 1
    while (octets[end] === 32 || octets[end] === 9) end++
    if (octets[end] === 13 && octets[end + 1] === 10) {
      i = end + 1
    } else if (octets[end] === 10 || end >= octets.length) {
      i = end
    } else {
      const high = hexDigit(octets[i + 1])
      const low = hexDigit(octets[i + 2])
      // Not an encoding after all (RFC 2045 §6.7): kept as it came.
      if (high < 0 || low < 0) out[length++] = octet
      else {
        out[length++] = high * 16 + low
        i += 2
      }
    }
  }
  return out.subarray(0, length)
}

type UuFile = { name: string; octets: Uint8Array; start: number; end: number }

/**
 * The files that stand in a text between `begin MODE NAME` and `end` (POSIX uuencode), and where. Lines that lost the
 * blanks at their end, or have a check character more, are met in the wild; of any other shape, it is prose.
 */
export const uuFilesOf = (octets: Uint8Array): UuFile[] => {
  const text = latin1(octets)
  const files: UuFile[] = []
  const begin = /^begin [0-7]{3,4} +([^\r\n]{1,500})\r?\n/gm
  for (let head = begin.exec(text); head && files.length < 100; head = begin.exec(text)) {
    if (head.index > 0 && octets[head.index - 1] !== 10) continue // `^` also holds after a lone CR
    const lines = uuLines(octets, begin.lastIndex)
    if (!lines) continue
    files.push({
      name: head[1]!.trim(),
      octets: decodeUuLines(octets, lines),
      start: head.index,
      end: lines.end,
    })
    begin.lastIndex = lines.end
  }
  return files
}

/** Where each line begins, how many octets they all make, and where the line after `end` begins; null if it is no such file. */
const uuLines = (octets: Uint8Array, from: number) => {
  const starts: number[] = []
  let size = 0
  for (let at = from; ; ) {
    const end = octets.indexOf(10, at)
    const stop = end < 0 ? octets.length : end
    const after = end < 0 ? stop : end + 1
    const first = octets[at]
    if (/^end[ \t\r]*$/.test(latin1(octets.subarray(at, Math.min(stop, at + 10)))))
      return { starts, size, end: after }
    if (end < 0 || first === undefined || first < 32 || first > 96) return null
    const count = (first - 32) & 63
    if (stop - at > 4 * Math.ceil(count / 3) + 4) return null
    starts.push(at)
    size += count
    at = after
  }
}

const decodeUuLines = (octets: Uint8Array, { starts, size }: { starts: number[]; size: number }) => {
  const out = new Uint8Array(size)
  let length = 0
  for (const start of starts) {
    const count = (octets[start]! - 32) & 63
    const stop = octets.indexOf(10, start)
    const digit = (at: number) => (at < stop && octets[at]! >= 32 ? octets[at]! - 32 : 0) & 63
    for (let at = start + 1, left = count; left > 0; at += 4, left -= 3) {
      const bits = (digit(at) << 18) | (digit(at + 1) << 12) | (digit(at + 2) << 6) | digit(at + 3)
      for (let shift = 16; shift > 16 - 8 * Math.min(3, left); shift -= 8)
        out[length++] = (bits >> shift) & 255
    }
  }
  return out
}
