/** Whose a mail address is: one of this server's users, nobody's in a domain of ours, or another server's. */
import { domainToASCII, domainToUnicode } from 'node:url'
import type { Config } from '../ground/config.ts'
import type { User, Users } from './users.ts'

type Asked = { config: Pick<Config, 'domains'>; users: Pick<Users, 'byAddress' | 'areIn'> }

/**
 * @param address with a domain; how its letters are written does not matter, nor whether the domain is in Punycode
 * @returns the user, `unknown` in a domain of ours, or `elsewhere`
 */
export const recipientOf = async (
  address: string,
  { config, users }: Asked,
): Promise<User | 'unknown' | 'elsewhere'> => {
  const domain = address.slice(address.lastIndexOf('@') + 1)
  const isOurs = config.domains
    ? config.domains.some((own) => comparable(own) === comparable(domain))
    : await users.areIn([domain.toLowerCase(), domainToASCII(domain), domainToUnicode(domain)])
  if (!isOurs) return 'elsewhere'
  for (const each of new Set([address, withoutTag(address)]))
    for (const written of new Set([asciiDomain(each), unicodeDomain(each)])) {
      const user = await users.byAddress(written)
      if (user) return user
    }
  return 'unknown'
}

/** The address that a subaddress belongs to (RFC 5233): `ann+list@` comes to ann, unless somebody is called just that. */
export const withoutTag = (address: string) => address.replace(/^([^+@]+)\+[^@]*(?=@)/, '$1')

/** The address with its domain as DNS knows it (RFC 5890), for peers without SMTPUTF8. */
export const asciiDomain = (address: string) => withDomain(address, domainToASCII)

const unicodeDomain = (address: string) => withDomain(address, domainToUnicode)

const withDomain = (address: string, change: (domain: string) => string) => {
  const at = address.lastIndexOf('@') + 1
  return at === 0 ? address : address.slice(0, at) + (change(address.slice(at)) || address.slice(at))
}

const comparable = (domain: string) => domainToASCII(domain) || domain.toLowerCase()
