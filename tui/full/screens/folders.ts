/** The ways to another folder. */

import { counted, startingWith } from '../../text/words.ts'
import { keyFor } from '../keymap.ts'
import type { Stage } from '../stage.ts'
import { openList } from './list.ts'
import { openMenu } from './menu.ts'

/** Asks for a folder by name; Enter alone shows them all. */
export const goToFolder = (app: Stage) => {
  const names = () => app.state.folders.map(({ name }) => name)
  app.askLine(
    'Folder: ',
    (typed) => (typed === '' ? showFolders(app) : openFolder(app, typed)),
    (typed) => startingWith(names(), typed),
  )
  app.note('Tab completes, Enter lists all', { forMs: Number.POSITIVE_INFINITY })
}

export const openFolder = (app: Stage, typed: string) => {
  const names = app.state.folders.map(({ name }) => name)
  const found = startingWith(names, typed)
  const name =
    names.find((each) => each.toLowerCase() === typed.toLowerCase()) ?? (found.length === 1 ? found[0] : null)
  if (!name)
    return app.warn(
      found.length
        ? `Which one: ${found.join(', ')}?`
        : `There is no folder ${typed}; ${keyFor(app.keymap, 'global', 'folder')} and Enter lists them.`,
    )
  for (const { id, name: kind } of [...app.state.screens].reverse()) {
    if (kind === 'compose') break // a letter stays where it is
    app.close(id)
  }
  openList(app, name)
}

const showFolders = (app: Stage) =>
  openMenu(app, 'Folders', async () => {
    const folders = await app.client.folders()
    app.dispatch({ type: 'folders', folders })
    return {
      items: folders.map(({ name, total, unread }) => ({
        text: name,
        detail: `${counted(total)}${unread ? `, ${unread} unread` : ''}`,
        choose: () => openFolder(app, name),
      })),
    }
  })
