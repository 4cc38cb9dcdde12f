/**
 * How a letter starts, by the address of Compose: empty (`to`, `sign`: whom to, and that it is to be signed), as a
 * reply (`re`, `all`), a forwarded mail (`fw`), a draft (`d`). Of a mail, `o` says that it was open on the page that
 * this comes from, `alone` that one part of it was. What an answer may contain is in server/contract/replies.ts.
 */
import {
  forwardedFiles,
  forwardOf,
  outermost,
  ownAddresses,
  replyTo,
  type Source,
  threadOf,
} from '../../server/contract/replies.ts'
import { refusalOf } from '../../server/ground/refusal.ts'
import type { Mail } from '../../server/locked/reader/encrypted-mail.ts'
import type { Address } from '../../server/locked/reader/headers.ts'
import type { Draft } from '../../server/mail/letters.ts'
import type { Listed } from '../../server/mail/mailboxes.ts'
import type { ReadMessage } from '../../server/mail/reading.ts'
import { hasAddressLooks, moment, oneLine, readable, wholeAddress, zone } from '../text.ts'
import { type PageContext, sessionOf, wordsOf } from '../visit.ts'
import { blank, type Protection, type Typed } from './compose-form.ts'
import { asKeysAllow, type Needs } from './compose-sending.tsx'

/** A letter as it starts, and what one has to know of it. */
export type Start = { typed: Typed; status?: string | undefined }

export const empty = async (c: PageContext, needs: Needs): Promise<Start> => {
  const { to = '', sign } = c.req.query()
  const { protection, why } = sign
    ? { protection: 'sign' as const }
    : await protectionFor(c, needs, { to, cc: '' })
  return { typed: { ...blank, to, protection }, status: why }
}

export const reply = async (c: PageContext, needs: Needs, id: number): Promise<Start> => {
  const words = wordsOf(c)
  const { user } = sessionOf(c)
  const read = await readAsShown(c, needs, id)
  const { message, mail } = read
  const { kind } = await needs.mailboxes.folder(user.id, message.folderId)
  const aliases = await needs.aliases.list(user.id)
  const { to, cc, unheeded, subject, quote, isSecret, leftOut } = replyTo(sourceOf(c, read), {
    own: ownAddresses(
      user.address,
      aliases.map(({ word }) => word),
    ),
    all: Boolean(c.req.query('all')),
    kind,
  })
  const fields = { to: to.map(written).join(', '), cc: cc.map(written).join(', ') }
  const start = isSecret ? { protection: 'both' as const } : await protectionFor(c, needs, fields)
  const text = quote
    ? `\n\n${words.wrote(dateOf(c, message), whoOf(mail))}\n${quoted(quote).trimEnd().replace(/^/gm, '> ')}\n`
    : ''
  const elsewhere = unheeded.slice(0, 5).map(({ address }) => wholeAddress(address))
  const { protection } = start
  const status = [
    start.why,
    elsewhere.length > 0 && words.replyTo(elsewhere.join(', ')),
    leftOut && words.leftOut[leftOut],
  ]
  return {
    typed: { ...blank, ...fields, subject, text, protection, thread: threadOf(mail), re: id, isSecret },
    status: status.filter(Boolean).join(' '),
  }
}

export const forward = async (c: PageContext, needs: Needs, id: number): Promise<Start> => {
  const words = wordsOf(c)
  const read = await readAsShown(c, needs, id)
  const { message, mail } = read
  const source = sourceOf(c, read)
  const { subject, quote, isSecret, leftOut } = forwardOf(source)
  const head = [
    [words.from, mail.from.map(written).join(', ')],
    [words.date, dateOf(c, message)],
    [words.to, mail.to.map(written).join(', ')],
    [words.subject, oneLine(message.subject, 300)],
  ].map(([name, value]) => `${name}: ${value}`)
  const files = forwardedFiles(source, mail.attachments)
  return {
    typed: {
      ...blank,
      subject,
      text: quote ? `\n\n${words.forwarded}\n${head.join('\n')}\n\n${quoted(quote)}` : '',
      protection: isSecret ? 'both' : 'auto',
      isSecret,
      files: files.map(({ id: part, ...named }) => ({ ...named, message: id, part })),
    },
    status: leftOut ? words.leftOut[leftOut] : undefined,
  }
}

export const draft = async (c: PageContext, { letters }: Needs, id: number): Promise<Start> => {
  const session = sessionOf(c)
  const letter = await letters.draft(session, c.get('visit').keyToken, id)
  const { to, cc, bcc, subject, text, encrypt, attachments, inReplyTo } = letter
  return {
    typed: {
      ...blank,
      to,
      cc,
      bcc,
      subject,
      text,
      files: outermost(attachments).map(({ id: part, name, type, size }) => ({
        name,
        type,
        size,
        message: id,
        part,
      })),
      protection: protectionOf(letter),
      thread: inReplyTo ? [...inReplyTo.references, inReplyTo.messageId] : [],
      draft: id,
      number: await letters.numberOf(session.user, id),
      isSecret: encrypt,
    },
  }
}

const protectionOf = ({ sign, encrypt, kind }: Pick<Draft, 'sign' | 'encrypt' | 'kind'>): Protection => {
  if (kind === 'smime' && sign) return encrypt ? 'smimeBoth' : 'smimeSign'
  return encrypt ? (sign ? 'both' : 'encrypt') : sign ? 'sign' : 'plain'
}

/** How a letter starts whose recipients are known: encrypted if they have keys; else why not. */
const protectionFor = async (
  c: PageContext,
  needs: Needs,
  fields: { to: string; cc: string },
): Promise<{ protection: Protection; why?: string }> => {
  try {
    const { protection, without } = await asKeysAllow(c, needs, { ...fields, bcc: '', text: '' })
    if (protection !== 'plain') return { protection }
    const names = oneLine(without.join(', '), 200)
    return { protection: 'auto', ...(names ? { why: wordsOf(c).startsPlain(names) } : {}) }
  } catch (error) {
    if (refusalOf(error)?.code !== 'bad-address') throw error
    return { protection: 'auto' }
  }
}

// ---- the mail that is answered

/** A mail to be answered or forwarded, opened only if it was open on the page that this comes from. */
const readAsShown = (c: PageContext, { reading }: Needs, id: number): Promise<ReadMessage> =>
  c.req.query('o') ? reading.open(sessionOf(c), c.get('visit').keyToken, id) : reading.read(sessionOf(c), id)

/** The mail as the rules of answering see it. */
const sourceOf = (c: PageContext, { message, mail }: ReadMessage): Source => ({
  from: mail.from,
  to: mail.to,
  cc: mail.cc,
  replyTo: mail.replyTo,
  subject: oneLine(message.subject, 500),
  text: mail.text,
  isEncrypted: mail.security === 'encrypted',
  hasClosedParts: mail.isolated.length > 0,
  opened: c.req.query('alone') ? 'part' : c.req.query('o') ? 'whole' : 'nothing',
})

/** A stranger's words, and whether there are more of them. */
const quoted = ({ text, isCut }: { text: string; isCut: boolean }): string =>
  isCut ? `${readable(text)}\n[...]` : readable(text)

/** As it is typed into an address field; a name with specials is quoted (RFC 5322 §3.2.4). */
const written = ({ name, address }: Address): string => {
  if (!name || name === address) return readable(address)
  const shown = oneLine(name, 120)
  const quotedName = /[^\p{L}\p{N}\p{M} _-]/u.test(shown) ? `"${shown.replace(/["\\]/g, '')}"` : shown
  return `${quotedName} <${readable(address)}>`
}

const whoOf = (mail: Mail): string =>
  oneLine(
    mail.from
      .map(({ name, address }) => (name && !hasAddressLooks(name) ? name : wholeAddress(address)))
      .join(', '),
    120,
  ) || '?'

const dateOf = (c: PageContext, message: Listed): string =>
  `${moment(c.get('visit').language, message.sentAt ?? message.arrivedAt)} (${zone})`
