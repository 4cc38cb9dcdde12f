/**
 * Compose (S1400-S1510): a new letter, a reply, a forwarded mail, a draft. How it starts is in compose-starts, the form
 * as it is posted in compose-form, what its buttons do in compose-sending, how it looks in compose-view.
 */
import { Hono } from 'hono'
import { refusalOf } from '../../server/ground/refusal.ts'
import { lockKey } from '../key/unlock.tsx'
import { type KeyWindows, type Wanted, wantedPath } from '../key/windows.tsx'
import { oneLine, sizeOf } from '../text.ts'
import { idOf, type PageContext, type PageEnv, sessionOf, wordsOf } from '../visit.ts'
import { chooseFile, chosenFile } from './compose-files.tsx'
import {
  anew,
  blank,
  fieldNames,
  isNumber,
  numberOf,
  parkedLetter,
  received,
  type Typed,
  ticketFor,
} from './compose-form.ts'
import { logOut, messageOrNull, type Needs, save, send, sign, withoutLost } from './compose-sending.tsx'
import { draft, empty, forward, reply, type Start } from './compose-starts.ts'
import { showLetter } from './compose-view.tsx'

export const composePages = (services: Omit<Needs, 'windows'>, windows: KeyWindows) => {
  const needs: Needs = { ...services, windows }
  return {
    app: new Hono<PageEnv>()
      .get('/c', (c) => open(c, needs))
      .post('/c', (c) => posted(c, needs))
      .get('/c/files', (c) => c.redirect('/c', 303))
      .post('/c/files', (c) =>
        chosenFile(c, needs, (ticket) => comeBack(c, needs, ticket, wordsOf(c).cameBack)),
      ),
    /** The key is open: what was asked of the letter happens. */
    goOn: (c: PageContext, ticket: string) => goOn(c, needs, ticket),
    /** The letter that is parked under the ticket, as it was. */
    comeBack: (c: PageContext, ticket: string) => comeBack(c, needs, ticket, wordsOf(c).cameBack),
    /** A window of a letter that cannot be trusted any more: back to the letter. */
    letterAgain: (c: PageContext) =>
      comeBack(c, needs, c.get('visit').form.get(fieldNames.ticket), wordsOf(c).formOld),
  }
}

/**
 * The address names the letter: gone back to or reloaded, the page has the same number again. With a script, it is the
 * script that notes it there, and saves the request.
 */
const open = async (c: PageContext, needs: Needs): Promise<Response> => {
  const { n: number } = c.req.query()
  const isNamed = number !== undefined && isNumber(number)
  if (!isNamed && !c.get('visit').htmx) {
    const { searchParams } = new URL(c.req.url)
    searchParams.set('n', needs.parkedForms.idOf(ticketFor(c, needs)))
    return c.redirect(`/c?${searchParams}`, 303)
  }
  const kept = isNamed ? await parkedLetter(c, needs, ticketFor(c, needs, number)) : null
  return kept ? showLetter(c, needs, kept.typed, wordsOf(c).cameBack) : begin(c, needs)
}

/** A letter that nothing is known of yet starts as its address says. */
const begin = async (c: PageContext, needs: Needs): Promise<Response> => {
  const { d, re, fw } = c.req.query()
  const id = idOf(d ?? re ?? fw)
  const shown = ({ typed, status }: Start) => showLetter(c, needs, typed, status)
  if (!id) return shown(await empty(c, needs))
  try {
    return await shown(await (d ? draft : re ? reply : forward)(c, needs, id))
  } catch (error) {
    const refusal = refusalOf(error)
    const words = wordsOf(c)
    const message = refusal && (await messageOrNull(needs, sessionOf(c).user.id, id))
    const wanted: Wanted = {
      next: wantedPath(c),
      back: d ? '/f/drafts' : `/m/${id}`,
      park: '',
      verb: 'decrypt',
      reason: d ? words.useToDraft : words.useToOpen,
      about: message?.subject,
    }
    const window = refusal && needs.windows.forRefusal(c, refusal, wanted)
    if (!window) throw error
    return window
  }
}

const posted = async (c: PageContext, needs: Needs): Promise<Response> => {
  const { form } = c.get('visit')
  const verb = form.get('a')
  const typed = await received(needs, sessionOf(c).user.id, c)
  if (verb === 'keep') return c.body(null, 204)
  if (form.trouble) return distrusted(c, needs, typed)
  if (verb === 'lock') {
    await lockKey(needs, c)
    return showLetter(c, needs, typed, wordsOf(c).did.locked())
  }
  if (verb === 'logout') return logOut(c, needs, typed)
  if (typed.lost.length > 0) return withoutLost(c, needs, typed, typed.lost)
  if (form.all(fieldNames.box).length > 0) return chooseFile(c, needs, typed.ticket)
  switch (verb) {
    case 'sign':
      return sign(c, needs, typed)
    case 'send':
      return send(c, needs, typed)
    case 'save':
      return save(c, needs, typed)
    default: {
      const names = typed.files.map(({ name }) => name).join(', ')
      return showLetter(c, needs, typed, typed.files.length ? wordsOf(c).attached(names) : undefined)
    }
  }
}

/** A form that is too old or too large: the letter again, with what has arrived of it. */
const distrusted = (c: PageContext, needs: Needs, typed: Typed): Promise<Response> => {
  const { form } = c.get('visit')
  const words = wordsOf(c)
  const why = form.trouble === 'old' ? words.formOld : words.formTooLarge(sizeOf(form.limit))
  const lost = typed.lost.length > 0 && words.filesLost(oneLine(typed.lost.join(', '), 300))
  const code = form.trouble === 'too-large' ? 413 : undefined
  return showLetter(c, needs, { ...typed, lost: [] }, [why, lost].filter(Boolean).join(' '), code)
}

// ---- back from the windows

const comeBack = async (c: PageContext, needs: Needs, ticket: string, status: string): Promise<Response> => {
  const kept = await parkedLetter(c, needs, ticket)
  if (!kept) return showLetter(c, needs, blank, wordsOf(c).lostForm)
  const { typed } = kept
  if (typed.lost.length > 0) return withoutLost(c, needs, typed, typed.lost)
  // After a log-in, this session's pages must be able to have it again.
  const isOurs = ticket === ticketFor(c, needs, needs.parkedForms.idOf(ticket))
  const letter = isOurs ? typed : await anew(c, needs, typed, numberOf(needs, typed))
  return showLetter(c, needs, letter, status)
}

const goOn = async (c: PageContext, needs: Needs, ticket: string): Promise<Response> => {
  const kept = await parkedLetter(c, needs, ticket)
  if (!kept) return showLetter(c, needs, blank, wordsOf(c).lostForm)
  const { typed, after } = kept
  return (after === 'send' ? send : after === 'save' ? save : sign)(c, needs, typed)
}
