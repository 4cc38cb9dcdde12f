/** Who asks, in which language and from where: what each page reads of its request. */
import type { Context } from 'hono'
import type { Browser, Visit } from '../server/doors/visit.ts'
import type { Refusal } from '../server/ground/refusal.ts'
import type { Session } from '../server/people/sessions.ts'
import { type Words, wordsIn } from './words.ts'

export type PageEnv = { Variables: { visit: Visit; browser: Browser } }
export type PageContext = Context<PageEnv>

/** What the visitor reads, in their language. */
export const wordsOf = (c: PageContext): Words => wordsIn[c.get('visit').language]

/** The session; the frame lets nobody without one come here. */
export const sessionOf = (c: PageContext): Session => {
  const { session } = c.get('visit')
  if (!session) throw new Error('expected a session, got none')
  return session
}

/** A refusal as a sentence in the visitor's language. */
export const sentenceOf = (c: PageContext, refusal: Refusal): string => wordsOf(c).refusal(refusal)

/** What the page before has done, from its address: a fixed sentence with a number. */
export const didOf = (c: PageContext): string | undefined => {
  const [, name, count] = c.req.query('ok')?.match(/^([a-z-]+)(?:\.(\d{1,6}))?$/) ?? []
  const { did } = wordsOf(c)
  return name && Object.hasOwn(did, name) ? did[name as keyof Words['did']](Number(count ?? 1)) : undefined
}

/** Path and query of the request. */
export const pathOf = (c: PageContext): string => {
  const { pathname, search } = new URL(c.req.url)
  return pathname + search
}

/** A path of this site, or the fallback: never another site's (`//host`, `/\host`) nor a control character. */
export const ownPath = (text: string, fallback: string): string =>
  /^\/[\x21-\x7e]*$/.test(text) && !/\\|\/\//.test(text) ? text : fallback

/** @param parameter name and value, as an address has them */
export const withParameter = (path: string, parameter: string): string =>
  `${path}${path.includes('?') ? '&' : '?'}${parameter}`

/** An id from an address; one that is none is nobody's. */
export const idOf = (text: string | undefined): number => (text && /^\d{1,15}$/.test(text) ? Number(text) : 0)
