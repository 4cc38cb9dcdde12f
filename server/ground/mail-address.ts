/** What a mail address is here, for logins and for recipients. */
import { Refusal } from './refusal.ts'

/** A mail address as a login: lower case, no quoting (RFC 5321 §4.1.2 Dot-string, UTF-8 as in RFC 6531). */
export const mailAddress = (text: string): string => {
  const address = text.trim().toLowerCase()
  if (address.length > 254 || !/^[^\s@<>()[\]\\,;:"\p{Cc}]+@[^\s@<>()[\]\\,;:"\p{Cc}]+$/u.test(address))
    throw new Refusal('address-malformed', { values: { text: oneLine(text) } })
  return address
}

/**
 * A word by which a user is found, such as a number that somebody gave them, as it is compared: lower case, and digits of
 * full width are digits.
 */
export const aliasIn = (typed: string): string => typed.normalize('NFKC').trim().toLowerCase()

/** As a sentence may quote it. */
export const oneLine = (text: string) =>
  text
    .replace(/[\p{Cc}\p{Cf}]+/gu, ' ')
    .trim()
    .slice(0, 200)
