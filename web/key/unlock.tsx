/** What is pressed in the windows of windows.tsx: the key is opened here, or its other use stopped first; and Lock key. */
import { Hono } from 'hono'
import { refusalOf } from '../../server/ground/refusal.ts'
import type { FrameNeeds } from '../frame.tsx'
import { type PageContext, type PageEnv, sentenceOf, sessionOf, wordsOf } from '../visit.ts'
import { assertedOf, type PasskeyNeeds } from './passkey-form.tsx'
import { type KeyWindows, type UseOfKey, unseen, type Wanted, wantedOf, waysOut } from './windows.tsx'

type Needs = FrameNeeds & PasskeyNeeds

/** @param askPhone begins an approval (approval.tsx) */
export const unlockPages = (
  needs: Needs,
  windows: KeyWindows,
  letters: UseOfKey,
  askPhone: (c: PageContext, wanted: Wanted) => Promise<Response>,
) => {
  const { allowances } = needs
  const { goOn, cancel } = waysOut(needs, letters)

  return new Hono<PageEnv>()
    .post('/unlock', async (c) => {
      const visit = c.get('visit')
      const session = sessionOf(c)
      const words = wordsOf(c)
      const wanted = wantedOf(c)
      const a = visit.form.get('a')
      if (a === 'cancel') return cancel(c, wanted)
      if (a === 'window') return windows.unlockWindow(c, wanted)
      const asserted = assertedOf(needs, visit.form)
      const byPasskey = asserted !== null || a === 'passkey'
      const [passphrase, check] = [visit.form.get('passphrase'), visit.form.get('passphrase2')]
      let keyToken: string
      try {
        if (a === 'phone') return await askPhone(c, wanted)
        if (byPasskey && !asserted) return await windows.passkeyWindow(c, wanted)
        if (!asserted && passphrase === '') return windows.unlockWindow(c, wanted, words.typeFirst)
        if (check !== '' && check !== passphrase)
          return windows.unlockWindow(c, wanted, words.passphrasesDiffer)
        ;({ keyToken } = asserted
          ? await allowances.grantByPasskey(session, asserted)
          : await allowances.grantByPassphrase(session, passphrase))
      } catch (error) {
        const refusal = refusalOf(error)
        if (!refusal) throw error
        if (refusal.code === 'key-in-use') return windows.elsewhere(c, wanted, refusal.detail.by!)
        if (refusal.code === 'no-session') throw error
        if (refusal.detail.retry_after_s) c.header('Retry-After', String(refusal.detail.retry_after_s))
        const sentence = refusal.code === 'wrong-passphrase' ? words.passphraseWrong : sentenceOf(c, refusal)
        return byPasskey
          ? windows.passkeyWindow(c, wanted, sentence)
          : windows.unlockWindow(c, wanted, sentence)
      }
      return goOn(c, wanted, keyToken)
    })
    .post('/stop', async (c) => {
      const session = sessionOf(c)
      const wanted = wantedOf(c)
      const a = c.get('visit').form.get('a')
      if (a === 'cancel') return cancel(c, wanted)
      if (a === 'again') {
        if (wanted.next) return c.redirect(unseen(asking(wanted.next), needs.clock()), 303)
        const key = await allowances.state(session)
        return key.state === 'elsewhere'
          ? windows.confirm(c, wanted, key.by)
          : windows.unlockWindow(c, wanted)
      }
      try {
        // A form without it shows no holder: nobody is stopped by it.
        await allowances.stop(session, c.get('visit').form.get('of'))
      } catch (error) {
        const refusal = refusalOf(error)
        const key = await allowances.state(session)
        if (!refusal || key.state !== 'elsewhere') throw error
        const isAnother = refusal.code === 'key-in-use'
        return windows.confirm(c, wanted, key.by, isAnother ? wordsOf(c).stopAnother : sentenceOf(c, refusal))
      }
      // Only now, the other use being stopped, the passphrase (P82).
      return wanted.next
        ? c.redirect(unseen(wanted.next, needs.clock()), 303)
        : windows.unlockWindow(c, wanted)
    })
}

/** Locks the key of this terminal, and keeps a late approval from opening it again. */
export const lockKey = async ({ approvals, allowances }: FrameNeeds, c: PageContext): Promise<void> => {
  const visit = c.get('visit')
  await approvals.cancel(sessionOf(c))
  await allowances.lock(sessionOf(c))
  visit.lockKey()
  visit.keyToken = null
}

/** The same address, pressed again. */
const asking = (next: string) => `${next}${next.includes('?') ? '&' : '?'}again=1`
