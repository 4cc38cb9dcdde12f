/**
 * The box of files (P24): a folder as a list, and what is done there: files come in as they are sent, folders are made.
 * What is done to one of them is in one-file.tsx.
 */
import { Hono } from 'hono'
import type { Language, Visit } from '../../server/doors/visit.ts'
import type { Entry } from '../../server/files/files.ts'
import { Refusal, refusalOf } from '../../server/ground/refusal.ts'
import type { Quota } from '../../server/people/quota.ts'
import type { Content } from '../document.tsx'
import { Button, Field, Form, Hidden, Links } from '../forms.tsx'
import { show } from '../frame.tsx'
import type { KeyWindows } from '../key/windows.tsx'
import { oneLine, shortDate, sizeOf } from '../text.ts'
import {
  didOf,
  type PageContext,
  type PageEnv,
  sentenceOf,
  sessionOf,
  withParameter,
  wordsOf,
} from '../visit.ts'
import type { Words } from '../words.ts'
import { changeOne, type OneFileNeeds, sendContent, showOne } from './one-file.tsx'
import { aboutAt, inAddress, listAt, within } from './paths.ts'

type Needs = OneFileNeeds & { quota: Quota }

/** Rows of a page. */
const pageRows = 20
/** Names that are tried for a file whose own is taken. */
const namesTried = 50

export const filePages = (services: Omit<Needs, 'windows'>, windows: KeyWindows) => {
  const needs: Needs = { ...services, windows }
  return new Hono<PageEnv>()
    .get('/files', (c) =>
      c.req.query('of') ? showOne(c, needs, c.req.query('of') ?? '') : showFolder(c, needs),
    )
    .post('/files', (c) => change(c, needs))
    .get('/files/*', (c) => sendContent(c, needs))
}

// ---- a folder

/** What was refused there, and the name of a new folder that was typed. */
type Refused = { said: string; name?: string; status?: Parameters<typeof show>[3] }

const showFolder = async (
  c: PageContext,
  needs: Needs,
  folder = c.req.query('in') ?? '',
  refused?: Refused,
) => {
  const words = wordsOf(c)
  const visit = c.get('visit')
  const { id: userId } = sessionOf(c).user
  const after = c.req.query('after') ?? null
  const { entries, next } = await needs.files.list(userId, { in: folder, after, limit: pageRows })
  const space = await needs.quota.space(userId)
  const said = refused?.said ?? didOf(c)
  const content: Content = {
    title: folder === '' ? words.files.title : words.files.titleIn(oneLine(folder, 120)),
    status: said && <p>{said}</p>,
    current: 'more',
    body: () => (
      <>
        {folder !== '' && <Above words={words} folder={folder} />}
        {entries.length === 0 && <p>{words.files.none}</p>}
        <Rows language={visit.language} entries={entries} now={needs.clock()} />
        {next !== null && (
          <Links
            links={[
              <a href={withParameter(listAt(folder), `after=${inAddress(next)}`)}>{words.files.more}</a>,
            ]}
          />
        )}
        <p>{words.space(sizeOf(space.used), sizeOf(space.quota))}</p>
        <Adding words={words} visit={visit} folder={folder} name={refused?.name} />
        {folder === '' ? (
          <p>{words.files.what}</p>
        ) : (
          <p>
            <a href={aboutAt(folder)}>{words.files.aboutFolder}</a>
          </p>
        )}
      </>
    ),
  }
  return show(c, needs, content, refused?.status)
}

/** The folders that this one lies in. */
const Above = ({ words, folder }: { words: Words; folder: string }) => {
  const steps = folder.split('/')
  return (
    <Links
      links={[
        <a href="/files">{words.files.title}</a>,
        ...steps
          .slice(0, -1)
          .map((name, place) => (
            <a href={listAt(steps.slice(0, place + 1).join('/'))}>{oneLine(name, 40)}</a>
          )),
      ]}
    />
  )
}

const Rows = (props: { language: Language; entries: Entry[]; now: number }) => {
  const { language, entries, now } = props
  return (
    <ul>
      {entries.map(({ path, name, isFolder, size, modifiedAt }) => (
        <li>
          {isFolder ? (
            <a href={listAt(path)}>{oneLine(name, 100)}/</a>
          ) : (
            <>
              <a href={aboutAt(path)}>{oneLine(name, 100)}</a> {sizeOf(size)},{' '}
              {shortDate(language, modifiedAt, now)}
            </>
          )}
        </li>
      ))}
    </ul>
  )
}

const Adding = (props: { words: Words; visit: Visit; folder: string; name: string | undefined }) => {
  const { words, visit, folder, name } = props
  return (
    <>
      <Form visit={visit} action="/files" files>
        <Hidden name="in" value={folder} />
        {/* The file comes last: what stands behind it is not known before all of it has come. */}
        <p>
          <label>
            {words.files.file} <input type="file" name="file" multiple />
          </label>{' '}
          <Button>{words.files.upload}</Button>
        </p>
      </Form>
      <Form visit={visit} action="/files">
        <Hidden name="in" value={folder} />
        <Field label={words.newFolder} name="name" value={name ?? ''} />
        <Button a="folder">{words.create}</Button>
      </Form>
    </>
  )
}

// ---- what is done there

const change = async (c: PageContext, needs: Needs): Promise<Response> => {
  const { form } = c.get('visit')
  if (form.get('of')) return changeOne(c, needs, form.get('of'))
  const [folder, name] = [form.get('in'), form.get('name')]
  try {
    if (form.get('a') !== 'folder') return await upload(c, needs, folder)
    await needs.files.makeFolder(sessionOf(c).user.id, within(folder, name))
    return c.redirect(withParameter(listAt(folder), 'ok=made'), 303)
  } catch (error) {
    const refusal = refusalOf(error)
    if (!refusal) throw error
    const status = refusal.status === 401 ? 403 : refusal.status
    return showFolder(c, needs, folder, { said: sentenceOf(c, refusal), name, status })
  }
}

/** Stores file after file as they come; what is whole stays, whatever becomes of the next. */
const upload = async (c: PageContext, needs: Needs, folder: string): Promise<Response> => {
  const { form } = c.get('visit')
  const { user } = sessionOf(c)
  let count = 0
  for await (const { name, octets } of form.streamed) {
    // Who sends more than there is room for is told so before all of it has come.
    const expected = count === 0 ? Number(c.req.header('content-length') ?? 0) : 0
    const path = await freePath(needs, user.id, within(folder, name))
    await needs.files.put(user, path, octets, { expected })
    count += 1
  }
  if (count === 0) return showFolder(c, needs, folder, { said: wordsOf(c).files.chooseFirst })
  return c.redirect(withParameter(listAt(folder), `ok=uploaded.${count}`), 303)
}

/** A path that nothing lies under: what comes in takes no other's place, for nobody could be asked before it came. */
const freePath = async ({ files }: Needs, userId: number, wanted: string): Promise<string> => {
  const ending = /\.[^./]{1,10}$/.exec(wanted)?.[0] ?? ''
  const stem = wanted.slice(0, wanted.length - ending.length)
  for (let number = 2, path = wanted; number <= namesTried; path = `${stem} (${number++})${ending}`) {
    const isTaken = await files.entry(userId, path).catch(orAbsent)
    if (!isTaken) return path
  }
  throw new Refusal('file-exists', { values: { path: wanted } })
}

const orAbsent = (error: unknown): null => {
  if (refusalOf(error)?.code !== 'not-found') throw error
  return null
}
