/** Letters: written, signed, sent, taken back, waited for; and whom they may be to. */
import { Hono } from 'hono'
import type {
  GivenUp,
  KnownAddresses,
  QueuePage,
  Recalled,
  Recipients,
  Sent,
  Signed,
} from '../../contract/answers.ts'
import type { Body } from '../../contract/requests.ts'
import type { Files } from '../../files/files.ts'
import { mailOctetsLimit } from '../../ground/limits.ts'
import { delayInWords } from '../../ground/reasons.ts'
import { Refusal } from '../../ground/refusal.ts'
import type { Acquaintances } from '../../mail/acquaintances.ts'
import type { Letter, Letters } from '../../mail/letters.ts'
import type { Mailboxes } from '../../mail/mailboxes.ts'
import type { Outbox } from '../../mail/outbox.ts'
import type { Reading } from '../../mail/reading.ts'
import type { Session } from '../../people/sessions.ts'
import { type Border, idOf, type LoggedIn, limitOf, time } from './call.ts'

export type LetterNeeds = {
  acquaintances: Acquaintances
  files: Files
  letters: Letters
  mailboxes: Mailboxes
  outbox: Outbox
  reading: Reading
}

export const letterCalls = (needs: LetterNeeds, border: Border) => {
  const to = border.handing(needs)
  return new Hono()
    .post('/messages', to(sendOrKeep))
    .post('/messages/:id/recall', to(recall))
    .post('/sign', to(sign))
    .get('/queue', to(listWaiting))
    .post('/queue/:id/retry', to(retry))
    .delete('/queue/:id', to(giveUp))
    .get('/addresses', to(suggestAddresses))
    .post('/recipients', to(lookUpRecipients))
}

const sendOrKeep = async (needs: LetterNeeds, { c, session, keyToken, body }: LoggedIn) => {
  const { letters, mailboxes, reading } = needs
  const { draft, hold_s, replaces, in_reply_to, attachments, ...written } = await body('letter')
  const letter: Letter = {
    ...written,
    isLetGo: true,
    attachments: await attached(needs, session, keyToken, attachments.splice(0)),
    inReplyTo: await repliedTo(reading, session, in_reply_to ?? null),
  }
  if (draft) {
    const { id, folder } = await letters.saveDraft(session, letter, { replaces: replaces ?? null })
    const kept = { id, folder: folder.name, delivered: [], queued: [], held_until: null } satisfies Sent
    return c.json(kept, 201)
  }
  const { id, folder, delivered, queued, heldUntil } = await letters.send(session, keyToken, letter, {
    draft: replaces ?? null,
    holdMs: hold_s * 1000,
  })
  if (/^\d+$/.test(String(in_reply_to)))
    await mailboxes.mark(session.user.id, [Number(in_reply_to)], { answered: true })
  const held_until = heldUntil === null ? null : time(heldUntil)
  return c.json({ id, folder: folder.name, delivered, queued, held_until } satisfies Sent, 201)
}

/** What comes with the letter, and what lies in the box of files: the same as if it had come. */
const attached = async (
  { files }: LetterNeeds,
  session: Session,
  keyToken: string | null,
  asked: Body<'letter'>['attachments'],
): Promise<Letter['attachments']> => {
  const found: Letter['attachments'] = []
  let room = mailOctetsLimit
  for (const { name = '', type = 'application/octet-stream', content, data, file } of asked) {
    const octets = content ?? data
    if (file !== undefined && !octets) {
      const kept = await files.whole(session, keyToken, file, room)
      room -= kept.octets.length
      found.push({ ...kept, name: name || kept.name })
    } else if (octets) found.push({ name, type, octets })
    else throw new Refusal('file-without-content', { values: { name } })
  }
  return found
}

const repliedTo = async (
  reading: Reading,
  session: Session,
  reference: number | string | null,
): Promise<Letter['inReplyTo']> => {
  if (reference === null || reference === '') return null
  if (typeof reference === 'string' && !/^\d+$/.test(reference))
    return { messageId: oneMessageId(reference), references: [] }
  const { mail } = await reading.read(session, Number(reference))
  return mail.messageId ? { messageId: mail.messageId, references: mail.references } : null
}

const oneMessageId = (text: string) => {
  if (!/^<[^<>\s]+>$/.test(text)) throw new Refusal('in-reply-to-what')
  return text
}

const recall = async ({ letters }: LetterNeeds, { c, session }: LoggedIn) => {
  const { id, folder } = await letters.recall(session, idOf(c))
  return c.json({ id, folder: folder.name } satisfies Recalled)
}

const sign = async ({ letters }: LetterNeeds, { c, session, keyToken, body }: LoggedIn) => {
  const { text } = await body('sign')
  return c.json({ signed: await letters.sign(session, keyToken, text) } satisfies Signed)
}

const listWaiting = async ({ outbox }: LetterNeeds, { c, userId }: LoggedIn) => {
  const before = c.req.query('before')
  if (before !== undefined && !/^\d{1,15}$/.test(before)) throw new Refusal('before-no-id')
  const limit = limitOf(c, 50, 100)
  const rows = await outbox.waiting(userId, {
    before: before === undefined ? null : Number(before),
    limit: limit + 1,
  })
  const queue = rows.slice(0, limit).map(({ id, to, since, nextAt, why, state }) => ({
    id,
    to,
    since: since === null ? null : time(since),
    next_at: time(nextAt),
    why: why && delayInWords(why),
    held: state === 'held',
    sending: state === 'sending',
  }))
  const next = rows.length > limit ? String(queue.at(-1)!.id) : null
  return c.json({ queue, next } satisfies QueuePage)
}

const retry = async ({ outbox }: LetterNeeds, { c, userId }: LoggedIn) => {
  await outbox.retry(userId, idOf(c))
  return c.body(null, 204)
}

const giveUp = async ({ letters }: LetterNeeds, { c, session }: LoggedIn) => {
  const { id, folder } = await letters.giveUp(session, idOf(c))
  return c.json({ id, folder: folder.name } satisfies GivenUp)
}

const suggestAddresses = async ({ acquaintances }: LetterNeeds, { c, session }: LoggedIn) => {
  const addresses = await acquaintances.suggestions(session.user, c.req.query('q') ?? '')
  return c.json({ addresses } satisfies KnownAddresses)
}

const lookUpRecipients = async ({ letters }: LetterNeeds, { c, session, body }: LoggedIn) => {
  const typed = await body('recipients')
  // What only S/MIME has is told of S/MIME alone.
  const recipients = (await letters.recipients(session.user, typed)).map(({ kinds, ...recipient }) =>
    kinds.includes('smime') ? { ...recipient, kinds } : recipient,
  )
  return c.json({ recipients } satisfies Recipients)
}
