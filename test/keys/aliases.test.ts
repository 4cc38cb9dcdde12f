/** Aliases: words, beside the address, by which a user's mailbox and key are found. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import nodemailer from 'nodemailer'
import { Browser } from '../support/browser.ts'
import { root } from '../support/places.ts'
import { needs } from '../support/programs.ts'
import { SshPerson } from '../support/ssh.ts'
import { password, problem, Terminal, type World, world } from '../support/world.ts'

const ann = 'ann@wafer.test'
const bob = 'bob@wafer.test'

const commandOf =
  (server: World) =>
  (input: string, ...words: string[]) => {
    const env = { ...process.env, ...server.database, WAFER_DATA: server.config.data }
    const call = [join(root, 'dist/wafer.js'), ...words]
    const { status, stdout, stderr } = spawnSync(process.execPath, call, { env, input, encoding: 'utf8' })
    return { status, stdout, stderr }
  }

const logIn = async (server: World, user: string, secret = password) =>
  new Terminal(() => server.url).post('/session', { user, password: secret })

test('An employee number finds mailbox and key as the address does: log-in, mail, look-ups and commands (P86)', async (t) => {
  const server = await world(t)
  await server.addUser(ann, { name: 'Ann' })
  await server.addUser(bob)
  const command = commandOf(server)
  const [annDesk, bobDesk] = [await server.terminal(ann, 'desk'), await server.terminal(bob)]

  // The operator gives one, the user another.
  const given = command('', 'key', 'alias', ann, '4711')
  assert.deepEqual([given.stdout, given.stderr], [`${ann} is found by 4711.\n`, ''])
  const own = await annDesk.post('/aliases', { alias: ' Kaiserin@WAFER.test' })
  assert.deepEqual([own.status, own.body.alias, own.body.published], [201, 'kaiserin', false])
  assert.match(command('', 'key', 'alias', '4711').stdout, /^4711\tnot published\t\S+Z\nkaiserin\t/)

  // Log-in: in any width and case; wrong passwords count together, whatever name they came by.
  for (const user of ['4711', '４７１１', 'KAISERIN', '4711@wafer.test'])
    assert.equal((await logIn(server, user)).body.user, ann, user)
  const browser = new Browser(server)
  await browser.go('/login')
  await browser.press('Login', { user: '4711', pass: password })
  assert.equal(browser.page.heading, 'Inbox (0)')
  const [unknown, wrong] = [await logIn(server, '4712', 'no'), await logIn(server, '4711', 'no')]
  assert.deepEqual(unknown.body, wrong.body)

  // Mail by SMTP, with a tag, and from another user by the address, the bare word and a name before it.
  const smtp = nodemailer.createTransport({
    port: server.running.smtp.port,
    host: '127.0.0.1',
    ignoreTLS: true,
  })
  const mail = { from: 'eve@elsewhere.test', to: '4711+pay@wafer.test', subject: 'by SMTP', text: 'x' }
  await smtp.sendMail(mail)
  await assert.rejects(smtp.sendMail({ ...mail, to: '4712@wafer.test' }), /no such mailbox/)
  for (const [to, subject] of [
    ['4711@wafer.test', 'whole'],
    ['4711', 'bare'],
    ['Her <kaiserin>, bob', 'named'],
  ]) {
    const sent = await bobDesk.post('/messages', { to, subject, text: 'x' })
    assert.equal(sent.status, 201, to)
  }
  const inbox = (await annDesk.get('/folders/inbox/messages')).body.messages
  assert.deepEqual(
    inbox.map(({ subject, to }: { subject: string; to: string }) => [subject, to]),
    [
      ['named', 'Her <kaiserin@wafer.test>, bob@wafer.test'],
      ['bare', '4711@wafer.test'],
      ['whole', '4711@wafer.test'],
      ['by SMTP', '4711+pay@wafer.test'],
    ],
  )
  assert.equal(problem(await bobDesk.post('/messages', { to: '4712', text: 'x' })), 'bad-address')

  // The key: to send, and in one's own list; a look-up by another as if there were none, until it is published.
  const lookUp = async (to: string) =>
    ((await bobDesk.post('/recipients', { to })).body.recipients as { address: string; key: boolean }[]).map(
      ({ address, key }) => ({ address, key }),
    )
  assert.deepEqual(await lookUp('4711@wafer.test'), [{ address: '4711@wafer.test', key: false }])
  assert.deepEqual(await lookUp('4712@wafer.test'), [{ address: '4712@wafer.test', key: false }])
  assert.deepEqual(await lookUp('bob, 4711'), [
    { address: bob, key: true },
    { address: '4711@wafer.test', key: false },
  ])
  const secret = await bobDesk.post('/messages', { to: '4711', subject: 'secret', text: 'x', encrypt: true })
  assert.equal(secret.status, 201)
  await annDesk.unlock()
  const [newest] = (await annDesk.get('/folders/inbox/messages')).body.messages
  assert.equal((await annDesk.post(`/messages/${newest.id}/decrypt`)).body.text.trim(), 'x')
  assert.deepEqual((await annDesk.get('/keys')).body.keys[0].aliases, [ann, '4711', 'kaiserin'])
  const exported = command('', 'key', 'export', '4711')
  assert.deepEqual([exported.stdout, exported.stderr], [command('', 'key', 'export', ann).stdout, ''])
  assert.doesNotMatch(exported.stdout, /4711/)
  assert.equal((await annDesk.post('/recipients', { to: '4711' })).body.recipients[0].key, true)
  assert.equal((await annDesk.patch(`/aliases/${own.body.id}`, { published: true })).body.published, true)
  assert.deepEqual(await lookUp('kaiserin'), [{ address: 'kaiserin@wafer.test', key: true }])
  assert.equal(command('', 'key', 'alias', ann, 'kaiserin', '--hide').status, 0)
  assert.match(command('', 'key', 'alias', ann, 'keiserin', '--hide').stderr, /There is no such alias/)
  assert.deepEqual(await lookUp('kaiserin'), [{ address: 'kaiserin@wafer.test', key: false }])

  // Taken away, by either; another may have it then.
  assert.equal((await bobDesk.delete(`/aliases/${own.body.id}`)).status, 404)
  assert.equal((await annDesk.delete(`/aliases/${own.body.id}`)).status, 204)
  assert.equal(problem(await logIn(server, 'kaiserin')), 'bad-credentials')
  assert.match(command('', 'key', 'alias', ann, '4711', '--remove').stdout, /^Removed 4711/)
  assert.match(
    command('', 'key', 'alias', ann, '4711', '--remove').stderr,
    /^wafer: There is no such alias\.\n$/,
  )
  assert.deepEqual((await annDesk.get('/aliases')).body, { aliases: [] })
  assert.equal((await bobDesk.post('/aliases', { alias: '4711' })).status, 201)
  const reasons = (await annDesk.get('/log')).body.events.map(({ reason }: { reason: string }) => reason)
  for (const reason of ['alias-added 4711', 'alias-hidden kaiserin', 'alias-removed kaiserin'])
    assert.ok(reasons.includes(reason), reason)
})

test('An alias is one user’s of all, and of the addresses; what tells more than it must is slowed down and kept (P86)', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  await server.addUser(bob, { key: false })
  await server.addUser('cleo@other.test', { key: false })
  const [annDesk, cleo] = [await server.terminal(ann), await server.terminal('cleo@other.test')]
  const command = commandOf(server)
  const add = async (alias: string) => problem(await annDesk.post('/aliases', { alias }))

  for (const alias of [
    '',
    'a b',
    'a+b',
    'a@b@wafer.test',
    'x@other.test',
    '-x',
    '.x',
    'x..y',
    '"x"',
    'x\u202e',
    'x\ufe0f', // nothing that is seen
    'x\u3164',
    '\u0430dmin', // Cyrillic
    'ro\u03bft', // Greek
    'x'.repeat(65),
  ])
    assert.equal(await add(alias), 'bad-name', alias)
  assert.equal(await add('Postmaster'), 'bad-name')
  assert.equal((await annDesk.post('/aliases', { alias: '社員７' })).body.alias, '社員7')
  assert.equal(await add('社員7'), 'exists')
  assert.equal(await add('bob'), 'exists')
  assert.equal(await add('cleo'), 'exists')
  assert.match(command('', 'key', 'alias', bob, '社員7').stderr, /alias is taken/)
  // Two at the same time, and a user whose address begins so.
  const both = await Promise.all([annDesk, cleo].map((desk) => desk.post('/aliases', { alias: 'both' })))
  assert.deepEqual(both.map(({ status }) => status).sort(), [201, 409])
  const clash = command(`${password}\n`, 'user', 'add', '社員7@third.test', '--password-stdin')
  assert.match(clash.stderr, /“社員7” is an alias of ann@wafer\.test/)
  assert.equal(clash.status, 1)
  // It counts in its owner's domain alone; what is for the operator, the operator gives.
  await annDesk.post('/aliases', { alias: 'info' })
  assert.equal(problem(await cleo.post('/messages', { to: 'info', text: 'x' })), 'bad-address')
  assert.equal((await cleo.post('/messages', { to: 'info@wafer.test', text: 'x' })).status, 201)
  assert.equal(command('', 'key', 'alias', bob, 'postmaster').status, 0)
  const smtp = nodemailer.createTransport({
    port: server.running.smtp.port,
    host: '127.0.0.1',
    ignoreTLS: true,
  })
  await smtp.sendMail({ envelope: { from: 'eve@elsewhere.test', to: ['postmaster@wafer.test'] }, text: 'x' })
  assert.equal(
    (await server.services.mailboxes.folders((await server.services.users.named(bob)).id))[0]!.total,
    1,
  )

  // Who tries one number after the other is held up, and so is one who has many; a stranger's look-up tells nothing.
  for (let place = 0; place < 10; place++) await add('cleo')
  assert.equal(await add('cleo'), 'slow-down')
  for (let place = 0; place < 20; place++) await cleo.post('/aliases', { alias: `c${place}` })
  assert.equal(problem(await cleo.post('/aliases', { alias: 'one-more' })), 'bad-request')

  assert.equal(command('', 'key', 'alias', ann, 'info', '--publish', '--remove').status, 2)
  assert.equal(command('', 'key', 'alias', ann, '--publish').status, 2)
})

test('The page of aliases says what they are for, adds, publishes and removes them, in both languages (P86)', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  await server.addUser(bob, { key: false })
  const browser = new Browser(server)
  await browser.logIn(ann)
  await browser.go('/k')
  await browser.follow('Aliases')
  assert.match(browser.page.text, /mail to word@wafer\.test/)
  await browser.press('Add', { alias: ' ' })
  assert.equal(browser.page.happened, 'Nothing was typed, and nothing was added.')
  await browser.press('Add', { alias: 'bob' })
  assert.match(browser.page.happened, /taken/)
  assert.equal(browser.page.value('alias'), 'bob')
  await browser.press('Add', { alias: '65-170839-J-003' })
  assert.match(browser.page.text, /65-170839-j-003 , not published/)
  await browser.press('Publish')
  assert.match(browser.page.text, /65-170839-j-003 , published/)
  await browser.press('Publish no longer')
  await browser.press('Remove')
  assert.equal(browser.page.happened, 'The alias is removed: it finds you no more.')
  browser.cookies.set('lang', 'ja')
  await browser.go('/aliases')
  assert.equal(browser.page.heading, '別名')
  await browser.go('/log')
  assert.match(browser.page.text, /別名を公開した/)
})

test('By SSH an alias logs in as the address does (P86, S1080/P88)', async (t) => {
  if (!needs(t, 'ssh')) return
  const server = await world(t, { WAFER_SSH_PORT: '0' })
  const user = await server.addUser(ann, { key: false })
  await server.services.aliases.add(user, '4711', false, { terminal: 'desk', address: '' })
  const person = new SshPerson(t, server.running.ssh!.port, '4711')
  assert.match((await person.run(['status'])).out, /^user\tann@wafer\.test$/m)
})
