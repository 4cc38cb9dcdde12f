/** Header fields (RFC 5322): cut from the octets, and read as people and programs want them. */

import { addressParser } from 'postal-mime'
import { headerLimits } from '../../ground/limits.ts'
import { decodeText } from './charsets.ts'
import { decodeBase64, decodeQuotedPrintable } from './transfer-encodings.ts'

/** A header field; the value is unfolded, otherwise as it came, one character an octet. */
export type Field = { name: string; value: string }

export type Address = { name: string; address: string }

export const splitHeader = (octets: Uint8Array): { fields: Field[]; body: Uint8Array } => {
  const buffer = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength)
  if (octets[0] === 10) return { fields: [], body: octets.subarray(1) }
  if (octets[0] === 13 && octets[1] === 10) return { fields: [], body: octets.subarray(2) }
  let end = buffer.indexOf(10)
  while (end >= 0 && buffer[end + 1] !== 10 && !(buffer[end + 1] === 13 && buffer[end + 2] === 10))
    end = buffer.indexOf(10, end + 1)
  const bodyAt = end < 0 ? octets.length : end + (buffer[end + 1] === 10 ? 2 : 3)
  if (end < 0) end = octets.length
  const text = buffer.toString('latin1', 0, Math.min(end + 1, headerLimits.octets))
  const lines = text.split('\n')
  // A part that starts with something else than a field has no header: its first line must not vanish.
  if (!/^[!-9;-~]+[ \t]*:/.test(lines[0]!) && !/^[ \t\r]*$/.test(lines[0]!))
    return { fields: [], body: octets }
  const fields: Field[] = []
  for (const raw of lines) {
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw
    const last = fields.at(-1)
    if (/^[ \t]/.test(line)) {
      if (last && last.value.length <= headerLimits.fieldOctets) last.value += line
      continue
    }
    if (fields.length >= headerLimits.fields) break
    const field = /^([!-9;-~]+)[ \t]*:(.*)$/s.exec(line)
    if (field) fields.push({ name: field[1]!.toLowerCase(), value: field[2]! })
  }
  for (const field of fields) field.value = withinLimit(field.value, headerLimits.fieldOctets).trim()
  return { fields, body: octets.subarray(bodyAt) }
}

/** Of a field that is too long the beginning, and no half address at its end: it would be another's. */
const withinLimit = (value: string, limit: number) => {
  if (value.length <= limit) return value
  const comma = value.lastIndexOf(',', limit - 1)
  return value.slice(0, comma < 0 ? limit : comma)
}

/** The first field of that name; its value as it came. */
export const fieldOf = (fields: Field[], name: string) => fields.find((field) => field.name === name)?.value

/**
 * A header value for people: encoded words (RFC 2047) and raw octets decoded, on one line. Words of one charset that
 * follow each other are joined before they are decoded, since mailers cut within a character.
 */
export const decodeHeader = (value: string): string => oneLine(decodeWords(decodeRaw(value)))

/** Raw octets in a header: UTF-8 (RFC 6532), bare ISO-2022-JP, else Windows-1252. */
const decodeRaw = (value: string) =>
  /[^\x00-\x7f]|\x1b/.test(value) && !/[^\x00-\xff]|^(\xff\xfe|\xfe\xff)/.test(value)
    ? decodeText(Buffer.from(value, 'latin1'), '')
    : value

const oneLine = (value: string) => value.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, ' ').trim()

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
  addressLists(fields, name)
    .flatMap((list) => addressParser(decodeRaw(list), { flatten: true }))
    .slice(0, headerLimits.addresses)
    .map(({ name, address }) => ({ name: decodeHeader(name), address: oneLine(address ?? '') }))
    .filter(({ name, address }) => name || address)

/** The values of the fields of that name, together no longer than one may be: the parser is not made for more. */
const addressLists = (fields: Field[], name: string): string[] => {
  const lists: string[] = []
  let rest = headerLimits.fieldOctets
  let groups = headerLimits.groups
  for (const { value } of fields.filter((field) => field.name === name)) {
    const list = withinLimit(value, Math.min(rest, placeOf(':', groups, value)))
    if (list) lists.push(list)
    rest -= list.length
    groups -= list.split(':').length - 1
  }
  return lists
}

/** Where a character stands for the nth time; Infinity if it does not. */
const placeOf = (character: string, nth: number, text: string): number => {
  let at = -1
  for (let count = 0; count < nth; count++) {
    at = text.indexOf(character, at + 1)
    if (at < 0) return Number.POSITIVE_INFINITY
  }
  return Math.max(0, at)
}

/**
 * The addresses that somebody may take for the sender's: those of From, and, where a list shows a name because there is
 * no address, what looks like one in it.
 */
export const claimedAddresses = (from: Address[]): string[] =>
  from.flatMap(({ name, address }) => {
    const shown = (address || name).normalize('NFKC').replace(/\s*@\s*/g, '@')
    const alike = shown.match(/[^\s<>(),;:"]+@[^\s<>(),;:"]*[^\s<>(),;:".]/g) ?? []
    return [...new Set([...(address ? [address] : []), ...alike])]
  })

/**
 * The one address of a From field, in lower case, or null if there is any doubt about it: two fields, two addresses,
 * a group, or a spelling that two parsers could read differently. A seal rests on it.
 *
 * Words, quoted strings and comments may stand before the address in any order (RFC 5322 §3.2.5, §3.4), comments also
 * behind it; a local part that is quoted without need is the same one (§3.4.1).
 */
export const soleAddress = (fields: Field[], name: string): string | null => {
  const values = fields.filter((field) => field.name === name)
  if (values.length !== 1 || values[0]!.value.length > headerLimits.soleAddressOctets) return null
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
