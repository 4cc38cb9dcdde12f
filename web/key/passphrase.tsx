/**
 * What a user knows: the passphrase and the recovery code, which, changed here, open the same key anew (the key itself
 * is not touched); and the password, which opens nothing.
 */
import { Hono } from 'hono'
import type { Child } from 'hono/jsx'
import type { Visit } from '../../server/doors/visit.ts'
import type { Keyrings } from '../../server/keys/keyrings.ts'
import type { Users } from '../../server/people/users.ts'
import { type HostKey, SshHost } from '../account/ssh-keys.tsx'
import type { Content } from '../document.tsx'
import { Button, Field, Form, Links } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { didOf, type PageContext, type PageEnv, sessionOf, wordsOf } from '../visit.ts'
import type { Words } from '../words.ts'
import type { PasskeyNeeds } from './passkey-form.tsx'
import { isUnproved, ProofForm, type ProofWays, proofOf, proofWays, scriptFor, whyRefused } from './proof.tsx'

type Needs = FrameNeeds &
  PasskeyNeeds & {
    isTooShort(secret: string): boolean
    keyrings: Keyrings
    users: Users
    ssh: HostKey | null
  }

export const passphrasePages = (needs: Needs) =>
  new Hono<PageEnv>()
    .get('/s', (c) => page(c, needs, { status: didOf(c) }))
    .post('/s', (c) => change(c, needs))

// ---- what is asked for

type Said = {
  status?: Child
  /** The recovery code that was typed: whatever else was wrong, it is not to be typed again. */
  code?: string
}

const page = async (c: PageContext, needs: Needs, { status, code }: Said): Promise<Response> => {
  const { title, script, body } = await partOf(c, needs, code)
  return show(c, needs, { title, current: 'more', status: status && <p>{status}</p>, script, body })
}

type Section = Pick<Content, 'title' | 'script' | 'body'>

/** The part that the address asks for (`of`), as far as the user has a key. */
const partOf = async (c: PageContext, needs: Needs, code: string | undefined): Promise<Section> => {
  const words = wordsOf(c)
  const visit = c.get('visit')
  const of = c.req.query('of')
  const { id, address } = sessionOf(c).user
  if (of === 'password')
    return {
      title: words.passwordChange,
      body: () => <Password visit={visit} words={words} address={address} />,
    }
  if (!(await needs.keyrings.exists(id)))
    return { title: words.passphraseTitle, body: () => <NoKey words={words} ssh={needs.ssh} /> }
  if (of === 'recovery')
    return { title: words.recover, body: () => <Recovery visit={visit} words={words} code={code} /> }
  const ways = await proofWays(c, needs)
  const script = scriptFor(ways)
  return of === 'new-code'
    ? { title: words.newRecovery, script, body: () => <NewCode visit={visit} words={words} ways={ways} /> }
    : {
        title: words.passphraseTitle,
        script,
        body: () => <Passphrase visit={visit} words={words} ways={ways} ssh={needs.ssh} />,
      }
}

const Password = ({ visit, words, address }: { visit: Visit; words: Words; address: string }) => (
  <Form visit={visit} action="/s?of=password">
    <p>{words.passwordChangeWhat}</p>
    {/* so that a keeper of passwords knows whose changed; not beside a passphrase, which is no log-in's */}
    <Field label={words.user} name="user" value={address} complete="username" fixed />
    <Field label={words.password} name="password" type="password" complete="current-password" />
    <Field label={words.newPassword} name="new" type="password" complete="new-password" />
    <Field label={words.newPasswordAgain} name="new2" type="password" complete="new-password" />
    <p>
      <Button a="password">{words.changePassword}</Button>
    </p>
  </Form>
)

const NoKey = ({ words, ssh }: { words: Words; ssh: HostKey | null }) => (
  <>
    <p>{words.noKey}</p>
    <Links links={[<a href="/s?of=password">{words.passwordChange}</a>]} />
    {ssh && <SshHost words={words} ssh={ssh} />}
  </>
)

const Recovery = ({ visit, words, code }: { visit: Visit; words: Words; code: string | undefined }) => (
  <>
    <p>{words.recoverWhat}</p>
    <Form visit={visit} action="/s?of=recovery">
      <Field label={words.recoveryCode} name="code" value={code} complete="off" />
      <NewPassphrase words={words} />
      <p>
        <Button a="recover">{words.recoverDo}</Button>
      </p>
    </Form>
    <Links links={[<a href="/s">{words.passphraseTitle}</a>]} />
  </>
)

const NewPassphrase = ({ words }: { words: Words }) => (
  <>
    <Field
      label={words.newPassphrase}
      name="new"
      type="password"
      note={words.atLeast}
      complete="new-password"
    />
    <Field label={words.newPassphraseAgain} name="new2" type="password" complete="new-password" />
  </>
)

const NewCode = ({ visit, words, ways }: { visit: Visit; words: Words; ways: ProofWays }) => (
  <>
    <p>{words.newRecoveryWhat}</p>
    <ProofForm
      visit={visit}
      words={words}
      ways={ways}
      path="/s?of=new-code"
      a="new-code"
      verb={words.newRecoveryDo}
    />
    <Links links={[<a href="/s">{words.passphraseTitle}</a>]} />
  </>
)

type PassphraseProps = { visit: Visit; words: Words; ways: ProofWays; ssh: HostKey | null }
const Passphrase = ({ visit, words, ways, ssh }: PassphraseProps) => (
  <>
    <p>
      <b>{words.passphraseChange}</b>
      {words.period}
      {words.passphraseChangeWhat}
    </p>
    <ProofForm visit={visit} words={words} ways={ways} path="/s" a="change" verb={words.changePassphrase}>
      <NewPassphrase words={words} />
    </ProofForm>
    {/* a line each: side by side they would be too near where the line breaks */}
    <p>
      <a href="/s?of=recovery">{words.recover}</a>
    </p>
    <p>
      <a href="/s?of=new-code">{words.newRecovery}</a>
    </p>
    <p>
      <a href="/s?of=password">{words.passwordChange}</a>
    </p>
    {ssh && <SshHost words={words} ssh={ssh} />}
  </>
)

// ---- what is done

const change = async (c: PageContext, needs: Needs): Promise<Response> => {
  const words = wordsOf(c)
  const { form } = c.get('visit')
  const [a, code] = [form.get('a'), form.get('code')]
  try {
    if (form.get('new') !== form.get('new2')) {
      const status = a === 'password' ? words.newPasswordsDiffer : words.newPassphrasesDiffer
      return await page(c, needs, { status, code })
    }
    if (a === 'password') return await changePassword(c, needs)
    if (a === 'recover') return await recover(c, needs)
    return await changeProved(c, needs)
  } catch (error) {
    const wrong = a === 'recover' ? words.recoverWrong : words.proofWrong
    return page(c, needs, { status: whyRefused(c, error, wrong), code })
  }
}

const changePassword = async (c: PageContext, { users }: Needs): Promise<Response> => {
  const { form } = c.get('visit')
  await users.changePassword(sessionOf(c), form.get('password'), form.get('new'))
  return c.redirect('/s?of=password&ok=password-changed', 303)
}

const recover = async (c: PageContext, needs: Needs): Promise<Response> => {
  const words = wordsOf(c)
  const { form } = c.get('visit')
  const [code, passphrase] = [form.get('code'), form.get('new')]
  if (passphrase === '') return page(c, needs, { status: words.typeFirst, code })
  if (needs.isTooShort(passphrase)) return page(c, needs, { status: words.passphraseShort, code })
  const { recoveryCode } = await needs.keyrings.recover(sessionOf(c), code, passphrase)
  return showCode(c, needs, words.recovered, recoveryCode)
}

/** Another passphrase, or another recovery code: the form brings a proof. */
const changeProved = async (c: PageContext, needs: Needs): Promise<Response> => {
  const { keyrings, passkeys, isTooShort } = needs
  const words = wordsOf(c)
  const session = sessionOf(c)
  const { form } = c.get('visit')
  const passphrase = form.get('new')
  // Without script the button only brings the page back, which says why.
  if (form.get('a') === 'passkey') return page(c, needs, {})
  const wantsCode = c.req.query('of') === 'new-code'
  if ((passphrase === '' && !wantsCode) || isUnproved(form))
    return page(c, needs, { status: words.typeFirst })
  if (isTooShort(passphrase) && !wantsCode) return page(c, needs, { status: words.passphraseShort })
  const opens = await passkeys.prove(session, proofOf(needs, form))
  if (wantsCode) {
    const { recoveryCode } = await keyrings.replaceRecoveryCode(session, opens)
    return showCode(c, needs, words.recoveryReplaced, recoveryCode)
  }
  await keyrings.changePassphrase(session, opens, passphrase)
  return c.redirect('/s?ok=passphrase-changed', 303)
}

/** The only time that the code is shown: in the answer to the form that made it. */
const showCode = (c: PageContext, needs: Needs, what: string, recoveryCode: string): Promise<Response> => {
  const words = wordsOf(c)
  return show(c, needs, {
    title: words.recoveredTitle,
    current: 'more',
    status: <p>{what}</p>,
    body: () => (
      <>
        <RecoveryCode words={words} code={recoveryCode} />
        <p>{words.recoveryKeep}</p>
        <Links links={[<a href="/f/inbox">{words.folder.inbox}</a>]} />
      </>
    ),
  })
}

/** In groups with spaces, as a line would break after a hyphen: nobody is to ask whether that one counts. */
export const RecoveryCode = ({ words, code }: { words: Words; code: string }) => (
  <p>
    {words.recoveryCode}: <b>{code.replaceAll('-', ' ')}</b>
  </p>
)
