/**
 * Which of the child's operations are dear: they run Argon2, which takes memory, so that few run at once. Nothing is
 * loaded here; a kind of slot or an operation that is new is thought of by the compiler.
 */
import type { Operations } from './child.ts'
import type { NewSlot, Opens } from './vault/slots.ts'

type Task<O extends keyof Operations> = Parameters<Operations[O]>[0]

const takesMemory: Record<(Opens | NewSlot)['kind'], boolean> = {
  passphrase: true,
  prf: false,
  held: false,
  recovery: false,
}

const dear: { [O in keyof Operations]?: (task: Task<O>) => boolean } = {
  createKeyring: () => true,
  addKeys: ({ attempt }) => takesMemory[attempt.opens.kind],
  exportSecret: ({ attempt }) => takesMemory[attempt.opens.kind],
  addIdentities: ({ attempt }) => takesMemory[attempt.opens.kind],
  exportIdentities: ({ attempt }) => takesMemory[attempt.opens.kind],
  unlock: ({ attempt }) => takesMemory[attempt.opens.kind],
  changeSlots: ({ attempt, change }) =>
    takesMemory[attempt.opens.kind] || change.add.some(({ kind }) => takesMemory[kind]),
}

export const isDear = <O extends keyof Operations>(operation: O, task: Task<O>): boolean =>
  dear[operation]?.(task) ?? false
