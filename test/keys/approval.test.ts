/**
 * Approval: a terminal without an authenticator gets the key by a touch, or the passphrase, on a phone; and whatever
 * else is tried with a request, a code, a token or a touch opens nothing (RFC 10027, BCP 247).
 */

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Scope } from '../../server/keys/allowances.ts'
import type { Session } from '../../server/people/sessions.ts'
import { Authenticator, type Bent } from '../support/authenticator.ts'
import { rowsOf, withoutPower } from '../support/databases.ts'
import { heldWork, passphrase, problem, type Terminal, type World, world } from '../support/world.ts'

const ann = 'ann@wafer.test'
const bob = 'bob@wafer.test'

const sessionOf = async (server: World, terminal: Terminal): Promise<Session> =>
  (await server.services.sessions.contact(terminal.token!))!

const encryptedMessage = async (terminal: Terminal) => {
  const letter = { to: ann, subject: 'sealed', text: 'for Ann only', draft: true }
  return (await terminal.post('/messages', letter)).body.id as number
}

/** Ann at a plain terminal, with a phone that is logged in and has a passkey. */
const pair = async (t: TestContext, environment: Record<string, string> = {}) => {
  const server = await world(t, environment)
  const user = await server.addUser(ann, { name: 'Ann' })
  const desk = await server.terminal(ann, 'plain terminal')
  const phone = await server.terminal(ann, 'phone')
  const [deskSession, phoneSession] = [await sessionOf(server, desk), await sessionOf(server, phone)]
  const { passkeys, approvals, allowances, site } = server.services
  const authenticator = new Authenticator({ origin: site.origin })
  const { options } = await passkeys.registrationOptions(phoneSession)
  const begun = await passkeys.beginRegistration(phoneSession, authenticator.create(options))
  const asserted = authenticator.get(begun.options)
  const proof = { passphrase }
  await passkeys.finishRegistration(phoneSession, { name: 'thumb', asserted, proof, consent: false })
  const ask = async (scope: Scope = 'read') => {
    const { status, body } = await desk.post('/approval', { scope })
    assert.equal(status, 201)
    desk.keyToken = body.key_token
    const [request] = await approvals.pending(user)
    return { ...request!, code: body.code as string, keyToken: body.key_token as string }
  }
  /** A touch on the phone. */
  const touch = async (request: { id: string; code: string }, bent?: Bent) => {
    const { options: asked } = await approvals.passkeyOptions(phoneSession, request.id, request.code)
    return { asserted: authenticator.get(asked, bent) }
  }
  const approve = async (request: { id: string; code: string }) =>
    approvals.approve(phoneSession, request.id, request.code, await touch(request))
  const state = async () => (await desk.get('/approval')).body.state
  const id = await encryptedMessage(desk)
  const decrypt = () => desk.post(`/messages/${id}/decrypt`)
  return {
    server,
    user,
    desk,
    phone,
    deskSession,
    phoneSession,
    authenticator,
    passkeys,
    approvals,
    allowances,
    ask,
    touch,
    approve,
    state,
    decrypt,
  }
}

const refusedAs = (code: string, work: Promise<unknown>, message?: string) =>
  assert.rejects(work, { name: 'Refusal', code }, message)

const other = (code: string) => String((Number(code) + 1) % 1_000_000).padStart(6, '0')

test('P87: a touch on the phone opens the key on the plain terminal for reading, and the phone itself gets nothing', async (t) => {
  const at = await pair(t)
  assert.equal((await at.desk.get('/approval')).status, 404)
  const { status, body } = await at.desk.post('/approval', { scope: 'read' })
  assert.equal(status, 201)
  assert.match(body.code, /^\d{6}$/)
  assert.equal(body.address, `${at.server.services.site.origin}/a`)
  assert.equal(Date.parse(body.expires_at) - at.server.services.clock() > 110_000, true)
  at.desk.keyToken = body.key_token
  assert.equal(problem(await at.decrypt()), 'allowance-required', 'the token opens nothing yet')
  assert.equal(await at.state(), 'pending')

  const [request] = await at.approvals.pending(at.user)
  assert.deepEqual([request!.scope, request!.terminal], ['read', 'plain terminal'])
  await at.approve({ ...request!, code: body.code })

  assert.equal(await at.state(), 'granted')
  assert.deepEqual(await at.approvals.pending(at.user), [])
  const opened = await at.decrypt()
  assert.equal(opened.body.text.trim(), 'for Ann only')
  const { allowance } = (await at.desk.get('/session')).body
  assert.deepEqual([allowance.method, allowance.scope], ['approval', 'read'])
  assert.equal((await at.phone.get('/session')).body.allowance, null)
  assert.equal((await at.desk.post('/sign', { text: 'x' })).status, 403, 'signing is a scope of its own')
  assert.equal(problem(await at.phone.post('/sign', { text: 'x' })), 'key-in-use')
  const { events } = (await at.phone.get('/log')).body
  const granted = events.find(({ event }: { event: string }) => event === 'granted')
  assert.deepEqual(
    [granted.terminal, granted.method, granted.reason],
    ['plain terminal', 'approval', 'read, approved on phone'],
  )
})

test('P87: reading by approval ends after fifteen minutes, whatever the use; signing is asked for by itself', async (t) => {
  const at = await pair(t, { WAFER_ALLOWANCE_IDLE: '14m', WAFER_SESSION_IDLE: '1h' })
  await at.approve(await at.ask('read'))
  at.server.pass(13 * 60_000)
  assert.equal((await at.decrypt()).status, 200)
  at.server.pass(119_000)
  assert.equal((await at.decrypt()).status, 200, 'a second before')
  at.server.pass(1000)
  assert.equal(problem(await at.decrypt()), 'allowance-required', 'at the limit')
  await at.approve(await at.ask('sign'))
  assert.equal((await at.desk.post('/sign', { text: 'x' })).status, 200)
  at.server.pass(13 * 60_000)
  assert.equal((await at.decrypt()).status, 200)
  at.server.pass(13 * 60_000)
  assert.equal((await at.decrypt()).status, 200)
})

test('P87: a phone without a passkey approves with the passphrase, of which wrong ones are counted', async (t) => {
  const at = await pair(t)
  const request = await at.ask()
  const attempt = (words: string) =>
    at.approvals.approve(at.phoneSession, request.id, request.code, { passphrase: words })
  await refusedAs('wrong-passphrase', attempt('guess'))
  assert.equal(await at.state(), 'pending')
  await attempt(passphrase)
  assert.equal((await at.decrypt()).status, 200)
  for (let round = 0; round < 5; round += 1) {
    const again = round === 0 ? await at.ask() : null
    if (again) Object.assign(request, again)
    await refusedAs('wrong-passphrase', attempt('guess'))
  }
  await refusedAs('slow-down', attempt(passphrase))
})

test('B20: "I did not ask for this" ends the session that asked, and the request with it', async (t) => {
  const at = await pair(t)
  const request = await at.ask()
  const proof = await at.touch(request)
  await at.approvals.deny(at.phoneSession, request.id)
  assert.equal(problem(await at.desk.get('/session')), 'no-session')
  assert.deepEqual(await at.approvals.pending(at.user), [])
  await refusedAs('not-found', at.approvals.approve(at.phoneSession, request.id, request.code, proof))
  await refusedAs('not-found', at.approvals.deny(at.phoneSession, request.id))
  const { events } = (await at.phone.get('/log')).body
  assert.equal(events[0].reason, 'denied on phone')
  assert.equal((await at.phone.get('/session')).status, 200)
})

test('B20: a request lives for two minutes, and is then neither shown nor granted', async (t) => {
  const at = await pair(t)
  const request = await at.ask()
  const proof = await at.touch(request)
  at.server.pass(119_000)
  assert.equal(await at.state(), 'pending')
  at.server.pass(1000)
  assert.equal(await at.state(), 'expired')
  assert.deepEqual(await at.approvals.pending(at.user), [])
  await refusedAs('not-found', at.approvals.approve(at.phoneSession, request.id, request.code, proof))
  await refusedAs('not-found', at.approvals.deny(at.phoneSession, request.id))
  assert.equal(problem(await at.decrypt()), 'allowance-required')
})

test('B20: a request is granted once, also to two touches at the same moment', async (t) => {
  const at = await pair(t)
  const request = await at.ask()
  const proofs = [await at.touch(request), { passphrase }]
  const both = await Promise.allSettled(
    proofs.map((proof) => at.approvals.approve(at.phoneSession, request.id, request.code, proof)),
  )
  assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  await at.desk.delete('/allowance')
  await refusedAs(
    'not-found',
    at.approvals.approve(at.phoneSession, request.id, request.code, { passphrase }),
    'a second use',
  )
  assert.equal(problem(await at.decrypt()), 'allowance-required')
})

test('B20: three wrong codes end a request, also when they come at once; the right one is too late then', async (t) => {
  const at = await pair(t)
  const request = await at.ask()
  const guess = other(request.code)
  const attempt = (code: string) => at.approvals.approve(at.phoneSession, request.id, code, { passphrase })
  await refusedAs('wrong-code', attempt(guess))
  await refusedAs('wrong-code', at.approvals.passkeyOptions(at.phoneSession, request.id, guess))
  assert.equal(await at.state(), 'pending')
  await refusedAs('wrong-code', attempt(guess))
  await refusedAs('not-found', attempt(request.code))
  assert.equal(await at.state(), 'denied')

  const again = await at.ask()
  const guesses = await Promise.allSettled(
    Array.from({ length: 9 }, () =>
      at.approvals.approve(at.phoneSession, again.id, other(again.code), { passphrase }),
    ),
  )
  const codes = guesses.map((each) => (each.status === 'rejected' ? each.reason.code : 'granted'))
  assert.deepEqual(codes.toSorted(), [...Array(6).fill('not-found'), ...Array(3).fill('wrong-code')])
})

test('B20: no code at all is no try: it is asked for, and neither counted nor on the ledger', async (t) => {
  const at = await pair(t)
  const { id, code } = await at.ask()
  for (const none of ['', ' ', ' - ', '\u3000']) {
    const asks = { name: 'Refusal', code: 'wrong-code', message: 'Type the code that the terminal shows.' }
    await assert.rejects(at.approvals.approve(at.phoneSession, id, none, { passphrase }), asks)
    await assert.rejects(at.approvals.passkeyOptions(at.phoneSession, id, none), asks)
  }
  const { events } = (await at.phone.get('/log')).body
  assert.ok(events.every(({ event }: { event: string }) => event !== 'refused'))
  await at.approvals.approve(at.phoneSession, id, code, { passphrase })
  assert.equal(await at.state(), 'granted')
})

test('A code may be typed in groups, and in full-width digits', async (t) => {
  const at = await pair(t)
  const { id, code } = await at.ask()
  const wide = String.fromCharCode(...[...code].map((digit) => digit.charCodeAt(0) + 0xfee0))
  await at.approvals.approve(at.phoneSession, id, ` ${wide.slice(0, 3)} ${wide.slice(3)} `, { passphrase })
  assert.equal(await at.state(), 'granted')
})

test('B20: another user neither sees nor answers a request, nor does the terminal that asks', async (t) => {
  const at = await pair(t)
  const request = await at.ask()
  const bobUser = await at.server.addUser(bob)
  const bobs = await sessionOf(at.server, await at.server.terminal(bob))
  assert.deepEqual(await at.approvals.pending(bobUser), [])
  const { id, code } = request
  await refusedAs('not-found', at.approvals.approve(bobs, id, code, { passphrase }))
  await refusedAs('not-found', at.approvals.passkeyOptions(bobs, id, code))
  await refusedAs('not-found', at.approvals.deny(bobs, id))
  await refusedAs('forbidden', at.approvals.approve(at.deskSession, id, code, { passphrase }))
  await refusedAs('forbidden', at.approvals.passkeyOptions(at.deskSession, id, code))
  assert.equal(await at.state(), 'pending')
})

test('B20: a touch is for one request, its scope and its code, on one phone, once; nothing else accepts it', async (t) => {
  const at = await pair(t)
  const first = await at.ask('read')
  const forFirst = await at.touch(first)
  const unlocking = await at.passkeys.assertionOptions('unlock', { session: at.phoneSession })
  const proving = await at.passkeys.assertionOptions('proof', { session: at.phoneSession })
  await refusedAs(
    'wrong-passkey',
    at.allowances.grantByPasskey(at.phoneSession, (await at.touch(first)).asserted),
  )
  await refusedAs('wrong-passkey', at.passkeys.prove(at.phoneSession, await at.touch(first)))
  for (const { options } of [unlocking, proving])
    await refusedAs(
      'wrong-passkey',
      at.approvals.approve(at.phoneSession, first.id, first.code, {
        asserted: at.authenticator.get(options),
      }),
    )
  // The same terminal asks for more: what was touched for reading does not sign.
  const second = await at.ask('sign')
  await refusedAs('not-found', at.approvals.approve(at.phoneSession, first.id, first.code, forFirst))
  await refusedAs(
    'wrong-passkey',
    at.approvals.approve(
      at.phoneSession,
      second.id,
      second.code,
      await (async () => {
        const asserted = at.authenticator.get(
          (await at.passkeys.assertionOptions('approve', { session: at.phoneSession, about: [first.id] }))
            .options,
        )
        return { asserted }
      })(),
    ),
  )
  const tablet = await sessionOf(at.server, await at.server.terminal(ann, 'tablet'))
  const proof = await at.touch(second)
  await refusedAs(
    'wrong-passkey',
    at.approvals.approve(tablet, second.id, second.code, proof),
    'another session',
  )
  await refusedAs(
    'wrong-passkey',
    at.approvals.approve(at.phoneSession, second.id, second.code, proof),
    'used up',
  )
  await refusedAs(
    'wrong-passkey',
    at.approvals.approve(at.phoneSession, second.id, second.code, await at.touch(second, { uv: false })),
    'without user verification',
  )
  assert.equal(await at.state(), 'pending')
  await at.approve(second)
  assert.equal((await at.desk.post('/sign', { text: 'x' })).status, 200)
})

test('B20: the key token of a request works in the session that asked and in no other', async (t) => {
  const at = await pair(t)
  const { keyToken, ...request } = await at.ask()
  await at.approve(request)
  await at.desk.delete('/allowance')
  at.phone.keyToken = keyToken
  const id = await encryptedMessage(at.phone)
  assert.equal(problem(await at.phone.post(`/messages/${id}/decrypt`)), 'allowance-required')
  assert.equal(problem(await at.decrypt()), 'allowance-required', 'nor after its lock')
})

test('B20: a request dies with its session, with a newer one, when it is cancelled, and with the epoch', async (t) => {
  const at = await pair(t)
  const older = await at.ask()
  const newer = await at.ask()
  await at.approvals.cancel(at.phoneSession)
  assert.equal(await at.state(), 'pending', "another session's request is not cancelled")
  await refusedAs('not-found', at.approvals.approve(at.phoneSession, older.id, older.code, { passphrase }))
  assert.equal((await at.approvals.pending(at.user)).length, 1)
  await at.approvals.cancel(at.deskSession)
  await refusedAs('not-found', at.approvals.approve(at.phoneSession, newer.id, newer.code, { passphrase }))
  const last = await at.ask()
  await at.desk.delete('/session')
  await refusedAs('not-found', at.approvals.approve(at.phoneSession, last.id, last.code, { passphrase }))
  assert.deepEqual(await at.approvals.pending(at.user), [])

  const next = await pair(t)
  const request = await next.ask()
  await next.server.restart()
  const { approvals } = next.server.services
  assert.equal(await approvals.state(next.deskSession), 'expired')
  await refusedAs('not-found', approvals.approve(next.phoneSession, request.id, request.code, { passphrase }))
})

test('B20: a user may ask three times in ten minutes, from whichever terminals, also from ones that are gone', async (t) => {
  const at = await pair(t, { WAFER_SESSION_IDLE: '1h' })
  for (let round = 0; round < 2; round += 1) {
    const terminal = await at.server.terminal(ann, 'insistent')
    assert.equal((await terminal.post('/approval', { scope: 'read' })).status, 201)
    await terminal.delete('/session')
  }
  assert.equal((await at.desk.post('/approval', { scope: 'read' })).status, 201)
  const refused = await at.desk.post('/approval', { scope: 'read' })
  assert.equal(problem(refused), 'slow-down')
  assert.ok(Number(refused.headers.get('retry-after')) > 0)
  assert.match(refused.body.title, /possible again in 10 min\.$/)
  await at.server.addUser(bob)
  const bobs = await at.server.terminal(bob)
  assert.equal((await bobs.post('/approval', { scope: 'read' })).status, 201, 'another user may')
  at.server.pass(10 * 60_000 - 5000)
  assert.equal(problem(await at.desk.post('/approval', { scope: 'read' })), 'slow-down')
  at.server.pass(5000)
  await at.approvals.sweep()
  assert.equal((await at.desk.post('/approval', { scope: 'read' })).status, 201)
})

test('B20: requests that were granted do not count against the three in ten minutes; all others do', async (t) => {
  const at = await pair(t)
  for (let round = 0; round < 4; round += 1) await at.approve(await at.ask())
  await at.ask()
  await at.approvals.cancel(at.deskSession)
  const denied = await at.ask()
  for (let guess = 0; guess < 3; guess += 1)
    await refusedAs(
      'wrong-code',
      at.approvals.approve(at.phoneSession, denied.id, other(denied.code), { passphrase }),
    )
  at.server.pass(3 * 60_000)
  await at.ask()
  const refused = await at.desk.post('/approval', { scope: 'read' })
  assert.equal(problem(refused), 'slow-down')
  assert.match(refused.body.title, /possible again in 7 min\.$/)
  at.server.pass(Number(refused.headers.get('retry-after')) * 1000)
  assert.equal((await at.desk.post('/approval', { scope: 'read' })).status, 201)
})

test('P82: while another terminal holds the key nobody asks, and nobody is granted it over its head', async (t) => {
  const at = await pair(t)
  const holder = await at.server.terminal(ann, 'holder')
  const request = await at.ask()
  await holder.unlock()
  await refusedAs('key-in-use', at.approve(request))
  assert.equal(await at.state(), 'pending')
  const refused = await at.desk.post('/approval', { scope: 'read' })
  assert.equal(problem(refused), 'key-in-use')
  assert.equal(refused.body.by.terminal, 'holder')
  await at.desk.post('/allowance/stop', { confirm: true })
  await at.approve(request)
  assert.equal((await at.decrypt()).status, 200)
})

test('A terminal that typed the passphrase after all keeps what it got, when the touch comes late', async (t) => {
  const at = await pair(t)
  const request = await at.ask()
  at.server.pass(1000)
  await at.desk.unlock()
  await refusedAs('not-found', at.approve(request))
  assert.equal((await at.desk.post('/sign', { text: 'x' })).status, 200)
})

test('A passphrase typed on the terminal, whose unlock lands while the touch is on its way, is not overwritten', async (t) => {
  const at = await pair(t)
  const request = await at.ask('read')
  const proof = await at.touch(request)
  const { begun, release } = heldWork(at.server)
  const late = at.approvals.approve(at.phoneSession, request.id, request.code, proof)
  const refused = refusedAs('not-found', late)
  await begun
  const { keyToken } = await at.allowances.grantByPassphrase(at.deskSession, passphrase)
  release()
  await refused
  at.desk.keyToken = keyToken
  assert.equal((await at.desk.get('/session')).body.allowance.method, 'passphrase')
  assert.equal((await at.desk.post('/sign', { text: 'x' })).status, 200)
})

test('S2080 B20: who stops another terminal stops what it asked for as well, also while the touch is on its way', async (t) => {
  const at = await pair(t)
  await at.approve(await at.ask('read'))
  const request = await at.ask('sign')
  const proof = await at.touch(request)
  const { begun, release } = heldWork(at.server)
  const late = at.approvals.approve(at.phoneSession, request.id, request.code, proof)
  const refused = refusedAs('not-found', late)
  await begun
  await at.allowances.stop(at.phoneSession)
  release()
  await refused
  assert.equal(await at.state(), 'expired')
  assert.deepEqual(await at.approvals.pending(at.user), [])
  await refusedAs(
    'not-found',
    at.approvals.approve(at.phoneSession, request.id, request.code, { passphrase }),
  )
  assert.equal(problem(await at.desk.post('/sign', { text: 'x' })), 'allowance-required')
})

test('S2080 B20: a stop while nobody holds the key stops the touch that is on its way', async (t) => {
  const at = await pair(t)
  const request = await at.ask('sign')
  const proof = await at.touch(request)
  const third = await sessionOf(at.server, await at.server.terminal(ann, 'third'))
  const { begun, release } = heldWork(at.server)
  const late = at.approvals.approve(at.phoneSession, request.id, request.code, proof)
  const refused = refusedAs('not-found', late)
  await begun
  await at.allowances.stop(third)
  release()
  await refused
  assert.equal(await at.state(), 'expired')
  assert.equal(problem(await at.desk.post('/sign', { text: 'x' })), 'allowance-required')
  await at.approve(await at.ask('sign'))
  assert.equal((await at.desk.post('/sign', { text: 'x' })).status, 200)
})

test('P39: an unlock by passkey that is on its way when its terminal locks the key opens nothing', async (t) => {
  const at = await pair(t)
  const { options } = await at.passkeys.assertionOptions('unlock', { session: at.phoneSession })
  const opensBy = at.passkeys.opensBy.bind(at.passkeys)
  at.passkeys.opensBy = async (...asserted) => {
    at.passkeys.opensBy = opensBy
    await at.allowances.lock(at.phoneSession) // before the touch is looked at
    return opensBy(...asserted)
  }
  const late = at.allowances.grantByPasskey(at.phoneSession, at.authenticator.get(options))
  await refusedAs('allowance-required', late)
  assert.deepEqual(await at.allowances.state(at.phoneSession), { state: 'locked' })
  const again = await at.passkeys.assertionOptions('unlock', { session: at.phoneSession })
  await at.allowances.grantByPasskey(at.phoneSession, at.authenticator.get(again.options))
})

test('B20: who denies a request ends the session that asked, or the request stands', async (t) => {
  const at = await pair(t)
  const { db } = at.server.services
  const request = await at.ask()
  await withoutPower(db, 'sessions', () =>
    assert.rejects(at.approvals.deny(at.phoneSession, request.id), /the power is gone/),
  )
  assert.equal(await at.state(), 'pending')
  assert.match((await at.phone.get('/log')).body.events[0].reason, /^passkey-added/)
  await at.approvals.deny(at.phoneSession, request.id)
  assert.equal(problem(await at.desk.get('/session')), 'no-session')
})

test('A terminal that stops the key in its own hands waits no longer either; what others asked for stays', async (t) => {
  const at = await pair(t)
  await at.approve(await at.ask('read'))
  await at.ask('sign')
  await at.desk.post('/allowance/stop', { confirm: true })
  assert.equal(await at.state(), 'expired')
  const holder = await at.server.terminal(ann, 'holder')
  await at.ask('read')
  await holder.unlock()
  await at.phone.post('/allowance/stop', { confirm: true })
  assert.equal(await at.state(), 'pending')
})

test('The waiting screen can show its code again, to the browser that asked alone', async (t) => {
  const at = await pair(t)
  const { keyToken, code, scope, id } = await at.ask()
  const shown = await at.approvals.waiting(at.deskSession, keyToken)
  assert.deepEqual([shown!.code, shown!.scope, shown!.id, shown!.state], [code, scope, id, 'pending'])
  for (const token of [null, '', Buffer.alloc(32).toString('base64url')])
    assert.equal(await at.approvals.waiting(at.deskSession, token), null)
  assert.equal(await at.approvals.waiting(at.phoneSession, keyToken), null)
  const rows = await rowsOf<object>(at.server.services.db, 'SELECT * FROM approvals')
  const dump = rows.flatMap(Object.values)
  assert.ok(dump.length > 5)
  for (const value of dump)
    for (const secret of [code, keyToken])
      assert.ok(!Buffer.from(String(value)).includes(secret), 'neither code nor token is in the database')
})

test('A malformed request is refused, and one without a session or without a key', async (t) => {
  const at = await pair(t)
  for (const body of [{}, { scope: 'all' }, { scope: null }])
    assert.equal(problem(await at.desk.post('/approval', body)), 'bad-request')
  const nobody = await at.server.terminal(ann)
  nobody.token = null
  assert.equal(problem(await nobody.post('/approval', { scope: 'read' })), 'no-session')
  await at.server.addUser('carol@wafer.test', { key: false })
  const carol = await at.server.terminal('carol@wafer.test')
  assert.equal(problem(await carol.post('/approval', { scope: 'read' })), 'not-found')
})

test('B20: a terminal that presses Lock takes back what it asked for', async (t) => {
  const at = await pair(t)
  const request = await at.ask('sign')
  assert.equal((await at.desk.delete('/allowance')).status, 204)
  assert.deepEqual(await at.approvals.pending(at.user), [])
  await refusedAs(
    'not-found',
    at.approvals.approve(at.phoneSession, request.id, request.code, { passphrase }),
  )
})
