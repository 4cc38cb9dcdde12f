/** Attachments of a mail, and the encrypted parts of it that open alone. */
import { writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { App } from '../app.ts'
import type { MenuItem, MessageScreen } from '../state.ts'
import { harmless } from '../text.ts'
import { grouped, sizeOf } from '../words.ts'
import { openMenu } from './menu.ts'

/** @param openPart opens an encrypted part, by its id, in the mail's own screen */
export const openAttachments = (
  app: App,
  screen: MessageScreen & { id: number },
  openPart: (part: string) => void,
) => {
  const { came, opened, part, row } = screen
  const shown = opened ?? came
  if (!came || !shown) return
  if (shown.attachments.length === 0 && came.isolated.length === 0)
    return app.note('This mail has no attachments.')
  openMenu(
    app,
    'Attachments',
    async () => ({
      items: [
        ...came.isolated.map(
          (each): MenuItem => ({
            text: `Encrypted part: ${each.name}`,
            detail: 'Enter opens it alone',
            choose: () => {
              if (app.top) app.close(app.top.id)
              openPart(each.id)
            },
          }),
        ),
        ...shown.attachments.map((each): MenuItem => {
          const fetch = async () => {
            const file = () => app.client.part(row.id, each.id, part ?? undefined)
            return (await app.withKey({ verb: 'Decrypt', about: each.name }, file))?.octets ?? null
          }
          const save = () => saveAs(app, each.name || `part-${each.id}`, fetch)
          const isText = /^text\//.test(each.type)
          return {
            text: each.name || each.type,
            detail: `${each.type}, ${sizeOf(each.size)}`,
            save,
            choose: isText
              ? () =>
                  void fetch().then((octets) => {
                    if (!octets) return
                    const text = new TextDecoder('utf-8').decode(octets)
                    app.push({ name: 'text', title: harmless(each.name || each.type), text, top: 0 })
                  })
              : save,
            ...(/\.(asc|gpg|pgp|key)$/i.test(each.name) || each.type === 'application/pgp-keys'
              ? { choose: () => void acceptFrom(app, fetch) }
              : {}),
          }
        }),
      ],
    }),
    [
      'Enter shows a text or saves, s saves to a file. A key is shown with its fingerprint before it is accepted.',
    ],
  )
}

/** A public key that came with a mail: shown with fingerprint and addresses, and taken only then. */
const acceptFrom = async (app: App, fetch: () => Promise<Uint8Array | null>) => {
  const octets = await fetch()
  if (!octets) return
  const armored = Buffer.from(octets).toString('latin1')
  const offered = await app.ask(() => app.client.offeredKeys(armored))
  const [key] = offered ?? []
  if (!key) return
  app.askChoice(`Accept ${grouped(key.fingerprint)} for ${harmless(key.addresses.join(', '))}? y/n`, {
    y: () =>
      void app
        .does(() => app.client.acceptKey(armored, key.fingerprint))
        .then((done) => done && app.note('The key is accepted.')),
    n: () => app.note('The key was not accepted.'),
  })
}

/** Asks where, and never writes over a file that is there. The name is proposed without any path of the sender's. */
export const saveAs = (app: App, name: string, fetch: () => Promise<Uint8Array | null>) => {
  const proposed = harmless(basename(name.replaceAll('\\', '/'))).replace(/^\.+/, '') || 'file'
  app.askLine(
    'Save as: ',
    (path) => {
      if (path === '') return
      void fetch().then((octets) => {
        if (!octets) return
        try {
          writeFileSync(path, octets, { flag: 'wx', mode: 0o600 })
          app.note(`Saved ${sizeOf(octets.length)} in ${path}.`)
        } catch (error) {
          const exists = (error as NodeJS.ErrnoException).code === 'EEXIST'
          app.warn(exists ? `${path} exists already; nothing was written.` : `${path} cannot be written.`)
        }
      })
    },
    undefined,
    proposed,
  )
}
