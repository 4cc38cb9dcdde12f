/** The shapes that server and clients share: what a check lets through, and what it makes of another server's answers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, count, list, orNothing, shape, text } from '../../server/contract/checks.ts'
import { type ProblemCode, problemIn, problemType } from '../../server/contract/problems.ts'
import { refusalStatus } from '../../server/ground/refusal-codes.ts'
import { isProblem, Problem } from '../../tui/wire/client.ts'

test('A check defines the type of what it lets through, members that may be left out too', () => {
  const thing = shape({ id: count, names: list(text), note: orNothing(text) })
  const least: Answer<typeof thing> = { id: 0, names: [] }
  const most: Answer<typeof thing> = { id: 2 ** 53 - 1, names: ['a', ''], note: 'b' }
  // @ts-expect-error: it does not compile without a member that has to be there
  const short: Answer<typeof thing> = { id: 1 }
  const inherited = Object.assign(Object.create({ id: 1 }), { names: [] })
  assert.deepEqual(
    [least, most, { ...most, more: 1 }].map((value) => thing(value)),
    [true, true, true],
  )
  const wrong = [short, inherited, { id: -1, names: [] }, { id: 0.5, names: [] }, { id: 0, names: [1] }]
  assert.deepEqual(
    [...wrong, { id: 0, names: [], note: null }, [], null, 'id', undefined].filter((value) => thing(value)),
    [],
  )
})

test('Each code that is defined is read from a problem document, and no other one', () => {
  const read = (type: unknown) => problemIn({ type, title: 'No.', status: 400 })
  for (const code of Object.keys(refusalStatus) as ProblemCode[])
    assert.equal(read(problemType(code))?.code, code)
  for (const type of [
    'urn:wafer:problem:of-tomorrow',
    'about:blank',
    'constructor',
    '',
    `${'busy '.repeat(99)}`,
  ])
    assert.deepEqual(read(type), { code: null, title: 'No.', details: {} })
  for (const type of [undefined, 7, null]) assert.equal(read(type), null)
})

test('A code that no one defines does not compile', () => {
  const problem = new Problem(409, problemIn({ type: problemType('key-in-use'), title: 'No.' })!)
  assert.equal(isProblem(problem, 'key-in-use'), true)
  // @ts-expect-error: there is none of that name
  assert.equal(isProblem(problem, 'key-in-us'), false)
  // @ts-expect-error: nor can one be asked for by comparing
  assert.equal(problem.code === 'key-in-us', false)
  // @ts-expect-error: nor told
  problemType('key-in-us')
})

test('Details of a problem that are not what they should be are left out, and the others kept', () => {
  const by = {
    grant: 'g',
    terminal: 'desk',
    since: '2026-01-01T00:00:00Z',
    last_used: '2026-01-01T00:00:00Z',
  }
  const { grant, ...unnamed } = by
  const details = (members: object) =>
    problemIn({ type: problemType('key-in-use'), title: 'No.', ...members })!.details
  assert.deepEqual(details({ by, methods: ['passphrase'], draft: 3, more: 1 }), {
    by,
    methods: ['passphrase'],
    draft: 3,
  })
  assert.deepEqual(details({ by: unnamed }), { by: unnamed })
  assert.deepEqual(details({ by: { terminal: 7 }, methods: 'all', draft: 'x', reason: 'why', parts: [1] }), {
    reason: 'why',
  })
})
