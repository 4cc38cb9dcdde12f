/**
 * The door of SSH, seen from the server: a process of its own (ssh/door.ts) that holds the connections and the host key,
 * and neither the database nor the server secret. It speaks the API, over a socket that is for it alone, and asks here
 * who may log in. A connection has one session, which ends with it at once; and it ends with its session.
 *
 * When that process dies, the sessions of its connections end and it is started again; when the server dies, it ends.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { linkSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connections as connectionLimits, sshLimits } from '../ground/limits.ts'
import { root } from '../ground/places.ts'
import { Refusal, refusalOf, Unusable } from '../ground/refusal.ts'
import type { LogIn } from '../people/sessions.ts'
import type { Services } from '../services.ts'
import { noteThroughDoor } from './asker.ts'
import type { Answer, Begun, FromDoor, Opening, Question, ToDoor } from './ssh/messages.ts'

type Needs = Pick<Services, 'config' | 'log' | 'sessions' | 'sshKeys' | 'users'>
type Handle = (request: IncomingMessage, response: ServerResponse) => unknown

type SshDoor = { port: number; fingerprint: string; close(): Promise<void> }

/** Beside this file in the bundle; tests run this file from its source. */
const program = join(root, 'dist', 'ssh-door.js')

/**
 * Opens the port.
 *
 * @param api answers what the door's clients ask
 * @returns null where nobody is to log in by SSH, or the usual port is taken and nobody chose another
 * @throws Unusable if the port that was chosen cannot be opened, or the host key is none
 */
export const startSshDoor = async (needs: Needs, api: Handle): Promise<SshDoor | null> => {
  const { config, log } = needs
  const { sshHost: host, sshPort: port } = config
  if (port === null) return null
  const folder = mkdtempSync(join(tmpdir(), 'wafer-ssh-')) // 0700
  const socketPath = join(folder, 'api')
  const server = await listenForDoor(socketPath, api)
  const door = new Door(needs, { host, port, socketPath })
  const close = async () => {
    await door.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    return { ...(await door.start(hostKeyFile(config.data))), close }
  } catch (error) {
    await close()
    if (!(error instanceof CannotListen && error.isTaken) || config.isSshPortChosen) throw error
    log.warn(`${error.message} Nobody can log in by SSH now.`)
    return null
  }
}

class CannotListen extends Unusable {
  /** Another program has the port. */
  readonly isTaken: boolean

  constructor(host: string, port: number, code: string) {
    const isTaken = code === 'EADDRINUSE'
    super(
      isTaken
        ? `WAFER_SSH_PORT: ${host}:${port} is taken by another program. Set another port, or off.`
        : `WAFER_SSH_HOST, WAFER_SSH_PORT: cannot listen on ${host}:${port} (${code}).`,
    )
    this.isTaken = isTaken
  }
}

// ---- the socket for the door's clients

const listenForDoor = async (path: string, api: Handle): Promise<Server> => {
  // How long a body may take is bounded by the connection that it comes over: a file on a slow line takes long.
  const options = { requestTimeout: 0, headersTimeout: connectionLimits.headersMs }
  const server = createServer(options, (request, response) => {
    noteThroughDoor(request)
    if (request.url?.startsWith('/api/')) return api(request, response)
    response.writeHead(404, { 'Content-Length': 0 }).end()
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  return server
}

// ---- the host key

/** Named as OpenSSH's own, so that its programs read it. */
const hostKeyFile = (dataFolder: string) => join(dataFolder, 'ssh_host_ed25519_key')

const readHostKey = (file: string): string | null => {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return null
    throw new Unusable(`${file} cannot be read (${code}).`, { cause })
  }
}

/** Written aside and linked, so that of two processes that start together both read the first one's. */
const keepHostKey = (file: string, key: string) => {
  const aside = `${file}.${randomBytes(6).toString('hex')}.tmp`
  writeFileSync(aside, key, { mode: 0o600, flush: true })
  try {
    linkSync(aside, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(aside)
  }
}

// ---- the process

/** Whose it is, once that is known, and the session that ends with it. */
type Connection = { userId: number | null; session: string | null }

class Door {
  readonly #needs: Needs
  #opening: Omit<Opening, 'hostKey'>
  #hostKey: string | null = null
  #process: ChildProcess | null = null
  #isClosed = false
  #bornMs = 0
  /** How many did, each soon after its birth. */
  #diedInRow = 0
  readonly #connections = new Map<number, Connection>()
  #watch: NodeJS.Timeout | undefined
  #again: NodeJS.Timeout | undefined

  constructor(needs: Needs, opening: Omit<Opening, 'hostKey'>) {
    this.#needs = needs
    this.#opening = opening
  }

  /** @throws Unusable */
  async start(hostKeyFile: string): Promise<{ port: number; fingerprint: string }> {
    let hostKey = readHostKey(hostKeyFile)
    if (hostKey === null) {
      const made = await this.#asked({ makeHostKey: true })
      if (!('hostKey' in made)) throw unexpected(made)
      keepHostKey(hostKeyFile, made.hostKey)
      hostKey = readHostKey(hostKeyFile)!
    }
    this.#hostKey = hostKey
    const opened = await this.#open()
    if ('badHostKey' in opened)
      throw new Unusable(
        `${hostKeyFile} is not an Ed25519 key without a passphrase, as OpenSSH keeps one. Put it back from its backup, or remove it: then a new one is made, and whoever has logged in before is warned.`,
      )
    const { host, port } = this.#opening
    if ('cannotListen' in opened) throw new CannotListen(host, port, opened.cannotListen)
    if (!('listens' in opened)) throw unexpected(opened)
    // The same one after a restart.
    this.#opening.port = opened.listens.port
    this.#watch = setInterval(() => void this.#endOver(), sshLimits.watchMs).unref()
    return opened.listens
  }

  async close() {
    this.#isClosed = true
    clearInterval(this.#watch)
    clearTimeout(this.#again)
    const child = this.#process
    if (child && child.exitCode === null && child.signalCode === null) {
      const isGone = new Promise((resolve) => child.once('exit', resolve))
      this.#tell({ stop: true })
      const late = setTimeout(() => child.kill('SIGKILL'), sshLimits.lastWordsMs * 2)
      await isGone
      clearTimeout(late)
    }
    await this.#endAll()
  }

  #open(): Promise<FromDoor> {
    return this.#asked({ open: { ...this.#opening, hostKey: this.#hostKey! } })
  }

  /** Tells the process something, and waits for its first word. */
  async #asked(what: ToDoor): Promise<FromDoor> {
    const child = this.#process ?? this.#born()
    const said = new Promise<FromDoor>((resolve, reject) => {
      const late = setTimeout(() => child.kill('SIGKILL'), sshLimits.startMs)
      const settle = () => {
        clearTimeout(late)
        child.off('message', take)
        child.off('exit', die)
      }
      const take = (message: FromDoor) => {
        settle()
        resolve(message)
      }
      const die = () => {
        settle()
        reject(new Error('expected a process for SSH, got one that ended at its start'))
      }
      child.once('message', take)
      child.once('exit', die)
    })
    this.#tell(what)
    return said
  }

  #born(): ChildProcess {
    const child = fork(program, {
      // It is to outlive no crash with what it has in memory: passwords on their way.
      execPath: '/bin/sh',
      execArgv: [
        '-c',
        'ulimit -c 0; exec "$0" "$@"',
        process.execPath,
        '--disable-sigusr1',
        // Each client has a heap of its own, and is idle for most of its time.
        '--optimize-for-size',
        `--max-old-space-size=${sshLimits.heapMiB}`,
        '--no-warnings',
      ],
      // No setting and no secret of the server's. Each thread would have an arena of its own of the C library's, and leave
      // a quarter of its memory unused in it.
      env: { MALLOC_ARENA_MAX: '2' },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    this.#process = child
    this.#bornMs = performance.now()
    child.on('message', (message: FromDoor) => void this.#receive(child, message))
    child.on('error', () => {})
    child.once('exit', () => void this.#died(child))
    child.unref()
    child.channel?.unref()
    return child
  }

  async #died(child: ChildProcess) {
    if (this.#process !== child) return
    this.#process = null
    await this.#endAll()
    // Not before it has listened once: then who starts the server reads why it does not.
    if (this.#isClosed || this.#watch === undefined) return
    if (performance.now() - this.#bornMs > sshLimits.againAtMostMs) this.#diedInRow = 0
    const waitMs = Math.min(sshLimits.againMs * 2 ** this.#diedInRow, sshLimits.againAtMostMs)
    this.#diedInRow += 1
    this.#needs.log.error('the process of the SSH door ended, and is started again')
    this.#again = setTimeout(() => void this.#reopen(), waitMs).unref()
  }

  async #reopen() {
    if (this.#isClosed) return
    try {
      const opened = await this.#open()
      if ('listens' in opened) return
      this.#process?.kill('SIGKILL')
    } catch {} // it ended again, and is started again
  }

  #tell(what: ToDoor) {
    this.#process?.send(what, () => {})
  }

  async #receive(child: ChildProcess, message: FromDoor) {
    if (this.#process !== child) return
    if ('trouble' in message)
      this.#needs.log.error({ trouble: message.trouble }, 'in the process of the SSH door')
    if ('gone' in message) await this.#gone(message.gone)
    if (!('ask' in message)) return
    const answer = await this.#answer(message.question)
    if (this.#process === child) this.#tell({ to: message.ask, answer })
  }

  async #answer(question: Question): Promise<Answer> {
    const { users, sshKeys, log } = this.#needs
    try {
      if ('knows' in question) {
        const user = await users.meantInShort(question.knows.user)
        return { knows: user !== null && (await sshKeys.knows(user, octets(question.knows.key))) }
      }
      const { logIn } = question
      // From here on it is known when it is gone, whatever takes its time now.
      const connection: Connection = { userId: null, session: null }
      this.#connections.set(logIn.connection, connection)
      const user = await users.meantInShort(logIn.user)
      const { address } = logIn
      if ('password' in logIn) {
        const known = await users.logIn(user?.address ?? logIn.user, logIn.password, address)
        return { begun: await this.#begin(logIn, connection, known) }
      }
      if (!user) throw new Refusal('wrong-log-in')
      return {
        begun: await this.#begin(logIn, connection, await sshKeys.logIn(user, octets(logIn.key), address)),
      }
    } catch (error) {
      const refusal = refusalOf(error)
      if (refusal) return { refused: refusal.told }
      const { name, message, stack } = error as Error
      log.error({ err: { name, message, stack } }, 'a log-in by SSH failed')
      return { failed: true }
    }
  }

  async #begin(
    { connection: number, address }: { connection: number; address: string },
    connection: Connection,
    known: LogIn,
  ): Promise<Begun> {
    const ofUser = [...this.#connections.values()].filter(({ userId }) => userId === known.user.id)
    if (ofUser.length >= sshLimits.ofUser) throw new Refusal('ssh-many')
    connection.userId = known.user.id
    const options = { ofConnection: true }
    const { sessions } = this.#needs
    const { token, session } = await sessions.begin(known, `SSH from ${address}`, address, options)
    connection.session = session.id
    if (this.#connections.get(number) !== connection) await this.#endSession(session.id)
    return { token, user: session.user.address }
  }

  async #gone(connection: number) {
    const session = this.#connections.get(connection)?.session
    this.#connections.delete(connection)
    if (session) await this.#endSession(session)
  }

  async #endAll() {
    const all = [...this.#connections.values()]
    this.#connections.clear()
    for (const { session } of all) if (session) await this.#endSession(session)
  }

  /** Tries until it has happened: with the database away, the key would stay open. */
  async #endSession(id: string) {
    try {
      await this.#needs.sessions.end(id, 'ended')
    } catch (error) {
      this.#needs.log.error(
        { reason: refusalOf(error)?.reason },
        'the session of an SSH connection ends late',
      )
      if (!this.#isClosed) setTimeout(() => void this.#endSession(id), sshLimits.watchMs).unref()
    }
  }

  /** Sessions that ended elsewhere, or by time: their connections end too. */
  async #endOver() {
    const held = [...this.#connections].flatMap(([number, { session }]) =>
      session ? [{ number, session }] : [],
    )
    if (held.length === 0) return
    try {
      const alive = await this.#needs.sessions.alive(held.map(({ session }) => session))
      for (const { number, session } of held) {
        if (alive.has(session)) continue
        this.#tell({ over: number })
        await this.#gone(number)
      }
    } catch {} // the database is away: asked again shortly
  }
}

const octets = (text: string) => Buffer.from(text, 'base64')
const unexpected = (message: FromDoor) =>
  new Error(`expected the SSH door to open, got ${Object.keys(message).join(', ')}`)
