/** From the words of a call to the command that is meant. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from '../ground/places.ts'
import { type Call, type Command, WrongCall } from './command.ts'
import { print } from './console.ts'
import { commands } from './table.ts'

export const perform = async (words: string[]): Promise<void> => {
  const [first = '', second = ''] = words
  if (words.length === 0) throw new WrongCall('A command is needed; wafer --help lists them.')
  if (first === '--version') return print(version())
  if (first === '--help' || first === '-h' || first === 'help') return print(help(Object.keys(commands)))
  const name = [`${first} ${second}`, first].find((name) => Object.hasOwn(commands, name))
  if (!name) {
    const group = Object.keys(commands).filter((name) => name.startsWith(`${first} `))
    if (group.length && (second === '--help' || second === '-h')) return print(help(group))
    if (group.length)
      throw new WrongCall(`wafer ${first} is one of: ${group.map((name) => `wafer ${name}`).join(', ')}.`)
    throw new WrongCall('There is no such command; wafer --help lists them.')
  }
  const command = commands[name]!
  const call = read(name, command, words.slice(name.split(' ').length))
  if (call.flag('help')) return print(help([name]))
  const [least, most] = command.arguments
  if (call.arguments.length < least || call.arguments.length > most)
    // Not the surplus argument itself: it may be a secret that somebody wanted to give this way.
    throw new WrongCall(`Usage: wafer ${name} ${command.usage}`.trimEnd())
  await command.run(call)
}

const read = (name: string, command: Command, words: string[]): Call => {
  const known: Record<string, Command['options'][string]> = { help: 'flag', ...command.options }
  const options = Object.fromEntries(
    Object.entries(known).map(([option, kind]) => [
      option,
      {
        type: kind === 'flag' ? ('boolean' as const) : ('string' as const),
        multiple: kind === 'values',
        ...(option === 'help' && { short: 'h' }),
      },
    ]),
  )
  const { values, positionals, tokens } = parseArgs({
    args: words,
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  })
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    const kind = Object.hasOwn(known, token.name) ? known[token.name] : undefined
    if (!kind)
      throw new WrongCall(
        `wafer ${name} has no option ${token.rawName.slice(0, 40)}; see wafer ${name} --help.`,
      )
    if (kind === 'flag' && token.value !== undefined)
      throw new WrongCall(`${token.rawName} takes no value; secrets come from standard input.`)
    if (kind !== 'flag' && (!token.value || (token.value.startsWith('-') && !token.inlineValue)))
      throw new WrongCall(`${token.rawName} needs a value; see wafer ${name} --help.`)
  }
  return {
    arguments: positionals,
    option: (option) => values[option] as string | undefined,
    options: (option) => (values[option] as string[] | undefined) ?? [],
    flag: (option) => values[option] === true,
  }
}

const help = (names: string[]): string => {
  const entries = names.map((name) => {
    const { usage, does } = commands[name]!
    return `${`wafer ${name} ${usage}`.trimEnd()}\n    ${does}`
  })
  const settings =
    'Settings are environment variables, or lines of .env in the data folder (WAFER_DATA); see docs/settings.md.'
  return [...entries, settings].join('\n')
}

const version = (): string =>
  (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version
