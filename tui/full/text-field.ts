/**
 * A text of many lines that is being written, with its cursor, its window and its way back. A model only, as a field is:
 * it takes a key press and gives the next state, and says which rows to draw. The cursor moves by characters and is
 * drawn by cells.
 */
import {
  after,
  before,
  blankBefore,
  clean,
  lineEnds,
  measured,
  snapped,
  widthOf,
  wordAfter,
  wordBefore,
} from './characters.ts'
import {
  derive,
  drawn,
  holds,
  isBefore,
  type Place,
  rowAbove,
  rowAt,
  rowBelow,
  type TextRow,
  type Written,
} from './rows.ts'
import type { Press, Size } from './terminal.ts'

/** What one step back restores: the lines that stood where `put` lines stand now, and the cursor. */
type Step = {
  readonly at: number
  readonly lines: readonly Written[]
  readonly put: number
  readonly cursor: Place
  /** Steps of one kind in a row, as typing a word, are undone at once. */
  readonly kind: 'typing' | 'erasing' | 'other'
  readonly end: Place
  readonly earlier: Step | null
  readonly depth: number
}

export type TextField = {
  readonly lines: readonly Written[]
  readonly cursor: Place
  /** The cells that Up and Down aim for; null after any other key. */
  readonly column: number | null
  /** The row at the top of the window: a line, and the offset that the row begins at. */
  readonly top: Place
  readonly undo: Step | null
}

const undoDepth = 1000
const start: Place = { line: 0, offset: 0 }

/** A text with the cursor at its beginning. */
export const textField = (written = ''): TextField => ({
  lines: linesOf(written),
  cursor: start,
  column: null,
  top: start,
  undo: null,
})

/** The text as it is sent: lines joined by LF. */
export const textOf = ({ lines }: TextField): string => lines.map((line) => line.text).join('\n')

/** Another text in place of this one, as an editor brings it back; one step of undo. */
export const rewritten = (before: TextField, next: string): TextField => {
  if (textOf(before) === next) return before
  const end = { line: before.lines.length - 1, offset: before.lines.at(-1)!.text.length }
  return { ...changed(before, start, end, next, 'other'), cursor: start, top: start }
}

/**
 * @param size of the window that the text is drawn in
 * @returns the text after the key press, the same one where nothing changes; null if the key is none of a text's
 */
export const editedText = (text: TextField, press: Press, size: Size): TextField | null => {
  const next = pressed(text, press, size)
  return next && next !== text ? scrolled(next, size) : next
}

/** The text after something was pasted at the cursor: one step of undo, however long it is. */
export const pastedText = (text: TextField, added: string, size: Size): TextField =>
  scrolled(changed(text, text.cursor, text.cursor, added, 'other'), size)

/** The lines to draw and where among them the cursor stands. The last column stays free for a cursor after the text. */
export const textView = (
  text: TextField,
  size: Size,
): { lines: string[]; cursor: { x: number; y: number } } => {
  const { top, cursor } = scrolled(text, size)
  const lines: string[] = []
  let y = 0
  let row: TextRow | null = rowAt(text, top, size.columns)
  for (; row && lines.length < size.rows; row = rowBelow(text, row, size.columns)) {
    if (holds(row, cursor)) y = lines.length
    lines.push(drawn(text.lines[row.line]!.text, row, size.columns))
  }
  const here = rowAt(text, cursor, size.columns)
  const x = measured(text.lines[cursor.line]!.text, here.from, cursor.offset)
  return { lines, cursor: { x: Math.min(x, size.columns - 1), y } }
}

const pressed = (text: TextField, press: Press, size: Size): TextField | null => {
  const { cursor, lines } = text
  const line = lines[cursor.line]!.text
  const lastLine = lines.length - 1
  const goBefore = (): Place =>
    cursor.offset > 0
      ? { line: cursor.line, offset: before(line, cursor.offset) }
      : cursor.line > 0
        ? { line: cursor.line - 1, offset: lines[cursor.line - 1]!.text.length }
        : cursor
  const goAfter = (): Place =>
    cursor.offset < line.length
      ? { line: cursor.line, offset: after(line, cursor.offset) }
      : cursor.line < lastLine
        ? { line: cursor.line + 1, offset: 0 }
        : cursor
  const inLine = (offset: number): Place => ({ line: cursor.line, offset })

  if (press.text !== null && press.name !== 'enter' && press.name !== 'tab')
    return changed(text, cursor, cursor, press.text, 'typing')
  switch (press.name) {
    case 'enter':
      return changed(text, cursor, cursor, '\n', 'other')
    case 'left':
    case 'ctrl-b':
      return at(text, goBefore())
    case 'right':
    case 'ctrl-f':
      return at(text, goAfter())
    case 'up':
    case 'ctrl-p':
      return byRows(text, -1, size)
    case 'down':
    case 'ctrl-n':
      return byRows(text, 1, size)
    case 'pgup':
      return byRows(text, -Math.max(1, size.rows - 1), size)
    case 'pgdn':
      return byRows(text, Math.max(1, size.rows - 1), size)
    case 'home':
    case 'ctrl-a':
      return at(text, inLine(0))
    case 'end':
    case 'ctrl-e':
      return at(text, inLine(line.length))
    case 'ctrl-home':
      return at(text, start)
    case 'ctrl-end':
      return at(text, { line: lastLine, offset: lines[lastLine]!.text.length })
    case 'alt-b':
    case 'ctrl-left':
    case 'alt-left':
      return at(text, cursor.offset === 0 ? goBefore() : inLine(wordBefore(line, cursor.offset)))
    case 'alt-f':
    case 'ctrl-right':
    case 'alt-right':
      return at(text, cursor.offset === line.length ? goAfter() : inLine(wordAfter(line, cursor.offset)))
    case 'backspace':
    case 'ctrl-h':
      return changed(text, goBefore(), cursor, '', 'erasing')
    case 'delete':
    case 'ctrl-d':
      return changed(text, cursor, goAfter(), '', 'erasing')
    case 'ctrl-w':
    case 'alt-backspace':
    case 'ctrl-backspace': {
      const from = cursor.offset === 0 ? goBefore() : inLine(blankBefore(line, cursor.offset))
      return changed(text, from, cursor, '', 'other')
    }
    case 'ctrl-u':
      return changed(text, inLine(0), cursor, '', 'other')
    case 'ctrl-k': {
      const to = cursor.offset === line.length ? goAfter() : inLine(line.length)
      return changed(text, cursor, to, '', 'other')
    }
    case 'ctrl-_':
    case 'ctrl-/':
    case 'alt-u':
      return undone(text)
    default:
      return null
  }
}

const at = (text: TextField, cursor: Place): TextField =>
  same(cursor, text.cursor) && text.column === null ? text : { ...text, cursor, column: null }

const same = (a: Place, b: Place) => a.line === b.line && a.offset === b.offset

/** Puts `added` in place of what is between two places, and the cursor behind it. */
const changed = (text: TextField, from: Place, to: Place, added: string, kind: Step['kind']): TextField => {
  const put = linesOf(added)
  if (same(from, to) && put.length === 1 && put[0]!.text === '') return text
  const first = text.lines[from.line]!
  const last = text.lines[to.line]!
  const head = first.text.slice(0, from.offset)
  const tail = last.text.slice(to.offset)
  let cursor: Place
  if (put.length === 1) {
    const line = { text: head + put[0]!.text + tail }
    if (from.line === to.line) derive(line, first, from.offset, to.offset - from.offset, put[0]!.text.length)
    put[0] = line
    cursor = { line: from.line, offset: snapped(line.text, line.text.length - tail.length) }
  } else {
    put[0] = { text: head + put[0]!.text }
    derive(put[0]!, first, from.offset, first.text.length - from.offset, put[0]!.text.length - from.offset)
    const end = put.at(-1)!.text
    put[put.length - 1] = { text: end + tail }
    cursor = { line: from.line + put.length - 1, offset: snapped(end + tail, end.length) }
  }
  const lines = text.lines.slice(0, from.line).concat(put, text.lines.slice(to.line + 1))
  const undo = step(text, { from, to, put: put.length, added, kind, end: cursor })
  return { ...text, lines, cursor, column: null, undo }
}

/** What was put in place of what stood between two places. */
type Change = { from: Place; to: Place; put: number; added: string; kind: Step['kind']; end: Place }

const step = ({ undo, cursor, lines }: TextField, change: Change): Step => {
  const { from, to, put, added, kind, end } = change
  const joins =
    undo !== null &&
    kind !== 'other' &&
    undo.kind === kind &&
    same(undo.end, cursor) &&
    from.line === to.line &&
    undo.put === 1 &&
    undo.at === from.line &&
    !/^\s/.test(added) // undone by words
  if (joins) return { ...undo, end }
  const depth = (undo?.depth ?? 0) + 1
  const step = { at: from.line, lines: lines.slice(from.line, to.line + 1), put, cursor, kind, end, depth }
  // Cut at twice the depth only, so that most steps copy nothing.
  return {
    ...step,
    ...(depth > 2 * undoDepth
      ? { earlier: newest(undo, undoDepth), depth: undoDepth + 1 }
      : { earlier: undo }),
  }
}

const newest = (step: Step | null, count: number): Step | null => {
  const kept: Step[] = []
  for (let one = step; one && kept.length < count; one = one.earlier) kept.push(one)
  return kept.reduceRight<Step | null>(
    (earlier, one, i) => ({ ...one, earlier, depth: kept.length - i }),
    null,
  )
}

const undone = (text: TextField): TextField => {
  const { undo } = text
  if (!undo) return text
  const lines = text.lines.slice(0, undo.at).concat(undo.lines, text.lines.slice(undo.at + undo.put))
  return { ...text, lines, cursor: undo.cursor, column: null, undo: undo.earlier }
}

const linesOf = (text: string): Written[] =>
  clean(text.replace(lineEnds, '\n'))
    .split('\n')
    .map((line) => ({ text: line }))

/** Moves the cursor by rows as they are drawn, to the column that the first of several such moves began in. */
const byRows = (text: TextField, count: number, { columns }: Size): TextField => {
  const { cursor } = text
  let row = rowAt(text, cursor, columns)
  const column = text.column ?? measured(text.lines[cursor.line]!.text, row.from, cursor.offset)
  for (let left = Math.abs(count); left > 0; left--) {
    const next: TextRow | null = count < 0 ? rowAbove(text, row, columns) : rowBelow(text, row, columns)
    if (!next) break
    row = next
  }
  const line = text.lines[row.line]!.text
  let offset = row.from
  for (let passed = 0; offset < row.to; ) {
    const next = after(line, offset)
    // The end of a row that goes on below is the beginning of the next one.
    if (next === row.to && !row.isLast) break
    passed += widthOf(line, offset, next, passed)
    if (passed > column) break
    offset = next
  }
  const place = { line: row.line, offset }
  return same(place, cursor) ? text : { ...text, cursor: place, column }
}

/**
 * Has the cursor in the window. Who leaves it at an edge finds a quarter of it further on: to write at the foot of a
 * window that scrolls by one row redraws the whole of it with each.
 */
const scrolled = (text: TextField, { columns, rows }: Size): TextField => {
  const cursor = rowAt(text, text.cursor, columns)
  const top = rowAt(text, text.top, columns)
  let above: TextRow = cursor // at last as far above the cursor as the window is high
  let wanted: TextRow = cursor
  const isAbove = isBefore(cursor, top)
  const before = isAbove ? rows >> 2 : rows - 1 - (rows >> 2)
  for (let count = 1; count < rows; count++) {
    above = rowAbove(text, above, columns) ?? above
    if (count <= before) wanted = above
  }
  if (!isAbove && !isBefore(top, above)) wanted = top
  return same(text.top, { line: wanted.line, offset: wanted.from })
    ? text
    : { ...text, top: { line: wanted.line, offset: wanted.from } }
}
