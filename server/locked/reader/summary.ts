/** What a list shows of a mail, and what the index of its words gets. */
import { listedLimits, searchTextOctets } from '../../ground/limits.ts'
import { indexed } from '../search-words.ts'
import { cut } from './charsets.ts'
import {
  type Address,
  addressesOf,
  claimedAddresses,
  dateOf,
  decodeHeader,
  fieldOf,
  messageIds,
  splitHeader,
} from './headers.ts'
import { isolatedOf } from './isolated.ts'
import { render } from './rendering.ts'
import { securityOf, shapeOf } from './shapes.ts'
import { parseMail, withoutMboxLine } from './tree.ts'

export type Summary = {
  sender: string
  recipients: string
  subject: string
  sentAt: number | null
  messageId: string | null
  attachments: number
  /** `partly`: something in it is encrypted, and opens alone. */
  security: 'plain' | 'encrypted' | 'signed' | 'partly'
  /** The addresses that it says it is from, as {@link claimedAddresses}; at most a hundred. */
  from: string[]
  searchText: string
}
/** A summary with the words for the full-text index in place of the text. */
export type SummaryRow = Omit<Summary, 'searchText'> & {
  index: { sender: string; recipients: string; subject: string; body: string }
}

/** For lists and the index. Never throws: mail that cannot be read still gets a row. */
export const summarize = async (octets: Uint8Array): Promise<Summary> => {
  const summary: Summary = {
    sender: '',
    recipients: '',
    subject: '',
    sentAt: null,
    messageId: null,
    attachments: 0,
    security: 'plain',
    from: [],
    searchText: '',
  }
  try {
    // The row before the rest of the mail is looked at.
    const { fields } = splitHeader(withoutMboxLine(octets))
    // A name may be as long as its sender likes; it is cut, so that the address behind it is not.
    const show = ({ name, address }: Address) =>
      name && address ? `${cut(name, listedLimits.nameCharacters)} <${address}>` : name || address
    summary.subject = cut(decodeHeader(fieldOf(fields, 'subject') ?? ''), listedLimits.subjectCharacters)
    summary.sentAt = dateOf(fieldOf(fields, 'date'))
    summary.messageId = messageIds(fieldOf(fields, 'message-id'))[0] ?? null
    const from = addressesOf(fields, 'from')
    summary.from = claimedAddresses(from.slice(0, 100)).slice(0, 100)
    summary.sender = cut(from.map(show).join(', '), listedLimits.senderCharacters)
    const recipients = ['to', 'cc'].flatMap((name) => addressesOf(fields, name))
    summary.recipients = cut(recipients.map(show).join(', '), listedLimits.recipientsCharacters)
    const root = parseMail(octets)
    summary.security = securityOf(shapeOf(root))
    if (summary.security === 'encrypted') return summary
    const { text, attachments } = render(root)
    summary.attachments = attachments.length
    if (isolatedOf(root).length) summary.security = 'partly'
    summary.searchText = firstOctets(text, searchTextOctets)
  } catch {
    // What was found before the failure is the row.
  }
  return summary
}

/** The same, ready for the database. */
export const rowOf = async (octets: Uint8Array): Promise<SummaryRow> => {
  const { searchText, ...summary } = await summarize(octets)
  const { sender, recipients, subject } = summary
  const index = {
    sender: indexed(sender),
    recipients: indexed(recipients),
    subject: indexed(subject),
    body: indexed(searchText),
  }
  return { ...summary, index }
}

/** As much of the text as fits, in UTF-8. */
const firstOctets = (text: string, limit: number) =>
  text.slice(0, new TextEncoder().encodeInto(text, new Uint8Array(limit)).read)
