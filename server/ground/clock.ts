/** Unix milliseconds that never run backwards. */
import { storedAheadMs } from './limits.ts'

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
