/**
 * Whom a user knows, for the completion of addresses: whom they wrote to, who wrote to them, whose key they accepted.
 */
import { acquaintances } from '../ground/limits.ts'
import type { Mailbox } from '../locked/composing.ts'
import { mailAddress, type User } from '../people/users.ts'
import type { Correspondents } from './correspondents.ts'
import type { Mailboxes } from './mailboxes.ts'

/** Whom a letter could be to; the name may be empty. */
export type Suggestion = { name: string; address: string; key: boolean }

type Acquaintance = Mailbox & { written: number; received: number; named: number }

export class Acquaintances {
  readonly #needs: { correspondents: Correspondents; mailboxes: Mailboxes }

  constructor(needs: { correspondents: Correspondents; mailboxes: Mailboxes }) {
    this.#needs = needs
  }

  /**
   * Whom a letter could be to, for somebody who types: at first whom the user wrote to, then who wrote, then whose key
   * was accepted, the user's own address last. Nobody else: the other users of this server are not given away.
   *
   * @param typed the beginning of an address, or of a word of a name
   * @returns at most ten
   */
  async suggestions(user: User, typed: string): Promise<Suggestion[]> {
    const { correspondents, mailboxes } = this.#needs
    const known = new Map<string, Acquaintance>()
    const note = ({ name, address }: Mailbox, as: 'written' | 'received' | 'named') => {
      const one = known.get(address) ?? { name: '', address, written: 0, received: 0, named: 0 }
      one[as] += 1
      if (!one.name && name.toLowerCase() !== address) one.name = name
      known.set(address, one)
    }
    for (const { recipients } of await mailboxes.newestParties(user.id, 'sent', acquaintances.sent))
      for (const each of shownMailboxes(recipients)) note(each, 'written')
    for (const { sender } of await mailboxes.newestParties(user.id, 'inbox', acquaintances.received)) {
      const one = shownMailbox(sender)
      if (one) note(one, 'received')
    }
    for (const { addresses } of await correspondents.list(user.id))
      for (const address of addresses) note({ name: '', address }, 'named')
    known.delete(user.address)
    const best = [...known.values()]
      .sort((a, b) => b.written - a.written || b.received - a.received)
      .concat({ name: user.name, address: user.address, written: 0, received: 0, named: 0 })
      .filter(beginsWith(typed))
      .slice(0, acquaintances.suggested)
    const { openpgp, smime } = await correspondents.readersOf(
      user.id,
      best.map(({ address }) => address),
      'look up',
    )
    return best.map(({ name, address }) => ({
      name,
      address,
      key: openpgp.has(address) || smime.has(address),
    }))
  }
}

/**
 * One mailbox as lists show it, `Name <address>` or the address alone. What stands in a name is no address, and a name
 * that looks like one is none: who writes can call themselves as they like.
 */
const shownMailbox = (shown: string): Mailbox | null => {
  const [, name = '', address = shown] = shown.match(/^([^<>]*)<([^<>]*)>$/) ?? []
  try {
    return { name: name.normalize('NFKC').includes('@') ? '' : name.trim(), address: mailAddress(address) }
  } catch {
    return null
  }
}

/** Several, of one's own letters. A name may have commas in it. */
const shownMailboxes = (shown: string): Mailbox[] => {
  const found: Mailbox[] = []
  let begun = ''
  for (const piece of shown.split(', ')) {
    const text = begun ? `${begun}, ${piece}` : piece
    const one = text.endsWith('>') || !begun ? shownMailbox(text) : null
    if (one) found.push(one)
    begun = one ? '' : text
  }
  return found
}

/** Whether an address begins with what was typed, or a word of the name does. */
const beginsWith = (typed: string) => {
  const wanted = typed.normalize('NFKC').trim().toLowerCase()
  const words = wanted.includes('@') ? '' : wordsOf(wanted)
  const isUnspaced = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}]/u.test(words)
  return ({ name, address }: Mailbox) =>
    address.startsWith(wanted) ||
    (words !== '' && wordsOf(name).includes(isUnspaced ? words.trimStart() : words))
}

/** Each word with a blank before it. */
const wordsOf = (text: string) =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .split(/[^\p{L}\p{N}\p{M}ー]+/u)
    .filter(Boolean)
    .map((word) => ` ${word}`)
    .join('')
