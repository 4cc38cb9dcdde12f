/**
 * One call of the API as it goes over: a request and its answer, on connections that are kept, each of which is one that may
 * be spoken on (connection.ts). What is sent and what comes is as fast as whoever gives or takes it here.
 */
import type http from 'node:http'
import { builtin, Connector, type Trust, Unreachable } from './connection.ts'
import { Patience } from './patience.ts'

export type Exchange = { status: number; headers: http.IncomingHttpHeaders; octets: Buffer }
/** JSON, or a file as it comes. */
export type Body = Buffer | { octets: AsyncIterable<Uint8Array>; size: number | undefined }
export type Take = (octets: Uint8Array) => void | Promise<void>
type Call = {
  method: string
  /** As the contract has it, below `/api`. */
  path: string
  body: Body | null
  /** Is given what a call that is done answers, piece by piece; without it the answer has all. */
  take: Take | undefined
  /** Header fields with what only this server is to see. */
  secrets: Record<string, string>
}

/** A letter of 25 MiB is that long in JSON at the most; parts are smaller. */
const mostOctets = 96 * 1024 * 1024

export class Exchanges {
  readonly isEncrypted: boolean
  readonly #host: string
  readonly #connector: Connector
  readonly #agent: http.Agent

  /** @throws Untrusted as the client */
  constructor(server: URL, trust: Trust) {
    this.#host = server.host
    this.#connector = new Connector(server, trust)
    this.isEncrypted = this.#connector.isEncrypted
    const { Agent } = builtin(this.isEncrypted ? 'node:https' : 'node:http')
    this.#agent = new Agent({ keepAlive: true, maxSockets: 4 })
    // The socket is handed over when it is trusted, so that no request can be on its way before.
    this.#agent.createConnection = (_options, done) => {
      this.#connector.connect().then(
        (socket) => done!(null, socket),
        (error) => done!(error, undefined as never),
      )
      return undefined as never
    }
  }

  /** Ends the connections that are kept. */
  close(): void {
    this.#agent.destroy()
  }

  make(asked: Call, isSecondTry = false): Promise<Exchange> {
    const { method, path, body, take, secrets } = asked
    const host = this.#host
    const { isEncrypted, host: name, port } = this.#connector
    return new Promise((resolve, reject) => {
      const headers: http.OutgoingHttpHeaders = { Host: host, Accept: 'application/json', ...secrets }
      if (body instanceof Uint8Array)
        Object.assign(headers, { 'Content-Type': 'application/json', 'Content-Length': body.length })
      else if (body) {
        headers['Content-Type'] = 'application/octet-stream'
        if (body.size !== undefined) headers['Content-Length'] = body.size
      }
      const request = builtin(isEncrypted ? 'node:https' : 'node:http').request({
        agent: this.#agent,
        // Part of the name under which the agent keeps connections.
        host: name,
        port,
        method,
        path: `/api${path}`,
        headers,
      })
      const patience = new Patience(request, host, body instanceof Uint8Array ? body.length : 0)
      request.on('error', (error: NodeJS.ErrnoException) => {
        // The server may close a kept connection just when it is used again. What changes nothing may be asked twice.
        const wasClosed = request.reusedSocket && /^(ECONNRESET|EPIPE)$/.test(error.code ?? '')
        if (wasClosed && method === 'GET' && !isSecondTry) return resolve(this.make(asked, true))
        reject(this.#connector.failure(error))
      })
      let isAnswered = false
      request.on('response', (response) => {
        isAnswered = true
        const status = response.statusCode ?? 0
        const taken = this.#octetsOf(response, isDone(status) ? take : undefined, patience)
        taken
          .then((octets) => resolve({ status, headers: response.headers, octets }), reject)
          // What was not sent to its end, or not taken to its end, leaves a connection that is good for nothing.
          .finally(() => (request.writableEnded && response.complete ? undefined : request.destroy()))
      })
      if (body instanceof Uint8Array || body === null) request.end(body ?? undefined)
      else
        void fed(request, body.octets, patience, () => !isAnswered).catch((error) => {
          request.destroy()
          reject(error)
        })
    })
  }

  /** All of an answer, unless somebody takes it piece by piece. */
  async #octetsOf(
    response: http.IncomingMessage,
    take: Take | undefined,
    patience: Patience,
  ): Promise<Buffer> {
    const chunks: Buffer[] = []
    let length = 0
    const pieces = (response as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
    for (;;) {
      const { value: chunk, done } = await pieces.next().catch((error) => {
        throw this.#connector.failure(error)
      })
      if (done) return Buffer.concat(chunks)
      patience.count(chunk.length)
      length += chunk.length
      if (take) await patience.ours(take(chunk))
      else if (length > mostOctets) {
        response.destroy()
        throw new Unreachable(`${this.#host} answers with more than a message may be.`)
      } else chunks.push(chunk)
    }
  }
}

export const isDone = (status: number) => status >= 200 && status < 300

/** Sends a body as fast as it is taken. @param isWanted whether more of it is */
const fed = async (
  request: http.ClientRequest,
  octets: AsyncIterable<Uint8Array>,
  patience: Patience,
  isWanted: () => boolean,
): Promise<void> => {
  const pieces = octets[Symbol.asyncIterator]()
  for (;;) {
    const { value: chunk, done } = await patience.ours(pieces.next())
    if (done) break
    patience.count(chunk.length)
    // Who answers before the end has refused: what is left is sent to nobody.
    if (request.destroyed || !isWanted()) return void (await pieces.return?.())
    if (!request.write(chunk))
      await new Promise<void>((resolve) => {
        const done = () => {
          request.off('drain', done).off('close', done)
          resolve()
        }
        request.on('drain', done).on('close', done)
      })
  }
  request.end()
}

/** What JSON says; null for what is none. */
export const jsonOf = ({ octets, headers }: Pick<Exchange, 'octets' | 'headers'>): unknown => {
  if (!/^application\/([a-z.-]+\+)?json\b/i.test(headers['content-type'] ?? '')) return null
  try {
    return JSON.parse(octets.toString('utf8'))
  } catch {
    return null
  }
}
