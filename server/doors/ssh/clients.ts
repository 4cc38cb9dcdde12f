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
  readonly #all = new Set<Worker>()
  #spare: Worker | null = null

  constructor(socketPath: string) {
    this.socketPath = socketPath
  }

  warmUp() {
    this.#spare ??= this.#born()
  }

  /** @returns null if there are as many as may be */
  take(): Worker | null {
    if (this.#all.size >= sshLimits.clients) return null
    const worker = this.#spare ?? this.#born()
    this.#spare = null
    // When this one has drawn its first screen, rather than beside it.
    setTimeout(() => this.warmUp(), sshLimits.spareAfterMs).unref()
    return worker
  }

  #born(): Worker {
    const worker = new Worker(program, workerOptions)
    this.#all.add(worker)
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
