/**
 * Encrypted and signed mail (RFC 3156, RFC 9580, RFC 8551, RFC 9788): what of a mail may be shown, and who signed it. Pure
 * functions of octets; keys are only ever asked.
 *
 * Two gates stand here.
 * Decrypt gate (shapes.ts, isolated.ts, opening.ts): decrypted into the page is only what makes up the whole mail, a root
 * multipart/encrypted or S/MIME message (or a root signature directly around it) or a text body that is one armored block. Anything else
 * opens alone, so that no stranger's text can frame it, quote it or send it away (CVE-2019-10740, EFAIL).
 * Seal gate (signatures.ts, coverage.ts, verdict.ts): `valid` is said only if the signature covers all that is visible,
 * the one From address is a user id of the accepted key that made it, and the dates agree. Good cryptography alone says
 * nothing about the mail around it.
 */
import { letterFormLimit, shownTextLimit } from '../../ground/limits.ts'
import { Refusal } from '../../ground/refusal.ts'
import type { OpenKeys } from '../open-keys.ts'
import { isArmored } from './armored-blocks.ts'
import { cut, latin1 } from './charsets.ts'
import { type Believed, nobodyBelieved } from './cms-signatures.ts'
import {
  certificatesOf,
  certificatesPart,
  checkCms,
  examine,
  nothingSeen,
  readOtherwise,
  type Seen,
  textOnly,
} from './coverage.ts'
import { type Address, addressesOf, decodeHeader, fieldOf, messageIds } from './headers.ts'
import { type Isolated, isolatedOf } from './isolated.ts'
import { openWithin, type Weakness, within } from './opening.ts'
import { effectiveFields } from './protected-headers.ts'
import { type Part, plainText, type Rendering, render, restIsElsewhere } from './rendering.ts'
import { type EncryptedShape, isEncrypted, type Security, securityOf, shapeOf, signedCms } from './shapes.ts'
import { type Certificate, checkMessage, readCertificates, type Signature } from './signatures.ts'
import { contentOf, type Entity, parseMail, partById } from './tree.ts'
import { verdict } from './verdict.ts'

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
  security: Security
  /** Encrypted, but kept apart by the decrypt gate: each opens in a view of its own, by this id. */
  isolated: { id: string; name: string }[]
  signature: Signature
  /** Of opened S/MIME, what its encryption does not keep; else null. */
  weakness: Weakness | null
  /** Of a valid S/MIME signature, what can be learned from it: the signature without what it signs; else null. */
  signedWith: Uint8Array | null
}

/** The mail as it came; no key is asked. Signatures are checked against the certificates. */
export const read = async (
  octets: Uint8Array,
  certificates: Certificate[],
  smime: Believed = nobodyBelieved,
): Promise<Mail> => {
  const root = parseMail(octets)
  const shape = shapeOf(root)
  const isolated = isolatedOf(root)
  if (isEncrypted(shape)) {
    const seen = { ...nothingSeen(root), rendering: textOnly(asItCame(shape)) }
    return assemble(root, seen, { encrypted: false, security: 'encrypted', isolated: [], weakness: null })
  }
  const seen = await examine(root, { keys: await readCertificates(certificates), smime })
  return assemble(root, seen, { encrypted: false, security: seen.security, isolated, weakness: null })
}

/** What is encrypted, where it came as text. */
const asItCame = (shape: EncryptedShape): string => {
  if (shape.kind === 'encrypted-inline') return plainText(shape.text)
  const { data } = shape
  if (!data) return ''
  if (shape.kind === 'encrypted-mime')
    return isArmored(contentOf(data)) ? plainText({ ...data, parameters: new Map() }) : ''
  return contentOf(data) === data.body ? '' : latin1(data.body.subarray(0, shownTextLimit))
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
  smime: Believed = nobodyBelieved,
): Promise<Mail> => {
  const mail = parseMail(octets)
  const opened = await openWithin(mail, part ?? '', keys)
  const accepted = await readCertificates(certificates)
  const seen = await examine(opened.root, { keys: accepted, smime })
  if (opened.combined) {
    // The signature that came with the encryption covers all that it carried, and speaks before any inside.
    seen.check = await checkMessage(opened.combined, accepted)
    Object.assign(seen, opened.isReadOtherwise ? readOtherwise : { partial: false })
  }
  if (!opened.isWhole) seen.partial = true
  const { weakness } = opened
  if (weakness && !part && seen.check.status === 'none') Object.assign(seen, aroundIt(mail, smime))
  // What may have been changed must not be able to ask for anything (CVE-2017-17688): no HTML, signed or not.
  if (weakness?.isMalleable) seen.rendering.html = null
  // What is encrypted once more within it opens alone, too.
  const isolated = isolatedOf(opened.root).map((each) => ({
    ...each,
    id: `${part ?? ''}${within}${each.id}`,
  }))
  return assemble(opened.message, seen, { encrypted: true, security: 'encrypted', isolated, weakness })
}

/** What an S/MIME signature around the encryption says, where none is within (RFC 8551 §3.7). */
const aroundIt = (mail: Entity, smime: Believed): Partial<Seen> => {
  const shape = signedCms(mail)
  if (!shape) return {}
  return { check: checkCms(shape, smime), partial: true, partialReason: outerOnly }
}
const outerOnly =
  'The signature stands around the encryption, not within: who made it need not know what the mail says.'

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
  const isEncrypted = part !== undefined || securityOf(shapeOf(root)) === 'encrypted'
  if (isEncrypted) {
    if (!keys) return ids.map(() => null)
    root = (await openWithin(root, part ?? '', keys)).root
  }
  // What is listed may be had, nothing else: the parts of encryption and signature have no address.
  const listed = render(root).attachments
  let rest = letterFormLimit
  return ids.map((id) => {
    if (id === certificatesPart.id) {
      const octets = certificatesOf(root)
      return octets && { ...certificatesPart, octets }
    }
    const entity = partById(root, id)
    const attachment = listed.find((each) => each.id === id)
    if (!entity || !attachment || entity.type.startsWith('multipart/')) return null
    rest -= attachment.size
    if (rest < 0 && ids.length > 1) throw new Refusal('files-large')
    return { name: attachment.name, type: entity.type, octets: contentOf(entity) }
  })
}

/** One attachment, likewise; null where there is none of that id. */
export const partOf = async (octets: Uint8Array, id: string, keys: OpenKeys | null, within?: string) =>
  (await partsOf(octets, [id], keys, within))[0] ?? null

type Setting = { encrypted: boolean; security: Security; isolated: Isolated[]; weakness: Weakness | null }

const changeable =
  'The mail was encrypted in a way that does not show changes: its text could have been altered on its way.'

const assemble = (message: Entity, seen: Seen, setting: Setting): Mail => {
  const { payload, check } = seen
  const outer = message.fields
  const isGood = check.status === 'valid'
  const { fields, wasFrom } = effectiveFields(outer, payload, setting.encrypted, isGood, check.addresses)
  const signature = verdict(check, seen, fields, wasFrom)
  const shown = shownOf(seen.rendering)
  const { signedWith } = seen
  const toAccept =
    signedWith && signature.status === 'unknown-key' ? [{ ...certificatesPart, size: signedWith.length }] : []
  const { weakness } = setting
  if (weakness?.isMalleable && signature.status === 'none') signature.reason = changeable
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
    ...shown,
    attachments: [...shown.attachments, ...toAccept],
    security: setting.security,
    isolated: setting.isolated.map(({ id, name }) => ({ id, name })),
    signature,
    weakness,
    signedWith: signature.status === 'valid' ? signedWith : null,
  }
}

/** No page walks more than this, whatever was sent. */
const shownOf = ({ text, html, attachments, isCut }: Rendering) => {
  const isLong = isCut || text.length > shownTextLimit
  const end = isLong ? `\n\n${restIsElsewhere}\n` : ''
  return {
    text: isLong ? cut(text, shownTextLimit - end.length) + end : text,
    html: html !== null && html.length > shownTextLimit ? null : html,
    attachments,
  }
}
