/**
 * How fast the terminal client is in a folder of 100,000 mails, beside aerc and neomutt with a Maildir of as many, in
 * one run and in the same terminal of 80x24: a pty whose other end counts octets. `npm run bench`; read the ratios.
 */

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sqliteOf } from '../support/sqlite.ts'
import { password, World } from '../support/world.ts'

const ann = 'ann@wafer.test'
const mails = Number(process.env.BENCH_MAILS ?? 100_000)
const keys = 60
const patienceMs = 180_000
/** Nothing was written for so long: the picture is done. */
const quietMs = 120

const percentile = (numbers: number[], part: number) =>
  numbers.toSorted((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(numbers.length * part))]!

/** A program in a terminal: what it writes is counted and timed. */
class Screen {
  readonly #process: ChildProcess
  #text = ''
  #octets = 0
  #lastAt = 0

  constructor(command: string[], environment: Record<string, string>) {
    const words = command.map((word) => `'${word}'`).join(' ')
    // script(1) opens the pty; its size is what stty says.
    const inner = `stty rows 24 columns 80; exec ${words}`
    this.#process = spawn('script', ['-q', '-f', '-c', inner, '/dev/null'], {
      env: { ...process.env, SHELL: '/bin/sh', TERM: 'xterm-256color', LC_ALL: 'C.UTF-8', ...environment },
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    this.#process.stdout!.on('data', (octets: Buffer) => {
      this.#text = (this.#text + octets.toString('latin1')).slice(-100_000)
      this.#octets += octets.length
      this.#lastAt = performance.now()
    })
  }

  /** Writes a key. @returns milliseconds until the last octet of what it led to, and how many these were */
  async press(key: string): Promise<{ ms: number; octets: number }> {
    await this.#quiet()
    const from = performance.now()
    this.#octets = 0
    this.#lastAt = 0
    this.#process.stdin!.write(key)
    for (const end = from + 5_000; this.#lastAt === 0 && performance.now() < end; ) await sleep(1)
    await this.#quiet()
    return { ms: this.#lastAt - from, octets: this.#octets }
  }

  /** Milliseconds until all of it was drawn and the screen is quiet, from a time. */
  async shows(wanted: RegExp, from: number): Promise<number> {
    for (;;) {
      const bare = this.#text.replace(
        /\x1b(?:\[[0-9;?]*[a-zA-Z]|\][^\x07\x1b]*(?:\x07|\x1b\\)|\([A-Z0-9])/g,
        '',
      )
      if (wanted.test(bare)) break
      if (performance.now() - from > patienceMs)
        throw new Error(`expected ${wanted}, got ${bare.slice(-400)}`)
      await sleep(2)
    }
    const at = this.#lastAt
    return at - from
  }

  forget() {
    this.#text = ''
  }

  async #quiet() {
    while (performance.now() - this.#lastAt < quietMs) await sleep(5)
  }

  type(text: string) {
    this.#process.stdin!.write(text)
  }

  /** Resident memory of the program, in MB. */
  get memory(): number {
    const pid = execFileSync('ps', ['-o', 'pid=', '--ppid', `${this.#process.pid}`], {
      encoding: 'utf8',
    }).trim()
    const [, kB] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!
    return Number(kB) / 1024
  }

  async end(key: string) {
    const isOver = new Promise((resolve) => this.#process.once('exit', resolve))
    this.type(key)
    await Promise.race([isOver, sleep(5_000)])
    this.#process.kill('SIGKILL')
  }
}

/** The median of some starts, each from nothing to the picture that is looked for. */
const starts = async (
  command: string[],
  environment: Record<string, string>,
  wanted: RegExp,
  quit: string,
) => {
  const times: number[] = []
  for (let n = 0; n < 7; n += 1) {
    const began = performance.now()
    const screen = new Screen(command, environment)
    times.push(await screen.shows(wanted, began))
    await screen.end(quit)
  }
  return percentile(times, 0.5)
}

type Measured = {
  frame: number
  list: number
  key: number[]
  keyOctets: number[]
  page: number[]
  pageOctets: number[]
  last: number
  memory: number
}

/** Moves through the folder: down a page's worth and on, some pages, to the end of 100,000. */
const moves = async (
  screen: Screen,
  { down, page, end, last }: { down: string; page: string; end: string; last: RegExp },
) => {
  const key: number[] = []
  const keyOctets: number[] = []
  const pages: number[] = []
  const pageOctets: number[] = []
  for (let n = 0; n < keys; n += 1) {
    const { ms, octets } = await screen.press(down)
    key.push(ms)
    keyOctets.push(octets)
  }
  for (let n = 0; n < 15; n += 1) {
    const { ms, octets } = await screen.press(page)
    pages.push(ms)
    pageOctets.push(octets)
  }
  screen.forget()
  const from = performance.now()
  screen.type(end)
  const toLast = await screen.shows(last, from)
  await screen.press(down)
  return { key, keyOctets, page: pages, pageOctets, last: toLast, memory: screen.memory }
}

/** Without spaces: a program may as well move the cursor. */
const subject = (n: number) => `Boat-${n}.`

const maildir = (folder: string) => {
  for (const part of ['cur', 'new', 'tmp']) mkdirSync(join(folder, part), { recursive: true })
  const now = Date.now()
  for (let n = 0; n < mails; n += 1) {
    const date = new Date(now - n * 1000)
    writeFileSync(
      join(folder, 'cur', `${Math.floor(date.getTime() / 1000)}.${n}.bench:2,S`),
      `From: Bob <bob@elsewhere.test>\nTo: ${ann}\nSubject: ${subject(n)}\nDate: ${date.toUTCString()}\nMessage-ID: <${n}@bench.test>\n\nHello.\n`,
    )
  }
}

const folder = mkdtempSync(join(tmpdir(), 'wafer-bench-'))
const results: Record<string, Measured> = {}
const server = new World({})
try {
  await server.start()
  const user = await server.addUser(ann, { key: false })
  const inbox = await server.services.mailboxes.fixedFolder(user.id, 'inbox')
  const sqlite = sqliteOf(server.services.db)
  const insert =
    sqlite.prepare(`INSERT INTO messages (user_id, folder_id, arrived_at, sender, recipients, subject, size, seen, attachments, security)
    VALUES (${user.id}, ${inbox.id}, ?, 'Bob <bob@elsewhere.test>', '${ann}', ?, 2000, 1, 0, 'plain')`)
  sqlite.transaction(() => {
    for (let n = 0; n < mails; n += 1) insert.run(Date.now() - n * 1000, subject(n))
  })()

  const wafer = join(import.meta.dirname, '..', '..', 'dist', 'wafer.js')
  const client = [process.execPath, wafer, 'tui', '--server', server.url]
  for (let round = 0; round < 2; round += 1) {
    // The first round fills the caches of all; the second is measured.
    const screen = new Screen(client, {})
    await screen.shows(/Password:/, performance.now())
    await screen.press(`${ann}\r`)
    const from = performance.now()
    screen.type(`${password}\r`)
    const list = await screen.shows(/Boat-0\./, from)
    await sleep(1000)
    const last = new RegExp(`Boat-${mails - 1}\\.`)
    results.wafer = { frame: 0, list, ...(await moves(screen, { down: 'j', page: ' ', end: 'G', last })) }
    await screen.end('Q')
  }
  results.wafer!.frame = await starts(client, {}, /Password:/, '\x03')

  const isThere = (program: string) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
  const peers = ['aerc', 'neomutt'].filter(isThere)
  for (const program of ['aerc', 'neomutt'])
    if (!peers.includes(program))
      console.log(`${program} is not measured: install it with apt-get install ${program}.`)
  if (peers.length > 0) maildir(join(folder, 'mail', 'INBOX'))
  const home = {
    HOME: folder,
    XDG_CONFIG_HOME: join(folder, 'config'),
    XDG_CACHE_HOME: join(folder, 'cache'),
  }
  mkdirSync(join(folder, 'config', 'aerc'), { recursive: true })
  mkdirSync(join(folder, 'cache'), { recursive: true })
  writeFileSync(
    join(folder, 'config', 'aerc', 'accounts.conf'),
    `[bench]\nsource = maildir://${join(folder, 'mail')}\ndefault = INBOX\nfrom = Ann <${ann}>\n`,
    { mode: 0o600 },
  )
  writeFileSync(
    join(folder, 'neomuttrc'),
    [
      `set folder=${join(folder, 'mail')} spoolfile=+INBOX mbox_type=Maildir`,
      `set header_cache=${join(folder, 'cache')} sort=reverse-date check_new=no`,
      'bind index j next-entry\nbind index " " next-page\nbind index G last-entry',
      '',
    ].join('\n'),
  )
  const commands: Record<string, { command: string[]; frame: RegExp; page: string; quit: string }> = {
    aerc: { command: ['aerc'], frame: /bench|INBOX/, page: '\x06', quit: ':quit\r' },
    neomutt: {
      command: ['neomutt', '-F', join(folder, 'neomuttrc')],
      frame: /Quit|Boat/,
      page: ' ',
      quit: 'q',
    },
  }
  for (const peer of peers) {
    const { command, frame, page, quit } = commands[peer]!
    for (let round = 0; round < 2; round += 1) {
      const began = performance.now()
      const screen = new Screen(command, home)
      try {
        const list = await screen.shows(/Boat-0\./, began)
        await sleep(1000)
        const last = new RegExp(`Boat-${mails - 1}\\.`)
        results[peer] = { frame: 0, list, ...(await moves(screen, { down: 'j', page, end: 'G', last })) }
      } finally {
        await screen.end(quit)
      }
    }
    results[peer]!.frame = await starts(command, home, frame, quit)
  }

  const figures: [string, (measured: Measured) => number, string, number | null][] = [
    ['start to first frame', ({ frame }) => frame, 'ms', 300],
    ['to the drawn list', ({ list }) => list, 'ms', null],
    ['key to redraw, p50', ({ key }) => percentile(key, 0.5), 'ms', 16],
    ['key to redraw, p95', ({ key }) => percentile(key, 0.95), 'ms', 33],
    ['octets a move, p50', ({ keyOctets }) => percentile(keyOctets, 0.5), '', 400],
    ['page turn, p50', ({ page }) => percentile(page, 0.5), 'ms', null],
    ['octets a page, p50', ({ pageOctets }) => percentile(pageOctets, 0.5), '', 2500],
    ['to the last mail', ({ last }) => last, 'ms', null],
    ['memory', ({ memory }) => memory, 'MB', 100],
  ]
  const size = statSync(join(import.meta.dirname, '..', '..', 'dist', 'tui.js')).size
  console.log(`\n${mails} mails, 80x24; wafer's bundle has ${Math.round(size / 1000)} KB (600 at most)`)
  const names = Object.keys(results)
  const others = names.filter((name) => name !== 'wafer')
  const head = ['what', 'wafer', 'at most', ...others, ...others.map((name) => `wafer / ${name}`)]
  const table = figures.map(([what, of, unit, most]) => {
    const ours = of(results.wafer!)
    const theirs = others.map((name) => of(results[name]!))
    const said = (number: number) => `${number < 10 ? number.toFixed(1) : Math.round(number)} ${unit}`.trim()
    return [
      what,
      said(ours),
      most === null ? '' : said(most),
      ...theirs.map(said),
      ...theirs.map((their) => (ours / their).toFixed(2)),
    ]
  })
  const wide = head.map((_, place) => Math.max(...[head, ...table].map((row) => row[place]!.length)))
  for (const row of [head, ...table])
    console.log(
      row.map((cell, place) => (place ? cell.padStart(wide[place]!) : cell.padEnd(wide[place]!))).join('  '),
    )
  console.log('To the drawn list: wafer from Enter at the log-in, the others from their start.')
} finally {
  await server.end()
  rmSync(folder, { recursive: true, force: true })
}
