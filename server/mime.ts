/**
 * Mail as octets: one tree of entities (RFC 5322, 2045-2047, 2231), from which everything that people see and
 * everything that a signature covers is taken. There is no second parser beside it: where two disagree about what
 * a part is, a signature can be shown over text that it does not cover.
 *
 * Nothing here throws on mail. What cannot be understood is shown as it came; what exceeds a limit stays one opaque
 * part. Attackers write this input: limits are on nesting, parts, header size and scanned delimiters.
 */
import { convert } from 'html-to-text'
import { addressParser } from 'postal-mime'
import { searchTextOctets } from './limits.ts'
import { armoredBlocks, kindOf } from './openpgp-packets.ts'
import { indexed } from './search-words.ts'

const nestingLimit = 100
const partLimit = 1000
const headerLimit = 102_400 // octets; as Postfix
const delimiterLimit = 20_000
const boundaryLimit = 1000 // RFC 2046 §5.1.1 allows 70
const scanLimit = 512 * 1024 * 1024 // octets searched for delimiters, of all nested multiparts together
const unwrapLimit = 64 * 1024 * 1024 // octets of attached messages in a transfer encoding, all together
/** Characters of text, and of HTML, that are given out. */
export const textLimit = 1_000_000
const decodeLimit = 4 * textLimit // octets that can make so many characters
const tagLimit = 50_000
const legacyDisplayLimit = 65_536

/** Last line of a text that is longer than what is shown. */
export const restIsElsewhere =
  '[This mail is longer than what is shown here. The rest is in its source and its attachments.]'

export type Part = { id: string; name: string; type: string; size: number }
export type Address = { name: string; address: string }

export type Summary = {
  sender: string
  recipients: string
  subject: string
  sentAt: number | null
  messageId: string | null
  attachments: number
  security: 'plain' | 'encrypted' | 'signed'
  /** The addresses of From, at most a hundred. */
  from: string[]
  searchText: string
}
/** A summary with the words for the full-text index in place of the text. */
export type Row = Omit<Summary, 'searchText'> & {
  index: { sender: string; recipients: string; subject: string; body: string }
}

/** A header field; the value is unfolded, otherwise as it came, one character an octet. */
export type Field = { name: string; value: string }
export type Parameters = Map<string, string>

export type Entity = {
  /** Path of the parts from the root: '2', '1.2'. A root that is a multipart has ''; one without parts '1'. */
  id: string
  /** Header and body, as they came: what a signature around this entity covers. */
  octets: Uint8Array
  fields: Field[]
  /** Body octets, transfer encoding not undone. */
  body: Uint8Array
  type: string
  parameters: Parameters
  disposition: string
  /** File name as the sender gave it, decoded; '' for none. Never a path. */
  fileName: string
  children: Entity[]
}

type Budget = { parts: number; delimiters: number; scanned: number; unwrapped: number }

/** The tree of a whole mail, or of the entity that encryption carried. */
export const parseMail = (octets: Uint8Array): Entity =>
  parseEntity(withoutMboxLine(octets), '', 0, 'text/plain', {
    parts: 0,
    delimiters: 0,
    scanned: 0,
    unwrapped: 0,
  })

/** An entity made here, for decrypted text that has no header of its own. */
export const leafOf = (body: Uint8Array, type: string, charset: string, fileName: string): Entity => ({
  id: '1',
  octets: body,
  fields: [],
  body,
  type,
  parameters: new Map(charset ? [['charset', charset]] : []),
  disposition: fileName ? 'attachment' : '',
  fileName,
  children: [],
})

const withoutMboxLine = (octets: Uint8Array) => {
  if (!latin1(octets.subarray(0, 5)).startsWith('From ')) return octets
  const end = octets.indexOf(10)
  return end < 0 ? octets : octets.subarray(end + 1)
}

const parseEntity = (
  octets: Uint8Array,
  id: string,
  depth: number,
  fallbackType: string,
  budget: Budget,
): Entity => {
  const { fields, body } = splitHeader(octets)
  const content = parseParameters(fieldOf(fields, 'content-type') ?? '')
  const disposition = parseParameters(fieldOf(fields, 'content-disposition') ?? '')
  const named = /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+*-]+$/.test(content.value)
  const entity: Entity = {
    id: id || '1',
    octets,
    fields,
    body,
    // "text" alone and the like are no type (RFC 2045 §5.2: treat as text/plain).
    type: named
      ? content.value
      : content.value && !/^text$/.test(content.value)
        ? 'text/plain'
        : fallbackType,
    parameters: content.parameters,
    disposition: disposition.value,
    fileName: fileNameOf(disposition.parameters.get('filename') || content.parameters.get('name') || ''),
    children: [],
  }
  if (depth >= nestingLimit || budget.parts >= partLimit) return entity
  if (entity.type.startsWith('multipart/')) {
    const pieces = splitParts(body, content.parameters.get('boundary') ?? '', budget)
    if (!pieces.length) {
      // No delimiter anywhere: what is there is shown as text rather than lost.
      entity.type = 'text/plain'
      return entity
    }
    entity.id = id
    const childType = entity.type === 'multipart/digest' ? 'message/rfc822' : 'text/plain' // RFC 2046 §5.1.5
    // All at once: else each of a hundred levels could have a thousand.
    budget.parts += pieces.length
    entity.children = pieces.map((piece, index) =>
      parseEntity(piece, id ? `${id}.${index + 1}` : `${index + 1}`, depth + 1, childType, budget),
    )
  } else if (entity.type === 'message/rfc822' || entity.type === 'message/global') {
    // RFC 2045 §6.4 forbids to encode these; who does it a hundred times wants the memory.
    if (isEncoded(entity)) budget.unwrapped += body.length
    if (budget.unwrapped > unwrapLimit) return entity
    budget.parts++
    const inner = withoutMboxLine(contentOf(entity))
    const child = parseEntity(inner, `${entity.id}.1`, depth + 1, 'text/plain', budget)
    entity.children = [child]
  }
  return entity
}

const latin1 = (octets: Uint8Array) =>
  Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('latin1')

const splitHeader = (octets: Uint8Array): { fields: Field[]; body: Uint8Array } => {
  const buffer = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength)
  if (octets[0] === 10) return { fields: [], body: octets.subarray(1) }
  if (octets[0] === 13 && octets[1] === 10) return { fields: [], body: octets.subarray(2) }
  let end = buffer.indexOf(10)
  while (end >= 0 && buffer[end + 1] !== 10 && !(buffer[end + 1] === 13 && buffer[end + 2] === 10))
    end = buffer.indexOf(10, end + 1)
  const bodyAt = end < 0 ? octets.length : end + (buffer[end + 1] === 10 ? 2 : 3)
  if (end < 0) end = octets.length
  const text = buffer.toString('latin1', 0, Math.min(end + 1, headerLimit))
  const lines = text.split('\n')
  // A part that starts with something else than a field has no header: its first line must not vanish.
  if (!/^[!-9;-~]+[ \t]*:/.test(lines[0]!) && !/^[ \t\r]*$/.test(lines[0]!))
    return { fields: [], body: octets }
  const fields: Field[] = []
  for (const raw of lines) {
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw
    const last = fields.at(-1)
    if (/^[ \t]/.test(line)) {
      if (last) last.value += line
      continue
    }
    const field = /^([!-9;-~]+)[ \t]*:(.*)$/s.exec(line)
    if (field) fields.push({ name: field[1]!.toLowerCase(), value: field[2]! })
  }
  for (const field of fields) field.value = field.value.trim()
  return { fields, body: octets.subarray(bodyAt) }
}

/** The first field of that name; its value as it came. */
export const fieldOf = (fields: Field[], name: string) => fields.find((field) => field.name === name)?.value

const splitParts = (body: Uint8Array, boundary: string, budget: Budget): Uint8Array[] => {
  budget.scanned += body.length
  if (!boundary || boundary.length > boundaryLimit || budget.scanned > scanLimit) return []
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const delimiter = Buffer.from(`--${boundary}`, 'latin1')
  const pieces: Uint8Array[] = []
  let from = -1
  let at = buffer.indexOf(delimiter)
  for (; at >= 0; at = buffer.indexOf(delimiter, at + delimiter.length)) {
    if (++budget.delimiters > delimiterLimit || budget.parts + pieces.length >= partLimit) break
    if (at > 0 && buffer[at - 1] !== 10) continue
    // The whole line must be the delimiter (RFC 2046 §5.1.1), or "--a" would end the parts of "--ab".
    const lineEnd = buffer.indexOf(10, at)
    const stop = lineEnd < 0 ? buffer.length : lineEnd
    if (stop - at > delimiter.length + 200) continue
    const rest = /^(--)?[ \t]*\r?$/.exec(buffer.toString('latin1', at + delimiter.length, stop))
    if (!rest) continue
    if (from >= 0) pieces.push(body.subarray(from, Math.max(from, beforeLineEnd(buffer, at))))
    from = lineEnd < 0 ? buffer.length : lineEnd + 1
    if (rest[1]) return pieces
  }
  if (from >= 0 && from < body.length) pieces.push(body.subarray(from))
  return pieces
}

/** The line break before a delimiter belongs to the delimiter. */
const beforeLineEnd = (buffer: Buffer, at: number) => {
  if (at > 0 && buffer[at - 1] === 10) at--
  if (at > 0 && buffer[at - 1] === 13) at--
  return at
}

/** `value; name=value`: RFC 2045 §5.1 with the continuations and charsets of RFC 2231 §3-4. Names in lower case. */
export const parseParameters = (field: string): { value: string; parameters: Parameters } => {
  const semicolon = field.indexOf(';')
  const value = (semicolon < 0 ? field : field.slice(0, semicolon))
    .replace(/\([^()]*\)/g, '')
    .trim()
    .toLowerCase()
  const raw = new Map<string, string>()
  // A comma where a semicolon belongs is met in the wild.
  const each = /[;,]\s*([^\s=;,"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|([^;\s]*))/gs
  const text = semicolon < 0 ? '' : field.slice(semicolon)
  for (let found = each.exec(text); found && raw.size < 200; found = each.exec(text)) {
    const name = found[1]!.toLowerCase()
    const given = found[2] === undefined ? found[3]! : found[2].replace(/\\(.)/g, '$1')
    if (!raw.has(name)) raw.set(name, given)
  }
  const parameters: Parameters = new Map()
  const base = (name: string) => name.replace(/\*.*$/, '')
  for (const name of raw.keys()) {
    const key = base(name)
    if (parameters.has(key)) continue
    const extended = raw.get(`${key}*`)
    if (extended !== undefined) {
      parameters.set(key, decodeExtended([{ text: extended, encoded: true }]))
      continue
    }
    const plain = raw.get(key)
    const pieces: { text: string; encoded: boolean }[] = []
    for (let i = 0; i < 100; i++) {
      const piece = raw.get(`${key}*${i}`) ?? raw.get(`${key}*${i}*`)
      if (piece === undefined) break
      pieces.push({ text: piece, encoded: raw.has(`${key}*${i}*`) })
    }
    parameters.set(key, pieces.length ? decodeExtended(pieces) : (plain ?? ''))
  }
  return { value, parameters }
}

const decodeExtended = (pieces: { text: string; encoded: boolean }[]) => {
  let charset = ''
  const octets = pieces.map(({ text, encoded }, index) => {
    if (!encoded) return Buffer.from(text, 'latin1')
    let rest = text
    if (index === 0) {
      const head = /^([^']*)'[^']*'/.exec(text)
      if (head) {
        charset = head[1]!
        rest = text.slice(head[0].length)
      }
    }
    const bytes = rest.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
    return Buffer.from(bytes, 'latin1')
  })
  return decodeText(Buffer.concat(octets), charset)
}

/** A name for people and for Content-Disposition; never a path, whatever the sender wrote. */
const fileNameOf = (raw: string) => {
  const name = decodeHeader(raw.slice(0, 2000)).replace(/[\\/:\p{Cc}\p{Cf}]/gu, '_')
  return /^\.+$/.test(name) ? '' : cut(name, 200)
}

/** The first characters of a text, none of them cut in two. */
export const cut = (text: string, length: number) => {
  const isBetween = /[\ud800-\udbff]/.test(text.charAt(length - 1))
  return text.slice(0, isBetween && text.length > length ? length - 1 : length).toWellFormed()
}

/** Asked for again and again of the same large part. */
const remembered = <K extends object, V>(make: (key: K) => V) => {
  const known = new WeakMap<K, V>()
  return (key: K): V => {
    const found = known.get(key) ?? make(key)
    known.set(key, found)
    return found
  }
}

/** The body with its transfer encoding undone (RFC 2045 §6). */
export const contentOf = remembered((entity: Entity): Uint8Array => {
  const encoding = encodingOf(entity)
  if (encoding === 'base64') return decodeBase64(entity.body)
  if (encoding === 'quoted-printable') return decodeQuotedPrintable(entity.body)
  return entity.body
})

const encodingOf = ({ fields }: Entity) =>
  (fieldOf(fields, 'content-transfer-encoding') ?? '')
    .replace(/[;(].*/s, '')
    .trim()
    .toLowerCase()

const isEncoded = (entity: Entity) => /^(base64|quoted-printable)$/.test(encodingOf(entity))

const base64Digits = new Int8Array(256).fill(-1)
for (const [value, digit] of [
  ...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
].entries())
  base64Digits[digit.charCodeAt(0)] = value

/** Padding may stand anywhere: several encoded texts joined by a mailing list have each their own. */
const decodeBase64 = (octets: Uint8Array): Uint8Array => {
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

const decodeQuotedPrintable = (octets: Uint8Array): Uint8Array => {
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

const charsetNames: Record<string, string> = {
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
}
const isoJapanese = /^(cs)?iso-?2022-?jp|^(cp)?5022[0-2]$|^jis(7)?$/

/** Text of octets in a declared charset; one that is unknown, missing or plainly wrong never loses the mail. */
export const decodeText = (octets: Uint8Array, charset: string | undefined): string => {
  const label = (charset ?? '')
    .trim()
    .replace(/^["']|["']$/g, '')
    .toLowerCase()
  if (isoJapanese.test(label)) return decodeJapanese(octets)
  const vague =
    !label ||
    /^(us-?ascii|ascii|ansi_x3\.4.*|utf-?8|iso-8859-1|unknown.*|x-unknown|default|[78]bit|binary)$/.test(
      label,
    )
  // Japanese mail without a label, or with the label of the mailer's default.
  if (vague && isSevenBitJapanese(octets)) return decodeJapanese(octets)
  if (vague && label !== 'iso-8859-1') {
    const unicode = strict(octets, 'utf-8')
    if (unicode !== null) return unicode
    if (label.startsWith('utf')) return new TextDecoder('utf-8').decode(octets)
    return new TextDecoder('windows-1252').decode(octets)
  }
  try {
    return new TextDecoder(charsetNames[label] ?? label).decode(octets)
  } catch {
    return strict(octets, 'utf-8') ?? new TextDecoder('windows-1252').decode(octets)
  }
}

const strict = (octets: Uint8Array, charset: string) => {
  try {
    return new TextDecoder(charset, { fatal: true }).decode(octets)
  } catch {
    return null
  }
}

const isSevenBitJapanese = (octets: Uint8Array) => {
  const at = octets.indexOf(27)
  if (at < 0 || octets.some((octet) => octet > 127)) return false
  return /\x1b(\$[@B]|\$\(D|\(I)/.test(latin1(octets.subarray(at)))
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
      strict(octets, 'utf-8') ??
      (octets.includes(14) ? null : (strict(octets, 'shift_jis') ?? strict(octets, 'euc-jp')))
    if (other !== null && !octets.includes(14)) return other
  } else if (octets.some((octet) => octet > 127)) {
    const unicode = strict(octets, 'utf-8')
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

/** Raw octets in a header: UTF-8 (RFC 6532), bare ISO-2022-JP, else Windows-1252. */
const decodeRaw = (value: string) =>
  /[^\x00-\x7f]|\x1b/.test(value) && !/[^\x00-\xff]/.test(value)
    ? decodeText(Buffer.from(value, 'latin1'), '')
    : value

const oneLine = (value: string) => value.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, ' ').trim()

/**
 * A header value for people: encoded words (RFC 2047) and raw octets decoded, on one line. Words of one charset that
 * follow each other are joined before they are decoded, since mailers cut within a character.
 */
export const decodeHeader = (value: string): string => oneLine(decodeWords(decodeRaw(value)))

const decodeWords = (value: string) => {
  if (!value.includes('=?')) return value
  const word = /=\?([^?\s*]+)(?:\*[^?\s]*)?\?([bq])\?([^?]*)\?=/gi
  type Run = { charset: string; encoding: string; texts: string[] }
  let out = ''
  let run: Run | null = null
  let at = 0
  const finish = () => {
    if (run) out += decodeText(runOctets(run.encoding, run.texts), run.charset)
    run = null
  }
  for (let found = word.exec(value); found; found = word.exec(value)) {
    const between = value.slice(at, found.index)
    const charset = found[1]!.toLowerCase()
    const encoding = found[2]!.toLowerCase()
    const current = run as Run | null
    const adjacent = current !== null && /^\s*$/.test(between)
    if (adjacent && current.charset === charset && current.encoding === encoding) {
      current.texts.push(found[3]!)
    } else {
      finish()
      if (!adjacent) out += between
      run = { charset, encoding, texts: [found[3]!] }
    }
    at = found.index + found[0].length
  }
  finish()
  return out + value.slice(at)
}

const runOctets = (encoding: string, texts: string[]): Uint8Array => {
  if (encoding === 'b') return decodeBase64(Buffer.from(texts.join(''), 'latin1'))
  return decodeQuotedPrintable(Buffer.from(texts.join('').replace(/_/g, ' '), 'latin1'))
}

/** Addresses of all fields of that name. The names are decoded after the list is taken apart, never before. */
export const addressesOf = (fields: Field[], name: string): Address[] =>
  fields
    .filter((field) => field.name === name)
    .flatMap((field) => addressParser(decodeRaw(field.value), { flatten: true }))
    .slice(0, partLimit)
    .map(({ name, address }) => ({ name: decodeHeader(name), address: oneLine(address ?? '') }))
    .filter(({ name, address }) => name || address)

/**
 * The one address of a From field, in lower case, or null if there is any doubt about it: two fields, two addresses,
 * a group, or a spelling that two parsers could read differently. A seal rests on it.
 *
 * Words, quoted strings and comments may stand before the address in any order (RFC 5322 §3.2.5, §3.4), comments also
 * behind it; a local part that is quoted without need is the same one (§3.4.1).
 */
export const soleAddress = (fields: Field[], name: string): string | null => {
  const values = fields.filter((field) => field.name === name)
  if (values.length !== 1 || values[0]!.value.length > 1000) return null
  const found = mailboxForm.exec(decodeRaw(values[0]!.value).trim())
  if (!found) return null
  const address = (found[1] ?? found[2]!).replace(/^"(.*)"@/, '$1@').toLowerCase()
  // What a list shows has to be the same.
  const shown = addressesOf(fields, name).map((each) => each.address.replace(/^"(.*)"@/, '$1@').toLowerCase())
  return shown.length === 1 && shown[0] === address ? address : null
}

const mailboxForm = (() => {
  const letter = String.raw`[^\x00-\x20\x7f\s<>()\[\]",:;@\\]`
  const local = `(?:${letter}+|"${letter}+")`
  const address = `(${local}@${letter}+)`
  const comment = String.raw`\([^()\\]*\)`
  // One character at a time: whatever is sent, there is one way to read it.
  const before = String.raw`(?:"(?:[^"\\]|\\.)*"|${comment}|[^"<>@,;:()\\])*`
  return new RegExp(
    String.raw`^(?:${before}<${address}>|(?:${comment}\s*)*${address})(?:\s*${comment})*$`,
    's',
  )
})()

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const zones: Record<string, number> = {
  EST: -5,
  EDT: -4,
  CST: -6,
  CDT: -5,
  MST: -7,
  MDT: -6,
  PST: -8,
  PDT: -7,
  JST: 9,
}

/** Unix milliseconds of a Date field (RFC 5322 §3.3, §4.3), or null where it is none. */
export const dateOf = (value: string | undefined): number | null => {
  const found =
    /(\d{1,2})[\s-]+([A-Za-z]{3})[a-z]*[\s-]+(\d{2,4})\s+(\d{1,2})\s*:\s*(\d{2})(?:\s*:\s*(\d{2}))?\s*(?:([+-])(\d{2})(\d{2})|([A-Za-z]{1,5}))?/.exec(
      (value ?? '').slice(0, 200),
    )
  if (!found) return null
  const month = months.indexOf(found[2]!.toLowerCase())
  if (month < 0) return null
  let year = Number(found[3])
  if (year < 50) year += 2000
  else if (year < 1000) year += 1900
  const offset = found[7]
    ? (found[7] === '-' ? -1 : 1) * (Number(found[8]) * 60 + Number(found[9]))
    : (zones[found[10]?.toUpperCase() ?? ''] ?? 0) * 60
  const at = Date.UTC(
    year,
    month,
    Number(found[1]),
    Number(found[4]),
    Number(found[5]),
    Number(found[6] ?? 0),
  )
  return Number.isFinite(at) ? at - offset * 60_000 : null
}

/** Message ids of a field, with their angle brackets. */
export const messageIds = (value: string | undefined): string[] =>
  (value ?? '').match(/<[^<>\s]{1,998}>/g)?.slice(0, 200) ?? []

/** What a reader sees of an entity. */
export type Rendering = {
  text: string
  html: string | null
  attachments: Part[]
  /** There is more than is given out here. */
  isCut: boolean
}

/** The text is made when it is asked for: of HTML it is dear, and beside a plain alternative nobody wants it. */
type Piece = { text: (budget: Spending) => string; html?: string }
type Spending = { html: number; isCut: boolean }

/** @param legacyDisplay header lines repeated in the body for old readers are left out (RFC 9788 §5.2.2-5.2.3) */
export const render = (root: Entity, legacyDisplay = false): Rendering => {
  const attachments: Part[] = []
  const pieces: Piece[] = []
  collect(root, pieces, attachments, legacyDisplay)
  const spending: Spending = { html: textLimit, isCut: attachments.length > partLimit }
  const texts: string[] = []
  let length = 0
  for (const piece of pieces) {
    if (length > textLimit) break
    const text = piece.text(spending).trimEnd()
    if (!text) continue
    length += text.length + (texts.length ? 2 : 0)
    texts.push(text)
  }
  if (length > textLimit) spending.isCut = true
  return {
    text: cut(texts.join('\n\n'), textLimit),
    html: htmlOf(pieces),
    attachments: attachments.slice(0, partLimit),
    isCut: spending.isCut,
  }
}

/** The HTML whole or not at all: a part of a page is another page. */
const htmlOf = (pieces: Piece[]): string | null => {
  if (!pieces.some(({ html }) => html !== undefined)) return null
  const parts: string[] = []
  let length = 0
  for (const { html, text } of pieces) {
    const part = html ?? asHtml(text({ html: 0, isCut: false }))
    length += part.length + (parts.length ? 1 : 0)
    parts.push(part)
    if (length > textLimit) return null
  }
  return parts.join('\n')
}

const asHtml = (text: string) =>
  `<div style="white-space:pre-wrap">${text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')}</div>`

const collect = (entity: Entity, pieces: Piece[], attachments: Part[], legacyDisplay: boolean): void => {
  const { type, children } = entity
  const walk = (child: Entity, into = pieces) => collect(child, into, attachments, legacyDisplay)
  if (type === 'multipart/alternative' && children.length) {
    const choices = children.map((child) => {
      const own: Piece[] = []
      walk(child, own)
      return own
    })
    // The text as the sender wrote it, and the HTML beside it; RFC 2046 §5.1.4 has the richest last.
    const rich = choices.findLast((own) => own.some(({ html }) => html !== undefined))
    const free = { html: 0, isCut: false }
    const plain = choices.find((own) => own.some(({ html, text }) => html === undefined && text(free).trim()))
    if (rich && plain && rich !== plain) {
      const html = htmlOf(rich)
      const text: Piece['text'] = (spending) => plain.map((piece) => piece.text(spending)).join('\n\n')
      pieces.push(html === null ? { text } : { html, text })
    } else {
      pieces.push(...(plain ?? rich ?? []))
    }
    return
  }
  if (type === 'multipart/encrypted' && children.length) {
    // Ciphertext is not for eyes: it is listed as a part that opens alone. What only claims to be encrypted is shown.
    if (encryptedShape(entity)) return
    for (const child of children) {
      if (child.type === 'application/pgp-encrypted') continue
      if (armoredKind(contentOf(child)) === 'cleartext')
        pieces.push(textPiece({ ...child, parameters: new Map() }))
      else walk(child)
    }
    return
  }
  if (type === 'multipart/signed' && children.length) {
    walk(children[0]!)
    // A part beside the content and its signature is covered by nothing, but it is not hidden either.
    for (const child of children.slice(1)) {
      if (!/^application\/(x-)?(pgp|pkcs7)-signature$/.test(child.type)) walk(child)
    }
    return
  }
  if (type === 'message/rfc822' || type === 'message/global') {
    const inner = children[0]
    const subject = inner ? decodeHeader(fieldOf(inner.fields, 'subject') ?? '') : ''
    attachments.push({
      id: entity.id,
      name: entity.fileName || `${cut(subject.replace(/[\\/:]/g, '_'), 100) || 'message'}.eml`,
      type,
      size: contentOf(entity).length,
    })
    if (!inner) return
    const lines = (['From', 'Date', 'Subject'] as const)
      .map((name) => [name, decodeHeader(fieldOf(inner.fields, name.toLowerCase()) ?? '')])
      .filter(([, value]) => value)
      .map(([name, value]) => `${name}: ${value}`)
    const head = ['[Attached message]', ...lines].join('\n')
    pieces.push({ text: () => head })
    walk(inner)
    return
  }
  if (children.length) {
    for (const child of children) walk(child)
    return
  }
  const isText =
    type === 'text/plain' || type === 'text/html' || (type.startsWith('text/') && !entity.fileName)
  const isFirstText = !entity.fileName || (pieces.length === 0 && entity.disposition === 'inline')
  if (
    isText &&
    entity.disposition !== 'attachment' &&
    isFirstText &&
    !/^text\/(calendar|x-?vcard|directory)$/.test(type)
  ) {
    pieces.push(type === 'text/html' ? htmlPiece(entity, legacyDisplay) : textPiece(entity, legacyDisplay))
    return
  }
  attachments.push({
    id: entity.id,
    name: entity.fileName || `part-${entity.id}${extensions[type] ?? ''}`,
    type,
    size: contentOf(entity).length,
  })
}

const extensions: Record<string, string> = {
  'text/plain': '.txt',
  'text/html': '.html',
  'text/calendar': '.ics',
  'image/png': '.png',
  'image/jpeg': '.jpg',
  'image/gif': '.gif',
  'application/pdf': '.pdf',
  'application/pgp-keys': '.asc',
}

const textPiece = (entity: Entity, legacyDisplay = false): Piece => {
  let text: string | undefined
  return {
    text: (spending) => {
      text ??= plainText(entity, legacyDisplay)
      if (contentOf(entity).length > decodeLimit) spending.isCut = true
      return text
    },
  }
}

/** The octets that are decoded; more of them cannot be shown. Not cut within a character of UTF-8. */
const shownOctets = (octets: Uint8Array) => {
  if (octets.length <= decodeLimit) return octets
  let end = decodeLimit
  while (end > decodeLimit - 4 && (octets[end]! & 0xc0) === 0x80) end--
  return octets.subarray(0, end)
}

/** Text of a text part, its lines ended by LF; of a very long one the beginning. */
export const plainText = (entity: Entity, legacyDisplay = false): string => {
  const octets = shownOctets(contentOf(entity))
  let text = decodeText(octets, entity.parameters.get('charset')).replace(/\r\n?/g, '\n')
  if (legacyDisplay && entity.parameters.get('hp-legacy-display') === '1') {
    // RFC 9788 §5.2.2: up to the first empty line.
    const end = /\n[ \t]*\n/.exec(text)
    if (end) text = text.slice(end.index + end[0].length)
  }
  if (entity.parameters.get('format')?.toLowerCase() !== 'flowed') return text
  return unflow(text, entity.parameters.get('delsp')?.toLowerCase() === 'yes')
}

/** format=flowed (RFC 3676 §4): a line that ends in a space goes on in the next of the same quote depth. */
const unflow = (text: string, deleteSpace: boolean) => {
  const lines: string[] = []
  let open: { depth: number } | null = null
  for (const raw of text.split('\n')) {
    const depth = /^>*/.exec(raw)![0].length
    let line = raw.slice(depth)
    if (line.startsWith(' ')) line = line.slice(1)
    const isSignature = line === '-- '
    const flows = line.endsWith(' ') && !isSignature
    const kept = flows && deleteSpace ? line.slice(0, -1) : line
    if (open && open.depth === depth && !isSignature) lines[lines.length - 1] += kept
    else lines.push(depth ? `${'>'.repeat(depth)} ${kept}` : kept)
    open = flows ? { depth } : null
  }
  return lines.join('\n')
}

const htmlPiece = (entity: Entity, legacyDisplay: boolean): Piece => {
  const octets = shownOctets(contentOf(entity))
  const declared = /<meta[^>]{1,500}charset=["']?([\w-]+)/i.exec(latin1(octets.subarray(0, 2048)))?.[1]
  let html = decodeText(octets, entity.parameters.get('charset') ?? declared)
  if (legacyDisplay && entity.parameters.get('hp-legacy-display') === '1') html = withoutLegacyDisplay(html)
  const text: Piece['text'] = (spending) => {
    if (html.length > spending.html) spending.isCut = true
    const turned = cut(html, spending.html)
    spending.html -= turned.length
    return htmlToText(turned)
  }
  return { html, text }
}

/** RFC 9788 §5.2.3: without the div of that class, which holds no other and stands at the beginning. */
const withoutLegacyDisplay = (html: string) => {
  const head = html.slice(0, legacyDisplayLimit)
  const tag = /<div\s([^<>]*)>/gi
  for (let found = tag.exec(head); found; found = tag.exec(head)) {
    const attribute = /(?:^|\s)class\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"']+))/i.exec(found[1]!)
    const names = attribute?.[1] ?? attribute?.[2] ?? attribute?.[3] ?? ''
    if (!names.toLowerCase().split(/\s/).includes('header-protection-legacy-display')) continue
    const close = /<\/div\s*>/gi
    close.lastIndex = tag.lastIndex
    return close.exec(head) ? html.slice(0, found.index) + html.slice(close.lastIndex) : html
  }
  return html
}

const htmlDepthLimit = 500

/** Whether the library takes seconds for it: too many elements open at once, or too many at all. */
const isHeavy = (html: string) => {
  const tag = /<(\/?)([a-z][a-z0-9]*)/gi
  let depth = 0
  let count = 0
  for (let found = tag.exec(html); found; found = tag.exec(html)) {
    if (++count > tagLimit) return true
    // Those that close each other or hold nothing do not nest.
    if (/^(p|li|d[td]|t[rdh]|tbody|thead|option|br|hr|img|input|meta|link|col|area|wbr)$/i.test(found[2]!))
      continue
    depth = Math.max(0, depth + (found[1] ? -1 : 1))
    if (depth > htmlDepthLimit) return true
  }
  return false
}

const withoutTags = (html: string) => html.replace(/<[^<>]*>/g, ' ')

/** HTML as text; links keep their target, since that is where they lead. */
export const htmlToText = (html: string): string => {
  if (isHeavy(html)) return withoutTags(html)
  const headings = ['h1', 'h2', 'h3', 'h4', 'h5', 'h6']
  try {
    return convert(html, {
      wordwrap: false,
      limits: { maxDepth: 200, maxChildNodes: 20_000, ellipsis: '…' },
      selectors: [
        ...headings.map((selector) => ({ selector, options: { uppercase: false } })),
        { selector: 'table', options: { uppercaseHeaderCells: false } },
        { selector: 'img', format: 'skip' },
        { selector: 'title', format: 'skip' },
        { selector: 'a', options: { hideLinkHrefIfSameAsText: true, ignoreHref: false } },
      ],
    }).replace(/\u00a0/g, ' ')
  } catch {
    return withoutTags(html)
  }
}

/** How a mail's root is secured, by its structure alone (RFC 3156; inline blocks). */
export type Shape =
  /** The whole of what is visible comes out of `data`: the decrypt gate is open. */
  | { kind: 'encrypted-mime'; data: Entity | null }
  | { kind: 'encrypted-inline'; text: Entity }
  /** One armored message that is not encrypted: a signature around a literal, or just a literal. */
  | { kind: 'opaque'; text: Entity }
  | { kind: 'cleartext'; text: Entity }
  | { kind: 'signed-mime'; content: Entity; signature: Entity; whole: boolean }
  | { kind: 'plain' }

/** The armored blocks of a text part; HTML as the text that it shows. */
export const blocksOf = remembered((entity: Entity) => {
  const octets = contentOf(entity)
  const isHtml = entity.type === 'text/html'
  const text = isHtml ? markupRemoved(latin1(octets)) : latin1(octets)
  const blocks = text.includes('-----BEGIN PGP ') ? armoredBlocks(text) : []
  const first = blocks[0]
  const isWhole = blocks.length === 1 && !text.slice(0, first!.start).trim() && !text.slice(first!.end).trim()
  return { text, blocks, isWhole }
})

/** HTML with its lines kept, as armor needs them; both line ends of the source and of the markup count. */
const markupRemoved = (html: string) =>
  html.includes('-----BEGIN PGP ')
    ? html
        .replace(/<(br|\/?div|\/?p|\/?tr|\/?pre)\b[^<>]*>/gi, '\n')
        .replace(/<[^<>]*>/g, '')
        .replace(/&nbsp;/gi, ' ')
        .replace(/&#(\d{1,3});/g, (_, code) => String.fromCharCode(Number(code)))
        .replace(/&lt;/gi, '<')
        .replace(/&gt;/gi, '>')
        .replace(/&amp;/gi, '&')
    : ''

const isPgpSigned = (entity: Entity) => {
  const protocol = entity.parameters.get('protocol')?.toLowerCase()
  return (
    entity.type === 'multipart/signed' &&
    entity.children[1]?.type === 'application/pgp-signature' &&
    (!protocol || protocol === 'application/pgp-signature')
  )
}

export const shapeOf = (root: Entity): Shape => {
  if (root.type === 'multipart/signed' && root.children.length === 2) {
    // A signature directly around it, of whatever kind, does not close the gate.
    const inner = encryptedShape(root.children[0]!)
    if (inner) return inner
  }
  const encrypted = encryptedShape(root)
  if (encrypted) return encrypted
  if (isPgpSigned(root)) {
    const [content, signature] = root.children as [Entity, Entity]
    return { kind: 'signed-mime', content, signature, whole: root.children.length === 2 }
  }
  if (root.type === 'text/plain') {
    const { blocks, isWhole } = blocksOf(root)
    if (blocks.some(({ type }) => type === 'SIGNED MESSAGE')) return { kind: 'cleartext', text: root }
    if (isWhole && blocks[0]!.type === 'MESSAGE') return { kind: 'opaque', text: root }
  }
  return { kind: 'plain' }
}

const encryptedShape = (entity: Entity): Shape | null => {
  if (entity.type === 'multipart/encrypted' && entity.children.length <= 2) {
    const data = dataPart(entity)
    const isOther =
      data && ['message', 'keys', 'signature', 'cleartext'].includes(armoredKind(contentOf(data)))
    const isPgp =
      entity.parameters.get('protocol')?.toLowerCase() === 'application/pgp-encrypted' ||
      entity.children[0]?.type === 'application/pgp-encrypted'
    return isPgp && !isOther ? { kind: 'encrypted-mime', data } : null
  }
  if (entity.type === 'text/plain') {
    const { blocks, isWhole } = blocksOf(entity)
    const kind = isWhole && blocks[0]!.type === 'MESSAGE' ? kindOf(blocks[0]!.octets) : null
    // Armor around nothing that OpenPGP knows is told when it is opened.
    if (kind === 'encrypted' || kind === 'broken') return { kind: 'encrypted-inline', text: entity }
  }
  return null
}

const dataPart = (encrypted: Entity) =>
  encrypted.children.find((child, index) => index > 0 && child.type !== 'application/pgp-encrypted') ?? null

const isArmored = (octets: Uint8Array) => /^\s*-----BEGIN PGP /.test(latin1(octets.subarray(0, 1000)))

/** What the octets of a file are, armored or not. */
export const armoredKind = (octets: Uint8Array): ReturnType<typeof kindOf> | 'cleartext' => {
  if (!isArmored(octets)) return kindOf(octets)
  const block = armoredBlocks(latin1(octets))[0]
  if (!block) return 'broken'
  return block.type === 'SIGNED MESSAGE' ? 'cleartext' : kindOf(block.octets)
}

/** An encrypted thing that the decrypt gate keeps apart from the rest: it opens alone. */
export type Isolated = {
  id: string
  name: string
  /** The nearest message around it, and whether it is all of what that message shows. */
  message: Entity
  isRoot: boolean
} & (
  | { kind: 'mime'; data: Entity | null }
  | { kind: 'block'; text: Entity; index: number }
  | { kind: 'file'; data: Entity }
)

/** Everything encrypted that is not the root's, in order. */
export const isolatedOf = (root: Entity): Isolated[] => {
  const list: Isolated[] = []
  const visit = (entity: Entity, message: Entity, direct: boolean): void => {
    if (list.length >= 100) return
    const shape = direct && message !== root ? shapeOf(entity) : null
    const place = { message, isRoot: direct && message !== root }
    if (shape?.kind === 'encrypted-mime') {
      const name = cut(decodeHeader(fieldOf(message.fields, 'subject') ?? ''), 200) || 'Encrypted message'
      list.push({ ...place, id: entity.id || '0', name, kind: 'mime', data: shape.data })
      return
    }
    if (entity.type === 'multipart/encrypted' && encryptedShape(entity)) {
      const data = dataPart(entity)
      list.push({ ...place, isRoot: false, id: entity.id || '0', name: 'Encrypted part', kind: 'mime', data })
      return
    }
    if (entity.type === 'message/rfc822' || entity.type === 'message/global') {
      for (const child of entity.children) visit(child, child, true)
      return
    }
    if (entity.children.length) {
      for (const child of entity.children) visit(child, message, false)
      return
    }
    // By its name, or by its armor: any binary file may happen to begin like a packet.
    const isFile =
      /\.(asc|pgp|gpg)$/i.test(entity.fileName) ||
      (/^application\/(octet-stream|pgp|pgp-encrypted)$/.test(entity.type) && isArmored(contentOf(entity)))
    if (isFile && armoredKind(contentOf(entity)) === 'encrypted') {
      const name = entity.fileName || 'Encrypted file'
      list.push({ ...place, isRoot: false, id: entity.id, name, kind: 'file', data: entity })
    } else if (entity.type === 'text/plain' || entity.type === 'text/html') {
      const { blocks, isWhole } = blocksOf(entity)
      const sealed = blocks.flatMap((block, index) =>
        block.type === 'MESSAGE' && ['encrypted', 'broken'].includes(kindOf(block.octets)) ? [index] : [],
      )
      for (const index of sealed) {
        list.push({
          ...place,
          isRoot: place.isRoot && isWhole,
          id: `${entity.id}-${index + 1}`,
          name: sealed.length > 1 ? `Encrypted text ${index + 1}` : 'Encrypted text',
          kind: 'block',
          text: entity,
          index,
        })
      }
    }
  }
  visit(root, root, true)
  return list
}

export const partById = (root: Entity, id: string): Entity | null => {
  if (root.id === id) return root
  for (const child of root.children) {
    const found = partById(child, id)
    if (found) return found
  }
  return null
}

/** How the mail is secured, for lists and pages. */
export const securityOf = (shape: Shape): Summary['security'] => {
  if (shape.kind === 'encrypted-mime' || shape.kind === 'encrypted-inline') return 'encrypted'
  return shape.kind === 'plain' ? 'plain' : 'signed'
}

/** For lists and the index. Never throws: mail that cannot be read still gets a row. */
export const summarize = async (octets: Uint8Array): Promise<Summary> => {
  const summary: Summary = {
    sender: '',
    recipients: '',
    subject: '',
    sentAt: null,
    messageId: null,
    attachments: 0,
    security: 'plain',
    from: [],
    searchText: '',
  }
  try {
    // The row before the rest of the mail is looked at.
    const { fields } = splitHeader(withoutMboxLine(octets))
    // A name may be as long as its sender likes; it is cut, so that the address behind it is not.
    const show = ({ name, address }: Address) =>
      name && address ? `${cut(name, 200)} <${address}>` : name || address
    summary.subject = cut(decodeHeader(fieldOf(fields, 'subject') ?? ''), 2000)
    summary.sentAt = dateOf(fieldOf(fields, 'date'))
    summary.messageId = messageIds(fieldOf(fields, 'message-id'))[0] ?? null
    const from = addressesOf(fields, 'from')
    summary.from = from.slice(0, 100).map(({ address }) => address)
    summary.sender = cut(from.map(show).join(', '), 1000)
    const recipients = ['to', 'cc'].flatMap((name) => addressesOf(fields, name))
    summary.recipients = cut(recipients.map(show).join(', '), 4000)
    const root = parseMail(octets)
    summary.security = securityOf(shapeOf(root))
    if (summary.security === 'encrypted') return summary
    const { text, attachments } = render(root)
    summary.attachments = attachments.length
    summary.searchText = firstOctets(text, searchTextOctets)
  } catch {
    // What was found before the failure is the row.
  }
  return summary
}

/** The same, ready for the database. */
export const rowOf = async (octets: Uint8Array): Promise<Row> => {
  const { searchText, ...summary } = await summarize(octets)
  const { sender, recipients, subject } = summary
  const index = {
    sender: indexed(sender),
    recipients: indexed(recipients),
    subject: indexed(subject),
    body: indexed(searchText),
  }
  return { ...summary, index }
}

/** As much of the text as fits, in UTF-8. */
const firstOctets = (text: string, limit: number) =>
  text.slice(0, new TextEncoder().encodeInto(text, new Uint8Array(limit)).read)
