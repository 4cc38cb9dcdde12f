/**
 * Letters: mail being written. Sign gives the text back signed (F9); send builds the message, protects it as asked,
 * hands it to the outbox and keeps a copy; a draft is kept until it is sent. Copies and drafts lie encrypted to the
 * user's own key.
 */
import { randomBytes } from 'node:crypto'
import MimeNode from 'nodemailer/lib/mime-node/index.js'
import type { Clock } from '../ground/clock.ts'
import { parsedHereOctets, wordsAsAddresses } from '../ground/limits.ts'
import { aliasIn } from '../ground/mail-address.ts'
import type { Obstacle } from '../ground/reasons.ts'
import { Refusal } from '../ground/refusal.ts'
import type { Allowances } from '../keys/allowances.ts'
import type { Keyrings } from '../keys/keyrings.ts'
import {
  type Addressed,
  type Composition,
  type Mailbox,
  parseRecipients,
  type Typed,
} from '../locked/composing.ts'
import type { CryptoPool } from '../locked/crypto-pool.ts'
import type { Kind } from '../locked/key-uses.ts'
import type { Opening } from '../locked/vault/secret-keys.ts'
import { type LetterNumbers, sentAlready } from '../people/letter-numbers.ts'
import type { Session } from '../people/sessions.ts'
import type { User, Users } from '../people/users.ts'
import type { Correspondents } from './correspondents.ts'
import type { Kinds, KindWanted, Plan } from './kinds.ts'
import type { Folder, Mailboxes } from './mailboxes.ts'
import type { Departure, Kept, Outbox, Submitted } from './outbox.ts'
import type { Protection } from './protection.ts'
import type { Reading } from './reading.ts'

/** Address fields are as typed: `Ann <ann@example.org>, bob@example.org`. */
export type Letter = {
  to: string
  cc: string
  bcc: string
  subject: string
  text: string
  attachments: { name: string; type: string; octets: Uint8Array }[]
  /** Nobody else holds it: its files are let go of, out of `attachments`, as soon as they are in the message. */
  isLetGo?: boolean
  /** What this answers, for threads in other programs (RFC 5322 §3.6.4). */
  inReplyTo: { messageId: string; references: string[] } | null
  sign: boolean
  encrypt: boolean
  /** OpenPGP or S/MIME. */
  kind: KindWanted
}
/** A letter without the octets of its files. */
export type Written = Pick<Letter, 'to' | 'cc' | 'bcc' | 'subject' | 'text'> & {
  attachments: { name: string; type: string; size: number }[]
}
/** A letter as its draft has it; the files are named, and stay in the draft until they are asked for. */
export type Draft = Omit<Letter, 'attachments'> & {
  attachments: { id: string; name: string; type: string; size: number }[]
}
export type Sent = {
  id: number
  folder: Folder
  delivered: string[]
  queued: string[]
  /** Until when it can be taken back; null if it cannot. */
  heldUntil: number | null
}

export class Letters {
  readonly #clock: Clock
  readonly #pool: CryptoPool
  readonly #allowances: Allowances
  readonly #keyrings: Keyrings
  readonly #correspondents: Correspondents
  readonly #kinds: Kinds
  readonly #protection: Protection
  readonly #mailboxes: Mailboxes
  readonly #reading: Reading
  readonly #outbox: Outbox
  readonly #numbers: LetterNumbers
  readonly #users: Pick<Users, 'byAddress'>
  /** Of each letter that is at work in this process, when the last that was asked of it is done. */
  readonly #turns = new Map<string, Promise<void>>()

  constructor(options: {
    clock: Clock
    pool: CryptoPool
    allowances: Allowances
    keyrings: Keyrings
    correspondents: Correspondents
    kinds: Kinds
    protection: Protection
    mailboxes: Mailboxes
    reading: Reading
    outbox: Outbox
    numbers: LetterNumbers
    users: Pick<Users, 'byAddress'>
  }) {
    this.#clock = options.clock
    this.#pool = options.pool
    this.#allowances = options.allowances
    this.#keyrings = options.keyrings
    this.#correspondents = options.correspondents
    this.#kinds = options.kinds
    this.#protection = options.protection
    this.#mailboxes = options.mailboxes
    this.#reading = options.reading
    this.#outbox = options.outbox
    this.#numbers = options.numbers
    this.#users = options.users
  }

  /**
   * The text, cleartext-signed with the session's key (S1450).
   *
   * @throws Refusal `key-in-use`, `allowance-required`; `bad-key` if no key of the user can sign now
   */
  async sign(session: Session, keyToken: string | null, text: string): Promise<string> {
    await this.#allowances.require(session, keyToken, 'sign')
    const { openpgp, smime } = await this.#kinds.signs(session.user)
    if (openpgp === 'no-key' && smime) throw new Refusal('text-signed-by-openpgp')
    await this.#keyrings.requireSigner(session.user.id)
    return this.#allowances.use(session, keyToken, { scope: 'sign' }, (opening) =>
      this.#pool.run(session.user.id, 'signCleartext', { opening, text: text.replace(/\r\n?/g, '\n') }),
    )
  }

  /**
   * Sends a letter. All that can fail comes first: it is composed, protected, and its copy encrypted; then, in one
   * transaction, it leaves, its copy lies in Sent, its draft is gone and its number is used up.
   *
   * @param options.number the letter's number: by it a letter leaves once, however often it is sent
   * @param options.draft the draft that it was, which goes away
   * @param options.holdMs how long it waits before it leaves; until then {@link recall} takes it back
   * @throws Refusal `key-in-use`, `allowance-required` where it signs; `bad-address`, `no-key-for`; `no-relay`, and
   * then the letter is in Drafts; `exists` if it was sent already
   */
  async send(
    session: Session,
    keyToken: string | null,
    letter: Letter,
    options: { number?: string; draft?: number | null; holdMs?: number } = {},
  ): Promise<Sent> {
    const { id: userId } = session.user
    const number = options.number ?? (await this.#numberOfDraft(session.user, options.draft))
    if (number === null) return this.#send(session, keyToken, letter, { ...options, number, draft: null })
    return this.#inTurn(userId, number, async () => {
      const fate = await this.#numbers.fate(userId, number)
      if (fate?.hasLeft) throw sentAlready()
      const draft = await this.#draftOf(session.user, fate?.messageId ?? options.draft)
      return this.#send(session, keyToken, letter, { ...options, number, draft })
    })
  }

  /**
   * What became of a letter that is to be sent once more.
   *
   * @returns null if it has not left; else its copy in Sent, if that is still there, and whether this is what left
   */
  async departed(
    user: User,
    number: string,
    letter: Written,
  ): Promise<{ copy: number | null; same: boolean } | null> {
    return this.#inTurn(user.id, number, async () => {
      const fate = await this.#numbers.fate(user.id, number)
      if (!fate?.hasLeft) return null
      return {
        copy: fate.messageId,
        same: await this.#numbers.isWhatLeft(user.id, number, contentOf(letter)),
      }
    })
  }

  /** The number of the letter in a draft. */
  async numberOf(user: User, draft: number): Promise<string> {
    return this.#numbers.ofDraft(user.id, draft)
  }

  /** Null for what is no draft and never was one that left. */
  async #numberOfDraft(user: User, draft: number | null | undefined): Promise<string | null> {
    if (!draft) return null
    const number = await this.#numbers.ofDraft(user.id, draft)
    if ((await this.#draftOf(user, draft)) !== null) return number
    return (await this.#numbers.fate(user.id, number))?.hasLeft ? number : null
  }

  /** What concerns one letter happens one after the other in this process; between processes, the number decides. */
  async #inTurn<T>(userId: number, number: string, work: () => Promise<T>): Promise<T> {
    const name = `${userId} ${number}`
    const before = this.#turns.get(name)
    const turn = (before ?? Promise.resolve()).then(work)
    const settled = turn.then(
      () => {},
      () => {},
    )
    this.#turns.set(name, settled)
    try {
      return await turn
    } finally {
      if (this.#turns.get(name) === settled) this.#turns.delete(name)
    }
  }

  async #send(
    session: Session,
    keyToken: string | null,
    letter: Letter,
    options: { number: string | null; draft: number | null; holdMs?: number },
  ): Promise<Sent> {
    const { user } = session
    const { number, draft, holdMs = 0 } = options
    if (letter.sign) await this.#allowances.require(session, keyToken, 'sign')
    const addressed = await this.#parsed(user, letter)
    if (addressed.all.length === 0) throw new Refusal('no-recipient')
    const plan = await this.#kinds.plan(user, letter, addressed.all)
    try {
      await this.#outbox.resolve(addressed.all)
    } catch (error) {
      if (!(error instanceof Refusal) || error.code !== 'no-relay') throw error
      const { id } = await this.#saveDraft(user, letter, { number, draft })
      throw error.with({ draft: id })
    }

    const written = contentOf(asWritten(letter))
    const { copy, kept, leaving } = await this.#finished(session, keyToken, letter, addressed, plan, holdMs)
    // What is encrypted to others alone, by a user without a key, could not be opened again as a draft.
    const canBeRecalled = !letter.encrypt || (await this.#protection.canReadCopies(user))
    const folder = await this.#mailboxes.fixedFolder(user.id, 'sent')
    let heldUntil: number | null = null
    const sent: Submitted[] = []
    const id = await this.#mailboxes.store(user.id, folder.id, copy, {
      seen: true,
      replaces: draft,
      sentAs: letter.encrypt ? 'encrypted' : letter.sign ? 'signed' : 'plain',
      settle: async (copyId) => {
        if (number !== null) await this.#numbers.noteLeft(user.id, number, copyId, written)
        for (const { leave } of leaving) sent.push(await leave())
        if (holdMs === 0) return
        const leavesAt = await this.#outbox.hold(kept, holdMs, canBeRecalled ? copyId : null)
        if (canBeRecalled) heldUntil = leavesAt
      },
      alsoOf: leaving.flatMap(({ users }) => users),
    })
    this.#outbox.lookAgain()
    const delivered = sent.flatMap((mail) => mail.delivered)
    const queued = holdMs > 0 ? addressed.all : sent.flatMap((mail) => mail.queued)
    return { id, folder, heldUntil, delivered, queued }
  }

  /** A letter that stands ready to leave, or to be held, and its copy. Here all that was made on the way is let go of. */
  async #finished(
    session: Session,
    keyToken: string | null,
    letter: Letter,
    addressed: Addressed,
    plan: Plan,
    holdMs: number,
  ): Promise<{ copy: Uint8Array; kept: Kept; leaving: Departure[] }> {
    const { user } = session
    const message = await this.#compose(user, letter, addressed)
    const lend = <T>(work: (opening: Opening) => Promise<T>) =>
      this.#allowances.use(session, keyToken, { scope: 'sign' }, work)
    const { mails, copy: own } = await this.#protection.protect(user, message, letter, addressed, plan, lend)
    const leaving: Departure[] = []
    if (holdMs === 0) for (const mail of mails) leaving.push(await this.#outbox.prepare(mail))
    const kept = holdMs > 0 ? await this.#outbox.keep(mails) : []
    const withFields = [copyFields(letter, addressed.bcc), own ?? mails[0]!.octets]
    mails.splice(0)
    const isReadable = letter.encrypt && own === null
    const copy = isReadable ? Buffer.concat(withFields) : await this.#protection.toSelf(user, withFields)
    return { copy, kept, leaving }
  }

  /**
   * Takes back a letter that is held: nothing of it leaves, and its copy lies in Drafts, a draft like any other.
   *
   * @param id of its copy in Sent
   * @throws Refusal `not-found`; `too-late` if it has left, and then nothing is changed
   */
  async recall(session: Session, id: number): Promise<{ id: number; folder: Folder }> {
    const userId = session.user.id
    await this.#mailboxes.message(userId, id)
    const folder = await this.#mailboxes.fixedFolder(userId, 'drafts')
    await this.#outbox.recall(userId, id, async () => {
      await this.#mailboxes.takeBack(userId, id, folder)
      await this.#numbers.noteRecalled(userId, id)
    })
    return { id, folder }
  }

  /**
   * Gives up a mail that waits to leave. A letter that is held is taken back whole; of any other, a report tells whom
   * it has not reached, and its copy stays in Sent.
   *
   * @param waitingId as the outbox names it
   * @returns where to look: the draft, or the folder of the report
   * @throws Refusal `not-found`; `too-late` while it is on its way
   */
  async giveUp(session: Session, waitingId: number): Promise<{ id: number | null; folder: Folder }> {
    const userId = session.user.id
    const { copyId } = await this.#outbox.oneWaiting(userId, waitingId)
    if (copyId !== null) return this.recall(session, copyId)
    await this.#outbox.giveUp(userId, waitingId)
    return { id: null, folder: await this.#mailboxes.fixedFolder(userId, 'inbox') }
  }

  /**
   * The recipients of a letter, and whether it can be encrypted to each; `why` if there is a key that cannot be used.
   *
   * @throws Refusal `bad-address`
   */
  async recipients(
    user: User,
    typed: Typed,
  ): Promise<{ address: string; key: boolean; kinds: Kind[]; why?: Obstacle }[]> {
    const { all } = await this.#parsed(user, typed)
    const { kinds, missing } = await this.#kinds.readable(user, all)
    const reasons = new Map(missing.map((each) => [each.address, each.why]))
    return all.map((address) => {
      const why = reasons.get(address) ?? 'none'
      const own = kinds.get(address) ?? []
      return { address, key: own.length > 0, kinds: own, ...(why === 'none' ? {} : { why }) }
    })
  }

  /** By which kinds the user can sign a letter now. */
  async signs(user: User): Promise<Kind[]> {
    const { openpgp, smime } = await this.#kinds.signs(user)
    return [...(openpgp === 'key' ? ['openpgp' as const] : []), ...(smime ? ['smime' as const] : [])]
  }

  /**
   * Whether a cleartext signature in the text, if there is one, still fits it: people edit after they signed.
   */
  async signatureFits(session: Session, text: string): Promise<boolean> {
    const header = `From: ${session.user.address}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n`
    const octets = Buffer.from(header + text.replace(/\r?\n/g, '\r\n'))
    const { certificates } = await this.#correspondents.believed(session.user, session.user.address)
    const { signature } = await this.#pool.run(
      'reading',
      'read',
      { octets, certificates },
      { user: session.user.id },
    )
    return signature.status !== 'invalid'
  }

  /**
   * Keeps a letter in Drafts, in the place of the draft it was. Recipients need not be complete.
   *
   * @param options.number the letter's number: saved twice by it, it is one draft
   * @throws Refusal `exists` if the letter has left
   */
  async saveDraft(
    session: Session,
    letter: Letter,
    options: { number?: string; replaces?: number | null } = {},
  ): Promise<{ id: number; folder: Folder }> {
    const { user } = session
    const number = options.number ?? (await this.#numberOfDraft(user, options.replaces))
    if (number === null) return this.#saveDraft(user, letter, { number, draft: null })
    return this.#inTurn(user.id, number, async () => {
      const fate = await this.#numbers.fate(user.id, number)
      if (fate?.hasLeft) throw sentAlready()
      const draft = await this.#draftOf(user, fate?.messageId ?? options.replaces)
      return this.#saveDraft(user, letter, { number, draft })
    })
  }

  async #saveDraft(
    user: User,
    letter: Letter,
    { number, draft }: { number: string | null; draft: number | null },
  ): Promise<{ id: number; folder: Folder }> {
    const folder = await this.#mailboxes.fixedFolder(user.id, 'drafts')
    const octets = await this.#encryptedDraft(user, letter)
    const id = await this.#mailboxes.store(user.id, folder.id, octets, {
      seen: true,
      replaces: draft,
      settle: async (draftId) => {
        if (number !== null) await this.#numbers.noteDraft(user.id, number, draftId)
      },
    })
    return { id, folder }
  }

  async #encryptedDraft(user: User, letter: Letter): Promise<Uint8Array> {
    const addressed = await this.#parsed(user, letter, 'draft')
    return this.#protection.toSelf(user, [await this.#compose(user, letter, addressed, 'draft')])
  }

  /**
   * A draft to go on with; one that lies encrypted needs the session's key.
   *
   * @throws Refusal `not-found`, `key-in-use`, `allowance-required`
   */
  async draft(session: Session, keyToken: string | null, id: number): Promise<Draft> {
    if ((await this.#draftOf(session.user, id)) === null) throw new Refusal('no-draft')
    const { security } = await this.#mailboxes.message(session.user.id, id)
    const { mail } =
      security === 'encrypted'
        ? await this.#reading.open(session, keyToken, id)
        : await this.#reading.read(session, id)
    const { to = '', cc = '', bcc = '', subject = '' } = mail.headers
    const protection = mail.headers['x-wafer-protection'] ?? ''
    const replied = mail.headers['in-reply-to']?.trim()
    return {
      to,
      cc,
      bcc,
      subject,
      text: mail.text,
      attachments: mail.attachments,
      inReplyTo: replied ? { messageId: replied, references: mail.references } : null,
      sign: protection.includes('sign'),
      encrypt: protection.includes('encrypt'),
      kind: kinds.find((kind) => protection.includes(kind)) ?? null,
    }
  }

  /** The id if a draft has it, or null: what a letter takes the place of is deleted for good, so no other mail may be that. */
  async #draftOf(user: User, id: number | null | undefined): Promise<number | null> {
    if (!id) return null
    const drafts = await this.#mailboxes.fixedFolder(user.id, 'drafts')
    try {
      return (await this.#mailboxes.message(user.id, id)).folderId === drafts.id ? id : null
    } catch (error) {
      if (error instanceof Refusal && error.code === 'not-found') return null
      throw error
    }
  }

  /**
   * What was typed into the address fields. A word without an `@` is the user of the writer's own domain whom it finds.
   *
   * @param draft keeps what is no address yet
   * @throws as {@link parseRecipients}
   */
  async #parsed(user: User, typed: Typed, draft?: 'draft'): Promise<Addressed> {
    if (draft) return this.#parse(user, typed, 'as typed')
    const words: Record<string, string> = {}
    for (;;)
      try {
        return await this.#parse(user, typed, 'strict', words)
      } catch (error) {
        const known = Object.keys(words).length
        if (known < wordsAsAddresses) Object.assign(words, await this.#meant(user, error))
        if (Object.keys(words).length === known) throw error
      }
  }

  /** The addresses of those among the wrong ones that are words by which somebody is found. */
  async #meant(user: User, error: unknown): Promise<Record<string, string>> {
    const wrong = error instanceof Refusal ? (error.detail.addresses ?? []) : []
    const found: Record<string, string> = {}
    for (const word of wrong.filter((each) => !each.includes('@'))) {
      const address = `${aliasIn(word)}@${domainOf(user)}`
      if (await this.#users.byAddress(address)) found[word] = address
    }
    return found
  }

  /** Long fields are parsed in a child process. */
  async #parse(
    { id: user }: User,
    { to, cc, bcc }: Typed,
    mode: 'strict' | 'as typed',
    words: Record<string, string> = {},
  ): Promise<Addressed> {
    const typed = { to, cc, bcc }
    if (to.length + cc.length + bcc.length <= parsedHereOctets) return parseRecipients(typed, mode, words)
    return this.#pool.run('reading', 'parseRecipients', { typed, mode, words }, { user })
  }

  async #compose(user: User, letter: Letter, addressed: Addressed, kind: 'message' | 'draft' = 'message') {
    const { address, name, id } = user
    const { subject, text, attachments, inReplyTo } = letter
    const composition: Composition = {
      from: { name, address },
      addressed,
      subject,
      text,
      attachments,
      inReplyTo,
      messageId: `<${randomBytes(16).toString('hex')}@${domainOf(user)}>`,
      date: this.#clock(),
      draft: kind === 'draft' ? { fields: { [protectionField]: protectionOf(letter) } } : null,
    }
    const sent = () => {
      if (letter.isLetGo) attachments.splice(0)
    }
    return this.#pool.run('reading', 'compose', composition, { user: id, sent })
  }
}

const domainOf = ({ address }: User) => address.slice(address.lastIndexOf('@') + 1)

/** What one wrote, for a comparison, however it is to be protected; files by what one sees of them. */
const contentOf = ({ to, cc, bcc, subject, text, attachments }: Written): string =>
  JSON.stringify([to, cc, bcc, subject, text, attachments.map(({ name, type, size }) => [name, type, size])])

const asWritten = (letter: Letter): Written => ({
  ...letter,
  attachments: letter.attachments.map(({ name, type, octets }) => ({ name, type, size: octets.length })),
})

/** In drafts and in copies, never in what is sent: how the letter is to leave, or left. */
export const protectionField = 'X-Wafer-Protection'

const kinds = ['openpgp', 'smime', 'each'] as const

/** What goes before the copy of a letter, which may become a draft again: what its sender alone knows of it. */
const copyFields = (letter: Letter, bcc: Mailbox[]): Uint8Array =>
  Buffer.from(`${protectionField}: ${protectionOf(letter)}\r\n${bcc.length ? bccField(bcc) : ''}`)

/** The field with its line end, as drafts have it. */
const bccField = (bcc: Mailbox[]): string => {
  const node = new MimeNode('text/plain', { newline: '\r\n', keepBcc: true })
  node.setHeader('Bcc', bcc)
  const field = node.buildHeaders().match(/^Bcc:.*(?:\r\n[ \t].*)*\r\n/m)
  if (!field) throw new Error('expected a Bcc field, got none')
  return field[0]
}

const protectionOf = ({ sign, encrypt, kind }: Letter) =>
  [sign && 'sign', encrypt && 'encrypt', (sign || encrypt) && kind].filter(Boolean).join(' ') || 'none'
