/**
 * A letter being written: its fields, a line of ours that says how it will leave and why not otherwise, and the text.
 * Nothing typed is lost: whatever is refused leaves the letter as it was; every few seconds of change it is kept as a
 * draft, always the same one; a session that ends is begun anew over it. What is sent is held for a while and can be
 * taken back as it was.
 */

import type { Disk } from '../../letter/disk.ts'
import { roomBeside } from '../../letter/file-names.ts'
import { isEmpty } from '../../letter/keeper.ts'
import { type BoxFile, sizeOfAttachment } from '../../letter/letter.ts'
import { cut, harmless, wrapped } from '../../text/text.ts'
import { clockOf, noDisk, sizeOf } from '../../text/words.ts'
import { asWritten, completedWith, typingAt } from '../addresses.ts'
import { edited, type Field, field, fieldView, typed } from '../field.ts'
import type { Line, ScreenKind } from '../screen.ts'
import type { Stage } from '../stage.ts'
import type { ComposeScreen, State } from '../state.ts'
import type { Press, Size } from '../terminal.ts'
import { editedText, pastedText, rewritten, textOf, textView } from '../text-field.ts'
import { openFiles } from './files.ts'
import { helpRows } from './help.ts'
import { alter, discard, keep, leave, letterOf } from './keep-letter.ts'
import { lookUpSoon, protectionOf } from './recipients.ts'
import { ask, send, signText } from './send-letter.ts'

type Own = ComposeScreen & { id: number }
type Place = ComposeScreen['focus']
type FieldName = Exclude<Place, 'text'>

const labels = { to: 'To', cc: 'Cc', bcc: 'Bcc', subject: 'Subject' } as const satisfies Record<
  FieldName,
  string
>
const labelColumns = 9
const isAddresses = (name: Place) => name === 'to' || name === 'cc' || name === 'bcc'

const lookUpAfterMs = 400

export const compose: ScreenKind<Own> = {
  context: 'compose',
  hints: ({ focus }) => [
    ...(isAddresses(focus) ? [{ says: 'Tab completes' }] : []),
    ...['send', 'close', 'encrypt', 'sign', 'editor', 'attach', 'help'],
  ],
  title: ({ title }) => title,
  place: ({ changedAt, keptAt }) =>
    changedAt !== null || keptAt === null ? '' : `kept ${clockOf(new Date(keptAt).toISOString())}`,

  view(screen, state, size) {
    const { lines, fields } = headOf(screen, state, size)
    const textSize = sizeOfText(screen, state, size)
    if (screen.focus !== 'text') {
      const y = fields.indexOf(screen.focus)
      const { cursorColumn } = fieldView(screen.fields[screen.focus], size.columns - labelColumns)
      const cursor = { x: Math.min(labelColumns + cursorColumn, size.columns - 1), y }
      if (lines.length < size.rows) {
        const text = textView(screen.text, textSize)
        return { lines: [...lines, ...text.lines.map((line): Line => [line])], cursor }
      }
      // A few rows only: those around the field.
      const first = Math.max(0, Math.min(y - 1, lines.length - size.rows))
      return { lines: lines.slice(first, first + size.rows), cursor: { ...cursor, y: y - first } }
    }
    const { lines: rows, cursor } = textView(screen.text, textSize)
    const above = lines.slice(0, size.rows - textSize.rows)
    return {
      lines: [...above, ...rows.map((line): Line => [line])],
      cursor: { x: cursor.x, y: above.length + cursor.y },
    }
  },

  shown(app, screen) {
    const { to, cc, bcc } = screen.fields
    if (screen.recipients.length === 0 && !screen.problem && `${to.text}${cc.text}${bcc.text}` !== '')
      lookUpSoon(app, screen, 0)
  },

  type(app, screen, press) {
    if (screen.busy) return true
    if (screen.offered && press.name !== 'tab') {
      const { typed: before } = screen.offered
      app.change(screen, { offered: null })
      if (press.name === 'esc' && isAddresses(screen.focus) && screen.offered.candidates.length) {
        alter(app, screen, { fields: { ...screen.fields, [screen.focus]: before } })
        return true
      }
    }
    // A key that was bound to a command is not the field's, whatever it does in fields elsewhere.
    const isBound = Object.values(app.keymap.compose).some(({ keys }) => keys.includes(press.name))
    if (press.text === null && isBound) return false
    return screen.focus === 'text'
      ? typeText(app, screen, press)
      : typeField(app, screen, screen.focus, press)
  },

  paste(app, screen, text) {
    const { focus, fields } = screen
    if (screen.busy) return
    if (focus === 'text') {
      const next = pastedText(screen.text, text, sizeOfText(screen, app.state, sizeHere(app)))
      return alter(app, screen, { text: next })
    }
    // A column of addresses, as lists have them.
    const line = isAddresses(focus) ? text.trim().replace(/\s*[,;]?\s*[\r\n]+\s*/g, ', ') : text
    alter(app, screen, { fields: { ...fields, [focus]: typed(fields[focus], line) }, offered: null })
  },

  run(app, screen, command) {
    if (screen.busy) return
    const { letter } = screen
    switch (command) {
      case 'send':
        return void send(app, screen)
      case 'sign':
        return alter(app, screen, { letter: { ...letter, sign: !letter.sign, isChosen: true } })
      case 'encrypt':
        return alter(app, screen, { letter: { ...letter, encrypt: !letter.encrypt, isChosen: true } })
      case 'kind':
        return alter(app, screen, {
          letter: { ...letter, kind: letter.kind === 'smime' ? null : 'smime', isChosen: true },
        })
      case 'signText':
        return void signText(app, screen)
      case 'editor':
        return void toEditor(app, screen)
      case 'attach': {
        const { disk } = app.surroundings
        // Without a disk, what can be attached is what lies at the server.
        if (!disk) return void openFiles(app, (file) => attachBox(app, screen, file))
        return app.askLine(
          'Attach: ',
          (path) => path && void attach(app, screen, path, disk),
          disk.completions,
        )
      }
      case 'attachFiles':
        return void openFiles(app, (file) => attachBox(app, screen, file))
      case 'detach': {
        const last = letter.attachments.at(-1)
        if (!last) return app.note('Nothing is attached.')
        alter(app, screen, { letter: { ...letter, attachments: letter.attachments.slice(0, -1) } })
        return app.note(`${last.name} is not attached any more.`)
      }
      case 'copies': {
        const showCopies = !screen.showCopies
        const isHidden = (name: 'cc' | 'bcc') => !showCopies && screen.fields[name].text === ''
        const { focus } = screen
        if (showCopies) return go(app, screen, 'cc', { showCopies })
        const isGone = (focus === 'cc' || focus === 'bcc') && isHidden(focus)
        return go(app, screen, isGone ? 'to' : focus, { showCopies })
      }
      case 'save':
        if (screen.changedAt === null && letter.draft !== null) return app.note('It lies in Drafts as it is.')
        alter(app, screen, {})
        return void keep(app, screen, 'Keeping the letter').then((isKept) => {
          if (isKept) app.note('Kept in Drafts.')
        })
      case 'close':
        return void leave(app, screen)
      case 'discard':
        if (isEmpty(letterOf(screen))) return void discard(app, screen)
        return app.askChoice('Throw the letter away? y/n', {
          y: () => void discard(app, screen),
          n: () => app.note('The letter is as it was.'),
        })
      case 'help':
        return void app.push({
          name: 'help',
          filter: field(),
          top: 0,
          rows: [
            ...helpRows({ ...app.keymap, global: {} }, 'compose'),
            { keys: 'Tab', name: 'complete', does: 'complete an address, or to the next field' },
            // Letters are text here, and what edits it goes before what holds elsewhere.
            ...helpRows(app.keymap, 'global')
              .slice(0, Object.keys(app.keymap.global).length)
              .filter(({ name }) => ['quit', 'suspend', 'redraw'].includes(name))
              .map((row) => ({
                ...row,
                keys: row.keys
                  .split(' ')
                  .filter((key) => key.length > 1)
                  .join(' '),
              })),
          ],
        })
    }
  },
}

const sizeHere = (app: Stage): Size => ({ columns: app.size.columns, rows: app.bodyRows })

/** The window of the text: what the head leaves, or all where that is next to nothing. */
const sizeOfText = (screen: Own, state: State, size: Size): Size => {
  const left = size.rows - headOf(screen, state, size).lines.length
  return {
    columns: size.columns,
    rows: left >= 2 ? left : screen.focus === 'text' ? size.rows : Math.max(1, left),
  }
}

const fieldsOf = ({ fields, showCopies }: Own): FieldName[] => [
  'to',
  ...(showCopies || fields.cc.text ? (['cc'] as const) : []),
  ...(showCopies || fields.bcc.text ? (['bcc'] as const) : []),
  'subject',
]

const headOf = (screen: Own, state: State, { columns }: Size): { lines: Line[]; fields: FieldName[] } => {
  const fields = fieldsOf(screen)
  const lines = fields.map((name): Line => {
    const { text, cursor } = screen.fields[name]
    // One that is not being typed into shows its beginning.
    const { shown } = fieldView({ text, cursor: name === screen.focus ? cursor : 0 }, columns - labelColumns)
    return [{ text: `${labels[name]}:`.padEnd(labelColumns), dim: true }, shown]
  })
  const { text, isBad } = protectionOf(screen, state)
  const rows = wrapped(text, columns - 2)
  const most = isBad || columns < 60 ? 2 : 1
  if (rows.length > most) rows.splice(most - 1, rows.length, cut(rows.slice(most - 1).join(' '), columns - 2))
  for (const row of rows)
    lines.push([{ text: `| ${row}`, bold: true, ...(isBad ? { colour: 'red' as const } : {}) }])
  const { attachments } = screen.letter
  if (attachments.length) {
    const files = attachments.map((each) => `${harmless(each.name)} (${sizeOf(sizeOfAttachment(each))})`)
    lines.push([{ text: cut(`| Attached: ${files.join(', ')}`, columns), bold: true }])
  }
  return { lines, fields }
}

// ---- typing

const go = (app: Stage, screen: Own, focus: Place, change: Partial<ComposeScreen> = {}) => {
  app.change(screen, { ...change, focus, offered: null })
  if (isAddresses(screen.focus) && screen.focus !== focus) lookUpSoon(app, screen, lookUpAfterMs)
}

const step = (app: Stage, screen: Own, by: 1 | -1) => {
  const places: Place[] = [...fieldsOf(screen), 'text']
  const at = places.indexOf(screen.focus) + by
  go(app, screen, places[(at + places.length) % places.length]!)
}

const typeText = (app: Stage, screen: Own, press: Press): boolean => {
  if (press.name === 'tab' || press.name === 'shift-tab') {
    step(app, screen, press.name === 'tab' ? 1 : -1)
    return true
  }
  const next = editedText(screen.text, press, sizeOfText(screen, app.state, sizeHere(app)))
  if (!next) return false
  const isUp = press.name === 'up' || press.name === 'ctrl-p'
  if (next === screen.text) {
    if (isUp) go(app, screen, 'subject')
  } else if (next.lines === screen.text.lines) app.change(screen, { text: next })
  else alter(app, screen, { text: next })
  return true
}

const typeField = (app: Stage, screen: Own, name: FieldName, press: Press): boolean => {
  switch (press.name) {
    case 'tab':
      if (isAddresses(name)) void complete(app, screen, name)
      else step(app, screen, 1)
      return true
    case 'enter':
    case 'down':
    case 'ctrl-n':
      step(app, screen, 1)
      return true
    case 'shift-tab':
      step(app, screen, -1)
      return true
    case 'up':
    case 'ctrl-p':
      if (name !== 'to') step(app, screen, -1)
      return true
  }
  const before = screen.fields[name]
  const next = edited(before, press)
  if (!next) return false
  const fields = { ...screen.fields, [name]: next }
  if (next.text === before.text) app.change(screen, { fields })
  else alter(app, screen, { fields })
  return true
}

/**
 * Tab: puts in the likeliest of those that begin so; again, the next of them; where nothing is begun, or an address is
 * complete, it goes on. Where nobody begins so it stays, for what is typed is no address yet.
 */
const complete = async (app: Stage, screen: Own, name: FieldName) => {
  if (screen.offered) return offer(app, screen, name, { ...screen.offered, place: screen.offered.place + 1 })
  const line = screen.fields[name]
  const { words, from, to } = typingAt(line)
  const asked = words.toLowerCase()
  const isWhole =
    /<[^<>]*>\s*$/.test(line.text.slice(from, to)) ||
    screen.recipients.some(({ address }) => address === asked)
  if (words === '' || isWhole) return step(app, screen, 1)
  const found = await app.ask(() => app.client.addresses(words))
  const others = `${line.text.slice(0, from)} ${line.text.slice(to)}`.toLowerCase().split(/[\s,;<>"]+/)
  const candidates = found?.filter(({ address }) => !others.includes(address.toLowerCase()))
  const now = app.current(screen)
  if (!candidates || !now || now.busy || now.focus !== name || now.fields[name] !== line) return
  const isComplete = /^[^\s@]+@[^\s@]+\.[^\s@.]+$/.test(asked)
  if (candidates.some(({ address }) => address === asked) || (candidates.length === 0 && isComplete))
    return step(app, now, 1)
  if (candidates.length === 0) {
    const isThere = found?.length ? 'else ' : ''
    return app.note(`Nobody ${isThere}whom you had mail with begins with "${words}". Enter goes on.`)
  }
  offer(app, now, name, { typed: line, candidates, place: 0 })
}

const offer = (
  app: Stage,
  screen: Own,
  name: FieldName,
  offered: { typed: Field } & NonNullable<Own['offered']>,
) => {
  const { candidates } = offered
  const place = offered.place % candidates.length
  const chosen = candidates[place]!
  alter(app, screen, {
    fields: { ...screen.fields, [name]: completedWith(offered.typed, chosen) },
    offered: candidates.length > 1 ? { ...offered, place } : null,
  })
  if (candidates.length > 1)
    app.note(
      `${place + 1} of ${candidates.length}:  ${candidates
        .map((each, at) => (at === place ? `[${asWritten(each)}]` : asWritten(each)))
        .join('  ')}`,
      { forMs: Number.POSITIVE_INFINITY },
    )
}

// ---- the editor, files

const toEditor = async (app: Stage, screen: Own): Promise<void> => {
  const { disk } = app.surroundings
  if (!disk) return app.warn(noDisk.editor)
  if (!disk.hasEditor()) return app.warn('No editor is set: put its command into VISUAL or EDITOR.')
  const { folder, isOnDisk } = await disk.placeForText()
  const before = app.current(screen)
  if (!before || before.busy) return
  if (isOnDisk && !before.asked.includes('disk'))
    return ask(
      app,
      before,
      'disk',
      `While you edit, the text lies in a file on this machine's disk, in ${folder}. Go on? y/n`,
      (now) => void toEditor(app, now),
    )
  app.change(before, { busy: true })
  const take = (text: string) => {
    const now = app.current(screen)
    const next = now && rewritten(now.text, text)
    if (now && next && next !== now.text) alter(app, now, { text: next })
  }
  let said = ''
  try {
    await app.surroundings.suspended(async () => {
      const result = await disk.edited(textOf(before.text), { saved: take })
      if ('text' in result) take(result.text)
      said = 'text' in result ? (result.note ?? '') : result.failed
    })
  } finally {
    const now = app.current(screen)
    if (now) app.change(now, { busy: false, focus: 'text' })
  }
  if (said) app.warn(said)
}

/** A file of the box goes along from there. */
const attachBox = (app: Stage, screen: Own, file: BoxFile) => {
  const now = app.current(screen)
  if (!now) return
  const { attachments } = now.letter
  const others = attachments.filter((each) => !('file' in each && each.file === file.file))
  if (file.size > roomBeside(others))
    return app.warn(
      `${harmless(file.name)} has ${sizeOf(file.size)}, but only ${sizeOf(roomBeside(others))} are left for attachments.`,
    )
  alter(app, now, { letter: { ...now.letter, attachments: [...others, file] } })
  app.note(`Attached: ${harmless(file.name)} (${sizeOf(file.size)}).`)
}

const attach = async (app: Stage, screen: Own, path: string, disk: Disk) => {
  const before = app.current(screen)
  if (!before) return
  const found = await disk.attachmentFrom(path, roomBeside(before.letter.attachments))
  const now = app.current(screen)
  if (!now) return
  if ('failed' in found) return app.warn(found.failed)
  const { attachment } = found
  alter(app, now, { letter: { ...now.letter, attachments: [...now.letter.attachments, attachment] } })
  app.note(`Attached: ${attachment.name} (${sizeOf(attachment.octets.length)}).`)
}
