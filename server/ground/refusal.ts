/**
 * An expected no: what a person or a program is told when something may not be done. Thrown anywhere, it becomes
 * an answer in one place (web-server.ts for pages, api.ts for the API, cli.ts for commands).
 */
import { type Reason, type RefusalCode, reasons, refusalStatus, said, type ValuesOf } from './reasons.ts'

export { type RefusalCode, refusalStatus } from './reasons.ts'

/**
 * What the holder of a key looks like to the one who is refused. Times are Unix milliseconds; `grant` names this very
 * allowance, so that a stop can be meant for it and for no later one.
 */
export type Holder = { grant: string; terminal: string; since: number; last_used: number }

/** Members that a problem document carries beside type, title and status. */
export type RefusalDetail = {
  methods?: string[]
  by?: Holder
  addresses?: string[]
  reason?: string
  /** Of each of the addresses. */
  reasons?: string[]
  /** The draft that the letter lies in. */
  draft?: number
  /** Parts that open alone, in a view of their own. */
  parts?: string[]
  retry_after_s?: number
}

type Options = { cause?: unknown; detail?: RefusalDetail }
type Given<R extends Reason> = Options &
  (ValuesOf<R> extends undefined ? { values?: undefined } : { values: ValuesOf<R> })

/** A refusal as another process is told of it: plain, without its cause. */
export type ToldRefusal = { detail: RefusalDetail } & (
  | { reason: Reason; values: unknown }
  | { code: RefusalCode; sentence: string }
)

export class Refusal<R extends Reason = Reason> extends Error {
  override name = 'Refusal'
  readonly code: RefusalCode
  readonly detail: RefusalDetail
  readonly reason: R | null
  readonly values: unknown

  constructor(reason: R, ...[given]: ValuesOf<R> extends undefined ? [given?: Given<R>] : [given: Given<R>])
  /** For what has no reason of its own yet. */
  constructor(code: RefusalCode, sentence: string, options?: Options)
  constructor(why: R | RefusalCode, given: Partial<Given<R>> | string = {}, options: Options = {}) {
    const isFree = typeof given === 'string'
    const { cause, detail = {} } = isFree ? options : given
    super(isFree ? given : said(reasons[why as R][1], given.values), { cause })
    this.code = isFree ? (why as RefusalCode) : reasons[why as R][0]
    this.reason = isFree ? null : (why as R)
    this.values = isFree ? undefined : given.values
    this.detail = detail
  }

  static from(told: ToldRefusal): Refusal {
    if ('code' in told) return new Refusal(told.code, told.sentence, { detail: told.detail })
    return new Refusal(told.reason, { values: told.values, detail: told.detail } as never)
  }

  /** The same, and what else its problem document is to carry. */
  with(detail: RefusalDetail): Refusal {
    return Refusal.from({ ...this.told, detail: { ...this.detail, ...detail } })
  }

  get told(): ToldRefusal {
    const { reason, values, detail, code, message } = this
    return reason ? { reason, values, detail } : { code, sentence: message, detail }
  }

  get status() {
    return refusalStatus[this.code]
  }
}
