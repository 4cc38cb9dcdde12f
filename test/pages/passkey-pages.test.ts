/**
 * Passkeys and approval in real Chromium, with virtual authenticators (CDP), and in Lynx: a passkey is added, opens
 * the key and a mail, logs in; what a thief of requests or a broken authenticator could try is refused; and a text
 * browser gets to its decrypted page by an approval on a phone.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ann, bob, portOf, secrets, TextBrowser, until } from '../support/browsers.ts'
import { faults } from '../support/page-faults.ts'
import { type Asserted, begin, idOf } from '../support/passkey-desk.ts'
import { executablePath, needs } from '../support/programs.ts'
import { passphrase, password } from '../support/world.ts'

const [first, second] = secrets

test('A passkey with PRF is added, opens the key and a mail, again after Lock, and again after log-out (P87, C2)', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { server, desk } = await begin(t)
  const ours = await desk()
  await ours.logIn()
  await ours.link('More').click()
  await ours.link('Passkeys').click()
  await ours.shows('You have none yet')
  await ours.link('Add a passkey').click()
  await ours.button('Make passkey').click()
  await ours.shows('This passkey can keep a secret')
  await ours.field('Name').fill('My finger')
  await ours.field('Passphrase').fill('not the passphrase')
  await ours.button('Store passkey').click()
  await ours.shows('The passphrase is wrong')
  assert.equal(await ours.field('Name').inputValue(), 'My finger')
  await ours.field('Passphrase').fill(passphrase)
  await ours.button('Store passkey').click()
  await ours.shows('The passkey is stored. It was tried out, and opens your key itself')
  await ours.shows('Opens your key itself')
  await ours.shows('not used yet')
  assert.equal((await ours.credentials()).length, 1)
  assert.equal(await ours.isOpen(), false, 'adding a passkey opens nothing')

  await ours.usePasskey()
  await ours.shows(first)
  assert.equal(await ours.isOpen(), true)
  const one = ours.asserted()
  assert.deepEqual(JSON.parse(one.response).clientExtensionResults, {})
  await ours.lock()
  await ours.usePasskey('Second plan')
  await ours.shows(second)
  const two = ours.asserted()
  assert.notEqual(one.prf!.output, two.prf!.output, 'each unlock has a salt of its own')
  await ours.logOut()
  await ours.logIn()
  await ours.usePasskey()
  await ours.shows(first)

  const events = (await (await server.terminal(ann)).get('/log')).body.events
  assert.ok(
    events.some(({ event, method }: Record<string, string>) => event === 'granted' && method === 'passkey'),
  )
  const logged = server.logged.join('\n')
  for (const { prf } of [one, two]) assert.ok(!logged.includes(prf!.output))
  assert.deepEqual(ours.complaints, [])
})

test('The script for passkeys is loaded by pages that ask for one, and by no other (P87)', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { desk } = await begin(t)
  const ours = await desk()
  await ours.logIn()
  await ours.add()
  await ours.shows('The passkey is stored')
  const isPasskey = (path: string) => path.startsWith('/passkey-')
  assert.ok(ours.scripts.some(isPasskey))
  ours.scripts.splice(0)
  for (const path of ['/f/inbox', '/p', '/s', '/a', '/k', '/folders']) await ours.page.goto(path)
  assert.deepEqual(ours.scripts.filter(isPasskey), [])
  await ours.press()
  ours.scripts.splice(0)
  await ours.page.reload()
  await ours.heading('Secret key use')
  assert.equal(ours.scripts.length, 0)
  await ours.button('Use passkey').click()
  await ours.shows(first)
  assert.deepEqual([...new Set(ours.scripts.map((path) => path.split('-')[0]))].sort(), [
    '/enhance',
    '/passkey',
  ])
})

test('One touch logs in and opens the key; without User ID it logs in; an unknown user learns nothing (P87)', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { desk } = await begin(t)
  const ours = await desk()
  await ours.logIn()
  await ours.add()
  await ours.shows('The passkey is stored')
  await ours.logOut()

  await ours.field('User ID').fill(ann)
  await ours.button('Use passkey').click()
  await ours.heading(/^Inbox/)
  assert.equal(await ours.isOpen(), true)
  await ours.link('First plan').click()
  await ours.heading('First plan')
  await ours.page
    .getByRole('link', { name: 'Decrypt, key open' })
    .or(ours.button('Decrypt, key open'))
    .click()
  await ours.shows(first)
  await ours.logOut()

  await ours.field('User ID').fill('nobody@wafer.test')
  await ours.button('Use passkey').click()
  await ours.heading('Log in with a passkey')
  const decoys = JSON.parse((await ours.page.locator('form').getAttribute('data-options'))!)
  assert.ok(decoys.allowCredentials.length > 0)
  await ours.button('Use password').click()
  assert.equal(await ours.field('User ID').inputValue(), 'nobody@wafer.test')

  await ours.field('User ID').fill('')
  await ours.button('Use passkey').click()
  // The browser's own suggestion is taken at once, by the virtual finger.
  await ours.heading(/^Inbox/)
  assert.equal(await ours.isOpen(), false, 'without User ID nothing is opened')
  assert.deepEqual(ours.complaints, [])
})

test('Without PRF the warning comes first; only consent lets the server hold the slot, and it opens the mail (P87)', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { desk } = await begin(t)
  const ours = await desk()
  await ours.plugIn({ prf: false, transport: 'usb' })
  await ours.logIn()
  await ours.make()
  await ours.shows('Warning: this passkey cannot keep a secret')
  const consent = ours.page.getByRole('checkbox', { name: /^I understand/ })
  assert.equal(await consent.isChecked(), false)
  await ours.field('Name').fill('Login only')
  await ours.field('Passphrase').fill(passphrase)
  await ours.button('Store passkey').click()
  await ours.shows('Logs you in. It does not open your key.')
  await ours.usePasskey()
  await ours.shows('You have no passkey yet that opens the key')
  assert.equal(await ours.isOpen(), false)

  await ours.page.goto('/p')
  await ours.link('Rename or remove').click()
  await ours.field('Passphrase').fill(passphrase)
  await ours.button('Remove passkey').click()
  await ours.shows('You have none yet')
  await ours.make()
  await consent.check()
  await ours.field('Passphrase').fill(passphrase)
  await ours.button('Store passkey').click()
  await ours.shows('Opens your key through the server')
  await ours.usePasskey()
  await ours.shows(first)
})

for (const [policy, sentence] of [
  ['allow', /operator of this server permits/],
  ['deny', /./],
] as const)
  test(`Where the operator says ${policy}, a passkey without PRF is ${policy === 'allow' ? 'held after the same warning' : 'refused'} (P87)`, async (t) => {
    if (!needs(t, executablePath, 'gpg')) return
    const { desk, server } = await begin(t, { WAFER_PASSKEY_WITHOUT_PRF: policy })
    const ours = await desk()
    await ours.plugIn({ prf: false })
    await ours.logIn()
    await ours.page.goto('/p/new')
    await ours.button('Make passkey').click()
    if (policy === 'allow') {
      await ours.shows('Warning: this passkey cannot keep a secret')
      await ours.shows(sentence)
      assert.equal(await ours.page.getByRole('checkbox').count(), 0)
      await ours.field('Passphrase').fill(passphrase)
      await ours.button('Store passkey').click()
      await ours.shows('Opens your key through the server')
    } else {
      await ours.status()
      const user = await server.services.users.named(ann)
      assert.deepEqual(await server.services.passkeys.list(user.id), [])
    }
  })

test('An authenticator that does not verify its user is refused, by the browser and by the server (P87)', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { desk, server } = await begin(t)
  const ours = await desk()
  await ours.plugIn({ prf: false, verifies: false })
  await ours.logIn()
  await ours.page.goto('/p/new')
  await ours.button('Make passkey').click()
  await ours.shows('That did not work, or was cancelled')
  // A page that was tampered with does not ask for it: then the server looks.
  await ours.tamper('"required"', '"discouraged"')
  await ours.tamper('"requireResidentKey":true', '"requireResidentKey":false')
  await ours.button('Make passkey').click()
  await ours.status()
  assert.equal((await ours.credentials()).length, 1)
  assert.deepEqual(await server.services.passkeys.list((await server.services.users.named(ann)).id), [])

  await ours.plugIn({ prf: false })
  await ours.make()
  await ours.page.getByRole('checkbox').check()
  await ours.field('Passphrase').fill(passphrase)
  await ours.button('Store passkey').click()
  await ours.shows('Opens your key through the server')
  await ours.isTouched(false)
  await ours.usePasskey()
  await ours.shows('Your browser asks for your passkey now')
  await ours.tamper('"required"', '"discouraged"')
  await ours.isTouched(true)
  await ours.button('Use passkey').click()
  await ours.status()
  const { authenticatorData } = JSON.parse(ours.asserted().response).response
  assert.equal(
    Buffer.from(authenticatorData, 'base64url')[32]! & 0b101,
    1,
    'somebody was there, nobody verified',
  )
  assert.equal(await ours.isOpen(), false)
  await ours.button('Use passkey').click()
  await ours.shows(first)
})

test('Two passkeys each open the key; the second is added by the first; one removed opens nothing (P87)', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { desk, server } = await begin(t)
  const ours = await desk()
  await ours.logIn()
  await ours.add('First')
  await ours.shows('The passkey is stored')
  // The same authenticator makes no second one for this user; another one does, beside it.
  const [one] = await ours.credentials()
  await ours.page.goto('/p/new')
  await ours.button('Make passkey').click()
  await ours.shows('This device has a passkey of yours for this site already')
  assert.equal((await ours.credentials()).length, 1)

  const other = await desk()
  await other.plugIn({ transport: 'usb' })
  await other.logIn()
  await other.add('Second')
  await other.shows('The passkey is stored')
  for (const each of [ours, other]) {
    await each.usePasskey()
    await each.shows(first)
    await each.lock()
  }
  const user = await server.services.users.named(ann)
  assert.deepEqual(
    (await server.services.passkeys.list(user.id)).map(({ name, slot }) => `${name} ${slot}`).sort(),
    ['First prf', 'Second prf'],
  )

  await other.page.goto(`/p/${idOf(one!)}?by=passkey`)
  await other.button('Remove passkey').click()
  await other.shows('The passkey is removed')
  assert.deepEqual(
    (await server.services.passkeys.list(user.id)).map(({ name }) => name),
    ['Second'],
  )
  await ours.logIn() // whoever removes a passkey logs the user's other terminals out
  await ours.usePasskey()
  await ours.heading('Secret key use')
  const asked = JSON.parse((await ours.page.locator('form[data-options]').getAttribute('data-options'))!)
  const [removed] = await ours.credentials()
  assert.ok(asked.allowCredentials.length === 1 && asked.allowCredentials[0].id !== idOf(removed!))
  // Asked for all the same, it is nobody's.
  await ours.tamper(asked.allowCredentials[0].id, idOf(removed!))
  await ours.tamper('"usb"', '"internal"')
  await ours.button('Use passkey').click()
  await ours.status()
  assert.equal(await ours.isOpen(), false)
  await other.usePasskey()
  await other.shows(first)
})

test('A new passkey is proved by another one in place of the passphrase (P87)', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { desk, server } = await begin(t)
  const ours = await desk()
  await ours.logIn()
  await ours.add('First')
  await ours.shows('The passkey is stored')
  // A second authenticator beside the first.
  const cdp = await ours.page.context().newCDPSession(ours.page)
  await cdp.send('WebAuthn.enable')
  await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      ctap2Version: 'ctap2_1',
      transport: 'usb',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      hasPrf: true,
      automaticPresenceSimulation: true,
    },
  })
  await ours.make()
  await ours.field('Name').fill('Second')
  await ours.button('Prove by another passkey').click()
  await ours.shows('The passkey is stored')
  const user = await server.services.users.named(ann)
  assert.deepEqual(
    (await server.services.passkeys.list(user.id)).map(({ name, slot }) => `${name} ${slot}`).sort(),
    ['First prf', 'Second prf'],
  )
})

test('A copied authenticator, whose counter has fallen back, is refused (P87)', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { desk } = await begin(t)
  const ours = await desk()
  await ours.plugIn({ prf: false })
  await ours.logIn()
  await ours.make()
  await ours.page.getByRole('checkbox').check()
  await ours.field('Passphrase').fill(passphrase)
  await ours.button('Store passkey').click()
  await ours.shows('The passkey is stored')
  await ours.usePasskey()
  await ours.shows(first)
  await ours.lock()
  const [credential] = await ours.credentials()
  assert.ok(credential!.signCount > 1)
  await ours.setCounter(credential!, 0)
  await ours.usePasskey()
  await ours.status()
  assert.equal(await ours.isOpen(), false)
  await ours.setCounter(credential!, credential!.signCount + 5)
  await ours.button('Use passkey').click()
  await ours.shows(first)
})

test('A PRF result stripped, altered or seen before, and an assertion not made for this, open nothing (P87, B19)', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { desk } = await begin(t)
  const ours = await desk()
  await ours.logIn()
  await ours.add()
  await ours.shows('The passkey is stored')
  await ours.usePasskey()
  await ours.shows(first)
  const seen = ours.asserted()
  await ours.lock()
  const flipped = (text: string) => `${text[0] === 'A' ? 'B' : 'A'}${text.slice(1)}`

  /** The form of the next unlock is changed on its way. */
  const refused = async (what: string, change: (asserted: Asserted) => Asserted) => {
    await ours.press()
    const target = (url: URL) => url.pathname === '/unlock'
    await ours.page.route(target, async (route) => {
      const form = new URLSearchParams(route.request().postData() ?? '')
      if (!form.has('asserted')) return route.fallback()
      form.set('asserted', JSON.stringify(change(JSON.parse(form.get('asserted')!))))
      return route.continue({ postData: form.toString() })
    })
    await ours.button('Use passkey').click()
    await ours.status()
    await ours.page.unroute(target)
    assert.equal(await ours.isOpen(), false, what)
    assert.ok(!(await ours.page.content()).includes(first), what)
  }
  await refused('stripped', ({ response }) => ({ response }))
  await refused('altered', ({ response, prf }) => ({
    response,
    prf: { output: flipped(prf!.output), next: prf!.next },
  }))
  await refused('PRF result seen before', ({ response }) => ({ response, prf: seen.prf! }))
  await refused('assertion seen before', ({ prf }) => ({ response: seen.response, prf: prf! }))
  await refused('all of it seen before', () => seen)

  // An assertion made as proof for changing the passphrase, caught on its way.
  await ours.page.goto('/s?by=passkey')
  await ours.page.route(
    (url) => url.pathname === '/s',
    (route) => (route.request().method() === 'POST' ? route.fulfill({ status: 204 }) : route.fallback()),
  )
  await ours.field('New passphrase').first().fill('a new passphrase')
  await ours.field('New passphrase again').first().fill('a new passphrase')
  const sent = ours.sent.length
  await ours.button('Change passphrase').click()
  await until('the proof', () => (ours.sent.length > sent ? true : null))
  const proof = ours.asserted()
  await ours.page.unroute(() => true).catch(() => {})
  await refused('made for something else', () => proof)

  // After all that the slot is as it was.
  await ours.usePasskey()
  await ours.shows(first)
})

test('Another user’s passkey does not open the key, though the authenticator holds both (P87)', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { desk } = await begin(t)
  const ours = await desk()
  await ours.logIn(bob)
  await ours.add('Bob')
  await ours.shows('The passkey is stored')
  const [bobs] = await ours.credentials()
  await ours.logOut()
  await ours.logIn()
  await ours.add('Ann')
  await ours.shows('The passkey is stored')
  await ours.page.addInitScript('globalThis.__name = (named) => named')
  await ours.page.addInitScript((id: string) => {
    const get = navigator.credentials.get.bind(navigator.credentials)
    navigator.credentials.get = (options) => {
      const publicKey = options!.publicKey!
      const octets = Uint8Array.from(atob(id), (character) => character.charCodeAt(0))
      const salts = publicKey.extensions?.prf?.eval
      return get({
        publicKey: {
          ...publicKey,
          allowCredentials: [{ id: octets, type: 'public-key' }],
          extensions: { prf: { eval: salts! } },
        },
      })
    }
  }, bobs!.credentialId)
  await ours.usePasskey()
  await ours.status()
  const { id } = JSON.parse(ours.asserted().response)
  assert.equal(id, idOf(bobs!))
  assert.ok(ours.asserted().prf)
  assert.equal(await ours.isOpen(), false)
})

test('At another name of this machine the browser gives no passkey of this site (P87)', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { desk, server, address } = await begin(t)
  const ours = await desk({ at: `http://mail.localhost:${portOf(server)}` })
  await ours.logIn()
  for (const path of ['/p/new', '/login']) {
    await ours.page.goto(path)
    if (path === '/login') {
      await ours.logOut()
      await ours.button('Use passkey').click()
    }
    await ours.shows('At this address your browser gives no passkey of this site')
    assert.equal(await ours.link(address).getAttribute('href'), address)
    assert.equal(await ours.page.getByText('Press the button below').count(), 0)
  }
  await ours.logIn()
  await ours.page.goto('/p/new')
  await ours.button('Make passkey').click()
  await ours.shows('Open the site by its usual address.')
  // At home there is nothing of that.
  const home = await desk()
  await home.logIn()
  await home.page.goto('/p/new')
  await home.shows('Press the button below')
  assert.equal(await home.page.getByText('At this address').count(), 0)
})

test('With a passkey, too, the other terminal is stopped only by the three screens (P87, S2000-S2100)', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { desk } = await begin(t)
  const [ours, other] = [await desk(), await desk()]
  await ours.logIn()
  await ours.add()
  await ours.shows('The passkey is stored')
  await ours.press()
  await other.logIn()
  await other.press()
  await other.field('Passphrase').fill(passphrase)
  await other.button('OK').click()
  await other.shows(first)

  await ours.button('Use passkey').click()
  await ours.heading('Key in use elsewhere')
  await ours.button('Decrypt').click()
  await ours.heading('Stop the other use?')
  await ours.button('OK').click()
  await ours.heading('Secret key use')
  await ours.button('Use passkey').click()
  await ours.shows(first)
  await other.page.goto('/f/inbox')
  await other.shows('stopped the use of your key here')
})

test('A letter that waits for its signature is signed after a passkey, and comes back after Cancel (P87, C8)', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { desk } = await begin(t)
  const ours = await desk()
  await ours.logIn()
  await ours.add()
  await ours.shows('The passkey is stored')
  await ours.page.goto('/c')
  await ours.field('To').fill(bob)
  await ours.field('Text').fill('Two tickets, please.')
  await ours.isTouched(false)
  await ours.button('Sign').click()
  await ours.button('Use passkey').click()
  await ours.shows('Your browser asks for your passkey now')
  await ours.button('Cancel').click()
  await ours.heading('Compose')
  assert.equal((await ours.field('Text').inputValue()).trim(), 'Two tickets, please.')
  await ours.isTouched(true)
  await ours.button('Sign').click()
  await ours.button('Use passkey').click()
  await ours.shows('Signed, and ready to send')
  assert.match(await ours.field('Text').inputValue(), /BEGIN PGP SIGNED MESSAGE/)
})

test('Without scripts the pages say why they cannot use a passkey, and what else there is (P87)', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { desk } = await begin(t)
  const ours = await desk()
  await ours.logIn()
  await ours.add()
  await ours.shows('The passkey is stored')
  const thin = await desk({ scripts: false, width: 240, height: 320 })
  await thin.page.goto('/login')
  await thin.button('Use passkey').click()
  await thin.shows('This browser runs no script here')
  await thin.button('Use password').click()
  await thin.logIn()
  await thin.usePasskey()
  await thin.shows('This browser runs no script here')
  await thin.shows('Type the passphrase instead, or approve on your phone')
  await thin.button('Use passkey').click()
  await thin.shows('This browser runs no script here')
  await thin.button('Use passphrase').click()
  await thin.field('Passphrase').fill(passphrase)
  await thin.button('OK').click()
  await thin.shows(first)
  await thin.page.goto('/p/new')
  await thin.shows('This browser runs no script here')
})

test('The passphrase is changed, by passphrase and by passkey; the recovery code sets a new one, once (P87)', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { desk, server } = await begin(t)
  const dora = 'dora@wafer.test'
  const user = await server.addUser(dora, { key: false })
  const { recoveryCode } = await server.services.keyrings.add(user, passphrase, {
    generate: { name: 'Dora', address: dora },
  })
  const ours = await desk()
  await ours.logIn(dora)
  const change = async (old: string | null, words: string) => {
    await ours.page.goto(old === null ? '/s?by=passkey' : '/s')
    if (old !== null) await ours.field('Passphrase').fill(old)
    await ours.field('New passphrase').first().fill(words)
    await ours.field('New passphrase again').first().fill(words)
    await ours.button('Change passphrase').click()
  }
  await change('not the passphrase', 'a second passphrase')
  await ours.shows('The passphrase is wrong')
  await change(passphrase, 'a second passphrase')
  await ours.shows('The new passphrase is set')
  await ours.add('Finger', 'a second passphrase')
  await ours.shows('The passkey is stored')
  await change(null, 'a third passphrase')
  await ours.shows('The new passphrase is set')

  const recover = async (code: string, words: string) => {
    await ours.page.goto('/s')
    await ours.link('Use the recovery code').click()
    await ours.field('Recovery code').fill(code)
    await ours.field('New passphrase').last().fill(words)
    await ours.field('New passphrase again').last().fill(words)
    await ours.button('Set new passphrase').click()
  }
  await recover(recoveryCode!, 'a fourth passphrase')
  await ours.heading('New recovery code')
  await ours.shows(/^The new passphrase is set.*Your passkeys still open the key.*logged out/)
  const fresh = await ours.page.locator('b').first().textContent()
  assert.match(fresh!, /^(\w{5} ){5}\w$/)
  assert.notEqual(fresh!.replaceAll(' ', '-'), recoveryCode)
  await recover(recoveryCode!, 'a fifth passphrase')
  await ours.shows('The recovery code is wrong. Nothing was changed')
  // What else was wrong does not cost the typing of the code.
  assert.equal(await ours.field('Recovery code').inputValue(), recoveryCode)
  await ours.field('New passphrase').last().fill('one of them')
  await ours.field('New passphrase again').last().fill('another one')
  await ours.button('Set new passphrase').click()
  await ours.shows('The two new passphrases differ')
  assert.equal(await ours.field('Recovery code').inputValue(), recoveryCode)
  await recover(fresh!, 'a fifth')
  await ours.shows('The new passphrase needs at least 8 characters. Nothing was changed.')
  assert.equal(await ours.field('Recovery code').inputValue(), fresh)
  assert.match(await ours.page.locator('body').innerText(), /New passphrase\s+\(at least 8 characters\)/)
  await change('a fourth passphrase', 'a fifth')
  await ours.shows('The new passphrase needs at least 8 characters. Nothing was changed.')
  const opens = async (words: string) => (await (await server.terminal(dora)).unlock(words)).status
  assert.deepEqual(
    [
      await opens('a third passphrase'),
      await opens('a fifth passphrase'),
      await opens('a fourth passphrase'),
    ],
    [403, 403, 201],
  )
})

// ---- approval

/** A text browser up to its unlock window. */
const lynxAtWindow = async (t: TestContext, address: string) => {
  const lynx = await TextBrowser.open(t, 'lynx', `${address}/login`)
  await lynx.sees('Login', 'Clear')
  await lynx.fill('User ID', ann)
  await lynx.fill('Password', password)
  await lynx.press('Login', 'Inbox (')
  await lynx.press('First plan', 'Encrypted.')
  await lynx.press('Decrypt', 'Secret key use')
  return lynx
}
const codeOn = (screen: string) =>
  screen
    .match(/\b(\d{3}) (\d{3})\b/)!
    .slice(1)
    .join('')

test('Lynx gets to its decrypted page by a passkey in Chromium, and the phone gets nothing (P87, C2)', async (t) => {
  if (!needs(t, executablePath, 'lynx', 'tmux', 'gpg')) return
  const { desk, address } = await begin(t)
  const phone = await desk()
  await phone.logIn()
  await phone.add()
  await phone.shows('The passkey is stored')

  const lynx = await lynxAtWindow(t, address)
  await lynx.press('Use passkey', 'This browser runs no script here', 'or approve on your phone')
  const screen = await lynx.press('Approve on phone', `${address}/a`, 'and type this code:', 'Check again')
  const code = codeOn(screen)
  await lynx.press('Check again', 'Not approved yet', `${code.slice(0, 3)} ${code.slice(3)}`)

  await phone.page.goto('/f/inbox')
  await phone.shows('A terminal asks to use your key')
  await phone.link('Look at the request').click()
  await phone.shows('Read mail for 15 minutes')
  await phone.shows(/Asked by Lynx at 127\.0\.0\.1/)
  assert.equal(await phone.page.getByRole('button').first().textContent(), 'I did not ask for this')
  assert.ok(!(await phone.page.content()).includes(code), 'the code is typed, not shown')
  await phone.field('Code').fill('000000' === code ? '000001' : '000000')
  await phone.button('Use passkey').click()
  await phone.status()
  await phone.field('Code').fill(code)
  await phone.button('Use passkey').click()
  await phone.shows('Approved.')
  assert.equal(await phone.isOpen(), false)

  const opened = await lynx.press('Check again', first)
  assert.ok(opened.includes('Lock key'))
  // For reading: to sign, the key is asked for anew.
  await lynx.press('Inbox', 'Compose')
  await lynx.press('Compose', 'Protection')
  await lynx.fill('To', bob)
  await lynx.write('Text', 'Two tickets, please.')
  await lynx.press('Sign', 'Secret key use')
  const again = await lynx.press('Approve on phone', 'reads and signs here', 'Check again')
  await phone.page.goto('/a')
  await phone.shows('Read and sign mail')
  await phone.field('Code').fill(codeOn(again))
  await phone.field('Passphrase').fill(passphrase)
  await phone.button('Approve').click()
  await phone.shows('Approved.')
  await lynx.press('Check again', 'Signed, and ready to send', 'BEGIN PGP SIGNED MESSAGE')
})

test('“I did not ask for this” logs the asker out; three wrong codes or two minutes end a request (P87, B20)', async (t) => {
  if (!needs(t, executablePath, 'lynx', 'tmux', 'gpg')) return
  const { desk, server, address } = await begin(t)
  const phone = await desk({ width: 240, height: 320 })
  await phone.logIn()
  const lynx = await lynxAtWindow(t, address)
  const code = codeOn(await lynx.press('Approve on phone', 'Check again'))
  await phone.page.goto('/a')
  for (let tries = 0; tries < 3; tries += 1) {
    await phone.field('Code').fill(code === '123456' ? '654321' : '123456')
    await phone.field('Passphrase').fill(passphrase)
    await phone.button('Approve').click()
    await phone.status()
  }
  await phone.shows('No terminal asks to use your key')
  await lynx.press('Check again', 'Secret key use', 'The key stays closed')

  await lynx.press('Approve on phone', 'Check again')
  server.pass(121_000)
  await phone.page.goto('/a')
  await phone.shows('No terminal asks to use your key')
  await lynx.press('Check again', 'Secret key use', 'nobody approved it in time')

  await lynx.press('Approve on phone', 'Check again')
  await phone.page.goto('/a')
  await phone.shows('Read mail for 15 minutes')
  await phone.button('I did not ask for this').click()
  await phone.shows('Denied. The terminal that asked is logged out')
  await lynx.press('Check again', 'denied on the phone', 'The key stays closed', 'Password', 'Login')
})

test('A terminal that waits no longer takes its request back (P87)', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { desk } = await begin(t)
  const [phone, terminal] = [await desk(), await desk({ scripts: false })]
  await phone.logIn()
  await terminal.logIn()
  await terminal.press()
  await terminal.button('Approve on phone').click()
  await terminal.heading('Approve on your phone')
  await phone.page.goto('/a')
  await phone.button('Approve').waitFor()
  await terminal.button('Cancel').click()
  await terminal.heading('First plan')
  await phone.page.goto('/a')
  await phone.shows('No terminal asks to use your key')
})

test('A request leads through the takeover screens first where another terminal holds the key (P87)', async (t) => {
  if (!needs(t, executablePath, 'lynx', 'tmux', 'gpg')) return
  const { desk, address } = await begin(t)
  const holder = await desk()
  await holder.logIn()
  await holder.press('Second plan')
  const lynx = await lynxAtWindow(t, address)
  await holder.field('Passphrase').fill(passphrase)
  await holder.button('OK').click()
  await holder.shows(second)
  await lynx.press('Approve on phone', 'Key in use elsewhere')
  await lynx.press('Decrypt', 'Stop the other use?')
  await lynx.press('OK', 'Secret key use')
  await lynx.press('Approve on phone', 'Check again')
})

test('Whatever is typed blindly on the page of a request, it is denied by its button alone (P87, B20)', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { desk } = await begin(t)
  const [phone, terminal] = [await desk({ width: 240, height: 320 }), await desk({ scripts: false })]
  await phone.logIn()
  await terminal.logIn()
  await terminal.press()
  await terminal.button('Approve on phone').click()
  await terminal.shows('so no phone can open it')
  const code = codeOn(await terminal.page.locator('body').innerText())
  await phone.page.goto('/f/inbox')
  await phone.link('Look at the request').click()
  await phone.shows('Read mail for 15 minutes')
  const { keyboard } = phone.page
  const sent = phone.sent.length
  await keyboard.type(`${code.slice(0, 3)} ${code.slice(3)}`)
  await keyboard.press('Enter')
  await keyboard.press('Space')
  await phone.page.goto('/a')
  await phone.shows('Read mail for 15 minutes')
  assert.equal(phone.sent.length, sent)
  await phone.field('Code').focus()
  await keyboard.type(`${code.slice(0, 3)} ${code.slice(3)}`)
  await keyboard.press('Enter')
  await phone.shows('A passphrase is empty: type it first')
  await phone.field('Passphrase').focus()
  await keyboard.type(passphrase)
  await keyboard.press('Enter')
  await phone.shows('Approved.')
  await terminal.button('Check again').click()
  await terminal.shows(first)
})

for (const [width, height] of [
  [360, 640],
  [240, 320],
] as const)
  test(`At ${width}x${height} the pages of passkeys and approval fit, read well, and keep their budget of bytes (P87)`, async (t) => {
    if (!needs(t, executablePath, 'gpg')) return
    const { desk } = await begin(t)
    const ours = await desk({ width, height })
    const faulty: Record<string, string[]> = {}
    const check = async (name: string) => {
      const wrong = await faults(ours.page)
      const html = await ours.answer!.text()
      // What the script gets, and the picture, are beside the page's own octets.
      const own = html.replace(/ data-\w+="[^"]*"/g, '').replace(/src="data:[^"]*"/, '')
      const octets = Buffer.byteLength(own)
      if (octets > (name.startsWith('unlock') || name.startsWith('login') ? 2_000 : 3_000))
        wrong.push(`${octets} octets`)
      if (wrong.length) faulty[name] = wrong
      if (process.env.SCREENSHOTS)
        await ours.page.screenshot({
          path: `${process.env.SCREENSHOTS}/${name}-${width}.png`,
          fullPage: true,
        })
    }
    await ours.page.goto('/login')
    await check('login')
    await ours.button('Use passkey').click()
    await ours.heading('Log in with a passkey')
    await check('login-passkey')
    await ours.logIn()
    await ours.page.goto('/p/new')
    await check('make')
    await ours.button('Make passkey').click()
    await ours.heading('Try out and store the passkey')
    await check('try')
    await ours.field('Passphrase').fill(passphrase)
    await ours.button('Store passkey').click()
    await ours.shows('The passkey is stored')
    await ours.plugIn({ prf: false, transport: 'usb' })
    await ours.make()
    await check('try-without-prf')
    await ours.page.getByRole('checkbox').check()
    await ours.field('Passphrase').fill(passphrase)
    await ours.button('Store passkey').click()
    await ours.shows('The passkey is stored')
    await check('list')
    await ours.link('Rename or remove').first().click()
    await ours.button('Rename').waitFor()
    await check('one')
    await ours.link('Prove by a passkey instead').click()
    await ours.link('Prove by the passphrase instead').waitFor()
    await check('one-by-passkey')
    for (const path of ['s', 's?by=passkey', 'k', 'folders']) {
      await ours.page.goto(`/${path}`)
      await check(path.replace(/\W/g, '-'))
    }
    await ours.press()
    await check('unlock')
    await ours.isTouched(false)
    await ours.button('Use passkey').click()
    await ours.shows('Your browser asks for your passkey now')
    await check('unlock-passkey')
    await ours.button('Approve on phone').click()
    await ours.heading('Approve on your phone')
    await check('waiting')
    const code = (await ours.page.locator('body').innerText()).match(/\b\d{3} \d{3}\b/)![0]
    const asking = ours.page.context()
    const cookies = await asking.cookies()
    await asking.clearCookies()
    await ours.logIn()
    await check('notice')
    await ours.page.goto('/a')
    await check('approve')
    await ours.field('Code').fill(code)
    await ours.button('Use passkey').click()
    await ours.shows('You approve: Read mail for 15 minutes')
    await check('approve-passkey')
    await ours.isTouched(true)
    await ours.button('Use passkey').click()
    await ours.shows('Approved.')
    await check('approved')
    await asking.clearCookies()
    await asking.addCookies(cookies)
    assert.deepEqual(faulty, {})
  })

test('At 240x320 what went wrong is in a box beside the button that was pressed (P87)', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { desk } = await begin(t)
  const ours = await desk({ width: 240, height: 320 })
  await ours.logIn()
  await ours.make()
  await ours.shows('Type your passphrase, then press Store passkey')
  const inSight = async (name: string) => {
    const [box, button] = [
      await ours.page.locator('.s:has(#said)').boundingBox(),
      await ours.button(name).boundingBox(),
    ]
    assert.ok(box && button, 'a box')
    assert.ok(
      box.y >= 0 && box.y + box.height <= 320,
      `${name}: the box is at ${box.y} to ${box.y + box.height}`,
    )
    assert.ok(Math.abs(button.y - box.y - box.height) < 30, 'the button follows')
  }
  await ours.button('Store passkey').click()
  await ours.shows('A passphrase is empty: type it first')
  await inSight('Store passkey')
  if (process.env.SCREENSHOTS)
    await ours.page.screenshot({ path: `${process.env.SCREENSHOTS}/said-empty.png` })
  await ours.field('Passphrase').fill(passphrase)
  await ours.tamper('"localhost"', '"elsewhere.test"')
  await ours.button('Store passkey').click()
  await ours.shows('Open the site by its usual address')
  await inSight('Store passkey')
  if (process.env.SCREENSHOTS)
    await ours.page.screenshot({ path: `${process.env.SCREENSHOTS}/said-failed.png` })
})

test('A passkey that opens the key comes first in the unlock window; Enter in the passphrase means OK (P87)', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { desk } = await begin(t)
  const ours = await desk()
  await ours.logIn()
  const order = async () =>
    (await ours.page.locator('main button, main input:not([type=hidden])').all()).reduce(
      async (names, each) => [
        ...(await names),
        (await each.textContent()) || ((await each.getAttribute('name')) ?? ''),
      ],
      Promise.resolve<string[]>([]),
    )
  const rest = ['Approve on phone', 'Cancel']
  await ours.press()
  assert.deepEqual(await order(), ['passphrase', 'passphrase2', 'OK', 'Clear', 'Use passkey', ...rest])
  await ours.add()
  await ours.shows('The passkey is stored')
  await ours.press()
  assert.deepEqual(await order(), ['Use passkey', 'passphrase', 'passphrase2', 'OK', 'Clear', ...rest])
  await ours.shows('The key is wanted for First plan')
  await ours.field('Passphrase').fill('not the passphrase')
  await ours.field('Passphrase').press('Enter')
  await ours.shows('The passphrase is wrong. The key stays closed.')
  await ours.field('Passphrase').fill(passphrase)
  await ours.field('Passphrase').press('Enter')
  await ours.shows(first)
})

test('Names tell passkeys apart: by default, in the key log, and never empty (P87)', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { desk } = await begin(t)
  const ours = await desk()
  await ours.logIn()
  for (const name of ['Chrome on Linux', 'Chrome on Linux 2', 'Chrome on Linux 3']) {
    await ours.plugIn()
    await ours.make()
    assert.equal(await ours.field('Name').inputValue(), name)
    await ours.field('Passphrase').fill(passphrase)
    await ours.button('Store passkey').click()
    await ours.shows('The passkey is stored')
  }
  await ours.shows('Built into the device; on that device only.')
  await ours.link('Rename or remove').last().click()
  await ours.shows('Your other terminals are logged out')
  assert.equal(await ours.page.getByText('Chrome on Linux 3').count(), 1, 'the name once')
  await ours.field('New name').fill(' \u200b ')
  await ours.button('Rename').click()
  await ours.shows('The new name is empty: type it first')
  await ours.field('New name').fill('My <b>finger</b>')
  await ours.button('Rename').click()
  await ours.shows('The passkey has its new name')
  await ours.usePasskey()
  await ours.shows(first)
  await ours.page.goto('/p')
  await ours.link('Rename or remove').last().click()
  await ours.field('Passphrase').fill(passphrase)
  await ours.button('Remove passkey').click()
  await ours.shows('The passkey is removed')
  const log = async () => {
    await ours.page.goto('/log')
    return (await ours.page.locator('li').allInnerTexts()).map((line) => line.replace(/^[^:]*:\d\d: /, ''))
  }
  const lines = await log()
  assert.match(lines[0]!, /^Passkey removed: “My <b>finger<\/b>”\. Chrome on Linux/)
  assert.match(lines[2]!, /^Opened by passkey “My <b>finger<\/b>”\. Chrome on Linux/)
  assert.match(lines.at(-1)!, /^Passkey added: “Chrome on Linux”\. Chrome on Linux/)
  await ours.page.context().addCookies([{ name: 'lang', value: 'ja', url: ours.page.url() }])
  const japanese = await log()
  assert.match(japanese[0]!, /^パスキーを削除した: 「My <b>finger<\/b>」。/)
  assert.match(japanese[2]!, /^開いた パスキー「My <b>finger<\/b>」で。/)
})

// ---- words

test('Whoever logs in by passkey reads on the next page whether the key is open, and if not, why (P87)', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { desk } = await begin(t)
  const [ours, other] = [await desk(), await desk()]
  await ours.logIn()
  await ours.add()
  await ours.shows('The passkey is stored')
  await ours.logOut()
  await other.logIn()
  await other.press()
  await other.field('Passphrase').fill(passphrase)
  await other.button('OK').click()
  await other.shows(first)

  const byPasskey = async (user: string) => {
    await ours.page.goto('/login')
    await ours.field('User ID').fill(user)
    await ours.button('Use passkey').click()
    await ours.heading(/^Inbox/)
  }
  await byPasskey(ann)
  await ours.shows('Your key is not open here, as another terminal is using it')
  assert.equal(await ours.isOpen(), false)
  await ours.logOut()
  await other.lock()
  await byPasskey(ann)
  await ours.shows('You are logged in, and your key is open')
  await ours.logOut()
  await byPasskey('')
  await ours.shows('Your key is still closed: Decrypt or Sign opens it')

  await ours.page.goto('/p')
  await ours.link('Rename or remove').click()
  await ours.field('Passphrase').fill(passphrase)
  await ours.button('Remove passkey').click()
  await ours.shows('You have none yet')
  await ours.plugIn({ prf: false })
  await ours.add('Login only')
  await ours.shows('It only logs you in: to open your key, use the passphrase')
  await ours.logOut()
  await byPasskey(ann)
  await ours.shows('this passkey does not open it here')

  // What was asked for before the log-in says so as well, and the mail that it leads to does not repeat it.
  await ours.logOut()
  await ours.page.goto('/m/1/open')
  await ours.field('User ID').fill(ann)
  await ours.button('Use passkey').click()
  await ours.heading('Secret key use')
  await ours.shows('this passkey does not open it here')
  await ours.field('Passphrase').fill(passphrase)
  await ours.button('OK').click()
  await ours.shows(first)
  assert.equal(await ours.page.getByText('You are logged in').count(), 0)
})

test('A passkey that was refused at the log-in is not asked for again by itself, and the page says so (P87)', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { desk } = await begin(t)
  const ours = await desk()
  await ours.logIn()
  await ours.add()
  await ours.shows('The passkey is stored')
  await ours.page.goto('/p')
  await ours.link('Rename or remove').click()
  await ours.field('Passphrase').fill(passphrase)
  await ours.button('Remove passkey').click()
  await ours.shows('You have none yet')
  await ours.logOut()
  ours.sent.splice(0)
  await ours.button('Use passkey').click()
  await ours.shows('This passkey logged nobody in')
  await ours.page.waitForLoadState('networkidle')
  await ours.shows('This passkey logged nobody in')
  await ours.shows('Press the button below')
  assert.equal(ours.sent.filter((form) => form.has('asserted')).length, 1)
})

test('A consent stays ticked where the passphrase was wrong, and an empty passphrase costs no touch (P87)', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { desk } = await begin(t)
  const ours = await desk()
  await ours.plugIn({ prf: false, transport: 'usb' })
  await ours.logIn()
  await ours.make()
  const consent = ours.page.getByRole('checkbox', { name: /^I understand/ })
  await consent.check()
  const sent = ours.sent.length
  const [made] = await ours.credentials()
  await ours.button('Store passkey').click()
  await ours.shows('A passphrase is empty: type it first')
  assert.equal(ours.sent.length, sent)
  assert.equal((await ours.credentials())[0]!.signCount, made!.signCount, 'nobody touched it')
  await ours.field('Passphrase').fill('not the passphrase')
  await ours.button('Store passkey').click()
  await ours.shows('The passphrase is wrong')
  assert.equal(await consent.isChecked(), true)
  await ours.field('Passphrase').fill(passphrase)
  await ours.button('Store passkey').click()
  await ours.shows('It opens your key through this server, which keeps what opens it')

  await ours.page.goto('/s?by=passkey')
  const again = ours.sent.length
  await ours.button('Change passphrase').click()
  await ours.shows('A passphrase is empty: type it first')
  await ours.field('New passphrase').fill('one')
  await ours.field('New passphrase again').fill('other')
  await ours.button('Change passphrase').click()
  await ours.shows('The two new passphrases differ')
  assert.equal(ours.sent.length, again)
})

test('A code or a passphrase that was left out is none of the three tries, and the code stays typed (P87)', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { desk } = await begin(t)
  const [phone, terminal] = [await desk(), await desk({ scripts: false })]
  await phone.logIn()
  await phone.add()
  await phone.shows('The passkey is stored')
  await terminal.logIn()
  await terminal.press()
  await terminal.button('OK').click()
  await terminal.shows('A passphrase is empty: type it first')
  await terminal.button('Approve on phone').click()
  await terminal.heading('Approve on your phone')
  const code = codeOn(await terminal.page.locator('body').innerText())
  await phone.page.goto('/a')
  for (const typed of ['', code.slice(1), '', `${code}1`]) {
    await phone.field('Code').fill(typed)
    await phone.button('Use passkey').click()
    await phone.shows('This did not count as a try')
  }
  await phone.field('Code').fill(code)
  await phone.button('Approve').click()
  await phone.shows('A passphrase is empty: type it first')
  assert.equal(await phone.field('Code').inputValue(), code)
  await phone.field('Passphrase').fill('not the passphrase')
  await phone.button('Approve').click()
  await phone.shows('The passphrase is wrong')
  assert.equal(await phone.field('Code').inputValue(), code)
  await phone.button('Use passkey').click()
  await phone.shows('Approved.')
  await terminal.button('Check again').click()
  await terminal.shows(first)
})

test('In Japanese the pages keep to Japanese, fit at 240x320, and the ledger says who approved (P87)', async (t) => {
  if (!needs(t, executablePath, 'gpg')) return
  const { desk } = await begin(t)
  const [phone, terminal] = [
    await desk({ locale: 'ja-JP', width: 240, height: 320 }),
    await desk({ scripts: false }),
  ]
  const wrong: Record<string, string[]> = {}
  const check = async (name: string) => {
    const text = await phone.page.locator('body').innerText()
    const found = [
      ...(await faults(phone.page)),
      ...(text.match(/.{0,9}[ぁ-ヶ一-龠]\s*[.,](?=\s|$).{0,9}/gm) ?? []),
    ]
    if (found.length) wrong[name] = found
    if (process.env.SCREENSHOTS)
      await phone.page.screenshot({ path: `${process.env.SCREENSHOTS}/ja-${name}.png`, fullPage: true })
  }
  await phone.page.goto('/login')
  await check('login')
  await phone.button('パスキーを使う').click()
  await phone.heading('パスキーでログイン')
  await check('login-passkey')
  await phone.button('パスワードを使う').click()
  await phone.field('ユーザーID').fill(ann)
  await phone.field('パスワード').fill(password)
  await phone.button('ログイン').click()
  await phone.heading(/^受信箱/)
  await phone.page.goto('/p/new')
  await check('make')
  await phone.button('パスキーを作る').click()
  await phone.heading('パスキーを試して保存')
  await check('try')
  await phone.field('パスフレーズ').fill(passphrase)
  await phone.button('パスキーを保存').click()
  await phone.shows('パスキーを試し、保存しました')
  await check('list')
  await phone.link('名前の変更・削除').click()
  await phone.button('名前を変える').waitFor()
  await check('one')
  await terminal.logIn()
  await terminal.press()
  await terminal.button('Approve on phone').click()
  await terminal.heading('Approve on your phone')
  const code = codeOn(await terminal.page.locator('body').innerText())
  await phone.page.goto('/a')
  await check('approve')
  await phone.field('コード').fill(code === '123456' ? '654321' : '123456')
  await phone.field('パスフレーズ').fill(passphrase)
  await phone.button('承認').click()
  await phone.shows('あと2回入力できます')
  await check('wrong-code')
  await phone.field('コード').fill(code)
  await phone.field('パスフレーズ').fill(passphrase)
  await phone.button('承認').click()
  await phone.shows('承認しました')
  for (const path of [
    's',
    's?by=passkey',
    's?of=recovery',
    's?of=password',
    'a',
    't',
    'log',
    'k',
    'folders',
  ]) {
    await phone.page.goto(`/${path}`)
    await check(path.replace(/\W/g, '-'))
  }
  await phone.page.goto('/log')
  await phone.shows(/読むためだけに開いた: Chrome on Linuxで承認。/)
  await phone.page.goto('/m/1/open')
  await phone.heading('鍵は他で使用中です')
  await check('elsewhere')
  await phone.button('復号').click()
  await phone.heading('他での使用を停止しますか?')
  await phone.button('OK').click()
  await phone.heading('秘密鍵の使用')
  await check('unlock')
  await phone.isTouched(false)
  await phone.button('パスキーを使う').click()
  await phone.shows('ブラウザーがパスキーを求めています')
  await check('unlock-passkey')
  await phone.button('スマートフォンで承認').click()
  await phone.heading('スマートフォンで承認')
  await check('waiting')
  assert.deepEqual(wrong, {})
})
