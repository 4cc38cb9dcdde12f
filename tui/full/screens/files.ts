/**
 * Files: a folder of the box at the server, and what is done to what lies in it. For a letter the same screen is there to
 * choose from. Octets pass through here only on their way to this machine's disk and from it, or to be read as a text.
 */
import type { FileEntry } from '../../../server/contract/answers.ts'
import { cut, harmless } from '../../text/text.ts'
import { moment, noDisk, sizeOf } from '../../text/words.ts'
import { keyFor } from '../keymap.ts'
import { movedTo, type ScreenKind } from '../screen.ts'
import type { Stage } from '../stage.ts'
import type { FilesScreen, MenuItem } from '../state.ts'
import { getFile, pathIn, putFile, showText } from './file-octets.ts'
import { menuView } from './menu.ts'

type Own = FilesScreen & { id: number }

/** What is shown as a text at most, in octets. */
const textOctets = 1024 * 1024

/** @param take what is done with the file that is chosen, which ends the screen; without it, one works in the box */
export const openFiles = (app: Stage, take: FilesScreen['take'] = null) =>
  app.push({ name: 'files', folder: '', entries: [], space: null, cursor: 0, seek: '', loading: true, take })

export const files: ScreenKind<Own> = {
  context: 'files',
  hints: ({ entries, take }) =>
    take
      ? ['choose', 'back']
      : [
          ...(entries.length ? ['choose', 'get', 'rename', 'delete'] : []),
          'put',
          'newFolder',
          'back',
          'help',
        ],
  title: ({ folder, take }) => `${take ? 'Attach from Files' : 'Files'}${folder && `: ${harmless(folder)}`}`,
  place: ({ entries, cursor }) => (entries.length ? `${cursor + 1} of ${entries.length}` : ''),

  view(screen, { keymap }, size) {
    const { space, take } = screen
    const intro = take
      ? [`${keyFor(keymap, 'files', 'choose')} attaches a file. It is taken when the letter leaves.`]
      : space
        ? [`${sizeOf(space.used)} of ${sizeOf(space.quota)} are used.`]
        : []
    return menuView({ ...screen, intro, items: screen.entries.map(itemOf) }, size)
  },

  shown: (app, screen) => void load(app, screen),

  /** Out of a folder, before out of Files. */
  back(app, screen) {
    if (screen.folder === '') return false
    go(app, screen, folderOf(screen.folder), nameOf(screen.folder))
    return true
  },

  run(app, screen, command) {
    const page = Math.max(1, app.bodyRows - 3)
    const cursor = movedTo(command, screen.cursor, page, screen.entries.length - 1)
    if (cursor !== null) return app.change(screen, { cursor })
    if (command === 'parent') return void (files.back!(app, screen) || app.note('This is all of Files.'))
    if (screen.take && command !== 'choose') return app.note('Choose a file here, or leave with Esc.')
    if (command === 'put') return putFile(app, screen, (name) => reload(app, screen, name))
    if (command === 'newFolder') return newFolder(app, screen)
    const entry = screen.entries[screen.cursor]
    if (!entry) return app.note('There is no file here.')
    const act = { choose, get, rename, delete: remove }[command]
    act?.(app, screen, entry)
  },
}

const itemOf = ({ name, type, size, modified_at }: FileEntry): MenuItem =>
  type === 'folder'
    ? { text: `${name}/`, detail: 'folder' }
    : { text: name, detail: `${sizeOf(size)}, ${moment(modified_at)}` }

// ---- where one is

const nameOf = (path: string) => path.slice(path.lastIndexOf('/') + 1)
const folderOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf('/')))

/** @param seek the name that the cursor goes to, if it is there */
const go = (app: Stage, screen: Own, folder: string, seek = '') => {
  app.change(screen, { folder, entries: [], cursor: 0, seek, loading: true })
  const now = app.current(screen)
  if (now) void load(app, now)
}

/** Asks for the folder anew. */
const load = async (app: Stage, screen: Own): Promise<void> => {
  const { folder } = screen
  const found = await app.ask(async () => {
    const entries: FileEntry[] = []
    let next: string | null = null
    do {
      const page = await app.client.files(folder, next)
      entries.push(...page.files)
      next = page.next
    } while (next !== null)
    return { entries, space: (await app.client.session()).space }
  }, 'Looking into Files')
  const now = app.current(screen)
  if (now?.folder !== folder) return
  const entries = found?.entries ?? now.entries
  const wanted = entries.findIndex(({ name }) => name === now.seek)
  const cursor = wanted >= 0 ? wanted : Math.max(0, Math.min(now.cursor, entries.length - 1))
  app.change(now, { entries, cursor, seek: '', loading: false, space: found?.space ?? now.space })
}

// ---- what is done there

const choose = (app: Stage, screen: Own, entry: FileEntry) => {
  const path = pathIn(screen, entry.name)
  if (entry.type === 'folder') return go(app, screen, path)
  if (screen.take) {
    app.close(screen.id)
    return screen.take({ name: entry.name, type: entry.type, size: entry.size, file: path })
  }
  if (/^text\//.test(entry.type) && entry.size <= textOctets) return showText(app, screen, path)
  if (!app.surroundings.disk) return app.note(`This is no text that could be shown. ${noDisk.get}`)
  get(app, screen, entry)
}

const get = (app: Stage, screen: Own, entry: FileEntry) => {
  if (entry.type === 'folder') return app.note('A folder is not fetched as a whole: open it.')
  getFile(app, pathIn(screen, entry.name), entry)
}

const newFolder = (app: Stage, screen: Own) =>
  app.askLine('New folder: ', (name) => {
    if (name === '') return
    void app
      .does(() => app.client.makeFileFolder(pathIn(screen, name)))
      .then((isDone) => isDone && reload(app, screen, name))
  })

const rename = (app: Stage, screen: Own, { name }: FileEntry) =>
  app.askLine(
    'Its path: ',
    (to) => {
      const path = pathIn(screen, name)
      if (to === '' || to === path) return
      void app
        .does(() => app.client.moveFile(path, to))
        .then((isDone) => {
          if (!isDone) return
          app.note(`It is ${to} now.`)
          reload(app, screen, nameOf(to))
        })
    },
    undefined,
    pathIn(screen, name),
  )

const remove = (app: Stage, screen: Own, { name, type }: FileEntry) => {
  const all = type === 'folder'
  app.askChoice(
    `Remove ${cut(harmless(name), 40)}${all ? ', with all that is in it,' : ''} for good? y/n`,
    {
      y: () =>
        void app
          .does(() => app.client.removeFile(pathIn(screen, name), { all }))
          .then((isDone) => {
            if (!isDone) return
            app.note(`${harmless(name)} is removed.`)
            reload(app, screen)
          }),
      n: () => app.note('Nothing was removed.'),
    },
    screen.id,
  )
}

/** Where the folder is still shown. */
const reload = (app: Stage, screen: Own, seek = '') => {
  const now = app.current(screen)
  if (!now) return
  app.change(now, { seek })
  void load(app, app.current(now)!)
}
