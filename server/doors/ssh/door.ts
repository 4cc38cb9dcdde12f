/**
 * The process of the SSH door: it holds the port, the host key and the connections, and speaks to the server by messages
 * (messages.ts) and the API alone. It knows no database and no secret of the server's, and ends with it.
 */
import { createServer, type Socket } from 'node:net'
import ssh2, { type Connection as Ssh } from 'ssh2'
import { sshLimits } from '../../ground/limits.ts'
import { sshFingerprint } from '../../people/ssh-public-keys.ts'
import { algorithms } from './algorithms.ts'
import { Clients } from './clients.ts'
import { Connection } from './connection.ts'
import { Connections } from './connections.ts'
import type { Answer, FromDoor, Opening, Question, ToDoor } from './messages.ts'

const { Server, utils } = ssh2

const tell = (message: FromDoor) => {
  process.send?.(message, () => {})
}

// ---- questions to the server

const waiting = new Map<number, (answer: Answer) => void>()
let asked = 0
const ask = (question: Question): Promise<Answer> =>
  new Promise((resolve) => {
    asked += 1
    waiting.set(asked, resolve)
    tell({ ask: asked, question })
  })

// ---- connections

const connections = new Connections()

/** One of two hundred that ssh2 1.17.0 makes is written in a way that neither it nor OpenSSH reads. */
const newHostKey = (): string => {
  for (;;) {
    const { private: key } = utils.generateKeyPairSync('ed25519')
    if (!(utils.parseKey(key) instanceof Error)) return key
  }
}

const open = ({ host, port, hostKey, socketPath }: Opening) => {
  const key = utils.parseKey(hostKey)
  if (key instanceof Error || key.type !== 'ssh-ed25519' || !key.isPrivateKey())
    return tell({ badHostKey: true })
  const clients = new Clients(socketPath)
  const server = new Server(
    {
      hostKeys: [hostKey],
      ident: 'Wafer',
      algorithms,
      keepaliveInterval: sshLimits.keepaliveMs,
      keepaliveCountMax: sshLimits.keepalives,
    },
    // Its types do not say that this is the socket that was handed in.
    (client: Ssh & { _sock?: Socket }) => {
      const connection = client._sock && connections.of(client._sock)
      if (connection) connection.speaks(client)
      else client.end()
    },
  )
  server.on('error', () => {})
  const listener = createServer({ noDelay: true }, (socket) => {
    const connection = new Connection(socket, {
      ask,
      gone: (number) => tell({ gone: number }),
      came: (each) => connections.came(each),
      clients,
    })
    if (connections.admit(socket, connection)) server.injectSocket(socket)
  })
  listener.once('error', (error: NodeJS.ErrnoException) => tell({ cannotListen: error.code ?? error.name }))
  listener.listen(port, host, () => {
    clients.warmUp()
    const address = listener.address() as { port: number }
    tell({ listens: { port: address.port, fingerprint: sshFingerprint(key.getPublicSSH()) } })
  })
}

const stop = async () => {
  setTimeout(() => process.exit(0), sshLimits.lastWordsMs)
  await connections.end('server-stops')
  process.exit(0)
}

process.on('message', (message: ToDoor) => {
  if ('makeHostKey' in message) tell({ hostKey: newHostKey() })
  else if ('open' in message) open(message.open)
  else if ('stop' in message) void stop()
  else if ('over' in message) connections.numbered(message.over)?.end('session-over')
  else {
    waiting.get(message.to)?.(message.answer)
    waiting.delete(message.to)
  }
})
process.on('disconnect', () => process.exit(0))
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {}) // the server says when
process.on('uncaughtException', (error) => {
  // Of the protocol's library, for one connection; which of them is not known, and the others go on.
  tell({
    trouble: `${error.name} ${
      (error.stack ?? '')
        .split('\n')
        .find((line) => line.includes(' at '))
        ?.trim() ?? ''
    }`,
  })
})
