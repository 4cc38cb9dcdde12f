import { raw } from 'hono/html'
import type { Child } from 'hono/jsx'
import type { Visit } from '../server/doors/visit.ts'
import type { Clock } from '../server/ground/clock.ts'
import type { Config } from '../server/ground/config.ts'
import type { Allowances, KeyState } from '../server/keys/allowances.ts'
import type { Approvals } from '../server/keys/approvals.ts'
import type { Ledger } from '../server/people/ledger.ts'
import type { Session, Sessions } from '../server/people/sessions.ts'
import { Button, Form } from './forms.tsx'
import { moment, zone } from './text.ts'
import { didOf, type PageContext, pathOf, wordsOf } from './visit.ts'
import type { Words } from './words.ts'

/** Whether this terminal holds the key, asked after the page's work was done. */
export type KeyHere = {
  isOpen: boolean
  /** An approval may be for reading only. */
  signs: boolean
}

export type Content = {
  /** The heading; also the document's title. */
  title: string
  /** What has just happened. */
  status?: Child
  current?: 'inbox' | 'sent' | 'drafts' | 'compose' | 'more'
  /** A window that stands alone: no navigation, no script. */
  isWindow?: boolean
  /** Another script than the usual one: that which asks for a passkey; or none, as what it leads to asks for one. */
  script?: 'passkey' | 'none'
  /** The page's own form holds what locks the key or ends the session, so that what was typed goes with it. */
  isEndWithin?: boolean
  /** `end`: the clocks and what ends them, for a page with `isEndWithin`. */
  body: (frame: { key: KeyHere; end: Child }) => Child
}

/** The one style, for types and classes only, which the oldest browsers know; its hash is in the Content-Security-Policy. Contrast is at least 4.5:1 in both schemes; a link is as high as its line, whatever the font. */
export const style =
  '*{color-scheme:light dark}body{font:1em/1.5 sans-serif;max-width:46em;margin:auto;word-break:break-word}body,.s{padding:4px}a{display:inline-block}nav,nav a{background:#135;color:#fff}.k,.s{border:solid}h1{font-size:1.2em}h1,p,ul{margin:6px 0;padding:0}li{display:block;border-top:1px dotted}button,select,p label>*{font:inherit;max-width:94%;min-height:2em;margin:2px}p label,.m li{display:flex;flex-wrap:wrap;gap:4px}p label>*{width:34em;margin-left:auto}.m a{flex:9em}.m label{width:16em}.t{white-space:pre-wrap}'

/** What the frame of a page asks. */
export type FrameNeeds = {
  allowances: Allowances
  approvals: Approvals
  sessions: Sessions
  ledger: Ledger
  clock: Clock
  config: Pick<Config, 'sessionIdleMs' | 'allowanceIdleMs'>
}

/** What a frame says beside the page's own content, as it is once the page's work was done. */
type Frame = {
  visit: Visit
  words: Words
  script: string
  /** The use of the key was stopped here. */
  stopped: string | null
  /** Another terminal waits for this user's approval. */
  isAsked: boolean
  isLedgerCut: boolean
  news: Child
  key: KeyState
  /** Null without a session. */
  clocks: Clocks | null
}
/** Minutes; `key` is null while it is not open here. */
type Clocks = { session: number; key: { idle: number; most: number } | null }

/** Puts the page into its frame. A session that was stopped is told so on the first page that it sees (S2100). */
export const show = async (
  c: PageContext,
  needs: FrameNeeds,
  content: Content,
  status: 200 | 400 | 403 | 404 | 409 | 413 | 421 | 422 | 429 | 500 | 503 | 507 = 200,
): Promise<Response> => {
  const { htmx, session } = c.get('visit')
  if ((content.isWindow || content.script) && htmx && c.req.method === 'GET') {
    // Passphrases are typed into a document that never had a script; a passkey is asked for by one of its own.
    c.header('HX-Redirect', pathOf(c))
    return c.body('')
  }
  const page = draw(await frameOf(c, needs, content), content)
  const response = c.html(`<!doctype html>${thin(String(page))}`, status)
  if (session?.stopped) await needs.sessions.acknowledgeStop(session)
  return response
}

const frameOf = async (c: PageContext, needs: FrameNeeds, content: Content): Promise<Frame> => {
  const visit = c.get('visit')
  const { session } = visit
  const words = wordsOf(c)
  const key: KeyState = session
    ? await needs.allowances.stateFor(session, visit.keyToken)
    : { state: 'locked' }
  const stopped = session?.stopped
  // A terminal that waits for this user's approval comes first, on any page but its own.
  const isAsked =
    session !== null &&
    !content.isWindow &&
    c.req.path !== '/a' &&
    (await needs.approvals.pending(session.user)).some(({ sessionId }) => sessionId !== session.id)
  // A log-in by passkey leads to any page, and that page says what became of the key.
  const arrival = /^in\b/.test(c.req.query('ok') ?? '') && didOf(c)
  const usual = session && !content.isWindow && !content.script ? visit.script : ''
  return {
    visit,
    words,
    script: content.script === 'passkey' ? visit.passkeyScript : usual,
    stopped: stopped
      ? words.stopped(moment(visit.language, stopped.at), stopped.by.terminal, stopped.by.address)
      : null,
    isAsked,
    isLedgerCut: session !== null && !content.isWindow && !(await followLedger(visit, session, needs)),
    news: content.status ?? (arrival && <p>{arrival}</p>),
    key,
    clocks: session && clocksOf(session, key, needs),
  }
}

/**
 * Remembers in the browser how far the user's ledger goes.
 *
 * @returns false while the ledger has not got the row that the browser remembers: that one it goes on remembering
 */
const followLedger = async (
  visit: Visit,
  session: Session,
  { ledger }: Pick<FrameNeeds, 'ledger'>,
): Promise<boolean> => {
  const { ledgerMark } = visit
  const { id } = session.user
  if (ledgerMark && !(await ledger.has(id, ledgerMark))) return false
  const mark = await ledger.markOf(id)
  if (mark && mark !== ledgerMark) visit.keepLedgerMark(mark)
  return true
}

const clocksOf = (
  session: Session,
  key: KeyState,
  { clock, config }: Pick<FrameNeeds, 'clock' | 'config'>,
): Clocks => {
  const now = clock()
  const minutes = (end: number) => Math.max(0, Math.ceil((end - now) / 60_000))
  const ends = minutes(Math.min(session.contactAt + config.sessionIdleMs, session.endsAt))
  if (key.state !== 'open') return { session: ends, key: null }
  const most = minutes(key.allowance.endsAt)
  const idle = Math.min(minutes(key.allowance.usedAt + config.allowanceIdleMs), most)
  return { session: ends, key: { idle, most } }
}

const draw = (frame: Frame, content: Content) => {
  const { visit, words, key } = frame
  const hasNavigation = visit.session && !content.isWindow
  const isOpen = key.state === 'open'
  const end = visit.session && frame.clocks && (
    <Ending
      address={visit.session.user.address}
      clocks={frame.clocks}
      words={words}
      hasTimes={content.current !== 'compose'}
    />
  )
  return (
    <html lang={visit.language}>
      <meta name="viewport" content="width=device-width" />
      <title>{content.title}</title>
      <link rel="icon" href="data:," />
      <style>{raw(style)}</style>
      {frame.script && <script type="module" src={frame.script} />}
      {hasNavigation && <Navigation words={words} current={content.current} />}
      <main>
        <Happened frame={frame} />
        <h1>{content.title}</h1>
        {content.body({ key: { isOpen, signs: isOpen && key.allowance.scope === 'sign' }, end })}
      </main>
      {end && !content.isEndWithin && (
        <footer>
          <Form visit={visit} action="/do">
            {end}
          </Form>
        </footer>
      )}
    </html>
  )
}

/** What has happened, here or to the key. */
const Happened = ({ frame: { stopped, isAsked, isLedgerCut, news, words } }: { frame: Frame }) => (
  <div role="status" class={stopped || isAsked || isLedgerCut || news ? 's' : undefined}>
    {stopped && <p>{stopped}</p>}
    {isAsked && (
      <p>
        {words.approvalWaits} <a href="/a">{words.lookAtIt}</a>
      </p>
    )}
    {isLedgerCut && (
      <p>
        {words.ledgerCut} <a href="/log">{words.keyLog}</a>
      </p>
    )}
    {news}
  </div>
)

/**
 * Leaves out what HTML does not need. Text and attribute values of others cannot match: in them `<`, `>` and `"` are
 * escaped.
 */
const thin = (html: string) =>
  html
    .replaceAll('/>', '>')
    .replaceAll(' type="submit"', '')
    .replaceAll('=""', '')
    .replace(/="([\w./:-]*[\w,-])"/g, '=$1')
    .replace(/<\/(?:p|li|option|html)>/g, '')

const Navigation = ({ words, current }: { words: Words; current: Content['current'] }) => {
  const links = [
    ['inbox', '/f/inbox', words.folder.inbox],
    ['sent', '/f/sent', words.folder.sent],
    ['drafts', '/f/drafts', words.folder.drafts],
    ['compose', '/c', words.compose],
    ['more', '/folders', words.more],
  ] as const
  return (
    <nav>
      {links.map(([name, href, label], place) => (
        <>
          {place > 0 && ' | '}
          {name === current ? (
            <a href={href} aria-current="page" class="k">
              {label}
            </a>
          ) : (
            <a href={href}>{label}</a>
          )}
        </>
      ))}
    </nav>
  )
}

/** The two clocks, and the ends that the user may make. */
const Ending = (props: { address: string; clocks: Clocks; words: Words; hasTimes: boolean }) => {
  const { address, clocks, words, hasTimes } = props
  return (
    <>
      <p>
        {address}
        {words.period}
        {words.clocks(clocks.session, clocks.key)}
        {hasTimes && ` ${words.zone(zone)}`}
      </p>
      {/* on a line of their own: w3m does not reach a button that stands where it broke the line */}
      <p>
        {clocks.key && (
          <>
            <Button a="lock">{words.lockKey}</Button>{' '}
          </>
        )}
        <Button a="logout">{words.logOut}</Button>
      </p>
    </>
  )
}
