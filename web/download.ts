/** What a browser is to keep and never to run: octets of strangers on their way to a disk. */
import { oneLine } from './text.ts'

/** What comes from a stranger is nothing that a browser runs. */
export const inert = { 'Content-Security-Policy': "default-src 'none';sandbox" }

/** Nothing that a browser would run or lay out, whatever the sender calls it. */
export const harmlessType = (type: string): string =>
  /^[\w.+-]+\/[\w.+-]+$/.test(type) && !/html|xml|svg|script|pdf/i.test(type)
    ? type
    : 'application/octet-stream'

/** RFC 6266 with RFC 8187: a name in ASCII for old browsers, the true one beside it. */
export const asAttachment = (name: string): string => {
  const plain = name.replace(/[^\w. -]+/g, '_').slice(-80) || 'file'
  const encoded = encodeURIComponent(oneLine(name, 120)).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16)}`,
  )
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`
}
