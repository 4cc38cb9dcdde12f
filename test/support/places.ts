/** Where tests find the program, their own files, and the corpus of foreign mail and keys that may lie beside the checkout. */
import { readFileSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const root = join(import.meta.dirname, '..', '..')
/** The program as it is built. */
export const wafer = join(root, 'dist', 'wafer.js')
export const vectors = join(root, 'test', 'vectors')
export const corpus = process.env.CORPUS_DIR ?? join(root, '..', 'shared', 'corpus')

/**
 * Where worlds of tests are made: in memory where there is room, and programs may be run. On a disk they wait for it, as
 * each change is kept durably, and for whatever else writes there.
 */
export const worldsFolder = (): string => {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm')
    const options = readFileSync('/proc/mounts', 'utf8').match(/^\S+ \/dev\/shm \S+ (\S+)/m)?.[1] ?? 'noexec'
    return bavail * bsize > 8e9 && !/\b(noexec|nodev)\b/.test(options) ? '/dev/shm' : tmpdir()
  } catch {
    return tmpdir()
  }
}
