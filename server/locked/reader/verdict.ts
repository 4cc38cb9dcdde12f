/** What is said of a mail's signature: the seal, or why there is none. */
import { dateToleranceMs } from '../../ground/limits.ts'
import type { Seen } from './coverage.ts'
import { dateOf, type Field, soleAddress } from './headers.ts'
import type { Check, Signature } from './signatures.ts'

export const verdict = (check: Check, seen: Seen, fields: Field[], wasFrom: string | null): Signature => {
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
    if (check.at === null)
      return mismatch('The signature does not say when it was made: it may be an old mail sent again.')
    if (Math.abs(date - check.at) > dateToleranceMs) {
      return mismatch('The mail was signed at another time than it says: it may be an old mail sent again.')
    }
  }
  return result
}
