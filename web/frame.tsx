/** Shows a page: what its frame says is asked once, after the page's own work; then the document is drawn. */
import type { Clock } from '../server/ground/clock.ts'
import type { Config } from '../server/ground/config.ts'
import type { Allowances, KeyState } from '../server/keys/allowances.ts'
import type { Approvals } from '../server/keys/approvals.ts'
import type { Ledger } from '../server/people/ledger.ts'
import type { Session, Sessions } from '../server/people/sessions.ts'
import { type Clocks, type Content, drawDocument, type Frame } from './document.tsx'
import { moment } from './text.ts'
import { didOf, type PageContext, pathOf, wordsOf } from './visit.ts'

/** What the frame of a page asks. */
export type FrameNeeds = {
  allowances: Allowances
  approvals: Approvals
  sessions: Sessions
  ledger: Ledger
  clock: Clock
  config: Pick<Config, 'sessionIdleMs' | 'allowanceIdleMostMs'>
}

/** Puts the page into its frame, and answers with it. */
export const show = async (
  c: PageContext,
  needs: FrameNeeds,
  content: Content,
  status: 200 | 400 | 403 | 404 | 409 | 413 | 416 | 421 | 422 | 429 | 500 | 503 | 507 = 200,
): Promise<Response> => {
  const { htmx } = c.get('visit')
  if ((content.isWindow || content.script) && htmx && c.req.method === 'GET') {
    // Passphrases are typed into a document that never had a script; a passkey is asked for by one of its own.
    c.header('HX-Redirect', pathOf(c))
    return c.body('')
  }
  const document = drawDocument(await askFrame(c, needs, content), content)
  await noteStopTold(c, needs)
  return c.html(document, status)
}

/** A session that was stopped is told so on the first page that it sees (S2100), once that page is there to be sent. */
const noteStopTold = async (c: PageContext, { sessions }: Pick<FrameNeeds, 'sessions'>): Promise<void> => {
  const { session } = c.get('visit')
  if (session?.stopped) await sessions.acknowledgeStop(session)
}

const askFrame = async (c: PageContext, needs: FrameNeeds, content: Content): Promise<Frame> => {
  const visit = c.get('visit')
  const { session } = visit
  const words = wordsOf(c)
  const key: KeyState = session
    ? await needs.allowances.stateFor(session, visit.keyToken)
    : { state: 'locked' }
  const stopped = session?.stopped
  const isAsked = session !== null && !content.isWindow && (await isApprovalWaiting(c, session, needs))
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
    isLedgerCut: session !== null && !content.isWindow && !(await followLedger(c, session, needs)),
    news: content.status ?? (arrival && <p>{arrival}</p>),
    key,
    clocks: session && clocksOf(session, key, needs),
  }
}

/** A terminal that waits for this user's approval comes first, on any page but its own. */
const isApprovalWaiting = async (
  c: PageContext,
  session: Session,
  { approvals }: Pick<FrameNeeds, 'approvals'>,
): Promise<boolean> =>
  c.req.path !== '/a' &&
  (await approvals.pending(session.user)).some(({ sessionId }) => sessionId !== session.id)

/**
 * Remembers in the browser how far the user's ledger goes.
 *
 * @returns false while the ledger has not got the row that the browser remembers: that one it goes on remembering
 */
const followLedger = async (
  c: PageContext,
  session: Session,
  { ledger }: Pick<FrameNeeds, 'ledger'>,
): Promise<boolean> => {
  const { ledgerMark } = c.get('visit')
  const { id } = session.user
  if (ledgerMark && !(await ledger.has(id, ledgerMark))) return false
  const mark = await ledger.markOf(id)
  if (mark && mark !== ledgerMark) c.get('browser').keepLedgerMark(mark)
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
  const { usedAt, idleMs } = key.allowance
  const idle = Math.min(minutes(usedAt + idleMs), most)
  const longest = Math.min(minutes(now + config.allowanceIdleMostMs), most)
  // An offer where it changes something.
  const longer = config.allowanceIdleMostMs > idleMs && longest > idle ? longest : null
  return { session: ends, key: { idle, most, longer } }
}
