/** Other people's programs, in both directions: what gpg and sq made is read, what is made here they read. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import nodemailer from 'nodemailer'
import { SMTPServer } from 'smtp-server'
import { Gpg, sq, tempFolder } from '../support/gpg.ts'
import { needs } from '../support/programs.ts'
import { type Terminal, type World, world } from '../support/world.ts'

const ann = 'ann@wafer.test'
const bob = 'bob@elsewhere.test'
const text = 'Sundays are nothing without callaloo.\nÜber Größe: 日本語の本文 と ｶﾅ ①㈱髙\n'

/** Sends by SMTP, as the world outside does. */
const send = async (server: World, message: { raw: string | Buffer }) => {
  const { host, port } = server.running.smtp
  const transport = nodemailer.createTransport({ host, port, ignoreTLS: true })
  const { raw } = message
  await transport.sendMail({ envelope: { from: bob, to: ann }, raw })
  transport.close()
}

const mail = (fields: string[], body: string) =>
  [
    `From: Bob <${bob}>`,
    `To: ${ann}`,
    'Subject: from gpg',
    `Date: ${new Date().toUTCString()}`,
    ...fields,
    '',
    body,
  ]
    .join('\n')
    .replace(/\r?\n/g, '\r\n')

const pgpMime = (armored: string) =>
  mail(
    [
      'MIME-Version: 1.0',
      'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b',
    ],
    `--b\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n\n--b\nContent-Type: application/octet-stream\n\n${armored}\n--b--\n`,
  )
const entity = `Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(text).toString('base64')}\r\n`

const newest = async (terminal: Terminal) => {
  const { body } = await terminal.get('/folders/Inbox/messages?limit=1')
  return body.messages[0]
}

const accept = async (server: World, armored: string) => {
  const user = await server.services.users.named(ann)
  const [offered] = await server.services.correspondents.offered(user.id, Buffer.from(armored))
  await server.services.correspondents.accept(user.id, offered!)
}

/** Ann's server, gpg with Bob's key and Ann's, each knowing the other's. */
const annAndBob = async (
  t: TestContext,
  algorithm: 'rsa3072' | 'ed25519',
  environment: Record<string, string> = {},
) => {
  const server = await world(t, environment)
  await server.addUser(ann, { name: 'Ann' })
  const terminal = await server.terminal(ann)
  const gpg = new Gpg(t)
  const fingerprint = gpg.generate(`Bob <${bob}>`, algorithm)
  const { body } = await terminal.get('/keys')
  gpg.ok(['--import'], body.keys[0].public)
  await accept(server, gpg.publicKey(bob))
  await terminal.unlock()
  return { server, terminal, gpg, fingerprint }
}

for (const algorithm of ['ed25519', 'rsa3072'] as const)
  test(`P3: mail that gpg encrypted and signed with ${algorithm} is opened and its signature found valid`, async (t) => {
    if (!needs(t, 'gpg')) return
    const { server, terminal, gpg, fingerprint } = await annAndBob(t, algorithm)
    const cases = {
      'PGP/MIME, signed': pgpMime(
        gpg.ok(['-a', '-r', ann, '-u', bob, '--sign', '--encrypt'], entity).toString(),
      ),
      'PGP/MIME': pgpMime(gpg.ok(['-a', '-r', ann, '--encrypt'], entity).toString()),
      'inline, signed': mail(
        [],
        gpg.ok(['-a', '-r', ann, '-u', bob, '--sign', '--encrypt'], text).toString(),
      ),
      inline: mail([], gpg.ok(['-a', '-r', ann, '--encrypt'], text).toString()),
      'hidden recipient, compressed': pgpMime(
        gpg.ok(['-a', '-R', ann, '-z', '9', '--encrypt'], entity).toString(),
      ),
    }
    for (const [name, raw] of Object.entries(cases)) {
      await send(server, { raw })
      const listed = await newest(terminal)
      assert.equal(listed.security, 'encrypted', name)
      const before = await terminal.get(`/messages/${listed.id}`)
      assert.match(before.body.text, /BEGIN PGP MESSAGE/, `${name}: shown as it came`)
      assert.doesNotMatch(before.body.text, /callaloo/)
      const opened = await terminal.post(`/messages/${listed.id}/decrypt`)
      assert.equal(opened.status, 200, `${name}: ${JSON.stringify(opened.body)}`)
      assert.equal(opened.body.text.trim().replaceAll('\r', ''), text.trim(), name)
      const { status, key, by } = opened.body.signature
      assert.equal(status, name.includes('signed') ? 'valid' : 'none', name)
      if (status === 'valid') assert.deepEqual({ key, by }, { key: fingerprint, by: bob })
    }
  })

test('P3: a cleartext signature and a PGP/MIME signature of gpg are found valid, and invalid when the text was touched', async (t) => {
  if (!needs(t, 'gpg')) return
  const { server, terminal, gpg } = await annAndBob(t, 'ed25519')
  const clear = gpg.ok(['-a', '-u', bob, '--clearsign'], 'I sign this.\n- dash\n').toString()
  const detached = gpg.ok(['-a', '-u', bob, '--detach-sign'], entity).toString()
  const signedMime = mail(
    [
      'MIME-Version: 1.0',
      'Content-Type: multipart/signed; protocol="application/pgp-signature"; micalg=pgp-sha512; boundary=s',
    ],
    `--s\n${entity}\n--s\nContent-Type: application/pgp-signature\n\n${detached}\n--s--\n`,
  )
  for (const [raw, status] of [
    [mail([], clear), 'valid'],
    [mail([], clear.replace('sign this', 'sign that')), 'invalid'],
    [signedMime, 'valid'],
    [signedMime.replace('text/plain', 'text/plain '), 'invalid'],
  ] as const) {
    await send(server, { raw })
    const listed = await newest(terminal)
    assert.equal(listed.security, 'signed')
    assert.equal((await terminal.get(`/messages/${listed.id}`)).body.signature.status, status)
  }
})

test('S1450 F9 C8: gpg and sq find the signature of Sign good', async (t) => {
  if (!needs(t, 'gpg', 'sq')) return
  const { terminal, gpg } = await annAndBob(t, 'ed25519')
  const words = 'I promise.\n\n- with a dash\n-----BEGIN nothing\ntrailing blanks  \n日本語\n'
  const { status, body } = await terminal.post('/sign', { text: words })
  assert.equal(status, 200)
  assert.match(body.signed, /^-----BEGIN PGP SIGNED MESSAGE-----/)
  assert.match(gpg.run(['--verify'], body.signed).status, /GOODSIG/)
  assert.match(gpg.run(['--verify'], body.signed.replace('promise', 'refuse')).status, /BADSIG/)
  const folder = tempFolder(t)
  writeFileSync(join(folder, 'ann.asc'), (await terminal.get('/keys')).body.keys[0].public)
  const verified = sq(['verify', '--signer-cert', join(folder, 'ann.asc')], body.signed).toString()
  assert.match(verified, /I promise/)
})

/** A mail server outside that keeps what it is given. */
const outside = async (t: TestContext) => {
  const received: Buffer[] = []
  const smtp = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    onData: (stream, _session, done) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        received.push(Buffer.concat(chunks))
        done()
      })
    },
  })
  await new Promise<void>((resolve) => smtp.listen(0, '127.0.0.1', resolve))
  t.after(() => new Promise<void>((resolve) => smtp.close(() => resolve())))
  return { received, url: `smtp://127.0.0.1:${(smtp.server.address() as { port: number }).port}` }
}

const partsOf = (message: string) => {
  const boundary = message.match(/boundary="?([^"\r\n;]+)"?/)![1]!
  return message
    .split(`--${boundary}`)
    .slice(1, -1)
    .map((part) => part.replace(/^\r\n/, '').replace(/\r\n$/, ''))
}

test('S1510 P3: what is sent encrypted and signed, gpg and sq decrypt and find signed; a signed mail, gpg verifies', async (t) => {
  if (!needs(t, 'gpg', 'sq')) return
  const relay = await outside(t)
  const { server, terminal, gpg } = await annAndBob(t, 'rsa3072', { WAFER_RELAY: relay.url })
  const letter = {
    to: bob,
    subject: 'Grüße',
    text,
    attachments: [{ name: 'Gruß.bin', type: 'application/x-test', content: 'AAEC' }],
  }

  const both = await terminal.post('/messages', { ...letter, sign: true, encrypt: true })
  assert.equal(both.status, 201, JSON.stringify(both.body))
  assert.deepEqual(both.body.queued, [bob])
  await server.services.outbox.tick()
  assert.equal(relay.received.length, 1)
  const message = relay.received[0]!.toString('latin1')
  assert.doesNotMatch(message, /callaloo/)
  const armored = partsOf(message)[1]!.split('\r\n\r\n').slice(1).join('\r\n\r\n')
  const { out, status } = gpg.run(['--decrypt'], armored)
  assert.match(status, /GOODSIG/)
  assert.match(status, /DECRYPTION_OKAY/)
  assert.match(out.toString(), /callaloo/)
  assert.match(out.toString(), /application\/x-test/)
  const folder = tempFolder(t)
  writeFileSync(join(folder, 'bob.asc'), gpg.secretKey(bob, ''))
  writeFileSync(join(folder, 'ann.asc'), (await terminal.get('/keys')).body.keys[0].public)
  const opened = sq(
    ['decrypt', '--recipient-key', join(folder, 'bob.asc'), '--signer-cert', join(folder, 'ann.asc')],
    armored,
  )
  assert.match(opened.toString(), /callaloo/)
  const copy = await terminal.post(`/messages/${both.body.id}/decrypt`)
  assert.equal(copy.body.text.trim(), text.trim(), 'the copy in Sent opens with the own key')

  await terminal.post('/messages', { ...letter, sign: true })
  await server.services.outbox.tick()
  const signed = relay.received[1]!.toString('latin1')
  assert.match(signed, /multipart\/signed;[\s\S]*micalg=/)
  const [content, signature] = partsOf(signed)
  writeFileSync(join(folder, 'content'), content!, 'latin1')
  writeFileSync(join(folder, 'signature'), signature!.split('\r\n\r\n').slice(1).join('\r\n\r\n'))
  assert.match(gpg.run(['--verify', join(folder, 'signature'), join(folder, 'content')]).status, /GOODSIG/)
  const sentCopy = await terminal.get(
    `/messages/${(await terminal.get('/folders/Sent/messages')).body.messages[0].id}`,
  )
  assert.equal(sentCopy.body.security, 'encrypted', 'the copy of a mail that left signed lies encrypted')
})
