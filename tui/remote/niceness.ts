/**
 * How much the thread of a client leaves the processor to others: to the door, and to clients of people who have fewer.
 * Loaded before anything else, which takes its time.
 */
import { setPriority } from 'node:os'
import { workerData } from 'node:worker_threads'

/** Linux has a priority for each thread; elsewhere it is the whole process's. It only ever rises. */
export const beNice = (niceness: number) => {
  if (process.platform === 'linux' && niceness > 0) setPriority(niceness)
}

beNice(Number(workerData))
