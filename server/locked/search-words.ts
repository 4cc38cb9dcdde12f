/** The words of the full-text index: how a mail's text goes into it, and how a query asks for them. */

/** Scripts written without spaces: their words are found by pairs of neighbouring characters. */
const unspacedCharacter = String.raw`[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}ー]`
const unspaced = new RegExp(`${unspacedCharacter}+`, 'gu')
const endsAlone = new RegExp(`(?<!${unspacedCharacter})${unspacedCharacter}\\P{L}*$`, 'u')

/** More than a letter has: normalization sorts the marks of a letter one by one, of a long mail of them for minutes. */
const heaps = /(\p{M}{16})\p{M}+/gu
export const normalized = (text: string): string => text.replace(heaps, '$1').normalize('NFKC')

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

/** Words in a row, of which the last may be the beginning of one. */
export type Wanted = {
  /** As the index has them. */
  words: string
  /** As they are written. */
  text: string
  /** Whether the last is a whole word. */
  isWhole: boolean
}

/** What the index has to hold of all the words of a query; the last letters of each may be missing. */
export const phrasesOf = (query: string): Wanted[] =>
  normalized(query)
    .split(/[^\p{L}\p{N}\p{M}ー@._-]+/u)
    .filter(Boolean)
    .map((word) => ({ words: indexed(word).trim(), text: word, isWhole: false }))

/** What the index has to hold of words in a row, all of them whole. */
export const phraseOf = (query: string): Wanted => {
  const text = normalized(query)
  // A single character of scripts without spaces is found by the pairs that it begins.
  return { words: indexed(text).trim(), text, isWhole: !endsAlone.test(text) }
}
