/** What people reported of other programs: each case gives what its list says. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, type TestContext, test } from 'node:test'
import { mailsIn } from '../../server/mail/mail-files.ts'
import { type Answer, type Terminal, World, world } from '../support/world.ts'

const folder = join(process.env.CORPUS_DIR ?? '../shared/corpus', 'reports')
const skip = existsSync(folder) ? false : 'needs the test corpus: set CORPUS_DIR to its folder'
const octetsOf = (file: string) => readFileSync(join(folder, file))
const ann = 'ann@wafer.test'

const withKeys = async (t: TestContext, file: string, address = ann) => {
  const server = await world(t)
  await server.addUser(address, { key: false })
  await imported(server, octetsOf(file), address)
  const terminal = await server.terminal(address)
  await terminal.unlock('pp')
  return { server, terminal }
}

const imported = async (server: World, file: Uint8Array, address = ann) =>
  server.services.keyrings.add(await server.services.users.named(address), 'pp', {
    import: { file, passphrase: Buffer.from('pp') },
  })

const opened = async (server: World, terminal: Terminal, message: string | Uint8Array) => {
  await server.deliver(ann, message)
  const { body } = await terminal.get('/folders/Inbox/messages?limit=1')
  return terminal.post(`/messages/${body.messages[0].id}/decrypt`)
}

const inline = (armored: Uint8Array) =>
  `From: a@example.org\nTo: ${ann}\nSubject: old\n\n${armored.toString()}`

const acceptSenders = async ({ services }: World) => {
  const user = await services.users.named(ann)
  for (const key of await services.correspondents.offered(user.id, octetsOf('senders.pub.asc')))
    await services.correspondents.accept(user.id, key)
}

test('k02: a key on a Brainpool curve comes in, signs, and opens what is encrypted to it', {
  skip,
}, async (t) => {
  const own = 'k02@wafer.test'
  const { terminal } = await withKeys(t, 'k02-brainpoolP256r1.asc', own)
  assert.equal((await terminal.post('/sign', { text: 'Brainpool' })).status, 200)
  const letter = { to: [own], subject: 'b', text: 'callaloo', encrypt: true, sign: true }
  const sent = await terminal.post('/messages', letter)
  assert.equal(sent.status, 201, JSON.stringify(sent.body))
  const { body: list } = await terminal.get('/folders/Inbox/messages?limit=1')
  const { body: mail } = await terminal.post(`/messages/${list.messages[0].id}/decrypt`)
  assert.deepEqual([mail.text.trim(), mail.signature.status], ['callaloo', 'valid'])
})

test('k06: subkeys without their primary key read, and Sign says why it cannot', { skip }, async (t) => {
  const { terminal } = await withKeys(t, 'k06-subkeys-only-SC-E.asc')
  const { body } = await terminal.get('/keys')
  assert.equal(body.keys[0].can_decrypt, true)
  assert.equal(body.keys[0].can_sign, false)
  assert.match(body.keys[0].state, /^Reads, cannot sign: it came without the secret for it\.$/)
  const refused = await terminal.post('/sign', { text: 'x' })
  assert.equal(refused.status, 422)
  assert.match(refused.body.title + refused.body.detail, /no key that can sign/)
})

test('k08: an expired key comes in and opens old mail', { skip }, async (t) => {
  const { server, terminal } = await withKeys(t, 'k08-expired-key.asc')
  const { status, body } = await opened(server, terminal, inline(octetsOf('k08-old-cipher.asc')))
  assert.equal(status, 200, JSON.stringify(body))
  assert.notEqual(body.text.trim(), '')
})

test('k13: a key that a shell saved as UTF-16 comes in', { skip }, async (t) => {
  const { terminal } = await withKeys(t, 'k13-powershell-utf16.asc')
  assert.equal((await terminal.get('/keys')).body.keys.length, 1)
})

test('k15: both keys of one block come in, and each opens its mail', { skip }, async (t) => {
  const { server, terminal } = await withKeys(t, 'k15-two-keys-one-block.asc')
  assert.equal((await terminal.get('/keys')).body.keys.length, 2)
  for (const file of ['k15-cipher-a.asc', 'k15-cipher-b.asc']) {
    const { status, body } = await opened(server, terminal, inline(octetsOf(file)))
    assert.equal(status, 200, `${file}: ${JSON.stringify(body)}`)
  }
})

test('k19: of a key whose primary secret is on a card the rest comes in', { skip }, async (t) => {
  const { terminal } = await withKeys(t, 'k19-card-stub-primary.gpg')
  const { body } = await terminal.get('/keys')
  assert.deepEqual([body.keys[0].can_decrypt, body.keys[0].can_sign], [true, true])
  assert.equal((await terminal.post('/sign', { text: 'x' })).status, 200)
})

test('k30: the extended copy of an expired key brings it up to date', { skip }, async (t) => {
  const { server, terminal } = await withKeys(t, 'k30-expires-in-75s.asc')
  assert.equal((await terminal.get('/keys')).body.keys[0].can_sign, false)
  const letter = { to: [ann], subject: 'p', text: 'plain' }
  const kept = await terminal.post('/messages', { ...letter, draft: true })
  assert.equal(kept.status, 201, JSON.stringify(kept.body))
  const sent = await terminal.post('/messages', letter)
  assert.equal(sent.status, 201, JSON.stringify(sent.body))
  const refused = await terminal.post('/sign', { text: 'x' })
  assert.equal(refused.status, 422)
  assert.match(refused.body.detail ?? refused.body.title, /expired on 2026-11-28/)
  const encrypted = await terminal.post('/messages', { ...letter, encrypt: true })
  assert.equal(encrypted.status, 422)
  assert.match(encrypted.body.detail ?? encrypted.body.title, /ann@wafer\.test expired/)

  const { keys } = await imported(server, octetsOf('k30-extended.asc'))
  assert.deepEqual(
    keys.map(({ isNew }) => isNew),
    [false],
  )
  assert.equal((await terminal.get('/keys')).body.keys[0].expires, null)
  assert.equal((await terminal.post('/sign', { text: 'x' })).status, 200)
  assert.equal((await terminal.post('/messages', { ...letter, encrypt: true })).status, 201)
  const { body } = await terminal.get('/folders/Sent/messages')
  for (const { id } of body.messages)
    assert.equal((await terminal.post(`/messages/${id}/decrypt`)).body.text.trim(), 'plain')
})

test('m07: a comment in the name of the sender leaves it one sender', { skip }, async (t) => {
  const { server, terminal } = await withKeys(t, 'ann.secret.asc')
  await acceptSenders(server)
  await server.deliver(ann, octetsOf('m07-from-paren.eml'))
  const { body } = await terminal.get('/folders/Inbox/messages?limit=1')
  const { body: mail } = await terminal.get(`/messages/${body.messages[0].id}`)
  assert.deepEqual([mail.signature.status, mail.signature.by], ['valid', 'carla@example.org'])
})

test('m09: a cipher that is not known could not be decrypted, which is not for want of a key', {
  skip,
}, async (t) => {
  const { server, terminal } = await withKeys(t, 'ann.secret.asc')
  const { status, body } = await opened(server, terminal, octetsOf('m09-cipher-TWOFISH.eml'))
  assert.equal(status, 422)
  assert.equal(body.reason, 'undecryptable')
})

test('p01: of forty recipients the last one opens the mail', { skip }, async (t) => {
  const { server, terminal } = await withKeys(t, 'ann.secret.asc')
  const { status, body } = await opened(server, terminal, octetsOf('p01-40-recipients-ann-last.eml'))
  assert.equal(status, 200, JSON.stringify(body))
})

test('p02: a signature of a clock that is ahead by half a minute is valid', { skip }, async (t) => {
  const { server, terminal } = await withKeys(t, 'ann.secret.asc')
  await acceptSenders(server)
  await server.deliver(ann, octetsOf('p02-clock-ahead-30s.eml'))
  const { body } = await terminal.get('/folders/Inbox/messages?limit=1')
  assert.equal((await terminal.get(`/messages/${body.messages[0].id}`)).body.signature.status, 'valid')
})

type Seen = { row: Answer['body']; came: Answer['body']; opened: Answer['body'] }

describe('mail of the reports', { skip }, () => {
  const server = new World({})
  after(() => server.end())
  let terminal: Promise<Terminal> | null = null
  const begin = async () => {
    await server.start()
    await server.addUser(ann, { key: false })
    await imported(server, octetsOf('ann.secret.asc'))
    await acceptSenders(server)
    const made = await server.terminal(ann)
    await made.unlock('pp')
    return made
  }
  const see = async (file: string): Promise<Seen & { terminal: Terminal }> => {
    terminal ??= begin()
    const made = await terminal
    await server.deliver(ann, octetsOf(file))
    const row = (await made.get('/folders/Inbox/messages?limit=1')).body.messages[0]
    const came = (await made.get(`/messages/${row.id}`)).body
    const opened = row.security === 'encrypted' ? (await made.post(`/messages/${row.id}/decrypt`)).body : null
    return { row, came, opened, terminal: made }
  }
  const nameOf = (part: { name: string }) => part.name

  const cases: [string, string, (seen: Seen) => void][] = [
    [
      'm01-exchange-mixed.eml',
      'opens as the whole mail',
      ({ opened }) => assert.equal(opened.signature.status, 'valid'),
    ],
    ['m03-mailvelope-gmail-alternative.eml', 'opens', ({ opened }) => assert.ok(opened.text)],
    ['m04-application-pgp.eml', 'opens', ({ opened }) => assert.ok(opened.text)],
    [
      'q01-table-minified.eml',
      'cells apart',
      ({ came }) => assert.equal(came.text, 'Article   Qty   Price\nPen   10   2.50\nInk   1   12.00'),
    ],
    [
      'n02-utf7.eml',
      'UTF-7',
      ({ row, came }) => assert.deepEqual([row.subject, came.text.trim()], ['Grüße', 'Grüße aus Köln, 10 €']),
    ],
    ['n02b-iso2022kr.eml', 'Korean', ({ came }) => assert.equal(came.text.trim(), '안녕하세요')],
    ['n02i-qword-questionmark.eml', 'subject', ({ row }) => assert.equal(row.subject, 'Hast du Zeit? Grüße')],
    ['n03-uuencode-cte.eml', 'decoded', ({ came }) => assert.equal(came.attachments[0].size, 13)],
    ['n04-missing-semicolon.eml', 'parts', ({ came }) => assert.equal(came.text.trim(), 'Hallo')],
    [
      'n05-header-150k-to.eml',
      'subject and text',
      ({ row, came }) =>
        assert.deepEqual([row.subject, came.text.trim()], ['n05 everybody Grüße', 'Grüße an alle']),
    ],
    [
      'n01-unquoted-filename.eml',
      'names',
      ({ came }) =>
        assert.deepEqual(came.attachments.map(nameOf), [
          'Report for Q3 2026.pdf',
          'Concur _1_.png',
          'Angebot für Müller und Soehne.pdf',
          'Änderung.pdf',
          'Rechnung € 100.pdf',
          'Äpfel, Birnen; Obst.txt',
          'サンプル.txt',
          'memo.txt',
        ]),
    ],
  ]
  for (const [file, what, check] of cases) test(`${file}: ${what}`, async () => check(await see(file)))

  test('m01, m03, m04: Decrypt opens the whole mail, text and headers', async () => {
    for (const file of [
      'm01-exchange-mixed.eml',
      'm03-mailvelope-gmail-alternative.eml',
      'm04-application-pgp.eml',
    ]) {
      const { row, came, opened } = await see(file)
      assert.equal(row.security, 'encrypted', file)
      assert.equal(came.security, 'encrypted', file)
      assert.match(came.text, /BEGIN PGP MESSAGE/, file)
      assert.match(opened.text, /\S/, file)
      assert.equal(opened.from[0].address, 'carla@example.org')
    }
  })
})

describe('files of the reports', { skip }, () => {
  const read = async (file: string) => {
    const found: string[] = []
    for await (const mail of mailsIn({
      path: join(folder, file),
      kind: 'mbox',
      marks: { seen: false, flagged: false, answered: false, deleted: false },
      folder: null,
    })) {
      if ('skipped' in mail) continue
      const subject = /^Subject: (.*)$/m.exec(mail.octets.toString())![1]!
      found.push(`${subject}${mail.seen ? ' R' : ''}${mail.flagged ? ' F' : ''}${mail.deleted ? ' D' : ''}`)
    }
    return found
  }
  const cases: [string, string[]][] = [
    ['i01-from-in-body-url.mbox', ['i01 one', 'i01 two']],
    ['i02-tb-quoted-from2.mbox', ['i02 one R', 'i02 two R']],
    [
      'i03-thunderbird-status.mbox',
      ['i03 read R', 'i03 deleted, not compacted R D', 'i03 unread', 'i03 starred R F'],
    ],
    ['i04b-bom.mbox', ['i04b one']],
  ]
  for (const [file, wanted] of cases) test(file, async () => assert.deepEqual(await read(file), wanted))
})
