/**
 * Where a command for scripts runs: on a person's machine (here.ts), or behind SSH, where there is no machine of theirs
 * (remote/).
 */
import type { EventEmitter } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import type { Attachment } from './letter/letter.ts'
import type { LedgerMemory } from './wire/client.ts'

export type Server = {
  server: string
  user: string
  ca?: string | undefined
  fingerprint?: string | undefined
}
export type KeptSession = Server & { token: string }

/** What is kept between two commands: the session and, while the key is open, its key token. */
export type Keeping = LedgerMemory & {
  /** Whether a key token is kept without being asked for: where it does not outlive the log-in. */
  readonly hasRuntimeFolder: boolean
  /** So that what cannot be kept is known before a secret is asked for. */
  prepare(): void
  session(): KeptSession | null
  /** Takes the place of what was kept; the key of another session goes. */
  keepSession(session: KeptSession): void
  /** Safe to call twice. */
  forgetSession(): void
  keyToken(): string | null
  keepKeyToken(token: string): void
  /** Safe to call twice. */
  forgetKey(): void
}

/** The machine that a command runs on. */
export type Machine = {
  /** Its name. */
  name: string
  /** The path of a file from wherever one stands later. */
  wholePath(path: string): string
  /** A regular file, if it has no more octets; a sentence if it is not to be had. */
  attachment(path: string, mostOctets: number): Attachment | { failed: string }
  /** A file of any size, as it is sent; a sentence if it is not to be had. */
  streamFrom(
    path: string,
  ): Promise<{ name: string; size: number; octets: AsyncIterable<Uint8Array> } | { failed: string }>
}

export type Place = {
  input: Readable & { isTTY?: boolean }
  output: Writable & { isTTY?: boolean }
  errors: Writable
  /** Where SIGINT, SIGTERM and SIGHUP come from. */
  signals: EventEmitter
  kept: Keeping
  /** A socket of this machine that leads to the server, where no other way is to be gone. */
  socketPath?: string
  /** Null behind SSH. */
  machine: Machine | null
  /** What one does where nobody is logged in, as the end of a sentence. */
  howToLogIn: string
}
