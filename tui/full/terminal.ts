/** What the terminal tells: its size and the keys that are pressed. */

/** Cells. */
export type Size = { columns: number; rows: number }

/** A key press: its name as keymaps spell it, and the text that it types, if it types any. */
export type Press = { name: string; text: string | null }
