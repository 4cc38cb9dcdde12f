/**
 * What the calls of the API take, each member bounded. The server alone parses with these (server/locked/api-bodies.ts);
 * a client takes their types.
 */
import { z } from 'zod'
import {
  addressCharacters,
  addressFieldLimit,
  attachmentLimit,
  holdLimitS,
  idleChoiceS,
  letterTextLimit,
  markedAtOnce,
  nameCharacters,
  secretCharacters,
  sshKeyLimits,
} from '../ground/limits.ts'

/** The message of an issue that is about size. */
export const tooLarge = 'too large'

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

export const requests = {
  session: z.strictObject({
    user: z.string().max(addressCharacters),
    password: z.string().max(secretCharacters),
    terminal: z.string().max(200).optional(),
    /** The terminal makes contact at least twice in this time, or loses the key. */
    heartbeat_s: z.number().int().min(5).max(900).optional(),
  }),
  folder: z.strictObject({ name: z.string() }),
  /** `key`: the line of a .pub file. */
  sshKey: z.strictObject({
    name: z.string().max(sshKeyLimits.nameCharacters).optional(),
    key: z.string().max(sshKeyLimits.characters),
  }),
  /** `alias`: the word, or an address of it in the user's domain. */
  alias: z.strictObject({ alias: z.string().max(addressCharacters), published: z.boolean().default(false) }),
  aliasChange: z.strictObject({ published: z.boolean() }),
  /** `file`: PKCS #12 (RFC 7292), base64; or one is made. */
  identity: z.strictObject({
    file: base64.optional(),
    passphrase: z.string().max(secretCharacters).default(''),
    generate: z.literal(true).optional(),
  }),
  marks: marks.partial(),
  manyMarks: marks.partial().extend({ ids: z.array(z.number().int().min(1)).max(markedAtOnce) }),
  decrypt: z.strictObject({ part: z.string().optional() }),
  /** How long the open key stands without a use. */
  idle: z.strictObject({ idle_s: z.number().int().min(idleChoiceS.least).max(idleChoiceS.most) }),
  passphrase: z.strictObject({ passphrase: z.string().max(secretCharacters) }),
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
        z
          .strictObject({
            name: z.string().max(nameCharacters, tooLarge).optional(),
            type: z
              .string()
              .max(nameCharacters, tooLarge)
              .regex(/^[\w.+-]+\/[\w.+-]+$/)
              .optional(),
            /** Base64; `data` is taken too. */
            content: base64.optional(),
            data: base64.optional(),
            /** The path of a file of the box, instead; it has a name and a type of its own. */
            file: z.string().optional(),
          })
          .superRefine(({ name, file }, context) => {
            if (name === undefined && file === undefined) context.addIssue({ code: 'custom', path: ['name'] })
          }),
      )
      .max(attachmentLimit, tooLarge)
      .default([]),
    /** One of this user's messages, or a Message-ID. */
    in_reply_to: z.union([z.number().int(), z.string().max(nameCharacters)]).nullish(),
    sign: z.boolean().default(false),
    encrypt: z.boolean().default(false),
    /** `each`: each recipient gets the kind that they can read; left out: the kind that all of them can. */
    kind: z.enum(['openpgp', 'smime', 'each']).nullable().default(null),
    draft: z.boolean().default(false),
    hold_s: z.number().int().min(0).max(holdLimitS).default(0),
    /** The draft that it takes the place of. */
    replaces: z.number().int().nullish(),
  }),
  /** To save (`from`, `name`), to make a folder, or to move (`move`, `to`). */
  file: z.strictObject({
    from: z
      .strictObject({
        message: z.number().int().min(1),
        part: z.string().max(nameCharacters).optional(),
        /** The encrypted part that was opened alone, if the attachment is in one. */
        within: z.string().max(nameCharacters).optional(),
      })
      .optional(),
    name: z.string().optional(),
    folder: z.string().optional(),
    move: z.string().optional(),
    to: z.string().optional(),
    /** A file that has the new path already goes. */
    replace: z.boolean().default(false),
  }),
  recipients: z.strictObject({ to: addresses, cc: addresses, bcc: addresses }),
  correspondent: z.strictObject({ armored: z.string(), accept: z.string().optional() }),
}

export type Call = keyof typeof requests
/** A body as a client writes it. */
export type Asked<C extends Call> = z.input<(typeof requests)[C]>
/** A body as it was parsed: addresses are one field, base64 is octets, what was left out is there. */
export type Body<C extends Call> = z.output<(typeof requests)[C]>
