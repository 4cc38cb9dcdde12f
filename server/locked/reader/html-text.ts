/**
 * HTML as text, for eyes that see no HTML and for answers: what a browser would show, in order. Links keep their
 * target, since that is where they lead; a row of a table is a line, if its cells are short, and a layout made of tables
 * comes apart into its blocks; what a style hides from everybody is left out.
 *
 * Attackers write this input: what would take long is shown without its tags.
 */
import { convert, type FormatCallback, type HtmlToTextOptions } from 'html-to-text'
import { htmlLimits } from '../../ground/limits.ts'

/** Characters: of a row, one cell may be longer than this, or it is no row of data. */
const shortCell = 60
const betweenCells = '   '
/** Lines that the one cell of several lines may have, such as an article with its colour and size. */
const cellLines = 4

/** Whether the library takes seconds for it: too many elements open at once, or too many at all. */
const isHeavy = (html: string) => {
  const tag = /<(\/?)([a-z][a-z0-9]*)/gi
  let depth = 0
  let tables = 0
  let count = 0
  for (let found = tag.exec(html); found; found = tag.exec(html)) {
    if (++count > htmlLimits.tags) return true
    const step = found[1] ? -1 : 1
    if (/^table$/i.test(found[2]!)) tables = Math.max(0, tables + step)
    // Those that close each other or hold nothing do not nest.
    if (/^(p|li|d[td]|t[rdh]|tbody|thead|option|br|hr|img|input|meta|link|col|area|wbr)$/i.test(found[2]!))
      continue
    depth = Math.max(0, depth + step)
    if (depth > htmlLimits.depth || tables > htmlLimits.tableDepth) return true
  }
  return false
}

const withoutTags = (html: string) => html.replace(/<[^<>]*>/g, ' ')

type Node = { type: string; name?: string; data?: string; children?: Node[] }
type Cell = { text: string }

/** Tables as lines. Whatever stands in a table and not in a cell is a row of its own rather than lost. */
const table: FormatCallback = (element, walk, builder) => {
  const cell = (nodes: Node[]) => {
    builder.openTableCell()
    walk(nodes as Parameters<typeof walk>[0], builder)
    builder.closeTableCell()
  }
  const row = (cells: Node[][]) => {
    builder.openTableRow()
    cells.forEach(cell)
    builder.closeTableRow()
  }
  const rows = (nodes: Node[]) => {
    let loose: Node[] = []
    const finish = () => {
      if (loose.length) row([loose])
      loose = []
    }
    for (const node of nodes) {
      if (!/^(tr|td|th|thead|tbody|tfoot|center|form)$/.test(node.name ?? '')) {
        if (node.type === 'tag' || node.data?.trim()) loose.push(node)
        continue
      }
      finish()
      const children = node.children ?? []
      if (/^t[dh]$/.test(node.name!)) row([children])
      else if (node.name === 'tr') row(cellsOf(children))
      else rows(children)
    }
    finish()
  }
  builder.openTable()
  rows(element.children as Node[])
  builder.closeTable({
    tableToString: (made: unknown) => textOfTable(made as Cell[][]),
    leadingLineBreaks: 2,
    trailingLineBreaks: 2,
  })
}

const cellsOf = (nodes: Node[]): Node[][] =>
  nodes
    .filter((node) => node.type === 'tag' || node.data?.trim())
    .map((node) => (/^t[dh]$/.test(node.name ?? '') ? (node.children ?? []) : [node]))

const textOfTable = (rows: Cell[][]): string => {
  let text = ''
  let wasBlock = false
  for (const cells of rows) {
    const texts = cells.map((cell) => cell.text.trim()).filter(Boolean)
    if (!texts.length) continue
    const line = asLine(texts)
    const made = line ?? texts.join('\n\n')
    const isBlock = line === null || (texts.length === 1 && line.includes('\n'))
    if (text) text += isBlock || wasBlock ? '\n\n' : '\n'
    text += made
    wasBlock = isBlock
  }
  return text
}

/** Cells beside each other; null where they are rather blocks that a layout puts side by side. */
const asLine = (texts: string[]): string | null => {
  if (texts.length === 1) return texts[0]!
  if (texts.filter((text) => text.length > shortCell).length > 1) return null
  const [tall, another] = texts.filter((text) => text.includes('\n'))
  if (tall === undefined) return texts.join(betweenCells)
  const lines = tall.split(/\n+/)
  if (another !== undefined || lines.length > cellLines) return null
  const first = texts.map((text) => (text === tall ? lines[0] : text)).join(betweenCells)
  return [first, ...lines.slice(1)].join('\n')
}

/** What stands for a picture where there are none. */
const picture: FormatCallback = (element, _walk, builder) => {
  const alternative: string = element.attribs?.alt ?? ''
  if (alternative.trim()) builder.addInline(alternative.slice(0, 500))
}

const hidden = [
  '[hidden]',
  '[style*="display:none" i]',
  '[style*="display: none" i]',
  '[style*="visibility:hidden" i]',
  '[style*="visibility: hidden" i]',
]

const options = (skipped: string[]): HtmlToTextOptions => ({
  wordwrap: false,
  limits: { maxDepth: htmlLimits.convertedDepth, maxChildNodes: htmlLimits.childNodes, ellipsis: '…' },
  formatters: { rows: table, picture },
  selectors: [
    ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map((selector) => ({ selector, options: { uppercase: false } })),
    { selector: 'table', format: 'rows' },
    { selector: 'img', format: 'picture' },
    { selector: 'title', format: 'skip' },
    { selector: 'a', options: { hideLinkHrefIfSameAsText: true, ignoreHref: false } },
    ...skipped.map((selector) => ({ selector, format: 'skip' })),
  ],
})

/** Blanks and characters without width, by which newsletters push their text out of a preview. */
const filler = /(?:(?:\u034f|[\u00ad\u200b-\u200d\u2060\ufeff])[ \u00a0\u2007]*){3,}/g

export const htmlToText = (html: string): string => {
  if (isHeavy(html)) return withoutTags(html)
  try {
    const shown = convert(html, options(hidden))
    const text = shown.trim() ? shown : convert(html, options([]))
    return text.replace(filler, ' ').replace(/\u00a0/g, ' ')
  } catch {
    return withoutTags(html)
  }
}
