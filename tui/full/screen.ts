/**
 * What a screen is: a picture of plain lines for the state it has, and what its keys do. Screens know nothing of Ink;
 * frame.tsx alone puts their lines on the terminal.
 */

import { wrapped } from '../text/text.ts'
import type { Context } from './keymap.ts'
import type { Stage } from './stage.ts'
import type { Screen, State } from './state.ts'
import type { Press, Size } from './terminal.ts'

/** One of the sixteen colours that every terminal has, never a background; what it says stands in words as well. */
export type Segment = {
  text: string
  bold?: boolean
  dim?: boolean
  reverse?: boolean
  colour?: 'red' | 'green' | 'yellow' | 'cyan'
}
export type Line = (string | Segment)[]
export type Picture = {
  /** At most as many as there are rows. */
  lines: Line[]
  /** Where the terminal's own cursor stands, from the picture's corner: screen readers and input methods go by it. */
  cursor: { x: number; y: number } | null
}

/** A command, or words that are said as they are. */
export type Hint = string | { says: string }

export type ScreenKind<S extends Screen> = {
  /** Whose bindings of the keymap hold here. */
  context: Context
  title(screen: S, state: State): string
  /** Where one is in it. At the end of the title's row: a key press then redraws a few cells and not the row. */
  place?(screen: S, state: State): string
  view(screen: S, state: State, size: Size): Picture
  /** Loads what the screen shows, when it is put up and when it comes back to the top. */
  shown?(app: Stage, screen: S): void
  /** Takes back what narrows or marks it, before it is left; false if there is nothing of the kind. */
  back?(app: Stage, screen: S): boolean
  /** Does a command of the keymap. */
  run(app: Stage, screen: S, command: string): void
  /** Takes a key before the keymap does, as a field; false if the key is not for it. */
  type?(app: Stage, screen: S, press: Press): boolean
  paste?(app: Stage, screen: S, text: string): void
  /** What `:` offers here beside the keymap's commands, such as `go FOLDER`. */
  commands?: string[]
  /** What is named at the foot of the screen, most wanted first. */
  hints: Hint[] | ((screen: S, state: State) => Hint[])
}

/** The rows of a question at the foot; null where it does not fit there whole, and so is not asked. */
export const questionRows = (question: string, { columns, rows }: Size): string[] | null => {
  const lines = wrapped(question, Math.max(2, columns - 1))
  return lines.length <= rows - 2 ? lines : null
}

/** Where a command of moving leads from a place between 0 and `last`; null if the command is none. */
export const movedTo = (command: string, at: number, page: number, last: number): number | null => {
  const to = { down: at + 1, up: at - 1, pageDown: at + page, pageUp: at - page, first: 0, last }[command]
  return to === undefined ? null : Math.max(0, Math.min(to, last))
}
