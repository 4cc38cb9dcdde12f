/**
 * All tests, those that ask the database on both engines: each file in a process of its own, several at a time, so that
 * one waits while another works. What a file says is printed in one piece when it has ended; what failed, once more at
 * the end.
 */
import { spawn } from 'node:child_process'
import { globSync, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { filesOnPostgres, noPostgres, withPostgres } from './on-postgres.ts'
import { root, worldsFolder } from './places.ts'

/** Those that take longest begin first: at the end nobody waits for one of them. */
const longest = [
  'house/installed.test.ts',
  'pages/passkey-pages.test.ts',
  'house/commands.test.ts',
  'house/turns.test.ts',
  'house/postgres-commands.test.ts',
  'keys/passkeys.test.ts',
  'pages/authenticators.test.ts',
  'pages/text-browsers.test.ts',
  'terminal/terminal-client.test.ts',
  'terminal/terminal-screens.test.tsx',
  'house/nodes.test.ts',
  'terminal/scripts.test.ts',
  'pages/pages.test.ts',
  'pages/chromium.test.ts',
  'terminal/terminal-compose.test.ts',
].map((file) => `test/${file}`)

process.env.TMPDIR = worldsFolder()

/**
 * What Node.js compiles is the same for each file, and is kept for the next. It is told so by no variable: the programs
 * that tests start are as they are.
 */
const compiled = mkdtempSync(join(process.env.TMPDIR, 'wafer-compiled-'))
process.once('exit', () => rmSync(compiled, { recursive: true, force: true }))
const keeping = `data:text/javascript,import{enableCompileCache}from'node:module';enableCompileCache('${compiled}')`

type Job = { file: string; database: string | null }
type Outcome = Job & { code: number; said: string }

/** Half of the time a test waits for other programs, or for what has to take a while. */
const atOnce = 2 * availableParallelism()

/** A file that has not ended by then never does; what it said until then is still told. */
const hangsMs = 900_000

const running = new Set<ReturnType<typeof spawn>>()
let isEnding = false
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    isEnding = true
    for (const each of running) each.kill(signal)
  })

const run = ({ file, database }: Job): Promise<Outcome> =>
  new Promise((resolve) => {
    const begunMs = performance.now()
    const node = spawn(process.execPath, ['--import', keeping, '--import', 'tsx', file], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: database ? { ...process.env, WAFER_DATABASE: database } : process.env,
    })
    running.add(node)
    const limit = setTimeout(() => node.kill('SIGKILL'), hangsMs)
    let said = ''
    for (const stream of [node.stdout, node.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text
      })
    node.once('close', (code) => {
      running.delete(node)
      clearTimeout(limit)
      const seconds = ((performance.now() - begunMs) / 1000).toFixed(1)
      const title = `${file}${database ? ' on PostgreSQL' : ''}, ${seconds} s`
      resolve({ file, database, code: code ?? 1, said: `\n${title}\n${said}` })
    })
  })

const runAll = async (jobs: Job[]): Promise<Outcome[]> => {
  const left = [...jobs]
  const outcomes: Outcome[] = []
  const take = async () => {
    for (let job = left.shift(); job && !isEnding; job = left.shift()) {
      const outcome = await run(job)
      process.stdout.write(outcome.said)
      outcomes.push(outcome)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, take))
  return outcomes
}

const rank = (file: string) => {
  const at = longest.indexOf(file)
  return at < 0 ? longest.length : at
}
const inOrder = (jobs: Job[]) => jobs.toSorted((a, b) => rank(a.file) - rank(b.file))

const files = globSync('test/**/*.test.{ts,tsx}', { cwd: root }).sort()
const strays = longest.filter((file) => !files.includes(file))
if (strays.length > 0) throw new Error(`expected files of tests, got ${strays}`)
const onSqlite = files.map((file) => ({ file, database: null }))

const both = await withPostgres((database) =>
  runAll(inOrder([...onSqlite, ...filesOnPostgres().map((file) => ({ file, database }))])),
)
const outcomes = both ?? (await runAll(inOrder(onSqlite)))

const failed = outcomes.filter(({ code }) => code !== 0)
for (const { said } of failed) process.stdout.write(`\nFailed: ${said}`)
const counted = (what: string) =>
  outcomes.reduce(
    (sum, { said }) => sum + Number(said.match(new RegExp(`^ℹ ${what} (\\d+)$`, 'm'))?.[1] ?? 0),
    0,
  )
console.log(
  ['', ...['tests', 'pass', 'fail', 'skipped'].map((what) => `ℹ ${what} ${counted(what)}`)].join('\n'),
)
console.log(`ℹ ${outcomes.length} files, ${failed.length} failed, ${(performance.now() / 1000).toFixed(0)} s`)
if (!both) console.log(noPostgres)
process.exitCode = failed.length > 0 || isEnding || (!both && process.env.CI) ? 1 : 0
