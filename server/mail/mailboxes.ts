/**
 * Mailboxes: folders and the mail in them. The octets lie apart as they were received (contents.ts), once for all
 * who have them; a list is paged by key and never touches them. The full-text index holds the header fields of all
 * mail and the text of mail that is not encrypted.
 */
import { setImmediate as others } from 'node:timers/promises'
import { and, asc, desc, eq, getTableColumns, inArray, type SQL, sql } from 'drizzle-orm'
import type { Clock } from '../ground/clock.ts'
import { inTurns } from '../ground/in-turns.ts'
import { deletedAtOnce, listedLimits, searchesWaiting } from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'
import { counted, type Database, ofUsers } from '../ground/store/database.ts'
import { index } from '../ground/store/search.ts'
import { folders, messages } from '../ground/store/tables.ts'
import { Turnstiles } from '../ground/turnstile.ts'
import type { CryptoPool } from '../locked/crypto-pool.ts'
import type { SummaryRow } from '../locked/reader/summary.ts'
import type { Quota } from '../people/quota.ts'
import type { Contents } from './contents.ts'
import { foundBy } from './found.ts'
import { asksText, soughtIn } from './sought.ts'

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
  security: SummaryRow['security']
  /** How a letter left of which this is the copy; null of all other mail. */
  sentAs: Security | null
  /** Claims an address of this server, but came from outside. */
  outside: boolean
}
/** Whether mail from outside claims an address that is not its sender's to use. */
export type IsForeign = (from: string[]) => Promise<boolean>
export type Page = {
  messages: Listed[]
  /** Where the next page begins, or null at the end. */
  next: string | null
}
export type Found = Page & {
  /** Words of the query that were not understood. */
  ignored: string[]
  /** Whether words were sought that may stand in encrypted text, where nothing is found. */
  isPartial: boolean
}
/** Which part of a list; `before` is the `next` of the page before, `offset` instead of it how many newer ones are left out. */
type Part = { before?: string | null; offset?: number; limit: number }
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
  outside: messages.outside,
}

export class Mailboxes {
  readonly #db: Database
  readonly #clock: Clock
  readonly #pool: CryptoPool
  readonly #contents: Contents
  readonly #quota: Quota
  /** One search at a time of each user: they are long, and others have theirs. */
  readonly #searching = new Turnstiles<number>(1, searchesWaiting)

  constructor(options: { db: Database; clock: Clock; pool: CryptoPool; contents: Contents; quota: Quota }) {
    this.#db = options.db
    this.#clock = options.clock
    this.#pool = options.pool
    this.#contents = options.contents
    this.#quota = options.quota
  }

  // ---- mail comes in

  /**
   * Puts a message into the Inbox of each user. On the disk when it resolves, for all of them or for none.
   *
   * @param options.partly those who have no room do not keep it from the others
   * @param options.isForeign asked for mail from outside, with the addresses that it says it is from: whether one of
   *   them is not the sender's to use. What it throws refuses the mail
   * @returns the users who have no room; empty unless `partly`
   * @throws Refusal `over-quota` if one of them has no room
   */
  async deliver(
    userIds: number[],
    message: Uint8Array,
    { partly = false, ...options }: { partly?: boolean; isForeign?: IsForeign } = {},
  ): Promise<number[]> {
    const settle = await this.prepare(userIds, message, options)
    return this.#db.transaction(ofUsers(userIds), async () => {
      const full = await settle()
      if (full.length > 0 && !partly) await this.#quota.require(full[0]!, message.length)
      return full
    })
  }

  /**
   * Does of a delivery what takes time and can fail.
   *
   * @param options.contentId where the octets are stored already; else they are stored, and kept for an hour
   * @param options.isForeign as in {@link deliver}
   * @returns what is left of it, within the hour, part of the caller's transaction, which is of these users. It returns
   *   the users who have no room and did not get the message
   */
  async prepare(
    userIds: number[],
    message: Uint8Array,
    options: { contentId?: number; isForeign?: IsForeign } = {},
  ): Promise<() => Promise<number[]>> {
    const summary = await this.#summary(message, 'intake', null)
    // Of what could not be read nobody knows whom it claims, and whoever opens it may see.
    const outside = options.isForeign
      ? summary === unreadable || (await options.isForeign(summary.from))
      : false
    const contentId = options.contentId ?? (await this.#contents.keep(message))
    const size = message.length // what is returned must not hold the octets themselves
    for await (const userId of inTurns(userIds)) await this.#fixed(userId, 'inbox')
    return async () => {
      const full = await this.#quota.full(userIds, size)
      const isFull = new Set(full)
      const others = userIds.filter((id) => !isFull.has(id))
      if (others.length === 0) return full
      await this.#index(contentId, summary)
      await this.#insertForAll(others, {
        ...rowOf(size, summary, { outside }),
        contentId,
        arrivedAt: this.#clock(),
      })
      return full
    }
  }

  /** The same row into the Inbox of each: one statement, because a thousand would keep everybody else waiting. */
  async #insertForAll(
    userIds: number[],
    row: Omit<typeof messages.$inferInsert, 'id' | 'userId' | 'folderId'>,
  ) {
    const columns = getTableColumns(messages)
    const names = Object.keys(row) as (keyof typeof row)[]
    const listed = names.map((name) => sql.identifier(columns[name].name))
    const values = names.map((name) => sql`${sql.param(row[name], columns[name])}`)
    await this.#db.rows(sql`INSERT INTO ${messages} (user_id, folder_id, ${sql.join(listed, sql`, `)})
      SELECT ${folders.userId}, ${folders.id}, ${sql.join(values, sql`, `)} FROM ${folders}
      WHERE ${and(eq(folders.kind, 'inbox'), inArray(folders.userId, userIds))}`)
  }

  /**
   * Whether a folder has a message already, octet for octet.
   *
   * @param which.arrivedAt as it would be stored
   * @param which.before an id: newer messages do not count
   */
  async holds(
    userId: number,
    folderId: number,
    message: Uint8Array,
    which: { arrivedAt: number; before: number },
  ): Promise<boolean> {
    const candidates = await this.#db
      .select({ id: messages.id })
      .from(messages)
      .where(
        and(
          eq(messages.folderId, folderId),
          eq(messages.arrivedAt, which.arrivedAt),
          eq(messages.size, message.length),
        ),
      )
    for (const { id } of candidates)
      if (id < which.before && Buffer.compare(await this.octets(userId, id), message) === 0) return true
    return false
  }

  /**
   * Stores one message.
   *
   * @param replaces a message of the same user that this one takes the place of, such as a draft
   * @param sentAs of the copy of a letter, how it left
   * @param settle called in the transaction that stores it, with whether there was one to take the place of; what it
   * throws undoes everything
   * @param alsoOf other users whose rows `settle` is about
   * @throws Refusal `not-found` if the folder is not the user's; `over-quota`
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
      settle?: (id: number, replaced: boolean) => Promise<void>
      alsoOf?: number[]
    } = {},
  ): Promise<number> {
    const folder = await this.folder(userId, folderId)
    const summary = await this.#summary(message, 'reading', userId)
    const users = [userId, ...(options.alsoOf ?? [])]
    const stored = await this.#with(users, message, async (contentId) => {
      await this.folder(userId, folderId) // it may be deleted meanwhile
      const replaced = options.replaces ? (await this.#delete(userId, [options.replaces])) > 0 : false
      await this.#quota.require(userId, message.length)
      await this.#index(contentId, summary)
      const id = await this.#insert(
        { userId, folderId: folder.id, contentId },
        message.length,
        summary,
        options,
      )
      await options.settle?.(id, replaced)
      return id
    })
    if (options.replaces) await this.#contents.sweep()
    return stored
  }

  /** What lists need of a message. A mail that ends the process that reads it is kept all the same, as it came. */
  async #summary(message: Uint8Array, work: 'intake' | 'reading', user: number | null): Promise<SummaryRow> {
    try {
      return await this.#pool.run(work, 'summarize', { octets: message }, { user })
    } catch (error) {
      if (error instanceof Refusal && error.code === 'busy') throw error // may be tried again
      return unreadable
    }
  }

  /** Stores the octets in pieces, then in one transaction what refers to them. */
  async #with<T>(
    userIds: number[],
    message: Uint8Array,
    refer: (contentId: number) => Promise<T>,
  ): Promise<T> {
    const contentId = await this.#contents.keep(message)
    try {
      return await this.#db.transaction(ofUsers(userIds), () => refer(contentId))
    } catch (error) {
      await this.#contents.release(contentId)
      throw error
    }
  }

  async #insert(
    at: { userId: number; folderId: number; contentId: number },
    size: number,
    summary: SummaryRow,
    marks: StoredMarks & { arrivedAt?: number },
  ): Promise<number> {
    const [row] = await this.#db
      .insert(messages)
      .values({ ...rowOf(size, summary, marks), ...at, arrivedAt: marks.arrivedAt ?? this.#clock() })
      .returning({ id: messages.id })
    return row!.id
  }

  /** Once for all who have it: the index is of contents, not of messages. */
  async #index(contentId: number, summary: SummaryRow) {
    const which = eq(messages.contentId, contentId)
    const [known] = await this.#db.select({ id: messages.id }).from(messages).where(which).limit(1)
    if (!known) await index(this.#db, contentId, summary.index)
  }

  // ---- folders

  /** Inbox, Drafts, Sent, the user's own by name, Trash. */
  async folders(userId: number): Promise<CountedFolder[]> {
    await this.#fixed(userId, 'inbox')
    const rows = await this.#db
      .select({
        id: folders.id,
        name: folders.name,
        kind: folders.kind,
        total: folders.total,
        unread: folders.unread,
      })
      .from(folders)
      .where(eq(folders.userId, userId))
    const order: FolderKind[] = ['inbox', 'sent', 'drafts', 'user', 'trash']
    return rows.sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind) || a.name.localeCompare(b.name))
  }

  /** @throws Refusal `not-found` */
  async folder(userId: number, id: number): Promise<Folder> {
    return this.#foundFolder(userId, eq(folders.id, id))
  }

  /** By name, without regard to case. @throws Refusal `not-found` */
  async folderNamed(userId: number, name: string): Promise<Folder> {
    await this.#fixed(userId, 'inbox')
    return this.#foundFolder(userId, sql`lower(${folders.name}) = lower(${name})`)
  }

  async fixedFolder(userId: number, kind: Exclude<FolderKind, 'user'>): Promise<Folder> {
    return this.#fixed(userId, kind)
  }

  /** @throws Refusal `exists`, `bad-request` for a name that cannot be one */
  async createFolder(userId: number, name: string): Promise<Folder> {
    await this.#fixed(userId, 'inbox')
    const [row] = await this.#db
      .insert(folders)
      .values({ userId, kind: 'user', name: folderName(name) })
      .onConflictDoNothing()
      .returning()
    if (!row) throw new Refusal('folder-exists', { values: { name: folderName(name) } })
    return row
  }

  /** @throws Refusal `exists`, `not-found`, `bad-request` for a folder that is not the user's to change */
  async renameFolder(userId: number, id: number, name: string): Promise<void> {
    await this.#db.transaction(userId, async () => {
      await this.#ownFolder(userId, id)
      const wanted = folderName(name)
      const [taken] = await this.#db
        .select()
        .from(folders)
        .where(and(eq(folders.userId, userId), sql`lower(${folders.name}) = lower(${wanted})`))
      if (taken && taken.id !== id) throw new Refusal('folder-exists', { values: { name: taken.name } })
      await this.#db.update(folders).set({ name: wanted }).where(eq(folders.id, id))
    })
  }

  /** Deletes a folder of the user's own; its mail goes to the Trash. */
  async deleteFolder(userId: number, id: number): Promise<void> {
    await this.#db.transaction(userId, async () => {
      await this.#ownFolder(userId, id)
      const trash = await this.#fixed(userId, 'trash')
      await this.#db.update(messages).set({ folderId: trash.id }).where(eq(messages.folderId, id))
      await this.#db.delete(folders).where(eq(folders.id, id))
    })
  }

  /** Deletes what is in the Trash for good. @returns how many messages that were */
  async emptyTrash(userId: number): Promise<number> {
    const { id } = await this.#fixed(userId, 'trash')
    const some = this.#db
      .select({ id: messages.id })
      .from(messages)
      .where(eq(messages.folderId, id))
      .limit(deletedAtOnce.messages)
    let count = 0
    for (let more = 1; more > 0; count += more) {
      more = (await this.#db.delete(messages).where(inArray(messages.id, some)).returning(counted)).length
      await others()
    }
    await this.#contents.sweep()
    return count
  }

  // ---- lists

  /**
   * A page of a folder, newest first.
   *
   * @param options.query what is sought in it, as {@link soughtIn} reads it
   * @throws Refusal `not-found`
   */
  async page(userId: number, folderId: number, options: Part & { query?: string | null }): Promise<Found> {
    await this.folder(userId, folderId)
    const where = eq(messages.folderId, folderId)
    const { query } = options
    if (!query?.trim()) return { ...(await this.#pageOf(where, options)), ignored: [], isPartial: false }
    return this.#found(userId, query, where, options)
  }

  /** A page of what is found in all folders, newest first, as {@link page}; of an empty query nothing. */
  search(userId: number, query: string, part: Part): Promise<Found> {
    return this.#found(userId, query, eq(messages.userId, userId), part)
  }

  async #found(userId: number, query: string, where: SQL, part: Part): Promise<Found> {
    const folders = await this.folders(userId)
    const sought = soughtIn(query, {
      now: this.#clock(),
      folderNamed: (name) =>
        folders.find((each) => [each.name, each.kind].some((own) => own.toLowerCase() === name.toLowerCase()))
          ?.id,
    })
    const { terms, ignored } = sought
    const found = { ignored, isPartial: asksText(sought) }
    // Where nothing was understood, all mail is not what was meant.
    if (terms.length === 0) return { messages: [], next: null, ...found }
    const page = await this.#searching.pass(userId, () =>
      this.#db.aside(() => this.#pageOf(and(where, foundBy(terms))!, part)),
    )
    return { ...page, ...found }
  }

  async #pageOf(where: SQL, { before = null, offset = 0, limit }: Part): Promise<Page> {
    const [arrivedAt, id] = cursorOf(before)
    const older =
      arrivedAt === null ? undefined : sql`(${messages.arrivedAt}, ${messages.id}) < (${arrivedAt}, ${id})`
    const rows = await this.#db
      .select(listed)
      .from(messages)
      .where(and(where, older))
      .orderBy(desc(messages.arrivedAt), desc(messages.id))
      .limit(limit + 1)
      .offset(offset)
    const page = rows.slice(0, limit)
    const last = page.at(-1)
    return { messages: page, next: rows.length > page.length && last ? `${last.arrivedAt}-${last.id}` : null }
  }

  /** Who wrote the newest messages of a folder, and to whom, as lists show it; the newest first. Not all of very many. */
  async newestParties(
    userId: number,
    kind: 'inbox' | 'sent',
    most: number,
  ): Promise<{ sender: string; recipients: string }[]> {
    const folder = await this.#fixed(userId, kind)
    const rows = await this.#db
      .select({
        sender: messages.sender,
        recipients: sql<string>`substr(${messages.recipients}, 1, ${listedLimits.partiesCharacters})`,
      })
      .from(messages)
      .where(eq(messages.folderId, folder.id))
      .orderBy(desc(messages.arrivedAt), desc(messages.id))
      .limit(most)
    return rows.map(({ sender, recipients }) => ({
      sender,
      recipients:
        recipients.length < listedLimits.partiesCharacters
          ? recipients
          : recipients.slice(0, recipients.lastIndexOf(', ')),
    }))
  }

  /** @throws Refusal `not-found` */
  async message(userId: number, id: number): Promise<Listed> {
    const [row] = await this.#db
      .select(listed)
      .from(messages)
      .where(this.#own(userId, [id]))
    if (!row) throw new Refusal('no-message')
    return row
  }

  /** The folders of these messages, by their ids; without those that the user has not got. */
  async homes(userId: number, ids: number[]): Promise<Map<number, number>> {
    const rows = await this.#db
      .select({ id: messages.id, folderId: messages.folderId })
      .from(messages)
      .where(this.#own(userId, ids))
    return new Map(rows.map(({ id, folderId }) => [id, folderId]))
  }

  /** The octets as they were received. @throws Refusal `not-found` */
  async octets(userId: number, id: number): Promise<Uint8Array> {
    const [row] = await this.#db
      .select({ contentId: messages.contentId })
      .from(messages)
      .where(this.#own(userId, [id]))
    if (!row?.contentId) throw new Refusal('no-message')
    return this.#contents.read(row.contentId)
  }

  /** Ids of a folder's messages, oldest first, for an export. */
  async ids(folderId: number): Promise<number[]> {
    const rows = await this.#db
      .select({ id: messages.id })
      .from(messages)
      .where(eq(messages.folderId, folderId))
      .orderBy(asc(messages.arrivedAt), asc(messages.id))
    return rows.map(({ id }) => id)
  }

  // ---- changes

  /**
   * Marks or moves messages.
   *
   * @returns how many there were
   * @throws Refusal `not-found` if the folder is not the user's
   */
  async mark(userId: number, ids: number[], marks: Marks): Promise<number> {
    return this.#db.transaction(userId, async () => {
      if (marks.folderId !== undefined) await this.folder(userId, marks.folderId)
      if (ids.length === 0 || Object.values(marks).every((value) => value === undefined)) return 0
      const which = this.#own(userId, ids)
      return (await this.#db.update(messages).set(marks).where(which).returning(counted)).length
    })
  }

  /** Makes a draft of the copy of a letter that did not leave. Part of the caller's transaction. */
  async takeBack(userId: number, id: number, drafts: Folder) {
    await this.#db
      .update(messages)
      .set({ folderId: drafts.id, sentAs: null })
      .where(this.#own(userId, [id]))
  }

  /** Moves messages to the Trash; those that are there already are deleted for good. */
  async remove(userId: number, ids: number[]): Promise<{ moved: number; deleted: number }> {
    const removed = await this.#db.transaction(userId, async () => {
      const { id: folderId } = await this.#fixed(userId, 'trash')
      const rows = await this.#db
        .select({ id: messages.id })
        .from(messages)
        .where(and(this.#own(userId, ids), eq(messages.folderId, folderId)))
      const inTrash = rows.map(({ id }) => id)
      const deleted = await this.#delete(userId, inTrash)
      const rest = this.#own(
        userId,
        ids.filter((id) => !inTrash.includes(id)),
      )
      const moved = await this.#db.update(messages).set({ folderId }).where(rest).returning(counted)
      return { moved: moved.length, deleted }
    })
    if (removed.deleted > 0) await this.#contents.sweep()
    return removed
  }

  /** Deletes messages for good. */
  async erase(userId: number, ids: number[]): Promise<void> {
    await this.#delete(userId, ids)
    await this.#contents.sweep()
  }

  async #delete(userId: number, ids: number[]): Promise<number> {
    return (await this.#db.delete(messages).where(this.#own(userId, ids)).returning(counted)).length
  }

  #own(userId: number, ids: number[]): SQL {
    return and(eq(messages.userId, userId), inArray(messages.id, ids))!
  }

  async #foundFolder(userId: number, which: SQL): Promise<Folder> {
    const [row] = await this.#db
      .select({ id: folders.id, name: folders.name, kind: folders.kind })
      .from(folders)
      .where(and(eq(folders.userId, userId), which))
    if (!row) throw new Refusal('no-folder')
    return row
  }

  async #ownFolder(userId: number, id: number): Promise<Folder> {
    const folder = await this.#foundFolder(userId, eq(folders.id, id))
    if (folder.kind !== 'user') throw new Refusal('folder-fixed', { values: { name: folder.name } })
    return folder
  }

  /** One of the folders that every user has; they are made when first asked for. */
  async #fixed(userId: number, kind: Exclude<FolderKind, 'user'>): Promise<Folder> {
    const find = () =>
      this.#db
        .select({ id: folders.id, name: folders.name, kind: folders.kind })
        .from(folders)
        .where(and(eq(folders.userId, userId), eq(folders.kind, kind)))
    const [found] = await find()
    if (found) return found
    await this.#db
      .insert(folders)
      .values(fixedFolders.map((folder) => ({ userId, ...folder })))
      .onConflictDoNothing()
    const [made] = await find()
    return made!
  }
}

type StoredMarks = { seen?: boolean; flagged?: boolean; sentAs?: Security; outside?: boolean }

/** Of a message's row, what is the same for all who have it. */
const rowOf = (
  size: number,
  { sender, recipients, subject, sentAt, attachments, security }: SummaryRow,
  marks: StoredMarks,
) => ({
  sentAt,
  sender,
  recipients,
  subject,
  size,
  seen: marks.seen ?? false,
  flagged: marks.flagged ?? false,
  outside: marks.outside ?? false,
  attachments,
  security,
  sentAs: marks.sentAs ?? null,
})

const unreadable: SummaryRow = {
  from: [],
  sender: '',
  recipients: '',
  subject: '(This mail could not be read.)',
  sentAt: null,
  messageId: null,
  attachments: 0,
  security: 'plain',
  index: { sender: '', recipients: '', subject: '', body: '' },
}

const folderName = (name: string): string => {
  const trimmed = name.replace(/[\p{Cc}\p{Cf}]+/gu, ' ').trim()
  if (trimmed === '' || trimmed.length > 60 || trimmed.includes('/')) throw new Refusal('folder-name')
  return trimmed
}

const cursorOf = (before: string | null): [number, number] | [null, null] => {
  if (before === null) return [null, null]
  const [, arrivedAt, id] = before.match(/^(\d{1,15})-(\d{1,15})$/) ?? []
  if (!arrivedAt || !id) throw new Refusal('no-such-place')
  return [Number(arrivedAt), Number(id)]
}
