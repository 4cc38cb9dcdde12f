/**
 * Full-text search, as each engine has it: FTS5 or tsvector with GIN. Both take words for the same that differ by case and
 * accents alone, find several in a row, and the last of these by its beginning.
 */
import { type SQL, sql } from 'drizzle-orm'
import { searchIndex } from '../limits.ts'
import type { Database } from './database.ts'
import { type Column, isPostgres } from './kit.ts'

/** What a mail can be found by; already in the words that a query will ask for. */
export type Searchable = { sender: string; recipients: string; subject: string; body: string }

/** Takes a mail's octets into the index, in the place of what was there of them. */
export const index = async (db: Database, contentId: number, text: Searchable): Promise<void> => {
  await db.rows(indexing(isPostgres, contentId, text))
}

/** The same as a statement, for an engine that need not be this process's. */
export const indexing = (
  inPostgres: boolean,
  contentId: number,
  { sender, recipients, subject, body }: Searchable,
): SQL =>
  inPostgres
    ? sql`INSERT INTO message_search (content_id, words)
        VALUES (${contentId}, ${vectorOf([sender, recipients, subject, body])}::tsvector)
        ON CONFLICT (content_id) DO UPDATE SET words = excluded.words`
    : sql`INSERT OR REPLACE INTO message_search (rowid, sender, recipients, subject, body)
        VALUES (${contentId}, ${sender}, ${recipients}, ${subject}, ${body})`

export type Field = 'sender' | 'recipients' | 'subject'
/** Words in a row; of the last one only the beginning, unless it `isWhole`. */
export type Phrase = {
  /** As the index has them. */
  words: string
  /** As they are written. */
  text: string
  isWhole: boolean
  /** Where they have to be; null for anywhere, the text of the mail too. */
  field: Field | null
}
/** A mail's own columns: its content, and what lists show of it, which is what was indexed of its fields. */
type Columns = Record<Field | 'contentId', Column>

/** Whether a mail has all these phrases. */
export const hasAll = (phrases: Phrase[], of: Columns): SQL => {
  const found = isPostgres
    ? sql`SELECT content_id FROM message_search WHERE words @@ ${phrases.map(queryOf).join(' & ')}::tsquery`
    : sql`SELECT rowid FROM message_search WHERE message_search MATCH ${phrases.map(matchOf).join(' AND ')}`
  const indexed = sql`${of.contentId} IN (${found})`
  // PostgreSQL's index does not know which words were in which field.
  const inFields = isPostgres ? phrases.filter(({ field }) => field !== null) : []
  return sql.join([indexed, ...inFields.map((phrase) => fieldHas(of[phrase.field!], phrase))], sql` AND `)
}

const matchOf = ({ field, words, isWhole }: Phrase) =>
  `${field === null ? '' : `${field} : `}"${words.replaceAll('"', '')}"${isWhole ? '' : ' *'}`

/** Takes a column apart as {@link wordsOf} does, and looks for the words: letters and digits, which mean themselves. */
const fieldHas = (column: Column, { text, isWhole }: Phrase): SQL => {
  const words = wordsOf(text).join('[^[:alnum:]]+')
  const isSpaced = /^[\p{sc=Latin}\p{sc=Cyrillic}\p{sc=Greek}\p{N}]/u.test(words)
  const pattern = `${isSpaced ? '\\m' : ''}${words}${isWhole ? '(?![[:alnum:]])' : ''}`
  const plain = sql`regexp_replace(normalize(${column}, NFKD), ${anyMark()}, '', 'g')`
  return sql`lower(normalize(${plain}, NFC)) ~ ${pattern}`
}

let markClass = ''
/** PostgreSQL's patterns know no classes of Unicode: all that there are of `\p{Mn}`, by number. */
const anyMark = (): string => {
  if (markClass === '')
    for (let code = 0; code < 0x1_0000; code += 1) {
      const character = String.fromCharCode(code)
      if (/\p{Mn}/u.test(character)) markClass += character
    }
  return `[${markClass}]`
}

/** As FTS5's tokenizer takes a text apart (unicode61, remove_diacritics 2). */
export const wordsOf = (text: string): string[] =>
  text
    .normalize('NFKD')
    .replace(/\p{Mn}/gu, '')
    .normalize('NFC')
    .toLowerCase()
    .match(/[\p{L}\p{N}\p{Co}]+/gu) ?? []

const quoted = (word: string) => `'${word.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`

/** A tsvector's own text, of all words with their places; between two fields there is a gap, so that no phrase spans them. */
const vectorOf = (fields: string[]): string => {
  const places = new Map<string, number[]>()
  let at = 0
  for (const field of fields) {
    at += 1
    for (const word of wordsOf(field)) {
      at += 1
      const cut = word.slice(0, searchIndex.wordLength)
      const known = places.get(cut)
      if (!known) places.set(cut, [Math.min(at, searchIndex.places)])
      // PostgreSQL keeps no more places of one word.
      else if (known.length < searchIndex.placesOfWord && at < searchIndex.places) known.push(at)
    }
  }
  return [...places].map(([word, list]) => `${quoted(word)}:${list.join(',')}`).join(' ')
}

const queryOf = ({ words: phrase, isWhole }: Phrase): string => {
  const words = wordsOf(phrase).map((word) => quoted(word.slice(0, searchIndex.wordLength)))
  const last = words.length - 1
  return `(${words.map((word, place) => (place === last && !isWhole ? `${word}:*` : word)).join(' <-> ')})`
}
