/** Bodies of any size on their way: the terminal that sends or takes one is there all the while. */
import { contactNoteMs } from '../ground/limits.ts'
import type { Session, Sessions } from '../people/sessions.ts'

/** To be called with each piece: a terminal whose request takes long is in contact. */
export const staying = (sessions: Sessions, session: Session): (() => Promise<void>) => {
  let notedMs = performance.now()
  return async () => {
    if (performance.now() - notedMs < contactNoteMs) return
    notedMs = performance.now()
    await sessions.stay(session)
  }
}

/** What comes, as long as somebody takes it. */
export async function* arriving(
  octets: AsyncIterable<Uint8Array>,
  stay: () => Promise<void>,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const chunk of octets) {
    await stay()
    yield chunk
  }
}

/**
 * The body of an answer that is made piece by piece.
 *
 * @param cutOff ends the connection: a refusal after the header can be told in no other way
 * @throws what the first piece throws, so that a refusal comes before the header
 */
export const leaving = async (
  pieces: AsyncGenerator<Uint8Array, void, void>,
  { stay, cutOff }: { stay: () => Promise<void>; cutOff: () => void },
): Promise<ReadableStream<Uint8Array>> => {
  let first: IteratorResult<Uint8Array, void> | null = await pieces.next()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { value, done } = first ?? (await pieces.next())
          first = null
          if (done) return controller.close()
          await stay()
          controller.enqueue(value)
        } catch {
          cutOff()
          controller.close()
        }
      },
      cancel: async () => void (await pieces.return()),
    },
    { highWaterMark: 0 },
  )
}
