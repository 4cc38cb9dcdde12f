/** The commands for scripts that work on Files, the box at the server. */
import type { FileEntry } from '../server/contract/answers.ts'
import { type Call, WrongCall } from '../server/contract/calls.ts'
import { Failed } from './failed.ts'
import { json, place, print, printOctets, withClient, withKey } from './script-work.ts'
import { harmless } from './text/text.ts'
import { type Client, isProblem } from './wire/client.ts'

export const fileScripts = {
  'files ls': (call: Call) =>
    withClient(async (client) => {
      const entries = await entriesAt(client, pathInBox(call.arguments[0] ?? ''))
      if (call.flag('json')) return json(entries)
      for (const { name, type, size, modified_at } of entries) print(name, type, size, modified_at)
    }),

  'files put': (call: Call) =>
    withClient(async (client) => {
      const [file = '', wanted] = call.arguments
      const { name, octets, size } = await source(file)
      // Behind SSH there is no other file than that of the box.
      const { machine } = place
      const path = target(
        name,
        wanted ?? (machine ? '' : name),
        machine ? '- plan.txt' : 'plan.txt < plan.txt',
      )
      // Whoever is refused waits for the rest of standard input no more.
      const stored = await client.putFile(path, octets, size).finally(() => place.input.destroy())
      if (call.flag('json')) return json(stored)
      print(stored.name, stored.size)
    }),

  'files get': (call: Call) =>
    withClient(async (client, _session, kept) => {
      if (call.flag('json')) throw new WrongCall('A file is written as it is: --json does not go with it.')
      if (place.output.isTTY)
        throw new Failed('A file may hold anything: send it into one, as in files get plan.txt > plan.txt.')
      const path = pathInBox(call.arguments[0]!)
      await withKey(kept, () => client.readFile(path, printOctets))
    }),

  'files rm': (call: Call) =>
    withClient(async (client) => {
      const path = pathInBox(call.arguments[0]!)
      await client.removeFile(path, { all: call.flag('all') }).catch((error) => {
        if (!isProblem(error, 'not-empty')) throw error
        throw new Failed(`The folder ${harmless(path)} is not empty. With --all, what is in it goes too.`)
      })
      if (call.flag('json')) return json({ name: path })
      print('removed', path)
    }),
}

/** What lies in a folder, the box itself as the empty path; of a file, itself. */
const entriesAt = async (client: Client, path: string): Promise<FileEntry[]> => {
  const entry = path === '' ? null : await client.file(path)
  if (entry && entry.type !== 'folder') return [entry]
  const entries: FileEntry[] = []
  let before: string | null = null
  do {
    const page = await client.files(path, before)
    entries.push(...page.files)
    before = page.next
  } while (before !== null)
  return entries
}

/** A file of this machine, or standard input, which is all that there is behind SSH. */
const source = async (
  file: string,
): Promise<{ name: string; octets: AsyncIterable<Uint8Array>; size?: number }> => {
  const { machine, input } = place
  const name = file === '-' ? '' : file
  if (!machine || file === '-') {
    if (input.isTTY)
      throw new WrongCall('The file comes on standard input, as in files put plan.txt < plan.txt.')
    return { name, octets: input }
  }
  const found = await machine.streamFrom(file)
  if ('failed' in found) throw new Failed(harmless(found.failed))
  return found
}

/**
 * Where it goes: what ends in a slash is the folder for it.
 *
 * @param example how standard input is put there
 */
const target = (name: string, wanted: string, example: string): string => {
  const last = name.slice(name.lastIndexOf('/') + 1)
  const isFolder = wanted === '' || wanted.endsWith('/')
  if (isFolder && last === '')
    throw new WrongCall(`What comes on standard input needs a path, as in files put ${example}.`)
  return pathInBox(isFolder ? wanted + last : wanted)
}

/** The box has one root, with or without the slash that stands for it elsewhere. */
export const pathInBox = (text: string) => text.replace(/^\/+|\/+$/g, '')
