/**
 * The letter in the form of Compose: as it is posted, parked before anything else is done with it, and taken out again.
 * Files that were attached cannot be put back into a browser's file field: they stay parked, and the form names them.
 */

import { isMessageId } from '../../server/contract/replies.ts'
import type { Visit } from '../../server/doors/visit.ts'
import { refusalOf } from '../../server/ground/refusal.ts'
import type { UploadedFile } from '../../server/locked/form-bodies.ts'
import type { Letter, Written } from '../../server/mail/letters.ts'
import type { ParkedForms } from '../../server/people/parked-forms.ts'
import { nameIn } from '../files/paths.ts'
import { idOf, type PageContext, sessionOf } from '../visit.ts'

/** What letters that are being written are kept with from page to page. */
export type Parking = { parkedForms: ParkedForms }

/**
 * `auto`: encrypted if each recipient has a key, and then signed if the key is open. By which kind is seen when it leaves,
 * unless it is said.
 */
export type Protection = 'auto' | 'plain' | 'sign' | 'both' | 'encrypt' | 'smimeSign' | 'smimeBoth'

export const signs = (protection: Protection) => /sign|both/i.test(protection)
export const encrypts = (protection: Protection) => /both|encrypt/i.test(protection)
/** What is said of the kind; null where it is left to what the recipients can read. */
export const kindIn = (protection: Protection) => (protection.startsWith('smime') ? ('smime' as const) : null)
export type Typed = {
  to: string
  cc: string
  bcc: string
  subject: string
  text: string
  protection: Protection
  /** Message ids of the thread, the one that is answered last. */
  thread: string[]
  /** The mail that is answered or 0. */
  re: number
  /** The draft that it was, or 0. */
  draft: number
  files: Attached[]
  /** Something in it came encrypted: the mail that is answered or forwarded, or it was to go so as a draft. */
  isSecret: boolean
  /** Doubts that the user has read of, and does it all the same. */
  sure: string
  /** Under which it is parked; empty before its page was made. */
  ticket: string
  /** The letter's number, if it is another than the id of its ticket. */
  number: string
  /** Files that came with the form, whether they are still ticked or not: a page that is gone back to may tick them. */
  stock: Parked[]
  /** Names of files that did not arrive or are no longer kept. */
  lost: string[]
}
export type Doubt = 'plainAnswer' | 'signatureBroken'
type Named = { name: string; type: string; size: number }
/** A file that came with the form; `was` names the part of a mail that it was before. */
type Parked = Named & { ticket: string; was?: string }
/** A file of the letter: parked, or a part of a mail or a file of the box, which are fetched when the letter leaves. */
export type Attached = Parked | (Named & { message: number; part: string }) | (Named & { box: string })
/** A letter as it is parked, with what is to happen once the key is open. */
export type Kept = { typed: Typed; after: After }
export type After = 'sign' | 'send' | 'save' | null

/** The form's fields beside those that are typed into. Each page carries their names: they are short. */
export const fieldNames = {
  ticket: 'park',
  number: 'no',
  draft: 'd',
  re: 're',
  thread: 'th',
  isSecret: 'sec',
  sure: 'sure',
  protection: 'prot',
  /** One for each file that the letter has: its mark. */
  files: 'keep',
  newFiles: 'file',
  /** The button that leads to the box of files; the name alone, for bytes count. */
  box: 'f',
} as const

export const blank: Typed = {
  to: '',
  cc: '',
  bcc: '',
  subject: '',
  text: '',
  protection: 'auto',
  thread: [],
  re: 0,
  draft: 0,
  files: [],
  isSecret: false,
  sure: '',
  ticket: '',
  number: '',
  stock: [],
  lost: [],
}

const protections: readonly string[] = [
  ...['plain', 'sign', 'both', 'encrypt'],
  ...['smimeSign', 'smimeBoth'],
] satisfies string[]

// ---- as it is posted

/**
 * The letter in the form of this request, which is parked before anything else is done with it. A form that may not be
 * trusted is parked only under a ticket of its own, which nobody else can have; of another nothing is written, and its
 * files are lost.
 */
export const received = async (needs: Parking, userId: number, c: PageContext): Promise<Typed> => {
  const { parkedForms } = needs
  const { form, parkingSecret } = c.get('visit')
  const given = form.get(fieldNames.ticket)
  const isTrusted = parkedForms.ownerOf(given) === userId
  const before = isTrusted ? await openLetter(needs, userId, given) : null
  const number = form.get(fieldNames.number)
  const typed: Typed = {
    ...typedIn(form),
    ticket: isTrusted ? given : parkedForms.ticket(userId, parkingSecret ?? undefined),
    number: isTrusted && isNumber(number) ? number : '',
    stock: before?.typed.stock ?? [],
    files: [],
    lost: [],
  }
  for (const mark of form.all(fieldNames.files)) {
    const file = fileOf(needs, typed.stock, mark)
    if (file) typed.files.push(file)
    else typed.lost.push(before?.typed.files.find((each) => markOf(needs, each) === mark)?.name ?? '?')
  }
  const mayWrite = isTrusted || !form.trouble
  for (const file of form.files(fieldNames.newFiles))
    if (mayWrite) await attach(needs, userId, typed, file)
    else typed.lost.push(fileNameOf(file))
  // What a window waits for is not forgotten by a page that is kept in passing.
  if (mayWrite) await keep(needs, typed, form.get('a') === 'keep' ? (before?.after ?? null) : null)
  return typed
}

/** Parks the letter that is in the form of this request. @returns its ticket */
export const parkedLetterOf = async (needs: Parking, userId: number, c: PageContext): Promise<string> =>
  (await received(needs, userId, c)).ticket

const typedIn = (form: Visit['form']) => {
  const protection = form.get(fieldNames.protection)
  return {
    to: form.get('to'),
    cc: form.get('cc'),
    bcc: form.get('bcc'),
    subject: form.get('subject').replace(/[\r\n]+/g, ' '),
    text: form.get('text').replace(/\r\n?/g, '\n'),
    protection: protections.includes(protection) ? (protection as Protection) : 'auto',
    thread: form.get(fieldNames.thread).split(/\s+/).filter(isMessageId),
    re: idOf(form.get(fieldNames.re)),
    draft: idOf(form.get(fieldNames.draft)),
    isSecret: form.get(fieldNames.isSecret) === '1',
    sure: form.get(fieldNames.sure),
  }
}

/** Parks a file that came with the form; one for which there is no room is lost. */
const attach = async (
  { parkedForms }: Parking,
  userId: number,
  typed: Typed,
  file: UploadedFile,
): Promise<void> => {
  const name = fileNameOf(file)
  const type = /^[\w.+-]+\/[\w.+-]+$/.test(file.type) ? file.type : 'application/octet-stream'
  try {
    const ticket = await parkedForms.parkFile(userId, file.octets)
    const parked = { name, type, size: file.octets.length, ticket }
    typed.stock.push(parked)
    typed.files.push(parked)
  } catch (error) {
    if (refusalOf(error)?.code !== 'too-large') throw error
    typed.lost.push(name)
  }
}

/** Some browsers send the path as well. */
const fileNameOf = ({ name }: UploadedFile) => name.replace(/^.*[/\\]/, '') || 'file'

/** In the page: the name of what is parked, or where a part or a file of the box is and what it is called. */
export const markOf = ({ parkedForms }: Parking, file: Attached): string => {
  if ('ticket' in file) return parkedForms.idOf(file.ticket)
  if ('box' in file) return `box ${file.size} ${file.type} ${file.box}`
  return `${file.message} ${file.part} ${file.size} ${file.type} ${file.name}`
}

const fileOf = ({ parkedForms }: Parking, stock: Parked[], mark: string): Attached | null => {
  const parked = stock.find(
    ({ ticket, was }) => parkedForms.idOf(ticket) === mark || (was && mark.startsWith(`${was} `)),
  )
  if (parked) return parked
  const [, ofBox, typeInBox, box] = mark.match(/^box (\d{1,12}) (\S{1,200}) (.+)$/s) ?? []
  if (ofBox && typeInBox && box) return { box, size: Number(ofBox), type: typeInBox, name: nameIn(box) }
  const [, message, part, size, type, name] =
    mark.match(/^(\d{1,15}) (\S{1,100}) (\d{1,12}) (\S{1,200}) (.+)$/s) ?? []
  if (!message || !part || !type || !name) return null
  return { message: Number(message), part, size: Number(size), type, name }
}

// ---- parked

/** A letter's number, as its form and the address of its page name it. */
export const isNumber = (text: string): boolean => /^[\w-]{12}$/.test(text)

export const numberOf = ({ parkedForms }: Parking, typed: Typed): string =>
  typed.number || parkedForms.idOf(typed.ticket)

/** @param number of a letter of this user; else the ticket is a new one */
export const ticketFor = (c: PageContext, { parkedForms }: Parking, number?: string): string =>
  parkedForms.ticket(sessionOf(c).user.id, c.get('visit').parkingSecret ?? undefined, number)

/** Parks the letter under its ticket. Where too much is parked already, it is in the page alone. */
export const keep = async ({ parkedForms }: Parking, typed: Typed, after: After): Promise<void> => {
  try {
    await parkedForms.keep(typed.ticket, { typed, after } satisfies Kept)
  } catch (error) {
    if (refusalOf(error)?.code !== 'too-large') throw error
  }
}

const openLetter = async ({ parkedForms }: Parking, userId: number, ticket: string): Promise<Kept | null> => {
  const kept = ticket ? ((await parkedForms.open(userId, ticket)) as Partial<Kept> | null) : null
  return kept?.typed?.files ? (kept as Kept) : null
}

/** The letter that is parked under a ticket of this user; null if it is there no more. */
export const parkedLetter = async (c: PageContext, needs: Parking, ticket: string): Promise<Kept | null> => {
  const kept = await openLetter(needs, sessionOf(c).user.id, ticket)
  return kept && { ...kept, typed: { ...kept.typed, ticket } }
}

/** The letter as another one: under a ticket, and so a number, that nothing is known of. */
export const anew = async (c: PageContext, needs: Parking, typed: Typed, number = ''): Promise<Typed> => {
  const renewed = { ...typed, ticket: ticketFor(c, needs), number }
  await keep(needs, renewed, null)
  return renewed
}

/** What was typed is in a draft or in Sent by now. */
export const finish = ({ parkedForms }: Parking, typed: Typed): Promise<void> =>
  parkedForms.finish([typed.ticket, ...typed.stock.map(({ ticket }) => ticket)])

// ---- as the server takes it

export const writtenOf = ({ files, ...typed }: Typed): Written => ({ ...typed, attachments: files })

export const letterOf = (typed: Typed, attachments: UploadedFile[]): Letter => {
  const { to, cc, bcc, subject, text, thread, protection } = typed
  const messageId = thread.at(-1)
  return {
    to,
    cc,
    bcc,
    subject,
    text,
    attachments,
    inReplyTo: messageId ? { messageId, references: thread.slice(0, -1) } : null,
    sign: signs(protection),
    encrypt: encrypts(protection),
    kind: kindIn(protection) ?? (typed.sure.split(' ').includes('kindsDiffer') ? 'each' : null),
  }
}
