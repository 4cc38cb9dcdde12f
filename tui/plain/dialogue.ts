/**
 * Questions and answers on a terminal in line mode, for blind people, serial lines and pipes: a question is written
 * once, a line comes back. The terminal itself echoes and edits (its canonical mode), so a screen reader hears each
 * deleted letter and nothing is ever drawn anew; only where a secret is asked for is its echo switched off.
 *
 * Not node:readline: in a terminal's raw mode that draws its line anew, and in line mode it keeps secrets as lines.
 */
import { randomInt } from 'node:crypto'
import type { EventEmitter } from 'node:events'
import { StringDecoder } from 'node:string_decoder'
import { harmless, wrapped } from '../text/text.ts'

export type Input = NodeJS.ReadableStream & { isTTY?: boolean; setRawMode?: (raw: boolean) => unknown }
export type Output = NodeJS.WritableStream & { columns?: number }
export type EndSignal = 'SIGHUP' | 'SIGTERM' | 'SIGINT'

/** Ctrl-C: the question is not answered, and what asked it stops. */
export class Abandoned extends Error {}
/** There is no more input. */
export class EndOfInput extends Error {}

/** What a terminal in line mode passes on of one line; the rest it drops (N_TTY; MAX_CANON elsewhere). */
const longestLine = process.platform === 'linux' ? 4095 : 1023

/** Of a line of a pipe, which has no driver that bounds it, in characters; and of lines that nobody has asked for yet. */
const longestPiped = 1024 * 1024
const mostAhead = 1000

/** A command: its words, the first of which is its name; single letters as the full client's keys have them. */
export type Command = {
  words: string
  usage: string
  does: string
  run: (rest: string) => unknown
}

export const row = (words: string, usage: string, does: string, run: Command['run']): Command => ({
  words,
  usage,
  does,
  run,
})

/**
 * The command that a line asks for, and what follows its word. Letters count as they are typed (`d` deletes, `D`
 * decrypts), words in any case, and the beginning of a word where no other begins so.
 *
 * @returns a sentence where it is none
 */
export const commandIn = (table: Command[], line: string): { command: Command; rest: string } | string => {
  const said = line.trim()
  // `/word` and `?word` stand without a space; `reply all` is one command.
  const [, word = '', rest = ''] = said.match(/^([/?!*]|reply\s+all\b|\S+)\s*(.*)$/su) ?? []
  const name = word.length > 1 ? word.toLowerCase().replace(/\s+/g, '') : word
  const exact = table.find(({ words }) => words.split(' ').includes(name))
  if (exact) return { command: exact, rest }
  const near =
    name.length > 1 ? table.filter(({ words }) => words.split(' ').some((each) => each.startsWith(name))) : []
  if (near.length === 1) return { command: near[0]!, rest }
  if (near.length > 1) return `That could be ${near.map(({ words }) => words.split(' ')[0]).join(' or ')}.`
  return 'There is no such command; type a question mark for all commands.'
}

/** A line for each command, or for those that a word occurs in. */
export const helpOn = (table: Command[], wanted: string): string[] => {
  const lines = table.map(({ words, usage, does }) => {
    const [name = '', ...others] = words.split(' ')
    const also = others.length ? ` (or ${others.join(', ')})` : ''
    return `${`${name} ${usage}`.trimEnd()}${also}: ${does}.`
  })
  const found = lines.filter((line) => line.toLowerCase().includes(wanted.toLowerCase()))
  return found.length ? found : [`No command has to do with that. A question mark alone lists all.`]
}

const pageLines = 20

const words =
  'amber anchor apple arrow autumn badge barley basket beacon birch bottle branch bridge button candle carbon castle ' +
  'cedar cherry circle clover copper coral cotton crystal desert ember falcon feather forest garden ginger glacier ' +
  'granite harbour hazel island ivory jasmine kettle ladder lantern lemon marble meadow mirror mountain needle oak ' +
  'ocean olive orchard pebble pepper planet quartz ribbon river saddle silver summer timber velvet willow winter'

const pick = (list: string): string => {
  const all = list.split(' ')
  return all[randomInt(all.length)]!
}

/** `1 line`, `3 lines`. */
export const counted = (count: number, noun: string, plural = `${noun}s`) =>
  `${count} ${count === 1 ? noun : plural}`

type Waiting = {
  isSecret: boolean
  answer: (line: string) => void
  fail: (error: Error) => void
}

/** A text that is read page by page. */
type Shown = { lines: string[]; next: number; isSecret: boolean; isForgotten?: boolean }
const nothing: Shown = { lines: [], next: 0, isSecret: false }

export class Dialogue {
  /** Resolves when a signal says that this is the end: closed window, termination, or Ctrl-C twice. */
  readonly ended: Promise<EndSignal>
  readonly #input: Input
  readonly #output: Output
  readonly #signals: EventEmitter
  #end: (signal: EndSignal) => void = () => {}
  readonly #decoder = new StringDecoder('utf8')
  #lines: string[] = []
  /** Nothing is read until some of these lines were asked for. */
  #isHeld = false
  /** The line that is being typed. */
  #partial = ''
  #afterReturn = false
  #isEnded = false
  #waiting: Waiting | null = null
  #interrupts = 0
  #shown: Shown = nothing
  /** What Wafer says around texts in this run. */
  readonly word = [pick(words), pick(words)].join(' ')

  constructor(options: { input: Input; output: Output; signals?: EventEmitter }) {
    this.#input = options.input
    this.#output = options.output
    this.#signals = options.signals ?? process
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
    this.#signals.on('SIGHUP', this.#gone)
    this.#signals.on('SIGTERM', this.#terminated)
    this.#signals.on('SIGINT', this.#interrupt)
    this.#output.on('error', this.#gone)
    this.#input.on('end', this.#noMore)
    this.#input.on('error', this.#noMore)
    this.#input.on('data', this.#take)
  }

  /** Cells of a line, for text that has to be broken. */
  get columns(): number {
    return this.#output.columns || 80
  }

  get isTerminal(): boolean {
    return this.#input.isTTY === true
  }

  /**
   * Prints a line of ours. What a stranger wrote in it, a server's word among it, is made harmless here; and where the
   * line is too long for the terminal it goes on indented, so that nothing of it stands where a line of ours begins.
   */
  say(line: string) {
    const text = harmless(line)
    const width = this.#output.columns
    if (!width || text.length * 2 <= width) return this.#write(`${text}\n`)
    const [first = '', ...rest] = wrapped(text, Math.max(20, width - 2))
    this.#write(`${[first, ...rest.map((each) => `  ${each}`)].join('\n')}\n`)
  }

  /**
   * Prints a text, twenty lines at a time. Each line is indented, as no line of ours is; and as indentation is not
   * heard, the lines around it carry two words that were drawn for this run, which no mail can know.
   *
   * @param how.isSecret it was decrypted: what was not read yet is forgotten with the key
   */
  text(text: string, how: { isSecret?: boolean } = {}): void {
    this.offer(text, how)
    this.more()
  }

  /** Has a text ready for `more`, without printing any of it. */
  offer(text: string, { isSecret = false }: { isSecret?: boolean } = {}): void {
    this.#shown = { lines: wrapped(text.trimEnd(), Math.max(20, this.columns - 2)), next: 0, isSecret }
  }

  /** Forgets the text if it was decrypted. */
  forgetSecret(): void {
    if (this.#shown.isSecret) this.#shown = { ...nothing, isForgotten: true }
  }

  /** Whether a text was begun and goes on. */
  get hasMore(): boolean {
    const { lines, next } = this.#shown
    return next > 0 && next < lines.length
  }

  /** Prints what follows of the text. */
  more() {
    const { lines, next, isForgotten } = this.#shown
    if (isForgotten) return this.say('The text was closed with the key; open the mail again to read on.')
    if (next >= lines.length) return this.say('There is no more text.')
    if (next === 0) this.say(`Text begins, ${counted(lines.length, 'line')}. ${this.word}.`)
    const end = Math.min(next + pageLines, lines.length)
    for (const line of lines.slice(next, end)) this.#write(`${line && '  '}${line}\n`)
    this.#shown.next = end
    if (this.hasMore)
      this.say(`${end} of ${lines.length} lines. ${this.word}. Type more, or only press Enter, for the next.`)
    else this.say(`Text ends. ${this.word}.`)
  }

  /** @throws Abandoned, EndOfInput */
  ask(question: string): Promise<string> {
    return this.#answer(question, { isSecret: false })
  }

  /** The same without any echo, not even of stars. */
  secret(question: string): Promise<string> {
    return this.#answer(question, { isSecret: true })
  }

  /** Does something, such as an editor, that has the terminal for itself meanwhile. */
  async lent<T>(work: () => Promise<T>): Promise<T> {
    this.#input.off('data', this.#take)
    this.#input.pause()
    this.#signals.off('SIGINT', this.#interrupt)
    const ignore = () => {} // a Ctrl-C in the editor is the editor's
    this.#signals.on('SIGINT', ignore)
    try {
      return await work()
    } finally {
      this.#signals.off('SIGINT', ignore)
      this.#signals.on('SIGINT', this.#interrupt)
      this.#input.on('data', this.#take)
      this.#input.resume()
    }
  }

  /** Lets the terminal go; whoever still waits for an answer gets none. */
  close(): void {
    this.#isEnded = true
    this.#input.off('data', this.#take)
    this.#input.off('end', this.#noMore)
    this.#input.pause()
    this.#signals.off('SIGHUP', this.#gone)
    this.#signals.off('SIGTERM', this.#terminated)
    this.#signals.off('SIGINT', this.#interrupt)
    this.#settle(({ fail }) => fail(new EndOfInput()))
    // Errors of both streams stay listened to: a terminal that has gone may still say so.
  }

  async #answer(question: string, { isSecret }: { isSecret: boolean }): Promise<string> {
    if (this.#waiting) throw new Error('expected one question at a time, got a second')
    this.#interrupts = 0
    this.#write(harmless(question))
    const typedAhead = this.#lines.shift()
    if (this.#lines.length < mostAhead) this.#listen()
    if (typedAhead !== undefined) return this.#whole(typedAhead)
    if (this.#isEnded) throw new EndOfInput()
    const isSilent = isSecret && this.isTerminal
    if (isSilent) this.#input.setRawMode?.(true)
    try {
      const answer = new Promise<string>((resolve, reject) => {
        this.#waiting = { isSecret: isSilent, answer: resolve, fail: reject }
      })
      return this.#whole(await answer)
    } finally {
      if (isSilent) {
        this.#input.setRawMode?.(false)
        this.#write('\n') // the one that was typed was not echoed
      }
    }
  }

  #whole(line: string): string {
    if (this.isTerminal && Buffer.byteLength(line) >= longestLine)
      this.say(
        `The terminal passes on no more than ${longestLine} bytes of a line: the end of this one may be lost.`,
      )
    if (line.length >= longestPiped)
      this.say(`A line has no more than ${longestPiped} characters here: the end of this one is lost.`)
    return line
  }

  #take = (chunk: Buffer | string): void => {
    let text = typeof chunk === 'string' ? chunk : this.#decoder.write(chunk)
    // Arrow keys and the like, which an unseen line must not take for letters.
    if (this.#waiting?.isSecret) text = text.replace(/\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|.)?/g, '')
    for (const character of text) this.#type(character)
    // What comes faster than it is answered waits where it comes from.
    if (this.#lines.length < mostAhead) return
    this.#input.pause()
    this.#isHeld = true
  }

  #listen() {
    if (this.#isHeld && !this.#isEnded) this.#input.resume()
    this.#isHeld = false
  }

  #type(character: string) {
    const isSecret = this.#waiting?.isSecret ?? false
    const isSecondHalf = character === '\n' && this.#afterReturn // of \r\n
    this.#afterReturn = character === '\r'
    if (isSecondHalf) return
    if (character === '\x03') return this.#interrupt()
    if (character === '\n' || character === '\r') {
      const line = this.#partial
      this.#partial = ''
      this.#interrupts = 0
      if (this.#waiting) this.#settle(({ answer }) => answer(line))
      else this.#lines.push(line)
    } else if (!isSecret) {
      if (this.#partial.length < longestPiped) this.#partial += character
    } else if (character === '\x04') {
      if (this.#partial === '') this.#noMore()
    } else if (character === '\b' || character === '\x7f')
      this.#partial = [...this.#partial].slice(0, -1).join('')
    else if (character === '\x15') this.#partial = ''
    else if (character >= ' ') this.#partial += character
  }

  /** Ctrl-C gives up the question; while no question waits, the second one ends all. */
  #interrupt = () => {
    this.#lines = []
    this.#partial = ''
    this.#listen()
    if (this.#waiting) {
      if (!this.#waiting.isSecret) this.#write('\n')
      this.#interrupts = 0
      return this.#settle(({ fail }) => fail(new Abandoned()))
    }
    this.#interrupts += 1
    if (this.#interrupts > 1) this.#end('SIGINT')
    else this.say('The server is still at work. Ctrl-C once more ends Wafer.')
  }

  #noMore = (): void => {
    if (this.#partial !== '' && !this.#waiting?.isSecret) this.#type('\n') // a last line without its end
    this.#isEnded = true
    if (this.#waiting && !this.#waiting.isSecret) this.#write('\n')
    this.#settle(({ fail }) => fail(new EndOfInput()))
  }

  /** The window is closed, or what showed our lines has ended. */
  #gone = () => this.#end('SIGHUP')
  #terminated = () => this.#end('SIGTERM')

  #settle(how: (waiting: Waiting) => void): void {
    const waiting = this.#waiting
    this.#waiting = null
    if (waiting) how(waiting)
  }

  #write(text: string): void {
    if (!('destroyed' in this.#output && this.#output.destroyed)) this.#output.write(text)
  }
}

/** What is neither yes nor no is no. */
export const isYes = (answer: string) => /^\s*(y|yes)\s*$/i.test(answer)
