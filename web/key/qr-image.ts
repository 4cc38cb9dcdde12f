/**
 * A QR code as a picture that stands in the page itself: one bit a pixel, some 400 octets for an address. The
 * library draws with 32 bits a pixel, which is too much for a thin page.
 */
import { crc32, deflateSync } from 'node:zlib'
import QRCode from 'qrcode'

/** Pixels a module: whole ones, so that no browser has to scale. */
const scale = 4
/** ISO/IEC 18004: four modules of quiet around the code. */
const quiet = 4

export const qrImage = (text: string): { source: string; size: number } => {
  const { modules } = QRCode.create(text, { errorCorrectionLevel: 'M' })
  const size = (modules.size + 2 * quiet) * scale
  const rows: Buffer[] = []
  for (let y = 0; y < size; y += 1) {
    const row = Buffer.alloc(1 + Math.ceil(size / 8)) // the first octet: no filter
    for (let x = 0; x < size; x += 1) {
      const [column, line] = [Math.floor(x / scale) - quiet, Math.floor(y / scale) - quiet]
      const inside = column >= 0 && line >= 0 && column < modules.size && line < modules.size
      if (!inside || !modules.get(line, column)) row[1 + (x >> 3)]! |= 0x80 >> (x & 7) // 1 is white
    }
    rows.push(row)
  }
  const head = Buffer.alloc(13)
  head.writeUInt32BE(size, 0)
  head.writeUInt32BE(size, 4)
  head[8] = 1 // bits a pixel; the rest is 0: greyscale, deflate, no interlace
  const png = Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', head),
    chunk('IDAT', deflateSync(Buffer.concat(rows), { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ])
  return { source: `data:image/png;base64,${png.toString('base64')}`, size }
}

/** PNG §5.3: length, type, data, and a checksum of type and data. */
const chunk = (type: string, data: Buffer): Buffer => {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(data.length)
  sum.writeUInt32BE(crc32(named))
  return Buffer.concat([length, named, sum])
}
