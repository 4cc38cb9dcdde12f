/**
 * The JSON API: the routes of the contract, each a thin way from a request to a service. What comes in is parsed at
 * this border; a refusal becomes an RFC 9457 problem document. Times are RFC 3339 strings in UTC.
 */

import type { HttpBindings } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { problemType } from '../../contract/problems.ts'
import type { Body, Call } from '../../contract/requests.ts'
import { parsedHereOctets } from '../../ground/limits.ts'
import { delayInWords } from '../../ground/reasons.ts'
import { type Holder, Refusal, refusalOf } from '../../ground/refusal.ts'
import { lockedRefusal } from '../../ground/write-turn.ts'
import type { Allowance } from '../../keys/allowances.ts'
import { octetLimitOf, parseBody } from '../../locked/api-bodies.ts'
import { stateOf } from '../../locked/key-uses.ts'
import type { Mail } from '../../locked/reader/encrypted-mail.ts'
import type { Address } from '../../locked/reader/headers.ts'
import type { Part } from '../../locked/reader/rendering.ts'
import type { Signature } from '../../locked/reader/signatures.ts'
import type { Letter } from '../../mail/letters.ts'
import type { Listed } from '../../mail/mailboxes.ts'
import type { Session } from '../../people/sessions.ts'
import type { Services } from '../../services.ts'

export type Asker = { session: Session | null; keyToken: string | null; address: string }

/** At lock and log-out: copies that a browser keeps of what it showed go too. */
export const clearSiteData = '"cache", "storage"'

/** Of the keys in one text, those that anybody would look at. */
const offeredLimit = 20

export const api = (services: Services, ask: (c: Context) => Promise<Asker>) => {
  const { sessions, users, allowances, passkeys, approvals, keyrings, clock } = services
  const { mailboxes, reading, letters, outbox, correspondents, ledger, config, pool, bodies } = services

  /** Who asks, with a live session. @throws Refusal `no-session` */
  const authenticated = async (c: Context) => {
    const { session, keyToken } = await ask(c)
    if (!session) throw new Refusal('log-in-first')
    return { session, keyToken, userId: session.user.id }
  }

  const viewOf = async (session: Session, allowance: Allowance) => {
    const key = await keyrings.present(session.user.id)
    if (!key) return null
    const { method, scope, grantedAt, usedAt, endsAt } = allowance
    return {
      key: key.fingerprint,
      method,
      scope,
      granted_at: time(grantedAt),
      used_at: time(usedAt),
      expires_at: time(endsAt),
      idle_s: config.allowanceIdleMs / 1000,
    }
  }

  /** The key as the session's own terminal sees it: open here, or who else has it open. */
  const keyOf = async (session: Session) => {
    const state = await allowances.state(session)
    const by = state.state === 'elsewhere' ? state.by : null
    return {
      allowance: state.state === 'open' ? await viewOf(session, state.allowance) : null,
      in_use: by && holderOf(by),
    }
  }

  /** The call's body, parsed: a large one in a child process. @throws Refusal as {@link parseBody}; `too-large` */
  const body = async <C extends Call>(c: Context, call: C, session: Session | null = null) => {
    const { incoming } = c.env as HttpBindings
    const user = session?.user.id ?? null
    const { blocks, size } = await bodies.read(incoming, {
      limit: octetLimitOf(call),
      reason: 'body-large',
      user,
    })
    if (size <= parsedHereOctets) return parseBody(call, Buffer.concat(blocks))
    const sent = () => void blocks.splice(0)
    return (await pool.run('reading', 'parseBody', { call, blocks }, { user, sent })) as Body<C>
  }

  /** What a call changes of its messages. @throws Refusal `not-found` if there is no such folder */
  const marksOf = async (userId: number, { seen, flagged, folder }: Body<'marks'>) => ({
    ...(seen === undefined ? {} : { seen }),
    ...(flagged === undefined ? {} : { flagged }),
    ...(folder === undefined ? {} : { folderId: (await mailboxes.folderNamed(userId, folder)).id }),
  })

  return new Hono()
    .use(async (c, next) => {
      if (c.req.method !== 'GET') await services.writeTurn()
      await next()
    })
    .post('/session', async (c) => {
      const { user, password, terminal, heartbeat_s } = await body(c, 'session')
      const { address } = await ask(c)
      const logIn = await users.logIn(user, password, address)
      const heartbeatMs = heartbeat_s === undefined ? null : heartbeat_s * 1000
      const { token, session } = await sessions.begin(logIn, terminal ?? 'API client', address, heartbeatMs)
      const idle_s = config.sessionIdleMs / 1000
      return c.json({ token, user: session.user.address, idle_s, expires_at: time(session.endsAt) }, 201)
    })
    .get('/session', async (c) => {
      const { session, userId } = await authenticated(c)
      const { stopped } = session
      const seen = c.req.query('ledger')
      const waiting = await outbox.countWaiting(userId)
      return c.json({
        user: session.user.address,
        terminal: session.terminal,
        idle_s: config.sessionIdleMs / 1000,
        expires_at: time(session.endsAt),
        ...(await keyOf(session)),
        stopped: stopped && { at: time(stopped.at), by: stopped.by },
        space: services.quota.space(userId),
        /** Mails of the user that have not left yet. */
        ...(waiting > 0 && { waiting }),
        ledger: {
          newest: await ledger.markOf(userId),
          /** False if it has not got the row that the terminal remembers. */
          complete: seen === undefined || (await ledger.has(userId, seen)),
        },
      })
    })
    .delete('/session', async (c) => {
      const { session } = await authenticated(c)
      await sessions.end(session.id, 'logout')
      return c.body(null, 204, { 'Clear-Site-Data': clearSiteData })
    })

    .get('/folders', async (c) => {
      const { userId } = await authenticated(c)
      const folders = await mailboxes.folders(userId)
      return c.json({
        folders: folders.map(({ name, kind, total, unread }) => ({ name, kind, total, unread })),
      })
    })
    .post('/folders', async (c) => {
      const { session, userId } = await authenticated(c)
      const { name } = await mailboxes.createFolder(userId, (await body(c, 'folder', session)).name)
      return c.json({ name, kind: 'user' }, 201)
    })
    .get('/folders/:name/messages', async (c) => {
      const { userId } = await authenticated(c)
      const folder = await mailboxes.folderNamed(userId, c.req.param('name'))
      const [before, offset] = [c.req.query('before'), c.req.query('offset')]
      if (before !== undefined && offset !== undefined) throw new Refusal('before-or-offset')
      const page = await mailboxes.page(userId, folder.id, {
        before: before ?? null,
        offset: offsetOf(offset),
        limit: limitOf(c.req.query('limit'), 50, 500),
        query: c.req.query('q') ?? null,
      })
      return c.json({ messages: page.messages.map(listed), next: page.next })
    })

    .get('/messages/:id', async (c) => {
      const { session } = await authenticated(c)
      const { message, folder, mail } = await reading.read(session, idOf(c))
      const { sentAs, outside } = message
      return c.json({
        id: message.id,
        folder: folder.name,
        /** As it lies here: `encrypted` needs the key. */
        security: mail.security,
        sent_as: sentAs,
        ...(outside && { outside }),
        ...content(mail),
      })
    })
    .get('/messages/:id/raw', async (c) => {
      const { userId } = await authenticated(c)
      const octets = await mailboxes.octets(userId, idOf(c))
      return c.body(new Uint8Array(octets), 200, { 'Content-Type': 'message/rfc822' })
    })
    .patch('/messages/:id', async (c) => {
      const { session, userId } = await authenticated(c)
      const { id } = await mailboxes.message(userId, idOf(c))
      await mailboxes.mark(userId, [id], await marksOf(userId, await body(c, 'marks', session)))
      const message = await mailboxes.message(userId, id)
      return c.json({ ...listed(message), folder: (await mailboxes.folder(userId, message.folderId)).name })
    })
    .delete('/messages/:id', async (c) => {
      const { userId } = await authenticated(c)
      const { id } = await mailboxes.message(userId, idOf(c))
      await mailboxes.remove(userId, [id])
      return c.body(null, 204)
    })
    .post('/messages/:id/decrypt', async (c) => {
      const { session, keyToken } = await authenticated(c)
      const { part } = await body(c, 'decrypt', session)
      return c.json(content((await reading.open(session, keyToken, idOf(c), part)).mail))
    })
    .get('/messages/:id/parts/:part', async (c) => {
      const { session, keyToken } = await authenticated(c)
      const found = await reading.attachment(
        session,
        keyToken,
        idOf(c),
        c.req.param('part'),
        c.req.query('within'),
      )
      // Never a type that a browser would run or show as a page of ours.
      return c.body(new Uint8Array(found.octets), 200, {
        'Content-Type': 'application/octet-stream',
        'Content-Disposition': `attachment; filename*=UTF-8''${encodeURIComponent(found.name)}`,
      })
    })

    .post('/allowance', async (c) => {
      const { session } = await authenticated(c)
      const { passphrase } = await body(c, 'passphrase', session)
      const { keyToken, allowance } = await allowances.grantByPassphrase(session, passphrase)
      return c.json({ key_token: keyToken, ...(await viewOf(session, allowance))! }, 201)
    })
    .delete('/allowance', async (c) => {
      const { session } = await authenticated(c)
      await allowances.lock(session)
      return c.body(null, 204, { 'Clear-Site-Data': clearSiteData })
    })
    .post('/allowance/stop', async (c) => {
      const { session } = await authenticated(c)
      const { confirm, of } = await body(c, 'stop', session)
      if (!confirm) throw new Refusal('stop-unconfirmed')
      await allowances.stop(session, of)
      return c.body(null, 204)
    })
    .get('/passkeys', async (c) => {
      const { userId } = await authenticated(c)
      const list = (await passkeys.list(userId)).map(
        ({ id, name, createdAt, usedAt, prf, backedUp, slot }) => ({
          id,
          name,
          created_at: time(createdAt),
          used_at: usedAt === null ? null : time(usedAt),
          prf,
          backed_up: backedUp,
          slot,
        }),
      )
      return c.json({ passkeys: list })
    })
    .post('/approval', async (c) => {
      const { session } = await authenticated(c)
      const { scope } = await body(c, 'approval', session)
      const { address, code, keyToken, expiresAt } = await approvals.ask(session, scope)
      return c.json({ address, code, key_token: keyToken, expires_at: time(expiresAt) }, 201)
    })
    .get('/approval', async (c) => {
      const { session } = await authenticated(c)
      const state = await approvals.state(session)
      if (!state) throw new Refusal('approval-not-asked')
      return c.json({ state })
    })
    .post('/sign', async (c) => {
      const { session, keyToken } = await authenticated(c)
      const { text } = await body(c, 'sign', session)
      return c.json({ signed: await letters.sign(session, keyToken, text) })
    })

    .post('/messages', async (c) => {
      const { session, keyToken } = await authenticated(c)
      const { draft, hold_s, replaces, in_reply_to, attachments, ...written } = await body(
        c,
        'letter',
        session,
      )
      const letter: Letter = {
        ...written,
        isLetGo: true,
        attachments: attachments.splice(0).map(({ name, type, content, data }) => {
          const octets = content ?? data
          if (!octets) throw new Refusal('file-without-content', { values: { name } })
          return { name, type, octets }
        }),
        inReplyTo: await repliedTo(services, session, in_reply_to ?? null),
      }
      if (draft) {
        const { id, folder } = await letters.saveDraft(session, letter, { replaces: replaces ?? null })
        const nobody = {
          delivered: [] as string[],
          queued: [] as string[],
          held_until: null as string | null,
        }
        return c.json({ id, folder: folder.name, ...nobody }, 201)
      }
      const { id, folder, delivered, queued, heldUntil } = await letters.send(session, keyToken, letter, {
        draft: replaces ?? null,
        holdMs: hold_s * 1000,
      })
      if (/^\d+$/.test(String(in_reply_to)))
        await mailboxes.mark(session.user.id, [Number(in_reply_to)], { answered: true })
      const held_until = heldUntil === null ? null : time(heldUntil)
      return c.json({ id, folder: folder.name, delivered, queued, held_until }, 201)
    })
    .patch('/messages', async (c) => {
      const { session, userId } = await authenticated(c)
      const { ids, ...changes } = await body(c, 'manyMarks', session)
      return c.json({ changed: await mailboxes.mark(userId, ids, await marksOf(userId, changes)) })
    })
    .post('/messages/:id/recall', async (c) => {
      const { session } = await authenticated(c)
      const { id, folder } = await letters.recall(session, idOf(c))
      return c.json({ id, folder: folder.name })
    })
    .get('/queue', async (c) => {
      const { userId } = await authenticated(c)
      const before = c.req.query('before')
      if (before !== undefined && !/^\d{1,15}$/.test(before)) throw new Refusal('before-no-id')
      const limit = limitOf(c.req.query('limit'), 50, 100)
      const rows = await outbox.waiting(userId, {
        before: before === undefined ? null : Number(before),
        limit: limit + 1,
      })
      const queue = rows.slice(0, limit).map(({ id, to, since, nextAt, why, state }) => ({
        id,
        to,
        since: since === null ? null : time(since),
        next_at: time(nextAt),
        why: why && delayInWords(why),
        held: state === 'held',
        sending: state === 'sending',
      }))
      return c.json({ queue, next: rows.length > limit ? String(queue.at(-1)!.id) : null })
    })
    .post('/queue/:id/retry', async (c) => {
      const { userId } = await authenticated(c)
      await outbox.retry(userId, idOf(c))
      return c.body(null, 204)
    })
    .delete('/queue/:id', async (c) => {
      const { session } = await authenticated(c)
      const { id, folder } = await letters.giveUp(session, idOf(c))
      return c.json({ id, folder: folder.name })
    })
    .get('/addresses', async (c) => {
      const { session } = await authenticated(c)
      return c.json({
        addresses: await services.acquaintances.suggestions(session.user, c.req.query('q') ?? ''),
      })
    })
    .post('/recipients', async (c) => {
      const { session } = await authenticated(c)
      const typed = await body(c, 'recipients', session)
      return c.json({ recipients: await letters.recipients(session.user, typed) })
    })

    .get('/terminals', async (c) => {
      const { session } = await authenticated(c)
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
      return c.json({ terminals })
    })
    .delete('/terminals/:id', async (c) => {
      const { session } = await authenticated(c)
      await sessions.endOwn(session.user, c.req.param('id'))
      return c.body(null, 204)
    })

    .get('/correspondents', async (c) => {
      const { userId } = await authenticated(c)
      return c.json({
        correspondents: (await correspondents.list(userId)).map(
          ({ fingerprint, addresses, acceptedAt, uses, obstacle }) => ({
            fingerprint,
            addresses,
            accepted_at: time(acceptedAt),
            can_encrypt: obstacle === null,
            why: obstacle,
            revoked: uses.revoked && time(uses.revoked.at),
          }),
        ),
      })
    })
    .post('/correspondents', async (c) => {
      const { session, userId } = await authenticated(c)
      const { armored, accept } = await body(c, 'correspondent', session)
      const looked = await correspondents.look(session.user, octetsOf(armored))
      const keys = looked.keys.slice(0, offeredLimit)
      if (accept === undefined) {
        const offered = []
        for (const key of keys)
          offered.push({
            fingerprint: key.fingerprint,
            addresses: key.addresses,
            names: key.userIds,
            algorithm: key.algorithm,
            created: time(key.createdAt),
            expires: key.expiresAt === null ? null : time(key.expiresAt),
            can_encrypt: key.canEncrypt,
            conflicts: await correspondents.conflicts(userId, key),
          })
        return c.json({ offered, revoked: looked.revoked })
      }
      const key = keys.find(({ fingerprint }) => fingerprint === accept.toLowerCase())
      if (!key) throw new Refusal('no-such-fingerprint')
      await correspondents.accept(userId, key)
      return c.json({ fingerprint: key.fingerprint, addresses: key.addresses }, 201)
    })
    .delete('/correspondents/:fingerprint', async (c) => {
      const { userId } = await authenticated(c)
      if (!(await correspondents.remove(userId, c.req.param('fingerprint').toLowerCase())))
        throw new Refusal('no-accepted-key')
      return c.body(null, 204)
    })

    .get('/keys', async (c) => {
      const { userId } = await authenticated(c)
      // Of the key itself: an approval opens it by one of these.
      const methods = keyrings.methods(userId).filter((method) => method !== 'approval')
      const keys = (await keyrings.list(userId)).map((key) => ({
        id: key.fingerprint,
        fingerprint: key.fingerprint,
        aliases: key.aliases,
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
      return c.json({ keys })
    })
    .get('/log', async (c) => {
      const { userId } = await authenticated(c)
      const before = c.req.query('before')
      const limit = limitOf(c.req.query('limit'), 50, 500)
      const rows = await ledger.list(userId, before === undefined ? null : Number(before), limit + 1)
      const events = rows
        .slice(0, limit)
        .map(({ at, event, terminal, address, method, messageId, reason }) => ({
          at: time(at),
          event,
          terminal,
          address,
          ...(method ? { method } : {}),
          ...(messageId ? { message: messageId } : {}),
          ...(reason ? { reason } : {}),
        }))
      return c.json({ events, next: rows.length > limit ? String(rows[limit - 1]!.id) : null })
    })

    .all('*', () => problem(new Refusal('no-call')))
    .onError((error, c) => {
      const refusal = refusalOf(error) ?? lockedRefusal(error)
      if (refusal) return problem(refusal)
      const { name, message, stack } = error
      services.log.error({ err: { name, message, stack }, path: c.req.routePath }, 'unexpected error')
      return problem(new Refusal('went-wrong'))
    })
}

/** RFC 9457; `type` ends in the refusal's code. */
const problem = (refusal: Refusal): Response => {
  const { by, retry_after_s, ...rest } = refusal.detail
  const headers: Record<string, string> = { 'Content-Type': 'application/problem+json' }
  if (retry_after_s) headers['Retry-After'] = String(retry_after_s)
  const type = problemType(refusal.code)
  const document = {
    type,
    title: refusal.message,
    status: refusal.status,
    ...rest,
    ...(by && { by: holderOf(by) }),
  }
  return new Response(JSON.stringify(document), { status: refusal.status, headers })
}

/** The octets of a pasted text, or those that each character stands for: an attachment may be binary, or UTF-16. */
const octetsOf = (text: string) => Buffer.from(text, /^[\x00-\xff]*$/.test(text) ? 'latin1' : 'utf8')
const time = (ms: number) => new Date(ms).toISOString()

const holderOf = ({ grant, terminal, since, last_used }: Holder) => ({
  grant,
  terminal,
  since: time(since),
  last_used: time(last_used),
})

const idOf = (c: Context): number => {
  const id = c.req.param('id') ?? ''
  if (!/^\d{1,15}$/.test(id)) throw new Refusal('no-message')
  return Number(id)
}

const limitOf = (text: string | undefined, usual: number, most: number): number => {
  if (text === undefined) return usual
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new Refusal('limit-no-number')
  return Math.min(Number(text), most)
}

const offsetOf = (text = '0'): number => {
  if (!/^\d{1,9}$/.test(text)) throw new Refusal('offset-no-number')
  return Number(text)
}

const listed = (message: Listed) => ({
  id: message.id,
  from: message.sender,
  to: message.recipients,
  subject: message.subject,
  date: time(message.sentAt ?? message.arrivedAt),
  size: message.size,
  seen: message.seen,
  flagged: message.flagged,
  answered: message.answered,
  attachments: message.attachments,
  /** Of the copy of a letter: as it left, whatever it is kept as. */
  security: message.sentAs ?? (message.security === 'partly' ? 'encrypted' : message.security),
  /** Claims an address of this server, but came from outside. */
  ...(message.outside && { outside: true as const }),
})

const content = (
  mail: Mail,
): {
  headers: Record<string, string>
  from: Address[]
  to: Address[]
  cc: Address[]
  reply_to: Address[]
  text: string
  html?: string
  attachments: Part[]
  isolated: Mail['isolated']
  signature: Omit<Signature, 'at'> & { at: string | null }
} => ({
  headers: mail.headers,
  from: mail.from,
  to: mail.to,
  cc: mail.cc,
  reply_to: mail.replyTo,
  text: mail.text,
  ...(mail.html === null ? {} : { html: mail.html }),
  attachments: mail.attachments,
  isolated: mail.isolated,
  signature: { ...mail.signature, at: mail.signature.at === null ? null : time(mail.signature.at) },
})

const repliedTo = async (
  { reading }: Services,
  session: Session,
  reference: number | string | null,
): Promise<Letter['inReplyTo']> => {
  if (reference === null || reference === '') return null
  if (typeof reference === 'string' && !/^\d+$/.test(reference))
    return { messageId: oneMessageId(reference), references: [] }
  const { mail } = await reading.read(session, Number(reference))
  return mail.messageId ? { messageId: mail.messageId, references: mail.references } : null
}

const oneMessageId = (text: string) => {
  if (!/^<[^<>\s]+>$/.test(text)) throw new Refusal('in-reply-to-what')
  return text
}
