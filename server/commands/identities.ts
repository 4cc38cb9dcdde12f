/** The commands for a user's S/MIME identities. */
import { dayOf } from '../ground/reasons.ts'
import { Refusal } from '../ground/refusal.ts'
import type { AddedIdentities, OwnIdentity } from '../keys/identities.ts'
import { identityState, stateOf } from '../locked/key-uses.ts'
import type { User } from '../people/users.ts'
import type { Services } from '../services.ts'
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

const here = { terminal: 'wafer identity', address: 'this server' }

export const importIdentity = async (call: Call) => {
  const file = call.option('file')
  if (file === undefined) throw new WrongCall('wafer identity import needs --file ID.p12.')
  demandSecretOnInput(call, 'passphrase-stdin')
  await withServices(async ({ users, keyrings, identities }) => {
    const user = await users.named(call.arguments[0]!)
    const octets = readKeyFile(file)
    const isNew = !(await keyrings.exists(user.id))
    const prompts = [
      { name: 'Passphrase of the keyring', isNew },
      { name: `Passphrase of ${file}`, isNew: false },
    ]
    const [passphrase, ofFile = passphrase] = await secrets(call, 'passphrase-stdin', prompts)
    const wanted = { import: { file: octets, passphrase: Buffer.from(ofFile!) } }
    printIdentities(await identities.add(user, passphrase!, wanted, here), user)
  })
}

export const generateIdentity = async (call: Call) => {
  demandSecretOnInput(call, 'passphrase-stdin')
  await withServices(async ({ users, keyrings, identities, clock }) => {
    const user = await users.named(call.arguments[0]!)
    const isNew = !(await keyrings.exists(user.id))
    const [passphrase] = await secrets(call, 'passphrase-stdin', [{ name: 'Passphrase', isNew }])
    const generate = { name: user.name, address: user.address, at: clock() }
    printIdentities(await identities.add(user, passphrase!, { generate }, here), user)
    print('No authority vouches for this certificate: others have to accept it by its fingerprint.')
  })
}

export const listIdentities = (call: Call) =>
  withServices(async ({ users, identities, clock }) => {
    const user = await users.named(call.arguments[0]!)
    for (const each of await identities.list(user.id))
      print(
        [
          each.fingerprint.toUpperCase(),
          each.algorithm,
          dayOf(each.from),
          dayOf(each.until),
          oneLine(each.addresses.join(', ')),
          oneLine(each.subject),
          oneLine(each.issuer),
          identityState(each, clock()),
        ].join('\t'),
      )
  })

export const exportIdentity = async (call: Call) => {
  if (!call.flag('secret')) {
    if (call.flag('passphrase-stdin'))
      throw new WrongCall('wafer identity export needs no passphrase without --secret.')
    await withServices(async (services) => {
      for (const { pem } of await named(services, call)) await write(pem)
    })
    return
  }
  demandSecretOnInput(call, 'passphrase-stdin')
  await withServices(async (services) => {
    const user = await services.users.named(call.arguments[0]!)
    const [wanted] = await named(services, call)
    const { passphrase, ofCopy } = await secretsForCopy(call)
    await write(await services.identities.exportSecret(user, passphrase, ofCopy, wanted!.fingerprint, here))
  })
}

export const removeIdentity = (call: Call) =>
  withServices(async ({ users, identities }) => {
    const [address, fingerprint] = call.arguments
    await identities.remove(await users.named(address!), fingerprint!, here)
    print('Removed, and its private key with it: what was encrypted to it alone opens no more.')
  })

/** The identity that the call names, or all of the user's, the present one first. */
const named = async ({ users, identities }: Services, call: Call): Promise<OwnIdentity[]> => {
  const [address, fingerprint] = call.arguments
  const all = await identities.list((await users.named(address!)).id)
  if (all.length === 0) throw new Refusal('user-without-identity', { values: { address: address! } })
  if (fingerprint === undefined) return all
  const wanted = fingerprint.replace(/[:\s]/g, '').toLowerCase()
  const found = all.filter((each) => each.fingerprint === wanted)
  if (found.length === 0) throw new Refusal('no-identity')
  return found
}

const printIdentities = ({ identities, recoveryCode }: AddedIdentities, user: User) => {
  if (identities.length > 1) print(`${identities.length} identities:`)
  for (const each of identities) {
    print(`Fingerprint: ${each.fingerprint.toUpperCase()}${each.isNew ? '' : ' (in the keyring already)'}`)
    print(
      `${oneLine(each.subject)}, from ${oneLine(each.issuer)}, ${each.algorithm}, ${dayOf(each.from)} to ${dayOf(each.until)}`,
    )
    const state = stateOf(each.uses, Date.now())
    if (state) print(state)
    if (each.addresses.includes(user.address)) continue
    printForeign('certificate', each.addresses, user.address, 'take its signatures for those of this user')
  }
  printRecoveryCode(recoveryCode)
}
