/** The box of files as the process of the door has it: by the API alone, with the session that the connection is. */
import { type IncomingMessage, request } from 'node:http'
import { approval, approvalState, type FileEntry, files, session, stored } from '../../../contract/answers.ts'
import type { Check } from '../../../contract/checks.ts'
import { type ProblemCode, problemIn } from '../../../contract/problems.ts'
import { sftpLimits as limits } from '../../../ground/limits.ts'
import { Turnstiles } from '../../../ground/turnstile.ts'

/** The server's no. The message is its sentence. */
export class Refused extends Error {
  override name = 'Refused'
  /** Null for what is none of ours. */
  readonly code: ProblemCode | null

  constructor(code: ProblemCode | null, sentence: string) {
    super(sentence)
    this.code = code
  }
}

export type Access = {
  /** Where the API is listened for. */
  socketPath: string
  token: string
  /** Whose box it is. */
  user: string
  /** Opens the key, if some channel of the connection has it open. */
  keyToken(): string | null
}

/** Each channel asks one after the other, and a user may have two hundred: what waits here keeps nobody else waiting there. */
const calls = new Turnstiles<string>(limits.callsOfUser, Number.POSITIVE_INFINITY)

export class Box {
  readonly #access: Access

  constructor(access: Access) {
    this.#access = access
  }

  /** @returns null if there is none of that path */
  async entry(path: string): Promise<FileEntry | null> {
    try {
      const { files: found } = await this.#json(files, 'GET', `/files?at=${encodeURIComponent(path)}`)
      return found[0] ?? null
    } catch (error) {
      if (error instanceof Refused && error.code === 'not-found') return null
      throw error
    }
  }

  /** What lies in a folder. @param after the `next` of the page before */
  list(folder: string, after: string | null) {
    const before = after === null ? '' : `&before=${encodeURIComponent(after)}`
    const query = `in=${encodeURIComponent(folder)}&limit=${limits.names}${before}`
    return this.#json(files, 'GET', `/files?${query}`)
  }

  /** An empty file, in the place of one that is there. */
  async empty(path: string): Promise<void> {
    await this.#json(stored, 'PUT', placeOf(path), new Uint8Array())
  }

  /** @returns how large the file is then */
  async append(path: string, offset: number, octets: Uint8Array): Promise<number> {
    return (await this.#json(stored, 'PATCH', `${placeOf(path)}?offset=${offset}`, octets)).size
  }

  async makeFolder(folder: string): Promise<void> {
    await this.#json(stored, 'POST', '/files', { folder })
  }

  async move(from: string, to: string, replace: boolean): Promise<void> {
    await this.#json(stored, 'POST', '/files', { move: from, to, replace })
  }

  async remove(path: string): Promise<void> {
    await settled(await this.#call('DELETE', placeOf(path)))
  }

  async space(): Promise<{ used: number; quota: number }> {
    return (await this.#json(session, 'GET', '/session')).space
  }

  /** Asks a phone for the key, for reading. @throws Refused `key-in-use`, `slow-down` */
  askApproval() {
    return this.#json(approval, 'POST', '/approval', { scope: 'read' })
  }

  /** What became of what this session asked last; null if it did not. */
  async approval() {
    try {
      return (await this.#json(approvalState, 'GET', '/approval')).state
    } catch (error) {
      if (error instanceof Refused && error.code === 'not-found') return null
      throw error
    }
  }

  /** What is in a file from an octet on, as it comes; null where it has none there. Who does not want the rest destroys it. */
  async read(path: string, from: number): Promise<{ octets: IncomingMessage; tag: string } | null> {
    const answer = await this.#call('GET', placeOf(path), undefined, { Range: `bytes=${from}-` })
    if (answer.statusCode === 206) return { octets: answer, tag: answer.headers.etag ?? '' }
    if (answer.statusCode !== 416 && answer.statusCode !== 200) await settled(answer)
    answer.destroy()
    return null
  }

  async #json<A>(check: Check<A>, method: string, path: string, body?: Uint8Array | object): Promise<A> {
    const answer = await settled(await this.#call(method, path, body))
    if (!check(answer)) throw new Error('expected an answer of the API, got something else')
    return answer
  }

  /** @returns the answer, of which what it says may still be coming */
  #call(
    method: string,
    path: string,
    body?: Uint8Array | object,
    more: Record<string, string> = {},
  ): Promise<IncomingMessage> {
    return calls.pass(this.#access.user, () => this.#callNow(method, path, body, more))
  }

  #callNow(
    method: string,
    path: string,
    body: Uint8Array | object | undefined,
    more: Record<string, string>,
  ): Promise<IncomingMessage> {
    const { socketPath, token, keyToken } = this.#access
    const octets = body instanceof Uint8Array ? body : Buffer.from(body ? JSON.stringify(body) : '')
    const key = keyToken()
    const headers = {
      Host: 'localhost',
      Authorization: `Bearer ${token}`,
      'Content-Length': String(octets.length),
      ...(key === null ? {} : { 'Wafer-Key': key }),
      ...more,
    }
    return new Promise((resolve, reject) => {
      // A connection for each: what breaks off then was not sent twice.
      const options = { socketPath, agent: false as const, method, path: `/api${path}`, headers }
      request(options, resolve).on('error', reject).end(octets)
    })
  }
}

const placeOf = (path: string) => `/files/${path.split('/').map(encodeURIComponent).join('/')}`

/** The JSON of an answer. @throws Refused */
const settled = async (answer: IncomingMessage): Promise<unknown> => {
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString('utf8')
  const document: unknown = text === '' ? null : JSON.parse(text)
  if ((answer.statusCode ?? 500) < 300) return document
  const problem = problemIn(document)
  throw new Refused(problem?.code ?? null, problem?.title ?? 'Something went wrong on the server.')
}
