/** A visit from its request: session and tokens from the cookies, the language, and the name of the terminal. */
import { createHmac, randomBytes } from 'node:crypto'
import type { Context } from 'hono'
import { deleteCookie, setCookie } from 'hono/cookie'
import type { Session } from '../people/sessions.ts'
import type { Services } from '../services.ts'
import { clearSiteData } from './api/call.ts'
import { connection, cookie, cookieNames, type DoorEnv } from './asker.ts'
import { emptyForm } from './forms.ts'
import type { Language, Visit } from './visit.ts'

export const beginVisit = async (
  c: Context<DoorEnv>,
  services: Services,
  scripts: Pick<Visit, 'script' | 'passkeyScript'>,
): Promise<Visit> => {
  const { config, sessions, site } = services
  const { address, host, secure } = connection(c, services)
  const names = cookieNames(secure.https)
  const common = { path: '/', httpOnly: true, secure: secure.https } as const
  const token = cookie(c, names.session)
  const session = token ? await sessions.contact(token) : null
  const htmx = c.req.header('hx-request') === 'true'
  // One for each user of this browser: it outlives the session, and tells nobody whose it is.
  const ledgerCookie = ({ user }: Session) => `${names.ledger}-${services.userTag(user.id)}`
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
    htmx,
    ...scripts,
    formToken: services.formToken(before ?? ''),
    parkingSecret: session && token ? parkingSecretOf(token) : null,
    form: emptyForm,
    logIn: (begun) => {
      visit.session = begun.session
      visit.formToken = services.formToken(begun.token)
      visit.parkingSecret = parkingSecretOf(begun.token)
      setCookie(c, names.session, begun.token, {
        ...common,
        sameSite: 'Lax',
        maxAge: Math.floor(config.sessionMaxMs / 1000),
      })
      deleteCookie(c, names.before, common)
    },
    logOut: () => {
      deleteCookie(c, names.session, common)
      deleteCookie(c, names.key, common)
      deleteCookie(c, names.pending, common)
      c.header('Clear-Site-Data', clearSiteData)
    },
    lockKey: () => {
      deleteCookie(c, names.key, common)
      c.header('Clear-Site-Data', clearSiteData)
    },
    keepKey: (value) => {
      if (value) setCookie(c, names.key, value, { ...common, sameSite: 'Strict' })
      else deleteCookie(c, names.key, common)
    },
    keepPending: (value) => {
      if (value) setCookie(c, names.pending, value, { ...common, sameSite: 'Strict' })
      else deleteCookie(c, names.pending, common)
    },
    setLanguage: (language) => {
      visit.language = language
      setCookie(c, 'lang', language, { ...common, sameSite: 'Lax', maxAge: yearS })
    },
    ledgerMark: session && cookie(c, ledgerCookie(session)),
    keepLedgerMark: (mark) => {
      const name = ledgerCookie(visit.session!)
      if (mark) setCookie(c, name, mark, { ...common, sameSite: 'Lax', maxAge: yearS })
      else deleteCookie(c, name, common)
    },
    formerUserId: async () => (token ? sessions.formerUserId(token) : null),
  }
  return visit
}

const yearS = 31_536_000

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
