/** Mail from outside that claims an address of this server says so, wherever it is shown, or is refused. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import SMTPConnection from 'nodemailer/lib/smtp-connection'
import { type Terminal, type World, world } from '../support/world.ts'

const [ann, bob] = ['ann@wafer.test', 'bob@wafer.test'] as const

const send = async (server: World, from: string, subject: string) => {
  const connection = new SMTPConnection({
    host: '127.0.0.1',
    port: server.running.smtp.port,
    ignoreTLS: true,
  })
  connection.connect(() => {})
  await once(connection, 'connect')
  try {
    await new Promise<void>((resolve, reject) =>
      connection.send(
        { from: 'eve@far.example', to: [bob] },
        `${from ? `From: ${from}\r\n` : ''}Subject: ${subject}\r\n\r\nPlease pay.\r\n`,
        (error) => (error ? reject(error) : resolve()),
      ),
    )
  } finally {
    connection.close()
  }
}

/** A page of the session, as text. */
const page = async (server: World, { token }: Terminal, path: string, language = 'en') =>
  (
    await fetch(server.url + path, { headers: { 'accept-language': language, cookie: `wafer=${token}` } })
  ).text()

const claims = [
  ann,
  'Ann <ANN@Wafer.Test>',
  'Ann <ann+list@wafer.test>',
  '"eve@far.example" <ann@wafer.test>',
  'eve@far.example, ann@wafer.test',
  'friends: ann@wafer.test;',
  'nobody@wafer.test',
  '=?utf-8?q?Ann?= <ann@wafer.test>',
  // Nothing but a name, which stands where the address would.
  '=?utf-8?q?ann=40wafer.test?=',
  '=?utf-8?q?Ann_=28ann=40wafer.test=29?=',
  '=?utf-8?b?YW5u77ygd2FmZXIudGVzdA==?=', // a wide @
  'ann @ wafer.test',
  'ann@wafer.test.',
  '"ann b"@wafer.test',
]

test('Mail from outside in the name of an address here is marked, in lists, opened and in the API', async (t) => {
  const server = await world(t)
  for (const address of [ann, bob]) await server.addUser(address, { key: false })
  for (const from of claims) await send(server, from, 'forged')
  for (const from of ['eve@far.example', '"ann@wafer.test" <eve@far.example>', ''])
    await send(server, from, 'honest')
  const user = await server.terminal(bob)
  const { messages } = (await user.get('/folders/Inbox/messages')).body
  assert.equal(messages.length, claims.length + 3)
  for (const { id, subject, outside } of messages) {
    assert.equal(outside, subject === 'forged' ? true : undefined, subject)
    assert.equal((await user.get(`/messages/${id}`)).body.outside, outside)
  }
  const first = messages.findLast(({ outside }: { outside: boolean }) => outside)
  assert.match(await page(server, user, '/f/inbox'), /<b>O<\/b>/)
  assert.match(
    await page(server, user, `/m/${first.id}`),
    /This came from outside, not from the account of ann@wafer\.test\./,
  )
  assert.match(
    await page(server, user, `/m/${first.id}`, 'ja'),
    /外部から届きました。ann@wafer\.testのアカウントからではありません。/,
  )
})

test('A letter between users of this server, and its copy, are not from outside', async (t) => {
  const server = await world(t)
  for (const address of [ann, bob]) await server.addUser(address, { key: false })
  const user = await server.terminal(ann)
  await user.post('/messages', { to: bob, subject: 'x', text: 'y' })
  const [sent] = (await user.get('/folders/Sent/messages')).body.messages
  const [came] = (await (await server.terminal(bob)).get('/folders/Inbox/messages')).body.messages
  assert.deepEqual([sent.outside, came.outside], [undefined, undefined])
})

test('Where the operator says so, mail from outside in the name of an address here is refused', async (t) => {
  const server = await world(t, { WAFER_LOCAL_FROM_OUTSIDE: 'reject' })
  for (const address of [ann, bob]) await server.addUser(address, { key: false })
  for (const from of claims) await assert.rejects(send(server, from, 'forged'), { responseCode: 550 }, from)
  await send(server, 'eve@far.example', 'honest')
  const { messages } = (await (await server.terminal(bob)).get('/folders/Inbox/messages')).body
  assert.deepEqual(
    messages.map(({ subject }: { subject: string }) => subject),
    ['honest'],
  )
})
