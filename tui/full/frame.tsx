/** @jsxImportSource react */
/**
 * The picture on the terminal: title, the screen's lines, the state of the key, the bottom line. Each row is one Text
 * whose string was made here, so that Ink compares strings and writes only rows that changed; whatever text a row has,
 * it passes `safe` last.
 */
import { Box, Text, useApp, useCursor, useInput, usePaste, useWindowSize } from 'ink'
import { useEffect, useSyncExternalStore } from 'react'
import { cells, cut, harmless, pad, wrapped } from '../text/text.ts'
import type { App } from './app.ts'
import { emptyField, fieldView } from './field.ts'
import { keyName } from './keymap.ts'
import { type Hint, type Line, questionRows, type Segment } from './screen.ts'
import { keyLeftMs, type State } from './state.ts'
import type { Press, Size } from './terminal.ts'

/** What is said at the foot takes at most so many rows. */
const noticeRows = 4

/** Gives the terminal away while the work runs, and draws anew after it. */
export type Suspend = (work: () => Promise<void>) => Promise<void>

/** SGR (ECMA-48 §8.3.117); NO_COLOR and a terminal without any take the colours away, not the weight. */
const sgr = { bold: 1, dim: 2, reverse: 7, red: 31, green: 32, yellow: 33, cyan: 36 } as const
const hasColours = () => !process.env.NO_COLOR && !/^(vt\d|dumb$|.*-m(ono)?$)/.test(process.env.TERM ?? '')

const forbidden = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/
const safe = (text: string) => (forbidden.test(text) ? harmless(text) : text)

const written = (line: Line): string => {
  let row = ''
  const colours = hasColours()
  for (const segment of line) {
    const { text, bold, dim, reverse, colour }: Segment =
      typeof segment === 'string' ? { text: segment } : segment
    const codes = [
      bold && sgr.bold,
      dim && sgr.dim,
      reverse && sgr.reverse,
      colour && colours && sgr[colour],
    ].filter(Boolean)
    row += codes.length ? `\x1b[${codes.join(';')}m${safe(text)}\x1b[0m` : safe(text)
  }
  return row
}

export const Frame = ({ app, onReady }: { app: App; onReady: (suspend: Suspend) => void }) => {
  const state = useSyncExternalStore(app.subscribe, app.snapshot)
  const size = useWindowSize()
  const { setCursorPosition } = useCursor()
  const { suspendTerminal } = useApp()
  app.resized(size)
  useInput((input, key) => {
    app.pressAll(pressesOf(input, key))
  })
  usePaste((text) => app.paste(text))
  useEffect(() => onReady(suspendTerminal), [onReady, suspendTerminal])
  // biome-ignore lint/correctness/useExhaustiveDependencies: another size, another page to load
  useEffect(() => app.fit(), [app, size.columns, size.rows])
  const { rows, cursor } = drawnOrNothing(app, state, size)
  setCursorPosition(cursor)
  return (
    <Box flexDirection="column">
      {rows.map((row, place) => (
        // A row is its place: nothing else tells rows apart.
        // biome-ignore lint/suspicious/noArrayIndexKey: see above
        <Text key={place} wrap="truncate">
          {row || ' '}
        </Text>
      ))}
    </Box>
  )
}

/** Ink would show an error with its stack, on a screen that stays: it is thrown where it ends the client instead. */
const drawnOrNothing: typeof drawn = (app, state, size) => {
  try {
    return drawn(app, state, size)
  } catch (error) {
    setImmediate(() => {
      throw error
    })
    return { rows: [], cursor: { x: 0, y: 0 } }
  }
}

/** The whole screen as rows of text with attributes, and where the cursor stands. */
export const drawn = (
  app: App,
  state: State,
  { columns, rows }: Size,
): { rows: string[]; cursor: { x: number; y: number } } => {
  const top = state.screens.at(-1)
  if (!top) return { rows: [], cursor: { x: 0, y: 0 } }
  const kind = app.kindOf(top)
  const body = Math.max(1, rows - 3)
  const picture = kind.view(top, state, { columns, rows: body })
  const lines = picture.lines.slice(0, body).map(written)
  while (lines.length < body) lines.push('')
  const bottom = bottomLines(app, state, { columns, rows })
  return {
    rows: [
      titleLine(kind.title(top, state), kind.place?.(top, state) ?? '', state, columns),
      // What is said at the foot may take more rows than one; it lies over the last rows of the screen meanwhile.
      ...lines.slice(0, body + 1 - bottom.lines.length),
      statusLine(state, columns),
      ...bottom.lines.map(written),
    ],
    cursor:
      bottom.cursor === null
        ? { x: picture.cursor?.x ?? 0, y: 1 + (picture.cursor?.y ?? 0) }
        : { x: bottom.cursor, y: rows - 1 },
  }
}

const titleLine = (title: string, place: string, { user }: State, columns: number): string => {
  const who = user && columns >= 60 ? `  ${cut(harmless(user), 30)}` : ''
  const end = `${who}${place ? `  ${place}` : ''}`
  return written([{ text: `${pad(harmless(title), columns - cells(end))}${end}`, reverse: true }])
}

/** The key's state stands here always, and nothing that a sender wrote. */
const statusLine = (state: State, columns: number): string => {
  const inbox = state.folders.find(({ kind }) => kind === 'inbox')
  const top = state.screens.at(-1)
  const isThere = top?.name === 'list' && top.folder === inbox?.name // its title says it
  const unread = inbox?.unread && !isThere ? `Inbox: ${inbox.unread} unread` : ''
  const waits = state.busy ? `${state.busy} ...` : unread
  const room = columns - 3
  return written([
    {
      text: `-- ${pad(cut(keyInWords(state), room), Math.max(0, room - cells(waits)))}${waits}`.slice(
        0,
        columns * 2,
      ),
      dim: keyLeftMs(state) === null,
    },
  ])
}

const keyInWords = (state: State): string => {
  if (state.isOffline) return 'No connection: key state unknown'
  const left = keyLeftMs(state)
  if (left !== null) {
    const seconds = Math.ceil(left / 1000)
    const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
    return `Key open for ${time}${state.key?.scope === 'read' ? ', reading only' : ''}`
  }
  const held = state.session?.in_use
  return held ? `Key in use at ${harmless(held.terminal)}` : 'Key locked'
}

const bottomLines = (
  app: App,
  state: State,
  { columns, rows: most }: Size,
): { lines: Line[]; cursor: number | null } => {
  const { prompt, notice } = state
  if (prompt?.kind === 'line') {
    const label = cut(harmless(prompt.label), Math.floor(columns / 2))
    const { shown, cursorColumn } = fieldView(
      prompt.isSecret ? emptyField() : prompt.field,
      columns - cells(label) - 1,
    )
    const offered = notice ? `   ${harmless(notice.text)}` : ''
    return {
      lines: [[cut(`${label}${shown}${offered}`, columns)]],
      cursor: Math.min(columns - 1, cells(label) + cursorColumn),
    }
  }
  if (prompt) {
    const rows =
      questionRows(prompt.question, { columns, rows: most }) ??
      wrapped('A question does not fit here: make this terminal larger, or Esc.', columns - 1).slice(
        0,
        most - 2,
      )
    return {
      lines: rows.map((text) => [{ text, bold: true }]),
      cursor: Math.min(columns - 1, cells(rows.at(-1) ?? '')),
    }
  }
  if (notice) {
    const { isProblem } = notice
    const rows = wrapped(notice.text, columns).slice(0, noticeRows)
    return {
      lines: rows.map((text) => [
        { text, bold: isProblem, ...(isProblem ? { colour: 'red' as const } : {}) },
      ]),
      cursor: null,
    }
  }
  return { lines: [[{ text: hintsOf(app, state, columns), dim: true }]], cursor: null }
}

/** As many as fit, and the help always. */
const hintsOf = (app: App, state: State, columns: number): string => {
  const top = state.screens.at(-1)
  if (!top) return ''
  const { context, hints: named } = app.kindOf(top)
  const hints = typeof named === 'function' ? named(top, state) : named
  const said = (hint: Hint) => {
    if (typeof hint !== 'string') return hint.says
    const binding = app.keymap[context][hint] ?? app.keymap.global[hint]
    return binding?.keys[0] && !binding.isAbsent
      ? `${keyName(binding.keys[0])} ${shortly[hint] ?? binding.does}`
      : ''
  }
  const last = hints.includes('help') ? said('help') : ''
  let line = ''
  for (const hint of hints.filter((each) => each !== 'help').map(said))
    if (hint && cells(line) + cells(hint) + cells(last) + 4 <= columns) line += `${hint}  `
  return cut(line + last, columns)
}

/** What a key does, in a word, where its place is narrow. */
const shortly: Record<string, string> = {
  open: 'open',
  decrypt: 'decrypt',
  reply: 'reply',
  compose: 'compose',
  delete: 'delete',
  search: 'search',
  help: 'help',
  pageDown: 'page',
  pageUp: 'back a page',
  next: 'next mail',
  parts: 'attachments',
  back: 'back',
  choose: 'choose',
  save: 'save',
  retry: 'try now',
  queue: 'waiting',
  ok: 'OK',
  quit: 'quit',
  send: 'send',
  editor: 'editor',
  attach: 'attach',
  sign: 'sign',
  encrypt: 'encrypt',
  close: 'close',
}

type InkKey = Parameters<Parameters<typeof useInput>[0]>[1]
const named = [
  ['upArrow', 'up'],
  ['downArrow', 'down'],
  ['leftArrow', 'left'],
  ['rightArrow', 'right'],
  ['pageUp', 'pgup'],
  ['pageDown', 'pgdn'],
  ['home', 'home'],
  ['end', 'end'],
  ['return', 'enter'],
  ['escape', 'esc'],
  ['tab', 'tab'],
  ['backspace', 'backspace'],
  ['delete', 'delete'],
] as const satisfies [keyof InkKey, string][]

const graphemes = new Intl.Segmenter()

/** Escape is what Alt is sent as, and Shift tells only Tab's two ways apart. */
const modifierOf = (key: InkKey, special: string): string => {
  if (key.ctrl) return 'ctrl-'
  if (key.meta && special !== 'esc') return 'alt-'
  return key.shift && special === 'tab' ? 'shift-' : ''
}

/** What was pressed; keys that came fast arrive as one text and are told apart again. */
const pressesOf = (input: string, key: InkKey): Press[] => {
  const special = named.find(([name]) => key[name])?.[1]
  if (special && !(special === 'esc' && input)) {
    return [{ name: `${modifierOf(key, special)}${special}`, text: null }]
  }
  if (key.ctrl) return input ? [{ name: `ctrl-${input}`, text: null }] : []
  if (key.meta) return input ? [{ name: `alt-${input}`, text: null }] : []
  return [...graphemes.segment(input)].flatMap(({ segment }): Press[] => {
    if (segment === '\r' || segment === '\n') return [{ name: 'enter', text: null }]
    if (segment === '\t') return [{ name: 'tab', text: null }]
    if (segment === '\x7f' || segment === '\b') return [{ name: 'backspace', text: null }]
    if (segment === ' ') return [{ name: 'space', text: ' ' }]
    const code = segment.charCodeAt(0)
    if (code < 32)
      return [{ name: code === 27 ? 'esc' : `ctrl-${String.fromCharCode(code + 96)}`, text: null }]
    return [{ name: segment, text: segment }]
  })
}
