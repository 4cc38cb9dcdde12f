/**
 * A text to read, page by page: the source of a mail, an attachment. Above it, on every page, stands a line of ours,
 * and the text is marked where it would look like one (see `foreign`).
 */

import { wrapped } from '../../text/text.ts'
import { type Line, movedTo, type ScreenKind } from '../screen.ts'
import type { TextScreen } from '../state.ts'
import type { Size } from '../terminal.ts'

type Own = TextScreen & { id: number }

/** What stands above a text that came with a mail. */
export const fromSender = 'The sender wrote what follows: type no passphrase here.'

/** What stands above a text of the box of files, which others may have sent. */
export const fromFiles = 'What follows lies in your Files: type no passphrase here.'

/** Ways to draw the bar that our own lines begin with. */
const bar =
  /^[|\u00a6\u01c0\u2016\u2223\u2225\u23b8\u23d0\u2502\u2503\u2506\u2507\u250a\u250b\u2551\u2758-\u275a\u4e28\uff5c\uffe4\uffe8]/

/** Rows of a text that is not ours: one that begins like a line of ours (`| `) is moved inwards, so that it is none. */
export const foreign = (text: string, columns: number): string[] =>
  wrapped(text, columns).flatMap((row) =>
    bar.test(row) ? wrapped(row, columns - 2).map((each) => `  ${each}`) : [row],
  )

/** With the text they go. */
const rowsOf = new WeakMap<TextScreen['content'], { columns: number; rows: string[] }>()

const rowsFor = ({ content }: Own, columns: number): string[] => {
  const known = rowsOf.get(content)
  if (known?.columns === columns) return known.rows
  const rows = foreign(content.text, columns)
  rowsOf.set(content, { columns, rows })
  return rows
}

const introOf = ({ intro }: Own, columns: number): Line[] =>
  intro === '' ? [] : wrapped(intro, columns - 2).map((row) => [{ text: `| ${row}`, bold: true }])

const roomOf = (screen: Own, { columns, rows }: Size) => Math.max(1, rows - introOf(screen, columns).length)

export const text: ScreenKind<Own> = {
  context: 'menu',
  hints: ({ save }) => ['pageDown', 'pageUp', ...(save ? ['save'] : []), 'back'],
  title: ({ title }) => title,

  view(screen, _state, size) {
    const intro = introOf(screen, size.columns)
    const rows = rowsFor(screen, size.columns).slice(screen.top, screen.top + roomOf(screen, size))
    return { lines: [...intro, ...rows.map((row): Line => [row])], cursor: { x: 0, y: 0 } }
  },

  run(app, screen, command) {
    if (command === 'save' && screen.save) return screen.save()
    const room = roomOf(screen, { columns: app.size.columns, rows: app.bodyRows })
    const most = Math.max(0, rowsFor(screen, app.size.columns).length - room)
    const page = Math.max(1, room - 1)
    const top = movedTo(command, screen.top, page, most)
    if (top !== null) app.change(screen, { top })
  },
}
