/** The commands for a user's own keys. */
import { Refusal } from '../ground/refusal.ts'
import type { Added } from '../keys/keyrings.ts'
import { stateOf } from '../locked/key-uses.ts'
import { type Call, WrongCall, withServices } from './command.ts'
import {
  demandSecretOnInput,
  oneLine,
  print,
  printForeign,
  printRecoveryCode,
  readKeyFile,
  secrets,
  secretsForCopy,
  write,
} from './console.ts'

export const generateKey = async (call: Call) => {
  demandSecretOnInput(call, 'passphrase-stdin')
  await withServices(async ({ users, keyrings }) => {
    const user = await users.named(call.arguments[0]!)
    const isNew = !(await keyrings.exists(user.id))
    const [passphrase] = await secrets(call, 'passphrase-stdin', [{ name: 'Passphrase', isNew }])
    const generate = { name: user.name, address: user.address }
    printKeys(await keyrings.add(user, passphrase!, { generate }))
  })
}

export const listKeys = (call: Call) =>
  withServices(async ({ users, keyrings }) => {
    const day = (at: number | null) => (at === null ? 'never' : new Date(at).toISOString().slice(0, 10))
    const user = await users.named(call.arguments[0]!)
    for (const { fingerprint, algorithm, createdAt, expiresAt, aliases, uses } of await keyrings.list(
      user.id,
    ))
      print(
        [
          fingerprint.toUpperCase(),
          algorithm,
          day(createdAt),
          day(expiresAt),
          oneLine(aliases.join(', ')),
          stateOf(uses, Date.now()),
        ].join('\t'),
      )
  })

export async function importKey(call: Call) {
  const file = call.option('file')
  if (file === undefined) throw new WrongCall('wafer key import needs --file KEY.asc.')
  demandSecretOnInput(call, 'passphrase-stdin')
  await withServices(async ({ users, keyrings, isTooShort }) => {
    const user = await users.named(call.arguments[0]!)
    const octets = readKeyFile(file)
    const ofFile = { name: `Passphrase of the key in ${file}`, isNew: false }
    const ofKeyring = { name: 'Passphrase of the keyring', isNew: false }
    const isFirst = !(await keyrings.exists(user.id))
    const prompts = isFirst ? [ofFile] : [ofKeyring, ofFile]
    const [keyringPassphrase, filePassphrase = keyringPassphrase] = await secrets(
      call,
      'passphrase-stdin',
      prompts,
      2,
    )
    const passphrase = Buffer.from(filePassphrase!)
    const added = await keyrings.add(user, keyringPassphrase!, { import: { file: octets, passphrase } })
    printKeys(added)
    if (isFirst && isTooShort(keyringPassphrase!))
      print(
        'The passphrase of this file is short, and opens the key here too: please choose a longer one in the pages, under More, Passphrase.',
      )
    for (const { aliases } of added.keys)
      if (!aliases.includes(user.address))
        printForeign(
          'key',
          aliases,
          user.address,
          'encrypt to it for this user, nor take its signatures for theirs',
        )
    refuseWhatWas(added)
  })
}

/** @throws Refusal if some of the file's keys were not taken */
const refuseWhatWas = ({ keys, refused }: Added) => {
  if (refused.length === 0) return
  const reasons = refused.map(({ fingerprint, sentence }) => `${fingerprint.toUpperCase()}: ${sentence}`)
  throw new Refusal('keys-not-taken', {
    values: { refused: refused.length, count: keys.length + refused.length, why: reasons.join(' ') },
  })
}

export async function exportKey(call: Call) {
  if (!call.flag('secret')) {
    if (call.flag('passphrase-stdin'))
      throw new WrongCall('wafer key export needs no passphrase without --secret.')
    await withServices(async ({ users, keyrings }) => {
      const keys = await keyrings.list((await users.named(call.arguments[0]!)).id)
      if (keys.length === 0)
        throw new Refusal('user-without-key', { values: { address: call.arguments[0]! } })
      for (const key of keys) await write(key.armored)
    })
    return
  }
  demandSecretOnInput(call, 'passphrase-stdin')
  await withServices(async ({ users, keyrings }) => {
    const user = await users.named(call.arguments[0]!)
    const { passphrase, ofCopy } = await secretsForCopy(call)
    for (const armored of await keyrings.exportSecret(user, passphrase, ofCopy)) await write(armored)
  })
}

const printKeys = ({ keys, recoveryCode }: Added) => {
  if (keys.length > 1) print(`${keys.length} keys:`)
  for (const { fingerprint, uses, isNew } of keys) {
    print(
      `Fingerprint: ${fingerprint.toUpperCase()}${isNew ? '' : ' (in the keyring already; it is up to date now)'}`,
    )
    const state = stateOf(uses, Date.now())
    if (state) print(state)
  }
  printRecoveryCode(recoveryCode)
}
