/**
 * The event loop belongs to all: while one user, or one request, does its worst, no turn of the loop is long, another
 * user's request is answered at once, and the server's memory stays small.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { describe, test } from 'node:test'
import { assertUndisturbed, bar, measuredServer, withKey } from './turns.ts'

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
