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
  Row,
  SessionView,
} from '../server/contract/answers.ts'
import { WrongCall } from '../server/contract/calls.ts'
import type { Asked } from '../server/contract/requests.ts'
import type { ScriptName } from './commands.ts'
import { Failed } from './failed.ts'
import { fileScripts } from './file-scripts.ts'
import { letterScripts } from './letter-scripts.ts'
import type { Keeping, KeptSession, Place } from './place.ts'
import {
  clientOf,
  howToUnlock,
  idIn,
  json,
  place,
  print,
  printOctets,
  runAt,
  type ScriptCall,
  told,
  withClient,
  withKey,
} from './script-work.ts'
import { harmless, harmlessLines } from './text/text.ts'
import { fromOutside, ledgerOlder, notUnderstood, userIsAddress } from './text/words.ts'
import { Client, isProblem, Problem } from './wire/client.ts'
import { Unreachable, Untrusted } from './wire/connection.ts'

/** @throws Error whose message is a sentence: of a wrong call a `WrongCall`, of any other no one of the client's errors */
export const run = (name: ScriptName, call: ScriptCall, where: Place): Promise<void> => {
  runAt(where)
  return scripts[name](call)
}

const scripts = {
  ...fileScripts,
  ...letterScripts,

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
  await printOctets(octets)
}

/** The session before this one; it ends by itself too. */
const endQuietly = async (session: KeptSession) => {
  try {
    await clientOf(session).logOut()
  } catch (error) {
    if (![Problem, Unreachable, Untrusted].some((kind) => error instanceof kind)) throw error
  }
}

// ---- arguments

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
