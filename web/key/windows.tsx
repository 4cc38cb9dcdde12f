/**
 * The unlock window "Secret key use" (C2, F6), with its ways in (passphrase, passkey, approval on a phone), and the
 * two screens that lead to it when another session holds the key (S2000-S2100). What was asked for waits behind a
 * path (`next`), a letter behind a ticket (`park`); whatever happens here, it comes back.
 */
import type { Child } from 'hono/jsx'
import type { Visit } from '../../server/doors/visit.ts'
import type { Holder, Refusal } from '../../server/ground/refusal.ts'
import { Button, Field, Form, Hidden } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { moment, oneLine } from '../text.ts'
import { ownPath, type PageContext, pathOf, sessionOf, withParameter, wordsOf } from '../visit.ts'
import type { Words } from '../words.ts'
import { PasskeyForm, type PasskeyNeeds } from './passkey-form.tsx'

type Needs = FrameNeeds & PasskeyNeeds

/** What the key is wanted for: a path, or a letter. */
export type Wanted = {
  /** Where to go once the key is open; empty for a letter. */
  next: string
  /** Where Cancel leads. */
  back: string
  /** Ticket of a letter that waits. */
  park: string
  /** The verb that asks: "press Decrypt again". */
  verb: 'decrypt' | 'sign'
  /** What it is for, a sentence, and the name of the thing. */
  reason?: string
  about?: string
}

/** How other pages come to the windows. */
export const keyWindows = (needs: Needs) => ({
  /** The window for a use that was refused; null if the refusal is about something else. */
  forRefusal: (c: PageContext, refusal: Refusal, wanted: Wanted): Promise<Response> | null => {
    if (refusal.code === 'allowance-required') return unlockWindow(c, needs, wanted)
    if (refusal.code !== 'key-in-use' || !refusal.detail.by) return null
    const window = c.req.query('again') === '1' ? confirmWindow : elsewhereWindow
    return window(c, needs, wanted, refusal.detail.by)
  },
})
export type KeyWindows = ReturnType<typeof keyWindows>

export const unlockWindow = async (
  c: PageContext,
  needs: Needs,
  wanted: Wanted,
  status?: Child,
): Promise<Response> => {
  const words = wordsOf(c)
  const visit = c.get('visit')
  const hasPasskey = await needs.passkeys.forUnlock(sessionOf(c).user.id)
  return show(c, needs, {
    title: words.useTitle,
    status: status && <p>{status}</p>,
    isWindow: true,
    body: () => (
      <>
        {/* A form of its own: Enter in the passphrase still means OK. */}
        {hasPasskey && <PasskeyFirst visit={visit} words={words} wanted={wanted} />}
        <ByPassphrase visit={visit} words={words} wanted={wanted} hasPasskey={hasPasskey} />
      </>
    ),
  })
}

const PasskeyFirst = ({ visit, words, wanted }: { visit: Visit; words: Words; wanted: Wanted }) => (
  <Form visit={visit} action="/unlock">
    <Waiting wanted={wanted} />
    {wanted.about && (
      <p>
        {words.useIsFor} <About wanted={wanted} />
      </p>
    )}
    <p>
      <Button a="passkey">{words.usePasskey}</Button>
    </p>
  </Form>
)

const ByPassphrase = (props: { visit: Visit; words: Words; wanted: Wanted; hasPasskey: boolean }) => {
  const { visit, words, wanted, hasPasskey } = props
  return (
    <Form visit={visit} action="/unlock">
      <p>
        {hasPasskey ? (
          words.orPassphrase
        ) : (
          <>
            {wanted.reason ?? words.useFor} <About wanted={wanted} />
          </>
        )}
      </p>
      <Waiting wanted={wanted} />
      <Field label={words.passphrase} name="passphrase" type="password" complete="off" />
      <Field
        label={words.passphraseAgain}
        name="passphrase2"
        type="password"
        note={words.optional}
        complete="off"
      />
      <p>
        <Button a="ok">{words.ok}</Button> <button type="reset">{words.clear}</button>{' '}
        {!hasPasskey && (
          <>
            <Button a="passkey">{words.usePasskey}</Button>{' '}
          </>
        )}
        <Button a="phone">{words.byPhone}</Button> <Button a="cancel">{words.cancel}</Button>
      </p>
      <p>
        <a href="/s?of=recovery">{words.forgotten}</a>
      </p>
    </Form>
  )
}

/** The name of the thing that the key is for. */
const About = ({ wanted }: { wanted: Wanted }) => (wanted.about ? <b>{oneLine(wanted.about)}</b> : null)

/**
 * The same window for a passkey: a page of its own, as it needs the script. The passkey is asked for at once;
 * without script the page says why it cannot, and what else there is.
 */
export const passkeyWindow = async (
  c: PageContext,
  needs: Needs,
  wanted: Wanted,
  status?: Child,
): Promise<Response> => {
  const words = wordsOf(c)
  const session = sessionOf(c)
  if (!(await needs.passkeys.forUnlock(session.user.id)))
    return unlockWindow(c, needs, wanted, words.passkeyNone)
  const key = await needs.allowances.state(session)
  if (key.state === 'elsewhere') return elsewhereWindow(c, needs, wanted, key.by) // no touch before the takeover
  const { options } = await needs.passkeys.assertionOptions('unlock', { session })
  return show(c, needs, {
    title: words.useTitle,
    status: status && <p>{status}</p>,
    isWindow: true,
    script: 'passkey',
    body: () => (
      <ByPasskey visit={c.get('visit')} words={words} wanted={wanted} options={options} once={!status} />
    ),
  })
}

const ByPasskey = (props: { visit: Visit; words: Words; wanted: Wanted; options: string; once: boolean }) => {
  const { visit, words, wanted, options, once } = props
  return (
    <PasskeyForm
      visit={visit}
      words={words}
      action="/unlock"
      kind="get"
      options={options}
      once={once}
      otherwise={words.otherwiseUnlock}
      stuck={words.stuck.unlock}
    >
      {wanted.about && (
        <p>
          {words.useIsFor} <About wanted={wanted} />
        </p>
      )}
      <Waiting wanted={wanted} />
      <p>
        <Button a="passkey">{words.usePasskey}</Button> <Button a="window">{words.usePassphrase}</Button>{' '}
        <Button a="phone">{words.byPhone}</Button> <Button a="cancel">{words.cancel}</Button>
      </p>
    </PasskeyForm>
  )
}

/** The multiple-use error: asks to press again (S2030). */
export const elsewhereWindow = (c: PageContext, needs: Needs, wanted: Wanted, by: Holder) => {
  const words = wordsOf(c)
  const visit = c.get('visit')
  const { language } = visit
  const verb = wanted.verb === 'sign' ? words.sign : words.decrypt
  return show(c, needs, {
    title: words.elsewhereTitle,
    isWindow: true,
    body: () => (
      <Form visit={visit} action="/stop">
        <p>{words.elsewhere(by.terminal, moment(language, by.since), moment(language, by.last_used))}</p>
        <p>{words.pressAgain(verb)}</p>
        <Waiting wanted={wanted} />
        <p>
          <Button a="again">{verb}</Button> <Button a="cancel">{words.cancel}</Button>
        </p>
      </Form>
    ),
  })
}

/** Asks to confirm that the other use is to be stopped (S2070). */
export const confirmWindow = (
  c: PageContext,
  needs: Needs,
  wanted: Wanted,
  by: Holder,
  status?: Child,
): Promise<Response> => {
  const words = wordsOf(c)
  const visit = c.get('visit')
  const { language } = visit
  return show(c, needs, {
    title: words.stopTitle,
    status: status && <p>{status}</p>,
    isWindow: true,
    body: () => (
      <Form visit={visit} action="/stop">
        <p>{words.stop(by.terminal, moment(language, by.since), moment(language, by.last_used))}</p>
        <Waiting wanted={wanted} />
        <Hidden name="of" value={by.grant} />
        <p>
          <Button a="ok">{words.ok}</Button> <Button a="cancel">{words.cancel}</Button>
        </p>
      </Form>
    ),
  })
}

/** What the key is wanted for, as the windows carry it. */
export const wantedOf = (c: PageContext): Wanted => {
  const { form } = c.get('visit')
  const park = form.get('park')
  const next = park ? '' : ownPath(form.get('next'), '/f/inbox')
  return {
    next,
    back: ownPath(form.get('back'), '/f/inbox'),
    park,
    verb: form.get('v') === 's' ? 'sign' : 'decrypt',
    reason: park ? wordsOf(c).useToSign : reasonOf(wordsOf(c), next),
    about: form.get('about'),
  }
}

/** What the page behind a path wants the key for, by how its path begins. */
const reasons = [
  ['/m/', (words: Words) => words.useToOpen],
  ['/c', (words: Words) => words.useToDraft],
  ['/files/', (words: Words) => words.files.useToRead],
  ['/save', (words: Words) => words.files.useToSave],
] as const

const reasonOf = (words: Words, path: string): string | undefined => {
  const [, reason] = reasons.find(([beginning]) => path.startsWith(beginning)) ?? []
  return reason?.(words)
}

/** What goes on after the unlock window. */
export type UseOfKey = {
  /** The key is open: what was asked for happens. */
  goOn(c: PageContext, ticket: string): Promise<Response>
  /** It is not: everything typed is back. */
  comeBack(c: PageContext, ticket: string): Promise<Response>
}

/** Ways out of the windows: what was asked for happens, or all is as it was. */
export const waysOut = ({ clock }: Pick<Needs, 'clock'>, letters: UseOfKey) => ({
  goOn: (c: PageContext, wanted: Wanted, keyToken: string): Promise<Response> | Response => {
    c.get('browser').keepKey(keyToken)
    return wanted.park ? letters.goOn(c, wanted.park) : c.redirect(unseen(wanted.next, clock()), 303)
  },
  cancel: (c: PageContext, wanted: Wanted): Promise<Response> | Response =>
    wanted.park ? letters.comeBack(c, wanted.park) : c.redirect(wanted.back, 303),
})
export type WaysOut = ReturnType<typeof waysOut>

/**
 * The same page at an address that no browser has seen. Links and ELinks show a page that they have had again without
 * asking, whatever Cache-Control says: after the unlock they would show the unlock window, which was at that address.
 */
export const unseen = (path: string, now: number) => withParameter(path, `k=${now.toString(36).slice(-6)}`)

/** The address that was asked for, without the marks of having been asked for again, afresh, or after a log-in. */
export const wantedPath = (c: PageContext): string =>
  pathOf(c)
    .replace(/(?<=[?&])(again=1|k=\w*|ok=in[a-z-]*)(&|$)/g, '')
    .replace(/[?&]$/, '')

/** What waits, in hidden fields. */
export const Waiting = ({ wanted }: { wanted: Wanted }) => (
  <>
    <Hidden name="park" value={wanted.park} />
    <Hidden name="next" value={wanted.next} />
    <Hidden name="back" value={wanted.back} />
    <Hidden name="v" value={wanted.verb === 'sign' ? 's' : ''} />
    <Hidden name="about" value={wanted.about && oneLine(wanted.about)} />
  </>
)
