/**
 * How a server is reached, and what makes it one that may be spoken to (S1040): over TLS a certificate of a known
 * authority, of one that was named, or with the fingerprint that was given; in plain HTTP only this machine. A socket
 * is handed over when it is trusted, and not before.
 */
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import type tls from 'node:tls'
import { harmless } from '../text/text.ts'

/** No answer, or none of a Wafer server. Whether a call that changes something took effect is then not known. */
export class Unreachable extends Error {
  override name = 'Unreachable'
  /** There was no connection at all, so nothing left this machine; where one broke off, nobody knows. */
  readonly isUnsent: boolean

  constructor(sentence: string, options: { isUnsent?: boolean } = {}) {
    super(sentence)
    this.isUnsent = options.isUnsent ?? false
  }
}

/** The other end is not known to be the server: nothing was sent to it. */
export class Untrusted extends Error {
  override name = 'Untrusted'
  /** Why, as the end of a sentence without its full stop. */
  readonly reason: string
  /** What the TLS library calls it; null where it was not asked. */
  readonly code: string | null

  constructor(host: string, reason: string, code: string | null = null) {
    super(`No encrypted communication was established with ${host}: ${reason}.`)
    this.reason = reason
    this.code = code
  }
}

export const noWaferServer = (host: string) => new Unreachable(`${host} does not answer like a Wafer server.`)

/** What a server's certificate is measured by; the authorities that are known here, without either. */
export type Trust = {
  /** PEM file with authorities that are trusted besides those of the system. */
  ca?: string | undefined
  /** SHA-256 of the certificate in hexadecimal, with or without colons: only this certificate is accepted then. */
  fingerprint?: string | undefined
  /** A socket of this machine that leads to the server: it is what makes its other end one that may be spoken to. */
  socketPath?: string | undefined
}

// Not imported: that would load all that node:http can show, WebSocket with it, and TLS also for plain HTTP; together
// they take longer than everything else a script does before its first request.
export const builtin = process.getBuiltinModule

/** Nothing is waited for any longer in silence. */
export const patienceMs = 30_000

/** Makes connections to one server. */
export class Connector {
  readonly isEncrypted: boolean
  /** Name or address, without the brackets of an IPv6 address. */
  readonly host: string
  readonly port: number
  readonly #server: URL
  readonly #socketPath: string | undefined
  readonly #authorities: string[]
  readonly #fingerprint: string | null
  #asksSystem = false

  /** @throws Untrusted for plain HTTP beyond this machine, and for a CA file or fingerprint that is none */
  constructor(server: URL, { ca, fingerprint, socketPath }: Trust) {
    const { host, hostname, port, protocol } = server
    this.#server = server
    this.#socketPath = socketPath
    this.isEncrypted = protocol === 'https:'
    this.host = hostname.replace(/^\[|\]$/g, '')
    this.port = Number(port || (this.isEncrypted ? 443 : 80))
    if (!this.isEncrypted && socketPath === undefined && !isThisMachine(hostname))
      throw new Untrusted(host, 'plain HTTP is spoken to servers on this machine only; use https://')
    this.#authorities = ca === undefined ? [] : authoritiesIn(ca, host)
    this.#fingerprint = fingerprint === undefined ? null : fingerprint.replace(/[:\s]/g, '').toUpperCase()
    if (this.#fingerprint !== null && !/^[0-9A-F]{64}$/.test(this.#fingerprint))
      throw new Untrusted(host, 'the fingerprint given is not that of a certificate (64 hexadecimal digits)')
    if (!this.isEncrypted && (ca !== undefined || fingerprint !== undefined))
      throw new Untrusted(host, 'plain HTTP has no certificate that could be checked; use https://')
  }

  /** @returns a connection that may be spoken on */
  async connect(): Promise<Socket> {
    try {
      return await this.#reach()
    } catch (error) {
      const isUnknown = error instanceof Untrusted && Object.hasOwn(unknownAuthority, error.code ?? '')
      if (!isUnknown || this.#asksSystem) throw error
      // The authorities of the system are read only where those that Node.js brings do not do: it takes a while.
      this.#asksSystem = true
      return this.#reach()
    }
  }

  #reach(): Promise<Socket> {
    const { host } = this.#server
    const { isEncrypted } = this
    const path = this.#socketPath
    const to = { host: this.host, port: this.port, autoSelectFamily: true }
    return new Promise((resolve, reject) => {
      const socket = isEncrypted
        ? builtin('node:tls').connect({ ...to, ...this.#trust(to.host) })
        : builtin('node:net').connect(path === undefined ? to : { path })
      const give = (outcome: () => void) => {
        clearTimeout(timer)
        socket.removeAllListeners('error')
        outcome()
      }
      const refuse = (error: Error) =>
        give(() => {
          socket.on('error', () => {}) // what else goes wrong with it is of no interest
          socket.destroy()
          reject(error)
        })
      const timer = setTimeout(
        () => refuse(new Unreachable(`There is no connection to ${host}: it does not answer.`)),
        patienceMs,
      )
      socket.on('error', (error) => refuse(this.failure(error)))
      socket.on(isEncrypted ? 'secureConnect' : 'connect', () => {
        const reason = isEncrypted ? this.#pinFails(socket as tls.TLSSocket) : null
        if (reason !== null) refuse(new Untrusted(host, reason))
        else give(() => resolve(socket))
      })
    })
  }

  /** How the certificate is judged. With a fingerprint neither authority nor name count, see `#pinFails`. */
  #trust(host: string): tls.ConnectionOptions {
    return {
      ...(builtin('node:net').isIP(host) ? {} : { servername: host }),
      ALPNProtocols: ['http/1.1'],
      minVersion: 'TLSv1.2',
      rejectUnauthorized: this.#fingerprint === null,
      ...(this.#authorities.length === 0 && !this.#asksSystem
        ? {}
        : {
            ca: [
              ...builtin('node:tls').getCACertificates('default'),
              ...(this.#asksSystem ? builtin('node:tls').getCACertificates('system') : []),
              ...this.#authorities,
            ],
          }),
    }
  }

  /** Why the certificate is not the one whose fingerprint was given; null where it is, or where none was given. */
  #pinFails(socket: tls.TLSSocket): string | null {
    if (this.#fingerprint === null) return null
    const certificate = socket.getPeerX509Certificate()
    if (certificate?.fingerprint256.replaceAll(':', '') !== this.#fingerprint)
      return 'its certificate has another fingerprint than the one given'
    // A key is not looked after any more when its certificate has run out, whoever vouched for it.
    if (certificate.validToDate.getTime() < Date.now()) return reasons.CERT_HAS_EXPIRED!
    if (certificate.validFromDate.getTime() > Date.now()) return reasons.CERT_NOT_YET_VALID!
    return null
  }

  /** What it means that a connection, or what is sent over it, failed: an Unreachable or an Untrusted. */
  failure(error: NodeJS.ErrnoException): Error {
    if (error instanceof Unreachable || error instanceof Untrusted) return error
    const { host } = this.#server
    const { code = '' } = error
    if (Object.hasOwn(reasons, code)) return new Untrusted(host, reasons[code]!, code)
    if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
      return new Untrusted(host, 'its certificate is for another name')
    if (code === 'EPROTO' || /^ERR_(SSL|TLS|OSSL)_/.test(code))
      return new Untrusted(host, 'it does not speak TLS as it should')
    if (/^(CERT_|UNABLE_TO_|INVALID_|ERROR_IN_|CRL_|PATH_LENGTH|HOSTNAME_MISMATCH)/.test(code))
      return new Untrusted(host, `its certificate is not acceptable (${code})`)
    if (code.startsWith('HPE_')) return noWaferServer(host)
    const none = `There is no connection to ${host}`
    if (code === 'ENOTFOUND') return new Unreachable(`${none}: no such name is known.`, { isUnsent: true })
    if (code === 'EAI_AGAIN')
      return new Unreachable(`${none}: names cannot be looked up just now.`, { isUnsent: true })
    if (code === 'ECONNREFUSED') return new Unreachable(`${none}: nothing answers there.`, { isUnsent: true })
    if (/^E(NETUNREACH|HOSTUNREACH|NETDOWN)$/.test(code))
      return new Unreachable(`${none}: the network does not reach it.`)
    if (code === 'ETIMEDOUT') return new Unreachable(`${none}: it does not answer.`)
    return new Unreachable(`The connection to ${host} broke off${code && ` (${code})`}.`)
  }
}

const strangeAuthority = 'its certificate is signed by an authority that is not known here'

/** OpenSSL's codes of certificates that another authority might vouch for, in our words. */
const unknownAuthority: Record<string, string> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is signed by itself and by no authority known here',
  SELF_SIGNED_CERT_IN_CHAIN: strangeAuthority,
  UNABLE_TO_GET_ISSUER_CERT: strangeAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: strangeAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: strangeAuthority,
}

/** All that is commonly wrong with one. */
const reasons: Record<string, string> = {
  ...unknownAuthority,
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  CERT_REVOKED: 'its certificate was revoked',
}

/** @param server such as `https://mail.example.org`; without a scheme HTTPS is meant, for this machine HTTP */
export const addressOf = (server: string): URL => {
  const text = server.trim()
  const scheme = /^(\[::1\]|localhost|127(\.\d+){3})(:\d+)?\/?$/i.test(text) ? 'http://' : 'https://'
  const url = URL.parse(/^[a-z]+:\/\//i.test(text) ? text : `${scheme}${text}`)
  const isWhole = url?.hostname && /^https?:$/.test(url.protocol) && url.pathname === '/'
  if (!url || !isWhole || url.search || url.hash || url.username || url.password)
    throw new Unreachable('This is not the address of a server, such as https://mail.example.org.')
  return url
}

const isThisMachine = (hostname: string) => /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)

/** What to say where an address, opened elsewhere, leads to that other machine itself; null where it leads here. */
export const localNote = (address: string): string | null =>
  /^((.+\.)?localhost|127(\.\d+){3}|\[::1\])$/.test(URL.parse(address)?.hostname ?? '')
    ? 'It leads to this machine alone: open it in a browser here, not on a phone.'
    : null

const authoritiesIn = (file: string, host: string): string[] => {
  let text = ''
  try {
    text = readFileSync(file, 'latin1')
  } catch {
    throw new Untrusted(host, `the file with the authority, ${harmless(file)}, cannot be read`)
  }
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g)
  if (!blocks) throw new Untrusted(host, `there is no certificate in ${harmless(file)}`)
  return blocks
}
