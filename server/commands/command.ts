/** What a command is, and what it may open. */
import type { Config } from '../ground/config.ts'
import type { Services } from '../services.ts'

export type Call = {
  arguments: string[]
  option(name: string): string | undefined
  /** Of an option that may be given again and again. */
  options(name: string): string[]
  flag(name: string): boolean
}
export type Command = {
  /** What follows the command's name. */
  usage: string
  does: string
  /** Least and greatest number of arguments. */
  arguments: [number, number]
  options: Record<string, 'value' | 'values' | 'flag'>
  run(call: Call): Promise<void>
}

/** Called in a way that does not exist; the sentence says how it is called. */
export class WrongCall extends Error {
  override name = 'WrongCall'
}

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
