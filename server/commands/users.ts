/** The commands for the users of this server. */
import { type Call, withServices } from './command.ts'
import { print, secrets } from './console.ts'

export const addUser = async (call: Call) => {
  const [password] = await secrets(call, 'password-stdin', [{ name: 'Password', isNew: true }])
  await withServices(
    async ({ users }) => {
      const user = await users.add({
        address: call.arguments[0]!,
        name: call.option('name'),
        password: password!,
      })
      print(`Added ${user.address}.`)
    },
    { create: true },
  )
}

export const listUsers = () =>
  withServices(async ({ users }) => {
    for (const { address, name } of await users.list()) print(name ? `${address}\t${name}` : address)
  })

export const removeUser = (call: Call) =>
  withServices(async ({ users, contents }) => {
    const user = await users.named(call.arguments[0]!)
    await users.remove(user.id)
    await contents.sweep()
    print(`Removed ${user.address} with all mail and keys.`)
  })

export const setPassword = async (call: Call) => {
  const [password] = await secrets(call, 'password-stdin', [{ name: 'New password', isNew: true }])
  await withServices(async ({ users }) => {
    const user = await users.named(call.arguments[0]!)
    await users.setPassword(user, password!)
    print(`${user.address} has a new password.`)
  })
}
