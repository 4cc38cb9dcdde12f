/**
 * A session with a WAP gateway, as a handset has it: WSP, connection-oriented (WAP-203-WSP §8), over transactions of
 * class 2 (WAP-201-WTP), over UDP. Header fields are written as text.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

/** Where gateways listen for such sessions (IANA `wap-wsp-wtp`). */
const port = 9201

/** Names and values; a handset names each type that it accepts in a field of its own. */
export type Fields = [name: string, value: string][]
export type Reply = { status: number; headers: Map<string, string>; body: Buffer; pduOctets: number }

// WTP: kinds of packets, in bits 3 to 6 of the first octet (§9.1), and flags.
const kinds = { invoke: 1, result: 2, ack: 3, abort: 4, segmentedResult: 6, negativeAck: 7 }
const trailer = 2
const groupTrailer = 4
const tidVerify = 4
const resent = 1
// WSP: kinds of what they carry (§8.2.1).
const wsp = { connect: 1, connectReply: 2, redirect: 3, reply: 4, disconnect: 5, get: 0x40, post: 0x60 }

export class WapSession {
  readonly #socket: Socket
  readonly #gateway: string
  #tid = Math.floor(Math.random() * 16_000)
  readonly #waiting = new Map<
    number,
    { segments: Map<number, Buffer>; done: (whole: Buffer) => void; fail: (error: Error) => void }
  >()

  private constructor(gateway: string, socket: Socket) {
    this.#gateway = gateway
    this.#socket = socket
    socket.on('message', (packet) => this.#heard(packet))
  }

  static async connect(gateway: string): Promise<WapSession> {
    const socket = createSocket('udp4')
    socket.bind(0, gateway)
    await once(socket, 'listening')
    const session = new WapSession(gateway, socket)
    const version = 0x10
    const [kind] = await session.#transact(Buffer.from([wsp.connect, version, 0, 0]))
    if (kind !== wsp.connectReply) throw new Error(`expected a session, got WSP ${kind}`)
    return session
  }

  get(url: string, headers: Fields): Promise<Reply> {
    const address = Buffer.from(url)
    return this.#ask(
      Buffer.concat([Buffer.from([wsp.get]), number(address.length), address, written(headers)]),
    )
  }

  post(url: string, headers: Fields, form: string): Promise<Reply> {
    const address = Buffer.from(url)
    const type = Buffer.from('application/x-www-form-urlencoded\0')
    const fields = Buffer.concat([type, written(headers)])
    return this.#ask(
      Buffer.concat([
        Buffer.from([wsp.post]),
        number(address.length),
        number(fields.length),
        address,
        fields,
        Buffer.from(form),
      ]),
    )
  }

  close() {
    this.#socket.close()
  }

  async #ask(request: Buffer): Promise<Reply> {
    const pdu = await this.#transact(request)
    if (pdu[0] !== wsp.reply) throw new Error(`expected a reply, got WSP ${pdu[0]}`)
    const [length, from] = readNumber(pdu, 2)
    const end = from + length
    // Hundreds are sixteens (§8.2.3.3, table 36); from 500 on they begin anew.
    const code = pdu[1]!
    const status = code >= 0x60 ? 500 + (code - 0x60) : (code >> 4) * 100 + (code & 15)
    return {
      status,
      headers: readHeaders(pdu.subarray(from, end)),
      body: pdu.subarray(end),
      pduOctets: pdu.length,
    }
  }

  /** Sends what a transaction asks, and waits for its result. */
  #transact(content: Buffer): Promise<Buffer> {
    this.#tid = (this.#tid + 1) & 0x7fff
    const tid = this.#tid
    const result = new Promise<Buffer>((done, fail) =>
      this.#waiting.set(tid, { segments: new Map(), done, fail }),
    )
    const upAck = 0x10
    const invoke = (flags: number) =>
      this.#send(Buffer.concat([head(kinds.invoke, trailer | flags, tid), Buffer.from([upAck | 2]), content]))
    invoke(0)
    // Datagrams may be lost: once more until something is heard (§7.2).
    const again = setInterval(invoke, 2_000, resent)
    return result.finally(() => clearInterval(again))
  }

  #heard(packet: Buffer) {
    const kind = (packet[0]! >> 3) & 15
    const flags = packet[0]! & 7
    const tid = packet.readUInt16BE(1) & 0x7fff
    const waiting = this.#waiting.get(tid)
    if (!waiting) return
    if (kind === kinds.abort) waiting.fail(new Error(`expected a result, got abort ${packet[3]}`))
    else if (kind === kinds.ack && flags & tidVerify) this.#send(head(kinds.ack, tidVerify, tid))
    else if (kind === kinds.result || kind === kinds.segmentedResult) {
      const place = kind === kinds.result ? 0 : packet[3]!
      waiting.segments.set(place, packet.subarray(kind === kinds.result ? 3 : 4))
      if (!(flags & (trailer | groupTrailer))) return
      this.#send(
        place === 0 ? head(kinds.ack, 0, tid) : Buffer.concat([withSegment(tid), Buffer.from([place])]),
      )
      if (!(flags & trailer)) return
      this.#waiting.delete(tid)
      const places = [...waiting.segments.keys()].sort((a, b) => a - b)
      waiting.done(Buffer.concat(places.map((each) => waiting.segments.get(each)!)))
    }
  }

  #send(packet: Buffer) {
    this.#socket.send(packet, port, this.#gateway)
  }
}

const head = (kind: number, flags: number, tid: number) =>
  Buffer.from([(kind << 3) | flags, tid >> 8, tid & 255])

/** An acknowledgement that names a segment, in a variable part of one octet (§9.2.1). */
const withSegment = (tid: number) =>
  Buffer.concat([Buffer.from([0x80 | (kinds.ack << 3), tid >> 8, tid & 255]), Buffer.from([(3 << 3) | 1])])

const number = (value: number): Buffer => {
  const octets = [value & 127]
  for (let rest = value >> 7; rest > 0; rest >>= 7) octets.unshift((rest & 127) | 128)
  return Buffer.from(octets)
}

const readNumber = (octets: Buffer, from: number): [value: number, end: number] => {
  let value = 0
  let at = from
  do value = value * 128 + (octets[at]! & 127)
  while (octets[at++]! > 127)
  return [value, at]
}

const written = (headers: Fields) =>
  Buffer.from(headers.map(([name, value]) => `${name}\0${value}\0`).join(''))

const location = 0x17 | 0x80

/** Type and header fields of a reply; of those with a number as name, the ones that are needed here (§8.4.2). */
const readHeaders = (octets: Buffer): Map<string, string> => {
  const headers = new Map<string, string>()
  let at = 0
  const value = (): string => {
    const first = octets[at]!
    if (first > 127) return String(octets[at++]! & 127)
    if (first < 32) {
      const [length, from] = first === 31 ? readNumber(octets, at + 1) : [first, at + 1]
      at = from + length
      return octets.toString('latin1', from, at)
    }
    const end = octets.indexOf(0, at)
    const text = octets.toString('latin1', first === 127 ? at + 1 : at, end)
    at = end + 1
    return text
  }
  headers.set('content-type', value())
  while (at < octets.length) {
    const code = octets[at]!
    if (code > 127) at += 1
    const name = code > 127 ? (code === location ? 'location' : String(code & 127)) : value().toLowerCase()
    headers.set(name, value())
  }
  return headers
}
