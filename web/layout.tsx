/**
 * The frame of each page: one document, whole, in one request; what happened first, then the heading; navigation of
 * a few links; at the end the two clocks and what locks the key or ends the session. Pages are for browsers down to
 * those that know no style and no script: nothing is hidden, labels stand before their controls, states are words.
 */
import type { Context } from 'hono'
import { raw } from 'hono/html'
import type { Child } from 'hono/jsx'
import type { Language, Visit } from '../server/doors/visit.ts'
import type { Clock } from '../server/ground/clock.ts'
import type { Config } from '../server/ground/config.ts'
import type { Refusal } from '../server/ground/refusal.ts'
import type { Allowances, KeyState } from '../server/keys/allowances.ts'
import type { Approvals } from '../server/keys/approvals.ts'
import type { Address } from '../server/locked/reader/headers.ts'
import type { Ledger } from '../server/people/ledger.ts'
import type { Session, Sessions } from '../server/people/sessions.ts'
import { type Words, wordsIn } from './words.ts'

export type PageEnv = { Variables: { visit: Visit } }
export type PageContext = Context<PageEnv>

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

/** What the visitor reads, in their language. */
export const wordsOf = (c: PageContext): Words => wordsIn[c.get('visit').language]

/** The session; the frame lets nobody without one come here. */
export const sessionOf = (c: PageContext): Session => {
  const { session } = c.get('visit')
  if (!session) throw new Error('expected a session, got none')
  return session
}

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

// ---- what pages are made of

/** A form that changes something: it proves where it comes from by its token. */
export const Form = (props: {
  visit: Visit
  action: string
  files?: boolean
  /** For a script: attributes whose names begin with `data-`. */
  data?: Record<`data-${string}`, string | number | undefined>
  children?: Child
}) => (
  <form
    method="post"
    action={props.action}
    enctype={props.files ? 'multipart/form-data' : undefined}
    {...props.data}
  >
    <Hidden name="t" value={props.visit.formToken} />
    {props.children}
  </form>
)

export const Hidden = ({ name, value }: { name: string; value: string | number | null | undefined }) =>
  value ? <input type="hidden" name={name} value={String(value)} /> : null

/** One of a form's verbs, sent as field `a`; one that stands out, as the key is open or as it is the safe one. */
export const Button = (props: { a?: string; open?: boolean; safe?: boolean; children?: Child }) => (
  <button
    type="submit"
    name={props.a && 'a'}
    value={props.a}
    class={props.open || props.safe ? 'k' : undefined}
  >
    {props.children}
  </button>
)

export const Field = (props: {
  label: string
  name: string
  value?: string
  type?: string
  complete?: string
  note?: string
  /** Digits: a phone shows its keys for them. */
  numeric?: boolean
  /** For who fills in passwords: whose it is. */
  fixed?: boolean
}) => (
  <p>
    <label>
      {props.label}{' '}
      <input
        type={props.type}
        name={props.name}
        value={props.value || undefined}
        autocomplete={props.complete}
        readonly={props.fixed}
        inputmode={props.numeric ? 'numeric' : undefined}
        autocapitalize={props.type === 'password' ? 'none' : undefined}
      />
    </label>
    {/* beside the label: the field's name is the contract's, without the note */}
    {props.note && ` ${props.note}`}
  </p>
)

/** Links in one line, with a separator: without one, text browsers run them together. */
export const Links = ({ links }: { links: (Child | false | null)[] }) => (
  <p>
    {links
      .filter((link) => link)
      .map((link, place) => (
        <>
          {place > 0 && ' | '}
          {link}
        </>
      ))}
  </p>
)

/** Text as paragraphs: a `<pre>` is not wrapped by text browsers. */
export const Paragraphs = ({ text }: { text: string }) => (
  <>
    {readable(text)
      .replace(/^\n+/, '')
      .trimEnd()
      .split(/\n{2,}/)
      .map((paragraph) => (
        <p class="t">
          {paragraph.split('\n').map((line, place) => (
            <>
              {place > 0 && <br />}
              {line}
            </>
          ))}
        </p>
      ))}
  </>
)

// ---- small things that pages say

/** A refusal as a sentence in the visitor's language. */
export const sentenceOf = (c: PageContext, refusal: Refusal): string => wordsOf(c).refusal(refusal)

/** What the page before has done, from its address: a fixed sentence with a number. */
export const didOf = (c: PageContext): string | undefined => {
  const [, name, count] = c.req.query('ok')?.match(/^([a-z-]+)(?:\.(\d{1,6}))?$/) ?? []
  const { did } = wordsOf(c)
  return name && Object.hasOwn(did, name) ? did[name as keyof Words['did']](Number(count ?? 1)) : undefined
}

/** Path and query of the request. */
export const pathOf = (c: PageContext): string => {
  const { pathname, search } = new URL(c.req.url)
  return pathname + search
}

/** A path of this site, or the fallback: never another site's (`//host`, `/\host`) nor a control character. */
export const ownPath = (text: string, fallback: string): string =>
  /^\/[\x21-\x7e]*$/.test(text) && !/\\|\/\//.test(text) ? text : fallback

/** An id from an address; one that is none is nobody's. */
export const idOf = (text: string | undefined): number => (text && /^\d{1,15}$/.test(text) ? Number(text) : 0)

/** Pages run no script, so that no visitor's zone is known: times are the server's, and each page names its zone. */
export const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone

const locale = { en: 'en-GB', ja: 'ja-JP' } as const
const formats = (options: Intl.DateTimeFormatOptions) => ({
  en: new Intl.DateTimeFormat(locale.en, options),
  ja: new Intl.DateTimeFormat(locale.ja, options),
})
const time = formats({ hour: '2-digit', minute: '2-digit' })
const day = formats({ day: 'numeric', month: 'short' })
const date = formats({ day: 'numeric', month: 'short', year: 'numeric' })
const full = formats({ dateStyle: 'medium', timeStyle: 'short' })

/** Hours and minutes. */
export const timeOf = (language: Language, at: number): string => time[language].format(at)

export const moment = (language: Language, at: number): string => full[language].format(at)

export const dayOf = (language: Language, at: number): string => date[language].format(at)

const dayAndTime = formats({ day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' })

/** A moment near now, whose hour matters: the hour alone today, with its day on each side of midnight. */
export const nearTime = (language: Language, at: number, now: number): string =>
  (new Date(at).toDateString() === new Date(now).toDateString() ? time : dayAndTime)[language].format(at)

/** As short as it can be said today. */
export const shortDate = (language: Language, at: number, now: number): string => {
  const then = new Date(at)
  const today = new Date(now)
  if (then.toDateString() === today.toDateString()) return time[language].format(at)
  return (then.getFullYear() === today.getFullYear() ? day : date)[language].format(at)
}

/** Characters that nobody sees: zero width, tags, fillers, selectors, and what turns the writing direction around. */
const unseen = /[\p{Default_Ignorable_Code_Point}\ufff9-\ufffb]/gu

/**
 * A stranger's words as they may stand in a page: with lines and tabs, without other controls and without what nobody
 * sees, which would let them appear to say what they do not. Joiners and selectors stay, which scripts and emoji need.
 */
export const readable = (text: string): string =>
  text
    .replace(/\r\n?/g, '\n')
    .replace(/(?![\n\t])\p{Cc}/gu, '')
    .replace(unseen, (character) => (/\u200c|\u200d|[\ufe00-\ufe0f]/.test(character) ? character : ''))
    .toWellFormed()

/** The same on one line of ours, and not too long; no joiners either. */
export const oneLine = (text: string, limit = 80): string => {
  // Of a code unit or two each: what lies behind the limit is not looked at.
  const characters = [
    ...readable(text.slice(0, 4 * limit + 100))
      .replace(unseen, '')
      .replace(/[\s\u2800]+/g, ' ')
      .trim(),
  ]
  return characters.length > limit ? `${characters.slice(0, limit - 1).join('')}…` : characters.join('')
}

/** Whether a name could be read as a mail address, which anybody can write there. */
export const hasAddressLooks = (name: string): boolean => name.normalize('NFKC').includes('@')

/** An address whole, for it is what tells people apart; what nobody sees in it shows. */
export const wholeAddress = (address: string): string => oneLine(address.replace(unseen, '\ufffd'), 1000)

/** Somebody with name and address: the name is cut, the address never; a name that looks like one comes after it. */
export const personIn = (words: Words, { name, address }: Address): string => {
  const [who, where] = [oneLine(name, 60), wholeAddress(address) || '<>']
  if (who === '' || who === where) return where
  if (hasAddressLooks(who)) return words.underName(where, who)
  return `${/[,;"<>]/.test(who) ? `"${who.replaceAll('"', '')}"` : who} <${where}>`
}

/** In groups of four, as people compare it. */
export const grouped = (fingerprint: string): string =>
  fingerprint.toUpperCase().replace(/(.{4})(?=.)/g, '$1 ')

export const sizeOf = (octets: number): string =>
  octets < 1000
    ? `${octets} B`
    : octets < 1e6
      ? `${Math.round(octets / 1000)} kB`
      : octets < 1e9
        ? `${(octets / 1e6).toFixed(1)} MB`
        : `${(octets / 1e9).toFixed(1)} GB`
