/** What an answer or a mail passed on may contain, for pages and terminal client alike. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  forwardedFiles,
  forwardOf,
  ownAddresses,
  replyTo,
  type Source,
  threadOf,
} from '../../server/contract/replies.ts'

const [ann, bob, eve, list] = ['ann', 'bob', 'eve', 'list'].map((name) => ({
  name: '',
  address: `${name}@example.org`,
})) as [Address, Address, Address, Address]
type Address = { name: string; address: string }

const mail = (given: Partial<Source> = {}): Source => ({
  from: [bob],
  to: [ann],
  cc: [],
  replyTo: [],
  subject: 'Tea',
  text: 'At five.\n',
  isEncrypted: false,
  hasClosedParts: false,
  opened: 'nothing',
  ...given,
})
const toOne = { own: ownAddresses(ann.address, ['4711']), all: false, kind: 'inbox' as const }

test('An answer goes where the mail asks, unless its reader had something encrypted before them', () => {
  const asking = { from: [bob], replyTo: [eve, { name: 'B', address: 'BOB@example.org' }] }
  const plain = replyTo(mail(asking), toOne)
  assert.deepEqual([plain.to, plain.unheeded], [asking.replyTo, []])
  for (const secret of [
    { isEncrypted: true },
    { isEncrypted: true, opened: 'whole' },
    { hasClosedParts: true, opened: 'part' },
  ] as const)
    for (const all of [false, true]) {
      const { to, unheeded, isSecret } = replyTo(mail({ ...asking, ...secret }), { ...toOne, all })
      assert.deepEqual([to, unheeded, isSecret], [[bob], [eve], true])
    }
  const same = replyTo(
    mail({ isEncrypted: true, replyTo: [{ name: 'B', address: 'Bob@Example.org' }] }),
    toOne,
  )
  assert.deepEqual([same.to[0]!.name, same.unheeded], ['B', []])
})

test('Whose letter it is says the folder, not the mail', () => {
  const claimed = mail({ from: [{ name: '', address: 'ANN@example.org' }], to: [bob, list], replyTo: [eve] })
  assert.deepEqual(replyTo(claimed, toOne).to, [eve])
  for (const kind of ['sent', 'drafts'] as const) {
    const { to, unheeded } = replyTo({ ...claimed, isEncrypted: true }, { ...toOne, kind })
    assert.deepEqual([to, unheeded], [[bob, list], []])
  }
  assert.deepEqual(replyTo(mail({ from: [], to: [eve] }), { ...toOne, kind: 'sent' }).to, [])
})

test('An answer to all leaves out oneself, by alias too, nobody twice, and whom nothing can be sent to', () => {
  const number = { name: '', address: ann.address.replace(/^.*@/, '4711@') } // P86
  const { to, cc } = replyTo(
    mail({ to: [ann, number, list, bob, { name: 'nobody', address: '' }], cc: [list, eve, eve, ann] }),
    { ...toOne, all: true },
  )
  assert.deepEqual([to, cc], [[bob, list], [eve]])
})

test('Nothing is quoted or carried along of a mail that is not open, nor of one whose part was opened alone', () => {
  const files = [{ id: '2' }]
  for (const [given, leftOut] of [
    [{ isEncrypted: true }, 'unopened'],
    [{ isEncrypted: true, opened: 'part' }, 'part'],
    [{ hasClosedParts: true, opened: 'part' }, 'part'],
  ] as const) {
    const source = mail(given)
    for (const answer of [replyTo(source, toOne), forwardOf(source)])
      assert.deepEqual([answer.quote, answer.leftOut, answer.isSecret], [null, leftOut, true])
    assert.deepEqual(forwardedFiles(source, files), [])
  }
  const around = forwardOf(mail({ hasClosedParts: true }))
  assert.deepEqual(
    [around.quote?.text, around.leftOut, around.isSecret],
    ['At five.\n', 'closed-parts', true],
  )
  const open = mail({ isEncrypted: true, opened: 'whole' })
  assert.deepEqual([forwardOf(open).quote?.isCut, forwardOf(open).leftOut], [false, null])
  assert.deepEqual(forwardedFiles(open, files), files)
})

test('A quote ends after 20000 characters, and says so', () => {
  for (const [length, isCut] of [
    [20_000, false],
    [20_001, true],
  ] as const) {
    const { quote } = forwardOf(mail({ text: 'x'.repeat(length) }))
    assert.deepEqual([quote?.text.length, quote?.isCut], [20_000, isCut])
  }
})

test('What lies in an attached mail goes along within it, not once more beside it', () => {
  const files = ['2', '2.1', '2.1.2', '20', '3'].map((id) => ({ id }))
  assert.deepEqual(
    forwardedFiles(mail(), files).map(({ id }) => id),
    ['2', '20', '3'],
  )
})

test('Marks of former answers do not pile up before a subject', () => {
  for (const before of ['Tea', 'Re: Tea', 'AW: re[2]: Tea', '返信：Re:Tea'])
    assert.equal(replyTo(mail({ subject: before }), toOne).subject, 'Re: Tea', before)
  for (const before of ['Tea', 'Fw: Tea', '転送:Fwd: Tea'])
    assert.equal(forwardOf(mail({ subject: before })).subject, 'Fwd: Tea', before)
})

test('Of a long thread the first and the newest ids are kept, and none that is no id', () => {
  const ids = Array.from({ length: 12 }, (_, place) => `<${place}@example.org>`)
  assert.deepEqual(threadOf({ references: ids.slice(0, -1), messageId: ids.at(-1)! }), [
    ids[0],
    ...ids.slice(-9),
  ])
  assert.deepEqual(threadOf({ references: ['<a b@c>', '<a@b>', 'x'], messageId: null }), ['<a@b>'])
})
