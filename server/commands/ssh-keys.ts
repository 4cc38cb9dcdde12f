/** The commands for the public keys that log a user in by SSH. */
import { readFileSync, statSync } from 'node:fs'
import { sshKeyLimits } from '../ground/limits.ts'
import { Refusal, Unusable } from '../ground/refusal.ts'
import { type Call, WrongCall, withServices } from './command.ts'
import { oneLine, print } from './console.ts'

const here = { terminal: 'wafer ssh-key', address: 'this server' }

export const addSshKey = async (call: Call) => {
  const file = call.option('file')
  if (file === undefined) throw new WrongCall('wafer ssh-key add needs --file KEY.pub.')
  const line = readKey(file)
  await withServices(async ({ users, sshKeys }) => {
    const user = await users.named(call.arguments[0]!)
    const { id, name, fingerprint } = await sshKeys.add(user, line, call.option('name'), here)
    print(`Added ${id}: ${oneLine(name)}, ${fingerprint}.`)
  })
}

export const listSshKeys = (call: Call) =>
  withServices(async ({ users, sshKeys }) => {
    const time = (at: number | null) => (at === null ? 'never' : new Date(at).toISOString())
    for (const { id, name, fingerprint, addedAt, usedAt } of await sshKeys.list(
      await users.named(call.arguments[0]!),
    ))
      print([id, fingerprint, time(addedAt), time(usedAt), oneLine(name)].join('\t'))
  })

export const removeSshKey = (call: Call) =>
  withServices(async ({ users, sshKeys }) => {
    const [address, id] = call.arguments
    await sshKeys.remove(await users.named(address!), id!, here)
    print(`Removed ${id}: it logs nobody in any more.`)
  })

const readKey = (file: string): string => {
  try {
    if (statSync(file).size > sshKeyLimits.characters) throw new Refusal('ssh-key-malformed')
    return readFileSync(file, 'utf8')
  } catch (cause) {
    if (cause instanceof Refusal) throw cause
    throw new Unusable(`${file} cannot be read (${(cause as NodeJS.ErrnoException).code}).`, { cause })
  }
}
