/** The first user: the page behind the one-time link that the server prints while it has no user. */
import { Hono } from 'hono'
import type { Child } from 'hono/jsx'
import { refusalOf } from '../../server/ground/refusal.ts'
import type { ParkedForms } from '../../server/people/parked-forms.ts'
import type { Users } from '../../server/people/users.ts'
import type { Setup } from '../../server/setup.ts'
import { Field, Form, Links } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { RecoveryCode } from '../key/passphrase.tsx'
import { type PageContext, type PageEnv, sentenceOf, wordsOf } from '../visit.ts'

type Needs = FrameNeeds & {
  isTooShort(secret: string): boolean
  parkedForms: ParkedForms
  setup: Setup
  users: Users
}

export const setupPages = (needs: Needs) => {
  const { setup, sessions, users, parkedForms, isTooShort } = needs

  const form = (c: PageContext, typed: { address?: string; name?: string; status?: Child }) => {
    const words = wordsOf(c)
    return show(c, needs, {
      title: words.setupTitle,
      status: typed.status && <p>{typed.status}</p>,
      isWindow: true,
      body: () => (
        <Form visit={c.get('visit')} action={c.req.path}>
          <p>{words.setupIntro}</p>
          <Field
            label={words.address}
            name="address"
            type="email"
            value={typed.address}
            complete="username"
          />
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
      ),
    })
  }

  const showCode = (c: PageContext, code: string) => {
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

  /** For a Reload, which sends the same form again: the code lies under a ticket that takes the link and the password. */
  const ticketOf = (userId: number, token: string, password: string) =>
    parkedForms.ticket(userId, Buffer.from(JSON.stringify([token, password])), 'set-up-code-')

  /** The code once more, to whoever knows the link and the password; null if there is none to be shown. */
  const again = async (c: PageContext, token: string): Promise<Response | null> => {
    const visit = c.get('visit')
    const [address, pass] = [visit.form.get('address'), visit.form.get('pass')]
    const known = await users.logIn(address, pass, visit.address).catch((error: unknown) => {
      if (!refusalOf(error)) throw error
      return null
    })
    const ticket = known && ticketOf(known.user.id, token, pass)
    const code = ticket && ((await parkedForms.open(known.user.id, ticket)) as string | null)
    if (!code) return null
    await parkedForms.drop(ticket)
    visit.logIn(await sessions.begin(known, visit.terminal, visit.address))
    return showCode(c, code)
  }

  return new Hono<PageEnv>()
    .get('/setup/:token', async (c, next) =>
      (await setup.valid(c.req.param('token'))) ? form(c, {}) : next(),
    )
    .post('/setup/:token', async (c) => {
      const words = wordsOf(c)
      const visit = c.get('visit')
      const token = c.req.param('token')
      const shown = (await setup.valid(token)) ? null : await again(c, token)
      if (shown) return shown
      const typed = visit.form
      const wanted = {
        address: typed.get('address'),
        name: typed.get('name'),
        password: typed.get('pass'),
        passphrase: typed.get('passphrase'),
      }
      const wrong = [
        !/^\s*[^\s@]+@[^\s@]+\s*$/.test(wanted.address) && words.addressWrong,
        isTooShort(wanted.password) && words.passwordShort,
        isTooShort(wanted.passphrase) && words.passphraseShortHere,
        wanted.passphrase !== typed.get('passphrase2') && words.passphrasesDifferHere,
        visit.form.trouble && words.loginOld,
      ].filter(Boolean)
      if (wrong.length > 0) return form(c, { ...wanted, status: wrong.join(' ') })
      try {
        const { user, recoveryCode } = await setup.use(token, wanted)
        const known = { user, requireStands: () => {} } // who made the user this moment showed nothing else
        visit.logIn(await sessions.begin(known, visit.terminal, visit.address))
        await parkedForms.keep(ticketOf(user.id, token, wanted.password), recoveryCode)
        // Not behind a redirect: the code is shown once, and is in no address.
        return showCode(c, recoveryCode)
      } catch (error) {
        const refusal = refusalOf(error)
        if (!refusal || refusal.code === 'not-found') throw error
        return form(c, { ...wanted, status: sentenceOf(c, refusal) })
      }
    })
}
