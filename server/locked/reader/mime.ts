/**
 * Mail as octets: one tree of entities (RFC 5322, 2045-2047, 2231), from which everything that people see and
 * everything that a signature covers is taken. There is no second parser beside it: where two disagree about what
 * a part is, a signature can be shown over text that it does not cover.
 *
 * Nothing here throws on mail. What cannot be understood is shown as it came; what exceeds a limit stays one opaque
 * part. Attackers write this input: limits are on nesting, parts, header size and scanned delimiters.
 */

import { addressParser } from 'postal-mime'
import { searchTextOctets } from '../../ground/limits.ts'
import { indexed } from '../search-words.ts'
import { armoredBlocks, armoredKind, isArmored, latin1 } from './armored-blocks.ts'
import { decodeText, isUtf7 } from './charsets.ts'
import { htmlToText } from './html-text.ts'
import { kindOf } from './openpgp-packets.ts'

const nestingLimit = 100
const partLimit = 1000
const headerLimit = 4 * 1024 * 1024 // octets of all fields together
const fieldLimit = 102_400 // octets of one field: a long list of recipients leaves the others whole; as Postfix
const fieldCountLimit = 20_000
const delimiterLimit = 20_000
const boundaryLimit = 1000 // RFC 2046 §5.1.1 allows 70
const scanLimit = 512 * 1024 * 1024 // octets searched for delimiters, of all nested multiparts together
const unwrapLimit = 64 * 1024 * 1024 // octets of attached messages in a transfer encoding, all together
/** Characters of text, and of HTML, that are given out. */
export const textLimit = 1_000_000
const decodeLimit = 4 * textLimit // octets that can make so many characters
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
  /** `partly`: something in it is encrypted, and opens alone. */
  security: 'plain' | 'encrypted' | 'signed' | 'partly'
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

/** Whether octets begin with a header that says what they are: no text, and no file, does by chance. */
export const isEntity = (octets: Uint8Array): boolean => {
  const { fields, body } = splitHeader(octets)
  return body.length < octets.length && /^[\w.+-]+\/[\w.+-]+/.test(fieldOf(fields, 'content-type') ?? '')
}

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

/** What programs that keep mail in files put before its header: a byte order mark, the line of an mbox, quoted or not. */
const withoutMboxLine = (octets: Uint8Array) => {
  let mail = octets[0] === 0xef && octets[1] === 0xbb && octets[2] === 0xbf ? octets.subarray(3) : octets
  for (let lines = 0; lines < 2 && /^>?From /.test(latin1(mail.subarray(0, 6))); lines++) {
    const end = mail.indexOf(10)
    if (end < 0) break
    mail = mail.subarray(end + 1)
  }
  return mail
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
  if (depth >= nestingLimit || budget.parts >= partLimit)
    return entity.type.startsWith('multipart/') ? asFile(entity) : entity
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
  } else if (isPgpText(entity)) {
    entity.type = 'text/plain'
  } else if (entity.type === 'text/plain' && entity.disposition !== 'attachment') {
    return withUuFiles(entity, budget)
  }
  return entity
}

/** Armored text under the types that mailers gave it before RFC 3156; mutt's `application/pgp; format=text` is one. */
const isPgpText = (entity: Entity) =>
  /^(application|text)\/(x-)?pgp(-message)?$/.test(entity.type) &&
  entity.disposition !== 'attachment' &&
  !entity.fileName &&
  isArmored(contentOf(entity))

/**
 * A text with uuencoded files in it, as mail was before MIME, is the text and the files. One with armor stays what it
 * is: its signature covers the lines as they stand.
 */
const withUuFiles = (entity: Entity, budget: Budget): Entity => {
  const isCandidate = (octets: Uint8Array) => {
    const buffer = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength)
    return buffer.includes('begin ') && !buffer.includes('-----BEGIN PGP ')
  }
  if (isEncoded(entity) ? !isCandidate(contentOf(entity)) : !isCandidate(entity.body)) return entity
  const content = contentOf(entity)
  const files = uuFilesOf(content).slice(0, partLimit - budget.parts)
  if (!files.length) return entity
  budget.parts += files.length
  const texts: Uint8Array[] = []
  let at = 0
  for (const { start, end } of [...files, { start: content.length, end: 0 }]) {
    texts.push(content.subarray(at, start))
    at = end
  }
  const plain = (body: Uint8Array, index: number): Entity => ({
    ...entity,
    id: `${entity.id}.${index}`,
    fields: [],
    body,
  })
  const children = [
    plain(Buffer.concat(texts), 1),
    ...files.map(({ name, octets }, index) => ({
      ...plain(octets, index + 2),
      type: 'application/octet-stream',
      parameters: new Map(),
      disposition: 'attachment',
      fileName: fileNameOf(name),
    })),
  ]
  return { ...entity, type: 'multipart/mixed', children }
}

/** Parts that are not taken apart are one file with their header, which another program can read. */
const asFile = (entity: Entity): Entity => ({
  ...entity,
  fields: [],
  body: entity.octets,
  type: 'message/rfc822',
  parameters: new Map(),
  fileName: entity.fileName || `part-${entity.id}.eml`.slice(-40),
})

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
      if (last && last.value.length <= fieldLimit) last.value += line
      continue
    }
    if (fields.length >= fieldCountLimit) break
    const field = /^([!-9;-~]+)[ \t]*:(.*)$/s.exec(line)
    if (field) fields.push({ name: field[1]!.toLowerCase(), value: field[2]! })
  }
  for (const field of fields) field.value = withinLimit(field.value).trim()
  return { fields, body: octets.subarray(bodyAt) }
}

/** Of a field that is too long the beginning, and no half address at its end: it would be another's. */
const withinLimit = (value: string) => {
  if (value.length <= fieldLimit) return value
  const comma = value.lastIndexOf(',', fieldLimit - 1)
  return value.slice(0, comma < 0 ? fieldLimit : comma)
}

/** The first field of that name; its value as it came. */
export const fieldOf = (fields: Field[], name: string) => fields.find((field) => field.name === name)?.value

const splitParts = (body: Uint8Array, named: string, budget: Budget): Uint8Array[] => {
  const boundary = named.trimEnd() // RFC 2046 §5.1.1: never a blank at its end
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

/** Parameters that mail has. Only before one of these is a blank or a comma taken for a semicolon that was forgotten. */
const knownParameter =
  /(?:charset|boundary|name|filename|format|delsp|protocol|micalg|type|start|start-info|size|(?:creation|modification|read)-date|hp|hp-legacy-display|protected-headers|reply-type|method|smime-type|x-[a-z-]+)(?:\*\d*\*?)?\s*=/
    .source

/**
 * `value; name=value`: RFC 2045 §5.1 with the continuations and charsets of RFC 2231 §3-4, and as mailers write it: a
 * semicolon forgotten, a name with blanks not quoted, quotes and backslashes within it not escaped. Names in lower case;
 * of several of one name the first counts.
 */
export const parseParameters = (field: string): { value: string; parameters: Parameters } => {
  const end = valueEnd.exec(field)?.index ?? field.length
  const value = field
    .slice(0, end)
    .replace(/\([^()]*\)/g, '')
    .trim()
    .toLowerCase()
  const raw = new Map<string, string>()
  const each = new RegExp(parameter)
  each.lastIndex = end
  for (let found = each.exec(field); found && raw.size < 200; found = each.exec(field)) {
    const name = found[1]!.toLowerCase()
    if (raw.has(name)) continue
    const isFile = /^(file)?name\b/.test(name)
    // A backslash escapes what has to be escaped; before anything else it is one of a Windows path.
    if (found[2] !== undefined) raw.set(name, found[2].replace(isFile ? /\\(["\\])/g : /\\(.)/g, '$1'))
    else
      raw.set(
        name,
        isFile || name === 'boundary' ? found[3]!.trim() : (/^[^\s(]*/.exec(found[3]!)?.[0] ?? ''),
      )
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
    const first = raw.has(`${key}*0`) || raw.has(`${key}*0*`) ? 0 : 1 // some count from 1
    for (let i = first; i < 100; i++) {
      const piece = raw.get(`${key}*${i}`) ?? raw.get(`${key}*${i}*`)
      if (piece === undefined) break
      pieces.push({ text: piece, encoded: raw.has(`${key}*${i}*`) })
    }
    parameters.set(key, pieces.length ? decodeExtended(pieces) : (plain ?? ''))
  }
  return { value, parameters }
}

const valueEnd = new RegExp(String.raw`;|,?\s(?=${knownParameter})`, 'i')
const parameter = new RegExp(
  // A quote in the middle of a quoted value ends nothing.
  String.raw`[;,\s]\s*([^\s=;,"]+)\s*=\s*(?:"((?:[^"\\]|\\[^]|"(?!\s*(?:[;,]|$|${knownParameter})))*)"?|((?:(?![,\s]+${knownParameter})[^;])*))`,
  'gi',
)

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
  const given = decodeHeader(raw.slice(0, 2000))
  const isWindowsPath = /^([a-z]:|\\)\\/i.test(given)
  const own = isWindowsPath ? given.slice(given.lastIndexOf('\\') + 1) : given
  const name = own.replace(/[\\/:\p{Cc}\p{Cf}]/gu, '_')
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
  if (/^(x-)?uu(e|encode)$/.test(encoding)) return uuFilesOf(entity.body)[0]?.octets ?? entity.body
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

type UuFile = { name: string; octets: Uint8Array; start: number; end: number }

/**
 * The files that stand in a text between `begin MODE NAME` and `end` (POSIX uuencode), and where. Lines that lost the
 * blanks at their end, or have a check character more, are met in the wild; of any other shape, it is prose.
 */
const uuFilesOf = (octets: Uint8Array): UuFile[] => {
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

/** Raw octets in a header: UTF-8 (RFC 6532), bare ISO-2022-JP, else Windows-1252. */
const decodeRaw = (value: string) =>
  /[^\x00-\x7f]|\x1b/.test(value) && !/[^\x00-\xff]|^(\xff\xfe|\xfe\xff)/.test(value)
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
  // A question mark that was not encoded ends no word, nor does one before the next encoded octet.
  const word =
    /=\?([^?\s*]+)(?:\*[^?\s]*)?\?([bq])\?((?:[^?=]|=(?!\?[^?\s]{1,80}\?[bq]\?)|\?(?!=)|\?=(?=[\da-f]{2}[^?\s]*\?=))*)\?=/gi
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
type Piece = {
  text: (budget: Spending) => string
  html?: string
  /** A text that is neither plain nor HTML, such as the source of an AMP page: shown only if there is nothing better. */
  isOther?: boolean
}
type Spending = { html: number; isCut: boolean }

/**
 * @param payload what protects header fields: those that it repeats in the body for old readers are left out
 *   (RFC 9788 §5.2.2-5.2.3, and the part of their own that mailers made before it)
 */
export const render = (root: Entity, payload: Entity | null = null): Rendering => {
  const attachments: Part[] = []
  const pieces: Piece[] = []
  collect(root, pieces, attachments, payload)
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

const collect = (entity: Entity, pieces: Piece[], attachments: Part[], payload: Entity | null): void => {
  const { type, children } = entity
  const walk = (child: Entity, into = pieces) => collect(child, into, attachments, payload)
  if (type === 'multipart/alternative' && children.length) {
    const choices = children.map((child) => {
      const own: Piece[] = []
      walk(child, own)
      return own
    })
    // The text as the sender wrote it, and the HTML beside it; RFC 2046 §5.1.4 has the richest last.
    const rich = choices.findLast((own) => own.some(({ html }) => html !== undefined))
    const free = { html: 0, isCut: false }
    const isText = ({ html, text }: Piece) => html === undefined && text(free).trim() !== ''
    const plain =
      choices.findLast(
        (own) => own.every(({ html, isOther }) => html === undefined && !isOther) && own.some(isText),
      ) ?? choices.findLast((own) => own.some((piece) => isText(piece) && !(rich && piece.isOther)))
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
    for (const [index, child] of children.entries())
      if (index > 0 || entity !== payload || !isLegacyDisplay(entity, child)) walk(child)
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
    const legacyDisplay = payload?.parameters.has('hp') ?? false
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

/**
 * The first part of a payload of the older convention (draft-autocrypt-lamps-protected-headers §4.2), which repeats
 * protected fields for readers that do not know it. Only lines of fields are left out, never a text.
 */
const isLegacyDisplay = (payload: Entity, part: Entity) =>
  payload.type === 'multipart/mixed' &&
  payload.parameters.get('protected-headers')?.toLowerCase() === 'v1' &&
  part.parameters.get('protected-headers')?.toLowerCase() === 'v1' &&
  /^text\/(plain|rfc822-headers)$/.test(part.type) &&
  part.disposition !== 'attachment' &&
  contentOf(part).length <= legacyDisplayLimit &&
  latin1(contentOf(part))
    .split('\n')
    .every((line) =>
      /^(\s|$)|^(subject|from|to|cc|date|reply-to|message-id|followup-to|sender|keywords|comments):/i.test(
        line,
      ),
    )

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
    isOther: entity.type !== 'text/plain',
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
  const charset = entity.parameters.get('charset') ?? declared
  let html = decodeText(octets, isUtf7(charset) ? undefined : charset)
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
  const exchange = exchangeData(root)
  if (exchange) return { kind: 'encrypted-mime', data: exchange }
  const text = soleText(root)
  if (text) {
    const { blocks, isWhole } = blocksOf(text)
    if (blocks.some(({ type }) => type === 'SIGNED MESSAGE')) return { kind: 'cleartext', text }
    if (isWhole && blocks[0]!.type === 'MESSAGE') return encryptedShape(text) ?? { kind: 'opaque', text }
  }
  return { kind: 'plain' }
}

/**
 * What Exchange makes of multipart/encrypted: multipart/mixed, with an empty text in front or without one. Counts only
 * where the version part and the data are all there is, so that nothing stands beside what is opened.
 */
const exchangeData = (root: Entity): Entity | null => {
  if (root.type !== 'multipart/mixed') return null
  const [version, data, another] = root.children.filter((child, index) => index > 0 || !isEmptyText(child))
  if (version?.type !== 'application/pgp-encrypted' || another) return null
  if (!/^Version: 1[ \t]*(\r?\n)*$/i.test(latin1(contentOf(version).subarray(0, 100)))) return null
  if (data?.type !== 'application/octet-stream') return null
  return armoredKind(contentOf(data)) === 'encrypted' ? data : null
}

const isEmptyText = (entity: Entity) => {
  if (entity.children.length || !/^text\/(plain|html)$/.test(entity.type)) return false
  const content = contentOf(entity)
  if (content.length > 10_000) return false
  const text = latin1(content)
  if (entity.type === 'text/plain') return !text.trim()
  return !text
    .replace(/<\/?(html|head|meta|body|div|p|br|span|font)\b[^<>]*>|<!doctype[^<>]*>|&nbsp;/gi, '')
    .trim()
}

/** The text that is the whole mail: the root, or one that an alternative repeats as HTML, as webmail does with armor. */
const soleText = (root: Entity): Entity | null => {
  if (root.type === 'text/plain') return root
  if (root.type !== 'multipart/alternative' || root.children.length > 10) return null
  const plain = root.children.findLast(({ type }) => type === 'text/plain')
  return plain && root.children.every((child) => child === plain || areTwins(plain, child)) ? plain : null
}

/** Whether two texts are one and the same armored block, with nothing beside it. */
const areTwins = (one: Entity, other: Entity): boolean => {
  if (one.children.length || other.children.length || !/^text\/(plain|html)$/.test(other.type)) return false
  const [a, b] = [blocksOf(one), blocksOf(other)]
  if (!a.isWhole || !b.isWhole || a.blocks[0]!.type !== b.blocks[0]!.type) return false
  // HTML keeps no blanks; what is shown is the text that was verified.
  const signed = ({ blocks }: typeof a) => blocks[0]!.signedText?.replace(/[\s\xa0\xc2]+/g, '') ?? ''
  return Buffer.compare(a.blocks[0]!.octets, b.blocks[0]!.octets) === 0 && signed(a) === signed(b)
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

/** Everything encrypted that is not the root's, in order; what an alternative repeats is there once. */
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
    const text = direct ? soleText(entity) : null
    if (text && text !== entity) {
      visit(text, message, direct)
      return
    }
    if (entity.type === 'multipart/alternative') {
      const { length } = list
      for (const child of entity.children) visit(child, message, false)
      const own = list.splice(length)
      list.push(...own.filter((each, index) => !own.slice(0, index).some((before) => areSame(before, each))))
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

const areSame = (one: Isolated, other: Isolated) =>
  one.kind === 'block' &&
  other.kind === 'block' &&
  Buffer.compare(
    blocksOf(one.text).blocks[one.index]!.octets,
    blocksOf(other.text).blocks[other.index]!.octets,
  ) === 0

export const partById = (root: Entity, id: string): Entity | null => {
  if (root.id === id) return root
  for (const child of root.children) {
    const found = partById(child, id)
    if (found) return found
  }
  return null
}

/** How the mail is secured, for lists and pages. */
export const securityOf = (shape: Shape): 'plain' | 'encrypted' | 'signed' => {
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
    if (isolatedOf(root).length) summary.security = 'partly'
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
