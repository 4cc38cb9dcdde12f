/**
 * What a screen may ask of the client at work. Screens are called with it and know nothing of who keeps it (app.ts):
 * the state is changed by `change` and `dispatch` alone, the server is asked within `ask` or `withKey`.
 */
import type { Disk } from '../letter/disk.ts'
import type { Completion } from '../letter/paths.ts'
import type { Client } from '../wire/client.ts'
import type { Untrusted } from '../wire/connection.ts'
import type { Keymap } from './keymap.ts'
import type { Action, AnyScreen, KeyUse, Screen, State } from './state.ts'
import type { Size } from './terminal.ts'

/** What the surroundings do for the client: the terminal, the disk, the end. */
export type Surroundings = {
  /** What this terminal calls itself at the server. */
  terminal: string
  /** Gives the terminal away while the work runs. */
  suspended(work: () => Promise<void>): Promise<void>
  /** Stops the process until it is taken up again; null where that is not the person's to stop. */
  stopProcess: (() => Promise<void>) | null
  /** Null behind SSH, where there is no machine of the person's. */
  disk: Disk | null
  /**
   * Whether somebody logs in here. Where the session came with the client, it is there from the beginning, and the
   * client ends with it.
   */
  hasLogIn: boolean
  redraw(): void
  /** Ends the client with this exit code. */
  exit(code: number): void
  now(): number
}

export interface Stage {
  readonly client: Client
  readonly keymap: Keymap
  readonly surroundings: Surroundings
  readonly state: State
  readonly size: Size
  /** Rows between the title and the two lines at the foot. */
  readonly bodyRows: number
  readonly top: Screen | null

  dispatch(action: Action): void
  change<S extends AnyScreen>(screen: S & { id: number }, change: Partial<S>): void
  /** The screen as it is by now; null once it is closed. */
  current<S extends AnyScreen>(screen: S & { id: number }): (S & { id: number }) | null

  push(screen: AnyScreen): number
  /** @returns null, and nothing is put up, where one went on from `from` to something else */
  pushOver(from: number | null, screen: AnyScreen): number | null
  /** Puts a screen up and waits for what it ends with; null if it was left. */
  put<T>(screen: AnyScreen): Promise<T | null>
  /** Takes a screen away, whether it is on top or not. */
  close(id: number, value?: unknown): void

  /** Says it for some seconds, so that the hints come back. */
  note(text: string, options?: { forMs?: number; isKept?: boolean }): void
  warn(text: string): void
  /** Says what went wrong. @throws what is no problem of the server or the line */
  complain(error: unknown): void
  /** The server cannot be trusted: nothing is sent to it any more. */
  refuse(error: Untrusted): void
  askLine(
    label: string,
    done: (text: string) => void,
    complete?: (text: string) => string[] | Promise<Completion>,
    text?: string,
  ): void
  askSecret(label: string, done: (text: string) => void): void
  /** Asks for a key. @param on the number of the screen that asks; where another is on top by now, nothing is asked */
  askChoice(question: string, answers: Record<string, () => void>, on?: number): void

  /** Asks the server, through a log-in where the session has ended. @returns null if it was refused, which is said */
  ask<T>(work: () => Promise<T>, busy?: string): Promise<T | null>
  /** Asks the server for an act. @returns whether it was done; if not, it is said why */
  does(act: () => Promise<unknown>, busy?: string): Promise<boolean>
  /** Work that uses the key: where it is closed, the windows that open it come first (S1240, S2000), then the work. */
  withKey<T>(use: KeyUse, work: () => Promise<T>): Promise<T | null>
  /** Hears how things stand with the key, and with the folders. */
  contact(): Promise<void>
  /** Mails were moved here: the counts change without new mail. */
  moved(): Promise<void>
  /** What lists show is no longer what there is. */
  reloadLists(): void
  /** Something was done that can be undone for a minute. */
  done(label: string, run: () => Promise<void>): void
  /** Keeps what is being written, locks, logs out and ends. */
  end(code?: number): Promise<void>
}
