/** A letter out of a whole message, as other programs write one to the standard input of `sendmail`. */
import { WrongCall } from '../../server/contract/calls.ts'
import { Failed } from '../failed.ts'
import { harmless } from '../text/text.ts'
import { blank, type Letter } from './letter.ts'

/** A whole message (RFC 5322): of its header what a letter is made of; the server writes the rest anew. */
export const letterIn = (message: string): Letter => {
  const at = message.indexOf('\n\n')
  const [head, text] = at < 0 ? [message.trimEnd(), ''] : [message.slice(0, at), message.slice(at + 2)]
  const lines = head.replace(/\n[ \t]+/g, ' ').split('\n')
  const fields = new Map<string, string[]>()
  for (const line of lines) {
    const [, name, value = ''] = /^([!-9;-~]+)[ \t]*:(.*)$/.exec(line) ?? []
    if (name === undefined)
      throw new WrongCall('Standard input is no message: it begins with lines such as To: and Subject:.')
    fields.set(name.toLowerCase(), [...(fields.get(name.toLowerCase()) ?? []), value.trim()])
  }
  const type = fields.get('content-type')?.[0] ?? 'text/plain'
  const encoding = fields.get('content-transfer-encoding')?.[0] ?? '8bit'
  if (!/^text\/plain\s*(;|$)/i.test(type) || !/^(7bit|8bit|binary)$/i.test(encoding))
    throw new Failed('Only plain text is sent from standard input; attachments come with --attach FILE.')
  const addresses = (name: string) =>
    (fields.get(name) ?? []).map((value) => wordsIn(value, { quoted: true })).join(', ')
  const inReplyTo = /<[^<>\s]+>/.exec(fields.get('in-reply-to')?.[0] ?? '')?.[0] ?? null
  return {
    ...blank,
    to: addresses('to'),
    cc: addresses('cc'),
    bcc: addresses('bcc'),
    subject: wordsIn(fields.get('subject')?.[0] ?? ''),
    text,
    inReplyTo,
  }
}

/** Encoded words (RFC 2047) as text; in an address list quoted, so that a comma within a name stays within it. */
const wordsIn = (value: string, { quoted = false } = {}): string =>
  value.replace(/\?=\s+(?==\?)/g, '?=').replace(/(?:=\?[\w.-]+(?:\*[\w-]+)?\?[bq]\?[^?\s]*\?=)+/gi, (run) => {
    try {
      const words = [...run.matchAll(/=\?([\w.-]+)(?:\*[\w-]+)?\?([bq])\?([^?\s]*)\?=/gi)]
      const text = words
        .map(([, charset, encoding, content]) => decoded(charset!, encoding!, content!))
        .join('')
      return quoted ? `"${harmless(text).replace(/["\\]/g, '\\$&')}"` : harmless(text)
    } catch {
      return run // a charset that nobody knows
    }
  })

const decoded = (charset: string, encoding: string, content: string): string => {
  const hex = /=([0-9A-F]{2})/gi
  const octets =
    encoding.toLowerCase() === 'b'
      ? Buffer.from(content, 'base64')
      : Buffer.from(
          content
            .replaceAll('_', ' ')
            .replace(hex, (_, code) => String.fromCharCode(Number.parseInt(code, 16))),
          'latin1',
        )
  return new TextDecoder(charset).decode(octets)
}
