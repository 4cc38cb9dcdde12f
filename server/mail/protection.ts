/**
 * A letter on its way out, signed and encrypted as it was asked for: to each kind of recipients a message of that kind, and
 * each so that its writer can read the copy. What opens a key or reads one is asked of child processes.
 */
import { separateOctetsLimit } from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'
import type { Keyrings } from '../keys/keyrings.ts'
import type { Addressed } from '../locked/composing.ts'
import type { CryptoPool } from '../locked/crypto-pool.ts'
import type { Kind } from '../locked/key-uses.ts'
import type { Opening } from '../locked/vault/secret-keys.ts'
import type { User } from '../people/users.ts'
import type { Kinds, Plan } from './kinds.ts'
import type { Outgoing } from './outbox.ts'

type Asked = { sign: boolean; encrypt: boolean }
type Lend = <T>(work: (opening: Opening) => Promise<T>) => Promise<T>

export class Protection {
  readonly #pool: CryptoPool
  readonly #keyrings: Keyrings
  readonly #kinds: Kinds

  constructor(options: { pool: CryptoPool; keyrings: Keyrings; kinds: Kinds }) {
    this.#pool = options.pool
    this.#keyrings = options.keyrings
    this.#kinds = options.kinds
  }

  /**
   * The finished messages and whom each goes to. A Bcc of an encrypted letter is a message of its own, and so is each kind.
   *
   * @param lend the key, by the session's allowance for signing
   * @returns `copy` where none of them can be read by who wrote it: what is to be kept instead, encrypted to nobody yet
   */
  async protect(
    user: User,
    message: Uint8Array,
    letter: Asked,
    addressed: Addressed,
    plan: Plan,
    lend: Lend,
  ): Promise<{ mails: Outgoing[]; copy: Uint8Array | null }> {
    const { id: userId, address: sender } = user
    if (!letter.sign && !letter.encrypt)
      return { mails: [{ userId, sender, recipients: addressed.all, octets: message }], copy: null }
    const groups = letter.encrypt
      ? groupsOf(addressed, plan)
      : [{ recipients: addressed.all, kind: plan.kindOf(sender) }]
    const own = await this.#ownRecipients(user, letter, groups)
    // What is only kept is nowhere but here; what leaves could be read on the way by who took the key.
    const byOpenpgp = letter.encrypt && groups.some(({ kind }) => kind === 'openpgp')
    if (byOpenpgp && (await this.#keyrings.copyKey(userId))?.uses.revoked?.hard)
      throw new Refusal('own-key-revoked', { detail: { reason: 'own-key-revoked' } })
    if (groups.length > 1 && groups.length * message.length > separateOctetsLimit)
      throw new Refusal('bcc-large', { values: { mails: groups.length } })
    // First the one of which its writer can read a copy.
    groups.sort((a, b) => own[b.kind].length - own[a.kind].length)
    const all = async (opening: Opening | null) => {
      const mails: Outgoing[] = []
      for (const { recipients, kind } of groups) {
        const encryptTo = letter.encrypt ? encryptedTo(plan, kind, recipients) : []
        const octets = await this.#protectOne(userId, message, opening, plan, {
          kind,
          encryptTo,
          copyTo: own[kind],
          recipients,
        })
        mails.push({ userId, sender, recipients, octets })
      }
      return mails
    }
    const mails = letter.sign ? await lend(all) : await all(null)
    const canRead = !letter.encrypt || own[groups[0]!.kind].length > 0
    return { mails, copy: canRead ? null : message }
  }

  async #protectOne(
    userId: number,
    message: Uint8Array,
    opening: Opening | null,
    { smime, signer }: Plan,
    to: { kind: Kind; encryptTo: Uint8Array[]; copyTo: Uint8Array[]; recipients: string[] },
  ): Promise<Uint8Array> {
    const { kind, encryptTo, copyTo, recipients } = to
    const user = { user: userId }
    if (kind === 'openpgp') {
      const keys = { encryptTo, copyTo }
      return opening
        ? this.#pool.run(userId, 'signAndProtect', { opening, message, ...keys })
        : this.#pool.run('reading', 'encrypt', { message: [message], ...keys }, user)
    }
    const isAuthenticated = recipients.every((address) => smime.get(address.toLowerCase())?.takesGcm)
    const certificates = { encryptTo: distinct([...encryptTo, ...copyTo]), isAuthenticated }
    if (!opening || !signer)
      return this.#pool.run('reading', 'encryptBySmime', { message: [message], ...certificates }, user)
    const task = { opening, message, signer, ...certificates }
    return this.#pool.run(userId, 'signAndProtectBySmime', task)
  }

  /** Of an encrypted letter, what it is encrypted to so that its writer can read it. */
  async #ownRecipients(
    user: User,
    { encrypt }: Asked,
    groups: { kind: Kind }[],
  ): Promise<Record<Kind, Uint8Array[]>> {
    const has = (kind: Kind) => encrypt && groups.some((group) => group.kind === kind)
    const certificate = has('smime') ? await this.#kinds.ownCertificate(user) : null
    return {
      openpgp: has('openpgp') ? await this.#ownKey(user) : [],
      smime: certificate ? [certificate.certificate] : [],
    }
  }

  /**
   * A message encrypted to the user's own key, header fields that lists need outside; as it is without a key.
   *
   * @param message in pieces, which are let go of
   */
  async toSelf(user: User, message: Uint8Array[]): Promise<Uint8Array> {
    const copyTo = await this.#ownKey(user)
    const sent = () => void message.splice(0)
    if (copyTo.length > 0)
      return this.#pool.run('reading', 'encrypt', { message, encryptTo: [], copyTo }, { user: user.id, sent })
    const certificate = await this.#kinds.ownCertificate(user)
    if (!certificate) return Buffer.concat(message)
    const task = { message, encryptTo: [certificate.certificate], isAuthenticated: true }
    return this.#pool.run('reading', 'encryptBySmime', task, { user: user.id, sent })
  }

  /** The user's own public key, to encrypt copies to; empty for a user without one that reads. */
  async #ownKey(user: User): Promise<Uint8Array[]> {
    const key = await this.#keyrings.copyKey(user.id)
    return key ? [key.publicKey] : []
  }

  async canReadCopies(user: User): Promise<boolean> {
    return (await this.#ownKey(user)).length > 0 || (await this.#kinds.ownCertificate(user)) !== null
  }
}

/** Whoever a Bcc goes to gets a message of their own. */
const groupsOf = ({ to, cc, all }: Addressed, { kindOf }: Plan): { recipients: string[]; kind: Kind }[] => {
  const seen = [...new Set([...to, ...cc].map(({ address }) => address))]
  const unseen = all.filter((address) => !seen.includes(address))
  const ofKind = (kind: Kind) => ({ kind, recipients: seen.filter((address) => kindOf(address) === kind) })
  return [
    ...[ofKind('openpgp'), ofKind('smime')].filter(({ recipients }) => recipients.length > 0),
    ...unseen.map((address) => ({ kind: kindOf(address), recipients: [address] })),
  ]
}

const encryptedTo = ({ openpgp, smime }: Plan, kind: Kind, recipients: string[]): Uint8Array[] =>
  distinct(
    recipients.map((address) =>
      kind === 'openpgp' ? openpgp.get(address.toLowerCase())! : smime.get(address.toLowerCase())!.der,
    ),
  )

const distinct = (keys: Uint8Array[]): Uint8Array[] => [
  ...new Map(keys.map((key) => [Buffer.from(key).toString('base64'), key])).values(),
]
