/** A call of a command, as it is written: its arguments and options, and what is wrong with it. */
import { parseArgs } from 'node:util'

export type Call = {
  arguments: string[]
  option(name: string): string | undefined
  /** Of an option that may be given again and again. */
  options(name: string): string[]
  flag(name: string): boolean
}
/** How a command is called. */
export type CommandShape = {
  /** What follows the command's name. */
  usage: string
  does: string
  /** Least and greatest number of arguments. */
  arguments: [number, number]
  options: Record<string, 'value' | 'values' | 'flag'>
  /** Whether an argument may begin with one dash: then its options have two, but for `-h`. */
  hasDashedWords?: boolean
}

/** Called in a way that does not exist; the sentence says how it is called. */
export class WrongCall extends Error {
  override name = 'WrongCall'
}

/** What came on standard input. @throws WrongCall for what is no text */
export const textOfInput = (octets: Uint8Array): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(octets)
  } catch {
    throw new WrongCall('Standard input is not UTF-8 text.')
  }
}

/** @throws WrongCall for an option that it does not have, or has otherwise */
export const readCall = (name: string, command: CommandShape, words: string[]): Call => {
  const known: Record<string, CommandShape['options'][string]> = { help: 'flag', ...command.options }
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
  // Marked by what no argument can hold, so that it is not taken for options.
  const isWord = (word: string) => command.hasDashedWords && /^-[^-]/.test(word) && word !== '-h'
  const { values, positionals, tokens } = parseArgs({
    args: words.map((word) => (isWord(word) ? `\0${word}` : word)),
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
    arguments: positionals.map((word) => word.replace('\0', '')),
    option: (option) => values[option] as string | undefined,
    options: (option) => (values[option] as string[] | undefined) ?? [],
    flag: (option) => values[option] === true,
  }
}

/** @throws WrongCall with how it is called */
export const demandArguments = (
  name: string,
  { usage, arguments: [least, most] }: CommandShape,
  call: Call,
) => {
  if (call.arguments.length < least || call.arguments.length > most)
    // Not the surplus argument itself: it may be a secret that somebody wanted to give this way.
    throw new WrongCall(`Usage: wafer ${name} ${usage}`.trimEnd())
}

export const helpOf = (name: string, { usage, does }: CommandShape): string =>
  `${`wafer ${name} ${usage}`.trimEnd()}\n    ${does}`
