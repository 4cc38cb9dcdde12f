/** Log-in and log-out, a session as its own terminal sees it, and the user's other ones. */
import { type Context, Hono } from 'hono'
import type { NewSession, SessionView, Terminals } from '../../contract/answers.ts'
import type { Outbox } from '../../mail/outbox.ts'
import type { Ledger } from '../../people/ledger.ts'
import type { Quota } from '../../people/quota.ts'
import type { Sessions } from '../../people/sessions.ts'
import type { Users } from '../../people/users.ts'
import { type Border, clearSiteData, type LoggedIn, time } from './call.ts'
import { type HoldingNeeds, keyOf } from './key.ts'

export type SessionNeeds = HoldingNeeds & {
  sessions: Sessions
  users: Users
  outbox: Outbox
  ledger: Ledger
  quota: Quota
  config: { sessionIdleMs: number }
}

export const sessionCalls = (needs: SessionNeeds, border: Border) => {
  const to = border.handing(needs)
  return new Hono()
    .post('/session', (c) => logIn(needs, border, c))
    .get('/session', to(showSession))
    .delete('/session', to(logOut))
    .get('/terminals', to(listTerminals))
    .delete('/terminals/:id', to(endTerminal))
}

const logIn = async ({ users, sessions, config }: SessionNeeds, { ask, bodyOf }: Border, c: Context) => {
  const { user, password, terminal, heartbeat_s } = await bodyOf(c, 'session', null)
  const { address } = await ask(c)
  const logIn = await users.logIn(user, password, address)
  const heartbeatMs = heartbeat_s === undefined ? null : heartbeat_s * 1000
  const { token, session } = await sessions.begin(logIn, terminal ?? 'API client', address, { heartbeatMs })
  const answer = {
    token,
    user: session.user.address,
    idle_s: config.sessionIdleMs / 1000,
    expires_at: time(session.endsAt),
  } satisfies NewSession
  return c.json(answer, 201)
}

const showSession = async (needs: SessionNeeds, { c, session, userId }: LoggedIn) => {
  const { outbox, ledger, quota, config } = needs
  const { stopped } = session
  const seen = c.req.query('ledger')
  const waiting = await outbox.countWaiting(userId)
  return c.json({
    user: session.user.address,
    terminal: session.terminal,
    idle_s: config.sessionIdleMs / 1000,
    expires_at: time(session.endsAt),
    ...(await keyOf(needs, session)),
    stopped: stopped && { at: time(stopped.at), by: stopped.by },
    space: await quota.space(userId),
    ...(waiting > 0 && { waiting }),
    ledger: {
      newest: await ledger.markOf(userId),
      complete: seen === undefined || (await ledger.has(userId, seen)),
    },
  } satisfies SessionView)
}

const logOut = async ({ sessions }: SessionNeeds, { c, session }: LoggedIn) => {
  await sessions.end(session.id, 'logout')
  return c.body(null, 204, { 'Clear-Site-Data': clearSiteData })
}

const listTerminals = async ({ sessions, allowances }: SessionNeeds, { c, session }: LoggedIn) => {
  const terminals = []
  for (const each of await sessions.list(session.user))
    terminals.push({
      id: each.id,
      terminal: each.terminal,
      address: each.address,
      since: time(each.createdAt),
      last_contact: time(each.contactAt),
      holds_key: (await allowances.state(each)).state === 'open',
      this: each.id === session.id,
    })
  return c.json({ terminals } satisfies Terminals)
}

const endTerminal = async ({ sessions }: SessionNeeds, { c, session }: LoggedIn) => {
  await sessions.endOwn(session.user, c.req.param('id') ?? '')
  return c.body(null, 204)
}
