/**
 * A text handed to the person's own editor. For that while it lies in a file: in a folder that only its owner may look
 * into, in memory where the system has such a place (tmpfs), and it is removed with all that the editor left beside it,
 * however the editing ended. What an editor writes elsewhere is beyond reach, except vim's swap, undo and viminfo files,
 * which are turned off as gopass does. Memory may be swapped to disk; kill -9 of the client leaves the folder behind,
 * and the next hand-off clears it away.
 */
import { spawn } from 'node:child_process'
import { type FSWatcher, realpathSync, rmSync, watch } from 'node:fs'
import {
  access,
  constants,
  lstat,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  statfs,
  writeFile,
} from 'node:fs/promises'
import { constants as constantsOfSystem, tmpdir } from 'node:os'
import { basename, join } from 'node:path'

/** `note`: what is to be known of it, a sentence. */
export type Edited = { text: string; note?: string } | { failed: string }
export type EditorOptions = {
  environment?: NodeJS.ProcessEnv
  /** Editors choose their mode by it. */
  name?: string
  /** Told each time the editor saves: what was saved is then worth keeping as a draft. */
  saved?: (text: string) => void
}

/** The command that the person set; a line terminal asks for the line editor (environ(7)). Null if there is none. */
export const editorOf = (environment: NodeJS.ProcessEnv = process.env): string | null => {
  const { VISUAL, EDITOR, TERM } = environment
  const wanted = TERM === 'dumb' ? [EDITOR, VISUAL] : [VISUAL, EDITOR]
  return wanted.map((command) => command?.trim()).find(Boolean) ?? null
}

/** Where the file will lie, and whether that is on a disk, which one is told before. */
export const placeForText = async (
  environment: NodeJS.ProcessEnv = process.env,
): Promise<{ folder: string; isOnDisk: boolean }> => {
  for (const folder of [environment.XDG_RUNTIME_DIR, '/dev/shm', tmpdir()])
    if (folder && (await isInMemory(folder))) return { folder, isOnDisk: false }
  return { folder: tmpdir(), isOnDisk: true }
}

/**
 * Has a text edited in `$VISUAL` or `$EDITOR`; the terminal must be free for it. Everything else goes on meanwhile.
 *
 * @returns the text with LF at the ends of its lines; or a sentence that says why it is as it was before
 */
export const edited = async (text: string, options: EditorOptions = {}): Promise<Edited> => {
  const { environment = process.env, name = 'letter.eml' } = options
  const command = editorOf(environment)
  if (!command) return { failed: 'No editor is set: put its command into VISUAL or EDITOR.' }
  const place = await placeForText(environment)
  let folder: string
  try {
    await clearLeftBehind(place.folder)
    folder = await mkdtemp(join(place.folder, `${prefix}${process.pid}-`)) // 0700 (POSIX mkdtemp)
  } catch (cause) {
    return { failed: `No file for the editor could be made in ${place.folder} (${codeOf(cause)}).` }
  }
  const guard = removedWhateverHappens(folder)
  let watcher: FSWatcher | null = null
  try {
    const file = join(folder, name)
    const written = text === '' || text.endsWith('\n') ? text : `${text}\n`
    await writeFile(file, written, { mode: 0o600, flag: 'wx' })
    if (options.saved) watcher = watchSaves(folder, file, written, options.saved)
    const { failed, killed } = await ended(command, file, environment)
    if (failed) return { failed: `${failed}; ${asBefore}` }
    const came = await contentOf(file)
    if (came === null) return { failed: `${killed ?? 'The editor left no file'}; ${asBefore}` }
    const next = decoded(came, environment)
    // One that died had not decided to give up, as one does that ends with an error; it may have died between emptying
    // the file and writing it.
    if (killed && (next === written || next === '')) return { failed: `${killed}; ${asBefore}` }
    // Editors end a file with a line end, which was not in the text.
    const whole = text.endsWith('\n') ? next : next.replace(/\n$/, '')
    return killed ? { text: whole, note: `${killed}. What it had saved is in the letter.` } : { text: whole }
  } catch (cause) {
    return {
      failed: `The text could not be taken from the editor (${codeOf(cause)}); ${asBefore}`,
    }
  } finally {
    watcher?.close()
    await rm(folder, { recursive: true, force: true }).catch(() => undefined)
    guard.off()
  }
}

const asBefore = 'the text is as it was before.'

type End = { failed?: string; killed?: string }

/** Runs the command as a shell reads it, as git and crontab do. @returns why it failed, or what ended it; else nothing */
const ended = (command: string, file: string, environment: NodeJS.ProcessEnv): Promise<End> =>
  new Promise((resolve) => {
    const child = spawn('sh', ['-c', `${command} "$@"`, command, ...quiet(command, environment), file], {
      stdio: 'inherit',
      env: environment,
    })
    const name = basename(command.split(/\s/)[0]!)
    child.on('error', (error) =>
      resolve({ failed: `The shell that runs the editor did not start (${codeOf(error)})` }),
    )
    child.on('close', (code, ownSignal) => {
      // A shell that waited for it says which signal it was by a number above 128 (POSIX.1-2024, 2.8.2).
      const signal = ownSignal ?? signalNames.get((code ?? 0) - 128)
      if (signal) resolve({ killed: `The editor ${name} was ended by ${signal}` })
      else if (code === 127) resolve({ failed: `The editor ${name} was not found` })
      else if (code === 126) resolve({ failed: `The editor ${name} may not be run` })
      else if (code) resolve({ failed: `The editor ${name} ended with ${code}` })
      else resolve({})
    })
  })

const signalNames = new Map(Object.entries(constantsOfSystem.signals).map(([name, number]) => [number, name]))

/** What keeps vim from writing the text elsewhere, and the graphical one from going into the background. */
const quiet = (command: string, environment: NodeJS.ProcessEnv): string[] => {
  const called = /^'([^']*)'|^"([^"]*)"|^(\S*)/
    .exec(command)!
    .slice(1)
    .find((word) => word !== undefined)!
  const name = basename(called)
  // On most systems `vi` is a vim, and writes what vim writes.
  if (/^(vi|editor)$/.test(name) && /^(vim|nvim)/.test(programBehind(called, environment)))
    return quiet('vim', {})
  if (!/^(vim|nvim|vimx|gvim|vim\.(basic|gtk3?|nox|tiny))$/.test(name)) return []
  // When the file is read: after the person's vimrc has set what it sets, before the commands of `-c`. A quoted mail is
  // a stranger's text, and a line of it must not set options here.
  const kept = 'set nobackup nowritebackup noundofile viminfo= nomodeline modelines=0'
  const set = ['-n', '--cmd', `autocmd BufReadPre,BufReadPost * ${kept}`]
  return name === 'gvim' ? ['-f', ...set] : set
}

/** The name of the program that a link leads to; empty where none is found. */
const programBehind = (called: string, { PATH = '' }: NodeJS.ProcessEnv): string => {
  const places = called.includes('/') ? [called] : PATH.split(':').map((folder) => join(folder, called))
  for (const place of places) {
    try {
      return basename(realpathSync(place))
    } catch {} // not there
  }
  return ''
}

// ---- the file

const prefix = 'wafer-edit-'
const tmpfs = new Set([0x01021994, 0x858458f6]) // TMPFS_MAGIC, RAMFS_MAGIC of statfs(2)

const isInMemory = async (folder: string): Promise<boolean> => {
  try {
    await access(folder, constants.W_OK | constants.X_OK)
    return process.platform === 'linux' && tmpfs.has((await statfs(folder)).type)
  } catch {
    return false
  }
}

/** Folders of clients that were killed. */
const clearLeftBehind = async (place: string) => {
  for (const name of await readdir(place)) {
    const owner = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : Number.NaN
    if (!Number.isSafeInteger(owner) || owner <= 0 || isRunning(owner)) continue
    const folder = join(place, name)
    const found = await lstat(folder).catch(() => null)
    if (found?.isDirectory() && found.uid === process.getuid?.())
      await rm(folder, { recursive: true, force: true })
  }
}

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/**
 * Removes the folder at exit and at the signals that end a client. While the editor runs, Ctrl-C and Ctrl-\ are its
 * own, though the terminal tells the whole foreground group.
 */
const removedWhateverHappens = (folder: string): { off(): void } => {
  const remove = () => {
    try {
      rmSync(folder, { recursive: true, force: true })
    } catch {} // nobody is left to be told
  }
  const listeners = new Map<NodeJS.Signals | 'exit', (...about: never[]) => void>([['exit', remove]])
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) listeners.set(signal, () => undefined)
  for (const signal of ['SIGHUP', 'SIGTERM'] as const)
    listeners.set(signal, () => {
      remove()
      // Where nobody else sees to the end, the signal does what it does without us.
      if (process.listenerCount(signal) > 1) return
      off()
      process.kill(process.pid, signal)
    })
  const off = () => {
    for (const [name, listener] of listeners) process.off(name, listener as () => void)
  }
  for (const [name, listener] of listeners) process.on(name as 'exit', listener as () => void)
  return { off }
}

/** Null if there is no such file any more. */
const contentOf = async (file: string): Promise<Uint8Array | null> => {
  const found = await stat(file).catch(() => null)
  return found?.isFile() ? await readFile(file) : null
}

/** Calls back once an editor has saved and is quiet, whether it writes into the file or puts another in its place. */
const watchSaves = (
  folder: string,
  file: string,
  first: string,
  saved: (text: string) => void,
): FSWatcher | null => {
  let last = first
  let timer: NodeJS.Timeout | undefined
  const look = async () => {
    const octets = await contentOf(file).catch(() => null)
    if (!octets?.length) return // between emptied and written
    const text = decoded(octets, process.env)
    if (text === last) return
    last = text
    saved(text)
  }
  try {
    const watcher = watch(folder, () => {
      clearTimeout(timer)
      timer = setTimeout(look, 300).unref()
    })
    watcher.on('error', () => watcher.close())
    watcher.on('close', () => clearTimeout(timer))
    return watcher
  } catch {
    return null // no watches left on this system: the text comes when the editor ends
  }
}

/** UTF-8; what an old editor wrote in the locale's own charset is not lost either. */
const decoded = (octets: Uint8Array, environment: NodeJS.ProcessEnv): string => {
  const { LC_ALL, LC_CTYPE, LANG } = environment
  const own = (LC_ALL || LC_CTYPE || LANG || '').match(/\.([\w-]+)/)?.[1]
  for (const charset of ['utf-8', own, 'windows-1252']) {
    try {
      const text = new TextDecoder(charset, { fatal: true }).decode(octets)
      return text.replace(/\r\n?/g, '\n')
    } catch {} // not in that charset, or none of that name
  }
  return new TextDecoder('latin1').decode(octets).replace(/\r\n?/g, '\n')
}

const codeOf = (error: unknown): string =>
  (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.message : 'unknown')
