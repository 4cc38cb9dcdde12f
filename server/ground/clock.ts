/** Unix milliseconds that never run backwards. */
import { serverClock as serverClockLimits, storedAheadMs } from './limits.ts'

export type Clock = () => number

/**
 * A clock that goes on while the system's is set back: expiry is judged by it, so a clock set back extends nothing.
 *
 * @param newestStored the newest time in the database: a restart after a step back goes on from there
 */
export const steadyClock = (newestStored: number): Clock => {
  let wallMs = Math.max(Date.now(), newestStored)
  let monotonicMs = performance.now()
  return () => {
    const now = performance.now()
    wallMs = Math.max(Date.now(), wallMs + (now - monotonicMs))
    monotonicMs = now
    return Math.floor(wallMs)
  }
}

/**
 * A clock that goes as that of a server does with which several processes agree on what has expired, and no further
 * back than it was: one that is found ahead by a little goes at half its pace until it is not.
 *
 * @param measure the server's time, in Unix milliseconds
 * @param newestStored as of {@link steadyClock}
 * @returns `compare`: sets it right again
 */
export const serverClock = async (
  measure: () => Promise<number>,
  newestStored: number,
): Promise<{ clock: Clock; compare: () => Promise<void> }> => {
  let measured = { serverTime: 0, at: 0 }
  const compare = async () => {
    let quickestMs = Number.POSITIVE_INFINITY
    for (let each = 0; each < serverClockLimits.times; each += 1) {
      const askedMs = performance.now()
      const time = await measure()
      const tookMs = performance.now() - askedMs
      if (tookMs >= quickestMs) continue
      quickestMs = tookMs
      measured = { serverTime: time, at: askedMs + tookMs / 2 }
    }
  }
  await compare()
  let toldMs = newestStored
  let atMs = performance.now()
  const clock = () => {
    const now = performance.now()
    const trueMs = measured.serverTime + (now - measured.at)
    const aheadMs = toldMs - trueMs
    const pace = aheadMs > 0 && aheadMs < storedAheadMs ? 0.5 : 1
    toldMs = Math.max(trueMs, toldMs + (now - atMs) * pace)
    atMs = now
    return Math.floor(toldMs)
  }
  return { clock, compare }
}

/**
 * What is wrong if the newest stored time lies ahead: a clock was once wrong, and as time never runs backwards here, it
 * stands still until the world has caught up.
 *
 * @returns a sentence, or null if nothing is wrong
 */
export const clockFault = (newestStored: number, now: number): string | null =>
  newestStored - now <= storedAheadMs
    ? null
    : `Clock: the newest time stored is ${new Date(newestStored).toISOString()}, ahead of this machine's ${new Date(now).toISOString()}. ` +
      'If the machine is right, stop the server and run wafer check --mend-clock.'
