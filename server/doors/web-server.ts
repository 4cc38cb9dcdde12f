/**
 * The web server: who asks, over what, and whether they may; then a page (web/) or an API route (api/); then the
 * answer, with refusals turned into pages or problem documents in this one place.
 *
 * Pages are asked for by browsers without JavaScript, so a form proves where it comes from by a token in it; Origin
 * and Sec-Fetch-Site are checked where a browser sends them. Answers go out whole, with their length, never stored.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { type PageEnv, pages } from '../../web/pages.tsx'
import { isLocalName } from '../ground/config.ts'
import { Refusal, refusalOf } from '../ground/refusal.ts'
import type { Services } from '../services.ts'
import { api } from './api/api.ts'
import { asker, connection, type DoorEnv, isOwnHost } from './asker.ts'
import { beginVisit } from './begin-visit.ts'
import {
  bodyLimitFor,
  fits,
  isStreamed,
  only,
  readForm,
  readStreamedForm,
  refuseForeignOrigin,
} from './forms.ts'
import { formOfHandset, parkedPage, parkedPagePath } from './handsets.ts'
import { health } from './health.ts'
import { listen, type WebServer } from './listen.ts'
import { keepChoice, notEncryptedPage, putOut, termsFor } from './put-out.ts'
import { browserScript } from './scripts.ts'

/** Paths that are for everybody; all others need a session. */
const isPublic = (path: string) =>
  path === '/login' || path.startsWith('/setup/') || /^\/(enhance|passkey)-/.test(path)

/** @returns the server, and what answers a request that comes in elsewhere */
export const startWebServer = async (
  services: Services,
): Promise<WebServer & { handle: ReturnType<typeof application> }> => {
  const handle = application(services)
  return { ...(await listen(handle, { ...services, notEncrypted: notEncryptedPage })), handle }
}

// ---- before Hono: what node:http lets through

const application = (services: Services) => {
  const app = routes(services)
  const answersHealth = health(services)
  const handle = getRequestListener((request, env) => app.fetch(request, env))
  return (request: IncomingMessage, response: ServerResponse) => {
    if (answersHealth(request, response)) return
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
  const app = new Hono<DoorEnv>()

  app.use(async (c, next) => {
    const { host, secure, base } = connection(c, services)
    // Not for this machine: it would hold for every other server on its other ports.
    if (secure.https && !isLocalName(URL.parse(base)?.hostname ?? ''))
      c.env.outgoing.setHeader('Strict-Transport-Security', 'max-age=31536000')
    if (!secure.enough) {
      const { body, headers } = notEncryptedPage(site.origin, c.env.incoming.headers)
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
    keepChoice(c, services)
    const visit = await beginVisit(c, services, {
      script: scripts.enhance.path,
      passkeyScript: scripts.passkey.path,
    })
    // Files of somebody who is not logged in any more are not waited for.
    if (c.req.method === 'POST' && !(isStreamed(c) && !visit.session)) {
      refuseForeignOrigin(c, services, site.origin)
      const user = visit.session?.user.id ?? visit.formerUserId
      visit.form =
        isStreamed(c) && visit.session
          ? await readStreamedForm(c, services, visit.session)
          : await readForm(c, services, { limit: bodyLimitFor(c.req.path, visit, user), user })
      if (termsFor(c).markup === 'wml') visit.form = await formOfHandset(c, services, visit.form)
      if (visit.form.trouble === 'old' || !fits(visit.form.get('t'), visit.formToken)) {
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
    const whole = await putOut(c, services, c.res)
    // Else Hono adds the header fields of the answer that this one replaces.
    c.res = undefined
    c.res = whole
  })
  app.get(parkedPagePath, async (c) => c.html(await parkedPage(c, services)))
  app.route('/', page.app as unknown as Hono<DoorEnv>)

  app.notFound((c) => refused(c, new Refusal('no-page')))
  app.onError((error, c) => {
    const refusal = refusalOf(error)
    if (refusal) return refused(c, refusal)
    log.error(
      { err: { name: error.name, message: error.message, stack: error.stack }, path: c.req.routePath },
      'unexpected error',
    )
    return refused(c, new Refusal('went-wrong'))
  })

  const refused = async (c: Context<DoorEnv>, refusal: Refusal): Promise<Response> => {
    const draw = async () => page.refused(c as unknown as Context<PageEnv>, refusal)
    const scripts = { script: '', passkeyScript: '' }
    let drawn: Response
    try {
      if (!c.get('visit')) await beginVisit(c, services, scripts)
      drawn = await draw()
    } catch {
      // As when the database is away: who they are cannot be asked now, and what happened is said to them all the same.
      await beginVisit(c, services, { ...scripts, asStranger: true })
      drawn = await draw()
    }
    const response = await putOut(c, services, drawn)
    if (refusal.detail.retry_after_s)
      response.headers.set('Retry-After', String(refusal.detail.retry_after_s))
    return response
  }
  return app
}
