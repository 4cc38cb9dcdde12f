/** Opening what is encrypted in a mail: its root by the decrypt gate, or one part of it alone. */

import type { Message } from 'openpgp'
import { protectionDepthLimit } from '../../ground/limits.ts'
import { Refusal } from '../../ground/refusal.ts'
import type { OpenIdentities, OpenKeys } from '../open-keys.ts'
import { armoredBlocks } from './armored-blocks.ts'
import { decodeText, isReadAsSigned, latin1, strictUtf8 } from './charsets.ts'
import { type Cms, readCms } from './cms.ts'
import { contentKeyLength, type OpenedContent, openContent } from './cms-content.ts'
import { type Isolated, isolatedOf } from './isolated.ts'
import { decryptWith, encryptedMessage, literalAndSignatures, octetsOf } from './openpgp-messages.ts'
import { blocksOf, shapeOf } from './shapes.ts'
import { bareContent, carriesEntity, contentOf, type Entity, isEntity, leafOf, parseMail } from './tree.ts'

/** What is encrypted, before it opens: its packets, and the message that it lies in. */
type ClosedPart = { octets: Uint8Array | null; message: Entity; isWhole: boolean } & (
  | { kind: 'mime' }
  | { kind: 'text'; charset: string }
  | { kind: 'file'; name: string }
  | { kind: 'cms'; name: string }
)

/** In the id of an isolated part, between what is opened first and what lies in it: `~2` lies in the opened root. */
export const within = '~'

type Opened = {
  root: Entity
  /** The message whose header stands above it, and whether what was opened is all that it shows. */
  message: Entity
  isWhole: boolean
  /** The decrypted message, if signatures came with it (RFC 3156 §6.2). */
  combined: Message<Uint8Array> | null
  /** Nobody signed the charset in which the text is read, and it changes what the text says. */
  isReadOtherwise: boolean
  /** What its encryption does not keep; null for OpenPGP, which keeps all of it. */
  weakness: Weakness | null
}

/** Of S/MIME: nothing tells a changed message from what was sent (RFC 8551 §6); its cipher no longer holds. */
export type Weakness = { isMalleable: boolean; isOld: boolean }

/** @param path '' for the root, the id of an isolated part, or several with {@link within} between them */
export const openWithin = async (root: Entity, path: string, keys: OpenKeys): Promise<Opened> => {
  const [first = '', ...inner] = path.split(within)
  let opened = await openClosed(closedOf(root, first), keys, first !== '')
  for (const part of inner.slice(0, protectionDepthLimit)) {
    const closed = closedOf(opened.root, part || '0')
    const next = await openClosed(closed, keys, true)
    // A header of its own has only a message; above any other part stands that of the mail around it.
    const placed = closed.message === opened.root ? { message: opened.message, isWhole: false } : {}
    opened = { ...next, ...placed, weakness: bothOf(opened.weakness, next.weakness) }
  }
  return opened
}

const bothOf = (outer: Weakness | null, inner: Weakness | null): Weakness | null =>
  outer && inner
    ? { isMalleable: outer.isMalleable || inner.isMalleable, isOld: outer.isOld || inner.isOld }
    : (outer ?? inner)

const closedOf = (root: Entity, part: string): ClosedPart => {
  if (part) {
    const found = isolatedOf(root).find(({ id }) => id === part)
    if (!found) throw new Refusal('no-encrypted-part')
    return closedIsolated(found)
  }
  const shape = shapeOf(root)
  if (shape.kind === 'encrypted-mime') {
    return { kind: 'mime', octets: shape.data && binary(contentOf(shape.data)), message: root, isWhole: true }
  }
  if (shape.kind === 'encrypted-inline') return closedBlock(shape.text, 0, root, true)
  if (shape.kind === 'encrypted-cms') return closedCms(shape.data, root, true)
  const parts = isolatedOf(root).map(({ id }) => id)
  if (!parts.length) throw new Refusal('not-encrypted')
  throw new Refusal('parts-open-alone', { detail: { reason: 'parts', parts } })
}

const closedIsolated = (found: Isolated): ClosedPart => {
  const { message } = found
  if (found.kind === 'block') return closedBlock(found.text, found.index, message, found.isRoot)
  if (found.kind === 'cms') return closedCms(found.data, message, found.isRoot)
  const octets = found.data && binary(contentOf(found.data))
  if (found.kind === 'mime') return { kind: 'mime', octets, message, isWhole: found.isRoot }
  return {
    kind: 'file',
    octets,
    message,
    isWhole: false,
    name: found.data.fileName.replace(/\.(asc|pgp|gpg)$/i, ''),
  }
}

const closedCms = (data: Entity, message: Entity, isWhole: boolean): ClosedPart => ({
  kind: 'cms',
  octets: contentOf(data),
  message,
  isWhole,
  name: data.fileName,
})

const closedBlock = (text: Entity, index: number, message: Entity, isWhole: boolean): ClosedPart => {
  const block = blocksOf(text).blocks[index]!
  // The armor may name the charset (RFC 9580 §6.2.2.5), since the part's is that of the armor itself.
  const charset = block.headers.charset ?? ''
  return {
    kind: 'text',
    octets: block.octets,
    message,
    isWhole,
    charset: charset || (text.parameters.get('charset') ?? ''),
  }
}

/** Packets of an encrypted file, armored or not. */
const binary = (octets: Uint8Array): Uint8Array =>
  octets[0]! & 0x80
    ? octets
    : (armoredBlocks(latin1(octets)).find(({ type }) => type === 'MESSAGE')?.octets ?? octets)

/** One sentence, whatever happened: a differing one would answer an attacker's question. */
const undecryptable = (cause?: unknown) =>
  new Refusal('undecryptable', {
    cause,
    detail: { reason: 'undecryptable' },
  })

/** @param isPart it is not the root of the mail */
const openClosed = async (closed: ClosedPart, keys: OpenKeys, isPart: boolean): Promise<Opened> => {
  if (!closed.octets?.length) throw undecryptable()
  if (closed.kind === 'cms') return openCms(closed.octets, closed, keys, isPart)
  const message = await decryptMessage(closed.octets, keys)
  const parts = literalAndSignatures(message)
  if (!parts) throw undecryptable()
  const plain = octetsOf(parts.literal)
  const combined = parts.signatures.length ? message : null
  const rest = {
    message: closed.message,
    isWhole: closed.isWhole,
    combined,
    isReadOtherwise: false,
    weakness: null,
  }
  if (closed.kind === 'mime') return { ...rest, root: parseMail(plain) }
  // Text is one unless its first line says otherwise: a person may quote a header.
  const isText =
    closed.kind === 'text' &&
    !(/^(content-[a-z-]+|mime-version):/i.test(latin1(plain.subarray(0, 100))) && isEntity(plain))
  if (isText) {
    const unicode = strictUtf8(plain)
    const text = unicode ?? decodeText(plain, closed.charset)
    const isReadOtherwise = unicode === null && !isReadAsSigned(plain, closed.charset)
    return { ...rest, isReadOtherwise, root: leafOf(Buffer.from(text), 'text/plain', 'utf-8', '') }
  }
  // An encrypted file: a whole MIME entity (mailers that break multipart/encrypted apart), a text, or just octets.
  // The name in the literal packet is the sender's to choose, and not used.
  if (isEntity(plain)) return { ...rest, root: parseMail(plain) }
  const name = closed.kind === 'file' ? closed.name : ''
  const file = leafOf(plain, 'application/octet-stream', '', name || 'decrypted')
  return { ...rest, root: file }
}

/**
 * An encrypted CMS message. One that can be changed on its way opens only as the root of a mail: as a part of it, what
 * stands around it could be written to draw the text out.
 */
const openCms = (
  octets: Uint8Array,
  { message, isWhole, name }: { message: Entity; isWhole: boolean; name: string },
  { identities }: OpenKeys,
  isPart: boolean,
): Opened => {
  const { content, ...weakness } = decryptCms(octets, identities)
  if (weakness.isMalleable && isPart)
    throw new Refusal('part-can-be-changed', { detail: { reason: 'malleable' } })
  const root = carriesEntity(content) ? parseMail(content) : bareContent(content, { fileName: name })
  // A wrong key now and then leaves something. Nobody signs or reads octets without a header that are no text.
  if (weakness.isMalleable && root.type === 'application/octet-stream' && !carriesEntity(content))
    throw undecryptable()
  return { root, message, isWhole, combined: null, isReadOtherwise: false, weakness }
}

/** @throws Refusal `cannot-decrypt` */
const decryptCms = (octets: Uint8Array, identities: OpenIdentities): OpenedContent => {
  let encrypted: Cms
  try {
    encrypted = readCms(octets)
  } catch (cause) {
    throw undecryptable(cause)
  }
  if (encrypted.kind !== 'encrypted') throw undecryptable()
  const length = contentKeyLength(encrypted)
  // For whom it is stands outside; with which of the ciphers that are not known here, too.
  let contentKeys: Uint8Array[] | null
  try {
    contentKeys = identities.contentKeys(encrypted.recipients, length ?? 0)
  } catch (cause) {
    throw undecryptable(cause)
  }
  if (!contentKeys) throw new Refusal('not-to-your-keys', { detail: { reason: 'no-key' } })
  let cause: unknown
  for (const key of contentKeys) {
    try {
      if (key.length === length) return openContent(encrypted, key)
    } catch (failure) {
      cause = failure
    } finally {
      key.fill(0)
    }
  }
  throw undecryptable(cause)
}

/** @throws Refusal `cannot-decrypt` */
export const decryptMessage = async (octets: Uint8Array, keys: OpenKeys): Promise<Message<Uint8Array>> => {
  let encrypted: ReturnType<typeof encryptedMessage>
  let sessionKeys: Awaited<ReturnType<OpenKeys['unwrap']>>
  try {
    encrypted = encryptedMessage(octets, await keys.ids())
    sessionKeys = encrypted.recipients ? await keys.unwrap(encrypted.forUnwrap) : []
  } catch (cause) {
    throw undecryptable(cause)
  }
  // That it names our key is to be read from outside; why it does not open is not said.
  if (!sessionKeys.length && encrypted.isOurs) throw undecryptable()
  if (!sessionKeys.length) {
    throw new Refusal('not-to-your-keys', {
      detail: { reason: 'no-key' },
    })
  }
  let cause: unknown
  for (const key of sessionKeys) {
    try {
      return await decryptWith(encrypted, key)
    } catch (failure) {
      cause = failure
    } finally {
      key.data.fill(0)
    }
  }
  throw undecryptable(cause)
}
