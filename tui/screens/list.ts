/**
 * A folder's mails, newest first, a page at a time: what is on the screen is all that is made, and a page is turned
 * whole, so that a slow line carries few octets for a key. Rows are fetched by position, a hundred at once.
 */
import type { App } from '../app.ts'
import type { Row } from '../client.ts'
import type { Line, Picture, ScreenKind, Size } from '../screen.ts'
import type { ListScreen, State } from '../state.ts'
import { column } from '../text.ts'
import { bareSubject, counted, nameOf, shortDate } from '../words.ts'
import { archive, flag, move, remove, unread } from './acts.ts'
import { forward, reply } from './compose.ts'
import { openMessage } from './message.ts'

type Own = ListScreen & { id: number }

const chunk = 100

export const openList = (app: App, folder: string, limits: { query?: string; thread?: string } = {}) => {
  const known = app.state.folders.find(({ name }) => name.toLowerCase() === folder.toLowerCase())
  app.push({
    name: 'list',
    folder: known?.name ?? folder,
    query: limits.query ?? '',
    thread: limits.thread ?? null,
    rows: new Map(),
    total: limits.query ? null : (known?.total ?? null),
    cursor: 0,
    marks: new Set(),
    anchor: null,
  })
}

export const list: ScreenKind<Own> & Record<'shown' | 'fit', (app: App, screen: Own) => void> = {
  context: 'list',
  hints: ['open', 'decrypt', 'reply', 'compose', 'delete', 'search', 'help'],
  commands: ['go'],

  title(screen, state) {
    const folder = state.folders.find(({ name }) => name === screen.folder)
    const limit =
      screen.thread !== null ? ', one conversation' : screen.query ? `, with "${screen.query}"` : ''
    const unread = folder?.unread && !screen.query ? `, ${folder.unread} unread` : ''
    return `${screen.folder}${limit}${unread}`
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
    void load(app, screen, Math.floor(screen.cursor / chunk) * chunk, true)
  },

  fit(app, screen) {
    if (screen.total) void loadAround(app, screen)
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
          (query) => {
            app.change(screen, {
              query,
              thread: null,
              rows: new Map(),
              total: null,
              cursor: 0,
              marks: new Set(),
              anchor: null,
            })
            const now = app.current(screen)
            if (now) list.shown(app, now)
          },
          undefined,
          screen.query,
        )
      case 'nextFolder':
        return turnFolder(app, screen, 1)
      case 'previousFolder':
        return turnFolder(app, screen, -1)
      case 'markAll': {
        const all = screen.marks.size > 0 ? [] : [...screen.rows.values()].map(({ id }) => id)
        app.change(screen, { marks: new Set(all) })
        return app.note(all.length ? `${counted(all.length)} marked.` : 'No mail is marked any more.')
      }
    }
    if (!row) return app.note('There is no mail here.')
    switch (command) {
      case 'open':
      case 'decrypt':
        return openMessage(app, screen, row, { decrypt: command === 'decrypt' })
      case 'reply':
        return void reply(app, row, { all: false, opened: null })
      case 'replyAll':
        return void reply(app, row, { all: true, opened: null })
      case 'forward':
        return void forward(app, row, null)
      case 'delete':
        return remove(app, screen.folder, chosen)
      case 'archive':
        return archive(app, screen.folder, chosen)
      case 'move':
        return move(app, screen.folder, chosen)
      case 'unread':
        return unread(app, chosen)
      case 'flag':
        return flag(app, chosen)
      case 'thread': {
        const thread = bareSubject(row.subject)
        return openList(app, screen.folder, { query: thread, thread })
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
        app.change(screen, { marks, anchor: screen.cursor })
        return app.note(`${counted(marks.size)} marked.`)
      }
    }
  },
}

/** What a command is for: the marked mails, or the one under the cursor. */
const chosenRows = (screen: Own): Row[] => {
  const marked = [...screen.rows.values()].filter(({ id }) => screen.marks.has(id))
  const row = screen.rows.get(screen.cursor)
  return marked.length ? marked : row ? [row] : []
}

// ---- moving

const pageRows = (app: App) => app.bodyRows
const pageStart = (app: App, screen: Own) => Math.floor(screen.cursor / pageRows(app)) * pageRows(app)

const go = (app: App, screen: Own, wanted: number) => {
  const most = screen.total === null ? Math.max(...screen.rows.keys(), 0) : screen.total - 1
  const cursor = Math.max(0, Math.min(wanted, most))
  if (cursor === screen.cursor) {
    if (wanted !== cursor) app.note(wanted < 0 ? 'This is the newest mail.' : 'This is the oldest mail.')
    return
  }
  app.change(screen, { cursor })
  const now = app.current(screen)
  if (now) void loadAround(app, now)
}

const turnFolder = (app: App, screen: Own, by: number) => {
  const names = app.state.folders.map(({ name }) => name)
  const next = names[(names.indexOf(screen.folder) + by + names.length) % names.length]
  if (!next) return
  app.close(screen.id)
  openList(app, next)
}

// ---- loading

const loads = new Set<string>()

/** Fetches what the page needs, and what the next key press may. */
const loadAround = async (app: App, screen: Own) => {
  const rows = pageRows(app)
  const first = Math.floor(screen.cursor / rows) * rows
  for (const place of [
    first,
    Math.min(first + 2 * rows, (screen.total ?? first + 2 * rows) - 1),
    first - rows,
  ]) {
    const start = Math.floor(place / chunk) * chunk
    if (place >= 0 && !screen.rows.has(place)) await load(app, screen, start, false)
  }
}

const load = async (app: App, screen: Own, offset: number, anew: boolean) => {
  const known = app.state.folders.find(({ name }) => name === screen.folder)
  const run = `${screen.id} ${offset} ${screen.query}`
  if (loads.has(run)) return
  loads.add(run)
  const page = await app.ask(
    () =>
      app.client.messages(screen.folder, {
        offset,
        limit: chunk,
        ...(screen.query ? { q: screen.query } : {}),
      }),
    'Reading the list',
  )
  loads.delete(run)
  const now = app.current(screen)
  if (!page || !now || now.query !== screen.query) return
  const rows =
    screen.thread === null
      ? page.messages
      : page.messages.filter(({ subject }) => bareSubject(subject) === screen.thread)
  if (anew && now.rows.size > 0) app.change(now, { rows: new Map() })
  const end = page.next === null || screen.thread !== null
  const total = end ? offset + rows.length : screen.query ? null : (known?.total ?? null)
  app.dispatch({ type: 'rows', id: screen.id, offset, rows, end, total })
}

/** Of a search how many there are shows at its end. */
const toEnd = async (app: App, screen: Own) => {
  for (let now: Own | null = screen; now && now.total === null; now = app.current(now))
    await load(app, now, now.rows.size, false)
  const now = app.current(screen)
  if (now?.total) go(app, now, now.total - 1)
}

// ---- the picture

const rowsOf = (screen: Own, state: State, { columns, rows }: Size): Picture => {
  if (screen.total === 0 || (screen.total === null && screen.rows.size === 0))
    return {
      lines: [[screen.total === null ? '' : screen.query ? 'No mail with these words.' : 'No mail here.']],
      cursor: { x: 0, y: 0 },
    }
  const first = Math.floor(screen.cursor / rows) * rows
  const shown = Math.min(rows, (screen.total ?? screen.rows.size) - first)
  const isSent = state.folders.some(
    ({ name, kind }) => name === screen.folder && (kind === 'sent' || kind === 'drafts'),
  )
  const lines = Array.from({ length: Math.max(0, shown) }, (_, place): Line => {
    const at = first + place
    const row = screen.rows.get(at)
    if (!row) return ['  ...']
    const text = rowText(row, { columns, isSent, now: state.now, isMarked: screen.marks.has(row.id) })
    return [{ text, reverse: at === screen.cursor, bold: !row.seen }]
  })
  return { lines, cursor: { x: 0, y: screen.cursor - first } }
}

/** Mark, letters of state, who, what about, when: the subject has at least 40 columns of 80. */
const rowText = (
  row: Row,
  { columns, isSent, now, isMarked }: { columns: number; isSent: boolean; now: number; isMarked: boolean },
): string => {
  const letters = [
    isMarked ? '*' : ' ',
    row.seen ? ' ' : 'N',
    row.flagged ? 'F' : row.answered ? 'A' : ' ',
    row.attachments > 0 ? '@' : ' ',
    { plain: ' ', encrypted: 'E', signed: 'S' }[row.security],
  ].join('')
  const who = isSent ? row.to || '(nobody yet)' : nameOf(row.from)
  const dateColumns = columns >= 60 ? 7 : 0
  const whoColumns = columns >= 100 ? 24 : columns >= 60 ? 18 : 10
  const subjectColumns = columns - 6 - whoColumns - 1 - dateColumns
  const date = dateColumns ? ` ${shortDate(Date.parse(row.date), now)}` : ''
  return `${letters} ${column(who, whoColumns)} ${column(row.subject || '(no subject)', subjectColumns)}${date}`
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
