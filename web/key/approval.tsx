/**
 * Approval (P87; RFC 10027: authenticate, then initiate): a terminal that cannot use a passkey gets the key by a
 * confirmation on a phone. Here are both ends: the window on which the terminal waits, and the page /a on the phone.
 * The terminal shows a code and the person types it on the phone: nothing carries it there, and no address does.
 */
import { Hono } from 'hono'
import type { Child } from 'hono/jsx'
import { refusalOf } from '../../server/ground/refusal.ts'
import { Button, Field, Form, Hidden } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { timeOf } from '../text.ts'
import { didOf, type PageContext, type PageEnv, sentenceOf, sessionOf, wordsOf } from '../visit.ts'
import { assertedOf, PasskeyForm, type PasskeyNeeds } from './passkey-form.tsx'
import { isUnproved, proofOf } from './proof.tsx'
import { qrImage } from './qr-image.ts'
import { type KeyWindows, type UseOfKey, Waiting, type Wanted, wantedOf, waysOut } from './windows.tsx'

type Needs = FrameNeeds & PasskeyNeeds

export const approvalPages = (needs: Needs, windows: KeyWindows, letters: UseOfKey) => {
  const { approvals, passkeys, clock } = needs
  const { goOn, cancel } = waysOut(needs, letters)

  // ---- on the terminal that asks

  const waitingWindow = async (c: PageContext, wanted: Wanted, status?: Child): Promise<Response> => {
    const words = wordsOf(c)
    const visit = c.get('visit')
    const session = sessionOf(c)
    const waiting = await approvals.waiting(session, visit.pendingToken)
    if (waiting?.state === 'granted' && visit.pendingToken) {
      const token = visit.pendingToken
      visit.keepPending(null)
      return goOn(c, wanted, token)
    }
    if (waiting?.state !== 'pending') {
      visit.keepPending(null)
      return windows.unlockWindow(
        c,
        wanted,
        waiting?.state === 'denied' ? words.approvalDenied : words.approvalExpired,
      )
    }
    const { address, code, scope, expiresAt } = waiting
    const image = qrImage(address)
    const seconds = Math.max(0, Math.ceil((expiresAt - clock()) / 1000))
    return show(c, needs, {
      title: words.approvalTitle,
      status: status && <p>{status}</p>,
      isWindow: true,
      body: () => (
        <Form visit={visit} action="/a/wait">
          <p>
            1. {words.approvalOpen} <b>{address}</b>
          </p>
          {isOfThisMachine(address) && <p>{words.approvalLocal}</p>}
          <p>
            2. {words.approvalThere} <b>{inGroups(code)}</b>
          </p>
          <p>
            <img src={image.source} width={image.size} height={image.size} alt="" />
          </p>
          <p>{words.approvalFor[scope]}</p>
          <p>{words.approvalUntil(timeOf(visit.language, expiresAt), seconds)}</p>
          <Waiting wanted={wanted} />
          <p>
            <Button a="check">{words.checkAgain}</Button> <Button a="window">{words.usePassphrase}</Button>{' '}
            <Button a="cancel">{words.cancel}</Button>
          </p>
        </Form>
      ),
    })
  }

  /** @throws Refusal `key-in-use`, `slow-down`, as the unlock window says them */
  const askPhone = async (c: PageContext, wanted: Wanted): Promise<Response> => {
    const visit = c.get('visit')
    const { keyToken } = await approvals.ask(sessionOf(c), wanted.verb === 'sign' ? 'sign' : 'read')
    visit.keepPending(keyToken)
    visit.pendingToken = keyToken
    return waitingWindow(c, wanted)
  }

  // ---- on the phone

  /** @param typed the code that was typed for a request, to come back where it was not the code that was wrong */
  const requests = async (
    c: PageContext,
    status?: Child,
    typed?: { id: string; code: string },
  ): Promise<Response> => {
    const words = wordsOf(c)
    const visit = c.get('visit')
    const session = sessionOf(c)
    const pending = (await approvals.pending(session.user)).filter(
      ({ sessionId }) => sessionId !== session.id,
    )
    const hasPasskey = await passkeys.forUnlock(session.user.id)
    return show(c, needs, {
      title: words.approvals,
      current: 'more',
      status: status && <p>{status}</p>,
      script: 'none',
      body: () => (
        <>
          {pending.length === 0 && (
            <p>
              {words.noApprovals} <a href="/a">{words.checkAgain}</a>
            </p>
          )}
          {pending.map((request) => (
            <>
              <p>
                <b>{words.approvalScope[request.scope]}</b>
                <br />
                {words.askedBy(request.terminal, request.address, timeOf(visit.language, request.askedAt))}
              </p>
              <Form visit={visit} action="/a">
                <Hidden name="id" value={request.id} />
                <p>{words.approvalElse}</p>
                <p>
                  {/* first, and the heavier one; but not focused: a code that is typed blindly must not press it */}
                  <Button a="deny" safe>
                    {words.notMe}
                  </Button>
                </p>
              </Form>
              <Form visit={visit} action="/a">
                <Hidden name="id" value={request.id} />
                <p>
                  {words.approvalHow} {hasPasskey && words.approvalOrPasskey}
                </p>
                <Field
                  label={words.code}
                  name="code"
                  value={request.id === typed?.id ? typed.code : undefined}
                  complete="off"
                  numeric
                />
                <Field label={words.passphrase} name="passphrase" type="password" complete="off" />
                <p>
                  <Button a="approve">{words.approve}</Button>{' '}
                  {hasPasskey && <Button a="passkey">{words.usePasskey}</Button>}
                </p>
              </Form>
            </>
          ))}
        </>
      ),
    })
  }

  /** The code was right: the passkey is asked for, for this request and no other. */
  const approveByPasskey = async (c: PageContext, id: string, code: string): Promise<Response> => {
    const words = wordsOf(c)
    const visit = c.get('visit')
    const session = sessionOf(c)
    const { options } = await approvals.passkeyOptions(session, id, code)
    const request = (await approvals.pending(session.user)).find((each) => each.id === id)
    return show(c, needs, {
      title: words.approvals,
      current: 'more',
      script: 'passkey',
      body: () => (
        <>
          {request && (
            <p>{words.approvalPasskeyWhat(words.approvalScope[request.scope], request.terminal)}</p>
          )}
          <PasskeyForm
            visit={visit}
            words={words}
            action="/a"
            kind="get"
            options={options}
            once
            otherwise={words.otherwiseApprove}
            stuck={words.stuck.approve}
          >
            <Hidden name="id" value={id} />
            <Hidden name="code" value={code} />
            <p>
              <Button a="passkey">{words.usePasskey}</Button> <Button a="back">{words.cancel}</Button>
            </p>
          </PasskeyForm>
        </>
      ),
    })
  }

  const app = new Hono<PageEnv>()
    .post('/a/wait', async (c) => {
      const wanted = wantedOf(c)
      const a = c.get('visit').form.get('a')
      if (a === 'cancel' || a === 'window') {
        await approvals.cancel(sessionOf(c))
        c.get('visit').keepPending(null)
        return a === 'cancel' ? cancel(c, wanted) : windows.unlockWindow(c, wanted)
      }
      return waitingWindow(c, wanted, wordsOf(c).notYet)
    })
    .get('/a', (c) => requests(c, didOf(c)))
    .post('/a', async (c) => {
      const session = sessionOf(c)
      const { form } = c.get('visit')
      const [a, id, code] = [form.get('a'), form.get('id'), form.get('code')]
      const asserted = assertedOf(needs, form)
      try {
        if (a === 'deny') {
          await approvals.deny(session, id)
          return c.redirect('/a?ok=denied', 303)
        }
        if (a === 'back') return c.redirect('/a', 303)
        // Not sent on: it would be one of the three tries.
        if (!/^\d{6}$/.test(digitsOf(code))) return await requests(c, wordsOf(c).codeWanted)
        if (a === 'approve' && isUnproved(form)) return await requests(c, wordsOf(c).typeFirst, { id, code })
        if (a === 'passkey' && !asserted) return await approveByPasskey(c, id, code)
        await approvals.approve(session, id, code, proofOf(needs, form))
        return c.redirect('/a?ok=approved', 303)
      } catch (error) {
        const refusal = refusalOf(error)
        if (!refusal || refusal.code === 'no-session') throw error
        if (refusal.detail.retry_after_s) c.header('Retry-After', String(refusal.detail.retry_after_s))
        const wrong = refusal.code === 'wrong-passphrase'
        const typed = refusal.code === 'wrong-code' ? undefined : { id, code }
        return requests(c, wrong ? wordsOf(c).proofWrong : sentenceOf(c, refusal), typed)
      }
    })
  return { app, askPhone }
}

/** What is typed may stand in groups, or be in the digits of the person's own script. */
const digitsOf = (code: string) => code.normalize('NFKC').replace(/[\s-]/g, '')

/** No other device gets anywhere by it (RFC 6761 §6.3). */
const isOfThisMachine = (address: string) =>
  /^((.+\.)?localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(address).hostname)

/** Six digits in two groups, as people read them. */
const inGroups = (code: string) => code.replace(/^(\d{3})/, '$1 ')
