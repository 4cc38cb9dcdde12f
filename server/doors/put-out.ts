/**
 * How a page goes out: whole, with its length and header fields, in the markup that the terminal prefers (P86). A page
 * is written once, in HTML; here, and nowhere else, it becomes what a terminal of another kind reads.
 */
import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Context } from 'hono'
import { setCookie } from 'hono/cookie'
import { style } from '../../web/document.tsx'
import { choiceOf, type Terms, termsOf } from '../../web/languages/markup.ts'
import { asWml } from '../../web/languages/wml.ts'
import { asXhtml } from '../../web/languages/xhtml.ts'
import { notEncrypted } from '../../web/pages.tsx'
import type { Services } from '../services.ts'
import { connection, cookie, type DoorEnv } from './asker.ts'
import { languageOf } from './begin-visit.ts'
import { anewAt, deckFor, takesPlainCookies, withPlainCookies } from './handsets.ts'

const pageHeaders = {
  'Content-Type': 'text/html;charset=utf-8',
  'Cache-Control': 'no-store',
  'Content-Security-Policy': `default-src 'none';script-src 'self';img-src data:;style-src 'sha256-${createHash('sha256').update(style).digest('base64')}';form-action 'self';base-uri 'none';frame-ancestors 'none'`,
  'X-Content-Type-Options': 'nosniff',
  // Not no-referrer: with that, Chromium sends `Origin: null` with a form of our own.
  'Referrer-Policy': 'same-origin',
}

/** What the terminal reads: what it chose, in this address or before, or else by its Accept field. */
export const termsFor = (c: Context<DoorEnv>): Terms =>
  termsOf(c.req.header('accept'), choiceOf(c.req.query('as')) ?? choiceOf(cookie(c, 'as')))

/** A choice in the address holds until the browser is closed. */
export const keepChoice = (c: Context<DoorEnv>, services: Services): void => {
  const choice = choiceOf(c.req.query('as'))
  const { secure } = connection(c, services)
  if (choice) setCookie(c, 'as', choice, { path: '/', httpOnly: true, secure: secure.https, sameSite: 'Lax' })
}

/** 426 Upgrade Required (RFC 9110 §15.5.22), as a page. */
export const notEncryptedPage = (origin: string, headers: IncomingHttpHeaders) => {
  const terms = termsOf(headers.accept, null)
  const { markup } = terms
  const page = notEncrypted(origin, languageOf(headers['accept-language'], null))
  const alone = { seen: null, path: () => '/', isAnew: false, ticketFor: null }
  const body = Buffer.from(
    markup === 'html' ? page : markup === 'wml' ? asWml(page, alone).deck : asXhtml(page),
  )
  return {
    body,
    headers: {
      ...headersOf(terms),
      ...(markup === 'html' ? {} : { Vary: 'Accept' }),
      Upgrade: 'TLS/1.2',
      'Content-Length': String(body.length),
    },
  }
}

/** The answer with its length, which text browsers of HTTP/1.0 need, and with the header fields of its kind. */
export const putOut = async (
  c: Context<DoorEnv>,
  services: Services,
  response: Response,
): Promise<Response> => {
  // What streams is a file whose length is known.
  if (response.headers.has('Content-Length')) return response
  const { httpVersion, headers: requestHeaders } = c.env.incoming
  const { status, headers } = response
  const isPage = headers.get('Content-Type')?.startsWith('text/html')
  const terms = termsFor(c)
  const octets =
    isPage && terms.markup !== 'html'
      ? new TextEncoder().encode(await inMarkup(c, services, terms, response))
      : new Uint8Array(await response.arrayBuffer())
  const location = headers.get('Location')
  if (location && terms.markup === 'wml' && endsHere(c, headers)) headers.set('Location', anewAt(location))
  headers.set('Content-Length', String(octets.length))
  if (octets.length === 0) headers.delete('Content-Type')
  else if (isPage)
    for (const [name, value] of Object.entries(headersOf(terms)))
      if (name === 'Content-Type' || !headers.has(name)) headers.set(name, value)
  // Nothing is stored anywhere: HTML goes without these octets.
  if (terms.markup !== 'html') headers.append('Vary', 'Accept')
  if (takesPlainCookies(requestHeaders, terms.markup === 'wml')) withPlainCookies(headers)
  // For htmx. Whatever can run it sends that header field with each page it asks for; a thin browser is spared these octets.
  const policy = headers.get('Content-Security-Policy')
  if (requestHeaders['upgrade-insecure-requests'] && policy === pageHeaders['Content-Security-Policy'])
    headers.set('Content-Security-Policy', `${policy};connect-src 'self'`)
  // Lynx knows no `no-store`: it would show the mailbox again as it was before the key was open.
  if (httpVersion === '1.0') headers.append('Cache-Control', 'no-cache')
  return new Response(octets, { status, headers })
}

/** A handset runs nothing that a policy could forbid, and each octet of a header field is one less for the deck. */
const headersOf = ({ markup, type }: Terms): Record<string, string> => ({
  ...(markup === 'wml' ? { 'Cache-Control': pageHeaders['Cache-Control'] } : pageHeaders),
  'Content-Type': `${type};charset=utf-8`,
})

const inMarkup = async (
  c: Context<DoorEnv>,
  services: Services,
  { markup }: Terms,
  response: Response,
): Promise<string> => {
  const page = await response.text()
  return markup === 'wml'
    ? deckFor(c, services, page, { endsHere: endsHere(c, response.headers) })
    : asXhtml(page)
}

/** A session ends or begins with this answer, or the key is locked: a handset keeps nothing from before. */
const endsHere = (c: Context<DoorEnv>, headers: Headers) =>
  headers.has('Clear-Site-Data') || (c.req.method === 'POST' && c.req.path === '/login')
