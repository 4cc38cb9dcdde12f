/**
 * The terminal client in line mode: for blind people, for those who like ed and edbrowse, for serial lines and dumb
 * terminals. Numbered choices, labelled lines, one question at a time; nothing is drawn anew, nothing moves, no colours.
 * Nothing is printed unasked: what happened meanwhile is told in one line before the next prompt.
 *
 * A mail cannot pass for Wafer: what we know of it is said before its text, its text is indented, and the lines around
 * it carry two words drawn for this run.
 */
import type { EventEmitter } from 'node:events'
import type { Folder } from '../../server/contract/answers.ts'
import type { Disk } from '../letter/disk.ts'
import { blank, fromMailto, type Letter } from '../letter/letter.ts'
import { harmless } from '../text/text.ts'
import { ledgerOlder, noDisk, sessionOver } from '../text/words.ts'
import { type Client, Problem } from '../wire/client.ts'
import { Unreachable, Untrusted } from '../wire/connection.ts'
import { AccountTalk } from './account.ts'
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
  row,
} from './dialogue.ts'
import { FileTalk } from './files.ts'
import { KeyTalk } from './key.ts'
import { LetterTalk } from './letter.ts'
import { fail, type MailDesk, MailTalk, Wrong } from './mail.ts'

export type PlainOptions = {
  client: Client
  /** What this terminal calls itself at the server. */
  terminal: string
  /** The server counts the key of this terminal as left behind when it hears nothing for so long. */
  heartbeat_s: number
  user?: string | undefined
  /** A mailto: link to begin a letter with. */
  mailto?: string | undefined
  /** What is said of this terminal before anything else. */
  note?: string
  input: Input
  output: Output
  /** Where SIGINT, SIGTERM and SIGHUP come from. */
  signals?: EventEmitter
  /** Null behind SSH, where there is no machine of the person's. */
  disk: Disk | null
  /** Whether somebody logs in here; else the session is there from the beginning, and the client ends with it. */
  hasLogIn: boolean
}

const contactEveryMs = 15_000
/** Whether a letter is to be kept. */
const keepCheckEveryMs = 1000
const undoMs = 60_000
/** The end does not wait longer for the server. */
const farewellMs = 5000

/**
 * Speaks with a person until they leave.
 *
 * @returns the exit code: 0 after a proper end, 1 if nobody logged in or the server cannot be reached or trusted,
 *   128 and the signal's number after a signal
 */
export const runPlain = (options: PlainOptions): Promise<number> => new Plain(options).run()

/** What fails while nothing was asked for shows at the next prompt. @throws what is a fault of ours */
const atTheNextPrompt = (error: unknown): void => {
  if (!(error instanceof Problem || error instanceof Unreachable || error instanceof Untrusted)) throw error
}

class LoggedOut extends Error {}

class Plain implements MailDesk {
  readonly client: Client
  readonly talk: Dialogue
  readonly disk: Disk | null
  readonly #hasLogIn: boolean
  readonly #terminal: string
  readonly #heartbeatS: number
  user: string
  readonly #mailto: string | undefined
  readonly #note: string | undefined
  folders: Folder[] = []
  readonly key = new KeyTalk(this)
  readonly #mail = new MailTalk(this)
  readonly #account = new AccountTalk(this, this.#mail)
  readonly files = new FileTalk(this, this.#mail)
  #letter: LetterTalk | null = null
  #undo: { untilMs: number; run: () => Promise<unknown> } | null = null
  #newestInInbox: number | null = null
  #inboxCount = ''
  #wantsOut = false
  #isLoggedIn: boolean

  constructor(options: PlainOptions) {
    const { client, terminal, heartbeat_s, user, mailto, note, input, output, signals } = options
    this.client = client
    this.disk = options.disk
    this.#hasLogIn = options.hasLogIn
    this.#isLoggedIn = !options.hasLogIn
    this.#terminal = terminal
    this.#heartbeatS = heartbeat_s
    this.user = user ?? ''
    this.#mailto = mailto
    this.#note = note
    this.talk = new Dialogue({ input, output, ...(signals ? { signals } : {}) })
  }

  async run(): Promise<number> {
    const contact = setInterval(() => void this.#contact(), contactEveryMs)
    const keeping = setInterval(() => void this.#keepDue(), keepCheckEveryMs)
    const ended = this.talk.ended.then((signal) => ({ signal }))
    const spoken = this.#speak().then((code) => ({ code }))
    spoken.catch(() => undefined) // where a signal was first
    try {
      const end = await Promise.race([ended, spoken])
      const isSaved = await this.#farewell()
      if ('signal' in end) return 128 + { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }[end.signal satisfies EndSignal]
      return isSaved ? end.code : 1
    } catch (error) {
      await this.#farewell() // nothing typed goes with a bug of ours, and no key stays open
      throw error
    } finally {
      clearInterval(contact)
      clearInterval(keeping)
      this.talk.close()
      this.client.close()
    }
  }

  async #speak(): Promise<number> {
    const { talk } = this
    try {
      talk.say(`Wafer, in plain lines, with ${this.client.server.host}.`)
      if (this.#note !== undefined) talk.say(this.#note)
      // Whether the server can be trusted shows before a password is typed (S1040).
      await this.client.session().catch((error: unknown) => {
        if (!(error instanceof Problem)) throw error
      })
      if (!(await this.#logIn())) return 1
      talk.say(`You are logged in as ${harmless(this.user)}. Type a question mark for what can be done.`)
      talk.say(`Lines around the text of a mail carry the words ${talk.word}: no mail can know them.`)
      await this.#refresh((work) => this.calling(work))
      if (this.#mailto !== undefined) await this.#guarded(() => this.#fromLink(this.#mailto!))
      else await this.#guarded(() => this.#mail.openFolder('Inbox'))
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
        await letter.keeper.keep()
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
    if (!this.#hasLogIn) return again === undefined
    const isKnown = again !== undefined || this.user !== ''
    for (let tries = 0; tries < 3; tries += 1) {
      const known = tries === 0 && isKnown ? this.user : again
      const user = known ?? (await talk.ask('User ID: ')).trim()
      if (user === '') continue
      const password = await talk.secret(`Password of ${harmless(user)}, not shown: `)
      try {
        const session = await client.logIn(user, password, this.#terminal, this.#heartbeatS)
        this.user = session.user
        this.key.begin()
        this.#isLoggedIn = true
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
        this.#isLoggedIn = false
        this.key.forget()
        this.talk.say(
          this.#hasLogIn
            ? 'Your session has ended. Log in again, and you go on where you were.'
            : sessionOver,
        )
        if (!(await this.#logIn(this.user))) throw new LoggedOut('You are not logged in.')
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

  /** Tells the server that this terminal is there; says nothing. */
  async #contact() {
    if (this.client.token === null) return
    try {
      await this.key.listen()
    } catch (error) {
      atTheNextPrompt(error)
    }
  }

  /** Keeps what is being typed, once it has waited long enough; says nothing. */
  async #keepDue() {
    const keeper = this.#letter?.keeper
    if (!keeper?.isDue || this.client.token === null) return
    await keeper.keep().catch(atTheNextPrompt)
  }

  async tidings(): Promise<void> {
    try {
      await this.#refresh((work) => work())
    } catch (error) {
      if (error instanceof Unreachable) return this.talk.say(error.message)
      if (!(error instanceof Problem) || error.code !== 'no-session') throw error
      // Not in the middle of a letter: the next call asks for the log-in.
      if (this.#isLoggedIn) this.talk.say('Your session has ended. What you write is kept here.')
      this.#isLoggedIn = false
      this.key.forget()
    }
  }

  /** Tells what is to be known before the next prompt. */
  async #refresh(calling: <T>(work: () => Promise<T>) => Promise<T>) {
    const [session, folders] = await calling(() =>
      Promise.all([this.client.session(), this.client.folders()]),
    )
    this.folders = folders
    this.key.hear(session)
    if (!session.ledger.complete) this.talk.say(ledgerOlder)
    await this.#lookForMail(calling)
  }

  async #lookForMail(calling: <T>(work: () => Promise<T>) => Promise<T>) {
    const inbox = this.folders.find(({ kind }) => kind === 'inbox')
    if (!inbox) return
    const count = `${inbox.total} ${inbox.unread}`
    if (count === this.#inboxCount) return
    this.#inboxCount = count
    const { messages } = await calling(() => this.client.messages(inbox.name, { limit: 50 }))
    const known = this.#newestInInbox
    const news = messages.filter(({ id, seen }) => known !== null && id > known && !seen).length
    this.#newestInInbox = Math.max(known ?? 0, ...messages.map(({ id }) => id))
    if (news > 0) this.talk.say(`${counted(news, 'new mail')} in ${harmless(inbox.name)}.`)
  }

  keyInWords(): string {
    return this.#isLoggedIn ? this.key.inWords() : 'logged out'
  }

  forgetPlaintext(): void {
    this.#mail.forgetPlaintext()
  }

  async more(): Promise<void> {
    if (this.key.isOpen && !(await this.calling(() => this.client.session())).allowance)
      this.#mail.forgetPlaintext()
    this.talk.more()
  }

  async lookForFolders(): Promise<void> {
    this.folders = await this.calling(() => this.client.folders())
  }

  // ---- commands

  async #commands() {
    const { talk } = this
    const table = this.#table()
    let abandoned = 0
    while (!this.#wantsOut) {
      try {
        await this.#refresh((work) => this.calling(work))
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
    if (line === '') return talk.hasMore ? this.more() : undefined
    if (/^\d{1,6}$/.test(line)) {
      this.key.turnTo(null)
      return this.#mail.choose(line)
    }
    const found = commandIn(table, line)
    if (typeof found === 'string') return talk.say(found)
    const [name] = found.command.words.split(' ')
    if (name !== 'help') this.key.turnTo(name ?? null)
    await found.command.run(found.rest)
  }

  #prompt(): string {
    const unread = this.folders.find(({ name }) => name === this.#mail.folder)?.unread ?? 0
    const parts = [harmless(this.#mail.folder).slice(0, 40)]
    if (unread) parts.push(`${unread} unread`)
    if (this.#mail.marked) parts.push(`${this.#mail.marked} marked`)
    return `${[...parts, this.keyInWords()].join(', ')}> `
  }

  #table(): Command[] {
    const { talk } = this
    return [
      ...this.#mail.commands(),
      row('compose c m', 'ADDRESSES', 'writes a mail', (rest) => this.#compose(rest)),
      row('undo u', '', 'undoes the last command, for 60 seconds; takes back a letter for 15', () =>
        this.#undoLast(),
      ),
      ...this.key.commands(),
      ...this.#account.commands(),
      ...this.files.commands(),
      row('help ?', 'WORD', 'lists the commands that have to do with a word, or all', (rest) => {
        talk.say('A number alone opens the mail with that number.')
        for (const line of helpOn(this.#table(), rest)) talk.say(line)
      }),
      row('quit q', '', 'locks the key, logs out and leaves', () => {
        this.#wantsOut = true
      }),
    ]
  }

  did(sentence: string, undo: () => Promise<unknown>): void {
    this.#undo = { untilMs: Date.now() + undoMs, run: undo }
    this.talk.say(`${sentence} Undo takes that back.`)
  }

  async #undoLast() {
    const undo = this.#undo
    if (!undo || undo.untilMs < Date.now())
      throw new Wrong('There is nothing to undo: only the last command of the last 60 seconds can be undone.')
    await this.calling(undo.run)
    if (this.#undo === undo) this.#undo = null
  }

  // ---- letters

  get waiting(): number {
    return this.key.session?.waiting ?? 0
  }

  async #compose(to: string) {
    await this.converse({ ...blank, to }, to ? ['cc', 'subject', 'text'] : ['to', 'cc', 'subject', 'text'])
  }

  async #fromLink(link: string) {
    const letter = fromMailto(link) ?? fail('This is not a mailto: link.')
    this.talk.say('A letter from a link. Whatever stands in it came from there.')
    this.talk.say(`To: ${letter.to}`)
    if (letter.cc || letter.bcc)
      this.talk.say(`Copies: ${[letter.cc, letter.bcc].filter(Boolean).join(', ')}`)
    this.talk.say(`Subject: ${letter.subject}`)
    await this.converse(letter, [])
  }

  async converse(letter: Letter, questions: ('to' | 'cc' | 'subject' | 'text')[]) {
    const talk = new LetterTalk(this, letter)
    this.#letter = talk
    const sent = await talk.write(questions)
    this.#letter = null
    this.key.turnTo(null)
    if (!sent || sent.held_until === null) return
    this.#undo = {
      untilMs: Date.now() + undoMs,
      run: async () => {
        const draft = await talk.keeper.recall()
        this.#undo = null
        this.talk.say('The letter did not leave: it is yours again.')
        await this.converse({ ...talk.letter, draft }, [])
      },
    }
  }

  async edit(text: string, saved: (text: string) => void): Promise<string | null> {
    const { talk } = this
    if (!talk.isTerminal) {
      talk.say('An editor needs a terminal, and this is none. Type text instead.')
      return null
    }
    if (!this.disk) {
      talk.say(noDisk.editor)
      return null
    }
    const { edited, placeForText } = this.disk
    const { folder, isOnDisk } = await placeForText()
    if (isOnDisk)
      talk.say(`While you edit, the text lies in a file on this machine's disk, in ${harmless(folder)}.`)
    const result = await talk.lent(() => edited(text, { saved }))
    const said = 'text' in result ? result.note : result.failed
    if (said !== undefined) talk.say(harmless(said))
    return 'text' in result ? result.text : null
  }
}
