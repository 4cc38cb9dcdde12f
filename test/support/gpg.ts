/** Other people's programs: gpg in a home of its own, and sq. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

export class Gpg {
  readonly home = mkdtempSync('/tmp/gpg-') // short: the agent's socket path is limited
  constructor(t: TestContext) {
    // Else gpg works as hard at a passphrase as this machine can in a tenth of a second, measured anew each time.
    writeFileSync(join(this.home, 'gpg-agent.conf'), 's2k-count 65536\n')
    t.after(() => {
      spawnSync('gpgconf', ['--homedir', this.home, '--kill', 'all'])
      rmSync(this.home, { recursive: true, force: true })
    })
  }

  run(args: string[], input: string | Uint8Array = ''): { out: Buffer; status: string; code: number | null } {
    const common = [
      '--homedir',
      this.home,
      '--batch',
      '--yes',
      '--no-tty',
      '--trust-model',
      'always',
      '--status-fd',
      '2',
    ]
    const { stdout, stderr, status } = spawnSync('gpg', [...common, ...args], { input, maxBuffer: 1 << 27 })
    return { out: stdout, status: stderr.toString(), code: status }
  }

  /** @throws Error with gpg's words if it fails */
  ok(args: string[], input: string | Uint8Array = ''): Buffer {
    const { out, status, code } = this.run(args, input)
    if (code !== 0) throw new Error(`expected gpg ${args.join(' ')} to succeed, got ${code}: ${status}`)
    return out
  }

  /**
   * A key pair; returns its fingerprint in lower case.
   *
   * @param options more of gpg's, as the time that it takes for the present one
   */
  generate(
    userId: string,
    algorithm: 'rsa3072' | 'ed25519',
    passphrase = '',
    options: string[] = [],
  ): string {
    const loopback = [...options, '--pinentry-mode', 'loopback', '--passphrase', passphrase]
    this.ok([
      ...loopback,
      '--quick-generate-key',
      userId,
      algorithm,
      algorithm === 'ed25519' ? 'sign,cert' : 'default',
      'never',
    ])
    const [fingerprint] = this.ok(['--with-colons', '--list-keys', userId])
      .toString()
      .match(/(?<=^fpr:+)[0-9A-F]{40}/m)!
    const encrypting = algorithm === 'ed25519' ? 'cv25519' : 'rsa3072'
    this.run([...loopback, '--quick-add-key', fingerprint, encrypting, 'encr', 'never'])
    return fingerprint.toLowerCase()
  }

  publicKey(userId: string): string {
    return this.ok(['--armor', '--export', userId]).toString()
  }

  secretKey(userId: string, passphrase: string): string {
    return this.ok([
      '--pinentry-mode',
      'loopback',
      '--passphrase',
      passphrase,
      '--armor',
      '--export-secret-keys',
      userId,
    ]).toString()
  }
}

export const sq = (args: string[], input: string | Uint8Array): Buffer =>
  execFileSync('sq', args, { input, maxBuffer: 1 << 27, stdio: 'pipe' })

export const tempFolder = (t: TestContext): string => {
  const folder = mkdtempSync(join('/tmp', 'wafer-files-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
