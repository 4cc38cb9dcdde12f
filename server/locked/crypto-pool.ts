/**
 * Child processes for the work that needs keys or reads hostile mail. What a process has once held can be found in
 * its memory until it ends (measured: a passphrase survives garbage collection), so a process that worked with
 * keys serves one user in its life and is gone soon: at the lock, four seconds after its last work, or at the age of
 * a minute. Work without keys has processes of its own. A spare one is kept warm. Each is limited in CPU time,
 * memory and the time of one task.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import {
  childLimits,
  waitingLimit,
  waitingLimitOfStrangers,
  waitingLimitOfUser,
  waitMs,
} from '../ground/limits.ts'
import { type Piecewise, receiveInPieces, sendInPieces } from '../ground/pieces.ts'
import { root } from '../ground/places.ts'
import { Refusal } from '../ground/refusal.ts'
import type { Turnstile } from '../ground/turnstile.ts'
import type { Answer, Operations, Request } from './child.ts'
import { isDear } from './dear.ts'

export type Task<O extends keyof Operations> = Parameters<Operations[O]>[0]
export type Result<O extends keyof Operations> = Awaited<ReturnType<Operations[O]>>

/** No core dump; CPU seconds in a life; address space in KiB, of which an idle process has 1.4 GiB reserved. */
const limits = `ulimit -c 0; ulimit -t ${childLimits.cpuS}; ulimit -v ${childLimits.addressSpaceKiB}; exec "$0" "$@"`
/** Beside this file in the bundle; tests run this file from its source. */
const program = join(root, 'dist', 'child.js')
const programParts = [program, join(root, 'dist', 'child-code.cjs'), join(root, 'dist', 'child-code.cache')]

/** It may read its own program and nothing else, write nothing, and start nothing. */
const nodeOptions = [
  '--permission',
  ...programParts.map((file) => `--allow-fs-read=${file}`),
  '--disable-sigusr1',
  `--max-old-space-size=${childLimits.heapMiB}`,
  '--no-warnings',
]

/** Whose keys a process may see, or the kind of its work without any: a hostile mail that comes in delays no reader. */
type Owner = number | 'intake' | 'reading'

type Waiting = {
  owner: Owner
  user: number | null
  start: (child: Child) => void
  fail: (error: Error) => void
}

export class CryptoPool {
  readonly #children = new Set<Child>()
  #spare: Child | null = null
  #closed = false
  readonly #turnstile: Turnstile
  #queue: Waiting[] = []
  /** When each user that waits was last given a process, in turns. */
  readonly #served = new Map<number | null, number>()
  #turns = 0

  /** @param turnstile through which what is dear (dear.ts) goes, also outside of the pool */
  constructor(turnstile: Turnstile) {
    this.#turnstile = turnstile
  }

  /** Starts the spare process, so that the first task need not wait for one. */
  warmUp() {
    if (!this.#closed) this.#spare ??= this.#born()
  }

  /**
   * Runs one operation of child.ts.
   *
   * @param owner whose keys or secrets are in the task, or the kind of work without any
   * @param task or what fetches it when its turn has come: those that wait should not hold a mail each
   * @param options.user for whom it is, where that is not the owner
   * @param options.before asked when the process stands ready, and it is the turn of what is dear: throws what forbids it
   * @param options.sent called when the process has all of the task: what is large in it need not be held any more
   * @throws Refusal as the operation does; `busy` when too many tasks wait, or this one waited too long; `failed` when the work took too long
   */
  async run<O extends keyof Operations>(
    owner: Owner,
    operation: O,
    task: Task<O> | (() => Promise<Task<O>>),
    {
      user = typeof owner === 'number' ? owner : null,
      before = () => {},
      sent = () => {},
    }: { user?: number | null; before?: () => Promise<void> | void; sent?: () => void } = {},
  ): Promise<Result<O>> {
    const child = await this.#childFor(owner, user)
    try {
      const fetched = typeof task === 'function' ? await task() : task
      const work = async () => {
        await before()
        return (await child.run(operation, fetched, sent)) as Result<O>
      }
      // Who waits for a process of their own takes nobody's place.
      return await (isDear(operation, fetched) ? this.#turnstile.pass(work) : work())
    } finally {
      child.free()
      this.#next()
    }
  }

  /** Ends the processes that worked for this user, whatever they do; what they did is not handed out. */
  endFor(owner: number, { onlyIdle = false } = {}) {
    for (const child of this.#children) if (child.owner === owner && !(onlyIdle && child.busy)) child.end()
  }

  close() {
    this.#closed = true
    for (const child of this.#children) child.end()
    this.#spare?.end()
    for (const { fail } of this.#queue) fail(new Refusal('server-stops'))
    this.#queue = []
  }

  #childFor(owner: Owner, user: number | null): Promise<Child> {
    const ofUser = this.#queue.filter((waiting) => waiting.user === user).length
    const limit = user === null ? waitingLimitOfStrangers : waitingLimitOfUser
    if (this.#queue.length >= waitingLimit || ofUser >= limit) throw isBusy()
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        owner,
        user,
        start: (child) => {
          clearTimeout(deadline)
          resolve(child)
        },
        fail: (error) => {
          clearTimeout(deadline)
          reject(error)
        },
      }
      const deadline = setTimeout(() => {
        this.#queue = this.#queue.filter((each) => each !== waiting)
        reject(isBusy())
      }, waitMs)
      this.#queue.push(waiting)
      this.#next()
    })
  }

  /**
   * Starts every waiting task that a process can be had for: first those of the user who was longest without, and of one
   * user in the order in which they came. So who asks for much waits behind the others for each of it. Nor has one user
   * all the processes of a kind: what takes long there would keep everybody waiting.
   */
  #next() {
    if (this.#queue.length === 0) return this.#served.clear()
    const full = new Set<Owner>()
    const last = ({ user }: Waiting) => this.#served.get(user) ?? 0
    for (;;) {
      let first: Waiting | null = null
      for (const waiting of this.#queue)
        if (
          !full.has(waiting.owner) &&
          (first === null || last(waiting) < last(first)) &&
          !this.#isServed(waiting)
        )
          first = waiting
      if (first === null) return
      const child = this.#closed ? null : this.#available(first.owner)
      if (!child) {
        full.add(first.owner)
        continue
      }
      child.take(first.user)
      this.#queue.splice(this.#queue.indexOf(first), 1)
      this.#served.set(first.user, ++this.#turns)
      first.start(child)
    }
  }

  #isServed({ owner, user }: Waiting) {
    if (typeof owner === 'number' || user === null) return false
    return [...this.#children].some((child) => child.busy && child.owner === owner && child.user === user)
  }

  #born(): Child {
    return new Child((child) => {
      this.#children.delete(child)
      this.#next()
    })
  }

  #available(owner: Owner): Child | null {
    const own = [...this.#children].filter((child) => child.owner === owner && !child.ended)
    const free = own.find((child) => !child.busy)
    if (free) return free
    if (own.length >= (typeof owner === 'number' ? 1 : childLimits.keylessAtOnce)) return null
    if (this.#children.size >= childLimits.processes) {
      const idle = [...this.#children].find((child) => !child.busy)
      if (!idle) return null
      idle.end()
    }
    const child = this.#spare && !this.#spare.ended ? this.#spare : this.#born()
    this.#spare = null
    child.owner = owner
    this.#children.add(child)
    setTimeout(() => this.warmUp(), 50).unref()
    return child
  }
}

class Child {
  owner: Owner | null = null
  /** For whom it works, or did last. */
  user: number | null = null
  busy = false
  ended = false
  readonly #onEnd: (child: Child) => void
  readonly #process: ChildProcess
  readonly #bornMs = performance.now()
  readonly #waiting = new Map<
    number,
    { resolve: (result: unknown) => void; reject: (error: Error) => void }
  >()
  #lastId = 0
  #idle: NodeJS.Timeout | undefined

  constructor(onEnd: (child: Child) => void) {
    this.#onEnd = onEnd
    this.#process = fork(program, {
      execPath: '/bin/sh',
      execArgv: ['-c', limits, process.execPath, ...nodeOptions],
      serialization: 'advanced',
      env: {}, // no setting and no secret of the server's
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    const receive = receiveInPieces<Answer>((id, answer) => this.#receive(id, answer))
    this.#process.on('message', (content: Piecewise<Answer>) => {
      try {
        receive(content)
      } catch {
        this.end() // it read what strangers sent: its word is not to be trusted either
      }
    })
    this.#process.on('error', () => this.end())
    this.#process.on('exit', () => this.end())
    this.#process.unref()
    this.#process.channel?.unref()
  }

  /** Marks the process as busy before anything is awaited, so that nobody else takes it. */
  take(user: number | null) {
    this.user = user
    clearTimeout(this.#idle)
    this.busy = true
    this.#process.channel?.ref()
  }

  async run(operation: keyof Operations, task: unknown, sent: () => void): Promise<unknown> {
    const id = ++this.#lastId
    const timer = setTimeout(() => {
      this.#waiting.get(id)?.reject(new Refusal('took-too-long'))
      this.end()
    }, childLimits.taskMs)
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting.set(id, { resolve, reject })
        if (this.ended) reject(interrupted())
        else this.#send(id, { operation, task }).then(sent, () => reject(interrupted()))
      })
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(id)
    }
  }

  free() {
    this.busy = false
    this.#process.channel?.unref()
    if (performance.now() - this.#bornMs >= childLimits.ageMs) this.end()
    else this.#idle = setTimeout(() => this.end(), childLimits.idleMs).unref()
  }

  end() {
    if (this.ended) return
    this.ended = true
    clearTimeout(this.#idle)
    this.#process.kill('SIGKILL')
    for (const { reject } of this.#waiting.values()) reject(interrupted())
    this.#onEnd(this)
  }

  #send(id: number, request: Request): Promise<void> {
    return sendInPieces((content, sent) => this.#process.send(content, sent), id, request)
  }

  #receive(id: number, answer: Answer) {
    const task = this.#waiting.get(id)
    if (!task) return
    if ('result' in answer) task.resolve(answer.result)
    else if ('refusal' in answer) task.reject(Refusal.from(answer.refusal))
    else task.reject(new Error(`expected an answer of the child process, got an error: ${answer.error}`))
  }
}

const isBusy = () =>
  new Refusal('server-busy', {
    detail: { retry_after_s: 5 },
  })
const interrupted = () => new Refusal('work-stopped')
