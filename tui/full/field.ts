/**
 * What is being written: one line, a secret, and a text of many lines. Models only: they take a key press and give the
 * next state, and say which lines to draw and where the cursor stands. Screens draw; nothing here knows a terminal.
 *
 * The cursor moves by what people call characters (extended grapheme clusters, UAX #29) and is drawn by cells. What was
 * typed or pasted stays as it is, control characters apart; what is drawn of it is made harmless as any foreign text is,
 * since a paste is foreign. A character of which nothing would be drawn is drawn as U+FFFD, so that one sees where the
 * cursor stands and what Backspace takes.
 *
 * Offsets are in UTF-16 units and always on a boundary between characters.
 */

import { cells, harmless } from '../text/text.ts'
import type { Press, Size } from './terminal.ts'

// ---- one line

/** `cursor` is an offset. */
export type Field = { readonly text: string; readonly cursor: number }

export const field = (text = ''): Field => {
  const line = oneLine(text)
  return { text: line, cursor: line.length }
}

export const emptyField = (): Field => ({ text: '', cursor: 0 })

/** @returns the field after the key press, the same one where nothing changes; null if the key is none of a field's. */
export const edited = (field: Field, press: Press): Field | null => {
  const { text, cursor } = field
  if (press.text !== null) return typed(field, press.text)
  switch (press.name) {
    case 'left':
    case 'ctrl-b':
      return moved(field, before(text, cursor))
    case 'right':
    case 'ctrl-f':
      return moved(field, after(text, cursor))
    case 'home':
    case 'ctrl-a':
      return moved(field, 0)
    case 'end':
    case 'ctrl-e':
      return moved(field, text.length)
    case 'alt-b':
    case 'ctrl-left':
    case 'alt-left':
      return moved(field, wordBefore(text, cursor))
    case 'alt-f':
    case 'ctrl-right':
    case 'alt-right':
      return moved(field, wordAfter(text, cursor))
    case 'backspace':
    case 'ctrl-h':
      return without(field, before(text, cursor), cursor)
    case 'delete':
    case 'ctrl-d':
      return without(field, cursor, after(text, cursor))
    case 'ctrl-w':
    case 'alt-backspace':
    case 'ctrl-backspace':
      return without(field, blankBefore(text, cursor), cursor)
    case 'ctrl-u':
      return without(field, 0, cursor)
    case 'ctrl-k':
      return without(field, cursor, text.length)
    default:
      return null
  }
}

/** The field after text was typed or pasted at the cursor; line ends become spaces, one at the very end goes. */
export const typed = ({ text, cursor }: Field, added: string): Field => {
  const line = oneLine(added)
  return line === '' ? { text, cursor } : replaced(text, cursor, cursor, line)
}

/**
 * What of the line fits into the columns: the part around the cursor, which moves by half a width, so that most key
 * presses redraw one cell and not the line.
 */
export const fieldView = (
  { text, cursor }: Field,
  columns: number,
): { shown: string; cursorColumn: number } => {
  const width = Math.max(2, columns)
  const past = measured(text, 0, cursor)
  const half = Math.max(1, width >> 1)
  const from = past < width ? 0 : Math.ceil((past - (width - 1)) / half) * half
  let column = 0
  let first = -1 // the cells before the first character that is drawn whole
  let shown = ''
  for (let at = 0; at < text.length; ) {
    const next = after(text, at)
    const glyph = glyphOf(text, at, next)
    if (column >= from) {
      if (first < 0) first = column
      if (column + glyph.cells - first > width) break
      shown += glyph.shown
    }
    column += glyph.cells
    at = next
  }
  return { shown, cursorColumn: past - Math.max(first, 0) }
}

const moved = (field: Field, cursor: number): Field =>
  cursor === field.cursor ? field : { text: field.text, cursor }

const without = (field: Field, from: number, to: number): Field =>
  from === to ? field : replaced(field.text, from, to, '')

const replaced = (text: string, from: number, to: number, by: string): Field => {
  const next = text.slice(0, from) + by + text.slice(to)
  // What is on either side may have joined: a base and its accent, two halves of a flag.
  return { text: next, cursor: snapped(next, from + by.length) }
}

/** Without control characters and lone surrogates: no key types them, and a paste that has them is up to no good. */
const clean = (text: string) => text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '').toWellFormed()
const lineEnds = /\r\n?|[\n\v\f\u0085\u2028\u2029]/g
const oneLine = (text: string) =>
  clean(
    text
      .replace(lineEnds, '\n')
      .replace(/\n$/, '')
      .replaceAll(/[\n\t]/g, ' '),
  )

// ---- a secret

/** A field that shows nothing, not even how much is in it. What was typed leaves it only by `take`, which empties it. */
export class Secret {
  #field = emptyField()

  /** @returns whether the key was one of a field's */
  edit(press: Press): boolean {
    const next = edited(this.#field, press)
    if (next) this.#field = next
    return next !== null
  }

  paste(text: string) {
    this.#field = typed(this.#field, text)
  }

  get isEmpty(): boolean {
    return this.#field.text === ''
  }

  take(): string {
    const { text } = this.#field
    this.clear()
    return text
  }

  clear() {
    this.#field = emptyField()
    ahead = nothingAhead // which would keep the text
  }
}

// ---- a text

/** A line without its end. Rows that it was wrapped into are remembered by its identity. */
type Written = { readonly text: string }
type Place = { readonly line: number; readonly offset: number }
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
  let row: Row | null = rowAt(text, top, size.columns)
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
  const undo = step(text, from, to, put.length, kind, added, cursor)
  return { ...text, lines, cursor, column: null, undo }
}

const step = (
  text: TextField,
  from: Place,
  to: Place,
  put: number,
  kind: Step['kind'],
  added: string,
  end: Place,
): Step => {
  const { undo, cursor } = text
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
  const step = {
    at: from.line,
    lines: text.lines.slice(from.line, to.line + 1),
    put,
    cursor,
    kind,
    end,
    depth,
  }
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

// ---- rows: a line as it is wrapped for a window; the text itself stays as it was written

/** From an offset of a line to another. */
type Row = { line: number; from: number; to: number; isLast: boolean }

const holds = (row: Row, { line, offset }: Place) =>
  row.line === line && offset >= row.from && (offset < row.to || (row.isLast && offset === row.to))

const rowAt = (text: TextField, { line, offset }: Place, columns: number): Row => {
  const number = Math.min(line, text.lines.length - 1)
  const starts = rowStarts(text.lines[number]!, columns, offset)
  let low = 0
  let high = starts.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (starts[middle]! <= offset) low = middle
    else high = middle - 1
  }
  return rowOf(text, number, starts, low)
}

const rowOf = (text: TextField, line: number, starts: number[], index: number): Row => ({
  line,
  from: starts[index]!,
  to: starts[index + 1] ?? text.lines[line]!.text.length,
  isLast: index === starts.length - 1,
})

const rowBelow = (text: TextField, row: Row, columns: number): Row | null => {
  if (!row.isLast) return rowAt(text, { line: row.line, offset: row.to }, columns)
  return row.line + 1 < text.lines.length ? rowAt(text, { line: row.line + 1, offset: 0 }, columns) : null
}

const rowAbove = (text: TextField, row: Row, columns: number): Row | null => {
  if (row.from > 0) return rowAt(text, { line: row.line, offset: row.from - 1 }, columns)
  if (row.line === 0) return null
  return rowAt(text, { line: row.line - 1, offset: Number.POSITIVE_INFINITY }, columns)
}

/** Moves the cursor by rows as they are drawn, to the column that the first of several such moves began in. */
const byRows = (text: TextField, count: number, { columns }: Size): TextField => {
  const { cursor } = text
  let row = rowAt(text, cursor, columns)
  const column = text.column ?? measured(text.lines[cursor.line]!.text, row.from, cursor.offset)
  for (let left = Math.abs(count); left > 0; left--) {
    const next: Row | null = count < 0 ? rowAbove(text, row, columns) : rowBelow(text, row, columns)
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
  let above: Row = cursor // at last as far above the cursor as the window is high
  let wanted: Row = cursor
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

const isBefore = (a: Row, b: Row) => a.line < b.line || (a.line === b.line && a.from < b.from)

/** What of a row is drawn: blanks that hang over its end are not. */
const drawn = (line: string, { from, to }: Row, columns: number): string => {
  let shown = ''
  let column = 0
  for (let at = from; at < to; ) {
    const next = after(line, at)
    const width = widthOf(line, at, next, column)
    if (column + width > columns) break
    shown += line[at] === '\t' ? ' '.repeat(width) : glyphOf(line, at, next).shown
    column += width
    at = next
  }
  return shown.trimEnd()
}

type Wrapped = { columns: number; starts: number[]; isWhole: boolean }
const wrappings = new WeakMap<Written, Wrapped>()

/** The offsets that the rows of a line begin at, at least as far as the row after the one with this offset. */
const rowStarts = (line: Written, columns: number, offset: number): number[] => {
  let known = wrappings.get(line)
  if (known?.columns !== columns) {
    known = { columns, starts: [0], isWhole: false }
    wrappings.set(line, known)
  }
  const { starts } = known
  while (!known.isWhole && starts.at(-1)! <= offset) {
    const row = rowEnd(line.text, starts.at(-1)!, columns)
    if (row === null) known.isWhole = true
    else starts.push(row)
  }
  return starts
}

/**
 * Wraps a line that differs from another in one place only where they differ, so that a key press in a line of a
 * megabyte costs what it costs in a short one. How a row ends depends on nothing before it, so what follows the first
 * row that begins where one began before is as it was.
 */
const derive = (line: Written, old: Written, from: number, removed: number, added: number) => {
  const known = wrappings.get(old)
  if (!known || known.starts.length < 4) return
  const { columns } = known
  const shift = added - removed
  // A word that became shorter may go up a row; an accent may widen what ended the row before that.
  let index = Math.max(0, known.starts.findLastIndex((start) => start <= from) - 2) + 1
  const starts = known.starts.slice(0, index)
  const derived = { columns, starts, isWhole: false }
  wrappings.set(line, derived)
  // Of what never falls into step again, the rest waits until somebody looks at it.
  for (let rows = 0; rows < 100; rows++) {
    const row = rowEnd(line.text, starts.at(-1)!, columns)
    if (row === null) {
      derived.isWhole = true
      return
    }
    starts.push(row)
    if (row <= from + added) continue
    while (index < known.starts.length && known.starts[index]! + shift < row) index++
    if (index < known.starts.length && known.starts[index]! + shift === row) {
      for (index++; index < known.starts.length; index++) starts.push(known.starts[index]! + shift)
      derived.isWhole = known.isWhole
      return
    }
  }
}

const blank = /[ \t\u3000]/
/** Not at the beginning of a row, not at its end (JIS X 4051, the usual ones). */
const notFirst =
  /^[、。，．・：；？！゛゜ヽヾゝゞ々ー）］｝〕〉》」』】,.:;?!)\]}’”…ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ]/
const notLast = /^[（［｛〔〈《「『【([{‘“]/

/** Where the row that begins at `from` ends and the next one begins; null if it is the last. */
const rowEnd = (text: string, from: number, columns: number): number | null => {
  const width = Math.max(2, columns - 1)
  let column = 0
  let chance = -1 // where the row may end
  let wasBlank = false
  let wasWide = false
  let mayEnd = false
  for (let at = from; at < text.length; ) {
    const next = after(text, at)
    const isBlank = blank.test(text[at]!)
    const cell = widthOf(text, at, next, column)
    const isWide = !isBlank && cell === 2
    const isFirst = at === from
    if (!isFirst && !isBlank) {
      if (wasBlank) chance = at
      else if ((isWide || wasWide) && mayEnd && !notFirst.test(text.slice(at, at + 2))) chance = at
    }
    // Blanks hang over the end.
    if (!isBlank && !isFirst && column + cell > width) return chance > from ? chance : at
    column += cell
    mayEnd = !notLast.test(text[at]!)
    wasBlank = isBlank
    wasWide = isWide
    at = next
  }
  return null
}

const widthOf = (text: string, at: number, next: number, column: number): number => {
  if (next - at > 1) return glyphOf(text, at, next).cells
  const unit = text.charCodeAt(at)
  if (unit === 9) return 8 - (column % 8)
  if (isSimple(unit)) return unit < 0x1100 ? 1 : 2
  return glyphOf(text, at, next).cells
}

const measured = (text: string, from: number, to: number): number => {
  let column = 0
  for (let at = from; at < to; ) {
    const next = after(text, at)
    column += widthOf(text, at, next, column)
    at = next
  }
  return column
}

// ---- characters

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** Letters that join with nothing of their kind: between two of them is a boundary, and nobody need be asked. */
const isSimple = (unit: number) =>
  unit === 9 ||
  (unit >= 0x20 && unit <= 0x7e) ||
  (unit >= 0x4e00 && unit <= 0x9fa5) ||
  (unit >= 0x3041 && unit <= 0x3096) ||
  (unit >= 0x30a1 && unit <= 0x30fa) ||
  unit === 0x3001 ||
  unit === 0x3002 ||
  unit === 0x30fc ||
  (unit >= 0xac00 && unit <= 0xd7a3) ||
  (unit >= 0xc0 && unit <= 0x24f) ||
  (unit >= 0x410 && unit <= 0x44f) ||
  (unit >= 0xff01 && unit <= 0xff5e)

/** The boundary that follows another one. */
const after = (text: string, at: number): number => {
  const end = at + 1
  if (end >= text.length) return text.length
  if (isSimple(text.charCodeAt(at)) && isSimple(text.charCodeAt(end))) return end
  if (ahead.text !== text || at < ahead.from || at >= ahead.to) lookAhead(text, at)
  return at + ahead.sizes[at - ahead.from]!
}

/** The characters of the stretch that was asked about last; whoever asks mostly goes on to the next. */
type Ahead = { text: string; from: number; to: number; sizes: Uint32Array }
const nothingAhead: Ahead = { text: '', from: 0, to: 0, sizes: new Uint32Array() }
let ahead = nothingAhead

const lookAhead = (text: string, from: number) => {
  for (let length = 256; ; length *= 4) {
    const isWhole = from + length >= text.length
    let stretch = text.slice(from, from + length)
    // Half a pair would stand alone, and what it belongs to would seem to have ended.
    if (!isWhole && /[\ud800-\udbff]$/.test(stretch)) stretch = stretch.slice(0, -1)
    const sizes = new Uint32Array(stretch.length)
    let last = 0
    for (const { segment, index } of segmenter.segment(stretch)) {
      sizes[index] = segment.length
      last = index
    }
    // The last character of a stretch may go on after it.
    if (last === 0 && !isWhole) continue
    ahead = { text, from, to: from + (isWhole ? stretch.length : last), sizes }
    return
  }
}

/** The boundary that comes before another one. */
const before = (text: string, at: number): number => {
  if (at <= 1) return 0
  if (isSimple(text.charCodeAt(at - 1)) && isSimple(text.charCodeAt(at - 2))) return at - 1
  const safe = safeBefore(text, at - 1)
  return safe + segmenter.segment(text.slice(safe, at)).containing(at - safe - 1)!.index
}

/** The offset itself if it is a boundary, else the next one. */
const snapped = (text: string, at: number): number => {
  if (at <= 0 || at >= text.length) return Math.max(0, Math.min(at, text.length))
  if (isSimple(text.charCodeAt(at - 1)) && isSimple(text.charCodeAt(at))) return at
  let boundary = safeBefore(text, at)
  while (boundary < at) boundary = after(text, boundary)
  return boundary
}

/** A boundary at or before an offset that is one whatever stands before it. */
const safeBefore = (text: string, at: number): number => {
  for (let safe = at; safe > 0; safe--)
    if (isSimple(text.charCodeAt(safe - 1)) && isSimple(text.charCodeAt(safe))) return safe
  return 0
}

type Glyph = { shown: string; cells: number }
const glyphs = new Map<string, Glyph>()

/** How a character is drawn, never as nothing. */
const glyphOf = (text: string, at: number, next: number): Glyph => {
  const character = text.slice(at, next)
  const known = glyphs.get(character)
  if (known) return known
  let shown = harmless(character)
  if (cells(shown) === 0) shown = '\ufffd'
  const glyph = { shown, cells: cells(shown) }
  if (glyphs.size > 4096) glyphs.clear()
  if (character.length <= 32) glyphs.set(character, glyph)
  return glyph
}

const isOfWord = (text: string, at: number) =>
  /^[\p{L}\p{N}\p{M}_]/u.test(String.fromCodePoint(text.codePointAt(at)!))
const isBlank = (text: string, at: number) => /^\s/.test(text[at]!)

/** Goes back over characters of which something is not true, then over those of which it is. */
const backOver = (text: string, at: number, is: (text: string, at: number) => boolean): number => {
  let place = at
  for (const wanted of [false, true])
    for (let back = before(text, place); place > 0 && is(text, back) === wanted; back = before(text, place))
      place = back
  return place
}
const wordBefore = (text: string, at: number): number => backOver(text, at, isOfWord)
const blankBefore = (text: string, at: number): number => backOver(text, at, (...place) => !isBlank(...place))
const wordAfter = (text: string, at: number): number => {
  let place = at
  while (place < text.length && !isOfWord(text, place)) place = after(text, place)
  while (place < text.length && isOfWord(text, place)) place = after(text, place)
  return place
}
