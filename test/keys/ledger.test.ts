/** The ledger as its owner and the operator may rely on it: what was cut, emptied or put back is found, and only that. */

import assert from 'node:assert/strict'
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { and, eq, gt, sql } from 'drizzle-orm'
import { backup, check, restore } from '../../server/backup.ts'
import { openServerSecret } from '../../server/ground/server-secret.ts'
import { databaseFile } from '../../server/ground/store/open.ts'
import { ledgerHeads, ledger as ledgerRows } from '../../server/ground/store/tables.ts'
import type { LedgerEntry } from '../../server/people/ledger.ts'
import { ledgerEndsFile } from '../../server/people/ledger-ends.ts'
import { ledgerOlder } from '../../tui/text/words.ts'
import { Client, type LedgerMemory } from '../../tui/wire/client.ts'
import { cellOf, rowsOf, sqliteAlone } from '../support/databases.ts'
import { Desk } from '../support/desk.ts'
import { password, type Terminal, type World, world } from '../support/world.ts'

const ann = 'ann@wafer.test'
const ben = 'ben@wafer.test'

/** A row or two on somebody's ledger. */
const useKey = async (terminal: Terminal) => {
  assert.equal((await terminal.unlock()).status, 201)
  await terminal.delete('/allowance')
}

/** A server on which Ann has used her key, and Ben his. */
const used = async (t: TestContext, environment: Record<string, string> = {}) => {
  const server = await world(t, environment)
  const user = await server.addUser(ann)
  await server.addUser(ben)
  const terminal = await server.terminal(ann)
  await useKey(terminal)
  await useKey(await server.terminal(ben))
  return { server, user, terminal }
}

/** What `check` says of the ledger. */
const ofLedger = async (server: World) =>
  (await check(server.config))
    .filter(({ sentence }) => sentence.startsWith('Ledger'))
    .map(({ sound, sentence }) => `${sound} ${sentence}`)

const sound = ['true Ledger: complete and unchanged.']

/** The end of Ann's ledger as it is now, to be put back by who may write to the database. */
const endOf = async (server: World, userId: number) => {
  const { db } = server.services
  const [head] = await db.select().from(ledgerHeads).where(eq(ledgerHeads.userId, userId))
  return async () => {
    await db.delete(ledgerRows).where(and(eq(ledgerRows.userId, userId), gt(ledgerRows.id, head!.lastId)))
    await db.update(ledgerHeads).set(head!).where(eq(ledgerHeads.userId, userId))
  }
}

test('A ledger whose newest rows are gone and whose earlier end was put back is found by check, and named', async (t) => {
  const { server, user, terminal } = await used(t)
  const cut = await endOf(server, user.id)
  await useKey(terminal)
  await server.services.ledger.noteEnds()
  assert.deepEqual(await ofLedger(server), sound)
  await cut()
  const [found] = await ofLedger(server)
  assert.match(found!, /^false Ledger: .*cut off.*: ann@wafer\.test\.$/)
  // It stays found: after a restart, and when rows come after it.
  await server.restart()
  assert.ok(server.logged.some((line) => line.includes('ledgers are older')))
  await useKey(await server.terminal(ann))
  await server.services.ledger.noteEnds()
  assert.deepEqual(await ofLedger(server), [found])
})

test('A ledger that was emptied is found by check though no slot tells that it was used, and stays found', async (t) => {
  const { server, user, terminal } = await used(t)
  await server.services.ledger.noteEnds()
  for (const edit of [
    'DELETE FROM ledger',
    'DELETE FROM ledger_heads',
    'UPDATE key_slots SET used_at = NULL',
  ])
    await rowsOf(server.services.db, `${edit} WHERE user_id = ${user.id}`)
  const emptied = ['false Ledger: it was emptied: ann@wafer.test.']
  assert.deepEqual(await ofLedger(server), emptied)
  await server.restart()
  assert.deepEqual(await ofLedger(server), emptied)
  // Also where the file of ends is gone: the beginning that was made with the keyring is missing.
  rmSync(ledgerEndsFile(server.config.data))
  await rowsOf(server.services.db, `UPDATE key_slots SET used_at = 1 WHERE user_id = ${user.id}`)
  assert.deepEqual(await ofLedger(server), emptied)
  assert.equal((await terminal.get('/session')).status, 200)
})

test('A database that was put back whole is found by check; one that restore brought is not called so', {
  skip: sqliteAlone('its file is put back'),
}, async (t) => {
  const { server } = await used(t)
  const folder = mkdtempSync(join(tmpdir(), 'wafer-ledger-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const copy = join(folder, 'copy.db')
  await backup(server.config, copy, null)
  await useKey(await server.terminal(ann))
  await server.stop()
  const file = databaseFile(server.config.data)
  const now = join(folder, 'now.db')
  copyFileSync(file, now)
  copyFileSync(copy, file)
  assert.match((await ofLedger(server)).join(), /older state: ann@wafer\.test\.$/)
  copyFileSync(now, file)
  assert.deepEqual(await ofLedger(server), sound)
  await restore(server.config, copy, null)
  assert.deepEqual(await ofLedger(server), sound)
})

test('What a crash takes from the file of ends is nobody’s cut: it may lag behind, and its last line may be torn', async (t) => {
  const { server, terminal } = await used(t)
  await server.services.ledger.noteEnds()
  const file = ledgerEndsFile(server.config.data)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  const before = readFileSync(file)
  await useKey(terminal)
  await server.stop()
  writeFileSync(file, before)
  assert.deepEqual(await ofLedger(server), sound)
  appendFileSync(file, '\n1 99 0a')
  assert.deepEqual(await ofLedger(server), sound)
  await server.start()
  await useKey(await server.terminal(ann))
  await server.stop()
  assert.deepEqual(await ofLedger(server), sound)
  // What a server that was killed wrote last is in the database, and nothing says otherwise.
  rmSync(file)
  assert.deepEqual(await ofLedger(server), sound)
})

test('A user who was removed leaves no fault behind; one who was deleted in the database does', async (t) => {
  const { server, user } = await used(t)
  await server.services.ledger.noteEnds()
  await server.services.users.remove((await server.services.users.named(ben)).id)
  assert.deepEqual(await ofLedger(server), sound)
  await rowsOf(server.services.db, `DELETE FROM users WHERE id = ${user.id}`)
  assert.match((await ofLedger(server)).join(), new RegExp(`older state: user ${user.id}\\.$`))
})

test('Work that was taken back leaves no end behind', async (t) => {
  const { server, user } = await used(t)
  const { ledger, db } = server.services
  await assert.rejects(
    db.transaction(user.id, async () => {
      await ledger.append({ userId: user.id, event: 'used', terminal: 'nobody', address: 'nowhere' })
      throw new Error('taken back')
    }),
    /taken back/,
  )
  await ledger.noteEnds()
  assert.deepEqual(await ofLedger(server), sound)
})

test('The API says whether the ledger has the row that a terminal remembers', async (t) => {
  const { server, user, terminal } = await used(t)
  const asked = async (query = '') => (await terminal.get(`/session${query}`)).body.ledger
  const cut = await endOf(server, user.id)
  const { newest: early } = await asked()
  assert.match(early, /^\d+\.[\w-]{11}$/)
  await useKey(terminal)
  const { newest, complete } = await asked(`?ledger=${early}`)
  assert.equal(complete, true)
  assert.notEqual(newest, early)
  const others = (await (await server.terminal(ben)).get('/session')).body.ledger.newest
  for (const foreign of [others, '0.AAAAAAAAAAA', `${newest}x`, 'nonsense', '999999999999999999.x'])
    assert.equal((await asked(`?ledger=${foreign}`)).complete, false, foreign)
  await cut()
  assert.deepEqual(await asked(`?ledger=${newest}`), { newest: early, complete: false })
})

test('The terminal client remembers each user’s ledger, and says once when entries are missing', async (t) => {
  const { server, user, terminal } = await used(t)
  const kept = new Map<string, string>()
  const memory: LedgerMemory = {
    mark: (at, whose) => kept.get(`${at} ${whose}`) ?? null,
    keepMark: (at, whose, mark) => void kept.set(`${at} ${whose}`, mark),
  }
  const sessionOf = async (whose: string) => {
    const client = new Client({ server: server.url })
    t.after(() => client.close())
    client.ledgerMemory = memory
    await client.logIn(whose, password, 'desk')
    return (await client.session()).ledger.complete
  }
  const cut = await endOf(server, user.id)
  await useKey(terminal)
  assert.equal(await sessionOf(ann), true)
  await cut()
  assert.equal(await sessionOf(ben), true, 'another user of the same machine')
  assert.equal(await sessionOf(ann), false)
  assert.equal(await sessionOf(ann), true)
})

test('The full client shows that entries of the key log are missing', async (t) => {
  const { server, user, terminal } = await used(t)
  const cut = await endOf(server, user.id)
  await useKey(terminal)
  const desk = new Desk(server)
  t.after(() => desk.end())
  let mark = (await terminal.get('/session')).body.ledger.newest as string
  desk.client.ledgerMemory = {
    mark: () => mark,
    keepMark: (_at, _whose, next) => {
      mark = next
    },
  }
  await cut()
  await desk.logIn(ann)
  await desk.sees(ledgerOlder.slice(0, 60))
})

/** Pages as a browser without script sees them. */
const pagesOf = (server: World) => {
  const jar = new Map<string, string>()
  const go = async (path: string, form?: Record<string, string>) => {
    const response = await fetch(`${server.url}${path}`, {
      redirect: 'manual',
      headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form ? { method: 'POST', body: new URLSearchParams(form) } : {}),
    })
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = line.match(/^([^=]+)=([^;]*)/)!
      if (/Max-Age=0/.test(line)) jar.delete(name!)
      else jar.set(name!, value!)
    }
    return response.text()
  }
  const token = (html: string) => html.match(/name=t value=([\w-]+)/)![1]!
  const logIn = async (whose: string) => {
    jar.delete('wafer')
    const t = token(await go('/login'))
    await go('/login', { t, user: whose, pass: password })
  }
  return { jar, go, token, logIn }
}

test('Pages remember the ledger for each user of a browser, and say on each page that entries are missing until one goes on', async (t) => {
  const { server, user, terminal } = await used(t)
  const cut = await endOf(server, user.id)
  await useKey(terminal)
  const { jar, go, token, logIn } = pagesOf(server)
  const missing = /Entries that this browser has seen are missing/
  await logIn(ann)
  assert.doesNotMatch(await go('/f/inbox'), missing)
  await cut()
  assert.match(await go('/f/inbox'), missing)
  await logIn(ben)
  assert.doesNotMatch(await go('/f/inbox'), missing)
  await logIn(ann)
  assert.match(await go('/f/inbox'), missing)
  const log = await go('/log')
  assert.match(log, missing)
  await go('/log', {
    t: token(log.slice(log.indexOf('/log method') - 200).match(/<form[^>]*action="?\/log.*/s)?.[0] ?? log),
  })
  assert.doesNotMatch(await go('/f/inbox'), missing)
  assert.equal([...jar.keys()].filter((name) => name.startsWith('wafer-log-')).length, 2)
})

test('A file of ends that cannot be written keeps nobody from the key; it is written later', async (t) => {
  const { server } = await used(t)
  const file = ledgerEndsFile(server.config.data)
  const before = readFileSync(file)
  rmSync(file)
  mkdirSync(file)
  const terminal = await server.terminal(ann)
  await useKey(terminal)
  assert.equal((await terminal.get('/session')).status, 200)
  rmSync(file, { recursive: true })
  writeFileSync(file, before)
  await useKey(terminal)
  await server.services.ledger.noteEnds()
  assert.deepEqual(await ofLedger(server), sound)
})

/** Rows as released versions wrote them, in English words: event, method and reason; what pages say of them. */
const releasedRows: [string, string | null, string, english: string, japanese: string][] = [
  ['granted', 'passphrase', 'sign', 'Opened| by passphrase', '開いた| パスフレーズで'],
  [
    'granted',
    'passkey',
    'sign, by passkey my, by passkey',
    'Opened| by passkey “my, by passkey”',
    '開いた| パスキー「my, by passkey」で',
  ],
  [
    'granted',
    'approval',
    'read, approved on the phone',
    'Opened, for reading only|: approved on the phone',
    '読むためだけに開いた|: the phoneで承認',
  ],
  ['granted', 'approval', 'sign, approved on a', 'Opened|: approved on a', '開いた|: aで承認'],
  ['used', 'passphrase', 'read', 'Decrypted|', '復号した|'],
  ['used', 'passphrase', 'sign', 'Signed|', '署名した|'],
  [
    'used',
    'recovery',
    'recovered',
    'New passphrase, by recovery code|',
    '回復コードで新しいパスフレーズにした|',
  ],
  ['used', 'passphrase', 'passkey-added', 'Passkey added|', 'パスキーを追加した|'],
  [
    'used',
    'passphrase',
    'passkey-added <i>',
    'Passkey added|: “&lt;i&gt;”',
    'パスキーを追加した|: 「&lt;i&gt;」',
  ],
  ['used', 'passkey', 'passkey-removed a b', 'Passkey removed|: “a b”', 'パスキーを削除した|: 「a b」'],
  ['used', null, 'clock-mended', 'The server’s clock was mended|', 'サーバーの時計を直した|'],
  ['refused', 'recovery', 'wrong-recovery-code', 'Refused|: wrong recovery code', '断った|: 回復コード違い'],
  ['refused', 'approval', 'denied on phone', 'Refused|: denied on phone', '断った|: phoneで拒否'],
  [
    'refused',
    'passkey',
    'passkey-backup',
    'Refused|: passkey not accepted: it says now that it can be copied',
    '断った|: パスキー不承認(複製の可否が変わった)',
  ],
  ['ended', 'passphrase', 'locked', 'Closed|: locked by you', '閉じた|: 自分で閉じた'],
  ['ended', 'passphrase', 'ended', 'Closed|: logged out from elsewhere', '閉じた|: 他からログアウト'],
  [
    'stopped',
    'passkey',
    'was held by desk',
    'Stopped|: it was open at desk',
    '停止した|: deskで使用中だった',
  ],
  [
    'stopped',
    null,
    'not-held',
    'Stopped|: the key was open nowhere',
    '停止した|: 鍵はどこでも開いていなかった',
  ],
  ['used', null, 'of no version', 'Used|: of no version', '使った|: of no version'],
]

test('Rows that released versions wrote in words still fit the chain, and are said as before in pages and API', async (t) => {
  const server = await world(t)
  const user = await server.addUser(ann)
  const { db } = server.services
  const secret = openServerSecret(server.config.data, false)
  let before = ''
  await db.transaction(user.id, async () => {
    for (const [place, [event, method, reason]] of releasedRows.entries()) {
      const values = [
        user.id,
        1_700_000_000_000 + place,
        event,
        'old terminal',
        '127.0.0.1',
        method,
        reason,
        null,
      ]
      const mac = secret.mac('ledger', JSON.stringify([before, place + 1, ...values]))
      before = mac.toString('hex')
      const [row] = await db.rows<{ id: number }>(sql`
        INSERT INTO ledger (user_id, at, event, terminal, address, method, reason, message_id, mac)
        VALUES (${sql.join(
          [...values, mac].map((value) => sql`${value}`),
          sql`, `,
        )}) RETURNING id`)
      const head = secret.mac('ledger-head', JSON.stringify([user.id, place + 1, before]))
      await db
        .update(ledgerHeads)
        .set({ lastId: row!.id, count: place + 1, mac: head })
        .where(eq(ledgerHeads.userId, user.id))
    }
  })
  assert.deepEqual(await ofLedger(server), sound)
  const { jar, go, logIn } = pagesOf(server)
  await logIn(ann)
  const said = async () => {
    return [...(await go('/log')).matchAll(/: <b>([^<]*)<\/b>([^<]*?)[.。]\s*old terminal \(/g)]
      .map(([, did, how]) => `${did}|${how}`)
      .reverse()
  }
  assert.deepEqual(
    await said(),
    releasedRows.map(([, , , english]) => english),
  )
  jar.set('lang', 'ja')
  assert.deepEqual(
    await said(),
    releasedRows.map(([, , , , japanese]) => japanese),
  )
  const terminal = await server.terminal(ann)
  const events = async () =>
    (await terminal.get('/log?limit=500')).body.events.map(
      ({ event, method = null, reason }: Record<string, string | null>) => [event, method, reason],
    )
  const released = releasedRows.map(([event, method, reason]) => [event, method, reason]).reverse()
  assert.deepEqual(await events(), released)
  // What is written now goes on from them, and reads alike.
  await useKey(terminal)
  assert.deepEqual(await ofLedger(server), sound)
  assert.deepEqual(await events(), [
    ['ended', 'passphrase', 'locked'],
    ['granted', 'passphrase', 'sign'],
    ...released,
  ])
})

test('A reason is kept typed, with what it names: a name that reads like words of the log is only a name', async (t) => {
  const server = await world(t)
  const user = await server.addUser(ann)
  const { ledger, db } = server.services
  const at = { userId: user.id, terminal: 'desk', address: '127.0.0.1' }
  const name = 'sign, approved on phone'
  const rows: LedgerEntry[] = [
    { ...at, event: 'stopped', method: 'passkey', reason: { kind: 'held-elsewhere', terminal: name } },
    {
      ...at,
      event: 'granted',
      method: 'passkey',
      reason: { kind: 'opened-by-passkey', scope: 'sign', name },
    },
    { ...at, event: 'used', method: 'passkey', reason: { kind: 'passkey-added', name: '{"v":1}' } },
  ]
  for (const row of rows) await ledger.append(row)
  assert.deepEqual(
    (await ledger.list(user.id, null, 9)).map(({ reason }) => reason).reverse(),
    rows.map(({ reason }) => reason),
  )
  assert.equal(
    await cellOf(db, 'SELECT reason FROM ledger ORDER BY id LIMIT 1'),
    `{"v":1,"kind":"held-elsewhere","terminal":"${name}"}`,
  )
  const told = (await (await server.terminal(ann)).get('/log')).body.events
  assert.deepEqual(
    told.map(({ reason }: { reason: string }) => reason),
    ['passkey-added {"v":1}', `sign, by passkey ${name}`, `was held by ${name}`],
  )
  const { go, logIn } = pagesOf(server)
  await logIn(ann)
  const page = await go('/log')
  for (const said of [`Stopped</b>: it was open at ${name}.`, `Opened</b> by passkey “${name}”.`])
    assert.ok(page.includes(said), said)
  // One that somebody edited in the database, or that a version wrote that we do not know, is shown as it is.
  await rowsOf(db, `UPDATE ledger SET reason = '{"v":9,"kind":"opened"}'`)
  assert.match(await go('/log'), /Stopped<\/b>: \{&quot;v&quot;:9/)
  assert.match((await ofLedger(server)).join(), /^false/)
})
