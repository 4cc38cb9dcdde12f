/** Lists of things other than mail: terminals, keys and passkeys, the key log, the attachments of a mail. */
import { writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { App } from '../app.ts'
import type { Line, ScreenKind } from '../screen.ts'
import type { MenuItem, MenuScreen, MessageScreen } from '../state.ts'
import { cells, column, cut, harmless, pad, wrapped } from '../text.ts'
import { openPart, sizeOf } from './message.ts'

type Own = MenuScreen & { id: number }

export const menu: ScreenKind<Own> = {
  context: 'menu',
  hints: ['choose', 'delete', 'save', 'back'],
  title: ({ title }) => title,
  place: ({ items, cursor }) => (items.length ? `${cursor + 1} of ${items.length}` : ''),

  view(screen, _state, { columns, rows }) {
    const intro: Line[] = screen.intro.flatMap((said) => wrapped(said, columns).map((text) => [text]))
    if (intro.length) intro.push([''])
    if (screen.items.length === 0)
      return {
        lines: [...intro, [screen.loading ? 'Asking the server ...' : 'There is nothing here.']],
        cursor: { x: 0, y: intro.length },
      }
    const room = Math.max(1, rows - intro.length)
    const first = Math.floor(screen.cursor / room) * room
    const longest = Math.max(...screen.items.map(({ text }) => cells(harmless(text))))
    const widest = Math.min(longest, Math.floor(columns * 0.5))
    const lines = screen.items.slice(first, first + room).map((item, place): Line => {
      const detail = harmless(item.detail ?? '')
      // What tells the rows apart comes first; the rest has what is left.
      const wide = detail ? widest : columns
      const text = detail
        ? `${column(item.text, wide)}  ${cut(detail, columns - wide - 2)}`
        : cut(harmless(item.text), columns)
      return [{ text: pad(text, columns), reverse: first + place === screen.cursor }]
    })
    return { lines: [...intro, ...lines], cursor: { x: 0, y: intro.length + screen.cursor - first } }
  },

  shown(app, screen) {
    void app
      .ask(() => screen.load(), 'Asking the server')
      .then((loaded) => {
        const now = app.current(screen)
        if (!now) return
        const items = loaded?.items ?? now.items
        const cursor = Math.max(0, Math.min(now.cursor, items.length - 1))
        app.change(now, { loading: false, items, cursor, ...(loaded?.intro ? { intro: loaded.intro } : {}) })
      })
  },

  run(app, screen, command) {
    const last = screen.items.length - 1
    const page = Math.max(1, app.bodyRows - screen.intro.length - 1)
    const cursor = {
      down: screen.cursor + 1,
      up: screen.cursor - 1,
      pageDown: screen.cursor + page,
      pageUp: screen.cursor - page,
      first: 0,
      last,
    }[command]
    if (cursor !== undefined) return app.change(screen, { cursor: Math.max(0, Math.min(cursor, last)) })
    const item = screen.items[screen.cursor]
    const act = { choose: item?.choose, delete: item?.remove, save: item?.save }[command]
    if (act) act()
    else app.note('That does nothing here.')
  },
}

const open = (app: App, title: string, load: Own['load'], intro: string[] = []) =>
  app.push({ name: 'menu', title, intro, items: [], cursor: 0, loading: true, load })

const reload = (app: App) => {
  if (app.top?.name === 'menu') menu.shown?.(app, app.top)
}

export const terminals = (app: App) =>
  open(
    app,
    'Terminals',
    async () => ({
      items: (await app.client.terminals()).map(
        (each): MenuItem => ({
          text: `${each.terminal}${each.this ? ' (this one)' : ''}`,
          detail: `${each.holds_key ? 'key open, ' : ''}${each.address}, since ${moment(each.since)}, last seen ${moment(each.last_contact)}`,
          remove: () => {
            if (each.this) return app.note('That is this terminal: Q logs out here.')
            app.askChoice(`End the session of ${cut(harmless(each.terminal), 40)}? y/n`, {
              y: () =>
                void app
                  .does(() => app.client.endTerminal(each.id))
                  .then((done) => {
                    if (!done) return
                    app.note('It is logged out, and its key is locked.')
                    reload(app)
                  }),
              n: () => undefined,
            })
          },
        }),
      ),
    }),
    ['Where you are logged in. d ends the session of another terminal.'],
  )

export const keysAndPasskeys = (app: App) =>
  open(
    app,
    'Keys and passkeys',
    async () => {
      const [keys, passkeys, others] = await Promise.all([
        app.client.keys(),
        app.client.passkeys(),
        app.client.correspondents(),
      ])
      return {
        items: [
          ...keys.map(
            (key, place): MenuItem => ({
              text: `${place === 0 ? 'Your key' : 'Older key'} ${grouped(key.fingerprint.slice(-16))}`,
              detail: `${key.aliases.join(', ')}, ${key.algorithm}, made ${key.created.slice(0, 10)}`,
              choose: () =>
                app.push({
                  name: 'text',
                  title: 'Public key',
                  text: `Fingerprint: ${grouped(key.fingerprint)}\nOpened by: ${key.methods.join(', ')}\n\n${key.public}`,
                  top: 0,
                }),
              save: () => saveAs(app, 'key.asc', async () => Buffer.from(key.public)),
            }),
          ),
          ...passkeys.map(
            (passkey): MenuItem => ({
              text: `Passkey ${passkey.name}`,
              detail: `${
                {
                  prf: 'opens the key itself',
                  held: 'opens the key through the server',
                  none: 'only logs in',
                }[passkey.slot ?? 'none']
              }, ${passkey.used_at ? `last used ${moment(passkey.used_at)}` : 'not used yet'}`,
            }),
          ),
          ...others.map(
            (other): MenuItem => ({
              text: `${other.addresses.join(', ') || 'Nobody'}`,
              detail: `accepted key ${grouped(other.fingerprint.slice(-16))}`,
              remove: () =>
                app.askChoice('Accept this key no longer? y/n', {
                  y: () =>
                    void app
                      .does(() => app.client.forgetKey(other.fingerprint))
                      .then((done) => done && reload(app)),
                  n: () => undefined,
                }),
            }),
          ),
        ],
      }
    },
    ['Enter shows a key, s saves it. Passkeys are added and removed in a browser.'],
  )

const eventWords: Record<string, string> = {
  granted: 'key opened',
  used: 'key used',
  refused: 'REFUSED',
  ended: 'key closed',
  stopped: 'STOPPED from elsewhere',
}

export const keyLog = (app: App) =>
  open(
    app,
    'Key log',
    async () => {
      const { events } = await app.client.log(null, 200)
      return {
        items: events.map((event): MenuItem => {
          const said = eventWords[event.event] ?? event.event
          const details = [event.reason, event.method, event.message && `mail ${event.message}`]
          const where = [event.terminal, event.address, moment(event.at)]
          return {
            text: said,
            detail: [...details, ...where].filter(Boolean).join(', '),
            choose: () =>
              app.push({
                name: 'text',
                title: 'Key log',
                text: [said, ...details, ...where].filter(Boolean).join('\n'),
                top: 0,
              }),
          }
        }),
      }
    },
    ['Every use of your key, newest first. Enter shows all of it.'],
  )

/** Attachments, and the encrypted parts that open alone. */
export const openAttachments = (app: App, screen: MessageScreen & { id: number }) => {
  const { came, opened, part, row } = screen
  const shown = opened ?? came
  if (!came || !shown) return
  if (shown.attachments.length === 0 && came.isolated.length === 0)
    return app.note('This mail has no attachments.')
  open(
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
              openPart(app, screen, each.id)
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
const saveAs = (app: App, name: string, fetch: () => Promise<Uint8Array | null>) => {
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

const moment = (at: string) => {
  const date = new Date(at)
  return Number.isNaN(date.getTime()) ? '?' : `${at.slice(0, 10)} ${date.toTimeString().slice(0, 5)}`
}

const grouped = (hex: string) => hex.toUpperCase().replace(/(.{4})(?=.)/g, '$1 ')
