/** What is sought, as a condition that the database looks for mail with. */
import { and, eq, gt, gte, inArray, lt, not, type SQL, sql } from 'drizzle-orm'
import { hasAll } from '../ground/store/search.ts'
import { messages } from '../ground/store/tables.ts'
import type { Term } from './sought.ts'

/** As lists show them: the date that a mail says it has, and how a letter left of which this is the copy. */
const shownAt = sql<number>`coalesce(${messages.sentAt}, ${messages.arrivedAt})`
const shownSecurity = sql<string>`coalesce(${messages.sentAs}, ${messages.security})`

/** Mail of which all this is true; undefined for all mail. Whose it is, and where, is not part of it. */
export const foundBy = (terms: Term[]): SQL | undefined => {
  const texts = terms.flatMap((term) => (term.is === 'text' && !term.not ? term.phrases : []))
  // Folders that are named are those to look into, whichever of them.
  const folders = terms.flatMap((term) => (term.is === 'folder' && !term.not ? [term.id] : []))
  const others = terms.filter((term) => term.not || (term.is !== 'text' && term.is !== 'folder'))
  return and(
    folders.length === 0 ? undefined : inArray(messages.folderId, folders),
    texts.length === 0 ? undefined : hasAll(texts, messages),
    ...others.map((term) => (term.not ? not(conditionOf(term)) : conditionOf(term))),
  )
}

const conditionOf = (term: Term): SQL => {
  switch (term.is) {
    case 'text':
      return sql`(${hasAll(term.phrases, messages)})`
    case 'folder':
      return eq(messages.folderId, term.id)
    case 'before':
      return lt(shownAt, term.at)
    case 'after':
      return gte(shownAt, term.at)
    case 'larger':
      return gt(messages.size, term.size)
    case 'smaller':
      return lt(messages.size, term.size)
    case 'unread':
      return eq(messages.seen, false)
    case 'read':
      return eq(messages.seen, true)
    case 'flagged':
      return eq(messages.flagged, true)
    case 'answered':
      return eq(messages.answered, true)
    case 'attachment':
      return gt(messages.attachments, 0)
    case 'encrypted':
      return inArray(shownSecurity, ['encrypted', 'partly'])
    case 'signed':
      return eq(shownSecurity, 'signed')
  }
}
