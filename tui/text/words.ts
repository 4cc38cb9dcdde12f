/** How counts, sizes, times and people are said, on every screen alike. */
import type { Opened } from '../../server/contract/answers.ts'
import { harmless, wholeAddress } from './text.ts'

export const counted = (count: number) => (count === 1 ? '1 mail' : `${count} mails`)

export const sizeOf = (octets: number) =>
  octets < 1000
    ? `${octets} B`
    : octets < 1e6
      ? `${Math.round(octets / 1000)} kB`
      : octets < 1e9
        ? `${(octets / 1e6).toFixed(1)} MB`
        : `${(octets / 1e9).toFixed(1)} GB`

/** What a key of each kind is called. */
export const keyWords = { openpgp: 'key', smime: 'certificate' }

/** Why nothing can be encrypted to a key. */
export const obstacleWords = {
  expired: 'it has expired',
  revoked: 'it was revoked',
  weak: 'it is too weak',
  'no-part': 'it has no part for that',
  missing: 'its secret is not here',
  card: 'its secret is on a card',
}

/** Of mail that claims an address of this server, but came from outside. The sender writes the address. */
export const fromOutside = (from: { address: string }[]): string => {
  const [address = ''] = from.length === 1 ? from.map((each) => each.address) : []
  const isPlain = /^[\w.+-]{1,64}@[\w.-]{1,100}$/.test(address)
  return `This came from outside, not from ${isPlain ? `the account of ${address}` : 'an account of this server'}.`
}

/** Hexadecimal in groups of four, as fingerprints are compared. */
export const grouped = (hex: string) => hex.toUpperCase().replace(/(.{4})(?=.)/g, '$1 ')

/** The name of a sender, or the address where there is none. */
export const nameOf = (from: string) => {
  const line = from.trim()
  const begin = line.endsWith('>') ? line.lastIndexOf('<') : line.length
  const name = line.slice(0, Math.max(0, begin)).trim()
  return (/^".*"$/s.test(name) ? name.slice(1, -1) : name) || from
}

/** Whether a name could be read as a mail address. */
export const hasAddressLooks = (name: string) => name.normalize('NFKC').includes('@')

/** Who it is from, in a word: the name, but never one that looks like an address, which anybody can write there. */
export const senderOf = (from: string) => {
  const name = nameOf(from)
  const at = from.lastIndexOf('<')
  return at > 0 && hasAddressLooks(name)
    ? from
        .slice(at + 1)
        .replace('>', '')
        .trim() || name
    : name
}

/** In quotes where a part of it could be taken for somebody else. */
const unmistaken = (name: string) => (/[,;]/.test(name) ? `"${name.replace(/"/g, '')}"` : name)

export const people = (list: { name: string; address: string }[]) =>
  list
    .slice(0, 20)
    .map(({ name, address }) =>
      name && name !== address
        ? `${unmistaken(harmless(name))} <${wholeAddress(address)}>`
        : wholeAddress(address),
    )
    .join(', ') + (list.length > 20 ? ` ... (${list.length})` : '')

/** A subject without marks of replying and forwarding. */
export const bareSubject = (subject: string) =>
  subject.replace(/^\s*((re|aw|sv|antw|fwd?|wg|返信|転送)(\[\d+\])?\s*[:：]\s*)+/i, '').trim()

/** Those that begin so, without regard to case. */
export const startingWith = (names: string[], start: string) =>
  names.filter((name) => name.toLowerCase().startsWith(start.toLowerCase()))

/** Of a time as the server says it: the minute by this terminal's clock. */
export const clockOf = (at: string) => {
  const date = new Date(at)
  return Number.isNaN(date.getTime()) ? '?' : date.toTimeString().slice(0, 5)
}

/** Day and minute. */
export const moment = (at: string) => {
  const date = new Date(at)
  if (Number.isNaN(date.getTime())) return '?'
  const day = [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((each) =>
    String(each).padStart(2, '0'),
  )
  return `${day.join('-')} ${clockOf(at)}`
}

/** Month, day and minute; the year where it is another than now. */
export const shortMoment = (at: string, now: number) => {
  const whole = moment(at)
  return whole.startsWith(`${new Date(now).getFullYear()}-`) ? whole.slice(5) : whole
}

/** Six cells: the minute of today's mails, the day of this year's, the year. */
export const shortDate = (at: number, now: number): string => {
  const date = new Date(at)
  if (Number.isNaN(at)) return '      '
  if (date.toDateString() === new Date(now).toDateString()) return ` ${date.toTimeString().slice(0, 5)}`
  if (now - at < 300 * 86_400_000 && at <= now + 86_400_000)
    return `${months[date.getMonth()]} ${String(date.getDate()).padStart(2)}`
  return `  ${date.getFullYear()}`.slice(-6)
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** What a letter that has not left yet is at. */
export const stateOfWaiting = ({
  held,
  sending,
  since,
  why,
}: {
  held: boolean
  sending: boolean
  since: string | null
  why: string | null
}): string => {
  if (sending) return 'being sent just now'
  if (held) return 'held, can be taken back'
  if (since === null) return 'held'
  return why === null ? 'waits its turn' : 'the last try failed'
}

/** Said once, when the server's ledger has not got the row that this terminal remembers. */
export const ledgerOlder =
  'Entries that this terminal has seen are missing from your key log: the server was put back to an older state, or somebody removed them. Ask who runs it.'

/** What is said behind SSH, where the client is not on the person's own machine. */
export const noDisk = {
  editor: 'Your own editor is on your machine, and this is the server: write here.',
  attach:
    'Files of your machine are out of reach from here: put them into Files first, and attach them from there.',
  save: 'Your machine is out of reach from here: save it to Files, and fetch it from there.',
  get: 'Your machine is out of reach from here: fetch it with sftp, or on a page.',
  put: 'Files of your machine are out of reach from here: put them with sftp, or on a page.',
  suspend: 'Nothing can be suspended here; ~^Z suspends ssh.',
  accept: 'Files of your machine are out of reach from here: type the number of an attachment.',
  identity: 'Files of your machine are out of reach from here: add it on a page, under Keys, S/MIME.',
}

/** Beside a log-in that was refused. */
export const userIsAddress = 'The User ID is your whole mail address.'
export const sessionOver = 'Your session has ended. Connect again to go on.'

/** Of a search, what was typed and says nothing; and where it did not look. */
export const notUnderstood = (words: string[]) => `Not understood: ${words.map(harmless).join(', ')}.`
export const encryptedNotSearched = 'The text of encrypted mail is not searched.'

/** Of an opened mail, what its encryption does not keep; a signature that holds shows changes all the same. */
export const weaknessesOf = ({ signature, weakness }: Pick<Opened, 'signature' | 'weakness'>): string[] => [
  ...(weakness?.changes_unseen && signature.status !== 'valid'
    ? ['It was encrypted in a way that does not show changes: its text could have been altered on its way.']
    : []),
  ...(weakness?.old_cipher ? ['Its cipher is an old one that can be broken.'] : []),
]
/** Beside a certificate that is offered. */
export const revocationIsListed =
  'Whether it was taken back is looked up only in lists that the server was given.'
