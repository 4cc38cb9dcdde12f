/** Pages in the markup that a terminal prefers (P86): XHTML Basic 1.1, held to its DTD by xmllint. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { notEncryptedPage } from '../../server/doors/put-out.ts'
import { termsOf } from '../../web/languages/markup.ts'
import { asWml } from '../../web/languages/wml.ts'
import { asXhtml } from '../../web/languages/xhtml.ts'
import { Browser } from '../support/browser.ts'
import { needs } from '../support/programs.ts'
import { Walker } from '../support/walker.ts'
import { compiler, decksToHold } from '../support/wap/decks.ts'
import { passphrase, password, type World, world } from '../support/world.ts'

const ann = 'ann@example.org'
const catalog = '/usr/share/xml/w3c-sgml-lib/schema/dtd/catalog.xml'
const chromium = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8'

test('P86: who names a markup before HTML or without it gets that one, and who says HTML first gets HTML', () => {
  const markup = (accepted: string | undefined) => termsOf(accepted, null).markup
  for (const html of [
    undefined,
    '',
    '*/*',
    'text/html',
    'text/html, text/*;q=0.5, image/*',
    'text/html, text/plain, text/sgml, text/css, application/xhtml+xml, */*;q=0.01',
    'text/html, application/xml;q=0.9, application/xhtml+xml, image/png, */*;q=0.1',
    chromium,
    'text/vnd.wap.wml;q=0.3, text/html',
    'text/vnd.wap.wml;q=0, application/xhtml+xml;q=nonsense',
    'application/json',
    '*/*, text/vnd.wap.wml;q=0.5',
  ])
    assert.equal(markup(html), 'html', html)
  for (const xhtml of [
    'application/xhtml+xml',
    'APPLICATION/XHTML+XML; q=0.4',
    'application/xhtml+xml,text/html;q=0.9,*/*;q=0.5',
    'application/vnd.wap.xhtml+xml, */*',
    'application/vnd.wap.xhtml+xml, text/vnd.wap.wml, text/html',
  ])
    assert.equal(markup(xhtml), 'xhtml', xhtml)
  for (const wml of [
    'text/vnd.wap.wml',
    'text/vnd.wap.wml, image/vnd.wap.wbmp, */*',
    'text/html;q=0.1,text/vnd.wap.wml',
  ])
    assert.equal(markup(wml), 'wml', wml)
  assert.equal(termsOf('application/vnd.wap.xhtml+xml', null).type, 'application/vnd.wap.xhtml+xml')
  assert.deepEqual(termsOf(chromium, 'xhtml'), { markup: 'xhtml', type: 'application/xhtml+xml' })
  assert.deepEqual(termsOf('text/html', 'wml'), { markup: 'wml', type: 'text/vnd.wap.wml' })
})

/** A folder for pages, which all are held to the DTD at once. */
const pagesToHold = (t: TestContext) => {
  const folder = mkdtempSync(join(tmpdir(), 'wafer-xhtml-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const names: string[] = []
  return {
    names,
    add: (page: string, name: string) => {
      names.push(`${names.length} ${name}`)
      writeFileSync(join(folder, `${names.length - 1}.xhtml`), page)
    },
    hold: () => {
      const files = names.map((_, place) => join(folder, `${place}.xhtml`))
      const options = ['--nonet', '--noout', '--valid']
      const { stderr, status } = spawnSync('xmllint', [...options, ...files], {
        encoding: 'utf8',
        env: { ...process.env, XML_CATALOG_FILES: catalog },
      })
      assert.equal(status, 0, `${stderr.slice(0, 3_000)}\n${names.join('\n')}`)
    },
  }
}

const hasDtd = (t: TestContext) => {
  if (existsSync(catalog)) return true
  const sentence = 'This test needs the DTDs of the W3C: install with apt-get install w3c-sgml-lib.'
  if (process.env.CI) throw new Error(sentence)
  t.skip(sentence)
  return false
}

const withMail = async (t: TestContext): Promise<World> => {
  const server = await world(t)
  await server.addUser(ann, { name: 'Ann <"&\'> 山田' })
  await server.addUser('bob@example.org', { name: 'Bob' })
  const bob = await server.terminal('bob@example.org')
  await bob.unlock()
  const letter = { to: [ann], cc: [], bcc: [], subject: 'Sealed & <closed>', text: 'Only for <you> & "me".' }
  const file = { name: 'a&b.asc', type: 'text/plain', data: Buffer.from('x').toString('base64') }
  for (const encrypt of [true, false]) {
    const sent = await bob.post('/messages', {
      ...letter,
      attachments: [file],
      sign: encrypt,
      encrypt,
      draft: false,
    })
    assert.equal(sent.status, 201, JSON.stringify(sent.body))
  }
  return server
}

test('P86: every page is XHTML Basic 1.1 for who asks for that, and valid by its DTD', async (t) => {
  if (!needs(t, 'xmllint') || !hasDtd(t)) return
  const server = await withMail(t)
  const pages = pagesToHold(t)
  const types = new Set<string>()
  const typed = {
    passphrase,
    pass: password,
    to: ann,
    subject: 'walked',
    q: 'sealed',
    text: '<a> & "b"\n\n\u0007$(x)',
  }
  const walker = new Walker(server, ann, typed, {
    headers: { accept: 'application/xhtml+xml' },
    seen: (page, kind, headers) => {
      types.add(headers.get('content-type')!)
      assert.match(headers.get('vary')!, /Accept/)
      pages.add(page, kind)
    },
  })
  await walker.walk('/f/inbox')
  assert.deepEqual([...types], ['application/xhtml+xml;charset=utf-8'])
  assert.ok(walker.tried.size > 60, [...walker.tried.keys()].join('\n'))

  const phone = new Browser(server, { accept: 'application/vnd.wap.xhtml+xml', 'accept-language': 'ja' })
  const look = async (path: string, status: number) => {
    const page = await phone.go(path)
    assert.equal(page.status, status, path)
    assert.equal(page.headers.get('content-type'), 'application/vnd.wap.xhtml+xml;charset=utf-8')
    pages.add(page.html, path)
  }
  await look('/login', 200)
  await look('/login?out=1', 200)
  await look('/c', 200)
  await phone.go('/login?as=html')
  assert.match(phone.page.html, /^<!doctype html>/)
  await phone.press('ログイン', { user: ann, pass: password })
  assert.match(phone.page.html, /^<!doctype html>/, 'the choice holds after the log-in')
  await phone.go('/f/inbox?as=xhtml')
  await look('/m/99999', 404)
  await look('/nowhere', 404)
  await look('/f/sent', 200)
  pages.hold()
})

test('P86: every page is decks of WML for who asks for that, which a gateway compiles into what handsets take', async (t) => {
  if (!needs(t, 'xmllint', compiler)) return
  const server = await withMail(t)
  const decks = decksToHold(t)
  const types = new Set<string>()
  const typed = {
    passphrase,
    pass: password,
    to: ann,
    subject: 'walked $(x)',
    q: 'sealed',
    text: '<a> & "b" $(x)',
  }
  const walker = new Walker(server, ann, typed, {
    headers: { accept: 'text/vnd.wap.wml' },
    seen: (deck, kind, headers) => {
      types.add(headers.get('content-type')!)
      decks.add(deck, kind)
    },
  })
  await walker.walk('/f/inbox')
  assert.deepEqual([...types], ['text/vnd.wap.wml;charset=utf-8'])
  assert.ok(walker.tried.size > 60, [...walker.tried.keys()].join('\n'))
  decks.hold()
})

/** All decks of a page, as a handset asks for them one by one. */
const decksOf = (page: string): string[] => {
  const decks: string[] = []
  for (let seen: string | null = null; ; ) {
    const ticketFor = () => 'X'.repeat(42)
    const one = asWml(page, { seen, path: (next) => `?deck=${next}`, isAnew: true, ticketFor })
    decks.push(one.deck)
    if (!one.hasMore) return decks
    const next: string = one.deck.match(/\?deck=([\w.-]+)/)![1]!
    assert.ok(Number.parseFloat(next) > Number.parseFloat(seen ?? '-1'), one.deck)
    seen = next
  }
}

test('P86: pages that no walk comes to, such as the windows and their refusals, are XHTML and decks as well', async (t) => {
  if (!needs(t, 'xmllint', compiler) || !hasDtd(t)) return
  const seen: Browser[] = []
  const browserOf = (server: World, headers = {}) => {
    const browser = new Browser(server, headers)
    seen.push(browser)
    return browser
  }
  const empty = await world(t)
  const first = browserOf(empty)
  await first.go(new URL(empty.running.setupLink!).pathname)
  const begins = { address: ann, name: 'A "&<', pass: password, passphrase, passphrase2: passphrase }
  await first.press('Begin', { ...begins, pass: 'short', passphrase2: 'other' })
  await first.press('Begin', begins)
  assert.match(first.page.text, /Recovery code/)

  const server = await withMail(t)
  const [lynx, phone] = [browserOf(server), browserOf(server)]
  await lynx.go('/login')
  await lynx.press('Login', { user: 'ann', pass: 'wrong' })
  await lynx.press('Use passkey', { user: ann })
  await lynx.go('/login')
  await lynx.follow('日本語')
  await lynx.press('ログイン', { user: ann, pass: password })
  for (const path of [
    '/f/inbox',
    '/c',
    '/folders',
    '/p',
    '/s',
    '/ssh',
    '/k',
    '/t',
    '/log',
    '/files',
    '/find?q=from:x+zz:y',
    '/a',
  ])
    await lynx.go(path)
  await lynx.go('/folders')
  await lynx.press('English')
  await phone.logIn(ann)
  const sealed = (await phone.press('Decrypt')).path.replace(/\/open.*/, '')
  for (const holder of [lynx, phone]) {
    await holder.go(`${sealed}/open`)
    if (holder === phone) {
      await holder.press('Decrypt')
      await holder.press('OK')
    }
    await holder.press('OK', { passphrase: 'wrong' })
    await holder.press('OK', { passphrase })
    assert.match(holder.page.text, /Was encrypted/)
  }
  await lynx.go('/f/inbox')
  assert.match(lynx.page.happened, /stopped/)
  await lynx.go(`${sealed}/open`)
  await lynx.go('/f/inbox')
  await phone.press('Lock key')
  await lynx.go(`${sealed}/open`)
  await lynx.press('Approve on phone')
  await phone.go('/a')
  await phone.go('/f/inbox')
  await lynx.press('Check again')
  await phone.go('/files')
  await phone.press('Upload', { file: new File(['x'], 'a $(b) & <c>.asc') })
  await phone.follow('a $(b) & <c>.asc')
  await phone.go('/c')
  await phone.press('Send', { to: 'nobody', subject: '$(s)', text: 'x\n'.repeat(400) })
  await phone.press('Send', { to: 'x@elsewhere.example', prot: 'encrypt' })
  const hostile = [
    '$(v) $$ <do> \u0007\u202e ]]>',
    '$'.repeat(20_000),
    '山'.repeat(4_000),
    '&<>"'.repeat(2_000),
  ]
  for (const each of hostile)
    await server.deliver(
      ann,
      `From: "${each.slice(0, 900)}" <x@far.example>\nSubject: ${each.slice(0, 900)}\n\n${each}`,
    )
  for (const path of (await phone.go('/f/inbox')).html
    .match(/(?<=href="?)\/m\/\d+(?=[">])/g)!
    .slice(0, hostile.length)) {
    await phone.go(path)
    await phone.follow('Reply')
  }
  await phone.go('/f/inbox', new URLSearchParams({ t: 'another', a: 'read' }))
  assert.equal(phone.page.status, 403)
  for (const path of ['/m/99999', '/nowhere', '/deck?of=nothing', '/p/new']) await phone.go(path)

  const [pages, decks] = [pagesToHold(t), decksToHold(t)]
  const notEncrypted = notEncryptedPage(server.url, {}).body.toString()
  const all = seen.flatMap((browser) => browser.pages.map(({ html, path }) => ({ html, path })))
  for (const { html, path } of [...all, { html: notEncrypted, path: '426' }]) {
    pages.add(asXhtml(html), path)
    for (const deck of decksOf(html)) {
      decks.add(deck, path)
      assert.doesNotMatch(deck, /(?<!\$)(?:\$\$)*\$\((?!v[\w]{4}\))/, 'what strangers write is no variable')
    }
  }
  assert.ok(pages.names.length > 45, pages.names.join('\n'))
  pages.hold()
  decks.hold()
})

test('P86: the decks of an answer are for its session alone, a log-in empties the handset, and what it cannot have is left out', async (t) => {
  const server = await withMail(t)
  const accept = 'text/vnd.wap.wml'
  const formOf = (session: { cookies: Map<string, string> }) =>
    server.services.formToken(session.cookies.get('wafer')!)
  const [ours, theirs] = [new Browser(server), new Browser(server)]
  for (const browser of [ours, theirs]) await browser.logIn(ann)
  const deck = async (holder: Browser, path: string, body?: Record<string, string>) => {
    const { origin } = new URL(server.url)
    const cookie = [...holder.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await fetch(`${origin}${path}`, {
      headers: { accept, cookie },
      ...(body && { method: 'POST', body: new URLSearchParams({ ...body, t: formOf(holder) }) }),
    })
    return { status: answer.status, text: await answer.text() }
  }
  // A letter to nobody comes back with what is wrong, in more than one deck.
  const answer = await deck(ours, '/c', { a: 'send', subject: 'Ours', text: 'A line.\n'.repeat(200) })
  const next = answer.text.match(/href="(\/deck\?[^"]+)"/)![1]!.replaceAll('&amp;', '&')
  const again = await deck(ours, next)
  assert.equal(again.status, 200)
  assert.match(again.text, /Compose/)
  const refused = await deck(theirs, next)
  assert.notEqual(refused.status, 200)
  assert.doesNotMatch(refused.text, /A line|title="Text"/)

  // Who logs in finds nothing of those before in the handset, and of a long list its beginning.
  const stranger = new Browser(server)
  await stranger.go('/login')
  const typed = { t: stranger.page.value('t'), user: ann, pass: password }
  await stranger.go('/login?as=wml', new URLSearchParams(typed))
  assert.match(stranger.page.path, /^\/f\/inbox\?anew=1/)
  assert.match(stranger.page.html, /<card newcontext="true"/)
  const choicesFor = async (user: string, nameOf: (number: number) => string) => {
    const desk = await server.terminal(user)
    for (let number = 10; number < 35; number++)
      assert.equal((await desk.post('/folders', { name: nameOf(number) })).status, 201)
    const browser = new Browser(server)
    await browser.logIn(user)
    const decks = decksOf((await browser.go(user === ann ? '/f/inbox' : '/f/sent')).html).join('')
    assert.match(decks, /Left out/)
    const [, list] = decks.match(/title="Move to"[^>]*>(.*?)<\/select>/s) ?? []
    return list?.match(/<option/g)?.length ?? 0
  }
  assert.equal(await choicesFor(ann, (number) => `F${number}`), 20)
  const long = await choicesFor('bob@example.org', (number) => `${'長い名前'.repeat(9)}${number}`)
  assert.ok(long > 5, 'of long names there is room for fewer, and for some')

  await ours.go('/smime?a=add')
  await ours.unlock()
  const { text } = await deck(ours, '/smime?a=add')
  assert.match(text, /Make one for trying/)
  assert.doesNotMatch(text, /Passphrase of the file/)
})

test('P86: Chromium’s own Accept field leaves each page as it is in HTML, and its cookies in any markup', async (t) => {
  const server = await withMail(t)
  const pageFor = async (headers: Record<string, string>) => {
    const browser = new Browser(server, headers)
    await browser.go('/login')
    return browser.page
  }
  const [bare, accepting] = [await pageFor({}), await pageFor({ accept: chromium })]
  const without = (html: string) => html.replace(/name=t value=[\w-]+/, '')
  assert.equal(without(accepting.html), without(bare.html))
  assert.equal(accepting.headers.get('content-type'), 'text/html;charset=utf-8')
  const cookiesFor = async (accept: string, headers = {}) => {
    const answer = await fetch(`${server.url}/login?as=wml`, { headers: { accept, ...headers } })
    assert.equal(answer.headers.get('content-type'), 'text/vnd.wap.wml;charset=utf-8')
    return answer.headers.getSetCookie()
  }
  for (const each of await cookiesFor(chromium)) assert.match(each, /; HttpOnly; SameSite=Lax$/)
  const plain = [
    await cookiesFor('text/vnd.wap.wml'),
    await cookiesFor('text/vnd.wap.wml, text/html', { via: 'WAP/1.1 gateway (Kannel/1.4.5)' }),
  ]
  for (const each of plain.flat()) assert.match(each, /^[\w-]+=[\w-]+; Path=\/$/, 'a gateway knows no more')
})
