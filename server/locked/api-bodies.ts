/**
 * The JSON bodies of calls: each bounded in octets before it is read, in structure before it is parsed, and in its members
 * (server/contract/requests.ts). Large ones are parsed in a child process, so nothing here asks a service.
 */
import { type Body, type Call, requests, tooLarge } from '../contract/requests.ts'
import {
  attachmentLimit,
  callLimits,
  jsonDepthLimit,
  jsonValueLimit,
  recipientLimit,
} from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'

/** Octets that the body of a call may have. */
export const octetLimitOf = (call: Call): number =>
  (callLimits.octets as { [C in Call]?: number })[call] ?? callLimits.octetsOfOthers

/**
 * Parses a JSON body; an absent one counts as empty.
 *
 * @throws Refusal `bad-request` naming the member; `too-large` for more than the call takes
 */
export const parseBody = <C extends Call>(call: C, octets: Uint8Array): Body<C> => {
  refuseStructure(octets)
  let json: unknown
  try {
    const text = new TextDecoder().decode(octets)
    json = text.trim() === '' ? {} : JSON.parse(text)
  } catch (cause) {
    throw new Refusal('body-not-json', { cause })
  }
  return bodyOfValue(call, json)
}

/** What the call takes of a body that was parsed, from whatever language. @throws Refusal as {@link parseBody} */
export const bodyOfValue = <C extends Call>(call: C, json: unknown): Body<C> => {
  const parsed = requests[call].safeParse(json)
  if (parsed.success) return parsed.data as Body<C>
  const [issue] = parsed.error.issues
  if (issue?.code === 'unrecognized_keys')
    throw new Refusal('member-unknown', { values: { member: `${issue.keys[0]?.slice(0, 100)}` } })
  const member = issue?.path.join('.')
  if (issue?.message === tooLarge && member === 'attachments')
    throw new Refusal('files-many', { values: { limit: attachmentLimit } })
  if (issue?.message === tooLarge) throw new Refusal('member-large', { values: { member: `${member}` } })
  if (member) throw new Refusal('member-malformed', { values: { member } })
  throw new Refusal('body-malformed')
}

/** Counts depth, members and elements: a parser would have made an object of each before anybody could. */
const refuseStructure = (octets: Uint8Array) => {
  let depth = 0
  let values = 0
  let isInString = false
  for (let at = 0; at < octets.length; at++) {
    const octet = octets[at]
    if (isInString) {
      if (octet === backslash) at += 1
      else if (octet === quote) isInString = false
      continue
    }
    if (octet === quote) isInString = true
    else if (octet === closingBrace || octet === closingBracket) depth -= 1
    else if (octet === openingBrace || octet === openingBracket) {
      depth += 1
      values += 1
    } else if (octet === comma) values += 1
    if (depth > jsonDepthLimit) throw new Refusal('body-deep', { values: { levels: jsonDepthLimit } })
    if (values > jsonValueLimit)
      throw new Refusal('body-of-many-values', {
        values: { values: jsonValueLimit, files: attachmentLimit, addresses: recipientLimit },
      })
  }
}
const [quote, backslash, comma] = [0x22, 0x5c, 0x2c]
const [openingBrace, closingBrace, openingBracket, closingBracket] = [0x7b, 0x7d, 0x5b, 0x5d]
