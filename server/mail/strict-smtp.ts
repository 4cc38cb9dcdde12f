/**
 * smtp-server, kept to the letter of the protocol where two servers could read one stream of octets differently (SMTP
 * smuggling): a command with a bare CR or LF is refused and the connection closed, and nothing may follow DATA or
 * STARTTLS before our answer to it. A mail's octets are looked at by whoever receives them, with `hasBareLineEnd`.
 */
import type { Socket } from 'node:net'
import { SMTPServer, type SMTPServerOptions, type SMTPServerSession } from 'smtp-server'
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { smtpLimits } from '../ground/limits.ts'
import { network } from '../ground/network.ts'

/** smtp-server, with connections that keep to the letter of the protocol. */
export class StrictServer extends SMTPServer {
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

  hangUp(session: SMTPServerSession, { responseCode, message }: { responseCode: number; message: string }) {
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

/** Said where one was found. */
export const bareLineEnd =
  '5.6.11 A CR or LF stands alone: lines end in CRLF (RFC 5321 2.3.8). Closing the connection'

/** @param before the octet before the first */
export const hasBareLineEnd = (octets: Buffer, before = 0) => {
  if (before === CR && octets.length > 0 && octets[0] !== LF) return true
  for (let at = octets.indexOf(LF); at !== -1; at = octets.indexOf(LF, at + 1))
    if ((at === 0 ? before : octets[at - 1]) !== CR) return true
  for (let at = octets.indexOf(CR); at !== -1 && at < octets.length - 1; at = octets.indexOf(CR, at + 1))
    if (octets[at + 1] !== LF) return true
  return false
}

const CR = 0x0d
const LF = 0x0a
