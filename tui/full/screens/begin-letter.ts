/**
 * The ways to a letter: a blank one, a mailto: link, an answer, a mail passed on, a draft taken up again. Each puts up
 * the screen that it is written on.
 */

import type { Row } from '../../../server/contract/answers.ts'
import {
  type Attachment,
  blank,
  draftOf,
  forwardedFiles,
  forwardOf,
  fromMailto,
  isSigned,
  type Letter,
  replyTo,
  type Source,
} from '../../letter/letter.ts'
import { harmless } from '../../text/text.ts'
import { field } from '../field.ts'
import type { Stage } from '../stage.ts'
import type { ComposeScreen } from '../state.ts'
import { textField } from '../text-field.ts'

export const openCompose = (app: Stage, { mailto, ...begun }: Partial<Letter> & { mailto?: string }) => {
  const linked = mailto === undefined ? blank : fromMailto(mailto)
  if (!linked) return app.warn('This is not a mailto: link.')
  // Who begins with Sign has chosen.
  app.push(screenOf('Compose', { ...linked, ...begun, isChosen: begun.sign ?? false }))
  if (mailto !== undefined) app.note('A letter from a link: whatever stands in it came from there.')
}

/** Takes up a draft; one that is being written already is shown. */
export const openDraft = async (app: Stage, row: Row): Promise<void> => {
  const { screens } = app.state
  const there = screens.findIndex((each) => each.name === 'compose' && each.letter.draft === row.id)
  if (there >= 0) {
    for (const { id } of screens.slice(there + 1).reverse()) app.close(id)
    return
  }
  const from = app.top?.id ?? null
  const source = await draftSourceOf(app, row)
  if (!source) return
  const attachments = await attachmentsOf(app, source)
  if (attachments) app.pushOver(from, screenOf('Draft', draftOf(source, attachments)))
}

/** @param how.shown the mail as it is on the screen; null from a list, where nothing of it is open */
export const reply = async (
  app: Stage,
  row: Row,
  how: { all: boolean; shown: Source | null },
): Promise<void> => {
  const from = app.top?.id ?? null
  const source = how.shown ?? (await closedSourceOf(app, row))
  if (!source) return
  const kind = app.state.folders.find(({ name }) => name === source.came.folder)?.kind ?? 'user'
  const own = await app.ask(() => app.client.ownAddresses())
  if (!own) return
  const { letter, notes } = replyTo(source, { own, all: how.all, kind })
  if (app.pushOver(from, screenOf('Reply', letter)) !== null && notes.length) app.note(notes.join(' '))
}

/** @param shown as for a reply */
export const forward = async (app: Stage, row: Row, shown: Source | null): Promise<void> => {
  const from = app.top?.id ?? null
  const source = shown ?? (await closedSourceOf(app, row))
  if (!source) return
  const attachments = await attachmentsOf(app, source)
  if (!attachments) return
  const { letter, notes } = forwardOf(source, attachments)
  if (app.pushOver(from, screenOf('Forward', letter)) !== null && notes.length) app.note(notes.join(' '))
}

const screenOf = (title: string, letter: Letter): ComposeScreen => {
  const { to, cc, bcc, subject, text, ...rest } = letter
  return {
    name: 'compose',
    title,
    letter: rest,
    fields: { to: field(to), cc: field(cc), bcc: field(bcc), subject: field(subject) },
    text: textField(text),
    focus: to.trim() === '' ? 'to' : subject.trim() === '' ? 'subject' : 'text',
    showCopies: false,
    recipients: [],
    offered: null,
    changedAt: null,
    keptAt: null,
    signed: isSigned(text) ? text : null,
    problem: null,
    asked: [],
    busy: false,
  }
}

/** The mail as it came: what its reader did not open is not opened to be quoted. Null if refused, which was said. */
const closedSourceOf = async (app: Stage, row: Row): Promise<Source | null> => {
  const came = await app.ask(() => app.client.message(row.id), 'Reading the mail')
  return came && { came, opened: null, part: null }
}

/** The draft as it was written; an encrypted one asks for the key. */
const draftSourceOf = async (app: Stage, row: Row): Promise<Source | null> => {
  const source = await closedSourceOf(app, row)
  if (source?.came.security !== 'encrypted') return source
  const about = source.came.headers.subject ?? ''
  const opened = await app.withKey({ verb: 'Decrypt', about }, () => app.client.decrypt(row.id))
  return opened && { ...source, opened }
}

/** Null if one of them was refused, which was said. */
const attachmentsOf = async (app: Stage, source: Source): Promise<Attachment[] | null> => {
  const { came, opened } = source
  const found: Attachment[] = []
  for (const { id, name, type } of forwardedFiles(source)) {
    const fetch = () => app.client.part(came.id, id)
    const busy = 'Reading the attachments'
    const part = opened
      ? await app.withKey({ verb: 'Decrypt', about: name }, fetch)
      : await app.ask(fetch, busy)
    if (!part) return null
    found.push({ name: harmless(name || part.name) || 'file', type, octets: part.octets })
  }
  return found
}
