/** Letters that wait to leave: whom for, since when, why; to have one tried at once, or to give it up. */

import type { WaitingMail } from '../../../server/contract/answers.ts'
import { cut, harmless } from '../../text/text.ts'
import { moment, shortMoment, stateOfWaiting } from '../../text/words.ts'
import { keyFor } from '../keymap.ts'
import type { Stage } from '../stage.ts'
import type { MenuItem } from '../state.ts'
import { menu, openMenu } from './menu.ts'

export const waitingLetters = (app: Stage) =>
  openMenu(
    app,
    'Waiting letters',
    async () => {
      const { queue, next } = await app.client.queue(null, 100)
      return {
        items: queue.map((mail) => itemOf(app, mail)),
        ...(next === null ? {} : { intro: [...intro(app), 'These are the newest hundred.'] }),
      }
    },
    intro(app),
  )

const intro = (app: Stage) => [
  'What has not left yet, and for whom. What failed is tried again for three days.',
  `${keyFor(app.keymap, 'menu', 'retry')} tries it now, ${keyFor(app.keymap, 'menu', 'delete')} gives it up or takes it back, ${keyFor(app.keymap, 'menu', 'choose')}: more.`,
]

const itemOf = (app: Stage, mail: WaitingMail): MenuItem => {
  const { id, to, since, next_at, why, held, sending } = mail
  const state = stateOfWaiting(mail)
  const isDone = async (sentence: string, work: () => Promise<unknown>) => {
    // Kept: the report of what was given up is new mail, which would be said in its place.
    if (await app.does(work)) app.note(sentence, { isKept: true })
    void app.contact()
    if (app.top?.name === 'menu') menu.shown?.(app, app.top)
  }
  const lines = [
    `To: ${to.join(', ')}`,
    since === null ? '' : `Since: ${moment(since)}`,
    `State: ${state}`,
    why === null ? '' : `Why: ${why}`,
    sending ? '' : `${held || since === null ? 'Leaves' : 'Next try'}: ${moment(next_at)}`,
  ]
  return {
    when: shortMoment(since ?? next_at, app.surroundings.now()),
    text: to.join(', '),
    detail: why === null ? state : `${state}: ${why}`,
    choose: () =>
      app.push({
        name: 'text',
        title: 'Waiting letter',
        intro: '',
        content: { text: lines.filter(Boolean).join('\n') },
        top: 0,
        isSecret: false,
      }),
    retry: () => void isDone('It is tried now.', () => app.client.retry(id)),
    remove: () =>
      app.askChoice(
        held
          ? 'Take this letter back into Drafts? y/n'
          : `Give up what was for ${cut(harmless(to.join(', ')), 40)}? y/n`,
        {
          y: () =>
            void isDone(
              held
                ? 'It is in Drafts again.'
                : 'Given up: a report is in your Inbox, the copy stays in Sent.',
              () => app.client.giveUp(id),
            ),
          n: () => undefined,
        },
      ),
  }
}
