/**
 * The XML bodies of calls, as values of JSON: the W3C's XML representation of JSON (XPath and XQuery Functions and Operators
 * 3.1, §17.5), the way back from server/doors/api/xml.ts. Loaded by the child process alone: a parser of XML reads there.
 *
 * No document type and so no entity but XML's own five, no processing instruction; depth, values and attributes are counted
 * while it is read, so that a body ends where it goes too far.
 */
import { SaxesParser, type SaxesTagNS } from 'saxes'
import type { Body, Call } from '../contract/requests.ts'
import {
  attachmentLimit,
  jsonDepthLimit,
  jsonValueLimit,
  recipientLimit,
  xmlAttributeLimit,
  xmlStepOctets,
} from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'
import { bodyOfValue } from './api-bodies.ts'

const namespace = 'http://www.w3.org/2005/xpath-functions'

/**
 * Parses an XML body.
 *
 * @throws Refusal `bad-request` for what is no XML of this form, or for a member; `too-large` for more than the call takes
 */
export const parseXmlBody = <C extends Call>(call: C, octets: Uint8Array): Body<C> =>
  bodyOfValue(call, valueOfXml(octets))

/** An element that is open; `members` are of a map. */
type Open = {
  kind: string
  key: string | null
  isEscaped: boolean
  text: string
  members: Map<string, unknown>
  elements: unknown[]
}

/** @throws Refusal */
export const valueOfXml = (octets: Uint8Array): unknown => {
  const parser = new SaxesParser({ xmlns: true, defaultXMLVersion: '1.0', forceXMLVersion: true })
  const open: Open[] = []
  let values = 0
  let attributes = 0
  let result: { value: unknown } | null = null

  parser.on('error', (cause) => {
    throw notXml(cause)
  })
  parser.on('doctype', refuseDeclarations)
  parser.on('processinginstruction', refuseDeclarations)
  parser.on('xmldecl', ({ encoding }) => {
    if (encoding && !/^(utf-8|us-ascii)$/i.test(encoding)) throw notXml()
  })
  parser.on('opentagstart', () => {
    attributes = 0
    values += 1
    if (open.length >= jsonDepthLimit) throw new Refusal('body-deep', { values: { levels: jsonDepthLimit } })
    if (values > jsonValueLimit)
      throw new Refusal('body-of-many-values', {
        values: { values: jsonValueLimit, files: attachmentLimit, addresses: recipientLimit },
      })
  })
  parser.on('attribute', () => {
    attributes += 1
    if (attributes > xmlAttributeLimit) throw notXml()
  })
  parser.on('opentag', (tag) => {
    const next = opened(tag)
    const parent = open.at(-1)
    if (parent && parent.kind !== 'map' && parent.kind !== 'array') throw notXml()
    if ((parent?.kind === 'map') !== (next.key !== null)) throw notXml()
    open.push(next)
  })
  const take = (text: string) => {
    const inner = open.at(-1)
    if (inner?.kind === 'string' || inner?.kind === 'number' || inner?.kind === 'boolean') inner.text += text
    else if (/[^ \t\r\n]/.test(text)) throw notXml()
  }
  parser.on('text', take)
  parser.on('cdata', take)
  parser.on('closetag', () => {
    const ended = open.pop()!
    const value = readValue(ended)
    const parent = open.at(-1)
    if (!parent) result = { value }
    else if (ended.key === null) parent.elements.push(value)
    else if (parent.members.has(ended.key)) throw notXml()
    else parent.members.set(ended.key, value)
  })

  const decoder = new TextDecoder('utf-8', { fatal: true })
  try {
    for (let at = 0; at < octets.length; at += xmlStepOctets)
      parser.write(decoder.decode(octets.subarray(at, at + xmlStepOctets), { stream: true }))
    parser.write(decoder.decode()).close()
  } catch (cause) {
    throw cause instanceof Refusal ? cause : notXml(cause)
  }
  return (result as { value: unknown } | null)!.value
}

const opened = ({ uri, local, attributes }: SaxesTagNS): Open => {
  if (uri !== namespace || !/^(map|array|string|number|boolean|null)$/.test(local)) throw notXml()
  const own = new Map<string, string>()
  for (const { uri: of, local: name, value } of Object.values(attributes)) {
    if (of !== '') continue // Declarations of namespaces, and hints such as where the schema lies.
    const isKnown = name === 'key' || name === 'escaped-key' || (name === 'escaped' && local === 'string')
    if (!isKnown) throw notXml()
    own.set(name, value)
  }
  const key = own.get('key') ?? null
  return {
    kind: local,
    key: key !== null && isYes(own.get('escaped-key')) ? unescaped(key) : key,
    isEscaped: isYes(own.get('escaped')),
    text: '',
    members: new Map(),
    elements: [],
  }
}

const isYes = (text = 'false') => {
  const word = text.trim()
  if (!/^(true|false|1|0)$/.test(word)) throw notXml()
  return word === 'true' || word === '1'
}

const readValue = ({ kind, text, isEscaped, members, elements }: Open): unknown => {
  if (kind === 'map') return Object.fromEntries(members)
  if (kind === 'array') return elements
  if (kind === 'string') return isEscaped ? unescaped(text) : text
  if (kind === 'boolean') {
    if (text.trim() === '') throw notXml()
    return isYes(text)
  }
  if (kind === 'null') return null
  // As JSON writes numbers, which is less than xs:double does.
  if (!/^\s*-?\d+(\.\d+)?([eE][+-]?\d+)?\s*$/.test(text)) throw notXml()
  return Number(text)
}

/** JSON's escapes, by which characters travel that XML cannot hold. */
const unescaped = (text: string): string =>
  text.replace(/\\(?:u([\dA-Fa-f]{4})|(["\\/bfnrt])|)/g, (_, code?: string, letter?: string) => {
    if (code) return String.fromCharCode(Number.parseInt(code, 16))
    if (!letter) throw notXml()
    return letters[letter] ?? letter
  })
const letters: Record<string, string> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

const notXml = (cause?: unknown) => new Refusal('body-not-xml', { cause })
const refuseDeclarations = () => {
  throw new Refusal('body-declares')
}
