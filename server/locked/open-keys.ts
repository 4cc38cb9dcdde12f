/** Secret keys as the reader meets them: lent for a piece of work, asked, and never handed out. */

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
}
