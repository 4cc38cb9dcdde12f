/** Commands for scripts over SSH: which there are, and what is said of those that make no sense there. */
import { demandArguments, helpOf, readCall, textOfInput, WrongCall } from '../../server/contract/calls.ts'
import { type ScriptName, scriptCommands } from '../commands.ts'
import type { Place } from '../place.ts'
import { Dialogue } from '../plain/dialogue.ts'
import { run } from '../scripts.ts'
import { Problem } from '../wire/client.ts'
import { Unreachable, Untrusted } from '../wire/connection.ts'

export const tuiHere = {
  usage: '[--plain] [mailto:...]',
  does: 'The terminal client; with --plain line by line, for screen readers and dumb terminals.',
  arguments: [0, 1] as [number, number],
  options: { plain: 'flag' as const },
}

/** Of what `wafer` has elsewhere, whatever works on the machine that it is called on. */
const { login: _, ...here } = scriptCommands
export const commandsHere = {
  ...here,
  'files put': {
    ...here['files put'],
    usage: 'PATH [--json]',
    does: 'Puts what comes on standard input into Files, in the place of a file of that path.',
  },
  send: {
    ...here.send,
    usage: here.send.usage.replace('--attach FILE', '--attach PATH'),
    does: `${here.send.does} --attach takes a file of Files, which needs the key.`,
  },
  tui: tuiHere,
}

/**
 * Does one.
 *
 * @param words as they were typed behind the host; a `wafer` before them is taken for what it says
 * @throws WrongCall, or another error whose message is a sentence
 */
export const perform = async (words: string[], place: Place): Promise<void> => {
  const { name, rest } = named(words)
  const shape = commandsHere[name]
  const call = readCall(name, shape, rest)
  if (call.flag('help')) return help([name], place)
  demandArguments(name, shape, call)
  await run(
    name as ScriptName,
    { ...call, secret: (flag, what) => secret(place, call.flag(flag), flag, what) },
    place,
  )
}

type NameHere = keyof typeof commandsHere

/** @throws WrongCall where there is no such command here */
export const named = (words: string[]): { name: NameHere; rest: string[] } => {
  const [first = '', second = ''] = words
  const name = [`${first} ${second}`, first].find((each): each is NameHere =>
    Object.hasOwn(commandsHere, each),
  )
  if (name) return { name, rest: words.slice(name.split(' ').length) }
  const group = Object.keys(commandsHere).filter((each) => each.startsWith(`${first} `))
  if (['scp', 'rsync', 'sftp-server'].includes(first))
    throw new WrongCall(`${first} is not to be called here: files go by sftp, and by scp -s.`)
  if (group.length > 0) throw new WrongCall(`${first} is one of: ${group.join(', ')}.`)
  throw new WrongCall(
    /^[a-z-]{1,20}$/.test(first)
      ? `There is no command ${first} over SSH; help lists those that there are.`
      : 'There is no such command over SSH; help lists those that there are.',
  )
}

export const isHelp = ([first = '']: string[]) => ['help', '--help', '-h'].includes(first)

export const help = (names: string[], { output }: Pick<Place, 'output'>) => {
  const texts = names.map((name) => helpOf(name, commandsHere[name as NameHere]).replace(/^wafer /, ''))
  output.write(`${texts.join('\n')}\n`)
}

/** A line of standard input, or the answer to a question without echo where that is a terminal. */
const secret = async (place: Place, isFlagged: boolean, flag: string, what: string): Promise<string> => {
  const { input, errors, signals } = place
  if (input.isTTY) {
    const talk = new Dialogue({ input, output: errors, signals })
    try {
      return await talk.secret(`${what}: `)
    } finally {
      talk.close()
    }
  }
  if (!isFlagged) throw new WrongCall(`A secret is needed: give it on standard input, with --${flag}.`)
  const octets: Buffer[] = []
  let length = 0
  for await (const chunk of input) {
    octets.push(chunk as Buffer)
    length += (chunk as Buffer).length
    if (length > mostOfSecret) throw new WrongCall('Standard input has more than a secret.')
  }
  const lines = textOfInput(Buffer.concat(octets))
    .replace(/(?:\r?\n)+$/, '')
    .split(/\r?\n/)
  if (lines.length > 1) throw new WrongCall(`Standard input has ${lines.length} lines, but should have one.`)
  if (lines[0] === '') throw new WrongCall('Standard input is empty, but should hold a secret.')
  return lines[0]!
}

const mostOfSecret = 64 * 1024

/** What is said of an error, and the exit code: of what is no sentence for people, its kind alone. */
export const sentenceOf = (error: unknown): { sentence: string; code: 1 | 2 } => {
  if (error instanceof WrongCall) return { sentence: error.message, code: 2 }
  const isSaid =
    error instanceof Problem ||
    error instanceof Unreachable ||
    error instanceof Untrusted ||
    (error instanceof Error && error.name === 'Failed')
  if (isSaid) return { sentence: error.message, code: 1 }
  const kind = error instanceof Error ? error.constructor.name : typeof error
  return { sentence: `The client made a mistake (${kind}) and had to end.`, code: 1 }
}
