/** Folders: the pane beside a list on a wide screen, and the ways to another one. */
import { type App, startingWith } from '../app.ts'
import type { Line, Size } from '../screen.ts'
import type { State } from '../state.ts'
import { column } from '../text.ts'
import { openList } from './list.ts'

/** The pane's columns with the line beside it; 0 where the list needs them itself. */
export const paneColumns = ({ columns }: Size) => (columns >= 100 ? 22 : 0)

export const folderPane = (state: State, current: string, columns: number, rows: number): Line[] =>
  Array.from({ length: rows }, (_, place): Line => {
    const folder = state.folders[place]
    if (!folder) return [`${' '.repeat(columns - 2)}| `]
    const count = folder.unread ? ` ${folder.unread}` : ''
    const text = `${folder.name === current ? '>' : ' '}${column(folder.name, columns - 4 - count.length)}${count} `
    return [{ text, bold: folder.name === current || folder.unread > 0 }, '| ']
  })

/** Asks for a folder by name; Enter alone shows them all. */
export const goToFolder = (app: App) => {
  const names = app.state.folders.map(({ name }) => name)
  app.askLine(
    'Folder (nothing: a list; Tab completes): ',
    (typed) => (typed === '' ? showFolders(app) : openFolder(app, typed)),
    (typed) => startingWith(names, typed),
  )
}

export const openFolder = (app: App, typed: string) => {
  const names = app.state.folders.map(({ name }) => name)
  const found = startingWith(names, typed)
  const name =
    names.find((each) => each.toLowerCase() === typed.toLowerCase()) ?? (found.length === 1 ? found[0] : null)
  if (!name)
    return app.warn(
      found.length
        ? `Which one: ${found.join(', ')}?`
        : `There is no folder ${typed}; o and Enter lists them.`,
    )
  for (const { id, name: kind } of [...app.state.screens].reverse()) {
    if (kind === 'compose') break // a letter stays where it is
    app.close(id)
  }
  openList(app, name)
}

const showFolders = (app: App) =>
  app.push({
    name: 'menu',
    title: 'Folders',
    intro: [],
    items: [],
    cursor: 0,
    loading: true,
    load: async () => {
      const folders = await app.client.folders()
      app.dispatch({ type: 'folders', folders })
      return {
        items: folders.map(({ name, total, unread }) => ({
          text: name,
          detail: `${total === 1 ? '1 mail' : `${total} mails`}${unread ? `, ${unread} unread` : ''}`,
          choose: () => openFolder(app, name),
        })),
      }
    },
  })
