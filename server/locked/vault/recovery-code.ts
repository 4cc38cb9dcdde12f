/** The recovery code: 128 bits as people write them down and type them again. */

const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** 128 bits in 26 letters and digits that cannot be taken for each other (Crockford's base 32). */
export const printedCode = (code: Uint8Array): string => {
  let bits = BigInt(`0x${Buffer.from(code).toString('hex')}`) << 2n
  let text = ''
  for (let place = 0; place < 26; place += 1, bits >>= 5n) text = digits[Number(bits & 31n)] + text
  return text.match(/.{1,5}/g)!.join('-')
}

/**
 * The octets of a printed code as people type it: with letters of either case or width, in groups of any kind, and
 * with O, I and L for the digits that they are taken for (Crockford's base 32 has none of the three).
 *
 * @returns null if it is none, also where the two bits to spare at its end are not 0: a code has one spelling
 */
export const codeOctets = (text: string): Buffer | null => {
  const plain = text.normalize('NFKC').toUpperCase()
  const letters = plain
    .replace(/[\s\p{Dash}]/gu, '')
    .replaceAll('O', '0')
    .replace(/[IL]/g, '1')
  if (!/^[0-9A-HJKMNP-TV-Z]{26}$/.test(letters)) return null
  let bits = 0n
  for (const letter of letters) bits = (bits << 5n) | BigInt(digits.indexOf(letter))
  if (bits & 3n) return null
  return Buffer.from((bits >> 2n).toString(16).padStart(32, '0'), 'hex')
}
