/** The commands that put mail into a mailbox, and take it out. */
import { Refusal } from '../ground/refusal.ts'
import type { FiledMail } from '../mail/mail-files.ts'
import type { Mailboxes } from '../mail/mailboxes.ts'
import { type Call, withServices } from './command.ts'
import { complain, print, write } from './console.ts'

export async function importMail(call: Call) {
  const [address = '', ...paths] = call.arguments
  const { mailFilesAt, mailsIn } = await import('../mail/mail-files.ts')
  await withServices(async ({ users, mailboxes }) => {
    const user = await users.named(address)
    const folders = await foldersFor(mailboxes, user.id, call.option('folder'))
    const counts = new Map<string, number>([[folders.main.name, 0]])
    let first = Number.POSITIVE_INFINITY
    let known = 0
    let failures = 0
    const note = (sentence: string) => {
      failures += 1
      complain(sentence)
    }
    const put = async (mail: FiledMail, subfolder: string | null) => {
      const { octets, arrivedAt, seen, flagged, answered, deleted } = mail
      const folder = await folders.of(subfolder, deleted)
      // An import that broke off, or was given more, is run again.
      if (await mailboxes.holds(user.id, folder.id, octets, { arrivedAt, before: first })) {
        known += 1
        return
      }
      const id = await mailboxes.store(user.id, folder.id, octets, { arrivedAt, seen, flagged })
      if (answered) await mailboxes.mark(user.id, [id], { answered })
      first = Math.min(first, id)
      counts.set(folder.name, (counts.get(folder.name) ?? 0) + 1)
    }
    for (const path of paths)
      await orNote(note, async () => {
        for (const file of await mailFilesAt(path))
          await orNote(note, async () => {
            for await (const mail of mailsIn(file))
              if ('skipped' in mail) note(mail.skipped)
              else await put(mail, file.folder)
          })
      })
    for (const [folder, count] of counts)
      print(`${count === 1 ? '1 message is' : `${count} messages are`} now in ${folder}.`)
    if (known > 0) print(`${known === 1 ? '1 was' : `${known} were`} there already.`)
    for (const folder of folders.made) print(`The folder ${folder} is new.`)
    if (failures > 0) process.exitCode = 1
  })
}

/** What is wrong with one file is said, and the others go on. */
const orNote = async (note: (sentence: string) => void, work: () => Promise<void>) => {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    note(error.message)
  }
}

/**
 * Where imported mail goes: what is marked as deleted to the Trash; a subfolder to its like here, unless a folder was
 * named for all; all else to the named folder, or to the Inbox.
 */
const foldersFor = async (mailboxes: Mailboxes, userId: number, name: string | undefined) => {
  const made: string[] = []
  const named = async (wanted: string) =>
    mailboxes.folderNamed(userId, wanted).catch(async (error) => {
      if (!(error instanceof Refusal && error.code === 'not-found')) throw error
      const folder = await mailboxes.createFolder(userId, wanted)
      made.push(folder.name)
      return folder
    })
  const main = name === undefined ? await mailboxes.fixedFolder(userId, 'inbox') : await named(name)
  const of = async (subfolder: string | null, isDeleted: boolean) => {
    if (isDeleted) return mailboxes.fixedFolder(userId, 'trash')
    if (subfolder === null || name !== undefined) return main
    const [, kind] = usualFolders.find(([names]) => names.test(subfolder)) ?? []
    return kind ? mailboxes.fixedFolder(userId, kind) : named(subfolder)
  }
  return { main, of, made }
}

/** Subfolders that other programs keep what these folders are for in. */
const usualFolders: [RegExp, 'sent' | 'drafts' | 'trash' | 'inbox'][] = [
  [/^inbox$/i, 'inbox'],
  [/^sent([ -](items|mail|messages))?$/i, 'sent'],
  [/^drafts?$/i, 'drafts'],
  [/^(trash|deleted( (items|messages))?)$/i, 'trash'],
]

export async function exportMail(call: Call) {
  const { toMbox } = await import('../mail/mail-files.ts')
  await withServices(async ({ users, mailboxes }) => {
    const user = await users.named(call.arguments[0]!)
    const name = call.option('folder')
    const folders =
      name === undefined ? await mailboxes.folders(user.id) : [await mailboxes.folderNamed(user.id, name)]
    for (const folder of folders)
      for (const id of await mailboxes.ids(folder.id)) {
        const { arrivedAt } = await mailboxes.message(user.id, id)
        await write(toMbox(await mailboxes.octets(user.id, id), arrivedAt))
      }
  })
}
