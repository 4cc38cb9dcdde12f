/** Attachments of a mail, the encrypted parts of it that open alone, and the keys among them. */
import { fileNameOf } from '../../letter/file-names.ts'
import { harmless } from '../../text/text.ts'
import { grouped, noDisk, sizeOf } from '../../text/words.ts'
import { keyFor } from '../keymap.ts'
import type { Stage } from '../stage.ts'
import type { MenuItem, MessageScreen } from '../state.ts'
import { openMenu } from './menu.ts'
import { saveToFiles } from './save-to-files.ts'
import { fromSender } from './text.ts'

/** @param openPart opens an encrypted part, by its id, in the mail's own screen */
export const openAttachments = (
  app: Stage,
  screen: MessageScreen & { id: number },
  openPart: (part: string) => void,
) => {
  const { came, opened, part, row } = screen
  const shown = opened ?? came
  if (!came || !shown) return
  // Beside a part that is open alone stand the others of its mail, and what lies in it.
  const closed = part === null ? shown.isolated : [...came.isolated, ...shown.isolated]
  if (shown.attachments.length === 0 && closed.length === 0) return app.note('This mail has no attachments.')
  const isSecret = opened !== null
  const menu = openMenu(
    app,
    'Attachments',
    async () => ({
      items: [
        ...closed.map(
          (each): MenuItem => ({
            text: `Encrypted part: ${each.name}`,
            detail: `${keyFor(app.keymap, 'menu', 'choose')} opens it alone`,
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
            file: () =>
              saveToFiles(
                app,
                { message: row.id, part: each.id, ...(part !== null && { within: part }) },
                { name: each.name || each.type, isSecret },
              ),
            choose: isText
              ? () =>
                  void fetch().then((octets) => {
                    if (!octets) return
                    const text = new TextDecoder('utf-8').decode(octets)
                    app.pushOver(menu, {
                      name: 'text',
                      title: `Attachment: ${harmless(each.name || each.type)}`,
                      intro: fromSender,
                      content: { text },
                      save: () => saveAs(app, each.name || `part-${each.id}`, async () => octets),
                      top: 0,
                      isSecret,
                    })
                  })
              : save,
            ...(mayBeKey(each) ? { choose: () => void acceptFrom(app, menu, isSecret, fetch) } : {}),
          }
        }),
      ],
    }),
    [
      `${keyFor(app.keymap, 'menu', 'choose')} shows a text or saves, ${keyFor(app.keymap, 'menu', 'save')} saves to a file, ${keyFor(app.keymap, 'menu', 'file')} to Files. A key is shown with its fingerprint before it is accepted.`,
    ],
    { isSecret },
  )
}

/** A file that a key or a certificate may lie in. */
const mayBeKey = ({ name, type }: { name: string; type: string }) =>
  /^application\/(pgp-keys|pkcs7-signature|pkix-cert)$/.test(type) ||
  /\.(asc|gpg|pgp|key|p7s|p7c|p7b|cer|crt|pem)$/i.test(name)

/** Public keys that came with a mail: shown with all that they would count for, and taken only then. */
const acceptFrom = async (
  app: Stage,
  from: number,
  isSecret: boolean,
  fetch: () => Promise<Uint8Array | null>,
) => {
  const octets = await fetch()
  if (!octets) return
  const armored = Buffer.from(octets).toString('latin1')
  const found = await app.ask(() => app.client.offeredKeys(armored))
  if (!found) return
  const { offered, revoked } = found
  if (revoked.length > 0)
    app.note(`Revoked, and noted: ${revoked.map((key) => grouped(key.slice(-16))).join(', ')}`)
  if (!offered.length) return
  app.pushOver(from, {
    name: 'offer',
    keys: offered,
    place: 0,
    top: 0,
    isRead: false,
    accept: ({ fingerprint }) => app.does(() => app.client.acceptKey(armored, fingerprint)),
    isSecret,
  })
}

/** Asks where, and never writes over a file that is there. The name is proposed without any path of the sender's. */
export const saveAs = (app: Stage, name: string, fetch: () => Promise<Uint8Array | null>) => {
  const { disk } = app.surroundings
  if (!disk) return app.warn(noDisk.save)
  app.askLine(
    'Save as: ',
    (path) => {
      if (path === '') return
      void fetch().then(async (octets) => {
        if (!octets) return
        try {
          await disk.save(path, octets)
          app.note(`Saved ${sizeOf(octets.length)} in ${path}.`)
        } catch (error) {
          const exists = (error as NodeJS.ErrnoException).code === 'EEXIST'
          app.warn(exists ? `${path} exists already; nothing was written.` : `${path} cannot be written.`)
        }
      })
    },
    undefined,
    fileNameOf(name),
  )
}
