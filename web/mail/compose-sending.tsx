/**
 * What a letter's buttons do: Sign brings the text back signed, Send lets it leave once, Save draft keeps it, and so
 * does Log out. Where the key is needed first, the letter is parked and comes back whatever happens in the windows
 * between.
 */

import type { Files } from '../../server/files/files.ts'
import { type Refusal, refusalOf } from '../../server/ground/refusal.ts'
import type { Identities } from '../../server/keys/identities.ts'
import type { UploadedFile } from '../../server/locked/form-bodies.ts'
import type { Letters } from '../../server/mail/letters.ts'
import type { Listed, Mailboxes } from '../../server/mail/mailboxes.ts'
import type { Reading } from '../../server/mail/reading.ts'
import type { Aliases } from '../../server/people/aliases.ts'
import type { FrameNeeds } from '../frame.tsx'
import type { KeyWindows, Wanted } from '../key/windows.tsx'
import { oneLine } from '../text.ts'
import { type PageContext, sentenceOf, sessionOf, wordsOf } from '../visit.ts'
import {
  type After,
  type Attached,
  anew,
  type Doubt,
  encrypts,
  finish,
  keep,
  letterOf,
  numberOf,
  type Parking,
  type Typed,
  writtenOf,
} from './compose-form.ts'
import { showLetter } from './compose-view.tsx'

export type Needs = FrameNeeds &
  Parking & {
    aliases: Aliases
    files: Files
    identities: Identities
    letters: Letters
    mailboxes: Mailboxes
    reading: Reading
    windows: KeyWindows
  }

export const sign = async (c: PageContext, needs: Needs, typed: Typed): Promise<Response> => {
  const words = wordsOf(c)
  if (isSigned(typed.text)) return showLetter(c, needs, typed, words.alreadySigned)
  try {
    const text = await needs.letters.sign(sessionOf(c), c.get('visit').keyToken, typed.text)
    const encrypted = encrypts(typed.protection)
    const status = typed.files.length ? `${words.signed} ${words.textOnly}` : words.signed
    return showLetter(c, needs, { ...typed, text, protection: encrypted ? 'encrypt' : 'plain' }, status)
  } catch (error) {
    return refused(c, needs, error, typed, 'sign')
  }
}

export const send = async (c: PageContext, needs: Needs, typed: Typed): Promise<Response> => {
  const { letters, mailboxes } = needs
  const words = wordsOf(c)
  const session = sessionOf(c)
  const { user } = session
  const number = numberOf(needs, typed)
  const answered = typed.re ? await messageOrNull(needs, user.id, typed.re) : null
  const gone = await letters.departed(user, number, writtenOf(typed))
  if (gone?.same)
    return hasLeft(c, answered, { copy: gone.copy, isWaiting: false, isHeld: false, isPlain: false })
  if (gone) {
    const other = await anew(c, needs, { ...typed, draft: 0, sure: '' })
    return showLetter(c, needs, other, `${words.leftAlready} ${words.sendAgain}`)
  }
  try {
    const protection =
      typed.protection === 'auto' ? (await asKeysAllow(c, needs, typed)).protection : typed.protection
    const inPlain = !encrypts(protection)
    const doubts = await doubtsAbout(c, needs, typed, inPlain)
    if (doubts.some((doubt) => !isSure(typed, doubt))) {
      const sentences = doubts.map((doubt) => words[doubt])
      const asked = { ...typed, sure: doubts.join(' ') }
      return showLetter(c, needs, asked, `${sentences.join(' ')} ${words.sendAgain}`)
    }
    const { all, lost } = await fetched(c, needs, typed)
    if (lost.length > 0) return withoutLost(c, needs, typed, lost)
    const letter = letterOf({ ...typed, protection }, all)
    const { keyToken, holdS } = c.get('visit')
    const { id, queued, heldUntil } = await letters.send(session, keyToken, letter, {
      number,
      draft: typed.draft || null,
      holdMs: holdS * 1000,
    })
    if (answered) await mailboxes.mark(user.id, [answered.id], { answered: true })
    await finish(needs, typed)
    const isPlain = typed.protection === 'auto' && inPlain && !isSigned(typed.text)
    return hasLeft(c, answered, {
      copy: id,
      isWaiting: queued.length > 0,
      isHeld: heldUntil !== null,
      isPlain,
    })
  } catch (error) {
    return notSent(c, needs, error, typed)
  }
}

/** To the folder of the mail that was answered, where it is said. */
const hasLeft = (
  c: PageContext,
  answered: Listed | null,
  { copy, ...how }: { copy: number | null; isWaiting: boolean; isHeld: boolean; isPlain: boolean },
): Response =>
  c.redirect(
    `/f/${answered?.folderId ?? 'inbox'}?${copy ? `sent=${copy}` : 'ok=sent'}${how.isWaiting ? '&w=1' : ''}${how.isHeld ? '&h=1' : ''}${how.isPlain ? '&p=1' : ''}`,
    303,
  )

const notSent = async (c: PageContext, needs: Needs, error: unknown, typed: Typed): Promise<Response> => {
  const words = wordsOf(c)
  const refusal = refusalOf(error)
  if (refusal?.code === 'no-relay') {
    const draft = refusal.detail.draft ?? 0
    return showLetter(c, needs, { ...typed, draft }, `${sentenceOf(c, refusal)} ${words.inDrafts}`)
  }
  if (refusal?.reason === 'kinds-differ') {
    const asked = { ...typed, sure: `${typed.sure} kindsDiffer`.trim() }
    return showLetter(c, needs, asked, `${sentenceOf(c, refusal)} ${words.sendEach}`)
  }
  if (refusal?.code !== 'no-key-for') return refused(c, needs, error, typed, 'send')
  return showLetter(
    c,
    needs,
    typed,
    <>
      {sentenceOf(c, refusal)} <a href="/k">{words.acceptFirst}</a>
    </>,
  )
}

export const save = async (c: PageContext, needs: Needs, typed: Typed): Promise<Response> =>
  (await saved(c, needs, typed)) ?? c.redirect('/f/drafts?ok=saved', 303)

/** Keeps the letter in Drafts. @returns null, or the page that says why not */
const saved = async (c: PageContext, needs: Needs, typed: Typed): Promise<Response | null> => {
  const { letters, parkedForms } = needs
  try {
    const { all, lost } = await fetched(c, needs, typed)
    if (lost.length > 0) return withoutLost(c, needs, typed, lost)
    // The draft that they are parts of is about to go: a page that is gone back to names them all the same.
    for (const [place, file] of typed.files.entries())
      if ('part' in file && file.message === typed.draft) {
        const { name, type, size } = file
        const ticket = await parkedForms.parkFile(sessionOf(c).user.id, all[place]!.octets)
        typed.stock.push({ name, type, size, ticket, was: `${file.message} ${file.part}` })
      }
    await keep(needs, typed, null)
    await letters.saveDraft(sessionOf(c), letterOf(typed, all), {
      number: numberOf(needs, typed),
      replaces: typed.draft || null,
    })
    await finish(needs, typed)
    return null
  } catch (error) {
    if (refusalOf(error)?.code !== 'exists') return refused(c, needs, error, typed, 'save')
    const words = wordsOf(c)
    const other = await anew(c, needs, { ...typed, draft: 0 })
    return showLetter(c, needs, other, `${words.leftAlready} ${words.saveAgain}`)
  }
}

/** Ends the session. A letter with something in it, which has not left, is kept in Drafts first. */
export const logOut = async (c: PageContext, needs: Needs, typed: Typed): Promise<Response> => {
  const isEmpty = !typed.to && !typed.subject && !typed.text.trim() && typed.files.length === 0
  const gone = await needs.letters.departed(sessionOf(c).user, numberOf(needs, typed), writtenOf(typed))
  if (!isEmpty && !gone && !isSure(typed, 'logOutAnyway')) {
    const problem = await saved(c, needs, { ...typed, sure: `${typed.sure} logOutAnyway`.trim() })
    if (problem) return problem
  }
  await needs.sessions.end(sessionOf(c).id, 'logout')
  c.get('browser').logOut()
  return c.redirect(`/login?out=${isEmpty || gone ? 1 : 'draft'}`, 303)
}

/** The letter without files that are gone: it does not leave unless one has read so. */
export const withoutLost = (
  c: PageContext,
  needs: Needs,
  typed: Typed,
  lost: string[],
): Promise<Response> => {
  const files = typed.files.filter(({ name }) => !lost.includes(name))
  const status = wordsOf(c).filesLost(oneLine(lost.join(', '), 300))
  return showLetter(c, needs, { ...typed, files, lost: [] }, status)
}

// ---- what is refused

/** The letter with why not; where it needs the key, the window for that. */
const refused = async (
  c: PageContext,
  needs: Needs,
  error: unknown,
  typed: Typed,
  after: After,
): Promise<Response> => {
  const refusal = refusalOf(error)
  if (!refusal) throw error
  return (
    (await windowToSign(c, needs, refusal, typed, after)) ??
    showLetter(c, needs, typed, sentenceOf(c, refusal))
  )
}

/** The window for a letter that needs the key; null if the refusal is about something else. */
const windowToSign = async (c: PageContext, needs: Needs, refusal: Refusal, typed: Typed, after: After) => {
  if (refusal.code !== 'allowance-required' && refusal.code !== 'key-in-use') return null
  await keep(needs, typed, after)
  const about = typed.subject || typed.to
  const { useToSign: reason } = wordsOf(c)
  const wanted: Wanted = { next: '', back: '/c', park: typed.ticket, verb: 'sign', reason, about }
  return needs.windows.forRefusal(c, refusal, wanted)
}

// ---- what it is before it leaves

const isSigned = (text: string) => /^-----BEGIN PGP SIGNED MESSAGE-----\s*$/m.test(text)

const isSure = ({ sure }: Typed, of: Doubt | 'logOutAnyway') => sure.split(' ').includes(of)

const doubtsAbout = async (
  c: PageContext,
  { letters }: Needs,
  typed: Typed,
  inPlain: boolean,
): Promise<Doubt[]> => {
  const doubts: Doubt[] = []
  if (typed.isSecret && inPlain) doubts.push('plainAnswer')
  if (isSigned(typed.text) && !(await letters.signatureFits(sessionOf(c), typed.text)))
    doubts.push('signatureBroken')
  return doubts
}

/** Encrypted if each recipient has a key; then signed as well, if the key is open here and the text is not signed. */
export const asKeysAllow = async (
  c: PageContext,
  { allowances, letters }: Needs,
  typed: Pick<Typed, 'to' | 'cc' | 'bcc' | 'text'>,
): Promise<{ protection: 'plain' | 'both' | 'encrypt'; without: string[] }> => {
  const session = sessionOf(c)
  const recipients = await letters.recipients(session.user, typed)
  const without = recipients.filter(({ key }) => !key).map(({ address }) => address)
  if (recipients.length === 0 || without.length > 0 || isSigned(typed.text))
    return { protection: 'plain', without }
  const key = await allowances.stateFor(session, c.get('visit').keyToken)
  const isOpen = key.state === 'open' && key.allowance.scope === 'sign'
  // Signed by what it is encrypted by, if there is something to sign with.
  const able = isOpen ? await letters.signs(session.user) : []
  const signed = recipients.every(({ kinds }) => kinds.some((kind) => able.includes(kind)))
  return { protection: signed ? 'both' : 'encrypt', without }
}

/**
 * The octets of the files, and the names of those that are gone.
 *
 * @throws Refusal as `reading.attachments`
 */
const fetched = async (
  c: PageContext,
  { files: box, parkedForms, reading }: Needs,
  { files }: Typed,
): Promise<{ all: UploadedFile[]; lost: string[] }> => {
  const session = sessionOf(c)
  const octets = new Map<Attached, Uint8Array | undefined>()
  for (const file of files)
    if ('ticket' in file)
      octets.set(file, (await parkedForms.openFile(session.user.id, file.ticket)) ?? undefined)
  for (const file of files)
    if ('box' in file) {
      const { keyToken } = c.get('visit')
      octets.set(file, (await box.whole(session, keyToken, file.box).catch(orGone))?.octets)
    }
  const parts = files.filter((file) => 'part' in file)
  for (const message of new Set(parts.map((file) => file.message))) {
    const wanted = parts.filter((file) => file.message === message)
    const ids = wanted.map(({ part }) => part)
    const found = await reading
      .attachments(session, c.get('visit').keyToken, message, ids)
      .catch((error: unknown) => orGone(error) ?? [])
    for (const [place, file] of wanted.entries()) octets.set(file, found[place]?.octets)
  }
  return {
    all: files.flatMap((file) => {
      const own = octets.get(file)
      return own ? [{ name: file.name, type: file.type, octets: own }] : []
    }),
    lost: files.filter((file) => !octets.get(file)).map(({ name }) => name),
  }
}

const orGone = (error: unknown): undefined => {
  if (refusalOf(error)?.code !== 'not-found') throw error
}

/** A mail of the user's; null if it is there no more. */
export const messageOrNull = async (
  { mailboxes }: Pick<Needs, 'mailboxes'>,
  userId: number,
  id: number,
): Promise<Listed | null> => {
  try {
    return await mailboxes.message(userId, id)
  } catch (error) {
    if (refusalOf(error)?.code === 'not-found') return null
    throw error
  }
}
