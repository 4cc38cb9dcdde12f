/**
 * The bodies of forms (multipart/form-data of RFC 7578, or URL-encoded): how many fields they have is counted before
 * they are parsed, and what was typed is bounded. Large ones are parsed in a child process.
 */
import { MIMEType } from 'node:util'
import { formFieldLimit, formTextLimit } from '../ground/limits.ts'
import { Refusal } from '../ground/refusal.ts'

export type UploadedFile = { name: string; type: string; octets: Uint8Array }
/** In the order in which they came. */
export type FormFields = {
  texts: { field: string; text: string }[]
  files: (UploadedFile & { field: string })[]
}

/**
 * @param form.isCut the body ends somewhere: what came before is kept without its files, which come last
 * @throws Refusal `bad-request` if it is no form, or has too many fields; `too-large` if too much was typed
 */
export const parseForm = async (form: {
  contentType: string
  blocks: Uint8Array[]
  isCut: boolean
}): Promise<FormFields> => {
  const type = typeOf(form.contentType)
  const whole = Buffer.concat(form.blocks)
  const body = form.isCut ? upToLastPart(whole, type.boundary) : whole
  if (occurrences(body, type.boundary ?? '&') > formFieldLimit) throw new Refusal('form-of-many-fields')
  // URL-encoded, a form holds nothing but text, of at most three octets a character's octet.
  if (type.boundary === null && body.length > 3 * formTextLimit) throw new Refusal('form-large')
  const fields: FormFields = { texts: [], files: [] }
  let data: FormData
  try {
    data = await new Response(body, { headers: { 'Content-Type': type.written } }).formData()
  } catch (cause) {
    throw unreadable(cause)
  }
  let typed = 0
  for (const [field, value] of data as unknown as Iterable<[string, string | File]>) {
    typed += field.length + (typeof value === 'string' ? value.length : value.name.length + value.type.length)
    if (typed > formTextLimit) throw new Refusal('form-large')
    if (typeof value === 'string') fields.texts.push({ field, text: value })
    else if (!form.isCut && (value.size > 0 || value.name !== '')) {
      const { name, type } = value
      fields.files.push({ field, name, type, octets: new Uint8Array(await value.arrayBuffer()) })
    }
  }
  return fields
}

const unreadable = (cause?: unknown) => new Refusal('form-unreadable', { cause })

/** The type as it was understood, written anew: the parser must not find another boundary than the one counted here. */
const typeOf = (contentType: string): { written: string; boundary: string | null } => {
  let type: MIMEType
  try {
    type = new MIMEType(contentType)
  } catch (cause) {
    throw unreadable(cause)
  }
  if (type.essence !== 'multipart/form-data') return { written: type.essence, boundary: null }
  const boundary = type.params.get('boundary') ?? ''
  // The characters of RFC 2046 §5.1.1, but more than its 70: w3m's boundaries have 80 and more.
  if (!/^[\w'()+,./:=? -]{1,200}$/.test(boundary)) throw unreadable()
  return { written: `multipart/form-data; boundary="${boundary}"`, boundary }
}

/** Of a multipart body that was cut off, the parts that are whole (RFC 2046 §5.1.1). */
const upToLastPart = (body: Buffer, boundary: string | null) => {
  const end = boundary === null ? -1 : body.lastIndexOf(`\r\n--${boundary}`)
  if (end < 0) throw new Refusal('form-large')
  return Buffer.concat([body.subarray(0, end), Buffer.from(`\r\n--${boundary}--\r\n`)])
}

const occurrences = (octets: Buffer, wanted: string): number => {
  let count = 0
  for (
    let at = octets.indexOf(wanted);
    at >= 0 && count <= formFieldLimit;
    at = octets.indexOf(wanted, at + wanted.length)
  )
    count += 1
  return count
}
