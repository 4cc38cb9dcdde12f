/**
 * The documents do what they say: each block in a fence is run as it stands, against a real server or by the program
 * whose language it is, and names, links and figures are those of the program. Only places are put in: a folder that
 * ends with the test for `/var/…`, the server's port for the usual one, a number for that of a mail.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import nodemailer from 'nodemailer'
import { chromium, type Page } from 'playwright-core'
import { readConfig } from '../../server/ground/config.ts'
import * as limits from '../../server/ground/limits.ts'
import { readKeymap } from '../../tui/full/own-keys.ts'
import { postgres } from '../support/a-postgres.ts'
import { scratch, TextBrowser, until } from '../support/browsers.ts'
import { Gpg } from '../support/gpg.ts'
import { root, vectors, wafer } from '../support/places.ts'
import { postgresFolder } from '../support/postgres.ts'
import { executablePath, flags, needs } from '../support/programs.ts'
import { RealTerminal } from '../support/terminals.ts'
import { Handset } from '../support/wap/handset.ts'
import { startGateway } from '../support/wap/kannel.ts'
import { passphrase, password, type World, world } from '../support/world.ts'

const documents = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
]
const textOf = (file: string) => readFileSync(join(root, file), 'utf8')

type Block = { file: string; language: string; text: string; isTried: boolean }
const blocks: Block[] = documents.flatMap((file) =>
  [...textOf(file).matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language = '', text = '']) => ({
    file,
    language,
    text,
    isTried: false,
  })),
)

/** The one block of a document with these words in it; whoever takes it, tries it. */
const block = (file: string, words: string): string => {
  const found = blocks.filter((each) => each.file === file && each.text.includes(words))
  assert.equal(found.length, 1, `expected one block with “${words}” in ${file}, got ${found.length}`)
  found[0]!.isTried = true
  return found[0]!.text
}

/** All that a document has in one language. */
const blocksIn = (file: string, language: string): string[] =>
  blocks
    .filter((each) => each.file === file && each.language === language)
    .map((each) => {
      each.isTried = true
      return each.text
    })

// ---- a shell in which the documents' lines are typed

/** Commands that install, or run these very tests: `.ci/run` does them, in a clone of their own. */
const doneByIntegration = ['ci', 'test', 'pack', 'install --global']

class Shell {
  readonly folder: string
  readonly env: Record<string, string>

  constructor(t: TestContext, environment: Record<string, string> = {}) {
    this.folder = scratch(t)
    const bin = join(this.folder, 'bin')
    for (const name of ['bin', 'run', 'here']) mkdirSync(join(this.folder, name), { mode: 0o700 })
    const npm = execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim()
    const integration = doneByIntegration.map((words) => `'${words}'*`).join('|')
    this.#program(
      bin,
      'npm',
      `case "$*" in ${integration}) exit 0;; esac\ncd '${root}' && exec '${npm}' "$@"`,
    )
    this.#program(bin, 'wafer', `exec '${process.execPath}' '${wafer}' "$@"`)
    this.env = {
      PATH: `${bin}:${dirname(process.execPath)}:${process.env.PATH}`,
      HOME: this.folder,
      XDG_RUNTIME_DIR: join(this.folder, 'run'),
      WAFER_DATA: join(this.folder, 'data'),
      LC_ALL: 'C.UTF-8',
      ...environment,
    }
  }

  #program(bin: string, name: string, text: string) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`)
    chmodSync(join(bin, name), 0o755)
  }

  start(lines: string): ChildProcess {
    return spawn('sh', ['-e', '-c', lines], {
      cwd: join(this.folder, 'here'),
      env: this.env,
      detached: true, // to end with all that it started
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  }

  /** Runs lines that have to go well. @returns what they print */
  async run(lines: string): Promise<string> {
    const child = this.start(lines)
    let [out, err] = ['', '']
    child.stdout!.setEncoding('utf8').on('data', (text) => (out += text))
    child.stderr!.setEncoding('utf8').on('data', (text) => (err += text))
    const [code] = await once(child, 'close')
    assert.equal(code, 0, `${lines}\n${out}${err}`)
    return out
  }

  write(name: string, text: string) {
    writeFileSync(join(this.folder, 'here', name), text)
  }
}

const putIn = (text: string, places: Record<string, string>): string =>
  Object.entries(places).reduce((so, [documented, here]) => {
    assert.ok(so.includes(documented), `expected ${documented} in:\n${text}`)
    return so.replaceAll(documented, here)
  }, text)

// ---- README

const twoCommands = block('README.md', 'npm start')
const printed = block('README.md', 'Wafer listens on')
const fromGpg = block('README.md', 'Hello from gpg')

/** A person at Chromium, who finds things by their names. */
class Person {
  readonly page: Page
  constructor(page: Page) {
    this.page = page
    page.setDefaultTimeout(30_000)
  }

  static async sitDown(t: TestContext): Promise<Person> {
    const browser = await chromium.launch({ executablePath, args: flags })
    t.after(() => browser.close())
    const context = await browser.newContext({ locale: 'en-GB' })
    return new Person(await context.newPage())
  }

  named = (name: string) =>
    this.page
      .getByRole('button', { name, exact: true })
      .or(this.page.getByRole('link', { name, exact: true }))
      .first()
  press = (name: string) => this.named(name).click()
  fill = (name: string | RegExp, text: string) => this.page.getByRole('textbox', { name }).first().fill(text)
  shows = (text: string | RegExp) => this.page.getByText(text).first().waitFor()

  async open(subject: string, inbox: string) {
    await this.page.goto(inbox)
    await this.page.getByRole('link', { name: subject }).first().click()
  }

  /** A finger, from now on. */
  async hasFinger() {
    const cdp = await this.page.context().newCDPSession(this.page)
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
  }
}

const ann = 'ann@wafer.test'
const welcome = 'You have just opened your first encrypted mail.'

/** Steps 1 to 3: the link, the welcome mail, a signed letter. */
const firstLetters = async (person: Person, link: string, inbox: string) => {
  await person.page.goto(link)
  await person.fill('Mail address', ann)
  await person.fill(/^Password/, password)
  await person.fill('Passphrase (opens the key)', passphrase)
  await person.fill('Passphrase again', passphrase)
  await person.press('Begin')
  await person.shows('Recovery code')
  assert.notEqual((await fetch(link)).status, 200, 'the link works once')

  await person.open('Welcome', inbox)
  await person.press('Decrypt')
  await person.fill('Passphrase', passphrase)
  await person.press('OK')
  await person.shows(welcome)
  await person.named('Decrypt, key open').waitFor()

  await person.press('Compose')
  await person.fill('To', ann)
  await person.fill('Subject', 'to myself')
  await person.fill('Text', 'Something to myself.')
  await person.press('Sign, key open')
  await person.shows('Signed, and ready to send.')
  const text = await person.page.getByRole('textbox', { name: 'Text' }).inputValue()
  assert.match(text, /^-----BEGIN PGP SIGNED MESSAGE-----/)
  await person.press('Send')
  await person.page.goto(inbox)
  await person.named('to myself').waitFor()
}

/** Step 4: a second terminal takes the key. */
const takeover = async (t: TestContext, person: Person, port: string): Promise<TextBrowser> => {
  const lynx = await TextBrowser.open(t, 'lynx', `http://127.0.0.1:${port}`)
  await lynx.sees('User ID')
  await lynx.fill('User ID', ann)
  await lynx.fill('Password', password)
  await lynx.press('Login', 'Inbox')
  await lynx.press('Welcome', 'press Decrypt')
  await lynx.press('Decrypt', 'Key in use elsewhere')
  await lynx.press('Decrypt', 'Stop the other use?')
  await lynx.press('OK', 'Secret key use')
  await person.page.reload()
  await person.shows(/Lynx/)
  assert.equal(await person.named('Lock key').count(), 0)
  return lynx
}

/** Step 5: the terminal client. */
const atTheClient = async (t: TestContext, environment: Record<string, string>) => {
  const client = await RealTerminal.open(t, { columns: 80, rows: 24 }, environment)
  await client.line('npm run tui')
  await client.sees('Log in', 'User ID:')
  for (const words of [ann, password]) {
    await client.type(words)
    await client.keys('Enter')
  }
  await client.sees(/^Inbox/, 'Welcome')
  await client.type('?')
  await client.sees('Help')
  await client.keys('Escape')
  await client.sees(/^Inbox/)
  await client.keys('End')
  await client.type('D')
  await client.sees('Secret key use', '> Passphrase:')
  await client.type(passphrase)
  await client.keys('Enter')
  await client.sees(welcome)
  await client.type('z')
  await client.sees('Key locked')
}

/** Step 6: a passkey opens the key here with one touch, and at lynx by an approval. */
const withAFinger = async (person: Person, lynx: TextBrowser, inbox: string) => {
  await person.hasFinger()
  for (const name of ['More', 'Passkeys', 'Add a passkey', 'Make passkey']) await person.press(name)
  await person.fill('Name', 'My finger')
  await person.fill('Passphrase', passphrase)
  await person.press('Store passkey')
  await person.shows('The passkey is stored.')
  await person.open('Welcome', inbox)
  await person.press('Decrypt')
  await person.press('Use passkey')
  await person.shows(welcome)
  await person.press('Lock key')
  await person.shows('Your key is locked')

  const asked = await lynx.press('Approve on phone', 'and type this code:', 'Check again')
  await person.page.goto(new URL('/a', inbox).href)
  await person.fill('Code', asked.match(/code: (\d{3} \d{3})/)![1]!)
  await person.press('Use passkey')
  await person.shows('Approved.')
  await lynx.press('Check again', welcome)
}

test('README: the two commands serve, and the five minutes after them are as they are told', async (t) => {
  if (!needs(t, executablePath, 'lynx', 'tmux', 'gpg', 'curl')) return
  const shell = new Shell(t, {
    WAFER_PORT: '0',
    WAFER_SMTP_PORT: '0',
    WAFER_SSH_PORT: '0',
    GNUPGHOME: new Gpg(t).home,
  })
  const server = shell.start(twoCommands)
  t.after(() => process.kill(-server.pid!, 'SIGTERM'))
  let said = ''
  server.stdout!.setEncoding('utf8').on('data', (text) => (said += text))
  const link = await until('the link', () => said.match(/http\S+\/setup\/\S+(?=\n)/)?.[0] ?? null)
  const [, web = '', smtp = '', ssh = ''] =
    said.match(/localhost:(\d+)\n.*127\.0\.0\.1:(\d+)\nSSH: ssh -p (\d+) /) ?? []
  const lines = said
    .slice(said.indexOf('Wafer listens'))
    .replace(/(?<=SHA256:|\/setup\/)\S+/g, '…')
    .replaceAll(web, '8080')
    .replaceAll(smtp, '2525')
    .replaceAll(ssh, '2222')
  assert.equal(lines, printed)

  const inbox = new URL('/f/inbox', link).href
  const person = await Person.sitDown(t)
  await firstLetters(person, link, inbox)
  const lynx = await takeover(t, person, web)
  await atTheClient(t, { PATH: shell.env.PATH!, WAFER_PORT: web })
  await withAFinger(person, lynx, inbox)
  await shell.run(putIn(fromGpg, { '127.0.0.1:2525': `127.0.0.1:${smtp}` }))
  await person.open('from gpg', inbox)
  await person.shows('BEGIN PGP MESSAGE')
})

// ---- the API, scripts, a first letter

/** A server with Ann and her welcome, Ben's key in a file, and the shell of a person who works there. */
const atWork = async (t: TestContext, user: string): Promise<{ server: World; shell: Shell }> => {
  const server = await world(t)
  await server.addUser(user)
  const shell = new Shell(t, { PASSWORD: password, PASSPHRASE: passphrase })
  shell.write('letter.txt', 'At four?\n')
  return { server, shell }
}

const apiCalls = block('docs/api.md', 'api=http://')
const xmlCalls = block('docs/api-xml.md', 'api=http://')
const friendsKey = block('docs/first-letter.md', 'jq -Rs')

test('docs/api-xml.md: one logs in and lists the folders in XML (P86)', async (t) => {
  if (!needs(t, 'curl', 'xmllint')) return
  const { server, shell } = await atWork(t, ann)
  const calls = putIn(xmlCalls, { 'http://localhost:8080': server.url, '…</string>': `${password}</string>` })
  assert.match(await shell.run(calls), /^Inbox\n/)
})

test('docs/api.md and docs/first-letter.md: a mail is opened by the API, and a friend’s key looked at and accepted', async (t) => {
  if (!needs(t, 'curl', 'jq', 'gpg')) return
  const { server, shell } = await atWork(t, ann)
  const terminal = await server.terminal(ann)
  await terminal.unlock()
  const letter = { to: ann, subject: 'x', text: 'At four.', sign: false, encrypt: true, draft: false }
  await terminal.post('/messages', { ...letter, cc: '', bcc: '', attachments: [] })
  const [{ id }] = (await terminal.get('/folders/Inbox/messages')).body.messages
  await terminal.delete('/session')

  const gpg = new Gpg(t)
  const fingerprint = gpg.generate('Ben <ben@example.org>', 'ed25519')
  shell.write('ben.asc', gpg.ok(['--armor', '--export', 'ben@example.org']).toString())
  const calls = putIn(apiCalls, {
    'http://localhost:8080': server.url,
    '"password":"…"': `"password":"${password}"`,
    '"passphrase":"…"': `"passphrase":"${passphrase}"`,
    'messages/1/': `messages/${id}/`,
  })
  const told = await shell.run(`${calls}fingerprint=${fingerprint}\n${friendsKey}`)
  assert.match(told, new RegExp(`^At four\\.\\n+${fingerprint}\\n`, 'i'))
  const { correspondents } = (await (await server.terminal(ann)).get('/correspondents')).body
  assert.deepEqual(
    correspondents.map((each: { fingerprint: string }) => each.fingerprint),
    [fingerprint],
  )
})

const scriptLines = block('docs/scripts.md', 'wafer login')
const letterLine = block('docs/first-letter.md', 'wafer send')

test('docs/scripts.md and docs/first-letter.md: a script logs in, waits, unlocks, reads, answers, and logs out', async (t) => {
  const { server, shell } = await atWork(t, 'ann@example.org')
  await server.addUser('ben@example.org')
  const mail = 'From: ben@example.org\nTo: ann@example.org\nSubject: Tea?\n\nAt four.\n'
  await server.deliver('ann@example.org', mail)
  const [{ id }] = (await (await server.terminal('ann@example.org')).get('/folders/Inbox/messages')).body
    .messages
  const lines = putIn(scriptLines, { 'https://mail.example.org': server.url, 'read 12': `read ${id}` })
  assert.ok(lines.includes(letterLine.trim()), 'the letter of one document is that of the other')
  // What comes after it has asked once is new to it.
  const deliveries = setInterval(() => server.deliver('ann@example.org', mail), 500)
  const told = await shell.run(lines).finally(() => clearInterval(deliveries))
  assert.match(told, /\nsubject\tTea\?\n.*\n\nAt four\.\n.*\ndelivered\tben@example\.org\n.*key\tlocked\n/s)
})

const schemas = blocksIn('docs/scripts.md', 'json')
const boundAnew = block('docs/terminal.md', 'list.archive')

test('docs/scripts.md: the blocks of JSON are JSON', () => {
  assert.ok(schemas.length > 5)
  for (const text of schemas) JSON.parse(text)
})

test('docs/terminal.md: the keys that are bound anew in it are taken', (t) => {
  const file = join(scratch(t), 'keys')
  writeFileSync(file, boundAnew)
  assert.deepEqual(readKeymap(file).problems, [])
})

// ---- operating

const operate = 'docs/operate.md'
const unit = block(operate, '[Unit]')
const letIn = block(operate, 'ExecStartPost')
const lowPorts = block(operate, 'AmbientCapabilities=CAP')
block(operate, 'apt install') // test/house/installed.test.ts installs it, with dpkg
const keepsEpoch = block(operate, 'RuntimeDirectoryPreserve')
const nginx = block(operate, 'proxy_pass')
const caddy = block(operate, 'reverse_proxy')
const kannel = block(operate, 'group = wapbox')
const postfix = block(operate, 'virtual_transport')
const tunnels = 'docs/tunnels.md'
const tunnel = {
  settings: block(tunnels, 'WAFER_PROXY'),
  rule: block(tunnels, 'table inet'),
  server: block(tunnels, 'ListenPort'),
  terminal: block(tunnels, 'Endpoint'),
  unit: block(tunnels, 'wg-quick@wafer'),
  ipsec: block(tunnels, 'esp_proposals'),
}
const cron = block(operate, '/etc/cron.d')
const copies = block(operate, 'wafer-first.db')
const wayBack = block(operate, 'wafer restore')
const dump = block(operate, 'pg_dump')
const wayBackThere = block(operate, 'pg_restore')
const toPostgres = block(operate, 'copy --to postgres:')
const fromPostgres = block(operate, 'copy --to sqlite:')
const installing = [block(operate, 'npm run build'), block(operate, 'before-upgrade.db')]
const settingsThere = blocks
  .filter((each) => each.file === operate && /^(# .*\.env\n)?WAFER_\w+=/.test(each.text))
  .map((each) => {
    each.isTried = true
    return each.text
  })
block(operate, 'MX  10') // records of a name server, which nothing here reads

const certificate = {
  '/etc/letsencrypt/live/mail.example.org/fullchain.pem': join(vectors, 'localhost-cert.pem'),
  '/etc/letsencrypt/live/mail.example.org/privkey.pem': join(vectors, 'localhost-key.pem'),
}
const withCertificate = (text: string) =>
  Object.entries(certificate).reduce((so, [there, here]) => so.replaceAll(there, here), text)

test('docs/operate.md: each set of settings is taken', (t) => {
  assert.equal(settingsThere.length, 6)
  for (const text of settingsThere) {
    const data = scratch(t)
    writeFileSync(join(data, '.env'), withCertificate(text))
    readConfig({ WAFER_DATA: data })
  }
})

test('docs/operate.md: the service’s unit is understood', (t) => {
  if (!needs(t, 'systemd-analyze')) return
  const file = join(scratch(t), 'wafer.service')
  const whole = putIn(unit, { '/usr/local/bin/wafer serve': '/bin/true', 'User=wafer': 'User=root' })
  writeFileSync(file, `${whole}\n${letIn}\n${lowPorts}\n${keepsEpoch}\n${tunnel.unit}`)
  const { stderr, status } = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' })
  assert.deepEqual([stderr.split('\n').filter((line) => line.includes('wafer.service')), status], [[], 0])
})

/** Ports that nobody has at the moment. */
const freePorts = async (): Promise<[number, number, number]> => {
  const servers = [createServer(), createServer(), createServer()]
  const ports: number[] = []
  for (const server of servers) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    ports.push((server.address() as AddressInfo).port)
  }
  for (const server of servers) server.close()
  return ports as [number, number, number]
}

/** A proxy in front of a server that was told of it as the document says, and what a browser at it gets. */
const behind = async (
  t: TestContext,
  start: (folder: string, ports: { ours: number; http: number; https: number }) => ChildProcess,
) => {
  const [ours, http, https] = await freePorts()
  const [origin, proxy] = settingsThere
    .find((text) => text.includes('WAFER_PROXY'))!
    .match(/(?<=^WAFER_\w+=).+/gm)!
  const server = await world(t, { WAFER_ORIGIN: origin!, WAFER_PROXY: proxy!, WAFER_PORT: `${ours}` })
  await server.addUser(ann)
  const child = start(scratch(t), { ours, http, https })
  t.after(async () => {
    child.kill('SIGTERM') // a killed nginx would leave its workers behind
    if (child.exitCode === null) await once(child, 'exit')
  })
  let said = ''
  child.stderr!.setEncoding('utf8').on('data', (text) => (said += text))
  /** Not waited for in place: the server answers from this very process. @returns the answer, or nothing */
  const curl = async (address: string, ...words: string[]): Promise<string> => {
    const resolve = [http, https].flatMap((port) => ['--resolve', `mail.example.org:${port}:127.0.0.1`])
    const asked = promisify(execFile)('curl', [
      '-sSki',
      '-m',
      '60',
      '-H',
      'Host: mail.example.org',
      ...resolve,
      ...words,
      address,
    ])
    return asked.then(({ stdout }) => stdout).catch(() => '')
  }
  const at = (path: string) => `https://mail.example.org:${https}${path}`
  await until('the proxy', async () => {
    assert.equal(child.exitCode, null, said)
    return (await curl(at('/login'))) || null
  })
  return { server, plain: `http://mail.example.org:${http}/login`, at, curl }
}

/** Pages, cookies, the terminal's address, and a letter with a large file come through. */
const servesBehind = async ({ server, at, curl }: Awaited<ReturnType<typeof behind>>) => {
  const page = await curl(at('/login'))
  assert.match(page, /^HTTP\/\S+ 200/)
  assert.match(page, /^set-cookie: __Host-\S+;.*secure/im)
  const asked = JSON.stringify({ user: ann, password })
  const began = await curl(at('/api/session'), '-H', 'X-Forwarded-For: 192.0.2.7', '-d', asked)
  const bearer = `Authorization: Bearer ${began.match(/"token":"([^"]+)"/)?.[1]}`
  const sessions = await server.services.sessions.list(await server.services.users.named(ann))
  assert.ok(!JSON.stringify(sessions).includes('192.0.2.7'), 'a terminal does not choose its address')
  const content = Buffer.alloc(5_000_000, 'x').toString('base64')
  const attachments = [{ name: 'plan.txt', type: 'text/plain', content }]
  const letter = { to: ann, subject: 's', text: 't', attachments, draft: true, sign: false, encrypt: false }
  const file = join(server.folder, 'letter.json')
  writeFileSync(file, JSON.stringify(letter))
  assert.match(await curl(at('/api/messages'), '-H', bearer, '-d', `@${file}`), /^HTTP\/\S+ 201/m)
}

test('P86: docs/operate.md: a handset logs in through a gateway that is set up as it says', async (t) => {
  if (!needs(t, 'bearerbox', 'wapbox')) return
  const server = await world(t)
  await server.addUser(ann)
  const handset = await Handset.through(await startGateway(t, kannel), server)
  t.after(() => handset.close())
  await handset.logIn(ann)
  assert.match(handset.title, /^Inbox/)
})

test('docs/operate.md: behind nginx pages and letters come through, and port 80 says that nothing is encrypted', async (t) => {
  if (!needs(t, 'nginx', 'curl')) return
  const proxied = await behind(t, (folder, { ours, http, https }) => {
    const site = putIn(nginx, {
      ...certificate,
      'listen 80;': `listen 127.0.0.1:${http};`,
      'listen 443 ssl;': `listen 127.0.0.1:${https} ssl;`,
      '127.0.0.1:8080': `127.0.0.1:${ours}`,
    })
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${folder}/${name};`,
    )
    const whole = `pid ${folder}/pid; daemon off; events {}\nhttp { access_log off; ${temporary.join(' ')}\n${site}}\n`
    writeFileSync(join(folder, 'nginx.conf'), process.getuid?.() === 0 ? `user root; ${whole}` : whole)
    return spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'])
  })
  await servesBehind(proxied)
  const plain = await proxied.curl(proxied.plain)
  assert.match(plain, /No encrypted communication was established/)
  assert.match(plain, /https:\/\/mail\.example\.org/)
})

test('docs/operate.md: behind Caddy pages and letters come through, and port 80 leads to the encrypted address', async (t) => {
  if (!needs(t, 'caddy', 'curl')) return
  const proxied = await behind(t, (folder, { ours, http, https }) => {
    const options = [
      'admin off',
      `http_port ${http}`,
      `https_port ${https}`,
      'local_certs',
      'skip_install_trust',
    ]
    const site = putIn(caddy, { '127.0.0.1:8080': `127.0.0.1:${ours}` })
    writeFileSync(join(folder, 'Caddyfile'), `{\n${options.join('\n')}\n}\n${site}`)
    const env = { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
    return spawn('caddy', ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'], { env })
  })
  await servesBehind(proxied)
  assert.match(await proxied.curl(proxied.plain), /^location: https:\/\/mail\.example\.org/im)
})

test('docs/tunnels.md: WireGuard as it is set up there carries log-in and pages, and past it nothing comes (P88)', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('This test makes network namespaces: be root.')
  if (!needs(t, 'ip', 'wg-quick', 'wireguard-go', 'nft', 'curl')) return
  const [shell, far] = [new Shell(t), new Shell(t)]
  const [server, terminal] = [`wafer-s${process.pid}`, `wafer-t${process.pid}`]
  const within = (space: string, line: string) => `ip netns exec ${space} ${line}`
  t.after(() => {
    const end = `wg-quick down ${shell.folder}/here/wafer.conf; wg-quick down ${far.folder}/here/gate.conf`
    for (const [space, line] of Object.entries({
      [server]: end.split(';')[0]!,
      [terminal]: end.split(';')[1]!,
    }))
      spawnSync('sh', ['-c', `${within(space, line)}; ip netns del ${space}`])
  })
  await shell.run(`
    ip netns add ${server}; ip netns add ${terminal}
    ip link add outside netns ${server} type veth peer name outside netns ${terminal}
    for each in '${server} 192.0.2.1' '${terminal} 192.0.2.2'; do set -- $each
      ip -n $1 address add $2/24 dev outside; ip -n $1 link set outside up; ip -n $1 link set lo up
    done`)
  const key = async () => (await shell.run('wg genkey')).trim()
  const publicOf = async (secret: string) => (await shell.run(`echo ${secret} | wg pubkey`)).trim()
  const [ours, theirs, shared] = [await key(), await key(), (await shell.run('wg genpsk')).trim()]
  const common = { SHARED_KEY: shared }
  const atServer = { ...common, SERVER_KEY: ours, TERMINAL_PUBLIC_KEY: await publicOf(theirs) }
  const atTerminal = { ...common, TERMINAL_KEY: theirs, SERVER_PUBLIC_KEY: await publicOf(ours) }
  shell.write('wafer.conf', putIn(tunnel.server, atServer))
  far.write('gate.conf', putIn(tunnel.terminal, atTerminal))
  await shell.run(`chmod 600 wafer.conf; ${within(server, 'wg-quick up ./wafer.conf')}`)
  await far.run(`chmod 600 gate.conf; ${within(terminal, 'wg-quick up ./gate.conf')}`)

  await shell.run(`printf '%s\n' '${password}' | wafer user add ${ann} --password-stdin`)
  writeFileSync(
    join(shell.folder, 'data', '.env'),
    `${tunnel.settings}WAFER_SSH_PORT=off\nWAFER_SMTP_PORT=0\n`,
  )
  const serving = shell.start(`exec ${within(server, 'wafer serve')}`)
  t.after(() => serving.kill())
  let said = ''
  serving.stdout!.setEncoding('utf8').on('data', (text) => (said += text))
  await until('an address', () => said.includes('Wafer listens on http://10.9.0.1:8080') || null)
  const ask = (path: string, more = '') =>
    far.run(within(terminal, `curl -sS --max-time 2 ${more} http://10.9.0.1:8080${path} || echo no way`))
  assert.match(await ask('/login'), /name=pass/)
  const logIn = JSON.stringify({ user: ann, password })
  const { token } = JSON.parse(await ask('/api/session', `--data '${logIn}'`))
  const known = JSON.parse(await ask('/api/terminals', `--header 'Authorization: Bearer ${token}'`))
  assert.equal(known.terminals[0].address, '10.9.0.2')

  // Without the tunnel, with the address of a terminal, and a way back: only the rule keeps it out.
  await far.run(within(terminal, 'wg-quick down ./gate.conf'))
  assert.match(await ask('/login'), /no way/)
  await far.run(`ip -n ${terminal} address add 10.9.0.2/32 dev lo; ip -n ${terminal} route add 10.9.0.1 via 192.0.2.1
    ip -n ${server} route replace 10.9.0.2/32 via 192.0.2.2`)
  assert.match(await ask('/login', '--interface 10.9.0.2'), /name=pass/)
  shell.write('rule', tunnel.rule)
  await shell.run(within(server, 'nft --file rule'))
  assert.match(await ask('/login', '--interface 10.9.0.2'), /no way/)
})

test('docs/operate.md: Postfix is let in to the socket for LMTP, and nobody else', async (t) => {
  const shell = new Shell(t)
  const socket = join(shell.folder, 'run', 'lmtp')
  await world(t, { WAFER_LMTP_SOCKET: socket })
  const [, command = ''] = letIn.match(/^ExecStartPost=\+\/bin\/sh -c '(.+)'$/m) ?? []
  await shell.run(
    putIn(command, { '/run/wafer/lmtp': socket, 'chgrp postfix': `chgrp ${process.getgid!()}` }),
  )
  assert.equal(statSync(socket).mode & 0o777, 0o660)
})

test('docs/operate.md: Postfix knows its settings', (t) => {
  if (!needs(t, 'postconf')) return
  const folder = scratch(t)
  writeFileSync(join(folder, 'main.cf'), `compatibility_level = 3.6\n${postfix}`)
  writeFileSync(join(folder, 'master.cf'), 'lmtp unix - - n - - lmtp\n')
  const { stdout, stderr, status } = spawnSync('postconf', ['-c', folder, '-n'], { encoding: 'utf8' })
  assert.deepEqual([stderr, status], ['', 0])
  for (const line of postfix.split('\n').filter((each) => /^\w/.test(each)))
    assert.ok(stdout.includes(line), line)
})

test('docs/operate.md: Postfix hands over by LMTP what comes for a user, and refuses at once what comes for nobody', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('This test starts Postfix: be root.')
  if (!needs(t, 'postfix')) return
  const shell = new Shell(t)
  chmodSync(shell.folder, 0o755) // Postfix reads and writes as a user of its own
  const at = (name: string) => join(shell.folder, name)
  const socket = join(at('run'), 'lmtp')
  const server = await world(t, { WAFER_LMTP_SOCKET: socket })
  chmodSync(at('run'), 0o755)
  await server.addUser('ann@example.org')
  const [, command = ''] = letIn.match(/^ExecStartPost=\+\/bin\/sh -c '(.+)'$/m) ?? []
  await shell.run(putIn(command, { '/run/wafer/lmtp': socket }))
  const [port] = await freePorts()
  mkdirSync(at('etc'))
  writeFileSync(
    join(at('etc'), 'main.cf'),
    `compatibility_level = 3.6\n${putIn(postfix, { '/run/wafer/lmtp': socket })}
myhostname = mail.example.org
mydestination =
mynetworks = 192.0.2.1
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_peername_lookup = no
address_verify_poll_delay = 1s
queue_directory = ${at('queue')}
data_directory = ${at('lib')}
maillog_file_prefixes = ${shell.folder}
maillog_file = ${at('log')}\n`,
  )
  // Name, kind, whether it is private, how many of it at most, program.
  const rows = [
    `127.0.0.1:${port} inet n - n - - smtpd`,
    'cleanup unix n - n - 0 cleanup',
    'qmgr unix n - n 300 1 qmgr',
    'postlog unix-dgram n - n - 1 postlogd',
    ...['verify', 'anvil', 'scache'].map((name) => `${name} unix - - n - 1 ${name}`),
    ...['bounce', 'defer', 'trace'].map((name) => `${name} unix - - n - 0 bounce`),
    ...['error', 'retry'].map((name) => `${name} unix - - n - - error`),
    ...['lmtp', 'proxymap'].map((name) => `${name} unix - - n - - ${name}`),
    'rewrite unix - - n - - trivial-rewrite',
  ]
  writeFileSync(join(at('etc'), 'master.cf'), `${rows.join('\n')}\n`)
  await shell.run(
    `mkdir ${at('queue')} ${at('lib')}; chown postfix ${at('lib')}; postfix -c ${at('etc')} start`,
  )

  const sent = (to: string) =>
    nodemailer
      .createTransport({ host: '127.0.0.1', port, ignoreTLS: true })
      .sendMail({ from: 'eve@far.example', to, subject: 'By Postfix', text: 'x' })
  try {
    await assert.rejects(sent('nobody@example.org'), /550 .*no such mailbox here/is)
    await assert.rejects(sent('bob@far.example'), /Relay access denied/)
    await sent('ann@example.org')
    const desk = await server.terminal('ann@example.org')
    const [mail] = await until('the mail', async () => {
      const { messages } = (await desk.get('/folders/inbox/messages')).body
      return messages.length > 0 ? messages : null
    })
    assert.equal(mail.subject, 'By Postfix')
  } finally {
    spawnSync('postfix', ['-c', at('etc'), 'stop'])
  }
})

test('docs/operate.md: the nightly backup is made and checked, and is the way back when the data folder is lost', async (t) => {
  const shell = new Shell(t)
  const here = { '/mnt/apart/': `${shell.folder}/apart-` }
  const backups = join(shell.folder, 'backups')
  mkdirSync(backups)
  await shell.run(`printf '%s\n' '${password}' | wafer user add ${ann} --password-stdin`)
  await shell.run(`printf '%s\n' '${passphrase}' | wafer key generate ${ann} --passphrase-stdin`)
  await shell.run(putIn(copies, here))

  const lines = cron.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  assert.equal(lines[0], 'WAFER_DATA=/var/lib/wafer')
  for (const line of lines.slice(1)) {
    const [, command = ''] = line.match(/^\d+ \d+ \* \* \* wafer (.+)$/) ?? []
    assert.doesNotMatch(command, /(?<!\\)%/, 'to cron a bare % is the end of the line')
    await shell.run(command.replaceAll('\\%', '%').replaceAll('/var/backups/wafer', backups))
  }
  const made = readdirSync(backups)
  assert.match(made.join(), /^\d{4}-\d\d-\d\d\.db$/)

  renameSync(join(shell.folder, 'data'), join(shell.folder, 'lost'))
  const documented = wayBack.match(/\/var\/backups\/\S+/)![0]
  const told = await shell.run(putIn(wayBack, { ...here, [documented]: join(backups, made[0]!) }))
  assert.match(told, /Ledger: complete and unchanged\./)
  assert.equal(await shell.run('wafer user list'), `${ann}\n`)
})

test('docs/operate.md: everything moves to PostgreSQL and back, and its own backup is the way back there', async (t) => {
  const server = await postgres(t)
  if (!server) return
  const [there, empty] = [server.database(), server.database()]
  const shell = new Shell(t)
  shell.env.PATH += `:${postgresFolder()}`
  const backups = scratch(t)
  await shell.run(`printf '%s\n' '${password}' | wafer user add ${ann} --password-stdin`)
  await shell.run(`printf '%s\n' '${passphrase}' | wafer key generate ${ann} --passphrase-stdin`)
  const moved = await shell.run(putIn(toPostgres, { 'postgres://wafer@db.example.org/wafer': `'${there}'` }))
  assert.match(moved, /Ledger: complete and unchanged\./)
  shell.env.WAFER_DATABASE = there
  await shell.run(putIn(dump, { '/var/backups/wafer': backups }))
  shell.env.WAFER_DATABASE = empty
  const told = await shell.run(putIn(wayBackThere, { '/var/backups/wafer': backups }))
  assert.match(told, /Ledger: complete and unchanged\./)
  const folder = join(shell.folder, 'of-its-own')
  await shell.run(putIn(fromPostgres, { '/var/lib/wafer-of-its-own': folder }))
  shell.env.WAFER_DATABASE = ''
  shell.env.WAFER_DATA = folder
  assert.equal(await shell.run('wafer user list'), `${ann}\n`)
})

test('docs/operate.md: installing and upgrading call what integration calls, and an upgrade begins with a copy', async (t) => {
  const integration = textOf('.ci/run')
  const shell = new Shell(t)
  await shell.run(`printf '%s\n' '${password}' | wafer user add ${ann} --password-stdin`)
  for (const text of installing) {
    await shell.run(text)
    for (const [, command = ''] of text.matchAll(/npm (pack|install --global)/g))
      assert.ok(integration.includes(`npm ${command}`), command)
  }
  assert.ok(existsSync(join(shell.folder, 'here', 'before-upgrade.db')))
})

// ---- hacking

const testing = block('docs/hacking.md', 'npm test')
const plan = block('docs/hacking.md', 'server/  main')
const map = block('README.md', 'server/  the server')
const oneTest = block('docs/hacking.md', '--test-name-pattern')

test('docs/hacking.md: the test command is that of integration, and the command for one test finds one', () => {
  assert.ok(textOf('.ci/run').endsWith(testing.trim().split(' && ').join('\n').concat('\n')))
  const [, pattern = '', file = ''] = oneTest.match(/--test-name-pattern=(\S+) (\S+)/) ?? []
  assert.ok(
    textOf(file)
      .split('\n')
      .some((line) => line.startsWith('test(') && line.includes(pattern)),
  )
})

test('The maps name each room of the house, and no other', () => {
  const foldersIn = (place: string) =>
    readdirSync(join(root, place), { withFileTypes: true })
      .filter((each) => each.isDirectory() && !/^(\.|node_modules|dist|data$)/.test(each.name))
      .map(({ name }) => name)
      .sort()
  const named = (indent: string) =>
    [...plan.matchAll(new RegExp(`^${indent}(\\w+)/`, 'gm'))].map(([, name]) => name!).sort()
  assert.deepEqual(named('  '), foldersIn('server'))
  assert.deepEqual([...named(''), 'docs'].sort(), foldersIn(''))
  for (const room of foldersIn('server')) assert.match(map, new RegExp(`\\b${room}\\b`))
  assert.deepEqual([...map.matchAll(/(\w+)\/ /g)].map(([, name]) => name).sort(), foldersIn(''))
})

// ---- all of them

test('Each link and each path in the documents leads somewhere', () => {
  for (const file of documents) {
    const text = textOf(file)
    const links = [...text.matchAll(/\]\(([^)#:]+)\)|src="([^"]+)"/g)].map(([, link, image]) =>
      join(dirname(file), link ?? image!),
    )
    const paths = [...text.matchAll(/`((?:server|web|tui|test|docs|migrations|\.ci)\/[\w./-]*)`/g)].map(
      ([, path]) => path!,
    )
    for (const path of [...links, ...paths]) assert.ok(existsSync(join(root, path)), `${file}: ${path}`)
  }
})

test('Each document is in the index, and the README leads to all that people need first', () => {
  const index = textOf('docs/README.md')
  for (const file of documents.slice(1))
    if (file !== 'docs/README.md') assert.ok(index.includes(`](${file.slice(5)})`), file)
})

test('docs/settings.md has each setting and no other; no document names one that there is not', () => {
  const isSetting = (name: string) => {
    try {
      readConfig({ [name]: '\0' })
    } catch (error) {
      return !(error as Error).message.includes('is not a setting')
    }
    return true
  }
  const named = new Set(documents.flatMap((file) => textOf(file).match(/\bWAFER_[A-Z_]+\b/g) ?? []))
  assert.deepEqual(
    [...named].filter((name) => !isSetting(name)),
    [],
  )
  const known = new Set(
    textOf('server/ground/config.ts')
      .match(/^ {2}WAFER_[A-Z_]+(?=: )/gm)!
      .map((each) => each.trim()),
  )
  const listed = textOf('docs/settings.md')
    .match(/^\| `.*?\|/gm)!
    .join()
    .match(/WAFER_[A-Z_]+/g)!
  assert.deepEqual([...listed].sort(), [...known].sort())
})

test('docs/commands.md has each command, and each npm script that is named is there', () => {
  const help = execFileSync(process.execPath, [wafer, '--help'], { encoding: 'utf8' })
  const commands = [...help.matchAll(/^wafer ([a-z-]+(?: [a-z]+\b(?!:))?)/gm)].map(([, name]) => name!)
  assert.ok(commands.length > 20)
  const listed = textOf('docs/commands.md')
  for (const name of commands) assert.match(listed, new RegExp(`\`${name}[ \`]`), name)
  const { scripts } = JSON.parse(textOf('package.json'))
  for (const file of documents)
    for (const [, name] of textOf(file).matchAll(/npm run (?:--silent )?(\w+)/g))
      assert.ok(scripts[name!], `${file}: ${name}`)
})

test('docs/operate.md: the limits in the table are those of the program', () => {
  const table = textOf(operate).split('## Limits')[1]!
  const mib = (octets: number) => `${octets / 1024 / 1024} MiB`
  const many = (count: number) => count.toLocaleString('en-US')
  const minutes = (ms: number) => (ms < 60_000 ? `${ms / 1000} seconds` : `${ms / 60_000} minutes`)
  const { connections, smtpLimits } = limits
  const rows = {
    'a mail that comes in': mib(smtpLimits.messageOctets),
    'a letter with its files': mib(limits.letterFormLimit),
    'the text of a letter': `${mib(limits.letterTextLimit)}; ${limits.addressFieldLimit / 1024} KiB`,
    'recipients of a letter': `${many(limits.recipientLimit)}; ${limits.attachmentLimit}`,
    'all copies of one': `${limits.separateOctetsLimit / 1e6} MB`,
    'other bodies of the API': `${limits.jsonDepthLimit} deep, ${many(limits.jsonValueLimit)} values`,
    'parked forms': `${mib(limits.parkedOctetsLimit)}, ${mib(limits.parkedOctetsReserve)} more for text alone; ${limits.parkedFormLimit}`,
    'what became of a letter': `${limits.letterMemoryMs / 86_400_000} days`,
    'a file of keys': `${mib(limits.keyFileLimit)}, ${limits.keysOfFile} secret keys`,
    'a chosen password': `${limits.chosenSecretCharacters} characters`,
    'connections to the pages': `${many(connections.inAll)}, ${connections.ofClient}`,
    'time for the body': `${minutes(connections.bodyMs)}; ${minutes(connections.uploadMs)}; as long as ${connections.streams.octets / 1024} KiB come in a minute`,
    'connections for mail': `${smtpLimits.connections}, ${smtpLimits.connectionsPerClient}; ${minutes(smtpLimits.idleMs)}; ${minutes(smtpLimits.dataMs)}`,
    'mail of one network': `${mib(smtpLimits.octetsPerMinute)}, ${many(smtpLimits.copiesPerMinute)} copies`,
    'recipients who do not exist': `${smtpLimits.unknownRecipients} in ${minutes(smtpLimits.unknownRecipientsMs)}`,
    'servers that a mail': `${smtpLimits.hops}`,
    'mails that are being': mib(smtpLimits.octetsAtOnce),
    'child processes': `${many(limits.waitingLimit)}, ${limits.waitingLimitOfUser}; ${minutes(limits.waitMs)}`,
    'text of a mail that is shown': `${limits.searchTextOctets / 1024} KiB`,
  }
  for (const [begin, figures] of Object.entries(rows)) {
    const row = table.split('\n').find((line) => line.startsWith(`| ${begin}`))
    assert.ok(row?.includes(figures), `expected ${figures} in ${row}`)
  }
})

test('No block in a fence is untried', () => {
  assert.deepEqual(
    blocks.filter(({ isTried }) => !isTried).map(({ file, text }) => `${file}: ${text}`),
    [],
  )
})
