/**
 * Starts the program of a child process, `child-code.cjs` beside this file, with what Node.js compiled of it when it was
 * built, `child-code.cache`: a process begins with two thirds of the work. Another Node.js than the builder's compiles the
 * program itself, and so does this one where somebody changed it since.
 *
 * With the argument `compile` it writes that file.
 */
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import Module, { createRequire } from 'node:module'
import { join } from 'node:path'
import { Script } from 'node:vm'

const program = join(import.meta.dirname, 'child-code.cjs')
const compiled = join(import.meta.dirname, 'child-code.cache')

const changedMs = (file: string) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0

const compiles = process.argv[2] === 'compile'
const isCurrent = !compiles && changedMs(compiled) >= changedMs(program)
const script = new Script(Module.wrap(readFileSync(program, 'utf8')), {
  filename: program,
  ...(isCurrent && { cachedData: readFileSync(compiled) }),
})
const module = { exports: {} }
script.runInThisContext()(module.exports, createRequire(program), module, program, import.meta.dirname)
if (compiles) writeFileSync(compiled, script.createCachedData())
