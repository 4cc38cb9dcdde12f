/**
 * Mail as octets: one tree of entities (RFC 5322, 2045-2047, 2231), from which everything that people see and
 * everything that a signature covers is taken. There is no second parser beside it: where two disagree about what
 * a part is, a signature can be shown over text that it does not cover.
 *
 * Nothing here throws on mail. What cannot be understood is shown as it came; what exceeds a limit stays one opaque
 * part. Attackers write this input: limits are on nesting, parts, header size and scanned delimiters.
 */
import { cmsLimits, treeLimits } from '../../ground/limits.ts'
import { isArmored } from './armored-blocks.ts'
import { latin1, strictUtf8 } from './charsets.ts'
import { type Cms, kindOfCms, readCms } from './cms.ts'
import { type Field, fieldOf, splitHeader } from './headers.ts'
import { fileNameOf, type Parameters, parseParameters } from './parameters.ts'
import { decodeBase64, decodeQuotedPrintable, uuFilesOf } from './transfer-encodings.ts'

export type Entity = {
  /** Path of the parts from the root: '2', '1.2'. A root that is a multipart has ''; one without parts '1'. */
  id: string
  /** Header and body, as they came: what a signature around this entity covers. */
  octets: Uint8Array
  fields: Field[]
  /** Body octets, transfer encoding not undone. */
  body: Uint8Array
  type: string
  parameters: Parameters
  disposition: string
  /** File name as the sender gave it, decoded; '' for none. Never a path. */
  fileName: string
  children: Entity[]
}

type Budget = { parts: number; delimiters: number; scanned: number; unwrapped: number; messages: number }

/** The tree of a whole mail, or of the entity that encryption carried. */
export const parseMail = (octets: Uint8Array): Entity =>
  parseEntity(withoutMboxLine(octets), '', 0, 'text/plain', {
    parts: 0,
    delimiters: 0,
    scanned: 0,
    unwrapped: 0,
    messages: 0,
  })

/** Whether octets begin with a header that says what they are: no text, and no file, does by chance. */
export const isEntity = (octets: Uint8Array): boolean => {
  const { fields, body } = splitHeader(octets)
  return body.length < octets.length && /^[\w.+-]+\/[\w.+-]+/.test(fieldOf(fields, 'content-type') ?? '')
}

/**
 * Whether what S/MIME carries is an entity, as it should be (RFC 8551 §3.1). Programs that are given a text without a
 * header carry that as it is; and there a person may quote a header.
 */
export const carriesEntity = (octets: Uint8Array): boolean =>
  /^(content-[a-z-]+|mime-version):/i.test(latin1(octets.subarray(0, 100))) || isEntity(octets)

/** An entity made here, for decrypted text that has no header of its own. */
export const leafOf = (body: Uint8Array, type: string, charset: string, fileName: string): Entity => ({
  id: '1',
  octets: body,
  fields: [],
  body,
  type,
  parameters: new Map(charset ? [['charset', charset]] : []),
  disposition: fileName ? 'attachment' : '',
  fileName,
  children: [],
})

export const partById = (root: Entity, id: string): Entity | null => {
  if (root.id === id) return root
  for (const child of root.children) {
    const found = partById(child, id)
    if (found) return found
  }
  return null
}

/** Asked for again and again of the same large part. */
export const remembered = <K extends object, V>(make: (key: K) => V) => {
  const known = new WeakMap<K, V>()
  return (key: K): V => {
    const found = known.get(key) ?? make(key)
    known.set(key, found)
    return found
  }
}

/** The body with its transfer encoding undone (RFC 2045 §6). */
export const contentOf = remembered((entity: Entity): Uint8Array => {
  const encoding = encodingOf(entity)
  if (encoding === 'base64') return decodeBase64(entity.body)
  if (encoding === 'quoted-printable') return decodeQuotedPrintable(entity.body)
  if (/^(x-)?uu(e|encode)$/.test(encoding)) return uuFilesOf(entity.body)[0]?.octets ?? entity.body
  return entity.body
})

/** A part that a CMS message lies in, by its type, or by the name that goes with it (RFC 8551 §3.2.1). */
const isCmsFile = ({ type, fileName }: Entity) =>
  /^application\/(x-)?pkcs7-(mime|signature)$/.test(type) ||
  (type === 'application/octet-stream' && /\.(p7m|p7z|p7s)$/i.test(fileName))

/** What kind of CMS message a part is; null for all other parts. The parameters of its type may say what they like. */
export const cmsKindOf = (entity: Entity): ReturnType<typeof kindOfCms> =>
  isCmsFile(entity) ? kindOfCms(contentOf(entity)) : null

/** The CMS message in a part; null if it is broken. */
export const cmsOf = remembered((entity: Entity): Cms | null => {
  try {
    return readCms(contentOf(entity))
  } catch {
    return null
  }
})

/** The entity that a message which hides nothing carries: signed in one piece, or compressed. */
const carriedBy = (entity: Entity): Uint8Array | null => {
  const cms = cmsKindOf(entity) === 'encrypted' ? null : cmsOf(entity)
  return cms?.kind === 'signed' || cms?.kind === 'compressed' ? cms.content : null
}

/** What programs that keep mail in files put before its header: a byte order mark, the line of an mbox, quoted or not. */
export const withoutMboxLine = (octets: Uint8Array) => {
  let mail = octets[0] === 0xef && octets[1] === 0xbb && octets[2] === 0xbf ? octets.subarray(3) : octets
  for (let lines = 0; lines < 2 && /^>?From /.test(latin1(mail.subarray(0, 6))); lines++) {
    const end = mail.indexOf(10)
    if (end < 0) break
    mail = mail.subarray(end + 1)
  }
  return mail
}

const parseEntity = (
  octets: Uint8Array,
  id: string,
  depth: number,
  fallbackType: string,
  budget: Budget,
): Entity => {
  const { fields, body } = splitHeader(octets)
  const content = parseParameters(fieldOf(fields, 'content-type') ?? '')
  const disposition = parseParameters(fieldOf(fields, 'content-disposition') ?? '')
  const named = /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+*-]+$/.test(content.value)
  const entity: Entity = {
    id: id || '1',
    octets,
    fields,
    body,
    // "text" alone and the like are no type (RFC 2045 §5.2: treat as text/plain).
    type: named
      ? content.value
      : content.value && !/^text$/.test(content.value)
        ? 'text/plain'
        : fallbackType,
    parameters: content.parameters,
    disposition: disposition.value,
    fileName: fileNameOf(disposition.parameters.get('filename') || content.parameters.get('name') || ''),
    children: [],
  }
  if (depth >= treeLimits.depth || budget.parts >= treeLimits.parts)
    return entity.type.startsWith('multipart/') ? asFile(entity) : entity
  if (entity.type.startsWith('multipart/')) {
    const pieces = splitParts(body, content.parameters.get('boundary') ?? '', budget)
    if (!pieces.length) {
      // No delimiter anywhere: what is there is shown as text rather than lost.
      entity.type = 'text/plain'
      return entity
    }
    entity.id = id
    const childType = entity.type === 'multipart/digest' ? 'message/rfc822' : 'text/plain' // RFC 2046 §5.1.5
    // All at once: else each of a hundred levels could have a thousand.
    budget.parts += pieces.length
    entity.children = pieces.map((piece, index) =>
      parseEntity(piece, id ? `${id}.${index + 1}` : `${index + 1}`, depth + 1, childType, budget),
    )
  } else if (entity.type === 'message/rfc822' || entity.type === 'message/global') {
    // RFC 2045 §6.4 forbids to encode these; who does it a hundred times wants the memory.
    if (isEncoded(entity)) budget.unwrapped += body.length
    if (budget.unwrapped > treeLimits.unwrappedOctets) return entity
    budget.parts++
    const inner = withoutMboxLine(contentOf(entity))
    const child = parseEntity(inner, `${entity.id}.1`, depth + 1, 'text/plain', budget)
    entity.children = [child]
  } else if (isPgpText(entity)) {
    entity.type = 'text/plain'
  } else if (isCmsFile(entity)) {
    return withCarried(entity, depth, budget)
  } else if (entity.type === 'text/plain' && entity.disposition !== 'attachment') {
    return withUuFiles(entity, budget)
  }
  return entity
}

/** Armored text under the types that mailers gave it before RFC 3156; mutt's `application/pgp; format=text` is one. */
const isPgpText = (entity: Entity) =>
  /^(application|text)\/(x-)?pgp(-message)?$/.test(entity.type) &&
  entity.disposition !== 'attachment' &&
  !entity.fileName &&
  isArmored(contentOf(entity))

/**
 * A text with uuencoded files in it, as mail was before MIME, is the text and the files. One with armor stays what it
 * is: its signature covers the lines as they stand.
 */
const withUuFiles = (entity: Entity, budget: Budget): Entity => {
  const isCandidate = (octets: Uint8Array) => {
    const buffer = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength)
    return buffer.includes('begin ') && !buffer.includes('-----BEGIN PGP ')
  }
  if (isEncoded(entity) ? !isCandidate(contentOf(entity)) : !isCandidate(entity.body)) return entity
  const content = contentOf(entity)
  const files = uuFilesOf(content).slice(0, treeLimits.parts - budget.parts)
  if (!files.length) return entity
  budget.parts += files.length
  const texts: Uint8Array[] = []
  let at = 0
  for (const { start, end } of [...files, { start: content.length, end: 0 }]) {
    texts.push(content.subarray(at, start))
    at = end
  }
  const plain = (body: Uint8Array, index: number): Entity => ({
    ...entity,
    id: `${entity.id}.${index}`,
    fields: [],
    body,
  })
  const children = [
    plain(Buffer.concat(texts), 1),
    ...files.map(({ name, octets }, index) => ({
      ...plain(octets, index + 2),
      type: 'application/octet-stream',
      parameters: new Map(),
      disposition: 'attachment',
      fileName: fileNameOf(name),
    })),
  ]
  return { ...entity, type: 'multipart/mixed', children }
}

/** A CMS message with what it carries; one that hides it, or is broken, stays as it is. */
const withCarried = (entity: Entity, depth: number, budget: Budget): Entity => {
  budget.unwrapped += entity.body.length
  if (++budget.messages > cmsLimits.messages || budget.unwrapped > treeLimits.unwrappedOctets) return entity
  const carried = carriedBy(entity)
  if (!carried?.length) return entity
  budget.unwrapped += carried.length
  budget.parts++
  const id = `${entity.id}.1`
  entity.children = [
    carriesEntity(carried)
      ? parseEntity(carried, id, depth + 1, 'text/plain', budget)
      : { ...bareContent(carried, entity), id },
  ]
  return entity
}

/** What was signed or encrypted without a header: a text, or a file that is named as its wrapping is. */
export const bareContent = (octets: Uint8Array, { fileName }: Pick<Entity, 'fileName'>): Entity =>
  strictUtf8(octets) === null
    ? leafOf(octets, 'application/octet-stream', '', fileName.replace(/\.p7[mz]$/i, '') || 'file')
    : leafOf(octets, 'text/plain', 'utf-8', '')

/** Parts that are not taken apart are one file with their header, which another program can read. */
const asFile = (entity: Entity): Entity => ({
  ...entity,
  fields: [],
  body: entity.octets,
  type: 'message/rfc822',
  parameters: new Map(),
  fileName: entity.fileName || `part-${entity.id}.eml`.slice(-40),
})

const splitParts = (body: Uint8Array, named: string, budget: Budget): Uint8Array[] => {
  const boundary = named.trimEnd() // RFC 2046 §5.1.1: never a blank at its end
  budget.scanned += body.length
  if (
    !boundary ||
    boundary.length > treeLimits.boundaryCharacters ||
    budget.scanned > treeLimits.scannedOctets
  )
    return []
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const delimiter = Buffer.from(`--${boundary}`, 'latin1')
  const pieces: Uint8Array[] = []
  let from = -1
  let at = buffer.indexOf(delimiter)
  for (; at >= 0; at = buffer.indexOf(delimiter, at + delimiter.length)) {
    if (++budget.delimiters > treeLimits.delimiters || budget.parts + pieces.length >= treeLimits.parts) break
    if (at > 0 && buffer[at - 1] !== 10) continue
    // The whole line must be the delimiter (RFC 2046 §5.1.1), or "--a" would end the parts of "--ab".
    const lineEnd = buffer.indexOf(10, at)
    const stop = lineEnd < 0 ? buffer.length : lineEnd
    if (stop - at > delimiter.length + 200) continue
    const rest = /^(--)?[ \t]*\r?$/.exec(buffer.toString('latin1', at + delimiter.length, stop))
    if (!rest) continue
    if (from >= 0) pieces.push(body.subarray(from, Math.max(from, beforeLineEnd(buffer, at))))
    from = lineEnd < 0 ? buffer.length : lineEnd + 1
    if (rest[1]) return pieces
  }
  if (from >= 0 && from < body.length) pieces.push(body.subarray(from))
  return pieces
}

/** The line break before a delimiter belongs to the delimiter. */
const beforeLineEnd = (buffer: Buffer, at: number) => {
  if (at > 0 && buffer[at - 1] === 10) at--
  if (at > 0 && buffer[at - 1] === 13) at--
  return at
}

const encodingOf = ({ fields }: Entity) =>
  (fieldOf(fields, 'content-transfer-encoding') ?? '')
    .replace(/[;(].*/s, '')
    .trim()
    .toLowerCase()

const isEncoded = (entity: Entity) => /^(base64|quoted-printable)$/.test(encodingOf(entity))
