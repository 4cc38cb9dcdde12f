/** All that main.ts makes, by constructor, and closes. Who needs less of it asks for less. */
import type { Logger } from 'pino'
import type { Bodies } from './doors/request-body.ts'
import type { Files } from './files/files.ts'
import type { Clock } from './ground/clock.ts'
import type { Config } from './ground/config.ts'
import type { Database } from './ground/store/database.ts'
import type { Allowances } from './keys/allowances.ts'
import type { Approvals } from './keys/approvals.ts'
import type { Identities } from './keys/identities.ts'
import type { Keyrings } from './keys/keyrings.ts'
import type { Passkeys } from './keys/passkeys.ts'
import type { CryptoPool } from './locked/crypto-pool.ts'
import type { Acquaintances } from './mail/acquaintances.ts'
import type { Contents } from './mail/contents.ts'
import type { Correspondents } from './mail/correspondents.ts'
import type { Letters } from './mail/letters.ts'
import type { Mailboxes } from './mail/mailboxes.ts'
import type { Outbox } from './mail/outbox.ts'
import type { Protection } from './mail/protection.ts'
import type { Reading } from './mail/reading.ts'
import type { Aliases } from './people/aliases.ts'
import type { Guesses } from './people/guesses.ts'
import type { Ledger } from './people/ledger.ts'
import type { LetterNumbers } from './people/letter-numbers.ts'
import type { ParkedForms } from './people/parked-forms.ts'
import type { Quota } from './people/quota.ts'
import type { Sessions } from './people/sessions.ts'
import type { SshKeys } from './people/ssh-keys.ts'
import type { Users } from './people/users.ts'
import type { Setup } from './setup.ts'

export type Services = {
  config: Config
  /** The public origin; its port is known once the web server listens. */
  site: { origin: string }
  clock: Clock
  log: Logger
  db: Database
  users: Users
  keyrings: Keyrings
  identities: Identities
  sessions: Sessions
  sshKeys: SshKeys
  aliases: Aliases
  allowances: Allowances
  passkeys: Passkeys
  approvals: Approvals
  ledger: Ledger
  mailboxes: Mailboxes
  contents: Contents
  quota: Quota
  bodies: Bodies
  reading: Reading
  letters: Letters
  protection: Protection
  numbers: LetterNumbers
  correspondents: Correspondents
  acquaintances: Acquaintances
  outbox: Outbox
  files: Files
  parkedForms: ParkedForms
  guesses: Guesses
  setup: Setup
  pool: CryptoPool
  /** What tells the host key of SSH from others, as a client shows it; null where nobody logs in by SSH here. */
  ssh: { fingerprint: string; port: number } | null
  /** The token of a terminal's forms, from what its cookie holds. */
  formToken(cookie: string): string
  /** What tells the server secret from others. */
  secretTag: string
  /** A user's name for a cookie that outlives the session: it tells nobody who it is. */
  userTag(userId: number): string
  /** Whether a password or passphrase that somebody chooses is refused. */
  isTooShort(secret: string): boolean
  close(): Promise<void>
}
