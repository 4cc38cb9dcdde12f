/**
 * Passkeys, as settings (P87): what the user has, what each can do and what that means for the operator; adding one,
 * in two pages (made, then tried out and proved), renaming, removing.
 */
import { Hono } from 'hono'
import type { Child } from 'hono/jsx'
import type { Language, Visit } from '../../server/doors/visit.ts'
import type { Config } from '../../server/ground/config.ts'
import type { Passkey } from '../../server/keys/credentials.ts'
import { Button, Field, Form } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { oneLine, shortDate } from '../text.ts'
import { didOf, type PageContext, type PageEnv, sessionOf, wordsOf } from '../visit.ts'
import { capital, type Words } from '../words.ts'
import { assertedOf, PasskeyForm, type PasskeyNeeds } from './passkey-form.tsx'
import {
  isUnproved,
  openingPasskeys,
  ProofForm,
  type ProofWays,
  proofOf,
  proofWays,
  scriptFor,
  whyRefused,
} from './proof.tsx'

type Needs = FrameNeeds & PasskeyNeeds

export const passkeyPages = (needs: Needs) =>
  new Hono<PageEnv>()
    .get('/p', (c) => list(c, needs))
    .get('/p/new', (c) => make(c, needs))
    .post('/p/new', (c) => (c.get('visit').form.get('attestation') ? begin(c, needs) : store(c, needs)))
    .get('/p/:id', async (c, next) => {
      const passkey = await ownPasskey(c, needs)
      return passkey ? one(c, needs, passkey) : next()
    })
    .post('/p/:id', async (c, next) => {
      const passkey = await ownPasskey(c, needs)
      return passkey ? change(c, needs, passkey) : next()
    })

const list = async (c: PageContext, needs: Needs): Promise<Response> => {
  const { language } = c.get('visit')
  const words = wordsOf(c)
  const did = didOf(c)
  const own = await needs.passkeys.list(sessionOf(c).user.id)
  return show(c, needs, {
    title: words.passkeys,
    current: 'more',
    status: did && <p>{did}</p>,
    body: () => <Own language={language} words={words} own={own} now={needs.clock()} />,
  })
}

const Own = (props: { language: Language; words: Words; own: Passkey[]; now: number }) => {
  const { language, words, own, now } = props
  return (
    <>
      <p>{words.passkeysWhat}</p>
      {own.length === 0 && <p>{words.noPasskeys}</p>}
      <ul>
        {own.map((passkey) => (
          <li>
            <About language={language} words={words} passkey={passkey} now={now} />{' '}
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
  )
}

// ---- adding one

const make = async (c: PageContext, needs: Needs, status?: Child): Promise<Response> => {
  const words = wordsOf(c)
  const { options } = await needs.passkeys.registrationOptions(sessionOf(c))
  return show(c, needs, {
    title: words.addPasskey,
    current: 'more',
    status: status && <p>{status}</p>,
    script: 'passkey',
    body: () => <ToMake visit={c.get('visit')} words={words} options={options} />,
  })
}

const ToMake = ({ visit, words, options }: { visit: Visit; words: Words; options: string }) => (
  <>
    <p>{words.addPasskeyWhat}</p>
    <PasskeyForm
      visit={visit}
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
)

/** A passkey that was made and is not stored yet, with the options to ask it again. */
type Made = { options: string; prf: boolean; name: string; consent?: boolean }

const begin = async (c: PageContext, needs: Needs): Promise<Response> => {
  const { passkeys, config } = needs
  const { form, terminal } = c.get('visit')
  const session = sessionOf(c)
  const words = wordsOf(c)
  try {
    const { options, prf } = await passkeys.beginRegistration(session, form.get('attestation'))
    if (!prf && config.passkeyWithoutPrf === 'deny') return await make(c, needs, words.passkeyDenied)
    const taken = await passkeys.list(session.user.id)
    return await tryOut(c, needs, { options, prf, name: newName(terminal, taken) })
  } catch (error) {
    return make(c, needs, whyRefused(c, error, words.proofWrong))
  }
}

/** After the terminal, told apart from those that the user has. */
const newName = (terminal: string, own: Passkey[]): string => {
  const taken = new Set(own.map(({ name }) => name))
  let name = terminal
  for (let number = 2; taken.has(name); number += 1) name = `${terminal} ${number}`
  return name
}

/** The passkey is made: what it can do is said, it is tried out, and stored with a proof. */
const tryOut = async (c: PageContext, needs: Needs, made: Made, status?: Child): Promise<Response> => {
  const words = wordsOf(c)
  const session = sessionOf(c)
  const others = await openingPasskeys(needs, session.user.id)
  const proof = others.length ? await needs.passkeys.assertionOptions('proof', { session }) : null
  const policy = needs.config.passkeyWithoutPrf
  return show(c, needs, {
    title: words.tryPasskey,
    current: 'more',
    status: status && <p>{status}</p>,
    script: 'passkey',
    body: () => (
      <ToTry visit={c.get('visit')} words={words} made={made} policy={policy} proof={proof?.options} />
    ),
  })
}

const ToTry = (props: {
  visit: Visit
  words: Words
  made: Made
  policy: Config['passkeyWithoutPrf']
  /** Options for another passkey as proof; none where the user has no other. */
  proof: string | undefined
}) => {
  const { visit, words, made, policy, proof } = props
  return (
    <PasskeyForm
      visit={visit}
      words={words}
      action="/p/new"
      kind="get"
      options={made.options}
      proof={proof}
      otherwise={words.otherwiseAdd}
      stuck={words.stuck.add}
      ready={words.passkeyReadyToStore(words.storePasskey, proof ? words.storeByPasskey : null)}
    >
      <p class={made.prf ? undefined : 's'}>
        {made.prf ? words.passkeyCanPrf : words.passkeyCannotPrf}{' '}
        {!made.prf && policy === 'allow' && words.passkeyPolicyAllows}
      </p>
      {!made.prf && policy === 'ask' && <Consent words={words} isGiven={made.consent} />}
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
  )
}

/** That the server itself keeps what opens the key. */
const Consent = ({ words, isGiven }: { words: Words; isGiven: boolean | undefined }) => (
  <>
    <div>
      <label>
        <input type="checkbox" name="consent" value="1" checked={isGiven} /> {words.passkeyConsent}
      </label>
    </div>
    <p>{words.withoutConsent}</p>
  </>
)

const store = async (c: PageContext, needs: Needs): Promise<Response> => {
  const { passkeys } = needs
  const { form } = c.get('visit')
  const session = sessionOf(c)
  const asserted = assertedOf(needs, form)
  if (!asserted) return make(c, needs)
  const typed = { name: form.get('name'), consent: form.get('consent') === '1' }
  try {
    const proof = proofOf(needs, form, 'proof')
    const { slot } = await passkeys.finishRegistration(session, { ...typed, asserted, proof })
    return c.redirect(`/p?ok=passkey-${slot ?? 'login'}`, 303)
  } catch (error) {
    const said = whyRefused(c, error, wordsOf(c).proofWrong)
    const again = await passkeys.registrationCheck(session)
    return again ? tryOut(c, needs, { ...again, ...typed }, said) : make(c, needs, said)
  }
}

// ---- one of them

const ownPasskey = async (c: PageContext, { passkeys }: Needs): Promise<Passkey | undefined> => {
  const own = await passkeys.list(sessionOf(c).user.id)
  return own.find(({ id }) => id === c.req.param('id'))
}

const one = async (c: PageContext, needs: Needs, passkey: Passkey, status?: Child): Promise<Response> => {
  const words = wordsOf(c)
  const ways = await proofWays(c, needs)
  return show(c, needs, {
    title: oneLine(passkey.name) || words.passkeys,
    current: 'more',
    status: status && <p>{status}</p>,
    script: scriptFor(ways),
    body: () => (
      <One visit={c.get('visit')} words={words} passkey={passkey} ways={ways} now={needs.clock()} />
    ),
  })
}

const One = (props: { visit: Visit; words: Words; passkey: Passkey; ways: ProofWays; now: number }) => {
  const { visit, words, passkey, ways, now } = props
  const path = `/p/${passkey.id}`
  return (
    <>
      <p>
        <About isTitled language={visit.language} words={words} passkey={passkey} now={now} />
      </p>
      <Form visit={visit} action={path}>
        <Field label={words.newName} name="name" value={passkey.name} complete="off" />
        <Button a="rename">{words.rename}</Button>
      </Form>
      <p>{words.removePasskeyWhat}</p>
      <ProofForm visit={visit} words={words} ways={ways} path={path} a="remove" verb={words.removePasskey} />
      <p>
        <a href="/p">{words.passkeys}</a>
      </p>
    </>
  )
}

const change = async (c: PageContext, needs: Needs, passkey: Passkey): Promise<Response> => {
  const { passkeys } = needs
  const { form } = c.get('visit')
  const session = sessionOf(c)
  const words = wordsOf(c)
  try {
    if (form.get('a') === 'rename') {
      if (!/[^\s\p{Cc}\p{Cf}]/u.test(form.get('name'))) return await one(c, needs, passkey, words.nameEmpty)
      await passkeys.rename(session.user.id, passkey.id, form.get('name'))
      return c.redirect('/p?ok=passkey-renamed', 303)
    }
    // Without script the button only brings the page back, which says why.
    if (form.get('a') === 'passkey') return await one(c, needs, passkey)
    if (isUnproved(form)) return await one(c, needs, passkey, words.typeFirst)
    await passkeys.remove(session, passkey.id, proofOf(needs, form))
    return c.redirect('/p?ok=passkey-removed', 303)
  } catch (error) {
    return one(c, needs, passkey, whyRefused(c, error, words.proofWrong))
  }
}

/** A passkey in words: since when, how it is reached, where it lies, and what it means for the operator. */
const About = (props: {
  language: Language
  words: Words
  passkey: Passkey
  now: number
  /** The page's heading is its name. */
  isTitled?: boolean
}) => {
  const { language, words, passkey, now, isTitled } = props
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
      {words[opens[slot ?? 'none']]}
    </>
  )
}

/** What each kind of slot means, as words.ts names it. */
const opens = { prf: 'opensItself', held: 'opensHeld', none: 'opensNothing' } as const
