/** Pages on a handset of WAP, through Kannel's own gateway (P86). */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { needs } from '../support/programs.ts'
import { Handset } from '../support/wap/handset.ts'
import { startGateway } from '../support/wap/kannel.ts'
import { passphrase, password, type World, world } from '../support/world.ts'

const [ann, bob] = ['ann@example.org', 'bob@example.org']
const subject = 'Price $(x) in $$ & <more>'
const text = `${'A line of $(y) & 山田.\n'.repeat(60)}The end.`
const passed = { attachments: [], cc: [], bcc: [], draft: false }

const withLetter = async (t: TestContext) => {
  const server = await world(t)
  await server.addUser(ann, { name: 'Ann' })
  await server.addUser(bob, { name: 'Bob' })
  const desk = await server.terminal(bob)
  await desk.unlock()
  const sent = await desk.post('/messages', {
    ...passed,
    to: [ann],
    subject,
    text,
    encrypt: true,
    sign: true,
  })
  assert.equal(sent.status, 201, JSON.stringify(sent.body))
  return { server, gateway: await startGateway(t) }
}

const handsetFor = async (t: TestContext, gateway: string, server: World, language?: string) => {
  const handset = await Handset.through(gateway, server, language)
  t.after(() => handset.close())
  return handset
}

test('P86: a handset of WAP logs in, reads, answers signed though its session ends meanwhile, takes over, is stopped, locks and logs out, through a gateway, in both languages', async (t) => {
  if (!needs(t, 'bearerbox', 'wapbox')) return
  const { server, gateway } = await withLetter(t)
  const handset = await handsetFor(t, gateway, server)

  await handset.go('/login')
  handset.type('User ID', ann)
  handset.type('Password', 'not this one')
  await handset.press('Login')
  assert.match(handset.text, /User ID or password is wrong/)
  assert.match(handset.text, /Left out, as this terminal cannot have it/)
  handset.type('Password', password)
  await handset.press('Login')
  assert.equal(handset.title, 'Inbox (1 new of 1)')

  await handset.press(subject)
  assert.match(await handset.readOn(), /press Decrypt to read it.*BEGIN PGP MESSAGE/)
  await handset.press('Decrypt')
  assert.match(handset.text, /Secret key use .*To open this mail.* Price \$\(x\) in \$\$ & <more>/)
  handset.type('Passphrase', 'not this one')
  await handset.press('OK')
  assert.match(handset.text, /The passphrase is wrong/)
  await handset.unlock()
  assert.equal(handset.title, subject)
  const read = await handset.readOn()
  assert.match(read, /Was encrypted\. Signed by bob@example\.org/)
  assert.equal(read.match(/A line of \$\(y\) & 山田\./g)?.length, 60)
  assert.match(read, /The end\./)

  await handset.find('Reply')
  await handset.press('Reply')
  assert.equal(handset.title, 'Compose')
  // Longer than comes back to a handset's field: it stays at the server from then on, as the text does.
  const long = `Re: the $(price) ${'of it '.repeat(40)}all`
  handset.type('Subject', long)
  handset.type('Text', 'I take $5; it is <fine>.')
  await handset.find('Send')
  server.pass(16 * 60_000)
  await handset.press('Send')
  assert.match(handset.text, /Your session has ended\. Log in, and what you wrote comes back\./)
  handset.type('User ID', ann)
  handset.type('Password', password)
  await handset.find('Login')
  await handset.press('Login')
  assert.equal(handset.title, 'Compose')
  assert.match(
    handset.text,
    /What stands below stays, unless you type something in its place\. Re: the \$\(price\)/,
  )
  assert.match(await handset.readOn(), /I take \$5; it is <fine>\..*A line of/)
  await handset.find('Sign')
  await handset.press('Sign')
  await handset.unlock()
  const signed = await handset.readOn()
  assert.match(signed, /BEGIN PGP SIGNED MESSAGE.*I take \$5; it is <fine>\./)
  await handset.find('Send')
  await handset.press('Send')
  assert.match(handset.text, /bob@example\.org/)
  const desk = await server.terminal(bob)
  await desk.unlock()
  const { body: inbox } = await desk.get('/folders/inbox/messages')
  const [answer] = inbox.messages
  const { body: opened } = await desk.post(`/messages/${answer.id}/decrypt`)
  assert.equal(opened.signature.status, 'valid')
  assert.match(
    opened.text,
    /^I take \$5; it is <fine>\.\n\nOn .*\n(?:> A line of \$\(y\) & 山田\.\n){60}> The end\./,
  )
  assert.equal(answer.subject, long)

  const other = await server.terminal(ann, 'desk of Ann')
  assert.equal((await other.post('/allowance/stop', { confirm: true })).status, 204)
  await other.unlock()
  await handset.press('Inbox')
  assert.match(handset.text, /desk of Ann/, 'the handset is told that it was stopped')
  await handset.press(subject)
  await handset.press('Decrypt')
  assert.match(handset.text, /^Key in use elsewhere .*desk of Ann/)
  await handset.press('Decrypt')
  assert.match(handset.text, /^Stop the other use\? /)
  await handset.press('OK')
  assert.equal((await other.get('/session')).body.allowance, null, 'stopped before anything is typed')
  await handset.unlock()
  assert.match(handset.text, /A line of \$\(y\)/)

  assert.equal((await other.post('/allowance/stop', { confirm: true })).status, 204)
  await handset.press('More…')
  assert.match(
    handset.text,
    /desk of Ann.* Passphrase/,
    'the window from its beginning, in the middle of a mail',
  )
  await handset.unlock()
  assert.match(handset.text, /^A line of \$\(y\)/, 'and on from there')

  assert.ok(handset.variables.size > 3)
  for (const secret of [password, passphrase])
    assert.ok(![...handset.variables.values()].includes(secret), 'it went with its form')
  await handset.press('Lock key')
  assert.match(handset.text, /Your key is locked/)
  const list = handset.fields.length
  assert.equal(handset.variables.size, list, 'what was typed before is gone')
  await handset.press(subject)
  await handset.press('Decrypt')
  assert.equal(handset.title, 'Secret key use')
  await handset.press('Log out')
  assert.match(handset.text, /You are logged out/)
  await handset.go('/f/inbox')
  assert.match(handset.text, /User ID/)
  await handset.logIn()

  // What lies in Files goes with a letter from a handset, too.
  const plan = 'plan; $(b).txt'
  const put = await fetch(`${server.url}/api/files/${encodeURIComponent(plan)}`, {
    ...{ method: 'PUT', body: 'The plan.' },
    headers: { authorization: `Bearer ${other.token}` },
  })
  assert.equal(put.status, 201)
  await handset.press('Compose')
  handset.type('To', bob)
  await handset.find('Attach from Files')
  assert.ok(!handset.controls.includes('Attach'), 'a handset has no files of its own')
  await handset.press('Attach from Files')
  await handset.press(plan)
  assert.match(handset.text, /Attached: plan; \$\(b\)\.txt\./)
  await handset.find('Send')
  await handset.press('Send')
  await handset.unlock()
  assert.match(handset.text, /bob@example\.org/)
  const [letter] = (await desk.get('/folders/inbox/messages')).body.messages
  const { body: withPlan } = await desk.post(`/messages/${letter.id}/decrypt`)
  assert.deepEqual(
    withPlan.attachments.map(({ name }: { name: string }) => name),
    [plan],
  )
  await handset.press('Lock key')
  await handset.go(`/find?q=${'q'.repeat(2_000)}`)
  assert.match(await handset.readOn(), /All folders.*Session ends/s)

  const japanese = await handsetFor(t, gateway, server, 'ja')
  await japanese.go('/login')
  japanese.type('ユーザーID', ann)
  japanese.type('パスワード', password)
  await japanese.press('ログイン')
  await japanese.press(subject)
  await japanese.press('復号')
  assert.match(japanese.text, /^秘密鍵の使用 .*パスフレーズ/)
  japanese.type('パスフレーズ', passphrase)
  await japanese.press('OK')
  assert.match(await japanese.readOn('続き…'), /暗号.*山田.*The end\./)

  for (const { deck, pdu, path } of [...handset.sizes, ...japanese.sizes])
    assert.ok(deck <= 1_400 && pdu <= 1_400, `${path}: ${deck}, ${pdu}`)
})
