/**
 * Terminals whose locale is not UTF-8: what reaches them is ASCII, octet by octet, whichever client writes. Needs the
 * bundle (npm run build).
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { inAscii, isUtf8 } from '../../tui/text/locale.ts'
import { cells } from '../../tui/text/text.ts'
import { wafer } from '../support/places.ts'
import { needs } from '../support/programs.ts'
import { RealTerminal } from '../support/terminals.ts'
import { password, world } from '../support/world.ts'

const ann = 'ann@wafer.test'
/** Each has 0x9b in its UTF-8, and what stands behind it would be a command to a terminal. */
const hostile = 'é日本語 \u201b2J \u061b31m \u{1f45b}'

test('The locale is read as POSIX has it, and what is not UTF-8 gets question marks of the same width', () => {
  for (const [environment, expected] of [
    [{ LANG: 'en_GB.UTF-8' }, true],
    [{ LANG: 'C.utf8' }, true],
    [{ LANG: 'en_GB.UTF-8', LC_ALL: 'C' }, false],
    [{ LANG: 'en_GB.UTF-8', LC_ALL: '' }, true],
    [{ LANG: 'C', LC_CTYPE: 'UTF-8' }, true],
    [{ LANG: 'de_DE.ISO-8859-1' }, false],
    [{ LANG: 'ja_JP.eucJP' }, false],
    [{}, false],
  ] as const)
    assert.equal(isUtf8(environment), expected, JSON.stringify(environment))
  for (const text of ['Zürich', '日本語', 'x\u0302', '\u{1f600}', 'ánn@wafer.test', hostile])
    assert.equal(cells(inAscii(text)), cells(text), text)
  assert.equal(inAscii('\x1b[1m“Tea” – ánn\x1b[0m'), '\x1b[1m"Tea" - ?nn\x1b[0m')
})

test('With a locale that is not UTF-8 no octet above 0x7f goes to the terminal', async (t) => {
  if (!needs(t, 'tmux')) return
  const server = await world(t)
  await server.addUser(ann)
  const word = `=?utf-8?B?${Buffer.from(hostile).toString('base64')}?=`
  await server.deliver(
    ann,
    `From: ${word} <bob@example.org>\nTo: ${ann}\nSubject: Tea ${word}\nContent-Type: text/plain; charset=utf-8\n\nText ${hostile} ends\n`,
  )
  for (const environment of [
    { LC_ALL: 'C', LANG: 'C.UTF-8' },
    { LC_ALL: '', LANG: 'de_DE.ISO-8859-1' },
  ]) {
    const terminal = await RealTerminal.open(t, { columns: 80, rows: 24 }, environment)
    const log = await terminal.log()
    const clean = () => {
      const octets = readFileSync(log)
      assert.ok(octets.length > 100)
      const at = octets.findIndex((octet) => octet > 0x7f)
      assert.equal(at, -1, JSON.stringify(octets.subarray(Math.max(0, at - 40), at + 20).toString('latin1')))
    }
    await terminal.start('--server', server.url)
    await terminal.sees('User ID', 'question marks')
    await terminal.type(ann)
    await terminal.keys('Enter')
    await terminal.type(password)
    await terminal.keys('Enter')
    await terminal.sees('Tea ?')
    await terminal.keys('Enter')
    await terminal.sees('Text ?')
    await terminal.keys('q')
    await terminal.sees('Tea ?')
    await terminal.keys('C-c')
    await terminal.sees('ended with 0')
    clean()

    await terminal.start('--plain', '--server', server.url)
    await terminal.sees('question marks', 'User ID')
    await terminal.line(ann)
    await terminal.sees('Password')
    await terminal.line(password)
    await terminal.sees('Tea ?')
    await terminal.line('read 1')
    await terminal.sees('Text ?')
    await terminal.line('quit')
    await terminal.sees('ended with 0')
    clean()

    const script = `${process.execPath} ${wafer}`
    await terminal.line(
      `clear; echo ${JSON.stringify(password)} | ${script} login --server ${server.url} --user ${ann} --password-stdin`,
    )
    await terminal.sees('session ends')
    await terminal.line(`clear; ${script} read 1; ${script} ls --json; echo done`)
    await terminal.sees(/^done/m, 'Text ?', '\\u65e5')
    clean()
  }
})

test('What goes to a file or a pipe is UTF-8 whatever the locale, and JSON is the same text', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  await server.deliver(ann, `From: bob@example.org\nTo: ${ann}\nSubject: =?utf-8?Q?=E6=97=A5?=\n\nText\n`)
  const home = join(server.folder, 'home')
  const env = { PATH: process.env.PATH, HOME: home, XDG_STATE_HOME: home, LC_ALL: 'C' }
  const run = (words: string[], input = '') => {
    const child = promisify(execFile)(process.execPath, [wafer, ...words], { env })
    child.child.stdin?.end(input)
    return child
  }
  await run(['login', '--server', server.url, '--user', ann, '--password-stdin'], password)
  assert.match((await run(['ls'])).stdout, /\t日\n$/)
  const { stdout } = await run(['ls', '--json'])
  assert.match(stdout, /^[\x00-\x7e]*$/)
  assert.equal(JSON.parse(stdout)[0].subject, '日')
})
