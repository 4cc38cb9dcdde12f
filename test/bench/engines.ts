/** Both engines in one run, the same things done on each (engine.ts): read the ratios. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Postgres, postgresFolder } from '../support/postgres.ts'

type Figures = Record<string, number>

const figuresOf = (environment: Record<string, string>): Figures => {
  const file = fileURLToPath(new URL('engine.ts', import.meta.url))
  const { stdout } = spawnSync(process.execPath, ['--import', 'tsx', file], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  })
  return JSON.parse(stdout.trim().split('\n').at(-1)!)
}

const bare = ', bare SQL'
const times = (ours: number | undefined, theirs: number | undefined) =>
  ours === undefined || theirs === undefined ? '' : `${(ours / theirs).toFixed(2)}x`

const bin = postgresFolder()
const server = bin === null ? null : new Postgres(bin)
try {
  await server?.start()
  const sqlite = figuresOf({})
  const postgres: Figures = server ? figuresOf({ WAFER_DATABASE: server.database() }) : {}
  console.table(
    Object.fromEntries(
      Object.keys(sqlite)
        .filter((name) => !name.endsWith(bare))
        .map((name) => [
          name,
          {
            'SQLite, ms': sqlite[name]?.toFixed(2),
            'of its bare SQL': times(sqlite[name], sqlite[name + bare]),
            'PostgreSQL, ms': postgres[name]?.toFixed(2),
            'of its bare SQL ': times(postgres[name], postgres[name + bare]),
            'of SQLite': times(postgres[name], sqlite[name]),
          },
        ]),
    ),
  )
} finally {
  await server?.remove()
}
