/**
 * Keys that live: they expire and are extended, get parts and lose them, are revoked; made by gpg and sq as people make
 * them.
 */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import * as openpgp from 'openpgp'
import { Refusal } from '../../server/ground/refusal.ts'
import { cellOf, rowsOf } from '../support/databases.ts'
import { Gpg } from '../support/gpg.ts'
import { needs } from '../support/programs.ts'
import { type Terminal, type World, world } from '../support/world.ts'

const ann = 'ann@wafer.test'
const bob = 'bob@elsewhere.test'
const dayMs = 86_400_000

const loopback = (phrase: string) => ['--pinentry-mode', 'loopback', '--passphrase', phrase]
/** What gpg asks of who edits or revokes, answered. */
const answered = ['--command-fd', '0']

const imported = async (server: World, file: string | Uint8Array, phrase = 'pp', keyring = 'pp') =>
  server.services.keyrings.add(await server.services.users.named(ann), keyring, {
    import: { file: Buffer.from(file), passphrase: Buffer.from(phrase) },
  })

const refusedImport = async (server: World, file: string | Uint8Array, phrase = 'pp') => {
  try {
    await imported(server, file, phrase)
  } catch (error) {
    if (error instanceof Refusal) return { code: error.code, sentence: error.message }
    throw error
  }
  throw new Error('expected a refusal, got a key')
}

const annsServer = async (t: TestContext) => {
  const server = await world(t)
  await server.addUser(ann, { key: false })
  return server
}

const unlocked = async (server: World, phrase = 'pp'): Promise<Terminal> => {
  const terminal = await server.terminal(ann)
  const { status } = await terminal.unlock(phrase)
  assert.equal(status, 201)
  return terminal
}

const opened = async (server: World, terminal: Terminal, armored: string | Uint8Array) => {
  await server.deliver(ann, `From: ${bob}\nTo: ${ann}\nSubject: s\n\n${armored}`)
  const { body } = await terminal.get('/folders/Inbox/messages?limit=1')
  return terminal.post(`/messages/${body.messages[0].id}/decrypt`)
}

const secretOf = (gpg: Gpg, who: string, ...export_: string[]) =>
  gpg.ok([...loopback('pp'), '--armor', ...(export_.length ? export_ : ['--export-secret-keys']), who])

const told = ({ body }: { body: { title?: string; detail?: string } }) => `${body.title} ${body.detail}`

test('a key that is imported again brings its new date, subkeys and names, and loses nothing', async (t) => {
  if (!needs(t, 'gpg')) return
  const server = await annsServer(t)
  const gpg = new Gpg(t)
  const fingerprint = gpg.generate(`Ann <${ann}>`, 'ed25519', 'pp')
  const before = secretOf(gpg, fingerprint)
  await imported(server, before)
  const old = gpg.ok(['-a', '-e', '-r', fingerprint], 'before').toString()
  gpg.ok([...loopback('pp'), '--quick-add-key', fingerprint, 'cv25519', 'encr', 'never'])
  gpg.ok([...loopback('pp'), '--quick-add-uid', fingerprint, 'Ann <ann@new.test>'])
  gpg.ok([...loopback('pp'), '--quick-set-expire', fingerprint, '2y'])
  const again = await imported(server, secretOf(gpg, fingerprint))
  assert.deepEqual(
    again.keys.map(({ isNew }) => isNew),
    [false],
  )
  const older = await imported(server, before) // takes nothing away
  for (const { keys } of [again, older]) {
    assert.deepEqual(keys[0]!.aliases.sort(), ['ann@new.test', ann])
    assert.ok(keys[0]!.expiresAt! > Date.now() + 700 * dayMs)
  }
  const terminal = await unlocked(server)
  const fresh = gpg.ok(['-a', '-e', '-r', fingerprint], 'after').toString()
  assert.equal((await opened(server, terminal, old)).body.text.trim(), 'before')
  assert.equal((await opened(server, terminal, fresh)).body.text.trim(), 'after')
})

test('a signing subkey whose secret is missing stands back for a part that has its secret', async (t) => {
  if (!needs(t, 'gpg')) return
  const server = await annsServer(t)
  const gpg = new Gpg(t)
  const fingerprint = gpg.generate(`Ann <${ann}>`, 'ed25519', 'pp')
  gpg.ok([...loopback('pp'), '--quick-add-key', fingerprint, 'ed25519', 'sign', 'never'])
  const listed = gpg.ok(['--with-colons', '--with-keygrip', '--list-secret-keys', fingerprint]).toString()
  const subkeys = listed.split(/^ssb:/m).slice(1)
  const signing = subkeys.find((one) => /^(?:[^:]*:){10}s/.test(one))!
  const grip = /^grp:+([0-9A-F]{40}):/m.exec(signing)![1]!
  rmSync(join(gpg.home, 'private-keys-v1.d', `${grip}.key`))
  await imported(server, secretOf(gpg, fingerprint))
  const terminal = await unlocked(server)
  const { body: keys } = await terminal.get('/keys')
  assert.deepEqual([keys.keys[0].can_sign, keys.keys[0].state], [true, ''])
  const { status, body } = await terminal.post('/sign', { text: 'laptop' })
  assert.equal(status, 200, JSON.stringify(body))
  assert.match(gpg.run(['--verify'], body.signed).status, /GOODSIG/)
})

test('only-sign and only-decrypt keys come in, and it is said what each cannot', async (t) => {
  if (!needs(t, 'gpg')) return
  const server = await annsServer(t)
  const gpg = new Gpg(t)
  gpg.ok([...loopback('pp'), '--quick-generate-key', `Ann signs <${ann}>`, 'ed25519', 'sign,cert', 'never'])
  await imported(server, secretOf(gpg, 'Ann signs'))
  const terminal = await unlocked(server)
  let { keys } = (await terminal.get('/keys')).body
  assert.deepEqual([keys[0].can_decrypt, keys[0].can_sign, keys[0].can_encrypt], [false, true, false])
  assert.match(keys[0].state, /^Cannot open mail: it has no part for it\.$/)
  assert.equal((await terminal.post('/sign', { text: 'x' })).status, 200)
  const letter = { to: [ann], subject: 's', text: 'kept', encrypt: true }
  const refused = await terminal.post('/messages', letter)
  assert.equal(refused.status, 422)
  assert.match(told(refused), /The key of ann@wafer\.test has no part for it/)

  // A second one that only reads: mail goes to it, and the first goes on to sign.
  gpg.ok([...loopback('pp'), '--quick-generate-key', `Ann reads <${ann}>`, 'ed25519', 'cert', 'never'])
  const [, reads] = gpg
    .ok(['--with-colons', '--list-keys', 'Ann reads'])
    .toString()
    .match(/^fpr:+([0-9A-F]{40})/m)!
  gpg.ok([...loopback('pp'), '--quick-add-key', reads!, 'cv25519', 'encr', 'never'])
  await imported(server, secretOf(gpg, reads!))
  keys = (await terminal.get('/keys')).body.keys
  assert.match(keys.find((key: { can_sign: boolean }) => !key.can_sign).state, /^Reads, cannot sign/)
  const sent = await terminal.post('/messages', { ...letter, sign: true })
  assert.equal(sent.status, 201, JSON.stringify(sent.body))
  const { body } = await terminal.post(`/messages/${sent.body.id}/decrypt`)
  assert.deepEqual([body.text.trim(), body.signature.status], ['kept', 'valid'])
})

for (const reason of ['1', '3'])
  test(`an own key that was revoked (${reason === '1' ? 'hard' : 'soft'}) reads, and a letter says before it leaves that it cannot be signed`, async (t) => {
    if (!needs(t, 'gpg')) return
    const server = await annsServer(t)
    const gpg = new Gpg(t)
    const fingerprint = gpg.generate(`Ann <${ann}>`, 'ed25519', 'pp')
    const old = gpg.ok(['-a', '-e', '-r', fingerprint], 'before').toString()
    await imported(server, secretOf(gpg, fingerprint))
    const terminal = await unlocked(server)
    const revocation = gpg.ok(
      [...loopback('pp'), '--no-batch', ...answered, '--armor', '--gen-revoke', fingerprint],
      `y\n${reason}\n\ny\n`,
    )
    const learned = await terminal.post('/correspondents', { armored: revocation.toString() })
    assert.equal(learned.status, 200, JSON.stringify(learned.body))
    assert.deepEqual(learned.body, { offered: [], revoked: [fingerprint] })
    const { keys } = (await terminal.get('/keys')).body
    assert.ok(keys[0].revoked)
    assert.match(keys[0].state, /cannot sign: it was revoked/)
    assert.equal((await opened(server, terminal, old)).body.text.trim(), 'before')
    const refused = await terminal.post('/messages', { to: [ann], subject: 's', text: 'x', sign: true })
    assert.equal(refused.status, 422)
    assert.match(told(refused), /was revoked/)
    const plain = await terminal.post('/messages', { to: [ann], subject: 's', text: 'plain' })
    assert.equal(plain.status, 201, JSON.stringify(plain.body))
    assert.equal((await terminal.post(`/messages/${plain.body.id}/decrypt`)).body.text.trim(), 'plain')
    // The letter itself must not go to a key that others may have.
    await server.addUser('ben@wafer.test')
    const letter = { to: ['ben@wafer.test'], subject: 's', text: 'x', encrypt: true }
    const encrypted = await terminal.post('/messages', letter)
    assert.equal(encrypted.status, reason === '1' ? 422 : 201, JSON.stringify(encrypted.body))
    if (reason === '1') assert.match(told(encrypted), /Your own key was revoked as no longer safe/)
    const [exported] = await server.services.keyrings.exportSecret(
      await server.services.users.named(ann),
      'pp',
      'of the copy',
    )
    assert.equal(await (await openpgp.readKey({ armoredKey: exported! })).isRevoked(), true)
  })

for (const [kind, reason, earlier] of [
  ['hard', '1', 'expired'],
  ['soft', '3', 'valid'],
] as const)
  test(`a correspondent’s revocation (${kind}) is learned from a bare certificate and from a copy`, async (t) => {
    if (!needs(t, 'gpg')) return
    for (const form of ['bare', 'copy']) {
      const server = await world(t)
      await server.addUser(ann)
      const terminal = await server.terminal(ann)
      const gpg = new Gpg(t)
      const ago = (hours: number) => [
        '--faked-system-time',
        String(Math.floor(Date.now() / 1000) - hours * 3600),
      ]
      const fingerprint = gpg.generate(`Bob <${bob}>`, 'ed25519', '', ago(2))
      const armored = gpg.publicKey(bob)
      assert.equal((await terminal.post('/correspondents', { armored, accept: fingerprint })).status, 201)
      const signed = gpg.ok([...ago(1), '--clearsign'], 'callaloo').toString()
      const revocation = gpg.ok(
        [...loopback(''), '--no-batch', ...answered, '--armor', '--gen-revoke', fingerprint],
        `y\n${reason}\n\ny\n`,
      )
      const later = gpg.ok([...ago(-1 / 30), '--clearsign'], 'later').toString()
      gpg.ok(['--import'], revocation)
      const offered = form === 'bare' ? revocation.toString() : gpg.publicKey(bob)
      const { body } = await terminal.post('/correspondents', { armored: offered })
      assert.deepEqual(body.revoked, [fingerprint], form)

      const status = async (text: string) => {
        await server.deliver(ann, `From: ${bob}\nTo: ${ann}\nSubject: s\n\n${text}`)
        const { body: list } = await terminal.get('/folders/Inbox/messages?limit=1')
        return (await terminal.get(`/messages/${list.messages[0].id}`)).body.signature.status
      }
      assert.equal(await status(signed), earlier, form)
      assert.equal(await status(later), 'expired', form)
      const recipients = await terminal.post('/recipients', { to: bob })
      assert.deepEqual(recipients.body.recipients, [{ address: bob, key: false, why: 'revoked' }])
      const refused = await terminal.post('/messages', { to: bob, subject: 's', text: 'x', encrypt: true })
      assert.match(told(refused), /The key of bob@elsewhere\.test was revoked/)
      const { body: known } = await terminal.get('/correspondents')
      assert.ok(known.correspondents[0].revoked)

      // An older copy, accepted once more, does not take it back.
      await terminal.post('/correspondents', { armored, accept: fingerprint })
      assert.equal((await terminal.post('/recipients', { to: bob })).body.recipients[0].key, false, form)
    }
  })

test('a revocation is not forgotten by an older copy that is accepted at the same time', async (t) => {
  const server = await world(t)
  const user = await server.addUser(ann, { key: false })
  const { correspondents } = server.services
  const made = await openpgp.generateKey({ userIDs: [{ email: bob }], format: 'armored' })
  const [key] = (await correspondents.look(user, Buffer.from(made.publicKey))).keys
  await correspondents.accept(user.id, key!)
  let isLearned = false
  const learning = correspondents.learn(user, Buffer.from(made.revocationCertificate)).finally(() => {
    isLearned = true
  })
  // Some of them begin before it is learned, and are done after it.
  const accepting: Promise<void>[] = []
  while (!isLearned && accepting.length < 10_000) {
    accepting.push(correspondents.accept(user.id, key!))
    await Promise.race([learning, accepting.at(-1)])
    accepting.push(correspondents.accept(user.id, key!), correspondents.accept(user.id, key!))
  }
  assert.equal((await learning).length, 1)
  await Promise.all(accepting)
  const [stored] = await correspondents.list(user.id)
  assert.ok(stored!.uses.revoked, 'it is revoked still')
})

test('a revocation that another key made, or that was changed, revokes nothing', async (t) => {
  if (!needs(t, 'gpg')) return
  const server = await world(t)
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  const gpg = new Gpg(t)
  const fingerprint = gpg.generate(`Bob <${bob}>`, 'ed25519', '')
  await terminal.post('/correspondents', { armored: gpg.publicKey(bob), accept: fingerprint })
  const revocation = gpg.ok(
    [...loopback(''), '--no-batch', ...answered, '--gen-revoke', fingerprint],
    'y\n1\n\ny\n',
  )
  const { data } = await openpgp.unarmor(revocation.toString())
  const octets = Buffer.from(data as Uint8Array)
  octets[octets.length - 1]! ^= 1
  const forged = openpgp.armor(openpgp.enums.armor.publicKey, octets)
  const { status, body } = await terminal.post('/correspondents', { armored: forged })
  assert.equal(status, 422, JSON.stringify(body))
  assert.equal((await terminal.post('/recipients', { to: bob })).body.recipients[0].key, true)
})

test('the newest key that can be used is the one, whatever came last', async (t) => {
  if (!needs(t, 'gpg')) return
  const server = await world(t)
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  const gpg = new Gpg(t)
  const accept = async (which: string) => {
    const armored = gpg.publicKey(which)
    const { body } = await terminal.post('/correspondents', { armored })
    const [{ fingerprint }] = body.offered
    await terminal.post('/correspondents', { armored, accept: fingerprint })
  }
  gpg.generate(`Bob good <${bob}>`, 'ed25519', '')
  await accept('Bob good')
  gpg.ok([...loopback(''), '--quick-generate-key', `Bob signs <${bob}>`, 'ed25519', 'sign,cert', 'never'])
  await accept('Bob signs')
  assert.deepEqual((await terminal.post('/recipients', { to: bob })).body.recipients, [
    { address: bob, key: true },
  ])
  const { body } = await terminal.get(`/addresses?q=bob`)
  assert.equal(body.addresses[0].key, true)
})

test('key flags in a direct-key signature count', async (t) => {
  const { privateKey: key } = await openpgp.generateKey({
    type: 'ecc',
    curve: 'curve25519Legacy',
    userIDs: [{ email: ann }],
    subkeys: [{ sign: false }],
    format: 'object',
  })
  // As keys say it once for all their names.
  type Parts = { keyPacket: { algorithm: number }; directSignatures: openpgp.SignaturePacket[] }
  const { keyPacket: primary, directSignatures } = key as unknown as Parts
  const signed = async (type: number, data: object, flags: object) => {
    const signature = Object.assign(new openpgp.SignaturePacket(), {
      signatureType: type,
      publicKeyAlgorithm: primary.algorithm,
      hashAlgorithm: openpgp.enums.hash.sha256,
      ...flags,
    })
    const { sign } = signature as unknown as { sign(...how: unknown[]): Promise<void> }
    await sign.call(signature, primary, { key: primary, ...data }, new Date(), false, openpgp.config)
    return signature
  }
  const { certPositive, key: direct } = openpgp.enums.signature
  const [user] = key.users
  user!.selfCertifications = [await signed(certPositive, { userID: user!.userID }, {})]
  directSignatures.push(await signed(direct, {}, { keyFlags: Uint8Array.of(3) }))
  await assert.rejects(key.getSigningKey(), /key flags/)

  const server = await annsServer(t)
  const { keys } = await imported(server, key.write())
  assert.deepEqual(keys[0]!.now, { encrypt: null, sign: null, decrypt: null })
  const terminal = await unlocked(server)
  const { status, body } = await terminal.post('/sign', { text: 'flags' })
  assert.equal(status, 200, JSON.stringify(body))
  await server.deliver(ann, `From: ${ann}\nTo: ${ann}\nSubject: s\n\n${body.signed}`)
  const { body: list } = await terminal.get('/folders/Inbox/messages?limit=1')
  assert.equal((await terminal.get(`/messages/${list.messages[0].id}`)).body.signature.status, 'valid')
})

test('a signature whose clock is ahead is valid up to five minutes, and a forgery after that', async (t) => {
  if (!needs(t, 'gpg')) return
  const server = await world(t)
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  const gpg = new Gpg(t)
  const fingerprint = gpg.generate(`Bob <${bob}>`, 'ed25519', '')
  await terminal.post('/correspondents', { armored: gpg.publicKey(bob), accept: fingerprint })
  for (const [aheadS, wanted] of [
    [240, 'valid'],
    [600, 'invalid'],
  ] as const) {
    const at = String(Math.floor(Date.now() / 1000) + aheadS)
    const signed = gpg.ok(['--faked-system-time', at, '--clearsign'], 'ahead').toString()
    await server.deliver(ann, `From: ${bob}\nTo: ${ann}\nSubject: s\n\n${signed}`)
    const { body } = await terminal.get('/folders/Inbox/messages?limit=1')
    assert.equal((await terminal.get(`/messages/${body.messages[0].id}`)).body.signature.status, wanted)
  }
})

test('a key file is taken in the forms that people have, and a refusal names its cause', async (t) => {
  if (!needs(t, 'gpg')) return
  const gpg = new Gpg(t)
  const fingerprint = gpg.generate(`Ann <${ann}>`, 'ed25519', 'pp')
  const armored = secretOf(gpg, fingerprint).toString()
  const binary = gpg.ok([...loopback('pp'), '--export-secret-keys', fingerprint])
  const server = await annsServer(t)
  await imported(server, armored)
  const lines = armored.trim().split('\n')
  const forms: Record<string, string | Uint8Array> = {
    binary,
    'UTF-16LE with its mark': Buffer.from(`\ufeff${armored}`, 'utf16le'),
    'UTF-16LE without': Buffer.from(armored, 'utf16le'),
    'UTF-16BE with its mark': Buffer.from(`\ufeff${armored}`, 'utf16le').swap16(),
    'UTF-16BE without': Buffer.from(armored, 'utf16le').swap16(),
    'UTF-8 with a mark': `\ufeff${armored}`,
    CRLF: armored.replaceAll('\n', '\r\n'),
    'text before and after': `My key, Ünder Ann:\n\n${armored}\nBye\n`,
    comments: armored.replace('\n', '\nVersion: x\nComment: Grüße\n'),
    indented: lines.map((line) => `    ${line}`).join('\n'),
    quoted: `Ann wrote:\n${lines.map((line) => `> ${line}`).join('\n')}`,
    'with the public half before': `${gpg.publicKey(fingerprint)}${armored}`,
  }
  for (const [name, file] of Object.entries(forms)) {
    const { keys } = await imported(server, file)
    assert.deepEqual(
      keys.map((key) => [key.fingerprint, key.isNew]),
      [[fingerprint, false]],
      name,
    )
  }
  const refusals: [string, string | Uint8Array, RegExp][] = [
    ['nothing', '', /empty/],
    ['public', gpg.publicKey(fingerprint), /public half/],
    ['a message', gpg.ok(['-a', '-e', '-r', fingerprint], 'x'), /encrypted message/],
    ['cut off', lines.slice(0, -2).join('\n'), /cut off/],
    ['damaged', armored.replace(/\n\n(.{8}).{16}/, '\n\n$1AAAAAAAAAAAAAAAA'), /damaged|not an OpenPGP/],
    ['SSH', '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n', /SSH/],
    ['TLS', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n', /TLS/],
    ['a picture', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), /no OpenPGP secret key|damaged/],
  ]
  for (const [name, file, why] of refusals) {
    const { code, sentence } = await refusedImport(server, file)
    assert.equal(code, 'bad-key', `${name}: ${sentence}`)
    assert.match(sentence, why, name)
  }
  assert.equal((await refusedImport(server, armored, 'wrong')).code, 'wrong-passphrase')
})

test('keys of every kind in use come in, sign and read', async (t) => {
  if (!needs(t, 'gpg')) return
  const gpg = new Gpg(t)
  const files = new Map<string, Uint8Array>()
  for (const [primary, subkey] of [
    ['nistp256', 'nistp256'],
    ['nistp384', 'nistp384'],
    ['nistp521', 'nistp521'],
    ['brainpoolP384r1', 'brainpoolP384r1'],
    ['rsa2048', 'rsa2048'],
  ] as const) {
    gpg.ok([...loopback('pp'), '--quick-generate-key', `${primary} <${ann}>`, primary, 'sign,cert', 'never'])
    const [, fingerprint] = gpg
      .ok(['--with-colons', '--list-keys', primary])
      .toString()
      .match(/^fpr:+([0-9A-F]{40})/m)!
    gpg.ok([...loopback('pp'), '--quick-add-key', fingerprint!, subkey, 'encr', 'never'])
    files.set(primary, secretOf(gpg, fingerprint!))
  }
  for (const [name, options, config] of [
    ['version 4 on the newer Curve25519', { type: 'curve25519' }, {}],
    ['version 6 on Curve25519', { type: 'curve25519' }, { v6Keys: true }],
    ['version 6 on Curve448', { type: 'curve448' }, { v6Keys: true }],
    ['protected by AEAD', { type: 'curve25519' }, { aeadProtect: true }],
  ] as const) {
    const userIDs = [{ email: ann }]
    const made = await openpgp.generateKey({
      ...options,
      userIDs,
      passphrase: 'pp',
      format: 'object',
      config,
    })
    files.set(name, made.privateKey.write())
  }
  for (const [name, file] of files) {
    const server = await annsServer(t)
    const { keys } = await imported(server, file)
    assert.deepEqual(keys[0]!.now, { encrypt: null, sign: null, decrypt: null }, name)
    const terminal = await unlocked(server)
    const letter = { to: [ann], subject: 's', text: name, encrypt: true, sign: true }
    const { status, body } = await terminal.post('/messages', letter)
    assert.equal(status, 201, `${name}: ${JSON.stringify(body)}`)
    const { body: mail } = await terminal.post(`/messages/${body.id}/decrypt`)
    assert.deepEqual([mail.text.trim(), mail.signature.status], [name, 'valid'])
    await server.stop()
  }
})

test('keys that are refused are refused by the name of what is wrong with them', async (t) => {
  if (!needs(t, 'gpg')) return
  const gpg = new Gpg(t)
  const server = await annsServer(t)
  for (const [kind, why] of [
    ['rsa1024', /RSA keys of 1024 bits/],
    ['dsa2048', /DSA or Elgamal/],
    ['secp256k1', /curve secp256k1/],
  ] as const) {
    gpg.ok([...loopback('pp'), '--quick-generate-key', `${kind} <${ann}>`, kind, 'sign,cert', 'never'])
    const { code, sentence } = await refusedImport(server, secretOf(gpg, kind))
    assert.deepEqual([code, why.test(sentence)], ['bad-key', true], sentence)
  }
  const made = async () =>
    (
      await openpgp.generateKey({
        type: 'ecc',
        curve: 'curve25519Legacy',
        userIDs: [{ email: ann }],
        format: 'object',
      })
    ).privateKey
  type Packet = {
    encrypt(phrase: string, config: object): Promise<void>
    privateParams: object
    s2kUsage: number
  }
  const packetsOf = (key: openpgp.PrivateKey) =>
    key.getKeys().map((part) => (part as unknown as { keyPacket: Packet }).keyPacket)

  const mixed = await made()
  for (const [place, packet] of packetsOf(mixed).entries())
    await packet.encrypt(place ? 'another' : 'pp', openpgp.config)
  const old = await made()
  for (const packet of packetsOf(old)) {
    await packet.encrypt('pp', openpgp.config)
    packet.s2kUsage = 255
  }
  const [halves, others] = [await made(), await made()]
  packetsOf(halves)[1]!.privateParams = packetsOf(others)[1]!.privateParams
  const nobody = await made()
  nobody.users = []
  const ofVersion = async (version: number) => {
    const file = (await made()).write()
    file[2] = version
    return file
  }
  const cases: [Uint8Array, RegExp][] = [
    [mixed.write(), /a part of this key only/],
    [old.write(), /protected in a way/],
    [halves.write(), /parts do not belong together/],
    [nobody.write(), /names nobody/],
    [await ofVersion(3), /version 3/],
    [await ofVersion(5), /version 5/],
  ]
  for (const [file, why] of cases) {
    const { code, sentence } = await refusedImport(server, file)
    assert.deepEqual([code, why.test(sentence)], ['bad-key', true], sentence)
  }
})

test('of several keys in a file those that can be taken are, and each other is named', async (t) => {
  const server = await annsServer(t)
  const make = async (phrase: string) => {
    const { privateKey } = await openpgp.generateKey({
      type: 'curve25519',
      userIDs: [{ email: ann }],
      passphrase: phrase,
      format: 'object',
    })
    return privateKey
  }
  const [first, foreign, second] = [await make('pp'), await make('not this one'), await make('pp')]
  const file = Buffer.concat([first, foreign, second].map((key) => key.write()))
  const { keys, refused } = await imported(server, file)
  assert.deepEqual(
    keys.map(({ fingerprint }) => fingerprint),
    [first.getFingerprint(), second.getFingerprint()],
  )
  assert.deepEqual(
    refused.map(({ fingerprint }) => fingerprint),
    [foreign.getFingerprint()],
  )
  assert.match(refused[0]!.sentence, /not the passphrase/)
  const user = await server.services.users.named(ann)
  assert.equal((await server.services.keyrings.present(user.id))!.fingerprint, first.getFingerprint())
})

test('a card has the secret: a key that is all on one is refused by that, and its public half shows nothing else', async (t) => {
  const server = await annsServer(t)
  const { privateKey } = await openpgp.generateKey({
    type: 'ecc',
    curve: 'curve25519Legacy',
    userIDs: [{ email: ann }],
    passphrase: 'pp',
    format: 'object',
  })
  // GnuPG's stub: usage 255, a cipher, specifier 101, a hash, `GNU`, mode 2, the card's serial number.
  const stub = Buffer.concat([Buffer.from([255, 0, 101, 0]), Buffer.from('GNU\x02'), Buffer.from([1, 7])])
  for (const part of privateKey.getKeys())
    Object.assign((part as unknown as { keyPacket: object }).keyPacket, { unparseableKeyMaterial: stub })
  const { code, sentence } = await refusedImport(server, privateKey.write())
  assert.deepEqual([code, /on a card/.test(sentence)], ['bad-key', true], sentence)
})

test('an own key that expires while it is used: letters and drafts are kept, and Sign says why it cannot', async (t) => {
  const server = await annsServer(t)
  const { privateKey } = await openpgp.generateKey({
    type: 'curve25519',
    userIDs: [{ email: ann }],
    keyExpirationTime: 3600,
    format: 'object',
  })
  await imported(server, privateKey.write())
  server.pass(2 * 3_600_000)
  const terminal = await unlocked(server)
  const letter = { to: [ann], subject: 's', text: 'callaloo' }
  const draft = await terminal.post('/messages', { ...letter, draft: true })
  const sent = await terminal.post('/messages', letter)
  for (const { status, body } of [draft, sent]) {
    assert.equal(status, 201, JSON.stringify(body))
    const opened = await terminal.post(`/messages/${body.id}/decrypt`)
    assert.equal(opened.body.text.trim(), 'callaloo')
  }
  for (const refused of [
    await terminal.post('/sign', { text: 'x' }),
    await terminal.post('/messages', { ...letter, sign: true }),
  ]) {
    assert.equal(refused.status, 422)
    assert.match(told(refused), /no key that can sign now: key [0-9A-F]{16} expired on \d{4}-/)
  }
  const { body } = await terminal.get('/folders/Inbox/messages')
  assert.equal(body.messages.length, 1) // nothing left with a letter that was refused
  assert.deepEqual((await terminal.post('/recipients', { to: ann })).body.recipients, [
    { address: ann, key: false, why: 'expired' },
  ])
})

test('keys from before their uses were kept are asked once, own ones and accepted ones', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  const { publicKey } = await openpgp.generateKey({
    type: 'curve25519',
    userIDs: [{ email: bob }],
    format: 'object',
  })
  const armored = publicKey.armor()
  await terminal.post('/correspondents', { armored, accept: publicKey.getFingerprint() })
  const { db } = server.services
  for (const table of ['key_pairs', 'correspondents']) await rowsOf(db, `UPDATE ${table} SET uses = NULL`)
  const { body } = await terminal.get('/keys')
  assert.deepEqual([body.keys[0].can_sign, body.keys[0].can_decrypt, body.keys[0].state], [true, true, ''])
  assert.equal((await terminal.post('/recipients', { to: bob })).body.recipients[0].key, true)
  const count =
    'SELECT (SELECT count(uses) FROM key_pairs) + (SELECT count(uses) FROM correspondents) AS kept'
  assert.equal(await cellOf(db, count), 2)
})
