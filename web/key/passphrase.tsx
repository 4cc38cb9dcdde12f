/**
 * What a user knows: the passphrase and the recovery code, which, changed here, open the same key anew (the key itself
 * is not touched); and the password, which opens nothing.
 */
import { Hono } from 'hono'
import type { Child } from 'hono/jsx'
import { refusalOf } from '../../server/ground/refusal.ts'
import type { Keyrings } from '../../server/keys/keyrings.ts'
import type { Users } from '../../server/people/users.ts'
import { Button, Field, Form, Links } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { didOf, type PageContext, type PageEnv, sentenceOf, sessionOf, wordsOf } from '../visit.ts'
import type { Words } from '../words.ts'
import { isUnproved, openingPasskeys, PasskeyForm, type PasskeyNeeds, proofOf } from './passkey-form.tsx'

type Needs = FrameNeeds &
  PasskeyNeeds & { isTooShort(secret: string): boolean; keyrings: Keyrings; users: Users }

export const passphrasePages = (needs: Needs) => {
  const { keyrings, passkeys, users, isTooShort } = needs

  /** @param code the recovery code that was typed: whatever else was wrong, it is not to be typed again */
  const page = async (c: PageContext, status?: Child, code?: string): Promise<Response> => {
    const words = wordsOf(c)
    const visit = c.get('visit')
    const session = sessionOf(c)
    const hasKey = (await keyrings.present(session.user.id)) !== null
    const canProve = (await openingPasskeys(needs, session.user.id)).length > 0
    const byPasskey = canProve && c.req.query('by') === 'passkey'
    const proof = byPasskey ? await passkeys.assertionOptions('proof', { session }) : null
    const fresh = (
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
    if (c.req.query('of') === 'recovery' && hasKey)
      return show(c, needs, {
        title: words.recover,
        current: 'more',
        status: status && <p>{status}</p>,
        body: () => (
          <>
            <p>{words.recoverWhat}</p>
            <Form visit={visit} action="/s?of=recovery">
              <Field label={words.recoveryCode} name="code" value={code} complete="off" />
              {fresh}
              <p>
                <Button a="recover">{words.recoverDo}</Button>
              </p>
            </Form>
            <Links links={[<a href="/s">{words.passphraseTitle}</a>]} />
          </>
        ),
      })
    if (c.req.query('of') === 'password')
      return show(c, needs, {
        title: words.passwordChange,
        current: 'more',
        status: status && <p>{status}</p>,
        body: () => (
          <Form visit={visit} action="/s?of=password">
            <p>{words.passwordChangeWhat}</p>
            {/* so that a keeper of passwords knows whose changed; not beside a passphrase, which is no log-in's */}
            <Field label={words.user} name="user" value={session.user.address} complete="username" fixed />
            <Field label={words.password} name="password" type="password" complete="current-password" />
            <Field label={words.newPassword} name="new" type="password" complete="new-password" />
            <Field label={words.newPasswordAgain} name="new2" type="password" complete="new-password" />
            <p>
              <Button a="password">{words.changePassword}</Button>
            </p>
          </Form>
        ),
      })
    /** What changes what opens the key brings a proof of its own: the passphrase, or a passkey. */
    const proved = (path: string, a: string, verb: string, fields?: Child) => {
      const withPasskey = `${path}${path.includes('?') ? '&' : '?'}by=passkey`
      return (
        <>
          {proof ? (
            <PasskeyForm
              visit={visit}
              words={words}
              action={withPasskey}
              kind="get"
              options={proof.options}
              otherwise={words.otherwiseProve}
              stuck={words.stuck.prove}
            >
              {fields}
              <p>
                <Button a="passkey">{verb}</Button>
              </p>
            </PasskeyForm>
          ) : (
            <Form visit={visit} action={path}>
              <Field label={words.passphrase} name="passphrase" type="password" complete="off" />
              {fields}
              <p>
                <Button a={a}>{verb}</Button>
              </p>
            </Form>
          )}
          {canProve && (
            <p>
              {proof ? (
                <a href={path}>{words.proveByPassphrase}</a>
              ) : (
                <a href={withPasskey}>{words.proveByPasskey}</a>
              )}
            </p>
          )}
        </>
      )
    }
    if (c.req.query('of') === 'new-code' && hasKey)
      return show(c, needs, {
        title: words.newRecovery,
        current: 'more',
        status: status && <p>{status}</p>,
        script: proof ? 'passkey' : undefined,
        body: () => (
          <>
            <p>{words.newRecoveryWhat}</p>
            {proved('/s?of=new-code', 'new-code', words.newRecoveryDo)}
            <Links links={[<a href="/s">{words.passphraseTitle}</a>]} />
          </>
        ),
      })
    return show(c, needs, {
      title: words.passphraseTitle,
      current: 'more',
      status: status && <p>{status}</p>,
      script: proof ? 'passkey' : undefined,
      body: () =>
        hasKey ? (
          <>
            <p>
              <b>{words.passphraseChange}</b>
              {words.period}
              {words.passphraseChangeWhat}
            </p>
            {proved('/s', 'change', words.changePassphrase, fresh)}
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
          </>
        ) : (
          <>
            <p>{words.noKey}</p>
            <Links links={[<a href="/s?of=password">{words.passwordChange}</a>]} />
          </>
        ),
    })
  }

  /** The only time that the code is shown: in the answer to the form that made it. */
  const showCode = (c: PageContext, what: string, recoveryCode: string): Promise<Response> => {
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

  return new Hono<PageEnv>()
    .get('/s', (c) => page(c, didOf(c)))
    .post('/s', async (c) => {
      const words = wordsOf(c)
      const session = sessionOf(c)
      const { form } = c.get('visit')
      const [a, passphrase, code] = [form.get('a'), form.get('new'), form.get('code')]
      try {
        if (passphrase !== form.get('new2'))
          return await page(c, a === 'password' ? words.newPasswordsDiffer : words.newPassphrasesDiffer, code)
        if (a === 'password') {
          await users.changePassword(session, form.get('password'), passphrase)
          return c.redirect('/s?of=password&ok=password-changed', 303)
        }
        if (a === 'recover') {
          if (passphrase === '') return await page(c, words.typeFirst, code)
          if (isTooShort(passphrase)) return await page(c, words.passphraseShort, code)
          const { recoveryCode } = await keyrings.recover(session, code, passphrase)
          return await showCode(c, words.recovered, recoveryCode)
        }
        // Without script the button only brings the page back, which says why.
        if (a === 'passkey') return await page(c)
        const wantsCode = c.req.query('of') === 'new-code'
        if ((passphrase === '' && !wantsCode) || isUnproved(form)) return await page(c, words.typeFirst)
        if (isTooShort(passphrase) && !wantsCode) return await page(c, words.passphraseShort)
        const opens = await passkeys.prove(session, proofOf(needs, form))
        if (wantsCode) {
          const { recoveryCode } = await keyrings.replaceRecoveryCode(session, opens)
          return await showCode(c, words.recoveryReplaced, recoveryCode)
        }
        await keyrings.changePassphrase(session, opens, passphrase)
        return c.redirect('/s?ok=passphrase-changed', 303)
      } catch (error) {
        const refusal = refusalOf(error)
        if (!refusal || refusal.code === 'no-session') throw error
        if (refusal.detail.retry_after_s) c.header('Retry-After', String(refusal.detail.retry_after_s))
        const wrong = refusal.code === 'wrong-passphrase'
        const said = a === 'recover' ? words.recoverWrong : words.proofWrong
        return page(c, wrong ? said : sentenceOf(c, refusal), code)
      }
    })
}

/** In groups with spaces, as a line would break after a hyphen: nobody is to ask whether that one counts. */
export const RecoveryCode = ({ words, code }: { words: Words; code: string }) => (
  <p>
    {words.recoveryCode}: <b>{code.replaceAll('-', ' ')}</b>
  </p>
)
