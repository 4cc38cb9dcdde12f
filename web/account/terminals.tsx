/** Where the user is logged in, and every use of the key: to see what one did not do oneself, and to end it. */
import { Hono } from 'hono'
import type { Session } from '../../server/people/sessions.ts'
import { Button, Form, Hidden, Links } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { moment, oneLine, shortDate } from '../text.ts'
import { didOf, idOf, type PageEnv, sessionOf, wordsOf } from '../visit.ts'
import type { Words } from '../words.ts'

type Needs = FrameNeeds

const rows = 20

export const terminalPages = (needs: Needs) => {
  const { sessions, allowances, ledger, clock } = needs

  return new Hono<PageEnv>()
    .get('/t', async (c) => {
      const session = sessionOf(c)
      const visit = c.get('visit')
      const words = wordsOf(c)
      const did = didOf(c)
      const now = clock()
      const list = await sessions.list(session.user)
      const keyed: { each: Session; holds: boolean }[] = []
      for (const each of list) keyed.push({ each, holds: (await allowances.state(each)).state === 'open' })
      return show(c, needs, {
        title: words.terminals,
        current: 'more',
        status: did && <p>{did}</p>,
        body: () => (
          <ul>
            {keyed.map(({ each, holds }) => (
              <li>
                <Form visit={visit} action="/t">
                  <b>{each.terminal}</b>
                  {words.comma}
                  {each.address}
                  {words.comma}
                  {words.since} {shortDate(visit.language, each.createdAt, now)}
                  {words.comma}
                  {words.lastSeen} {shortDate(visit.language, each.contactAt, now)}
                  {holds && (
                    <b>
                      {words.comma}
                      {words.holdsKey}
                    </b>
                  )}{' '}
                  {each.id === session.id ? (
                    <>({words.thisOne})</>
                  ) : (
                    <>
                      <Hidden name="id" value={each.id} />
                      <Button a="end">{words.endSession}</Button>
                    </>
                  )}
                </Form>
              </li>
            ))}
          </ul>
        ),
      })
    })
    .post('/t', async (c) => {
      const session = sessionOf(c)
      const id = c.get('visit').form.get('id')
      if (id !== session.id) await sessions.endOwn(session.user, id)
      return c.redirect('/t?ok=ended', 303)
    })
    .get('/log', async (c) => {
      const words = wordsOf(c)
      const visit = c.get('visit')
      const { language, ledgerMark } = visit
      const { id: userId } = sessionOf(c).user
      const isCut = ledgerMark !== null && !(await ledger.has(userId, ledgerMark))
      const events = await ledger.list(userId, idOf(c.req.query('before')) || null, rows + 1)
      const older = events.length > rows ? events[rows - 1] : undefined
      return show(c, needs, {
        title: words.keyLog,
        current: 'more',
        body: () => (
          <>
            <p>{words.ledgerOf}</p>
            {isCut && (
              <Form visit={visit} action="/log">
                <p>
                  {words.ledgerCutMeans} <Button>{words.ledgerForget}</Button>
                </p>
              </Form>
            )}
            <ul>
              {events.slice(0, rows).map(({ at, event, method, reason, messageId, terminal, address }) => (
                <li>
                  {moment(language, at)}: <b>{eventOf(words, event, reason)}</b>
                  {event === 'granted' &&
                    method &&
                    !(reason && partsOf(reason)) &&
                    ` ${words.openedBy[method] ?? method}`}
                  {reason && because(words, event, reason)}
                  {words.period}
                  {terminal} ({address})
                  {messageId !== null && <> {<a href={`/m/${messageId}`}>{words.mail}</a>}</>}
                </li>
              ))}
            </ul>
            <Links links={[older && <a href={`/log?before=${older.id}`}>{words.older}</a>]} />
          </>
        ),
      })
    })
    .post('/log', async (c) => {
      // From here on the browser remembers the ledger as it is now.
      const mark = await ledger.markOf(sessionOf(c).user.id)
      c.get('visit').keepLedgerMark(mark)
      return c.redirect('/log', 303)
    })
}

/** A reason as the ledger keeps it: what it is for, what was done, at which other terminal or with which passkey. */
const partsOf = (reason: string) => {
  const [, scope, did, name] =
    reason.match(
      /^(?:(read|sign), )?(approved on|denied on|was held by|by passkey|passkey-added|passkey-removed) (.*)$/s,
    ) ?? []
  return did === undefined ? null : { scope, did, name: name ?? '' }
}

const eventOf = (words: Words, event: string, reason?: string | null): string | undefined => {
  const parts = reason ? partsOf(reason) : null
  return words.events[`${event} ${parts?.scope ?? parts?.did ?? reason}`] ?? words.events[event]
}

/** Why, unless the event has a name of its own for it. */
const because = (words: Words, event: string, reason: string): string => {
  const parts = partsOf(reason)
  if (parts)
    return `${parts.did === 'by passkey' ? '' : ':'} ${words.reasonsWith[parts.did]?.(oneLine(parts.name)) ?? reason}`
  return words.events[`${event} ${reason}`] ? '' : `: ${words.reasons[reason] ?? reason}`
}
