/**
 * Keys that came with a mail, each on a screen of its own: all that it would count for, its fingerprint, what stands
 * against it. Who does not come to the end of that cannot accept it, for an address that nobody saw would count as well.
 */

import type { OfferedKey } from '../../../server/contract/answers.ts'
import { cut, harmless, wrapped } from '../../text/text.ts'
import { grouped, moment, revocationIsListed } from '../../text/words.ts'
import { keyFor } from '../keymap.ts'
import { type Line, movedTo, type ScreenKind } from '../screen.ts'
import type { Stage } from '../stage.ts'
import type { OfferScreen } from '../state.ts'
import type { Size } from '../terminal.ts'

type Own = OfferScreen & { id: number }

export const offer: ScreenKind<Own> = {
  context: 'menu',
  hints: ['pageDown', 'pageUp', 'back'],
  title: ({ keys, place }) =>
    keys.length > 1 ? `Accept this key? ${place + 1} of ${keys.length}` : 'Accept this key?',

  view(screen, state, size) {
    const rows = rowsOf(screen, size)
    const room = roomOf(size)
    const shown = rows.slice(screen.top, screen.top + room)
    const left = rows.length - screen.top - shown.length
    const page = keyFor(state.keymap, 'menu', 'pageDown')
    const asked =
      isRead(screen, size) || left === 0
        ? cut('Accept it? y: yes, n: no', size.columns)
        : cut(`-- ${left} more lines to read: ${page}`, size.columns)
    const lines: Line[] = shown.map((row) => [row])
    while (lines.length < room) lines.push([''])
    return { lines: [...lines, [{ text: asked, bold: true }]], cursor: { x: 0, y: 0 } }
  },

  type(app, screen, press) {
    if (press.name !== 'y' && press.name !== 'n') return false
    if (press.name === 'n') {
      app.note('The key was not accepted.')
      next(app, screen)
    } else if (isRead(screen, sizeOf(app))) {
      const key = screen.keys[screen.place]!
      void screen.accept(key).then((done) => {
        const now = app.current(screen)
        if (!done || now?.place !== screen.place) return
        app.note('The key is accepted.')
        next(app, now)
      })
    } else app.note('Read to the end first: the key would count for all that stands there.')
    return true
  },

  run(app, screen, command) {
    const size = sizeOf(app)
    const most = Math.max(0, rowsOf(screen, size).length - roomOf(size))
    const page = Math.max(1, roomOf(size) - 1)
    // Nobody jumps to the end: what is accepted is to have been on the screen.
    const top = command === 'last' ? null : movedTo(command, screen.top, page, most)
    if (top === null) return
    app.change(screen, { top, isRead: screen.isRead || top === most })
  },
}

const sizeOf = (app: Stage): Size => ({ columns: app.size.columns, rows: app.bodyRows })

/** Under it stands what is asked. */
const roomOf = ({ rows }: Size) => Math.max(1, rows - 1)

const isRead = (screen: Own, size: Size) => screen.isRead || rowsOf(screen, size).length <= roomOf(size)

const next = (app: Stage, screen: Own) => {
  const place = screen.place + 1
  if (place < screen.keys.length) app.change(screen, { place, top: 0, isRead: false })
  else app.close(screen.id)
}

const rowsOf = ({ keys, place }: Own, { columns }: Size): string[] =>
  saidOf(keys[place]!).flatMap((text) => (text === '' ? [''] : wrapped(text, columns)))

/** Each address in a line of its own: a long one must not push another out of sight. */
const saidOf = (key: OfferedKey): string[] => [
  'Compare the fingerprint with its owner, by telephone or in person, before you accept it.',
  '',
  `Fingerprint: ${grouped(harmless(key.fingerprint))}`,
  ...(key.issuer === null
    ? []
    : [
        `Certificate of ${key.names.map(harmless).join(', ')}, issued by ${harmless(key.issuer)}. ${revocationIsListed}`,
      ]),
  `${harmless(key.algorithm)}, made ${moment(key.created)}${key.expires === null ? '' : `, expires ${moment(key.expires)}`}`,
  ...(key.can_encrypt ? [] : ['This key cannot be used to encrypt.']),
  '',
  key.addresses.length
    ? `It will count for ${key.addresses.length === 1 ? 'this address' : `these ${key.addresses.length} addresses`}:`
    : 'It names no mail address and will count for none.',
  ...key.addresses.map((address) => `* ${harmless(address)}`),
  ...(key.conflicts.length ? [''] : []),
  ...key.conflicts.map(({ address, with: other }) =>
    other === 'user'
      ? `NOTE: ${harmless(address)} is a user of this server: this key will not count for that address.`
      : `NOTE: Another key is already accepted for ${harmless(address)}; mail to it will be encrypted to this one.`,
  ),
]
