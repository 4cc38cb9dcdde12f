/** Parameters of header fields, such as the charset of Content-Type (RFC 2045 §5.1, RFC 2231). */
import { fileNameOctets } from '../../ground/limits.ts'
import { cut, decodeText } from './charsets.ts'
import { decodeHeader } from './headers.ts'

export type Parameters = Map<string, string>

/** Parameters that mail has. Only before one of these is a blank or a comma taken for a semicolon that was forgotten. */
const knownParameter =
  /(?:charset|boundary|name|filename|format|delsp|protocol|micalg|type|start|start-info|size|(?:creation|modification|read)-date|hp|hp-legacy-display|protected-headers|reply-type|method|smime-type|x-[a-z-]+)(?:\*\d*\*?)?\s*=/
    .source

/**
 * `value; name=value`: RFC 2045 §5.1 with the continuations and charsets of RFC 2231 §3-4, and as mailers write it: a
 * semicolon forgotten, a name with blanks not quoted, quotes and backslashes within it not escaped. Names in lower case;
 * of several of one name the first counts.
 */
export const parseParameters = (given: string): { value: string; parameters: Parameters } => {
  // Between parameters nobody writes so many; the patterns try each of them with all that follow.
  const field = given.replace(/[\s,]{64,}/g, (run) => run.slice(0, 64))
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
export const fileNameOf = (raw: string) => {
  const given = decodeHeader(raw.slice(0, fileNameOctets))
  const isWindowsPath = /^([a-z]:|\\)\\/i.test(given)
  const own = isWindowsPath ? given.slice(given.lastIndexOf('\\') + 1) : given
  const name = own.replace(/[\\/:\p{Cc}\p{Cf}]/gu, '_')
  return /^\.+$/.test(name) ? '' : cut(name, 200)
}
