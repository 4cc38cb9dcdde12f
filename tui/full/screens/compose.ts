/**
 * A letter being written: its fields, a line of ours that says how it will leave and why not otherwise, and the text.
 * Nothing typed is lost: whatever is refused leaves the letter as it was; every few seconds of change it is kept as a
 * draft, always the same one; a session that ends is begun anew over it. What is sent is held for a while and can be
 * taken back as it was.
 */

import { edited as editedByHand, editorOf, placeForText } from '../../letter/editor.ts'
import {
  type Attachment,
  blank,
  byRecipients,
  doubtsAbout,
  draftOf,
  forwardedFiles,
  forwardOf,
  fromMailto,
  isSigned,
  type Letter,
  replyTo,
  type Source,
  toApi,
} from '../../letter/letter.ts'
import { attachmentFrom, completions } from '../../letter/paths.ts'
import { cut, harmless, wrapped } from '../../text/text.ts'
import { clockOf, sizeOf } from '../../text/words.ts'
import { isProblem, Problem, type Row, type Sent, Unreachable } from '../../wire/client.ts'
import { asWritten, completedWith, typingAt } from '../addresses.ts'
import {
  edited,
  editedText,
  type Field,
  field,
  fieldView,
  pastedText,
  rewritten,
  textField,
  textOf,
  textView,
  typed,
} from '../field.ts'
import { type Keymap, keyFor, keyName } from '../keymap.ts'
import type { Line, ScreenKind } from '../screen.ts'
import type { Stage } from '../stage.ts'
import type { ComposeScreen, Undo } from '../state.ts'
import type { Press, Size } from '../terminal.ts'
import { helpRows } from './help.ts'

type Own = ComposeScreen & { id: number }
type Place = ComposeScreen['focus']
type FieldName = Exclude<Place, 'text'>

const labels = { to: 'To', cc: 'Cc', bcc: 'Bcc', subject: 'Subject' } as const satisfies Record<
  FieldName,
  string
>
const labelColumns = 9
const isAddresses = (name: Place) => name === 'to' || name === 'cc' || name === 'bcc'

const holdS = 15
const undoMs = 60_000
const lookUpAfterMs = 400
/** Of a mail, all together; the server takes no more than that in base64. */
const attachmentLimit = 20 * 1024 * 1024

// ---- ways to a letter

export const openCompose = (app: Stage, { mailto, ...begun }: Partial<Letter> & { mailto?: string }) => {
  const linked = mailto === undefined ? blank : fromMailto(mailto)
  if (!linked) return app.warn('This is not a mailto: link.')
  // Who begins with Sign has chosen.
  app.push(screenOf('Compose', { ...linked, ...begun, isChosen: begun.sign ?? false }))
  if (mailto !== undefined) app.note('A letter from a link: whatever stands in it came from there.')
}

/** Takes up a draft; one that is being written already is shown. */
export const openDraft = async (app: Stage, row: Row): Promise<void> => {
  const { screens } = app.state
  const there = screens.findIndex((each) => each.name === 'compose' && each.letter.draft === row.id)
  if (there >= 0) {
    for (const { id } of screens.slice(there + 1).reverse()) app.close(id)
    return
  }
  const from = app.top?.id ?? null
  const source = await draftSourceOf(app, row)
  if (!source) return
  const attachments = await attachmentsOf(app, source)
  if (attachments) app.pushOver(from, screenOf('Draft', draftOf(source, attachments)))
}

/** @param how.shown the mail as it is on the screen; null from a list, where nothing of it is open */
export const reply = async (
  app: Stage,
  row: Row,
  how: { all: boolean; shown: Source | null },
): Promise<void> => {
  const from = app.top?.id ?? null
  const source = how.shown ?? (await closedSourceOf(app, row))
  if (!source) return
  const kind = app.state.folders.find(({ name }) => name === source.came.folder)?.kind ?? 'user'
  const { letter, notes } = replyTo(source, { own: app.state.user ?? '', all: how.all, kind })
  if (app.pushOver(from, screenOf('Reply', letter)) !== null && notes.length) app.note(notes.join(' '))
}

/** @param shown as for a reply */
export const forward = async (app: Stage, row: Row, shown: Source | null): Promise<void> => {
  const from = app.top?.id ?? null
  const source = shown ?? (await closedSourceOf(app, row))
  if (!source) return
  const attachments = await attachmentsOf(app, source)
  if (!attachments) return
  const { letter, notes } = forwardOf(source, attachments)
  if (app.pushOver(from, screenOf('Forward', letter)) !== null && notes.length) app.note(notes.join(' '))
}

const screenOf = (title: string, letter: Letter): ComposeScreen => {
  const { to, cc, bcc, subject, text, ...rest } = letter
  return {
    name: 'compose',
    title,
    letter: rest,
    fields: { to: field(to), cc: field(cc), bcc: field(bcc), subject: field(subject) },
    text: textField(text),
    focus: to.trim() === '' ? 'to' : subject.trim() === '' ? 'subject' : 'text',
    showCopies: false,
    recipients: [],
    offered: null,
    changedAt: null,
    keptAt: null,
    signed: isSigned(text) ? text : null,
    problem: '',
    asked: [],
    busy: false,
  }
}

/** The mail as it came: what its reader did not open is not opened to be quoted. Null if refused, which was said. */
const closedSourceOf = async (app: Stage, row: Row): Promise<Source | null> => {
  const came = await app.ask(() => app.client.message(row.id), 'Reading the mail')
  return came && { came, opened: null, part: null }
}

/** The draft as it was written; an encrypted one asks for the key. */
const draftSourceOf = async (app: Stage, row: Row): Promise<Source | null> => {
  const source = await closedSourceOf(app, row)
  if (source?.came.security !== 'encrypted') return source
  const about = source.came.headers.subject ?? ''
  const opened = await app.withKey({ verb: 'Decrypt', about }, () => app.client.decrypt(row.id))
  return opened && { ...source, opened }
}

/** Null if one of them was refused, which was said. */
const attachmentsOf = async (app: Stage, source: Source): Promise<Attachment[] | null> => {
  const { came, opened } = source
  const found: Attachment[] = []
  for (const { id, name, type } of forwardedFiles(source)) {
    const fetch = () => app.client.part(came.id, id)
    const busy = 'Reading the attachments'
    const part = opened
      ? await app.withKey({ verb: 'Decrypt', about: name }, fetch)
      : await app.ask(fetch, busy)
    if (!part) return null
    found.push({ name: harmless(name || part.name) || 'file', type, octets: part.octets })
  }
  return found
}

// ---- the screen

export const compose: ScreenKind<Own> = {
  context: 'compose',
  hints: ({ focus }) => [
    ...(isAddresses(focus) ? ['Tab completes'] : []),
    ...['send', 'close', 'encrypt', 'sign', 'editor', 'attach', 'help'],
  ],
  title: ({ title }) => title,
  place: ({ changedAt, keptAt }) =>
    changedAt !== null || keptAt === null ? '' : `kept ${clockOf(new Date(keptAt).toISOString())}`,

  view(screen, { keymap }, size) {
    const { lines, fields } = headOf(screen, keymap, size)
    const textSize = sizeOfText(screen, keymap, size)
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
      const next = pastedText(screen.text, text, sizeOfText(screen, app.keymap, sizeHere(app)))
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
      case 'signText':
        return void signText(app, screen)
      case 'editor':
        return void toEditor(app, screen)
      case 'attach':
        return app.askLine(
          'Attach: ',
          (path) => path && void attach(app, screen, path),
          (path) => completions(path),
        )
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
        if (isEmpty(screen)) return void discard(app, screen)
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
const sizeOfText = (screen: Own, keymap: Keymap, size: Size): Size => {
  const left = size.rows - headOf(screen, keymap, size).lines.length
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

const headOf = (screen: Own, keymap: Keymap, { columns }: Size): { lines: Line[]; fields: FieldName[] } => {
  const fields = fieldsOf(screen)
  const lines = fields.map((name): Line => {
    const { text, cursor } = screen.fields[name]
    // One that is not being typed into shows its beginning.
    const { shown } = fieldView({ text, cursor: name === screen.focus ? cursor : 0 }, columns - labelColumns)
    return [{ text: `${labels[name]}:`.padEnd(labelColumns), dim: true }, shown]
  })
  const { text, isBad } = protectionOf(screen, keymap)
  const rows = wrapped(text, columns - 2)
  const most = isBad || columns < 60 ? 2 : 1
  if (rows.length > most) rows.splice(most - 1, rows.length, cut(rows.slice(most - 1).join(' '), columns - 2))
  for (const row of rows)
    lines.push([{ text: `| ${row}`, bold: true, ...(isBad ? { colour: 'red' as const } : {}) }])
  const { attachments } = screen.letter
  if (attachments.length) {
    const files = attachments.map(({ name, octets }) => `${harmless(name)} (${sizeOf(octets.length)})`)
    lines.push([{ text: cut(`| Attached: ${files.join(', ')}`, columns), bold: true }])
  }
  return { lines, fields }
}

/** How the letter will leave, and why it cannot leave otherwise: in words, and never by a colour alone. */
const protectionOf = (
  { letter, fields, recipients, text, problem }: Own,
  keymap: Keymap,
): { text: string; isBad: boolean } => {
  const encryptKey = keyFor(keymap, 'compose', 'encrypt')
  const without = recipients.filter(({ key }) => !key).map(({ address }) => address)
  const isTextSigned = text.lines.some((line) => isSigned(line.text))
  const signed = letter.sign
    ? 'signed'
    : isTextSigned
      ? 'text signed'
      : letter.encrypt && !letter.isChosen
        ? 'not signed (the key is locked)'
        : 'not signed'
  const begin = `Will be: ${signed}, ${letter.encrypt ? 'encrypted' : 'NOT encrypted'}`
  if (problem) return { text: `${begin}. ${problem}`, isBad: true }
  const isOpen =
    recipients.length === 0 && `${fields.to.text}${fields.cc.text}${fields.bcc.text}`.trim() !== ''
  if (isOpen) return { text: `${begin}; the addresses are not checked yet`, isBad: false }
  if (letter.encrypt) {
    if (without.length)
      return {
        text: `Will be: ${signed}, CANNOT be encrypted: no key for ${without.join(', ')} (${encryptKey}: unencrypted)`,
        isBad: true,
      }
    const whom = recipients.length ? ` to ${recipients.map(({ address }) => address).join(', ')}` : ''
    return { text: `${begin}${whom}`, isBad: false }
  }
  if (without.length) return { text: `${begin}: no key for ${without.join(', ')}`, isBad: false }
  return {
    text: recipients.length ? `${begin} (${encryptKey}: encrypted, all have keys)` : begin,
    isBad: false,
  }
}

// ---- typing

/** Changes the letter itself, which is then to be kept. */
const alter = (app: Stage, screen: Own, change: Partial<ComposeScreen>) => {
  const now = app.current(screen)
  if (!now) return
  upkeepOf(app, screen).revision += 1
  const { fields } = change
  const toOthers =
    fields && (['to', 'cc', 'bcc'] as const).some((name) => fields[name].text !== now.fields[name].text)
  app.change(now, {
    ...change,
    changedAt: now.changedAt ?? app.surroundings.now(),
    // What was known of the recipients is not known of these.
    ...(toOthers ? { recipients: [], problem: '' } : {}),
  })
}

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
  const next = editedText(screen.text, press, sizeOfText(screen, app.keymap, sizeHere(app)))
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

// ---- what the server knows of the recipients

/** What is kept of a letter beside its screen. */
type Upkeep = {
  /** Goes up with each change. */
  revision: number
  /** One post after the other, so that no draft is made beside the one that it takes the place of. */
  posts: Promise<unknown>
  isKeeping: boolean
  /** Sent or thrown away: nothing more is kept. */
  isOver: boolean
  /** That it cannot be kept was said. */
  isTold: boolean
  lookUp: NodeJS.Timeout | undefined
}
const upkeeps = new WeakMap<Stage, Map<number, Upkeep>>()

const upkeepOf = (app: Stage, { id }: Own): Upkeep => {
  const all = upkeeps.get(app) ?? new Map<number, Upkeep>()
  upkeeps.set(app, all)
  for (const known of all.keys()) if (!app.state.screens.some((each) => each.id === known)) all.delete(known)
  const upkeep = all.get(id) ?? {
    revision: 0,
    posts: Promise.resolve(),
    isKeeping: false,
    isOver: false,
    isTold: false,
    lookUp: undefined,
  }
  all.set(id, upkeep)
  return upkeep
}

/** Nothing more is done for letters of a user who is gone. */
export const dropLetters = (app: Stage) => {
  for (const upkeep of upkeeps.get(app)?.values() ?? []) {
    upkeep.isOver = true
    clearTimeout(upkeep.lookUp)
  }
  upkeeps.delete(app)
}

const lookUpSoon = (app: Stage, screen: Own, ms: number) => {
  const upkeep = upkeepOf(app, screen)
  clearTimeout(upkeep.lookUp)
  upkeep.lookUp = setTimeout(() => void lookUp(app, screen), ms).unref()
}

const lookUp = async (app: Stage, screen: Own) => {
  const before = app.current(screen)
  if (!before) return
  const { to, cc, bcc } = letterOf(before)
  if (`${to}${cc}${bcc}`.trim() === '') return
  const found = await app.ask(() =>
    app.client.recipients({ to, cc, bcc }).catch((error: unknown) => {
      if (isProblem(error, 'bad-address')) return error.message
      throw error
    }),
  )
  const now = app.current(screen)
  const isSame =
    now && (['to', 'cc', 'bcc'] as const).every((name) => now.fields[name].text === before.fields[name].text)
  if (!isSame || found === null) return
  app.change(
    now,
    typeof found === 'string'
      ? { problem: found.replace(/\.\.$/, '.'), recipients: [] }
      : { problem: '', recipients: found, letter: byRecipients(now.letter, found, canSign(app)) },
  )
}

/** Without asking for anything. */
const canSign = ({ state }: Stage) => state.key !== null && state.key.scope === 'sign'

// ---- drafts

const letterOf = ({ letter, fields, text }: Own): Letter => {
  // A comma that waits for the next one.
  const addresses = (name: 'to' | 'cc' | 'bcc') => fields[name].text.replace(/(?<![\s,;])[\s,;]+$/, '')
  return {
    ...letter,
    to: addresses('to'),
    cc: addresses('cc'),
    bcc: addresses('bcc'),
    subject: fields.subject.text,
    text: textOf(text),
  }
}

const isEmpty = (screen: Own): boolean => {
  const { to, cc, bcc, subject, text, attachments } = letterOf(screen)
  return `${to}${cc}${bcc}${subject}${text}`.trim() === '' && attachments.length === 0
}

const inTurn = <T>(upkeep: Upkeep, work: () => Promise<T>): Promise<T> => {
  const done = upkeep.posts.then(work)
  upkeep.posts = done.catch(() => undefined)
  return done
}

/** Posts the letter as it is by now. What it answers may be gone meanwhile: then it answers nothing. */
const post = async (app: Stage, now: Own, how: { draft: true } | { hold_s: number }): Promise<Sent> => {
  const letter = letterOf(now)
  try {
    return await app.client.send({ ...toApi(letter), ...how })
  } catch (error) {
    if (!isProblem(error, 'not-found') || typeof letter.inReplyTo !== 'number') throw error
    app.change(now, { letter: { ...now.letter, inReplyTo: null } })
    return await app.client.send({ ...toApi({ ...letter, inReplyTo: null }), ...how })
  }
}

/** Expected failures as values; what leads to a window or to the log-in is thrown on. */
const failureOf = (error: unknown): Problem | Unreachable => {
  const leadsOn = ['no-session', 'allowance-required', 'key-in-use']
  if (error instanceof Unreachable || (error instanceof Problem && !leadsOn.includes(error.code)))
    return error
  throw error
}

/**
 * Keeps the letter as a draft, if it changed, in the place of its last one.
 *
 * @param busy what is said meanwhile; nothing, if it is to be silent
 * @returns whether it is kept as it is now; if not, that was said, at least once
 */
const keep = async (app: Stage, screen: Own, busy = ''): Promise<boolean> => {
  const upkeep = upkeepOf(app, screen)
  const isAlone = !upkeep.isKeeping
  upkeep.isKeeping = true
  const keepNow = async (): Promise<true> => {
    const now = app.current(screen)
    if (!now || upkeep.isOver || now.changedAt === null) return true
    const { revision } = upkeep
    const { id: draft } = await post(app, now, { draft: true })
    const after = app.current(screen)
    const keptAt = app.surroundings.now()
    if (after)
      app.change(after, {
        letter: { ...after.letter, draft },
        keptAt,
        changedAt: upkeep.revision === revision ? null : keptAt,
      })
    return true
  }
  const kept = await app.ask(() => inTurn(upkeep, keepNow).catch(failureOf), busy)
  if (isAlone) upkeep.isKeeping = false
  if (kept === true) {
    upkeep.isTold = false
    return app.current(screen)?.changedAt == null
  }
  const now = app.current(screen)
  if (now) app.change(now, { changedAt: app.surroundings.now() })
  if (kept && (busy || !upkeep.isTold)) {
    upkeep.isTold = true
    app.warn(`The letter is here, but not kept as a draft: ${kept.message}`)
  }
  return false
}

/** Ten seconds of change; longer with attachments, which go with it each time. */
const keepAfterMs = ({ letter }: Own) =>
  10_000 + letter.attachments.reduce((sum, { octets }) => sum + octets.length / 100, 0)

/** Keeps the letters that have waited long enough. */
export const keepDue = (app: Stage) => {
  const now = app.surroundings.now()
  for (const screen of app.state.screens)
    if (
      screen.name === 'compose' &&
      screen.changedAt !== null &&
      now - screen.changedAt >= keepAfterMs(screen)
    )
      if (!upkeepOf(app, screen).isKeeping) void keep(app, screen)
}

/** Keeps all that is being written. @returns whether that could be done; if not, it was said */
export const keepLetters = async (app: Stage): Promise<boolean> => {
  let areKept = true
  for (const screen of app.state.screens)
    if (screen.name === 'compose' && screen.changedAt !== null)
      areKept = (await keep(app, screen, 'Keeping the letter')) && areKept
  return areKept
}

const leave = async (app: Stage, screen: Own) => {
  const { draft } = screen.letter
  const isWorthNothing = screen.changedAt === null || (isEmpty(screen) && draft === null)
  if (!isWorthNothing) {
    app.change(screen, { busy: true })
    const isKept = await keep(app, screen, 'Keeping the letter')
    const now = app.current(screen)
    if (!now) return
    app.change(now, { busy: false })
    if (!isKept) return
  }
  app.close(screen.id)
  if (!isWorthNothing || draft !== null) app.note('The letter lies in Drafts.')
  else if (!isEmpty(screen)) app.note('Nothing was written, so nothing was kept.')
  void app.moved()
}

const discard = async (app: Stage, screen: Own) => {
  const upkeep = upkeepOf(app, screen)
  app.change(screen, { busy: true })
  const isGone = await app.does(() =>
    inTurn(upkeep, async () => {
      const draft = app.current(screen)?.letter.draft ?? null
      if (draft !== null)
        await app.client.remove(draft).catch((error: unknown) => {
          if (!isProblem(error, 'not-found')) throw error
        })
      upkeep.isOver = true
    }),
  )
  const now = app.current(screen)
  if (!isGone) return now && app.change(now, { busy: false })
  app.close(screen.id)
  if (!isEmpty(screen)) {
    const changedAt = app.surroundings.now()
    app.done('The letter was thrown away.', async () => {
      openAgain(app, app.top?.id ?? null, screen, null, { changedAt })
    })
  }
  void app.moved()
}

/** The letter as it was, with another draft or none. */
const openAgain = (
  app: Stage,
  from: number | null,
  before: Own,
  draft: number | null,
  change: Partial<ComposeScreen>,
): number | null => {
  const { id: _, ...was } = before
  return app.pushOver(from, {
    ...was,
    letter: { ...was.letter, draft },
    busy: false,
    offered: null,
    ...change,
  })
}

// ---- sending and signing

const send = async (app: Stage, screen: Own): Promise<void> => {
  const letter = letterOf(screen)
  if (`${letter.to}${letter.cc}${letter.bcc}` === '') {
    go(app, screen, 'to')
    return app.warn('Who is it to? The letter has no recipient.')
  }
  const [doubt] = Object.entries(doubtsAbout(letter, screen.signed)).filter(
    ([name]) => !screen.asked.includes(name),
  )
  if (doubt) {
    const [name, sentence] = doubt
    return ask(app, screen, name, `${sentence} Send it all the same? y/n`, (now) => void send(app, now))
  }
  // Before the passphrase is asked for; else the server says it as well. And as long as its recipients decide how it
  // leaves, it does not leave before they are known.
  if (letter.sign || !letter.isChosen) {
    if (screen.recipients.length === 0) {
      app.change(screen, { busy: true, offered: null })
      await lookUp(app, screen)
      const now = app.current(screen)
      if (now) app.change(now, { busy: false })
    }
    const now = app.current(screen)
    if (!now || !addressesHold(app, now)) {
      // Why they are not known was said.
      if (now && !now.problem && now.recipients.length === 0)
        app.warn(`${app.state.notice?.text ?? ''} Nothing was sent; the letter is still here.`.trim())
      return
    }
    // It was to leave encrypted when send was pressed.
    if (letter.encrypt && !now.letter.encrypt)
      return app.warn(
        `${protectionOf(now, app.keymap).text}. It was not sent; ${keyFor(app.keymap, 'compose', 'send')} sends it so.`,
      )
  }
  const upkeep = upkeepOf(app, screen)
  app.change(screen, { busy: true, offered: null })
  const work = () =>
    inTurn(upkeep, async () => {
      const now = app.current(screen)
      if (!now) throw new Error('expected the letter that is sent, got none')
      const sent = await post(app, now, { hold_s: holdS })
      // From here on no draft is made behind it.
      upkeep.isOver = true
      return sent
    }).catch(failureOf)
  const answer = (app.current(screen) ?? screen).letter.sign
    ? await app.withKey({ verb: 'Send', about: letter.subject }, work)
    : await app.ask(work, 'Sending')
  const now = app.current(screen)
  if (!now) return
  app.change(now, { busy: false })
  if (answer === null) {
    if (!app.state.notice) app.note('The letter was not sent; it is as it was.')
  } else if (answer instanceof Error) wasRefused(app, now, answer)
  else wasSent(app, now, answer)
}

/** Whether the letter can go to all of them; if not, that is said. */
const addressesHold = (app: Stage, screen: Own): boolean => {
  const { problem, recipients, letter } = screen
  const without = recipients.filter(({ key }) => !key).map(({ address }) => address)
  if (problem) {
    app.change(screen, { focus: fieldWith(screen, problem) })
    app.warn(problem)
  } else if (letter.encrypt && without.length)
    app.warn(
      `There is no public key for ${without.join(', ')}. The letter was not sent; ${keyFor(app.keymap, 'compose', 'encrypt')} sends it unencrypted.`,
    )
  return !problem && recipients.length > 0 && !(letter.encrypt && without.length)
}

/** The field of the address that is wrong. */
const fieldWith = ({ fields }: Own, problem: string): Place =>
  (['to', 'cc', 'bcc'] as const).find((name) =>
    fields[name].text.split(/[\s,;<>"]+/).some((word) => word !== '' && problem.includes(`: ${word}`)),
  ) ?? 'to'

const wasRefused = (app: Stage, screen: Own, why: Problem | Unreachable) => {
  if (why instanceof Unreachable && why.isUnsent)
    return app.warn(`${why.message} Nothing was sent; the letter is still here.`)
  if (why instanceof Unreachable)
    return app.warn(
      `${why.message} Whether the letter left is not known: look into Sent before you send it again. It is still here.`,
    )
  // The server kept it itself.
  const { draft } = why
  if (draft !== undefined)
    app.change(screen, {
      letter: { ...screen.letter, draft },
      changedAt: null,
      keptAt: app.surroundings.now(),
    })
  if (why.code === 'bad-address')
    app.change(screen, { focus: fieldWith(screen, why.message), problem: why.message.replace(/\.\.$/, '.') })
  if (why.code === 'no-key-for') lookUpSoon(app, screen, 0)
  app.warn(why.message)
}

const wasSent = (app: Stage, screen: Own, { id, queued, delivered, held_until }: Sent) => {
  const whom = [...new Set([...queued, ...delivered])].map(harmless)
  const shown = whom.slice(0, 4).join(', ') + (whom.length > 4 ? ` and ${whom.length - 4} more` : '')
  app.close(screen.id)
  void app.moved()
  if (held_until === null) return app.note(`Sent to ${shown}.`)
  const undo: Undo = {
    label: `Sent to ${shown}.`,
    until: app.surroundings.now() + undoMs,
    run: async () => {
      const from = app.top?.id ?? null
      let draft: number
      try {
        draft = (await app.client.recall(id)).id
      } catch (error) {
        // It may still be in time.
        if (error instanceof Unreachable) app.dispatch({ type: 'undo', undo })
        throw error
      }
      const again = openAgain(app, from, screen, draft, { changedAt: null, keptAt: app.surroundings.now() })
      app.note(`The letter did not leave: it ${again === null ? 'lies in Drafts' : 'is yours again'}.`)
      void app.moved()
    },
  }
  app.dispatch({ type: 'undo', undo })
  const [key = 'u'] = app.keymap.global.undo?.keys ?? []
  app.note(`Sent to ${shown} (leaves in ${holdS} s; ${keyName(key)} takes it back)`, {
    forMs: holdS * 1000,
    isKept: true,
  })
}

/** Asks once; a yes holds for this letter. */
const ask = (app: Stage, screen: Own, name: string, question: string, yes: (now: Own) => void) =>
  app.askChoice(
    question,
    {
      y: () => {
        const now = app.current(screen)
        if (!now) return
        app.change(now, { asked: [...now.asked, name] })
        yes(app.current(screen)!)
      },
      n: () => app.note('The letter is as it was.'),
    },
    screen.id,
  )

/** S1450-S1510: the text comes back signed, ready to be sent. */
const signText = async (app: Stage, screen: Own) => {
  const text = textOf(screen.text)
  if (text.trim() === '') return app.note('There is no text yet that could be signed.')
  if (isSigned(text)) return app.note('The text is signed already.')
  app.change(screen, { busy: true })
  const use = { verb: 'Sign', about: screen.fields.subject.text }
  const signed = await app.withKey(use, () => app.client.sign(text))
  const now = app.current(screen)
  if (!now) return
  app.change(now, { busy: false })
  if (signed === null) {
    if (!app.state.notice) app.note('The text was not signed; it is as it was.')
    return
  }
  // Whether it is encrypted is to be known before it counts as chosen.
  if (!now.letter.isChosen && now.recipients.length === 0) await lookUp(app, now)
  const known = app.current(screen)
  if (!known) return
  alter(app, known, {
    text: rewritten(known.text, signed),
    signed,
    focus: 'text',
    letter: { ...known.letter, sign: false, isChosen: true },
  })
  const files = known.letter.attachments.length
    ? ` The signature covers the text, not the attached files; ${keyFor(app.keymap, 'compose', 'sign')} covers both.`
    : ''
  app.note(`Signed, and ready to send. If you change the text now, the signature no longer fits.${files}`)
}

// ---- the editor, files

const toEditor = async (app: Stage, screen: Own): Promise<void> => {
  if (!editorOf()) return app.warn('No editor is set: put its command into VISUAL or EDITOR.')
  const { folder, isOnDisk } = await placeForText()
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
      const result = await editedByHand(textOf(before.text), { saved: take })
      if ('text' in result) take(result.text)
      said = 'text' in result ? (result.note ?? '') : result.failed
    })
  } finally {
    const now = app.current(screen)
    if (now) app.change(now, { busy: false, focus: 'text' })
  }
  if (said) app.warn(said)
}

const attach = async (app: Stage, screen: Own, path: string) => {
  const before = app.current(screen)
  if (!before) return
  const room = before.letter.attachments.reduce((left, { octets }) => left - octets.length, attachmentLimit)
  const found = await attachmentFrom(path, Math.max(0, room))
  const now = app.current(screen)
  if (!now) return
  if ('failed' in found) return app.warn(found.failed)
  const { attachment } = found
  alter(app, now, { letter: { ...now.letter, attachments: [...now.letter.attachments, attachment] } })
  app.note(`Attached: ${attachment.name} (${sizeOf(attachment.octets.length)}).`)
}
