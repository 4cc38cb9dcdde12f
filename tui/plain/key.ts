/**
 * The key in line mode: the windows that open it, one after the other as lines (passphrase, approval on a phone, the
 * other terminal's use stopped first), and what is said of it before a prompt.
 */
import type { SessionView } from '../../server/contract/answers.ts'
import { harmless } from '../text/text.ts'
import { type Client, isProblem, Problem } from '../wire/client.ts'
import { localNote } from '../wire/connection.ts'
import { type Command, type Dialogue, isYes, row } from './dialogue.ts'
import { moment } from './in-words.ts'

/** What the key needs of the client around it. */
export type KeyDesk = {
  client: Client
  talk: Dialogue
  /** Asks the server; where the session has ended, logs in again first. */
  calling<T>(work: () => Promise<T>): Promise<T>
  /** Plaintext does not outlive the key here. */
  forgetPlaintext(): void
}

export type KeyUse = { verb: string; about: string; scope: 'read' | 'sign' }

/** Where the server does not say who it is. */
const unnamed = { terminal: 'Another terminal', since: '', last_used: '' }

export class KeyTalk {
  readonly #desk: KeyDesk
  /** As the server said last. */
  session: SessionView | null = null
  /** By our clock: the server's may differ. */
  #key: { grantedAt: string; usedAtMs: number; endsAtMs: number; idleMs: number } | null = null
  /** What wanted the key when it was in use elsewhere: the same again asks whether to stop that use. */
  #pressed: string | null = null
  #stoppedTold = ''

  constructor(desk: KeyDesk) {
    this.#desk = desk
  }

  get isOpen(): boolean {
    return this.#key !== null
  }

  /** Whether the key is open for signing here: that would ask for nothing. */
  get canSign(): boolean {
    return this.#key !== null && this.session?.allowance?.scope === 'sign'
  }

  inWords(): string {
    if (this.#key) {
      const { usedAtMs, idleMs, endsAtMs } = this.#key
      const minutes = Math.max(0, Math.ceil((Math.min(usedAtMs + idleMs, endsAtMs) - Date.now()) / 60_000))
      return `key open for ${minutes} min`
    }
    const elsewhere = this.session?.in_use
    return elsewhere ? `key in use at ${harmless(elsewhere.terminal).slice(0, 40)}` : 'key locked'
  }

  commands(): Command[] {
    return [
      row('unlock', '', 'opens the key with your passphrase', () => this.unlock()),
      row(
        'approve',
        'sign',
        'opens the key by approval on your phone, for reading, or for signing too',
        (rest) => this.unlock('approve', rest.trim() === 'sign' ? 'sign' : 'read'),
      ),
      row('longer', '', 'keeps the open key open longer when it is not used', () => this.#longer()),
      row('lock', '', 'locks the key', () => this.lock()),
      row('z', '', 'locks the key if it is open, else opens it', () =>
        this.#key ? this.lock() : this.unlock('z'),
      ),
    ]
  }

  // ---- what becomes of it

  /** Nothing is known of it: a session begins. */
  begin(): void {
    this.session = null
    this.#key = null
  }

  /** Notes how it stands, and tells what happened to it. */
  hear(session: SessionView): void {
    const { talk } = this.#desk
    const { stopped, allowance } = session
    const wasOpen = this.#key !== null
    this.session = session
    this.#takeKey(session)
    if (stopped && stopped.at !== this.#stoppedTold) {
      this.#stoppedTold = stopped.at
      const { terminal, address } = stopped.by
      talk.say(
        `${harmless(terminal)} at ${harmless(address)} stopped the use of your key here. If that was not you, look at terminals and change your password. ${moment(stopped.at)}`,
      )
    } else if (wasOpen && !allowance) talk.say('Your key is locked again: its time is over.')
    if (!allowance && wasOpen) this.forget()
  }

  /** Notes how it stands, and says nothing: that it is over is told at the next prompt. */
  async listen(): Promise<void> {
    const key = this.#key
    this.session = await this.#desk.client.session()
    if (key !== null && key === this.#key && !this.session.allowance) this.#desk.forgetPlaintext()
  }

  /** The server's clock may differ from ours: what it says is taken as lengths of time. */
  #takeKey({ allowance }: SessionView) {
    if (!allowance) return
    const idleMs = allowance.idle_s * 1000
    if (this.#key?.grantedAt === allowance.granted_at) {
      this.#key.idleMs = idleMs
      return
    }
    const lengthMs = Date.parse(allowance.expires_at) - Date.parse(allowance.granted_at)
    const usedAtMs = Date.now()
    this.#key = { grantedAt: allowance.granted_at, usedAtMs, endsAtMs: usedAtMs + lengthMs, idleMs }
  }

  async #longer() {
    const { talk, client } = this.#desk
    const look = async () => this.hear(await this.#desk.calling(() => client.session()))
    await look()
    const held = this.session?.allowance
    if (!held) return talk.say('The key is locked: unlock opens it.')
    const { idle_s, idle_most_s: most = 0 } = held
    if (most <= idle_s) return talk.say('This server permits no longer time than the one that is set.')
    await this.#desk.calling(() => client.standFor(most))
    await look()
    talk.say(`When it is not used, the key stays open for ${Math.floor(most / 60)} minutes now.`)
  }

  forget(): void {
    this.#key = null
    this.#desk.client.keyToken = null
    this.#desk.forgetPlaintext()
  }

  /** Another command than the one that wanted the key; null for none with a name. */
  turnTo(verb: string | null): void {
    if (verb !== this.#pressed) this.#pressed = null
  }

  // ---- what opens it

  /** Asks the server for what uses the key: null if the key was not opened, which was said. */
  async withKey<T>(use: KeyUse, work: () => Promise<T>): Promise<T | null> {
    for (;;)
      try {
        const result = await this.#desk.calling(work)
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
  async #takeOver(use: KeyUse, by: Problem['by']): Promise<boolean> {
    const { talk } = this.#desk
    const who = harmless((by ?? unnamed).terminal)
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
    try {
      await this.#desk.calling(() => this.#desk.client.stop(by ?? unnamed))
    } catch (error) {
      if (!isProblem(error, 'key-in-use')) throw error
      talk.say('Another terminal has the key by now, so nothing was stopped.')
      return this.#takeOver(use, error.by)
    }
    talk.say('The other use is stopped.')
    return this.#openKey(use)
  }

  /** The unlock window (S1240). @returns whether the key is open now */
  async #openKey(use: KeyUse): Promise<boolean> {
    const { talk, client } = this.#desk
    talk.say('Secret key use.')
    talk.say(
      `${use.about}, the key needs your passphrase. Nothing that you type is shown. Enter alone asks for approval on your phone; Ctrl-C cancels.`,
    )
    const passphrase = await talk.secret('Passphrase: ')
    try {
      if (passphrase === '') return await this.#approve(use.scope)
      await this.#desk.calling(() => client.unlock(passphrase))
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
    this.session = await this.#desk.client.session()
    this.#key = null
    this.#takeKey(this.session)
    this.#desk.talk.say(
      `The key is open${this.session.allowance?.scope === 'read' ? ', for reading only' : ''}.`,
    )
  }

  /** Somebody's touch on a phone opens the key here (RFC 10027). */
  async #approve(scope: 'read' | 'sign'): Promise<boolean> {
    const { talk, client } = this.#desk
    const { address, code } = await this.#desk.calling(() => client.askApproval(scope))
    talk.say('Approve on your phone. Open this address there and log in:')
    talk.say(harmless(address))
    const local = localNote(address)
    if (local) talk.say(local)
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

  async unlock(verb = 'unlock', scope?: 'read' | 'sign'): Promise<void> {
    const use: KeyUse = { verb, about: 'To go on', scope: scope ?? 'sign' }
    const { in_use, allowance } = await this.#desk.calling(() => this.#desk.client.session())
    if (allowance && this.#desk.client.keyToken !== null)
      return this.#desk.talk.say('The key is open already.')
    if (in_use) await this.#takeOver(use, in_use)
    else if (scope) await this.#approve(scope)
    else await this.#openKey(use)
  }

  async lock(): Promise<void> {
    await this.#desk.calling(() => this.#desk.client.lock())
    this.forget()
    this.#desk.talk.say('Your key is locked.')
  }
}
