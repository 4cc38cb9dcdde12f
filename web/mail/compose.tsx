/**
 * Compose (S1400-S1510): a new letter, a reply, a forwarded mail, a draft. Sign brings the text back signed; where
 * the key is needed first, the letter is parked and comes back whatever happens in the windows between. Files that
 * were attached cannot be put back into a browser's file field: they stay parked, and the form names them.
 */
import { Hono } from 'hono'
import type { Child } from 'hono/jsx'
import {
  forwardedFiles,
  forwardOf,
  isMessageId,
  replyTo,
  type Source,
  threadOf,
} from '../../server/contract/answering.ts'
import { type Refusal, refusalOf } from '../../server/ground/refusal.ts'
import type { UploadedFile } from '../../server/locked/form-bodies.ts'
import type { Mail } from '../../server/locked/reader/encrypted-mail.ts'
import type { Address } from '../../server/locked/reader/headers.ts'
import type { Letter, Letters, Written } from '../../server/mail/letters.ts'
import type { Listed, Mailboxes } from '../../server/mail/mailboxes.ts'
import type { Reading, ReadMessage } from '../../server/mail/reading.ts'
import type { ParkedForms } from '../../server/people/parked-forms.ts'
import { Button, Field, Form, Hidden } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { lockKey } from '../key/unlock.tsx'
import { type KeyWindows, type Wanted, wantedPath } from '../key/windows.tsx'
import { hasAddressLooks, moment, oneLine, readable, sizeOf, wholeAddress, zone } from '../text.ts'
import { idOf, type PageContext, type PageEnv, sentenceOf, sessionOf, wordsOf } from '../visit.ts'

type Needs = FrameNeeds & {
  letters: Letters
  mailboxes: Mailboxes
  parkedForms: ParkedForms
  reading: Reading
}
/** What letters that are being written are kept with from page to page. */
type Parking = Pick<Needs, 'parkedForms'>

/** `auto`: encrypted if each recipient has a key, and then signed if the key is open. */
type Protection = 'auto' | 'plain' | 'sign' | 'both' | 'encrypt'
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
  files: Attached[]
  /** Something in it came encrypted: the mail that is answered or forwarded, or it was to go so as a draft. */
  isSecret: boolean
  /** Doubts that the user has read of, and does it all the same. */
  sure: string
  /** Under which it is parked; empty before its page was made. */
  ticket: string
  /** The letter's number, if it is another than the id of its ticket. */
  number: string
  /** Files that came with the form, whether they are still ticked or not: a page that is gone back to may tick them. */
  stock: Parked[]
  /** Names of files that did not arrive or are no longer kept. */
  lost: string[]
}
type Doubt = 'plainAnswer' | 'signatureBroken'
type Named = { name: string; type: string; size: number }
/** A file that came with the form; `was` names the part of a mail that it was before. */
type Parked = Named & { ticket: string; was?: string }
/** A file of the letter: parked, or a part of a mail, which is fetched when the letter leaves. */
type Attached = Parked | (Named & { message: number; part: string })
/** A letter as it is parked, with what is to happen once the key is open. */
type Kept = { typed: Typed; after: After }
type After = 'sign' | 'send' | 'save' | null

export const composePages = (needs: Needs, windows: KeyWindows) => {
  const { allowances, letters, mailboxes, reading, parkedForms, sessions } = needs

  const ticketFor = (c: PageContext, id?: string) =>
    parkedForms.ticket(sessionOf(c).user.id, c.get('visit').parkingSecret ?? undefined, id)

  const compose = async (c: PageContext, given: Typed, status?: Child, code?: 413): Promise<Response> => {
    const words = wordsOf(c)
    const typed = { ...given, ticket: given.ticket || ticketFor(c, letterNamed(c)) }
    return show(
      c,
      needs,
      {
        title: words.compose,
        status: status && <p>{status}</p>,
        current: 'compose',
        isEndWithin: true,
        body: ({ key, end }) => (
          <Form visit={c.get('visit')} action="/c" files>
            <Hidden name="park" value={typed.ticket} />
            <Hidden name="no" value={typed.number} />
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
                    <option value={each} selected={each === typed.protection && each !== 'auto'}>
                      {words.protections[each]}
                    </option>
                  ))}
                </select>
              </label>
            </p>
            {typed.files.length > 0 && (
              <ul>
                {typed.files.map((file) => (
                  <li>
                    <label>
                      <input type="checkbox" name="keep" value={markOf(needs, file)} checked /> {words.keep}{' '}
                      {oneLine(file.name)} ({sizeOf(file.size)})
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
              <Button a="sign" open={key.signs}>
                {words.sign}
                {key.signs && words.keyOpen}
              </Button>{' '}
              <Button a="send">{words.send}</Button> <Button a="save">{words.saveDraft}</Button>
            </p>
            {end}
          </Form>
        ),
      },
      code,
    )
  }

  /** What the address of Compose names, if it is that of this request. */
  const letterNamed = (c: PageContext) =>
    c.req.method === 'GET' && c.req.path === '/c' ? c.req.query('n')?.match(/^[\w-]{12}$/)?.[0] : undefined

  /** The letter as another one: under a ticket, and so a number, that nothing is known of. */
  const anew = async (c: PageContext, typed: Typed, number = ''): Promise<Typed> => {
    const renewed = { ...typed, ticket: ticketFor(c), number }
    await keep(needs, renewed, null)
    return renewed
  }

  const numberOf = (typed: Typed) => typed.number || parkedForms.idOf(typed.ticket)

  /** The window for a letter that needs the key; null if the refusal is about something else. */
  const windowFor = async (c: PageContext, refusal: Refusal, typed: Typed, after: After) => {
    if (refusal.code !== 'allowance-required' && refusal.code !== 'key-in-use') return null
    await keep(needs, typed, after)
    const about = typed.subject || typed.to
    const { useToSign: reason } = wordsOf(c)
    const wanted: Wanted = { next: '', back: '/c', park: typed.ticket, verb: 'sign', reason, about }
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

  /**
   * The octets of the files.
   *
   * @throws Refusal as `reading.attachments`
   */
  const fetched = async (
    c: PageContext,
    { files }: Typed,
  ): Promise<{ all: UploadedFile[]; lost: string[] }> => {
    const session = sessionOf(c)
    const octets = new Map<Attached, Uint8Array | undefined>()
    for (const file of files)
      if ('ticket' in file)
        octets.set(file, (await parkedForms.openFile(session.user.id, file.ticket)) ?? undefined)
    const parts = files.filter((file) => 'part' in file)
    for (const message of new Set(parts.map((file) => file.message))) {
      const wanted = parts.filter((file) => file.message === message)
      const ids = wanted.map(({ part }) => part)
      const found = await reading
        .attachments(session, c.get('visit').keyToken, message, ids)
        .catch((error: unknown) => {
          if (refusalOf(error)?.code !== 'not-found') throw error
          return []
        })
      for (const [place, file] of wanted.entries()) octets.set(file, found[place]?.octets)
    }
    return {
      all: files.flatMap((file) => {
        const own = octets.get(file)
        return own ? [{ name: file.name, type: file.type, octets: own }] : []
      }),
      lost: files.filter((file) => !octets.get(file)).map(({ name }) => name),
    }
  }

  /** Encrypted if each recipient has a key; then signed as well, if the key is open here and the text is not signed. */
  const asKeysAllow = async (c: PageContext, typed: Pick<Typed, 'to' | 'cc' | 'bcc' | 'text'>) => {
    const session = sessionOf(c)
    const recipients = await letters.recipients(session.user, typed)
    const without = recipients.filter(({ key }) => !key).map(({ address }) => address)
    if (recipients.length === 0 || without.length > 0 || isSigned(typed.text))
      return { protection: 'plain' as const, without }
    const key = await allowances.stateFor(session, c.get('visit').keyToken)
    const signs = key.state === 'open' && key.allowance.scope === 'sign'
    return { protection: signs ? ('both' as const) : ('encrypt' as const), without }
  }

  const send = async (c: PageContext, typed: Typed): Promise<Response> => {
    const words = wordsOf(c)
    const session = sessionOf(c)
    const { user } = session
    const number = numberOf(typed)
    const answered = typed.re ? await messageOrNull(user.id, typed.re) : null
    const done = (copy: number | null, isWaiting: boolean, isPlain: boolean) =>
      c.redirect(
        `/f/${answered?.folderId ?? 'inbox'}?${copy ? `sent=${copy}` : 'ok=sent'}${isWaiting ? '&w=1' : ''}${isPlain ? '&p=1' : ''}`,
        303,
      )
    const gone = await letters.departed(user, number, writtenOf(typed))
    if (gone?.same) return done(gone.copy, false, false)
    if (gone) {
      const other = await anew(c, { ...typed, draft: 0, sure: '' })
      return compose(c, other, `${words.leftAlready} ${words.sendAgain}`)
    }
    try {
      const protection =
        typed.protection === 'auto' ? (await asKeysAllow(c, typed)).protection : typed.protection
      const inPlain = protection === 'plain' || protection === 'sign'
      const doubts: Doubt[] = []
      if (typed.isSecret && inPlain) doubts.push('plainAnswer')
      if (isSigned(typed.text) && !(await letters.signatureFits(session, typed.text)))
        doubts.push('signatureBroken')
      if (doubts.some((doubt) => !isSure(typed, doubt))) {
        const sentences = doubts.map((doubt) => words[doubt])
        return compose(c, { ...typed, sure: doubts.join(' ') }, `${sentences.join(' ')} ${words.sendAgain}`)
      }
      const { all, lost } = await fetched(c, typed)
      if (lost.length > 0) return withoutLost(c, typed, lost)
      const letter = letterOf({ ...typed, protection }, all)
      const { id, queued } = await letters.send(session, c.get('visit').keyToken, letter, {
        number,
        draft: typed.draft || null,
      })
      if (answered) await mailboxes.mark(user.id, [answered.id], { answered: true })
      await finish(typed)
      return done(id, queued.length > 0, typed.protection === 'auto' && inPlain && !isSigned(typed.text))
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

  /** Keeps the letter in Drafts. @returns null, or the page that says why not */
  const saved = async (c: PageContext, typed: Typed): Promise<Response | null> => {
    try {
      const { all, lost } = await fetched(c, typed)
      if (lost.length > 0) return withoutLost(c, typed, lost)
      // The draft that they are parts of is about to go: a page that is gone back to names them all the same.
      for (const [place, file] of typed.files.entries())
        if ('part' in file && file.message === typed.draft) {
          const { name, type, size } = file
          const ticket = await parkedForms.parkFile(sessionOf(c).user.id, all[place]!.octets)
          typed.stock.push({ name, type, size, ticket, was: `${file.message} ${file.part}` })
        }
      await keep(needs, typed, null)
      await letters.saveDraft(sessionOf(c), letterOf(typed, all), {
        number: numberOf(typed),
        replaces: typed.draft || null,
      })
      await finish(typed)
      return null
    } catch (error) {
      const refusal = refusalOf(error)
      if (!refusal) throw error
      if (refusal.code === 'exists') {
        const other = await anew(c, { ...typed, draft: 0 })
        return compose(c, other, `${wordsOf(c).leftAlready} ${wordsOf(c).saveAgain}`)
      }
      return (await windowFor(c, refusal, typed, 'save')) ?? compose(c, typed, sentenceOf(c, refusal))
    }
  }

  const save = async (c: PageContext, typed: Typed): Promise<Response> =>
    (await saved(c, typed)) ?? c.redirect('/f/drafts?ok=saved', 303)

  /** What was typed is in a draft or in Sent by now. */
  const finish = (typed: Typed) =>
    parkedForms.finish([typed.ticket, ...typed.stock.map(({ ticket }) => ticket)])

  /** The letter without files that are gone: it does not leave unless one has read so. */
  const withoutLost = (c: PageContext, typed: Typed, lost: string[]) => {
    const files = typed.files.filter(({ name }) => !lost.includes(name))
    return compose(c, { ...typed, files, lost: [] }, wordsOf(c).filesLost(oneLine(lost.join(', '), 300)))
  }

  const logOut = async (c: PageContext, typed: Typed): Promise<Response> => {
    const visit = c.get('visit')
    const isEmpty = !typed.to && !typed.subject && !typed.text.trim() && typed.files.length === 0
    const hasLeft = await letters.departed(sessionOf(c).user, numberOf(typed), writtenOf(typed))
    if (!isEmpty && !hasLeft && !isSure(typed, 'logOutAnyway')) {
      const problem = await saved(c, { ...typed, sure: `${typed.sure} logOutAnyway`.trim() })
      if (problem) return problem
    }
    await sessions.end(sessionOf(c).id, 'logout')
    visit.logOut()
    return c.redirect(`/login?out=${isEmpty || hasLeft ? 1 : 'draft'}`, 303)
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

  /** The mail as the rules of answering see it. */
  const answerable = (c: PageContext, { message, mail }: ReadMessage): Source => ({
    from: mail.from,
    to: mail.to,
    cc: mail.cc,
    replyTo: mail.replyTo,
    subject: oneLine(message.subject, 500),
    text: mail.text,
    isEncrypted: mail.security === 'encrypted',
    hasClosedParts: mail.isolated.length > 0,
    opened: c.req.query('alone') ? 'part' : c.req.query('o') ? 'whole' : 'nothing',
  })

  const reply = async (c: PageContext, id: number): Promise<Response> => {
    const words = wordsOf(c)
    const { user } = sessionOf(c)
    const read = await sourceOf(c, id)
    const { message, mail } = read
    const { kind } = await mailboxes.folder(user.id, message.folderId)
    const all = Boolean(c.req.query('all'))
    const { to, cc, unheeded, subject, quote, isSecret, leftOut } = replyTo(answerable(c, read), {
      own: user.address,
      all,
      kind,
    })
    const text = quote
      ? `\n\n${words.wrote(dateOf(c, message), whoOf(mail))}\n${quoted(quote).trimEnd().replace(/^/gm, '> ')}\n`
      : ''
    const fields = { to: to.map(written).join(', '), cc: cc.map(written).join(', ') }
    const start = isSecret ? { protection: 'both' as const } : await startOf(c, fields)
    const shown = unheeded.slice(0, 5).map(({ address }) => wholeAddress(address))
    return compose(
      c,
      {
        ...blank,
        ...fields,
        subject,
        text,
        protection: start.protection,
        thread: threadOf(mail),
        re: id,
        isSecret,
      },
      [start.why, shown.length > 0 && words.replyTo(shown.join(', ')), leftOut && words.leftOut[leftOut]]
        .filter(Boolean)
        .join(' '),
    )
  }

  const forward = async (c: PageContext, id: number): Promise<Response> => {
    const words = wordsOf(c)
    const read = await sourceOf(c, id)
    const { message, mail } = read
    const source = answerable(c, read)
    const { subject, quote, isSecret, leftOut } = forwardOf(source)
    const head = [
      [words.from, mail.from.map(written).join(', ')],
      [words.date, dateOf(c, message)],
      [words.to, mail.to.map(written).join(', ')],
      [words.subject, oneLine(message.subject, 300)],
    ].map(([name, value]) => `${name}: ${value}`)
    const files = forwardedFiles(source, mail.attachments)
    return compose(
      c,
      {
        ...blank,
        subject,
        text: quote ? `\n\n${words.forwarded}\n${head.join('\n')}\n\n${quoted(quote)}` : '',
        protection: isSecret ? 'both' : 'auto',
        isSecret,
        files: files.map(({ id: part, ...named }) => ({ ...named, message: id, part })),
      },
      leftOut ? words.leftOut[leftOut] : undefined,
    )
  }

  const draft = async (c: PageContext, id: number): Promise<Response> => {
    const session = sessionOf(c)
    const letter = await letters.draft(session, c.get('visit').keyToken, id)
    const { to, cc, bcc, subject, text, sign: signs, encrypt } = letter
    const files = letter.attachments.map(({ id: part, name, type, size }) => ({
      name,
      type,
      size,
      message: id,
      part,
    }))
    const protection = encrypt ? (signs ? 'both' : 'encrypt') : signs ? 'sign' : 'plain'
    const thread = letter.inReplyTo ? [...letter.inReplyTo.references, letter.inReplyTo.messageId] : []
    const number = await letters.numberOf(session.user, id)
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
      number,
      isSecret: encrypt,
    })
  }

  /** How a letter starts whose recipients are known: encrypted if they have keys; else why not. */
  const startOf = async (
    c: PageContext,
    fields: { to: string; cc: string },
  ): Promise<{ protection: Protection; why?: Child }> => {
    try {
      const { protection, without } = await asKeysAllow(c, { ...fields, bcc: '', text: '' })
      if (protection !== 'plain') return { protection }
      const names = oneLine(without.join(', '), 200)
      return { protection: 'auto', ...(names ? { why: wordsOf(c).startsPlain(names) } : {}) }
    } catch (error) {
      if (refusalOf(error)?.code !== 'bad-address') throw error
      return { protection: 'auto' }
    }
  }

  const parkedLetter = async (c: PageContext, ticket: string): Promise<Kept | null> => {
    const kept = await openLetter(needs, sessionOf(c).user.id, ticket)
    return kept && { ...kept, typed: { ...kept.typed, ticket } }
  }

  const comeBack = async (c: PageContext, ticket: string, status?: string): Promise<Response> => {
    const words = wordsOf(c)
    const kept = await parkedLetter(c, ticket)
    if (!kept) return compose(c, blank, words.lostForm)
    const { typed } = kept
    if (typed.lost.length > 0) return withoutLost(c, typed, typed.lost)
    // After a log-in, this session's pages must be able to have it again.
    const isOurs = ticket === ticketFor(c, parkedForms.idOf(ticket))
    return compose(c, isOurs ? typed : await anew(c, typed, numberOf(typed)), status ?? words.cameBack)
  }

  const goOn = async (c: PageContext, ticket: string): Promise<Response> => {
    const kept = await parkedLetter(c, ticket)
    if (!kept) return compose(c, blank, wordsOf(c).lostForm)
    const { typed, after } = kept
    return after === 'send' ? send(c, typed) : after === 'save' ? save(c, typed) : sign(c, typed)
  }

  /** A window of a letter that cannot be trusted any more: back to the letter. */
  const letterAgain = (c: PageContext) => comeBack(c, c.get('visit').form.get('park'), wordsOf(c).formOld)

  const app = new Hono<PageEnv>()
    .get('/c', async (c) => {
      const { d, re, fw, n, to = '', sign: signs } = c.req.query()
      // The address names the letter: gone back to or reloaded, the page has the same number again. With a script, it is
      // the script that notes it there, and saves the request.
      const isNamed = n !== undefined && /^[\w-]{12}$/.test(n)
      if (!isNamed && !c.get('visit').htmx) {
        const { searchParams } = new URL(c.req.url)
        searchParams.set('n', parkedForms.idOf(ticketFor(c)))
        return c.redirect(`/c?${searchParams}`, 303)
      }
      const kept = isNamed ? await parkedLetter(c, ticketFor(c, n)) : null
      if (kept) return compose(c, kept.typed, wordsOf(c).cameBack)
      const id = idOf(d ?? re ?? fw)
      if (!id) {
        const start = signs ? { protection: 'sign' as const } : await startOf(c, { to, cc: '' })
        return compose(c, { ...blank, to, protection: start.protection }, start.why)
      }
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
      const visit = c.get('visit')
      const { form } = visit
      const words = wordsOf(c)
      const a = form.get('a')
      const typed = await received(needs, sessionOf(c).user.id, c)
      if (a === 'keep') return c.body(null, 204)
      if (form.trouble) {
        const why = form.trouble === 'old' ? words.formOld : words.formTooLarge(sizeOf(form.limit))
        const lost = typed.lost.length > 0 && words.filesLost(oneLine(typed.lost.join(', '), 300))
        const code = form.trouble === 'too-large' ? 413 : undefined
        return compose(c, { ...typed, lost: [] }, [why, lost].filter(Boolean).join(' '), code)
      }
      if (a === 'lock') {
        await lockKey(needs, c)
        return compose(c, typed, words.did.locked())
      }
      if (a === 'logout') return logOut(c, typed)
      if (typed.lost.length > 0) return withoutLost(c, typed, typed.lost)
      switch (a) {
        case 'sign':
          return sign(c, typed)
        case 'send':
          return send(c, typed)
        case 'save':
          return save(c, typed)
        default:
          return compose(
            c,
            typed,
            typed.files.length ? words.attached(typed.files.map(({ name }) => name).join(', ')) : undefined,
          )
      }
    })
  return { app, goOn, comeBack, letterAgain }
}

// ---- what was typed

const blank: Typed = {
  to: '',
  cc: '',
  bcc: '',
  subject: '',
  text: '',
  protection: 'auto',
  thread: [],
  re: 0,
  draft: 0,
  files: [],
  isSecret: false,
  sure: '',
  ticket: '',
  number: '',
  stock: [],
  lost: [],
}

const protections: readonly string[] = ['plain', 'sign', 'both', 'encrypt'] satisfies Protection[]

/**
 * The letter in the form of this request, which is parked before anything else is done with it. A form that may not be
 * trusted is parked only under a ticket of its own, which nobody else can have; of another nothing is written, and its
 * files are lost.
 */
const received = async (needs: Parking, userId: number, c: PageContext): Promise<Typed> => {
  const { parkedForms } = needs
  const { form, parkingSecret } = c.get('visit')
  const given = form.get('park')
  const isTrusted = parkedForms.ownerOf(given) === userId
  const before = isTrusted ? await openLetter(needs, userId, given) : null
  const named = form.get('prot')
  const typed: Typed = {
    to: form.get('to'),
    cc: form.get('cc'),
    bcc: form.get('bcc'),
    subject: form.get('subject').replace(/[\r\n]+/g, ' '),
    text: form.get('text').replace(/\r\n?/g, '\n'),
    protection: protections.includes(named) ? (named as Protection) : 'auto',
    thread: form.get('th').split(/\s+/).filter(isMessageId),
    re: idOf(form.get('re')),
    draft: idOf(form.get('d')),
    files: [],
    isSecret: form.get('sec') === '1',
    sure: form.get('sure'),
    ticket: isTrusted ? given : parkedForms.ticket(userId, parkingSecret ?? undefined),
    number: isTrusted && /^[\w-]{12}$/.test(form.get('no')) ? form.get('no') : '',
    stock: before?.typed.stock ?? [],
    lost: [],
  }
  for (const mark of form.all('keep')) {
    const file = fileOf(needs, typed.stock, mark)
    if (file) typed.files.push(file)
    else typed.lost.push(before?.typed.files.find((each) => markOf(needs, each) === mark)?.name ?? '?')
  }
  const mayWrite = isTrusted || !form.trouble
  for (const { name: path, type: said, octets } of form.files('file')) {
    const name = path.replace(/^.*[/\\]/, '') || 'file'
    const type = /^[\w.+-]+\/[\w.+-]+$/.test(said) ? said : 'application/octet-stream'
    if (!mayWrite) {
      typed.lost.push(name)
      continue
    }
    try {
      const ticket = await parkedForms.parkFile(userId, octets)
      const file = { name, type, size: octets.length, ticket }
      typed.stock.push(file)
      typed.files.push(file)
    } catch (error) {
      if (refusalOf(error)?.code !== 'too-large') throw error
      typed.lost.push(name)
    }
  }
  // What a window waits for is not forgotten by a page that is kept in passing.
  if (mayWrite) await keep(needs, typed, form.get('a') === 'keep' ? (before?.after ?? null) : null)
  return typed
}

/** In the page: the name of what is parked, or where a part is and what it is called. */
const markOf = ({ parkedForms }: Parking, file: Attached): string =>
  'ticket' in file
    ? parkedForms.idOf(file.ticket)
    : `${file.message} ${file.part} ${file.size} ${file.type} ${file.name}`

const fileOf = ({ parkedForms }: Parking, stock: Parked[], mark: string): Attached | null => {
  const parked = stock.find(
    ({ ticket, was }) => parkedForms.idOf(ticket) === mark || (was && mark.startsWith(`${was} `)),
  )
  if (parked) return parked
  const [, message, part, size, type, name] =
    mark.match(/^(\d{1,15}) (\S{1,100}) (\d{1,12}) (\S{1,200}) (.+)$/s) ?? []
  if (!message || !part || !type || !name) return null
  return { message: Number(message), part, size: Number(size), type, name }
}

const writtenOf = ({ files, ...typed }: Typed): Written => ({ ...typed, attachments: files })

const isSure = ({ sure }: Typed, of: Doubt | 'logOutAnyway') => sure.split(' ').includes(of)

const letterOf = (typed: Typed, attachments: UploadedFile[]): Letter => {
  const { to, cc, bcc, subject, text, thread, protection } = typed
  const messageId = thread.at(-1)
  return {
    to,
    cc,
    bcc,
    subject,
    text,
    attachments,
    inReplyTo: messageId ? { messageId, references: thread.slice(0, -1) } : null,
    sign: protection === 'sign' || protection === 'both',
    encrypt: protection === 'encrypt' || protection === 'both',
  }
}

/** Parks the letter under its ticket. Where too much is parked already, it is in the page alone. */
const keep = async ({ parkedForms }: Parking, typed: Typed, after: After): Promise<void> => {
  try {
    await parkedForms.keep(typed.ticket, { typed, after } satisfies Kept)
  } catch (error) {
    if (refusalOf(error)?.code !== 'too-large') throw error
  }
}

/** Parks the letter that is in the form of this request. @returns its ticket */
export const parkedLetterOf = async (needs: Parking, userId: number, c: PageContext): Promise<string> =>
  (await received(needs, userId, c)).ticket

const openLetter = async ({ parkedForms }: Parking, userId: number, ticket: string): Promise<Kept | null> => {
  const kept = ticket ? ((await parkedForms.open(userId, ticket)) as Partial<Kept> | null) : null
  return kept?.typed?.files ? (kept as Kept) : null
}

// ---- answering

const isSigned = (text: string) => /^-----BEGIN PGP SIGNED MESSAGE-----\s*$/m.test(text)

/** A stranger's words, and whether there are more of them. */
const quoted = ({ text, isCut }: { text: string; isCut: boolean }) =>
  isCut ? `${readable(text)}\n[...]` : readable(text)

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
