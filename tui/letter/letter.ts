/**
 * A letter before it is sent: the reply, the forwarded mail, the draft that is taken up again, the mailto: link; and
 * the doubts that one is asked about once. Pure, for whatever terminal it is written on.
 */

import type { Folder, Message, Opened, Recipient } from '../../server/contract/answers.ts'
import * as replies from '../../server/contract/replies.ts'
import { harmless, harmlessLines, wholeAddress } from '../text/text.ts'
import { hasAddressLooks } from '../text/words.ts'
import type { ApiLetter } from '../wire/client.ts'

export type FetchedFile = { name: string; type: string; octets: Uint8Array }
/** A file of the box at the server, by its path: its octets are not here, and go along from there. */
export type BoxFile = { name: string; type: string; size: number; file: string }
export type Attachment = FetchedFile | BoxFile

/** In octets. */
export const sizeOfAttachment = (attachment: Attachment): number =>
  'file' in attachment ? attachment.size : attachment.octets.length

export type Letter = {
  /** Addresses as they were typed. */
  to: string
  cc: string
  bcc: string
  subject: string
  text: string
  attachments: Attachment[]
  /** The message that it answers, or a Message-ID. */
  inReplyTo: number | string | null
  sign: boolean
  encrypt: boolean
  /** By S/MIME, or each recipient by what they read; null: as all of them read. */
  kind: 'smime' | 'each' | null
  /** How it is protected was chosen, or follows from what it answers; until then its recipients decide ({@link byRecipients}). */
  isChosen: boolean
  /** The draft that it lies in. */
  draft: number | null
  /** Something in it came encrypted. */
  isSecret: boolean
}

export const blank: Letter = {
  to: '',
  cc: '',
  bcc: '',
  subject: '',
  text: '',
  attachments: [],
  inReplyTo: null,
  sign: false,
  encrypt: false,
  kind: null,
  isChosen: false,
  draft: null,
  isSecret: false,
}

/**
 * A mail that is answered or passed on, as it was before the reader's eyes: as it came, and as it was opened with the
 * key, the whole of it or one part alone.
 */
export type Source = {
  came: Message
  opened: Opened | null
  /** Null where the whole mail was opened, or nothing. */
  part: string | null
}

/** The mail itself, never a part of it. */
const rootOf = ({ came, opened, part }: Source) => (part === null ? (opened ?? came) : came)

/** The mail as the rules of answering see it. */
const answerable = (source: Source): replies.Source => {
  const { came, opened, part } = source
  const { from, to, cc, reply_to, text, isolated } = rootOf(source)
  return {
    from,
    to,
    cc,
    replyTo: reply_to,
    subject: harmless(came.headers.subject ?? ''),
    text,
    isEncrypted: came.security === 'encrypted',
    hasClosedParts: isolated.length > 0,
    opened: part !== null ? 'part' : opened ? 'whole' : 'nothing',
  }
}

const leftOutWords: Record<replies.LeftOut, string> = {
  part: 'A part that was opened alone is not quoted, nor the mail around it.',
  unopened: 'An encrypted mail that is not open is not quoted.',
  'closed-parts': 'What is encrypted in the mail and opens alone is not quoted.',
}

const quoted = ({ text, isCut }: { text: string; isCut: boolean }): string => {
  const lines = harmlessLines(text).join('\n').trimEnd()
  return isCut ? `${lines}\n[...]` : lines
}

const protectedAs = (isSecret: boolean) => ({
  sign: isSecret,
  encrypt: isSecret,
  isChosen: isSecret,
  isSecret,
})

/** The attachments that go along when the mail is passed on. */
export const forwardedFiles = (source: Source): Message['attachments'] =>
  replies.forwardedFiles(answerable(source), rootOf(source).attachments)

/**
 * The answer to a mail.
 *
 * @param how as {@link replies.replyTo}
 * @returns and what one has to know of it, a sentence each
 */
export const replyTo = (
  source: Source,
  how: { own: string[]; all: boolean; kind: Folder['kind'] },
): { letter: Letter; notes: string[] } => {
  const { came } = source
  const mail = rootOf(source)
  const { to, cc, unheeded, subject, quote, isSecret, leftOut } = replies.replyTo(answerable(source), how)
  const notes = []
  if (unheeded.length > 0)
    notes.push(
      `The mail asks for answers to ${unheeded.map(({ address }) => harmless(address)).join(', ')}, but nothing protects that. This goes to its sender.`,
    )
  if (leftOut) notes.push(leftOutWords[leftOut])
  const head = `On ${harmless(mail.headers.date ?? 'an unknown day')}, ${who(mail.from)} wrote:`
  const letter = {
    ...blank,
    to: to.map(written).join(', '),
    cc: cc.map(written).join(', '),
    subject,
    text: quote ? `\n\n${head}\n${quoted(quote).replace(/^/gm, '> ')}\n` : '',
    inReplyTo: came.id,
    ...protectedAs(isSecret),
  }
  return { letter, notes }
}

/** A mail passed on. @param attachments what {@link forwardedFiles} named */
export const forwardOf = (source: Source, attachments: Attachment[]): { letter: Letter; notes: string[] } => {
  const mail = rootOf(source)
  const answered = answerable(source)
  const { subject, quote, isSecret, leftOut } = replies.forwardOf(answered)
  const head = [
    ['From', mail.from.map(written).join(', ')],
    ['Date', harmless(mail.headers.date ?? '')],
    ['To', mail.to.map(written).join(', ')],
    ['Subject', answered.subject],
  ].map(([name, value]) => `${name}: ${value}`)
  const letter = {
    ...blank,
    subject,
    text: quote ? `\n\n---- Forwarded mail ----\n${head.join('\n')}\n\n${quoted(quote)}\n` : '',
    attachments: quote ? attachments : [],
    ...protectedAs(isSecret),
  }
  return { letter, notes: leftOut ? [leftOutWords[leftOut]] : [] }
}

/** A draft to go on with. @param attachments what {@link forwardedFiles} named */
export const draftOf = (source: Source, attachments: Attachment[]): Letter => {
  const { came } = source
  const { headers, text } = rootOf(source)
  const protection = headers['x-wafer-protection'] ?? ''
  const encrypt = protection.includes('encrypt')
  return {
    to: headers.to ?? '',
    cc: headers.cc ?? '',
    bcc: headers.bcc ?? '',
    subject: headers.subject ?? '',
    text: text.replace(/\r\n?/g, '\n'),
    attachments,
    inReplyTo: headers['in-reply-to']?.trim() || null,
    sign: protection.includes('sign'),
    encrypt,
    kind: protection.includes('smime') ? 'smime' : protection.includes('each') ? 'each' : null,
    isChosen: true,
    draft: came.id,
    isSecret: encrypt,
  }
}

/** The kinds of protection that all of them read. What only a server with S/MIME tells is, untold, OpenPGP. */
export const kindsOfAll = (recipients: Pick<Recipient, 'kinds'>[]) =>
  (['openpgp', 'smime'] as const).filter((kind) =>
    recipients.every(({ kinds = ['openpgp'] }) => kinds.includes(kind)),
  )

/**
 * A letter whose protection nobody chose: encrypted where all recipients have keys, and signed too where that asks for
 * nothing, as the key is open.
 */
export const byRecipients = <L extends Pick<Letter, 'isChosen' | 'sign' | 'encrypt'>>(
  letter: L,
  recipients: Pick<Recipient, 'key' | 'kinds'>[],
  canSign: boolean,
): L => {
  if (letter.isChosen || recipients.length === 0) return letter
  const encrypt = recipients.every(({ key }) => key)
  // Whether there is a certificate to sign with is not known here.
  return { ...letter, encrypt, sign: encrypt && canSign && kindsOfAll(recipients).includes('openpgp') }
}

/** RFC 6068; only what a letter is made of, for a link is a stranger's word. Null if it is no such link. */
export const fromMailto = (link: string): Letter | null => {
  const found = /^mailto:([^?#]*)(?:\?([^#]*))?/is.exec(link)
  if (!found) return null
  const [, path = '', query = ''] = found
  const decoded = (text: string) => {
    try {
      return decodeURIComponent(text)
    } catch {
      return text
    }
  }
  // A map: a link may name its fields like what every object has.
  const fields = new Map<string, string[]>([['to', path ? [decoded(path)] : []]])
  for (const pair of query.split('&')) {
    const at = pair.indexOf('=')
    if (at < 1) continue
    const name = decoded(pair.slice(0, at)).toLowerCase()
    const values = fields.get(name) ?? []
    values.push(decoded(pair.slice(at + 1)))
    fields.set(name, values)
  }
  const first = (name: string) => fields.get(name)?.[0] ?? ''
  const addresses = (name: string) => harmless((fields.get(name) ?? []).filter(Boolean).join(', '))
  const messageId = first('in-reply-to').trim()
  return {
    ...blank,
    to: addresses('to'),
    cc: addresses('cc'),
    bcc: addresses('bcc'),
    subject: harmless(first('subject')),
    text: harmlessLines((fields.get('body') ?? []).join('\n')).join('\n'),
    inReplyTo: /^<[^<>\s]+>$/.test(messageId) ? messageId : null,
  }
}

/** As the API takes it. */
export const toApi = (letter: Letter): ApiLetter => ({
  to: letter.to,
  cc: letter.cc,
  bcc: letter.bcc,
  subject: letter.subject,
  text: letter.text,
  attachments: letter.attachments.map((each) =>
    'file' in each
      ? { file: each.file }
      : { name: each.name, type: each.type, content: Buffer.from(each.octets).toString('base64') },
  ),
  in_reply_to: letter.inReplyTo,
  sign: letter.sign,
  encrypt: letter.encrypt,
  ...(letter.kind && { kind: letter.kind }),
  ...(letter.draft === null ? {} : { replaces: letter.draft }),
})

const signedText = /^-----BEGIN PGP SIGNED MESSAGE-----$/m

export const isSigned = (text: string): boolean => signedText.test(text)

/**
 * What speaks against sending it so: each is asked about once.
 *
 * @param signed the text as it came back signed, if it did
 */
export const doubtsAbout = (letter: Letter, signed: string | null): Record<string, string> => {
  const doubts: Record<string, string> = {}
  if (letter.isSecret && !letter.encrypt)
    doubts.plain = 'What you answer or pass on was encrypted; this would go unencrypted.'
  if (isSigned(letter.text) && signed !== null && letter.text.trimEnd() !== signed.trimEnd())
    doubts.signature = 'You changed the text after you signed it, so the signature no longer fits.'
  const own = letter.text
    .split(/^(?:---- Forwarded mail ----|-- )$/m)[0]!
    .split('\n')
    .filter((line) => !line.startsWith('>'))
    .join('\n')
  if (
    letter.attachments.length === 0 &&
    /\battach(ed|ment|ments|ing)?\b|添付/i.test(`${letter.subject}\n${own}`)
  )
    doubts.attachment = 'The text speaks of an attachment, but nothing is attached.'
  if (letter.subject.trim() === '') doubts.subject = 'There is no subject.'
  return doubts
}

const written = ({ name, address }: replies.Address): string => {
  const [who, where] = [harmless(name).trim(), harmless(address)]
  if (who === '' || who === where) return where
  return /^[\p{L}\p{N} '_-]*$/u.test(who) ? `${who} <${where}>` : `"${who.replace(/["\\]/g, "'")}" <${where}>`
}

const who = (from: replies.Address[]): string =>
  from
    .map(({ name, address }) => (name && !hasAddressLooks(name) ? harmless(name) : wholeAddress(address)))
    .join(', ') || 'somebody'
