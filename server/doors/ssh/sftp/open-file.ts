/**
 * Files that the other end of SFTP has open. Reading follows one stream of the API for as long as what is asked for
 * follows what came; writing gathers what comes next to each other, and says that it is written once it is on the disk.
 */
import type { IncomingMessage } from 'node:http'
import { sftpLimits as limits } from '../../../ground/limits.ts'
import type { Box } from './box.ts'

export class Reader {
  readonly #box: Box
  readonly #path: string
  readonly #isAwaited: () => boolean
  #stream: IncomingMessage | null = null
  #pieces: AsyncIterator<Buffer> | null = null
  /** What came and may be asked for again, from which octet on, and where what comes next begins. */
  #held: Buffer[] = []
  #from = 0
  #next = 0
  /** Of what is read: no octets of another file are mixed in. */
  #body: string | null = null
  #idle: NodeJS.Timeout | undefined

  /** @param isAwaited whether the other end waits for an answer: on a slow line it does so for long */
  constructor(box: Box, path: string, isAwaited: () => boolean) {
    this.#box = box
    this.#path = path
    this.#isAwaited = isAwaited
  }

  /** Asks for its beginning, so that whoever may not read is told at once. @throws Refused */
  async begin(): Promise<void> {
    if (await this.#begin()) this.#rest()
  }

  /** @returns as many octets as there are, up to that length; none at the end. @throws Refused */
  async read(offset: number, length: number): Promise<Buffer> {
    clearTimeout(this.#idle)
    if (offset < this.#from || offset > this.#next + limits.skippedOctets) this.#goTo(offset)
    let begun = 0
    while (this.#next < offset + length) {
      if (!this.#pieces) {
        if (!(await this.#begin())) break
        begun += 1
      }
      const { value, done } = await this.#pieces!.next().catch(() => ({ value: null, done: false }))
      if (value) {
        this.#held.push(value)
        this.#next += value.length
        this.#forget(offset)
        continue
      }
      this.#drop()
      if (done) break
      // It broke off, as at the end of an allowance: asked once more, the API says why.
      if (begun > 1) throw new Error('expected the rest of a file, got an end')
    }
    this.#rest()
    return this.#slice(offset, length)
  }

  /** Who reads no more keeps no place that others of the user wait for, and no memory. */
  #rest() {
    const look = () => (this.#isAwaited() ? this.#rest() : this.#goTo(this.#next))
    this.#idle = setTimeout(look, limits.idleMs).unref()
  }

  /** Safe to call twice. */
  close() {
    clearTimeout(this.#idle)
    this.#drop()
    this.#held = []
  }

  #drop() {
    this.#stream?.destroy()
    this.#stream = null
    this.#pieces = null
  }

  #goTo(offset: number) {
    this.close()
    this.#from = offset
    this.#next = offset
  }

  async #begin(): Promise<boolean> {
    const begun = await this.#box.read(this.#path, this.#next)
    if (!begun) return false
    const [body] = begun.tag.split('-')
    this.#body ??= body!
    if (body !== this.#body) {
      begun.octets.destroy()
      throw new Changed()
    }
    this.#stream = begun.octets
    this.#pieces = begun.octets.iterator({ destroyOnReturn: true }) as AsyncIterator<Buffer>
    return true
  }

  #forget(offset: number) {
    while (this.#held.length > 0 && this.#from + this.#held[0]!.length + limits.keptOctets < offset)
      this.#from += this.#held.shift()!.length
  }

  #slice(offset: number, length: number): Buffer {
    const parts: Buffer[] = []
    let at = this.#from
    for (const piece of this.#held) {
      if (at + piece.length > offset && at < offset + length)
        parts.push(piece.subarray(Math.max(0, offset - at), offset + length - at))
      at += piece.length
    }
    return Buffer.concat(parts)
  }
}

/** Another file has the name of the one that was opened. */
export class Changed extends Error {
  override name = 'Changed'
}

type Written = { octets: Buffer; done: (error: Error | null) => void }

export class Writer {
  readonly #box: Box
  readonly #path: string
  /** Octets that are stored, and where what comes next begins. */
  #stored: number
  #next: number
  /** What follows what is stored, and what has come before what goes before it. */
  #gathered: Written[] = []
  readonly #ahead = new Map<number, Written>()
  #storing: Promise<void> | null = null
  #failed: Error | null = null
  #soon: NodeJS.Timeout | undefined
  /** Octets that are here and not stored, with what is known of them. */
  waiting = 0

  constructor(box: Box, path: string, size: number) {
    this.#box = box
    this.#path = path
    this.#stored = size
    this.#next = size
  }

  get size() {
    return this.#next
  }

  /**
   * @param offset null for the end
   * @param done called when it is stored, or cannot be
   */
  write(offset: number | null, octets: Buffer, done: (error: Error | null) => void) {
    const at = offset ?? this.#next
    if (this.#failed) return done(this.#failed)
    if (octets.length === 0) return done(null)
    if (at < this.#next || at > this.#next + limits.aheadOctets || this.#ahead.has(at))
      return done(new NotInOrder())
    this.waiting += octets.length + limits.writeOctets
    this.#ahead.set(at, { octets, done })
    for (let found = this.#ahead.get(this.#next); found; found = this.#ahead.get(this.#next)) {
      this.#ahead.delete(this.#next)
      this.#gathered.push(found)
      this.#next += found.octets.length
    }
    if (this.#next - this.#stored >= limits.pieceOctets) void this.#store()
    else {
      clearTimeout(this.#soon)
      this.#soon = setTimeout(() => void this.#store(), limits.gatherMs)
    }
  }

  /** Stores what is gathered. @throws what stood in the way */
  async flush(): Promise<void> {
    while (this.#gathered.length > 0 || this.#storing) await this.#store()
    if (this.#failed) throw this.#failed
  }

  /** @throws as {@link flush}; also if something is missing before what has come */
  async close(): Promise<void> {
    await this.flush()
    if (this.#ahead.size === 0) return
    this.#fail(new NotInOrder())
    throw new NotInOrder()
  }

  /** Nobody waits any more. */
  drop() {
    this.#fail(new Error('expected somebody to write, got nobody'))
  }

  async #store(): Promise<void> {
    clearTimeout(this.#soon)
    this.#storing ??= this.#storeSome().finally(() => {
      this.#storing = null
      if (this.#next - this.#stored >= limits.pieceOctets) void this.#store()
      else if (this.#gathered.length > 0) this.#soon = setTimeout(() => void this.#store(), limits.gatherMs)
    })
    await this.#storing
  }

  async #storeSome(): Promise<void> {
    if (this.#gathered.length === 0) return
    let sum = 0
    const over = this.#gathered.findIndex(({ octets }, at) => {
      sum += octets.length
      return at > 0 && sum > limits.pieceOctets
    })
    const some = this.#gathered.splice(0, over < 0 ? this.#gathered.length : over)
    const octets = Buffer.concat(some.map((each) => each.octets))
    try {
      this.#stored = await this.#box.append(this.#path, this.#stored, octets)
      this.waiting -= octets.length + some.length * limits.writeOctets
      for (const { done } of some) done(null)
    } catch (error) {
      this.#gathered.unshift(...some)
      this.#fail(error as Error)
    }
  }

  /** What came after it cannot be there either. */
  #fail(error: Error) {
    clearTimeout(this.#soon)
    this.#failed ??= error
    const lost = [...this.#gathered.splice(0), ...this.#ahead.values()]
    this.#ahead.clear()
    this.#next = this.#stored
    this.waiting = 0
    for (const { done } of lost) done(this.#failed)
  }
}

/** A file is written from its beginning, or from its end, on. */
export class NotInOrder extends Error {
  override name = 'NotInOrder'
}
