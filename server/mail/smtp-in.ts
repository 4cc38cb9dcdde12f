/**
 * Incoming mail by SMTP (RFC 5321) and, for a mail server on the same machine, LMTP (RFC 2033): only for this
 * server's users, never onwards. 250 is said after the mail is durably in every recipient's mailbox.
 *
 * The protocol is smtp-server's. On top of it stands what keeps two servers from reading one stream of octets
 * differently (SMTP smuggling): data ends at CRLF.CRLF only (that much the library does), a mail with a bare CR or LF
 * is refused and the connection closed; of commands strict-smtp.ts sees to it.
 */
import { lstatSync, statSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import type { Logger } from 'pino'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import type { SMTPServer, SMTPServerDataStream, SMTPServerOptions, SMTPServerSession } from 'smtp-server'
import type { Clock } from '../ground/clock.ts'
import type { Config } from '../ground/config.ts'
import { smtpLimits } from '../ground/limits.ts'
import { network } from '../ground/network.ts'
import { Refusal, Unusable } from '../ground/refusal.ts'
import { Turnstile } from '../ground/turnstile.ts'
import type { Quota } from '../people/quota.ts'
import { recipientOf } from '../people/recipients.ts'
import type { User, Users } from '../people/users.ts'
import type { Mailboxes } from './mailboxes.ts'
import { bareLineEnd, hasBareLineEnd, StrictServer } from './strict-smtp.ts'
import { hopsOf, traceOf } from './trace.ts'

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
    const at = `${config.smtpHost}:${config.smtpPort}`
    throw new Unusable(
      code === 'EADDRINUSE'
        ? `WAFER_SMTP_PORT: ${at} is taken by another program.`
        : `WAFER_SMTP_HOST, WAFER_SMTP_PORT: cannot listen on ${at} (${code}).`,
      { cause: error },
    )
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
        const trace = traceOf(session, {
          hostname: this.#services.config.hostname,
          at: this.#services.clock(),
        })
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
}

/** What a client says that its mail has (RFC 1870 §6.1); 1 if it does not. */
const announcedOctets = ({ envelope: { mailFrom } }: SMTPServerSession) => {
  const { SIZE } = (mailFrom ? mailFrom.args : {}) as { SIZE?: string }
  return Number(SIZE) || 1
}

const isFull = () => new Answer(452, '4.2.2 The mailbox has no room for the mail, try again later')
const tooManyUnknown = () =>
  new Answer(450, '4.7.1 Too many recipients from your network do not exist, try again later')

/** The codes of an error and of what caused it. */
const codesOf = (error: unknown): string[] =>
  error instanceof Error
    ? [String((error as NodeJS.ErrnoException).code ?? error.name), ...codesOf(error.cause)]
    : []

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
