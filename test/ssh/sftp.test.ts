/** Files by SFTP over the SSH port: with other people's programs, by hand, and while things die. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import type { SFTPWrapper } from 'ssh2'
import { readConfig } from '../../server/ground/config.ts'
import { fileLimits, sftpLimits } from '../../server/ground/limits.ts'
import { openServices } from '../../server/main.ts'
import { needs } from '../support/programs.ts'
import { answered, flags, ok, packed, request, sftpByHand } from '../support/sftp.ts'
import { ann, served as onSsh, serving, until } from '../support/ssh.ts'
import { withKey } from '../support/turns.ts'
import { passphrase, password, Terminal } from '../support/world.ts'

const failure = 4
const denied = 3
const noSuchFile = 2
const atEnd = 1
const { read, write, create, truncate, append, exclusive } = flags
const anew = write | create | truncate

const served = async (t: TestContext, settings: Record<string, string> = {}) => {
  const { server, port, person } = await onSsh(t, settings)
  return { server, port, person, desk: await server.terminal(ann, 'desk') }
}

const pathsOf = async (desk: Terminal): Promise<string[]> =>
  (await desk.get('/files')).body.files.map(({ name }: { name: string }) => name)

const reading = async (desk: Terminal, url: string, path: string) => {
  const headers = { authorization: `Bearer ${desk.token}`, 'wafer-key': desk.keyToken! }
  return Buffer.from(await (await fetch(`${url}/api/files/${path}`, { headers })).arrayBuffer())
}

test('With the programs that people have a user puts, lists, renames and removes while the key is locked, and reads once it is open (P88/P24)', async (t) => {
  if (!needs(t, 'ssh', 'sftp', 'scp', 'psftp', 'lftp')) return
  const { server, port, person, desk } = await served(t)
  const key = person.newKey('log-in', 'ed25519')
  assert.equal((await desk.post('/ssh-keys', { key: key.line })).status, 201)
  const control = ['-o', `ControlPath=${person.file('control')}`]
  const options = person.words({ identity: key.file, password: null, options: control }).slice(0, -1)
  writeFileSync(person.file('config'), `Host box\n${settings(options)}`)
  const large = randomBytes(5_000_000)
  mkdirSync(person.file('tree/in'), { recursive: true })
  writeFileSync(person.file('tree/large.bin'), large)
  writeFileSync(person.file('tree/in/note.txt'), 'the third pot\n')
  writeFileSync(person.file('tree/empty'), '')
  const ran = async (program: string, words: string[], input = '') => {
    const child = spawn(program, words, { cwd: person.folder, env: { ...process.env, HOME: person.folder } })
    let out = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (out += text))
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    const [code] = await once(child, 'close')
    return { code, out }
  }
  const sftp = (...lines: string[]) =>
    ran('sftp', ['-F', person.file('config'), '-b', '-', 'box'], `${lines.join('\n')}\n`)

  // OpenSSH's, with the key locked.
  const locked = await sftp(
    'put -r tree',
    'mkdir d',
    'rename tree/in/note.txt d/pots.txt',
    'ls -l d',
    'chmod 600 d/pots.txt',
    'df',
    '-ln -s a b',
    '-get d/pots.txt',
    '-rmdir d',
    'rm tree/empty',
    '-cd ../../etc',
    'pwd',
  )
  assert.equal(locked.code, 0, locked.out)
  assert.match(locked.out, /^-rw------- +1 you +you +14 \w{3} [ \d]\d \d\d:\d\d pots\.txt$/m)
  assert.match(locked.out, /remote open "\/d\/pots\.txt": Permission denied/)
  assert.match(
    locked.out,
    /^Permission denied: unlock in a client .* approve on your phone .*\/a, code \d{6}\.$/m,
  )
  assert.match(locked.out, /Operation unsupported/)
  assert.match(locked.out, /The folder d is not empty/)
  assert.match(locked.out, /Remote working directory: \/$/m)
  assert.deepEqual(await pathsOf(desk), ['d/pots.txt', 'tree/large.bin'])

  // Over one connection: opened in a client, it reads in all programs that share it.
  const shared = person.start([], { identity: key.file, password: null, options: [...control, '-M', '-N'] })
  t.after(() => shared.kill('SIGKILL'))
  await until(async () => (await ran('ssh', ['-F', person.file('config'), '-O', 'check', 'box'])).code === 0)
  const command = (words: string[], input = '') =>
    ran('ssh', ['-F', person.file('config'), 'box', ...words], input)
  assert.equal((await command(['unlock', '--passphrase-stdin'], `${passphrase}\n`)).code, 0)
  const opened = await sftp('get tree/large.bin back.bin', 'get d/pots.txt', 'reget d/pots.txt')
  assert.equal(opened.code, 0, opened.out)
  assert.ok(readFileSync(person.file('back.bin')).equals(large))
  assert.equal(readFileSync(person.file('pots.txt'), 'utf8'), 'the third pot\n')
  const config = ['-F', person.file('config')]
  assert.deepEqual(await ran('scp', [...config, '-rp', 'tree', 'box:copy']), { code: 0, out: '' })
  assert.deepEqual(await ran('scp', [...config, '-r', 'box:copy', 'copied']), { code: 0, out: '' })
  assert.ok(readFileSync(person.file('copied/large.bin')).equals(large))
  assert.match((await ran('scp', [...config, '-O', 'tree/empty', 'box:'])).out, /scp -s/)

  // The commands for scripts: by standard input and output.
  const listed = await command(['files', 'ls', 'copy', '--json'])
  assert.deepEqual(
    JSON.parse(listed.out).map(({ name, size }: { name: string; size: number }) => [name, size]),
    [
      ['empty', 0],
      ['in', 0],
      ['large.bin', 5_000_000],
    ],
  )
  assert.deepEqual(await command(['files', 'put', 'notes/one.txt'], 'uno\n'), {
    code: 0,
    out: 'notes/one.txt\t4\n',
  })
  assert.deepEqual(await command(['files', 'put', '-', 'notes/one.txt'], 'dos\n'), {
    code: 0,
    out: 'notes/one.txt\t4\n',
  })
  assert.deepEqual(await command(['files', 'get', '/notes/one.txt']), { code: 0, out: 'dos\n' })
  assert.match((await command(['files', 'rm', 'copy'])).out, /is not empty\. With --all/)
  assert.equal((await command(['files', 'rm', 'copy', '--all'])).code, 0)
  assert.match((await command(['files', 'put', '-'], 'x')).out, /needs a path, as in files put plan/)
  assert.match((await command(['files', 'put', '../x'], 'x')).out, /no part of it is \. or \.\./)
  assert.match((await command(['search', 'is:blue'])).out, /Not understood: is:blue/)
  const send = ['send', '--to', ann, '--attach']
  const [, sent = ''] = (await command([...send, '/notes/one.txt'], 'x')).out.match(/^id\t(\d+)\n/) ?? []
  assert.match((await command(['read', sent])).out, /^attachment\t2\tone\.txt\ttext\/plain\t4$/m)
  assert.match((await command([...send, 'none'], 'x')).out, /no such file/)
  assert.equal((await command(['lock'])).code, 0)
  assert.match((await command([...send, 'notes/one.txt'], 'x')).out, /The secret key is locked/)
  assert.deepEqual(await command(['files', 'get', 'notes/one.txt']), {
    code: 1,
    out: 'wafer: The secret key is locked: open the key with unlock --passphrase-stdin, over a connection that both share (ControlMaster of OpenSSH).\n',
  })
  await ran('ssh', [...config, '-O', 'exit', 'box'])

  // PuTTY's, and lftp, which say what the server said.
  writeFileSync(
    person.file('lines'),
    'put tree/in/note.txt p.txt\nls\nget p.txt p.back\nmv p.txt q.txt\ndel q.txt\nrmdir tree\n',
  )
  const hostKey = server.running.ssh!.fingerprint
  const putty = await ran('psftp', [
    '-batch',
    '-P',
    String(port),
    '-l',
    ann,
    '-pw',
    password,
    '-hostkey',
    hostKey,
    '-be',
    '-b',
    'lines',
    '127.0.0.1',
  ])
  assert.match(putty.out, /14 \w{3} [ \d]\d \d\d:\d\d p\.txt/)
  assert.match(putty.out, /\/p\.txt: open for read: permission denied/)
  assert.match(putty.out, /\/p\.txt -> \/q\.txt\s+rm \/q\.txt: OK/)
  assert.match(putty.out, /The folder tree is not empty/)
  const lines = [
    `set sftp:connect-program "ssh -a -x ${config.join(' ')}"`,
    'set net:max-retries 1',
    `open sftp://${encodeURIComponent(ann)}:x@box`,
    'mirror -R tree mirrored',
    'cat mirrored/in/note.txt',
    'mv mirrored/large.bin large.bin',
    'rm -r mirrored',
  ]
  const mirrored = await ran('lftp', ['-c', lines.join('; ')])
  assert.match(mirrored.out, /Access failed: Permission denied: unlock in a client/)
  assert.deepEqual(await pathsOf(desk), ['d/pots.txt', 'large.bin', 'notes/one.txt', 'tree/large.bin'])
  await desk.unlock()
  assert.ok((await reading(desk, server.url, 'large.bin')).equals(large))
  // Somebody else has the key: that is said.
  assert.match((await sftp('-get d/pots.txt')).out, /^Permission denied: .*desk/m)
})

/** Options as `-o A=B` as the lines of a configuration. */
const settings = (words: string[]) => {
  const named: Record<string, string> = { '-p': 'Port', '-l': 'User' }
  const lines = ['HostName 127.0.0.1']
  for (let at = 0; at < words.length; at += 2) {
    const [word, value] = [words[at]!, words[at + 1]!]
    if (word === '-o') lines.push(value.replace('=', ' '))
    else if (named[word]) lines.push(`${named[word]} ${value}`)
  }
  return `${lines.map((line) => `  ${line}`).join('\n')}\n`
}

test('A phone opens the key for all channels of the connection, and each end of reading is told (P88/P24)', async (t) => {
  const { server, port, desk } = await served(t)
  const { approvals, users, sessions } = server.services
  const { client, channel } = await sftpByHand(t, port, ann)
  const [one, two] = [await channel(), await channel()]
  const file = randomBytes(3 * fileLimits.pieceOctets + 5)
  const handle = await one.opened('a.bin', anew)
  const answers: Promise<{ code: number }>[] = []
  for (let at = 0; at < file.length; at += 100_000)
    answers.push(one.write(handle, at, file.subarray(at, at + 100_000)))
  for (const { code } of await Promise.all(answers)) assert.equal(code, ok)
  assert.equal((await one.close(handle)).code, ok)

  const refused = await one.open('a.bin', read)
  const [, code] = /^Permission denied: unlock .*\/a, code (\d{6})\.$/.exec(refused.sentence)!
  assert.deepEqual([refused.code, (await two.open('a.bin', read)).sentence], [denied, refused.sentence])
  assert.equal(one.said, `${refused.sentence}\n`)
  const user = await users.named(ann)
  const [asked] = await approvals.pending(user)
  assert.deepEqual([asked!.terminal, asked!.scope], ['SSH from 127.0.0.1', 'read'])
  const phone = await sessions.contact(desk.token!)
  await approvals.approve(phone!, asked!.id, code!, { passphrase })

  const from = await two.opened('a.bin', read)
  const parts: Buffer[] = []
  for (let at = 0; ; ) {
    const reply = await two.read(from, at, 70_000)
    if (reply.type !== answered.data) {
      assert.equal(reply.code, atEnd)
      break
    }
    parts.push(reply.octets)
    at += reply.octets.length
  }
  assert.ok(Buffer.concat(parts).equals(file))
  // By a library that sends and asks for many pieces at a time, as they come.
  const folder = mkdtempSync(join(tmpdir(), 'wafer-sftp-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'many'), file)
  const many = await new Promise<SFTPWrapper>((resolve, reject) =>
    client.sftp((error, sftp) => (error ? reject(error) : resolve(sftp))),
  )
  await promisify(many.fastPut.bind(many) as Fast)(join(folder, 'many'), 'many', {})
  await promisify(many.fastGet.bind(many) as Fast)('many', join(folder, 'back'), {})
  assert.ok(readFileSync(join(folder, 'back')).equals(file))
  // Anywhere, in any order.
  for (const at of [file.length - 10, 0, 1_500_000, 1_400_000, 3_100_000, 5])
    assert.ok(
      (await one.read(await one.opened('a.bin', read), at, 10).then((reply) => reply.octets)).equals(
        file.subarray(at, at + 10),
      ),
    )
  for (const at of [file.length, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n])
    assert.equal((await two.read(from, at, 10)).code, atEnd)
  const { events } = (await desk.get('/log')).body
  assert.ok(
    events.some(
      ({ event, terminal }: { event: string; terminal: string }) =>
        event === 'used' && terminal === 'SSH from 127.0.0.1',
    ),
  )

  // Replaced, and gone, while it is read.
  const again = await two.opened('a.bin', anew)
  assert.equal((await two.write(again, 0, 'another file')).code, ok)
  assert.match((await two.read(from, 0, 10)).sentence, /^Another file has taken the place of this one/)
  assert.equal((await one.ask(request.remove, 'a.bin')).code, ok)
  assert.equal((await two.read(from, 0, 10)).code, noSuchFile)
  assert.equal((await two.write(again, 12, 'more')).code, noSuchFile)
  // Stopped elsewhere.
  await desk.post('/allowance/stop', { confirm: true })
  await one.opened('b', anew).then(async (b) => [await one.write(b, 0, 'x'), await one.close(b)])
  assert.match((await one.open('b', read)).sentence, /^Permission denied: unlock/)

  // Logged out elsewhere.
  const { terminals } = (await desk.get('/terminals')).body
  const { id } = terminals.find(({ terminal }: { terminal: string }) => terminal === 'SSH from 127.0.0.1')
  assert.equal((await desk.delete(`/terminals/${id}`)).status, 204)
  await until(() => one.isOver && two.isOver)
  assert.match(one.said, /This session is over/)
})

type Fast = (
  from: string,
  to: string,
  options: object,
  done: (error: Error | null | undefined) => void,
) => void

test('Writing is answered once it is stored, in whatever order it comes; two who write, a full box and what a box has not are told in sentences (P88/P24)', async (t) => {
  const { server, port, desk } = await served(t, { WAFER_QUOTA: '8MiB' })
  await desk.unlock()
  const { channel } = await sftpByHand(t, port, ann)
  const [one, two] = [await channel(), await channel()]
  const content = (path: string) => reading(desk, server.url, path).then((octets) => octets.toString())

  // What comes too early waits for what is missing; what was answered is there.
  const a = await one.opened('a', anew)
  const early = one.write(a, 3, 'def')
  assert.equal((await one.write(a, 0, 'abc')).code, ok)
  assert.equal(await content('a').then((text) => text.slice(0, 3)), 'abc')
  assert.equal((await early).code, ok)
  assert.equal(await content('a'), 'abcdef')
  // Read while it is written, by whoever has it open and by others.
  const both = await one.opened('b', read | anew)
  assert.equal((await one.write(both, 0, 'half ')).code, ok)
  assert.equal((await one.write(both, 5, 'done')).code, ok)
  assert.equal((await one.read(both, 0, 10)).code, denied)
  assert.equal((await one.ask(request.fstat, both)).type, answered.attrs)

  // From the beginning or the end on, and nowhere else; a gap that stays is told at the end.
  for (const offset of [2n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 64n - 1n]) {
    const reply = await one.write(a, offset, 'x')
    assert.deepEqual(
      [reply.code, /from their beginning, or from their end/.test(reply.sentence)],
      [failure, true],
    )
  }
  const gap = one.write(a, 8, 'x')
  assert.equal((await one.close(a)).code, failure)
  assert.equal((await gap).code, failure)
  assert.equal(await content('a'), 'abcdef')
  const end = await one.opened('a', write | append)
  assert.equal((await one.write(end, 0, 'ghi')).code, ok)
  assert.equal((await one.close(end)).code, ok)
  assert.equal(await content('a'), 'abcdefghi')

  // Two who write: the second goes on from what it saw, the first is told.
  const [first, second] = [await one.opened('a', write), await two.opened('a', write)]
  assert.equal((await two.write(second, 9, 'two')).code, ok)
  assert.match((await one.write(first, 9, 'one')).sentence, /12/)
  assert.equal(await content('a'), 'abcdefghitwo')

  // More who write at the same moment than the API takes of one user wait for each other, over whatever connection.
  const crowd = [one, two, await (await sftpByHand(t, port, ann)).channel()]
  const writers = Array.from({ length: 3 * fileLimits.transfersOfUser }, async (_, n) => {
    const sftp = crowd[n % crowd.length]!
    return { sftp, handle: await sftp.opened(`crowd ${n}`, anew) }
  })
  const written = (await Promise.all(writers)).map(({ sftp, handle }) => sftp.write(handle, 0, 'x'))
  for (const { code, sentence } of await Promise.all(written)) assert.equal(code, ok, sentence)

  // Names that are taken, over which one is put only where that is asked for.
  await two.opened('c', anew)
  assert.match((await one.open('c', write | create | exclusive)).sentence, /already/)
  assert.match((await one.ask(request.rename, 'a', 'c')).sentence, /There is a file c already/)
  assert.equal((await one.ask(request.extended, 'posix-rename@openssh.com', 'a', 'c')).code, ok)
  assert.equal(await content('c'), 'abcdefghitwo')
  assert.equal((await one.ask(request.mkdir, 'd', 0)).code, ok)
  for (const answer of [
    await one.ask(request.mkdir, 'd', 0),
    await one.open('d', read),
    await one.ask(request.remove, 'd'),
    await one.ask(request.rmdir, 'c'),
    await one.ask(request.rename, 'd', 'd/e'),
    await one.ask(request.extended, 'posix-rename@openssh.com', 'c', 'd'),
  ])
    assert.equal(answer.code, failure, answer.sentence)
  for (const answer of [
    await one.open('no/such', anew),
    await one.ask(request.mkdir, 'no/such', 0),
    await one.ask(request.rename, 'c', 'no/such'),
    await one.ask(request.opendir, 'c'),
    await one.ask(request.stat, 'no'),
    await one.ask(request.rmdir, '/'),
  ])
    assert.equal(answer.code, noSuchFile, answer.sentence)
  // Modes, owners and times are taken for what they are here: nothing.
  assert.equal((await one.ask(request.setstat, 'c', 0b1110, 1, 1, 0o777, 1, 1)).code, ok)
  assert.equal((await one.ask(request.setstat, 'c', 1, 0n)).code, ok)
  assert.equal(await content('c'), '')

  // A full box.
  const large = await one.opened('large', anew)
  const piece = randomBytes(100_000)
  const codes: Promise<{ code: number; sentence: string }>[] = []
  for (let n = 0; n < 100; n += 1) codes.push(one.write(large, n * piece.length, piece))
  const answers = await Promise.all(codes)
  const stored = answers.findIndex(({ code }) => code !== ok)
  assert.ok(stored > 60 && answers.slice(stored).every(({ code }) => code === failure))
  assert.match(answers[stored]!.sentence, /^There is no room for this: .* of 8 MiB are used/)
  assert.ok(
    (await reading(desk, server.url, 'large')).length >= stored * piece.length,
    'what was answered is there',
  )
  assert.equal(one.said.match(/There is no room/g)?.length, 1)
  const [, , , , available] = numbersIn((await one.ask(request.extended, 'statvfs@openssh.com', '/')).body)
  assert.ok(available! < 2048n)
})

const numbersIn = (body: Buffer) =>
  Array.from({ length: body.length / 8 }, (_, at) => body.readBigUInt64BE(8 * at))

test('Hostile names, packets and floods lead nowhere out of the box and hurt their own channel alone (P88/P24)', async (t) => {
  const { server, port, desk } = await served(t)
  const { channel } = await sftpByHand(t, port, ann)
  const good = await channel()
  const named = async (name: string | Buffer) => {
    const reply = await good.open(name, anew)
    if (reply.type === answered.handle) await good.close(reply.octets)
    return reply.type === answered.handle ? '' : reply.sentence
  }
  for (const name of [
    'a\nb',
    'a\0b',
    '\x1b[31mred',
    'a\x85b',
    'x'.repeat(256),
    'y'.repeat(300),
    `${'z/'.repeat(600)}z`,
  ])
    assert.match(await named(name), /This is no name for a file/, JSON.stringify(name))
  assert.match(await named(Buffer.from([0x61, 0xff, 0x62])), /UTF-8/)
  assert.match(await named(Buffer.from([0xed, 0xa0, 0x80])), /UTF-8/)
  assert.match(await named('no/../../etc/passwd'), /no such/i)
  for (const name of [
    '../../out.txt',
    '/./in//../one \u202egpj.txt',
    '-rf',
    '*',
    '"; rm',
    'é'.normalize('NFD'),
    '日本'.repeat(42),
  ])
    assert.equal(await named(name), '', name)
  const names = ['out.txt', 'one \u202egpj.txt', '-rf', '*', '"; rm', 'é', '日本'.repeat(42)]
  assert.deepEqual((await good.list('/../..')).sort(), [...names].sort())
  assert.deepEqual((await pathsOf(desk)).sort(), [...names].sort())
  assert.deepEqual((await good.ask(request.realpath, '/a/./b/../../../c/')).names, ['/c'])

  // Handles that nobody closes, and that nobody has.
  const replies = await Promise.all(Array.from({ length: 300 }, () => good.ask(request.opendir, '/')))
  assert.equal(replies.filter(({ type }) => type === answered.handle).length, sftpLimits.handles)
  assert.match(replies.at(-1)!.sentence, /Too many files are open/)
  for (const { type, octets } of replies.slice(0, sftpLimits.handles)) {
    assert.equal(type, answered.handle)
    assert.equal((await good.close(octets)).code, ok)
  }
  for (const handle of [replies[0]!.octets, Buffer.alloc(0), Buffer.alloc(4, 255), Buffer.alloc(200)])
    assert.equal((await good.read(handle, 0, 10)).code, failure)
  assert.equal((await good.ask(request.extended, 'copy-data', '')).code, 8)

  // What is no SFTP ends its channel, whatever it is.
  const broken: [string, Buffer][] = [
    ['a kind that there is not', packed(Buffer.from([77, 0, 0, 0, 1]))],
    ['nothing', packed('')],
    ['too long', Buffer.from('7fffffff03', 'hex')],
    ['longer than long', Buffer.from('ffffffff03', 'hex')],
    [
      'a handle that ends beyond the packet',
      packed(Buffer.concat([Buffer.from([request.read]), packed(1, 0xffff, 1, 1, 1, 1)])),
    ],
    ['an open without a name', packed(Buffer.from([request.open, 0, 0, 0, 1]))],
    [
      'attributes without end',
      packed(Buffer.concat([Buffer.from([request.mkdir]), packed(1, 'x', 0x80000000, 0xffffffff)])),
    ],
    ['another greeting', packed(Buffer.from([1, 0, 0, 0, 3]))],
    ['noise', randomBytes(50_000)],
  ]
  for (const [what, octets] of broken) {
    const bad = await channel()
    await bad.ask(request.realpath, '.')
    bad.stream.write(octets)
    await until(() => bad.isOver)
    assert.deepEqual((await good.ask(request.realpath, '.')).names, ['/'], what)
  }
  // Thousands of requests before any answer is taken, octet by octet at the end: all are answered, in turn.
  const flood = await channel()
  flood.stream.pause()
  const asked = Array.from({ length: 20_000 }, () => flood.ask(request.realpath, '/x/..'))
  for (const octet of packed(Buffer.concat([Buffer.from([request.realpath]), packed(99_999, '.')])))
    flood.stream.write(Buffer.from([octet]))
  assert.deepEqual((await good.ask(request.realpath, '.')).names, ['/'])
  flood.stream.resume()
  assert.ok((await Promise.all(asked)).every(({ names: [name] }) => name === '/'))
  assert.deepEqual(
    server.logged.filter((line) => line.includes('"level":50')),
    [],
  )
})

test('Whatever dies while a file is put, client, connection or server, what was answered is there and the rest goes on (P88/P24)', async (t) => {
  if (!needs(t, 'ssh', 'sftp')) return
  const folder = mkdtempSync(join(tmpdir(), 'wafer-sftp-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = randomBytes(24_000_000)
  writeFileSync(join(folder, 'file.bin'), file)
  writeFileSync(join(folder, 'ask'), `#!/bin/sh\necho '${password}'\n`, { mode: 0o700 })
  const data = join(folder, 'data')
  const config = { ...readConfig({ WAFER_DATA: data }), argon2: { memoryKiB: 64, passes: 1 } }
  const services = await openServices(config, { create: true })
  await withKey(services, ann)
  await services.close()

  const serve = async () => {
    const { child, url, port } = await serving(t, data)
    const desk = new Terminal(() => url)
    const { body } = await desk.post('/session', { user: ann, password, terminal: 'desk' })
    desk.token = body.token
    return { child, url, desk, port: String(port) }
  }
  const sftp = (port: string, line: string) => {
    const options = Object.entries({
      Port: port,
      StrictHostKeyChecking: 'no',
      UserKnownHostsFile: '/dev/null',
      IdentityFile: 'none',
      User: ann,
      LogLevel: 'ERROR',
      BatchMode: 'no',
    })
    const child = spawn(
      'sftp',
      [...options.flatMap(([name, value]) => ['-o', `${name}=${value}`]), '-b', '-', '127.0.0.1'],
      {
        cwd: folder,
        env: {
          PATH: process.env.PATH ?? '',
          DISPLAY: 'none',
          SSH_ASKPASS: join(folder, 'ask'),
          SSH_ASKPASS_REQUIRE: 'force',
        },
        stdio: ['pipe', 'ignore', 'ignore'],
      },
    )
    child.stdin.end(`${line}\n`)
    return child
  }
  const sizeAt = async (desk: Terminal): Promise<number> =>
    (await desk.get('/files')).body.files[0]?.size ?? 0

  const first = await serve()
  const client = sftp(first.port, 'put file.bin')
  await until(async () => (await sizeAt(first.desk)) > 2_000_000)
  client.kill('SIGKILL')
  await until(async () => (await first.desk.get('/terminals')).body.terminals.length === 1)
  const left = await sizeAt(first.desk)
  assert.ok(left < file.length)

  const going = sftp(first.port, 'reput file.bin')
  await until(async () => (await sizeAt(first.desk)) > left + 1_000_000)
  first.child.kill('SIGKILL')
  await once(going, 'close')
  const { desk, port, url } = await serve()
  const kept = await sizeAt(desk)
  assert.ok(kept > left && kept < file.length)
  const [code] = await once(sftp(port, 'reput file.bin'), 'close')
  assert.equal(code, 0)
  await desk.unlock()
  assert.ok((await reading(desk, url, 'file.bin')).equals(file))
})
