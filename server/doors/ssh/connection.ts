/**
 * One connection: its log-in, the session that it then is, and its channels. All channels share the session, and the key
 * if one of them has opened it. What is asked for and is none of shell, command and SFTP is refused, as nothing listens
 * for it: forwarding of any kind, agents, X11, other subsystems.
 */
import type { Socket } from 'node:net'
import type { Session, Connection as Ssh } from 'ssh2'
import { sshLimits } from '../../ground/limits.ts'
import { network } from '../../ground/network.ts'
import { Channel } from './channel.ts'
import type { Clients } from './clients.ts'
import { LogIn } from './log-in.ts'
import type { Answer, Begun, Question } from './messages.ts'
import { Approval } from './sftp/approval.ts'
import type { Ending } from './words.ts'

type ConnectionNeeds = {
  ask(question: Question): Promise<Answer>
  gone(connection: number): void
  /** A piece came in over it. */
  came(connection: Connection): void
  clients: Clients
}

/** What ssh2 keeps to itself, and must be looked at so that nobody fills our memory. */
type Inside = {
  /** Packets that wait for the end of a key exchange. */
  _protocol: { _queue?: unknown[]; _kexinit?: unknown; channelClose(id: number): void }
  _chanMgr: {
    _channels: Record<number, Partial<Window & { _chanInfo: Window }> | undefined>
    remove(id: number): void
  }
}
type Window = { incoming: { window: number } }
type SessionInside = {
  /** What runs in it. */
  _channel?: unknown
  _chanInfo: { incoming: { id: number }; outgoing: { id: number } }
}

let numbers = 0

export class Connection {
  readonly number = ++numbers
  readonly address: string
  /** How far on its way: 0 nothing said yet, 1 key exchange begun, 2 something tried to log in with, 3 logged in. */
  progress: 0 | 1 | 2 | 3 = 0
  /** Opens the key, where a channel has it open. */
  keyToken: string | null = null
  /** When it was last read, in turns. */
  readAt = 0
  readonly approval = new Approval()
  readonly #socket: Socket
  readonly #needs: ConnectionNeeds
  #client: (Ssh & Inside) | null = null
  #begun: Begun | null = null
  readonly #channels = new Set<Channel>()
  readonly #onEase: (() => void)[] = []
  #isEnding = false
  readonly #late: NodeJS.Timeout
  #exchangeTimer: NodeJS.Timeout | undefined

  constructor(socket: Socket, needs: ConnectionNeeds) {
    this.#socket = socket
    this.#needs = needs
    this.address = (socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '')
    this.#late = setTimeout(() => this.destroy(), sshLimits.logInMs)
    socket.on('error', () => this.destroy())
    socket.on('data', () => this.#hold())
    socket.on('drain', () => this.#ease())
    // Half an end is one: who has gone reads nothing.
    socket.once('end', () => this.destroy())
    socket.once('close', () => {
      clearTimeout(this.#late)
      clearTimeout(this.#exchangeTimer)
      this.#close()
    })
  }

  /** The other end has said that it speaks SSH. */
  speaks(client: Ssh) {
    this.#client = client as Ssh & Inside
    this.progress = 1
    const logIn = new LogIn({
      connection: this.number,
      address: this.address,
      ask: this.#needs.ask,
      end: () => this.destroy(),
    })
    client.on('authentication', (context) => {
      if (context.method !== 'none') this.progress = 2
      void logIn.attempt(context)
    })
    client.on('ready', () => {
      clearTimeout(this.#late)
      this.progress = 3
      this.#begun = logIn.begun!
    })
    client.on('session', (accept, reject) => this.#admit(accept, reject))
    client.on('handshake', () => this.#ease())
    // A dead one takes no more; of others, what was said last has a moment.
    client.on('error', (error: Error & { level?: string }) =>
      error.level === 'client-timeout' ? this.destroy() : this.#destroySoon(),
    )
  }

  /** Says why to each channel, and closes the connection. */
  end(why: Ending) {
    if (this.#isEnding) return
    this.#isEnding = true
    if (!this.#begun) return this.destroy()
    // A client that reads of the end first shows nothing of what came before.
    const closed = [...this.#channels].map((channel) => channel.end(why))
    void Promise.all(closed).then(() => this.#client?.end())
    this.#destroySoon()
  }

  destroy() {
    this.#socket.destroy()
  }

  /** What was said last needs a moment on a slow line. */
  #destroySoon() {
    setTimeout(() => this.destroy(), sshLimits.lastWordsMs).unref()
  }

  /** A channel opened the key, or locked it. */
  setKey(keyToken: string | null, by: Channel) {
    this.keyToken = keyToken
    for (const channel of this.#channels) if (channel !== by) channel.keyChanged(keyToken)
  }

  /** Calls back when the other end takes what it is sent. */
  whenEasy(then: () => void) {
    if (this.#isPressed()) this.#onEase.push(then)
    else then()
  }

  #admit(accept: () => Session, reject: () => void) {
    if (this.#channels.size >= sshLimits.channels || this.#isEnding || !this.#begun) return reject()
    const session = accept()
    const channel = new Channel(session, {
      connection: this,
      begun: this.#begun,
      clients: this.#needs.clients,
    })
    this.#channels.add(channel)
    // Not before: what the other end leaves open takes our memory.
    session.once('close', () => {
      this.#channels.delete(channel)
      this.#closeEmpty(session as Session & SessionInside)
    })
  }

  /** ssh2 1.17.0 neither forgets nor closes one in which nothing was asked for. */
  #closeEmpty({ _channel: runs, _chanInfo: { incoming, outgoing } }: SessionInside) {
    if (runs || !this.#client) return
    this.#client._protocol.channelClose(outgoing.id)
    this.#client._chanMgr.remove(incoming.id)
  }

  #isPressed() {
    const waiting = this.#client?._protocol._queue?.length ?? 0
    return this.#socket.writableLength > sshLimits.outgoingOctets || waiting > 0
  }

  /** Whose it is, where people are told apart: the user's, or some stranger's. */
  get whose(): string {
    return this.#begun?.user ?? network(this.address)
  }

  pause() {
    this.#socket.pause()
  }

  /** Who does not read what we answer is not read either. */
  goOn() {
    if (this.#socket.isPaused() && this.#socket.writableLength <= sshLimits.outgoingOctets)
      this.#socket.resume()
  }

  /** With each piece that comes in: who breaks the rules goes. */
  #hold() {
    const client = this.#client
    this.#needs.came(this)
    if (!client) return
    const { _queue: queue } = client._protocol
    if (queue && queue.length > sshLimits.packetsInExchange) return this.destroy()
    if (queue) this.#exchangeTimer ??= setTimeout(() => this.destroy(), sshLimits.logInMs).unref()
    const overrun = Object.values(client._chanMgr._channels).some((channel) => {
      const incoming = channel?.incoming ?? channel?._chanInfo?.incoming
      return incoming !== undefined && incoming.window < 0
    })
    if (overrun) this.destroy() // RFC 4254 §5.2: it sent more than it was allowed to
  }

  #ease() {
    clearTimeout(this.#exchangeTimer)
    this.#exchangeTimer = undefined
    this.goOn()
    for (const then of this.#onEase.splice(0)) this.whenEasy(then)
  }

  #close() {
    for (const channel of this.#channels) channel.hangUp()
    this.#channels.clear()
    this.keyToken = null
    this.#needs.gone(this.number)
  }
}
