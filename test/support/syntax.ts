/** The sources as trees, for tests that hold them to rules. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from '@babel/parser'
import { root } from './places.ts'

export type Node = {
  type: string
  loc: { start: { line: number }; end: { line: number } }
  [key: string]: unknown
}

export const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && typeof (value as Node).type === 'string'

/** Names of the sources in these folders. */
export const sourcesIn = (...folders: string[]): string[] =>
  folders
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true }).map((file) => join(folder, String(file))),
    )
    .filter((file) => /\.tsx?$/.test(file))

export const treeOf = (file: string): Node => {
  const plugins = file.endsWith('x') ? (['typescript', 'jsx'] as const) : (['typescript'] as const)
  const source = readFileSync(join(root, file), 'utf8')
  return parse(source, { sourceType: 'module', plugins: [...plugins] }).program as unknown as Node
}

export const childrenOf = (node: Node): Node[] =>
  Object.values(node).flatMap((value) =>
    [value].flat().filter((child): child is Node => isNode(child) && !!child.loc),
  )
