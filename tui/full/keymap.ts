/**
 * Which key does what, in one table: what mutt, aerc and Gmail hands know (and alpine's arrows). Every binding can be
 * changed in one file, a line each: `list.archive = e a`. A key that is bound anew is taken from what it was bound to.
 */

/** Where bindings hold: everywhere outside fields, in lists of mail, in an opened mail, in a letter, in other lists, in Files. */
export type Context = 'global' | 'list' | 'message' | 'compose' | 'menu' | 'files' | 'key'
/** `isAbsent`: what it would do there is not, and `does` says why. */
type Binding = { keys: string[]; does: string; isAbsent?: true }
export type Keymap = Record<Context, Record<string, Binding>>

const bind = (keys: string, does: string): Binding => ({ keys: keys.split(' '), does })

const paging = {
  pageDown: bind('space pgdn ctrl-d ctrl-f', 'next page'),
  pageUp: bind('b pgup ctrl-u ctrl-b', 'page before'),
}

export const defaults: Keymap = {
  global: {
    help: bind('?', 'help; type to narrow it'),
    command: bind(':', 'a command by its name'),
    back: bind('q esc', 'back; q on the first screen asks to quit'),
    quit: bind('Q ctrl-c', 'lock the key, log out and quit'),
    suspend: bind('ctrl-z', 'suspend'),
    redraw: bind('ctrl-l', 'draw the screen anew'),
    compose: bind('c m', 'compose a mail'),
    sign: bind('S', 'compose a signed mail'),
    key: bind('z', 'unlock the key, or lock it'),
    undo: bind('u', 'undo the last action, for 60 seconds'),
    folder: bind('o', 'go to a folder'),
    refresh: bind('ctrl-r', 'look for new mail'),
    terminals: bind('ctrl-t', 'terminals that are logged in'),
    keys: bind('ctrl-k', 'keys and passkeys'),
    log: bind('ctrl-g', 'key log: every use of the key'),
    queue: bind('ctrl-o', 'letters that wait to leave'),
    files: bind('F', 'Files: the box of files at the server'),
  },
  list: {
    down: bind('j down n', 'next mail'),
    up: bind('k up p', 'mail before'),
    ...paging,
    first: bind('g home', 'newest mail'),
    last: bind('G end', 'oldest mail'),
    open: bind('enter right', 'open the mail'),
    decrypt: bind('D', 'open and decrypt'),
    reply: bind('r', 'reply'),
    replyAll: bind('R', 'reply to all'),
    forward: bind('f', 'forward'),
    delete: bind('d delete', 'delete; in Trash for good'),
    archive: bind('e a', 'archive'),
    move: bind('M', 'move to a folder'),
    mark: bind('x t', 'mark or unmark'),
    markRange: bind('V', 'mark from the last mark to here'),
    markAll: bind('*', 'mark all that there are, or none'),
    unread: bind('N', 'unread, or read'),
    flag: bind('s', 'flag, or unflag'),
    nextUnread: bind('tab', 'next unread mail'),
    search: bind('/', 'search in all folders'),
    limit: bind('l', 'list only mails with these words'),
    thread: bind('T', 'list this conversation'),
    nextFolder: bind('J', 'next folder'),
    previousFolder: bind('K', 'folder before'),
  },
  message: {
    lineDown: bind('j down', 'a line down'),
    lineUp: bind('k up', 'a line up'),
    ...paging,
    first: bind('g home', 'beginning'),
    last: bind('G end', 'end'),
    next: bind('n J right', 'next mail'),
    previous: bind('p K left', 'mail before'),
    decrypt: bind('D enter', 'decrypt'),
    reply: bind('r', 'reply'),
    replyAll: bind('R', 'reply to all'),
    forward: bind('f', 'forward'),
    delete: bind('d delete', 'delete; in Trash for good'),
    archive: bind('e a', 'archive'),
    move: bind('M', 'move to a folder'),
    unread: bind('N', 'unread'),
    flag: bind('s', 'flag, or unflag'),
    file: bind('W', 'save the mail to Files'),
    signature: bind('!', 'details of the signature'),
    parts: bind('v', 'attachments and parts'),
    headers: bind('h', 'all header fields, or few'),
    source: bind('E', 'source of the mail'),
  },
  compose: {
    send: bind('ctrl-x ctrl-s', 'send'),
    sign: bind('alt-s', 'sign, or not'),
    encrypt: bind('alt-e', 'encrypt, or not'),
    kind: bind('alt-k', 'by S/MIME, or as the recipients read'),
    signText: bind('alt-g', 'bring the text back signed'),
    editor: bind('ctrl-o', 'write in your editor'),
    attach: bind('ctrl-t', 'attach a file'),
    attachFiles: bind('alt-a', 'attach from Files'),
    detach: bind('alt-t', 'take the last attachment away'),
    copies: bind('alt-c', 'show Cc and Bcc'),
    save: bind('alt-d', 'keep as a draft and go on'),
    close: bind('esc', 'close: keep as a draft'),
    discard: bind('alt-x', 'throw the letter away'),
    help: bind('ctrl-g', 'help; type to narrow it'),
  },
  menu: {
    down: bind('j down n', 'next'),
    up: bind('k up p', 'before'),
    ...paging,
    first: bind('g home', 'first'),
    last: bind('G end', 'last'),
    choose: bind('enter', 'choose'),
    delete: bind('d delete x', 'end or remove what is selected'),
    retry: bind('r', 'try a waiting letter now'),
    save: bind('s w', 'save to a file'),
    file: bind('W', 'save to Files'),
  },
  files: {
    down: bind('j down n', 'next'),
    up: bind('k up p', 'before'),
    ...paging,
    first: bind('g home', 'first'),
    last: bind('G end', 'last'),
    choose: bind('enter right', 'open a folder, read a text, or get the file'),
    parent: bind('left h', 'the folder around this one'),
    get: bind('s w', "get the file to this machine's disk"),
    put: bind('a', 'put a file of this machine here'),
    newFolder: bind('N +', 'make a folder'),
    rename: bind('r M', 'rename or move'),
    delete: bind('d delete x', 'remove for good'),
  },
  key: {
    ok: bind('enter', 'OK'),
    again: bind('D S', 'press again: stop the other use'),
    yes: bind('y', 'yes'),
    no: bind('n', 'no'),
  },
}

/** The command that a key does in a context, or everywhere; null if it does nothing. */
export const commandOf = (keymap: Keymap, context: Context, key: string): string | null => {
  for (const bindings of [keymap[context], keymap.global])
    for (const [command, { keys }] of Object.entries(bindings)) if (keys.includes(key)) return command
  return null
}

/** How the key of a command is spelled for people; where no key is bound to it, the command as it is typed. */
export const keyFor = (keymap: Keymap, context: Context, command: string): string => {
  const [key] = (keymap[context][command] ?? keymap.global[command])?.keys ?? []
  return key === undefined ? `:${command}` : keyName(key)
}

/** How a key is spelled for people. */
export const keyName = (key: string): string =>
  ({
    space: 'Space',
    enter: 'Enter',
    esc: 'Esc',
    up: 'Up',
    down: 'Down',
    left: 'Left',
    right: 'Right',
    pgup: 'PgUp',
    pgdn: 'PgDn',
    home: 'Home',
    end: 'End',
    delete: 'Del',
    tab: 'Tab',
  })[key] ??
  key.replace(/^ctrl-(.)$/, (_, letter: string) => `^${letter.toUpperCase()}`).replace(/^alt-/, 'Alt-')
