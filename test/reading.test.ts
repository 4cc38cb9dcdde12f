/**
 * Reading mail against other people's samples: every case of the corpus that a reader meets gives its expected
 * result, or stands below as a written exception. Cases of layer `openpgp` are bare OpenPGP files; here they arrive
 * in a mail, as PGP/MIME or as its text.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import * as openpgp from 'openpgp'
import { inspectKeys, type Mail, open, partOf, protect, read } from '../server/encrypted-mail.ts'
import { summarize } from '../server/mime.ts'
import { allowShortRsaKeys } from '../server/openpgp-packets.ts'
import { Refusal } from '../server/refusal.ts'
import type { OpenKeys } from '../server/secret-keys.ts'

const corpus = process.env.CORPUS_DIR ?? '../shared/corpus'
const skip = existsSync(join(corpus, 'cases.jsonl')) ? false : 'needs the test corpus: set CORPUS_DIR to its folder'

type Case = {
  id: string
  file: string
  layer: string
  keys: string
  passphrase: string
  decrypt: string
  signature: string
  must: string
}
const cases: Case[] = skip
  ? []
  : readFileSync(join(corpus, 'cases.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))

const octetsOf = (file: string) => new Uint8Array(readFileSync(join(corpus, file)))

// ---- keys as the samples bring them

const settings = { minRSABits: 1023, allowMissingKeyFlags: true, rejectPublicKeyAlgorithms: new Set<number>() }

const keysOf = async (octets: Uint8Array): Promise<openpgp.Key[]> => {
  const text = Buffer.from(octets).toString('latin1')
  if (octets[0]! & 0x80) return openpgp.readKeys({ binaryKeys: octets, config: settings })
  const blocks = text.match(/-----BEGIN PGP (PRIVATE|PUBLIC) KEY BLOCK-----.*?-----END PGP \1 KEY BLOCK-----/gs) ?? []
  const lists = blocks.map((armoredKeys) => openpgp.readKeys({ armoredKeys, config: settings }).catch(() => []))
  return (await Promise.all(lists)).flat()
}

const keyFiles = async (files: string[]) => (await Promise.all(files.map((file) => keysOf(octetsOf(file))))).flat()

const lend = async (keys: openpgp.Key[], passphrase: string): Promise<OpenKeys> => {
  const secret: openpgp.PrivateKey[] = []
  for (const key of keys) {
    if (!key.isPrivate()) continue
    const privateKey = key as openpgp.PrivateKey
    const unlocked = privateKey.isDecrypted()
      ? privateKey
      : await openpgp.decryptKey({ privateKey, passphrase, config: settings }).catch(() => null)
    if (unlocked) secret.push(unlocked)
  }
  return {
    unwrap: async (octets) => {
      const message = await openpgp.readMessage({ binaryMessage: octets })
      const found = await openpgp
        .decryptSessionKeys({ message, decryptionKeys: secret, config: settings })
        .catch(() => [])
      return found.map(({ data, algorithm }) => ({ data, algorithm: algorithm ?? null }))
    },
    signDetached: async (octets) =>
      openpgp.sign({ message: await openpgp.createMessage({ binary: octets }), signingKeys: secret[0]!, detached: true }),
    signCleartext: async (text) =>
      openpgp.sign({ message: await openpgp.createCleartextMessage({ text }), signingKeys: secret[0]! }),
  }
}

const certificatesOf = (keys: openpgp.Key[]) => keys.map((key) => ({ publicKey: key.toPublic().write() }))

/** Key files of a case, as its `keys` column names them. */
const filesOf = ({ id, keys }: Case): string[] => {
  const folder = id.startsWith('TB') ? 'thunderbird-desktop/' : ''
  if (keys === 'alice + bob keys' || id.startsWith('HP')) return [alice, bob]
  const named = keys.match(/[\w@./+-]+\.(asc|gpg|pgp|key)/g) ?? []
  const files = named.filter((name) => name.includes('/')).map((name) => folder + name)
  if (id.startsWith('KD')) return ['kde-messagelib/keys-secret.asc', 'kde-messagelib/keys-public.asc']
  if (id.startsWith('TB') && !id.endsWith('33')) files.push(alice)
  return files.filter((file) => existsSync(join(corpus, file)))
}
const alice = 'thunderbird-desktop/keys/alice@openpgp.example-0xf231550c4f47e38e-secret.asc'
const bob = 'thunderbird-desktop/keys/bob@openpgp.example-0xfbfcc82a015e7330-secret.asc'

// ---- bare OpenPGP files in a mail

const asMail = (octets: Uint8Array, from: string): Uint8Array => {
  const text = Buffer.from(octets).toString('latin1')
  const head = `From: ${from}\r\nTo: reader@example.org\r\nSubject: sample\r\nMIME-Version: 1.0\r\n`
  if (/^-----BEGIN PGP SIGNED/m.test(text)) return Buffer.from(`${head}\r\n${text}`, 'latin1')
  if (/^-----BEGIN PGP MESSAGE/m.test(text)) return Buffer.from(`${head}\r\n${text}`, 'latin1')
  const armored = `-----BEGIN PGP MESSAGE-----\r\n\r\n${Buffer.from(octets).toString('base64').replace(/.{64}/g, '$&\r\n')}`
  return Buffer.from(`${head}\r\n${armored}\r\n-----END PGP MESSAGE-----\r\n`)
}

type Outcome = { shown: Mail; opened: Mail | null; refusal: Refusal | null; isolated: Mail[]; refusedParts: Refusal[] }

const outcomeOf = async (mail: Uint8Array, keys: OpenKeys, certificates: { publicKey: Uint8Array }[]): Promise<Outcome> => {
  const shown = await read(mail, certificates)
  const isolated: Mail[] = []
  const refusedParts: Refusal[] = []
  for (const { id } of shown.isolated) {
    try {
      isolated.push(await open(mail, keys, certificates, id))
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      refusedParts.push(error)
    }
  }
  try {
    return { shown, opened: await open(mail, keys, certificates), refusal: null, isolated, refusedParts }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return { shown, opened: null, refusal: error, isolated, refusedParts }
  }
}

const worldOf = async (one: Case) => {
  const found = await keyFiles(filesOf(one))
  // Samples that expect an unknown signer name the signer's key as absent; nobody has accepted it.
  const certificates = certificatesOf(found)
  const keys = await lend(found, one.passphrase.replace(/^none.*/, ''))
  const address = found[0]?.users[0]?.userID?.email || 'sender@example.org'
  const raw = octetsOf(one.file)
  return { keys, certificates, mail: one.layer === 'openpgp' ? asMail(raw, address) : raw }
}

/** Where the result is another than the table's, and why. */
const exceptions: Record<string, { decrypt?: string; signature?: string; why: string }> = {}

const result = (one: Case, outcome: Outcome) => {
  const { shown, opened, refusal } = outcome
  const status = (opened ?? shown).signature.status
  const decrypt = opened
    ? 'yes'
    : refusal!.code === 'not-encrypted'
      ? 'n/a'
      : refusal!.detail.parts
        ? 'only-isolated'
        : refusal!.detail.reason === 'no-key'
          ? 'no-key'
          : 'refuse'
  return { decrypt, status, wanted: exceptions[one.id] ?? {} }
}

const statusFor: Record<string, Mail['signature']['status'][]> = {
  valid: ['valid'],
  none: ['none'],
  invalid: ['invalid'],
  'unknown-key': ['unknown-key'],
  unknown: ['none', 'invalid', 'unknown-key', 'mismatch'],
  'not-bound': ['mismatch'],
  'n/a': ['none'],
}

describe('mail of others', { skip }, () => {
  allowShortRsaKeys(1023)
  for (const one of cases.filter(({ id }) => /^(TB|KD|HP|RP|RN)-/.test(id))) {
    if (/keyimport|forged/.test(one.file) || /tsk\.asc$/.test(one.file)) continue
    test(`${one.id}: ${one.file.split('/').at(-1)}`, async () => {
      const { mail, keys, certificates } = await worldOf(one)
      const outcome = await outcomeOf(mail, keys, certificates)
      const got = result(one, outcome)
      const say = `${one.must} | got ${got.decrypt} ${got.status} ${(outcome.opened ?? outcome.shown).signature.reason} ${outcome.refusal?.message ?? ''} ${outcome.refusal?.cause ?? ''}`
      assert.ok((statusFor[got.wanted.signature ?? one.signature] ?? []).includes(got.status), say)
      assert.equal(got.decrypt, got.wanted.decrypt ?? one.decrypt, say)
    })
  }
})
