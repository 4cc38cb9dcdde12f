/**
 * Writing a letter in line mode: questions for its fields, the text until a line with a single dot, then commands of
 * its own until it is sent, kept or thrown away. What is typed is kept in Drafts every few seconds, so that nothing is
 * lost with the terminal; where the session ends, one logs in again and the same letter goes on.
 */

import type { Recipient, Sent } from '../../server/contract/answers.ts'
import type { Disk } from '../letter/disk.ts'
import { roomBeside } from '../letter/file-names.ts'
import { holdS, isEmpty, Keeper, type Upkeep, whetherItLeft } from '../letter/keeper.ts'
import {
  type BoxFile,
  byRecipients,
  doubtsAbout,
  isSigned,
  kindsOfAll,
  type Letter,
  sizeOfAttachment,
} from '../letter/letter.ts'
import { harmless } from '../text/text.ts'
import { noDisk } from '../text/words.ts'
import { Problem } from '../wire/client.ts'
import { Unreachable } from '../wire/connection.ts'
import { Abandoned, type Command, commandIn, counted, helpOn, isYes, row } from './dialogue.ts'
import type { KeyDesk, KeyTalk } from './key.ts'

/** What a letter needs of the client around it. */
export type Desk = KeyDesk & {
  /** Null behind SSH, where there is no machine of the person's. */
  readonly disk: Disk | null
  readonly key: KeyTalk
  /** Files, to choose one of them; null if none was, which was said. */
  readonly files: { chosen(text: string): Promise<BoxFile | null> }
  /** Says what went wrong, if it is for people to know; throws the rest. */
  complain(error: unknown): void
  keyInWords(): string
  /** Tells what happened meanwhile, if it is to be known before the next prompt. */
  tidings(): Promise<void>
  /** Reads on in a text; in one that was decrypted, only while the key is open. */
  more(): Promise<void>
  /** Hands a text to the editor, and hears each time it is saved; null if that failed, which was said. */
  edit(text: string, saved: (text: string) => void): Promise<string | null>
}

export class LetterTalk {
  readonly letter: Letter
  readonly keeper: Keeper
  readonly #desk: Desk
  #changedAt: number | null
  #signed: string | null = null
  /** Doubts that were put to the writer, who may send it all the same. */
  #asked: string[] = []
  #recipients: Recipient[] = []
  #sent: Sent | null = null
  #isDone = false

  constructor(desk: Desk, letter: Letter) {
    this.#desk = desk
    this.letter = { ...letter }
    this.#changedAt = letter.draft === null && (letter.text !== '' || letter.to !== '') ? Date.now() : null
    if (isSigned(letter.text)) this.#signed = letter.text
    const sheet = {
      letter: () => this.letter,
      changedAt: () => this.#changedAt,
      write: ({ changedAt = this.#changedAt, keptAt: _, ...letter }: Upkeep) => {
        this.#changedAt = changedAt
        Object.assign(this.letter, letter)
      },
    }
    this.keeper = new Keeper(desk.client, sheet, Date.now)
  }

  /**
   * @param questions the fields to be asked for before the commands
   * @returns what was sent; null if it was kept or thrown away
   */
  async write(questions: ('to' | 'cc' | 'subject' | 'text')[]): Promise<Sent | null> {
    const { talk } = this.#desk
    if (questions.length)
      talk.say('Ctrl-C, or a line with a single dot, leaves the questions; what you typed stays.')
    try {
      const { to } = this.letter
      if (to !== '' && !to.includes('@') && !(await this.#addresses('to', to))) this.#set({ to: '' })
      for (const field of questions) {
        if (field === 'text') await this.#typeText()
        else if (field === 'subject') {
          const subject = await talk.ask('Subject: ')
          if (subject.trim() === '.') break
          this.#set({ subject })
        } else if (!(await this.#addresses(field))) break
      }
    } catch (error) {
      if (!(error instanceof Abandoned)) throw error
    }
    await this.#lookUp()
    talk.say(this.#protection())
    talk.say('Type send, or a question mark for what else can be done.')
    return this.#commands()
  }

  /** Nothing of it would be lost with the terminal. */
  get isKept(): boolean {
    return !this.keeper.isUnsaved || isEmpty(this.letter)
  }

  // ---- fields

  #set(change: Partial<Letter>) {
    Object.assign(this.letter, change)
    this.#changedAt = this.keeper.changed()
    this.#asked = []
  }

  /**
   * Asks for addresses until they are some. A name without an @ is looked for among those whom one wrote to.
   *
   * @returns false if a single dot said that it is enough of questions
   */
  async #addresses(field: 'to' | 'cc' | 'bcc', given?: string): Promise<boolean> {
    const { talk } = this.#desk
    const label = { to: 'To', cc: 'Cc', bcc: 'Bcc' }[field]
    let line = given
    for (;;) {
      line ??= await talk.ask(field === 'cc' ? 'Cc (Enter for none): ' : `${label}: `)
      if (line.trim() === '.') return false
      const addresses = await this.#named(line)
      line = undefined
      if (addresses === null) continue
      const before = this.letter[field]
      this.#set({ [field]: addresses })
      try {
        await this.#desk.calling(() => this.#lookUpOrFail())
        return true
      } catch (error) {
        if (!(error instanceof Problem) || error.code !== 'bad-address') {
          this.#desk.complain(error)
          return true
        }
        talk.say(error.message)
        this.#set({ [field]: before })
      }
    }
  }

  /** The field with names replaced by the addresses that were chosen; null if one is not known. */
  async #named(line: string): Promise<string | null> {
    const { talk, client } = this.#desk
    const addresses: string[] = []
    for (const entry of entriesIn(line)) {
      if (entry.includes('@')) {
        addresses.push(entry)
        continue
      }
      const found = await this.#desk.calling(() => client.addresses(entry))
      const shown = found.map(({ name, address }) => harmless(name ? `${name} <${address}>` : address))
      if (shown.length === 0) {
        talk.say(`You have had no mail with ${harmless(entry)}: please type the whole address.`)
        return null
      }
      if (shown.length === 1) {
        talk.say(`${shown[0]}.`)
        addresses.push(found[0]!.address)
        continue
      }
      for (const [place, each] of shown.entries())
        talk.say(`${place + 1}. ${found[place]!.key ? 'Has a key' : 'No key'}: ${each}`)
      const choice = (await talk.ask(`Who is ${harmless(entry)}? A number: `)).trim()
      const chosen = /^\d{1,2}$/.test(choice) ? found[Number(choice) - 1] : undefined
      if (!chosen) {
        talk.say('That is none of these numbers. Please type the field again.')
        return null
      }
      addresses.push(chosen.address)
    }
    return addresses.join(', ')
  }

  async #lookUpOrFail() {
    const { to, cc, bcc } = this.letter
    this.#recipients =
      `${to}${cc}${bcc}`.trim() === '' ? [] : await this.#desk.client.recipients({ to, cc, bcc })
    Object.assign(this.letter, byRecipients(this.letter, this.#recipients, this.#desk.key.canSign))
  }

  async #lookUp() {
    try {
      await this.#desk.calling(() => this.#lookUpOrFail())
    } catch (error) {
      this.#recipients = []
      this.#desk.complain(error)
    }
  }

  /** Lines are the letter's as soon as they are typed. */
  async #typeText() {
    const { talk } = this.#desk
    const quoted = this.letter.text
    if (quoted.trim() !== '') talk.say('What you type stands before the quoted text.')
    talk.say('Text. A line with a single dot ends it; two dots stand for a line with one.')
    const lines: string[] = []
    for (;;) {
      const line = await talk.ask('')
      if (line === '.') return
      lines.push(line === '..' ? '.' : line)
      this.#set({ text: `${lines.join('\n')}\n${quoted}` })
    }
  }

  // ---- commands

  async #commands(): Promise<Sent | null> {
    const { talk } = this.#desk
    const table = this.#table()
    while (!this.#isDone)
      try {
        await this.#desk.tidings()
        const line = await talk.ask(this.#prompt())
        if (line.trim() === '') {
          if (talk.hasMore) await this.#desk.more()
          continue
        }
        const found = commandIn(table, line)
        if (typeof found === 'string') talk.say(found)
        else await found.command.run(found.rest)
      } catch (error) {
        if (error instanceof Abandoned)
          talk.say('The letter is here; type quit to keep it as a draft and leave it.')
        else this.#desk.complain(error)
      }
    this.keeper.leave()
    return this.#sent
  }

  #prompt() {
    const to = harmless(this.letter.to).slice(0, 40) || 'nobody yet'
    return `Letter to ${to}, ${this.#protectionWord()}, ${this.#desk.keyInWords()}> `
  }

  #protectionWord() {
    const { sign, encrypt, kind } = this.letter
    const way = kind === 'smime' ? ' by S/MIME' : ''
    if (encrypt) return `${sign ? 'encrypted and signed' : 'encrypted'}${way}`
    if (sign) return `signed${way}`
    return isSigned(this.letter.text) ? 'text signed' : 'plain'
  }

  /** How it leaves, and why it cannot leave otherwise. */
  #protection(): string {
    const { sign, encrypt, kind, isChosen } = this.letter
    const without = this.#recipients.filter(({ key }) => !key).map(({ address }) => harmless(address))
    const way = `The letter leaves ${this.#protectionWord()}.`
    if (this.#recipients.length === 0) return `${way} It has no recipient yet.`
    if (without.length > 0) {
      const who = without.join(', ')
      if (encrypt)
        return `The letter cannot leave encrypted: there is no key for ${who}. Type plain to send it unencrypted.`
      return `${way} It cannot be encrypted: there is no key for ${who}.`
    }
    const why = this.#desk.key.canSign ? '' : ', as the key is locked'
    const unsigned = sign || isChosen ? '' : ` It is not signed${why}: type encrypt to sign it too.`
    const isMixed = kind === null && kindsOfAll(this.#recipients).length === 0
    const apart = isMixed
      ? ' Some of them read OpenPGP alone, others S/MIME alone: type each to send each what they can read.'
      : ''
    return encrypt
      ? `${way} Everybody it goes to has a key.${unsigned}${apart}`
      : `${way} Everybody has a key: type encrypt to encrypt it.`
  }

  #table(): Command[] {
    const [plain, signed] = [
      { encrypt: false, sign: false },
      { encrypt: false, sign: true },
    ]
    const [encrypt, encryptOnly] = [
      { encrypt: true, sign: true },
      { encrypt: true, sign: false },
    ]
    return [
      row('send', '', `sends it; for ${holdS} seconds undo takes it back`, () => this.#send()),
      row('show', '', 'reads out the letter', () => this.#show()),
      row('more', '', 'reads on', () => this.#desk.more()),
      row('to', 'ADDRESSES', 'sets whom it goes to', (rest) => this.#address('to', rest)),
      row('cc', 'ADDRESSES', 'sets who gets a copy', (rest) => this.#address('cc', rest)),
      row('bcc', 'ADDRESSES', 'sets who gets a copy that the others do not see', (rest) =>
        this.#address('bcc', rest),
      ),
      row('subject', 'TEXT', 'sets the subject', (rest) => this.#subject(rest)),
      row('text', '', 'types text, before what is quoted', () => this.#typeText()),
      row('append', '', 'types text at the end', () => this.#append()),
      row('edit e', '', 'opens the text in your editor ($VISUAL or $EDITOR)', () => this.#edit()),
      row('attach a', 'FILE', 'attaches a file', (rest) => this.#attach(rest)),
      row('attachfile', 'NUMBER', 'attaches a file of Files, by its number or path', (rest) =>
        this.#attachBox(rest),
      ),
      row('detach', 'NUMBER', 'takes an attachment away', (rest) => this.#detach(rest)),
      row('attachments v', '', 'lists what is attached', () => this.#listAttachments()),
      row('encrypt', '', 'encrypts and signs it when it leaves', () => this.#protect(encrypt)),
      row('encrypt-only', '', 'encrypts it and does not sign it', () => this.#protect(encryptOnly)),
      row('signed', '', 'signs it, with its attachments, when it leaves', () => this.#protect(signed)),
      row('smime', '', 'signs and encrypts by S/MIME, or no longer', () => this.#bySmime()),
      row('each', '', 'encrypts it to each by what they read, OpenPGP or S/MIME', () => this.#toEach()),
      row('plain', '', 'neither encrypts nor signs it', () => this.#protect(plain)),
      row('sign S', '', 'brings the text back signed, to be seen before it is sent', () => this.#sign()),
      row('save', '', 'keeps it in Drafts, and goes on', () => this.#save()),
      row('quit q later', '', 'keeps it in Drafts, and leaves it', () => this.#quit()),
      row('discard', '', 'throws it away', () => this.#discard()),
      row('unlock z', '', 'opens the key', () => this.#desk.key.unlock()),
      row('lock', '', 'locks the key', () => this.#desk.key.lock()),
      row('help ?', 'WORD', 'lists the commands that have to do with a word, or all', (rest) => {
        for (const line of helpOn(this.#table(), rest)) this.#desk.talk.say(line)
      }),
    ]
  }

  async #address(field: 'to' | 'cc' | 'bcc', rest: string) {
    await this.#addresses(field, rest === '' ? undefined : rest)
    this.#desk.talk.say(this.#protection())
  }

  async #subject(rest: string) {
    this.#set({ subject: rest || (await this.#desk.talk.ask('Subject: ')) })
  }

  async #append() {
    const before = this.letter.text.trimEnd()
    this.letter.text = ''
    try {
      await this.#typeText()
    } finally {
      this.#set({ text: before === '' ? this.letter.text : `${before}\n${this.letter.text}` })
    }
  }

  async #edit() {
    const text = await this.#desk.edit(this.letter.text, (saved) => this.#set({ text: saved }))
    if (text === null) return
    this.#set({ text })
    this.#desk.talk.say(`The letter has ${counted(text.trimEnd().split('\n').length, 'line')} now.`)
  }

  async #protect(how: { encrypt: boolean; sign: boolean }) {
    this.#set({ ...how, isChosen: true })
    await this.#lookUp()
    this.#desk.talk.say(this.#protection())
  }

  #bySmime() {
    const { sign, encrypt, kind } = this.letter
    this.#set({ kind: kind === 'smime' ? null : 'smime', isChosen: true })
    this.#desk.talk.say(this.#protection())
    if (kind !== 'smime' && !sign && !encrypt) this.#desk.talk.say('Type signed or encrypt as well.')
  }

  #toEach() {
    this.#set({ kind: 'each', encrypt: true, isChosen: true })
    this.#desk.talk.say(this.#protection())
  }

  #show() {
    const { to, cc, bcc, subject, text } = this.letter
    const { talk } = this.#desk
    talk.say(this.#protection())
    for (const [label, value] of Object.entries({ To: to, Cc: cc, Bcc: bcc, Subject: subject }))
      if (value || label === 'To' || label === 'Subject') talk.say(`${label}: ${harmless(value)}`)
    if (this.letter.attachments.length) this.#listAttachments()
    talk.text(text)
  }

  // ---- attachments

  async #attach(path: string) {
    const { talk } = this.#desk
    const { disk } = this.#desk
    if (!disk) return talk.say(`${noDisk.attach} That is: attachfile.`)
    const wanted = path || (await talk.ask('File: ')).trim()
    if (wanted === '') return
    const found = await disk.attachmentFrom(wanted, roomBeside(this.letter.attachments))
    if ('failed' in found) return talk.say(harmless(found.failed))
    const { attachment } = found
    this.#set({ attachments: [...this.letter.attachments, attachment] })
    talk.say(`Attached: ${harmless(attachment.name)}, ${sizeInWords(attachment.octets.length)}.`)
  }

  /** A file of the box goes along from there. */
  async #attachBox(text: string) {
    const file = await this.#desk.files.chosen(text)
    if (!file) return
    const others = this.letter.attachments.filter((each) => !('file' in each && each.file === file.file))
    const room = roomBeside(others)
    if (file.size > room)
      return this.#desk.talk.say(
        `${harmless(file.name)} has ${sizeInWords(file.size)}, but only ${sizeInWords(room)} are left.`,
      )
    this.#set({ attachments: [...others, file] })
    this.#desk.talk.say(`Attached: ${harmless(file.name)}, ${sizeInWords(file.size)}.`)
  }

  #detach(number: string) {
    const { talk } = this.#desk
    const removed = /^\d{1,3}$/.test(number) ? this.letter.attachments[Number(number) - 1] : undefined
    if (!removed) return talk.say('There is no attachment with that number; type attachments.')
    this.#set({ attachments: this.letter.attachments.filter((each) => each !== removed) })
    talk.say(`No longer attached: ${harmless(removed.name)}.`)
  }

  #listAttachments() {
    const { talk } = this.#desk
    if (this.letter.attachments.length === 0) return talk.say('Nothing is attached.')
    for (const [place, each] of this.letter.attachments.entries())
      talk.say(`Attachment ${place + 1}: ${harmless(each.name)}, ${sizeInWords(sizeOfAttachment(each))}`)
  }

  // ---- sign, send, keep, discard

  /** S1450-S1510: the text comes back signed, and nothing typed is lost on the way to the key. */
  async #sign() {
    const { talk, client } = this.#desk
    if (isSigned(this.letter.text)) return talk.say('The text is signed already.')
    if (this.letter.text.trim() === '') return talk.say('There is no text yet that could be signed.')
    const use = { verb: 'sign', about: 'To sign this letter', scope: 'sign' } as const
    const signed = await this.#desk.key.withKey(use, () => client.sign(this.letter.text))
    if (signed === null) return
    this.#set({ text: signed, sign: false, isChosen: true })
    this.#signed = signed
    talk.say('Signed, and ready to send. If you change the text now, the signature no longer fits.')
    if (this.letter.attachments.length)
      talk.say('The signature covers the text, not the attached files; the command signed covers both.')
    talk.text(signed)
  }

  async #send() {
    const { talk } = this.#desk
    if (!this.letter.isChosen && this.#recipients.length === 0) {
      await this.#lookUp()
      const { to, cc, bcc } = this.letter
      if (this.#recipients.length === 0 && `${to}${cc}${bcc}`.trim() !== '')
        return talk.say('Nothing was sent; the letter is still here.')
    }
    const doubts = Object.entries(doubtsAbout(this.letter, this.#signed)).filter(
      ([name]) => !this.#asked.includes(name),
    )
    if (doubts.length) {
      this.#asked.push(...doubts.map(([name]) => name))
      for (const [, sentence] of doubts) talk.say(sentence)
      return talk.say('Type send again if you mean it.')
    }
    const use = { verb: 'send', about: 'To sign this letter', scope: 'sign' } as const
    try {
      const answer = await this.#desk.key.withKey(use, () => this.keeper.send())
      if (answer === null) return
      const to = [this.letter.to, this.letter.cc, this.letter.bcc].filter(Boolean).map(harmless).join(', ')
      talk.say(
        answer.held_until === null
          ? `Sent to ${to}.`
          : `On its way to ${to}. It leaves in ${holdS} seconds; until then undo takes it back.`,
      )
      this.#sent = answer
      this.#isDone = true
    } catch (error) {
      if (error instanceof Unreachable) talk.say(whetherItLeft(error))
      this.#desk.complain(error)
      if (error instanceof Problem && error.reason === 'kinds-differ')
        talk.say('Type each and then send, to send each what they can read; or plain to send it unencrypted.')
      else if (error instanceof Problem && error.code === 'no-key-for')
        talk.say('Type plain to send it unencrypted, or take these recipients out.')
    }
  }

  async #save() {
    this.#changedAt = this.keeper.changed()
    await this.keeper.keep((work) => this.#desk.calling(work))
    this.#desk.talk.say('Saved in Drafts.')
  }

  async #quit() {
    if (!isEmpty(this.letter)) await this.keeper.keep((work) => this.#desk.calling(work))
    this.#desk.talk.say(
      this.letter.draft === null ? 'There was nothing to keep.' : 'The letter is in Drafts.',
    )
    this.#isDone = true
  }

  async #discard() {
    const { talk } = this.#desk
    if (!isEmpty(this.letter) && !isYes(await talk.ask('Throw the letter away? Type yes or no: ')))
      return talk.say('The letter is kept.')
    const draft = await this.#desk.calling(() => this.keeper.discard())
    talk.say(draft === null ? 'Thrown away.' : 'Thrown away; the draft of it is in the Trash.')
    this.#isDone = true
  }
}

/** What stands between commas that are in no quotes. */
const entriesIn = (line: string): string[] => {
  const entries = ['']
  let isQuoted = false
  for (const character of line) {
    if (character === '"') isQuoted = !isQuoted
    if (character === ',' && !isQuoted) entries.push('')
    else entries[entries.length - 1] += character
  }
  return entries.map((entry) => entry.trim()).filter(Boolean)
}

export const sizeInWords = (octets: number): string => {
  if (octets < 1000) return counted(octets, 'byte')
  if (octets < 1e6) return counted(Math.round(octets / 1000), 'kilobyte')
  return octets < 1e9 ? `${(octets / 1e6).toFixed(1)} megabytes` : `${(octets / 1e9).toFixed(1)} gigabytes`
}
