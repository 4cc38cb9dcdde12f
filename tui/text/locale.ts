/**
 * Terminals that do not speak UTF-8. To them an octet above 0x7f is a character of another charset or, from 0x80 to
 * 0x9f, a control: 0x9b alone is CSI (ECMA-48 §5.4), and stands in the UTF-8 of many an ordinary character. None is
 * sent there, whoever writes: a character beyond ASCII becomes as many question marks as it has cells. It is not spelled
 * in other letters, for then two addresses would look like one.
 */
import { cells } from './text.ts'

/** Whether the person's terminal takes UTF-8, by what the locale says (POSIX.1-2024, 8.2). */
export const isUtf8 = ({ LC_ALL, LC_CTYPE, LANG }: NodeJS.ProcessEnv = process.env): boolean =>
  process.platform === 'win32' || /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || '')

export const inAscii = (text: string): string =>
  text
    .replace(/[\u2018\u2019]/g, "'")
    .replace(/[\u201c\u201d]/g, '"')
    .replace(/[\u2010-\u2014]/g, '-')
    .replace(/[^\x00-\x7f]+/g, (run) => '?'.repeat(cells(run)))

/** Has whatever is written to a terminal from now on pass as ASCII. What goes to a file or a pipe stays as it is. */
export const keepToAscii = (stream: NodeJS.WriteStream): void => {
  if (!stream.isTTY) return
  const write = stream.write.bind(stream) as (text: string, ...more: unknown[]) => boolean
  stream.write = (chunk: Uint8Array | string, ...more: unknown[]) =>
    write(inAscii(typeof chunk === 'string' ? chunk : new TextDecoder().decode(chunk)), ...more)
}

export const asciiNote =
  'This terminal shows other characters than ASCII as question marks: its locale (LANG, LC_ALL) is not UTF-8.'
