/**
 * One line that is being written, and a secret. Models only: they take a key press and give the next state, and say what
 * to draw and where the cursor stands. Screens draw; nothing here knows a terminal.
 *
 * What was typed or pasted stays as it is, control characters apart; what is drawn of it is made harmless as any foreign
 * text is, since a paste is foreign.
 */
import {
  after,
  before,
  blankBefore,
  clean,
  forgetAhead,
  glyphOf,
  lineEnds,
  measured,
  snapped,
  wordAfter,
  wordBefore,
} from './characters.ts'
import type { Press } from './terminal.ts'

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
    forgetAhead() // which would keep the text
  }
}
