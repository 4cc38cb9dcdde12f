/**
 * What ssh2's server side of SFTP lacks: that the other end waits while we have enough to do, word of when what we answer
 * is taken, sentences beside the answers, and extensions of OpenSSH. It is added from outside, to one channel; it knows
 * what the library keeps to itself.
 */
import ssh2, { type SFTPWrapper } from 'ssh2'
import { sftpLimits as limits } from '../../../ground/limits.ts'

type Protocol = {
  channelData(id: number, octets: Buffer): void
  channelExtData(id: number, octets: Buffer, type: number): void
  channelWindowAdjust(id: number, octets: number): void
  channelEOF(id: number): void
  exitStatus(id: number, code: number): void
}
type Inside = {
  _protocol: Protocol
  /** Answers that wait until the other end opens its window. */
  _buffer: Buffer[]
  _chunkcb: (() => void) | undefined
  _waitChanDrain?: boolean
  incoming: { window: number }
  outgoing: { window: number; packetSize: number; id: number; state: string }
  push(octets: Buffer | null): unknown
  end(): void
}

export type How = {
  /** Nothing more is to be taken for now. */
  isPressed(): boolean
  /** Answers that waited have been taken. */
  onEase(): void
  /** What came is no SFTP. */
  onBroken(): void
}

export class Line {
  readonly #inside: Inside
  readonly #how: How
  readonly #parse: (octets: Buffer | null) => unknown
  /** What came and was not looked at yet, which the window bounds: in blocks, and how much the last of them has. */
  #held: Buffer[] = []
  #filled = 0

  /** @param extensions names and their versions, as they are told to the other end */
  constructor(sftp: SFTPWrapper, extensions: Record<string, string>, how: How) {
    const inside = sftp as unknown as Inside
    this.#inside = inside
    this.#how = how
    this.#parse = inside.push.bind(inside)
    inside.push = (octets) => this.#take(octets)
    tellExtensions(inside, extensions)
    let onceTaken = inside._chunkcb
    Object.defineProperty(inside, '_chunkcb', {
      get: () =>
        onceTaken &&
        (() => {
          onceTaken?.call(inside)
          how.onEase()
        }),
      set: (then: (() => void) | undefined) => {
        onceTaken = then
      },
    })
  }

  /** How many answers wait. */
  get waiting() {
    return this.#inside._buffer.length
  }

  /** May be called at any time: looks at what has come, and lets the other end send on, if nothing speaks against it. */
  goOn() {
    while (this.#held.length > 0 && !this.#how.isPressed()) {
      const block = this.#held.shift()!
      this.#look(this.#held.length > 0 ? block : block.subarray(0, this.#filled))
    }
    const inside = this.#inside
    if (!inside._waitChanDrain || this.#isBusy()) return
    inside._waitChanDrain = false
    const { incoming, outgoing } = inside
    if (incoming.window > limits.windowOctets / 2 || outgoing.state === 'closed') return
    const more = limits.windowOctets - incoming.window
    incoming.window += more
    inside._protocol.channelWindowAdjust(outgoing.id, more)
  }

  /** An answer to an extended request. @returns whether it could be sent */
  reply(id: number, body: Buffer): boolean {
    const packet = Buffer.alloc(9 + body.length)
    packet.writeUInt32BE(5 + body.length, 0)
    packet[4] = extendedReply
    packet.writeUInt32BE(id, 5)
    packet.set(body, 9)
    const { outgoing, _protocol: protocol } = this.#inside
    if (this.waiting > 0 || !this.#fits(packet)) return false
    outgoing.window -= packet.length
    protocol.channelData(outgoing.id, packet)
    return true
  }

  /** Beside the answers, if there is room: what clients show that keep the sentence of an answer to themselves. */
  say(sentence: string) {
    const octets = Buffer.from(`${sentence}\n`)
    const { outgoing, _protocol: protocol } = this.#inside
    if (!this.#fits(octets)) return
    outgoing.window -= octets.length
    protocol.channelExtData(outgoing.id, octets, standardError)
  }

  /** With an exit code, which scp asks for. */
  end(code: number) {
    const { outgoing, _protocol: protocol } = this.#inside
    if (outgoing.state === 'open') {
      protocol.exitStatus(outgoing.id, code)
      protocol.channelEOF(outgoing.id)
    }
    this.#held = []
    this.#inside.end()
  }

  #fits({ length }: Buffer) {
    const { window, packetSize, state } = this.#inside.outgoing
    return state === 'open' && length < window && length <= packetSize
  }

  #isBusy() {
    return this.#held.length > 0 || this.#how.isPressed()
  }

  /** @returns false where the other end is to send no more */
  #take(octets: Buffer | null): boolean {
    if (octets === null) return this.#look(null) // and what was held is nobody's question any more
    if (this.#isBusy()) this.#hold(octets)
    else this.#look(octets)
    return !this.#isBusy()
  }

  #look(octets: Buffer | null): boolean {
    try {
      this.#parse(octets)
    } catch {
      this.#how.onBroken()
    }
    return true
  }

  /** Copied together: it may come octet by octet. */
  #hold(octets: Buffer) {
    for (let at = 0; at < octets.length; ) {
      let block = this.#held.at(-1)
      if (!block || this.#filled === block.length) {
        block = Buffer.allocUnsafeSlow(limits.heldOctets)
        this.#held.push(block)
        this.#filled = 0
      }
      const part = octets.subarray(at, at + block.length - this.#filled)
      block.set(part, this.#filled)
      this.#filled += part.length
      at += part.length
    }
  }
}

/** SSH_FXP_EXTENDED_REPLY */
const extendedReply = 201
/** SSH_EXTENDED_DATA_STDERR (RFC 4254 §5.2) */
const standardError = 1

/** Into the library's first packet, which is SSH_FXP_VERSION without any (draft-ietf-secsh-filexfer-02 §4). */
const tellExtensions = (inside: Inside, extensions: Record<string, string>) => {
  const protocol = inside._protocol
  const text = (value: string) => {
    const octets = Buffer.alloc(4 + Buffer.byteLength(value))
    octets.writeUInt32BE(octets.length - 4, 0)
    octets.write(value, 4)
    return octets
  }
  const more = Buffer.concat(
    Object.entries(extensions).flatMap(([name, version]) => [text(name), text(version)]),
  )
  inside._protocol = Object.create(protocol, {
    channelData: {
      value: (id: number, version: Buffer) => {
        inside._protocol = protocol
        const packet = Buffer.concat([version, more])
        packet.writeUInt32BE(packet.length - 4, 0)
        inside.outgoing.window -= more.length
        protocol.channelData(id, packet)
      },
    },
  })
}

export const { STATUS_CODE: status, OPEN_MODE: mode } = ssh2.utils.sftp
