/** The JSON API as the contract fixes it, row by row. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cellOf } from '../support/databases.ts'
import { password, problem, Terminal, world } from '../support/world.ts'

const ann = 'ann@wafer.test'
const bob = 'bob@wafer.test'
const plain = (fields: string, text: string) => `From: Bob <${bob}>\nTo: ${ann}\n${fields}\n\n${text}\n`

test('S1090 S1180 P50: a session is begun with a token of its own, shown, and ended', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const anonymous = new Terminal(() => server.url)
  const begun = await anonymous.post('/session', { user: 'Ann@Wafer.Test', password, terminal: 'desk' })
  assert.equal(begun.status, 201)
  assert.equal(begun.body.user, ann)
  assert.equal(begun.body.idle_s, 900)
  assert.ok(Buffer.from(begun.body.token, 'base64url').length >= 32)
  assert.ok(Date.parse(begun.body.expires_at) > Date.now())
  assert.equal(begun.headers.get('cache-control'), 'no-store')
  const terminal = await server.terminal(ann)
  assert.notEqual(terminal.token, begun.body.token)
  const shown = await terminal.get('/session')
  assert.deepEqual([shown.body.user, shown.body.allowance, shown.body.stopped], [ann, null, null])
  assert.equal((await terminal.delete('/session')).status, 204)
  assert.equal(problem(await terminal.get('/session')), 'no-session')
})

test('S1090 B12: a wrong password and an unknown user get the same answer', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const anonymous = new Terminal(() => server.url)
  const answers = []
  for (const user of [ann, 'nobody@wafer.test'])
    answers.push(await anonymous.post('/session', { user, password: 'wrong password' }))
  const [wrong, unknown] = answers
  assert.equal(wrong!.status, 401)
  assert.equal(problem(wrong!), 'bad-credentials')
  assert.deepEqual(wrong!.body, unknown!.body)
  assert.deepEqual([...wrong!.headers.keys()], [...unknown!.headers.keys()])
})

test('B13: five wrong passwords, then a delay that the answer names; a new password by the operator ends it', async (t) => {
  const server = await world(t)
  const user = await server.addUser(ann)
  const anonymous = new Terminal(() => server.url)
  for (let round = 0; round < 5; round += 1)
    assert.equal(
      problem(await anonymous.post('/session', { user: ann, password: `wrong ${round}` })),
      'bad-credentials',
    )
  const refused = await anonymous.post('/session', { user: ann, password })
  assert.equal(refused.status, 429)
  assert.equal(problem(refused), 'slow-down')
  assert.ok(Number(refused.headers.get('retry-after')) > 0)
  await server.services.users.setPassword(user, 'another good password')
  assert.equal(
    (await anonymous.post('/session', { user: ann, password: 'another good password' })).status,
    201,
  )
})

test('F5 F7: folders are listed with their counts, made, and paged newest first', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  for (let n = 1; n <= 7; n += 1)
    await server.deliver(ann, plain(`Subject: number ${n}\nDate: ${new Date().toUTCString()}`, 'text'))
  const { body } = await terminal.get('/folders')
  assert.deepEqual(
    body.folders.map(({ name, kind, total, unread }: Record<string, unknown>) => [name, kind, total, unread]),
    [
      ['Inbox', 'inbox', 7, 7],
      ['Sent', 'sent', 0, 0],
      ['Drafts', 'drafts', 0, 0],
      ['Trash', 'trash', 0, 0],
    ],
  )
  assert.equal((await terminal.post('/folders', { name: 'Reisen 旅' })).status, 201)
  assert.equal(problem(await terminal.post('/folders', { name: 'REISEN 旅' })), 'exists')
  assert.equal(problem(await terminal.post('/folders', { name: ' ' })), 'bad-request')
  const subjects: string[] = []
  let next: string | null = ''
  while (next !== null) {
    const page = await terminal.get(`/folders/inbox/messages?limit=3${next && `&before=${next}`}`)
    assert.ok(page.body.messages.length <= 3)
    subjects.push(...page.body.messages.map((message: { subject: string }) => message.subject))
    next = page.body.next
  }
  assert.deepEqual(
    subjects,
    [7, 6, 5, 4, 3, 2, 1].map((n) => `number ${n}`),
  )
  assert.equal(problem(await terminal.get('/folders/Nowhere/messages')), 'not-found')
  assert.equal(
    (await terminal.get(`/folders/${encodeURIComponent('Reisen 旅')}/messages`)).body.messages.length,
    0,
  )
})

test('S1190: a message is shown, marked, moved, deleted, and its octets are those that were received', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  const raw = plain(
    'Subject: =?utf-8?B?5pel5pys6Kqe?=\nDate: Sat, 21 Nov 2026 10:00:00 +0900\nContent-Type: text/plain; charset=utf-8',
    'Hällo <b>\n',
  )
  await server.deliver(ann, raw)
  const [listed] = (await terminal.get('/folders/Inbox/messages')).body.messages
  assert.deepEqual(listed, {
    id: listed.id,
    from: `Bob <${bob}>`,
    to: ann,
    subject: '日本語',
    date: '2026-11-21T01:00:00.000Z',
    size: Buffer.byteLength(raw.replaceAll('\n', '\r\n')),
    seen: false,
    flagged: false,
    answered: false,
    attachments: 0,
    security: 'plain',
  })
  const path = `/messages/${listed.id}`
  const shown = await terminal.get(path)
  assert.equal(shown.body.folder, 'Inbox')
  assert.equal(shown.body.headers.subject, '日本語')
  assert.equal(shown.body.text.trim(), 'Hällo <b>')
  assert.equal(shown.body.signature.status, 'none')
  const octets = await terminal.get(`${path}/raw`)
  assert.equal(octets.headers.get('content-type'), 'message/rfc822')
  assert.equal(octets.body, raw.replaceAll('\n', '\r\n'))
  const marked = await terminal.patch(path, { seen: false, flagged: true, folder: 'Drafts' })
  assert.deepEqual([marked.body.seen, marked.body.flagged, marked.body.folder], [false, true, 'Drafts'])
  assert.equal((await terminal.delete(path)).status, 204)
  assert.equal((await terminal.get(path)).body.folder, 'Trash')
  assert.equal((await terminal.delete(path)).status, 204)
  assert.equal(problem(await terminal.get(path)), 'not-found')
})

test('One user never reaches another user’s mail, folders or key', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  await server.addUser(bob)
  const [annas, bobs] = [await server.terminal(ann), await server.terminal(bob)]
  const { body } = await bobs.post('/messages', { to: bob, text: 'mine', draft: true })
  await bobs.post('/folders', { name: 'Private' })
  await annas.unlock()
  await bobs.unlock()
  for (const answer of [
    await annas.get(`/messages/${body.id}`),
    await annas.get(`/messages/${body.id}/raw`),
    await annas.get(`/messages/${body.id}/parts/1`),
    await annas.post(`/messages/${body.id}/decrypt`),
    await annas.patch(`/messages/${body.id}`, { seen: true }),
    await annas.delete(`/messages/${body.id}`),
    await annas.get('/folders/Private/messages'),
  ])
    assert.equal(problem(answer), 'not-found')
  const { keyToken } = bobs
  bobs.keyToken = annas.keyToken
  assert.equal(problem(await bobs.post('/sign', { text: 'x' })), 'allowance-required')
  bobs.keyToken = keyToken
  assert.equal((await bobs.post('/sign', { text: 'x' })).status, 200)
})

test('Refusals come in their order: 401 before 404 before 409 before 403', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const [holder, other] = [await server.terminal(ann, 'holder'), await server.terminal(ann)]
  const { body } = await holder.post('/messages', { to: ann, text: 'x', draft: true })
  const anonymous = new Terminal(() => server.url)
  await holder.unlock()
  assert.equal((await anonymous.post('/messages/999/decrypt')).status, 401)
  assert.equal((await other.post('/messages/999/decrypt')).status, 404)
  assert.equal((await other.post(`/messages/${body.id}/decrypt`)).status, 409)
  assert.equal((await other.get(`/messages/${body.id}/parts/7`)).status, 409)
  await holder.delete('/allowance')
  assert.equal((await other.post(`/messages/${body.id}/decrypt`)).status, 403)
})

test('Search finds words in header fields and in the text of mail that is not encrypted, Japanese too', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  const utf8 = 'Content-Type: text/plain; charset=utf-8'
  await server.deliver(ann, plain(`Subject: invoice for November\n${utf8}`, 'please pay the cartographer'))
  await server.deliver(ann, plain(`Subject: other\n${utf8}`, '東京都に住んでいます'))
  await terminal.post('/messages', {
    to: ann,
    subject: 'sealed',
    text: 'the hidden word is xylophone',
    encrypt: true,
  })
  const found = async (words: string) => {
    const { body } = await terminal.get(`/folders/Inbox/messages?q=${encodeURIComponent(words)}`)
    return body.messages.map((message: { subject: string }) => message.subject)
  }
  assert.deepEqual(await found('cartographer'), ['invoice for November'])
  assert.deepEqual(await found('NOVEMBER invoi'), ['invoice for November'])
  assert.deepEqual(await found('東京'), ['other'])
  assert.deepEqual(await found('京都に住'), ['other'])
  assert.deepEqual(await found('京住'), [])
  assert.deepEqual(await found('xylophone'), [])
  assert.deepEqual(await found('sealed'), ['sealed'])
  assert.deepEqual(await found('bob@wafer.test pay'), ['invoice for November'])
  for (const words of ['"', '*', 'a" OR "b', 'NEAR(', '-', '%00'])
    assert.ok(Array.isArray(await found(words)), words)
})

test('S1400 S1510: a letter to a user of this server arrives; recipients, copies and drafts are as they should be', async (t) => {
  const server = await world(t)
  await server.addUser(ann, { name: 'Ann Ö' })
  await server.addUser(bob)
  const [annas, bobs] = [await server.terminal(ann), await server.terminal(bob)]
  const attachments = [
    {
      name: 'Gruß 日本.bin',
      type: 'application/x-thing',
      content: Buffer.from([0, 255, 10]).toString('base64'),
    },
  ]
  const sent = await annas.post('/messages', {
    to: [bob],
    bcc: ann,
    subject: 'hé 日本',
    text: 'Täxt\n',
    attachments,
  })
  assert.equal(sent.status, 201, JSON.stringify(sent.body))
  assert.equal(sent.body.folder, 'Sent')
  assert.deepEqual(sent.body.delivered.toSorted(), [ann, bob])
  assert.deepEqual(sent.body.queued, [])
  const [arrived] = (await bobs.get('/folders/Inbox/messages')).body.messages
  assert.equal(arrived.from, `Ann Ö <${ann}>`)
  assert.equal(arrived.subject, 'hé 日本')
  assert.equal(arrived.attachments, 1)
  const shown = (await bobs.get(`/messages/${arrived.id}`)).body
  assert.equal(shown.text.trim(), 'Täxt')
  assert.equal(shown.headers.bcc, undefined)
  assert.deepEqual(
    [shown.attachments[0].name, shown.attachments[0].type, shown.attachments[0].size],
    ['Gruß 日本.bin', 'application/x-thing', 3],
  )
  assert.doesNotMatch((await bobs.get(`/messages/${arrived.id}/raw`)).body, /^bcc/im)
  const part = await fetch(`${server.url}/api/messages/${arrived.id}/parts/${shown.attachments[0].id}`, {
    headers: { authorization: `Bearer ${bobs.token}` },
  })
  assert.deepEqual([...new Uint8Array(await part.arrayBuffer())], [0, 255, 10])
  assert.match(part.headers.get('content-disposition') ?? '', /^attachment/)

  const reply = await bobs.post('/messages', {
    to: ann,
    subject: 'Re: hé',
    text: 'ok',
    in_reply_to: arrived.id,
  })
  assert.equal(reply.status, 201)
  const [answer] = (await annas.get('/folders/Inbox/messages?limit=1')).body.messages
  assert.equal(
    (await annas.get(`/messages/${answer.id}`)).body.headers['in-reply-to'],
    shown.headers['message-id'],
  )
  // One conversation, by whatever mail of it.
  assert.equal(shown.thread, shown.headers['message-id'])
  assert.equal((await annas.get(`/messages/${answer.id}`)).body.thread, shown.thread)

  const copy = await annas.post(`/messages/${sent.body.id}/decrypt`)
  assert.equal(problem(copy), 'allowance-required', 'the copy lies encrypted')
  await annas.unlock()
  const opened = (await annas.post(`/messages/${sent.body.id}/decrypt`)).body
  assert.equal(opened.text.trim(), 'Täxt')
  assert.equal(opened.attachments.length, 1)
  const sealedPart = await annas.get(`/messages/${sent.body.id}/parts/${opened.attachments[0].id}`)
  assert.equal(sealedPart.status, 200)
})

test('Letters that cannot be sent are refused before anything is lost', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  const refused = async (letter: object) => {
    const answer = await terminal.post('/messages', { subject: 's', text: 'kept', ...letter })
    assert.equal(answer.status, 422, JSON.stringify(answer.body))
    return [problem(answer), answer.body.addresses]
  }
  assert.deepEqual(await refused({ to: 'no address' }), ['bad-address', ['no address']])
  assert.deepEqual(await refused({ to: `${ann}, nobody@wafer.test` }), ['bad-address', ['nobody@wafer.test']])
  assert.equal((await refused({ to: '' }))[0], 'bad-address')
  assert.deepEqual(await refused({ to: 'eve@elsewhere.test', encrypt: true }), [
    'no-key-for',
    ['eve@elsewhere.test'],
  ])
  assert.equal((await terminal.get('/folders/Drafts/messages')).body.messages.length, 0)
  assert.deepEqual(await refused({ to: 'eve@elsewhere.test' }), ['no-relay', ['eve@elsewhere.test']])
  const [draft] = (await terminal.get('/folders/Drafts/messages')).body.messages
  await terminal.unlock()
  assert.equal((await terminal.post(`/messages/${draft.id}/decrypt`)).body.text.trim(), 'kept')
  assert.equal((await terminal.get('/folders/Sent/messages')).body.messages.length, 0)
  assert.equal((await terminal.get('/folders/Inbox/messages')).body.messages.length, 0)
})

test('A Bcc of an encrypted letter stands in nobody else’s copy', async (t) => {
  const server = await world(t)
  for (const address of [ann, bob, 'carol@wafer.test']) await server.addUser(address)
  const terminal = await server.terminal(ann)
  await terminal.unlock()
  const sent = await terminal.post('/messages', {
    to: bob,
    bcc: 'carol@wafer.test',
    text: 'x',
    encrypt: true,
    sign: true,
  })
  assert.deepEqual(sent.body.delivered.toSorted(), [bob, 'carol@wafer.test'])
  const raws = []
  for (const address of [bob, 'carol@wafer.test']) {
    const reader = await server.terminal(address)
    const [{ id }] = (await reader.get('/folders/Inbox/messages')).body.messages
    raws.push((await reader.get(`/messages/${id}/raw`)).body)
    await reader.unlock()
    const opened = await reader.post(`/messages/${id}/decrypt`)
    assert.equal(opened.body.signature.status, 'valid')
    assert.equal(opened.body.signature.by, ann)
  }
  assert.notEqual(raws[0], raws[1])
  for (const raw of raws) assert.doesNotMatch(raw, /carol/i)
})

test('A letter that is held leaves when its time has come', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  await server.addUser(bob)
  const terminal = await server.terminal(ann)
  const held = await terminal.post('/messages', { to: bob, text: 'later', hold_s: 20 })
  assert.deepEqual([held.body.delivered, held.body.queued], [[], [bob]])
  const reader = await server.terminal(bob)
  const count = async () => (await reader.get('/folders/Inbox/messages')).body.messages.length
  await server.services.outbox.tick()
  assert.equal(await count(), 0)
  server.pass(21_000)
  await server.services.outbox.tick()
  assert.equal(await count(), 1)
})

test('P22: own keys are shown with both their names and their public half', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  const [key] = (await terminal.get('/keys')).body.keys
  assert.match(key.fingerprint, /^[0-9a-f]{40}$/)
  assert.deepEqual(key.aliases, [ann])
  assert.match(key.public, /^-----BEGIN PGP PUBLIC KEY BLOCK-----/)
  assert.deepEqual(key.methods, ['passphrase', 'recovery'])
  const halves = 'SELECT count(*) FROM key_pairs WHERE public_key IS NULL OR sealed_secret IS NULL'
  assert.equal(await cellOf(server.services.db, halves), 0)
  const user = await server.addUser('nokey@wafer.test', { key: false })
  const without = await server.terminal(user.address)
  assert.deepEqual((await without.get('/keys')).body.keys, [])
  assert.equal((await without.unlock()).status, 404)
})

test('Malformed calls get a problem document that names what is wrong, and never a stack', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  const calls: [string, string, unknown, number][] = [
    ['POST', '/session', { user: 1 }, 400],
    ['POST', '/allowance', {}, 400],
    ['POST', '/sign', { text: 5 }, 400],
    ['PATCH', '/messages/x', {}, 404],
    ['GET', '/folders/Inbox/messages?limit=0', undefined, 400],
    ['GET', '/folders/Inbox/messages?before=x', undefined, 400],
    ['GET', '/nothing', undefined, 404],
    ['POST', '/messages', { to: {} }, 400],
    ['POST', '/messages', { to: ann, attachments: [{ name: 'x', content: '***' }] }, 400],
  ]
  for (const [method, path, json, status] of calls) {
    const answer = await terminal.call(method, path, json)
    assert.equal(answer.status, status, `${method} ${path} ${JSON.stringify(answer.body)}`)
    assert.equal(answer.headers.get('content-type'), 'application/problem+json')
    assert.equal(answer.body.status, status)
    assert.doesNotMatch(JSON.stringify(answer.body), / at |node_modules|\.ts/)
  }
  const broken = await fetch(`${server.url}/api/sign`, {
    method: 'POST',
    headers: { authorization: `Bearer ${terminal.token}` },
    body: '{"text',
  })
  assert.equal(broken.status, 400)
})
