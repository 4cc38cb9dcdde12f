/** The user's own S/MIME certificates, and their private keys on the way into the keyring. */
import { Hono } from 'hono'
import type { Identities as IdentityList } from '../../contract/answers.ts'
import type { Clock } from '../../ground/clock.ts'
import { Refusal } from '../../ground/refusal.ts'
import type { Allowances } from '../../keys/allowances.ts'
import type { Identities, OwnIdentity } from '../../keys/identities.ts'
import { identityState } from '../../locked/key-uses.ts'
import { type Border, type LoggedIn, time } from './call.ts'

export type IdentityNeeds = { allowances: Allowances; identities: Identities; clock: Clock }

export const identityCalls = (needs: IdentityNeeds, border: Border) => {
  const to = border.handing(needs)
  return new Hono()
    .get('/identities', to(list))
    .post('/identities', to(add))
    .delete('/identities/:fingerprint', to(remove))
}

const list = async ({ identities, clock }: IdentityNeeds, { c, userId }: LoggedIn) => {
  const own = await identities.list(userId)
  return c.json({ identities: own.map((each) => told(each, clock())) } satisfies IdentityList)
}

const add = async (needs: IdentityNeeds, { c, session, keyToken, body }: LoggedIn) => {
  const { allowances, identities, clock } = needs
  const { user } = session
  await allowances.require(session, keyToken, 'sign')
  const { file, passphrase, generate } = await body('identity')
  if ((file === undefined) === (generate === undefined))
    throw new Refusal('member-malformed', { values: { member: 'file' } })
  const wanted = file
    ? { import: { file, passphrase: Buffer.from(passphrase) } }
    : { generate: { name: user.name, address: user.address, at: clock() } }
  const added = await identities.addWith(
    user,
    (work) => allowances.use(session, keyToken, { scope: 'sign', goesOn: true }, work),
    wanted,
    session,
  )
  const answer = added.identities.map((each) => told(each, clock()))
  return c.json({ identities: answer } satisfies IdentityList, 201)
}

/** It takes mail away that no other key opens, so it asks for the key, as signing does. */
const remove = async (needs: IdentityNeeds, { c, session, keyToken }: LoggedIn) => {
  const { allowances, identities } = needs
  await allowances.require(session, keyToken, 'sign')
  await identities.remove(session.user, c.req.param('fingerprint') ?? '', session)
  return c.body(null, 204)
}

const told = (identity: OwnIdentity, at: number) => ({
  id: identity.fingerprint,
  fingerprint: identity.fingerprint,
  addresses: identity.addresses,
  subject: identity.subject,
  issuer: identity.issuer,
  algorithm: identity.algorithm,
  begins: time(identity.from),
  expires: time(identity.until),
  certificate: identity.pem,
  can_decrypt: identity.now.decrypt === null,
  can_sign: identity.now.sign === null,
  can_encrypt: identity.now.encrypt === null,
  state: identityState(identity, at),
})
