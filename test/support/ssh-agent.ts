/**
 * An agent for SSH (draft-ietf-sshm-ssh-agent) with one key on a FIDO authenticator, which signs as OpenSSH's PROTOCOL.u2f
 * has it: so OpenSSH's own client shows such a key on a machine without one.
 */
import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { TestContext } from 'node:test'

const text = (...fields: (string | Buffer)[]) =>
  Buffer.concat(
    fields.flatMap((field) => {
      const octets = Buffer.from(field)
      const length = Buffer.alloc(4)
      length.writeUInt32BE(octets.length)
      return [length, octets]
    }),
  )
const sha256 = (octets: Buffer | string) => createHash('sha256').update(octets).digest()
/** A positive number, with a zero where it would look negative (RFC 4251 §5). */
const number = (octets: Buffer) => {
  let at = 0
  while (at < octets.length - 1 && octets[at] === 0) at += 1
  const digits = octets.subarray(at)
  return digits[0]! & 0x80 ? Buffer.concat([Buffer.alloc(1), digits]) : digits
}

const application = 'ssh:'

export const agentWithAuthenticator = async (
  t: TestContext,
  socket: string,
  kind: 'sk-ssh-ed25519@openssh.com' | 'sk-ecdsa-sha2-nistp256@openssh.com',
) => {
  const isEc = kind.startsWith('sk-ecdsa')
  const { publicKey, privateKey } = isEc
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
    : generateKeyPairSync('ed25519')
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' })
  const [left, right] = [Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]
  const key = isEc
    ? text(kind, 'nistp256', Buffer.concat([Buffer.from([4]), left, right]), application)
    : text(kind, left, application)
  const agent = { socket, line: `${kind} ${key.toString('base64')} token`, isPresent: true }
  const signed = (message: Buffer) => {
    const tail = Buffer.from([agent.isPresent ? 1 : 0, 0, 0, 0, 7])
    const attested = Buffer.concat([sha256(application), tail, sha256(message)])
    if (!isEc) return Buffer.concat([text(kind, sign(null, attested, privateKey)), tail])
    const both = sign('sha256', attested, { key: privateKey, dsaEncoding: 'ieee-p1363' })
    const own = text(number(both.subarray(0, 32)), number(both.subarray(32)))
    return Buffer.concat([text(kind, own), tail])
  }
  const answer = (request: Buffer): Buffer => {
    const [type] = request
    if (type === 11) return Buffer.concat([Buffer.from([12, 0, 0, 0, 1]), text(key, 'token')]) // identities
    if (type !== 13) return Buffer.from([5]) // failure
    const at = 1 + 4 + request.readUInt32BE(1)
    const message = request.subarray(at + 4, at + 4 + request.readUInt32BE(at))
    return Buffer.concat([Buffer.from([14]), text(signed(message))])
  }
  const server = createServer((client) => {
    let waiting = Buffer.alloc(0)
    client.on('error', () => {})
    client.on('data', (octets) => {
      waiting = Buffer.concat([waiting, octets])
      while (waiting.length >= 4 && waiting.length >= 4 + waiting.readUInt32BE(0)) {
        const length = waiting.readUInt32BE(0)
        client.write(text(answer(waiting.subarray(4, 4 + length))))
        waiting = waiting.subarray(4 + length)
      }
    })
  })
  server.listen(socket)
  await once(server, 'listening')
  t.after(() => server.close())
  return agent
}
