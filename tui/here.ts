/** This process, on the machine that it runs on, as the place of a command for scripts. */
import { readFileSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import { basename, resolve } from 'node:path'
import { typeOf } from './letter/file-names.ts'
import { streamFrom } from './letter/paths.ts'
import type { Place } from './place.ts'
import { Kept } from './wire/kept.ts'

export const here = (): Place => ({
  input: process.stdin,
  output: process.stdout,
  errors: process.stderr,
  signals: process,
  kept: new Kept(),
  machine: {
    name: hostname(),
    wholePath: (path) => resolve(path),
    attachment(path, mostOctets) {
      try {
        const stat = statSync(path)
        if (!stat.isFile()) return { failed: `${path} is not a file.` }
        if (stat.size > mostOctets) return { failed: `${path} is larger than a message may be.` }
        return { name: basename(path), type: typeOf(path), octets: readFileSync(path) }
      } catch {
        return { failed: `${path} cannot be read.` }
      }
    },
    streamFrom: (path) => streamFrom(path),
  },
  howToLogIn: 'log in first, with wafer login --server URL --user U --password-stdin',
})
