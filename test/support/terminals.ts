/**
 * A real terminal for the real client: tmux with a socket of its own, in it a shell, in which `wafer tui` is started as
 * people start it. What is on the screen is read as tmux holds it, cell by cell.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { scratch, until } from './browsers.ts'
import { wafer } from './places.ts'

const run = promisify(execFile)

/** The client as `npm run build` makes it. */

export class RealTerminal {
  readonly #socket: string
  readonly home: string

  private constructor(home: string) {
    this.home = home
    this.#socket = join(home, 'tmux')
  }

  static async open(
    t: TestContext,
    size: { columns: number; rows: number } = { columns: 80, rows: 24 },
    environment: Record<string, string> = {},
  ): Promise<RealTerminal> {
    const terminal = new RealTerminal(mkdtempSync(join(scratch(t), 'desk-')))
    const settings = ['set -g status off', 'set -sg escape-time 0', 'set -g default-terminal tmux-256color']
    writeFileSync(join(terminal.home, 'tmux.conf'), `${settings.join('\n')}\n`)
    const all = {
      HOME: terminal.home,
      PATH: process.env.PATH ?? '',
      LC_ALL: 'C.UTF-8',
      TZ: 'UTC',
      PS1: '$ ',
      ...environment,
    }
    const words = ['env', '-i', ...Object.entries(all).map(([name, value]) => `${name}=${value}`)]
    const command = [...words, 'TERM=tmux-256color', 'bash', '--norc', '--noprofile', '-i']
    t.after(() => terminal.#tmux('kill-server').catch(() => {}))
    await terminal.#tmux(
      '-f',
      join(terminal.home, 'tmux.conf'),
      'new-session',
      '-d',
      '-x',
      `${size.columns}`,
      '-y',
      `${size.rows}`,
      command.map(quoted).join(' '),
    )
    await terminal.sees(/^\$/m)
    return terminal
  }

  async #tmux(...words: string[]): Promise<string> {
    const env = { ...process.env, TMUX: '', HOME: this.home }
    const { stdout } = await run('tmux', ['-S', this.#socket, ...words], { env, maxBuffer: 1 << 24 })
    return stdout
  }

  /** From now on every octet that the terminal is given lies in this file, too. */
  async log(): Promise<string> {
    const file = join(this.home, 'octets')
    await this.#tmux('pipe-pane', '-o', `cat >> ${quoted(file)}`)
    return file
  }

  /** Starts the client; when it has ended, its exit code is printed. */
  async start(...words: string[]) {
    const command = [process.execPath, wafer, 'tui', ...words].map(quoted).join(' ')
    await this.line(`clear; ${command}; echo "ended with $?"`)
  }

  /** Types a line into the shell. */
  async line(text: string) {
    await this.type(text)
    await this.keys('Enter')
  }

  async type(text: string) {
    await this.#tmux('send-keys', '-l', '--', text)
  }

  /** Keys by tmux's names: Enter, Escape, C-z, j. */
  async keys(...names: string[]) {
    for (const name of names) await this.#tmux('send-keys', name)
  }

  async paste(text: string) {
    await this.#tmux('set-buffer', '--', text)
    await this.#tmux('paste-buffer', '-p')
  }

  /** The rows on the screen, without blanks at their ends. */
  async rows(): Promise<string[]> {
    return (await this.#tmux('capture-pane', '-p')).split('\n').slice(0, -1)
  }

  /** As `rows`, with the attributes in front of what they are for. */
  async rowsWithAttributes(): Promise<string[]> {
    return (await this.#tmux('capture-pane', '-p', '-e')).split('\n').slice(0, -1)
  }

  /** All that one can scroll back to, and the screen. */
  async history(): Promise<string> {
    return this.#tmux('capture-pane', '-p', '-S', '-')
  }

  /** Where the cursor stands, whether the second screen is on, what the title is. */
  async state(): Promise<{
    x: number
    y: number
    isSecondScreen: boolean
    isCursorShown: boolean
    title: string
  }> {
    const format = '#{cursor_x} #{cursor_y} #{alternate_on} #{cursor_flag} #{pane_title}'
    const [x, y, second, shown, ...title] = (await this.#tmux('display-message', '-p', format))
      .trim()
      .split(' ')
    return {
      x: Number(x),
      y: Number(y),
      isSecondScreen: second === '1',
      isCursorShown: shown === '1',
      title: title.join(' '),
    }
  }

  /** The process that has the terminal now, its children included: the client, once it is started. */
  async clientPid(): Promise<number> {
    const shell = (await this.#tmux('display-message', '-p', '#{pane_pid}')).trim()
    return until('a client in the terminal', async () => {
      const { stdout } = await run('ps', ['-o', 'pid=,args=', '--ppid', shell])
      const line = stdout.split('\n').find((each) => each.includes('wafer.js tui'))
      return line ? Number(line.trim().split(' ')[0]) : null
    })
  }

  async resize(columns: number, rows: number) {
    await this.#tmux('resize-window', '-x', `${columns}`, '-y', `${rows}`)
  }

  /** Closes the window, as one who has had enough. */
  async close() {
    await this.#tmux('kill-server')
  }

  /** Waits until all of it is on the screen. @returns the rows */
  async sees(...wanted: (string | RegExp)[]): Promise<string[]> {
    let rows: string[] = []
    try {
      return await until('', async () => {
        rows = await this.rows()
        const all = rows.join('\n')
        const isThere = wanted.every((each) =>
          typeof each === 'string' ? all.includes(each) : each.test(all),
        )
        return isThere ? rows : null
      })
    } catch (cause) {
      throw new Error(`expected ${wanted.join(' and ')}, got:\n${rows.join('\n')}`, { cause })
    }
  }
}

const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`
