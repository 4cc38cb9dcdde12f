/**
 * Another user's terminal, in a thread of its own so that the test's own work delays it not: asks `/api/session` all
 * the while, and tells the longest wait for an answer, less the time for which the system let neither end run.
 */
import { readFileSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'

const { url, token, serverPid } = workerData as { url: string; token: string; serverPid: number }
const agent = new Agent({ keepAlive: true, maxSockets: 1 })
const betweenMs = 5

const delayedMs = () => {
  const of = (thread: string) => {
    try {
      return Number(readFileSync(thread, 'latin1').split(' ')[1]) / 1e6
    } catch {
      return 0
    }
  }
  return of('/proc/thread-self/schedstat') + of(`/proc/${serverPid}/task/${serverPid}/schedstat`)
}

const ask = () =>
  new Promise<number>((resolve, reject) => {
    get(`${url}/api/session`, { agent, headers: { authorization: `Bearer ${token}` } }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    }).on('error', reject)
  })

let isOver = false
parentPort!.on('message', () => {
  isOver = true
})

let longestWaitMs = 0
let asked = 0
while (!isOver) {
  const [beganMs, delayed] = [performance.now(), delayedMs()]
  const status = await ask()
  const waitMs = performance.now() - beganMs - (delayedMs() - delayed)
  if (status !== 200) throw new Error(`expected a bystander's session, got ${status}`)
  longestWaitMs = Math.max(longestWaitMs, waitMs)
  asked += 1
  if (asked === 1) parentPort!.postMessage('ready')
  await pause(betweenMs)
}
parentPort!.postMessage({ longestWaitMs, asked })
agent.destroy()
parentPort!.close()
