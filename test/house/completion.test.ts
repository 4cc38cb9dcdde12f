/** The manual page and the completion, as man, bash, zsh and fish take them. Needs the bundle (npm run build). */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { commands } from '../../server/commands/table.ts'
import { scratch } from '../support/browsers.ts'
import { wafer } from '../support/places.ts'
import { needs } from '../support/programs.ts'
import { RealTerminal } from '../support/terminals.ts'

const print = (...words: string[]) =>
  execFileSync(process.execPath, [wafer, ...words], { encoding: 'utf8', env: { PATH: process.env.PATH } })

/** PATH with `wafer` on it. */
const path = (t: TestContext): string => {
  const bin = scratch(t)
  writeFileSync(join(bin, 'wafer'), `#!/bin/sh\nexec '${process.execPath}' '${wafer}' "$@"\n`)
  chmodSync(join(bin, 'wafer'), 0o755)
  return `${bin}${delimiter}${process.env.PATH}`
}

test('C17: the manual page has each command and option, and man finds nothing to warn of', (t) => {
  if (!needs(t, 'man')) return
  const file = join(scratch(t), 'wafer.1')
  writeFileSync(file, print('manual'))
  const { stdout, stderr, status } = spawnSync(
    'man',
    ['--warnings', '-E', 'UTF-8', '-P', 'cat', '-l', file],
    {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8', MANWIDTH: '1000', MAN_KEEP_FORMATTING: '' },
    },
  )
  assert.deepEqual([stderr, status], ['', 0])
  for (const [name, { usage, does, isClient }] of Object.entries(commands)) {
    const [before, after] = stdout.split('COMMANDS OF A TERMINAL')
    const entry = `wafer ${name} ${usage}`.trimEnd().replaceAll(/\s+/g, ' ')
    const section = (isClient ? after : before)!.replaceAll(/\s+/g, ' ')
    assert.ok(section.includes(`${entry} ${does}`), `expected ${entry}`)
  }
})

test('C17: Tab in bash completes commands, options and files', async (t) => {
  if (!needs(t, 'tmux')) return
  const terminal = await RealTerminal.open(t, undefined, { PATH: path(t) })
  writeFileSync(join(terminal.home, 'key of ann.asc'), '')
  await terminal.line('cd; source <(wafer completion bash); clear')
  for (const [typed, completed] of [
    ['wafer us', 'wafer user'],
    ['wafer user pa', 'wafer user password'],
    ['wafer key import ann@wafer.test --fi', 'wafer key import ann@wafer.test --file'],
    ['wafer key import --file key', 'wafer key import --file key\\ of\\ ann.asc'],
    ['wafer mail import ann@wafer.test key', 'wafer mail import ann@wafer.test key\\ of\\ ann.asc'],
    [
      'wafer ssh-key add ann@wafer.test --file key',
      'wafer ssh-key add ann@wafer.test --file key\\ of\\ ann.asc',
    ],
    ['wafer queue re', 'wafer queue retry'],
    ['wafer completion f', 'wafer completion fish'],
  ] as const) {
    await terminal.type(typed)
    await terminal.keys('Tab')
    await terminal.sees(`$ ${completed}`)
    await terminal.keys('C-u')
  }
})

test('C17: Tab in zsh completes commands, options and files, and says what a command does', async (t) => {
  if (!needs(t, 'tmux', 'zsh')) return
  const terminal = await RealTerminal.open(t, undefined, { PATH: path(t) })
  mkdirSync(join(terminal.home, 'functions'))
  writeFileSync(join(terminal.home, 'functions', '_wafer'), print('completion', 'zsh'))
  writeFileSync(join(terminal.home, 'keyfile.asc'), '')
  const start = 'PS1="%% "; fpath=(~/functions $fpath); autoload -Uz compinit && compinit -u'
  writeFileSync(join(terminal.home, '.zshrc'), `${start}\n`)
  await terminal.line('cd; clear; exec zsh')
  await terminal.sees(/^% $|^%$/m)
  for (const [typed, completed] of [
    ['wafer us', 'wafer user'],
    ['wafer user pa', 'wafer user password'],
    ['wafer key import ann@wafer.test --fi', 'wafer key import ann@wafer.test --file'],
    ['wafer key import --file keyf', 'wafer key import --file keyfile.asc'],
    ['wafer queue re', 'wafer queue retry'],
  ] as const) {
    await terminal.type(typed)
    await terminal.keys('Tab')
    await terminal.sees(`% ${completed}`)
    await terminal.keys('C-u')
  }
  await terminal.type('wafer key ')
  await terminal.keys('Tab')
  await terminal.sees(/^generate +-- Makes a new OpenPGP key/m)
})

test('C17: Tab in fish completes commands, options and files', (t) => {
  if (!needs(t, 'fish')) return
  const folder = scratch(t)
  writeFileSync(join(folder, 'wafer.fish'), print('completion', 'fish'))
  writeFileSync(join(folder, 'keyfile.asc'), '')
  const completed = (typed: string): string[] => {
    const { stdout, stderr } = spawnSync(
      'fish',
      ['--no-config', '-c', `source wafer.fish; complete -C '${typed}'`],
      {
        cwd: folder,
        encoding: 'utf8',
        env: { PATH: process.env.PATH, HOME: folder, LC_ALL: 'C.UTF-8' },
      },
    )
    assert.equal(stderr, '')
    return stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split('\t')[0]!)
  }
  assert.deepEqual(completed('wafer us'), ['user'])
  assert.deepEqual(completed('wafer user '), ['add', 'list', 'password', 'remove'])
  assert.deepEqual(completed('wafer key import --fi'), ['--file'])
  assert.deepEqual(completed('wafer key import --file keyf'), ['keyfile.asc'])
  assert.deepEqual(completed('wafer user remove keyf'), [])
  assert.deepEqual(completed('wafer mail import keyf'), ['keyfile.asc'])
  assert.deepEqual(completed('wafer queue '), ['drop', 'retry'])
})

test('A shell that there is no completion for is refused in a sentence', () => {
  const { stderr, status } = spawnSync(process.execPath, [wafer, 'completion', 'csh'], { encoding: 'utf8' })
  assert.deepEqual([stderr, status], ['wafer: Completion is there for bash, zsh and fish.\n', 2])
})
