/**
 * The table of commands: how each is called, what it takes, what it says of itself, and what does it. The rooms beside
 * this one load what they need when they run.
 */

import { passphraseIn, passwordIn, type ScriptName, scriptCommands, tuiCommand } from '../../tui/commands.ts'
import { keyAlias } from './aliases.ts'
import { runScript, runTui } from './clients.ts'
import type { Call, Command } from './command.ts'
import { backUp, checkData, copyData, restoreBackup } from './data.ts'
import {
  exportIdentity,
  generateIdentity,
  importIdentity,
  listIdentities,
  removeIdentity,
} from './identities.ts'
import { exportKey, generateKey, importKey, listKeys } from './keys.ts'
import { exportMail, importMail } from './mail.ts'
import { serve } from './serve.ts'
import { addSshKey, listSshKeys, removeSshKey } from './ssh-keys.ts'
import { addUser, listUsers, removeUser, setPassword } from './users.ts'
import { version } from './version.ts'

const forScripts: Record<string, Command> = Object.fromEntries(
  Object.entries(scriptCommands).map(([name, row]) => [
    name,
    { ...row, isClient: true, run: (call: Call) => runScript(name as ScriptName, call) },
  ]),
)

/** All commands, in the order in which help lists them. */
export const commands: Record<string, Command> = {
  serve: {
    usage: '',
    does: 'Serves Web pages, API, SMTP and SSH until it is told to end.',
    arguments: [0, 0],
    options: {},
    run: serve,
  },
  'user add': {
    usage: 'ADDRESS [--name NAME] --password-stdin',
    does: 'Adds a user with that login and mail address.',
    arguments: [1, 1],
    options: { name: 'value', ...passwordIn },
    run: addUser,
  },
  'user list': {
    usage: '',
    does: 'Prints one address a line, the name after a tab.',
    arguments: [0, 0],
    options: {},
    run: listUsers,
  },
  'user remove': {
    usage: 'ADDRESS',
    does: 'Removes a user with all mail and keys.',
    arguments: [1, 1],
    options: {},
    run: removeUser,
  },
  'user password': {
    usage: 'ADDRESS --password-stdin',
    does: 'Sets a new password and ends the sessions that the old one began.',
    arguments: [1, 1],
    options: passwordIn,
    run: setPassword,
  },
  'key generate': {
    usage: 'ADDRESS --passphrase-stdin',
    does: 'Makes a new OpenPGP key for the user; a first one begins a keyring that this passphrase opens.',
    arguments: [1, 1],
    options: passphraseIn,
    run: generateKey,
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
    run: listKeys,
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
  'key alias': {
    usage: 'ADDRESS [WORD [--publish | --hide | --remove]]',
    does:
      'Lets a word, such as an employee number, find the user, as the address does: to log in, for mail to it in the ' +
      'same domain, and in these commands. Without a word, prints those that there are: word, published or not, added. ' +
      'One that is published answers those, too, who only look it up.',
    arguments: [1, 2],
    options: { publish: 'flag', hide: 'flag', remove: 'flag' },
    run: keyAlias,
  },
  'identity import': {
    usage: 'ADDRESS --file ID.p12 --passphrase-stdin',
    does:
      'Takes over S/MIME certificates with their private keys from a PKCS #12 file (.p12, .pfx). Standard input has two ' +
      'lines: the passphrase of the keyring, which a first one begins, then that of the file, empty if it has none; one ' +
      'line is both.',
    arguments: [1, 1],
    options: { file: 'value', ...passphraseIn },
    run: importIdentity,
  },
  'identity generate': {
    usage: 'ADDRESS --passphrase-stdin',
    does: 'Makes an S/MIME certificate for trying. No authority vouches for it; others accept it by its fingerprint.',
    arguments: [1, 1],
    options: passphraseIn,
    run: generateIdentity,
  },
  'identity list': {
    usage: 'ADDRESS',
    does:
      'Prints the S/MIME certificates, the present one first: fingerprint (SHA-256), algorithm, begins, ends, addresses ' +
      'in it, whose it is, who issued it, what it cannot do.',
    arguments: [1, 1],
    options: {},
    run: listIdentities,
  },
  'identity export': {
    usage: 'ADDRESS [FINGERPRINT] [--secret --passphrase-stdin]',
    does:
      'Prints the certificates (PEM), or one with its private key as a PKCS #12 file, the present one if none is named: ' +
      'standard input has two lines, the passphrase of the keyring and that of the copy.',
    arguments: [1, 2],
    options: { secret: 'flag', ...passphraseIn },
    run: exportIdentity,
  },
  'identity remove': {
    usage: 'ADDRESS FINGERPRINT',
    does: 'Removes a certificate with its private key. What was encrypted to it alone opens no more.',
    arguments: [2, 2],
    options: {},
    run: removeIdentity,
  },
  'ssh-key add': {
    usage: 'ADDRESS --file KEY.pub [--name NAME]',
    does: 'Lets a public key log the user in by SSH. It opens no mail: for that the passphrase is asked as everywhere.',
    arguments: [1, 1],
    options: { file: 'value', name: 'value' },
    run: addSshKey,
  },
  'ssh-key list': {
    usage: 'ADDRESS',
    does: 'Prints the keys that log the user in by SSH: id, fingerprint, added, last used, name.',
    arguments: [1, 1],
    options: {},
    run: listSshKeys,
  },
  'ssh-key remove': {
    usage: 'ADDRESS ID',
    does: 'Removes such a key. Sessions that it began go on until they end, or are ended among the terminals.',
    arguments: [2, 2],
    options: {},
    run: removeSshKey,
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
    run: backUp,
  },
  restore: {
    usage: 'FILE [--secret FILE2]',
    does: 'Puts a backup in the place of the database, which is kept aside. No server may run meanwhile.',
    arguments: [1, 1],
    options: { secret: 'value' },
    run: restoreBackup,
  },
  check: {
    usage: '[--mend-clock]',
    does: 'Tells whether database, server secret, ledger and clock are sound; with --mend-clock takes back times that are ahead.',
    arguments: [0, 0],
    options: { 'mend-clock': 'flag' },
    run: checkData,
  },
  copy: {
    usage: '--to postgres://user@host/database | --to sqlite:FOLDER',
    does:
      'Copies everything into an empty database of the other kind, and compares. Nothing may serve meanwhile. One that was ' +
      'interrupted has left nothing, and is run again. A password stands better in ~/.pgpass or PGPASSWORD than in the address.',
    arguments: [0, 0],
    options: { to: 'value' },
    run: copyData,
  },
  tui: { ...tuiCommand, isClient: true, run: runTui },
  ...forScripts,
  completion: {
    usage: 'bash | zsh | fish',
    does: 'Prints what makes Tab complete these commands in a shell: source <(wafer completion bash).',
    arguments: [1, 1],
    options: {},
    isClient: true,
    run: async (call) => (await import('./completion.ts')).printCompletion(call.arguments[0]!, commands),
  },
  manual: {
    usage: '',
    does: 'Prints the manual page of these commands: wafer manual | man -l -.',
    arguments: [0, 0],
    options: {},
    isClient: true,
    run: async () => (await import('./manual.ts')).printManual(version(), commands),
  },
}
