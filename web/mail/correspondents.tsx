/**
 * Keys: the user's own, and those of others that the user has accepted. A key counts only after its fingerprint was
 * shown and accepted here.
 */
import { Hono } from 'hono'
import { refusalOf } from '../../server/ground/refusal.ts'
import type { Keyrings } from '../../server/keys/keyrings.ts'
import type { Correspondents, OfferedKey } from '../../server/mail/correspondents.ts'
import type { Reading } from '../../server/mail/reading.ts'
import type { ParkedForms } from '../../server/people/parked-forms.ts'
import type { User } from '../../server/people/users.ts'
import { Button, Form, Hidden } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { type KeyWindows, wantedPath } from '../key/windows.tsx'
import { grouped, moment, oneLine } from '../text.ts'
import { didOf, idOf, type PageContext, type PageEnv, sentenceOf, sessionOf, wordsOf } from '../visit.ts'
import { mayBeKey } from './message.tsx'

type Needs = FrameNeeds & {
  correspondents: Correspondents
  keyrings: Keyrings
  parkedForms: ParkedForms
  reading: Reading
}

const shownLimit = 10

export const correspondentPages = (needs: Needs, windows: KeyWindows) => {
  const { correspondents, keyrings, reading, parkedForms } = needs

  const keys = async (c: PageContext, status?: string) => {
    const { user } = sessionOf(c)
    const visit = c.get('visit')
    const words = wordsOf(c)
    const own = await keyrings.list(user.id)
    const accepted = await correspondents.list(user.id)
    return show(c, needs, {
      title: words.keys,
      current: 'more',
      status: status && <p>{status}</p>,
      body: () => (
        <>
          <p>
            <b>{words.ownKey}</b>
          </p>
          {own.length === 0 && <p>{words.noKey}</p>}
          <ul>
            {own.map((key) => (
              <li>
                {grouped(key.fingerprint)}, {key.algorithm}
                {key.expiresAt !== null && `, ${words.expires} ${moment(visit.language, key.expiresAt)}`}
                {words.ownKeyState(key.now)}{' '}
                <a href={`/k/${key.fingerprint}.asc`} download>
                  {words.publicKey}
                </a>
              </li>
            ))}
          </ul>
          {own.length > 0 && (
            <ul>
              <li>
                <a href="/p">{words.passkeys}</a>
              </li>
              <li>
                <a href="/s">{words.passphraseTitle}</a>
              </li>
            </ul>
          )}
          <p>
            <b>{words.correspondents}</b>
          </p>
          {accepted.length === 0 && <p>{words.noneAccepted}</p>}
          <ul>
            {accepted.map(({ fingerprint, addresses, obstacle, uses }) => (
              <li>
                <Form visit={visit} action="/k">
                  {oneLine(addresses.join(', '), 120)} {grouped(fingerprint)}{' '}
                  {uses.revoked && (
                    <b>{words.revoked(moment(visit.language, uses.revoked.at), uses.revoked.hard)} </b>
                  )}
                  {!uses.revoked && obstacle && `${words.noEncryption(obstacle)} `}
                  <Hidden name="f" value={fingerprint} />
                  <Button a="remove">{words.remove}</Button>
                </Form>
              </li>
            ))}
          </ul>
          <Form visit={visit} action="/k">
            <p>
              <label>
                {words.paste}
                <br />
                <textarea name="key" rows={4} />
              </label>
            </p>
            <Button a="look">{words.look}</Button>
          </Form>
        </>
      ),
    })
  }

  /** Shows what was found, each with its fingerprint and its own button. */
  const offer = async (c: PageContext, found: { key: OfferedKey; park: string }[], status?: string) => {
    const visit = c.get('visit')
    const words = wordsOf(c)
    const { user } = sessionOf(c)
    const offers = await Promise.all(
      found.slice(0, shownLimit).map(async (each) => ({
        ...each,
        conflicts: await correspondents.conflicts(user.id, each.key),
      })),
    )
    return show(c, needs, {
      title: words.offered,
      current: 'more',
      status: status && <p>{status}</p>,
      body: () => (
        <>
          <p>{words.compare}</p>
          <ul>
            {offers.map(({ key, park, conflicts }) => (
              <li>
                <Form visit={visit} action="/k">
                  <Hidden name="park" value={park} />
                  <Hidden name="f" value={key.fingerprint} />
                  {oneLine(key.userIds[0] ?? '', 120)}
                  <br />
                  {key.addresses.length ? words.countsFor : words.countsForNone}
                  {/* a line for each: a long one must not push another out of sight */}
                  {key.addresses.map((address) => (
                    <>
                      <br />
                      <b>{address}</b>
                    </>
                  ))}
                  {conflicts.map((conflict) => (
                    <>
                      <br />
                      {conflict.with === 'user'
                        ? words.isOwnUser(conflict.address)
                        : words.hasOther(conflict.address)}
                    </>
                  ))}
                  <br />
                  {words.fingerprint}: {grouped(key.fingerprint)}
                  <br />
                  {key.algorithm}, {moment(visit.language, key.createdAt)}
                  {key.expiresAt !== null && `, ${words.expires} ${moment(visit.language, key.expiresAt)}`}{' '}
                  {!key.canEncrypt && words.cannotEncrypt} <Button a="accept">{words.accept}</Button>
                </Form>
              </li>
            ))}
          </ul>
        </>
      ),
    })
  }

  /** What was offered, and the keys that were found revoked by it, which is noted already. */
  const found = async (user: User, octets: Uint8Array) => {
    const { keys, revoked } = await correspondents.look(user, octets)
    if (keys.length === 0) return { offers: [], revoked }
    const park = await parkedForms.park(user.id, { key: Buffer.from(octets).toString('base64') })
    return { offers: keys.map((key) => ({ key, park })), revoked }
  }
  const sayRevoked = (c: PageContext, revoked: string[]) =>
    revoked.length ? wordsOf(c).isRevokedNow(revoked.map(grouped).join(', ')) : undefined

  return new Hono<PageEnv>()
    .get('/k', (c) => keys(c, didOf(c)))
    .post('/k', async (c) => {
      const { user } = sessionOf(c)
      const { form } = c.get('visit')
      const a = form.get('a')
      try {
        if (a === 'look') {
          const { offers, revoked } = await found(user, Buffer.from(form.get('key')))
          const said = sayRevoked(c, revoked)
          return offers.length ? await offer(c, offers, said) : await keys(c, said)
        }
        if (a === 'remove') {
          await correspondents.remove(user.id, form.get('f'))
          return c.redirect('/k?ok=removed', 303)
        }
        const parked = (await parkedForms.open(user.id, form.get('park'))) as { key?: string } | null
        const offered = parked?.key
          ? await correspondents.offered(sessionOf(c).user.id, Buffer.from(parked.key, 'base64'))
          : []
        const key = offered.find(({ fingerprint }) => fingerprint === form.get('f'))
        if (!key) return await keys(c, wordsOf(c).lostForm)
        await correspondents.accept(user.id, key)
        return c.redirect('/k?ok=accepted', 303)
      } catch (error) {
        const refusal = refusalOf(error)
        if (!refusal) throw error
        return keys(c, sentenceOf(c, refusal))
      }
    })
    .get('/k/:file{[0-9a-f]+\\.asc}', async (c, next) => {
      const own = await keyrings.list(sessionOf(c).user.id)
      const key = own.find(({ fingerprint }) => c.req.param('file') === `${fingerprint}.asc`)
      if (!key) return next()
      return c.body(key.armored, 200, {
        'Content-Type': 'application/pgp-keys',
        'Content-Disposition': `attachment; filename="${key.fingerprint}.asc"`,
      })
    })
    .get('/m/:id{\\d+}/keys', async (c) => {
      const session = sessionOf(c)
      const words = wordsOf(c)
      const { keyToken } = c.get('visit')
      const id = idOf(c.req.param('id'))
      try {
        const { mail } = c.req.query('o')
          ? await reading.open(session, keyToken, id)
          : await reading.read(session, id)
        const all: { key: OfferedKey; park: string }[] = []
        const gone: string[] = []
        for (const part of mail.attachments.filter(mayBeKey).slice(0, shownLimit)) {
          const { octets } = await reading.attachment(session, keyToken, id, part.id)
          try {
            const { offers, revoked } = await found(session.user, octets)
            all.push(...offers)
            gone.push(...revoked)
          } catch (error) {
            if (refusalOf(error)?.code !== 'bad-key') throw error
          }
        }
        const nothing = all.length || gone.length ? undefined : words.nothingFound
        return offer(c, all, sayRevoked(c, gone) ?? nothing)
      } catch (error) {
        const refusal = refusalOf(error)
        const wanted = {
          next: wantedPath(c),
          back: `/m/${id}`,
          park: '',
          verb: 'decrypt',
          reason: words.useToOpen,
        } as const
        const window = refusal && windows.forRefusal(c, refusal, wanted)
        if (!window) throw error
        return window
      }
    })
}
