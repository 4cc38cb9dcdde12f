/**
 * The JSON API as the terminal client speaks it, in the shapes of server/contract/: what may be asked, and what is answered.
 * Nothing is sent (exchange.ts) before the other end has shown that it may be trusted (connection.ts).
 *
 * Three kinds of failure: a `Problem` is the server's no, an `Unreachable` is no answer (or none of a Wafer server), an
 * `Untrusted` is a server that nothing was said to. Their messages are sentences for people and hold no secrets.
 */
import * as answers from '../../server/contract/answers.ts'
import type { Check } from '../../server/contract/checks.ts'
import { type ProblemCode, type ProblemDetails, problemIn } from '../../server/contract/problems.ts'
import { ownAddresses } from '../../server/contract/replies.ts'
import type { Asked } from '../../server/contract/requests.ts'
import { harmless } from '../text/text.ts'
import { addressOf, noWaferServer, type Trust, Untrusted } from './connection.ts'
import { type Body, type Exchange, Exchanges, isDone, jsonOf, type Take } from './exchange.ts'

export type ApiLetter = Asked<'letter'>
/** Who has the key, as a refusal says. */
export type Holder = NonNullable<ProblemDetails['by']>

/** The server's no. The message is its title, a sentence. */
export class Problem extends Error {
  override name = 'Problem'
  readonly status: number
  /** Null for one that this client does not know. */
  readonly code: ProblemCode | null
  readonly methods: ProblemDetails['methods']
  readonly by: ProblemDetails['by']
  readonly addresses: ProblemDetails['addresses']
  readonly draft: ProblemDetails['draft']
  readonly reason: ProblemDetails['reason']
  readonly parts: ProblemDetails['parts']
  readonly retry_after_s: number | undefined

  constructor(
    status: number,
    { code, title, details }: NonNullable<ReturnType<typeof problemIn>>,
    retryAfter = '',
  ) {
    super(harmless(title))
    this.status = status
    this.code = code
    this.methods = details.methods
    this.by = details.by
    this.addresses = details.addresses
    this.draft = details.draft
    this.reason = details.reason
    this.parts = details.parts
    this.retry_after_s = /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) : undefined
  }
}

export const isProblem = (error: unknown, code: ProblemCode): error is Problem =>
  error instanceof Problem && error.code === code

/** How far this terminal has seen the ledger of each user of a server, kept from one session to the next. */
export type LedgerMemory = {
  mark(server: string, user: string): string | null
  keepMark(server: string, user: string, mark: string): void
}

export type ClientOptions = Trust & {
  /** Told when the key is opened here or locked. */
  keyTokenChanged?: (keyToken: string | null) => void
  /** Such as `https://mail.example.org`; without a scheme HTTPS is meant, for this machine HTTP. */
  server: string
}

/** A key that is open here is lost when the server hears nothing from this terminal for so long. */
export const heartbeatS = 60

export class Client {
  readonly server: URL
  /** Of the session; sent with each call. */
  token: string | null = null
  /** Whose session it is, as far as it is known. */
  user: string | null = null
  ledgerMemory: LedgerMemory | null = null
  /** Becomes the key token when the approval that was asked for is granted. */
  #askedToken: string | null = null
  #keyToken: string | null = null
  readonly #keyTokenChanged: (keyToken: string | null) => void
  readonly #exchanges: Exchanges

  /** @throws Untrusted for plain HTTP beyond this machine, and for a CA file or fingerprint that is none */
  constructor({ server, keyTokenChanged, ...trust }: ClientOptions) {
    this.#keyTokenChanged = keyTokenChanged ?? (() => undefined)
    this.server = addressOf(server)
    this.#exchanges = new Exchanges(this.server, trust)
  }

  /** Of the allowance; what was unlocked in this client, until it is locked. */
  get keyToken(): string | null {
    return this.#keyToken
  }

  set keyToken(keyToken: string | null) {
    if (keyToken === this.#keyToken) return
    this.#keyToken = keyToken
    this.#keyTokenChanged(keyToken)
  }

  /** Another client of the same session opened the key, or locked it. */
  shareKey(keyToken: string | null): void {
    this.#keyToken = keyToken
  }

  // ---- sessions

  /** @throws Problem `bad-credentials`, `slow-down` */
  async logIn(
    user: string,
    password: string,
    terminal: string,
    heartbeat_s?: number,
  ): Promise<answers.NewSession> {
    this.token = null
    this.keyToken = null
    const beat = heartbeat_s === undefined ? {} : { heartbeat_s }
    const asked = { user, password, terminal, ...beat } satisfies Asked<'session'>
    const session = await this.#json('POST', '/session', asked, answers.newSession)
    this.token = session.token
    this.user = session.user
    return session
  }

  /** Also remembers how far the ledger goes; `ledger.complete` is false once if what was remembered is missing. */
  async session(): Promise<answers.SessionView> {
    const memory = this.ledgerMemory
    const { origin } = this.server
    const seen = this.user === null ? null : (memory?.mark(origin, this.user) ?? null)
    const query = seen === null ? '' : `?ledger=${encodeURIComponent(seen)}`
    const session = await this.#json('GET', `/session${query}`, undefined, answers.session)
    const { newest } = session.ledger
    if (newest !== null && newest !== seen) memory?.keepMark(origin, session.user, newest)
    return session
  }

  async logOut(): Promise<void> {
    await this.#call('DELETE', '/session')
    this.token = null
    this.keyToken = null
  }

  async terminals() {
    return (await this.#json('GET', '/terminals', undefined, answers.terminals)).terminals
  }

  async endTerminal(id: string): Promise<void> {
    await this.#call('DELETE', `/terminals/${encodeURIComponent(id)}`)
  }

  // ---- mail

  async folders(): Promise<answers.Folder[]> {
    return (await this.#json('GET', '/folders', undefined, answers.folders)).folders
  }

  createFolder(name: string) {
    return this.#json('POST', '/folders', { name } satisfies Asked<'folder'>, answers.newFolder)
  }

  /** @param options.offset position from the newest; not together with `before`, which is a page's `next` */
  messages(
    folder: string,
    options: { limit?: number; before?: string | null; offset?: number; q?: string | null } = {},
  ): Promise<answers.Page> {
    const query = queryOf(options)
    const path = `/folders/${encodeURIComponent(folder)}/messages${query}`
    return this.#json('GET', path, undefined, answers.page)
  }

  /** What is found in all folders; `q` as docs/search.md has it, the rest as {@link messages}. */
  search(options: {
    q: string
    limit?: number
    before?: string | null
    offset?: number
  }): Promise<answers.Found> {
    return this.#json('GET', `/search${queryOf(options)}`, undefined, answers.found)
  }

  message(id: number) {
    return this.#json('GET', `/messages/${id}`, undefined, answers.message)
  }

  /** @throws Problem `allowance-required`, `key-in-use`, `cannot-decrypt` */
  decrypt(id: number, part?: string) {
    const asked: Asked<'decrypt'> = part === undefined ? {} : { part }
    return this.#json('POST', `/messages/${id}/decrypt`, asked, answers.opened)
  }

  /** An attachment. Its name is what the sender calls it: not a path to write to. */
  async part(id: number, part: string, within?: string): Promise<{ name: string; octets: Uint8Array }> {
    const path = `/messages/${id}/parts/${encodeURIComponent(part)}${queryOf({ within })}`
    const { octets, headers } = await this.#call('GET', path)
    const encoded = /filename\*=UTF-8''([^;\s]*)/i.exec(headers['content-disposition'] ?? '')?.[1] ?? ''
    return { name: decoded(encoded), octets }
  }

  /** The octets that were received. */
  async raw(id: number): Promise<Uint8Array> {
    return (await this.#call('GET', `/messages/${id}/raw`)).octets
  }

  /** All or none. @returns how many were changed */
  async mark(ids: number[], marks: Asked<'marks'>): Promise<number> {
    const asked = { ids, ...marks } satisfies Asked<'manyMarks'>
    return (await this.#json('PATCH', '/messages', asked, answers.changed)).changed
  }

  async remove(id: number): Promise<void> {
    await this.#call('DELETE', `/messages/${id}`)
  }

  /** @throws Problem as decrypt where it signs; `no-key-for` with `addresses`, `no-relay`, `bad-address` */
  send(letter: ApiLetter) {
    return this.#json('POST', '/messages', letter, answers.sent)
  }

  /** Takes a held letter back into Drafts. @throws Problem `too-late` once it has left */
  recall(id: number) {
    return this.#json('POST', `/messages/${id}/recall`, {}, answers.recalled)
  }

  /** What was sent and has not left yet, newest first. @param before a page's `next` */
  queue(before?: string | null, limit?: number): Promise<answers.QueuePage> {
    return this.#json('GET', `/queue${queryOf({ before, limit })}`, undefined, answers.queue)
  }

  /** Has it tried at once. @throws Problem `too-late` while it is being sent */
  async retry(id: number): Promise<void> {
    await this.#call('POST', `/queue/${id}/retry`)
  }

  /** @returns the draft that it is again if it was held, or where a report on it lies. @throws Problem as retry */
  giveUp(id: number) {
    return this.#json('DELETE', `/queue/${id}`, undefined, answers.givenUp)
  }

  async sign(text: string): Promise<string> {
    return (await this.#json('POST', '/sign', { text } satisfies Asked<'sign'>, answers.signed)).signed
  }

  // ---- the key

  /** @throws Problem `wrong-passphrase`, `key-in-use`, `slow-down` */
  async unlock(passphrase: string): Promise<answers.Allowance> {
    const asked = { passphrase } satisfies Asked<'passphrase'>
    const allowance = await this.#json('POST', '/allowance', asked, answers.allowance)
    this.keyToken = allowance.key_token
    this.#askedToken = null
    return allowance
  }

  /** How long the open key stands without a use. @throws Problem as decrypt; `bad-request` for longer than it may */
  standFor(idleS: number): Promise<answers.Held> {
    return this.#json('PATCH', '/allowance', { idle_s: idleS } satisfies Asked<'idle'>, answers.held)
  }

  async lock(): Promise<void> {
    await this.#call('DELETE', '/allowance')
    this.keyToken = null
    this.#askedToken = null
  }

  /**
   * Ends the key's use by the holder that the person was shown.
   *
   * @throws Problem `key-in-use` with the present holder if it is another by now; `slow-down`
   */
  async stop({ grant }: Holder): Promise<void> {
    await this.#call('POST', '/allowance/stop', { confirm: true, of: grant } satisfies Asked<'stop'>)
  }

  /** @throws Problem `key-in-use`, `slow-down` */
  async askApproval(scope: Asked<'approval'>['scope']): Promise<answers.Approval> {
    const asked = { scope } satisfies Asked<'approval'>
    const approval = await this.#json('POST', '/approval', asked, answers.approval)
    this.#askedToken = approval.key_token
    return approval
  }

  /** Once it is `granted` this client has the key. */
  async approval(): Promise<answers.ApprovalState['state']> {
    const { state } = await this.#json('GET', '/approval', undefined, answers.approvalState)
    if (state === 'granted' && this.#askedToken !== null) this.keyToken = this.#askedToken
    if (state !== 'pending') this.#askedToken = null
    return state
  }

  async keys(): Promise<answers.Key[]> {
    return (await this.#json('GET', '/keys', undefined, answers.keys)).keys
  }

  async passkeys(): Promise<answers.Passkey[]> {
    return (await this.#json('GET', '/passkeys', undefined, answers.passkeys)).passkeys
  }

  async aliases(): Promise<answers.Alias[]> {
    return (await this.#json('GET', '/aliases', undefined, answers.aliases)).aliases
  }

  /** By which this user is meant in a mail. */
  async ownAddresses(): Promise<string[]> {
    const words = (await this.aliases()).map(({ alias }) => alias)
    return ownAddresses(this.user ?? '', words)
  }

  addAlias(alias: string): Promise<answers.Alias> {
    return this.#json('POST', '/aliases', { alias } satisfies Asked<'alias'>, answers.alias)
  }

  publishAlias(id: string, published: boolean): Promise<answers.Alias> {
    const asked = { published } satisfies Asked<'aliasChange'>
    return this.#json('PATCH', `/aliases/${encodeURIComponent(id)}`, asked, answers.alias)
  }

  async removeAlias(id: string): Promise<void> {
    await this.#call('DELETE', `/aliases/${encodeURIComponent(id)}`)
  }

  /** @param before a page's `next` */
  log(before?: string | null, limit?: number): Promise<answers.LogPage> {
    return this.#json('GET', `/log${queryOf({ before, limit })}`, undefined, answers.log)
  }

  // ---- S/MIME

  async identities(): Promise<answers.Identity[]> {
    return (await this.#json('GET', '/identities', undefined, answers.identities)).identities
  }

  /** @param file PKCS #12 @throws Problem `allowance-required`, `key-in-use`, `wrong-passphrase` of the file, `bad-key` */
  async addIdentity(file: Uint8Array, passphrase: string): Promise<answers.Identity[]> {
    const asked = { file: Buffer.from(file).toString('base64'), passphrase } satisfies Asked<'identity'>
    return (await this.#json('POST', '/identities', asked, answers.identities)).identities
  }

  /** @throws Problem `allowance-required`, `key-in-use` */
  async removeIdentity(fingerprint: string): Promise<void> {
    await this.#call('DELETE', `/identities/${encodeURIComponent(fingerprint)}`)
  }

  // ---- correspondents

  /** At most ten, the likeliest first. */
  async addresses(q: string): Promise<answers.KnownAddress[]> {
    return (await this.#json('GET', `/addresses${queryOf({ q })}`, undefined, answers.knownAddresses))
      .addresses
  }

  /** Whether there is a key for each. @throws Problem `bad-address` */
  async recipients(letter: Asked<'recipients'>): Promise<answers.Recipient[]> {
    const { to = '', cc = '', bcc = '' } = letter
    const asked = { to, cc, bcc } satisfies Asked<'recipients'>
    return (await this.#json('POST', '/recipients', asked, answers.recipients)).recipients
  }

  async correspondents(): Promise<answers.Correspondent[]> {
    return (await this.#json('GET', '/correspondents', undefined, answers.correspondents)).correspondents
  }

  /** The keys in an armored block, shown before one of them is accepted, and those that it revoked. */
  async offeredKeys(armored: string): Promise<answers.Offered> {
    const asked = { armored } satisfies Asked<'correspondent'>
    return this.#json('POST', '/correspondents', asked, answers.offered)
  }

  async acceptKey(armored: string, fingerprint: string): Promise<void> {
    const asked = { armored, accept: fingerprint } satisfies Asked<'correspondent'>
    await this.#call('POST', '/correspondents', asked)
  }

  async forgetKey(fingerprint: string): Promise<void> {
    await this.#call('DELETE', `/correspondents/${encodeURIComponent(fingerprint)}`)
  }

  // ---- files

  /** What lies in a folder of the box, which is itself the empty path. @param before a page's `next` */
  files(folder: string, before?: string | null): Promise<answers.FilePage> {
    return this.#json('GET', `/files${queryOf({ in: folder, before })}`, undefined, answers.files)
  }

  /** A file or folder by its path. @throws Problem `not-found`, `bad-name` */
  async file(path: string): Promise<answers.FileEntry> {
    const { files } = await this.#json('GET', `/files${queryOf({ at: path })}`, undefined, answers.files)
    if (!files[0]) throw noWaferServer(this.server.host)
    return files[0]
  }

  /** @throws Problem `exists`, `bad-name` */
  makeFileFolder(folder: string) {
    return this.#json('POST', '/files', { folder } satisfies Asked<'file'>, answers.stored)
  }

  /** Gives a file or folder another path. @throws Problem `exists`, `bad-name`, `not-found` */
  moveFile(move: string, to: string) {
    return this.#json('POST', '/files', { move, to } satisfies Asked<'file'>, answers.stored)
  }

  /** Keeps a mail, or an attachment of it, as a file; its octets stay on the server. @throws Problem as decrypt; `exists` */
  saveToFiles(from: NonNullable<Asked<'file'>['from']>, name: string) {
    return this.#json('POST', '/files', { from, name } satisfies Asked<'file'>, answers.stored)
  }

  /** @param how.all with all that is in a folder. @throws Problem `not-found`, `not-empty` */
  async removeFile(path: string, how: { all?: boolean } = {}): Promise<void> {
    await this.#call('DELETE', `${filePath(path)}${how.all ? '?all=1' : ''}`)
  }

  /** Takes the place of a file of that path, once all of it has come. @throws Problem `over-quota`, `exists`, `bad-name` */
  async putFile(path: string, octets: AsyncIterable<Uint8Array>, size?: number): Promise<answers.Stored> {
    const body = { octets, size }
    const answer = jsonOf(await this.#answered('PUT', filePath(path), body))
    if (!answers.stored(answer)) throw noWaferServer(this.server.host)
    return answer
  }

  /** @param take is given what is in the file, piece by piece. @throws Problem as decrypt; what `take` throws */
  async readFile(path: string, take: (octets: Uint8Array) => void | Promise<void>): Promise<void> {
    await this.#answered('GET', filePath(path), null, take)
  }

  /** Ends the connections that are kept. */
  close(): void {
    this.#exchanges.close()
  }

  // ---- one call

  /** @param check what the answer must be, so that no other server's JSON passes for one */
  async #json<Answer>(
    method: string,
    path: string,
    body: object | undefined,
    check: Check<Answer>,
  ): Promise<Answer> {
    const answer = jsonOf(await this.#call(method, path, body))
    if (!check(answer)) throw noWaferServer(this.server.host)
    return answer
  }

  #call(method: string, path: string, body?: object): Promise<Exchange> {
    return this.#answered(method, path, body === undefined ? null : Buffer.from(JSON.stringify(body)))
  }

  /** @throws Problem */
  async #answered(method: string, path: string, body: Body | null, take?: Take): Promise<Exchange> {
    const secrets: Record<string, string> = {}
    if (this.token !== null) secrets.Authorization = `Bearer ${this.token}`
    if (this.token !== null && this.keyToken !== null) secrets['Wafer-Key'] = this.keyToken
    const answer = await this.#exchanges.make({ method, path, body, take, secrets })
    if (isDone(answer.status)) return answer
    const problem = problemIn(jsonOf(answer))
    if (problem) throw new Problem(answer.status, problem, answer.headers['retry-after'])
    if (answer.status === 426 && !this.#exchanges.isEncrypted)
      throw new Untrusted(this.server.host, 'this server speaks TLS; use https://')
    throw noWaferServer(this.server.host)
  }
}

/** @throws Problem `bad-name` for parts that lead out of the box before the server sees them (URL Standard §4.4) */
const filePath = (path: string) => {
  if (path.split('/').some((part) => part === '.' || part === '..'))
    throw new Problem(422, { code: 'bad-name', title: dotsInPath, details: {} })
  return `/files/${encodeURIComponent(path).replaceAll('%2F', '/')}`
}
const dotsInPath = 'A path in Files begins at the box itself, and no part of it is . or ..'

const queryOf = (members: Record<string, string | number | null | undefined>): string => {
  const given = Object.entries(members).filter(([, value]) => value !== undefined && value !== null)
  if (given.length === 0) return ''
  return `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`
}

const decoded = (text: string) => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
