/** What is pressed in the windows of windows.tsx: the key is opened here, or its other use stopped first; and Lock key. */
import { Hono } from 'hono'
import type { Form as Fields } from '../../server/doors/visit.ts'
import { type Holder, refusalOf } from '../../server/ground/refusal.ts'
import type { FrameNeeds } from '../frame.tsx'
import { type PageContext, type PageEnv, sentenceOf, sessionOf, withParameter, wordsOf } from '../visit.ts'
import type { Words } from '../words.ts'
import { askPhone } from './approval.tsx'
import { assertedOf, type PasskeyNeeds } from './passkey-form.tsx'
import { isUnproved, whyRefused } from './proof.tsx'
import {
  confirmWindow,
  elsewhereWindow,
  passkeyWindow,
  type UseOfKey,
  unlockWindow,
  unseen,
  type Wanted,
  type WaysOut,
  wantedOf,
  waysOut,
} from './windows.tsx'

type Needs = FrameNeeds & PasskeyNeeds

export const unlockPages = (needs: Needs, letters: UseOfKey) => {
  const ways = waysOut(needs, letters)
  return new Hono<PageEnv>()
    .post('/unlock', (c) => unlock(c, needs, ways))
    .post('/stop', (c) => stop(c, needs, ways))
}

const unlock = async (c: PageContext, needs: Needs, ways: WaysOut): Promise<Response> => {
  const { allowances } = needs
  const { form } = c.get('visit')
  const session = sessionOf(c)
  const wanted = wantedOf(c)
  const a = form.get('a')
  if (a === 'cancel') return ways.cancel(c, wanted)
  if (a === 'window') return unlockWindow(c, needs, wanted)
  const asserted = assertedOf(needs, form)
  let keyToken: string
  try {
    if (a === 'phone') return await askPhone(c, needs, ways, wanted)
    if (a === 'passkey' && !asserted) return await passkeyWindow(c, needs, wanted)
    const mistyped = mistypedIn(form, wordsOf(c))
    if (mistyped) return await unlockWindow(c, needs, wanted, mistyped)
    ;({ keyToken } = asserted
      ? await allowances.grantByPasskey(session, asserted)
      : await allowances.grantByPassphrase(session, form.get('passphrase')))
  } catch (error) {
    const by = holderIn(error)
    if (by) return elsewhereWindow(c, needs, wanted, by)
    const window = asserted || a === 'passkey' ? passkeyWindow : unlockWindow
    return window(c, needs, wanted, whyRefused(c, error, wordsOf(c).passphraseWrong))
  }
  return ways.goOn(c, wanted, keyToken)
}

/** What is wrong with the passphrase as it was typed, before it is tried. */
const mistypedIn = (form: Fields, words: Words): string | null => {
  const [passphrase, check] = [form.get('passphrase'), form.get('passphrase2')]
  if (isUnproved(form)) return words.typeFirst
  return check !== '' && check !== passphrase ? words.passphrasesDiffer : null
}

/** Who else holds the key, if that is why it was refused. */
const holderIn = (error: unknown): Holder | undefined => {
  const refusal = refusalOf(error)
  return refusal?.code === 'key-in-use' ? refusal.detail.by : undefined
}

const stop = async (c: PageContext, needs: Needs, ways: WaysOut): Promise<Response> => {
  const { allowances, clock } = needs
  const { form } = c.get('visit')
  const session = sessionOf(c)
  const wanted = wantedOf(c)
  if (form.get('a') === 'cancel') return ways.cancel(c, wanted)
  if (form.get('a') === 'again') return pressedAgain(c, needs, wanted)
  try {
    // A form without it shows no holder: nobody is stopped by it.
    await allowances.stop(session, form.get('of'))
  } catch (error) {
    const refusal = refusalOf(error)
    const key = await allowances.state(session)
    if (!refusal || key.state !== 'elsewhere') throw error
    const said = refusal.code === 'key-in-use' ? wordsOf(c).stopAnother : sentenceOf(c, refusal)
    return confirmWindow(c, needs, wanted, key.by, said)
  }
  // Only now, the other use being stopped, the passphrase (P82).
  return wanted.next ? c.redirect(unseen(wanted.next, clock()), 303) : unlockWindow(c, needs, wanted)
}

/** The verb was pressed again, at the key's being in use elsewhere: asked for anew, it leads to the confirmation. */
const pressedAgain = async (c: PageContext, needs: Needs, wanted: Wanted): Promise<Response> => {
  if (wanted.next) return c.redirect(unseen(withParameter(wanted.next, 'again=1'), needs.clock()), 303)
  const key = await needs.allowances.state(sessionOf(c))
  return key.state === 'elsewhere' ? confirmWindow(c, needs, wanted, key.by) : unlockWindow(c, needs, wanted)
}

/** Locks the key of this terminal, and keeps a late approval from opening it again. */
export const lockKey = async ({ approvals, allowances }: FrameNeeds, c: PageContext): Promise<void> => {
  await approvals.cancel(sessionOf(c))
  await allowances.lock(sessionOf(c))
  c.get('browser').lockKey()
}
