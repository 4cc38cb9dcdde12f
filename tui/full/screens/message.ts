/**
 * A mail: what we know of it in a line of ours that no sender can write into, who and when, then its text, a page at a
 * time. An encrypted one is shown as it came until it is decrypted.
 */

import type { Message, Opened, Row } from '../../../server/contract/answers.ts'
import type { Source } from '../../letter/letter.ts'
import { cells, column, cut, harmless, wholeAddress, wrapped } from '../../text/text.ts'
import { fromOutside, grouped, hasAddressLooks, people, sizeOf, weaknessesOf } from '../../text/words.ts'
import { isProblem } from '../../wire/client.ts'
import { type Keymap, keyFor } from '../keymap.ts'
import type { Line, Picture, ScreenKind } from '../screen.ts'
import type { Stage } from '../stage.ts'
import type { ListScreen, MessageScreen, State } from '../state.ts'
import type { Size } from '../terminal.ts'
import { archive, flag, move, remove } from './acts.ts'
import { openAttachments } from './attachments.ts'
import { forward, openDraft, reply } from './begin-letter.ts'
import { saveToFiles } from './save-to-files.ts'
import { foreign, fromSender } from './text.ts'

type Own = MessageScreen & { id: number }

export const openMessage = (
  app: Stage,
  from: ListScreen & { id: number },
  row: Row,
  how: { decrypt: boolean },
) => {
  const folder = from.elsewhere.get(row.id) ?? from.folder
  if (app.state.folders.some(({ name, kind }) => name === folder && kind === 'drafts'))
    return void openDraft(app, row)
  const id = app.push({
    name: 'message',
    row,
    folder,
    place: from.cursor,
    came: null,
    opened: null,
    part: null,
    top: 0,
    allHeaders: false,
    signatureDetails: false,
    problem: '',
  })
  const screen = app.state.screens.find((each) => each.id === id) as Own
  void load(app, screen, row, how)
}

/** @param how.decrypt it was asked for, so that a part that opens alone is opened too */
const load = async (app: Stage, screen: Own, row: Row, how: { decrypt: boolean }) => {
  const came = await app.ask(() => app.client.message(row.id), 'Reading the mail')
  const now = app.current(screen)
  if (!now) return
  if (!came) return app.close(screen.id)
  app.change(now, { row: { ...row, seen: true }, came, opened: null, part: null, top: 0, problem: '' })
  if (!row.seen) {
    app.dispatch({
      type: 'rowsChanged',
      change: (each) => (each.id === row.id ? { ...each, seen: true } : each),
    })
    void app.contact()
  }
  // With the key open, what is encrypted as a whole is opened at once.
  const isClosed = came.security === 'encrypted'
  if (how.decrypt ? isClosed || came.isolated.length > 0 : isClosed && app.state.key !== null)
    await decrypt(app, now, came)
}

/** Opens the mail, or the one part of it that opens alone. */
const decrypt = async (app: Stage, screen: Own, came: Message, part?: string) => {
  const id = screen.row.id
  const [only, another] = came.isolated
  const within = part ?? (came.security !== 'encrypted' && only && !another ? only.id : undefined)
  if (came.security !== 'encrypted' && within === undefined)
    return app.note(
      another
        ? `Several parts are encrypted: ${keyFor(app.keymap, 'message', 'parts')} lists them, each opens alone.`
        : 'This mail is not encrypted.',
    )
  const about = came.headers.subject ?? ''
  const opened = await app.withKey({ verb: 'Decrypt', about }, () =>
    app.client.decrypt(id, within).catch((error: unknown) => {
      if (isProblem(error, 'cannot-decrypt') || isProblem(error, 'not-encrypted')) return error
      throw error
    }),
  )
  const now = app.current(screen)
  if (!opened || !now || now.row.id !== id) return
  if (opened instanceof Error) return app.change(now, { problem: opened.message })
  // It was locked meanwhile.
  if (app.state.key === null) return app.change(now, forgotten(app.keymap))
  app.change(now, { opened, part: within ?? null, top: 0, problem: '' })
}

/** What becomes of an opened mail when the key closes. */
export const forgotten = (keymap: Keymap) => ({
  opened: null,
  part: null,
  top: 0,
  problem: `The key has closed. Press ${keyFor(keymap, 'message', 'decrypt')} to open the mail again.`,
})

export const message: ScreenKind<Own> = {
  context: 'message',
  hints({ came, opened }) {
    const isClosed = came !== null && !opened && (came.security === 'encrypted' || came.isolated.length > 0)
    const shown = opened ?? came
    const closed = [...(came?.isolated ?? []), ...(opened?.isolated ?? [])]
    const hasParts = shown !== null && (shown.attachments.length > 0 || closed.length > 0)
    return [
      ...(isClosed ? ['decrypt'] : []),
      'reply',
      'pageDown',
      'next',
      'delete',
      ...(hasParts ? ['parts'] : []),
      'back',
      'help',
    ]
  },

  title: ({ folder }) => folder,

  place(screen, state) {
    const list = listUnder(state, screen)
    return list?.total ? `${screen.place + 1} of ${list.total}` : ''
  },

  view(screen, state, size) {
    const head = headOf(screen, state.keymap, size)
    const text = textRows(screen, size.columns)
    const room = Math.max(1, size.rows - head.length)
    const shown = text.slice(screen.top, screen.top + room)
    const left = text.length - screen.top - shown.length
    const lines: Line[] = [...head, ...shown.map((row): Line => [row])]
    if (left > 0 && lines.length >= size.rows)
      lines[size.rows - 1] = [{ text: `-- ${left + 1} more lines`, dim: true }]
    return {
      lines: lines.slice(0, size.rows),
      cursor: { x: 0, y: Math.min(head.length, size.rows - 1) },
    } as Picture
  },

  run(app, screen, command) {
    const head = headOf(screen, app.keymap, { columns: app.size.columns, rows: app.bodyRows })
    const room = Math.max(1, app.bodyRows - head.length)
    const last = Math.max(0, textRows(screen, app.size.columns).length - room)
    // One row stays on the screen when a page is turned: the last line of the page says what is left.
    const page = Math.max(1, room - 1)
    const scroll = (top: number) => {
      const next = Math.max(0, Math.min(top, last))
      if (next === screen.top) return app.note(top > 0 ? 'End of the mail.' : 'Beginning of the mail.')
      app.change(screen, { top: next })
    }
    const { row, came } = screen
    switch (command) {
      case 'lineDown':
        return scroll(screen.top + 1)
      case 'lineUp':
        return scroll(screen.top - 1)
      case 'pageDown':
        return scroll(screen.top + page)
      case 'pageUp':
        return scroll(screen.top - page)
      case 'first':
        return app.change(screen, { top: 0 })
      case 'last':
        return app.change(screen, { top: last })
      case 'next':
        return turn(app, screen, 1)
      case 'previous':
        return turn(app, screen, -1)
      case 'reply':
      case 'replyAll':
        return void reply(app, row, { all: command === 'replyAll', shown: sourceOf(screen) })
      case 'forward':
        return void forward(app, row, sourceOf(screen))
      case 'flag':
        return flag(app, [row])
      case 'unread':
        return void leaveUnread(app, screen)
      case 'delete':
      case 'archive': {
        app.close(screen.id)
        return command === 'delete' ? remove(app, screen.folder, [row]) : archive(app, screen.folder, [row])
      }
      case 'move':
        app.close(screen.id)
        return move(app, screen.folder, [row])
    }
    if (!came) return
    switch (command) {
      case 'decrypt':
        return screen.opened && screen.part === null
          ? sayOpen(app, screen.opened)
          : void decrypt(app, screen, came)
      case 'file': {
        const { id, subject } = screen.row
        return saveToFiles(app, { message: id }, { name: `${subject || 'mail'}.eml`, isSecret: false })
      }
      case 'signature':
        return app.change(screen, { signatureDetails: !screen.signatureDetails })
      case 'headers':
        return app.change(screen, { allHeaders: !screen.allHeaders, top: 0 })
      case 'parts':
        return openAttachments(app, screen, (part) => {
          const now = app.current(screen)
          if (now?.came) void decrypt(app, now, now.came, part)
        })
      case 'source':
        return void showSource(app, screen)
    }
  },
}

const leaveUnread = async (app: Stage, screen: Own) => {
  const { id } = screen.row
  if (!(await app.does(() => app.client.mark([id], { seen: false })))) return
  app.dispatch({ type: 'rowsChanged', change: (each) => (each.id === id ? { ...each, seen: false } : each) })
  app.close(screen.id)
  app.note('Marked as unread.')
}

const sayOpen = (app: Stage, { isolated }: Opened) => {
  const parts = keyFor(app.keymap, 'message', 'parts')
  app.note(
    isolated.length
      ? `This mail is open; ${parts} lists what is encrypted in it once more.`
      : 'This mail is open.',
  )
}

const showSource = async (app: Stage, screen: Own) => {
  const octets = await app.ask(() => app.client.raw(screen.row.id), 'Reading the source')
  if (!octets) return
  const text = new TextDecoder('utf-8').decode(octets)
  app.pushOver(screen.id, {
    name: 'text',
    title: 'Source of the mail',
    intro: fromSender,
    content: { text },
    top: 0,
    isSecret: false,
  })
}

/** The mail as it is before the reader's eyes. */
const sourceOf = ({ came, opened, part }: Own): Source | null => came && { came, opened, part }

const listUnder = (state: State, screen: Own) => {
  const place = state.screens.findIndex(({ id }) => id === screen.id)
  const under = state.screens[place - 1]
  return under?.name === 'list' ? under : null
}

const turn = (app: Stage, screen: Own, by: number) => {
  const list = listUnder(app.state, screen)
  const place = screen.place + by
  const row = list?.rows.get(place)
  if (!list || !row)
    return app.note(by > 0 ? 'There is no mail after this one here.' : 'There is no mail before this one.')
  app.change(list, { cursor: place })
  const folder = list.elsewhere.get(row.id) ?? list.folder
  app.change(screen, { row, place, folder, came: null, opened: null, part: null, top: 0, problem: '' })
  const now = app.current(screen)
  if (now) void load(app, now, row, { decrypt: false })
}

// ---- the picture

type Shown = Message | Opened
const shownOf = (screen: Own): Shown | null => screen.opened ?? screen.came

const headOf = (screen: Own, keymap: Keymap, { columns, rows }: Size): Line[] => {
  const shown = shownOf(screen)
  const lines: Line[] = []
  for (const { text, isBad } of verdictsOf(screen, keymap))
    for (const row of wrapped(text, columns - 2).slice(0, 3))
      lines.push([{ text: `| ${row}`, bold: true, ...(isBad ? { colour: 'red' as const } : {}) }])
  if (!shown) return lines
  const named = (name: string, value: string) => {
    if (value)
      lines.push([{ text: `${name}: `, dim: true }, column(value, columns - name.length - 2).trimEnd()])
  }
  // All of them are many: they stand above the text, and go with it.
  if (!screen.allHeaders) {
    const room = columns - 'From: '.length
    const senders = shown.from.length
      ? shown.from.slice(0, 3).map((each) => senderIn(each, room))
      : [shown.headers.from ?? '']
    for (const sender of senders) for (const row of wrapped(sender, room).slice(0, 8)) named('From', row)
    if (shown.from.length > 3) named('From', `and ${shown.from.length - 3} more`)
    named('To', people(shown.to))
    named('Cc', people(shown.cc))
    named('Subject', shown.headers.subject || '(no subject)')
    named('Date', dateOf(screen.row.date))
    if (shown.attachments.length)
      named(
        'Files',
        shown.attachments.map(({ name, type, size }) => `${name || type} (${sizeOf(size)})`).join(', '),
      )
  }
  lines.push([''])
  // However many header fields there are, some of the text shows.
  return lines.length < rows - 3 ? lines : [...lines.slice(0, Math.max(1, rows - 4)), ['']]
}

/** The address is seen whole: a long name gives way to it, and one that looks like an address comes after the real one. */
const senderIn = ({ name, address }: { name: string; address: string }, room: number): string => {
  const [who, where] = [harmless(name).trim(), wholeAddress(address)]
  if (who === '' || who === where) return where
  if (hasAddressLooks(who)) return cut(`${where}, under the name ${who}`, Math.max(room, cells(where) + 1))
  return `${cut(who, Math.max(8, room - cells(where) - 3))} <${where}>`
}

const dateOf = (date: string) => {
  const at = new Date(date)
  return Number.isNaN(at.getTime())
    ? ''
    : at.toLocaleString('en-GB', { dateStyle: 'full', timeStyle: 'short' }).replace(' at ', ', ')
}

/** What we know, in words: of the encryption, of the signature, of what went wrong. */
const verdictsOf = (screen: Own, keymap: Keymap): { text: string; isBad: boolean }[] => {
  const keyName = (command: string) => keyFor(keymap, 'message', command)
  const { came, opened, problem } = screen
  const shown = shownOf(screen)
  if (!came || !shown) return [{ text: 'Reading the mail ...', isBad: false }]
  const said: { text: string; isBad: boolean }[] = []
  const good = (text: string) => said.push({ text, isBad: false })
  const bad = (text: string) => said.push({ text, isBad: true })
  if (problem) bad(problem)
  if (came.outside) bad(fromOutside(came.from))
  const notSigned = opened?.signature.status === 'none' ? ' It is not signed.' : ''
  if (opened && screen.part !== null)
    good(
      `Encrypted part, opened alone: it is not the mail around it, and is not quoted in replies.${notSigned}`,
    )
  else if (came.sent_as === 'plain' || came.sent_as === 'signed')
    good(
      `Sent ${came.sent_as === 'plain' ? 'in plain' : 'signed, not encrypted'}; this copy is kept encrypted to you.${opened || came.security !== 'encrypted' ? '' : ` ${keyName('decrypt')} decrypts it.`}`,
    )
  else if (opened) good(`Encrypted mail, open.${notSigned}`)
  else if (came.security === 'encrypted')
    good(`Encrypted mail, as it came. ${keyName('decrypt')} decrypts it.`)
  else if (came.isolated.length)
    good(
      `A part of this mail is encrypted and opens alone: ${keyName('decrypt')}, or ${keyName('parts')} for the list.`,
    )
  const { status, by, key, at, reason, certificate } = shown.signature
  const which = key ? `${certificate ? 'certificate' : 'key'} ${grouped(key.slice(-16))}` : 'an unknown key'
  const who = by ? harmless(by) : '?'
  for (const said of weaknessesOf(shown)) bad(said)
  const issuer = certificate?.vouched
    ? `, issued by ${harmless(certificate.issuer)}, whom the operator trusts`
    : ''
  if (status === 'valid')
    good(`Signature good: ${who}, ${which}${issuer}${at ? `, ${at.slice(0, 10)}` : ''}.`)
  else if (status === 'expired') bad(`Signed by ${who} with a key that has expired (${which}).`)
  else if (status === 'unknown-key')
    bad(`Signed by ${which}, which you have not accepted: it may be anybody's.`)
  else if (status === 'invalid')
    bad('The signature is WRONG: this mail was changed, or it was not signed by this key.')
  else if (status === 'mismatch') bad('There is a signature, but it does not fit this mail.')
  if (screen.signatureDetails) {
    if (status === 'none') {
      if (!opened) good('This mail is not signed.')
    } else
      good(
        `Details: ${status}. Fingerprint ${key ? grouped(key) : 'unknown'}.${reason ? ` ${harmless(reason)}` : ''}`,
      )
  } else if ((status === 'invalid' || status === 'mismatch') && reason) bad(harmless(reason))
  return said
}

const rowsOf = new WeakMap<Shown, { columns: number; allHeaders: boolean; rows: string[] }>()

/** The text's rows, wrapped once for each width. */
const textRows = (screen: Own, columns: number): string[] => {
  const shown = shownOf(screen)
  if (!shown) return []
  const { allHeaders } = screen
  const known = rowsOf.get(shown)
  if (known?.columns === columns && known.allHeaders === allHeaders) return known.rows
  const fields = Object.entries(shown.headers).flatMap(([name, value]) =>
    value.split('\n').map((each) => `${name}: ${each}`),
  )
  const text = shown.text.trimEnd()
  const rows = foreign(allHeaders ? `${fields.join('\n')}\n\n${text}` : text, columns)
  rowsOf.set(shown, { columns, allHeaders, rows })
  return rows
}
