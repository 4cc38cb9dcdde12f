/**
 * Numbers that bound what one user, one letter, one request or one hostile mail may take of what all share: each is
 * written here, once, and nowhere else in the server.
 */

/** How long it is known what became of a letter, for a page that is sent once more. */
export const letterMemoryMs = 30 * 24 * 60 * 60_000

/** How long a list is worked on before others have their turn of the event loop, in milliseconds. */
export const turnMs = 10
/** Work that waits for a child process: of all, of one user, and of strangers; and for how long anybody waits, in milliseconds. */
export const waitingLimit = 2048
export const waitingLimitOfUser = 256
export const waitingLimitOfStrangers = 64
export const waitMs = 45_000

/** Of large octets, how much goes to a child process, or comes from one, in one turn of the event loop. */
export const pieceOctets = 128 * 1024

/** Octets of all mails that one encrypted letter is, of which each Bcc gets its own. */
export const separateOctetsLimit = 80_000_000
/** Addresses that one letter goes to, each counted once. */
export const recipientLimit = 1000
/** Files that one letter takes. */
export const attachmentLimit = 100
/** Characters of a letter's own text; what is longer belongs into a file. */
export const letterTextLimit = 2 * 1024 * 1024
/** Characters of one address field as typed: a thousand addresses with their names. */
export const addressFieldLimit = 256 * 1024

/** What a JSON body may be, whatever its call: how deep, and of how many members and elements in all. */
export const jsonDepthLimit = 16
export const jsonValueLimit = 10_000
/** Attributes that an element of an XML body may have; what is read, and written of an answer, at one time. */
export const xmlAttributeLimit = 8
export const xmlStepOctets = 64 * 1024
export const xmlStepCharacters = 16 * 1024
/** Octets of a body, or of address fields, that are parsed on the event loop; more goes to a child process. */
export const parsedHereOctets = 8 * 1024

/** How long what writes waits while another process does, and how often it looks, in milliseconds. */
export const lockWait = { waitMs: 8_000, pollMs: 40 }

/** Bodies of requests that are memory worth speaking of. */
export const largeBodies = {
  /** A smaller one is none. */
  octets: 1024 * 1024,
  /** Of all users, each with one: while one is worked on, the next is read. Each is 36 MiB at most. */
  atOnce: 2,
  /** Who is slower than this after so many seconds gives way to who waits: a letter of 25 MiB takes a quarter of an hour. */
  octetsPerS: 32 * 1024,
  graceS: 10,
  watchMs: 1_000,
  /** For how long anybody waits for the others before, in milliseconds. */
  waitMs: 5 * 60_000,
}

/** A body that comes in more pieces than this, of less than so many octets each on the whole, is refused. */
export const tinyChunks = { count: 2_000, octets: 64 }

/** Octets that are written to the database, read from it or deleted in one turn of the event loop: a few milliseconds. */
export const storedPieceOctets = 512 * 1024

/** Octets of a mail's text that can be searched: to index more in one turn would keep everybody else waiting. */
export const searchTextOctets = 96 * 1024

/** A day of UTC, of which the dates of a search are made. */
export const dayMs = 24 * 60 * 60_000

/**
 * Of a line that says what is sought: the characters that are read at all, those whose words are sought, the terms; and of
 * what was not understood, how many words are said, and how much of each.
 */
export const sought = {
  readCharacters: 16_384,
  characters: 1_000,
  terms: 32,
  ignored: 32,
  ignoredCharacters: 60,
}
/** Searches of one user that wait for another of theirs: each may take a while. */
export const searchesWaiting = 8

/** Octets of a key file: a key with thousands of signatures of others has a few MiB. */
export const keyFileLimit = 8 * 1024 * 1024
/** Secret keys in one file: each takes a tenth of a second of its passphrase. */
export const keysOfFile = 50
/** A signer's clock may be ahead of ours by as much, in milliseconds; more is a forgery. */
export const clockAheadMs = 5 * 60_000

/** Connections to the web server. */
export const connections = {
  inAll: 2_000,
  /** Of one network; a household, or the programs of one machine, have less. */
  ofClient: 200,
  /** For the first octet, for the header of a request, and between two requests. */
  firstByteMs: 10_000,
  headersMs: 30_000,
  keepAliveMs: 15_000,
  /** For the body of a request. */
  bodyMs: 30_000,
  /** The same, of what may be large, of somebody who is logged in: a letter's files over a slow line. */
  uploadMs: 15 * 60_000,
  /** A file that goes into the box takes as long as it goes on: this much comes in each such time, a few octets a second. */
  streams: { everyMs: 60_000, octets: 4 * 1024 },
  /** For those that are open when the server stops. */
  endMs: 1_000,
}

/** The fewest characters of a password or passphrase that somebody chooses. */
export const chosenSecretCharacters = 8

/** Fields of a form, and characters of all that was typed into it: a letter's text and its addresses. */
export const formFieldLimit = 500
export const formTextLimit = letterTextLimit + 4 * addressFieldLimit
/** Octets of a form that are parsed on the event loop: as much as anybody may send who is not logged in. */
export const formParsedHereOctets = 64 * 1024
/** Octets of a letter of 25 MiB with its files, as a form or in base64 as a call of the API. */
export const letterFormLimit = 36 * 1024 * 1024
/** Octets of keys that somebody pastes, into a form or a call. */
export const pastedKeysLimit = 1024 * 1024
/** Octets of the bodies of the API's calls. */
export const callLimits = {
  octets: {
    letter: letterFormLimit,
    sign: letterTextLimit,
    correspondent: pastedKeysLimit,
    recipients: addressFieldLimit,
    /** A PKCS #12 file in base64. */
    identity: 2 * 1024 * 1024,
  },
  octetsOfOthers: 16 * 1024,
}
/** Characters of a password or passphrase as it is given, and of what names something: a file, its type, a message. */
export const secretCharacters = 1_024
export const nameCharacters = 1_000
/** Messages that one call marks, and keys of one pasted text that are shown: more nobody looks at. */
export const markedAtOnce = 1_000
export const keysOffered = 20
/** For how long a letter is held before it leaves, in seconds. */
export const holdLimitS = 60 * 60
/** Octets of a form that are read to its end, though they are too many, so that its sender reads an answer. */
export const drainedLimit = 1024 * 1024 * 1024

/** A form whose files are streamed: fields and files, octets of a field, header fields of a part. */
export const streamedForm = {
  fieldNameSize: 100,
  fieldSize: 16 * 1024,
  fields: 20,
  files: 200,
  parts: 220,
  headerPairs: 20,
  /** Of what is refused while it comes, so much is read, for so long, before the answer. */
  drainedOctets: 16 * 1024 * 1024,
  drainedMs: 3_000,
}

/** Characters of an address that a deck of WML has room for, beside what else is in it. */
export const deckAddressLimit = 200

/** How long a form that another page interrupted is kept; and an ended session's token known to have been its user's. */
export const parkedFormMs = 60 * 60_000
/** Of one user: parked forms and files of forms, their octets, and beyond these what is left for text alone. */
export const parkedFormLimit = 500
export const parkedOctetsLimit = 128 * 1024 * 1024
export const parkedOctetsReserve = 16 * 1024 * 1024
/** A file is sealed and stored in pieces of so many octets: others have their turn between two. */
export const parkedPieceOctets = 1024 * 1024

/** Octets of a chunk of a body: a million of one octet each would be a heap, so they are put together. */
export const blockOctets = 256 * 1024

// ---- the server as a whole

/**
 * Wrong guesses at one user's secret by one address, by all addresses, and by one address at all users' secrets; in a
 * row: since the last right one. `duration` in seconds.
 */
export const guessLimits = {
  pair: { points: 5, duration: 15 * 60 },
  pairInRow: { points: 100, duration: 30 * 24 * 60 * 60 },
  user: { points: 15, duration: 10 * 60 },
  userInRow: { points: 100, duration: 30 * 24 * 60 * 60 },
  address: { points: 60, duration: 15 * 60 },
} as const
/** How long a network is known from which a user came with the right secret, in seconds. */
export const knownNetworkS = 30 * 24 * 60 * 60

/** How often what has expired is tidied away, in milliseconds. */
export const sweepEveryMs = 30_000
/** How far the newest stored time may lie ahead: more than clocks differ by, less than anybody notices otherwise. */
export const storedAheadMs = 60_000
/** A contact is noted at least so often, in milliseconds; not every request is worth a durable write. */
export const contactNoteMs = 30_000
/** So many lines more than there are users before the file of the ledger's ends is written anew. */
export const ledgerEndsSlack = 10_000
/** So many users' ledgers tell at the start whether the server secret is the one that the database was used with. */
export const headsCompared = 100
/** Users whose ledgers' ends are looked at by one statement. */
export const ledgersAtOnce = 500

/** The child processes, each of them. */
export const childLimits = {
  /** Less than the five seconds within which it has to be gone when another process of the server locked the key. */
  idleMs: 4_000,
  ageMs: 60_000,
  taskMs: 20_000,
  /** Of all, and of those without keys for each kind of their work. */
  processes: 12,
  keylessAtOnce: 2,
  /** CPU seconds in a life. */
  cpuS: 120,
  /** An idle process has 1.4 GiB reserved. */
  addressSpaceKiB: 3 * 1024 * 1024,
  heapMiB: 384,
}

/** Whatever still hangs, the server is gone so long after it was told to end. */
export const endLimitMs = 4_500

// ---- who may use a key

/**
 * Stopping another's allowance without unlocking the key after it: at most this often in this time, so that it is no
 * weapon of somebody who has the log-in alone. A takeover that the key's owner completes does not count.
 */
export const stopLimits = { stops: 3, windowMs: 10 * 60_000 }
/** How often work with a key asks whether the key was taken away by another process, in milliseconds. */
export const allowanceWatchMs = 1_000
/** For how long nothing may be heard of it: then the work is given up, as nobody knows what became of the key. */
export const allowanceSilenceMs = 3_000
/** The longest time for which an approval opens the key for reading. */
export const approvedReadingMs = 15 * 60_000
export const approvalLimits = {
  lifeMs: 2 * 60_000,
  wrongCodes: 3,
  /** So often may one user's terminals ask in this time without being granted it: who is asked too often agrees to anything. */
  asked: 3,
  askedWindowMs: 10 * 60_000,
}
export const passkeyLimits = {
  ofUser: 20,
  /** WebAuthn L3, credential id. */
  idOctets: { least: 16, most: 1023 },
  /** Within the time that WebAuthn §15.1 recommends where the user is verified. */
  challengeLifeMs: 5 * 60_000,
  pendingLifeMs: 2 * 60_000,
  /** So many refused answers one session may give in this time: each is a row of the ledger. */
  refused: 10,
  refusedWindowS: 15 * 60,
  /** So many of them one user's ledger takes in this time. */
  noted: 30,
  notedWindowS: 60 * 60,
  /** How often one network may ask for the options of log-ins, and how often for those of one address. */
  asked: { network: 120, pair: 30 },
  askedWindowS: 10 * 60,
  /** Options for an address come so long after they were asked for: the work for each differs in less. */
  optionsMs: 10,
  /** A refused log-in takes at least so long: kinds of keys differ in how soon a signature is known to be none. */
  refusedLogInMs: 25,
  /** Of the members of what a browser posts, in base64url. */
  memberCharacters: 8 * 1024,
  attestationCharacters: 64 * 1024,
}

/** What a user may choose an open key to stand for without a use, in seconds, within what the operator permits. */
export const idleChoiceS = { least: 10, most: 24 * 60 * 60 }
export const minuteMs = 60_000

/** Words other than the address by which a user is found. */
export const aliasLimits = {
  ofUser: 20,
  /** RFC 5321 §4.5.3.1.1: octets before the `@`. */
  octets: 64,
  /** Tries of a user to take what is taken, which tell that it is, within so many seconds. */
  taken: { points: 10, duration: 24 * 60 * 60 },
}

/** Public keys that log in by SSH. */
export const sshKeyLimits = {
  ofUser: 50,
  /** Of the line of a file: an RSA key of 16,384 bits has less than 3,000. */
  characters: 8 * 1024,
  nameCharacters: 100,
  /** NIST SP 800-57 Part 1 allows 2048 still. */
  fewestRsaBits: 2_048,
  mostRsaBits: 16_384,
}

/** Connections to the SSH port, and what each of them may take. */
export const sshLimits = {
  /** From the first octet to the log-in. */
  logInMs: 30_000,
  /** Connections without a log-in: of one network, and of all. */
  strangersOfNetwork: 20,
  strangers: 100,
  /** Connections with one. */
  ofUser: 20,
  inAll: 500,
  /** What a connection may try before its log-in: passwords, and requests of any kind, of which a client sends one for each key it has. */
  passwords: 3,
  requests: 30,
  /** When it was silent for so long, it is asked whether it lives, and once more; then it is dead: 45 seconds in all. */
  keepaliveMs: 15_000,
  keepalives: 2,
  /** Channels that a connection has at one time, and clients that a user has, and all. */
  channels: 10,
  clientsOfUser: 40,
  clients: 200,
  /** When after a client was taken the next one is made ready. */
  spareAfterMs: 300,
  /** Of a variable that comes with a channel. */
  variableCharacters: 64,
  /** RFC 4253 §6.1: a packet of more than that need not be taken. */
  commandCharacters: 32 * 1024,
  /** Cells of a terminal, each way; how long another size waits for yet another, as while a window is drawn. */
  mostCells: 1_000,
  resizeMs: 30,
  /** Octets on their way to the other end, above which the client waits, and nothing more is read from there. */
  outgoingOctets: 256 * 1024,
  /** Packets that wait for the end of a key exchange, and how long that may take. */
  packetsInExchange: 500,
  /** How long a client that was told of its end has for its last words. */
  lastWordsMs: 2_000,
  /** How often it is looked whether the sessions of connections still are. */
  watchMs: 1_000,
  /** How long after the process of the door has died it is started again, and at most; one that lived for longer begins anew. */
  againMs: 200,
  againAtMostMs: 10_000,
  /** How long the process has to open its port. */
  startMs: 15_000,
  /** Of the process of the door, without the clients in it. */
  heapMiB: 192,
}

/** SFTP, each channel. */
export const sftpLimits = {
  /** Calls of the API that all channels of a user have under way at one time. */
  callsOfUser: 4,
  handles: 64,
  /** Requests that wait, and octets that are written and not stored, above which nothing more is looked at. */
  requests: 256,
  waitingOctets: 3 * 1024 * 1024,
  /** As ssh2 opens a channel's window; more is given when it is less than half. */
  windowOctets: 2 * 1024 * 1024,
  /** What has come and is not looked at is kept in blocks of so much. */
  heldOctets: 32 * 1024,
  /** Of one answer and one request: what ssh2 takes, and what is told to others that ask. */
  packetOctets: 256 * 1024,
  dataOctets: 128 * 1024,
  /** Of the names in one answer to a list; others take no larger packets. */
  namesOctets: 24 * 1024,
  /** Names that are asked for at a time. */
  names: 200,
  /** Stored at once, or after so long without more, in milliseconds. */
  pieceOctets: 1024 * 1024,
  gatherMs: 20,
  /** How far ahead of what is missing something may be written: some have 64 pieces of 32 KiB under way in any order. */
  aheadOctets: 2.5 * 1024 * 1024,
  /** What it takes to remember one that was not answered. */
  writeOctets: 512,
  /** Octets that were read and are kept for who asks again, and that are read over rather than asked for anew. */
  keptOctets: 256 * 1024,
  skippedOctets: 2 * 1024 * 1024,
  /** Of a place to read at: what the API takes as a number. */
  largestOffset: 10 ** 15 - 1,
  /** How long a file that is open and not read keeps its stream, in milliseconds. */
  idleMs: 5_000,
  /** Of the file system as it is told: a block. */
  blockOctets: 4 * 1024,
}

// ---- mail as it is kept, comes in and goes out

/** Octets of one mail, whatever way it comes, and of what one is compressed to. */
export const mailOctetsLimit = 25 * 1024 * 1024
/** How long octets are kept that no message and no queue refers to: somebody may be about to. */
export const contentLeaseMs = 60 * 60_000
/** Rows that are deleted in one turn of the event loop. */
export const deletedAtOnce = { contents: 100, messages: 500 }
/** What lists show of a mail, in characters; an address that `partiesCharacters` cuts is left out. */
export const listedLimits = {
  subjectCharacters: 2_000,
  senderCharacters: 1_000,
  recipientsCharacters: 4_000,
  nameCharacters: 200,
  partiesCharacters: 500,
}
/** Messages in which one finds whom a user knows, and addresses that are suggested. */
export const acquaintances = { sent: 2_000, received: 1_000, suggested: 10 }
/** Addresses in a key of somebody else. */
export const addressesOfKey = 20
/** Of wrong addresses, as many as anybody would correct by hand, and as much of each as an address can be. */
export const wrongAddressesNamed = 20
/** Recipients of one letter who are named by a word without an `@`. */
export const wordsAsAddresses = 100
export const addressCharacters = 254

/** The box of files that each user has. */
export const fileLimits = {
  /** Of clear text, that are encrypted, stored and decrypted at a time. */
  pieceOctets: 1024 * 1024,
  /** Pieces that are opened together where they are small. */
  piecesAtOnce: 64,
  /** Files and folders of one user. */
  ofUser: 20_000,
  pathOctets: 1_024,
  nameOctets: 255,
  /** How long is kept what has come of a file that is being put in a piece at a time, after the last of them. */
  leaseMs: 60 * 60_000,
  /** Rows that are deleted, and moved, in one statement. */
  deletedAtOnce: 500,
  movedAtOnce: 200,
  /** Files that one user sends or fetches at one time. */
  transfersOfUser: 8,
  /** Rows of a list, unless others are asked for; and at most. */
  listed: 500,
  listedAtMost: 2_000,
}
/** A use of the key that goes on, as a file is read piece by piece, is noted at least so often, in milliseconds. */
export const useNoteMs = 10_000

/** Postfix's defaults, but for the size. */
export const smtpLimits = {
  messageOctets: mailOctetsLimit,
  recipients: 1000,
  connectionsPerClient: 50,
  connections: 200,
  /** More Received fields than this: the mail goes round in circles. */
  hops: 50,
  commandOctets: 2048,
  /** Replies of 4xx and 5xx before the connection is closed. */
  errors: 20,
  /** Recipients that do not exist, of one network in this time. More, and nobody is named to it, whoever exists. */
  unknownRecipients: 30,
  unknownRecipientsMs: 15 * 60_000,
  /** NOOP, RSET, VRFY and HELP without a mail. */
  junkCommands: 100,
  idleMs: 300_000,
  /** All of a mail's data must be here after this time, however lively it drips in. */
  dataMs: 10 * 60_000,
  /** Octets of mails that are being received at one time, over all connections. */
  octetsAtOnce: 96 * 1024 * 1024,
  /** What a network may send in a minute: octets, and copies, of which a mail is one for each recipient. */
  octetsPerMinute: 200 * 1024 * 1024,
  copiesPerMinute: 1200,
  /** Mails that have grown larger than `largeOctets`, at one time, from one address. */
  largePerClient: 2,
  largeOctets: 1_000_000,
  /** Who has sent less than `stallOctets` for so long gives way when memory runs short. */
  stallMs: 10_000,
  stallOctets: 64 * 1024,
  /** Of a mail's beginning, searched for trace fields: a mail may consist of a header only. */
  headerOctets: 1_000_000,
  /** How long the connections have to end when the server stops. */
  closeMs: 5_000,
}

/** The queue of outgoing mail. */
export const queueLimits = {
  /** How long a mail waits after its first try, its second, and so on; the last of them from then on. */
  backOffMs: [60_000, 120_000, 5 * 60_000, 15 * 60_000, 30 * 60_000, 60 * 60_000, 120 * 60_000, 240 * 60_000],
  /** When it is tried again what could not be put into a mailbox of ours at once. */
  soonMs: 60_000,
  giveUpMs: 3 * 24 * 60 * 60_000,
  /** How long a process keeps a row for itself; longer than it may take to send it. */
  claimMs: 15 * 60_000,
  sendMs: 10 * 60_000,
  connectMs: 30_000,
  /** Mails that a process sends at one time. */
  lanes: 3,
  /** How often it is looked at, and never more often than: other processes put mail into it too. */
  pollMs: 10_000,
  shortestPollMs: 1_000,
  /** How often the database is tried again when it is away. */
  awayMs: 2_000,
  /** How long mails that are on their way have to arrive when the server stops. */
  graceMs: 5_000,
  /** Of what the relay answered. */
  answerCharacters: 400,
}
/** Of a mail's header, in a report that it could not be delivered. */
export const reportedHeaderOctets = 64 * 1024
/** Files of mail that a command reads: octets of what is read as one line, and searched for the end of a header. */
export const mailFileLimits = { lineOctets: 64 * 1024, headerOctets: 100 * 1024 }

// ---- what is read of a hostile mail, in a child process

/** At the beginning of something, by which it is told what it is. */
export const beginningOctets = 1_000
export const headerLimits = {
  octets: 4 * 1024 * 1024,
  /** Of one field: a long list of recipients leaves the others whole; as Postfix. */
  fieldOctets: 100 * 1024,
  fields: 20_000,
  /** Of all fields of one name. */
  addresses: 1_000,
  /** Colons, of which each may begin a group of addresses. */
  groups: 1_000,
  /** Of the From that a verdict names. */
  soleAddressOctets: 1_000,
}
export const fileNameOctets = 2_000
export const treeLimits = {
  depth: 100,
  parts: 1_000,
  delimiters: 20_000,
  /** RFC 2046 §5.1.1 allows 70. */
  boundaryCharacters: 1_000,
  /** Searched for delimiters, of all nested multiparts together. */
  scannedOctets: 512 * 1024 * 1024,
  /** Of attached messages in a transfer encoding, all together. */
  unwrappedOctets: 64 * 1024 * 1024,
}
export const htmlLimits = {
  tags: 50_000,
  depth: 500,
  tableDepth: 50,
  /** As deep, and with as many children of one node, as it becomes text. */
  convertedDepth: 200,
  childNodes: 20_000,
  /** Within which it says its charset. */
  declarationOctets: 2_048,
}
/** Characters of text, and of HTML, that are given out. */
export const shownTextLimit = 1_000_000
/** Of a part that repeats the protected header fields for old programs. */
export const legacyDisplayOctets = 64 * 1024
/** Layers of encryption and signature around one another. */
export const protectionDepthLimit = 5
/** Of a part that could be the version of an encrypted mail. */
export const versionPartOctets = 10_000
export const openpgpLimits = {
  packets: 10_000,
  /** Of one packet whose length is partial. */
  chunks: 1_000_000,
  /** Keys that a message is encrypted to, of which each is tried. */
  recipients: 32,
  signatures: 20,
  armorHeaders: 100,
  cleartextOctets: 4 * 1024 * 1024,
  /** Argon2 of a key or message of somebody else takes 2 to the power of so many KiB. */
  argon2MemoryExponent: 16,
  /** Some programs' keys of 2048 bits have one less. */
  fewestRsaBits: 2_047,
}
/** By how much the date of a mail may differ from that of its signature. */
export const dateToleranceMs = 60 * 60_000

/** Connections of one process to PostgreSQL; and for how long it waits for one, or for an answer, in milliseconds. */
export const postgresPool = { connections: 10, connectMs: 5_000, statementMs: 15_000 }

/**
 * Copying from one engine to the other: rows and octets that are in memory at a time, mails whose words are looked for at
 * once, after how many it says how far it is; how long it waits for others to be gone, in milliseconds.
 */
export const copying = {
  rows: 500,
  octets: 4 * 1024 * 1024,
  mails: 4,
  saidAfter: 10_000,
  waitMs: 5_000,
  pollMs: 100,
}

/** Threads that read from SQLite what may take long. */
export const asideThreads = 3
/** Statements that a connection to SQLite keeps prepared: the same few hundred come again and again. */
export const preparedStatements = 500
/** What PostgreSQL's search index holds: places that it counts, places of one word, and letters of a word. */
export const searchIndex = { places: 16_383, placesOfWord: 255, wordLength: 500 }
/**
 * The connection by which a process serves a PostgreSQL database, in milliseconds: how long after it was lost, or could not
 * be made, it is made again; how often it is tried whether it stands; how long, and how often, a process that begins tries
 * for a lock that one may hold which has just ended.
 */
export const servingLinkMs = { again: 1_000, watch: 10_000, wait: 3_000, poll: 200 }
/** How often a process compares its clock with PostgreSQL's, and how many times then, of which the quickest counts. */
export const serverClock = { everyMs: 60_000, times: 3 }
/** For how long a database may be silent of which it is asked whether it can serve, in milliseconds. */
export const readyWithinMs = 1_000

/** What is read of a CMS message (RFC 5652): elements of its BER, and how deep they may lie in each other. */
export const cmsLimits = {
  elements: 400_000,
  depth: 60,
  /** Of an object identifier, or a time. */
  identifierOctets: 100,
  /** Recipients that are looked at, to find our own; those of ours that are tried. */
  recipients: 10_000,
  ownRecipients: 8,
  signers: 8,
  certificates: 100,
  /** Of a certificate; more than can be accepted, so that it is seen to have too many. */
  addresses: 100,
  /** From a signer's certificate to an authority; steps on all the ways that there may be; signatures checked for all of a message. */
  chain: 8,
  chainSteps: 200,
  chainChecks: 400,
  /** Messages of a mail whose content is shown with it: signed in signed, compressed, and attached ones. */
  messages: 20,
  /** Octets of RC2 at a time, whole blocks: twice as many take four times as long. */
  rc2Octets: 4096,
  /** Octets of what was compressed. */
  unpacked: 64 * 1024 * 1024,
}

/** Of the files of authorities and of revocation lists that the operator names, in octets: they go along with each mail. */
export const smimeFileLimit = 4 * 1024 * 1024
/** Of a list of certificates that is looked at, or of a signature that brings some, in octets. */
export const certificatesOffered = { octets: 256 * 1024 }

/**
 * What is read of a PKCS #12 file (RFC 7292): rounds of its password's hash in all, the memory of scrypt, bags, how deep they may
 * lie in each other, and octets in all; the rounds of one that is made.
 */
export const pkcs12Limits = {
  rounds: 5_000_000,
  /**
   * So many rounds of PBKDF2 take as long as one of PKCS #12's own. Firefox and Thunderbird ask for 600,000 with each key and each
   * certificate, those of authorities too, and a backup has all that somebody ever had.
   */
  quickRounds: 4,
  scryptMemory: 64 * 1024 * 1024,
  bags: 200,
  depth: 4,
  octets: 1024 * 1024,
  ownRounds: 100_000,
}
/** S/MIME identities of a user: one for each year of a long life, and more. */
export const identitiesOfUser = 50
/** A self-made S/MIME identity: bits of its RSA key, and for how long it is good, in milliseconds; earlier, where clocks differ. */
export const selfMadeIdentity = {
  bits: 3072,
  forMs: 2 * 365 * 24 * 60 * 60 * 1000,
  earlierMs: 60 * 60 * 1000,
}
/** How long before it a person is told that an S/MIME certificate ends, in milliseconds. */
export const identityEndsSoonMs = 30 * 24 * 60 * 60 * 1000
