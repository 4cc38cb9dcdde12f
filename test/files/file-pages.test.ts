/** The box of files on pages, without scripts: what is pressed there, and what becomes of forms that end badly. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { Browser } from '../support/browser.ts'
import { passphrase, type World, world } from '../support/world.ts'

const ann = 'ann@wafer.test'
const bob = 'bob@wafer.test'

const octetsAt = async (made: World, browser: Browser, path: string) => {
  const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  const answer = await fetch(new URL(path, made.url), { headers: { cookie } })
  return { headers: answer.headers, octets: Buffer.from(await answer.arrayBuffer()) }
}

/** Presses a button that has a name of its own, in the form that it stands in, with what is typed. */
const choose = (browser: Browser, label: string, typed: Record<string, string> = {}) => {
  const forms = browser.page.html.match(/<form.*?<\/form>/gs) ?? []
  const pressed = new RegExp(`<button name=(\\w+)(?: value="?([^">]*)"?)?>${label}</button>`)
  const form = forms.find((each) => pressed.test(each)) ?? ''
  assert.ok(form, `expected a button ${label}, got ${browser.page.text}`)
  const [, name = '', value = ''] = form.match(pressed) ?? []
  const hidden = [...form.matchAll(/<input type=hidden name=(\w+) value="?([^">]*)"?>/g)]
  const sent = new URLSearchParams(hidden.map(([, field = '', held = '']) => [field, held]))
  for (const [field, text] of Object.entries({ ...typed, [name]: value })) sent.set(field, text)
  return browser.go(form.match(/action=([\w/]+)/)?.[1] ?? '', sent)
}

test('P24: files on pages: uploaded, found, downloaded through the unlock window, moved, removed', async (t) => {
  const made = await world(t)
  await made.addUser(ann)
  const browser = new Browser(made)
  await browser.logIn(ann)
  await browser.go('/folders')
  await browser.follow('Files')
  assert.equal(browser.page.heading, 'Files')
  assert.match(browser.page.text, /No files here.*0 B of/)
  await browser.press('Upload')
  assert.equal(browser.page.happened, 'Choose a file first. Nothing was uploaded.')

  const large = randomBytes(3 * 1024 * 1024 + 7)
  await browser.press('Upload', {
    file: [new File([large], 'plan b.bin'), new File(['the third pot'], 'key <b>&‮x.txt')] as never,
  })
  assert.equal(browser.page.happened, '2 files are here.')
  assert.match(browser.page.text, /key <b>&x\.txt 13 B.*plan b\.bin 3\.1 MB/)
  await browser.press('Upload', { file: new File(['another'], 'plan b.bin') })
  assert.match(browser.page.text, /plan b \(2\)\.bin 7 B.*plan b\.bin 3\.1 MB/)

  await browser.press('Create', { name: 'old' })
  assert.equal(browser.page.happened, 'The folder is made.')
  await browser.press('Create', { name: '../old' })
  assert.match(browser.page.happened, /This is no name for a file/)
  assert.equal(browser.page.value('name'), '../old')
  await browser.go('/files')
  await browser.follow('old/')
  assert.equal(browser.page.heading, 'Files: old')
  await browser.press('Upload', { file: new File(['in it'], 'deep.txt') })
  await browser.follow('deep.txt')
  await browser.follow('Download')
  assert.match(browser.page.text, /To read this file, the key needs your passphrase: deep\.txt/)
  await browser.press('Cancel')
  assert.equal(browser.page.heading, 'deep.txt')
  await browser.follow('Download')
  await browser.press('OK', { passphrase })
  assert.equal(browser.page.html, 'in it')
  const { headers, octets } = await octetsAt(made, browser, '/files/plan%20b.bin')
  assert.ok(octets.equals(large))
  assert.equal(headers.get('content-length'), String(large.length))
  assert.match(headers.get('content-disposition') ?? '', /^attachment; filename="plan b\.bin"/)
  assert.match(headers.get('content-security-policy') ?? '', /sandbox/)
  assert.equal(headers.get('x-content-type-options'), 'nosniff')
  assert.equal(headers.get('cache-control'), 'no-store')

  // Held elsewhere: the screens of the multiple use, then the file.
  const other = new Browser(made)
  await other.logIn(ann)
  await other.go('/files/old/deep.txt')
  assert.equal(other.page.heading, 'Key in use elsewhere')
  await other.press('Decrypt')
  assert.equal(other.page.heading, 'Stop the other use?')
  await other.press('OK')
  await other.press('OK', { passphrase })
  assert.equal(other.page.html, 'in it')

  await browser.go('/files?of=old/deep.txt')
  await browser.press('Rename or move', { to: 'plan b.bin' })
  assert.match(browser.page.happened, /There is a file plan b\.bin already/)
  await browser.press('Rename or move', { to: 'new/very deep.txt' })
  assert.deepEqual([browser.page.heading, browser.page.happened], ['very deep.txt', 'It lies here now.'])
  await browser.press('Remove')
  assert.equal(browser.page.heading, 'Remove very deep.txt?')
  await browser.press('Cancel')
  await browser.press('Remove')
  await browser.press('OK')
  assert.deepEqual([browser.page.heading, browser.page.happened], ['Files: new', 'It is removed.'])
  await browser.follow('Rename, move or remove this folder')
  await browser.press('Remove')
  await browser.press('OK')
  assert.ok(!browser.page.has('new/'))
  const user = await made.services.users.named(ann)
  for (let number = 10; number < 40; number++) await made.services.files.put(user, `many/${number}.txt`, [])
  await browser.go('/files?in=many')
  assert.ok(browser.page.has('29.txt') && !browser.page.has('30.txt'))
  await browser.follow('More files')
  assert.ok(browser.page.has('30.txt') && browser.page.has('39.txt') && !browser.page.has('More files'))
  for (const path of ['/files?in=nowhere', '/files?of=nowhere', '/files/nowhere', '/files?in=..%2F..'])
    assert.notEqual((await browser.go(path)).status, 200, path)
  const log = await browser.go('/log')
  assert.match(log.text, /deep\.txt/)
  for (const page of browser.pages) {
    assert.equal(page.html.match(/<h1>/g)?.length, 1, page.path)
    if (page.path.startsWith('/files')) assert.ok(page.size <= 3_500, `${page.path} ${page.size}`)
  }
})

test('P24: an attachment is saved to Files and attached from there, and the octets stay on the server', async (t) => {
  const made = await world(t)
  await made.addUser(ann)
  await made.addUser(bob)
  const terminal = await made.terminal(bob)
  const attached = randomBytes(40_000)
  await terminal.call('POST', '/messages', {
    to: ann,
    subject: 'Map',
    text: 'Here it is.',
    attachments: [{ name: 'map.bin', content: attached.toString('base64') }],
    encrypt: true,
  })
  const browser = new Browser(made)
  await browser.logIn(ann)
  await browser.follow('Map')
  await browser.follow('Save to Files')
  assert.equal(browser.page.value('path'), 'Map.eml', 'a mail as it came needs no key')
  await browser.press('Save to Files')
  assert.equal(browser.page.happened, 'Saved in Files.')
  await browser.follow('Decrypt')
  await browser.unlock()
  assert.match(browser.page.html, /map\.bin<\/a> 40 kB <a [^>]*>Save to Files/)
  const path = browser.page.link('Save to Files') ?? ''
  await browser.press('Lock key')
  await browser.go(path)
  assert.match(browser.page.text, /To save this, the key needs your passphrase/)
  await browser.press('OK', { passphrase })
  assert.equal(browser.page.value('path'), 'map.bin')
  await browser.press('Save to Files', { path: 'Map.eml' })
  assert.match(browser.page.happened, /There is a file Map\.eml already/)
  await browser.press('Save to Files', { path: 'maps/map.bin' })
  assert.equal(browser.page.happened, 'Saved in Files.')
  assert.match(browser.page.text, /Here it is/, 'back where one was')

  await browser.go('/c')
  const typed = { to: bob, subject: 'Your map', text: 'I typed this.', prot: 'plain' }
  await choose(browser, 'Attach from Files', typed)
  assert.equal(browser.page.heading, 'Attach from Files')
  await choose(browser, 'Cancel')
  assert.equal(browser.page.value('text').trim(), typed.text)
  await choose(browser, 'Attach from Files', typed)
  await choose(browser, 'maps/')
  await choose(browser, 'map\\.bin')
  assert.equal(browser.page.happened, 'Attached: map.bin.')
  assert.equal(browser.page.value('text').trim(), typed.text)
  await browser.press('Lock key')
  await browser.press('Send')
  await browser.unlock()
  assert.match(browser.page.happened, /Sent to bob@wafer\.test/)
  const [arrived] = (await terminal.get('/folders/Inbox/messages')).body.messages
  assert.equal(arrived.subject, 'Your map')
  const message = (await terminal.get(`/messages/${arrived.id}`)).body
  assert.deepEqual(
    message.attachments.map(({ name, size }: { name: string; size: number }) => [name, size]),
    [['map.bin', attached.length]],
  )
})

test('P24: an upload that is cut off, foreign, or larger than there is room for leaves nothing behind', async (t) => {
  const made = await world(t, { WAFER_QUOTA: '8MiB' })
  await made.addUser(ann)
  const browser = new Browser(made)
  await browser.logIn(ann)
  await browser.go('/files')
  const token = browser.page.html.match(/name=t value=([\w-]+)/)?.[1] ?? ''
  const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  const part = (head: string, content = '') =>
    `--x\r\nContent-Disposition: form-data; ${head}\r\n\r\n${content}\r\n`
  const fileHead = part('name="file"; filename="a.bin"').slice(0, -2)
  const send = (body: string, length: number, end = false) => {
    const socket = connect(Number(new URL(made.url).port), '127.0.0.1')
    socket.write(
      `POST /files HTTP/1.1\r\nHost: ${new URL(made.url).host}\r\nCookie: ${cookie}\r\nConnection: close\r\n` +
        `Content-Type: multipart/form-data; boundary=x\r\nContent-Length: ${length}\r\n\r\n${body}`,
    )
    if (end) socket.end()
    return socket
  }
  const answerOf = async (socket: ReturnType<typeof send>) => {
    let answer = ''
    socket.setEncoding('utf8')
    for await (const chunk of socket) answer += chunk
    return answer
  }
  const names = async () => (await made.services.files.list(1, { limit: 10 })).entries.map(({ name }) => name)
  const head = part('name="t"', token) + part('name="in"')

  // Who says that more comes than there is room for is told so before it has come.
  const refused = await answerOf(send(`${head}${fileHead}the beginning`, 1_000_000_000))
  assert.match(refused, /^HTTP\/1\.1 507 .*There is no room for this/s)
  // Who does not say so, when it is full.
  const chunked = await fetch(new URL('/files', made.url), {
    method: 'POST',
    headers: { cookie, 'content-type': 'multipart/form-data; boundary=x' },
    duplex: 'half',
    body: (async function* () {
      yield Buffer.from(head + fileHead)
      for (let n = 0; n < 20; n++) yield Buffer.alloc(1024 * 1024)
      yield Buffer.from('\r\n--x--\r\n')
    })() as never,
  } as never)
  assert.match(await chunked.text(), /There is no room for this/)
  // Without the form's token, not even a field is believed.
  const foreign = `${part('name="t"', 'another')}${fileHead}abc\r\n--x--\r\n`
  assert.match(await answerOf(send(foreign, foreign.length)), /^HTTP\/1\.1 403 /)
  // Ends in the middle of a file, and of the form's head.
  const cut = send(`${head}${fileHead}the beginning`, 5_000_000)
  cut.resume()
  await once(cut, 'connect')
  cut.destroy()
  const unfinished = `${head}${fileHead}without an end`
  assert.match(await answerOf(send(unfinished, unfinished.length)), /^HTTP\/1\.1 400 /)
  const garbage = '--x\r\nno header at all\r\n\r\n--x--\r\n'
  assert.match(await answerOf(send(garbage, garbage.length)), /^HTTP\/1\.1 40/)
  assert.deepEqual(await names(), [])
  // What follows the end of the form, as mail gateways may add it, is no part of it.
  const late = `${head}${fileHead}whole\r\n--x--\r\n`
  const socket = send(late, late.length + 9)
  await new Promise((resolve) => setImmediate(resolve))
  socket.write('epilogue.')
  assert.match(await answerOf(socket), /^HTTP\/1\.1 303 /)
  assert.deepEqual(await names(), ['a.bin'])
  // Nobody any more: the log-in, whatever comes behind it.
  const user = await made.services.users.named(ann)
  const { id } = (await made.services.sessions.list(user))[0]!
  await made.services.sessions.end(id, 'logout')
  assert.match(await answerOf(send(late, late.length)), /^HTTP\/1\.1 303 .*login\?next=\/files/s)
  assert.deepEqual(await names(), ['a.bin'])
  const space = await made.services.quota.space(1)
  assert.ok(space.used < 10_000, `nothing of the others counts: ${space.used}`)
  assert.ok(!made.logged.some((line) => line.includes('"level":50')), made.logged.join('\n'))
})
