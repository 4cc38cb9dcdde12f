/**
 * What the calls of the API take: the JSON bodies, each bounded in octets before it is read, in structure before it is
 * parsed, and in its members. Large ones are parsed in a child process, so nothing here asks a service.
 */
import { z } from 'zod'
import {
  addressFieldLimit,
  attachmentLimit,
  jsonDepthLimit,
  jsonValueLimit,
  letterTextLimit,
  recipientLimit,
} from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'

/** In octets: a letter of 25 MiB with its files in base64; a text to be signed; keys; many addresses; every other call. */
const octetLimits: { [C in Call]?: number } = {
  letter: 36 * 1024 * 1024,
  sign: 2 * 1024 * 1024,
  correspondent: 1024 * 1024,
  recipients: 256 * 1024,
}
export const octetLimitOf = (call: Call): number => octetLimits[call] ?? 16 * 1024

/** Characters of what names something: a file, its type, a message. */
const namedLimit = 1000

/** The message of an issue that is about size. */
const tooLarge = 'too large'

/** A field as typed, or a list of addresses. */
const addresses = z
  .union([z.string(), z.array(z.string()).transform((list) => list.join(', '))])
  .refine((field) => field.length <= addressFieldLimit, tooLarge)
  .default('')

/** Both alphabets (RFC 4648 §4, §5). A pattern would take long over 30 MB; the decoder leaves out what is neither. */
const base64 = z.string().transform((text, context) => {
  const digits = text.length - (text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0)
  const octets = Buffer.from(text, 'base64')
  if (digits % 4 !== 1 && octets.length === Math.floor((digits * 3) / 4)) return new Uint8Array(octets)
  context.addIssue('is not base64')
  return z.NEVER
})

const marks = z.strictObject({ seen: z.boolean(), flagged: z.boolean(), folder: z.string() })

const bodies = {
  session: z.strictObject({
    user: z.string().max(254),
    password: z.string().max(1024),
    terminal: z.string().max(200).optional(),
    /** The terminal makes contact at least twice in this time, or loses the key. */
    heartbeat_s: z.number().int().min(5).max(900).optional(),
  }),
  folder: z.strictObject({ name: z.string() }),
  marks: marks.partial(),
  manyMarks: marks.partial().extend({ ids: z.array(z.number().int().min(1)).max(1000) }),
  decrypt: z.strictObject({ part: z.string().optional() }),
  passphrase: z.strictObject({ passphrase: z.string().max(1024) }),
  approval: z.strictObject({ scope: z.enum(['read', 'sign']) }),
  /** `of`: the `grant` of the holder that was shown, so that no other one is stopped. */
  stop: z.strictObject({ confirm: z.literal(true).optional(), of: z.string().max(64).optional() }),
  sign: z.strictObject({ text: z.string() }),
  letter: z.strictObject({
    to: addresses,
    cc: addresses,
    bcc: addresses,
    subject: z.string().max(letterTextLimit, tooLarge).default(''),
    text: z.string().max(letterTextLimit, tooLarge).default(''),
    attachments: z
      .array(
        z.strictObject({
          name: z.string().max(namedLimit, tooLarge),
          type: z
            .string()
            .max(namedLimit, tooLarge)
            .regex(/^[\w.+-]+\/[\w.+-]+$/)
            .default('application/octet-stream'),
          /** Base64; `data` is taken too. */
          content: base64.optional(),
          data: base64.optional(),
        }),
      )
      .max(attachmentLimit, tooLarge)
      .default([]),
    /** One of this user's messages, or a Message-ID. */
    in_reply_to: z.union([z.number().int(), z.string().max(namedLimit)]).nullish(),
    sign: z.boolean().default(false),
    encrypt: z.boolean().default(false),
    draft: z.boolean().default(false),
    hold_s: z.number().int().min(0).max(3600).default(0),
    /** The draft that it takes the place of. */
    replaces: z.number().int().nullish(),
  }),
  recipients: z.strictObject({ to: addresses, cc: addresses, bcc: addresses }),
  correspondent: z.strictObject({ armored: z.string(), accept: z.string().optional() }),
}

export type Call = keyof typeof bodies
export type Body<C extends Call> = z.output<(typeof bodies)[C]>

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
  const parsed = bodies[call].safeParse(json)
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
