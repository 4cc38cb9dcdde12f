/**
 * Where text enters a screen. Whatever a server or a mail says is made harmless here before a terminal sees it: no
 * control characters, no escape sequences, nothing that reorders, hides or overprints. And measured, cut and wrapped
 * by the cells that it takes on a screen, as `wcwidth` counts them: ambiguous widths are narrow.
 *
 * Letters written from right to left stay. A terminal with bidirectional text puts them in order itself, row by row,
 * and draws spaces and digits that follow them into that order (UAX #9, N1 and W2): a name could so change places with
 * the column behind it. Therefore `column` ends a field that holds such letters with U+2800, a blank whose direction
 * is left to right (bidi class L), which ends the reordering; it takes a cell like any other, and no mark of
 * direction is ever sent to a terminal. What stands before a field is a letter of ours, so nothing reaches leftwards.
 */
import { eastAsianWidth } from 'get-east-asian-width'

const plain = /^[\x20-\x7e]*$/
/** Characters that stand alone, of one cell below U+3000 and of two above: the everyday ones. */
const simple =
  /^[\x20-\x7e\u00a1-\u00ac\u00ae-\u02ff\u0391-\u03a1\u03a3-\u03ff\u0400-\u0482\u2010-\u2027\u20ac\u3000-\u3029\u3041-\u3096\u30a1-\u30ff\u4e00-\u9fff\uac00-\ud7a3\uff01-\uff60]*$/

/** CSI with its parameters (ECMA-48 §5.4), of seven bits or eight. */
const escapeSequences = /(?:\x1b\[|\x9b)[\x30-\x3f]{0,64}[\x20-\x2f]{0,8}[\x40-\x7e]/g
const breaks = /\r\n|[\t\n\v\f\r\x85\u2028\u2029]/g
const controls = /[\x00-\x1f\x7f-\x9f]/g
/** Format characters, bidi controls, tags, fillers, variation selectors; skin tones, whose width terminals dispute. */
const unseen = /[\p{Cf}\p{Default_Ignorable_Code_Point}\p{Variation_Selector}\p{Me}\p{Emoji_Modifier}]/gu
const blanks = /[\u00a0\u1680\u2000-\u200a\u202f\u205f\u2800]/g
const unknown = /[\p{Cn}\p{Co}\p{Cs}]/gu
const piles = /(\p{M}{4})\p{M}+/gu
/** Far more than a letter has, before composition may have taken some into it. */
const heaps = /(\p{M}{16})\p{M}+/gu
/**
 * What would be one character however long it is (UAX #29): Hangul letters that make no syllable (GB6 to GB8), letters
 * that cling to the next one (GB9b) or to the one before (GB9, GB9a), consonants joined by viramas (GB9c). No word has
 * so many of them.
 */
const endless = (() => {
  const [leading, vowel, trailing] = [
    '[\u1100-\u115f\ua960-\ua97c]',
    '[\u1160-\u11a7\ud7b0-\ud7c6\u{16d63}\u{16d67}-\u{16d6a}]',
    '[\u11a8-\u11ff\ud7cb-\ud7fb]',
  ]
  const prepended =
    '[\u0d4e\u{111c2}\u{111c3}\u{113d1}\u{1193f}\u{11941}\u{11a84}-\u{11a89}\u{11d46}\u{11f02}]'
  const clinging = '\\p{M}\uff9e\uff9f\u0e33\u0eb3'
  const virama =
    '[\u094d\u09cd\u0acd\u0b4d\u0c4d\u0d4d\u1039\u17d2\u1a60\u1b44\u1bab\ua9c0\uaaf6\u{10a3f}\u{11133}\u{113d0}\u{1193e}\u{11a47}\u{11a99}\u{11f42}]'
  const joined = `(?:[^${clinging}](?=[${clinging}]{0,5}${virama})[${clinging}]{1,6}){6}(?=[^\\s\ufffd])`
  const runs = [leading, vowel, trailing, prepended].map((each) => `${each}{4}(?=${each})`)
  return new RegExp([...runs, `[${clinging}]{6}(?=[${clinging}])`, joined].join('|'), 'gu')
})()
const loose = /^(?=\p{M})/u
const replacement = '\ufffd'

/**
 * One line that a terminal may be given. Line breaks and tabs become spaces; a control character or an escape sequence
 * is shown as U+FFFD, so that one sees that something was there, and what an escape sequence carries stays readable
 * text; characters that are seen by nobody are left out.
 */
export const harmless = (text: string): string => {
  if (plain.test(text)) return text
  const line = text.toWellFormed().replace(breaks, ' ')
  if (plain.test(line)) return line
  return (
    line
      .replace(escapeSequences, replacement)
      .replace(controls, replacement)
      .replace(unseen, '')
      // Normalization sorts the marks of a letter one by one: of a million of them, for hours.
      .replace(heaps, '$1')
      // Composed: a decomposed letter or syllable is then one character of known width.
      .normalize('NFC')
      .replace(blanks, ' ')
      .replace(unknown, replacement)
      .replace(piles, '$1')
      .replace(endless, `$&${replacement}`)
      .replace(loose, '\u25cc') // a mark without a letter would sit on a letter of ours
  )
}

/** An address whole: what nobody sees in it shows, for two that look alike are two. */
export const wholeAddress = (address: string): string => harmless(address.replace(unseen, replacement))

/** Several lines: what `harmless` does, line by line. Tabs go to the next of every eighth cell. */
export const harmlessLines = (text: string): string[] =>
  text.split(/\r\n|[\n\v\f\r\x85\u2028\u2029]/).map((line) => (plain.test(line) ? line : untabbed(line)))

const untabbed = (line: string): string => {
  const [first = '', ...rest] = line.split('\t').map(harmless)
  let whole = first
  let width = rest.length > 0 ? cells(first) : 0
  for (const each of rest) {
    const gap = 8 - (width % 8)
    whole += ' '.repeat(gap) + each
    width += gap + cells(each)
  }
  return whole
}

/** How many cells harmless text takes. */
export const cells = (text: string): number => {
  if (plain.test(text)) return text.length
  if (simple.test(text)) {
    let width = 0
    for (let place = 0; place < text.length; place += 1) width += text.charCodeAt(place) < 0x3000 ? 1 : 2
    return width
  }
  let width = 0
  let before = 0
  for (const character of text) {
    const point = character.codePointAt(0)!
    width += cellsOf(point, before)
    before = point
  }
  return width
}

/** Measured ones: a screen shows the same few hundred again and again. */
const known = new Map<number, number>()

const cellsOf = (point: number, before: number): number => {
  // A vowel or final letter joins the syllable before it (Unicode §3.12).
  if (point >= 0x1160 && point <= 0x11ff) return isHangul(before) ? 0 : 1
  const measured = known.get(point)
  if (measured !== undefined) return measured
  const width = /\p{Mn}/u.test(String.fromCodePoint(point)) ? 0 : eastAsianWidth(point)
  if (known.size >= 4096) known.clear()
  known.set(point, width)
  return width
}

const isHangul = (point: number) =>
  (point >= 0x1100 && point <= 0x11ff) || (point >= 0xac00 && point <= 0xd7a3)

/** Made when it is needed: it takes a tenth of a script's start. */
let segmenter: Intl.Segmenter | null = null

/** The beginning of the text that fits, by whole characters as people count them, and the cells that it takes. */
const fitting = (text: string, columns: number): { end: number; width: number } => {
  let width = 0
  if (simple.test(text)) {
    let end = 0
    for (; end < text.length; end += 1) {
      const next = text.charCodeAt(end) < 0x3000 ? 1 : 2
      if (width + next > columns) break
      width += next
    }
    return { end, width }
  }
  segmenter ??= new Intl.Segmenter('en')
  for (const { segment, index } of segmenter.segment(text)) {
    const next = cells(segment)
    if (width + next > columns) return { end: index, width }
    width += next
  }
  return { end: text.length, width }
}

/** At most that many cells of harmless text; what is left out is shown as `…`. */
export const cut = (text: string, columns: number): string => {
  if (columns <= 0) return ''
  if (text.length <= columns && plain.test(text)) return text
  // A character has at most a letter and four marks on it, in at most two units each.
  const begin = text.length > columns * 12 ? text.slice(0, columns * 12).toWellFormed() : text
  if (begin === text && cells(text) <= columns) return text
  return `${begin.slice(0, fitting(begin, columns - 1).end)}…`
}

/** Exactly that many cells. */
export const pad = (text: string, columns: number): string => {
  const short = cut(text, columns)
  return short + ' '.repeat(Math.max(0, columns - cells(short)))
}

const rightToLeft = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u

/**
 * A foreign text as a column of exactly that many cells: made harmless, cut, padded, and closed where its letters run
 * from right to left (see above).
 */
export const column = (text: string, columns: number): string => {
  // Not all of a subject of a megabyte, for each row and each key.
  const line = harmless(text.length > columns * 24 ? text.slice(0, columns * 24) : text)
  if (plain.test(line) || !rightToLeft.test(line) || columns < 2) return pad(line, columns)
  const short = cut(line, columns - 1)
  return `${short}\u2800${' '.repeat(columns - 1 - cells(short))}`
}

/**
 * Foreign text of several lines as rows of at most that many cells: broken at spaces, beside wide characters, and hard
 * where a word is longer than a row.
 *
 * @param most how many UTF-16 units are looked at; a last row says how many were not
 */
export const wrapped = (text: string, columns: number, most = 1024 * 1024): string[] => {
  const width = Math.max(2, columns)
  const rows: string[] = []
  const rest = text.length - most
  for (const line of harmlessLines(rest > 0 ? text.slice(0, most) : text)) wrapLine(line, width, rows)
  if (rest > 0) wrapLine(`[${rest} more characters are not shown here]`, width, rows)
  return rows
}

const wrapLine = (line: string, columns: number, rows: string[]): void => {
  let start = 0
  const isPlain = plain.test(line)
  while (start < line.length) {
    if (isPlain && line.length - start <= columns) break
    // Twelve units a cell are enough, as in `cut`; and a long line is not measured again for each of its rows.
    const ahead = line.slice(start, start + columns * 12)
    const { end } = isPlain ? { end: columns } : fitting(ahead, columns)
    if (start + end >= line.length) break
    const length = breakBefore(ahead, end)
    rows.push(ahead.slice(0, length).trimEnd())
    start += length
    while (line[start] === ' ') start += 1 // the spaces at which a line was broken
    if (start >= line.length) return
  }
  rows.push(line.slice(start).trimEnd())
}

const wide = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/
/** May not begin a row (JIS X 4051, the common ones). */
const closing =
  /[、。，．・：；？！゛゜ヽヾゝゞ々ー’”）〕］｝〉》」』】ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ]/

/** Where to break what does not fit: behind the last space or between wide characters, if that is not at the start. */
const breakBefore = (text: string, end: number): number => {
  if (text[end] === ' ') return end
  const indent = /^[> ]*/.exec(text)![0].length
  for (let place = end; place > indent; place -= 1) {
    const before = text[place - 1]!
    if (before === ' ') return place
    const next = text[place] ?? ''
    if ((wide.test(before) || wide.test(next)) && !closing.test(next) && !/\p{M}/u.test(next)) return place
  }
  // One that is wider than a row is taken apart.
  return end || String.fromCodePoint(text.codePointAt(0)!).length
}
