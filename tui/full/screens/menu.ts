/** Lists of things other than mail. */

import { cells, column, cut, harmless, pad, wrapped } from '../../text/text.ts'
import { type Line, movedTo, type Picture, type ScreenKind } from '../screen.ts'
import type { Stage } from '../stage.ts'
import type { MenuScreen } from '../state.ts'
import type { Size } from '../terminal.ts'

type Own = MenuScreen & { id: number }

export const menu: ScreenKind<Own> = {
  context: 'menu',
  hints({ items, cursor }) {
    const item = items[cursor]
    return [
      ...(item?.choose ? ['choose'] : []),
      ...(item?.retry ? ['retry'] : []),
      ...(item?.remove ? ['delete'] : []),
      ...(item?.save ? ['save'] : []),
      ...(item?.file ? ['file'] : []),
      'back',
      'help',
    ]
  },
  title: ({ title }) => title,
  place: ({ items, cursor }) => (items.length ? `${cursor + 1} of ${items.length}` : ''),

  view: (screen, _state, size) => menuView(screen, size),

  shown(app, screen) {
    void app
      .ask(() => screen.load(), 'Asking the server')
      .then((loaded) => {
        const now = app.current(screen)
        if (!now) return
        const items = loaded?.items ?? now.items
        const cursor = Math.max(0, Math.min(now.cursor, items.length - 1))
        app.change(now, { loading: false, items, cursor, ...(loaded?.intro ? { intro: loaded.intro } : {}) })
      })
  },

  run(app, screen, command) {
    const last = screen.items.length - 1
    const page = Math.max(1, app.bodyRows - screen.intro.length - 1)
    const cursor = movedTo(command, screen.cursor, page, last)
    if (cursor !== null) return app.change(screen, { cursor })
    const item = screen.items[screen.cursor]
    const { choose, remove, retry, save, file } = item ?? {}
    const act = { choose, delete: remove, retry, save, file }[command]
    if (act) act()
    else app.note('That does nothing with what is selected here.')
  },
}

/** Rows with a bar on the one that is selected, a page of them at a time, under lines of ours. */
export const menuView = (
  screen: Pick<MenuScreen, 'intro' | 'items' | 'cursor' | 'loading'>,
  { columns, rows }: Size,
): Picture => {
  const intro: Line[] = screen.intro.flatMap((said) => wrapped(said, columns).map((text) => [text]))
  if (intro.length) intro.push([''])
  if (screen.items.length === 0)
    return {
      lines: [...intro, [screen.loading ? 'Asking the server ...' : 'There is nothing here.']],
      cursor: { x: 0, y: intro.length },
    }
  const room = Math.max(1, rows - intro.length)
  const first = Math.floor(screen.cursor / room) * room
  const head = ({ when, text }: Own['items'][number]) => harmless(when ? `${when} ${text}` : text)
  const longest = Math.max(...screen.items.map((item) => cells(head(item))))
  const widest = Math.min(longest, Math.floor(columns * (columns < 60 ? 0.8 : 0.5)))
  const lines = screen.items.slice(first, first + room).map((item, place): Line => {
    const detail = harmless(item.detail ?? '')
    // What tells the rows apart comes first; the rest has what is left.
    const text = detail
      ? `${column(head(item), widest)}  ${cut(detail, Math.max(0, columns - widest - 4))}`
      : cut(head(item), columns - 2)
    const isHere = first + place === screen.cursor
    return [{ text: pad(cut(`${isHere ? '>' : ' '} ${text}`, columns), columns), reverse: isHere }]
  })
  return { lines: [...intro, ...lines], cursor: { x: 0, y: intro.length + screen.cursor - first } }
}

export const openMenu = (
  app: Stage,
  title: string,
  load: Own['load'],
  intro: string[] = [],
  { isSecret = false }: { isSecret?: boolean } = {},
) => app.push({ name: 'menu', title, intro, items: [], cursor: 0, loading: true, load, isSecret })
