/**
 * What an answer to a mail, or a mail passed on, may contain: to whom it goes, what of the mail it quotes and carries
 * along, and what it leaves out. The same for pages and terminal client, which hand in the mail as it lies before its
 * reader; the words around it, and how a stranger's words are made harmless, are theirs.
 */
import type { Folder, Message } from './answers.ts'

export type Address = Message['from'][number]

/** A mail that is answered or passed on. */
export type Source = {
  from: Address[]
  to: Address[]
  cc: Address[]
  replyTo: Address[]
  /** As it travelled, never a protected one: an answer must not carry that outside. On one line, and harmless. */
  subject: string
  /** What a person reads: of the whole mail as it was opened, if it was; else as it came. */
  text: string
  isEncrypted: boolean
  /** Something in it is encrypted that opens alone. */
  hasClosedParts: boolean
  /** What its reader had before them: the mail as it came, the whole of it opened, or one part that was opened alone. */
  opened: 'nothing' | 'whole' | 'part'
}

/** Why something of a mail is not in the letter: a part opened alone, a mail that is not open, parts that open alone. */
export type LeftOut = 'part' | 'unopened' | 'closed-parts'

type Answer = {
  subject: string
  /** Null where nothing of the mail may be quoted; the text is still a stranger's. */
  quote: { text: string; isCut: boolean } | null
  /** Something in it came encrypted: the letter starts signed and encrypted, and does not leave in plain unasked. */
  isSecret: boolean
  leftOut: LeftOut | null
}
export type Reply = Answer & {
  to: Address[]
  cc: Address[]
  /** Where the mail asks for answers and this one does not go, as nothing protects that. */
  unheeded: Address[]
}

/** Characters: what one would still send over a slow link. */
const quoteLimit = 20_000

/** By which addresses a user is meant: their own, and their aliases in its domain. */
export const ownAddresses = (address: string, aliases: string[]): string[] => {
  const domain = address.slice(address.lastIndexOf('@'))
  return [address, ...aliases.map((word) => word + domain)].map((each) => each.toLowerCase())
}

/**
 * The answer to a mail.
 *
 * @param how.own the user's addresses
 * @param how.kind of the folder that the mail lies in: who answers a letter of their own goes on writing to whom it was
 *   to, but a mail in the Inbox that claims to be from oneself may name whomever its sender likes
 */
export const replyTo = (
  source: Source,
  { own, all, kind }: { own: string[]; all: boolean; kind: Folder['kind'] },
): Reply => {
  const isOwn = ({ address }: Address) => own.includes(address.toLowerCase())
  const others = (list: Address[]) => list.filter((each) => !isOwn(each))
  const isMine = (kind === 'sent' || kind === 'drafts') && source.from.length > 0 && source.from.every(isOwn)
  const unheeded = isMine ? [] : diverting(source)
  const heeded = source.replyTo.length > 0 && unheeded.length === 0 ? source.replyTo : source.from
  const to = distinct([...(isMine ? source.to : heeded), ...(all && !isMine ? others(source.to) : [])])
  return {
    ...answer(source),
    subject: `Re: ${source.subject.replace(replyMarks, '')}`,
    to,
    cc: all ? distinct(others(source.cc), to) : [],
    unheeded,
  }
}

/** A mail passed on. What goes along of its attachments: {@link forwardedFiles}. */
export const forwardOf = (source: Source): Answer => ({
  ...answer(source),
  subject: `Fwd: ${source.subject.replace(forwardMarks, '')}`,
})

/** Under this id, which no part has, the certificates of a signed mail are had where nobody attached them. */
export const certificatesId = 'certificates'

/** The attachments that go along when a mail is passed on. */
export const forwardedFiles = <File extends { id: string }>(source: Source, attachments: File[]): File[] =>
  whyNothing(source) === null ? outermost(attachments).filter(({ id }) => id !== certificatesId) : []

/** Without what lies in an attached mail, which goes within it. */
export const outermost = <File extends { id: string }>(attachments: File[]): File[] =>
  attachments.filter(({ id }) => !attachments.some((other) => id.startsWith(`${other.id}.`)))

/** The thread's message ids (RFC 5322 §3.6.4), the one that is answered last; of a long one, the first and the newest. */
export const threadOf = (mail: { references: string[]; messageId: string | null }): string[] => {
  const ids = [...mail.references, ...(mail.messageId ? [mail.messageId] : [])].filter(isMessageId)
  return ids.length > 10 ? [ids[0]!, ...ids.slice(-9)] : ids
}

export const isMessageId = (text: string): boolean => /^<[^\s<>]{1,250}>$/.test(text)

const replyMarks = /^\s*((re|aw|sv|antw|返信)(\[\d+\])?\s*[:：]\s*)+/i
const forwardMarks = /^\s*((fwd?|wg|転送)\s*[:：]\s*)+/i

const answer = (source: Source): Omit<Answer, 'subject'> => {
  const nothing = whyNothing(source)
  const { text } = source
  return {
    quote: nothing === null ? { text: text.slice(0, quoteLimit), isCut: text.length > quoteLimit } : null,
    isSecret: holdsSecrets(source) || source.hasClosedParts,
    leftOut: nothing ?? (source.hasClosedParts ? 'closed-parts' : null),
  }
}

/**
 * Why nothing of a mail may be quoted or passed on; null if it may be. Who sends somebody else's ciphertext as a part
 * of their own mail must not be answered with its plaintext.
 */
const whyNothing = ({ isEncrypted, opened }: Source): LeftOut | null => {
  if (opened === 'part') return 'part'
  return isEncrypted && opened === 'nothing' ? 'unopened' : null
}

/** Whether an answer, written by who has read the mail, may tell what was encrypted. */
const holdsSecrets = ({ isEncrypted, opened }: Source) => isEncrypted || opened !== 'nothing'

/** Who changes a mail on its way must not have the answer, with the text in it, sent to themselves. */
const diverting = (source: Source): Address[] => {
  const senders = new Set(source.from.map(({ address }) => address.toLowerCase()))
  return holdsSecrets(source)
    ? source.replyTo.filter(({ address }) => !senders.has(address.toLowerCase()))
    : []
}

const distinct = (addresses: Address[], without: Address[] = []): Address[] => {
  const seen = new Set(without.map(({ address }) => address.toLowerCase()))
  return addresses.filter(
    ({ address }) => address && !seen.has(address.toLowerCase()) && seen.add(address.toLowerCase()),
  )
}
