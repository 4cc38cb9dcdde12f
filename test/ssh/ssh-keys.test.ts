/** Public keys that log in by SSH: what is taken, listed, removed and told, by API, page and command. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'
import { Browser } from '../support/browser.ts'
import { root } from '../support/places.ts'
import { needs } from '../support/programs.ts'
import { ann, SshPerson } from '../support/ssh.ts'
import { problem, world } from '../support/world.ts'

test('Keys for SSH are added as ssh-keygen makes them, listed with its fingerprints, told in the ledger, and removed (P88)', async (t) => {
  if (!needs(t, 'ssh-keygen')) return
  const server = await world(t)
  await server.addUser(ann)
  await server.addUser('bob@wafer.test')
  const person = new SshPerson(t, 0, ann)
  const [desk, bob] = [await server.terminal(ann, 'desk'), await server.terminal('bob@wafer.test')]
  assert.deepEqual((await desk.get('/ssh-keys')).body, { keys: [] })
  const kinds = [
    person.newKey('ed25519', 'ed25519'),
    person.newKey('rsa', 'rsa', '-b', '3072'),
    person.newKey('p256', 'ecdsa', '-b', '256'),
    person.newKey('p384', 'ecdsa', '-b', '384'),
    person.newKey('p521', 'ecdsa', '-b', '521'),
  ]
  for (const { file, line } of kinds) {
    const added = await desk.post('/ssh-keys', { key: line })
    const [, fingerprint] = execFileSync('ssh-keygen', ['-lf', file], { encoding: 'utf8' }).split(' ')
    assert.equal(added.status, 201)
    assert.equal(added.body.fingerprint, fingerprint)
    assert.equal(added.body.used_at, null)
  }
  const { keys } = (await desk.get('/ssh-keys')).body
  assert.deepEqual(
    keys.map(({ name }: { name: string }) => name),
    ['ed25519', 'rsa', 'p256', 'p384', 'p521'].map((name) => `${name} of ann`),
  )
  assert.deepEqual(Object.keys(keys[0]).sort(), ['added_at', 'fingerprint', 'id', 'name', 'used_at'])

  // Twice, of somebody else, and of none.
  assert.equal(problem(await desk.post('/ssh-keys', { key: kinds[0]!.line })), 'exists')
  assert.equal((await bob.delete(`/ssh-keys/${keys[0].id}`)).status, 404)
  assert.equal((await bob.post('/ssh-keys', { key: kinds[0]!.line, name: 'the same' })).status, 201)
  assert.equal((await desk.delete(`/ssh-keys/${keys[0].id}`)).status, 204)
  assert.equal((await desk.delete(`/ssh-keys/${keys[0].id}`)).status, 404)
  assert.equal((await desk.get('/ssh-keys')).body.keys.length, 4)
  assert.equal((await bob.get('/ssh-keys')).body.keys[0].name, 'the same')
  const [removed, , , , , first] = (await desk.get('/log')).body.events
  assert.deepEqual(
    [removed, first].map(({ event, terminal, reason }) => [event, terminal, reason]),
    [
      ['used', 'desk', 'ssh-key-removed ed25519 of ann'],
      ['used', 'desk', 'ssh-key-added ed25519 of ann'],
    ],
  )

  // The page, in both languages; names and lines are hostile text.
  const browser = new Browser(server)
  await browser.logIn(ann)
  await browser.go('/folders')
  await browser.follow('SSH keys')
  assert.match(browser.page.text, /no log-ins by SSH now/)
  await browser.press('Add', { key: kinds[0]!.line.replace('ed25519 of ann', '<b>\u202e\x1b[31m'), name: '' })
  assert.equal(browser.page.happened, 'The SSH key is added.')
  assert.match(browser.page.html, /&lt;b&gt;/)
  assert.doesNotMatch(browser.page.html, /[\u202e\x1b]/)
  await browser.press('Add', { key: 'ssh-ed25519 AAAA', name: '' })
  assert.match(browser.page.happened, /not a public key/)
  assert.equal(browser.page.value('key'), 'ssh-ed25519 AAAA')
  await browser.press('Add', { key: ' ', name: '' })
  assert.equal(browser.page.happened, 'Nothing was typed, and nothing was added.')
  await browser.press('Remove')
  assert.match(browser.page.happened, /is removed/)
  browser.cookies.set('lang', 'ja')
  await browser.go('/ssh')
  assert.equal(browser.page.heading, 'SSH鍵')
  await browser.go('/log')
  assert.match(browser.page.text, /SSH鍵を追加した/)

  // The commands.
  const command = (...words: string[]) => {
    const env = { ...process.env, ...server.database, WAFER_DATA: server.config.data }
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'dist/wafer.js'), ...words], {
      env,
      encoding: 'utf8',
    })
    return { status, stdout, stderr }
  }
  const pub = `${person.newKey('other', 'ed25519').file}.pub`
  assert.match(
    command('ssh-key', 'add', ann, '--file', pub, '--name', 'laptop').stdout,
    /^Added \S+: laptop, SHA256:/,
  )
  const [line] = command('ssh-key', 'list', ann)
    .stdout.split('\n')
    .filter((each) => each.endsWith('\tlaptop'))
  const [id, fingerprint, added, used] = line!.split('\t')
  assert.match(`${fingerprint} ${added} ${used}`, /^SHA256:\S{43} \d{4}-\S+Z never$/)
  assert.equal(command('ssh-key', 'remove', ann, id!).status, 0)
  assert.match(command('ssh-key', 'remove', ann, id!).stderr, /^wafer: There is no such SSH key\.\n$/)
  assert.equal(command('ssh-key', 'add', ann).status, 2)
  assert.match(
    command('ssh-key', 'add', ann, '--file', person.file('none')).stderr,
    /cannot be read \(ENOENT\)/,
  )
  assert.match(
    command('ssh-key', 'add', ann, '--file', person.file('ed25519')).stderr,
    /This is a secret key/,
  )
})

test('What is no key for SSH, too weak, of an old kind or secret is refused with what to do instead (P88)', async (t) => {
  if (!needs(t, 'ssh-keygen')) return
  const server = await world(t)
  await server.addUser(ann)
  const person = new SshPerson(t, 0, ann)
  const desk = await server.terminal(ann)
  const refused = async (key: string, code: string, sentence: RegExp) => {
    const answer = await desk.post('/ssh-keys', { key })
    assert.equal(problem(answer), code, key.slice(0, 60))
    assert.match(answer.body.title, sentence, key.slice(0, 60))
  }
  const { line } = person.newKey('good', 'ed25519')
  const [type, encoded] = line.split(' ') as [string, string]
  const octets = Buffer.from(encoded, 'base64')
  const wire = (...fields: (string | Buffer)[]) =>
    Buffer.concat(
      fields.flatMap((field) => {
        const length = Buffer.alloc(4)
        length.writeUInt32BE(field.length)
        return [length, Buffer.from(field)]
      }),
    ).toString('base64')
  const none = /not a public key/
  for (const text of ['', 'x', type, `${type} !`, `${type} AAAA`, `${line}\nand more`])
    await refused(text, 'bad-key', none)
  await refused(`${line}\n${line}`, 'bad-key', /several public keys/)
  await refused(`from="10.0.0.1",command="say \\"hi there\\"" ${line}`, 'bad-key', /^Options such as/)
  await refused(`restrict ${line}`, 'bad-key', /^Options such as/)
  // The file that PuTTY's generator saves, and ssh-keygen -e (RFC 4716).
  const saved = (inside: string) =>
    `---- BEGIN SSH2 PUBLIC KEY ----\r\n${inside}\r\n---- END SSH2 PUBLIC KEY ----\r\n`
  await refused(saved('Comment: "x"'), 'bad-key', none)
  await refused(saved(encoded).slice(0, -30), 'bad-key', none)
  await refused(saved(encoded) + saved(encoded), 'bad-key', /several public keys/)
  await refused(saved(wire('ssh-dss')), 'bad-key', /type ssh-dss cannot log in/)
  await refused(`ssh-rsa ${encoded}`, 'bad-key', none)
  await refused(`${type} ${Buffer.concat([octets, Buffer.alloc(1)]).toString('base64')}`, 'bad-key', none)
  await refused(`${type} ${octets.subarray(0, -1).toString('base64')}`, 'bad-key', none)
  await refused(`${type} ${wire(type, Buffer.alloc(31))}`, 'bad-key', none)
  // A point that is not on its curve.
  const p256 = 'ecdsa-sha2-nistp256'
  const off = Buffer.concat([Buffer.from([4]), Buffer.alloc(64, 7)])
  await refused(`${p256} ${wire(p256, 'nistp256', off)}`, 'bad-key', none)
  await refused(`ssh-dss ${wire('ssh-dss')}`, 'bad-key', /type ssh-dss cannot log in/)
  await refused(`ssh-ed25519-cert-v01@openssh.com ${encoded}`, 'bad-key', /cannot log in here/)
  const { n, e } = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })
  const number = (text: string) => Buffer.concat([Buffer.alloc(1), Buffer.from(text, 'base64url')])
  await refused(
    `ssh-rsa ${wire('ssh-rsa', Buffer.from(e!, 'base64url'), number(n!))}`,
    'bad-key',
    /1024 bits are too weak/,
  )
  for (const head of ['-----BEGIN OPENSSH PRIVATE KEY-----', 'PuTTY-User-Key-File-3: ssh-ed25519'])
    await refused(`${head}\nb3BlbnNzaC1rZXk\n`, 'bad-key', /secret key.*\.pub/)
  assert.equal(problem(await desk.post('/ssh-keys', { key: `${line}${'x'.repeat(9_000)}` })), 'bad-request')
  assert.equal(problem(await desk.post('/ssh-keys', { name: 'x' })), 'bad-request')
  const putty = `Comment: "Ann's \\\r\nkey"\r\n${encoded.slice(0, 64)}\r\n${encoded.slice(64)}`
  const fromPutty = await desk.post('/ssh-keys', { key: saved(putty) })
  assert.equal(fromPutty.body.name, "Ann's key")
  assert.match(problem(await desk.post('/ssh-keys', { key: `# mine\n\n${line}\n` })), /exists/)
  assert.equal((await desk.delete(`/ssh-keys/${fromPutty.body.id}`)).status, 204)
  // A line with Windows' end, without a comment, is taken.
  const added = await desk.post('/ssh-keys', { key: `${type} ${encoded}\r\n`, name: 'x'.repeat(90) })
  assert.equal(added.status, 201)
  assert.deepEqual((await desk.get('/ssh-keys')).body.keys.length, 1)
})
