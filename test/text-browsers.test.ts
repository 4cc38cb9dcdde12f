/**
 * The whole story in real text browsers, by their own keys: log-in, unlock window, decrypted text, signing, sending,
 * the three takeover screens, lock and log-out; and from log-in to decrypted text in the other browsers of this kind.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ann, bob, needs, portOf, secrets, story, TextBrowser } from './browsers.ts'
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
