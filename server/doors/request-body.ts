/** The octets of a request's body, as far as they may go. */
import type { IncomingMessage } from 'node:http'
import { Refusal } from '../ground/refusal.ts'

/** Chunks are as small as the sender likes, and a million of one octet each are a heap: they are put together. */
const blockOctets = 256 * 1024

/**
 * @param limit in octets
 * @param sentence what the person is told who sent more
 * @returns blocks, whose concatenation is the body: nothing large is copied here
 * @throws Refusal `too-large`; the rest is read and forgotten, so that the answer can be read
 */
export const readBody = async (
  incoming: IncomingMessage,
  limit: number,
  sentence: string,
): Promise<{ blocks: Uint8Array[]; size: number }> => {
  const refuse = () => {
    incoming.resume()
    throw new Refusal('too-large', sentence)
  }
  if (Number(incoming.headers['content-length'] ?? 0) > limit) refuse()
  const blocks: Uint8Array[] = []
  let size = 0
  let block = Buffer.alloc(0)
  let used = 0
  for await (const chunk of incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > limit) refuse()
    for (let at = 0; at < chunk.length; ) {
      if (used === block.length) {
        if (used > 0) blocks.push(block)
        block = Buffer.allocUnsafeSlow(Math.min(blockOctets, limit))
        used = 0
      }
      const copied = chunk.copy(block, used, at)
      used += copied
      at += copied
    }
  }
  if (used > 0) blocks.push(block.subarray(0, used))
  return { blocks, size }
}
