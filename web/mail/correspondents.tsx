/**
 * Keys: the user's own, and those of others that the user has accepted. A key counts only after its fingerprint was
 * shown and accepted here.
 */
import { Hono } from 'hono'
import type { Language, Visit } from '../../server/doors/visit.ts'
import { refusalOf } from '../../server/ground/refusal.ts'
import type { Keyrings, OwnKey } from '../../server/keys/keyrings.ts'
import type { Correspondent, Correspondents, OfferedKey } from '../../server/mail/correspondents.ts'
import type { Reading } from '../../server/mail/reading.ts'
import type { ParkedForms } from '../../server/people/parked-forms.ts'
import type { User } from '../../server/people/users.ts'
import { Button, Form, Hidden } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { type KeyWindows, type Wanted, wantedPath } from '../key/windows.tsx'
import { grouped, moment, oneLine } from '../text.ts'
import { didOf, idOf, type PageContext, type PageEnv, sentenceOf, sessionOf, wordsOf } from '../visit.ts'
import type { Words } from '../words.ts'
import { mayBeKey } from './message.tsx'

type Needs = FrameNeeds & {
  correspondents: Correspondents
  keyrings: Keyrings
  parkedForms: ParkedForms
  reading: Reading
}

const shownLimit = 10

/** A key that was found, and the ticket of the form that holds it until it is accepted. */
type Offer = { key: OfferedKey; park: string }
type OfferShown = Offer & { conflicts: Awaited<ReturnType<Correspondents['conflicts']>> }

export const correspondentPages = (needs: Needs, windows: KeyWindows) =>
  new Hono<PageEnv>()
    .get('/k', (c) => showKeys(c, needs, didOf(c)))
    .post('/k', (c) => changeKeys(c, needs))
    .get('/k/:file{[0-9a-f]+\\.asc}', async (c, next) => (await publicKey(c, needs)) ?? next())
    .get('/m/:id{\\d+}/keys', (c) => keysInMail(c, needs, windows))

const changeKeys = async (c: PageContext, needs: Needs) => {
  const { user } = sessionOf(c)
  const { form } = c.get('visit')
  try {
    switch (form.get('a')) {
      case 'look': {
        const { offers, revoked } = await lookFor(user, Buffer.from(form.get('key')), needs)
        const said = sayRevoked(c, revoked)
        return offers.length ? await showOffers(c, needs, offers, said) : await showKeys(c, needs, said)
      }
      case 'remove':
        await needs.correspondents.remove(user.id, form.get('f'))
        return c.redirect('/k?ok=removed', 303)
      default:
        return await accept(c, needs)
    }
  } catch (error) {
    const refusal = refusalOf(error)
    if (!refusal) throw error
    return showKeys(c, needs, sentenceOf(c, refusal))
  }
}

const accept = async (c: PageContext, needs: Needs) => {
  const { correspondents, parkedForms } = needs
  const { user } = sessionOf(c)
  const { form } = c.get('visit')
  const parked = (await parkedForms.open(user.id, form.get('park'))) as { key?: string } | null
  const offered = parked?.key ? await correspondents.offered(user.id, Buffer.from(parked.key, 'base64')) : []
  const key = offered.find(({ fingerprint }) => fingerprint === form.get('f'))
  if (!key) return showKeys(c, needs, wordsOf(c).lostForm)
  await correspondents.accept(user.id, key)
  return c.redirect('/k?ok=accepted', 303)
}

/** The user's own public key, as a file; null if there is none of that name. */
const publicKey = async (c: PageContext, { keyrings }: Needs) => {
  const own = await keyrings.list(sessionOf(c).user.id)
  const key = own.find(({ fingerprint }) => c.req.param('file') === `${fingerprint}.asc`)
  if (!key) return null
  return c.body(key.armored, 200, {
    'Content-Type': 'application/pgp-keys',
    'Content-Disposition': `attachment; filename="${key.fingerprint}.asc"`,
  })
}

const keysInMail = async (c: PageContext, needs: Needs, windows: KeyWindows) => {
  try {
    const { offers, revoked } = await lookInMail(c, needs)
    const nothing = offers.length || revoked.length ? undefined : wordsOf(c).nothingFound
    return await showOffers(c, needs, offers, sayRevoked(c, revoked) ?? nothing)
  } catch (error) {
    const refusal = refusalOf(error)
    const wanted: Wanted = {
      next: wantedPath(c),
      back: `/m/${idOf(c.req.param('id'))}`,
      park: '',
      verb: 'decrypt',
      reason: wordsOf(c).useToOpen,
    }
    const window = refusal && windows.forRefusal(c, refusal, wanted)
    if (!window) throw error
    return window
  }
}

/** What was found, and the keys that were found revoked by it, which is noted already. */
type Found = { offers: Offer[]; revoked: string[] }

const lookFor = async (
  user: User,
  octets: Uint8Array,
  { correspondents, parkedForms }: Needs,
): Promise<Found> => {
  const { keys, revoked } = await correspondents.look(user, octets)
  if (keys.length === 0) return { offers: [], revoked }
  const park = await parkedForms.park(user.id, { key: Buffer.from(octets).toString('base64') })
  return { offers: keys.map((key) => ({ key, park })), revoked }
}

/** Looks into each file of the mail that a key may lie in. */
const lookInMail = async (c: PageContext, needs: Needs): Promise<Found> => {
  const { reading } = needs
  const session = sessionOf(c)
  const { keyToken } = c.get('visit')
  const id = idOf(c.req.param('id'))
  const { mail } = c.req.query('o')
    ? await reading.open(session, keyToken, id)
    : await reading.read(session, id)
  const all: Found = { offers: [], revoked: [] }
  for (const part of mail.attachments.filter(mayBeKey).slice(0, shownLimit)) {
    const { octets } = await reading.attachment(session, keyToken, id, part.id)
    try {
      const found = await lookFor(session.user, octets, needs)
      all.offers.push(...found.offers)
      all.revoked.push(...found.revoked)
    } catch (error) {
      if (refusalOf(error)?.code !== 'bad-key') throw error
    }
  }
  return all
}

const sayRevoked = (c: PageContext, revoked: string[]) =>
  revoked.length ? wordsOf(c).isRevokedNow(revoked.map(grouped).join(', ')) : undefined

const showKeys = async (c: PageContext, needs: Needs, status?: string) => {
  const { user } = sessionOf(c)
  const visit = c.get('visit')
  const words = wordsOf(c)
  const own = await needs.keyrings.list(user.id)
  // It may hold S/MIME certificates alone.
  const hasKeyring = own.length > 0 || (await needs.keyrings.exists(user.id))
  const accepted = await needs.correspondents.list(user.id)
  return show(c, needs, {
    title: words.keys,
    current: 'more',
    status: status && <p>{status}</p>,
    body: () => (
      <>
        <OwnKeys words={words} language={visit.language} keys={own} hasKeyring={hasKeyring} />
        <p>
          <a href="/aliases">{words.aliases}</a> | <a href="/smime">{words.smime.title}</a>
        </p>
        <AcceptedKeys words={words} visit={visit} accepted={accepted} />
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

const OwnKeys = (props: { words: Words; language: Language; keys: OwnKey[]; hasKeyring: boolean }) => {
  const { words, language, keys, hasKeyring } = props
  return (
    <>
      <p>
        <b>{words.ownKey}</b>
      </p>
      {!hasKeyring && <p>{words.noKey}</p>}
      <ul>
        {keys.map((key) => (
          <li>
            {grouped(key.fingerprint)}, {key.algorithm}
            {expiryIn(words, language, key)}
            {words.ownKeyState(key.now)}{' '}
            <a href={`/k/${key.fingerprint}.asc`} download>
              {words.publicKey}
            </a>
          </li>
        ))}
      </ul>
      {hasKeyring && (
        <ul>
          <li>
            <a href="/p">{words.passkeys}</a>
          </li>
          <li>
            <a href="/s">{words.passphraseTitle}</a>
          </li>
        </ul>
      )}
    </>
  )
}

const AcceptedKeys = (props: { words: Words; visit: Visit; accepted: Correspondent[] }) => {
  const { words, visit, accepted } = props
  return (
    <>
      <p>
        <b>{words.correspondents}</b>
      </p>
      {accepted.length === 0 && <p>{words.noneAccepted}</p>}
      <ul>
        {accepted.map(({ kind, fingerprint, addresses, obstacle, uses: { revoked } }) => (
          <li>
            <Form visit={visit} action="/k">
              {oneLine(addresses.join(', '), 120)} {kind === 'smime' && `${words.smime.title} `}
              {grouped(fingerprint)}{' '}
              {revoked && (
                <b>{words.revoked(moment(visit.language, revoked.at), { isHard: revoked.hard })} </b>
              )}
              {!revoked && obstacle && `${words.noEncryption(obstacle)} `}
              <Hidden name="f" value={fingerprint} />
              <Button a="remove">{words.remove}</Button>
            </Form>
          </li>
        ))}
      </ul>
    </>
  )
}

/** Shows what was found, each with its fingerprint and its own button. */
const showOffers = async (c: PageContext, needs: Needs, found: Offer[], status?: string) => {
  const visit = c.get('visit')
  const words = wordsOf(c)
  const { user } = sessionOf(c)
  const offers: OfferShown[] = await Promise.all(
    found.slice(0, shownLimit).map(async (each) => ({
      ...each,
      conflicts: await needs.correspondents.conflicts(user.id, each.key),
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
          {offers.map((offer) => (
            <li>
              <OfferForm words={words} visit={visit} offer={offer} />
            </li>
          ))}
        </ul>
      </>
    ),
  })
}

const OfferForm = ({ words, visit, offer }: { words: Words; visit: Visit; offer: OfferShown }) => {
  const { key, park, conflicts } = offer
  return (
    <Form visit={visit} action="/k">
      <Hidden name="park" value={park} />
      <Hidden name="f" value={key.fingerprint} />
      {oneLine(key.userIds[0] ?? '', 120)}
      <br />
      {key.issuer !== null && (
        <>
          {words.issuedBy}: {oneLine(key.issuer, 120)}
          <br />
        </>
      )}
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
          {conflict.with === 'user' ? words.isOwnUser(conflict.address) : words.hasOther(conflict.address)}
        </>
      ))}
      <br />
      {words.fingerprint}: {grouped(key.fingerprint)}
      <br />
      {key.algorithm}, {moment(visit.language, key.createdAt)}
      {expiryIn(words, visit.language, key)} {!key.canEncrypt && words.cannotEncrypt}{' '}
      {key.kind === 'smime' && (
        <>
          <br />
          {words.notLookedUp}{' '}
        </>
      )}
      <Button a="accept">{words.accept}</Button>
    </Form>
  )
}

/** When the key ends, as it goes on in a sentence about it. */
const expiryIn = (words: Words, language: Language, { expiresAt }: { expiresAt: number | null }) =>
  expiresAt !== null && `, ${words.expires} ${moment(language, expiresAt)}`
