/** Where the program's own files are. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

const withPackage = (folder: string): string => {
  if (existsSync(join(folder, 'package.json'))) return folder
  if (dirname(folder) === folder) throw new Error('expected a package.json above the program, got none')
  return withPackage(dirname(folder))
}

/**
 * The folder of the checkout or of the installed package, from the source files as from the bundle in dist/. The
 * program that writes migrations loads the tables as CommonJS, which knows no file of its own, in the checkout's folder.
 */
export const root = withPackage(import.meta.dirname ?? process.cwd())
