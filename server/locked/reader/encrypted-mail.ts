/**
 * Encrypted and signed mail (RFC 3156, RFC 9580, RFC 9788): what of a mail may be shown, who signed it, and the way
 * back, a MIME entity signed and encrypted. Pure functions of octets; keys are only ever asked.
 *
 * Two gates stand here.
 * Decrypt gate: decrypted into the page is only what makes up the whole mail, a root multipart/encrypted (or a root
 * signature directly around it) or a text body that is one armored block. Anything else opens alone, so that no
 * stranger's text can frame it, quote it or send it away (CVE-2019-10740, EFAIL).
 * Seal gate: `valid` is said only if the signature covers all that is visible, the one From address is a user id of
 * the accepted key that made it, and the dates agree. Good cryptography alone says nothing about the mail around it.
 */
import { randomBytes } from 'node:crypto'
import {
  config,
  createMessage,
  encrypt,
  enums,
  type Key,
  type LiteralDataPacket,
  type Message,
  readSignature,
  type SignaturePacket,
} from 'openpgp'
import { clockAheadMs, letterFormLimit } from '../../ground/limits.ts'
import { Refusal } from '../../ground/refusal.ts'
import type { KeyUses } from '../key-uses.ts'
import type { OpenKeys } from '../vault/secret-keys.ts'
import { armoredBlocks, isArmored } from './armored-blocks.ts'
import {
  bareRevocations,
  beforeRevocation,
  chain,
  forCopies,
  merged,
  readCertificate,
  usesOf,
  withRevocations,
} from './certificates.ts'
import { cut, decodeText } from './charsets.ts'
import {
  type Address,
  addressesOf,
  dateOf,
  decodeHeader,
  type Field,
  fieldOf,
  messageIds,
  soleAddress,
} from './headers.ts'
import { type Isolated, isolatedOf } from './isolated.ts'
import { publicPacketsIn, split } from './key-files.ts'
import { decryptWith, encryptedMessage, readSettled } from './openpgp-messages.ts'
import { algorithmName, kindOf, micalg, packets } from './openpgp-packets.ts'
import { type Part, plainText, type Rendering, render, restIsElsewhere, textLimit } from './rendering.ts'
import { blocksOf, securityOf, shapeOf } from './shapes.ts'
import { contentOf, type Entity, isEntity, leafOf, parseMail, partById } from './tree.ts'

export type { Address } from './headers.ts'
export type { Part } from './rendering.ts'

const dateToleranceMs = 3_600_000
const signatureLimit = 20

export type Signature = {
  status: 'none' | 'valid' | 'invalid' | 'unknown-key' | 'expired' | 'mismatch'
  /** Fingerprint of the signing key's certificate, lower-case hex; of an unknown key what the signature names. */
  key: string | null
  /** The address that the key's user id names; where several do, the sender's if it is among them. */
  by: string | null
  /** When it was signed, by the signature itself. */
  at: number | null
  /** One sentence for people; '' where there is nothing to explain. */
  reason: string
}

export type Mail = {
  /** Lower-case name -> decoded value; repeated fields joined by '\n'. Protected values where there are any. */
  headers: Record<string, string>
  from: Address[]
  to: Address[]
  cc: Address[]
  replyTo: Address[]
  messageId: string | null
  references: string[]
  /** What a person reads. Of encrypted mail that is not open: the text as it came. */
  text: string
  /** Source of the HTML, for a sandboxed view. */
  html: string | null
  attachments: Part[]
  security: 'plain' | 'encrypted' | 'signed'
  /** Encrypted, but kept apart by the decrypt gate: each opens in a view of its own, by this id. */
  isolated: { id: string; name: string }[]
  signature: Signature
}

/**
 * An accepted key: its binary transferable public key, and the addresses that it may vouch for; null for all that its
 * user ids name.
 */
export type Certificate = { publicKey: Uint8Array; addresses: string[] | null }

/** The mail as it came; no key is asked. Signatures are checked against the certificates. */
export const read = async (octets: Uint8Array, certificates: Certificate[]): Promise<Mail> => {
  const root = parseMail(octets)
  const shape = shapeOf(root)
  const isolated = isolatedOf(root)
  if (securityOf(shape) === 'encrypted') {
    const text =
      shape.kind === 'encrypted-mime'
        ? shape.data && isArmored(contentOf(shape.data))
          ? plainText({ ...shape.data, parameters: new Map() })
          : ''
        : plainText((shape as { text: Entity }).text)
    const seen = { ...nothingSeen(root), rendering: textOnly(text) }
    return assemble(root, seen, { encrypted: false, security: 'encrypted', isolated: [] })
  }
  const seen = await examine(root, await readCertificates(certificates))
  return assemble(root, seen, { encrypted: false, security: seen.security, isolated })
}

/**
 * Opens the mail with the keys: its root by the decrypt gate, or one isolated `part` alone.
 *
 * @throws Refusal `not-encrypted` if there is nothing to open; `cannot-decrypt` with one sentence for every way in
 *   which decryption can fail, so that nobody learns how it failed; with another, and reason `no-key`, if it is
 *   encrypted to no key of this user; with `parts` if only parts of it are encrypted, which open alone
 */
export const open = async (
  octets: Uint8Array,
  keys: OpenKeys,
  certificates: Certificate[],
  part?: string,
): Promise<Mail> => {
  const opened = await openWithin(parseMail(octets), part ?? '', keys)
  const accepted = await readCertificates(certificates)
  const seen = await examine(opened.root, accepted)
  if (opened.combined) {
    // The signature that came with the encryption covers all that it carried, and speaks before any inside.
    seen.check = await checkMessage(opened.combined, accepted)
    Object.assign(seen, opened.isReadOtherwise ? readOtherwise : { partial: false })
  }
  if (!opened.isWhole) seen.partial = true
  // What is encrypted once more within it opens alone, too.
  const isolated = isolatedOf(opened.root).map((each) => ({
    ...each,
    id: `${part ?? ''}${within}${each.id}`,
  }))
  return assemble(opened.message, seen, { encrypted: true, security: 'encrypted', isolated })
}

/**
 * Attachments: of the mail as it came, or, with keys, of the opened mail (`part`: of that isolated part).
 *
 * @returns one for each id, in their order; null where there is none of that id
 * @throws Refusal `too-large` if they are more than a letter can take, in all
 */
export const partsOf = async (
  octets: Uint8Array,
  ids: string[],
  keys: OpenKeys | null,
  part?: string,
): Promise<({ name: string; type: string; octets: Uint8Array } | null)[]> => {
  let root = parseMail(octets)
  const isSealed = part !== undefined || securityOf(shapeOf(root)) === 'encrypted'
  if (isSealed) {
    if (!keys) return ids.map(() => null)
    root = (await openWithin(root, part ?? '', keys)).root
  }
  // What is listed may be had, nothing else: the parts of encryption and signature have no address.
  const listed = render(root).attachments
  let rest = letterFormLimit
  return ids.map((id) => {
    const entity = partById(root, id)
    const attachment = listed.find((each) => each.id === id)
    if (!entity || !attachment || entity.type.startsWith('multipart/')) return null
    rest -= attachment.size
    if (rest < 0 && ids.length > 1)
      throw new Refusal('too-large', 'The attached files are too large for one letter. Leave some out.')
    return { name: attachment.name, type: entity.type, octets: contentOf(entity) }
  })
}

/** One attachment, likewise; null where there is none of that id. */
export const partOf = async (octets: Uint8Array, id: string, keys: OpenKeys | null, within?: string) =>
  (await partsOf(octets, [id], keys, within))[0] ?? null

// ---- opening

type Sealed = { octets: Uint8Array | null; message: Entity; isWhole: boolean } & (
  | { kind: 'mime' }
  | { kind: 'text'; charset: string }
  | { kind: 'file'; name: string }
)

/** In the id of an isolated part, between what is opened first and what lies in it: `~2` lies in the opened root. */
const within = '~'
const depthLimit = 5

/** @param path '' for the root, the id of an isolated part, or several with {@link within} between them */
const openWithin = async (root: Entity, path: string, keys: OpenKeys): Promise<Opened> => {
  const [first = '', ...inner] = path.split(within)
  let opened = await openSealed(sealedOf(root, first), keys)
  for (const part of inner.slice(0, depthLimit)) {
    const sealed = sealedOf(opened.root, part || '0')
    const next = await openSealed(sealed, keys)
    // A header of its own has only a message; above any other part stands that of the mail around it.
    opened = sealed.message === opened.root ? { ...next, message: opened.message, isWhole: false } : next
  }
  return opened
}

const sealedOf = (root: Entity, part: string): Sealed => {
  if (part) {
    const found = isolatedOf(root).find(({ id }) => id === part)
    if (!found) throw new Refusal('not-found', 'There is no encrypted part of that name in this mail.')
    return isolatedSealed(found)
  }
  const shape = shapeOf(root)
  if (shape.kind === 'encrypted-mime') {
    return { kind: 'mime', octets: shape.data && binary(contentOf(shape.data)), message: root, isWhole: true }
  }
  if (shape.kind === 'encrypted-inline') return blockSealed(shape.text, 0, root, true)
  const parts = isolatedOf(root).map(({ id }) => id)
  if (!parts.length)
    throw new Refusal('not-encrypted', 'This mail is not encrypted: there is nothing to decrypt.')
  throw new Refusal(
    'cannot-decrypt',
    'Only a part of this mail is encrypted. It opens alone, in a view of its own.',
    { detail: { reason: 'parts', parts } },
  )
}

const isolatedSealed = (found: Isolated): Sealed => {
  const { message } = found
  if (found.kind === 'block') return blockSealed(found.text, found.index, message, found.isRoot)
  const octets = found.data && binary(contentOf(found.data))
  if (found.kind === 'mime') return { kind: 'mime', octets, message, isWhole: found.isRoot }
  return {
    kind: 'file',
    octets,
    message,
    isWhole: false,
    name: found.data.fileName.replace(/\.(asc|pgp|gpg)$/i, ''),
  }
}

const blockSealed = (text: Entity, index: number, message: Entity, isWhole: boolean): Sealed => {
  const block = blocksOf(text).blocks[index]!
  // The armor may name the charset (RFC 9580 §6.2.2.5), since the part's is that of the armor itself.
  const charset = block.headers.charset ?? ''
  return {
    kind: 'text',
    octets: block.octets,
    message,
    isWhole,
    charset: charset || (text.parameters.get('charset') ?? ''),
  }
}

/** Packets of an encrypted file, armored or not. */
const binary = (octets: Uint8Array): Uint8Array =>
  octets[0]! & 0x80
    ? octets
    : (armoredBlocks(latin1(octets)).find(({ type }) => type === 'MESSAGE')?.octets ?? octets)

const latin1 = (octets: Uint8Array) =>
  Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('latin1')

/** One sentence, whatever happened: a differing one would answer an attacker's question. */
const undecryptable = (cause?: unknown) =>
  new Refusal(
    'cannot-decrypt',
    'This mail could not be decrypted. It may be damaged or not be an encrypted mail at all.',
    {
      cause,
      detail: { reason: 'undecryptable' },
    },
  )

type Opened = {
  root: Entity
  /** The message whose header stands above it, and whether what was opened is all that it shows. */
  message: Entity
  isWhole: boolean
  /** The decrypted message, if signatures came with it (RFC 3156 §6.2). */
  combined: Message<Uint8Array> | null
  /** Nobody signed the charset in which the text is read, and it changes what the text says. */
  isReadOtherwise: boolean
}

const openSealed = async (sealed: Sealed, keys: OpenKeys): Promise<Opened> => {
  if (!sealed.octets?.length) throw undecryptable()
  const message = await decryptMessage(sealed.octets, keys)
  const parts = literalAndSignatures(message)
  if (!parts) throw undecryptable()
  const plain = octetsOf(parts.literal)
  const combined = parts.signatures.length ? message : null
  const rest = { message: sealed.message, isWhole: sealed.isWhole, combined, isReadOtherwise: false }
  if (sealed.kind === 'mime') return { ...rest, root: parseMail(plain) }
  // Text is one unless its first line says otherwise: a person may quote a header.
  const isText =
    sealed.kind === 'text' &&
    !(/^(content-[a-z-]+|mime-version):/i.test(latin1(plain.subarray(0, 100))) && isEntity(plain))
  if (isText) {
    const unicode = strictUtf8(plain)
    const text = unicode ?? decodeText(plain, sealed.charset)
    const isReadOtherwise = unicode === null && !isReadAsSigned(plain, sealed.charset)
    return { ...rest, isReadOtherwise, root: leafOf(Buffer.from(text), 'text/plain', 'utf-8', '') }
  }
  // An encrypted file: a whole MIME entity (mailers that break multipart/encrypted apart), a text, or just octets.
  // The name in the literal packet is the sender's to choose, and not used.
  if (isEntity(plain)) return { ...rest, root: parseMail(plain) }
  const name = sealed.kind === 'file' ? sealed.name : ''
  const file = leafOf(plain, 'application/octet-stream', '', name || 'decrypted')
  return { ...rest, root: file }
}

const strictUtf8 = (octets: Uint8Array) => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(octets)
  } catch {
    return null
  }
}

const decryptMessage = async (octets: Uint8Array, keys: OpenKeys): Promise<Message<Uint8Array>> => {
  let encrypted: ReturnType<typeof encryptedMessage>
  let sessionKeys: Awaited<ReturnType<OpenKeys['unwrap']>>
  try {
    encrypted = encryptedMessage(octets, await keys.ids())
    sessionKeys = encrypted.recipients ? await keys.unwrap(encrypted.forUnwrap) : []
  } catch (cause) {
    throw undecryptable(cause)
  }
  // That it names our key is to be read from outside; why it does not open is not said.
  if (!sessionKeys.length && encrypted.isOurs) throw undecryptable()
  if (!sessionKeys.length) {
    throw new Refusal(
      'cannot-decrypt',
      'This mail is not encrypted to any of your keys, so it cannot be opened here.',
      {
        detail: { reason: 'no-key' },
      },
    )
  }
  let cause: unknown
  for (const key of sessionKeys) {
    try {
      return await decryptWith(encrypted, key)
    } catch (failure) {
      cause = failure
    } finally {
      key.data.fill(0)
    }
  }
  throw undecryptable(cause)
}

const literalAndSignatures = (message: Message<Uint8Array>) => {
  const { packets: list } = unwrapCompressed(message)
  const literals = list.filterByTag(enums.packet.literalData) as unknown as LiteralDataPacket[]
  if (literals.length !== 1) return null
  const signatures = list.filterByTag(enums.packet.signature) as unknown as SignaturePacket[]
  return { literal: literals[0]!, signatures }
}

// There at run time, missing in the library's types.
const octetsOf = (literal: LiteralDataPacket) => (literal as unknown as { getBytes(): Uint8Array }).getBytes()
const unwrapCompressed = (message: Message<Uint8Array>) =>
  (message as unknown as { unwrapCompressed(): Message<Uint8Array> }).unwrapCompressed()

// ---- checking signatures

type Check = Omit<Signature, 'by'> & {
  /** Addresses that the key's own, unrevoked user ids name. */
  addresses: string[]
}

const noSignature: Check = { status: 'none', key: null, at: null, reason: '', addresses: [] }
const invalid = (reason: string): Check => ({ ...noSignature, status: 'invalid', reason })

const unaccepted =
  'It is signed with a key that you have not accepted, so nothing can be said about who signed it.'
const altered = 'The signature does not fit the text: one of them was changed on the way.'
const unsupported = 'The signature is of a kind that cannot be checked here.'

type Accepted = { key: Key; addresses: string[] | null }

const readCertificates = async (certificates: Certificate[]): Promise<Accepted[]> => {
  const read = certificates.map(({ publicKey, addresses }) =>
    readCertificate(publicKey).then(
      (key) => ({ key, addresses }),
      () => null,
    ),
  )
  return (await Promise.all(read)).filter((accepted) => accepted !== null)
}

const checkMessage = async (message: Message<Uint8Array>, certificates: Accepted[]): Promise<Check> => {
  const parts = literalAndSignatures(message)
  return parts ? checkSignatures(parts.literal, parts.signatures, certificates, false) : invalid(unsupported)
}

/** @param octets exactly what was signed */
const checkDetached = async (
  octets: Uint8Array,
  signature: Uint8Array,
  certificates: Accepted[],
): Promise<Check> => {
  if (kindOf(signature) !== 'signature') return noSignature
  let list: SignaturePacket[]
  try {
    const raw = packets(signature)
    if (raw.length > 100) return invalid(unsupported)
    const old = raw.find(({ tag, body }) => tag === 2 && body[0] === 3)
    if (old) return checkVersion3(old.body, certificates)
    const parsed = await readSignature({ binarySignature: signature })
    list = parsed.packets.filterByTag(enums.packet.signature) as unknown as SignaturePacket[]
  } catch {
    return invalid('The signature is damaged.')
  }
  const literal = (await createMessage({ binary: octets })).packets[0] as unknown as LiteralDataPacket
  return checkSignatures(literal, list, certificates, true)
}

/** Version 3 (RFC 4880 §5.2.2) is older than hashes that still hold: it never makes a seal, but it says whose it was. */
const checkVersion3 = (body: Uint8Array, certificates: Accepted[]): Check => {
  const id = Buffer.from(body.subarray(7, 15)).toString('hex')
  const at = body.length > 15 ? Buffer.from(body).readUInt32BE(3) * 1000 : null
  const isKnown = certificates.some(({ key }) => key.getKeys().some((one) => one.getKeyID().toHex() === id))
  if (isKnown) return { ...invalid('The signature uses a method that can be forged.'), at }
  return { ...noSignature, status: 'unknown-key', at, reason: unaccepted }
}

// Of several signatures the best one speaks: an unknown second signer takes nothing away from a known first.
const ranking: Signature['status'][] = ['valid', 'mismatch', 'expired', 'invalid', 'unknown-key', 'none']

const checkSignatures = async (
  literal: LiteralDataPacket,
  signatures: SignaturePacket[],
  certificates: Accepted[],
  detached: boolean,
): Promise<Check> => {
  let best = noSignature
  for (const signature of signatures.slice(0, signatureLimit)) {
    // Only signatures over documents (RFC 9580 §5.2.1); one over a key says nothing about a mail.
    const type = signature.signatureType as number | null
    if (type !== enums.signature.binary && type !== enums.signature.text) continue
    const check = await checkOne(literal, signature, certificates, detached)
    if (ranking.indexOf(check.status) < ranking.indexOf(best.status)) best = check
  }
  return best
}

type LowSignature = {
  signedHashValue: Uint8Array
  hash(type: number, data: unknown, toHash: undefined, detached: boolean): Promise<Uint8Array>
  verify(key: unknown, type: number, data: unknown, date: Date, detached: boolean): Promise<void>
}

const checkOne = async (
  literal: LiteralDataPacket,
  signature: SignaturePacket,
  certificates: Accepted[],
  detached: boolean,
): Promise<Check> => {
  const at = signature.created?.getTime() ?? null
  const type = signature.signatureType as number
  const low = signature as unknown as LowSignature
  const issuer = signature.issuerKeyID
  const candidates = certificates.filter(({ key }) => key.getKeys(issuer).length > 0)
  if (!candidates.length) {
    // Without the key, the two octets of the digest (RFC 9580 §5.2.3) still tell a text that was changed.
    try {
      const hash = await low.hash(type, literal, undefined, detached)
      if (hash[0] !== low.signedHashValue[0] || hash[1] !== low.signedHashValue[1])
        return { ...invalid(altered), at }
    } catch {
      return { ...invalid(unsupported), at }
    }
    const fingerprint = signature.issuerFingerprint
    const key = fingerprint ? Buffer.from(fingerprint).toString('hex') : issuer.toHex()
    return { ...noSignature, status: 'unknown-key', key, at, reason: unaccepted }
  }
  let result = invalid(altered)
  for (const { key, addresses } of candidates) {
    const signer = key.getKeys(issuer)[0]!
    const named = await addressesOfKey(key)
    const vouchedFor = named.filter((address) => addresses === null || addresses.includes(address))
    const base = { key: key.getFingerprint().toLowerCase(), at, addresses: vouchedFor }
    const failed = (status: Signature['status'], reason: string): Check => ({ ...base, status, reason })
    try {
      // The clock only tells a signature that ran out or comes from the future; keys are judged at the signing time.
      const now = Date.now()
      const isAhead = at !== null && at > now && at <= now + clockAheadMs
      await low.verify(signer.keyPacket, type, literal, new Date(isAhead ? at : now), detached)
    } catch (error) {
      const message = String(error)
      if (/Signature is expired/.test(message)) result = failed('expired', 'The signature has run out.')
      else if (/in the future/.test(message))
        result = failed('invalid', 'The signature claims to be made in the future.')
      else if (/Insecure/.test(message))
        result = failed('invalid', 'The signature uses a method that can be forged.')
      else if (/critical/.test(message)) result = failed('invalid', unsupported)
      else result = failed('invalid', altered)
      continue
    }
    return signingTimeCheck(key, signature, base)
  }
  return result
}

/** The cryptography is good; was the key allowed to sign, then? */
const signingTimeCheck = async (
  key: Key,
  signature: SignaturePacket,
  base: Omit<Check, 'status' | 'reason'>,
): Promise<Check> => {
  const failed = (status: Signature['status'], reason: string): Check => ({ ...base, status, reason })
  const { created, issuerKeyID } = signature
  if (!created) return failed('invalid', unsupported)
  const signer = key.getKeys(issuerKeyID)[0]!
  if (signer.getCreationTime() > created)
    return failed('invalid', 'The signature claims to be older than its key.')
  try {
    await key.getSigningKey(issuerKeyID, created)
  } catch (error) {
    let cause = chain(error)
    if (/in the future|self-certifications|not yet/i.test(cause)) {
      // A newer self-signature has taken the place of the one of that time: judge by what the key says now.
      try {
        await (await beforeRevocation(key, created)).getSigningKey(issuerKeyID)
        return { ...base, status: 'valid', reason: '' }
      } catch (now) {
        cause = chain(now)
      }
    }
    if (/revoked/i.test(cause)) return failed('expired', 'The key that signed it was revoked.')
    if (/expired/i.test(cause)) return failed('expired', 'The key had expired when it was signed.')
    return failed('invalid', 'The key that signed it is too weak or not meant for signing.')
  }
  return { ...base, status: 'valid', reason: '' }
}

/** Addresses in user ids that the key itself certifies and has not revoked. */
const addressesOfKey = async (key: Key): Promise<string[]> => {
  const found = new Set<string>()
  for (const { email, userID, valid } of await validUsers(key)) {
    const address = email || (/^[^\s<>()]+@[^\s<>()]+$/.test(userID) ? userID : '')
    if (valid && address) found.add(address.toLowerCase())
  }
  return [...found]
}

const validUsers = async (key: Key) => {
  const results = []
  for (const user of key.users.slice(0, 200)) {
    if (!user.userID) continue
    // Expiry is judged elsewhere; here it is about forged and revoked names, at the newest time there is.
    const valid = await user.verify().then(
      () => true,
      (error) => /expired/i.test(chain(error)) && !/revoked/i.test(chain(error)),
    )
    results.push({
      userID: user.userID.userID,
      email: user.userID.email,
      valid: valid && user.selfCertifications.length > 0,
    })
  }
  return results
}

// ---- what is seen, and what of it a signature covers

type Seen = {
  /** The entity whose header may hold protected fields (RFC 9788 §1.8: the cryptographic payload). */
  payload: Entity
  check: Check
  /** Something visible is not covered by the signature. */
  partial: boolean
  partialReason?: string
  rendering: Rendering
  security: Mail['security']
}

const textOnly = (text: string): Rendering => ({ text, html: null, attachments: [], isCut: false })

const nothingSeen = (payload: Entity): Seen => ({
  payload,
  check: noSignature,
  partial: false,
  rendering: textOnly(''),
  security: 'plain',
})

const examine = async (root: Entity, certificates: Accepted[]): Promise<Seen> => {
  const shape = shapeOf(root)
  const security = securityOf(shape)
  const plain: Seen = { ...nothingSeen(root), rendering: render(root, root), security }
  if (shape.kind === 'signed-mime') {
    const { content, signature, whole } = shape
    const check = await checkEntity(content, signature, certificates)
    return {
      ...plain,
      payload: content,
      check,
      partial: !whole,
      rendering: render(root, content),
    }
  }
  if (shape.kind === 'cleartext') return { ...plain, ...(await examineCleartext(shape.text, certificates)) }
  if (shape.kind === 'opaque') return { ...plain, ...(await examineOpaque(shape.text, certificates)) }
  // A signature further down covers only what stands beside it: it may be named, never be a seal.
  const nested = await checkNested(root, certificates)
  return nested ? { ...plain, check: nested, partial: true } : plain
}

/** RFC 3156 §5: the content with its own header, line ends CRLF, without the line break before the delimiter. */
const checkEntity = (content: Entity, signature: Entity, certificates: Accepted[]): Promise<Check> => {
  const signed = withCrlf(content.octets)
  const raw = contentOf(signature)
  const block = armoredBlocks(latin1(raw)).find(({ type }) => type === 'SIGNATURE')
  if (!block && !(raw[0]! & 0x80))
    return Promise.resolve(raw.length ? invalid('The signature is damaged.') : noSignature)
  return checkDetached(signed, block?.octets ?? raw, certificates)
}

/** By hand: as a string it takes a gigabyte for a mail of empty lines. */
const withCrlf = (octets: Uint8Array): Uint8Array => {
  let bare = 0
  for (let i = 0; i < octets.length; i++) if (octets[i] === 10 && octets[i - 1] !== 13) bare++
  if (!bare) return octets
  const out = new Uint8Array(octets.length + bare)
  let length = 0
  for (let i = 0; i < octets.length; i++) {
    const octet = octets[i]!
    if (octet === 10 && octets[i - 1] !== 13) out[length++] = 13
    out[length++] = octet
  }
  return out
}

const checkNested = async (root: Entity, certificates: Accepted[]): Promise<Check | null> => {
  // Not into attached messages: their signatures are theirs.
  for (const child of root.children) {
    if (root.type === 'message/rfc822' || root.type === 'message/global') return null
    const shape = shapeOf(child)
    if (shape.kind === 'signed-mime') return checkEntity(shape.content, shape.signature, certificates)
    if (shape.kind === 'cleartext') return (await examineCleartext(shape.text, certificates)).check
    const nested = await checkNested(child, certificates)
    if (nested) return nested
  }
  return null
}

type Inline = Pick<Seen, 'check'> & Partial<Seen>

const examineCleartext = async (entity: Entity, certificates: Accepted[]): Promise<Inline> => {
  const { blocks, isWhole } = blocksOf(entity)
  const block = blocks.find(({ type }) => type === 'SIGNED MESSAGE')!
  if (block.signedText === null)
    return { check: invalid('The signed text is malformed, or too long to be checked.') }
  // Signed are the octets of the part's charset, or the same text in UTF-8 (RFC 9580 §7.1 leaves it to the sender).
  const octets = Buffer.from(block.signedText, 'latin1')
  const charset = entity.parameters.get('charset')
  let check = await checkDetached(octets, block.octets, certificates)
  if (check.status === 'invalid') {
    const again = await checkDetached(Buffer.from(decodeText(octets, charset)), block.octets, certificates)
    if (again.status !== 'invalid') check = again
  }
  const isGood = check.status === 'valid' || check.status === 'expired' || check.status === 'mismatch'
  // Unless the signature is good there is nothing to prefer over the mail as it came.
  if (!isGood) return { check, partial: !isWhole }
  if (!isReadAsSigned(octets, charset)) return { check, ...readOtherwise }
  const text = decodeText(octets, charset).replace(/\r\n/g, '\n')
  return {
    check,
    partial: !isWhole,
    partialReason: 'There is text around the signed text. It is not signed and is left out here.',
    rendering: textOnly(text),
  }
}

const readOtherwise = {
  partial: true,
  partialReason:
    'The mail names a character set in which the signed text reads differently from how it was signed.',
}

/**
 * Whether the charset, which nobody signed, leaves the ASCII of a signed text what it is. One that does not could be
 * put on the mail by anybody, and make another text of it.
 */
const isReadAsSigned = (octets: Uint8Array, charset: string | undefined) => {
  const label = (charset ?? '').trim().replace(/^["']/, '').toLowerCase()
  if (
    /^(x-)?(cs)?(utf-?(16|32|7)|ucs|unicode(?!-1-1-utf-8)|iso-?10646|iso-?2022|hz|jis|(cp)?5022)/.test(label)
  )
    return false
  if (octets[0]! >= 0xfe && octets[1]! >= 0xfe) return false // a byte order mark of UTF-16
  // In Shift_JIS, Big5 and GBK a character may end in an octet of ASCII; text in UTF-8 is none of theirs.
  if (strictUtf8(octets) === null) return true
  const ascii = (text: string) => text.replace(/[^\x00-\x7f]+/g, '')
  return ascii(decodeText(octets, charset)) === ascii(latin1(octets))
}

/** An armored message that is signed but not encrypted, or neither. */
const examineOpaque = async (entity: Entity, certificates: Accepted[]): Promise<Inline> => {
  const block = blocksOf(entity).blocks[0]!
  try {
    packets(block.octets)
    const message = await readSettled(block.octets)
    const parts = literalAndSignatures(message)
    if (!parts) return { check: noSignature, security: 'plain' }
    const plain = octetsOf(parts.literal)
    const charset = entity.parameters.get('charset')
    const unicode = strictUtf8(plain)
    const text = (unicode ?? decodeText(plain, charset)).replace(/\r\n/g, '\n')
    const reading = unicode !== null || isReadAsSigned(plain, charset) ? {} : readOtherwise
    const check = await checkMessage(message, certificates)
    const security = parts.signatures.length ? 'signed' : 'plain'
    return { check, rendering: textOnly(text), security, ...reading }
  } catch {
    return { check: noSignature, security: 'plain' }
  }
}

// ---- headers and verdict

// RFC 9788 §1.8 calls them user-facing; from the outer header they may not be mixed with protected ones.
const userFacing = new Set([
  'from',
  'sender',
  'reply-to',
  'to',
  'cc',
  'bcc',
  'subject',
  'date',
  'message-id',
  'in-reply-to',
  'references',
  'keywords',
  'comments',
  'followup-to',
])

type Setting = { encrypted: boolean; security: Mail['security']; isolated: Isolated[] }

const assemble = (message: Entity, seen: Seen, setting: Setting): Mail => {
  const { payload, check } = seen
  const outer = message.fields
  const isGood = check.status === 'valid'
  const { fields, wasFrom } = effectiveFields(outer, payload, setting.encrypted, isGood, check.addresses)
  const signature = verdict(check, seen, fields, wasFrom)
  const headers: Record<string, string> = {}
  for (const { name, value } of fields) {
    if (name === '__proto__') continue
    const decoded = decodeHeader(value)
    headers[name] = headers[name] === undefined ? decoded : `${headers[name]}\n${decoded}`
  }
  const single = (name: string) => fieldOf(fields, name)
  return {
    headers,
    from: addressesOf(fields, 'from'),
    to: addressesOf(fields, 'to'),
    cc: addressesOf(fields, 'cc'),
    replyTo: addressesOf(fields, 'reply-to'),
    messageId: messageIds(single('message-id'))[0] ?? null,
    references: [...new Set([...messageIds(single('references')), ...messageIds(single('in-reply-to'))])],
    ...shownOf(seen.rendering),
    security: setting.security,
    isolated: setting.isolated.map(({ id, name }) => ({ id, name })),
    signature,
  }
}

/** No page walks more than this, whatever was sent. */
const shownOf = ({ text, html, attachments, isCut }: Rendering) => {
  const isLong = isCut || text.length > textLimit
  const end = isLong ? `\n\n${restIsElsewhere}\n` : ''
  return {
    text: isLong ? cut(text, textLimit - end.length) + end : text,
    html: html !== null && html.length > textLimit ? null : html,
    attachments,
  }
}

/**
 * The header fields to show (RFC 9788 §4). A field of the payload counts only if something protects it: encryption,
 * or a good signature; and only if the payload itself says so, since forwarded parts have headers too.
 */
const effectiveFields = (
  outer: Field[],
  payload: Entity,
  encrypted: boolean,
  isGood: boolean,
  signers: string[],
) => {
  const unchanged = { fields: outer, wasFrom: null as string | null }
  const inner = payload.fields
  if ((!encrypted && !isGood) || inner === outer) return unchanged
  const outerFrom = soleAddress(outer, 'from')
  const innerFrom = inner.some(({ name }) => name === 'from') ? (soleAddress(inner, 'from') ?? '') : null
  const differs = innerFrom !== null && innerFrom !== outerFrom
  // A signed sender and another on the envelope of it: whichever is shown, the other one is told.
  const wasFrom = differs
    ? `The signed part says that it is from ${innerFrom || 'somebody else'}, the mail around it says ${outerFrom ?? 'somebody else'}.`
    : null
  const hp = payload.parameters.get('hp')?.toLowerCase()
  if (hp === 'cipher' || hp === 'clear') {
    // §4.4: an inner From that no signature vouches for must not replace the outer one.
    const trusted = !differs || (isGood && innerFrom !== '' && signers.includes(innerFrom!))
    const isInner = (name: string) =>
      !name.startsWith('content-') &&
      name !== 'mime-version' &&
      name !== 'hp-outer' &&
      (name !== 'from' || (trusted && innerFrom !== null))
    const fromInner = inner.filter(({ name }) => isInner(name))
    const names = new Set(fromInner.map(({ name }) => name))
    const fromOuter = outer.filter(
      ({ name }) => !names.has(name) && (!userFacing.has(name) || name === 'from'),
    )
    return { fields: [...fromOuter, ...fromInner], wasFrom }
  }
  // The older conventions of Enigmail and KMail: the subject is what they were for, with a parameter or without one.
  // A mail whose outer subject is the one that RFC 9788 §3.2.1 puts there follows that, and has no excuse for no `hp`.
  const isEarly = encrypted && outer.find(({ name }) => name === 'subject')?.value.trim() !== '[...]'
  if (isEarly || payload.parameters.get('protected-headers')?.toLowerCase() === 'v1') {
    const subject = inner.find(({ name }) => name === 'subject')
    if (!subject) return { fields: outer, wasFrom }
    return { fields: [...outer.filter(({ name }) => name !== 'subject'), subject], wasFrom }
  }
  return unchanged
}

const verdict = (check: Check, seen: Seen, fields: Field[], wasFrom: string | null): Signature => {
  const from = soleAddress(fields, 'from')
  const { addresses, ...base } = check
  const by = from && addresses.includes(from) ? from : (addresses[0] ?? null)
  const result = { ...base, by }
  if (check.status !== 'valid') return result
  const mismatch = (reason: string): Signature => ({ ...result, status: 'mismatch', reason })
  if (seen.partial) {
    return mismatch(
      seen.partialReason ?? 'A good signature covers a part of this mail, but not all that you see.',
    )
  }
  if (!fields.some(({ name }) => name === 'from')) return mismatch('The mail does not say whom it is from.')
  if (from === null) return mismatch('The mail does not name exactly one sender.')
  if (wasFrom !== null) return mismatch(wasFrom)
  if (!addresses.includes(from)) {
    return mismatch(
      `The mail says that it is from ${from}, but the key that signed it belongs to ${by ?? 'no address'}.`,
    )
  }
  const dates = fields.filter(({ name }) => name === 'date')
  if (dates.length > 1) return mismatch('The mail has more than one date.')
  if (dates[0]) {
    const date = dateOf(dates[0].value)
    if (date === null) return mismatch('The date of the mail cannot be read.')
    if (check.at === null || Math.abs(date - check.at) > dateToleranceMs) {
      return mismatch('The mail was signed at another time than it says: it may be an old mail sent again.')
    }
  }
  return result
}

// ---- keys in mail

export type InspectedKey = {
  fingerprint: string
  publicKey: Uint8Array
  userIds: string[]
  addresses: string[]
  algorithm: string
  createdAt: number
  expiresAt: number | null
  uses: KeyUses
}

/**
 * Public keys in armored text (any number of blocks) or in binary. Left out is what must never be used: nothing
 * that binds a name to it, DSA and Elgamal, RSA under 2047 bits, curves forbidden in version 6, secret keys.
 */
export const inspectKeys = async (armoredOrBinary: Uint8Array): Promise<InspectedKey[]> => {
  const found: InspectedKey[] = []
  for (const single of certificatesIn(armoredOrBinary)) {
    const key = await inspectKey(single).catch(() => null)
    if (key && !found.some(({ fingerprint }) => fingerprint === key.fingerprint)) found.push(key)
  }
  return found
}

const certificatesIn = (armoredOrBinary: Uint8Array) =>
  publicPacketsIn(armoredOrBinary)
    .filter((source) => kindOf(source) === 'keys')
    .flatMap((source) => split(source, 6).slice(0, 100))

const inspectKey = async (octets: Uint8Array): Promise<InspectedKey | null> => {
  const key = await readCertificate(octets)
  if (key.isPrivate()) return null
  const info = key.getAlgorithmInfo()
  if (info.algorithm === 'dsa' || info.algorithm === 'elgamal') return null
  if (info.bits !== undefined && info.bits < config.minRSABits) return null
  // RFC 9580 §9.2: the legacy curve identifiers belong to version 4 keys only.
  const hasLegacyCurve = [key, ...key.subkeys].some((part) =>
    /legacy/i.test(`${part.getAlgorithmInfo().algorithm} ${part.getAlgorithmInfo().curve}`),
  )
  if (hasLegacyCurve && (key.keyPacket as unknown as { version: number }).version === 6) return null
  const users = (await validUsers(key)).filter(({ valid }) => valid)
  if (!users.length) return null
  const expires = await key.getExpirationTime().catch(() => null)
  return {
    fingerprint: key.getFingerprint().toLowerCase(),
    publicKey: key.write(),
    userIds: users.map(({ userID }) => decodeHeader(userID)),
    addresses: await addressesOfKey(key),
    algorithm: algorithmName(info),
    createdAt: key.getCreationTime().getTime(),
    expiresAt: expires instanceof Date ? expires.getTime() : null,
    uses: await usesOf(key),
  }
}

/** A stored certificate: what there is to know of it, for rows that do not have it yet. */
export const usesOfCertificate = async (publicKey: Uint8Array): Promise<KeyUses> =>
  usesOf(await readCertificate(publicKey))

/** The stored copy with what the offered one knows. */
export const mergeCertificates = async (
  stored: Uint8Array,
  offered: Uint8Array,
): Promise<{ publicKey: Uint8Array; uses: KeyUses }> => {
  const key = await merged(await readCertificate(stored), await readCertificate(offered))
  return { publicKey: key.write(), uses: await usesOf(key) }
}

export type Learned = { fingerprint: string; publicKey: Uint8Array; uses: KeyUses }

/**
 * Whose keys may be revoked by what is offered: fingerprints of certificates, and key ids of those who signed a
 * revocation that stands alone.
 */
export const revocationsOffered = async (armoredOrBinary: Uint8Array): Promise<string[]> => {
  const names: string[] = []
  for (const single of certificatesIn(armoredOrBinary)) {
    const key = await readCertificate(single).catch(() => null)
    if (key) names.push(key.getFingerprint())
  }
  for (const signature of await standingAlone(armoredOrBinary)) names.push(signature.issuerKeyID.toHex())
  return names
}

const standingAlone = async (armoredOrBinary: Uint8Array): Promise<SignaturePacket[]> => {
  const found: SignaturePacket[] = []
  for (const source of publicPacketsIn(armoredOrBinary)) {
    if (kindOf(source) !== 'signature') continue
    for (const binarySignature of bareRevocations(source))
      try {
        const { packets: list } = await readSignature({ binarySignature })
        found.push(...(list as unknown as SignaturePacket[]))
      } catch {} // of a kind that nobody here knows
  }
  return found
}

/**
 * What offered copies and revocations change in certificates that are stored. A revocation is signed by the key itself:
 * it needs nobody's consent, wherever it was found.
 *
 * @returns those that say something else now
 */
export const learnRevocations = async (
  armoredOrBinary: Uint8Array,
  stored: Uint8Array[],
): Promise<Learned[]> => {
  const alone = await standingAlone(armoredOrBinary)
  const learned: Learned[] = []
  for (const publicKey of stored) {
    const before = await readCertificate(publicKey)
    let key = await withRevocations(before, alone)
    for (const single of certificatesIn(armoredOrBinary)) {
      const copy = await readCertificate(single).catch(() => null)
      if (copy?.getFingerprint() === key.getFingerprint()) key = await merged(key, copy, 'revocations')
    }
    if (key.write().length > before.write().length)
      learned.push({ fingerprint: key.getFingerprint(), publicKey: key.write(), uses: await usesOf(key) })
  }
  return learned
}

// ---- the way out

/**
 * RFC 3156 around a finished MIME entity: signed, encrypted, or both in one (§6.2).
 *
 * @param entity its own Content-* fields first, CRLF line ends
 * @param options.copyTo the sender's own keys, which are encrypted to whether they have expired or not
 * @returns Content-Type field and body, CRLF; what gpg 2.2 can read: SEIPDv1, AES-256, not compressed
 * @throws Refusal `bad-key` if a certificate cannot be encrypted to
 */
export const protect = async (
  entity: Uint8Array,
  options: { sign: OpenKeys | null; encryptTo: Uint8Array[]; copyTo?: Uint8Array[] },
): Promise<Uint8Array> => {
  const { sign, encryptTo, copyTo = [] } = options
  const armored = sign ? await sign.signDetached(entity) : null
  if (!encryptTo.length && !copyTo.length) return armored ? signedEntity(entity, armored) : entity
  const encryptionKeys = await Promise.all([
    ...encryptTo.map(readCertificate),
    ...copyTo.map(forCopies),
  ]).catch((cause) => {
    throw new Refusal('bad-key', 'One of the recipients’ keys cannot be read. Ask for it again.', { cause })
  })
  let message: string
  try {
    message = await encrypt({
      message: await createMessage({ binary: entity }),
      encryptionKeys,
      signature: armored ? await readSignature({ armoredSignature: armored }) : undefined,
      config: {
        aeadProtect: false,
        preferredSymmetricAlgorithm: enums.symmetric.aes256,
        preferredCompressionAlgorithm: enums.compression.uncompressed,
      },
    })
  } catch (cause) {
    throw new Refusal(
      'bad-key',
      'One of the recipients’ keys cannot be used to encrypt: it is expired, revoked or too weak.',
      {
        cause,
      },
    )
  }
  const boundary = newBoundary()
  return lines(
    'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted";',
    ` boundary="${boundary}"`,
    '',
    `--${boundary}`,
    'Content-Type: application/pgp-encrypted',
    'Content-Description: PGP/MIME version identification',
    '',
    'Version: 1',
    '',
    `--${boundary}`,
    'Content-Type: application/octet-stream; name="encrypted.asc"',
    'Content-Description: OpenPGP encrypted message',
    'Content-Disposition: inline; filename="encrypted.asc"',
    '',
    message,
    `--${boundary}--`,
    '',
  )
}

/** The same for a built message: its Content-* fields and body are protected, the other fields stay outside. */
export const protectMessage = async (
  message: Uint8Array,
  options: { sign: OpenKeys | null; encryptTo: Uint8Array[]; copyTo: Uint8Array[] },
): Promise<Uint8Array> => {
  const { outer, entity } = takeApart(message)
  return Buffer.concat([outer, await protect(entity, options)])
}

const takeApart = (message: Uint8Array): { outer: Buffer; entity: Buffer } => {
  const octets = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  const end = octets.indexOf('\r\n\r\n')
  const fields = octets
    .subarray(0, end)
    .toString('latin1')
    .split(/\r\n(?![ \t])/)
  const isContent = (field: string) => /^content-/i.test(field)
  const outer = fields.filter((field) => !isContent(field))
  const entity = fields.filter(isContent)
  return {
    outer: Buffer.from(`${outer.join('\r\n')}\r\n`, 'latin1'),
    entity: Buffer.concat([Buffer.from(`${entity.join('\r\n')}`, 'latin1'), octets.subarray(end)]),
  }
}

const signedEntity = async (entity: Uint8Array, armored: string): Promise<Uint8Array> => {
  const signature = await readSignature({ armoredSignature: armored })
  const { hashAlgorithm } = signature.packets[0] as unknown as { hashAlgorithm: number }
  const boundary = newBoundary()
  const head = lines(
    `Content-Type: multipart/signed; micalg=${micalg(hashAlgorithm)};`,
    ` protocol="application/pgp-signature"; boundary="${boundary}"`,
    '',
    `--${boundary}`,
    '',
  )
  const tail = lines(
    '',
    `--${boundary}`,
    'Content-Type: application/pgp-signature; name="signature.asc"',
    'Content-Description: OpenPGP digital signature',
    'Content-Disposition: attachment; filename="signature.asc"',
    '',
    armored,
    `--${boundary}--`,
    '',
  )
  return Buffer.concat([head, entity, tail])
}

const newBoundary = () => `=_${randomBytes(18).toString('base64url')}`

const lines = (...text: string[]) => Buffer.from(text.join('\r\n').replace(/\r?\n/g, '\r\n'), 'latin1')
