/**
 * Some of the tests on a PostgreSQL server that is started for them. Each world makes a database of its own there, from a
 * template that has the tables (databases.ts).
 *
 * `npm run test:postgres -- FILE…` runs these files; options are the test runner's. Without files it is those of all.ts.
 */
import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { openPostgres } from '../../server/ground/store/postgres.ts'
import { root } from './places.ts'
import { Postgres, postgresFolder } from './postgres.ts'

/**
 * All that asks the database within the test's own process: pages ask the services that the API asks. Other programs are
 * driven on SQLite alone.
 */
const told = [
  'test/{keys,mail}/*.test.ts',
  'test/files/files.test.ts',
  'test/smime/identities.test.ts',
  'test/house/{api,clock,store}.test.ts',
]
/** Of what mail is, how it comes and how long it takes to read, and what authenticators say: not asked of a database. */
const notTold = [
  'test/mail/{answering,charsets,foreign-mail,hostile-mail,mail-turns,reading,reports,smtp-in}.test.ts',
  'test/keys/passkeys.test.ts',
]

export const filesOnPostgres = (): string[] =>
  globSync(told, { cwd: root, exclude: globSync(notTold, { cwd: root }) })

/** Why they were not run on it. */
export const noPostgres =
  'These tests run once more on PostgreSQL 15 or newer: install with apt-get install postgresql.'

/**
 * Does something with a server that is ended afterwards.
 *
 * @param work is given the URL of the template
 * @returns null where the programs are missing
 */
export const withPostgres = async <T>(work: (url: string) => Promise<T>): Promise<T | null> => {
  const bin = postgresFolder()
  if (!bin) return null
  const server = new Postgres(bin)
  try {
    await server.start()
    const template = server.database()
    await (await openPostgres(template)).close()
    return await work(template)
  } finally {
    await server.remove()
  }
}

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

if (import.meta.main) {
  const chosen = process.argv.slice(2)
  const files = chosen.some((parameter) => !parameter.startsWith('-')) ? [] : filesOnPostgres()
  const code = await withPostgres((url) => run(url, ['--test-concurrency=3', ...chosen, ...files]))
  if (code === null) console.log(noPostgres)
  process.exitCode = code ?? (process.env.CI ? 1 : 0)
}
