/** A text to read, page by page: the source of a mail. */
import type { ScreenKind } from '../screen.ts'
import type { TextScreen } from '../state.ts'
import { wrapped } from '../text.ts'

type Own = TextScreen & { id: number }

const rowsOf = new Map<string, { text: string; rows: string[] }>()

const rowsFor = (screen: Own, columns: number): string[] => {
  const key = `${screen.id} ${columns}`
  const known = rowsOf.get(key)
  if (known?.text === screen.text) return known.rows
  const rows = wrapped(screen.text, columns)
  rowsOf.clear()
  rowsOf.set(key, { text: screen.text, rows })
  return rows
}

export const text: ScreenKind<Own> = {
  context: 'menu',
  hints: ['pageDown', 'pageUp', 'back'],
  title: ({ title }) => title,

  view(screen, _state, { columns, rows }) {
    const lines = rowsFor(screen, columns).slice(screen.top, screen.top + rows)
    return { lines: lines.map((line) => [line]), cursor: { x: 0, y: 0 } }
  },

  run(app, screen, command) {
    const most = Math.max(0, rowsFor(screen, app.size.columns).length - app.bodyRows)
    const page = app.bodyRows - 1
    const top = {
      down: screen.top + 1,
      up: screen.top - 1,
      pageDown: screen.top + page,
      pageUp: screen.top - page,
      first: 0,
      last: most,
    }[command]
    if (top !== undefined) app.change(screen, { top: Math.max(0, Math.min(top, most)) })
  },
}
