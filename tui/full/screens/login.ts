/** Log-in (S1090-S1180): user and password. The password is shown by nothing, not even by its length. */
import { harmless, wrapped } from '../../text/text.ts'
import { userIsAddress } from '../../text/words.ts'
import { heartbeatS, Problem } from '../../wire/client.ts'
import { Unreachable } from '../../wire/connection.ts'
import { edited, fieldView, typed } from '../field.ts'
import type { ScreenKind } from '../screen.ts'
import type { Stage } from '../stage.ts'
import type { LoginScreen } from '../state.ts'

type Own = LoginScreen & { id: number }

export const login: ScreenKind<Own> = {
  context: 'key',
  hints: ['ok', 'quit'],
  title: () => 'Log in',

  view(screen, state, { columns }) {
    const user = fieldView(screen.user, Math.max(10, columns - 12))
    const lines = [
      [{ text: 'Wafer', bold: true }],
      [`Server:   ${harmless(state.server)}`],
      [''],
      [`User ID:  ${user.shown}`],
      ['Password: '],
      [''],
      ...(screen.busy ? [['Logging in ...']] : []),
      ...wrapped(screen.problem, columns).map((text) => [{ text, bold: true }]),
      ...(screen.again && !screen.problem && !screen.busy
        ? wrapped('Your session has ended. Log in again, and go on where you were.', columns).map((text) => [
            text,
          ])
        : []),
    ]
    const cursor = screen.focus === 'user' ? { x: 10 + user.cursorColumn, y: 3 } : { x: 10, y: 4 }
    return { lines, cursor }
  },

  type(app, screen, press) {
    if (screen.busy) return true
    if (press.name === 'tab' || press.name === 'shift-tab' || press.name === 'up' || press.name === 'down') {
      app.change(screen, { focus: screen.focus === 'user' ? 'password' : 'user' })
      return true
    }
    if (press.name === 'enter') {
      if (screen.focus === 'user') app.change(screen, { focus: 'password' })
      else void logIn(app, screen)
      return true
    }
    if (screen.focus === 'password') return screen.password.edit(press)
    const user = edited(screen.user, press)
    if (user) app.change(screen, { user })
    return user !== null
  },

  paste(app, screen, text) {
    if (screen.focus === 'password') screen.password.paste(text)
    else app.change(screen, { user: typed(screen.user, text) })
  },

  run(app, _screen, command) {
    if (command === 'quit') void app.end()
  },
}

const logIn = async (app: Stage, screen: Own) => {
  const user = screen.user.text.trim()
  if (user === '' || screen.password.isEmpty)
    return app.change(screen, {
      isWarned: false,
      focus: user === '' ? 'user' : 'password',
      problem: user === '' ? 'Type your User ID, which is your mail address.' : 'Type your password.',
    })
  const password = screen.password.take()
  app.change(screen, { busy: true, problem: '', isWarned: false })
  try {
    const { user: address } = await app.client.logIn(user, password, app.surroundings.terminal, heartbeatS)
    app.close(screen.id, address)
  } catch (error) {
    if (!(error instanceof Problem || error instanceof Unreachable)) {
      app.change(screen, { busy: false })
      return app.complain(error)
    }
    const isWrong = error instanceof Problem && error.code === 'bad-credentials'
    const whole = user.includes('@') ? '' : ` ${userIsAddress}`
    const problem = isWrong ? `User ID or password is wrong. Please try again.${whole}` : error.message
    app.change(screen, { busy: false, problem, focus: 'password' })
  }
}
