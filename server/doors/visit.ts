/** Who asks for a page, what pages are handed of the request beside its address, and what they may do to the browser. */
import type { UploadedFile } from '../locked/form-bodies.ts'
import type { Session } from '../people/sessions.ts'
import type { StreamedFile } from './form-stream.ts'

/** What a page knows of the one who asks. It is data: what changes of it while the page is made, a `Browser` changes. */
export type Visit = {
  /** The live session, its contact noted. */
  session: Session | null
  keyToken: string | null
  /** Network address of the terminal. */
  address: string
  /** What the browser calls itself. */
  terminal: string
  language: Language
  /** How long letters that are sent here wait, so that they can be taken back, in seconds. */
  holdS: number
  /** Asked for by htmx. */
  htmx: boolean
  /** Path of the browser script; empty on pages that must not load it. */
  script: string
  /** Path of the script for pages that ask for a passkey. */
  passkeyScript: string
  /** Goes into each form as its field `t`. */
  formToken: string
  form: Form
  /** The key token of an approval that was asked for; it opens nothing before that is granted. */
  pendingToken: string | null
  /** The site's own address, where the browser is at another name of this machine; null where it is at home. */
  usualAddress: string | null
  /** How far this browser has seen the user's ledger; null if it has not. */
  ledgerMark: string | null
  /** A secret of the session, from which only its own pages can have again what they parked; null without one. */
  parkingSecret: Buffer | null
  /** Whose session it was that is no longer, for a form that was interrupted; null while there is a session. */
  formerUserId: number | null
}

/** What the answer has the browser keep or forget; the visit says the same from here on. */
export type Browser = {
  /** The visit becomes that session's. */
  logIn(begun: { token: string; session: Session }): void
  logOut(): void
  keepKey(token: string | null): void
  /** The key is locked: nor is anything that was shown with it to stay in the browser. */
  lockKey(): void
  keepPending(token: string | null): void
  setLanguage(language: Language): void
  setHold(seconds: number): void
  /** Of the user whose session it is. @param mark null to forget it */
  keepLedgerMark(mark: string | null): void
  /**
   * The body of an answer that is made piece by piece while it is taken.
   *
   * @throws what the first piece throws, so that a refusal comes before the header
   */
  takes(pieces: AsyncGenerator<Uint8Array, void, void>): Promise<ReadableStream<Uint8Array>>
}
export type Language = 'en' | 'ja'
export type Form = {
  /**
   * Why nothing may be done with it: its token is of another session, or of none; or it was larger than may be sent,
   * and its files are left out. It can only be shown again, with what was typed.
   */
  trouble: 'old' | 'too-large' | null
  /** Octets that it may have. */
  limit: number
  /** Empty where there is no such field. */
  get(name: string): string
  all(name: string): string[]
  files(name: string): UploadedFile[]
  /** Files that come as they are sent, and are not held; of a form of the box of files alone. */
  streamed: AsyncIterable<StreamedFile>
}
