/**
 * A letter before it is sent: the reply, the forwarded mail, the draft that is taken up again, the mailto: link; and
 * the doubts that one is asked about once. Pure, for whatever terminal it is written on.
 */
import type * as api from './client.ts'
import { harmless, harmlessLines } from './text.ts'

export type Attachment = { name: string; type: string; octets: Uint8Array }
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
  draft: null,
  isSecret: false,
}

/** A mail that is answered or passed on: as it came, and as it is once opened with the key. */
export type Source = { came: api.Message; opened: api.Opened | null }
type Address = { name: string; address: string }

const quoteLimit = 20_000 // characters

/** What of a mail may be quoted; null of an encrypted one that is not open. */
const quotable = ({ came, opened }: Source): string | null => {
  if (came.security === 'encrypted' && !opened) return null
  const { text } = opened ?? came
  const quoted = harmlessLines(text.slice(0, quoteLimit)).join('\n').trimEnd()
  return text.length > quoteLimit ? `${quoted}\n[...]` : quoted
}

const notQuoted = 'An encrypted mail that is not open is not quoted.'

/**
 * The answer to a mail.
 *
 * @param own the user's address
 * @returns and what one has to know of it, a sentence each
 */
export const replyTo = (source: Source, own: string, all: boolean): { letter: Letter; notes: string[] } => {
  const { came, opened } = source
  const mail = opened ?? came
  const isOwn = ({ address }: Address) => address.toLowerCase() === own.toLowerCase()
  const isMine = mail.from.length > 0 && mail.from.every(isOwn)
  const senders = new Set(mail.from.map(({ address }) => address.toLowerCase()))
  const elsewhere = mail.reply_to.filter(({ address }) => !senders.has(address.toLowerCase()))
  // Who changes a mail on its way must not have the answer, with the text in it, sent to themselves.
  const isTrap = came.security === 'encrypted' && !isMine && elsewhere.length > 0
  const answerTo = isMine ? mail.to : mail.reply_to.length && !isTrap ? mail.reply_to : mail.from
  const to = distinct([...answerTo, ...(all && !isMine ? mail.to.filter((each) => !isOwn(each)) : [])])
  const cc = all
    ? distinct(
        mail.cc.filter((each) => !isOwn(each)),
        to,
      )
    : []
  const quoted = quotable(source)
  const notes = []
  if (isTrap)
    notes.push(
      `The mail asks for answers to ${elsewhere.map(({ address }) => harmless(address)).join(', ')}, but nothing protects that. This goes to its sender.`,
    )
  if (quoted === null) notes.push(notQuoted)
  const head = `On ${harmless(mail.headers.date ?? 'an unknown day')}, ${who(mail.from)} wrote:`
  const isSecret = came.security === 'encrypted'
  const letter = {
    ...blank,
    to: to.map(written).join(', '),
    cc: cc.map(written).join(', '),
    // The subject as it travelled, not a protected one: an answer must not carry that outside.
    subject: `Re: ${bare(came.headers.subject ?? '', /^\s*((re|aw|sv|antw|返信)(\[\d+\])?\s*[:：]\s*)+/i)}`,
    text: quoted === null ? '' : `\n\n${head}\n${quoted.replace(/^/gm, '> ')}\n`,
    inReplyTo: came.id,
    sign: isSecret,
    encrypt: isSecret,
    isSecret,
  }
  return { letter, notes }
}

/** A mail passed on, with its attachments. */
export const forwardOf = (source: Source, attachments: Attachment[]): { letter: Letter; notes: string[] } => {
  const { came, opened } = source
  const mail = opened ?? came
  const quoted = quotable(source)
  const isSecret = came.security === 'encrypted'
  const head = [
    ['From', mail.from.map(written).join(', ')],
    ['Date', harmless(mail.headers.date ?? '')],
    ['To', mail.to.map(written).join(', ')],
    ['Subject', harmless(came.headers.subject ?? '')],
  ].map(([name, value]) => `${name}: ${value}`)
  const letter = {
    ...blank,
    subject: `Fwd: ${bare(came.headers.subject ?? '', /^\s*((fwd?|wg|転送)\s*[:：]\s*)+/i)}`,
    text: quoted === null ? '' : `\n\n---- Forwarded mail ----\n${head.join('\n')}\n\n${quoted}\n`,
    attachments: quoted === null ? [] : attachments,
    sign: isSecret,
    encrypt: isSecret,
    isSecret,
  }
  return { letter, notes: quoted === null ? [notQuoted] : [] }
}

/** A draft to go on with. */
export const draftOf = (source: Source, attachments: Attachment[]): Letter => {
  const { came, opened } = source
  const { headers, text } = opened ?? came
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
    draft: came.id,
    isSecret: encrypt,
  }
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
  const fields: Record<string, string[]> = { to: path ? [decoded(path)] : [] }
  for (const pair of query.split('&')) {
    const at = pair.indexOf('=')
    if (at < 1) continue
    const name = decoded(pair.slice(0, at)).toLowerCase()
    fields[name] = [...(fields[name] ?? []), decoded(pair.slice(at + 1))]
  }
  const addresses = (name: string) => harmless((fields[name] ?? []).filter(Boolean).join(', '))
  const messageId = fields['in-reply-to']?.[0]?.trim() ?? ''
  return {
    ...blank,
    to: addresses('to'),
    cc: addresses('cc'),
    bcc: addresses('bcc'),
    subject: harmless(fields.subject?.[0] ?? ''),
    text: harmlessLines(fields.body?.join('\n') ?? '').join('\n'),
    inReplyTo: /^<[^<>\s]+>$/.test(messageId) ? messageId : null,
  }
}

/** As the API takes it. */
export const toApi = (letter: Letter): api.Letter => ({
  to: letter.to,
  cc: letter.cc,
  bcc: letter.bcc,
  subject: letter.subject,
  text: letter.text,
  attachments: letter.attachments.map(({ name, type, octets }) => ({
    name,
    type,
    content: Buffer.from(octets).toString('base64'),
  })),
  in_reply_to: letter.inReplyTo,
  sign: letter.sign,
  encrypt: letter.encrypt,
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

const written = ({ name, address }: Address): string => {
  const [who, where] = [harmless(name).trim(), harmless(address)]
  if (who === '' || who === where) return where
  return /^[\p{L}\p{N} '_-]*$/u.test(who) ? `${who} <${where}>` : `"${who.replace(/["\\]/g, "'")}" <${where}>`
}

const who = (from: Address[]): string =>
  from.map(({ name, address }) => harmless(name || address)).join(', ') || 'somebody'

const distinct = (list: Address[], besides: Address[] = []): Address[] => {
  const known = new Set(besides.map(({ address }) => address.toLowerCase()))
  return list.filter(({ address }) => {
    const key = address.toLowerCase()
    return !known.has(key) && known.add(key)
  })
}

const bare = (subject: string, marks: RegExp) => harmless(subject).replace(marks, '')
