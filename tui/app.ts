/**
 * The client at work: it holds the state, gives each key press to the screen on top, and talks to the server. Whatever
 * the server refuses ends in one of three places: a window for the key, the log-in, or a sentence in the bottom line;
 * the screens under it stay as they were, so that one goes on where one was.
 */
import { type Client, heartbeatS, isProblem, Problem, Unreachable, Untrusted } from './client.ts'
import { edited, emptyField, Secret } from './field.ts'
import { type Context, commandOf, type Keymap, keyName } from './keymap.ts'
import type { Completion } from './paths.ts'
import type { Press, ScreenKind, Size } from './screen.ts'
import { keyLog, keysAndPasskeys, terminals } from './screens/account.ts'
import { approval } from './screens/approval.ts'
import { compose, keepDue, keepLetters, openCompose } from './screens/compose.ts'
import { goToFolder, openFolder } from './screens/folders.ts'
import { help, helpRows } from './screens/help.ts'
import { inUse } from './screens/in-use.ts'
import { list, openList } from './screens/list.ts'
import { login } from './screens/login.ts'
import { menu } from './screens/menu.ts'
import { message } from './screens/message.ts'
import { text } from './screens/text.ts'
import { unlock } from './screens/unlock.ts'
import { untrusted } from './screens/untrusted.ts'
import { type Action, type AnyScreen, keyLeftMs, reduce, type Screen, type State, start } from './state.ts'
import { clockOf, startingWith } from './words.ts'

const kinds = {
  login,
  list,
  message,
  compose,
  unlock,
  inUse,
  approval,
  menu,
  text,
  help,
  untrusted,
} as const

const contactEveryMs = (heartbeatS * 1000) / 4
const undoMs = 60_000

/** What the surroundings do for the client: the terminal, the editor, the end. */
export type Surroundings = {
  /** What this terminal calls itself at the server. */
  terminal: string
  /** Gives the terminal away while the work runs. */
  suspended(work: () => Promise<void>): Promise<void>
  /** Stops the process until it is taken up again. */
  stopProcess(): Promise<void>
  redraw(): void
  /** Ends the client with this exit code. */
  exit(code: number): void
  now(): number
}

/** Thrown to leave work whose screen has gone. */
class GivenUp extends Error {}

export class App {
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
  #stoppedTold = ''
  #inbox: number | null = null
  /** Why no session starts; null while nothing speaks against it. */
  distrust: Untrusted | null = null

  constructor(options: { client: Client; keymap: Keymap; surroundings: Surroundings }) {
    this.client = options.client
    this.keymap = options.keymap
    this.surroundings = options.surroundings
    this.#state = start(options.client.server.host, options.surroundings.now())
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

  note(text: string) {
    this.dispatch({ type: 'notice', text })
  }

  warn(text: string) {
    this.dispatch({ type: 'notice', text, isProblem: true })
  }

  // ---- screens

  push(screen: AnyScreen): number {
    this.#lastId += 1
    const put = { ...screen, id: this.#lastId } as Screen
    this.dispatch({ type: 'pushed', screen: put })
    this.kindOf(put).shown?.(this, put)
    return put.id
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
    const wasTop = this.top?.id === id
    this.dispatch({ type: 'popped', id })
    const { top } = this
    if (wasTop && top && !end) this.kindOf(top).shown?.(this, top)
    end?.(value)
  }

  change<S extends AnyScreen>(screen: S & { id: number }, change: Partial<S>) {
    this.dispatch({ type: 'changed', id: screen.id, change: change as Partial<AnyScreen> })
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
    this.#timers.push(setInterval(() => this.#tick(), 1000))
    this.#timers.push(setInterval(() => void this.contact(), contactEveryMs))
  }

  /** S1040-S1070: nothing goes on with a server that cannot be trusted. */
  refuse(error: Untrusted) {
    this.distrust = error
    const sentences = [error.message, 'Nothing was sent, and no session was begun.']
    for (const timer of this.#timers.splice(0)) clearInterval(timer)
    this.dispatch({ type: 'replaced', screens: [] })
    this.push({ name: 'untrusted', sentences })
  }

  async #logIn({ user, again }: { user: string; again: string | null }): Promise<void> {
    this.#loggingIn ??= this.put<string>({
      name: 'login',
      user: edited(emptyField(), { name: '', text: user }) ?? emptyField(),
      password: new Secret(),
      focus: user ? 'password' : 'user',
      busy: false,
      again,
      problem: '',
    }).then((loggedIn) => {
      this.#loggingIn = null
      if (loggedIn === null) throw new GivenUp()
      const isOther = again !== null && again !== loggedIn
      if (isOther) for (const id of [...this.#endings.keys()]) this.#endings.delete(id)
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

  /** Tells the server that this terminal is there, and hears what became of the key meanwhile. */
  async contact(): Promise<void> {
    const { user } = this.#state
    if (user === null || this.top?.name === 'login') return
    try {
      const session = await this.client.session()
      const hadKey = this.#state.key !== null
      this.dispatch({ type: 'session', session, now: this.surroundings.now() })
      if (session.stopped && session.stopped.at !== this.#stoppedTold) {
        this.#stoppedTold = session.stopped.at
        this.client.keyToken = null
        const { terminal, address } = session.stopped.by
        this.warn(
          `${clockOf(session.stopped.at)}: ${terminal} (${address}) stopped the use of your key here. If that was not you: ^T, and change your password.`,
        )
        this.#forgetOpened()
      } else if (hadKey && !session.allowance) {
        this.client.keyToken = null
        this.note('The key has closed.')
        this.#forgetOpened()
      }
      const folders = await this.client.folders()
      this.dispatch({ type: 'folders', folders })
      const inbox = folders.find(({ kind }) => kind === 'inbox')?.total ?? 0
      if (this.#inbox !== null && inbox > this.#inbox) this.note('New mail has come.')
      this.#inbox = inbox
      const { top } = this
      const counted = top?.name === 'list' && folders.find(({ name }) => name === top.folder)
      if (top && counted && !top.query && !top.limit && top.thread === null && counted.total !== top.total)
        if (top.total === null)
          // Where it is not known, the first page came before the folders did.
          this.dispatch({ type: 'rows', id: top.id, offset: 0, rows: [], end: false, total: counted.total })
        else kinds.list.shown(this, top as never)
    } catch (error) {
      if (error instanceof Untrusted) this.refuse(error)
      else if (error instanceof Unreachable) this.warn(error.message)
      else if (isProblem(error, 'no-session')) void this.ask(() => this.client.session())
    }
  }

  /** Plaintext of a mail does not outlive the key on the screen of an unattended terminal. */
  #forgetOpened() {
    for (const screen of this.#state.screens)
      if (screen.name === 'message' && screen.opened)
        this.change(screen, {
          opened: null,
          top: 0,
          problem: 'The key has closed. Press D to open the mail again.',
        })
  }

  #tick() {
    const now = this.surroundings.now()
    const left = keyLeftMs({ ...this.#state, now })
    if (left === 0) {
      this.dispatch({ type: 'keyClosed' })
      this.client.keyToken = null
      this.note('The key has closed: its time is over.')
      this.#forgetOpened()
    }
    keepDue(this)
    const shows = this.#state.key || this.#state.undo || this.top?.name === 'approval'
    if (shows) this.dispatch({ type: 'tick', now })
  }

  /** Keeps what is being written, locks, logs out and ends. */
  async end(code = 0): Promise<void> {
    for (const timer of this.#timers.splice(0)) clearInterval(timer)
    if (this.client.token)
      await Promise.race([
        keepLetters(this)
          .then(() => this.client.logOut())
          .catch(() => undefined),
        new Promise((resolve) => setTimeout(resolve, 2000)),
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
    for (;;)
      try {
        return await work()
      } catch (error) {
        const { user } = this.#state
        if (!isProblem(error, 'no-session') || user === null) throw error
        this.client.token = null
        this.client.keyToken = null
        this.dispatch({ type: 'keyClosed' })
        this.#forgetOpened()
        await this.#logIn({ user, again: user })
      }
  }

  /** Says what went wrong. */
  complain(error: unknown) {
    if (error instanceof Untrusted) return this.refuse(error)
    if (error instanceof Problem || error instanceof Unreachable) return this.warn(error.message)
    throw error
  }

  /**
   * Work that uses the key: where it is closed, the windows that open it come first (S1240, S2000), then the work.
   *
   * @param verb what wants the key: Decrypt, Sign, Send
   * @returns null if it was refused or the windows were left
   */
  async withKey<T>(use: { verb: string; about: string }, work: () => Promise<T>): Promise<T | null> {
    const from = this.top
    return this.ask(async () => {
      for (;;)
        try {
          const result = await work()
          this.dispatch({ type: 'keyUsed', now: this.surroundings.now() })
          return result
        } catch (error) {
          if (!(error instanceof Problem)) throw error
          // Who left before the answer came is asked for nothing.
          if (from && !this.current(from)) throw new GivenUp()
          if (error.code === 'key-in-use') await this.#takeOver(use.verb, error.by)
          else if (error.code !== 'allowance-required') throw error
          if (!(await this.openKey(use, error.methods))) throw new GivenUp()
        }
    })
  }

  /** S2000-S2100: the error, the same again, the confirmation; then the other use is stopped. */
  async #takeOver(verb: string, holder: Problem['by']): Promise<void> {
    const by = holder ?? { terminal: 'Another terminal', since: '', last_used: '' }
    if (!(await this.put<boolean>({ name: 'inUse', verb, by, step: 'error', problem: '' })))
      throw new GivenUp()
    void this.contact() // the status line no longer names the other terminal
  }

  /** The unlock window. @returns whether the key is open now */
  async openKey(use: { verb: string; about: string }, methods?: string[]): Promise<boolean> {
    const opened = await this.put<boolean>({
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
      this.note('The key is locked.')
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
    this.note(`${label} ${keyName(key)} undoes it.`)
  }

  async #undo() {
    const { undo } = this.#state
    if (!undo || undo.until <= this.surroundings.now())
      return this.note('There is nothing to undo: what was done lies more than 60 seconds back.')
    this.dispatch({ type: 'undo', undo: null })
    await this.ask(undo.run)
  }

  // ---- keys

  /** A key press, for the prompt, the screen's fields or the keymap, in this order. */
  press(press: Press) {
    const { top } = this
    if (press.name === 'ctrl-z') return void this.surroundings.stopProcess().then(() => this.contact())
    if (press.name === 'ctrl-c') return this.#leave()
    if (this.#state.prompt) return this.#answer(press)
    if (!top) return
    if (this.#state.notice) this.dispatch({ type: 'notice', text: '' })
    const kind = this.kindOf(top)
    if (kind.type?.(this, top, press)) return
    const command = commandOf(this.keymap, kind.context, press.name)
    if (command === 'back' && press.name === 'esc') this.back({ quits: false })
    else if (command) this.run(command)
    else if (press.name.length > 0) this.note(`${keyName(press.name)} does nothing here; ? is the help.`)
  }

  paste(text: string) {
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
    const isWindow = ['login', 'unlock', 'inUse', 'approval', 'untrusted'].includes(top.name)
    if (isWindow && !['back', 'quit', 'redraw', 'help'].includes(command)) return
    switch (command) {
      case 'back':
        return this.back()
      case 'quit':
        return this.#leave()
      case 'suspend':
        return void this.surroundings.stopProcess()
      case 'redraw':
        return this.surroundings.redraw()
      case 'help':
        return void this.push({
          name: 'help',
          filter: emptyField(),
          top: 0,
          rows: helpRows(this.keymap, kind.context),
        })
      case 'command':
        return this.#askCommand(kind)
      case 'key':
        return void this.toggleKey()
      case 'undo':
        return void this.#undo()
      case 'folder':
        return goToFolder(this)
      case 'refresh':
        return void this.contact().then(() => top.name === 'list' && kind.shown?.(this, top))
      case 'compose':
        return openCompose(this, {})
      case 'sign':
        return openCompose(this, { sign: true })
      case 'terminals':
        return terminals(this)
      case 'keys':
        return keysAndPasskeys(this)
      case 'log':
        return keyLog(this)
    }
  }

  /** Leaves the screen on top, or first what narrows it; from the first one the client, if that is wanted. */
  back(how: { quits: boolean } = { quits: true }) {
    const { top } = this
    if (!top || this.kindOf(top).back?.(this, top)) return
    if (this.#state.screens.length > 1) return this.close(top.id)
    const [key = 'ctrl-c'] = this.keymap.global.quit?.keys ?? []
    if (!how.quits)
      return this.note(`This is the first screen. ${keyName(top.name === 'login' ? 'ctrl-c' : key)} quits.`)
    if (this.#unkept().length > 0) return this.#leave()
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

  #leave() {
    const unkept = this.#unkept()
    if (unkept.length === 0) return void this.end()
    this.askChoice('Quit: keep the letter as a draft? y keeps it, n throws away what changed, Esc stays', {
      y: () => void keepLetters(this).then((areKept) => (areKept ? this.end() : undefined)),
      n: () => {
        for (const letter of unkept) this.change(letter, { changedAt: null })
        void this.end()
      },
    })
  }

  // ---- the bottom line

  /** Asks for a line. Tab completes; a second one goes through the candidates. */
  askLine(
    label: string,
    done: (text: string) => void,
    complete: (text: string) => string[] | Promise<Completion> = () => [],
    text = '',
  ) {
    const field = edited(emptyField(), { name: '', text }) ?? emptyField()
    this.dispatch({ type: 'prompt', prompt: { kind: 'line', label, field, done, complete } })
  }

  askChoice(question: string, answers: Record<string, () => void>) {
    this.dispatch({ type: 'prompt', prompt: { kind: 'choice', question, answers } })
  }

  #answer(press: Press) {
    const { prompt } = this.#state
    if (!prompt) return
    const close = () => this.dispatch({ type: 'prompt', prompt: null })
    if (press.name === 'esc') return close()
    if (prompt.kind === 'choice') {
      const answer = prompt.answers[press.name]
      if (!answer) return
      close()
      return answer()
    }
    if (press.name === 'enter') {
      close()
      return prompt.done(prompt.field.text.trim())
    }
    if (press.name === 'tab') return this.#complete(prompt)
    const field = edited(prompt.field, press)
    if (field) this.dispatch({ type: 'prompt', prompt: { ...prompt, field } })
  }

  #complete(prompt: Extract<State['prompt'], { kind: 'line' }>) {
    const take = ({ completed, candidates }: Completion) => {
      if (candidates.length === 0 || this.#state.prompt !== prompt) return
      const { text } = prompt.field
      if (completed.length > text.length || (completed !== text && candidates.length === 1)) {
        const field = edited(emptyField(), { name: '', text: completed })
        if (field) this.dispatch({ type: 'prompt', prompt: { ...prompt, field } })
      } else this.note(candidates.slice(0, 8).join('  '))
    }
    const found = prompt.complete(prompt.field.text)
    if (found instanceof Promise) void found.then(take)
    else take({ completed: commonStart(found), candidates: found })
  }

  #askCommand(kind: ScreenKind<Screen>) {
    const names = [
      ...Object.keys(this.keymap[kind.context as Context]),
      ...Object.keys(this.keymap.global),
      'go',
    ]
    const folders = () => this.#state.folders.map(({ name }) => name)
    this.askLine(
      ':',
      (said) => {
        const [name = '', ...words] = said.split(/\s+/)
        if (name === '') return
        if (name === 'go') return words.length ? openFolder(this, words.join(' ')) : goToFolder(this)
        const command = names.find((each) => each.toLowerCase() === name.toLowerCase())
        if (command) this.run(command)
        else this.warn(`There is no command ${name}; ? lists them.`)
      },
      (typed) =>
        typed.startsWith('go ')
          ? startingWith(folders(), typed.slice(3)).map((name) => `go ${name}`)
          : startingWith(names, typed),
    )
  }
}

const commonStart = (texts: string[]): string => {
  let [common = ''] = texts
  for (const text of texts)
    while (!text.toLowerCase().startsWith(common.toLowerCase())) common = common.slice(0, -1)
  return common
}
