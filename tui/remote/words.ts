/**
 * The words of a command that comes over SSH, which has it as one line: quotes and backslashes as a shell reads them
 * (POSIX.1-2024, 2.2), and nothing else of a shell. There is none behind it: no variables, no patterns, no pipes.
 */

/** @returns null where a quote is not closed */
export const wordsOf = (line: string): string[] | null => {
  const words: string[] = []
  let word: string | null = null
  const pieces = /\s+|'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^\s'"\\]+)|(.)/gs
  for (const [piece, single, double, escaped, bare, stray] of line.matchAll(pieces)) {
    if (stray !== undefined) return null
    if (/^\s/.test(piece)) {
      if (word !== null) words.push(word)
      word = null
    } else word = (word ?? '') + (single ?? double?.replace(/\\([$`"\\\n])/g, '$1') ?? escaped ?? bare ?? '')
  }
  if (word !== null) words.push(word)
  return words
}
