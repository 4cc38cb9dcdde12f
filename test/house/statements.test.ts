/** How the owners of tables ask the database: a statement that nobody awaits is never sent. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { childrenOf, isNode, type Node, sourcesIn, treeOf } from '../support/syntax.ts'

const kinds = new Set(['insert', 'update', 'delete', 'select', 'rows', 'transaction'])

/** The calls that a chain is made of, the last first: `where`, `set`, `update` of `db.update(t).set(x).where(y)`. */
const chainOf = (node: Node): string[] => {
  if (node.type !== 'CallExpression' || !isNode(node.callee)) return []
  const { object, property } = node.callee
  if (!isNode(object) || !isNode(property)) return []
  return [String(property.name), ...chainOf(object)]
}

const namesIn = (node: Node): string => [String(node.name ?? ''), ...childrenOf(node).map(namesIn)].join(' ')

test('Each statement is awaited or handed on, and none counts rows or fetches them as one engine does', () => {
  const faults: string[] = []
  let seen = 0
  const visit = (file: string, node: Node, above: string) => {
    const chain = chainOf(node)
    const isStatement = kinds.has(chain.at(-1) ?? '') && /\b(db|tx)\b/.test(namesIn(node))
    if (isStatement && above !== 'chain') {
      seen += 1
      const where = `${file}:${node.loc.start.line}`
      if (above === 'ExpressionStatement') faults.push(`${where} is not awaited`)
      if (['get', 'all', 'run'].includes(chain[0]!)) faults.push(`${where} ends in .${chain[0]}()`)
    }
    for (const child of childrenOf(node))
      visit(
        file,
        child,
        isStatement && child === node.callee
          ? 'chain'
          : above === 'chain' && node.type === 'MemberExpression'
            ? 'chain'
            : node.type,
      )
  }
  for (const file of sourcesIn('server')) visit(file, treeOf(file), '')
  assert.ok(seen > 150, `${seen} statements were seen`)
  assert.deepEqual(faults, [])
})
