/**
 * The first user: a one-time link, printed at the start while there is no user, leads to a page that makes one, with
 * a key and a welcome mail that waits encrypted in the Inbox.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import MailComposer from 'nodemailer/lib/mail-composer/index.js'
import type { Clock } from './ground/clock.ts'
import { Refusal } from './ground/refusal.ts'
import type { Epoch, ServerSecret } from './ground/server-secret.ts'
import type { Keyrings } from './keys/keyrings.ts'
import type { Mailboxes } from './mail/mailboxes.ts'
import type { Protection } from './mail/protection.ts'
import type { User, Users } from './people/users.ts'

export type FirstUser = { address: string; name: string; password: string; passphrase: string }

export class Setup {
  readonly #clock: Clock
  readonly #users: Users
  readonly #keyrings: Keyrings
  readonly #protection: Protection
  readonly #mailboxes: Mailboxes
  /** The token: the same in all processes that serve one database by one epoch, and new with each epoch. */
  readonly #token: string
  /** It is being used here, or was. */
  #isUsed = false

  constructor(options: {
    clock: Clock
    secret: ServerSecret
    epoch: Epoch
    users: Users
    keyrings: Keyrings
    protection: Protection
    mailboxes: Mailboxes
  }) {
    this.#clock = options.clock
    this.#token = options.secret.mac('setup', options.epoch.id).subarray(0, 16).toString('base64url')
    this.#users = options.users
    this.#keyrings = options.keyrings
    this.#protection = options.protection
    this.#mailboxes = options.mailboxes
  }

  /** The token; null if there is a user already. */
  async begin(): Promise<string | null> {
    return (await this.#users.exist()) ? null : this.#token
  }

  async valid(token: string): Promise<boolean> {
    return !this.#isUsed && timingSafeEqual(hash(this.#token), hash(token)) && !(await this.#users.exist())
  }

  /**
   * Makes the first user; the token is dead afterwards.
   *
   * @returns the recovery code, which is shown once and stored nowhere
   * @throws Refusal `not-found` for a token that is not good; those of users and keyrings, and then nothing is made
   */
  async use(token: string, wanted: FirstUser): Promise<{ user: User; recoveryCode: string }> {
    if (!(await this.valid(token)) || this.#isUsed) throw new Refusal('setup-link-used')
    this.#isUsed = true // before anything is awaited: of two that come at once, one is too late
    let user: User | null = null
    try {
      user = await this.#users.addFirst(wanted)
      if (!user) throw new Refusal('setup-link-used')
      const key = { generate: { name: user.name, address: user.address } }
      const { recoveryCode } = await this.#keyrings.add(user, wanted.passphrase, key)
      await this.#welcome(user)
      return { user, recoveryCode: recoveryCode! }
    } catch (error) {
      if (user) await this.#users.remove(user.id)
      this.#isUsed = false
      throw error
    }
  }

  async #welcome(user: User) {
    const domain = user.address.slice(user.address.lastIndexOf('@') + 1)
    const composer = new MailComposer({
      from: { name: 'Wafer', address: `postmaster@${domain}` },
      to: { name: user.name, address: user.address },
      subject: 'Welcome: press Decrypt',
      text: welcomeText,
      textEncoding: 'quoted-printable',
      date: new Date(this.#clock()),
      messageId: `<${randomBytes(16).toString('hex')}@${domain}>`,
      newline: '\r\n',
    })
    const message = await composer.compile().build()
    await this.#mailboxes.deliver([user.id], await this.#protection.toSelf(user, [message]))
  }
}

const hash = (token: string) => createHash('sha256').update(token).digest()

const welcomeText = `You have just opened your first encrypted mail.

It lay on the server sealed to your key. Your passphrase, your passkey or an approval opened the key, for this terminal only: as long as "key open" stands beside Decrypt and Sign, no other terminal can use it.

What you may try next:

- Press Compose, write a line to yourself, and press Sign.
- Under More, look at "Terminals", every terminal that is logged in, and at "Key log", every use of your key.
- Press "Lock key". The next Decrypt asks for the passphrase again.
- Under More, Passkeys: add a passkey, and a finger, a face or a PIN opens the key instead of the passphrase.
- At a terminal that has no passkey, press Decrypt and "Approve on phone": your phone opens the key for it.

Keep the recovery code that you were shown in a safe place, on paper.
`
