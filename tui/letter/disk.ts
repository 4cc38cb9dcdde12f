/**
 * The disk of the machine that the client runs on, and the editor there. A client behind SSH has neither: it is given
 * null in the place of this, and what is here is not in its program at all.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { edited, editorOf, placeForText } from './editor.ts'
import { attachmentFrom, completions, pathOf, streamFrom, writing } from './paths.ts'

export const disk = {
  hasEditor: () => editorOf() !== null,
  placeForText: () => placeForText(),
  edited,
  completions: (typed: string) => completions(typed),
  attachmentFrom: (path: string, mostOctets: number) => attachmentFrom(path, mostOctets),
  streamFrom: (path: string) => streamFrom(path),
  writing,
  /** @throws an error of the system */
  read: (path: string): Promise<Uint8Array> => readFile(pathOf(path)),
  /** Never writes over a file that is there. @throws an error of the system, EEXIST of that */
  save: (path: string, octets: Uint8Array): Promise<void> =>
    writeFile(pathOf(path), octets, { flag: 'wx', mode: 0o600 }),
}

export type Disk = typeof disk
