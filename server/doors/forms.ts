/** Forms: whether one may do anything here, and what was typed into it. */
import { timingSafeEqual } from 'node:crypto'
import type { Context } from 'hono'
import {
  callLimits,
  drainedLimit,
  formParsedHereOctets,
  letterFormLimit,
  pastedKeysLimit,
} from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'
import { parseForm } from '../locked/form-bodies.ts'
import type { Session } from '../people/sessions.ts'
import type { Services } from '../services.ts'
import { connection, type DoorEnv } from './asker.ts'
import { isMultipart, streamForm } from './form-stream.ts'
import { arriving, staying } from './streams.ts'
import type { Form, Visit } from './visit.ts'

/** A letter with its files; pasted keys; a PKCS #12 file; every other form. */
const bodyLimits = {
  letter: letterFormLimit,
  keys: pastedKeysLimit,
  identity: callLimits.octets.identity,
  other: formParsedHereOctets,
}

export const fits = (given: string, expected: string) => {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return a.length === b.length && timingSafeEqual(a, b)
}

/** Text browsers send neither header field; what a browser does send must be ours. */
export const refuseForeignOrigin = (c: Context<DoorEnv>, services: Services, publicOrigin: string) => {
  const { host, secure } = connection(c, services)
  const origin = c.req.header('origin')
  const site = c.req.header('sec-fetch-site')
  const own = [publicOrigin, `${secure.https ? 'https' : 'http'}://${host}`]
  if (
    (origin !== undefined && !own.includes(origin)) ||
    (site !== undefined && site !== 'same-origin' && site !== 'none')
  )
    throw new Refusal('form-foreign')
}

const noFiles: Form['streamed'] = {
  async *[Symbol.asyncIterator]() {},
}

export const emptyForm: Form = {
  trouble: null,
  limit: 0,
  get: () => '',
  all: () => [],
  files: () => [],
  streamed: noFiles,
}
export const only = (form: Form, kept: string[]): Form => ({
  ...emptyForm,
  get: (name) => (kept.includes(name) ? form.get(name) : ''),
})

/** Only who is logged in, or was until just now, may send much. */
export const bodyLimitFor = (path: string, visit: Visit, user: number | null): number => {
  if (path === '/c' && user !== null) return bodyLimits.letter
  if (path === '/smime' && visit.session) return bodyLimits.identity
  return path === '/k' && visit.session ? bodyLimits.keys : bodyLimits.other
}

/**
 * The body of a form, of at most so many octets; a large one is parsed in a child process. A letter that is larger
 * keeps what came before the limit, which is what was typed: its files come last, and are left out.
 */
export const readForm = async (
  c: Context<DoorEnv>,
  { bodies, pool }: Pick<Services, 'bodies' | 'pool'>,
  { limit, user }: { limit: number; user: number | null },
): Promise<Form> => {
  const cutUpTo = c.req.path === '/c' ? drainedLimit : limit
  const { blocks, size } = await bodies.read(c.env.incoming, { limit, reason: 'form-large', user, cutUpTo })
  const isCut = size > limit
  const form = { contentType: c.req.header('content-type') ?? '', blocks, isCut }
  const sent = () => void blocks.splice(0)
  const { texts, files } =
    size <= formParsedHereOctets
      ? await parseForm(form)
      : await pool.run('reading', 'parseForm', form, { user, sent })
  return {
    trouble: isCut ? 'too-large' : null,
    limit,
    ...typedIn(texts),
    files: (name) => files.filter(({ field }) => field === name),
    streamed: noFiles,
  }
}

const typedIn = (texts: { field: string; text: string }[]) => ({
  get: (name: string) => texts.find(({ field }) => field === name)?.text ?? '',
  all: (name: string) => texts.filter(({ field }) => field === name).map(({ text }) => text),
})

/** Whether the form of this request brings files into the box, of any size: they are not held here. */
export const isStreamed = (c: Context<DoorEnv>): boolean =>
  c.req.path === '/files' && isMultipart(c.req.header('content-type'))

/** Such a form, as far as its first file. @throws Refusal as {@link streamForm} */
export const readStreamedForm = async (
  c: Context<DoorEnv>,
  { sessions }: Pick<Services, 'sessions'>,
  session: Session,
): Promise<Form> => {
  const { texts, files } = await streamForm(c.env.incoming)
  const stay = staying(sessions, session)
  const streamed = {
    async *[Symbol.asyncIterator]() {
      for await (const file of files) yield { ...file, octets: arriving(file.octets, stay) }
    },
  }
  return { ...emptyForm, ...typedIn(texts), streamed }
}
