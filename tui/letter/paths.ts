/**
 * Files that one attaches: their names completed as a shell does, and read within a limit. A path is written as it is,
 * without quotes: blanks need no backslash. A leading `~` is the home folder.
 */
import { type FileHandle, open, readdir, stat, unlink } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, resolve } from 'node:path'
import { typeOf } from './file-names.ts'
import type { FetchedFile } from './letter.ts'

export type Completion = {
  /** What was typed, as far as all candidates agree on how it goes on. */
  completed: string
  /** Names in that folder; folders end in a slash. */
  candidates: string[]
}
export type Surroundings = { home: string; folder: string }

const here = (): Surroundings => ({ home: homedir(), folder: process.cwd() })

/** What the path may become. Hidden files are offered once their dot is typed; nothing is found where nothing can be read. */
export const completions = async (typed: string, surroundings = here()): Promise<Completion> => {
  if (typed === '~') return { completed: '~/', candidates: ['~/'] }
  const cut = typed.lastIndexOf('/') + 1
  const [folder, begun] = [typed.slice(0, cut), typed.slice(cut)]
  const entries = await readdir(pathOf(folder || '.', surroundings), { withFileTypes: true }).catch(() => [])
  const offered = entries.filter(
    // What has control characters or no valid encoding in its name cannot be typed, and had better not be shown.
    ({ name }) =>
      (begun.startsWith('.') || !name.startsWith('.')) && !/[\u0000-\u001f\u007f-\u009f\ufffd]/.test(name),
  )
  let found = offered.filter(({ name }) => name.startsWith(begun))
  if (found.length === 0) {
    const lower = folded(begun)
    found = offered.filter(({ name }) => folded(name).startsWith(lower))
  }
  const candidates = await Promise.all(
    found.map(async (entry) => {
      const isFolder =
        entry.isDirectory() ||
        (entry.isSymbolicLink() &&
          (await stat(pathOf(folder + entry.name, surroundings)).catch(() => null))?.isDirectory())
      return isFolder ? `${entry.name}/` : entry.name
    }),
  )
  candidates.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
  const common = commonStart(candidates)
  // Names that agree in nothing but their case leave what was typed.
  return { completed: common.length >= begun.length ? folder + common : typed, candidates }
}

/** Of one name and case, and of one composition: a Mac's file names are decomposed. */
const folded = (name: string) => name.normalize('NFC').toLowerCase()

/** By whole characters: half a pair or a letter without its accent is nobody's beginning. */
const commonStart = (names: string[]): string => {
  const [first = '', ...others] = names
  let common = ''
  for (const { segment } of new Intl.Segmenter('en').segment(first)) {
    if (!others.every((name) => name.startsWith(common + segment))) break
    common += segment
  }
  return common
}

/**
 * The file as it is attached.
 *
 * @param mostOctets what the letter still has room for
 * @returns or a sentence that says why not
 */
export const attachmentFrom = async (
  typed: string,
  mostOctets: number,
  surroundings = here(),
): Promise<{ attachment: FetchedFile } | { failed: string }> => {
  const found = await fileAt(typed, surroundings)
  if ('failed' in found) return found
  const { path, whole, size } = found
  try {
    const octets = await readUpTo(whole, mostOctets)
    if (octets === null)
      return {
        failed: `${path} has ${inMegabytes(size)}, but only ${inMegabytes(mostOctets)} are left for attachments.`,
      }
    const name = basename(whole)
    return { attachment: { name, type: typeOf(name), octets } }
  } catch (error) {
    return { failed: whyNot(path, error) }
  }
}

/**
 * A file of any size, to be read as it is sent; whoever takes `octets` reads them to their end, or leaves their loop.
 *
 * @returns or a sentence that says why not
 */
export const streamFrom = async (
  typed: string,
  surroundings = here(),
): Promise<{ name: string; size: number; octets: AsyncIterable<Uint8Array> } | { failed: string }> => {
  const found = await fileAt(typed, surroundings)
  if ('failed' in found) return found
  try {
    const file = await open(found.whole, 'r')
    const { size } = await file.stat()
    return { name: basename(found.whole), size, octets: upTo(file, size) }
  } catch (error) {
    return { failed: whyNot(found.path, error) }
  }
}

/** A file as long as it was when it was opened: how long it is was said already. */
async function* upTo(file: FileHandle, size: number) {
  try {
    for (let left = size; left > 0; ) {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(Math.min(left, 65_536)))
      if (bytesRead === 0) return
      left -= bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

/**
 * Writes a file piece by piece. Where one is there already nothing is written, and of one that is not written to its end
 * nothing stays.
 *
 * @throws an error of the system, EEXIST where a file is there; what `work` throws
 */
export const writing = async <T>(
  typed: string,
  work: (write: (octets: Uint8Array) => Promise<void>) => Promise<T>,
): Promise<T> => {
  const path = pathOf(typed)
  const file = await open(path, 'wx', 0o600)
  let isWhole = false
  try {
    const result = await work(async (octets) => void (await file.writeFile(octets)))
    isWhole = true
    return result
  } finally {
    await file.close()
    if (!isWhole) await unlink(path)
  }
}

/** The file that a path as it was typed leads to, and that path as it is understood. */
const fileAt = async (
  typed: string,
  surroundings: Surroundings,
): Promise<{ path: string; whole: string; size: number } | { failed: string }> => {
  const wanted = typed.trim()
  if (wanted === '') return { failed: 'Which file? Type its path.' }
  // What was dragged into the terminal comes in quotes or with backslashes; a name that has them is taken as it is.
  const unquoted = wanted.replace(/^(['"])(.*)\1$/, '$2').replace(/\\(?=[ '"()&])/g, '')
  for (const path of new Set([wanted, unquoted])) {
    const whole = pathOf(path, surroundings)
    // Opening a pipe would wait for somebody to write into it.
    const found = await stat(whole).catch((error: NodeJS.ErrnoException) => error)
    if (found instanceof Error) {
      if (found.code === 'ENOENT' && path !== unquoted) continue
      return { failed: whyNot(path, found) }
    }
    if (found.isDirectory()) return { failed: `${path} is a folder; only files can be attached.` }
    if (!found.isFile()) return { failed: `${path} is not a file.` }
    return { path, whole, size: found.size }
  }
  return { failed: `${wanted} does not exist.` }
}

const whyNot = (path: string, error: unknown): string => {
  const { code = '' } = error as NodeJS.ErrnoException
  return `${path} ${reasons[code] ?? `cannot be read (${code})`}.`
}

const reasons: Record<string, string> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'does not exist',
  EACCES: 'may not be read by you',
  EPERM: 'may not be read by you',
  ENAMETOOLONG: 'is too long for a name',
  ELOOP: 'is a link that leads nowhere',
}

/** Null if the file has more, also if it grew while it was read. */
const readUpTo = async (path: string, mostOctets: number): Promise<Uint8Array | null> => {
  const file = await open(path, 'r')
  try {
    if ((await file.stat()).size > mostOctets) return null
    const octets = await file.readFile()
    return octets.length > mostOctets ? null : new Uint8Array(octets)
  } finally {
    await file.close()
  }
}

const inMegabytes = (octets: number) => `${(octets / 1024 / 1024).toFixed(1)} MB`

/** From where the person stands. */
export const pathOf = (typed: string, { home, folder } = here()): string =>
  resolve(folder, typed === '~' || typed.startsWith('~/') ? `${home}/${typed.slice(1)}` : typed)
