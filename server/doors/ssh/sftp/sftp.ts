/**
 * SFTP (draft-ietf-secsh-filexfer-02) over the box of files: what a program of any kind asks for, as calls of the API, one
 * after the other. Lists, folders and writing need no key; reading has that of the connection, if a channel of it has
 * opened one. A path leads nowhere but into the box, whose root is `/`.
 */
import type { Attributes, SFTPWrapper } from 'ssh2'
import type { FileEntry } from '../../../contract/answers.ts'
import { sftpLimits as limits } from '../../../ground/limits.ts'
import { lockedInWords } from '../words.ts'
import type { Approval } from './approval.ts'
import { type Access, Box, Refused } from './box.ts'
import { Line, mode, status } from './library.ts'
import { Changed, NotInOrder, Reader, Writer } from './open-file.ts'

type Status = (typeof status)[keyof typeof status]
type Needs = Access & {
  setKey(keyToken: string): void
  approval: Approval
  /** As in LANG. */
  locale: string | undefined
  /** Calls back when the other end takes what it is sent. */
  whenEasy(then: () => void): void
}
type Open =
  | { path: string; reader: Reader | null; writer: Writer | null; isAtEnd: boolean; size: number; at: number }
  | { names: Named[]; path: string; next: string | null; isOver: boolean }
type Named = { filename: string; longname: string; attrs: Attributes }

/** A no of SFTP's own. */
class No extends Error {
  override name = 'No'
  readonly code: Status

  constructor(code: Status, sentence: string) {
    super(sentence)
    this.code = code
  }
}

const extensions = {
  'posix-rename@openssh.com': '1',
  'statvfs@openssh.com': '2',
  'fstatvfs@openssh.com': '2',
  'fsync@openssh.com': '1',
  'limits@openssh.com': '1',
}

export class Sftp {
  /** The other end has taken the end. */
  readonly closed: Promise<void>
  readonly #sftp: SFTPWrapper
  readonly #box: Box
  readonly #needs: Needs
  readonly #line: Line
  readonly #open = new Map<number, Open>()
  #handles = 0
  /** The sentence that was said last beside the answers. */
  #said = ''
  /** Requests that wait for those before them. */
  #requests = 0
  #turn: Promise<void> = Promise.resolve()
  #onEase: (() => void) | null = null
  #isOver = false

  constructor(sftp: SFTPWrapper, needs: Needs) {
    this.#sftp = sftp
    this.closed = new Promise((resolve) => sftp.once('close', resolve))
    this.#box = new Box(needs)
    this.#needs = needs
    this.#line = new Line(sftp, extensions, {
      isPressed: () => this.#isPressed(),
      onEase: () => this.#ease(),
      onBroken: () => this.end(1),
    })
    sftp.on('error', () => this.end(1)) // of the protocol
    this.#listen()
  }

  /** Nobody is there any more, or is to be. Safe to call twice. @param code as a program's that ends */
  end(code: 0 | 1) {
    if (this.#isOver) return
    this.#isOver = true
    this.#ease()
    for (const open of this.#open.values()) this.#letGo(open)
    this.#open.clear()
    this.#line.end(code)
  }

  /** Beside the answers, not the same twice in a row: many files may be refused for one reason. */
  say(sentence: string) {
    if (this.#isOver || sentence === this.#said) return
    this.#said = sentence
    this.#line.say(sentence)
  }

  #listen() {
    const sftp = this.#sftp
    /** What is answered by no more than that it was done. */
    const done = (id: number, work: () => Promise<unknown>) =>
      this.#do(id, async () => {
        await work()
        this.#ok(id)
      })
    sftp.on('OPEN', (id, path, flags) => this.#do(id, () => this.#openFile(id, inBox(path), flags)))
    sftp.on('READ', (id, handle, offset, length) =>
      this.#do(id, () => this.#read(id, handle, offset, length)),
    )
    sftp.on('WRITE', (id, handle, offset, octets) =>
      this.#do(id, async () => this.#write(id, handle, offset, Buffer.from(octets))),
    )
    sftp.on('CLOSE', (id, handle) => this.#do(id, () => this.#close(id, handle)))
    sftp.on('OPENDIR', (id, path) => this.#do(id, () => this.#openFolder(id, inBox(path))))
    sftp.on('READDIR', (id, handle) => this.#do(id, () => this.#readFolder(id, handle)))
    const stat = (id: number, path: string) =>
      this.#do(id, async () => sftp.attrs(id, await this.#attributes(inBox(path))))
    sftp.on('STAT', stat)
    sftp.on('LSTAT', stat)
    sftp.on('FSTAT', (id, handle) =>
      this.#do(id, async () => sftp.attrs(id, await this.#attributesOf(handle))),
    )
    // Modes, owners and times there are none of here; programs set them after each file, and are to go on.
    sftp.on('SETSTAT', (id, path, attrs) =>
      done(id, async () => {
        const size = sizeIn(attrs)
        if (size !== null) await this.#cut(inBox(path), size)
      }),
    )
    sftp.on('FSETSTAT', (id, handle, attrs) =>
      done(id, async () => {
        const open = this.#file(handle)
        const size = sizeIn(attrs)
        if (size !== null && size !== open.writer?.size) {
          await open.writer?.flush()
          await this.#cut(open.path, size)
          if (open.writer) open.writer = new Writer(this.#box, open.path, size)
        }
      }),
    )
    sftp.on('REALPATH', (id, path) =>
      this.#do(id, async () => {
        const filename = `/${inBox(path)}`
        sftp.name(id, [{ filename, longname: filename, attrs: {} as Attributes }])
      }),
    )
    sftp.on('MKDIR', (id, path) =>
      done(id, async () => {
        await this.#requirePlace(inBox(path))
        await this.#box.makeFolder(inBox(path))
      }),
    )
    sftp.on('REMOVE', (id, path) => done(id, () => this.#remove(inBox(path), false)))
    sftp.on('RMDIR', (id, path) => done(id, () => this.#remove(inBox(path), true)))
    sftp.on('RENAME', (id, from, to) => done(id, () => this.#rename(inBox(from), inBox(to), false)))
    const noLinks = (id: number) =>
      this.#do(id, async () => {
        throw new No(status.OP_UNSUPPORTED, 'There are no links in Files.')
      })
    sftp.on('SYMLINK', noLinks)
    sftp.on('READLINK', noLinks)
    sftp.on('EXTENDED', (id, name, data) =>
      this.#do(id, () => this.#extra(id, name, data ?? Buffer.alloc(0))),
    )
  }

  // ---- one request after the other

  #do(id: number, work: () => Promise<unknown>) {
    this.#requests += 1
    this.#turn = this.#turn.then(async () => {
      try {
        if (!this.#isOver) await this.#eased()
        if (!this.#isOver) await work()
      } catch (error) {
        this.#refuse(id, error)
      } finally {
        this.#requests -= 1
        this.#line.goOn()
      }
    })
  }

  #ok(id: number) {
    this.#sftp.status(id, status.OK)
  }

  #refuse(id: number, error: unknown) {
    if (this.#isOver) return
    const [code, sentence] = this.#inWords(error)
    this.#sftp.status(id, code, sentence)
    // OpenSSH's program has words of its own for each code, and shows no others.
    if (code === status.PERMISSION_DENIED || code === status.FAILURE) this.say(sentence)
  }

  #inWords(error: unknown): [Status, string] {
    if (error instanceof No) return [error.code, error.message]
    if (error instanceof NotInOrder)
      return [status.FAILURE, 'Files are written from their beginning, or from their end, on.']
    if (error instanceof Changed)
      return [status.FAILURE, 'Another file has taken the place of this one. Please open it again.']
    if (!(error instanceof Refused))
      return [status.FAILURE, 'Something went wrong on the server. Please try again.']
    if (error.code === 'not-found') return [status.NO_SUCH_FILE, error.message]
    if (error.code === 'allowance-required')
      return [status.PERMISSION_DENIED, lockedInWords(null, this.#needs.locale)]
    if (error.code === 'key-in-use') return [status.PERMISSION_DENIED, `Permission denied: ${error.message}`]
    return [status.FAILURE, error.message]
  }

  /** Until the other end takes what it is sent. */
  async #eased(): Promise<void> {
    await new Promise<void>((resolve) => this.#needs.whenEasy(resolve))
    if (this.#line.waiting > 0 && !this.#isOver)
      await new Promise<void>((resolve) => {
        this.#onEase = resolve
      })
  }

  #ease() {
    if (this.#line.waiting > 0 && !this.#isOver) return
    this.#onEase?.()
    this.#onEase = null
  }

  #isPressed() {
    const octets = [...this.#open.values()].reduce(
      (sum, open) => sum + ('writer' in open ? (open.writer?.waiting ?? 0) : 0),
      0,
    )
    return this.#requests > limits.requests || octets > limits.waitingOctets
  }

  // ---- files

  async #openFile(id: number, path: string, flags: number): Promise<void> {
    const has = (flag: number) => (flags & flag) !== 0
    this.#requireHandle()
    const entry = await this.#entry(path)
    if (entry?.type === 'folder') throw new No(status.FAILURE, 'That is a folder.')
    if (!entry && !(has(mode.WRITE) && has(mode.CREAT))) throw noFile()
    if (entry && has(mode.CREAT) && has(mode.EXCL))
      throw new No(status.FAILURE, 'There is such a file already.')
    const isEmptied = !entry || (has(mode.WRITE) && has(mode.TRUNC))
    if (!entry) await this.#requirePlace(path)
    if (isEmptied) await this.#box.empty(path)
    const size = isEmptied ? 0 : entry.size
    const reader = has(mode.READ) ? new Reader(this.#box, path, () => this.#requests > 0) : null
    if (reader && !has(mode.WRITE) && entry!.size > 0) await this.#withKey(() => reader.begin())
    const file = {
      path,
      reader,
      writer: has(mode.WRITE) ? new Writer(this.#box, path, size) : null,
      isAtEnd: has(mode.APPEND),
      size,
      at: entry ? Date.parse(entry.modified_at) : Date.now(),
    }
    this.#sftp.handle(id, this.#handle(file))
  }

  async #read(id: number, handle: Buffer, offset: number, length: number): Promise<void> {
    const { reader, writer } = this.#file(handle)
    if (!reader) throw new No(status.PERMISSION_DENIED, 'It was not opened to be read.')
    if (offset > limits.largestOffset) throw noMore()
    await writer?.flush()
    const octets = await this.#withKey(() => reader.read(offset, Math.min(length, limits.dataOctets)))
    if (octets.length === 0) throw noMore()
    this.#sftp.data(id, octets)
  }

  /** Where the key is locked, a phone may have opened it meanwhile; or is asked to. */
  async #withKey<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof Refused && error.code === 'allowance-required')) throw error
      const { approval, setKey, locale } = this.#needs
      const keyToken = await approval.granted(this.#box)
      if (keyToken === null)
        throw new No(status.PERMISSION_DENIED, lockedInWords(await approval.ask(this.#box), locale))
      setKey(keyToken)
      return await work()
    }
  }

  #write(id: number, handle: Buffer, offset: number, octets: Buffer) {
    const { writer, isAtEnd } = this.#file(handle)
    if (!writer) throw new No(status.PERMISSION_DENIED, 'It was not opened to be written.')
    writer.write(isAtEnd ? null : offset, octets, (error) => {
      if (error) this.#refuse(id, error)
      else if (!this.#isOver) this.#ok(id)
      this.#line.goOn()
    })
  }

  async #close(id: number, handle: Buffer): Promise<void> {
    const open = this.#opened(handle)
    this.#open.delete(handle.readUInt32BE(0))
    try {
      if ('writer' in open) await open.writer?.close()
      this.#ok(id)
    } finally {
      this.#letGo(open)
    }
  }

  /** Files are emptied, or left as they are; nothing is cut off one. */
  async #cut(path: string, size: number): Promise<void> {
    const entry = await this.#entry(path)
    if (!entry || entry.type === 'folder') throw noFile()
    if (entry.size === size) return
    if (size > 0) throw new NotInOrder()
    await this.#box.empty(path)
  }

  async #remove(path: string, isFolder: boolean): Promise<void> {
    const entry = await this.#entry(path)
    if (!entry || path === '') throw noFile()
    if ((entry.type === 'folder') !== isFolder)
      throw new No(status.FAILURE, isFolder ? 'That is a file.' : 'That is a folder.')
    await this.#box.remove(path)
  }

  async #rename(from: string, to: string, replaces: boolean): Promise<void> {
    if (from === '') throw noFile()
    await this.#requirePlace(to)
    await this.#box.move(from, to, replaces)
  }

  /** Somewhere that something new may be. */
  async #requirePlace(path: string) {
    // What was no UTF-8 came as that.
    if (path.includes('\ufffd')) throw new No(status.FAILURE, 'Names are UTF-8 text, and this one is not.')
    const above = path.slice(0, Math.max(0, path.lastIndexOf('/')))
    if ((await this.#entry(above))?.type !== 'folder') throw noFile()
  }

  /** The box itself is the empty path. */
  #entry(path: string): Promise<FileEntry | null> {
    const root = { name: '', type: 'folder', size: 0, modified_at: new Date().toISOString() }
    return path === '' ? Promise.resolve(root) : this.#box.entry(path)
  }

  // ---- folders

  async #openFolder(id: number, path: string): Promise<void> {
    this.#requireHandle()
    const entry = await this.#entry(path)
    if (entry?.type !== 'folder') throw noFile()
    const attrs = attributesOf(entry)
    const names = ['.', '..'].map((filename) => named(filename, attrs))
    this.#sftp.handle(id, this.#handle({ names, path, next: null, isOver: false }))
  }

  async #readFolder(id: number, handle: Buffer): Promise<void> {
    const open = this.#opened(handle)
    if (!('names' in open)) throw noFile()
    if (open.names.length === 0 && !open.isOver) {
      const { files, next } = await this.#box.list(open.path, open.next)
      open.names.push(...files.map((entry) => named(entry.name, attributesOf(entry))))
      open.next = next
      open.isOver = next === null
    }
    let octets = 0
    const over = open.names.findIndex(({ filename, longname }) => {
      octets += 2 * Buffer.byteLength(filename) + longname.length
      return octets > limits.namesOctets
    })
    const some = open.names.splice(0, over < 0 ? open.names.length : Math.max(1, over))
    if (some.length === 0) throw noMore()
    this.#sftp.name(id, some)
  }

  async #attributes(path: string): Promise<Attributes> {
    const entry = await this.#entry(path)
    if (!entry) throw noFile()
    return attributesOf(entry)
  }

  async #attributesOf(handle: Buffer): Promise<Attributes> {
    const open = this.#opened(handle)
    if (!('writer' in open)) return this.#attributes(open.path)
    return attributes({ isFolder: false, size: open.writer?.size ?? open.size, at: open.at })
  }

  // ---- extensions of OpenSSH (its PROTOCOL file, §4)

  async #extra(id: number, name: string, data: Buffer): Promise<void> {
    const [first, second] = textsIn(data)
    if (name === 'posix-rename@openssh.com' && first && second) {
      await this.#rename(inBox(`${first}`), inBox(`${second}`), true)
      this.#ok(id)
    } else if (name === 'fsync@openssh.com' && first) {
      await this.#file(first).writer?.flush()
      this.#ok(id)
    } else if (name === 'limits@openssh.com')
      this.#reply(id, [limits.packetOctets, limits.dataOctets, limits.dataOctets, limits.handles])
    else if (name === 'statvfs@openssh.com' || name === 'fstatvfs@openssh.com') {
      const { used, quota } = await this.#box.space()
      const block = limits.blockOctets
      const [all, free] = [quota, Math.max(0, quota - used)].map((octets) => Math.floor(octets / block))
      // Blocks and files: in all, free, and free for who asks; then an id, no flags, and how long a name may be.
      this.#reply(id, [block, block, all!, free!, free!, free!, free!, free!, 0, 0, 255])
    } else throw new No(status.OP_UNSUPPORTED, 'That is not known here.')
  }

  #reply(id: number, numbers: number[]) {
    const body = Buffer.alloc(8 * numbers.length)
    for (const [place, number] of numbers.entries()) body.writeBigUInt64BE(BigInt(number), 8 * place)
    if (!this.#line.reply(id, body)) throw new No(status.FAILURE, 'Please ask again.')
  }

  // ---- handles

  #requireHandle() {
    if (this.#open.size >= limits.handles) throw new No(status.FAILURE, 'Too many files are open.')
  }

  #handle(open: Open): Buffer {
    if (this.#isOver) this.#letGo(open)
    this.#handles += 1
    this.#open.set(this.#handles, open)
    const handle = Buffer.alloc(4)
    handle.writeUInt32BE(this.#handles)
    return handle
  }

  #opened(handle: Buffer): Open {
    const open = handle.length === 4 ? this.#open.get(handle.readUInt32BE(0)) : undefined
    if (!open) throw new No(status.FAILURE, 'Nothing is open by that handle.')
    return open
  }

  #file(handle: Buffer) {
    const open = this.#opened(handle)
    if (!('writer' in open)) throw new No(status.FAILURE, 'That is a folder.')
    return open
  }

  #letGo(open: Open) {
    if (!('writer' in open)) return
    open.reader?.close()
    open.writer?.drop()
  }
}

const noMore = () => new No(status.EOF, 'There is no more.')
const noFile = () => new No(status.NO_SUCH_FILE, 'There is no such file or folder.')

/** The path in the box that a path of the other end leads to: from its root, above which there is nothing. */
const inBox = (path: string): string => {
  const names: string[] = []
  for (const name of path.split('/'))
    if (name === '..') names.pop()
    else if (name !== '' && name !== '.') names.push(name)
  return names.join('/')
}

/** Its type says that there always is one. */
const sizeIn = ({ size }: Partial<Attributes>): number | null => size ?? null

const attributesOf = ({ type, size, modified_at }: FileEntry): Attributes =>
  attributes({ isFolder: type === 'folder', size, at: Date.parse(modified_at) })

/** Octal 040700 and 0100600, as stat(2) has them. */
const folderMode = 0x41c0
const fileMode = 0x8180

/** They belong to whoever asks; a number of an owner there is none of. */
const attributes = ({ isFolder, size, at }: { isFolder: boolean; size: number; at: number }): Attributes => {
  const seconds = Math.floor(at / 1000)
  return { mode: isFolder ? folderMode : fileMode, size, uid: 0, gid: 0, atime: seconds, mtime: seconds }
}

/** With the line that some programs show as it is, and others read: as `ls -l` has it. */
const named = (filename: string, attrs: Attributes): Named => {
  const kind = attrs.mode === folderMode ? 'drwx------' : '-rw-------'
  const [, day, month, year, time] = new Date(attrs.mtime * 1000).toUTCString().split(' ') as string[]
  const isRecent = Math.abs(Date.now() / 1000 - attrs.mtime) < halfYearS
  const when = `${month} ${day!.replace(/^0/, ' ')} ${isRecent ? time!.slice(0, 5) : ` ${year}`}`
  const shown = filename.replace(/\p{Cf}/gu, '')
  return {
    filename,
    attrs,
    longname: `${kind}    1 you      you      ${String(attrs.size).padStart(12)} ${when} ${shown}`,
  }
}
const halfYearS = (365 / 2) * 24 * 60 * 60

/** The strings of a request, each after its length. */
const textsIn = (data: Buffer): Buffer[] => {
  const found: Buffer[] = []
  for (let at = 0; at + 4 <= data.length; ) {
    const end = at + 4 + data.readUInt32BE(at)
    if (end > data.length) break
    found.push(data.subarray(at + 4, end))
    at = end
  }
  return found
}
