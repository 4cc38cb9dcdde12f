/**
 * The ends of the ledgers as this machine has seen them, in a file beside the server secret: what is put back or cut
 * off in the database alone does not fit it. A line a change, the last of a user counts:
 *
 *     USER ROW MAC      the newest row and its MAC
 *     USER removed      the user was removed, and the ledger with them
 *
 * A row is noted after its commit, and never before, so that the file may lag behind what a crash interrupted but
 * never names a row that was not there. Lines are appended whole (O_APPEND): several processes may.
 */
import { randomBytes } from 'node:crypto'
import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The newest row of a user's ledger. */
export type LedgerEnd = { id: number; mac: Uint8Array }

export const ledgerEndsFile = (dataFolder: string) => join(dataFolder, 'ledger-ends')

export class LedgerEnds {
  readonly #file: string

  constructor(file: string) {
    this.#file = file
  }

  /** False before this machine first served the database with a version that keeps ends. */
  get exist(): boolean {
    return existsSync(this.#file)
  }

  /** By user id; null for a user who was removed. A line that a crash tore counts for nothing. */
  read(): Map<number, LedgerEnd | null> {
    const ends = new Map<number, LedgerEnd | null>()
    if (!this.exist) return ends
    for (const line of readFileSync(this.#file, 'utf8').split('\n')) {
      const [, user, removed, row, mac] = line.match(/^(\d+) (?:(removed)|(\d+) ([0-9a-f]{64}))$/) ?? []
      if (user && removed) ends.set(Number(user), null)
      else if (user && mac) ends.set(Number(user), { id: Number(row), mac: Buffer.from(mac, 'hex') })
    }
    return ends
  }

  note(ends: Iterable<[userId: number, end: LedgerEnd]>): void {
    const lines = [...ends].map(lineOf)
    if (lines.length > 0) this.#append(lines.join(''))
  }

  /** To be called before the user goes: if that fails after all, the next row of the ledger says that they are there. */
  noteRemoval(userId: number): void {
    this.#append(lineOf([userId, null]))
  }

  /** Takes the place of all that was noted: a line a user. */
  replace(ends: Iterable<[userId: number, end: LedgerEnd | null]>): void {
    const aside = `${this.#file}.${randomBytes(6).toString('hex')}.tmp`
    writeFileSync(aside, [...ends].map(lineOf).join(''), { mode: 0o600, flush: true, flag: 'wx' })
    renameSync(aside, this.#file)
  }

  /** Each line begins with its line break: one that a crash tore stays alone. */
  #append(lines: string): void {
    appendFileSync(this.#file, lines, { mode: 0o600 })
  }
}

const lineOf = ([userId, end]: [number, LedgerEnd | null]) =>
  end ? `\n${userId} ${end.id} ${Buffer.from(end.mac).toString('hex')}` : `\n${userId} removed`
