/**
 * The settings: environment variables, and the `.env` file in the data folder where the environment says nothing.
 * An unknown or malformed one stops the start with a line that names it.
 */

import { readFileSync } from 'node:fs'
import { BlockList, isIP } from 'node:net'
import { join, resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import { parseEnv } from 'node:util'
import { z } from 'zod'
import { smimeFileLimit } from './limits.ts'
import { Unusable } from './refusal.ts'

export type Config = {
  /** The folder with everything to keep. */
  data: string
  host: string
  port: number
  /** As set; null for `http(s)://localhost:PORT`, whatever the port turns out to be. */
  origin: URL | null
  tls: { cert: string; key: string } | null
  /** Addresses of the TLS proxy or tunnel in front. */
  proxy: BlockList | null
  /** Who may ask whether this process is alive, and can serve. */
  health: 'loopback' | 'all'
  smtpHost: string
  smtpPort: number
  lmtpSocket: string | null
  sshHost: string
  /** Null where nobody is to log in by SSH. */
  sshPort: number | null
  /** Somebody chose that port, and does not merely leave it to us. */
  isSshPortChosen: boolean
  /** Domains that mail is accepted for; null for those of the users. */
  domains: string[] | null
  relay: URL | null
  /** The PostgreSQL server; null for SQLite in the data folder. Its URL may hold a password. */
  database: string | null
  /** What a user may take of the disk. */
  quotaOctets: number
  /** Mail from outside that claims an address of this server. */
  localFromOutside: 'show' | 'reject'
  passkeyWithoutPrf: 'ask' | 'allow' | 'deny'
  epochFile: string | null
  /** Authorities for S/MIME, and what they took back, in DER. */
  smime: { certificates: Uint8Array[]; revocationLists: Uint8Array[] }
  sessionIdleMs: number
  sessionMaxMs: number
  allowanceIdleMs: number
  allowanceMaxMs: number
  /** How long without a use a user may have an open key stand; as long as any, where they have no choice. */
  allowanceIdleMostMs: number
  /** How this server calls itself in mail. */
  hostname: string
  /** Argon2id cost of new slots and passwords (RFC 9106). */
  argon2: { memoryKiB: number; passes: number }
}

const unitMs = { s: 1000, m: 60_000, h: 3_600_000 } as const
const duration = z
  .string()
  .regex(/^[1-9]\d{0,6}[smh]$/, 'is not a duration such as 90s, 15m or 12h')
  .transform((text) => Number(text.slice(0, -1)) * unitMs[text.at(-1) as keyof typeof unitMs])
const unitOctets = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 } as const
const size = z
  .string()
  .regex(/^[1-9]\d{0,11}([KMGT]i)?B$/, 'is not a size such as 500MiB or 2GiB')
  .transform((text) => {
    const [, count, unit] = text.match(/^(\d+)(.+)$/)!
    return Number(count) * unitOctets[unit as keyof typeof unitOctets]
  })
const port = z
  .string()
  .regex(/^\d{1,5}$/, 'is not a port number')
  .transform(Number)
  .refine((value) => value <= 65_535, 'is not a port number')
const host = z.string().regex(/^[A-Za-z0-9.:_-]+$/, 'is not a host name or address')
const usualSshPort = 2222
/** Of two labels at least: mail to a bare word goes nowhere (RFC 7085), and two words were meant as something else. */
const domain = z
  .string()
  .regex(
    /^(localhost|(?!.{254})[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)+)$/,
    'is not a list of domains such as example.org,example.net',
  )

/** libpq's form; the host may be empty, and stand as a socket's folder among the parameters. */
const postgresUrl = /^postgres(ql)?:\/\/[^\s/]*\/[^\s/?]+(\?\S*)?$/
export const isPostgresUrl = (text: string) => postgresUrl.test(text)
const database = z.string().regex(postgresUrl, 'is not like postgres://user@host/database')

const origin = z.string().transform((text, context) => {
  const url = URL.parse(text)
  if (
    url &&
    /^https?:$/.test(url.protocol) &&
    url.pathname === '/' &&
    !url.search &&
    !url.hash &&
    !url.username
  )
    return url
  context.addIssue({ code: 'custom', message: 'is not an origin such as https://mail.example.org' })
  return z.NEVER
})

const relay = z.string().transform((text, context) => {
  const url = URL.parse(text)
  if (url && /^smtps?:$/.test(url.protocol) && url.hostname && /^\/?$/.test(url.pathname)) return url
  context.addIssue({ code: 'custom', message: 'is not of the form smtp://user:pass@host:port' })
  return z.NEVER
})

const proxy = z.string().transform((text, context) => {
  const list = new BlockList()
  const entries = text.split(/[\s,]+/).filter(Boolean)
  for (const entry of entries) {
    const [, address = '', prefix] = entry.match(/^([^/]*)(?:\/([1-9]\d{0,2}))?$/) ?? [] // never all addresses
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    const most = family === 'ipv4' ? 32 : 128
    const bits = Number(prefix ?? most)
    if (!isIP(address) || bits > most) entries.length = 0
    else list.addSubnet(address, bits, family)
  }
  if (entries.length > 0) return list
  context.addIssue({
    code: 'custom',
    message: 'is not an address or network such as 10.0.0.1 or 10.0.0.0/24',
  })
  return z.NEVER
})

const settings = z.strictObject({
  WAFER_DATA: z.string().min(1).default('./data'),
  WAFER_HOST: host.default('127.0.0.1'),
  WAFER_PORT: port.default(8080),
  WAFER_ORIGIN: origin.optional(),
  WAFER_TLS_CERT: z.string().min(1).optional(),
  WAFER_TLS_KEY: z.string().min(1).optional(),
  WAFER_PROXY: proxy.optional(),
  WAFER_HEALTH: z.enum(['loopback', 'all'], 'is none of loopback, all').default('loopback'),
  WAFER_SMTP_HOST: host.default('127.0.0.1'),
  WAFER_SMTP_PORT: port.default(2525),
  WAFER_LMTP_SOCKET: z.string().min(1).optional(),
  WAFER_SSH_HOST: host.default('127.0.0.1'),
  WAFER_SSH_PORT: z
    .literal('off')
    .transform(() => null)
    .or(port)
    .optional(),
  WAFER_DOMAINS: z
    .string()
    .transform((text) =>
      text
        .toLowerCase()
        .split(/[\s,]+/)
        .filter(Boolean),
    )
    .pipe(z.array(domain).min(1, 'is not a list of domains such as example.org,example.net'))
    .optional(),
  WAFER_DATABASE: database.optional(),
  WAFER_RELAY: relay.optional(),
  WAFER_QUOTA: size.default(2 * unitOctets.GiB),
  WAFER_LOCAL_FROM_OUTSIDE: z.enum(['show', 'reject'], 'is none of show, reject').default('show'),
  WAFER_PASSKEY_WITHOUT_PRF: z.enum(['ask', 'allow', 'deny'], 'is none of ask, allow, deny').default('ask'),
  WAFER_EPOCH_FILE: z.string().min(1).optional(),
  WAFER_SMIME_CA: z.string().min(1).optional(),
  WAFER_SMIME_CRL: z.string().min(1).optional(),
  WAFER_SESSION_IDLE: duration.optional(),
  WAFER_SESSION_MAX: duration.default(12 * unitMs.h),
  WAFER_ALLOWANCE_IDLE: duration.optional(),
  WAFER_ALLOWANCE_MAX: duration.default(unitMs.h),
  WAFER_ALLOWANCE_IDLE_MOST: duration.optional(),
})

/** Whether a listening address is reachable from this machine only. */
export const isLoopback = (address: string) =>
  /^(localhost|127(\.\d+){3}|::1|::ffff:127(\.\d+){3})$/.test(address)

/** Whether a host in a URL means the very machine on which it is opened (RFC 6761 §6.3): a phone would ask itself. */
export const isLocalName = (hostname: string) =>
  isLoopback(hostname.replace(/^\[|\]$/g, '')) || hostname.endsWith('.localhost')

/**
 * @param environment as `process.env`
 * @throws Error with one sentence naming the setting that is unknown or malformed
 */
export const readConfig = (environment: Record<string, string | undefined>): Config => {
  const { data, set } = readSettings(environment)
  if (!set.WAFER_TLS_CERT !== !set.WAFER_TLS_KEY)
    throw new Unusable('WAFER_TLS_CERT and WAFER_TLS_KEY belong together: set both or neither.')
  const tls = set.WAFER_TLS_CERT ? readTls(set.WAFER_TLS_CERT, set.WAFER_TLS_KEY!) : null
  if (!isLoopback(set.WAFER_HOST) && !tls && !set.WAFER_PROXY)
    throw new Unusable(
      `WAFER_HOST is ${set.WAFER_HOST}, which other machines reach: set WAFER_TLS_CERT and WAFER_TLS_KEY, or WAFER_PROXY.`,
    )
  if (tls && set.WAFER_ORIGIN?.protocol === 'http:')
    throw new Unusable('WAFER_ORIGIN begins with http:, but WAFER_TLS_CERT makes this server speak https.')
  return {
    data,
    host: set.WAFER_HOST,
    port: set.WAFER_PORT,
    origin: set.WAFER_ORIGIN ?? null,
    tls,
    proxy: set.WAFER_PROXY ?? null,
    health: set.WAFER_HEALTH,
    smtpHost: set.WAFER_SMTP_HOST,
    smtpPort: set.WAFER_SMTP_PORT,
    lmtpSocket: set.WAFER_LMTP_SOCKET ?? null,
    sshHost: set.WAFER_SSH_HOST,
    sshPort: set.WAFER_SSH_PORT === undefined ? usualSshPort : set.WAFER_SSH_PORT,
    isSshPortChosen: set.WAFER_SSH_PORT !== undefined,
    domains: set.WAFER_DOMAINS ?? null,
    relay: set.WAFER_RELAY ?? null,
    database: set.WAFER_DATABASE ?? null,
    quotaOctets: set.WAFER_QUOTA,
    localFromOutside: set.WAFER_LOCAL_FROM_OUTSIDE,
    passkeyWithoutPrf: set.WAFER_PASSKEY_WITHOUT_PRF,
    epochFile: set.WAFER_EPOCH_FILE ? resolve(set.WAFER_EPOCH_FILE) : null,
    smime: {
      certificates: set.WAFER_SMIME_CA ? readBlocks('WAFER_SMIME_CA', set.WAFER_SMIME_CA, 'CERTIFICATE') : [],
      revocationLists: set.WAFER_SMIME_CRL
        ? readBlocks('WAFER_SMIME_CRL', set.WAFER_SMIME_CRL, 'X509 CRL')
        : [],
    },
    sessionIdleMs: idleWithin(set, 'WAFER_SESSION', 15 * unitMs.m),
    sessionMaxMs: set.WAFER_SESSION_MAX,
    allowanceIdleMs: idleWithin(set, 'WAFER_ALLOWANCE', 5 * unitMs.m),
    allowanceMaxMs: set.WAFER_ALLOWANCE_MAX,
    allowanceIdleMostMs: idleMost(set),
    hostname: set.WAFER_ORIGIN?.hostname ?? 'localhost',
    argon2: { memoryKiB: 64 * 1024, passes: 3 },
  }
}

/** Whether these settings name PostgreSQL; what is wrong with them, {@link readConfig} says. */
export const isPostgresSet = (environment: Record<string, string | undefined>): boolean => {
  try {
    return readSettings(environment).set.WAFER_DATABASE !== undefined
  } catch {
    return false
  }
}

/**
 * What is permitted, but hardly meant, or dangerous where a tunnel is not what the operator believes: a sentence each,
 * said at the start.
 */
export const noticesOn = (config: Config): string[] => {
  const { origin, proxy, tls } = config
  return [
    origin?.protocol === 'http:' &&
      !isLocalName(origin.hostname) &&
      `WAFER_ORIGIN is ${origin.origin}: nothing encrypts what is sent there unless a tunnel does, and passkeys need https.`,
    origin?.protocol === 'https:' &&
      !tls &&
      !proxy &&
      `WAFER_ORIGIN is ${origin.origin}, but this server speaks plain HTTP: set WAFER_TLS_CERT and WAFER_TLS_KEY, or WAFER_PROXY.`,
    !isLoopback(config.smtpHost) &&
      !tls &&
      `WAFER_SMTP_HOST is ${config.smtpHost}, which other machines reach: without WAFER_TLS_CERT and WAFER_TLS_KEY mail comes in unencrypted.`,
  ].filter((notice) => notice !== false)
}

/**
 * Where a terminal client on the server's own machine finds it, by the same settings; no secret is read.
 *
 * @throws Error as {@link readConfig} does
 */
export const serverAddress = (environment: Record<string, string | undefined>): string => {
  const { set } = readSettings(environment)
  return set.WAFER_ORIGIN?.origin ?? localOrigin(Boolean(set.WAFER_TLS_CERT), set.WAFER_PORT)
}

/** Where a server is that was not told its public name. */
export const localOrigin = (isTls: boolean, port: number) => `${isTls ? 'https' : 'http'}://localhost:${port}`

const readSettings = (environment: Record<string, string | undefined>) => {
  const data = resolve(environment.WAFER_DATA || './data')
  const inFile = readEnvFile(join(data, '.env'))
  const ours = (entries: Record<string, string | undefined>) =>
    Object.fromEntries(
      Object.entries(entries).filter(
        // What is empty is not set, as far as it is a setting.
        ([name, value]) => /^WAFER_/i.test(name) && (value !== '' || !Object.hasOwn(settings.shape, name)),
      ),
    )
  const parsed = settings.safeParse({ ...ours(inFile), ...ours(environment) })
  if (parsed.success) return { data, set: parsed.data }
  const issue = parsed.error.issues[0]!
  if (issue.code === 'unrecognized_keys') throw new Unusable(`${issue.keys[0]} is not a setting of Wafer.`)
  throw new Unusable(
    `${issue.path[0] as string} ${/^(is|does)/.test(issue.message) ? issue.message : 'is malformed'}.`,
  )
}

/** As it is written in settings: `90s`, `15m`, `12h`. */
const durationOf = (ms: number): string => {
  const unit = (['h', 'm'] as const).find((each) => ms % unitMs[each] === 0) ?? 's'
  return `${ms / unitMs[unit]}${unit}`
}

/** The idle time that was set, or the usual one as far as the longest time allows. */
const idleWithin = (
  set: z.infer<typeof settings>,
  of: 'WAFER_SESSION' | 'WAFER_ALLOWANCE',
  usualMs: number,
): number => {
  const [idleMs, maxMs] = [set[`${of}_IDLE`], set[`${of}_MAX`]]
  if (idleMs !== undefined && idleMs > maxMs)
    throw new Unusable(
      `${of}_IDLE is longer than ${of}_MAX (${durationOf(maxMs)}), and would never come to pass.`,
    )
  return idleMs ?? Math.min(usualMs, maxMs)
}

const idleMost = (set: z.infer<typeof settings>): number => {
  const usualMs = idleWithin(set, 'WAFER_ALLOWANCE', 5 * unitMs.m)
  const mostMs = set.WAFER_ALLOWANCE_IDLE_MOST ?? usualMs
  const [least, most] = [durationOf(usualMs), durationOf(set.WAFER_ALLOWANCE_MAX)]
  if (mostMs < usualMs || mostMs > set.WAFER_ALLOWANCE_MAX)
    throw new Unusable(
      `WAFER_ALLOWANCE_IDLE_MOST is not between WAFER_ALLOWANCE_IDLE (${least}) and WAFER_ALLOWANCE_MAX (${most}).`,
    )
  return mostMs
}

const readEnvFile = (file: string): Record<string, string | undefined> => {
  let text: string
  try {
    text = readFileSync(file, 'utf8').replace(/^\uFEFF/, '')
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return {}
    throw new Unusable(`${file} cannot be read.`, { cause: error })
  }
  // The parser passes over such a line in silence.
  const odd = text.split('\n').findIndex((line) => {
    const [, afterName] = line.match(/^\s*(?:export\s+)?WAFER_\w*(.*)$/i) ?? []
    return afterName !== undefined && !/^\s*=/.test(afterName)
  })
  if (odd >= 0) throw new Unusable(`Line ${odd + 1} of ${file} is not like WAFER_PORT=8080.`)
  const entries = parseEnv(text)
  if (entries.WAFER_DATA !== undefined)
    throw new Unusable(
      `WAFER_DATA stands in ${file}, which is found by it: set it in the environment instead.`,
    )
  return entries
}

/** The blocks of a PEM file (RFC 7468), in DER; what stands around them is for people. */
const readBlocks = (name: string, file: string, label: string): Uint8Array[] => {
  const text = readPem(name, file)
  if (text.length > smimeFileLimit)
    throw new Unusable(`${name}: ${file} is larger than ${smimeFileLimit / 1024 / 1024} MiB.`)
  const blocks = [...text.matchAll(new RegExp(`-----BEGIN ${label}-----([^-]*)-----END ${label}-----`, 'g'))]
  if (blocks.length === 0) throw new Unusable(`${name}: ${file} holds no "BEGIN ${label}" as PEM.`)
  return blocks.map(([, base64]) => new Uint8Array(Buffer.from(base64!, 'base64')))
}

const readTls = (certFile: string, keyFile: string) => {
  const cert = readPem('WAFER_TLS_CERT', certFile)
  const key = readPem('WAFER_TLS_KEY', keyFile)
  const isGood = (options: { cert?: string; key?: string }) => {
    try {
      return Boolean(createSecureContext(options))
    } catch {
      return false // what OpenSSL says of it helps nobody
    }
  }
  if (!isGood({ cert })) throw new Unusable(`WAFER_TLS_CERT: ${certFile} does not hold a certificate as PEM.`)
  if (!isGood({ key }))
    throw new Unusable(`WAFER_TLS_KEY: ${keyFile} does not hold a key without a passphrase as PEM.`)
  if (!isGood({ cert, key }))
    throw new Unusable(`WAFER_TLS_KEY: the key in ${keyFile} is not that of the certificate in ${certFile}.`)
  return { cert, key }
}

const readPem = (name: string, file: string) => {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Unusable(`${name}: ${file} cannot be read.`, { cause: error })
  }
}
