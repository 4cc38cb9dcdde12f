/**
 * Mail in files, as other programs keep it: single mails (.eml), mbox (also Apple's, a folder with a file of that
 * name) and Maildir with its subfolders (Maildir++). A mail's octets stay as they are, line ends included; only what mbox
 * itself put in is taken out again (the From_ line, one `>` of each quoted one, the empty line at the end: mboxrd, of
 * which mboxo is read as the same), and what an editor put before the first line.
 */
import { constants } from 'node:fs'
import { type FileHandle, lstat, open, readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import iconv from 'iconv-lite'
import { beginningOctets, mailFileLimits, mailOctetsLimit } from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'
import { dateOf, decodeHeader } from '../locked/reader/headers.ts'

/** A file with one mail or, as mbox, with any number of them. */
export type MailFile = {
  path: string
  kind: 'mail' | 'mbox'
  marks: Marks
  /** The subfolder of a Maildir that it lies in; null for the Maildir itself, and for a file. */
  folder: string | null
}
/** `deleted`: the program that kept it had it marked so, and no longer showed it. */
export type Marks = { seen: boolean; flagged: boolean; answered: boolean; deleted: boolean }
export type FiledMail = Marks & { octets: Buffer; arrivedAt: number }
/** A mail that is not taken, in a sentence that names it; the others of its file are. */
export type Skipped = { skipped: string }

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
  const fileAt = async (file: string): Promise<MailFile> => {
    return { path: file, kind: await kindOf(file), marks: unmarked, folder: null }
  }
  if (!info.isDirectory()) return [await fileAt(path)]
  // A Maildir may be another's: its links could lead to any file that this command may read.
  const entries = async (folder: string) =>
    (await lstat(folder)).isDirectory() ? await readdir(folder) : null
  /** Null if it is no Maildir. */
  const mailsOf = async (maildir: string, folder: string | null): Promise<MailFile[] | null> => {
    const places = ['cur', 'new'].map((name) => join(maildir, name))
    const lists = await Promise.all(places.map((place) => entries(place).catch(() => null)))
    if (lists.every((names) => names === null)) return null
    return lists
      .flatMap((names, at) => (names ?? []).map((name) => join(places[at]!, name)))
      .filter((file) => !basename(file).startsWith('.'))
      .map((file) => ({ path: file, kind: 'mail' as const, marks: maildirMarks(file), folder }))
      .sort((a, b) => (basename(a.path) < basename(b.path) ? -1 : 1))
  }
  const own = await mailsOf(path, null)
  const inside = (await entries(path)) ?? []
  if (own === null) {
    if (inside.includes('mbox')) return [await fileAt(join(path, 'mbox'))]
    throw new Refusal('no-maildir', { values: { path } })
  }
  for (const name of inside.filter((each) => /^\.[^.]/.test(each)).sort())
    own.push(...((await mailsOf(join(path, name), subfolderName(name)).catch(() => null)) ?? []))
  return own
}

/** `.Lists.Caf&AOk-` is Lists.Café: names are as in IMAP (RFC 3501 §5.1.3). */
const subfolderName = (name: string) => iconv.decode(Buffer.from(name.slice(1)), 'utf-7-imap')

/**
 * The mails of a file one after another; of an mbox, only one is in memory at a time.
 *
 * @throws Refusal naming the file if it is not mail; what came before was whole
 */
export async function* mailsIn(file: MailFile): AsyncGenerator<FiledMail | Skipped> {
  let handle: FileHandle | null = null
  try {
    handle = await openPlain(file.path)
    const { mtimeMs } = await handle.stat()
    if (file.kind === 'mbox') {
      for await (const mail of mailsInMbox(handle, file.path))
        yield 'skipped' in mail ? mail : filed(mail.octets, mail.arrivedAt ?? mtimeMs)
      return
    }
    const read = await readAtMost(handle, mailOctetsLimit)
    if (read === null) throw tooLarge(file.path)
    const octets = read.subarray(beginningOf(read))
    if (!beginsHeader(octets)) throw notMail(file.path)
    yield { ...filed(octets, mtimeMs), ...file.marks }
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
  throw new Refusal('path-irregular', { values: { path } })
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

type Open = { pieces: Buffer[]; size: number; arrivedAt: number | null }

async function* mailsInMbox(
  handle: FileHandle,
  path: string,
): AsyncGenerator<{ octets: Buffer; arrivedAt: number | null } | Skipped> {
  let mail: Open | null = null
  /**
   * A From_ line, perhaps with the one of another program quoted below it, until the next line has shown that a header
   * begins there: text may begin with "From " too.
   */
  let pending: Buffer[] = []
  let isCertain = false
  let lineBegins = true
  let afterEmptyLine = true
  const add = (piece: Buffer) => {
    if (!mail) throw notMail(path)
    mail.size += piece.length
    // Of one that is too large the beginning is kept, to name it.
    if (mail.size <= mailOctetsLimit) mail.pieces.push(piece)
    else mail.pieces.length = Math.min(mail.pieces.length, 100)
  }
  for await (const line of lines(handle)) {
    const isLine = lineBegins
    lineBegins = line.at(-1) === 0x0a
    const piece = mail === null && pending.length === 0 ? line.subarray(beginningOf(line)) : line
    if (piece.length === 0) continue // before the first mail
    if (pending.length === 1 && isLine && piece.toString('latin1', 0, 6) === '>From ') {
      pending.push(piece)
      continue
    }
    if (pending.length) {
      if (isCertain ? beginsHeader(piece) : beginsKnownField(piece)) {
        if (mail) yield closed(mail, path)
        mail = { pieces: [], size: 0, arrivedAt: fromLineDate(pending[0]!) }
      } else pending.forEach(add)
      pending = []
    }
    if (isLine && isFromLine(piece)) {
      const isDated = datedFromLine.test(piece.toString('latin1', 0, 200))
      isCertain = isDated && afterEmptyLine
      if (isDated || afterEmptyLine) pending = [piece]
      else add(piece)
    } else add(isLine ? unquoted(piece) : piece)
    afterEmptyLine = isLine && /^\r?\n$/.test(piece.toString('latin1', 0, 3))
  }
  pending.forEach(add)
  if (mail) yield closed(mail, path)
}

const closed = (
  { pieces, size, arrivedAt }: Open,
  path: string,
): { octets: Buffer; arrivedAt: number | null } | Skipped => {
  const octets = Buffer.concat(pieces)
  if (size > mailOctetsLimit) {
    const field = fieldsOf(octets)
    const subject = decodeHeader(field('subject') ?? '').slice(0, 100)
    const from = decodeHeader(field('from') ?? '').slice(0, 100)
    return {
      skipped: `${path}: the mail “${subject}” from ${from || 'nobody'} is larger than 25 MiB and was left out.`,
    }
  }
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
    if (rest.length < mailFileLimits.lineOctets) continue
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
      const { buffer, bytesRead } = await file.read(Buffer.alloc(beginningOctets), 0, beginningOctets, 0)
      start = buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  } catch (cause) {
    throw cause instanceof Refusal ? cause : cannotRead(path, cause)
  }
  const first = start.subarray(beginningOf(start))
  return isFromLine(first) || first.length === 0 ? 'mbox' : 'mail' // an empty file is an mbox without mail
}

/** Behind a byte order mark and empty lines. */
const beginningOf = (octets: Buffer) =>
  /^(?:\xef\xbb\xbf)?(?:[ \t]*\r?\n)*/.exec(octets.toString('latin1', 0, beginningOctets))![0].length

/** Whether a header field begins here (RFC 5322 §2.2; blanks before the colon are obsolete, but read), and no address of the Web. */
const beginsHeader = (octets: Buffer) =>
  /^[!-9;-~]+[ \t]*:(?!\/\/)/.test(octets.toString('latin1', 0, beginningOctets))

/** A field that mail begins with: prose has its colons too. */
const beginsKnownField = (octets: Buffer) =>
  /^(from|to|cc|bcc|subject|date|sender|reply-to|message-id|return-path|received|delivered-to|envelope-to|mime-version|content-[a-z-]+|status|lines|dkim-signature|authentication-results|arc-[a-z-]+|list-[a-z-]+|x-[a-z0-9-]+)[ \t]*:(?!\/\/)/i.test(
    octets.toString('latin1', 0, beginningOctets),
  )

/** The fields of a mail's header by name, the first of each. */
const fieldsOf = (octets: Buffer) => {
  const end = octets.toString('latin1', 0, mailFileLimits.headerOctets).search(/\r?\n\r?\n/)
  const header = octets.toString('latin1', 0, end < 0 ? mailFileLimits.headerOctets : end)
  return (name: string) =>
    header.match(new RegExp(`(?:^|\\n)${name}[ \\t]*:([^\\n]*(?:\\n[ \\t][^\\n]*)*)`, 'i'))?.[1]
}

/** @param otherwise when it arrived if it bears no date that has come; no mail arrives in the future, whatever its sender wrote */
const filed = (octets: Buffer, otherwise: number): FiledMail => {
  const field = fieldsOf(octets)
  const date = dateOf(field('date'))
  return {
    octets,
    arrivedAt: Math.floor(Math.min(date !== null && date <= Date.now() ? date : otherwise, Date.now())),
    ...marksIn(field),
  }
}

const unmarked: Marks = { seen: false, flagged: false, answered: false, deleted: false }

/** What mbox programs write into the header: those of Unix, Thunderbird (in hexadecimal), and Gmail for its archive. */
const marksIn = (field: (name: string) => string | undefined): Marks => {
  const [status, more] = [field('status') ?? '', field('x-status') ?? '']
  const mozilla = Number.parseInt(field('x-mozilla-status')?.trim() ?? '0', 16) || 0
  const gmail = field('x-gmail-labels')
  const labels = gmail === undefined ? null : decodeHeader(gmail).split(/\s*,\s*/)
  return {
    seen: /R/.test(status) || (mozilla & 1) !== 0 || (labels !== null && !labels.includes('Unread')),
    flagged: /F/.test(more) || (mozilla & 4) !== 0 || labels?.includes('Starred') === true,
    answered: /A/.test(more) || (mozilla & 2) !== 0,
    deleted: /D/.test(more) || (mozilla & 8) !== 0 || labels?.includes('Trash') === true,
  }
}

/** The letters after `:2,` in a Maildir's file names; what lies in new/ has none. */
const maildirMarks = (path: string): Marks => {
  const flags = basename(path).match(/[:;!]2,([A-Za-z]*)$/)?.[1] ?? ''
  return {
    seen: flags.includes('S'),
    flagged: flags.includes('F'),
    answered: flags.includes('R'),
    deleted: flags.includes('T'),
  }
}

const notMail = (path: string) => new Refusal('path-no-mail', { values: { path } })
const tooLarge = (path: string) => new Refusal('path-of-large-mail', { values: { path } })
const cannotRead = (path: string, cause: unknown) => {
  const code = (cause as NodeJS.ErrnoException).code
  const reason =
    ({ ENOENT: 'path-absent', EACCES: 'path-forbidden', ELOOP: 'path-is-link' } as const)[code ?? ''] ??
    'path-unreadable'
  return new Refusal(reason, { values: { path }, cause })
}
