/**
 * How fast the main job is, each figure beside a peer or a floor measured in the same run: read the ratios, the
 * milliseconds are of whatever machine this is. `npm run bench`; no test depends on it.
 */

import { randomBytes } from 'node:crypto'
import { get } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { Gpg } from '../support/gpg.ts'
import { Authorities, asMail, crlf, entity, signedBy } from '../support/smime.ts'
import { sqliteOf } from '../support/sqlite.ts'
import { passphrase, World } from '../support/world.ts'

const ann = 'ann@wafer.test'
const rounds = 15

const median = (times: number[]) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!

const timed = async (work: () => unknown): Promise<number> => {
  const times: number[] = []
  await work()
  for (let round = 0; round < rounds; round += 1) {
    const from = performance.now()
    await work()
    times.push(performance.now() - from)
  }
  return median(times)
}

const rows: string[][] = [['what', 'ms', 'beside', 'ms', 'ratio']]
const compare = async (what: string, work: () => unknown, beside: string, floor: () => unknown) => {
  const [ours, theirs] = [await timed(work), await timed(floor)]
  // A program that was waited for held this process up: connections that ran out meanwhile are to be seen closed.
  await setTimeout(100)
  rows.push([what, ours.toFixed(1), beside, theirs.toFixed(1), (ours / theirs).toFixed(2)])
}

const ends: (() => void)[] = []
const gpg = new Gpg({ after: (end: () => void) => ends.push(end) } as never)
const server = new World({})
try {
  await server.start()
  const user = await server.addUser(ann)
  const terminal = await server.terminal(ann)
  gpg.generate('Peer <peer@elsewhere.test>', 'ed25519')
  gpg.ok(['--import'], (await terminal.get('/keys')).body.keys[0].public)
  await terminal.unlock()

  for (const [name, size] of [
    ['2 KB', 2_000],
    ['1 MB', 1_000_000],
    ['15 MB', 15_000_000],
  ] as const) {
    const text = randomBytes(Math.ceil(size * 0.75))
      .toString('base64')
      .replace(/.{76}/g, '$&\n')
    const encrypted = gpg.ok(['-a', '-r', ann, '-r', 'peer@elsewhere.test', '-z', '0', '--encrypt'], text)
    await server.deliver(
      ann,
      Buffer.concat([
        Buffer.from(`From: peer@elsewhere.test\r\nTo: ${ann}\r\nSubject: x\r\n\r\n`),
        encrypted,
      ]),
    )
    const [{ id }] = (await terminal.get('/folders/Inbox/messages?limit=1')).body.messages
    await compare(
      `decrypt ${name}, API`,
      async () => {
        const { status } = await terminal.post(`/messages/${id}/decrypt`)
        if (status !== 200) throw new Error(`expected 200, got ${status}`)
      },
      'gpg --decrypt (a process)',
      () => gpg.ok(['--decrypt'], encrypted),
    )
  }
  const openssl = new Authorities({ after: (end: () => void) => ends.push(end) } as never)
  const own = openssl.holder({ subject: '/CN=Ann', address: ann, kind: 'rsa' })
  const file = openssl.pkcs12(own.name, 'file')
  const wanted = { import: { file, passphrase: Buffer.from('file') } }
  await server.services.identities.add(user, passphrase, wanted, { terminal: 'bench', address: '' })
  for (const [name, size] of [
    ['2 KB', 2_000],
    ['15 MB', 15_000_000],
  ] as const) {
    const text = randomBytes(Math.ceil(size * 0.75))
      .toString('base64')
      .replace(/.{76}/g, '$&\r\n')
    const signed = crlf(signedBy(openssl, own, entity(text)))
    openssl.write('m.eml', openssl.ok(['cms', '-encrypt', '-aes256', '-recip', own.pem], signed))
    await server.deliver(ann, asMail(openssl.read('m.eml'), { from: ann }))
    const [{ id }] = (await terminal.get('/folders/Inbox/messages?limit=1')).body.messages
    await compare(
      `S/MIME: decrypt and verify ${name}, API`,
      async () => {
        const { body } = await terminal.post(`/messages/${id}/decrypt`)
        if (body.signature?.status !== 'valid') throw new Error(`expected valid, got ${JSON.stringify(body)}`)
      },
      'openssl cms, both (two processes)',
      () => {
        openssl.ok(['cms', '-decrypt', '-in', 'm.eml', '-inkey', own.key, '-out', 'signed.eml'])
        openssl.ok(['cms', '-verify', '-in', 'signed.eml', '-CAfile', own.pem, '-out', 'text'])
      },
    )
  }
  await compare(
    'sign a text, API',
    () => terminal.post('/sign', { text: 'I promise.\n' }),
    'gpg --clearsign (a process)',
    () => gpg.ok(['--clearsign', '-u', 'peer@elsewhere.test'], 'I promise.\n'),
  )

  const inbox = await server.services.mailboxes.fixedFolder(user.id, 'inbox')
  const sqlite = sqliteOf(server.services.db)
  const insert =
    sqlite.prepare(`INSERT INTO messages (user_id, folder_id, arrived_at, sender, recipients, subject, size, attachments, security)
    VALUES (${user.id}, ${inbox.id}, ?, 'Bob <bob@elsewhere.test>', '${ann}', 'A question about your boat', 2000, 0, 'plain')`)
  sqlite.transaction(() => {
    for (let n = 0; n < 100_000; n += 1) insert.run(Date.now() - n * 1000)
  })()
  const head = sqlite.prepare(
    `SELECT * FROM messages WHERE folder_id = ${inbox.id} ORDER BY arrived_at DESC, id DESC LIMIT 21`,
  )
  await compare(
    'Inbox page, 20 of 100,000',
    () =>
      new Promise<void>((resolve) =>
        get(`${server.url}/f/inbox`, { headers: { cookie: `wafer=${terminal.token}` } }, (response) =>
          response.resume().on('end', resolve),
        ),
      ),
    'the rows from SQLite',
    () => head.all(),
  )
} finally {
  await server.end()
  for (const end of ends) end()
}

const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
for (const row of rows)
  console.log(
    row
      .map((cell, column) =>
        column % 2 || column === 4 ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
      )
      .join('  '),
  )

// The terminal client prints a table of its own.
await import('./terminal.ts')
// So does the door of SSH.
await import('./ssh.ts')
// And so do the engines.
await import('./engines.ts')
