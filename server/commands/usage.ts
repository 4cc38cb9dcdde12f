/** What the usage of a command says, taken apart for those who write of it: the manual, and completion in shells. */
import type { Command } from './command.ts'

export type Option = {
  name: string
  kind: Command['options'][string]
  /** What stands for its value in the usage; empty for a flag. */
  value: string
}
export type Usage = {
  options: Option[]
  /** Words that are meant as they stand, such as `retry`. */
  words: string[]
  /** What the other arguments are called: `ADDRESS`, `PATH...` */
  names: string[]
}

/** Whether this name of an argument or value stands for a file of the machine on which the command runs. */
export const isFile = (name: string) => /^(FILE\d?|PATH\.\.\.|KEY\.(asc|pub)|ID\.p12)$/.test(name)

export const usageOf = ({ usage, options }: Command): Usage => {
  const tokens = usage
    .replace(/[[\]|]/g, ' ')
    .split(/\s+/)
    .filter(Boolean)
  const found: Usage = { options: [], words: [], names: [] }
  const values = new Map<string, string>()
  for (let place = 0; place < tokens.length; place++) {
    const token = tokens[place]!
    const option = token.startsWith('--') ? token.slice(2) : null
    if (option !== null && options[option] === 'flag') continue
    if (option !== null) {
      const value = tokens[++place] ?? ''
      values.set(option, values.get(option) ?? value)
    } else if (/^[a-z][a-z-]*$/.test(token)) found.words.push(token)
    else found.names.push(token)
  }
  for (const [name, kind] of Object.entries(options))
    found.options.push({ name, kind, value: kind === 'flag' ? '' : (values.get(name) ?? 'VALUE') })
  return found
}

/** What a command does, in a line: its first sentence without the point, or what comes before a colon. */
export const inShort = ({ does }: Command): string => does.split(/[.:;](?:\s|$)/)[0]!
