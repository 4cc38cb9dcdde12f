/**
 * An expected no: what a person or a program is told when something may not be done. Thrown anywhere, it becomes
 * an answer in one place (web-server.ts for pages, api/api.ts for the API, commands/failure.ts for commands).
 */
import { type Reason, reasons, said, type ValuesOf } from './reasons.ts'
import { type RefusalCode, refusalStatus } from './refusal-codes.ts'

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
  /** Of a file, in octets. */
  size?: number
  retry_after_s?: number
}

type Given<R extends Reason> = { cause?: unknown; detail?: RefusalDetail } & (ValuesOf<R> extends undefined
  ? { values?: undefined }
  : { values: ValuesOf<R> })

/** A refusal as another process is told of it: plain, without its cause. */
export type ToldRefusal = { reason: Reason; values: unknown; detail: RefusalDetail }

export class Refusal<R extends Reason = Reason> extends Error {
  override name = 'Refusal'
  readonly reason: R
  /** What the sentences of its reason name. */
  readonly values: unknown
  readonly detail: RefusalDetail

  /** @param given the values that the reason's sentences name, and what else its problem document carries */
  constructor(reason: R, ...[given]: ValuesOf<R> extends undefined ? [given?: Given<R>] : [given: Given<R>]) {
    super(said(reasons[reason][1], given?.values), { cause: given?.cause })
    this.reason = reason
    this.values = given?.values
    this.detail = given?.detail ?? {}
  }

  static from({ reason, ...given }: ToldRefusal): Refusal {
    return new Refusal(reason, given as never)
  }

  /** The same, and what else its problem document is to carry. */
  with(detail: RefusalDetail): Refusal {
    return Refusal.from({ ...this.told, detail: { ...this.detail, ...detail } })
  }

  get told(): ToldRefusal {
    const { reason, values, detail } = this
    return { reason, values, detail }
  }

  get code(): RefusalCode {
    return reasons[this.reason][0]
  }

  get status() {
    return refusalStatus[this.code]
  }
}

/**
 * A setting, file, folder or port that whoever runs this has to put right first. The message is one whole sentence for
 * them: a command says it as it is, where of any other error it says the name alone.
 */
export class Unusable extends Error {
  override name = 'Unusable'
}

/** The expected no in what was thrown; null for anything else. */
export const refusalOf = (error: unknown): Refusal | null => (error instanceof Refusal ? error : null)
