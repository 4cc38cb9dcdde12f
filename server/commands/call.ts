/** From the words of a call to the command that is meant. */
import { demandArguments, helpOf, readCall, WrongCall } from '../contract/calls.ts'
import { print } from './console.ts'
import { enterDataFolder } from './data-folder.ts'
import { commands } from './table.ts'
import { version } from './version.ts'

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
  const call = readCall(name, command, words.slice(name.split(' ').length))
  if (call.flag('help')) return print(help([name]))
  demandArguments(name, command, call)
  if (!command.isClient) enterDataFolder()
  await command.run(call)
}

const help = (names: string[]): string => {
  const entries = names.map((name) => helpOf(name, commands[name]!))
  const settings =
    'Settings are environment variables, or lines of .env in the data folder (WAFER_DATA); see docs/settings.md.'
  return [...entries, settings].join('\n')
}
