/** The first user: the page behind the one-time link that the server prints while it has no user. */
import { Hono } from 'hono'
import type { Child } from 'hono/jsx'
import type { Form as Fields, Visit } from '../../server/doors/visit.ts'
import { refusalOf } from '../../server/ground/refusal.ts'
import type { ParkedForms } from '../../server/people/parked-forms.ts'
import type { Users } from '../../server/people/users.ts'
import type { Setup } from '../../server/setup.ts'
import { Field, Form, Links } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { RecoveryCode } from '../key/passphrase.tsx'
import { type PageContext, type PageEnv, sentenceOf, wordsOf } from '../visit.ts'
import type { Words } from '../words.ts'

type Needs = FrameNeeds & {
  isTooShort(secret: string): boolean
  parkedForms: ParkedForms
  setup: Setup
  users: Users
}

export const setupPages = (needs: Needs) =>
  new Hono<PageEnv>()
    .get('/setup/:token', async (c, next) =>
      (await needs.setup.valid(c.req.param('token'))) ? ask(c, needs, {}) : next(),
    )
    .post('/setup/:token', async (c) => {
      const token = c.req.param('token')
      const shown = (await needs.setup.valid(token)) ? null : await again(c, needs, token)
      return shown ?? setUp(c, needs, token)
    })

type Typed = { address?: string; name?: string }

const ask = (c: PageContext, needs: Needs, { status, ...typed }: Typed & { status?: Child }) => {
  const words = wordsOf(c)
  return show(c, needs, {
    title: words.setupTitle,
    status: status && <p>{status}</p>,
    isWindow: true,
    body: () => <SetupForm visit={c.get('visit')} words={words} path={c.req.path} typed={typed} />,
  })
}

const SetupForm = (props: { visit: Visit; words: Words; path: string; typed: Typed }) => {
  const { visit, words, path, typed } = props
  return (
    <Form visit={visit} action={path}>
      <p>{words.setupIntro}</p>
      <Field label={words.address} name="address" type="email" value={typed.address} complete="username" />
      <Field label={words.name} name="name" value={typed.name} complete="name" />
      <Field
        label={words.password}
        name="pass"
        type="password"
        note={words.atLeast}
        complete="new-password"
      />
      <Field
        label={words.passphraseWhat}
        name="passphrase"
        type="password"
        note={words.atLeast}
        complete="new-password"
      />
      <Field label={words.passphraseAgain} name="passphrase2" type="password" complete="new-password" />
      <p>
        <button type="submit">{words.begin}</button>
      </p>
    </Form>
  )
}

const setUp = async (c: PageContext, needs: Needs, token: string): Promise<Response> => {
  const { setup, sessions, parkedForms } = needs
  const visit = c.get('visit')
  const wanted = wantedIn(visit.form)
  const wrong = wrongWith(wanted, visit.form, needs, wordsOf(c))
  if (wrong.length > 0) return ask(c, needs, { ...wanted, status: wrong.join(' ') })
  try {
    const { user, recoveryCode } = await setup.use(token, wanted)
    const known = { user, requireStands: async () => {} } // who made the user this moment showed nothing else
    c.get('browser').logIn(await sessions.begin(known, visit.terminal, visit.address))
    await parkedForms.keep(ticketOf(needs, user.id, token, wanted.password), recoveryCode)
    // Not behind a redirect: the code is shown once, and is in no address.
    return showCode(c, needs, recoveryCode)
  } catch (error) {
    const refusal = refusalOf(error)
    if (!refusal || refusal.code === 'not-found') throw error
    return ask(c, needs, { ...wanted, status: sentenceOf(c, refusal) })
  }
}

const wantedIn = (form: Fields) => ({
  address: form.get('address'),
  name: form.get('name'),
  password: form.get('pass'),
  passphrase: form.get('passphrase'),
})

const wrongWith = (
  { address, password, passphrase }: ReturnType<typeof wantedIn>,
  form: Fields,
  { isTooShort }: Needs,
  words: Words,
) =>
  [
    !/^\s*[^\s@]+@[^\s@]+\s*$/.test(address) && words.addressWrong,
    isTooShort(password) && words.passwordShort,
    isTooShort(passphrase) && words.passphraseShortHere,
    passphrase !== form.get('passphrase2') && words.passphrasesDifferHere,
    form.trouble && words.loginOld,
  ].filter(Boolean)

/** The code once more, to whoever knows the link and the password; null if there is none to be shown. */
const again = async (c: PageContext, needs: Needs, token: string): Promise<Response | null> => {
  const { users, sessions, parkedForms } = needs
  const visit = c.get('visit')
  const [address, pass] = [visit.form.get('address'), visit.form.get('pass')]
  const known = await users.logIn(address, pass, visit.address).catch((error: unknown) => {
    if (!refusalOf(error)) throw error
    return null
  })
  const ticket = known && ticketOf(needs, known.user.id, token, pass)
  const code = ticket && ((await parkedForms.open(known.user.id, ticket)) as string | null)
  if (!code) return null
  await parkedForms.drop(ticket)
  c.get('browser').logIn(await sessions.begin(known, visit.terminal, visit.address))
  return showCode(c, needs, code)
}

/** For a Reload, which sends the same form again: the code lies under a ticket that takes the link and the password. */
const ticketOf = ({ parkedForms }: Needs, userId: number, token: string, password: string) =>
  parkedForms.ticket(userId, Buffer.from(JSON.stringify([token, password])), 'set-up-code-')

const showCode = (c: PageContext, needs: Needs, code: string) => {
  const words = wordsOf(c)
  return show(c, needs, {
    title: words.setupDone,
    isWindow: true,
    body: () => (
      <>
        <RecoveryCode words={words} code={code} />
        <p>{words.recoveryKeep}</p>
        <Links links={[<a href="/f/inbox">{words.folder.inbox}</a>]} />
      </>
    ),
  })
}
