/** A call of the API at the border: who makes it, what it brings, and the forms that answers share. */
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import type { Body, Call } from '../../contract/requests.ts'
import { parsedHereOctets } from '../../ground/limits.ts'
import { type Holder, Refusal } from '../../ground/refusal.ts'
import { octetLimitOf, parseBody } from '../../locked/api-bodies.ts'
import type { CryptoPool } from '../../locked/crypto-pool.ts'
import type { Session } from '../../people/sessions.ts'
import type { Bodies } from '../request-body.ts'
import { isXml } from './xml.ts'

export type Asker = { session: Session | null; keyToken: string | null; address: string }

/** A call with a live session. */
export type LoggedIn = {
  c: Context
  session: Session
  userId: number
  keyToken: string | null
  /** The call's body, parsed. @throws Refusal as {@link parseBody}; `too-large` */
  body<C extends Call>(call: C): Promise<Body<C>>
}

/** At lock and log-out: copies that a browser keeps of what it showed go too. */
export const clearSiteData = '"cache", "storage"'

export type BorderNeeds = { bodies: Bodies; pool: CryptoPool }

export const border = ({ bodies, pool }: BorderNeeds, ask: (c: Context) => Promise<Asker>) => {
  /** A large body, and one in XML, is parsed in a child process. @param user who sends it, null for a stranger */
  const bodyOf = async <C extends Call>(c: Context, call: C, user: number | null): Promise<Body<C>> => {
    const { incoming } = c.env as HttpBindings
    const limit = octetLimitOf(call)
    const { blocks, size } = await bodies.read(incoming, { limit, reason: 'body-large', user })
    const sent = () => void blocks.splice(0)
    const task = { call, blocks }
    if (size > 0 && isXml(c.req.header('content-type')))
      return (await pool.run('reading', 'parseXmlBody', task, { user, sent })) as Body<C>
    if (size <= parsedHereOctets) return parseBody(call, Buffer.concat(blocks))
    return (await pool.run('reading', 'parseBody', task, { user, sent })) as Body<C>
  }

  /** @throws Refusal `no-session` */
  const loggedIn = async (c: Context): Promise<LoggedIn> => {
    const { session, keyToken } = await ask(c)
    if (!session) throw new Refusal('log-in-first')
    const userId = session.user.id
    return { c, session, userId, keyToken, body: (call) => bodyOf(c, call, userId) }
  }

  return {
    ask,
    bodyOf,
    /** Routes' handlers out of functions that are handed what they need, and a call with a live session. */
    handing:
      <Needs>(needs: Needs) =>
      (answer: (needs: Needs, by: LoggedIn) => Promise<Response>) =>
      async (c: Context) =>
        answer(needs, await loggedIn(c)),
  }
}
export type Border = ReturnType<typeof border>

// ---- what stands in the address

export const idOf = (c: Context): number => {
  const id = c.req.param('id') ?? ''
  if (!/^\d{1,15}$/.test(id)) throw new Refusal('no-message')
  return Number(id)
}

export const limitOf = (c: Context, usual: number, most: number): number => {
  const text = c.req.query('limit')
  if (text === undefined) return usual
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new Refusal('limit-no-number')
  return Math.min(Number(text), most)
}

// ---- what answers share

/** RFC 3339, in UTC. */
export const time = (ms: number) => new Date(ms).toISOString()

export const holderOf = ({ grant, terminal, since, last_used }: Holder) => ({
  grant,
  terminal,
  since: time(since),
  last_used: time(last_used),
})
