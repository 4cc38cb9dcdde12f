/**
 * A letter leaves: what is doubted first, what is asked for on the way, and what becomes of it. What is sent is held for
 * a while and can be taken back as it was; what is refused leaves the letter as it was. And its text comes back signed.
 */

import type { Sent } from '../../../server/contract/answers.ts'
import { holdS, whetherItLeft } from '../../letter/keeper.ts'
import { doubtsAbout, isSigned } from '../../letter/letter.ts'
import { harmless } from '../../text/text.ts'
import type { Problem } from '../../wire/client.ts'
import { Unreachable } from '../../wire/connection.ts'
import { keyFor, keyName } from '../keymap.ts'
import type { Stage } from '../stage.ts'
import type { ComposeScreen, KeyUse, Undo } from '../state.ts'
import { rewritten, textOf } from '../text-field.ts'
import { alter, failureOf, keeperOf, letterOf, openAgain } from './keep-letter.ts'
import { addressesHold, fieldWith, lookUp, lookUpSoon, protectionOf, wrongIn } from './recipients.ts'

type Own = ComposeScreen & { id: number }

const undoMs = 60_000

export const send = async (app: Stage, screen: Own): Promise<void> => {
  const letter = letterOf(screen)
  if (`${letter.to}${letter.cc}${letter.bcc}` === '') {
    app.change(screen, { focus: 'to', offered: null })
    return app.warn('Who is it to? The letter has no recipient.')
  }
  const [doubt] = Object.entries(doubtsAbout(letter, screen.signed)).filter(
    ([name]) => !screen.asked.includes(name),
  )
  if (doubt) {
    const [name, sentence] = doubt
    return ask(app, screen, name, `${sentence} Send it all the same? y/n`, (now) => void send(app, now))
  }
  // Before the passphrase is asked for; else the server says it as well. And as long as its recipients decide how it
  // leaves, it does not leave before they are known.
  if (letter.sign || !letter.isChosen) {
    if (screen.recipients.length === 0) {
      app.change(screen, { busy: true, offered: null })
      await lookUp(app, screen)
      const now = app.current(screen)
      if (now) app.change(now, { busy: false })
    }
    const now = app.current(screen)
    if (!now || !addressesHold(app, now)) {
      // Why they are not known was said.
      if (now && !now.problem && now.recipients.length === 0)
        app.warn(`${app.state.notice?.text ?? ''} Nothing was sent; the letter is still here.`.trim())
      return
    }
    // It was to leave encrypted when send was pressed.
    if (letter.encrypt && !now.letter.encrypt)
      return app.warn(
        `${protectionOf(now, app.state).text}. It was not sent; ${keyFor(app.keymap, 'compose', 'send')} sends it so.`,
      )
  }
  const keeper = keeperOf(app, screen)
  app.change(screen, { busy: true, offered: null })
  const work = () => keeper.send().catch(failureOf)
  const leaving = (app.current(screen) ?? screen).letter
  const answer =
    leaving.sign || leaving.attachments.some((each) => 'file' in each)
      ? await app.withKey({ verb: 'Send', about: letter.subject }, work)
      : await app.ask(work, 'Sending')
  const now = app.current(screen)
  if (!now) return
  app.change(now, { busy: false })
  if (answer === null) {
    if (!app.state.notice) app.note('The letter was not sent; it is as it was.')
  } else if (answer instanceof Error) wasRefused(app, now, answer)
  else wasSent(app, now, answer)
}

const wasRefused = (app: Stage, screen: Own, why: Problem | Unreachable) => {
  if (why instanceof Unreachable) return app.warn(`${why.message} ${whetherItLeft(why)}`)
  if (why.code === 'bad-address')
    app.change(screen, { focus: fieldWith(screen, why.addresses ?? []), problem: wrongIn(why) })
  if (why.reason === 'kinds-differ')
    return app.askChoice(
      `${why.message} Send each what they can read? y/n`,
      {
        y: () => {
          const now = app.current(screen)
          if (!now) return
          app.change(now, { letter: { ...now.letter, kind: 'each', isChosen: true } })
          void send(app, app.current(screen)!)
        },
        n: () => app.note('The letter is as it was.'),
      },
      screen.id,
    )
  if (why.code === 'no-key-for') lookUpSoon(app, screen, 0)
  app.warn(why.message)
}

const wasSent = (app: Stage, screen: Own, { queued, delivered, held_until }: Sent) => {
  const whom = [...new Set([...queued, ...delivered])].map(harmless)
  const shown = whom.slice(0, 4).join(', ') + (whom.length > 4 ? ` and ${whom.length - 4} more` : '')
  const keeper = keeperOf(app, screen)
  app.close(screen.id)
  void app.moved()
  if (held_until === null) return app.note(`Sent to ${shown}.`)
  const undo: Undo = {
    label: `Sent to ${shown}.`,
    until: app.surroundings.now() + undoMs,
    run: async () => {
      const from = app.top?.id ?? null
      let draft: number
      try {
        draft = await keeper.recall()
      } catch (error) {
        // It may still be in time.
        if (error instanceof Unreachable) app.dispatch({ type: 'undo', undo })
        throw error
      }
      const again = openAgain(app, from, screen, draft, { changedAt: null, keptAt: app.surroundings.now() })
      app.note(`The letter did not leave: it ${again === null ? 'lies in Drafts' : 'is yours again'}.`)
      void app.moved()
    },
  }
  app.dispatch({ type: 'undo', undo })
  const [key = 'u'] = app.keymap.global.undo?.keys ?? []
  app.note(`Sent to ${shown} (leaves in ${holdS} s; ${keyName(key)} takes it back)`, {
    forMs: holdS * 1000,
    isKept: true,
  })
}

/** Asks once; a yes holds for this letter. */
export const ask = (app: Stage, screen: Own, name: string, question: string, yes: (now: Own) => void) =>
  app.askChoice(
    question,
    {
      y: () => {
        const now = app.current(screen)
        if (!now) return
        app.change(now, { asked: [...now.asked, name] })
        yes(app.current(screen)!)
      },
      n: () => app.note('The letter is as it was.'),
    },
    screen.id,
  )

/** S1450-S1510: the text comes back signed, ready to be sent. */
export const signText = async (app: Stage, screen: Own) => {
  const text = textOf(screen.text)
  if (text.trim() === '') return app.note('There is no text yet that could be signed.')
  if (isSigned(text)) return app.note('The text is signed already.')
  app.change(screen, { busy: true })
  const use: KeyUse = { verb: 'Sign', about: screen.fields.subject.text }
  const signed = await app.withKey(use, () => app.client.sign(text))
  const now = app.current(screen)
  if (!now) return
  app.change(now, { busy: false })
  if (signed === null) {
    if (!app.state.notice) app.note('The text was not signed; it is as it was.')
    return
  }
  // Whether it is encrypted is to be known before it counts as chosen.
  if (!now.letter.isChosen && now.recipients.length === 0) await lookUp(app, now)
  const known = app.current(screen)
  if (!known) return
  alter(app, known, {
    text: rewritten(known.text, signed),
    signed,
    focus: 'text',
    letter: { ...known.letter, sign: false, isChosen: true },
  })
  const files = known.letter.attachments.length
    ? ` The signature covers the text, not the attached files; ${keyFor(app.keymap, 'compose', 'sign')} covers both.`
    : ''
  app.note(`Signed, and ready to send. If you change the text now, the signature no longer fits.${files}`)
}
