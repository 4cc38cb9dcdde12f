/** What the commands of the section `global` do, whether a key or, after a colon, their name called them. */
import { startingWith } from '../text/words.ts'
import { emptyField } from './field.ts'
import { keyFor } from './keymap.ts'
import type { ScreenKind } from './screen.ts'
import { keyLog, keysAndPasskeys, terminals } from './screens/account.ts'
import { openCompose } from './screens/begin-letter.ts'
import { openFiles } from './screens/files.ts'
import { goToFolder, openFolder } from './screens/folders.ts'
import { helpRows } from './screens/help.ts'
import { list } from './screens/list.ts'
import { waitingLetters } from './screens/queue.ts'
import type { Stage } from './stage.ts'
import type { Screen } from './state.ts'

/** The client, for those who conduct it: what no screen does. */
export interface Conduct extends Stage {
  kindOf(screen: Screen): ScreenKind<Screen>
  /** Does a command, whether a key or its name called it. */
  run(command: string): void
  /** Leaves the screen on top, or first what narrows it; from the first one the client, if that is wanted. */
  back(): void
  /** Ends the client; where a letter would be lost, asks first. */
  leave(): void
  suspend(): void
  /** Locks the key where it is open, and opens it where it is not. */
  toggleKey(): Promise<void>
  undo(): Promise<void>
}

export const globalCommands: Record<string, (app: Conduct, top: Screen) => void> = {
  back: (app) => app.back(),
  quit: (app) => app.leave(),
  suspend: (app) => app.suspend(),
  redraw: (app) => app.surroundings.redraw(),
  help(app, top) {
    const rows = helpRows(app.keymap, app.kindOf(top).context)
    app.push({ name: 'help', filter: emptyField(), top: 0, rows })
  },
  command: (app, top) => askCommand(app, top),
  key: (app) => void app.toggleKey(),
  undo: (app) => void app.undo(),
  folder: (app) => goToFolder(app),
  refresh: (app, top) => void app.contact().then(() => top.name === 'list' && list.shown(app, top)),
  compose: (app) => openCompose(app, {}),
  sign: (app) => openCompose(app, { sign: true }),
  terminals(app) {
    void app.contact()
    terminals(app)
  },
  keys: (app) => void keysAndPasskeys(app),
  log(app) {
    void app.contact()
    keyLog(app)
  },
  queue(app) {
    void app.contact()
    waitingLetters(app)
  },
  files(app) {
    void app.contact()
    void openFiles(app)
  },
}

const askCommand = (app: Conduct, top: Screen) => {
  const names = [...Object.keys(app.keymap[app.kindOf(top).context]), ...Object.keys(app.keymap.global), 'go']
  const folders = () => app.state.folders.map(({ name }) => name)
  app.askLine(
    ':',
    (said) => {
      const [name = '', ...words] = said.split(/\s+/)
      if (name === '') return
      if (name === 'go') return words.length ? openFolder(app, words.join(' ')) : goToFolder(app)
      const alias = { q: 'quit', quit: 'quit', unlock: 'key', lock: 'key' }[name.toLowerCase()]
      if (alias === 'key' && (name.toLowerCase() === 'lock') !== (app.state.key !== null))
        return app.note(app.state.key ? 'The key is open already.' : 'The key is locked already.')
      if (alias) return app.run(alias)
      const command = names.find((each) => each.toLowerCase() === name.toLowerCase())
      if (command) app.run(command)
      else app.warn(`There is no command ${name}; ${keyFor(app.keymap, 'global', 'help')} lists them.`)
    },
    (typed) =>
      typed.startsWith('go ')
        ? startingWith(folders(), typed.slice(3)).map((name) => `go ${name}`)
        : startingWith(names, typed),
  )
}
