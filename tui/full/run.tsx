/** @jsxImportSource react */
/** The full client on a terminal: Ink on its second screen, which is put away again however the client ends. */
import type { EventEmitter } from 'node:events'
import { render } from 'ink'
import { asciiNote, isUtf8 } from '../text/locale.ts'
import type { Client } from '../wire/client.ts'
import type { Untrusted } from '../wire/connection.ts'
import { App } from './app.ts'
import { Frame, type Suspend } from './frame.tsx'
import type { Keymap } from './keymap.ts'
import { openCompose } from './screens/begin-letter.ts'
import type { Surroundings } from './stage.ts'

export type ScreenOptions = {
  client: Client
  keymap: Keymap
  input: NodeJS.ReadStream
  output: NodeJS.WriteStream
  errors: NodeJS.WriteStream
  /** Where SIGINT, SIGTERM and SIGHUP come from. */
  signals: EventEmitter
  /** Without `hasLogIn` that is whose session the client has; else who is proposed for the log-in. */
  user: string
  mailto?: string | undefined
  /** What is to be known before anything else. */
  problems?: string[]
  /** Why the server is not to be trusted, which is all that is shown then. */
  distrust?: Untrusted | null
  /** Is given the client once it is at work. */
  begun?(app: App): void
  /** Given how the terminal is lent, stops the process until it is taken up again; null where it cannot be stopped. */
  stopProcess: ((suspended: Suspend) => Promise<void>) | null
} & Pick<Surroundings, 'terminal' | 'disk' | 'hasLogIn'>

/** Runs the client until it is left. @returns its exit code */
export const runOnScreen = async (options: ScreenOptions): Promise<number> => {
  const { client, signals, user, mailto, distrust, stopProcess, problems = [] } = options
  let exitCode = 0
  let instance: ReturnType<typeof render> | null = null
  let suspended: Suspend = (work) => work()
  const app: App = new App({
    client,
    keymap: options.keymap,
    surroundings: {
      terminal: options.terminal,
      disk: options.disk,
      hasLogIn: options.hasLogIn,
      now: Date.now,
      suspended: (work) => suspended(work),
      stopProcess: stopProcess && (() => stopProcess((work) => suspended(work))),
      redraw: () => instance?.clear(),
      exit: (code) => {
        exitCode = code
        instance?.unmount()
      },
    },
  })
  const fault = watchForFaults(app, () => instance?.unmount())
  instance = render(<Frame app={app} onReady={(give) => (suspended = give)} />, {
    stdin: options.input,
    stdout: options.output,
    stderr: options.errors,
    alternateScreen: true,
    incrementalRendering: true,
    exitOnCtrlC: false,
    patchConsole: true,
  })
  for (const signal of ['SIGHUP', 'SIGTERM', 'SIGINT'] as const) signals.on(signal, () => void app.end(1))
  if (distrust) app.refuse(distrust)
  else {
    const letter = mailto ? () => openCompose(app, { mailto }) : null
    if (options.hasLogIn) app.begin(user, letter)
    else app.enter(user, letter)
    if (problems.length) app.warn(problems.join(' '))
    else if (!isUtf8()) app.mention(asciiNote)
  }
  options.begun?.(app)
  await instance.waitUntilExit().catch(fault.happened)
  await fault.ended()
  instance.cleanup()
  // The second screen is gone, and what it said with it.
  for (const sentence of [fault.sentence(client), app.lastWords])
    if (sentence) options.errors.write(`wafer: ${sentence}\n`)
  return exitCode
}

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
