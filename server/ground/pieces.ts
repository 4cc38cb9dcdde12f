/**
 * Messages between a process and its child, with large octets in pieces beside them: one message of 30 MB would hold
 * the event loop, and everybody else, while it is written or read. Octets arrive in one buffer, copied once.
 */
import { pieceOctets } from './limits.ts'

/** What goes over the channel: the lengths of a message's large octets, then all of their pieces, then the message. */
export type Piecewise<M> = { id: number } & (
  | { lengths: number[] }
  | { which: number; at: number; piece: Uint8Array }
  | { message: M; places: Place[] }
)
/** Where in the message octets belong. */
type Place = (string | number)[]

type Send = (message: Piecewise<unknown>, sent: (error: Error | null) => void) => unknown

/**
 * Sends a message. What it holds must be plain: objects, arrays, octets, and what else can be cloned.
 *
 * @param id by which the other end tells its pieces from another message's
 * @throws Error when the channel is closed
 */
export const sendInPieces = async (send: Send, id: number, message: unknown): Promise<void> => {
  const post = (content: object) =>
    new Promise<void>((resolve, reject) =>
      send({ id, ...content } as Piecewise<unknown>, (error) => (error ? reject(error) : resolve())),
    )
  const large: Uint8Array[] = []
  const places: Place[] = []
  const rest = withoutLarge(message, [], (octets, place) => {
    large.push(octets)
    places.push(place)
  })
  if (large.length > 0) await post({ lengths: large.map(({ length }) => length) })
  for (const [which, octets] of large.entries())
    for (let at = 0; at < octets.length; at += pieceOctets)
      await post({ which, at, piece: octets.subarray(at, at + pieceOctets) })
  await post({ message: rest, places })
}

/** Puts messages together again. @param receive is given each that is whole */
export const receiveInPieces = <M>(receive: (id: number, message: M) => void) => {
  const arriving = new Map<number, Buffer[]>()
  return (content: Piecewise<M>) => {
    if ('lengths' in content)
      arriving.set(
        content.id,
        content.lengths.map((length) => Buffer.allocUnsafeSlow(length)),
      )
    else if ('piece' in content) arriving.get(content.id)![content.which]!.set(content.piece, content.at)
    else {
      for (const [which, place] of content.places.entries())
        content.message = put(content.message, place, arriving.get(content.id)![which]!) as M
      arriving.delete(content.id)
      receive(content.id, content.message)
    }
  }
}

const withoutLarge = (
  value: unknown,
  place: Place,
  found: (octets: Uint8Array, place: Place) => void,
): unknown => {
  if (value instanceof Uint8Array) {
    if (value.length <= pieceOctets) return value
    found(value, place)
    return null
  }
  if (Array.isArray(value)) return value.map((each, at) => withoutLarge(each, [...place, at], found))
  if (value === null || typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype)
    return value
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, withoutLarge(each, [...place, name], found)]),
  )
}

// biome-ignore lint/suspicious/noExplicitAny: the place was found in the same message at the other end
const put = (message: any, [name, ...inner]: Place, octets: Uint8Array): unknown => {
  if (name === undefined) return octets
  if (!Object.hasOwn(message, name)) throw new Error('expected a place in the message, got another')
  message[name] = put(message[name], inner, octets)
  return message
}
