/**
 * Text of octets in whatever charset a mail names, or fails to name. A charset that is unknown, missing or plainly wrong
 * never loses the mail. The platform decodes what the Web knows (WHATWG encoding standard); a library adds what mail
 * has besides, the code pages of DOS and UTF-7; what is shifted by escapes (ISO-2022, HZ) is turned here into the
 * eight-bit form of the same set.
 */
import iconv from 'iconv-lite'
import { beginningOctets } from '../../ground/limits.ts'

const names: Record<string, string> = {
  utf8: 'utf-8',
  utf_8: 'utf-8',
  cp932: 'shift_jis',
  ms932: 'shift_jis',
  'windows-932': 'shift_jis',
  eucjp: 'euc-jp',
  cp51932: 'euc-jp',
  cp936: 'gbk',
  cp949: 'euc-kr',
  cp950: 'big5',
  'big5-eten': 'big5',
  'unicode-1-1-utf-8': 'utf-8',
  ucs2: 'utf-16',
  'ucs-2': 'utf-16',
  'iso-10646-ucs-2': 'utf-16',
  unicode: 'utf-16',
  'unicode-1-1-utf-7': 'utf-7',
  utf7: 'utf-7',
  macroman: 'macintosh',
}
const isoJapanese = /^(cs)?iso-?2022-?jp|^(cp)?5022[0-2]$|^jis(7)?$/
const isoKorean = /^(cs)?iso-?2022-?kr$/
const isoChinese = /^iso-?2022-?cn/
const hz = /^hz(-gb-?2312)?$/
/** No label, or one that mailers write by default, whatever the text is. */
const vagueLabel =
  /^(|us-?ascii|ascii|ansi_x3\.4.*|utf-?8|iso-?8859-1|unknown.*|x-unknown|x-user-defined|default|[78]bit|binary)$/
/** What the library is asked for: it also knows "charsets" such as base64. */
const libraryLabel =
  /^(cs|x-)?(utf-?(7|32)|cp-?\d|ibm-?\d|win(dows)?-?\d|iso[-_]?8859|koi8|mac|viscii|tcvn|armscii|georgian|hp-?roman8|rk1048|pt154)/

/** @param charset as the mail names it */
export const decodeText = (octets: Uint8Array, charset: string | undefined): string => {
  const given = (charset ?? '')
    .trim()
    .replace(/^["']|["']$/g, '')
    .toLowerCase()
  const label = names[given] ?? given
  if (isoJapanese.test(label)) return decodeJapanese(octets)
  if (isoKorean.test(label)) return decodeShifted(octets, { C: 'euc-kr' })
  if (isoChinese.test(label)) return decodeShifted(octets, { A: 'gbk' })
  if (hz.test(label)) return decodeHz(octets)
  const isVague = vagueLabel.test(label)
  const marked = label.startsWith('utf-16') || isVague ? utf16ByMark(octets) : null
  if (marked !== null) return marked
  if (label === 'utf-16')
    return new TextDecoder(looksBigEndian(octets) ? 'utf-16be' : 'utf-16le').decode(octets)
  // Japanese mail without a label, or with the label of the mailer's default.
  if (isVague && isSevenBitJapanese(octets)) return decodeJapanese(octets)
  if (isVague && !/^iso-?8859-1$/.test(label)) {
    const unicode = strictUtf8(octets)
    if (unicode !== null) return unicode
    if (label.startsWith('utf')) return new TextDecoder('utf-8').decode(octets)
    return new TextDecoder('windows-1252').decode(octets)
  }
  try {
    return new TextDecoder(label).decode(octets)
  } catch {
    if (libraryLabel.test(label) && iconv.encodingExists(label))
      return iconv.decode(Buffer.from(octets), label)
    return strictUtf8(octets) ?? new TextDecoder('windows-1252').decode(octets)
  }
}

/** In UTF-7 letters and digits spell markup: no HTML is read in it. */
export const isUtf7 = (charset: string | undefined): boolean => /utf-?7/i.test(charset ?? '')

const strict = (octets: Uint8Array, charset: string) => {
  try {
    return new TextDecoder(charset, { fatal: true }).decode(octets)
  } catch {
    return null
  }
}

export const strictUtf8 = (octets: Uint8Array) => strict(octets, 'utf-8')

/** A byte order mark is believed over the label, which names the other order often enough. */
const utf16ByMark = (octets: Uint8Array) => {
  if (octets[0] === 0xff && octets[1] === 0xfe) return new TextDecoder('utf-16le').decode(octets)
  if (octets[0] === 0xfe && octets[1] === 0xff) return new TextDecoder('utf-16be').decode(octets)
  return null
}

/** Without a mark RFC 2781 §4.3 has the high octet first, many programs the low one: in most texts it is the one that is zero. */
const looksBigEndian = (octets: Uint8Array) => {
  let high = 0
  let low = 0
  for (let i = 0; i + 1 < Math.min(octets.length, beginningOctets); i += 2) {
    if (octets[i] === 0) high++
    if (octets[i + 1] === 0) low++
  }
  return high >= low
}

/** A line ends in ASCII (RFC 1557, RFC 1922, RFC 1468), so that one lost escape costs one line. */
const isLineEnd = (octet: number) => octet === 10 || octet === 13

/**
 * ISO-2022-KR (RFC 1557) and ISO-2022-CN (RFC 1922): SO shifts to the set that `ESC $ )` and a letter chose, SI back.
 *
 * @param sets by that letter, the eight-bit charset of the same set; characters of another one become U+FFFD
 */
const decodeShifted = (octets: Uint8Array, sets: Record<string, string>): string => {
  const [usual] = Object.values(sets)
  const decoder = new TextDecoder(usual)
  const out = new Uint8Array(octets.length)
  let length = 0
  let isShifted = false
  let isKnown = true
  for (let i = 0; i < octets.length; i++) {
    const octet = octets[i]!
    if (octet === 0x1b && octets[i + 1] === 0x24 && octets[i + 3] !== undefined) {
      isKnown = octets[i + 2] === 0x29 && String.fromCharCode(octets[i + 3]!) in sets
      i += 3
    } else if (octet === 14 || octet === 15) {
      isShifted = octet === 14
    } else if (isShifted && octet > 0x20 && octet < 0x7f) {
      out[length++] = isKnown ? octet | 0x80 : 0xff // no character in either charset
    } else {
      if (isLineEnd(octet)) isShifted = false
      out[length++] = octet
    }
  }
  return decoder.decode(out.subarray(0, length))
}

/** HZ (RFC 1843): `~{` shifts to GB 2312, `~}` back; `~~` is a tilde, one at the end of a line joins it to the next. */
const decodeHz = (octets: Uint8Array): string => {
  const out = new Uint8Array(octets.length)
  let length = 0
  let isShifted = false
  for (let i = 0; i < octets.length; i++) {
    const octet = octets[i]!
    const next = octets[i + 1]
    if (octet === 0x7e && (next === 0x7b || next === 0x7d)) {
      isShifted = next === 0x7b
      i++
    } else if (octet === 0x7e && !isShifted && (next === 0x7e || next === 10)) {
      if (next === 0x7e) out[length++] = octet
      i++
    } else {
      if (isLineEnd(octet)) isShifted = false
      out[length++] = isShifted && octet > 0x20 && octet < 0x7f ? octet | 0x80 : octet
    }
  }
  return new TextDecoder('gbk').decode(out.subarray(0, length))
}

const isSevenBitJapanese = (octets: Uint8Array) => {
  const at = octets.indexOf(27)
  if (at < 0 || octets.some((octet) => octet > 127)) return false
  return /\x1b(\$[@B]|\$\(D|\(I)/.test(Buffer.from(octets.subarray(at)).toString('latin1'))
}

/**
 * ISO-2022-JP as it is practised: CP50220 with NEC row 13 and the IBM extensions (①㈱髙), half-width kana by escape,
 * by SO and in eight bits, JIS X 0212. Each line starts in ASCII (RFC 1468), so that one lost escape costs one line.
 * Everything goes through EUC-JP, whose table in the WHATWG encoding standard is the same superset.
 */
const decodeJapanese = (octets: Uint8Array): string => {
  if (!octets.includes(27)) {
    // No escape at all: the label is wrong.
    const other =
      strictUtf8(octets) ??
      (octets.includes(14) ? null : (strict(octets, 'shift_jis') ?? strict(octets, 'euc-jp')))
    if (other !== null && !octets.includes(14)) return other
  } else if (octets.some((octet) => octet > 127)) {
    const unicode = strictUtf8(octets)
    if (unicode !== null) return unicode
  }
  const out = new Uint8Array(octets.length * 3)
  let length = 0
  let set: 'ascii' | 'kanji' | 'extra' | 'kana' = 'ascii'
  let shifted = false
  for (let i = 0; i < octets.length; i++) {
    const octet = octets[i]!
    if (octet === 27) {
      const found = escapes.find(({ sequence }) =>
        sequence.every((expected, k) => octets[i + 1 + k] === expected),
      )
      if (found) {
        set = found.set
        i += found.sequence.length
        continue
      }
    }
    if (octet === 14 || octet === 15) {
      shifted = octet === 14
    } else if (octet === 10 || octet === 13) {
      set = 'ascii'
      shifted = false
      out[length++] = octet
    } else if (octet >= 0xa1 && octet <= 0xdf) {
      out.set([0x8e, octet], length)
      length += 2
    } else if ((shifted || set === 'kana') && octet >= 0x21 && octet <= 0x5f) {
      out.set([0x8e, octet | 0x80], length)
      length += 2
    } else if ((set === 'kanji' || set === 'extra') && octet >= 0x21 && octet <= 0x7e) {
      const second = octets[i + 1]
      if (second === undefined || second < 0x21 || second > 0x7e) {
        out[length++] = 63
        continue
      }
      if (set === 'extra') out[length++] = 0x8f
      out.set([octet | 0x80, second | 0x80], length)
      length += 2
      i++
    } else {
      out[length++] = octet < 0x80 ? octet : 63
    }
  }
  return new TextDecoder('euc-jp').decode(out.subarray(0, length))
}

const escapes = [
  { sequence: [0x28, 0x42], set: 'ascii' }, // ( B
  { sequence: [0x28, 0x4a], set: 'ascii' }, // ( J  JIS X 0201 Roman
  { sequence: [0x28, 0x48], set: 'ascii' }, // ( H  an old mistake for ( J
  { sequence: [0x28, 0x49], set: 'kana' }, // ( I
  { sequence: [0x24, 0x28, 0x44], set: 'extra' }, // $ ( D
  { sequence: [0x24, 0x28, 0x42], set: 'kanji' }, // $ ( B
  { sequence: [0x24, 0x42], set: 'kanji' }, // $ B
  { sequence: [0x24, 0x40], set: 'kanji' }, // $ @
] as const

export const latin1 = (octets: Uint8Array) =>
  Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('latin1')

/** The first characters of a text, none of them cut in two. */
export const cut = (text: string, length: number) => {
  const isBetween = /[\ud800-\udbff]/.test(text.charAt(length - 1))
  return text.slice(0, isBetween && text.length > length ? length - 1 : length).toWellFormed()
}

/**
 * Whether the charset, which nobody signed, leaves the ASCII of a signed text what it is. One that does not could be
 * put on the mail by anybody, and make another text of it.
 */
export const isReadAsSigned = (octets: Uint8Array, charset: string | undefined) => {
  const label = (charset ?? '').trim().replace(/^["']/, '').toLowerCase()
  if (
    /^(x-)?(cs)?(utf-?(16|32|7)|ucs|unicode(?!-1-1-utf-8)|iso-?10646|iso-?2022|hz|jis|(cp)?5022)/.test(label)
  )
    return false
  if (octets[0]! >= 0xfe && octets[1]! >= 0xfe) return false // a byte order mark of UTF-16
  // In Shift_JIS, Big5 and GBK a character may end in an octet of ASCII; text in UTF-8 is none of theirs.
  if (strictUtf8(octets) === null) return true
  const ascii = (text: string) => text.replace(/[^\x00-\x7f]+/g, '')
  return ascii(decodeText(octets, charset)) === ascii(latin1(octets))
}
