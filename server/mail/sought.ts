/**
 * What is sought: a line that people type, such as `from:bob after:2026-11 "the boat" -rent`, taken apart into terms
 * that all have to be true of a mail. Nothing that was typed is an error, and nothing is passed over in silence: words
 * that say nothing here are handed back.
 */
import { dayMs, sought as limits } from '../ground/limits.ts'
import { type Field, type Phrase, wordsOf } from '../ground/store/search.ts'
import { normalized, phraseOf, phrasesOf } from '../locked/search-words.ts'

type State = 'unread' | 'read' | 'flagged' | 'answered' | 'encrypted' | 'signed' | 'attachment'

/** One thing that has to be true of a mail, or with `not` untrue. Times are Unix milliseconds, sizes octets. */
export type Term = { not: boolean } & (
  | { is: 'text'; phrases: Phrase[] }
  | { is: 'before' | 'after'; at: number }
  | { is: 'larger' | 'smaller'; size: number }
  | { is: 'folder'; id: number }
  | { is: State }
)
export type Sought = {
  terms: Term[]
  /** What was typed and not understood, as it was typed. */
  ignored: string[]
}

type Around = {
  now: number
  /** The user's folder of that name or kind. */
  folderNamed(name: string): number | undefined
}

/**
 * @param query as it was typed, of any length: what is beyond the limits is among what is not understood
 * @returns no terms and nothing ignored for an empty query
 */
export const soughtIn = (query: string, around: Around): Sought => {
  const sought: Sought = { terms: [], ignored: [] }
  const ignore = (typed: string) => {
    if (sought.ignored.length < limits.ignored) sought.ignored.push(typed.slice(0, limits.ignoredCharacters))
  }
  let awaited: Piece | null = null // an operator that stood alone takes what follows it
  for (const piece of piecesOf(query)) {
    const whole: Piece = awaited && !piece.name && !piece.not ? { ...piece, ...named(awaited) } : piece
    if (awaited && whole === piece) ignore(awaited.typed)
    const typed = awaited && whole !== piece ? `${awaited.typed} ${piece.typed}` : piece.typed
    awaited = null
    const isFull = sought.terms.length >= limits.terms || piece.end > limits.characters
    if (
      !isFull &&
      whole.name &&
      whole.value === '' &&
      !whole.isQuoted &&
      Object.hasOwn(operators, whole.name)
    ) {
      awaited = whole
      continue
    }
    const terms = isFull ? [] : termsOf(whole, around)
    if (terms.length === 0) ignore(typed)
    sought.terms.push(...terms)
  }
  if (awaited) ignore(awaited.typed)
  return sought
}

/** Whether encrypted mail, in whose text and attachments nobody can search here, could have had what is sought. */
export const asksText = ({ terms }: Sought): boolean =>
  terms.some(
    (term) =>
      term.is === 'attachment' || (term.is === 'text' && term.phrases.some(({ field }) => field === null)),
  )

// ---- pieces: `-from:"Bob Builder"` is one

type Piece = {
  not: boolean
  /** Of an operator, in lower case; empty for words. */
  name: string
  value: string
  isQuoted: boolean
  typed: string
  /** Where it ends, in characters. */
  end: number
}

const named = ({ not, name }: Piece) => ({ not, name })

/** A name is of letters; `http://x`, `std::x` and `12:30` have none. Parentheses behind one hold several words. */
const pieces = /(-?)(?:([a-z_]{2,20}):(?!\/\/|:))?(?:"([^"]*)(?:"|$)|(?<=:)\(([^()"]*)\)|([^\s"]*))/giy

function* piecesOf(query: string): Generator<Piece> {
  const text = normalized(query.slice(0, limits.readCharacters).toWellFormed())
    .replace(/[“”„«»]/g, '"') // as telephones type it
    .replace(/\p{Cc}/gu, ' ')
    .trimEnd()
  let isNegated = false
  for (let at = 0; at < text.length; ) {
    pieces.lastIndex = at
    const [typed = '', minus = '', name = '', quoted, inside, bare = ''] = pieces.exec(text) ?? []
    at += Math.max(1, typed.length)
    if (typed === '') continue
    // All has to be true anyway; NOT is a minus.
    if (/^(AND|NOT)$/.test(typed) && at < text.length) {
      isNegated ||= typed === 'NOT'
      continue
    }
    const value = quoted ?? inside ?? bare
    const isQuoted = quoted !== undefined
    // What looks like an operator without a value is one only if there is one of that name: `Re:`.
    const isName = value !== '' || Object.hasOwn(operators, name.toLowerCase())
    yield {
      not: minus !== '' || isNegated,
      name: isName ? name.toLowerCase() : '',
      value: isName ? value : name,
      isQuoted,
      typed: typed.trim(),
      end: at,
    }
    isNegated = false
  }
}

const termsOf = ({ not, name, value, isQuoted }: Piece, around: Around): Term[] => {
  if (!isQuoted && /(^|\s)OR(\s|$)/.test(value)) return [] // as one or the other it would be another search
  if (name === '') return textTerms(null, value, { not, isQuoted })
  const operator = Object.hasOwn(operators, name) ? operators[name]! : null
  return operator ? operator(value, { not, isQuoted, ...around }) : []
}

// ---- operators

type Said = Around & { not: boolean; isQuoted: boolean }
type Operator = (value: string, said: Said) => Term[]

const inField =
  (field: Field): Operator =>
  (value, said) =>
    textTerms(field, value, said)

const oneOf =
  (states: Record<string, State>): Operator =>
  (value, { not }) => {
    const word = value.toLowerCase()
    return Object.hasOwn(states, word) ? [{ not, is: states[word]! }] : []
  }

const time =
  (is: 'before' | 'after'): Operator =>
  (value, { not, now }) => {
    const at = timeIn(value, now)
    return at === null ? [] : [{ not, is, at }]
  }

const size =
  (is: 'larger' | 'smaller'): Operator =>
  (value, { not }) => {
    const [, count, unit = ''] = value.match(/^(\d{1,9})([kmg]?)b?$/i) ?? []
    const power = ['', 'k', 'm', 'g'].indexOf(unit.toLowerCase())
    return count === undefined ? [] : [{ not, is, size: Number(count) * 1000 ** power }]
  }

const folder: Operator = (value, { not, folderNamed }) => {
  const id = folderNamed(value)
  return id === undefined ? [] : [{ not, is: 'folder', id }]
}

/** With those names beside them by which people know them from elsewhere. */
const operators: Record<string, Operator> = {
  from: inField('sender'),
  to: inField('recipients'),
  cc: inField('recipients'),
  subject: inField('subject'),
  before: time('before'),
  older: time('before'),
  older_than: time('before'),
  after: time('after'),
  newer: time('after'),
  newer_than: time('after'),
  larger: size('larger'),
  size: size('larger'),
  smaller: size('smaller'),
  in: folder,
  folder,
  label: folder,
  has: oneOf({ attachment: 'attachment', attachments: 'attachment' }),
  is: oneOf({
    unread: 'unread',
    read: 'read',
    flagged: 'flagged',
    starred: 'flagged',
    answered: 'answered',
    replied: 'answered',
    encrypted: 'encrypted',
    signed: 'signed',
  }),
}

/** Words that were typed in one go have to occur one after the other only where they were quoted. */
const textTerms = (
  field: Field | null,
  value: string,
  { not, isQuoted }: Pick<Said, 'not' | 'isQuoted'>,
): Term[] => {
  const phrases = (isQuoted ? [phraseOf(value)] : phrasesOf(value))
    .filter(({ words }) => wordsOf(words).length > 0)
    .map((phrase) => ({ ...phrase, field }))
  return phrases.length === 0 || phrases.length > limits.terms ? [] : [{ not, is: 'text', phrases }]
}

// ---- times

/** The beginning of a year, month or day, in UTC; or so many days, weeks, months or years before now. */
const timeIn = (text: string, now: number): number | null => {
  const word = text.toLowerCase()
  const today = Math.floor(now / dayMs) * dayMs
  if (word === 'today') return today
  if (word === 'yesterday') return today - dayMs
  const [, count, unit] = word.match(/^(\d{1,4})([dwmy])$/) ?? []
  if (count !== undefined && unit !== undefined) return timeAgo(now, Number(count), unit)
  const [, year, month = '1', day = '1'] = word.match(/^(\d{4})(?:[-/](\d{1,2})(?:[-/](\d{1,2}))?)?$/) ?? []
  if (year === undefined) return null
  const at = new Date(0)
  at.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  // A date that there is none of, such as the 30th of February, comes out as another one.
  return at.getUTCMonth() === Number(month) - 1 && at.getUTCDate() === Number(day) ? at.getTime() : null
}

const timeAgo = (now: number, count: number, unit: string): number => {
  if (unit === 'd' || unit === 'w') return now - count * (unit === 'w' ? 7 : 1) * dayMs
  const at = new Date(now)
  const day = at.getUTCDate()
  at.setUTCMonth(at.getUTCMonth() - count * (unit === 'y' ? 12 : 1))
  if (at.getUTCDate() !== day) at.setUTCDate(0) // the last day of a month that is shorter
  return at.getTime()
}
