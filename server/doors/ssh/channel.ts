/**
 * One channel of a connection: what the other end asks for before anything runs (a terminal, variables), then the client
 * in its worker thread, and what goes to and fro between the two, bounded both ways.
 */
import type { Worker } from 'node:worker_threads'
import type { PseudoTtyInfo, ServerChannel, Session, SFTPWrapper } from 'ssh2'
import { type FromClient, inputWindow, type Start, type ToClient } from '../../../tui/remote/messages.ts'
import { wordsOf } from '../../../tui/remote/words.ts'
import { sshLimits } from '../../ground/limits.ts'
import type { Clients } from './clients.ts'
import type { Begun } from './messages.ts'
import type { Approval } from './sftp/approval.ts'
import { Sftp } from './sftp/sftp.ts'
import { type Ending, inWords } from './words.ts'

/** The connection, as its channels see it. */
type Line = {
  /** Where the other end is. */
  address: string
  /** Opens the key, where a channel has it open. */
  keyToken: string | null
  setKey(keyToken: string | null, by: Channel): void
  /** Of the key for reading, by a phone. */
  approval: Approval
  /** Calls back when the other end takes what it is sent. */
  whenEasy(then: () => void): void
  end(why: Ending): void
}
type Needs = {
  connection: Line
  begun: Begun
  clients: Clients
}
type Size = { columns: number; rows: number }

/** What a screen is left as: not the alternate one, with a cursor, and no marks around what is pasted. */
const screenAgain = '\x1b[?1049l\x1b[?25h\x1b[?2004l\x1b[0m\r'

export class Channel {
  readonly #needs: Needs
  readonly #env: Start['env'] = {}
  #size: Size | null = null
  #stream: ServerChannel | null = null
  #worker: Worker | null = null
  /** Octets of input that the client has not taken yet. */
  #underWay = 0
  /** Octets of output that the other end has not taken yet. */
  #leaving = 0
  #sftp: Sftp | null = null
  #isOver = false
  #isLoggedOut = false
  /** By a signal. */
  #isHungUp = false
  #resizing: NodeJS.Timeout | undefined

  constructor(session: Session, needs: Needs) {
    this.#needs = needs
    session.on('pty', (accept, _reject, info) => {
      this.#size = sizeOf(info)
      // Its types lack it.
      const { term } = info as PseudoTtyInfo & { term?: string }
      this.#setVariable('TERM', term ?? '')
      accept?.()
    })
    session.on('window-change', (accept, _reject, info) => {
      this.#size = sizeOf(info)
      this.#resizing ??= setTimeout(() => this.#resize(), sshLimits.resizeMs).unref()
      accept?.()
    })
    session.on('env', (accept, reject, { key, val }) =>
      this.#setVariable(key, val) ? accept?.() : reject?.(),
    )
    session.on('signal', (accept) => {
      accept?.()
      if (!this.#isHungUp) this.#say({ hangup: true })
      this.#isHungUp = true
    })
    session.on('shell', (accept) => this.#run(accept(), null))
    session.on('exec', (accept, _reject, { command }) => {
      const stream = accept()
      const words = command.length <= sshLimits.commandCharacters ? wordsOf(command) : null
      if (words === null) this.#fail(stream, 'command-malformed', 2)
      else this.#run(stream, words.length === 0 ? null : words)
    })
    session.on('sftp', (accept) => {
      const sftp = accept() as SFTPWrapper | undefined // none, where something runs already
      if (sftp) this.#files(sftp)
    })
    session.once('close', () => this.hangUp())
  }

  /** Another channel opened the key, or locked it. */
  keyChanged(key: string | null) {
    this.#say({ key })
  }

  /** Says why, on the screen or beside it, and is over. @returns when the other end has taken that */
  async end(why: Ending): Promise<void> {
    if (this.#sftp && !this.#isOver) {
      this.#sftp.say(inWords(why, this.#env.LANG))
      this.#sftp.end(1)
      this.#stop()
      return this.#sftp.closed
    }
    const stream = this.#stream
    if (!stream || this.#isOver) return
    const closed = new Promise<void>((resolve) => stream.once('close', resolve))
    this.#stop()
    if (this.#size) stream.write(`${screenAgain}\n`)
    stream.stderr.write(`${inWords(why, this.#env.LANG)}${this.#size ? '\r\n' : '\n'}`)
    stream.exit(1)
    stream.end()
    await closed
  }

  /** The other end is gone: nobody reads any more. */
  hangUp() {
    if (this.#isOver) return
    const worker = this.#worker
    this.#say({ hangup: true })
    this.#stop(false)
    // It may have a draft to put away.
    if (worker) setTimeout(() => void worker.terminate(), sshLimits.lastWordsMs).unref()
  }

  /** @returns whether it is one that may be set */
  #setVariable(name: string, value: string): boolean {
    if (name !== 'TERM' && name !== 'LANG' && name !== 'NO_COLOR') return false
    if (value.length > sshLimits.variableCharacters || !/^[\w.@+-]*$/.test(value)) return false
    this.#env[name] = value
    return true
  }

  #run(stream: ServerChannel, argv: string[] | null) {
    this.#stream = stream
    stream.on('error', () => this.hangUp())
    stream.stderr.on('error', () => {})
    const { connection, begun, clients } = this.#needs
    const client = clients.take(begun.user)
    if (!client) return this.#fail(stream, 'clients-many', 1)
    const { worker, niceness } = client
    this.#worker = worker
    worker.on('message', (message: FromClient) => this.#receive(message))
    worker.once('error', () => void this.end('client-failed'))
    worker.once('exit', () => void this.end('client-failed'))
    this.#say({
      start: {
        socketPath: clients.socketPath,
        ...begun,
        address: connection.address,
        argv,
        env: this.#env,
        size: this.#size,
        keyToken: connection.keyToken,
        niceness,
      },
    })
    stream.on('data', (input: Buffer) => {
      this.#underWay += input.length
      this.#say({ input })
      if (this.#underWay >= inputWindow) stream.pause()
    })
    stream.on('end', () => this.#say({ end: true }))
  }

  #files(sftp: SFTPWrapper) {
    const { connection, begun, clients } = this.#needs
    this.#sftp = new Sftp(sftp, {
      socketPath: clients.socketPath,
      ...begun,
      keyToken: () => connection.keyToken,
      setKey: (keyToken) => connection.setKey(keyToken, this),
      approval: connection.approval,
      locale: this.#env.LANG,
      whenEasy: (then) => connection.whenEasy(then),
    })
    sftp.once('end', () => this.hangUp())
    sftp.once('close', () => this.hangUp())
  }

  #receive(message: FromClient) {
    const stream = this.#stream!
    if (this.#isOver) return
    if ('output' in message) {
      const { output, to } = message
      this.#leaving += output.length
      const taken = () =>
        this.#needs.connection.whenEasy(() => {
          this.#leaving -= output.length
          this.#say({ drained: output.length })
        })
      // A terminal has one screen.
      ;(to === 'stdout' || this.#size ? stream : stream.stderr).write(output, taken)
    } else if ('consumed' in message) {
      this.#underWay -= message.consumed
      if (this.#underWay < inputWindow) stream.resume()
    } else if ('key' in message) this.#needs.connection.setKey(message.key, this)
    else if ('exit' in message) this.#exit(stream, message.exit)
    else this.#isLoggedOut = true
  }

  #exit(stream: ServerChannel, code: number) {
    this.#stop()
    stream.exit(code)
    stream.stderr.end()
    stream.end()
    if (this.#isLoggedOut) this.#endAll(stream)
  }

  /** Once the other end has its exit code: to one that is disconnected before, it failed. */
  #endAll(stream: ServerChannel) {
    const end = () => this.#needs.connection.end('logged-out')
    const late = setTimeout(end, sshLimits.lastWordsMs)
    stream.once('close', () => {
      clearTimeout(late)
      end()
    })
  }

  #fail(stream: ServerChannel, why: Ending, code: number) {
    this.#isOver = true
    stream.stderr.write(`${inWords(why, this.#env.LANG)}\n`)
    stream.exit(code)
    stream.end()
  }

  #resize() {
    this.#resizing = undefined
    if (this.#size) this.#say({ resize: this.#size })
  }

  #say(message: ToClient) {
    if (!this.#isOver) this.#worker?.postMessage(message)
  }

  #stop(isAtOnce = true) {
    this.#isOver = true
    this.#sftp?.end(0)
    const worker = this.#worker
    worker?.removeAllListeners('message')
    if (isAtOnce) void worker?.terminate()
    this.#worker = null
  }
}

const sizeOf = ({ cols, rows }: { cols: number; rows: number }): Size => ({
  columns: within(cols, 80),
  rows: within(rows, 24),
})

/** Zero means that it does not know. */
const within = (cells: number, usual: number) => Math.min(cells || usual, sshLimits.mostCells)
