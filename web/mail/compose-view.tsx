/** The page of Compose: the letter as a form, in whatever state it is. */
import type { Child } from 'hono/jsx'
import type { Identities } from '../../server/keys/identities.ts'
import { Button, Field, Form, Hidden } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { oneLine, sizeOf } from '../text.ts'
import { type PageContext, sessionOf, wordsOf } from '../visit.ts'
import type { Words } from '../words.ts'
import {
  fieldNames,
  isNumber,
  markOf,
  type Parking,
  type Protection,
  type Typed,
  ticketFor,
} from './compose-form.ts'

/** Shows the letter; one that has no ticket yet is given one. */
export const showLetter = async (
  c: PageContext,
  needs: FrameNeeds & Parking & { identities: Identities },
  given: Typed,
  status?: Child,
  code?: 413,
): Promise<Response> => {
  const words = wordsOf(c)
  const typed = { ...given, ticket: given.ticket || ticketFor(c, needs, numberInAddress(c)) }
  // Who has no certificate is not offered what could not be done.
  const withSmime = (await needs.identities.list(sessionOf(c).user.id)).length > 0
  const files = typed.files.map((file) => ({ ...file, mark: markOf(needs, file) }))
  return show(
    c,
    needs,
    {
      title: words.compose,
      status: status && <p>{status}</p>,
      current: 'compose',
      isEndWithin: true,
      body: ({ key, end }) => (
        <Form visit={c.get('visit')} action="/c" files>
          <Carried typed={typed} />
          <Field label={words.to} name="to" value={typed.to} />
          <Field label={words.cc} name="cc" value={typed.cc} />
          <Field label={words.bcc} name="bcc" value={typed.bcc} />
          <Field label={words.subject} name="subject" value={typed.subject} />
          <p>
            <label>
              {words.text} <textarea name="text" rows={9} cols={36}>{`\n${typed.text}`}</textarea>
            </label>
          </p>
          <Protections words={words} chosen={typed.protection} withSmime={withSmime} />
          <Files words={words} files={files} />
          <p>
            <Button a="sign" open={key.signs}>
              {words.sign}
              {key.signs && words.keyOpen}
            </Button>{' '}
            <Button a="send">{words.send}</Button> <Button a="save">{words.saveDraft}</Button>
          </p>
          {end}
        </Form>
      ),
    },
    code,
  )
}

/** What the address of Compose names, if it is that of this request. */
const numberInAddress = (c: PageContext): string | undefined => {
  const number = c.req.method === 'GET' && c.req.path === '/c' ? c.req.query('n') : undefined
  return number !== undefined && isNumber(number) ? number : undefined
}

/** What comes back with the form, and is not typed. */
const Carried = ({ typed }: { typed: Typed }) => (
  <>
    <Hidden name={fieldNames.ticket} value={typed.ticket} />
    <Hidden name={fieldNames.number} value={typed.number} />
    <Hidden name={fieldNames.draft} value={typed.draft} />
    <Hidden name={fieldNames.re} value={typed.re} />
    <Hidden name={fieldNames.thread} value={typed.thread.join(' ')} />
    <Hidden name={fieldNames.isSecret} value={typed.isSecret ? 1 : ''} />
    <Hidden name={fieldNames.sure} value={typed.sure} />
  </>
)

const Protections = (props: { words: Words; chosen: Protection; withSmime: boolean }) => {
  const { words, chosen, withSmime } = props
  const all = withSmime ? { ...words.protections, ...words.smime.protections } : words.protections
  return (
    <p>
      <label>
        {words.protection}{' '}
        <select name={fieldNames.protection}>
          {Object.entries(all).map(([each, said]) => (
            <option value={each} selected={each === chosen && each !== 'auto'}>
              {said}
            </option>
          ))}
        </select>
      </label>
    </p>
  )
}

const Files = ({ words, files }: { words: Words; files: { mark: string; name: string; size: number }[] }) => (
  <>
    {files.length > 0 && (
      <ul>
        {files.map(({ mark, name, size }) => (
          <li>
            <label>
              <input type="checkbox" name={fieldNames.files} value={mark} checked /> {words.keep}{' '}
              {oneLine(name)} ({sizeOf(size)})
            </label>
          </li>
        ))}
      </ul>
    )}
    <p>
      <label>
        {words.file} <input type="file" name={fieldNames.newFiles} multiple />
      </label>{' '}
      <Button>{words.attach}</Button>{' '}
      <button type="submit" name={fieldNames.box}>
        {words.files.attach}
      </button>
    </p>
  </>
)
