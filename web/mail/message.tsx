/**
 * One mail: as it came, opened with the key (S1320), or one encrypted part alone; its attachments, its source, the
 * keys in it. What we say about it stands outside the sender's space: above the head, in our words.
 */
import { Hono } from 'hono'
import type { Child } from 'hono/jsx'
import { refusalOf } from '../../server/ground/refusal.ts'
import type { Address } from '../../server/locked/reader/headers.ts'
import type { Part } from '../../server/locked/reader/rendering.ts'
import type { Signature } from '../../server/locked/reader/signatures.ts'
import type { Mailboxes } from '../../server/mail/mailboxes.ts'
import type { Reading, ReadMessage } from '../../server/mail/reading.ts'
import type { KeyHere } from '../document.tsx'
import { Button, Form, Links, Paragraphs } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { type KeyWindows, unseen, type Wanted, wantedPath } from '../key/windows.tsx'
import { dayOf, grouped, moment, oneLine, personIn, readable, sizeOf, wholeAddress } from '../text.ts'
import { didOf, idOf, type PageContext, type PageEnv, sentenceOf, sessionOf, wordsOf } from '../visit.ts'
import type { Words } from '../words.ts'

type Needs = FrameNeeds & { mailboxes: Mailboxes; reading: Reading }

/** Octets of text on one page, as they travel: the whole stays within a first flight of packets. */
const textLimit = 8_000
const namedLimit = 20

type View = ReadMessage & { status?: Child } & ({ as: 'came' | 'opened' } | { as: 'part'; part: string })

export const messagePages = (needs: Needs, windows: KeyWindows) => {
  const { mailboxes, reading } = needs

  const page = (c: PageContext, view: View) => {
    const words = wordsOf(c)
    const visit = c.get('visit')
    const { message, folder, mail } = view
    const { id } = message
    const path = view.as === 'came' ? `/m/${id}` : `/m/${id}/open`
    const within = view.as === 'part' ? encodeURIComponent(view.part) : ''
    const o = view.as === 'opened' ? '&o=1' : ''
    const shown = pageOf(mail.text, idOf(c.req.query('p')))
    const subject = view.as === 'came' ? message.subject : (mail.headers.subject ?? message.subject)
    const did = view.status ?? didOf(c)
    const hasKeys = mail.attachments.some(mayBeKey)
    // To this user alone, as most mail is: not worth a line of a small screen.
    const [only, another] = [...mail.to, ...mail.cc]
    const isForOne = only?.address.toLowerCase() === sessionOf(c).user.address && !another
    // Of an opened mail the text comes first: on a small screen it is what is seen.
    const KeyLinks = ({ isOpen, signs }: KeyHere) => (
      <Links
        links={[
          <a
            href={isOpen ? unseen(`/m/${id}/open`, needs.clock()) : `/m/${id}/open`}
            class={isOpen ? 'k' : undefined}
          >
            {words.decrypt}
            {isOpen && words.keyOpen}
          </a>,
          <a href="/c?sign=1" class={signs ? 'k' : undefined}>
            {words.sign}
            {signs && words.keyOpen}
          </a>,
          view.as === 'part' && <a href={`/m/${id}`}>{words.backToMail}</a>,
        ]}
      />
    )
    return show(c, needs, {
      title: oneLine(subject, 300) || words.noSubject,
      current: folder.kind === 'user' || folder.kind === 'trash' ? undefined : folder.kind,
      status: did && <p>{did}</p>,
      body: ({ key }) => (
        <>
          {view.as === 'came' && <KeyLinks {...key} />}
          <Verdict c={c} view={view} />
          <p>
            <Named words={words} label={words.from} people={mail.from} />
            {!isForOne && <Named words={words} label={words.to} people={mail.to} />}
            <Named words={words} label={words.cc} people={mail.cc} />
            {words.date}: {moment(visit.language, message.sentAt ?? message.arrivedAt)}
          </p>
          <Paragraphs text={shown.text} />
          {(shown.page > 1 || shown.hasMore) && (
            <Links
              links={[
                words.page(shown.page),
                shown.hasMore && (
                  <a href={`${path}?p=${shown.page + 1}${within && `&part=${within}`}`}>{words.moreText}</a>
                ),
              ]}
            />
          )}
          {mail.attachments.length > 0 && (
            <>
              <p>{words.attachments}:</p>
              <ul>
                {mail.attachments.map((part) => (
                  <li>
                    <a
                      href={`/m/${id}/a/${encodeURIComponent(part.id)}${within && `?in=${within}`}`}
                      download
                    >
                      {oneLine(part.name || part.type)}
                    </a>{' '}
                    {sizeOf(part.size)}
                  </li>
                ))}
              </ul>
            </>
          )}
          {view.as !== 'came' && <KeyLinks {...key} />}
          {mail.isolated.map((part) => (
            <p>
              {words.encryptedPart} {oneLine(part.name)}:{' '}
              <a href={`/m/${id}/open?part=${encodeURIComponent(part.id)}`}>{words.openAlone}</a>
            </p>
          ))}
          {view.as === 'part' && (
            <Links
              links={[
                <a href={`/c?re=${id}&alone=1`}>{words.reply}</a>,
                <a href={`/c?re=${id}&all=1&alone=1`}>{words.replyAll}</a>,
              ]}
            />
          )}
          {view.as !== 'part' && (
            <Form visit={visit} action={`/m/${id}`}>
              <Links
                links={[
                  <a href={`/c?re=${id}${o}`}>{words.reply}</a>,
                  <a href={`/c?re=${id}&all=1${o}`}>{words.replyAll}</a>,
                  <a href={`/c?fw=${id}${o}`}>{words.forward}</a>,
                  hasKeys && <a href={`/m/${id}/keys${o && '?o=1'}`}>{words.offeredKeys}</a>,
                  <a href={`/m/${id}/raw`} type="text/plain">
                    {words.source}
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
          )}
        </>
      ),
    })
  }

  /** The screen for a use of the key that was refused. */
  const windowFor = async (c: PageContext, error: unknown, id: number) => {
    const refusal = refusalOf(error)
    if (!refusal) throw error
    const message = await mailboxes.message(sessionOf(c).user.id, id)
    const wanted: Wanted = {
      next: wantedPath(c),
      back: `/m/${id}`,
      park: '',
      verb: 'decrypt',
      reason: wordsOf(c).useToOpen,
      about: oneLine(message.subject),
    }
    return { refusal, window: windows.forRefusal(c, refusal, wanted) }
  }

  return new Hono<PageEnv>()
    .get('/m/:id{\\d+}', async (c) =>
      page(c, { ...(await reading.read(sessionOf(c), idOf(c.req.param('id')))), as: 'came' }),
    )
    .post('/m/:id{\\d+}', async (c) => {
      const { user } = sessionOf(c)
      const id = idOf(c.req.param('id'))
      const { folderId } = await mailboxes.message(user.id, id)
      const { form } = c.get('visit')
      const list = `/f/${folderId}`
      switch (form.get('a')) {
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
      }
      return c.redirect(`/m/${id}`, 303)
    })
    .get('/m/:id{\\d+}/open', async (c) => {
      const session = sessionOf(c)
      const id = idOf(c.req.param('id'))
      const part = c.req.query('part')
      const { security } = await mailboxes.message(session.user.id, id)
      if (security !== 'encrypted' && part === undefined) {
        // Nothing at the root to open: no passphrase is asked for it.
        const read = await reading.read(session, id)
        const [only, another] = read.mail.isolated
        if (another) return c.redirect(`/m/${id}?ok=parts`, 303)
        if (only) return c.redirect(`/m/${id}/open?part=${encodeURIComponent(only.id)}`, 303)
        // The row of a mail that came long ago may not know what it is.
        if (read.mail.security !== 'encrypted') return c.redirect(`/m/${id}?ok=not-encrypted`, 303)
      }
      try {
        const opened = await reading.open(session, c.get('visit').keyToken, id, part)
        return page(c, part === undefined ? { ...opened, as: 'opened' } : { ...opened, as: 'part', part })
      } catch (error) {
        const { refusal, window } = await windowFor(c, error, id)
        if (window) return window
        if (refusal.code !== 'cannot-decrypt' && refusal.code !== 'not-encrypted') throw error
        return page(c, { ...(await reading.read(session, id)), as: 'came', status: sentenceOf(c, refusal) })
      }
    })
    .get('/m/:id{\\d+}/a/:part', async (c) => {
      const id = idOf(c.req.param('id'))
      try {
        const found = await reading.attachment(
          sessionOf(c),
          c.get('visit').keyToken,
          id,
          c.req.param('part'),
          c.req.query('in'),
        )
        return c.body(new Uint8Array(found.octets), 200, {
          'Content-Type': harmless(found.type),
          'Content-Disposition': asAttachment(found.name),
          'Content-Security-Policy': "default-src 'none';sandbox",
        })
      } catch (error) {
        const { window } = await windowFor(c, error, id)
        if (!window) throw error
        return window
      }
    })
    .get('/m/:id{\\d+}/raw', async (c) => {
      const octets = await mailboxes.octets(sessionOf(c).user.id, idOf(c.req.param('id')))
      return c.body(new Uint8Array(octets), 200, {
        'Content-Type': 'text/plain',
        'Content-Security-Policy': "default-src 'none';sandbox",
      })
    })
}

/** A file that a key may lie in. */
export const mayBeKey = ({ name, type }: Part) =>
  type === 'application/pgp-keys' || /\.(asc|gpg|pgp|key)$/i.test(name)

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
const Verdict = ({ c, view }: { c: PageContext; view: View }) => {
  const words = wordsOf(c)
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
    ...signedBy(c, mail.signature),
  ].filter(Boolean)
  return sentences.length ? <p class="s">{sentences.join(' ')}</p> : null
}

/** The sender's address where it is one that can say nothing else: the sender writes it. */
const localSender = (from: { address: string }[]) => {
  const [address = ''] = from.length === 1 ? from.map((each) => each.address) : []
  return /^[\w.+-]{1,64}@[\w.-]{1,100}$/.test(address) ? address : null
}

const signedBy = (c: PageContext, { status, key, by, at, reason }: Signature): string[] => {
  const { verdict } = wordsOf(c)
  const { language } = c.get('visit')
  // The last 64 bits tell accepted keys apart; the whole fingerprint stands on the page of keys.
  const [who, which] = [by ? wholeAddress(by) : '?', key ? grouped(key.slice(-16)) : '?']
  if (status === 'none') return []
  if (status === 'valid') return [verdict.valid(who, which, at === null ? null : dayOf(language, at))]
  if (status === 'expired') return [verdict.expired(who, which)]
  if (status === 'unknown-key') return [verdict['unknown-key'](which)]
  return [verdict[status], oneLine(reason, 300)]
}

/**
 * One page of a text, or the last if there are not so many. The text is walked no further than the page's end: a
 * sender may write as much as they like.
 */
const pageOf = (text: string, wanted: number): { text: string; page: number; hasMore: boolean } => {
  const all = readable(text).trimEnd()
  let start = 0
  for (let page = 1; ; page += 1) {
    const end = pageEnd(all, start)
    if (page >= wanted || end === all.length)
      return { text: all.slice(start, end), page, hasMore: end < all.length }
    start = end
  }
}

/** Where a page ends: at the end of a line, or within one that is longer than half a page by itself. */
const pageEnd = (text: string, start: number): number => {
  let size = 0
  let lineEnd = 0
  let lineEndSize = 0
  for (let at = start; at < text.length; at += 1) {
    const character = text[at]!
    size += sizes[character] ?? (character < '\x80' ? 1 : character < '\u0800' ? 2 : 3)
    if (size > textLimit) {
      if (lineEndSize > textLimit / 2) return lineEnd
      return isHighSurrogate(text, at - 1) ? at - 1 : at
    }
    if (character !== '\n') continue
    lineEnd = at + 1
    lineEndSize = size
  }
  return text.length
}

/** Octets of a character as it is escaped; a line's end becomes a line break, two of them a paragraph. */
const sizes: Record<string, number> = { '&': 5, '<': 4, '>': 4, '"': 6, "'": 5, '\n': 6 }

const isHighSurrogate = (text: string, at: number) => (text.charCodeAt(at) & 0xfc00) === 0xd800

/** Nothing that a browser would run or lay out, whatever the sender calls it. */
const harmless = (type: string) =>
  /^[\w.+-]+\/[\w.+-]+$/.test(type) && !/html|xml|svg|script|pdf/i.test(type)
    ? type
    : 'application/octet-stream'

/** RFC 6266 with RFC 8187: a name in ASCII for old browsers, the true one beside it. */
const asAttachment = (name: string) => {
  const plain = name.replace(/[^\w. -]+/g, '_').slice(-80) || 'file'
  const encoded = encodeURIComponent(oneLine(name, 120)).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16)}`,
  )
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`
}
