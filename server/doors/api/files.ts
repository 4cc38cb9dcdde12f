/** The box of files: lists, octets in both directions as they stream, and what is saved from mail. */
import type { HttpBindings } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import type { FilePage, Stored } from '../../contract/answers.ts'
import type { Entry, Files } from '../../files/files.ts'
import { fileLimits, tinyChunks } from '../../ground/limits.ts'
import { Refusal } from '../../ground/refusal.ts'
import type { Session, Sessions } from '../../people/sessions.ts'
import { leaving, staying } from '../streams.ts'
import { type Border, type LoggedIn, limitOf, time } from './call.ts'

export type FileNeeds = { files: Files; sessions: Sessions }

export const fileCalls = (needs: FileNeeds, border: Border) => {
  const to = border.handing(needs)
  return new Hono()
    .get('/files', to(listFiles))
    .post('/files', to(saveOrMove))
    .put('/files/*', to(putFile))
    .patch('/files/*', to(appendToFile))
    .get('/files/*', to(giveFile))
    .delete('/files/*', to(removeFile))
}

const listFiles = async ({ files }: FileNeeds, { c, userId }: LoggedIn) => {
  const [folder, at] = [c.req.query('in'), c.req.query('at')]
  if (at !== undefined) {
    const entry = await files.entry(userId, at)
    return c.json({ files: [listed(entry, entry.path)], next: null } satisfies FilePage)
  }
  const { entries, next } = await files.list(userId, {
    in: folder,
    after: c.req.query('before') ?? null,
    limit: limitOf(c, fileLimits.listed, fileLimits.listedAtMost),
  })
  const named = entries.map((entry) => listed(entry, folder === undefined ? entry.path : entry.name))
  return c.json({ files: named, next } satisfies FilePage)
}

const listed = ({ type, size, modifiedAt }: Entry, name: string) => ({
  name,
  type,
  size,
  modified_at: time(modifiedAt),
})

const saveOrMove = async ({ files }: FileNeeds, { c, session, userId, keyToken, body }: LoggedIn) => {
  const { from, name, folder, move, to, replace } = await body('file')
  const asked = [from && name !== undefined, folder !== undefined, move !== undefined && to !== undefined]
  if (asked.filter(Boolean).length !== 1) throw new Refusal('save-what')
  if (folder !== undefined) {
    await files.makeFolder(userId, folder)
    return c.json(storedAs(await files.entry(userId, folder)), 201)
  }
  if (from) return c.json(storedAs(await files.save(session, keyToken, from, name!)), 201)
  await files.move(userId, move!, to!, { replaces: replace })
  return c.json(storedAs(await files.entry(userId, to!)))
}

const storedAs = ({ path, size }: Pick<Entry, 'path' | 'size'>) => ({ name: path, size }) satisfies Stored

const putFile = async (needs: FileNeeds, { c, session }: LoggedIn) => {
  const path = pathOf(c)
  const expected = Number(c.req.header('content-length') ?? 0)
  const { isNew, size } = await reading(c, () =>
    needs.files.put(session.user, path, arriving(needs, c, session), { expected }),
  )
  return c.json(storedAs({ path, size }), isNew ? 201 : 200)
}

const appendToFile = async (needs: FileNeeds, { c, session }: LoggedIn) => {
  const path = pathOf(c)
  const offset = c.req.query('offset') ?? ''
  if (!/^\d{1,15}$/.test(offset)) throw new Refusal('offset-no-number')
  const { size } = await reading(c, () =>
    needs.files.append(session.user, path, Number(offset), arriving(needs, c, session)),
  )
  return c.json(storedAs({ path, size }))
}

const giveFile = async (needs: FileNeeds, { c, session, userId, keyToken }: LoggedIn) => {
  const entry = await needs.files.entry(userId, pathOf(c))
  if (entry.isFolder) throw new Refusal('no-file')
  const tag = `"${entry.body}-${entry.size}"`
  const asked = [undefined, tag].includes(c.req.header('if-range')) ? c.req.header('range') : undefined
  const range = rangeOf(asked, entry.size)
  const { from, to } = range ?? { from: 0, to: entry.size }
  // Never a type that a browser would run or show as a page of ours.
  const headers = {
    'Content-Type': 'application/octet-stream',
    'Content-Disposition': `attachment; filename*=UTF-8''${encodeURIComponent(entry.name)}`,
    'Content-Length': String(to - from),
    'Accept-Ranges': 'bytes',
    'Last-Modified': new Date(entry.modifiedAt).toUTCString(),
    ETag: tag,
    ...(range && { 'Content-Range': `bytes ${from}-${to - 1}/${entry.size}` }),
  }
  if (c.req.method === 'HEAD') return c.body(null, range ? 206 : 200, headers)
  const pieces = needs.files.read(session, keyToken, entry, { from, to })
  const body = await leaving(pieces, {
    stay: staying(needs.sessions, session),
    cutOff: () => (c.env as HttpBindings).outgoing.destroy(),
  })
  return c.body(body, range ? 206 : 200, headers)
}

const removeFile = async ({ files }: FileNeeds, { c, userId }: LoggedIn) => {
  await files.remove(userId, pathOf(c), { all: c.req.query('all') === '1' })
  return c.body(null, 204)
}

// ---- octets on their way

/** What was not read of a body when it is refused is let go by, so that the answer can be read. */
const reading = async <T>(c: Context, work: () => Promise<T>): Promise<T> => {
  try {
    return await work()
  } catch (error) {
    ;(c.env as HttpBindings).incoming.resume()
    throw error
  }
}

/** The chunks of a body. @throws Refusal `bad-request` for a body in pieces of a few octets; Error when it broke off */
async function* arriving(needs: FileNeeds, c: Context, session: Session) {
  const { incoming } = c.env as HttpBindings
  const stay = staying(needs.sessions, session)
  let [chunks, size] = [0, 0]
  for await (const chunk of incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    chunks += 1
    size += chunk.length
    if (chunks > tinyChunks.count && size < chunks * tinyChunks.octets) throw new Refusal('body-in-bits')
    await stay()
    yield chunk
  }
  if (!incoming.complete) throw new Refusal('request-cut-off')
}

// ---- what stands in the address and the header

const pathOf = (c: Context): string => {
  try {
    return decodeURIComponent(c.req.path.slice('/api/files/'.length))
  } catch (cause) {
    throw new Refusal('file-name', { cause })
  }
}

/**
 * The one range that is asked for (RFC 9110 §14.1.2); null where there is none, or several, which may be answered whole.
 *
 * @returns from which octet to before which. @throws Refusal `bad-range`
 */
const rangeOf = (header: string | undefined, size: number): { from: number; to: number } | null => {
  const [, first, last] = header?.match(/^bytes=(\d{0,15})-(\d{0,15})$/) ?? []
  if (first === undefined || last === undefined || first + last === '') return null
  const from = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const to = first === '' || last === '' ? size : Math.min(size, Number(last) + 1)
  if (first !== '' && last !== '' && Number(last) < from) return null
  if (from >= size) throw new Refusal('file-range', { values: { size }, detail: { size } })
  return { from, to }
}
