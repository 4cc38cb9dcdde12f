/** Where tests find the program, their own files, and the corpus of foreign mail and keys that may lie beside the checkout. */
import { join } from 'node:path'

export const root = join(import.meta.dirname, '..', '..')
/** The program as it is built. */
export const wafer = join(root, 'dist', 'wafer.js')
export const vectors = join(root, 'test', 'vectors')
export const corpus = process.env.CORPUS_DIR ?? join(root, '..', 'shared', 'corpus')
