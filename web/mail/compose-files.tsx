/**
 * Attach from Files: the letter is parked, a file of the box is chosen, and the letter comes back with it. What is in
 * the file is taken when the letter leaves.
 */
import { refusalOf } from '../../server/ground/refusal.ts'
import { Form, Hidden } from '../forms.tsx'
import { show } from '../frame.tsx'
import { oneLine, sizeOf } from '../text.ts'
import { type PageContext, sentenceOf, sessionOf, wordsOf } from '../visit.ts'
import { fieldNames, keep, parkedLetter, type Typed } from './compose-form.ts'
import type { Needs } from './compose-sending.tsx'
import { showLetter } from './compose-view.tsx'

/** Rows of a page. */
const pageRows = 20

/** A folder of the box, each file of it a button. */
export const chooseFile = async (
  c: PageContext,
  needs: Needs,
  ticket: string,
  { folder, after }: { folder: string; after: string | null } = { folder: '', after: null },
): Promise<Response> => {
  const words = wordsOf(c)
  const { entries, next } = await needs.files.list(sessionOf(c).user.id, {
    in: folder,
    after,
    limit: pageRows,
  })
  return show(c, needs, {
    title: words.files.attach,
    isWindow: true,
    body: () => (
      <Form visit={c.get('visit')} action="/c/files">
        <Hidden name={fieldNames.ticket} value={ticket} />
        <Hidden name="in" value={folder} />
        <p>{entries.length === 0 ? words.files.none : words.files.attachWhat}</p>
        <ul>
          {entries.map(({ path, name, isFolder, size }) => (
            <li>
              {isFolder ? (
                <Choice name="open" value={path}>{`${oneLine(name, 100)}/`}</Choice>
              ) : (
                <>
                  <Choice name="take" value={path}>
                    {oneLine(name, 100)}
                  </Choice>{' '}
                  {sizeOf(size)}
                </>
              )}
            </li>
          ))}
        </ul>
        <p>
          {next !== null && (
            <>
              <Choice name="after" value={next}>
                {words.files.more}
              </Choice>{' '}
            </>
          )}
          <Choice name="back" value={folder === '' ? 'c' : 'f'}>
            {folder === '' ? words.cancel : words.files.title}
          </Choice>
        </p>
      </Form>
    ),
  })
}

const Choice = ({ name, value, children }: { name: string; value: string; children: string }) => (
  <button type="submit" name={name} value={value}>
    {children}
  </button>
)

/** What is pressed there. @param comeBack the letter as it was */
export const chosenFile = async (
  c: PageContext,
  needs: Needs,
  comeBack: (ticket: string) => Promise<Response>,
): Promise<Response> => {
  const { form } = c.get('visit')
  const ticket = form.get(fieldNames.ticket)
  const kept = await parkedLetter(c, needs, ticket)
  if (!kept) return comeBack(ticket)
  const [folder, take, after] = [form.get('in'), form.get('take'), form.get('after')]
  if (take) return attachFile(c, needs, kept.typed, take)
  if (after) return chooseFile(c, needs, ticket, { folder, after })
  if (form.get('open')) return chooseFile(c, needs, ticket, { folder: form.get('open'), after: null })
  return form.get('back') === 'f' ? chooseFile(c, needs, ticket) : comeBack(ticket)
}

const attachFile = async (c: PageContext, needs: Needs, typed: Typed, path: string): Promise<Response> => {
  const words = wordsOf(c)
  try {
    const { name, type, size } = await needs.files.forLetter(sessionOf(c).user.id, path)
    const others = typed.files.filter((file) => !('box' in file && file.box === path))
    const letter = { ...typed, files: [...others, { name, type, size, box: path }] }
    await keep(needs, letter, null)
    return showLetter(c, needs, letter, words.attached(oneLine(name)))
  } catch (error) {
    const refusal = refusalOf(error)
    if (!refusal) throw error
    return showLetter(c, needs, typed, sentenceOf(c, refusal))
  }
}
