/** Letters by S/MIME, as they leave: OpenSSL and gpgsm read them, and so does who wrote them. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import * as openpgp from 'openpgp'
import { open } from '../../server/locked/reader/encrypted-mail.ts'
import { protectBySmime } from '../../server/locked/reader/smime-protect.ts'
import { Browser } from '../support/browser.ts'
import { needs } from '../support/programs.ts'
import { isEmpty, queueOf, Relay } from '../support/relay.ts'
import {
  Authorities,
  accepting,
  type Holder,
  type KeyKind,
  keysOf,
  lendIdentities,
} from '../support/smime.ts'
import { passphrase, problem, type Terminal, type World, world } from '../support/world.ts'

const ann = 'ann@example.org'
const bob = 'bob@elsewhere.test'
const carla = 'carla@elsewhere.test'
const eve = 'eve@elsewhere.test'
const here = { terminal: 'a test', address: '127.0.0.1' }

const fingerprintOf = ({ der }: Holder) =>
  new X509Certificate(der).fingerprint256.replaceAll(':', '').toLowerCase()
const bodyOf = (octets: Uint8Array) =>
  Buffer.from(octets).toString('latin1').split('\r\n\r\n').slice(1).join('\r\n\r\n').trim()

test('P3: OpenSSL reads and verifies what is written, whatever keys there are, and so do we', async (t) => {
  if (!needs(t, 'openssl')) return
  const openssl = new Authorities(t)
  const root = openssl.holder({ subject: '/CN=Root', ca: 1, kind: 'P-256' })
  const kinds = ['rsa', 'P-256', 'P-384', 'ed25519', 'x25519'] as KeyKind[]
  const own = Object.fromEntries(
    kinds.map((kind) => [kind, openssl.holder({ subject: `/CN=${kind}`, address: ann, kind, by: root })]),
  ) as Record<KeyKind, Holder>
  const entity = 'Content-Type: text/plain; charset=utf-8\r\n\r\nGr=C3=BC=C3=9Fe\r\n'
  const message = Buffer.from(`From: ${ann}\r\nTo: ${bob}\r\nSubject: s\r\n${entity}`)
  const signers = ['rsa', 'P-256', 'P-384', 'ed25519'] as KeyKind[]
  const readers = ['rsa', 'P-256', 'P-384', 'x25519'] as KeyKind[]
  const check = (name: string) =>
    bodyOf(openssl.ok(['cms', '-verify', '-in', name, '-CAfile', root.pem, '-purpose', 'any']))

  for (const signer of signers) {
    const identities = lendIdentities([own[signer], own.x25519])
    const sign = {
      identities,
      fingerprint: fingerprintOf(own[signer]),
      encryptTo: signer === 'ed25519' ? fingerprintOf(own.x25519) : null,
    }
    const signed = protectBySmime(message, { sign, encryptTo: [], isAuthenticated: false })
    openssl.write('signed.eml', signed)
    // Ed25519 and X25519 in CMS are beyond the OpenSSL of Debian 12.
    const isKnown = signer !== 'ed25519'
    if (isKnown) assert.equal(check('signed.eml'), 'Gr=C3=BC=C3=9Fe', signer)
    openssl.write('bent.eml', Buffer.from(signed).toString('latin1').replace('Gr=C3', 'Gr=C4'))
    assert.throws(() => check('bent.eml'))
    const shown = openssl.ok(['cms', '-cmsout', '-print', '-noout', '-in', 'signed.eml']).toString()
    assert.match(shown, /S\/MIME Capabilities/)
    assert.equal(/1\.2\.840\.113549\.1\.9\.16\.2\.11|encrypKeyPref/i.test(shown), signer === 'ed25519', shown)
    for (const isAuthenticated of [false, true]) {
      const encryptTo = readers.map((reader) => own[reader].der)
      const sealed = protectBySmime(message, { sign, encryptTo, isAuthenticated })
      assert.match(
        Buffer.from(sealed).toString('latin1'),
        isAuthenticated ? /authEnveloped-data/ : /=enveloped-data/,
      )
      assert.ok(!Buffer.from(sealed).includes('Gr=C3'))
      openssl.write('sealed.eml', sealed)
      for (const reader of readers) {
        if (reader !== 'x25519') {
          const { pem, key } = own[reader]
          const opened = openssl.ok(['cms', '-decrypt', '-in', 'sealed.eml', '-recip', pem, '-inkey', key])
          openssl.write('opened.eml', opened)
          if (isKnown) assert.equal(check('opened.eml'), 'Gr=C3=BC=C3=9Fe', `${signer} to ${reader}`)
        }
        const read = await open(sealed, keysOf(own[reader]), [], undefined, accepting([own[signer], ann]))
        assert.deepEqual([read.text.trim(), read.signature.status], ['Gr=C3=BC=C3=9Fe', 'valid'], reader)
      }
    }
  }
  // Another than whom it is for reads nothing.
  openssl.write(
    'to-one.eml',
    protectBySmime(message, { sign: null, encryptTo: [own.rsa.der], isAuthenticated: true }),
  )
  const { pem, key } = own['P-256']
  assert.throws(() => openssl.ok(['cms', '-decrypt', '-in', 'to-one.eml', '-recip', pem, '-inkey', key]))
  assert.throws(
    () => protectBySmime(message, { sign: null, encryptTo: [own.ed25519.der], isAuthenticated: true }),
    /cannot be used to encrypt/,
  )
})

type Mail = { to: string[]; octets: Buffer }

/** Ann with an OpenPGP key and an identity, and a relay that keeps what leaves for elsewhere. */
const annsServer = async (t: TestContext, openssl: Authorities) => {
  const relay = new Relay()
  const server = await world(t, await relay.listen(t))
  relay.isWilling = true
  relay.isKeeping = true
  await server.addUser(ann)
  const root = openssl.holder({ subject: '/CN=Root', ca: 1 })
  const holder = openssl.holder({ subject: '/CN=Ann', address: ann, by: root })
  await imported(server, openssl, holder)
  const terminal = await server.terminal(ann)
  await terminal.unlock()
  /** Sends a letter, and waits for the mails that leave. */
  const send = async (letter: object): Promise<{ id: number; mails: Mail[] }> => {
    relay.mails.splice(0)
    const { status, body } = await terminal.post('/messages', {
      subject: 'The plan',
      text: 'Grüße',
      ...letter,
    })
    assert.equal(status, 201, JSON.stringify(body))
    await queueOf(terminal, isEmpty)
    return { id: body.id, mails: relay.mails.splice(0) }
  }
  return { server, root, terminal, send }
}

const imported = async (server: World, openssl: Authorities, { name }: Holder) => {
  const { users, identities } = server.services
  const wanted = { import: { file: openssl.pkcs12(name, 'file'), passphrase: Buffer.from('file') } }
  await identities.add(await users.named(ann), passphrase, wanted, here)
}

const accepted = async ({ post }: Terminal, armored: string) => {
  const { offered } = (await post('/correspondents', { armored })).body
  const { status, body } = await post('/correspondents', { armored, accept: offered[0].fingerprint })
  assert.ok(status < 300, JSON.stringify(body))
}

const openedBy = (openssl: Authorities, { pem, key }: Holder, { octets }: Mail): Buffer => {
  openssl.write('came.eml', octets)
  return openssl.ok(['cms', '-decrypt', '-in', 'came.eml', '-recip', pem, '-inkey', key])
}
const verified = (openssl: Authorities, root: Holder, octets: Uint8Array): string => {
  openssl.write('came.eml', octets)
  return bodyOf(
    openssl.ok(['cms', '-verify', '-in', 'came.eml', '-CAfile', root.pem, '-purpose', 'smimesign']),
  )
}
const typeOf = ({ octets }: Mail) =>
  /^content-type: ([^;\r]+(?:; smime-type=[\w-]+)?)/im.exec(octets.toString('latin1'))?.[1]
const inText = 'Gr=C3=BC=C3=9Fe'

test('P3: a letter goes by the kind that its recipients read, and where they read different ones each gets theirs', async (t) => {
  if (!needs(t, 'openssl', 'gpgsm')) return
  const openssl = new Authorities(t)
  const { server, root, terminal, send } = await annsServer(t, openssl)
  const bobs = openssl.holder({ subject: '/CN=Bob', address: bob, kind: 'rsa' })
  await accepted(terminal, readFileSync(bobs.pem, 'latin1'))
  const carlas = await openpgp.generateKey({ userIDs: [{ email: carla }], format: 'object' })
  await accepted(terminal, carlas.publicKey.armor())
  const kinds = (await terminal.post('/recipients', { to: [bob, carla, eve] })).body.recipients
  assert.deepEqual(
    kinds.map(({ key, kinds = [] }: { key: boolean; kinds?: string[] }) => [key, ...kinds]),
    [[true, 'smime'], [true], [false]],
  )

  // To Bob by S/MIME: what his programs read is not known yet.
  const both = { sign: true, encrypt: true }
  const first = await send({ to: bob, ...both })
  assert.deepEqual(first.mails.map(typeOf), ['application/pkcs7-mime; smime-type=enveloped-data'])
  assert.equal(verified(openssl, root, openedBy(openssl, bobs, first.mails[0]!)), inText)
  const home = mkdtempSync('/tmp/gpgsm-')
  t.after(() => {
    spawnSync('gpgconf', ['--homedir', home, '--kill', 'all'])
    rmSync(home, { recursive: true, force: true })
  })
  writeFileSync(join(home, 'gpg-agent.conf'), 'allow-loopback-pinentry\n')
  const gpgsm = (...args: string[]) =>
    spawnSync(
      'gpgsm',
      ['--homedir', home, '--batch', '--pinentry-mode', 'loopback', '--passphrase-fd', '0', ...args],
      { input: 'file' },
    )
  openssl.pkcs12(bobs.name, 'file', '-legacy')
  gpgsm('--import', openssl.path(`${bobs.name}.p12`))
  const base64 = first.mails[0]!.octets.toString('latin1').split('\r\n\r\n')[1]!
  openssl.write('came.p7m', Buffer.from(base64, 'base64'))
  const opened = gpgsm('--decrypt', openssl.path('came.p7m'))
  assert.match(opened.stdout.toString('latin1'), /multipart\/signed/, opened.stderr.toString())

  // His signed mail brings his certificate again, and what he reads.
  const sign = { identities: lendIdentities([bobs]), fingerprint: fingerprintOf(bobs), encryptTo: null }
  const fromBob = `From: ${bob}\r\nTo: ${ann}\r\nSubject: hi\r\nContent-Type: text/plain\r\n\r\nhello\r\n`
  await server.deliver(
    ann,
    protectBySmime(Buffer.from(fromBob), { sign, encryptTo: [], isAuthenticated: false }),
  )
  const [newest] = (await terminal.get('/folders/Inbox/messages')).body.messages
  const read = await terminal.get(`/messages/${newest.id}`)
  assert.equal(read.body.signature.status, 'valid')
  const part = await fetch(`${server.url}/api/messages/${newest.id}/parts/certificates`, {
    headers: { authorization: `Bearer ${terminal.token}` },
  })
  await accepted(terminal, Buffer.from(await part.arrayBuffer()).toString('latin1'))
  const second = await send({ to: bob, bcc: [ann], ...both })
  assert.deepEqual(second.mails.map(typeOf), ['application/pkcs7-mime; smime-type=authEnveloped-data'])
  assert.equal(verified(openssl, root, openedBy(openssl, bobs, second.mails[0]!)), inText)
  // So does who wrote it, in the copy that was kept and in what came.
  for (const folder of ['Sent', 'Inbox']) {
    const [{ id }] = (await terminal.get(`/folders/${folder}/messages`)).body.messages
    const { status, body } = await terminal.post(`/messages/${id}/decrypt`)
    assert.equal(status, 200, JSON.stringify(body))
    assert.deepEqual([body.text.trim(), body.signature.status], ['Grüße', 'valid'])
  }

  // Nothing fits both, and nothing leaves; then each gets what they read.
  const mixed = { to: [bob, carla], subject: 'x', text: 'Grüße', ...both }
  const refused = await terminal.post('/messages', mixed)
  assert.deepEqual([problem(refused), refused.body.reason], ['no-key-for', 'kinds-differ'])
  assert.match(
    refused.body.title,
    /^carla@elsewhere\.test can be written to by OpenPGP alone, and bob@elsewhere\.test by S\/MIME/,
  )
  const { mails, id } = await send({ ...mixed, kind: 'each' })
  const byRecipient = Object.fromEntries(mails.map((mail) => [mail.to.join(), mail]))
  assert.deepEqual(Object.keys(byRecipient).sort(), [bob, carla])
  assert.equal(verified(openssl, root, openedBy(openssl, bobs, byRecipient[bob]!)), inText)
  assert.equal(typeOf(byRecipient[carla]!), 'multipart/encrypted')
  assert.equal((await terminal.post(`/messages/${id}/decrypt`)).body.text.trim(), 'Grüße')
  for (const [wanted, ...missing] of [
    ['openpgp', bob],
    ['smime', carla],
  ]) {
    const { body } = await terminal.post('/messages', { ...mixed, kind: wanted })
    assert.deepEqual(body.addresses, missing)
  }
  const nobody = await terminal.post('/messages', { ...mixed, to: [bob, eve] })
  assert.deepEqual(nobody.body.addresses, [eve])

  // Signed alone: by OpenPGP unless S/MIME is asked for.
  const [byPgp, bySmime] = [
    await send({ to: eve, sign: true }),
    await send({ to: eve, sign: true, kind: 'smime' }),
  ]
  assert.match(byPgp.mails[0]!.octets.toString('latin1'), /protocol="application\/pgp-signature"/)
  assert.equal(verified(openssl, root, bySmime.mails[0]!.octets), inText)
})

test('P3: Compose offers S/MIME to who has a certificate, asks where recipients read different kinds, and keeps drafts', async (t) => {
  if (!needs(t, 'openssl')) return
  const openssl = new Authorities(t)
  const relay = new Relay()
  const server = await world(t, await relay.listen(t))
  relay.isWilling = true
  relay.isKeeping = true
  await server.addUser(ann, { key: false })
  const browser = new Browser(server)
  await browser.logIn()
  await browser.go('/c')
  assert.doesNotMatch(browser.page.text, /S\/MIME/)
  const terminal = await server.terminal(ann)
  const root = openssl.holder({ subject: '/CN=Root', ca: 1 })
  const bobs = openssl.holder({ subject: '/CN=Bob', address: bob, kind: 'rsa' })
  await accepted(terminal, readFileSync(bobs.pem, 'latin1'))
  await imported(server, openssl, openssl.holder({ subject: '/CN=Ann', address: ann, by: root }))

  // Bob can be encrypted to, as Ann is told while she types; and hers is hers, whatever a stranger's certificate says.
  const [suggested] = (await terminal.get('/addresses?q=bob')).body.addresses
  assert.deepEqual([suggested.address, suggested.key], [bob, true])
  await server.addUser('dora@example.org', { key: false })
  const doras = await server.terminal('dora@example.org')
  const claim = openssl.holder({ subject: '/CN=Ann', address: ann })
  const { offered } = (await doras.post('/correspondents', { armored: readFileSync(claim.pem, 'latin1') }))
    .body
  assert.deepEqual(offered[0].conflicts, [{ address: ann, with: 'user' }])

  // The keyring holds this identity alone: a draft is kept encrypted to it.
  const letter = { to: bob, subject: 'x', text: 'Grüße', prot: 'smimeBoth' }
  await browser.go('/c')
  assert.match(browser.page.text, /Signed \(S\/MIME\) Encrypted and signed \(S\/MIME\)/)
  await browser.press('Save draft', letter)
  await browser.go('/f/drafts')
  await browser.follow('x')
  await browser.unlock()
  assert.deepEqual([browser.page.value('text').trim(), browser.page.protection], ['Grüße', 'smimeBoth'])
  const [draft] = (await terminal.get('/folders/Drafts/messages')).body.messages
  assert.equal(draft.security, 'encrypted')
  await browser.press('Send')
  await queueOf(terminal, isEmpty)
  assert.equal(verified(openssl, root, openedBy(openssl, bobs, relay.mails.splice(0)[0]!)), inText)
  const [copy] = (await terminal.get('/folders/Sent/messages')).body.messages
  await browser.go(`/m/${copy.id}/open`)
  assert.match(browser.page.text, /Grüße/)

  // Carla reads OpenPGP: it is asked, and done once it was read.
  const carlas = await openpgp.generateKey({ userIDs: [{ email: carla }], format: 'object' })
  await accepted(terminal, carlas.publicKey.armor())
  await browser.go('/c')
  await browser.press('Send', { to: `${bob}, ${carla}`, subject: 'y', text: 'Grüße', prot: 'encrypt' })
  assert.match(browser.page.happened, /no one mail fits both.*Press Send again/)
  assert.equal(relay.mails.length, 0)
  await browser.press('Send')
  await queueOf(terminal, isEmpty)
  assert.deepEqual(relay.mails.map(({ to }) => to.join()).sort(), [bob, carla])
  await browser.go('/c')
  await browser.press('Sign, key open', { text: 'x' })
  assert.match(browser.page.happened, /Text is signed by an OpenPGP key, and you have none/)
  await browser.go('/k')
  assert.doesNotMatch(browser.page.text, /You have no key yet/)
  // By the API a signature is of the one kind that there is.
  await browser.press('Lock key')
  await terminal.unlock()
  const signed = await terminal.post('/messages', { to: eve, subject: 'z', text: 'Grüße', sign: true })
  assert.equal(signed.status, 201, JSON.stringify(signed.body))
  await queueOf(terminal, isEmpty)
  assert.equal(verified(openssl, root, relay.mails.at(-1)!.octets), inText)
  server.pass(400 * 86_400_000)
  const later = await server.terminal(ann)
  await later.unlock()
  const ended = await later.post('/messages', { to: eve, subject: 'z', text: 'x', sign: true, kind: 'smime' })
  assert.deepEqual(
    [problem(ended), ended.body.title?.includes('no S/MIME certificate for ann@example.org')],
    ['bad-key', true],
  )
})
