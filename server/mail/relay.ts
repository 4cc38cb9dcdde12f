/** The way out: one mail through the relay, and what is to be thought of its answer. */
import { isAscii } from 'node:buffer'
import { Readable } from 'node:stream'
import { setImmediate as others } from 'node:timers/promises'
import SMTPConnection, { type SMTPError } from 'nodemailer/lib/smtp-connection'
import { isLoopback } from '../ground/config.ts'
import { queueLimits, storedPieceOctets } from '../ground/limits.ts'
import type { Delay } from '../ground/reasons.ts'

/**
 * Sends one mail through the relay. TLS is required and its certificate checked, unless the relay is on this machine.
 *
 * @returns what the relay said of the recipients it refused; it has taken the mail for the others
 * @throws SMTPError if nobody got it
 */
export const sendThrough = async (
  relay: URL,
  hostname: string,
  mail: { sender: string; recipients: string[]; octets: Uint8Array },
  signal: AbortSignal,
): Promise<SMTPError[]> => {
  const host = relay.hostname.replace(/^\[|\]$/g, '')
  const secure = relay.protocol === 'smtps:'
  const connection = new SMTPConnection({
    host,
    port: Number(relay.port) || (secure ? 465 : 587),
    secure,
    requireTLS: !secure && !isLoopback(host),
    ignoreTLS: isLoopback(host),
    name: hostname,
    connectionTimeout: queueLimits.connectMs,
    logger: false,
  })
  const { promise, resolve, reject } = Promise.withResolvers<SMTPError[]>()
  const step = (next: () => void) => (error?: Error | null) => (error ? reject(error) : next())
  const octets = Buffer.from(mail.octets)
  const send = () =>
    connection.send(
      {
        from: mail.sender || false,
        to: mail.recipients,
        size: octets.length,
        use8BitMime: !isAscii(octets),
      },
      Readable.from(octetsInTurns(octets)),
      (error, info) => (error ? reject(error) : resolve(info.rejectedErrors ?? [])),
    )
  const logIn = () => {
    const user = decodeURIComponent(relay.username)
    if (user) connection.login({ user, pass: decodeURIComponent(relay.password) }, step(send))
    else send()
  }
  connection.on('error', reject)
  const abort = () => reject(signal.reason)
  signal.addEventListener('abort', abort)
  try {
    signal.throwIfAborted()
    connection.connect(step(logIn))
    const rejected = await promise
    connection.quit()
    return rejected
  } finally {
    signal.removeEventListener('abort', abort)
    connection.close()
  }
}

type Judgement = { why: Delay } & (
  | { state: 'later' }
  /** `status` is an enhanced status code (RFC 3463). */
  | { state: 'failed'; status: string }
)

/**
 * Whether it is worth trying again. Only what the relay says of this mail and its recipients can be final; that it
 * wants a log-in or better TLS is the operator's matter.
 */
export const judged = (error: SMTPError): Judgement => {
  const ofMail = ['MAIL FROM', 'RCPT TO', 'DATA'].includes(error.command ?? '')
  const why: Delay =
    ofMail && error.response
      ? { kind: 'relay-answered', text: printable(error.response) }
      : { kind: 'relay-failed', text: printable(error.message) }
  const [, status] = why.text.match(/^\d{3}[ -](\d\.\d{1,3}\.\d{1,3})\b/) ?? []
  if (ofMail && error.responseCode && error.responseCode >= 500 && error.responseCode !== 530)
    return { state: 'failed', why, status: status?.startsWith('5') ? status : '5.0.0' }
  if (error.code === 'EMESSAGE' && !error.responseCode) return { state: 'failed', why, status: '5.3.4' } // larger than its SIZE
  if (error.code === 'EENVELOPE' && error.command === 'API') return { state: 'failed', why, status: '5.1.3' }
  return { state: 'later', why }
}

/**
 * Each line end as CRLF, and no NUL (RFC 5321 §2.3.8, RFC 6152 §2): a server that takes a lone CR or LF for a line end, or
 * drops a NUL, would see the end of data where we do not (SMTP smuggling). The dots are doubled after this.
 */
export const withCleanLines = async (octets: Uint8Array): Promise<Uint8Array> => {
  const clean: Buffer[] = []
  let wasClean = true
  for (const [place, piece] of linesOf(octets).entries()) {
    if (place > 0) await others()
    if (hasCleanLines(piece)) clean.push(piece)
    else {
      wasClean = false
      const text = piece.toString('latin1').replaceAll('\0', '')
      clean.push(Buffer.from(text.replace(/\r\n?|\n/g, '\r\n'), 'latin1'))
    }
  }
  return wasClean ? octets : Buffer.concat(clean)
}

/** What we composed is clean; to look costs less memory than to mend. */
const hasCleanLines = (octets: Buffer): boolean => {
  let before = 0
  for (const octet of octets) {
    if (octet === 0 || (octet === LF) !== (before === CR)) return false
    before = octet
  }
  return before !== CR
}

/** Pieces for one turn each; none ends between a CR and its LF, which a NUL may part. */
const linesOf = (octets: Uint8Array): Buffer[] => {
  const whole = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength)
  const pieces: Buffer[] = []
  for (let at = 0, end = 0; at < whole.length; at = end) {
    end = at + storedPieceOctets
    while (end < whole.length && (whole[end - 1] === CR || whole[end - 1] === 0)) end += 1
    pieces.push(whole.subarray(at, end))
  }
  return pieces
}

const [CR, LF] = [0x0d, 0x0a]

/** A mail for a connection, which doubles the dots of what it gets in one turn. */
async function* octetsInTurns(octets: Buffer) {
  for (let at = 0; at < octets.length; at += storedPieceOctets) {
    yield octets.subarray(at, at + storedPieceOctets)
    await others()
  }
}

/** A peer's words, harmless in a log and in a header field. */
const printable = (text: string) =>
  text
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, queueLimits.answerCharacters)
