/** The keymap: what is documented is what holds, and one file changes it. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Context, commandOf, defaults } from '../../tui/full/keymap.ts'
import { readKeymap } from '../../tui/full/own-keys.ts'
import { helpRows } from '../../tui/full/screens/help.ts'
import { root } from '../support/places.ts'

const fileWith = (text: string) => {
  const file = join(mkdtempSync(join(tmpdir(), 'wafer-keys-')), 'keys')
  writeFileSync(file, text)
  return file
}

test('The document lists every command with its keys', () => {
  const text = readFileSync(join(root, 'docs/terminal.md'), 'utf8')
  const listed = [...text.matchAll(/^\| `(\w+)\.(\w+)` \| (.*) \| (.*) \|$/gm)].map((row) => row.slice(1))
  const held = Object.entries(defaults).flatMap(([context, bindings]) =>
    Object.entries(bindings).map(([name, { keys, does }]) => [
      context,
      name,
      keys.map((key) => `\`${key}\``).join(' '),
      does,
    ]),
  )
  assert.deepEqual(listed, held)
})

test('No key has two meanings in one place', () => {
  for (const [context, bindings] of Object.entries(defaults)) {
    const keys = Object.values(bindings).flatMap((binding) => binding.keys)
    assert.deepEqual(
      keys.filter((key, place) => keys.indexOf(key) !== place),
      [],
      context,
    )
  }
})

test('At 80 columns the help cuts nothing of what a key does', () => {
  for (const context of Object.keys(defaults) as Context[])
    for (const { keys, name, does } of helpRows(defaults, context)) {
      assert.ok(keys.length < 24, keys)
      assert.ok(`${does} (${name})`.length <= 56, does)
    }
})

test('Without a file of one’s own the usual keys hold, and nothing is said', () => {
  assert.deepEqual(readKeymap('/nowhere/keys'), { keymap: defaults, problems: [] })
})

test('A key that is bound anew is taken from what it was bound to; the rest holds', () => {
  const { keymap, problems } = readKeymap(fileWith('# mine\n\nlist.archive = A d\n  list.open=enter l\n'))
  assert.deepEqual(problems, [])
  assert.equal(commandOf(keymap, 'list', 'A'), 'archive')
  assert.equal(commandOf(keymap, 'list', 'd'), 'archive')
  assert.equal(commandOf(keymap, 'list', 'delete'), 'delete')
  assert.equal(commandOf(keymap, 'list', 'e'), null)
  assert.equal(commandOf(keymap, 'list', 'l'), 'open')
  assert.equal(commandOf(keymap, 'message', 'd'), 'delete', 'another section keeps its own')
  assert.equal(commandOf(keymap, 'list', 'z'), 'key', 'what holds everywhere holds here')
})

test('A line that is none is named, and the others hold', () => {
  const { keymap, problems } = readKeymap(
    fileWith('list.archive\nlist.fly = y\nconstructor.name = x\nlist.flag = y\n'),
  )
  assert.deepEqual(
    problems.map((sentence) => sentence.match(/^Line (\d)/)?.[1]),
    ['1', '2', '3'],
  )
  assert.match(problems[0]!, /is not like "list\.archive = e a"\.$/)
  assert.match(problems[1]!, /: there is no command list\.fly\.$/)
  assert.match(problems[2]!, /: there is no command constructor\.name\.$/)
  assert.equal(commandOf(keymap, 'list', 'y'), 'flag')
})
