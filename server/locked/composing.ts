/**
 * Composing: from what was typed to a MIME message (RFC 5322, RFC 2045). Nothing here asks a service, so that it can be
 * done in a child process: base64 of large files, and long lists of addresses, take time.
 */
import addressparser from 'nodemailer/lib/addressparser/index.js'
import MailComposer from 'nodemailer/lib/mail-composer/index.js'
import { addressCharacters, recipientLimit, wrongAddressesNamed } from '../ground/limits.ts'
import { mailAddress } from '../ground/mail-address.ts'
import { Refusal } from '../ground/refusal.ts'

/** One address field, parsed. */
export type Mailbox = { name: string; address: string }
export type Addressed = { to: Mailbox[]; cc: Mailbox[]; bcc: Mailbox[]; all: string[] }
/** Address fields as typed: `Ann <ann@example.org>, bob@example.org`. */
export type Typed = { to: string; cc: string; bcc: string }

export type Composition = {
  from: Mailbox
  addressed: Pick<Addressed, 'to' | 'cc' | 'bcc'>
  subject: string
  text: string
  attachments: { name: string; type: string; octets: Uint8Array }[]
  inReplyTo: { messageId: string; references: string[] } | null
  messageId: string
  /** Unix milliseconds. */
  date: number
  /** Of a draft: its Bcc field stays, and these come along. */
  draft: { fields: Record<string, string> } | null
}

/** @returns the message, CRLF line ends */
export const compose = async ({
  addressed,
  draft,
  inReplyTo,
  ...letter
}: Composition): Promise<Uint8Array> => {
  const { to, cc, bcc } = addressed
  const composer = new MailComposer({
    from: letter.from,
    to,
    cc,
    ...(draft ? { bcc, headers: draft.fields } : {}),
    subject: letter.subject,
    text: letter.text,
    // Neither flowed nor 8bit: what is signed must arrive as it left (RFC 3156 §3).
    textEncoding: 'quoted-printable',
    attachments: letter.attachments.map(({ name, type, octets }) => ({
      filename: name,
      contentType: type,
      content: Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength),
    })),
    ...(inReplyTo
      ? { inReplyTo: inReplyTo.messageId, references: [...inReplyTo.references, inReplyTo.messageId] }
      : {}),
    messageId: letter.messageId,
    date: new Date(letter.date),
    newline: '\r\n',
    disableFileAccess: true,
    disableUrlAccess: true,
  }).compile()
  composer.keepBcc = draft !== null
  return composer.build()
}

/**
 * Address fields, parsed; who stands in a field twice is in it once.
 *
 * @param mode `as typed` keeps what is no address yet, for a draft
 * @param words the addresses of words without an `@` that mean somebody here
 * @throws Refusal `bad-address` with the addresses that are none; `too-large` for more than a letter may go to
 */
export const parseRecipients = (
  typed: Typed,
  mode: 'strict' | 'as typed' = 'strict',
  words: Record<string, string> = {},
): Addressed => {
  const isStrict = mode === 'strict'
  const bad: string[] = []
  const field = (text: string): Mailbox[] => {
    const found = new Map<string, Mailbox>()
    for (const { name, address } of addressparser(text.replace(/[\r\n]+/g, ' '), { flatten: true })) {
      const one = mailboxOf(name, address) ?? mailboxOfWord(words, name, address)
      if (!one) bad.push((address || name).slice(0, addressCharacters))
      const kept = one ?? (isStrict ? null : { name: '', address: address || name })
      if (kept && !found.has(kept.address)) found.set(kept.address, kept)
    }
    return [...found.values()]
  }
  const [to, cc, bcc] = [field(typed.to), field(typed.cc), field(typed.bcc)]
  if (bad.length > 0 && isStrict)
    throw new Refusal('addresses-malformed', {
      values: { addresses: bad.slice(0, wrongAddressesNamed) },
      detail: { addresses: bad.slice(0, wrongAddressesNamed) },
    })
  const all = [...new Set([...to, ...cc, ...bcc].map(({ address }) => address))]
  if (all.length > recipientLimit && isStrict)
    throw new Refusal('recipients-many', { values: { limit: recipientLimit, named: all.length } })
  return { to, cc, bcc, all }
}

const mailboxOf = (name: string, address: string): Mailbox | null => {
  try {
    return { name, address: mailAddress(address || name) }
  } catch {
    return null
  }
}

/** Of `4711` alone, or with a name before it: `Bob <bob>`. */
const mailboxOfWord = (words: Record<string, string>, name: string, address: string): Mailbox | null => {
  const word = address || name
  return Object.hasOwn(words, word) ? mailboxOf(address ? name : '', words[word]!) : null
}
