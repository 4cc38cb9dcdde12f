/**
 * Whether a certificate comes from an authority that the operator named (RFC 5280 §6): signed link by link, each within its
 * dates and allowed to sign, and on no revocation list that was given. Nothing is fetched.
 */
import { type KeyObject, verify } from 'node:crypto'
import { cmsLimits } from '../../ground/limits.ts'
import { type Node, readDer } from './asn1.ts'
import { algorithmOf } from './cms.ts'
import { hashOfSignature } from './cms-algorithms.ts'
import { areAllowed } from './name-constraints.ts'
import { type MailCertificate, readX509 } from './x509.ts'

/** Certificates and revocation lists that the operator named, in DER. */
export type Authorities = { certificates: Uint8Array[]; revocationLists: Uint8Array[] }

export type Trust =
  /** From an authority that was named. */
  | 'trusted'
  /** From nobody who was named. */
  | 'unknown'
  /** From one who was, but not at that time, or not for mail, or taken back. */
  | 'expired'
  | 'revoked'
  | 'unfit'

/**
 * What is wrong with what the operator named: the first kind of which something cannot be read, for what is passed over in
 * silence vouches for the wrong ones; and how many lists have ended, of which newer ones are to be had.
 */
export const examineAuthorities = (
  { certificates, revocationLists }: Authorities,
  now: number,
): { unreadable: keyof Authorities | null; ended: number } => {
  const lists = revocationLists.flatMap(readList)
  const ended = lists.filter(({ until }) => until !== null && until < now).length
  if (readable(certificates).length < certificates.length) return { unreadable: 'certificates', ended }
  const isWhole = lists.length === revocationLists.length && lists.every(({ revoked }) => areEntries(revoked))
  return { unreadable: isWhole ? null : 'revocationLists', ended }
}

const areEntries = (revoked: Map<string, Node>): boolean => {
  try {
    return [...revoked.values()].every((entry) => {
      const [serial, at] = entry.members
      return serial!.content.length > 0 && Number.isFinite(at!.time) && isCompromised(entry) !== null
    })
  } catch {
    return false
  }
}

/** Judges the certificates of one message. What many of them need, such as to read long lists, is done once. */
export class Judge {
  readonly #among: MailCertificate[]
  readonly #authorities: Authorities
  #named: { roots: MailCertificate[]; lists: RevocationList[] } | null = null
  readonly #issuers = new Map<string, MailCertificate[]>()
  #checks = 0

  /** @param among all certificates that came with the message */
  constructor(among: MailCertificate[], authorities: Authorities) {
    this.#among = among
    this.#authorities = authorities
  }

  /** @param at Unix milliseconds: when it was used */
  trustIn(certificate: MailCertificate, at: number): Trust {
    const { certificates, revocationLists } = this.#authorities
    if (certificates.length === 0) return 'unknown'
    this.#named ??= { roots: readable(certificates), lists: revocationLists.flatMap(readList) }
    const { roots, lists } = this.#named
    let best: Trust = 'unknown'
    // Authorities sign one another: of several ways the best one counts.
    for (const chain of this.#chainsOf(certificate, roots)) {
      const trust = judged(chain, lists, at)
      if (ranking.indexOf(trust) < ranking.indexOf(best)) best = trust
      if (best === 'trusted') break
    }
    return best
  }

  /**
   * The ways from the certificate to an authority that was named, the shortest first. Who sends certificates that all sign
   * one another makes more of them than can be walked: after so many steps there are no more.
   */
  *#chainsOf(certificate: MailCertificate, roots: MailCertificate[]): Generator<MailCertificate[]> {
    let ways = [[certificate]]
    for (let steps = 0; ways.length > 0; ) {
      const longer: MailCertificate[][] = []
      for (const way of ways) {
        const last = way.at(-1)!
        if (roots.some(({ fingerprint }) => fingerprint === last.fingerprint)) yield way
        else if (way.length <= cmsLimits.chain && ++steps <= cmsLimits.chainSteps)
          for (const issuer of this.#issuersOf(last, roots))
            if (!way.some(({ fingerprint }) => fingerprint === issuer.fingerprint))
              longer.push([...way, issuer])
      }
      ways = longer.slice(0, cmsLimits.chainSteps)
    }
  }

  #issuersOf(certificate: MailCertificate, roots: MailCertificate[]): MailCertificate[] {
    const { fingerprint } = certificate
    const found =
      this.#issuers.get(fingerprint) ??
      [...roots, ...this.#among].filter((issuer) => this.#isIssuedBy(certificate, issuer))
    this.#issuers.set(fingerprint, found)
    return found
  }

  #isIssuedBy({ x509 }: MailCertificate, issuer: MailCertificate): boolean {
    try {
      if (!x509.checkIssued(issuer.x509) || !isSoundHash(x509.raw)) return false
      return ++this.#checks <= cmsLimits.chainChecks && x509.verify(issuer.x509.publicKey)
    } catch {
      return false
    }
  }
}

const ranking: Trust[] = ['trusted', 'revoked', 'expired', 'unfit', 'unknown']

/** What cannot be read in a certificate fits nothing. */
const judged: typeof trustThrough = (...given) => {
  try {
    return trustThrough(...given)
  } catch {
    return 'unfit'
  }
}

const trustThrough = (chain: MailCertificate[], lists: RevocationList[], at: number): Trust => {
  if (chain.some((each, index) => each.isBeyondUs || (index > 0 && !isFitIssuer(each, chain, index))))
    return 'unfit'
  if (chain.some(({ from, until }) => at < from || at > until)) return 'expired'
  const isTakenBack = (each: MailCertificate, index: number) =>
    chain[index + 1] !== undefined && isRevoked(each, chain[index + 1]!, lists, at)
  return chain.some(isTakenBack) ? 'revoked' : 'trusted'
}

export const readable = (certificates: Uint8Array[]): MailCertificate[] =>
  certificates.flatMap((der) => {
    try {
      return [readX509(der)]
    } catch {
      return [] // what is odd in one spoils no other
    }
  })

/** A signature by a method that can be forged vouches for nothing. */
const isSoundHash = (der: Uint8Array): boolean => {
  const [, algorithm] = readDer(der).members
  return hashOfSignature(algorithmOf(algorithm)) !== null
}

/** Whether it may issue what stands before it in the chain. */
const isFitIssuer = (issuer: MailCertificate, chain: MailCertificate[], index: number): boolean => {
  if (!issuer.isAuthority || !issuer.isForMail || issuer.isWeak) return false
  const { nameConstraints } = issuer
  if (nameConstraints && !chain.slice(0, index).every((each) => areAllowed(each, nameConstraints)))
    return false
  const deepest = pathLength(issuer.der)
  return deepest === null || index - 1 <= deepest
}

/** How many authorities may stand between it and the certificate (RFC 5280 §4.2.1.9). */
const pathLength = (der: Uint8Array): number | null => {
  const text = readDer(der).members[0]!.members.find((each) => each.is('context', 3))
  for (const each of text?.members[0]?.members ?? []) {
    const [id, ...rest] = each.members
    if (id!.objectIdentifier !== '2.5.29.19') continue
    const [, length] = readDer(rest.at(-1)!.content).members
    return length?.number ?? null
  }
  return null
}

type RevocationList = {
  issuer: Uint8Array
  body: Node
  algorithm: Node
  signature: Uint8Array
  /** By their numbers, in hexadecimal. */
  revoked: Map<string, Node>
  /** When the next one was to come; null where it does not say. */
  until: number | null
}

/** A CertificateList (RFC 5280 §5.1). */
const readList = (octets: Uint8Array): RevocationList[] => {
  try {
    const [body, algorithm, signature] = readDer(octets).members
    const parts = body!.members
    if (parts[0]!.is('universal', 2)) parts.shift() // its version
    const [, issuer, , ...rest] = parts
    // Its next date and the list itself may be missing; extensions come last.
    const isTime = rest[0]?.is('universal', 23) || rest[0]?.is('universal', 24)
    const until = isTime ? rest[0]!.time : null
    const revoked = bySerial(rest.find((each) => each.is('universal', 16))?.members ?? [])
    return [
      { issuer: issuer!.der, body: body!, algorithm: algorithm!, signature: signature!.bits, revoked, until },
    ]
  } catch {
    return []
  }
}

const bySerial = (entries: Node[]) => {
  const found = new Map<string, Node>()
  // Of a number that is there twice the first entry counts.
  for (const entry of entries.toReversed()) found.set(numberIn(entry), entry)
  return found
}

const numberIn = ({ members: [serial] }: Node) => Buffer.from(serial!.content).toString('hex')

const isRevoked = (
  certificate: MailCertificate,
  issuer: MailCertificate,
  lists: RevocationList[],
  at: number,
): boolean => {
  const [name, serial] = readDer(certificate.issuerAndSerial).members
  const number = Buffer.from(serial!.content).toString('hex')
  return lists.some((list) => {
    if (Buffer.compare(list.issuer, name!.der) !== 0) return false
    const entry = list.revoked.get(number)
    // What was taken back is taken back for what it signed earlier too where the key may be another's since.
    if (!entry || (entry.members[1]!.time > at && !isCompromised(entry))) return false
    const hash = hashOfSignature(algorithmOf(list.algorithm))
    return hash !== null && isSignedBy(list, hash, issuer.x509.publicKey)
  })
}

/** keyCompromise or cACompromise (RFC 5280 §5.3.1), or no reason at all. */
const isCompromised = (entry: Node): boolean => {
  for (const each of entry.members[2]?.members ?? []) {
    const [id, ...rest] = each.members
    if (id!.objectIdentifier !== '2.5.29.21') continue
    return [0, 1, 2].includes(readDer(rest.at(-1)!.content).content[0] ?? 0)
  }
  return true
}

const isSignedBy = ({ body, signature }: RevocationList, hash: string, key: KeyObject): boolean => {
  try {
    return verify(hash === 'none' ? null : hash, body.der, key, signature)
  } catch {
    return false
  }
}
