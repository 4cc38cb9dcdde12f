/** What the server and the process of its SSH door say to each other. */
import type { ToldRefusal } from '../../ground/refusal.ts'

/** What the process has to know before it opens its port. */
export type Opening = {
  host: string
  port: number
  /** The host key, as OpenSSH keeps one. */
  hostKey: string
  /** Where the API is listened for, for this process alone. */
  socketPath: string
}

/** Octets as base64. */
export type Question =
  /** Whether this key logs this user in: before its signature is asked for. */
  { knows: { user: string; key: string } } | { logIn: Asked }

/** A log-in, by a key whose signature was right, or by a password. */
export type Asked = { connection: number; user: string; address: string } & (
  | { key: string }
  | { password: string }
)

/** A session that began; its user's whole address. */
export type Begun = { token: string; user: string }

export type Answer = { knows: boolean } | { begun: Begun } | { refused: ToldRefusal } | { failed: true }

export type ToDoor =
  | { makeHostKey: true }
  | { open: Opening }
  | { to: number; answer: Answer }
  /** The session of this connection is no more. */
  | { over: number }
  /** The server stops. */
  | { stop: true }

export type FromDoor =
  | { hostKey: string }
  | { listens: { port: number; fingerprint: string } }
  /** The code of the error. */
  | { cannotListen: string }
  | { badHostKey: true }
  | { ask: number; question: Question }
  /** This connection is gone, or is not to have a session any more. */
  | { gone: number }
  /** What an operator should see. */
  | { trouble: string }
