/** Several processes that serve one PostgreSQL database: what one does counts in all, and what ends one ends nothing else. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { Relay } from '../support/relay.ts'
import type { Answer, Terminal } from '../support/world.ts'

// Of a whole process the tables are in one dialect: before they are made.
process.env.WAFER_DATABASE = 'postgres://any/any'
const { at, cluster, until } = await import('../support/nodes.ts')
const { problem } = await import('../support/world.ts')
const { openDatabase } = await import('../../server/ground/store/open.ts')

const ann = 'ann@wafer.test'
const bob = 'bob@wafer.test'

const sealed = async (terminal: Terminal): Promise<number> => {
  const letter = { to: ann, subject: 'sealed', text: 'for Ann only', draft: true }
  return (await terminal.post('/messages', letter)).body.id
}

test('A session, its key and the end of both are the same in whichever process they are asked for', async (t) => {
  const made = await cluster(t)
  if (!made) return
  await made.seed(ann)
  const [one, two] = await Promise.all([made.start(), made.start()])
  const here = await one.terminal(ann)
  const id = await sealed(here)
  assert.equal((await here.unlock()).status, 201)
  const there = at(two, here)
  assert.equal((await there.post(`/messages/${id}/decrypt`)).body.text.trim(), 'for Ann only')
  const other = await two.terminal(ann)
  assert.equal(problem(await other.unlock()), 'key-in-use')
  assert.equal((await there.delete('/allowance')).status, 204)
  assert.equal(problem(await here.post(`/messages/${id}/decrypt`)), 'allowance-required')
  assert.equal((await other.unlock()).status, 201)
  assert.equal((await here.delete('/session')).status, 204)
  assert.equal(problem(await there.get('/session')), 'no-session')
})

test('A lock in one process ends work with the key in another one, though that has come to a stop', async (t) => {
  const made = await cluster(t)
  if (!made) return
  await made.seed(ann)
  const [one, two] = await Promise.all([made.start(), made.start()])
  const here = await one.terminal(ann)
  const id = await sealed(here)
  for (const end of [() => here.delete('/allowance'), () => here.delete('/session')]) {
    assert.equal((await here.unlock()).status, 201)
    const there = at(two, here)
    assert.equal((await there.post(`/messages/${id}/decrypt`)).status, 200)
    const stopped = two.children
    for (const pid of stopped) process.kill(pid, 'SIGSTOP')
    const work = there.post(`/messages/${id}/decrypt`)
    await end()
    const { status } = await work
    assert.ok(status === 403 || status === 401, `${status}`)
    await until('that the processes with the key are gone', () =>
      stopped.some((pid) => !two.children.includes(pid)),
    )
    for (const pid of two.children) process.kill(pid, 'SIGCONT')
  }
})

test('What processes tell each other comes with the transaction, to the others, and goes with it', async (t) => {
  const made = await cluster(t)
  if (!made) return
  await made.seed()
  const config = { data: made.folder, database: made.database }
  const told: string[][] = [[], []]
  const databases = await Promise.all(told.map(() => openDatabase(config)))
  const serving = { epoch: 'one', secret: 'one', onSupplanted: () => {} }
  const joined = await Promise.all(
    databases.map((db, n) =>
      db.join({ ...serving, onTold: (channel, text) => void told[n]!.push(`${channel} ${text}`) }),
    ),
  )
  t.after(async () => {
    for (const each of joined) await each.leave()
    for (const db of databases) await db.close()
  })
  const [one, two] = databases
  await one!.transaction(1, async () => {
    await one!.tell('key_taken', '1')
    await two!.tell('key_taken', '2')
    await until('what is told outside of a transaction', () => told[0]!.length > 0)
    assert.deepEqual(told, [['key_taken 2'], []])
  })
  const undone = one!.transaction(1, async () => {
    await one!.tell('key_taken', '3')
    throw new Error('undone')
  })
  await assert.rejects(undone, /undone/)
  await one!.tell('key_taken', '4')
  await until('the last that is told', () => told[1]!.length > 1)
  assert.deepEqual(told, [['key_taken 2'], ['key_taken 1', 'key_taken 4']])
  // A connection that is lost is made again.
  await made.rows(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'wafer serving'",
  )
  await until('that what is told comes again', async () => {
    await one!.tell('key_taken', '5')
    return told[1]!.includes('key_taken 5')
  })
})

test('Only processes that go together serve one database: of one epoch file and one server secret, or one alone', async (t) => {
  const made = await cluster(t)
  if (!made) return
  const folders = [made.dataFolder(), made.dataFolder({ secret: false })]
  const [one] = await Promise.all([made.start({ WAFER_DATA: folders[0]! })])
  assert.match(
    await made.refusal({ WAFER_DATA: folders[1]! }),
    /^wafer: Another process serves [^\n]* with another server-secret in its WAFER_DATA: copy that to here\.\n$/,
  )
  const otherEpoch = join(made.folder, 'other-epoch')
  writeFileSync(otherEpoch, 'x'.repeat(32), { mode: 0o600 })
  assert.match(
    await made.refusal({ WAFER_EPOCH_FILE: otherEpoch }),
    /^wafer: Another process serves [^\n]* with another WAFER_EPOCH_FILE: copy that to here\.\n$/,
  )
  const alone = { WAFER_EPOCH_FILE: '' }
  assert.match(
    await made.refusal(alone),
    /^wafer: Another process serves [^\n]*\. Several may only do so with one WAFER_EPOCH_FILE for all\.\n$/,
  )
  await one!.end()
  const only = await made.start(alone)
  assert.match(await made.refusal({}), /Several may only do so with one WAFER_EPOCH_FILE/)
  await only.end('SIGKILL')
  await made.start(alone)
})

test('A process that serves alone and is cut off ends in a sentence when another one has begun meanwhile', async (t) => {
  const made = await cluster(t)
  if (!made) return
  await made.seed(ann)
  const node = await made.start({ WAFER_EPOCH_FILE: '' })
  // In one statement: the connection is ended, and its lock taken as soon as that is free.
  const holder = assert.rejects(
    made.rows(
      `SELECT pg_terminate_backend(pid), pg_advisory_lock(1, 0), pg_sleep(600)
      FROM pg_stat_activity WHERE application_name = 'wafer serving'`,
    ),
  )
  assert.equal(await node.ended(), 1)
  assert.match(node.log, /^wafer: Another process serves the database that WAFER_DATABASE names\. [^\n]+\.$/m)
  const sleeps = "query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()"
  await made.rows(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${sleeps}`)
  await holder
})

test('A database with users is served with the server secret that it was used with, or not at all', async (t) => {
  const made = await cluster(t)
  if (!made) return
  await made.seed(ann)
  const empty = made.dataFolder({ secret: false })
  assert.match(
    await made.refusal({ WAFER_DATA: empty }),
    /^wafer: \S+server-secret is missing: [^\n]* copy it from a machine that serves this database\.\n$/,
  )
  const wrong = made.dataFolder()
  const secret = readFileSync(join(wrong, 'server-secret'), 'utf8')
  writeFileSync(join(wrong, 'server-secret'), secret.replace(/ ..../, ' AAAA'))
  assert.match(
    await made.refusal({ WAFER_DATA: wrong }),
    /^wafer: \S+server-secret is not the server secret that this database was used with: [^\n]+\.\n$/,
  )
})

test('Processes that start at the same moment on an empty database show one set-up link, which makes one user', async (t) => {
  const made = await cluster(t)
  if (!made) return
  const data = made.dataFolder()
  const nodes = await Promise.all([1, 2, 3].map(() => made.start({ WAFER_DATA: data })))
  await until('the links', () => nodes.every(({ printed }) => printed.includes('/setup/')))
  const paths = nodes.map((node) => node.printed.match(/\/setup\/\S+/)?.[0])
  assert.ok(paths[0])
  assert.equal(new Set(paths).size, 1)
  const answers = await Promise.all(
    nodes.map(async (node, n) => {
      const page = await fetch(node.url + paths[0])
      const cookie = page.headers.getSetCookie()[0]!.split(';')[0]!
      const form = (await page.text()).match(/name="?t"? value="?([^" >]+)/)![1]!
      const secrets = {
        pass: 'correct horse',
        passphrase: 'of nobody else',
        passphrase2: 'of nobody else',
      }
      const body = new URLSearchParams({ t: form, address: `user${n}@wafer.test`, name: '', ...secrets })
      return fetch(node.url + paths[0], { method: 'POST', headers: { cookie }, body, redirect: 'manual' })
    }),
  )
  const users = await made.rows('SELECT address FROM users')
  assert.equal(users.length, 1, (await Promise.all(answers.map((answer) => answer.text()))).join('\n'))
  assert.equal((await fetch(nodes[0]!.url + paths[0])).status, 404)
})

test('While the database is away nothing is served that needs it, in a sentence; afterwards all goes on by itself', async (t) => {
  const made = await cluster(t)
  if (!made) return
  await made.seed(ann, bob)
  const node = await made.start()
  const terminal = await node.terminal(ann)
  const id = await sealed(terminal)
  assert.equal((await terminal.unlock()).status, 201)
  const open = () => terminal.post(`/messages/${id}/decrypt`)
  assert.equal((await open()).status, 200)
  assert.equal((await fetch(`${node.url}/readyz`)).status, 200)
  const held = { to: bob, subject: 'held', text: 'later', hold_s: 1 }
  const leavesMeanwhile = (await terminal.post('/messages', held)).status
  assert.equal(leavesMeanwhile, 201)

  await made.postgres.stop('SIGQUIT')
  const isAway = async (answer: Answer) => {
    assert.equal(answer.status, 503, JSON.stringify(answer.body) + node.log)
    assert.equal(problem(answer), 'busy')
    assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/)
  }
  for (const ask of [
    open,
    () => terminal.get('/folders'),
    () => terminal.unlock(),
    () => terminal.get('/session'),
  ])
    await isAway(await ask())
  const cookie = `wafer=${terminal.token}; wafer-key=${terminal.keyToken}`
  for (const [language, sentence] of [
    ['en', 'The server is busy.'],
    ['ja', 'サーバーが混み合っています。'],
  ] as const)
    for (const headers of [{ cookie }, {}] as Record<string, string>[]) {
      const url = headers.cookie ? `${node.url}/f/inbox` : `${node.url}/login`
      const page = await fetch(url, { headers: { ...headers, 'accept-language': language } })
      if (!headers.cookie && page.status === 200) continue // a form that needs nothing
      assert.equal(page.status, 503, node.log)
      assert.match(page.headers.get('retry-after') ?? '', /^\d+$/)
      assert.equal(
        page.headers.getSetCookie().some((set) => /^wafer(-key)?=;/.test(set)),
        false,
      )
      assert.match(await page.text(), new RegExp(sentence))
    }
  assert.match(await smtp(node.smtpPort, [`RCPT TO:<${ann}>`]), /^451 /m)
  assert.equal((await fetch(`${node.url}/healthz`)).status, 200)
  const ready = await fetch(`${node.url}/readyz`)
  assert.equal(ready.status, 503)
  assert.equal(node.hasEnded, false)

  await made.postgres.start()
  const beganMs = performance.now()
  await until('that it can serve', async () => (await fetch(`${node.url}/readyz`)).status === 200)
  assert.equal((await open()).status, 200, 'the key is as it was')
  t.diagnostic(`A mail is opened ${Math.round(performance.now() - beganMs)} ms after the database is back.`)
  const inbox = await node.terminal(bob)
  await until('that held mail arrives', async () => {
    return (await inbox.get('/folders/Inbox/messages')).body.messages.length > 0
  })
  assert.doesNotMatch(node.log, /unexpected error|nhandled/i)
})

test('Mail that the relay took while the database went away is noted once it is back, and leaves once', async (t) => {
  const made = await cluster(t)
  if (!made) return
  await made.seed(ann)
  const relay = new Relay()
  relay.isWilling = true
  const node = await made.start(await relay.listen(t))
  const terminal = await node.terminal(ann)
  const acknowledged = Promise.withResolvers<void>()
  relay.acknowledges = () => acknowledged.promise
  const letter = { to: 'eve@far.example', subject: 'once', text: 'once' }
  assert.equal((await terminal.post('/messages', letter)).status, 201)
  await until('that the relay has it', () => relay.taken.length === 1)
  await made.postgres.stop('SIGQUIT')
  acknowledged.resolve()
  assert.equal((await fetch(`${node.url}/readyz`)).status, 503)
  await made.postgres.start()
  await until('that it is noted', async () => (await made.rows('SELECT 1 FROM outbox')).length === 0)
  assert.deepEqual(relay.taken, ['eve@far.example'])
})

test('A database that hangs is told by readyz, and what it is asked comes when it goes on', async (t) => {
  const made = await cluster(t)
  if (!made) return
  await made.seed(ann)
  const node = await made.start()
  const terminal = await node.terminal(ann)
  const id = await sealed(terminal)
  await terminal.unlock()
  const held = new Set<number>()
  const hang = () => {
    for (const pid of made.postgres.processes) {
      process.kill(pid, 'SIGSTOP')
      held.add(pid)
    }
  }
  hang()
  const work = terminal.post(`/messages/${id}/decrypt`)
  const ready = await fetch(`${node.url}/readyz`)
  assert.equal(ready.status, 503)
  assert.equal((await fetch(`${node.url}/healthz`)).status, 200)
  for (const pid of held) process.kill(pid, 'SIGCONT')
  assert.ok([200, 503].includes((await work).status))
  await until('that it can serve', async () => (await fetch(`${node.url}/readyz`)).status === 200)
  assert.equal((await terminal.post(`/messages/${id}/decrypt`)).status, 200)
})

test('Balancers ask whether a process is alive and can serve: without a name, a cookie or a line in the log', async (t) => {
  const made = await cluster(t)
  if (!made) return
  await made.seed(ann)
  const node = await made.start({ WAFER_PROXY: '127.0.0.1' })
  const before = node.log.length
  for (const path of ['/healthz', '/readyz']) {
    const answer = await fetch(node.url + path, { headers: { cookie: 'wafer=any', host: '192.0.2.1' } })
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('content-type'), 'text/plain;charset=utf-8')
    assert.deepEqual(answer.headers.getSetCookie(), [])
    assert.equal((await fetch(node.url + path, { method: 'HEAD' })).status, 200)
    assert.equal((await fetch(node.url + path, { method: 'POST' })).status, 405)
    const outside = { 'x-forwarded-for': '192.0.2.7', 'x-forwarded-proto': 'https' }
    assert.equal((await fetch(node.url + path, { headers: outside })).status, 404)
  }
  assert.equal(node.log.length, before)
  const open = await made.start({ WAFER_PROXY: '127.0.0.1', WAFER_HEALTH: 'all' })
  const headers = { 'x-forwarded-for': '192.0.2.7', 'x-forwarded-proto': 'https' }
  assert.equal((await fetch(`${open.url}/readyz`, { headers })).status, 200)
})

/** @returns what a mail server answers to these lines and those that go before them */
const smtp = async (port: number, lines: string[]): Promise<string> => {
  const socket = connect(port, '127.0.0.1')
  let heard = ''
  const answers = (count: number) =>
    until(`${count} answers`, () => [...heard.matchAll(/^\d{3} /gm)].length >= count || socket.closed)
  socket.on('data', (text) => (heard += text))
  const said = ['EHLO client.test', 'MAIL FROM:<eve@example.org>', ...lines]
  for (const [n, line] of said.entries()) {
    await answers(n + 1)
    socket.write(`${line}\r\n`)
  }
  await answers(said.length + 1)
  socket.destroy()
  return heard
}
