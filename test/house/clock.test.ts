/** A clock that was once wrong forward: it is told, and comes back when the operator says so. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { check } from '../../server/backup.ts'
import { clockFault, serverClock } from '../../server/ground/clock.ts'
import { newestStoredTime, openDatabase } from '../../server/ground/store/open.ts'
import { cellOf } from '../support/databases.ts'
import { passphrase, world } from '../support/world.ts'

const ann = 'ann@wafer.test'
const dayMs = 24 * 60 * 60_000

test('A clock that was ahead is told at start and by check, and check mends it only where asked, and nothing serves', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  server.pass(400 * dayMs)
  const terminal = await server.terminal(ann)
  await terminal.unlock(passphrase)
  await server.deliver(ann, 'From: bob@far.example\r\nSubject: x\r\n\r\ny\r\n')
  await assert.rejects(check(server.config, { mendClock: true }), { code: 'exists' })
  await server.restart()
  assert.ok(server.logged.some((line) => line.includes('--mend-clock')))
  await server.stop()
  const clock = async (mendClock: boolean) =>
    (await check(server.config, { mendClock })).find(({ sentence }) => sentence.startsWith('Clock'))!
  assert.equal((await clock(false)).sound, false)
  assert.deepEqual(await clock(true), {
    sound: true,
    sentence: 'Clock: mended. Whoever was logged in at the wrong time logs in again.',
  })
  assert.equal((await clock(false)).sound, true)
  assert.ok((await check(server.config)).every(({ sound }) => sound))
  const db = await openDatabase(server.config)
  t.after(() => db.close())
  assert.ok((await newestStoredTime(db)) <= Date.now())
  assert.ok((await cellOf<number>(db, 'SELECT max(arrived_at) FROM messages')) <= Date.now())
})

test('Clocks differ a little, which is no fault', () => {
  const now = Date.UTC(2026, 10, 22)
  assert.equal(clockFault(now + 60_000, now), null)
  assert.match(clockFault(now + 60_001, now)!, /2026-11-22T00:01:00\.001Z/)
})

test('A clock that goes by a server’s never goes back: a little ahead it slows down, far ahead it goes on', async () => {
  let aheadMs = 5_000
  const { clock, compare } = await serverClock(async () => performance.now() + aheadMs, 0)
  const passing = async () => {
    const [began, beganMs] = [clock(), performance.now()]
    await pause(50)
    return { told: clock() - began, passedMs: performance.now() - beganMs }
  }
  const before = clock()
  assert.ok(before >= performance.now() + aheadMs - 50)
  aheadMs = 0
  await compare()
  assert.ok(clock() >= before)
  const slow = await passing()
  assert.ok(slow.told < slow.passedMs * 0.6, JSON.stringify(slow))
  aheadMs = -400 * dayMs
  await compare()
  const on = await passing()
  assert.ok(on.told > on.passedMs - 5, JSON.stringify(on))
  aheadMs = dayMs
  await compare()
  assert.ok(clock() >= before + dayMs - 5_000)
})
