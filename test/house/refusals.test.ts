/** What is refused is said in each language, with what it is about. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Reason, reasons, said } from '../../server/ground/reasons.ts'
import { Refusal } from '../../server/ground/refusal.ts'
import { refusalsInJapanese } from '../../web/words/refusals-ja.ts'
import { wordsIn } from '../../web/words.ts'

/** Whatever a sentence may name. */
const values = {
  ...{ limit: 3, levels: 16, least: 8, left: 2, waitS: 90, used: 2048, quota: 4096, limitMiB: 8, version: 3 },
  ...{ files: 100, addresses: ['ann@wafer.test'], named: 1001, mails: 4, values: 10_000, member: 'to' },
  ...{ name: 'Plans', text: 'ann', address: 'ann@wafer.test', terminal: 'Lynx', what: 'passphrase' },
  ...{ path: '/mnt/copy', folder: '/srv', code: 'EACCES', damage: 'a page', why: 'It is newer.' },
  ...{
    size: 63,
    refused: 1,
    count: 2,
    called: '--to',
    type: 'ssh-dss',
    bits: 1024,
    most: 20,
    table: 'users',
    engine: 'SQLite',
    algorithm: 'DSA',
    openpgp: ['ann@wafer.test'],
    smime: ['bob@wafer.test'],
  },
  keys: [{ name: '0123456789ABCDEF', why: 'expired', until: 0 }],
  missing: [
    { address: 'bob@wafer.test', why: 'none', until: null },
    { address: 'eve@wafer.test', why: 'weak', until: null },
  ],
  weakness: { kind: 'rsa', bits: 1024 },
}
const all = Object.keys(reasons) as Reason[]

test('Each reason is said in a whole English sentence, and in a whole Japanese one', () => {
  assert.ok(all.length > 100, `${all.length}`)
  for (const reason of all) {
    const english = said(reasons[reason][1], values)
    assert.match(english, /^\S.*(\.|[a-zA-Z])$/s, reason)
    assert.doesNotMatch(english, /undefined|NaN|\[object/, reason)
    const japanese = said(refusalsInJapanese[reason], values)
    assert.match(japanese, /[\u3040-\u30ff].*(。|[a-zA-Z])$/s, reason)
    assert.doesNotMatch(japanese, /undefined|NaN|\[object/, reason)
  }
})

test('A refusal is said by the pages of each language, also after it came out of another process', () => {
  const refusal = new Refusal('passkeys-many', { values: { limit: 20 } })
  for (const one of [refusal, Refusal.from(structuredClone(refusal.told))]) {
    assert.equal(one.code, 'exists')
    assert.equal(one.status, 409)
    assert.equal(wordsIn.en.refusal(one), 'You have 20 passkeys. Remove one first.')
    assert.equal(wordsIn.ja.refusal(one), 'パスキーが20個あります。先に一つ削除してください。')
  }
})
