/**
 * The API's no: an RFC 9457 problem document. Its type ends in the code by which programs decide; its title is a sentence
 * for people.
 */
import { type RefusalCode, refusalStatus } from '../ground/refusal-codes.ts'
import { holder } from './answers.ts'
import { type Answer, count, isRecord, list, orNothing, shape, sound, text } from './checks.ts'

export type ProblemCode = RefusalCode

/** Members that a document may carry beside type, title and status. */
const details = {
  /** By which the key can be opened. */
  methods: orNothing(list(text)),
  /** Who has the key. A client can do without `grant`: it stops whoever has the key then. */
  by: orNothing(shape({ ...holder, grant: orNothing(text) })),
  addresses: orNothing(list(text)),
  reason: orNothing(text),
  /** Of each of the addresses. */
  reasons: orNothing(list(text)),
  /** The draft that the letter lies in. */
  draft: orNothing(count),
  /** Parts that open alone. */
  parts: orNothing(list(text)),
  /** Of a file, in octets: where it goes on. */
  size: orNothing(count),
}
const detailed = shape(details)
export type ProblemDetails = Answer<typeof detailed>
export type ProblemDocument = { type: string; title: string; status: number } & ProblemDetails

export const problemType = (code: ProblemCode): string => `urn:wafer:problem:${code}`

/**
 * Reads the document of a server, which may be a newer one, or none of ours.
 *
 * @returns null if it is no problem document; the code null if it is none that is known here; details as far as they are
 *   what they should be
 */
export const problemIn = (
  document: unknown,
): { code: ProblemCode | null; title: string; details: ProblemDetails } | null => {
  if (!isRecord(document) || !text(document.type) || !text(document.title)) return null
  const word = /[\w-]*$/.exec(document.type.slice(-60))![0]
  const code = Object.hasOwn(refusalStatus, word) ? (word as ProblemCode) : null
  return { code, title: document.title, details: sound(details, document) }
}
