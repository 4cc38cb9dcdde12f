/** A person's own bindings of keys, in a file of the machine that the client runs on. */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { type Context, defaults, type Keymap } from './keymap.ts'

/** The file with a person's own bindings. */
export const keymapFile = () =>
  join(process.env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'wafer', 'keys')

/**
 * The keymap with a person's own bindings.
 *
 * @returns what in the file could not be used, a sentence each; the rest holds
 */
export const readKeymap = (file = keymapFile()): { keymap: Keymap; problems: string[] } => {
  const keymap = structuredClone(defaults)
  let text = ''
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const absent = (error as NodeJS.ErrnoException).code === 'ENOENT'
    return { keymap, problems: absent ? [] : [`${file} cannot be read; the usual keys hold.`] }
  }
  const problems: string[] = []
  for (const [place, line] of text.split('\n').entries()) {
    const said = line.replace(/^\s*#.*/, '').trim()
    if (said === '') continue
    const [, context = '', command = '', keys = ''] = said.match(/^(\w+)\.(\w+)\s*=\s*(\S.*)$/) ?? []
    const own = Object.hasOwn(keymap, context) ? keymap[context as Context] : null
    if (context === '') {
      problems.push(`Line ${place + 1} of ${file} is not like "list.archive = e a".`)
      continue
    }
    if (!own || !Object.hasOwn(own, command)) {
      problems.push(`Line ${place + 1} of ${file}: there is no command ${context}.${command}.`)
      continue
    }
    const wanted = keys.split(/\s+/)
    for (const binding of Object.values(own))
      binding.keys = binding.keys.filter((key) => !wanted.includes(key))
    own[command]!.keys = wanted
  }
  return { keymap, problems }
}
