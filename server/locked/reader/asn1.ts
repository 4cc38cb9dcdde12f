/** Reading ASN.1 (ITU-T X.680) by asn1js, whose tree is asked for what is expected at a place, and nothing else. */
import * as asn1js from 'asn1js'
import { definite, NotBer } from './ber.ts'

/** An element of a message; what is asked of it and is not so throws {@link NotBer}. */
export class Node {
  readonly #block: asn1js.BaseBlock

  constructor(block: asn1js.BaseBlock) {
    this.#block = block
  }

  /** Its number in the class that is meant: of the language itself, or of where it stands. */
  is(tagClass: 'universal' | 'context', number: number): boolean {
    const { idBlock } = this.#block
    return idBlock.tagNumber === number && idBlock.tagClass === (tagClass === 'universal' ? 1 : 3)
  }

  /** The whole element, in DER. */
  get der(): Uint8Array {
    return this.#block.valueBeforeDecodeView
  }

  /** Its elements, of whatever constructed kind it is. */
  get members(): Node[] {
    const { value } = this.#block.valueBlock as unknown as { value?: unknown }
    if (!this.#block.idBlock.isConstructed || !Array.isArray(value)) throw new NotBer('nothing in it')
    return (value as asn1js.BaseBlock[]).map((each) => new Node(each))
  }

  /** The octets of a primitive, or of a string in pieces, without tag and length. */
  get content(): Uint8Array {
    if (this.#block.idBlock.isConstructed) {
      const pieces = this.members.map((piece) => piece.content)
      return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
    }
    const { der } = this
    return der.subarray(der.length - this.#block.lenBlock.length)
  }

  get objectIdentifier(): string {
    if (!(this.#block instanceof asn1js.ObjectIdentifier)) throw new NotBer('no object identifier')
    return this.#block.getValue()
  }

  /** A number that is small; others are compared by their octets. */
  get number(): number {
    const { content } = this
    if (!(this.#block instanceof asn1js.Integer) || content.length > 4) throw new NotBer('no small number')
    return Buffer.from(content).readIntBE(0, content.length)
  }

  /** A bit string, whole octets of it. */
  get bits(): Uint8Array {
    if (!this.is('universal', 3)) throw new NotBer('no bit string')
    return this.content.subarray(1)
  }

  /** UTCTime or GeneralizedTime, in Unix milliseconds. */
  get time(): number {
    const { value } = this.#block.valueBlock as unknown as { value?: unknown }
    const isTime = this.#block instanceof asn1js.UTCTime || this.#block instanceof asn1js.GeneralizedTime
    if (!isTime || value === undefined) throw new NotBer('no time')
    const at = (this.#block as asn1js.UTCTime).toDate().getTime()
    if (!Number.isFinite(at)) throw new NotBer('no time')
    return at
  }
}

/** @param octets BER; only the first element counts. @throws NotBer */
export const readAsn1 = (octets: Uint8Array): Node => readDer(definite(octets))

/** The same of octets that are definite already, as {@link Node.der} gives them. */
export const readDer = (octets: Uint8Array): Node => {
  const { result, offset } = asn1js.fromBER(octets)
  if (offset === -1) throw new NotBer(result.error)
  return new Node(result)
}
