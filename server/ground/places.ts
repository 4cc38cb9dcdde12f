/** Where the program's own files are. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

const withPackage = (folder: string): string => {
  if (existsSync(join(folder, 'package.json'))) return folder
  if (dirname(folder) === folder) throw new Error('expected a package.json above the program, got none')
  return withPackage(dirname(folder))
}

/** The folder of the checkout or of the installed package, from the source files as from the bundle in dist/. */
export const root = withPackage(import.meta.dirname)
