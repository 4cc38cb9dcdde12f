/**
 * The connections of the door, shared out among those who open them. Who has not logged in may be asked to make room: of a
 * network that holds its share, or of the one that holds most when all are taken, the connection goes that is least far on
 * its way to a log-in, and of these the oldest. So whoever opens many and says nothing shuts out nobody.
 *
 * And they are read in turns: whatever one person sends, over however many of them, one piece of it is looked at in each turn
 * of the event loop. So a flood of the smallest packets keeps nobody else waiting.
 */
import type { Socket } from 'node:net'
import { sshLimits } from '../../ground/limits.ts'
import { network } from '../../ground/network.ts'
import type { Connection } from './connection.ts'
import type { Ending } from './words.ts'

export class Connections {
  readonly #bySocket = new Map<Socket, Connection>()
  #pieces = 0

  of(socket: Socket) {
    return this.#bySocket.get(socket)
  }

  numbered(number: number) {
    for (const connection of this.#bySocket.values()) if (connection.number === number) return connection
    return undefined
  }

  /** @returns whether it may stay */
  admit(socket: Socket, connection: Connection): boolean {
    socket.once('close', () => this.#bySocket.delete(socket))
    if (this.#bySocket.size >= sshLimits.inAll) {
      const [least] = this.#strangers()
      if (!least) {
        socket.destroy()
        return false
      }
      this.#drop(least)
    }
    this.#bySocket.set(socket, connection)
    const strangers = this.#strangers()
    const ofNetwork = strangers.filter((each) => network(each.address) === network(connection.address))
    if (ofNetwork.length > sshLimits.strangersOfNetwork) this.#drop(ofNetwork[0]!)
    else if (strangers.length > sshLimits.strangers) {
      const groups = Map.groupBy(strangers, ({ address }) => network(address))
      const most = [...groups.values()].reduce((most, group) => (group.length > most.length ? group : most))
      this.#drop(most[0]!)
    }
    return this.#bySocket.has(socket)
  }

  /** A piece came in over this one: no other of the same person is read in this turn. */
  came(connection: Connection) {
    const { whose } = connection
    connection.readAt = ++this.#pieces
    const all = [...this.#bySocket.values()].filter((each) => each.whose === whose)
    for (const each of all) each.pause()
    // Which of them is read next is the one that was read longest ago, for each that has something pauses the others.
    all.sort((a, b) => a.readAt - b.readAt)
    setImmediate(() => {
      for (const each of all) each.goOn()
    })
  }

  /** Ends them all. @returns when each is gone */
  async end(why: Ending): Promise<void> {
    const gone = [...this.#bySocket.keys()].map(
      (socket) => new Promise((resolve) => socket.once('close', resolve)),
    )
    for (const connection of this.#bySocket.values()) connection.end(why)
    await Promise.all(gone)
  }

  /** Without a log-in: least far first, and of these the oldest. */
  #strangers() {
    return [...this.#bySocket.values()]
      .filter(({ progress }) => progress < 3)
      .sort((a, b) => a.progress - b.progress || a.number - b.number)
  }

  #drop(connection: Connection) {
    connection.destroy()
    for (const [socket, each] of this.#bySocket) if (each === connection) this.#bySocket.delete(socket)
  }
}
