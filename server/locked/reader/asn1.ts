/**
 * Reading ASN.1 (ITU-T X.680) in definite form: an element is asked for what is expected at its place, and nothing else is
 * looked at. What times and object identifiers mean is asn1js's to know.
 */
import * as asn1js from 'asn1js'
import { cmsLimits } from '../../ground/limits.ts'
import { definite, headerAt, NotBer } from './ber.ts'

/** An element of a message; what is asked of it and is not so throws {@link NotBer}. */
export class Node {
  /** The whole element, in DER. */
  readonly der: Uint8Array
  readonly #tag: Uint8Array
  readonly #start: number

  /** @param octets beginning with the element */
  constructor(octets: Uint8Array) {
    const { tag, contentStart, length } = headerAt(octets, 0, octets.length)
    if (length === null || contentStart + length > octets.length)
      throw new NotBer('an element without its end')
    this.der = octets.subarray(0, contentStart + length)
    this.#tag = tag
    this.#start = contentStart
  }

  /** Its number in the class that is meant: of the language itself, or of where it stands. */
  is(tagClass: 'universal' | 'context', number: number): boolean {
    const identifier = this.#tag[0]! & ~constructed
    return this.#tag.length === 1 && identifier === (tagClass === 'universal' ? 0 : 0x80) + number
  }

  /** Its elements, of whatever constructed kind it is. */
  get members(): Node[] {
    if (!this.#isConstructed) throw new NotBer('nothing in it')
    const found: Node[] = []
    for (let at = this.#start; at < this.der.length; at += found.at(-1)!.der.length) {
      if (found.length >= cmsLimits.elements) throw new NotBer('too many elements')
      found.push(new Node(this.der.subarray(at)))
    }
    return found
  }

  /** The octets of a primitive, or of a string in pieces, without tag and length. */
  get content(): Uint8Array {
    if (!this.#isConstructed) return this.der.subarray(this.#start)
    const pieces = this.members.map((piece) => {
      if (piece.#isConstructed) throw new NotBer('pieces of pieces')
      return piece.content
    })
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
  }

  get objectIdentifier(): string {
    if (!this.is('universal', 6) || this.der.length > cmsLimits.identifierOctets)
      throw new NotBer('no object identifier')
    return (blockOf(this.der) as asn1js.ObjectIdentifier).getValue()
  }

  /** A number that is small; others are compared by their octets. */
  get number(): number {
    const { content } = this
    if (!this.is('universal', 2) || content.length === 0 || content.length > 4)
      throw new NotBer('no small number')
    return Buffer.from(content).readIntBE(0, content.length)
  }

  /** A bit string, whole octets of it. */
  get bits(): Uint8Array {
    if (!this.is('universal', 3)) throw new NotBer('no bit string')
    return this.content.subarray(1)
  }

  /** UTCTime or GeneralizedTime, in Unix milliseconds. */
  get time(): number {
    const isTime = this.is('universal', 23) || this.is('universal', 24)
    if (!isTime || this.der.length > cmsLimits.identifierOctets) throw new NotBer('no time')
    const at = (blockOf(this.der) as asn1js.UTCTime | asn1js.GeneralizedTime).toDate().getTime()
    if (!Number.isFinite(at)) throw new NotBer('no time')
    return at
  }

  get #isConstructed(): boolean {
    return (this.#tag[0]! & constructed) !== 0
  }
}

const constructed = 0x20

/** @param octets BER; only the first element counts. @throws NotBer */
export const readAsn1 = (octets: Uint8Array): Node => readDer(definite(octets))

/** The same of octets that are definite already, as {@link Node.der} gives them. */
export const readDer = (octets: Uint8Array): Node => new Node(octets)

/** The tree of the library, of a small element in DER. @throws NotBer */
const blockOf = (octets: Uint8Array): asn1js.BaseBlock => {
  const { result, offset } = asn1js.fromBER(octets, {
    maxNodes: cmsLimits.elements,
    maxDepth: cmsLimits.depth,
    maxContentLength: octets.length,
    // What looks like elements within a string is none here.
    parseEmbedded: false,
    copyInput: false,
  })
  if (offset === -1) throw new NotBer(result.error)
  return result
}
