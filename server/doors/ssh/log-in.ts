/**
 * A log-in: by password, asked for or sent, or by a public key. The server judges passwords, with the guess limits and the
 * equal answers that it has for everybody; the signature of a key is judged here.
 */
import type { AuthContext, KeyboardAuthContext, PasswordAuthContext, PublicKeyAuthContext } from 'ssh2'
import { addressCharacters, secretCharacters, sshLimits } from '../../ground/limits.ts'
import { Refusal, type ToldRefusal } from '../../ground/refusal.ts'
import { isSignedBy } from '../../people/ssh-public-keys.ts'
import type { Answer, Asked, Begun, Question } from './messages.ts'

type Needs = {
  connection: number
  address: string
  ask(question: Question): Promise<Answer>
  /** Whoever goes on trying is not listened to any more. */
  end(): void
}

const methods = ['publickey', 'keyboard-interactive', 'password'] as const

export class LogIn {
  /** The session, once there is one. */
  begun: Begun | null = null
  readonly #needs: Needs
  #requests = 0
  #passwords = 0

  constructor(needs: Needs) {
    this.#needs = needs
  }

  async attempt(context: AuthContext): Promise<void> {
    this.#requests += 1
    if (this.#requests > sshLimits.requests) return this.#needs.end()
    try {
      if (context.username.length > addressCharacters) return this.#refuse(context)
      if (context.method === 'password') await this.#byPassword(context)
      else if (context.method === 'keyboard-interactive') await this.#byQuestion(context)
      else if (context.method === 'publickey') await this.#byKey(context)
      else this.#refuse(context)
    } catch {
      this.#needs.end() // the connection went away under it
    }
  }

  async #byPassword(context: PasswordAuthContext) {
    if (this.#passwords >= sshLimits.passwords) return this.#needs.end()
    // A change of password comes as an object; it is changed on a page.
    if (typeof context.password !== 'string') return this.#refuse(context)
    const refused = await this.#tried(context, context.password)
    if (refused) this.#refuse(context)
  }

  async #byQuestion(context: KeyboardAuthContext) {
    if (this.#passwords >= sshLimits.passwords) return this.#needs.end()
    const [password] = await asked(context, [{ prompt: 'Password: ', echo: false }])
    if (password === undefined) return this.#refuse(context)
    const refused = await this.#tried(context, password)
    if (!refused) return
    // That it was wrong, the client says itself; why it was not looked at, it cannot know.
    if (refused.reason !== 'wrong-log-in') await asked(context, [], Refusal.from(refused).message)
    this.#refuse(context)
  }

  /** @returns why there is no session, null if there is one */
  async #tried(context: AuthContext, password: string): Promise<ToldRefusal | null> {
    this.#passwords += 1
    if (password.length > secretCharacters) return new Refusal('wrong-log-in').told
    const { connection, address } = this.#needs
    return this.#begin(context, { connection, user: context.username, address, password })
  }

  async #byKey(context: PublicKeyAuthContext) {
    const { key, signature, blob, hashAlgo } = context as PublicKeyAuthContext & { hashAlgo?: string }
    const algorithm = key.algo === 'ssh-rsa' ? `rsa-sha2-${hashAlgo?.slice(3)}` : key.algo
    const octets = key.data.toString('base64')
    const { connection, address } = this.#needs
    const user = context.username
    // RSA with SHA-1 has no hash named.
    const isKnown = key.algo !== 'ssh-rsa' || hashAlgo !== undefined
    const known = isKnown ? await this.#needs.ask({ knows: { user, key: octets } }) : null
    if (!known || !('knows' in known) || !known.knows) return this.#refuse(context)
    // A question: the client may sign.
    if (!signature || !blob) return context.accept()
    if (!isSignedBy(key.data, { algorithm, octets: signature, signed: blob })) return this.#refuse(context)
    const refused = await this.#begin(context, { connection, user, address, key: octets })
    if (refused) this.#refuse(context)
  }

  async #begin(context: AuthContext, logIn: Asked): Promise<ToldRefusal | null> {
    const answer = await this.#needs.ask({ logIn })
    if ('begun' in answer) {
      this.begun = answer.begun
      context.accept()
      return null
    }
    return 'refused' in answer ? answer.refused : new Refusal('went-wrong').told
  }

  #refuse(context: AuthContext) {
    // After the last password the client is to end by itself, with a sentence of its own.
    context.reject(this.#passwords < sshLimits.passwords ? [...methods] : ['publickey'])
  }
}

/** Asks at the other end's screen. @returns empty where nobody answered */
const asked = (
  context: KeyboardAuthContext,
  prompts: { prompt: string; echo: boolean }[],
  instruction = '',
): Promise<string[]> =>
  new Promise((resolve) => {
    context.once('abort', () => resolve([]))
    context.prompt(prompts, 'Wafer', instruction, (answers: unknown) =>
      resolve(Array.isArray(answers) ? answers : []),
    )
  })
