/**
 * A line of addresses as one types it: `Ben <ben@example.org>, "Doe, Jane" <jane@example.org>, eve@`. Only what
 * completion needs: where the one at the cursor begins and ends. The server says what is an address.
 */
import { type Field, field } from './field.ts'

/** The words at the cursor up to it, which candidates are asked for with, and the part of the line that is theirs. */
export type Typing = { words: string; from: number; to: number }

export const typingAt = ({ text, cursor }: Field): Typing => {
  let from = 0
  let to = text.length
  let isQuoted = false
  let inBrackets = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (isQuoted && character === '\\') at++
    else if (character === '"' && !inBrackets) isQuoted = !isQuoted
    else if (isQuoted) continue
    else if (character === '<') inBrackets = true
    else if (character === '>') inBrackets = false
    // A bracket that nobody closed does not swallow the others.
    else if (character === ';' || character === ',') {
      inBrackets = false
      if (at < cursor) from = at + 1
      else {
        to = at
        break
      }
    }
  }
  while (from < cursor && text[from] === ' ') from++
  const words = text
    .slice(from, cursor)
    .replace(/["<>\\]/g, '')
    .trim()
  return { words, from, to: Math.max(to, cursor) }
}

/** The line with the one at the cursor replaced, and the cursor behind it, ready for the next. */
export const completedWith = (line: Field, chosen: { name: string; address: string }): Field => {
  const { from, to } = typingAt(line)
  const rest = line.text.slice(to).replace(/^[\s,;]+/, '')
  const put = `${line.text.slice(0, from)}${asWritten(chosen)}, `
  return { text: put + rest, cursor: put.length }
}

/** RFC 5322 §3.4: a name with anything but words in it stands in quotes. */
export const asWritten = ({ name, address }: { name: string; address: string }): string => {
  const words = field(name).text.trim()
  if (words === '' || words === address) return address
  return /^[\p{L}\p{M}\p{N} '_-]+$/u.test(words)
    ? `${words} <${address}>`
    : `"${words.replace(/["\\]/g, '\\$&')}" <${address}>`
}
