/**
 * The client behind SSH: a worker thread of the door's process for each channel, which has this program and no other.
 * There is nothing of the machine in it: no disk, no editor, no environment but what the other end sent; it speaks the
 * API over one socket, and the messages of messages.ts with the door.
 */
import './niceness.ts' // before what takes its time
import { parentPort } from 'node:worker_threads'
import { Channel } from './channel.ts'
import { runClient } from './client.ts'
import { sentenceOf } from './commands.ts'
import type { FromClient, Start, ToClient } from './messages.ts'
import { beNice } from './niceness.ts'

const port = parentPort!
const say = (message: FromClient) => port.postMessage(message)

/** Set before anything is drawn: this environment is the worker's own. */
const takeEnvironment = ({ env, size }: Start) => {
  for (const name of Object.keys(process.env)) delete process.env[name]
  // Most clients send no LANG, and nearly all of their terminals take UTF-8; those of glass and phosphor do not.
  const usual = size && /^(vt\d|ansi$|sun|wy)/.test(env.TERM ?? '') ? 'C' : 'C.UTF-8'
  Object.assign(process.env, { LANG: usual, ...env })
}

port.once('message', ({ start }: Extract<ToClient, { start: Start }>) => {
  beNice(start.niceness)
  takeEnvironment(start)
  const channel = new Channel(port, start.size)
  const keyListeners: ((key: string | null) => void)[] = []
  port.on('message', (message: ToClient) => {
    if ('key' in message) for (const listener of keyListeners) listener(message.key)
    else channel.hear(message)
  })
  void runClient(start, channel, {
    keyChanged: (key) => say({ key }),
    onKey: (listener) => void keyListeners.push(listener),
    loggedOut: () => say({ logOut: true }),
  })
    .catch((error: unknown) => {
      const { sentence, code } = sentenceOf(error)
      channel.errors.write(`wafer: ${sentence}\n`)
      return code
    })
    .then(async (code) => {
      await channel.done()
      say({ exit: code })
    })
})
