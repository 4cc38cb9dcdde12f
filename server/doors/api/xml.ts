/**
 * Answers in XML, for terminals that ask for it: the W3C's XML representation of JSON (XPath and XQuery Functions and
 * Operators 3.1, §17.5), and problem documents in that of RFC 9457, Appendix B. docs/api-xml.md says how; the way back is
 * server/locked/xml-bodies.ts.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Context, MiddlewareHandler } from 'hono'
import { parseAccept } from 'hono/utils/accept'
import type { ProblemDocument } from '../../contract/problems.ts'
import { xmlStepCharacters } from '../../ground/limits.ts'

const namespace = 'http://www.w3.org/2005/xpath-functions'
const declaration = '<?xml version="1.0" encoding="UTF-8"?>\n'

// ---- which language

type Accepted = ReturnType<typeof parseAccept>

/** How much a type is wanted, and whether by its own name (RFC 9110 §12.5.1). */
const wanted = (accepted: Accepted, ...types: string[]) => {
  for (const range of [types, [types[0]!.replace(/\/.*/, '/*')], ['*/*']]) {
    const found = accepted.filter(({ type }) => range.includes(type.toLowerCase()))
    if (found.length > 0) return { q: Math.max(...found.map(({ q }) => q)), byName: range === types }
  }
  return { q: 0, byName: false }
}

/** The type of XML that is wanted more than JSON; null for JSON, which any other wish gets, too. */
export const xmlWanted = (accept: string | undefined): 'application/xml' | 'text/xml' | null => {
  if (!accept) return null
  const accepted = parseAccept(accept)
  const json = wanted(accepted, 'application/json', 'application/problem+json')
  const ours = (['application/xml', 'text/xml'] as const)
    .map((type) => ({ type, ...wanted(accepted, type) }))
    .filter(({ byName, q }) => byName && q > 0)
    .sort((a, b) => b.q - a.q)[0]
  if (!ours) return null
  return ours.q > json.q || (ours.q === json.q && !json.byName) ? ours.type : null
}

export const isXml = (contentType: string | undefined): boolean =>
  /^\s*(?:application|text)\/(?:[\w.-]+\+)?xml\s*(?:;|$)/i.test(contentType ?? '')

/** Answers `c.json` in XML where that is wanted. What is no JSON (octets, nothing) stays as it is. */
export const inXml: MiddlewareHandler = async (c, next) => {
  const type = xmlWanted(c.req.header('accept'))
  if (!type) {
    await next()
    if (/\/json/.test(c.res.headers.get('Content-Type') ?? '')) c.res.headers.append('Vary', 'Accept')
    return
  }
  let held: { value: unknown } | null = null
  const hold = (value: unknown, status?: number, headers?: Record<string, string>) => {
    held = { value }
    return new Response(null, { status: status ?? 200, headers: headers ?? {} })
  }
  c.json = hold as unknown as Context['json']
  await next()
  const answer = held as { value: unknown } | null
  if (!answer || c.res.status >= 400) return
  const { status, headers } = c.res
  headers.set('Content-Type', `${type};charset=utf-8`)
  headers.append('Vary', 'Accept')
  c.res = new Response(await xmlOf(answer.value), { status, headers })
}

// ---- the mapping

/** A document of a value of JSON; of a large one in pieces, between which others have their turn. */
export const xmlOf = async (value: unknown): Promise<Uint8Array<ArrayBuffer>> => {
  const blocks: Buffer[] = [Buffer.from(declaration)]
  let gathered = ''
  const keep = () => {
    blocks.push(Buffer.from(gathered))
    gathered = ''
  }
  for (const piece of element(value, null)) {
    gathered += piece
    if (piece !== '' && gathered.length < xmlStepCharacters) continue
    keep()
    await nextTurn()
  }
  gathered += '\n'
  keep()
  return Buffer.concat(blocks)
}

/** The pieces of an element; each is the work of less than a millisecond. */
function* element(value: unknown, key: string | null, isRoot = true): Generator<string> {
  const start = `${isRoot ? ` xmlns="${namespace}"` : ''}${key === null ? '' : keyed(key)}`
  if (value === null) yield `<null${start}/>`
  else if (typeof value === 'string') yield* string(value, start)
  else if (typeof value === 'number') yield `<number${start}>${value}</number>`
  else if (typeof value === 'boolean') yield `<boolean${start}>${value}</boolean>`
  else if (Array.isArray(value)) {
    yield `<array${start}>`
    for (const each of value) yield* element(each, null, false)
    yield '</array>'
  } else {
    yield `<map${start}>`
    for (const [name, each] of Object.entries(value as object))
      if (each !== undefined) yield* element(each, name, false)
    yield '</map>'
  }
}

const keyed = (key: string) => {
  const isEscaped = unwritable.test(key)
  const text = (isEscaped ? escaped(key) : key).replace(/[&<>"\t\n\r]/g, reference)
  return ` key="${text}"${isEscaped ? ' escaped-key="true"' : ''}`
}

function* string(text: string, start: string): Generator<string> {
  let isEscaped = false
  for (const slice of slices(text)) {
    if (unwritable.test(slice)) isEscaped = true
    if (isEscaped) break
    if (slice.length >= xmlStepCharacters) yield '' // Looking through a long text is work, too.
  }
  yield `<string${start}${isEscaped ? ' escaped="true"' : ''}>`
  for (const slice of slices(text)) yield (isEscaped ? escaped(slice) : slice).replace(/[&<>\r]/g, reference)
  yield '</string>'
}

/** A long text in pieces, none of which ends within a surrogate pair. */
function* slices(text: string): Generator<string> {
  for (let at = 0; at < text.length; ) {
    let end = at + xmlStepCharacters
    if (/[\ud800-\udbff]/.test(text.charAt(end - 1))) end += 1
    yield text.slice(at, end)
    at = end
  }
}

/** What XML 1.0 has no way to write (§2.2): most controls, halves of surrogate pairs, and two that are no characters. */
const unwritable = /[\0-\x08\x0b\x0c\x0e-\x1f\p{Surrogate}\ufffe\uffff]/u
const unwritables = new RegExp(`\\\\|${unwritable.source}`, 'gu')
const escaped = (text: string) =>
  text.replace(unwritables, (character) =>
    character === '\\' ? '\\\\' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
/** A carriage return, and blanks in an attribute, would be read as something else (§2.11, §3.3.3). */
const reference = (character: string) => `&#${character.charCodeAt(0)};`

// ---- problems

/**
 * A problem document (RFC 9457, Appendix B): each member an element, of a list's each `i`. What XML cannot write is replaced,
 * as the form has no escapes.
 */
export const problemXml = (document: ProblemDocument): string => {
  const inner = (value: unknown): string => {
    if (Array.isArray(value)) return value.map((each) => `<i>${inner(each)}</i>`).join('')
    if (typeof value === 'object' && value !== null)
      return Object.entries(value)
        .filter(([, each]) => each !== undefined && each !== null)
        .map(([name, each]) => `<${name}>${inner(each)}</${name}>`)
        .join('')
    return String(value)
      .replace(new RegExp(unwritable.source, 'gu'), '\ufffd')
      .replace(/[&<>\r]/g, reference)
  }
  return `${declaration}<problem xmlns="urn:ietf:rfc:7807">${inner(document)}</problem>\n`
}
