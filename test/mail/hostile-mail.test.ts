/**
 * Mail made to be expensive, to break the reader, or to wear a seal over another text. The expensive ones go through
 * a child process as in service: its limits on time and memory are what they must stay within.
 */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import * as openpgp from 'openpgp'
import { receiveInPieces } from '../../server/ground/pieces.ts'
import { Turnstile } from '../../server/ground/turnstile.ts'
import { CryptoPool } from '../../server/locked/crypto-pool.ts'
import type { OpenKeys } from '../../server/locked/open-keys.ts'
import { armoredBlocks } from '../../server/locked/reader/armored-blocks.ts'
import { type Mail, open, read } from '../../server/locked/reader/encrypted-mail.ts'
import { protect } from '../../server/locked/reader/protect.ts'
import { restIsElsewhere } from '../../server/locked/reader/rendering.ts'
import type { Certificate } from '../../server/locked/reader/signatures.ts'
import { summarize } from '../../server/locked/reader/summary.ts'
import { noIdentities } from '../support/identities.ts'

const many = (count: number, piece: string) => piece.repeat(count)
const mailOf = (content: string) =>
  new Uint8Array(Buffer.from(`From: Eve <eve@example.org>\r\nSubject: hello\r\n${content}`, 'latin1'))
const million = 1_000_000
const large = 24 * million

const clear = (text: string) =>
  `\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\n\r\n${text}\r\n-----BEGIN PGP SIGNATURE-----\r\n\r\nwsBzBAAB\r\n-----END PGP SIGNATURE-----\r\n`
const legacyHtml = (html: string) =>
  `Content-Type: text/html; hp="clear"; hp-legacy-display=1\r\n\r\n<div ${html}`
const asPart = (encoding: string, body: string) => `Content-Transfer-Encoding: ${encoding}\r\n\r\n${body}`
const nested = (depth: number, body: string) => {
  const heads = Array.from(
    { length: depth },
    () => 'Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n',
  )
  return `${heads.join('')}${body}`
}
const nestedParts = (depth: number, each: number) => {
  let body = ''
  for (let level = depth; level > 0; level--)
    body = `Content-Type: multipart/mixed; boundary=b${level}\r\n\r\n--b${level}\r\n${body}${many(each, `\r\n--b${level}\r\n\r\n`)}`
  return body
}

describe('B11: expensive mail is read, and gets its row, within the limits of a child process', () => {
  const pool = new CryptoPool(new Turnstile(2, 32))
  after(() => pool.close())
  const mails: [string, () => string][] = [
    ['commas in a parameter', () => `Content-Type: text/plain; a=${many(50_000, ', ')}x\r\n\r\nhi`],
    ['blanks before a parameter', () => `Content-Type: text/plain;${many(100_000, ' ')}x\r\n\r\nhi`],
    [
      'parts with commas in a parameter',
      () =>
        `Content-Type: multipart/mixed; boundary=b\r\n\r\n${many(200, `--b\r\nContent-Type: text/plain; name=${many(50_000, ', ')}x\r\n\r\nhi\r\n`)}`,
    ],
    ['fields of colons', () => `${many(40, `To: ${many(50_000, 'a:')}\r\n`)}\r\nhi`],
    ['a field of colons', () => `To: ${many(100_000, ':')}\r\n\r\nhi`],
    ['fields of quotes', () => `${many(40, `To: ${many(50_000, 'g:"a@b",')}\r\n`)}\r\nhi`],
    [
      'an armor header of blanks',
      () =>
        `\r\n-----BEGIN PGP MESSAGE-----\r\nA: ${many(million, ' ')}x\r\n\r\nwAAA\r\n-----END PGP MESSAGE-----\r\n`,
    ],
    [
      'millions of armor headers',
      () =>
        `\r\n-----BEGIN PGP MESSAGE-----\r\n${Array.from({ length: 2 * million }, (_, i) => `a${i}: b`).join('\n')}\r\n\r\nwAAA\r\n-----END PGP MESSAGE-----\r\n`,
    ],
    ['a tag of class attributes', () => legacyHtml(many(million / 6, 'class='))],
    ['tags of class attributes', () => legacyHtml(many(million / 11, '<div class='))],
    ['unclosed quotes in a tag', () => legacyHtml(many(million / 7, 'class="'))],
    ['base64 of padding', () => asPart('base64', many(large / 2, 'A='))],
    ['base64 of other characters', () => asPart('base64', many(large / 2, 'A-'))],
    ['quoted-printable of equals signs', () => asPart('quoted-printable', many(large, '='))],
    [
      'quoted-printable of blanks',
      () => asPart('quoted-printable', many(large / 1000, `=${many(999, ' ')}`)),
    ],
    ['a hundred encoded messages in each other', () => nested(100, many(20 * million, 'x'))],
    ['a hundred times a thousand parts', () => nestedParts(100, 1000)],
    ['lines of blanks', () => `\r\n${many(large / 2, ' \n')}`],
    ['carriage returns', () => `\r\n${many(large, '\r')}`],
    ['empty lines, flowed', () => `Content-Type: text/plain; format=flowed\r\n\r\n${many(large, '\n')}`],
    ['empty lines, signed in the text', () => clear(many(large, '\n'))],
    ['blanks, signed in the text', () => clear(many(large, ' '))],
    [
      'empty lines, signed',
      () =>
        `Content-Type: multipart/signed; boundary=a; protocol="application/pgp-signature"\r\n\r\n--a\r\n\r\n${many(large, '\n')}\r\n--a\r\nContent-Type: application/pgp-signature\r\n\r\n-----BEGIN PGP SIGNATURE-----\r\n\r\nwsBzBAAB\r\n-----END PGP SIGNATURE-----\r\n--a--\r\n`,
    ],
    ['paragraphs', () => `Content-Type: text/html\r\n\r\n${many(large / 3, '<p>')}`],
    ['angle brackets', () => `Content-Type: text/html\r\n\r\n${many(large, '<')}`],
    [
      'ampersands beside HTML',
      () => {
        const part = `--a\r\n\r\n${many(large / 20, '&')}\r\n`
        return `Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: text/html\r\n\r\n<b>x\r\n${many(19, part)}`
      },
    ],
    [
      'a score of HTML parts',
      () =>
        `Content-Type: multipart/mixed; boundary=a\r\n\r\n${many(20, `--a\r\nContent-Type: text/html\r\n\r\n${many(40_000, '<p>x</p>\r\n<table><tr><td>')}\r\n`)}`,
    ],
    [
      'armor in HTML',
      () => `Content-Type: text/html\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n${many(large / 4, '<br>')}`,
    ],
    [
      'escapes of Japanese',
      () => `Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n${many(large / 3, '\x1b$B')}`,
    ],
    ['a From of commas', () => `From: ${many(million / 2, 'a,')}\r\n\r\n`],
    ['a From of brackets', () => `From: ${many(million, '(')}\r\n\r\n`],
    ['a From of groups', () => `From: ${many(million / 4, 'g:a,')}\r\n\r\n`],
    ['a header without an end', () => many(large / 8, 'A: b c\r\n')],
  ]
  for (const [what, make] of mails) {
    test(what, { timeout: 60_000 }, async () => {
      const octets = mailOf(make())
      const row = await pool.run('intake', 'summarize', { octets })
      assert.match(row.sender, /eve@example\.org/)
      assert.equal(row.subject, 'hello')
      const mail = await pool.run('reading', 'read', { octets, certificates: [] })
      assert.ok(mail.text.length <= million)
      assert.ok((mail.html ?? '').length <= million)
      assert.ok(mail.attachments.length <= 1000)
      assert.notEqual(mail.signature.status, 'valid')
    })
  }
})

test('an armor header keeps its value, without the blanks around it', () => {
  const [block] = armoredBlocks(
    '-----BEGIN PGP MESSAGE-----\r\nCharset: utf-8 \t\r\nEmpty: \r\n\r\nwAAA\r\n-----END PGP MESSAGE-----\r\n',
  )
  assert.deepEqual(block!.headers, { charset: 'utf-8', empty: '' })
})

test('several base64 texts one after the other, each padded, are read as one', async () => {
  const body = ['Grü', 'ße', ' an', ' alle'].map((text) => Buffer.from(text).toString('base64')).join('\r\n')
  const mail = await read(
    mailOf(`Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n${body}`),
    [],
  )
  assert.equal(mail.text, 'Grüße an alle')
})

describe('long mail', () => {
  test('a text of 1,000,000 characters is shown whole, a longer one ends with a line that says so', async () => {
    const shown = async (length: number) => (await read(mailOf(`\r\n${many(length, 'x')}`), [])).text
    assert.equal(await shown(million), many(million, 'x'))
    for (const length of [million + 1, 5 * million]) {
      const text = await shown(length)
      assert.ok(text.length <= million)
      assert.ok(text.endsWith(`x\n\n${restIsElsewhere}\n`))
    }
  })

  test('a character of several octets is not broken where the text ends', async () => {
    for (const character of ['é', '字', '😀']) {
      for (const shift of ['', 'x', 'xx', 'xxx']) {
        const body = Buffer.from(shift + many(2 * million, character))
        const mail = await read(
          Buffer.concat([mailOf('Content-Type: text/plain; charset=utf-8\r\n\r\n'), body]),
          [],
        )
        assert.ok(mail.text.startsWith(shift + character))
        assert.ok(mail.text.isWellFormed() && !mail.text.includes('\ufffd'))
        assert.ok(mail.text.endsWith(`${restIsElsewhere}\n`))
      }
    }
  })

  test('HTML of 1,000,000 characters is given whole, longer HTML only as text', async () => {
    const shown = (html: string) => read(mailOf(`Content-Type: text/html\r\n\r\n${html}`), [])
    const page = (length: number) => `<p>text</p>${many(length - 11, 'x')}`
    assert.equal((await shown(page(million))).html!.length, million)
    const long = await shown(page(million + 1))
    assert.equal(long.html, null)
    assert.match(long.text, /^text/)
    assert.ok(long.text.endsWith(`${restIsElsewhere}\n`))
  })

  test('a plain text beside too long HTML is shown as it is', async () => {
    const mail = await read(
      mailOf(
        `Content-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\n\r\nplain\r\n--a\r\nContent-Type: text/html\r\n\r\n${many(2 * million, 'x')}\r\n--a--\r\n`,
      ),
      [],
    )
    assert.equal(mail.text, 'plain')
    assert.equal(mail.html, null)
  })

  test('the text for searching ends at a whole character', async () => {
    const body = Buffer.from(many(100_000, '字'))
    const row = await summarize(
      Buffer.concat([mailOf('Content-Type: text/plain; charset=utf-8\r\n\r\n'), body]),
    )
    assert.match(row.searchText, /^字+$/)
    assert.ok(Buffer.byteLength(row.searchText) <= 256 * 1024)
  })
})

test('names and subjects that are cut are cut between characters', async () => {
  const word = (text: string) => `=?utf-8?b?${Buffer.from(text).toString('base64')}?=`
  for (const shift of ['', 'x']) {
    const long = word(shift + many(3000, '😀'))
    const fileName = encodeURIComponent(shift + many(150, '😀'))
    const octets = new Uint8Array(
      Buffer.from(
        `From: ${long} <eve@example.org>\r\nTo: ${long} <ann@example.org>\r\nSubject: ${long}\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: application/x-thing\r\nContent-Disposition: attachment; filename*=utf-8''${fileName}\r\n\r\nx\r\n--a\r\nContent-Type: message/rfc822\r\n\r\nSubject: ${long}\r\n\r\nx\r\n--a--\r\n`,
      ),
    )
    const row = await summarize(octets)
    for (const value of [row.sender, row.recipients, row.subject]) assert.ok(value?.isWellFormed())
    const { attachments } = await read(octets, [])
    assert.equal(attachments.length, 2)
    for (const { name } of attachments) assert.ok(name.length <= 205 && name.isWellFormed(), name)
  }
})

// ---- seals

const annsKey = openpgp
  .generateKey({
    type: 'ecc',
    curve: 'curve25519Legacy',
    userIDs: [{ name: 'Ann', email: 'ann@example.org' }],
    format: 'object',
  })
  .then(({ privateKey }) => privateKey)
const certificates = async (): Promise<Certificate[]> => [
  { publicKey: (await annsKey).toPublic().write(), addresses: null },
]
const keys = async (): Promise<OpenKeys> => {
  const signingKeys = await annsKey
  return {
    ids: async () => new Set(signingKeys.getKeyIDs().map((id) => id.toHex())),
    unwrap: async (octets) => {
      const message = await openpgp.readMessage({ binaryMessage: octets })
      const found = await openpgp.decryptSessionKeys({ message, decryptionKeys: signingKeys })
      return found.map(({ data, algorithm }) => ({ data, algorithm: algorithm ?? null }))
    },
    signDetached: async (octets) =>
      openpgp.sign({
        message: await openpgp.createMessage({ binary: octets }),
        signingKeys,
        detached: true,
      }),
    signCleartext: async (text) =>
      openpgp.sign({ message: await openpgp.createCleartextMessage({ text }), signingKeys }),
    identities: noIdentities,
  }
}
const fromAnn = (head: string, body: Uint8Array | string) =>
  Buffer.concat([Buffer.from(`From: ann@example.org\r\n${head}`), Buffer.from(body as string)])

describe('the date under a seal', () => {
  const statusOf = async (...dates: string[]): Promise<Mail['signature']> => {
    const body = await protect(Buffer.from('Content-Type: text/plain\r\n\r\nhello\r\n'), {
      sign: await keys(),
      encryptTo: [],
    })
    return (await read(fromAnn(dates.map((date) => `${date}\r\n`).join(''), body), await certificates()))
      .signature
  }

  test('a mail without a date has a seal that says when it was signed', async () => {
    const signature = await statusOf()
    assert.equal(signature.status, 'valid')
    assert.ok(Math.abs(signature.at! - Date.now()) < 60_000)
  })

  test('a date that is empty, cannot be read, or stands there twice is no date', async () => {
    const now = `Date: ${new Date().toUTCString()}`
    assert.equal((await statusOf(now)).status, 'valid')
    for (const dates of [
      ['Date:'],
      ['Date: '],
      ['Date: soon'],
      [now, now],
      ['Date:', now],
      [now, 'DATE : '],
      ['Date:\r\n '],
    ])
      assert.equal((await statusOf(...dates)).status, 'mismatch', JSON.stringify(dates))
  })
})

describe('a charset that nobody signed makes no other text of a signed one', () => {
  const seen = async (charset: string, body: Uint8Array | string, armor = (text: string) => text) =>
    read(
      fromAnn(
        charset ? `Content-Type: text/plain; charset="${charset}"\r\n\r\n` : '\r\n',
        armor(body as string),
      ),
      await certificates(),
    )

  test('ASCII and UTF-8 keep their seal under a charset that holds ASCII', async () => {
    const signed = await (await keys()).signCleartext('Pay 100 to Bea')
    for (const charset of [
      '',
      'us-ascii',
      'utf-8',
      'iso-8859-1',
      'windows-1252',
      'shift_jis',
      'gb18030',
      'koi8-r',
    ])
      assert.equal((await seen(charset, signed)).signature.status, 'valid', charset)
  })

  test('no seal in UTF-16, UTF-7, ISO-2022 and their like', async () => {
    const signed = await (await keys()).signCleartext('Pay 100 to +AEI-ea')
    for (const charset of [
      'utf-16',
      'UTF-16LE',
      'utf-16be',
      'utf-7',
      'unicode-1-1-utf-7',
      'iso-2022-jp',
      'ISO-2022-KR',
      'csISO2022JP',
      'hz-gb-2312',
      'utf-32',
      'ucs-2',
      'unicode',
      'iso-10646-ucs-2',
    ]) {
      const { signature } = await seen(charset, signed)
      assert.equal(signature.status, 'mismatch', charset)
      assert.match(signature.reason, /character set/)
    }
  })

  test('no seal where escapes, or the halves of foreign characters, swallow what was signed', async () => {
    const escaped = await (await keys()).signCleartext('Pay \x1b$B10\x1b(B to Bea')
    for (const charset of ['', 'us-ascii', 'utf-8'])
      assert.equal((await seen(charset, escaped)).signature.status, 'mismatch', charset)
    const accented = await (await keys()).signCleartext('not é100, but ü1')
    assert.equal((await seen('utf-8', accented)).signature.status, 'valid')
    assert.equal((await seen('windows-1252', accented)).signature.status, 'valid')
    const swallowed = await (await keys()).signCleartext('字a 字b')
    assert.equal((await seen('utf-8', swallowed)).signature.status, 'valid')
    assert.equal((await seen('shift_jis', swallowed)).signature.status, 'mismatch')
  })

  test('no seal for an inline message, signed or signed and encrypted, whose octets the charset turns around', async () => {
    const key = await annsKey
    const text = Buffer.from('caf\xe9 for Bea.', 'latin1')
    const message = () => openpgp.createMessage({ binary: text })
    const opaque = (await openpgp.sign({ message: await message(), signingKeys: key })) as string
    const sealed = (await openpgp.encrypt({
      message: await message(),
      signingKeys: key,
      encryptionKeys: key,
    })) as string
    for (const [charset, status] of [
      ['iso-8859-1', 'valid'],
      ['utf-16le', 'mismatch'],
    ] as const) {
      const head = `Content-Type: text/plain; charset=${charset}\r\n\r\n`
      assert.equal((await read(fromAnn(head, opaque), await certificates())).signature.status, status)
      const opened = await open(fromAnn(head, sealed), await keys(), await certificates())
      assert.equal(opened.signature.status, status)
    }
  })
})

test('the lines for old readers are left out of HTML wherever the class stands in the tag', async () => {
  const shown = async (html: string) =>
    (
      await read(
        fromAnn(
          '',
          await protect(
            Buffer.from(`Content-Type: text/html; hp="clear"; hp-legacy-display=1\r\n\r\n${html}`),
            { sign: await keys(), encryptTo: [] },
          ),
        ),
        await certificates(),
      )
    ).html
  for (const tag of [
    '<div class="header-protection-legacy-display">',
    "<DIV id=x class='a header-protection-legacy-display'>",
    '<div\nclass=header-protection-legacy-display style="x">',
  ])
    assert.equal(await shown(`${tag}<pre>Subject: x</pre></div ><p>hello`), '<p>hello')
  const other = '<div title="header-protection-legacy-display">x</div><p>hello'
  assert.equal(await shown(other), other)
})

test('an answer of a child process cannot reach beyond itself', () => {
  const receive = receiveInPieces(() => assert.fail('it was taken'))
  receive({ id: 1, lengths: [1] })
  for (const place of [['__proto__', 'taken'], ['constructor', 'prototype', 'taken'], ['absent']])
    assert.throws(() => receive({ id: 1, message: { result: 1 }, places: [place] }), /expected a place/)
  assert.equal(({} as { taken?: unknown }).taken, undefined)
})
