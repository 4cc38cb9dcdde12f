/** Who asks, and over what: the terminal behind a proxy, the names that this server goes by, cookies, bearer tokens. */
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import { isLoopback } from '../ground/config.ts'
import type { Services } from '../services.ts'
import type { Browser, Visit } from './visit.ts'

/** What a request carries on its way to a page. */
export type DoorEnv = { Bindings: HttpBindings; Variables: { visit: Visit; browser: Browser } }

const proxied = (c: Context<DoorEnv>, { config }: Services) => {
  const remote = plainAddress(c.env.incoming.socket.remoteAddress ?? '')
  return { remote, isProxy: isProxy(remote, config) }
}

/** Requests of the SSH door, over a socket that is its own: its clients say where their terminal is. */
const throughDoor = new WeakSet<IncomingMessage>()

/** A request has come through the SSH door. */
export const noteThroughDoor = (request: IncomingMessage) => {
  throughDoor.add(request)
}

type Proxied = Pick<Services['config'], 'proxy'>

export const isProxy = (address: string, { proxy }: Proxied) =>
  proxy?.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4') ?? false

/** The address of the terminal itself: behind the declared proxy, the last one in the chain that is not a proxy's. */
export const clientOf = (remote: string, forwardedFor: string, config: Proxied): string => {
  if (!isProxy(remote, config)) return remote
  const chain = forwardedFor.split(',').map((each) => plainAddress(each.trim()))
  return chain.reverse().find((each) => isIP(each) && !isProxy(each, config)) ?? remote
}

export const plainAddress = (address: string) => address.replace(/^::ffff:(?=\d+\.)/, '')

/** The terminal's side of the connection; forwarded header fields count from the declared proxy only. */
export const connection = (c: Context<DoorEnv>, services: Services) => {
  const { config } = services
  if (throughDoor.has(c.env.incoming)) {
    const stated = plainAddress(c.req.header('x-forwarded-for') ?? '')
    const { host } = new URL(services.site.origin)
    const secure = { https: false, enough: true }
    return { address: isIP(stated) ? stated : 'unknown', host, secure, base: services.site.origin }
  }
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
export const isOwnHost = (host: string, { host: bound }: Services['config'], origin: string) =>
  host === new URL(origin).host ||
  (isLoopback(bound) && /^(([\w-]+\.)*(localhost|test)|127\.0\.0\.1|\[::1\])(:\d+)?$/i.test(host))

export const cookieNames = (https: boolean) =>
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

/**
 * A cookie's value; of two with one name, none counts. A gateway of WAP, which names a path beside each cookie
 * (RFC 2109 §4.3.4), puts a comma between two, and may add the same one that a handset sends by itself.
 */
export const cookie = (c: Context<DoorEnv>, name: string): string | null => {
  const header = c.req.header('cookie') ?? ''
  const isGateway = header.includes('$Path=')
  const values = header
    .split(isGateway ? /[;,]/ : ';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1).replace(/^"|"$/g, ''))
  const [value, ...others] = isGateway ? new Set(values) : values
  return others.length === 0 ? (value ?? null) : null
}

/** Who asks the API: by bearer token, or a browser by its cookies. */
export const asker = async (c: Context<DoorEnv>, services: Services) => {
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
