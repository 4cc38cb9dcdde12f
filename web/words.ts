/**
 * What the pages say, in each language. What a language lacks does not compile; why something is refused lies beside
 * the words (English: server/ground/reasons.ts).
 */
import type { Language } from '../server/doors/visit.ts'
import { en, type Words } from './words/en.ts'
import { ja } from './words/ja.ts'

export { capital, type Words } from './words/en.ts'
export type { LedgerSaid } from './words/ledger-en.ts'

export const wordsIn: Record<Language, Words> = { en, ja }
