/** A mail as it is read out: what we know of it, whose it is, and when it came. */

import type { Row } from '../../server/contract/answers.ts'
import type { Source } from '../letter/letter.ts'
import { harmless } from '../text/text.ts'
import { fromOutside, grouped, weaknessesOf } from '../text/words.ts'
import { counted } from './dialogue.ts'

/** A row of a list: what we know first, then who and what, the time last. */
export const rowInWords = (row: Row, kind: string, folder: string | null): string => {
  const marks = [
    row.seen ? '' : 'unread',
    row.outside ? 'only claims to be from here' : '',
    row.flagged ? 'flagged' : '',
    row.answered ? 'answered' : '',
    row.security === 'plain' ? '' : row.security,
    row.attachments ? counted(row.attachments, 'attachment') : '',
    folder === null ? '' : `in ${harmless(folder)}`,
  ].filter(Boolean)
  const state = marks.length ? `${marks.join(', ')}. ` : ''
  const isOurs = kind === 'sent' || kind === 'drafts'
  const who = isOurs ? `To ${harmless(row.to) || 'nobody'}` : `From ${harmless(row.from) || 'nobody'}`
  const subject = harmless(row.subject) || '(no subject)'
  const line = `${state}${who}: ${subject.length > 200 ? `${subject.slice(0, 200)}...` : subject}. ${moment(row.date)}`
  return capital(line)
}

/** How a letter left of which this is the copy; null where the copy is what left, and of all other mail. */
const copyOf = ({ sent_as }: Source['came']) => (sent_as === 'encrypted' ? null : sent_as)

export const stateOf = ({ came, opened, part }: Source): string => {
  const { signature } = opened ?? came
  const copy = copyOf(came)
  const sentences = [
    came.outside ? fromOutside(came.from) : '',
    part === null ? '' : 'This is one encrypted part alone, not the mail around it.',
    copy ? `Sent ${copy === 'plain' ? 'in plain' : 'signed'}.` : '',
    encryptionOf({ came, opened }),
    opened && !copy && signature.status === 'none' ? 'Not signed.' : signatureInWords(signature),
    ...weaknessesOf(opened ?? came),
  ].filter(Boolean)
  return sentences.join(' ') || 'Neither encrypted nor signed.'
}

const encryptionOf = ({ came, opened }: Pick<Source, 'came' | 'opened'>): string => {
  const copy = copyOf(came)
  if (opened) return copy ? 'This copy is kept encrypted to you.' : 'Was encrypted.'
  if (came.security !== 'encrypted') return ''
  return copy
    ? 'This copy is kept encrypted to you, and shown as it lies.'
    : 'Encrypted. This is the mail as it came.'
}

const signatureInWords = ({
  status,
  key,
  by,
  at,
  reason,
  certificate,
}: Source['came']['signature']): string => {
  const [who, which] = [by ? harmless(by) : '?', key ? grouped(harmless(key.slice(-16))) : '?']
  switch (status) {
    case 'none':
      return ''
    case 'valid':
      return certificate?.vouched
        ? `Signed by ${who}${at ? ` on ${moment(at)}` : ''}, with a certificate of ${harmless(certificate.issuer)}, which the operator of the server trusts.`
        : `Signed by ${who}${at ? ` on ${moment(at)}` : ''}, accepted ${certificate ? 'certificate' : 'key'} ${which}.`
    case 'expired':
      return `Signed with the key ${which} of ${who}, which is expired or revoked: do not rely on it.`
    case 'unknown-key':
      return `Signed, but nobody vouches for the ${certificate ? 'certificate' : 'key'} ${which}: you have not accepted it.`
    case 'invalid':
      return `The signature is WRONG: this mail was changed, or it was not signed by this key. ${harmless(reason)}`.trim()
    case 'mismatch':
      return `Signed, but do NOT rely on it. ${harmless(reason)}`.trim()
  }
}

export const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

const months = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')

/** Day and time where the terminal stands; the year where it is another. */
export const moment = (time: string): string => {
  const date = new Date(time)
  if (Number.isNaN(date.getTime())) return 'at an unknown time'
  const year = date.getFullYear() === new Date().getFullYear() ? '' : ` ${date.getFullYear()}`
  const [hour, minute] = [date.getHours(), date.getMinutes()].map((number) => String(number).padStart(2, '0'))
  return `${date.getDate()} ${months[date.getMonth()]}${year}, ${hour}:${minute}`
}
