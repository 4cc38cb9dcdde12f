/** Names for files that others sent, what their endings say, and how much a letter has room for; of no disk. */
import { extname } from 'node:path'
import { harmless } from '../text/text.ts'
import { type Attachment, sizeOfAttachment } from './letter.ts'

/**
 * A sender's name for a file as one that can be saved here: of letters, digits and a few signs that no shell obeys, never
 * hidden, never a path, never too long for a file system.
 */
export const fileNameOf = (name: string): string => {
  const line = harmless(name)
  const bare = line
    .slice(Math.max(line.lastIndexOf('/'), line.lastIndexOf('\\')) + 1)
    .replace(/[^\p{L}\p{N}\p{M}._ +()@-]/gu, '_')
    .replace(/^[\s\p{M}.-]+/u, '')
  const ending = /\.[A-Za-z0-9]{1,8}$/.exec(bare.slice(-9))?.[0] ?? ''
  // 255 octets are what most file systems take.
  const stem = new TextDecoder().decode(
    Buffer.from(bare.slice(0, bare.length - ending.length)).subarray(0, 200),
  )
  return `${stem.replace(/\ufffd$/, '').trim()}${ending}`.trim() || 'attachment'
}

/** Of a mail, all together; the server takes no more than that in base64. */
const attachmentLimit = 20 * 1024 * 1024

/** Octets that a letter with these attachments has still room for. */
export const roomBeside = (attachments: Attachment[]): number =>
  Math.max(
    0,
    attachments.reduce((left, each) => left - sizeOfAttachment(each), attachmentLimit),
  )

/** By the ending of its name: the usual ones (media types as IANA lists them). */
export const typeOf = (name: string): string =>
  types[extname(name).slice(1).toLowerCase()] ?? 'application/octet-stream'

const types: Record<string, string> = {
  txt: 'text/plain',
  text: 'text/plain',
  log: 'text/plain',
  md: 'text/markdown',
  csv: 'text/csv',
  htm: 'text/html',
  html: 'text/html',
  ics: 'text/calendar',
  vcf: 'text/vcard',
  diff: 'text/x-diff',
  patch: 'text/x-diff',
  json: 'application/json',
  xml: 'application/xml',
  pdf: 'application/pdf',
  rtf: 'application/rtf',
  zip: 'application/zip',
  gz: 'application/gzip',
  tgz: 'application/gzip',
  tar: 'application/x-tar',
  '7z': 'application/x-7z-compressed',
  bz2: 'application/x-bzip2',
  xz: 'application/x-xz',
  asc: 'text/plain',
  sig: 'application/pgp-signature',
  gpg: 'application/octet-stream',
  doc: 'application/msword',
  xls: 'application/vnd.ms-excel',
  ppt: 'application/vnd.ms-powerpoint',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  pptx: 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
  odt: 'application/vnd.oasis.opendocument.text',
  ods: 'application/vnd.oasis.opendocument.spreadsheet',
  odp: 'application/vnd.oasis.opendocument.presentation',
  epub: 'application/epub+zip',
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  avif: 'image/avif',
  heic: 'image/heic',
  svg: 'image/svg+xml',
  tif: 'image/tiff',
  tiff: 'image/tiff',
  bmp: 'image/bmp',
  mp3: 'audio/mpeg',
  m4a: 'audio/mp4',
  ogg: 'audio/ogg',
  opus: 'audio/ogg',
  flac: 'audio/flac',
  wav: 'audio/wav',
  mp4: 'video/mp4',
  mov: 'video/quicktime',
  mkv: 'video/matroska',
  webm: 'video/webm',
}
