/** A long text in pages, as many octets on each as a page may have. */
import { readable } from '../text.ts'

/** Octets of text on one page, as they travel: the whole stays within a first flight of packets. */
const textLimit = 8_000

/** Pages are counted from 1. */
export type TextPage = { text: string; page: number; hasMore: boolean }

/**
 * One page of a text, or the last if there are not so many. The text is walked no further than the page's end: a
 * sender may write as much as they like.
 */
export const pageOf = (text: string, wanted: number): TextPage => {
  const all = readable(text).trimEnd()
  let start = 0
  for (let page = 1; ; page += 1) {
    const end = pageEnd(all, start)
    if (page >= wanted || end === all.length)
      return { text: all.slice(start, end), page, hasMore: end < all.length }
    start = end
  }
}

/** Where a page ends: at the end of a line, or within one that is longer than half a page by itself. */
const pageEnd = (text: string, start: number): number => {
  let size = 0
  let lineEnd = 0
  let lineEndSize = 0
  for (let at = start; at < text.length; at += 1) {
    const character = text[at]!
    size += sizes[character] ?? (character < '\x80' ? 1 : character < '\u0800' ? 2 : 3)
    if (size > textLimit) {
      if (lineEndSize > textLimit / 2) return lineEnd
      return isHighSurrogate(text, at - 1) ? at - 1 : at
    }
    if (character !== '\n') continue
    lineEnd = at + 1
    lineEndSize = size
  }
  return text.length
}

/** Octets of a character as it is escaped; a line's end becomes a line break, two of them a paragraph. */
const sizes: Record<string, number> = { '&': 5, '<': 4, '>': 4, '"': 6, "'": 5, '\n': 6 }

const isHighSurrogate = (text: string, at: number) => (text.charCodeAt(at) & 0xfc00) === 0xd800
