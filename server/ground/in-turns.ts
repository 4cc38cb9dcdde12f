/** Long work that asks the database again and again, on the event loop that all users share. */
import { setImmediate as others } from 'node:timers/promises'
import { turnMs } from './limits.ts'

/**
 * Goes through a list, and lets others have their turn whenever the work on it has taken a while: awaiting the
 * database alone lets nobody in between. What was true before may not be true any more after each element.
 */
export async function* inTurns<T>(list: Iterable<T>): AsyncGenerator<T, void, void> {
  let beganMs = performance.now()
  for (const each of list) {
    yield each
    if (performance.now() - beganMs < turnMs) continue
    await others()
    beganMs = performance.now()
  }
}
