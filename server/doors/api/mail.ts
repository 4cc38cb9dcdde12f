/** Folders, their lists, and mail as it came, opened, marked and thrown away. */
import { type Context, Hono } from 'hono'
import type {
  Changed,
  Folders,
  Found,
  Marked,
  Message,
  NewFolder,
  Opened,
  Page,
  Row,
} from '../../contract/answers.ts'
import type { Body } from '../../contract/requests.ts'
import { Refusal } from '../../ground/refusal.ts'
import type { Mail } from '../../locked/reader/encrypted-mail.ts'
import type { Listed, Mailboxes } from '../../mail/mailboxes.ts'
import type { Reading } from '../../mail/reading.ts'
import { type Border, idOf, type LoggedIn, limitOf, time } from './call.ts'

export type MailNeeds = { mailboxes: Mailboxes; reading: Reading }

export const mailCalls = (needs: MailNeeds, border: Border) => {
  const to = border.handing(needs)
  return new Hono()
    .get('/folders', to(listFolders))
    .post('/folders', to(createFolder))
    .get('/folders/:name/messages', to(listMessages))
    .get('/search', to(search))
    .patch('/messages', to(markMany))
    .get('/messages/:id', to(showMessage))
    .patch('/messages/:id', to(markMessage))
    .delete('/messages/:id', to(removeMessage))
    .get('/messages/:id/raw', to(giveOctets))
    .post('/messages/:id/decrypt', to(decrypt))
    .get('/messages/:id/parts/:part', to(givePart))
}

const listFolders = async ({ mailboxes }: MailNeeds, { c, userId }: LoggedIn) => {
  const folders = await mailboxes.folders(userId)
  return c.json({
    folders: folders.map(({ name, kind, total, unread }) => ({ name, kind, total, unread })),
  } satisfies Folders)
}

const createFolder = async ({ mailboxes }: MailNeeds, { c, userId, body }: LoggedIn) => {
  const { name } = await mailboxes.createFolder(userId, (await body('folder')).name)
  return c.json({ name, kind: 'user' } satisfies NewFolder, 201)
}

const listMessages = async ({ mailboxes }: MailNeeds, { c, userId }: LoggedIn) => {
  const folder = await mailboxes.folderNamed(userId, c.req.param('name') ?? '')
  const query = c.req.query('q') ?? null
  const page = await mailboxes.page(userId, folder.id, { ...partOf(c), query })
  const messages = page.messages.map(listed)
  return c.json({ messages, next: page.next, ...(query && searched(page)) } satisfies Page)
}

const search = async ({ mailboxes }: MailNeeds, { c, userId }: LoggedIn) => {
  const page = await mailboxes.search(userId, c.req.query('q') ?? '', partOf(c))
  const names = new Map((await mailboxes.folders(userId)).map(({ id, name }) => [id, name]))
  const messages = page.messages.map((message) => ({
    ...listed(message),
    folder: names.get(message.folderId) ?? '',
  }))
  return c.json({ messages, next: page.next, ...searched(page) } satisfies Found)
}

const partOf = (c: Context) => {
  const [before, offset] = [c.req.query('before'), c.req.query('offset')]
  if (before !== undefined && offset !== undefined) throw new Refusal('before-or-offset')
  return { before: before ?? null, offset: offsetOf(offset), limit: limitOf(c, 50, 500) }
}

const searched = ({ ignored, isPartial }: Awaited<ReturnType<Mailboxes['search']>>) => ({
  ignored,
  ...(isPartial && { encrypted_not_searched: true as const }),
})

const showMessage = async ({ reading }: MailNeeds, { c, session }: LoggedIn) => {
  const { message, folder, mail } = await reading.read(session, idOf(c))
  const { sentAs, outside } = message
  return c.json({
    id: message.id,
    folder: folder.name,
    security: mail.security,
    sent_as: sentAs,
    thread: mail.references[0] ?? mail.messageId,
    ...(outside && { outside }),
    ...content(mail),
  } satisfies Message)
}

const giveOctets = async ({ mailboxes }: MailNeeds, { c, userId }: LoggedIn) => {
  const octets = await mailboxes.octets(userId, idOf(c))
  return c.body(new Uint8Array(octets), 200, { 'Content-Type': 'message/rfc822' })
}

const markMessage = async ({ mailboxes }: MailNeeds, { c, userId, body }: LoggedIn) => {
  const { id } = await mailboxes.message(userId, idOf(c))
  await mailboxes.mark(userId, [id], await marksOf(mailboxes, userId, await body('marks')))
  const message = await mailboxes.message(userId, id)
  const folder = (await mailboxes.folder(userId, message.folderId)).name
  return c.json({ ...listed(message), folder } satisfies Marked)
}

const markMany = async ({ mailboxes }: MailNeeds, { c, userId, body }: LoggedIn) => {
  const { ids, ...marks } = await body('manyMarks')
  const changed = await mailboxes.mark(userId, ids, await marksOf(mailboxes, userId, marks))
  return c.json({ changed } satisfies Changed)
}

const removeMessage = async ({ mailboxes }: MailNeeds, { c, userId }: LoggedIn) => {
  const { id } = await mailboxes.message(userId, idOf(c))
  await mailboxes.remove(userId, [id])
  return c.body(null, 204)
}

const decrypt = async ({ reading }: MailNeeds, { c, session, keyToken, body }: LoggedIn) => {
  const { part } = await body('decrypt')
  const { mail } = await reading.open(session, keyToken, idOf(c), part)
  return c.json(content(mail))
}

const givePart = async ({ reading }: MailNeeds, { c, session, keyToken }: LoggedIn) => {
  const [part, within] = [c.req.param('part') ?? '', c.req.query('within')]
  const found = await reading.attachment(session, keyToken, idOf(c), part, within)
  // Never a type that a browser would run or show as a page of ours.
  return c.body(new Uint8Array(found.octets), 200, {
    'Content-Type': 'application/octet-stream',
    'Content-Disposition': `attachment; filename*=UTF-8''${encodeURIComponent(found.name)}`,
  })
}

/** What a call changes of its messages. @throws Refusal `not-found` if there is no such folder */
const marksOf = async (mailboxes: Mailboxes, userId: number, { seen, flagged, folder }: Body<'marks'>) => ({
  ...(seen === undefined ? {} : { seen }),
  ...(flagged === undefined ? {} : { flagged }),
  ...(folder === undefined ? {} : { folderId: (await mailboxes.folderNamed(userId, folder)).id }),
})

const offsetOf = (text = '0'): number => {
  if (!/^\d{1,9}$/.test(text)) throw new Refusal('offset-no-number')
  return Number(text)
}

const listed = (message: Listed) =>
  ({
    id: message.id,
    from: message.sender,
    to: message.recipients,
    subject: message.subject,
    date: time(message.sentAt ?? message.arrivedAt),
    size: message.size,
    seen: message.seen,
    flagged: message.flagged,
    answered: message.answered,
    attachments: message.attachments,
    security: message.sentAs ?? (message.security === 'partly' ? 'encrypted' : message.security),
    ...(message.outside && { outside: true as const }),
  }) satisfies Row

const signatureOf = ({ status, key, by, at, reason, certificate }: Mail['signature']) => ({
  status,
  key,
  by,
  at: at === null ? null : time(at),
  reason,
  ...(certificate && {
    certificate: {
      subject: certificate.subject,
      issuer: certificate.issuer,
      begins: time(certificate.from),
      expires: time(certificate.until),
      addresses: certificate.addresses,
      vouched: certificate.isVouchedFor,
    },
  }),
})

const content = (mail: Mail) =>
  ({
    headers: mail.headers,
    from: mail.from,
    to: mail.to,
    cc: mail.cc,
    reply_to: mail.replyTo,
    text: mail.text,
    ...(mail.html === null ? {} : { html: mail.html }),
    attachments: mail.attachments,
    isolated: mail.isolated,
    signature: signatureOf(mail.signature),
    ...(mail.weakness && {
      weakness: { changes_unseen: mail.weakness.isMalleable, old_cipher: mail.weakness.isOld },
    }),
  }) satisfies Opened
