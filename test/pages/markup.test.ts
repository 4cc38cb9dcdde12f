/** Pages in the markup that a terminal prefers (P86): XHTML Basic 1.1, held to its DTD by xmllint. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { termsOf } from '../../web/languages/markup.ts'
import { Browser } from '../support/browser.ts'
import { needs } from '../support/programs.ts'
import { Walker } from '../support/walker.ts'
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
  assert.equal(termsOf('application/vnd.wap.xhtml+xml', null).type, 'application/vnd.wap.xhtml+xml')
  assert.deepEqual(termsOf(chromium, 'xhtml'), { markup: 'xhtml', type: 'application/xhtml+xml' })
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

test('P86: Chromium’s own Accept field leaves each page as it is in HTML', async (t) => {
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
})
