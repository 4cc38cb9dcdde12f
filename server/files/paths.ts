/** Names in the box of files: parts with a slash between two. They lead nowhere else, whatever is in them. */
import { fileLimits } from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'

/**
 * A path as it is stored: NFC, so that what looks the same is the same.
 *
 * @throws Refusal `bad-name` for an empty part, `.`, `..`, control characters, or too many octets
 */
export const filePath = (text: string): string => {
  const path = text.normalize('NFC')
  const isName = (name: string) =>
    name !== '' &&
    name !== '.' &&
    name !== '..' &&
    Buffer.byteLength(name) <= fileLimits.nameOctets &&
    !/[\p{Cc}\u2028\u2029]/u.test(name)
  if (
    !path.isWellFormed() ||
    Buffer.byteLength(path) > fileLimits.pathOctets ||
    !path.split('/').every(isName)
  )
    throw new Refusal('file-name')
  return path
}

/** The path of a folder; empty for the box itself. @throws Refusal `bad-name` */
export const folderPath = (text: string): string => (text === '' ? '' : filePath(text))

export const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

/** Of the folder that it lies in; empty where it lies in none. */
export const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')))

/** The folders above a path, the outermost first. */
export const foldersAbove = (path: string): string[] => {
  const names = path.split('/').slice(0, -1)
  return names.map((_, at) => names.slice(0, at + 1).join('/'))
}
