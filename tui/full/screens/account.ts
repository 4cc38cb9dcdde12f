/** Terminals that are logged in, keys and passkeys, and the key log. */

import type { Alias, Identity, SessionView } from '../../../server/contract/answers.ts'
import type { Disk } from '../../letter/disk.ts'
import { cut, harmless } from '../../text/text.ts'
import { grouped, keyWords, moment, noDisk, obstacleWords, shortMoment } from '../../text/words.ts'
import { keyFor } from '../keymap.ts'
import type { Stage } from '../stage.ts'
import type { MenuItem } from '../state.ts'
import { saveAs } from './attachments.ts'
import { menu, openMenu } from './menu.ts'

const reload = (app: Stage) => {
  if (app.top?.name === 'menu') menu.shown?.(app, app.top)
}

const doAndReload = (app: Stage, act: () => Promise<unknown>) =>
  void app.does(act).then((done) => done && reload(app))

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
      const [session, keys, passkeys, identities, aliases, others] = await Promise.all([
        app.client.session(),
        app.client.keys(),
        app.client.passkeys(),
        app.client.identities(),
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
          ...identities.map((identity) => identityItem(app, identity)),
          { text: 'New S/MIME certificate ...', choose: () => newIdentity(app) },
          ...aliases.map((alias) => aliasItem(app, alias)),
          { text: 'New alias ...', choose: () => newAlias(app) },
          ...others.map(
            (other): MenuItem => ({
              text: `${other.addresses.join(', ') || 'Nobody'}`,
              detail: `accepted ${keyWords[other.kind]} ${grouped(other.fingerprint.slice(-16))}${other.why ? `, nothing can be encrypted to it: ${obstacleWords[other.why]}` : ''}`,
              remove: () =>
                app.askChoice(`Accept this ${keyWords[other.kind]} no longer? y/n`, {
                  y: () => doAndReload(app, () => app.client.forgetKey(other.fingerprint)),
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

const identityItem = (app: Stage, identity: Identity): MenuItem => {
  const { fingerprint, addresses, subject, issuer, algorithm, begins, expires, state, certificate } = identity
  const name = addresses[0] ?? subject
  return {
    text: `S/MIME ${cut(harmless(name), 40)}`,
    detail: `${state && `${state} `}${begins.slice(0, 10)} to ${expires.slice(0, 10)}, by ${issuer}`,
    choose: () =>
      app.push({
        name: 'text',
        title: 'S/MIME certificate',
        intro: '',
        content: {
          text: `${labelled([
            ['Addresses', addresses.join(', ')],
            ['Issued to', subject],
            ['Issued by', issuer],
            ['From', begins.slice(0, 10)],
            ['To', expires.slice(0, 10)],
            ['Kind', algorithm],
            ['State', state],
            ['Fingerprint', grouped(fingerprint)],
          ])}\n\n${certificate}`,
        },
        top: 0,
        isSecret: false,
      }),
    save: () => saveAs(app, 'certificate.pem', async () => Buffer.from(certificate)),
    remove: () =>
      app.askChoice('Remove it with its private key? Mail encrypted to it alone opens no more. y/n', {
        y: () =>
          void app
            .withKey({ verb: 'Certificate', about: name }, async () => {
              await app.client.removeIdentity(fingerprint)
              return true
            })
            .then((done) => done && reload(app)),
        n: () => undefined,
      }),
  }
}

/** From a file of this machine, with the file's own passphrase; the key is asked for where it is closed. */
const newIdentity = (app: Stage) => {
  const { disk } = app.surroundings
  if (!disk) return app.warn(noDisk.identity)
  app.askLine(
    'File (.p12, .pfx): ',
    (path) => {
      if (path === '') return
      app.askSecret('Passphrase of the file: ', (passphrase) => void addIdentity(app, disk, path, passphrase))
    },
    disk.completions,
  )
}

const addIdentity = async (app: Stage, disk: Disk, path: string, passphrase: string) => {
  // Within: a window that comes is then what Enter asked for, and not one that comes by itself.
  const added = await app.withKey({ verb: 'Certificate', about: path }, async () => {
    const file = await disk.read(path).catch((error: NodeJS.ErrnoException) => error)
    return file instanceof Error ? file : app.client.addIdentity(file, passphrase)
  })
  if (added instanceof Error) return app.warn(`${harmless(path)} cannot be read (${added.code}).`)
  if (added === null) return
  app.note('The certificate is in your keyring.')
  reload(app)
}

/** An offer to have the open key stand longer without a use, where the server permits it. */
const longer = (app: Stage, { allowance }: SessionView): MenuItem[] => {
  const { idle_s, idle_most_s: most = 0 } = allowance ?? { idle_s: 0 }
  if (most <= idle_s) return []
  return [
    {
      text: 'Keep the key open longer ...',
      detail: `for ${Math.floor(most / 60)} min without a use, not ${Math.ceil(idle_s / 60)}`,
      choose: () =>
        doAndReload(app, async () => {
          await app.client.standFor(most)
          await app.contact()
        }),
    },
  ]
}

const aliasItem = (app: Stage, { id, alias, published }: Alias): MenuItem => {
  const shown = cut(harmless(alias), 40)
  const does = (act: () => Promise<unknown>) => () => doAndReload(app, act)
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
    doAndReload(app, () => app.client.addAlias(word))
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
