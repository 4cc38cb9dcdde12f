/** @jsxImportSource react */
/**
 * The full client: Ink on the terminal's second screen, which is put away again however the client ends. Loaded only
 * for `wafer tui`, never by the commands for scripts.
 */
import { setFlagsFromString } from 'node:v8'
import { render } from 'ink'
import { App } from './full/app.ts'
import { Frame, type Suspend } from './full/frame.tsx'
import { readKeymap } from './full/keymap.ts'
import { openCompose } from './full/screens/begin-letter.ts'
import { terminalName } from './full/screens/login.ts'
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
export const run = (options: TuiOptions): Promise<number> => {
  // The space for young objects stays as large as starting made it: a client that mostly waits would fill 16 MB more.
  setFlagsFromString('--semi-space-growth-factor=1')
  const { stdin, stdout } = process
  const isPlain =
    options.plain ||
    !stdin.isTTY ||
    !stdout.isTTY ||
    process.env.TERM === 'dumb' ||
    process.env.INK_SCREEN_READER === 'true'
  return isPlain ? runInLines(options) : runOnScreen(options)
}

const clientOf = (server: ClientOptions): Client => {
  const client = new Client(server)
  client.ledgerMemory = ledgerMemory(new Kept())
  return client
}

const runInLines = async ({ user, mailto, ...server }: TuiOptions): Promise<number> => {
  const { stdin, stdout } = process
  return runPlain({
    client: clientOf(server),
    terminal: terminalName(),
    heartbeat_s: heartbeatS,
    input: stdin,
    output: stdout,
    ...(stdout.isTTY && !isUtf8() ? { note: asciiNote } : {}),
    ...(user === undefined ? {} : { user }),
    ...(mailto === undefined ? {} : { mailto }),
  })
}

const runOnScreen = async ({ user, mailto, ...server }: TuiOptions): Promise<number> => {
  const { client, distrust } = reachable(server)
  const { keymap, problems } = readKeymap()
  let exitCode = 0
  let instance: ReturnType<typeof render> | null = null
  let suspended: Suspend = (work) => work()
  const app: App = new App({
    client,
    keymap,
    surroundings: {
      terminal: terminalName(),
      now: Date.now,
      suspended: (work) => suspended(work),
      stopProcess: () => suspended(stopped),
      redraw: () => instance?.clear(),
      exit: (code) => {
        exitCode = code
        instance?.unmount()
      },
    },
  })
  const fault = watchForFaults(app, () => instance?.unmount())
  instance = render(<Frame app={app} onReady={(give) => (suspended = give)} />, {
    alternateScreen: true,
    incrementalRendering: true,
    exitOnCtrlC: false,
    patchConsole: true,
  })
  for (const signal of ['SIGHUP', 'SIGTERM', 'SIGINT'] as const) process.on(signal, () => void app.end(1))
  if (distrust) app.refuse(distrust)
  else {
    app.begin(user ?? '', mailto ? () => openCompose(app, { mailto }) : null)
    if (problems.length) app.warn(problems.join(' '))
    else if (!isUtf8()) app.mention(asciiNote)
  }
  await instance.waitUntilExit().catch(fault.happened)
  await fault.ended()
  instance.cleanup()
  // The second screen is gone, and what it said with it.
  for (const sentence of [fault.sentence(client), app.distrust?.message])
    if (sentence) process.stderr.write(`wafer: ${sentence}\n`)
  return exitCode
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

const stopped = () =>
  new Promise<void>((resolve) => {
    process.once('SIGCONT', () => resolve())
    // The whole group, npm before us included: else the shell would wait for it.
    process.kill(0, 'SIGTSTP')
  })

/** What an error of ours holds may be of a mail: nothing of it is printed, and the key does not stay open. */
const watchForFaults = (app: App, unmount: () => void) => {
  let fault: { ended: Promise<void>; name: string } | null = null
  const happened = (error: unknown) => {
    if (fault) return
    unmount()
    fault = { ended: app.end(1), name: error instanceof Error ? error.constructor.name : typeof error }
  }
  process.on('uncaughtException', happened)
  process.on('unhandledRejection', happened)
  return {
    happened,
    ended: () => fault?.ended,
    sentence: ({ token }: Client) =>
      fault &&
      `The client made a mistake (${fault.name}) and had to end; ${token === null ? 'the key is locked and the session is over' : 'the server was not reached, and locks the key by itself soon'}.`,
  }
}
