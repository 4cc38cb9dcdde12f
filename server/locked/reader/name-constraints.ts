/** Which names an authority may give (RFC 5280 §4.2.1.10), as far as names for mail go: addresses, and whose they are. */
import type { Node } from './asn1.ts'
import { latin1 } from './charsets.ts'

/** Of an authority: what it may name, if that is restricted, and what it may not. Bases are lower-case text, or names in DER. */
export type NameConstraints = { permitted: Bases; excluded: Bases }
type Bases = { addresses: string[]; names: Uint8Array[][] }

/** What is to be named: addresses in lower case, and the relative names of the subject in DER. */
export type Named = { addresses: string[]; name: Uint8Array[] }

/** @throws NotBer */
export const readNameConstraints = (extension: Node): NameConstraints => {
  const found = { permitted: basesOf(undefined), excluded: basesOf(undefined) }
  for (const part of extension.members) {
    if (part.is('context', 0)) found.permitted = basesOf(part)
    if (part.is('context', 1)) found.excluded = basesOf(part)
  }
  return found
}

const basesOf = (subtrees: Node | undefined): Bases => {
  const bases: Bases = { addresses: [], names: [] }
  for (const subtree of subtrees?.members ?? []) {
    const [base] = subtree.members
    if (base?.is('context', 1)) bases.addresses.push(latin1(base.content).toLowerCase())
    if (base?.is('context', 4)) bases.names.push(base.members[0]!.members.map(({ der }) => der))
  }
  return bases
}

/** Whether all of the names are allowed. Of a kind for which nothing is permitted by name, everything is. */
export const areAllowed = ({ addresses, name }: Named, { permitted, excluded }: NameConstraints): boolean => {
  const isWithin = (address: string) => (base: string) => isAddressWithin(address, base)
  const isBelow = (base: Uint8Array[]) => base.every((each, place) => isSame(each, name[place]))
  return (
    addresses.every(
      (address) =>
        (permitted.addresses.length === 0 || permitted.addresses.some(isWithin(address))) &&
        !excluded.addresses.some(isWithin(address)),
    ) &&
    (permitted.names.length === 0 || name.length === 0 || permitted.names.some(isBelow)) &&
    !(name.length > 0 && excluded.names.some(isBelow))
  )
}

/** One mailbox, all of a host, or all of the hosts below a domain. */
const isAddressWithin = (address: string, base: string): boolean => {
  if (base.includes('@')) return address === base
  const host = address.slice(address.lastIndexOf('@') + 1)
  return base.startsWith('.') ? host.endsWith(base) : host === base
}

const isSame = (one: Uint8Array, other: Uint8Array | undefined) =>
  other !== undefined && Buffer.compare(one, other) === 0
