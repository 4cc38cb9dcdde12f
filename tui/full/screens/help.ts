/** Help: every key of the screen it was called from, narrowed as one types. */

import { cut, pad } from '../../text/text.ts'
import { edited, fieldView, typed } from '../field.ts'
import { type Context, type Keymap, keyName } from '../keymap.ts'
import type { Line, ScreenKind } from '../screen.ts'
import type { Stage } from '../stage.ts'
import type { HelpScreen } from '../state.ts'

type Own = HelpScreen & { id: number }

const label = 'Narrow by: '

/** What the help lists in a context: its own keys, then those that hold everywhere. */
export const helpRows = (keymap: Keymap, context: Context): HelpScreen['rows'] =>
  [keymap[context], keymap.global]
    .flatMap((bindings) => Object.entries(bindings))
    .map(([name, { keys, does }]) => ({ keys: keys.map(keyName).join(' '), name, does }))

const found = ({ rows, filter }: Own) => {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean)
  return rows.filter(({ keys, name, does }) =>
    words.every((word) => `${keys} ${name} ${does}`.toLowerCase().includes(word)),
  )
}

export const help: ScreenKind<Own> = {
  context: 'key',
  hints: [],
  title: () => 'Help: keys',

  view(screen, _state, { columns, rows }) {
    const filter = fieldView(screen.filter, Math.max(4, columns - label.length - 1))
    const narrowed = found(screen)
    const room = rows - 3
    const wide = Math.min(24, Math.floor(columns / 3))
    const shown = narrowed.slice(screen.top, screen.top + room)
    const lines: Line[] = [
      [label, filter.shown],
      [
        narrowed.length
          ? cut(
              `${narrowed.length === 1 ? '1 entry' : `${narrowed.length} entries`}. PgDn/arrows move, Esc ends.`,
              columns,
            )
          : 'No key is described with these words.',
      ],
      [''],
      ...shown.map(
        ({ keys, name, does }): Line => [
          { text: pad(keys, wide), bold: true },
          cut(`${does} (${name})`, columns - wide),
        ],
      ),
    ]
    return { lines, cursor: { x: label.length + filter.cursorColumn, y: 0 } }
  },

  type(app, screen, press) {
    const page = Math.max(1, app.bodyRows - 4)
    const most = Math.max(0, found(screen).length - page)
    const top = {
      pgdn: screen.top + page,
      pgup: screen.top - page,
      down: screen.top + 1,
      up: screen.top - 1,
    }[press.name]
    if (top !== undefined) {
      app.change(screen, { top: Math.max(0, Math.min(top, most)) })
      return true
    }
    if (press.name === 'esc' || press.name === 'enter') {
      app.close(screen.id)
      return true
    }
    const filter = edited(screen.filter, press)
    if (filter) app.change(screen, { filter, top: 0 })
    return filter !== null
  },

  paste(app: Stage, screen, text) {
    app.change(screen, { filter: typed(screen.filter, text), top: 0 })
  },

  run: () => undefined,
}
