/**
 * Incoming mail by SMTP (RFC 5321) and, for a mail server on the same machine, LMTP (RFC 2033): only for this
 * server's users, never onwards. 250 is said after the mail is durably in every recipient's mailbox.
 *
 * The protocol is smtp-server's. On top of it stands what keeps two servers from reading one stream of octets
 * differently (SMTP smuggling): data ends at CRLF.CRLF only (that much the library does), a mail with a bare CR or LF
 * is refused and the connection closed, and nothing may follow DATA or STARTTLS before our answer to it.
 */
import { lstatSync, statSync, unlinkSync } from 'node:fs'
import { connect, isIPv6, type Socket } from 'node:net'
import { dirname } from 'node:path'
import type { Logger } from 'pino'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import {
  SMTPServer,
  type SMTPServerDataStream,
  type SMTPServerOptions,
  type SMTPServerSession,
} from 'smtp-server'
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import type { Clock } from '../ground/clock.ts'
import type { Config } from '../ground/config.ts'
import { smtpLimits } from '../ground/limits.ts'
import { Refusal, Unusable } from '../ground/refusal.ts'
import { Turnstile } from '../ground/turnstile.ts'
import { network } from '../people/guesses.ts'
import type { Quota } from '../people/quota.ts'
import { asciiDomain, recipientOf } from '../people/recipients.ts'
import type { User, Users } from '../people/users.ts'
import type { Mailboxes } from './mailboxes.ts'

export type SmtpIn = { smtpPort: number; close(): Promise<void> }

type Services = {
  config: Pick<
    Config,
    'smtpHost' | 'smtpPort' | 'lmtpSocket' | 'domains' | 'tls' | 'hostname' | 'localFromOutside'
  >
  users: Pick<Users, 'byAddress' | 'byName' | 'areIn'>
  mailboxes: Pick<Mailboxes, 'deliver'>
  quota: Pick<Quota, 'full'>
  clock: Clock
  log: Logger
  /** Other limits than the ones of `smtpLimits`. */
  limits?: Partial<typeof smtpLimits>
}

/** @throws Error with one sentence if the port or the socket cannot be opened */
export const startSmtpIn = async (services: Services): Promise<SmtpIn> => {
  const { config } = services
  const limits = { ...smtpLimits, ...services.limits }
  const reception = new Reception(services, limits)
  const begin = (lmtp: boolean): StrictServer => {
    const server: StrictServer = new StrictServer(
      reception.options(lmtp, (session, answer) => server.hangUp(session, answer)),
      limits,
    )
    return server
  }
  const smtp = begin(false)
  try {
    await listening(smtp, () => smtp.listen(config.smtpPort, config.smtpHost))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new Unusable(`Port ${config.smtpPort} on ${config.smtpHost} cannot be opened for mail: ${code}.`, {
      cause: error,
    })
  }
  const servers = [smtp]
  if (config.lmtpSocket !== null) {
    const lmtp = begin(true)
    try {
      await listenOnSocket(lmtp, config.lmtpSocket)
    } catch (error) {
      await smtp.end()
      throw error
    }
    servers.push(lmtp)
  }
  for (const server of servers)
    server.on('error', (error) => services.log.info({ err: error }, 'mail connection failed'))
  const address = smtp.server.address()
  return {
    smtpPort: typeof address === 'object' && address ? address.port : config.smtpPort,
    close: async () => {
      await Promise.all(servers.map((server) => server.end()))
    },
  }
}

/** An answer other than 250; the text begins with its enhanced status code (RFC 3463). */
class Answer extends Error {
  readonly responseCode: number
  constructor(responseCode: number, text: string) {
    super(text)
    this.responseCode = responseCode
  }
}

/** A mail that is being received. */
class Incoming {
  readonly client: string
  /** Ends its connection. */
  readonly drop: (answer: Answer) => void
  octets = 0
  hasBareLineEnd = false
  isWhole = false
  #pieces: Buffer[] = []
  /** So many at the front are put together: one piece for each dot that was taken out would cost more than the mail. */
  #settled = 0
  #last = 0
  #strideAt = performance.now()
  #strideOctets = 0

  constructor(client: string, drop: (answer: Answer) => void) {
    this.client = client
    this.drop = drop
  }

  add(chunk: Buffer, strideOctets: number) {
    // Chunk by chunk: looked for in a whole mail at once, line ends would keep everybody else waiting.
    this.hasBareLineEnd ||= hasBareLineEnd(chunk, this.#last)
    this.#last = chunk.at(-1) ?? this.#last
    this.octets += chunk.length
    this.#pieces.push(chunk)
    if (this.#pieces.length - this.#settled >= 500)
      this.#pieces.push(Buffer.concat(this.#pieces.splice(this.#settled++)))
    this.#strideOctets += chunk.length
    if (this.#strideOctets < strideOctets) return
    this.#strideAt = performance.now()
    this.#strideOctets = 0
  }

  /** For how long it has not come forward. */
  get stalledMs() {
    return performance.now() - this.#strideAt
  }

  forget() {
    this.#pieces = []
    this.#settled = 0
    this.octets = 0
  }

  /** The mail, which is kept here no longer but still counts. @param trace goes before it */
  take(trace: Buffer) {
    return Buffer.concat([trace, ...this.#pieces.splice(0)])
  }
}

/** What is decided about a client, a recipient and a mail. */
class Reception {
  readonly #services: Services
  readonly #limits: typeof smtpLimits
  /** The user of each RCPT that was answered with 250, in their order: LMTP answers each of them (RFC 2033 §4.2). */
  readonly #recipients = new WeakMap<SMTPServerSession, number[]>()
  readonly #incoming = new Set<Incoming>()
  /** Recipients that do not exist, for each network that asked for them. */
  readonly #unknown: RateLimiterMemory
  /** What each network sent. */
  readonly #sent: { octets: RateLimiterMemory; copies: RateLimiterMemory }
  /** Large mails are put into mailboxes one by one: each is in memory several times meanwhile. */
  readonly #large = new Turnstile(1, 100)

  constructor(services: Services, limits: typeof smtpLimits) {
    this.#services = services
    this.#limits = limits
    this.#unknown = new RateLimiterMemory({
      points: limits.unknownRecipients,
      duration: limits.unknownRecipientsMs / 1000,
    })
    const perMinute = (points: number) => new RateLimiterMemory({ points, duration: 60 })
    this.#sent = { octets: perMinute(limits.octetsPerMinute), copies: perMinute(limits.copiesPerMinute) }
  }

  /** @param hangUp ends the connection of a session */
  options(lmtp: boolean, hangUp: (session: SMTPServerSession, answer: Answer) => void): SMTPServerOptions {
    const { config, log } = this.#services
    return {
      lmtp,
      name: config.hostname,
      banner: 'Wafer',
      logger: false,
      disableReverseLookup: true,
      disabledCommands: [
        'AUTH',
        'XCLIENT',
        'XFORWARD',
        'WIZ',
        'SHELL',
        'KILL',
        ...(config.tls && !lmtp ? [] : ['STARTTLS']),
      ],
      ...config.tls,
      hideENHANCEDSTATUSCODES: false,
      size: this.#limits.messageOctets,
      maxClients: this.#limits.connections,
      maxCommandLength: this.#limits.commandOctets,
      socketTimeout: this.#limits.idleMs,
      closeTimeout: smtpLimits.closeMs,
      onMailFrom: (_sender, session, callback) => {
        this.#recipients.set(session, [])
        this.#requireRate(session).then(
          () => callback(),
          (error) => callback(this.#explain(error)),
        )
      },
      onRcptTo: (recipient, session, callback) => {
        this.#admit(recipient.address, session).then(
          () => callback(),
          (error) => callback(this.#explain(error)),
        )
      },
      onData: (stream, session, callback) => {
        const recipients = this.#recipients.get(session) ?? []
        const drop = (answer: Answer) => hangUp(session, answer)
        this.#receive(stream, session, recipients, { partly: lmtp, drop }).then(
          (full) => {
            const answers = recipients.map((id) =>
              full.includes(id) ? isFull() : 'OK: mail is in the mailbox',
            )
            callback(null, answers.slice(0, lmtp ? undefined : 1))
          },
          (error) => {
            const answer = this.#explain(error)
            log.info(
              { client: session.remoteAddress, code: answer.responseCode, answer: answer.message },
              'mail refused',
            )
            callback(null, recipients.map(() => answer).slice(0, lmtp ? undefined : 1))
          },
        )
      },
    }
  }

  /**
   * That an address is unknown is said at RCPT: a mail that is accepted and bounced later would hit forged senders. Who
   * asks for many that are unknown is looking for those that are not, and hears nothing of either any more.
   */
  async #admit(address: string, session: SMTPServerSession) {
    const recipients = this.#recipients.get(session) ?? []
    if (recipients.length >= this.#limits.recipients)
      throw new Answer(452, '4.5.3 Too many recipients for one mail')
    const client = session.remoteAddress && network(session.remoteAddress)
    const asked = client ? await this.#unknown.get(client) : null
    if (asked && asked.consumedPoints >= this.#limits.unknownRecipients) throw tooManyUnknown()
    const recipient = address.includes('@')
      ? await recipientOf(address, this.#services)
      : await this.#postmaster()
    if (recipient === 'elsewhere')
      throw new Answer(550, '5.7.1 This server does not relay mail to other domains')
    if (recipient === 'unknown') {
      const { consumedPoints } = client ? await this.#unknown.penalty(client) : { consumedPoints: 0 }
      if (consumedPoints > this.#limits.unknownRecipients) throw tooManyUnknown()
      throw new Answer(550, '5.1.1 There is no such mailbox here')
    }
    if ((await this.#services.quota.full([recipient.id], announcedOctets(session))).length > 0) throw isFull()
    recipients.push(recipient.id)
  }

  /** RCPT TO:<postmaster> goes without a domain (RFC 5321 §4.1.1.3). */
  async #postmaster(): Promise<User | 'unknown'> {
    const { config, users } = this.#services
    if (!config.domains) return (await users.byName('postmaster')) ?? 'unknown'
    for (const domain of config.domains) {
      const user = await users.byAddress(`postmaster@${domain}`)
      if (user) return user
    }
    return 'unknown'
  }

  /**
   * @param options.partly who has no room for the mail does not keep it from the others
   * @param options.drop ends the connection
   * @returns the users who have no room
   */
  async #receive(
    stream: SMTPServerDataStream,
    session: SMTPServerSession,
    recipients: number[],
    options: { partly: boolean; drop: (answer: Answer) => void },
  ): Promise<number[]> {
    const { mailboxes, log } = this.#services
    const limits = this.#limits
    const incoming = new Incoming(session.remoteAddress, (answer) => {
      incoming.forget()
      this.#incoming.delete(incoming)
      options.drop(answer)
    })
    const deadline = setTimeout(
      () => incoming.drop(new Answer(421, '4.4.2 The mail took too long')),
      limits.dataMs,
    )
    this.#incoming.add(incoming)
    let refusal: Answer | null = null
    try {
      // Read to the end whatever is wrong: a client listens to the answer only after CRLF.CRLF. The loop throws if the
      // connection ends before.
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        if (stream.sizeExceeded)
          refusal = new Answer(552, `5.3.4 The mail is larger than ${limits.messageOctets} octets`)
        refusal ??= this.#refusalOf(incoming, chunk.length)
        if (refusal || !this.#incoming.has(incoming)) incoming.forget()
        else incoming.add(chunk, limits.stallOctets)
      }
      clearTimeout(deadline)
      incoming.isWhole = true
      if (refusal) throw refusal
      if (!this.#incoming.has(incoming)) throw new Answer(421, '4.3.1 Given up')
      if (incoming.hasBareLineEnd) throw new Answer(550, bareLineEnd)
      const userIds = [...new Set(recipients)]
      await this.#count(session, incoming.octets, userIds.length)
      const deliver = async () => {
        const trace = this.#trace(session)
        const octets = incoming.take(trace)
        if (hopsOf(octets.subarray(trace.length)) > limits.hops)
          throw new Answer(554, '5.4.6 Too many hops: the mail goes round in circles')
        const isForeign = (from: string[]) => this.#isForeign(from)
        return mailboxes.deliver(userIds, octets, { partly: options.partly, isForeign })
      }
      const full = await (incoming.octets > limits.largeOctets ? this.#large.pass(deliver) : deliver())
      log.info(
        { client: session.remoteAddress, recipients: recipients.length, octets: incoming.octets },
        'mail accepted',
      )
      return full
    } finally {
      clearTimeout(deadline)
      this.#incoming.delete(incoming)
    }
  }

  async #requireRate(session: SMTPServerSession) {
    const { octetsPerMinute, copiesPerMinute } = this.#limits
    const client = session.remoteAddress && network(session.remoteAddress)
    if (!client) return
    const sent = await Promise.all([this.#sent.octets.get(client), this.#sent.copies.get(client)])
    const [octets, copies] = sent.map((count) => count?.consumedPoints ?? 0) as [number, number]
    if (octets >= octetsPerMinute || copies >= copiesPerMinute)
      throw new Answer(450, '4.7.1 Too much mail from your network, try again in a minute')
  }

  async #count(session: SMTPServerSession, octets: number, copies: number) {
    const client = session.remoteAddress && network(session.remoteAddress)
    if (!client) return
    await this.#sent.octets.penalty(client, octets)
    await this.#sent.copies.penalty(client, copies)
  }

  /** Whether mail says that it is from an address of ours: that of a user comes out of the outbox, never from here. */
  async #isForeign(from: string[]) {
    for (const address of from) {
      if (!address.includes('@') || (await recipientOf(address, this.#services)) === 'elsewhere') continue
      if (this.#services.config.localFromOutside === 'reject')
        throw new Answer(550, '5.7.1 The mail says that it is from an address here, but comes from outside')
      return true
    }
    return false
  }

  /** Why no more of a mail is taken; null if it is. Before a new mail is refused, those that stand still give way. */
  #refusalOf(incoming: Incoming, more: number): Answer | null {
    const { octetsAtOnce, largePerClient, largeOctets, stallMs } = this.#limits
    const others = [...this.#incoming].filter((other) => other !== incoming)
    const isLarge = (octets: number) => octets > largeOctets
    if (incoming.client && !isLarge(incoming.octets) && isLarge(incoming.octets + more)) {
      const large = others.filter(({ client, octets }) => client === incoming.client && isLarge(octets))
      if (large.length >= largePerClient)
        return new Answer(452, '4.3.2 Too many large mails at one time from your address, try again later')
    }
    const held = () => [...this.#incoming].reduce((sum, { octets }) => sum + octets, 0)
    const stalled = others
      .filter(({ isWhole, octets, stalledMs }) => !isWhole && octets > 0 && stalledMs >= stallMs)
      .sort((a, b) => a.stalledMs - b.stalledMs)
    while (held() + more > octetsAtOnce) {
      const slowest = stalled.pop()
      if (!slowest) return new Answer(452, '4.3.1 Too much mail at one time, try again later')
      slowest.drop(new Answer(421, '4.3.1 Too much mail at one time, and yours stood still'))
    }
    return null
  }

  #explain(error: unknown): Answer {
    if (error instanceof Answer) return error
    if (error instanceof Refusal && error.code === 'over-quota') return isFull()
    const codes = codesOf(error)
    this.#services.log.error({ codes }, 'mail could not be stored') // a message of the database may quote the mail
    // PostgreSQL's disk_full is 53100.
    if (codes.some((code) => ['SQLITE_FULL', '53100', 'ENOSPC', 'EDQUOT'].includes(code)))
      return new Answer(452, '4.3.1 There is no space for the mail, try again later')
    return new Answer(451, '4.3.0 The mail could not be stored, try again later')
  }

  /** Return-Path and Received (RFC 5321 §4.4). A blind copy's other recipients are not named. */
  #trace(session: SMTPServerSession): Buffer {
    const { mailFrom, rcptTo, smtpUtf8 } = session.envelope
    const shown = (address: string) => (smtpUtf8 ? address : asciiDomain(address))
    const sender = mailFrom ? shown(mailFrom.address) : ''
    const client = session.hostNameAppearsAs.replace(/[^A-Za-z0-9.:_[\]-]/g, '?')
    const { remoteAddress: ip } = session
    const from = ip ? `${client} ([${isIPv6(ip) ? `IPv6:${ip}` : ip}])` : client
    const protocol = smtpUtf8 ? session.transmissionType.replace(/^E?/, 'UTF8') : session.transmissionType // RFC 6531 §4.3
    const only = rcptTo.length === 1 ? ` for <${shown(rcptTo[0]!.address)}>` : ''
    const date = new Date(this.#services.clock()).toUTCString().replace('GMT', '+0000')
    return Buffer.from(
      `Return-Path: <${sender}>\r\nReceived: from ${from}\r\n\tby ${this.#services.config.hostname} with ${protocol}` +
        ` id ${session.id}-${session.transaction}${only};\r\n\t${date}\r\n`,
    )
  }
}

/** What a client says that its mail has (RFC 1870 §6.1); 1 if it does not. */
const announcedOctets = ({ envelope: { mailFrom } }: SMTPServerSession) => {
  const { SIZE } = (mailFrom ? mailFrom.args : {}) as { SIZE?: string }
  return Number(SIZE) || 1
}

const isFull = () => new Answer(452, '4.2.2 The mailbox has no room for the mail, try again later')
const tooManyUnknown = () =>
  new Answer(450, '4.7.1 Too many recipients from your network do not exist, try again later')

const bareLineEnd =
  '5.6.11 A CR or LF stands alone: lines end in CRLF (RFC 5321 2.3.8). Closing the connection'

/** @param before the octet before the first */
const hasBareLineEnd = (octets: Buffer, before = 0) => {
  if (before === CR && octets.length > 0 && octets[0] !== LF) return true
  for (let at = octets.indexOf(LF); at !== -1; at = octets.indexOf(LF, at + 1))
    if ((at === 0 ? before : octets[at - 1]) !== CR) return true
  for (let at = octets.indexOf(CR); at !== -1 && at < octets.length - 1; at = octets.indexOf(CR, at + 1))
    if (octets[at + 1] !== LF) return true
  return false
}

const CR = 0x0d
const LF = 0x0a

const hopsOf = (octets: Buffer) => {
  const end = octets.subarray(0, smtpLimits.headerOctets).indexOf('\r\n\r\n')
  const header = octets.toString('latin1', 0, end === -1 ? smtpLimits.headerOctets : end)
  return header.match(/^received[ \t]*:/gim)?.length ?? 0
}

/** The codes of an error and of what caused it. */
const codesOf = (error: unknown): string[] =>
  error instanceof Error
    ? [String((error as NodeJS.ErrnoException).code ?? error.name), ...codesOf(error.cause)]
    : []

/** smtp-server, with connections that keep to the letter of the protocol. */
class StrictServer extends SMTPServer {
  readonly limits: typeof smtpLimits

  constructor(options: SMTPServerOptions, limits: typeof smtpLimits) {
    super(options)
    this.limits = limits
  }

  override connect(socket: Socket, options?: SMTPConnectionOptions) {
    const connection = new StrictConnection(this, socket, options)
    this.connections.add(connection)
    connection.on('error', (error) => this.emit('error', error))
    const address = connection.remoteAddress
    const ofClient = [...this.connections].filter(
      (other) => network(other.remoteAddress) === network(address),
    ).length
    connection.init()
    // A client without an address is the mail server at the LMTP socket.
    if (address && ofClient > this.limits.connectionsPerClient)
      connection.send(421, '4.7.0 Too many connections from your address', false)
  }

  hangUp(session: SMTPServerSession, { responseCode, message }: Answer) {
    for (const connection of this.connections)
      if (connection instanceof StrictConnection && connection.session === session)
        connection.hangUp(responseCode, message)
  }

  /** Takes no more mail; what is being received is finished, for five seconds at most. */
  end(): Promise<void> {
    return new Promise((resolve) => {
      this.close(() => resolve())
      for (const connection of this.connections)
        if (!connection._dataStream) connection.send(421, '4.3.2 The server is going down', false)
    })
  }
}

class StrictConnection extends SMTPConnection {
  readonly #server: StrictServer
  #errors = 0
  #junk = 0

  constructor(server: StrictServer, socket: Socket, options?: SMTPConnectionOptions) {
    super(server, socket, options)
    this.#server = server
  }

  /** The library makes one at the start (before this class's fields are there) and a second one for TLS. */
  override _createParser(): SMTPStream {
    const parser = new StrictStream(this._server.options.maxCommandLength ?? smtpLimits.commandOctets, {
      command: (line, done) => this._onCommand(line, done),
      bareLineEnd: () => this.hangUp(500, bareLineEnd),
    })
    parser.on('error', (error) => this.hangUp(500, `5.5.2 ${error.message}`))
    return parser
  }

  hangUp(code: number, text: string) {
    this.send(code, text, false)
    this.close()
  }

  override send(code: number, data?: string | string[] | null, context?: string | false) {
    const explained = typeof data === 'string' && /^[245]\.\d{1,3}\.\d{1,3} /.test(data)
    // What was pipelined behind a mail with bare line ends may be a part of that mail for the one who sent it.
    if (data === bareLineEnd && this._parser) this._parser.isClosed = true
    super.send(code, data, explained ? false : context)
    if (data === bareLineEnd) setImmediate(() => this.close()) // after the answers for LMTP's other recipients
    if (code < 400 || code === 421 || this._server.options.lmtp) return
    this.#errors += 1
    if (this.#errors === this.#server.limits.errors) super.send(421, '4.7.0 Too many errors', false)
  }

  override _onCommand(command: Buffer, callback?: () => void) {
    if (/^(NOOP|RSET|VRFY|HELP)\b/i.test(command.toString('latin1'))) this.#junk += 1
    if (this.#junk > this.#server.limits.junkCommands)
      return this.send(421, '4.7.0 Too many commands without a mail', false)
    super._onCommand(command, callback)
  }

  /** DATA ends a group of pipelined commands (RFC 2920 §3.1): what comes before our answer could be mail or commands. */
  override handler_DATA(command: Buffer, callback: () => void) {
    if (this.#talksAhead()) return callback()
    this.#junk = 0
    super.handler_DATA(command, callback)
  }

  /** Commands that came in the clear must not run inside TLS (RFC 3207 §4.2). */
  override handler_STARTTLS(command: Buffer, callback: () => void) {
    if (this.#talksAhead()) return callback()
    super.handler_STARTTLS(command, callback)
  }

  #talksAhead() {
    if (!(this._parser instanceof StrictStream) || this._parser.octetsAhead === 0) return false
    this.hangUp(554, '5.5.0 You did not wait for the answer to this command')
    return true
  }
}

/** The library's parser, which also knows how much has come in behind the command at hand. */
class StrictStream extends SMTPStream {
  readonly #to: { command(line: Buffer, done?: () => void): void; bareLineEnd(): void }
  /** Octets of the chunk at hand, 0 between chunks. */
  #chunkOctets = 0
  /** Octets that were written and are no part of a command so far. */
  #unread = 0
  #before = LF

  constructor(
    maxCommandLength: number,
    to: { command(line: Buffer, done?: () => void): void; bareLineEnd(): void },
  ) {
    super({ maxCommandLength })
    this.#to = to
  }

  /** Octets that came in behind the command at hand: in its chunk, and in chunks that wait. */
  get octetsAhead() {
    return this.#unread + this.writableLength - this.#chunkOctets
  }

  override oncommand(line: Buffer, done?: () => void) {
    this.#unread = Math.max(0, this.#unread - line.length - 2)
    this.#to.command(line, done)
  }

  /** Called for each chunk, and by the library itself for the rest of a chunk in which the mode changed. */
  override _write(chunk: Buffer, encoding: BufferEncoding | 'buffer', next: (error?: Error | null) => void) {
    const isRest = this.#chunkOctets > 0
    if (!isRest) this.#chunkOctets = chunk.length
    const done = isRest
      ? next
      : (error?: Error | null) => {
          this.#chunkOctets = 0
          next(error)
        }
    if (!this._dataMode && !this.isClosed) {
      if (hasBareLineEnd(chunk, isRest ? LF : this.#before)) {
        this.#to.bareLineEnd()
        return done()
      }
      this.#unread = isRest ? chunk.length : this.#unread + chunk.length
      this.#before = chunk.at(-1) ?? this.#before
    }
    super._write(chunk, encoding, done)
  }
}

const listening = (server: SMTPServer, listen: () => void) =>
  new Promise<void>((resolve, reject) => {
    server.server.once('listening', () => {
      server.off('error', reject)
      resolve()
    })
    server.once('error', reject)
    listen()
  })

/** Listens on a socket that only this server's user may open; one that a dead process left behind is replaced. */
const listenOnSocket = async (server: SMTPServer, path: string) => {
  if (lstatSync(path, { throwIfNoEntry: false })) {
    if (!lstatSync(path).isSocket())
      throw new Unusable(`WAFER_LMTP_SOCKET: ${path} is there already and is not a socket.`)
    if (await isAnswered(path)) throw new Unusable(`WAFER_LMTP_SOCKET: another process listens on ${path}.`)
    unlinkSync(path)
  }
  const mask = process.umask(0o177) // the socket is made inside listen(), never open to others for a moment
  try {
    const opened = listening(server, () => server.listen(path))
    process.umask(mask)
    await opened
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // Of a folder that is not there, the system says that it may not be written.
    const folder = statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory()
    throw new Unusable(
      folder
        ? `WAFER_LMTP_SOCKET: ${path} cannot be opened (${code}).`
        : `WAFER_LMTP_SOCKET: there is no folder ${dirname(path)} to put the socket in. Make it first.`,
      { cause: error },
    )
  } finally {
    process.umask(mask)
  }
}

const isAnswered = (path: string) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
