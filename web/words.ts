/**
 * What the pages say, in English and in Japanese. The English names of buttons, links, fields and headings are the
 * contract that scripts and checks rely on; the Japanese ones say the same.
 */

import type { Language } from '../server/doors/visit.ts'
import { type Obstacle, said } from '../server/ground/reasons.ts'
import type { Refusal } from '../server/ground/refusal.ts'
import type { FolderKind } from '../server/mail/mailboxes.ts'
import { japaneseObstacles, refusalsInJapanese } from './words/refusals-ja.ts'

type OwnKeyState = Record<'encrypt' | 'sign' | 'decrypt', Obstacle | null>

/** Why a key cannot be used for something. */
const obstacles: Record<Obstacle, string> = {
  expired: 'it has expired',
  revoked: 'it was revoked',
  weak: 'it is too weak',
  'no-part': 'it has no part for that',
  missing: 'the secret for it is not here',
  card: 'the secret for it is on a card',
}

const en = {
  folder: { inbox: 'Inbox', sent: 'Sent', drafts: 'Drafts', trash: 'Trash', user: '' } satisfies Record<
    FolderKind,
    string
  >,
  compose: 'Compose',
  more: 'More',
  decrypt: 'Decrypt',
  sign: 'Sign',
  keyOpen: ', key open',
  lockKey: 'Lock key',
  logOut: 'Log out',
  comma: ', ',
  period: '. ',
  /** Minutes; `key` is null while it is not open here. */
  clocks: (session: number, key: { idle: number; most: number } | null) =>
    `Session ends in ${session} min.${key ? ` Key open for ${key.idle} min, at most ${key.most}.` : ''}`,
  /** Of the times on the page; an IANA name, such as UTC or Europe/Berlin. */
  zone: (name: string) => `Times: ${name}.`,
  stopped: (at: string, terminal: string, address: string) =>
    `At ${at}, ${terminal} (${address}) stopped the use of your key here. If that was not you, look at Terminals and change your password.`,

  // login
  user: 'User ID',
  password: 'Password',
  login: 'Login',
  clear: 'Clear',
  loginWrong: 'User ID or password is wrong. Please try again.',
  userIsAddress: 'The User ID is your whole mail address.',
  loginOld: 'This form was too old, or your browser keeps no cookies. Please try again.',
  loginAgain: 'Please log in.',
  loginParked: 'Your session has ended. Log in, and what you wrote comes back.',
  loggedOut: 'You are logged out.',
  passkeyLogin: 'Log in with a passkey',
  passkeyLoginWhat:
    'With your User ID the same touch opens your key too. Without it, choose a passkey of this site; that logs you in.',
  passkeyLoginWrong:
    'This passkey logged nobody in. Check the User ID, or leave it empty; or use the password.',
  otherwisePassword: 'Log in with the password instead.',
  withPassword: 'Use password',

  // unlock and takeover
  useTitle: 'Secret key use',
  useToOpen: 'To open this mail, the key needs your passphrase:',
  useToDraft: 'To open this draft, the key needs your passphrase:',
  useToSign: 'For this letter, the key needs your passphrase:',
  useFor: 'To go on, the key needs your passphrase.',
  orPassphrase: 'Or type the passphrase:',
  passphrase: 'Passphrase',
  passphraseAgain: 'Passphrase again',
  optional: '(may stay empty)',
  ok: 'OK',
  usePasskey: 'Use passkey',
  byPhone: 'Approve on phone',
  forgotten: 'Passphrase forgotten?',
  cancel: 'Cancel',
  passphraseWrong: 'The passphrase is wrong. The key stays closed.',
  typeFirst: 'A passphrase is empty: type it first. Nothing was changed.',
  proofWrong: 'The passphrase is wrong. Nothing was changed.',
  passwordChange: 'Change the password',
  passwordChangeWhat: 'It logs you in, and opens no key. Your other terminals are logged out.',
  newPassword: 'New password',
  newPasswordAgain: 'New password again',
  newPasswordsDiffer: 'The two new passwords differ. Nothing was changed.',
  changePassword: 'Change password',
  passphrasesDiffer: 'The two passphrases differ. The key stays closed.',
  elsewhereTitle: 'Key in use elsewhere',
  elsewhere: (terminal: string, since: string, lastUsed: string) =>
    `${terminal} is using your key since ${since}; last use ${lastUsed}. Only one terminal may use it at a time.`,
  pressAgain: (what: string) => `Press ${what} again to stop that use and go on here.`,
  stopTitle: 'Stop the other use?',
  stop: (terminal: string, since: string, lastUsed: string) =>
    `OK stops at once the use of your key by ${terminal} (since ${since}, last use ${lastUsed}). Then your passphrase, a passkey or an approval is asked for here. Cancel changes nothing.`,

  stopAnother: 'Another terminal has the key by now, so nothing was stopped. Is it this one that you mean?',

  // passkeys, wherever they are asked for
  passkeyNoScript: 'This browser runs no script here, so it cannot use a passkey.',
  passkeyReady:
    'Press the button below; your browser then asks for your finger, your face, a PIN or a security key.',
  passkeyReadyToStore: (store: string, other: string | null) =>
    `Type your passphrase, then press ${store}; your browser then asks for the new passkey once more.${other ? ` Or leave the passphrase empty, and press ${other}.` : ''}`,
  passkeyAsks: 'Your browser asks for your passkey now: finger, face, PIN or security key.',
  passkeyAsksAgain: 'Your browser asks for the same passkey once more, for the secret that it computes.',
  passkeyMade:
    'The passkey is made, but it did not answer yet whether it can keep a secret. Press the button once more.',
  passkeyFailed: 'That did not work, or was cancelled. Nothing was changed; you may try again.',
  passkeyKnown:
    'This device has a passkey of yours for this site already, and makes no second one. Use that one, or make one with another device.',
  passkeySite:
    'At this address your browser gives no passkey of this site, however often you try. Open the site by its usual address.',
  /** Before anything is pressed; the address follows. */
  passkeyAway: 'At this address your browser gives no passkey of this site. Open the site by its usual one:',
  passkeyUnfit:
    'This device cannot do it, however often you try: it must keep passkeys, and know you by finger, face or PIN. Use another device, or do it without a passkey.',
  /** What helps where a passkey fails again and again. */
  stuck: {
    user: 'If it fails again, this device may have no passkey for this User ID: check the User ID, or use the password.',
    site: 'If it fails again, this device may have no passkey of this site: use the password.',
    unlock:
      'If it fails again, this device may have no passkey that opens your key: use the passphrase, or approve on your phone.',
    add: 'If it fails again, use another device, or a security key. Your passphrase opens the key as before.',
    prove: 'If it fails again, prove by the passphrase.',
    approve: 'If it fails again, go back and type the passphrase.',
  },
  useIsFor: 'The key is wanted for',
  passkeyNone: 'You have no passkey yet that opens the key. You may add one under More, Passkeys.',
  otherwiseUnlock: 'Type the passphrase instead, or approve on your phone.',
  usePassphrase: 'Use passphrase',

  // passkeys, as settings
  passkeys: 'Passkeys',
  passkeysWhat:
    'A passkey can open your key with a finger, a face, a PIN or a security key instead of the passphrase. It also logs you in.',
  noPasskeys: 'You have none yet.',
  addPasskey: 'Add a passkey',
  addPasskeyWhat:
    'First your browser makes the passkey. On the next page you type your passphrase, as proof that the key is yours, and the passkey is tried out. That is two or three touches.',
  otherwiseAdd: 'Add the passkey with a browser that runs scripts, such as that of your phone.',
  makePasskey: 'Make passkey',
  storePasskey: 'Store passkey',
  storeByPasskey: 'Prove by another passkey',
  tryPasskey: 'Try out and store the passkey',
  passkeyCanPrf:
    'This passkey can keep a secret: it opens your key itself. What the server keeps for it opens nothing without the passkey. Whoever controls the running server while you use your key is not kept out.',
  passkeyCannotPrf:
    'Warning: this passkey cannot keep a secret. To open your key with it, this server itself must keep what opens the key: its operator, or whoever takes the data of the server, could then open your key without you.',
  passkeyConsent: 'I understand, and want to open my key with this passkey all the same.',
  passkeyDenied:
    'This passkey cannot keep a secret, and the operator of this server accepts only those that can. It was not stored; remove it from your device.',
  withoutConsent: 'Without the tick it is stored all the same, and only logs you in.',
  passkeyPolicyAllows: 'The operator of this server permits that.',
  opensItself: 'Opens your key itself. What the server keeps for it opens nothing without the passkey.',
  opensHeld:
    'Opens your key through the server, which keeps what opens it. Its operator, or whoever takes the data of the server, could open the key without you.',
  opensNothing: 'Logs you in. It does not open your key.',
  added: 'added',
  used: 'last used',
  neverUsed: 'not used yet',
  /** How it is reached (names of WebAuthn), and where else it is. */
  lies: (transports: string[], isSynced: boolean) => {
    const ways = Object.entries({ usb: 'USB', nfc: 'NFC', ble: 'Bluetooth', hybrid: 'phone' })
    const by = ways.flatMap(([name, way]) => (transports.includes(name) ? [way] : [])).join(' or ')
    const reached = by && `reached by ${by}`
    const lies = transports.includes('internal') ? `built into the device${by && `, or ${reached}`}` : reached
    const copies = isSynced ? 'copied to your other devices by its maker’s cloud' : 'on that device only'
    return capital(`${lies && `${lies}; `}${lies || isSynced ? copies : 'on one device only'}.`)
  },
  renameOrRemove: 'Rename or remove',
  nameEmpty: 'The new name is empty: type it first. Nothing was changed.',
  removePasskey: 'Remove passkey',
  removePasskeyWhat:
    'Removing it here means that it no longer opens your key or logs you in. Your other terminals are logged out. Prove by your passphrase, or by a passkey, that it is you.',
  proveByPasskey: 'Prove by a passkey instead',
  proveByPassphrase: 'Prove by the passphrase instead',
  otherwiseProve: 'Prove by the passphrase instead.',

  // passphrase and recovery code
  passphraseTitle: 'Passphrase and recovery code',
  passphraseChange: 'Change the passphrase',
  passphraseChangeWhat:
    'The key stays the same, only what opens it changes. Your passkeys still open it. Your other terminals are logged out. Older backups of this server still open with the old passphrase.',
  newPassphrase: 'New passphrase',
  newPassphraseAgain: 'New passphrase again',
  changePassphrase: 'Change passphrase',
  passphraseShort: 'The new passphrase needs at least 8 characters. Nothing was changed.',
  newPassphrasesDiffer: 'The two new passphrases differ. Nothing was changed.',
  recover: 'Use the recovery code',
  recoverWhat:
    'If you forgot the passphrase: the recovery code that you wrote down sets a new one. Capital or small letters, spaces and dashes do not matter. It works once, and you get a new code. Your passkeys still open the key; your other terminals are logged out.',
  recoverDo: 'Set new passphrase',
  recoverWrong: 'The recovery code is wrong. Nothing was changed.',
  recoveredTitle: 'New recovery code',
  recovered:
    'The new passphrase is set. The old one and the old recovery code open nothing any more. Your passkeys still open the key. Your other terminals are logged out.',
  newRecovery: 'Get a new recovery code',
  newRecoveryWhat:
    'For a code that you lost, or that somebody saw. The old code then opens nothing any more, except older backups of this server. Passphrase and passkeys stay as they are.',
  newRecoveryDo: 'Make new code',
  recoveryReplaced: 'The old recovery code opens nothing any more.',

  // approval
  approvalTitle: 'Approve on your phone',
  approvalOpen: 'Open this address on your phone and log in there:',
  approvalLocal:
    'This address leads to this machine alone, so no phone can open it. To try it out, open it in a second browser here; for phones, the operator sets a public address.',
  approvalThere: 'Find the request of this terminal there, and type this code:',
  approvalFor: {
    read: 'It then reads mail here for 15 minutes; signing needs an approval of its own.',
    sign: 'It then reads and signs here.',
  },
  approvalUntil: (time: string, seconds: number) =>
    `The code is valid until ${time}, ${seconds} seconds from now. Approve, then press Check again.`,
  checkAgain: 'Check again',
  notYet: 'Not approved yet.',
  approvalDenied:
    'The request was denied on the phone, or the code was wrong three times. The key stays closed.',
  /** At the log-in, to a terminal that waited. */
  approvalOver:
    'The request for your key is over: it was denied on the phone, or this terminal was logged out. The key stays closed.',
  approvalExpired: 'The request is over: nobody approved it in time. The key stays closed.',
  approvals: 'Requests for your key',
  approvalWaits: 'A terminal asks to use your key.',
  lookAtIt: 'Look at the request',
  noApprovals: 'No terminal asks to use your key.',
  approvalScope: {
    read: 'Read mail for 15 minutes',
    sign: 'Read and sign mail',
  },
  askedBy: (terminal: string, address: string, at: string) => `Asked by ${terminal} at ${address}, ${at}.`,
  approvalElse:
    'If you are not sitting at that terminal, press the button: it is logged out at once, and nothing is opened.',
  notMe: 'I did not ask for this',
  approvalHow: 'To approve, type the code that the terminal shows, then your passphrase.',
  approvalOrPasskey: 'Or type the code, and use a passkey.',
  code: 'Code',
  approve: 'Approve',
  codeWanted: 'Type the six digits that the terminal shows. This did not count as a try.',
  otherwiseApprove: 'Go back and type the passphrase instead.',
  approvalPasskeyWhat: (scope: string, terminal: string) => `You approve: ${scope}, for ${terminal}.`,

  // lists
  count: (unread: number, total: number) => (unread ? `${unread} new of ${total}` : String(total)),
  space: (used: string, quota: string) => `${used} of ${quota} are used.`,
  legend: 'N new, F flagged, A answered, @ attachment, E encrypted, S signed, O only claims to be from here',
  noMail: 'No mail here.',
  nothingFound: 'Nothing found.',
  found: (folder: string, count: number, more: boolean) =>
    `${folder}: ${more ? `more than ${count}` : count || 'nothing'} found`,
  notSearched: 'Only this folder is searched, and in it not the text of encrypted mail.',
  noSubject: '(no subject)',
  nobody: '(nobody)',
  delete: 'Delete',
  read: 'Read',
  unread: 'Unread',
  flag: 'Flag',
  moveTo: 'Move to',
  move: 'Move',
  emptyTrash: 'Empty trash',
  search: 'Search',
  find: 'Find',
  newer: 'Newer',
  older: 'Older',
  undo: 'Undo',
  did: {
    trashed: (n: number) => `${n} to the Trash.`,
    deleted: (n: number) => `${n} deleted for good.`,
    moved: (n: number) => `${n} moved.`,
    back: (n: number) => `${n} back where they were.`,
    read: (n: number) => `${n} marked as read.`,
    unread: (n: number) => `${n} marked as unread.`,
    flag: (n: number) => `${n} flagged.`,
    unflag: (n: number) => `${n} no longer flagged.`,
    none: () => 'Tick a mail first.',
    'no-encrypted': () => 'There is no encrypted mail on this page.',
    'not-encrypted': () => 'This mail is not encrypted: this is all of it.',
    parts: () => 'Several parts of this mail are encrypted. Choose one below: each opens alone.',
    saved: () => 'Saved in Drafts.',
    sent: () => 'The letter was sent already.',
    locked: () => 'Your key is locked.',
    accepted: () => 'The key is accepted.',
    removed: () => 'The key is removed.',
    ended: () => 'That terminal is logged out.',
    made: () => 'The folder is made.',
    renamed: () => 'The folder has its new name.',
    gone: () => 'The folder is deleted; its mail is in the Trash.',
    empty: (n: number) => `The Trash is empty: ${n} deleted for good.`,
    'passkey-prf': () => 'The passkey is stored. It was tried out, and opens your key itself.',
    'passkey-held': () =>
      'The passkey is stored. It was tried out. It opens your key through this server, which keeps what opens it.',
    'passkey-login': () =>
      'The passkey is stored. It was tried out. It only logs you in: to open your key, use the passphrase.',
    in: () => 'You are logged in. Your key is still closed: Decrypt or Sign opens it.',
    'in-open': () => 'You are logged in, and your key is open.',
    'in-elsewhere': () =>
      'You are logged in. Your key is not open here, as another terminal is using it. To use it here, press Decrypt.',
    'in-only': () =>
      'You are logged in. Your key is not open, as this passkey does not open it here. Press Decrypt, and use the passphrase or a passkey that opens it.',
    'in-closed': () => 'You are logged in. Your key could not be opened just now. Press Decrypt to open it.',
    'passkey-renamed': () => 'The passkey has its new name.',
    'passkey-removed': () =>
      'The passkey is removed: it opens nothing here any more. Remove it from your device as well. Your other terminals are logged out.',
    'password-changed': () => 'The new password is set. Your other terminals are logged out.',
    'passphrase-changed': () => 'The new passphrase is set. Your other terminals are logged out.',
    retried: () => 'It is tried now. What has left is not in this list any more.',
    'given-up': () => 'Given up. A report in your Inbox says whom it did not reach; its copy stays in Sent.',
    'taken-back': () => 'The letter did not leave: it is in Drafts again.',
    approved: () => 'Approved. The terminal that asked may go on; this phone holds nothing.',
    denied: () =>
      'Denied. The terminal that asked is logged out, and nothing was opened. Whoever asked knows your password: change it under More, Passphrase.',
  },
  /** @param isWaiting it has not left for all of them */
  sent: (to: string, isWaiting: boolean) => `${isWaiting ? 'On its way' : 'Sent'}${to && ` to ${to}`}.`,

  // folders and more
  moreTitle: 'Folders and more',
  newFolder: 'New folder',
  create: 'Create',
  newName: 'New name',
  rename: 'Rename',
  terminals: 'Terminals',
  keyLog: 'Key log',
  keys: 'Keys',
  language: 'Language',

  // a mail
  /** A name that looks like an address is told from the one that it stands for. */
  underName: (address: string, name: string) => `${address}, under the name “${name}”`,
  from: 'From',
  to: 'To',
  cc: 'Cc',
  bcc: 'Bcc',
  date: 'Date',
  subject: 'Subject',
  text: 'Text',
  reply: 'Reply',
  replyAll: 'Reply all',
  forward: 'Forward',
  unflag: 'Unflag',
  source: 'Source',
  attachments: 'Attachments',
  offeredKeys: 'Keys in this mail',
  encryptedPart: 'Encrypted part',
  openAlone: 'Open alone',
  partAlone: 'This is one encrypted part alone, not the mail around it.',
  backToMail: 'Back to the mail',
  isEncrypted: 'Encrypted. This is the mail as it came; press Decrypt to read it.',
  page: (page: number) => `Page ${page}`,
  moreText: 'More text',
  verdict: {
    none: 'Not signed.',
    valid: (by: string, key: string, on: string | null) =>
      `Signed by ${by}${on ? ` on ${on}` : ''}, accepted key ${key}.`,
    invalid: 'The signature is WRONG: this mail was changed, or it was not signed by this key.',
    'unknown-key': (key: string) =>
      `Signed, but nobody vouches for the key ${key}: you have not accepted it.`,
    expired: (by: string, key: string) =>
      `Signed with the key ${key} of ${by}, which is expired or revoked: do not rely on it.`,
    mismatch: 'Signed, but do NOT rely on it.',
  },
  inEncrypted: 'Was encrypted.',
  outside: (who: string | null) =>
    who
      ? `This came from outside, not from the account of ${who}.`
      : 'This came from outside, not from an account of this server.',
  sentAs: { plain: 'Sent in plain.', signed: 'Sent signed.' },
  copyKept: 'This copy is kept encrypted to you; press Decrypt to read it.',
  copyWasKept: 'This copy is kept encrypted to you.',

  // compose
  protection: 'Protection',
  protections: {
    auto: 'As keys allow',
    plain: 'Plain',
    sign: 'Signed',
    both: 'Encrypted and signed',
    encrypt: 'Encrypted',
  },
  file: 'File',
  attach: 'Attach',
  keep: 'Keep',
  send: 'Send',
  saveDraft: 'Save draft',
  signed: 'Signed, and ready to send. If you change the text now, the signature no longer fits.',
  textOnly: 'The signature covers the text, not the attached files; the protection “Signed” covers both.',
  alreadySigned: 'The text is signed already.',
  inDrafts: 'The letter is in Drafts; nothing is lost.',
  acceptFirst: 'Look for a key',
  plainAnswer: 'What you answer or pass on was encrypted; this would go unencrypted.',
  signatureBroken:
    'You changed the text after you signed it, so the signature no longer fits. Take the signature lines away, or send it as it is.',
  sendAgain: 'Press Send again if you mean it.',
  saveAgain: 'Press Save draft again if you mean it.',
  leftAlready:
    'The letter has left already, and this is not quite what it said: this would be another letter.',
  formOld: 'This page was too old: you have logged in anew since. Nothing was done; press again.',
  formTooLarge: (limit: string) =>
    `The files are too large: a letter with its files may have ${limit}. Nothing was done, and they are not attached.`,
  filesLost: (names: string) =>
    `These files are not attached, as too much waits here or they were kept for an hour only: ${names}. Attach them again, or go on without them.`,
  startsPlain: (names: string) => `There is no public key for ${names}, so this starts unencrypted.`,
  wentPlain: 'It went unencrypted, as not every recipient has a key.',
  replyTo: (other: string) =>
    `The mail asks for answers to ${other}, but nothing protects that. This goes to its sender.`,
  attached: (names: string) => `Attached: ${names}.`,
  cameBack: 'Here is what you wrote.',
  lostForm: 'What you wrote was kept for an hour, and that is over.',
  notQuoted: 'An encrypted mail that is not open is not quoted.',
  partNotQuoted: 'A part that was opened alone is not quoted, nor the mail around it.',
  partsNotQuoted: 'What is encrypted in the mail and opens alone is not quoted.',
  wrote: (date: string, who: string) => `On ${date}, ${who} wrote:`,
  forwarded: '---- Forwarded mail ----',

  // letters that wait to leave
  queue: 'Waiting letters',
  queueEmpty: 'All that you sent has left.',
  queueWhat: 'This has not left yet for those named. It is tried again and again for three days.',
  /** @param many how many there are, at least one */
  lettersWait: (many: number) =>
    many === 1 ? 'One letter has not left yet:' : `${many} letters have not left yet:`,
  andMore: (some: string, more: number) => `${some} and ${more} more`,
  isSending: 'It is being sent just now.',
  leavesAt: (at: string) => `It leaves at ${at}.`,
  waitsSince: (since: string) => `It waits its turn since ${since}.`,
  putOff: (since: string, why: string, next: string) =>
    `Since ${since}. The last try failed: ${why}. Next try: ${next}.`,
  /** Our own reasons are said in the visitor's language, words of others as they came. */
  queueReason: (why: string) => why,
  tryNow: 'Try now',
  giveUp: 'Give up',
  takeBack: 'Take back',

  // terminals, ledger
  thisOne: 'this terminal',
  holdsKey: 'has the key open',
  since: 'since',
  lastSeen: 'last seen',
  endSession: 'Log it out',
  ledgerOf: 'Every use of your key, newest first.',
  ledgerCut: 'Entries that this browser has seen are missing from your key log:',
  ledgerCutMeans:
    'Entries that this browser has seen are missing: the server was put back to an older state, or somebody removed them. Ask who runs it.',
  ledgerForget: 'Go on from this log',
  /** What happened, for certain reasons in words of its own. */
  events: {
    granted: 'Opened',
    'granted read': 'Opened, for reading only',
    'granted sign': 'Opened',
    used: 'Used',
    'used read': 'Decrypted',
    'used sign': 'Signed',
    'used passphrase-changed': 'Passphrase changed',
    'used password-changed': 'Password changed',
    'used clock-mended': 'The server’s clock was mended',
    'used recovered': 'New passphrase, by recovery code',
    'used recovery-code-replaced': 'New recovery code made',
    'used passkey-added': 'Passkey added',
    'used passkey-removed': 'Passkey removed',
    refused: 'Refused',
    ended: 'Closed',
    stopped: 'Stopped',
  } as Record<string, string>,
  reasons: {
    'wrong-passphrase': 'wrong passphrase',
    'wrong-passkey': 'passkey not accepted',
    'passkey-counter': 'perhaps a copied passkey: its counter fell back',
    'passkey-backup': 'passkey not accepted: it says now that it can be copied',
    'wrong-code': 'wrong code at an approval',
    'wrong-recovery-code': 'wrong recovery code',
    locked: 'locked by you',
    'not-held': 'the key was open nowhere',
    idle: 'not used any more',
    max: 'its time was over',
    epoch: 'the server restarted',
    logout: 'logged out',
    expired: 'the session ended',
    ended: 'logged out from elsewhere',
    'contact-lost': 'the terminal was not heard of any more',
  } as Record<string, string>,
  /** Reasons that name another terminal, or a passkey. */
  reasonsWith: {
    'approved on': (terminal: string) => `approved on ${terminal}`,
    'denied on': (terminal: string) => `denied on ${terminal}`,
    'was held by': (terminal: string) => `it was open at ${terminal}`,
    'by passkey': (name: string) => `by passkey “${name}”`,
    'passkey-added': (name: string) => `“${name}”`,
    'passkey-removed': (name: string) => `“${name}”`,
  } as Record<string, (name: string) => string>,
  mail: 'mail',
  openedBy: {
    passphrase: 'by passphrase',
    passkey: 'by passkey',
    approval: 'by approval',
    recovery: 'by recovery code',
  } as Record<string, string>,

  // keys
  ownKey: 'Your key',
  noKey: 'You have no key yet. The operator of this server can make one for you.',
  publicKey: 'Public key (file)',
  correspondents: 'Accepted keys of others',
  noneAccepted: 'None yet. People of this server need none: their keys count as accepted.',
  remove: 'Remove',
  paste: 'Public key, as text',
  look: 'Look at it',
  offered: 'Accept this key?',
  compare: 'Compare the fingerprint with its owner, by telephone or in person, before you accept it.',
  fingerprint: 'Fingerprint',
  expires: 'expires',
  accept: 'Accept',
  countsFor: 'It will count for:',
  countsForNone: 'It names no mail address and will count for none.',
  hasOther: (address: string) =>
    `Another key is already accepted for ${address}; mail to it will be encrypted to this one.`,
  isOwnUser: (address: string) =>
    `${address} is a user of this server: this key will not count for that address.`,
  cannotEncrypt: 'This key cannot be used to encrypt.',
  noEncryption: (why: Obstacle) => `Nothing can be encrypted to it: ${obstacles[why]}.`,
  revoked: (at: string, hard: boolean) =>
    `Revoked ${at}: ${hard ? 'no signature by it counts any more' : 'later signatures by it do not count'}, and nothing is encrypted to it.`,
  isRevokedNow: (which: string) => `Revoked by its owner, which is noted now: ${which}`,
  ownKeyState: ({ decrypt, sign, encrypt }: OwnKeyState) =>
    [
      decrypt && `; cannot open mail: ${obstacles[decrypt]}`,
      sign && `; ${decrypt ? '' : 'reads, '}cannot sign: ${obstacles[sign]}`,
      encrypt && !decrypt && `; others cannot encrypt to it: ${obstacles[encrypt]}`,
    ]
      .filter(Boolean)
      .join(''),

  // set-up
  setupTitle: 'The first user',
  setupIntro: 'Make the first user of this server, with a key of their own.',
  address: 'Mail address',
  name: 'Name',
  atLeast: '(at least 8 characters)',
  passphraseWhat: 'Passphrase (opens the key)',
  addressWrong: 'The mail address must be one, such as ann@example.org.',
  passwordShort: 'The password needs at least 8 characters.',
  passphraseShortHere: 'The passphrase needs at least 8 characters.',
  passphrasesDifferHere: 'The two passphrases differ. Type both again.',
  begin: 'Begin',
  setupDone: 'Done',
  recoveryCode: 'Recovery code',
  recoveryKeep:
    'Write this code down now and keep it in a safe place. It opens your key if you forget the passphrase, and it is never shown again.',

  // what went wrong
  refusedTitle: 'Not possible',
  missingTitle: 'Not found',
  back: 'Back',
  notEncryptedTitle: 'No encrypted communication',
  notEncrypted:
    'No encrypted communication was established, so nothing can be done here. Go to the encrypted address:',
  refusal: ({ message }: Refusal) => message,
}

export type Words = typeof en

/** A sentence that began within another one. */
export const capital = (sentence: string) => sentence.charAt(0).toUpperCase() + sentence.slice(1)

const ja: Words = {
  folder: { inbox: '受信箱', sent: '送信済', drafts: '下書き', trash: 'ごみ箱', user: '' },
  compose: '作成',
  more: 'その他',
  decrypt: '復号',
  sign: '署名',
  keyOpen: '、鍵使用中',
  lockKey: '鍵を閉じる',
  logOut: 'ログアウト',
  comma: '、',
  period: '。',
  clocks: (session, key) =>
    `セッション残り${session}分。${key ? `鍵${key.idle}分、最長${key.most}分。` : ''}`,
  zone: (name) => `時刻: ${name}。`,
  stopped: (at, terminal, address) =>
    `${at}に${terminal} (${address})がこの端末での鍵の使用を停止しました。心当たりがなければ「端末」を確認し、パスワードを変えてください。`,
  user: 'ユーザーID',
  password: 'パスワード',
  login: 'ログイン',
  clear: 'クリア',
  loginWrong: 'ユーザーIDまたはパスワードが違います。もう一度入力してください。',
  userIsAddress: 'ユーザーIDはメールアドレス全体です。',
  loginOld: 'フォームが古いか、クッキーが保存されていません。もう一度入力してください。',
  loginAgain: 'ログインしてください。',
  loginParked: 'セッションが終了しました。ログインすると、書いた内容が戻ります。',
  loggedOut: 'ログアウトしました。',
  passkeyLogin: 'パスキーでログイン',
  passkeyLoginWhat:
    'ユーザーIDを入れると、同じ操作で鍵も開きます。入れなければ、このサイトのパスキーを選ぶとログインします。',
  passkeyLoginWrong:
    'このパスキーではログインできませんでした。ユーザーIDを確かめるか、空にしてください。パスワードも使えます。',
  otherwisePassword: '代わりにパスワードでログインしてください。',
  withPassword: 'パスワードを使う',
  useTitle: '秘密鍵の使用',
  useToOpen: 'このメールを開くには鍵のパスフレーズが必要です:',
  useToDraft: 'この下書きを開くには鍵のパスフレーズが必要です:',
  useToSign: 'この手紙には鍵のパスフレーズが必要です:',
  useFor: '続けるには鍵のパスフレーズが必要です。',
  orPassphrase: 'またはパスフレーズを入力してください:',
  passphrase: 'パスフレーズ',
  passphraseAgain: 'パスフレーズ(確認)',
  optional: '(空でも可)',
  ok: 'OK',
  usePasskey: 'パスキーを使う',
  byPhone: 'スマートフォンで承認',
  forgotten: 'パスフレーズを忘れましたか?',
  cancel: '取消',
  passphraseWrong: 'パスフレーズが違います。鍵は閉じたままです。',
  typeFirst: 'パスフレーズが空です。先に入力してください。何も変わっていません。',
  proofWrong: 'パスフレーズが違います。何も変わっていません。',
  passwordChange: 'パスワードの変更',
  passwordChangeWhat: 'ログインに使うもので、鍵は開けません。他の端末はログアウトします。',
  newPassword: '新しいパスワード',
  newPasswordAgain: '新しいパスワード(確認)',
  newPasswordsDiffer: '新しいパスワードが一致しません。何も変わっていません。',
  changePassword: 'パスワードを変更',
  passphrasesDiffer: '二つのパスフレーズが一致しません。鍵は閉じたままです。',
  elsewhereTitle: '鍵は他で使用中です',
  elsewhere: (terminal, since, lastUsed) =>
    `${terminal}が${since}から鍵を使っています(最後の使用 ${lastUsed})。同時に使えるのは一つの端末だけです。`,
  pressAgain: (what) => `その使用を止めてここで続けるには、もう一度「${what}」を押してください。`,
  stopTitle: '他での使用を停止しますか?',
  stopAnother: '今は別の端末が鍵を使っているため、何も停止していません。この端末を停止しますか?',
  stop: (terminal, since, lastUsed) =>
    `OKを押すと、${terminal}での鍵の使用(${since}から、最後の使用 ${lastUsed})を直ちに停止し、ここでパスフレーズ、パスキー、承認のどれかを求めます。取消なら何も変わりません。`,
  passkeyNoScript: 'このブラウザーではスクリプトが動かないため、パスキーを使えません。',
  passkeyReady: '下のボタンを押すと、ブラウザーが指紋、顔、PIN、セキュリティキーのどれかを求めます。',
  passkeyReadyToStore: (store, other) =>
    `パスフレーズを入力して「${store}」を押すと、ブラウザーが新しいパスキーをもう一度求めます。${other ? `パスフレーズを空のまま「${other}」を押すこともできます。` : ''}`,
  passkeyAsks: 'ブラウザーがパスキーを求めています(指紋、顔、PIN、セキュリティキー)。',
  passkeyAsksAgain: 'パスキーが計算する値のために、ブラウザーが同じパスキーをもう一度求めています。',
  passkeyMade:
    'パスキーは作られましたが、秘密を保てるかどうかまだわかりません。もう一度ボタンを押してください。',
  passkeyFailed: 'できなかったか、取り消されました。何も変わっていません。もう一度試せます。',
  passkeyKnown:
    'この機器には、このサイトのあなたのパスキーがすでにあり、二つ目は作れません。それを使うか、別の機器で作ってください。',
  passkeySite:
    'このアドレスでは、何度試してもこのサイトのパスキーは使えません。いつものアドレスで開いてください。',
  passkeyAway: 'このアドレスでは、このサイトのパスキーは使えません。いつものアドレスで開いてください:',
  passkeyUnfit:
    'この機器では何度試してもできません。パスキーを保存でき、指紋、顔、PINのどれかで本人を確認できる機器が必要です。別の機器を使うか、パスキーなしで行ってください。',
  stuck: {
    user: 'それでもできなければ、この機器にこのユーザーIDのパスキーがないのかもしれません。ユーザーIDを確かめるか、パスワードを使ってください。',
    site: 'それでもできなければ、この機器にこのサイトのパスキーがないのかもしれません。パスワードを使ってください。',
    unlock:
      'それでもできなければ、この機器に鍵を開けるパスキーがないのかもしれません。パスフレーズを使うか、スマートフォンで承認してください。',
    add: 'それでもできなければ、別の機器かセキュリティキーを使ってください。パスフレーズでは今までどおり鍵を開けます。',
    prove: 'それでもできなければ、パスフレーズで示してください。',
    approve: 'それでもできなければ、戻ってパスフレーズを入力してください。',
  },
  useIsFor: '鍵を使う対象:',
  passkeyNone: '鍵を開けるパスキーがまだありません。「その他」の「パスキー」で追加できます。',
  otherwiseUnlock: '代わりにパスフレーズを入力するか、スマートフォンで承認してください。',
  usePassphrase: 'パスフレーズを使う',
  passkeys: 'パスキー',
  passkeysWhat:
    'パスキーがあれば、パスフレーズの代わりに指紋、顔、PIN、セキュリティキーで鍵を開くことができます。ログインにも使えます。',
  noPasskeys: 'まだありません。',
  addPasskey: 'パスキーを追加',
  addPasskeyWhat:
    '最初にブラウザーがパスキーを作ります。次のページで、鍵があなたのものであることを示すためにパスフレーズを入力し、パスキーを試します。操作は二、三回です。',
  otherwiseAdd: 'スマートフォンなど、スクリプトが動くブラウザーで追加してください。',
  makePasskey: 'パスキーを作る',
  storePasskey: 'パスキーを保存',
  storeByPasskey: '別のパスキーで示す',
  tryPasskey: 'パスキーを試して保存',
  passkeyCanPrf:
    'このパスキーは秘密を保てます。これだけで鍵を開けます。サーバーがこのために保存するものは、奪われても、このパスキーなしでは何も開けません。ただし、鍵を使っている間に動作中のサーバーを支配する人は防げません。',
  passkeyCannotPrf:
    '警告: このパスキーは秘密を保てません。これで鍵を開くには、鍵を開くためのものをサーバーに預けることになり、運営者や、サーバーのデータを奪った人が、あなたなしで鍵を開けるようになります。',
  passkeyConsent: '理解しました。それでもこのパスキーで鍵を開きます。',
  passkeyDenied:
    'このパスキーは秘密を保てません。このサーバーは秘密を保てるものだけを受け入れます。保存しませんでした。機器から削除してください。',
  withoutConsent: 'チェックしなければ、ログイン専用として保存します。',
  passkeyPolicyAllows: 'このサーバーの運営者はこれを許可しています。',
  opensItself:
    'このパスキーだけで鍵を開けます。サーバーがこのために保存するものは、このパスキーなしでは何も開けません。',
  opensHeld:
    'サーバーを通じて鍵を開けます。鍵を開くためのものをサーバーが預かるので、運営者や、サーバーのデータを奪った人は、あなたなしで鍵を開けます。',
  opensNothing: 'ログイン専用です。鍵は開けません。',
  added: '追加',
  used: '最後の使用',
  neverUsed: '未使用',
  lies: (transports, isSynced) => {
    const ways = Object.entries({ usb: 'USB', nfc: 'NFC', ble: 'Bluetooth', hybrid: 'スマートフォン' })
    const by = ways.flatMap(([name, way]) => (transports.includes(name) ? [way] : [])).join('か')
    const lies = [transports.includes('internal') ? '機器に内蔵' : '', by && `${by}で接続`].filter(Boolean)
    const copies = isSynced ? '製造元のクラウドで他の機器にも複製されます。' : 'その機器だけにあります。'
    return lies.length || isSynced ? [...lies, copies].join('、') : '一つの機器だけにあります。'
  },
  renameOrRemove: '名前の変更・削除',
  nameEmpty: '新しい名前が空です。先に入力してください。何も変わっていません。',
  removePasskey: 'パスキーを削除',
  removePasskeyWhat:
    'ここで削除すると、このパスキーでは鍵を開けず、ログインもできなくなります。他の端末はログアウトされます。本人であることをパスフレーズかパスキーで示してください。',
  proveByPasskey: 'パスキーで示す',
  proveByPassphrase: 'パスフレーズで示す',
  otherwiseProve: '代わりにパスフレーズで示してください。',
  passphraseTitle: 'パスフレーズと回復コード',
  passphraseChange: 'パスフレーズの変更',
  passphraseChangeWhat:
    '鍵は変わらず、開くものだけが変わります。パスキーは今までどおり使えます。他の端末はログアウトされます。サーバーの古いバックアップは古いパスフレーズで開きます。',
  newPassphrase: '新しいパスフレーズ',
  newPassphraseAgain: '新しいパスフレーズ(確認)',
  changePassphrase: 'パスフレーズを変更',
  passphraseShort: '新しいパスフレーズは8文字以上必要です。何も変わっていません。',
  newPassphrasesDiffer: '二つの新しいパスフレーズが一致しません。何も変わっていません。',
  recover: '回復コードを使う',
  recoverWhat:
    'パスフレーズを忘れたときは、書き留めた回復コードで新しいものを設定できます。大文字と小文字、空白やハイフンの有無は問いません。一度だけ使え、新しいコードが出ます。パスキーは今までどおり鍵を開けます。他の端末はログアウトされます。',
  recoverDo: '新しいパスフレーズを設定',
  recoverWrong: '回復コードが違います。何も変わっていません。',
  recoveredTitle: '新しい回復コード',
  recovered:
    '新しいパスフレーズを設定しました。古いパスフレーズと回復コードではもう何も開けません。パスキーは今までどおり鍵を開けます。他の端末はログアウトされました。',
  newRecovery: '新しい回復コードを作る',
  newRecoveryWhat:
    '回復コードを失くしたとき、または人に見られたときのためです。古いコードでは、サーバーの古いバックアップのほかは何も開けなくなります。パスフレーズとパスキーは変わりません。',
  newRecoveryDo: '新しいコードを作る',
  recoveryReplaced: '古い回復コードではもう何も開けません。',
  approvalTitle: 'スマートフォンで承認',
  approvalOpen: 'スマートフォンでこのアドレスを開き、ログインしてください:',
  approvalLocal:
    'このアドレスはこの機器からしか開けないため、スマートフォンでは使えません。試すには、この機器の別のブラウザーで開いてください。スマートフォンで使うには、管理者が公開アドレスを設定します。',
  approvalThere: 'この端末の要求を探し、そこに次のコードを入力してください:',
  approvalFor: {
    read: 'この端末で15分間メールを読めるようになります。署名には別の承認が要ります。',
    sign: 'この端末で読むことと署名ができるようになります。',
  },
  approvalUntil: (time, seconds) =>
    `コードは${time}まで(あと${seconds}秒)有効です。承認してから「もう一度確認」を押してください。`,
  checkAgain: 'もう一度確認',
  notYet: 'まだ承認されていません。',
  approvalDenied: 'スマートフォンで拒否されたか、コードが三回間違っていました。鍵は閉じたままです。',
  approvalOver:
    '鍵の使用の要求は終わりました。スマートフォンで拒否されたか、この端末がログアウトされました。鍵は閉じたままです。',
  approvalExpired: '時間内に承認されませんでした。鍵は閉じたままです。',
  approvals: '鍵の使用の要求',
  approvalWaits: '端末が鍵の使用を求めています。',
  lookAtIt: '要求を見る',
  noApprovals: '鍵の使用を求めている端末はありません。',
  approvalScope: { read: '15分間メールを読む', sign: 'メールを読み、署名する' },
  askedBy: (terminal, address, at) => `要求した端末: ${terminal} (${address})、${at}。`,
  approvalElse:
    'その端末の前にいるのがあなたでなければ、このボタンを押してください。直ちにログアウトさせ、何も開きません。',
  notMe: '私は求めていません',
  approvalHow: '承認するには、端末に表示されたコードとパスフレーズを入力してください。',
  approvalOrPasskey: 'またはコードを入力し、パスキーを使ってください。',
  code: 'コード',
  approve: '承認',
  codeWanted: '端末に表示された6桁の数字を入力してください。今の操作は回数に数えません。',
  otherwiseApprove: '戻って、パスフレーズを入力してください。',
  approvalPasskeyWhat: (scope, terminal) => `承認する内容: ${scope} (${terminal})。`,
  count: (unread, total) => (unread ? `未読${unread}/${total}` : String(total)),
  space: (used, quota) => `使用量: ${used} / ${quota}`,
  legend: 'N 未読、F 旗、A 返信済み、@ 添付、E 暗号、S 署名、O ここを名乗る外部のメール',
  noMail: 'メールはありません。',
  nothingFound: '見つかりません。',
  found: (folder, count, more) =>
    `${folder}: ${count ? `${count}件${more ? '以上' : ''}見つかりました` : '見つかりません'}`,
  notSearched: 'このフォルダーだけを検索し、暗号メールの本文は検索しません。',
  noSubject: '(件名なし)',
  nobody: '(差出人なし)',
  delete: '削除',
  read: '既読',
  unread: '未読',
  flag: '旗',
  moveTo: '移動先',
  move: '移動',
  emptyTrash: 'ごみ箱を空にする',
  search: '検索',
  find: '探す',
  newer: '新しい方',
  older: '古い方',
  undo: '元に戻す',
  did: {
    trashed: (n) => `${n}件をごみ箱に入れました。`,
    deleted: (n) => `${n}件を完全に削除しました。`,
    moved: (n) => `${n}件を移動しました。`,
    back: (n) => `${n}件を元に戻しました。`,
    read: (n) => `${n}件を既読にしました。`,
    unread: (n) => `${n}件を未読にしました。`,
    flag: (n) => `${n}件に旗を付けました。`,
    unflag: (n) => `${n}件の旗を外しました。`,
    none: () => '先にメールを選んでください。',
    'no-encrypted': () => 'このページに暗号メールはありません。',
    'not-encrypted': () => 'このメールは暗号化されていません。これが全部です。',
    parts: () => 'このメールには暗号部分が複数あります。下から選んでください。それぞれ単独で開きます。',
    saved: () => '下書きに保存しました。',
    sent: () => 'この手紙はすでに送信されています。',
    locked: () => '鍵を閉じました。',
    accepted: () => '鍵を承認しました。',
    removed: () => '鍵を削除しました。',
    ended: () => 'その端末をログアウトさせました。',
    retried: () => '今送っています。届いたものはこの一覧から消えます。',
    'given-up': () => 'あきらめました。届かなかった宛先は受信箱の報告にあります。控えは送信済みに残ります。',
    'taken-back': () => 'メールは送られていません。下書きに戻しました。',
    made: () => 'フォルダーを作りました。',
    renamed: () => 'フォルダーの名前を変えました。',
    gone: () => 'フォルダーを削除しました。メールはごみ箱にあります。',
    empty: (n) => `ごみ箱を空にしました(${n}件)。`,
    'passkey-prf': () => 'パスキーを試し、保存しました。このパスキーだけで鍵を開けます。',
    'passkey-held': () =>
      'パスキーを試し、保存しました。鍵を開くためのものを預かるこのサーバーを通じて、鍵を開けます。',
    'passkey-login': () =>
      'パスキーを試し、保存しました。ログイン専用です。鍵を開くにはパスフレーズを使ってください。',
    in: () => 'ログインしました。鍵はまだ閉じています。「復号」か「署名」で開きます。',
    'in-open': () => 'ログインし、鍵も開きました。',
    'in-elsewhere': () =>
      'ログインしました。別の端末が鍵を使っているため、ここでは開いていません。ここで使うには「復号」を押してください。',
    'in-only': () =>
      'ログインしました。このパスキーではここで鍵を開けません。「復号」を押し、パスフレーズか、鍵を開けるパスキーを使ってください。',
    'in-closed': () => 'ログインしました。今は鍵を開けませんでした。「復号」を押すと開けます。',
    'passkey-renamed': () => 'パスキーの名前を変えました。',
    'passkey-removed': () =>
      'パスキーを削除しました。ここではもう何も開けません。機器からも削除してください。他の端末はログアウトしました。',
    'password-changed': () => '新しいパスワードを設定しました。他の端末はログアウトされました。',
    'passphrase-changed': () => '新しいパスフレーズを設定しました。他の端末はログアウトされました。',
    approved: () => '承認しました。求めた端末は続けられます。このスマートフォンには何も残りません。',
    denied: () =>
      '拒否しました。求めた端末をログアウトさせました。何も開かれていません。相手はあなたのパスワードを知っています。「その他」の「パスフレーズ」で変えてください。',
  },
  sent: (to, isWaiting) => `${isWaiting ? '送信中です' : '送信しました'}${to && `: ${to}`}。`,
  moreTitle: 'フォルダーとその他',
  newFolder: '新しいフォルダー',
  create: '作る',
  newName: '新しい名前',
  rename: '名前を変える',
  terminals: '端末',
  keyLog: '鍵の記録',
  keys: '鍵',
  language: '言語',
  underName: (address, name) => `${address}（名乗り：「${name}」）`,
  from: '差出人',
  to: '宛先',
  cc: 'Cc',
  bcc: 'Bcc',
  date: '日時',
  subject: '件名',
  text: '本文',
  reply: '返信',
  replyAll: '全員に返信',
  forward: '転送',
  unflag: '旗を外す',
  source: 'ソース',
  attachments: '添付',
  offeredKeys: 'このメールの中の鍵',
  encryptedPart: '暗号部分',
  openAlone: '単独で開く',
  partAlone: 'これは暗号部分だけで、メール全体ではありません。',
  backToMail: 'メールに戻る',
  isEncrypted: '暗号メールです。届いたままを表示しています。読むには「復号」を押してください。',
  page: (page) => `${page}ページ`,
  moreText: '続き',
  verdict: {
    none: '署名はありません。',
    valid: (by, key, on) => `${by}が${on ? `${on}に` : ''}承認済みの鍵 ${key} で署名しました。`,
    invalid: '署名が正しくありません。メールが改変されたか、この鍵の署名ではありません。',
    'unknown-key': (key) => `署名がありますが、鍵 ${key} は承認されていません。`,
    expired: (by, key) => `${by}の鍵 ${key} の署名ですが、期限切れか失効しています。信用しないでください。`,
    mismatch: '署名がありますが、信用しないでください。',
  },
  inEncrypted: '暗号化されていました。',
  outside: (who) =>
    who
      ? `外部から届きました。${who}のアカウントからではありません。`
      : '外部から届きました。このサーバーのアカウントからではありません。',
  sentAs: { plain: '暗号化せずに送信しました。', signed: '署名して送信しました。' },
  copyKept: 'この控えはあなた宛てに暗号化されています。読むには「復号」を押してください。',
  copyWasKept: 'この控えはあなた宛てに暗号化されています。',
  protection: '保護',
  protections: { auto: '自動', plain: 'なし', sign: '署名', both: '暗号+署名', encrypt: '暗号' },
  file: '添付',
  attach: '追加',
  keep: '残す',
  send: '送信',
  saveDraft: '保存',
  signed: '署名しました。このまま送信できます。本文を変えると署名が合わなくなります。',
  textOnly: '署名は本文だけで、添付ファイルには及びません。保護で「署名」を選ぶと両方に及びます。',
  alreadySigned: '本文は署名済みです。',
  inDrafts: '手紙は下書きにあります。失われていません。',
  acceptFirst: '鍵を探す',
  plainAnswer: '元のメールは暗号化されていましたが、これは暗号化されません。',
  signatureBroken:
    '署名の後で本文が変わったため、署名が合いません。署名の行を消すか、このまま送信してください。',
  sendAgain: 'よければもう一度「送信」を押してください。',
  saveAgain: 'よければもう一度「保存」を押してください。',
  leftAlready: 'この手紙はすでに送信され、内容が変わっています。別の手紙になります。',
  formOld: 'このページは古く、その後ログインし直されています。何も行われていません。もう一度押してください。',
  formTooLarge: (limit) =>
    `ファイルが大きすぎます。手紙とファイルは合わせて${limit}までです。何も行われず、添付されていません。`,
  filesLost: (list) =>
    `次のファイルは添付されていません(保存量の上限か、1時間の期限): ${list}。もう一度添付するか、なしで続けてください。`,
  startsPlain: (list) => `${list} の公開鍵がないため、暗号化しません。`,
  wentPlain: '鍵のない宛先があるため、暗号化せずに送信しました。',
  replyTo: (other) => `返信先として${other}が指定されていますが、保護されていません。差出人に返信します。`,
  attached: (list) => `添付: ${list}。`,
  cameBack: '書いた内容です。',
  lostForm: '書いた内容の保存期間(1時間)が過ぎました。',
  notQuoted: '開いていない暗号メールは引用されません。',
  partNotQuoted: '単独で開いた暗号部分と、そのまわりのメールは引用されません。',
  partsNotQuoted: '単独で開く暗号部分は引用されません。',
  wrote: (date, who) => `${date}、${who}:`,
  forwarded: '---- 転送メール ----',
  thisOne: 'この端末',
  holdsKey: '鍵を使用中',
  since: '開始',
  lastSeen: '最後のアクセス',
  endSession: 'ログアウトさせる',
  ledgerOf: '鍵の使用の記録(新しい順)。',
  ledgerCut: 'このブラウザで見た項目が鍵の記録から消えています:',
  ledgerCutMeans:
    'このブラウザで見た項目が消えています。サーバーが古い状態に戻されたか、だれかが消しました。管理者に尋ねてください。',
  ledgerForget: 'この記録から続ける',
  events: {
    granted: '開いた',
    'granted read': '読むためだけに開いた',
    'granted sign': '開いた',
    used: '使った',
    'used read': '復号した',
    'used sign': '署名した',
    'used passphrase-changed': 'パスフレーズを変えた',
    'used password-changed': 'パスワードを変えた',
    'used clock-mended': 'サーバーの時計を直した',
    'used recovered': '回復コードで新しいパスフレーズにした',
    'used recovery-code-replaced': '新しい回復コードを作った',
    'used passkey-added': 'パスキーを追加した',
    'used passkey-removed': 'パスキーを削除した',
    refused: '断った',
    ended: '閉じた',
    stopped: '停止した',
  },
  reasons: {
    'wrong-passphrase': 'パスフレーズ違い',
    'wrong-passkey': 'パスキー不承認',
    'passkey-counter': '複製されたパスキーの疑い(カウンターが戻った)',
    'passkey-backup': 'パスキー不承認(複製の可否が変わった)',
    'wrong-code': '承認コード違い',
    'wrong-recovery-code': '回復コード違い',
    locked: '自分で閉じた',
    'not-held': '鍵はどこでも開いていなかった',
    idle: '使われなかった',
    max: '時間切れ',
    epoch: 'サーバー再起動',
    logout: 'ログアウト',
    expired: 'セッション終了',
    ended: '他からログアウト',
    'contact-lost': '端末との連絡が途絶えた',
  },
  reasonsWith: {
    'approved on': (terminal) => `${terminal}で承認`,
    'denied on': (terminal) => `${terminal}で拒否`,
    'was held by': (terminal) => `${terminal}で使用中だった`,
    'by passkey': (name) => `パスキー「${name}」で`,
    'passkey-added': (name) => `「${name}」`,
    'passkey-removed': (name) => `「${name}」`,
  },
  mail: 'メール',
  openedBy: {
    passphrase: 'パスフレーズで',
    passkey: 'パスキーで',
    approval: '承認で',
    recovery: '回復コードで',
  },
  ownKey: 'あなたの鍵',
  noKey: 'まだ鍵がありません。サーバーの管理者に頼んでください。',
  publicKey: '公開鍵(ファイル)',
  correspondents: '承認した他の人の鍵',
  noneAccepted: 'まだありません。このサーバーの人の鍵は承認済みとして扱われます。',
  remove: '削除',
  paste: '公開鍵(テキスト)',
  look: '見る',
  offered: 'この鍵を承認しますか?',
  compare: '承認する前に、電話や対面で持ち主と指紋を比べてください。',
  fingerprint: '指紋',
  expires: '期限',
  accept: '承認',
  countsFor: '次のアドレスに使われます:',
  countsForNone: 'メールアドレスがないため、どのアドレスにも使われません。',
  hasOther: (address) => `${address}には承認済みの別の鍵があります。今後の暗号化にはこの鍵を使います。`,
  isOwnUser: (address) => `${address}はこのサーバーの利用者です。この鍵はそのアドレスには使われません。`,
  cannotEncrypt: 'この鍵では暗号化できません。',
  noEncryption: (why) => `この鍵には暗号化できません(${japaneseObstacles[why]})。`,
  revoked: (at, hard) =>
    `${at}に失効。${hard ? 'この鍵の署名はすべて無効です。' : '以後の署名は無効です。'}この鍵には暗号化しません。`,
  isRevokedNow: (which) => `持ち主が失効させた鍵です。記録しました: ${which}`,
  ownKeyState: ({ decrypt, sign, encrypt }) =>
    [
      decrypt && `。復号できません(${japaneseObstacles[decrypt]})`,
      sign && `。署名できません(${japaneseObstacles[sign]})`,
      encrypt && !decrypt && `。他の人はこの鍵に暗号化できません(${japaneseObstacles[encrypt]})`,
    ]
      .filter(Boolean)
      .join(''),
  setupTitle: '最初のユーザー',
  setupIntro: 'このサーバーの最初のユーザーとその鍵を作ります。',
  address: 'メールアドレス',
  name: '名前',
  atLeast: '(8文字以上)',
  passphraseWhat: 'パスフレーズ(鍵を開く)',
  addressWrong: 'メールアドレスが正しくありません(例: ann@example.org)。',
  passwordShort: 'パスワードは8文字以上必要です。',
  passphraseShortHere: 'パスフレーズは8文字以上必要です。',
  passphrasesDifferHere: '二つのパスフレーズが一致しません。もう一度入力してください。',
  begin: '始める',
  setupDone: '完了',
  recoveryCode: '回復コード',
  recoveryKeep:
    'このコードを今書き留め、安全な所に保管してください。パスフレーズを忘れたときに鍵を開きます。二度と表示されません。',
  refusedTitle: 'できません',
  missingTitle: '見つかりません',
  back: '戻る',
  notEncryptedTitle: '暗号通信ではありません',
  notEncrypted:
    '暗号通信が確立されていないため、ここでは何もできません。暗号化されたアドレスへ進んでください:',
  queue: '送信待ち',
  queueEmpty: '送信待ちのメールはありません。',
  queueWhat: '次の宛先にはまだ届いていません。三日間、繰り返し送信します。',
  lettersWait: (many) => `まだ届いていないメール: ${many}通`,
  andMore: (some, more) => `${some} 他${more}件`,
  isSending: '今送っています。',
  leavesAt: (at) => `${at}に送ります。`,
  waitsSince: (since) => `${since}から順番を待っています。`,
  putOff: (since, why, next) => `${since}から。前回の失敗: ${why}。次の送信: ${next}。`,
  queueReason: (why) =>
    ({
      'The mailbox is full': 'メールボックスがいっぱいです',
      'The mailbox cannot be written': 'メールボックスに書けません',
      'No relay is set': '中継サーバーが設定されていません',
    })[why.replace(/^(The mailbox cannot be written):.*/s, '$1')] ?? why,
  tryNow: '今すぐ送る',
  giveUp: 'あきらめる',
  takeBack: '取り戻す',
  refusal: ({ reason, values }) => said(refusalsInJapanese[reason], values),
}

export const wordsIn: Record<Language, Words> = { en, ja }
