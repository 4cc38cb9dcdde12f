/**
 * By which kind of protection a letter goes, OpenPGP or S/MIME: for each recipient one that they can read, the same for
 * all where there is one. Where there is none, the writer decides: a letter of each kind, or none of it encrypted.
 */
import { Refusal } from '../ground/refusal.ts'
import type { Identities, OwnIdentity } from '../keys/identities.ts'
import type { Keyrings } from '../keys/keyrings.ts'
import type { Kind } from '../locked/key-uses.ts'
import type { User } from '../people/users.ts'
import type { Correspondents, Readers, Unreachable } from './correspondents.ts'

/** What a letter asks for. `each`: each recipient gets what they can read; null: as it fits all of them. */
export type KindWanted = Kind | 'each' | null

export type Plan = Pick<Readers, Kind> & {
  /** Of a recipient; of a letter that is not encrypted the same for all. */
  kindOf(address: string): Kind
  /** Which of the user's identities signs, and which is to be encrypted to; null where S/MIME signs nothing. */
  signer: { fingerprint: string; encryptTo: string | null } | null
}

export class Kinds {
  readonly #keyrings: Keyrings
  readonly #identities: Identities
  readonly #correspondents: Correspondents

  constructor(options: { keyrings: Keyrings; identities: Identities; correspondents: Correspondents }) {
    this.#keyrings = options.keyrings
    this.#identities = options.identities
    this.#correspondents = options.correspondents
  }

  /**
   * @param addresses of all recipients
   * @throws Refusal `no-key-for` with the addresses that nothing can be encrypted to, or that read another kind than
   *   others; `bad-key` if no key of that kind can sign now
   */
  async plan(
    user: User,
    letter: { sign: boolean; encrypt: boolean; kind: KindWanted },
    addresses: string[],
  ): Promise<Plan> {
    const { sign, encrypt } = letter
    const readers = encrypt ? await this.#correspondents.readersOf(user.id, addresses, 'send') : noReaders
    const signs = sign ? await this.signs(user) : { openpgp: null, smime: null }
    const usual: Kind = signs.smime && signs.openpgp === 'no-key' ? 'smime' : 'openpgp'
    const kindOf = encrypt
      ? decided(readers, letter.kind, addresses, usual)
      : () => (letter.kind === 'smime' || letter.kind === 'openpgp' ? letter.kind : usual)
    const kinds = new Set(addresses.map(kindOf))
    if (sign && kinds.has('openpgp')) await this.#keyrings.requireSigner(user.id)
    if (sign && kinds.has('smime') && !signs.smime)
      throw new Refusal('no-identity-signs', { values: { address: user.address } })
    const own = kinds.has('smime') ? await this.ownCertificate(user) : null
    const signer = sign && signs.smime && kinds.has('smime') ? signs.smime : null
    const { openpgp, smime } = readers
    return {
      openpgp,
      smime,
      kindOf,
      signer: signer && { fingerprint: signer.fingerprint, encryptTo: own?.fingerprint ?? null },
    }
  }

  /** With what the user can sign now: whether there is an OpenPGP key at all, and which certificate. */
  async signs(user: User): Promise<{ openpgp: 'key' | 'no-key'; smime: OwnIdentity | null }> {
    const keys = await this.#keyrings.list(user.id)
    const identities = await this.#identities.list(user.id)
    // What does not name its sender is a signature by nobody whom the recipient knows.
    const smime = identities.find(
      ({ now, addresses }) => now.sign === null && addresses.includes(user.address),
    )
    return { openpgp: keys.length > 0 ? 'key' : 'no-key', smime: smime ?? null }
  }

  /** The certificate for copies to oneself, which may have ended: what is its key's stays readable. */
  async ownCertificate(user: User): Promise<OwnIdentity | null> {
    const usable = (await this.#identities.list(user.id)).filter(({ now }) => now.decrypt === null)
    return usable.find(({ now }) => now.encrypt === null) ?? usable[0] ?? null
  }

  /** What each recipient can read, and of those who can read nothing, why. */
  async readable(
    user: User,
    addresses: string[],
  ): Promise<{ kinds: Map<string, Kind[]>; missing: Unreachable[] }> {
    const readers = await this.#correspondents.readersOf(user.id, addresses, 'look up')
    const kinds = addresses.map((address): [string, Kind[]] => [
      address,
      (['openpgp', 'smime'] as const).filter((kind) => readers[kind].has(address.toLowerCase())),
    ])
    return { kinds: new Map(kinds), missing: unread(readers) }
  }
}

const noReaders: Readers = { openpgp: new Map(), smime: new Map(), missing: { openpgp: [], smime: [] } }

/** Those who read neither kind. */
const unread = ({ smime, missing }: Readers) =>
  missing.openpgp.filter(({ address }) => !smime.has(address.toLowerCase()))

/** @param usual the kind that is taken where all can read both */
const decided = (
  readers: Readers,
  wanted: KindWanted,
  addresses: string[],
  usual: Kind,
): ((address: string) => Kind) => {
  const named = wanted === 'openpgp' || wanted === 'smime' ? wanted : null
  const lacking = named ? readers.missing[named] : unread(readers)
  if (lacking.length > 0)
    throw new Refusal('no-key-for', {
      values: { missing: lacking },
      detail: {
        addresses: lacking.map(({ address }) => address),
        reasons: lacking.map(({ why }) => why),
      },
    })
  if (named) return () => named
  const reads = (kind: Kind) => addresses.every((address) => readers[kind].has(address.toLowerCase()))
  const other: Kind = usual === 'openpgp' ? 'smime' : 'openpgp'
  const one = [usual, other].find(reads)
  if (one) return () => one
  const kindOf = (address: string): Kind => (readers[usual].has(address.toLowerCase()) ? usual : other)
  if (wanted === 'each') return kindOf
  const by = (kind: Kind) => addresses.filter((address) => kindOf(address) === kind)
  throw new Refusal('kinds-differ', {
    values: { openpgp: by('openpgp'), smime: by('smime') },
    detail: { addresses: by(other), reason: 'kinds-differ' },
  })
}
