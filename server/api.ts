/**
 * The JSON API: the routes of the contract, each a thin way from a request to a service. What comes in is parsed at
 * this border; a refusal becomes an RFC 9457 problem document. Times are RFC 3339 strings in UTC.
 */
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { z } from 'zod'
import type { Allowance } from './allowances.ts'
import type { Address, Mail, Part, Signature } from './encrypted-mail.ts'
import type { Letter } from './letters.ts'
import type { Listed } from './mailboxes.ts'
import type { Services } from './main.ts'
import { type Holder, Refusal, type RefusalCode } from './refusal.ts'
import type { Session } from './sessions.ts'

export type Asker = { session: Session | null; keyToken: string | null; address: string }

/** A letter of 25 MiB with its attachments in base64; a text to be signed; keys; many addresses; every other call. */
const bodyLimits: Record<string, number> = {
  '/api/messages': 36 * 1024 * 1024,
  '/api/sign': 2 * 1024 * 1024,
  '/api/correspondents': 1024 * 1024,
  '/api/recipients': 256 * 1024,
}
const usualBodyLimit = 16 * 1024

/** Of the keys in one text, those that anybody would look at. */
const offeredLimit = 20

const addresses = z.union([z.string(), z.array(z.string()).transform((list) => list.join(', '))]).default('')
const base64 = z
  .base64()
  .or(z.base64url())
  .transform((text) => new Uint8Array(Buffer.from(text, 'base64')))

const marks = z.strictObject({ seen: z.boolean(), flagged: z.boolean(), folder: z.string() })

const bodies = {
  session: z.strictObject({
    user: z.string().max(254),
    password: z.string().max(1024),
    terminal: z.string().max(200).optional(),
    /** The terminal makes contact at least twice in this time, or loses the key. */
    heartbeat_s: z.number().int().min(5).max(900).optional(),
  }),
  folder: z.strictObject({ name: z.string() }),
  marks: marks.partial(),
  manyMarks: marks.partial().extend({ ids: z.array(z.number().int().min(1)).max(1000) }),
  decrypt: z.strictObject({ part: z.string().optional() }),
  passphrase: z.strictObject({ passphrase: z.string().max(1024) }),
  approval: z.strictObject({ scope: z.enum(['read', 'sign']) }),
  /** `of`: the `grant` of the holder that was shown, so that no other one is stopped. */
  stop: z.strictObject({ confirm: z.literal(true).optional(), of: z.string().max(64).optional() }),
  sign: z.strictObject({ text: z.string() }),
  letter: z.strictObject({
    to: addresses,
    cc: addresses,
    bcc: addresses,
    subject: z.string().default(''),
    text: z.string().default(''),
    attachments: z
      .array(
        z.strictObject({
          name: z.string(),
          type: z
            .string()
            .regex(/^[\w.+-]+\/[\w.+-]+$/)
            .default('application/octet-stream'),
          /** Base64; `data` is taken too. */
          content: base64.optional(),
          data: base64.optional(),
        }),
      )
      .default([]),
    /** One of this user's messages, or a Message-ID. */
    in_reply_to: z.union([z.number().int(), z.string()]).nullish(),
    sign: z.boolean().default(false),
    encrypt: z.boolean().default(false),
    draft: z.boolean().default(false),
    hold_s: z.number().int().min(0).max(3600).default(0),
    /** The draft that it takes the place of. */
    replaces: z.number().int().nullish(),
  }),
  recipients: z.strictObject({ to: addresses, cc: addresses, bcc: addresses }),
  correspondent: z.strictObject({ armored: z.string(), accept: z.string().optional() }),
}

export const api = (services: Services, ask: (c: Context) => Promise<Asker>) => {
  const { sessions, users, allowances, passkeys, approvals, keyrings } = services
  const { mailboxes, reading, letters, correspondents, ledger, config } = services

  /** Who asks, with a live session. @throws Refusal `no-session` */
  const authenticated = async (c: Context) => {
    const { session, keyToken } = await ask(c)
    if (!session) throw new Refusal('no-session', 'Log in first: there is no such session, or it has ended.')
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

  /** What a call changes of its messages. @throws Refusal `not-found` if there is no such folder */
  const marksOf = async (userId: number, { seen, flagged, folder }: Partial<z.output<typeof marks>>) => ({
    ...(seen === undefined ? {} : { seen }),
    ...(flagged === undefined ? {} : { flagged }),
    ...(folder === undefined ? {} : { folderId: (await mailboxes.folderNamed(userId, folder)).id }),
  })

  return new Hono()
    .use((c, next) => {
      const maxSize = bodyLimits[c.req.path] ?? usualBodyLimit
      return bodyLimit({ maxSize, onError: () => problem(tooLarge) })(c, next)
    })

    .post('/session', async (c) => {
      const { user, password, terminal, heartbeat_s } = await body(c, bodies.session)
      const { address } = await ask(c)
      const logIn = await users.logIn(user, password, address)
      const heartbeatMs = heartbeat_s === undefined ? null : heartbeat_s * 1000
      const { token, session } = await sessions.begin(logIn, terminal ?? 'API client', address, heartbeatMs)
      const idle_s = config.sessionIdleMs / 1000
      return c.json({ token, user: session.user.address, idle_s, expires_at: time(session.endsAt) }, 201)
    })
    .get('/session', async (c) => {
      const { session } = await authenticated(c)
      const { stopped } = session
      return c.json({
        user: session.user.address,
        terminal: session.terminal,
        idle_s: config.sessionIdleMs / 1000,
        expires_at: time(session.endsAt),
        ...(await keyOf(session)),
        stopped: stopped && { at: time(stopped.at), by: stopped.by },
      })
    })
    .delete('/session', async (c) => {
      const { session } = await authenticated(c)
      await sessions.end(session.id, 'logout')
      return c.body(null, 204)
    })

    .get('/folders', async (c) => {
      const { userId } = await authenticated(c)
      const folders = await mailboxes.folders(userId)
      return c.json({
        folders: folders.map(({ name, kind, total, unread }) => ({ name, kind, total, unread })),
      })
    })
    .post('/folders', async (c) => {
      const { userId } = await authenticated(c)
      const { name } = await mailboxes.createFolder(userId, (await body(c, bodies.folder)).name)
      return c.json({ name, kind: 'user' }, 201)
    })
    .get('/folders/:name/messages', async (c) => {
      const { userId } = await authenticated(c)
      const folder = await mailboxes.folderNamed(userId, c.req.param('name'))
      const [before, offset] = [c.req.query('before'), c.req.query('offset')]
      if (before !== undefined && offset !== undefined)
        throw new Refusal('bad-request', 'A page begins either before another or at an offset, not both.')
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
      const { security, sentAs } = message
      return c.json({
        id: message.id,
        folder: folder.name,
        /** As it lies here: `encrypted` needs the key. */
        security,
        sent_as: sentAs,
        ...content(mail),
      })
    })
    .get('/messages/:id/raw', async (c) => {
      const { userId } = await authenticated(c)
      const octets = await mailboxes.octets(userId, idOf(c))
      return c.body(new Uint8Array(octets), 200, { 'Content-Type': 'message/rfc822' })
    })
    .patch('/messages/:id', async (c) => {
      const { userId } = await authenticated(c)
      const { id } = await mailboxes.message(userId, idOf(c))
      await mailboxes.mark(userId, [id], await marksOf(userId, await body(c, bodies.marks)))
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
      const { part } = await body(c, bodies.decrypt)
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
      const { passphrase } = await body(c, bodies.passphrase)
      const { keyToken, allowance } = await allowances.grantByPassphrase(session, passphrase)
      return c.json({ key_token: keyToken, ...(await viewOf(session, allowance))! }, 201)
    })
    .delete('/allowance', async (c) => {
      const { session } = await authenticated(c)
      await allowances.lock(session)
      return c.body(null, 204)
    })
    .post('/allowance/stop', async (c) => {
      const { session } = await authenticated(c)
      const { confirm, of } = await body(c, bodies.stop)
      if (!confirm) throw new Refusal('unconfirmed', 'Stopping the other use needs {"confirm": true}.')
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
      const { scope } = await body(c, bodies.approval)
      const { address, code, keyToken, expiresAt } = await approvals.ask(session, scope)
      return c.json({ address, code, key_token: keyToken, expires_at: time(expiresAt) }, 201)
    })
    .get('/approval', async (c) => {
      const { session } = await authenticated(c)
      const state = await approvals.state(session)
      if (!state) throw new Refusal('not-found', 'This session has not asked for an approval.')
      return c.json({ state })
    })
    .post('/sign', async (c) => {
      const { session, keyToken } = await authenticated(c)
      const { text } = await body(c, bodies.sign)
      return c.json({ signed: await letters.sign(session, keyToken, text) })
    })

    .post('/messages', async (c) => {
      const { session, keyToken } = await authenticated(c)
      const { draft, hold_s, replaces, in_reply_to, attachments, ...written } = await body(c, bodies.letter)
      const letter: Letter = {
        ...written,
        attachments: attachments.map(({ name, type, content, data }) => {
          const octets = content ?? data
          if (!octets) throw new Refusal('bad-request', `The attachment "${name}" has no content.`)
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
      const { userId } = await authenticated(c)
      const { ids, ...changes } = await body(c, bodies.manyMarks)
      return c.json({ changed: await mailboxes.mark(userId, ids, await marksOf(userId, changes)) })
    })
    .post('/messages/:id/recall', async (c) => {
      const { session } = await authenticated(c)
      const { id, folder } = await letters.recall(session, idOf(c))
      return c.json({ id, folder: folder.name })
    })
    .get('/addresses', async (c) => {
      const { session } = await authenticated(c)
      return c.json({ addresses: await letters.suggestions(session.user, c.req.query('q') ?? '') })
    })
    .post('/recipients', async (c) => {
      const { session } = await authenticated(c)
      const typed = await body(c, bodies.recipients)
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
        correspondents: (await correspondents.list(userId)).map(({ fingerprint, addresses, acceptedAt }) => ({
          fingerprint,
          addresses,
          accepted_at: time(acceptedAt),
        })),
      })
    })
    .post('/correspondents', async (c) => {
      const { userId } = await authenticated(c)
      const { armored, accept } = await body(c, bodies.correspondent)
      const keys = (await correspondents.offered(Buffer.from(armored))).slice(0, offeredLimit)
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
        return c.json({ offered })
      }
      const key = keys.find(({ fingerprint }) => fingerprint === accept.toLowerCase())
      if (!key)
        throw new Refusal('bad-key', 'There is no key with that fingerprint in it. Nothing was accepted.')
      await correspondents.accept(userId, key)
      return c.json({ fingerprint: key.fingerprint, addresses: key.addresses }, 201)
    })
    .delete('/correspondents/:fingerprint', async (c) => {
      const { userId } = await authenticated(c)
      if (!(await correspondents.remove(userId, c.req.param('fingerprint').toLowerCase())))
        throw new Refusal('not-found', 'There is no such accepted key.')
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

    .all('*', () => problem(new Refusal('not-found', 'There is no such call.')))
    .onError((error, c) => {
      const refusal = services.refusalOf(error)
      if (refusal) return problem(refusal)
      const { name, message, stack } = error
      services.log.error({ err: { name, message, stack }, path: c.req.routePath }, 'unexpected error')
      return problem(
        new Refusal('failed', 'Something went wrong on the server. Nothing was changed; please try again.'),
      )
    })
}

/** The type of the API, for typed clients. */
export type Api = ReturnType<typeof api>

const tooLarge = new Refusal('too-large', 'This is larger than a message may be.')

/** RFC 9457; `type` ends in the refusal's code. */
const problem = (refusal: Refusal): Response => {
  const { by, retry_after_s, ...rest } = refusal.detail
  const headers: Record<string, string> = { 'Content-Type': 'application/problem+json' }
  if (retry_after_s) headers['Retry-After'] = String(retry_after_s)
  const type = `urn:wafer:problem:${refusal.code satisfies RefusalCode}`
  const document = {
    type,
    title: refusal.message,
    status: refusal.status,
    ...rest,
    ...(by && { by: holderOf(by) }),
  }
  return new Response(JSON.stringify(document), { status: refusal.status, headers })
}

const time = (ms: number) => new Date(ms).toISOString()

const holderOf = ({ grant, terminal, since, last_used }: Holder) => ({
  grant,
  terminal,
  since: time(since),
  last_used: time(last_used),
})

/** Parses a JSON body; an absent one counts as empty. @throws Refusal `bad-request` naming the member */
const body = async <S extends z.ZodType>(c: Context, schema: S): Promise<z.output<S>> => {
  const text = await c.req.text()
  let json: unknown
  try {
    json = text.trim() === '' ? {} : JSON.parse(text)
  } catch (cause) {
    throw new Refusal('bad-request', 'The body is not JSON.', { cause })
  }
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  if (issue?.code === 'unrecognized_keys')
    throw new Refusal('bad-request', `There is no member "${issue.keys[0]}" in this call. Nothing was done.`)
  const member = issue?.path.join('.')
  throw new Refusal(
    'bad-request',
    member ? `The member "${member}" is missing or malformed.` : 'The body is malformed.',
  )
}

const idOf = (c: Context): number => {
  const id = c.req.param('id') ?? ''
  if (!/^\d{1,15}$/.test(id)) throw new Refusal('not-found', 'There is no such message.')
  return Number(id)
}

const limitOf = (text: string | undefined, usual: number, most: number): number => {
  if (text === undefined) return usual
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new Refusal('bad-request', 'The limit is not a number above 0.')
  return Math.min(Number(text), most)
}

const offsetOf = (text = '0'): number => {
  if (!/^\d{1,9}$/.test(text)) throw new Refusal('bad-request', 'The offset is not a number.')
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
  security: message.sentAs ?? message.security,
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
  if (!/^<[^<>\s]+>$/.test(text))
    throw new Refusal('bad-request', 'in_reply_to is neither a message of yours nor a Message-ID.')
  return text
}
