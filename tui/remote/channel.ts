/**
 * A channel of SSH as the streams that a client is used to: input, output and errors, bounded both ways (messages.ts). With
 * a terminal at the other end they behave like one: lines are edited and echoed until somebody wants the keys as they
 * come (line-discipline.ts), and each line of output begins at the left edge.
 */
import { EventEmitter } from 'node:events'
import { Readable, Writable } from 'node:stream'
import type { MessagePort } from 'node:worker_threads'
import { LineDiscipline } from './line-discipline.ts'
import {
  type FromClient,
  inputWindow,
  outputPiece,
  outputWindow,
  type Start,
  type ToClient,
} from './messages.ts'

type Size = NonNullable<Start['size']>

/** Sizes beyond these are nobody's. */
const most = { columns: 1000, rows: 500 }
/** What may wait in us for a reader that does not read, before the client is given up. */
const mostWaiting = 4 * 1024 * 1024

export class Channel {
  readonly input: Readable & { isTTY?: boolean }
  readonly output: Writable & { isTTY?: boolean }
  readonly errors: Writable & { isTTY?: boolean }
  /** SIGINT from the keyboard; SIGHUP when the channel is gone. */
  readonly signals = new EventEmitter()
  readonly #port: MessagePort
  readonly #discipline: LineDiscipline | null
  /** Octets of output under way. */
  #underWay = 0
  #blocked: (() => void)[] = []
  /** Octets of input that were given on, and not yet told of. */
  #untold = 0
  #isRead = true
  #isGone = false

  constructor(port: MessagePort, size: Size | null) {
    this.#port = port
    this.input = new Readable({ read: () => this.#read(), highWaterMark: inputWindow })
    this.output = this.#writable('stdout', size !== null)
    this.errors = this.#writable('stderr', size !== null)
    this.#discipline =
      size &&
      new LineDiscipline({
        give: (octets) => this.#give(octets),
        echo: (text) => void this.output.write(text),
        end: () => void this.input.push(null),
        interrupt: () => this.#signal('SIGINT', 130),
      })
    if (size) this.#beTerminal(size)
  }

  #beTerminal(size: Size) {
    const discipline = this.#discipline!
    const input = Object.assign(this.input, {
      isTTY: true,
      isRaw: false,
      setRawMode: (isRaw: boolean) => {
        discipline.isRaw = isRaw
        input.isRaw = isRaw
        return input
      },
      // A worker lives until it is done, whatever is listened to.
      ref: () => input,
      unref: () => input,
    })
    for (const stream of [this.output, this.errors]) Object.assign(stream, { isTTY: true, ...within(size) })
  }

  /** What the door says. */
  hear(message: ToClient) {
    if ('input' in message) this.#hearInput(message.input)
    else if ('end' in message) this.input.push(null)
    else if ('resize' in message) this.#resize(message.resize)
    else if ('drained' in message) this.#drained(message.drained)
    else if ('hangup' in message) this.#hangUp()
  }

  /** All output was taken on, or nobody takes any. */
  async done(): Promise<void> {
    await Promise.all(
      [this.output, this.errors].map((stream) => new Promise<void>((resolve) => stream.end(() => resolve()))),
    )
  }

  // ---- input

  #hearInput(octets: Uint8Array) {
    this.#untold += octets.length
    if (this.#discipline) this.#discipline.take(octets)
    else this.#give(octets)
    this.#tell()
  }

  #give(octets: Uint8Array) {
    if (octets.length > 0 && !this.input.readableEnded) this.#isRead = this.input.push(Buffer.from(octets))
  }

  #read() {
    this.#isRead = true
    this.#tell()
  }

  /** Whoever does not read what we write is not listened to either: else a screen would be drawn for each key. */
  #tell() {
    if (!this.#isRead || this.#blocked.length > 0 || this.#untold === 0) return
    this.#say({ consumed: this.#untold })
    this.#untold = 0
  }

  // ---- output

  #writable(to: 'stdout' | 'stderr', isTerminal: boolean): Writable {
    const stream: Writable = new Writable({
      decodeStrings: true,
      write: (chunk: Buffer, _encoding, done) => {
        if (stream.writableLength > mostWaiting) this.#hangUp()
        this.#send(isTerminal ? withReturns(chunk) : chunk, to, done)
      },
    })
    stream.on('error', () => {}) // nobody is left to be told
    return stream
  }

  #send(octets: Buffer, to: 'stdout' | 'stderr', done: () => void) {
    for (let at = 0; at < octets.length; at += outputPiece) {
      if (this.#isGone) return done()
      if (this.#underWay >= outputWindow) {
        const rest = octets.subarray(at)
        this.#blocked.push(() => this.#send(rest, to, done))
        return
      }
      // A copy: what is posted is copied as a whole with the memory behind it.
      const output = new Uint8Array(octets.subarray(at, at + outputPiece))
      this.#underWay += output.length
      this.#say({ output, to })
    }
    done()
  }

  #drained(octets: number) {
    this.#underWay -= octets
    if (this.#underWay < outputWindow) for (const go of this.#blocked.splice(0)) go()
    this.#tell()
  }

  // ---- the rest

  #resize(size: Size) {
    for (const stream of [this.output, this.errors]) if (stream.isTTY) Object.assign(stream, within(size))
    this.output.emit('resize')
  }

  #hangUp() {
    if (this.#isGone) return
    this.#isGone = true
    for (const go of this.#blocked.splice(0)) go()
    this.#signal('SIGHUP', 129)
  }

  /** As in a process: whoever does not listen to it is ended by it. */
  #signal(name: 'SIGINT' | 'SIGHUP', code: number) {
    if (!this.signals.emit(name)) this.#say({ exit: code })
  }

  #say(message: FromClient) {
    this.#port.postMessage(message)
  }
}

const within = ({ columns, rows }: Size): Size => ({
  columns: Math.max(1, Math.min(most.columns, Math.floor(columns) || 80)),
  rows: Math.max(1, Math.min(most.rows, Math.floor(rows) || 24)),
})

/** As a terminal's driver does (ONLCR): a line end alone only goes down. */
const withReturns = (octets: Buffer): Buffer =>
  octets.includes(10) ? Buffer.from(octets.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1') : octets
