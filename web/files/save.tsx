/** Saves a mail, or an attachment of one, into the box of files: its octets never leave the server. */
import { Hono } from 'hono'
import type { Visit } from '../../server/doors/visit.ts'
import type { Files } from '../../server/files/files.ts'
import { Refusal, refusalOf } from '../../server/ground/refusal.ts'
import type { Listed, Mailboxes } from '../../server/mail/mailboxes.ts'
import { Button, Field, Form, Hidden } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { type KeyWindows, type Wanted, wantedPath } from '../key/windows.tsx'
import { oneLine } from '../text.ts'
import {
  idOf,
  type PageContext,
  type PageEnv,
  sentenceOf,
  sessionOf,
  withParameter,
  wordsOf,
} from '../visit.ts'
import { inAddress } from './paths.ts'

type Services = FrameNeeds & { files: Files; mailboxes: Mailboxes }
type Needs = Services & { windows: KeyWindows }

/** What of a mail is saved: all of it as it came, or a part, which may lie within an encrypted one. */
type What = { message: number; part: string; within: string; isOpened: boolean; name: string }

/** The page that asks under which path. @param isOpened the mail was opened with the key on the page that leads here */
export const savePath = ({ message, part, within, isOpened, name }: What): string =>
  `/save?m=${message}${part && `&part=${encodeURIComponent(part)}`}${within && `&in=${encodeURIComponent(within)}`}${isOpened ? '&o=1' : ''}${name && `&path=${inAddress(name)}`}`

export const savePages = (services: Services, windows: KeyWindows) => {
  const needs: Needs = { ...services, windows }
  return new Hono<PageEnv>()
    .get('/save', (c) =>
      ask(
        c,
        needs,
        whatIn((name) => c.req.query(name) ?? ''),
      ),
    )
    .post('/save', (c) =>
      save(
        c,
        needs,
        whatIn((name) => c.get('visit').form.get(name)),
      ),
    )
}

const whatIn = (get: (name: string) => string): What => ({
  message: idOf(get('m')),
  part: get('part'),
  within: get('in'),
  isOpened: get('o') !== '',
  name: get('path').trim().replace(/^\/+/, ''),
})

/** The key is asked for before the path: what is typed then is done at once. */
const ask = async (c: PageContext, needs: Needs, what: What): Promise<Response> => {
  const message = await needs.mailboxes.message(sessionOf(c).user.id, what.message)
  const key = await needs.allowances.stateFor(sessionOf(c), c.get('visit').keyToken)
  const isClosed = what.part !== '' && what.isOpened && key.state !== 'open'
  if (!isClosed) return showQuestion(c, needs, message, what)
  const refusal =
    key.state === 'elsewhere'
      ? new Refusal('key-in-use', { values: { terminal: key.by.terminal }, detail: { by: key.by } })
      : new Refusal('key-closed')
  return windowFor(c, needs, message, what, refusal) ?? showQuestion(c, needs, message, what)
}

const showQuestion = (c: PageContext, needs: Needs, message: Listed, what: What, said?: string) => {
  const words = wordsOf(c)
  const visit: Visit = c.get('visit')
  const name = what.name || `${oneLine(message.subject, 60).replace(/[/\\]/g, '_') || words.noSubject}.eml`
  return show(c, needs, {
    title: words.files.save,
    status: said && <p>{said}</p>,
    body: () => (
      <Form visit={visit} action="/save">
        <Hidden name="m" value={what.message} />
        <Hidden name="part" value={what.part} />
        <Hidden name="in" value={what.within} />
        <Hidden name="o" value={what.isOpened ? 1 : ''} />
        <p>{words.files.saveAs}</p>
        <Field label={words.files.path} name="path" value={name} />
        <p>
          <Button>{words.files.save}</Button> <a href={pageOf(what)}>{words.backToMail}</a>
        </p>
      </Form>
    ),
  })
}

/** The mail as it was seen. */
const pageOf = ({ message, within, isOpened }: What) =>
  `/m/${message}${isOpened ? '/open' : ''}${within && `?part=${encodeURIComponent(within)}`}`

const windowFor = (c: PageContext, needs: Needs, message: Listed, what: What, refusal: Refusal) => {
  const wanted: Wanted = {
    next: c.req.method === 'GET' ? wantedPath(c) : savePath(what),
    back: `/m/${what.message}`,
    park: '',
    verb: 'decrypt',
    reason: wordsOf(c).files.useToSave,
    about: what.part ? what.name : message.subject,
  }
  return needs.windows.forRefusal(c, refusal, wanted)
}

const save = async (c: PageContext, needs: Needs, what: What): Promise<Response> => {
  const session = sessionOf(c)
  const { message: id, part, within, name } = what
  const message = await needs.mailboxes.message(session.user.id, id)
  try {
    const from = { message: id, part: part || undefined, within: within || undefined }
    await needs.files.save(session, c.get('visit').keyToken, from, name)
    return c.redirect(withParameter(pageOf(what), 'ok=filed'), 303)
  } catch (error) {
    const refusal = refusalOf(error)
    if (!refusal) throw error
    return (
      windowFor(c, needs, message, what, refusal) ??
      showQuestion(c, needs, message, what, sentenceOf(c, refusal))
    )
  }
}
