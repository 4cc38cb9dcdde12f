/** Writing ASN.1 (ITU-T X.680) in DER: the elements that CMS and PKCS #12 are made of. */
import * as asn1js from 'asn1js'

export type Block = asn1js.BaseBlock

export const sequence = (...value: Block[]) => new asn1js.Sequence({ value })
export const identifier = (value: string) => new asn1js.ObjectIdentifier({ value })
export const integer = (value: number) => new asn1js.Integer({ value })
export const octetString = (octets: Uint8Array) => new asn1js.OctetString({ valueHex: exact(octets) })
export const nothing = () => new asn1js.Null()
export const within = (tagNumber: number, ...value: Block[]) =>
  new asn1js.Constructed({ idBlock: { tagClass: 3, tagNumber }, value })
/** Octets in the place of a string, where the place says what they are. */
export const octetsAt = (tagNumber: number, octets: Uint8Array) =>
  new asn1js.Primitive({ idBlock: { tagClass: 3, tagNumber }, valueHex: exact(octets) })
export const asIs = (der: Uint8Array): Block => asn1js.fromBER(exact(der)).result
export const derOf = (block: Block) => new Uint8Array(block.toBER())
const exact = (octets: Uint8Array): ArrayBuffer => Uint8Array.from(octets).buffer

/** In the order that DER wants of a set (X.690 §11.6). */
export const setOf = (...value: Block[]) => {
  const inOrder = value
    .map((block) => ({ block, der: derOf(block) }))
    .sort((a, b) => Buffer.compare(a.der, b.der))
  return new asn1js.Set({ value: inOrder.map(({ block }) => block) })
}

export const algorithm = (id: string, parameters?: Block) =>
  parameters ? sequence(identifier(id), parameters) : sequence(identifier(id))
