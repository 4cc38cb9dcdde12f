/**
 * Files in line mode: the box of files at the server, read out a folder at a time with numbers. Octets pass through here
 * only on their way to this machine's disk and from it, or to be read out.
 */
import type { FileEntry } from '../../server/contract/answers.ts'
import { fileNameOf } from '../letter/file-names.ts'
import type { BoxFile } from '../letter/letter.ts'
import { harmless } from '../text/text.ts'
import { moment, noDisk } from '../text/words.ts'
import { type Command, counted, isYes, row } from './dialogue.ts'
import { type Desk, sizeInWords } from './letter.ts'
import { fail, type MailTalk, Wrong } from './mail.ts'

/** What is read out at most, in octets. */
const textOctets = 1024 * 1024

export class FileTalk {
  readonly #desk: Desk
  readonly #mail: Pick<MailTalk, 'origin'>
  /** The folder that was read out last; empty for the box itself. */
  #folder = ''
  #entries: FileEntry[] = []

  constructor(desk: Desk, mail: Pick<MailTalk, 'origin'>) {
    this.#desk = desk
    this.#mail = mail
  }

  commands(): Command[] {
    return [
      row('files F', 'FOLDER', 'lists Files, the box of files at the server, or a folder of it', (rest) =>
        this.list(rest),
      ),
      row('tofiles W', 'NUMBER PATH', 'saves an attachment there; without a number the opened mail', (rest) =>
        this.#save(rest),
      ),
      row('putfile', 'FILE', 'puts a file of this machine there', (rest) => this.#put(rest)),
      row('getfile', 'NUMBER FILE', "saves a file from there to this machine's disk", (rest) =>
        this.#get(rest),
      ),
      row('showfile', 'NUMBER', 'reads out a text that lies there', (rest) => this.#show(rest)),
      row('makefolder', 'NAME', 'makes a folder there', (rest) => this.#makeFolder(rest)),
      row('movefile', 'NUMBER to PATH', 'renames or moves a file or folder there', (rest) =>
        this.#move(rest),
      ),
      row('removefile', 'NUMBER', 'removes a file or folder there for good', (rest) => this.#remove(rest)),
    ]
  }

  /** @param text a number of the last list, a path, `..`, or nothing for the box itself */
  async list(text: string): Promise<void> {
    const { talk, client } = this.#desk
    const folder = this.#folderAt(text.trim())
    const entries: FileEntry[] = []
    let next: string | null = null
    do {
      const page = await this.#desk.calling(() => client.files(folder, next))
      entries.push(...page.files)
      next = page.next
    } while (next !== null)
    const { used, quota } = (await this.#desk.calling(() => client.session())).space
    this.#folder = folder
    this.#entries = entries
    talk.say(
      `${folder === '' ? 'Files' : `Files, ${harmless(folder)}`}: ${counted(entries.length, 'entry', 'entries')}. ${sizeInWords(used)} of ${sizeInWords(quota)} are used.`,
    )
    for (const [place, { name, type, size, modified_at }] of entries.entries())
      talk.say(
        type === 'folder'
          ? `${place + 1}. Folder ${harmless(name)}`
          : `${place + 1}. ${harmless(name)}, ${sizeInWords(size)}, ${moment(modified_at)}`,
      )
    if (entries.length > 0) talk.say('Type files and the number of a folder, or getfile and that of a file.')
  }

  /** A file for a letter, by the number of the last list or its path. */
  async chosen(text: string): Promise<BoxFile | null> {
    const wanted = text.trim()
    if (wanted === '') {
      await this.list('')
      this.#desk.talk.say('Type attachfile and a number.')
      return null
    }
    const entry = /^\d{1,5}$/.test(wanted) ? this.#numbered(wanted) : await this.#at(wanted)
    if (entry.type === 'folder') {
      await this.list(entry.path)
      return null
    }
    return { name: entry.name, type: entry.type, size: entry.size, file: entry.path }
  }

  // ---- which of them

  #pathOf(name: string) {
    return this.#folder === '' ? name : `${this.#folder}/${name}`
  }

  #folderAt(wanted: string): string {
    if (wanted === '..') return this.#folder.slice(0, Math.max(0, this.#folder.lastIndexOf('/')))
    if (!/^\d{1,5}$/.test(wanted)) return wanted.replace(/^\/+|\/+$/g, '')
    const { type, path } = this.#numbered(wanted)
    return type === 'folder' ? path : fail('That is no folder; showfile reads out a text.')
  }

  #numbered(text: string): FileEntry & { path: string } {
    const entry = this.#entries[Number(text) - 1] ?? fail('There is no file with that number; type files.')
    return { ...entry, path: this.#pathOf(entry.name) }
  }

  async #at(path: string): Promise<FileEntry & { path: string }> {
    const entry = await this.#desk.calling(() => this.#desk.client.file(path))
    const name = path.slice(path.lastIndexOf('/') + 1)
    return { ...entry, name, path }
  }

  /** A number, and what follows it. */
  #numberIn(text: string): { entry: FileEntry & { path: string }; rest: string } {
    const [, number = '', rest = ''] =
      /^\s*(\d{1,5})\b\s*(.*)$/s.exec(text) ?? fail('Give the number of a file; files lists them.')
    return { entry: this.#numbered(number), rest: rest.trim() }
  }

  // ---- what is done to them

  /** What of a mail is saved goes from there to here at the server. */
  async #save(text: string) {
    const { talk, client, key } = this.#desk
    const [, number = '', rest = ''] = /^\s*(\d{0,4})\s*(.*)$/s.exec(text)!
    const { from, name, isSecret } = this.#mail.origin(number)
    const usual = harmless(name).replace(/[/\\]/g, '_').trim() || 'mail'
    const path = rest.trim() || (await talk.ask(`Path in Files (Enter for ${usual}): `)).trim() || usual
    const save = () => client.saveToFiles(from, path)
    const use = { verb: 'tofiles', about: 'To save this', scope: 'read' } as const
    const stored = isSecret ? await key.withKey(use, save) : await this.#desk.calling(save)
    if (stored) talk.say(`Saved in Files as ${harmless(stored.name)}.`)
  }

  async #put(text: string) {
    const { talk, client, disk } = this.#desk
    if (!disk) throw new Wrong(noDisk.put)
    const path = text.trim() || (await talk.ask('File: ')).trim()
    if (path === '') return
    const found = await disk.streamFrom(path)
    if ('failed' in found) throw new Wrong(harmless(found.failed))
    const { name, size, octets } = found
    const isThere = this.#entries.some((entry) => entry.name === name.normalize('NFC'))
    if (isThere && !isYes(await talk.ask(`There is ${harmless(name)} already. Replace it? Type yes or no: `)))
      return talk.say('Nothing was sent.')
    await this.#desk.calling(() => client.putFile(this.#pathOf(name), octets, size))
    talk.say(`${sizeInWords(size)} put into Files as ${harmless(this.#pathOf(name))}.`)
  }

  async #get(text: string) {
    const { talk, client, disk, key } = this.#desk
    if (!disk) throw new Wrong(noDisk.get)
    const { entry, rest } = this.#numberIn(text)
    if (entry.type === 'folder') throw new Wrong('A folder is not fetched as a whole.')
    const usual = fileNameOf(entry.name)
    const to = rest || (await talk.ask(`File (Enter for ${usual}): `)).trim() || usual
    const use = { verb: 'getfile', about: 'To read this file', scope: 'read' } as const
    const done = await key.withKey(use, async () => {
      try {
        await disk.writing(to, (write) => client.readFile(entry.path, write))
        return true
      } catch (error) {
        const { code, syscall } = error as NodeJS.ErrnoException
        if (syscall === undefined) throw error
        if (code === 'EEXIST')
          throw new Wrong(`${harmless(to)} is there already. Nothing was written; choose another name.`)
        throw new Wrong(`${harmless(to)} cannot be written (${code}).`)
      }
    })
    if (done) talk.say(`${sizeInWords(entry.size)} written to ${harmless(to)}.`)
  }

  async #show(text: string) {
    const { talk, client, key } = this.#desk
    const { entry } = this.#numberIn(text)
    if (!/^text\//.test(entry.type) || entry.size > textOctets)
      throw new Wrong('That is no text that could be read out; getfile saves it.')
    const use = { verb: 'showfile', about: 'To read this file', scope: 'read' } as const
    const pieces: Uint8Array[] = []
    const done = await key.withKey(use, async () => {
      pieces.splice(0)
      await client.readFile(entry.path, (octets) => void pieces.push(octets))
      return true
    })
    if (done) talk.text(Buffer.concat(pieces).toString('utf8'), { isSecret: true })
  }

  async #makeFolder(text: string) {
    const { talk, client } = this.#desk
    const name = text.trim() || (await talk.ask('Name of the folder: ')).trim()
    if (name === '') return
    await this.#desk.calling(() => client.makeFileFolder(this.#pathOf(name)))
    talk.say(`The folder ${harmless(this.#pathOf(name))} is made.`)
  }

  async #move(text: string) {
    const { entry, rest } = this.#numberIn(text)
    const to = rest.replace(/^to\b\s*/i, '').trim()
    if (to === '') throw new Wrong('To which path? Such as: movefile 2 to plans/garden.txt.')
    await this.#desk.calling(() => this.#desk.client.moveFile(entry.path, to))
    this.#desk.talk.say(
      `It is ${harmless(to)} now. Numbers are as they were read out: type files for new ones.`,
    )
  }

  async #remove(text: string) {
    const { talk, client } = this.#desk
    const { entry } = this.#numberIn(text)
    const all = entry.type === 'folder'
    const what = `${harmless(entry.name)}${all ? ', with all that is in it,' : ''}`
    if (!isYes(await talk.ask(`Remove ${what} for good? Type yes or no: `)))
      return talk.say('Nothing was removed.')
    await this.#desk.calling(() => client.removeFile(entry.path, { all }))
    talk.say(`${harmless(entry.name)} is removed. Numbers are as they were read out.`)
  }
}
