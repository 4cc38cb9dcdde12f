/**
 * Why a mail waits, and every reason for which something is refused: the code that programs go by, and the English
 * sentence that pages, API, terminal and scripts say. Pages in another language have a table of their own with the same
 * reasons (web/words/refusals-ja.ts), which does not compile until it is complete. A sentence says what happened and
 * what to do; no secrets, no internals. Decisions go by reason or code, never by wording.
 */
import type { RefusalCode } from './refusal-codes.ts'

/**
 * Why a key cannot be used for something: it has no part for it, has expired, was revoked, is too weak, or the secret
 * of that part is not in the keyring, or on a card.
 */
export type Obstacle = 'no-part' | 'expired' | 'revoked' | 'weak' | 'missing' | 'card'
/** `until` in Unix milliseconds, where the key has expired. */
type Hindered = { why: Obstacle; until: number | null }
/** What is too weak in a key, or not allowed. */
export type Weakness =
  | { kind: 'dsa-or-elgamal' | 'curve-of-version-4' }
  | { kind: 'rsa'; bits: number }
  | { kind: 'curve'; curve: string }

/**
 * Why a mail did not leave when it was tried. `text` is one harmless line: what the relay answered, or what became of the
 * connection to it; `codes` are the database's.
 */
export type Delay =
  | { kind: 'relay-answered' | 'relay-failed'; text: string }
  | { kind: 'mailbox-full' | 'no-relay' }
  | { kind: 'mailbox-unwritable'; codes: string[] }

/** As the part of a sentence, or as a line of its own. */
export const delayInWords = (delay: Delay): string => {
  switch (delay.kind) {
    case 'relay-answered':
    case 'relay-failed':
      return delay.text
    case 'mailbox-full':
      return 'The mailbox is full'
    case 'mailbox-unwritable':
      return ['The mailbox cannot be written', delay.codes.join(', ')].filter(Boolean).join(': ')
    case 'no-relay':
      return 'No relay is set'
  }
}

/** As the date stands in English sentences. */
export const dayOf = (at: number) => new Date(at).toISOString().slice(0, 10)

/** Why a key cannot be used, as the end of a sentence that begins with the key. */
export const because = ({ why, until }: Hindered): string =>
  ({
    expired: `expired on ${dayOf(until ?? 0)}`,
    revoked: 'was revoked',
    weak: 'is too weak',
    card: 'has the secret for it on a card',
    missing: 'came without the secret for it',
    'no-part': 'has no part for it',
  })[why]

const minutes = (seconds: number) => Math.ceil(seconds / 60)

const listed = (addresses: string[]) =>
  addresses.length > 3
    ? `${addresses.slice(0, 3).join(', ')} and ${addresses.length - 3} more`
    : addresses.join(', ')

/** Octets as people read them: `1.2 MiB`. */
const inUnits = (octets: number): string => {
  const units = ['octets', 'KiB', 'MiB', 'GiB', 'TiB']
  const place = octets < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(octets) / 10))
  const value = octets / 1024 ** place
  return `${place === 0 || value >= 100 ? Math.round(value) : Number(value.toFixed(1))} ${units[place]}`
}

const withoutKeys = (missing: ({ address: string } & (Hindered | { why: 'none' }))[]): string => {
  const none = missing.filter(({ why }) => why === 'none').map(({ address }) => address)
  const sentences = missing.flatMap((one) =>
    one.why === 'none' ? [] : [`The key of ${one.address} ${because(one)}.`],
  )
  if (none.length) sentences.unshift(`There is no public key for ${none.join(', ')}.`)
  const another = none.length ? 'one' : 'another one'
  return `${sentences.join(' ')} Accept ${another} first, or send without encryption.`
}

const tooWeak = (weakness: Weakness): string => {
  switch (weakness.kind) {
    case 'dsa-or-elgamal':
      return 'Keys with DSA or Elgamal are too weak.'
    case 'rsa':
      return `RSA keys of ${weakness.bits} bits are too weak.`
    case 'curve-of-version-4':
      return 'This key of version 6 has a curve of version 4.'
    case 'curve':
      return `Keys on the curve ${weakness.curve} are not supported.`
  }
}

/** Times to wait are in seconds (`waitS`), sizes in octets unless they are said to be in MiB. */
export const reasons = {
  // ---- the server as a whole
  'server-busy': ['busy', 'The server is busy. Please try again in a few seconds.'],
  'server-stops': ['busy', 'The server is being stopped.'],
  'took-too-long': ['failed', 'This took too long and was given up.'],
  'work-stopped': ['failed', 'The work was stopped before it was done. Please try again.'],
  'went-wrong': ['failed', 'Something went wrong on the server. Nothing was changed; please try again.'],
  'setup-link-used': ['not-found', 'This set-up link was used already.'],

  // ---- forms and pages
  'other-name': ['misdirected', 'This server goes by another name.'],
  'no-page': ['not-found', 'There is no such page.'],
  'no-such-place': ['bad-request', 'That page does not exist.'],
  'form-old': [
    'forbidden',
    'This form is too old, or not from this site. Go back, reload the page and try again.',
  ],
  'form-foreign': ['forbidden', 'This form was sent from another site. Nothing was changed.'],
  'form-large': ['too-large', 'This is larger than may be sent here. Send less, or in parts.'],
  'form-of-many-fields': ['bad-request', 'This form has too many fields.'],
  'body-in-bits': ['bad-request', 'This came in too many pieces. Please try again.'],
  'form-unreadable': ['bad-request', 'This form could not be read.'],
  'no-cookie': ['forbidden', 'Your browser sent no cookie. Permit cookies for this site.'],
  'much-is-parked': [
    'too-large',
    'Too much that you wrote or attached waits already. Send it or save it as a draft; what is left unsent is forgotten after an hour.',
  ],

  // ---- calls of the API
  'no-call': ['not-found', 'There is no such call.'],
  'log-in-first': ['no-session', 'Log in first: there is no such session, or it has ended.'],
  'stop-unconfirmed': ['unconfirmed', 'Stopping the other use needs {"confirm": true}.'],
  'before-or-offset': ['bad-request', 'A page begins either before another or at an offset, not both.'],
  'before-no-id': ['bad-request', 'A page begins before an id.'],
  'limit-no-number': ['bad-request', 'The limit is not a number above 0.'],
  'offset-no-number': ['bad-request', 'The offset is not a number.'],
  'in-reply-to-what': ['bad-request', 'in_reply_to is neither a message of yours nor a Message-ID.'],
  'file-without-content': [
    'bad-request',
    ({ name }: { name: string }) => `The attachment "${name}" has no content.`,
  ],
  'body-large': ['too-large', 'This is larger than this call takes. Nothing was done.'],
  'request-cut-off': ['bad-request', 'The request ended before it was whole.'],
  'large-bodies-wait': [
    'busy',
    'The server is busy with other large letters. Nothing was done; please try again in a minute.',
  ],
  'body-not-json': ['bad-request', 'The body is not JSON.'],
  'body-not-xml': [
    'bad-request',
    'The body is not XML 1.0 in UTF-8 of the form that docs/api-xml.md describes. Nothing was done.',
  ],
  'body-declares': [
    'bad-request',
    'XML with a document type or processing instructions is not taken. Nothing was done.',
  ],
  'body-deep': [
    'bad-request',
    ({ levels }: { levels: number }) => `The body is nested in more than ${levels} levels. Nothing was done.`,
  ],
  'body-of-many-values': [
    'too-large',
    ({ values, files, addresses }: { values: number; files: number; addresses: number }) =>
      `The body has more than ${values} members and elements; a letter takes ${files} files and ${addresses} addresses. Nothing was done.`,
  ],
  'body-malformed': ['bad-request', 'The body is malformed.'],
  'member-unknown': [
    'bad-request',
    ({ member }: { member: string }) => `There is no member "${member}" in this call. Nothing was done.`,
  ],
  'member-malformed': [
    'bad-request',
    ({ member }: { member: string }) => `The member "${member}" is missing or malformed.`,
  ],
  'member-large': [
    'too-large',
    ({ member }: { member: string }) => `The member "${member}" is larger than it may be. Nothing was done.`,
  ],
  'files-many': [
    'too-large',
    ({ limit }: { limit: number }) => `A letter takes ${limit} files at most. Nothing was sent.`,
  ],

  // ---- users, passwords, sessions
  'address-malformed': [
    'bad-address',
    ({ text }: { text: string }) => `"${text}" is not a mail address such as ann@example.org.`,
  ],
  'user-exists': ['exists', ({ address }: { address: string }) => `There is a user ${address} already.`],
  'no-user': ['not-found', ({ address }: { address: string }) => `There is no user ${address}.`],
  'wrong-log-in': ['bad-credentials', 'User ID or password is wrong.'],
  'password-short': [
    'bad-request',
    ({ least }: { least: number }) => `A password needs at least ${least} characters.`,
  ],
  'password-same': ['bad-request', 'The new password is the old one. Nothing was changed.'],
  'session-ended': ['no-session', 'This session has ended. Please log in again.'],
  'terminal-logged-out': ['not-found', 'That terminal is logged out already.'],
  'ssh-key-malformed': [
    'bad-key',
    'This is not a public key for SSH: paste the one line of a file such as id_ed25519.pub.',
  ],
  'ssh-keys-several': ['bad-key', 'There are several public keys here. Add them one at a time.'],
  'ssh-key-options': [
    'bad-key',
    'Options such as from="…" or restrict mean nothing here, so this key could do more than they allow. To add it all the same, leave them out.',
  ],
  'ssh-key-secret': [
    'bad-key',
    'This is a secret key. Nothing of it was kept, but do not use it any more if others may have seen it; add the .pub file beside it.',
  ],
  'ssh-key-kind': [
    'bad-key',
    ({ type }: { type: string }) =>
      `Keys of the type ${type} cannot log in here: use Ed25519, RSA, ECDSA or a security key.`,
  ],
  'ssh-key-weak': [
    'bad-key',
    ({ bits }: { bits: number }) =>
      `RSA keys of ${bits} bits are too weak: use Ed25519, or RSA of 3072 bits.`,
  ],
  'ssh-key-exists': ['exists', ({ name }: { name: string }) => `This key is there already, as ${name}.`],
  'ssh-keys-full': [
    'bad-request',
    ({ most }: { most: number }) => `There are ${most} keys already; remove one that is not used any more.`,
  ],
  'no-ssh-key': ['not-found', 'There is no such SSH key.'],
  'key-idle-long': [
    'bad-request',
    ({ most }: { most: number }) => `This server keeps a key open without use for at most ${most} min.`,
  ],
  'alias-malformed': [
    'bad-name',
    'An alias is one word or number of at most 64 octets, without blanks, +, @, marks such as quotes and brackets, what is not seen, and letters of two alphabets that look the same. It counts in the domain of the address.',
  ],
  'alias-taken': ['exists', 'This alias is taken: it finds somebody here already. Choose another.'],
  'alias-reserved': [
    'bad-name',
    'Mail to this name is for the operator of this server, who alone can give it to somebody.',
  ],
  'aliases-full': [
    'bad-request',
    ({ most }: { most: number }) =>
      `There are ${most} aliases already; remove one that is not used any more.`,
  ],
  'aliases-tried': [
    'slow-down',
    'Too many aliases that were taken were tried. Please try again tomorrow, or ask the operator of this server.',
  ],
  'no-alias': ['not-found', 'There is no such alias.'],
  'address-is-alias': [
    'exists',
    ({ name, address }: { name: string; address: string }) =>
      `“${name}” is an alias of ${address}: take it away there first (wafer key alias ${address} ${name} --remove).`,
  ],
  'ssh-many': ['busy', 'There are too many connections of this user: end one of them first.'],
  'guessed-in-row': [
    'slow-down',
    ({ what }: { what: 'password' | 'passphrase' | 'recovery code' }) =>
      `Too many wrong tries of this ${what}. Please ask the operator of this server.`,
  ],
  'guessed-often': [
    'slow-down',
    ({ waitS }: { waitS: number }) =>
      `Too many wrong tries. Please wait ${minutes(waitS)} min and try again.`,
  ],
  'no-room': [
    'over-quota',
    ({ used, quota }: { used: number; quota: number }) =>
      `There is no room for this: ${inUnits(used)} of ${inUnits(quota)} are used. Delete mail, also from the Trash, or files, and try again.`,
  ],
  'mailbox-full': ['over-quota', 'The mailbox is full.'],

  // ---- the key and its allowance
  'no-key': ['not-found', 'You have no key yet. The operator of this server can make one for you.'],
  'key-in-use': [
    'key-in-use',
    ({ terminal }: { terminal: string }) => `Your key is in use in another terminal: ${terminal}.`,
  ],
  'key-closed': ['allowance-required', 'Unlock your key first.'],
  'key-reads-only': ['allowance-required', 'This allowance is for reading only. Unlock the key to sign.'],
  'locked-meanwhile': [
    'allowance-required',
    'The key was locked before this was done. Unlock it and try again.',
  ],
  'stopped-often': [
    'slow-down',
    ({ limit, waitS }: { limit: number; waitS: number }) =>
      `The key was stopped ${limit} times in ten minutes and not unlocked after it; it can be stopped again in ${minutes(waitS)} min. Until then, lock the key at the terminal that has it open, or log that terminal out under Terminals.`,
  ],
  'wrong-passphrase': ['wrong-passphrase', 'This is not the passphrase of your key.'],
  'wrong-recovery-code': ['wrong-passphrase', 'This is not the recovery code of your key.'],
  'passphrase-short': [
    'bad-request',
    ({ least }: { least: number }) => `The passphrase needs at least ${least} characters.`,
  ],
  'copy-passphrase-short': [
    'bad-request',
    ({ least }: { least: number }) => `The passphrase for the copy needs at least ${least} characters.`,
  ],
  'opens-no-more': ['wrong-passkey', 'What you brought does not open your key any more.'],
  'opening-changed': ['busy', 'What opens your key was changed at the same moment. Please try again.'],
  'keyring-exists': ['exists', 'This user got a keyring meanwhile. Nothing was changed.'],
  'no-key-signs': [
    'bad-key',
    ({ keys }: { keys: ({ name: string } & Hindered)[] }) =>
      `You have no key that can sign now: ${keys.map((key) => `key ${key.name} ${because(key)}`).join(', ')}. Old mail still opens. Import the key with its new ` +
      'date, or another one, or send without a signature.',
  ],
  'keys-only-read': ['bad-key', 'None of your keys can sign now. They still open mail.'],

  // ---- approval from a phone
  'approve-elsewhere': ['forbidden', 'Approve this on another device than the one that asks.'],
  'code-missing': ['wrong-code', 'Type the code that the terminal shows.'],
  'code-wrong': [
    'wrong-code',
    ({ left }: { left: number }) => `This is not the code that the terminal shows. Tries left: ${left}.`,
  ],
  'code-wrong-at-last': [
    'wrong-code',
    'This was not the code that the terminal shows. The request has ended; ask again on the terminal.',
  ],
  'approval-over': [
    'not-found',
    'This request can no longer be answered. If it was yours, ask again on the terminal.',
  ],
  'approval-asked-often': [
    'slow-down',
    ({ limit, waitS }: { limit: number; waitS: number }) =>
      `Approval was asked for ${limit} times in ten minutes and not granted. It is possible again in ${minutes(waitS)} min.`,
  ],
  'approval-not-asked': ['not-found', 'This session has not asked for an approval.'],

  // ---- passkeys
  'no-passkey': ['not-found', 'There is no such passkey.'],
  'no-passkey-opens': ['not-found', 'None of your passkeys opens your key. Use the passphrase.'],
  'nothing-to-open': ['not-found', 'You have no key yet, so there is nothing that a passkey could open.'],
  'passkeys-many': [
    'exists',
    ({ limit }: { limit: number }) => `You have ${limit} passkeys. Remove one first.`,
  ],
  'passkey-exists': ['exists', 'This device has a passkey here already. Use that one.'],
  'passkey-misnamed': ['bad-request', 'This passkey names itself in a way that is not permitted.'],
  'passkey-added-late': ['wrong-passkey', 'This took too long. Please begin again with "Add a passkey".'],
  'passkey-computes-anew': [
    'wrong-passkey',
    'This passkey did not compute the same secret twice. Nothing was stored. Try it once more here: what it computes twice in a row is taken. If it never does, it cannot keep your key.',
  ],
  'passkey-computes-after-all': [
    'wrong-passkey',
    'This passkey can keep a secret after all. Nothing was stored yet: try it out once more, to see whether it computes the same again.',
  ],
  'passkey-computes-no-more': [
    'wrong-passkey',
    'This passkey computed a secret before, and now the browser sent nothing of it. Nothing was stored. Try again; if it stays so, add the passkey with another browser or device.',
  ],
  'passkey-keeps-no-secret': [
    'forbidden',
    'This passkey cannot keep a secret, and the operator of this server does not permit such passkeys.',
  ],
  'passkey-unreadable': ['bad-request', 'The answer of the browser could not be read. Please try again.'],
  'passkey-refused': ['wrong-passkey', 'This passkey was not accepted. Please try again.'],
  'passkey-late': ['wrong-passkey', 'This took longer than five minutes. Please try again.'],
  'passkey-sent-twice': ['wrong-passkey', 'This was sent already. Please try again.'],
  'passkey-copied': [
    'wrong-passkey',
    'This passkey looks like a copy of another one and was not accepted. It is on your ledger.',
  ],
  'passkey-logs-in-only': [
    'wrong-passkey',
    'This passkey logs you in, but does not open your key. Use another one, or the passphrase.',
  ],
  'prf-missing': [
    'wrong-passkey',
    'Your key opens with what this passkey computes, and the browser sent nothing of it. Use the passphrase here.',
  ],
  'prf-sent-again': [
    'wrong-passkey',
    'The browser sent again what had opened your key once, so nothing was changed. Use the passphrase here.',
  ],
  'prf-unusable': ['wrong-passkey', 'The browser sent a key that cannot be used.'],
  'prf-opens-nothing': [
    'wrong-passkey',
    'This passkey was right, but what it computed this time does not open your key. Reach it the way you did when you added it, without another device between; or use the passphrase.',
  ],
  'held-opens-nothing': ['wrong-passkey', 'What the server kept for this passkey does not open your key.'],
  'passkey-logs-nobody-in': [
    'bad-credentials',
    'No user could be logged in with this passkey. Check the User ID, or use the password.',
  ],
  'passkeys-refused-often': [
    'slow-down',
    ({ waitS }: { waitS: number }) =>
      `Too many passkeys were refused here. Use the passphrase, or wait ${minutes(waitS)} min.`,
  ],
  'passkeys-asked-often': [
    'slow-down',
    ({ waitS }: { waitS: number }) =>
      `Passkeys were asked for too often here. Use the password, or wait ${minutes(waitS)} min.`,
  ],

  // ---- a file with secret keys
  'key-file-empty': ['bad-key', 'The file is empty.'],
  'key-file-large': [
    'bad-key',
    ({ limitMiB }: { limitMiB: number }) =>
      `The file is larger than ${limitMiB} MiB: it cannot be a key alone.`,
  ],
  'key-file-of-many': [
    'bad-key',
    ({ limit }: { limit: number }) =>
      `There are more than ${limit} keys in the file. Export those that you need alone.`,
  ],
  'key-file-public': [
    'bad-key',
    'The file has the public half of a key only. Export the secret one: gpg --armor --export-secret-keys ADDRESS',
  ],
  'key-file-without-key': [
    'bad-key',
    'There is no OpenPGP secret key in the file, or it is damaged. Export it once more.',
  ],
  'key-file-encrypted': ['bad-key', 'The file is an encrypted message, not a key. Decrypt it first.'],
  'key-file-signed-text': ['bad-key', 'The file is signed text, not a key.'],
  'key-file-cut-off': [
    'bad-key',
    'The key in the file is cut off: its END line is missing. Copy the whole block, from BEGIN to END.',
  ],
  'key-file-of-ssh': ['bad-key', 'The file is a key for SSH or TLS, not an OpenPGP key.'],
  'key-file-of-tls': ['bad-key', 'The file is a key or certificate for TLS or S/MIME, not an OpenPGP key.'],
  'key-file-of-gnupg-store': [
    'bad-key',
    'The file is from inside GnuPG’s own store. Export the key: gpg --armor --export-secret-keys ADDRESS',
  ],
  'key-file-of-age': ['bad-key', 'The file is a key of age, not an OpenPGP key.'],
  'key-file-of-something': [
    'bad-key',
    'The file is not an OpenPGP secret key, which begins with BEGIN PGP PRIVATE KEY BLOCK or is binary.',
  ],
  'key-damaged': ['bad-key', 'The key in the file is damaged, or of a kind that is not supported here.'],
  'key-inconsistent': [
    'bad-key',
    'This key is damaged: its parts do not belong together, or it has not signed its name.',
  ],
  'key-weak': [
    'bad-key',
    ({ weakness }: { weakness: Weakness }) => `${tooWeak(weakness)} This one cannot be imported.`,
  ],
  'key-nameless': ['bad-key', 'This key names nobody. Give it a name first: gpg --edit-key KEY adduid'],
  'key-on-card': [
    'bad-key',
    'The secret of this key is on a card, and cannot be taken from there. Import a key that has its secret in the file.',
  ],
  'key-without-secret': [
    'bad-key',
    'The secret of this key is not in the file. Export it where the secret is: gpg --armor --export-secret-keys',
  ],
  'key-useless': ['bad-key', 'This key can neither open mail nor sign.'],
  'key-of-pgp-2': [
    'bad-key',
    ({ version }: { version: number }) =>
      `This is a key of version ${version}, from the time of PGP 2: too weak to be imported.`,
  ],
  'key-of-version-5': [
    'bad-key',
    'This is a key of version 5, which only some programs know. Version 4 and 6 can be imported.',
  ],
  'key-protected-oddly': [
    'bad-key',
    'The secret in the file is protected in a way that is not supported here. Set its passphrase anew with gpg ' +
      '(gpg --edit-key ADDRESS passwd) and export it again.',
  ],
  'key-passphrases-differ': [
    'bad-key',
    'The passphrase opens a part of this key only: its parts have different ones. Give it one passphrase with gpg ' +
      '(gpg --edit-key ADDRESS passwd) and export it again.',
  ],
  'key-passphrase-wrong': ['wrong-passphrase', 'This is not the passphrase of the key in the file.'],
  'key-passphrase-dear': [
    'bad-key',
    'The passphrase of the key in the file takes more memory to check than is given here.',
  ],
  'key-secret-damaged': ['bad-key', 'The secret in the file is damaged.'],

  // ---- S/MIME identities
  'not-pkcs12': [
    'bad-key',
    'The file is not a PKCS #12 file, or is damaged: its name ends in .p12 or .pfx. Export certificate and key together once more.',
  ],
  'pkcs12-large': [
    'bad-key',
    ({ limitMiB }: { limitMiB: number }) =>
      `The file is larger than ${limitMiB} MiB: it cannot be a certificate with its key alone.`,
  ],
  'pkcs12-unknown-method': [
    'bad-key',
    'The file is protected in a way that is not supported here. Export it once more, with AES-256 or Triple-DES.',
  ],
  'wrong-file-passphrase': ['wrong-passphrase', 'This is not the passphrase of the file.'],
  'pkcs12-without-key': [
    'bad-key',
    'The file has no private key. Export the certificate together with its private key.',
  ],
  'pkcs12-without-certificate': [
    'bad-key',
    'The file has no certificate that belongs to its private key. Export both together.',
  ],
  'identity-unfit': [
    'bad-key',
    ({ algorithm }: { algorithm: string }) =>
      `Keys of the kind ${algorithm} can neither open mail nor sign it here.`,
  ],
  'no-identity': ['not-found', 'There is no such S/MIME identity.'],
  'identities-full': [
    'bad-request',
    ({ most }: { most: number }) =>
      `There are ${most} S/MIME identities already; remove one that opens no mail of yours.`,
  ],

  // ---- other people's keys
  'no-public-key': [
    'bad-key',
    'There is no public key in it that can be used. Paste the whole block, from BEGIN to END.',
  ],
  'key-of-many-addresses': [
    'bad-key',
    ({ limit }: { limit: number }) =>
      `The key names more than ${limit} addresses. Nobody can look through so many, so it is not taken.`,
  ],
  'no-such-fingerprint': ['bad-key', 'There is no key with that fingerprint in it. Nothing was accepted.'],
  'no-accepted-key': ['not-found', 'There is no such accepted key.'],
  'no-key-for': [
    'no-key-for',
    ({ missing }: { missing: Parameters<typeof withoutKeys>[0] }) => withoutKeys(missing),
  ],
  'kinds-differ': [
    'no-key-for',
    ({ openpgp, smime }: { openpgp: string[]; smime: string[] }) =>
      `${listed(openpgp)} can be written to by OpenPGP alone, and ${listed(smime)} by S/MIME alone: no one mail fits both. Send each what they can read, or send without encryption.`,
  ],
  'text-signed-by-openpgp': [
    'bad-key',
    'Text is signed by an OpenPGP key, and you have none. Choose Signed (S/MIME) as the protection of the letter, and send it.',
  ],
  'no-identity-signs': [
    'bad-key',
    ({ address }: { address: string }) =>
      `You have no S/MIME certificate for ${address} that can sign now. Add one, or send without that signature.`,
  ],
  'own-key-revoked': [
    'bad-key',
    'Your own key was revoked as no longer safe, and a copy for you would be encrypted to it. Import another key, or send without encryption.',
  ],
  'recipient-key-unreadable': ['bad-key', 'One of the recipients’ keys cannot be read. Ask for it again.'],
  'recipient-key-unfit': [
    'bad-key',
    'One of the recipients’ keys cannot be used to encrypt: it is expired, revoked or too weak.',
  ],

  // ---- mail that is read
  'no-message': ['not-found', 'There is no such message.'],
  'no-attachment': ['not-found', 'There is no such attachment.'],
  'no-encrypted-part': ['not-found', 'There is no encrypted part of that name in this mail.'],
  'not-encrypted': ['not-encrypted', 'This mail is not encrypted: there is nothing to decrypt.'],
  'parts-open-alone': [
    'cannot-decrypt',
    'Only a part of this mail is encrypted. It opens alone, in a view of its own.',
  ],
  undecryptable: [
    'cannot-decrypt',
    'This mail could not be decrypted. It may be damaged or not be an encrypted mail at all.',
  ],
  'part-can-be-changed': [
    'cannot-decrypt',
    'This part is encrypted in a way that does not show changes, and it is not the whole mail: somebody could have built the mail around it to get at its text, so it is not opened. Ask the sender to send it again, by itself.',
  ],
  'not-to-your-keys': [
    'cannot-decrypt',
    'This mail is not encrypted to any of your keys, so it cannot be opened here.',
  ],

  // ---- folders
  'no-folder': ['not-found', 'There is no such folder.'],
  'folder-exists': ['exists', ({ name }: { name: string }) => `There is a folder ${name} already.`],
  'folder-fixed': ['bad-request', ({ name }: { name: string }) => `The folder ${name} cannot be changed.`],
  'folder-name': ['bad-request', 'A folder needs a name of at most 60 characters, without a slash.'],

  // ---- letters
  'no-draft': ['not-found', 'There is no such draft.'],
  'no-recipient': ['bad-address', 'Who is it to? The letter has no recipient.'],
  'mail-without-recipient': ['bad-address', 'The mail has no recipient.'],
  'addresses-malformed': [
    'bad-address',
    ({ addresses }: { addresses: string[] }) => `This is not a mail address: ${addresses.join(', ')}.`,
  ],
  'no-mailbox': [
    'bad-address',
    ({ addresses }: { addresses: string[] }) =>
      `There is no mailbox ${listed(addresses)}. Please correct the address.`,
  ],
  'no-relay': [
    'no-relay',
    ({ addresses }: { addresses: string[] }) =>
      `This server sends mail to its own users only, and ${listed(addresses)} is not one of them. Its operator can set a relay.`,
  ],
  'recipients-many': [
    'too-large',
    ({ limit, named }: { limit: number; named: number }) =>
      `A letter goes to ${limit} addresses at most, and this names ${named}. Send it in several letters.`,
  ],
  'files-large': ['too-large', 'The attached files are too large for one letter. Leave some out.'],
  'bcc-large': [
    'too-large',
    ({ mails }: { mails: number }) =>
      `Encrypted, each Bcc is a mail of its own, and with these files ${mails} of them are too much for one letter. Send it in several letters.`,
  ],
  'letter-left': ['exists', 'This letter was sent already. It is in Sent; nothing was sent a second time.'],
  'letter-held': ['exists', 'The letter is held: it can be taken back.'],
  'mail-waits-no-more': ['not-found', 'That mail does not wait any more: it has left, or was given up.'],
  'mail-being-sent': ['too-late', 'That mail is being sent just now. Look again in a minute.'],
  'letter-waits-no-more': ['too-late', 'The letter does not wait any more: it has left, or was taken back.'],

  // ---- files
  'no-file': ['not-found', 'There is no such file.'],
  'no-file-folder': ['not-found', 'There is no such folder in Files.'],
  'file-exists': [
    'exists',
    ({ path }: { path: string }) => `There is a file ${path} already. Choose another name.`,
  ],
  'file-folder-exists': [
    'exists',
    ({ path }: { path: string }) => `There is a folder ${path} already. Choose another name.`,
  ],
  'file-name': [
    'bad-name',
    'This is no name for a file. Each part between two slashes has up to 255 octets, is not . or .., and holds no control ' +
      'characters; all of it has up to 1,024 octets.',
  ],
  'folder-into-itself': ['bad-name', 'A folder cannot be moved into itself.'],
  'file-folder-not-empty': [
    'not-empty',
    ({ path }: { path: string }) =>
      `The folder ${path} is not empty. Delete what is in it first, or all at once.`,
  ],
  'files-many-kept': [
    'over-quota',
    ({ limit }: { limit: number }) =>
      `You have ${limit} files and folders, and no more fit. Delete some, and try again.`,
  ],
  'file-goes-on-elsewhere': [
    'wrong-offset',
    ({ size }: { size: number }) =>
      `The file has ${size} octets: it can only go on there. Nothing was changed.`,
  ],
  'file-range': ['bad-range', ({ size }: { size: number }) => `The file has ${size} octets, and none there.`],
  'file-changed-meanwhile': [
    'exists',
    'The file was changed by another terminal meanwhile. Look at it again.',
  ],
  'files-need-key': [
    'bad-key',
    'Files are kept encrypted to your own key, and you have none that reads. The operator of this server can make one for you.',
  ],
  'file-damaged': ['failed', 'This file is damaged on the server and cannot be read whole.'],
  'transfers-many': [
    'busy',
    'Too many of your files are on their way already. Please try again when one has arrived.',
  ],
  'save-what': ['bad-request', 'Say what is to be done: {from, name}, {folder} or {move, to}.'],

  // ---- commands
  'path-absent': ['bad-request', ({ path }: { path: string }) => `${path} does not exist.`],
  'path-forbidden': ['bad-request', ({ path }: { path: string }) => `${path} may not be read.`],
  'path-is-link': ['bad-request', ({ path }: { path: string }) => `${path} is a link: name the file itself.`],
  'path-unreadable': ['bad-request', ({ path }: { path: string }) => `${path} cannot be read.`],
  'path-irregular': ['bad-request', ({ path }: { path: string }) => `${path} is not a regular file.`],
  'path-exists': ['exists', ({ path }: { path: string }) => `${path} exists already. Name a new file.`],
  'path-unwritable': [
    'failed',
    ({ path, code }: { path: string; code: string }) => `${path} cannot be written (${code}).`,
  ],
  'no-maildir': [
    'bad-request',
    ({ path }: { path: string }) => `${path} is a folder, but no Maildir: it has neither cur nor new in it.`,
  ],
  'path-no-mail': [
    'bad-request',
    ({ path }: { path: string }) => `${path} is not a mail: it does not begin with a header.`,
  ],
  'path-of-large-mail': [
    'too-large',
    ({ path }: { path: string }) => `${path} holds a mail of more than 25 MiB.`,
  ],
  'entries-differ': ['bad-request', 'The two entries differ. Nothing was changed.'],
  interrupted: ['failed', 'Interrupted. Nothing was changed.'],
  'user-without-key': ['not-found', ({ address }: { address: string }) => `${address} has no key.`],
  'user-without-identity': [
    'not-found',
    ({ address }: { address: string }) => `${address} has no S/MIME identity.`,
  ],
  'keys-not-taken': [
    'bad-key',
    /** `why` is a sentence of each key. */
    ({ refused, count, why }: { refused: number; count: number; why: string }) =>
      `${refused} of ${count} keys in the file could not be taken. ${why}`,
  ],
  unsound: ['failed', 'Not everything is sound.'],
  'no-database-to-back-up': [
    'not-found',
    ({ path }: { path: string }) => `There is no database ${path} to back up.`,
  ],
  'no-database-to-check': [
    'not-found',
    ({ path }: { path: string }) => `There is no database ${path} to check.`,
  ],
  'database-damaged': [
    'failed',
    ({ damage }: { damage: string }) => `The database is damaged, and no copy was made: ${damage}.`,
  ],
  'backup-in-one-file': ['bad-request', 'Database and server secret need two files, to be kept apart.'],
  'server-runs': [
    'exists',
    ({ folder }: { folder: string }) => `A server runs on ${folder}. Stop it first; nothing was changed.`,
  ],
  'server-secret-missing': [
    'bad-request',
    ({ folder, path }: { folder: string; path: string }) =>
      `${folder} has no server secret, without which no key in ${path} opens: name its copy with --secret.`,
  ],
  'server-secret-foreign': [
    'bad-request',
    ({ path }: { path: string }) => `The server secret does not belong to ${path}. Nothing was changed.`,
  ],
  'copy-absent': ['not-found', ({ path }: { path: string }) => `${path} does not exist.`],
  'copy-in-use': [
    'bad-request',
    ({ path }: { path: string }) =>
      `${path} is a database in use, not a copy of one: a part of it lies in ${path}-wal.`,
  ],
  'copy-foreign': ['bad-request', ({ path }: { path: string }) => `${path} is not a Wafer database.`],
  'copy-no-database': [
    'bad-request',
    ({ path }: { path: string }) => `${path} is not a Wafer database, or damaged. Nothing was changed.`,
  ],
  'copy-damaged': [
    'bad-request',
    ({ path, damage }: { path: string; damage: string }) =>
      `${path} is damaged: ${damage}. Nothing was changed.`,
  ],
  /** `why` is the sentence of what opens databases. */
  'copy-unfit': ['bad-request', ({ why }: { why: string }) => why],
  'backup-of-postgres': [
    'bad-request',
    'The database is PostgreSQL’s: back it up with pg_dump --exclude-table-data=allowances, or by continuous archiving. ' +
      'This command copies the server secret, with --secret; no file was written.',
  ],
  'restore-of-postgres': [
    'bad-request',
    'The database is PostgreSQL’s: stop all servers and put it back with pg_restore into an empty database. Then delete ' +
      'the rows of the table allowances and make a new WAFER_EPOCH_FILE, so that old cookies open nothing. Nothing was changed.',
  ],
  'no-database-to-copy': [
    'not-found',
    ({ path }: { path: string }) => `There is no database ${path} to copy.`,
  ],
  'copy-to-same-engine': [
    'bad-request',
    ({ engine }: { engine: 'SQLite' | 'PostgreSQL' }) =>
      engine === 'SQLite'
        ? 'The database is in SQLite already: name a PostgreSQL database, as --to postgres://user@host/database.'
        : 'The database is in PostgreSQL already: name a folder, as --to sqlite:FOLDER; from one PostgreSQL server to ' +
          'another, pg_dump and pg_restore copy it.',
  ],
  'copy-target-filled': [
    'exists',
    ({ called, table }: { called: string; table: string }) =>
      `The database that ${called} names is not empty: it has rows in ${table}. Name an empty one; nothing was changed.`,
  ],
  'copy-target-secret': [
    'exists',
    ({ folder }: { folder: string }) =>
      `${folder} has the server secret of another database. Name another folder; nothing was changed.`,
  ],
  'copy-with-other-secret': [
    'bad-request',
    ({ folder }: { folder: string }) =>
      `The server secret in ${folder} does not belong to the database: its keys would not open. Nothing was changed.`,
  ],
  'database-served': [
    'exists',
    ({ called }: { called: string }) =>
      `A server or a command uses the database that ${called} names. Stop it first; nothing was changed.`,
  ],
  'copy-differs': [
    'failed',
    ({ table }: { table: string }) =>
      `The rows of ${table} are not the same where they were copied to. Nothing of the copy was kept.`,
  ],
} as const satisfies Record<string, readonly [RefusalCode, string | ((values: never) => string)]>

export type Reason = keyof typeof reasons

/** What the sentences of a reason name; undefined where they name nothing. */
export type ValuesOf<R extends Reason> = (typeof reasons)[R][1] extends (values: infer V) => string
  ? V
  : undefined

/** The sentences of a further language: one for each reason. */
export type Sentences = {
  [R in Reason]: ValuesOf<R> extends undefined ? string : string | ((values: ValuesOf<R>) => string)
}

/** The sentence with its values; they fit, as a Refusal was made with both. */
export const said = (sentence: string | ((values: never) => string), values: unknown): string =>
  typeof sentence === 'string' ? sentence : sentence(values as never)
