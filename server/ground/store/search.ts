/**
 * Full-text search, as each engine has it: FTS5 or tsvector with GIN. Both take words for the same that differ by case and
 * accents alone, find several in a row, and the last of these by its beginning.
 */
import { type SQL, sql } from 'drizzle-orm'
import { searchIndex } from '../limits.ts'
import type { Database } from './database.ts'
import { isPostgres } from './kit.ts'

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

/** The ids of contents that have all these phrases. */
export const contentsWith = (phrases: string[]): SQL =>
  isPostgres
    ? sql`(SELECT content_id FROM message_search WHERE words @@ ${phrases.map(queryOf).filter(Boolean).join(' & ')}::tsquery)`
    : sql`(SELECT rowid FROM message_search WHERE message_search MATCH ${phrases.map((phrase) => `"${phrase.replaceAll('"', '')}"*`).join(' AND ')})`

/** As FTS5's tokenizer takes a text apart (unicode61, remove_diacritics 2). */
const wordsOf = (text: string): string[] =>
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

const queryOf = (phrase: string): string => {
  const words = wordsOf(phrase).map((word) => quoted(word.slice(0, searchIndex.wordLength)))
  return words.map((word, place) => (place === words.length - 1 ? `${word}:*` : word)).join(' <-> ')
}
