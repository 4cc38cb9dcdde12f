/**
 * The program of a child process: it does the work that needs keys or reads what strangers sent, one piece at a
 * time, and ends with its parent. What it may be asked for is this table, nothing else.
 */

import type { Call } from '../contract/requests.ts'
import { type Piecewise, receiveInPieces, sendInPieces } from '../ground/pieces.ts'
import { Refusal, type ToldRefusal } from '../ground/refusal.ts'
import { parseBody } from './api-bodies.ts'
import { compose, parseRecipients, type Typed } from './composing.ts'
import { parseForm } from './form-bodies.ts'
import type { Believed } from './reader/cms-signatures.ts'
import * as encryptedMail from './reader/encrypted-mail.ts'
import * as filePieces from './reader/file-pieces.ts'
import * as keysInMail from './reader/inspect-keys.ts'
import { protectMessage } from './reader/protect.ts'
import type { Certificate } from './reader/signatures.ts'
import { protectBySmime } from './reader/smime-protect.ts'
import { rowOf } from './reader/summary.ts'
import { type Authorities, examineAuthorities } from './reader/trust.ts'
import type { WrappedIdentity } from './vault/identity-keys.ts'
import type { StoredPair } from './vault/keys-at-rest.ts'
import type { NewIdentity } from './vault/new-identities.ts'
import type { NewKey } from './vault/new-keys.ts'
import * as secretKeys from './vault/secret-keys.ts'
import type { Attempt, NewSlot } from './vault/slots.ts'
import { parseXmlBody } from './xml-bodies.ts'

type Certificates = Certificate[]

const operations = {
  // without keys
  summarize: (task: { octets: Uint8Array }) => rowOf(task.octets),
  read: (task: { octets: Uint8Array; certificates: Certificates; smime?: Believed }) =>
    encryptedMail.read(task.octets, task.certificates, task.smime),
  examineAuthorities: async (task: Authorities & { now: number }) => examineAuthorities(task, task.now),
  part: (task: { octets: Uint8Array; id: string }) => encryptedMail.partOf(task.octets, task.id, null),
  parts: (task: { octets: Uint8Array; ids: string[] }) => encryptedMail.partsOf(task.octets, task.ids, null),
  inspectKeys: (task: { octets: Uint8Array }) => keysInMail.inspectKeys(task.octets),
  usesOfCertificate: (task: { publicKey: Uint8Array }) => keysInMail.usesOfCertificate(task.publicKey),
  mergeCertificates: (task: { stored: Uint8Array; offered: Uint8Array }) =>
    keysInMail.mergeCertificates(task.stored, task.offered),
  revocationsOffered: (task: { octets: Uint8Array }) => keysInMail.revocationsOffered(task.octets),
  learnRevocations: (task: { octets: Uint8Array; stored: Uint8Array[] }) =>
    keysInMail.learnRevocations(task.octets, task.stored),
  encrypt: (task: { message: Uint8Array[]; encryptTo: Uint8Array[]; copyTo: Uint8Array[] }) =>
    protectMessage(Buffer.concat(task.message), {
      sign: null,
      encryptTo: task.encryptTo,
      copyTo: task.copyTo,
    }),
  encryptBySmime: async (task: {
    message: Uint8Array[]
    encryptTo: Uint8Array[]
    isAuthenticated: boolean
  }) =>
    protectBySmime(Buffer.concat(task.message), {
      sign: null,
      encryptTo: task.encryptTo,
      isAuthenticated: task.isAuthenticated,
    }),
  sealPiece: (task: { octets: Uint8Array; place: string; copyTo: Uint8Array }) =>
    filePieces.sealPiece(task.octets, task.place, task.copyTo),
  parseBody: async (task: { call: Call; blocks: Uint8Array[] }) =>
    parseBody(task.call, Buffer.concat(task.blocks)),
  parseXmlBody: async (task: { call: Call; blocks: Uint8Array[] }) =>
    parseXmlBody(task.call, Buffer.concat(task.blocks)),
  parseForm,
  parseRecipients: async (task: {
    typed: Typed
    mode: 'strict' | 'as typed'
    words: Record<string, string>
  }) => parseRecipients(task.typed, task.mode, task.words),
  compose,

  // with a passphrase, a passkey or a recovery code
  createKeyring: secretKeys.createKeyring,
  unlock: (task: { attempt: Attempt; recipient: Uint8Array; binding: string }) =>
    secretKeys.unlock(task.attempt, task.recipient, task.binding),
  changeSlots: (task: { attempt: Attempt; change: { remove: string[]; add: NewSlot[] } }) =>
    secretKeys.changeSlots(task.attempt, task.change),
  addKeys: (task: { attempt: Attempt; wanted: NewKey; known: StoredPair[] }) =>
    secretKeys.addKeys(task.attempt, task.wanted, task.known),
  exportSecret: (task: { attempt: Attempt; keys: StoredPair[]; copyPassphrase: Uint8Array }) =>
    secretKeys.exportSecret(task.attempt, task.keys, task.copyPassphrase),

  addIdentities: (task: { attempt: Attempt; wanted: NewIdentity }) =>
    secretKeys.addIdentities(task.attempt, task.wanted),
  exportIdentities: (task: { attempt: Attempt; identities: WrappedIdentity[]; copyPassphrase: Uint8Array }) =>
    secretKeys.exportIdentities(task.attempt, task.identities, task.copyPassphrase),

  // with an allowance
  addIdentitiesByToken: (task: { opening: secretKeys.Opening; wanted: NewIdentity }) =>
    secretKeys.addIdentitiesByToken(task.opening, task.wanted),
  open: (task: {
    opening: secretKeys.Opening
    octets: Uint8Array
    certificates: Certificates
    smime?: Believed
    part?: string
  }) =>
    secretKeys.withOpenKeys(task.opening, (keys) =>
      encryptedMail.open(task.octets, keys, task.certificates, task.part, task.smime),
    ),
  openParts: (task: { opening: secretKeys.Opening; octets: Uint8Array; ids: string[] }) =>
    secretKeys.withOpenKeys(task.opening, (keys) => encryptedMail.partsOf(task.octets, task.ids, keys)),
  openPart: (task: { opening: secretKeys.Opening; octets: Uint8Array; id: string; within?: string }) =>
    secretKeys.withOpenKeys(task.opening, (keys) =>
      encryptedMail.partOf(task.octets, task.id, keys, task.within),
    ),
  openPieces: (task: { opening: secretKeys.Opening; pieces: filePieces.SealedPiece[] }) =>
    secretKeys.withOpenKeys(task.opening, (keys) => filePieces.openPieces(task.pieces, keys)),
  signCleartext: (task: { opening: secretKeys.Opening; text: string }) =>
    secretKeys.withOpenKeys(task.opening, (keys) => keys.signCleartext(task.text)),
  signAndProtect: (task: {
    opening: secretKeys.Opening
    message: Uint8Array
    encryptTo: Uint8Array[]
    copyTo: Uint8Array[]
  }) =>
    secretKeys.withOpenKeys(task.opening, (keys) =>
      protectMessage(task.message, {
        sign: keys,
        encryptTo: task.encryptTo,
        copyTo: task.copyTo,
      }),
    ),
  signAndProtectBySmime: (task: {
    opening: secretKeys.Opening
    message: Uint8Array
    signer: { fingerprint: string; encryptTo: string | null }
    encryptTo: Uint8Array[]
    isAuthenticated: boolean
  }) =>
    secretKeys.withOpenKeys(task.opening, async ({ identities }) =>
      protectBySmime(task.message, {
        sign: { identities, ...task.signer },
        encryptTo: task.encryptTo,
        isAuthenticated: task.isAuthenticated,
      }),
    ),
} satisfies Record<string, (task: never) => Promise<unknown>>

export type Operations = typeof operations
export type Request = { operation: keyof Operations; task: unknown }
export type Answer = { result: unknown } | { refusal: ToldRefusal } | { error: string }

const answerTo = async ({ operation, task }: Request): Promise<Answer> => {
  try {
    const work = operations[operation] as (task: unknown) => Promise<unknown>
    return { result: await work(task) }
  } catch (error) {
    if (error instanceof Refusal) return { refusal: error.told }
    // The message of an unexpected error may quote what it was working on: only where it happened goes out.
    return { error: error instanceof Error ? `${error.name}\n${stackPlaces(error)}` : 'unknown' }
  }
}

const receive = receiveInPieces<Request>(async (id, request) => {
  const answer = await answerTo(request)
  await sendInPieces((content, sent) => process.send!(content, sent), id, answer)
})
process.on('message', (content: Piecewise<Request>) => receive(content))
process.on('disconnect', () => process.exit())

const stackPlaces = (error: Error) =>
  error.stack
    ?.split('\n')
    .filter((line) => line.startsWith('    at '))
    .slice(0, 6)
    .join('\n') ?? ''
