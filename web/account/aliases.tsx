/** Aliases (P86): the words, beside the address, by which the user is found. */
import { Hono } from 'hono'
import type { Visit } from '../../server/doors/visit.ts'
import { refusalOf } from '../../server/ground/refusal.ts'
import type { Alias, Aliases } from '../../server/people/aliases.ts'
import { Button, Field, Form, Hidden } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { oneLine } from '../text.ts'
import { didOf, type PageContext, type PageEnv, sentenceOf, sessionOf, wordsOf } from '../visit.ts'
import type { Words } from '../words.ts'

type Needs = FrameNeeds & { aliases: Aliases }

export const aliasPages = (needs: Needs) =>
  new Hono<PageEnv>()
    .get('/aliases', (c) => showAliases(c, needs, { status: didOf(c) }))
    .post('/aliases', (c) => change(c, needs))

const showAliases = async (
  c: PageContext,
  needs: Needs,
  { status, typed }: { status?: string | undefined; typed?: string },
): Promise<Response> => {
  const words = wordsOf(c)
  const visit = c.get('visit')
  const { user } = sessionOf(c)
  const own = await needs.aliases.list(user.id)
  const domain = user.address.slice(user.address.lastIndexOf('@'))
  return show(c, needs, {
    title: words.aliases,
    current: 'more',
    status: status && <p>{status}</p>,
    body: () => (
      <>
        <p>{words.aliasesWhat(domain)}</p>
        {own.length > 0 && (
          <ul>
            {own.map((alias) => (
              <OwnAlias visit={visit} words={words} alias={alias} />
            ))}
          </ul>
        )}
        <Form visit={visit} action="/aliases">
          <Field label={words.alias} name="alias" value={typed} complete="off" />
          <p>
            <Button a="add">{words.aliasAdd}</Button>
          </p>
        </Form>
      </>
    ),
  })
}

const OwnAlias = ({ visit, words, alias }: { visit: Visit; words: Words; alias: Alias }) => (
  <li>
    <Form visit={visit} action="/aliases">
      <Hidden name="id" value={alias.id} />
      <b>{oneLine(alias.word)}</b>
      {words.comma}
      {alias.published ? words.aliasPublished : words.aliasHidden}{' '}
      {alias.published ? (
        <Button a="hide">{words.aliasHide}</Button>
      ) : (
        <Button a="publish">{words.aliasPublish}</Button>
      )}{' '}
      <Button a="remove">{words.remove}</Button>
    </Form>
  </li>
)

const change = async (c: PageContext, needs: Needs): Promise<Response> => {
  const session = sessionOf(c)
  const { form } = c.get('visit')
  const [id, typed] = [form.get('id'), form.get('alias')]
  const { aliases } = needs
  const done = (ok: string) => c.redirect(`/aliases?ok=${ok}`, 303)
  try {
    switch (form.get('a')) {
      case 'publish':
        await aliases.publish(session.user, id, true, session)
        return done('alias-published')
      case 'hide':
        await aliases.publish(session.user, id, false, session)
        return done('alias-hidden')
      case 'remove':
        await aliases.remove(session.user, id, session)
        return done('alias-removed')
      default:
        if (typed.trim() === '') return showAliases(c, needs, { status: wordsOf(c).nothingTyped })
        await aliases.add(session.user, typed, false, session)
        return done('alias-added')
    }
  } catch (error) {
    const refusal = refusalOf(error)
    if (!refusal) throw error
    return showAliases(c, needs, { status: sentenceOf(c, refusal), typed })
  }
}
