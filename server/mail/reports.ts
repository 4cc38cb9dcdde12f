/** Reports on mail that could not be delivered, for its sender. */
import { randomUUID } from 'node:crypto'
import { reportedHeaderOctets } from '../ground/limits.ts'
import { type Delay, delayInWords } from '../ground/reasons.ts'

/** Why a recipient will not get a mail; what was put off too long failed for the reason of its last delay. */
export type Failure = Delay | { kind: 'no-such-mailbox' } | { kind: 'given-up'; after: Delay | null }

/** A delivery status notification (RFC 3464, RFC 6522), with the header of the mail but not its text. */
export const undeliverable = (
  mail: { sender: string; createdAt: number; octets: Buffer },
  failed: { address: string; why: Failure; status: string }[],
  { hostname, now }: { hostname: string; now: number },
): Uint8Array => {
  const boundary = `report-${randomUUID()}`
  const header = headerOf(mail.octets)
  const [, messageId] =
    header.toString('latin1').match(/^message-id:[ \t]*(<[!-;=?-~]{1,250}>)[ \t]*$/im) ?? []
  const date = (at: number) => new Date(at).toUTCString().replace('GMT', '+0000')
  const text = [
    'Return-Path: <>',
    `Date: ${date(now)}`,
    `From: Mail delivery <MAILER-DAEMON@${mail.sender.slice(mail.sender.lastIndexOf('@') + 1)}>`,
    `To: <${mail.sender}>`,
    'Subject: Your mail could not be delivered',
    `Message-ID: <${randomUUID()}@${hostname}>`,
    ...(messageId ? [`In-Reply-To: ${messageId}`, `References: ${messageId}`] : []),
    'Auto-Submitted: auto-replied', // RFC 3834 §5
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type=delivery-status; boundary="${boundary}"`,
    '',
    `--${boundary}`,
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    'Your mail could not be delivered to',
    '',
    ...failed.map(({ address, why }) => `${address}: ${failureInWords(why)}`),
    '',
    'It will not be tried again. The header of your mail is attached.',
    '',
    `--${boundary}`,
    'Content-Type: message/delivery-status',
    '',
    `Reporting-MTA: dns; ${hostname}`,
    `Arrival-Date: ${date(mail.createdAt)}`,
    '',
    ...failed.flatMap(({ address, why, status }) => [
      `Final-Recipient: ${typedAddress(address)}`,
      'Action: failed',
      `Status: ${status}`,
      `Diagnostic-Code: ${why.kind === 'relay-answered' ? 'smtp' : 'x-wafer'}; ${failureInWords(why)}`,
      '',
    ]),
    `--${boundary}`,
    'Content-Type: text/rfc822-headers',
    'Content-Transfer-Encoding: 8bit',
    '',
    '',
  ].join('\r\n')
  return Buffer.concat([Buffer.from(text), header, Buffer.from(`\r\n--${boundary}--\r\n`)])
}

/** In English, like all of a report: other programs, and other people, read it too. */
const failureInWords = (failure: Failure): string => {
  if (failure.kind === 'no-such-mailbox') return 'There is no such mailbox here'
  if (failure.kind !== 'given-up') return delayInWords(failure)
  const { after } = failure
  return `Its sender gave it up${after === null ? '' : ` (${delayInWords(after)})`}`
}

/** The header with its last CRLF; what is unreasonably long is cut after a line. */
const headerOf = (octets: Buffer) => {
  const end = octets.indexOf('\r\n\r\n')
  if (end !== -1 && end < reportedHeaderOctets) return octets.subarray(0, end + 2)
  return octets.subarray(0, Math.max(0, octets.lastIndexOf('\r\n', reportedHeaderOctets) + 2))
}

/** RFC 3464 §2.3.2; letters beyond ASCII as in RFC 6533 §3. */
const typedAddress = (address: string) =>
  /^[\x20-\x7e]*$/.test(address)
    ? `rfc822; ${address}`
    : `utf-8; ${[...address].map((letter) => (letter > '~' ? `\\x{${letter.codePointAt(0)!.toString(16).toUpperCase()}}` : letter)).join('')}`
