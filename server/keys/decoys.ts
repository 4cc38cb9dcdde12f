/**
 * Passkeys that nobody has, for addresses at which there is no user or one without passkeys: who types an address at
 * the log-in must not learn which it is (WebAuthn L3 §14.6.2), from one answer or from many.
 *
 * All of it is made from the server secret, the address and the time, and nothing is stored. A person has one passkey,
 * sometimes more; gets another, or a new telephone, now and then; and the salts of one move when it opens the key: some
 * times a day while its owner is awake, or once in some weeks. So it is with these.
 */
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import type { Clock } from '../ground/clock.ts'
import type { ServerSecret } from '../ground/server-secret.ts'
import type { Descriptor } from './webauthn.ts'

export type Decoy = {
  /** A credential id, base64url. */
  id: string
  transports: Descriptor['transports']
}

const hourMs = 60 * 60_000
const dayMs = 24 * hourMs
/** Local time at which people's days begin, and how long they are. */
const morningMs = 7 * hourMs
const wakingMs = 16 * hourMs
/** More than these hardly anybody has: for so many the work is the same, whether somebody has them or nobody does. */
const usualMost = 8

/** How authenticators say that they are reached, in alphabetical order; of the last nothing is known. */
const usual: Descriptor['transports'][] = [
  ['hybrid', 'internal'],
  ['internal'],
  ['nfc', 'usb'],
  ['usb'],
  ['ble', 'nfc', 'usb'],
  [],
]

/**
 * What authenticators name their passkeys like: octets of the id, and how many in 256 are so and reached in each of
 * the usual ways. Telephones, computers and password managers first, then keys that are plugged in; of whatever a
 * real one may be there are some here.
 */
const makes = [
  { length: 16, shares: [44, 12, 1, 1, 1, 4] },
  { length: 20, shares: [40, 10, 1, 1, 1, 4] },
  { length: 32, shares: [14, 24, 2, 4, 1, 4] },
  { length: 48, shares: [1, 1, 16, 10, 2, 2] },
  { length: 64, shares: [2, 2, 12, 9, 3, 3] },
  { length: 65, shares: [2, 6, 1, 1, 1, 1] },
  { length: 96, shares: [1, 1, 3, 4, 1, 2] },
].flatMap(({ length, shares }) =>
  shares.flatMap((share, each) =>
    Array.from({ length: share }, () => ({ length, transports: usual[each]! })),
  ),
)

/**
 * How a passkey is said to be reached to whoever has not logged in: the least of what is usual that has all its ways
 * in it. Where there is none nothing is said, and the browser tries every way it knows.
 */
const usualTransports = (transports: Descriptor['transports']): Descriptor['transports'] => {
  const fits = usual.filter((ways) => transports.every((way) => ways.includes(way)))
  return fits.toSorted((a, b) => a.length - b.length)[0] ?? []
}

export class Decoys {
  readonly #key: KeyObject
  readonly #clock: Clock

  constructor(secret: ServerSecret, clock: Clock) {
    this.#key = createSecretKey(secret.derive('decoys'))
    this.#clock = clock
  }

  /**
   * What options name for an address: its own passkeys, or ones that look like some. The work is the same for both: as
   * many passkeys and salts are made, whether or not they are seen, and each has a salt, whether or not it opens anything.
   *
   * @param own of the address; none where there is no user
   * @param salts of those that open the key, by credential id
   */
  byConstantWork(address: string, own: Decoy[], salts: Map<string, string>): (Decoy & { salt: string })[] {
    const { list, seen } = this.of(address, usualMost)
    return [...own, ...list]
      .slice(0, Math.max(usualMost, own.length))
      .map((one) => ({ ...one, salt: this.salt(address, one.id) }))
      .map(({ salt, ...one }) => ({ ...one, salt: salts.get(one.id) ?? salt }))
      .slice(0, own.length || seen)
      .map(({ transports, ...one }) => ({ ...one, transports: usualTransports(transports) }))
  }

  /**
   * What the address seems to have: the first `seen` of `list`.
   *
   * @param most length of `list`, whatever is seen of it, so that the work is always the same; at most 20
   */
  of(address: string, most: number): { list: Decoy[]; seen: number } {
    const whose = this.#octets('address', address)
    // All of them change at once after some months, as with a new telephone.
    const days = 120 + (whose.readUInt16BE(0) % 480)
    const begins = whose.readUInt16BE(2) % days
    // A day begins when the address's owner gets round to such things.
    const today = Math.floor((this.#localTime() - morningMs - shareOf(whose, 4) * wakingMs) / dayMs)
    const generation = Math.floor((today + begins) / days)
    const age = today + begins - generation * days
    const shapes = this.#octets('makes', address, generation)
    const list = Array.from({ length: most }, (_, place) => {
      const { length, transports } = makes[shapes[place]!]!
      const octets = ['id', 'more'].map((what) => this.#octets(what, address, generation, place))
      return { id: Buffer.concat(octets).subarray(0, length).toString('base64url'), transports }
    })
    // One of four has another one, got some time after the one before.
    let seen = 1
    while (seen < most && shapes[20 + seen]! < 64 && age >= (shapes[40 + seen]! / 256) * days) seen += 1
    return { list, seen }
  }

  /**
   * The salt of an address's passkey that opens nothing, base64url: stays as it is until its owner seems to use it.
   * Of each address its own: whoever registers under another's credential id sees nothing of the other's.
   */
  salt(address: string, credential: string): string {
    const pace = this.#octets('pace', address, credential)
    const days = pace[0]! < 64 ? 40 : 3
    const most = 1 + (pace[1]! % 8)
    const begins = pace.readUInt16BE(2) % days
    const now = this.#localTime()
    const block = Math.floor((now / dayMs + begins) / days)
    const moments = (which: number): string[] => {
      const octets = this.#octets('moments', address, credential, which)
      return Array.from({ length: 1 + (octets[0]! % most) }, (_, place) => {
        const at = 1 + 6 * place
        const day = which * days - begins + (octets.readUInt16BE(at) % days)
        return { name: `${which} ${place}`, at: day * dayMs + morningMs + shareOf(octets, at + 2) * wakingMs }
      })
        .filter(({ at }) => at <= now)
        .sort((a, b) => a.at - b.at)
        .map(({ name }) => name)
    }
    const last = [...moments(block - 1), ...moments(block)].at(-1)!
    return this.#octets('salt', address, credential, last).subarray(0, 32).toString('base64url')
  }

  #localTime(): number {
    const now = this.#clock()
    return now - new Date(now).getTimezoneOffset() * 60_000
  }

  /** 64 octets. */
  #octets(...what: (string | number)[]): Buffer {
    return createHmac('sha512', this.#key).update(JSON.stringify(what)).digest()
  }
}

/** Four octets as a number from 0 to 1. */
const shareOf = (octets: Buffer, at: number) => octets.readUInt32BE(at) / 2 ** 32
