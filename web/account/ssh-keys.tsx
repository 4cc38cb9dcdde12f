/** The public keys that log the user in by SSH, and by what the user knows this server there. */
import { Hono } from 'hono'
import type { Visit } from '../../server/doors/visit.ts'
import { refusalOf } from '../../server/ground/refusal.ts'
import type { SshKey, SshKeys } from '../../server/people/ssh-keys.ts'
import { Button, Field, Form, Hidden } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { oneLine, shortDate } from '../text.ts'
import { didOf, type PageContext, type PageEnv, sentenceOf, sessionOf, wordsOf } from '../visit.ts'
import type { Words } from '../words.ts'

/** What tells the server from others by SSH; null where nobody logs in so. */
export type HostKey = { fingerprint: string; port: number }
type Needs = FrameNeeds & { sshKeys: SshKeys; ssh: HostKey | null }

export const sshKeyPages = (needs: Needs) =>
  new Hono<PageEnv>()
    .get('/ssh', (c) => showKeys(c, needs, { status: didOf(c) }))
    .post('/ssh', (c) => change(c, needs))

const showKeys = async (
  c: PageContext,
  needs: Needs,
  { status, key }: { status?: string; key?: string },
): Promise<Response> => {
  const words = wordsOf(c)
  const visit = c.get('visit')
  const keys = await needs.sshKeys.list(sessionOf(c).user)
  const { ssh, clock } = needs
  const now = clock()
  return show(c, needs, {
    title: words.sshKeys,
    current: 'more',
    status: status && <p>{status}</p>,
    body: () => (
      <>
        <p>{words.sshKeysWhat}</p>
        {ssh ? <SshHost words={words} ssh={ssh} /> : <p>{words.sshOff}</p>}
        {keys.length > 0 && (
          <ul>
            {keys.map((each) => (
              <Key visit={visit} words={words} sshKey={each} now={now} />
            ))}
          </ul>
        )}
        <Form visit={visit} action="/ssh">
          <p>
            <label>
              {words.sshKeyLine} <textarea name="key">{key}</textarea>
            </label>
          </p>
          <Field label={words.sshKeyName} name="name" complete="off" />
          <p>
            <Button a="add">{words.sshKeyAdd}</Button>
          </p>
        </Form>
      </>
    ),
  })
}

/** By what a client asks at the first time whether this is the server that is meant. */
export const SshHost = ({ words, ssh }: { words: Words; ssh: HostKey }) => (
  <p>
    {words.sshHost(ssh.port)} {ssh.fingerprint}
  </p>
)

const Key = (props: { visit: Visit; words: Words; sshKey: SshKey; now: number }) => {
  const { visit, words, sshKey, now } = props
  const { id, name, fingerprint, addedAt, usedAt } = sshKey
  const day = (at: number) => shortDate(visit.language, at, now)
  return (
    <li>
      <Form visit={visit} action="/ssh">
        <Hidden name="id" value={id} />
        <b>{oneLine(name)}</b>
        {words.comma}
        {fingerprint}
        {words.comma}
        {usedAt === null ? words.sshKeyUnused(day(addedAt)) : words.sshKeyUsed(day(addedAt), day(usedAt))}{' '}
        <Button a="remove">{words.remove}</Button>
      </Form>
    </li>
  )
}

const change = async (c: PageContext, needs: Needs): Promise<Response> => {
  const session = sessionOf(c)
  const { form } = c.get('visit')
  try {
    if (form.get('a') === 'remove') {
      await needs.sshKeys.remove(session.user, form.get('id'), session)
      return c.redirect('/ssh?ok=ssh-key-removed', 303)
    }
    if (form.get('key').trim() === '') return showKeys(c, needs, { status: wordsOf(c).nothingTyped })
    await needs.sshKeys.add(session.user, form.get('key'), form.get('name'), session)
    return c.redirect('/ssh?ok=ssh-key-added', 303)
  } catch (error) {
    const refusal = refusalOf(error)
    if (!refusal) throw error
    // A secret key is not to lie in a page as well.
    const key = refusal.reason === 'ssh-key-secret' ? '' : form.get('key')
    return showKeys(c, needs, { status: sentenceOf(c, refusal), key })
  }
}
