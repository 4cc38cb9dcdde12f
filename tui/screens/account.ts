/** Terminals that are logged in, keys and passkeys, and the key log. */
import type { App } from '../app.ts'
import type { MenuItem } from '../state.ts'
import { cut, harmless } from '../text.ts'
import { grouped, moment } from '../words.ts'
import { saveAs } from './attachments.ts'
import { menu, openMenu } from './menu.ts'

const reload = (app: App) => {
  if (app.top?.name === 'menu') menu.shown?.(app, app.top)
}

export const terminals = (app: App) =>
  openMenu(
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
  openMenu(
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
  openMenu(
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
