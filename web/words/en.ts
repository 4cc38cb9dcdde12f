/** What the pages say, in English. The names of buttons, links, fields and headings are the contract that scripts and checks rely on. */
import type { LeftOut } from '../../server/contract/replies.ts'
import { delayInWords, type Obstacle } from '../../server/ground/reasons.ts'
import type { Refusal } from '../../server/ground/refusal.ts'
import type { FolderKind } from '../../server/mail/mailboxes.ts'
import { didWithFilesInEnglish, filesInEnglish } from './files-en.ts'
import { ledgerInEnglish } from './ledger-en.ts'
import { smimeInEnglish } from './smime-en.ts'

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

export const en = {
  files: filesInEnglish,
  smime: smimeInEnglish,
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
  keepOpen: (minutes: number) => `Keep key open ${minutes} min`,
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
  nothingTyped: 'Nothing was typed, and nothing was added.',
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
  found: (folder: string, { count, hasMore }: { count: number; hasMore: boolean }) =>
    `${folder}: ${hasMore ? `more than ${count}` : count || 'nothing'} found`,
  notSearched: 'Only this folder is searched, and in it not the text of encrypted mail.',
  sealedNotSearched: 'The text of encrypted mail is not searched.',
  allFolders: 'All folders',
  notUnderstood: (words: string) => `Not understood: ${words}`,
  operators:
    'Narrow it by from: to: subject: before:2026-11-28 after:7d in:trash has:attachment is:unread is:flagged is:encrypted "a phrase" -word (days in UTC)',
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
    ...didWithFilesInEnglish,
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
    'identity-added': () => 'The certificate is added.',
    'identity-removed': () => 'The certificate is removed, and its private key with it.',
    'ssh-key-added': () => 'The SSH key is added.',
    'ssh-key-removed': () =>
      'The SSH key is removed. What is logged in with it stays so until you log it out under Terminals.',
    'alias-added': () => 'The alias is added.',
    'alias-published': () => 'The alias is published: others see that they can encrypt to it.',
    'alias-hidden': () => 'The alias is not published any more.',
    'alias-removed': () => 'The alias is removed: it finds you no more.',
    'passkey-removed': () =>
      'The passkey is removed: it opens nothing here any more. Remove it from your device as well. Your other terminals are logged out.',
    'password-changed': () => 'The new password is set. Your other terminals are logged out.',
    'passphrase-changed': () => 'The new passphrase is set. Your other terminals are logged out.',
    retried: () => 'It is tried now. What has left is not in this list any more.',
    'given-up': () => 'Given up. A report in your Inbox says whom it did not reach; its copy stays in Sent.',
    'key-longer': () =>
      'Your key now stays open longer in this terminal when it is not used. Lock it before you leave.',
    'hold-set': () => 'This counts from your next letter on.',
    'taken-back': () => 'The letter did not leave: it is in Drafts again.',
    approved: () => 'Approved. The terminal that asked may go on; this phone holds nothing.',
    denied: () =>
      'Denied. The terminal that asked is logged out, and nothing was opened. Whoever asked knows your password: change it under More, Passphrase.',
  },
  /** @param isWaiting it has not left for all of them */
  sent: (to: string, { isWaiting }: { isWaiting: boolean }) =>
    `${isWaiting ? 'On its way' : 'Sent'}${to && ` to ${to}`}.`,

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
    validByAuthority: (by: string, issuer: string, on: string | null) =>
      `Signed by ${by}${on ? ` on ${on}` : ''}, with a certificate of ${issuer}, which this server's operator trusts.`,
    validByCertificate: (by: string, key: string, on: string | null) =>
      `Signed by ${by}${on ? ` on ${on}` : ''}, accepted certificate ${key}.`,
    unknownCertificate: (key: string) =>
      `Signed, but nobody vouches for the certificate ${key}: you have not accepted it, and no authority known here issued it.`,
    changesUnseen:
      'It was encrypted in a way that does not show changes: its text could have been altered on its way.',
    oldCipher: 'Its cipher is an old one that can be broken.',
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
  sendEach: 'Press Send again, and each gets what they can read.',
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
  leftOut: {
    unopened: 'An encrypted mail that is not open is not quoted.',
    part: 'A part that was opened alone is not quoted, nor the mail around it.',
    'closed-parts': 'What is encrypted in the mail and opens alone is not quoted.',
  } satisfies Record<LeftOut, string>,
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
  queueReason: delayInWords,
  tryNow: 'Try now',
  giveUp: 'Give up',
  takeBack: 'Take back',
  holdWhat: (seconds: number) =>
    seconds === 0
      ? 'Letters that you send from this terminal leave at once.'
      : `Letters that you send from this terminal wait ${seconds} seconds before they leave; until then you can take them back.`,
  hold: (seconds: number) => (seconds === 0 ? 'Leave at once' : `Wait ${seconds} seconds`),

  // keys for SSH
  sshKeys: 'SSH keys',
  sshKeysWhat:
    'Who has one of these keys may log in by SSH without the password. They open no mail: for that your key is unlocked as everywhere.',
  sshOff: 'This server takes no log-ins by SSH now.',
  sshHost: (port: number) => `SSH, port ${port}; the fingerprint of this server:`,
  sshKeyLine: 'Public key, the line of a file such as id_ed25519.pub',
  sshKeyName: 'Name (optional)',
  sshKeyAdd: 'Add',
  sshKeyUnused: (added: string) => `added ${added}, not used yet`,
  sshKeyUsed: (added: string, used: string) => `added ${added}, last used ${used}`,

  // aliases
  aliases: 'Aliases',
  aliasesWhat: (domain: string) =>
    `Words that stand for your address, such as an employee number: you log in by one, and mail to word${domain} finds you. Who only looks one up is not told that it is there, unless you publish it.`,
  alias: 'Alias',
  aliasAdd: 'Add',
  aliasPublished: 'published',
  aliasHidden: 'not published',
  aliasPublish: 'Publish',
  aliasHide: 'Publish no longer',

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
  ...ledgerInEnglish,
  mail: 'mail',

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
  issuedBy: 'Issued by',
  notLookedUp:
    'Whether it was taken back is looked up only in lists that this server was given; nothing is fetched.',
  countsFor: 'It will count for:',
  countsForNone: 'It names no mail address and will count for none.',
  hasOther: (address: string) =>
    `Another key is already accepted for ${address}; mail to it will be encrypted to this one.`,
  isOwnUser: (address: string) =>
    `${address} is a user of this server: this key will not count for that address.`,
  cannotEncrypt: 'This key cannot be used to encrypt.',
  noEncryption: (why: Obstacle) => `Nothing can be encrypted to it: ${obstacles[why]}.`,
  revoked: (at: string, { isHard }: { isHard: boolean }) =>
    `Revoked ${at}: ${isHard ? 'no signature by it counts any more' : 'later signatures by it do not count'}, and nothing is encrypted to it.`,
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

  // on handsets
  wml: {
    more: 'More…',
    kept: 'What was written before stands below, and stays as it is.',
    keptUnless: 'What stands below stays, unless you type something in its place.',
    leaveOut: 'Leave it out',
    lacks: 'Left out, as this terminal cannot have it: files, long lists, or passkeys.',
  },

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
