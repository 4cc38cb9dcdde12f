/**
 * The two secrets that are never in the database: the server secret (a file in the data folder, part of every
 * slot's wrapping key) and the epoch secret (in memory, or in a file that several processes share), without which
 * no key token opens anything.
 */

import { createHmac, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto'
import { chmodSync, linkSync, readFileSync, rmSync, type Stats, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DhkemX25519HkdfSha256 } from '@hpke/core'
import { Unusable } from './refusal.ts'

const derive = (secret: Uint8Array, salt: Uint8Array | string, ...info: (string | number)[]): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', secret, salt, JSON.stringify(info), 32))

export class ServerSecret {
  readonly #bytes: Uint8Array
  /** Of `mac`, by purpose: each request asks for some, and to derive one takes several times as long as to use it. */
  readonly #macKeys = new Map<string, KeyObject>()
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** 32 octets for one purpose; the secret itself is handed to nobody. */
  derive(purpose: string, ...context: (string | number)[]): Uint8Array {
    return derive(this.#bytes, 'wafer/server-secret/v1', purpose, ...context)
  }

  /**
   * HMAC-SHA256 under the key of that purpose.
   *
   * @param purpose one of few, in the words of the program
   */
  mac(purpose: string, text: string): Buffer {
    const key = this.#macKeys.get(purpose) ?? createSecretKey(this.derive(purpose))
    this.#macKeys.set(purpose, key)
    return createHmac('sha256', key).update(text).digest()
  }

  /** What tells it from others, and nothing more of it. */
  get tag(): string {
    return this.mac('tag', '').toString('base64url')
  }

  /** The text of the secret's file, for `backup --secret`. */
  toFile(): string {
    return `${fileMark} ${Buffer.from(this.#bytes).toString('base64url')}\n`
  }
}

const fileMark = 'wafer-server-secret-v1'
export const serverSecretFile = (dataFolder: string) => join(dataFolder, 'server-secret')

/** @throws Error with one sentence if the text is not that of a server secret's file */
export const parseServerSecret = (text: string, file: string): ServerSecret => {
  const [mark, value = ''] = text.trim().split(' ')
  const bytes = Buffer.from(value, 'base64url')
  if (mark !== fileMark || bytes.length !== 32)
    throw new Unusable(`${file} does not hold a Wafer server secret.`)
  return new ServerSecret(bytes)
}

/**
 * The data folder's server secret; made at the first start.
 *
 * @param mayCreate false where a database exists already: a new secret would not open its keys
 */
export const openServerSecret = (dataFolder: string, mayCreate: boolean): ServerSecret => {
  const file = serverSecretFile(dataFolder)
  const read = () => parseServerSecret(readFileSync(file, 'utf8'), file)
  try {
    return read()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  if (!mayCreate)
    throw new Unusable(
      `${file} is missing: without it the keys in the database cannot be opened. Put it back from its backup, or copy it from a machine that serves this database.`,
    )
  const secret = new ServerSecret(randomBytes(32))
  // Written aside and linked, so that of two processes that start together both read the first one's.
  const aside = `${file}.${randomBytes(6).toString('hex')}.tmp`
  writeFileSync(aside, secret.toFile(), { mode: 0o600, flush: true })
  chmodSync(aside, 0o600)
  try {
    linkSync(aside, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(aside)
  }
  return read()
}

const kem = new DhkemX25519HkdfSha256()

export class Epoch {
  readonly #secret: Uint8Array
  /** Stored with each allowance: rows of another epoch count as gone. */
  readonly id: string
  /** Whether several processes may share it. */
  readonly shared: boolean

  constructor(secret: Uint8Array, shared: boolean) {
    this.#secret = secret
    this.id = Buffer.from(derive(secret, 'wafer/epoch-id/v1')).toString('base64url').slice(0, 22)
    this.shared = shared
  }

  /** Key material of the X25519 pair (RFC 9180 DeriveKeyPair) that a key token stands for in one session. */
  keyMaterial(keyToken: Uint8Array, sessionId: string): Uint8Array {
    return derive(keyToken, this.#secret, 'wafer/key-token/v1', sessionId)
  }

  /** The X25519 public key of that pair: what is stored, compared, and sealed to. */
  async publicHalf(keyToken: Uint8Array, sessionId: string): Promise<Uint8Array> {
    const { buffer } = new Uint8Array(this.keyMaterial(keyToken, sessionId))
    const pair = await kem.deriveKeyPair(buffer as ArrayBuffer)
    return new Uint8Array(await kem.serializePublicKey(pair.publicKey))
  }
}

/**
 * @param file 32 octets shared by several processes, or null for a secret that dies with this one. It is never made
 *   here: two processes that were given two paths by mistake would each find one.
 * @throws Error with one sentence if the file is missing, others may read it, or it does not hold 32 octets
 */
export const openEpoch = (file: string | null): Epoch => {
  if (file === null) return new Epoch(randomBytes(32), false)
  const no = (what: string) => new Unusable(`WAFER_EPOCH_FILE: ${file} ${what}`)
  const forShell = `'${file.replaceAll("'", "'\\''")}'`
  let secret: Buffer
  let stat: Stats
  try {
    stat = statSync(file)
    secret = stat.isFile() ? readFileSync(file) : Buffer.alloc(0)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT')
      throw no(
        `does not exist. Where others serve the database, copy theirs; else make one: (umask 077; head -c 32 /dev/urandom > ${forShell}).`,
      )
    throw new Unusable(`WAFER_EPOCH_FILE: ${file} cannot be read (${code}).`, { cause })
  }
  if (!stat.isFile()) throw no('is not a file.')
  if (process.platform !== 'win32' && stat.mode & 0o077)
    throw no(
      `may be read by others: end that with chmod 600 ${forShell}, or make a new one if they may have done so.`,
    )
  if (secret.length !== 32) throw no(`should hold 32 octets, but holds ${secret.length}.`)
  return new Epoch(secret, true)
}
