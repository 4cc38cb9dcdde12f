/**
 * A form with one WebAuthn step, for every page that has one. Its text says what can be done where no script runs;
 * the script (passkey.ts), where it does run, replaces that text and fills the form in.
 */
import type { Child } from 'hono/jsx'
import type { Form as Fields, Visit } from '../../server/doors/visit.ts'
import type { Config } from '../../server/ground/config.ts'
import type { Passkeys } from '../../server/keys/passkeys.ts'
import { Form } from '../forms.tsx'
import type { Words } from '../words.ts'

export type PasskeyNeeds = { config: Pick<Config, 'passkeyWithoutPrf'>; passkeys: Passkeys }

type Texts = {
  /** What else can be done where no script runs. */
  otherwise: string
  /** What else can be done where it fails again and again. */
  stuck: string
  /** What is to be done where a script runs, if it is more than to press the button. */
  ready?: string
}

/**
 * @param kind `get` asks for one of the passkeys in the options; `discover` for any of this site, also by the
 * browser's own suggestions; `create` makes one
 */
export const PasskeyForm = (
  props: Texts & {
    visit: Visit
    words: Words
    action: string
    kind: 'get' | 'discover' | 'create'
    /** As the server made them, for the script. */
    options: string
    /** Options of a second assertion: another passkey as proof. */
    proof?: string
    /** Asks as soon as the page is there. */
    once?: boolean
    /** An answer is good for something also where the passkey computed nothing. */
    enough?: boolean
    children?: Child
  },
) => {
  const { visit, words, action, kind, options, proof, once, enough, children, ...texts } = props
  const data = {
    'data-kind': kind,
    'data-options': options,
    'data-proof': proof,
    'data-once': once ? 1 : undefined,
    'data-enough': enough ? 1 : undefined,
  }
  return (
    <Form visit={visit} action={action} data={data}>
      {visit.usualAddress && (
        <p class="s">
          {words.passkeyAway} <a href={visit.usualAddress}>{visit.usualAddress}</a>
        </p>
      )}
      <p>
        <Said {...texts} words={words} makes={kind === 'create'} isAway={visit.usualAddress !== null} />
      </p>
      {children}
    </Form>
  )
}

/**
 * How it stands, for the script to keep up. Not the paragraph itself: its end is not written, so what follows would
 * count as part of it.
 */
const Said = (props: Texts & { words: Words; makes: boolean; isAway: boolean }) => {
  const { words, makes, isAway, otherwise, stuck, ready } = props
  return (
    <span
      id="said"
      aria-live="polite"
      data-ready={isAway ? '' : (ready ?? words.passkeyReady)}
      data-asks={words.passkeyAsks}
      data-again={words.passkeyAsksAgain}
      data-failed={`${words.passkeyFailed} ${stuck}`}
      data-made={makes ? words.passkeyMade : undefined}
      data-known={makes ? words.passkeyKnown : undefined}
      data-site={words.passkeySite}
      data-unfit={words.passkeyUnfit}
      data-empty={words.typeFirst}
      data-differ={words.newPassphrasesDiffer}
    >
      {words.passkeyNoScript} {otherwise}
    </span>
  )
}

/**
 * The assertion that the script put into a form; null if there is none.
 *
 * @throws Refusal `bad-request` if it is not of that shape
 */
export const assertedOf = (needs: PasskeyNeeds, form: Fields, name: 'asserted' | 'proof' = 'asserted') => {
  const text = form.get(name)
  return text ? needs.passkeys.asserted(text) : null
}
