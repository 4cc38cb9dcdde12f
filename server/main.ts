/**
 * Where the services meet: everything is made here, by constructor, and nowhere else. Commands open the services;
 * `serve` opens what listens as well.
 */

import { accessSync, chmodSync, constants, existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Logger } from 'pino'
import pino from 'pino'
import { Bodies } from './doors/request-body.ts'
import { startSshDoor } from './doors/ssh-door.ts'
import { startWebServer } from './doors/web-server.ts'
import { Files } from './files/files.ts'
import { type Clock, clockFault, serverClock, steadyClock } from './ground/clock.ts'
import { type Config, localOrigin } from './ground/config.ts'
import { serverClock as serverClockLimits, sweepEveryMs } from './ground/limits.ts'
import { refusalOf, Unusable } from './ground/refusal.ts'
import {
  type Epoch,
  openEpoch,
  openServerSecret,
  type ServerSecret,
  serverSecretFile,
} from './ground/server-secret.ts'
import { type ServingLock, tryExclusive, tryShared } from './ground/serving-lock.ts'
import type { Database } from './ground/store/database.ts'
import { databaseFile, newestStoredTime, openDatabase, openSqlite } from './ground/store/open.ts'
import { users as userRows } from './ground/store/tables.ts'
import { Turnstile } from './ground/turnstile.ts'
import { Allowances } from './keys/allowances.ts'
import { Approvals } from './keys/approvals.ts'
import { Identities } from './keys/identities.ts'
import { Keyrings } from './keys/keyrings.ts'
import { Passkeys } from './keys/passkeys.ts'
import { CryptoPool } from './locked/crypto-pool.ts'
import { Acquaintances } from './mail/acquaintances.ts'
import { Contents } from './mail/contents.ts'
import { Correspondents } from './mail/correspondents.ts'
import { Kinds } from './mail/kinds.ts'
import { Letters } from './mail/letters.ts'
import { Mailboxes } from './mail/mailboxes.ts'
import { Outbox } from './mail/outbox.ts'
import { Protection } from './mail/protection.ts'
import { Reading } from './mail/reading.ts'
import { startSmtpIn } from './mail/smtp-in.ts'
import { Aliases } from './people/aliases.ts'
import { Guesses, isTooShort } from './people/guesses.ts'
import { Ledger } from './people/ledger.ts'
import { LedgerEnds, ledgerEndsFile } from './people/ledger-ends.ts'
import { LetterNumbers } from './people/letter-numbers.ts'
import { ParkedForms } from './people/parked-forms.ts'
import { Quota } from './people/quota.ts'
import { Sessions } from './people/sessions.ts'
import { SshKeys } from './people/ssh-keys.ts'
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
  /** Null where nobody can log in by SSH. */
  ssh: { host: string; port: number; fingerprint: string } | null
  /** Resolves, to a sentence, once this process may serve no longer: others took its place while it was cut off. */
  supplanted: Promise<string>
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
  const { db, secret } = await openState(config)
  const { clock, end } = options.clock ? { clock: options.clock, end: () => {} } : await openClock(db)
  const site = { origin: config.origin?.origin ?? localOrigin(config.tls !== null, config.port) }
  const log = options.log ?? pino({ level: 'silent' })
  const ground = { config, site, clock, log, db, secret, epoch: options.epoch ?? openEpoch(null) }
  const people = openPeople(ground)
  const keys = openKeys({ ...ground, ...people })
  const mail = openMail({ ...ground, ...people, ...keys })
  const setup = new Setup({ ...ground, ...people, ...keys, ...mail })
  const { pool, ledger } = people
  const close = async () => {
    end()
    pool.close()
    await mail.contents.close()
    await mail.files.close()
    await ledger.close()
    await db.close()
  }
  if (config.database !== null && (await ledger.fitsSecret()) === false) {
    await close()
    throw new Unusable(
      `${serverSecretFile(config.data)} is not the server secret that this database was used with: copy it from a machine that serves it, or from its backup.`,
    )
  }
  return {
    ...ground,
    ...people,
    ...keys,
    ...mail,
    setup,
    ssh: null,
    bodies: new Bodies(),
    // 96 bits: each is in every form, and bytes count.
    formToken: (cookie) => secret.mac('form-token', cookie).toString('base64url').slice(0, 16),
    secretTag: secret.tag,
    userTag: (userId) => secret.mac('user-tag', String(userId)).toString('base64url').slice(0, 8),
    isTooShort,
    close,
  }
}

/** Where the database has a clock of its own, all processes go by that. */
const openClock = async (db: Database): Promise<{ clock: Clock; end(): void }> => {
  const newest = await newestStoredTime(db)
  if ((await db.serverTime()) === null) return { clock: steadyClock(newest), end: () => {} }
  const { clock, compare } = await serverClock(async () => (await db.serverTime())!, newest)
  // Where the server is away, the clock goes on as it did.
  const timer = setInterval(() => void compare().catch(() => {}), serverClockLimits.everyMs).unref()
  return { clock, end: () => clearInterval(timer) }
}

/** The database and the secret that its keys are wrapped with, which is made with the first of them. */
const openState = async (config: Config): Promise<{ db: Database; secret: ServerSecret }> => {
  if (config.database !== null) {
    const db = await openDatabase(config)
    try {
      const [anybody] = await db.select({ id: userRows.id }).from(userRows).limit(1)
      return { db, secret: openServerSecret(config.data, anybody === undefined) }
    } catch (error) {
      await db.close()
      throw error
    }
  }
  const file = databaseFile(config.data)
  const secret = openServerSecret(config.data, !existsSync(file))
  const db = openSqlite(file)
  chmodSync(file, 0o600)
  return { db, secret }
}

type Ground = Pick<Services, 'config' | 'site' | 'clock' | 'log' | 'db'> & {
  secret: ServerSecret
  epoch: Epoch
}

const openPeople = ({ config, db, clock, secret }: Ground) => {
  const turnstile = new Turnstile(2, 32)
  const pool = new CryptoPool(turnstile)
  const guesses = new Guesses(db)
  const ledger = new Ledger({ db, secret, clock, ends: new LedgerEnds(ledgerEndsFile(config.data)) })
  const quota = new Quota({ db, config })
  const numbers = new LetterNumbers({ db, clock, secret })
  const parkedForms = new ParkedForms({ db, clock, secret })
  return { turnstile, pool, guesses, ledger, quota, numbers, parkedForms }
}
type People = ReturnType<typeof openPeople>

const openKeys = (made: Ground & People) => {
  // What happens to a session is told to what is made after it.
  const key = {
    taken: async (userId: number) => allowances.taken(userId),
    lose: async (sessionId: string) => allowances.endOutOfContact(sessionId),
  }
  const waits = { end: async (sessionId: string) => approvals.endWait(sessionId) }
  const sessions = new Sessions({ ...made, key })
  const users = new Users({ ...made, sessions, cost: made.config.argon2 })
  const sshKeys = new SshKeys(made)
  const aliases = new Aliases(made)
  const keyrings = new Keyrings({ ...made, sessions })
  const identities = new Identities({ ...made, keyrings })
  const passkeys = new Passkeys({ ...made, users, sessions, keyrings })
  const allowances: Allowances = new Allowances({ ...made, sessions, keyrings, identities, passkeys, waits })
  const approvals: Approvals = new Approvals({ ...made, sessions, allowances, passkeys })
  return { sessions, users, sshKeys, aliases, keyrings, identities, passkeys, allowances, approvals }
}

const openMail = (made: Ground & People & ReturnType<typeof openKeys>) => {
  const contents = new Contents(made)
  const mailboxes = new Mailboxes({ ...made, contents })
  const correspondents = new Correspondents(made)
  const acquaintances = new Acquaintances({ correspondents, mailboxes })
  const reading = new Reading({ ...made, mailboxes, correspondents })
  const outbox = new Outbox({ ...made, mailboxes, contents })
  const kinds = new Kinds({ ...made, correspondents })
  const protection = new Protection({ ...made, kinds })
  const letters = new Letters({ ...made, correspondents, kinds, protection, mailboxes, reading, outbox })
  const files = new Files({ ...made, mailboxes, reading })
  return { contents, mailboxes, correspondents, acquaintances, reading, outbox, protection, letters, files }
}

/** By what reads them for each mail. @throws Error with one sentence naming the setting */
const requireReadableAuthorities = async ({ config: { smime }, pool, log, clock }: Services) => {
  if (smime.certificates.length + smime.revocationLists.length === 0) return
  const task = { ...smime, now: clock() }
  const { unreadable, ended } = await pool.run('reading', 'examineAuthorities', task)
  if (unreadable === 'certificates')
    throw new Unusable('WAFER_SMIME_CA holds a certificate that cannot be read.')
  if (unreadable) throw new Unusable('WAFER_SMIME_CRL holds a revocation list that cannot be read.')
  if (ended > 0)
    log.warn(
      { ended },
      'WAFER_SMIME_CRL holds lists whose time is over: what was taken back since is not known',
    )
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
    const supplanted = Promise.withResolvers<string>()
    const joined = await services.db.join({
      epoch: epoch.shared ? epoch.id : null,
      secret: services.secretTag,
      onTold: (_channel, userId) => services.allowances.takenElsewhere(Number(userId)),
      onSupplanted: supplanted.resolve,
    })
    ends.push(() => joined.leave())
    await warnOfLedgers(services)
    await requireReadableAuthorities(services)
    const web = await startWebServer(services)
    ends.push(() => web.close())
    const smtp = await startSmtpIn(services)
    ends.push(() => smtp.close())
    // Alone on this database: what was connected to a process before this one is gone.
    if (!epoch.shared) await services.sessions.endLeftConnections()
    const ssh = await startSshDoor(services, web.handle)
    services.ssh = ssh
    ends.push(() => ssh?.close())
    await services.outbox.start()
    ends.push(() => services.outbox.close())
    services.pool.warmUp()
    const sweeper = setInterval(() => void sweep(services), sweepEveryMs).unref()
    ends.push(() => clearInterval(sweeper))
    await sweep(services)
    const token = await services.setup.begin()
    await warnOfClock(services)
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
      ssh: ssh && { host: config.sshHost, port: ssh.port, fingerprint: ssh.fingerprint },
      supplanted: supplanted.promise,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

const warnOfLedgers = async ({ ledger, log }: Services) => {
  const cut = await ledger.open()
  if (cut.length > 0)
    log.warn({ users: cut }, 'ledgers are older than this machine has seen: see `wafer check`')
}

const warnOfClock = async ({ db, log }: Services) => {
  const fault = clockFault(await newestStoredTime(db), (await db.serverTime()) ?? Date.now())
  if (fault) log.warn(fault)
}

const sweep = async (services: Services) => {
  const { allowances, sessions, passkeys, approvals, parkedForms, numbers, guesses, contents, files, log } =
    services
  try {
    await allowances.sweep()
    await sessions.sweep()
    await passkeys.sweep()
    await approvals.sweep()
    await parkedForms.sweep()
    await numbers.sweep()
    await guesses.sweep()
    await contents.sweep()
    await files.sweep()
  } catch (error) {
    const refusal = refusalOf(error)
    if (refusal) log.warn({ reason: refusal.reason }, 'tidying waits')
    else log.error({ err: error }, 'tidying failed')
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
