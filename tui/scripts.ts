/**
 * The client for scripts: one command, one answer, no screen. It prints tab-separated columns or, with `--json`, what
 * the API answered (docs/scripts.md has both); every foreign text is made harmless first, also where output is no
 * terminal, for it comes before one in the end. Nothing here opens an editor or asks anything but a secret.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import type {
  Allowance,
  Found,
  FoundRow,
  Message,
  Opened,
  Page,
  QueuePage,
  Row,
  SessionView,
  WaitingMail,
} from '../server/contract/answers.ts'
import { type Call, WrongCall } from '../server/contract/calls.ts'
import type { Asked } from '../server/contract/requests.ts'
import type { ScriptName } from './commands.ts'
import { Failed } from './failed.ts'
import { fileScripts, pathInBox } from './file-scripts.ts'
import { blank, fromMailto, type Letter, toApi } from './letter/letter.ts'
import { letterIn } from './letter/whole-message.ts'
import type { Keeping, KeptSession, Place } from './place.ts'
import { isUtf8 } from './text/locale.ts'
import { harmless, harmlessLines } from './text/text.ts'
import { fromOutside, ledgerOlder, notUnderstood, userIsAddress } from './text/words.ts'
import { type ApiLetter, Client, isProblem, Problem } from './wire/client.ts'
import { Unreachable, Untrusted } from './wire/connection.ts'

export type ScriptCall = Call & {
  /** A line of standard input, or the answer to a prompt without echo. */
  secret(flag: string, name: string): Promise<string>
}

/** @throws Error whose message is a sentence: of a wrong call a `WrongCall`, of any other no one of the client's errors */
export const run = (name: ScriptName, call: ScriptCall, where: Place): Promise<void> => {
  place = where
  return scripts[name](call)
}

/** One command runs in a process, or in a worker thread of one: where that is, is said once. */
let place: Place

const scripts = {
  ...fileScripts({
    place: () => place,
    withClient: (work) => withClient(work),
    withKey: (kept, work) => withKey(kept, work),
    json: (value) => json(value),
    print: (...columns) => print(...columns),
  }),

  async login(call) {
    const [server, user] = [call.option('server'), call.option('user')]
    if (server === undefined || user === undefined)
      throw new WrongCall('wafer login needs --server URL and --user U.')
    const { kept, machine } = place
    if (!machine) throw new WrongCall(loggedIn)
    kept.prepare()
    const before = kept.session()
    const reached = { server, ca: call.option('ca'), fingerprint: call.option('fingerprint') }
    const client = new Client(reached)
    const password = await call.secret('password-stdin', 'Password')
    const name = `wafer on ${harmless(machine.name).slice(0, 60)}`
    const session = await client.logIn(user, password, name).catch((error) => {
      if (!isProblem(error, 'bad-credentials') || user.includes('@')) throw error
      throw new Failed(`${error.message} ${userIsAddress}`)
    })
    kept.keepSession({
      server: client.server.origin,
      user: session.user,
      token: session.token,
      ...(reached.ca === undefined ? {} : { ca: machine.wholePath(reached.ca) }),
      ...(reached.fingerprint === undefined ? {} : { fingerprint: reached.fingerprint }),
    })
    if (before) await endQuietly(before)
    client.ledgerMemory = kept
    await sessionOf(client)
    const { idle_s, expires_at } = session
    if (call.flag('json'))
      return json({ server: client.server.origin, user: session.user, idle_s, expires_at })
    print('server', client.server.origin)
    print('user', session.user)
    print('session ends', expires_at)
  },

  async logout(call) {
    const { kept } = place
    const session = kept.session()
    if (session) {
      const client = clientOf(session)
      try {
        await client.logOut()
      } catch (error) {
        // At this end it is over in any case.
        if (!(error instanceof Problem && error.code === 'no-session')) {
          kept.forgetSession()
          throw error
        }
      }
    }
    kept.forgetSession()
    if (call.flag('json')) json({ session: null })
  },

  status: (call) =>
    withClient(async (client, { server }, kept) => {
      const session = await sessionOf(client)
      if (session.allowance === null) kept.forgetKey()
      if (call.flag('json')) return json(session)
      const { user, terminal, expires_at, allowance, in_use, stopped, waiting } = session
      print('server', place.machine ? server : client.server.host)
      print('user', user)
      print('terminal', terminal)
      print('session ends', expires_at)
      if (allowance) print('key', 'open', allowance.scope, allowance.method, allowance.expires_at)
      else if (in_use) print('key', 'in use', in_use.terminal, in_use.since)
      else print('key', 'locked')
      if (stopped) print('stopped', stopped.at, stopped.by.terminal, stopped.by.address)
      if (waiting) print('waiting', waiting)
    }),

  folders: (call) =>
    withClient(async (client) => {
      const folders = await client.folders()
      if (call.flag('json')) return json(folders)
      for (const { name, kind, total, unread } of folders) print(name, kind, total, unread)
    }),

  ls: (call) =>
    withClient(async (client) => {
      const limit = limitOf(call)
      const rows: Row[] = []
      let before: string | null = null
      do {
        const wanted = Math.min(500, limit - rows.length)
        const page = await client.messages(call.arguments[0] ?? 'Inbox', { limit: wanted, before })
        rows.push(...page.messages)
        before = page.next
      } while (before !== null && rows.length < limit)
      if (call.flag('json')) return json(rows)
      for (const row of rows) printRow(row)
    }),

  read: (call) =>
    withClient(async (client, _session, kept) => {
      const id = idIn(call.arguments[0]!)
      const part = call.option('part')
      const came = await client.message(id)
      // What lies in an encrypted part or mail is known once that is open: its id says so by a tilde.
      const opensAlone = part?.includes('~') || came.isolated.some((each) => each.id === part)
      if (part !== undefined && !opensAlone) return writeAttachment(call, client, came, part, kept)
      const isClosed = came.security === 'encrypted' || part !== undefined
      if (isClosed && client.keyToken === null)
        throw new Failed(`Message ${id} is encrypted: ${howToUnlock()}, then read it again.`)
      const mail = isClosed ? { ...came, ...(await opened(client, id, part, kept)) } : came
      if (call.flag('json')) return json(mail)
      printMail(mail)
    }),

  search: (call) =>
    withClient(async (client) => {
      const limit = limitOf(call)
      const q = call.arguments.join(' ')
      const folder = call.option('folder')
      const rows: FoundRow[] = []
      let found: Page | Found
      let before: string | null = null
      do {
        const part = { q, limit: Math.min(500, limit - rows.length), before }
        if (folder === undefined) {
          const page: Found = await client.search(part)
          rows.push(...page.messages)
          found = page
        } else {
          const page: Page = await client.messages(folder, part)
          rows.push(...page.messages.map((row) => ({ ...row, folder })))
          found = page
        }
        before = found.next
      } while (before !== null && rows.length < limit)
      if (found.ignored?.length) place.errors.write(`wafer: ${notUnderstood(found.ignored)}\n`)
      if (call.flag('json')) return json(rows)
      for (const row of rows) printRow(row, row.folder)
    }),

  mark: (call) =>
    withClient(async (client) => {
      const ids = idsIn(call.arguments)
      const marks = marksIn(call)
      await marked(call, client, ids, marks)
    }),

  move: (call) =>
    withClient(async (client) => {
      const ids = idsIn(call.arguments)
      const folder = call.option('to')
      if (folder === undefined) throw new WrongCall('wafer move needs --to FOLDER.')
      await marked(call, client, ids, { folder })
    }),

  delete: (call) =>
    withClient(async (client) => {
      const ids = idsIn(call.arguments)
      const missing: number[] = []
      for (const id of ids)
        await client.remove(id).catch((error) => {
          if (!isProblem(error, 'not-found')) throw error
          missing.push(id)
        })
      told(call, { deleted: ids.length - missing.length })
      if (missing.length > 0) throw new Failed(`There is no message ${missing.join(', ')}.`)
    }),

  send: (call) =>
    withClient(async (client, _session, kept) => {
      const letter: ApiLetter = {
        ...toApi({ ...(await letterOf(call)), sign: call.flag('sign'), encrypt: call.flag('encrypt') }),
        ...kindOf(call),
        draft: call.flag('draft'),
        hold_s: holdOf(call),
      }
      const sent = await withKey(kept, () => client.send(letter)).catch((error) => {
        if (error instanceof Problem && error.draft !== undefined)
          throw new Failed(`${error.message} The letter is in Drafts: ${error.draft}.`)
        if (error instanceof Problem && error.reason === 'kinds-differ')
          throw new Failed(`${error.message} The first is --kind each.`)
        throw error
      })
      if (call.flag('json')) return json(sent)
      print('id', sent.id)
      print('folder', sent.folder)
      for (const address of sent.delivered) print('delivered', address)
      for (const address of sent.queued) print('queued', address)
      if (sent.held_until !== null) print('held until', sent.held_until)
    }),

  queue: (call) =>
    withClient(async (client) => {
      const [act, number, ...rest] = call.arguments
      if (act === undefined) return printQueue(call, await wholeQueue(client))
      if ((act !== 'retry' && act !== 'drop') || number === undefined || rest.length > 0)
        throw new WrongCall('wafer queue stands alone, or with retry or drop and a number that it shows.')
      const id = idIn(number, 'wafer queue')
      if (act === 'retry') {
        await client.retry(id)
        if (call.flag('json')) return json({ id })
        return print('retry', id)
      }
      const { id: draft, folder } = await client.giveUp(id)
      if (call.flag('json')) return json({ id: draft, folder })
      print('folder', folder)
      if (draft !== null) print('id', draft)
    }),

  async unlock(call) {
    if (!place.kept.hasRuntimeFolder && !call.flag('keep'))
      throw new WrongCall(
        'There is no folder that is emptied when you leave ($XDG_RUNTIME_DIR): with --keep the key token is kept in ' +
          'the state folder until wafer lock.',
      )
    await withClient(async (client, _session, kept) => {
      kept.prepare()
      const passphrase = await call.secret('passphrase-stdin', 'Passphrase')
      // From here on a key may be open at the server: whoever interrupts finds it locked, not forgotten.
      let isInterrupted = false
      const interrupt = () => {
        isInterrupted = true
      }
      for (const signal of endSignals) place.signals.on(signal, interrupt)
      const { key_token, ...allowance } = await unlocked(client, passphrase, call.flag('take-over'))
      try {
        if (!isInterrupted) kept.keepKeyToken(key_token)
        if (isInterrupted) throw new Failed('Interrupted. The key is locked.')
      } catch (error) {
        kept.forgetKey()
        await client.lock()
        throw error
      }
      if (call.flag('json')) return json(allowance)
      print('key', 'open', allowance.scope, allowance.method, allowance.expires_at)
    })
  },

  lock: (call) =>
    withClient(async (client, _session, kept) => {
      kept.forgetKey() // whether or not the server hears of it
      await client.lock()
      if (call.flag('json')) return json({ allowance: null })
      print('key', 'locked')
    }),

  wait: (call) =>
    withClient(async (client) => {
      const folder = call.arguments[0] ?? 'Inbox'
      const timeoutMs = durationOf(call.option('timeout'))
      const until = timeoutMs === null ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs
      const newest = async () => (await client.messages(folder, { limit: 50 })).messages
      const known = Math.max(0, ...(await newest()).map(({ id }) => id))
      let failures = 0
      for (;;) {
        const leftMs = until - performance.now()
        if (leftMs <= 0) break
        await sleep(Math.min(pollMs, leftMs))
        try {
          const rows = (await newest()).filter(({ id }) => id > known)
          failures = 0
          if (rows.length === 0) continue
          if (call.flag('json')) return json(rows)
          for (const row of rows) printRow(row)
          return
        } catch (error) {
          // A network that comes and goes is what one waits on; a server that is gone is told of.
          failures += 1
          if (!(error instanceof Unreachable) || failures > 20) throw error
        }
      }
      if (call.flag('json')) return json([])
      throw new Failed(`Nothing new came into ${folder}.`)
    }),
} satisfies Record<ScriptName, (call: ScriptCall) => Promise<void>>

const pollMs = 2000
const endSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

// ---- session and key

const loggedIn = 'You are logged in already: the connection is the session.'
/** Each as it works here: where no folder is emptied at the end, only with --keep. */
const unlocking = (): string =>
  `${place.machine ? 'wafer ' : ''}unlock --passphrase-stdin${place.kept.hasRuntimeFolder ? '' : ' --keep'}`
const howToUnlock = () =>
  `open the key with ${unlocking()}${place.machine ? '' : ', over a connection that both share (ControlMaster of OpenSSH)'}`
const howToTakeOver = () => `To stop that use and open it here: ${unlocking()} --take-over.`

const clientOf = ({ server, user, token, ca, fingerprint }: KeptSession): Client => {
  const client = new Client({ server, ca, fingerprint, socketPath: place.socketPath })
  client.token = token
  client.user = user
  return client
}

/** Opens the key; takes it over, if that is wanted, from the one who is said to have it, and from nobody else. */
const unlocked = async (client: Client, passphrase: string, takesOver: boolean): Promise<Allowance> => {
  try {
    return await client.unlock(passphrase)
  } catch (error) {
    if (!takesOver || !isProblem(error, 'key-in-use') || !error.by) throw error
    await client.stop(error.by)
    return client.unlock(passphrase)
  }
}

/** The session as the server sees it; a key log that lacks what was seen before is said on standard error. */
const sessionOf = async (client: Client): Promise<SessionView> => {
  const session = await client.session()
  if (!session.ledger.complete) place.errors.write(`wafer: ${ledgerOlder}\n`)
  return session
}

/** With the session and the key token that are kept; what the server does not know any more is forgotten. */
const withClient = async (
  work: (client: Client, session: KeptSession, kept: Keeping) => Promise<void>,
): Promise<void> => {
  const { kept } = place
  const session = kept.session()
  if (!session) throw new Failed(`Nobody is logged in: ${place.howToLogIn}.`)
  const client = clientOf(session)
  client.keyToken = kept.keyToken()
  client.ledgerMemory = kept
  try {
    return await work(client, session, kept)
  } catch (error) {
    if (isProblem(error, 'key-in-use')) throw new Failed(`${error.message} ${howToTakeOver()}`)
    if (!isProblem(error, 'no-session')) throw error
    kept.forgetSession()
    throw new Failed(`The session has ended: ${place.howToLogIn}.`)
  }
}

/** A key token that opens nothing any more is not kept. */
const withKey = async <Result>(kept: Keeping, work: () => Promise<Result>): Promise<Result> => {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Problem && error.code === 'allowance-required')) throw error
    kept.forgetKey()
    throw new Failed(`The secret key is locked: ${howToUnlock()}.`)
  }
}

const opened = (client: Client, id: number, part: string | undefined, kept: Keeping): Promise<Opened> =>
  withKey(kept, () => client.decrypt(id, part))

/** The octets of an attachment as they are: for a file or a pipe, never for a terminal. */
const writeAttachment = async (
  call: ScriptCall,
  client: Client,
  { id, security }: Message,
  part: string,
  kept: Keeping,
): Promise<void> => {
  if (call.flag('json')) throw new WrongCall('An attachment is printed as it is: --json does not go with it.')
  if (place.output.isTTY)
    throw new Failed(
      'An attachment may hold anything: send it into a file, as in wafer read 12 --part 2 > file.',
    )
  if (security === 'encrypted' && client.keyToken === null)
    throw new Failed(`Message ${id} is encrypted: ${howToUnlock()}, then read it again.`)
  const { octets } = await withKey(kept, () => client.part(id, part))
  await new Promise<void>((resolve, reject) =>
    place.output.write(octets, (error) => (error ? reject(error) : resolve())),
  )
}

/** The session before this one; it ends by itself too. */
const endQuietly = async (session: KeptSession) => {
  try {
    await clientOf(session).logOut()
  } catch (error) {
    if (![Problem, Unreachable, Untrusted].some((kind) => error instanceof kind)) throw error
  }
}

// ---- what is sent

const kindOf = (call: Call): Pick<ApiLetter, 'kind'> => {
  const kind = call.option('kind')
  if (kind === undefined) return {}
  if (kind !== 'openpgp' && kind !== 'smime' && kind !== 'each')
    throw new WrongCall('--kind is openpgp, smime or each.')
  return { kind }
}

const holdOf = (call: ScriptCall): number => {
  const hold = call.option('hold') ?? '0'
  if (!/^\d{1,4}$/.test(hold) || Number(hold) > 3600)
    throw new WrongCall('--hold takes seconds, at most 3600.')
  return Number(hold)
}

const letterOf = async (call: ScriptCall): Promise<Letter> => {
  const [link] = call.arguments
  const fields = ['to', 'cc', 'bcc'].map((name) => call.options(name).join(', '))
  const [to = '', cc = '', bcc = ''] = fields
  const [subject, inReplyTo] = [call.option('subject'), call.option('in-reply-to')]
  const isGiven = [to, cc, bcc, subject, inReplyTo].some(Boolean)
  if (link !== undefined && isGiven)
    throw new WrongCall(
      'A mailto: link says whom to write to; it does not go with --to, --cc, --bcc and --subject.',
    )
  const linked = link === undefined ? null : fromMailto(link)
  // Not the argument itself: it may be anything.
  if (link !== undefined && !linked) throw new WrongCall('wafer send takes a mailto: link, or options.')
  const attachments = call.options('attach').map(attachmentAt)
  if (linked) {
    const text = place.input.isTTY ? '' : await standardInput()
    if (text === '' && linked.text === '') throw new WrongCall(noText)
    return { ...linked, text: text || linked.text, attachments }
  }
  if (place.input.isTTY) throw new WrongCall(noText)
  const text = await standardInput()
  if (isGiven)
    return {
      ...blank,
      to,
      cc,
      bcc,
      subject: subject ?? '',
      text,
      attachments,
      inReplyTo: inReplyTo ?? null,
    }
  return { ...letterIn(text), attachments }
}

const noText =
  'The text comes on standard input, as in: echo Hello | wafer send --to ben@example.org --subject Greetings'

const standardInput = async (): Promise<string> => {
  const chunks: Buffer[] = []
  let octets = 0
  for await (const chunk of place.input) {
    octets += (chunk as Buffer).length
    // Whose memory it is may be a server's, which others use too.
    if (octets > mostTextOctets)
      throw new Failed('Standard input has more text than a letter may have. Nothing was sent.')
    chunks.push(chunk as Buffer)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)).replace(/\r\n?/g, '\n')
  } catch {
    throw new WrongCall('Standard input is not UTF-8 text.')
  }
}

const mostAttachedOctets = 25 * 1024 * 1024
/** As much: a mail is no larger. */
const mostTextOctets = mostAttachedOctets

const attachmentAt = (path: string): Letter['attachments'][number] => {
  const { machine } = place
  // Behind SSH a file is one of the box: name, type and size are known there.
  if (!machine) return { name: '', type: '', size: 0, file: pathInBox(path) }
  const found = machine.attachment(path, mostAttachedOctets)
  if ('failed' in found) throw new Failed(`${found.failed} Nothing was sent.`)
  return found
}

// ---- arguments

const idIn = (text: string, shownBy = 'wafer ls'): number => {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new WrongCall(`A message has a number, as ${shownBy} shows it.`)
  return Number(text)
}

/** Each once. */
const idsIn = (texts: string[]): number[] => [...new Set(texts.map((text) => idIn(text)))]

const marksIn = (call: ScriptCall): Asked<'marks'> => {
  const [seen, unseen, flag, unflag] = ['seen', 'unseen', 'flag', 'unflag'].map((name) => call.flag(name))
  if ((seen && unseen) || (flag && unflag) || !(seen || unseen || flag || unflag))
    throw new WrongCall('wafer mark needs --seen or --unseen, --flag or --unflag.')
  return { ...((seen || unseen) && { seen: seen! }), ...((flag || unflag) && { flagged: flag! }) }
}

/** As many at once as the API takes. */
const marked = async (call: ScriptCall, client: Client, ids: number[], marks: Asked<'marks'>) => {
  let changed = 0
  for (let first = 0; first < ids.length; first += mostMarked)
    changed += await client.mark(ids.slice(first, first + mostMarked), marks)
  told(call, { changed })
  const missing = ids.length - changed
  if (missing > 0) throw new Failed(`Of ${ids.length} messages, ${missing} are not there.`)
}

const mostMarked = 1000

const limitOf = (call: ScriptCall): number => {
  const limit = call.option('limit') ?? '50'
  if (!/^[1-9]\d{0,5}$/.test(limit)) throw new WrongCall('--limit takes a number above 0.')
  return Number(limit)
}

const durationOf = (text: string | undefined): number | null => {
  if (text === undefined) return null
  const [, count, unit] = /^([1-9]\d{0,5})([smh])$/.exec(text) ?? []
  if (count === undefined) throw new WrongCall('--timeout takes a duration such as 90s, 15m or 12h.')
  return Number(count) * { s: 1000, m: 60_000, h: 3_600_000 }[unit as 's' | 'm' | 'h']
}

// ---- output

const json = (value: unknown): void => {
  // JSON leaves DEL, C1 and direction marks as they are; escaped they are the same text, and no terminal obeys them. Nor
  // does one without UTF-8 obey anything else.
  const escaped = isUtf8() ? /[\x7f-\x9f\p{Cf}\u2028\u2029]/gu : /[^\x00-\x7e]/gu
  const text = JSON.stringify(value, null, 2).replace(escaped, (character) =>
    [...Array(character.length).keys()]
      .map((place) => `\\u${character.charCodeAt(place).toString(16).padStart(4, '0')}`)
      .join(''),
  )
  place.output.write(`${text}\n`)
}

/** How many of something: labels and values. */
const told = (call: ScriptCall, counts: Record<string, number>) => {
  if (call.flag('json')) return json(counts)
  for (const [label, count] of Object.entries(counts)) print(label, count)
}

const print = (...columns: (string | number)[]) => {
  place.output.write(`${columns.map((value) => harmless(String(value))).join('\t')}\n`)
}

const printRow = (row: Row, ...more: string[]) =>
  print(row.id, row.date, marksOf(row), row.from, row.subject, ...more)

/** One letter each, or a dash: new, flagged, answered, attachments, encrypted or signed; then O of mail from outside. */
const marksOf = ({ seen, flagged, answered, attachments, security, outside }: Row): string =>
  [
    seen ? '-' : 'N',
    flagged ? 'F' : '-',
    answered ? 'A' : '-',
    attachments > 0 ? '@' : '-',
    { plain: '-', encrypted: 'E', signed: 'S' }[security],
    outside ? 'O' : '',
  ].join('')

const wholeQueue = async (client: Client): Promise<WaitingMail[]> => {
  const all: WaitingMail[] = []
  let before: string | null = null
  do {
    const page: QueuePage = await client.queue(before, 100)
    all.push(...page.queue)
    before = page.next
  } while (before !== null)
  return all
}

const printQueue = (call: ScriptCall, queue: WaitingMail[]) => {
  if (call.flag('json')) return json(queue)
  for (const { id, to, since, next_at, why, held, sending } of queue)
    print(id, since ?? '', held ? 'held' : sending ? 'sending' : 'waiting', next_at, to.join(', '), why ?? '')
}

/** Labels and verdict first, then an empty line: what comes behind it was written by the sender. */
const printMail = (mail: Message & Partial<Opened>) => {
  const { headers, signature } = mail
  print('id', mail.id)
  print('folder', mail.folder)
  for (const name of ['from', 'to', 'cc', 'date', 'subject']) if (headers[name]) print(name, headers[name])
  print('security', mail.security)
  if (mail.sent_as !== null) print('sent as', mail.sent_as)
  if (mail.outside) print('outside', fromOutside(mail.from))
  print('signature', signature.status, signature.by ?? '', signature.key ?? '', signature.at ?? '')
  if (mail.weakness?.changes_unseen && signature.status !== 'valid') print('weakness', 'changes do not show')
  if (mail.weakness?.old_cipher) print('weakness', 'old cipher')
  for (const { id, name, type, size } of mail.attachments) print('attachment', id, name, type, size)
  for (const { id, name } of mail.isolated) print('encrypted part', id, name)
  place.output.write(`\n${harmlessLines(mail.text).join('\n').trimEnd()}\n`)
}
