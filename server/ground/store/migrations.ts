/** Where each engine's migrations are, and whether a database has had more of them than this version knows. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../places.ts'
import { Unusable } from '../refusal.ts'

export const sqliteMigrations = join(root, 'migrations')
export const postgresMigrations = join(sqliteMigrations, 'postgres')

/** @throws Unusable if the newest migration that was done is none that this version knows */
export const refuseNewerVersion = (what: string, migrations: string, newest: unknown) => {
  const journal = JSON.parse(readFileSync(join(migrations, 'meta', '_journal.json'), 'utf8')) as {
    entries: { when: number }[]
  }
  const known = Math.max(...journal.entries.map((entry) => entry.when))
  if (Number(newest ?? 0) > known)
    throw new Unusable(
      `${what} was written by a newer version of Wafer; use that version. Nothing was changed.`,
    )
}
