/**
 * The client at work: it holds the state, gives each key press to the screen on top, and talks to the server. Whatever
 * the server refuses ends in one of three places: a window for the key, the log-in, or a sentence in the bottom line;
 * the screens under it stay as they were, so that one goes on where one was.
 */
import { clockOf, ledgerOlder, noDisk, sessionOver } from '../text/words.ts'
import { type Client, heartbeatS, isProblem, Problem } from '../wire/client.ts'
import { Unreachable, Untrusted } from '../wire/connection.ts'
import { BottomLine } from './bottom-line.ts'
import { edited, emptyField, Secret } from './field.ts'
import { type Conduct, globalCommands } from './global-commands.ts'
import { commandOf, type Keymap, keyFor, keyName } from './keymap.ts'
import type { ScreenKind } from './screen.ts'
import { approval } from './screens/approval.ts'
import { compose } from './screens/compose.ts'
import { files } from './screens/files.ts'
import { help } from './screens/help.ts'
import { inUse } from './screens/in-use.ts'
import { dropLetters, keepDue, keepLetters } from './screens/keep-letter.ts'
import { list, openList } from './screens/list.ts'
import { login } from './screens/login.ts'
import { menu } from './screens/menu.ts'
import { forgotten, message } from './screens/message.ts'
import { offer } from './screens/offer.ts'
import { text } from './screens/text.ts'
import { unlock } from './screens/unlock.ts'
import { untrusted } from './screens/untrusted.ts'
import type { Stage, Surroundings } from './stage.ts'
import {
  type Action,
  type AnyScreen,
  isWindow,
  type KeyUse,
  keyLeftMs,
  reduce,
  type Screen,
  type State,
  start,
} from './state.ts'
import type { Press, Size } from './terminal.ts'
import { TypingAhead } from './typing-ahead.ts'

const kinds = {
  login,
  list,
  message,
  compose,
  unlock,
  inUse,
  approval,
  menu,
  files,
  text,
  offer,
  help,
  untrusted,
} as const

const contactEveryMs = (heartbeatS * 1000) / 4
/** While the key is open here, or nothing is known of it: who takes it over is told soon. */
const keyCheckEveryMs = 5000
/** What can be undone is said for longer. */
const undoNoticeMs = 10_000
const undoMs = 60_000
/** How long an act at the end of the client may take. */
const lastActMs = 1500

const notKept =
  'A letter under this is not kept as a draft. Log in, and it will be; or press ^C again to quit and lose it.'

/** Thrown to leave work whose screen has gone. */
class GivenUp extends Error {}

export class App implements Conduct {
  readonly client: Client
  readonly keymap: Keymap
  readonly surroundings: Surroundings
  #state: State
  #listeners = new Set<() => void>()
  #lastId = 0
  #size: Size = { columns: 80, rows: 24 }
  #endings = new Map<number, (value: unknown) => void>()
  #loggingIn: Promise<void> | null = null
  #timers: NodeJS.Timeout[] = []
  readonly #typing: TypingAhead
  readonly #line: BottomLine
  #stoppedTold = ''
  #inbox: number | null = null
  #isChecking = false
  /** What is said once the screen has gone; null while there is nothing. */
  lastWords: string | null = null
  /** Why no session starts; null while nothing speaks against it. */
  distrust: Untrusted | null = null

  constructor(options: { client: Client; keymap: Keymap; surroundings: Surroundings }) {
    this.client = options.client
    this.keymap = options.keymap
    this.surroundings = options.surroundings
    this.#typing = new TypingAhead(() => this.surroundings.now())
    this.#line = new BottomLine(this, this.#typing)
    this.#state = start(options.client.server.host, options.keymap, options.surroundings.now())
  }

  // ---- state

  get state(): State {
    return this.#state
  }

  snapshot = (): State => this.#state

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  dispatch(action: Action) {
    const next = reduce(this.#state, action)
    if (next === this.#state) return
    this.#state = next
    for (const listener of this.#listeners) listener()
  }

  /** Rows between the title and the two lines at the foot. */
  get bodyRows(): number {
    return Math.max(1, this.#size.rows - 3)
  }

  get size(): Size {
    return this.#size
  }

  /** Told by the frame: what is loaded and how far a page goes depends on it. */
  resized(size: Size) {
    this.#size = size
  }

  /** After a change of size: what the screen shows may reach further than what was loaded. */
  fit() {
    const { top } = this
    if (top?.name === 'list') list.fit(this, top)
  }

  get top(): Screen | null {
    return this.#state.screens.at(-1) ?? null
  }

  kindOf(screen: Screen): ScreenKind<Screen> {
    return kinds[screen.name] as unknown as ScreenKind<Screen>
  }

  note(text: string, how?: { forMs?: number; isKept?: boolean }) {
    this.#line.note(text, how)
  }

  mention(text: string) {
    this.#line.mention(text)
  }

  warn(text: string) {
    this.#line.warn(text)
  }

  askSecret(...asked: Parameters<Stage['askSecret']>) {
    this.#line.askSecret(...asked)
  }

  askLine(...asked: Parameters<Stage['askLine']>) {
    this.#line.askLine(...asked)
  }

  askChoice(...asked: Parameters<Stage['askChoice']>) {
    this.#line.askChoice(...asked)
  }

  // ---- screens

  push(screen: AnyScreen): number {
    this.#lastId += 1
    const put = { ...screen, id: this.#lastId } as Screen
    // Such screens come and go when the server answers, while somebody may be typing for another.
    if (isWindow(put)) this.#typing.windowMoves()
    this.dispatch({ type: 'pushed', screen: put })
    this.kindOf(put).shown?.(this, put)
    return put.id
  }

  /**
   * Puts up a screen for which the server was asked: only over the one from which that was, for what is typed on
   * another meanwhile, a passphrase it may be, is not meant for it.
   *
   * @returns its number; null where one went on to something else
   */
  pushOver(from: number | null, screen: AnyScreen): number | null {
    return this.top?.id === from ? this.push(screen) : null
  }

  /** Puts a screen up and waits for what it ends with; null if it was left. */
  put<T>(screen: AnyScreen): Promise<T | null> {
    return new Promise((resolve) => {
      const id = this.push(screen)
      this.#endings.set(id, resolve as (value: unknown) => void)
    })
  }

  /** Takes a screen away, whether it is on top or not. */
  close(id: number, value: unknown = null) {
    const end = this.#endings.get(id)
    this.#endings.delete(id)
    const { top: before } = this
    const wasTop = before?.id === id
    if (wasTop && isWindow(before)) this.#typing.windowMoves()
    else if (wasTop && 'busy' in before && before.busy) this.#workIsOver()
    this.dispatch({ type: 'popped', id })
    const { top } = this
    if (wasTop && top && !end) this.kindOf(top).shown?.(this, top)
    end?.(value)
  }

  change<S extends AnyScreen>(screen: S & { id: number }, change: Partial<S>) {
    const { top } = this
    if (top?.id === screen.id && !isWindow(top) && 'busy' in top && 'busy' in change) {
      if (change.busy) this.#typing.begins()
      else if (top.busy) this.#workIsOver()
    }
    this.dispatch({ type: 'changed', id: screen.id, change: change as Partial<AnyScreen> })
  }

  /** Of a screen that might have asked for the passphrase. */
  #workIsOver() {
    if (this.#typing.noWindowCame())
      this.mention('What you typed meanwhile was left out: nothing asked for it.')
  }

  /** The screen as it is by now; null once it is closed. */
  current<S extends AnyScreen>(screen: S & { id: number }): (S & { id: number }) | null {
    return (
      (this.#state.screens.find(({ id }) => id === screen.id) as (S & { id: number }) | undefined) ?? null
    )
  }

  // ---- the session

  /** Shows the log-in; then the Inbox. */
  begin(user: string, mailto: (() => void) | null) {
    void this.#logIn({ user, again: null }).then(() => {
      if (mailto) mailto()
    })
    // Whether the server can be trusted shows before anything is typed.
    void this.client.session().catch((error: unknown) => {
      if (error instanceof Untrusted) this.refuse(error)
      else if (error instanceof Unreachable) this.warn(error.message)
    })
    this.#beginTimers()
  }

  /** Begins with a session that is there already. */
  enter(user: string, mailto: (() => void) | null) {
    this.dispatch({ type: 'loggedIn', user })
    openList(this, 'Inbox')
    void this.contact()
    mailto?.()
    this.#beginTimers()
  }

  #beginTimers() {
    this.#timers.push(setInterval(() => this.#tick(), 1000))
    this.#timers.push(setInterval(() => void this.contact(), contactEveryMs))
    this.#timers.push(
      setInterval(() => {
        if (!this.#isChecking && (this.#state.key || this.#state.isOffline)) void this.checkKey()
      }, keyCheckEveryMs),
    )
  }

  /** S1040-S1070: nothing goes on with a server that cannot be trusted. */
  refuse(error: Untrusted) {
    this.distrust = error
    this.lastWords = error.message
    const sentences = [error.message, 'Nothing was sent, and no session was begun.']
    for (const timer of this.#timers.splice(0)) clearInterval(timer)
    this.dispatch({ type: 'replaced', screens: [] })
    this.push({ name: 'untrusted', sentences })
  }

  async #logIn({ user, again }: { user: string; again: string | null }): Promise<void> {
    if (!this.surroundings.hasLogIn) {
      this.lastWords ??= sessionOver
      void this.end(1)
      throw new GivenUp()
    }
    this.#loggingIn ??= this.put<string>({
      name: 'login',
      user: edited(emptyField(), { name: '', text: user }) ?? emptyField(),
      password: new Secret(),
      focus: user ? 'password' : 'user',
      busy: false,
      again,
      problem: '',
      isWarned: false,
    }).then((loggedIn) => {
      this.#loggingIn = null
      if (loggedIn === null) throw new GivenUp()
      const isOther = again !== null && again !== loggedIn
      if (isOther) this.#forgetUser()
      this.dispatch({ type: 'loggedIn', user: loggedIn })
      if (again === null || isOther) {
        this.dispatch({ type: 'replaced', screens: [] })
        openList(this, 'Inbox')
      } else this.note(`Logged in again as ${loggedIn}: everything is as you left it.`)
      void this.contact()
      if (isOther) throw new GivenUp()
    })
    return this.#loggingIn
  }

  /**
   * Tells the server that this terminal is there, and hears what became of the key meanwhile.
   *
   * @returns whether there was an answer
   */
  async checkKey(): Promise<boolean> {
    const { user } = this.#state
    if (user === null || this.top?.name === 'login') return false
    const { token, keyToken } = this.client
    this.#isChecking = true
    try {
      const session = await this.client.session()
      // What a lock, an unlock or another user overtook says nothing about now.
      if (this.client.token !== token || this.client.keyToken !== keyToken) return true
      if (this.#state.isOffline) this.mention('The connection is back.')
      const hadKey = this.#state.key !== null
      this.dispatch({ type: 'session', session, now: this.surroundings.now() })
      if (session.stopped && session.stopped.at !== this.#stoppedTold) {
        this.#stoppedTold = session.stopped.at
        this.client.keyToken = null
        const { terminal, address } = session.stopped.by
        this.warn(
          `${clockOf(session.stopped.at)}: ${terminal} (${address}) stopped the use of your key here. If that was not you: ${keyFor(this.keymap, 'global', 'terminals')}, and change your password.${this.#stays}`,
        )
        this.#forgetOpened()
      } else if (hadKey && !session.allowance) {
        this.client.keyToken = null
        this.mention(`The key has closed.${this.#stays}`)
        this.#forgetOpened()
      }
      if (!session.ledger.complete) this.warn(ledgerOlder)
      return true
    } catch (error) {
      this.#heardNothing(error)
      return false
    } finally {
      this.#isChecking = false
    }
  }

  #heardNothing(error: unknown) {
    if (error instanceof Untrusted) this.refuse(error)
    else if (error instanceof Unreachable) {
      // Said once; the line of the key says it until there is a connection again.
      if (!this.#state.isOffline) this.warn(error.message)
      this.dispatch({ type: 'offline' })
    } else if (isProblem(error, 'no-session')) void this.ask(() => this.client.session())
  }

  /** Hears how things stand with the key, and with the folders. */
  async contact(): Promise<void> {
    if (!(await this.checkKey())) return
    try {
      const { user } = this.#state
      const folders = await this.client.folders()
      if (this.#state.user !== user) return
      this.dispatch({ type: 'folders', folders })
      const inbox = folders.find(({ kind }) => kind === 'inbox')?.total ?? 0
      if (this.#inbox !== null && inbox > this.#inbox) this.mention('New mail has come.')
      this.#inbox = inbox
      const { top } = this
      const counted = top?.name === 'list' && folders.find(({ name }) => name === top.folder)
      if (top && counted && !top.query && !top.limit && top.thread === null && counted.total !== top.total)
        if (top.total === null)
          // Where it is not known, the first page came before the folders did.
          this.dispatch({ type: 'rows', id: top.id, offset: 0, rows: [], end: false, total: counted.total })
        else kinds.list.shown(this, top as never)
    } catch (error) {
      this.#heardNothing(error)
    }
  }

  /** Plaintext of a mail does not outlive the key on the screen of an unattended terminal; what one typed does. */
  #forgetOpened() {
    for (const screen of this.#state.screens)
      if (screen.name === 'message' && screen.opened) this.change(screen, forgotten(this.keymap))
      else if ('isSecret' in screen && screen.isSecret) this.close(screen.id)
  }

  /** What is said where the key closes and a letter that quotes something secret stays on the screen. */
  get #stays(): string {
    const stays = this.#state.screens.some((screen) => screen.name === 'compose' && screen.letter.isSecret)
    return stays ? ' The letter that you write stays as it is.' : ''
  }

  /** Somebody else sits here now. */
  #forgetUser() {
    for (const screen of this.#state.screens) if (screen.name === 'unlock') screen.passphrase.clear()
    this.#endings.clear()
    dropLetters(this)
    this.client.keyToken = null
    this.#inbox = null
    this.#stoppedTold = ''
    this.#line.forget()
  }

  #tick() {
    const now = this.surroundings.now()
    const left = keyLeftMs({ ...this.#state, now })
    if (left === 0) {
      this.dispatch({ type: 'keyClosed' })
      this.client.keyToken = null
      this.mention(`The key has closed: its time is over.${this.#stays}`)
      this.#forgetOpened()
    }
    keepDue(this)
    this.#line.tick(now)
    const shows = this.#state.key || this.#state.undo || this.top?.name === 'approval'
    if (shows) this.dispatch({ type: 'tick', now })
  }

  /** Keeps what is being written, locks, logs out and ends. */
  async end(code = 0): Promise<void> {
    for (const timer of this.#timers.splice(0)) clearInterval(timer)
    // Keeping a letter must not be what keeps the session alive.
    for (const last of [() => keepLetters(this), () => this.client.logOut()])
      if (this.client.token)
        await Promise.race([
          last().catch(() => undefined),
          new Promise((resolve) => setTimeout(resolve, lastActMs)),
        ])
    this.surroundings.exit(code)
  }

  // ---- work with the server

  /**
   * Asks the server. Where the session has ended, one logs in again and the work is done then.
   *
   * @returns null if it was refused; the bottom line says why
   */
  async ask<T>(work: () => Promise<T>, busy = ''): Promise<T | null> {
    this.#typing.asks()
    // What is answered at once is not announced.
    const timer = busy ? setTimeout(() => this.dispatch({ type: 'busy', what: busy }), 150) : null
    try {
      return await this.#asked(work)
    } catch (error) {
      if (!(error instanceof GivenUp)) this.complain(error)
      return null
    } finally {
      if (timer) clearTimeout(timer)
      if (this.#state.busy) this.dispatch({ type: 'busy', what: '' })
    }
  }

  /** Asks the server for an act. @returns whether it was done; if not, the bottom line says why */
  async does(act: () => Promise<unknown>, busy = ''): Promise<boolean> {
    const done = await this.ask(async () => {
      await act()
      return true
    }, busy)
    return done ?? false
  }

  async #asked<T>(work: () => Promise<T>): Promise<T> {
    const { user } = this.#state
    for (;;) {
      const { token } = this.client
      const isOther = () => user !== null && this.#state.user !== user
      try {
        const result = await work()
        // Who asked for it does not sit here any more.
        if (isOther()) throw new GivenUp()
        return result
      } catch (error) {
        if (isOther()) throw new GivenUp()
        // What is refused may have been refused for what became of the key meanwhile.
        if (error instanceof Problem && [403, 409].includes(error.status)) void this.checkKey()
        if (!isProblem(error, 'no-session') || user === null) throw error
        // Another request may have led through the log-in already.
        if (this.client.token !== token && !this.#loggingIn) continue
        this.client.token = null
        this.client.keyToken = null
        this.dispatch({ type: 'keyClosed' })
        this.#forgetOpened()
        await this.#logIn({ user, again: user })
      }
    }
  }

  /** Says what went wrong. */
  complain(error: unknown) {
    if (error instanceof Untrusted) return this.refuse(error)
    if (error instanceof Unreachable) this.dispatch({ type: 'offline' })
    if (error instanceof Problem || error instanceof Unreachable) return this.warn(error.message)
    throw error
  }

  /**
   * Work that uses the key: where it is closed, the windows that open it come first (S1240, S2000), then the work.
   *
   * @returns null if it was refused or the windows were left
   */
  async withKey<T>(use: KeyUse, work: () => Promise<T>): Promise<T | null> {
    const from = this.top
    return this.ask(async () => {
      for (;;)
        try {
          const result = await work()
          this.dispatch({ type: 'keyUsed', now: this.surroundings.now() })
          return result
        } catch (error) {
          if (!(error instanceof Problem)) throw error
          void this.checkKey() // it is not as the line of the key says
          // Who left before the answer came is asked for nothing.
          if (from && !this.current(from)) throw new GivenUp()
          if (error.code === 'key-in-use') await this.#takeOver(use.verb, error.by)
          else if (error.code !== 'allowance-required') throw error
          if (!(await this.openKey(use, error.methods))) throw new GivenUp()
        }
    })
  }

  /** A window, which no other one may hide: what is typed would be typed into the wrong one. */
  #window<T>(screen: AnyScreen): Promise<T | null> {
    if (isWindow(this.top)) throw new GivenUp()
    return this.put<T>(screen)
  }

  /** S2000-S2100: the error, the same again, the confirmation; then the other use is stopped. */
  async #takeOver(verb: KeyUse['verb'], holder: Problem['by']): Promise<void> {
    const by = holder ?? { terminal: 'Another terminal', since: '', last_used: '' }
    if (!(await this.#window<boolean>({ name: 'inUse', verb, by, step: 'error', problem: '', busy: false })))
      throw new GivenUp()
    void this.contact() // the status line no longer names the other terminal
  }

  /** The unlock window. @returns whether the key is open now */
  async openKey(use: KeyUse, methods?: string[]): Promise<boolean> {
    const opened = await this.#window<boolean>({
      name: 'unlock',
      ...use,
      passphrase: new Secret(),
      choice: 'passphrase',
      methods: methods ?? ['passphrase', 'approval'],
      problem: '',
      busy: false,
    })
    if (!opened) return false
    const session = await this.client.session()
    this.dispatch({ type: 'session', session, now: this.surroundings.now() })
    return true
  }

  /** z: locks the key where it is open, and opens it where it is not. */
  async toggleKey(): Promise<void> {
    if (this.#state.key) {
      if (!(await this.does(() => this.client.lock()))) return
      this.dispatch({ type: 'keyClosed' })
      this.#forgetOpened()
      this.note(`The key is locked.${this.#stays}`)
      return
    }
    await this.ask(async () => {
      const held = (await this.client.session()).in_use
      if (held) await this.#takeOver('Unlock', held)
      if (await this.openKey({ verb: 'Unlock', about: '' })) this.note('The key is open.')
    })
  }

  /** Mails were moved here: the counts change without new mail. */
  async moved(): Promise<void> {
    this.#inbox = null
    await this.contact()
  }

  /** What lists show is no longer what there is. */
  reloadLists() {
    for (const screen of this.#state.screens) if (screen.name === 'list') list.shown(this, screen)
  }

  // ---- undo

  done(label: string, run: () => Promise<void>) {
    this.dispatch({ type: 'undo', undo: { label, until: this.surroundings.now() + undoMs, run } })
    const [key = 'u'] = this.keymap.global.undo?.keys ?? []
    this.note(`${label} ${keyName(key)} undoes it.`, { forMs: undoNoticeMs, isKept: true })
  }

  async undo() {
    const { undo } = this.#state
    if (!undo || undo.until <= this.surroundings.now())
      return this.note('There is nothing to undo: what was done lies more than 60 seconds back.')
    this.dispatch({ type: 'undo', undo: null })
    await this.ask(undo.run)
  }

  // ---- keys

  /** What came in one piece: nobody confirms with a piece of many keys. */
  pressAll(presses: Press[]) {
    if (presses.length > 1 && this.top?.name === 'inUse') return
    for (const press of presses) {
      this.press(press)
      // Nor does it answer a question that its first keys brought up.
      if (presses.length > 1 && this.#state.prompt?.kind === 'choice') return
    }
  }

  /** A key press, for the prompt, the screen's fields or the keymap, in this order. */
  press(press: Press) {
    if (!this.#typing.counts() && press.name !== 'ctrl-c' && press.name !== 'ctrl-z') return
    const { top } = this
    // What a window does not wait for anything with is meant for it.
    if (top && isWindow(top) && !('busy' in top && top.busy)) this.#typing.begins()
    this.#typing.pressing(() => this.#pressed(press))
  }

  #pressed(press: Press) {
    const { top } = this
    if (press.name === 'ctrl-z') return this.suspend()
    if (press.name === 'ctrl-c') return this.leave()
    if (this.#state.prompt) return this.#line.answer(press)
    if (!top) return
    if (this.#state.notice) this.dispatch({ type: 'notice', text: '' })
    const kind = this.kindOf(top)
    if (kind.type?.(this, top, press)) return
    const command = commandOf(this.keymap, kind.context, press.name)
    if (command === 'back' && press.name === 'esc') this.back({ quits: false })
    else if (command) this.run(command)
    else if (press.name.length > 0)
      this.note(
        `${keyName(press.name)} does nothing here; ${keyFor(this.keymap, kind.context, 'help')} is the help.`,
      )
  }

  suspend() {
    const { stopProcess } = this.surroundings
    if (stopProcess) void stopProcess().then(() => this.contact())
    else this.note(noDisk.suspend)
  }

  paste(text: string) {
    if (this.#typing.isStray) return
    const { prompt } = this.#state
    const { top } = this
    if (prompt?.kind === 'line') {
      const field = edited(prompt.field, { name: '', text: text.replace(/\s+/g, ' ') })
      if (field) this.dispatch({ type: 'prompt', prompt: { ...prompt, field } })
    } else if (top && !prompt) this.kindOf(top).paste?.(this, top, text)
  }

  /** Does a command, whether a key or its name called it. */
  run(command: string) {
    const { top } = this
    if (!top) return
    const kind = this.kindOf(top)
    if (Object.hasOwn(this.keymap[kind.context], command)) return kind.run(this, top, command)
    if (isWindow(top) && !['back', 'quit', 'redraw', 'help'].includes(command)) return
    globalCommands[command]?.(this, top)
  }

  /** Leaves the screen on top, or first what narrows it; from the first one the client, if that is wanted. */
  back(how: { quits: boolean } = { quits: true }) {
    const { top } = this
    if (!top || this.kindOf(top).back?.(this, top)) return
    if (this.#state.screens.length > 1) return this.close(top.id)
    const [key = 'ctrl-c'] = this.keymap.global.quit?.keys ?? []
    if (!how.quits)
      return this.note(`This is the first screen. ${keyName(top.name === 'login' ? 'ctrl-c' : key)} quits.`)
    if (this.#unkept().length > 0) return this.leave()
    this.askChoice('Lock the key, log out and quit? y/n', {
      y: () => void this.end(),
      n: () => undefined,
    })
  }

  #unkept() {
    return this.#state.screens
      .filter((screen) => screen.name === 'compose')
      .filter(({ changedAt }) => changedAt !== null)
  }

  /** Ends the client; where a letter would be lost, asks first. */
  leave(): void {
    const unkept = this.#unkept()
    const { top } = this
    if (unkept.length === 0 || top?.name === 'untrusted') return void this.end()
    if (top?.name === 'login') {
      // Without a session no letter can be kept.
      if (top.isWarned) return void this.end()
      this.change(top, { problem: notKept, isWarned: true })
      return
    }
    if (top && isWindow(top)) {
      if (top.name === 'unlock') top.passphrase.clear()
      this.close(top.id)
      this.leave()
      return
    }
    this.askChoice('Quit: keep the letter as a draft? y keeps it, n throws away what changed, Esc stays', {
      y: () => void keepLetters(this).then((areKept) => (areKept ? this.end() : undefined)),
      n: () => {
        for (const letter of unkept) this.change(letter, { changedAt: null })
        void this.end()
      },
    })
  }
}
