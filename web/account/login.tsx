/**
 * Log-in (S1090-S1180) and what ends it: Log out, Lock key, and the choice of language. A session that ended in the
 * middle of a letter comes back to it.
 */
import { Hono } from 'hono'
import type { Child } from 'hono/jsx'
import type { Visit } from '../../server/doors/visit.ts'
import { refusalOf } from '../../server/ground/refusal.ts'
import type { RefusalCode } from '../../server/ground/refusal-codes.ts'
import type { Asserted } from '../../server/keys/prf.ts'
import type { Opens } from '../../server/locked/vault/slots.ts'
import type { ParkedForms } from '../../server/people/parked-forms.ts'
import type { Users } from '../../server/people/users.ts'
import type { Content } from '../document.tsx'
import { Button, Field, Form, Hidden, Links } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { assertedOf, PasskeyForm, type PasskeyNeeds } from '../key/passkey-form.tsx'
import { lockKey } from '../key/unlock.tsx'
import type { UseOfKey } from '../key/windows.tsx'
import { parkedLetterOf } from '../mail/compose-form.ts'
import {
  ownPath,
  type PageContext,
  type PageEnv,
  pathOf,
  sentenceOf,
  sessionOf,
  withParameter,
  wordsOf,
} from '../visit.ts'
import type { Words } from '../words.ts'

type Needs = FrameNeeds & PasskeyNeeds & { parkedForms: ParkedForms; users: Users }

export const loginPages = (needs: Needs, letters: UseOfKey) => ({
  app: new Hono<PageEnv>()
    .get('/login', (c) => come(c, needs))
    .post('/login', (c) => enter(c, needs, letters))
    .post('/do', (c) => pressedAtFoot(c, needs)),
  /** Where the session is missing: to the log-in, and back. */
  interrupted: (c: PageContext) => interrupted(c, needs),
})

// ---- the two windows

/** What was typed, and what waits behind the log-in: a path, or a letter by its ticket. */
type Asked = { user: string; next: string; park: string }
/** What is said of it; 429 and 503 where it is not to be tried again at once. */
type Said = { status?: Child; code?: 429 | 503 | undefined }

const login = (c: PageContext, needs: Needs, { status, code, ...asked }: Partial<Asked> & Said) => {
  const content: Content = {
    title: 'Wafer',
    status: status && <p>{status}</p>,
    isWindow: true,
    body: () => <ByPassword visit={c.get('visit')} words={wordsOf(c)} asked={asked} />,
  }
  return show(c, needs, content, code)
}

const ByPassword = ({ visit, words, asked }: { visit: Visit; words: Words; asked: Partial<Asked> }) => {
  const { user, next, park } = asked
  const other = otherLanguage[visit.language]
  return (
    <Form visit={visit} action="/login">
      <Hidden name="next" value={next} />
      <Hidden name="park" value={park} />
      <Field label={words.user} name="user" value={user} complete="username webauthn" />
      <Field label={words.password} name="pass" type="password" complete="current-password" />
      <p>
        <button type="submit">{words.login}</button> <button type="reset">{words.clear}</button>{' '}
        <Button a="passkey">{words.usePasskey}</Button>
      </p>
      {/* A button where something waits in this form, which a link would leave behind. */}
      {park || next ? (
        <p>
          <Button a={other.code}>{other.name}</Button>
        </p>
      ) : (
        <Links links={[<a href={`/login?l=${other.code}`}>{other.name}</a>]} />
      )}
    </Form>
  )
}

const otherLanguage = { en: { code: 'ja', name: '日本語' }, ja: { code: 'en', name: 'English' } } as const

/**
 * Log-in by passkey, a page of its own, as it needs the script. With a User ID the passkeys of that user are asked
 * for at once, and the same touch opens the key; an unknown user gets passkeys that nobody has, not to be told
 * apart. Without it the browser suggests what it has for this site.
 */
const passkeyLogin = async (
  c: PageContext,
  needs: Needs,
  { status, code, ...asked }: Asked & Said,
): Promise<Response> => {
  const words = wordsOf(c)
  const visit = c.get('visit')
  const { user } = asked
  const who = { preSession: visit.formToken, address: visit.address, ...(user ? { user } : {}) }
  let options: string
  try {
    ;({ options } = await needs.passkeys.assertionOptions(user ? 'login+unlock' : 'login', who))
  } catch (error) {
    const refusal = refusalOf(error)
    if (refusal?.code !== 'slow-down') throw error
    c.header('Retry-After', String(refusal.detail.retry_after_s))
    return login(c, needs, { ...asked, status: sentenceOf(c, refusal), code: 429 })
  }
  const content: Content = {
    title: words.passkeyLogin,
    status: status && <p>{status}</p>,
    isWindow: true,
    script: 'passkey',
    body: () => <ByPasskey visit={visit} words={words} asked={asked} options={options} isNew={!status} />,
  }
  return show(c, needs, content, code)
}

const ByPasskey = (props: {
  visit: Visit
  words: Words
  asked: Asked
  options: string
  /** Nothing was refused yet. */
  isNew: boolean
}) => {
  const { visit, words, asked, options, isNew } = props
  const { user, next, park } = asked
  return (
    <PasskeyForm
      visit={visit}
      words={words}
      action="/login"
      kind={user ? 'get' : 'discover'}
      options={options}
      once={Boolean(user) && isNew}
      enough
      otherwise={words.otherwisePassword}
      stuck={user ? words.stuck.user : words.stuck.site}
    >
      <Hidden name="next" value={next} />
      <Hidden name="park" value={park} />
      {user ? (
        <p>
          {words.user}: <b>{user}</b>
          <Hidden name="user" value={user} />
        </p>
      ) : (
        <>
          <p>{words.passkeyLoginWhat}</p>
          <Field label={words.user} name="user" complete="username webauthn" />
        </>
      )}
      <p>
        <Button a="passkey">{words.usePasskey}</Button> <Button a="window">{words.withPassword}</Button>
      </p>
    </PasskeyForm>
  )
}

// ---- the way to them

const come = async (c: PageContext, needs: Needs): Promise<Response> => {
  const { l, next, out } = c.req.query()
  if (l === 'en' || l === 'ja') {
    c.get('browser').setLanguage(l)
    return c.redirect('/login', 303)
  }
  if (c.get('visit').session) return c.redirect('/f/inbox', 303)
  const status = whyHere(wordsOf(c), { next, out })
  return login(c, needs, next ? { status, next: ownPath(next, '') } : { status })
}

const whyHere = (words: Words, { next, out }: Record<'next' | 'out', string | undefined>) => {
  if (out === 'draft') return `${words.loggedOut} ${words.inDrafts}`
  if (out) return words.loggedOut
  return next ? words.loginAgain : undefined
}

/** A letter is kept meanwhile (design: Mail). */
const interrupted = async (c: PageContext, needs: Needs): Promise<Response> => {
  if (c.req.method !== 'POST') {
    const path = pathOf(c)
    return c.redirect(path === '/' ? '/login' : `/login?next=${encodeURIComponent(path)}`, 303)
  }
  const words = wordsOf(c)
  const form = c.get('visit').form
  const [next, park] = [ownPath(form.get('next'), ''), form.get('park')]
  const former = c.get('visit').formerUserId ?? needs.parkedForms.ownerOf(park)
  // Whoever answered on the phone that it was not them ended this session: the terminal is told so.
  if (c.req.path === '/a/wait' && former !== null) {
    c.get('browser').keepPending(null)
    return login(c, needs, { status: words.approvalOver, next, park })
  }
  const isLetter = c.req.path === '/c' || form.get('park') !== ''
  if (!isLetter || former === null)
    return c.redirect(`/login?next=${c.req.path === '/files' ? '/files' : '/f/inbox'}`, 303)
  // The unlock window holds a letter by its ticket already.
  const ticket = park && c.req.path !== '/c' ? park : await parkedLetterOf(needs, former, c)
  return login(c, needs, { status: words.loginParked, park: ticket })
}

// ---- who enters

const enter = async (c: PageContext, needs: Needs, letters: UseOfKey): Promise<Response> => {
  const visit = c.get('visit')
  const { form } = visit
  const [a, park] = [form.get('a'), form.get('park')]
  const asked = { user: form.get('user').trim(), next: ownPath(form.get('next'), ''), park }
  if (form.get('t') === '') return login(c, needs, { ...asked, status: wordsOf(c).loginOld })
  if (a === 'en' || a === 'ja') {
    c.get('browser').setLanguage(a)
    return login(c, needs, { ...asked, status: park && wordsOf(c).loginParked })
  }
  if (a === 'window') return login(c, needs, asked)
  const asserted = assertedOf(needs, form)
  try {
    if (a === 'passkey') return await passkeyLogin(c, needs, asked)
    const arrival = await begin(c, needs, asked.user, asserted)
    // A letter comes back in this very answer: its ticket belongs in no address.
    if (park) return letters.comeBack(c, park)
    const path = asked.next || '/f/inbox'
    return c.redirect(asserted ? withParameter(path, `ok=${arrival}`) : path, 303)
  } catch (error) {
    return refusedEntry(c, needs, asked, { error, byPasskey: asserted !== null })
  }
}

/**
 * The terminal's session begins, and ends the one that it had.
 *
 * @returns what a log-in by passkey says on the next page
 */
const begin = async (
  c: PageContext,
  needs: Needs,
  user: string,
  asserted: Asserted | null,
): Promise<Arrival> => {
  const { users, sessions, passkeys } = needs
  const visit = c.get('visit')
  const pre = { preSession: visit.formToken, address: visit.address, user }
  const { opens, ...known } = asserted
    ? await passkeys.logIn(asserted, pre)
    : { ...(await users.logIn(user, visit.form.get('pass'), visit.address)), opens: null }
  const begun = await sessions.begin(known, visit.terminal, visit.address)
  // One session a terminal (S1080): the one that this terminal had ends.
  if (visit.session) await sessions.end(visit.session.id, 'logout')
  const browser = c.get('browser')
  browser.logIn(begun)
  browser.keepKey(null)
  if (opens) return openToo(c, needs, opens)
  return user ? 'in-only' : 'in'
}

/** The touch that logged in opens the key as well. Where it cannot, the person is logged in without it. */
const openToo = async (c: PageContext, { allowances }: Needs, opens: Opens): Promise<Arrival> => {
  try {
    const { keyToken } = await allowances.grantByPasskey(sessionOf(c), opens)
    c.get('browser').keepKey(keyToken)
    return 'in-open'
  } catch (error) {
    const refusal = refusalOf(error)
    if (!refusal) throw error
    return notOpened[refusal.code] ?? 'in-closed'
  }
}

/** What a log-in by passkey says on the page that it leads to (words.ts: did). */
type Arrival = 'in' | 'in-open' | 'in-elsewhere' | 'in-only' | 'in-closed'

const notOpened: Partial<Record<RefusalCode, Arrival>> = {
  'key-in-use': 'in-elsewhere',
  'wrong-passkey': 'in-only',
}

/** Refusals that say nothing of who asks: it may be tried again later. */
const later: Partial<Record<RefusalCode, 429 | 503>> = { 'slow-down': 429, busy: 503 }

const refusedEntry = (
  c: PageContext,
  needs: Needs,
  asked: Asked,
  { error, byPasskey }: { error: unknown; byPasskey: boolean },
): Promise<Response> => {
  const words = wordsOf(c)
  const refusal = refusalOf(error)
  if (!refusal) throw error
  const code = later[refusal.code]
  if (code) c.header('Retry-After', String(refusal.detail.retry_after_s ?? 60))
  // Whoever is not known by a passkey learns nothing of what was wrong with it.
  if (byPasskey && !code) return passkeyLogin(c, needs, { ...asked, status: words.passkeyLoginWrong })
  const wrong = isPartOfAddress(asked.user) ? `${words.loginWrong} ${words.userIsAddress}` : words.loginWrong
  const status = refusal.code === 'bad-credentials' ? wrong : sentenceOf(c, refusal)
  return (byPasskey ? passkeyLogin : login)(c, needs, { ...asked, status, code })
}

/** Whether somebody typed only their name. It is said of what was typed, not of who exists. */
const isPartOfAddress = (user: string) => user !== '' && !user.includes('@')

// ---- what ends it

const pressedAtFoot = async (c: PageContext, needs: Needs): Promise<Response> => {
  const session = sessionOf(c)
  const a = c.get('visit').form.get('a')
  if (a === 'lock') {
    await lockKey(needs, c)
    return c.redirect('/f/inbox?ok=locked', 303)
  }
  if (a === 'longer') {
    const { keyToken } = c.get('visit')
    await needs.allowances.standFor(session, keyToken, needs.config.allowanceIdleMostMs)
    return c.redirect('/f/inbox?ok=key-longer', 303)
  }
  if (a === 'logout') {
    await needs.sessions.end(session.id, 'logout')
    c.get('browser').logOut()
    return c.redirect('/login?out=1', 303)
  }
  if (a === 'en' || a === 'ja') c.get('browser').setLanguage(a)
  return c.redirect('/folders', 303)
}

/** The two languages, for a page with a session. */
export const LanguageChoice = ({ c }: { c: PageContext }) => (
  <Form visit={c.get('visit')} action="/do">
    <p>
      {wordsOf(c).language}: <Button a="en">English</Button> <Button a="ja">日本語</Button>
    </p>
  </Form>
)
