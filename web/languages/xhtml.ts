/**
 * A page as XHTML Basic 1.1 (W3C Recommendation, 2nd edition), well-formed and valid: the same elements, of their
 * attributes those that the DTD has, and no scripts.
 */
import {
  type ChildNode,
  type Element,
  element,
  escaped,
  isTag,
  isText,
  type Tree,
  tagsIn,
  treeOf,
  withoutControls,
} from './tree.ts'

/** @param page HTML of our own */
export const asXhtml = (page: string): string => {
  const tree = treeOf(page)
  const { html } = tree
  const language = html.attribs.lang
  const within = html.children.flatMap((child) =>
    isTag(child) && child.name === 'body' ? child.children : [child],
  )
  const isOfHead = (child: ChildNode) => isTag(child) && headElements.includes(child.name)
  const head = within.filter(isOfHead).map((child) => written(tree, child))
  const body = blocks(
    tree,
    within.filter((child) => !isOfHead(child)),
  )
  const root = { xmlns: 'http://www.w3.org/1999/xhtml', 'xml:lang': language }
  return `${prologue}${element('html', root, element('head', {}, head.join('')) + element('body', {}, body))}`
}

const prologue =
  '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML Basic 1.1//EN" "http://www.w3.org/TR/xhtml-basic/xhtml-basic11.dtd">\n'

const headElements = ['meta', 'title', 'link', 'style', 'script']
const dropped = ['script']
/** What came with HTML5. */
const renamed: Record<string, string> = { nav: 'div', main: 'div', footer: 'div' }
/** An empty one of these has no place in the DTD. */
const neverEmpty = ['ul', 'ol', 'select']
const alwaysOpen = ['title', 'div', 'p', 'a', 'span', 'b', 'textarea', 'label', 'button', 'td']
const blockElements = ['p', 'div', 'ul', 'ol', 'form', 'h1', 'h2', 'pre', 'table', 'nav', 'main', 'footer']

const common = ['id', 'class', 'title']
const attributesOf: Record<string, string[]> = {
  meta: ['name', 'content', 'http-equiv'],
  link: ['rel', 'href', 'type'],
  style: [],
  a: ['href', 'type'],
  img: ['src', 'alt', 'width', 'height'],
  form: ['action', 'method', 'enctype'],
  input: ['type', 'name', 'value', 'size', 'maxlength', 'checked', 'readonly', 'inputmode'],
  button: ['type', 'name', 'value'],
  select: ['name', 'multiple', 'size'],
  option: ['value', 'selected'],
  textarea: ['name', 'rows', 'cols', 'readonly', 'inputmode'],
}
/** Others came with HTML5: without a type, a field is for text. */
const inputTypes = ['text', 'password', 'checkbox', 'radio', 'file', 'hidden']
/** In HTML they stand alone. */
const flags = ['checked', 'readonly', 'selected', 'multiple']

const written = (tree: Tree, node: ChildNode): string => {
  if (isText(node)) return escaped(node.data)
  if (!isTag(node) || dropped.includes(node.name)) return ''
  const name = renamed[node.name] ?? node.name
  if (neverEmpty.includes(name) && tagsIn(node).length === 0) return ''
  const content = contentOf(tree, node)
  const made = element(name, attributesIn(node), content)
  return content === '' && alwaysOpen.includes(name) ? made.replace(/\/>$/, `></${name}>`) : made
}

const contentOf = (tree: Tree, node: Element): string => {
  if (node.name === 'textarea') return withoutControls(tree.typedIn(node))
  if (node.name === 'form') return blocks(tree, node.children)
  // Between the rows of a list stands nothing.
  const children = neverEmpty.includes(node.name) ? tagsIn(node) : node.children
  return children.map((child) => written(tree, child)).join('')
}

const attributesIn = ({ name, attribs }: Element): Record<string, string> => {
  const known = [...common, ...(attributesOf[name] ?? [])]
  const own = Object.entries(attribs)
    .filter(
      ([attribute, value]) =>
        known.includes(attribute) &&
        (value !== '' || !common.includes(attribute)) &&
        !(name === 'input' && attribute === 'type' && !inputTypes.includes(value)),
    )
    .map(([attribute, value]) => [attribute, flags.includes(attribute) ? attribute : value])
  return {
    ...(name === 'style' ? { type: 'text/css' } : {}),
    ...(name === 'img' ? { alt: '' } : {}),
    ...(name === 'form' ? { action: '' } : {}),
    ...(name === 'textarea' ? { rows: '4', cols: '36' } : {}),
    ...Object.fromEntries(own),
  }
}

/** In the body and in forms stand blocks alone: what stands between them becomes one. */
const blocks = (tree: Tree, nodes: ChildNode[]): string => {
  let whole = ''
  let loose = ''
  const end = () => {
    whole += loose.trim() && element('div', {}, loose)
    loose = ''
  }
  for (const node of nodes) {
    const content = written(tree, node)
    if (isTag(node) && blockElements.includes(node.name)) {
      end()
      whole += content
    } else loose += content
  }
  end()
  return whole || element('div', {}, ' ')
}
