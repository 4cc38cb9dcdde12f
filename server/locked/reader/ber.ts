/**
 * BER (ITU-T X.690) as CMS is written by mailers, made definite: lengths that were left open are filled in, strings
 * that came in pieces are joined. What reads it after this meets one form only, within bounds that are counted here.
 */
import { cmsLimits } from '../../ground/limits.ts'

/** The octets are no BER, or not within the bounds. */
export class NotBer extends Error {
  override name = 'NotBer'
}

type Element = {
  /** Identifier octets as they are to be written. */
  tag: Uint8Array
  /** Of a primitive, or of what was definite all the way down: as it came. */
  content: Uint8Array | null
  children: Element[]
  /** Of the content, in octets. */
  length: number
}

/**
 * The first element of the octets, with definite lengths and joined strings; what follows it is left out.
 *
 * @throws NotBer
 */
export const definite = (octets: Uint8Array): Uint8Array => {
  const reading = { octets, elements: 0 }
  const { element } = elementAt(reading, 0, octets.length, 0)
  const out = new Uint8Array(sizeOf(element))
  write(element, out, 0)
  return out
}

/** A constructed element of others, all of them definite already. @param tag its one identifier octet */
export const constructedOf = (tag: number, ...elements: Uint8Array[]): Uint8Array => {
  const content = Buffer.concat(elements)
  const element = { tag: Uint8Array.of(tag), content, children: [], length: content.length }
  const out = new Uint8Array(sizeOf(element))
  write(element, out, 0)
  return out
}

type Reading = { octets: Uint8Array; elements: number }

const elementAt = (reading: Reading, start: number, end: number, depth: number): Placed => {
  if (++reading.elements > cmsLimits.elements || depth > cmsLimits.depth)
    throw new NotBer('too many elements')
  const header = headerAt(reading.octets, start, end)
  const { tag, contentStart, length } = header
  if (length !== null) {
    const contentEnd = contentStart + length
    if (contentEnd > end) throw new NotBer('an element is longer than what holds it')
    const content = reading.octets.subarray(contentStart, contentEnd)
    if (!isConstructed(tag)) return { element: { tag, content, children: [], length }, next: contentEnd }
    const { children } = childrenAt(reading, contentStart, contentEnd, depth, false)
    return { element: joined(tag, children), next: contentEnd }
  }
  if (!isConstructed(tag)) throw new NotBer('a string of open length')
  const { children, next } = childrenAt(reading, contentStart, end, depth, true)
  return { element: joined(tag, children), next }
}

type Placed = { element: Element; next: number }

const childrenAt = (reading: Reading, start: number, end: number, depth: number, isOpen: boolean) => {
  const children: Element[] = []
  let at = start
  while (isOpen || at < end) {
    if (isOpen && reading.octets[at] === 0 && reading.octets[at + 1] === 0 && at + 2 <= end)
      return { children, next: at + 2 }
    const { element, next } = elementAt(reading, at, end, depth + 1)
    children.push(element)
    at = next
  }
  return { children, next: at }
}

const isConstructed = (tag: Uint8Array) => (tag[0]! & 0x20) !== 0

export const headerAt = (octets: Uint8Array, start: number, end: number) => {
  let at = start
  const next = () => {
    if (at >= end) throw new NotBer('it ends too early')
    return octets[at++]!
  }
  // High tag numbers (X.690 §8.1.2.4) go on for as long as the first bit is set.
  if ((next() & 0x1f) === 0x1f)
    while (next() & 0x80) if (at - start > 5) throw new NotBer('a tag is too long')
  const tag = octets.subarray(start, at)
  const first = next()
  if (first === 0x80) return { tag, contentStart: at, length: null }
  if (first < 0x80) return { tag, contentStart: at, length: first }
  if ((first & 0x7f) > 6) throw new NotBer('a length is too long')
  let length = 0
  for (let i = first & 0x7f; i > 0; i--) length = length * 256 + next()
  return { tag, contentStart: at, length }
}

const octetString = 4

/** A string in pieces becomes one; of other kinds than octet strings only a broken encoder makes pieces. */
const joined = (tag: Uint8Array, children: Element[]): Element => {
  if (tag.length === 1 && tag[0] === (octetString | 0x20)) {
    const pieces = children.map(({ tag: [kind], content }) => {
      if (kind !== octetString || !content) throw new NotBer('a string of other things')
      return content
    })
    const content = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
    return { tag: Uint8Array.of(octetString), content, children: [], length: content.length }
  }
  let length = 0
  for (const child of children) length += sizeOf(child)
  return { tag, content: null, children, length }
}

const lengthOctets = (length: number) => {
  let octets = 1
  if (length >= 0x80) for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets++
  return octets
}

const sizeOf = ({ tag, length }: Element) => tag.length + lengthOctets(length) + length

const write = (element: Element, out: Uint8Array, start: number): number => {
  const { tag, content, children, length } = element
  out.set(tag, start)
  let at = start + tag.length
  const count = lengthOctets(length) - 1
  if (count === 0) out[at++] = length
  else {
    out[at++] = 0x80 | count
    for (let i = count - 1; i >= 0; i--) out[at++] = Math.floor(length / 256 ** i) % 256
  }
  if (content) {
    out.set(content, at)
    return at + content.length
  }
  for (const child of children) at = write(child, out, at)
  return at
}
