/** The port of the web server: its sockets, how long each may take, and TLS beside plain HTTP. */
import {
  createServer as createHttpServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer as createNetServer, type Socket } from 'node:net'
import { type Config, localOrigin } from '../ground/config.ts'
import { connections as limits } from '../ground/limits.ts'
import { Unusable } from '../ground/refusal.ts'
import { clientOf, isProxy, plainAddress } from './asker.ts'
import { type BodyKind, Connections } from './connections.ts'

type NotEncrypted = (
  origin: string,
  headers: IncomingHttpHeaders,
) => { body: Buffer; headers: Record<string, string> }
type ListenNeeds = { config: Config; site: { origin: string }; notEncrypted: NotEncrypted }

export type WebServer = {
  /** The public origin. */
  address: string
  port: number
  close(): Promise<void>
}

/**
 * Opens the port, with TLS where there is a certificate.
 *
 * @param notEncrypted the page for who speaks plain HTTP to a TLS port, in a language and markup of their browser's
 * @throws Unusable if the port cannot be opened
 */
export const listen = async (
  handle: (request: IncomingMessage, response: ServerResponse) => unknown,
  { config, site, notEncrypted }: ListenNeeds,
): Promise<WebServer> => {
  const connections = new Connections(limits)
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    const remote = plainAddress(request.socket.remoteAddress ?? '')
    const client = clientOf(remote, String(request.headers['x-forwarded-for'] ?? ''), config)
    connections.follow(request, response, client, bodyKind(request))
    return handle(request, response)
  }
  const main = config.tls
    ? createHttpsServer({ ...config.tls, ...serverOptions, minVersion: 'TLSv1.2' }, listener)
    : createHttpServer(serverOptions, listener)
  const front = config.tls ? besidePlainHttp(main, (headers) => notEncrypted(site.origin, headers)) : main
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
  // Each kind of body has a limit of its own (connections.ts).
  requestTimeout: 0,
  headersTimeout: limits.headersMs,
  keepAliveTimeout: limits.keepAliveMs,
}

/** What may be large, as far as anybody may send it who is not logged in. */
const bodyKind = ({ url = '', headers }: IncomingMessage): BodyKind => {
  if (headers.cookie === undefined && headers.authorization === undefined) return 'usual'
  if (/^\/(api\/)?files\b/.test(url)) return 'stream'
  return /^\/(c|k|api\/(messages|sign|correspondents|recipients))(\?|$)/.test(url) ? 'upload' : 'usual'
}

const cannotListen = (host: string, port: number, cause: NodeJS.ErrnoException) =>
  new Unusable(
    cause.code === 'EADDRINUSE'
      ? `WAFER_PORT: ${host}:${port} is taken by another program.`
      : `WAFER_HOST, WAFER_PORT: cannot listen on ${host}:${port} (${cause.code}).`,
    { cause },
  )

/** In front of a TLS port: who speaks plain HTTP to it reads that nothing is encrypted, and where to go (S1070). */
const besidePlainHttp = (
  tlsServer: Server,
  notEncrypted: (headers: IncomingHttpHeaders) => ReturnType<NotEncrypted>,
) => {
  const plain = createHttpServer(serverOptions, (request, response) => {
    request.resume()
    const answer = notEncrypted(request.headers)
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
