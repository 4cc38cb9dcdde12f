/**
 * The SSH door in use: two connections and a browser that want one key, the full client on real terminals, and people who
 * send more than anybody takes, or take nothing of what is sent.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import ssh2, { type Client, type ClientChannel } from 'ssh2'
import { Browser } from '../support/browser.ts'
import { needs } from '../support/programs.ts'
import { ann, doorProcess, memoryOf, overSsh, SshPerson, served, until } from '../support/ssh.ts'
import { RealTerminal } from '../support/terminals.ts'
import { password } from '../support/world.ts'

const bob = 'bob@wafer.test'

test('Two connections and a browser that want the key: each is told who has it, takes it over on purpose, and never have two of them it (S2000/P88, P85)', async (t) => {
  if (!needs(t, 'ssh')) return
  const { server, person } = await served(t)
  const desk = await server.terminal(ann, 'desk')
  const draft = { to: ann, subject: 'sealed', text: 'for Ann only', draft: true }
  const { id } = (await desk.post('/messages', draft)).body
  const [one, two] = [await person.share('one'), await person.share('two')]

  assert.equal((await one.unlock()).code, 0)
  assert.match((await one.run(['read', `${id}`])).out, /for Ann only/)
  // What one connection has open is locked for the other, though both are the same person from the same address.
  const refused = await two.unlock()
  assert.equal(refused.code, 1)
  assert.match(refused.err, /SSH from 127\.0\.0\.1.*--take-over/s)
  assert.equal((await two.run(['read', `${id}`])).code, 1)
  assert.equal((await two.unlock('--take-over')).code, 0)
  assert.match((await two.run(['read', `${id}`])).out, /for Ann only/)
  const robbed = await one.run(['read', `${id}`])
  assert.deepEqual([robbed.code, robbed.out], [1, ''])
  assert.match((await one.run(['status'])).out, /^key\tin use/m)

  const browser = new Browser(server)
  await browser.logIn(ann)
  await browser.go(`/m/${id}`)
  await browser.follow('Decrypt')
  assert.match(browser.page.text, /SSH from 127\.0\.0\.1 is using your key/)
  await browser.press('Decrypt')
  await browser.press('OK')
  await browser.unlock()
  assert.match(browser.page.text, /for Ann only/)
  assert.equal((await two.run(['read', `${id}`])).code, 1)

  // All at once, again and again: whatever order they come in, who reads afterwards is one at most.
  const api = await server.terminal(ann, 'third')
  for (let round = 0; round < 2; round += 1) {
    const seize = async () => {
      const { body } = await api.unlock()
      if (body?.by) await api.post('/allowance/stop', { confirm: true, of: body.by.grant })
      return api.unlock()
    }
    await Promise.all([one.unlock('--take-over'), two.unlock('--take-over'), seize()])
    const [first, second, third] = await Promise.all([
      one.run(['read', `${id}`]),
      two.run(['read', `${id}`]),
      api.post(`/messages/${id}/decrypt`),
    ])
    const readers = [first.code === 0, second.code === 0, third.status === 200].filter(Boolean)
    assert.ok(readers.length <= 1, `${readers.length} read in round ${round}`)
  }

  // Who has it is killed: it is free at once, and the other connection is where it was.
  await one.unlock('--take-over')
  await two.unlock('--take-over')
  two.master.kill('SIGKILL')
  await until(async () => (await overSsh(desk)) === 1)
  assert.match((await one.run(['status'])).out, /^key\tlocked/m)
  assert.equal((await one.unlock()).code, 0)
  assert.match((await one.run(['read', `${id}`])).out, /for Ann only/)
})

// ---- the full client

/** A shell in a real terminal, where ssh is called as people call it. */
const shell = async (t: TestContext, person: SshPerson, size?: { columns: number; rows: number }) => {
  const environment = { SSH_ASKPASS: person.file('ask'), SSH_ASKPASS_REQUIRE: 'force', ASKED: password }
  const desk = await RealTerminal.open(t, size, environment)
  const words = (options: string[]) => person.words({ options }).map((word) => `'${word}'`)
  const call = (before: string, command: string, ...options: string[]) =>
    desk.line(`clear; ${before} ssh ${words(options).join(' ')} ${command}; echo "ended with $?"`)
  return { desk, call }
}

test('On real terminals of two sizes the full client comes by itself, follows their size, and leaves nothing behind (S1080/P88, F4)', async (t) => {
  if (!needs(t, 'ssh', 'tmux')) return
  const { server, person } = await served(t)
  for (let each = 1; each <= 30; each += 1)
    await server.deliver(ann, `From: bob@elsewhere.test\nSubject: Letter ${each}\n\nOf the boat.\n`)
  const watcher = await server.terminal(ann, 'watcher')

  const [wide, small] = [
    await shell(t, person, { columns: 80, rows: 24 }),
    await shell(t, person, { columns: 40, rows: 15 }),
  ]
  for (const { desk, call } of [wide, small]) {
    await call('', '')
    const rows = await desk.sees(/^Inbox/, 'Letter 30', /^-- Key locked/m)
    assert.match(rows[1]!, /^> N/)
  }
  assert.equal(await overSsh(watcher), 2)
  const { desk } = wide
  assert.equal((await desk.state()).isSecondScreen, true)
  await desk.resize(100, 12)
  await desk.sees(/^Inbox.* 1 of 30/, /^-- Key locked/m, 'Letter 22')
  assert.equal((await desk.rows()).length, 12)
  await desk.resize(40, 24)
  await desk.sees(/^Inbox/, 'Letter 10')
  await desk.resize(80, 24)
  await desk.keys('Enter')
  await desk.sees('Of the boat.')
  // Suspending and editing elsewhere are no part of it.
  await desk.keys('C-z')
  await desk.sees('Of the boat.')
  // Ctrl-C leaves as Q does, and leaving is logging out.
  await desk.keys('C-c')
  await desk.sees('ended with 0')
  for (const line of [...(await desk.rows())]) assert.doesNotMatch(line, /Letter|\x1b|Of the boat/)
  const left = await desk.state()
  assert.deepEqual([left.isSecondScreen, left.isCursorShown], [false, true])
  await until(async () => (await overSsh(watcher)) === 1)

  // Ended at another terminal: the screen is as it was before, and says why.
  const { terminals: all } = (await watcher.get('/terminals')).body
  const { id } = all.find(({ terminal }: { terminal: string }) => terminal.startsWith('SSH'))
  await watcher.delete(`/terminals/${id}`)
  await small.desk.sees(/ended with \d+/)
  const said = (await small.desk.rows()).join(' ').replace(/\s+/g, ' ')
  assert.match(said, /session/)
  const ended = await small.desk.state()
  assert.deepEqual([ended.isSecondScreen, ended.isCursorShown], [false, true])

  // Terminals that can less: letters of ASCII on glass, lines where nothing else is.
  await wide.call('TERM=vt100', '')
  await desk.sees(/^Inbox/, 'Letter 30')
  await desk.keys('Q')
  await desk.sees('ended with 0')
  await wide.call('TERM=dumb', '')
  await desk.sees('Inbox', /> ?$/m)
  await desk.line('quit')
  await desk.sees('ended with 0')
  await wide.call('', 'tui --plain', '-T')
  await desk.sees('Inbox', /> ?$/m)
  await desk.keys('C-d')
  await desk.sees('ended with 0')
  // A question without echo, with a terminal for one command; Ctrl-C at it.
  await wide.call('', 'unlock', '-t')
  await desk.sees('Passphrase:')
  await desk.type('not to be seen')
  await desk.keys('C-c')
  await desk.sees(/ended with \d+/)
  assert.doesNotMatch(await desk.history(), /not to be seen/)
  await until(async () => (await overSsh(watcher)) === 0)

  // Closed, as one who has had enough.
  await wide.call('', '')
  await desk.sees(/^Inbox/, 'Letter 30')
  await desk.close()
  await until(async () => (await overSsh(watcher)) === 0)
})

// ---- floods

/** ssh2's own client: what OpenSSH's would not do. */
const rough = async (t: TestContext, port: number): Promise<Client> => {
  const client = new ssh2.Client()
  client.on('error', () => {}).on('connect', () => client.setNoDelay(true))
  t.after(() => void client.destroy())
  client.connect({ host: '127.0.0.1', port, username: ann, password })
  await once(client, 'ready')
  return client
}
const opened = (client: Client): Promise<ClientChannel | null> =>
  new Promise((resolve) => {
    client.shell({ term: 'xterm', cols: 200, rows: 100 }, (error, stream) => resolve(error ? null : stream))
  })

test('Floods of keys, channels and key exchanges, and readers that do not read, take their own connection down at most (P88)', async (t) => {
  if (!needs(t, 'ssh')) return
  const { server, port } = await served(t)
  await server.addUser(bob)
  await server.deliver(bob, 'From: ann@wafer.test\nSubject: Quiet\n\nHello.\n')
  const quiet = await new SshPerson(t, port, bob).share('quiet')
  const isServed = async () => assert.match((await quiet.run(['ls'])).out, /Quiet/)
  const door = doorProcess()

  // Keys without end, of which each draws the screen, from one that reads nothing.
  const deaf = await rough(t, port)
  const screen = (await opened(deaf))!
  screen.on('error', () => {})
  screen.pause()
  for (let piece = 0; piece < 200; piece += 1) screen.write('?q'.repeat(8 * 1024))
  await isServed()

  // More channels than there may be, without waiting for one.
  const greedy = await rough(t, port)
  const channels = await Promise.all(Array.from({ length: 300 }, () => opened(greedy)))
  const given = channels.filter((channel) => channel !== null)
  assert.ok(given.length <= 10, `${given.length}`)
  await isServed()

  // Channels that are never closed from that end, though nothing runs in them any more.
  const lasting = await rough(t, port)
  Object.assign((lasting as unknown as { _protocol: object })._protocol, { channelClose: () => {} })
  const tryOne = (each: number): Promise<boolean> =>
    new Promise((resolve) => lasting.exec(`' ${each}`, (error) => resolve(error !== undefined)))
  const answers = await Promise.all(Array.from({ length: 30 }, (_, each) => tryOne(each)))
  assert.equal(answers.filter((isRefused) => !isRefused).length, 10)
  await isServed()

  // A new key exchange as soon as the last one is over, with commands between.
  const restless = await rough(t, port)
  // Its types lack it.
  const { _protocol: protocol } = restless as unknown as { _protocol: { rekey(): void } }
  let exchanges = 0
  const again = () => {
    exchanges += 1
    if (exchanges < 30) setImmediate(() => protocol.rekey())
  }
  restless.on('handshake', again)
  again()
  await until(() => exchanges >= 30)
  await isServed()

  // Lines faster than they are answered, and text to send, without end.
  const hasty = await rough(t, port)
  const lines = await new Promise<ClientChannel>((resolve, reject) => {
    hasty.exec('tui --plain', (error, stream) => (error ? reject(error) : resolve(stream)))
  })
  lines.on('error', () => {}).resume()
  const taken = new Promise((resolve) => lines.once('data', resolve))
  for (let piece = 0; piece < 100; piece += 1) lines.write('y\n'.repeat(64 * 1024))
  await taken
  await isServed()
  const endless = await rough(t, port)
  const refused = await new Promise<{ code: number; said: string }>((resolve, reject) => {
    endless.exec(`send --to ${ann}`, (error, stream) => {
      if (error) return reject(error)
      let said = ''
      let isOver = false
      const more = () => {
        while (!isOver && stream.write(Buffer.alloc(32 * 1024, 'x')));
      }
      stream.on('error', () => {}).on('drain', more)
      stream.stderr.on('data', (text) => (said += text))
      stream.on('exit', (code: number) => {
        isOver = true
        resolve({ code, said })
      })
      stream.resume()
      more()
    })
  })
  assert.equal(refused.code, 1)
  assert.match(refused.said, /^wafer: .*\.\n$/)
  await isServed()

  assert.equal(doorProcess(), door, 'the same process serves')
  const memory = memoryOf(door)
  assert.ok(memory < 600_000, `${memory} KiB`)
})
