/** Another server, which puts off all mail with a 450 until it is willing. */

import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { SMTPServer } from 'smtp-server'
import type { Terminal } from './world.ts'

export class Relay {
  isWilling = false
  /** What is waited for before a mail that was taken is acknowledged. */
  acknowledges: () => Promise<void> = async () => {}
  /** To whom mail was taken for. */
  readonly taken: string[] = []
  /** What was taken, where it is to be looked at. */
  readonly mails: { to: string[]; octets: Buffer }[] = []
  isKeeping = false
  readonly #server = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    closeTimeout: 1,
    onRcptTo: (_address, _session, done) =>
      done(this.isWilling ? null : Object.assign(new Error('4.2.0 Come back later'), { responseCode: 450 })),
    onData: (stream, session, done) => {
      const pieces: Buffer[] = []
      stream.on('data', (piece: Buffer) => this.isKeeping && pieces.push(piece))
      stream.on('end', async () => {
        const to = session.envelope.rcptTo.map(({ address }) => address)
        this.taken.push(...to)
        if (this.isKeeping) this.mails.push({ to, octets: Buffer.concat(pieces) })
        await this.acknowledges()
        done()
      })
    },
  })

  /** @returns the setting that leads there */
  async listen(t: TestContext): Promise<{ WAFER_RELAY: string }> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    t.after(() => new Promise<void>((resolve) => this.#server.close(() => resolve())))
    const { port } = this.#server.server.address() as { port: number }
    return { WAFER_RELAY: `smtp://127.0.0.1:${port}` }
  }
}

const patienceMs = 30_000

/** The queue, once it is as wanted. */
export const queueOf = async (terminal: Terminal, isWanted: (queue: Waiting[]) => boolean) => {
  const end = Date.now() + patienceMs
  for (;;) {
    const { queue } = (await terminal.get('/queue')).body as { queue: Waiting[] }
    if (isWanted(queue)) return queue
    if (Date.now() > end) throw new Error(`expected another queue, got ${JSON.stringify(queue)}`)
    await sleep(20)
  }
}
export type Waiting = {
  id: number
  to: string[]
  since: string | null
  next_at: string
  why: string | null
  held: boolean
  sending: boolean
}
/** All of it was tried and put off. */
export const isPutOff = (queue: Waiting[]) => queue.length > 0 && queue.every(({ why }) => why !== null)
export const isEmpty = (queue: Waiting[]) => queue.length === 0
