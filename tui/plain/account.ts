/**
 * One's account in line mode: the terminals that are logged in, one's keys and passkeys, every use of the key, the
 * letters that wait to leave, and the keys of others that one accepted.
 */
import type {
  Alias,
  Identity,
  LogPage,
  OfferedKey,
  TerminalView,
  WaitingMail,
} from '../../server/contract/answers.ts'
import { harmless } from '../text/text.ts'
import {
  grouped,
  keyWords,
  noDisk,
  obstacleWords,
  revocationIsListed,
  stateOfWaiting,
} from '../text/words.ts'
import { type Command, counted, isYes, row } from './dialogue.ts'
import { capital, moment } from './in-words.ts'
import type { Desk } from './letter.ts'
import { fail, type MailTalk, Wrong } from './mail.ts'

const pageSize = 10

export class AccountTalk {
  readonly #desk: Desk
  /** A key may come as an attachment of the opened mail. */
  readonly #mail: MailTalk
  // As they were read out last: numbers mean these.
  #terminals: TerminalView[] = []
  #correspondents: { fingerprint: string }[] = []
  #aliases: Alias[] = []
  #queue: WaitingMail[] = []
  #logNext: string | null = null
  #queueNext: string | null = null

  constructor(desk: Desk, mail: MailTalk) {
    this.#desk = desk
    this.#mail = mail
  }

  commands(): Command[] {
    return [
      row('terminals', '', 'lists the terminals that are logged in', () => this.#listTerminals()),
      row('end', 'NUMBER', 'logs a terminal out', (rest) => this.#endTerminal(rest)),
      row('keys', '', 'says which keys and passkeys you have', () => this.#keys()),
      row('certificates', '', 'says which S/MIME certificates you have', () => this.#listIdentities()),
      row('certificate', 'FILE', 'puts one of a file (.p12, .pfx) into your keyring', (rest) =>
        this.#addIdentity(rest),
      ),
      row('aliases', '', 'lists the words by which you are found, beside your address', () =>
        this.#listAliases(),
      ),
      row('alias', 'WORD', 'lets a word find you', (rest) => this.#addAlias(rest)),
      row('publish', 'NUMBER', 'publishes an alias, or no longer', (rest) => this.#publish(rest)),
      row('unalias', 'NUMBER', 'removes an alias', (rest) => this.#unalias(rest)),
      row('log', 'more', 'reads out every use of your key, the newest first', (rest) => this.#keyLog(rest)),
      row('queue', 'more', 'lists the letters that wait to leave', (rest) => this.#listQueue(rest)),
      row('retry', 'NUMBER', 'tries a waiting letter now', (rest) => this.#retry(rest)),
      row('drop', 'NUMBER', 'gives a waiting letter up, or takes back one that is held', (rest) =>
        this.#drop(rest),
      ),
      row('correspondents', '', 'lists the keys of others that you accepted', () =>
        this.#listCorrespondents(),
      ),
      row('accept', 'NUMBER or FILE', 'accepts a key from an attachment or a file', (rest) =>
        this.#accept(rest),
      ),
      row('forget', 'NUMBER', 'removes an accepted key', (rest) => this.#forget(rest)),
    ]
  }

  // ---- terminals, keys, log

  async #listTerminals() {
    this.#terminals = await this.#desk.calling(() => this.#desk.client.terminals())
    for (const [place, each] of this.#terminals.entries()) {
      const marks = [each.this ? 'this terminal' : '', each.holds_key ? 'has the key open' : ''].filter(
        Boolean,
      )
      const state = marks.length ? `${capital(marks.join(', '))}. ` : ''
      this.#desk.talk.say(
        `${place + 1}. ${state}${harmless(each.terminal)} at ${harmless(each.address)}. Last seen ${moment(each.last_contact)}, since ${moment(each.since)}`,
      )
    }
    this.#desk.talk.say('Type end and a number to log one out.')
  }

  async #endTerminal(text: string) {
    if (this.#terminals.length === 0) await this.#listTerminals()
    const found =
      this.#terminals[Number(text) - 1] ??
      fail('Which terminal? Type end and its number in the list of terminals.')
    if (found.this) throw new Wrong('This is the terminal that you sit at: quit logs it out.')
    await this.#desk.calling(() => this.#desk.client.endTerminal(found.id))
    this.#terminals = []
    this.#desk.talk.say(`${harmless(found.terminal)} is logged out.`)
  }

  async #keys() {
    const { talk } = this.#desk
    const keys = await this.#desk.calling(() => this.#desk.client.keys())
    if (keys.length === 0)
      talk.say('You have no OpenPGP key yet. The operator of this server can make one for you.')
    for (const key of keys) {
      talk.say(`Your key: ${grouped(harmless(key.fingerprint))}`)
      talk.say(`For: ${key.aliases.map(harmless).join(', ')}`)
      if (key.state !== '') talk.say(`State: ${harmless(key.state)}`)
      talk.say(`Kind: ${harmless(key.algorithm)}, opened by ${key.methods.map(harmless).join(', ')}`)
      talk.say(
        `Made: ${moment(key.created)}${key.expires ? `, expires ${moment(key.expires)}` : ', does not expire'}`,
      )
    }
    const passkeys = await this.#desk.calling(() => this.#desk.client.passkeys())
    if (passkeys.length === 0) talk.say('You have no passkey.')
    for (const { name, prf, backed_up, created_at, used_at } of passkeys) {
      const opens = prf ? 'Can keep a secret' : 'Cannot keep a secret'
      const where = backed_up ? 'copied to other devices' : 'on one device only'
      talk.say(
        `Passkey: ${harmless(name)}. ${opens}, ${where}. Added ${moment(created_at)}, ${used_at ? `last used ${moment(used_at)}` : 'not used yet'}`,
      )
    }
  }

  async #listIdentities() {
    const { talk } = this.#desk
    const all = await this.#desk.calling(() => this.#desk.client.identities())
    if (all.length === 0)
      return talk.say('You have none. Type certificate and a file that ends in .p12 or .pfx.')
    for (const each of all) this.#sayIdentity(each)
  }

  #sayIdentity({ addresses, subject, issuer, begins, expires, fingerprint, state }: Identity) {
    const { talk } = this.#desk
    talk.say(`S/MIME certificate of ${harmless(addresses.join(', ') || subject)}`)
    talk.say(`Issued to ${harmless(subject)}, by ${harmless(issuer)}`)
    talk.say(`From ${moment(begins)} to ${moment(expires)}`)
    if (state !== '') talk.say(`State: ${harmless(state)}`)
    talk.say(`Fingerprint: ${grouped(harmless(fingerprint))}`)
  }

  async #addIdentity(text: string) {
    const { talk, key, client } = this.#desk
    const path = text.trim() || fail('Which file? Type certificate and its name.')
    const file = await (this.#desk.disk ?? fail(noDisk.identity))
      .read(path)
      .catch((error: NodeJS.ErrnoException) => fail(`${harmless(path)} cannot be read (${error.code}).`))
    const passphrase = await talk.secret('Passphrase of the file (Enter for none): ')
    const use = { verb: 'certificate', about: 'To put it beside your key', scope: 'sign' } as const
    const added = await key.withKey(use, () => client.addIdentity(file, passphrase))
    if (added === null) return
    talk.say('It is in your keyring:')
    for (const each of added) this.#sayIdentity(each)
  }

  async #listAliases() {
    this.#aliases = await this.#desk.calling(() => this.#desk.client.aliases())
    if (this.#aliases.length === 0)
      return this.#desk.talk.say('You have none. Type alias and a word, such as an employee number.')
    for (const [place, { alias, published }] of this.#aliases.entries())
      this.#desk.talk.say(`${place + 1}. ${harmless(alias)}, ${published ? 'published' : 'not published'}`)
    this.#desk.talk.say('Type publish or unalias and a number.')
  }

  async #addAlias(text: string) {
    if (text.trim() === '') throw new Wrong('Which word? Type alias and the word.')
    const { alias } = await this.#desk.calling(() => this.#desk.client.addAlias(text))
    this.#aliases = []
    this.#desk.talk.say(`You are found by ${harmless(alias)}. It is not published.`)
  }

  #ownAlias(text: string, verb: string): Alias {
    return this.#aliases[Number(text) - 1] ?? fail(`Which alias? Type aliases, then ${verb} and a number.`)
  }

  async #publish(text: string) {
    const { id, published } = this.#ownAlias(text, 'publish')
    const changed = await this.#desk.calling(() => this.#desk.client.publishAlias(id, !published))
    this.#aliases = this.#aliases.map((alias) => (alias.id === id ? changed : alias))
    this.#desk.talk.say(`${harmless(changed.alias)} is ${changed.published ? '' : 'not '}published now.`)
  }

  async #unalias(text: string) {
    const { id, alias } = this.#ownAlias(text, 'unalias')
    await this.#desk.calling(() => this.#desk.client.removeAlias(id))
    this.#aliases = []
    this.#desk.talk.say(`${harmless(alias)} is removed: it finds you no more.`)
  }

  async #keyLog(text: string) {
    const isMore = text.trim() !== ''
    if (isMore && this.#logNext === null) throw new Wrong('There is nothing older; type log for the newest.')
    const page = await this.#desk.calling(() =>
      this.#desk.client.log(isMore ? this.#logNext : null, pageSize),
    )
    this.#logNext = page.next
    if (page.events.length === 0) return this.#desk.talk.say('Your key was never used.')
    for (const event of page.events) this.#desk.talk.say(eventInWords(event))
    if (page.next !== null) this.#desk.talk.say('Type log more for what is older.')
  }

  // ---- letters that wait to leave

  async #listQueue(text: string) {
    const isMore = text.trim() !== ''
    if (isMore && this.#queueNext === null) throw new Wrong('There are no more; type queue for the newest.')
    const page = await this.#desk.calling(() =>
      this.#desk.client.queue(isMore ? this.#queueNext : null, pageSize),
    )
    // Numbers go on, so that those that were read out keep their meaning.
    if (!isMore) this.#queue = []
    const first = this.#queue.length
    this.#queue.push(...page.queue)
    this.#queueNext = page.next
    if (page.queue.length === 0) return this.#desk.talk.say('All that you sent has left.')
    for (const [place, mail] of page.queue.entries())
      this.#desk.talk.say(`${first + place + 1}. ${waitingInWords(mail)}`)
    this.#desk.talk.say('Type retry and a number to try one now, drop and a number to give it up.')
    if (page.next !== null) this.#desk.talk.say('Type queue more for older ones.')
  }

  #queued(text: string, verb: string): WaitingMail {
    const place = /^\d{1,6}$/.test(text.trim()) ? Number(text) : 0
    return this.#queue[place - 1] ?? fail(`Which letter? Type queue, then ${verb} and a number.`)
  }

  async #retry(text: string) {
    const { id } = this.#queued(text, 'retry')
    await this.#desk.calling(() => this.#desk.client.retry(id))
    this.#desk.talk.say('It is tried now. What has left is not in the queue any more.')
  }

  async #drop(text: string) {
    const mail = this.#queued(text, 'drop')
    const { id: draft } = await this.#desk.calling(() => this.#desk.client.giveUp(mail.id))
    this.#desk.talk.say(
      draft === null
        ? 'Given up. A report in your Inbox says whom it did not reach; the copy stays in Sent.'
        : 'The letter did not leave: it is in Drafts again.',
    )
  }

  async #listCorrespondents() {
    const list = await this.#desk.calling(() => this.#desk.client.correspondents())
    this.#correspondents = list
    if (list.length === 0)
      return this.#desk.talk.say('None yet. People of this server need none: their keys count as accepted.')
    for (const [place, { kind, fingerprint, addresses, accepted_at, why }] of list.entries())
      this.#desk.talk.say(
        `${place + 1}. ${addresses.map(harmless).join(', ')}. ${capital(keyWords[kind])} ${grouped(harmless(fingerprint))}. Accepted ${moment(accepted_at)}${why ? `. Nothing can be encrypted to it: ${obstacleWords[why]}` : ''}`,
      )
  }

  async #accept(text: string) {
    const { talk } = this.#desk
    const wanted = text.trim()
    if (wanted === '') throw new Wrong('Type accept and the number of an attachment, or a file.')
    let octets: Uint8Array | undefined
    if (/^\d{1,4}$/.test(wanted)) octets = (await this.#mail.attachment(wanted, 'accept'))?.octets
    else
      octets = await (this.#desk.disk ?? fail(noDisk.accept))
        .read(wanted)
        .catch((error: NodeJS.ErrnoException) => fail(`${harmless(wanted)} cannot be read (${error.code}).`))
    if (!octets) return
    const armored = Buffer.from(octets).toString('latin1')
    const { offered: offers, revoked } = await this.#desk.calling(() =>
      this.#desk.client.offeredKeys(armored),
    )
    for (const fingerprint of revoked)
      talk.say(`Key ${grouped(fingerprint)} was revoked by its owner. This is noted.`)
    if (offers.length > 1) talk.say(`There are ${offers.length} keys in it; each is asked about.`)
    for (const [place, offer] of offers.entries()) {
      if (offers.length > 1) talk.say(`Key ${place + 1} of ${offers.length}.`)
      for (const line of offerInWords(offer)) talk.say(line)
      talk.say('Compare the fingerprint with its owner, by telephone or in person, before you accept it.')
      if (!isYes(await talk.ask('Accept this key? Type yes or no: '))) talk.say('It was not accepted.')
      else {
        await this.#desk.calling(() => this.#desk.client.acceptKey(armored, offer.fingerprint))
        talk.say('The key is accepted.')
      }
    }
  }

  async #forget(text: string) {
    const found =
      this.#correspondents[Number(text) - 1] ??
      fail('Which key? Type correspondents, then forget and a number.')
    await this.#desk.calling(() => this.#desk.client.forgetKey(found.fingerprint))
    this.#correspondents = []
    this.#desk.talk.say('The key is removed.')
  }
}

/** What an offered key is: each address on a line of its own, for a long one must not push another out of hearing. */
const offerInWords = (offer: OfferedKey): string[] => {
  const { fingerprint, addresses, names, issuer, algorithm, created, expires, can_encrypt, conflicts } = offer
  return [
    `Key: ${grouped(fingerprint)}`,
    ...names.slice(0, 1).map((name) => `Calls itself: ${name}`),
    ...(issuer === null ? [] : [`Certificate issued by: ${harmless(issuer)}. ${revocationIsListed}`]),
    `Kind: ${algorithm}, made ${moment(created)}${expires === null ? ', does not expire' : `, expires ${moment(expires)}`}`,
    addresses.length === 0
      ? 'It will count for no mail address.'
      : `It will count for ${counted(addresses.length, 'address', 'addresses')}:`,
    ...addresses.map((address) => `Address: ${address}`),
    ...(can_encrypt ? [] : ['Nothing can be encrypted with it.']),
    ...conflicts.map((conflict) =>
      conflict.with === 'user'
        ? `Attention: ${conflict.address} is a user of this server, whose own key is known here.`
        : `Attention: you have accepted another key for ${conflict.address}. Accept this one only if you know why it is new.`,
    ),
  ]
}

const waitingInWords = (mail: WaitingMail): string => {
  const { to, since, next_at, why, held, sending } = mail
  const others = to.length > 10 ? ` and ${to.length - 10} more` : ''
  const next = held || since === null ? 'Leaves' : 'Next try'
  return [
    `To ${to.slice(0, 10).map(harmless).join(', ')}${others}`,
    capital(stateOfWaiting(mail)) + (why === null ? '' : `: ${harmless(why)}`),
    ...(since === null ? [] : [`Since ${moment(since)}`]),
    ...(sending ? [] : [`${next} ${moment(next_at)}`]),
  ].join('. ')
}

/** What happened, for certain reasons in words of its own. */
const events: Record<string, string> = {
  granted: 'Opened',
  'granted read': 'Opened, for reading only',
  'granted sign': 'Opened',
  used: 'Used',
  'used read': 'Decrypted',
  'used sign': 'Signed',
  refused: 'Refused',
  ended: 'Closed',
  stopped: 'Stopped',
}

const eventInWords = (entry: LogPage['events'][number]): string => {
  const { at, event, terminal, address, method, message, reason } = entry
  const own = events[`${event} ${reason}`]
  const details = [
    method && `by ${harmless(method)}`,
    message && `mail ${message}`,
    own === undefined && reason && harmless(reason).replace(/-/g, ' '),
  ].filter(Boolean)
  const what = [own ?? events[event] ?? harmless(event), ...details].join(', ')
  return `${what}. ${harmless(terminal)} at ${harmless(address)}. ${moment(at)}`
}
