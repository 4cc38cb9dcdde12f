/** A WAP gateway for one test: Kannel's bearerbox and wapbox, on a loopback address of their own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

const freePort = async (): Promise<number> => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** As docs/operate.md has them. */
const settings = `
group = core
admin-port = 13000
admin-interface = "127.0.0.1"
admin-password = nobody
wapbox-port = 13002
box-deny-ip = "*.*.*.*"
box-allow-ip = "127.0.0.1"
wdp-interface-name = "192.0.2.20"

group = wapbox
bearerbox-host = 127.0.0.1
`

/**
 * @param text other settings; ports and the address are put into their places
 * @returns the address where handsets find it
 */
export const startGateway = async (t: TestContext, text = settings): Promise<string> => {
  const folder = mkdtempSync(join(tmpdir(), 'wafer-kannel-'))
  // Ports of WAP are the same everywhere: two tests at once have two addresses.
  const address = `127.${randomInt(1, 255)}.${randomInt(256)}.${randomInt(1, 255)}`
  const file = join(folder, 'kannel.conf')
  const [admin, box] = [await freePort(), await freePort()]
  const whole = text
    .replace('192.0.2.20', address)
    .replace('13000', String(admin))
    .replace('13002', String(box))
  writeFileSync(file, whole)
  const running: ChildProcess[] = []
  t.after(async () => {
    for (const each of running.reverse()) await ended(each)
    rmSync(folder, { recursive: true, force: true })
  })
  const run = (program: string) => {
    const child = spawn(program, ['-v', '0', file], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
    running.push(child)
    return child
  }
  const bearerbox = run('bearerbox')
  const served = said(bearerbox, /(?:setting up systems for new wapbox.*){2}/s)
  // A box that finds no bearerbox ends: the first one is this question.
  while (!(await takesConnections(box)))
    if (bearerbox.exitCode !== null) throw new Error('expected bearerbox to run, got its end')
  run('wapbox').stderr!.resume()
  await served
  return address
}

const takesConnections = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => resolve(true)).on('error', () => setTimeout(resolve, 20, false))
    socket.on('connect', () => socket.destroy())
  })

const said = (child: ChildProcess, ready: RegExp) =>
  new Promise<void>((resolve, reject) => {
    let log = ''
    child.stderr!.on('data', (piece) => {
      log = (log + piece).slice(-20_000)
      if (ready.test(log)) resolve()
    })
    child.on('error', reject)
    child.on('exit', () => reject(new Error(`expected a gateway, got its end: ${log.slice(-2_000)}`)))
  })

const ended = (child: ChildProcess) =>
  new Promise<void>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.on('exit', () => resolve())
    child.kill('SIGKILL')
  })
