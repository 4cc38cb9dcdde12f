/** One file or folder of the box: what it is, what is in it as a download, another path for it, and its end. */
import type { Visit } from '../../server/doors/visit.ts'
import type { Entry, Files } from '../../server/files/files.ts'
import { refusalOf } from '../../server/ground/refusal.ts'
import { asAttachment, harmlessType, inert } from '../download.ts'
import { Button, Field, Form, Hidden, Links } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { type KeyWindows, type Wanted, wantedPath } from '../key/windows.tsx'
import { moment, oneLine, sizeOf } from '../text.ts'
import { didOf, type PageContext, sentenceOf, sessionOf, withParameter, wordsOf } from '../visit.ts'
import type { Words } from '../words.ts'
import { aboutAt, contentAt, folderOf, listAt, nameIn, pathInAddress } from './paths.ts'

export type OneFileNeeds = FrameNeeds & { files: Files; windows: KeyWindows }
type Needs = OneFileNeeds

/** What was refused, and the path that was typed for it. */
type Refused = { said: string; path: string }

export const showOne = async (
  c: PageContext,
  needs: Needs,
  path: string,
  refused?: Refused,
): Promise<Response> => {
  const words = wordsOf(c)
  const visit = c.get('visit')
  const file = await needs.files.entry(sessionOf(c).user.id, path)
  const said = refused?.said ?? didOf(c)
  return show(c, needs, {
    title: oneLine(nameIn(path), 120),
    status: said && <p>{said}</p>,
    current: 'more',
    body: () => (
      <>
        <Links
          links={[
            !file.isFolder && (
              <a href={contentAt(path)} download>
                {words.files.download}
              </a>
            ),
            <a href={listAt(file.isFolder ? path : folderOf(path))}>{words.files.title}</a>,
          ]}
        />
        {!file.isFolder && (
          <p>
            {sizeOf(file.size)}, {file.type}, {moment(visit.language, file.modifiedAt)}
          </p>
        )}
        <Changing words={words} visit={visit} path={path} typed={refused?.path ?? path} />
      </>
    ),
  })
}

const Changing = (props: { words: Words; visit: Visit; path: string; typed: string }) => {
  const { words, visit, path, typed } = props
  return (
    <Form visit={visit} action="/files">
      <Hidden name="of" value={path} />
      <Field label={words.files.path} name="to" value={typed} note={words.files.pathWhat} />
      <p>
        <Button a="move">{words.files.rename}</Button> <Button a="remove">{words.files.remove}</Button>
      </p>
    </Form>
  )
}

/** What is pressed on that page, and in the window that asks whether it is to be removed. */
export const changeOne = async (c: PageContext, needs: Needs, path: string): Promise<Response> => {
  const { form } = c.get('visit')
  const { user } = sessionOf(c)
  const to = form.get('to').trim().replace(/^\/+/, '')
  try {
    switch (form.get('a')) {
      case 'remove':
        return await askRemoval(c, needs, path)
      case 'ok':
        await needs.files.remove(user.id, path, { all: true })
        return c.redirect(withParameter(listAt(folderOf(path)), 'ok=file-gone'), 303)
      case 'move':
        await needs.files.move(user.id, path, to)
        return c.redirect(withParameter(aboutAt(to), 'ok=file-moved'), 303)
      default:
        return c.redirect(aboutAt(path), 303)
    }
  } catch (error) {
    const refusal = refusalOf(error)
    if (!refusal || refusal.code === 'not-found') throw error
    return showOne(c, needs, path, { said: sentenceOf(c, refusal), path: to || path })
  }
}

const askRemoval = async (c: PageContext, needs: Needs, path: string): Promise<Response> => {
  const words = wordsOf(c)
  const { isFolder } = await needs.files.entry(sessionOf(c).user.id, path)
  return show(c, needs, {
    title: words.files.removeTitle(oneLine(nameIn(path), 120)),
    isWindow: true,
    body: () => (
      <Form visit={c.get('visit')} action="/files">
        <Hidden name="of" value={path} />
        <p>{isFolder ? words.files.removeFolder : words.files.removeFile}</p>
        <p>
          <Button a="ok">{words.ok}</Button> <Button a="cancel">{words.cancel}</Button>
        </p>
      </Form>
    ),
  })
}

// ---- its octets

/** What is in a file, as it is read piece by piece; or the window for the key. */
export const sendContent = async (c: PageContext, needs: Needs): Promise<Response> => {
  const path = pathInAddress(c.req.path)
  if (path === null) return c.notFound()
  try {
    const entry = await needs.files.entry(sessionOf(c).user.id, path)
    if (entry.isFolder) return c.redirect(listAt(path), 303)
    const pieces = needs.files.read(sessionOf(c), c.get('visit').keyToken, entry)
    return c.body(await c.get('browser').takes(pieces), 200, headersOf(entry))
  } catch (error) {
    const refusal = refusalOf(error)
    const wanted: Wanted = {
      next: wantedPath(c),
      back: aboutAt(path),
      park: '',
      verb: 'decrypt',
      reason: wordsOf(c).files.useToRead,
      about: nameIn(path),
    }
    const window = refusal && needs.windows.forRefusal(c, refusal, wanted)
    if (!window) throw error
    return window
  }
}

const headersOf = ({ name, type, size }: Entry) => ({
  'Content-Type': harmlessType(type),
  'Content-Disposition': asAttachment(name),
  'Content-Length': String(size),
  ...inert,
})
