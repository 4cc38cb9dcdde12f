/**
 * Several processes that serve one PostgreSQL database, under a load, and killed in the middle of it: nothing is done by
 * halves, nothing twice. As a test a few rounds; `npm run soak` goes on for hundreds, or as many as SOAK_ROUNDS and
 * KILL_ROUNDS say.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { createConnection } from 'node:net'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { wafer } from '../support/places.ts'
import type { Terminal } from '../support/world.ts'

// Of a whole process the tables are in one dialect: before they are made.
process.env.WAFER_DATABASE = 'postgres://any/any'
const { at, cluster, until } = await import('../support/nodes.ts')
const { problem } = await import('../support/world.ts')
type Cluster = InstanceType<typeof import('../support/nodes.ts').Cluster>
type Node = InstanceType<typeof import('../support/nodes.ts').Node>

const ann = 'ann@wafer.test'
const bob = 'bob@wafer.test'
const rounds = Number(process.env.SOAK_ROUNDS ?? 3)
const kills = Number(process.env.KILL_ROUNDS ?? 3)

const sealed = async (terminal: Terminal): Promise<number> => {
  const letter = { to: ann, subject: 'sealed', text: 'for Ann only', draft: true }
  return (await terminal.post('/messages', letter)).body.id
}

test(`Eight terminals that unlock at the same moment in three processes leave exactly one holder, ${rounds} times`, async (t) => {
  const made = await cluster(t)
  if (!made) return
  await made.seed(ann)
  const nodes = await Promise.all([1, 2, 3].map(() => made.start()))
  const terminals = await Promise.all(
    Array.from({ length: 8 }, (_, n) => nodes[n % 3]!.terminal(ann, `terminal ${n}`)),
  )
  const id = await sealed(terminals[0]!)
  for (let round = 0; round < rounds; round += 1) {
    const answers = await Promise.all(terminals.map((terminal) => terminal.unlock()))
    const holders = terminals.filter((_, n) => answers[n]!.status === 201)
    assert.equal(holders.length, 1, `round ${round}`)
    for (const answer of answers.filter(({ status }) => status !== 201))
      assert.equal(problem(answer), 'key-in-use')
    // Asked for in another process than the one that granted.
    const uses = await Promise.all(
      terminals.map((terminal, n) => at(nodes[(n + 1) % 3]!, terminal).post(`/messages/${id}/decrypt`)),
    )
    assert.equal(uses.filter(({ status }) => status === 200).length, 1, `round ${round}`)
    await holders[0]!.delete('/allowance')
    for (const terminal of terminals) terminal.keyToken = null
  }
  await requireOneHolder(made)
})

test(`A process that is killed at any moment, ${kills} times, leaves no half rows, no double use, no lost or doubled mail`, async (t) => {
  const made = await cluster(t)
  if (!made) return
  await made.seed(ann, bob)
  const nodes = await Promise.all([1, 2, 3].map(() => made.start()))
  const load = new Load(nodes)
  await load.begin()
  for (let kill = 0; kill < kills; kill += 1) {
    await pause(randomInt(1_000))
    const which = kill % nodes.length
    await nodes[which]!.end('SIGKILL')
    nodes[which] = await made.start()
  }
  await load.end()
  // Whoever was killed had mail of the queue for itself, for a quarter of an hour.
  await made.rows('UPDATE outbox SET next_at = 0')
  await until('that the queue is empty', async () => (await made.rows('SELECT 1 FROM outbox')).length === 0)
  await requireMail(made, load)
  await requireOneHolder(made)
  await requireWholeRows(made)
  const env = { PATH: process.env.PATH, WAFER_DATA: made.dataFolder(), WAFER_DATABASE: made.database }
  for (const node of nodes) await node.end()
  const checked = spawnSync(process.execPath, [wafer, 'check'], { env, encoding: 'utf8' })
  t.diagnostic(
    `${load.known.size} mails, ${load.accepted.size} of them accepted; ${load.uses} uses of the key`,
  )
  assert.ok(load.uses > 0 && load.accepted.size > 0)
  assert.equal(checked.status, 0, checked.stdout + checked.stderr)
})

/** People who use the key, and mail that is sent, at whichever process answers. Nobody tries the same again. */
class Load {
  /** Subjects of mails of which nothing, or nothing but an error, was heard; and of those that were accepted too. */
  readonly known = new Set<string>()
  readonly accepted = new Set<string>()
  uses = 0
  readonly #nodes: Node[]
  #isOver = false
  #work: Promise<void>[] = []

  constructor(nodes: Node[]) {
    this.#nodes = nodes
  }

  async begin() {
    const terminals = await Promise.all(
      Array.from({ length: 4 }, (_, n) => this.#anyNode.terminal(ann, `terminal ${n}`)),
    )
    const id = await sealed(terminals[0]!)
    this.#work = [
      ...terminals.map((terminal) => this.#again(() => this.#useKey(terminal, id))),
      this.#again(() => this.#write(terminals[0]!, 0)),
      this.#again(() => this.#write(terminals[1]!, 1)),
      this.#again(() => this.#deliver()),
    ]
  }

  async end() {
    this.#isOver = true
    await Promise.all(this.#work)
  }

  get #anyNode(): Node {
    return this.#nodes[randomInt(this.#nodes.length)]!
  }

  async #again(work: () => Promise<void>) {
    while (!this.#isOver) {
      await work().catch(() => {}) // whoever was asked is gone
      await pause(randomInt(40))
    }
  }

  async #useKey(session: Terminal, id: number) {
    const terminal = at(this.#anyNode, session)
    if ((await terminal.unlock()).status === 201) {
      const { status } = await at(this.#anyNode, terminal).post(`/messages/${id}/decrypt`)
      if (status === 200) this.uses += 1
    }
    await at(this.#anyNode, terminal).delete('/allowance')
  }

  async #write(session: Terminal, holdS: number) {
    const subject = this.#next('letter')
    const letter = { to: bob, subject, text: 'once', hold_s: holdS }
    if ((await at(this.#anyNode, session).post('/messages', letter)).status === 201)
      this.accepted.add(subject)
  }

  async #deliver() {
    const subject = this.#next('mail')
    const mail = `From: eve@example.org\r\nTo: ${bob}\r\nSubject: ${subject}\r\n\r\nonce\r\n.`
    const lines = ['EHLO client.test', 'MAIL FROM:<eve@example.org>', `RCPT TO:<${bob}>`, 'DATA', mail]
    if (await isTaken(this.#anyNode.smtpPort, lines)) this.accepted.add(subject)
  }

  #next(kind: string) {
    const subject = `${kind} ${this.known.size}`
    this.known.add(subject)
    return subject
  }
}

/** Whether the last line is answered with 250. */
const isTaken = async (port: number, lines: string[]): Promise<boolean> => {
  const socket = createConnection(port, '127.0.0.1')
  let answers = 0
  let last = ''
  for await (const chunk of socket.setEncoding('utf8') as AsyncIterable<string>) {
    for (const line of chunk.split('\r\n').filter((each) => /^\d{3} /.test(each))) {
      last = line
      if (answers < lines.length) socket.write(`${lines[answers]}\r\n`)
      answers += 1
    }
    if (answers > lines.length) break
  }
  socket.destroy()
  return answers > lines.length && last.startsWith('250')
}

const requireMail = async (made: Cluster, { known, accepted }: Load) => {
  const rows = await made.rows<{ subject: string; kind: string; copies: number }>(
    `SELECT m.subject, f.kind, count(*)::int AS copies FROM messages m JOIN folders f ON f.id = m.folder_id
      WHERE f.kind IN ('inbox', 'sent') GROUP BY m.subject, f.kind`,
  )
  const copies = (subject: string, kind: string) =>
    rows.find((row) => row.subject === subject && row.kind === kind)?.copies ?? 0
  for (const subject of known) {
    const inbox = copies(subject, 'inbox')
    assert.ok(inbox <= 1, `${subject} came ${inbox} times`)
    if (accepted.has(subject)) assert.equal(inbox, 1, `${subject} was accepted`)
    if (subject.startsWith('letter')) assert.equal(copies(subject, 'sent'), inbox, `the copy of ${subject}`)
  }
}

/** By the ledger, each use is one of the terminal to which the key was granted last, and it had not ended. */
const requireOneHolder = async (made: Cluster) => {
  let holder: string | null = null
  const rows = await made.rows<{ event: string; terminal: string }>(
    'SELECT event, terminal FROM ledger ORDER BY id',
  )
  for (const { event, terminal } of rows) {
    if (event === 'granted') {
      assert.ok(holder === null || holder === terminal, `granted to ${terminal} while ${holder} had it`)
      holder = terminal
    } else if (event === 'used') assert.equal(terminal, holder)
    else if (event === 'ended' || event === 'stopped') holder = null
  }
}

/** What is counted by triggers is as it can be counted. */
const requireWholeRows = async (made: Cluster) => {
  const odd = await made.rows(
    `SELECT c.id, c."references" FROM contents c WHERE c."references" <>
      (SELECT count(*) FROM messages m WHERE m.content_id = c.id) + (SELECT count(*) FROM outbox o WHERE o.content_id = c.id)`,
  )
  assert.deepEqual(odd, [])
  const pieceless = await made.rows(
    `SELECT m.id FROM messages m WHERE m.size <>
      (SELECT coalesce(sum(length(p.octets)), 0) FROM content_pieces p WHERE p.content_id = m.content_id)`,
  )
  assert.deepEqual(pieceless, [])
}
