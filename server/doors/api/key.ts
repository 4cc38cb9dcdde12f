/** The key: opened, locked, stopped, asked for from a phone; what opens it, and every use of it. */
import { Hono } from 'hono'
import type {
  Allowance,
  Approval,
  ApprovalState,
  Held,
  Keys,
  LogPage,
  Passkeys as PasskeyList,
  SessionView,
} from '../../contract/answers.ts'
import type { Clock } from '../../ground/clock.ts'
import { Refusal } from '../../ground/refusal.ts'
import type { Allowances, Allowance as Grant } from '../../keys/allowances.ts'
import type { Approvals } from '../../keys/approvals.ts'
import type { Identities } from '../../keys/identities.ts'
import type { Keyrings } from '../../keys/keyrings.ts'
import type { Passkeys } from '../../keys/passkeys.ts'
import { stateOf } from '../../locked/key-uses.ts'
import type { Aliases } from '../../people/aliases.ts'
import type { Ledger } from '../../people/ledger.ts'
import { reasonText } from '../../people/ledger-reasons.ts'
import type { Session } from '../../people/sessions.ts'
import { type Border, clearSiteData, holderOf, type LoggedIn, limitOf, time } from './call.ts'

export type HoldingNeeds = {
  allowances: Allowances
  keyrings: Keyrings
  identities: Identities
  config: { allowanceIdleMostMs: number }
}
export type KeyNeeds = HoldingNeeds & {
  passkeys: Passkeys
  approvals: Approvals
  ledger: Ledger
  aliases: Aliases
  clock: Clock
}

export const keyCalls = (needs: KeyNeeds, border: Border) => {
  const to = border.handing(needs)
  return new Hono()
    .post('/allowance', to(unlock))
    .patch('/allowance', to(standFor))
    .delete('/allowance', to(lock))
    .post('/allowance/stop', to(stop))
    .post('/approval', to(askApproval))
    .get('/approval', to(showApproval))
    .get('/passkeys', to(listPasskeys))
    .get('/keys', to(listKeys))
    .get('/log', to(listUses))
}

/** The key as the session's own terminal sees it: open here, or who else has it open. */
export const keyOf = async (
  needs: HoldingNeeds,
  session: Session,
): Promise<Pick<SessionView, 'allowance' | 'in_use'>> => {
  const state = await needs.allowances.state(session)
  const by = state.state === 'elsewhere' ? state.by : null
  return {
    allowance: state.state === 'open' ? await heldBy(needs, session, state.allowance) : null,
    in_use: by && holderOf(by),
  }
}

const heldBy = async (needs: HoldingNeeds, session: Session, grant: Grant) => {
  const { keyrings, identities, config } = needs
  const { id } = session.user
  // A keyring may hold S/MIME identities alone.
  const key = (await keyrings.present(id)) ?? (await identities.list(id))[0]
  if (!key) return null
  const { method, scope, grantedAt, usedAt, endsAt, idleMs } = grant
  return {
    key: key.fingerprint,
    method,
    scope,
    granted_at: time(grantedAt),
    used_at: time(usedAt),
    expires_at: time(endsAt),
    idle_s: idleMs / 1000,
    idle_most_s: config.allowanceIdleMostMs / 1000,
  } satisfies Held
}

const unlock = async (needs: KeyNeeds, { c, session, body }: LoggedIn) => {
  const { passphrase } = await body('passphrase')
  const { keyToken, allowance } = await needs.allowances.grantByPassphrase(session, passphrase)
  const held = (await heldBy(needs, session, allowance))!
  return c.json({ key_token: keyToken, ...held } satisfies Allowance, 201)
}

const standFor = async (needs: KeyNeeds, { c, session, keyToken, body }: LoggedIn) => {
  const { idle_s } = await body('idle')
  const allowance = await needs.allowances.standFor(session, keyToken, idle_s * 1000)
  return c.json((await heldBy(needs, session, allowance))! satisfies Held)
}

const lock = async ({ allowances }: KeyNeeds, { c, session }: LoggedIn) => {
  await allowances.lock(session)
  return c.body(null, 204, { 'Clear-Site-Data': clearSiteData })
}

const stop = async ({ allowances }: KeyNeeds, { c, session, body }: LoggedIn) => {
  const { confirm, of } = await body('stop')
  if (!confirm) throw new Refusal('stop-unconfirmed')
  await allowances.stop(session, of)
  return c.body(null, 204)
}

const askApproval = async ({ approvals }: KeyNeeds, { c, session, body }: LoggedIn) => {
  const { scope } = await body('approval')
  const { address, code, keyToken, expiresAt } = await approvals.ask(session, scope)
  const answer = { address, code, key_token: keyToken, expires_at: time(expiresAt) } satisfies Approval
  return c.json(answer, 201)
}

const showApproval = async ({ approvals }: KeyNeeds, { c, session }: LoggedIn) => {
  const state = await approvals.state(session)
  if (!state) throw new Refusal('approval-not-asked')
  return c.json({ state } satisfies ApprovalState)
}

const listPasskeys = async ({ passkeys }: KeyNeeds, { c, userId }: LoggedIn) => {
  const list = (await passkeys.list(userId)).map(({ id, name, createdAt, usedAt, prf, backedUp, slot }) => ({
    id,
    name,
    created_at: time(createdAt),
    used_at: usedAt === null ? null : time(usedAt),
    prf,
    backed_up: backedUp,
    slot,
  }))
  return c.json({ passkeys: list } satisfies PasskeyList)
}

const listKeys = async ({ keyrings, aliases, clock }: KeyNeeds, { c, userId }: LoggedIn) => {
  // Of the key itself: an approval opens it by one of these.
  const methods = (await keyrings.methods(userId)).filter((method) => method !== 'approval')
  const own = await aliases.list(userId)
  const keys = (await keyrings.list(userId)).map((key) => ({
    id: key.fingerprint,
    fingerprint: key.fingerprint,
    aliases: [...key.aliases, ...own.map(({ word }) => word)],
    created: time(key.createdAt),
    expires: key.expiresAt === null ? null : time(key.expiresAt),
    algorithm: key.algorithm,
    public: key.armored,
    methods,
    can_decrypt: key.now.decrypt === null,
    can_sign: key.now.sign === null,
    can_encrypt: key.now.encrypt === null,
    revoked: key.uses.revoked && time(key.uses.revoked.at),
    state: stateOf(key.uses, clock()),
  }))
  return c.json({ keys } satisfies Keys)
}

const listUses = async ({ ledger }: KeyNeeds, { c, userId }: LoggedIn) => {
  const before = c.req.query('before')
  const limit = limitOf(c, 50, 500)
  const rows = await ledger.list(userId, before === undefined ? null : Number(before), limit + 1)
  const events = rows.slice(0, limit).map(({ at, event, terminal, address, method, messageId, reason }) => ({
    at: time(at),
    event,
    terminal,
    address,
    ...(method ? { method } : {}),
    ...(messageId ? { message: messageId } : {}),
    ...(reason ? { reason: reasonText(reason) } : {}),
  }))
  const next = rows.length > limit ? String(rows[limit - 1]!.id) : null
  return c.json({ events, next } satisfies LogPage)
}
