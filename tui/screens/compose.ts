/** Compose: a letter being written. */
import type { App } from '../app.ts'
import type { Message, Opened, Row } from '../client.ts'
import type { Letter } from '../letter.ts'
import type { ScreenKind } from '../screen.ts'
import type { ComposeScreen } from '../state.ts'

type Own = ComposeScreen & { id: number }

export const compose: ScreenKind<Own> = {
  context: 'compose',
  hints: ['send', 'sign', 'encrypt', 'editor', 'attach', 'close'],
  title: () => 'Compose',
  view: () => ({ lines: [], cursor: null }),
  run: () => undefined,
}
export const openCompose = (_app: App, _letter: Partial<Letter> & { mailto?: string }): void => undefined
export const openDraft = async (_app: App, _row: Row): Promise<void> => undefined
export const reply = async (
  _app: App,
  _row: Row,
  _how: { all: boolean; opened: Message | Opened | null },
): Promise<void> => undefined
export const forward = async (_app: App, _row: Row, _opened: Message | Opened | null): Promise<void> =>
  undefined
