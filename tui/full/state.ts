/**
 * The client's state and its one reducer. Screens lie on a stack, the one on top is shown; what is under it stays as it
 * was left, through unlocking, a takeover, a lost session. Everything here is data: what talks to the server is app.ts.
 */

import type {
  FileEntry,
  Folder,
  Message,
  OfferedKey,
  Opened,
  Recipient,
  Row,
  SessionView,
} from '../../server/contract/answers.ts'
import type { BoxFile, Letter } from '../letter/letter.ts'
import type { Completion } from '../letter/paths.ts'
import type { Holder } from '../wire/client.ts'
import type { Field, Secret } from './field.ts'
import type { Keymap } from './keymap.ts'
import type { TextField } from './text-field.ts'

export type LoginScreen = {
  name: 'login'
  user: Field
  password: Secret
  focus: 'user' | 'password'
  busy: boolean
  /** Whose screens lie under this one; null at the start. */
  again: string | null
  problem: string
  /** Leaving was tried, and what would be lost by it was said: tried again, it is done. */
  isWarned: boolean
}

export type ListScreen = {
  name: 'list'
  /** Of what was searched for in all folders, the one from which that was. */
  folder: string
  /** What was searched for, in all folders or, of a conversation, in this one. */
  query: string
  /** Words that the listed mails must hold besides, until the limit is lifted; and where the cursor stood before. */
  limit: { words: string; from: number } | null
  /** Only mails with this subject, reply marks aside. */
  thread: string | null
  /** What was typed and not understood. */
  ignored: string[]
  /** Of a conversation, or of what was found, the mails that lie in another folder: which one, by their ids. */
  elsewhere: ReadonlyMap<number, string>
  /** By position from the newest; what was not asked for yet is absent. */
  rows: ReadonlyMap<number, Row>
  /** How many there are; of a search not known before its end is seen. */
  total: number | null
  cursor: number
  /** Ids. */
  marks: ReadonlySet<number>
  /** Position of the last mark. */
  anchor: number | null
  /** Id of the mail that the cursor goes to once it is loaded. */
  seek: number | null
  /** All that was listed was taken away. */
  isEmptied: boolean
}

export type MessageScreen = {
  name: 'message'
  row: Row
  folder: string
  /** Position in the list it was opened from. */
  place: number
  came: Message | null
  /** Once decrypted; of the whole mail, or of one part that opens alone. */
  opened: Opened | null
  part: string | null
  top: number
  allHeaders: boolean
  signatureDetails: boolean
  problem: string
}

export type ComposeScreen = {
  name: 'compose'
  title: string
  letter: Omit<Letter, 'to' | 'cc' | 'bcc' | 'subject' | 'text'>
  fields: { to: Field; cc: Field; bcc: Field; subject: Field }
  text: TextField
  focus: 'to' | 'cc' | 'bcc' | 'subject' | 'text'
  showCopies: boolean
  /** Whom it goes to, and whether each has a key; empty until that was looked up. */
  recipients: Recipient[]
  /** The candidates that Tab goes through, and what was typed before; null while it goes through none. */
  offered: { typed: Field; candidates: { name: string; address: string }[]; place: number } | null
  /** Since when it differs from its draft, by this terminal's clock; null if it does not. */
  changedAt: number | null
  /** When it was kept as a draft. */
  keptAt: number | null
  /** The text as it came back signed. */
  signed: string | null
  /** What is wrong with the addresses, and with which. */
  problem: { said: string; addresses: string[] } | null
  /** Doubts that the person had and set aside. */
  asked: string[]
  /** It is being sent or signed, or lies in the editor: keys wait. */
  busy: boolean
}

/** What wants the key, and what for. Which window opens, and which key means the same again, hangs on the verb. */
export type KeyUse = { verb: 'Decrypt' | 'Sign' | 'Send' | 'Certificate' | 'Unlock'; about: string }

/** The windows in which the key is asked for. */
export type UnlockScreen = {
  name: 'unlock'
  verb: KeyUse['verb']
  about: string
  passphrase: Secret
  choice: 'passphrase' | 'read' | 'sign' | 'cancel'
  methods: string[]
  problem: string
  busy: boolean
}
export type InUseScreen = {
  name: 'inUse'
  verb: KeyUse['verb']
  by: Holder
  step: 'error' | 'confirm'
  problem: string
  busy: boolean
}
export type ApprovalScreen = {
  name: 'approval'
  scope: 'read' | 'sign'
  address: string
  code: string
  /** By this terminal's clock, Unix milliseconds. */
  endsAt: number
  qr: boolean[][]
}

export type MenuItem = {
  /** A few cells before the text, of the same width in all items. */
  when?: string
  text: string
  detail?: string
  choose?: () => void
  remove?: () => void
  retry?: () => void
  save?: () => void
  /** Saves it to Files. */
  file?: () => void
}
/** A list of things other than mail: terminals, keys, attachments, folders, the key log. */
export type MenuScreen = {
  name: 'menu'
  title: string
  intro: string[]
  items: MenuItem[]
  cursor: number
  loading: boolean
  load(): Promise<{ items: MenuItem[]; intro?: string[] } | null>
  /** It shows something of what was decrypted: it closes with the key. */
  isSecret: boolean
}
/** A folder of the box of files. */
export type FilesScreen = {
  name: 'files'
  /** Its path; empty for the box itself. */
  folder: string
  entries: FileEntry[]
  /** In octets; null until it is known. */
  space: { used: number; quota: number } | null
  cursor: number
  /** The name that the cursor goes to once the folder is loaded. */
  seek: string
  loading: boolean
  /** What is done with the file that is chosen; null where none is to be. */
  take: ((file: BoxFile) => void) | null
}
/** Text to read: the source of a mail, an attachment. */
export type TextScreen = {
  name: 'text'
  title: string
  /** A line of ours above the text, on every page. */
  intro: string
  content: { text: string }
  /** Saves it to a file, where it came as one. */
  save?: (() => void) | undefined
  top: number
  isSecret: boolean
}
/** Keys that came with a mail, one after the other: each is accepted, or not, at the end of what is said of it. */
export type OfferScreen = {
  name: 'offer'
  keys: OfferedKey[]
  place: number
  top: number
  /** The end of what is said of this one was on the screen. */
  isRead: boolean
  accept(key: OfferedKey): Promise<boolean>
  isSecret: boolean
}
export type HelpScreen = {
  name: 'help'
  filter: Field
  top: number
  rows: { keys: string; name: string; does: string }[]
}
/** S1040-S1070: no session starts. */
export type UntrustedScreen = { name: 'untrusted'; sentences: string[] }

export type AnyScreen =
  | LoginScreen
  | ListScreen
  | MessageScreen
  | ComposeScreen
  | UnlockScreen
  | InUseScreen
  | ApprovalScreen
  | MenuScreen
  | FilesScreen
  | TextScreen
  | OfferScreen
  | HelpScreen
  | UntrustedScreen
/** On the stack each has a number of its own, so that a late answer finds its screen or none. */
export type Screen = AnyScreen & { id: number }

/** The windows for secrets and for trust: nothing is asked over them, and nothing comes over them by itself. */
export const isWindow = (screen: AnyScreen | null | undefined): boolean =>
  ['login', 'unlock', 'inUse', 'approval', 'untrusted'].includes(screen?.name ?? '')

/** What the bottom line asks, on the screen with this number and on no other. */
export type Prompt = { screen: number } & (
  | {
      kind: 'line'
      label: string
      field: Field
      /** Nothing of it is drawn. */
      isSecret?: boolean
      complete(text: string): string[] | Promise<Completion>
      done(text: string): void
    }
  | { kind: 'choice'; question: string; answers: Record<string, () => void> }
)

export type Undo = { label: string; until: number; run: () => Promise<void> }

export type State = {
  user: string | null
  server: string
  /** Screens name keys as they are bound. */
  keymap: Keymap
  session: SessionView | null
  /** When the key was used last, and ends at the latest, by this terminal's clock; null while it is not open here. */
  key: { usedAt: number; endsAt: number; idleMs: number; scope: string } | null
  folders: Folder[]
  screens: Screen[]
  prompt: Prompt | null
  /** It goes by itself at `until`, by this terminal's clock; a problem stays until a key is pressed. */
  notice: { text: string; isProblem: boolean; isKept: boolean; until: number } | null
  /** The server did not answer last time: how things stand with the key is not known. */
  isOffline: boolean
  /** What is waited for. */
  busy: string
  undo: Undo | null
  now: number
}

export type Action =
  | { type: 'pushed'; screen: Screen }
  | { type: 'popped'; id: number }
  | { type: 'replaced'; screens: Screen[] }
  | { type: 'changed'; id: number; change: Partial<AnyScreen> }
  | { type: 'loggedIn'; user: string }
  | { type: 'session'; session: SessionView | null; now: number }
  | { type: 'keyUsed'; now: number }
  | { type: 'keyClosed' }
  | { type: 'folders'; folders: Folder[] }
  | { type: 'rows'; id: number; offset: number; rows: Row[]; end: boolean; total: number | null }
  | { type: 'rowsChanged'; change(row: Row): Row | null }
  | { type: 'prompt'; prompt: Prompt | null }
  | { type: 'notice'; text: string; isProblem?: boolean; isKept?: boolean; until?: number }
  | { type: 'offline' }
  | { type: 'busy'; what: string }
  | { type: 'undo'; undo: Undo | null }
  | { type: 'tick'; now: number }

export const start = (server: string, keymap: Keymap, now: number): State => ({
  user: null,
  server,
  keymap,
  session: null,
  key: null,
  folders: [],
  screens: [],
  prompt: null,
  notice: null,
  isOffline: false,
  busy: '',
  undo: null,
  now,
})

export const reduce = (state: State, action: Action): State => {
  switch (action.type) {
    case 'pushed':
      return { ...state, screens: [...state.screens, action.screen], prompt: null }
    case 'popped':
      return {
        ...state,
        screens: state.screens.filter(({ id }) => id !== action.id),
        prompt: state.prompt?.screen === action.id ? null : state.prompt,
      }
    case 'replaced':
      return { ...state, screens: action.screens, prompt: null }
    case 'changed':
      return onScreen(state, action.id, (screen) => ({ ...screen, ...action.change }) as Screen)
    case 'loggedIn':
      // Of somebody else nothing stays.
      return state.user === null || state.user === action.user
        ? { ...state, user: action.user, session: null, key: null }
        : { ...start(state.server, state.keymap, state.now), user: action.user }
    case 'session':
      return {
        ...state,
        session: action.session,
        key: keyOf(state, action.session, action.now),
        isOffline: false,
        now: action.now,
      }
    case 'offline':
      return { ...state, isOffline: true }
    case 'keyUsed':
      return state.key ? { ...state, key: { ...state.key, usedAt: action.now } } : state
    case 'keyClosed':
      return { ...state, key: null, session: state.session && { ...state.session, allowance: null } }
    case 'folders':
      return { ...state, folders: action.folders }
    case 'rows':
      return onScreen(state, action.id, (screen) =>
        screen.name === 'list' ? withRows(screen, action) : screen,
      )
    case 'rowsChanged':
      return { ...state, screens: state.screens.map((screen) => changedRows(screen, action.change)) }
    case 'prompt': {
      const top = state.screens.at(-1)
      // Who went on to another screen is not asked there.
      if (action.prompt && (top?.id !== action.prompt.screen || isWindow(top))) return state
      return { ...state, prompt: action.prompt, notice: null }
    }
    case 'notice':
      return {
        ...state,
        notice: action.text
          ? {
              text: action.text,
              isProblem: action.isProblem ?? false,
              isKept: action.isKept ?? false,
              until: action.until ?? Number.POSITIVE_INFINITY,
            }
          : null,
      }
    case 'busy':
      return { ...state, busy: action.what }
    case 'undo':
      return { ...state, undo: action.undo }
    case 'tick':
      return {
        ...state,
        now: action.now,
        undo: state.undo && state.undo.until > action.now ? state.undo : null,
      }
  }
}

const onScreen = (state: State, id: number, change: (screen: Screen) => Screen): State => ({
  ...state,
  screens: state.screens.map((screen) => (screen.id === id ? change(screen) : screen)),
})

/** The server's clock may differ from ours: what it says is taken as lengths of time, counted from now. */
const keyOf = (state: State, session: SessionView | null, now: number): State['key'] => {
  const allowance = session?.allowance
  if (!allowance) return null
  const before = state.session?.allowance
  const idleMs = allowance.idle_s * 1000
  if (state.key && before && before.granted_at === allowance.granted_at)
    return state.key.idleMs === idleMs ? state.key : { ...state.key, usedAt: now, idleMs }
  const lengthMs = Date.parse(allowance.expires_at) - Date.parse(allowance.granted_at)
  return { usedAt: now, endsAt: now + lengthMs, idleMs, scope: allowance.scope }
}

/** Milliseconds until the key closes by itself; null while it is not open here. */
export const keyLeftMs = ({ key, now }: State): number | null =>
  key && Math.max(0, Math.min(key.endsAt, key.usedAt + key.idleMs) - Math.max(key.usedAt, now))

const withRows = (
  screen: ListScreen & { id: number },
  { offset, rows, end, total }: Extract<Action, { type: 'rows' }>,
): Screen => {
  const all = new Map(screen.rows)
  for (const [place, row] of rows.entries()) all.set(offset + place, row)
  const known = total ?? (end ? offset + rows.length : screen.total)
  const cursor = known === null ? screen.cursor : Math.max(0, Math.min(screen.cursor, known - 1))
  return { ...screen, rows: all, total: known, cursor }
}

/** Applies a change to a mail wherever it is listed; null takes it out, and what follows moves up. */
const changedRows = (screen: Screen, change: (row: Row) => Row | null): Screen => {
  if (screen.name === 'message') {
    const row = change(screen.row)
    return row ? { ...screen, row } : screen
  }
  if (screen.name !== 'list') return screen
  const rows = new Map<number, Row>()
  let gone = 0
  let goneBeforeCursor = 0
  const marks = new Set(screen.marks)
  for (const place of [...screen.rows.keys()].sort((a, b) => a - b)) {
    const before = screen.rows.get(place)!
    const row = change(before)
    if (row) rows.set(place - gone, row)
    else {
      gone += 1
      if (place < screen.cursor) goneBeforeCursor += 1
      marks.delete(before.id)
    }
  }
  const total = screen.total === null ? null : screen.total - gone
  const last = total === null ? Number.POSITIVE_INFINITY : Math.max(0, total - 1)
  const isEmptied = screen.isEmptied || (gone > 0 && total === 0)
  const cursor = Math.min(screen.cursor - goneBeforeCursor, last)
  return { ...screen, rows, total, marks, cursor, isEmptied }
}
