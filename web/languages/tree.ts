/** A page of ours, as it is written in HTML, as a tree; and a tree of elements as XML. */
import { randomBytes } from 'node:crypto'
import { type ChildNode, Element, isTag, isText, Text } from 'domhandler'
import { parseDocument } from 'htmlparser2'

export { type ChildNode, Element, isTag, isText, Text }

export type Tree = {
  html: Element
  /** What stands in a text area, escaped as it is in the page: a letter may be long, and is not taken apart. */
  typedIn(area: Element): string
}

/** @param page HTML of our own: its text areas and what stands in them are well-formed */
export const treeOf = (page: string): Tree => {
  const mark = randomBytes(9).toString('hex')
  const typed: string[] = []
  let kept = ''
  let from = 0
  for (let start = areaAfter(page, 0); start >= 0; start = areaAfter(page, from)) {
    const end = page.indexOf('</textarea>', start)
    // The first line break in a text area counts in no language but HTML.
    const first = page[start] === '\n' ? start + 1 : start
    kept += `${page.slice(from, start)}${mark}.${typed.length}`
    typed.push(page.slice(first, end))
    from = end
  }
  const html = parseDocument(kept + page.slice(from)).children.find(isTag)
  if (!html) throw new Error('expected a page, got nothing')
  return { html, typedIn: (area) => typed[Number(textOf(area).slice(mark.length + 1))]! }
}

/** Where the next text area's content begins; -1 if there is none. */
const areaAfter = (page: string, from: number): number => {
  const tag = page.indexOf('<textarea', from)
  return tag < 0 ? -1 : page.indexOf('>', tag) + 1
}

export const tagsIn = (node: Element): Element[] => node.children.filter(isTag)

/** The first of such elements in a tree. */
export const find = (node: Element, name: string): Element | null => {
  for (const child of tagsIn(node)) {
    const found = child.name === name ? child : find(child, name)
    if (found) return found
  }
  return null
}

export const textOf = (node: ChildNode): string =>
  isText(node) ? node.data : isTag(node) ? node.children.map(textOf).join('') : ''

/** Text as it may stand in XML, in content and in attributes (XML 1.0 §2.2, §2.4). */
export const escaped = (text: string): string =>
  withoutControls(text.toWellFormed()).replace(/[&<>"]/g, (character) => entities[character]!)

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

/** What escaped text of a page says. A letter may be long: this is the fast way. */
export const unescaped = (text: string): string =>
  text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&')

/** XML has no way to write these, not even as a reference. */
export const withoutControls = (text: string): string =>
  text.replace(/(?![\t\n\r])[\p{Cc}\ufffe\uffff]/gu, '')

/** @param content is well-formed already; an element without any is closed at once */
export const element = (
  name: string,
  attributes: Record<string, string | undefined>,
  content = '',
): string => {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([attribute, value]) => ` ${attribute}="${escaped(value!).replaceAll('\n', '&#10;')}"`)
    .join('')
  return content === '' ? `<${name}${written}/>` : `<${name}${written}>${content}</${name}>`
}
