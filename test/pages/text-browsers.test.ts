/**
 * The whole story in real text browsers, by their own keys: log-in, unlock window, decrypted text, signing, sending,
 * the three takeover screens, lock and log-out; and from log-in to decrypted text in the other browsers of this kind.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  ann,
  bob,
  edbrowse,
  type OpenOptions,
  portOf,
  Screen,
  scratch,
  secrets,
  story,
  TextBrowser,
  type TextBrowserName,
  tap,
  until,
} from '../support/browsers.ts'
import { needs } from '../support/programs.ts'
import { passphrase, password, world } from '../support/world.ts'

const [first, second] = secrets

for (const name of ['lynx', 'w3m'] as const) {
  test(`In ${name}, from a wrong password to two decrypted mails (S1090-S1180, S1190, S1200-S1340, P57, C2, C3, C7, F4-F7)`, async (t) => {
    if (!needs(t, name, 'tmux', 'gpg')) return
    const { server } = await story(t)
    const browser = await TextBrowser.open(t, name, `http://127.0.0.1:${portOf(server)}/login`)

    await browser.sees('User ID', 'Password', 'Login', 'Clear')
    await browser.fill('User ID', ann)
    await browser.fill('Password', 'not the password')
    await browser.press('Login', 'User ID or password is wrong', ann)
    await browser.fill('Password', password)
    await browser.press(
      'Login',
      'Inbox (2 new of 2)',
      'Compose',
      'Decrypt',
      'Sign',
      'First plan',
      'Second plan',
    )

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
      events.map(
        (event: { event: string; terminal: string }) => `${event.event} ${event.terminal.split(' ')[0]}`,
      ),
      ['used', 'used', 'granted', 'refused'].map((event) => `${event} ${name === 'lynx' ? 'Lynx' : 'w3m'}`),
    )
  })
}

/** Logs in, in a browser of its own. */
const loggedIn = async (
  t: TestContext,
  name: TextBrowserName,
  address: string,
  options: OpenOptions = {},
) => {
  const browser = await TextBrowser.open(t, name, `${address}/login`, options)
  await browser.sees('Login', 'Clear')
  await browser.fill('User ID', ann)
  await browser.fill('Password', password)
  await browser.press('Login', 'Inbox (')
  return browser
}

/** A port that the server has again after a restart. */
const freePort = async (): Promise<number> => {
  const listener = createServer()
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as AddressInfo
  await new Promise((resolve) => listener.close(resolve))
  return port
}

const unlock = async (browser: TextBrowser, ...wanted: string[]) => {
  await browser.sees('Secret key use')
  await browser.fill('Passphrase', passphrase)
  return browser.press('OK', ...wanted)
}

for (const name of ['lynx', 'w3m'] as const) {
  test(`In ${name}, a letter is typed, kept through Cancel, signed and sent; gpg finds it good (S1400-S1510, F8, F9, C8)`, async (t) => {
    if (!needs(t, name, 'tmux', 'gpg')) return
    const { server, gpg } = await story(t)
    const browser = await loggedIn(t, name, `http://127.0.0.1:${portOf(server)}`)
    await browser.press('Compose', 'Protection', 'Save draft')
    await browser.fill('To', bob)
    await browser.fill('Subject', 'Tickets')
    await browser.write('Text', 'Two tickets, please.\n- and one for the dog.')
    await browser.press('Sign', 'Secret key use', 'Tickets')
    await browser.press(
      'Cancel',
      'Here is what you wrote',
      bob,
      'Tickets',
      'Two tickets, please.',
      'one for the dog.',
    )
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

  test(`a letter is never lost in ${name}: Back, Save twice, a restart of the server, Send twice`, async (t) => {
    if (!needs(t, name, 'tmux', 'gpg')) return
    const { server } = await story(t, { WAFER_PORT: String(await freePort()) })
    const count = async (address: string, folder: string) => {
      const terminal = await server.terminal(address)
      return (await terminal.get(`/folders/${folder}/messages`)).body.messages.length
    }
    const browser = await loggedIn(t, name, `http://127.0.0.1:${portOf(server)}`)
    await browser.press('Compose', 'Protection', 'Save draft')
    await browser.fill('To', bob)
    await browser.fill('Subject', 'Pots')
    await browser.write('Text', 'Under the third pot.')
    await browser.press('Save draft', 'Saved in Drafts')
    await browser.back()
    await browser.sees('Protection', 'Under the third pot.')
    await browser.press('Save draft', 'Saved in Drafts')
    assert.equal(await count(ann, 'Drafts'), 1)
    await browser.back()
    await browser.sees('Protection', 'Under the third pot.')

    await server.restart()
    await browser.press('Send', `Sent to ${bob}`)
    await browser.back()
    await browser.sees('Protection', 'Under the third pot.')
    await browser.press('Send', /sent|left/i)
    const left = [await count(bob, 'Inbox'), await count(ann, 'Sent'), await count(ann, 'Drafts')]
    assert.deepEqual(left, [1, 1, 0])
  })

  test(`In ${name}, three screens stop the other terminal; Lock key and Log out leave nothing (S2000-S2100, P82, C4, C8)`, async (t) => {
    if (!needs(t, name, 'tmux', 'gpg')) return
    const { server } = await story(t)
    const address = `http://127.0.0.1:${portOf(server)}`
    const desk = await loggedIn(t, name, address)
    await desk.press('First plan', 'Encrypted.')
    await desk.press('Decrypt', 'Secret key use')
    await unlock(desk, first)

    const handheld = await loggedIn(t, name, address, { size: { columns: 40, rows: 50 } })
    await handheld.press('Second plan', 'Encrypted.')
    await handheld.press(
      'Decrypt',
      'Key in use elsewhere',
      'Press Decrypt again',
      name === 'lynx' ? 'Lynx' : 'w3m',
    )
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
  test(`${name} goes from log-in to decrypted text (S1090-S1340, C2, C7)`, async (t) => {
    if (!needs(t, name, 'tmux', 'gpg')) return
    const { server } = await story(t)
    const browser = await loggedIn(t, name, `http://127.0.0.1:${portOf(server)}`)
    await browser.press('First plan', 'Encrypted.', 'BEGIN PGP MESSAGE')
    await browser.press('Decrypt', 'Secret key use')
    const opened = [first, 'Decrypt, key open', 'Sign, key open']
    // On a button of two letters ELinks does not say where it stands: Enter in the field sends the form as well.
    if (name === 'elinks') await browser.fillAndSend('Passphrase', passphrase, ...opened)
    else await unlock(browser, ...opened)
    await browser.press('Log out', 'You are logged out')
  })

/** From log-in to an opened mail; the same commands, whatever the address. */
const edbrowseStory = (address: string) => [
  `b ${address}/login`,
  ...['/User ID/', `i=${ann}`, '/Password/', `i=${password}`, '/<Login>/', 'i1*', ',p'],
  ...['/First plan/', 'g', ',p', '/Decrypt/', 'g1', ',p'],
  ...['/^Passphrase </', `i=${passphrase}`, '/<OK>/', 'i1*', ',p', '/Log out/', 'i2*', ',p', 'qt'],
]

test('Edbrowse goes from log-in to decrypted text (S1090-S1340, C2, C7)', async (t) => {
  if (!needs(t, 'edbrowse', 'gpg')) return
  const { server } = await story(t)
  const printed = await edbrowse(t, edbrowseStory(`http://127.0.0.1:${portOf(server)}`))
  const order = [
    'User ID',
    'Inbox (2 new of 2)',
    'BEGIN PGP MESSAGE',
    'Secret key use',
    first,
    'You are logged out',
  ]
  const places = order.map((each) => printed.indexOf(each))
  assert.ok(
    !places.includes(-1) && places.every((place, n) => n === 0 || place > places[n - 1]!),
    `${places} in ${printed}`,
  )
  assert.match(printed, /Decrypt, key open/)
})

/** A certificate for localhost from an authority that nobody else trusts. */
const certificate = (t: TestContext) => {
  const folder = scratch(t)
  const file = (name: string) => join(folder, name)
  const openssl = (...words: string[]) => execFileSync('openssl', words, { stdio: 'pipe' })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.pem'),
    '-subj',
    '/CN=Test authority',
    '-days',
    '2',
  )
  openssl('req', ...key, '-keyout', file('key.pem'), '-out', file('request.pem'), '-subj', '/CN=localhost')
  writeFileSync(file('names'), 'subjectAltName=DNS:localhost')
  const signing = [
    '-CA',
    file('ca.pem'),
    '-CAkey',
    file('ca.key'),
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    file('names'),
  ]
  openssl('x509', '-req', '-in', file('request.pem'), ...signing, '-out', file('cert.pem'))
  return {
    authority: file('ca.pem'),
    settings: { WAFER_TLS_CERT: file('cert.pem'), WAFER_TLS_KEY: file('key.pem') },
  }
}

const trusting = {
  lynx: (authority: string) => ({ environment: { SSL_CERT_FILE: authority } }),
  w3m: (authority: string) => ({ extra: ['-o', `ssl_ca_file=${authority}`, '-o', 'ssl_verify_server=1'] }),
}

for (const name of ['lynx', 'w3m'] as const)
  test(`Over TLS ${name} opens a mail where it trusts the authority, and refuses where it does not (S1010-S1070)`, async (t) => {
    if (!needs(t, name, 'tmux', 'gpg', 'openssl')) return
    const { authority, settings } = certificate(t)
    const { server } = await story(t, settings)
    const address = `https://localhost:${portOf(server)}`

    const doubting = await TextBrowser.open(t, name, `${address}/login`)
    const warned = await doubting.sees(/certificate|unable to get local issuer|SSL error/i)
    assert.doesNotMatch(warned, /User ID/)
    await doubting.end()

    const browser = await loggedIn(t, name, address, trusting[name](authority))
    await browser.press('First plan', 'Encrypted.')
    await browser.press('Decrypt', 'Secret key use')
    await unlock(browser, first, 'key open')
  })

test('Over TLS edbrowse keeps the __Host- cookies and opens a mail (S1010-S1030)', async (t) => {
  if (!needs(t, 'edbrowse', 'gpg', 'openssl')) return
  const { authority, settings } = certificate(t)
  const { server } = await story(t, settings)
  const printed = await edbrowse(t, edbrowseStory(`https://localhost:${portOf(server)}`), [
    `certfile = ${authority}`,
  ])
  assert.ok(printed.includes(first) && printed.includes('You are logged out'), printed)
})

test('Who speaks plain HTTP to the TLS port reads that nothing is encrypted, and where to go (S1040-S1070)', async (t) => {
  if (!needs(t, 'lynx', 'w3m', 'tmux', 'openssl')) return
  const server = await world(t, certificate(t).settings)
  for (const name of ['lynx', 'w3m'] as const) {
    const browser = await TextBrowser.open(t, name, `http://localhost:${portOf(server)}/login`)
    await browser.sees(
      'No encrypted communication',
      'No encrypted communication was established',
      `https://localhost:${portOf(server)}`,
    )
    assert.doesNotMatch(await browser.screen(), /User ID|Password/)
  }
})

for (const name of ['netsurf-fb', 'dillo'] as const)
  test(`${name} goes from log-in to decrypted text, with mouse and keyboard (S1090-S1340, C2, C7)`, async (t) => {
    if (!needs(t, name, 'Xvfb', 'xdotool', 'import', 'gpg')) return
    const { server } = await story(t)
    const { port, requests } = await tap(t, portOf(server))
    /** Waits until the browser has been given a page with this text. */
    const given = (text: string, count = 1) =>
      until(`${name} to be given ${text}`, () =>
        requests.filter(({ answer }) => answer.includes(text)).length >= count ? true : null,
      )
    const screen = await Screen.open(t, name, `http://127.0.0.1:${port}/login`)
    const toFirstField = async () => {
      const { x, y } = await screen.field()
      if (name === 'dillo') await screen.keys('Tab')
      else await screen.click({ x: x + 20, y: y + 12 })
    }
    /** Dillo's Enter stays in the field: on to the button, past the second field of the unlock window. */
    const enter = async (tabs: number) => {
      if (name === 'dillo') await screen.keys(...Array<string>(tabs).fill('Tab'), 'space')
      else await screen.keys('Return')
    }
    await given('User ID')
    await toFirstField()
    await screen.type(ann)
    await screen.keys('Tab')
    await screen.type(password)
    await screen.leads(async () => {
      await enter(1)
      await given('Inbox (2 new of 2)')
    })
    const mail = await screen.link()
    await screen.leads(async () => {
      await screen.click(mail)
      await given('BEGIN PGP MESSAGE')
    })
    const decrypt = await screen.link()
    await screen.leads(async () => {
      await screen.click(decrypt)
      await given('Secret key use')
    })
    await toFirstField()
    await screen.type(passphrase)
    await enter(2)
    await given(second)
    await given('Decrypt, key open')
  })
