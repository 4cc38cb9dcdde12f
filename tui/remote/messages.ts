/**
 * What the door of SSH and a client in its worker thread say to each other: one worker a channel. Both ways there is a
 * bound to what is under way: who sends more than a window of octets waits until the other has said that some were
 * taken. A worker may be started before anybody has come; it waits for `start` then.
 */

/** What runs, for whom, on what. It comes once, before anything else. */
export type Start = {
  /** Where the server listens for the API. */
  socketPath: string
  /** Of the session that the log-in began, and whose it is. */
  token: string
  user: string
  /** Where the other end is. */
  address: string
  /** Null: the full client; else the words of a command as `wafer` has them. */
  argv: string[] | null
  env: { TERM?: string; LANG?: string; NO_COLOR?: string }
  /** Cells; null where the other end has no terminal for us. */
  size: { columns: number; rows: number } | null
  /** Where another channel of this connection has opened the key. */
  keyToken: string | null
  /** How much it leaves the processor to others, as nice(1) has it. */
  niceness: number
}

export type ToClient =
  | { start: Start }
  | { input: Uint8Array }
  /** There is no more input. */
  | { end: true }
  | { resize: { columns: number; rows: number } }
  /** So many octets of output were taken. */
  | { drained: number }
  /** Another channel opened the key, or locked it. */
  | { key: string | null }
  /** The channel is gone: nobody reads any more. */
  | { hangup: true }

export type FromClient =
  | { output: Uint8Array; to: 'stdout' | 'stderr' }
  /** So many octets of input were taken. */
  | { consumed: number }
  /** The key was opened here, or locked. */
  | { key: string | null }
  /** The person logged out: once this has ended, the connection is to be closed. */
  | { logOut: true }
  /** It has ended; all its output came before. */
  | { exit: number }

/** Octets of input that may be under way and not consumed; whoever sends them stops reading at that. */
export const inputWindow = 64 * 1024
/** Octets of output that may be under way and not drained. */
export const outputWindow = 64 * 1024
/** Of one message with output. */
export const outputPiece = 16 * 1024

/**
 * How such a worker is started, with `new Worker(file, workerOptions)`: without the environment and the arguments of
 * the process, and with a heap of its own that ends it, and nobody else, when it is full.
 */
export const workerOptions = {
  env: {},
  argv: [],
  execArgv: [],
  stdin: false,
  stdout: true,
  stderr: true,
  resourceLimits: { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 4, stackSizeMb: 4 },
}
