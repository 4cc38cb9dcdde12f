/** S/MIME mail in a whole server: read by API, pages and scripts, its certificates accepted or vouched for by an authority. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { constructedOf } from '../../server/locked/reader/ber.ts'
import { Browser } from '../support/browser.ts'
import { needs } from '../support/programs.ts'
import { Authorities, asMail, crlf, entity, type Holder, signedBy } from '../support/smime.ts'
import { passphrase, problem, type Terminal, type World, world } from '../support/world.ts'

const ann = 'ann@example.org'
const here = { terminal: 'a test', address: '127.0.0.1' }

/** Ann has the identity of this holder, and an OpenPGP key. */
const annWith = async (server: World, openssl: Authorities, holder: Holder) => {
  const user = await server.addUser(ann)
  const file = openssl.pkcs12(holder.name, 'file')
  await server.services.identities.add(
    user,
    passphrase,
    { import: { file, passphrase: Buffer.from('file') } },
    here,
  )
  return server.terminal(ann)
}

const newest = async (terminal: Terminal): Promise<number> =>
  (await terminal.get('/folders/Inbox/messages')).body.messages[0].id

test('P3: S/MIME opens under the allowance as PGP does, and a certificate that came with it counts once it is accepted', async (t) => {
  if (!needs(t, 'openssl')) return
  const openssl = new Authorities(t)
  const server = await world(t)
  const own = openssl.holder({ subject: '/CN=Ann', address: ann, kind: 'rsa' })
  const terminal = await annWith(server, openssl, own)
  const zoe = openssl.holder({ subject: '/O=Example/CN=Zoe', address: 'zoe@example.net', kind: 'rsa' })
  const page =
    'Content-Type: text/html; charset=utf-8\r\n\r\n<p>The plan</p><img src=http://evil.example/>\r\n'
  const signed = crlf(signedBy(openssl, zoe, page))
  const encrypted = (cipher: string, content: Uint8Array) =>
    asMail(openssl.ok(['cms', '-encrypt', cipher, '-recip', own.pem], content), {
      from: 'Zoe <zoe@example.net>',
    })
  await server.deliver(ann, encrypted('-aes256', signed))
  const id = await newest(terminal)
  const decrypt = `/messages/${id}/decrypt`
  assert.equal(problem(await terminal.post(decrypt)), 'allowance-required')
  await terminal.unlock()
  const { body } = await terminal.post(decrypt)
  assert.deepEqual([body.text, body.html], ['The plan', undefined])
  assert.deepEqual(body.weakness, { changes_unseen: true, old_cipher: false })
  const { status, certificate } = body.signature
  assert.deepEqual(
    [status, certificate.subject, certificate.vouched],
    ['unknown-key', 'O=Example, CN=Zoe', false],
  )
  assert.deepEqual(
    body.attachments.map(({ name }: { name: string }) => name),
    ['smime.p7s'],
  )
  // Another session is told of the use, as ever.
  const other = await server.terminal(ann, 'another')
  assert.equal(problem(await other.post(decrypt)), 'key-in-use')

  const part = await fetch(`${server.url}/api/messages/${id}/parts/certificates`, {
    headers: { authorization: `Bearer ${terminal.token}`, 'wafer-key': terminal.keyToken! },
  })
  const armored = Buffer.from(await part.arrayBuffer()).toString('latin1')
  const look = await terminal.post('/correspondents', { armored })
  const [offered] = look.body.offered
  assert.deepEqual(
    [offered.kind, offered.addresses, offered.issuer],
    ['smime', ['zoe@example.net'], 'O=Example, CN=Zoe'],
  )
  assert.match(offered.fingerprint, /^[0-9a-f]{64}$/)
  // The browser shows the same, and takes it.
  const browser = new Browser(server)
  await terminal.delete('/allowance')
  await browser.logIn()
  await browser.go(`/m/${id}/open`)
  await browser.press('OK', { passphrase })
  assert.match(browser.page.text, /The plan/)
  assert.match(
    browser.page.text,
    /nobody vouches for the certificate .*you have not accepted it, and no authority/,
  )
  assert.match(browser.page.text, /does not show changes: its text could have been altered on its way/)
  assert.doesNotMatch(browser.page.html, /evil\.example/)
  await browser.follow('Keys in this mail')
  assert.match(browser.page.text, /Issued by: O=Example, CN=Zoe.*nothing is fetched/)
  await browser.press('Accept')
  assert.match(browser.page.text, /zoe@example\.net S\/MIME [0-9A-F]{4} /)
  await browser.go(`/m/${id}/open`)
  assert.match(browser.page.text, /Signed by zoe@example\.net on .*, accepted certificate/)
  assert.doesNotMatch(browser.page.text, /altered on its way/)
  const [accepted] = (await terminal.get('/correspondents')).body.correspondents
  assert.deepEqual(
    [accepted.kind, accepted.can_encrypt, accepted.addresses],
    ['smime', true, ['zoe@example.net']],
  )
  // A certificate is no OpenPGP key, and nobody takes it for one.
  const letter = {
    to: ['zoe@example.net'],
    cc: [],
    bcc: [],
    subject: 's',
    text: 't',
    attachments: [],
    sign: false,
    encrypt: true,
    draft: false,
  }
  await browser.go('/')
  await browser.press('Lock key')
  await terminal.unlock()
  assert.equal(problem(await terminal.post('/messages', { ...letter, kind: 'openpgp' })), 'no-key-for')
  const opened = (await terminal.post(decrypt)).body
  assert.deepEqual(
    [opened.signature.status, opened.signature.by, opened.attachments],
    ['valid', 'zoe@example.net', []],
  )
  // Pasted as PEM it is the same one; forgotten, it counts no more.
  const pasted = await terminal.post('/correspondents', { armored: readFileSync(zoe.pem, 'latin1') })
  assert.equal(pasted.body.offered[0].fingerprint, offered.fingerprint)
  await terminal.delete(`/correspondents/${offered.fingerprint}`)
  assert.equal((await terminal.post(decrypt)).body.signature.status, 'unknown-key')
  // An old identity reads on; a mail to somebody else says so.
  const stranger = openssl.holder({ subject: '/CN=Else', kind: 'rsa' })
  await server.deliver(
    ann,
    asMail(openssl.ok(['cms', '-encrypt', '-aes256', '-recip', stranger.pem], entity('x'))),
  )
  const not = await terminal.post(`/messages/${await newest(terminal)}/decrypt`)
  assert.deepEqual([problem(not), not.body.reason], ['cannot-decrypt', 'no-key'])
  // As many elements as are read at all, where a certificate should be, are no more than a mail that nobody vouches for.
  const sheer = signatureOfElements(390_000)
  await server.deliver(ann, asMail(sheer, { from: 'zoe@example.net' }))
  const came = await terminal.get(`/messages/${await newest(terminal)}`)
  assert.deepEqual([came.status, came.body.signature.status, came.body.text], [200, 'none', 'Much ado.'])
})

/** A SignedData of nobody's, with so many empty elements in a certificate, as the body of a mail. */
const signatureOfElements = (elements: number) => {
  const oid = (last: string) => Buffer.from(`06092a864886f70d0107${last}`, 'hex')
  const none = Buffer.from('3100', 'hex')
  const text = Buffer.from(entity('Much ado.'))
  const octets = Buffer.concat([Uint8Array.of(4, text.length), text])
  const content = constructedOf(0x30, oid('01'), constructedOf(0xa0, octets))
  const certificate = constructedOf(0x30, Buffer.from('0500'.repeat(elements), 'hex'))
  const version = Buffer.from('020101', 'hex')
  const signed = constructedOf(0x30, version, none, content, constructedOf(0xa0, certificate), none)
  const der = constructedOf(0x30, oid('02'), constructedOf(0xa0, signed))
  const head = 'Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n'
  return Buffer.from(`${head}${Buffer.from(der).toString('base64').replace(/.{76}/g, '$&\r\n')}\r\n`)
}

class Gpgsm {
  readonly home = mkdtempSync('/tmp/gpgsm-')
  /** @param authority that it is to trust */
  constructor(t: TestContext, authority: Holder) {
    t.after(() => {
      spawnSync('gpgconf', ['--homedir', this.home, '--kill', 'all'])
      rmSync(this.home, { recursive: true, force: true })
    })
    writeFileSync(join(this.home, 'gpg-agent.conf'), 'allow-loopback-pinentry\n')
    writeFileSync(join(this.home, 'gpgsm.conf'), 'disable-crl-checks\n')
    const { fingerprint } = new X509Certificate(authority.der)
    writeFileSync(join(this.home, 'trustlist.txt'), `${fingerprint} S relax\n`)
    // It waits for its agent for some seconds only.
    spawnSync('gpgconf', ['--homedir', this.home, '--launch', 'gpg-agent'])
  }

  ok(args: string[], input: string | Uint8Array = ''): Buffer {
    const common = [
      '--homedir',
      this.home,
      '--batch',
      '--yes',
      '--pinentry-mode',
      'loopback',
      '--passphrase-fd',
      '3',
    ]
    const phrase = join(this.home, 'phrase')
    writeFileSync(phrase, 'file')
    const { stdout, stderr, status } = spawnSync(
      'sh',
      ['-c', 'exec gpgsm "$@" 3<"$0"', phrase, ...common, ...args],
      { input },
    )
    assert.equal(status, 0, `gpgsm ${args.join(' ')}: ${stderr}`)
    return stdout
  }
}

test('P3: What gpgsm signs and encrypts opens, and is vouched for by the authority that the operator named', async (t) => {
  if (!needs(t, 'openssl', 'gpgsm')) return
  const openssl = new Authorities(t)
  const authority = openssl.holder({
    subject: '/O=Example/CN=Root',
    kind: 'rsa',
    ca: 1,
    extensions: [
      'basicConstraints=critical,CA:TRUE',
      'subjectKeyIdentifier=hash',
      'keyUsage=critical,keyCertSign,cRLSign',
    ],
  })
  const server = await world(t, { WAFER_SMIME_CA: authority.pem })
  const own = openssl.holder({ subject: '/CN=Ann', address: ann, kind: 'rsa', by: authority })
  const bob = openssl.holder({ subject: '/CN=Bob', address: 'bob@example.org', kind: 'rsa', by: authority })
  const terminal = await annWith(server, openssl, own)
  const gpgsm = new Gpgsm(t, authority)
  openssl.pkcs12(bob.name, 'file', '-legacy', '-certfile', authority.pem)
  gpgsm.ok(['--import', openssl.path(`${bob.name}.p12`)])
  gpgsm.ok(['--import', authority.pem, own.pem])
  const body = (der: Uint8Array) =>
    Buffer.from(
      `Content-Type: application/pkcs7-mime; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n${der.toString()}\r\n`,
    )
  const signed = gpgsm.ok(['--sign', '--base64', '-u', 'bob@example.org'], entity('By gpgsm.'))
  const mail = (inner: Uint8Array) => asMail(inner, { from: 'bob@example.org' })
  for (const content of [signed, gpgsm.ok(['--encrypt', '--base64', '-r', ann], body(signed))]) {
    await server.deliver(ann, mail(body(content)))
    const id = await newest(terminal)
    if (content !== signed) await terminal.unlock()
    const { body: seen } =
      content === signed
        ? await terminal.get(`/messages/${id}`)
        : await terminal.post(`/messages/${id}/decrypt`)
    assert.equal(seen.text.trim(), 'By gpgsm.')
    assert.deepEqual(
      [seen.signature.status, seen.signature.by, seen.signature.certificate.vouched],
      ['valid', 'bob@example.org', true],
      seen.signature.reason,
    )
  }
  // Whom the authority vouches for can be encrypted to, and nobody was asked.
  const [learned, another] = (await terminal.get('/correspondents')).body.correspondents
  assert.deepEqual([learned.kind, learned.addresses, another], ['smime', ['bob@example.org'], undefined])
  // Who signs with one certificate and reads with another has both kept.
  const of = (use: string) =>
    openssl.holder({
      subject: '/CN=Carol',
      address: 'carol@example.org',
      by: authority,
      extensions: [`keyUsage=critical,${use}`, 'subjectAltName=email:carol@example.org'],
    })
  const [signs, reads] = [of('digitalSignature'), of('keyAgreement')]
  const twice = signedBy(openssl, signs, entity('Two.'), '-certfile', reads.pem)
  await server.deliver(ann, asMail(twice, { from: 'carol@example.org' }))
  await terminal.get(`/messages/${await newest(terminal)}`)
  const people = (await terminal.get('/correspondents')).body.correspondents
  const ofCarol = people.filter(
    ({ addresses }: { addresses: string[] }) => addresses[0] === 'carol@example.org',
  )
  assert.deepEqual(ofCarol.map((each: { can_encrypt: boolean }) => each.can_encrypt).sort(), [false, true])
  const browser = new Browser(server)
  await browser.logIn()
  await browser.go(`/m/${(await newest(terminal)) - 2}`)
  assert.match(
    browser.page.text,
    /Signed by bob@example\.org on .*, with a certificate of O=Example, CN=Root, which this server's operator trusts/,
  )
  await browser.go('/m/1')
})
