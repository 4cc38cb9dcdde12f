/** How a mail is secured, by its structure alone (RFC 3156; inline blocks; RFC 8551). */
import { versionPartOctets } from '../../ground/limits.ts'
import { armoredBlocks, armoredKind } from './armored-blocks.ts'
import { latin1 } from './charsets.ts'
import { kindOf } from './openpgp-packets.ts'
import { cmsKindOf, contentOf, type Entity, remembered } from './tree.ts'

export type Shape =
  /** The whole of what is visible comes out of `data`: the decrypt gate is open. */
  | { kind: 'encrypted-mime'; data: Entity | null }
  | { kind: 'encrypted-inline'; text: Entity }
  /** One armored message that is not encrypted: a signature around a literal, or just a literal. */
  | { kind: 'opaque'; text: Entity }
  | { kind: 'cleartext'; text: Entity }
  | { kind: 'signed-mime'; content: Entity; signature: Entity; whole: boolean }
  /** S/MIME: `data` is the part with the message that hides all of the mail. */
  | { kind: 'encrypted-cms'; data: Entity }
  /** S/MIME: `signature` is the part with the message, which carries the content or stands beside it. */
  | { kind: 'signed-cms'; content: Entity; signature: Entity; isBeside: boolean; whole: boolean }
  | { kind: 'plain' }

export const shapeOf = (root: Entity): Shape => {
  // A signature directly around it, of whatever kind, does not close the gate.
  const around = contentSignedBy(root)
  const inner = around && encryptedShape(around)
  if (inner) return inner
  const encrypted = encryptedShape(root)
  if (encrypted) return encrypted
  const carried = cmsShape(root)
  if (carried) return carried
  if (isPgpSigned(root)) {
    const [content, signature] = root.children as [Entity, Entity]
    return { kind: 'signed-mime', content, signature, whole: root.children.length === 2 }
  }
  const exchange = exchangeData(root)
  if (exchange) return { kind: 'encrypted-mime', data: exchange }
  const alone = encryptedAlone(root)
  if (alone) return { kind: 'encrypted-cms', data: alone }
  const text = soleText(root)
  if (text) {
    const { blocks, isWhole } = blocksOf(text)
    if (blocks.some(({ type }) => type === 'SIGNED MESSAGE')) return { kind: 'cleartext', text }
    if (isWhole && blocks[0]!.type === 'MESSAGE') return encryptedShape(text) ?? { kind: 'opaque', text }
  }
  return { kind: 'plain' }
}

/** What stands, alone with its signature, in a part that is signed; null in another. */
const contentSignedBy = (entity: Entity): Entity | null => {
  if (entity.type === 'multipart/signed' && entity.children.length === 2) return entity.children[0]!
  return cmsKindOf(entity) === 'signed' ? (entity.children[0] ?? null) : null
}

/** Of a part with an S/MIME message that hides nothing: what it makes of the mail. */
const cmsShape = (entity: Entity): Shape | null => {
  const content = entity.children[0]
  // What was compressed is as well secured as what it is then.
  if (cmsKindOf(entity) === 'compressed' && content) return shapeOf(content)
  return signedCms(entity)
}

export type SignedCms = Extract<Shape, { kind: 'signed-cms' }>

/** A part with an S/MIME signature, whatever it is that was signed. */
export const signedCms = (entity: Entity): SignedCms | null => {
  const content = entity.children[0]
  if (cmsKindOf(entity) === 'signed' && content)
    return { kind: 'signed-cms', content, signature: entity, isBeside: false, whole: true }
  if (!isCmsSigned(entity)) return null
  const [beside, signature] = entity.children as [Entity, Entity]
  const whole = entity.children.length === 2
  return { kind: 'signed-cms', content: beside, signature, isBeside: true, whole }
}

/** A signature that stands beside its content (RFC 8551 §3.5.3). */
const isCmsSigned = (entity: Entity): boolean => {
  const signature = entity.children[1]
  return (
    entity.type === 'multipart/signed' &&
    signature !== undefined &&
    (/^application\/(x-)?pkcs7-signature$/.test(signature.type) ||
      (cmsKindOf(signature) === 'signed' && signature.children.length === 0))
  )
}

export type Security = 'plain' | 'encrypted' | 'signed'

export type EncryptedShape = Extract<Shape, { kind: `encrypted-${string}` }>
export const isEncrypted = (shape: Shape): shape is EncryptedShape => shape.kind.startsWith('encrypted-')

/** How the mail is secured, for lists and pages. */
export const securityOf = (shape: Shape): Security => {
  if (isEncrypted(shape)) return 'encrypted'
  return shape.kind === 'plain' ? 'plain' : 'signed'
}

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

/** What gateways make of an S/MIME message: the only part, or the only one beside empty texts. */
const encryptedAlone = (root: Entity): Entity | null => {
  if (root.type !== 'multipart/mixed') return null
  const [only, another] = root.children.filter((child) => !isEmptyText(child))
  return only && !another && cmsKindOf(only) === 'encrypted' ? only : null
}

const isEmptyText = (entity: Entity) => {
  if (entity.children.length || !/^text\/(plain|html)$/.test(entity.type)) return false
  const content = contentOf(entity)
  if (content.length > versionPartOctets) return false
  const text = latin1(content)
  if (entity.type === 'text/plain') return !text.trim()
  return !text
    .replace(/<\/?(html|head|meta|body|div|p|br|span|font)\b[^<>]*>|<!doctype[^<>]*>|&nbsp;/gi, '')
    .trim()
}

/** The text that is the whole mail: the root, or one that an alternative repeats as HTML, as webmail does with armor. */
export const soleText = (root: Entity): Entity | null => {
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

export const encryptedShape = (entity: Entity): EncryptedShape | null => {
  if (cmsKindOf(entity) === 'encrypted') return { kind: 'encrypted-cms', data: entity }
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

export const dataPart = (encrypted: Entity) =>
  encrypted.children.find((child, index) => index > 0 && child.type !== 'application/pgp-encrypted') ?? null
