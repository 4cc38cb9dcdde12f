#!/usr/bin/env node
/**
 * A call of a command (commands/table.ts has them all). A wrong call ends with 2, a failed one with 1, both with one
 * line on standard error. Secrets come from standard input or from a prompt that does not echo, never from arguments:
 * those stand in the process list and in the shell's history.
 */
import { dirname, join } from 'node:path'
import { perform } from './commands/call.ts'
import { complain } from './commands/console.ts'
import { sentenceOf } from './commands/failure.ts'
import { root } from './ground/places.ts'

/**
 * npm runs its scripts in the folder of the package: what is named on the command line is meant from where the person
 * stands. The data folder of a checkout stays in it.
 */
const standWhereThePersonDoes = () => {
  const { INIT_CWD, npm_package_json } = process.env
  const ours = join(root, 'package.json')
  if (!INIT_CWD || npm_package_json !== ours || process.cwd() !== dirname(ours)) return
  process.env.WAFER_DATA ||= join(process.cwd(), 'data')
  process.chdir(INIT_CWD)
}

process.umask(0o077) // whatever is written is for the one who runs this
/** What was asked for could not be written: a full disk. Where the reader of a pipe has gone, nobody is left to tell. */
const cannotPrint = (error: NodeJS.ErrnoException) => {
  if (error.code === 'ENOSPC') complain('The output could not be written: the disk is full.')
  process.exit(1)
}
process.stdout.on('error', cannotPrint)
if (process.stdout.isTTY || process.stderr.isTTY) {
  const { isUtf8, keepToAscii } = await import('../tui/text/locale.ts')
  if (!isUtf8()) for (const stream of [process.stdout, process.stderr]) keepToAscii(stream)
}

try {
  standWhereThePersonDoes()
  await perform(process.argv.slice(2))
} catch (error) {
  const isWrongCall = error instanceof Error && error.name === 'WrongCall'
  complain(isWrongCall ? error.message : sentenceOf(error))
  process.exitCode = isWrongCall ? 2 : 1
}
// The end does not wait for what may still be open, only for what was printed.
process.stdout.write('', (error) => (error ? cannotPrint(error) : process.exit()))
