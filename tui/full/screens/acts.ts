/** What is done to mails, one or many, from a list or an opened mail: at once on the screen, then at the server. */

import type { Row } from '../../../server/contract/answers.ts'
import { counted, startingWith } from '../../text/words.ts'
import { isProblem } from '../../wire/client.ts'
import type { Stage } from '../stage.ts'

/** The folder of those that do not lie in the listed one, by their ids. */
type Homes = ReadonlyMap<number, string>

/** Deletes: to the Trash, and from there for good, which is the one act that asks, for nothing undoes it. */
export const remove = (app: Stage, folder: string, rows: Row[], elsewhere: Homes = new Map()) => {
  const trash = app.state.folders.find(({ kind }) => kind === 'trash')?.name ?? 'Trash'
  if (!areAllIn(trash, rows, folder, elsewhere))
    return moveTo(app, { folder, elsewhere }, trash, rows, 'deleted')
  app.askChoice(`Delete ${counted(rows.length)} for good? Nothing brings them back. y/n`, {
    y: () =>
      void app
        .does(async () => {
          for (const { id } of rows) await app.client.remove(id)
        })
        .then((done) => {
          if (!done) return
          takeOut(app, rows)
          app.note(`${counted(rows.length)} deleted for good.`)
        }),
    n: () => app.note('Nothing was deleted.'),
  })
}

const areAllIn = (name: string, rows: Row[], folder: string, elsewhere: Homes) =>
  rows.every(({ id }) => (elsewhere.get(id) ?? folder) === name)

/** To the folder Archive, which is made when it is first wanted. */
export const archive = (app: Stage, folder: string, rows: Row[], elsewhere: Homes = new Map()) => {
  if (areAllIn('Archive', rows, folder, elsewhere)) return app.note('This is the Archive already.')
  moveTo(app, { folder, elsewhere }, 'Archive', rows, 'archived')
}

export const move = (app: Stage, folder: string, rows: Row[], elsewhere: Homes = new Map()) => {
  const names = app.state.folders.map(({ name }) => name)
  app.askLine(
    `Move ${counted(rows.length)} to: `,
    (typed) => {
      if (typed === '') return
      const found = startingWith(names, typed)
      const name = names.find((each) => each.toLowerCase() === typed.toLowerCase()) ?? found[0]
      if (!name || (found.length > 1 && !names.includes(name)))
        return app.askChoice(`There is no folder ${typed}. Make it? y/n`, {
          y: () => moveTo(app, { folder, elsewhere }, typed, rows, `moved to ${typed}`),
          n: () => app.note('Nothing was moved.'),
        })
      moveTo(app, { folder, elsewhere }, name, rows, `moved to ${name}`)
    },
    (typed) => startingWith(names, typed),
  )
}

export const unread = (app: Stage, rows: Row[]) => {
  const seen = rows.some((row) => !row.seen)
  mark(app, rows, { seen }, `${counted(rows.length)} marked as ${seen ? 'read' : 'unread'}.`)
}

export const flag = (app: Stage, rows: Row[]) => {
  const flagged = rows.some((row) => !row.flagged)
  mark(app, rows, { flagged }, `${counted(rows.length)} ${flagged ? 'flagged' : 'unflagged'}.`)
}

const mark = (app: Stage, rows: Row[], change: { seen?: boolean; flagged?: boolean }, said: string) => {
  const ids = new Set(rows.map(({ id }) => id))
  void app
    .does(() => app.client.mark([...ids], change))
    .then((done) => {
      if (!done) return
      app.dispatch({ type: 'rowsChanged', change: (row) => (ids.has(row.id) ? { ...row, ...change } : row) })
      app.done(said, async () => {
        for (const before of rows)
          await app.client.mark([before.id], { seen: before.seen, flagged: before.flagged })
        const old = new Map(rows.map((row) => [row.id, row]))
        app.dispatch({
          type: 'rowsChanged',
          change: (row) => {
            const before = old.get(row.id)
            return before ? { ...row, seen: before.seen, flagged: before.flagged } : row
          },
        })
        app.note('Undone.')
      })
      void app.contact()
    })
}

const moveTo = (
  app: Stage,
  from: { folder: string; elsewhere: Homes },
  to: string,
  rows: Row[],
  verb: string,
) => {
  const ids = rows.map(({ id }) => id)
  void app
    .does(async () => {
      try {
        await app.client.mark(ids, { folder: to })
      } catch (error) {
        if (!isProblem(error, 'not-found')) throw error
        await app.client.createFolder(to)
        await app.client.mark(ids, { folder: to })
      }
    })
    .then((done) => {
      if (!done) return
      const stood = app.state.screens
        .filter((screen) => screen.name === 'list')
        .map(({ id, cursor, rows: listed }) => ({ id, cursor, seek: listed.get(cursor)?.id ?? null }))
      takeOut(app, rows)
      app.done(`${counted(rows.length)} ${verb}.`, async () => {
        const homes = new Map<string, number[]>()
        for (const id of ids) {
          const home = from.elsewhere.get(id) ?? from.folder
          homes.set(home, [...(homes.get(home) ?? []), id])
        }
        for (const [folder, back] of homes) await app.client.mark(back, { folder })
        app.note(`${counted(rows.length)} back in ${[...homes.keys()].join(' and ')}.`)
        // The cursor is again where it was when they were taken away, unless somebody moves it meanwhile.
        const lists = () =>
          app.state.screens.flatMap((screen) => {
            const before = stood.find(({ id }) => id === screen.id)
            return before && screen.name === 'list' ? [{ screen, before }] : []
          })
        for (const { screen, before } of lists()) app.change(screen, { seek: before.seek })
        await app.moved()
        for (const { screen, before } of lists()) {
          const isWaiting = screen.seek === before.seek
          app.change(screen, { isEmptied: false, ...(isWaiting ? { cursor: before.cursor } : {}) })
        }
        app.reloadLists()
      })
      void app.moved()
    })
}

const takeOut = (app: Stage, rows: Row[]) => {
  const ids = new Set(rows.map(({ id }) => id))
  app.dispatch({ type: 'rowsChanged', change: (row) => (ids.has(row.id) ? null : row) })
}
