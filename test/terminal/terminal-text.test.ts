/**
 * Text on its way to a terminal: over all of Unicode and over chance strings nothing gets through that a terminal
 * obeys, and what is cut and padded takes the cells that it was to take.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import stringWidth from 'string-width'
import { cells, column, cut, harmless, harmlessLines, pad, wrapped } from '../../tui/text/text.ts'
import { bareSubject, nameOf } from '../../tui/text/words.ts'
import { root } from '../support/places.ts'

const corpus = process.env.CORPUS_DIR ?? join(root, '..', 'shared', 'corpus')

/** Controls, marks and overrides of direction, what is not seen, separators of lines, halves of characters. */
const obeyed = new RegExp(
  '[\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufe00-\\ufe0f' +
    '\\ufeff\\u{e0000}-\\u{e0fff}\\ud800-\\udfff]',
  'u',
)

/** The same chance strings in each run (mulberry32). */
const chance = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
}

const pieces = [
  '\x1b[31m',
  '\x1b]0;title\x07',
  '\x1b]8;;http://evil.example\x1b\\',
  '\x1b]52;c;ZWNobyBwd25lZA==\x07',
  '\x9b2J',
  '\x90q#0\x9c',
  '\x1b',
  '\r\n',
  '\t',
  '\u202e',
  '\u2067',
  '\u200b',
  '\ufe0f',
  '\u0301',
  '\u0301'.repeat(40),
  '\ud83d',
  '\udc68',
  '👩‍👩‍👧',
  '👍🏽',
  '🇯🇵',
  '日本語',
  'か\u3099',
  'ｶﾞ',
  '각',
  'ำ',
  'क्षि',
  'שלום',
  'مرحبا',
  'e\u0301',
  '\u20e3',
  '\u{e0041}',
  '\ue000',
  ' ',
  'word',
  '-----',
  'https://example.org/a/long/path?with=a&query=0123456789',
]

const strings = function* (count: number) {
  const next = chance(20_260_101)
  for (let each = 0; each < count; each += 1) {
    let text = ''
    const length = Math.floor(next() * 12)
    for (let place = 0; place < length; place += 1)
      text +=
        next() < 0.6
          ? pieces[Math.floor(next() * pieces.length)]
          : String.fromCodePoint(Math.floor(next() ** 3 * 0x110000))
    yield text
  }
}

test('No character of Unicode, alone or between others, comes out as one that a terminal obeys (B18)', () => {
  const look = (text: string, point: number) => {
    const safe = harmless(text)
    if (obeyed.test(safe)) assert.fail(`U+${point.toString(16)} and on becomes ${JSON.stringify(safe)}`)
    if (cells(safe) < stringWidth(safe))
      assert.fail(`U+${point.toString(16)} and on is wider for Ink than for us`)
  }
  const most = 64
  for (let point = 0; point <= 0x10ffff; point += most) {
    const block = Array.from({ length: most }, (_, place) => String.fromCodePoint(point + place))
    look(block.map((character) => `a${character}b`).join(''), point)
    const plane = point >> 16
    if (plane <= 1 || plane === 14) for (const [place, each] of block.entries()) look(each, point + place)
  }
})

test('Nor does a chance string of hostile pieces, and what came out once comes out the same again (B18)', () => {
  for (const text of strings(20_000)) {
    const safe = harmless(text)
    assert.doesNotMatch(safe, obeyed, JSON.stringify(text))
    assert.equal(harmless(safe), safe, JSON.stringify(text))
    assert.doesNotMatch(safe, /^\p{M}|\p{M}{5}/u, JSON.stringify(text))
  }
})

test('Cut, padded and wrapped text takes the cells that it was to take', () => {
  const next = chance(7)
  for (const text of strings(20_000)) {
    const columns = 1 + Math.floor(next() * 30)
    const safe = harmless(text)
    assert.ok(cells(cut(safe, columns)) <= columns, JSON.stringify({ text, columns }))
    assert.equal(cells(pad(safe, columns)), columns, JSON.stringify({ text, columns }))
    assert.equal(cells(column(text, columns)), columns, JSON.stringify({ text, columns }))
    for (const row of wrapped(text, columns)) {
      assert.ok(cells(row) <= Math.max(2, columns), JSON.stringify({ text, columns, row }))
      assert.doesNotMatch(row, obeyed)
    }
    if (cells(safe) <= columns) assert.equal(cut(safe, columns), safe)
    else assert.match(cut(safe, columns), /…$/)
  }
})

test('What one reads of a mail is all in its rows', () => {
  const squeezed = (text: string) => text.replace(/\s+/g, '')
  for (const text of strings(5000))
    assert.equal(
      squeezed(wrapped(text, 20).join('')),
      squeezed(harmlessLines(text).join('')),
      JSON.stringify(text),
    )
})

test('An escape sequence is seen as a stranger sign, and what it carried stays readable', () => {
  assert.equal(harmless('\x1b[2Jgone'), '\ufffdgone')
  assert.equal(harmless('a\x1b]0;title\x07b'), 'a\ufffd]0;title\ufffdb')
  assert.equal(harmless('\x1b]52;c;aGk=\x1b\\'), '\ufffd]52;c;aGk=\ufffd\\')
  assert.equal(harmless('over\b\b\b\bhead'), 'over\ufffd\ufffd\ufffd\ufffdhead')
  assert.equal(harmless('invoice\u202egpj.exe'), 'invoicegpj.exe')
  assert.equal(harmless('From: a\r\nBcc: b\tc'), 'From: a Bcc: b c')
  assert.equal(harmless('pay\u200bpal \u00adx'), 'paypal x')
})

test('Widths are those of a terminal: two cells for East Asian letters, one for ambiguous ones, none for marks', () => {
  const widths: [string, number][] = [
    ['abc', 3],
    ['日本語', 6],
    ['ｱｲｳ', 3],
    ['ｶﾞ', 2],
    ['か\u3099', 2],
    ['각', 2],
    ['각', 2],
    ['é', 1],
    ['q\u0301\u0323', 1],
    ['…“”§', 4],
    ['👍', 2],
    ['Ж', 1],
    ['１２３', 6],
  ]
  for (const [text, width] of widths) assert.equal(cells(harmless(text)), width, text)
  assert.equal(cut('日本語テスト', 5), '日本…')
  assert.equal(cut('日本語テスト', 6), '日本…')
  assert.equal(pad('日本', 5), '日本 ')
  assert.equal(cut('abcdef', 1), '…')
  assert.equal(cut('abcdef', 0), '')
})

test('Letters from right to left stay, and the column behind them begins with a blank that runs from left to right', () => {
  assert.equal(column('שלום', 8), 'שלום\u2800   ')
  assert.equal(column('שלום עולם', 6), 'שלום…\u2800')
  assert.equal(column('plain', 8), 'plain   ')
})

/** How many code points the longest character has, as people count characters. */
const longestCharacter = (text: string): number => {
  let longest = 0
  for (const { segment } of new Intl.Segmenter('en').segment(text))
    longest = Math.max(longest, [...segment].length)
  return longest
}

test('No character is endless: whatever is repeated, a new one begins after a few code points (B18)', () => {
  const most = 64
  // Ideographs, syllables and signs of their own kind, which all stand alone.
  const alone = [
    [0x3400, 0xa000],
    [0xac00, 0xd780],
    [0xe000, 0xf900],
    [0x12000, 0x16000],
    [0x17000, 0x1b000],
  ]
  for (let point = 0; point < 0x20000; point += most) {
    if (alone.some(([from = 0, to = 0]) => from <= point && point < to)) continue
    const block = Array.from({ length: most }, (_, place) => String.fromCodePoint(point + place))
    const runs = block.map((each) => `a${each.repeat(22)} ${`\u0915${each}`.repeat(11)}`)
    assert.ok(longestCharacter(harmless(runs.join(' '))) <= 20, `U+${point.toString(16)} and on`)
  }
  for (const piece of [
    '\u1100',
    '\u1161',
    '\u11a8',
    '\ua960\u1160',
    '\u0915\u094d',
    '\u{1f1e6}',
    '\uff9e',
    '\u0e33',
  ])
    for (const text of [piece.repeat(5000), `\u1100\u1161${piece.repeat(5000)}`]) {
      const safe = harmless(text)
      assert.ok(longestCharacter(safe) <= 20, JSON.stringify(piece))
      assert.ok(harmless(safe) === safe, JSON.stringify(piece))
    }
})

test('A mail of endless characters or marks is wrapped in one pass, however long it is (B18)', (t) => {
  let looks = 0
  const segment = Intl.Segmenter.prototype.segment
  t.mock.method(Intl.Segmenter.prototype, 'segment', function (this: Intl.Segmenter, text: string) {
    looks += text.length
    return segment.call(this, text)
  })
  const looksAt = (text: string) => {
    looks = 0
    wrapped(text, 78, Number.POSITIVE_INFINITY)
    return looks / text.length
  }
  // Marks of falling classes, which normalization sorts (Unicode §3.11), one by one.
  const marks = (count: number) => `a${'\u0315'.repeat(count)}${'\u0316'.repeat(count)}`
  for (const text of [
    '\u1100'.repeat(3_000_000),
    '\u0d4e'.repeat(200_000),
    '\uff9e'.repeat(200_000),
    '\u0915\u094d'.repeat(100_000),
    '\u1161'.repeat(200_000),
    marks(200_000),
  ])
    assert.ok(looksAt(text) < 40, text.slice(0, 4))
})

test('The name of a sender is what stands before the address; a million blanks in it end no program', () => {
  for (const [from, name] of [
    ['Eve <eve@far.example>', 'Eve'],
    ['"Doe, Jane" <jane@far.example> ', 'Doe, Jane'],
    ['eve@far.example', 'eve@far.example'],
    ['<eve@far.example>', '<eve@far.example>'],
    ['Eve <a> <eve@far.example>', 'Eve <a>'],
    ['', ''],
  ] as const)
    assert.equal(nameOf(from), name, from)
  // Were each blank the beginning of another try, this would take days.
  const blanks = ' '.repeat(1_000_000)
  for (const text of [`a${blanks}b`, `${'<'.repeat(1_000_000)}b`, `"${blanks}`, `Re:${blanks}Re:${blanks}x`])
    for (const each of [nameOf, bareSubject, harmless]) assert.ok(each(text).length > 0)
  assert.equal(wrapped(`a${blanks}b`, 78).at(-1), 'b')
})

test('Rows break at spaces and between wide characters, a long word breaks hard, tabs go to every eighth cell', () => {
  assert.deepEqual(wrapped('one two three\n\nfour', 8), ['one two', 'three', '', 'four'])
  assert.deepEqual(wrapped('a\tb\r\n日本\tb', 20), ['a       b', '日本    b'])
  assert.deepEqual(wrapped('今日は良い天気です。', 10), ['今日は良い', '天気です。'])
  assert.deepEqual(wrapped('今日は良い天気。', 14), ['今日は良い天', '気。'])
  assert.deepEqual(wrapped(`see ${'x'.repeat(12)}`, 8), ['see', 'xxxxxxxx', 'xxxx'])
  assert.deepEqual(wrapped('', 8), [''])
  assert.deepEqual(wrapped('0123456789', 80, 4), ['0123', '[6 more characters are not shown here]'])
})

test('Every mail of the corpus, shown octet by octet as if it were text, does nothing to a terminal (B18)', (t) => {
  let files: string[]
  try {
    files = readdirSync(corpus, { recursive: true }).map(String)
  } catch {
    return t.skip('The corpus is not here: set CORPUS_DIR to run this test.')
  }
  for (const file of files.filter((name) => /\.(eml|asc|txt|msg|sig)$/.test(name))) {
    const octets = readFileSync(join(corpus, file)).subarray(0, 200_000)
    for (const encoding of ['utf8', 'latin1'] as const)
      for (const row of wrapped(octets.toString(encoding), 78))
        if (obeyed.test(row) || cells(row) > 78) assert.fail(`${file}: ${JSON.stringify(row)}`)
  }
})
