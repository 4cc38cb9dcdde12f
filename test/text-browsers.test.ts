/**
 * The whole story in real text browsers, by their own keys: log-in, unlock window, decrypted text, signing, sending,
 * the three takeover screens, lock and log-out; and from log-in to decrypted text in the other browsers of this kind.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ann, bob, needs, portOf, secrets, story, TextBrowser, type TextBrowserName } from './browsers.ts'
import { passphrase, password } from './world.ts'

const [first, second] = secrets

for (const name of ['lynx', 'w3m'] as const) {
  test(`S1090-S1180 S1190 S1200-S1340 P57 C2 C3 C7 F4-F7: in ${name}, from a wrong password to two decrypted mails`, async (t) => {
    if (!needs(t, name, 'tmux', 'gpg')) return
    const { server } = await story(t)
    const browser = await TextBrowser.open(t, name, `http://127.0.0.1:${portOf(server)}/login`)

    await browser.sees('User ID', 'Password', 'Login', 'Clear')
    await browser.fill('User ID', ann)
    await browser.fill('Password', 'not the password')
    await browser.press('Login', 'User ID or password is wrong', ann)
    await browser.fill('Password', password)
    await browser.press('Login', 'Inbox (2 new of 2)', 'Compose', 'Decrypt', 'Sign', 'First plan', 'Second plan')

    await browser.press('First plan', 'From: Carol <carol@elsewhere.test>', 'Encrypted.', 'BEGIN PGP MESSAGE')
    await browser.press('Decrypt', 'Secret key use', 'Passphrase again')
    await browser.fill('Passphrase', 'not the passphrase')
    await browser.press('OK', 'The passphrase is wrong')
    await browser.fill('Passphrase', passphrase)
    await browser.fill('Passphrase again', 'something else')
    await browser.press('OK', 'The two passphrases differ')
    const cancelled = await browser.press('Cancel', 'BEGIN PGP MESSAGE')
    assert.doesNotMatch(cancelled, /key open|Lock key/)

    await browser.press('Decrypt', 'Secret key use')
    await browser.fill('Passphrase', passphrase)
    const opened = await browser.press('OK', first)
    for (const shown of ['Decrypt, key open', 'Sign, key open', 'Lock key', 'Log out', 'Key open for 5 min'])
      assert.ok(opened.includes(shown), `${shown} on: ${opened}`)

    await browser.press('Inbox', 'Second plan')
    await browser.press('Second plan', 'Encrypted.')
    await browser.press('Decrypt, key open', second)
    const events = (await server.terminal(ann).then((terminal) => terminal.get('/log'))).body.events
    assert.deepEqual(
      events.map((event: { event: string; terminal: string }) => `${event.event} ${event.terminal.split(' ')[0]}`),
      ['used', 'used', 'granted', 'refused'].map((event) => `${event} ${name === 'lynx' ? 'Lynx' : 'w3m'}`),
    )
  })
}

/** Logs in, in a browser of its own. */
const loggedIn = async (t: TestContext, name: TextBrowserName, address: string) => {
  const browser = await TextBrowser.open(t, name, `${address}/login`)
  await browser.sees('Login', 'Clear')
  await browser.fill('User ID', ann)
  await browser.fill('Password', password)
  await browser.press('Login', 'Inbox (')
  return browser
}

const unlock = async (browser: TextBrowser, ...wanted: string[]) => {
  await browser.sees('Secret key use')
  await browser.fill('Passphrase', passphrase)
  return browser.press('OK', ...wanted)
}

for (const name of ['lynx', 'w3m'] as const) {
  test(`S1400-S1510 F8 F9 C8: in ${name}, a letter is typed, kept through Cancel, signed and sent; gpg finds the signature good`, async (t) => {
    if (!needs(t, name, 'tmux', 'gpg')) return
    const { server, gpg } = await story(t)
    const browser = await loggedIn(t, name, `http://127.0.0.1:${portOf(server)}`)
    await browser.press('Compose', 'Protection', 'Save draft')
    await browser.fill('To', bob)
    await browser.fill('Subject', 'Tickets')
    await browser.write('Text', 'Two tickets, please.\n- and one for the dog.')
    await browser.press('Sign', 'Secret key use', 'Tickets')
    await browser.press('Cancel', 'Here is what you wrote', bob, 'Tickets', 'Two tickets, please.', 'one for the dog.')
    await browser.press('Sign', 'Secret key use')
    await unlock(browser, 'Signed, and ready to send', 'BEGIN PGP SIGNED MESSAGE', 'Two tickets, please.')
    await browser.press('Send', `Sent to ${bob}`)

    const other = await server.terminal(bob)
    const { body: list } = await other.get('/folders/Inbox/messages')
    assert.deepEqual([list.messages[0].subject, list.messages[0].from], ['Tickets', list.messages[0].from])
    const { body: raw } = await other.get(`/messages/${list.messages[0].id}/raw`)
    const { status, code } = gpg.run(['--verify'], String(raw))
    assert.equal(code, 0, status)
    assert.match(status, /GOODSIG .*ann@wafer\.test/)
  })

  test(`S2000-S2100 P82 C4 C8: in ${name}, three screens stop the other terminal, which is told; Lock key and Log out leave nothing`, async (t) => {
    if (!needs(t, name, 'tmux', 'gpg')) return
    const { server } = await story(t)
    const address = `http://127.0.0.1:${portOf(server)}`
    const desk = await loggedIn(t, name, address)
    await desk.press('First plan', 'Encrypted.')
    await desk.press('Decrypt', 'Secret key use')
    await unlock(desk, first)

    const handheld = await loggedIn(t, name, address)
    await handheld.press('Second plan', 'Encrypted.')
    await handheld.press('Decrypt', 'Key in use elsewhere', 'Press Decrypt again', name === 'lynx' ? 'Lynx' : 'w3m')
    await handheld.press('Decrypt', 'Stop the other use?')
    await handheld.press('Cancel', 'Second plan', 'Encrypted.')
    await desk.press('Inbox', 'Decrypt, key open')

    await handheld.press('Decrypt', 'Key in use elsewhere')
    await handheld.press('Decrypt', 'Stop the other use?')
    await handheld.press('OK', 'Secret key use')
    await desk.press('First plan', 'stopped the use of your key here')
    await unlock(handheld, second, 'key open')

    await desk.press('Compose', 'Protection')
    await desk.fill('To', bob)
    await desk.write('Text', 'Nothing of this is lost.')
    await desk.press('Sign', 'Key in use elsewhere', 'Press Sign again')
    await desk.press('Cancel', 'Here is what you wrote', 'Nothing of this is lost.', bob)

    await handheld.press('Lock key', 'Your key is locked')
    assert.doesNotMatch(await handheld.screen(), /key open|Lock key/)
    await desk.press('Sign', 'Secret key use')
    await unlock(desk, 'BEGIN PGP SIGNED MESSAGE', 'Nothing of this is lost.')

    await handheld.press('Log out', 'You are logged out')
    // What a text browser has shown it keeps in its own memory; but from there nothing leads on.
    await handheld.back()
    await handheld.sees('Inbox (')
    const asked = await handheld.press('First plan', 'Please log in', 'Password')
    assert.ok(!asked.includes(first) && !asked.includes(second))
  })
}

for (const name of ['links2', 'elinks'] as const)
  test(`S1090-S1340 C2 C7: ${name} goes from log-in to decrypted text`, async (t) => {
    if (!needs(t, name, 'tmux', 'gpg')) return
    const { server } = await story(t)
    const browser = await loggedIn(t, name, `http://127.0.0.1:${portOf(server)}`)
    await browser.press('First plan', 'Encrypted.', 'BEGIN PGP MESSAGE')
    await browser.press('Decrypt', 'Secret key use')
    await unlock(browser, first, 'Decrypt, key open', 'Sign, key open')
    await browser.press('Log out', 'You are logged out')
  })
