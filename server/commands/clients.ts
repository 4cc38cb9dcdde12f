/** The terminal client and the client for scripts. Both speak the API; they load nothing of the server. */
import type { ScriptName } from '../../tui/commands.ts'
import { type Call, WrongCall } from './command.ts'
import { secrets } from './console.ts'

export async function runTui(call: Call) {
  const [mailto] = call.arguments
  if (mailto !== undefined && !/^mailto:/i.test(mailto))
    throw new WrongCall('wafer tui takes a mailto: link at most; a server is named with --server.')
  const named = call.option('server')
  const { Kept } = await import('../../tui/wire/kept.ts')
  const { serverAddress } = await import('../ground/config.ts')
  const { run } = await import('../../tui/main.tsx')
  // What is said on this very call comes first; what a file in the folder says, last.
  const isSaid = Boolean(process.env.WAFER_PORT || process.env.WAFER_ORIGIN)
  const usual = () => ({ server: serverAddress(process.env) })
  process.exitCode = await run({
    ...(named !== undefined ? { server: named } : isSaid ? usual() : (new Kept().place() ?? usual())),
    ...(call.option('ca') === undefined ? {} : { ca: call.option('ca') }),
    ...(call.option('fingerprint') === undefined ? {} : { fingerprint: call.option('fingerprint') }),
    plain: call.flag('plain'),
    mailto,
  })
}

/** The client for scripts; it loads nothing of the server, and of this file only how a secret is asked for. */
export async function runScript(name: ScriptName, call: Call) {
  const secret = async (flag: string, prompt: string) => {
    const [only] = await secrets(call, flag, [{ name: prompt, isNew: false }])
    return only!
  }
  const { run } = await import('../../tui/scripts.ts')
  const { here } = await import('../../tui/here.ts')
  await run(name, { ...call, secret }, here())
}
