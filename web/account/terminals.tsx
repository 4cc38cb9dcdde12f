/** Where the user is logged in, and every use of the key: to see what one did not do oneself, and to end it. */
import { Hono } from 'hono'
import type { Language, Visit } from '../../server/doors/visit.ts'
import type { LedgerEvent } from '../../server/people/ledger.ts'
import type { LedgerReason, ReasonOf } from '../../server/people/ledger-reasons.ts'
import type { Session } from '../../server/people/sessions.ts'
import { Button, Form, Hidden, Links } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { moment, oneLine, shortDate } from '../text.ts'
import { didOf, idOf, type PageContext, type PageEnv, sessionOf, wordsOf } from '../visit.ts'
import type { LedgerSaid, Words } from '../words.ts'

type Needs = FrameNeeds

const rows = 20

export const terminalPages = (needs: Needs) =>
  new Hono<PageEnv>()
    .get('/t', (c) => terminals(c, needs))
    .post('/t', (c) => endOne(c, needs))
    .get('/log', (c) => keyLog(c, needs))
    .post('/log', (c) => rememberLedger(c, needs))

// ---- where the user is logged in

const terminals = async (c: PageContext, needs: Needs): Promise<Response> => {
  const { sessions, allowances, clock } = needs
  const { user, id } = sessionOf(c)
  const visit = c.get('visit')
  const words = wordsOf(c)
  const did = didOf(c)
  const now = clock()
  const all: LoggedIn[] = []
  for (const session of await sessions.list(user)) {
    const holdsKey = (await allowances.state(session)).state === 'open'
    all.push({ session, holdsKey, isThis: session.id === id })
  }
  return show(c, needs, {
    title: words.terminals,
    current: 'more',
    status: did && <p>{did}</p>,
    body: () => (
      <ul>
        {all.map((each) => (
          <Terminal {...each} visit={visit} words={words} now={now} />
        ))}
      </ul>
    ),
  })
}

type LoggedIn = {
  session: Session
  holdsKey: boolean
  /** It is the one that asks. */
  isThis: boolean
}

const Terminal = (props: LoggedIn & { visit: Visit; words: Words; now: number }) => {
  const { session, holdsKey, isThis, visit, words, now } = props
  return (
    <li>
      <Form visit={visit} action="/t">
        <b>{session.terminal}</b>
        {words.comma}
        {session.address}
        {words.comma}
        {words.since} {shortDate(visit.language, session.createdAt, now)}
        {words.comma}
        {words.lastSeen} {shortDate(visit.language, session.contactAt, now)}
        {holdsKey && (
          <b>
            {words.comma}
            {words.holdsKey}
          </b>
        )}{' '}
        {isThis ? (
          <>({words.thisOne})</>
        ) : (
          <>
            <Hidden name="id" value={session.id} />
            <Button a="end">{words.endSession}</Button>
          </>
        )}
      </Form>
    </li>
  )
}

const endOne = async (c: PageContext, { sessions }: Needs): Promise<Response> => {
  const session = sessionOf(c)
  const id = c.get('visit').form.get('id')
  if (id !== session.id) await sessions.endOwn(session.user, id)
  return c.redirect('/t?ok=ended', 303)
}

// ---- what the key was used for

const keyLog = async (c: PageContext, needs: Needs): Promise<Response> => {
  const { ledger } = needs
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
        {isCut && <Cut visit={visit} words={words} />}
        <ul>
          {events.slice(0, rows).map((entry) => (
            <Row language={language} words={words} entry={entry} />
          ))}
        </ul>
        <Links links={[older && <a href={`/log?before=${older.id}`}>{words.older}</a>]} />
      </>
    ),
  })
}

/** The ledger lacks what this browser has seen of it. */
const Cut = ({ visit, words }: { visit: Visit; words: Words }) => (
  <Form visit={visit} action="/log">
    <p>
      {words.ledgerCutMeans} <Button>{words.ledgerForget}</Button>
    </p>
  </Form>
)

const rememberLedger = async (c: PageContext, { ledger }: Needs): Promise<Response> => {
  // From here on the browser remembers the ledger as it is now.
  const mark = await ledger.markOf(sessionOf(c).user.id)
  c.get('browser').keepLedgerMark(mark)
  return c.redirect('/log', 303)
}

const Row = ({ language, words, entry }: { language: Language; words: Words; entry: LedgerEvent }) => (
  <li>
    {moment(language, entry.at)}: <b>{didIn(words, entry)}</b>
    {howIn(words, entry)}
    {words.period}
    {entry.terminal} ({entry.address})
    {entry.messageId !== null && <> {<a href={`/m/${entry.messageId}`}>{words.mail}</a>}</>}
  </li>
)

/** What happened. */
const didIn = (words: Words, { event, reason }: LedgerEvent): string =>
  saidOf(words, reason).did ?? words.events[event]

/** By what, and why. */
const howIn = (words: Words, { event, method, reason }: LedgerEvent): string => {
  const { by, why } = saidOf(words, reason)
  const isApproval = reason?.kind === 'opened-by-approval' // which says more than that it was one
  const opened = event === 'granted' && method && method !== 'password' && !isApproval
  const how = by ?? (opened ? words.openedBy[method] : '')
  return `${how && ` ${how}`}${why ? `: ${why}` : ''}`
}

const saidOf = (words: Words, reason: LedgerReason | null): LedgerSaid =>
  reason ? said(words.ledgerReasons, onOneLine(reason)) : {}

const said = <K extends LedgerReason['kind']>(
  table: { [Each in K]: (reason: ReasonOf<Each>) => LedgerSaid },
  reason: ReasonOf<K>,
): LedgerSaid => table[reason.kind](reason)

/** Names come from whoever registered a passkey or logged in. */
const onOneLine = (reason: LedgerReason): LedgerReason => {
  if ('terminal' in reason) return { ...reason, terminal: oneLine(reason.terminal) }
  if ('name' in reason && reason.name !== null) return { ...reason, name: oneLine(reason.name) }
  return reason.kind === 'unknown' ? { ...reason, text: oneLine(reason.text) } : reason
}
