/**
 * Log-in (S1090-S1180) and what ends it: Log out, Lock key, and the choice of language. A session that ended in the
 * middle of a letter comes back to it.
 */
import { Hono } from 'hono'
import type { Child } from 'hono/jsx'
import { refusalOf } from '../../server/ground/refusal.ts'
import type { RefusalCode } from '../../server/ground/refusal-codes.ts'
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
import { ownPath, type PageContext, type PageEnv, pathOf, sentenceOf, sessionOf, wordsOf } from '../visit.ts'

type Needs = FrameNeeds & PasskeyNeeds & { parkedForms: ParkedForms; users: Users }

export const loginPages = (needs: Needs, letters: UseOfKey) => {
  const { users, sessions, allowances, passkeys } = needs

  const login = (
    c: PageContext,
    options: { status?: Child; user?: string; next?: string; park?: string; code?: 429 | 503 },
  ) => {
    const words = wordsOf(c)
    const visit = c.get('visit')
    const other = visit.language === 'en' ? { code: 'ja', name: '日本語' } : { code: 'en', name: 'English' }
    const { status, user, next, park, code } = options
    return show(
      c,
      needs,
      {
        title: 'Wafer',
        status: status && <p>{status}</p>,
        isWindow: true,
        body: () => (
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
        ),
      },
      code,
    )
  }

  /**
   * Log-in by passkey, a page of its own, as it needs the script. With a User ID the passkeys of that user are asked
   * for at once, and the same touch opens the key; an unknown user gets passkeys that nobody has, not to be told
   * apart. Without it the browser suggests what it has for this site.
   */
  const passkeyLogin = async (
    c: PageContext,
    given: { status?: Child; user: string; next: string; park: string; code?: 429 | 503 | undefined },
  ) => {
    const words = wordsOf(c)
    const visit = c.get('visit')
    const { status, user, next, park, code } = given
    const who = { preSession: visit.formToken, address: visit.address, ...(user ? { user } : {}) }
    const purpose = user ? 'login+unlock' : 'login'
    const asked = await needs.passkeys.assertionOptions(purpose, who).catch((error: unknown) => {
      const refusal = refusalOf(error)
      if (refusal?.code !== 'slow-down') throw error
      return { refusal }
    })
    if ('refusal' in asked) {
      c.header('Retry-After', String(asked.refusal.detail.retry_after_s))
      return login(c, { status: sentenceOf(c, asked.refusal), user, next, park, code: 429 })
    }
    const { options } = asked
    const content: Content = {
      title: words.passkeyLogin,
      status: status && <p>{status}</p>,
      isWindow: true,
      script: 'passkey',
      body: () => (
        <PasskeyForm
          visit={visit}
          words={words}
          action="/login"
          kind={user ? 'get' : 'discover'}
          options={options}
          once={Boolean(user) && !status}
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
      ),
    }
    return show(c, needs, content, code)
  }

  /** Where the session is missing: to the log-in, and back. A letter is kept meanwhile (design: Mail). */
  const interrupted = async (c: PageContext): Promise<Response> => {
    if (c.req.method !== 'POST') {
      const path = pathOf(c)
      return c.redirect(path === '/' ? '/login' : `/login?next=${encodeURIComponent(path)}`, 303)
    }
    const words = wordsOf(c)
    const form = c.get('visit').form
    const [next, park] = [ownPath(form.get('next'), ''), form.get('park')]
    const former = (await c.get('visit').formerUserId()) ?? needs.parkedForms.ownerOf(park)
    // Whoever answered on the phone that it was not them ended this session: the terminal is told so.
    if (c.req.path === '/a/wait' && former !== null) {
      c.get('visit').keepPending(null)
      return login(c, { status: words.approvalOver, next, park })
    }
    const isLetter = c.req.path === '/c' || form.get('park') !== ''
    if (!isLetter || former === null) return c.redirect('/login?next=/f/inbox', 303)
    // The unlock window holds a letter by its ticket already.
    const ticket = park && c.req.path !== '/c' ? park : await parkedLetterOf(needs, former, c)
    return login(c, { status: words.loginParked, park: ticket })
  }

  /**
   * The touch that logged in opens the key as well. Where it cannot, the person is logged in without it.
   *
   * @returns what the next page says of it
   */
  const openToo = async (c: PageContext, opens: Opens): Promise<Arrival> => {
    const visit = c.get('visit')
    try {
      const { keyToken } = await allowances.grantByPasskey(sessionOf(c), opens)
      visit.keepKey(keyToken)
      visit.keyToken = keyToken
      return 'in-open'
    } catch (error) {
      const refusal = refusalOf(error)
      if (!refusal) throw error
      if (refusal.code === 'key-in-use') return 'in-elsewhere'
      return refusal.code === 'wrong-passkey' ? 'in-only' : 'in-closed'
    }
  }

  const app = new Hono<PageEnv>()
    .get('/login', async (c) => {
      const { l } = c.req.query()
      if (l === 'en' || l === 'ja') {
        c.get('visit').setLanguage(l)
        return c.redirect('/login', 303)
      }
      if (c.get('visit').session) return c.redirect('/f/inbox', 303)
      const words = wordsOf(c)
      const { next, out } = c.req.query()
      const status =
        out === 'draft'
          ? `${words.loggedOut} ${words.inDrafts}`
          : out
            ? words.loggedOut
            : next
              ? words.loginAgain
              : undefined
      return login(c, { status, next: next && ownPath(next, '') })
    })
    .post('/login', async (c) => {
      const visit = c.get('visit')
      const words = wordsOf(c)
      const { form } = visit
      const [user, next, park] = [form.get('user').trim(), ownPath(form.get('next'), ''), form.get('park')]
      if (form.get('t') === '') return login(c, { status: words.loginOld, user, next, park })
      const a = form.get('a')
      if (a === 'en' || a === 'ja') {
        visit.setLanguage(a)
        return login(c, { status: park && wordsOf(c).loginParked, user, next, park })
      }
      if (a === 'window') return login(c, { user, next, park })
      const asserted = assertedOf(needs, form)
      try {
        if (a === 'passkey') return await passkeyLogin(c, { user, next, park })
        const pre = { preSession: visit.formToken, address: visit.address, user }
        const { opens, ...known } = asserted
          ? await passkeys.logIn(asserted, pre)
          : { ...(await users.logIn(user, form.get('pass'), visit.address)), opens: null }
        const begun = await sessions.begin(known, visit.terminal, visit.address)
        // One session a terminal (S1080): the one that this terminal had ends.
        if (visit.session) await sessions.end(visit.session.id, 'logout')
        visit.logIn(begun)
        visit.keepKey(null)
        const arrival = opens ? await openToo(c, opens) : user ? 'in-only' : 'in'
        // A letter comes back in this very answer: its ticket belongs in no address.
        if (park) return letters.comeBack(c, park)
        const path = next || '/f/inbox'
        return c.redirect(asserted ? arrived(path, arrival) : path, 303)
      } catch (error) {
        const refusal = refusalOf(error)
        if (!refusal) throw error
        const code = ({ 'slow-down': 429, busy: 503 } as Partial<Record<RefusalCode, 429 | 503>>)[
          refusal.code
        ]
        if (code) c.header('Retry-After', String(refusal.detail.retry_after_s ?? 60))
        // Whoever is not known by a passkey learns nothing of what was wrong with it.
        if (asserted && !code) return passkeyLogin(c, { status: words.passkeyLoginWrong, user, next, park })
        const wrong = isPartOfAddress(user) ? `${words.loginWrong} ${words.userIsAddress}` : words.loginWrong
        const status = refusal.code === 'bad-credentials' ? wrong : sentenceOf(c, refusal)
        return (asserted ? passkeyLogin : login)(c, { status, user, next, park, code })
      }
    })
    .post('/do', async (c) => {
      const visit = c.get('visit')
      const session = sessionOf(c)
      const a = visit.form.get('a')
      if (a === 'lock') {
        await lockKey(needs, c)
        return c.redirect('/f/inbox?ok=locked', 303)
      }
      if (a === 'logout') {
        await sessions.end(session.id, 'logout')
        visit.logOut()
        return c.redirect('/login?out=1', 303)
      }
      if (a === 'en' || a === 'ja') visit.setLanguage(a)
      return c.redirect('/folders', 303)
    })
  return { app, interrupted }
}

/** Whether somebody typed only their name. It is said of what was typed, not of who exists. */
const isPartOfAddress = (user: string | undefined) => Boolean(user) && !user?.includes('@')

/** What a log-in by passkey says on the page that it leads to (words.ts: did). */
type Arrival = 'in' | 'in-open' | 'in-elsewhere' | 'in-only' | 'in-closed'

const arrived = (path: string, arrival: Arrival) => `${path}${path.includes('?') ? '&' : '?'}ok=${arrival}`

/** The two languages, for a page with a session. */
export const LanguageChoice = ({ c }: { c: PageContext }) => (
  <Form visit={c.get('visit')} action="/do">
    <p>
      {wordsOf(c).language}: <Button a="en">English</Button> <Button a="ja">日本語</Button>
    </p>
  </Form>
)
