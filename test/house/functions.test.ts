/**
 * How long functions are: one that does not fit a screen is read twice. Counted in lines from its first to its last, those
 * of the functions within it included. Tests tell whole stories and are not counted.
 */
import assert from 'node:assert/strict'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { childrenOf, isNode, type Node, sourcesIn, treeOf } from '../support/syntax.ts'

const longestLines = 120
/** Of each folder's functions, 95 of 100 are shorter. */
const usualLines = 35
/** Fewer than these tell nothing about a folder. */
const fewFunctions = 20

type Measured = { file: string; name: string; lines: number }
const functionTypes = /^(Function|ArrowFunction|ObjectMethod$|ClassMethod$|ClassPrivateMethod$)/

const functionsOf = (file: string): Measured[] => {
  const found: Measured[] = []
  const visit = (node: Node, around: string) => {
    const own = [node.key, node.id].find(isNode)
    const name = String(own?.name ?? (isNode(own?.id) ? own.id.name : around))
    const lines = node.loc.end.line - node.loc.start.line + 1
    if (functionTypes.test(node.type) && isNode(node.body)) found.push({ file, name, lines })
    for (const child of childrenOf(node)) visit(child, name)
  }
  visit(treeOf(file), '')
  return found
}

const measured = sourcesIn('server', 'web', 'tui').flatMap(functionsOf)

test('No function is longer than 120 lines', () => {
  assert.ok(measured.length > 2000, `${measured.length} functions were found`)
  const long = measured.filter(({ lines }) => lines > longestLines)
  assert.deepEqual(
    long.map(({ file, name, lines }) => `${file} ${name}: ${lines}`),
    [],
  )
})

test('In each folder, 95 of 100 functions are shorter than 35 lines', () => {
  const folders = Map.groupBy(measured, ({ file }) => dirname(file))
  assert.ok(folders.size > 15, `${folders.size} folders were found`)
  const long = [...folders].flatMap(([folder, functions]) => {
    const lengths = functions.map(({ lines }) => lines).sort((a, b) => a - b)
    const usual = lengths[Math.floor(lengths.length * 0.95)]!
    return lengths.length >= fewFunctions && usual >= usualLines ? [`${folder}: ${usual}`] : []
  })
  assert.deepEqual(long, [])
})
