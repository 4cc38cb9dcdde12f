/** @jsxImportSource react */
/**
 * The full client: Ink on the terminal's second screen, which is put away again however the client ends. Loaded only
 * for `wafer tui`, never by the commands for scripts.
 */
import { setFlagsFromString } from 'node:v8'
import { render } from 'ink'
import { App } from './full/app.ts'
import { Frame } from './full/frame.tsx'
import { readKeymap } from './full/keymap.ts'
import { openCompose } from './full/screens/begin-letter.ts'
import { terminalName } from './full/screens/login.ts'
import { runPlain } from './plain/plain.ts'
import { asciiNote, isUtf8 } from './text/locale.ts'
import { Client, heartbeatS, Untrusted } from './wire/client.ts'
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
export const run = async (options: TuiOptions): Promise<number> => {
  // The space for young objects stays as large as starting made it: a client that mostly waits would fill 16 MB more.
  setFlagsFromString('--semi-space-growth-factor=1')
  const { stdin, stdout } = process
  const isPlain =
    options.plain ||
    !stdin.isTTY ||
    !stdout.isTTY ||
    process.env.TERM === 'dumb' ||
    process.env.INK_SCREEN_READER === 'true'
  let client: Client
  let distrust: Untrusted | null = null
  try {
    client = new Client(options)
  } catch (error) {
    if (!(error instanceof Untrusted) || isPlain) throw error
    // The screen that says so needs no connection.
    distrust = error
    client = new Client({ server: 'http://localhost' })
  }
  client.ledgerMemory = ledgerMemory(new Kept())
  if (isPlain)
    return runPlain({
      client,
      terminal: terminalName(),
      heartbeat_s: heartbeatS,
      input: stdin,
      output: stdout,
      ...(stdout.isTTY && !isUtf8() ? { note: asciiNote } : {}),
      ...(options.user === undefined ? {} : { user: options.user }),
      ...(options.mailto === undefined ? {} : { mailto: options.mailto }),
    })

  const { keymap, problems } = readKeymap()
  let exitCode = 0
  let instance: ReturnType<typeof render> | null = null
  let suspended: (work: () => Promise<void>) => Promise<void> = (work) => work()
  const app: App = new App({
    client,
    keymap,
    surroundings: {
      terminal: terminalName(),
      now: Date.now,
      suspended: (work) => suspended(work),
      stopProcess: () =>
        suspended(
          () =>
            new Promise((resolve) => {
              process.once('SIGCONT', () => resolve())
              // The whole group, npm before us included: else the shell would wait for it.
              process.kill(0, 'SIGTSTP')
            }),
        ),
      redraw: () => instance?.clear(),
      exit: (code) => {
        exitCode = code
        instance?.unmount()
      },
    },
  })
  let fault: { ended: Promise<void>; name: string } | null = null
  // What an error of ours holds may be of a mail: nothing of it is printed, and the key does not stay open.
  const failed = (error: unknown) => {
    if (fault) return
    instance?.unmount()
    fault = { ended: app.end(1), name: error instanceof Error ? error.constructor.name : typeof error }
  }
  process.on('uncaughtException', failed)
  process.on('unhandledRejection', failed)
  instance = render(<Frame app={app} onReady={(give) => (suspended = give)} />, {
    alternateScreen: true,
    incrementalRendering: true,
    exitOnCtrlC: false,
    patchConsole: true,
  })
  for (const signal of ['SIGHUP', 'SIGTERM', 'SIGINT'] as const) process.on(signal, () => void app.end(1))
  if (distrust) app.refuse(distrust)
  else {
    const { mailto } = options
    app.begin(options.user ?? '', mailto ? () => openCompose(app, { mailto }) : null)
    if (problems.length) app.warn(problems.join(' '))
    else if (!isUtf8()) app.mention(asciiNote)
  }
  await instance.waitUntilExit().catch(failed)
  const made = fault as { ended: Promise<void>; name: string } | null
  await made?.ended
  instance.cleanup()
  if (made)
    process.stderr.write(
      `wafer: The client made a mistake (${made.name}) and had to end; ${client.token === null ? 'the key is locked and the session is over' : 'the server was not reached, and locks the key by itself soon'}.\n`,
    )
  // The second screen is gone, and what it said with it.
  if (app.distrust) process.stderr.write(`wafer: ${app.distrust.message}\n`)
  return exitCode
}
