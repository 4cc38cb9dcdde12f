/** Numbers that bound what one user, one letter or one request may take of what all share. */

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
/** Octets of a body, or of address fields, that are parsed on the event loop; more goes to a child process. */
export const parsedHereOctets = 8 * 1024

/** How long what writes waits while another process does, and how often it looks, in milliseconds. */
export const writeTurn = { waitMs: 8_000, pollMs: 40 }

/** Bodies of requests that are memory worth speaking of. */
export const largeBodies = {
  /** A smaller one is none. */
  octets: 1024 * 1024,
  /** Of all users, each with one: while one is worked on, the next is read. Each is 36 MiB at most. */
  atOnce: 2,
  /** Who is slower than this after so many seconds gives way to who waits: a letter of 25 MiB takes a quarter of an hour. */
  octetsPerS: 32 * 1024,
  graceS: 10,
  /** For how long anybody waits for the others before, in milliseconds. */
  waitMs: 5 * 60_000,
}

/** A body that comes in more pieces than this, of less than so many octets each on the whole, is refused. */
export const tinyChunks = { count: 2_000, octets: 64 }

/** Octets that are written to the database, read from it or deleted in one turn of the event loop: a few milliseconds. */
export const storedPieceOctets = 512 * 1024

/** Octets of a mail's text that can be searched: to index more in one turn would keep everybody else waiting. */
export const searchTextOctets = 96 * 1024

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
  /** For the body of a request. */
  bodyMs: 30_000,
  /** The same, of what may be large, of somebody who is logged in: a letter's files over a slow line. */
  uploadMs: 15 * 60_000,
}

/** The fewest characters of a password or passphrase that somebody chooses. */
export const chosenSecretCharacters = 8

/** Fields of a form, and characters of all that was typed into it: a letter's text and its addresses. */
export const formFieldLimit = 500
export const formTextLimit = letterTextLimit + 4 * addressFieldLimit
/** Octets of a form that are parsed on the event loop: as much as anybody may send who is not logged in. */
export const formParsedHereOctets = 64 * 1024
/** Octets of the form of a letter with its files. */
export const letterFormLimit = 36 * 1024 * 1024
/** Octets of a form that are read to its end, though they are too many, so that its sender reads an answer. */
export const drainedLimit = 1024 * 1024 * 1024

/** How long a form that another page interrupted is kept. */
export const parkedFormMs = 60 * 60_000
/** Of one user: parked forms and files of forms, their octets, and beyond these what is left for text alone. */
export const parkedFormLimit = 500
export const parkedOctetsLimit = 128 * 1024 * 1024
export const parkedOctetsReserve = 16 * 1024 * 1024
/** A file is sealed and stored in pieces of so many octets: others have their turn between two. */
export const parkedPieceOctets = 1024 * 1024
