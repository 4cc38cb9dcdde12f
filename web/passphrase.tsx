/**
 * What a user knows: the passphrase and the recovery code, which, changed here, open the same key anew (the key itself
 * is not touched); and the password, which opens nothing.
 */
import { Hono } from 'hono'
import type { Child } from 'hono/jsx'
import type { Services } from '../server/main.ts'
import {
  Button,
  didOf,
  Field,
  Form,
  Links,
  type PageContext,
  type PageEnv,
  sentenceOf,
  sessionOf,
  show,
  wordsOf,
} from './layout.tsx'
import { openingPasskeys, PasskeyForm, proofOf } from './passkey-form.tsx'

export const passphrasePages = (services: Services) => {
  const { keyrings, passkeys, users, sessions, refusalOf } = services

  const page = async (c: PageContext, status?: Child): Promise<Response> => {
    const words = wordsOf(c)
    const visit = c.get('visit')
    const session = sessionOf(c)
    const hasKey = (await keyrings.present(session.user.id)) !== null
    const canProve = (await openingPasskeys(services, session.user.id)).length > 0
    const byPasskey = canProve && c.req.query('by') === 'passkey'
    const proof = byPasskey ? await passkeys.assertionOptions('proof', { session }) : null
    const fresh = (
      <>
        <Field label={words.newPassphrase} name="new" type="password" complete="new-password" />
        <Field label={words.newPassphraseAgain} name="new2" type="password" complete="new-password" />
      </>
    )
    if (c.req.query('of') === 'password')
      return show(c, services, {
        title: words.passwordChange,
        current: 'more',
        status: status && <p>{status}</p>,
        body: () => (
          <Form visit={visit} action="/s?of=password">
            <p>{words.passwordChangeWhat}</p>
            <Field label={words.password} name="password" type="password" complete="current-password" />
            <Field label={words.newPassword} name="new" type="password" complete="new-password" />
            <Field label={words.newPasswordAgain} name="new2" type="password" complete="new-password" />
            <p>
              <Button a="password">{words.changePassword}</Button>
            </p>
          </Form>
        ),
      })
    return show(c, services, {
      title: words.passphraseTitle,
      current: 'more',
      status: status && <p>{status}</p>,
      script: proof ? 'passkey' : undefined,
      body: () =>
        hasKey ? (
          <>
            <p>
              <b>{words.passphraseChange}</b>. {words.passphraseChangeWhat}
            </p>
            {proof ? (
              <PasskeyForm
                visit={visit}
                words={words}
                action="/s?by=passkey"
                kind="get"
                options={proof.options}
                otherwise={words.otherwiseProve}
              >
                {fresh}
                <p>
                  <Button a="passkey">{words.changePassphrase}</Button>
                </p>
              </PasskeyForm>
            ) : (
              <Form visit={visit} action="/s">
                <Field label={words.passphrase} name="passphrase" type="password" complete="off" />
                {fresh}
                <p>
                  <Button a="change">{words.changePassphrase}</Button>
                </p>
              </Form>
            )}
            <Links
              links={[
                proof ? (
                  <a href="/s">{words.proveByPassphrase}</a>
                ) : (
                  canProve && <a href="/s?by=passkey">{words.proveByPasskey}</a>
                ),
              ]}
            />
            <p>
              <b>{words.recover}</b>. {words.recoverWhat}
            </p>
            <Form visit={visit} action="/s">
              <Field label={words.recoveryCode} name="code" complete="off" />
              {fresh}
              <p>
                <Button a="recover">{words.recoverDo}</Button>
              </p>
            </Form>
            <Links links={[<a href="/s?of=password">{words.passwordChange}</a>]} />
          </>
        ) : (
          <>
            <p>{words.noKey}</p>
            <Links links={[<a href="/s?of=password">{words.passwordChange}</a>]} />
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
      const [a, passphrase] = [form.get('a'), form.get('new')]
      try {
        if (passphrase !== form.get('new2'))
          return await page(c, a === 'password' ? words.newPasswordsDiffer : words.newPassphrasesDiffer)
        if (a === 'password') {
          const user = await users.logIn(session.user.address, form.get('password'), session.address)
          await users.setPassword(user, passphrase)
          await sessions.endOthers(session)
          return c.redirect('/s?of=password&ok=password-changed', 303)
        }
        if (a === 'recover') {
          const { recoveryCode } = await keyrings.recover(session, form.get('code'), passphrase)
          return await show(c, services, {
            title: words.recoveredTitle,
            current: 'more',
            body: () => (
              <>
                <p>{words.recovered}</p>
                <p>
                  {words.recoveryCode}: <b>{recoveryCode}</b>
                </p>
                <p>{words.recoveryKeep}</p>
                <Links links={[<a href="/f/inbox">{words.folder.inbox}</a>]} />
              </>
            ),
          })
        }
        // Without script the button only brings the page back, which says why.
        if (a === 'passkey') return await page(c)
        const opens = await passkeys.prove(session, proofOf(services, form))
        await keyrings.changePassphrase(session, opens, passphrase)
        return c.redirect('/s?ok=passphrase-changed', 303)
      } catch (error) {
        const refusal = refusalOf(error)
        if (!refusal || refusal.code === 'no-session') throw error
        if (refusal.detail.retry_after_s) c.header('Retry-After', String(refusal.detail.retry_after_s))
        const wrong = refusal.code === 'wrong-passphrase' && a !== 'recover'
        return page(c, wrong ? words.proofWrong : sentenceOf(c, refusal))
      }
    })
}
