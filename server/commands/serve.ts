/** The server itself. */
import { endLimitMs } from '../ground/limits.ts'
import { Unusable } from '../ground/refusal.ts'
import { complain, print } from './console.ts'

export async function serve() {
  const stop = new Promise<null>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      process.on(signal, () => {
        resolve(null)
        setTimeout(() => process.exit(0), endLimitMs).unref() // whatever still hangs
      })
  })
  const main = await import('../main.ts')
  const { noticesOn, readConfig } = await import('../ground/config.ts')
  const settings = readConfig(process.env)
  for (const notice of noticesOn(settings)) complain(notice)
  const running = await main.serve(settings)
  const { host, port } = running.smtp
  print(`Wafer listens on ${running.address}`)
  print(`Mail comes in on smtp://${host.includes(':') ? `[${host}]` : host}:${port}`)
  if (running.ssh) {
    const { host, port, fingerprint } = running.ssh
    print(`SSH: ssh -p ${port} -l ADDRESS ${host}, with the host key ${fingerprint}`)
  }
  if (running.setupLink)
    print(`There is no user yet. This link makes the first one, once: ${running.setupLink}`)
  const supplanted = await Promise.race([stop, running.supplanted])
  await running.close()
  if (supplanted) throw new Unusable(supplanted)
}
