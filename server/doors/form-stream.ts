/**
 * Forms that bring files of any size: what was typed is read, and then file after file as it comes. None is held; the
 * parser stops reading while nobody takes what it has. It sees a piece of a network's size at a time and has no other
 * memory, so it runs here and not in a child, as a body that is parsed whole does.
 */
import { on } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import busboy from 'busboy'
import { streamedForm as limits, tinyChunks } from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'

export type StreamedFile = {
  /** What the browser calls it, without a path; a stranger's word. */
  name: string
  type: string
  /** Ends with an error where the form is cut off. */
  octets: AsyncIterable<Uint8Array>
}
export type StreamedForm = {
  /** What came before the first file, which is all that counts. */
  texts: { field: string; text: string }[]
  /** One after the other: the next comes once the octets of the one before were read. */
  files: AsyncIterable<StreamedFile>
}

/** Whether the body of a form holds files that are to be streamed. */
export const isMultipart = (contentType: string | undefined): boolean =>
  /^multipart\/form-data\s*;/i.test(contentType ?? '')

/**
 * Reads a form up to its first file.
 *
 * @throws Refusal `bad-request` if it is no form, has too many fields, or ends early; `too-large` if too much was typed
 */
export const streamForm = async (incoming: IncomingMessage): Promise<StreamedForm> => {
  const parser = parserFor(incoming)
  const texts: StreamedForm['texts'] = []
  const spoil = (reason: 'form-large' | 'form-of-many-fields' | 'request-cut-off' | 'body-in-bits') =>
    parser.destroy(new Refusal(reason))
  parser.on('field', (field, text, { nameTruncated, valueTruncated }) => {
    if (nameTruncated || valueTruncated) spoil('form-large')
    else texts.push({ field: field ?? '', text })
  })
  for (const limit of ['partsLimit', 'fieldsLimit', 'filesLimit'] as const)
    parser.on(limit, () => spoil('form-of-many-fields'))
  // What nobody takes any more may still fail.
  parser.on('error', () => {})
  parser.on('file', (_, octets) => octets.on('error', () => {}))
  const files = on(parser, 'file', { close: ['close'] }) as AsyncIterableIterator<FileEvent>
  follow(incoming, { write: parser, spoil })
  const first = await files.next().catch(async (error: unknown) => {
    incoming.unpipe(parser)
    await drained(incoming)
    return failed(error)
  })
  return { texts, files: filesFrom(incoming, parser, first, files) }
}

type FileEvent = [string | undefined, Readable, { filename: string | undefined; mimeType: string }]

const parserFor = (incoming: IncomingMessage) => {
  try {
    return busboy({ headers: incoming.headers, limits, defParamCharset: 'utf8' })
  } catch (cause) {
    throw new Refusal('form-unreadable', { cause })
  }
}

/** Hands the body to the parser, as long as it comes as bodies do. */
const follow = (
  incoming: IncomingMessage,
  {
    write,
    spoil,
  }: { write: NodeJS.WritableStream; spoil: (reason: 'request-cut-off' | 'body-in-bits') => void },
) => {
  let [chunks, size] = [0, 0]
  incoming.on('data', (chunk: Buffer) => {
    chunks += 1
    size += chunk.length
    if (chunks > tinyChunks.count && size < chunks * tinyChunks.octets) spoil('body-in-bits')
  })
  incoming.once('close', () => {
    if (!incoming.complete) spoil('request-cut-off')
  })
  incoming.pipe(write)
}

const failed = (error: unknown): never => {
  throw error instanceof Refusal ? error : new Refusal('form-unreadable', { cause: error })
}

async function* filesFrom(
  incoming: IncomingMessage,
  parser: NodeJS.WritableStream & { destroy(): unknown },
  first: IteratorResult<FileEvent>,
  others: AsyncIterableIterator<FileEvent>,
): AsyncGenerator<StreamedFile> {
  try {
    for (let next = first; !next.done; next = await others.next().catch(failed)) {
      const [, octets, { filename, mimeType }] = next.value
      // A field in which no file was chosen has no name.
      if (filename) yield { name: filename, type: mimeType, octets: chunksOf(octets) }
      octets.resume()
    }
  } finally {
    incoming.unpipe(parser)
    parser.destroy()
    await drained(incoming)
  }
}

async function* chunksOf(octets: Readable): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield* octets as AsyncIterable<Uint8Array>
  } catch (error) {
    failed(error)
  }
}

/** A browser that is still sending reads no answer: what is left is read and forgotten, as far as that is bearable. */
export const drained = async (incoming: IncomingMessage): Promise<void> => {
  let left = limits.drainedOctets
  if (incoming.readableEnded || incoming.destroyed) return
  const count = (chunk: Buffer) => {
    left -= chunk.length
    if (left <= 0) done()
  }
  let done = () => {}
  const over = new Promise<void>((resolve) => {
    done = resolve
  })
  const timer = setTimeout(done, limits.drainedMs)
  incoming.on('data', count).once('close', done).once('end', done).resume()
  await over
  clearTimeout(timer)
  incoming.off('data', count)
}
