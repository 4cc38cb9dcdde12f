/** Paths in a box of files, and where each is on the pages. */

/** As it stands in an address: slashes stay, for bytes count. */
export const inAddress = (path: string): string => encodeURIComponent(path).replaceAll('%2F', '/')

/** The list of a folder; the box itself is the empty path. */
export const listAt = (folder: string): string =>
  folder === '' ? '/files' : `/files?in=${inAddress(folder)}`

/** The page about one file or folder. */
export const aboutAt = (path: string): string => `/files?of=${inAddress(path)}`

export const contentAt = (path: string): string => `/files/${inAddress(path)}`

export const nameIn = (path: string): string => path.slice(path.lastIndexOf('/') + 1)
export const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')))
export const within = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`)

/** What the address of a page with a file's octets names; null where it is nothing of the kind. */
export const pathInAddress = (address: string): string | null => {
  try {
    return decodeURIComponent(address.slice('/files/'.length)) || null
  } catch {
    return null
  }
}
