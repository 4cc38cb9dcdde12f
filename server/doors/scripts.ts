/** The browser scripts, as esbuild.config.js left them. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../ground/places.ts'

export const browserScript = (name: 'enhance' | 'passkey') => {
  const dist = join(root, 'dist')
  const newest = readdirSync(dist)
    .filter((file) => file.startsWith(`${name}-`) && /-[0-9a-f]{5}\.js$/.test(file))
    .map((file) => ({ file, mtimeMs: statSync(join(dist, file)).mtimeMs }))
    .sort((a, b) => b.mtimeMs - a.mtimeMs)[0]
  if (!newest) throw new Error(`expected dist/${name}-HASH.js, got none: build first`)
  const read = (ending: string) => readFileSync(join(dist, newest.file + ending))
  return { path: `/${newest.file}`, plain: read(''), encoded: { br: read('.br'), gzip: read('.gz') } }
}
