/**
 * Compose (S1400-S1510): a new letter, a reply, a forwarded mail, a draft. Sign brings the text back signed; where
 * the key is needed first, the letter is parked and comes back whatever happens in the windows between. Files that
 * were attached cannot be put back into a browser's file field: they stay parked, and the form names them.
 */
import { Hono } from 'hono'
import type { Child } from 'hono/jsx'
import type { Mail } from '../server/encrypted-mail.ts'
import type { Letter } from '../server/letters.ts'
import type { Listed } from '../server/mailboxes.ts'
import type { Services } from '../server/main.ts'
import type { Address } from '../server/mime.ts'
import type { Refusal } from '../server/refusal.ts'
import type { UploadedFile } from '../server/web-server.ts'
import {
  Button,
  Field,
  Form,
  Hidden,
  hasAddressLooks,
  idOf,
  moment,
  oneLine,
  type PageContext,
  type PageEnv,
  readable,
  sentenceOf,
  sessionOf,
  show,
  sizeOf,
  wholeAddress,
  wordsOf,
  zone,
} from './layout.tsx'
import { type KeyWindows, type Wanted, wantedPath } from './unlock.tsx'

type Protection = 'plain' | 'sign' | 'both' | 'encrypt'
type Typed = {
  to: string
  cc: string
  bcc: string
  subject: string
  text: string
  protection: Protection
  /** Message ids of the thread, the one that is answered last. */
  thread: string[]
  /** The mail that is answered or 0. */
  re: number
  /** The draft that it was, or 0. */
  draft: number
  files: UploadedFile[]
  /** Something in it came encrypted: the mail that is answered or forwarded, or it was to go so as a draft. */
  isSecret: boolean
  /** Doubts that the user has read of, and sends it all the same. */
  sure: string
}
type Doubt = 'plainAnswer' | 'signatureBroken'
/** A letter as it is parked, with what is to happen once the key is open. */
type Parked = Omit<Typed, 'files'> & {
  files: { name: string; type: string; base64: string }[]
  after: 'sign' | 'send' | null
}

/** What goes on after the unlock window. */
export type UseOfKey = {
  /** The key is open: what was asked for happens. */
  goOn(c: PageContext, ticket: string): Promise<Response>
  /** It is not: everything typed is back. */
  comeBack(c: PageContext, ticket: string): Promise<Response>
}

const quoteLimit = 20_000 // characters: what one would still send over a slow link

export const composePages = (services: Services, windows: KeyWindows) => {
  const { letters, mailboxes, reading, parkedForms, refusalOf } = services

  const compose = async (c: PageContext, typed: Typed, status?: Child): Promise<Response> => {
    const words = wordsOf(c)
    const park = typed.files.length ? await parkLetter(services, sessionOf(c).user.id, typed, null) : ''
    return show(c, services, {
      title: words.compose,
      status: status && <p>{status}</p>,
      current: 'compose',
      body: (_open, signs) => (
        <Form visit={c.get('visit')} action="/c" files>
          <Hidden name="park" value={park} />
          <Hidden name="d" value={typed.draft} />
          <Hidden name="re" value={typed.re} />
          <Hidden name="th" value={typed.thread.join(' ')} />
          <Hidden name="sec" value={typed.isSecret ? 1 : ''} />
          <Hidden name="sure" value={typed.sure} />
          <Field label={words.to} name="to" value={typed.to} />
          <Field label={words.cc} name="cc" value={typed.cc} />
          <Field label={words.bcc} name="bcc" value={typed.bcc} />
          <Field label={words.subject} name="subject" value={typed.subject} />
          <p>
            <label>
              {words.text}
              <br />
              <textarea name="text" rows={9} cols={36}>{`\n${typed.text}`}</textarea>
            </label>
          </p>
          <p>
            <label>
              {words.protection}{' '}
              <select name="prot">
                {(Object.keys(words.protections) as Protection[]).map((each) => (
                  <option value={each} selected={each === typed.protection && each !== 'plain'}>
                    {words.protections[each]}
                  </option>
                ))}
              </select>
            </label>
          </p>
          {typed.files.length > 0 && (
            <ul>
              {typed.files.map((file, place) => (
                <li>
                  <label>
                    <input type="checkbox" name="keep" value={String(place)} checked /> {words.keep}{' '}
                    {oneLine(file.name)} ({sizeOf(file.octets.length)})
                  </label>
                </li>
              ))}
            </ul>
          )}
          <p>
            <label>
              {words.file} <input type="file" name="file" multiple />
            </label>{' '}
            <Button>{words.attach}</Button>
          </p>
          <p>
            <Button a="sign" open={signs}>
              {words.sign}
              {signs && words.keyOpen}
            </Button>{' '}
            <Button a="send">{words.send}</Button> <Button a="save">{words.saveDraft}</Button>
          </p>
        </Form>
      ),
    })
  }

  /** The window for a letter that needs the key; null if the refusal is about something else. */
  const windowFor = async (c: PageContext, refusal: Refusal, typed: Typed, after: 'sign' | 'send') => {
    if (refusal.code !== 'allowance-required' && refusal.code !== 'key-in-use') return null
    const park = await parkLetter(services, sessionOf(c).user.id, typed, after)
    const about = typed.subject || typed.to
    const wanted: Wanted = { next: '', back: '/c', park, verb: 'sign', reason: wordsOf(c).useToSign, about }
    return windows.forRefusal(c, refusal, wanted)
  }

  const sign = async (c: PageContext, typed: Typed): Promise<Response> => {
    const words = wordsOf(c)
    if (isSigned(typed.text)) return compose(c, typed, words.alreadySigned)
    try {
      const text = await letters.sign(sessionOf(c), c.get('visit').keyToken, typed.text)
      const encrypted = typed.protection === 'both' || typed.protection === 'encrypt'
      const status = typed.files.length ? `${words.signed} ${words.textOnly}` : words.signed
      return compose(c, { ...typed, text, protection: encrypted ? 'encrypt' : 'plain' }, status)
    } catch (error) {
      const refusal = refusalOf(error)
      if (!refusal) throw error
      return (await windowFor(c, refusal, typed, 'sign')) ?? compose(c, typed, sentenceOf(c, refusal))
    }
  }

  const send = async (c: PageContext, typed: Typed): Promise<Response> => {
    const words = wordsOf(c)
    const session = sessionOf(c)
    const { user } = session
    const answered = typed.re ? await messageOrNull(user.id, typed.re) : null
    const inPlain = typed.protection === 'plain' || typed.protection === 'sign'
    const doubts: Doubt[] = []
    if (typed.isSecret && inPlain) doubts.push('plainAnswer')
    if (isSigned(typed.text) && !(await letters.signatureFits(session, typed.text)))
      doubts.push('signatureBroken')
    if (doubts.some((doubt) => !typed.sure.split(' ').includes(doubt))) {
      const sentences = doubts.map((doubt) => words[doubt])
      return compose(c, { ...typed, sure: doubts.join(' ') }, `${sentences.join(' ')} ${words.sendAgain}`)
    }
    try {
      const { id, queued } = await letters.send(session, c.get('visit').keyToken, letterOf(typed), {
        draft: typed.draft || null,
      })
      if (answered) await mailboxes.mark(user.id, [answered.id], { answered: true })
      const isWaiting = queued.length > 0
      return c.redirect(`/f/${answered?.folderId ?? 'inbox'}?sent=${id}${isWaiting ? '&w=1' : ''}`, 303)
    } catch (error) {
      const refusal = refusalOf(error)
      if (!refusal) throw error
      const window = await windowFor(c, refusal, typed, 'send')
      if (window) return window
      const sentence = sentenceOf(c, refusal)
      if (refusal.code === 'no-relay')
        return compose(c, { ...typed, draft: refusal.detail.draft ?? 0 }, `${sentence} ${words.inDrafts}`)
      if (refusal.code !== 'no-key-for') return compose(c, typed, sentence)
      return compose(
        c,
        typed,
        <>
          {sentence} <a href="/k">{words.acceptFirst}</a>
        </>,
      )
    }
  }

  const messageOrNull = async (userId: number, id: number): Promise<Listed | null> => {
    try {
      return await mailboxes.message(userId, id)
    } catch (error) {
      if (refusalOf(error)?.code === 'not-found') return null
      throw error
    }
  }

  /** A mail to be answered or forwarded, opened only if it was open on the page that this comes from. */
  const sourceOf = (c: PageContext, id: number) =>
    c.req.query('o')
      ? reading.open(sessionOf(c), c.get('visit').keyToken, id)
      : reading.read(sessionOf(c), id)

  /** What of a mail may be quoted: the text of its root message as it was shown, nothing of an unopened one. */
  const quotable = (c: PageContext, mail: Mail): string | null => {
    if ((mail.security === 'encrypted' && !c.req.query('o')) || c.req.query('alone')) return null
    const text = readable(mail.text.slice(0, quoteLimit))
    return mail.text.length > quoteLimit ? `${text}\n[...]` : text
  }

  /** What the letter does not say of the mail, in words. */
  const leftOut = (c: PageContext, mail: Mail): string | undefined => {
    const words = wordsOf(c)
    if (c.req.query('alone')) return words.partNotQuoted
    if (quotable(c, mail) === null) return words.notQuoted
    return mail.isolated.length ? words.partsNotQuoted : undefined
  }

  /** Any of it that came encrypted makes the letter one that is not to leave in plain words. */
  const isSecretMail = (mail: Mail) => mail.security === 'encrypted' || mail.isolated.length > 0

  const reply = async (c: PageContext, id: number): Promise<Response> => {
    const words = wordsOf(c)
    const { user } = sessionOf(c)
    const { message, mail } = await sourceOf(c, id)
    const own = (each: Address) => each.address.toLowerCase() === user.address
    // By the folder: a mail in the Inbox that claims to be one's own may name whomever its sender likes as recipient.
    const { kind } = await mailboxes.folder(user.id, message.folderId)
    const isMine = (kind === 'sent' || kind === 'drafts') && mail.from.length > 0 && mail.from.every(own)
    const senders = new Set(mail.from.map(({ address }) => address.toLowerCase()))
    const elsewhere = mail.replyTo.filter(({ address }) => !senders.has(address.toLowerCase()))
    // Who changes a mail on its way must not have the answer, with the text in it, sent to themselves.
    const isTrap = mail.security === 'encrypted' && !isMine && elsewhere.length > 0
    const answerTo = isMine ? mail.to : mail.replyTo.length && !isTrap ? mail.replyTo : mail.from
    const all = Boolean(c.req.query('all'))
    const to = distinct([...answerTo, ...(all && !isMine ? mail.to.filter((each) => !own(each)) : [])])
    const cc = all
      ? distinct(
          mail.cc.filter((each) => !own(each)),
          to,
        )
      : []
    const quoted = quotable(c, mail)
    const text =
      quoted === null
        ? ''
        : `\n\n${words.wrote(dateOf(c, message), whoOf(mail))}\n${quoted.trimEnd().replace(/^/gm, '> ')}\n`
    return compose(
      c,
      {
        ...blank,
        to: to.map(written).join(', '),
        cc: cc.map(written).join(', '),
        // The subject as it travelled, not a protected one: a reply must not carry that outside.
        subject: `Re: ${bare(message.subject, /^\s*((re|aw|sv|antw|返信)(\[\d+\])?\s*[:：]\s*)+/i)}`,
        text,
        protection: isSecretMail(mail) ? 'both' : 'plain',
        thread: threadOf(mail),
        re: id,
        isSecret: isSecretMail(mail),
      },
      [
        isTrap &&
          words.replyTo(
            elsewhere
              .slice(0, 5)
              .map(({ address }) => wholeAddress(address))
              .join(', '),
          ),
        leftOut(c, mail),
      ]
        .filter(Boolean)
        .join(' '),
    )
  }

  const forward = async (c: PageContext, id: number): Promise<Response> => {
    const words = wordsOf(c)
    const session = sessionOf(c)
    const { message, mail } = await sourceOf(c, id)
    const quoted = quotable(c, mail)
    const head = [
      [words.from, mail.from.map(written).join(', ')],
      [words.date, dateOf(c, message)],
      [words.to, mail.to.map(written).join(', ')],
      [words.subject, oneLine(message.subject, 300)],
    ]
    const text = `\n\n${words.forwarded}\n${head.map(([name, value]) => `${name}: ${value}`).join('\n')}\n\n${quoted}`
    const files: UploadedFile[] = []
    if (quoted !== null)
      for (const part of mail.attachments)
        files.push(await reading.attachment(session, c.get('visit').keyToken, id, part.id))
    return compose(
      c,
      {
        ...blank,
        subject: `Fwd: ${bare(message.subject, /^\s*((fwd?|wg|転送)\s*[:：]\s*)+/i)}`,
        text: quoted === null ? '' : text,
        protection: isSecretMail(mail) ? 'both' : 'plain',
        isSecret: isSecretMail(mail),
        files,
      },
      leftOut(c, mail),
    )
  }

  const draft = async (c: PageContext, id: number): Promise<Response> => {
    const letter = await letters.draft(sessionOf(c), c.get('visit').keyToken, id)
    const { to, cc, bcc, subject, text, attachments: files, sign: signs, encrypt } = letter
    const protection = encrypt ? (signs ? 'both' : 'encrypt') : signs ? 'sign' : 'plain'
    const thread = letter.inReplyTo ? [...letter.inReplyTo.references, letter.inReplyTo.messageId] : []
    const isSecret = encrypt
    return compose(c, {
      ...blank,
      to,
      cc,
      bcc,
      subject,
      text,
      files,
      protection,
      thread,
      draft: id,
      isSecret,
    })
  }

  const comeBack = async (c: PageContext, ticket: string): Promise<Response> => {
    const words = wordsOf(c)
    const parked = await openLetter(services, sessionOf(c).user.id, ticket)
    return parked ? compose(c, parked.typed, words.cameBack) : compose(c, blank, words.lostForm)
  }

  const goOn = async (c: PageContext, ticket: string): Promise<Response> => {
    const parked = await openLetter(services, sessionOf(c).user.id, ticket)
    if (!parked) return compose(c, blank, wordsOf(c).lostForm)
    await parkedForms.drop(ticket)
    return parked.after === 'send' ? send(c, parked.typed) : sign(c, parked.typed)
  }

  const app = new Hono<PageEnv>()
    .get('/c', async (c) => {
      const { d, re, fw, to, sign: signs } = c.req.query()
      const id = idOf(d ?? re ?? fw)
      if (!id) return compose(c, { ...blank, to: to ?? '', protection: signs ? 'sign' : 'plain' })
      try {
        return await (d ? draft(c, id) : re ? reply(c, id) : forward(c, id))
      } catch (error) {
        const refusal = refusalOf(error)
        const words = wordsOf(c)
        const message = refusal && (await messageOrNull(sessionOf(c).user.id, id))
        const wanted: Wanted = {
          next: wantedPath(c),
          back: d ? '/f/drafts' : `/m/${id}`,
          park: '',
          verb: 'decrypt',
          reason: d ? words.useToDraft : words.useToOpen,
          about: message?.subject,
        }
        const window = refusal && windows.forRefusal(c, refusal, wanted)
        if (!window) throw error
        return window
      }
    })
    .post('/c', async (c) => {
      const { user } = sessionOf(c)
      const words = wordsOf(c)
      const typed = await typedIn(services, user.id, c)
      switch (c.get('visit').form.get('a')) {
        case 'sign':
          return sign(c, typed)
        case 'send':
          return send(c, typed)
        case 'save':
          await letters.saveDraft(sessionOf(c), letterOf(typed), { replaces: typed.draft || null })
          return c.redirect('/f/drafts?ok=saved', 303)
        default:
          return compose(
            c,
            typed,
            typed.files.length ? words.attached(typed.files.map(({ name }) => name).join(', ')) : undefined,
          )
      }
    })
  return { app, goOn, comeBack }
}

// ---- what was typed

const blank: Typed = {
  to: '',
  cc: '',
  bcc: '',
  subject: '',
  text: '',
  protection: 'plain',
  thread: [],
  re: 0,
  draft: 0,
  files: [],
  isSecret: false,
  sure: '',
}

/** The compose form, with the files that were attached before and are still ticked. */
const typedIn = async (services: Services, userId: number, c: PageContext): Promise<Typed> => {
  const { form } = c.get('visit')
  const before = await openLetter(services, userId, form.get('park'))
  const kept = before?.typed.files.filter((_, place) => form.all('keep').includes(String(place))) ?? []
  const named = form.get('prot')
  return {
    to: form.get('to'),
    cc: form.get('cc'),
    bcc: form.get('bcc'),
    subject: form.get('subject').replace(/[\r\n]+/g, ' '),
    text: form.get('text').replace(/\r\n?/g, '\n'),
    protection: named === 'sign' || named === 'both' || named === 'encrypt' ? named : 'plain',
    thread: form.get('th').split(/\s+/).filter(isMessageId),
    re: idOf(form.get('re')),
    draft: idOf(form.get('d')),
    files: [...kept, ...form.files('file')].map(({ name, type, octets }) => ({
      name: name.replace(/^.*[/\\]/, '') || 'file',
      type: /^[\w.+-]+\/[\w.+-]+$/.test(type) ? type : 'application/octet-stream',
      octets,
    })),
    isSecret: form.get('sec') === '1',
    sure: form.get('sure'),
  }
}

const letterOf = (typed: Typed): Letter => {
  const { to, cc, bcc, subject, text, files, thread, protection } = typed
  const messageId = thread.at(-1)
  return {
    to,
    cc,
    bcc,
    subject,
    text,
    attachments: files,
    inReplyTo: messageId ? { messageId, references: thread.slice(0, -1) } : null,
    sign: protection === 'sign' || protection === 'both',
    encrypt: protection === 'encrypt' || protection === 'both',
  }
}

const parkLetter = (
  services: Services,
  userId: number,
  typed: Typed,
  after: Parked['after'],
): Promise<string> => {
  const files = typed.files.map(({ name, type, octets }) => ({
    name,
    type,
    base64: Buffer.from(octets).toString('base64'),
  }))
  return services.parkedForms.park(userId, { ...typed, files, after } satisfies Parked)
}

/** Parks the letter that is in the form of this request. @returns its ticket */
export const parkedLetterOf = async (services: Services, userId: number, c: PageContext): Promise<string> =>
  parkLetter(services, userId, await typedIn(services, userId, c), null)

const openLetter = async (services: Services, userId: number, ticket: string) => {
  const parked = ticket ? ((await services.parkedForms.open(userId, ticket)) as Parked | null) : null
  if (!parked?.files) return null
  const files = parked.files.map(({ name, type, base64 }) => ({
    name,
    type,
    octets: Buffer.from(base64, 'base64'),
  }))
  return { typed: { ...parked, files } as Typed, after: parked.after }
}

// ---- answering

const isSigned = (text: string) => /^-----BEGIN PGP SIGNED MESSAGE-----\s*$/m.test(text)

const isMessageId = (text: string) => /^<[^\s<>]{1,250}>$/.test(text)

/** The thread's message ids (RFC 5322 §3.6.4); of a long one, the first and the newest. */
const threadOf = (mail: Mail): string[] => {
  const ids = [...mail.references, ...(mail.messageId ? [mail.messageId] : [])].filter(isMessageId)
  return ids.length > 10 ? [ids[0]!, ...ids.slice(-9)] : ids
}

const bare = (subject: string, prefix: RegExp) => oneLine(subject, 500).replace(prefix, '')

const distinct = (addresses: Address[], without: Address[] = []): Address[] => {
  const seen = new Set(without.map(({ address }) => address.toLowerCase()))
  return addresses.filter(
    ({ address }) => address && !seen.has(address.toLowerCase()) && seen.add(address.toLowerCase()),
  )
}

/** As it is typed into an address field; a name with specials is quoted (RFC 5322 §3.2.4). */
const written = ({ name, address }: Address): string => {
  if (!name || name === address) return readable(address)
  const shown = oneLine(name, 120)
  const quoted = /[^\p{L}\p{N}\p{M} _-]/u.test(shown) ? `"${shown.replace(/["\\]/g, '')}"` : shown
  return `${quoted} <${readable(address)}>`
}

const whoOf = (mail: Mail): string =>
  oneLine(
    mail.from
      .map(({ name, address }) => (name && !hasAddressLooks(name) ? name : wholeAddress(address)))
      .join(', '),
    120,
  ) || '?'

const dateOf = (c: PageContext, message: Listed): string =>
  `${moment(c.get('visit').language, message.sentAt ?? message.arrivedAt)} (${zone})`
