/**
 * Text and headers as mailers really write them, Japanese above all: RFC 2047, 2231, 3676, 1468 and what is
 * practised beside them.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeText } from '../../server/locked/reader/charsets.ts'
import { read } from '../../server/locked/reader/encrypted-mail.ts'
import { addressesOf, dateOf, decodeHeader } from '../../server/locked/reader/headers.ts'
import { parseParameters } from '../../server/locked/reader/parameters.ts'
import { summarize } from '../../server/locked/reader/summary.ts'

const latin1 = (text: string) => Buffer.from(text, 'latin1')
const base64 = (text: string) => latin1(text).toString('base64')
const mail = (...lines: string[]) => latin1(lines.join('\r\n'))

// ①㈱髙 in CP50220: NEC row 13 and the IBM extension.
const special = '\x1b$B-!-j|b\x1b(B'

describe('charsets', () => {
  test('ISO-2022-JP is CP50220: NEC row 13, IBM extensions, half-width kana, JIS X 0212', () => {
    assert.equal(decodeText(latin1(special), 'iso-2022-jp'), '①㈱髙')
    assert.equal(decodeText(latin1(special), 'ISO-2022-JP-MS'), '①㈱髙')
    assert.equal(decodeText(latin1(special), 'cp50220'), '①㈱髙')
    assert.equal(decodeText(latin1('\x1b(I1\x1b(B'), 'iso-2022-jp'), 'ｱ')
    assert.equal(decodeText(latin1('\x0e1\x0f a'), 'cp50222'), 'ｱ a')
    assert.equal(decodeText(latin1('\xb1'), 'iso-2022-jp'), 'ｱ')
    assert.equal(decodeText(latin1('\x1b$(D0!\x1b(B'), 'iso-2022-jp-1'), '丂')
    assert.equal(decodeText(latin1('\x1b$@F|K\\\x1b(J~'), 'iso-2022-jp'), '日本~')
  })

  test('a lost escape costs one line, not the rest of the mail', () => {
    assert.equal(decodeText(latin1('\x1b$BF|K\\\r\nplain'), 'iso-2022-jp'), '日本\r\nplain')
    assert.equal(decodeText(latin1('\x1b$BF|K'), 'iso-2022-jp'), '日?')
  })

  test('ISO-2022-JP without a label, or with the mailer’s default one, is known by its escapes', () => {
    for (const charset of [undefined, '', 'us-ascii', 'utf-8', 'iso-8859-1', 'unknown-8bit']) {
      assert.equal(decodeText(latin1('\x1b$BF|K\\\x1b(B'), charset), '日本')
    }
    assert.equal(decodeText(latin1('\x1b[0mred'), undefined), '\x1b[0mred')
  })

  test('UTF-8 and Shift_JIS that are labelled ISO-2022-JP are read as what they are', () => {
    assert.equal(decodeText(Buffer.from('日本'), 'iso-2022-jp'), '日本')
    assert.equal(decodeText(Buffer.from('93fa967b', 'hex'), 'iso-2022-jp'), '日本')
  })

  test('an unknown, missing or wrong charset never loses the text', () => {
    assert.equal(decodeText(Buffer.from('Grüße'), 'x-no-such'), 'Grüße')
    assert.equal(decodeText(latin1('Gr\xfc\xdfe'), 'x-no-such'), 'Grüße')
    assert.equal(decodeText(latin1('Gr\xfc\xdfe'), 'us-ascii'), 'Grüße')
    assert.equal(decodeText(Buffer.from('Grüße'), undefined), 'Grüße')
    assert.match(decodeText(latin1('Gr\xfc\xdfe'), 'utf-8'), /^Gr.+e$/)
    assert.equal(decodeText(latin1('\xa4'), '"ISO-8859-15"'), '€')
  })

  test('encoded words that follow each other are joined before they are decoded', () => {
    const octets = Buffer.from('日本語')
    const cut = (at: number) =>
      [octets.subarray(0, at), octets.subarray(at)].map((piece) => piece.toString('base64'))
    for (const at of [1, 2, 3, 4, 5]) {
      const [one, two] = cut(at)
      assert.equal(decodeHeader(`=?utf-8?B?${one}?=\r\n =?UTF-8?b?${two}?=`), '日本語')
    }
    // Cut between the two octets of a character, and the base64 cut where no group of four ends.
    const whole = base64('\x1b$BF|K\\8l\x1b(B')
    assert.equal(
      decodeHeader(`=?iso-2022-jp?B?${whole.slice(0, 7)}?= =?iso-2022-jp?B?${whole.slice(7)}?=`),
      '日本語',
    )
    assert.equal(
      decodeHeader(`=?iso-2022-jp?B?${base64('\x1b$BF|K')}?= =?iso-2022-jp?B?${base64('\\8l\x1b(B')}?=`),
      '日本語',
    )
    assert.equal(decodeHeader('=?utf-8?q?=E6=97?=  =?utf-8?q?=A5_x?='), '日 x')
    assert.equal(decodeHeader('a =?utf-8?q?b?= c =?iso-8859-1?q?=FC?= =?utf-8?q?d?='), 'a b c üd')
    assert.equal(decodeHeader('=?utf-8*en?q?with_language?='), 'with language')
  })

  test('raw octets in a header are read; control characters never get out of it', () => {
    assert.equal(decodeHeader(latin1(special).toString('latin1')), '①㈱髙')
    assert.equal(decodeHeader(Buffer.from('Grüße').toString('latin1')), 'Grüße')
    assert.equal(decodeHeader('=?utf-8?q?a=0D=0ABcc:_eve@example.net=1B[2J?='), 'a Bcc: eve@example.net [2J')
    assert.equal(decodeHeader('=?utf-8?q?broken'), '=?utf-8?q?broken')
  })

  test('address lists are taken apart before their names are decoded', () => {
    const of = (value: string) => addressesOf([{ name: 'to', value }], 'to')
    assert.deepEqual(of('=?utf-8?q?Ann=2C_=3Ceve=40example.net=3E?= <ann@example.org>'), [
      { name: 'Ann, <eve@example.net>', address: 'ann@example.org' },
    ])
    assert.deepEqual(of(`${latin1(special).toString('latin1')} <t@example.jp>, "B, b" <b@example.org>`), [
      { name: '①㈱髙', address: 't@example.jp' },
      { name: 'B, b', address: 'b@example.org' },
    ])
    assert.deepEqual(
      of('Team: a@example.org, b@example.org;').map(({ address }) => address),
      ['a@example.org', 'b@example.org'],
    )
  })

  test('parameters are continued and have charsets (RFC 2231); a file name is never a path', async () => {
    const { parameters } = parseParameters(
      `attachment; filename*0*=utf-8''%E6%97; filename*1*=%A5%20; filename*2="x.txt"; other="a\\"b"`,
    )
    assert.equal(parameters.get('filename'), '日 x.txt')
    assert.equal(parameters.get('other'), 'a"b')
    const { attachments } = await read(
      mail(
        'Content-Type: application/pdf',
        'Content-Disposition: attachment; filename="../../etc/x\\\\y.pdf"',
        '',
        'x',
      ),
      [],
    )
    assert.doesNotMatch(attachments[0]!.name, /[\\/]/)
  })

  test('format=flowed is unfolded, with and without DelSp, and keeps quotes and signature lines', async () => {
    const flowed = (delsp: string, ...lines: string[]) =>
      read(mail(`Content-Type: text/plain; format=flowed${delsp}`, '', ...lines), [])
    assert.equal(
      (await flowed('', 'one ', 'two', '> q ', '> r', ' >kept', '-- ', 'me')).text,
      'one two\n> q r\n>kept\n-- \nme',
    )
    assert.equal((await flowed('; delsp=yes', 'on ', 'e')).text, 'one')
  })

  test('dates in every zone and old form become one time', () => {
    const at = Date.UTC(2021, 1, 20, 15, 9, 2)
    assert.equal(dateOf('Sat, 20 Feb 2021 10:09:02 -0500 (EST)'), at)
    assert.equal(dateOf('20 Feb 21 15:09:02 GMT'), at)
    assert.equal(dateOf('Sun, 21 Feb 2021 00:09:02 JST'), at)
    assert.equal(dateOf('yesterday'), null)
    assert.equal(dateOf(undefined), null)
  })

  test('a list row has decoded names and subject, and the words of the text', async () => {
    const row = await summarize(
      mail(
        `From: =?iso-2022-jp?B?${base64(special)}?= <t@example.jp>`,
        'To: a@example.org',
        `Subject: ${special}`,
        'Date: Sat, 20 Feb 2021 10:09:02 -0500',
        'Message-ID: <1@example.jp>',
        'Content-Type: text/html; charset=utf-8',
        '',
        '<p>Hello <a href="https://example.org/x">there</a></p>',
      ),
    )
    assert.deepEqual(row, {
      sender: '①㈱髙 <t@example.jp>',
      recipients: 'a@example.org',
      subject: '①㈱髙',
      sentAt: Date.UTC(2021, 1, 20, 15, 9, 2),
      from: ['t@example.jp'],
      messageId: '<1@example.jp>',
      attachments: 0,
      security: 'plain',
      searchText: 'Hello there [https://example.org/x]',
    })
  })
})
