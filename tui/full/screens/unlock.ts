/**
 * The unlock window (S1240-S1340): the passphrase, echoed by nothing, or an approval from a phone. Nothing of a mail is
 * on this screen but the subject it is for, and no mail can open it: only a key press does.
 */

import { column, wrapped } from '../../text/text.ts'
import { Problem } from '../../wire/client.ts'
import { Unreachable } from '../../wire/connection.ts'
import type { Line, ScreenKind } from '../screen.ts'
import type { Stage } from '../stage.ts'
import type { UnlockScreen } from '../state.ts'
import { askApproval } from './approval.ts'

type Own = UnlockScreen & { id: number }
type Choice = UnlockScreen['choice']

const labels = {
  passphrase: 'Passphrase: ',
  read: 'Approve on phone, for reading',
  sign: 'Approve on phone, for reading and signing',
  cancel: 'Cancel',
} as const satisfies Record<Choice, string>

const choices = ({ methods, verb }: Own): Choice[] => [
  'passphrase',
  ...(methods.includes('approval')
    ? ((verb === 'Decrypt' || verb === 'Unlock' ? ['read', 'sign'] : ['sign']) as Choice[])
    : []),
  'cancel',
]

export const unlock: ScreenKind<Own> = {
  context: 'key',
  hints: [],
  title: () => 'Secret key use',

  view(screen, _state, { columns }) {
    const lines: Line[] = []
    const about = screen.about ? ': ' : '.'
    const asked = `${screen.verb} needs your key${about}`
    lines.push(
      [asked, ...(screen.about ? [column(screen.about, Math.max(8, columns - asked.length)).trimEnd()] : [])],
      [''],
    )
    let cursor = { x: labels.passphrase.length, y: 0 }
    for (const choice of choices(screen)) {
      const isHere = choice === screen.choice
      if (isHere) cursor = { x: choice === 'passphrase' ? labels.passphrase.length + 2 : 0, y: lines.length }
      lines.push([{ text: `${isHere ? '>' : ' '} ${labels[choice]}`, bold: isHere }])
    }
    lines.push([''])
    const said = screen.busy
      ? 'Opening the key ...'
      : screen.problem ||
        'Type the passphrase (nothing is shown) and Enter; or Tab to another way, Esc to cancel.'
    for (const text of wrapped(said, columns)) lines.push([{ text, bold: screen.problem !== '' }])
    return { lines, cursor }
  },

  type(app, screen, press) {
    if (screen.busy) return true
    const ways = choices(screen)
    const step = { tab: 1, down: 1, 'shift-tab': -1, up: -1 }[press.name]
    if (step) {
      const choice = ways[(ways.indexOf(screen.choice) + step + ways.length) % ways.length]!
      app.change(screen, { choice })
      return true
    }
    if (press.name === 'esc') {
      screen.passphrase.clear()
      app.close(screen.id)
      return true
    }
    if (press.name === 'enter') {
      void chosen(app, screen)
      return true
    }
    if (screen.choice === 'passphrase') return screen.passphrase.edit(press)
    return false
  },

  paste(_app, screen, text) {
    if (screen.choice === 'passphrase') screen.passphrase.paste(text)
  },

  run: () => undefined,
}

const chosen = async (app: Stage, screen: Own) => {
  if (screen.choice === 'cancel') return app.close(screen.id)
  try {
    if (screen.choice !== 'passphrase') {
      app.change(screen, { busy: true, problem: '' })
      const opened = await askApproval(app, screen.id, screen.choice)
      const now = app.current(screen)
      if (!now) return
      if (opened === true) return app.close(screen.id, true)
      return app.change(now, { problem: opened, choice: 'passphrase', busy: false })
    }
    if (screen.passphrase.isEmpty) return app.change(screen, { problem: 'Type your passphrase.' })
    app.change(screen, { busy: true, problem: '' })
    await app.client.unlock(screen.passphrase.take())
    app.close(screen.id, true)
  } catch (error) {
    const now = app.current(screen)
    if (!now) return
    app.change(now, { busy: false })
    if (!(error instanceof Problem || error instanceof Unreachable)) return app.complain(error)
    const code = error instanceof Problem ? error.code : ''
    // Somebody else was faster, or the session ended: the window goes, and the work that wanted the key says why.
    if (code === 'key-in-use' || code === 'no-session') return app.close(screen.id, true)
    app.change(now, {
      problem:
        code === 'wrong-passphrase'
          ? 'The passphrase is wrong. The key stays closed. Please try again.'
          : error.message,
    })
  }
}
