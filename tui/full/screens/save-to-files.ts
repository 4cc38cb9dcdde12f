/** A mail, or what lies in it, kept in Files: asked where, and done at the server. */
import { harmless } from '../../text/text.ts'
import type { Stage } from '../stage.ts'

type From = Parameters<Stage['client']['saveToFiles']>[0]

/**
 * @param what.name proposed; slashes in it are none, for here they mean folders
 * @param what.isSecret it is opened with the key
 */
export const saveToFiles = (app: Stage, from: From, what: { name: string; isSecret: boolean }) => {
  const name = harmless(what.name).replace(/[/\\]/g, '_').trim() || 'mail'
  app.askLine(
    'Save to Files as: ',
    (path) => {
      if (path === '') return
      const save = () => app.client.saveToFiles(from, path)
      const saved = what.isSecret
        ? app.withKey({ verb: 'Decrypt', about: what.name }, save)
        : app.ask(save, 'Saving to Files')
      void saved.then((stored) => stored && app.note(`Saved in Files as ${harmless(stored.name)}.`))
    },
    undefined,
    name,
  )
}
