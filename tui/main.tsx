/**
 * The terminal client on the person's own machine: in lines where it is asked for or the terminal can no more, else on
 * the whole screen. Loaded only for `wafer tui`, never by the commands for scripts.
 */
import { setFlagsFromString } from 'node:v8'
import type { Suspend } from './full/frame.tsx'
import { readKeymap } from './full/own-keys.ts'
import { runOnScreen } from './full/run.tsx'
import { disk } from './letter/disk.ts'
import { terminalName } from './machine.ts'
import { runPlain } from './plain/plain.ts'
import { asciiNote, isUtf8 } from './text/locale.ts'
import { Client, type ClientOptions, heartbeatS } from './wire/client.ts'
import { Untrusted } from './wire/connection.ts'
import { Kept, ledgerMemory } from './wire/kept.ts'

export type TuiOptions = {
  server: string
  ca?: string | undefined
  fingerprint?: string | undefined
  user?: string | undefined
  plain: boolean
  /** A `mailto:` link to begin a letter with. */
  mailto?: string | undefined
}

/** Runs the client until it is left. @returns its exit code: 1 where no encrypted communication was established */
export const run = ({ plain, user, mailto, ...server }: TuiOptions): Promise<number> => {
  // The space for young objects stays as large as starting made it: a client that mostly waits would fill 16 MB more.
  setFlagsFromString('--semi-space-growth-factor=1')
  const { stdin: input, stdout: output, stderr: errors, env } = process
  const isPlain =
    plain || !input.isTTY || !output.isTTY || env.TERM === 'dumb' || env.INK_SCREEN_READER === 'true'
  const here = { terminal: terminalName(), disk, hasLogIn: true, mailto, input, output }
  if (isPlain)
    return runPlain({
      ...here,
      client: clientOf(server),
      heartbeat_s: heartbeatS,
      ...(output.isTTY && !isUtf8() ? { note: asciiNote } : {}),
      user,
    })
  const { client, distrust } = reachable(server)
  const signals = process
  return runOnScreen({
    ...here,
    ...readKeymap(),
    client,
    distrust,
    errors,
    signals,
    user: user ?? '',
    stopProcess: stopped,
  })
}

const clientOf = (server: ClientOptions): Client => {
  const client = new Client(server)
  client.ledgerMemory = ledgerMemory(new Kept())
  return client
}

/** The client; where the server is not to be trusted, why not, and one for the screen that says so. */
const reachable = (server: ClientOptions): { client: Client; distrust: Untrusted | null } => {
  try {
    return { client: clientOf(server), distrust: null }
  } catch (error) {
    if (!(error instanceof Untrusted)) throw error
    return { client: clientOf({ server: 'http://localhost' }), distrust: error }
  }
}

const stopped = (suspended: Suspend) =>
  suspended(
    () =>
      new Promise<void>((resolve) => {
        process.once('SIGCONT', () => resolve())
        // The whole group, npm before us included: else the shell would wait for it.
        process.kill(0, 'SIGTSTP')
      }),
  )
