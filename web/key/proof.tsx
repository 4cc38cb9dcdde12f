/**
 * The proof that is asked for before what opens the key changes: the passphrase, or a passkey that opens the key. The
 * form that asks for it, and what is said where it was refused.
 */
import type { Child } from 'hono/jsx'
import type { Form as Fields, Visit } from '../../server/doors/visit.ts'
import { refusalOf } from '../../server/ground/refusal.ts'
import type { Proof } from '../../server/keys/assertions.ts'
import { Button, Field, Form } from '../forms.tsx'
import { type PageContext, sentenceOf, sessionOf, withParameter } from '../visit.ts'
import type { Words } from '../words.ts'
import { assertedOf, PasskeyForm, type PasskeyNeeds } from './passkey-form.tsx'

/** How the user may prove on this page who they are. */
export type ProofWays = {
  /** They have a passkey that would do. */
  hasPasskey: boolean
  /** Options of its assertion where the page asks for it; null where the page asks for the passphrase. */
  options: string | null
}

/** As the address says (`by`), if there is such a passkey. */
export const proofWays = async (c: PageContext, needs: PasskeyNeeds): Promise<ProofWays> => {
  const session = sessionOf(c)
  const hasPasskey = (await openingPasskeys(needs, session.user.id)).length > 0
  if (!hasPasskey || c.req.query('by') !== 'passkey') return { hasPasskey, options: null }
  return { hasPasskey, ...(await needs.passkeys.assertionOptions('proof', { session })) }
}

/** The script of a page with a {@link ProofForm}. */
export const scriptFor = ({ options }: ProofWays) => (options === null ? undefined : 'passkey')

/** A form that is sent with a proof, and the link to the other way to prove it. */
export const ProofForm = (props: {
  visit: Visit
  words: Words
  ways: ProofWays
  path: string
  /** The button's name where the passphrase is the proof, and what it says. */
  a: string
  verb: string
  /** More fields. */
  children?: Child
}) => {
  const { visit, words, ways, path, a, verb, children } = props
  const byPasskey = withParameter(path, 'by=passkey')
  if (ways.options === null)
    return (
      <>
        <Form visit={visit} action={path}>
          <Field label={words.passphrase} name="passphrase" type="password" complete="off" />
          {children}
          <p>
            <Button a={a}>{verb}</Button>
          </p>
        </Form>
        {ways.hasPasskey && (
          <p>
            <a href={byPasskey}>{words.proveByPasskey}</a>
          </p>
        )}
      </>
    )
  return (
    <>
      <PasskeyForm
        visit={visit}
        words={words}
        action={byPasskey}
        kind="get"
        options={ways.options}
        otherwise={words.otherwiseProve}
        stuck={words.stuck.prove}
      >
        {children}
        <p>
          <Button a="passkey">{verb}</Button>
        </p>
      </PasskeyForm>
      <p>
        <a href={path}>{words.proveByPassphrase}</a>
      </p>
    </>
  )
}

/** The user's passkeys that open the key. */
export const openingPasskeys = async (needs: PasskeyNeeds, userId: number) =>
  (await needs.passkeys.list(userId)).filter(
    ({ slot }) => slot === 'prf' || (slot === 'held' && needs.config.passkeyWithoutPrf !== 'deny'),
  )

/** Nothing was typed where a passphrase was asked for: that is no wrong passphrase, and costs no try. */
export const isUnproved = (form: Fields): boolean => !form.get('asserted') && form.get('passphrase') === ''

/** Who sends the form proves to be the user: by a passkey, or by the passphrase in it. */
export const proofOf = (needs: PasskeyNeeds, form: Fields, name?: 'asserted' | 'proof'): Proof => {
  const asserted = assertedOf(needs, form, name)
  return asserted ? { asserted } : { passphrase: form.get('passphrase') }
}

/**
 * What the page says of a refusal; when to try again goes into the answer's head.
 *
 * @param wrong the sentence for a secret that was typed and is not the right one
 * @throws whatever is no refusal, and that the session is over, which is not this page's to say
 */
export const whyRefused = (c: PageContext, error: unknown, wrong: string): string => {
  const refusal = refusalOf(error)
  if (!refusal || refusal.code === 'no-session') throw error
  if (refusal.detail.retry_after_s) c.header('Retry-After', String(refusal.detail.retry_after_s))
  return refusal.code === 'wrong-passphrase' ? wrong : sentenceOf(c, refusal)
}
