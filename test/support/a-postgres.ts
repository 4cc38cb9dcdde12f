/** One PostgreSQL server for the tests of a file, started when the first of them asks for it. */
import { after, type TestContext } from 'node:test'
import { Postgres, postgresFolder } from './postgres.ts'

let running: Promise<Postgres> | null = null
after(async () => (await running)?.remove())

/** Where there is none it skips the test, with a sentence; on the integration machine that is a failure. */
export const postgres = async (t: TestContext): Promise<Postgres | null> => {
  const bin = postgresFolder()
  if (bin) {
    running ??= started(bin)
    return running
  }
  const sentence = 'This test starts a PostgreSQL server: install one with apt-get install postgresql.'
  if (process.env.CI) throw new Error(sentence)
  t.skip(sentence)
  return null
}

const started = async (bin: string) => {
  const made = new Postgres(bin)
  await made.start()
  return made
}
