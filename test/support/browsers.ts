/**
 * Real browsers, driven as a person drives them: text browsers by keys in a terminal of their own (tmux), until the
 * cursor stands on the control with the name that is looked for; edbrowse by its line commands; NetSurf and Dillo by
 * mouse and keyboard on a screen of their own (Xvfb). Each has a throw-away home, and ends with its test.
 */
import { execFile, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import nodemailer from 'nodemailer'
import { Gpg } from './gpg.ts'
import { type World, world } from './world.ts'

const run = promisify(execFile)

/** How long anything may take before the test gives up. */
const patienceMs = 15_000

const ends = new WeakMap<TestContext, (() => unknown)[]>()

/** Does it when the test is over; what was begun last ends first. */
const atEnd = (t: TestContext, end: () => unknown) => {
  const known = ends.get(t)
  if (known) return known.push(end)
  const all = [end]
  ends.set(t, all)
  t.after(async () => {
    for (const each of all.reverse()) await each()
  })
}

/** A folder for one test, gone with it. */
export const scratch = (t: TestContext): string => {
  const folder = mkdtempSync(join(tmpdir(), 'wafer-browser-'))
  atEnd(t, () => {
    endAllAt(folder)
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  })
  return folder
}

/** Ends what still lives with this home, or one in it: daemons that a browser left behind. */
const endAllAt = (folder: string) => {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
    try {
      if (readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`\0HOME=${folder}`))
        process.kill(Number(pid), 'SIGKILL')
    } catch {
      // it ended meanwhile, or is another user's
    }
}

/** Asks until the answer is not null. */
export const until = async <T>(
  wanted: string,
  ask: () => Promise<T | null> | T | null,
  limitMs = patienceMs,
): Promise<T> => {
  for (const end = Date.now() + limitMs; ; ) {
    const answer = await ask()
    if (answer !== null) return answer
    if (Date.now() > end) throw new Error(`expected ${wanted}, waited in vain`)
    await sleep(40)
  }
}

const flat = (text: string) => text.replace(/\s+/g, ' ').trim()
const matches = (text: string, wanted: string | RegExp) =>
  typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text)

// ---- what the browsers are to find: a server, two users, mail that came in from outside

export const ann = 'ann@wafer.test'
export const bob = 'bob@wafer.test'
export const secrets = [
  'The ferry leaves at nine, from pier four.',
  'Bring the blue umbrella as well.',
] as const

/** Ann and Bob with their keys, and two mails from outside in Ann's inbox: gpg encrypted them to her public key. */
export const story = async (t: TestContext, environment: Record<string, string> = {}) => {
  const server = await world(t, environment)
  await server.addUser(ann, { name: 'Ann' })
  await server.addUser(bob, { name: 'Bob' })
  const gpg = new Gpg(t)
  const key = await server.services.keyrings.present((await server.services.users.named(ann)).id)
  gpg.ok(['--import'], key!.publicKey)
  await send(server, 'First plan', gpg.ok(['--armor', '-r', ann, '--encrypt'], `${secrets[0]}\n`).toString())
  const entity = `Content-Type: text/plain; charset=utf-8\r\n\r\n${secrets[1]}\r\n`
  const sealed = gpg.ok(['--armor', '-r', ann, '--encrypt'], entity).toString()
  await send(server, 'Second plan', sealed, true)
  return { server, gpg }
}

/** By SMTP, as the world outside sends: the armored block as the text itself, or as PGP/MIME (RFC 3156 §4). */
const send = async (server: World, subject: string, armored: string, isPgpMime = false) => {
  const head = [
    'From: Carol <carol@elsewhere.test>',
    `To: ${ann}`,
    `Subject: ${subject}`,
    `Date: ${new Date().toUTCString()}`,
  ]
  const raw = isPgpMime
    ? [
        ...head,
        'MIME-Version: 1.0',
        'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b',
        '',
        '--b',
        'Content-Type: application/pgp-encrypted',
        '',
        'Version: 1',
        '',
        '--b',
        'Content-Type: application/octet-stream',
        '',
        armored,
        '--b--',
      ]
    : [...head, '', armored]
  const { host, port } = server.running.smtp
  const transport = nodemailer.createTransport({ host, port, ignoreTLS: true })
  await transport.sendMail({
    envelope: { from: 'carol@elsewhere.test', to: ann },
    raw: `${raw.join('\n')}\n`.replace(/\r?\n/g, '\r\n'),
  })
  transport.close()
}

/** The port that a server listens on. */
export const portOf = (server: World): number => Number(new URL(server.url).port)

// ---- what passes between browser and server

/** A port in front of a server that keeps what passes: for browsers that cannot say what they show. */
export const tap = async (t: TestContext, port: number) => {
  const requests: { text: string; answer: string }[] = []
  const server = createServer((terminal) => {
    const upstream = connect(port, '127.0.0.1')
    let current: { text: string; answer: string } | null = null
    terminal.on('data', (octets) => {
      // A request begins where an answer has come since the last one.
      if (current?.answer !== '') {
        current = { text: '', answer: '' }
        requests.push(current)
      }
      current.text += octets.toString('latin1')
      upstream.write(octets)
    })
    upstream.on('data', (octets) => {
      if (current) current.answer += octets.toString('utf8')
      terminal.write(octets)
    })
    for (const [one, other] of [
      [terminal, upstream],
      [upstream, terminal],
    ] as const) {
      one.on('error', () => other.destroy())
      one.on('end', () => other.end())
      one.on('close', () => other.destroy())
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  atEnd(t, () => server.close())
  return { port: (server.address() as { port: number }).port, requests }
}

// ---- browsers in a terminal

type Manner = {
  /** Command line; the address is appended. */
  command(home: string): string[]
  prepare?(home: string): void
  environment?: Record<string, string>
  /** Moves to the control after this one. */
  next: string
  /** Goes to the beginning, where moving on does not come round. */
  top?: string
  back: string
  /** Keys before and after the typing in a field of one line. */
  edit: { before: string[]; after: string[] }
  area: 'rows' | 'editor' | 'inside'
}

const home = (folder: string, ...rest: string[]) => join(folder, ...rest)

const manners = {
  lynx: {
    command: () => ['lynx', '-nopause', '-accept_all_cookies', '-tna'],
    next: 'Down',
    back: 'Left',
    edit: { before: ['Enter', 'C-u'], after: ['Down'] },
    area: 'rows',
  },
  w3m: {
    command: (folder) => [
      'w3m',
      '-cookie',
      '-o',
      'show_cookie=0',
      '-o',
      `editor=${home(folder, 'editor')}`,
      '-o',
      'confirm_qq=0',
    ],
    prepare: (folder) => {
      // w3m leaves the writing of longer text to an editor: this one writes what the test wants to type.
      writeFileSync(
        home(folder, 'editor'),
        `#!/bin/sh\nfor file; do :; done\ncat ${home(folder, 'typed')} > "$file"\n`,
      )
      chmodSync(home(folder, 'editor'), 0o700)
    },
    next: 'Tab',
    top: 'g',
    back: 'B',
    edit: { before: ['Enter', 'C-u'], after: ['Enter'] },
    area: 'editor',
  },
  links2: {
    command: () => ['links2'],
    prepare: (folder) => {
      mkdirSync(home(folder, '.links2'))
      writeFileSync(home(folder, '.links2', 'links.cfg'), '') // else it begins with a welcome
    },
    next: 'Down',
    top: 'Home',
    back: 'Left',
    edit: { before: ['C-u'], after: [] },
    area: 'inside',
  },
  elinks: {
    command: (folder) => ['elinks', '-no-connect', '-config-dir', folder, '-config-file', 'elinks.conf'],
    prepare: (folder) =>
      writeFileSync(
        home(folder, 'elinks.conf'),
        'set document.browse.forms.confirm_submit = 0\nset terminal.screen.utf_8_io = 1\n',
      ),
    next: 'Down',
    top: 'Home',
    back: 'Left',
    edit: { before: ['Enter', 'C-u'], after: ['Down'] },
    area: 'inside',
  },
} as const satisfies Record<string, Manner>

export type TextBrowserName = keyof typeof manners

export type OpenOptions = {
  /** More words of the command line, before the address. */
  extra?: string[]
  environment?: Record<string, string>
  size?: { columns: number; rows: number }
}

/** What surrounds the cursor: the texts that it may stand on, what is left of it, and the lines around. */
type Here = { ahead: string[]; behind: string; above: string; below: string; at: string }

export class TextBrowser {
  readonly name: TextBrowserName
  readonly #home: string
  readonly #socket: string
  readonly #manner: Manner
  readonly #size: { columns: number; rows: number }

  private constructor(name: TextBrowserName, folder: string, size: { columns: number; rows: number }) {
    this.name = name
    this.#manner = manners[name]
    this.#home = mkdtempSync(join(folder, `${name}-`))
    this.#socket = join(this.#home, 'tmux')
    this.#size = size
  }

  static async open(
    t: TestContext,
    name: TextBrowserName,
    address: string,
    options: OpenOptions = {},
  ): Promise<TextBrowser> {
    const browser = new TextBrowser(name, scratch(t), options.size ?? { columns: 80, rows: 60 })
    browser.#manner.prepare?.(browser.#home)
    atEnd(t, () => browser.end())
    const { columns, rows } = browser.#size
    const environment = { HOME: browser.#home, LC_ALL: 'C.UTF-8', TERM: 'screen', ...options.environment }
    const words = [...browser.#manner.command(browser.#home), ...(options.extra ?? []), address]
    const command = ['env', ...Object.entries(environment).map(([key, value]) => `${key}=${value}`), ...words]
    writeFileSync(
      join(browser.#home, 'tmux.conf'),
      'set -g remain-on-exit on\nset -sg escape-time 0\nset -g status off\n',
    )
    const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
    await browser.#tmux(
      '-f',
      join(browser.#home, 'tmux.conf'),
      'new-session',
      '-d',
      '-x',
      `${columns}`,
      '-y',
      `${rows}`,
      quoted,
    )
    return browser
  }

  async #tmux(...words: string[]): Promise<string> {
    const { stdout } = await run('tmux', ['-S', this.#socket, ...words], {
      env: { ...process.env, TMUX: '', HOME: this.#home },
    })
    return stdout
  }

  async end() {
    await this.#tmux('kill-server').catch(() => {})
  }

  /** What is on the screen, line by line. */
  async lines(): Promise<string[]> {
    return (await this.#tmux('capture-pane', '-p')).split('\n')
  }

  /** What is on the screen, as running text. */
  async screen(): Promise<string> {
    return flat((await this.lines()).join('\n'))
  }

  async keys(...keys: string[]) {
    for (const key of keys) await this.#tmux('send-keys', key)
  }

  async type(text: string) {
    await this.#tmux('send-keys', '-l', '--', text)
  }

  /** Waits for the text on the screen. */
  async sees(...wanted: (string | RegExp)[]): Promise<string> {
    let last = ''
    try {
      return await until('', async () => {
        last = await this.screen()
        return wanted.every((each) => matches(last, each)) ? last : null
      })
    } catch (cause) {
      throw new Error(`expected ${this.name} to show ${wanted.join(' and ')}, got: ${last}`, { cause })
    }
  }

  /** Presses a button or follows a link, then waits for what it leads to. */
  async press(control: string, ...wanted: (string | RegExp)[]): Promise<string> {
    await this.#goTo(`the control ${control}`, ({ ahead }) => ahead.some((text) => text.startsWith(control)))
    await this.keys('Enter')
    return wanted.length ? this.sees(...wanted) : ''
  }

  /** Types into a field of one line, replacing what is in it. */
  async fill(label: string, text: string) {
    const { before, after } = this.#manner.edit
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await this.#goTo(`the field ${label}`, ({ behind }) => behind.endsWith(label))
      const y = Number((await this.#here()).at.split(',')[1])
      await this.keys(...before)
      await this.type(text)
      // w3m asks for the text at the foot of the screen; the others take it where the field is.
      if (this.#manner.area === 'editor') await this.keys(...after)
      // A browser that is still busy with its page may drop keys: what is not there was not typed.
      for (let wait = 0; wait < 25; wait += 1) {
        const line = (await this.lines())[y] ?? ''
        if (line.includes(text.slice(0, 8)) || line.includes(text.slice(-8)) || /\*{5}/.test(line)) {
          if (this.#manner.area !== 'editor') await this.keys(...after)
          return
        }
        await sleep(40)
      }
    }
    throw new Error(`expected ${this.name} to take ${label}, got: ${await this.screen()}`)
  }

  /** Types into a field and sends its form from there. */
  async fillAndSend(label: string, text: string, ...wanted: (string | RegExp)[]): Promise<string> {
    await this.#goTo(`the field ${label}`, ({ behind }) => behind.endsWith(label))
    await this.keys(...this.#manner.edit.before)
    await this.type(text)
    await this.keys('Enter')
    return this.sees(...wanted)
  }

  /** Types lines into the field for longer text, which must be empty. */
  async write(label: string, text: string) {
    await this.#goTo(`the text field ${label}`, ({ behind, above, below }) =>
      [behind, behind === '' ? above : '', below].some((each) => each.endsWith(label)),
    )
    if (this.#manner.area === 'editor') {
      writeFileSync(join(this.#home, 'typed'), text)
      await this.keys('Enter')
      await this.sees(text.split('\n').at(-1)!.slice(0, 30))
      return
    }
    if (this.#manner.area === 'rows') {
      for (const line of text.split('\n')) {
        await this.keys('Enter')
        await this.type(line)
        await this.keys('Down')
      }
      return
    }
    if (this.name === 'elinks') await this.keys('Enter')
    for (const [place, line] of text.split('\n').entries()) {
      if (place > 0) await this.keys('Enter')
      await this.type(line)
    }
    await this.keys('Tab')
  }

  async back() {
    await this.keys(this.#manner.back)
  }

  async #here(): Promise<Here> {
    const at = '#{cursor_x},#{cursor_y}'
    const lines = (await this.#tmux('capture-pane', '-p', ';', 'display-message', '-p', at))
      .trimEnd()
      .split('\n')
    const [x = 0, y = 0] = lines.pop()!.split(',').map(Number)
    const cells = [...(lines[y] ?? '')]
    // Links and ELinks stand two cells within a button, Lynx one before a link, and prints a button's value first.
    const starts = [x - 2, x - 1, x, x + 1].filter(
      (start) => start >= 0 && !/\w/.test(cells[start - 1] ?? ''),
    )
    const ahead = starts.map((start) =>
      flat([cells.slice(start).join(''), ...lines.slice(y + 1, y + 3)].join('\n')).replace(/^\(\w+\) /, ''),
    )
    const field = (text: string) => flat(text.replace(/[[_ ]*$/, '').replace(/\([^()]*\)$/, ''))
    let last = y
    while (/^\s*\[.*\]\s*$/.test(lines[last] ?? '')) last += 1
    return {
      ahead,
      behind: field(
        cells
          .slice(0, x + 1)
          .join('')
          .replace(/[[_].*$/, ''),
      ),
      above: field(lines.slice(Math.max(0, y - 2), y).join(' ')),
      // w3m sets the label of a text field at its last line
      below: last > y ? field((lines[last] ?? '').replace(/\[.*$/, '')) : '',
      at: `${x},${y}`,
    }
  }

  async #goTo(wanted: string, isThere: (here: Here) => boolean) {
    const seen: string[] = []
    // From here on to the end; Lynx comes round by itself, in the others once more from the top.
    for (const isAgain of [false, true]) {
      if (isAgain && this.#manner.top) {
        await this.keys(this.#manner.top)
        await sleep(400)
      }
      for (let step = 0; step < 60; step += 1) {
        const here = await this.#here()
        if (isThere(here)) return
        seen.push((here.ahead.at(-1) ?? '').slice(0, 20))
        await this.keys(this.#manner.next)
        // A key that is still on its way must not come after the one that follows.
        let isMoved = false
        for (let wait = 0; wait < 40 && !isMoved; wait += 1) {
          isMoved = (await this.#here()).at !== here.at
          if (!isMoved) await sleep(20)
        }
        if (!isMoved) break
      }
    }
    throw new Error(
      `expected ${this.name} to reach ${wanted}, got ${[...new Set(seen)].join(' / ')} on: ${await this.screen()}`,
    )
  }
}

// ---- edbrowse, by its line commands

/** Runs edbrowse on a script of its commands, one a line. @returns what it printed */
export const edbrowse = async (
  t: TestContext,
  commands: string[],
  settings: string[] = [],
): Promise<string> => {
  const folder = scratch(t)
  writeFileSync(home(folder, '.ebrc'), [...settings, `jar = ${home(folder, 'jar')}`, ''].join('\n'))
  const browser = spawn('edbrowse', [], { env: { ...process.env, HOME: folder, LC_ALL: 'C.UTF-8' } })
  atEnd(t, () => browser.kill())
  let printed = ''
  for (const stream of [browser.stdout, browser.stderr]) stream.on('data', (octets) => (printed += octets))
  browser.stdin.end(`${commands.join('\n')}\n`)
  await until('edbrowse to end', () =>
    browser.exitCode === null && browser.signalCode === null ? null : true,
  )
  return flat(printed)
}

// ---- browsers with windows, on a screen of their own

/** NetSurf and Dillo say nothing to other programs: what they show is looked up on the screen by its colours. */
export class Screen {
  readonly #display: string
  readonly #home: string
  readonly #size: { width: number; height: number }
  readonly #keysOf: (text: string) => string[][]

  private constructor(
    display: string,
    folder: string,
    size: { width: number; height: number },
    keysOf: (text: string) => string[][],
  ) {
    this.#display = display
    this.#home = folder
    this.#size = size
    this.#keysOf = keysOf
  }

  static async open(t: TestContext, name: 'netsurf-fb' | 'dillo', address: string): Promise<Screen> {
    const folder = scratch(t)
    const size = name === 'dillo' ? { width: 480, height: 640 } : { width: 240, height: 320 }
    const { width, height } = size
    const server = spawn(
      'Xvfb',
      ['-displayfd', '3', '-screen', '0', `${width}x${height}x24`, '-nolisten', 'tcp'],
      {
        stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
      },
    )
    atEnd(t, () => server.kill())
    let number = ''
    ;(server.stdio[3] as NodeJS.ReadableStream).on('data', (octets) => (number += octets))
    await until('a screen', () => (number.endsWith('\n') ? true : null))
    const display = `:${number.trim()}`
    const environment = { ...process.env, HOME: folder, DISPLAY: display, LC_ALL: 'C.UTF-8' }
    const netsurf = ['-f', 'x', '-b', '32', '-w', `${width}`, '-h', `${height}`]
    if (name === 'dillo') {
      mkdirSync(home(folder, '.dillo'))
      writeFileSync(home(folder, '.dillo', 'cookiesrc'), 'DEFAULT ACCEPT\n')
      writeFileSync(
        home(folder, '.dillo', 'dillorc'),
        'show_tabs=NO\npanel_size=tiny\nsmall_icons=YES\nbg_color=0xffffff\n',
      )
    }
    const words = name === 'dillo' ? ['-g', `${width}x${height}+0+0`] : netsurf
    const browser = spawn(name, [...words, address], { env: environment, stdio: 'ignore' })
    atEnd(t, () => browser.kill('SIGKILL'))
    // NetSurf's own keyboard is a British one: the at sign is elsewhere.
    const keysOf = (text: string) =>
      name === 'dillo'
        ? [['type', '--delay', '30', '--', text]]
        : text
            .split(/(@)/)
            .map((each) =>
              each === '@' ? ['key', 'shift+apostrophe'] : ['type', '--delay', '60', '--', each],
            )
    return new Screen(display, folder, size, keysOf)
  }

  async #tool(program: string, ...words: string[]): Promise<Buffer> {
    const env = { ...process.env, DISPLAY: this.#display, HOME: this.#home }
    const { stdout } = await run(program, words, { env, encoding: 'buffer', maxBuffer: 1 << 26 })
    return stdout
  }

  async type(text: string) {
    for (const words of this.#keysOf(text)) await this.#tool('xdotool', ...words)
  }

  async keys(...keys: string[]) {
    for (const key of keys) await this.#tool('xdotool', 'key', key)
  }

  async click({ x, y }: { x: number; y: number }) {
    await this.#tool('xdotool', 'mousemove', `${x}`, `${y}`)
    await this.#tool('xdotool', 'click', '1')
  }

  #picture = () => this.#tool('import', '-window', 'root', '-depth', '8', 'rgb:-')

  /** Does what leads to another page, and waits until the screen shows another picture, and keeps it. */
  async leads(act: () => Promise<unknown>) {
    let last = await this.#picture()
    const before = last
    await act()
    await until('another page on the screen', async () => {
      await sleep(200)
      const now = await this.#picture()
      const isSettled = now.equals(last) && !now.equals(before)
      last = now
      return isSettled ? true : null
    })
  }

  /** Waits for a run of so many cells of a colour under the browser's own bars. @returns where it begins, from the top */
  async find(wanted: string, width: number, isColour: (r: number, g: number, b: number) => boolean) {
    return until(wanted, async () => {
      const octets = await this.#picture()
      for (let y = 32; y < this.#size.height - 24; y += 1) {
        let length = 0
        for (let x = 0; x < this.#size.width - 20; x += 1) {
          const at = 3 * (y * this.#size.width + x)
          length = isColour(octets[at]!, octets[at + 1]!, octets[at + 2]!) ? length + 1 : 0
          if (length === width) return { x: x - width + 1, y }
        }
      }
      return null
    })
  }

  /** The first link below the navigation, by its blue. */
  link = () => this.find('a link', 5, (r, g, b) => r < 60 && g < 60 && b > 200)
  /** The first field, by its frame. */
  field = () =>
    this.find(
      'a field',
      120,
      (r, g, b) => Math.max(r, g, b) < 140 && Math.max(r, g, b) - Math.min(r, g, b) < 20,
    )
}
