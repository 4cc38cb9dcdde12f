/**
 * Mail in line mode: lists with numbers that stay as they were read out, what is done to one mail or to many, and one
 * mail read out: what we know of it first, then what its sender wrote.
 */
import type { Folder, Row } from '../../server/contract/answers.ts'
import type { Asked } from '../../server/contract/requests.ts'
import { fileNameOf } from '../letter/file-names.ts'
import {
  draftOf,
  type FetchedFile,
  forwardedFiles,
  forwardOf,
  type Letter,
  replyTo,
  type Source,
} from '../letter/letter.ts'
import { harmless, wholeAddress } from '../text/text.ts'
import { encryptedNotSearched, grouped, noDisk, notUnderstood } from '../text/words.ts'
import { type Command, counted, isYes, row } from './dialogue.ts'
import { moment, rowInWords, stateOf } from './in-words.ts'
import { type Desk, sizeInWords } from './letter.ts'

/** What reading mail needs of the client around it. */
export type MailDesk = Desk & {
  readonly user: string
  /** As they were before the last prompt. */
  readonly folders: Folder[]
  /** Letters that have not left yet. */
  readonly waiting: number
  lookForFolders(): Promise<void>
  /** Says what was done, and how for a minute it can be undone. */
  did(sentence: string, undo: () => Promise<unknown>): void
  /** Writes a letter. */
  converse(letter: Letter, questions: ('to' | 'cc' | 'subject' | 'text')[]): Promise<void>
}

const pageSize = 10

type Listed = { row: Row; folder: string }
type List = {
  title: string
  /** Null of what was found in all. */
  folder: string | null
  words: string
  rows: Listed[]
  next: string | null
  /** The first row of the page that is shown. */
  first: number
}
/** The mail that is before the reader. */
type View = Source & { folder: string; number: number | null }

type File = Source['came']['attachments'][number]

/** A wrong call: a sentence, and nothing was done. */
export class Wrong extends Error {}

export const fail = (sentence: string): never => {
  throw new Wrong(sentence)
}

export class MailTalk {
  readonly #desk: MailDesk
  /** The folder that one is in. */
  folder = 'Inbox'
  #list: List | null = null
  #view: View | null = null
  readonly #marked = new Map<number, Listed>()
  #shownFolders: string[] = []
  /** What a number alone chooses from: the list that was read out last. */
  #choices: 'mails' | 'folders' = 'mails'

  constructor(desk: MailDesk) {
    this.#desk = desk
  }

  get marked(): number {
    return this.#marked.size
  }

  /** Opens what has that number in the list that was read out last. */
  choose(number: string): Promise<void> {
    if (this.#choices === 'mails') return this.#open(number)
    return this.openFolder(
      this.#shownFolders[Number(number) - 1] ?? fail('There is no folder with that number.'),
    )
  }

  /** Plaintext does not outlive the key here; what was printed is with the terminal. */
  forgetPlaintext(): void {
    if (this.#view) this.#view = { ...this.#view, opened: null, part: null }
    this.#desk.talk.forgetSecret()
  }

  commands(): Command[] {
    return [
      row('list', '', 'lists the newest mails of the folder anew', () => this.openFolder(this.folder)),
      row('next n', '', 'lists the next, older mails', () => this.#page(1)),
      row('previous p', '', 'lists the mails before', () => this.#page(-1)),
      row('open read', 'NUMBER', 'opens a mail; its number alone does the same', (rest) => this.#open(rest)),
      row('more', '', 'reads on in a text; Enter alone does the same', () => this.#desk.more()),
      row('decrypt D', 'NUMBER', 'decrypts the opened mail, or that one', (rest) => this.#decrypt(rest)),
      row('part', 'NUMBER', 'opens an encrypted part of the mail alone', (rest) => this.#openPart(rest)),
      row('reply r', '', 'answers the opened mail', () => this.#reply({ all: false })),
      row('replyall R', '', 'answers its sender and all who got it', () => this.#reply({ all: true })),
      row('forward f', '', 'passes the opened mail on', () => this.#forward()),
      row('resume', '', 'goes on with the opened draft', () => this.#resume()),
      row('delete d', 'NUMBERS', 'deletes mails, such as 1-3,5; those in the Trash for good', (rest) =>
        this.#delete(rest),
      ),
      row('archive e a', 'NUMBERS', 'moves mails to the folder Archive', (rest) =>
        this.#move(`${rest} to Archive`),
      ),
      row('move M', 'NUMBERS to FOLDER', 'moves mails', (rest) => this.#move(rest)),
      row('flag s', 'NUMBERS', 'flags mails, or unflags them', (rest) => this.#flag(rest)),
      row('unread N', 'NUMBERS', 'marks mails as unread, or as read', (rest) => this.#unread(rest)),
      row('mark x t', 'NUMBERS', 'marks mails: commands without numbers then mean them', (rest) =>
        this.#mark(rest),
      ),
      row('*', '', 'marks all mails that were listed', () => this.#mark('all')),
      row('unmark', 'NUMBERS', 'takes marks away, all without numbers', (rest) => this.#unmark(rest)),
      row(
        'search /',
        'WORDS',
        'finds mails with these words in all folders; also from:, before:, is:unread',
        (rest) => this.#search(rest),
      ),
      row(
        'limit l',
        'WORDS',
        'lists only mails of this folder with these words; without words, all',
        (rest) => this.openFolder(this.folder, rest),
      ),
      row('folders J K', '', 'lists the folders', () => this.#listFolders()),
      row('go o', 'FOLDER', 'goes to a folder, by name or number', (rest) => this.#go(rest)),
      row('newfolder', 'NAME', 'makes a folder', (rest) => this.#newFolder(rest)),
      row('attachments v', '', 'lists the attachments of the opened mail', () => this.#listAttachments()),
      row('save', 'NUMBER FILE', 'saves an attachment', (rest) => this.#save(rest)),
      row('raw E', 'FILE', 'reads out the source of the mail, or saves it', (rest) => this.#raw(rest)),
      row('details !', '', 'says all about the signature', () => this.#details()),
      row('headers h', '', 'reads out all header fields', () => this.#headers()),
    ]
  }
  // ---- lists

  async openFolder(name: string, words = '') {
    this.folder = name
    await this.#openList({ title: harmless(name), folder: name, words })
    const { waiting, talk } = this.#desk
    if (waiting > 0 && this.#kindOf(name) === 'sent')
      talk.say(`${counted(waiting, 'letter has', 'letters have')} not left yet: type queue.`)
  }

  async #openList(list: Pick<List, 'title' | 'folder' | 'words'>) {
    const { talk } = this.#desk
    this.#list = { ...list, rows: [], next: null, first: 0 }
    this.#view = null
    this.#marked.clear()
    const { ignored, encrypted_not_searched } = await this.#fetch(null)
    if (ignored?.length) talk.say(notUnderstood(ignored))
    this.#showPage()
    if (encrypted_not_searched && this.#list.rows.length === 0) talk.say(encryptedNotSearched)
  }

  async #fetch(before: string | null) {
    const list = this.#list!
    const { folder, words } = list
    const { client } = this.#desk
    const part = { limit: pageSize, before }
    const page = await this.#desk.calling(async () => {
      if (folder === null) return client.search({ ...part, q: words })
      const { messages, ...rest } = await client.messages(folder, { ...part, q: words || null })
      return { ...rest, messages: messages.map((row) => ({ ...row, folder })) }
    })
    list.rows.push(...page.messages.map(({ folder: where, ...row }) => ({ row, folder: where })))
    list.next = page.next
    return page
  }

  async #page(step: 1 | -1) {
    const list = this.#list ?? fail('There is no list yet; type list.')
    const first = list.first + step * pageSize
    if (first < 0) throw new Wrong('These are the newest mails.')
    if (first >= list.rows.length) {
      if (list.next === null) throw new Wrong('There are no older mails in this list.')
      await this.#fetch(list.next)
    }
    list.first = first
    this.#showPage()
  }

  #showPage() {
    const { title, folder, words, rows, next, first } = this.#list!
    const { talk } = this.#desk
    this.#choices = 'mails'
    const shown = rows.slice(first, first + pageSize)
    const about = words ? ` with ${harmless(words)}` : ''
    const total =
      folder !== null && !words ? this.#desk.folders.find(({ name }) => name === folder)?.total : undefined
    if (shown.length === 0) return talk.say(words ? `${title}: no mail${about}.` : `${title}: no mail here.`)
    const of = total === undefined ? '' : ` of ${Math.max(total, rows.length)}`
    talk.say(`${title}${about}: mails ${first + 1} to ${first + shown.length}${of}.`)
    for (const [place, { row, folder: where }] of shown.entries())
      talk.say(
        `${first + place + 1}. ${rowInWords(row, this.#kindOf(where), folder === null ? where : null)}`,
      )
    if (next !== null || rows.length > first + pageSize) talk.say('Type next for older mails.')
  }

  #kindOf(folder: string) {
    return this.#desk.folders.find(({ name }) => name === folder)?.kind ?? 'user'
  }

  async #search(words: string) {
    const wanted = words || (await this.#desk.talk.ask('Search for: ')).trim()
    if (wanted === '') return
    await this.#openList({ title: 'All folders', folder: null, words: wanted })
  }

  async #listFolders() {
    await this.#desk.lookForFolders()
    this.#shownFolders = this.#desk.folders.map(({ name }) => name)
    this.#choices = 'folders'
    for (const [place, { name, total, unread }] of this.#desk.folders.entries())
      this.#desk.talk.say(
        `${place + 1}. ${harmless(name)}: ${unread ? `${unread} unread of ${total}` : counted(total, 'mail')}`,
      )
    this.#desk.talk.say('A number goes to that folder.')
  }

  async #go(text: string) {
    const wanted = text || (await this.#desk.talk.ask('To which folder? ')).trim()
    if (wanted === '') return
    await this.openFolder(this.#folderNamed(wanted))
  }

  #folderNamed(text: string): string {
    const names = this.#desk.folders.map(({ name }) => name)
    const wanted = text.trim().toLowerCase()
    const exact = names.find((name) => name.toLowerCase() === wanted)
    if (exact !== undefined) return exact
    const numbered = /^\d{1,4}$/.test(wanted) ? this.#shownFolders[Number(wanted) - 1] : undefined
    if (numbered !== undefined) return numbered
    const near = names.filter((name) => name.toLowerCase().startsWith(wanted))
    if (near.length === 1) return near[0]!
    if (near.length > 1) throw new Wrong(`That could be ${near.map(harmless).join(' or ')}.`)
    throw new Wrong(
      `There is no folder ${harmless(text)}; type folders, or newfolder and its name to make it.`,
    )
  }

  async #newFolder(name: string) {
    const wanted = name || (await this.#desk.talk.ask('Name of the folder: ')).trim()
    if (wanted === '') return
    await this.#desk.calling(() => this.#desk.client.createFolder(wanted))
    await this.#desk.lookForFolders()
    this.#desk.talk.say(`The folder ${harmless(wanted)} is made.`)
  }

  // ---- which mails

  /** Mails by `1-3,5` or `all`; without that the marked ones, or the one that is open. What follows is given back. */
  #chosen(text: string): { mails: Listed[]; rest: string } {
    const [, numbers = '', rest = ''] = /^\s*((?:all\b|[\d][\d\s,-]*)?)(.*)$/s.exec(text)!
    const list = this.#list?.rows ?? []
    if (numbers.trim() === 'all') return { mails: list.slice(), rest }
    if (numbers.trim() !== '') {
      const mails = numbersIn(numbers).map(
        (number) => list[number - 1] ?? fail(`There is no mail ${number} in this list. Nothing was done.`),
      )
      return { mails, rest }
    }
    if (this.#marked.size > 0) return { mails: [...this.#marked.values()], rest }
    const { came } = this.#view ?? fail('Which mails? Give their numbers, such as 1-3,5, or open one first.')
    const known = list.find(({ row }) => row.id === came.id)
    if (known) return { mails: [known], rest }
    throw new Wrong('The opened mail is not in this list; give numbers.')
  }

  #mark(text: string) {
    const { mails } = this.#chosen(text)
    for (const mail of mails) this.#marked.set(mail.row.id, mail)
    const { next = null, words = '', folder = '' } = this.#list ?? {}
    const total = words ? null : this.#desk.folders.find(({ name }) => name === folder)?.total
    const others =
      text === 'all' && next !== null ? ` of ${total ?? 'more'}; the others were not listed yet` : ''
    this.#desk.talk.say(`${counted(this.#marked.size, 'mail')} marked${others}.`)
  }

  #unmark(text: string) {
    if (text.trim() === '') this.#marked.clear()
    else for (const { row } of this.#chosen(text).mails) this.#marked.delete(row.id)
    this.#desk.talk.say(`${counted(this.#marked.size, 'mail')} marked.`)
  }

  // ---- what is done to mails

  async #delete(text: string) {
    const { mails } = this.#chosen(text)
    const trash = this.#desk.folders.find(({ kind }) => kind === 'trash')?.name ?? 'Trash'
    const gone = mails.filter(({ folder }) => folder === trash)
    if (gone.length === 0) return this.#moveTo(mails, trash, 'to the Trash')
    if (gone.length < mails.length)
      throw new Wrong('Some of these are in the Trash already. Nothing was done.')
    if (
      !isYes(await this.#desk.talk.ask(`Delete ${counted(gone.length, 'mail')} for good? Type yes or no: `))
    )
      return this.#desk.talk.say('Nothing was deleted.')
    for (const { row } of gone) await this.#desk.calling(() => this.#desk.client.remove(row.id))
    this.#takeOut(gone)
    this.#desk.talk.say(`${counted(gone.length, 'mail')} deleted for good.`)
  }

  async #move(text: string) {
    const { mails, rest } = this.#chosen(text)
    const to = rest.trim().replace(/^to\b\s*/i, '')
    if (to === '') throw new Wrong('To which folder? Such as: move 1-3 to Archive.')
    if (to === 'Archive' && !this.#desk.folders.some(({ name }) => name === to)) await this.#newFolder(to)
    const folder = this.#folderNamed(to)
    await this.#moveTo(mails, folder, `moved to ${harmless(folder)}`)
  }

  async #moveTo(mails: Listed[], to: string, how: string) {
    const before = new Map<string, number[]>()
    for (const { row, folder } of mails) before.set(folder, [...(before.get(folder) ?? []), row.id])
    const ids = mails.map(({ row }) => row.id)
    await this.#desk.calling(() => this.#desk.client.mark(ids, { folder: to }))
    this.#takeOut(mails, to)
    this.#desk.did(`${counted(mails.length, 'mail')} ${how}.`, async () => {
      for (const [folder, of] of before) await this.#desk.client.mark(of, { folder })
      for (const [folder, of] of before) this.#relocate(of, folder)
      this.#desk.talk.say(`${counted(ids.length, 'mail')} back where they were.`)
    })
  }

  /** Numbers stay as they were read out: a mail that went keeps its own until the list is read out anew. */
  #takeOut(mails: Listed[], to?: string) {
    const ids = mails.map(({ row }) => row.id)
    if (to !== undefined) this.#relocate(ids, to)
    for (const id of ids) this.#marked.delete(id)
    if (this.#view && ids.includes(this.#view.came.id)) this.#view = null
  }

  #relocate(ids: number[], folder: string) {
    for (const each of this.#list?.rows ?? []) if (ids.includes(each.row.id)) each.folder = folder
  }

  async #flag(text: string) {
    const { mails } = this.#chosen(text)
    const flagged = mails.some(({ row }) => !row.flagged)
    await this.#change(mails, { flagged }, flagged ? 'flagged' : 'no longer flagged')
  }

  async #unread(text: string) {
    const { mails } = this.#chosen(text)
    const seen = mails.some(({ row }) => !row.seen)
    await this.#change(mails, { seen }, seen ? 'marked as read' : 'marked as unread')
  }

  async #change(mails: Listed[], change: { seen?: boolean; flagged?: boolean }, how: string) {
    const member = change.seen === undefined ? 'flagged' : 'seen'
    const value = change[member]!
    const changing = mails.filter(({ row }) => row[member] !== value)
    const set = async (to: boolean) => {
      await this.#desk.client.mark(
        changing.map(({ row }) => row.id),
        { [member]: to },
      )
      for (const { row } of changing) row[member] = to
    }
    if (changing.length) await this.#desk.calling(() => set(value))
    this.#desk.did(`${counted(mails.length, 'mail')} ${how}.`, async () => {
      if (changing.length) await set(!value)
      this.#desk.talk.say('Undone.')
    })
  }

  // ---- one mail

  #current(): View {
    return this.#view ?? fail('Open a mail first: type its number.')
  }

  #numbered(text: string): { listed: Listed; number: number } {
    const number = Number(/^\s*(\d{1,6})\s*$/.exec(text)?.[1] ?? fail('Give the number of a mail.'))
    const listed = this.#list?.rows[number - 1] ?? fail(`There is no mail ${number} in this list.`)
    return { listed, number }
  }

  async #open(text: string) {
    const { listed, number } = this.#numbered(text)
    await this.#fetchMail(listed, number)
    this.#showMail()
  }

  async #fetchMail(listed: Listed, number: number) {
    const came = await this.#desk.calling(() => this.#desk.client.message(listed.row.id))
    listed.row.seen = true
    listed.folder = came.folder
    this.#view = { came, opened: null, folder: came.folder, part: null, number }
  }

  /** What we know comes before what the sender wrote. */
  #showMail() {
    const view = this.#current()
    const { came, opened, number, folder } = view
    const { talk } = this.#desk
    const mail = opened ?? came
    const place = number === null ? 'Mail' : `Mail ${number}`
    talk.say(`${place} in ${harmless(folder)}. State: ${stateOf(view)}`)
    const people = (list: { name: string; address: string }[]) =>
      list
        .map(({ name, address }) =>
          name && name !== address ? `${harmless(name)} <${wholeAddress(address)}>` : wholeAddress(address),
        )
        .join(', ')
    talk.say(`From: ${people(mail.from)}`)
    if (mail.to.length) talk.say(`To: ${people(mail.to)}`)
    if (mail.cc.length) talk.say(`Cc: ${people(mail.cc)}`)
    talk.say(`Subject: ${harmless(mail.headers.subject ?? '') || '(no subject)'}`)
    if (mail.headers.date) talk.say(`Date: ${harmless(mail.headers.date)}`)
    if (mail.attachments.length)
      talk.say(`${counted(mail.attachments.length, 'attachment')}; type attachments to list them.`)
    for (const [index, { name }] of mail.isolated.entries())
      talk.say(`Encrypted part ${index + 1}: ${harmless(name)}; type part ${index + 1} to open it alone.`)
    if (came.security === 'encrypted' && !opened) {
      talk.say(
        this.#kindOf(folder) === 'drafts'
          ? 'Type resume to go on with this draft, decrypt to read it.'
          : 'Type decrypt to read it, more for the text as it came.',
      )
      return talk.offer(mail.text)
    }
    if (this.#kindOf(folder) === 'drafts') talk.say('Type resume to go on with this draft.')
    talk.text(mail.text, { isSecret: opened !== null })
  }

  async #decrypt(text: string) {
    if (text.trim() !== '') {
      const { listed, number } = this.#numbered(text)
      if (this.#view?.came.id !== listed.row.id) await this.#fetchMail(listed, number)
    }
    const view = this.#current()
    const [only, another] = view.came.isolated
    // Nothing at the root to open: no passphrase is asked for it.
    if (view.came.security !== 'encrypted') {
      if (!only) return this.#desk.talk.say('This mail is not encrypted: this is all of it.')
      if (another) throw new Wrong('This mail has several encrypted parts: type part and a number.')
      return this.#openWith(view, only.id, 'decrypt')
    }
    await this.#openWith(view, null, 'decrypt')
  }

  async #openPart(text: string) {
    const view = this.#current()
    const part = (view.opened ?? view.came).isolated[Number(text) - 1]
    await this.#openWith(view, part?.id ?? fail('There is no encrypted part with that number.'), 'part')
  }

  async #openWith(view: View, part: string | null, verb: 'decrypt' | 'part') {
    const { client } = this.#desk
    const use = { verb, about: 'To open this mail', scope: 'read' } as const
    const opened = await this.#desk.key.withKey(use, () => client.decrypt(view.came.id, part ?? undefined))
    if (!opened) return
    this.#view = { ...view, opened, part }
    this.#showMail()
  }

  #headers() {
    const { came, opened } = this.#current()
    for (const [name, value] of Object.entries((opened ?? came).headers))
      for (const line of value.split('\n')) this.#desk.talk.say(`${harmless(name)}: ${harmless(line)}`)
  }

  #details() {
    const { came, opened } = this.#current()
    const { status, key, by, at, reason } = (opened ?? came).signature
    const { talk } = this.#desk
    if (status === 'none') return talk.say('There is no signature.')
    talk.say(`Signature: ${status}`)
    if (by) talk.say(`Signed by: ${harmless(by)}`)
    if (key) talk.say(`Key: ${grouped(harmless(key))}`)
    if (reason) talk.say(`Why: ${harmless(reason)}`)
    if (at) talk.say(`Signed at: ${moment(at)}`)
  }

  #attachmentsOf(view: View) {
    return (view.opened ?? view.came).attachments
  }

  #listAttachments() {
    const attachments = this.#attachmentsOf(this.#current())
    if (attachments.length === 0) return this.#desk.talk.say('This mail has no attachments.')
    for (const [place, { name, type, size }] of attachments.entries())
      this.#desk.talk.say(
        `Attachment ${place + 1}: ${harmless(name)}, ${harmless(type)}, ${sizeInWords(size)}`,
      )
    this.#desk.talk.say('Type save, a number and a file name to save one.')
  }

  /** One attachment of the opened mail; null if the key was needed and not opened. */
  async attachment(number: string, verb: string): Promise<FetchedFile | null> {
    const view = this.#current()
    const found =
      this.#attachmentsOf(view)[Number(number) - 1] ?? fail('There is no attachment with that number.')
    return this.#fetchFile(view, found, verb)
  }

  /** Where an attachment of the opened mail lies, or the mail itself, and what it is called. */
  origin(number: string): { from: Asked<'file'>['from'] & object; name: string; isSecret: boolean } {
    const view = this.#current()
    const { came, opened, part: within } = view
    const message = came.id
    if (number === '')
      return { from: { message }, name: `${came.headers.subject || 'mail'}.eml`, isSecret: false }
    const found =
      this.#attachmentsOf(view)[Number(number) - 1] ?? fail('There is no attachment with that number.')
    const from = { message, part: found.id, ...(within !== null && { within }) }
    return { from, name: found.name || found.type, isSecret: opened !== null }
  }

  async #fetchFile({ came, part: within }: Source, { id, name, type }: File, verb: string) {
    const use = { verb, about: 'To open this attachment', scope: 'read' } as const
    const part = await this.#desk.key.withKey(use, () =>
      this.#desk.client.part(came.id, id, within ?? undefined),
    )
    return part && { name: part.name || name, type, octets: part.octets }
  }

  async #save(text: string) {
    const [, number = '', path = ''] =
      /^\s*(\d{1,4})(.*)$/s.exec(text.trim()) ?? fail('Give the number of an attachment.')
    const found = await this.attachment(number, 'save')
    if (!found) return
    const usual = fileNameOf(found.name)
    const asked = path.trim() || (await this.#desk.talk.ask(`File (Enter for ${usual}): `)).trim()
    await this.#write(asked || usual, found.octets)
  }

  /** What is there already stays. */
  async #write(path: string, octets: Uint8Array) {
    const { disk } = this.#desk
    if (!disk) throw new Wrong(noDisk.save)
    const file = path
    try {
      await disk.save(file, octets)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EEXIST')
        throw new Wrong(`${harmless(file)} is there already. Nothing was written; choose another name.`)
      throw new Wrong(`${harmless(file)} cannot be written (${code}).`)
    }
    this.#desk.talk.say(`${sizeInWords(octets.length)} written to ${harmless(file)}.`)
  }

  async #raw(path: string) {
    const { came } = this.#current()
    const octets = await this.#desk.calling(() => this.#desk.client.raw(came.id))
    if (path.trim() !== '') return this.#write(path.trim(), octets)
    this.#desk.talk.text(Buffer.from(octets).toString('utf8'))
  }

  // ---- letters about it

  async #reply({ all }: { all: boolean }) {
    const view = this.#current()
    const own = await this.#desk.calling(() => this.#desk.client.ownAddresses())
    const how = { own, all, kind: this.#kindOf(view.folder) }
    const { letter, notes } = replyTo(view, how)
    for (const note of notes) this.#desk.talk.say(note)
    this.#desk.talk.say(`To: ${letter.to}`)
    if (letter.cc) this.#desk.talk.say(`Cc: ${letter.cc}`)
    this.#desk.talk.say(`Subject: ${letter.subject}`)
    await this.#desk.converse(letter, ['text'])
  }

  /** Null if the key was needed and not opened. */
  async #filesOf(source: Source, verb: 'forward' | 'resume'): Promise<FetchedFile[] | null> {
    const found: FetchedFile[] = []
    for (const file of forwardedFiles(source)) {
      const attachment = await this.#fetchFile(source, file, verb)
      if (!attachment) return null
      found.push(attachment)
    }
    return found
  }

  async #forward() {
    const view = this.#current()
    const attachments = await this.#filesOf(view, 'forward')
    if (!attachments) return
    const { letter, notes } = forwardOf(view, attachments)
    for (const note of notes) this.#desk.talk.say(note)
    this.#desk.talk.say(`Subject: ${letter.subject}`)
    if (attachments.length) this.#desk.talk.say(`${counted(attachments.length, 'attachment')} go with it.`)
    await this.#desk.converse(letter, ['to', 'cc', 'text'])
  }

  async #resume() {
    const { came, folder } = this.#current()
    if (this.#kindOf(folder) !== 'drafts') throw new Wrong('This mail is not a draft.')
    let source: Source = { came, opened: null, part: null }
    if (came.security === 'encrypted') {
      const use = { verb: 'resume', about: 'To open this draft', scope: 'read' } as const
      const opened = await this.#desk.key.withKey(use, () => this.#desk.client.decrypt(came.id))
      if (!opened) return
      source = { ...source, opened }
    }
    const attachments = await this.#filesOf(source, 'resume')
    if (attachments) await this.#desk.converse(draftOf(source, attachments), [])
  }
}

/** `1-3,5 7`. @throws Wrong */
const numbersIn = (text: string): number[] => {
  const numbers = new Set<number>()
  for (const range of text
    .replace(/(?<!\s)\s*-\s*/g, '-')
    .split(/[\s,]+/)
    .filter(Boolean)) {
    const [, first = '', last = first] =
      /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(range) ?? fail(`${range} is not a number or a range, such as 1-3.`)
    const [from, to] = [Number(first), Number(last || first)]
    if (from < 1 || to < from || to - from > 10_000) fail(`${range} is not a range, such as 1-3.`)
    for (let number = from; number <= to; number += 1) numbers.add(number)
  }
  return [...numbers]
}
