/** What a reader sees of an entity: its text, its HTML, and the list of its attachments. */
import { htmlLimits, legacyDisplayOctets, shownTextLimit, treeLimits } from '../../ground/limits.ts'
import { armoredKind } from './armored-blocks.ts'
import { cut, decodeText, isUtf7, latin1 } from './charsets.ts'
import { decodeHeader, fieldOf } from './headers.ts'
import { htmlToText } from './html-text.ts'
import { encryptedShape } from './shapes.ts'
import { contentOf, type Entity } from './tree.ts'

const decodeLimit = 4 * shownTextLimit // octets that can make so many characters

/** Last line of a text that is longer than what is shown. */
export const restIsElsewhere =
  '[This mail is longer than what is shown here. The rest is in its source and its attachments.]'

export type Part = { id: string; name: string; type: string; size: number }

/** What a reader sees of an entity. */
export type Rendering = {
  text: string
  html: string | null
  attachments: Part[]
  /** There is more than is given out here. */
  isCut: boolean
}

/** The text is made when it is asked for: of HTML it is dear, and beside a plain alternative nobody wants it. */
type Piece = {
  text: (budget: Spending) => string
  html?: string
  /** A text that is neither plain nor HTML, such as the source of an AMP page: shown only if there is nothing better. */
  isOther?: boolean
}
type Spending = { html: number; isCut: boolean }

/**
 * @param payload what protects header fields: those that it repeats in the body for old readers are left out
 *   (RFC 9788 §5.2.2-5.2.3, and the part of their own that mailers made before it)
 */
export const render = (root: Entity, payload: Entity | null = null): Rendering => {
  const renderer = new Renderer(payload)
  const pieces = renderer.piecesOf(root)
  const { attachments } = renderer
  const spending: Spending = { html: shownTextLimit, isCut: attachments.length > treeLimits.parts }
  const text = textOf(pieces, spending)
  return {
    text,
    html: htmlOf(pieces),
    attachments: attachments.slice(0, treeLimits.parts),
    isCut: spending.isCut,
  }
}

const textOf = (pieces: Piece[], spending: Spending): string => {
  const texts: string[] = []
  let length = 0
  for (const piece of pieces) {
    if (length > shownTextLimit) break
    const text = piece.text(spending).trimEnd()
    if (!text) continue
    length += text.length + (texts.length ? 2 : 0)
    texts.push(text)
  }
  if (length > shownTextLimit) spending.isCut = true
  return cut(texts.join('\n\n'), shownTextLimit)
}

/** The HTML whole or not at all: a part of a page is another page. */
const htmlOf = (pieces: Piece[]): string | null => {
  if (!pieces.some(({ html }) => html !== undefined)) return null
  const parts: string[] = []
  let length = 0
  for (const { html, text } of pieces) {
    const part = html ?? asHtml(text({ html: 0, isCut: false }))
    length += part.length + (parts.length ? 1 : 0)
    parts.push(part)
    if (length > shownTextLimit) return null
  }
  return parts.join('\n')
}

const asHtml = (text: string) =>
  `<div style="white-space:pre-wrap">${text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')}</div>`

/** Walks an entity; what it finds is in order. */
class Renderer {
  readonly attachments: Part[] = []
  readonly #payload: Entity | null

  constructor(payload: Entity | null) {
    this.#payload = payload
  }

  piecesOf(entity: Entity): Piece[] {
    const pieces: Piece[] = []
    this.#walk(entity, pieces)
    return pieces
  }

  #walk(entity: Entity, pieces: Piece[]): void {
    const { type, children } = entity
    if (type === 'message/rfc822' || type === 'message/global') this.#attachedMessage(entity, pieces)
    else if (!children.length) this.#leaf(entity, pieces)
    else if (type === 'multipart/alternative') pieces.push(...this.#alternative(children))
    else if (type === 'multipart/encrypted') this.#encrypted(entity, pieces)
    else if (type === 'multipart/signed') this.#signed(children, pieces)
    else
      for (const [index, child] of children.entries())
        if (index > 0 || entity !== this.#payload || !isLegacyDisplay(entity, child))
          this.#walk(child, pieces)
  }

  /** The text as the sender wrote it, and the HTML beside it; RFC 2046 §5.1.4 has the richest last. */
  #alternative(children: Entity[]): Piece[] {
    const choices = children.map((child) => this.piecesOf(child))
    const rich = choices.findLast((own) => own.some(({ html }) => html !== undefined))
    const free = { html: 0, isCut: false }
    const isText = ({ html, text }: Piece) => html === undefined && text(free).trim() !== ''
    const plain =
      choices.findLast(
        (own) => own.every(({ html, isOther }) => html === undefined && !isOther) && own.some(isText),
      ) ?? choices.findLast((own) => own.some((piece) => isText(piece) && !(rich && piece.isOther)))
    if (!rich || !plain || rich === plain) return plain ?? rich ?? []
    const html = htmlOf(rich)
    const text: Piece['text'] = (spending) => plain.map((piece) => piece.text(spending)).join('\n\n')
    return [html === null ? { text } : { html, text }]
  }

  /** Ciphertext is not for eyes: it is listed as a part that opens alone. What only claims to be encrypted is shown. */
  #encrypted(entity: Entity, pieces: Piece[]) {
    if (encryptedShape(entity)) return
    for (const child of entity.children) {
      if (child.type === 'application/pgp-encrypted') continue
      if (armoredKind(contentOf(child)) === 'cleartext')
        pieces.push(textPiece({ ...child, parameters: new Map() }, plainText))
      else this.#walk(child, pieces)
    }
  }

  /** A part beside the content and its signature is covered by nothing, but it is not hidden either. */
  #signed([content, ...others]: Entity[], pieces: Piece[]) {
    this.#walk(content!, pieces)
    for (const child of others)
      if (!/^application\/(x-)?(pgp|pkcs7)-signature$/.test(child.type)) this.#walk(child, pieces)
  }

  #attachedMessage(entity: Entity, pieces: Piece[]) {
    const inner = entity.children[0]
    const subject = inner ? decodeHeader(fieldOf(inner.fields, 'subject') ?? '') : ''
    this.#attach(entity, `${cut(subject.replace(/[\\/:]/g, '_'), 100) || 'message'}.eml`)
    if (!inner) return
    const lines = (['From', 'Date', 'Subject'] as const)
      .map((name) => [name, decodeHeader(fieldOf(inner.fields, name.toLowerCase()) ?? '')])
      .filter(([, value]) => value)
      .map(([name, value]) => `${name}: ${value}`)
    const head = ['[Attached message]', ...lines].join('\n')
    pieces.push({ text: () => head })
    this.#walk(inner, pieces)
  }

  #leaf(entity: Entity, pieces: Piece[]) {
    const { type, fileName, disposition } = entity
    const isText = type === 'text/plain' || type === 'text/html' || (type.startsWith('text/') && !fileName)
    const isFirstText = !fileName || (pieces.length === 0 && disposition === 'inline')
    const isData = /^text\/(calendar|x-?vcard|directory)$/.test(type)
    if (!isText || disposition === 'attachment' || !isFirstText || isData)
      return this.#attach(entity, `part-${entity.id}${extensions[type] ?? ''}`)
    const isRepeating =
      this.#payload?.parameters.has('hp') && entity.parameters.get('hp-legacy-display') === '1'
    if (type === 'text/html')
      pieces.push(htmlPiece(isRepeating ? withoutLegacyDisplay(decodedHtml(entity)) : decodedHtml(entity)))
    else pieces.push(textPiece(entity, isRepeating ? textWithoutLegacyDisplay : plainText))
  }

  #attach(entity: Entity, name: string) {
    const { id, type, fileName } = entity
    this.attachments.push({ id, name: fileName || name, type, size: contentOf(entity).length })
  }
}

const extensions: Record<string, string> = {
  'text/plain': '.txt',
  'text/html': '.html',
  'text/calendar': '.ics',
  'image/png': '.png',
  'image/jpeg': '.jpg',
  'image/gif': '.gif',
  'application/pdf': '.pdf',
  'application/pgp-keys': '.asc',
}

const textPiece = (entity: Entity, read: (entity: Entity) => string): Piece => {
  let text: string | undefined
  return {
    text: (spending) => {
      text ??= read(entity)
      if (contentOf(entity).length > decodeLimit) spending.isCut = true
      return text
    },
    isOther: entity.type !== 'text/plain',
  }
}

/** The octets that are decoded; more of them cannot be shown. Not cut within a character of UTF-8. */
const shownOctets = (octets: Uint8Array) => {
  if (octets.length <= decodeLimit) return octets
  let end = decodeLimit
  while (end > decodeLimit - 4 && (octets[end]! & 0xc0) === 0x80) end--
  return octets.subarray(0, end)
}

/** Text of a text part, its lines ended by LF; of a very long one the beginning. */
export const plainText = (entity: Entity): string => unflowed(entity, decodedText(entity))

/** RFC 9788 §5.2.2: without what stands up to the first empty line. */
const textWithoutLegacyDisplay = (entity: Entity): string => {
  const text = decodedText(entity)
  const end = /\n[ \t]*\n/.exec(text)
  return unflowed(entity, end ? text.slice(end.index + end[0].length) : text)
}

const decodedText = (entity: Entity) =>
  decodeText(shownOctets(contentOf(entity)), entity.parameters.get('charset')).replace(/\r\n?/g, '\n')

const unflowed = ({ parameters }: Entity, text: string): string =>
  parameters.get('format')?.toLowerCase() === 'flowed'
    ? unflow(text, parameters.get('delsp')?.toLowerCase() === 'yes')
    : text

/** format=flowed (RFC 3676 §4): a line that ends in a space goes on in the next of the same quote depth. */
const unflow = (text: string, deleteSpace: boolean) => {
  const lines: string[] = []
  let open: { depth: number } | null = null
  for (const raw of text.split('\n')) {
    const depth = /^>*/.exec(raw)![0].length
    let line = raw.slice(depth)
    if (line.startsWith(' ')) line = line.slice(1)
    const isSignature = line === '-- '
    const flows = line.endsWith(' ') && !isSignature
    const kept = flows && deleteSpace ? line.slice(0, -1) : line
    if (open && open.depth === depth && !isSignature) lines[lines.length - 1] += kept
    else lines.push(depth ? `${'>'.repeat(depth)} ${kept}` : kept)
    open = flows ? { depth } : null
  }
  return lines.join('\n')
}

const decodedHtml = (entity: Entity): string => {
  const octets = shownOctets(contentOf(entity))
  const declared = /<meta[^>]{1,500}charset=["']?([\w-]+)/i.exec(
    latin1(octets.subarray(0, htmlLimits.declarationOctets)),
  )?.[1]
  const charset = entity.parameters.get('charset') ?? declared
  return decodeText(octets, isUtf7(charset) ? undefined : charset)
}

const htmlPiece = (html: string): Piece => ({
  html,
  text: (spending) => {
    if (html.length > spending.html) spending.isCut = true
    const turned = cut(html, spending.html)
    spending.html -= turned.length
    return htmlToText(turned)
  },
})

/**
 * The first part of a payload of the older convention (draft-autocrypt-lamps-protected-headers §4.2), which repeats
 * protected fields for readers that do not know it. Only lines of fields are left out, never a text.
 */
const isLegacyDisplay = (payload: Entity, part: Entity) =>
  payload.type === 'multipart/mixed' &&
  payload.parameters.get('protected-headers')?.toLowerCase() === 'v1' &&
  part.parameters.get('protected-headers')?.toLowerCase() === 'v1' &&
  /^text\/(plain|rfc822-headers)$/.test(part.type) &&
  part.disposition !== 'attachment' &&
  contentOf(part).length <= legacyDisplayOctets &&
  latin1(contentOf(part))
    .split('\n')
    .every((line) =>
      /^(\s|$)|^(subject|from|to|cc|date|reply-to|message-id|followup-to|sender|keywords|comments):/i.test(
        line,
      ),
    )

/** RFC 9788 §5.2.3: without the div of that class, which holds no other and stands at the beginning. */
const withoutLegacyDisplay = (html: string) => {
  const head = html.slice(0, legacyDisplayOctets)
  const tag = /<div\s([^<>]*)>/gi
  for (let found = tag.exec(head); found; found = tag.exec(head)) {
    const attribute = /(?:^|\s)class\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"']+))/i.exec(found[1]!)
    const names = attribute?.[1] ?? attribute?.[2] ?? attribute?.[3] ?? ''
    if (!names.toLowerCase().split(/\s/).includes('header-protection-legacy-display')) continue
    const close = /<\/div\s*>/gi
    close.lastIndex = tag.lastIndex
    return close.exec(head) ? html.slice(0, found.index) + html.slice(close.lastIndex) : html
  }
  return html
}
