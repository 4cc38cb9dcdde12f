/** The machine that the client runs on, as far as it is told of it: what the terminal there is called. */
import { spawnSync } from 'node:child_process'
import { readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** What this terminal is called at the server: two windows of one machine are told apart. */
export const terminalName = () => {
  const over = process.env.SSH_CONNECTION?.split(' ')[0]
  const words = [`terminal on ${hostname().slice(0, 30)}`, lineName(), over && `by ssh from ${over}`]
  return words.filter(Boolean).join(', ').slice(0, 60)
}

/** The line that we talk over, such as `pts/3`; nothing where it has no name. */
const lineName = () => {
  if (!process.stdin.isTTY) return ''
  try {
    return readlinkSync('/proc/self/fd/0').replace(/^\/dev\//, '')
  } catch {
    // Where there is no /proc, a program says it.
    const { stdout } = spawnSync('tty', { stdio: ['inherit', 'pipe', 'ignore'], encoding: 'utf8' })
    return /^\/dev\/(\S+)/.exec(stdout ?? '')?.[1] ?? ''
  }
}
