/**
 * Passkeys, as settings (P87): what the user has, what each can do and what that means for the operator; adding one,
 * in two pages (made, then tried out and proved), renaming, removing.
 */
import { Hono } from 'hono'
import type { Child } from 'hono/jsx'
import { refusalOf } from '../../server/ground/refusal.ts'
import type { Passkey } from '../../server/keys/credentials.ts'
import type { Session } from '../../server/people/sessions.ts'
import { Button, Field, Form } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { oneLine, shortDate } from '../text.ts'
import { didOf, type PageContext, type PageEnv, sentenceOf, sessionOf, wordsOf } from '../visit.ts'
import { capital } from '../words.ts'
import {
  assertedOf,
  isUnproved,
  openingPasskeys,
  PasskeyForm,
  type PasskeyNeeds,
  proofOf,
} from './passkey-form.tsx'

type Needs = FrameNeeds & PasskeyNeeds

export const passkeyPages = (needs: Needs) => {
  const { passkeys, config, clock } = needs

  const list = async (c: PageContext, status?: Child): Promise<Response> => {
    const words = wordsOf(c)
    const own = await passkeys.list(sessionOf(c).user.id)
    return show(c, needs, {
      title: words.passkeys,
      current: 'more',
      status: status && <p>{status}</p>,
      body: () => (
        <>
          <p>{words.passkeysWhat}</p>
          {own.length === 0 && <p>{words.noPasskeys}</p>}
          <ul>
            {own.map((passkey) => (
              <li>
                <About c={c} passkey={passkey} now={clock()} />{' '}
                <a href={`/p/${passkey.id}`}>{words.renameOrRemove}</a>
              </li>
            ))}
          </ul>
          <p>
            <a href="/p/new">{words.addPasskey}</a>
          </p>
          <p>
            <a href="/s">{words.passphraseTitle}</a>
          </p>
        </>
      ),
    })
  }

  // ---- adding one

  const make = async (c: PageContext, status?: Child): Promise<Response> => {
    const words = wordsOf(c)
    const { options } = await passkeys.registrationOptions(sessionOf(c))
    return show(c, needs, {
      title: words.addPasskey,
      current: 'more',
      status: status && <p>{status}</p>,
      script: 'passkey',
      body: () => (
        <>
          <p>{words.addPasskeyWhat}</p>
          <PasskeyForm
            visit={c.get('visit')}
            words={words}
            action="/p/new"
            kind="create"
            options={options}
            otherwise={words.otherwiseAdd}
            stuck={words.stuck.add}
          >
            <p>
              <Button a="passkey">{words.makePasskey}</Button>
            </p>
          </PasskeyForm>
          <p>
            <a href="/p">{words.passkeys}</a>
          </p>
        </>
      ),
    })
  }

  /** The passkey is made: what it can do is said, it is tried out, and stored with a proof. */
  const tryOut = async (
    c: PageContext,
    made: { options: string; prf: boolean; name: string; consent?: boolean },
    status?: Child,
  ): Promise<Response> => {
    const words = wordsOf(c)
    const session = sessionOf(c)
    const others = await openingPasskeys(needs, session.user.id)
    const proof = others.length ? await passkeys.assertionOptions('proof', { session }) : null
    return show(c, needs, {
      title: words.tryPasskey,
      current: 'more',
      status: status && <p>{status}</p>,
      script: 'passkey',
      body: () => (
        <PasskeyForm
          visit={c.get('visit')}
          words={words}
          action="/p/new"
          kind="get"
          options={made.options}
          proof={proof?.options}
          otherwise={words.otherwiseAdd}
          stuck={words.stuck.add}
          ready={words.passkeyReadyToStore(words.storePasskey, proof && words.storeByPasskey)}
        >
          <p class={made.prf ? undefined : 's'}>
            {made.prf ? words.passkeyCanPrf : words.passkeyCannotPrf}{' '}
            {!made.prf && config.passkeyWithoutPrf === 'allow' && words.passkeyPolicyAllows}
          </p>
          {!made.prf && config.passkeyWithoutPrf === 'ask' && (
            <>
              <div>
                <label>
                  <input type="checkbox" name="consent" value="1" checked={made.consent} />{' '}
                  {words.passkeyConsent}
                </label>
              </div>
              <p>{words.withoutConsent}</p>
            </>
          )}
          <Field label={words.name} name="name" value={made.name} complete="off" />
          <Field label={words.passphrase} name="passphrase" type="password" complete="off" />
          <p>
            <Button a="store">{words.storePasskey}</Button>{' '}
            {proof && <Button a="prove">{words.storeByPasskey}</Button>}
          </p>
          <p>
            <a href="/p">{words.cancel}</a>
          </p>
        </PasskeyForm>
      ),
    })
  }

  // ---- one of them

  const one = async (c: PageContext, passkey: Passkey, status?: Child): Promise<Response> => {
    const words = wordsOf(c)
    const visit = c.get('visit')
    const session = sessionOf(c)
    const path = `/p/${passkey.id}`
    const canProve = (await openingPasskeys(needs, session.user.id)).length > 0
    const byPasskey = canProve && c.req.query('by') === 'passkey'
    const proof = byPasskey ? await passkeys.assertionOptions('proof', { session }) : null
    return show(c, needs, {
      title: oneLine(passkey.name) || words.passkeys,
      current: 'more',
      status: status && <p>{status}</p>,
      script: proof ? 'passkey' : undefined,
      body: () => (
        <>
          <p>
            <About isTitled c={c} passkey={passkey} now={clock()} />
          </p>
          <Form visit={visit} action={path}>
            <Field label={words.newName} name="name" value={passkey.name} complete="off" />
            <Button a="rename">{words.rename}</Button>
          </Form>
          <p>{words.removePasskeyWhat}</p>
          {proof ? (
            <PasskeyForm
              visit={visit}
              words={words}
              action={`${path}?by=passkey`}
              kind="get"
              options={proof.options}
              otherwise={words.otherwiseProve}
              stuck={words.stuck.prove}
            >
              <p>
                <Button a="passkey">{words.removePasskey}</Button>
              </p>
            </PasskeyForm>
          ) : (
            <Form visit={visit} action={path}>
              <Field label={words.passphrase} name="passphrase" type="password" complete="off" />
              <p>
                <Button a="remove">{words.removePasskey}</Button>
              </p>
            </Form>
          )}
          {proof ? (
            <p>
              <a href={path}>{words.proveByPassphrase}</a>
            </p>
          ) : (
            canProve && (
              <p>
                <a href={`${path}?by=passkey`}>{words.proveByPasskey}</a>
              </p>
            )
          )}
          <p>
            <a href="/p">{words.passkeys}</a>
          </p>
        </>
      ),
    })
  }

  /** What a refusal says; anything else is thrown on. */
  const sentence = (c: PageContext, error: unknown): string => {
    const refusal = refusalOf(error)
    if (!refusal || refusal.code === 'no-session') throw error
    if (refusal.detail.retry_after_s) c.header('Retry-After', String(refusal.detail.retry_after_s))
    return refusal.code === 'wrong-passphrase' ? wordsOf(c).proofWrong : sentenceOf(c, refusal)
  }

  return new Hono<PageEnv>()
    .get('/p', (c) => list(c, didOf(c)))
    .get('/p/new', (c) => make(c))
    .post('/p/new', async (c) => {
      const session = sessionOf(c)
      const { form, terminal } = c.get('visit')
      const attestation = form.get('attestation')
      if (attestation)
        try {
          const { options, prf } = await passkeys.beginRegistration(session, attestation)
          if (!prf && config.passkeyWithoutPrf === 'deny') return await make(c, wordsOf(c).passkeyDenied)
          return await tryOut(c, { options, prf, name: await newName(session, terminal) })
        } catch (error) {
          return make(c, sentence(c, error))
        }
      const asserted = assertedOf(needs, form)
      if (!asserted) return make(c)
      const name = form.get('name')
      const consent = form.get('consent') === '1'
      try {
        const { slot } = await passkeys.finishRegistration(session, {
          name,
          asserted,
          proof: proofOf(needs, form, 'proof'),
          consent,
        })
        return c.redirect(`/p?ok=passkey-${slot ?? 'login'}`, 303)
      } catch (error) {
        const said = sentence(c, error)
        const again = await passkeys.registrationCheck(session)
        return again ? tryOut(c, { ...again, name, consent }, said) : make(c, said)
      }
    })
    .get('/p/:id', async (c, next) => {
      const passkey = await ownPasskey(c)
      return passkey ? one(c, passkey) : next()
    })
    .post('/p/:id', async (c, next) => {
      const passkey = await ownPasskey(c)
      if (!passkey) return next()
      const session = sessionOf(c)
      const { form } = c.get('visit')
      try {
        if (form.get('a') === 'rename') {
          if (!/[^\s\p{Cc}\p{Cf}]/u.test(form.get('name'))) return await one(c, passkey, wordsOf(c).nameEmpty)
          await passkeys.rename(session.user.id, passkey.id, form.get('name'))
          return c.redirect('/p?ok=passkey-renamed', 303)
        }
        if (form.get('a') === 'passkey') return await one(c, passkey)
        if (isUnproved(form)) return await one(c, passkey, wordsOf(c).typeFirst)
        await passkeys.remove(session, passkey.id, proofOf(needs, form))
        return c.redirect('/p?ok=passkey-removed', 303)
      } catch (error) {
        return one(c, passkey, sentence(c, error))
      }
    })

  /** After the terminal, told apart from those that the user has. */
  async function newName({ user }: Session, terminal: string): Promise<string> {
    const taken = new Set((await passkeys.list(user.id)).map(({ name }) => name))
    let name = terminal
    for (let number = 2; taken.has(name); number += 1) name = `${terminal} ${number}`
    return name
  }

  async function ownPasskey(c: PageContext): Promise<Passkey | undefined> {
    const own = await passkeys.list(sessionOf(c).user.id)
    return own.find(({ id }) => id === c.req.param('id'))
  }
}

/** A passkey in words: since when, how it is reached, where it lies, and what it means for the operator. */
const About = (props: { c: PageContext; passkey: Passkey; now: number; isTitled?: boolean }) => {
  const { c, passkey, now, isTitled } = props
  const words = wordsOf(c)
  const { language } = c.get('visit')
  const { name, createdAt, usedAt, transports, backedUp, slot } = passkey
  const used = usedAt === null ? words.neverUsed : `${words.used} ${shortDate(language, usedAt, now)}`
  const since = `${words.added} ${shortDate(language, createdAt, now)}${words.comma}${used}${words.period}`
  return (
    <>
      {isTitled ? (
        capital(since)
      ) : (
        <>
          <b>{oneLine(name)}</b>: {since}
        </>
      )}
      {words.lies(transports, backedUp)}
      <br />
      {slot === 'prf' ? words.opensItself : slot === 'held' ? words.opensHeld : words.opensNothing}
    </>
  )
}
