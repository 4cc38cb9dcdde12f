/**
 * Approval (P87; RFC 10027: authenticate, then initiate): a terminal that cannot use a passkey gets the key by a
 * confirmation on a phone. Here are both ends: the window on which the terminal waits, and the page /a on the phone.
 * The terminal shows a code and the person types it on the phone: nothing carries it there, and no address does.
 */
import { Hono } from 'hono'
import type { Child } from 'hono/jsx'
import type { Visit } from '../../server/doors/visit.ts'
import { refusalOf } from '../../server/ground/refusal.ts'
import type { Request } from '../../server/keys/approvals.ts'
import { Button, Field, Form, Hidden } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { timeOf } from '../text.ts'
import { didOf, type PageContext, type PageEnv, sessionOf, wordsOf } from '../visit.ts'
import type { Words } from '../words.ts'
import { assertedOf, PasskeyForm, type PasskeyNeeds } from './passkey-form.tsx'
import { isUnproved, proofOf, whyRefused } from './proof.tsx'
import { qrImage } from './qr-image.ts'
import {
  type UseOfKey,
  unlockWindow,
  Waiting,
  type Wanted,
  type WaysOut,
  wantedOf,
  waysOut,
} from './windows.tsx'

type Needs = FrameNeeds & PasskeyNeeds

export const approvalPages = (needs: Needs, letters: UseOfKey) => {
  const ways = waysOut(needs, letters)
  return new Hono<PageEnv>()
    .post('/a/wait', (c) => pressedWhileWaiting(c, needs, ways))
    .get('/a', (c) => requests(c, needs, { status: didOf(c) }))
    .post('/a', (c) => answer(c, needs))
}

// ---- on the terminal that asks

/**
 * Asks, and shows what is to be done on the phone.
 *
 * @throws Refusal `key-in-use`, `slow-down`, as the unlock window says them
 */
export const askPhone = async (
  c: PageContext,
  needs: Needs,
  ways: WaysOut,
  wanted: Wanted,
): Promise<Response> => {
  const { keyToken } = await needs.approvals.ask(sessionOf(c), wanted.verb === 'sign' ? 'sign' : 'read')
  c.get('browser').keepPending(keyToken)
  return waitingWindow(c, needs, ways, wanted)
}

const pressedWhileWaiting = async (c: PageContext, needs: Needs, ways: WaysOut): Promise<Response> => {
  const wanted = wantedOf(c)
  const a = c.get('visit').form.get('a')
  if (a !== 'cancel' && a !== 'window') return waitingWindow(c, needs, ways, wanted, wordsOf(c).notYet)
  await needs.approvals.cancel(sessionOf(c))
  c.get('browser').keepPending(null)
  return a === 'cancel' ? ways.cancel(c, wanted) : unlockWindow(c, needs, wanted)
}

/** What became of the request: the key is open, it never will be, or the person goes on waiting. */
const waitingWindow = async (
  c: PageContext,
  needs: Needs,
  ways: WaysOut,
  wanted: Wanted,
  status?: Child,
): Promise<Response> => {
  const words = wordsOf(c)
  const visit = c.get('visit')
  const token = visit.pendingToken
  const waiting = await needs.approvals.waiting(sessionOf(c), token)
  if (waiting?.state !== 'pending') c.get('browser').keepPending(null)
  if (waiting?.state === 'granted' && token) return ways.goOn(c, wanted, token)
  if (waiting?.state === 'denied') return unlockWindow(c, needs, wanted, words.approvalDenied)
  if (waiting?.state !== 'pending') return unlockWindow(c, needs, wanted, words.approvalExpired)
  const seconds = Math.max(0, Math.ceil((waiting.expiresAt - needs.clock()) / 1000))
  return show(c, needs, {
    title: words.approvalTitle,
    status: status && <p>{status}</p>,
    isWindow: true,
    body: () => (
      <ToDoOnPhone visit={visit} words={words} wanted={wanted} request={waiting} seconds={seconds} />
    ),
  })
}

const ToDoOnPhone = (props: {
  visit: Visit
  words: Words
  wanted: Wanted
  request: Pick<Request, 'scope' | 'expiresAt'> & {
    /** Where the phone is to go. */
    address: string
    code: string
  }
  /** How long the request still lives. */
  seconds: number
}) => {
  const { visit, words, wanted, request, seconds } = props
  const { address, code, scope, expiresAt } = request
  const image = qrImage(address)
  return (
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
  )
}

// ---- on the phone

/** The code that was typed for a request. */
type Typed = { id: string; code: string }

/** @param said.typed comes back, where it was not the code that was wrong */
const requests = async (
  c: PageContext,
  needs: Needs,
  { status, typed }: { status?: Child; typed?: Typed | undefined },
): Promise<Response> => {
  const words = wordsOf(c)
  const session = sessionOf(c)
  const pending = await needs.approvals.pending(session.user)
  const others = pending.filter(({ sessionId }) => sessionId !== session.id)
  const hasPasskey = await needs.passkeys.forUnlock(session.user.id)
  const asked = { visit: c.get('visit'), words, hasPasskey }
  return show(c, needs, {
    title: words.approvals,
    current: 'more',
    status: status && <p>{status}</p>,
    script: 'none',
    body: () => (
      <>
        {others.length === 0 && (
          <p>
            {words.noApprovals} <a href="/a">{words.checkAgain}</a>
          </p>
        )}
        {others.map((request) => (
          <Asked {...asked} request={request} code={request.id === typed?.id ? typed.code : undefined} />
        ))}
      </>
    ),
  })
}

type About = { visit: Visit; words: Words; request: Request }
type Ways = {
  hasPasskey: boolean
  /** As it was typed before. */
  code: string | undefined
}

const Asked = ({ visit, words, request, ...ways }: About & Ways) => (
  <>
    <p>
      <b>{words.approvalScope[request.scope]}</b>
      <br />
      {words.askedBy(request.terminal, request.address, timeOf(visit.language, request.askedAt))}
    </p>
    <Deny visit={visit} words={words} request={request} />
    <Approve visit={visit} words={words} request={request} {...ways} />
  </>
)

const Deny = ({ visit, words, request }: About) => (
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
)

const Approve = ({ visit, words, request, hasPasskey, code }: About & Ways) => (
  <Form visit={visit} action="/a">
    <Hidden name="id" value={request.id} />
    <p>
      {words.approvalHow} {hasPasskey && words.approvalOrPasskey}
    </p>
    <Field label={words.code} name="code" value={code} complete="off" numeric />
    <Field label={words.passphrase} name="passphrase" type="password" complete="off" />
    <p>
      <Button a="approve">{words.approve}</Button>{' '}
      {hasPasskey && <Button a="passkey">{words.usePasskey}</Button>}
    </p>
  </Form>
)

const answer = async (c: PageContext, needs: Needs): Promise<Response> => {
  const { approvals } = needs
  const words = wordsOf(c)
  const session = sessionOf(c)
  const { form } = c.get('visit')
  const [a, id, code] = [form.get('a'), form.get('id'), form.get('code')]
  const asserted = assertedOf(needs, form)
  const typed = { id, code }
  try {
    if (a === 'deny') {
      await approvals.deny(session, id)
      return c.redirect('/a?ok=denied', 303)
    }
    if (a === 'back') return c.redirect('/a', 303)
    // Not sent on: it would be one of the three tries.
    if (!/^\d{6}$/.test(digitsOf(code))) return await requests(c, needs, { status: words.codeWanted })
    if (a === 'approve' && isUnproved(form))
      return await requests(c, needs, { status: words.typeFirst, typed })
    if (a === 'passkey' && !asserted) return await passkeyFor(c, needs, typed)
    await approvals.approve(session, id, code, proofOf(needs, form))
    return c.redirect('/a?ok=approved', 303)
  } catch (error) {
    const status = whyRefused(c, error, words.proofWrong)
    return requests(c, needs, refusalOf(error)?.code === 'wrong-code' ? { status } : { status, typed })
  }
}

/** The code was right: the passkey is asked for, for this request and no other. */
const passkeyFor = async (c: PageContext, needs: Needs, { id, code }: Typed): Promise<Response> => {
  const { approvals } = needs
  const words = wordsOf(c)
  const session = sessionOf(c)
  const { options } = await approvals.passkeyOptions(session, id, code)
  const request = (await approvals.pending(session.user)).find((each) => each.id === id)
  return show(c, needs, {
    title: words.approvals,
    current: 'more',
    script: 'passkey',
    body: () => (
      <>
        {request && <p>{words.approvalPasskeyWhat(words.approvalScope[request.scope], request.terminal)}</p>}
        <ByPasskey visit={c.get('visit')} words={words} typed={{ id, code }} options={options} />
      </>
    ),
  })
}

const ByPasskey = (props: { visit: Visit; words: Words; typed: Typed; options: string }) => {
  const { visit, words, typed, options } = props
  return (
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
      <Hidden name="id" value={typed.id} />
      <Hidden name="code" value={typed.code} />
      <p>
        <Button a="passkey">{words.usePasskey}</Button> <Button a="back">{words.cancel}</Button>
      </p>
    </PasskeyForm>
  )
}

/** What is typed may stand in groups, or be in the digits of the person's own script. */
const digitsOf = (code: string) => code.normalize('NFKC').replace(/[\s-]/g, '')

/** No other device gets anywhere by it (RFC 6761 §6.3). */
const isOfThisMachine = (address: string) =>
  /^((.+\.)?localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(address).hostname)

/** Six digits in two groups, as people read them. */
const inGroups = (code: string) => code.replace(/^(\d{3})/, '$1 ')
