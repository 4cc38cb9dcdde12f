/**
 * What people call characters (extended grapheme clusters, UAX #29): where one ends and the next begins, how many cells
 * it takes, and which of them are words. Offsets are in UTF-16 units and always on a boundary between characters.
 *
 * A character of which nothing would be drawn is drawn as U+FFFD, so that one sees where the cursor stands and what
 * Backspace takes.
 */
import { cells, harmless } from '../text/text.ts'

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
export const after = (text: string, at: number): number => {
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

/** Forgets the stretch, which may be of a secret. */
export const forgetAhead = () => {
  ahead = nothingAhead
}

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
export const before = (text: string, at: number): number => {
  if (at <= 1) return 0
  if (isSimple(text.charCodeAt(at - 1)) && isSimple(text.charCodeAt(at - 2))) return at - 1
  const safe = safeBefore(text, at - 1)
  return safe + segmenter.segment(text.slice(safe, at)).containing(at - safe - 1)!.index
}

/** The offset itself if it is a boundary, else the next one. */
export const snapped = (text: string, at: number): number => {
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
export const glyphOf = (text: string, at: number, next: number): Glyph => {
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
export const wordBefore = (text: string, at: number): number => backOver(text, at, isOfWord)
export const blankBefore = (text: string, at: number): number =>
  backOver(text, at, (...place) => !isBlank(...place))
export const wordAfter = (text: string, at: number): number => {
  let place = at
  while (place < text.length && !isOfWord(text, place)) place = after(text, place)
  while (place < text.length && isOfWord(text, place)) place = after(text, place)
  return place
}

// ---- cells

export const widthOf = (text: string, at: number, next: number, column: number): number => {
  if (next - at > 1) return glyphOf(text, at, next).cells
  const unit = text.charCodeAt(at)
  if (unit === 9) return 8 - (column % 8)
  if (isSimple(unit)) return unit < 0x1100 ? 1 : 2
  return glyphOf(text, at, next).cells
}

export const measured = (text: string, from: number, to: number): number => {
  let column = 0
  for (let at = from; at < to; ) {
    const next = after(text, at)
    column += widthOf(text, at, next, column)
    at = next
  }
  return column
}

// ---- what may stand in a text

/** Without control characters and lone surrogates: no key types them, and a paste that has them is up to no good. */
export const clean = (text: string) =>
  text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '').toWellFormed()
export const lineEnds = /\r\n?|[\n\v\f\u0085\u2028\u2029]/g
