/**
 * The tests of services, API, pages and SMTP once more, on a PostgreSQL server that is started for them. Each world makes
 * a database of its own there, from a template that has the tables (databases.ts).
 *
 * `npm run test:postgres -- FILE…` runs these files alone; options are the test runner's.
 */
import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { openPostgres } from '../../server/ground/store/postgres.ts'
import { root } from './places.ts'
import { Postgres, postgresFolder } from './postgres.ts'

/** All that asks the database within the test's own process. Other programs are driven on SQLite alone. */
const told = [
  'test/{keys,mail}/*.test.ts',
  'test/pages/pages.test.ts',
  'test/house/{api,clock,form-turns,store,web-server}.test.ts',
]
/** Of what mail is and how long it takes to read, which is asked of child processes, not of a database. */
const notTold = 'test/mail/{answering,charsets,foreign-mail,hostile-mail,mail-turns,reading,reports}.test.ts'

const run = (url: string, parameters: string[]): Promise<number> =>
  new Promise((resolve) => {
    const node = spawn(process.execPath, ['--import', 'tsx', '--test', ...parameters], {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, WAFER_DATABASE: url },
    })
    node.once('exit', (code) => resolve(code ?? 1))
    // Who ends this ends the tests, and then the server.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => node.kill(signal))
  })

const chosen = process.argv.slice(2)
const isFile = (parameter: string) => !parameter.startsWith('-')
const files = chosen.some(isFile)
  ? []
  : globSync(told, { cwd: root, exclude: globSync(notTold, { cwd: root }) })
const bin = postgresFolder()
if (!bin) {
  const sentence =
    'These tests run once more on PostgreSQL 15 or newer: install with apt-get install postgresql.'
  console.log(sentence)
  process.exitCode = process.env.CI ? 1 : 0
} else {
  const server = new Postgres(bin)
  try {
    await server.start()
    const template = server.database()
    await (await openPostgres(template)).close()
    process.exitCode = await run(template, ['--test-concurrency=3', ...chosen, ...files])
  } finally {
    await server.remove()
  }
}
