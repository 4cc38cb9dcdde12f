/** What is seen of a mail, and what of it a signature covers. */
import { certificatesId } from '../../contract/replies.ts'
import { armoredBlocks } from './armored-blocks.ts'
import { decodeText, isReadAsSigned, latin1, strictUtf8 } from './charsets.ts'
import { signatureAlone } from './cms-certificates.ts'
import { type Believed, checkSigned } from './cms-signatures.ts'
import { literalAndSignatures, octetsOf, readSettled } from './openpgp-messages.ts'
import { packets } from './openpgp-packets.ts'
import { type Rendering, render } from './rendering.ts'
import { blocksOf, type Security, type SignedCms, securityOf, shapeOf } from './shapes.ts'
import { type Accepted, type Check, checkDetached, checkMessage, invalid, noSignature } from './signatures.ts'
import { cmsOf, contentOf, type Entity } from './tree.ts'

export type Seen = {
  /** The entity whose header may hold protected fields (RFC 9788 §1.8: the cryptographic payload). */
  payload: Entity
  check: Check
  /** Something visible is not covered by the signature. */
  partial: boolean
  partialReason?: string
  rendering: Rendering
  security: Security
  /** An S/MIME signature without what it signs, for the certificates in it; null where there is none. */
  signedWith: Uint8Array | null
}

export const textOnly = (text: string): Rendering => ({ text, html: null, attachments: [], isCut: false })

export const nothingSeen = (payload: Entity): Seen => ({
  payload,
  check: noSignature,
  partial: false,
  rendering: textOnly(''),
  signedWith: null,
  security: 'plain',
})

/** Whose signatures count: accepted keys, and what S/MIME ones are judged by. */
export type Trusted = { keys: Accepted[]; smime: Believed }

export const examine = async (root: Entity, trusted: Trusted): Promise<Seen> => {
  const certificates = trusted.keys
  const shape = shapeOf(root)
  const security = securityOf(shape)
  const plain: Seen = { ...nothingSeen(root), rendering: render(root, root), security }
  if (shape.kind === 'signed-mime') {
    const { content, signature, whole } = shape
    const check = await checkEntity(content, signature, certificates)
    return {
      ...plain,
      payload: content,
      check,
      partial: !whole,
      rendering: render(root, content),
    }
  }
  if (shape.kind === 'signed-cms') {
    const { content, whole } = shape
    const check = checkCms(shape, trusted.smime)
    const signedWith = certificatesOf(root)
    return {
      ...plain,
      payload: content,
      check,
      partial: !whole,
      rendering: render(root, content),
      signedWith,
    }
  }
  if (shape.kind === 'cleartext') return { ...plain, ...(await examineCleartext(shape.text, certificates)) }
  if (shape.kind === 'opaque') return { ...plain, ...(await examineOpaque(shape.text, certificates)) }
  // A signature further down covers only what stands beside it: it may be named, never be a seal.
  const nested = await checkNested(root, trusted)
  return nested ? { ...plain, check: nested, partial: true } : plain
}

/** RFC 3156 §5: the content with its own header, line ends CRLF, without the line break before the delimiter. */
const checkEntity = (content: Entity, signature: Entity, certificates: Accepted[]): Promise<Check> => {
  const signed = withCrlf(content.octets)
  const raw = contentOf(signature)
  const block = armoredBlocks(latin1(raw)).find(({ type }) => type === 'SIGNATURE')
  if (!block && !(raw[0]! & 0x80))
    return Promise.resolve(raw.length ? invalid('The signature is damaged.') : noSignature)
  return checkDetached(signed, block?.octets ?? raw, certificates)
}

/** The certificates of a signed mail, as an attachment. */
export const certificatesPart = { id: certificatesId, name: 'smime.p7s', type: 'application/pkcs7-signature' }

/** Of a mail that is signed, its signature alone. */
export const certificatesOf = (root: Entity): Uint8Array | null => {
  const shape = shapeOf(root)
  return shape.kind === 'signed-cms' ? signatureAlone(contentOf(shape.signature)) : null
}

/** RFC 8551 §3.1.1 signs lines that end in CRLF; gateways sign them as they stand, too. */
export const checkCms = (shape: SignedCms, smime: Believed): Check => {
  const message = cmsOf(shape.signature)
  if (message?.kind !== 'signed') return invalid('The signature is damaged.')
  if (!shape.isBeside) return checkSigned(message, message.content!, smime)
  const asItCame = shape.content.octets
  const canonical = withCrlf(asItCame)
  const check = checkSigned(message, canonical, smime)
  if (check.status !== 'invalid' || canonical === asItCame) return check
  const again = checkSigned(message, asItCame, smime)
  return again.status === 'invalid' ? check : again
}

/** By hand: as a string it takes a gigabyte for a mail of empty lines. */
const withCrlf = (octets: Uint8Array): Uint8Array => {
  let bare = 0
  for (let i = 0; i < octets.length; i++) if (octets[i] === 10 && octets[i - 1] !== 13) bare++
  if (!bare) return octets
  const out = new Uint8Array(octets.length + bare)
  let length = 0
  for (let i = 0; i < octets.length; i++) {
    const octet = octets[i]!
    if (octet === 10 && octets[i - 1] !== 13) out[length++] = 13
    out[length++] = octet
  }
  return out
}

const checkNested = async (root: Entity, trusted: Trusted): Promise<Check | null> => {
  // Not into attached messages: their signatures are theirs.
  for (const child of root.children) {
    if (root.type === 'message/rfc822' || root.type === 'message/global') return null
    const shape = shapeOf(child)
    if (shape.kind === 'signed-mime') return checkEntity(shape.content, shape.signature, trusted.keys)
    if (shape.kind === 'signed-cms') return checkCms(shape, trusted.smime)
    if (shape.kind === 'cleartext') return (await examineCleartext(shape.text, trusted.keys)).check
    const nested = await checkNested(child, trusted)
    if (nested) return nested
  }
  return null
}

type Inline = Pick<Seen, 'check'> & Partial<Seen>

const examineCleartext = async (entity: Entity, certificates: Accepted[]): Promise<Inline> => {
  const { blocks, isWhole } = blocksOf(entity)
  const block = blocks.find(({ type }) => type === 'SIGNED MESSAGE')!
  if (block.signedText === null)
    return { check: invalid('The signed text is malformed, or too long to be checked.') }
  // Signed are the octets of the part's charset, or the same text in UTF-8 (RFC 9580 §7.1 leaves it to the sender).
  const octets = Buffer.from(block.signedText, 'latin1')
  const charset = entity.parameters.get('charset')
  let check = await checkDetached(octets, block.octets, certificates)
  if (check.status === 'invalid') {
    const again = await checkDetached(Buffer.from(decodeText(octets, charset)), block.octets, certificates)
    if (again.status !== 'invalid') check = again
  }
  const isGood = check.status === 'valid' || check.status === 'expired' || check.status === 'mismatch'
  // Unless the signature is good there is nothing to prefer over the mail as it came.
  if (!isGood) return { check, partial: !isWhole }
  if (!isReadAsSigned(octets, charset)) return { check, ...readOtherwise }
  const text = decodeText(octets, charset).replace(/\r\n/g, '\n')
  return {
    check,
    partial: !isWhole,
    partialReason: 'There is text around the signed text. It is not signed and is left out here.',
    rendering: textOnly(text),
  }
}

export const readOtherwise = {
  partial: true,
  partialReason:
    'The mail names a character set in which the signed text reads differently from how it was signed.',
}

/** An armored message that is signed but not encrypted, or neither. */
const examineOpaque = async (entity: Entity, certificates: Accepted[]): Promise<Inline> => {
  const block = blocksOf(entity).blocks[0]!
  try {
    packets(block.octets)
    const message = await readSettled(block.octets)
    const parts = literalAndSignatures(message)
    if (!parts) return { check: noSignature, security: 'plain' }
    const plain = octetsOf(parts.literal)
    const charset = entity.parameters.get('charset')
    const unicode = strictUtf8(plain)
    const text = (unicode ?? decodeText(plain, charset)).replace(/\r\n/g, '\n')
    const reading = unicode !== null || isReadAsSigned(plain, charset) ? {} : readOtherwise
    const check = await checkMessage(message, certificates)
    const security = parts.signatures.length ? 'signed' : 'plain'
    return { check, rendering: textOnly(text), security, ...reading }
  } catch {
    return { check: noSignature, security: 'plain' }
  }
}
