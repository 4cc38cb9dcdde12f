/**
 * Approval from a phone: the address to open there, as text and as a QR code of that address alone, and the six digits
 * to type on it. The screen waits; where the QR code does not fit, the address and the digits do.
 */
import QRCode from 'qrcode'
import { harmless, wrapped } from '../../text/text.ts'
import { Problem } from '../../wire/client.ts'
import { localNote, Unreachable } from '../../wire/connection.ts'
import type { Line, ScreenKind } from '../screen.ts'
import type { Stage } from '../stage.ts'
import type { ApprovalScreen } from '../state.ts'

type Own = ApprovalScreen & { id: number }

const askEveryMs = 3000
/** How long the server waits for the phone. */
const lastsS = 120
const quiet = 2 // modules around the code; ISO 18004 wants four, phones read two

/**
 * Asks for the key by a phone.
 *
 * @param from the number of the window that wants it; where that is not on top any more, nothing is asked for
 * @returns true once it is granted, or a sentence why not
 */
export const askApproval = async (
  app: Stage,
  from: number,
  scope: 'read' | 'sign',
): Promise<true | string> => {
  const givenUp = async () => {
    // Who gives up does not want the key opened by a late touch.
    await app.client.lock().catch(() => undefined)
    return 'The approval was given up. The passphrase opens the key as well.'
  }
  let asked: Awaited<ReturnType<Stage['client']['askApproval']>>
  try {
    asked = await app.client.askApproval(scope)
  } catch (error) {
    if (error instanceof Problem || error instanceof Unreachable) return error.message
    throw error
  }
  if (app.top?.id !== from) return givenUp()
  const { address, code } = asked
  const end = app.put<true | string>({
    name: 'approval',
    scope,
    address,
    code,
    endsAt: app.surroundings.now() + lastsS * 1000,
    qr: modules(address),
  })
  const screen = app.top as Own
  const timer = setInterval(() => {
    if (app.current(screen)) void look(app, screen)
    else clearInterval(timer)
  }, askEveryMs)
  const result = await end
  clearInterval(timer)
  if (result !== null) return result
  return givenUp()
}

const look = async (app: Stage, screen: Own) => {
  try {
    const state = await app.client.approval()
    if (state === 'granted') app.close(screen.id, true)
    else if (state === 'expired')
      app.close(screen.id, 'The approval was not given in time. Ask again, or type the passphrase.')
    else if (state === 'denied') app.close(screen.id, 'The approval was denied on the phone.')
  } catch (error) {
    // Who denies ends this session: the work that wanted the key finds that out and leads to the log-in.
    if (error instanceof Problem) app.close(screen.id, 'The approval was denied, and this session with it.')
    else if (!(error instanceof Unreachable)) app.complain(error)
  }
}

export const approval: ScreenKind<Own> = {
  context: 'key',
  hints: [],
  title: () => 'Approve on your phone',

  view(screen, state, { columns, rows }) {
    const left = Math.max(0, Math.min(lastsS, Math.ceil((screen.endsAt - state.now) / 1000)))
    const lasts = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`
    const what = screen.scope === 'read' ? 'to read mail for 15 minutes' : 'to read and sign'
    const local = localNote(screen.address)
    const digits = `${screen.code.slice(0, 3)} ${screen.code.slice(3)}`
    const said: Line[] = [
      ...wrapped(`Approve on your phone, ${what}`, columns).map((text): Line => [{ text, bold: true }]),
      ...wrapped(`1. Open there: ${harmless(screen.address)}`, columns).map((text): Line => [text]),
      ...(local ? wrapped(local, columns).map((text): Line => [text]) : []),
      ['2. Type there: ', { text: digits, bold: true }],
      ...wrapped(`This terminal waits ${lasts}. Enter looks now, Esc gives up.`, columns).map(
        (text): Line => [text],
      ),
    ]
    const code = halfBlocks(screen.qr)
    const fits = code.length + said.length <= rows && (code[0]?.length ?? 0) <= columns
    return {
      lines: fits ? [...said, ...code.map((text): Line => [text])] : said,
      cursor: { x: 0, y: said.length - 1 },
    }
  },

  type(app, screen, press) {
    if (press.name === 'esc') app.close(screen.id)
    else if (press.name === 'enter') void look(app, screen)
    return true
  },

  run: () => undefined,
}

const modules = (text: string): boolean[][] => {
  const { modules } = QRCode.create(text, { errorCorrectionLevel: 'L' })
  const { size } = modules
  return Array.from({ length: size + 2 * quiet }, (_, y) =>
    Array.from({ length: size + 2 * quiet }, (_, x) => {
      const [row, column] = [y - quiet, x - quiet]
      return row >= 0 && column >= 0 && row < size && column < size && Boolean(modules.get(row, column))
    }),
  )
}

/** Two rows of modules a line. The light ones are drawn: on the dark ground that most terminals have, it reads right. */
const halfBlocks = (rows: boolean[][]): string[] => {
  const lines: string[] = []
  for (let y = 0; y < rows.length; y += 2) {
    const [upper = [], lower = upper.map(() => false)] = [rows[y], rows[y + 1]]
    lines.push(upper.map((dark, x) => (dark ? (lower[x] ? ' ' : '▄') : lower[x] ? '▀' : '█')).join(''))
  }
  return lines
}
