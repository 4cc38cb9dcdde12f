/** The user's own S/MIME certificates: which there are, one of them, and how another one comes. */
import { Hono } from 'hono'
import { dayOf } from '../../server/ground/reasons.ts'
import { Refusal, refusalOf } from '../../server/ground/refusal.ts'
import type { Identities, OwnIdentity } from '../../server/keys/identities.ts'
import { asAttachment, inert } from '../download.ts'
import { Button, Field, Form, Hidden, Links } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { grouped, oneLine } from '../text.ts'
import { didOf, type PageContext, type PageEnv, sentenceOf, sessionOf, wordsOf } from '../visit.ts'
import { capital, type Words } from '../words.ts'
import type { KeyWindows, Wanted } from './windows.tsx'

type Services = FrameNeeds & { identities: Identities }
type Needs = Services & { windows: KeyWindows }

export const identityPages = (services: Services, windows: KeyWindows) => {
  const needs: Needs = { ...services, windows }
  return new Hono<PageEnv>()
    .get('/smime', (c) => {
      const of = c.req.query('of')
      if (of) return showOne(c, needs, of)
      return c.req.query('a') === 'add' ? askFile(c, needs) : showAll(c, needs)
    })
    .post('/smime', (c) => change(c, needs))
    .get('/smime/:fingerprint', (c) => giveCertificate(c, needs))
}

const showAll = async (c: PageContext, needs: Needs): Promise<Response> => {
  const words = wordsOf(c)
  const own = await needs.identities.list(sessionOf(c).user.id)
  const did = didOf(c)
  return show(c, needs, {
    title: words.smime.title,
    current: 'more',
    status: did && <p>{did}</p>,
    body: () => (
      <>
        <p>{words.smime.what}</p>
        {own.length === 0 && <p>{words.smime.none}</p>}
        <ul>
          {own.map((identity) => (
            <li>
              <a href={pageOf(identity)}>{oneLine(identity.name, 80)}</a>
              {words.comma}
              {words.smime.lasts(dayOf(identity.from), dayOf(identity.until))}
              {words.ownKeyState(identity.now)}
            </li>
          ))}
        </ul>
        <EndsSoon words={words} identities={own} />
        <p>
          <a href="/smime?a=add">{words.smime.add}</a>
        </p>
      </>
    ),
  })
}

/** Said in time, where somebody looks. */
export const EndsSoon = ({ words, identities }: { words: Words; identities: OwnIdentity[] }) => (
  <>
    {identities
      .filter(({ endsSoon }) => endsSoon)
      .map((identity) => (
        <p>
          <a href={pageOf(identity)}>
            {words.smime.endsSoon(oneLine(identity.name, 80), dayOf(identity.until))}
          </a>
        </p>
      ))}
  </>
)

const pageOf = ({ fingerprint }: OwnIdentity) => `/smime?of=${fingerprint}`

// ---- one of them

const find = async (c: PageContext, { identities }: Needs, fingerprint: string): Promise<OwnIdentity> => {
  const own = await identities.list(sessionOf(c).user.id)
  const found = own.find((each) => each.fingerprint === fingerprint)
  if (!found) throw new Refusal('no-identity')
  return found
}

const showOne = async (c: PageContext, needs: Needs, of: string, said?: string): Promise<Response> => {
  const words = wordsOf(c)
  const visit = c.get('visit')
  const identity = await find(c, needs, of)
  const { addresses, subject, issuer, algorithm, from, until, fingerprint, now, isSelfMade } = identity
  return show(c, needs, {
    title: words.smime.ofOne(oneLine(identity.name, 80)),
    current: 'more',
    status: said && <p>{said}</p>,
    body: () => (
      <>
        <Line label={words.smime.addresses} text={addresses.join(', ') || words.smime.noAddress} />
        <Line label={words.smime.subject} text={subject} />
        <Line label={words.smime.issuer} text={isSelfMade ? words.smime.selfMade : issuer} />
        <p>
          {capital(words.smime.lasts(dayOf(from), dayOf(until)))}
          {words.comma}
          {algorithm}
          {words.ownKeyState(now)}
        </p>
        <EndsSoon words={words} identities={identity.endsSoon ? [identity] : []} />
        <Line label={words.smime.fingerprint} text={grouped(fingerprint)} />
        <Links
          links={[
            <a href={`/smime/${fingerprint}`}>{words.smime.download}</a>,
            <a href="/smime">{words.smime.title}</a>,
          ]}
        />
        <Form visit={visit} action="/smime">
          <Hidden name="of" value={fingerprint} />
          <p>
            {words.smime.removeWhat} <Button a="remove">{words.remove}</Button>
          </p>
        </Form>
      </>
    ),
  })
}

const Line = ({ label, text }: { label: string; text: string }) => (
  <p>
    <b>{label}:</b> {oneLine(text, 400)}
  </p>
)

const giveCertificate = async (c: PageContext, needs: Needs): Promise<Response> => {
  const identity = await find(c, needs, c.req.param('fingerprint') ?? '')
  return c.body(identity.pem, 200, {
    ...inert,
    'Content-Type': 'application/x-pem-file',
    'Content-Disposition': asAttachment(`${identity.name}.pem`),
  })
}

// ---- another one

const toAdd = (words: Words): Wanted => ({
  next: '/smime?a=add',
  back: '/smime',
  park: '',
  verb: 'sign',
  reason: words.smime.useToAdd,
})

/** The key is asked for before the file, which would have to be chosen again. */
const askFile = async (c: PageContext, needs: Needs): Promise<Response> => {
  const words = wordsOf(c)
  try {
    await needs.allowances.require(sessionOf(c), c.get('visit').keyToken, 'sign')
  } catch (error) {
    const refusal = refusalOf(error)
    const window = refusal && needs.windows.forRefusal(c, refusal, toAdd(words))
    if (window) return window
    throw error
  }
  return showForm(c, needs)
}

const showForm = (c: PageContext, needs: Needs, said?: string): Promise<Response> => {
  const words = wordsOf(c)
  const visit = c.get('visit')
  return show(c, needs, {
    title: words.smime.add,
    current: 'more',
    status: said && <p>{said}</p>,
    body: () => (
      <>
        <p>{words.smime.addWhat}</p>
        <Form visit={visit} action="/smime" files>
          <p>
            <label>
              {words.smime.file} <input type="file" name="file" />
            </label>
          </p>
          <Field
            label={words.smime.passphrase}
            name="passphrase"
            type="password"
            note={words.optional}
            complete="off"
          />
          <p>
            <Button a="add">{words.smime.add}</Button>
          </p>
        </Form>
        <Form visit={visit} action="/smime">
          <p>
            {words.smime.makeWhat} <Button a="make">{words.smime.make}</Button>
          </p>
        </Form>
      </>
    ),
  })
}

// ---- what is done

const change = (c: PageContext, needs: Needs): Promise<Response> =>
  c.get('visit').form.get('a') === 'remove' ? remove(c, needs) : add(c, needs)

const add = async (c: PageContext, needs: Needs): Promise<Response> => {
  const words = wordsOf(c)
  const { form, keyToken } = c.get('visit')
  const session = sessionOf(c)
  const { user } = session
  const [file] = form.files('file')
  const isMade = form.get('a') === 'make'
  if (!isMade && !file) return showForm(c, needs, words.smime.chooseFirst)
  const wanted =
    isMade || !file
      ? { generate: { name: user.name, address: user.address, at: needs.clock() } }
      : { import: { file: file.octets, passphrase: Buffer.from(form.get('passphrase')) } }
  try {
    await needs.identities.addWith(
      user,
      (work) => needs.allowances.use(session, keyToken, { scope: 'sign', goesOn: true }, work),
      wanted,
      session,
    )
    return c.redirect('/smime?ok=identity-added', 303)
  } catch (error) {
    const refusal = refusalOf(error)
    if (!refusal) throw error
    const window = needs.windows.forRefusal(c, refusal, toAdd(words))
    return window ?? showForm(c, needs, sentenceOf(c, refusal))
  }
}

const toRemove = (words: Words, identity: OwnIdentity): Wanted => ({
  next: pageOf(identity),
  back: pageOf(identity),
  park: '',
  verb: 'sign',
  reason: words.smime.useToRemove,
  about: identity.name,
})

const remove = async (c: PageContext, needs: Needs): Promise<Response> => {
  const { form, keyToken } = c.get('visit')
  const session = sessionOf(c)
  const identity = await find(c, needs, form.get('of'))
  try {
    await needs.allowances.require(session, keyToken, 'sign')
    await needs.identities.remove(session.user, identity.fingerprint, session)
    return c.redirect('/smime?ok=identity-removed', 303)
  } catch (error) {
    const refusal = refusalOf(error)
    if (!refusal) throw error
    const window = needs.windows.forRefusal(c, refusal, toRemove(wordsOf(c), identity))
    return window ?? showOne(c, needs, identity.fingerprint, sentenceOf(c, refusal))
  }
}
