/**
 * Which data folder a command works in, and as whom. A package of the system says where its data lies; and whoever
 * calls as root becomes the user who owns the folder: what root left behind in it, the service could not open.
 */
import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import { root } from '../ground/places.ts'
import { Unusable } from '../ground/refusal.ts'

/** @throws Unusable where the folder is another user's, and this one is not let in */
export const enterDataFolder = () => {
  const { data } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { data?: string }
  if (data !== undefined) process.env.WAFER_DATA ||= data
  const folder = resolve(process.env.WAFER_DATA || './data')
  const owner = statSync(folder, { throwIfNoEntry: false })
  if (!owner || owner.uid === process.geteuid?.()) return
  if (process.geteuid?.() === 0) return become(owner)
  try {
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw new Unusable(`${folder} belongs to another user: run this as that user, or as root.`, { cause })
  }
}

/** For good: groups first, for afterwards nothing may be changed any more. */
const become = ({ uid, gid }: { uid: number; gid: number }) => {
  // Node.js has it, its types do not.
  const { initgroups } = process as unknown as { initgroups(user: number, group: number): void }
  try {
    initgroups(uid, gid)
  } catch {
    process.setgroups!([gid]) // nobody by that number in /etc/passwd
  }
  process.setgid!(gid)
  process.setuid!(uid)
  try {
    process.env.HOME = userInfo().homedir
  } catch {
    delete process.env.HOME
  }
}
