/** Secret keys as the reader meets them: lent for a piece of work, asked, and never handed out. */
import type { Recipient } from './reader/cms.ts'

/** What a message was encrypted with; the algorithm is null where the message itself names it (RFC 9580 §5.1). */
export type SessionKey = { algorithm: string | null; data: Uint8Array }

/** The keys, lent for the time of a callback. */
export interface OpenKeys {
  /** Key ids that a recipient packet for us can name, lower-case hex (RFC 9580 §5.1). */
  ids(): Promise<Set<string>>
  /**
   * Session keys of the message's recipient packets that are ours (RFC 9580 §5.1); passwords are never tried.
   *
   * @param message binary OpenPGP message
   * @returns none where none of them opens; `algorithm` is null where the encrypted data says it itself (SEIPDv2)
   */
  unwrap(message: Uint8Array): Promise<SessionKey[]>
  /** Armored signature over the octets (RFC 9580 §10.4). @throws Refusal `bad-key` if no key here can sign */
  signDetached(octets: Uint8Array): Promise<string>
  /** The text in the cleartext signature framework (RFC 9580 §7). @throws Refusal `bad-key` if no key here can sign */
  signCleartext(text: string): Promise<string>
  /** The user's S/MIME identities, lent for the same time. */
  identities: OpenIdentities
}

/** An S/MIME certificate whose private key is in the keyring; all in DER (RFC 5280). */
export type OwnCertificate = {
  /** SHA-256 of the certificate, lower-case hexadecimal. */
  fingerprint: string
  certificate: Uint8Array
  /** Those on its way to an authority, as far as they came along. */
  chain: Uint8Array[]
}

/** Private keys of S/MIME identities, asked like the others. */
export interface OpenIdentities {
  /** The newest first. What each may be used for, and whether that is so today, stands in the certificates. */
  certificates: OwnCertificate[]
  /**
   * The content key of an encrypted CMS message (RFC 5652 §6.2), from each of its recipients that is one of ours. Of a
   * message that was tampered with it is a random one: that it is wrong shows in the content alone (no oracle).
   *
   * @param length of the content key, in octets
   * @returns null where none of the recipients is ours; none where the way to it is not known here
   */
  contentKeys(recipients: Recipient[], length: number): Uint8Array[] | null
  /**
   * The signature of the identity's key over signed attributes (RFC 5652 §5.4).
   *
   * @param fingerprint of one of `certificates`
   * @param hash as Node names it; null for a key that hashes by itself
   */
  sign(fingerprint: string, hash: string | null, octets: Uint8Array): Uint8Array
}
