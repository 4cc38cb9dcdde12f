/**
 * The mailbox screen (F5): a folder's mail, newest first, with Compose, Decrypt and Sign; search; and what one does
 * with ticked mail, each with its Undo. On the page "More": the folders themselves.
 */
import { Hono } from 'hono'
import { refusalOf } from '../../server/ground/refusal.ts'
import type { CountedFolder, Listed, Mailboxes } from '../../server/mail/mailboxes.ts'
import type { Outbox } from '../../server/mail/outbox.ts'
import type { Quota } from '../../server/people/quota.ts'
import { LanguageChoice } from '../account/login.tsx'
import { Button, Field, Form, Hidden, Links } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { unseen } from '../key/windows.tsx'
import { hasAddressLooks, oneLine, shortDate, sizeOf, wholeAddress } from '../text.ts'
import { didOf, idOf, type PageContext, type PageEnv, sentenceOf, sessionOf, wordsOf } from '../visit.ts'

type Needs = FrameNeeds & { mailboxes: Mailboxes; outbox: Outbox; quota: Quota }

const rows = 20

export const mailboxPages = (needs: Needs) => {
  const { mailboxes, outbox, quota, clock } = needs

  const folderOf = async (
    c: PageContext,
  ): Promise<{ folder: CountedFolder; folders: CountedFolder[] } | null> => {
    const named = c.req.param('id') ?? ''
    const folders = await mailboxes.folders(sessionOf(c).user.id)
    const folder = folders.find(({ id, kind }) => (kind === named && kind !== 'user') || String(id) === named)
    return folder ? { folder, folders } : null
  }

  /** @param refused what was typed where it was refused: a new folder's name (id 0), or a new name for one */
  const folders = async (c: PageContext, status?: string, refused?: { id: number; name: string }) => {
    const words = wordsOf(c)
    const visit = c.get('visit')
    const { id: userId } = sessionOf(c).user
    const list = await mailboxes.folders(userId)
    const space = quota.space(userId)
    return show(c, needs, {
      title: words.moreTitle,
      status: status && <p>{status}</p>,
      current: 'more',
      body: () => (
        <>
          <Links
            links={[
              <a href="/t">{words.terminals}</a>,
              <a href="/log">{words.keyLog}</a>,
              <a href="/k">{words.keys}</a>,
              <a href="/p">{words.passkeys}</a>,
              <a href="/s">{words.passphrase}</a>,
              <a href="/q">{words.queue}</a>,
            ]}
          />
          <ul>
            {list.map((folder) => (
              <li>
                <a href={pathOfFolder(folder)}>{nameOf(c, folder)}</a>{' '}
                {words.count(folder.unread, folder.total)}
              </li>
            ))}
          </ul>
          <p>{words.space(sizeOf(space.used), sizeOf(space.quota))}</p>
          <Form visit={visit} action="/folders">
            <Field label={words.newFolder} name="name" value={refused?.id === 0 ? refused.name : ''} />
            <Button a="create">{words.create}</Button>
          </Form>
          {list
            .filter(({ kind }) => kind === 'user')
            .map(({ id, name }) => (
              <Form visit={visit} action="/folders">
                <Hidden name="id" value={id} />
                <Field
                  label={`${name}: ${words.newName}`}
                  name="name"
                  value={refused?.id === id ? refused.name : ''}
                />
                <Button a="rename">{words.rename}</Button> <Button a="delete">{words.delete}</Button>
              </Form>
            ))}
          <LanguageChoice c={c} />
        </>
      ),
    })
  }

  /** What has happened on the page before: a fixed sentence, or who has the letter that was sent. */
  const happened = async (c: PageContext) => {
    const id = idOf(c.req.query('sent'))
    if (!id) return didOf(c)
    const { user } = sessionOf(c)
    const sent = await mailboxes.fixedFolder(user.id, 'sent')
    try {
      const { folderId, recipients } = await mailboxes.message(user.id, id)
      if (folderId !== sent.id) return
      const addresses = recipients.match(/[^\s<>,;:"()]+@[^\s<>,;:"()]+/g) ?? []
      return wordsOf(c).sent(oneLine(addresses.join(', '), 300), c.req.query('w') === '1')
    } catch (error) {
      if (refusalOf(error)?.code !== 'not-found') throw error
    }
  }

  return new Hono<PageEnv>()
    .get('/', (c) => c.redirect('/f/inbox', 303))
    .get('/f/:id', async (c, next) => {
      const found = await folderOf(c)
      if (!found) return next()
      const { folder, folders } = found
      const visit = c.get('visit')
      const words = wordsOf(c)
      const { before, q = '', n = '', u = '', was = '' } = c.req.query()
      const { messages, next: older } = await mailboxes.page(sessionOf(c).user.id, folder.id, {
        before,
        limit: rows,
        query: q,
      })
      const path = pathOfFolder(folder)
      const did = await happened(c)
      const isOwn = folder.kind === 'sent' || folder.kind === 'drafts'
      const current = folder.kind === 'user' || folder.kind === 'trash' ? undefined : folder.kind
      const waiting = folder.kind === 'sent' ? await outbox.countWaiting(sessionOf(c).user.id) : 0
      const now = clock()
      return show(c, needs, {
        title: q
          ? words.found(nameOf(c, folder), before ? rows : messages.length, Boolean(before || older))
          : `${nameOf(c, folder)} (${words.count(folder.unread, folder.total)})`,
        current,
        status: did && (
          <>
            <p>{did}</p>
            {u && (
              <Form visit={visit} action={path}>
                <Hidden name="u" value={u} />
                <Hidden name="was" value={was} />
                <Button a="undo">{words.undo}</Button>
              </Form>
            )}
          </>
        ),
        body: ({ key }) => (
          <>
            {c.req.query('sent') && c.req.query('p') === '1' && <p>{words.wentPlain}</p>}
            {waiting > 0 && (
              <p>
                {words.lettersWait(waiting)} <a href="/q">{words.queue}</a>
              </p>
            )}
            <Form visit={visit} action={withQuery(path, { before, q })}>
              {messages.length === 0 && !q && <p>{words.noMail}</p>}
              <ul class="m">
                {messages.map((message) => (
                  <li>
                    <label>
                      <input type="checkbox" name="m" value={String(message.id)} /> {lettersOf(message)}
                      {(isOwn ? nameIn(message.recipients) : nameIn(message.sender)) || words.nobody},{' '}
                      {shortDate(visit.language, message.arrivedAt, now)}
                    </label>{' '}
                    <a href={folder.kind === 'drafts' ? `/c?d=${message.id}` : `/m/${message.id}`}>
                      {oneLine(message.subject) || words.noSubject}
                    </a>
                  </li>
                ))}
              </ul>
              <Links
                links={[
                  before && <a href={withQuery(path, newerThan(n, q))}>{words.newer}</a>,
                  older && (
                    <a
                      href={withQuery(path, {
                        before: older,
                        q,
                        n: [...n.split('.'), before].filter(Boolean).slice(-10).join('.'),
                      })}
                    >
                      {words.older}
                    </a>
                  ),
                ]}
              />
              <p>
                <Button a="decrypt" open={key.isOpen}>
                  {words.decrypt}
                  {key.isOpen && words.keyOpen}
                </Button>{' '}
                <Button a="sign" open={key.signs}>
                  {words.sign}
                  {key.signs && words.keyOpen}
                </Button>
              </p>
              {messages.length > 0 && (
                <>
                  <p>
                    <Button a="delete">{words.delete}</Button> <Button a="read">{words.read}</Button>{' '}
                    <Button a="unread">{words.unread}</Button> <Button a="flag">{words.flag}</Button>
                  </p>
                  <div>
                    <label>
                      {words.moveTo}{' '}
                      <select name="to">
                        {folders
                          .filter(({ id }) => id !== folder.id)
                          .map((each) => (
                            <option value={String(each.id)}>{nameOf(c, each)}</option>
                          ))}
                      </select>
                    </label>{' '}
                    <Button a="move">{words.move}</Button>
                  </div>
                </>
              )}
              {folder.kind === 'trash' && folder.total > 0 && (
                <p>
                  <Button a="empty">{words.emptyTrash}</Button>
                </p>
              )}
            </Form>
            <form action={path}>
              <div>
                <label>
                  {words.search} <input name="q" size={14} value={q || undefined} />
                </label>{' '}
                <button type="submit">{words.find}</button>
              </div>
            </form>
            {q && <p>{words.notSearched}</p>}
            {messages.length > 0 && <p>{words.legend}</p>}
          </>
        ),
      })
    })
    .post('/f/:id', async (c, next) => {
      const found = await folderOf(c)
      if (!found) return next()
      const { folder } = found
      const { user } = sessionOf(c)
      const { form } = c.get('visit')
      const { before, q } = c.req.query()
      const path = pathOfFolder(folder)
      const back = (ok: string, more: Record<string, string> = {}) =>
        c.redirect(withQuery(path, { before, q, ok, ...more }), 303)
      const ticked = form.all('m').map(idOf).filter(Boolean).slice(0, rows)
      const a = form.get('a')
      switch (a) {
        case 'decrypt': {
          const { messages } = await mailboxes.page(user.id, folder.id, { before, limit: rows, query: q })
          const encrypted = messages.find(({ security }) => security === 'encrypted' || security === 'partly')
          const id = ticked[0] ?? encrypted?.id
          if (!id) return back('no-encrypted')
          return c.redirect(folder.kind === 'drafts' ? `/c?d=${id}` : unseen(`/m/${id}/open`, clock()), 303)
        }
        case 'sign':
          return c.redirect(folder.kind === 'drafts' && ticked[0] ? `/c?d=${ticked[0]}` : '/c?sign=1', 303)
        case 'undo': {
          const ids = form.get('u').split('.').map(idOf).filter(Boolean).slice(0, rows)
          const count = await mailboxes.mark(user.id, ids, { folderId: idOf(form.get('was')) })
          return c.redirect(withQuery(path, { ok: `back.${count}` }), 303)
        }
        case 'empty':
          return folder.kind === 'trash' ? back(`empty.${await mailboxes.emptyTrash(user.id)}`) : back('none')
      }
      if (ticked.length === 0) return back('none')
      const undo = { u: ticked.join('.'), was: String(folder.id) }
      switch (a) {
        case 'delete': {
          const { moved, deleted } = await mailboxes.remove(user.id, ticked)
          return deleted > 0 ? back(`deleted.${deleted}`) : back(`trashed.${moved}`, undo)
        }
        case 'move':
          return back(
            `moved.${await mailboxes.mark(user.id, ticked, { folderId: idOf(form.get('to')) })}`,
            undo,
          )
        case 'read':
          return back(`read.${await mailboxes.mark(user.id, ticked, { seen: true })}`)
        case 'unread':
          return back(`unread.${await mailboxes.mark(user.id, ticked, { seen: false })}`)
        case 'flag':
          return back(`flag.${await mailboxes.mark(user.id, ticked, { flagged: true })}`)
      }
      return back('none')
    })
    .get('/folders', (c) => folders(c, didOf(c)))
    .post('/folders', async (c) => {
      const { user } = sessionOf(c)
      const { form } = c.get('visit')
      const [a, id, name] = [form.get('a'), idOf(form.get('id')), form.get('name')]
      try {
        if (a === 'rename') await mailboxes.renameFolder(user.id, id, name)
        else if (a === 'delete') await mailboxes.deleteFolder(user.id, id)
        else await mailboxes.createFolder(user.id, name)
        return c.redirect(`/folders?ok=${a === 'rename' ? 'renamed' : a === 'delete' ? 'gone' : 'made'}`, 303)
      } catch (error) {
        const refusal = refusalOf(error)
        if (!refusal) throw error
        return folders(c, sentenceOf(c, refusal), { id, name })
      }
    })
}

const pathOfFolder = ({ id, kind }: CountedFolder) => `/f/${kind === 'user' ? id : kind}`

const nameOf = (c: PageContext, { kind, name }: CountedFolder) => wordsOf(c).folder[kind] || oneLine(name, 60)

const withQuery = (path: string, query: Record<string, string | undefined>) => {
  const entries = Object.entries(query).filter((entry): entry is [string, string] => Boolean(entry[1]))
  return entries.length ? `${path}?${new URLSearchParams(entries)}` : path
}

/** The page before this one: the last of those that led here. */
const newerThan = (way: string, q: string) => {
  const cursors = way.split('.').filter(Boolean)
  return { before: cursors.at(-1), q, n: cursors.slice(0, -1).join('.') }
}

const lettersOf = (message: Listed) => {
  // Of the copy of a letter, what left tells: it is kept encrypted in any case.
  const security = message.sentAs ?? message.security
  const letters = [
    !message.seen && 'N',
    message.flagged && 'F',
    message.answered && 'A',
    message.attachments > 0 && '@',
    (security === 'encrypted' || security === 'partly') && 'E',
    security === 'signed' && 'S',
    message.outside && 'O',
  ].filter(Boolean)
  return letters.length ? (
    <>
      <b>{letters.join(' ')}</b>{' '}
    </>
  ) : null
}

/** Whom a list names: the name, but never one that pretends to be an address. */
const nameIn = (person: string): string => {
  const name = person
    .replace(/\s*<[^<>]*>/g, '')
    .replace(/"/g, '')
    .trim()
  return name && !hasAddressLooks(name)
    ? oneLine(name, 30)
    : wholeAddress(person.replace(/.*<([^<>]*)>.*/, '$1'))
}
