/** What `npm pack` makes, and the launcher that starts it on whatever Node.js a machine has. */
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { transformSync } from 'esbuild'
import { readConfig } from '../../server/ground/config.ts'
import { scratch, until } from '../support/browsers.ts'
import { root } from '../support/places.ts'

const launcher = join(root, 'server', 'launch.cjs')

/** Arguments of Node.js that make it say it is an old one. */
const asOldNode = (t: TestContext): string[] => {
  const file = join(scratch(t), 'old.cjs')
  writeFileSync(file, "Object.defineProperty(process.versions, 'node', { value: '20.11.0' })\n")
  return ['--require', file]
}

/** A folder to put on PATH, with a Node.js in it: this one, or one that tells another version. */
const folderWithNode = (t: TestContext, version?: string): string => {
  const folder = scratch(t)
  const node = join(folder, 'node')
  if (version === undefined) symlinkSync(process.execPath, node)
  else {
    writeFileSync(node, `#!/bin/sh\necho ${version}\n`)
    chmodSync(node, 0o755)
  }
  return folder
}

/** The package as npm lays it out, in a folder of its own; with better-sqlite3 beside it, as installed, or alone. */
const unpacked = (t: TestContext, { alone = false } = {}): { folder: string; files: string[] } => {
  const place = scratch(t)
  const [made] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--pack-destination', place], { cwd: root, encoding: 'utf8' }),
  ) as [{ filename: string; files: { path: string }[] }]
  const modules = join(place, 'lib', 'node_modules')
  const folder = join(modules, '@wafer-mail', 'wafer')
  mkdirSync(folder, { recursive: true })
  execFileSync('tar', ['-xzf', join(place, made.filename), '-C', folder, '--strip-components=1'])
  if (!alone)
    cpSync(join(root, 'node_modules', 'better-sqlite3'), join(modules, 'better-sqlite3'), { recursive: true })
  return { folder, files: made.files.map(({ path }) => path) }
}

const launch = (
  args: string[],
  { path = process.env.PATH ?? '', input = '', data }: { path?: string; input?: string; data?: string } = {},
) => {
  const env = { ...process.env, PATH: path, ...(data === undefined ? {} : { WAFER_DATA: data }) }
  return spawnSync(process.execPath, args, { encoding: 'utf8', env, input })
}

/** Serves, asks for a page, and ends it by the signal. @returns how the process that was started ended */
const served = async (
  t: TestContext,
  node: string,
  args: string[],
  signal: NodeJS.Signals,
  path = process.env.PATH ?? '',
) => {
  const env = {
    ...process.env,
    PATH: path,
    WAFER_DATA: scratch(t),
    WAFER_PORT: '0',
    WAFER_SMTP_PORT: '0',
    WAFER_SSH_PORT: 'off',
  }
  const server = spawn(node, [...args, 'serve'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => server.kill('SIGKILL'))
  let said = ''
  server.stdout.on('data', (text) => (said += text))
  const address = await until('an address', async () => said.match(/^Wafer listens on (\S+)$/m)?.[1] ?? null)
  assert.equal((await fetch(`${address}/login`)).status, 200)
  const pid = Number(said.match(/"pid":(\d+)/)?.[1])
  server.kill(signal)
  const [code, by] = await once(server, 'exit')
  return { code, by, isGone: () => spawnSync('kill', ['-0', `${pid}`]).status !== 0 }
}

test('The launcher is written in what Node.js 12 understands', () => {
  const source = readFileSync(launcher, 'utf8')
  const written = (target: string) => transformSync(source, { target, supported: { 'dynamic-import': true } })
  assert.equal(written('node12').code, written('esnext').code)
})

test('On an old Node.js commands run on the one that came along: arguments, input, output and exit codes are theirs', (t) => {
  const old = [...asOldNode(t), launcher]
  const data = join(scratch(t), 'data')
  const added = launch([...old, 'user', 'add', 'ann@wafer.test', '--password-stdin'], {
    input: 'correct horse battery\n',
    data,
    path: [folderWithNode(t), process.env.PATH].join(delimiter),
  })
  assert.deepEqual([added.stderr, added.stdout, added.status], ['', 'Added ann@wafer.test.\n', 0])
  const wrong = launch([...old, 'nonsense'])
  assert.match(wrong.stderr, /^wafer: There is no such command[^\n]*\n$/)
  assert.equal(wrong.status, 2)
  assert.equal(launch([...old, 'user', 'remove', 'bob@wafer.test'], { data }).status, 1)
})

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
  test(`A ${signal} to the launcher on an old Node.js ends the program, and the launcher as the program ends`, async (t) => {
    const path = [folderWithNode(t), process.env.PATH].join(delimiter)
    const direct = await served(t, process.execPath, [join(root, 'dist', 'wafer.js')], signal)
    const old = await served(t, process.execPath, [...asOldNode(t), launcher], signal, path)
    assert.deepEqual([old.code, old.by], [direct.code, direct.by])
    assert.ok(old.isGone())
  })

test('Where nothing came along, the launcher takes the first Node.js on PATH that is new enough', (t) => {
  const { folder } = unpacked(t, { alone: true })
  const installed = [...asOldNode(t), join(folder, 'server', 'launch.cjs')]
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const path = [folderWithNode(t, 'v20.11.0'), folderWithNode(t, 'v24.6.9'), folderWithNode(t)]
  const found = launch([...installed, '--version'], { path: path.join(delimiter) })
  assert.deepEqual([found.stderr, found.stdout, found.status], ['', `${version}\n`, 0])

  const none = launch([...installed, '--version'], { path: path.slice(0, 2).join(delimiter) })
  assert.match(none.stderr, /^wafer: Node\.js 24\.7 or newer is needed, and this is 20\.11\.0\.[^\n]*\n$/)
  assert.deepEqual([none.stdout, none.status], ['', 1])
})

test('An older Node.js of this machine starts the installed package, or says what it needs', (t) => {
  const { folder } = unpacked(t)
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/usr/local/bin']
  const old = folders
    .map((each) => join(each, 'node'))
    .find((node) => {
      const { stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' })
      return stdout !== null && /^v(1[2-9]|2[0-3])\./.test(stdout)
    })
  if (!old) return t.skip('There is no Node.js older than 24 on this machine.')
  const start = (path: string) =>
    spawnSync(old, [join(folder, 'server', 'launch.cjs'), '--help'], {
      encoding: 'utf8',
      env: { PATH: path },
    })
  assert.match(start(folderWithNode(t)).stdout, /^wafer serve\n/)
  const alone = start('')
  assert.match(alone.stderr, /^wafer: Node\.js 24\.7 or newer is needed[^\n]*\n$/)
  assert.equal(alone.status, 1)
})

test('The package serves where it is installed, and holds neither sources nor source maps', async (t) => {
  const { folder, files } = unpacked(t)
  assert.deepEqual(
    files.filter((file) => /\.(map|ts|tsx)$/.test(file)),
    [],
  )
  for (const file of ['LICENSE', 'README.md', 'THIRD-PARTY-NOTICES', 'server/launch.cjs', 'dist/child.js'])
    assert.ok(files.includes(file), file)
  const ended = await served(t, process.execPath, [join(folder, 'server', 'launch.cjs')], 'SIGTERM')
  assert.deepEqual([ended.code, ended.by], [0, null])
})

test('A package that was made before the program was built says so', (t) => {
  const folder = scratch(t)
  mkdirSync(join(folder, 'server'))
  cpSync(launcher, join(folder, 'server', 'launch.cjs'))
  const { stderr, status } = launch([join(folder, 'server', 'launch.cjs'), 'serve'])
  assert.match(stderr, /^wafer: The program is not there: [^\n]*npm run build\.\n$/)
  assert.equal(status, 1)
})

test('Only what the program loads when it runs is installed with it', () => {
  const { dependencies, private: isPrivate } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  assert.deepEqual(Object.keys(dependencies), ['better-sqlite3'])
  assert.ok(isPrivate)
})

test('The licence of each package that is bundled is in THIRD-PARTY-NOTICES', () => {
  const dist = join(root, 'dist')
  const built = readdirSync(dist).filter((file) => file.endsWith('.js'))
  const bundled = new Set<string>()
  // The bundler notes in a comment where each part comes from, except where names are shortened, as in the pages' scripts.
  for (const file of built)
    for (const [, name] of readFileSync(join(dist, file), 'utf8').matchAll(
      /^\/\/ (?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)\/.*$/gm,
    ))
      bundled.add(name!)
  for (const folder of ['server', 'tui', 'web'])
    for (const file of readdirSync(join(root, folder), { recursive: true }).map(String))
      if (/\.tsx?$/.test(file))
        for (const [, name] of readFileSync(join(root, folder, file), 'utf8').matchAll(
          /^import (?!type)(?:[^'";]* from )?'((?!node:)(?:@[^/']+\/)?[a-z][^/']*)/gm,
        ))
          bundled.add(name!)
  bundled.delete('better-sqlite3')
  for (const name of ['openpgp', 'htmx.org', 'hono', 'ink', 'drizzle-orm']) assert.ok(bundled.has(name), name)

  const chapters = readFileSync(join(root, 'THIRD-PARTY-NOTICES'), 'utf8').split(/^-{72}$/m)
  for (const name of [...bundled, 'yoga-layout', 'react-reconciler']) {
    const chapter = chapters.find((each) => each.trimStart().startsWith(`${name} `))
    assert.ok(chapter, `expected a chapter on ${name}, got none`)
    assert.ok(
      /permi(ssion|tted)|licensed under|public domain/i.test(chapter) && chapter.length > 500,
      `expected a licence of ${name}`,
    )
  }
  assert.match(chapters[0]!, /openpgp[\s\S]*replace/)
  assert.ok(chapters.some((each) => /^\s+GNU General Public License, version 3/.test(each)))
})

test('C17: the Containerfile takes what there is, and serves as nobody, from one volume, watched (docs/operate.md)', () => {
  const text = readFileSync(join(root, 'packaging', 'Containerfile'), 'utf8')
  const lines = text
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter(Boolean)
  const [, , last = ''] = text.split(/^FROM /m)
  const of = (word: string) =>
    lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1))
  const copied = of('COPY')
    .filter((line) => !line.startsWith('--from'))
    .flatMap((line) => line.split(' ').slice(0, -1))
  for (const source of copied) assert.ok(existsSync(join(root, source)), source)
  for (const source of ['server', 'web', 'tui', 'migrations', 'packaging', 'package-lock.json'])
    assert.ok(copied.includes(source), source)
  assert.ok(
    !copied.some((source) => /^\.(?!npmrc)|^data/.test(source)),
    'nothing of the person who builds it',
  )

  const settings = Object.fromEntries(
    of('ENV').flatMap((line) => line.split(/\s+/).map((each) => each.split('=') as [string, string])),
  )
  assert.deepEqual(of('VOLUME'), [settings.WAFER_DATA])
  assert.deepEqual(of('USER'), ['10001:10001'])
  assert.match(last, /--chown=10001:10001/)
  assert.match(of('HEALTHCHECK').join(), /\/healthz/)
  assert.throws(() => readConfig(settings), /WAFER_HOST is 0\.0\.0\.0/)
  const { port, smtpPort, sshPort } = readConfig({ ...settings, WAFER_PROXY: '10.88.0.0/16' })
  assert.deepEqual(of('EXPOSE'), [`${port} ${smtpPort} ${sshPort}`])
})

test('No script of a dependency runs when this is installed', () => {
  assert.match(readFileSync(join(root, '.npmrc'), 'utf8'), /^ignore-scripts=true$/m)
})

test('No document says npx wafer: that name is another project’s', () => {
  const documents = readdirSync(join(root, 'docs')).filter((file) => file.endsWith('.md'))
  for (const file of ['README.md', ...documents.map((each) => join('docs', each))])
    assert.doesNotMatch(readFileSync(join(root, file), 'utf8'), /npx\s+wafer/)
})
