/** S1040-S1070: the server's certificate is not acceptable, so no session starts; any key ends the client with 1. */

import { wrapped } from '../../text/text.ts'
import type { ScreenKind } from '../screen.ts'
import type { UntrustedScreen } from '../state.ts'

type Own = UntrustedScreen & { id: number }

export const untrusted: ScreenKind<Own> = {
  context: 'key',
  hints: [],
  title: () => 'No encrypted communication',

  view(screen, _state, { columns }) {
    const [first = '', ...rest] = screen.sentences
    const lines = [
      ...wrapped(first, columns).map((text) => [{ text, bold: true }]),
      [''],
      ...rest.flatMap((sentence) => [...wrapped(sentence, columns).map((text) => [text]), ['']]),
      ...wrapped(
        'Trust an authority of your own: --ca FILE; a certificate: --fingerprint HEX. Any key ends.',
        columns,
      ).map((text) => [text]),
    ]
    return { lines, cursor: { x: 0, y: lines.length - 1 } }
  },

  type(app) {
    void app.end(1)
    return true
  },

  run: () => undefined,
}
