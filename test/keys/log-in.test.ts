/**
 * Logging in, and the password that does it: what was shown must still be good when the session begins, a change of
 * the password happens whole or not at all, and it forgives guesses at nothing else.
 */

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { openServices } from '../../server/main.ts'
import type { Guessed } from '../../server/people/guesses.ts'
import { Authenticator } from '../support/authenticator.ts'
import { rowsOf, withoutPower } from '../support/databases.ts'
import { passphrase, password, problem, Terminal, type World, world } from '../support/world.ts'

const ann = 'ann@wafer.test'
const fresh = 'a new password'

const sessionOf = async (server: World, terminal: Terminal) =>
  (await server.services.sessions.contact(terminal.token!))!

/** Ann, logged in twice. */
const annTwice = async (t: TestContext) => {
  const server = await world(t)
  const user = await server.addUser(ann)
  const [desk, other] = [await server.terminal(ann, 'desk'), await server.terminal(ann, 'other')]
  const sessions = { desk: await sessionOf(server, desk), other: await sessionOf(server, other) }
  const { users, db } = server.services
  const begin = (shown: Awaited<ReturnType<typeof users.logIn>>) =>
    server.services.sessions.begin(shown, 'late', '192.0.2.1')
  const passes = (words: string) => users.logIn(ann, words, '192.0.2.2')
  return { server, user, desk, other, sessions, users, db, begin, passes }
}

const refusedAs = (code: string, work: Promise<unknown>, message?: string) =>
  assert.rejects(work, { name: 'Refusal', code }, message)

// ---- a session begins

test('Who logged in with a password that was changed meanwhile gets no session', async (t) => {
  const at = await annTwice(t)
  const [shown, unchanged] = [await at.passes(password), await at.passes(password)]
  await at.begin(unchanged)
  await at.users.changePassword(at.sessions.desk, password, fresh)
  await refusedAs('bad-credentials', at.begin(shown))
  const list = await at.server.services.sessions.list(at.user)
  assert.deepEqual(
    list.map(({ id }) => id),
    [at.sessions.desk.id],
  )
  await at.begin(await at.passes(fresh))
})

test('The same where another process changes it: the operator’s command', async (t) => {
  const at = await annTwice(t)
  const shown = await at.passes(password)
  const command = await openServices(at.server.config)
  t.after(() => command.close())
  await command.users.setPassword(at.user, fresh)
  await refusedAs('bad-credentials', at.begin(shown))
  assert.deepEqual(await at.server.services.sessions.list(at.user), [])
  await at.begin(await at.passes(fresh))
})

test('Who logged in with a passkey that was removed meanwhile gets no session', async (t) => {
  const at = await annTwice(t)
  const { passkeys, site } = at.server.services
  const authenticator = new Authenticator({ origin: site.origin })
  const { options } = await passkeys.registrationOptions(at.sessions.desk)
  const begun = await passkeys.beginRegistration(at.sessions.desk, authenticator.create(options))
  const asserted = authenticator.get(begun.options)
  const input = { name: 'thumb', asserted, proof: { passphrase }, consent: false }
  const { id } = await passkeys.finishRegistration(at.sessions.desk, input)
  const pre = { preSession: 'the cookie before', address: '192.0.2.1' }
  const logIn = async () => {
    const asked = await passkeys.assertionOptions('login', pre)
    return passkeys.logIn(authenticator.get(asked.options), pre)
  }
  const [shown, unchanged] = [await logIn(), await logIn()]
  await at.begin(unchanged)
  await passkeys.remove(at.sessions.desk, id, { passphrase })
  await refusedAs('bad-credentials', at.begin(shown))
  assert.equal((await at.server.services.sessions.list(at.user)).length, 1)
})

// ---- the password changes

test('Of two who change the password at the same moment one does, and the other is logged out', async (t) => {
  const at = await annTwice(t)
  const words = ['words of the desk', 'words of the other']
  const both = await Promise.allSettled([
    at.users.changePassword(at.sessions.desk, password, words[0]!),
    at.users.changePassword(at.sessions.other, password, words[1]!),
  ])
  assert.deepEqual(both.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
  const first = both.findIndex(({ status }) => status === 'fulfilled')
  await at.passes(words[first]!)
  await refusedAs('bad-credentials', at.passes(words[1 - first]!))
  const [left, ...others] = await at.server.services.sessions.list(at.user)
  assert.equal(left?.terminal, ['desk', 'other'][first])
  assert.deepEqual(others, [])
})

test('Of two changes in one session the second shows a password that is old by then', async (t) => {
  const at = await annTwice(t)
  const words = ['words of a window', 'words of another']
  const both = await Promise.allSettled(
    words.map((each) => at.users.changePassword(at.sessions.desk, password, each)),
  )
  const refused = both.flatMap((each) => (each.status === 'rejected' ? [each.reason.code] : []))
  assert.deepEqual(refused, ['bad-credentials'])
  await at.passes(words[both.findIndex(({ status }) => status === 'fulfilled')]!)
})

test('A session that ended meanwhile changes no password', async (t) => {
  const at = await annTwice(t)
  const late = refusedAs('no-session', at.users.changePassword(at.sessions.desk, password, fresh))
  await at.server.services.sessions.end(at.sessions.desk.id, 'logout')
  await late
  await at.passes(password)
  assert.equal((await at.other.get('/session')).status, 200)
})

test('Where the ends of the other sessions cannot be written, the password is the old one', async (t) => {
  const at = await annTwice(t)
  const power = /the power is gone/
  await withoutPower(at.db, 'sessions', async () => {
    await assert.rejects(at.users.changePassword(at.sessions.desk, password, fresh), power)
    await assert.rejects(at.users.setPassword(at.user, fresh), power)
  })
  await at.passes(password)
  assert.equal((await at.server.services.sessions.list(at.user)).length, 2)
  assert.deepEqual((await at.desk.get('/log')).body.events, [])
})

test('The new password is not the old one, however it is typed; and a change of it is on the ledger', async (t) => {
  const at = await annTwice(t)
  await refusedAs('bad-request', at.users.changePassword(at.sessions.desk, password, password))
  await at.users.changePassword(at.sessions.desk, password, 'n\u00e9w password')
  for (const [old, again] of [
    ['n\u00e9w password', 'ne\u0301w password'],
    ['ne\u0301w password', 'n\u00e9w password'],
  ] as const)
    await refusedAs('bad-request', at.users.changePassword(at.sessions.desk, old, again))
  const of = ({ event, method, reason, terminal }: Record<string, string>) =>
    [event, method, reason, terminal].join()
  const events = async (terminal: Terminal) => (await terminal.get('/log')).body.events.map(of)
  assert.deepEqual(await events(at.desk), ['used,password,password-changed,desk'])
  await at.users.setPassword(at.user, password)
  const [newest] = await events(await at.server.terminal(ann))
  assert.equal(newest, 'used,password,password-changed,wafer user password')
})

// ---- what is forgiven

test('B13: a change of the password forgives no guess at the passphrase or at a recovery code', async (t) => {
  const at = await annTwice(t)
  for (let round = 0; round < 5; round += 1) await at.other.unlock(`guess ${round}`)
  assert.equal(problem(await at.other.unlock()), 'slow-down')
  await at.users.changePassword(at.sessions.desk, password, fresh)
  const again = new Terminal(() => at.server.url)
  const begun = await again.post('/session', { user: ann, password: fresh, terminal: 'again' })
  again.token = begun.body.token
  assert.equal(problem(await again.unlock()), 'slow-down')
})

test('B13: what there is a new one of is forgiven, everywhere, and nothing else is', async (t) => {
  const at = await annTwice(t)
  const { guesses, keyrings, passkeys } = at.server.services
  const all: Guessed[] = (['password', 'passphrase', 'recovery code'] as const).map((what) => ({
    what,
    user: ann,
    address: '192.0.2.1',
  }))
  const guess = async () => {
    for (const each of all) for (let round = 0; round < 5; round += 1) await guesses.wrong(each)
  }
  const admitted = async () => {
    const looked = await Promise.allSettled(all.map((each) => guesses.admit(each)))
    return all.flatMap(({ what }, place) => (looked[place]!.status === 'fulfilled' ? [what] : []))
  }
  const { desk } = at.sessions
  const proof = (words: string) => passkeys.prove(desk, { passphrase: words })
  await guess()
  assert.deepEqual(await admitted(), [])
  await at.users.changePassword(desk, password, fresh)
  assert.deepEqual(await admitted(), ['password'])
  await guess()
  await keyrings.changePassphrase(desk, await proof(passphrase), 'another passphrase')
  assert.deepEqual(await admitted(), ['passphrase'])
  await guess()
  const { recoveryCode } = await keyrings.replaceRecoveryCode(desk, await proof('another passphrase'))
  assert.deepEqual(await admitted(), ['recovery code'])
  await guess()
  await keyrings.recover(desk, recoveryCode, 'a third passphrase')
  assert.deepEqual(await admitted(), ['passphrase', 'recovery code'])
  await guess()
  await at.users.setPassword(at.user, password)
  assert.deepEqual(await admitted(), ['password', 'passphrase', 'recovery code'])
})

test('B13: strangers who fail from everywhere bar no new network of an owner who logs in from home now and then', async (t) => {
  const at = await annTwice(t)
  const { guesses } = at.server.services
  const from = (address: string): Guessed => ({ what: 'password', user: ann, address })
  const [home, hotel] = [from('192.0.2.1'), from('198.51.100.1')]
  await guesses.right(home)
  for (let count = 0; count < 100; count += 1) await guesses.wrong(from(`203.0.113.${count}`))
  // The limit of ten minutes goes by itself; only the row of a hundred is for good.
  await rowsOf(at.db, `DELETE FROM rate_limits WHERE key LIKE 'user:%'`)
  await refusedAs('slow-down', guesses.admit(hotel))
  await guesses.admit(home)
  await guesses.right(home)
  await guesses.admit(hotel)
})
