/** Unix milliseconds that never run backwards. */
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
