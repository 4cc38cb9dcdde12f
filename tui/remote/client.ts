/** The client on a channel of SSH: the whole screen, lines, or one command; with the session that the log-in began. */
import { demandArguments, readCall, WrongCall } from '../../server/contract/calls.ts'
import { defaults, type Keymap } from '../full/keymap.ts'
import { runOnScreen } from '../full/run.tsx'
import type { Keeping } from '../place.ts'
import { runPlain } from '../plain/plain.ts'
import { asciiNote, isUtf8, keepToAscii } from '../text/locale.ts'
import { noDisk } from '../text/words.ts'
import { Client, heartbeatS } from '../wire/client.ts'
import type { Channel } from './channel.ts'
import { commandsHere, help, isHelp, named, perform, tuiHere } from './commands.ts'
import type { Start } from './messages.ts'

/** What the other channels of the connection hear, and what is heard of them. */
export type Connection = {
  keyChanged(keyToken: string | null): void
  onKey(listener: (keyToken: string | null) => void): void
  /** The session is over because the person said so. */
  loggedOut(): void
}

/** Runs it until it is left. @returns its exit code */
export const runClient = async (start: Start, channel: Channel, connection: Connection): Promise<number> => {
  if (!isUtf8()) for (const each of [channel.output, channel.errors]) keepToAscii(each as NodeJS.WriteStream)
  const words = start.argv?.[0] === 'wafer' ? start.argv.slice(1) : start.argv
  if (!words || words.length === 0) return talk(start, channel, connection, { isPlain: false })
  if (isHelp(words)) {
    help(Object.keys(commandsHere), channel)
    return 0
  }
  const { name, rest } = named(words)
  if (name !== 'tui') return command(start, channel, connection, words)
  const call = readCall(name, tuiHere, rest)
  if (call.flag('help')) {
    help([name], channel)
    return 0
  }
  demandArguments(name, tuiHere, call)
  const [mailto] = call.arguments
  if (mailto !== undefined && !/^mailto:/i.test(mailto))
    throw new WrongCall('tui takes a mailto: link at most.')
  return talk(start, channel, connection, { isPlain: call.flag('plain'), mailto })
}

const serverOf = ({ user, socketPath }: Start) => ({
  // What the pages are called is not known here; that the mail is of this domain is.
  server: `http://${user.slice(user.lastIndexOf('@') + 1)}`,
  socketPath,
})

// ---- somebody at a terminal, or at the end of a pipe

/** While the channel lives, leaving is logging out, and that ends the connection; when it has gone, it does not. */
class ChannelClient extends Client {
  isHungUp = false
  readonly #loggedOut: () => void

  constructor(options: ConstructorParameters<typeof Client>[0], loggedOut: () => void) {
    super(options)
    this.#loggedOut = loggedOut
  }

  override async logOut(): Promise<void> {
    if (this.isHungUp) {
      this.token = null
      return
    }
    await super.logOut()
    this.#loggedOut()
  }
}

const talk = async (
  start: Start,
  channel: Channel,
  connection: Connection,
  { isPlain, mailto }: { isPlain: boolean; mailto?: string | undefined },
): Promise<number> => {
  const { input, output, errors, signals } = channel
  let isLoggedOut = false
  const { keyChanged } = connection
  const client = new ChannelClient({ ...serverOf(start), keyTokenChanged: keyChanged }, () => {
    isLoggedOut = true
  })
  client.token = start.token
  client.user = start.user
  client.shareKey(start.keyToken)
  signals.once('SIGHUP', () => {
    client.isHungUp = true
  })
  const on = {
    client,
    terminal: `SSH from ${start.address}`,
    disk: null,
    hasLogIn: false,
    user: start.user,
    mailto,
    signals,
  }
  const isInLines = isPlain || !start.size || ['', 'dumb'].includes(start.env.TERM ?? '')
  const code = isInLines
    ? await inLines()
    : await runOnScreen({
        ...on,
        keymap: keymapHere(),
        input: input as NodeJS.ReadStream,
        output: output as NodeJS.WriteStream,
        errors: errors as NodeJS.WriteStream,
        stopProcess: null,
        begun: (app) =>
          connection.onKey((key) => {
            client.shareKey(key)
            void app.checkKey()
          }),
      })
  // What was said at the end comes before the connection goes.
  await channel.done()
  if (isLoggedOut) connection.loggedOut()
  return code

  function inLines() {
    connection.onKey((key) => client.shareKey(key))
    const note = start.size && !isUtf8() ? { note: asciiNote } : {}
    return runPlain({ ...on, ...note, input, output, heartbeat_s: heartbeatS })
  }
}

/** The usual keys; what there is not here says so in the help, and stands in no hints. */
const keymapHere = (): Keymap => {
  const keymap = structuredClone(defaults)
  keymap.global.suspend = { keys: ['ctrl-z'], does: noDisk.suspend, isAbsent: true }
  keymap.compose.editor = { keys: ['ctrl-o'], does: noDisk.editor, isAbsent: true }
  keymap.files.get = { ...keymap.files.get!, does: noDisk.get, isAbsent: true }
  keymap.files.put = { ...keymap.files.put!, does: noDisk.put, isAbsent: true }
  keymap.menu.save = { ...keymap.menu.save!, does: noDisk.save, isAbsent: true }
  return keymap
}

// ---- a command for scripts

const command = async (
  start: Start,
  channel: Channel,
  connection: Connection,
  words: string[],
): Promise<number> => {
  const { user, token } = start
  const { server, socketPath } = serverOf(start)
  let keyToken = start.keyToken
  let isLoggedOut = false
  connection.onKey((key) => {
    keyToken = key
  })
  const share = (key: string | null) => {
    if (key === keyToken) return
    keyToken = key
    connection.keyChanged(key)
  }
  const kept: Keeping = {
    hasRuntimeFolder: true,
    prepare: () => undefined,
    session: () => ({ server, user, token }),
    keepSession: () => undefined,
    forgetSession: () => {
      isLoggedOut = true
      share(null)
    },
    keyToken: () => keyToken,
    keepKeyToken: share,
    forgetKey: () => share(null),
    // How far the ledger was seen is remembered by terminals that come again.
    mark: () => null,
    keepMark: () => undefined,
  }
  try {
    const { input, output, errors, signals } = channel
    const place = { input, output, errors, signals, kept, socketPath, machine: null }
    await perform(words, { ...place, howToLogIn: 'connect again' })
    return 0
  } finally {
    if (isLoggedOut) {
      await channel.done()
      connection.loggedOut()
    }
  }
}
