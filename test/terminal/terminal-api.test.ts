/** What the JSON API has for a client that people stay in: contact, jumps in long lists, letters taken back, completion. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openServices } from '../../server/main.ts'
import { isEmpty, isPutOff, queueOf, Relay } from '../support/relay.ts'
import { passphrase, password, problem, Terminal, type World, world } from '../support/world.ts'

const ann = 'ann@wafer.test'
const bob = 'bob@wafer.test'
const carol = 'carol@wafer.test'
const plain = (fields: string, text = 'text') => `From: Bob <${bob}>\nTo: ${ann}\n${fields}\n\n${text}\n`

/** A terminal that promised to keep contact. */
const beating = async (server: World, user: string, heartbeat_s: number, name = 'beating') => {
  const terminal = new Terminal(() => server.url)
  const { status, body } = await terminal.post('/session', { user, password, terminal: name, heartbeat_s })
  assert.equal(status, 201)
  terminal.token = body.token
  return terminal
}

const list = async (terminal: Terminal, folder: string) =>
  (await terminal.get(`/folders/${folder}/messages`)).body.messages

// ---- contact

test('A terminal that promised to keep contact holds the key while it does, and its session lives on without', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const terminal = await beating(server, ann, 60)
  assert.equal((await terminal.unlock()).status, 201)
  server.pass(59_000)
  assert.equal((await terminal.post('/sign', { text: 'x' })).status, 200)
  for (let beat = 0; beat < 4; beat += 1) {
    server.pass(30_000)
    assert.equal((await terminal.get('/session')).status, 200)
  }
  assert.equal((await terminal.post('/sign', { text: 'x' })).status, 200)
  server.pass(60_000)
  const late = await terminal.post('/sign', { text: 'x' })
  assert.deepEqual([late.status, problem(late)], [403, 'allowance-required'])
  const session = await terminal.get('/session')
  assert.deepEqual([session.status, session.body.allowance, session.body.stopped], [200, null, null])
  assert.equal((await terminal.post('/sign', { text: 'x' })).status, 403, 'what was lost stays lost')
  const [ended] = (await terminal.get('/log')).body.events.filter(
    ({ event }: { event: string }) => event === 'ended',
  )
  assert.deepEqual([ended.reason, ended.terminal], ['contact-lost', 'beating'])
  assert.equal((await terminal.unlock()).status, 201)
  assert.equal((await terminal.post('/sign', { text: 'x' })).status, 200)
})

test('Another terminal needs no takeover from one that was not heard of for its time; just before, it does (P85)', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const holder = await beating(server, ann, 60, 'killed')
  const other = await server.terminal(ann, 'other')
  const user = await server.services.users.named(ann)
  const contactAt = async () => (await server.services.sessions.list(user))[0]!.contactAt
  await holder.unlock()
  const ageBecomes = async (ms: number) => server.pass((await contactAt()) + ms - server.services.clock())
  await ageBecomes(45_000)
  assert.equal(problem(await other.unlock()), 'key-in-use')
  assert.equal((await holder.post('/sign', { text: 'x' })).status, 200)
  await ageBecomes(60_000)
  assert.equal((await other.unlock()).status, 201)
  const refused = await holder.post('/sign', { text: 'x' })
  assert.deepEqual([refused.status, problem(refused)], [409, 'key-in-use'])
  assert.equal((await other.post('/sign', { text: 'x' })).status, 200, 'the late one took nothing with it')
  const events = (await other.get('/log')).body.events
  assert.deepEqual(
    events
      .map(({ event, terminal, reason }: Record<string, string>) => [event, terminal, reason])
      .slice(1, 3),
    [
      ['granted', 'other', 'sign'],
      ['ended', 'killed', 'contact-lost'],
    ],
  )
})

test('The end of contact is on the ledger though nobody asks for the key, once', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const holder = await beating(server, ann, 5)
  const other = await server.terminal(ann)
  await holder.unlock()
  server.pass(5000)
  await server.services.allowances.sweep()
  await server.services.allowances.sweep()
  assert.equal((await holder.get('/session')).body.allowance, null)
  const { events } = (await other.get('/log')).body
  assert.equal(events.filter(({ reason }: { reason: string }) => reason === 'contact-lost').length, 1)
  assert.deepEqual(await server.services.ledger.faults(), new Map())
})

test('A session without a promise keeps the key as long as ever', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  await terminal.unlock()
  server.pass(299_000)
  assert.equal((await terminal.post('/sign', { text: 'x' })).status, 200)
})

test('A heartbeat is a whole number of seconds from 5 to 900', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const terminal = new Terminal(() => server.url)
  const status = async (heartbeat_s: unknown) =>
    (await terminal.post('/session', { user: ann, password, heartbeat_s })).status
  for (const good of [5, 900]) assert.equal(await status(good), 201, String(good))
  for (const bad of [4, 901, 0, -1, 7.5, '30', null]) assert.equal(await status(bad), 400, String(bad))
})

test('The limits of contact, to the millisecond: kept, lost at the limit, noted by a third of it', async (t) => {
  const server = await world(t)
  await server.stop()
  let now = Date.UTC(2026, 10, 22)
  const services = await openServices(server.config, { clock: () => now })
  t.after(() => services.close())
  const user = await services.users.add({ address: ann, password })
  await services.keyrings.add(user, passphrase, { generate: { name: '', address: ann } })
  const logIn = { user, requireStands: async () => {} }
  const { token, session } = await services.sessions.begin(logIn, 'a', '127.0.0.1', { heartbeatMs: 30_000 })
  const { session: other } = await services.sessions.begin(logIn, 'b', '127.0.0.1')
  await services.allowances.grantByPassphrase(session, passphrase)
  const states = async () => [
    (await services.allowances.state(session)).state,
    (await services.allowances.state(other)).state,
  ]
  now += 9999
  assert.equal((await services.sessions.contact(token))!.contactAt, now - 9999)
  now += 1
  assert.equal((await services.sessions.contact(token))!.contactAt, now)
  now += 29_999
  await services.allowances.sweep()
  assert.deepEqual(await states(), ['open', 'elsewhere'])
  now += 1
  assert.deepEqual(await states(), ['locked', 'locked'])
  now += 1
  assert.deepEqual(await states(), ['locked', 'locked'])
  await services.sessions.contact(token)
  assert.deepEqual(await states(), ['locked', 'locked'], 'a late contact brings nothing back')
  const [last] = await services.ledger.list(user.id, null, 1)
  assert.deepEqual(
    [last!.event, last!.reason, last!.method],
    ['ended', { kind: 'contact-lost' }, 'passphrase'],
  )
})

// ---- lists

test('A list can be entered at any place, and goes on from there (F5)', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  for (let n = 1; n <= 9; n += 1)
    await server.deliver(ann, plain(`Subject: number ${n}`, n % 2 ? 'odd' : 'even'))
  const page = async (query: string) => {
    const { status, body } = await terminal.get(`/folders/Inbox/messages?${query}`)
    assert.equal(status, 200, JSON.stringify(body))
    return [body.messages.map(({ subject }: { subject: string }) => Number(subject.slice(7))), body.next]
  }
  assert.deepEqual((await page('limit=2&offset=0'))[0], [9, 8])
  const [middle, next] = await page('limit=2&offset=3')
  assert.deepEqual(middle, [6, 5])
  assert.deepEqual((await page(`limit=2&before=${next}`))[0], [4, 3])
  assert.deepEqual(await page('limit=5&offset=7'), [[2, 1], null])
  for (const past of [9, 10, 999_999_999]) assert.deepEqual(await page(`offset=${past}`), [[], null])
  assert.deepEqual((await page('q=odd&limit=2&offset=1'))[0], [7, 5])
  for (const bad of [
    'offset=-1',
    'offset=x',
    'offset=',
    'offset=1.5',
    'offset=1234567890',
    `offset=1&before=${next}`,
  ])
    assert.equal((await terminal.get(`/folders/Inbox/messages?${bad}`)).status, 400, bad)
})

test('Rows say which mails were answered; an answer by the API marks its mail', async (t) => {
  const server = await world(t)
  for (const user of [ann, bob]) await server.addUser(user)
  const terminal = await server.terminal(ann)
  await server.deliver(ann, plain('Subject: one\nMessage-ID: <1@x>'))
  await server.deliver(ann, plain('Subject: two\nMessage-ID: <2@x>'))
  const [two, one] = await list(terminal, 'Inbox')
  assert.deepEqual([one.answered, two.answered], [false, false])
  await terminal.post('/messages', { to: bob, text: 'later', in_reply_to: two.id, draft: true })
  await terminal.post('/messages', { to: bob, text: 'ok', in_reply_to: one.id })
  assert.deepEqual(
    (await list(terminal, 'Inbox')).map(({ answered }: { answered: boolean }) => answered),
    [false, true],
  )
})

test('Many messages are marked and moved in one call, and only one’s own', async (t) => {
  const server = await world(t)
  for (const user of [ann, bob]) await server.addUser(user)
  const [annas, bobs] = [await server.terminal(ann), await server.terminal(bob)]
  for (let n = 0; n < 4; n += 1) await server.deliver(ann, plain(`Subject: ${n}`))
  await server.deliver(bob, plain('Subject: private'))
  const [foreign] = await list(bobs, 'Inbox')
  const ids: number[] = (await list(annas, 'Inbox')).map(({ id }: { id: number }) => id)
  const marked = await annas.patch('/messages', {
    ids: [...ids.slice(0, 2), foreign.id, 99_999],
    seen: true,
    flagged: true,
  })
  assert.deepEqual([marked.status, marked.body], [200, { changed: 2 }])
  assert.deepEqual(
    (await list(annas, 'Inbox')).map(({ seen, flagged }: Record<string, boolean>) => [seen, flagged]),
    [
      [true, true],
      [true, true],
      [false, false],
      [false, false],
    ],
  )
  assert.deepEqual(
    (await annas.patch('/messages', { ids: ids.slice(1), folder: 'trash', seen: true })).body,
    { changed: 3 },
  )
  assert.deepEqual([(await list(annas, 'Inbox')).length, (await list(annas, 'Trash')).length], [1, 3])
  assert.deepEqual([(await list(bobs, 'Inbox'))[0].seen], [false])
  assert.deepEqual((await annas.patch('/messages', { ids: [], seen: true })).body, { changed: 0 })
  assert.deepEqual((await annas.patch('/messages', { ids })).body, { changed: 0 })
  assert.equal(problem(await annas.patch('/messages', { ids, folder: 'Nowhere', seen: false })), 'not-found')
  assert.equal((await list(annas, 'Inbox'))[0].seen, true, 'a refused call changes nothing')
  assert.equal(
    problem(await new Terminal(() => server.url).patch('/messages', { ids, seen: true })),
    'no-session',
  )
  const thousand = Array.from({ length: 1000 }, (_, n) => n + 1)
  assert.equal((await annas.patch('/messages', { ids: thousand, seen: false })).status, 200)
  for (const bad of [
    {},
    { ids: 'all' },
    { ids: [...thousand, 1001], seen: true },
    { ids: [0], seen: true },
    { ids: [1.5], seen: true },
    { ids, seen: 1 },
    { ids, answered: true },
  ])
    assert.equal(
      problem(await annas.patch('/messages', bad)),
      'bad-request',
      JSON.stringify(bad).slice(0, 60),
    )
})

// ---- letters

test('A draft takes the place of the one before it, and what is sent that of its draft; of no other mail', async (t) => {
  const server = await world(t)
  for (const user of [ann, bob]) await server.addUser(user)
  const terminal = await server.terminal(ann)
  await server.deliver(ann, plain('Subject: stays'))
  const [other] = await list(terminal, 'Inbox')
  const save = async (text: string, replaces?: number) => {
    const { status, body } = await terminal.post('/messages', {
      to: bob,
      subject: text,
      text,
      draft: true,
      replaces,
    })
    assert.deepEqual([status, body.held_until], [201, null])
    return body.id as number
  }
  const first = await save('one')
  const second = await save('two', first)
  assert.deepEqual(
    (await list(terminal, 'Drafts')).map(({ subject }: { subject: string }) => subject),
    ['two'],
  )
  await save('three', other.id)
  await save('four', first) // gone already: nothing is lost by it
  assert.equal((await list(terminal, 'Drafts')).length, 3)
  assert.equal((await list(terminal, 'Inbox')).length, 1)
  const sent = await terminal.post('/messages', { to: bob, text: 'two', replaces: second })
  assert.deepEqual([sent.status, sent.body.held_until, sent.body.delivered], [201, null, [bob]])
  assert.deepEqual(
    (await list(terminal, 'Drafts')).map(({ subject }: { subject: string }) => subject),
    ['four', 'three'],
  )
  const refused = await terminal.post('/messages', {
    to: 'eve@far.example',
    text: 'x',
    replaces: (await list(terminal, 'Drafts'))[0].id,
  })
  assert.equal(problem(refused), 'no-relay')
  const drafts = await list(terminal, 'Drafts')
  assert.equal(drafts.length, 2)
  assert.ok(drafts.some(({ id }: { id: number }) => id === refused.body.draft))
  assert.equal((await terminal.post('/messages', { to: bob, draft: true, replaces: 'x' })).status, 400)
})

for (const { how, sign, encrypt } of [
  { how: 'in plain', sign: false, encrypt: false },
  { how: 'signed', sign: true, encrypt: false },
  { how: 'encrypted', sign: false, encrypt: true },
  { how: 'signed and encrypted', sign: true, encrypt: true },
])
  test(`A held letter (${how}) comes back as a draft with everything in it, and nothing of it leaves`, async (t) => {
    const server = await world(t)
    for (const user of [ann, bob, carol]) await server.addUser(user, { name: user.slice(0, 3) })
    const terminal = await server.terminal(ann)
    await terminal.unlock()
    const attachments = [{ name: '日本.bin', type: 'application/x-thing', content: 'AP8K' }]
    const letter = {
      to: `Bob <${bob}>`,
      cc: ann,
      bcc: `Carol Ö <${carol}>`,
      subject: 'hé',
      text: 'Täxt\n',
      in_reply_to: '<a@b>',
    }
    const held = await terminal.post('/messages', { ...letter, attachments, sign, encrypt, hold_s: 15 })
    assert.equal(held.status, 201, JSON.stringify(held.body))
    assert.deepEqual([held.body.folder, held.body.delivered], ['Sent', []])
    assert.deepEqual(held.body.queued.toSorted(), [ann, bob, carol])
    const waitMs = Date.parse(held.body.held_until) - server.services.clock()
    assert.ok(waitMs <= 15_000 && waitMs > 0, String(waitMs))
    await server.services.outbox.tick()
    const back = await terminal.post(`/messages/${held.body.id}/recall`)
    assert.deepEqual([back.status, back.body], [200, { id: held.body.id, folder: 'Drafts' }])
    server.pass(16_000)
    await server.services.outbox.tick()
    for (const user of [ann, bob, carol])
      assert.deepEqual(await list(await server.terminal(user), 'Inbox'), [], user)
    assert.deepEqual(await list(terminal, 'Sent'), [])
    assert.equal((await list(terminal, 'Drafts'))[0].id, held.body.id)

    const session = (await server.services.sessions.contact(terminal.token!))!
    const draft = await server.services.letters.draft(session, terminal.keyToken, held.body.id)
    assert.deepEqual(
      [draft.sign, draft.encrypt, draft.subject, draft.text.trim()],
      [sign, encrypt, 'hé', 'Täxt'],
    )
    assert.match(draft.to, new RegExp(`Bob <${bob}>`))
    assert.match(draft.cc, new RegExp(ann))
    assert.match(draft.bcc, new RegExp(`Carol Ö <${carol}>`))
    const parts = draft.attachments.map(({ id }) => id)
    const { reading } = server.services
    const files = await reading.attachments(session, terminal.keyToken, held.body.id, parts)
    assert.deepEqual(
      files.map((file) => [file?.name, file?.type, [...(file?.octets ?? [])]]),
      [['日本.bin', 'application/x-thing', [0, 255, 10]]],
    )
    assert.equal(draft.inReplyTo?.messageId, '<a@b>')
    const opened = (await terminal.post(`/messages/${held.body.id}/decrypt`)).body
    const protection = [sign && 'sign', encrypt && 'encrypt'].filter(Boolean).join(' ') || 'none'
    assert.deepEqual([opened.headers['x-wafer-protection'], opened.text.trim()], [protection, 'Täxt'])

    const again = await terminal.post('/messages', { ...letter, sign, encrypt, replaces: held.body.id })
    assert.deepEqual(again.body.delivered.toSorted(), [ann, bob, carol])
    assert.deepEqual(await list(terminal, 'Drafts'), [])
  })

test('A held letter that leaves says nothing of its Bcc and of how it was protected', async (t) => {
  const server = await world(t)
  for (const user of [ann, bob, carol]) await server.addUser(user)
  const terminal = await server.terminal(ann)
  for (const encrypt of [false, true])
    await terminal.post('/messages', { to: bob, bcc: carol, text: 'x', encrypt, hold_s: 5 })
  server.pass(5000)
  await server.services.outbox.tick()
  for (const user of [bob, carol]) {
    const reader = await server.terminal(user)
    const arrived = await list(reader, 'Inbox')
    assert.equal(arrived.length, 2)
    for (const { id } of arrived)
      assert.doesNotMatch((await reader.get(`/messages/${id}/raw`)).body, /carol|x-wafer/i)
  }
})

test('What has left is not taken back, nor is another’s letter, nor a mail that was none', async (t) => {
  const server = await world(t)
  for (const user of [ann, bob]) await server.addUser(user)
  const [annas, bobs] = [await server.terminal(ann), await server.terminal(bob)]
  const held = await annas.post('/messages', { to: bob, text: 'x', hold_s: 10 })
  const path = `/messages/${held.body.id}/recall`
  assert.equal(problem(await bobs.post(path)), 'not-found')
  assert.equal(problem(await annas.post('/messages/9999/recall')), 'not-found')
  assert.equal(problem(await new Terminal(() => server.url).post(path)), 'no-session')
  server.pass(10_000)
  await server.services.outbox.tick()
  const late = await annas.post(path)
  assert.deepEqual([late.status, problem(late)], [409, 'too-late'])
  assert.equal((await list(annas, 'Sent'))[0].id, held.body.id)
  assert.equal((await list(bobs, 'Inbox')).length, 1)
  const sent = await annas.post('/messages', { to: bob, text: 'x' })
  const draft = await annas.post('/messages', { to: bob, text: 'x', draft: true })
  for (const { body } of [sent, draft])
    assert.equal(problem(await annas.post(`/messages/${body.id}/recall`)), 'too-late')
  const twice = await annas.post('/messages', { to: bob, text: 'x', hold_s: 10 })
  assert.equal((await annas.post(`/messages/${twice.body.id}/recall`)).status, 200)
  assert.equal(problem(await annas.post(`/messages/${twice.body.id}/recall`)), 'too-late')
})

test('The same draft sent three times at once leaves once, held or not', async (t) => {
  const server = await world(t)
  for (const user of [ann, bob]) await server.addUser(user)
  const [annas, bobs] = [await server.terminal(ann), await server.terminal(bob)]
  for (const hold_s of [0, 10]) {
    const { id } = (await annas.post('/messages', { to: bob, text: 'x', draft: true })).body
    const send = () => annas.post('/messages', { to: bob, text: 'once', replaces: id, hold_s })
    const answers = await Promise.all([send(), send(), send()])
    const statuses = answers.map(({ status }) => status).sort()
    // One that comes after all is over is a letter of its own, for its draft is gone.
    assert.deepEqual(statuses, [201, 409, 409], JSON.stringify(answers.map(({ body }) => body)))
    assert.equal(problem(answers.find(({ status }) => status === 409)!), 'exists')
    server.pass(11_000)
    await server.services.outbox.tick()
    assert.deepEqual(await list(annas, 'Drafts'), [])
    assert.equal((await list(annas, 'Sent')).length, hold_s ? 2 : 1)
    assert.equal((await list(bobs, 'Inbox')).length, hold_s ? 2 : 1)
  }
})

test('A letter that its writer could not open again is held, but does not pretend that it can be taken back', async (t) => {
  const server = await world(t)
  await server.addUser(ann, { key: false })
  await server.addUser(bob)
  const [annas, bobs] = [await server.terminal(ann), await server.terminal(bob)]
  const held = await annas.post('/messages', { to: bob, text: 'x', encrypt: true, hold_s: 10 })
  assert.deepEqual([held.status, held.body.held_until, held.body.queued], [201, null, [bob]])
  assert.equal(problem(await annas.post(`/messages/${held.body.id}/recall`)), 'too-late')
  assert.deepEqual(await list(bobs, 'Inbox'), [])
  server.pass(10_000)
  await server.services.outbox.tick()
  assert.equal((await list(bobs, 'Inbox')).length, 1)
})

test('Of taking back and leaving, one happens, whoever comes first: a letter is never in both places nor in none', async (t) => {
  const server = await world(t)
  for (const user of [ann, bob, carol]) await server.addUser(user)
  const terminal = await server.terminal(ann)
  const readers = [await server.terminal(bob), await server.terminal(carol)]
  let recalls = 0
  for (let round = 0; round < 16; round += 1) {
    const held = await terminal.post('/messages', {
      to: bob,
      bcc: carol,
      text: String(round),
      encrypt: true,
      hold_s: 10,
    })
    server.pass(10_000)
    const recall = async () => terminal.post(`/messages/${held.body.id}/recall`)
    const [answer] =
      round % 4 === 0
        ? await Promise.all([recall(), server.services.outbox.tick()])
        : await Promise.all([
            recall(),
            new Promise((resolve) => setTimeout(resolve, round % 4)).then(() =>
              server.services.outbox.tick(),
            ),
          ])
    assert.ok([200, 409].includes(answer.status), JSON.stringify(answer.body))
    if (answer.status === 200) recalls += 1
    const left = round + 1 - recalls
    for (const reader of readers) assert.equal((await list(reader, 'Inbox')).length, left)
    assert.equal((await list(terminal, 'Drafts')).length, recalls)
    assert.equal((await list(terminal, 'Sent')).length, left)
  }
  t.diagnostic(`${recalls} recalled of 16`)
})

// ---- words that are searched

test('A mail of endless marks is indexed without sorting them one by one, which would hold up the server', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const normalize = String.prototype.normalize
  let longest = 0
  t.mock.method(String.prototype, 'normalize', function (this: string, form?: 'NFKC') {
    for (const [run] of this.matchAll(/\p{M}+/gu)) longest = Math.max(longest, run.length)
    return normalize.call(this, form)
  })
  // Of falling classes, which normalization puts in order (Unicode §3.11).
  const marks = (count: number) => `a${'\u0315'.repeat(count)}${'\u0316'.repeat(count)}`
  const type = 'MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8'
  await server.deliver(
    ann,
    plain(
      `Subject: =?utf-8?B?${Buffer.from(marks(20)).toString('base64')}?=\n${type}`,
      `${marks(5000)} needle`,
    ),
  )
  const terminal = await server.terminal(ann)
  assert.equal((await terminal.get('/folders/Inbox/messages?q=needle')).body.messages.length, 1)
  await terminal.get(`/folders/Inbox/messages?q=${encodeURIComponent(marks(500))}`)
  assert.ok(longest > 0 && longest <= 32, String(longest))
})

// ---- whom to write to

test('Addresses complete by beginning or word of the name: written to, heard from, accepted, oneself last', async (t) => {
  const server = await world(t)
  await server.addUser(ann, { name: 'Ann Adams' })
  for (const user of [bob, carol, 'cato@wafer.test']) await server.addUser(user)
  const terminal = await server.terminal(ann)
  const addresses = async (q: string): Promise<{ name: string; address: string; key: boolean }[]> => {
    const { status, body } = await terminal.get(`/addresses?q=${encodeURIComponent(q)}`)
    assert.equal(status, 200)
    return body.addresses
  }
  const named = async (q: string) => (await addresses(q)).map(({ address }) => address)
  assert.deepEqual(await named(''), [ann], 'other users of the server are not given away')
  assert.deepEqual(await named('ca'), [])

  const gpgKey = async (address: string) => {
    const { keyrings } = server.services
    const user = await server.addUser(`maker-${address.replace('@', '-')}@wafer.test`, { key: false })
    await keyrings.add(user, passphrase, { generate: { name: '', address } })
    return (await keyrings.present(user.id))!.armored
  }
  const armored = await gpgKey('alec@far.example')
  const [{ fingerprint }] = (await terminal.post('/correspondents', { armored })).body.offered
  await terminal.post('/correspondents', { armored, accept: fingerprint })
  await server.deliver(ann, `From: Alma van Dyk <alma@far.example>\nTo: ${ann}\nSubject: x\n\nx\n`)
  await server.deliver(
    ann,
    `From: "boss@corp.example, Abe" <trick@far.example>\nTo: ${ann}\nSubject: x\n\nx\n`,
  )
  await server.deliver(
    ann,
    `From: =?utf-8?B?55Sw5Lit5aSq6YOO?= <tanaka@far.example>\nTo: ${ann}\nSubject: x\n\nx\n`,
  )
  await terminal.post('/messages', { to: `Carol <${carol}>`, cc: ann, text: 'x' })
  for (let n = 0; n < 2; n += 1)
    await terminal.post('/messages', { to: `"Abbot, Bob" <${bob}>, ${ann}`, text: 'x' })

  assert.deepEqual(await named('a'), [bob, 'alma@far.example', 'alec@far.example', ann])
  assert.deepEqual(
    (await addresses('a')).map(({ key }) => key),
    [true, false, true, true],
  )
  assert.equal((await addresses('abb'))[0]!.name, 'Abbot, Bob')
  assert.deepEqual(await named('c'), [carol])
  assert.deepEqual(await named('BOB@'), [bob])
  assert.deepEqual(await named('van d'), ['alma@far.example'])
  assert.deepEqual(await named('dyk'), ['alma@far.example'])
  assert.deepEqual(await named('yk'), [])
  for (const q of ['boss@corp', 'boss', 'abe'])
    assert.deepEqual(await named(q), [], 'a name that looks like an address')
  assert.deepEqual(await addresses('trick'), [{ name: '', address: 'trick@far.example', key: false }])
  assert.deepEqual(await named('太郎'), ['tanaka@far.example'])
  assert.deepEqual(await named('ＡＤＡＭＳ'), [ann])
  assert.deepEqual(await named('no such'), [])
  assert.equal((await named('')).at(-1), ann)
  for (let n = 0; n < 12; n += 1)
    await server.deliver(ann, `From: n${n}@far.example\nTo: ${ann}\nSubject: x\n\nx\n`)
  assert.equal((await named('n')).length, 10)
  assert.equal(problem(await new Terminal(() => server.url).get('/addresses?q=a')), 'no-session')
  const bobs = await server.terminal(bob)
  assert.deepEqual(
    (await bobs.get('/addresses?q=')).body.addresses.map(({ address }: { address: string }) => address),
    [ann, bob],
    'each has their own',
  )
})

test('Of a letter to very many, the addresses that complete are whole ones', async (t) => {
  const server = await world(t)
  const user = await server.addUser(ann)
  const terminal = await server.terminal(ann)
  const sent = await server.services.mailboxes.fixedFolder(user.id, 'sent')
  for (let longer = 0; longer < 12; longer += 1) {
    const to = [`${'x'.repeat(longer)}y@far.example`]
    for (let n = 10; n < 99; n += 1) to.push(`many${n}@far.example`)
    const mail = `From: ${ann}\r\nTo: ${to.join(', ')}\r\nSubject: x\r\n\r\nx\r\n`
    await server.services.mailboxes.store(user.id, sent.id, Buffer.from(mail))
  }
  for (const q of ['many1', 'many2', 'many3', 'many4']) {
    const { addresses } = (await terminal.get(`/addresses?q=${q}`)).body
    for (const { address } of addresses) assert.match(address, /^many\d\d@far\.example$/)
  }
  assert.equal((await terminal.get('/addresses?q=many1')).body.addresses.length, 10)
})

test('Recipients are parsed as typed, and each says whether a letter can be encrypted to it', async (t) => {
  const server = await world(t)
  for (const user of [ann, bob]) await server.addUser(user)
  const terminal = await server.terminal(ann)
  const asked = await terminal.post('/recipients', {
    to: `"Doe, John" <eve@far.example>, ${bob}`,
    cc: [`Bob <${bob.toUpperCase()}>`],
    bcc: `${ann}, ${bob.replace('@', '+list@')}`,
  })
  assert.deepEqual(
    [asked.status, asked.body],
    [
      200,
      {
        recipients: [
          { address: 'eve@far.example', key: false },
          { address: bob, key: true },
          { address: ann, key: true },
          { address: bob.replace('@', '+list@'), key: true },
        ],
      },
    ],
  )
  assert.deepEqual((await terminal.post('/recipients')).body, { recipients: [] })
  const bad = await terminal.post('/recipients', { to: `nobody, ${bob}` })
  assert.deepEqual([bad.status, problem(bad), bad.body.addresses], [422, 'bad-address', ['nobody']])
  assert.equal((await terminal.post('/recipients', { to: 5 })).status, 400)
  assert.equal((await terminal.post('/recipients', { subject: 'x' })).status, 400)
})

// ---- terminals and keys

test('A user sees their terminals, which one holds the key, and ends any of their own (P85, F6)', async (t) => {
  const server = await world(t)
  for (const user of [ann, bob]) await server.addUser(user)
  const desk = await server.terminal(ann, 'desk')
  const phone = await server.terminal(ann, 'phone')
  const bobs = await server.terminal(bob)
  await phone.unlock()
  const { terminals } = (await desk.get('/terminals')).body
  assert.deepEqual(
    terminals.map((each: Record<string, unknown>) => [each.terminal, each.holds_key, each.this]),
    [
      ['desk', false, true],
      ['phone', true, false],
    ],
  )
  for (const { since, last_contact, address, id } of terminals) {
    assert.ok(Date.parse(since) <= Date.parse(last_contact))
    assert.match(address, /127\.0\.0\.1/)
    assert.notEqual(id, desk.token)
  }
  const [, { id }] = terminals
  assert.equal(problem(await bobs.delete(`/terminals/${id}`)), 'not-found')
  assert.equal((await phone.get('/session')).status, 200)
  assert.equal((await desk.delete(`/terminals/${id}`)).status, 204)
  assert.equal(problem(await phone.get('/session')), 'no-session')
  assert.equal(problem(await desk.delete(`/terminals/${id}`)), 'not-found')
  assert.equal((await desk.unlock()).status, 201, 'the key went with it')
  assert.equal(problem(await new Terminal(() => server.url).get('/terminals')), 'no-session')
})

test('A key of somebody else is shown, accepted by its fingerprint, listed, and removed; nobody else sees it', async (t) => {
  const server = await world(t)
  for (const user of [ann, bob]) await server.addUser(user)
  const [annas, bobs] = [await server.terminal(ann), await server.terminal(bob)]
  const maker = await server.addUser('maker@wafer.test', { key: false })
  await server.services.keyrings.add(maker, passphrase, {
    generate: { name: 'Eve', address: 'eve@far.example' },
  })
  const { armored, fingerprint } = (await server.services.keyrings.present(maker.id))!
  const shown = await annas.post('/correspondents', { armored })
  assert.equal(shown.status, 200)
  const [offered] = shown.body.offered
  assert.deepEqual(
    [offered.fingerprint, offered.addresses, offered.can_encrypt, offered.conflicts],
    [fingerprint, ['eve@far.example'], true, []],
  )
  assert.deepEqual(
    (await annas.get('/correspondents')).body,
    { correspondents: [] },
    'to look is not to accept',
  )
  const other = 'f'.repeat(40)
  assert.equal(problem(await annas.post('/correspondents', { armored, accept: other })), 'bad-key')
  const accepted = await annas.post('/correspondents', { armored, accept: fingerprint.toUpperCase() })
  assert.deepEqual([accepted.status, accepted.body], [201, { fingerprint, addresses: ['eve@far.example'] }])
  const [one] = (await annas.get('/correspondents')).body.correspondents
  assert.deepEqual([one.fingerprint, one.addresses], [fingerprint, ['eve@far.example']])
  assert.ok(Date.parse(one.accepted_at))
  assert.deepEqual((await bobs.get('/correspondents')).body.correspondents, [])
  assert.equal(problem(await bobs.delete(`/correspondents/${fingerprint}`)), 'not-found')
  assert.equal((await annas.delete(`/correspondents/${fingerprint}`)).status, 204)
  assert.equal(problem(await annas.delete(`/correspondents/${fingerprint}`)), 'not-found')
  assert.deepEqual((await annas.get('/correspondents')).body.correspondents, [])
  const own = (await bobs.get('/keys')).body.keys[0].public
  assert.deepEqual((await annas.post('/correspondents', { armored: own })).body.offered[0].conflicts, [
    { address: bob, with: 'user' },
  ])
  assert.equal(problem(await annas.post('/correspondents', { armored: 'no key' })), 'bad-key')
  for (const bad of [{}, { armored: 1 }, { armored, sure: true }])
    assert.equal(problem(await annas.post('/correspondents', bad)), 'bad-request')
})

// ---- what waits to leave

test('The queue is its sender’s alone; pages, ids and calls that are none are refused', async (t) => {
  const relay = new Relay()
  const server = await world(t, await relay.listen(t))
  await server.addUser(ann)
  await server.addUser(bob)
  const terminal = await server.terminal(ann)
  const other = await server.terminal(bob)
  const stranger = new Terminal(() => server.url)
  for (let n = 1; n <= 3; n += 1)
    await terminal.post('/messages', { to: `to${n}@far.example`, subject: 'Waits', text: 'x' })
  const [newest] = await queueOf(terminal, (queue) => queue.length === 3 && isPutOff(queue))
  assert.equal((await terminal.get('/session')).body.waiting, 3)
  assert.equal((await other.get('/session')).body.waiting, undefined)

  const first = (await terminal.get('/queue?limit=2')).body
  const second = (await terminal.get(`/queue?limit=2&before=${first.next}`)).body
  assert.deepEqual(
    [...first.queue, ...second.queue].map(({ to }) => to[0]),
    ['to3@far.example', 'to2@far.example', 'to1@far.example'],
  )
  assert.equal(second.next, null)
  for (const query of ['before=x', 'before=-1', 'limit=0', 'limit=x'])
    assert.equal(problem(await terminal.get(`/queue?${query}`)), 'bad-request', query)

  const path = `/queue/${newest!.id}`
  assert.deepEqual((await other.get('/queue')).body, { queue: [], next: null })
  for (const [who, code] of [
    [other, 'not-found'],
    [stranger, 'no-session'],
  ] as const) {
    assert.equal(problem(await who.post(`${path}/retry`)), code)
    assert.equal(problem(await who.delete(path)), code)
  }
  assert.equal(problem(await stranger.get('/queue')), 'no-session')
  for (const id of ['0', 'x', '-1', '1e3', '9'.repeat(30)]) {
    assert.equal(problem(await terminal.post(`/queue/${id}/retry`)), 'not-found', id)
    assert.equal(problem(await terminal.delete(`/queue/${id}`)), 'not-found', id)
  }
  assert.equal((await terminal.get('/session')).body.waiting, 3)
  const given = await terminal.delete(path)
  assert.deepEqual([given.status, given.body], [200, { id: null, folder: 'Inbox' }])
  assert.deepEqual((await list(terminal, 'Sent')).length, 3, 'the copy stays')
  assert.equal(problem(await terminal.delete(path)), 'not-found')
})

test('A held letter leaves when its sender wants it to, or is a draft again', async (t) => {
  const relay = new Relay()
  relay.isWilling = true
  const server = await world(t, await relay.listen(t))
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  const hold = async (to: string) => {
    const sent = await terminal.post('/messages', { to, subject: 'Held', text: 'kept', hold_s: 600 })
    const [row] = await queueOf(terminal, (queue) => queue.length === 1)
    assert.deepEqual(
      { ...row, id: 0 },
      { id: 0, to: [to], since: null, next_at: sent.body.held_until, why: null, held: true, sending: false },
    )
    return { id: row!.id, copy: sent.body.id }
  }
  const wanted = await hold('eve@far.example')
  assert.equal((await terminal.post(`/queue/${wanted.id}/retry`)).status, 204)
  await queueOf(terminal, isEmpty)
  assert.deepEqual(relay.taken, ['eve@far.example'])
  assert.equal(problem(await terminal.post(`/messages/${wanted.copy}/recall`)), 'too-late')

  const { id, copy } = await hold('fay@far.example')
  assert.deepEqual((await terminal.delete(`/queue/${id}`)).body, { id: copy, folder: 'Drafts' })
  assert.equal((await list(terminal, 'Drafts')).length, 1)
  server.pass(600_000)
  await server.services.outbox.tick()
  assert.deepEqual(relay.taken, ['eve@far.example'])
})
