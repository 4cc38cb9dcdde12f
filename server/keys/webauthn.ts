/**
 * What WebAuthn asks of the one who relies on it (Level 3, §7.1 and §7.2), without memory: an answer of a browser
 * and what was expected go in, what is known of the passkey comes out. Challenges, owners and counters are kept by
 * challenges.ts and credentials.ts.
 *
 * SimpleWebAuthn verifies in the order of the standard. Added here: no cross-origin use at all (the library lets it
 * pass where there is no topOrigin), user verification always, three algorithms only, and no attestation by
 * certificates (the library would ask the hosts that they name for what was revoked).
 */

import {
  type AuthenticationResponseJSON,
  type AuthenticatorTransport,
  generateAuthenticationOptions,
  type PublicKeyCredentialRequestOptionsJSON,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server'
import { decodeAttestationObject, isoBase64URL } from '@simplewebauthn/server/helpers'
import { z } from 'zod'
import { passkeyLimits } from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'

/**
 * EdDSA, ES256, RS256. The library's own list begins with ML-DSA where the runtime knows it; a passkey made so could
 * not be verified by one that does not.
 */
export const algorithms = [-8, -7, -257]

/** The relying party: the public origin; its RP ID is the host name. */
export type RelyingParty = { origin: string }

export type Descriptor = { id: string; transports: AuthenticatorTransport[] }
/** A passkey that is asked for; `salt` is what its PRF evaluates first. */
export type Wanted = Descriptor & { salt: string | null }

export type Attested = {
  /** The credential id, base64url. */
  id: string
  /** COSE_Key. */
  publicKey: Uint8Array
  counter: number
  transports: string[]
  backupEligible: boolean
  backedUp: boolean
}

export type AssertedState = { counter: number; backupEligible: boolean; backedUp: boolean }

const base64url = z.base64url().max(passkeyLimits.memberCharacters)
const transports = z.array(z.string().regex(/^[a-z-]{1,20}$/)).max(8)

/** Of what a browser posts, what is looked at; PRF results and all other extension outputs are dropped here. */
const assertionShape = z.object({
  id: base64url,
  rawId: base64url,
  type: z.literal('public-key'),
  response: z.object({
    clientDataJSON: base64url,
    authenticatorData: base64url,
    signature: base64url,
    userHandle: base64url.nullish().transform((handle) => handle ?? undefined),
  }),
})

const attestationShape = z.object({
  id: base64url,
  rawId: base64url,
  type: z.literal('public-key'),
  response: z.object({
    clientDataJSON: base64url,
    attestationObject: z.base64url().max(passkeyLimits.attestationCharacters),
    transports: transports.optional().catch(undefined),
  }),
})

export type Assertion = z.infer<typeof assertionShape>
export type Attestation = z.infer<typeof attestationShape>

/** @throws Refusal `bad-request` if it is not an assertion's JSON */
export const parseAssertion = (text: string): Assertion => parsed(assertionShape, text)

/** @throws Refusal `bad-request` if it is not an attestation's JSON */
export const parseAttestation = (value: unknown): Attestation => checked(attestationShape, value)

export const rpIdOf = ({ origin }: RelyingParty) => new URL(origin).hostname

export const descriptorOf = ({ id, transports }: { id: string; transports: string }): Descriptor => ({
  id,
  transports: JSON.parse(transports) as AuthenticatorTransport[],
})

/**
 * Options of a get(), as JSON.
 *
 * @param list null where any passkey of this site will do
 */
export const requestOptions = async (
  site: RelyingParty,
  challenge: { octets: Uint8Array<ArrayBuffer>; nextSalt: string },
  list: Wanted[] | null,
): Promise<string> => {
  const options = await generateAuthenticationOptions({
    rpID: rpIdOf(site),
    challenge: challenge.octets,
    timeout: passkeyLimits.challengeLifeMs,
    userVerification: 'required',
    ...(list ? { allowCredentials: list.map(({ id, transports }) => ({ id, transports })) } : {}),
  })
  const salted = (list ?? []).flatMap(({ id, salt }) =>
    salt ? [[id, { first: salt, second: challenge.nextSalt }]] : [],
  )
  return withPrf(options, list ? { evalByCredential: Object.fromEntries(salted) } : null)
}

/** As JSON; the library knows nothing of PRF. */
export const withPrf = (options: object, prf: object | null): string => {
  const { extensions } = options as PublicKeyCredentialRequestOptionsJSON
  return JSON.stringify(prf ? { ...options, extensions: { ...extensions, prf } } : options)
}

/** The challenge that an answer says it answers. */
export const challengeOf = (answer: Assertion | Attestation): Buffer => {
  const { challenge } = clientDataOf(answer)
  return Buffer.from(typeof challenge === 'string' ? challenge : '', 'base64url')
}

/**
 * A new passkey (§7.1), its attestation not asked for.
 *
 * @param expected.challenge the octets that were given out
 * @throws Refusal `wrong-passkey`
 */
export const verifiedAttestation = async (
  attestation: Attestation,
  expected: RelyingParty & { challenge: Uint8Array },
): Promise<Attested> => {
  const { registrationInfo } = await orRefusal(async () => {
    refuseCrossOrigin(attestation)
    refuseCertificates(attestation)
    const result = await verifyRegistrationResponse({
      response: { ...attestation, clientExtensionResults: {} } as RegistrationResponseJSON,
      expectedChallenge: Buffer.from(expected.challenge).toString('base64url'),
      expectedOrigin: expected.origin,
      expectedRPID: rpIdOf(expected),
      requireUserVerification: true,
      supportedAlgorithmIDs: algorithms,
    })
    if (!result.verified) throw new Error('expected an attestation that verifies, got one that does not')
    return result
  })
  const { credential, credentialDeviceType, credentialBackedUp } = registrationInfo
  if (credential.id !== attestation.id) throw refused('the id is not that of the credential')
  return {
    id: credential.id,
    publicKey: credential.publicKey,
    counter: credential.counter,
    transports: attestation.response.transports ?? [],
    backupEligible: credentialDeviceType === 'multiDevice',
    backedUp: credentialBackedUp,
  }
}

/**
 * An assertion of a known passkey (§7.2). The counter is not compared here: it says something only once the
 * signature is known to be good.
 *
 * @throws Refusal `wrong-passkey`
 */
export const verifiedAssertion = async (
  assertion: Assertion,
  expected: RelyingParty & { challenge: Uint8Array; credential: { id: string; publicKey: Uint8Array } },
): Promise<AssertedState> => {
  const { authenticationInfo } = await orRefusal(async () => {
    refuseCrossOrigin(assertion)
    const result = await verifyAuthenticationResponse({
      response: { ...assertion, clientExtensionResults: {} } as AuthenticationResponseJSON,
      expectedChallenge: Buffer.from(expected.challenge).toString('base64url'),
      expectedOrigin: expected.origin,
      expectedRPID: rpIdOf(expected),
      requireUserVerification: true,
      credential: {
        id: expected.credential.id,
        publicKey: new Uint8Array(expected.credential.publicKey),
        counter: 0,
      },
    })
    if (!result.verified) throw new Error('expected a signature that verifies, got one that does not')
    return result
  })
  return {
    counter: authenticationInfo.newCounter,
    backupEligible: authenticationInfo.credentialDeviceType === 'multiDevice',
    backedUp: authenticationInfo.credentialBackedUp,
  }
}

/** A page of another origin around ours could have the user touch the sensor for it (§7.1 step 10, §7.2 step 13). */
const refuseCrossOrigin = (answer: Assertion | Attestation) => {
  const { crossOrigin, topOrigin } = clientDataOf(answer)
  if ((crossOrigin !== undefined && crossOrigin !== false) || topOrigin !== undefined)
    throw new Error('expected an answer to a page of our own, got one within a page of another origin')
}

/** Asked for is none (§5.4.7): browsers then leave it out, unless the passkey's own key made it (§8.2, self). */
const refuseCertificates = ({ response }: Attestation) => {
  const attested = decodeAttestationObject(isoBase64URL.toBuffer(response.attestationObject))
  const fmt = attested.get('fmt')
  if (fmt === 'none' || (fmt === 'packed' && attested.get('attStmt').get('x5c') === undefined)) return
  throw new Error(`expected no attestation, or one by the passkey itself, got ${fmt} by certificates`)
}

const clientDataOf = (answer: Assertion | Attestation): Record<string, unknown> => {
  try {
    const value: unknown = JSON.parse(Buffer.from(answer.response.clientDataJSON, 'base64url').toString())
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {} // what is no JSON is refused like any other that is not an object
  throw new Refusal('passkey-unreadable')
}

/** The library throws an Error for each thing that is not as it should be; to us each is an expected no. */
const orRefusal = async <T>(verify: () => Promise<T>): Promise<T> => {
  try {
    return await verify()
  } catch (cause) {
    throw refused(cause)
  }
}

const refused = (cause: unknown) => new Refusal('passkey-refused', { cause })

/** What a browser sent as JSON. @throws Refusal `bad-request` */
export const parsed = <S extends z.ZodType>(shape: S, text: string): z.output<S> => {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    json = undefined
  }
  return checked(shape, json)
}

/** What a browser sent. @throws Refusal `bad-request` */
export const checked = <S extends z.ZodType>(shape: S, value: unknown): z.output<S> => {
  const result = shape.safeParse(value)
  if (result.success) return result.data
  throw new Refusal('passkey-unreadable')
}
