/**
 * The event loop belongs to all: while one user, or one request, does its worst, no turn of the loop is long, another
 * user's request is answered at once, and the server's memory stays small.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { request } from 'node:http'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import Sqlite from 'better-sqlite3'
import { Turnstile } from '../../server/ground/turnstile.ts'
import { CryptoPool } from '../../server/locked/crypto-pool.ts'
import { sqliteOf } from '../support/sqlite.ts'
import { assertUndisturbed, bar, measuredServer, withKey } from '../support/turns.ts'
import { password, type Terminal } from '../support/world.ts'

const ann = 'ann@wafer.test'

describe('the measure', () => {
  test('sees a turn that is long, and whoever waits for its end', { timeout: 120_000 }, async (t) => {
    const server = await measuredServer(t, async () => {})
    const { figures } = await server.during(async () => {
      server.process.send!({ holdMs: 3 * bar.turnMs })
    })
    assert.ok(figures.longestCpuMs >= 3 * bar.turnMs, JSON.stringify(figures))
    assert.ok(figures.longestWaitMs > bar.waitMs, JSON.stringify(figures))
  })

  test('does not see what other programs do', { timeout: 120_000 }, async (t) => {
    const server = await measuredServer(t, async (services) => void (await withKey(services, ann)))
    const terminal = await server.terminal(ann)
    const others = Array.from({ length: 6 }, () => spawn(process.execPath, ['-e', 'for (;;);']))
    t.after(() => others.forEach((other) => void other.kill('SIGKILL')))
    const { figures } = await server.during(async () => {
      for (let times = 0; times < 100; times++) await terminal.get('/folders')
    })
    assertUndisturbed(figures)
    assert.ok(figures.asked > 10)
  })
})

/** A JSON body as octets: `JSON.stringify` of the attacks would take this process as much as the server. */
const send = async (terminal: Terminal, url: string, path: string, body: string) => {
  const response = await fetch(`${url}/api${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${terminal.token}`,
      'wafer-key': terminal.keyToken ?? '',
      'content-type': 'application/json',
    },
    body,
  })
  const answer = await response.json()
  return { status: response.status, answer }
}

describe('structure: a JSON body is bounded before it is parsed', () => {
  const bodies: [string, string, () => string, number, RegExp][] = [
    [
      'millions of attachments of nothing',
      '/messages',
      () => `{"to":"${ann}","attachments":[${'{},'.repeat(12_000_000)}{}]}`,
      413,
      /100 files/,
    ],
    ['thirty megabytes of brackets', '/messages', () => '['.repeat(30_000_000), 400, /16 levels/],
    ['a member of brackets', '/messages', () => `{"to":${'['.repeat(30_000_000)}`, 400, /16 levels/],
    ['a list of numbers', '/messages', () => `{"to":[${'1,'.repeat(15_000_000)}1]}`, 413, /10000 members/],
    ['a string that has no end', '/messages', () => `{"text":"${'\\"'.repeat(15_000_000)}`, 400, /not JSON/],
    [
      'a text of 30 MB',
      '/messages',
      () => `{"text":"${'x'.repeat(30_000_000)}"}`,
      413,
      /member .*text.* is larger/,
    ],
    [
      'files that are no base64',
      '/messages',
      () => `{"attachments":[{"name":"a","content":"${'?'.repeat(30_000_000)}"}]}`,
      400,
      /content/,
    ],
    [
      'the name of a file',
      '/messages',
      () => `{"attachments":[{"name":"${'あ'.repeat(10_000_000)}","content":"YQ=="}]}`,
      413,
      /name.* is larger/,
    ],
    ['a thread', '/messages', () => `{"in_reply_to":"${'a'.repeat(30_000_000)}"}`, 400, /in_reply_to/],
    [
      '101 files',
      '/messages',
      () =>
        `{"to":"${ann}","attachments":[${'{"name":"a","content":"YQ=="},'.repeat(100)}{"name":"a","content":"YQ=="}]}`,
      413,
      /100 files/,
    ],
    [
      '1,001 addresses',
      '/messages',
      () => `{"to":"${Array.from({ length: 1001 }, (_, n) => `a${n}@wafer.test`).join(', ')}","text":"x"}`,
      413,
      /1000 addresses/,
    ],
    ['addresses of 250 KB', '/recipients', () => `{"to":"${'a@b.c,'.repeat(41_000)}"}`, 200, /a@b\.c/],
    [
      'brackets for addresses',
      '/recipients',
      () => `{"to":"${'('.repeat(250_000)}"}`,
      422,
      /not a mail address/,
    ],
    [
      'signs between angles',
      '/recipients',
      () => `{"to":"${'<a@'.repeat(83_000)}"}`,
      422,
      /not a mail address/,
    ],
    [
      'groups for addresses',
      '/recipients',
      () => `{"to":"${'g:a,'.repeat(62_000)}"}`,
      422,
      /not a mail address/,
    ],
  ]
  test('each is refused, or answered, at once', { timeout: 300_000 }, async (t) => {
    const server = await measuredServer(
      t,
      async ({ users }) => void (await users.add({ address: ann, password })),
    )
    const terminal = await server.terminal(ann)
    for (const [what, path, body, status, sentence] of bodies) {
      const text = body()
      const { figures, result } = await server.during(() => send(terminal, server.url, path, text))
      assert.equal(result.status, status, what)
      assert.match(JSON.stringify(result.answer).slice(0, 2000), sentence, what)
      assertUndisturbed(figures, what)
    }
  })
})

describe('size: what is allowed, at its largest, delays nobody', () => {
  const file = (octets: number) =>
    `{"name":"a.bin","content":"${Buffer.alloc(octets, 'some octets').toString('base64')}"}`
  const calls: [string, string, () => string, number][] = [
    [
      'a letter to 1,000 of 20,000 users',
      '/messages',
      () => `{"to":[${Array.from({ length: 1000 }, (_, n) => `"u${n}@wafer.test"`)}],"text":"x"}`,
      201,
    ],
    [
      '1,000 addresses',
      '/recipients',
      () => `{"to":"${Array.from({ length: 1000 }, (_, n) => `u${n}@wafer.test`)}"}`,
      200,
    ],
    [
      'a letter with 25 MB',
      '/messages',
      () => `{"to":"${ann}","text":"x","attachments":[${file(25_000_000)}]}`,
      201,
    ],
    [
      'a letter with 25 MB, encrypted',
      '/messages',
      () => `{"to":"${ann}","text":"x","encrypt":true,"attachments":[${file(25_000_000)}]}`,
      201,
    ],
    [
      'a letter with 25 MB, signed',
      '/messages',
      () => `{"to":"${ann}","text":"x","sign":true,"attachments":[${file(25_000_000)}]}`,
      201,
    ],
    ['a draft with 25 MB', '/messages', () => `{"draft":true,"attachments":[${file(25_000_000)}]}`, 201],
    [
      'a draft to whomever, 250 KB of them',
      '/messages',
      () => `{"draft":true,"to":"${'a@b.c,<'.repeat(30_000)}"}`,
      201,
    ],
    ['a text of 2 MB to sign', '/sign', () => `{"text":"${'words '.repeat(340_000)}"}`, 200],
    ['lines of dashes to sign', '/sign', () => `{"text":"${'-\\n'.repeat(680_000)}"}`, 200],
    [
      'keys that are none',
      '/correspondents',
      () => `{"armored":"${'-----BEGIN PGP PUBLIC KEY BLOCK-----\\n\\n'.repeat(26_000)}"}`,
      422,
    ],
  ]
  test('each is done in pieces, in sets, or in a child process', { timeout: 300_000 }, async (t) => {
    const server = await measuredServer(t, async (services) => {
      await withKey(services, ann)
      const row = sqliteOf(services.db).prepare(
        "INSERT INTO users (address, name, password_hash, created_at) VALUES (?, '', '', 0)",
      )
      sqliteOf(services.db).transaction(() => {
        for (let n = 0; n < 20_000; n++) row.run(`u${n}@wafer.test`)
      })()
    })
    const terminal = await server.terminal(ann)
    for (const [what, path, body, status] of calls) {
      await terminal.unlock()
      const text = body()
      const { figures, result } = await server.during(() => send(terminal, server.url, path, text))
      assert.equal(result.status, status, `${what} ${JSON.stringify(result.answer).slice(0, 500)}`)
      assertUndisturbed(figures, what)
    }
  })
})

describe('memory: large bodies are taken in turn', () => {
  const users = [ann, 'bob@wafer.test', 'cid@wafer.test']
  const serverWithUsers = (t: TestContext) =>
    measuredServer(t, async (services) => {
      for (const address of users) await withKey(services, address)
    })

  test('three users send 25 MB each at one moment, and one of them twice', {
    timeout: 300_000,
  }, async (t) => {
    const server = await serverWithUsers(t)
    const terminals = await Promise.all(users.map((user) => server.terminal(user)))
    const content = Buffer.alloc(25_000_000, 'some octets').toString('base64')
    const body = `{"to":"${ann}","text":"x","attachments":[{"name":"a.bin","content":"${content}"}]}`
    const { figures, result } = await server.during(() =>
      Promise.all(
        [...terminals, terminals[0]!].map((terminal) => send(terminal, server.url, '/messages', body)),
      ),
    )
    assert.deepEqual(
      result.map(({ status }) => status),
      [201, 201, 201, 201],
    )
    assertUndisturbed(figures)
  })

  test('who begins a large letter and goes on with nothing gives way', { timeout: 120_000 }, async (t) => {
    const server = await serverWithUsers(t)
    const [anns, ...others] = await Promise.all(users.map((user) => server.terminal(user)))
    let isDropped = false
    for (const terminal of others) {
      const upload = request(`${server.url}/api/messages`, {
        method: 'POST',
        headers: { authorization: `Bearer ${terminal.token}`, 'content-length': 3_000_000 },
      })
      upload.write(' '.repeat(2_000_000))
      upload.on('error', () => {
        isDropped = true
      })
      t.after(() => upload.destroy())
    }
    const body = `{"to":"${ann}","text":"${'x'.repeat(1_500_000)}"}`
    while (!isDropped) {
      const { status } = await send(anns!, server.url, '/messages', body)
      assert.equal(status, 201)
    }
  })
})

describe('queue: work is done in turn', () => {
  test('whoever asks for much without keys leaves a process to the others', async (t) => {
    const pool = new CryptoPool(new Turnstile(2, 32))
    t.after(() => pool.close())
    const mail = {
      octets: new Uint8Array(Buffer.from('From: eve@far.example\r\n\r\nhello')),
      certificates: [],
    }
    let end = () => {}
    const ended = new Promise<void>((resolve) => {
      end = resolve
    })
    const long = [1, 2].map(() => pool.run('reading', 'read', () => ended.then(() => mail), { user: 1 }))
    assert.equal((await pool.run('reading', 'read', mail, { user: 2 })).text, 'hello')
    end()
    assert.equal((await Promise.all(long)).length, 2)
  })

  test('a hundred mails opened at once are all opened, and another user opens one meanwhile', {
    timeout: 300_000,
  }, async (t) => {
    const bob = 'bob@wafer.test'
    const server = await measuredServer(t, async (services) => {
      for (const address of [ann, bob]) {
        const user = await withKey(services, address)
        const mail = Buffer.from(`From: ${address}\r\nTo: ${address}\r\nSubject: x\r\n\r\nhello\r\n`)
        await services.mailboxes.deliver([user.id], await services.protection.toSelf(user, [mail]))
      }
    })
    const [anns, bobs] = [await server.terminal(ann), await server.terminal(bob)]
    await anns.unlock()
    await bobs.unlock()
    const { result } = await server.during(async () => {
      let left = 100
      const opened = Array.from({ length: left }, async () => {
        const { status } = await anns.post('/messages/1/decrypt')
        left -= 1
        return status
      })
      await Promise.race(opened) // all of them are on their way, and waiting
      const leftBefore = left
      const other = await bobs.post('/messages/2/decrypt')
      return { other, waitedFor: leftBefore - left, opened: await Promise.all(opened) }
    })
    assert.deepEqual(result.opened, Array(100).fill(200))
    assert.equal(result.other.status, 200)
    assert.ok(result.waitedFor < 50, `bob waited for ${result.waitedFor} of ann's`)
  })
})

describe('lock: another process writes to the database', () => {
  test('who reads is answered at once meanwhile, and who writes afterwards', {
    timeout: 120_000,
  }, async (t) => {
    const server = await measuredServer(
      t,
      async ({ users }) => void (await users.add({ address: ann, password })),
    )
    const terminal = await server.terminal(ann)
    await terminal.get('/folders') // which are made when they are first asked for
    const other = new Sqlite(join(server.data, 'wafer.db'))
    t.after(() => other.close())
    const { figures, result } = await server.during(async () => {
      other.exec('BEGIN IMMEDIATE')
      const written = terminal.post('/folders', { name: 'Later' })
      const read = []
      for (const endMs = performance.now() + 3000; performance.now() < endMs; )
        read.push((await terminal.get('/folders')).body.folders.length)
      other.exec('ROLLBACK')
      return { read, written: await written }
    })
    assert.deepEqual([...new Set(result.read)], [4])
    assert.equal(result.written.status, 201)
    assertUndisturbed(figures)
  })

  test('who writes for too long is waited for by nobody: the answer says so', {
    timeout: 120_000,
  }, async (t) => {
    const server = await measuredServer(
      t,
      async ({ users }) => void (await users.add({ address: ann, password })),
    )
    const terminal = await server.terminal(ann)
    const other = new Sqlite(join(server.data, 'wafer.db'))
    t.after(() => other.close())
    other.exec('BEGIN IMMEDIATE')
    const { status, body } = await terminal.post('/folders', { name: 'Later' })
    other.exec('ROLLBACK')
    assert.equal(status, 503)
    assert.match(body.type, /busy$/)
  })
})
