/**
 * ASCII armor (RFC 9580 §6.2), with the checksum that the RFC no longer asks for: without it gpg 2.2 takes the last
 * line for data where no `=` ends it.
 */
export const armor = (what: 'PUBLIC KEY' | 'PRIVATE KEY', octets: Uint8Array): string => {
  const lines = base64(octets).match(/.{1,64}/g) ?? []
  return `-----BEGIN PGP ${what} BLOCK-----\n\n${lines.join('\n')}\n=${crc24(octets)}\n-----END PGP ${what} BLOCK-----\n`
}

/** RFC 9580 §6.1.1, in base64. */
const crc24 = (octets: Uint8Array): string => {
  let crc = 0xb704ce
  for (const octet of octets) {
    crc ^= octet << 16
    for (let bit = 0; bit < 8; bit += 1) crc = (crc << 1) ^ (crc & 0x800000 ? 0x1864cfb : 0)
  }
  return base64(Uint8Array.of(crc >> 16, crc >> 8, crc))
}

const base64 = (octets: Uint8Array) =>
  Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('base64')
