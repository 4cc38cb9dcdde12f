/** The words by which the user is found, beside their address. */
import { Hono } from 'hono'
import type { Aliases as AliasList } from '../../contract/answers.ts'
import type { Alias, Aliases } from '../../people/aliases.ts'
import { type Border, type LoggedIn, time } from './call.ts'

export type AliasNeeds = { aliases: Aliases }

export const aliasCalls = (needs: AliasNeeds, border: Border) => {
  const to = border.handing(needs)
  return new Hono()
    .get('/aliases', to(list))
    .post('/aliases', to(add))
    .patch('/aliases/:id', to(publish))
    .delete('/aliases/:id', to(remove))
}

const list = async ({ aliases }: AliasNeeds, { c, userId }: LoggedIn) =>
  c.json({ aliases: (await aliases.list(userId)).map(told) } satisfies AliasList)

const add = async ({ aliases }: AliasNeeds, { c, session, body }: LoggedIn) => {
  const { alias, published } = await body('alias')
  return c.json(told(await aliases.add(session.user, alias, published, session)), 201)
}

const publish = async ({ aliases }: AliasNeeds, { c, session, body }: LoggedIn) => {
  const { published } = await body('aliasChange')
  return c.json(told(await aliases.publish(session.user, c.req.param('id') ?? '', published, session)))
}

const remove = async ({ aliases }: AliasNeeds, { c, session }: LoggedIn) => {
  await aliases.remove(session.user, c.req.param('id') ?? '', session)
  return c.body(null, 204)
}

const told = ({ id, word, published, addedAt }: Alias) => ({
  id,
  alias: word,
  published,
  added_at: time(addedAt),
})
