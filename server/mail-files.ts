/**
 * Mail in files, as other programs keep it: single mails (.eml), mbox and Maildir. A mail's octets stay as they are,
 * line ends included; only what mbox itself put in is taken out again (the From_ line, one `>` of each quoted one,
 * the empty line at the end: mboxrd, of which mboxo is read as the same).
 */
import { constants } from 'node:fs'
import { type FileHandle, lstat, open, readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { dateOf } from './mime.ts'
import { Refusal } from './refusal.ts'

/** A file with one mail or, as mbox, with any number of them. */
export type MailFile = { path: string; kind: 'mail' | 'mbox'; seen: boolean; flagged: boolean }
export type FiledMail = { octets: Buffer; arrivedAt: number; seen: boolean; flagged: boolean }

const sizeLimit = 25 * 1024 * 1024 // as of mail that comes in by SMTP

/**
 * The mail files that a path stands for: itself, or those of a Maildir in order of their names, which begin with
 * the time of arrival.
 *
 * @throws Refusal if there is nothing that could be mail
 */
export const mailFilesAt = async (path: string): Promise<MailFile[]> => {
  const info = await lstat(path).catch((cause) => {
    throw cannotRead(path, cause)
  })
  if (!info.isDirectory()) return [{ path, kind: await kindOf(path), seen: false, flagged: false }]
  // A Maildir may be another's: its links could lead to any file that this command may read.
  const entries = async (folder: string) =>
    (await lstat(folder)).isDirectory() ? await readdir(folder) : null
  const folders = await Promise.all(['cur', 'new'].map((name) => entries(join(path, name)).catch(() => null)))
  if (folders.every((names) => names === null))
    throw new Refusal('bad-request', `${path} is a folder, but no Maildir: it has neither cur nor new in it.`)
  return folders
    .flatMap((names, place) => (names ?? []).map((name) => join(path, place === 0 ? 'cur' : 'new', name)))
    .filter((file) => !basename(file).startsWith('.'))
    .map((file) => ({ path: file, kind: 'mail' as const, ...maildirFlags(file) }))
    .sort((a, b) => (basename(a.path) < basename(b.path) ? -1 : 1))
}

/**
 * The mails of a file one after another; of an mbox, only one is in memory at a time.
 *
 * @throws Refusal naming the file if it is not mail; what came before was whole
 */
export async function* mailsIn(file: MailFile): AsyncGenerator<FiledMail> {
  let handle: FileHandle | null = null
  try {
    handle = await openPlain(file.path)
    const { mtimeMs } = await handle.stat()
    if (file.kind === 'mbox') {
      for await (const mail of mailsInMbox(handle, file.path))
        yield filed(mail.octets, mail.arrivedAt ?? mtimeMs)
      return
    }
    const octets = await readAtMost(handle, sizeLimit)
    if (octets === null) throw tooLarge(file.path)
    if (!beginsHeader(octets)) throw notMail(file.path)
    const { seen, flagged } = file
    yield { ...filed(octets, mtimeMs), seen, flagged }
  } catch (error) {
    throw error instanceof Refusal ? error : cannotRead(file.path, error)
  } finally {
    await handle?.close()
  }
}

/** Opens a regular file: no link, no device, and no pipe, which one could wait at for ever. */
const openPlain = async (path: string): Promise<FileHandle> => {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants
  const handle = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  if ((await handle.stat()).isFile()) return handle
  await handle.close()
  throw new Refusal('bad-request', `${path} is not a regular file.`)
}

/** @returns null if the file has more, whatever its size was a moment ago */
const readAtMost = async (handle: FileHandle, limit: number): Promise<Buffer | null> => {
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of chunks(handle)) {
    size += piece.length
    if (size > limit) return null
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

const chunks = (handle: FileHandle) =>
  handle.createReadStream({ start: 0, autoClose: false }) as AsyncIterable<Buffer>

/** One mail for an mbox; a last line without an end gets one, for mbox has no way to say that there was none. */
export const toMbox = (octets: Uint8Array, arrivedAt: number): Buffer => {
  const [, day, date, month, year, time] = new Date(arrivedAt)
    .toUTCString()
    .match(/(\w+), (\d+) (\w+) (\d+) (\S+)/)!
  // Latin-1 keeps every octet. No `^` with the m flag: it also matches after a lone CR, where readers see no new line.
  const quoted = Buffer.from(octets)
    .toString('latin1')
    .replace(/(^|\n)(>*From )/g, '$1>$2')
  const ended = quoted.endsWith('\n') ? quoted : `${quoted}\n`
  return Buffer.from(`From MAILER-DAEMON ${day} ${month} ${date} ${time} ${year}\n${ended}\n`, 'latin1')
}

// ---- mbox

/** A From_ line as programs write it; one that follows no empty line counts only if it has this whole form. */
const datedFromLine =
  /^From .*\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun),? .*\b\d{1,2}:\d\d\b.*\b\d{4}\b|^From .*\b\d{4} \d{1,2}:\d\d/

async function* mailsInMbox(
  handle: FileHandle,
  path: string,
): AsyncGenerator<{ octets: Buffer; arrivedAt: number | null }> {
  let mail: { pieces: Buffer[]; size: number; arrivedAt: number | null } | null = null
  /** A From_ line, until the next line has shown that a header begins there: text may begin with "From " too. */
  let fromLine: Buffer | null = null
  let lineBegins = true
  let afterEmptyLine = true
  const add = (piece: Buffer) => {
    if (!mail) throw notMail(path)
    mail.size += piece.length
    if (mail.size > sizeLimit) throw tooLarge(path)
    mail.pieces.push(piece)
  }
  for await (const piece of lines(handle)) {
    const isLine = lineBegins
    lineBegins = piece.at(-1) === 0x0a
    if (fromLine) {
      if (beginsHeader(piece)) {
        if (mail) yield closed(mail)
        mail = { pieces: [], size: 0, arrivedAt: fromLineDate(fromLine) }
      } else add(fromLine)
      fromLine = null
    }
    if (
      isLine &&
      isFromLine(piece) &&
      (afterEmptyLine || datedFromLine.test(piece.toString('latin1', 0, 200)))
    )
      fromLine = piece
    else add(isLine ? unquoted(piece) : piece)
    afterEmptyLine = isLine && /^\r?\n$/.test(piece.toString('latin1', 0, 3))
  }
  if (fromLine) add(fromLine)
  if (mail) yield closed(mail)
}

const closed = ({ pieces, arrivedAt }: { pieces: Buffer[]; arrivedAt: number | null }) => {
  const octets = Buffer.concat(pieces)
  const end = octets.toString('latin1', octets.length - 3)
  const separator = end.endsWith('\n\n') ? 1 : end.endsWith('\n\r\n') ? 2 : 0
  return { octets: octets.subarray(0, octets.length - separator), arrivedAt }
}

/** The lines of a file with their ends; an overlong one in several pieces, of which only the last has an end. */
async function* lines(handle: FileHandle): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of chunks(handle)) {
    const octets = rest.length ? Buffer.concat([rest, chunk]) : chunk
    let at = 0
    for (let end = octets.indexOf(0x0a); end >= 0; end = octets.indexOf(0x0a, at)) {
      yield octets.subarray(at, end + 1)
      at = end + 1
    }
    rest = octets.subarray(at)
    if (rest.length < 65_536) continue
    yield rest
    rest = Buffer.alloc(0)
  }
  if (rest.length) yield rest
}

const isFromLine = (line: Buffer) => line.toString('latin1', 0, 5) === 'From '

const unquoted = (line: Buffer) =>
  line[0] === 0x3e && /^>+From /.test(line.toString('latin1')) ? line.subarray(1) : line

/** By custom in UTC. */
const fromLineDate = (line: Buffer): number | null => {
  const text = line.toString('latin1', 0, 200).trim()
  const [, month, day, time, year] =
    text.match(/([A-Z][a-z]{2}) +(\d{1,2}) (\d\d:\d\d(?::\d\d)?)\b.* (\d{4})$/) ?? []
  return dateOf(month ? `${day} ${month} ${year} ${time} +0000` : text)
}

// ---- what a file says of a mail

const kindOf = async (path: string): Promise<MailFile['kind']> => {
  let start: Buffer
  try {
    const file = await openPlain(path)
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(5), 0, 5, 0)
      start = buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  } catch (cause) {
    throw cause instanceof Refusal ? cause : cannotRead(path, cause)
  }
  return isFromLine(start) || start.length === 0 ? 'mbox' : 'mail' // an empty file is an mbox without mail
}

/** Whether a header field begins here (RFC 5322 §2.2; blanks before the colon are obsolete, but read). */
const beginsHeader = (octets: Buffer) => /^[!-9;-~]+[ \t]*:/.test(octets.toString('latin1', 0, 1000))

/** @param otherwise when it arrived if it bears no date; no mail arrives in the future, whatever its sender wrote */
const filed = (octets: Buffer, otherwise: number): FiledMail => {
  const end = octets.toString('latin1', 0, 102_400).search(/\r?\n\r?\n/)
  const header = octets.toString('latin1', 0, end < 0 ? 102_400 : end)
  const field = (name: string) =>
    header.match(new RegExp(`(?:^|\\n)${name}[ \\t]*:([^\\n]*(?:\\n[ \\t][^\\n]*)*)`, 'i'))?.[1]
  return {
    octets,
    arrivedAt: Math.floor(Math.min(dateOf(field('date')) ?? otherwise, Date.now())),
    // What mbox programs write into the header
    seen: /R/.test(field('status') ?? ''),
    flagged: /F/.test(field('x-status') ?? ''),
  }
}

/** The letters after `:2,` in a Maildir's file names; what lies in new/ has none. */
const maildirFlags = (path: string) => {
  const flags = basename(path).match(/[:;!]2,([A-Za-z]*)$/)?.[1] ?? ''
  return { seen: flags.includes('S'), flagged: flags.includes('F') }
}

const notMail = (path: string) =>
  new Refusal('bad-request', `${path} is not a mail: it does not begin with a header.`)
const tooLarge = (path: string) => new Refusal('too-large', `${path} holds a mail of more than 25 MiB.`)
const cannotRead = (path: string, cause: unknown) => {
  const code = (cause as NodeJS.ErrnoException).code
  const why =
    { ENOENT: 'does not exist', EACCES: 'may not be read', ELOOP: 'is a link: name the file itself' }[
      code ?? ''
    ] ?? 'cannot be read'
  return new Refusal('bad-request', `${path} ${why}.`, { cause })
}
