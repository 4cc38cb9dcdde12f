/**
 * S/MIME identities: PKCS #12 files as other programs make them, into the keyring and out again; OpenSSL and gpgsm read
 * what comes out.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHmac, pbkdf2Sync, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import * as asn1js from 'asn1js'
import { Refusal } from '../../server/ground/refusal.ts'
import { byPassphrase } from '../../server/keys/keyrings.ts'
import { Browser } from '../support/browser.ts'
import { cellOf, columnOf, rowsOf } from '../support/databases.ts'
import { OpenSsl } from '../support/identities.ts'
import { needs } from '../support/programs.ts'
import { passphrase, problem, type World, world } from '../support/world.ts'

const ann = 'ann@wafer.test'
const dayMs = 86_400_000
const here = { terminal: 'a test', address: '127.0.0.1' }
const copyPhrase = 'only for this copy of it'

const imported = async (server: World, file: Uint8Array, phrase = '', keyring = passphrase) => {
  const user = await server.services.users.named(ann)
  const wanted = { import: { file, passphrase: Buffer.from(phrase) } }
  return server.services.identities.add(user, keyring, wanted, here)
}
const refused = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work
  } catch (error) {
    if (error instanceof Refusal) return error.reason
    throw error
  }
  throw new Error('expected a refusal, got none')
}

/** The contents of several unprotected files, as one file: what browsers make of all that somebody has. */
const together = (...files: Buffer[]): Buffer => {
  const parts = files.flatMap((file) => {
    const { result } = asn1js.fromBER(Uint8Array.from(file).buffer)
    const [, content] = (result as asn1js.Sequence).valueBlock.value as asn1js.Sequence[]
    const [, within] = content!.valueBlock.value as asn1js.Constructed[]
    const [octets] = within!.valueBlock.value as asn1js.OctetString[]
    const safe = asn1js.fromBER(octets!.getValue()).result as asn1js.Sequence
    return safe.valueBlock.value
  })
  const safe = new asn1js.Sequence({ value: parts }).toBER()
  const octets = new asn1js.OctetString({ valueHex: safe })
  const data = new asn1js.Sequence({
    value: [
      new asn1js.ObjectIdentifier({ value: '1.2.840.113549.1.7.1' }),
      new asn1js.Constructed({ idBlock: { tagClass: 3, tagNumber: 0 }, value: [octets] }),
    ],
  })
  return Buffer.from(new asn1js.Sequence({ value: [new asn1js.Integer({ value: 3 }), data] }).toBER())
}

/** A file without a MAC, with one of RFC 9879, as OpenSSL 3.4 makes it. */
const withPbmac1 = (file: Buffer, phrase: string, keyLength = 32): Buffer => {
  const { result } = asn1js.fromBER(Uint8Array.from(file).buffer)
  const [version, content] = (result as asn1js.Sequence).valueBlock.value as [asn1js.Integer, asn1js.Sequence]
  const [, within] = content.valueBlock.value as asn1js.Constructed[]
  const [safe] = within!.valueBlock.value as asn1js.OctetString[]
  const salt = Buffer.from('as it comes')
  const key = pbkdf2Sync(phrase, salt, 2048, keyLength, 'sha256')
  const digest = createHmac('sha256', key).update(Buffer.from(safe!.getValue())).digest()
  const sequence = (...value: asn1js.BaseBlock[]) => new asn1js.Sequence({ value })
  const id = (value: string) => new asn1js.ObjectIdentifier({ value })
  const octets = (value: Buffer) => new asn1js.OctetString({ valueHex: Uint8Array.from(value).buffer })
  const number = (value: number) => new asn1js.Integer({ value })
  const hmac = () => sequence(id('1.2.840.113549.2.9'), new asn1js.Null())
  const pbkdf2 = sequence(
    id('1.2.840.113549.1.5.12'),
    sequence(octets(salt), number(2048), number(keyLength), hmac()),
  )
  const how = sequence(id('1.2.840.113549.1.5.14'), sequence(pbkdf2, hmac()))
  const mac = sequence(sequence(how, octets(digest)), octets(Buffer.from('not used')), number(1))
  return Buffer.from(sequence(version, content, mac).toBER())
}

test('P3: PKCS #12 files of all kinds come into the keyring, and what cannot be taken is said why', async (t) => {
  if (!needs(t, 'openssl')) return
  const server = await world(t)
  await server.addUser(ann)
  const openssl = new OpenSsl(t)
  const authority = ['basicConstraints=critical,CA:true', 'keyUsage=keyCertSign']
  openssl.certificate('root', { subject: '/CN=An authority', extensions: authority })
  const ways: [name: string, phrase: string, ...how: string[]][] = [
    ['aes', 'phrase of the file'],
    ['rc2-40', 'file', '-legacy'],
    ['triple-des', 'Grüße, 鍵', '-legacy', '-keypbe', 'PBE-SHA1-3DES', '-certpbe', 'PBE-SHA1-3DES'],
    ['empty', ''],
    ['unprotected', '', '-keypbe', 'NONE', '-certpbe', 'NONE', '-nomac'],
    ['sha1', 'file', '-keypbe', 'aes-128-cbc', '-certpbe', 'aes-128-cbc', '-macalg', 'sha1', '-iter', '1'],
  ]
  for (const [name, phrase, ...how] of ways) {
    openssl.certificate(name, { email: ann, by: 'root' })
    const file = openssl.pkcs12(name, phrase, '-certfile', 'root.pem', ...how)
    if (phrase) assert.equal(await refused(imported(server, file, 'another')), 'wrong-file-passphrase', name)
    const { identities } = await imported(server, file, phrase)
    assert.equal(identities.length, 1, name)
    const [identity] = identities
    assert.equal(identity!.fingerprint, openssl.fingerprint(name), name)
    assert.deepEqual(
      [identity!.isNew, identity!.addresses, identity!.issuer],
      [true, [ann], 'CN=An authority'],
    )
    assert.deepEqual(identity!.now, { encrypt: null, sign: null, decrypt: null }, name)
    assert.equal((await imported(server, file, phrase)).identities[0]!.isNew, false)
  }
  const bare = openssl.pkcs12('sha1', 'schlüssel', '-certfile', 'root.pem', '-nomac')
  const [again] = (await imported(server, withPbmac1(bare, 'schlüssel'), 'schlüssel')).identities
  assert.equal(again!.fingerprint, openssl.fingerprint('sha1'))
  assert.equal(
    await refused(imported(server, withPbmac1(bare, 'schlüssel'), 'other')),
    'wrong-file-passphrase',
  )
  assert.equal(await refused(imported(server, withPbmac1(bare, 'schlüssel', 16), 'schlüssel')), 'not-pkcs12')
  // The way to the authority came along, and no private key lies about.
  const { db } = server.services
  for (const chain of await columnOf<string>(db, 'SELECT chain FROM identities'))
    assert.deepEqual(JSON.parse(chain), [
      new X509Certificate(openssl.read('root.pem')).raw.toString('base64'),
    ])
  for (const { sealed_secret: sealed } of await rowsOf<{ sealed_secret: Uint8Array }>(
    db,
    'SELECT sealed_secret FROM identities',
  ))
    assert.equal(sealed[0], 1) // AES-256-GCM under the DEK

  // Several in one file: one for signing, one for reading, one that has ended, and a key that nobody certified.
  openssl.certificate('signs', {
    email: ann,
    key: ['ed25519'],
    extensions: ['keyUsage=digitalSignature'],
    by: 'root',
  })
  openssl.certificate('reads', {
    email: ann,
    key: ['X25519'],
    extensions: ['keyUsage=keyAgreement'],
    by: 'root',
  })
  openssl.certificate('old', { email: ann, key: ['RSA', '-pkeyopt', 'rsa_keygen_bits:1024'], by: 'root' })
  const several = ['signs', 'reads', 'old'].map((name) =>
    openssl.pkcs12(name, '', '-keypbe', 'NONE', '-certpbe', 'NONE', '-nomac'),
  )
  const { identities } = await imported(server, together(...several))
  const can = Object.fromEntries(identities.map(({ fingerprint, now }) => [fingerprint, now]))
  assert.deepEqual(can, {
    [openssl.fingerprint('signs')]: { sign: null, encrypt: 'no-part', decrypt: 'no-part' },
    [openssl.fingerprint('reads')]: { sign: 'no-part', encrypt: null, decrypt: null },
    [openssl.fingerprint('old')]: { sign: 'weak', encrypt: 'weak', decrypt: null },
  })

  openssl.ok(['pkcs12', '-export', '-nokeys', '-in', 'aes.pem', '-out', 'public.p12', '-passout', 'pass:'])
  openssl.write('nothing', '')
  const apart = ['-inkey', 'reads.key', '-nocerts', '-passout', 'pass:']
  openssl.ok(['pkcs12', '-export', ...apart, '-out', 'bare.p12'])
  const whole = openssl.read('aes.p12')
  const wrong: [string, Uint8Array][] = [
    ['pkcs12-without-key', openssl.read('public.p12')],
    ['pkcs12-without-certificate', openssl.read('bare.p12')],
    ['not-pkcs12', openssl.read('aes.pem')],
    ['not-pkcs12', new Uint8Array()],
    ['not-pkcs12', whole.subarray(0, whole.length / 2)],
    ['pkcs12-large', Buffer.concat([whole, Buffer.alloc(1024 * 1024)])],
  ]
  for (const [reason, file] of wrong) assert.equal(await refused(imported(server, file)), reason)
  assert.equal(await refused(imported(server, whole, 'file', 'not of the keyring')), 'wrong-passphrase')
  // A bit that is changed anywhere is a refusal, and never a fault.
  for (let at = 0; at < whole.length; at += 97) {
    const bent = Buffer.from(whole)
    bent[at]! ^= 1
    const outcome = await imported(server, bent, 'phrase of the file').then(
      ({ identities: [found] }) => found!.fingerprint,
      (error) => (error as Error).name,
    )
    assert.ok(outcome === 'Refusal' || outcome === openssl.fingerprint('aes'), `${at}: ${outcome}`)
  }
})

test('P3: an identity alone begins a keyring, is taken elsewhere by OpenSSL and gpgsm, and ends in good time', async (t) => {
  if (!needs(t, 'openssl', 'gpgsm')) return
  const server = await world(t)
  const user = await server.addUser(ann, { key: false, name: 'Ann Ångström' })
  const { identities, keyrings } = server.services
  assert.equal(
    await refused(
      identities.add(user, 'short', { generate: { name: '', address: ann, at: Date.now() } }, here),
    ),
    'passphrase-short',
  )
  const generate = { name: user.name, address: ann, at: Date.now() }
  const made = await identities.add(user, passphrase, { generate }, here)
  assert.match(made.recoveryCode!, /^[0-9A-Z-]+$/)
  const [own] = made.identities
  assert.deepEqual([own!.subject, own!.addresses, own!.isSelfMade], ['CN=Ann Ångström', [ann], true])

  // The keyring opens by its passphrase, and says which key that is.
  const terminal = await server.terminal(ann)
  const unlocked = await terminal.unlock()
  assert.deepEqual([unlocked.status, unlocked.body.key], [201, own!.fingerprint])
  assert.equal((await terminal.get('/session')).body.allowance.key, own!.fingerprint)

  // It goes out for other programs, with its key, by the passphrases of keyring and copy.
  const exported = (phrase: string, copy = copyPhrase) =>
    identities.exportSecret(user, phrase, copy, own!.fingerprint.toUpperCase(), here)
  assert.equal(await refused(exported('a wrong passphrase')), 'wrong-passphrase')
  assert.equal(await refused(exported(passphrase, 'short')), 'copy-passphrase-short')
  const file = await exported(passphrase)
  const openssl = new OpenSsl(t)
  openssl.write('out.p12', file)
  openssl.write('phrase', `${copyPhrase}\n`)
  const opened = openssl.ok(['pkcs12', '-in', 'out.p12', '-passin', 'file:phrase', '-nodes']).toString()
  assert.match(opened, /BEGIN PRIVATE KEY/)
  openssl.write('out.pem', opened)
  assert.equal(openssl.fingerprint('out'), own!.fingerprint)
  openssl.ok(['cms', '-sign', '-signer', 'out.pem', '-out', 'signed.eml'], 'signed by it')
  const checks = ['cms', '-verify', '-in', 'signed.eml', '-CAfile', 'out.pem', '-purpose', 'smimesign']
  assert.equal(openssl.ok(checks).toString().trim(), 'signed by it')
  const home = mkdtempSync('/tmp/gpgsm-')
  t.after(() => {
    spawnSync('gpgconf', ['--homedir', home, '--kill', 'all'])
    rmSync(home, { recursive: true, force: true })
  })
  writeFileSync(join(home, 'gpg-agent.conf'), 'allow-loopback-pinentry\n')
  const loopback = ['--homedir', home, '--batch', '--yes', '--pinentry-mode', 'loopback']
  const gpgsm = (...args: string[]) =>
    spawnSync('gpgsm', [...loopback, '--passphrase-fd', '0', ...args], { input: copyPhrase })
  // The one of Debian 12 reads no file of OpenSSL 3 either, but those of its time.
  openssl.ok(['pkcs12', '-export', '-legacy', '-in', 'out.pem', '-out', 'old.p12', '-passout', 'file:phrase'])
  assert.match(gpgsm('--import', openssl.path('old.p12')).stderr.toString(), /secret keys imported: 1/)
  // What comes back, from us or from it, is the same.
  const ofGpgsm = gpgsm('--export-secret-key-p12', ann).stdout
  assert.ok(ofGpgsm.length > 1000)
  for (const came of [file, ofGpgsm])
    assert.equal((await imported(server, came, copyPhrase)).identities[0]!.isNew, false)

  // A new passphrase opens it as before: slots change, and no key is touched.
  const next = 'another seal of ann, and of nobody else'
  const session = (await server.services.sessions.contact(terminal.token!))!
  await keyrings.changePassphrase(session, byPassphrase(passphrase), next)
  assert.equal(await refused(exported(passphrase)), 'wrong-passphrase')
  assert.ok((await exported(next)).length > 0)

  // Who holds the key adds by the API, and types the file's passphrase alone.
  openssl.certificate('work', { email: ann, subject: '/CN=Ann/O=Work', days: 20 })
  const work = { file: openssl.pkcs12('work', 'of the file').toString('base64'), passphrase: 'of the file' }
  await terminal.delete('/allowance')
  assert.equal(problem(await terminal.post('/identities', work)), 'allowance-required')
  await terminal.unlock(next)
  const other = await server.terminal(ann, 'another')
  assert.equal(problem(await other.post('/identities', work)), 'key-in-use')
  assert.equal(problem(await terminal.post('/identities', { ...work, passphrase: 'x' })), 'wrong-passphrase')
  assert.equal(problem(await terminal.post('/identities', { ...work, file: 'AAAA' })), 'bad-key')
  assert.equal(problem(await terminal.post('/identities', {})), 'bad-request')
  const added = await terminal.post('/identities', work)
  assert.equal(added.status, 201, JSON.stringify(added.body))
  assert.equal(added.body.identities[0].subject, 'CN=Ann, O=Work')
  assert.equal((await terminal.post('/identities', { generate: true })).status, 201)
  const listed = (await other.get('/identities')).body.identities
  assert.equal(listed.length, 3)
  const atWork = listed.find(({ subject }: { subject: string }) => /Work/.test(subject))
  assert.equal(new X509Certificate(atWork.certificate).subjectAltName, `email:${ann}`)
  assert.equal(atWork.state, '') // others go on when it ends
  for (const { fingerprint } of listed.filter((each: object) => each !== atWork))
    assert.equal((await terminal.delete(`/identities/${fingerprint}`)).status, 204)
  const stateNow = async () => (await terminal.get('/identities')).body.identities[0].state
  assert.match(
    await stateNow(),
    /^Ends on \d{4}-\d\d-\d\d: ask whoever issued it for the next one in time\.$/,
  )
  assert.equal(problem(await other.delete(`/identities/${atWork.fingerprint}`)), 'key-in-use')

  // After that day it reads, and does nothing else. Each step is in the ledger, and nothing is published.
  server.pass(21 * dayMs)
  const later = await server.terminal(ann)
  const [ended] = (await later.get('/identities')).body.identities
  assert.deepEqual([ended.can_decrypt, ended.can_sign, ended.can_encrypt], [true, false, false])
  assert.match(ended.state, /^Reads, cannot sign: it expired on/)
  const reasons = (await later.get('/log')).body.events.map(({ reason }: { reason?: string }) => reason)
  for (const kind of ['added', 'removed', 'exported'])
    assert.ok(reasons.includes(`identity-${kind} ${ann}`), `${kind}: ${reasons.join('; ')}`)
  assert.deepEqual((await later.get('/keys')).body.keys, [])
  await server.services.users.remove(user.id)
  assert.equal(await cellOf(server.services.db, 'SELECT count(*) FROM identities'), 0)
})

test('P3: on pages a certificate is added when the key is open, looked at, told of in time, and removed', async (t) => {
  if (!needs(t, 'openssl')) return
  const server = await world(t)
  await server.addUser(ann)
  const openssl = new OpenSsl(t)
  openssl.certificate('work', { email: ann, subject: '/CN=<b>Ann & Co.<i>', days: 20 })
  const file = new File([Uint8Array.from(openssl.pkcs12('work', 'of the file'))], 'work.p12')
  const browser = new Browser(server)
  await browser.logIn(ann)
  await browser.go('/k')
  await browser.follow('S/MIME')
  assert.match(browser.page.text, /No certificates yet/)
  await browser.follow('Add a certificate')
  await browser.unlock()
  assert.equal(browser.page.heading, 'Add a certificate')
  const add = (typed: Record<string, string | File>) => browser.press('Add a certificate', typed)
  assert.match((await add({ passphrase: 'x' })).happened, /Choose a file first/)
  assert.match((await add({ passphrase: 'x', file })).happened, /not the passphrase of the file/)
  assert.match((await add({ file: new File(['x'], 'x.p12') })).happened, /not a PKCS #12 file/)
  assert.match((await add({ passphrase: 'of the file', file })).happened, /The certificate is added/)
  await browser.go('/f/inbox')
  assert.match(browser.page.text, /Your S\/MIME certificate of ann@wafer\.test ends on \d{4}-/)

  await browser.go('/smime')
  await browser.follow(ann)
  assert.doesNotMatch(browser.page.html, /<b>Ann|<i>/)
  assert.match(browser.page.text, /Issued to: CN=\\<b\\>Ann & Co\.\\<i\\>/)
  const digits = openssl.fingerprint('work').toUpperCase()
  assert.ok(browser.page.text.replaceAll(' ', '').includes(digits))
  const one = browser.page.path
  const download = await browser.follow('Certificate (file)')
  assert.equal(new X509Certificate(download.html).fingerprint256.replaceAll(':', ''), digits)
  assert.match(download.headers.get('content-disposition')!, /^attachment; .*\.pem/)

  // Another's certificate is none of mine, and what is removed needs the key.
  await browser.go(one)
  await browser.press('Lock key')
  await browser.go(one)
  await browser.press('Remove')
  await browser.unlock()
  assert.ok(browser.page.path.startsWith(one))
  await browser.press('Remove')
  assert.match(browser.page.happened, /removed, and its private key with it/)
  assert.equal((await browser.go(one)).status, 404)
  await browser.follow('Back')
  await browser.go('/smime?a=add')
  assert.match((await browser.press('Make one for trying')).happened, /The certificate is added/)
})
