/**
 * The commands where the database is PostgreSQL's, and the way from one engine to the other and back: the real program, a
 * real PostgreSQL. Needs the bundle (npm run build).
 */
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { postgres } from '../support/a-postgres.ts'
import { wafer } from '../support/places.ts'
import { postgresFolder } from '../support/postgres.ts'
import { publicKeyLine } from '../support/ssh.ts'
import { passphrase, password, Terminal } from '../support/world.ts'

const ann = 'ann@example.org'
const ben = 'ben@example.org'

const compiled = mkdtempSync(join(tmpdir(), 'wafer-compiled-'))
after(() => rmSync(compiled, { recursive: true, force: true }))

type Outcome = { code: number | null; out: string; err: string }

/** A data folder, a database, and the commands on them. */
class Place {
  readonly folder = mkdtempSync(join(tmpdir(), 'wafer-copies-'))
  readonly data: string
  readonly database: string | null

  constructor(t: TestContext, { database = null, data }: { database?: string | null; data?: string } = {}) {
    t.after(() => rmSync(this.folder, { recursive: true, force: true }))
    this.data = data ?? join(this.folder, 'data')
    this.database = database
  }

  get env(): Record<string, string> {
    return {
      PATH: process.env.PATH ?? '',
      NODE_COMPILE_CACHE: compiled, // it is the same program each time
      WAFER_DATA: this.data,
      WAFER_PORT: '0',
      WAFER_SMTP_PORT: '0',
      WAFER_SSH_PORT: 'off',
      ...(this.database && { WAFER_DATABASE: this.database }),
    }
  }

  file(name: string, content: string | Uint8Array): string {
    const path = join(this.folder, name)
    writeFileSync(path, content)
    return path
  }

  run(words: string[], input = ''): Outcome {
    const { status, stdout, stderr } = spawnSync(process.execPath, [wafer, ...words], {
      input,
      env: this.env,
      encoding: 'utf8',
      maxBuffer: Number.POSITIVE_INFINITY,
    })
    return { code: status, out: stdout, err: stderr }
  }

  /** The same for what has to go well. */
  did(words: string[], input = ''): string {
    const { code, out, err } = this.run(words, input)
    assert.equal(`${code} ${err}`, '0 ', words.join(' '))
    return out
  }

  start(words: string[]): ChildProcess & { printed: () => string } {
    const child = spawn(process.execPath, [wafer, ...words], { env: this.env })
    let printed = ''
    child.stdout.on('data', (text) => (printed += text))
    child.stderr.on('data', (text) => (printed += text))
    return Object.assign(child, { printed: () => printed })
  }

  /** Works with a server, which then stops. */
  async served<T>(work: (address: string) => Promise<T>): Promise<T> {
    const child = this.start(['serve'])
    try {
      await until(() => {
        assert.equal(child.exitCode, null, child.printed())
        return /Mail comes in on .*\n/.test(child.printed())
      })
      return await work(child.printed().match(/^Wafer listens on (\S+)$/m)![1]!)
    } finally {
      const ended = once(child, 'exit')
      if (child.exitCode === null && child.kill('SIGTERM')) await ended
    }
  }
}

const until = async (holds: () => boolean | Promise<boolean>) => {
  while (!(await holds())) await pause(20)
}

const failed = ({ code, err }: Outcome, wanted: RegExp, wantedCode = 1) => {
  assert.match(err, /^wafer: [^\n]+\n$/)
  assert.match(err, wanted)
  assert.equal(code, wantedCode)
}

const mail = (subject: string, body: string) =>
  `From: Yamada <yamada@example.net>\r\nTo: ${ann}\r\nSubject: ${subject}\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n` +
  `Content-Type: text/plain; charset=utf-8\r\n\r\n${body}\r\n`

/** Ann with a key and Ben, with mail of each kind in their mailboxes. */
const inhabit = (place: Place) => {
  place.did(['user', 'add', ann, '--name', 'Ann', '--password-stdin'], `${password}\n`)
  place.did(['user', 'add', ben, '--password-stdin'], `${password}\n`)
  place.did(['key', 'generate', ann, '--passphrase-stdin'], `${passphrase}\n`)
  const files = [
    place.file('tokyo.eml', mail('The weather', '東京の天気は晴れ、naïveté costs nothing')),
    place.file('nul.eml', mail('Odd \0 octets', 'of no great sense')),
    // Of several pieces.
    place.file('large.eml', mail('Many lines', 'line after line\r\n'.repeat(100_000))),
  ]
  place.did(['mail', 'import', ann, ...files])
  place.did(['mail', 'import', ben, '--folder', 'Böxes', files[0]!])
}

const ann1 = { user: ann, password, terminal: 'first' }
const logIn = async (address: string): Promise<Terminal> => {
  const terminal = new Terminal(() => address)
  terminal.token = (await terminal.post('/session', ann1)).body.token
  return terminal
}

/** What a terminal with the key finds in a mailbox, and by which words. */
const lookAt = async (terminal: Terminal) => {
  const folders = (await terminal.get('/folders')).body.folders
  const messages: { id: number; subject: string }[] = []
  const raw: string[] = []
  for (const { name } of folders)
    messages.push(...(await terminal.get(`/folders/${name}/messages?limit=50`)).body.messages)
  for (const { id } of messages) raw.push((await terminal.get(`/messages/${id}/raw`)).body)
  const found: Record<string, unknown> = {}
  for (const words of ['東京', '天気', 'NAIVETE', 'Yamada', 'weath', 'lines', 'absent'])
    found[words] = (await terminal.get(`/folders/Inbox/messages?q=${encodeURIComponent(words)}`)).body
  const lists = ['/keys', '/aliases', '/identities', '/ssh-keys', '/files'].map(async (path) => {
    const { status, body } = await terminal.get(path)
    assert.equal(status, 200, path)
    return body
  })
  return { folders, messages, raw, found, lists: await Promise.all(lists) }
}

/** What else Ann may have: an alias, an S/MIME identity, a key for SSH. */
const equip = (place: Place) => {
  place.did(['key', 'alias', ann, '4711', '--publish'])
  place.did(['identity', 'generate', ann, '--passphrase-stdin'], `${passphrase}\n`)
  const file = place.file('id_ed25519.pub', `${publicKeyLine()} ann@desk\n`)
  place.did(['ssh-key', 'add', ann, '--file', file])
}

const plan = 'garden/plan.txt'
const planText = 'beans beside the wall\n'.repeat(50_000)
const putPlan = async (address: string, { token }: Terminal) => {
  const headers = { authorization: `Bearer ${token}` }
  const put = await fetch(`${address}/api/files/${plan}`, { method: 'PUT', headers, body: planText })
  assert.equal(put.status, 201)
}

const secretWords = 'the fox is under the bridge'
/** A letter to oneself, encrypted and signed; of the last that came the text is read. */
const writeAndRead = async (terminal: Terminal) => {
  const letter = {
    to: [ann],
    cc: [],
    bcc: [],
    subject: 'Secret',
    text: secretWords,
    attachments: [],
    sign: true,
    encrypt: true,
    draft: false,
  }
  assert.equal((await terminal.unlock()).status, 201)
  const sent = await terminal.post('/messages', letter)
  assert.equal(sent.status, 201, JSON.stringify(sent.body))
  return readSecret(terminal)
}
const readSecret = async (terminal: Terminal): Promise<number> => {
  const [newest] = (await terminal.get('/folders/Inbox/messages')).body.messages
  const opened = await terminal.post(`/messages/${newest.id}/decrypt`)
  assert.equal(opened.status, 200, JSON.stringify(opened.body))
  assert.equal(opened.body.text.trim(), secretWords)
  assert.equal(opened.body.signature.status, 'valid')
  return newest.id
}

const sound = (place: Place) => assert.match(place.did(['check']), /Ledger: complete and unchanged/)

test('Everything moves to PostgreSQL and back: mail, keys, identities, aliases, files, ledger, sessions, and what words find', async (t) => {
  const server = await postgres(t)
  if (!server) return
  const before = new Place(t)
  inhabit(before)
  equip(before)
  let token: string | null = null
  const { seen, newest } = await before.served(async (address) => {
    const terminal = await logIn(address)
    token = terminal.token
    const newest = await writeAndRead(terminal)
    await putPlan(address, terminal)
    // Its id is not given again, on whichever engine.
    const gone = (await terminal.get('/folders/Sent/messages')).body.messages[0].id
    await terminal.delete(`/messages/${gone}`)
    await terminal.delete(`/messages/${gone}`)
    return { seen: await lookAt(terminal), newest: Math.max(newest, gone) }
  })
  assert.ok(seen.messages.length >= 4)
  assert.deepEqual(
    seen.lists.map((list) => Object.values(list).flat().filter(Boolean).length),
    [1, 1, 1, 1, 1],
  )

  const url = server.database()
  const said = before.did(['copy', '--to', url])
  assert.match(said, /Copied and compared: \d+ rows of \d+ tables, among them 2 users and 5 messages\./)
  assert.match(said, /Ledger: complete and unchanged\./)
  assert.match(said, /set WAFER_DATABASE/)
  assert.ok(!said.includes(url))

  const there = new Place(t, { database: url, data: before.data })
  sound(there)
  const later = await there.served(async (address) => {
    const terminal = new Terminal(() => address)
    terminal.token = token
    assert.deepEqual(await lookAt(terminal), seen)
    assert.equal((await terminal.unlock()).status, 201)
    await readSecret(terminal)
    assert.equal((await terminal.get(`/files/${plan}`)).body, planText)
    const signed = { to: [ann], subject: 'Signed', text: 'x', sign: true, kind: 'smime' }
    assert.equal((await terminal.post('/messages', signed)).status, 201)
    assert.ok((await writeAndRead(terminal)) > newest)
    return lookAt(terminal)
  })
  sound(there)

  const folder = join(before.folder, 'back')
  const saidBack = there.did(['copy', '--to', `sqlite:${folder}`])
  assert.match(saidBack, /Copied and compared/)
  assert.ok(saidBack.includes(`set WAFER_DATA to ${folder}`))
  assert.equal(statSync(join(folder, 'wafer.db')).mode & 0o077, 0)
  assert.equal(statSync(join(folder, 'server-secret')).mode & 0o077, 0)
  const back = new Place(t, { data: folder })
  sound(back)
  await back.served(async (address) => {
    const terminal = new Terminal(() => address)
    terminal.token = token
    assert.deepEqual(await lookAt(terminal), later)
    await writeAndRead(terminal)
    assert.equal((await terminal.get(`/files/${plan}`)).body, planText)
  })
  sound(back)
  assert.equal(back.did(['mail', 'export', ben, '--folder', 'Böxes']), before.did(['mail', 'export', ben]))
})

test('A copy goes into an empty database of the other kind only, while nothing serves', async (t) => {
  const server = await postgres(t)
  if (!server) return
  const place = new Place(t)
  place.did(['user', 'add', ann, '--password-stdin'], `${password}\n`)
  const url = server.database()
  const there = new Place(t, { database: url, data: place.data })

  await place.served(async () =>
    failed(place.run(['copy', '--to', url]), /A server runs on .* Stop it first/),
  )
  await there.served(async () =>
    failed(place.run(['copy', '--to', url]), /A server (runs on|or a command uses) .* Stop it first/),
  )
  const elsewhere = new Place(t, { database: url })
  await elsewhere.served(async () =>
    failed(place.run(['copy', '--to', url]), /A server or a command uses the database that --to names/),
  )
  failed(place.run(['copy', '--to', `sqlite:${place.folder}/other`]), /in SQLite already/)
  for (const wrong of ['mysql://a@b/c', 'sqlite:', 'wafer.db', 'postgres://u:hidden@host'])
    failed(
      place.run(['copy', '--to', wrong]),
      /^wafer: --to is not like postgres:[^:]* or sqlite:FOLDER\.\n$/,
      2,
    )
  failed(place.run(['copy']), /--to/, 2)
  const away = place.run(['copy', '--to', 'postgres://u:hidden@127.0.0.1:1/none'])
  failed(away, /The PostgreSQL server that --to names cannot be used \(ECONNREFUSED\)/)
  assert.ok(!away.err.includes('hidden'))

  place.did(['copy', '--to', url])
  failed(place.run(['copy', '--to', url]), /not empty: it has rows in users/)
  failed(there.run(['copy', '--to', server.database()]), /in PostgreSQL already/)
  failed(there.run(['copy', '--to', `sqlite:${place.data}`]), /not empty: it has rows in users/)
  // A folder that belongs to somebody else.
  const other = new Place(t)
  other.did(['user', 'add', ben, '--password-stdin'], `${password}\n`)
  rmSync(join(other.data, 'wafer.db'))
  failed(there.run(['copy', '--to', `sqlite:${other.data}`]), /the server secret of another database/)
  failed(other.run(['copy', '--to', server.database()]), /There is no database/)
  assert.equal(there.did(['user', 'list']), `${ann}\n`)
})

test('What is wrong with a ledger is said when it is copied, and comes along', async (t) => {
  const server = await postgres(t)
  if (!server) return
  const url = server.database()
  const place = new Place(t, { database: url })
  inhabit(place)
  await place.served(async (address) => {
    await writeAndRead(await logIn(address))
  })
  await query(url, "UPDATE ledger SET terminal = 'another' WHERE id = (SELECT max(id) FROM ledger)")
  failed(place.run(['check']), /Not everything is sound/)
  const folder = join(place.folder, 'copy')
  const { code, out, err } = place.run(['copy', '--to', `sqlite:${folder}`])
  assert.equal(code, 1)
  assert.match(out, /Ledger: entries were changed, put in or taken out: ann@example\.org\./)
  assert.match(err, /Not everything is sound/)
  failed(new Place(t, { data: folder }).run(['check']), /Not everything is sound/)
})

const query = async (url: string, text: string): Promise<Record<string, unknown>[]> => {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

test('A copy that is killed leaves nothing, and is run again', async (t) => {
  const server = await postgres(t)
  if (!server) return
  const place = new Place(t)
  inhabit(place)
  const many = Array.from({ length: 60 }, (_, at) =>
    place.file(`${at}.eml`, mail(`Number ${at}`, `word${at}`)),
  )
  // More than SQLite keeps in memory.
  const large = place.file('larger.eml', mail('More lines', 'line after line\r\n'.repeat(300_000)))
  place.did(['mail', 'import', ann, large, ...many])
  const url = server.database()
  /** Kills a copy of this place when `holds`. @returns false where it was over before that was seen */
  const killed = async (from: Place, to: string, holds: () => boolean | Promise<boolean>) => {
    const child = from.start(['copy', '--to', to])
    const ended = once(child, 'exit')
    while (child.exitCode === null && !(await holds())) await pause(1)
    child.kill('SIGKILL')
    await ended
    return child.signalCode === 'SIGKILL'
  }
  // PostgreSQL says what was asked last: these, or what comes after them.
  const steps = ['DISABLE TRIGGER', 'INTO "(users|contents|content_pieces)"', 'INTO message_search']
  for (const step of steps) {
    const asked = `SELECT 1 FROM pg_stat_activity WHERE application_name = 'wafer copy' AND query ~ '${step}|message_search'
      AND datname = current_database()`
    assert.ok(await killed(place, url, async () => (await query(url, asked)).length > 0), step)
    await until(async () => (await query(url, asked)).length === 0)
    assert.deepEqual(await query(url, 'SELECT 1 FROM users UNION ALL SELECT 1 FROM contents'), [])
  }
  assert.match(place.did(['copy', '--to', url]), /nothing of it is kept.*\n.* 65 messages/)
  const there = new Place(t, { database: url, data: place.data })
  sound(there)

  const folder = join(place.folder, 'back')
  const aside = join(folder, 'wafer.db.copy')
  const sizes = [1, 1024 * 1024]
  for (const size of sizes) {
    const isThere = () => (statSync(aside, { throwIfNoEntry: false })?.size ?? 0) >= size
    while (!(await killed(there, `sqlite:${folder}`, isThere))) rmSync(folder, { recursive: true })
  }
  assert.ok(existsSync(aside))
  assert.ok(!existsSync(join(folder, 'wafer.db')))
  assert.match(there.did(['copy', '--to', `sqlite:${folder}`]), /interrupted before.*this one begins anew/)
  assert.ok(!existsSync(aside))
  const back = new Place(t, { data: folder })
  sound(back)
  assert.equal(back.did(['mail', 'export', ann]), place.did(['mail', 'export', ann]))
})

test('The commands of an operator work where the database is PostgreSQL’s', async (t) => {
  const server = await postgres(t)
  if (!server) return
  const place = new Place(t, { database: server.database() })
  inhabit(place)
  assert.equal(place.did(['user', 'list']), `${ann}\tAnn\n${ben}\n`)
  place.did(['user', 'password', ben, '--password-stdin'], 'another password\n')
  assert.match(place.did(['key', 'list', ann]), /^[0-9A-F]{40}\t/)
  assert.match(place.did(['key', 'export', ann]), /BEGIN PGP PUBLIC KEY/)
  const copy = place.did(
    ['key', 'export', ann, '--secret', '--passphrase-stdin'],
    `${passphrase}\nfor the copy alone\n`,
  )
  const file = place.file('key.asc', copy)
  place.did(['key', 'import', ben, '--file', file, '--passphrase-stdin'], 'for the copy alone\n')
  assert.match(place.did(['mail', 'import', ann, join(place.folder, 'tokyo.eml')]), /1 was there already/)
  assert.match(place.did(['mail', 'export', ben, '--folder', 'böxes']), /^From .*\nFrom: Yamada/)
  place.did(['user', 'remove', ben])
  assert.equal(place.did(['user', 'list']), `${ann}\tAnn\n`)
  failed(place.run(['user', 'add', ann, '--password-stdin'], `${password}\n`), /./)
  sound(place)
  assert.ok(!existsSync(join(place.data, 'wafer.db')))
})

test('The backup of PostgreSQL’s database is its own; the server secret’s is ours, and both together open', async (t) => {
  const server = await postgres(t)
  if (!server) return
  const url = server.database()
  const place = new Place(t, { database: url })
  inhabit(place)
  await place.served(async (address) => {
    await writeAndRead(await logIn(address))
  })
  const secret = join(place.folder, 'secret')
  const file = join(place.folder, 'copy.db')
  failed(place.run(['backup', file]), /pg_dump --exclude-table-data=allowances.*--secret/)
  const said = place.did(['backup', file, '--secret', secret])
  assert.match(said, /server secret is in .*\n.*pg_dump --exclude-table-data=allowances/)
  assert.ok(!existsSync(file))
  assert.equal(readFileSync(secret, 'utf8'), readFileSync(join(place.data, 'server-secret'), 'utf8'))
  assert.equal(statSync(secret).mode & 0o077, 0)
  failed(place.run(['backup', file, '--secret', secret]), /already/)
  failed(place.run(['restore', secret]), /pg_restore.*allowances.*WAFER_EPOCH_FILE/)

  const programs = postgresFolder()!
  const empty = server.database()
  const dump = execFileSync(join(programs, 'pg_dump'), ['-Fc', '--exclude-table-data=allowances', '-d', url])
  execFileSync(join(programs, 'pg_restore'), ['--no-owner', '-d', empty], { input: dump })
  const again = new Place(t, { database: empty, data: place.data })
  sound(again)
  await again.served(async (address) => {
    const terminal = await logIn(address)
    assert.equal((await terminal.get('/session')).body.allowance, null)
    await writeAndRead(terminal)
  })
})

test('check tells of a PostgreSQL that does not answer, of a foreign secret, and of a clock that was ahead', async (t) => {
  const server = await postgres(t)
  if (!server) return
  const url = server.database()
  const place = new Place(t, { database: url })
  inhabit(place)
  await place.served(async (address) => {
    await writeAndRead(await logIn(address))
  })
  sound(place)
  const aheadMs = 24 * 60 * 60_000
  await query(url, `UPDATE sessions SET contact_at = contact_at + ${aheadMs}`)
  const ahead = place.run(['check'])
  assert.match(ahead.out, /Clock: .*ahead/)
  assert.equal(ahead.code, 1)
  await place.served(async () => failed(place.run(['check', '--mend-clock']), /A server (runs|or a command)/))
  const elsewhere = new Place(t, { database: url })
  mkdirSync(elsewhere.data)
  copyFileSync(join(place.data, 'server-secret'), join(elsewhere.data, 'server-secret'))
  await elsewhere.served(async () =>
    failed(
      place.run(['check', '--mend-clock']),
      /A server or a command uses the database that WAFER_DATABASE/,
    ),
  )
  assert.match(place.did(['check', '--mend-clock']), /Clock: mended/)
  sound(place)

  const away = new Place(t, { database: 'postgres://127.0.0.1:1/none', data: place.data })
  const unreached = away.run(['check'])
  assert.match(
    unreached.out,
    /^Database: The PostgreSQL server .* cannot be used \(ECONNREFUSED\)\.\nLedger: not checked/,
  )
  assert.equal(unreached.code, 1)

  const other = new Place(t)
  inhabit(other)
  const foreign = new Place(t, { database: url, data: other.data }).run(['check'])
  assert.match(foreign.out, /Server secret: it is not the one that this database was used with/)
  assert.equal(foreign.code, 1)
  const copied = new Place(t, { database: url, data: other.data }).run([
    'copy',
    '--to',
    `sqlite:${place.folder}/copy`,
  ])
  failed(copied, /The server secret in .* does not belong to the database/)
  assert.ok(!existsSync(join(place.folder, 'copy', 'wafer.db')))
})
