/**
 * The terminal client in line mode: for blind people, for those who like ed and edbrowse, for serial lines and dumb
 * terminals. Numbered choices, labelled lines, one question at a time; nothing is drawn anew, nothing moves, no colours.
 * Nothing is printed unasked: what happened meanwhile is told in one line before the next prompt.
 *
 * A mail cannot pass for Wafer: what we know of it is said before its text, its text is indented, and the lines around
 * it carry two words drawn for this run.
 */
import type { EventEmitter } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import {
  type Client,
  type Folder,
  type LogPage,
  Problem,
  type Row,
  type SessionView,
  type TerminalView,
  Unreachable,
  Untrusted,
} from './client.ts'
import {
  Abandoned,
  type Command,
  commandIn,
  counted,
  Dialogue,
  EndOfInput,
  type EndSignal,
  helpOn,
  type Input,
  type Output,
} from './dialogue.ts'
import {
  type Attachment,
  blank,
  draftOf,
  forwardOf,
  fromMailto,
  type Letter,
  replyTo,
  type Source,
} from './letter.ts'
import { type Desk, isYes, LetterTalk, sizeInWords } from './plain-letter.ts'
import { harmless } from './text.ts'

export type PlainOptions = {
  client: Client
  /** What this terminal calls itself at the server. */
  terminal: string
  /** The server counts the key of this terminal as left behind when it hears nothing for so long. */
  heartbeat_s: number
  user?: string | undefined
  /** A mailto: link to begin a letter with. */
  mailto?: string | undefined
  input: Input
  output: Output
  /** Where SIGINT, SIGTERM and SIGHUP come from. */
  signals?: EventEmitter
}

const contactEveryMs = 15_000
const undoMs = 60_000
const pageSize = 10
/** The end does not wait longer for the server. */
const farewellMs = 5000

/**
 * Speaks with a person until they leave.
 *
 * @returns the exit code: 0 after a proper end, 1 if nobody logged in or the server cannot be reached or trusted,
 *   128 and the signal's number after a signal
 */
export const runPlain = (options: PlainOptions): Promise<number> => new Plain(options).run()

type Listed = { row: Row; folder: string }
type List = {
  title: string
  folder: string | null
  words: string
  rows: Listed[]
  next: string | null
  /** The first row of the page that is shown. */
  first: number
}
type View = Source & { folder: string; part: string | null; number: number | null }
type Use = { verb: string; about: string; scope: 'read' | 'sign' }
/** A wrong call: a sentence, and nothing was done. */
class Wrong extends Error {}
class LoggedOut extends Error {}

class Plain implements Desk {
  readonly client: Client
  readonly talk: Dialogue
  readonly #terminal: string
  readonly #heartbeatS: number
  #user: string
  readonly #mailto: string | undefined
  #session: SessionView | null = null
  #folders: Folder[] = []
  #folder = 'Inbox'
  #list: List | null = null
  #view: View | null = null
  readonly #marked = new Map<number, Listed>()
  #letter: LetterTalk | null = null
  #undo: { label: string; untilMs: number; run: () => Promise<unknown> } | null = null
  /** What wanted the key when it was in use elsewhere: the same again asks whether to stop that use. */
  #pressed: string | null = null
  /** By our clock: the server's may differ. */
  #key: { grantedAt: string; usedAtMs: number; endsAtMs: number; idleMs: number } | null = null
  #stoppedTold = ''
  #newestInInbox: number | null = null
  #inboxCount = ''
  #terminals: TerminalView[] = []
  #correspondents: { fingerprint: string }[] = []
  #shownFolders: string[] = []
  /** What a number alone chooses from: the list that was read out last. */
  #choices: 'mails' | 'folders' = 'mails'
  #logNext: string | null = null
  #wantsOut = false

  constructor({ client, terminal, heartbeat_s, user, mailto, input, output, signals }: PlainOptions) {
    this.client = client
    this.#terminal = terminal
    this.#heartbeatS = heartbeat_s
    this.#user = user ?? ''
    this.#mailto = mailto
    this.talk = new Dialogue({ input, output, ...(signals ? { signals } : {}) })
  }

  async run(): Promise<number> {
    const contact = setInterval(() => void this.#contact(), contactEveryMs)
    const ended = this.talk.ended.then((signal) => ({ signal }))
    const spoken = this.#speak().then((code) => ({ code }))
    spoken.catch(() => undefined) // where a signal was first
    try {
      const end = await Promise.race([ended, spoken])
      const isSaved = await this.#farewell()
      if ('signal' in end) return 128 + { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }[end.signal satisfies EndSignal]
      return isSaved ? end.code : 1
    } finally {
      clearInterval(contact)
      this.talk.close()
      this.client.close()
    }
  }

  async #speak(): Promise<number> {
    const { talk } = this
    try {
      talk.say(`Wafer, in plain lines, with ${this.client.server.host}.`)
      if (!(await this.#logIn())) return 1
      talk.say(`You are logged in as ${harmless(this.#user)}. Type a question mark for what can be done.`)
      talk.say(`Lines around the text of a mail carry the words ${talk.word}: no mail can know them.`)
      await this.#refresh()
      if (this.#mailto !== undefined) await this.#guarded(() => this.#fromLink(this.#mailto!))
      else await this.#guarded(() => this.#openFolder('Inbox'))
      await this.#commands()
      return 0
    } catch (error) {
      if (error instanceof EndOfInput) return this.client.token === null ? 1 : 0
      if (error instanceof Abandoned || error instanceof LoggedOut) return 1
      if (error instanceof Untrusted) {
        talk.say('No encrypted communication with the server was established.')
        talk.say(error.message)
        talk.say('Nothing was sent, and no session was begun.')
        return 1
      }
      if (!(error instanceof Problem || error instanceof Unreachable)) throw error
      talk.say(error.message)
      return 1
    }
  }

  /** The letter goes to Drafts, the key is locked, the session ends. @returns false if the letter could not be kept */
  async #farewell(): Promise<boolean> {
    const letter = this.#letter
    const keep = async () => {
      if (!letter || letter.isKept) return
      try {
        await letter.keep()
        this.talk.say('The letter that you were writing is in Drafts.')
      } catch (error) {
        if (!(error instanceof Problem || error instanceof Unreachable)) throw error
        this.talk.say(`The letter that you were writing could not be kept. ${error.message}`)
      }
    }
    const leave = async () => {
      await keep()
      if (this.client.token === null) return
      await this.client.logOut()
      this.talk.say('The key is locked, and you are logged out.')
    }
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, farewellMs)
    })
    await Promise.race([leave().catch(() => undefined), late])
    clearTimeout(timer)
    return !letter || letter.isKept
  }

  // ---- the session

  /** @param again who was logged in before, and only they may go on here */
  async #logIn(again?: string): Promise<boolean> {
    const { talk, client } = this
    const isKnown = again !== undefined || this.#user !== ''
    for (let tries = 0; tries < 3; tries += 1) {
      const user =
        isKnown && tries === 0
          ? this.#user
          : again === undefined
            ? (await talk.ask('User ID: ')).trim()
            : again
      if (user === '') continue
      const password = await talk.secret(`Password of ${harmless(user)}, not shown: `)
      try {
        const session = await client.logIn(user, password, this.#terminal, this.#heartbeatS)
        this.#user = session.user
        this.#session = null
        this.#key = null
        return true
      } catch (error) {
        if (!(error instanceof Problem)) throw error
        talk.say(error.message)
      }
    }
    return false
  }

  async calling<T>(work: () => Promise<T>): Promise<T> {
    for (;;)
      try {
        return await work()
      } catch (error) {
        if (!(error instanceof Problem) || error.code !== 'no-session') throw error
        this.client.token = null
        this.client.keyToken = null
        this.#forgetKey()
        this.talk.say('Your session has ended. Log in again, and you go on where you were.')
        if (!(await this.#logIn(this.#user))) throw new LoggedOut('You are not logged in.')
        this.talk.say('You are logged in again. The key is locked.')
      }
  }

  complain(error: unknown): void {
    const isForPeople =
      error instanceof Problem ||
      error instanceof Unreachable ||
      error instanceof Wrong ||
      error instanceof LoggedOut
    if (!isForPeople) throw error
    this.talk.say(error.message)
  }

  /** Tells the server that this terminal is there, and keeps what is being typed; says nothing. */
  async #contact() {
    if (this.client.token === null) return
    try {
      this.#session = await this.client.session()
      await this.#letter?.keep()
    } catch (error) {
      // It shows at the next prompt.
      if (!(error instanceof Problem || error instanceof Unreachable || error instanceof Untrusted))
        throw error
    }
  }

  /** What is to be known before the next prompt. */
  async #refresh() {
    const [session, folders] = await this.calling(() =>
      Promise.all([this.client.session(), this.client.folders()]),
    )
    this.#session = session
    this.#folders = folders
    const { stopped, allowance } = session
    const wasOpen = this.#key !== null
    this.#takeKey(session)
    if (stopped && stopped.at !== this.#stoppedTold) {
      this.#stoppedTold = stopped.at
      this.client.keyToken = null
      const { terminal, address } = stopped.by
      this.talk.say(
        `${harmless(terminal)} at ${harmless(address)} stopped the use of your key here. If that was not you, look at terminals and change your password. ${moment(stopped.at)}`,
      )
      this.#forgetKey()
    } else if (wasOpen && !allowance) {
      this.talk.say('Your key is locked again: its time is over.')
      this.#forgetKey()
    }
    await this.#lookForMail()
  }

  async #lookForMail() {
    const inbox = this.#folders.find(({ kind }) => kind === 'inbox')
    if (!inbox) return
    const count = `${inbox.total} ${inbox.unread}`
    if (count === this.#inboxCount) return
    this.#inboxCount = count
    const { messages } = await this.calling(() => this.client.messages(inbox.name, { limit: 50 }))
    const known = this.#newestInInbox
    const news = messages.filter(({ id, seen }) => known !== null && id > known && !seen).length
    this.#newestInInbox = Math.max(known ?? 0, ...messages.map(({ id }) => id))
    if (news > 0) this.talk.say(`${counted(news, 'new mail')} in ${harmless(inbox.name)}.`)
  }

  /** The server's clock may differ from ours: what it says is taken as lengths of time. */
  #takeKey({ allowance }: SessionView) {
    if (!allowance || this.#key?.grantedAt === allowance.granted_at) return
    const lengthMs = Date.parse(allowance.expires_at) - Date.parse(allowance.granted_at)
    const usedAtMs = Date.now()
    const idleMs = allowance.idle_s * 1000
    this.#key = { grantedAt: allowance.granted_at, usedAtMs, endsAtMs: usedAtMs + lengthMs, idleMs }
  }

  /** Plaintext does not outlive the key here; what was printed is with the terminal. */
  #forgetKey() {
    this.#key = null
    this.client.keyToken = null
    if (this.#view) this.#view = { ...this.#view, opened: null, part: null }
  }

  keyInWords(): string {
    if (this.#key) {
      const { usedAtMs, idleMs, endsAtMs } = this.#key
      const minutes = Math.max(0, Math.ceil((Math.min(usedAtMs + idleMs, endsAtMs) - Date.now()) / 60_000))
      return `key open for ${minutes} min`
    }
    const elsewhere = this.#session?.in_use
    return elsewhere ? `key in use at ${harmless(elsewhere.terminal).slice(0, 40)}` : 'key locked'
  }

  // ---- the key

  async withKey<T>(use: Use, work: () => Promise<T>): Promise<T | null> {
    for (;;)
      try {
        const result = await this.calling(work)
        if (this.#key) this.#key.usedAtMs = Date.now()
        this.#pressed = null
        return result
      } catch (error) {
        if (!(error instanceof Problem)) throw error
        if (error.code === 'key-in-use') {
          if (!(await this.#takeOver(use, error.by))) return null
        } else if (error.code === 'allowance-required') {
          if (!(await this.#openKey(use))) return null
        } else throw error
      }
  }

  /** S2000-S2100: the error, which asks for the same again; then the confirmation; then the unlock window. */
  async #takeOver(use: Use, by: Problem['by']): Promise<boolean> {
    const { talk } = this
    const who = harmless(by?.terminal ?? 'Another terminal')
    const when = by ? `since ${moment(by.since)}, last use ${moment(by.last_used)}` : 'now'
    if (this.#pressed !== use.verb) {
      this.#pressed = use.verb
      talk.say('Key in use elsewhere.')
      talk.say(`${who} is using your key: ${when}. Only one terminal may use it at a time.`)
      talk.say(`Type ${use.verb} again to stop that use and go on here.`)
      return false
    }
    this.#pressed = null
    talk.say('Stop the other use?')
    talk.say(
      `Yes stops at once the use of your key by ${who} (${when}). Then your passphrase is asked for here. No changes nothing.`,
    )
    if (!isYes(await talk.ask('Type yes or no: '))) {
      talk.say('Nothing was changed.')
      return false
    }
    await this.calling(() => this.client.stop())
    talk.say('The other use is stopped.')
    return this.#openKey(use)
  }

  /** The unlock window (S1240). @returns whether the key is open now */
  async #openKey(use: Use): Promise<boolean> {
    const { talk, client } = this
    talk.say('Secret key use.')
    talk.say(
      `${use.about}, the key needs your passphrase. Nothing that you type is shown. Enter alone asks for approval on your phone; Ctrl-C cancels.`,
    )
    const passphrase = await talk.secret('Passphrase: ')
    try {
      if (passphrase === '') return await this.#approve(use.scope)
      await this.calling(() => client.unlock(passphrase))
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      if (error.code === 'key-in-use') return this.#takeOver(use, error.by)
      talk.say(error.message)
      return false
    }
    await this.#opened()
    return true
  }

  async #opened() {
    this.#pressed = null
    this.#session = await this.client.session()
    this.#key = null
    this.#takeKey(this.#session)
    this.talk.say(`The key is open${this.#session.allowance?.scope === 'read' ? ', for reading only' : ''}.`)
  }

  /** Somebody's touch on a phone opens the key here (RFC 10027). */
  async #approve(scope: 'read' | 'sign'): Promise<boolean> {
    const { talk, client } = this
    const { address, code } = await this.calling(() => client.askApproval(scope))
    talk.say('Approve on your phone. Open this address there and log in:')
    talk.say(harmless(address))
    talk.say('Find the request of this terminal there, and type this code:')
    talk.say(harmless(code).split('').join(' '))
    talk.say(
      scope === 'read'
        ? 'It then reads mail here for 15 minutes; signing needs an approval of its own.'
        : 'It then reads and signs here.',
    )
    talk.say('The code is valid for two minutes.')
    try {
      for (;;) {
        const answer = (await talk.ask('Type check once you approved, or no to give up: ')).trim()
        if (/^n(o)?$/i.test(answer)) break
        if (!/^(c|check)?$/i.test(answer)) {
          talk.say('Please type check or no.')
          continue
        }
        const state = await client.approval()
        if (state === 'granted') {
          await this.#opened()
          return true
        }
        if (state === 'pending') talk.say('Not approved yet.')
        else {
          talk.say(
            state === 'denied'
              ? 'The request was denied on the phone, or the code was wrong three times. The key stays closed.'
              : 'The request is over: nobody approved it in time. The key stays closed.',
          )
          return false
        }
      }
    } catch (error) {
      await client.lock().catch(() => undefined) // nobody waits for it any more
      throw error
    }
    await client.lock()
    talk.say('The request is taken back. The key stays closed.')
    return false
  }

  async unlock(scope?: 'read' | 'sign'): Promise<void> {
    const use: Use = { verb: 'unlock', about: 'To go on', scope: scope ?? 'sign' }
    const { in_use, allowance } = await this.calling(() => this.client.session())
    if (allowance && this.client.keyToken !== null) return this.talk.say('The key is open already.')
    if (in_use) await this.#takeOver(use, in_use)
    else if (scope) await this.#approve(scope)
    else await this.#openKey(use)
  }

  async lock(): Promise<void> {
    await this.calling(() => this.client.lock())
    this.#forgetKey()
    this.talk.say('Your key is locked.')
  }

  // ---- commands

  async #commands() {
    const { talk } = this
    const table = this.#table()
    let abandoned = 0
    while (!this.#wantsOut) {
      try {
        await this.#refresh()
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error
        talk.say(error.message)
      }
      let line: string
      try {
        line = (await talk.ask(this.#prompt())).trim()
      } catch (error) {
        if (!(error instanceof Abandoned)) throw error
        abandoned += 1
        if (abandoned > 1) return
        talk.say('Ctrl-C once more, or quit, leaves Wafer.')
        continue
      }
      abandoned = 0
      await this.#guarded(() => this.#do(table, line))
    }
  }

  /** What fails is said, and the prompt comes again. */
  async #guarded(work: () => Promise<unknown>) {
    try {
      await work()
    } catch (error) {
      if (error instanceof LoggedOut) throw error
      if (error instanceof Abandoned) this.talk.say('Cancelled.')
      else this.complain(error)
    }
  }

  async #do(table: Command[], line: string) {
    const { talk } = this
    if (line === '') return talk.hasMore ? talk.more() : undefined
    if (/^\d{1,6}$/.test(line)) {
      this.#pressed = null
      if (this.#choices === 'mails') return this.#open(line)
      return this.#openFolder(
        this.#shownFolders[Number(line) - 1] ?? fail('There is no folder with that number.'),
      )
    }
    const found = commandIn(table, line)
    if (typeof found === 'string') return talk.say(found)
    const [name] = found.command.words.split(' ')
    if (name !== this.#pressed && name !== 'help') this.#pressed = null
    await found.command.run(found.rest)
  }

  #prompt(): string {
    const unread = this.#folders.find(({ name }) => name === this.#folder)?.unread ?? 0
    const parts = [harmless(this.#folder).slice(0, 40)]
    if (unread) parts.push(`${unread} unread`)
    if (this.#marked.size) parts.push(`${this.#marked.size} marked`)
    return `${[...parts, this.keyInWords()].join(', ')}> `
  }

  #table(): Command[] {
    const { talk } = this
    const row = (words: string, usage: string, does: string, run: Command['run']): Command => ({
      words,
      usage,
      does,
      run,
    })
    return [
      row('list', '', 'lists the newest mails of the folder anew', () => this.#openFolder(this.#folder)),
      row('next n', '', 'lists the next, older mails', () => this.#page(1)),
      row('previous p', '', 'lists the mails before', () => this.#page(-1)),
      row('open', 'NUMBER', 'opens a mail; its number alone does the same', (rest) => this.#open(rest)),
      row('more', '', 'reads on in a text; Enter alone does the same', () => talk.more()),
      row('decrypt D', 'NUMBER', 'decrypts the opened mail, or that one', (rest) => this.#decrypt(rest)),
      row('part', 'NUMBER', 'opens an encrypted part of the mail alone', (rest) => this.#openPart(rest)),
      row('compose c m', 'ADDRESSES', 'writes a mail', (rest) => this.#compose(rest)),
      row('reply r', '', 'answers the opened mail', () => this.#reply(false)),
      row('replyall R', '', 'answers its sender and all who got it', () => this.#reply(true)),
      row('forward f', '', 'passes the opened mail on', () => this.#forward()),
      row('resume', '', 'goes on with the opened draft', () => this.#resume()),
      row('delete d', 'NUMBERS', 'deletes mails, such as 1-3,5; those in the Trash for good', (rest) =>
        this.#delete(rest),
      ),
      row('archive e a', 'NUMBERS', 'moves mails to the folder Archive', (rest) =>
        this.#move(`${rest} to Archive`),
      ),
      row('move M', 'NUMBERS to FOLDER', 'moves mails', (rest) => this.#move(rest)),
      row('flag s', 'NUMBERS', 'flags mails, or unflags them', (rest) => this.#flag(rest)),
      row('unread N', 'NUMBERS', 'marks mails as unread, or as read', (rest) => this.#unread(rest)),
      row('mark x t', 'NUMBERS', 'marks mails: commands without numbers then mean them', (rest) =>
        this.#mark(rest),
      ),
      row('unmark', 'NUMBERS', 'takes marks away, all without numbers', (rest) => this.#unmark(rest)),
      row('undo u', '', 'undoes the last command, for 60 seconds; takes back a letter for 15', () =>
        this.#undoLast(),
      ),
      row('search /', 'WORDS', 'finds mails with these words in all folders', (rest) => this.#search(rest)),
      row(
        'limit l',
        'WORDS',
        'lists only mails of this folder with these words; without words, all',
        (rest) => this.#openFolder(this.#folder, rest),
      ),
      row('folders J K', '', 'lists the folders', () => this.#listFolders()),
      row('go o', 'FOLDER', 'goes to a folder, by name or number', (rest) => this.#go(rest)),
      row('newfolder', 'NAME', 'makes a folder', (rest) => this.#newFolder(rest)),
      row('attachments v', '', 'lists the attachments of the opened mail', () => this.#listAttachments()),
      row('save', 'NUMBER FILE', 'saves an attachment', (rest) => this.#save(rest)),
      row('raw E', 'FILE', 'reads out the source of the mail, or saves it', (rest) => this.#raw(rest)),
      row('details !', '', 'says all about the signature', () => this.#details()),
      row('headers h', '', 'reads out all header fields', () => this.#headers()),
      row('unlock', '', 'opens the key with your passphrase', () => this.unlock()),
      row(
        'approve',
        'sign',
        'opens the key by approval on your phone, for reading, or for signing too',
        (rest) => this.unlock(rest.trim() === 'sign' ? 'sign' : 'read'),
      ),
      row('lock', '', 'locks the key', () => this.lock()),
      row('z', '', 'locks the key if it is open, else opens it', () =>
        this.#key ? this.lock() : this.unlock(),
      ),
      row('terminals', '', 'lists the terminals that are logged in', () => this.#listTerminals()),
      row('end', 'NUMBER', 'logs a terminal out', (rest) => this.#endTerminal(rest)),
      row('keys', '', 'says which keys and passkeys you have', () => this.#keys()),
      row('log', 'more', 'reads out every use of your key, the newest first', (rest) => this.#keyLog(rest)),
      row('correspondents', '', 'lists the keys of others that you accepted', () =>
        this.#listCorrespondents(),
      ),
      row('accept', 'NUMBER or FILE', 'accepts a key from an attachment or a file', (rest) =>
        this.#accept(rest),
      ),
      row('forget', 'NUMBER', 'removes an accepted key', (rest) => this.#forget(rest)),
      row('help ?', 'WORD', 'lists the commands that have to do with a word, or all', (rest) => {
        talk.say('A number alone opens the mail with that number.')
        for (const line of helpOn(this.#table(), rest)) talk.say(line)
      }),
      row('quit q', '', 'locks the key, logs out and leaves', () => {
        this.#wantsOut = true
      }),
    ]
  }

  // ---- lists

  async #openFolder(name: string, words = '') {
    this.#list = { title: harmless(name), folder: name, words, rows: [], next: null, first: 0 }
    this.#folder = name
    this.#view = null
    this.#marked.clear()
    await this.#fetch(null)
    this.#showPage()
  }

  async #fetch(before: string | null) {
    const list = this.#list!
    const q = list.words || null
    const page = await this.calling(() => this.client.messages(list.folder!, { limit: pageSize, before, q }))
    list.rows.push(...page.messages.map((row) => ({ row, folder: list.folder! })))
    list.next = page.next
  }

  async #page(step: 1 | -1) {
    const list = this.#list ?? fail('There is no list yet; type list.')
    const first = list.first + step * pageSize
    if (first < 0) throw new Wrong('These are the newest mails.')
    if (first >= list.rows.length) {
      if (list.next === null) throw new Wrong('There are no older mails in this list.')
      await this.#fetch(list.next)
    }
    list.first = first
    this.#showPage()
  }

  #showPage() {
    const { title, folder, words, rows, next, first } = this.#list!
    const { talk } = this
    this.#choices = 'mails'
    const shown = rows.slice(first, first + pageSize)
    const about = words ? ` with ${harmless(words)}` : ''
    const total =
      folder !== null && !words ? this.#folders.find(({ name }) => name === folder)?.total : undefined
    if (shown.length === 0) return talk.say(words ? `${title}: no mail${about}.` : `${title}: no mail here.`)
    const of = total === undefined ? '' : ` of ${Math.max(total, rows.length)}`
    talk.say(`${title}${about}: mails ${first + 1} to ${first + shown.length}${of}.`)
    for (const [place, { row, folder: where }] of shown.entries())
      talk.say(
        `${first + place + 1}. ${rowInWords(row, this.#kindOf(where), folder === null ? where : null)}`,
      )
    if (next !== null || rows.length > first + pageSize) talk.say('Type next for older mails.')
  }

  #kindOf(folder: string) {
    return this.#folders.find(({ name }) => name === folder)?.kind ?? 'user'
  }

  async #search(words: string) {
    const wanted = words || (await this.talk.ask('Search for: ')).trim()
    if (wanted === '') return
    const rows: Listed[] = []
    for (const { name } of this.#folders) {
      const { messages } = await this.calling(() => this.client.messages(name, { limit: 20, q: wanted }))
      rows.push(...messages.map((row) => ({ row, folder: name })))
    }
    rows.sort((a, b) => Date.parse(b.row.date) - Date.parse(a.row.date))
    this.#list = { title: 'All folders', folder: null, words: wanted, rows, next: null, first: 0 }
    this.#view = null
    this.#marked.clear()
    this.#showPage()
    if (rows.length === 0) this.talk.say('The text of encrypted mail is not searched.')
  }

  async #listFolders() {
    this.#folders = await this.calling(() => this.client.folders())
    this.#shownFolders = this.#folders.map(({ name }) => name)
    this.#choices = 'folders'
    for (const [place, { name, total, unread }] of this.#folders.entries())
      this.talk.say(
        `${place + 1}. ${harmless(name)}: ${unread ? `${unread} unread of ${total}` : counted(total, 'mail')}`,
      )
    this.talk.say('A number goes to that folder.')
  }

  async #go(text: string) {
    const wanted = text || (await this.talk.ask('To which folder? ')).trim()
    if (wanted === '') return
    await this.#openFolder(this.#folderNamed(wanted))
  }

  #folderNamed(text: string): string {
    const names = this.#folders.map(({ name }) => name)
    const wanted = text.trim().toLowerCase()
    const exact = names.find((name) => name.toLowerCase() === wanted)
    if (exact !== undefined) return exact
    const numbered = /^\d{1,4}$/.test(wanted) ? this.#shownFolders[Number(wanted) - 1] : undefined
    if (numbered !== undefined) return numbered
    const near = names.filter((name) => name.toLowerCase().startsWith(wanted))
    if (near.length === 1) return near[0]!
    if (near.length > 1) throw new Wrong(`That could be ${near.map(harmless).join(' or ')}.`)
    throw new Wrong(
      `There is no folder ${harmless(text)}; type folders, or newfolder and its name to make it.`,
    )
  }

  async #newFolder(name: string) {
    const wanted = name || (await this.talk.ask('Name of the folder: ')).trim()
    if (wanted === '') return
    await this.calling(() => this.client.createFolder(wanted))
    this.#folders = await this.calling(() => this.client.folders())
    this.talk.say(`The folder ${harmless(wanted)} is made.`)
  }

  // ---- which mails

  /** Mails by `1-3,5` or `all`; without that the marked ones, or the one that is open. What follows is given back. */
  #chosen(text: string): { mails: Listed[]; rest: string } {
    const [, numbers = '', rest = ''] = /^\s*((?:all\b|[\d][\d\s,-]*)?)(.*)$/s.exec(text)!
    const list = this.#list?.rows ?? []
    if (numbers.trim() === 'all') return { mails: list.slice(), rest }
    if (numbers.trim() !== '') {
      const mails = numbersIn(numbers).map(
        (number) => list[number - 1] ?? fail(`There is no mail ${number} in this list. Nothing was done.`),
      )
      return { mails, rest }
    }
    if (this.#marked.size > 0) return { mails: [...this.#marked.values()], rest }
    const { came } = this.#view ?? fail('Which mails? Give their numbers, such as 1-3,5, or open one first.')
    const known = list.find(({ row }) => row.id === came.id)
    if (known) return { mails: [known], rest }
    throw new Wrong('The opened mail is not in this list; give numbers.')
  }

  #mark(text: string) {
    const { mails } = this.#chosen(text)
    for (const mail of mails) this.#marked.set(mail.row.id, mail)
    this.talk.say(`${counted(this.#marked.size, 'mail')} marked.`)
  }

  #unmark(text: string) {
    if (text.trim() === '') this.#marked.clear()
    else for (const { row } of this.#chosen(text).mails) this.#marked.delete(row.id)
    this.talk.say(`${counted(this.#marked.size, 'mail')} marked.`)
  }

  // ---- what is done to mails

  #did(label: string, run: () => Promise<unknown>) {
    this.#undo = { label, untilMs: Date.now() + undoMs, run }
    this.talk.say(`${label} Undo takes that back.`)
  }

  async #undoLast() {
    const undo = this.#undo
    if (!undo || undo.untilMs < Date.now())
      throw new Wrong('There is nothing to undo: only the last command of the last 60 seconds can be undone.')
    await this.calling(undo.run)
    if (this.#undo === undo) this.#undo = null
  }

  async #delete(text: string) {
    const { mails } = this.#chosen(text)
    const trash = this.#folders.find(({ kind }) => kind === 'trash')?.name ?? 'Trash'
    const gone = mails.filter(({ folder }) => folder === trash)
    if (gone.length === 0) return this.#moveTo(mails, trash, 'to the Trash')
    if (gone.length < mails.length)
      throw new Wrong('Some of these are in the Trash already. Nothing was done.')
    if (!isYes(await this.talk.ask(`Delete ${counted(gone.length, 'mail')} for good? Type yes or no: `)))
      return this.talk.say('Nothing was deleted.')
    for (const { row } of gone) await this.calling(() => this.client.remove(row.id))
    this.#takeOut(gone)
    this.talk.say(`${counted(gone.length, 'mail')} deleted for good.`)
  }

  async #move(text: string) {
    const { mails, rest } = this.#chosen(text)
    const to = rest.trim().replace(/^to\b\s*/i, '')
    if (to === '') throw new Wrong('To which folder? Such as: move 1-3 to Archive.')
    if (to === 'Archive' && !this.#folders.some(({ name }) => name === to)) await this.#newFolder(to)
    const folder = this.#folderNamed(to)
    await this.#moveTo(mails, folder, `moved to ${harmless(folder)}`)
  }

  async #moveTo(mails: Listed[], to: string, how: string) {
    const before = new Map<string, number[]>()
    for (const { row, folder } of mails) before.set(folder, [...(before.get(folder) ?? []), row.id])
    const ids = mails.map(({ row }) => row.id)
    await this.calling(() => this.client.mark(ids, { folder: to }))
    this.#takeOut(mails, to)
    this.#did(`${counted(mails.length, 'mail')} ${how}.`, async () => {
      for (const [folder, of] of before) await this.client.mark(of, { folder })
      for (const [folder, of] of before) this.#relocate(of, folder)
      this.talk.say(`${counted(ids.length, 'mail')} back where they were.`)
    })
  }

  /** Numbers stay as they were read out: a mail that went keeps its own until the list is read out anew. */
  #takeOut(mails: Listed[], to?: string) {
    const ids = mails.map(({ row }) => row.id)
    if (to !== undefined) this.#relocate(ids, to)
    for (const id of ids) this.#marked.delete(id)
    if (this.#view && ids.includes(this.#view.came.id)) this.#view = null
  }

  #relocate(ids: number[], folder: string) {
    for (const each of this.#list?.rows ?? []) if (ids.includes(each.row.id)) each.folder = folder
  }

  async #flag(text: string) {
    const { mails } = this.#chosen(text)
    const flagged = mails.some(({ row }) => !row.flagged)
    await this.#change(mails, { flagged }, flagged ? 'flagged' : 'no longer flagged')
  }

  async #unread(text: string) {
    const { mails } = this.#chosen(text)
    const seen = mails.some(({ row }) => !row.seen)
    await this.#change(mails, { seen }, seen ? 'marked as read' : 'marked as unread')
  }

  async #change(mails: Listed[], change: { seen?: boolean; flagged?: boolean }, how: string) {
    const member = change.seen === undefined ? 'flagged' : 'seen'
    const value = change[member]!
    const changing = mails.filter(({ row }) => row[member] !== value)
    const set = async (to: boolean) => {
      await this.client.mark(
        changing.map(({ row }) => row.id),
        { [member]: to },
      )
      for (const { row } of changing) row[member] = to
    }
    if (changing.length) await this.calling(() => set(value))
    this.#did(`${counted(mails.length, 'mail')} ${how}.`, async () => {
      if (changing.length) await set(!value)
      this.talk.say('Undone.')
    })
  }

  // ---- one mail

  #current(): View {
    return this.#view ?? fail('Open a mail first: type its number.')
  }

  #numbered(text: string): { listed: Listed; number: number } {
    const number = Number(/^\s*(\d{1,6})\s*$/.exec(text)?.[1] ?? fail('Give the number of a mail.'))
    const listed = this.#list?.rows[number - 1] ?? fail(`There is no mail ${number} in this list.`)
    return { listed, number }
  }

  async #open(text: string) {
    const { listed, number } = this.#numbered(text)
    await this.#fetchMail(listed, number)
    this.#showMail()
  }

  async #fetchMail(listed: Listed, number: number) {
    const came = await this.calling(() => this.client.message(listed.row.id))
    listed.row.seen = true
    listed.folder = came.folder
    this.#view = { came, opened: null, folder: came.folder, part: null, number }
  }

  /** What we know comes before what the sender wrote. */
  #showMail() {
    const view = this.#current()
    const { came, opened, number, folder } = view
    const { talk } = this
    const mail = opened ?? came
    const place = number === null ? 'Mail' : `Mail ${number}`
    talk.say(`${place} in ${harmless(folder)}. State: ${stateOf(view)}`)
    const people = (list: { name: string; address: string }[]) =>
      list
        .map(({ name, address }) => harmless(name && name !== address ? `${name} <${address}>` : address))
        .join(', ')
    talk.say(`From: ${people(mail.from)}`)
    if (mail.to.length) talk.say(`To: ${people(mail.to)}`)
    if (mail.cc.length) talk.say(`Cc: ${people(mail.cc)}`)
    talk.say(`Subject: ${harmless(mail.headers.subject ?? '') || '(no subject)'}`)
    if (mail.headers.date) talk.say(`Date: ${harmless(mail.headers.date)}`)
    if (mail.attachments.length)
      talk.say(`${counted(mail.attachments.length, 'attachment')}; type attachments to list them.`)
    for (const [index, { name }] of mail.isolated.entries())
      talk.say(`Encrypted part ${index + 1}: ${harmless(name)}; type part ${index + 1} to open it alone.`)
    if (came.security === 'encrypted' && !opened) {
      talk.say(
        this.#kindOf(folder) === 'drafts'
          ? 'Type resume to go on with this draft, decrypt to read it.'
          : 'Type decrypt to read it, more for the text as it came.',
      )
      return talk.offer(mail.text)
    }
    if (this.#kindOf(folder) === 'drafts') talk.say('Type resume to go on with this draft.')
    talk.text(mail.text)
  }

  async #decrypt(text: string) {
    if (text.trim() !== '') {
      const { listed, number } = this.#numbered(text)
      if (this.#view?.came.id !== listed.row.id) await this.#fetchMail(listed, number)
    }
    const view = this.#current()
    const [only, another] = view.came.isolated
    // Nothing at the root to open: no passphrase is asked for it.
    if (view.came.security !== 'encrypted') {
      if (!only) return this.talk.say('This mail is not encrypted: this is all of it.')
      if (another) throw new Wrong('This mail has several encrypted parts: type part and a number.')
      return this.#openAlone(view, only.id)
    }
    await this.#openAlone(view, null)
  }

  async #openPart(text: string) {
    const view = this.#current()
    const part = (view.opened ?? view.came).isolated[Number(text) - 1]
    await this.#openAlone(view, part?.id ?? fail('There is no encrypted part with that number.'))
  }

  async #openAlone(view: View, part: string | null) {
    const use = {
      verb: part === null ? 'decrypt' : this.#pressed === 'part' ? 'part' : 'decrypt',
      about: 'To open this mail',
      scope: 'read',
    } as const
    const opened = await this.withKey(use, () => this.client.decrypt(view.came.id, part ?? undefined))
    if (!opened) return
    this.#view = { ...view, opened, part }
    this.#showMail()
  }

  #headers() {
    const { came, opened } = this.#current()
    for (const [name, value] of Object.entries((opened ?? came).headers))
      for (const line of value.split('\n')) this.talk.say(`${harmless(name)}: ${harmless(line)}`)
  }

  #details() {
    const { came, opened } = this.#current()
    const { status, key, by, at, reason } = (opened ?? came).signature
    const { talk } = this
    if (status === 'none') return talk.say('There is no signature.')
    talk.say(`Signature: ${status}`)
    if (by) talk.say(`Signed by: ${harmless(by)}`)
    if (key) talk.say(`Key: ${grouped(key)}`)
    if (reason) talk.say(`Why: ${harmless(reason)}`)
    if (at) talk.say(`Signed at: ${moment(at)}`)
  }

  #attachmentsOf(view: View) {
    return (view.opened ?? view.came).attachments
  }

  #listAttachments() {
    const attachments = this.#attachmentsOf(this.#current())
    if (attachments.length === 0) return this.talk.say('This mail has no attachments.')
    for (const [place, { name, type, size }] of attachments.entries())
      this.talk.say(`Attachment ${place + 1}: ${harmless(name)}, ${harmless(type)}, ${sizeInWords(size)}`)
    this.talk.say('Type save, a number and a file name to save one.')
  }

  async #attachment(number: string): Promise<Attachment | null> {
    const view = this.#current()
    const { id, type, name } =
      this.#attachmentsOf(view)[Number(number) - 1] ?? fail('There is no attachment with that number.')
    const use = { verb: 'save', about: 'To open this attachment', scope: 'read' } as const
    const part = await this.withKey(use, () => this.client.part(view.came.id, id, view.part ?? undefined))
    return part && { name: part.name || name, type, octets: part.octets }
  }

  async #save(text: string) {
    const [, number = '', path = ''] =
      /^\s*(\d{1,4})\s*(.*?)\s*$/.exec(text) ?? fail('Give the number of an attachment.')
    const found = await this.#attachment(number)
    if (!found) return
    const usual = fileNameOf(found.name)
    const asked = path || (await this.talk.ask(`File (Enter for ${usual}): `)).trim()
    await this.#write(asked || usual, found.octets)
  }

  /** What is there already stays. */
  async #write(path: string, octets: Uint8Array) {
    const file = path.replace(/^~(?=\/)/, homedir())
    try {
      await writeFile(file, octets, { flag: 'wx', mode: 0o600 })
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EEXIST')
        throw new Wrong(`${harmless(file)} is there already. Nothing was written; choose another name.`)
      throw new Wrong(`${harmless(file)} cannot be written (${code}).`)
    }
    this.talk.say(`${sizeInWords(octets.length)} written to ${harmless(file)}.`)
  }

  async #raw(path: string) {
    const { came } = this.#current()
    const octets = await this.calling(() => this.client.raw(came.id))
    if (path.trim() !== '') return this.#write(path.trim(), octets)
    this.talk.text(Buffer.from(octets).toString('utf8'))
  }

  // ---- letters

  async #compose(to: string) {
    await this.#converse({ ...blank, to }, to ? ['cc', 'subject', 'text'] : ['to', 'cc', 'subject', 'text'])
  }

  async #fromLink(link: string) {
    const letter = fromMailto(link) ?? fail('This is not a mailto: link.')
    this.talk.say('A letter from a link. Whatever stands in it came from there.')
    this.talk.say(`To: ${letter.to}`)
    if (letter.cc || letter.bcc)
      this.talk.say(`Copies: ${[letter.cc, letter.bcc].filter(Boolean).join(', ')}`)
    this.talk.say(`Subject: ${letter.subject}`)
    await this.#converse(letter, [])
  }

  async #reply(all: boolean) {
    const { letter, notes } = replyTo(this.#current(), this.#user, all)
    for (const note of notes) this.talk.say(note)
    this.talk.say(`To: ${letter.to}`)
    if (letter.cc) this.talk.say(`Cc: ${letter.cc}`)
    this.talk.say(`Subject: ${letter.subject}`)
    await this.#converse(letter, ['text'])
  }

  async #allAttachments(): Promise<Attachment[] | null> {
    const found: Attachment[] = []
    for (const [place] of this.#attachmentsOf(this.#current()).entries()) {
      const attachment = await this.#attachment(String(place + 1))
      if (!attachment) return null
      found.push(attachment)
    }
    return found
  }

  async #forward() {
    const view = this.#current()
    const isClosed = view.came.security === 'encrypted' && !view.opened
    const attachments = isClosed ? [] : await this.#allAttachments()
    if (!attachments) return
    const { letter, notes } = forwardOf(view, attachments)
    for (const note of notes) this.talk.say(note)
    this.talk.say(`Subject: ${letter.subject}`)
    if (attachments.length) this.talk.say(`${counted(attachments.length, 'attachment')} go with it.`)
    await this.#converse(letter, ['to', 'cc', 'text'])
  }

  async #resume() {
    const view = this.#current()
    if (this.#kindOf(view.folder) !== 'drafts') throw new Wrong('This mail is not a draft.')
    if (view.came.security === 'encrypted' && !view.opened) {
      const use = { verb: 'resume', about: 'To open this draft', scope: 'read' } as const
      const opened = await this.withKey(use, () => this.client.decrypt(view.came.id))
      if (!opened) return
      this.#view = { ...view, opened }
    }
    const attachments = await this.#allAttachments()
    if (attachments) await this.#converse(draftOf(this.#current(), attachments), [])
  }

  async #converse(letter: Letter, questions: ('to' | 'cc' | 'subject' | 'text')[]) {
    const talk = new LetterTalk(this, letter)
    this.#letter = talk
    const sent = await talk.write(questions)
    this.#letter = null
    this.#pressed = null
    if (!sent || sent.held_until === null) return
    const { id } = sent
    this.#undo = {
      label: 'The letter was sent.',
      untilMs: Date.now() + undoMs,
      run: async () => {
        const { id: draft } = await this.client.recall(id)
        this.#undo = null
        this.talk.say('The letter did not leave: it is yours again.')
        await this.#converse({ ...talk.letter, draft }, [])
      },
    }
  }

  async edit(text: string): Promise<string | null> {
    const { talk } = this
    if (!talk.isTerminal) {
      talk.say('An editor needs a terminal, and this is none. Type text instead.')
      return null
    }
    const { edited } = await import('./editor.ts')
    const result = await talk.lent(() => edited(text))
    if ('failed' in result) {
      talk.say(result.failed)
      return null
    }
    return result.text
  }

  // ---- terminals, keys, log

  async #listTerminals() {
    this.#terminals = await this.calling(() => this.client.terminals())
    for (const [place, each] of this.#terminals.entries()) {
      const marks = [each.this ? 'this terminal' : '', each.holds_key ? 'has the key open' : ''].filter(
        Boolean,
      )
      const state = marks.length ? `${marks.join(', ')}. ` : ''
      this.talk.say(
        `${place + 1}. ${state}${harmless(each.terminal)} at ${harmless(each.address)}. Last seen ${moment(each.last_contact)}, since ${moment(each.since)}`,
      )
    }
    this.talk.say('Type end and a number to log one out.')
  }

  async #endTerminal(text: string) {
    if (this.#terminals.length === 0) await this.#listTerminals()
    const found =
      this.#terminals[Number(text) - 1] ??
      fail('Which terminal? Type end and its number in the list of terminals.')
    if (found.this) throw new Wrong('This is the terminal that you sit at: quit logs it out.')
    await this.calling(() => this.client.endTerminal(found.id))
    this.#terminals = []
    this.talk.say(`${harmless(found.terminal)} is logged out.`)
  }

  async #keys() {
    const { talk } = this
    const keys = await this.calling(() => this.client.keys())
    if (keys.length === 0) talk.say('You have no key yet. The operator of this server can make one for you.')
    for (const key of keys) {
      talk.say(`Your key: ${grouped(key.fingerprint)}`)
      talk.say(`For: ${key.aliases.map(harmless).join(', ')}`)
      talk.say(`Kind: ${harmless(key.algorithm)}, opened by ${key.methods.map(harmless).join(', ')}`)
      talk.say(
        `Made: ${moment(key.created)}${key.expires ? `, expires ${moment(key.expires)}` : ', does not expire'}`,
      )
    }
    const passkeys = await this.calling(() => this.client.passkeys())
    if (passkeys.length === 0) talk.say('You have no passkey.')
    for (const { name, prf, backed_up, created_at, used_at } of passkeys) {
      const opens = prf ? 'Can keep a secret' : 'Cannot keep a secret'
      const where = backed_up ? 'copied to other devices' : 'on one device only'
      talk.say(
        `Passkey: ${harmless(name)}. ${opens}, ${where}. Added ${moment(created_at)}, ${used_at ? `last used ${moment(used_at)}` : 'not used yet'}`,
      )
    }
  }

  async #keyLog(text: string) {
    const isMore = text.trim() !== ''
    if (isMore && this.#logNext === null) throw new Wrong('There is nothing older; type log for the newest.')
    const page = await this.calling(() => this.client.log(isMore ? this.#logNext : null, pageSize))
    this.#logNext = page.next
    if (page.events.length === 0) return this.talk.say('Your key was never used.')
    for (const event of page.events) this.talk.say(eventInWords(event))
    if (page.next !== null) this.talk.say('Type log more for what is older.')
  }

  async #listCorrespondents() {
    const list = await this.calling(() => this.client.correspondents())
    this.#correspondents = list
    if (list.length === 0)
      return this.talk.say('None yet. People of this server need none: their keys count as accepted.')
    for (const [place, { fingerprint, addresses, accepted_at }] of list.entries())
      this.talk.say(
        `${place + 1}. ${addresses.map(harmless).join(', ')}. Key ${grouped(fingerprint)}. Accepted ${moment(accepted_at)}`,
      )
  }

  async #accept(text: string) {
    const { talk } = this
    const wanted = text.trim()
    if (wanted === '') throw new Wrong('Type accept and the number of an attachment, or a file.')
    let octets: Uint8Array | undefined
    if (/^\d{1,4}$/.test(wanted)) octets = (await this.#attachment(wanted))?.octets
    else
      octets = await readFile(wanted.replace(/^~(?=\/)/, homedir())).catch((error: NodeJS.ErrnoException) =>
        fail(`${harmless(wanted)} cannot be read (${error.code}).`),
      )
    if (!octets) return
    const armored = Buffer.from(octets).toString('latin1')
    for (const { fingerprint, addresses } of await this.calling(() => this.client.offeredKeys(armored))) {
      talk.say(`Key: ${grouped(fingerprint)}`)
      talk.say(`It will count for: ${addresses.map(harmless).join(', ') || 'no mail address'}`)
      talk.say('Compare the fingerprint with its owner, by telephone or in person, before you accept it.')
      if (!isYes(await talk.ask('Accept this key? Type yes or no: '))) talk.say('It was not accepted.')
      else {
        await this.calling(() => this.client.acceptKey(armored, fingerprint))
        talk.say('The key is accepted.')
      }
    }
  }

  async #forget(text: string) {
    const found =
      this.#correspondents[Number(text) - 1] ??
      fail('Which key? Type correspondents, then forget and a number.')
    await this.calling(() => this.client.forgetKey(found.fingerprint))
    this.#correspondents = []
    this.talk.say('The key is removed.')
  }
}

const fail = (sentence: string): never => {
  throw new Wrong(sentence)
}

/** `1-3,5 7`. @throws Wrong */
const numbersIn = (text: string): number[] => {
  const numbers = new Set<number>()
  for (const range of text
    .replace(/\s*-\s*/g, '-')
    .split(/[\s,]+/)
    .filter(Boolean)) {
    const [, first = '', last = first] =
      /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(range) ?? fail(`${range} is not a number or a range, such as 1-3.`)
    const [from, to] = [Number(first), Number(last || first)]
    if (from < 1 || to < from || to - from > 10_000) fail(`${range} is not a range, such as 1-3.`)
    for (let number = from; number <= to; number += 1) numbers.add(number)
  }
  return [...numbers]
}

/** A row of a list: what we know first, then who and what, the time last. */
const rowInWords = (row: Row, kind: string, folder: string | null): string => {
  const marks = [
    row.seen ? '' : 'unread',
    row.flagged ? 'flagged' : '',
    row.answered ? 'answered' : '',
    row.security === 'plain' ? '' : row.security,
    row.attachments ? counted(row.attachments, 'attachment') : '',
    folder === null ? '' : `in ${harmless(folder)}`,
  ].filter(Boolean)
  const state = marks.length ? `${marks.join(', ')}. ` : ''
  const isOurs = kind === 'sent' || kind === 'drafts'
  const who = isOurs ? `To ${harmless(row.to) || 'nobody'}` : `From ${harmless(row.from) || 'nobody'}`
  const subject = harmless(row.subject) || '(no subject)'
  const line = `${state}${who}: ${subject.length > 200 ? `${subject.slice(0, 200)}...` : subject}. ${moment(row.date)}`
  return line[0]!.toUpperCase() + line.slice(1)
}

const stateOf = ({ came, opened, part }: View): string => {
  const { signature } = opened ?? came
  const sentences = [
    part === null ? '' : 'This is one encrypted part alone, not the mail around it.',
    opened
      ? 'Was encrypted.'
      : came.security === 'encrypted'
        ? 'Encrypted. This is the mail as it came.'
        : '',
    signatureInWords(signature),
  ].filter(Boolean)
  return sentences.join(' ') || 'Neither encrypted nor signed.'
}

const signatureInWords = ({ status, key, by, at, reason }: View['came']['signature']): string => {
  const [who, which] = [by ? harmless(by) : '?', key ? grouped(key.slice(-16)) : '?']
  switch (status) {
    case 'none':
      return ''
    case 'valid':
      return `Signed by ${who}${at ? ` on ${moment(at)}` : ''}, accepted key ${which}.`
    case 'expired':
      return `Signed with the key ${which} of ${who}, which is expired or revoked: do not rely on it.`
    case 'unknown-key':
      return `Signed, but nobody vouches for the key ${which}: you have not accepted it.`
    case 'invalid':
      return `The signature is WRONG: this mail was changed, or it was not signed by this key. ${harmless(reason)}`.trim()
    case 'mismatch':
      return `Signed, but do NOT rely on it. ${harmless(reason)}`.trim()
  }
}

/** What happened, for certain reasons in words of its own. */
const events: Record<string, string> = {
  granted: 'Opened',
  'granted read': 'Opened, for reading only',
  'granted sign': 'Opened',
  used: 'Used',
  'used read': 'Decrypted',
  'used sign': 'Signed',
  refused: 'Refused',
  ended: 'Closed',
  stopped: 'Stopped',
}

const eventInWords = (entry: LogPage['events'][number]): string => {
  const { at, event, terminal, address, method, message, reason } = entry
  const own = events[`${event} ${reason}`]
  const details = [
    method && `by ${harmless(method)}`,
    message && `mail ${message}`,
    own === undefined && reason && harmless(reason).replace(/-/g, ' '),
  ].filter(Boolean)
  const what = [own ?? events[event] ?? harmless(event), ...details].join(', ')
  return `${what}. ${harmless(terminal)} at ${harmless(address)}. ${moment(at)}`
}

const grouped = (fingerprint: string) =>
  harmless(fingerprint)
    .toUpperCase()
    .replace(/(.{4})(?=.)/g, '$1 ')

const months = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')

/** Day and time where the terminal stands; the year where it is another. */
const moment = (time: string): string => {
  const date = new Date(time)
  if (Number.isNaN(date.getTime())) return 'at an unknown time'
  const year = date.getFullYear() === new Date().getFullYear() ? '' : ` ${date.getFullYear()}`
  const [hour, minute] = [date.getHours(), date.getMinutes()].map((number) => String(number).padStart(2, '0'))
  return `${date.getDate()} ${months[date.getMonth()]}${year}, ${hour}:${minute}`
}

/** A sender's name for a file as one in this folder, never hidden and never a path. */
const fileNameOf = (name: string): string => {
  const bare = harmless(name)
    .replace(/^.*[/\\]/, '')
    .replace(/[^\p{L}\p{N}\p{M}._ +()@-]/gu, '_')
    .replace(/^[.\s-]+/, '')
    .trim()
  return bare.slice(0, 120) || 'attachment'
}
