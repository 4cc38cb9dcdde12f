/** The command for the words by which a user is found, beside their address. */
import { aliasIn } from '../ground/mail-address.ts'
import { type Call, WrongCall, withServices } from './command.ts'
import { oneLine, print } from './console.ts'

const here = { terminal: 'wafer key alias', address: 'this server', isOperator: true } as const

export const keyAlias = (call: Call) => {
  const [address, word] = call.arguments
  const [publish, hide, remove] = [call.flag('publish'), call.flag('hide'), call.flag('remove')]
  if ([publish, hide, remove].filter(Boolean).length > 1)
    throw new WrongCall('wafer key alias takes one of --publish, --hide and --remove.')
  if (word === undefined && (publish || hide || remove))
    throw new WrongCall('wafer key alias needs the word, after the address.')
  return withServices(async ({ users, aliases }) => {
    const user = await users.named(address!)
    const own = await aliases.list(user.id)
    if (word === undefined) {
      for (const alias of own)
        print(
          [
            oneLine(alias.word),
            alias.published ? 'published' : 'not published',
            new Date(alias.addedAt).toISOString(),
          ].join('\t'),
        )
      return
    }
    if (remove) {
      const gone = await aliases.remove(user, word, here)
      return print(`Removed ${oneLine(gone.word)}: it finds nobody any more.`)
    }
    const known = own.find((alias) => alias.word === aliasIn(word))
    // To hide what is not there makes nothing: the word was mistyped.
    if (hide || (known && publish)) await aliases.publish(user, word, publish, here)
    else await aliases.add(user, word, publish, here)
    print(`${user.address} is found by ${oneLine(word)}${publish ? ', which is published' : ''}.`)
  })
}
