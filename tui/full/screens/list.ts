/**
 * A folder's mails, newest first, a page at a time: what is on the screen is all that is made, and a page is turned
 * whole, so that a slow line carries few octets for a key. Rows are fetched by position, a hundred at once.
 */

import type { Page, Row } from '../../../server/contract/answers.ts'
import { column, wrapped } from '../../text/text.ts'
import { bareSubject, encryptedNotSearched, notUnderstood, senderOf, shortDate } from '../../text/words.ts'
import type { Line, Picture, ScreenKind } from '../screen.ts'
import type { Stage } from '../stage.ts'
import type { ListScreen, State } from '../state.ts'
import type { Size } from '../terminal.ts'
import { archive, flag, move, remove, unread } from './acts.ts'
import { forward, reply } from './begin-letter.ts'
import { openMessage } from './message.ts'

type Own = ListScreen & { id: number }

const chunk = 100
const chunkOf = (place: number) => Math.floor(place / chunk) * chunk
/** As many as one call to the server changes. */
const mostMarked = 1000

export const openList = (
  app: Stage,
  folder: string,
  limits: { query?: string; thread?: string; seek?: number } = {},
) => {
  const known = app.state.folders.find(({ name }) => name.toLowerCase() === folder.toLowerCase())
  app.push({
    name: 'list',
    folder: known?.name ?? folder,
    query: limits.query ?? '',
    limit: null,
    thread: limits.thread ?? null,
    ignored: [],
    elsewhere: new Map(),
    rows: new Map(),
    total: limits.query ? null : (known?.total ?? null),
    cursor: 0,
    marks: new Set(),
    anchor: null,
    seek: limits.seek ?? null,
    isEmptied: false,
  })
}

/** Of Sent, how many letters have not left yet. */
const waitingOf = ({ folder }: Own, { folders, session }: State): number =>
  folders.some(({ name, kind }) => name === folder && kind === 'sent') ? (session?.waiting ?? 0) : 0

export const list: ScreenKind<Own> & Record<'shown' | 'fit', (app: Stage, screen: Own) => void> = {
  context: 'list',
  hints: (screen, state) => [
    ...(waitingOf(screen, state) ? ['queue'] : []),
    'open',
    // Of all that is listed, so that a move does not change it.
    ...([...screen.rows.values()].some(({ security }) => security === 'encrypted') ? ['decrypt'] : []),
    'reply',
    'compose',
    'delete',
    'search',
    'help',
  ],
  commands: ['go'],

  title(screen, state) {
    const folder = state.folders.find(({ name }) => name === screen.folder)
    const { query, limit, thread, marks } = screen
    const said = [
      isEverywhere(screen) ? 'All folders' : screen.folder,
      screen.ignored.length && `not understood: ${screen.ignored.join(' ')}`,
      thread !== null ? 'one conversation' : query && `search "${query}"`,
      limit && `only "${limit.words}"`,
      marks.size ? `${marks.size} marked` : '',
      waitingOf(screen, state) && `${waitingOf(screen, state)} waiting to leave`,
      folder?.unread && !wordsOf(screen) ? `${folder.unread} unread` : '',
    ]
    return said.filter(Boolean).join(', ')
  },

  place: ({ cursor, total }) => (total === 0 ? 'empty' : `${cursor + 1} of ${total ?? 'more'}`),

  view(screen, state, size) {
    const pane = paneColumns(size)
    const mails = rowsOf(screen, state, { ...size, columns: size.columns - pane })
    if (pane === 0) return mails
    const folders = folderPane(state, screen.folder, pane, size.rows)
    const blank = ' '.repeat(pane)
    const lines = Array.from({ length: Math.max(folders.length, mails.lines.length) }, (_, place) => [
      ...(folders[place] ?? [blank]),
      ...(mails.lines[place] ?? []),
    ])
    return { lines, cursor: mails.cursor && { ...mails.cursor, x: mails.cursor.x + pane } }
  },

  shown(app, screen) {
    void load(app, screen, chunkOf(screen.cursor), { anew: true })
  },

  fit(app, screen) {
    if (screen.total) void loadAround(app, screen)
  },

  back(app, screen) {
    if (screen.marks.size > 0) app.change(screen, { marks: new Set(), anchor: null })
    else if (screen.limit) limitTo(app, screen, '')
    else return false
    return true
  },

  run(app, screen, command) {
    const row = screen.rows.get(screen.cursor)
    const chosen = chosenRows(screen)
    switch (command) {
      case 'down':
        return go(app, screen, screen.cursor + 1)
      case 'up':
        return go(app, screen, screen.cursor - 1)
      case 'pageDown':
        return go(app, screen, pageStart(app, screen) + pageRows(app))
      case 'pageUp':
        return go(app, screen, pageStart(app, screen) - pageRows(app))
      case 'first':
        return go(app, screen, 0)
      case 'last':
        return screen.total === null ? void toEnd(app, screen) : go(app, screen, screen.total - 1)
      case 'search':
        return app.askLine('Search for: ', (query) => query && openList(app, screen.folder, { query }))
      case 'limit':
        return app.askLine(
          'Only mails with: ',
          (words) => limitTo(app, screen, words),
          undefined,
          screen.limit?.words ?? '',
        )
      case 'nextFolder':
        return turnFolder(app, screen, 1)
      case 'previousFolder':
        return turnFolder(app, screen, -1)
      case 'markAll':
        return screen.marks.size > 0
          ? app.change(screen, { marks: new Set(), anchor: null })
          : void markAll(app, screen)
    }
    if (!row) return app.note('There is no mail here.')
    switch (command) {
      case 'open':
      case 'decrypt':
        return openMessage(app, screen, row, { decrypt: command === 'decrypt' })
      case 'reply':
        return void reply(app, row, { all: false, shown: null })
      case 'replyAll':
        return void reply(app, row, { all: true, shown: null })
      case 'forward':
        return void forward(app, row, null)
      case 'delete':
        return remove(app, screen.folder, chosen, screen.elsewhere)
      case 'archive':
        return archive(app, screen.folder, chosen, screen.elsewhere)
      case 'move':
        return move(app, screen.folder, chosen, screen.elsewhere)
      case 'unread':
        return unread(app, chosen)
      case 'flag':
        return flag(app, chosen)
      case 'thread': {
        const thread = bareSubject(row.subject)
        // As a phrase: what looks like an operator in it is none.
        const query = thread && `subject:"${thread.replaceAll('"', ' ')}"`
        const folder = screen.elsewhere.get(row.id) ?? screen.folder
        return openList(app, folder, { query, thread, seek: row.id })
      }
      case 'mark': {
        const marks = new Set(screen.marks)
        if (!marks.delete(row.id)) marks.add(row.id)
        app.change(screen, { marks, anchor: screen.cursor })
        const now = app.current(screen)
        return now ? go(app, now, screen.cursor + 1) : undefined
      }
      case 'markRange': {
        const from = screen.anchor ?? screen.cursor
        const marks = new Set(screen.marks)
        for (let at = Math.min(from, screen.cursor); at <= Math.max(from, screen.cursor); at += 1) {
          const each = screen.rows.get(at)
          if (each) marks.add(each.id)
        }
        return app.change(screen, { marks, anchor: screen.cursor })
      }
      case 'nextUnread':
        return void toUnread(app, screen)
    }
  },
}

/** Lists only what holds these words; with none all of it again, with the cursor where it stood. */
const limitTo = (app: Stage, screen: Own, words: string) => {
  const { limit, cursor } = screen
  if (words === (limit?.words ?? '')) return
  app.change(screen, {
    limit: words ? { words, from: limit?.from ?? cursor } : null,
    rows: new Map(),
    total: null,
    cursor: words ? 0 : (limit?.from ?? 0),
    marks: new Set(),
    anchor: null,
    isEmptied: false,
  })
  const now = app.current(screen)
  if (now) list.shown(app, now)
}

/** Whether it lists what was found in all folders. */
const isEverywhere = ({ query, thread }: Own) => query !== '' && thread === null

/** What the listed mails hold, be it searched for or limited to. */
const wordsOf = ({ query, limit }: Own) => [query, limit?.words].filter(Boolean).join(' ')

/** What a command is for: the marked mails, or the one under the cursor. */
const chosenRows = (screen: Own): Row[] => {
  const marked = [...screen.rows.values()].filter(({ id }) => screen.marks.has(id))
  const row = screen.rows.get(screen.cursor)
  return marked.length ? marked : row ? [row] : []
}

// ---- moving

const pageRows = (app: Stage) => app.bodyRows
const pageStart = (app: Stage, screen: Own) => Math.floor(screen.cursor / pageRows(app)) * pageRows(app)
/** The row that a page begins with: the last one begins earlier, so that it is as full as the others. */
const firstShown = ({ cursor, total }: Own, rows: number) => {
  const first = Math.floor(cursor / rows) * rows
  return total === null ? first : Math.max(0, Math.min(first, total - rows))
}

const go = (app: Stage, screen: Own, wanted: number) => {
  const most = screen.total === null ? Math.max(...screen.rows.keys(), 0) : screen.total - 1
  const cursor = Math.max(0, Math.min(wanted, most))
  // Rows that come late do not take it elsewhere.
  if (screen.seek !== null) app.change(screen, { seek: null })
  if (cursor === screen.cursor) {
    // A conversation is read from its beginning on.
    if (wanted !== cursor)
      app.note(
        wanted < 0 === (screen.thread === null) ? 'This is the newest mail.' : 'This is the oldest mail.',
      )
    return
  }
  app.change(screen, { cursor })
  const now = app.current(screen)
  if (now) void loadAround(app, now)
}

/** The next unread mail after the cursor, and from the newest on again. */
const toUnread = async (app: Stage, screen: Own) => {
  const isUnread = (now: Own, place: number) => now.rows.get(place)?.seen === false
  const { cursor } = screen
  for (let now: Own | null = screen, place = cursor + 1; now; now = app.current(now)) {
    if (now.cursor !== cursor) return // another key was faster
    const known: Own = now
    const end = known.total ?? Number.POSITIVE_INFINITY
    while (place < end && known.rows.has(place) && !isUnread(known, place)) place += 1
    if (isUnread(known, place)) return go(app, known, place)
    if (place < end) {
      await load(app, known, chunkOf(place))
      const after = app.current(known)
      if (!after || (!after.rows.has(place) && after.total === known.total)) return
      continue
    }
    const first = [...known.rows.keys()].sort((a, b) => a - b).find((each) => isUnread(known, each))
    return first === undefined ? app.note('No unread mail is listed here.') : go(app, known, first)
  }
}

/**
 * Marks all that there are, also those that were not fetched yet, up to as many as one call takes; and says how many.
 * What is here is marked at once: a key that was typed behind it is for these.
 */
const markAll = async (app: Stage, screen: Own) => {
  let marks: ReadonlySet<number> = screen.marks
  const mark = (now: Own) => {
    const first = [...now.rows].sort(([a], [b]) => a - b).slice(0, mostMarked)
    marks = new Set(first.map(([, { id }]) => id))
    app.change(now, { marks })
  }
  mark(screen)
  for (let place = 0; ; ) {
    const now = app.current(screen)
    if (!now || now.marks !== marks) return // something was done with these, or to them
    while (now.rows.has(place)) place += 1
    if (place >= Math.min(now.total ?? Number.POSITIVE_INFINITY, mostMarked)) break
    await load(app, now, chunkOf(place))
    const after = app.current(screen)
    if (!after || after.marks !== marks) return
    mark(after)
    if (!after.rows.has(place)) break
  }
  const now = app.current(screen)
  if (!now) return
  const { size } = marks
  if (size === now.total) return app.note(`All ${size} are marked.`)
  const why = size < mostMarked ? 'the others could not be read' : `no more than ${mostMarked} at once`
  app.note(`${size} of ${now.total ?? 'more'} are marked: ${why}.`)
}

const turnFolder = (app: Stage, screen: Own, by: number) => {
  const names = app.state.folders.map(({ name }) => name)
  const next = names[(names.indexOf(screen.folder) + by + names.length) % names.length]
  if (!next) return
  app.close(screen.id)
  openList(app, next)
}

// ---- loading

const loads = new Map<string, Promise<void>>()

/** Fetches what the page needs, and what the next key press may. */
const loadAround = async (app: Stage, screen: Own) => {
  const rows = pageRows(app)
  const first = Math.floor(screen.cursor / rows) * rows
  for (const place of [
    first,
    Math.min(first + 2 * rows, (screen.total ?? first + 2 * rows) - 1),
    first - rows,
  ]) {
    if (place >= 0 && !screen.rows.has(place)) await load(app, screen, chunkOf(place))
  }
}

/** Fetches rows; those that are on their way already are waited for. */
const load = (app: Stage, screen: Own, offset: number, how = { anew: false }): Promise<void> => {
  const run = `${screen.id} ${offset} ${wordsOf(screen)}`
  const begun = loads.get(run) ?? fetchRows(app, screen, offset, how).finally(() => loads.delete(run))
  loads.set(run, begun)
  return begun
}

const fetchRows = async (app: Stage, screen: Own, offset: number, { anew }: { anew: boolean }) => {
  const known = app.state.folders.find(({ name }) => name === screen.folder)
  const words = wordsOf(screen)
  const part = { offset, limit: chunk }
  const page = await app.ask(async (): Promise<Page & { homes?: Map<number, string> }> => {
    if (!isEverywhere(screen))
      return app.client.messages(screen.folder, { ...part, ...(words ? { q: words } : {}) })
    const found = await app.client.search({ ...part, q: words })
    return { ...found, homes: new Map(found.messages.map(({ id, folder }) => [id, folder])) }
  }, 'Reading the list')
  const now = app.current(screen)
  if (!page || !now || wordsOf(now) !== words) return
  if (page.homes) app.change(now, { elsewhere: new Map([...now.elsewhere, ...page.homes]) })
  const ignored = page.ignored ?? []
  if (screen.thread === null && ignored.join() !== now.ignored.join()) {
    app.change(now, { ignored })
    // A narrow title has no room for it.
    if (ignored.length && app.top?.id === now.id) app.note(notUnderstood(ignored))
  }
  const { thread } = screen
  let rows = page.messages
  if (thread !== null) {
    const others = await othersOf(app, screen, words)
    const elsewhere = new Map(others.rows.map(({ id }) => [id, others.folder]))
    rows = [...others.rows, ...page.messages]
      .reverse()
      .filter(({ subject }) => bareSubject(subject) === thread)
      .sort((a, b) => Date.parse(a.date) - Date.parse(b.date))
    const still = app.current(screen)
    if (!still || wordsOf(still) !== words) return
    app.change(still, { elsewhere })
  }
  if (anew && now.rows.size > 0) app.change(now, { rows: new Map() })
  const end = page.next === null || screen.thread !== null
  const total = end ? offset + rows.length : words ? null : (known?.total ?? null)
  app.dispatch({ type: 'rows', id: screen.id, offset, rows, end, total })
  const { seek } = now
  const place = rows.findIndex(({ id }) => id === seek)
  if (seek !== null) app.change(now, { seek: null, ...(place < 0 ? {} : { cursor: offset + place }) })
}

/** The other side of a conversation: what one wrote oneself, or, where that is listed, what one got. */
const othersOf = async (app: Stage, screen: Own, words: string): Promise<{ folder: string; rows: Row[] }> => {
  const { folders } = app.state
  const kind = folders.find(({ name }) => name === screen.folder)?.kind
  const folder = folders.find((each) => each.kind === (kind === 'sent' ? 'inbox' : 'sent'))?.name
  if (!folder || words === '') return { folder: '', rows: [] }
  const page = await app.ask(() => app.client.messages(folder, { limit: chunk, q: words }))
  return { folder, rows: page?.messages ?? [] }
}

/** Of a search how many there are shows at its end. */
const toEnd = async (app: Stage, screen: Own) => {
  for (let now: Own | null = screen; now && now.total === null; now = app.current(now))
    await load(app, now, now.rows.size)
  const now = app.current(screen)
  if (now?.total) go(app, now, now.total - 1)
}

// ---- the picture

const rowsOf = (screen: Own, state: State, { columns, rows }: Size): Picture => {
  if (screen.total === 0 || (screen.total === null && screen.rows.size === 0))
    return {
      lines: wrapped(noMailIn(screen), columns).map((text) => [text]),
      cursor: { x: 0, y: 0 },
    }
  const first = firstShown(screen, rows)
  const shown = Math.min(rows, (screen.total ?? screen.rows.size) - first)
  const everywhere = isEverywhere(screen)
  const lines = Array.from({ length: Math.max(0, shown) }, (_, place): Line => {
    const at = first + place
    const row = screen.rows.get(at)
    if (!row) return ['  ...']
    const isHere = at === screen.cursor
    const home = everywhere ? (screen.elsewhere.get(row.id) ?? '') : null
    const text = rowText(row, {
      columns: columns - 1,
      isSent: isOwn(home ?? screen.folder, state),
      home,
      now: state.now,
      isMarked: screen.marks.has(row.id),
    })
    return [{ text: `${isHere ? '>' : ' '}${text}`, reverse: isHere, bold: !row.seen }]
  })
  return { lines, cursor: { x: 0, y: screen.cursor - first } }
}

const isOwn = (folder: string, { folders }: State) =>
  folders.some(({ name, kind }) => name === folder && (kind === 'sent' || kind === 'drafts'))

const noMailIn = (screen: Own): string => {
  if (screen.total === null) return ''
  if (screen.isEmptied) return 'No mail here any more.'
  return wordsOf(screen) ? `No mail with these words. ${encryptedNotSearched}` : 'No mail here.'
}

/** Mark, letters of state, who, what about, when: the subject has at least 40 columns of 80. */
const rowText = (
  row: Row,
  {
    columns,
    isSent,
    now,
    isMarked,
    home,
  }: {
    columns: number
    isSent: boolean
    now: number
    isMarked: boolean
    /** Its folder, where mail of all folders is listed. */
    home: string | null
  },
): string => {
  const letters = [
    isMarked ? '*' : ' ',
    row.seen ? ' ' : 'N',
    row.flagged ? 'F' : row.answered ? 'A' : ' ',
    row.attachments > 0 ? '@' : ' ',
    // What claims to be from here but is not outweighs how it is secured; the open mail says both.
    row.outside ? 'O' : { plain: ' ', encrypted: 'E', signed: 'S' }[row.security],
  ].join('')
  const who = isSent ? row.to || '(nobody yet)' : senderOf(row.from)
  const dateColumns = columns >= 60 ? 7 : 0
  const whoColumns = columns >= 100 ? 24 : columns >= 60 ? 18 : 10
  const homeColumns = home === null ? 0 : columns >= 60 ? 9 : 7
  const place = home === null ? '' : `${column(home, homeColumns - 1)} `
  const subjectColumns = columns - 6 - whoColumns - 1 - homeColumns - dateColumns
  const date = dateColumns ? ` ${shortDate(Date.parse(row.date), now)}` : ''
  return `${letters} ${place}${column(who, whoColumns)} ${column(row.subject || '(no subject)', subjectColumns)}${date}`
}

// ---- the folders beside it

/** The pane's columns with the line beside it; 0 where the list needs them itself. */
const paneColumns = ({ columns }: Size) => (columns >= 100 ? 22 : 0)

const folderPane = (state: State, current: string, columns: number, rows: number): Line[] =>
  Array.from({ length: rows }, (_, place): Line => {
    const folder = state.folders[place]
    if (!folder) return [`${' '.repeat(columns - 2)}| `]
    const count = folder.unread ? ` ${folder.unread}` : ''
    const text = `${folder.name === current ? '>' : ' '}${column(folder.name, columns - 4 - count.length)}${count} `
    return [{ text, bold: folder.name === current || folder.unread > 0 }, '| ']
  })
