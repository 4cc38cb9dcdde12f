#!/usr/bin/env node
/**
 * The commands. Each is one row of the table below: how it is called, what it takes, what it does. A wrong call ends
 * with 2, a failed one with 1, both with one line on standard error. Secrets come from standard input or from a
 * prompt that does not echo, never from arguments: those stand in the process list and in the shell's history.
 *
 * What a command needs beyond this file is imported when it runs.
 */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import type { run as script } from '../tui/scripts.ts'
import type { Config } from './ground/config.ts'
import { root } from './ground/places.ts'
import { Refusal } from './ground/refusal.ts'
import type { Added } from './keys/keyrings.ts'
import { stateOf } from './locked/key-uses.ts'
import type { Services } from './services.ts'

type Call = {
  arguments: string[]
  option(name: string): string | undefined
  /** Of an option that may be given again and again. */
  options(name: string): string[]
  flag(name: string): boolean
}
type Command = {
  /** What follows the command's name. */
  usage: string
  does: string
  /** Least and greatest number of arguments. */
  arguments: [number, number]
  options: Record<string, 'value' | 'values' | 'flag'>
  run(call: Call): Promise<void>
}

class WrongCall extends Error {
  override name = 'WrongCall'
}

const passwordIn = { 'password-stdin': 'flag' } as const
const passphraseIn = { 'passphrase-stdin': 'flag' } as const
const serverAt = { server: 'value', ca: 'value', fingerprint: 'value' } as const
type ScriptName = Parameters<typeof script>[0]

const forScripts = (table: typeof scripts): Record<string, Command> =>
  Object.fromEntries(
    Object.entries(table).map(([name, row]) => [
      name,
      {
        ...row,
        usage: `${row.usage} [--json]`.trimStart(),
        options: { ...row.options, json: 'flag' },
        run: (call: Call) => runScript(name as ScriptName, call),
      },
    ]),
  )

/** The client for scripts: what each command takes beside --json, and says of itself. */
const scripts: Record<ScriptName, Omit<Command, 'run'>> = {
  login: {
    usage: '--server URL --user U --password-stdin [--ca FILE] [--fingerprint HEX]',
    does:
      'Logs in and keeps the session for the commands below. --ca names authorities in a PEM file, --fingerprint ' +
      'the one certificate (SHA-256) that is accepted.',
    arguments: [0, 0],
    options: { ...serverAt, user: 'value', ...passwordIn },
  },
  logout: {
    usage: '',
    does: 'Ends the session, and locks the key.',
    arguments: [0, 0],
    options: {},
  },
  status: {
    usage: '',
    does: 'Prints who is logged in, until when, and whether the key is open.',
    arguments: [0, 0],
    options: {},
  },
  folders: {
    usage: '',
    does: 'Prints the folders: name, kind, messages, unread ones.',
    arguments: [0, 0],
    options: {},
  },
  ls: {
    usage: '[FOLDER] [--limit N]',
    does: 'Prints the newest messages of a folder (Inbox, 50): number, date, marks, sender, subject.',
    arguments: [0, 1],
    options: { limit: 'value' },
  },
  read: {
    usage: 'ID [--part PART]',
    does: 'Prints a message; an encrypted one, or an encrypted part of one, if the key is open.',
    arguments: [1, 1],
    options: { part: 'value' },
  },
  search: {
    usage: 'WORDS... [--folder NAME] [--limit N]',
    does: 'Prints the newest messages with these words, of all folders; the folder comes last.',
    arguments: [1, Number.POSITIVE_INFINITY],
    options: { folder: 'value', limit: 'value' },
  },
  send: {
    usage:
      '[mailto:... | --to A [--cc A] [--bcc A] [--subject S] [--in-reply-to ID]] [--attach FILE] [--sign] ' +
      '[--encrypt] [--draft] [--hold SECONDS]',
    does:
      'Sends what comes on standard input: the text, where options or a mailto: link say to whom, else a message with ' +
      'lines such as To: and Subject: before the text. --to, --cc, --bcc and --attach may be repeated. It ' +
      'leaves as it is asked to: without --encrypt in plain, also where all recipients have keys.',
    arguments: [0, 1],
    options: {
      to: 'values',
      cc: 'values',
      bcc: 'values',
      subject: 'value',
      'in-reply-to': 'value',
      attach: 'values',
      sign: 'flag',
      encrypt: 'flag',
      draft: 'flag',
      hold: 'value',
    },
  },
  queue: {
    usage: '[retry ID | drop ID]',
    does:
      'Lists what was sent and has not left yet: since when, its state, the next try, whom it is to, and why. retry has ' +
      'one tried at once. drop gives one up: a report says whom it did not reach; one that is held is a draft again.',
    arguments: [0, 2],
    options: {},
  },
  unlock: {
    usage: '--passphrase-stdin [--keep] [--take-over]',
    does:
      'Opens the key for the commands here until wafer lock. Without $XDG_RUNTIME_DIR only with --keep, for then the ' +
      'key token lies on a disk. With --take-over it first stops the use of the key by another terminal.',
    arguments: [0, 0],
    options: { ...passphraseIn, keep: 'flag', 'take-over': 'flag' },
  },
  lock: {
    usage: '',
    does: 'Locks the key.',
    arguments: [0, 0],
    options: {},
  },
  wait: {
    usage: '[FOLDER] [--timeout 90s]',
    does: 'Waits for new mail in a folder (Inbox) and prints it as ls does; 1 if none came in time.',
    arguments: [0, 1],
    options: { timeout: 'value' },
  },
}

const commands: Record<string, Command> = {
  serve: {
    usage: '',
    does: 'Serves Web pages, API and SMTP until it is told to end.',
    arguments: [0, 0],
    options: {},
    run: () => serve(),
  },
  'user add': {
    usage: 'ADDRESS [--name NAME] --password-stdin',
    does: 'Adds a user with that login and mail address.',
    arguments: [1, 1],
    options: { name: 'value', ...passwordIn },
    run: async (call) => {
      const [password] = await secrets(call, 'password-stdin', [{ name: 'Password', isNew: true }])
      await withServices(
        async ({ users }) => {
          const user = await users.add({
            address: call.arguments[0]!,
            name: call.option('name'),
            password: password!,
          })
          print(`Added ${user.address}.`)
        },
        { create: true },
      )
    },
  },
  'user list': {
    usage: '',
    does: 'Prints one address a line, the name after a tab.',
    arguments: [0, 0],
    options: {},
    run: () =>
      withServices(async ({ users }) => {
        for (const { address, name } of await users.list()) print(name ? `${address}\t${name}` : address)
      }),
  },
  'user remove': {
    usage: 'ADDRESS',
    does: 'Removes a user with all mail and keys.',
    arguments: [1, 1],
    options: {},
    run: (call) =>
      withServices(async ({ users, contents }) => {
        const user = await users.named(call.arguments[0]!)
        await users.remove(user.id)
        await contents.sweep()
        print(`Removed ${user.address} with all mail and keys.`)
      }),
  },
  'user password': {
    usage: 'ADDRESS --password-stdin',
    does: 'Sets a new password and ends the sessions that the old one began.',
    arguments: [1, 1],
    options: passwordIn,
    run: async (call) => {
      const [password] = await secrets(call, 'password-stdin', [{ name: 'New password', isNew: true }])
      await withServices(async ({ users }) => {
        const user = await users.named(call.arguments[0]!)
        await users.setPassword(user, password!)
        print(`${user.address} has a new password.`)
      })
    },
  },
  'key generate': {
    usage: 'ADDRESS --passphrase-stdin',
    does: 'Makes a new OpenPGP key for the user; a first one begins a keyring that this passphrase opens.',
    arguments: [1, 1],
    options: passphraseIn,
    run: async (call) => {
      demandSecretOnInput(call, 'passphrase-stdin')
      await withServices(async ({ users, keyrings }) => {
        const user = await users.named(call.arguments[0]!)
        const isNew = (await keyrings.present(user.id)) === null
        const [passphrase] = await secrets(call, 'passphrase-stdin', [{ name: 'Passphrase', isNew }])
        const generate = { name: user.name, address: user.address }
        printKeys(await keyrings.add(user, passphrase!, { generate }))
      })
    },
  },
  'key import': {
    usage: 'ADDRESS --file KEY.asc --passphrase-stdin',
    does:
      'Takes over the secret keys of a file as gpg exports them; a key that is there is brought up to date. ' +
      'Its passphrase opens the keyring that a first key begins, unless standard input has two lines, as for a ' +
      'further key: the passphrase of the keyring, then that of the file.',
    arguments: [1, 1],
    options: { file: 'value', ...passphraseIn },
    run: importKey,
  },
  'key list': {
    usage: 'ADDRESS',
    does: 'Prints the keys, the present one first: fingerprint, algorithm, made, expires, addresses in it, what it cannot do.',
    arguments: [1, 1],
    options: {},
    run: (call) =>
      withServices(async ({ users, keyrings }) => {
        const day = (at: number | null) => (at === null ? 'never' : new Date(at).toISOString().slice(0, 10))
        const user = await users.named(call.arguments[0]!)
        for (const { fingerprint, algorithm, createdAt, expiresAt, aliases, uses } of await keyrings.list(
          user.id,
        ))
          print(
            [
              fingerprint.toUpperCase(),
              algorithm,
              day(createdAt),
              day(expiresAt),
              oneLine(aliases.join(', ')),
              stateOf(uses, Date.now()),
            ].join('\t'),
          )
      }),
  },
  'key export': {
    usage: 'ADDRESS [--secret --passphrase-stdin]',
    does:
      'Prints the public keys, or the secret ones protected with a passphrase of their own: ' +
      'standard input has two lines, the passphrase of the keyring and that of the copy.',
    arguments: [1, 1],
    options: { secret: 'flag', ...passphraseIn },
    run: exportKey,
  },
  'mail import': {
    usage: 'ADDRESS [--folder NAME] PATH...',
    does:
      'Puts mail from .eml files, mbox files and Maildirs into a folder (Inbox if none is named; then subfolders of a ' +
      'Maildir become folders). What is there already is not doubled; what was marked as deleted goes to the Trash.',
    arguments: [2, Number.POSITIVE_INFINITY],
    options: { folder: 'value' },
    run: importMail,
  },
  'mail export': {
    usage: 'ADDRESS [--folder NAME]',
    does: 'Prints the mail of a folder, or of all folders, as one mbox (mboxrd).',
    arguments: [1, 1],
    options: { folder: 'value' },
    run: exportMail,
  },
  backup: {
    usage: 'FILE [--secret FILE2]',
    does: 'Copies the database, also while the server runs, and the server secret to a file to be kept apart.',
    arguments: [1, 1],
    options: { secret: 'value' },
    run: async (call) => {
      const { backup } = await import('./backup.ts')
      const [file = ''] = call.arguments
      const secretFile = call.option('secret') ?? null
      await backup(await config(), file, secretFile)
      print(`The database is in ${file}.`)
      if (secretFile) print(`The server secret is in ${secretFile}: keep it apart from ${file}.`)
      else print('The server secret, without which no key in it opens, is not: copy it once with --secret.')
    },
  },
  restore: {
    usage: 'FILE [--secret FILE2]',
    does: 'Puts a backup in the place of the database, which is kept aside. No server may run meanwhile.',
    arguments: [1, 1],
    options: { secret: 'value' },
    run: async (call) => {
      const { restore } = await import('./backup.ts')
      const aside = await restore(await config(), call.arguments[0]!, call.option('secret') ?? null)
      print(`The database is that of ${call.arguments[0]}. All keys are locked.`)
      if (aside) print(`The database before it is in ${aside}.`)
    },
  },
  check: {
    usage: '[--mend-clock]',
    does: 'Tells whether database, server secret, ledger and clock are sound; with --mend-clock takes back times that are ahead.',
    arguments: [0, 0],
    options: { 'mend-clock': 'flag' },
    run: async (call) => {
      const { check } = await import('./backup.ts')
      const findings = await check(await config(), { mendClock: call.flag('mend-clock') })
      for (const { sentence } of findings) print(sentence)
      if (findings.some(({ sound }) => !sound)) throw new Refusal('unsound')
    },
  },
  tui: {
    usage: '[--server URL] [--ca FILE] [--fingerprint HEX] [--plain] [mailto:...]',
    does: 'The terminal client; with --plain line by line, for screen readers and dumb terminals.',
    arguments: [0, 1],
    options: { ...serverAt, plain: 'flag' },
    run: runTui,
  },
  ...forScripts(scripts),
}

// ---- commands that are more than a few lines

async function runTui(call: Call) {
  const [mailto] = call.arguments
  if (mailto !== undefined && !/^mailto:/i.test(mailto))
    throw new WrongCall('wafer tui takes a mailto: link at most; a server is named with --server.')
  const named = call.option('server')
  const { Kept } = await import('../tui/wire/kept.ts')
  const { serverAddress } = await import('./ground/config.ts')
  const { run } = await import('../tui/main.tsx')
  // What is said on this very call comes first; what a file in the folder says, last.
  const isSaid = Boolean(process.env.WAFER_PORT || process.env.WAFER_ORIGIN)
  const usual = () => ({ server: serverAddress(process.env) })
  process.exitCode = await run({
    ...(named !== undefined ? { server: named } : isSaid ? usual() : (new Kept().place() ?? usual())),
    ...(call.option('ca') === undefined ? {} : { ca: call.option('ca') }),
    ...(call.option('fingerprint') === undefined ? {} : { fingerprint: call.option('fingerprint') }),
    plain: call.flag('plain'),
    mailto,
  })
}

/** The client for scripts; it loads nothing of the server, and of this file only how a secret is asked for. */
async function runScript(name: ScriptName, call: Call) {
  const secret = async (flag: string, prompt: string) => {
    const [only] = await secrets(call, flag, [{ name: prompt, isNew: false }])
    return only!
  }
  const { run } = await import('../tui/scripts.ts')
  await run(name, { ...call, secret })
}

async function serve() {
  const stop = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      process.on(signal, () => {
        resolve()
        setTimeout(() => process.exit(0), 4500).unref() // whatever still hangs: the end takes at most 5 s
      })
  })
  const main = await import('./main.ts')
  const { noticesOn, readConfig } = await import('./ground/config.ts')
  const settings = readConfig(process.env)
  for (const notice of noticesOn(settings)) complain(notice)
  const running = await main.serve(settings)
  const { host, port } = running.smtp
  print(`Wafer listens on ${running.address}`)
  print(`Mail comes in on smtp://${host.includes(':') ? `[${host}]` : host}:${port}`)
  if (running.setupLink)
    print(`There is no user yet. This link makes the first one, once: ${running.setupLink}`)
  await stop
  await running.close()
}

async function importKey(call: Call) {
  const file = call.option('file')
  if (file === undefined) throw new WrongCall('wafer key import needs --file KEY.asc.')
  demandSecretOnInput(call, 'passphrase-stdin')
  await withServices(async ({ users, keyrings, isTooShort }) => {
    const user = await users.named(call.arguments[0]!)
    const octets = readKeyFile(file)
    const ofFile = { name: `Passphrase of the key in ${file}`, isNew: false }
    const ofKeyring = { name: 'Passphrase of the keyring', isNew: false }
    const isFirst = (await keyrings.present(user.id)) === null
    const prompts = isFirst ? [ofFile] : [ofKeyring, ofFile]
    const [keyringPassphrase, filePassphrase = keyringPassphrase] = await secrets(
      call,
      'passphrase-stdin',
      prompts,
      2,
    )
    const passphrase = Buffer.from(filePassphrase!)
    const added = await keyrings.add(user, keyringPassphrase!, { import: { file: octets, passphrase } })
    printKeys(added)
    if (isFirst && isTooShort(keyringPassphrase!))
      print(
        'The passphrase of this file is short, and opens the key here too: please choose a longer one in the pages, under More, Passphrase.',
      )
    for (const { aliases } of added.keys)
      if (!aliases.includes(user.address))
        print(
          `This key does not name ${user.address}: ${aliases.length ? `it is that of ${oneLine(aliases.join(', '))}` : 'it names no address'}. ` +
            'Others will not encrypt to it for this user, nor take its signatures for theirs.',
        )
    if (added.refused.length === 0) return
    const reasons = added.refused.map(
      ({ fingerprint, sentence }) => `${fingerprint.toUpperCase()}: ${sentence}`,
    )
    const count = added.keys.length + added.refused.length
    throw new Refusal('keys-not-taken', {
      values: { refused: added.refused.length, count, why: reasons.join(' ') },
    })
  })
}

async function exportKey(call: Call) {
  if (!call.flag('secret')) {
    if (call.flag('passphrase-stdin'))
      throw new WrongCall('wafer key export needs no passphrase without --secret.')
    await withServices(async ({ users, keyrings }) => {
      const keys = await keyrings.list((await users.named(call.arguments[0]!)).id)
      if (keys.length === 0)
        throw new Refusal('user-without-key', { values: { address: call.arguments[0]! } })
      for (const key of keys) await write(key.armored)
    })
    return
  }
  demandSecretOnInput(call, 'passphrase-stdin')
  await withServices(async ({ users, keyrings }) => {
    const user = await users.named(call.arguments[0]!)
    const prompts = [
      { name: 'Passphrase', isNew: false },
      { name: 'Passphrase for the copy', isNew: true },
    ]
    const [passphrase, copyPassphrase] = await secrets(call, 'passphrase-stdin', prompts)
    // A copy that the keyring's passphrase opened would give it away with the file.
    if (copyPassphrase === undefined)
      throw new WrongCall(
        'Standard input has one line, but should have two: the passphrase of the keyring, then one for the copy.',
      )
    for (const armored of await keyrings.exportSecret(user, passphrase!, copyPassphrase!))
      await write(armored)
  })
}

async function importMail(call: Call) {
  const [address = '', ...paths] = call.arguments
  const { mailFilesAt, mailsIn } = await import('./mail/mail-files.ts')
  await withServices(async ({ users, mailboxes }) => {
    const user = await users.named(address)
    const made: string[] = []
    const named = async (name: string) =>
      mailboxes.folderNamed(user.id, name).catch(async (error) => {
        if (!(error instanceof Refusal && error.code === 'not-found')) throw error
        const folder = await mailboxes.createFolder(user.id, name)
        made.push(folder.name)
        return folder
      })
    const name = call.option('folder')
    const main = name === undefined ? await mailboxes.fixedFolder(user.id, 'inbox') : await named(name)
    /** What is marked as deleted goes to the Trash; a subfolder to its like here, unless a folder was named for all. */
    const folderFor = async (subfolder: string | null, isDeleted: boolean) => {
      if (isDeleted) return mailboxes.fixedFolder(user.id, 'trash')
      if (subfolder === null || name !== undefined) return main
      const [, kind] = usualFolders.find(([names]) => names.test(subfolder)) ?? []
      return kind ? mailboxes.fixedFolder(user.id, kind) : named(subfolder)
    }
    const counts = new Map<string, number>([[main.name, 0]])
    let first = Number.POSITIVE_INFINITY
    let known = 0
    let failures = 0
    const note = (sentence: string) => {
      failures += 1
      complain(sentence)
    }
    /** What is wrong with one file is said, and the others go on. */
    const orNote = async (work: () => Promise<void>) => {
      try {
        await work()
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        note(error.message)
      }
    }
    for (const path of paths)
      await orNote(async () => {
        for (const file of await mailFilesAt(path))
          await orNote(async () => {
            for await (const mail of mailsIn(file)) {
              if ('skipped' in mail) {
                note(mail.skipped)
                continue
              }
              const { octets, arrivedAt, seen, flagged, answered, deleted } = mail
              const folder = await folderFor(file.folder, deleted)
              // An import that broke off, or was given more, is run again.
              if (await mailboxes.holds(user.id, folder.id, octets, { arrivedAt, before: first })) {
                known += 1
                continue
              }
              const id = await mailboxes.store(user.id, folder.id, octets, { arrivedAt, seen, flagged })
              if (answered) await mailboxes.mark(user.id, [id], { answered })
              first = Math.min(first, id)
              counts.set(folder.name, (counts.get(folder.name) ?? 0) + 1)
            }
          })
      })
    for (const [folder, count] of counts)
      print(`${count === 1 ? '1 message is' : `${count} messages are`} now in ${folder}.`)
    if (known > 0) print(`${known === 1 ? '1 was' : `${known} were`} there already.`)
    for (const folder of made) print(`The folder ${folder} is new.`)
    if (failures > 0) process.exitCode = 1
  })
}

/** Subfolders that other programs keep what these folders are for in. */
const usualFolders: [RegExp, 'sent' | 'drafts' | 'trash' | 'inbox'][] = [
  [/^inbox$/i, 'inbox'],
  [/^sent([ -](items|mail|messages))?$/i, 'sent'],
  [/^drafts?$/i, 'drafts'],
  [/^(trash|deleted( (items|messages))?)$/i, 'trash'],
]

async function exportMail(call: Call) {
  const { toMbox } = await import('./mail/mail-files.ts')
  await withServices(async ({ users, mailboxes }) => {
    const user = await users.named(call.arguments[0]!)
    const name = call.option('folder')
    const folders =
      name === undefined ? await mailboxes.folders(user.id) : [await mailboxes.folderNamed(user.id, name)]
    for (const folder of folders)
      for (const id of await mailboxes.ids(folder.id)) {
        const { arrivedAt } = await mailboxes.message(user.id, id)
        await write(toMbox(await mailboxes.octets(user.id, id), arrivedAt))
      }
  })
}

const config = async (): Promise<Config> => (await import('./ground/config.ts')).readConfig(process.env)

const withServices = async (
  work: (services: Services) => Promise<void>,
  options: { create?: boolean } = {},
) => {
  const { openServices } = await import('./main.ts')
  const services = await openServices(await config(), options)
  try {
    await work(services)
  } finally {
    await services.close()
  }
}

// ---- keys as text

const printKeys = ({ keys, recoveryCode }: Added) => {
  if (keys.length > 1) print(`${keys.length} keys:`)
  for (const { fingerprint, uses, isNew } of keys) {
    print(
      `Fingerprint: ${fingerprint.toUpperCase()}${isNew ? '' : ' (in the keyring already; it is up to date now)'}`,
    )
    const state = stateOf(uses, Date.now())
    if (state) print(state)
  }
  if (recoveryCode === null) return
  print(`Recovery code: ${recoveryCode}`)
  print(
    'Keep the recovery code in a safe place: it opens the keyring without the passphrase, and is shown only now.',
  )
}

const readKeyFile = (file: string): Buffer => {
  try {
    return readFileSync(file)
  } catch (cause) {
    const isAbsent = (cause as NodeJS.ErrnoException).code === 'ENOENT'
    throw new Refusal(isAbsent ? 'path-absent' : 'path-unreadable', { values: { path: file }, cause })
  }
}

// ---- secrets

type Prompt = { name: string; isNew: boolean }

/**
 * The secrets of a command: lines of standard input, or the answers to prompts where that is a terminal.
 *
 * @param most how many lines may come where more are taken than are asked for; fewer lines than prompts are given
 *   back as they are
 */
const secrets = async (
  call: Call,
  flag: string,
  prompts: Prompt[],
  most = prompts.length,
): Promise<string[]> => {
  if (process.stdin.isTTY) {
    const answers: string[] = []
    for (const { name, isNew } of prompts) {
      const answer = await ask(`${name}: `)
      if (isNew && (await ask(`${name} again: `)) !== answer) throw new Refusal('entries-differ')
      answers.push(answer)
    }
    return answers
  }
  demandSecretOnInput(call, flag)
  const octets: Buffer[] = []
  for await (const chunk of process.stdin) octets.push(chunk)
  // The newline at the end is none of the last secret, nor are empty lines after it.
  const lines = utf8(Buffer.concat(octets))
    .replace(/\r?\n$/, '')
    .split(/\r?\n/)
  while (lines.length > prompts.length && lines.at(-1) === '') lines.pop()
  if (lines.length === 1 && lines[0] === '')
    throw new WrongCall('Standard input is empty, but should hold a secret.')
  if (lines.length > most)
    throw new WrongCall(
      `Standard input has ${lines.length} lines, but should have ${most === 1 ? 'one' : 'at most two'}.`,
    )
  return lines
}

const demandSecretOnInput = (call: Call, flag: string) => {
  if (!process.stdin.isTTY && !call.flag(flag))
    throw new WrongCall(`A secret is needed: give it on standard input, with --${flag}.`)
}

const utf8 = (octets: Buffer) => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(octets)
  } catch {
    throw new WrongCall('Standard input is not UTF-8 text.')
  }
}

/** What was typed or pasted beyond the line that was asked for. */
let typedAhead = ''

/** One line from the terminal, without echo. The question goes to standard error: standard output may be a file. */
const ask = (question: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const { stdin, stderr } = process
    let answer = ''
    const done = (finish: () => void) => {
      stdin.off('data', take)
      stdin.setRawMode(false)
      stdin.pause()
      stderr.write('\n')
      finish()
    }
    const take = (text: string) => {
      const characters = [...text]
      for (const [place, character] of characters.entries()) {
        if (/[\r\n\x04]/.test(character)) {
          typedAhead = characters.slice(place + 1).join('')
          return done(() => resolve(answer))
        }
        if (character === '\x03') return done(() => reject(new Refusal('interrupted')))
        if (/[\b\x7f]/.test(character)) answer = [...answer].slice(0, -1).join('')
        else if (character === '\x15') answer = ''
        else answer += character
      }
    }
    stderr.write(question)
    stdin.setRawMode(true)
    stdin.setEncoding('utf8')
    stdin.on('data', take)
    stdin.resume()
    const before = typedAhead
    typedAhead = ''
    take(before)
  })

// ---- output

const print = (line: string) => {
  process.stdout.write(`${line}\n`)
}

/** Waits while the reader is slow, so that an export does not pile up in memory. */
const write = (content: string | Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    process.stdout.write(content, (error) => (error ? reject(error) : resolve()))
  })

const complain = (sentence: string) => {
  process.stderr.write(`wafer: ${oneLine(sentence)}\n`)
}

/** Foreign text, which must not steer the terminal. */
const oneLine = (text: string) => text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ')

// ---- the call

const perform = async (words: string[]): Promise<void> => {
  const [first = '', second = ''] = words
  if (words.length === 0) throw new WrongCall('A command is needed; wafer --help lists them.')
  if (first === '--version') return print(version())
  if (first === '--help' || first === '-h' || first === 'help') return print(help(Object.keys(commands)))
  const name = [`${first} ${second}`, first].find((name) => Object.hasOwn(commands, name))
  if (!name) {
    const group = Object.keys(commands).filter((name) => name.startsWith(`${first} `))
    if (group.length && (second === '--help' || second === '-h')) return print(help(group))
    if (group.length)
      throw new WrongCall(`wafer ${first} is one of: ${group.map((name) => `wafer ${name}`).join(', ')}.`)
    throw new WrongCall('There is no such command; wafer --help lists them.')
  }
  const command = commands[name]!
  const call = read(name, command, words.slice(name.split(' ').length))
  if (call.flag('help')) return print(help([name]))
  const [least, most] = command.arguments
  if (call.arguments.length < least || call.arguments.length > most)
    // Not the surplus argument itself: it may be a secret that somebody wanted to give this way.
    throw new WrongCall(`Usage: wafer ${name} ${command.usage}`.trimEnd())
  await command.run(call)
}

const read = (name: string, command: Command, words: string[]): Call => {
  const known: Record<string, Command['options'][string]> = { help: 'flag', ...command.options }
  const options = Object.fromEntries(
    Object.entries(known).map(([option, kind]) => [
      option,
      {
        type: kind === 'flag' ? ('boolean' as const) : ('string' as const),
        multiple: kind === 'values',
        ...(option === 'help' && { short: 'h' }),
      },
    ]),
  )
  const { values, positionals, tokens } = parseArgs({
    args: words,
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  })
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    const kind = Object.hasOwn(known, token.name) ? known[token.name] : undefined
    if (!kind)
      throw new WrongCall(
        `wafer ${name} has no option ${token.rawName.slice(0, 40)}; see wafer ${name} --help.`,
      )
    if (kind === 'flag' && token.value !== undefined)
      throw new WrongCall(`${token.rawName} takes no value; secrets come from standard input.`)
    if (kind !== 'flag' && (!token.value || (token.value.startsWith('-') && !token.inlineValue)))
      throw new WrongCall(`${token.rawName} needs a value; see wafer ${name} --help.`)
  }
  return {
    arguments: positionals,
    option: (option) => values[option] as string | undefined,
    options: (option) => (values[option] as string[] | undefined) ?? [],
    flag: (option) => values[option] === true,
  }
}

const help = (names: string[]): string => {
  const entries = names.map((name) => {
    const { usage, does } = commands[name]!
    return `${`wafer ${name} ${usage}`.trimEnd()}\n    ${does}`
  })
  const settings =
    'Settings are environment variables, or lines of .env in the data folder (WAFER_DATA); see docs/settings.md.'
  return [...entries, settings].join('\n')
}

const version = (): string =>
  (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version

/** One line that a person can act on; of the unexpected, its name and place only, for its text may quote secrets. */
const sentenceOf = (error: unknown): string => {
  if (!(error instanceof Error)) return 'Something unexpected went wrong.'
  if (error instanceof Refusal) return error.message
  const { code, path, address, port, syscall } = error as NodeJS.ErrnoException & {
    address?: string
    port?: number
  }
  if (code === 'EADDRINUSE' || (code === 'EACCES' && syscall === 'listen'))
    return code === 'EADDRINUSE'
      ? `Port ${port ?? '?'} of ${address ?? 'this machine'} is taken by another program; set WAFER_PORT or WAFER_SMTP_PORT.`
      : `Port ${port ?? '?'} may not be used by this user; set WAFER_PORT or WAFER_SMTP_PORT.`
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return `${address ?? 'The host'} is not an address of this machine; set WAFER_HOST or WAFER_SMTP_HOST.`
  if (code === 'ENOSPC' || code === 'SQLITE_FULL') return 'The disk is full.'
  if (code?.startsWith('SQLITE_BUSY')) return 'The database is busy; please try again.'
  if (
    code?.startsWith('SQLITE_READONLY') ||
    code?.startsWith('SQLITE_CANTOPEN') ||
    code?.startsWith('SQLITE_IOERR')
  )
    return `The database cannot be read and written (${code}): look at the data folder and its disk.`
  if (code?.startsWith('SQLITE_CORRUPT'))
    return 'The database is damaged; wafer check says more, wafer restore takes a backup.'
  if (path !== undefined) return `${path} cannot be used (${code}).`
  // Ours for people end in a full stop; a bug's say what was expected and do not.
  if (
    /^(Error|Failed|Problem|Unreachable|Untrusted|Unsafe)$/.test(error.name) &&
    /^[^\n]+\.$/.test(error.message)
  )
    return error.message
  const place =
    error.stack
      ?.split('\n')
      .find((line) => line.startsWith('    at '))
      ?.trim() ?? ''
  return `Unexpected ${error.name}${code ? ` (${code})` : ''} ${place}`.trimEnd()
}

/**
 * npm runs its scripts in the folder of the package: what is named on the command line is meant from where the person
 * stands. The data folder of a checkout stays in it.
 */
const standWhereThePersonDoes = () => {
  const { INIT_CWD, npm_package_json } = process.env
  const ours = join(root, 'package.json')
  if (!INIT_CWD || npm_package_json !== ours || process.cwd() !== dirname(ours)) return
  process.env.WAFER_DATA ||= join(process.cwd(), 'data')
  process.chdir(INIT_CWD)
}

process.umask(0o077) // whatever is written is for the one who runs this
/** What was asked for could not be written: a full disk. Where the reader of a pipe has gone, nobody is left to tell. */
const cannotPrint = (error: NodeJS.ErrnoException) => {
  if (error.code === 'ENOSPC') complain('The output could not be written: the disk is full.')
  process.exit(1)
}
process.stdout.on('error', cannotPrint)
if (process.stdout.isTTY || process.stderr.isTTY) {
  const { isUtf8, keepToAscii } = await import('../tui/text/locale.ts')
  if (!isUtf8()) for (const stream of [process.stdout, process.stderr]) keepToAscii(stream)
}

try {
  standWhereThePersonDoes()
  await perform(process.argv.slice(2))
} catch (error) {
  const isWrongCall = error instanceof Error && error.name === 'WrongCall'
  complain(isWrongCall ? error.message : sentenceOf(error))
  process.exitCode = isWrongCall ? 2 : 1
}
// The end does not wait for what may still be open, only for what was printed.
process.stdout.write('', (error) => (error ? cannotPrint(error) : process.exit()))
