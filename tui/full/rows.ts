/**
 * Rows: a line of a text as it is wrapped for a window; the text itself stays as it was written. Lines are wrapped as far
 * as somebody looks, and a change is wrapped anew only where it changes something: a key press in a line of a megabyte
 * costs what it costs in a short one.
 */
import { after, glyphOf, widthOf } from './characters.ts'

/** A line without its end. Rows that it was wrapped into are remembered by its identity. */
export type Written = { readonly text: string }
export type Place = { readonly line: number; readonly offset: number }
export type Lines = { readonly lines: readonly Written[] }

/** From an offset of a line to another. */
export type TextRow = { line: number; from: number; to: number; isLast: boolean }

export const holds = (row: TextRow, { line, offset }: Place) =>
  row.line === line && offset >= row.from && (offset < row.to || (row.isLast && offset === row.to))

export const rowAt = (text: Lines, { line, offset }: Place, columns: number): TextRow => {
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

const rowOf = (text: Lines, line: number, starts: number[], index: number): TextRow => ({
  line,
  from: starts[index]!,
  to: starts[index + 1] ?? text.lines[line]!.text.length,
  isLast: index === starts.length - 1,
})

export const rowBelow = (text: Lines, row: TextRow, columns: number): TextRow | null => {
  if (!row.isLast) return rowAt(text, { line: row.line, offset: row.to }, columns)
  return row.line + 1 < text.lines.length ? rowAt(text, { line: row.line + 1, offset: 0 }, columns) : null
}

export const rowAbove = (text: Lines, row: TextRow, columns: number): TextRow | null => {
  if (row.from > 0) return rowAt(text, { line: row.line, offset: row.from - 1 }, columns)
  if (row.line === 0) return null
  return rowAt(text, { line: row.line - 1, offset: Number.POSITIVE_INFINITY }, columns)
}

export const isBefore = (a: TextRow, b: TextRow) => a.line < b.line || (a.line === b.line && a.from < b.from)

/** What of a row is drawn: blanks that hang over its end are not. */
export const drawn = (line: string, { from, to }: TextRow, columns: number): string => {
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
export const derive = (line: Written, old: Written, from: number, removed: number, added: number) => {
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
