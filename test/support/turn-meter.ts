/**
 * Loaded into a server before its program (`node --import`): measures the turns of its event loop for `turns.ts`, which
 * says over the IPC channel when a stretch begins and ends.
 *
 * A clock on the wall also runs while the system lets other programs run. So a turn is measured by what the thread
 * itself did: the CPU time that it used, and the time for which it held the loop, computing or waiting for a disk or a
 * lock, less the time for which it was ready to run and another was let.
 */
import { readFileSync } from 'node:fs'
import { type EventLoopUtilization, performance } from 'node:perf_hooks'

/** What a stretch came to; MB are 10^6 octets. */
export type Turns = { longestCpuMs: number; longestHeldMs: number; peakMemoryMB: number }

/** A turn that is longer than this is seen whole; shorter ones are taken together. */
const tickMs = 5
const thread = `/proc/self/task/${process.pid}/schedstat`

const cpuMs = () => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** How long the main thread has been ready to run in all, and did not; 0 where the system does not tell. */
const delayedMs = () => {
  try {
    return Number(readFileSync(thread, 'latin1').split(' ')[1]) / 1e6
  } catch {
    return 0
  }
}

let longestCpuMs = 0
let longestHeldMs = 0
let last: { cpu: number; delayed: number; loop: EventLoopUtilization }

const look = () => {
  const now = { cpu: cpuMs(), delayed: delayedMs(), loop: performance.eventLoopUtilization() }
  if (last) {
    const { active } = performance.eventLoopUtilization(now.loop, last.loop)
    const cpu = now.cpu - last.cpu
    longestCpuMs = Math.max(longestCpuMs, cpu)
    longestHeldMs = Math.max(longestHeldMs, cpu, active - (now.delayed - last.delayed))
  }
  last = now
}

setInterval(look, tickMs).unref()

/** Takes so much CPU time in one turn, for the measure's own test. */
const hold = (ms: number) => {
  for (const endMs = cpuMs() + ms; cpuMs() < endMs; );
}

process.on('message', (asked: 'begin' | 'end' | { holdMs: number }) => {
  if (typeof asked === 'object') return hold(asked.holdMs)
  look()
  const turns: Turns = {
    longestCpuMs,
    longestHeldMs,
    peakMemoryMB: (process.resourceUsage().maxRSS * 1024) / 1e6,
  }
  if (asked === 'end') process.send!(turns)
  longestCpuMs = 0
  longestHeldMs = 0
})
process.channel?.unref()
