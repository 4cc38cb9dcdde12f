/** Other people's clients for SSH, and what they need: OpenSSH's, with a password by its question or a key. */
import { execFileSync, spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { wafer } from './places.ts'
import { passphrase, password, type Terminal, world } from './world.ts'

type SshOutcome = { code: number | null; out: string; err: string }
type SshCall = {
  user?: string
  /** Null for none: then only a key logs in. */
  password?: string | null
  identity?: string
  options?: string[]
  environment?: Record<string, string>
  input?: string
}

/** The line of a .pub file, of a key that nobody has. */
export const publicKeyLine = (): string => {
  const { x } = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' })
  const fields = [Buffer.from('ssh-ed25519'), Buffer.from(x!, 'base64url')]
  const octets = Buffer.concat(fields.flatMap((field) => [Buffer.from([0, 0, 0, field.length]), field]))
  return `ssh-ed25519 ${octets.toString('base64')}`
}

/** A person with OpenSSH's client, and a folder with their keys. */
export class SshPerson {
  readonly folder = mkdtempSync(join(tmpdir(), 'wafer-ssh-test-'))
  readonly #port: number
  readonly #user: string

  constructor(t: TestContext, port: number, user: string) {
    this.#port = port
    this.#user = user
    writeFileSync(this.file('ask'), '#!/bin/sh\nprintf "%s\\n" "$ASKED"\n', { mode: 0o700 })
    t.after(() => rmSync(this.folder, { recursive: true, force: true }))
  }

  file(name: string) {
    return join(this.folder, name)
  }

  /** A new key. @param kind as `ssh-keygen -t` has it. @returns its file; the public one has `.pub` behind it */
  newKey(name: string, kind: string, ...options: string[]): { file: string; line: string } {
    const file = this.file(name)
    execFileSync('ssh-keygen', ['-q', '-t', kind, '-N', '', '-C', `${name} of ann`, '-f', file, ...options])
    return { file, line: readFileSync(`${file}.pub`, 'utf8') }
  }

  words({ user = this.#user, password: secret = password, identity, options = [] }: SshCall): string[] {
    const set = {
      UserKnownHostsFile: this.file('known'),
      StrictHostKeyChecking: 'accept-new',
      IdentitiesOnly: 'yes',
      IdentityFile: identity ?? 'none',
      PasswordAuthentication: secret === null ? 'no' : 'yes',
      KbdInteractiveAuthentication: secret === null ? 'no' : 'yes',
      NumberOfPasswordPrompts: '1',
      LogLevel: 'ERROR',
    }
    const settings = Object.entries(set).flatMap(([name, value]) => ['-o', `${name}=${value}`])
    return ['-F', 'none', '-p', String(this.#port), '-l', user, ...options, ...settings, '127.0.0.1']
  }

  start(command: string[], call: SshCall = {}) {
    const { PATH = '' } = process.env
    const env = {
      PATH,
      HOME: this.folder,
      DISPLAY: 'none',
      SSH_ASKPASS: this.file('ask'),
      SSH_ASKPASS_REQUIRE: 'force',
      ASKED: call.password ?? password,
      ...call.environment,
    }
    return spawn('ssh', [...this.words(call), ...command], { env })
  }

  async run(command: string[], call: SshCall = {}): Promise<SshOutcome> {
    const child = this.start(command, call)
    let [out, err] = ['', '']
    child.stdout.on('data', (text) => (out += text))
    child.stderr.on('data', (text) => (err += text))
    child.stdin.on('error', () => {})
    child.stdin.end(call.input ?? '')
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, out, err }
  }

  /** A connection that programs share; each command is a channel of it. */
  async share(name: string) {
    const options = ['-S', this.file(name)]
    const master = this.start([], { options: ['-M', '-N', ...options] })
    await until(async () => (await this.run([], { options: [...options, '-O', 'check'] })).code === 0)
    const begin = (words: string[]) => this.start(words, { options, password: null })
    const run = (words: string[], input = '') => this.run(words, { options, input, password: null })
    const unlock = (...words: string[]) => run(['unlock', '--passphrase-stdin', ...words], `${passphrase}\n`)
    return { master, ended: once(master, 'exit'), begin, run, unlock }
  }
}

/** Waits until it is so. */
export const until = async (isSo: () => Promise<boolean> | boolean) => {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 50))
}

export const ann = 'ann@wafer.test'

/** A server with its door open, Ann on it, and her with a client. */
export const served = async (t: TestContext, settings: Record<string, string> = {}) => {
  const server = await world(t, { WAFER_SSH_PORT: '0', ...settings })
  await server.addUser(ann)
  const { port, fingerprint } = server.running.ssh!
  return { server, port, fingerprint, person: new SshPerson(t, port, ann) }
}

/** A server as a process of its own, on a data folder. */
export const serving = async (t: TestContext, data: string, settings: Record<string, string> = {}) => {
  const env = {
    PATH: process.env.PATH ?? '',
    WAFER_DATA: data,
    WAFER_PORT: '0',
    WAFER_SMTP_PORT: '0',
    WAFER_SSH_PORT: '0',
    ...settings,
  }
  const child = spawn(process.execPath, [wafer, 'serve'], { env })
  t.after(() => void child.kill('SIGKILL'))
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text))
  await until(() => /\nSSH: .*\n/.test(said) || child.exitCode !== null)
  const [, url = ''] = said.match(/^Wafer listens on (\S+)/m) ?? []
  return { child, url, port: Number(said.match(/\nSSH: ssh -p (\d+)/)?.[1]) }
}

/** Names of the terminals where Ann is logged in. */
export const terminals = async (desk: Terminal): Promise<string[]> =>
  (await desk.get('/terminals')).body.terminals.map(({ terminal }: { terminal: string }) => terminal)

/** How many of them are connections. */
export const overSsh = async (desk: Terminal) =>
  (await terminals(desk)).filter((name) => name === 'SSH from 127.0.0.1').length

/** The process of the door, by its command line: a child of this one. */
export const doorProcess = (): number => {
  const pids = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)], { encoding: 'utf8' })
  const [line] = pids.split('\n').filter((each) => each.includes('dist/ssh-door.js'))
  return Number(line!.trim().split(' ')[0])
}

/** What it has in memory, in KiB. */
export const memoryOf = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)![1])
