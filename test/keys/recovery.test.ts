/**
 * The recovery code: it opens the keyring when the passphrase is gone, it can be replaced, and nobody keeps its owner
 * from using it; and which ways to open the key are offered.
 */

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Authenticator } from '../support/authenticator.ts'
import { columnOf, rowsOf, withoutPower } from '../support/databases.ts'
import {
  heldWork,
  passphrase,
  password,
  problem,
  type Terminal,
  type World,
  world,
} from '../support/world.ts'

const ann = 'ann@wafer.test'

const sessionOf = async (server: World, terminal: Terminal) =>
  (await server.services.sessions.contact(terminal.token!))!

/** Ann at a desk, with the recovery code that was printed for her. */
const desk = async (t: TestContext, environment: Record<string, string> = {}) => {
  const server = await world(t, environment)
  const user = await server.addUser(ann, { key: false })
  const { keyrings, passkeys, db, site } = server.services
  const made = await keyrings.add(user, passphrase, { generate: { name: 'Ann', address: ann } })
  const terminal = await server.terminal(ann, 'desk')
  const session = await sessionOf(server, terminal)
  const recoverySlots = () => columnOf<string>(db, "SELECT id FROM key_slots WHERE kind = 'recovery'")
  const logged = async () => (await terminal.get('/log')).body.events as Record<string, string>[]
  const authenticator = new Authenticator({ origin: site.origin })
  const addPasskey = async (own = authenticator, consent = false) => {
    const { options } = await passkeys.registrationOptions(session)
    const begun = await passkeys.beginRegistration(session, own.create(options))
    const asserted = own.get(begun.options)
    const proof = { passphrase }
    return passkeys.finishRegistration(session, { name: 'thumb', asserted, proof, consent })
  }
  return {
    server,
    user,
    terminal,
    session,
    keyrings,
    passkeys,
    db,
    origin: site.origin,
    code: made.recoveryCode!,
    recoverySlots,
    logged,
    authenticator,
    addPasskey,
  }
}

const refusedAs = (code: string, work: Promise<unknown>, message?: string) =>
  assert.rejects(work, { name: 'Refusal', code }, message)

const wrongCode = '00000-00000-00000-00000-00000-0'

// ---- what is typed

test('A recovery code has one spelling: the bits to spare in its last letter are 0 or it is none', async (t) => {
  const at = await desk(t)
  const letters = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
  const last = letters.indexOf(at.code.at(-1)!)
  assert.equal(last % 4, 0)
  for (const spare of [1, 2, 3]) {
    const spelling = at.code.slice(0, -1) + letters[last + spare]
    await refusedAs('wrong-passphrase', at.keyrings.recover(at.session, spelling, 'a fresh one'), spelling)
  }
  await at.keyrings.recover(at.session, at.code, 'a fresh one')
})

test('A recovery code may be typed in lower or full-width letters, in groups, and with the letters it has not', async (t) => {
  const at = await desk(t)
  let { code } = at
  const spellings: ((printed: string) => string)[] = [
    (printed) => printed.toLowerCase().replaceAll('-', ' '),
    (printed) => `  ${printed.replaceAll('-', '')}\n`,
    (printed) => printed.replaceAll('0', 'O').replaceAll('1', 'I'),
    (printed) => printed.replaceAll('0', 'o').replaceAll('1', 'l').replaceAll('-', '\u2010'),
    (printed) =>
      [...printed.replaceAll('-', '\u3000')]
        .map((letter) => (/\w/.test(letter) ? String.fromCharCode(letter.charCodeAt(0) + 0xfee0) : letter))
        .join(''),
  ]
  for (const [place, spelled] of spellings.entries())
    code = (await at.keyrings.recover(at.session, spelled(code), `a fresh ${place}`)).recoveryCode
})

// ---- who guesses

test('A wrong recovery code is on the ledger as one, and not as a wrong passphrase', async (t) => {
  const at = await desk(t)
  await refusedAs('wrong-passphrase', at.keyrings.recover(at.session, wrongCode, 'a fresh one'))
  const [event] = await at.logged()
  assert.deepEqual(
    [event!.event, event!.method, event!.reason],
    ['refused', 'recovery', 'wrong-recovery-code'],
  )
})

test('A stranger with a session cannot guess the owner out of recovery: only what comes from one place is slowed', async (t) => {
  const at = await desk(t)
  const from = (address: string) => ({ ...at.session, address })
  // More than what would stop a password for everybody.
  for (let network = 1; network <= 16; network += 1)
    await refusedAs(
      'wrong-passphrase',
      at.keyrings.recover(from(`192.0.2.${network}`), wrongCode, 'a fresh one'),
    )
  for (let guess = 2; guess <= 5; guess += 1)
    await refusedAs('wrong-passphrase', at.keyrings.recover(from('192.0.2.1'), wrongCode, 'a fresh one'))
  await refusedAs(
    'slow-down',
    at.keyrings.recover(from('192.0.2.1'), at.code, 'a fresh one'),
    'from that place',
  )
  await at.keyrings.recover(from('192.0.2.99'), at.code, 'a fresh one')
})

test('A hundred wrong recovery codes in a row are not the end; one place is slowed whatever the name', async (t) => {
  const { guesses, db } = (await world(t)).services
  const guess = { what: 'recovery code', user: ann, address: '192.0.2.1' } as const
  for (let round = 0; round < 100; round += 1) await guesses.wrong(guess)
  const slowed = { code: 'slow-down' }
  await assert.rejects(
    guesses.admit(guess),
    (refusal: { code: string; detail: { retry_after_s: number } }) => {
      assert.equal(refusal.code, slowed.code)
      return refusal.detail.retry_after_s <= 15 * 60
    },
  )
  await assert.rejects(guesses.admit({ ...guess, user: 'bob@wafer.test' }), slowed)
  // A quarter of an hour later.
  const passed = await rowsOf(
    db,
    "DELETE FROM rate_limits WHERE key LIKE 'pair:%' OR key LIKE 'address:%' RETURNING key",
  )
  assert.equal(passed.length, 2)
  await guesses.admit(guess)
  await guesses.admit({ ...guess, address: '192.0.2.2' })
})

// ---- a new one

test('A new recovery code is had for the passphrase: the old one is gone, and the ledger says so', async (t) => {
  const at = await desk(t)
  const other = await at.server.terminal(ann, 'other')
  const key = await at.keyrings.present(at.user.id)
  const [old] = await at.recoverySlots()
  const prove = (words: string) => at.passkeys.prove(at.session, { passphrase: words })
  await refusedAs('wrong-passphrase', at.keyrings.replaceRecoveryCode(at.session, await prove('guess')))
  assert.deepEqual(await at.recoverySlots(), [old])
  const { recoveryCode } = await at.keyrings.replaceRecoveryCode(at.session, await prove(passphrase))
  assert.notEqual(recoveryCode, at.code)
  assert.equal((await at.recoverySlots()).length, 1)
  assert.notEqual((await at.recoverySlots())[0], old)
  const [event] = await at.logged()
  assert.deepEqual(
    [event!.event, event!.method, event!.reason, event!.terminal],
    ['used', 'passphrase', 'recovery-code-replaced', 'desk'],
  )
  assert.equal((await other.get('/session')).status, 200)
  assert.deepEqual(await at.keyrings.present(at.user.id), key)
  assert.equal((await at.terminal.unlock()).status, 201, 'the passphrase is as it was')
  await refusedAs('wrong-passphrase', at.keyrings.recover(at.session, at.code, 'a fresh one'), 'the old code')
  await at.keyrings.recover(at.session, recoveryCode, 'a fresh one')
})

test('P87: a passkey is proof enough for a new recovery code; a touch for something else is not', async (t) => {
  const at = await desk(t)
  await at.addPasskey()
  const touch = async (purpose: 'unlock' | 'proof') => ({
    asserted: at.authenticator.get(
      (await at.passkeys.assertionOptions(purpose, { session: at.session })).options,
    ),
  })
  await refusedAs('wrong-passkey', at.passkeys.prove(at.session, await touch('unlock')))
  const opens = await at.passkeys.prove(at.session, await touch('proof'))
  const { recoveryCode } = await at.keyrings.replaceRecoveryCode(at.session, opens)
  await refusedAs('wrong-passphrase', at.keyrings.recover(at.session, at.code, 'a fresh one'))
  await at.keyrings.recover(at.session, recoveryCode, 'a fresh one')
})

test('Of two new recovery codes at the same moment one is made, and a session that ended makes none', async (t) => {
  const at = await desk(t)
  const replace = async () =>
    at.keyrings.replaceRecoveryCode(at.session, await at.passkeys.prove(at.session, { passphrase }))
  const first = heldWork(at.server)
  const overtaken = assert.rejects(replace(), { name: 'Refusal' })
  await first.begun
  const made = await replace()
  first.release()
  await overtaken
  assert.equal((await at.recoverySlots()).length, 1)
  const [slot] = await at.recoverySlots()
  const { begun, release } = heldWork(at.server)
  const late = refusedAs('no-session', replace())
  await begun
  await at.server.services.sessions.end(at.session.id, 'logout') // while the work is on its way
  release()
  await late
  assert.deepEqual(await at.recoverySlots(), [slot])
  const session = await sessionOf(at.server, await at.server.terminal(ann))
  await at.keyrings.recover(session, made.recoveryCode, 'a fresh one')
})

test('What opens the key changes together with the ends of the other sessions, or not at all', async (t) => {
  const at = await desk(t)
  const passkey = await at.addPasskey()
  const { sessions, ledger } = at.server.services
  const prove = (words: string) => at.passkeys.prove(at.session, { passphrase: words })
  const works = {
    change: async () =>
      at.keyrings.changePassphrase(at.session, await prove(passphrase), 'another passphrase'),
    remove: () => at.passkeys.remove(at.session, passkey.id, { passphrase: 'another passphrase' }),
    recover: () => at.keyrings.recover(at.session, at.code, 'a third passphrase'),
  }
  const rows = () =>
    Promise.all(
      ['key_slots', 'keyrings', 'passkeys', 'sessions'].map((name) =>
        rowsOf(at.db, `SELECT * FROM ${name} ORDER BY 1`),
      ),
    )
  for (const [name, work] of Object.entries(works)) {
    const thief = await at.server.terminal(ann, 'thief')
    const [before, logged] = [await rows(), await ledger.list(at.user.id, null, 50)]
    await withoutPower(at.db, 'sessions', () => assert.rejects(work(), /the power is gone/, name))
    assert.deepEqual(await rows(), before, name)
    assert.deepEqual(await ledger.list(at.user.id, null, 50), logged, name)
    // The processes of whoever held the key are told to end when it is certain that it held.
    const holder = await at.server.terminal(ann, 'holder')
    const words = name === 'change' ? passphrase : 'another passphrase'
    assert.equal((await holder.unlock(words)).status, 201, name)
    const told: boolean[] = []
    const { pool } = at.server.services
    const endFor = pool.endFor.bind(pool)
    pool.endFor = (userId) => {
      let isCommitted = false
      at.db.afterwards(() => {
        isCommitted = true // at once, where no transaction is open
      })
      told.push(isCommitted)
      endFor(userId)
    }
    await work()
    pool.endFor = endFor
    assert.deepEqual(told, [true], name)
    assert.equal((await sessions.list(at.user)).length, 1, name)
    assert.equal(problem(await thief.get('/session')), 'no-session', name)
  }
})

// ---- on its page

/** A browser without script: cookies, and the form token of the page before. */
const browser = (server: World) => {
  const cookies = new Map<string, string>()
  let token = ''
  const go = async (path: string, fields?: Record<string, string>) => {
    const answer = await fetch(new URL(path, server.url), {
      method: fields ? 'POST' : 'GET',
      redirect: 'manual',
      headers: { cookie: [...cookies].map((each) => each.join('=')).join('; ') },
      ...(fields ? { body: new URLSearchParams({ t: token, ...fields }) } : {}),
    })
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name, value] = cookie.match(/^([^=]+)=([^;]*)/)!
      cookies.set(name!, value!)
    }
    const html = await answer.text()
    token = html.match(/name="?t"? value="?([\w-]+)/)?.[1] ?? token
    return { status: answer.status, html, location: answer.headers.get('location') }
  }
  const logIn = async () => {
    await go('/login')
    const { status } = await go('/login', { user: ann, pass: password })
    assert.equal(status, 303)
  }
  return { go, logIn }
}

/** As it is printed elsewhere; in pages there are spaces, at which a line may break. */
const codeIn = (html: string) =>
  html.match(/<b>((?:[0-9A-Z]{5} ){5}[0-9A-Z])<\/b>/)?.[1]?.replaceAll(' ', '-') ?? null

test('Without script, the page shows a new recovery code once, to who types the passphrase in its form', async (t) => {
  const at = await desk(t)
  const { go, logIn } = browser(at.server)
  await logIn()
  assert.match((await go('/s')).html, /href="?\/s\?of=new-code/)
  const form = await go('/s?of=new-code')
  assert.ok(Buffer.byteLength(form.html) <= 3_000)
  assert.match(form.html, /action="?\/s\?of=new-code/)
  assert.ok(!form.html.includes('name=new'))
  const wrong = await go('/s?of=new-code', { a: 'new-code', passphrase: 'guess' })
  assert.match(wrong.html, /The passphrase is wrong\. Nothing was changed\./)
  assert.match(wrong.html, /action="?\/s\?of=new-code/)
  assert.equal(codeIn(wrong.html), null)
  const empty = await go('/s?of=new-code', { a: 'new-code' })
  assert.match(empty.html, /A passphrase is empty/)
  assert.equal(codeIn(empty.html), null)
  const elsewhere = await go('/s', { a: 'new-code', passphrase })
  assert.equal(codeIn(elsewhere.html), null)
  const shown = await go('/s?of=new-code', { a: 'new-code', passphrase })
  const fresh = codeIn(shown.html)
  assert.ok(fresh && fresh !== at.code)
  assert.ok(Buffer.byteLength(shown.html) <= 3_000)
  for (const path of ['/s', '/s?of=new-code', '/log'])
    for (const spelled of [fresh, fresh.replaceAll('-', ' ')])
      assert.ok(!(await go(path)).html.includes(spelled), 'shown once')
  assert.ok(!at.server.logged.join('\n').includes(fresh))
  const recovered = await go('/s', { a: 'recover', code: fresh, new: 'the new one', new2: 'the new one' })
  assert.ok(codeIn(recovered.html))
})

test('P87: with a passkey as proof, the same page shows a new recovery code; without script it says why it cannot', async (t) => {
  const at = await desk(t)
  const { go, logIn } = browser(at.server)
  await logIn()
  await at.addPasskey()
  assert.match((await go('/s?of=new-code')).html, /href="?\/s\?of=new-code&(amp;)?by=passkey/)
  const page = await go('/s?of=new-code&by=passkey')
  assert.match(page.html, /runs no script here/)
  assert.match((await go('/s?of=new-code&by=passkey', { a: 'passkey' })).html, /runs no script here/)
  const [, data] = page.html.match(/data-options="([^"]*)"/)!
  const asserted = at.authenticator.get(data!.replaceAll('&quot;', '"').replaceAll('&amp;', '&'))
  const shown = await go('/s?of=new-code&by=passkey', { asserted: JSON.stringify(asserted) })
  assert.ok(codeIn(shown.html))
  const again = await go('/s?of=new-code&by=passkey', { asserted: JSON.stringify(asserted) })
  assert.equal(codeIn(again.html), null, 'a touch counts once')
})

// ---- what is offered

test('A passkey whose slot the operator permits no more is not offered as a way to open the key', async (t) => {
  const environment: Record<string, string> = { WAFER_PASSKEY_WITHOUT_PRF: 'ask' }
  const at = await desk(t, environment)
  const held = new Authenticator({ origin: at.origin, seed: 'held', prf: false })
  await at.addPasskey(held, true)
  const offered = async () => {
    const { keys } = (await at.terminal.get('/keys')).body
    const refused = await at.terminal.post('/sign', { text: 'x' })
    assert.equal(problem(refused), 'allowance-required')
    return [keys[0].methods, refused.body.methods]
  }
  const all = ['passphrase', 'passkey', 'approval', 'recovery']
  const without = (name: string, list: string[]) => list.filter((each) => each !== name)
  assert.deepEqual(await offered(), [without('approval', all), all])
  environment.WAFER_PASSKEY_WITHOUT_PRF = 'deny'
  await at.server.restart()
  const rest = without('passkey', all)
  assert.deepEqual(await offered(), [without('approval', rest), rest])
  environment.WAFER_PASSKEY_WITHOUT_PRF = 'allow'
  await at.server.restart()
  assert.deepEqual(await offered(), [without('approval', all), all])
  environment.WAFER_PASSKEY_WITHOUT_PRF = 'deny'
  await at.server.restart()
  // One with a secret of its own is offered under any policy.
  const { passkeys, sessions, site } = at.server.services
  const session = (await sessions.contact(at.terminal.token!))!
  const own = new Authenticator({ origin: site.origin })
  const { options } = await passkeys.registrationOptions(session)
  const begun = await passkeys.beginRegistration(session, own.create(options))
  const asserted = own.get(begun.options)
  await passkeys.finishRegistration(session, {
    name: 'own',
    asserted,
    proof: { passphrase },
    consent: false,
  })
  assert.deepEqual(await offered(), [without('approval', all), all])
})
