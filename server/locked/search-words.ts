/** The words of the full-text index: how a mail's text goes into it, and how a query asks for them. */

/** Scripts written without spaces: their words are found by pairs of neighbouring characters. */
const unspaced = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}ー]+/gu

/** More than a letter has: normalization sorts the marks of a letter one by one, of a long mail of them for minutes. */
const heaps = /(\p{M}{16})\p{M}+/gu
const normalized = (text: string): string => text.replace(heaps, '$1').normalize('NFKC')

/** For strangers' mail, this is work for a child process. */
export const indexed = (text: string): string =>
  normalized(text).replace(unspaced, (run) => {
    const characters = [...run]
    if (characters.length === 1) return ` ${run} `
    return ` ${characters
      .slice(1)
      .map((character, place) => characters[place]! + character)
      .join(' ')} `
  })

/** What the index has to hold of all the words of a query; the last letters of each may be missing. */
export const phrasesOf = (query: string): string[] =>
  normalized(query)
    .split(/[^\p{L}\p{N}\p{M}ー@._-]+/u)
    .filter(Boolean)
    .map((word) => indexed(word).trim())
