/** A database as an older version left it, for what happens to it when this one opens it. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import Sqlite from 'better-sqlite3'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { migrate } from 'drizzle-orm/better-sqlite3/migrator'
import { root } from './places.ts'

/**
 * @param migration the first one that it lacks, without its number
 * @param fill puts rows into it
 * @returns its file
 */
export const databaseBefore = (
  t: TestContext,
  migration: string,
  fill: (client: Sqlite.Database) => void,
): string => {
  const folder = mkdtempSync(join(tmpdir(), 'wafer-before-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const migrationsFolder = join(folder, 'migrations')
  cpSync(join(root, 'migrations'), migrationsFolder, { recursive: true })
  const journalFile = join(migrationsFolder, 'meta', '_journal.json')
  const journal = JSON.parse(readFileSync(journalFile, 'utf8'))
  const first = journal.entries.findIndex(({ tag }: { tag: string }) => tag.endsWith(`_${migration}`))
  if (first === -1) throw new Error(`expected a migration ${migration}, got none`)
  writeFileSync(journalFile, JSON.stringify({ ...journal, entries: journal.entries.slice(0, first) }))
  const file = join(folder, 'wafer.db')
  const client = new Sqlite(file)
  migrate(drizzle(client), { migrationsFolder })
  fill(client)
  client.close()
  return file
}
