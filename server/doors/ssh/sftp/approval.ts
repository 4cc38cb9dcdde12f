/**
 * A phone that opens the key for reading: asked where somebody reads while it is locked, for most programs of SFTP have no
 * other way to it. It belongs to a connection, whose channels share what it is granted.
 */
import { type Box, Refused } from './box.ts'

/** What is typed on the phone, and where. */
export type Asked = { code: string; address: string }

export class Approval {
  #asked: (Asked & { keyToken: string }) | null = null

  /** @returns the key token, once, when it was granted; null otherwise */
  async granted(box: Box): Promise<string | null> {
    if (!this.#asked) return null
    const state = await box.approval()
    if (state === 'pending') return null
    const { keyToken } = this.#asked
    this.#asked = null
    return state === 'granted' ? keyToken : null
  }

  /**
   * @returns null where it is not to be asked: a client on this connection has done so, or it was done too often
   * @throws Refused `key-in-use`
   */
  async ask(box: Box): Promise<Asked | null> {
    if (this.#asked) return this.#asked
    if ((await box.approval()) === 'pending') return null
    try {
      const { code, address, key_token: keyToken } = await box.askApproval()
      this.#asked = { code, address, keyToken }
      return this.#asked
    } catch (error) {
      if (error instanceof Refused && error.code === 'slow-down') return null
      throw error
    }
  }
}
