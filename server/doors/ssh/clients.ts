/**
 * The clients: one worker thread for each channel, ended as a whole with it, so that one that fails or is flooded takes no
 * other down. One that has loaded already waits for whoever comes next.
 */
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { workerOptions } from '../../../tui/remote/messages.ts'
import { sshLimits } from '../../ground/limits.ts'
import { root } from '../../ground/places.ts'

/** Beside this file in the bundle. */
const program = join(root, 'dist', 'remote.js')

export class Clients {
  /** Where the API is listened for. */
  readonly socketPath: string
  /** Whose each is; the spare one is nobody's. */
  readonly #all = new Map<Worker, string | null>()
  #spare: Worker | null = null

  constructor(socketPath: string) {
    this.socketPath = socketPath
  }

  warmUp() {
    this.#spare ??= this.#born(null, 0)
  }

  /**
   * A client for this user. The more of them the user has, the less of the processor's time each has beside those of others,
   * from its birth on.
   *
   * @returns null if there are as many as may be, of this user or in all
   */
  take(user: string): { worker: Worker; niceness: number } | null {
    const ofUser = [...this.#all.values()].filter((each) => each === user).length
    if (this.#all.size >= sshLimits.clients || ofUser >= sshLimits.clientsOfUser) return null
    const niceness = Math.min(19, 1 + 2 * ofUser)
    const worker = this.#spare ?? this.#born(user, niceness)
    this.#spare = null
    this.#all.set(worker, user)
    // When this one has drawn its first screen, rather than beside it.
    setTimeout(() => this.warmUp(), sshLimits.spareAfterMs).unref()
    return { worker, niceness }
  }

  #born(user: string | null, niceness: number): Worker {
    const worker = new Worker(program, { ...workerOptions, workerData: niceness })
    this.#all.set(worker, user)
    // Nobody looks there; what a library writes is not to wait in memory.
    worker.stdout.resume()
    worker.stderr.resume()
    worker.on('error', () => {})
    worker.once('exit', () => {
      this.#all.delete(worker)
      if (this.#spare === worker) this.#spare = null
    })
    return worker
  }
}
