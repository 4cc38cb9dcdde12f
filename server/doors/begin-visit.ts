/**
 * A visit from its request: session and tokens from the cookies, the language, and the name of the terminal; and the
 * browser that sent it, which keeps or forgets cookies.
 */
import { createHmac, randomBytes } from 'node:crypto'
import type { Context } from 'hono'
import { deleteCookie, setCookie } from 'hono/cookie'
import type { CookieOptions } from 'hono/utils/cookie'
import { holdLimitS } from '../ground/limits.ts'
import type { Services } from '../services.ts'
import { clearSiteData } from './api/call.ts'
import { connection, cookie, cookieNames, type DoorEnv } from './asker.ts'
import { emptyForm } from './forms.ts'
import { leaving, staying } from './streams.ts'
import type { Browser, Language, Visit } from './visit.ts'

/**
 * Sets `visit` and `browser` of the request.
 *
 * @param options.asStranger the session is not asked for; its cookies stay
 */
export const beginVisit = async (
  c: Context<DoorEnv>,
  services: Services,
  { asStranger = false, ...scripts }: Pick<Visit, 'script' | 'passkeyScript'> & { asStranger?: boolean },
): Promise<Visit> => {
  const { sessions, site } = services
  const { address, host, secure } = connection(c, services)
  const names = cookieNames(secure.https)
  const common = { path: '/', httpOnly: true, secure: secure.https } as const
  const token = cookie(c, names.session)
  const session = token && !asStranger ? await sessions.contact(token) : null
  let before = token ?? cookie(c, names.before)
  if (!before) {
    // Also for a form that comes without a cookie: no token that somebody else could know fits it.
    before = randomBytes(16).toString('base64url')
    setCookie(c, names.before, before, { ...common, sameSite: 'Lax' })
  }
  const visit: Visit = {
    session,
    keyToken: session ? cookie(c, names.key) : null,
    pendingToken: session ? cookie(c, names.pending) : null,
    usualAddress: host.toLowerCase() === new URL(site.origin).host ? null : site.origin,
    address,
    terminal: terminalOf(c.req.header('user-agent') ?? ''),
    language: languageOf(c.req.header('accept-language'), cookie(c, 'lang')),
    holdS: holdIn(cookie(c, 'hold')),
    htmx: c.req.header('hx-request') === 'true',
    ...scripts,
    formToken: services.formToken(before),
    parkingSecret: session && token ? parkingSecretOf(token) : null,
    form: emptyForm,
    ledgerMark: session && cookie(c, `${names.ledger}-${services.userTag(session.user.id)}`),
    formerUserId: token && !session && !asStranger ? await sessions.formerUserId(token) : null,
  }
  c.set('visit', visit)
  c.set('browser', browserOf(c, visit, services, { names, common }))
  return visit
}

const browserOf = (
  c: Context<DoorEnv>,
  visit: Visit,
  { config, formToken, sessions, userTag }: Pick<Services, 'config' | 'formToken' | 'sessions' | 'userTag'>,
  { names, common }: { names: ReturnType<typeof cookieNames>; common: CookieOptions },
): Browser => {
  const keep = (name: string, value: string | null, options: CookieOptions) => {
    if (value) setCookie(c, name, value, { ...common, ...options })
    else deleteCookie(c, name, common)
  }
  const forgetShown = () => c.header('Clear-Site-Data', clearSiteData)
  const browser: Browser = {
    logIn: ({ session, token }) => {
      visit.session = session
      visit.formToken = formToken(token)
      visit.parkingSecret = parkingSecretOf(token)
      keep(names.session, token, { sameSite: 'Lax', maxAge: Math.floor(config.sessionMaxMs / 1000) })
      keep(names.before, null, {})
    },
    logOut: () => {
      keep(names.session, null, {})
      browser.keepKey(null)
      browser.keepPending(null)
      forgetShown()
    },
    lockKey: () => {
      browser.keepKey(null)
      forgetShown()
    },
    keepKey: (token) => {
      visit.keyToken = token
      keep(names.key, token, { sameSite: 'Strict' })
    },
    keepPending: (token) => {
      visit.pendingToken = token
      keep(names.pending, token, { sameSite: 'Strict' })
    },
    setLanguage: (language) => {
      visit.language = language
      keep('lang', language, { sameSite: 'Lax', maxAge: yearS })
    },
    setHold: (seconds) => {
      visit.holdS = holdIn(String(seconds))
      keep('hold', String(visit.holdS), { sameSite: 'Lax', maxAge: yearS })
    },
    keepLedgerMark: (mark) => {
      // One for each user of this browser: it outlives the session, and tells nobody whose it is.
      keep(`${names.ledger}-${userTag(visit.session!.user.id)}`, mark, { sameSite: 'Lax', maxAge: yearS })
    },
    takes: (pieces) =>
      leaving(pieces, {
        stay: staying(sessions, visit.session!),
        cutOff: () => c.env.outgoing.destroy(),
      }),
  }
  return browser
}

const yearS = 31_536_000

const holdIn = (chosen: string | null): number =>
  chosen && /^\d{1,4}$/.test(chosen) ? Math.min(Number(chosen), holdLimitS) : 0

const parkingSecretOf = (token: string) => createHmac('sha256', token).update('parking').digest()

export const languageOf = (accepted: string | undefined, chosen: string | null): Language => {
  if (chosen === 'en' || chosen === 'ja') return chosen
  const weights = (accepted ?? '').split(',').map((entry) => {
    const [tag = '', ...parameters] = entry.trim().toLowerCase().split(';')
    const q = parameters.map((parameter) => parameter.trim()).find((parameter) => parameter.startsWith('q='))
    return { tag, q: q ? Number(q.slice(2)) : 1 }
  })
  const weight = (language: Language) =>
    Math.max(
      0,
      ...weights.filter(({ tag }) => tag === language || tag.startsWith(`${language}-`)).map(({ q }) => q),
    )
  return weight('ja') > weight('en') ? 'ja' : 'en'
}

const browsers = [
  'Lynx',
  'w3m',
  'ELinks',
  'Links',
  'edbrowse',
  'NetSurf',
  'Dillo',
  'KAIOS',
  'Opera Mini',
  'Edg',
  'Firefox',
  'Chrome',
  'Safari',
  'Nokia',
] as const
const systems = ['Android', 'iPhone', 'iPad', 'Windows', 'Macintosh', 'Linux'] as const
const readable: Record<string, string> = { KAIOS: 'KaiOS', Edg: 'Edge', Macintosh: 'Mac' }

/** A name for a terminal in lists, such as "Lynx" or "Firefox on Android". */
const terminalOf = (userAgent: string) => {
  const found = (names: readonly string[]) =>
    names.find((name) => userAgent.toLowerCase().includes(name.toLowerCase()))
  const [browser, system] = [found(browsers), found(systems)].map((name) => name && (readable[name] ?? name))
  return [browser ?? 'Browser', system].filter(Boolean).join(' on ')
}
