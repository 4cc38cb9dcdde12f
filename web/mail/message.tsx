/**
 * One mail: as it came, opened with the key (S1320), or one encrypted part alone; its attachments, its source, the
 * keys in it. What we say about it stands outside the sender's space: above the head, in our words.
 */
import { Hono } from 'hono'
import type { Child } from 'hono/jsx'
import type { Language, Visit } from '../../server/doors/visit.ts'
import { refusalOf } from '../../server/ground/refusal.ts'
import type { Address } from '../../server/locked/reader/headers.ts'
import type { Part } from '../../server/locked/reader/rendering.ts'
import type { Signature } from '../../server/locked/reader/signatures.ts'
import type { Mailboxes } from '../../server/mail/mailboxes.ts'
import type { Reading, ReadMessage } from '../../server/mail/reading.ts'
import type { Session } from '../../server/people/sessions.ts'
import type { KeyHere } from '../document.tsx'
import { asAttachment, harmlessType, inert } from '../download.ts'
import { savePath } from '../files/save.tsx'
import { Button, Form, Links, Paragraphs } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { type KeyWindows, unseen, type Wanted, wantedPath } from '../key/windows.tsx'
import { dayOf, grouped, moment, oneLine, personIn, sizeOf, wholeAddress } from '../text.ts'
import { didOf, idOf, type PageContext, type PageEnv, sentenceOf, sessionOf, wordsOf } from '../visit.ts'
import type { Words } from '../words.ts'
import { placeOfFolder } from './folders.tsx'
import { pageOf, type TextPage } from './text-pages.ts'

type Needs = FrameNeeds & { mailboxes: Mailboxes; reading: Reading }

const namedLimit = 20

type View = ReadMessage & { status?: Child } & ({ as: 'came' | 'opened' } | { as: 'part'; part: string })

export const messagePages = (needs: Needs, windows: KeyWindows) =>
  new Hono<PageEnv>()
    .get('/m/:id{\\d+}', async (c) =>
      showMessage(c, needs, { ...(await needs.reading.read(sessionOf(c), messageIdOf(c))), as: 'came' }),
    )
    .post('/m/:id{\\d+}', (c) => actOnMessage(c, needs))
    .get('/m/:id{\\d+}/open', (c) => openMessage(c, needs, windows))
    .get('/m/:id{\\d+}/a/:part', (c) => sendAttachment(c, needs, windows))
    .get('/m/:id{\\d+}/raw', (c) => sendSource(c, needs))

const messageIdOf = (c: PageContext): number => idOf(c.req.param('id'))

const actOnMessage = async (c: PageContext, { mailboxes }: Needs) => {
  const { user } = sessionOf(c)
  const id = messageIdOf(c)
  const { folderId } = await mailboxes.message(user.id, id)
  const list = `/f/${folderId}`
  switch (c.get('visit').form.get('a')) {
    case 'delete': {
      const { deleted } = await mailboxes.remove(user.id, [id])
      return c.redirect(
        deleted ? `${list}?ok=deleted.1` : `${list}?ok=trashed.1&u=${id}&was=${folderId}`,
        303,
      )
    }
    case 'unread':
      await mailboxes.mark(user.id, [id], { seen: false })
      return c.redirect(`${list}?ok=unread.1`, 303)
    case 'flag':
      await mailboxes.mark(user.id, [id], { flagged: true })
      return c.redirect(`/m/${id}?ok=flag.1`, 303)
    case 'unflag':
      await mailboxes.mark(user.id, [id], { flagged: false })
      return c.redirect(`/m/${id}?ok=unflag.1`, 303)
    default:
      return c.redirect(`/m/${id}`, 303)
  }
}

/** Press Decrypt: the text, or the unlock window itself. */
const openMessage = async (c: PageContext, needs: Needs, windows: KeyWindows) => {
  const { mailboxes, reading } = needs
  const session = sessionOf(c)
  const id = messageIdOf(c)
  const part = c.req.query('part')
  const { security } = await mailboxes.message(session.user.id, id)
  if (security !== 'encrypted' && part === undefined) {
    const instead = await insteadOfOpening(session, id, reading)
    if (instead) return c.redirect(instead, 303)
  }
  try {
    const opened = await reading.open(session, c.get('visit').keyToken, id, part)
    return showMessage(c, needs, {
      ...opened,
      ...(part === undefined ? { as: 'opened' } : { as: 'part', part }),
    })
  } catch (error) {
    const { refusal, window } = await windowToOpen(c, needs, windows, error)
    if (window) return window
    if (refusal.code !== 'cannot-decrypt' && refusal.code !== 'not-encrypted') throw error
    const read = await reading.read(session, id)
    return showMessage(c, needs, { ...read, as: 'came', status: sentenceOf(c, refusal) })
  }
}

/** Where to go with a mail that has nothing at its root to open: no passphrase is asked for it. */
const insteadOfOpening = async (session: Session, id: number, reading: Reading): Promise<string | null> => {
  const { mail } = await reading.read(session, id)
  const [only, another] = mail.isolated
  if (another) return `/m/${id}?ok=parts`
  if (only) return `/m/${id}/open?part=${encodeURIComponent(only.id)}`
  // The row of a mail that came long ago may not know what it is.
  return mail.security === 'encrypted' ? null : `/m/${id}?ok=not-encrypted`
}

const sendAttachment = async (c: PageContext, needs: Needs, windows: KeyWindows) => {
  const { keyToken } = c.get('visit')
  const [part, within] = [c.req.param('part') ?? '', c.req.query('in')]
  try {
    const found = await needs.reading.attachment(sessionOf(c), keyToken, messageIdOf(c), part, within)
    return c.body(new Uint8Array(found.octets), 200, {
      'Content-Type': harmlessType(found.type),
      'Content-Disposition': asAttachment(found.name),
      ...inert,
    })
  } catch (error) {
    const { window } = await windowToOpen(c, needs, windows, error)
    if (!window) throw error
    return window
  }
}

const sendSource = async (c: PageContext, { mailboxes }: Needs) => {
  const octets = await mailboxes.octets(sessionOf(c).user.id, messageIdOf(c))
  return c.body(new Uint8Array(octets), 200, { 'Content-Type': 'text/plain', ...inert })
}

/** The screen for a use of the key that was refused. */
const windowToOpen = async (c: PageContext, { mailboxes }: Needs, windows: KeyWindows, error: unknown) => {
  const refusal = refusalOf(error)
  if (!refusal) throw error
  const id = messageIdOf(c)
  const message = await mailboxes.message(sessionOf(c).user.id, id)
  const wanted: Wanted = {
    next: wantedPath(c),
    back: `/m/${id}`,
    park: '',
    verb: 'decrypt',
    reason: wordsOf(c).useToOpen,
    about: message.subject,
  }
  return { refusal, window: windows.forRefusal(c, refusal, wanted) }
}

const showMessage = (c: PageContext, needs: Needs, view: View) => {
  const words = wordsOf(c)
  const visit = c.get('visit')
  const { message, folder, mail } = view
  const subject = view.as === 'came' ? message.subject : (mail.headers.subject ?? message.subject)
  const did = view.status ?? didOf(c)
  const text = pageOf(mail.text, idOf(c.req.query('p')))
  return show(c, needs, {
    title: oneLine(subject, 300) || words.noSubject,
    current: placeOfFolder(folder),
    status: did && <p>{did}</p>,
    body: ({ key }) => {
      const keyLinks = <KeyLinks words={words} view={view} keyHere={key} now={needs.clock()} />
      return (
        <>
          {view.as === 'came' && keyLinks}
          <Verdict words={words} language={visit.language} view={view} />
          <Head words={words} language={visit.language} view={view} user={sessionOf(c).user.address} />
          <Text words={words} view={view} shown={text} />
          <Attachments words={words} view={view} />
          {/* Of an opened mail the text comes first: on a small screen it is what is seen. */}
          {view.as !== 'came' && keyLinks}
          <EncryptedParts words={words} view={view} />
          {view.as === 'part' ? (
            <PartAnswers words={words} view={view} />
          ) : (
            <Verbs words={words} visit={visit} view={view} />
          )}
        </>
      )
    },
  })
}

type Said = { words: Words; view: View }

const KeyLinks = ({ words, view, keyHere, now }: Said & { keyHere: KeyHere; now: number }) => {
  const { isOpen, signs } = keyHere
  const path = `/m/${view.message.id}/open`
  return (
    <Links
      links={[
        <a href={isOpen ? unseen(path, now) : path} class={isOpen ? 'k' : undefined}>
          {words.decrypt}
          {isOpen && words.keyOpen}
        </a>,
        <a href="/c?sign=1" class={signs ? 'k' : undefined}>
          {words.sign}
          {signs && words.keyOpen}
        </a>,
        view.as === 'part' && <a href={`/m/${view.message.id}`}>{words.backToMail}</a>,
      ]}
    />
  )
}

/** @param user the reader's address */
const Head = ({ words, language, view, user }: Said & { language: Language; user: string }) => {
  const { mail, message } = view
  // To this user alone, as most mail is: not worth a line of a small screen.
  const [only, another] = [...mail.to, ...mail.cc]
  const isForOne = only?.address.toLowerCase() === user && !another
  return (
    <p>
      <Named words={words} label={words.from} people={mail.from} />
      {!isForOne && <Named words={words} label={words.to} people={mail.to} />}
      <Named words={words} label={words.cc} people={mail.cc} />
      {words.date}: {moment(language, message.sentAt ?? message.arrivedAt)}
    </p>
  )
}

const Text = ({ words, view, shown }: Said & { shown: TextPage }) => {
  const { id } = view.message
  const path = view.as === 'came' ? `/m/${id}` : `/m/${id}/open`
  const next = `${path}?p=${shown.page + 1}${view.as === 'part' ? `&part=${encodeURIComponent(view.part)}` : ''}`
  return (
    <>
      <Paragraphs text={shown.text} />
      {(shown.page > 1 || shown.hasMore) && (
        <Links links={[words.page(shown.page), shown.hasMore && <a href={next}>{words.moreText}</a>]} />
      )}
    </>
  )
}

const Attachments = ({ words, view }: Said) => {
  const { message, mail } = view
  const within = view.as === 'part' ? `?in=${encodeURIComponent(view.part)}` : ''
  const saved = {
    message: message.id,
    within: view.as === 'part' ? view.part : '',
    isOpened: view.as !== 'came',
  }
  return mail.attachments.length === 0 ? null : (
    <>
      <p>{words.attachments}:</p>
      <ul>
        {mail.attachments.map((part) => (
          <li>
            <a href={`/m/${message.id}/a/${encodeURIComponent(part.id)}${within}`} download>
              {oneLine(part.name || part.type)}
            </a>{' '}
            {sizeOf(part.size)}{' '}
            <a href={savePath({ ...saved, part: part.id, name: savedName(part.name || part.type) })}>
              {words.files.save}
            </a>
          </li>
        ))}
      </ul>
    </>
  )
}

/** A sender's name for a file as one in the box of files, where slashes mean folders. */
const savedName = (name: string) => oneLine(name).replace(/[/\\]/g, '_')

/** The parts that open only in a view of their own. */
const EncryptedParts = ({ words, view: { message, mail } }: Said) => (
  <>
    {mail.isolated.map((part) => (
      <p>
        {words.encryptedPart} {oneLine(part.name)}:{' '}
        <a href={`/m/${message.id}/open?part=${encodeURIComponent(part.id)}`}>{words.openAlone}</a>
      </p>
    ))}
  </>
)

/** Answers to a part that was opened alone: they quote nothing of it. */
const PartAnswers = ({ words, view: { message } }: Said) => (
  <Links
    links={[
      <a href={`/c?re=${message.id}&alone=1`}>{words.reply}</a>,
      <a href={`/c?re=${message.id}&all=1&alone=1`}>{words.replyAll}</a>,
    ]}
  />
)

/** Answers to the mail, and what may be done with it. */
const Verbs = ({ words, visit, view }: Said & { visit: Visit }) => {
  const { message, mail } = view
  const { id } = message
  const isOpened = view.as === 'opened'
  const o = isOpened ? '&o=1' : ''
  return (
    <Form visit={visit} action={`/m/${id}`}>
      <Links
        links={[
          <a href={`/c?re=${id}${o}`}>{words.reply}</a>,
          <a href={`/c?re=${id}&all=1${o}`}>{words.replyAll}</a>,
          <a href={`/c?fw=${id}${o}`}>{words.forward}</a>,
          mail.attachments.some(mayBeKey) && (
            <a href={`/m/${id}/keys${isOpened ? '?o=1' : ''}`}>{words.offeredKeys}</a>
          ),
          <a href={`/m/${id}/raw`} type="text/plain">
            {words.source}
          </a>,
          <a href={savePath({ message: id, part: '', within: '', isOpened, name: '' })}>
            {words.files.save}
          </a>,
        ]}
      />
      <p>
        <Button a="delete">{words.delete}</Button> <Button a="unread">{words.unread}</Button>{' '}
        {message.flagged ? (
          <Button a="unflag">{words.unflag}</Button>
        ) : (
          <Button a="flag">{words.flag}</Button>
        )}
      </p>
    </Form>
  )
}

/** A file that a key may lie in. */
export const mayBeKey = ({ name, type }: Part) =>
  /^application\/(pgp-keys|pkcs7-signature|pkix-cert)$/.test(type) ||
  /\.(asc|gpg|pgp|key|p7s|p7c|p7b|cer|crt|pem)$/i.test(name)

const Named = ({ words, label, people }: { words: Words; label: string; people: Address[] }) =>
  people.length === 0 ? null : (
    <>
      {label}:{' '}
      {people
        .slice(0, namedLimit)
        .map((each) => personIn(words, each))
        .join(', ')}
      {people.length > namedLimit && ` … (${people.length})`}
      <br />
    </>
  )

/** What we know of the mail, in words and never by a picture; the sender can write nothing here. */
const Verdict = ({ words, language, view }: Said & { language: Language }) => {
  const { mail } = view
  // The copy lies encrypted to the user whatever went out; where that was encrypted, it is the letter itself.
  const { sentAs } = view.message
  const left = sentAs === 'encrypted' ? null : sentAs
  const sentences = [
    view.message.outside && words.outside(localSender(mail.from)),
    view.as === 'part' && words.partAlone,
    left && words.sentAs[left],
    view.as === 'came' && mail.security === 'encrypted' && (left ? words.copyKept : words.isEncrypted),
    view.as === 'opened' && (left ? words.copyWasKept : words.inEncrypted),
    // Encrypted is easily taken for known to be from somebody.
    view.as !== 'came' && !left && mail.signature.status === 'none' && words.verdict.none,
    ...signedBy(words, language, mail.signature),
    mail.weakness?.isMalleable && mail.signature.status !== 'valid' && words.verdict.changesUnseen,
    mail.weakness?.isOld && words.verdict.oldCipher,
  ].filter(Boolean)
  return sentences.length ? <p class="s">{sentences.join(' ')}</p> : null
}

/** The sender's address where it is one that can say nothing else: the sender writes it. */
const localSender = (from: { address: string }[]) => {
  const [address = ''] = from.length === 1 ? from.map((each) => each.address) : []
  return /^[\w.+-]{1,64}@[\w.-]{1,100}$/.test(address) ? address : null
}

const signedBy = ({ verdict }: Words, language: Language, signature: Signature): string[] => {
  const { status, key, by, at, reason, certificate } = signature
  // The last 64 bits tell accepted keys apart; the whole fingerprint stands on the page of keys.
  const [who, which] = [by ? wholeAddress(by) : '?', key ? grouped(key.slice(-16)) : '?']
  if (status === 'none') return []
  const day = at === null ? null : dayOf(language, at)
  if (status === 'valid' && certificate?.isVouchedFor)
    return [verdict.validByAuthority(who, oneLine(certificate.issuer, 200), day)]
  if (status === 'valid') return [verdict[certificate ? 'validByCertificate' : 'valid'](who, which, day)]
  if (status === 'expired') return [verdict.expired(who, which)]
  if (status === 'unknown-key') return [verdict[certificate ? 'unknownCertificate' : 'unknown-key'](which)]
  return [verdict[status], oneLine(reason, 300)]
}
