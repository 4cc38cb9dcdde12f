/** Other people's keys: looked at before one is accepted, and those that were. */

import { Hono } from 'hono'
import type {
  Accepted,
  Correspondents as CorrespondentList,
  Offered,
  OfferedKey,
} from '../../contract/answers.ts'
import { keysOffered } from '../../ground/limits.ts'
import { Refusal } from '../../ground/refusal.ts'
import type { Correspondents } from '../../mail/correspondents.ts'
import { type Border, type LoggedIn, time } from './call.ts'

export type PeopleNeeds = { correspondents: Correspondents }

export const peopleCalls = (needs: PeopleNeeds, border: Border) => {
  const to = border.handing(needs)
  return new Hono()
    .get('/correspondents', to(listCorrespondents))
    .post('/correspondents', to(lookOrAccept))
    .delete('/correspondents/:fingerprint', to(forget))
}

const listCorrespondents = async ({ correspondents }: PeopleNeeds, { c, userId }: LoggedIn) => {
  const list = await correspondents.list(userId)
  return c.json({
    correspondents: list.map(({ kind, fingerprint, addresses, acceptedAt, uses, obstacle }) => ({
      kind,
      fingerprint,
      addresses,
      accepted_at: time(acceptedAt),
      can_encrypt: obstacle === null,
      why: obstacle,
      revoked: uses.revoked && time(uses.revoked.at),
    })),
  } satisfies CorrespondentList)
}

const lookOrAccept = async ({ correspondents }: PeopleNeeds, { c, session, userId, body }: LoggedIn) => {
  const { armored, accept } = await body('correspondent')
  const looked = await correspondents.look(session.user, octetsOf(armored))
  const keys = looked.keys.slice(0, keysOffered)
  if (accept === undefined) {
    const offered: OfferedKey[] = []
    for (const key of keys)
      offered.push({
        kind: key.kind,
        fingerprint: key.fingerprint,
        addresses: key.addresses,
        names: key.userIds,
        issuer: key.issuer,
        algorithm: key.algorithm,
        created: time(key.createdAt),
        expires: key.expiresAt === null ? null : time(key.expiresAt),
        can_encrypt: key.canEncrypt,
        conflicts: await correspondents.conflicts(userId, key),
      })
    return c.json({ offered, revoked: looked.revoked } satisfies Offered)
  }
  const key = keys.find(({ fingerprint }) => fingerprint === accept.toLowerCase())
  if (!key) throw new Refusal('no-such-fingerprint')
  await correspondents.accept(userId, key)
  return c.json({ fingerprint: key.fingerprint, addresses: key.addresses } satisfies Accepted, 201)
}

const forget = async ({ correspondents }: PeopleNeeds, { c, userId }: LoggedIn) => {
  const fingerprint = (c.req.param('fingerprint') ?? '').toLowerCase()
  if (!(await correspondents.remove(userId, fingerprint))) throw new Refusal('no-accepted-key')
  return c.body(null, 204)
}

/** The octets of a pasted text, or those that each character stands for: an attachment may be binary, or UTF-16. */
const octetsOf = (text: string) => Buffer.from(text, /^[\x00-\xff]*$/.test(text) ? 'latin1' : 'utf8')
