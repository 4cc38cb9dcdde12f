/**
 * What `npm run package` makes: the tarball where it is unpacked, and the package of Debian in a Debian of its own, as
 * small as debootstrap makes one. There is no systemd in it: what the unit starts is started by hand, as the unit's user.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { scratch, until } from '../support/browsers.ts'
import { root } from '../support/places.ts'
import { needs } from '../support/programs.ts'

const ann = 'ann@example.org'
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
const packages = join(root, 'dist', 'packages')
const tarball = join(packages, `wafer-${version}-linux-x64.tar.gz`)
const deb = join(packages, `wafer_${version}_amd64.deb`)

/** By this run: what lies there else may be of another day. */
let isMade = false
const make = (...scripts: ('tarball' | 'deb')[]) => {
  const env = { ...process.env, GZIP_LEVEL: '1', XZ_LEVEL: '0' }
  for (const script of scripts) execFileSync(join(root, 'packaging', script), { env })
  isMade = true
}
const sumOf = (file: string) => execFileSync('sha256sum', [file], { encoding: 'utf8' })

/** A Debian, kept as an archive between runs: making one takes most of a minute. */
const debian = (t: TestContext): string => {
  const archive = join(tmpdir(), 'wafer-test-bookworm.tar')
  if (!existsSync(archive)) {
    const made = scratch(t)
    chmodSync(made, 0o755) // it becomes the root
    execFileSync('debootstrap', ['--variant=minbase', 'bookworm', made], { stdio: 'ignore' })
    execFileSync('tar', ['-C', made, '-cf', `${archive}.${process.pid}`, '.'])
    renameSync(`${archive}.${process.pid}`, archive)
    rmSync(made, { recursive: true })
  }
  const folder = scratch(t)
  execFileSync('tar', ['-C', folder, '-xpf', archive])
  return folder
}

/** The same package as if it were of an earlier version. */
const earlier = (folder: string): string => {
  const tree = join(folder, 'tree')
  execFileSync('dpkg-deb', ['-R', deb, tree])
  for (const file of ['DEBIAN/control', 'usr/lib/wafer/package.json']) {
    const text = readFileSync(join(tree, file), 'utf8')
    writeFileSync(join(tree, file), text.replace(/^( *"?version"?: "?)[\d.]+/im, '$10.0.9'))
  }
  execFileSync('dpkg-deb', ['--root-owner-group', '-Znone', '-b', tree, join(folder, 'earlier.deb')])
  rmSync(tree, { recursive: true })
  return join(folder, 'earlier.deb')
}

/** A machine of which only the file system is its own; what it runs ends with the call. */
class Machine {
  readonly folder: string
  constructor(folder: string) {
    this.folder = folder
  }
  #words = (...words: string[]) => [
    ...['--mount', '--pid', '--fork', '--kill-child', `--mount-proc=${this.folder}/proc`],
    ...[
      'env',
      '-i',
      'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
      'LC_ALL=C.UTF-8',
      'DEBIAN_FRONTEND=noninteractive',
    ],
    ...['HOME=/root', 'chroot', this.folder, ...words],
  ]
  /** @returns what it prints */
  run(line: string, input = ''): string {
    const { stdout, stderr, status } = spawnSync('unshare', this.#words('sh', '-ec', line), {
      encoding: 'utf8',
      input,
    })
    assert.equal(status, 0, `${line}\n${stdout}${stderr}`)
    return stdout
  }
  refuses(line: string): string {
    const { stderr, status } = spawnSync('unshare', this.#words('sh', '-ec', line), { encoding: 'utf8' })
    assert.equal(status, 1, line)
    return stderr
  }
  start(...words: string[]): ChildProcess {
    return spawn('unshare', this.#words(...words), { stdio: ['ignore', 'pipe', 'inherit'] })
  }
}

/** Starts what the unit starts, asks for a page, and ends it. */
const servesAsTheUnitSays = async (t: TestContext, machine: Machine) => {
  const unit = machine.run('cat /usr/lib/systemd/system/wafer.service')
  const [, user = ''] = unit.match(/^User=(.+)$/m)!
  const [, command = ''] = unit.match(/^ExecStart=(.+)$/m)!
  const as = ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups', '--no-new-privs']
  const server = machine.start(...as, ...command.split(' '))
  t.after(() => server.kill('SIGKILL'))
  let said = ''
  server.stdout!.setEncoding('utf8').on('data', (text) => (said += text))
  const address = await until('an address', () => said.match(/^Wafer listens on (\S+)$/m)?.[1] ?? null)
  assert.equal((await fetch(`${address}/login`)).status, 200)
  // What unshare started is the server itself.
  const own = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8').trim()
  process.kill(Number(own), 'SIGTERM')
  await once(server, 'exit')
}

const onlyInIntegration = (t: TestContext, ...programs: string[]): boolean => {
  if (!process.env.CI) t.skip('This test makes a Debian and installs in it: set CI=true and be root.')
  return Boolean(process.env.CI) && needs(t, ...programs)
}

test('C17: the tarball is the same each time, and serves where it is unpacked, by a link and without a Node.js', async (t) => {
  if (!onlyInIntegration(t, 'dpkg-deb', 'lintian')) return
  make('tarball')
  const sum = sumOf(tarball)
  make('tarball', 'deb')
  assert.equal(sumOf(tarball), sum)
  const folder = scratch(t)
  execFileSync('tar', ['-xzf', tarball, '-C', folder])
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  for (const program of ['readlink', 'dirname'])
    execFileSync('ln', ['-s', `/usr/bin/${program}`, join(bin, program)])
  execFileSync('ln', ['-s', join(folder, `wafer-${version}-linux-x64`, 'bin', 'wafer'), join(bin, 'wafer')])
  const env = {
    PATH: bin,
    WAFER_DATA: join(folder, 'data'),
    WAFER_PORT: '0',
    WAFER_SMTP_PORT: '0',
    WAFER_SSH_PORT: '0',
  }
  assert.equal(execFileSync(join(bin, 'wafer'), ['--version'], { env, encoding: 'utf8' }), `${version}\n`)
  const server = spawn(join(bin, 'wafer'), ['serve'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => server.kill('SIGKILL'))
  let said = ''
  server.stdout.on('data', (text) => (said += text))
  const address = await until('an address', () => said.match(/^Wafer listens on (\S+)$/m)?.[1] ?? null)
  assert.equal((await fetch(`${address}/login`)).status, 200)
  server.kill('SIGTERM')
  assert.deepEqual(await once(server, 'exit'), [0, null])

  // How Node.js spells its own words is a hint and no warning, and takes a third of the time.
  const looking = ['--allow-root', '--dont-check-part', 'binaries/spelling']
  const { stdout } = spawnSync('lintian', [...looking, deb], { encoding: 'utf8' })
  assert.doesNotMatch(stdout, /^[EW]:/m)
})

test('C17: in a Debian the package installs, serves, is upgraded with mail in it, and leaves nothing when purged', async (t) => {
  if (!onlyInIntegration(t, 'debootstrap', 'dpkg-deb', 'unshare')) return
  if (!isMade) make('tarball', 'deb')
  const machine = new Machine(debian(t))
  const place = join(machine.folder, 'srv')
  copyFileSync(earlier(scratch(t)), join(place, 'earlier.deb'))
  machine.run('dpkg -i /srv/earlier.deb')
  assert.equal(machine.run('wafer --version'), '0.0.9\n')
  appendFileSync(
    join(machine.folder, 'etc/wafer/wafer.env'),
    'WAFER_PORT=0\nWAFER_SMTP_PORT=0\nWAFER_SSH_PORT=0\n',
  )
  assert.equal(machine.run('stat -c "%A %U:%G" /etc/wafer/wafer.env'), '-rw-r----- root:wafer\n')

  // Root calls, and all that it leaves is Wafer's.
  machine.run(`wafer user add ${ann} --password-stdin`, 'correct horse battery\n')
  machine.run(`wafer key generate ${ann} --passphrase-stdin`, 'the seal of ann\n')
  writeFileSync(join(place, 'tea.eml'), `From: ben@example.org\nTo: ${ann}\nSubject: Tea\n\nAt four.\n`)
  machine.run(`cd /srv; wafer mail import ${ann} tea.eml`)
  assert.equal(machine.run('find /var/lib/wafer ! -user wafer'), '')
  assert.equal(machine.run('stat -c "%A %U:%G" /var/lib/wafer'), 'drwx------ wafer:wafer\n')
  const nobody = machine.refuses('setpriv --reuid=65534 --regid=65534 --clear-groups wafer user list')
  assert.match(nobody, /^wafer: \/var\/lib\/wafer belongs to another user: [^\n]+\n$/)
  await servesAsTheUnitSays(t, machine)

  copyFileSync(deb, join(place, 'now.deb'))
  machine.run('dpkg -i /srv/now.deb')
  assert.equal(machine.run('wafer --version'), `${version}\n`)
  assert.match(machine.run('cat /etc/wafer/wafer.env'), /^WAFER_PORT=0$/m)
  await servesAsTheUnitSays(t, machine)
  assert.match(machine.run(`wafer mail export ${ann}`), /^At four\.$/m)
  assert.match(machine.run('wafer check'), /Ledger: complete and unchanged\./)

  machine.run('dpkg -r wafer')
  assert.ok(existsSync(join(machine.folder, 'var/lib/wafer/server-secret')), 'what is removed comes back')
  machine.run('dpkg -P wafer')
  assert.equal(
    machine.run('find / -xdev -name "*wafer*" -not -path "/proc/*"; getent passwd wafer || true'),
    '',
  )
})
