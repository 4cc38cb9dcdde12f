/**
 * Completion for bash, zsh and fish, from the table of commands: names, options, words that are meant as they stand,
 * and files where a file is named. What is completed on the server (users, folders) is not: Tab asks nobody.
 */
import { type Command, WrongCall } from './command.ts'
import { print } from './console.ts'
import { inShort, isFile, type Option, usageOf } from './usage.ts'

type Row = {
  /** The words of its name. */
  path: string[]
  short: string
  options: Option[]
  words: string[]
  /** What the other arguments are called. */
  names: string[]
  takesFiles: boolean
}

export const printCompletion = (shell: string, commands: Record<string, Command>) => {
  const write = Object.hasOwn(shells, shell) ? shells[shell as keyof typeof shells] : null
  if (!write) throw new WrongCall('Completion is there for bash, zsh and fish.')
  const rows = Object.entries(commands).map(([name, command]): Row => {
    const { options, words, names } = usageOf(command)
    const help: Option = { name: 'help', kind: 'flag', value: '' }
    return {
      path: name.split(' '),
      short: inShort(command),
      options: [...options, help],
      words,
      names,
      takesFiles: names.some(isFile),
    }
  })
  print(write(rows))
}

/** The second words of commands that begin alike: `add` and `list` of `user`. */
const groupsOf = (rows: Row[]): Map<string, Row[]> => {
  const groups = new Map<string, Row[]>()
  for (const row of rows)
    if (row.path.length > 1) groups.set(row.path[0]!, [...(groups.get(row.path[0]!) ?? []), row])
  return groups
}
const firstWords = (rows: Row[]): string[] => [...new Set(rows.map(({ path }) => path[0]!))]
const general = ['--help', '--version']
const namesOf = (options: Option[]) => options.map(({ name }) => `--${name}`)
/** As all three shells read it. */
const quoted = (text: string) => `'${text.replaceAll('\\', '').replaceAll("'", "'\\''")}'`
/** What is said beside a first word: of a group, which words follow. */
const toldOf = (first: string, rows: Row[], groups: Map<string, Row[]>): string =>
  rows.find(({ path }) => path.join(' ') === first)?.short ??
  groups
    .get(first)!
    .map(({ path }) => path[1])
    .join(', ')

// ---- bash

const bash = (rows: Row[]): string => {
  const seconds = [...groupsOf(rows)].map(
    ([first, group]) => `    ${first}) seconds=${quoted(group.map(({ path }) => path[1]).join(' '))} ;;`,
  )
  const rules = rows.map(({ path, options, words, takesFiles }) => {
    const valued = options.filter(({ kind }) => kind !== 'flag')
    const set = {
      options: namesOf(options),
      valued: namesOf(valued),
      filed: namesOf(valued.filter(({ value }) => isFile(value))),
      words,
    }
    const assigned = Object.entries(set)
      .filter(([, list]) => list.length > 0)
      .map(([name, list]) => `${name}=${quoted(list.join(' '))}`)
    // A command of one word is meant whatever comes after it.
    const pattern = path.length > 1 ? quoted(path.join(' ')) : `${quoted(`${path[0]} `)}*`
    return `    ${pattern}) ${[...assigned, ...(takesFiles ? ['files=1'] : [])].join(' ')} ;;`
  })
  // The names of two words come first: what begins alike is meant by them.
  rules.sort((a, b) => Number(a.includes('*)')) - Number(b.includes('*)')))
  return `# Completion of wafer for bash, made by: wafer completion bash
_wafer() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]}
  local seconds='' options='' valued='' filed='' words='' files=''
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W ${quoted([...firstWords(rows), ...general].join(' '))} -- "$current")
    return
  fi
  case \${COMP_WORDS[1]} in
${seconds.join('\n')}
  esac
  case "\${COMP_WORDS[1]} \${COMP_WORDS[2]}" in
${rules.join('\n')}
  esac
  if [[ " $filed " == *" $previous "* ]]; then
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  elif [[ " $valued " == *" $previous "* ]]; then
    return
  elif [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
  else
    ((COMP_CWORD == 2)) && words+=" $seconds"
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
    if [[ -n $files ]]; then
      compopt -o filenames
      mapfile -t -O \${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$current")
    fi
  fi
}
complete -F _wafer wafer`
}

// ---- zsh

const zsh = (rows: Row[]): string => {
  const groups = groupsOf(rows)
  const described = (words: [string, string][]) =>
    words.map(([word, told]) => `      ${quoted(`${word}:${told}`)}`).join('\n')
  const optionSpec = ({ name, kind, value }: Option) => {
    const what = value.replaceAll(':', '\\:')
    const taken = kind === 'flag' ? '' : `:${what}:${isFile(value) ? '_files' : ' '}`
    return quoted(`${kind === 'values' ? '*' : ''}--${name}${taken}`)
  }
  // Said also of arguments of which nothing can be offered: after one that it does not know of, zsh offers no option.
  const argumentSpec = ({ words, takesFiles }: Row) =>
    takesFiles ? "'*:file:_files'" : quoted(`*:word:(${words.join(' ')})`)
  const seconds = [...groups].map(
    ([first, group]) => `  ${first})
    if ((CURRENT == 3)); then
      seconds=(
${described(group.map(({ path, short }) => [path[1]!, short]))}
      )
      _describe -t commands ${quoted(`wafer ${first}`)} seconds
    fi
    ;;`,
  )
  const rules = rows
    .toSorted((a, b) => b.path.length - a.path.length)
    .map((row) => {
      const pattern = row.path.length > 1 ? quoted(row.path.join(' ')) : `${quoted(`${row.path[0]} `)}*`
      const specs = [...row.options.map(optionSpec), argumentSpec(row)].join(' ')
      return `  ${pattern})
    shift ${row.path.length} words
    ((CURRENT -= ${row.path.length}))
    _arguments : ${specs}
    ;;`
    })
  return `#compdef wafer
# Completion of wafer for zsh, made by: wafer completion zsh
_wafer() {
  local -a firsts seconds
  if ((CURRENT == 2)); then
    firsts=(
${described(firstWords(rows).map((first) => [first, toldOf(first, rows, groups)]))}
    )
    _describe -t commands 'wafer' firsts
    _arguments : ${general.map(quoted).join(' ')}
    return
  fi
  case $words[2] in
${seconds.join('\n')}
  esac
  case "$words[2] $words[3]" in
${rules.join('\n')}
  esac
}
# Read as a file of zsh's own folders, or by source.
if [[ $funcstack[1] == _wafer ]]; then
  _wafer "$@"
else
  compdef _wafer wafer
fi`
}

// ---- fish

const fish = (rows: Row[]): string => {
  const groups = groupsOf(rows)
  const offered = (condition: string, rest: string) => `complete -c wafer -n ${quoted(condition)} ${rest}`
  const firsts = firstWords(rows).map((first) =>
    offered('__wafer_after', `-a ${first} -d ${quoted(toldOf(first, rows, groups))}`),
  )
  const seconds = [...groups].flatMap(([first, group]) =>
    group.map(({ path, short }) => offered(`__wafer_after ${first}`, `-a ${path[1]} -d ${quoted(short)}`)),
  )
  const rest = rows.flatMap(({ path, options, words, takesFiles }) => {
    const within = `__wafer_within ${path.join(' ')}`
    return [
      ...options.map(({ name, kind, value }) =>
        offered(within, `-l ${name}${kind === 'flag' ? '' : isFile(value) ? ' -r -F' : ' -x'}`),
      ),
      ...(words.length > 0 ? [offered(within, `-a ${quoted(words.join(' '))}`)] : []),
      ...(takesFiles ? [offered(within, '-F')] : []),
    ]
  })
  return `# Completion of wafer for fish, made by: wafer completion fish
function __wafer_after
    set -l typed (commandline -opc)
    test "$typed[2..-1]" = "$argv"
end
function __wafer_within
    set -l typed (commandline -opc)
    test "$typed[2..$(math 1 + (count $argv))]" = "$argv"
end
complete -c wafer -f
${general.map((option) => offered('__wafer_after', `-l ${option.slice(2)}`)).join('\n')}
${[...firsts, ...seconds, ...rest].join('\n')}`
}

const shells = { bash, zsh, fish }
