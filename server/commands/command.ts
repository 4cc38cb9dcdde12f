/** What a command is, and what it may open. */
import { type Call, type CommandShape, WrongCall } from '../contract/calls.ts'
import type { Config } from '../ground/config.ts'
import type { Services } from '../services.ts'

export type { Call }
export type Command = CommandShape & {
  /** It works over the API alone, on any machine; the others work in the data folder. */
  isClient?: true
  run(call: Call): Promise<void>
}
export { WrongCall }

export const config = async (): Promise<Config> =>
  (await import('../ground/config.ts')).readConfig(process.env)

export const withServices = async (
  work: (services: Services) => Promise<void>,
  options: { create?: boolean } = {},
) => {
  const { openServices } = await import('../main.ts')
  const services = await openServices(await config(), options)
  try {
    await work(services)
  } finally {
    await services.close()
  }
}
