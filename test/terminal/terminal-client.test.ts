/**
 * The real client in a real terminal (tmux), as built, against a real server: the whole story at 80x24 and 40x15, with
 * Lynx and Chromium as the other terminals, and every way in which a client ends. What is on the screen is compared
 * row by row.
 */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { chromium } from 'playwright-core'
import { ann, bob, portOf, scratch, secrets, story, TextBrowser, until } from '../support/browsers.ts'
import { vectors } from '../support/places.ts'
import { executablePath, flags, needs } from '../support/programs.ts'
import { RealTerminal } from '../support/terminals.ts'
import { passphrase, password, type World, world } from '../support/world.ts'

const [first, second] = secrets
const usual = { columns: 80, rows: 24 }
const small = { columns: 40, rows: 15 }

const addressOf = (server: World) => `http://127.0.0.1:${portOf(server)}`

const started = async (
  t: TestContext,
  server: World,
  options: {
    size?: { columns: number; rows: number }
    words?: string[]
    environment?: Record<string, string>
  } = {},
) => {
  const desk = await RealTerminal.open(t, options.size ?? usual, options.environment)
  await desk.start('--server', addressOf(server), ...(options.words ?? []))
  await desk.sees('Log in', 'User ID:', 'Password:')
  return desk
}

const logIn = async (desk: RealTerminal, ...wanted: string[]) => {
  await desk.type(ann)
  await desk.keys('Enter')
  await desk.type(password)
  await desk.keys('Enter')
  await desk.sees(/^Inbox/, /-- Key/, ...wanted)
}

const unlock = async (desk: RealTerminal, ...wanted: (string | RegExp)[]) => {
  await desk.sees('Secret key use', '> Passphrase:')
  await desk.type(passphrase)
  await desk.keys('Enter')
  return desk.sees('Key open for', ...wanted)
}

/** What differs from run to run: times of the day, key ids, the host. */
const steady = (rows: string[]) =>
  rows.map((row) =>
    row
      .replace(/\d\d:\d\d/g, 'hh:mm')
      .replace(/127\.0\.0\.1:\d+/, 'SERVER')
      .replace(/Key open for \d:\d\d/, 'Key open for m:ss'),
  )

const filled = (rows: Record<number, string>, count: number) =>
  Array.from({ length: count }, (_, place) => rows[place < count / 2 ? place : place - count] ?? '')

/** The tokens of whoever is logged in as Ann. */
const terminalsOf = async (server: World) => {
  const user = await server.services.users.named(ann)
  return server.services.sessions.list(user)
}

const holdsKey = async (server: World): Promise<string | null> => {
  const asked = await server.terminal(ann, 'asking')
  const { in_use } = (await asked.get('/session')).body
  await asked.delete('/session')
  return in_use ? in_use.terminal : null
}

test('At 80x24 from log-in to two decrypted mails, taken over by Lynx and taken back (S1090-S1340, S2000-S2100, C2, C3)', async (t) => {
  if (!needs(t, 'tmux', 'lynx', 'gpg')) return
  const { server } = await story(t)
  const desk = await started(t, server)
  assert.deepEqual(
    steady(await desk.rows()),
    filled(
      {
        0: 'Log in',
        1: 'Wafer',
        2: 'Server:   SERVER',
        4: 'User ID:',
        5: 'Password:',
        [-2]: '-- Key locked',
        [-1]: 'Enter OK  Q quit',
      },
      24,
    ),
  )
  assert.deepEqual(
    [(await desk.state()).isSecondScreen, (await desk.state()).x, (await desk.state()).y],
    [true, 10, 4],
  )
  await logIn(desk, 'First plan', 'Second plan')
  await desk.sees('Inbox, 2 unread', '1 of 2')
  assert.deepEqual(
    steady(await desk.rows()),
    filled(
      {
        0: 'Inbox, 2 unread                                           ann@wafer.test  1 of 2',
        1: '> N  E Carol              Second plan                                      hh:mm',
        2: '  N  E Carol              First plan                                       hh:mm',
        [-2]: '-- Key locked',
        [-1]: 'Enter open  D decrypt  r reply  c compose  d delete  / search  ? help',
      },
      24,
    ),
  )
  assert.deepEqual([(await desk.state()).x, (await desk.state()).y], [0, 1])
  await desk.keys('j', 'D')
  await desk.sees('Secret key use', 'Decrypt needs your key: First plan')
  await desk.type('not the passphrase')
  await desk.keys('Enter')
  await desk.sees('The passphrase is wrong.')
  await unlock(desk, first)
  const opened = steady(await desk.rows())
  assert.deepEqual(opened.slice(0, 6), [
    'Inbox                                                     ann@wafer.test  2 of 2',
    '| Encrypted mail, open. It is not signed.',
    'From: Carol <carol@elsewhere.test>',
    'To: ann@wafer.test',
    'Subject: First plan',
    opened[5],
  ])
  assert.match(opened[5]!, /^Date: \w+day, \d+ \w+ \d{4}, hh:mm$/)
  assert.deepEqual(opened.slice(6, 8), ['', first])

  const lynx = await TextBrowser.open(t, 'lynx', `${addressOf(server)}/login`)
  await lynx.sees('User ID')
  await lynx.fill('User ID', ann)
  await lynx.fill('Password', password)
  await lynx.press('Login', 'Inbox', 'Compose', 'Second plan')
  await lynx.press('Second plan', 'Encrypted.')
  await lynx.press('Decrypt', 'Key in use elsewhere', 'Press Decrypt again', 'terminal on')
  await lynx.press('Decrypt', 'Stop the other use?')
  await lynx.press('OK', 'Secret key use')
  assert.equal(await holdsKey(server), null)
  await desk.keys('C-r')
  const told = await desk.sees('stopped the use of your key here', 'Key locked', 'Press D to open')
  assert.ok(!told.join('\n').includes(first), 'the text of the mail has left the screen')
  await lynx.fill('Passphrase', passphrase)
  await lynx.fill('Passphrase again', passphrase)
  await lynx.press('OK', second, 'key open')
  await desk.keys('C-r')
  await desk.sees(/Key in use at .*Lynx/)

  await desk.keys('D')
  await desk.sees('Key in use elsewhere', 'Lynx', 'Press D again to stop that use and go on here')
  await desk.keys('Escape')
  await desk.sees('Nothing was changed')
  assert.match((await holdsKey(server)) ?? '', /Lynx/)
  await desk.keys('D')
  await desk.sees('Key in use elsewhere')
  await desk.keys('D')
  await desk.sees('Stop the other use?')
  await desk.keys('y')
  await unlock(desk, first)
  assert.match((await holdsKey(server)) ?? '', /^terminal on/)
  await lynx.press('Inbox', 'stopped the use of your key here')

  await desk.keys('Q')
  const after = await desk.sees('ended with 0')
  assert.equal((await desk.state()).isSecondScreen, false)
  assert.equal((await desk.state()).isCursorShown, true)
  assert.ok(!after.join('\n').includes(first))
  assert.doesNotMatch(
    await desk.history(),
    /pier four|First plan|BEGIN PGP/,
    'nothing of the mail is left to scroll to',
  )
  assert.equal(await holdsKey(server), null)
  assert.deepEqual(
    (await terminalsOf(server)).filter(({ terminal }) => /^terminal on/.test(terminal)),
    [],
  )
})

test('At 40x15 Japanese mail stands in its columns, hostile subjects are text, a change of size redraws all (B18)', async (t) => {
  if (!needs(t, 'tmux')) return
  const server = await world(t)
  await server.addUser(ann, { key: false })
  const word = (text: string) => `=?utf-8?B?${Buffer.from(text).toString('base64')}?=`
  const mail = (from: string, subject: string, text: string) =>
    server.deliver(
      ann,
      `From: ${word(from)} <a@elsewhere.test>\nTo: ${ann}\nSubject: ${word(subject)}\nDate: Sun, 01 Feb 2015 10:00:00 +0000\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n${Buffer.from(text).toString('base64')}\n`,
    )
  await mail(
    'Mallory',
    '\x1b[2J\x1b]0;pwned\x07\x1b[31mred \u202edesrever',
    '\x1b[1;1H-- Key open for 9:99\r\nEnd.',
  )
  await mail(
    '山田太郎',
    '会議の資料について、明日の午後三時まで',
    `${'東京の天気は晴れです。'.repeat(8)}\nおわり`,
  )
  const desk = await started(t, server, { size: small })
  const title = (await desk.state()).title
  await logIn(desk, 'Inbox, 2 unread', '1 of 2', 'Mallory')
  assert.deepEqual(
    await desk.rows(),
    filled(
      {
        0: 'Inbox, 2 unread                   1 of 2',
        1: '> N    山田太郎   会議の資料について、…',
        2: '  N    Mallory    [2J ]0;pwned [31mred …',
        [-2]: '-- Key locked',
        [-1]: 'Enter open  r reply  c compose  ? help',
      },
      15,
    ),
  )
  await desk.keys('Enter')
  const rows = await desk.sees('おわり')
  assert.equal(rows.indexOf('東京の天気は晴れです。東京の天気は晴れで') > 0, true, rows.join('\n'))
  await desk.keys('n')
  const hostile = await desk.sees('End.')
  assert.match(hostile.join('\n'), /^�-- Key open for 9:99$/m)
  assert.match(hostile.at(-2)!, /^-- Key locked/)
  assert.equal((await desk.state()).title, title)
  await desk.resize(80, 24)
  await desk.sees(/^Inbox .* ann@wafer\.test {2}2 of 2$/m)
  assert.equal((await desk.rows()).length, 24)
  assert.match((await desk.rows()).at(-2)!, /^-- Key locked/)
  await desk.keys('q')
  await desk.sees('会議の資料について、明日の午後三時まで', /2015$/m)
  await desk.resize(120, 30)
  await desk.sees(/^>Inbox +\| /m)
  await desk.resize(40, 15)
  await desk.sees(/^ {7}山田太郎 {3}会議の資料について、…$/m)
  assert.equal((await desk.rows()).filter((row) => /Key locked/.test(row)).length, 1, 'no old row is left')
  await desk.keys('Q')
  await desk.sees('ended with 0')
})

test('Ctrl-Z gives the terminal back to the shell with nothing of the mail on it, and fg draws the client anew', async (t) => {
  if (!needs(t, 'tmux', 'gpg')) return
  const { server } = await story(t)
  const desk = await started(t, server)
  await logIn(desk, 'First plan')
  await desk.keys('D')
  await unlock(desk, second)
  await desk.keys('C-z')
  const shell = await desk.sees('Stopped')
  assert.ok(!shell.join('\n').includes(second))
  assert.equal((await desk.state()).isSecondScreen, false)
  await desk.line('echo still a "shell"')
  await desk.sees('still a shell')
  await desk.line('fg')
  await desk.sees('Key open for', second, 'Encrypted mail, open.')
  assert.equal((await desk.state()).isSecondScreen, true)
  await desk.keys('q', 'j')
  await desk.sees('2 of 2')
  await desk.keys('C-c')
  await desk.sees(/fg\n.*\n?.*\n\$/)
  assert.equal((await desk.state()).isSecondScreen, false)
  assert.doesNotMatch(await desk.history(), /blue umbrella/)
})

test('After kill -9 the key closes when its contact is late; a closed window ends all at once (P85)', async (t) => {
  if (!needs(t, 'tmux', 'gpg')) return
  const { server } = await story(t)
  const desk = await started(t, server)
  await logIn(desk, 'First plan')
  await desk.keys('D')
  await unlock(desk, second)
  assert.match((await holdsKey(server)) ?? '', /^terminal on/)
  process.kill(await desk.clientPid(), 'SIGKILL')
  await desk.sees('ended with 137')
  const [left] = (await terminalsOf(server)).filter(({ terminal }) => /^terminal on/.test(terminal))
  server.pass(left!.contactAt + 59_000 - server.services.clock())
  assert.match((await holdsKey(server)) ?? '', /^terminal on/)
  server.pass(1_000)
  assert.equal(await holdsKey(server), null)
  const other = await server.terminal(ann, 'other')
  assert.equal((await other.unlock()).status, 201, 'nobody has to be stopped')
  await other.delete('/session')

  const window = await started(t, server)
  await logIn(window, 'First plan')
  await window.keys('D')
  await unlock(window, second)
  assert.match((await holdsKey(server)) ?? '', /^terminal on/)
  await window.close()
  await until('the key to be free again', async () => ((await holdsKey(server)) === null ? true : null))
  const dead = left!.id
  await until('the session to be gone', async () =>
    (await terminalsOf(server)).some(({ id, terminal }) => id !== dead && /^terminal on/.test(terminal))
      ? null
      : true,
  )
})

for (const signal of ['SIGHUP', 'SIGTERM'] as const)
  test(`On ${signal} the client puts the terminal back, locks the key and logs out (P85)`, async (t) => {
    if (!needs(t, 'tmux', 'gpg')) return
    const { server } = await story(t)
    const desk = await started(t, server)
    await logIn(desk, 'First plan')
    await desk.keys('D')
    await unlock(desk, second)
    process.kill(await desk.clientPid(), signal)
    await desk.sees(/ended with [1-9]/)
    assert.equal((await desk.state()).isSecondScreen, false)
    assert.equal(await holdsKey(server), null)
    assert.deepEqual(
      (await terminalsOf(server)).filter(({ terminal }) => /^terminal on/.test(terminal)),
      [],
    )
  })

test('An approval with a passkey in Chromium opens the key of the terminal; the phone gets nothing (P87, C2)', async (t) => {
  if (!needs(t, executablePath, 'tmux', 'gpg')) return
  const { server } = await story(t)
  const browser = await chromium.launch({ executablePath, args: flags })
  t.after(() => browser.close())
  const context = await browser.newContext({
    viewport: { width: 360, height: 640 },
    baseURL: `http://localhost:${portOf(server)}`,
    locale: 'en-GB',
  })
  const page = await context.newPage()
  page.setDefaultTimeout(15_000)
  const cdp = await context.newCDPSession(page)
  await cdp.send('WebAuthn.enable')
  await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      ctap2Version: 'ctap2_1',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      hasPrf: true,
      automaticPresenceSimulation: true,
    },
  })
  const field = (name: string) => page.getByRole('textbox', { name, exact: true })
  const press = (name: string) => page.getByRole('button', { name, exact: true }).click()
  const shows = (text: string | RegExp) => page.getByText(text).first().waitFor()
  await page.goto('/login')
  await field('User ID').fill(ann)
  await field('Password').fill(password)
  await press('Login')
  await page.getByRole('heading', { name: /^Inbox/ }).waitFor()
  await page.goto('/p/new')
  await press('Make passkey')
  await field('Name').fill('My finger')
  await field('Passphrase').fill(passphrase)
  await press('Store passkey')
  await shows('The passkey is stored')

  const desk = await started(t, server)
  await logIn(desk, 'First plan')
  const ask = async (...keys: string[]) => {
    await desk.keys(...keys, 'Enter')
    const rows = await desk.sees('Approve on your phone', /2\. Type there: \d{3} \d{3}/)
    const code = /Type there: (\d{3}) (\d{3})/.exec(rows.join('\n'))!
    return { rows, code: `${code[1]}${code[2]}` }
  }
  await desk.keys('D')
  await desk.sees('Secret key use')
  const { rows, code } = await ask('Tab')
  assert.match(rows.join('\n'), new RegExp(`1\\. Open there: http://localhost:${portOf(server)}/a`))
  assert.ok(rows.filter((row) => /^██.{20,}██$/.test(row)).length >= 14, rows.join('\n'))
  await page.goto('/a')
  await shows('Read mail for 15 minutes')
  await shows(/Asked by terminal on/)
  await field('Code').fill(code)
  await press('Use passkey')
  await shows('Approved.')
  assert.equal(await page.getByRole('button', { name: 'Lock key' }).count(), 0)
  await desk.keys('Enter')
  await desk.sees(second, 'Key open for', 'reading only')

  await desk.keys('z')
  await desk.sees('The key is locked.')
  await desk.keys('D')
  await desk.sees('Secret key use')
  const again = await ask('Tab', 'Tab')
  await page.goto('/a')
  await shows('Read and sign mail')
  await field('Code').fill(again.code)
  await field('Passphrase').fill(passphrase)
  await press('Approve')
  await shows('Approved.')
  await desk.keys('Enter')
  const opened = await desk.sees(second, 'Key open for')
  assert.doesNotMatch(opened.join('\n'), /reading only/)
  await desk.keys('Q')
  await desk.sees('ended with 0')
})

test('A letter is written, signed, encrypted and sent; another comes from the editor, its file is gone (C8, F9)', async (t) => {
  if (!needs(t, 'tmux', 'gpg')) return
  const { server } = await story(t)
  const editor = join(scratch(t), 'editor')
  writeFileSync(
    editor,
    `#!/bin/sh\nls -l "$1" | cut -c1-10 > ${editor}.mode\necho "$1" > ${editor}.path\necho 'From the editor.' > "$1"\n`,
  )
  chmodSync(editor, 0o700)
  const desk = await started(t, server, { environment: { VISUAL: editor } })
  await logIn(desk, 'First plan')
  await desk.keys('c')
  await desk.sees('Compose', 'To:', 'Subject:')
  await desk.type(bob)
  await desk.keys('Enter')
  await desk.type('船便 tickets')
  await desk.keys('Enter')
  await desk.type('Two tickets, please. 二枚お願いします。')
  await desk.sees('Will be: not signed (the key is locked), encrypted to bob@wafer.test')
  await desk.keys('M-s')
  await desk.sees(
    /^To: +bob@wafer\.test$/m,
    /^Subject: 船便 tickets$/m,
    /^\| Will be: signed, encrypted to bob@wafer\.test$/m,
    /^Two tickets, please\. 二枚お願いします。$/m,
  )
  // Where an input method opens its window: behind the last wide character.
  assert.deepEqual([(await desk.state()).x, (await desk.state()).y], [39, 4])
  await desk.keys('C-x')
  await unlock(desk)
  await desk.sees(
    /^Inbox/,
    /^-- Key open for (5:00|4:5\d)/m,
    'Sent to bob@wafer.test (leaves in 15 s; u takes it back)',
  )
  const terminal = await server.terminal(bob)
  await terminal.unlock()
  server.pass(16_000)
  const mails = await until('the letter at Bob', async () => {
    const { messages } = (await terminal.get('/folders/Inbox/messages')).body
    return messages.length ? messages : null
  })
  assert.equal(mails[0].security, 'encrypted')
  const opened = (await terminal.post(`/messages/${mails[0].id}/decrypt`)).body
  assert.deepEqual(
    [opened.text.trim(), opened.headers.subject],
    ['Two tickets, please. 二枚お願いします。', '船便 tickets'],
  )
  assert.equal(opened.signature.status, 'valid')

  await desk.keys('c')
  await desk.type(bob)
  await desk.keys('Enter')
  await desk.type('Second')
  await desk.keys('Enter', 'C-o')
  await desk.sees('From the editor.', /^Subject: Second$/m)
  assert.equal(readFileSync(`${editor}.mode`, 'utf8').trim(), '-rw-------')
  assert.equal(existsSync(readFileSync(`${editor}.path`, 'utf8').trim()), false)
  await desk.keys('Q')
  await desk.sees('QFrom the editor.')
  await desk.keys('Escape')
  await desk.sees(/^Inbox/)
  await desk.keys('Q')
  await desk.sees('ended with 0')
  assert.doesNotMatch(await desk.history(), /Two tickets|From the editor/)
  const drafts = (await (await server.terminal(ann)).get('/folders/Drafts/messages')).body.messages
  assert.deepEqual(
    drafts.map(({ subject }: { subject: string }) => subject),
    ['Second'],
  )
})

// ---- S1040 to S1070

const certificate = join(vectors, 'localhost-cert.pem')
const tls = { WAFER_TLS_CERT: certificate, WAFER_TLS_KEY: join(vectors, 'localhost-key.pem') }

test('An untrusted certificate has a screen and exit code 1; with --ca or --fingerprint one logs in (S1040-S1060)', async (t) => {
  if (!needs(t, 'tmux')) return
  const server = await world(t, tls)
  await server.addUser(ann, { key: false })
  const address = `https://localhost:${new URL(server.url).port}`
  const { fingerprint256 } = new X509Certificate(readFileSync(certificate))
  for (const size of [usual, small]) {
    const desk = await RealTerminal.open(t, size)
    await desk.start('--server', address)
    const rows = await desk.sees('No encrypted communication', '--fingerprint')
    const said = rows.join(' ').replace(/\s+/g, ' ')
    assert.match(said, /No encrypted communication was established with localhost:\d+: its certificate is/)
    assert.match(said, /Nothing was sent, and no session was begun\. .* Any key ends\./)
    assert.doesNotMatch(rows.join('\n'), /User ID/)
    await desk.keys('Enter')
    const after = await desk.sees('ended with 1')
    assert.match(after.join(' '), /wafer: /)
    assert.equal((await desk.state()).isSecondScreen, false)
  }
  const desk = await RealTerminal.open(t)
  await desk.start('--server', address, '--fingerprint', fingerprint256.replace(/^../, '00'))
  await desk.sees('No encrypted communication')
  await desk.keys('q')
  await desk.sees('ended with 1')
  for (const trust of [
    ['--ca', certificate],
    ['--fingerprint', fingerprint256],
  ]) {
    await desk.start('--server', address, ...trust)
    await desk.sees('Log in')
    await logIn(desk, 'No mail here.')
    await desk.keys('Q')
    await desk.sees('ended with 0')
  }
})

test('Plain HTTP beyond this machine is refused before anything is sent (S1070)', async (t) => {
  if (!needs(t, 'tmux')) return
  const desk = await RealTerminal.open(t)
  await desk.start('--server', 'http://192.0.2.7:8080')
  await desk.sees('No encrypted communication', 'Nothing was sent')
  await desk.keys('x')
  await desk.sees('ended with 1', /wafer: .*/)
})

// ---- colours, and what else a terminal may lack

test('With NO_COLOR no colour is sent, states stay words, and attributes stay', async (t) => {
  if (!needs(t, 'tmux')) return
  const server = await world(t)
  await server.addUser(ann, { key: false })
  await server.deliver(ann, `From: Bob <bob@elsewhere.test>\nTo: ${ann}\nSubject: One\n\nHello.\n`)
  for (const environment of [{}, { NO_COLOR: '1' }] as Record<string, string>[]) {
    const desk = await started(t, server, { environment })
    await logIn(desk, 'One')
    await desk.keys('o')
    await desk.sees('Folder:')
    await desk.type('nowhere')
    await desk.keys('Enter')
    await desk.sees('There is no folder nowhere')
    const said = (await desk.rowsWithAttributes()).join('\n')
    assert.equal(/\x1b\[[0-9;]*3[0-7]m/.test(said), !environment.NO_COLOR)
    assert.doesNotMatch(said, /\x1b\[[0-9;]*4[0-7]m/, 'no background is ever set')
    assert.match(said, /\x1b\[[0-9;]*7m/)
    await desk.keys('Q')
    await desk.sees('ended with 0')
  }
})

test('A server that is not there is a sentence on the log-in screen, and the client goes on when it comes', async (t) => {
  if (!needs(t, 'tmux')) return
  const desk = await RealTerminal.open(t)
  await desk.start('--server', 'http://127.0.0.1:9')
  await desk.sees('Log in', /127\.0\.0\.1:9/)
  const rows = await desk.sees(/\.$/m)
  assert.doesNotMatch(rows.join('\n'), /Error|ECONN|at .*\.js/)
  await desk.keys('C-c')
  await desk.sees('ended with 0')
  await sleep(0)
})
