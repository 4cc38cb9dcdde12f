/** What the person reads of a command that failed. */

/** Errors whose message is a sentence for people; the clients' own are known by name, for they are loaded when they run. */
const saidToPeople = new Set([
  'Refusal',
  'Unusable',
  'Failed',
  'Problem',
  'Unreachable',
  'Untrusted',
  'Unsafe',
])

/** One line that a person can act on; of the unexpected, its name and place only, for its text may quote secrets. */
export const sentenceOf = (error: unknown): string => {
  if (!(error instanceof Error)) return 'Something unexpected went wrong.'
  if (saidToPeople.has(error.name)) return error.message
  const { code, path, address, port, syscall } = error as NodeJS.ErrnoException & {
    address?: string
    port?: number
  }
  if (code === 'EADDRINUSE' || (code === 'EACCES' && syscall === 'listen'))
    return code === 'EADDRINUSE'
      ? `Port ${port ?? '?'} of ${address ?? 'this machine'} is taken by another program; set WAFER_PORT or WAFER_SMTP_PORT.`
      : `Port ${port ?? '?'} may not be used by this user; set WAFER_PORT or WAFER_SMTP_PORT.`
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return `${address ?? 'The host'} is not an address of this machine; set WAFER_HOST or WAFER_SMTP_HOST.`
  if (code === 'ENOSPC' || code === 'SQLITE_FULL') return 'The disk is full.'
  if (code?.startsWith('SQLITE_BUSY')) return 'The database is busy; please try again.'
  if (
    code?.startsWith('SQLITE_READONLY') ||
    code?.startsWith('SQLITE_CANTOPEN') ||
    code?.startsWith('SQLITE_IOERR')
  )
    return `The database cannot be read and written (${code}): look at the data folder and its disk.`
  if (code?.startsWith('SQLITE_CORRUPT'))
    return 'The database is damaged; wafer check says more, wafer restore takes a backup.'
  if (path !== undefined) return `${path} cannot be used (${code}).`
  const place =
    error.stack
      ?.split('\n')
      .find((line) => line.startsWith('    at '))
      ?.trim() ?? ''
  return `Unexpected ${error.name}${code ? ` (${code})` : ''} ${place}`.trimEnd()
}
