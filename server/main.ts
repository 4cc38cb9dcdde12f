/**
 * Where the services meet: everything is made here, by constructor, and nowhere else. Commands open the services;
 * `serve` opens what listens as well.
 */

import { accessSync, chmodSync, constants, existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Logger } from 'pino'
import pino from 'pino'
import { Bodies } from './doors/request-body.ts'
import { startWebServer } from './doors/web-server.ts'
import { type Clock, clockFault, steadyClock } from './ground/clock.ts'
import { type Config, localOrigin } from './ground/config.ts'
import { databaseFile, newestStoredTime, openDatabase } from './ground/database.ts'
import { sweepEveryMs } from './ground/limits.ts'
import { Unusable } from './ground/refusal.ts'
import { type Epoch, openEpoch, openServerSecret } from './ground/server-secret.ts'
import { type ServingLock, tryExclusive, tryShared } from './ground/serving-lock.ts'
import { Turnstile } from './ground/turnstile.ts'
import { writeTurn } from './ground/write-turn.ts'
import { Allowances } from './keys/allowances.ts'
import { Approvals } from './keys/approvals.ts'
import { Keyrings } from './keys/keyrings.ts'
import { Passkeys } from './keys/passkeys.ts'
import { CryptoPool } from './locked/crypto-pool.ts'
import { Acquaintances } from './mail/acquaintances.ts'
import { Contents } from './mail/contents.ts'
import { Correspondents } from './mail/correspondents.ts'
import { Letters } from './mail/letters.ts'
import { Mailboxes } from './mail/mailboxes.ts'
import { Outbox } from './mail/outbox.ts'
import { Reading } from './mail/reading.ts'
import { startSmtpIn } from './mail/smtp-in.ts'
import { Guesses, isTooShort } from './people/guesses.ts'
import { Ledger } from './people/ledger.ts'
import { LedgerEnds, ledgerEndsFile } from './people/ledger-ends.ts'
import { LetterNumbers } from './people/letter-numbers.ts'
import { ParkedForms } from './people/parked-forms.ts'
import { Quota } from './people/quota.ts'
import { Sessions } from './people/sessions.ts'
import { Users } from './people/users.ts'
import type { Services } from './services.ts'
import { Setup } from './setup.ts'

export type Running = {
  services: Services
  /** Where the pages are, as a person would type it. */
  address: string
  /** Leads to the page that makes the first user, while there is none. */
  setupLink: string | null
  web: { host: string; port: number }
  smtp: { host: string; port: number }
  close(): Promise<void>
}

/**
 * Opens data folder, secrets, database and services.
 *
 * @param options.create makes the folder and what belongs in it where there is none
 * @param options.clock another clock, for tests
 * @param options.epoch what opens key tokens; commands have none of their own and use none
 * @throws Error with one sentence if the folder or something in it cannot be used
 */
export const openServices = async (
  config: Config,
  options: { create?: boolean; clock?: Clock; epoch?: Epoch; log?: Logger } = {},
): Promise<Services> => {
  openFolder(config.data, options.create ?? false)
  const file = databaseFile(config.data)
  const secret = openServerSecret(config.data, !existsSync(file))
  const db = openDatabase(file)
  chmodSync(file, 0o600)
  const log = options.log ?? pino({ level: 'silent' })
  const clock = options.clock ?? steadyClock(newestStoredTime(db))
  const cost = config.argon2
  const turnstile = new Turnstile(2, 32)
  const pool = new CryptoPool(turnstile)
  const guesses = new Guesses(db)
  const ledger = new Ledger({ db, secret, clock, ends: new LedgerEnds(ledgerEndsFile(config.data)) })
  // What happens to a session is told to what is made after it.
  const key = {
    close: (userId: number) => pool.endFor(userId),
    lose: (sessionId: string) => allowances.endOutOfContact(sessionId),
  }
  const sessions = new Sessions({ db, clock, config, ledger, key })
  const users = new Users({ db, clock, guesses, turnstile, sessions, ledger, cost })
  const opened = { db, clock, config, pool, secret, guesses, ledger, sessions }
  const keyrings = new Keyrings(opened)
  const site = { origin: config.origin?.origin ?? localOrigin(config.tls !== null, config.port) }
  const passkeys = new Passkeys({ db, clock, config, secret, site, keyrings, sessions, ledger, guesses })
  const epoch = options.epoch ?? openEpoch(null)
  const waits = { end: (sessionId: string) => approvals.endWait(sessionId) }
  const held = { db, clock, config, epoch, sessions, keyrings, passkeys, ledger, pool, waits }
  const allowances: Allowances = new Allowances(held)
  const asked = { db, clock, secret, epoch, site, sessions, allowances, passkeys, ledger }
  const approvals: Approvals = new Approvals(asked)
  const contents = new Contents({ db, clock })
  const quota = new Quota({ db, config })
  const mailboxes = new Mailboxes({ db, clock, pool, contents, quota })
  const correspondents = new Correspondents({ db, clock, pool, users, keyrings })
  const acquaintances = new Acquaintances({ correspondents, mailboxes })
  const reading = new Reading({ mailboxes, correspondents, allowances, pool })
  const outbox = new Outbox({ db, clock, config, users, mailboxes, contents, quota, log })
  const numbers = new LetterNumbers({ db, clock, secret })
  const letters = new Letters({
    clock,
    pool,
    allowances,
    keyrings,
    correspondents,
    mailboxes,
    reading,
    outbox,
    numbers,
  })
  const parkedForms = new ParkedForms({ db, clock, secret })
  const setup = new Setup({ clock, users, keyrings, letters, mailboxes })
  return {
    config,
    site,
    clock,
    log,
    db,
    users,
    keyrings,
    sessions,
    allowances,
    passkeys,
    approvals,
    ledger,
    mailboxes,
    contents,
    quota,
    bodies: new Bodies(),
    reading,
    letters,
    numbers,
    correspondents,
    acquaintances,
    outbox,
    parkedForms,
    guesses,
    setup,
    pool,
    // 96 bits: each is in every form, and bytes count.
    formToken: (cookie) => secret.mac('form-token', cookie).toString('base64url').slice(0, 16),
    userTag: (userId) => secret.mac('user-tag', String(userId)).toString('base64url').slice(0, 8),
    isTooShort,
    writeTurn: () => writeTurn(db),
    close: async () => {
      pool.close()
      await contents.close()
      ledger.close()
      db.$client.close()
    },
  }
}

/**
 * Everything that listens: pages and API, SMTP and LMTP, the outbox.
 *
 * @throws Error with one sentence naming what stands in the way
 */
export const serve = async (
  config: Config,
  options: { clock?: Clock; log?: Logger } = {},
): Promise<Running> => {
  openFolder(config.data, true)
  const epoch = openEpoch(config.epochFile)
  const lock = takeLock(config, epoch)
  const ends: (() => Promise<void> | void)[] = [() => lock.release()]
  const close = async () => {
    for (const end of ends.splice(0).reverse()) await end()
  }
  try {
    const log = options.log ?? pino({ level: 'info' }, pino.destination({ dest: 2, sync: true }))
    const services = await openServices(config, { ...options, create: true, epoch, log })
    ends.push(() => services.close())
    const cut = services.ledger.open()
    if (cut.length > 0)
      log.warn({ users: cut }, 'ledgers are older than this machine has seen: see `wafer check`')
    const web = await startWebServer(services)
    ends.push(() => web.close())
    const smtp = await startSmtpIn(services)
    ends.push(() => smtp.close())
    await services.outbox.start()
    ends.push(() => services.outbox.close())
    services.pool.warmUp()
    const sweeper = setInterval(() => void sweep(services), sweepEveryMs).unref()
    ends.push(() => clearInterval(sweeper))
    await sweep(services)
    const token = await services.setup.begin()
    const fault = clockFault(newestStoredTime(services.db), Date.now())
    if (fault) log.warn(fault)
    log.info(
      { origin: web.address, web: `${config.host}:${web.port}`, smtp: `${config.smtpHost}:${smtp.smtpPort}` },
      'serving',
    )
    ends.push(() => log.info('ending'))
    return {
      services,
      address: web.address,
      setupLink: token && `${web.address}/setup/${token}`,
      web: { host: config.host, port: web.port },
      smtp: { host: config.smtpHost, port: smtp.smtpPort },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

const sweep = async (services: Services) => {
  const { allowances, sessions, passkeys, approvals, parkedForms, numbers, guesses, contents, log } = services
  try {
    await services.writeTurn()
    await allowances.sweep()
    await sessions.sweep()
    await passkeys.sweep()
    await approvals.sweep()
    await parkedForms.sweep()
    await numbers.sweep()
    await guesses.sweep()
    await contents.sweep()
  } catch (error) {
    log.error({ err: error }, 'tidying failed')
  }
}

const takeLock = (config: Config, epoch: Epoch): ServingLock => {
  const lock = epoch.shared ? tryShared(config.data) : tryExclusive(config.data)
  if (lock) return lock
  throw new Unusable(
    `Another process serves ${config.data} already. Several may only share it with one WAFER_EPOCH_FILE for all.`,
  )
}

const openFolder = (folder: string, create: boolean) => {
  try {
    if (create && !existsSync(folder)) makeFolder(folder)
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new Unusable(
      missing && !create
        ? `The data folder ${folder} does not exist. Set WAFER_DATA, or start the server once.`
        : `The data folder ${folder} cannot be written. Set WAFER_DATA to one that can.`,
      { cause: error },
    )
  }
}

/** Not `recursive`: Node 24 then never comes back where a folder cannot be made, such as in /proc. */
const makeFolder = (folder: string) => {
  if (!existsSync(dirname(folder))) makeFolder(dirname(folder))
  mkdirSync(folder, { mode: 0o700 })
}
