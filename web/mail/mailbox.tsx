/**
 * The mailbox screen (F5): a folder's mail, newest first, with Compose, Decrypt and Sign; what is found in all folders, as
 * such a list; and what one does with ticked mail, each with its Undo.
 */
import { Hono } from 'hono'
import type { Visit } from '../../server/doors/visit.ts'
import { refusalOf } from '../../server/ground/refusal.ts'
import type { Identities } from '../../server/keys/identities.ts'
import type { CountedFolder, Folder, Listed, Mailboxes, Marks } from '../../server/mail/mailboxes.ts'
import type { Outbox } from '../../server/mail/outbox.ts'
import type { KeyHere } from '../document.tsx'
import { Button, Form, Hidden, Links } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { EndsSoon } from '../key/identities.tsx'
import { unseen } from '../key/windows.tsx'
import { hasAddressLooks, oneLine, shortDate, wholeAddress } from '../text.ts'
import { didOf, idOf, type PageContext, type PageEnv, sessionOf, wordsOf } from '../visit.ts'
import type { Words } from '../words.ts'
import { nameOfFolder, pathOfFolder, placeOfFolder } from './folders.tsx'

type Needs = FrameNeeds & { mailboxes: Mailboxes; outbox: Outbox; identities: Identities }

const rows = 20

export const mailboxPages = (needs: Needs) =>
  new Hono<PageEnv>()
    .get('/', (c) => c.redirect('/f/inbox', 303))
    .get('/f/:id', async (c, next) => {
      const place = await placeOf(c, needs)
      return place ? showList(c, needs, place) : next()
    })
    .post('/f/:id', async (c, next) => {
      const place = await placeOf(c, needs)
      return place ? actInFolder(c, needs, place) : next()
    })
    .get('/find', async (c) => showList(c, needs, await everywhere(c, needs)))
    .post('/find', async (c) => actInFolder(c, needs, await everywhere(c, needs)))

/** The folder that was asked for, among the user's folders; null for all of them. */
type Place = { folder: CountedFolder | null; folders: CountedFolder[] }

/** One page of a folder, or of what was found in it or in all. */
type List = Place & {
  messages: Listed[]
  /** What was searched for; empty for all mail. */
  query: string
  /** What of it was not understood. */
  ignored: string[]
  /** It may stand in encrypted text too, where nothing is found. */
  isPartial: boolean
  /** Where this page begins; undefined on the first. */
  before: string | undefined
  /** Where the next page begins, or null at the end. */
  older: string | null
  /** Where the pages before this one begin, from the first on, with a `.` between them. */
  way: string
}

const placeOf = async (c: PageContext, { mailboxes }: Needs): Promise<Place | null> => {
  const named = c.req.param('id') ?? ''
  const folders = await mailboxes.folders(sessionOf(c).user.id)
  const folder = folders.find(({ id, kind }) => (kind === named && kind !== 'user') || String(id) === named)
  return folder ? { folder, folders } : null
}

const everywhere = async (c: PageContext, { mailboxes }: Needs): Promise<Place> => ({
  folder: null,
  folders: await mailboxes.folders(sessionOf(c).user.id),
})

const pathOfPlace = ({ folder }: Place) => (folder ? pathOfFolder(folder) : '/find')

const foundIn = ({ mailboxes }: Needs, userId: number, { folder }: Place, query: string, before?: string) =>
  folder
    ? mailboxes.page(userId, folder.id, { before, limit: rows, query })
    : mailboxes.search(userId, query, { before, limit: rows })

const showList = async (c: PageContext, needs: Needs, place: Place) => {
  const { user } = sessionOf(c)
  const { folder } = place
  const visit = c.get('visit')
  const words = wordsOf(c)
  const { before, q: query = '', n: way = '', u = '', was = '', sent, h, p } = c.req.query()
  const { next, ...page } = await foundIn(needs, user.id, place, query, before)
  const list: List = { ...place, ...page, query, before, older: next, way }
  const did = await happened(c, needs)
  const waiting = folder?.kind === 'sent' ? await needs.outbox.countWaiting(user.id) : 0
  const ending = folder?.kind === 'inbox' ? await needs.identities.list(user.id) : []
  const now = needs.clock()
  return show(c, needs, {
    title: titleOf(words, list),
    current: folder ? placeOfFolder(folder) : undefined,
    status: did && (
      <>
        <p>{did}</p>
        {u && <Undo words={words} visit={visit} list={list} ids={u} was={was} />}
        {sent && h === '1' && (
          <Form visit={visit} action="/q">
            <Hidden name="copy" value={idOf(sent)} />
            <Button a="recall">{words.takeBack}</Button>
          </Form>
        )}
      </>
    ),
    body: ({ key }) => (
      <>
        {sent && p === '1' && <p>{words.wentPlain}</p>}
        <EndsSoon words={words} identities={ending} />
        {waiting > 0 && (
          <p>
            {words.lettersWait(waiting)} <a href="/q">{words.queue}</a>
          </p>
        )}
        {(folder || query) && <ListForm words={words} visit={visit} list={list} now={now} keyHere={key} />}
        <Search words={words} list={list} />
      </>
    ),
  })
}

/** What has happened on the page before: a fixed sentence, or who has the letter that was sent. */
const happened = async (c: PageContext, { mailboxes }: Needs) => {
  const id = idOf(c.req.query('sent'))
  if (!id) return didOf(c)
  const { user } = sessionOf(c)
  const sent = await mailboxes.fixedFolder(user.id, 'sent')
  try {
    const { folderId, recipients } = await mailboxes.message(user.id, id)
    if (folderId !== sent.id) return
    const addresses = recipients.match(/[^\s<>,;:"()]+@[^\s<>,;:"()]+/g) ?? []
    return wordsOf(c).sent(oneLine(addresses.join(', '), 300), { isWaiting: c.req.query('w') === '1' })
  } catch (error) {
    if (refusalOf(error)?.code !== 'not-found') throw error
  }
}

const titleOf = (words: Words, { folder, query, messages, before, older }: List) => {
  const name = folder ? nameOfFolder(words, folder) : words.allFolders
  if (!query) return folder === null ? words.search : `${name} (${words.count(folder.unread, folder.total)})`
  const isPart = Boolean(before || older)
  return words.found(name, { count: before ? rows : messages.length, hasMore: isPart })
}

/** Takes back what was done with some mail: its ids, and the id of the folder that it was in, or of each its own. */
const Undo = (props: { words: Words; visit: Visit; list: List; ids: string; was: string }) => (
  <Form visit={props.visit} action={listPath(props.list)}>
    <Hidden name="u" value={props.ids} />
    <Hidden name="was" value={props.was} />
    <Button a="undo">{props.words.undo}</Button>
  </Form>
)

/** The mail, each with its tick, and what may be done with what is ticked. */
const ListForm = (props: { words: Words; visit: Visit; list: List; now: number; keyHere: KeyHere }) => {
  const { words, visit, list, now, keyHere } = props
  const { folder, folders, messages, query, before } = list
  return (
    <Form visit={visit} action={withQuery(pathOfPlace(list), { before, q: query })}>
      {messages.length === 0 && !query && <p>{words.noMail}</p>}
      <ul class="m">
        {messages.map((message) => (
          <Row words={words} visit={visit} list={list} message={message} now={now} />
        ))}
      </ul>
      <Pages words={words} list={list} />
      <KeyVerbs words={words} keyHere={keyHere} />
      {messages.length > 0 && <Verbs words={words} targets={folders.filter(({ id }) => id !== folder?.id)} />}
      {folder?.kind === 'trash' && folder.total > 0 && (
        <p>
          <Button a="empty">{words.emptyTrash}</Button>
        </p>
      )}
    </Form>
  )
}

/** The path of a list's first page. */
const listPath = (list: List) =>
  list.folder ? pathOfPlace(list) : withQuery(pathOfPlace(list), { q: list.query })

const Row = (props: { words: Words; visit: Visit; list: List; message: Listed; now: number }) => {
  const { words, visit, list, message, now } = props
  const home = list.folder ?? list.folders.find(({ id }) => id === message.folderId)
  const isOwn = home?.kind === 'sent' || home?.kind === 'drafts'
  return (
    <li>
      <label>
        <input type="checkbox" name="m" value={String(message.id)} /> <Letters message={message} />
        {nameIn(isOwn ? message.recipients : message.sender) || words.nobody},{' '}
        {shortDate(visit.language, message.arrivedAt, now)}
        {!list.folder && home && `, ${nameOfFolder(words, home)}`}
      </label>{' '}
      <a href={home?.kind === 'drafts' ? `/c?d=${message.id}` : `/m/${message.id}`}>
        {oneLine(message.subject) || words.noSubject}
      </a>
    </li>
  )
}

/** Links to the pages before and after this one. */
const Pages = ({ words, list }: { words: Words; list: List }) => {
  const { query: q, before, older, way } = list
  const path = pathOfPlace(list)
  const wayOn = [...way.split('.'), before].filter(Boolean).slice(-10).join('.')
  return (
    <Links
      links={[
        before && <a href={withQuery(path, newerThan(way, q))}>{words.newer}</a>,
        older && <a href={withQuery(path, { before: older, q, n: wayOn })}>{words.older}</a>,
      ]}
    />
  )
}

const KeyVerbs = ({ words, keyHere: { isOpen, signs } }: { words: Words; keyHere: KeyHere }) => (
  <p>
    <Button a="decrypt" open={isOpen}>
      {words.decrypt}
      {isOpen && words.keyOpen}
    </Button>{' '}
    <Button a="sign" open={signs}>
      {words.sign}
      {signs && words.keyOpen}
    </Button>
  </p>
)

/** @param targets folders that mail can be moved to */
const Verbs = ({ words, targets }: { words: Words; targets: Folder[] }) => (
  <>
    <p>
      <Button a="delete">{words.delete}</Button> <Button a="read">{words.read}</Button>{' '}
      <Button a="unread">{words.unread}</Button> <Button a="flag">{words.flag}</Button>
    </p>
    <div>
      <label>
        {words.moveTo}{' '}
        <select name="to">
          {targets.map((each) => (
            <option value={String(each.id)}>{nameOfFolder(words, each)}</option>
          ))}
        </select>
      </label>{' '}
      <Button a="move">{words.move}</Button>
    </div>
  </>
)

const Search = ({ words, list }: { words: Words; list: List }) => (
  <>
    <form action="/find">
      <div>
        <label>
          {words.search} <input name="q" size={14} value={list.query || undefined} />
        </label>{' '}
        <button type="submit">{words.find}</button>
      </div>
    </form>
    <Said words={words} list={list} />
    {list.messages.length > 0 && <p>{words.legend}</p>}
  </>
)

/** What a search says of itself. */
const Said = ({ words, list: { folder, query, ignored, isPartial } }: { words: Words; list: List }) => (
  <>
    {ignored.length > 0 && <p>{words.notUnderstood(ignored.map((word) => oneLine(word, 60)).join(', '))}</p>}
    {folder && query && (
      <p>
        {words.notSearched} <a href={withQuery('/find', { q: query })}>{words.allFolders}</a>
      </p>
    )}
    {!folder && isPartial && <p>{words.sealedNotSearched}</p>}
    {!folder && <p>{words.operators}</p>}
  </>
)

const actInFolder = async (c: PageContext, needs: Needs, place: Place) => {
  const { folder } = place
  const { mailboxes, clock } = needs
  const { user } = sessionOf(c)
  const { form } = c.get('visit')
  const ticked = idsIn(form.all('m'))
  switch (form.get('a')) {
    case 'decrypt': {
      const id = ticked[0] ?? (await firstEncrypted(c, needs, place))
      if (!id) return backToList(c, place, 'no-encrypted')
      const isDraft = await isDraftIn(c, needs, place, id)
      return c.redirect(isDraft ? `/c?d=${id}` : unseen(`/m/${id}/open`, clock()), 303)
    }
    case 'sign': {
      const [id] = ticked
      return c.redirect(id && (await isDraftIn(c, needs, place, id)) ? `/c?d=${id}` : '/c?sign=1', 303)
    }
    case 'undo': {
      const count = await putBack(c, needs)
      return backToList(c, place, `back.${count}`)
    }
    case 'empty':
      if (folder?.kind !== 'trash') return backToList(c, place, 'none')
      return backToList(c, place, `empty.${await mailboxes.emptyTrash(user.id)}`)
    default:
      return ticked.length === 0 ? backToList(c, place, 'none') : actOnTicked(c, needs, place, ticked)
  }
}

const isDraftIn = async (c: PageContext, { mailboxes }: Needs, { folders }: Place, id: number) => {
  const home = (await mailboxes.homes(sessionOf(c).user.id, [id])).get(id)
  return folders.some((folder) => folder.id === home && folder.kind === 'drafts')
}

/** @returns how many went back to the folder that they were in */
const putBack = async (c: PageContext, { mailboxes }: Needs): Promise<number> => {
  const { form } = c.get('visit')
  const ids = idsIn(form.get('u').split('.'))
  const homes = form.get('was').split('.').map(idOf)
  const homeOf = (place: number) => homes[homes.length === 1 ? 0 : place] ?? 0
  let count = 0
  for (const folderId of new Set(ids.map((_, place) => homeOf(place)))) {
    const those = ids.filter((_, place) => homeOf(place) === folderId)
    count += await mailboxes.mark(sessionOf(c).user.id, those, { folderId })
  }
  return count
}

const actOnTicked = async (c: PageContext, { mailboxes }: Needs, place: Place, ticked: number[]) => {
  const { user } = sessionOf(c)
  const { form } = c.get('visit')
  const homes = [...(await mailboxes.homes(user.id, ticked))]
  const were = new Set(homes.map(([, home]) => home))
  const undo = {
    u: homes.map(([id]) => id).join('.'),
    was: (were.size === 1 ? [...were] : homes.map(([, home]) => home)).join('.'),
  }
  const mark = (marks: Marks) => mailboxes.mark(user.id, ticked, marks)
  switch (form.get('a')) {
    case 'delete': {
      const { moved, deleted } = await mailboxes.remove(user.id, ticked)
      const said = deleted > 0 ? `deleted.${deleted}` : `trashed.${moved}`
      return backToList(c, place, said, moved > 0 ? undo : {})
    }
    case 'move':
      return backToList(c, place, `moved.${await mark({ folderId: idOf(form.get('to')) })}`, undo)
    case 'read':
      return backToList(c, place, `read.${await mark({ seen: true })}`)
    case 'unread':
      return backToList(c, place, `unread.${await mark({ seen: false })}`)
    case 'flag':
      return backToList(c, place, `flag.${await mark({ flagged: true })}`)
    default:
      return backToList(c, place, 'none')
  }
}

/** @param ok what has happened, as `didOf` reads it */
const backToList = (c: PageContext, place: Place, ok: string, undo: Record<string, string> = {}) => {
  const { before, q } = c.req.query()
  return c.redirect(withQuery(pathOfPlace(place), { before, q, ok, ...undo }), 303)
}

const idsIn = (ids: string[]): number[] => ids.map(idOf).filter(Boolean).slice(0, rows)

/** The first mail of the page that is there to be opened. */
const firstEncrypted = async (c: PageContext, needs: Needs, place: Place) => {
  const { before, q: query = '' } = c.req.query()
  const { messages } = await foundIn(needs, sessionOf(c).user.id, place, query, before)
  return messages.find(({ security }) => security === 'encrypted' || security === 'partly')?.id
}

const withQuery = (path: string, query: Record<string, string | undefined>) => {
  const entries = Object.entries(query).filter((entry): entry is [string, string] => Boolean(entry[1]))
  return entries.length ? `${path}?${new URLSearchParams(entries)}` : path
}

/** The page before this one: the last of those that led here. */
const newerThan = (way: string, q: string) => {
  const cursors = way.split('.').filter(Boolean)
  return { before: cursors.at(-1), q, n: cursors.slice(0, -1).join('.') }
}

/** What a list says of a mail in single letters; the page's legend tells them. */
const Letters = ({ message }: { message: Listed }) => {
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
