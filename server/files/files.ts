/**
 * The box of files that each user has, for terminals without a disk. What is put in is encrypted to the user's own key,
 * a piece at a time, before it is stored, which needs no allowance; each piece that is read goes through the fence of one.
 * Names, sizes and times are not encrypted.
 *
 * What is in a file is its body. A file that is put as a whole gets a body that is complete; until then it has the one
 * before, or is not there. One that goes on at its end (append) has what was stored, and that is on the disk when it is
 * said so. Bodies that no file has any more are deleted piece by piece, between which the event loop is everybody's.
 */
import { setImmediate as others } from 'node:timers/promises'
import { and, asc, eq, gt, gte, inArray, isNotNull, lte, sql } from 'drizzle-orm'
import { detectMimeType } from 'nodemailer/lib/mime-funcs/mime-types.js'
import type { Clock } from '../ground/clock.ts'
import { fileLimits as limits, mailOctetsLimit } from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'
import { counted, type Database, nobody } from '../ground/store/database.ts'
import type { Column } from '../ground/store/kit.ts'
import { fileBodies, filePieces, files } from '../ground/store/tables.ts'
import type { Allowances } from '../keys/allowances.ts'
import type { Keyrings } from '../keys/keyrings.ts'
import type { CryptoPool } from '../locked/crypto-pool.ts'
import type { Mailboxes } from '../mail/mailboxes.ts'
import type { Reading } from '../mail/reading.ts'
import type { Quota } from '../people/quota.ts'
import type { Session } from '../people/sessions.ts'
import type { User } from '../people/users.ts'
import { filePath, folderOf, folderPath, foldersAbove, nameOf } from './paths.ts'

/** Times are Unix milliseconds. */
export type Entry = {
  /** All of its names; {@link nameOf} is the last of them. */
  path: string
  name: string
  isFolder: boolean
  /** The media type that its name says; `folder` of a folder. */
  type: string
  /** Octets of clear text. */
  size: number
  modifiedAt: number
  /** Names what is in it now; null of a folder. */
  body: number | null
}

/** Where a mail's octets come from: a whole message, or an attachment of it (`within`: of a part that opened alone). */
export type Origin = { message: number; part?: string | undefined; within?: string | undefined }

export class Files {
  readonly #db: Database
  readonly #clock: Clock
  readonly #pool: CryptoPool
  readonly #quota: Quota
  readonly #keyrings: Keyrings
  readonly #allowances: Allowances
  readonly #mailboxes: Mailboxes
  readonly #reading: Reading
  /** How many files are on their way of each user. */
  readonly #transfers = new Map<number, number>()
  #sweeping: Promise<void> | null = null
  #closed = false

  constructor(options: {
    db: Database
    clock: Clock
    pool: CryptoPool
    quota: Quota
    keyrings: Keyrings
    allowances: Allowances
    mailboxes: Mailboxes
    reading: Reading
  }) {
    this.#db = options.db
    this.#clock = options.clock
    this.#pool = options.pool
    this.#quota = options.quota
    this.#keyrings = options.keyrings
    this.#allowances = options.allowances
    this.#mailboxes = options.mailboxes
    this.#reading = options.reading
  }

  // ---- what there is

  /**
   * Files in the order of their paths' octets.
   *
   * @param options.in a folder, whose files and folders are listed; without it, all files of the user
   * @param options.after the path of the last one of the page before
   * @returns `next`: the path after which the next page begins; null where there is none
   * @throws Refusal `not-found` if there is no such folder
   */
  async list(
    userId: number,
    options: { in?: string | undefined; after?: string | null; limit: number },
  ): Promise<{ entries: Entry[]; next: string | null }> {
    const folder = options.in === undefined ? null : folderPath(options.in)
    if (folder) await this.#requireFolder(userId, folder)
    const rows = await this.#select()
      .where(
        and(
          eq(files.userId, userId),
          folder === null ? isNotNull(files.bodyId) : eq(files.folder, folder),
          options.after ? gt(files.path, options.after) : undefined,
        ),
      )
      .orderBy(asc(files.path))
      .limit(options.limit + 1)
    const entries = rows.slice(0, options.limit).map(toEntry)
    return { entries, next: rows.length > options.limit ? entries.at(-1)!.path : null }
  }

  /** @throws Refusal `not-found`, `bad-name` */
  async entry(userId: number, path: string): Promise<Entry> {
    const found = await this.#find(userId, filePath(path))
    if (!found) throw new Refusal('no-file')
    return found
  }

  // ---- what comes in

  /**
   * Puts a file, in the place of the one of that path, once all of it is stored. Folders above it are made.
   *
   * @param octets in whatever chunks
   * @param options.expected how many there will be, if that is known: no more come than there is room for
   * @returns whether there was none before
   * @throws Refusal `bad-name`; `exists` where a folder has the path, or a file that of a folder above; `bad-key` for a user
   *   without a key; `over-quota`, `busy`; and what reading `octets` throws: then nothing is changed
   */
  async put(
    user: User,
    path: string,
    octets: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    { expected = 0 } = {},
  ): Promise<{ isNew: boolean; size: number }> {
    const at = filePath(path)
    await this.#refuseFolder(user.id, at)
    await this.#quota.require(user.id, expected)
    const body = await this.#newBody(user.id)
    try {
      const size = await this.#transfer(user.id, () => this.#fill(user, body, 0, octets))
      const isNew = await this.#db.transaction(user.id, () => this.#set(user.id, at, body))
      return { isNew, size }
    } catch (error) {
      await this.#giveUp(body)
      throw error
    } finally {
      void this.sweep().catch(() => {})
    }
  }

  /**
   * Goes on with a file at its end; what was stored is there, on the disk, however this ends.
   *
   * @param offset where that is
   * @returns its size by now
   * @throws Refusal `not-found`; `wrong-offset` with the size if the file does not end there; as {@link put}
   */
  async append(
    user: User,
    path: string,
    offset: number,
    octets: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<{ size: number }> {
    const { body, size, path: at } = await this.#file(user.id, path)
    if (size !== offset) throw new Refusal('file-goes-on-elsewhere', { values: { size }, detail: { size } })
    const now = await this.#transfer(user.id, () => this.#fill(user, body, offset, octets))
    await this.#db
      .update(files)
      .set({ modifiedAt: this.#clock() })
      .where(and(eq(files.userId, user.id), eq(files.path, at), eq(files.bodyId, body)))
    return { size: now }
  }

  /** @throws Refusal `exists`, `bad-name` */
  async makeFolder(userId: number, path: string): Promise<void> {
    const at = filePath(path)
    await this.#db.transaction(userId, async () => {
      await this.#makeFolders(userId, at)
      if (!(await this.#insert(userId, at, null))) throw await this.#taken(userId, at)
    })
  }

  /**
   * Keeps a mail as it came, or an attachment; of an encrypted mail with the session's key. The octets go nowhere else.
   *
   * @throws Refusal `exists` if there is such a file; as {@link Reading.attachment} and {@link put}
   */
  async save(session: Session, keyToken: string | null, from: Origin, path: string): Promise<Entry> {
    const { user } = session
    const at = filePath(path)
    const { message, part, within } = from
    if (await this.#find(user.id, at)) throw await this.#taken(user.id, at)
    const octets =
      part === undefined
        ? await this.#mailboxes.octets(user.id, message)
        : (await this.#reading.attachment(session, keyToken, message, part, within)).octets
    const body = await this.#newBody(user.id)
    try {
      await this.#transfer(user.id, () => this.#fill(user, body, 0, [octets]))
      await this.#db.transaction(user.id, async () => {
        await this.#makeFolders(user.id, at)
        if (!(await this.#insert(user.id, at, body))) throw await this.#taken(user.id, at)
      })
      return await this.entry(user.id, at)
    } catch (error) {
      await this.#giveUp(body)
      throw error
    }
  }

  // ---- what is read

  /**
   * What is in a file, from one octet to before another, piece by piece: each is given out only if the session holds the key
   * still. The key log has one line for it.
   *
   * @throws Refusal `key-in-use`, `allowance-required`, `cannot-decrypt`; `exists` if the file was changed meanwhile
   */
  async *read(
    session: Session,
    keyToken: string | null,
    entry: Entry,
    { from, to }: { from: number; to: number } = { from: 0, to: entry.size },
  ): AsyncGenerator<Uint8Array, void, void> {
    const { body } = entry
    if (body === null) throw new Refusal('no-file')
    const end = Math.min(to, entry.size)
    await this.#allowances.require(session, keyToken, 'read')
    const done = this.#begin(session.user.id)
    try {
      let goesOn = false
      for (let at = from; at < end; goesOn = true) {
        const places = await this.#piecesFrom(body, at, end)
        const what = { scope: 'read' as const, file: entry.path, goesOn }
        const opened = await this.#allowances.use(session, keyToken, what, (opening) =>
          this.#pool.run(session.user.id, 'openPieces', async () => ({
            opening,
            pieces: await this.#sealed(body, places),
          })),
        )
        for (const [place, octets] of opened.entries()) {
          const start = places[place]!.start
          const piece = octets.subarray(Math.max(0, at - start), end - start)
          // What says that it is further than it is would be read in circles.
          if (piece.length === 0 || start > at) throw new Refusal('file-damaged')
          at += piece.length
          yield piece
          if (at >= end) break
        }
      }
    } finally {
      done()
    }
  }

  /**
   * All of a file, in memory.
   *
   * @param most octets, as many as a letter takes; a larger one is refused
   * @throws Refusal `too-large`; as {@link read}
   */
  async whole(
    session: Session,
    keyToken: string | null,
    path: string,
    most = mailOctetsLimit,
  ): Promise<{ name: string; type: string; octets: Uint8Array }> {
    const entry = await this.#file(session.user.id, path)
    if (entry.size > most) throw new Refusal('files-large')
    const pieces: Uint8Array[] = []
    for await (const piece of this.read(session, keyToken, entry)) pieces.push(piece)
    return { name: entry.name, type: entry.type, octets: Buffer.concat(pieces) }
  }

  /** A file that a letter may take along. @throws Refusal `not-found`, `bad-name`, `too-large` */
  async forLetter(userId: number, path: string): Promise<Entry> {
    const file = await this.#file(userId, path)
    if (file.size > mailOctetsLimit) throw new Refusal('files-large')
    return file
  }

  // ---- what is changed

  /**
   * Deletes a file, or a folder.
   *
   * @param options.all with all that is in it
   * @throws Refusal `not-found`; `not-empty`
   */
  async remove(userId: number, path: string, { all = false } = {}): Promise<void> {
    const entry = await this.entry(userId, path)
    const itself = and(eq(files.userId, userId), eq(files.path, entry.path))!
    const within = and(eq(files.userId, userId), isWithin(entry.path))!
    if (entry.isFolder && all)
      for (let more = 1; more > 0; await others()) {
        const some = this.#db
          .select({ path: files.path })
          .from(files)
          .where(within)
          .limit(limits.deletedAtOnce)
        const which = and(eq(files.userId, userId), inArray(files.path, some))
        more = (await this.#db.delete(files).where(which).returning(counted)).length
      }
    await this.#db.transaction(userId, async () => {
      const [inIt] = await this.#db.select({ path: files.path }).from(files).where(within).limit(1)
      if (entry.isFolder && inIt) throw new Refusal('file-folder-not-empty', { values: { path: entry.path } })
      await this.#db.delete(files).where(itself)
    })
    void this.sweep().catch(() => {})
  }

  /**
   * Gives a file or folder another path. Folders above that are made.
   *
   * @param options.replaces a file of that path goes, for another one
   * @throws Refusal `not-found`; `exists`; `bad-name`, also for a folder that would lie in itself
   */
  async move(userId: number, from: string, to: string, { replaces = false } = {}): Promise<void> {
    const [old, at] = [filePath(from), filePath(to)]
    if (`${at}/`.startsWith(`${old}/`) && at !== old) throw new Refusal('folder-into-itself')
    await this.#db.transaction(userId, async () => {
      const entry = await this.entry(userId, old)
      if (at === old) return
      const there = await this.#find(userId, at)
      if (there && (!replaces || there.isFolder || entry.isFolder)) throw await this.#taken(userId, at)
      if (there) await this.#db.delete(files).where(and(eq(files.userId, userId), eq(files.path, at)))
      await this.#makeFolders(userId, at)
      if (entry.isFolder) await this.#moveWithin(userId, old, at)
      await this.#db
        .update(files)
        .set({ path: at, folder: folderOf(at) })
        .where(and(eq(files.userId, userId), eq(files.path, old)))
    })
    void this.sweep().catch(() => {})
  }

  /** Deletes bodies that no file has any more, and those that nobody went on with. */
  sweep(): Promise<void> {
    // One that runs may have passed what was left since: it is followed by another.
    const sweeping = (this.#sweeping ?? Promise.resolve()).then(async () => {
      while (!this.#closed && (await this.#sweepSome())) await others()
    })
    const settled = sweeping
      .catch(() => {})
      .finally(() => {
        if (this.#sweeping === settled) this.#sweeping = null
      })
    this.#sweeping = settled
    return sweeping
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#sweeping
  }

  // ---- paths

  #select() {
    return this.#db
      .select({
        path: files.path,
        body: files.bodyId,
        size: fileBodies.size,
        modifiedAt: files.modifiedAt,
      })
      .from(files)
      .leftJoin(fileBodies, eq(fileBodies.id, files.bodyId))
  }

  async #find(userId: number, path: string): Promise<Entry | null> {
    const [row] = await this.#select().where(and(eq(files.userId, userId), eq(files.path, path)))
    return row ? toEntry(row) : null
  }

  async #file(userId: number, path: string): Promise<Entry & { body: number }> {
    const { body, ...entry } = await this.entry(userId, path)
    if (body === null) throw new Refusal('no-file')
    return { ...entry, body }
  }

  async #requireFolder(userId: number, path: string) {
    if (!(await this.#find(userId, path))?.isFolder) throw new Refusal('no-file-folder')
  }

  async #refuseFolder(userId: number, path: string) {
    if ((await this.#find(userId, path))?.isFolder) throw await this.#taken(userId, path)
  }

  async #taken(userId: number, path: string): Promise<Refusal> {
    const isFolder = (await this.#find(userId, path))?.isFolder
    return new Refusal(isFolder ? 'file-folder-exists' : 'file-exists', { values: { path } })
  }

  /** Part of the caller's transaction: the folders above a path, those that are not there yet. */
  async #makeFolders(userId: number, path: string) {
    const wanted = foldersAbove(path)
    if (wanted.length === 0) return
    const there = await this.#db
      .select({ path: files.path, body: files.bodyId })
      .from(files)
      .where(and(eq(files.userId, userId), inArray(files.path, wanted)))
    const inTheWay = there.find(({ body }) => body !== null)
    if (inTheWay) throw new Refusal('file-exists', { values: { path: inTheWay.path } })
    const known = new Set(there.map((each) => each.path))
    for (const each of wanted) if (!known.has(each)) await this.#insert(userId, each, null)
  }

  /** Part of the caller's transaction. @returns whether there was nothing of that path */
  async #insert(userId: number, path: string, body: number | null): Promise<boolean> {
    const [{ count } = { count: 0 }] = await this.#db
      .select({ count: sql<number>`count(*)` })
      .from(files)
      .where(eq(files.userId, userId))
    if (Number(count) >= limits.ofUser)
      throw new Refusal('files-many-kept', { values: { limit: limits.ofUser } })
    const made = await this.#db
      .insert(files)
      .values({ userId, path, folder: folderOf(path), bodyId: body, modifiedAt: this.#clock() })
      .onConflictDoNothing()
      .returning(counted)
    if (made.length > 0 && body !== null) await this.#keep(body)
    return made.length > 0
  }

  /** Part of the caller's transaction: the file of this path has that body from here on. @returns whether it is new */
  async #set(userId: number, path: string, body: number): Promise<boolean> {
    await this.#makeFolders(userId, path)
    if (await this.#insert(userId, path, body)) return true
    const set = await this.#db
      .update(files)
      .set({ bodyId: body, modifiedAt: this.#clock() })
      .where(and(eq(files.userId, userId), eq(files.path, path), isNotNull(files.bodyId)))
      .returning(counted)
    if (set.length === 0) throw await this.#taken(userId, path)
    await this.#keep(body)
    return false
  }

  /** Part of the caller's transaction: a file has it. @throws Refusal if it was given up meanwhile */
  async #keep(body: number) {
    const kept = await this.#db
      .update(fileBodies)
      .set({ leasedUntil: null })
      .where(and(eq(fileBodies.id, body), isNotNull(fileBodies.userId)))
      .returning(counted)
    if (kept.length === 0) throw new Refusal('file-changed-meanwhile')
  }

  /** Part of the caller's transaction. */
  async #moveWithin(userId: number, from: string, to: string) {
    const within = and(eq(files.userId, userId), isWithin(from))
    const moving = (column: Column) =>
      sql`CAST(${to} AS text) || substr(${column}, ${sql.raw(String([...from].length + 1))})`
    for (;;) {
      const some = await this.#db
        .select({ path: files.path })
        .from(files)
        .where(within)
        .limit(limits.movedAtOnce)
      if (some.length === 0) return
      const paths = some.map(({ path }) => path)
      for (const path of paths) filePath(to + path.slice(from.length)) // it may be too long there
      await this.#db
        .update(files)
        .set({ path: moving(files.path), folder: moving(files.folder) })
        .where(and(eq(files.userId, userId), inArray(files.path, paths)))
      await others()
    }
  }

  // ---- bodies

  async #newBody(userId: number): Promise<number> {
    const [row] = await this.#db
      .insert(fileBodies)
      .values({ userId, leasedUntil: this.#clock() + limits.leaseMs })
      .returning({ id: fileBodies.id })
    return row!.id
  }

  async #giveUp(body: number) {
    try {
      await this.#db
        .update(fileBodies)
        .set({ userId: null, leasedUntil: 0 })
        .where(and(eq(fileBodies.id, body), isNotNull(fileBodies.leasedUntil)))
    } catch {
      // Its lease ends by itself; why the database cannot be written is told by whoever wanted to.
    }
  }

  /** Stores octets at the end of a body: while one piece is written, the next is encrypted. @returns its size then */
  async #fill(
    user: User,
    body: number,
    offset: number,
    octets: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<number> {
    const key = await this.#keyrings.copyKey(user.id)
    if (!key) throw new Refusal('files-need-key')
    let end = offset
    let storing = Promise.resolve()
    for await (const piece of inPieces(octets)) {
      const task = { octets: piece, place: placeOf(body, end), copyTo: key.publicKey }
      const sealed = await this.#pool.run('reading', 'sealPiece', task, { user: user.id })
      await storing
      storing = this.#store(user.id, body, { start: end, length: piece.length, octets: sealed })
      storing.catch(() => {}) // awaited below
      end += piece.length
    }
    await storing
    return end
  }

  async #store(userId: number, body: number, piece: { start: number; length: number; octets: Uint8Array }) {
    const { start, length, octets } = piece
    await this.#db.transaction(userId, async () => {
      await this.#quota.require(userId, octets.length)
      const leased = sql<number>`CASE WHEN ${fileBodies.leasedUntil} IS NULL THEN NULL ELSE ${sql.raw(String(this.#clock() + limits.leaseMs))} END`
      const grown = await this.#db
        .update(fileBodies)
        .set({
          size: start + length,
          octets: sql`${fileBodies.octets} + ${octets.length}`,
          leasedUntil: leased,
        })
        .where(and(eq(fileBodies.id, body), eq(fileBodies.userId, userId), eq(fileBodies.size, start)))
        .returning(counted)
      if (grown.length === 0) throw new Refusal('file-changed-meanwhile')
      await this.#db.insert(filePieces).values({ bodyId: body, start, octets })
    })
  }

  /** As many pieces as are opened together: the one that `at` lies in, and small ones after it. */
  async #piecesFrom(body: number, at: number, end: number): Promise<{ start: number; octets: number }[]> {
    const [first] = await this.#db
      .select({ start: sql<number | null>`max(${filePieces.start})` })
      .from(filePieces)
      .where(and(eq(filePieces.bodyId, body), lte(filePieces.start, at)))
    if (first?.start === undefined || first.start === null) throw new Refusal('file-changed-meanwhile')
    const rows = await this.#db
      .select({ start: filePieces.start, octets: sql<number>`length(${filePieces.octets})` })
      .from(filePieces)
      .where(and(eq(filePieces.bodyId, body), gte(filePieces.start, Number(first.start))))
      .orderBy(asc(filePieces.start))
      .limit(limits.piecesAtOnce)
    let sum = 0
    return rows.filter(({ start, octets }, place) => {
      sum += octets
      return place === 0 || (start < end && sum <= limits.pieceOctets)
    })
  }

  async #sealed(body: number, places: { start: number }[]) {
    const sealed: { octets: Uint8Array; place: string }[] = []
    for (const { start } of places) {
      const which = and(eq(filePieces.bodyId, body), eq(filePieces.start, start))
      const [piece] = await this.#db.select({ octets: filePieces.octets }).from(filePieces).where(which)
      if (!piece) throw new Refusal('file-changed-meanwhile')
      sealed.push({ octets: piece.octets, place: placeOf(body, start) })
    }
    return sealed
  }

  /** @returns whether there may be more */
  async #sweepSome(): Promise<boolean> {
    return this.#db.transaction(nobody, async () => {
      const [dead] = await this.#db
        .select({ id: fileBodies.id, userId: fileBodies.userId })
        .from(fileBodies)
        .where(and(isNotNull(fileBodies.leasedUntil), lte(fileBodies.leasedUntil, this.#clock())))
        .limit(1)
      if (!dead) return false
      const which = eq(fileBodies.id, dead.id)
      if (dead.userId !== null) {
        await this.#db.update(fileBodies).set({ userId: null, leasedUntil: 0 }).where(which)
        return true
      }
      const [piece] = await this.#db
        .select({ start: filePieces.start })
        .from(filePieces)
        .where(eq(filePieces.bodyId, dead.id))
        .limit(1)
      if (piece)
        await this.#db
          .delete(filePieces)
          .where(and(eq(filePieces.bodyId, dead.id), eq(filePieces.start, piece.start)))
      else await this.#db.delete(fileBodies).where(which)
      return true
    })
  }

  // ---- transfers

  async #transfer<T>(userId: number, work: () => Promise<T>): Promise<T> {
    const done = this.#begin(userId)
    try {
      return await work()
    } finally {
      done()
    }
  }

  /** @returns what ends it. @throws Refusal `busy` if the user has too many files on their way */
  #begin(userId: number): () => void {
    const running = this.#transfers.get(userId) ?? 0
    if (running >= limits.transfersOfUser)
      throw new Refusal('transfers-many', { detail: { retry_after_s: 5 } })
    this.#transfers.set(userId, running + 1)
    return () => {
      const left = this.#transfers.get(userId)! - 1
      if (left === 0) this.#transfers.delete(userId)
      else this.#transfers.set(userId, left)
    }
  }
}

const toEntry = (row: {
  path: string
  body: number | null
  size: number | null
  modifiedAt: number
}): Entry => ({
  path: row.path,
  name: nameOf(row.path),
  isFolder: row.body === null,
  type: row.body === null ? 'folder' : detectMimeType(nameOf(row.path)),
  size: row.size ?? 0,
  modifiedAt: row.modifiedAt,
  body: row.body,
})

/** The row lies in that folder, at whatever depth. */
const isWithin = (folder: string) =>
  sql`substr(${files.path}, 1, ${sql.raw(String([...folder].length + 1))}) = ${`${folder}/`}`

/** Bound into the piece: it opens nowhere else. */
const placeOf = (body: number, start: number) => `wafer/file/v1 ${body} ${start}`

/** Chunks put together to pieces, each full but the last. */
async function* inPieces(octets: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
  let piece = Buffer.alloc(0)
  let used = 0
  for await (const chunk of octets) {
    for (let at = 0; at < chunk.length; ) {
      // Not all at once where little comes: an append may be of a few octets.
      if (used === piece.length) {
        const next = Buffer.allocUnsafeSlow(
          Math.min(limits.pieceOctets, Math.max(2 * used, chunk.length - at + used)),
        )
        piece.copy(next, 0, 0, used)
        piece = next
      }
      const part = chunk.subarray(at, at + piece.length - used)
      piece.set(part, used)
      used += part.length
      at += part.length
      if (used < limits.pieceOctets) continue
      yield piece
      piece = Buffer.alloc(0)
      used = 0
    }
  }
  if (used > 0) yield piece.subarray(0, used)
}
