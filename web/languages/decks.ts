/** Decks of WML: how large one is once a gateway compiled it, and how much of a page goes into one. */
import { inWml, wmlText } from './wml-forms.ts'

/**
 * Octets of a deck, compiled. The first handsets take 1,400, and a gateway sends them no more at once with the header
 * fields (WAP-203-WSP §8.3.3, Client-SDU-Size).
 */
const deckLimit = 1_150

/** What is not divided: text, a link, a field, a button. */
export type Item = {
  /** What stands in a paragraph. */
  content: string
  /** It begins one. */
  begins: boolean
}

export type Parts = {
  title: string
  /** Variables and history of the terminal go away. */
  isAnew: boolean
  /** `<do>` elements, of each deck and of the one that begins the page. */
  keys: string[]
  firstKeys: string[]
  /** What has happened: on the first deck alone. */
  happened: Item[]
  items: Item[]
}

export type Place = {
  /** How many items the decks before have; null on the first one. */
  after: number | null
  /** Where the deck is that begins after so many items. */
  path(after: number): string
  more: string
  back: string
}

/**
 * One deck, with as much as there is room for, and the way to the next.
 *
 * @param parts the same for each deck of a page, but for what has happened
 */
export const deckOf = (parts: Parts, place: Place): { deck: string; hasMore: boolean } => {
  const from = place.after ?? 0
  const isFirst = place.after === null
  const keys = [...(from === 0 ? parts.firstKeys : []), ...parts.keys]
  const whole = { ...parts, keys, isAnew: parts.isAnew && isFirst }
  const bare = { ...whole, keys: [] }
  const until = (deck: Parts, next: number, items: Item[]) => ({
    deck: drawn(deck, place, next, items),
    hasMore: next < parts.items.length,
  })
  const happened = isFirst ? parts.happened : []
  const begun = fitting(whole, place, from, happened, [])
  // It is said in one deck, if need be in one that has room for nothing else.
  if (begun.length < happened.length) return until(bare, from, fitting(bare, place, from, happened, []))
  const shown = fitting(whole, place, from, parts.items.slice(from), begun)
  if (shown.length > 0 || from >= parts.items.length)
    return until(whole, from + shown.length, [...begun, ...shown])
  if (begun.length > 0) return until(whole, from, begun)
  const alone = fitting(bare, place, from, parts.items.slice(from), [])
  // What no terminal could take is left out.
  return until(bare, from + Math.max(1, alone.length), alone)
}

/** As many as fit after what is there. */
const fitting = (deck: Parts, place: Place, from: number, items: Item[], begun: Item[]): Item[] => {
  let room = deckLimit - compiledOctets(drawn(deck, place, from, begun, true))
  const shown: Item[] = []
  for (const item of items) {
    room -= compiledOctets(paragraphs([item])) - headOctets
    if (room < 0) break
    shown.push(item)
  }
  return shown
}

const drawn = (
  parts: Parts,
  place: Place,
  next: number,
  items: Item[],
  hasMore = next < parts.items.length,
): string => {
  const go = `<go href="${wmlText(place.path(next))}"/>`
  const keys = [
    hasMore ? `<do type="accept" label="${wmlText(place.more)}">${go}</do>` : '',
    ...parts.keys,
    `<do type="prev" label="${wmlText(place.back)}"><prev/></do>`,
  ]
  const more = hasMore ? `<p><anchor>${wmlText(place.more)}${go}</anchor></p>` : ''
  const attributes = { newcontext: parts.isAnew ? 'true' : undefined, title: parts.title }
  const card = inWml('card', attributes, keys.join('') + paragraphs(items) + more)
  return `${prologue}${inWml('wml', {}, card)}`
}

const prologue =
  '<?xml version="1.0"?>\n<!DOCTYPE wml PUBLIC "-//WAPFORUM//DTD WML 1.3//EN" "http://www.wapforum.org/DTD/wml13.dtd">\n'

const paragraphs = (items: Item[]): string => {
  let whole = ''
  for (const [place, { content, begins }] of items.entries())
    whole += begins || place === 0 ? `${place > 0 ? '</p>' : ''}<p>${content}` : content
  return whole && `${whole}</p>`
}

/** Version, public identifier, character set, length of the string table. */
const headOctets = 5

/**
 * Octets of a deck as WBXML 1.3, at most: each name a token, each text written out where it stands (§5). What a gateway
 * finds twice, it may write once.
 */
const compiledOctets = (xml: string): number => {
  let octets = headOctets
  for (const [piece] of xml.matchAll(/<[^>]*>|[^<]+/g)) {
    if (piece.startsWith('<?') || piece.startsWith('<!')) continue
    else if (piece.startsWith('</')) octets += 1
    else if (piece.startsWith('<')) {
      const values = [...piece.matchAll(/="([^"]*)"/g)]
      octets += 1 + (values.length > 0 ? 1 : 0)
      for (const [, value] of values) octets += 1 + textOctets(value!)
    } else octets += textOctets(piece)
  }
  return octets
}

/** A string begins with a token and ends with a NUL; a variable is another one, and so is what follows it. */
const textOctets = (text: string): number => {
  const plain = text.replace(/&#?\w+;/g, 'x')
  const variables = plain.match(/\$\(/g)?.length ?? 0
  return 2 + Buffer.byteLength(plain) + 2 * variables
}
