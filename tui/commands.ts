/**
 * How the terminal client and each command for scripts is called, and what it says of itself (scripts.ts and main.tsx
 * have what each does). Where they run, on a machine or behind SSH, is another question.
 */
import type { CommandShape } from '../server/contract/calls.ts'

export const passwordIn = { 'password-stdin': 'flag' } as const
export const passphraseIn = { 'passphrase-stdin': 'flag' } as const
const serverAt = { server: 'value', ca: 'value', fingerprint: 'value' } as const

export const tuiCommand: CommandShape = {
  usage: '[--server URL] [--ca FILE] [--fingerprint HEX] [--plain] [mailto:...]',
  does: 'The terminal client; with --plain line by line, for screen readers and dumb terminals.',
  arguments: [0, 1],
  options: { ...serverAt, plain: 'flag' },
}

/** Each takes --json too. */
const forScripts = <Name extends string>(rows: Record<Name, CommandShape>) =>
  Object.fromEntries(
    Object.entries<CommandShape>(rows).map(([name, row]): [string, CommandShape] => [
      name,
      { ...row, usage: `${row.usage} [--json]`.trimStart(), options: { ...row.options, json: 'flag' } },
    ]),
  ) as Record<Name, CommandShape>

export const scriptCommands = forScripts({
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
    does:
      'Prints the newest messages with these words, of all folders; the folder comes last. from: to: subject: before: ' +
      'after: in: has:attachment is:unread is:flagged is:encrypted narrow it, "a phrase" has to stand as it is, ' +
      'and -word must not be there: docs/search.md.',
    hasDashedWords: true,
    arguments: [1, Number.POSITIVE_INFINITY],
    options: { folder: 'value', limit: 'value' },
  },
  mark: {
    usage: 'ID... [--seen | --unseen] [--flag | --unflag]',
    does: 'Marks messages, and prints how many.',
    arguments: [1, Number.POSITIVE_INFINITY],
    options: { seen: 'flag', unseen: 'flag', flag: 'flag', unflag: 'flag' },
  },
  move: {
    usage: 'ID... --to FOLDER',
    does: 'Moves messages to a folder, and prints how many.',
    arguments: [1, Number.POSITIVE_INFINITY],
    options: { to: 'value' },
  },
  delete: {
    usage: 'ID...',
    does: 'Moves messages to the Trash; those that are in it are deleted for good. Prints how many.',
    arguments: [1, Number.POSITIVE_INFINITY],
    options: {},
  },
  send: {
    usage:
      '[mailto:... | --to A [--cc A] [--bcc A] [--subject S] [--in-reply-to ID]] [--attach FILE] [--sign] ' +
      '[--encrypt] [--kind KIND] [--draft] [--hold SECONDS]',
    does:
      'Sends what comes on standard input: the text, where options or a mailto: link say to whom, else a message with ' +
      'lines such as To: and Subject: before the text. --to, --cc, --bcc and --attach may be repeated. It ' +
      'leaves as it is asked to: without --encrypt in plain, also where all recipients have keys. By OpenPGP or S/MIME, as ' +
      'all of them read; --kind openpgp or smime says which, --kind each that each gets what they read.',
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
      kind: 'value',
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
  'files ls': {
    usage: '[PATH]',
    does: 'Prints what lies in Files, or in a folder there: name, type, octets, last change.',
    arguments: [0, 1],
    options: {},
  },
  'files put': {
    usage: 'FILE [PATH]',
    does: 'Puts a file into Files, in the place of one of that path; a path that ends in a slash is a folder, - is standard input.',
    arguments: [1, 2],
    options: {},
  },
  'files get': {
    usage: 'PATH',
    does: 'Writes a file of Files to standard output, if the key is open.',
    arguments: [1, 1],
    options: {},
  },
  'files rm': {
    usage: 'PATH [--all]',
    does: 'Removes a file or an empty folder for good; with --all a folder and all that is in it.',
    arguments: [1, 1],
    options: { all: 'flag' },
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
})
export type ScriptName = keyof typeof scriptCommands
