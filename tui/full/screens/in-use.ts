/**
 * The takeover, as the documents have it: the key is in use elsewhere; the same key pressed again asks whether to stop
 * that use; OK stops it at once, and only then the passphrase is asked for (S2000-S2100). Cancel changes nothing.
 */

import { harmless, wrapped } from '../../text/text.ts'
import { clockOf } from '../../text/words.ts'
import { Problem } from '../../wire/client.ts'
import { Unreachable } from '../../wire/connection.ts'
import { type Keymap, keyFor, keyName } from '../keymap.ts'
import type { ScreenKind } from '../screen.ts'
import type { Stage } from '../stage.ts'
import type { InUseScreen } from '../state.ts'

type Own = InUseScreen & { id: number }

export const inUse: ScreenKind<Own> = {
  context: 'key',
  hints: [],
  title: ({ step }) => (step === 'error' ? 'Key in use elsewhere' : 'Stop the other use?'),

  view(screen, { keymap }, { columns }) {
    const { terminal, since, last_used } = screen.by
    const who = `${harmless(terminal)}${since ? `, since ${clockOf(since)}, last use ${clockOf(last_used)}` : ''}`
    const sentences =
      screen.step === 'error'
        ? [
            `Another terminal is using your key: ${who}. Only one terminal may use it at a time.`,
            `Press ${again(screen, keymap)} again to stop that use and go on here. Esc leaves it alone.`,
          ]
        : [
            `OK stops at once the use of your key by ${who}. Then your passphrase is asked for here.`,
            'y or Enter: OK, stop it.   n or Esc: Cancel, nothing changes.',
          ]
    const lines = [
      ...sentences.flatMap((sentence) => [...wrapped(sentence, columns).map((text) => [text]), ['']]),
      ...wrapped(screen.problem, columns).map((text) => [{ text, bold: true }]),
    ]
    return { lines, cursor: { x: 0, y: lines.length - 1 } }
  },

  type(app, screen, press) {
    if (screen.busy) return true
    if (press.name === 'esc' || (screen.step === 'confirm' && press.name === 'n')) {
      app.close(screen.id)
      app.note('Nothing was changed: the key stays where it is.')
      return true
    }
    if (screen.step === 'confirm') {
      if (press.name === 'y' || press.name === 'enter') void stop(app, screen)
      return true
    }
    const isAgain =
      app.keymap.key.again?.keys.includes(press.name) || keyName(press.name) === again(screen, app.keymap)
    if (isAgain || press.name === 'enter') app.change(screen, { step: 'confirm' })
    return true
  },

  run: () => undefined,
}

/** The key that wanted the key, as it is bound; to send it is Enter, for that one is easily pressed twice. */
const again = ({ verb }: Own, keymap: Keymap) =>
  ({
    Decrypt: keyFor(keymap, 'message', 'decrypt'),
    Sign: keyFor(keymap, 'global', 'sign'),
    Unlock: keyFor(keymap, 'global', 'key'),
    Send: keyName('enter'),
    Certificate: keyName('enter'),
  })[verb]

const anotherHasIt =
  'Another terminal has the key by now, so nothing was stopped. Is it this one that you mean?'

const stop = async (app: Stage, screen: Own) => {
  app.change(screen, { busy: true, problem: '' })
  try {
    await app.client.stop(screen.by)
    app.close(screen.id, true)
  } catch (error) {
    if (error instanceof Problem && error.code === 'no-session') return app.close(screen.id, true)
    // Nobody is stopped unseen: the question is asked anew, of whoever has it by now.
    if (error instanceof Problem && error.code === 'key-in-use' && error.by)
      return app.change(screen, { by: error.by, problem: anotherHasIt, busy: false })
    if (!(error instanceof Problem || error instanceof Unreachable)) {
      app.change(screen, { busy: false })
      return app.complain(error)
    }
    app.change(screen, { problem: error.message, busy: false })
  }
}
