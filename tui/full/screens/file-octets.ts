/** Octets of files on their way: from this machine's disk into the box, from there to the disk, and to be read. */
import type { FileEntry } from '../../../server/contract/answers.ts'
import { fileNameOf } from '../../letter/file-names.ts'
import { cut, harmless } from '../../text/text.ts'
import { noDisk, sizeOf } from '../../text/words.ts'
import type { Stage } from '../stage.ts'
import type { FilesScreen } from '../state.ts'
import { fromFiles } from './text.ts'

type Own = FilesScreen & { id: number }
/** Told the name of what has come. */
type Done = (name: string) => void

export const pathIn = ({ folder }: Pick<FilesScreen, 'folder'>, name: string) =>
  folder === '' ? name : `${folder}/${name}`

/** Asks for a file of this machine, and puts it into the folder that is shown. */
export const putFile = (app: Stage, screen: Own, done: Done) => {
  const { disk } = app.surroundings
  if (!disk) return app.warn(noDisk.put)
  app.askLine(
    'Put: ',
    (typed) => {
      if (typed !== '') void send(app, screen, { typed, disk, done })
    },
    disk.completions,
  )
}

type Disk = NonNullable<Stage['surroundings']['disk']>

const send = async (
  app: Stage,
  screen: Own,
  how: { typed: string; disk: Disk; done: Done; isSure?: boolean },
): Promise<void> => {
  const { typed, disk, done, isSure = false } = how
  const found = await disk.streamFrom(typed)
  if ('failed' in found) return app.warn(found.failed)
  const { name, size, octets } = found
  const isThere = app.current(screen)?.entries.some((entry) => entry.name === name.normalize('NFC'))
  if (isThere && !isSure) {
    for await (const _ of octets) break // it is opened anew
    return app.askChoice(
      `There is ${cut(harmless(name), 40)} already. Replace it? y/n`,
      {
        y: () => void send(app, screen, { ...how, isSure: true }),
        n: () => app.note('Nothing was sent.'),
      },
      screen.id,
    )
  }
  const counted = progress(app, `Sending ${harmless(name)}`, size)
  const isDone = await app.does(
    async () => {
      try {
        await app.client.putFile(pathIn(screen, name), counted.of(octets), size)
      } finally {
        counted.end()
      }
    },
    `Sending ${harmless(name)}`,
  )
  if (!isDone) return
  app.note(`${harmless(name)} is in Files (${sizeOf(size)}).`)
  done(name.normalize('NFC'))
}

/** Asks where to, and never writes over a file that is there. */
export const getFile = (app: Stage, path: string, { name, size }: FileEntry) => {
  const { disk } = app.surroundings
  if (!disk) return app.warn(noDisk.get)
  app.askLine(
    'Save as: ',
    (to) => to !== '' && void fetchTo(app, { path, size }, to, disk),
    disk.completions,
    fileNameOf(name),
  )
}

const fetchTo = async (app: Stage, from: { path: string; size: number }, to: string, disk: Disk) => {
  const about = harmless(from.path)
  const counted = progress(app, `Fetching ${about}`, from.size)
  const outcome = await app.withKey({ verb: 'Decrypt', about: from.path }, async () => {
    try {
      await disk.writing(to, (write) =>
        app.client.readFile(from.path, async (octets) => {
          counted.add(octets.length)
          await write(octets)
        }),
      )
      return { failed: '' }
    } catch (error) {
      const { code, syscall } = error as NodeJS.ErrnoException
      if (syscall === undefined) throw error
      return {
        failed: code === 'EEXIST' ? 'exists already; nothing was written' : `cannot be written (${code})`,
      }
    } finally {
      counted.end()
    }
  })
  if (!outcome) return
  if (outcome.failed) app.warn(`${harmless(to)} ${outcome.failed}.`)
  else app.note(`Saved ${sizeOf(from.size)} in ${harmless(to)}.`)
}

/** Shows a file as a text, until the key closes. */
export const showText = (app: Stage, screen: Own, path: string): void => {
  const pieces: Uint8Array[] = []
  const read = async () => {
    pieces.splice(0)
    await app.client.readFile(path, (octets) => void pieces.push(octets))
    return true
  }
  void app.withKey({ verb: 'Decrypt', about: path }, read).then((isRead) => {
    if (!isRead) return
    app.pushOver(screen.id, {
      name: 'text',
      title: `File: ${harmless(path)}`,
      intro: fromFiles,
      content: { text: new TextDecoder('utf-8').decode(Buffer.concat(pieces)) },
      top: 0,
      isSecret: true,
    })
  })
}

/** Says how much of a file is there, now and then. */
const progress = (app: Stage, what: string, size: number) => {
  let [done, said] = [0, app.surroundings.now()]
  const add = (octets: number) => {
    done += octets
    const now = app.surroundings.now()
    if (now - said < 1000) return
    said = now
    app.dispatch({ type: 'busy', what: `${what}, ${Math.min(100, Math.floor((100 * done) / size))} %` })
  }
  return {
    add,
    async *of(octets: AsyncIterable<Uint8Array>) {
      for await (const chunk of octets) {
        add(chunk.length)
        yield chunk
      }
    },
    end: () => app.dispatch({ type: 'busy', what: '' }),
  }
}
