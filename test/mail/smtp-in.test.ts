/** Mail comes in: by SMTP and LMTP, on real sockets, from peers that keep to the rules and from peers that do not. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { eq, gt, max } from 'drizzle-orm'
import SMTPConnection from 'nodemailer/lib/smtp-connection'
import { pino } from 'pino'
import { readConfig } from '../../server/ground/config.ts'
import { smtpLimits } from '../../server/ground/limits.ts'
import { ServerSecret } from '../../server/ground/server-secret.ts'
import { contentPieces, messages } from '../../server/ground/store/tables.ts'
import { Turnstile } from '../../server/ground/turnstile.ts'
import { CryptoPool } from '../../server/locked/crypto-pool.ts'
import { Contents } from '../../server/mail/contents.ts'
import { Mailboxes } from '../../server/mail/mailboxes.ts'
import { startSmtpIn } from '../../server/mail/smtp-in.ts'
import { Guesses } from '../../server/people/guesses.ts'
import { Ledger } from '../../server/people/ledger.ts'
import { Quota } from '../../server/people/quota.ts'
import { Sessions } from '../../server/people/sessions.ts'
import { Users } from '../../server/people/users.ts'
import { openOwn, sqliteAlone } from '../support/databases.ts'
import { vectors } from '../support/places.ts'
import { sqliteOf } from '../support/sqlite.ts'

const now = Date.UTC(2026, 10, 22, 9, 30)
const vector = (name: string) => readFileSync(join(vectors, name), 'utf8')
const tls = { cert: vector('localhost-cert.pem'), key: vector('localhost-key.pem') }

const db = await openOwn()
after(() => db.close())
const clock = () => now
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
const pool = new CryptoPool(new Turnstile(2, 32))
after(() => pool.close())
const contents = new Contents({ db, clock })
const quota = new Quota({ db, config: { quotaOctets: 2 ** 31 } })
const mailboxes = new Mailboxes({ db, clock, pool, contents, quota })
const ann = await users.add({ address: 'ann@wafer.example', password: 'correct horse' })
const bob = await users.add({ address: 'bob@wafer.example', password: 'correct horse' })
await users.add({ address: 'cid@other.example', password: 'correct horse' })

type Delivered = { to: number[]; mail: string }

/** What is in the mailboxes, a mail to several users once. */
const deliveredSince = async (id: number): Promise<Delivered[]> => {
  const rows = await db
    .select({ id: messages.id, to: messages.userId, piece: contentPieces.octets })
    .from(contentPieces)
    .innerJoin(messages, eq(messages.contentId, contentPieces.contentId))
    .where(gt(messages.id, id))
    .orderBy(messages.id, contentPieces.place)
  const whole = [...Map.groupBy(rows, (row) => row.id).values()].map((pieces) => ({
    to: pieces[0]!.to,
    mail: Buffer.concat(pieces.map(({ piece }) => piece)).toString('latin1'),
  }))
  const mails = Map.groupBy(whole, ({ mail }) => mail)
  return [...mails].map(([mail, copies]) => ({ to: copies.map(({ to }) => to).sort(), mail }))
}

/** A server that takes mail, and where the mail went. */
const serverWith = async (
  options: {
    config?: Partial<Parameters<typeof startSmtpIn>[0]['config']>
    limits?: Partial<typeof smtpLimits>
    quota?: Quota
    deliver?: () => Promise<void>
    /** Awaited before a recipient is looked up. */
    lookUp?: () => Promise<void>
  } = {},
) => {
  const smtp = await startSmtpIn({
    config: {
      smtpHost: '127.0.0.1',
      smtpPort: 0,
      lmtpSocket: null,
      domains: null,
      tls: null,
      hostname: 'mx.wafer.example',
      localFromOutside: 'show',
      ...options.config,
    },
    users: {
      areIn: (domains) => users.areIn(domains),
      byName: (name) => users.byName(name),
      byAddress: async (address) => {
        await options.lookUp?.()
        return users.byAddress(address)
      },
    },
    mailboxes: {
      deliver: async (...mail) => {
        await options.deliver?.()
        return mailboxes.deliver(...mail)
      },
    },
    quota: options.quota ?? quota,
    clock,
    log: pino({ level: 'silent' }),
    ...(options.limits ? { limits: options.limits } : {}),
  })
  after(() => smtp.close())
  const [newest] = await db.select({ id: max(messages.id) }).from(messages)
  const before = newest?.id ?? 0
  return { port: smtp.smtpPort, close: () => smtp.close(), delivered: () => deliveredSince(before) }
}

/** A peer that writes what it likes, and reads whole replies. */
class Peer {
  #socket: Socket
  #text = ''
  #wake: () => void = () => {}
  #over = false

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#listen()
  }

  static async to(where: number | string): Promise<Peer> {
    const socket = typeof where === 'number' ? connect(where, '127.0.0.1') : connect(where)
    const peer = new Peer(socket)
    after(() => peer.leave())
    return peer
  }

  /** After the greeting and EHLO (LHLO). */
  static async greeted(where: number | string): Promise<Peer> {
    const peer = await Peer.to(where)
    await peer.reply()
    await peer.ask(typeof where === 'number' ? 'EHLO client.example' : 'LHLO client.example')
    return peer
  }

  #listen() {
    this.#socket.setNoDelay(true)
    this.#socket.on('data', (chunk) => {
      this.#text += chunk.toString('latin1')
      this.#wake()
    })
    const end = () => {
      this.#over = true
      this.#wake()
    }
    this.#socket.on('close', end).on('end', end).on('error', end)
  }

  write(octets: string | Buffer) {
    if (this.#socket.writable)
      this.#socket.write(typeof octets === 'string' ? Buffer.from(octets, 'utf8') : octets)
  }

  /** One reply with all its lines, or '' when the connection is over. */
  async reply(): Promise<string> {
    while (true) {
      const [reply] = this.#text.match(/^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\n/) ?? []
      if (reply) {
        this.#text = this.#text.slice(reply.length)
        return reply.trimEnd()
      }
      if (this.#over) return ''
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  ask(line: string): Promise<string> {
    this.write(`${line}\r\n`)
    return this.reply()
  }

  /** Everything that is said until the connection is over. */
  async rest(): Promise<string[]> {
    const replies: string[] = []
    for (let reply = await this.reply(); reply; reply = await this.reply()) replies.push(reply)
    return replies
  }

  /** MAIL, RCPT and DATA, up to the 354. */
  async envelope(from = 'eve@far.example', to = ['ann@wafer.example']) {
    assert.match(await this.ask(`MAIL FROM:<${from}>`), /^250 /)
    for (const address of to) assert.match(await this.ask(`RCPT TO:<${address}>`), /^250 /)
    assert.match(await this.ask('DATA'), /^354 /)
  }

  async startTls(): Promise<void> {
    this.#socket.removeAllListeners()
    const secure = connectTls({ socket: this.#socket, ca: tls.cert, host: 'localhost' })
    await new Promise<void>((resolve, reject) => secure.once('secureConnect', resolve).once('error', reject))
    this.#socket = secure
    this.#listen()
  }

  leave() {
    this.#socket.destroy()
  }
}

const withoutTrace = (mail: string) => mail.replace(/^Return-Path:.*\r\nReceived:.*\r\n(?:\t.*\r\n)*/, '')
const codeOf = (reply: string | undefined) => Number(reply?.slice(0, 3))

test('a mail comes in with its octets untouched, after its sender and its way', async () => {
  const { port, delivered } = await serverWith()
  const peer = await Peer.greeted(port)
  await peer.envelope()
  const mail = 'Subject: hello\r\nX-Odd:  a \t b\r\n\r\n..dots and caf\xc3\xa9\r\n.\r\n'
  peer.write(Buffer.from(`${mail.replace(/^\./gm, '..')}.\r\n`, 'latin1'))
  assert.match(await peer.reply(), /^250 2\.6\.0 /)
  assert.equal((await delivered()).length, 1)
  assert.deepEqual((await delivered())[0]!.to, [ann.id])
  assert.equal(withoutTrace((await delivered())[0]!.mail), mail)
  assert.match(
    (await delivered())[0]!.mail,
    /^Return-Path: <eve@far\.example>\r\nReceived: from client\.example \(\[127\.0\.0\.1\]\)\r\n\tby mx\.wafer\.example with ESMTP id \w+-1 for <ann@wafer\.example>;\r\n\tSun, 22 Nov 2026 09:30:00 \+0000\r\nSubject: hello\r\n/,
  )
  assert.match(await peer.ask('QUIT'), /^221 /)
})

test('several recipients get one copy each, also one who is named twice, and are not named in it', async () => {
  const { port, delivered } = await serverWith()
  const peer = await Peer.greeted(port)
  const to = ['ann@wafer.example', 'BOB@Wafer.Example', 'bob@wafer.example', 'ann@wafer.example']
  await peer.envelope('eve@far.example', to)
  assert.match(await peer.ask('Subject: x\r\n\r\nx\r\n.'), /^250 /)
  assert.deepEqual(
    (await delivered()).map((mail) => mail.to),
    [[ann.id, bob.id]],
  )
  assert.doesNotMatch((await delivered())[0]!.mail, /bob/i)
})

test('mail without a sender is taken', async () => {
  const { port, delivered } = await serverWith()
  const peer = await Peer.greeted(port)
  await peer.envelope('')
  assert.match(await peer.ask('Subject: report\r\n\r\nx\r\n.'), /^250 /)
  assert.match((await delivered())[0]!.mail, /^Return-Path: <>\r\n/)
})

test('an unknown recipient is refused at RCPT, and another domain is not relayed to', async () => {
  const { port } = await serverWith()
  const peer = await Peer.greeted(port)
  await peer.ask('MAIL FROM:<ann@wafer.example>')
  assert.match(await peer.ask('RCPT TO:<nobody@wafer.example>'), /^550 5\.1\.1 /)
  assert.match(await peer.ask('RCPT TO:<eve@far.example>'), /^550 5\.7\.1 /)
  assert.match(await peer.ask('RCPT TO:<eve%far.example@wafer.example>'), /^550 5\.1\.1 /)
  assert.match(await peer.ask('RCPT TO:<"eve@far.example"@wafer.example>'), /^5/)
  assert.match(await peer.ask('RCPT TO:<postmaster>'), /^550 5\.1\.1 /)
  assert.match(await peer.ask('DATA'), /^503 /)
})

test('a subaddress comes to the user before the plus, unless somebody is called just that', async () => {
  const { port, delivered } = await serverWith()
  const own = await users.add({ address: 'bob+own@wafer.example', password: 'correct horse' })
  try {
    const peer = await Peer.greeted(port)
    await peer.envelope('eve@far.example', ['ann+list@wafer.example', 'Bob+Own@wafer.example'])
    assert.match(await peer.ask('Subject: x\r\n\r\nx\r\n.'), /^250 /)
    assert.deepEqual((await delivered())[0]!.to, [ann.id, own.id])
    await peer.ask('MAIL FROM:<eve@far.example>')
    assert.match(await peer.ask('RCPT TO:<nobody+ann@wafer.example>'), /^550 5\.1\.1 /)
    assert.match(await peer.ask('RCPT TO:<+ann@wafer.example>'), /^550 5\.1\.1 /)
  } finally {
    await users.remove(own.id)
  }
})

test('who asks for many recipients that do not exist is told of none, on whatever connection', async () => {
  const { port } = await serverWith({ limits: { unknownRecipients: 6 } })
  const ask = async (name: string) => {
    const peer = await Peer.greeted(port)
    await peer.ask('MAIL FROM:<eve@far.example>')
    const answer = await peer.ask(`RCPT TO:<${name}@wafer.example>`)
    peer.leave()
    return answer
  }
  for (let count = 0; count < 5; count += 1) assert.match(await ask(`nobody${count}`), /^550 5\.1\.1 /)
  assert.match(await ask('ann'), /^250 /)
  const answers = await Promise.all(Array.from({ length: 10 }, (_, count) => ask(`more${count}`)))
  assert.equal(answers.filter((answer) => /^550 5\.1\.1 /.test(answer)).length, 1)
  assert.equal(answers.filter((answer) => /^450 4\.7\.1 /.test(answer)).length, 9)
  assert.equal(await ask('ann'), await ask('nobody'))
  assert.match(await ask('ann'), /^450 4\.7\.1 /)
})

test('the postmaster is found without a domain', async () => {
  const { port, delivered } = await serverWith()
  const postmaster = await users.add({ address: 'postmaster@wafer.example', password: 'correct horse' })
  try {
    const peer = await Peer.greeted(port)
    await peer.envelope('eve@far.example', ['Postmaster'])
    assert.match(await peer.ask('Subject: x\r\n\r\nx\r\n.'), /^250 /)
    assert.deepEqual((await delivered())[0]!.to, [postmaster.id])
  } finally {
    await users.remove(postmaster.id)
  }
})

test("the users' domains are accepted in whatever letters, in Unicode and in Punycode, and none that only resembles them", async () => {
  const { port } = await serverWith()
  const cid = await users.add({ address: 'cid@bücher.example', password: 'correct horse' })
  try {
    const peer = await Peer.greeted(port)
    await peer.ask('MAIL FROM:<eve@far.example>')
    for (const domain of ['xn--bcher-kva.example', 'XN--Bcher-Kva.Example'])
      assert.match(await peer.ask(`RCPT TO:<cid@${domain}>`), /^250 /)
    assert.match(await peer.ask('RCPT TO:<nobody@xn--bcher-kva.example>'), /^550 5\.1\.1 /)
    for (const domain of ['bucher.example', 'more.xn--bcher-kva.example', 'example', 'wafer.example.far'])
      assert.match(await peer.ask(`RCPT TO:<cid@${domain}>`), /^550 5\.7\.1 /)
    await peer.ask('RSET')
    await peer.ask('MAIL FROM:<eve@far.example> SMTPUTF8')
    assert.match(await peer.ask('RCPT TO:<cid@BÜCHER.example>'), /^250 /)
    assert.match(await peer.ask('RCPT TO:<nobody@bücher.example>'), /^550 5\.1\.1 /)
  } finally {
    await users.remove(cid.id)
  }
})

test('only the domains that are set are accepted', async () => {
  const { port } = await serverWith({ config: { domains: ['other.example'] } })
  const peer = await Peer.greeted(port)
  await peer.ask('MAIL FROM:<eve@far.example>')
  assert.match(await peer.ask('RCPT TO:<ann@wafer.example>'), /^550 5\.7\.1 /)
  assert.match(await peer.ask('RCPT TO:<cid@other.example>'), /^250 /)
})

test('the server says what it can do, and offers no log-in', async () => {
  const { port } = await serverWith()
  const peer = await Peer.to(port)
  assert.match(await peer.reply(), /^220 mx\.wafer\.example ESMTP/)
  const offer = await peer.ask('EHLO client.example')
  for (const extension of ['PIPELINING', 'SIZE 26214400', '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES'])
    assert.match(offer, new RegExp(`^250[- ]${extension}\r?$`, 'm'))
  assert.doesNotMatch(offer, /AUTH|STARTTLS|XCLIENT|DSN/)
  assert.match(await peer.ask('AUTH PLAIN AGFubgBwYXNz'), /^500 /)
  assert.match(await peer.ask('STARTTLS'), /^500 /)
})

test('international addresses are taken with SMTPUTF8', async () => {
  const { port, delivered } = await serverWith()
  const zoe = await users.add({ address: 'zoë@wafer.example', password: 'correct horse' })
  const peer = await Peer.greeted(port)
  assert.match(await peer.ask('MAIL FROM:<ève@far.example> SMTPUTF8 BODY=8BITMIME'), /^250 /)
  assert.match(await peer.ask('RCPT TO:<zoë@wafer.example>'), /^250 /)
  assert.match(await peer.ask('DATA'), /^354 /)
  assert.match(await peer.ask('Subject: é\r\n\r\nx\r\n.'), /^250 /)
  assert.deepEqual((await delivered())[0]!.to, [zoe.id])
  assert.match(
    Buffer.from((await delivered())[0]!.mail, 'latin1').toString(),
    /^Return-Path: <ève@far\.example>\r\nReceived:[^;]* with UTF8SMTP /,
  )
})

test('a mail of 25 MiB is taken, one octet more is refused at MAIL and at DATA', async () => {
  const { port, delivered } = await serverWith()
  const peer = await Peer.greeted(port)
  const most = smtpLimits.messageOctets
  assert.match(await peer.ask(`MAIL FROM:<eve@far.example> SIZE=${most + 1}`), /^552 5\.3\.4 /)
  assert.match(await peer.ask(`MAIL FROM:<eve@far.example> SIZE=${most}`), /^250 /)
  await peer.ask('RSET')
  const line = `${'x'.repeat(126)}\r\n`
  const filled = (octets: number) => {
    const head = 'Subject: big\r\n\r\n'
    const lines = line.repeat(Math.floor((octets - head.length) / line.length) - 1)
    return `${head}${lines}${'y'.repeat(octets - head.length - lines.length - 2)}\r\n`
  }
  for (const [octets, code] of [
    [most + 1, 552],
    [most, 250],
  ] as const) {
    await peer.envelope()
    const mail = filled(octets)
    assert.equal(mail.length, octets)
    peer.write(`${mail}.\r\n`)
    assert.equal(codeOf(await peer.reply()), code)
  }
  assert.deepEqual(
    (await delivered()).map(({ mail }) => withoutTrace(mail).length),
    [most],
  )
})

test('mails that together are too much for the memory are put off', async () => {
  const { port, delivered } = await serverWith({ limits: { octetsAtOnce: 1000 } })
  const peer = await Peer.greeted(port)
  await peer.envelope()
  assert.match(await peer.ask(`Subject: x\r\n\r\n${'x'.repeat(1000)}\r\n.`), /^452 4\.3\.1 /)
  for (const _ of [1, 2, 3]) {
    await peer.envelope()
    assert.match(await peer.ask(`Subject: x\r\n\r\n${'x'.repeat(900)}\r\n.`), /^250 /)
  }
  assert.equal((await delivered()).length, 3)
})

test('before a new mail is put off, one that stands still gives way (B16)', async () => {
  const { port, delivered } = await serverWith({ limits: { octetsAtOnce: 3000, stallMs: 100 } })
  const [still, lively] = [await Peer.greeted(port), await Peer.greeted(port)]
  await still.envelope()
  still.write(`Subject: still\r\n\r\n${'x'.repeat(2000)}`)
  await new Promise((resolve) => setTimeout(resolve, 200))
  await lively.envelope()
  assert.match(await lively.ask(`Subject: lively\r\n\r\n${'x'.repeat(2000)}\r\n.`), /^250 /)
  assert.match(await still.reply(), /^421 4\.3\.1 /)
  assert.deepEqual(await still.rest(), [])
  assert.equal((await delivered()).length, 1)
})

test('a mail whose data takes too long is given up, however it drips in (B16)', async () => {
  const { port, delivered } = await serverWith({ limits: { dataMs: 300 } })
  const peer = await Peer.greeted(port)
  await peer.envelope()
  const drip = setInterval(() => peer.write('x'), 20)
  after(() => clearInterval(drip))
  assert.match(await peer.reply(), /^421 4\.4\.2 /)
  clearInterval(drip)
  assert.deepEqual(await peer.rest(), [])
  assert.equal((await delivered()).length, 0)
})

test('two large mails at one time from one address are taken, a third is put off, small ones never (B16)', async () => {
  const { port, delivered } = await serverWith({ limits: { largeOctets: 1000 } })
  const peers = [await Peer.greeted(port), await Peer.greeted(port), await Peer.greeted(port)]
  const large = `Subject: large\r\n\r\n${'x'.repeat(1500)}\r\n`
  for (const peer of peers.slice(0, 2)) {
    await peer.envelope()
    peer.write(large)
  }
  await new Promise((resolve) => setTimeout(resolve, 100))
  const third = peers[2]!
  await third.envelope()
  assert.match(await third.ask(`${large}.`), /^452 4\.3\.2 /)
  await third.envelope()
  assert.match(await third.ask('Subject: small\r\n\r\nx\r\n.'), /^250 /)
  assert.match(await peers[0]!.ask('.'), /^250 /)
  await third.envelope()
  assert.match(await third.ask(`${large}.`), /^250 /)
  assert.match(await peers[1]!.ask('.'), /^250 /)
  assert.equal((await delivered()).length, 4)
})

test('a mail of nothing but lines with dots comes in whole', async () => {
  const { port, delivered } = await serverWith()
  const peer = await Peer.greeted(port)
  await peer.envelope()
  assert.match(await peer.ask(`Subject: dots\r\n\r\n${'..\r\n'.repeat(5000)}.`), /^250 /)
  assert.ok((await delivered())[0]!.mail.endsWith(`dots\r\n\r\n${'.\r\n'.repeat(5000)}`))
})

test('250 is said only when the mail is in the mailbox (B15)', async () => {
  const { promise: stored, resolve: store } = Promise.withResolvers<void>()
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>()
  const { port, delivered } = await serverWith({
    deliver: () => {
      ask()
      return stored
    },
  })
  const peer = await Peer.greeted(port)
  await peer.envelope()
  const answer = peer.ask('Subject: x\r\n\r\nx\r\n.')
  await asked
  assert.equal(
    await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 50, 'nothing'))]),
    'nothing',
  )
  assert.equal((await delivered()).length, 0)
  store()
  assert.match(await answer, /^250 /)
})

test('a full disk is 452, another failure 451, and the connection goes on', {
  skip: sqliteAlone('its file is filled up'),
}, async () => {
  let broken = false
  const { port, delivered } = await serverWith({
    deliver: async () => {
      if (broken) throw new Error('x', { cause: Object.assign(new Error('x'), { code: 'SQLITE_IOERR' }) })
    },
  })
  const peer = await Peer.greeted(port)
  const text = 'x'.repeat(500_000)
  const pages = sqliteOf(db).pragma('page_count', { simple: true })
  const most = sqliteOf(db).pragma('max_page_count', { simple: true })
  for (const answer of [/^452 4\.3\.1 /, /^451 4\.3\.0 /, /^250 /]) {
    const full = answer.source.includes('452')
    sqliteOf(db).pragma(`max_page_count = ${full ? pages : most}`)
    broken = answer.source.includes('451')
    await peer.envelope()
    assert.match(await peer.ask(`Subject: x\r\n\r\n${text}\r\n.`), answer)
  }
  assert.equal((await delivered()).length, 1)
})

test('a mail that 50 servers have passed on is taken, one more is a loop', async () => {
  const { port } = await serverWith()
  const peer = await Peer.greeted(port)
  for (const [hops, answer] of [
    [50, /^250 /],
    [51, /^554 5\.4\.6 /],
  ] as const) {
    await peer.envelope()
    const header = 'RECEIVED : from a by b;\r\n\tSun, 22 Nov 2026 09:30:00 +0000\r\n'.repeat(hops)
    assert.match(await peer.ask(`${header}\r\nReceived: in the text\r\n.`), answer)
  }
})

test('1000 recipients are taken, one more is put off', async () => {
  const { port } = await serverWith()
  const peer = await Peer.greeted(port)
  await peer.ask('MAIL FROM:<eve@far.example>')
  for (let left = 1000; left > 0; left -= 100) {
    peer.write('RCPT TO:<ann@wafer.example>\r\n'.repeat(100))
    for (let count = 0; count < 100; count++) assert.match(await peer.reply(), /^250 /)
  }
  assert.match(await peer.ask('RCPT TO:<bob@wafer.example>'), /^452 4\.5\.3 /)
  assert.match(await peer.ask('DATA'), /^354 /)
  assert.match(await peer.ask('.'), /^250 /)
})

test('a client has 50 connections, not 51', async () => {
  const { port } = await serverWith()
  const peers: Peer[] = []
  for (let count = 0; count < 50; count++) peers.push(await Peer.to(port))
  for (const peer of peers) assert.match(await peer.reply(), /^220 /)
  const late = await Peer.to(port)
  assert.match((await late.rest())[0]!, /^421 4\.7\.0 /)
  assert.match(await peers[0]!.ask('QUIT'), /^221 /)
  await peers[0]!.rest()
  assert.match(await (await Peer.to(port)).reply(), /^220 /)
  for (const peer of peers) peer.leave()
})

test('too many errors end the connection', async () => {
  const { port } = await serverWith()
  const peer = await Peer.greeted(port)
  await peer.ask('MAIL FROM:<eve@far.example>')
  for (let count = 0; count < 19; count++) assert.match(await peer.ask('RCPT TO:<no@wafer.example>'), /^550 /)
  peer.write('RCPT TO:<no@wafer.example>\r\nNOOP\r\n')
  assert.deepEqual((await peer.rest()).map(codeOf), [550, 421])
})

test('a hundred commands without a mail are answered, one more ends the connection', async () => {
  const { port } = await serverWith()
  const peer = await Peer.greeted(port)
  peer.write('NOOP\r\n'.repeat(100))
  for (let count = 0; count < 100; count++) assert.equal(codeOf(await peer.reply()), 250)
  assert.match(await peer.ask('noop'), /^421 4\.7\.0 /)
  assert.equal(await peer.reply(), '')
})

test('a command line of 2048 octets is read, a longer one ends the connection', async () => {
  const { port } = await serverWith()
  const peer = await Peer.greeted(port)
  assert.match(await peer.ask(`NOOP ${'x'.repeat(2048 - 5)}`), /^250 /)
  assert.match(await peer.ask(`NOOP ${'x'.repeat(2049 - 5)}`), /^500 5\.5\.2 /)
  assert.equal(await peer.reply(), '')
  const endless = await Peer.greeted(port)
  endless.write('x'.repeat(100_000))
  assert.deepEqual((await endless.rest()).map(codeOf), [500])
})

test('who says nothing for too long is hung up on', async () => {
  const { port, delivered } = await serverWith({ limits: { idleMs: 1500 } })
  const idle = await Peer.greeted(port)
  const inMail = await Peer.greeted(port)
  await inMail.envelope()
  inMail.write('Subject: never\r\n')
  assert.match((await idle.rest())[0]!, /^421 /)
  assert.match((await inMail.rest())[0]!, /^421 /)
  assert.equal((await delivered()).length, 0)
  assert.equal(smtpLimits.idleMs, 300_000)
})

test('a mail whose client goes away in the middle is not delivered', async () => {
  const { port, delivered, close } = await serverWith()
  const peer = await Peer.greeted(port)
  await peer.envelope()
  peer.write('Subject: half\r\n\r\nhalf of\r\n')
  peer.leave()
  await close()
  assert.equal((await delivered()).length, 0)
})

test('who speaks before the greeting is hung up on', async () => {
  const { port } = await serverWith()
  const peer = await Peer.to(port)
  peer.write('EHLO client.example\r\nMAIL FROM:<eve@far.example>\r\n')
  assert.deepEqual((await peer.rest()).map(codeOf), [421])
})

// ---- B16: one stream of octets, read in one way

const corpus = join(process.env.CORPUS_DIR ?? '../shared/corpus', 'smtp-smuggling', 'sequences.json')
const noCorpus = existsSync(corpus) ? false : `There is no corpus at ${corpus}; set CORPUS_DIR.`
const { inbound } = (noCorpus ? { inbound: [] } : JSON.parse(readFileSync(corpus, 'utf8'))) as {
  inbound: { repr: string; hex: string }[]
}

for (const [index, { repr, hex }] of inbound.entries()) {
  const sequence = Buffer.from(hex, 'hex')
  const id = `SM-0${index + 1}`
  const mail = Buffer.concat([
    Buffer.from('Subject: outer\r\n\r\nTESTING'),
    sequence,
    Buffer.from(
      'mail FROM:<smuggled@far.example>\r\nrcpt TO:<bob@wafer.example>\r\ndata\r\nSubject: inner\r\n\r\nSMUGGLED\r\n',
    ),
  ])
  const keptWhole = hex.startsWith('0d0a00') // a NUL is an odd letter, not a line end

  test(`${id} ${repr}: no second mail comes out of one, however it is cut (B16)`, async () => {
    const { port, delivered } = await serverWith()
    const start = mail.indexOf(sequence)
    for (let cut = start; cut <= start + sequence.length; cut++) {
      const peer = await Peer.greeted(port)
      await peer.envelope()
      peer.write(mail.subarray(0, cut))
      await new Promise((resolve) => setTimeout(resolve, 5)) // so that the parts come in chunks of their own
      peer.write(mail.subarray(cut))
      peer.write('.\r\nNOOP\r\n')
      if (keptWhole) {
        assert.match(await peer.reply(), /^250 /)
        assert.match(await peer.ask('QUIT'), /^250 /)
      } else {
        const replies = await peer.rest()
        assert.equal(replies.length, 1)
        assert.match(replies[0]!, /^550 5\.6\.11 /)
      }
      peer.leave()
    }
    assert.ok((await delivered()).every((one) => withoutTrace(one.mail) === mail.toString('latin1')))
    assert.equal((await delivered()).length, keptWhole ? sequence.length + 1 : 0)
  })
}
test('the smuggling sequences of the corpus are there (B16)', { skip: noCorpus }, () => {
  assert.equal(inbound.length, 7)
})

test('a lone CR or LF anywhere in a mail is refused after its end, and what follows is not read (B16)', async () => {
  const { port, delivered } = await serverWith()
  for (const mail of [
    'Subject: a\nB: c\r\n\r\nx\r\n',
    '\nSubject: a\r\n\r\nx\r\n',
    'Subject: a\r\n\r\nx\ry\r\n',
    'Subject: a\r\n\r\nx\r\r\n',
    'Subject: a\r\n\r\nx\n\r\n',
    'Subject: a\r\n\r\n.\n\r\n',
  ]) {
    const peer = await Peer.greeted(port)
    await peer.envelope()
    const next = 'RSET\r\nMAIL FROM:<eve@far.example>\r\nRCPT TO:<ann@wafer.example>\r\nDATA\r\n'
    peer.write(`${mail}.\r\n${next}`)
    assert.deepEqual((await peer.rest()).map(codeOf), [550], JSON.stringify(mail))
  }
  assert.equal((await delivered()).length, 0)
})

test('a lone CR or LF between commands ends the connection (B16)', async () => {
  const { port } = await serverWith()
  for (const line of ['NOOP\n', 'NOOP\rNOOP\r\n', 'NOOP\r\r\n', 'NOOP\r\nNOOP\n']) {
    const peer = await Peer.greeted(port)
    peer.write(line)
    assert.deepEqual((await peer.rest()).map(codeOf), [500], JSON.stringify(line))
  }
  const cut = await Peer.greeted(port) // CR and LF in chunks of their own are no lone ones
  cut.write('NOOP\r')
  await new Promise((resolve) => setTimeout(resolve, 5))
  cut.write('\n')
  assert.match(await cut.reply(), /^250 /)
})

test('what comes behind DATA before its answer is neither mail nor command (B16)', async () => {
  const { port, delivered } = await serverWith()
  const mail = 'Subject: early\r\n\r\nx\r\n.\r\n'
  const early = await Peer.greeted(port)
  early.write(`MAIL FROM:<eve@far.example>\r\nRCPT TO:<ann@wafer.example>\r\nDATA\r\n${mail}`)
  assert.deepEqual((await early.rest()).map(codeOf), [250, 250, 554])

  // DATA is refused here: its mail would be read as commands.
  const refused = await Peer.greeted(port)
  refused.write(
    'MAIL FROM:<eve@far.example>\r\nRCPT TO:<no@wafer.example>\r\nDATA\r\n' +
      'RSET\r\nMAIL FROM:<eve@far.example>\r\nRCPT TO:<ann@wafer.example>\r\n',
  )
  assert.deepEqual((await refused.rest()).map(codeOf), [250, 550, 554])

  // A chunk of its own that waits while RCPT is looked up.
  const { promise: found, resolve: find } = Promise.withResolvers<void>()
  const slow = await serverWith({ lookUp: () => found })
  const waiting = await Peer.greeted(slow.port)
  waiting.write('MAIL FROM:<eve@far.example>\r\nRCPT TO:<ann@wafer.example>\r\nDATA\r\n')
  assert.match(await waiting.reply(), /^250 /)
  waiting.write(mail)
  await new Promise((resolve) => setTimeout(resolve, 50))
  find()
  assert.deepEqual((await waiting.rest()).map(codeOf), [250, 554])
  assert.equal((await slow.delivered()).length, 0)

  const right = await Peer.greeted(port)
  right.write('MAIL FROM:<eve@far.example>\r\nRCPT TO:<bob@wafer.example>\r\nDATA\r\n')
  for (const code of [250, 250, 354]) assert.equal(codeOf(await right.reply()), code)
  right.write('Subject: right\r\n\r\nx\r\n.\r\nNOOP\r\n')
  for (const code of [250, 250]) assert.equal(codeOf(await right.reply()), code)
  assert.deepEqual(
    (await delivered()).map((one) => withoutTrace(one.mail)),
    ['Subject: right\r\n\r\nx\r\n'],
  )
})

test('with a certificate TLS is offered, and mail comes in by it', async () => {
  const { port, delivered } = await serverWith({ config: { tls } })
  const peer = await Peer.to(port)
  await peer.reply()
  assert.match(await peer.ask('EHLO client.example'), /^250[- ]STARTTLS\r?$/m)
  await peer.ask('MAIL FROM:<eve@far.example>')
  assert.match(await peer.ask('STARTTLS'), /^220 /)
  await peer.startTls()
  assert.match(await peer.ask('RCPT TO:<ann@wafer.example>'), /^503 /) // nothing is remembered (RFC 3207 §4.2)
  assert.doesNotMatch(await peer.ask('EHLO client.example'), /STARTTLS/)
  await peer.envelope()
  assert.match(await peer.ask('Subject: x\r\n\r\nx\r\n.'), /^250 /)
  assert.match((await delivered())[0]!.mail, / with ESMTPS id /)
  await peer.envelope()
  peer.write('Subject: x\r\n\r\nx\n.\ny\r\n.\r\nNOOP\r\n')
  assert.deepEqual((await peer.rest()).map(codeOf), [550])
})

test('commands injected behind STARTTLS are not run inside TLS (B16)', async () => {
  const { port, delivered } = await serverWith({ config: { tls } })
  const peer = await Peer.greeted(port)
  peer.write(
    'STARTTLS\r\nEHLO injected.example\r\nMAIL FROM:<eve@far.example>\r\nRCPT TO:<ann@wafer.example>\r\n',
  )
  assert.deepEqual((await peer.rest()).map(codeOf), [554])
  assert.equal((await delivered()).length, 0)
})

test('a mail program of other people delivers here, in the clear and by TLS', async () => {
  const { port, delivered } = await serverWith({ config: { tls } })
  for (const requireTLS of [false, true]) {
    const client = new SMTPConnection({
      port,
      host: 'localhost',
      requireTLS,
      ignoreTLS: !requireTLS,
      tls: { ca: tls.cert },
    })
    await new Promise<void>((resolve, reject) =>
      client.connect((error) => (error ? reject(error) : resolve())),
    )
    await new Promise((resolve, reject) =>
      client.send(
        { from: 'eve@far.example', to: ['ann@wafer.example', 'bob@wafer.example'] },
        'Subject: x\r\n\r\nx',
        (error, info) => (error ? reject(error) : resolve(info)),
      ),
    )
    client.quit()
  }
  assert.deepEqual(
    (await delivered()).map(({ to }) => to),
    [
      [ann.id, bob.id],
      [ann.id, bob.id],
    ],
  )
})

// ---- LMTP

const folder = mkdtempSync(join(tmpdir(), 'wafer-smtp-in-'))
after(() => rmSync(folder, { recursive: true }))

test('LMTP answers for each recipient, also for one who is named twice', async () => {
  const lmtpSocket = join(folder, 'answers')
  let fails = false
  const { delivered } = await serverWith({
    config: { lmtpSocket },
    deliver: async () => {
      if (fails) throw new Error('x')
    },
  })
  assert.equal(statSync(lmtpSocket).mode & 0o777, 0o600)
  const peer = await Peer.to(lmtpSocket)
  assert.match(await peer.reply(), /^220 mx\.wafer\.example LMTP/)
  assert.match(await peer.ask('EHLO client.example'), /^500 /)
  assert.match(await peer.ask('LHLO client.example'), /^250/)
  const to = ['ann@wafer.example', 'bob@wafer.example', 'ANN@wafer.example']
  for (const code of [250, 451]) {
    await peer.envelope('eve@far.example', to)
    fails = code !== 250
    peer.write('Subject: x\r\n\r\nx\r\n.\r\n')
    for (const _ of to) assert.equal(codeOf(await peer.reply()), code)
  }
  assert.match(await peer.ask('NOOP'), /^250 /)
  assert.deepEqual(
    (await delivered()).map((mail) => mail.to),
    [[ann.id, bob.id]],
  )
  assert.match(
    (await delivered())[0]!.mail,
    /Received: from client\.example\r\n\tby mx\.wafer\.example with LMTP id /,
  )
  assert.match(await peer.ask('MAIL FROM:<eve@far.example>'), /^250 /)
  assert.match(await peer.ask('RCPT TO:<nobody@wafer.example>'), /^550 5\.1\.1 /)
  assert.match(await peer.ask('RCPT TO:<ann@wafer.example>'), /^250 /)
  assert.match(await peer.ask('DATA'), /^354 /)
  fails = false
  peer.write('Subject: x\r\n\r\nx\n.\r\n\r\n.\r\n')
  assert.deepEqual((await peer.rest()).map(codeOf), [550])
})

test('a socket that a dead server left behind is replaced, a live one and a file are not', async () => {
  const stale = join(folder, 'stale')
  const script = `require('node:net').createServer().listen(${JSON.stringify(stale)}, () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', script])
  assert.ok(statSync(stale).isSocket())
  const { close } = await serverWith({ config: { lmtpSocket: stale } })
  assert.match(await (await Peer.to(stale)).reply(), /^220 /)
  await assert.rejects(serverWith({ config: { lmtpSocket: stale } }), /another process listens/)
  await close()

  const file = join(folder, 'file')
  writeFileSync(file, 'precious')
  await assert.rejects(serverWith({ config: { lmtpSocket: file } }), /is not a socket/)
  assert.equal(readFileSync(file, 'utf8'), 'precious')
})

test('a port that is taken stops the start with a sentence', async (t) => {
  const other = createServer()
  t.after(() => other.close())
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const { port } = other.address() as { port: number }
  await assert.rejects(
    serverWith({ config: { smtpPort: port } }),
    new RegExp(`^Unusable: WAFER_SMTP_PORT: 127\\.0\\.0\\.1:${port} is taken`),
  )
})

test('a server that ends finishes the mail it is receiving', async () => {
  const { promise: stored, resolve: store } = Promise.withResolvers<void>()
  const { port, delivered, close } = await serverWith({ deliver: () => stored })
  const idle = await Peer.greeted(port)
  const peer = await Peer.greeted(port)
  await peer.envelope()
  peer.write('Subject: last\r\n\r\nx\r\n')
  const closed = close()
  assert.deepEqual((await idle.rest()).map(codeOf), [421])
  peer.write('.\r\n')
  store()
  assert.match(await peer.reply(), /^250 /)
  assert.match(await peer.ask('MAIL FROM:<eve@far.example>'), /^421 /)
  peer.leave()
  await closed
  assert.equal((await delivered()).length, 1)
})
