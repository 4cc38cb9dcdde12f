/** The header fields to show where encryption or a signature protects some of them (RFC 9788). */
import { type Field, soleAddress } from './headers.ts'
import type { Entity } from './tree.ts'

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

/**
 * The header fields to show (RFC 9788 §4). A field of the payload counts only if something protects it: encryption,
 * or a good signature; and only if the payload itself says so, since forwarded parts have headers too.
 */
export const effectiveFields = (
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
