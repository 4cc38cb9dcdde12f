/**
 * An authenticator and its browser in software: ES256 or Ed25519, user verification, a counter, and a PRF as WebAuthn
 * Level 3 makes one from CTAP's hmac-secret. What it makes is the same each time, from its seed; what it answers can be
 * bent, for the answers that a server must refuse.
 */
import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
  sign,
} from 'node:crypto'
import type {
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
} from '@simplewebauthn/server'
import type { Asserted } from '../../server/keys/prf.ts'

export type Bent = {
  /** User verification flag; it verifies unless told otherwise. */
  uv?: boolean
  origin?: string
  /** As in the client data: beside or instead of what a browser would put there. */
  clientData?: Record<string, unknown>
  rpId?: string
  /** The counter that is reported, instead of the next one. */
  counter?: number
  backupEligible?: boolean
  userHandle?: string | null
  /** Of the options' credentials, which one; of several, the first known one otherwise. */
  credential?: string
  /** Says that it has no PRF; or computes another value, as when reached over hybrid. */
  prf?: false | 'other'
  /** Of a new passkey: the credential id, the ways to reach it, and how it is attested. */
  id?: string
  transports?: string[]
  attestation?: 'self' | { fmt: string; attStmt: Map<string, unknown> }
}

type Credential = {
  id: string
  rpId: string
  userHandle: string
  key: KeyObject
  prfSecret: Buffer
  counter: number
}
type Salts = { first: string; second?: string }

export class Authenticator {
  readonly #seed: string
  readonly #algorithm: 'ES256' | 'Ed25519'
  readonly #prf: boolean
  readonly #counts: boolean
  readonly #origin: string
  readonly credentials: Credential[] = []

  constructor(options: {
    origin: string
    seed?: string
    algorithm?: 'ES256' | 'Ed25519'
    prf?: boolean
    counts?: boolean
  }) {
    this.#origin = options.origin
    this.#seed = options.seed ?? 'first'
    this.#algorithm = options.algorithm ?? 'ES256'
    this.#prf = options.prf ?? true
    this.#counts = options.counts ?? true
  }

  /** navigator.credentials.create(), as the browser script posts it. */
  create(text: string, bent: Bent & { evaluates?: boolean } = {}): string {
    const options = JSON.parse(text) as PublicKeyCredentialCreationOptionsJSON & {
      extensions: { prf?: { eval: Salts } }
    }
    const number = String(this.credentials.length)
    const id = bent.id ?? this.#derive('id', number).subarray(0, 20).toString('base64url')
    const key = privateKey(this.#algorithm, this.#derive('key', number))
    const credential = {
      id,
      rpId: options.rp.id!,
      userHandle: options.user.id,
      key,
      prfSecret: this.#derive('prf', number),
      counter: 0,
    }
    this.credentials.push(credential)
    const idOctets = Buffer.from(id, 'base64url')
    const length = Buffer.of(idOctets.length >> 8, idOctets.length & 255)
    const attested = Buffer.concat([Buffer.alloc(16), length, idOctets, coseKey(this.#algorithm, key)])
    const authData = this.#authenticatorData(credential, bent, attested)
    const clientDataJSON = this.#clientData('webauthn.create', options.challenge, bent)
    const signed = Buffer.concat([authData, sha256(Buffer.from(clientDataJSON, 'base64url'))])
    const { fmt, attStmt } =
      bent.attestation === 'self'
        ? { fmt: 'packed', attStmt: this.#statement(signed, key) }
        : (bent.attestation ?? { fmt: 'none', attStmt: new Map() })
    const attestationObject = cbor(
      new Map<string, unknown>([
        ['fmt', fmt],
        ['attStmt', attStmt],
        ['authData', authData],
      ]),
    )
    const salt = options.extensions.prf?.eval.first
    const evaluates = this.#prf && (bent.evaluates ?? true) && bent.prf !== false && salt
    const prfHash = evaluates && sha256(this.#evaluate(credential, salt, bent)).toString('base64url')
    const response = {
      id,
      rawId: id,
      type: 'public-key',
      response: {
        clientDataJSON,
        attestationObject: attestationObject.toString('base64url'),
        transports: bent.transports ?? ['internal'],
      },
      clientExtensionResults: { prf: { enabled: this.#prf } },
    }
    return JSON.stringify({ response, ...(prfHash ? { prfHash } : {}) })
  }

  /** navigator.credentials.get(), as the browser script posts it. */
  get(text: string, bent: Bent = {}): Asserted {
    const options = JSON.parse(text) as PublicKeyCredentialRequestOptionsJSON & {
      extensions?: { prf?: { evalByCredential?: Record<string, Salts> } }
    }
    const wanted = options.allowCredentials?.map(({ id }) => id)
    const credential = this.credentials.find(({ id }) =>
      bent.credential ? id === bent.credential : (wanted?.includes(id) ?? true),
    )
    if (!credential) throw new Error('expected a credential of this authenticator in the options, got none')
    if (this.#counts) credential.counter += 1
    const authData = this.#authenticatorData(credential, bent)
    const clientDataJSON = this.#clientData('webauthn.get', options.challenge, bent)
    const signed = Buffer.concat([authData, sha256(Buffer.from(clientDataJSON, 'base64url'))])
    const signature = this.#sign(signed, credential.key)
    const { id, userHandle } = credential
    const response = JSON.stringify({
      id,
      rawId: id,
      type: 'public-key',
      response: {
        clientDataJSON,
        authenticatorData: authData.toString('base64url'),
        signature: signature.toString('base64url'),
        ...(bent.userHandle === null ? {} : { userHandle: bent.userHandle ?? userHandle }),
      },
      clientExtensionResults: {},
    })
    const salts = options.extensions?.prf?.evalByCredential?.[id]
    if (!salts?.second || !this.#prf || bent.prf === false) return { response }
    const output = this.#evaluate(credential, salts.first, bent).toString('base64url')
    return { response, prf: { output, next: publicKeyOf(this.#evaluate(credential, salts.second, bent)) } }
  }

  /** The same secrets in another case, where the counter stands as it stood. */
  copy(): Authenticator {
    const copied = new Authenticator({
      origin: this.#origin,
      seed: this.#seed,
      algorithm: this.#algorithm,
      prf: this.#prf,
      counts: this.#counts,
    })
    copied.credentials.push(...this.credentials.map((credential) => ({ ...credential })))
    return copied
  }

  #sign(octets: Buffer, key: KeyObject): Buffer {
    return sign(this.#algorithm === 'ES256' ? 'sha256' : null, octets, key)
  }

  /** Self attestation (§8.2). */
  #statement(octets: Buffer, key: KeyObject) {
    return new Map<string, unknown>([
      ['alg', this.#algorithm === 'ES256' ? -7 : -8],
      ['sig', this.#sign(octets, key)],
    ])
  }

  #evaluate({ prfSecret }: Credential, salt: string, bent: Bent): Buffer {
    return prf(bent.prf === 'other' ? sha256(prfSecret) : prfSecret, Buffer.from(salt, 'base64url'))
  }

  #derive(what: string, number: string): Buffer {
    return createHash('sha256').update(`${this.#seed} ${this.#algorithm} ${what} ${number}`).digest()
  }

  #clientData(type: string, challenge: string, bent: Bent): string {
    const data = {
      type,
      challenge,
      origin: bent.origin ?? this.#origin,
      crossOrigin: false,
      ...bent.clientData,
    }
    return Buffer.from(JSON.stringify(data)).toString('base64url')
  }

  #authenticatorData(credential: Credential, bent: Bent, attested: Buffer = Buffer.alloc(0)): Buffer {
    const eligible = bent.backupEligible ? 0x08 : 0
    const flags = 0x01 | ((bent.uv ?? true) ? 0x04 : 0) | eligible | (attested.length > 0 ? 0x40 : 0)
    const counter = Buffer.alloc(4)
    counter.writeUInt32BE(bent.counter ?? credential.counter)
    return Buffer.concat([
      sha256(Buffer.from(bent.rpId ?? credential.rpId)),
      Buffer.of(flags),
      counter,
      attested,
    ])
  }
}

/** CTAP's hmac-secret with the salt that WebAuthn Level 3 §10.1.4 makes of an input. */
export const prf = (secret: Uint8Array, input: Uint8Array): Buffer =>
  createHmac('sha256', secret)
    .update(sha256(Buffer.concat([Buffer.from('WebAuthn PRF\0'), input])))
    .digest()

/** The X25519 public key that a PRF output makes, as the browser script derives it. */
export const publicKeyOf = (output: Uint8Array): string => {
  const scalar = Buffer.from(hkdfSync('sha256', output, '', 'wafer/prf/v1', 32))
  const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), scalar])
  const own = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
  const spki = Buffer.concat([Buffer.from('302a300506032b656e032100', 'hex'), Buffer.of(9), Buffer.alloc(31)])
  const base = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  return diffieHellman({ privateKey: own, publicKey: base }).toString('base64url')
}

const sha256 = (octets: Uint8Array) => createHash('sha256').update(octets).digest()

/** SEC 1 §C.4 and RFC 8410 §7: a private key of 32 octets. */
const privateKey = (algorithm: 'ES256' | 'Ed25519', octets: Buffer): KeyObject => {
  const hex = octets.toString('hex')
  const der =
    algorithm === 'ES256'
      ? `3041020100301306072a8648ce3d020106082a8648ce3d0301070427302502010104 20${hex}`
      : `302e020100300506032b657004220420${hex}`
  return createPrivateKey({ key: Buffer.from(der.replace(' ', ''), 'hex'), format: 'der', type: 'pkcs8' })
}

/** RFC 9053 §7. */
const coseKey = (algorithm: 'ES256' | 'Ed25519', key: KeyObject): Buffer => {
  const jwk = createPublicKey(key).export({ format: 'jwk' })
  const x = Buffer.from(jwk.x!, 'base64url')
  return cbor(
    new Map<number, unknown>(
      algorithm === 'ES256'
        ? [
            [1, 2],
            [3, -7],
            [-1, 1],
            [-2, x],
            [-3, Buffer.from(jwk.y!, 'base64url')],
          ]
        : [
            [1, 1],
            [3, -8],
            [-1, 6],
            [-2, x],
          ],
    ),
  )
}

/** As much of CBOR (RFC 8949) as an attestation needs. */
const cbor = (value: unknown): Buffer => {
  const head = (major: number, length: number) => {
    if (length < 24) return Buffer.of((major << 5) | length)
    if (length < 256) return Buffer.of((major << 5) | 24, length)
    return Buffer.of((major << 5) | 25, length >> 8, length & 255)
  }
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value)
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)])
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.length), value])
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map((each) => cbor(each))])
  if (value instanceof Map)
    return Buffer.concat([head(5, value.size), ...[...value].flat().map((each) => cbor(each))])
  throw new Error(`expected a value that CBOR is made of here, got ${typeof value}`)
}
