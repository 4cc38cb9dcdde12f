/** Programs of the system that tests drive. */
import { spawnSync } from 'node:child_process'
import type { TestContext } from 'node:test'

/** Skips the test, with a sentence, where a program is missing; on the integration machine that is a failure. */
export const needs = (t: TestContext, ...programs: string[]): boolean => {
  const missing = programs.filter((program) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0)
  if (missing.length === 0) return true
  const sentence = `This test drives ${missing.join(' and ')}: install with apt-get install ${missing.map(packageOf).join(' ')}.`
  if (process.env.CI) throw new Error(sentence)
  t.skip(sentence)
  return false
}
const packageOf = (program: string) =>
  ({
    Xvfb: 'xvfb',
    import: 'imagemagick',
    convert: 'imagemagick',
    gpg: 'gnupg',
    man: 'man-db',
    'dpkg-deb': 'dpkg',
    unshare: 'util-linux',
    postconf: 'postfix',
    xmllint: 'libxml2-utils',
    bearerbox: 'kannel',
    wapbox: 'kannel',
    '/usr/lib/kannel/test/wml_tester': 'kannel-extras',
    ssh: 'openssh-client',
    'ssh-keygen': 'openssh-client',
    sftp: 'openssh-client',
    scp: 'openssh-client',
    psftp: 'putty-tools',
    dbclient: 'dropbear-bin',
    'systemd-analyze': 'systemd',
    ip: 'iproute2',
    nft: 'nftables',
    'wg-quick': 'wireguard-tools',
  })[program] ?? program

/** Chromium, as playwright starts it: nothing that it does by itself leaves this machine. */
export const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
export const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
