/**
 * The web server: who asks, over what, and whether they may; then a page (web/) or an API route (api/); then the
 * answer, with refusals turned into pages or problem documents in this one place.
 *
 * Pages are asked for by browsers without JavaScript, so a form proves where it comes from by a token in it; Origin
 * and Sec-Fetch-Site are checked where a browser sends them. Answers go out whole, with their length, never stored.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer as createNetServer, isIP, type Socket } from 'node:net'
import { join } from 'node:path'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { deleteCookie, setCookie } from 'hono/cookie'
import { style } from '../../web/document.tsx'
import { notEncrypted, type PageEnv, pages } from '../../web/pages.tsx'
import { isLocalName, isLoopback, localOrigin } from '../ground/config.ts'
import {
  drainedLimit,
  formParsedHereOctets,
  letterFormLimit,
  connections as limits,
  pastedKeysLimit,
} from '../ground/limits.ts'
import { root } from '../ground/places.ts'
import { Refusal, refusalOf, Unusable } from '../ground/refusal.ts'
import { lockedRefusal } from '../ground/write-turn.ts'
import { parseForm } from '../locked/form-bodies.ts'
import type { Session } from '../people/sessions.ts'
import type { Services } from '../services.ts'
import { api } from './api/api.ts'
import { clearSiteData } from './api/call.ts'
import { Connections } from './connections.ts'
import type { Form, Language, Visit } from './visit.ts'

type Env = PageEnv & { Bindings: HttpBindings }

/** A letter with its files; pasted keys; every other form. */
const bodyLimits = { letter: letterFormLimit, keys: pastedKeysLimit, other: formParsedHereOctets }

/** Paths that are for everybody; all others need a session. */
const isPublic = (path: string) =>
  path === '/login' || path.startsWith('/setup/') || /^\/(enhance|passkey)-/.test(path)

export type WebServer = {
  /** The public origin. */
  address: string
  port: number
  close(): Promise<void>
}

export const startWebServer = async (services: Services): Promise<WebServer> => {
  const { config } = services
  const { site } = services
  const connections = new Connections(limits)
  const handle = application(services)
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    const remote = plainAddress(request.socket.remoteAddress ?? '')
    const client = clientOf(remote, String(request.headers['x-forwarded-for'] ?? ''), config)
    connections.follow(request, response, client, isUpload(request))
    return handle(request, response)
  }
  const main = config.tls
    ? createHttpsServer({ ...config.tls, ...serverOptions, minVersion: 'TLSv1.2' }, listener)
    : createHttpServer(serverOptions, listener)
  const front = config.tls ? besidePlainHttp(main, site) : main
  front.on('connection', (socket: Socket) => {
    const remote = plainAddress(socket.remoteAddress ?? '')
    connections.admit(socket, isProxy(remote, config) ? null : remote)
  })
  await new Promise<void>((resolve, reject) => {
    front.once('error', (cause: NodeJS.ErrnoException) =>
      reject(cannotListen(config.host, config.port, cause)),
    )
    front.listen(config.port, config.host, resolve)
  })
  const { port } = front.address() as AddressInfo
  site.origin = config.origin?.origin ?? localOrigin(config.tls !== null, port)
  return {
    address: site.origin,
    port,
    close: () =>
      new Promise((resolve) => {
        front.close(() => resolve())
        main.closeIdleConnections()
        setTimeout(() => connections.destroy(), limits.endMs).unref()
      }),
  }
}

const serverOptions = {
  requestTimeout: limits.uploadMs,
  headersTimeout: limits.headersMs,
  keepAliveTimeout: limits.keepAliveMs,
}

/** What may be large, as far as anybody may send it who is not logged in. */
const isUpload = ({ url = '', headers }: IncomingMessage) =>
  /^\/(c|k|api\/(messages|sign|correspondents|recipients|files\b.*))(\?|$)/.test(url) &&
  (headers.cookie !== undefined || headers.authorization !== undefined)

const cannotListen = (host: string, port: number, cause: NodeJS.ErrnoException) =>
  new Unusable(
    cause.code === 'EADDRINUSE'
      ? `WAFER_PORT: ${host}:${port} is taken by another program.`
      : `WAFER_HOST, WAFER_PORT: cannot listen on ${host}:${port} (${cause.code}).`,
    { cause },
  )

/** In front of a TLS port: who speaks plain HTTP to it reads that nothing is encrypted, and where to go (S1070). */
const besidePlainHttp = (tlsServer: Server, site: { origin: string }) => {
  const plain = createHttpServer(serverOptions, (request, response) => {
    request.resume()
    const answer = notEncryptedPage(site.origin, request.headers['accept-language'])
    response.writeHead(426, { ...answer.headers, Connection: 'close' }).end(answer.body)
  })
  // Neither server listens by itself, and only then does Node watch its time limits.
  for (const server of [tlsServer, plain]) server.emit('listening')
  const front = createNetServer((socket) => {
    socket.setTimeout(limits.firstByteMs, () => socket.destroy())
    socket.once('readable', () => {
      socket.setTimeout(0)
      const first = socket.read(1) as Buffer | null
      if (!first) return socket.destroy()
      socket.unshift(first)
      const isTls = first[0] === 22 // handshake record, RFC 8446 §5.1
      ;(isTls ? tlsServer : plain).emit('connection', socket)
    })
    socket.on('error', () => socket.destroy())
  })
  front.on('close', () => {
    for (const server of [tlsServer, plain]) server.close()
  })
  return front
}

/** 426 Upgrade Required (RFC 9110 §15.5.22), as a page. */
const notEncryptedPage = (origin: string, accepted: string | undefined) => {
  const body = Buffer.from(notEncrypted(origin, languageOf(accepted, null)))
  return { body, headers: { ...pageHeaders, Upgrade: 'TLS/1.2', 'Content-Length': String(body.length) } }
}

const pageHeaders = {
  'Content-Type': 'text/html;charset=utf-8',
  'Cache-Control': 'no-store',
  'Content-Security-Policy': `default-src 'none';script-src 'self';img-src data:;style-src 'sha256-${createHash('sha256').update(style).digest('base64')}';form-action 'self';base-uri 'none';frame-ancestors 'none'`,
  'X-Content-Type-Options': 'nosniff',
  // Not no-referrer: with that, Chromium sends `Origin: null` with a form of our own.
  'Referrer-Policy': 'same-origin',
}

// ---- before Hono: what node:http lets through

const application = (services: Services) => {
  const app = routes(services)
  const handle = getRequestListener((request, env) => app.fetch(request, env))
  return (request: IncomingMessage, response: ServerResponse) => {
    const problem = framingProblem(request)
    if (problem) {
      request.resume()
      response.writeHead(problem, { Connection: 'close', 'Content-Length': 0 })
      return response.end()
    }
    return handle(request, response)
  }
}

/** Two Host fields, or a target that names another host than the field does (RFC 9112 §3.2): the status to refuse with. */
const framingProblem = (request: IncomingMessage): number | null => {
  const hosts = request.rawHeaders.filter((name, place) => place % 2 === 0 && name.toLowerCase() === 'host')
  if (hosts.length > 1) return 400
  if (request.url?.startsWith('/')) return null
  const target = URL.parse(request.url ?? '')
  if (!target || target.host !== request.headers.host) return 400
  request.url = target.pathname + target.search
  return null
}

// ---- one application for pages and API

const routes = (services: Services) => {
  const { config, site, log } = services
  const scripts = { enhance: browserScript('enhance'), passkey: browserScript('passkey') }
  const page = pages(services)
  const app = new Hono<Env>()

  app.use(async (c, next) => {
    const { host, secure, base } = connection(c, services)
    // Not for this machine: it would hold for every other server on its other ports.
    if (secure.https && !isLocalName(URL.parse(base)?.hostname ?? ''))
      c.env.outgoing.setHeader('Strict-Transport-Security', 'max-age=31536000')
    if (!secure.enough) {
      const { body, headers } = notEncryptedPage(site.origin, c.req.header('accept-language'))
      return new Response(body, { status: 426, headers })
    }
    if (!isOwnHost(host, config, site.origin)) throw new Refusal('other-name')
    try {
      await next()
    } finally {
      services.bodies.release(c.env.incoming)
    }
    if (!c.res.headers.has('Cache-Control')) c.res.headers.set('Cache-Control', 'no-store')
    if (!c.res.headers.has('X-Content-Type-Options')) c.res.headers.set('X-Content-Type-Options', 'nosniff')
    // RFC 9110 §10.2.2 allows a path alone, but Lynx stops for seconds to say that it does not like one.
    const location = c.res.headers.get('Location')
    if (location?.startsWith('/')) c.res.headers.set('Location', base + location)
  })

  app.route(
    '/api',
    api(services, (c) => asker(c, services)),
  )

  for (const script of Object.values(scripts))
    app.get(script.path, (c) => {
      const accepted = c.req.header('accept-encoding') ?? ''
      const encoding = /\bbr\b/.test(accepted) ? 'br' : /\bgzip\b/.test(accepted) ? 'gzip' : null
      const body = encoding ? script.encoded[encoding] : script.plain
      return c.body(new Uint8Array(body), 200, {
        'Content-Type': 'text/javascript',
        'Cache-Control': 'public, max-age=31536000, immutable',
        ...(encoding ? { 'Content-Encoding': encoding } : {}),
      })
    })

  app.use(async (c, next) => {
    const visit = await beginVisit(c, services, {
      script: scripts.enhance.path,
      passkeyScript: scripts.passkey.path,
    })
    c.set('visit', visit)
    if (c.req.method === 'POST') {
      refuseForeignOrigin(c, services, site.origin)
      const user = visit.session?.user.id ?? (await visit.formerUserId())
      visit.form = await readForm(c, services, { limit: bodyLimitFor(c.req.path, visit, user), user })
      await services.writeTurn()
      if (!fits(visit.form.get('t'), visit.formToken)) {
        if (c.req.path === '/login') visit.form = only(visit.form, ['user', 'next', 'park'])
        else if (c.req.path === '/c' || c.req.path.startsWith('/setup/') || visit.form.get('park'))
          visit.form = { ...visit.form, trouble: 'old' }
        else throw new Refusal('form-old')
      }
    }
    if (!visit.session && !isPublic(c.req.path))
      c.res = await page.interrupted(c as unknown as Context<PageEnv>)
    else if (visit.form.trouble && visit.form.get('park') && c.req.path !== '/c')
      c.res = await page.letterAgain(c as unknown as Context<PageEnv>)
    else await next()
    c.res = await whole(c.res, c.env.incoming)
  })
  app.route('/', page.app as unknown as Hono<Env>)

  app.notFound((c) => refused(c, new Refusal('no-page')))
  app.onError((error, c) => {
    const refusal = refusalOf(error) ?? lockedRefusal(error)
    if (refusal) return refused(c, refusal)
    log.error(
      { err: { name: error.name, message: error.message, stack: error.stack }, path: c.req.routePath },
      'unexpected error',
    )
    return refused(c, new Refusal('went-wrong'))
  })

  const refused = async (c: Context<Env>, refusal: Refusal): Promise<Response> => {
    if (!c.get('visit')) c.set('visit', await beginVisit(c, services, { script: '', passkeyScript: '' }))
    const response = await whole(
      await page.refused(c as unknown as Context<PageEnv>, refusal),
      c.env.incoming,
    )
    if (refusal.detail.retry_after_s)
      response.headers.set('Retry-After', String(refusal.detail.retry_after_s))
    return response
  }
  return app
}

/** The answer with its length, which text browsers of HTTP/1.0 need, and with the header fields of its kind. */
const whole = async (
  response: Response,
  { httpVersion, headers: requestHeaders }: IncomingMessage,
): Promise<Response> => {
  const octets = new Uint8Array(await response.arrayBuffer())
  const { status, headers } = response
  headers.set('Content-Length', String(octets.length))
  if (octets.length === 0) headers.delete('Content-Type')
  else if (headers.get('Content-Type')?.startsWith('text/html'))
    for (const [name, value] of Object.entries(pageHeaders))
      if (name === 'Content-Type' || !headers.has(name)) headers.set(name, value)
  // For htmx. Whatever can run it sends that header field with each page it asks for; a thin browser is spared these octets.
  const policy = headers.get('Content-Security-Policy')
  if (requestHeaders['upgrade-insecure-requests'] && policy === pageHeaders['Content-Security-Policy'])
    headers.set('Content-Security-Policy', `${policy};connect-src 'self'`)
  // Lynx knows no `no-store`: it would show the mailbox again as it was before the key was open.
  if (httpVersion === '1.0') headers.append('Cache-Control', 'no-cache')
  return new Response(octets, { status, headers })
}

// ---- who asks, and over what

const proxied = (c: Context<Env>, { config }: Services) => {
  const remote = plainAddress(c.env.incoming.socket.remoteAddress ?? '')
  return { remote, isProxy: isProxy(remote, config) }
}

type Proxied = Pick<Services['config'], 'proxy'>

const isProxy = (address: string, { proxy }: Proxied) =>
  proxy?.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4') ?? false

/** The address of the terminal itself: behind the declared proxy, the last one in the chain that is not a proxy's. */
const clientOf = (remote: string, forwardedFor: string, config: Proxied): string => {
  if (!isProxy(remote, config)) return remote
  const chain = forwardedFor.split(',').map((each) => plainAddress(each.trim()))
  return chain.reverse().find((each) => isIP(each) && !isProxy(each, config)) ?? remote
}

const plainAddress = (address: string) => address.replace(/^::ffff:(?=\d+\.)/, '')

/** The terminal's side of the connection; forwarded header fields count from the declared proxy only. */
const connection = (c: Context<Env>, services: Services) => {
  const { config } = services
  const { remote, isProxy } = proxied(c, services)
  const protocol = isProxy ? c.req.header('x-forwarded-proto')?.split(',')[0]?.trim() : undefined
  const isTls = Boolean(config.tls)
  const secure = {
    /** For cookies: the browser itself sees https. */
    https: isTls || protocol === 'https' || (isProxy && !protocol && config.origin?.protocol === 'https:'),
    /** TLS, the declared proxy or tunnel, or this machine itself. */
    enough: isTls || (isProxy ? protocol !== 'http' : isLoopback(remote)),
  }
  const address = clientOf(remote, c.req.header('x-forwarded-for') ?? '', config)
  const host = (isProxy && c.req.header('x-forwarded-host')) || c.req.header('host') || ''
  /** What stands before a path in an address that the browser can use: a proxy may have changed the Host. */
  const base =
    isProxy && config.origin ? services.site.origin : `${secure.https ? 'https' : 'http'}://${host}`
  return { address, host, secure, base }
}

/** The public name, or, where only this machine can ask, any name that means this machine (RFC 6761). */
const isOwnHost = (host: string, { host: bound }: Services['config'], origin: string) =>
  host === new URL(origin).host ||
  (isLoopback(bound) && /^(([\w-]+\.)*(localhost|test)|127\.0\.0\.1|\[::1\])(:\d+)?$/i.test(host))

const cookieNames = (https: boolean) =>
  https
    ? {
        session: '__Host-wafer',
        key: '__Host-wafer-key',
        pending: '__Host-wafer-pending',
        before: '__Host-wafer-pre',
        ledger: '__Host-wafer-log',
      }
    : {
        session: 'wafer',
        key: 'wafer-key',
        pending: 'wafer-pending',
        before: 'wafer-pre',
        ledger: 'wafer-log',
      }

/** A cookie's value; of two with one name, none counts. */
const cookie = (c: Context<Env>, name: string): string | null => {
  const values = (c.req.header('cookie') ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1).replace(/^"|"$/g, ''))
  return values.length === 1 ? values[0]! : null
}

/** Who asks the API: by bearer token, or a browser by its cookies. */
const asker = async (c: Context<Env>, services: Services) => {
  const { address, secure } = connection(c, services)
  const bearer = c.req.header('authorization')?.match(/^Bearer (\S+)$/i)?.[1]
  const names = cookieNames(secure.https)
  if (!bearer && c.req.method !== 'GET' && c.req.header('sec-fetch-site') !== 'same-origin')
    return { session: null, keyToken: null, address } // a cookie alone moves nothing
  const token = bearer ?? cookie(c, names.session)
  return {
    session: token ? await services.sessions.contact(token) : null,
    keyToken: c.req.header('wafer-key') ?? (bearer ? null : cookie(c, names.key)),
    address,
  }
}

const beginVisit = async (
  c: Context<Env>,
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

const languageOf = (accepted: string | undefined, chosen: string | null): Language => {
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

// ---- forms

const fits = (given: string, expected: string) => {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return a.length === b.length && timingSafeEqual(a, b)
}

/** Text browsers send neither header field; what a browser does send must be ours. */
const refuseForeignOrigin = (c: Context<Env>, services: Services, publicOrigin: string) => {
  const { host, secure } = connection(c, services)
  const origin = c.req.header('origin')
  const site = c.req.header('sec-fetch-site')
  const own = [publicOrigin, `${secure.https ? 'https' : 'http'}://${host}`]
  if (
    (origin !== undefined && !own.includes(origin)) ||
    (site !== undefined && site !== 'same-origin' && site !== 'none')
  )
    throw new Refusal('form-foreign')
}

const emptyForm: Form = { trouble: null, limit: 0, get: () => '', all: () => [], files: () => [] }
const only = (form: Form, kept: string[]): Form => ({
  ...emptyForm,
  get: (name) => (kept.includes(name) ? form.get(name) : ''),
})

/** Only who is logged in, or was until just now, may send much. */
const bodyLimitFor = (path: string, visit: Visit, user: number | null): number => {
  if (path === '/c' && user !== null) return bodyLimits.letter
  return path === '/k' && visit.session ? bodyLimits.keys : bodyLimits.other
}

/**
 * The body of a form, of at most so many octets; a large one is parsed in a child process. A letter that is larger
 * keeps what came before the limit, which is what was typed: its files come last, and are left out.
 */
const readForm = async (
  c: Context<Env>,
  { bodies, pool }: Pick<Services, 'bodies' | 'pool'>,
  { limit, user }: { limit: number; user: number | null },
): Promise<Form> => {
  const cutUpTo = c.req.path === '/c' ? drainedLimit : limit
  const { blocks, size } = await bodies.read(c.env.incoming, { limit, reason: 'form-large', user, cutUpTo })
  const isCut = size > limit
  const form = { contentType: c.req.header('content-type') ?? '', blocks, isCut }
  const sent = () => void blocks.splice(0)
  const { texts, files } =
    size <= formParsedHereOctets
      ? await parseForm(form)
      : await pool.run('reading', 'parseForm', form, { user, sent })
  const all = (name: string) => texts.filter(({ field }) => field === name).map(({ text }) => text)
  return {
    trouble: isCut ? 'too-large' : null,
    limit,
    get: (name) => texts.find(({ field }) => field === name)?.text ?? '',
    all,
    files: (name) => files.filter(({ field }) => field === name),
  }
}

// ---- the browser scripts, as esbuild.config.js left them

const browserScript = (name: 'enhance' | 'passkey') => {
  const dist = join(root, 'dist')
  const newest = readdirSync(dist)
    .filter((file) => file.startsWith(`${name}-`) && /-[0-9a-f]{8}\.js$/.test(file))
    .map((file) => ({ file, mtimeMs: statSync(join(dist, file)).mtimeMs }))
    .sort((a, b) => b.mtimeMs - a.mtimeMs)[0]
  if (!newest) throw new Error(`expected dist/${name}-HASH.js, got none: build first`)
  const read = (ending: string) => readFileSync(join(dist, newest.file + ending))
  return { path: `/${newest.file}`, plain: read(''), encoded: { br: read('.br'), gzip: read('.gz') } }
}
