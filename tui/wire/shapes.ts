/** What the JSON API answers and takes, typed from the server's routes. */
import type { ExtractSchema } from 'hono/types'
import type { Api } from '../../server/doors/api/api.ts'

type Routes = ExtractSchema<Api>
type Answers<Path extends keyof Routes, Method extends string> = Routes[Path] extends {
  [M in Method]: { output: infer Answer }
}
  ? Answer
  : never

export type NewSession = Answers<'/session', '$post'>
export type SessionView = Answers<'/session', '$get'>
export type Folder = Answers<'/folders', '$get'>['folders'][number]
export type Page = Answers<'/folders/:name/messages', '$get'>
export type Row = Page['messages'][number]
export type Message = Answers<'/messages/:id', '$get'>
export type Opened = Answers<'/messages/:id/decrypt', '$post'>
export type Allowance = Answers<'/allowance', '$post'>
export type Approval = Answers<'/approval', '$post'>
export type ApprovalState = Answers<'/approval', '$get'>['state']
export type Key = Answers<'/keys', '$get'>['keys'][number]
export type Passkey = Answers<'/passkeys', '$get'>['passkeys'][number]
export type LogPage = Answers<'/log', '$get'>
export type Sent = Answers<'/messages', '$post'>
export type TerminalView = Answers<'/terminals', '$get'>['terminals'][number]
export type QueuePage = Answers<'/queue', '$get'>
export type WaitingMail = QueuePage['queue'][number]
export type KnownAddress = Answers<'/addresses', '$get'>['addresses'][number]
export type Recipient = Answers<'/recipients', '$post'>['recipients'][number]
export type Correspondent = Answers<'/correspondents', '$get'>['correspondents'][number]
export type Offered = Extract<Answers<'/correspondents', '$post'>, { offered: unknown }>
export type OfferedKey = Offered['offered'][number]

/** What `POST /messages` takes. Addresses as one types them: `Ben <ben@example.org>, eve@example.org`. */
export type Letter = {
  to?: string
  cc?: string
  bcc?: string
  subject?: string
  text?: string
  /** `content` is base64. */
  attachments?: { name: string; type?: string; content: string }[]
  /** One of the user's messages, or a Message-ID. */
  in_reply_to?: number | string | null
  sign?: boolean
  encrypt?: boolean
  draft?: boolean
  hold_s?: number
  /** The draft that this one takes the place of. */
  replaces?: number
}

/** Who has the key. `grant` is sent back with a stop, so that nobody is stopped who was not shown. */
export type Holder = { grant?: string; terminal: string; since: string; last_used: string }
