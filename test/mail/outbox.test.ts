/** Mail goes out: to our own users at once, to others through a relay that may be slow, away, picky or hostile. */

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { eq } from 'drizzle-orm'
import { pino } from 'pino'
import PostalMime from 'postal-mime'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { readConfig } from '../../server/ground/config.ts'
import { type Delay, delayInWords } from '../../server/ground/reasons.ts'
import { Refusal } from '../../server/ground/refusal.ts'
import { ServerSecret } from '../../server/ground/server-secret.ts'
import type { Database } from '../../server/ground/store/database.ts'
import { openDatabase, openSqlite } from '../../server/ground/store/open.ts'
import { contentPieces, messages, outbox as queue } from '../../server/ground/store/tables.ts'
import { Turnstile } from '../../server/ground/turnstile.ts'
import { CryptoPool } from '../../server/locked/crypto-pool.ts'
import { Contents } from '../../server/mail/contents.ts'
import { Mailboxes } from '../../server/mail/mailboxes.ts'
import { Outbox } from '../../server/mail/outbox.ts'
import { Guesses } from '../../server/people/guesses.ts'
import { Ledger } from '../../server/people/ledger.ts'
import { Quota } from '../../server/people/quota.ts'
import { Sessions } from '../../server/people/sessions.ts'
import { Users } from '../../server/people/users.ts'
import { en } from '../../web/words/en.ts'
import { ja } from '../../web/words/ja.ts'
import { openOwn, ownDatabase, sqliteAlone, withoutPower } from '../support/databases.ts'
import { databaseBefore } from '../support/old-database.ts'
import { vectors } from '../support/places.ts'

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs
const vector = (name: string) => readFileSync(join(vectors, name), 'utf8')
const tls = { cert: vector('localhost-cert.pem'), key: vector('localhost-key.pem') }

const pool = new CryptoPool(new Turnstile(2, 32))
after(() => pool.close())

/** A server with Ann and Bob; `far.example` is elsewhere. */
const worldWith = async (options: { relay?: string | null; db?: Database; quotaOctets?: number } = {}) => {
  const db = options.db ?? (await openOwn())
  if (!options.db) after(() => db.close())
  const time = { now: Date.UTC(2026, 10, 22, 9, 30) }
  const clock = () => time.now
  const secret = new ServerSecret(randomBytes(32))
  const ledger = new Ledger({ db, clock, secret })
  const key = { taken: async () => {}, lose: async () => {} } // nobody's is opened
  const users = new Users({
    db,
    clock,
    ledger,
    sessions: new Sessions({ db, clock, ledger, key, config: readConfig({}) }),
    guesses: new Guesses(db),
    turnstile: new Turnstile(2, 32),
    cost: { memoryKiB: 8, passes: 1 },
  })
  const contents = new Contents({ db, clock })
  const quota = new Quota({ db, config: { quotaOctets: options.quotaOctets ?? 2 ** 31 } })
  const mailboxes = new Mailboxes({ db, clock, pool, contents, quota })
  const named = async (address: string) =>
    (await users.byAddress(address)) ?? users.add({ address, password: 'correct horse' })
  const ann = await named('ann@wafer.example')
  const bob = await named('bob@wafer.example')
  const config = {
    relay: options.relay ? new URL(options.relay) : null,
    hostname: 'mx.wafer.example',
    domains: null,
  }
  const disk = { full: false }
  const outboxOn = () =>
    new Outbox({
      db,
      config,
      users,
      mailboxes: {
        prepare: async (...mail) => {
          if (disk.full) throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' })
          return mailboxes.prepare(...mail)
        },
      },
      contents,
      quota,
      clock,
      log: pino({ level: 'silent' }),
    })
  const outbox = outboxOn()
  return {
    db,
    time,
    config,
    users,
    disk,
    ann,
    bob,
    outbox,
    outboxOn,
    mailOf: async (userId: number) => {
      const rows = await db
        .select({ octets: contentPieces.octets })
        .from(contentPieces)
        .innerJoin(messages, eq(messages.contentId, contentPieces.contentId))
        .where(eq(messages.userId, userId))
        .orderBy(messages.id)
      return rows.map((row) => Buffer.from(row.octets).toString('latin1'))
    },
    rows: async () => {
      const rows = await db
        .select({
          recipients: queue.recipients,
          attempts: queue.attempts,
          nextAt: queue.nextAt,
          lastError: queue.lastError,
        })
        .from(queue)
        .orderBy(queue.id)
      return rows.map((row) => ({ ...row, recipients: JSON.parse(row.recipients) as string[] }))
    },
    send: (recipients: string[], more: { octets?: Buffer } = {}) =>
      outbox.submit({ userId: ann.id, sender: ann.address, recipients, octets: more.octets ?? mail }),
    /** A letter with a mail for each group, held, and its copy. */
    hold: async (groups: string[][], holdMs: number) => {
      const { id: sent } = await mailboxes.fixedFolder(ann.id, 'sent')
      const copyId = await mailboxes.store(ann.id, sent, mail)
      const letter = { userId: ann.id, sender: ann.address, octets: mail }
      const kept = await outbox.keep(groups.map((recipients) => ({ ...letter, recipients })))
      await outbox.hold(kept, holdMs, copyId)
      return copyId
    },
  }
}
const said = (why: Delay | null | undefined) => (why ? delayInWords(why) : '')
const mail = Buffer.from('Message-ID: <1@wafer.example>\r\nSubject: hello\r\n\r\nText.\r\n')

type Taken = {
  from: string
  to: string[]
  mail: string
  secure: boolean
  user: unknown
  body: string | undefined
}

/** Another server: it takes mail, except where the answers say otherwise. */
const relayWith = async (
  options: SMTPServerOptions & {
    answers?: Record<string, string>
    atEnd?: string
    atSender?: string
    port?: number
  } = {},
) => {
  const { answers = {}, atEnd, atSender, port = 0, ...rest } = options
  const taken: Taken[] = []
  const refusal = (text: string | undefined) =>
    text === undefined
      ? null
      : Object.assign(new Error(text.slice(4)), { responseCode: Number(text.slice(0, 3)) })
  const server = new SMTPServer({
    logger: false,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    closeTimeout: 1,
    onMailFrom: (_address, _session, callback) => callback(refusal(atSender)),
    onRcptTo: ({ address }, _session, callback) => callback(refusal(answers[address])),
    onData: async (stream, session, callback) => {
      const chunks: Buffer[] = []
      try {
        for await (const chunk of stream) chunks.push(chunk as Buffer)
      } catch {
        return // the client went away
      }
      if (atEnd) return callback(refusal(atEnd))
      const { mailFrom, rcptTo, bodyType } = session.envelope
      taken.push({
        from: mailFrom ? mailFrom.address : '?',
        to: rcptTo.map(({ address }) => address),
        mail: Buffer.concat(chunks).toString('latin1'),
        secure: session.secure,
        user: session.user,
        body: bodyType,
      })
      callback()
    },
    ...rest,
  })
  server.on('error', () => {})
  await new Promise<void>((resolve) => server.listen(port, '0.0.0.0', resolve))
  const close = () => new Promise<void>((resolve) => server.close(resolve))
  after(close)
  const address = server.server.address() as { port: number }
  return { taken, close, port: address.port, url: `smtp://127.0.0.1:${address.port}` }
}

const refusalOf = async (work: Promise<unknown>) => {
  try {
    await work
  } catch (error) {
    if (error instanceof Refusal) return { code: error.code, addresses: error.detail.addresses }
    throw error
  }
  return null
}

// ---- who gets it

test('mail to our own users is in their mailboxes at once, one copy each', async () => {
  const world = await worldWith()
  const to = ['bob@wafer.example', 'Bob@Wafer.Example', 'ann@wafer.example']
  assert.deepEqual(await world.send(to), {
    id: null,
    delivered: ['bob@wafer.example', 'ann@wafer.example'],
    queued: [],
  })
  assert.deepEqual(await world.mailOf(world.bob.id), [mail.toString('latin1')])
  assert.equal((await world.mailOf(world.ann.id)).length, 1)
  assert.deepEqual(await world.rows(), [])
})

test('a subaddress of our own user is local', async () => {
  const world = await worldWith()
  const { delivered } = await world.send(['bob+list@wafer.example', 'bob@wafer.example'])
  assert.deepEqual(delivered, ['bob+list@wafer.example', 'bob@wafer.example'])
  assert.equal((await world.mailOf(world.bob.id)).length, 1)
})

test('an outside recipient without a relay is a refusal before anything is sent', async () => {
  const world = await worldWith()
  const to = ['bob@wafer.example', 'eve@far.example']
  const refusal = { code: 'no-relay', addresses: ['eve@far.example'] }
  assert.deepEqual(await refusalOf(world.outbox.resolve(to)), refusal)
  assert.deepEqual(await refusalOf(world.send(to)), refusal)
  assert.deepEqual([await world.mailOf(world.bob.id), await world.rows()], [[], []])
})

test('an unknown mailbox of ours and what is no address are refused before anything is sent', async () => {
  const world = await worldWith({ relay: 'smtp://127.0.0.1:1' })
  const bad = ['nobody@wafer.example', 'no address', 'eve@far.example>\r\nRCPT TO:<x@far.example', '']
  const refusal = { code: 'bad-address', addresses: bad }
  assert.deepEqual(await refusalOf(world.outbox.resolve([...bad, 'bob@wafer.example'])), refusal)
  assert.deepEqual(await refusalOf(world.send([...bad, 'bob@wafer.example', 'eve@far.example'])), refusal)
  assert.deepEqual(await refusalOf(world.send([])), { code: 'bad-address', addresses: [] })
  assert.deepEqual([await world.mailOf(world.bob.id), await world.rows()], [[], []])
})

test('a mailbox that cannot be written gets its mail from the queue later', async () => {
  const world = await worldWith()
  world.disk.full = true
  const { id, delivered, queued } = await world.send(['bob@wafer.example'])
  assert.ok(id)
  assert.deepEqual({ delivered, queued }, { delivered: [], queued: ['bob@wafer.example'] })
  world.disk.full = false
  await world.outbox.tick()
  assert.equal((await world.mailOf(world.bob.id)).length, 0)
  world.time.now += minuteMs
  await world.outbox.tick()
  assert.equal((await world.mailOf(world.bob.id)).length, 1)
  assert.deepEqual(await world.rows(), [])
})

// ---- through the relay

test('mail to others leaves through the relay, and only what is left is in the queue', async () => {
  const relay = await relayWith()
  const world = await worldWith({ relay: relay.url })
  const sent = await world.send([
    'bob@wafer.example',
    'eve@far.example',
    'Dan@far.example',
    'EVE@far.example',
  ])
  assert.deepEqual(
    { ...sent, id: 0 },
    { id: 0, delivered: ['bob@wafer.example'], queued: ['eve@far.example', 'Dan@far.example'] },
  )
  assert.equal((await world.mailOf(world.bob.id)).length, 1)
  assert.deepEqual(
    (await world.rows()).map(({ recipients }) => recipients),
    [['eve@far.example', 'Dan@far.example']],
  )
  await world.outbox.tick()
  assert.deepEqual(await world.rows(), [])
  assert.equal(relay.taken.length, 1)
  const { from, to, mail: octets } = relay.taken[0]!
  assert.deepEqual({ from, to }, { from: 'ann@wafer.example', to: ['eve@far.example', 'Dan@far.example'] })
  assert.equal(octets, mail.toString('latin1'))
  assert.equal((await world.mailOf(world.bob.id)).length, 1)
})

test('a relay that is away is tried again, after longer and longer waits', async () => {
  const gone = await relayWith()
  await gone.close()
  const world = await worldWith({ relay: gone.url })
  await world.send(['eve@far.example'])
  const waits: number[] = []
  for (let attempt = 1; attempt <= 10; attempt++) {
    await world.outbox.tick()
    const [row] = await world.rows()
    assert.equal(row?.attempts, attempt)
    assert.equal(row?.lastError?.kind, 'relay-failed')
    assert.match(said(row?.lastError), /ECONNREFUSED/)
    waits.push((row!.nextAt - world.time.now) / minuteMs)
    world.time.now = row!.nextAt - 1
    await world.outbox.tick()
    assert.equal((await world.rows())[0]!.attempts, attempt) // not before its time
    world.time.now += 1
  }
  assert.deepEqual(waits, [1, 2, 5, 15, 30, 60, 120, 240, 240, 240])
  const back = await relayWith({ port: gone.port })
  await world.outbox.tick()
  assert.equal(back.taken.length, 1)
  assert.deepEqual([await world.rows(), await world.mailOf(world.ann.id)], [[], []])
})

test('what waited in the queue is sent after a restart', async () => {
  const data = mkdtempSync(join(tmpdir(), 'wafer-outbox-'))
  after(() => rmSync(data, { recursive: true }))
  const { url } = await ownDatabase()
  const opened = () => openDatabase({ data, database: url ?? null })
  const relay = await relayWith()
  const first = await worldWith({ relay: relay.url, db: await opened() })
  await first.send(['eve@far.example'])
  await first.db.close()
  const second = await worldWith({ relay: relay.url, db: await opened() })
  await second.outbox.tick()
  assert.equal(relay.taken.length, 1)
  assert.deepEqual(await second.rows(), [])
  await second.db.close()
})

test('a mail whose process died while sending is taken up by another one, not before', async () => {
  const relay = await relayWith()
  const world = await worldWith({ relay: relay.url })
  await world.send(['eve@far.example'])
  await world.db.update(queue).set({ attempts: 1, nextAt: world.time.now + 15 * minuteMs })
  await world.outbox.tick()
  assert.equal(relay.taken.length, 0)
  world.time.now += 15 * minuteMs
  await world.outbox.tick()
  assert.equal(relay.taken.length, 1)
})

test('of several processes on one queue each mail is sent by one', async () => {
  const relay = await relayWith()
  const world = await worldWith({ relay: relay.url })
  for (let count = 0; count < 10; count++) await world.send([`eve${count}@far.example`])
  const others = [world.outboxOn(), world.outboxOn()]
  await Promise.all([world.outbox, ...others].map((outbox) => outbox.tick()))
  assert.equal(relay.taken.length, 10)
  assert.equal(new Set(relay.taken.map(({ to }) => to[0])).size, 10)
  assert.deepEqual(await world.rows(), [])
})

test('a recipient whom the relay refuses comes back to the sender, the others have their mail', async () => {
  const relay = await relayWith({ answers: { 'no@far.example': '550 5.1.1 No such user' } })
  const world = await worldWith({ relay: relay.url })
  await world.send(['no@far.example', 'eve@far.example'])
  await world.outbox.tick()
  assert.deepEqual(
    relay.taken.map(({ to }) => to),
    [['eve@far.example']],
  )
  assert.deepEqual(await world.rows(), [])
  const [report, ...more] = await world.mailOf(world.ann.id)
  assert.equal(more.length, 0)
  assert.match(report!, /^Return-Path: <>\r\n/)
  const parsed = await PostalMime.parse(report!, { attachmentEncoding: 'utf8' })
  assert.equal(parsed.subject, 'Your mail could not be delivered')
  assert.match(parsed.text ?? '', /no@far\.example: 550 5\.1\.1 No such user/)
  assert.match(report!, /^Content-Type: multipart\/report; report-type=delivery-status; /m)
  assert.match(
    report!,
    /^Final-Recipient: rfc822; no@far\.example\r\nAction: failed\r\nStatus: 5\.1\.1\r\nDiagnostic-Code: smtp; 550 5\.1\.1 No such user\r$/m,
  )
  assert.match(report!, /^In-Reply-To: <1@wafer\.example>\r$/m)
  assert.match(report!, /^Subject: hello\r$/m)
  assert.doesNotMatch(report!, /Text\.|eve@/)
  assert.doesNotMatch(report!, /(?<!\r)\n|\r(?!\n)/)
})

test('a recipient who is put off is tried again alone', async () => {
  const answers: Record<string, string> = {
    'grey@far.example': '450 4.2.0 Come back later',
    'no@far.example': '553 5.1.3 No',
  }
  const relay = await relayWith({ answers })
  const world = await worldWith({ relay: relay.url })
  await world.send(['grey@far.example', 'no@far.example', 'eve@far.example'])
  await world.outbox.tick()
  assert.deepEqual(
    (await world.rows()).map(({ recipients }) => recipients),
    [['grey@far.example']],
  )
  assert.match(said((await world.rows())[0]!.lastError), /^450 4\.2\.0 Come back later/)
  delete answers['grey@far.example']
  world.time.now += minuteMs
  await world.outbox.tick()
  assert.deepEqual(
    relay.taken.map(({ to }) => to),
    [['eve@far.example'], ['grey@far.example']],
  )
  assert.deepEqual(await world.rows(), [])
  assert.equal((await world.mailOf(world.ann.id)).length, 1)
})

test('4xx to everything is tried again, 5xx comes back', async () => {
  for (const [options, comesBack] of [
    [{ atSender: '451 4.7.1 Not now' }, false],
    [{ atSender: '550 5.7.1 Not you' }, true],
    [{ atSender: '530 5.7.0 Log in first' }, false],
    [{ answers: { 'eve@far.example': '450 4.2.0 Later' } }, false],
    [{ answers: { 'eve@far.example': '550 5.1.1 Never' } }, true],
    [{ atEnd: '452 4.3.1 Disk full' }, false],
    [{ atEnd: '554 5.7.1 Spam' }, true],
    [{ size: 10 }, true],
    [{ maxClients: -1 }, false],
  ] as const) {
    const relay = await relayWith(options)
    const world = await worldWith({ relay: relay.url })
    await world.send(['eve@far.example'])
    await world.outbox.tick()
    assert.equal(relay.taken.length, 0)
    assert.equal((await world.mailOf(world.ann.id)).length, comesBack ? 1 : 0, JSON.stringify(options))
    assert.equal((await world.rows()).length, comesBack ? 0 : 1, JSON.stringify(options))
  }
})

test('after three days a mail comes back, at the limit not before', async () => {
  const gone = await relayWith()
  await gone.close()
  const world = await worldWith({ relay: gone.url })
  await world.send(['eve@far.example'])
  const sentAt = world.time.now
  world.time.now = sentAt + 3 * dayMs - 1
  await world.outbox.tick()
  assert.equal((await world.rows()).length, 1)
  assert.deepEqual(await world.mailOf(world.ann.id), [])
  world.time.now = sentAt + 3 * dayMs + minuteMs
  await world.outbox.tick()
  assert.deepEqual(await world.rows(), [])
  const [report] = await world.mailOf(world.ann.id)
  assert.match(report!, /^Status: 4\.4\.7\r\nDiagnostic-Code: x-wafer; .*ECONNREFUSED/m)
})

test('a report that finds no mailbox waits, and one that can never be delivered is dropped', async () => {
  const relay = await relayWith({ answers: { 'no@far.example': '550 5.1.1 No' } })
  const world = await worldWith({ relay: relay.url })
  await world.send(['no@far.example'])
  world.disk.full = true
  await world.outbox.tick()
  assert.deepEqual(
    (await world.rows()).map(({ recipients }) => recipients),
    [['ann@wafer.example']],
  )
  world.disk.full = false
  world.time.now += minuteMs
  await world.outbox.tick()
  assert.equal((await world.mailOf(world.ann.id)).length, 1)

  await world.send(['no@far.example'])
  world.disk.full = true
  await world.outbox.tick()
  await world.users.remove(world.ann.id)
  world.disk.full = false
  world.time.now += minuteMs
  await world.outbox.tick()
  assert.deepEqual(await world.rows(), [])
  assert.equal(relay.taken.length, 0)
  assert.deepEqual(await world.mailOf(world.bob.id), [])
})

test("the relay's words come into the report as one harmless line", async () => {
  const relay = await relayWith({
    answers: { 'no@far.example': `550 5.1.1 \u009b2J caf\u00e9 ${'x'.repeat(3000)}` },
  })
  const world = await worldWith({ relay: relay.url })
  await world.send(['no@far.example'])
  await world.outbox.tick()
  const [report] = await world.mailOf(world.ann.id)
  assert.doesNotMatch(report!, /[^\x20-\x7e\r\n]/)
  assert.ok(report!.split('\r\n').every((line) => line.length <= 998))
})

// ---- the way to the relay

test('the relay gets the log-in that is set, and nothing without TLS unless it is on this machine', async () => {
  const users: string[] = []
  const relay = await relayWith({
    ...tls,
    disabledCommands: [],
    allowInsecureAuth: true,
    onAuth: ({ username, password }, _session, callback) => {
      users.push(`${username} ${password}`)
      callback(null, { user: username })
    },
  })
  const near = await worldWith({ relay: `smtp://me%40far:p%3Ass@127.0.0.1:${relay.port}` })
  await near.send(['eve@far.example'])
  await near.outbox.tick()
  assert.deepEqual(users, ['me@far p:ss'])
  assert.equal(relay.taken[0]!.secure, false)

  // The same server by an address that is not known to be this machine: its certificate is nobody's.
  for (const url of [`smtp://me:pass@0.0.0.0:${relay.port}`, `smtps://me:pass@127.0.0.1:${relay.port}`]) {
    const far = await worldWith({ relay: url })
    await far.send(['eve@far.example'])
    await far.outbox.tick()
    assert.equal((await far.rows()).length, 1, url)
  }
  const plain = await relayWith()
  const far = await worldWith({ relay: `smtp://0.0.0.0:${plain.port}` })
  await far.send(['eve@far.example'])
  await far.outbox.tick()
  assert.match(said((await far.rows())[0]!.lastError), /STARTTLS/)
  assert.deepEqual([users.length, relay.taken.length, plain.taken.length], [1, 1, 0])
})

test('mail with letters beyond ASCII is declared as 8 bit', async () => {
  const relay = await relayWith()
  const world = await worldWith({ relay: relay.url })
  await world.send(['eve@far.example'], { octets: Buffer.from('Subject: é\r\n\r\né\r\n') })
  await world.send(['eve@far.example'])
  await world.outbox.tick()
  assert.deepEqual(relay.taken.map(({ body }) => body).sort(), ['7bit', '8bitmime'])
})

// ---- B16: what leaves is read in one way by everybody

/** A server that writes down the octets of DATA as they come over the wire. */
const recorder = async () => {
  const recorded: Buffer[] = []
  const server = createServer((socket: Socket) => {
    let data: Buffer[] | null = null
    socket.write('220 x\r\n')
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      if (data) {
        data.push(chunk)
        const all = Buffer.concat(data)
        if (!all.includes('\r\n.\r\n')) return
        recorded.push(all)
        data = null
        socket.write('250 x\r\n')
        return
      }
      for (const line of chunk.toString().split('\r\n').slice(0, -1)) {
        socket.write(line === 'DATA' ? '354 x\r\n' : '250 x\r\n')
        if (line === 'DATA') data = []
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  after(() => server.close())
  return { recorded, url: `smtp://127.0.0.1:${(server.address() as { port: number }).port}` }
}

const corpus = join(process.env.CORPUS_DIR ?? '../shared/corpus', 'smtp-smuggling', 'sequences.json')
const noCorpus = existsSync(corpus) ? false : `There is no corpus at ${corpus}; set CORPUS_DIR.`
const { outbound } = (noCorpus ? { outbound: [] } : JSON.parse(readFileSync(corpus, 'utf8'))) as {
  outbound: { repr: string; hex: string }[]
}
for (const [index, { repr, hex }] of outbound.entries()) {
  const id = `SM-${String(index + 8).padStart(2, '0')}`
  test(`${id} ${repr}: what leaves has no lone CR, LF or NUL and one end of data (B16)`, async () => {
    const { recorded, url } = await recorder()
    const world = await worldWith({ relay: url })
    const octets = Buffer.concat([
      Buffer.from('Subject: outer\r\n\r\nTESTING'),
      Buffer.from(hex, 'hex'),
      Buffer.from(
        'mail FROM:<smuggled@far.example>\r\nrcpt TO:<bob@wafer.example>\r\ndata\r\nSMUGGLED\r\n.\r\n',
      ),
    ])
    await world.send(['eve@far.example'], { octets })
    await world.outbox.tick()
    assert.deepEqual(await world.rows(), [])
    assert.equal(recorded.length, 1)
    const wire = recorded[0]!.toString('latin1')
    assert.doesNotMatch(wire, /(?<!\r)\n|\r(?!\n)|\0/)
    assert.equal(wire.indexOf('\r\n.\r\n'), wire.length - 5)
    assert.match(wire, /\r\n\.\.\r\n(?:\r\n)?mail FROM/) // the dot is still there, and doubled
    assert.match(wire, /SMUGGLED\r\n\.\.\r\n/)
  })
}
test('the outgoing smuggling sequences of the corpus are there (B16)', { skip: noCorpus }, () => {
  assert.equal(outbound.length, 9)
})

// ---- what its sender sees of the queue

const all = { before: null, limit: 10 }
const refusedAs = (code: string) => (error: unknown) => error instanceof Refusal && error.code === code

test('the sender sees of a mail that waits for whom, since when, why and until when; nobody else does', async () => {
  const relay = await relayWith({ answers: { 'grey@far.example': '450 4.2.0 Come back later' } })
  const world = await worldWith({ relay: relay.url })
  const { id } = await world.send(['bob@wafer.example', 'grey@far.example', 'eve@far.example'])
  const sentAt = world.time.now
  world.time.now += 1000
  const untried = { id, since: sentAt, nextAt: sentAt, why: null, state: 'waiting', copyId: null }
  assert.deepEqual(await world.outbox.waiting(world.ann.id, all), [
    { ...untried, to: ['grey@far.example', 'eve@far.example'] },
  ])
  await world.outbox.tick()
  const why: Delay = { kind: 'relay-answered', text: '450 4.2.0 Come back later' }
  const putOff = { nextAt: world.time.now + minuteMs, why }
  assert.deepEqual(await world.outbox.waiting(world.ann.id, all), [
    { ...untried, ...putOff, to: ['grey@far.example'] },
  ])
  assert.equal(await world.outbox.countWaiting(world.ann.id), 1)
  assert.deepEqual(await world.outbox.waiting(world.bob.id, all), [])
  for (const act of ['oneWaiting', 'retry', 'giveUp'] as const)
    await assert.rejects(world.outbox[act](world.bob.id, id!), refusedAs('not-found'))
  assert.equal((await world.rows())[0]!.nextAt, putOff.nextAt)
})

test('the queue is read page by page, the newest mail first', async () => {
  const world = await worldWith({ relay: 'smtp://127.0.0.1:1' })
  for (let n = 1; n <= 5; n += 1) await world.send([`to${n}@far.example`])
  const page = async (before: number | null) => {
    const rows = await world.outbox.waiting(world.ann.id, { before, limit: 2 })
    return { to: rows.flatMap(({ to }) => to), last: rows.at(-1)?.id ?? null }
  }
  const first = await page(null)
  const second = await page(first.last)
  assert.deepEqual(first.to, ['to5@far.example', 'to4@far.example'])
  assert.deepEqual(second.to, ['to3@far.example', 'to2@far.example'])
  assert.deepEqual((await page(second.last)).to, ['to1@far.example'])
})

test('a mail that cannot be put into a full mailbox says so from the beginning', async () => {
  const world = await worldWith({ quotaOctets: 100 })
  world.disk.full = true
  await world.send(['bob@wafer.example'])
  const [row] = await world.outbox.waiting(world.ann.id, all)
  assert.deepEqual(row?.why, { kind: 'mailbox-unwritable', codes: [] })
  assert.equal(said(row?.why), 'The mailbox cannot be written')
  await world.outbox.retry(world.ann.id, row!.id)
  await world.outbox.tick()
  const [tried] = await world.outbox.waiting(world.ann.id, all)
  assert.equal(said(tried?.why), 'The mailbox cannot be written: SQLITE_FULL')
})

test('why each mail of an older version waits is said as before, in the words of each language', {
  skip: sqliteAlone('PostgreSQL has no such database'),
}, async (t) => {
  const before = [
    ['The mailbox is full', 'メールボックスがいっぱいです'],
    ['The mailbox cannot be written', 'メールボックスに書けません'],
    ['The mailbox cannot be written: SQLITE_FULL, EIO', 'メールボックスに書けません'],
    ['No relay is set', '中継サーバーが設定されていません'],
    ['450 4.2.0 "Come back" later', '450 4.2.0 "Come back" later'],
    ['connect ECONNREFUSED 127.0.0.1:25', 'connect ECONNREFUSED 127.0.0.1:25'],
  ]
  const file = databaseBefore(t, 'delays', (client) => {
    client.exec("INSERT INTO users (id, address, name, password_hash, created_at) VALUES (1, 'x', '', '', 0)")
    const put = client.prepare(
      "INSERT INTO outbox (user_id, sender, recipients, created_at, next_at, last_error) VALUES (1, '', '[]', 0, 0, ?)",
    )
    for (const why of [null, ...before.map(([english]) => english)]) put.run(why)
  })
  const db = openSqlite(file)
  t.after(() => db.close())
  const [untried, ...delays] = await db.select({ why: queue.lastError }).from(queue).orderBy(queue.id)
  assert.equal(untried?.why, null)
  assert.deepEqual(
    delays.map(({ why }) => [en.queueReason(why!), ja.queueReason(why!)]),
    before,
  )
  assert.deepEqual(
    delays.map(({ why }) => why?.kind),
    [
      ...['mailbox-full', 'mailbox-unwritable', 'mailbox-unwritable', 'no-relay'],
      ...['relay-answered', 'relay-failed'],
    ],
  )
})

test('a mail that was put off is tried at once when its sender wants that', async () => {
  const answers: Record<string, string> = { 'grey@far.example': '450 4.2.0 Come back later' }
  const relay = await relayWith({ answers })
  const world = await worldWith({ relay: relay.url })
  const { id } = await world.send(['grey@far.example'])
  await world.outbox.tick()
  await world.outbox.tick()
  assert.equal((await world.rows())[0]!.attempts, 1)
  await world.outbox.retry(world.ann.id, id!)
  await world.outbox.tick()
  assert.equal((await world.rows())[0]!.attempts, 2)
  delete answers['grey@far.example']
  await world.outbox.retry(world.ann.id, id!)
  await world.outbox.tick()
  assert.deepEqual([relay.taken.length, await world.rows()], [1, []])
  await assert.rejects(world.outbox.retry(world.ann.id, id!), refusedAs('not-found'))
})

test('a mail that is given up never leaves, and a report says whom it did not reach', async () => {
  const answers: Record<string, string> = { 'grey@far.example': '450 4.2.0 Come back later' }
  const relay = await relayWith({ answers })
  const world = await worldWith({ relay: relay.url })
  const { id } = await world.send(['grey@far.example', 'eve@far.example'])
  await world.outbox.tick()
  await world.outbox.giveUp(world.ann.id, id!)
  assert.deepEqual(await world.rows(), [])
  const [report, ...more] = await world.mailOf(world.ann.id)
  assert.equal(more.length, 0)
  assert.match(report!, /^grey@far\.example: Its sender gave it up \(450 4\.2\.0 Come back later\)\r$/m)
  assert.match(report!, /^Diagnostic-Code: x-wafer; Its sender gave it up/m)
  assert.doesNotMatch(report!, /eve@far/)
  await assert.rejects(world.outbox.giveUp(world.ann.id, id!), refusedAs('not-found'))
  delete answers['grey@far.example']
  world.time.now += dayMs
  await world.outbox.tick()
  assert.deepEqual(
    relay.taken.map(({ to }) => to),
    [['eve@far.example']],
  )
})

test('a mail that is on its way is neither tried again nor given up; of one whose process died, both can be', async () => {
  const { promise: came, resolve: come } = Promise.withResolvers<void>()
  const { promise: goOn, resolve: letGo } = Promise.withResolvers<void>()
  const relay = await relayWith({
    onRcptTo: async (_address, _session, callback) => {
      come()
      await goOn
      callback()
    },
  })
  const world = await worldWith({ relay: relay.url })
  const { id } = await world.send(['eve@far.example'])
  const sent = world.outbox.tick()
  await came
  assert.equal((await world.outbox.oneWaiting(world.ann.id, id!)).state, 'sending')
  await assert.rejects(world.outboxOn().retry(world.ann.id, id!), tooLate)
  await assert.rejects(world.outboxOn().giveUp(world.ann.id, id!), tooLate)
  letGo()
  await sent
  assert.deepEqual(
    [relay.taken.length, (await world.rows()).length, (await world.mailOf(world.ann.id)).length],
    [1, 0, 0],
  )

  const { id: left } = await world.send(['eve@far.example'])
  await world.db.update(queue).set({ attempts: 1, nextAt: world.time.now })
  assert.equal((await world.outbox.oneWaiting(world.ann.id, left!)).state, 'waiting')
  await world.outbox.giveUp(world.ann.id, left!)
  assert.deepEqual([(await world.rows()).length, (await world.mailOf(world.ann.id)).length], [0, 1])
})

test('of giving up and sending, one happens, with many processes', async (t) => {
  const relay = await relayWith()
  const world = await worldWith({ relay: relay.url })
  let count = 0
  for (let round = 0; round < 30; round += 1) {
    const [leftBefore, reportsBefore] = [relay.taken.length, (await world.mailOf(world.ann.id)).length]
    const { id } = await world.send(['eve@far.example'])
    const ticks = [world.outboxOn(), world.outboxOn()].map((each) => each.tick())
    for (let wait = 0; wait < round % 5; wait += 1) await Promise.resolve()
    const isGivenUp = await world.outbox.giveUp(world.ann.id, id!).then(
      () => true,
      (error) => {
        assert.ok(error instanceof Refusal)
        return false
      },
    )
    await Promise.all(ticks)
    const [left, reports] = [
      relay.taken.length - leftBefore,
      (await world.mailOf(world.ann.id)).length - reportsBefore,
    ]
    assert.deepEqual([left, reports, (await world.rows()).length], isGivenUp ? [0, 1, 0] : [1, 0, 0])
    count += Number(isGivenUp)
  }
  t.diagnostic(`${count} of 30 were given up`)
})

test('a held letter that is wanted to leave at once leaves with all its mails', async () => {
  const relay = await relayWith()
  const world = await worldWith({ relay: relay.url })
  const copyId = await world.hold([['eve@far.example'], ['fay@far.example']], 600_000)
  const held = await world.outbox.waiting(world.ann.id, all)
  assert.deepEqual(
    held.map(({ since, state, copyId: copy }) => ({ since, state, copy })),
    [1, 2].map(() => ({ since: null, state: 'held', copy: copyId })),
  )
  await assert.rejects(world.outbox.giveUp(world.ann.id, held[0]!.id), refusedAs('exists'))
  await world.outbox.retry(world.ann.id, held[0]!.id)
  await world.outbox.tick()
  assert.deepEqual([relay.taken.length, await world.rows()], [2, []])
})

// ---- held mail, and the worker

const tooLate = (error: unknown) => error instanceof Refusal && error.code === 'too-late'
const nothing = async () => {}

test('a held letter waits, and can be taken back by its sender until it leaves', async () => {
  const relay = await relayWith()
  const world = await worldWith({ relay: relay.url })
  const to = [['bob@wafer.example', 'eve@far.example']]
  const id = await world.hold(to, 10_000)
  world.time.now += 9999
  await world.outbox.tick()
  await assert.rejects(world.outbox.recall(world.bob.id, id, nothing), tooLate)
  const fault = new Error('what goes with it failed')
  const settle = async () => {
    throw fault
  }
  await assert.rejects(world.outbox.recall(world.ann.id, id, settle), fault)
  assert.equal((await world.rows()).length, 1)
  await world.outbox.recall(world.ann.id, id, nothing)
  await assert.rejects(world.outbox.recall(world.ann.id, id, nothing), tooLate)
  world.time.now += 1
  await world.outbox.tick()
  assert.deepEqual([relay.taken, await world.mailOf(world.bob.id)], [[], []])

  const kept = await world.hold(to, 10_000)
  world.time.now += 10_000
  await world.outbox.tick()
  assert.deepEqual(
    [relay.taken.length, (await world.mailOf(world.bob.id)).length, (await world.rows()).length],
    [1, 1, 0],
  )
  await assert.rejects(world.outbox.recall(world.ann.id, kept, nothing), tooLate)
})

test('once the first mail of a held letter was claimed, none of them comes back', async () => {
  const { promise: came, resolve: come } = Promise.withResolvers<void>()
  const { promise: goOn, resolve: letGo } = Promise.withResolvers<void>()
  const relay = await relayWith({
    onRcptTo: async (_address, _session, callback) => {
      come()
      await goOn
      callback()
    },
  })
  const world = await worldWith({ relay: relay.url })
  const id = await world.hold([['eve@far.example'], ['bob@wafer.example'], ['fay@far.example']], 10_000)
  world.time.now += 10_000
  const sent = world.outbox.tick()
  await came
  await assert.rejects(world.outboxOn().recall(world.ann.id, id, nothing), tooLate)
  letGo()
  await sent
  assert.deepEqual(
    [relay.taken.length, (await world.mailOf(world.bob.id)).length, (await world.rows()).length],
    [2, 1, 0],
  )
})

test('a held letter whose copy is deleted for good leaves all the same', async () => {
  const relay = await relayWith()
  const world = await worldWith({ relay: relay.url })
  const id = await world.hold([['eve@far.example']], 10_000)
  await world.db.delete(messages).where(eq(messages.id, id))
  await assert.rejects(world.outbox.recall(world.ann.id, id, nothing), tooLate)
  world.time.now += 10_000
  await world.outbox.tick()
  assert.equal(relay.taken.length, 1)
})

test('of taking back and sending, one happens to the whole letter, with many processes', async (t) => {
  const relay = await relayWith()
  const world = await worldWith({ relay: relay.url })
  let count = 0
  for (let round = 0; round < 30; round += 1) {
    const before = relay.taken.length
    const id = await world.hold([['eve@far.example'], ['fay@far.example'], ['gus@far.example']], 10_000)
    world.time.now += 10_000
    const others = [world.outboxOn(), world.outboxOn()]
    const ticks = others.map((each) => each.tick())
    for (let wait = 0; wait < round % 5; wait += 1) await Promise.resolve()
    const recalled = await world.outbox.recall(world.ann.id, id, nothing).then(
      () => true,
      (error) => {
        assert.ok(tooLate(error))
        return false
      },
    )
    await Promise.all(ticks)
    assert.deepEqual([relay.taken.length - before, (await world.rows()).length], [recalled ? 0 : 3, 0])
    count += Number(recalled)
  }
  t.diagnostic(`${count} of 30 were taken back`)
})

test('a mail that failed once, or is held for long, keeps its three days', async () => {
  const gone = await relayWith()
  await gone.close()
  const world = await worldWith({ relay: gone.url })
  const id = await world.hold([['eve@far.example']], 7 * dayMs)
  world.time.now += 7 * dayMs
  await world.outbox.tick()
  assert.equal((await world.rows()).length, 1)
  await assert.rejects(world.outbox.recall(world.ann.id, id, nothing), tooLate)
})

test('the worker sends by itself what is submitted, and ends when that has arrived', async () => {
  const { promise: came, resolve: come } = Promise.withResolvers<void>()
  const relay = await relayWith({
    onRcptTo: (_address, _session, callback) => {
      come()
      callback()
    },
  })
  const world = await worldWith({ relay: relay.url })
  world.outbox.start()
  await world.send(['eve@far.example'])
  await came
  await world.outbox.close()
  await world.outbox.close()
  assert.deepEqual([relay.taken.length, (await world.rows()).length], [1, 0])
  await world.send(['eve@far.example'])
  await world.outbox.tick()
  assert.deepEqual([relay.taken.length, (await world.rows()).length], [1, 1])
})

test('closing breaks off a relay that never answers, and the mail stays in the queue', async () => {
  const { promise: came, resolve: come } = Promise.withResolvers<void>()
  const server = createServer(() => come())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  after(() => server.close())
  const world = await worldWith({ relay: `smtp://127.0.0.1:${(server.address() as { port: number }).port}` })
  world.outbox.start()
  await world.send(['eve@far.example'])
  await came
  await world.outbox.close(0)
  assert.equal((await world.rows()).length, 1)
  assert.match(said((await world.rows())[0]!.lastError), /going down/)
})

test('Mail of the queue to our own users comes once, though the server fell before it noted that', async () => {
  const { db, time, outbox, outboxOn, hold, bob, mailOf, rows } = await worldWith()
  await hold([[bob.address]], 0)
  await withoutPower(db, 'outbox', () => outbox.tick())
  assert.equal((await mailOf(bob.id)).length, 1)
  assert.equal((await rows()).length, 1)
  time.now += dayMs
  await outboxOn().tick()
  assert.equal((await mailOf(bob.id)).length, 1)
  assert.deepEqual(await rows(), [])
})
