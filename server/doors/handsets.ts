/**
 * Pages on handsets of WAP (P86): a page goes out deck by deck. A page that was asked for by its address is asked for
 * again with the number of what was seen of it; an answer to a form, which has no address, or none that a deck has room
 * for, is parked for its session alone, and so is what a form holds that is too long.
 */
import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Context } from 'hono'
import { asWml } from '../../web/languages/wml.ts'
import { fromTerminal, type KeptFields } from '../../web/languages/wml-forms.ts'
import { deckAddressLimit } from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'
import type { ParkedForms } from '../people/parked-forms.ts'
import type { DoorEnv } from './asker.ts'
import type { Form } from './visit.ts'

type Needs = { parkedForms: ParkedForms }

/** In an address: how much of the page was seen; which parked page; and that the handset is to forget what it holds. */
const seenParameter = 'deck'
const pageParameter = 'of'
const anewParameter = 'anew'

/** Where the decks of an answer to a form are. */
export const parkedPagePath = '/deck'

/** The deck of a page that this request asks for, and what belongs to it parked. */
export const deckFor = async (
  c: Context<DoorEnv>,
  { parkedForms }: Needs,
  page: string,
  { endsHere }: { endsHere: boolean },
): Promise<string> => {
  const ticketFor = ticketsOf(c, parkedForms)
  const isAsked = c.req.method === 'GET'
  // Its name opens nothing: the secret is the session's.
  const pageId = ticketFor && !(isAsked && isShort(c.req.url)) ? idFor(page) : null
  const { deck, kept, hasMore } = asWml(page, {
    seen: (isAsked && c.req.query(seenParameter)) || null,
    path: (seen) => pathAfter(c, pageId, seen),
    isAnew: endsHere || (isAsked && c.req.query(anewParameter) !== undefined),
    ticketFor: ticketFor && ((content) => ticketFor(idFor(content))),
  })
  if (pageId && hasMore) await parkedForms.keep(ticketFor!(pageId), page)
  for (const { ticket, fields } of kept) await parkedForms.keep(ticket, fields)
  return deck
}

/** @throws Refusal `form-old` if no such page waits for this session */
export const parkedPage = async (c: Context<DoorEnv>, { parkedForms }: Needs): Promise<string> => {
  const id = c.req.query(pageParameter) ?? ''
  const { session } = c.get('visit')
  const ticket = /^[\w-]{12}$/.test(id) ? ticketsOf(c, parkedForms)?.(id) : undefined
  const page = session && ticket ? await parkedForms.open(session.user.id, ticket) : null
  if (typeof page !== 'string') throw new Refusal('form-old')
  return page
}

/** A form as it comes from a handset, as the page's own would have come. */
export const formOfHandset = (c: Context<DoorEnv>, { parkedForms }: Needs, form: Form): Promise<Form> => {
  const { session, formerUserId } = c.get('visit')
  const userId = session?.user.id ?? formerUserId
  return fromTerminal(form, async (ticket) => {
    const kept = userId === null ? null : await parkedForms.open(userId, ticket)
    return kept && typeof kept === 'object' ? (kept as KeptFields) : null
  })
}

/** Where a form leads that ends or begins a session, or locks the key: what was typed before is to go away there. */
export const anewAt = (location: string): string =>
  `${location}${location.includes('?') ? '&' : '?'}${anewParameter}=1`

/**
 * Cookies as gateways keep them for handsets that keep none (RFC 2109): such a gateway takes an attribute that it does not know
 * for the cookie itself. Nothing on these terminals runs that could read one, and each form has its token.
 */
export const withPlainCookies = (headers: Headers): void => {
  const cookies = headers.getSetCookie()
  headers.delete('Set-Cookie')
  for (const each of cookies) headers.append('Set-Cookie', each.replace(/; (?:HttpOnly|SameSite=\w+)/gi, ''))
}

/** Through a gateway of WAP, or for a terminal that reads WML alone. */
export const takesPlainCookies = ({ via, accept }: IncomingHttpHeaders, isWml: boolean): boolean =>
  /\bwap\//i.test(via ?? '') || (isWml && !/text\/html/i.test(accept ?? ''))

const ticketsOf = (c: Context<DoorEnv>, parkedForms: ParkedForms): ((id: string) => string) | null => {
  const { session, parkingSecret } = c.get('visit')
  return session && parkingSecret && ((id) => parkedForms.ticket(session.user.id, parkingSecret, id))
}

/** Always the same for the same content: what is looked at twice is parked once. */
const idFor = (content: string) => createHash('sha256').update(content).digest('base64url').slice(0, 12)

/** The address fits into a deck beside what else there is. */
const isShort = (url: string) => {
  const { pathname, search } = new URL(url)
  return pathname.length + search.length <= deckAddressLimit
}

const pathAfter = (c: Context<DoorEnv>, pageId: string | null, seen: string): string => {
  const { pathname, searchParams } = new URL(c.req.url)
  if (pageId) return `${parkedPagePath}?${pageParameter}=${pageId}&${seenParameter}=${seen}`
  const kept = isShort(c.req.url) ? searchParams : new URLSearchParams()
  kept.delete(anewParameter)
  kept.set(seenParameter, seen)
  return `${pathname}?${kept}`
}
