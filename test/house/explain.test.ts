/**
 * No statement of a request reads a whole table: what is quick with ten users must be quick with a million. A story
 * through pages, API, mail in and mail out is told, and the engine is asked how it would answer each statement of it.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import SMTPConnection from 'nodemailer/lib/smtp-connection'
import { Authenticator } from '../support/authenticator.ts'
import { isEmpty, queueOf, Relay } from '../support/relay.ts'
import { foreignKeysWithoutIndex, noteStatements, wholeReads } from '../support/statements.ts'
import { Walker } from '../support/walker.ts'
import { passphrase, password, type Terminal, type World, world } from '../support/world.ts'

const ann = 'ann@wafer.test'
const bob = 'bob@wafer.test'

/** Tables that every story must write to and read from, or it tells too little. */
const growing =
  `users sessions session_ends messages folders contents content_pieces ledger ledger_heads outbox
  parked_forms rate_limits letter_numbers correspondents keyrings key_slots key_pairs identities passkeys pending_passkeys
  spent_challenges stops approvals allowances usage message_search`.split(/\s+/)

/** What may be read whole, and why. */
const permitted: [table: string, statement: RegExp, why: string][] = [
  ['allowances', /^select .* not \(/, 'a sweep; one row for each key that is open now'],
  ['allowances', /^select max\("used_at"\)/, 'at the start; one row for each key that is open now'],
  ['keyrings', /left join "ledger_heads"/, 'at the first start on a machine'],
  ['ledger_heads', /inner join "ledger"/, 'at the first start on a machine'],
]

const sendIn = async (server: World, to: string[], text: string) => {
  const { port } = server.running.smtp
  const client = new SMTPConnection({ host: '127.0.0.1', port, ignoreTLS: true })
  await new Promise<void>((resolve, reject) => client.on('error', reject).connect(() => resolve()))
  await new Promise<unknown>((resolve) => client.send({ from: 'eve@far.example', to }, text, resolve))
  client.quit()
}

const mailFrom = (from: string, subject: string) =>
  `From: ${from}\r\nTo: ${ann}\r\nSubject: ${subject}\r\nMessage-ID: <${subject}@far.example>\r\n\r\nHello\r\n`

const tellOfMail = async (server: World, terminal: Terminal, relay: Relay) => {
  await sendIn(server, [ann, 'nobody@wafer.test', 'postmaster'], mailFrom('eve@far.example', 'one'))
  await sendIn(server, [ann, bob], mailFrom(ann, 'two'))
  await terminal.unlock()
  const letter = { subject: 'x', text: 'Dear all', sign: true }
  for (const to of [bob, `${bob}, far@elsewhere.test`, 'held@elsewhere.test'])
    await terminal.post('/messages', { ...letter, to, hold_s: to.startsWith('held') ? 600 : 0 })
  const draft = await terminal.post('/messages', { ...letter, to: bob, draft: true })
  await terminal.post('/messages', { ...letter, to: bob, draft: true, replaces: draft.body.id })
  const waiting = await queueOf(terminal, (queue) => queue.some(({ why }) => why !== null))
  await terminal.post(`/queue/${waiting.find(({ why }) => why !== null)!.id}/retry`)
  relay.isWilling = true
  const [inbox] = (await terminal.get('/folders')).body.folders
  const { messages } = (await terminal.get(`/folders/${inbox.name}/messages?q=hello&limit=1`)).body
  const all =
    'hello -bye from:eve -to:bob subject:"x" before:2050 -after:2040 in:inbox -in:trash has:attachment is:unread is:encrypted larger:1k'
  for (const q of ['hello', 'from:eve', '-bye', 'is:flagged', 'in:inbox', all])
    await terminal.get(`/search?q=${encodeURIComponent(q)}`)
  for (const path of ['', '/raw', '/parts/1']) await terminal.get(`/messages/${messages[0].id}${path}`)
  await terminal.patch('/messages', { ids: [messages[0].id], seen: true, folder: 'Trash' })
  await terminal.post('/recipients', { to: `${bob}, far@elsewhere.test` })
  await terminal.get('/addresses?q=b')
}

const tellOfKeys = async (server: World, terminal: Terminal) => {
  const { passkeys, sessions, approvals, allowances, users, setup } = server.services
  const session = (await sessions.contact(terminal.token!))!
  const authenticator = new Authenticator({ origin: server.services.site.origin })
  const { options } = await passkeys.registrationOptions(session)
  const begun = await passkeys.beginRegistration(session, authenticator.create(options))
  const asserted = authenticator.get(begun.options)
  await passkeys.finishRegistration(session, {
    name: 'thumb',
    asserted,
    proof: { passphrase },
    consent: false,
  })
  await allowances.grantByPasskey(
    session,
    authenticator.get((await passkeys.assertionOptions('unlock', { session })).options),
  )
  const other = await server.terminal(ann, 'other')
  await other.unlock()
  await other.post('/allowance/stop', { confirm: true })
  await other.unlock()
  const { body } = await other.post('/identities', { generate: true })
  await other.delete(`/identities/${body.identities[0].fingerprint}`)
  await other.post('/identities', { generate: true })
  await terminal.get('/session')
  await other.delete('/session')
  await terminal.post('/approval', { scope: 'read' })
  const [request] = await approvals.pending(session.user)
  await terminal.get('/approval')
  await approvals.approve(session, request!.id, '000000', { passphrase }).catch(() => {})
  await terminal.post('/session', { user: ann, password: 'not the password', terminal: 'x' })
  await users.changePassword(session, password, `${password} 2`)
  await users.setPassword(session.user, password)
  await setup.begin()
}

const story = async (t: TestContext) => {
  const relay = new Relay()
  const server = await world(t, { ...(await relay.listen(t)), WAFER_LOCAL_FROM_OUTSIDE: 'reject' })
  await server.addUser(ann, { name: 'Ann' })
  await server.addUser(bob, { name: 'Bob' })
  await server.addUser('postmaster@wafer.test', { key: false })
  const statements = noteStatements()
  await server.restart()
  const terminal = await server.terminal(ann)
  await tellOfMail(server, terminal, relay)
  const walker = new Walker(server, ann, {
    passphrase,
    pass: password,
    to: bob,
    subject: 'walked',
    q: 'hello',
  })
  await walker.walk('/f/inbox')
  await tellOfKeys(server, await server.terminal(ann))
  await queueOf(await server.terminal(bob), isEmpty)
  const { id } = await server.services.users.named(bob)
  await server.services.users.remove(id)
  server.pass(7 * 86_400_000)
  await server.restart()
  return { server, statements, walker }
}

test('No statement of a story through pages, API, mail in and mail out reads a whole table', async (t) => {
  const { server, statements, walker } = await story(t)
  const texts = [...statements.keys()]
  const untold = growing.filter((table) => !texts.some((text) => text.includes(table)))
  assert.deepEqual(untold, [], 'these tables are not in the story')
  assert.ok(
    walker.tried.size > 60,
    `expected a walk through all pages, got ${[...walker.tried.keys()].join('\n')}`,
  )
  const reads = await wholeReads(server.services.db, statements)
  const faults = reads.filter(
    ({ table, text }) =>
      growing.includes(table) && !permitted.some(([of, which]) => of === table && which.test(text)),
  )
  assert.deepEqual(
    faults.map(({ table, how, text }) => `${table} by ${how}: ${text}`),
    [],
  )
})

test('Whatever refers to a row is found by an index when that row is deleted', async (t) => {
  const server = await world(t)
  assert.deepEqual(await foreignKeysWithoutIndex(server.services.db), [])
})
