/** The arrows between modules, held to what the design says of them, and the ids that code and tests cite. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, normalize, relative } from 'node:path'
import { test } from 'node:test'
import { parse } from '@babel/parser'
import { root } from '../support/places.ts'

type Import = { from: string; to: string; typeOnly: boolean; names: string }

const imports: Import[] = ['server', 'web', 'tui'].flatMap((folder) => {
  let files: string[] = []
  try {
    files = readdirSync(join(root, folder), { recursive: true }).map(String)
  } catch {} // the folder is not there yet
  return files
    .filter((file) => /\.tsx?$/.test(file))
    .flatMap((file) => {
      const from = join(folder, file)
      const source = readFileSync(join(root, from), 'utf8')
      const found = source.matchAll(
        /^(?:import|export)\s+(type\s+)?([^'";]*?)\s*from\s+'([^']+)'|\bimport\('([^']+)'\)/gm,
      )
      return [...found].map(([, type, names = '', target, dynamic]) => {
        const to = target ?? dynamic!
        const local = to.startsWith('.') ? normalize(join(dirname(from), to)) : to
        const each = names
          .replace(/[{}]/g, '')
          .split(',')
          .map((name) => name.trim())
          .filter(Boolean)
        return {
          from,
          to: local,
          names,
          typeOnly: Boolean(type) || (each.length > 0 && each.every((name) => name.startsWith('type '))),
        }
      })
    })
})

const serverFiles = readdirSync(join(root, 'server'), { recursive: true })
  .map((file) => join('server', String(file)))
  .filter((file) => file.endsWith('.ts'))

const values = imports.filter(({ typeOnly }) => !typeOnly)

test('The test of the arrows sees arrows', () => {
  assert.ok(
    imports.some(
      ({ from, to, typeOnly }) => from === 'web/mail/message.tsx' && to.startsWith('server/') && typeOnly,
    ),
  )
  assert.ok(values.length > 50)
})

/**
 * What each room of the server may use. The files that lie beside the rooms use all of them, and `main` opens them;
 * commands are called by one of these files, and use the others.
 */
const rooms: Record<string, string[]> = {
  ground: [],
  contract: ['ground'],
  people: ['ground'],
  locked: ['contract', 'ground'],
  keys: ['people', 'locked', 'ground'],
  mail: ['keys', 'people', 'locked', 'ground'],
  files: ['mail', 'keys', 'people', 'locked', 'ground'],
  doors: ['files', 'mail', 'keys', 'people', 'locked', 'contract', 'ground'],
  commands: ['doors', 'files', 'mail', 'keys', 'people', 'contract', 'locked', 'ground', 'beside'],
}
const roomOf = (file: string) => file.match(/^server\/(\w+)\//)?.[1]

test('Arrows between the rooms of the server run downwards, those of types too', () => {
  const inRooms = imports.filter(({ from, to }) => roomOf(from) && to.startsWith('server/'))
  assert.ok(inRooms.length > 200)
  const upwards = inRooms
    .filter(
      ({ from, to }) =>
        roomOf(from) !== roomOf(to) && !rooms[roomOf(from)!]!.includes(roomOf(to) ?? 'beside'),
    )
    .map(({ from, to }) => `${from} > ${to}`)
  // What main makes and closes is handed to the doors as one.
  assert.deepEqual(
    upwards.filter((arrow) => !/^server\/doors\/.* > server\/services\.ts$/.test(arrow)),
    [],
  )
})

test('What works with keys and hostile mail is locked away: others load its face alone', () => {
  const within = values.filter(
    ({ from, to }) => roomOf(from) !== 'locked' && /^server\/locked\/(vault|reader)\//.test(to),
  )
  // Files of mail are split and dated by a command, which reads them as the person who calls it.
  assert.deepEqual(
    within.map(({ from, to }) => `${from} > ${to}`),
    ['server/mail/mail-files.ts > server/locked/reader/headers.ts'],
  )
})

test('The full client and the line mode know nothing of each other', () => {
  const across = imports.filter(
    ({ from, to }) =>
      (from.startsWith('tui/full/') && to.startsWith('tui/plain')) ||
      (from.startsWith('tui/plain') && to.startsWith('tui/full/')),
  )
  assert.deepEqual(across, [])
})

/** A sentence for people compared with another one, or searched for words. That there is none may be asked. */
const byWording =
  /(?:\.message|\b(?:problem|sentence))\b\s*(?:[!=]==(?!\s*(?:''|null\b|undefined\b))|\.(?:includes|startsWith|endsWith|match|search|indexOf)\()|\.test\([^()]*\b(?:message|problem|sentence)\)/

test('Nothing in the terminal client is decided by the wording of a sentence', () => {
  for (const wrong of [
    'if (top.problem === notKept) leave()',
    'problem.includes(word)',
    '/wrong/.test(error.message)',
  ])
    assert.match(wrong, byWording)
  const deciding = readdirSync(join(root, 'tui'), { recursive: true })
    .map((file) => join('tui', String(file)))
    .filter((file) => /\.tsx?$/.test(file))
    .flatMap((file) =>
      readFileSync(join(root, file), 'utf8')
        .split('\n')
        .filter((line) => byWording.test(line))
        .map((line) => `${file}: ${line.trim()}`),
    )
  assert.deepEqual(deciding, [])
})

test('Pages and terminal client import the server by type only, but for the contract, and what is refused and why', () => {
  const words = ['server/ground/reasons.ts', 'server/ground/refusal.ts']
  assert.deepEqual(
    values.filter(
      ({ from, to }) =>
        /^(web|tui)\//.test(from) &&
        to.startsWith('server/') &&
        roomOf(to) !== 'contract' &&
        !(from.startsWith('web/') && words.includes(to)),
    ),
    [],
  )
})

test('The contract leads nowhere but to the limits and the codes of what is refused, and its clients do not load the limits', () => {
  const beneath = imports.filter(({ from, to }) => roomOf(from) === 'contract' && roomOf(to) !== 'contract')
  assert.deepEqual(beneath.map(({ from, to }) => `${from} > ${to}`).sort(), [
    'server/contract/calls.ts > node:util',
    'server/contract/problems.ts > server/ground/refusal-codes.ts',
    'server/contract/requests.ts > server/ground/limits.ts',
    'server/contract/requests.ts > zod',
  ])
  const parsing = values.filter(({ to }) => to === 'server/contract/requests.ts').map(({ from }) => from)
  assert.deepEqual(parsing, ['server/locked/api-bodies.ts'])
})

test('The terminal client knows the server by its contract alone, by type too', () => {
  const beyond = imports.filter(
    ({ from, to }) =>
      from.startsWith('tui/') && to.startsWith('server/') && !to.startsWith('server/contract/'),
  )
  assert.deepEqual(beyond, [])
})

test('A page says what it needs, and knows nothing of all that the server makes', () => {
  const bags = imports.filter(
    ({ from, to }) => from.startsWith('web/') && /^server\/(services|main)\.ts$/.test(to),
  )
  assert.deepEqual(bags, [])
})

test('A page is drawn from plain data: all was asked before', () => {
  const drawing = 'web/document.tsx'
  const asks = imports.filter(({ from, to }) => from === drawing && /^web\/(frame|visit)\.tsx?$/.test(to))
  assert.deepEqual(asks, [])
  assert.doesNotMatch(readFileSync(join(root, drawing), 'utf8'), /\b(?:async|await|needs)\b|\bclock\(/)
})

test('Only the entry of the web server imports pages, and those which put them out', () => {
  const outside = imports.filter(({ from, to }) => from.startsWith('server/') && to.startsWith('web/'))
  const from = [...new Set(outside.map((each) => each.from))].sort()
  assert.deepEqual(from, [
    'server/doors/handsets.ts',
    'server/doors/put-out.ts',
    'server/doors/web-server.ts',
  ])
})

test('No page knows in which markup it goes out', () => {
  const knowing = imports.filter(
    ({ from, to }) => /^web\/languages\//.test(to) && !/^(web\/languages|server\/doors)\//.test(from),
  )
  assert.deepEqual(knowing, [])
})

test('No module imports, by whatever way round, one that imports it, not even its types', () => {
  const arrows = new Map<string, string[]>()
  for (const { from, to } of imports.filter(({ to: target }) => /^(server|web|tui)\//.test(target)))
    arrows.set(from, [...(arrows.get(from) ?? []), to])
  const clear = new Set<string>()
  const visit = (file: string, way: string[]): void => {
    assert.ok(!way.includes(file), `circle: ${[...way, file].join(' > ')}`)
    if (clear.has(file)) return
    for (const next of arrows.get(file) ?? []) visit(next, [...way, file])
    clear.add(file)
  }
  for (const file of arrows.keys()) visit(file, [])
})

test('Only the vault touches OpenPGP secret keys, and only the child process opens its one door', () => {
  const secretFunctions =
    /\b(decryptKey|encryptKey|generateKey|readPrivateKeys?|decryptSessionKeys|reformatKey|PrivateKey)\b/
  const users = serverFiles
    .filter((file) => !file.startsWith('server/locked/vault/'))
    .filter((file) => {
      const source = readFileSync(join(root, file), 'utf8')
      return /from 'openpgp'/.test(source) && secretFunctions.test(source)
    })
  assert.deepEqual(users, [])
  const doors = values
    .filter(({ from, to }) => /^server\/locked\/vault\//.test(to) && !/^server\/locked\/vault\//.test(from))
    .map(({ from, to }) => `${from} > ${to}`)
  assert.deepEqual(doors, ['server/locked/child.ts > server/locked/vault/secret-keys.ts'])
  // What reads hostile mail is lent keys, and knows nothing of where they lie.
  const lent = imports.filter(({ from, to }) => /\/reader\//.test(from) && /\/vault\//.test(to))
  assert.deepEqual(lent, [])
})

test('The web process loads neither the OpenPGP library nor the code that reads mail', () => {
  const reached = new Set<string>()
  const visit = (file: string): void => {
    if (reached.has(file)) return
    reached.add(file)
    for (const { to } of values.filter(({ from }) => from === file)) visit(to)
  }
  visit('server/main.ts')
  for (const module of ['openpgp', 'postal-mime', 'iconv-lite', 'saxes'])
    assert.ok(!reached.has(module), module)
  assert.deepEqual(
    [...reached].filter((file) => /^server\/locked\/(vault|reader)\//.test(file)),
    [],
  )
})

test('The process of the SSH door has no way to the database, the server secret or a key', () => {
  const reached = new Set<string>()
  const visit = (file: string): void => {
    if (reached.has(file)) return
    reached.add(file)
    for (const { to } of values.filter(({ from }) => from === file)) visit(to)
  }
  visit('server/doors/ssh/door.ts')
  assert.ok(reached.has('server/doors/ssh/connection.ts'))
  assert.ok(reached.has('server/doors/ssh/sftp/sftp.ts'))
  assert.deepEqual(
    [...reached].filter((file) => /^server\/(keys|mail|locked|ground\/(store|server-secret))/.test(file)),
    [],
  )
  // What holds connections and runs clients is asked over IPC, and started by one file.
  const within = values.filter(
    ({ from, to }) => to.startsWith('server/doors/ssh/') && !from.startsWith('server/doors/ssh/'),
  )
  assert.deepEqual(within, [])
})

test('Each table has one module that writes to it', () => {
  const database = readFileSync(join(root, 'server/ground/store/tables.ts'), 'utf8')
  const owners = new Map<string, string>()
  let owner = ''
  for (const line of database.split('\n')) {
    owner = line.match(/^\/\/ ---- owner: (\S+)/)?.[1] ?? owner
    const table = line.match(/^export const (\w+) = table\(/)?.[1]
    if (table) owners.set(table, owner)
  }
  assert.ok(owners.size > 10)
  // `open` takes back times that a clock wrote, in all tables, while nobody serves.
  const strays = serverFiles
    .filter((file) => file !== 'server/ground/store/open.ts')
    .flatMap((path) => {
      const file = basename(path)
      const written = readFileSync(join(root, path), 'utf8').matchAll(/\.(?:insert|update|delete)\((\w+)\)/g)
      return [...written]
        .map(([, table]) => ({ file, table: table! }))
        .filter(({ table }) => owners.has(table) && owners.get(table) !== file)
    })
  // The stopped holder is told in the transaction that stops it, and its notice taken back in the one that grants.
  assert.deepEqual(
    strays.filter(({ file, table }) => !(file === 'allowances.ts' && table === 'sessions')),
    [],
  )
})

for (const [dialect, folder, database] of [
  ['sqlite', 'migrations', ''],
  ['postgresql', 'migrations/postgres', 'postgres://any/any'],
] as const)
  test(`The migrations of ${dialect} are those of the tables: the next one would be empty`, () => {
    const out = mkdtempSync(join(tmpdir(), 'wafer-migrations-'))
    try {
      cpSync(join(root, folder), out, { recursive: true })
      const tables = join(root, 'server/ground/store/tables.ts')
      const options = ['generate', '--dialect', dialect, '--schema', tables, '--out', relative(root, out)]
      const said = execFileSync(join(root, 'node_modules/.bin/drizzle-kit'), options, {
        encoding: 'utf8',
        cwd: root,
        env: { ...process.env, WAFER_DATABASE: database },
      })
      assert.match(said, /No schema changes/)
    } finally {
      rmSync(out, { recursive: true, force: true })
    }
  })

test('What only one engine knows is asked in the store alone', () => {
  const engines = /^(better-sqlite3|pg|drizzle-orm\/(sqlite|pg|better-sqlite3|node-postgres)\b.*)$/
  const strays = imports
    .filter(({ from, to }) => engines.test(to) && !from.startsWith('server/ground/store/'))
    .map(({ from, to }) => `${from} > ${to}`)
  assert.deepEqual(strays, [
    // Copies of files, and a lock that the operating system takes back: of the embedded engine, and of no table.
    'server/backup.ts > better-sqlite3',
    'server/ground/serving-lock.ts > better-sqlite3',
  ])
})

/** Where a number is none: units, settings, years, zones of time, digits of a code; and what clients load without the rest. */
const numbersThatAreNone: [file: string, line: RegExp][] = [
  [
    'server/ground/config.ts',
    /^const unit|is not a port number|port\.default|^const usualSshPort|argon2:|smimeFileLimit \/ 1024 \/ 1024/,
  ],
  ['server/ground/reasons.ts', /octets (<|\/) 1024/],
  ['server/locked/reader/key-files.ts', /keyFileLimit \/ 1024 \/ 1024/],
  ['server/locked/reader/cms-writing.ts', /getUTCFullYear\(\) < 2050/],
  ['server/locked/vault/pkcs12.ts', /pkcs12Limits\.octets \/ 1024 \/ 1024/],
  ['server/doors/begin-visit.ts', /^const yearS/],
  ['server/contract/replies.ts', /^const quoteLimit/],
  ['server/keys/decoys.ts', /^const (hour|day)Ms|getTimezoneOffset/],
  ['server/keys/approvals.ts', /padStart\(6/],
  ['server/locked/reader/headers.ts', /year|offset \* 60_000/],
]

test('A limit is written once, in limits.ts: no other file of the server has a large number or one that bounds', () => {
  const isNumber = (node: Node | undefined): boolean =>
    node?.type === 'NumericLiteral' ||
    (node?.type === 'BinaryExpression' && isNumber(node.left) && isNumber(node.right))
  const strays = serverFiles
    .filter((file) => file !== 'server/ground/limits.ts')
    .flatMap((file) => {
      const source = readFileSync(join(root, file), 'utf8')
      const lines = new Set<number>()
      const look = (node: Node, around: Node | null): void => {
        // Seconds and milliseconds become one another by a thousand.
        const isUnit = node.value === 1000 && around?.type === 'BinaryExpression' && !isNumber(around)
        if (
          node.type === 'NumericLiteral' &&
          (node.value as number) >= 1000 &&
          !isUnit &&
          !node.extra!.raw.startsWith('0x')
        )
          lines.add(node.loc.start.line)
        const name = node.id?.name ?? node.key?.name ?? ''
        if (/(Limit|Ms|AtOnce|WindowS)$/.test(name) && isNumber(node.init ?? (node.value as Node)))
          lines.add(node.loc.start.line)
        for (const inner of Object.values(node).flat())
          if (typeof (inner as Node | null)?.type === 'string') look(inner as Node, node)
      }
      look(parse(source, { sourceType: 'module', plugins: ['typescript'] }).program as unknown as Node, null)
      return [...lines].map((line) => ({ file, line: source.split('\n')[line - 1]!.trim() }))
    })
    .filter(
      ({ file, line }) => !numbersThatAreNone.some(([where, what]) => where === file && what.test(line)),
    )
  assert.deepEqual(strays, [])
})

/** As much of a syntax tree as is looked at. */
type Node = {
  type: string
  loc: { start: { line: number } }
  value?: unknown
  extra?: { raw: string }
  id?: { name?: string }
  key?: { name?: string }
  init?: Node
  left?: Node
  right?: Node
}

/** What comments and the names of tests say: there an S2000 is an id, and not a part of somebody's data. */
const cited = (source: string): string =>
  [...source.matchAll(/^\s*(?:\/?\*|\/\/).*|\s\/\/ .*|\btest\(\s*(['"`]).*?\1/gm)]
    .map(([said]) => said)
    .join('\n')

test('Each id that code and tests cite is a line of docs/behaviours.md', () => {
  const defined = new Set<string>()
  for (const [, cell] of readFileSync(join(root, 'docs/behaviours.md'), 'utf8').matchAll(
    /^\| ([A-Z][^|]*) \|/gm,
  ))
    for (const [, letters, from, to] of cell!.matchAll(/([A-Z]{1,2})(\d*)(?:-[A-Z](\d+))?/g))
      if (!from) defined.add(letters!)
      else
        for (let number = Number(from); number <= Number(to ?? from); number += 1)
          defined.add(`${letters}${number}`)
  const unknown = ['server', 'web', 'tui', 'test'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true })
      .map((file) => join(folder, String(file)))
      .filter((file) => /\.tsx?$/.test(file))
      .flatMap((file) => {
        const said = cited(readFileSync(join(root, file), 'utf8'))
        const rows = said.match(/\b(S\d{4}|[BCDFP]\d{1,2})\b/g) ?? []
        const cases = (said.match(/\b[A-Z]{2}-\d\d\b/g) ?? []).map((each) => each.slice(0, 2))
        return [...rows, ...cases].filter((id) => !defined.has(id)).map((id) => `${file}: ${id}`)
      }),
  )
  assert.deepEqual(unknown, [])
  assert.match(cited("test('S2000: …', () => {})\n// B13 says so"), /S2000.+B13/s)
})
