/** What the user sent that has not left yet: whom for, since when, why; to have it tried at once, or to give it up. */
import { Hono } from 'hono'
import type { Visit } from '../../server/doors/visit.ts'
import { refusalOf } from '../../server/ground/refusal.ts'
import type { Letters } from '../../server/mail/letters.ts'
import type { Outbox, Waiting } from '../../server/mail/outbox.ts'
import { Button, Form, Hidden, Links } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { nearTime, wholeAddress } from '../text.ts'
import { didOf, idOf, type PageContext, type PageEnv, sentenceOf, sessionOf, wordsOf } from '../visit.ts'
import type { Words } from '../words.ts'

type Needs = FrameNeeds & { letters: Letters; outbox: Outbox }

const rows = 10
/** How long letters may wait, as it is offered, in seconds; the terminal client waits as the second says. */
const holdsS = [0, 15, 60]
/** Addresses that are named of one mail. */
const named = 10

export const queuePages = (needs: Needs) =>
  new Hono<PageEnv>().get('/q', (c) => showQueue(c, needs, didOf(c))).post('/q', (c) => changeQueue(c, needs))

const showQueue = async (c: PageContext, needs: Needs, status?: string) => {
  const visit = c.get('visit')
  const words = wordsOf(c)
  const before = idOf(c.req.query('before')) || null
  const found = await needs.outbox.waiting(sessionOf(c).user.id, { before, limit: rows + 1 })
  const mails = found.slice(0, rows)
  const when = (at: number) => nearTime(visit.language, at, needs.clock())
  return show(c, needs, {
    title: words.queue,
    current: 'more',
    status: status && <p>{status}</p>,
    body: () => (
      <>
        <p>{mails.length === 0 ? words.queueEmpty : words.queueWhat}</p>
        <ul>
          {mails.map((mail) => (
            <li>
              <Form visit={visit} action="/q">
                <WaitingMail words={words} mail={mail} when={when} />
              </Form>
            </li>
          ))}
        </ul>
        <Links links={[found.length > rows && <a href={`/q?before=${mails.at(-1)!.id}`}>{words.older}</a>]} />
        <Holds visit={visit} words={words} />
      </>
    ),
  })
}

/** How long letters from this terminal wait before they leave: while they do, they can be taken back. */
const Holds = ({ visit, words }: { visit: Visit; words: Words }) => (
  <>
    <p>{words.holdWhat(visit.holdS)}</p>
    {holdsS
      .filter((seconds) => seconds !== visit.holdS)
      .map((seconds) => (
        <Form visit={visit} action="/q">
          <Hidden name="s" value={String(seconds)} />
          <Button a="hold">{words.hold(seconds)}</Button>
        </Form>
      ))}
  </>
)

const changeQueue = async (c: PageContext, needs: Needs) => {
  const session = sessionOf(c)
  const { form } = c.get('visit')
  const id = idOf(form.get('id'))
  try {
    switch (form.get('a')) {
      case 'retry':
        await needs.outbox.retry(session.user.id, id)
        return c.redirect('/q?ok=retried', 303)
      case 'drop': {
        const { id: draft } = await needs.letters.giveUp(session, id)
        return c.redirect(`/q?ok=${draft === null ? 'given-up' : 'taken-back'}`, 303)
      }
      case 'recall': {
        await needs.letters.recall(session, idOf(form.get('copy')))
        return c.redirect('/f/drafts?ok=taken-back', 303)
      }
      case 'hold':
        c.get('browser').setHold(Number(form.get('s')))
        return c.redirect('/q?ok=hold-set', 303)
      default:
        return c.redirect('/q', 303)
    }
  } catch (error) {
    const refusal = refusalOf(error)
    if (!refusal) throw error
    return showQueue(c, needs, sentenceOf(c, refusal))
  }
}

/** @param when says a moment, near now */
const WaitingMail = (props: { words: Words; mail: Waiting; when: (at: number) => string }) => {
  const { words, mail, when } = props
  return (
    <>
      <Hidden name="id" value={mail.id} />
      <b>{recipientsIn(words, mail)}</b>
      {words.period}
      {stateIn(words, mail, when)}{' '}
      {mail.state !== 'sending' && (
        <>
          <Button a="retry">{words.tryNow}</Button>{' '}
          <Button a="drop">{mail.state === 'held' ? words.takeBack : words.giveUp}</Button>
        </>
      )}
    </>
  )
}

const recipientsIn = (words: Words, { to }: Waiting): string => {
  const said = to.slice(0, named).map(wholeAddress).join(words.comma)
  return to.length > named ? words.andMore(said, to.length - named) : said
}

const stateIn = (words: Words, { state, since, nextAt, why }: Waiting, when: (at: number) => string) => {
  if (state === 'sending') return words.isSending
  if (since === null) return words.leavesAt(when(nextAt))
  return why === null
    ? words.waitsSince(when(since))
    : words.putOff(when(since), words.queueReason(why), when(nextAt))
}
