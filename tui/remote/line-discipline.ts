/**
 * What the driver of a terminal does for a program that reads lines (POSIX.1-2024, 11.1.6), for a terminal that has no
 * driver on this side: what is typed is echoed, can be taken back, and is given on line by line. While somebody wants the
 * keys as they come, they come, and nothing is echoed.
 */
import { StringDecoder } from 'node:string_decoder'
import { cells } from '../text/text.ts'

type Ends = {
  give(octets: Uint8Array): void
  echo(text: string): void
  /** End of input, by Ctrl-D. */
  end(): void
  /** Ctrl-C. */
  interrupt(): void
}

/** Octets of a line, as Linux has it (N_TTY); what is typed beyond rings the bell. */
const longestLine = 4095
/** Arrow keys and the like, which are no text. */
const sequence = /^\x1b(?:\[[0-?]*[ -/]*(?:[@-~]|$)|O(?:.|$)|$|.)/s

export class LineDiscipline {
  isRaw = false
  readonly #ends: Ends
  readonly #decoder = new StringDecoder('utf8')
  #line: string[] = []
  #octets = 0
  /** Echo goes out together: a message for each character would be much for a little. */
  #echoed = ''

  constructor(ends: Ends) {
    this.#ends = ends
  }

  take(octets: Uint8Array) {
    if (this.isRaw) return this.#ends.give(octets)
    this.#takeLines(octets)
    this.#echoOut()
  }

  #takeLines(octets: Uint8Array) {
    let text = this.#decoder.write(Buffer.from(octets))
    while (text !== '') {
      // What follows a line that somebody answers by wanting keys is theirs.
      if (this.isRaw) return this.#ends.give(Buffer.from(text))
      const special = sequence.exec(text)?.[0]
      const next = special ?? String.fromCodePoint(text.codePointAt(0)!)
      text = text.slice(next.length)
      if (special === undefined) this.#type(next)
    }
  }

  #type(character: string) {
    switch (character) {
      case '\r':
      case '\n':
        this.#echo('\n')
        return this.#giveLine('\n')
      case '\x03':
        this.#echo('^C\n')
        this.#forget()
        this.#echoOut()
        return this.#ends.interrupt()
      case '\x04':
        return this.#line.length > 0 ? this.#giveLine('') : this.#ends.end()
      case '\b':
      case '\x7f':
        return this.#erase(1)
      case '\x15':
        return this.#erase(this.#line.length)
      case '\x17':
        return this.#erase(/\S*\s*$/u.exec(this.#line.join(''))![0].length)
    }
    if (character < ' ' && character !== '\t') return
    const octets = Buffer.byteLength(character)
    if (this.#octets + octets > longestLine) return this.#echo('\x07')
    this.#line.push(character)
    this.#octets += octets
    this.#echo(character)
  }

  /** By characters, with what combines with them. */
  #erase(count: number) {
    let rubbed = 0
    for (let left = count; left > 0 && this.#line.length > 0; left -= 1) {
      let width = 0
      do {
        const character = this.#line.pop()!
        this.#octets -= Buffer.byteLength(character)
        width = cells(character)
      } while (width === 0 && this.#line.length > 0)
      rubbed += width
    }
    if (rubbed > 0) this.#echo('\b \b'.repeat(rubbed))
  }

  #giveLine(ending: string) {
    const line = this.#line.join('') + ending
    this.#forget()
    this.#echoOut()
    this.#ends.give(Buffer.from(line))
  }

  #echo(text: string) {
    this.#echoed += text
  }

  #echoOut() {
    const text = this.#echoed
    this.#echoed = ''
    if (text !== '') this.#ends.echo(text)
  }

  #forget() {
    this.#line = []
    this.#octets = 0
  }
}
