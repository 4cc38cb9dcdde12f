/** The user's own public keys that log in by SSH. */
import { Hono } from 'hono'
import type { SshKey, SshKeys } from '../../people/ssh-keys.ts'
import { type Border, type LoggedIn, time } from './call.ts'

export type SshKeyNeeds = { sshKeys: SshKeys }

export const sshKeyCalls = (needs: SshKeyNeeds, border: Border) => {
  const to = border.handing(needs)
  return new Hono().get('/ssh-keys', to(list)).post('/ssh-keys', to(add)).delete('/ssh-keys/:id', to(remove))
}

const list = async ({ sshKeys }: SshKeyNeeds, { c, session }: LoggedIn) =>
  c.json({ keys: (await sshKeys.list(session.user)).map(told) })

const add = async ({ sshKeys }: SshKeyNeeds, { c, session, body }: LoggedIn) => {
  const { key, name } = await body('sshKey')
  return c.json(told(await sshKeys.add(session.user, key, name, session)), 201)
}

const remove = async ({ sshKeys }: SshKeyNeeds, { c, session }: LoggedIn) => {
  await sshKeys.remove(session.user, c.req.param('id') ?? '', session)
  return c.body(null, 204)
}

const told = ({ id, name, fingerprint, addedAt, usedAt }: SshKey) => ({
  id,
  name,
  fingerprint,
  added_at: time(addedAt),
  used_at: usedAt === null ? null : time(usedAt),
})
