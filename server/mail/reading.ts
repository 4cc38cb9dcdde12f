/**
 * Reading mail: fetches the octets, has them read in a child process (with the keys only where an allowance lends
 * them), and gives back a view. Plaintext passes through here to the page that asked and is stored nowhere.
 */

import { Refusal } from '../ground/refusal.ts'
import type { Allowances } from '../keys/allowances.ts'
import type { CryptoPool } from '../locked/crypto-pool.ts'
import type { Mail } from '../locked/reader/encrypted-mail.ts'
import type { Session } from '../people/sessions.ts'
import type { Correspondents } from './correspondents.ts'
import type { Folder, Listed, Mailboxes } from './mailboxes.ts'

export type ReadMessage = { message: Listed; folder: Folder; mail: Mail }
export type Attachment = { name: string; type: string; octets: Uint8Array }

type Source = { octets: Uint8Array } & Awaited<ReturnType<Correspondents['believed']>>

export class Reading {
  readonly #mailboxes: Mailboxes
  readonly #correspondents: Correspondents
  readonly #allowances: Allowances
  readonly #pool: CryptoPool

  constructor(options: {
    mailboxes: Mailboxes
    correspondents: Correspondents
    allowances: Allowances
    pool: CryptoPool
  }) {
    this.#mailboxes = options.mailboxes
    this.#correspondents = options.correspondents
    this.#allowances = options.allowances
    this.#pool = options.pool
  }

  /** The message as it came; it counts as seen. @throws Refusal `not-found` */
  async read(session: Session, id: number): Promise<ReadMessage> {
    return this.#view(session, id, async (source) =>
      this.#pool.run('reading', 'read', source, { user: session.user.id }),
    )
  }

  /**
   * The message opened with the session's key (S1320).
   *
   * @param part an encrypted part that is not the root's, to be opened alone
   * @throws Refusal `not-found`, `key-in-use`, `allowance-required`, `not-encrypted`, `cannot-decrypt`
   */
  async open(session: Session, keyToken: string | null, id: number, part?: string): Promise<ReadMessage> {
    return this.#view(session, id, (source) =>
      this.#allowances.use(session, keyToken, { scope: 'read', messageId: id }, (opening) =>
        this.#pool.run(session.user.id, 'open', async () => ({
          opening,
          ...(await source()),
          ...(part ? { part } : {}),
        })),
      ),
    )
  }

  /**
   * One attachment; of an encrypted message with the session's key.
   *
   * @param within the encrypted part that was opened alone, if the attachment is in one
   * @throws Refusal `not-found`, `key-in-use`, `allowance-required`, `cannot-decrypt`
   */
  async attachment(
    session: Session,
    keyToken: string | null,
    id: number,
    part: string,
    within?: string,
  ): Promise<Attachment> {
    const { security } = await this.#mailboxes.message(session.user.id, id)
    const octets = () => this.#mailboxes.octets(session.user.id, id)
    // Of a mail that is encrypted in part, the rest needs no key.
    const asItCame = within
      ? null
      : await this.#pool.run('reading', 'part', async () => ({ octets: await octets(), id: part }), {
          user: session.user.id,
        })
    // The row of a mail that came long ago may not know yet that there is something encrypted in it.
    const mayBeSealed = within !== undefined || security === 'encrypted' || keyToken !== null
    const found =
      asItCame === null && mayBeSealed
        ? await this.#allowances.use(session, keyToken, { scope: 'read', messageId: id }, (opening) =>
            this.#pool.run(session.user.id, 'openPart', async () => ({
              opening,
              octets: await octets(),
              id: part,
              ...(within ? { within } : {}),
            })),
          )
        : asItCame
    if (!found) throw new Refusal('no-attachment')
    return found
  }

  /**
   * Several attachments of a mail that is to be passed on, in one run; of an encrypted message with the session's key.
   *
   * @returns one for each part, in their order; null where there is none
   * @throws Refusal as {@link attachment}; `too-large` if they are too much for one letter
   */
  async attachments(
    session: Session,
    keyToken: string | null,
    id: number,
    parts: string[],
  ): Promise<(Attachment | null)[]> {
    const { security } = await this.#mailboxes.message(session.user.id, id)
    const octets = await this.#mailboxes.octets(session.user.id, id)
    if (security !== 'encrypted')
      return this.#pool.run('reading', 'parts', { octets, ids: parts }, { user: session.user.id })
    return this.#allowances.use(session, keyToken, { scope: 'read', messageId: id }, (opening) =>
      this.#pool.run(session.user.id, 'openParts', { opening, octets, ids: parts }),
    )
  }

  async #view(
    session: Session,
    id: number,
    work: (source: () => Promise<Source>) => Promise<Mail>,
  ): Promise<ReadMessage> {
    const userId = session.user.id
    const message = await this.#mailboxes.message(userId, id)
    const folder = await this.#mailboxes.folder(userId, message.folderId)
    const mail = await work(async () => ({
      octets: await this.#mailboxes.octets(userId, id),
      ...(await this.#correspondents.believed(session.user, message.sender)),
    }))
    const { signature, signedWith } = mail
    if (signedWith) await this.#correspondents.learnFrom(session.user, signature, signedWith)
    if (!message.seen) await this.#mailboxes.mark(userId, [id], { seen: true })
    return { message: { ...message, seen: true }, folder, mail }
  }
}
