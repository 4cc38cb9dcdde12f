/** A page's whole HTML document, drawn from plain data: the frame around what the page says, the same on all pages. */
import { raw } from 'hono/html'
import type { Child } from 'hono/jsx'
import type { Visit } from '../server/doors/visit.ts'
import type { KeyState } from '../server/keys/allowances.ts'
import { Button, Form } from './forms.tsx'
import { zone } from './text.ts'
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

/** What a frame says beside the page's own content, as it is once the page's work was done. */
export type Frame = {
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
export type Clocks = { session: number; key: { idle: number; most: number; longer: number | null } | null }

/** The whole document, as octets go: nothing in it that HTML does not need. */
export const drawDocument = (frame: Frame, content: Content): string =>
  `<!doctype html>${thin(String(<Document frame={frame} content={content} />))}`

const Document = ({ frame, content }: { frame: Frame; content: Content }) => {
  const { visit, words, key } = frame
  const hasNavigation = visit.session && !content.isWindow
  const isOpen = key.state === 'open'
  const end = visit.session && frame.clocks && (
    <Ending
      address={visit.session.user.address}
      clocks={frame.clocks}
      words={words}
      hasTimes={content.current !== 'compose'}
      offers={!content.isEndWithin && !content.isWindow}
    />
  )
  return (
    <html lang={visit.language}>
      <meta name="viewport" content="initial-scale=1" />
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
const Ending = (props: {
  address: string
  clocks: Clocks
  words: Words
  hasTimes: boolean
  /** Whether the key may be kept open longer here. */
  offers: boolean
}) => {
  const { address, clocks, words, hasTimes, offers } = props
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
            {offers && clocks.key.longer !== null && (
              <>
                <Button a="longer">{words.keepOpen(clocks.key.longer)}</Button>{' '}
              </>
            )}
          </>
        )}
        <Button a="logout">{words.logOut}</Button>
      </p>
    </>
  )
}
