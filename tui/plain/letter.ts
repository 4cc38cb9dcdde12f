/**
 * Writing a letter in line mode: questions for its fields, the text until a line with a single dot, then commands of
 * its own until it is sent, kept or thrown away. What is typed is kept in Drafts every few seconds, so that nothing is
 * lost with the terminal; where the session ends, one logs in again and the same letter goes on.
 */

import { byRecipients, doubtsAbout, isSigned, type Letter, toApi } from '../letter/letter.ts'
import { attachmentFrom } from '../letter/paths.ts'
import { harmless } from '../text/text.ts'
import { type Client, Problem, type Sent, Unreachable } from '../wire/client.ts'
import { Abandoned, type Command, commandIn, counted, type Dialogue, helpOn } from './dialogue.ts'

/** What a letter needs of the client around it. */
export type Desk = {
  client: Client
  talk: Dialogue
  /** Asks the server; where the session has ended, logs in again first. */
  calling<T>(work: () => Promise<T>): Promise<T>
  /** The same for what uses the key: null if the key was not opened, which was said. */
  withKey<T>(
    use: { verb: string; about: string; scope: 'read' | 'sign' },
    work: () => Promise<T>,
  ): Promise<T | null>
  /** Says what went wrong, if it is for people to know; throws the rest. */
  complain(error: unknown): void
  keyInWords(): string
  /** Whether the key is open for signing here: that would ask for nothing. */
  readonly canSign: boolean
  /** Tells what happened meanwhile, if it is to be known before the next prompt. */
  tidings(): Promise<void>
  /** Reads on in a text; in one that was decrypted, only while the key is open. */
  more(): Promise<void>
  unlock(): Promise<void>
  lock(): Promise<void>
  /** Hands a text to the editor, and hears each time it is saved; null if that failed, which was said. */
  edit(text: string, saved: (text: string) => void): Promise<string | null>
}

/** Time in which a letter can be taken back. */
const holdS = 15
/** Of a mail, all together; the server takes no more than that in base64. */
const attachmentLimit = 20 * 1024 * 1024

export class LetterTalk {
  readonly letter: Letter
  readonly #desk: Desk
  #isChanged = false
  /** One after the other, so that no draft is made beside the one that it takes the place of. */
  #keeping: Promise<unknown> = Promise.resolve()
  #isOver = false
  #signed: string | null = null
  /** Doubts that were put to the writer, who may send it all the same. */
  #asked: string[] = []
  #recipients: { address: string; key: boolean }[] = []

  constructor(desk: Desk, letter: Letter) {
    this.#desk = desk
    this.letter = { ...letter }
    this.#isChanged = letter.draft === null && (letter.text !== '' || letter.to !== '')
    if (isSigned(letter.text)) this.#signed = letter.text
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

  /** Keeps it as a draft if it changed. @returns whether it lies in Drafts, as it is now */
  async keep(): Promise<boolean> {
    const before = this.#keeping
    const now = (async () => {
      await before.catch(() => undefined)
      if (this.#isOver || !this.#isChanged) return
      this.#isChanged = false
      try {
        const { id } = await this.#desk.client.send({ ...toApi(this.letter), draft: true })
        this.letter.draft = id
      } catch (error) {
        this.#isChanged = true
        throw error
      }
    })()
    this.#keeping = now
    await now
    return this.letter.draft !== null
  }

  get isEmpty(): boolean {
    const { to, cc, bcc, subject, text, attachments } = this.letter
    return `${to}${cc}${bcc}${subject}${text}`.trim() === '' && attachments.length === 0
  }

  get isKept(): boolean {
    return this.#isOver || !this.#isChanged || this.isEmpty
  }

  // ---- fields

  #set(change: Partial<Letter>) {
    Object.assign(this.letter, change)
    this.#isChanged = true
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
    Object.assign(this.letter, byRecipients(this.letter, this.#recipients, this.#desk.canSign))
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
    let sent: Sent | null = null
    let isDone = false
    const table = this.#table({
      sent: (answer) => {
        sent = answer
        isDone = true
      },
      done: () => {
        isDone = true
      },
    })
    while (!isDone)
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
    this.#isOver = true
    return sent
  }

  #prompt() {
    const to = harmless(this.letter.to).slice(0, 40) || 'nobody yet'
    return `Letter to ${to}, ${this.#protectionWord()}, ${this.#desk.keyInWords()}> `
  }

  #protectionWord() {
    const { sign, encrypt } = this.letter
    if (encrypt) return sign ? 'encrypted and signed' : 'encrypted'
    if (sign) return 'signed'
    return isSigned(this.letter.text) ? 'text signed' : 'plain'
  }

  /** How it leaves, and why it cannot leave otherwise. */
  #protection(): string {
    const { sign, encrypt, isChosen } = this.letter
    const without = this.#recipients.filter(({ key }) => !key).map(({ address }) => harmless(address))
    const way = `The letter leaves ${this.#protectionWord()}.`
    if (this.#recipients.length === 0) return `${way} It has no recipient yet.`
    if (without.length > 0) {
      const who = without.join(', ')
      if (encrypt)
        return `The letter cannot leave encrypted: there is no key for ${who}. Type plain to send it unencrypted.`
      return `${way} It cannot be encrypted: there is no key for ${who}.`
    }
    const unsigned =
      sign || isChosen ? '' : ' It is not signed, as the key is locked: type encrypt to sign it too.'
    return encrypt
      ? `${way} Everybody it goes to has a key.${unsigned}`
      : `${way} Everybody has a key: type encrypt to encrypt it.`
  }

  #table(out: { sent(answer: Sent): void; done(): void }): Command[] {
    const { talk } = this.#desk
    const address = (field: 'to' | 'cc' | 'bcc') => async (rest: string) => {
      await this.#addresses(field, rest === '' ? undefined : rest)
      talk.say(this.#protection())
    }
    const protect = (change: Partial<Letter>) => async () => {
      this.#set({ ...change, isChosen: true })
      await this.#lookUp()
      talk.say(this.#protection())
    }
    return [
      {
        words: 'send',
        usage: '',
        does: `sends it; for ${holdS} seconds undo takes it back`,
        run: () => this.#send(out.sent),
      },
      { words: 'show', usage: '', does: 'reads out the letter', run: () => this.#show() },
      { words: 'more', usage: '', does: 'reads on', run: () => this.#desk.more() },
      { words: 'to', usage: 'ADDRESSES', does: 'sets whom it goes to', run: address('to') },
      { words: 'cc', usage: 'ADDRESSES', does: 'sets who gets a copy', run: address('cc') },
      {
        words: 'bcc',
        usage: 'ADDRESSES',
        does: 'sets who gets a copy that the others do not see',
        run: address('bcc'),
      },
      {
        words: 'subject',
        usage: 'TEXT',
        does: 'sets the subject',
        run: async (rest) => this.#set({ subject: rest || (await talk.ask('Subject: ')) }),
      },
      { words: 'text', usage: '', does: 'types text, before what is quoted', run: () => this.#typeText() },
      {
        words: 'append',
        usage: '',
        does: 'types text at the end',
        run: async () => {
          const before = this.letter.text.trimEnd()
          this.letter.text = ''
          try {
            await this.#typeText()
          } finally {
            this.#set({ text: before === '' ? this.letter.text : `${before}\n${this.letter.text}` })
          }
        },
      },
      {
        words: 'edit e',
        usage: '',
        does: 'opens the text in your editor ($VISUAL or $EDITOR)',
        run: async () => {
          const text = await this.#desk.edit(this.letter.text, (saved) => this.#set({ text: saved }))
          if (text === null) return
          this.#set({ text })
          talk.say(`The letter has ${counted(text.trimEnd().split('\n').length, 'line')} now.`)
        },
      },
      { words: 'attach a', usage: 'FILE', does: 'attaches a file', run: (rest) => this.#attach(rest) },
      {
        words: 'detach',
        usage: 'NUMBER',
        does: 'takes an attachment away',
        run: (rest) => this.#detach(rest),
      },
      {
        words: 'attachments v',
        usage: '',
        does: 'lists what is attached',
        run: () => this.#listAttachments(),
      },
      {
        words: 'encrypt',
        usage: '',
        does: 'encrypts and signs it when it leaves',
        run: protect({ encrypt: true, sign: true }),
      },
      {
        words: 'encrypt-only',
        usage: '',
        does: 'encrypts it and does not sign it',
        run: protect({ encrypt: true, sign: false }),
      },
      {
        words: 'signed',
        usage: '',
        does: 'signs it, with its attachments, when it leaves',
        run: protect({ encrypt: false, sign: true }),
      },
      {
        words: 'plain',
        usage: '',
        does: 'neither encrypts nor signs it',
        run: protect({ encrypt: false, sign: false }),
      },
      {
        words: 'sign S',
        usage: '',
        does: 'brings the text back signed, to be seen before it is sent',
        run: () => this.#sign(),
      },
      {
        words: 'save',
        usage: '',
        does: 'keeps it in Drafts, and goes on',
        run: async () => {
          this.#isChanged = true
          await this.#desk.calling(() => this.keep())
          talk.say('Saved in Drafts.')
        },
      },
      {
        words: 'quit q later',
        usage: '',
        does: 'keeps it in Drafts, and leaves it',
        run: async () => {
          if (!this.isEmpty) await this.#desk.calling(() => this.keep())
          talk.say(this.letter.draft === null ? 'There was nothing to keep.' : 'The letter is in Drafts.')
          out.done()
        },
      },
      { words: 'discard', usage: '', does: 'throws it away', run: () => this.#discard(out.done) },
      { words: 'unlock z', usage: '', does: 'opens the key', run: () => this.#desk.unlock() },
      { words: 'lock', usage: '', does: 'locks the key', run: () => this.#desk.lock() },
      {
        words: 'help ?',
        usage: 'WORD',
        does: 'lists the commands that have to do with a word, or all',
        run: (rest) => {
          for (const line of helpOn(this.#table(out), rest)) talk.say(line)
        },
      },
    ]
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
    const wanted = path || (await talk.ask('File: ')).trim()
    if (wanted === '') return
    const room = this.letter.attachments.reduce((left, { octets }) => left - octets.length, attachmentLimit)
    const found = await attachmentFrom(wanted, Math.max(0, room))
    if ('failed' in found) return talk.say(harmless(found.failed))
    const { attachment } = found
    this.#set({ attachments: [...this.letter.attachments, attachment] })
    talk.say(`Attached: ${harmless(attachment.name)}, ${sizeInWords(attachment.octets.length)}.`)
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
    for (const [place, { name, octets }] of this.letter.attachments.entries())
      talk.say(`Attachment ${place + 1}: ${harmless(name)}, ${sizeInWords(octets.length)}`)
  }

  // ---- sign, send, discard

  /** S1450-S1510: the text comes back signed, and nothing typed is lost on the way to the key. */
  async #sign() {
    const { talk, client } = this.#desk
    if (isSigned(this.letter.text)) return talk.say('The text is signed already.')
    if (this.letter.text.trim() === '') return talk.say('There is no text yet that could be signed.')
    const use = { verb: 'sign', about: 'To sign this letter', scope: 'sign' } as const
    const signed = await this.#desk.withKey(use, () => client.sign(this.letter.text))
    if (signed === null) return
    this.#set({ text: signed, sign: false, isChosen: true })
    this.#signed = signed
    talk.say('Signed, and ready to send. If you change the text now, the signature no longer fits.')
    if (this.letter.attachments.length)
      talk.say('The signature covers the text, not the attached files; the command signed covers both.')
    talk.text(signed)
  }

  async #send(sent: (answer: Sent) => void) {
    const { talk, client } = this.#desk
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
    await this.#keeping.catch(() => undefined)
    try {
      const answer = await this.#desk.withKey(use, () => {
        // From here on no draft is made behind it.
        const work = this.#keeping
          .catch(() => undefined)
          .then(() => client.send({ ...toApi(this.letter), hold_s: holdS }))
          .then((answer) => {
            this.#isOver = true
            return answer
          })
        this.#keeping = work
        return work
      })
      if (answer === null) return
      const to = [this.letter.to, this.letter.cc, this.letter.bcc].filter(Boolean).map(harmless).join(', ')
      talk.say(
        answer.held_until === null
          ? `Sent to ${to}.`
          : `On its way to ${to}. It leaves in ${holdS} seconds; until then undo takes it back.`,
      )
      sent(answer)
    } catch (error) {
      if (error instanceof Problem && error.draft !== undefined) {
        this.letter.draft = error.draft
        this.#isChanged = false
      }
      if (error instanceof Unreachable)
        talk.say(
          'Whether the letter left is not known: look into Sent before you send it again. It is still here.',
        )
      this.#desk.complain(error)
      if (error instanceof Problem && error.code === 'no-key-for')
        talk.say('Type plain to send it unencrypted, or take these recipients out.')
    }
  }

  async #discard(done: () => void) {
    const { talk, client } = this.#desk
    if (!this.isEmpty && !isYes(await talk.ask('Throw the letter away? Type yes or no: ')))
      return talk.say('The letter is kept.')
    await this.#keeping.catch(() => undefined)
    this.#isOver = true
    const { draft } = this.letter
    if (draft !== null) await this.#desk.calling(() => client.remove(draft))
    talk.say(draft === null ? 'Thrown away.' : 'Thrown away; the draft of it is in the Trash.')
    done()
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

export const isYes = (answer: string) => /^\s*(y|yes)\s*$/i.test(answer)

export const sizeInWords = (octets: number): string => {
  if (octets < 1024) return counted(octets, 'byte')
  if (octets < 1024 * 1024) return counted(Math.round(octets / 1024), 'kilobyte')
  return `${(octets / (1024 * 1024)).toFixed(1)} megabytes`
}
