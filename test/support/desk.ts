/**
 * Somebody at a terminal with the full client on it; only its glass is missing. Whatever is looked at is held to the
 * same rules: as many rows as the terminal has, none wider than it, no control character but our own attributes.
 */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { App } from '../../tui/full/app.ts'
import { drawn } from '../../tui/full/frame.tsx'
import { readKeymap } from '../../tui/full/own-keys.ts'
import type { Size } from '../../tui/full/terminal.ts'
import { disk } from '../../tui/letter/disk.ts'
import { cells } from '../../tui/text/text.ts'
import { Client } from '../../tui/wire/client.ts'
import { passphrase, password, type World } from './world.ts'

const patienceMs = 20_000

const keyNames = [
  'enter',
  'esc',
  'tab',
  'space',
  'up',
  'down',
  'left',
  'right',
  'pgup',
  'pgdn',
  'home',
  'end',
  'backspace',
  'delete',
  'f1',
]
const named = new RegExp(`^(?:${keyNames.join('|')}|(?:ctrl|alt|shift)-.+)$`)
export const attributes = /\x1b\[[0-9;]*m/g
const control = /[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/

export class Desk {
  readonly app: App
  readonly client: Client
  size: Size
  exitCode: number | null = null
  /** How far this terminal's clock went ahead. */
  aheadMs = 0
  /** Its clock stands still between one key and the next: a notice stays until it is looked at, however busy the machine. */
  #now = Date.now()
  /** Every row that was ever drawn. */
  readonly seen = new Set<string>()

  /** @param options.disk null as behind SSH */
  constructor(server: World, options: { size?: Size; keys?: string; disk?: null } = {}) {
    this.size = options.size ?? { columns: 80, rows: 24 }
    this.client = new Client({ server: server.url })
    const { keymap } = readKeymap(options.keys ?? '/nonexistent')
    this.app = new App({
      client: this.client,
      keymap,
      surroundings: {
        terminal: 'desk',
        suspended: (work) => work(),
        stopProcess: async () => undefined,
        disk: options.disk === null ? null : disk,
        hasLogIn: true,
        redraw: () => undefined,
        exit: (code) => {
          this.exitCode = code
        },
        now: () => this.#now + this.aheadMs,
      },
    })
    this.app.resized(this.size)
    this.app.subscribe(() => this.draw())
  }

  /** The screen, with its attributes; held to the rules above. */
  draw(): { rows: string[]; cursor: { x: number; y: number } } {
    this.app.resized(this.size)
    const { rows, cursor } = drawn(this.app, this.app.state, this.size)
    if (rows.length === 0) return { rows, cursor } // between two screens
    assert.equal(rows.length, this.size.rows)
    for (const row of rows) {
      const bare = row.replace(attributes, '')
      assert.doesNotMatch(bare, control, JSON.stringify(row))
      assert.ok(cells(bare) <= this.size.columns, `expected ${this.size.columns} cells at most, got: ${bare}`)
      this.seen.add(bare)
    }
    assert.ok(cursor.x >= 0 && cursor.x < this.size.columns && cursor.y >= 0 && cursor.y < this.size.rows)
    return { rows, cursor }
  }

  /** The screen's rows without attributes. */
  rows(): string[] {
    return this.draw().rows.map((row) => row.replace(attributes, '').trimEnd())
  }

  /** The row that the cursor stands on. */
  here(): string {
    const { rows, cursor } = this.draw()
    return (rows[cursor.y] ?? '').replace(attributes, '').trimEnd()
  }

  get title(): string {
    return this.rows()[0] ?? ''
  }
  get status(): string {
    return this.rows().at(-2) ?? ''
  }
  get bottom(): string {
    return this.rows().at(-1) ?? ''
  }

  press(...keys: string[]) {
    this.#now = Date.now()
    for (const key of keys)
      this.app.press(
        named.test(key) ? { name: key, text: key === 'space' ? ' ' : null } : { name: key, text: key },
      )
  }

  type(text: string) {
    for (const each of text) this.press(each === ' ' ? 'space' : each)
  }

  /** Waits until all of it is on the screen. */
  async sees(...wanted: (string | RegExp)[]): Promise<string> {
    const end = Date.now() + patienceMs
    for (;;) {
      const all = this.rows().join('\n')
      if (wanted.every((each) => (typeof each === 'string' ? all.includes(each) : each.test(all)))) return all
      if (Date.now() > end) throw new Error(`expected ${wanted.join(' and ')}, got:\n${all}`)
      await sleep(15)
    }
  }

  async logIn(user = 'ann@wafer.test') {
    this.app.begin('', null)
    await this.sees('User ID:')
    this.type(user)
    this.press('enter')
    this.type(password)
    this.press('enter')
    await this.sees('Inbox', /^-- Key (locked|in use)/m)
    await this.app.contact()
  }

  async unlock(words: string = passphrase) {
    await this.sees('Passphrase:')
    this.type(words)
    this.press('enter')
  }

  async end() {
    for (const { id } of this.app.state.screens) this.app.close(id) // what waits for one waits no more
    if (this.exitCode === null) await this.app.end()
  }
}
