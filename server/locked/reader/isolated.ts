/** The encrypted things in a mail that the decrypt gate keeps apart from the rest of it. */
import { armoredKind, isArmored } from './armored-blocks.ts'
import { cut } from './charsets.ts'
import { decodeHeader, fieldOf } from './headers.ts'
import { kindOf } from './openpgp-packets.ts'
import { blocksOf, dataPart, encryptedShape, shapeOf, soleText } from './shapes.ts'
import { cmsKindOf, contentOf, type Entity } from './tree.ts'

/** An encrypted thing that the decrypt gate keeps apart from the rest: it opens alone. */
export type Isolated = {
  id: string
  name: string
  /** The nearest message around it, and whether it is all of what that message shows. */
  message: Entity
  isRoot: boolean
} & (
  | { kind: 'mime'; data: Entity | null }
  | { kind: 'block'; text: Entity; index: number }
  | { kind: 'file'; data: Entity }
  | { kind: 'cms'; data: Entity }
)

/** Everything encrypted that is not the root's, in order; what an alternative repeats is there once. */
export const isolatedOf = (root: Entity): Isolated[] => {
  const list: Isolated[] = []
  const visit = (entity: Entity, message: Entity, direct: boolean): void => {
    if (list.length >= 100) return
    const shape = direct && message !== root ? shapeOf(entity) : null
    const place = { message, isRoot: direct && message !== root }
    if (shape?.kind === 'encrypted-mime' || shape?.kind === 'encrypted-cms') {
      const name = cut(decodeHeader(fieldOf(message.fields, 'subject') ?? ''), 200) || 'Encrypted message'
      const data =
        shape.kind === 'encrypted-cms'
          ? { kind: 'cms' as const, data: shape.data }
          : { kind: 'mime' as const, data: shape.data }
      list.push({ ...place, id: entity.id || '0', name, ...data })
      return
    }
    if (cmsKindOf(entity) === 'encrypted') {
      const name = entity.fileName || 'Encrypted part'
      list.push({ ...place, isRoot: false, id: entity.id || '0', name, kind: 'cms', data: entity })
      return
    }
    if (entity.type === 'multipart/encrypted' && encryptedShape(entity)) {
      const data = dataPart(entity)
      list.push({ ...place, isRoot: false, id: entity.id || '0', name: 'Encrypted part', kind: 'mime', data })
      return
    }
    if (entity.type === 'message/rfc822' || entity.type === 'message/global') {
      for (const child of entity.children) visit(child, child, true)
      return
    }
    const text = direct ? soleText(entity) : null
    if (text && text !== entity) {
      visit(text, message, direct)
      return
    }
    if (entity.type === 'multipart/alternative') {
      const { length } = list
      for (const child of entity.children) visit(child, message, false)
      const own = list.splice(length)
      list.push(...own.filter((each, index) => !own.slice(0, index).some((before) => areSame(before, each))))
      return
    }
    if (entity.children.length) {
      for (const child of entity.children) visit(child, message, false)
      return
    }
    // By its name, or by its armor: any binary file may happen to begin like a packet.
    const isFile =
      /\.(asc|pgp|gpg)$/i.test(entity.fileName) ||
      (/^application\/(octet-stream|pgp|pgp-encrypted)$/.test(entity.type) && isArmored(contentOf(entity)))
    if (isFile && armoredKind(contentOf(entity)) === 'encrypted') {
      const name = entity.fileName || 'Encrypted file'
      list.push({ ...place, isRoot: false, id: entity.id, name, kind: 'file', data: entity })
    } else if (entity.type === 'text/plain' || entity.type === 'text/html') {
      const { blocks, isWhole } = blocksOf(entity)
      const closed = blocks.flatMap((block, index) =>
        block.type === 'MESSAGE' && ['encrypted', 'broken'].includes(kindOf(block.octets)) ? [index] : [],
      )
      for (const index of closed) {
        list.push({
          ...place,
          isRoot: place.isRoot && isWhole,
          id: `${entity.id}-${index + 1}`,
          name: closed.length > 1 ? `Encrypted text ${index + 1}` : 'Encrypted text',
          kind: 'block',
          text: entity,
          index,
        })
      }
    }
  }
  visit(root, root, true)
  return list
}

const areSame = (one: Isolated, other: Isolated) =>
  one.kind === 'block' &&
  other.kind === 'block' &&
  Buffer.compare(
    blocksOf(one.text).blocks[one.index]!.octets,
    blocksOf(other.text).blocks[other.index]!.octets,
  ) === 0
