/**
 * What the SSH door costs and how fast it is, beside OpenSSH's sshd with the installed `wafer tui` behind it, in one run:
 * from log-in to the first picture, and memory of what sits idle. `npm run bench`; read the ratios.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import ssh2 from 'ssh2'
import { wafer } from '../support/places.ts'
import { World } from '../support/world.ts'

const ann = 'ann@wafer.test'
const rounds = 10
const sessions = 20
/** Of what is idle nothing is written for so long. */
const quietMs = 3_000

const median = (times: number[]) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!

/** Proportional memory of a process and all that it started, in MB: what they share counts once. */
const memoryOf = (top: number): number => {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each)))
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1')
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]))
    } catch {} // it has ended
  const family = new Set([top])
  for (let size = 0; size !== family.size; ) {
    size = family.size
    for (const [pid, parent] of parents) if (family.has(parent)) family.add(pid)
  }
  let kB = 0
  for (const pid of family)
    try {
      kB += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1] ?? 0)
    } catch {}
  return kB / 1024
}

type Way = { port: number; user: string; privateKey: Buffer; wanted: RegExp }

/** Logs in and asks for a terminal. @returns milliseconds from the log-in to the picture */
const come = ({ port, user: username, privateKey, wanted }: Way) =>
  new Promise<{ ms: number; leave(): Promise<unknown> }>((resolve, reject) => {
    const client = new ssh2.Client()
    client.on('error', reject)
    // As OpenSSH's client has it; without, each of its requests waits for what acknowledges the one before.
    client.on('connect', () => client.setNoDelay(true))
    client.on('ready', () => {
      const from = performance.now()
      client.shell({ term: 'xterm-256color', cols: 80, rows: 24 }, (error, stream) => {
        if (error) return reject(error)
        let text = ''
        stream.on('data', (octets: Buffer) => {
          text += octets.toString('latin1')
          if (!wanted.test(text)) return
          const ms = performance.now() - from
          const leave = () => {
            const gone = once(client, 'close')
            client.end()
            return gone
          }
          resolve({ ms, leave })
        })
      })
    })
    client.connect({ host: '127.0.0.1', port, username, privateKey })
  })

const measured = async (way: Way, top: number) => {
  const times: number[] = []
  for (let round = 0; round <= rounds; round += 1) {
    const { ms, leave } = await come(way)
    if (round > 0) times.push(ms)
    await leave()
    await sleep(1_500)
  }
  await sleep(quietMs)
  const before = memoryOf(top)
  const all = []
  for (let each = 0; each < sessions; each += 1) all.push(await come(way))
  await sleep(quietMs)
  const each = (memoryOf(top) - before) / sessions
  const burst = all.map(({ ms }) => ms)
  for (const { leave } of all) await leave()
  return { frame: median(times), burst: median(burst), each }
}

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

const folder = mkdtempSync(join(tmpdir(), 'wafer-bench-'))
const server = new World({})
const ends: (() => void)[] = [() => rmSync(folder, { recursive: true, force: true })]
try {
  const keyFile = join(folder, 'key')
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', keyFile])
  await server.start()
  await server.addUser(ann, { key: false })
  const desk = await server.terminal(ann)
  await desk.post('/ssh-keys', { key: readFileSync(`${keyFile}.pub`, 'utf8') })
  for (let each = 0; each < 30; each += 1)
    await server.deliver(ann, `From: bob@elsewhere.test\nSubject: Boat ${each}\n\nHello.\n`)
  await server.stop()
  const privateKey = readFileSync(keyFile)

  // The product, as it is started.
  const env = {
    PATH: process.env.PATH,
    WAFER_DATA: server.config.data,
    WAFER_PORT: '0',
    WAFER_SMTP_PORT: '0',
    WAFER_SSH_PORT: '0',
    ...server.database,
  }
  const serving = spawn(process.execPath, [wafer, 'serve'], { env })
  ends.push(() => serving.kill())
  let said = ''
  for (const stream of [serving.stdout, serving.stderr]) stream.on('data', (text) => (said += text))
  while (!/\nSSH: .*\n/.test(said)) await sleep(50)
  const port = Number(said.match(/\nSSH: ssh -p (\d+)/)![1])
  const ours = await measured({ port, user: ann, privateKey, wanted: /Boat 29/ }, serving.pid!)

  // Its terminal client behind OpenSSH's server. It asks for the password first, which is its first picture.
  const sshd = ['/usr/sbin/sshd', '/usr/local/sbin/sshd'].find(existsSync)
  let theirs: typeof ours | null = null
  if (sshd) {
    const hostKey = join(folder, 'host')
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', hostKey])
    mkdirSync('/run/sshd', { recursive: true })
    const sshdPort = await freePort()
    const [, url] = /listens on (\S+)/.exec(said)!
    const settings = [
      `ListenAddress 127.0.0.1:${sshdPort}`,
      `HostKey ${hostKey}`,
      `AuthorizedKeysFile ${keyFile}.pub`,
      'StrictModes no',
      'PermitRootLogin yes',
      'PidFile none',
      `ForceCommand ${process.execPath} ${wafer} tui --server ${url}`,
    ]
    writeFileSync(join(folder, 'sshd_config'), `${settings.join('\n')}\n`)
    const daemon = spawn(sshd, ['-D', '-e', '-f', join(folder, 'sshd_config')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    ends.push(() => daemon.kill())
    let log = ''
    daemon.stderr.on('data', (text) => (log += text))
    while (!log.includes('listening')) {
      if (daemon.exitCode !== null) throw new Error(`expected sshd to listen, got ${log}`)
      await sleep(50)
    }
    const way = { port: sshdPort, user: execFileSync('id', ['-un'], { encoding: 'utf8' }).trim() }
    theirs = await measured({ ...way, privateKey, wanted: /Password:/ }, daemon.pid!)
  } else console.log('sshd is not measured: install it with apt-get install openssh-server.')

  console.log('\nBy SSH, 80x24, on loopback')
  const rows = [
    ['what', 'wafer', 'at most', 'sshd, wafer tui', 'ratio'],
    ...(
      [
        ['log-in to first picture', 'frame', 'ms', '300 ms'],
        [`the same, ${sessions} one after the other`, 'burst', 'ms', ''],
        ['memory of an idle session', 'each', 'MB', '25 MB'],
      ] as const
    ).map(([what, figure, unit, most]) => [
      what,
      `${ours[figure].toFixed(1)} ${unit}`,
      most,
      theirs ? `${theirs[figure].toFixed(1)} ${unit}` : '',
      theirs ? (ours[figure] / theirs[figure]).toFixed(2) : '',
    ]),
  ]
  const wide = rows[0]!.map((_, place) => Math.max(...rows.map((row) => row[place]!.length)))
  for (const row of rows)
    console.log(
      row.map((cell, place) => (place ? cell.padStart(wide[place]!) : cell.padEnd(wide[place]!))).join('  '),
    )
} finally {
  for (const end of ends.reverse()) end()
  await server.end()
}
