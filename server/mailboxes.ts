/**
 * Mailboxes: folders and the mail in them. The octets lie in one table as they were received, what lists need in
 * another; a list is paged by key and never touches the octets. The full-text index holds the header fields of all
 * mail and the text of mail that is not encrypted.
 */
import { and, asc, desc, eq, inArray, type SQL, sql } from 'drizzle-orm'
import type { Clock } from './clock.ts'
import type { CryptoPool } from './crypto-pool.ts'
import { type Database, folders, immediate, messages, octets } from './database.ts'
import type { Summary } from './mime.ts'
import { Refusal } from './refusal.ts'

export type Security = 'plain' | 'encrypted' | 'signed'
export type FolderKind = 'inbox' | 'sent' | 'drafts' | 'trash' | 'user'
export type Folder = { id: number; name: string; kind: FolderKind }
export type CountedFolder = Folder & { total: number; unread: number }

/** What a list shows of a message. Times are Unix milliseconds. */
export type Listed = {
  id: number
  folderId: number
  arrivedAt: number
  sentAt: number | null
  sender: string
  recipients: string
  subject: string
  size: number
  seen: boolean
  flagged: boolean
  answered: boolean
  attachments: number
  /** As it lies here; drafts and copies of letters are encrypted to the user's own key. */
  security: Security
  /** How a letter left of which this is the copy; null of all other mail. */
  sentAs: Security | null
}
export type Page = {
  messages: Listed[]
  /** Where the next page begins, or null at the end. */
  next: string | null
}
export type Marks = { seen?: boolean; flagged?: boolean; answered?: boolean; folderId?: number }

const fixedFolders = [
  { kind: 'inbox', name: 'Inbox' },
  { kind: 'sent', name: 'Sent' },
  { kind: 'drafts', name: 'Drafts' },
  { kind: 'trash', name: 'Trash' },
] as const

const listed = {
  id: messages.id,
  folderId: messages.folderId,
  arrivedAt: messages.arrivedAt,
  sentAt: messages.sentAt,
  sender: messages.sender,
  recipients: messages.recipients,
  subject: messages.subject,
  size: messages.size,
  seen: messages.seen,
  flagged: messages.flagged,
  answered: messages.answered,
  attachments: messages.attachments,
  security: messages.security,
  sentAs: messages.sentAs,
}

export class Mailboxes {
  readonly #db: Database
  readonly #clock: Clock
  readonly #pool: CryptoPool

  constructor(options: { db: Database; clock: Clock; pool: CryptoPool }) {
    this.#db = options.db
    this.#clock = options.clock
    this.#pool = options.pool
  }

  // ---- mail comes in

  /** Puts a message into the Inbox of each user. On the disk when it resolves, for all of them or for none. */
  async deliver(userIds: number[], message: Uint8Array): Promise<void> {
    this.#db.transaction(await this.prepare(userIds, message), immediate)
  }

  /**
   * Does of a delivery what takes time and can fail.
   *
   * @returns what is left of it: synchronous, so that it can be part of the caller's transaction
   */
  async prepare(userIds: number[], message: Uint8Array): Promise<() => void> {
    const summary = await this.#summary(message, 'intake', null)
    return () => {
      for (const userId of userIds)
        this.#insert(userId, this.#fixed(userId, 'inbox').id, message, summary, {})
    }
  }

  /**
   * Stores one message.
   *
   * @param replaces a message of the same user that this one takes the place of, such as a draft
   * @param sentAs of the copy of a letter, how it left
   * @param settle called in the transaction that stores it, with whether there was one to take the place of; what it
   * throws undoes everything
   * @throws Refusal `not-found` if the folder is not the user's
   */
  async store(
    userId: number,
    folderId: number,
    message: Uint8Array,
    options: {
      seen?: boolean
      flagged?: boolean
      arrivedAt?: number
      replaces?: number | null
      sentAs?: Security
      settle?: (id: number, replaced: boolean) => void
    } = {},
  ): Promise<number> {
    const folder = await this.folder(userId, folderId)
    const summary = await this.#summary(message, 'reading', userId)
    return this.#db.transaction(() => {
      const replaced = options.replaces ? this.#delete(userId, [options.replaces]) > 0 : false
      const id = this.#insert(userId, folder.id, message, summary, options)
      options.settle?.(id, replaced)
      return id
    }, immediate)
  }

  /** What lists need of a message. A mail that ends the process that reads it is kept all the same, as it came. */
  async #summary(message: Uint8Array, work: 'intake' | 'reading', user: number | null): Promise<Summary> {
    try {
      return await this.#pool.run(work, 'summarize', { octets: message }, { user })
    } catch (error) {
      if (error instanceof Refusal && error.code === 'busy') throw error // may be tried again
      return unreadable
    }
  }

  #insert(
    userId: number,
    folderId: number,
    message: Uint8Array,
    summary: Summary,
    marks: { seen?: boolean; flagged?: boolean; arrivedAt?: number; sentAs?: Security },
  ): number {
    const { sender, recipients, subject, sentAt, attachments, security } = summary
    const { id } = this.#db
      .insert(messages)
      .values({
        userId,
        folderId,
        arrivedAt: marks.arrivedAt ?? this.#clock(),
        sentAt,
        sender,
        recipients,
        subject,
        size: message.length,
        seen: marks.seen ?? false,
        flagged: marks.flagged ?? false,
        attachments,
        security,
        sentAs: marks.sentAs ?? null,
      })
      .returning({ id: messages.id })
      .get()
    this.#db
      .insert(octets)
      .values({ messageId: id, octets: Buffer.from(message) })
      .run()
    const [from, to, about, text] = [sender, recipients, subject, summary.searchText].map(indexed)
    this.#db.run(
      sql`INSERT INTO message_search (rowid, sender, recipients, subject, body) VALUES (${id}, ${from}, ${to}, ${about}, ${text})`,
    )
    return id
  }

  // ---- folders

  /** Inbox, Drafts, Sent, the user's own by name, Trash. */
  async folders(userId: number): Promise<CountedFolder[]> {
    this.#fixed(userId, 'inbox')
    const rows = this.#db
      .select({
        id: folders.id,
        name: folders.name,
        kind: folders.kind,
        total: sql<number>`(SELECT count(*) FROM messages WHERE messages.folder_id = folders.id)`,
        unread: sql<number>`(SELECT count(*) FROM messages WHERE messages.folder_id = folders.id AND seen = 0)`,
      })
      .from(folders)
      .where(eq(folders.userId, userId))
      .all()
    const order: FolderKind[] = ['inbox', 'sent', 'drafts', 'user', 'trash']
    return rows.sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind) || a.name.localeCompare(b.name))
  }

  /** @throws Refusal `not-found` */
  async folder(userId: number, id: number): Promise<Folder> {
    return this.#foundFolder(userId, eq(folders.id, id))
  }

  /** By name, without regard to case. @throws Refusal `not-found` */
  async folderNamed(userId: number, name: string): Promise<Folder> {
    this.#fixed(userId, 'inbox')
    return this.#foundFolder(userId, sql`lower(${folders.name}) = lower(${name})`)
  }

  async fixedFolder(userId: number, kind: Exclude<FolderKind, 'user'>): Promise<Folder> {
    return this.#fixed(userId, kind)
  }

  /** @throws Refusal `exists`, `bad-request` for a name that cannot be one */
  async createFolder(userId: number, name: string): Promise<Folder> {
    this.#fixed(userId, 'inbox')
    const row = this.#db
      .insert(folders)
      .values({ userId, kind: 'user', name: folderName(name) })
      .onConflictDoNothing()
      .returning()
      .get()
    if (!row) throw new Refusal('exists', `There is a folder ${folderName(name)} already.`)
    return row
  }

  /** @throws Refusal `exists`, `not-found`, `bad-request` for a folder that is not the user's to change */
  async renameFolder(userId: number, id: number, name: string): Promise<void> {
    this.#ownFolder(userId, id)
    const taken = this.#db
      .select()
      .from(folders)
      .where(and(eq(folders.userId, userId), sql`lower(${folders.name}) = lower(${folderName(name)})`))
      .get()
    if (taken && taken.id !== id) throw new Refusal('exists', `There is a folder ${taken.name} already.`)
    this.#db
      .update(folders)
      .set({ name: folderName(name) })
      .where(eq(folders.id, id))
      .run()
  }

  /** Deletes a folder of the user's own; its mail goes to the Trash. */
  async deleteFolder(userId: number, id: number): Promise<void> {
    this.#db.transaction((tx) => {
      this.#ownFolder(userId, id)
      tx.update(messages)
        .set({ folderId: this.#fixed(userId, 'trash').id })
        .where(eq(messages.folderId, id))
        .run()
      tx.delete(folders).where(eq(folders.id, id)).run()
    }, immediate)
  }

  /** Deletes what is in the Trash for good. @returns how many messages that were */
  async emptyTrash(userId: number): Promise<number> {
    return this.#db
      .delete(messages)
      .where(eq(messages.folderId, this.#fixed(userId, 'trash').id))
      .run().changes
  }

  // ---- lists

  /**
   * A page of a folder, newest first.
   *
   * @param before the `next` of the page before
   * @param offset instead of `before`, how many newer ones are left out
   * @param query words that all have to occur, in header fields or in the text of mail that is not encrypted
   * @throws Refusal `not-found`
   */
  async page(
    userId: number,
    folderId: number,
    options: { before?: string | null; offset?: number; limit: number; query?: string | null },
  ): Promise<Page> {
    await this.folder(userId, folderId)
    const [arrivedAt, id] = cursorOf(options.before ?? null)
    const wanted = options.query ? matchOf(options.query) : null
    const rows = this.#db
      .select(listed)
      .from(messages)
      .where(
        and(
          eq(messages.folderId, folderId),
          arrivedAt === null
            ? undefined
            : sql`(${messages.arrivedAt}, ${messages.id}) < (${arrivedAt}, ${id})`,
          wanted === null
            ? undefined
            : sql`${messages.id} IN (SELECT rowid FROM message_search WHERE message_search MATCH ${wanted})`,
        ),
      )
      .orderBy(desc(messages.arrivedAt), desc(messages.id))
      .limit(options.limit + 1)
      .offset(options.offset ?? 0)
      .all()
    const page = rows.slice(0, options.limit)
    const last = page.at(-1)
    return { messages: page, next: rows.length > page.length && last ? `${last.arrivedAt}-${last.id}` : null }
  }

  /** Who wrote the newest messages of a folder, and to whom, as lists show it; the newest first. Not all of very many. */
  async newestParties(
    userId: number,
    kind: 'inbox' | 'sent',
    most: number,
  ): Promise<{ sender: string; recipients: string }[]> {
    return this.#db
      .select({
        sender: messages.sender,
        recipients: sql<string>`substr(${messages.recipients}, 1, ${partiesLength})`,
      })
      .from(messages)
      .where(eq(messages.folderId, this.#fixed(userId, kind).id))
      .orderBy(desc(messages.arrivedAt), desc(messages.id))
      .limit(most)
      .all()
      .map(({ sender, recipients }) => ({
        sender,
        recipients:
          recipients.length < partiesLength ? recipients : recipients.slice(0, recipients.lastIndexOf(', ')),
      }))
  }

  /** @throws Refusal `not-found` */
  async message(userId: number, id: number): Promise<Listed> {
    const row = this.#db
      .select(listed)
      .from(messages)
      .where(this.#own(userId, [id]))
      .get()
    if (!row) throw new Refusal('not-found', 'There is no such message.')
    return row
  }

  /** The octets as they were received. @throws Refusal `not-found` */
  async octets(userId: number, id: number): Promise<Uint8Array> {
    const row = this.#db
      .select({ octets: octets.octets })
      .from(octets)
      .innerJoin(messages, eq(messages.id, octets.messageId))
      .where(this.#own(userId, [id]))
      .get()
    if (!row) throw new Refusal('not-found', 'There is no such message.')
    return row.octets
  }

  /** Ids of a folder's messages, oldest first, for an export. */
  async ids(folderId: number): Promise<number[]> {
    return this.#db
      .select({ id: messages.id })
      .from(messages)
      .where(eq(messages.folderId, folderId))
      .orderBy(asc(messages.arrivedAt), asc(messages.id))
      .all()
      .map(({ id }) => id)
  }

  // ---- changes

  /**
   * Marks or moves messages.
   *
   * @returns how many there were
   * @throws Refusal `not-found` if the folder is not the user's
   */
  async mark(userId: number, ids: number[], marks: Marks): Promise<number> {
    if (marks.folderId !== undefined) await this.folder(userId, marks.folderId)
    if (ids.length === 0 || Object.values(marks).every((value) => value === undefined)) return 0
    return this.#db.update(messages).set(marks).where(this.#own(userId, ids)).run().changes
  }

  /** Makes a draft of the copy of a letter that did not leave; synchronous, as part of the caller's transaction. */
  takeBack(userId: number, id: number, drafts: Folder) {
    this.#db
      .update(messages)
      .set({ folderId: drafts.id, sentAs: null })
      .where(this.#own(userId, [id]))
      .run()
  }

  /** Moves messages to the Trash; those that are there already are deleted for good. */
  async remove(userId: number, ids: number[]): Promise<{ moved: number; deleted: number }> {
    return this.#db.transaction((tx) => {
      const trash = this.#fixed(userId, 'trash').id
      const inTrash = tx
        .select({ id: messages.id })
        .from(messages)
        .where(and(this.#own(userId, ids), eq(messages.folderId, trash)))
        .all()
        .map(({ id }) => id)
      const deleted = this.#delete(userId, inTrash)
      const rest = ids.filter((id) => !inTrash.includes(id))
      const moved = rest.length
        ? tx.update(messages).set({ folderId: trash }).where(this.#own(userId, rest)).run().changes
        : 0
      return { moved, deleted }
    }, immediate)
  }

  /** Deletes messages for good. */
  async erase(userId: number, ids: number[]): Promise<void> {
    this.#delete(userId, ids)
  }

  #delete(userId: number, ids: number[]): number {
    return ids.length ? this.#db.delete(messages).where(this.#own(userId, ids)).run().changes : 0
  }

  #own(userId: number, ids: number[]): SQL {
    return and(eq(messages.userId, userId), inArray(messages.id, ids))!
  }

  #foundFolder(userId: number, which: SQL): Folder {
    const row = this.#db
      .select({ id: folders.id, name: folders.name, kind: folders.kind })
      .from(folders)
      .where(and(eq(folders.userId, userId), which))
      .get()
    if (!row) throw new Refusal('not-found', 'There is no such folder.')
    return row
  }

  #ownFolder(userId: number, id: number): Folder {
    const folder = this.#foundFolder(userId, eq(folders.id, id))
    if (folder.kind !== 'user')
      throw new Refusal('bad-request', `The folder ${folder.name} cannot be changed.`)
    return folder
  }

  /** One of the folders that every user has; they are made when first asked for. */
  #fixed(userId: number, kind: Exclude<FolderKind, 'user'>): Folder {
    const find = () =>
      this.#db
        .select({ id: folders.id, name: folders.name, kind: folders.kind })
        .from(folders)
        .where(and(eq(folders.userId, userId), eq(folders.kind, kind)))
        .get()
    const found = find()
    if (found) return found
    this.#db.transaction((tx) => {
      for (const folder of fixedFolders)
        tx.insert(folders)
          .values({ userId, ...folder })
          .onConflictDoNothing()
          .run()
    }, immediate)
    return find()!
  }
}

/** Characters; the address that this cuts is left out. */
const partiesLength = 500

const unreadable: Summary = {
  sender: '',
  recipients: '',
  subject: '(This mail could not be read.)',
  sentAt: null,
  messageId: null,
  attachments: 0,
  security: 'plain',
  searchText: '',
}

const folderName = (name: string): string => {
  const trimmed = name.replace(/[\p{Cc}\p{Cf}]+/gu, ' ').trim()
  if (trimmed === '' || trimmed.length > 60 || trimmed.includes('/'))
    throw new Refusal('bad-request', 'A folder needs a name of at most 60 characters, without a slash.')
  return trimmed
}

const cursorOf = (before: string | null): [number, number] | [null, null] => {
  if (before === null) return [null, null]
  const [, arrivedAt, id] = before.match(/^(\d{1,15})-(\d{1,15})$/) ?? []
  if (!arrivedAt || !id) throw new Refusal('bad-request', 'That page does not exist.')
  return [Number(arrivedAt), Number(id)]
}

/** Scripts written without spaces: their words are found by pairs of neighbouring characters. */
const unspaced = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}ー]+/gu

/** More than a letter has: normalization sorts the marks of a letter one by one, of a long mail of them for minutes. */
const heaps = /(\p{M}{16})\p{M}+/gu
const normalized = (text: string): string => text.replace(heaps, '$1').normalize('NFKC')

const indexed = (text: string): string =>
  normalized(text).replace(unspaced, (run) => {
    const characters = [...run]
    if (characters.length === 1) return ` ${run} `
    return ` ${characters
      .slice(1)
      .map((character, place) => characters[place]! + character)
      .join(' ')} `
  })

/** An FTS5 query for all the words; the last letters of each may be missing. */
const matchOf = (query: string): string | null => {
  const words = normalized(query)
    .split(/[^\p{L}\p{N}\p{M}ー@._-]+/u)
    .filter(Boolean)
  const phrases = words.map((word) => `"${indexed(word).trim().replaceAll('"', '')}"*`)
  return phrases.length ? phrases.join(' AND ') : null
}
