/** The allowance: who may use the key, since when, until when, and that it is never two. */

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { openServices, serve } from '../../server/main.ts'
import { reasonText } from '../../server/people/ledger-reasons.ts'
import { Browser } from '../support/browser.ts'
import { cellOf, edited } from '../support/databases.ts'
import { heldWork, passphrase, password, problem, type Terminal, world } from '../support/world.ts'

const ann = 'ann@wafer.test'

/** A message that is encrypted to the user's own key, by way of the server's own draft. */
const encryptedMessage = async (terminal: Terminal, text = 'for Ann only') => {
  const { body } = await terminal.post('/messages', { to: ann, subject: 'sealed', text, draft: true })
  return body.id as number
}

test('S1200 S1240 C2: a session without an allowance is told to unlock, and how', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  const refused = await terminal.post(`/messages/${await encryptedMessage(terminal)}/decrypt`)
  assert.equal(refused.status, 403)
  assert.equal(problem(refused), 'allowance-required')
  assert.deepEqual(refused.body.methods, ['passphrase', 'approval', 'recovery'])
})

test('S1280 C3: a wrong passphrase is said to be wrong and changes nothing', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  const wrong = await terminal.unlock('not the passphrase')
  assert.equal(wrong.status, 403)
  assert.equal(problem(wrong), 'wrong-passphrase')
  assert.equal((await terminal.get('/session')).body.allowance, null)
  const { body } = await terminal.get('/log')
  assert.equal(body.events[0].event, 'refused')
})

test('S1320 C7 P57: the right passphrase opens the key, and later uses ask nothing', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  const id = await encryptedMessage(terminal)
  const granted = await terminal.unlock()
  assert.equal(granted.status, 201)
  assert.equal(granted.body.method, 'passphrase')
  assert.equal(granted.body.scope, 'sign')
  for (let round = 0; round < 3; round += 1) {
    const opened = await terminal.post(`/messages/${id}/decrypt`)
    assert.equal(opened.status, 200)
    assert.equal(opened.body.text.trim(), 'for Ann only')
  }
  const { body } = await terminal.get('/log')
  assert.deepEqual(
    body.events.map((event: { event: string }) => event.event),
    ['used', 'used', 'used', 'granted'],
  )
  assert.equal(body.events[0].message, id)
})

test('P39 C4: the session token alone opens nothing, nor does another key token or an older one', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  const id = await encryptedMessage(terminal)
  await terminal.unlock()
  const first = terminal.keyToken
  await terminal.unlock()
  const second = terminal.keyToken
  for (const token of [null, first, Buffer.alloc(32).toString('base64url'), 'short', second!.slice(1)]) {
    terminal.keyToken = token
    const refused = await terminal.post(`/messages/${id}/decrypt`)
    assert.equal(problem(refused), 'allowance-required', `token ${token}`)
  }
  terminal.keyToken = second
  assert.equal((await terminal.post(`/messages/${id}/decrypt`)).status, 200)
})

test('S2000 S2040 S2080 P82: a second terminal is told who holds the key, stops it on purpose, and the first is told', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const desk = await server.terminal(ann, 'desk')
  const handheld = await server.terminal(ann, 'handheld')
  const id = await encryptedMessage(desk)
  await desk.unlock()

  for (const refused of [
    await handheld.post(`/messages/${id}/decrypt`),
    await handheld.post('/sign', { text: 'x' }),
    await handheld.unlock(),
    await handheld.unlock('wrong'), // answered before any passphrase is tried
  ]) {
    assert.equal(refused.status, 409)
    assert.equal(problem(refused), 'key-in-use')
    assert.equal(refused.body.by.terminal, 'desk')
    assert.ok(Date.parse(refused.body.by.since) <= Date.parse(refused.body.by.last_used))
  }

  assert.equal(problem(await handheld.post('/allowance/stop', {})), 'unconfirmed')
  assert.equal((await desk.post(`/messages/${id}/decrypt`)).status, 200, 'not confirmed, nothing changes')

  assert.equal((await handheld.post('/allowance/stop', { confirm: true })).status, 204)
  assert.equal(problem(await desk.post(`/messages/${id}/decrypt`)), 'allowance-required')
  const told = await desk.get('/session')
  assert.equal(told.body.allowance, null)
  assert.equal(told.body.stopped.by.terminal, 'handheld')

  assert.equal((await handheld.unlock()).status, 201)
  assert.equal((await handheld.post(`/messages/${id}/decrypt`)).status, 200)
  assert.equal(problem(await desk.post(`/messages/${id}/decrypt`)), 'key-in-use')
})

test('A stop is for the holder that was shown: one that came after it is named, and not stopped', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const [desk, thief, handheld] = [
    await server.terminal(ann, 'desk'),
    await server.terminal(ann, 'thief'),
    await server.terminal(ann, 'handheld'),
  ]
  await desk.unlock()
  const { grant } = (await handheld.unlock()).body.by
  assert.match(grant, /^[\w-]{16,}$/)
  assert.equal((await handheld.get('/session')).body.in_use.grant, grant)
  await desk.delete('/allowance')
  await thief.unlock()

  const refused = await handheld.post('/allowance/stop', { confirm: true, of: grant })
  assert.equal(`${refused.status} ${problem(refused)}`, '409 key-in-use')
  assert.equal(refused.body.by.terminal, 'thief')
  assert.notEqual((await thief.get('/session')).body.allowance, null, 'nobody was stopped')
  assert.equal((await handheld.post('/allowance/stop', { of: grant })).body.status, 400, 'without a yes')

  const asked = { confirm: true, of: refused.body.by.grant }
  assert.equal((await handheld.post('/allowance/stop', asked)).status, 204)
  assert.equal((await thief.get('/session')).body.stopped.by.terminal, 'handheld')

  assert.equal((await handheld.unlock()).status, 201)
  assert.equal((await handheld.post('/allowance/stop', asked)).status, 204, 'who was shown is gone')
  assert.notEqual((await handheld.get('/session')).body.allowance, null, 'and the key stays open here')
})

test('Stopping is no weapon: the fourth within ten minutes is refused, and the holder stays', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const desk = await server.terminal(ann, 'desk')
  const other = await server.terminal(ann, 'other')
  for (let round = 0; round < 3; round += 1) {
    assert.equal((await desk.unlock()).status, 201)
    assert.equal((await other.post('/allowance/stop', { confirm: true })).status, 204)
  }
  await desk.unlock()
  const refused = await other.post('/allowance/stop', { confirm: true })
  assert.equal(problem(refused), 'slow-down')
  assert.ok(Number(refused.headers.get('retry-after')) > 0)
  assert.match(refused.body.title, /again in 10 min\. Until then, lock the key .* or log that terminal out/)
  assert.notEqual((await desk.get('/session')).body.allowance, null)
  server.pass(10 * 60_000)
  await desk.unlock()
  assert.equal((await other.post('/allowance/stop', { confirm: true })).status, 204)
})

test('One’s own takeovers do not use up the limit: a stop counts until the key is unlocked where it was pressed', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const [desk, handheld] = [await server.terminal(ann, 'desk'), await server.terminal(ann, 'handheld')]
  const stop = (terminal: Terminal) => terminal.post('/allowance/stop', { confirm: true })
  await desk.unlock()
  for (let round = 0; round < 5; round += 1)
    for (const terminal of [handheld, desk]) {
      assert.equal((await stop(terminal)).status, 204)
      assert.equal((await terminal.unlock()).status, 201)
    }

  // Who has the log-in alone gets three, under whatever name and in however many sessions; the owner's unlock
  // elsewhere gives them none back, nor does a log-out, nor a wrong passphrase.
  const answers: number[] = []
  for (let round = 0; round < 4; round += 1) {
    const thief = await server.terminal(ann, 'desk')
    answers.push((await stop(thief)).status)
    assert.ok([403, 409].includes((await thief.unlock('a guess of the thief')).status))
    await thief.delete('/session')
    await desk.unlock()
  }
  assert.deepEqual(answers, [204, 204, 204, 429])
  assert.notEqual((await desk.get('/session')).body.allowance, null)
  await server.services.allowances.sweep()
  assert.equal((await stop(handheld)).status, 429)
  server.pass(10 * 60_000)
  await server.services.allowances.sweep()
  await desk.unlock()
  assert.equal((await stop(handheld)).status, 204)
})

const rounds = Number(process.env.SOAK_ROUNDS ?? 20)

test(`P85: twenty terminals that unlock at the same moment leave exactly one holder, ${rounds} times`, async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const terminals = await Promise.all(
    Array.from({ length: 20 }, (_, n) => server.terminal(ann, `terminal ${n}`)),
  )
  const id = await encryptedMessage(terminals[0]!)
  for (let round = 0; round < rounds; round += 1) {
    const answers = await Promise.all(terminals.map((terminal) => terminal.unlock()))
    const holders = terminals.filter((_, n) => answers[n]!.status === 201)
    assert.equal(holders.length, 1)
    for (const answer of answers.filter(({ status }) => status !== 201))
      assert.equal(problem(answer), 'key-in-use')
    const uses = await Promise.all(terminals.map((terminal) => terminal.post(`/messages/${id}/decrypt`)))
    assert.equal(uses.filter(({ status }) => status === 200).length, 1)
    await holders[0]!.delete('/allowance')
    for (const terminal of terminals) terminal.keyToken = null
  }
})

test('C6 P89 B6: an allowance ends when it was not used for its time, and at the latest after its longest time', async (t) => {
  const server = await world(t, {
    WAFER_ALLOWANCE_IDLE: '60s',
    WAFER_ALLOWANCE_MAX: '150s',
    WAFER_SESSION_IDLE: '1h',
  })
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  const id = await encryptedMessage(terminal)
  const use = () => terminal.post(`/messages/${id}/decrypt`)
  await terminal.unlock()
  server.pass(59_000)
  assert.equal((await use()).status, 200, 'a second before')
  server.pass(60_000)
  assert.equal(problem(await use()), 'allowance-required', 'at the limit of idleness')
  await terminal.unlock()
  for (const wait of [55_000, 55_000]) {
    server.pass(wait)
    assert.equal((await use()).status, 200)
  }
  server.pass(40_000)
  assert.equal(problem(await use()), 'allowance-required', 'at the limit of its life, though it was used')
  await server.services.allowances.sweep()
  const { body } = await terminal.get('/log')
  assert.equal(body.events[0].event, 'ended')
  assert.equal(body.events[0].reason, 'max')
})

test('C6 P89: where the operator permits it, a terminal has the key open longer without a use, never beyond its latest end', async (t) => {
  const times = { WAFER_ALLOWANCE_IDLE: '60s', WAFER_ALLOWANCE_IDLE_MOST: '20m', WAFER_SESSION_IDLE: '2h' }
  const server = await world(t, times)
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  const id = await encryptedMessage(terminal)
  const use = () => terminal.post(`/messages/${id}/decrypt`)
  const choose = (idle_s: number) => terminal.patch('/allowance', { idle_s })
  assert.equal(problem(await choose(600)), 'allowance-required')
  const unlocked = await terminal.unlock()
  assert.deepEqual([unlocked.body.idle_s, unlocked.body.idle_most_s], [60, 1200])
  assert.equal(problem(await choose(1201)), 'bad-request')
  server.pass(50_000)
  const chosen = await choose(1200)
  assert.deepEqual([chosen.status, chosen.body.idle_s], [200, 1200])
  assert.equal(chosen.body.expires_at, unlocked.body.expires_at)
  server.pass(1_199_000)
  await server.services.allowances.sweep()
  assert.equal((await use()).status, 200, 'a second before')
  server.pass(1_200_000)
  assert.equal(problem(await use()), 'allowance-required')
  // The next one is as the operator has it; another session cannot choose for it, and its latest end stays.
  assert.equal((await terminal.unlock()).body.idle_s, 60)
  const other = await server.terminal(ann, 'other')
  assert.equal(problem(await other.patch('/allowance', { idle_s: 600 })), 'key-in-use')
  await choose(1200)
  for (let times = 0; times < 3; times++) {
    server.pass(1_100_000)
    await use()
  }
  server.pass(300_001)
  assert.equal(problem(await use()), 'allowance-required', 'after an hour, though it was used')
  const reasons = (await terminal.get('/log')).body.events.map(({ reason }: { reason: string }) => reason)
  assert.ok(reasons.includes('idle-chosen 20 min'))

  // On a page, a button; where there is no choice, none.
  const lynx = new Browser(server)
  await lynx.logIn(ann)
  await lynx.go(`/m/${id}/open`)
  await lynx.unlock()
  await lynx.press('Keep key open 20 min')
  assert.match(lynx.page.happened, /stays open longer/)
  assert.match(lynx.page.text, /Key open for 20 min, at most 60\./)
  assert.equal(lynx.page.button('Keep key open 20 min'), null)
})

test('S1080 P38 C4 C5: a session without contact ends, its allowance with it, and nobody has to be asked', async (t) => {
  const server = await world(t, { WAFER_SESSION_IDLE: '60s', WAFER_ALLOWANCE_IDLE: '1h' })
  await server.addUser(ann)
  const lost = await server.terminal(ann, 'lost')
  await lost.unlock()
  server.pass(61_000)
  const next = await server.terminal(ann, 'next')
  assert.equal((await next.unlock()).status, 201)
  assert.equal(problem(await lost.get('/session')), 'no-session')
  const events = (await next.get('/log')).body.events.map(
    (event: { event: string; terminal: string }) => `${event.event} ${event.terminal}`,
  )
  assert.deepEqual(events.slice(0, 2), ['granted next', 'ended lost'])
})

test('P39: logging out, or being logged out from another terminal, ends the allowance', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const desk = await server.terminal(ann, 'desk')
  const other = await server.terminal(ann, 'other')
  await desk.unlock()
  await desk.delete('/session')
  assert.equal((await other.unlock()).status, 201)
  const user = await server.services.users.named(ann)
  const [session] = await server.services.sessions.list(user)
  await server.services.sessions.endOwn(user, session!.id)
  assert.equal(problem(await other.get('/session')), 'no-session')
  assert.equal(await cellOf(server.services.db, 'SELECT count(*) FROM allowances'), 0)
})

test('Fencing: work that outlived its allowance is not handed out', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const desk = await server.terminal(ann, 'desk')
  const other = await server.terminal(ann, 'other')
  await desk.unlock()
  const { allowances, sessions } = server.services
  const session = (await sessions.contact(desk.token!))!
  let entered = () => {}
  let release = () => {}
  const inside = new Promise<void>((resolve) => (entered = resolve))
  const gate = new Promise<void>((resolve) => (release = resolve))
  const use = allowances.use(session, desk.keyToken, { scope: 'read' }, async () => {
    entered()
    await gate
    return 'the plaintext'
  })
  await inside
  await other.post('/allowance/stop', { confirm: true })
  await other.unlock()
  release()
  await assert.rejects(use, { code: 'key-in-use' })
})

test('P39: an unlock that is on its way when its terminal locks the key opens nothing; another terminal’s lock is its own', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const [desk, other] = [await server.terminal(ann, 'desk'), await server.terminal(ann, 'other')]
  const { allowances, sessions, db } = server.services
  const session = (await sessions.contact(desk.token!))!
  const elsewhere = (await sessions.contact(other.token!))!
  const allowed = () => cellOf<number>(db, 'SELECT count(*) FROM allowances')
  const unlock = () => allowances.grantByPassphrase(session, passphrase)
  const refusedAfter = async (end: () => Promise<void>, message?: string) => {
    const { begun, release } = heldWork(server)
    const late = assert.rejects(unlock(), { name: 'Refusal', code: 'allowance-required' }, message)
    await begun
    await end()
    release()
    await late
  }
  await refusedAfter(() => allowances.lock(session))
  assert.equal(await allowed(), 0)
  const undisturbed = unlock()
  await allowances.lock(elsewhere)
  await undisturbed
  await refusedAfter(() => allowances.lock(session), 'of who holds the key already')
  assert.equal(await allowed(), 0)
  await unlock()
})

test('S2080: a stop is for the unlock as well that is on its way, whoever holds the key by then, in every process', async (t) => {
  const server = await world(t)
  const user = await server.addUser(ann)
  await server.addUser('bob@wafer.test')
  const bob = await server.terminal('bob@wafer.test')
  const [desk, other] = [await server.terminal(ann, 'desk'), await server.terminal(ann, 'other')]
  const { allowances, sessions } = server.services
  const session = (await sessions.contact(desk.token!))!
  const elsewhere = (await sessions.contact(other.token!))!
  const process = await openServices(server.config)
  t.after(() => process.close())
  const unlock = () => allowances.grantByPassphrase(session, passphrase)
  const refusedAfter = async (stop: () => Promise<void>) => {
    const { begun, release } = heldWork(server)
    const late = assert.rejects(unlock(), { name: 'Refusal', code: 'allowance-required' })
    await begun
    await stop()
    release()
    await late
  }

  await refusedAfter(() => allowances.stop(elsewhere))
  await refusedAfter(() => process.allowances.stop(elsewhere))
  assert.deepEqual(await allowances.state(session), { state: 'locked' })

  const undisturbed = unlock()
  await bob.post('/allowance/stop', { confirm: true }) // a user’s stop is their own
  await undisturbed
  await refusedAfter(() => allowances.stop(elsewhere))
  assert.deepEqual(await allowances.state(session), { state: 'locked' })

  const reasons = (await server.services.ledger.list(user.id, null, 9)).map(
    ({ event, reason }) => `${event} ${reason && reasonText(reason)}`,
  )
  assert.deepEqual(reasons, [
    'stopped was held by desk',
    'granted sign',
    'stopped not-held',
    'stopped not-held',
  ])
  await unlock()
})

test('Stopping what nobody holds is no weapon either: the fourth within ten minutes is refused and hinders no unlock', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const [desk, other] = [await server.terminal(ann, 'desk'), await server.terminal(ann, 'other')]
  const { allowances, sessions } = server.services
  const session = (await sessions.contact(desk.token!))!
  const elsewhere = (await sessions.contact(other.token!))!
  for (let round = 0; round < 3; round += 1) await allowances.stop(elsewhere)
  const unlock = allowances.grantByPassphrase(session, passphrase)
  await assert.rejects(allowances.stop(elsewhere), { name: 'Refusal', code: 'slow-down' })
  await unlock
})

test('B7: a restart locks every key; with an epoch file the allowance goes on, and sessions go on either way', async (t) => {
  for (const shared of [false, true]) {
    const epochFile = `/tmp/wafer-epoch-${process.pid}-${Date.now()}`
    if (shared) writeFileSync(epochFile, randomBytes(32), { mode: 0o600 })
    const server = await world(t, shared ? { WAFER_EPOCH_FILE: epochFile } : {})
    await server.addUser(ann)
    const terminal = await server.terminal(ann)
    const id = await encryptedMessage(terminal)
    await terminal.unlock()
    await server.restart()
    assert.equal((await terminal.get('/session')).status, 200)
    const opened = await terminal.post(`/messages/${id}/decrypt`)
    assert.equal(opened.status, shared ? 200 : 403, `epoch file: ${shared}`)
    const other = await server.terminal(ann, 'other')
    assert.equal((await other.unlock()).status, shared ? 409 : 201, 'an allowance of another epoch is gone')
  }
})

test('B13: the sixth wrong passphrase is not looked at; the owner elsewhere and the open key are not touched', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  for (let round = 0; round < 5; round += 1)
    assert.equal(problem(await terminal.unlock(`guess ${round}`)), 'wrong-passphrase')
  const refused = await terminal.unlock(passphrase)
  assert.equal(problem(refused), 'slow-down')
  assert.ok(Number(refused.headers.get('retry-after')) > 0)
  const session = (await server.services.sessions.contact(terminal.token!))!
  const elsewhere = { ...session, address: '192.0.2.7' }
  const { keyToken } = await server.services.allowances.grantByPassphrase(elsewhere, passphrase)
  terminal.keyToken = keyToken
  assert.notEqual((await terminal.get('/session')).body.allowance, null)
  assert.equal((await terminal.post('/sign', { text: 'still mine' })).status, 200)
})

test('The ledger tells when somebody edited it', async (t) => {
  const server = await world(t)
  const user = await server.addUser(ann)
  const terminal = await server.terminal(ann)
  await terminal.unlock()
  await terminal.delete('/allowance')
  const { ledger, db } = server.services
  assert.deepEqual(await ledger.faults(), new Map())
  const emptied = 'DELETE FROM ledger; DELETE FROM ledger_heads; UPDATE key_slots SET used_at = NULL'
  for (const [edit, fault] of [
    ["UPDATE ledger SET terminal = 'somebody else' WHERE event = 'granted'", 'changed'],
    ["DELETE FROM ledger WHERE event = 'ended'", 'changed'],
    ["DELETE FROM ledger WHERE event = 'granted'", 'changed'],
    ['DELETE FROM ledger', 'emptied'],
    ['DELETE FROM ledger; DELETE FROM ledger_heads', 'emptied'],
    [emptied, 'emptied'],
  ] as const) {
    await edited(db, edit, async () => {
      assert.deepEqual(await ledger.faults(), new Map([[user.id, fault]]), edit)
    })
  }
})

test('A slot that was moved, swapped, altered or taken away in the database opens nothing', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  await server.addUser('mallory@wafer.test')
  const terminal = await server.terminal(ann)
  const { db } = server.services
  const others = (column: string) =>
    `(SELECT ${column} FROM key_slots s WHERE s.kind = 'passphrase' AND s.user_id <> key_slots.user_id)`
  for (const [edit, answer] of [
    [
      `UPDATE key_slots SET params = ${others('params')}, wrapped = ${others('wrapped')} WHERE kind = 'passphrase'`,
      'wrong-passphrase',
    ],
    ["UPDATE key_slots SET generation = 2 WHERE kind = 'passphrase'", 'wrong-passphrase'],
    ["DELETE FROM key_slots WHERE kind = 'recovery'", 'failed'],
    ["UPDATE key_slots SET generation = 2 WHERE kind = 'recovery'", 'failed'],
    ['UPDATE keyrings SET generation = 2', 'failed'],
  ] as const) {
    await edited(db, edit, async () => {
      assert.equal(problem(await terminal.unlock()), answer, edit)
    })
  }
  assert.equal((await terminal.unlock()).status, 201)
})

test('B13: what others fail at elsewhere does not lock out who came with the right password before', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const { users } = server.services
  await users.logIn(ann, password, '192.0.2.1')
  for (let n = 0; n < 15; n += 1)
    await assert.rejects(users.logIn(ann, 'wrong password', `198.51.100.${Math.floor(n / 5)}`), {
      code: 'bad-credentials',
    })
  await assert.rejects(users.logIn(ann, password, '203.0.113.9'), { code: 'slow-down' }, 'from anywhere else')
  assert.equal((await users.logIn(ann, password, '192.0.2.1')).user.address, ann)
})

test('One user’s waiting work delays nobody else’s unlock', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  await server.addUser('mallory@wafer.test')
  const [annas, other] = [await server.terminal(ann), await server.terminal('mallory@wafer.test')]
  await other.unlock()
  const { allowances, sessions, pool } = server.services
  const session = (await sessions.contact(other.token!))!
  let release = () => {}
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  // Mallory's process is busy, and two unlocks wait for it.
  const busy = pool.run(session.user.id, 'signCleartext', {} as never, {
    before: () => gate,
  })
  const waiting = [
    allowances.grantByPassphrase(session, passphrase),
    allowances.grantByPassphrase(session, passphrase),
  ]
  assert.equal((await annas.unlock()).status, 201)
  release()
  await Promise.allSettled([busy, ...waiting])
})

test('a shared epoch: a process that is at work with the key ends soon after another server process locked it', {
  timeout: 60_000,
}, async (t) => {
  const epochFile = join(mkdtempSync(join(tmpdir(), 'wafer-epoch-')), 'epoch')
  t.after(() => rmSync(dirname(epochFile), { recursive: true }))
  writeFileSync(epochFile, randomBytes(32), { mode: 0o600 })
  const first = await world(t, { WAFER_EPOCH_FILE: epochFile })
  await first.addUser(ann)
  const terminal = await first.terminal(ann)
  const id = await encryptedMessage(terminal)
  await terminal.unlock()
  const known = children()
  const second = await serve(first.config)
  t.after(() => second.close())
  const { sessions, allowances, pool } = second.services
  const session = (await sessions.contact(terminal.token!))!
  const open = () =>
    allowances.use(session, terminal.keyToken, { scope: 'read', messageId: id }, (opening) =>
      pool.run(session.user.id, 'signCleartext', { opening, text: 'x' }),
    )
  await open()
  // Its process does not go on: at work for as long as a task may take.
  for (const child of children()) if (!known.includes(child)) process.kill(child, 'SIGSTOP')
  const beganMs = performance.now()
  const work = open()
  assert.equal((await terminal.delete('/allowance')).status, 204)
  await assert.rejects(work, { name: 'Refusal', code: 'allowance-required' })
  assert.ok(performance.now() - beganMs < 15_000, 'before the limit of the task')
})

const children = () =>
  readFileSync(`/proc/self/task/${process.pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number)
