/** Terminals that are logged in, keys and passkeys, and the key log. */

import type { Alias, SessionView } from '../../../server/contract/answers.ts'
import { cut, harmless } from '../../text/text.ts'
import { grouped, moment, obstacleWords, shortMoment } from '../../text/words.ts'
import { keyFor } from '../keymap.ts'
import type { Stage } from '../stage.ts'
import type { MenuItem } from '../state.ts'
import { saveAs } from './attachments.ts'
import { menu, openMenu } from './menu.ts'

const reload = (app: Stage) => {
  if (app.top?.name === 'menu') menu.shown?.(app, app.top)
}

/** What all of them have in common tells none of them apart. */
const differs = <T>(all: T[], of: (each: T) => string) => new Set(all.map(of)).size > 1

/** Times of one width, the first column of a list. */
const timesOf = (app: Stage, times: string[]) => {
  const said = times.map((at) => shortMoment(at, app.surroundings.now()))
  const wide = Math.max(0, ...said.map(({ length }) => length))
  return said.map((each) => each.padEnd(wide))
}

export const terminals = (app: Stage) =>
  openMenu(
    app,
    'Terminals',
    async () => {
      const all = await app.client.terminals()
      const times = timesOf(
        app,
        all.map((each) => each.last_contact),
      )
      const tells = differs(all, ({ address }) => address)
      return {
        items: all.map((each, place): MenuItem => {
          const details = [
            each.holds_key && 'key open',
            tells && each.address,
            `since ${shortMoment(each.since, app.surroundings.now())}`,
          ]
          return {
            when: times[place]!,
            text: `${each.this ? '(this one) ' : ''}${each.terminal}`,
            detail: details.filter(Boolean).join(', '),
            choose: () =>
              app.push({
                name: 'text',
                title: 'Terminal',
                intro: '',
                content: {
                  text: labelled([
                    ['Terminal', `${each.terminal}${each.this ? ' (this one)' : ''}`],
                    ['Address', each.address],
                    ['Logged in', moment(each.since)],
                    ['Last seen', moment(each.last_contact)],
                    ['Key', each.holds_key ? 'open there' : 'not open there'],
                  ]),
                },
                top: 0,
                isSecret: false,
              }),
            remove: () => {
              if (each.this)
                return app.note(
                  `That is this terminal: ${keyFor(app.keymap, 'global', 'quit')} logs out here.`,
                )
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
          }
        }),
      }
    },
    [
      `When last seen, and where. ${keyFor(app.keymap, 'menu', 'choose')}: more.`,
      `${keyFor(app.keymap, 'menu', 'delete')} ends the session of another terminal.`,
    ],
  )

export const keysAndPasskeys = (app: Stage) =>
  openMenu(
    app,
    'Keys and passkeys',
    async () => {
      const [session, keys, passkeys, aliases, others] = await Promise.all([
        app.client.session(),
        app.client.keys(),
        app.client.passkeys(),
        app.client.aliases(),
        app.client.correspondents(),
      ])
      return {
        items: [
          ...longer(app, session),
          ...keys.map(
            (key, place): MenuItem => ({
              text: `${place === 0 ? 'Your key' : 'Older key'} ${grouped(key.fingerprint.slice(-16))}`,
              detail: `${key.state && `${key.state} `}${key.aliases.join(', ')}, ${key.algorithm}, made ${key.created.slice(0, 10)}`,
              choose: () =>
                app.push({
                  name: 'text',
                  title: 'Public key',
                  intro: '',
                  content: {
                    text: `Fingerprint: ${grouped(key.fingerprint)}${key.state && `\n${key.state}`}\nOpened by: ${key.methods.join(', ')}\n\n${key.public}`,
                  },
                  top: 0,
                  isSecret: false,
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
          ...aliases.map((alias) => aliasItem(app, alias)),
          { text: 'New alias ...', choose: () => newAlias(app) },
          ...others.map(
            (other): MenuItem => ({
              text: `${other.addresses.join(', ') || 'Nobody'}`,
              detail: `accepted key ${grouped(other.fingerprint.slice(-16))}${other.why ? `, nothing can be encrypted to it: ${obstacleWords[other.why]}` : ''}`,
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
    [
      `${keyFor(app.keymap, 'menu', 'choose')} shows a key, ${keyFor(app.keymap, 'menu', 'save')} saves it. Passkeys are added and removed in a browser.`,
      `An alias finds you as your address does. ${keyFor(app.keymap, 'menu', 'choose')} publishes it or not, ${keyFor(app.keymap, 'menu', 'delete')} removes it.`,
    ],
  )

/** An offer to have the open key stand longer without a use, where the server permits it. */
const longer = (app: Stage, { allowance }: SessionView): MenuItem[] => {
  if (!allowance || allowance.idle_most_s <= allowance.idle_s) return []
  const { idle_most_s: most } = allowance
  return [
    {
      text: 'Keep the key open longer ...',
      detail: `for ${Math.floor(most / 60)} min without a use, not ${Math.ceil(allowance.idle_s / 60)}`,
      choose: () =>
        void app
          .does(async () => {
            await app.client.standFor(most)
            await app.contact()
          })
          .then((done) => done && reload(app)),
    },
  ]
}

const aliasItem = (app: Stage, { id, alias, published }: Alias): MenuItem => {
  const shown = cut(harmless(alias), 40)
  const does = (work: () => Promise<unknown>) => () =>
    void app
      .does(async () => {
        await work()
      })
      .then((done) => done && reload(app))
  return {
    text: `Alias ${shown}`,
    detail: published ? 'published' : 'not published',
    choose: () =>
      app.askChoice(published ? `Publish ${shown} no longer? y/n` : `Publish ${shown}? y/n`, {
        y: does(() => app.client.publishAlias(id, !published)),
        n: () => undefined,
      }),
    remove: () =>
      app.askChoice(`Remove ${shown}? Mail to it then finds nobody. y/n`, {
        y: does(() => app.client.removeAlias(id)),
        n: () => undefined,
      }),
  }
}

const newAlias = (app: Stage) =>
  app.askLine('New alias: ', (word) => {
    if (word === '') return
    void app
      .does(async () => {
        await app.client.addAlias(word)
      })
      .then((done) => done && reload(app))
  })

const labelled = (rows: [string, string | null | undefined][]) =>
  rows
    .filter(([, value]) => value)
    .map(([label, value]) => `${label}: ${value}`)
    .join('\n')

const eventWords: Record<string, string> = {
  granted: 'key opened',
  used: 'key used',
  refused: 'REFUSED',
  ended: 'key closed',
  stopped: 'STOPPED from elsewhere',
}

export const keyLog = (app: Stage) =>
  openMenu(
    app,
    'Key log',
    async () => {
      const { events } = await app.client.log(null, 200)
      const times = timesOf(
        app,
        events.map(({ at }) => at),
      )
      const tells = differs(events, ({ address }) => `${address}`)
      return {
        items: events.map((event, place): MenuItem => {
          const said = eventWords[event.event] ?? event.event
          const details = [event.reason, event.method, event.message && `mail ${event.message}`]
          return {
            when: times[place]!,
            text: said,
            detail: [...details, event.terminal, tells && event.address].filter(Boolean).join(', '),
            choose: () =>
              app.push({
                name: 'text',
                title: 'Key log',
                intro: '',
                content: {
                  text: labelled([
                    ['When', moment(event.at)],
                    ['What', said],
                    ['Method', event.method],
                    ['Reason', event.reason],
                    ['Mail', event.message ? `${event.message}` : null],
                    ['Terminal', event.terminal],
                    ['Address', event.address],
                  ]),
                },
                top: 0,
                isSecret: false,
              }),
          }
        }),
      }
    },
    [`Every use of your key, newest first. ${keyFor(app.keymap, 'menu', 'choose')} shows all of it.`],
  )
