/**
 * SFTP by hand (draft-ietf-secsh-filexfer-02), over ssh2's client: what no program would send can be sent, and answers are
 * seen as they come.
 */
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import ssh2, { type ClientChannel } from 'ssh2'
import { password } from './world.ts'

export const request = {
  init: 1,
  open: 3,
  close: 4,
  read: 5,
  write: 6,
  lstat: 7,
  fstat: 8,
  setstat: 9,
  opendir: 11,
  readdir: 12,
  remove: 13,
  mkdir: 14,
  rmdir: 15,
  realpath: 16,
  stat: 17,
  rename: 18,
  symlink: 20,
  extended: 200,
}
export const answered = {
  version: 2,
  status: 101,
  handle: 102,
  data: 103,
  name: 104,
  attrs: 105,
  extended: 201,
}
export const ok = 0
export const flags = { read: 1, write: 2, append: 4, create: 8, truncate: 16, exclusive: 32 }

/** Text and octets with their length before them; numbers of 32 bits, and of 64 where they are big. */
export const packed = (...fields: (string | Buffer | number | bigint)[]): Buffer =>
  Buffer.concat(
    fields.flatMap((field) => {
      if (typeof field === 'bigint') {
        const octets = Buffer.alloc(8)
        octets.writeBigUInt64BE(field)
        return [octets]
      }
      const number = Buffer.alloc(4)
      const octets = typeof field === 'number' ? Buffer.alloc(0) : Buffer.from(field)
      number.writeUInt32BE(typeof field === 'number' ? field : octets.length)
      return [number, octets]
    }),
  )

export class Reply {
  readonly type: number
  readonly body: Buffer

  constructor(type: number, body: Buffer) {
    this.type = type
    this.body = body
  }

  /** The first string in it: a handle, or octets of a file. */
  get octets(): Buffer {
    return this.body.subarray(4, 4 + this.body.readUInt32BE(0))
  }

  get code(): number {
    return this.body.readUInt32BE(0)
  }

  get sentence(): string {
    return this.body.subarray(8, 8 + this.body.readUInt32BE(4)).toString()
  }

  /** Of an answer with names, which of ours have attributes that are all there. */
  get names(): string[] {
    const names: string[] = []
    let at = 4
    for (let left = this.body.readUInt32BE(0); left > 0; left -= 1) {
      const name = this.body.subarray(at + 4, at + 4 + this.body.readUInt32BE(at))
      at += 4 + name.length
      at += 4 + this.body.readUInt32BE(at)
      at += this.body.readUInt32BE(at) === 0 ? 4 : 32
      names.push(name.toString())
    }
    return names
  }
}

export class SftpByHand {
  readonly stream: ClientChannel
  /** What was said beside the answers. */
  said = ''
  extensions: string[] = []
  readonly #waiting = new Map<number, (reply: Reply) => void>()
  readonly #came: Buffer[] = []
  #id = 0
  isOver = false

  constructor(stream: ClientChannel) {
    this.stream = stream
    stream.stderr.on('data', (text) => (this.said += text))
    stream.on('data', (octets: Buffer) => this.#take(octets))
    stream.once('close', () => {
      this.isOver = true
      for (const then of this.#waiting.values()) then(new Reply(answered.status, packed(7, 'gone')))
    })
    stream.on('error', () => {})
  }

  ask(type: number, ...fields: (string | Buffer | number | bigint)[]): Promise<Reply> {
    this.#id += 1
    const id = this.#id
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve)
      this.send(Buffer.concat([Buffer.from([type]), packed(id, ...fields)]))
    })
  }

  /** Anything, with its length before it. */
  send(octets: Buffer) {
    this.stream.write(packed(octets))
  }

  open(path: string | Buffer, how: number): Promise<Reply> {
    return this.ask(request.open, path, how, 0)
  }

  async opened(path: string, how: number): Promise<Buffer> {
    const reply = await this.open(path, how)
    if (reply.type !== answered.handle)
      throw new Error(`expected a handle, got ${reply.code} ${reply.sentence}`)
    return reply.octets
  }

  write(handle: Buffer, offset: number | bigint, octets: Buffer | string): Promise<Reply> {
    return this.ask(request.write, handle, BigInt(offset), octets)
  }

  read(handle: Buffer, offset: number | bigint, length: number): Promise<Reply> {
    return this.ask(request.read, handle, BigInt(offset), length)
  }

  close(handle: Buffer): Promise<Reply> {
    return this.ask(request.close, handle)
  }

  async list(folder: string): Promise<string[]> {
    const { octets: handle } = await this.ask(request.opendir, folder)
    const names: string[] = []
    for (;;) {
      const reply = await this.ask(request.readdir, handle)
      if (reply.type !== answered.name) break
      names.push(...reply.names)
    }
    await this.close(handle)
    return names.filter((name) => name !== '.' && name !== '..')
  }

  #take(octets: Buffer) {
    this.#came.push(octets)
    let all = Buffer.concat(this.#came.splice(0))
    while (all.length >= 4 && all.length >= 4 + all.readUInt32BE(0)) {
      const packet = all.subarray(4, 4 + all.readUInt32BE(0))
      all = all.subarray(4 + packet.length)
      if (packet[0] === answered.version)
        this.extensions =
          packet
            .subarray(5)
            .toString('latin1')
            .match(/[a-z-]+@\S+?com/g) ?? []
      const id = packet[0] === answered.version ? 0 : packet.readUInt32BE(1)
      this.#waiting.get(id)?.(new Reply(packet[0]!, packet.subarray(5)))
      this.#waiting.delete(id)
    }
    this.#came.push(all)
  }
}

/** A connection, by password; each of its channels has said that it speaks SFTP. */
export const sftpByHand = async (t: TestContext, port: number, user: string) => {
  const client = new ssh2.Client()
  t.after(() => client.destroy())
  client.on('error', () => {})
  client.connect({ host: '127.0.0.1', port, username: user, password })
  await once(client, 'ready')
  const channel = (): Promise<SftpByHand> =>
    new Promise((resolve, reject) =>
      client.subsys('sftp', (error, stream) => {
        if (error) return reject(error)
        const sftp = new SftpByHand(stream)
        sftp.send(Buffer.concat([Buffer.from([request.init]), packed(3)]))
        resolve(sftp)
      }),
    )
  return { client, channel }
}
