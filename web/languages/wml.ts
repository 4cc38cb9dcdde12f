/**
 * A page as decks of WML 1.3, for handsets of WAP. The same words, links and forms, one after the other; what leads away
 * from the page, and what is at its foot, are keys. What a handset cannot have, such as files, is left out, and the page
 * says so.
 */
import { type Words, wordsIn } from '../words.ts'
import { deckOf, type Item, type Place } from './decks.ts'
import {
  type ChildNode,
  type Element,
  find,
  isTag,
  isText,
  type Tree,
  tagsIn,
  textOf,
  treeOf,
  unescaped,
} from './tree.ts'
import {
  digest,
  encoded,
  type Fields,
  fieldsOf,
  fitsField,
  inWml,
  type Kept,
  type TicketFor,
  ticksAtOnce,
  wmlText,
} from './wml-forms.ts'

export type Asked = {
  /** What of a page the terminal has seen, as `path` was told; null at the beginning. */
  seen: string | null
  /** Where the next deck is, of letters, digits and `.-_` alone. */
  path(seen: string): string
  /** What the terminal holds is to go away: what was typed, and the pages before. */
  isAnew: boolean
  ticketFor: TicketFor
}

/** @param page HTML of our own */
export const asWml = (page: string, asked: Asked): { deck: string; kept: Kept[]; hasMore: boolean } => {
  const tree = treeOf(page)
  const { html } = tree
  const language = html.attribs.lang === 'ja' ? 'ja' : 'en'
  const words = wordsIn[language]
  const drawing = new Drawing(tree, words, asked.ticketFor)
  drawing.draw(html)
  const named = find(html, 'title')
  const title = named ? textOf(named) : ''
  const parts = { ...drawing.parts(), title: shortened(title, 40), isAnew: asked.isAnew }
  // Another page than was seen, as the unlock window in the place of a mail, is shown from its beginning.
  const mark = digest(title).slice(0, 4)
  const [count, seen] = asked.seen?.split('.') ?? []
  const place: Place = {
    after: seen === mark && /^\d{1,6}$/.test(count!) ? Number(count) : null,
    path: (after) => asked.path(`${after}.${mark}`),
    more: words.wml.more,
    back: words.back,
  }
  return { ...deckOf(parts, place), kept: drawing.kept }
}

/** Octets of text that are not divided, and of a block that stays together. */
const textLimit = 200
const blockLimit = 350
/** Characters of a choice; choices in one list, and octets of them all, as no list is divided. */
const choiceLimit = 24
const optionsLimit = 20
const optionsOctets = 800
/** What a choice takes beside its text and value, once compiled. */
const optionOctets = 8
/** Characters that are shown of a text that is too long to be typed into, and of a line. */
const shownLimit = 1_000
const lineLimit = 200

const silent = ['script', 'style', 'meta', 'link', 'title']
const blocks = ['p', 'div', 'ul', 'li', 'h1', 'h2', 'pre', 'main', 'footer', 'body']

/** Where in a page something stands. */
type Within = {
  fields: Fields | null
  /** What names a field. */
  label: string
  isBold: boolean
  isFoot: boolean
  /** The block: a row, or a paragraph. */
  block: Element | null
}
type Tick = { name: string; value: string; label: string; isOn: boolean; place: number }

class Drawing {
  readonly kept: Kept[] = []
  readonly #tree: Tree
  readonly #words: Words
  readonly #ticketFor: TicketFor
  readonly #items: Item[] = []
  #happened: Item[] = []
  readonly #keys: string[] = []
  readonly #firstKeys: string[] = []
  /** The block that is being drawn, and what can be ticked in it. */
  #block: string[] = []
  #ticks: Tick[] = []
  /** Boxes of this form. */
  #ticked = 0
  #lacks = false

  constructor(tree: Tree, words: Words, ticketFor: TicketFor) {
    this.#tree = tree
    this.#words = words
    this.#ticketFor = ticketFor
  }

  draw(html: Element) {
    this.#drawIn(html, { fields: null, label: '', isBold: false, isFoot: false, block: null })
    this.#end()
    if (this.#lacks) {
      this.#block.push(wmlText(this.#words.wml.lacks))
      this.#end()
    }
  }

  parts() {
    const [items, happened, keys, firstKeys] = [this.#items, this.#happened, this.#keys, this.#firstKeys]
    return { items, happened, keys, firstKeys }
  }

  #drawIn(node: Element, within: Within) {
    for (const child of node.children) this.#node(child, within)
  }

  #node(node: ChildNode, within: Within) {
    if (isText(node)) this.#text(node.data, within.isBold)
    if (!isTag(node) || silent.includes(node.name)) return
    switch (node.name) {
      case 'nav':
        for (const link of tagsIn(node)) this.#firstKeys.push(this.#key(link, `<go href="${hrefOf(link)}"/>`))
        return
      case 'a':
        return this.#link(node)
      case 'img':
        return this.#text(node.attribs.alt ?? '', false)
      case 'br':
        return void this.#block.push('<br/>')
      case 'b':
        return this.#drawIn(node, { ...within, isBold: true })
      case 'form':
        return this.#form(node, within)
      case 'label':
        return this.#label(node, within)
      case 'input':
        return this.#input(node, within)
      case 'textarea':
        return this.#area(node, within)
      case 'select':
        return this.#select(node, within)
      case 'button':
        return this.#button(node, within)
      default:
        return blocks.includes(node.name) ? this.#blockOf(node, within) : this.#drawIn(node, within)
    }
  }

  #blockOf(node: Element, within: Within) {
    this.#end()
    const isRow = node.name === 'p' || node.name === 'li'
    const isFoot = within.isFoot || node.name === 'footer'
    this.#drawIn(node, {
      ...within,
      isFoot,
      isBold: node.name === 'h1',
      block: isRow ? node : within.block,
    })
    this.#end()
    // After a list of rows, or a paragraph by itself, what in it can be ticked.
    if (node.name === 'ul' || (node.name === 'p' && this.#ticks.length > 0)) this.#endTicks(within)
    if (node.attribs.role === 'status') this.#happened = this.#items.splice(0)
  }

  #form(node: Element, within: Within) {
    this.#end()
    // What needs a script has data for it.
    const isForScript = Object.keys(node.attribs).some((name) => name.startsWith('data-'))
    // What only sends files is left out, with all that is typed beside them.
    const isForFiles = hasFileField(node) && buttonsIn(node).length === 1
    if (isForScript || isForFiles) this.#lacks = true
    if (isForFiles) return
    this.#ticked = 0
    const keep = (kept: Kept) => void this.kept.push(kept)
    this.#drawIn(node, {
      ...within,
      fields: fieldsOf(node, this.#tree, { ticketFor: this.#ticketFor, keep }),
    })
    this.#end()
  }

  // ---- what is read

  #text(text: string, isBold: boolean) {
    // Between links stands what only a line needs.
    if (/^[\s|]*$/.test(text)) return
    const line = text.replace(/\s+/g, ' ')
    for (const piece of pieces(this.#block.length > 0 ? line : line.trimStart()))
      this.#block.push(isBold ? `<b>${wmlText(piece)}</b>` : wmlText(piece))
  }

  #link(node: Element) {
    const isFile = 'download' in node.attribs || node.attribs.type === 'text/plain'
    if (isFile) this.#lacks = true
    const text = textOf(node).trim()
    if (isFile || text === '') return this.#text(text, false)
    this.#control(`<a href="${hrefOf(node)}">${wmlText(text)}</a>`)
  }

  // ---- what is typed, chosen and pressed

  #label(node: Element, within: Within) {
    const own = { ...within, label: labelOf(node) }
    const tick = find(node, 'input')
    // Its name is in the list of what can be ticked; a row with a link says it here, too.
    if (tick?.attribs.type === 'checkbox' && !(within.block && find(within.block, 'a')))
      this.#input(tick, own)
    else if (tick?.attribs.type === 'file') this.#lacks = true
    else this.#drawIn(node, own)
  }

  #input(node: Element, { fields, label }: Within) {
    const { type, name = '', value = '' } = node.attribs
    if (type === 'hidden' || !fields) return
    if (type === 'checkbox') {
      const isOn = 'checked' in node.attribs
      return void this.#ticks.push({ name, value, label, isOn, place: this.#ticked++ })
    }
    if ('readonly' in node.attribs) return this.#text(value, true)
    this.#field(fields, { name, value, label, type })
  }

  #area(node: Element, { fields, label }: Within) {
    const text = unescaped(this.#tree.typedIn(node))
    if (!fields || 'readonly' in node.attribs) return this.#shown(text)
    this.#field(fields, { name: node.attribs.name ?? '', value: text, label, type: undefined })
  }

  #shown(text: string, limit = shownLimit) {
    const beginning = text.length > limit ? `${text.slice(0, limit)}…` : text
    for (const line of beginning.split('\n')) {
      this.#text(line, false)
      this.#end()
    }
  }

  #field(fields: Fields, field: { name: string; value: string; label: string; type: string | undefined }) {
    const { name, value, label, type } = field
    const kept = fields.keptIn(name)
    const attributes = {
      name: fields.variableOf(name),
      title: label || undefined,
      type: type === 'password' ? type : undefined,
      value: (fitsField(value) && value) || undefined,
      emptyok: 'true',
    }
    this.#control(inWml('input', attributes))
    if (kept) this.#kept(name, kept)
  }

  /** Below a field: what it holds, and no terminal could. */
  #kept(name: string, { value, leftOut }: NonNullable<ReturnType<Fields['keptIn']>>) {
    const { wml } = this.#words
    const option = inWml('option', { value: name }, wmlText(wml.leaveOut))
    this.#control(
      leftOut
        ? wmlText(wml.kept) +
            inWml('select', { name: leftOut, multiple: 'true', title: wml.leaveOut }, option)
        : wmlText(wml.keptUnless),
    )
    this.#end()
    this.#shown(value, leftOut ? shownLimit : lineLimit)
  }

  #select(node: Element, { fields, label }: Within) {
    if (!fields) return
    const all = tagsIn(node)
    const drawn: string[] = []
    let room = optionsOctets
    for (const each of all.slice(0, optionsLimit)) {
      const text = wmlText(shortened(textOf(each), choiceLimit))
      const { value = '' } = each.attribs
      room -= Buffer.byteLength(text + value) + optionOctets
      if (room < 0) break
      drawn.push(inWml('option', { value }, text))
    }
    if (all.length > drawn.length) this.#lacks = true
    const chosen = all.find(({ attribs }) => 'selected' in attribs) ?? all[0]
    const attributes = {
      name: fields.variableOf(node.attribs.name ?? ''),
      title: label,
      value: chosen?.attribs.value,
    }
    this.#control(inWml('select', attributes, drawn.join('')))
  }

  #endTicks({ fields }: Within) {
    const ticks = this.#ticks.splice(0)
    for (let from = 0; from < ticks.length && fields; from += ticksAtOnce) {
      const some = ticks.slice(from, from + ticksAtOnce)
      const on = some.filter(({ isOn }) => isOn).map(({ value }) => encoded(value))
      const attributes = {
        name: fields.variableOf(some[0]!.name, some[0]!.place),
        multiple: 'true',
        value: on.join(';') || undefined,
      }
      const options = some.map(({ value, label }) =>
        inWml('option', { value: encoded(value) }, wmlText(shortened(label, choiceLimit))),
      )
      this.#control(inWml('select', attributes, options.join('')))
      this.#end()
    }
  }

  #button(node: Element, { fields, isFoot, block }: Within) {
    if (!fields) return
    // A passkey needs a script, and the button beside a field for files has nothing to send.
    const isForPasskey = node.attribs.value === 'passkey'
    if (isForPasskey) this.#lacks = true
    if (isForPasskey || (!node.attribs.name && block && hasFileField(block))) return
    const does = node.attribs.type === 'reset' ? fields.clear() : fields.go(node)
    if (isFoot) this.#keys.push(this.#key(node, does))
    else this.#control(`<anchor>${wmlText(textOf(node).trim())}${does}</anchor>`)
  }

  /** A link or a button as one of the terminal's keys. */
  #key(node: Element, does: string): string {
    const name = `k${this.#keys.length + this.#firstKeys.length}`
    return `<do type="options" name="${name}" label="${wmlText(textOf(node).trim())}">${does}</do>`
  }

  // ---- put together

  #control(content: string) {
    if (this.#block.length > 0 && this.#block.at(-1) !== '<br/>') this.#block.push('<br/>')
    this.#block.push(content)
  }

  /** A short block stays together, a long one may be divided. */
  #end() {
    const block = this.#block.splice(0)
    if (block.length === 0) return
    const whole = block.join('')
    if (Buffer.byteLength(whole) <= blockLimit) this.#items.push({ content: whole, begins: true })
    else for (const [place, content] of block.entries()) this.#items.push({ content, begins: place === 0 })
  }
}

const hrefOf = ({ attribs }: Element) => wmlText(attribs.href ?? '')

/** What a label says, without what it is the label of. */
const labelOf = (label: Element): string =>
  label.children
    .filter((child) => !isTag(child) || !['input', 'select', 'textarea'].includes(child.name))
    .map(textOf)
    .join('')
    .replace(/\s+/g, ' ')
    .trim()

const buttonsIn = (node: Element): Element[] =>
  tagsIn(node).flatMap((child) => (child.name === 'button' ? [child] : buttonsIn(child)))

const hasFileField = (block: Element): boolean =>
  tagsIn(block).some((child) => child.attribs.type === 'file' || hasFileField(child))

/** @param limit in characters */
const shortened = (text: string, limit: number): string => {
  const characters = [...text.replace(/\s+/g, ' ').trim()]
  return characters.length > limit ? `${characters.slice(0, limit - 1).join('')}…` : characters.join('')
}

/** A text in pieces that need not be divided: at the ends of words, or of characters. */
const pieces = (text: string): string[] => {
  const all: string[] = []
  let piece = ''
  let size = 0
  for (const word of text.match(/\S{0,40} ?/gsu) ?? []) {
    const octets = Buffer.byteLength(word)
    if (size > 0 && size + octets > textLimit) {
      all.push(piece)
      piece = ''
      size = 0
    }
    piece += word
    size += octets
  }
  return piece ? [...all, piece] : all
}
