/**
 * Connections, shared out among those who open them. A client that has its share, or anybody when all are taken, gets
 * a new one in the place of the one that has kept us waiting longest: whoever holds many and says little shuts out
 * nobody, not even others at the same address. A connection whose request is being worked on is never taken away.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { network } from '../ground/network.ts'

type Connection = {
  socket: Socket
  /** Whose it is: a network, or null for the proxy's between two requests. */
  client: string | null
  /** When it was opened, or its last request was answered. */
  sinceMs: number
  /** No request has been answered on it. */
  isNew: boolean
  /** The request at hand. */
  exchange: { request: IncomingMessage; response: ServerResponse } | null
}

export type ConnectionLimits = {
  inAll: number
  ofClient: number
  bodyMs: number
  uploadMs: number
  streams: { everyMs: number; octets: number }
}

/** How long a body may take: as most do, as one with files of a letter does, or as long as it goes on. */
export type BodyKind = 'usual' | 'upload' | 'stream'

export class Connections {
  readonly #limits: ConnectionLimits
  /** By the far end's address and port: over TLS, a request has another socket than its connection. */
  readonly #all = new Map<string, Connection>()

  constructor(limits: ConnectionLimits) {
    this.#limits = limits
  }

  /** @param client whose it is; null for the proxy, who brings everybody's requests */
  admit(socket: Socket, client: string | null) {
    const connection = {
      socket,
      client: client && network(client),
      sinceMs: performance.now(),
      isNew: true,
      exchange: null,
    }
    const key = farEnd(socket)
    this.#all.set(key, connection)
    socket.once('close', () => {
      if (this.#all.get(key) === connection) this.#all.delete(key)
    })
    this.#makeRoom(connection)
  }

  /**
   * A request has begun. Its body must be here in time.
   *
   * @param client whose it is
   */
  follow(request: IncomingMessage, response: ServerResponse, client: string, kind: BodyKind) {
    const connection = this.#all.get(farEnd(request.socket))
    if (!connection) return
    const isProxys = connection.client === null
    connection.exchange = { request, response }
    if (isProxys) {
      connection.client = network(client)
      this.#makeRoom(connection)
    }
    const watch = this.#watch(connection.socket, request, kind)
    response.once('close', () => {
      clearInterval(watch)
      connection.exchange = null
      connection.isNew = false
      connection.sinceMs = performance.now()
      if (isProxys) connection.client = null
    })
  }

  /** Ends the connection when the request's body does not come in time. */
  #watch(socket: Socket, request: IncomingMessage, kind: BodyKind): NodeJS.Timeout {
    const { bodyMs, uploadMs, streams } = this.#limits
    let had = socket.bytesRead
    const look = () => {
      const isPaced = kind === 'stream' && socket.bytesRead - had >= streams.octets
      had = socket.bytesRead
      if (!request.complete && !isPaced) socket.destroy()
    }
    return setInterval(look, { usual: bodyMs, upload: uploadMs, stream: streams.everyMs }[kind]).unref()
  }

  destroy() {
    for (const { socket } of this.#all.values()) socket.destroy()
  }

  #makeRoom(newest: Connection) {
    const ofSame = this.#of(newest.client)
    if (newest.client !== null && ofSame.length > this.#limits.ofClient) this.#end(ofSame, newest)
    else if (this.#all.size > this.#limits.inAll) this.#end(this.#ofGreediest(), newest)
  }

  #of(client: string | null) {
    return [...this.#all.values()].filter((connection) => connection.client === client)
  }

  #ofGreediest() {
    const groups = Map.groupBy(this.#all.values(), ({ client }) => client)
    return [...groups.values()].reduce((most, group) => (group.length > most.length ? group : most))
  }

  /** Ends the one of these that has kept us waiting longest, or else the newest of all. */
  #end(candidates: Connection[], newest: Connection) {
    const [slowest] = candidates
      .filter((connection) => connection !== newest && !isWorkedOn(connection))
      .sort((a, b) => Number(b.isNew) - Number(a.isNew) || a.sinceMs - b.sinceMs)
    const { socket } = slowest ?? newest
    this.#all.delete(farEnd(socket))
    socket.destroy()
  }
}

/** Its request is here as a whole. */
const isWorkedOn = ({ exchange }: Connection) => exchange?.request.complete === true

const farEnd = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`
