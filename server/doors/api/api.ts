/**
 * The JSON API: the calls of the contract (server/contract/), each a thin way from a request to a service, in parts by
 * what they are about. What comes in is parsed at this border; a refusal becomes an RFC 9457 problem document.
 */
import { type Context, Hono } from 'hono'
import type { Logger } from 'pino'
import { type ProblemDocument, problemType } from '../../contract/problems.ts'
import { Refusal, refusalOf } from '../../ground/refusal.ts'
import { type AliasNeeds, aliasCalls } from './aliases.ts'
import { type Asker, type BorderNeeds, border, holderOf } from './call.ts'
import { type FileNeeds, fileCalls } from './files.ts'
import { type IdentityNeeds, identityCalls } from './identities.ts'
import { type KeyNeeds, keyCalls } from './key.ts'
import { type LetterNeeds, letterCalls } from './letters.ts'
import { type MailNeeds, mailCalls } from './mail.ts'
import { type PeopleNeeds, peopleCalls } from './people.ts'
import { type SessionNeeds, sessionCalls } from './session.ts'
import { type SshKeyNeeds, sshKeyCalls } from './ssh-keys.ts'
import { inXml, problemXml, xmlWanted } from './xml.ts'
import { problemSchema, valueSchema } from './xml-schemas.ts'

type Needs = BorderNeeds &
  SessionNeeds &
  MailNeeds &
  LetterNeeds &
  FileNeeds &
  KeyNeeds &
  IdentityNeeds &
  SshKeyNeeds &
  AliasNeeds &
  PeopleNeeds & {
    log: Logger
  }

export const api = (needs: Needs, ask: (c: Context) => Promise<Asker>) => {
  const at = border(needs, ask)
  return new Hono()
    .use(inXml)
    .get('/schema.xsd', (c) => c.body(valueSchema, 200, { 'Content-Type': 'application/xml' }))
    .get('/problem.xsd', (c) => c.body(problemSchema, 200, { 'Content-Type': 'application/xml' }))
    .route('/', sessionCalls(needs, at))
    .route('/', mailCalls(needs, at))
    .route('/', letterCalls(needs, at))
    .route('/', fileCalls(needs, at))
    .route('/', keyCalls(needs, at))
    .route('/', identityCalls(needs, at))
    .route('/', sshKeyCalls(needs, at))
    .route('/', aliasCalls(needs, at))
    .route('/', peopleCalls(needs, at))
    .all('*', (c) => problem(c, new Refusal('no-call')))
    .onError((error, c) => {
      const refusal = refusalOf(error)
      if (refusal) return problem(c, refusal)
      const { name, message, stack } = error
      needs.log.error({ err: { name, message, stack }, path: c.req.routePath }, 'unexpected error')
      return problem(c, new Refusal('went-wrong'))
    })
}

const problem = (c: Context, refusal: Refusal): Response => {
  const { by, retry_after_s, ...rest } = refusal.detail
  const isXml = xmlWanted(c.req.header('accept')) !== null
  const headers: Record<string, string> = {
    'Content-Type': `application/problem+${isXml ? 'xml' : 'json'}`,
    Vary: 'Accept',
  }
  if (retry_after_s) headers['Retry-After'] = String(retry_after_s)
  const document = {
    type: problemType(refusal.code),
    title: refusal.message,
    status: refusal.status,
    ...rest,
    ...(by && { by: holderOf(by) }),
  } satisfies ProblemDocument
  const written = isXml ? problemXml(document) : JSON.stringify(document)
  return new Response(written, { status: refusal.status, headers })
}
