/** The trace of a mail (RFC 5321 §4.4): what this server writes at its front, and how many wrote there before. */
import { isIPv6 } from 'node:net'
import type { SMTPServerSession } from 'smtp-server'
import { smtpLimits } from '../ground/limits.ts'
import { asciiDomain } from '../people/recipients.ts'

/** Return-Path and Received (RFC 5321 §4.4). A blind copy's other recipients are not named. */
export const traceOf = (
  session: SMTPServerSession,
  { hostname, at }: { hostname: string; at: number },
): Buffer => {
  const { mailFrom, rcptTo, smtpUtf8 } = session.envelope
  const shown = (address: string) => (smtpUtf8 ? address : asciiDomain(address))
  const sender = mailFrom ? shown(mailFrom.address) : ''
  const client = session.hostNameAppearsAs.replace(/[^A-Za-z0-9.:_[\]-]/g, '?')
  const { remoteAddress: ip } = session
  const from = ip ? `${client} ([${isIPv6(ip) ? `IPv6:${ip}` : ip}])` : client
  const protocol = smtpUtf8 ? session.transmissionType.replace(/^E?/, 'UTF8') : session.transmissionType // RFC 6531 §4.3
  const only = rcptTo.length === 1 ? ` for <${shown(rcptTo[0]!.address)}>` : ''
  const date = new Date(at).toUTCString().replace('GMT', '+0000')
  return Buffer.from(
    `Return-Path: <${sender}>\r\nReceived: from ${from}\r\n\tby ${hostname} with ${protocol}` +
      ` id ${session.id}-${session.transaction}${only};\r\n\t${date}\r\n`,
  )
}

/** How many servers a mail has come through. */
export const hopsOf = (octets: Buffer) => {
  const end = octets.subarray(0, smtpLimits.headerOctets).indexOf('\r\n\r\n')
  const header = octets.toString('latin1', 0, end === -1 ? smtpLimits.headerOctets : end)
  return header.match(/^received[ \t]*:/gim)?.length ?? 0
}
