/** Mail as gateways, archives and old programs really make it: what a reader gets to see of it, and what opens. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as openpgp from 'openpgp'
import type { Refusal } from '../../server/ground/refusal.ts'
import type { OpenKeys } from '../../server/locked/open-keys.ts'
import { decodeText } from '../../server/locked/reader/charsets.ts'
import { type Mail, open, partOf, read } from '../../server/locked/reader/encrypted-mail.ts'
import { decodeHeader } from '../../server/locked/reader/headers.ts'
import { htmlToText } from '../../server/locked/reader/html-text.ts'
import { parseParameters } from '../../server/locked/reader/parameters.ts'
import type { Certificate } from '../../server/locked/reader/signatures.ts'
import { summarize } from '../../server/locked/reader/summary.ts'
import { noIdentities } from '../support/identities.ts'

const octets = (text: string) => Buffer.from(text.replace(/\r?\n/g, '\r\n'), 'latin1')
const mail = (content: string, from = 'carla@example.org') =>
  octets(`From: ${from}\nTo: ann@wafer.test\nDate: ${new Date().toUTCString()}\nSubject: foreign\n${content}`)
const shown = (content: string) => read(mail(content), [])
const mixed = (...parts: string[]) =>
  `Content-Type: multipart/mixed; boundary=x\n\n${parts.map((part) => `--x\n${part}\n`).join('')}--x--\n`
const alternative = (...parts: string[]) => mixed(...parts).replace('mixed', 'alternative')
const base64 = (data: string | Uint8Array) => Buffer.from(data as string).toString('base64')

// ---- a reader and a writer with keys

const keysOf = async (email: string) =>
  openpgp.generateKey({ userIDs: [{ email }], format: 'object' }).then(({ privateKey }) => privateKey)
const ann = await keysOf('ann@wafer.test')
const carla = await keysOf('carla@example.org')
const accepted: Certificate[] = [{ publicKey: carla.toPublic().write(), addresses: null }]
const keys: OpenKeys = {
  ids: async () => new Set(ann.getKeyIDs().map((id) => id.toHex())),
  unwrap: async (binaryMessage) => {
    const message = await openpgp.readMessage({ binaryMessage })
    const found = await openpgp.decryptSessionKeys({ message, decryptionKeys: ann }).catch(() => [])
    return found.map(({ data, algorithm }) => ({ data, algorithm: algorithm ?? null }))
  },
  signDetached: () => assert.fail('nothing is signed here'),
  signCleartext: () => assert.fail('nothing is signed here'),
  identities: noIdentities,
}
const sealed = async (text: string) =>
  openpgp.encrypt({
    message: await openpgp.createMessage({ binary: octets(text) }),
    encryptionKeys: ann.toPublic(),
    signingKeys: carla,
  })
const pgpMime = (armored: string) =>
  `Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=e\n\n--e\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n\n--e\nContent-Type: application/octet-stream\n\n${armored}\n--e--\n`
const signed = async (text: string) =>
  openpgp.sign({ message: await openpgp.createCleartextMessage({ text }), signingKeys: carla })

const entity = 'Content-Type: text/plain; charset=utf-8\n\nthe secret text\n'
const opensWhole = async (content: string, expected = /^the secret text$/) => {
  const raw = mail(content)
  assert.equal((await summarize(raw)).security, 'encrypted')
  const came = await read(raw, accepted)
  assert.equal(came.security, 'encrypted')
  assert.doesNotMatch(came.text, /secret text/)
  const opened = await open(raw, keys, accepted)
  assert.match(opened.text.trim(), expected)
  assert.equal(opened.signature.status, 'valid', opened.signature.reason)
  assert.equal(opened.headers.from, 'carla@example.org')
}
/** Not the whole mail: it opens alone, has no seal, and the list says that something in it is encrypted. */
const opensAlone = async (content: string, expected = /the secret text/): Promise<Mail> => {
  const raw = mail(content)
  const came = await read(raw, accepted)
  assert.notEqual(came.security, 'encrypted')
  assert.equal((await summarize(raw)).security, 'partly')
  await assert.rejects(open(raw, keys, accepted), (error: Refusal) => (error.detail.parts?.length ?? 0) > 0)
  assert.equal(came.isolated.length, 1)
  const alone = await open(raw, keys, accepted, came.isolated[0]!.id)
  assert.match(alone.text, expected)
  assert.notEqual(alone.signature.status, 'valid')
  return alone
}

describe('what gateways make of encrypted mail', () => {
  const version =
    'Content-Type: application/pgp-encrypted; name="PGPMIME version identification"\n\nVersion: 1\n'
  const empty = 'Content-Type: text/plain; charset="us-ascii"\n\n\n'
  const data = (armored: string) =>
    `Content-Type: application/octet-stream; name="encrypted.asc"\nContent-Disposition: attachment; filename="encrypted.asc"\n\n${armored}`
  const encoded = (content: string | Uint8Array) =>
    data(base64(content)).replace('\n\n', '\nContent-Transfer-Encoding: base64\n\n')

  test('Exchange’s multipart/mixed opens as the whole mail, in each form that it has', async () => {
    const armored = await sealed(entity)
    const binary = (await openpgp.unarmor(armored)).data as Uint8Array
    const emptyHtml = 'Content-Type: text/html\n\n<html><head></head><body><p>&nbsp;</p></body></html>'
    await opensWhole(mixed(empty, version, data(armored)))
    await opensWhole(mixed(version, data(armored)))
    await opensWhole(mixed(emptyHtml, version, data(armored)))
    await opensWhole(mixed(empty, version, encoded(armored)))
    await opensWhole(mixed(empty, version, encoded(binary)))
    const encodedVersion = version
      .replace('\n\n', '\nContent-Transfer-Encoding: base64\n\n')
      .replace(/Version: 1\n$/, base64('Version: 1\r\n'))
    await opensWhole(mixed(empty, encodedVersion, encoded(armored)))
  })

  test('with anything beside it, it opens alone', async () => {
    const armored = await sealed(entity)
    const text = 'Content-Type: text/plain\n\nhello'
    await opensAlone(mixed(text, version, data(armored)))
    await opensAlone(mixed(empty, version, data(armored), text))
    await opensAlone(
      mixed('Content-Type: text/html\n\n<img src="http://127.0.0.1/x">', version, data(armored)),
    )
    await opensAlone(mixed(empty, version.replace('Version: 1', 'Version: 1 <b>'), data(armored)))
    await opensAlone(mixed(empty, data(armored)))
    await opensAlone(mixed(mixed(empty, version, data(armored)).replaceAll('--x', '--y').replace('=x', '=y')))
  })

  test('one block in both parts of an alternative is one mail; two blocks, or text beside one, are not', async () => {
    const armored = await sealed('the secret text\n')
    const other = await sealed('another secret text\n')
    const plain = (text: string) => `Content-Type: text/plain\n\n${text}`
    const html = (text: string) => `Content-Type: text/html\n\n<div dir="ltr"><pre>${text}</pre></div>`
    await opensWhole(alternative(plain(armored), html(armored)))
    await opensWhole(alternative(html(armored), plain(armored)))
    await opensWhole(alternative(plain(armored), html(armored.replace(/\r?\n/g, '<br>\n'))))
    await opensWhole(`Content-Type: application/pgp; format=text; x-action=encrypt\n\n${armored}`)
    await opensWhole(`Content-Type: application/x-pgp-message\n\n${armored}`)
    const two = await read(mail(alternative(plain(armored), html(other))), [])
    assert.equal(two.security, 'plain')
    assert.equal(two.isolated.length, 2)
    await opensAlone(alternative(plain(armored), html(`read this<br>\n${armored}`)))
    await opensAlone(
      mixed(
        plain('hello'),
        alternative(plain(armored), html(armored)).replaceAll('--x', '--y').replace('=x', '=y'),
      ),
    )
  })

  test('a signed text that an alternative repeats as HTML is valid; one that says something else there is not', async () => {
    const clear = await signed('I owe you ten pounds.')
    const plain = `Content-Type: text/plain; charset=utf-8\n\n${clear}`
    const html = (text: string) => `Content-Type: text/html\n\n<pre>${text}</pre>`
    const good = await read(mail(alternative(plain, html(clear))), accepted)
    assert.equal(good.signature.status, 'valid', good.signature.reason)
    assert.equal(good.text.trim(), 'I owe you ten pounds.')
    assert.equal(good.html, null)
    for (const twin of [clear.replace('ten', 'a hundred'), `pay at once<br>\n${clear}`]) {
      const bad = await read(mail(alternative(plain, html(twin))), accepted)
      assert.notEqual(bad.signature.status, 'valid')
    }
  })

  test('an encrypted part inside an encrypted mail is listed and opens alone, three deep', async () => {
    const inner = await sealed(entity)
    const middle = await sealed(mixed('Content-Type: text/plain\n\nmiddle', pgpMime(inner)))
    const raw = mail(
      pgpMime(
        await sealed(
          mixed(
            'Content-Type: text/plain\n\nouter',
            pgpMime(middle).replaceAll('--e', '--f').replace('boundary=e', 'boundary=f'),
          ),
        ),
      ),
    )
    const opened = await open(raw, keys, accepted)
    assert.equal(opened.text, 'outer')
    assert.deepEqual(
      opened.isolated.map(({ id }) => id),
      ['~2'],
    )
    const second = await open(raw, keys, accepted, '~2')
    assert.equal(second.text, 'middle')
    assert.equal(second.headers.subject, 'foreign')
    assert.notEqual(second.signature.status, 'valid')
    const third = await open(raw, keys, accepted, second.isolated[0]!.id)
    assert.match(third.text, /the secret text/)
    assert.deepEqual(third.isolated, [])
    await assert.rejects(open(raw, keys, accepted, '~9'), /no encrypted part of that name/)
    // Encrypted twice around the whole of it.
    const twice = mail(pgpMime(await sealed(pgpMime(inner))))
    const [only] = (await open(twice, keys, accepted)).isolated
    assert.match((await open(twice, keys, accepted, only!.id)).text, /the secret text/)
  })

  test('attachments of what lies in an encrypted mail can be had', async () => {
    const inner = await sealed(
      mixed('Content-Type: text/plain\n\nsee', 'Content-Type: application/x-thing; name=a.bin\n\nthe file'),
    )
    const raw = mail(pgpMime(await sealed(mixed('Content-Type: text/plain\n\nouter', pgpMime(inner)))))
    const part = await open(raw, keys, accepted, '~2')
    const file = await partOf(raw, part.attachments[0]!.id, keys, '~2')
    assert.equal(Buffer.from(file!.octets).toString().trim(), 'the file')
    assert.equal(await partOf(raw, part.attachments[0]!.id, null, '~2'), null)
  })

  test('an encrypted file is a mail again if its entity begins with any header field', async () => {
    for (const head of [
      '',
      'X-Gateway: 7\n',
      'From: a@example.org\nSubject: inner\n',
      'Received: by x;\n\tnow\n',
    ]) {
      const file = `Content-Type: application/octet-stream; name=mail.asc\n\n${await sealed(head + entity)}`
      const alone = await opensAlone(mixed('Content-Type: text/plain\n\nhello', file))
      assert.doesNotMatch(alone.text, /X-Gateway|Content-Type/)
    }
    const note = `Content-Type: application/octet-stream; name=note.txt.asc\n\n${await sealed('Subject: not a mail\n\nthe secret text\n')}`
    const raw = mail(mixed('Content-Type: text/plain\n\nhello', note))
    const [part] = (await read(raw, [])).isolated
    assert.equal((await open(raw, keys, [], part!.id)).attachments[0]!.name, 'note.txt')
  })

  test('protected headers of the older convention: the legacy display part is neither shown nor quoted', async () => {
    const payload = (type: string, lines: string) =>
      `Content-Type: multipart/mixed; boundary=x; protected-headers="v1"\nSubject: the merger\nFrom: carla@example.org\n\n--x\nContent-Type: ${type}; protected-headers="v1"\nContent-Disposition: inline\n\n${lines}\n--x\nContent-Type: text/plain\n\nthe secret text\n--x--\n`
    for (const type of ['text/plain', 'text/rfc822-headers']) {
      const opened = await open(
        mail(pgpMime(await sealed(payload(type, 'Subject: the merger\n')))),
        keys,
        accepted,
      )
      assert.equal(opened.text.trim(), 'the secret text')
      assert.equal(opened.headers.subject, 'the merger')
      assert.deepEqual(opened.attachments, [])
    }
    const other = await open(
      mail(pgpMime(await sealed(payload('text/plain', 'Pay at once.')))),
      keys,
      accepted,
    )
    assert.match(other.text, /Pay at once/, 'a text is no line of a header, and is shown')
  })
})

describe('MIME as people meet it', () => {
  const named = async (...fields: string[]) =>
    (await shown(mixed('Content-Type: text/plain\n\nhello', `${fields.join('\n')}\n\nx`))).attachments[0]
      ?.name
  const disposition = (parameters: string) =>
    named('Content-Type: application/octet-stream', `Content-Disposition: attachment; ${parameters}`)

  test('file names without quotes, with paths, quotes, pieces and missing semicolons', async () => {
    const names: [string, string][] = [
      ['filename=Report for Q3 2026.pdf', 'Report for Q3 2026.pdf'],
      ['filename=Report for Q3.pdf; size=12', 'Report for Q3.pdf'],
      ['filename=Report for Q3.pdf size=12', 'Report for Q3.pdf'],
      ['filename = Apples, pears.txt', 'Apples, pears.txt'],
      ['filename=a = b.txt', 'a = b.txt'],
      ['filename="The "best" file.pdf"; size=1', 'The _best_ file.pdf'.replaceAll('_', '"')],
      ['filename="cut off.pdf', 'cut off.pdf'],
      [String.raw`filename="C:\Users\x\memo.txt"`, 'memo.txt'],
      [String.raw`filename=C:\Users\x\new.txt`, 'new.txt'],
      [String.raw`filename="\\\\server\\share\\plan.doc"`, 'plan.doc'],
      [String.raw`filename="a \"quoted\" name.txt"`, 'a "quoted" name.txt'],
      ['filename="first.txt"; filename="second.txt"', 'first.txt'],
      ['size=3 filename="x.txt"', 'x.txt'],
      ['filename*0*=utf-8\'\'%E2%82%AC; filename*1=" 100"; filename*2=.pdf', '€ 100.pdf'],
      ['filename*1="a"; filename*2="b.txt"', 'ab.txt'],
      ['filename*0="=?utf-8?B?w4RuZGVy?="; filename*1="ung.pdf"', 'Änderung.pdf'],
      ['filename="=?UTF-8?B?w4RuZGVydW5n?=\n =?UTF-8?B?LnBkZg==?="', 'Änderung.pdf'],
      ['filename="\xc4\xe4.txt"', 'Ää.txt'],
      ['filename=""; name=x', 'part-2'],
    ]
    for (const [parameters, name] of names) assert.equal(await disposition(parameters), name, parameters)
    assert.equal(await named('Content-Type: application/pdf name=Plan B.pdf'), 'Plan B.pdf')
    assert.equal(
      await named('Content-Type: application/pdf; name=Plan B.pdf', 'Content-Disposition: attachment'),
      'Plan B.pdf',
    )
  })

  test('a missing semicolon before boundary, charset or name loses nothing', async () => {
    const fields: [string, string, string][] = [
      ['multipart/mixed boundary="M"', 'boundary', 'M'],
      ['multipart/mixed, boundary=M', 'boundary', 'M'],
      ['multipart/mixed;\tboundary=M charset=utf-8', 'boundary', 'M'],
      ['multipart/mixed; boundary=----= Part 1', 'boundary', '----= Part 1'],
      ['text/plain charset=utf-8', 'charset', 'utf-8'],
      ['text/plain; charset=utf-8 format=flowed', 'format', 'flowed'],
      ['text/plain; charset="utf-8" format=flowed', 'format', 'flowed'],
      ['text/plain; charset=us-ascii (plain text)', 'charset', 'us-ascii'],
      ['text/plain (c) ; charset = "utf-8"', 'charset', 'utf-8'],
    ]
    for (const [field, name, value] of fields) {
      const found = parseParameters(field)
      assert.match(found.value, /^(multipart\/mixed|text\/plain)$/, field)
      assert.equal(found.parameters.get(name), value, field)
    }
    const { text } = await shown(
      'Content-Type: multipart/mixed boundary="x"\n\n--x\nContent-Type: text/plain charset=utf-8\n\nHallo\n--x--\n',
    )
    assert.equal(text, 'Hallo')
  })

  test('boundaries with blanks, parts without an end, empty parts, a header of two marks', async () => {
    assert.equal(
      (
        await shown(
          mixed('\nhello').replaceAll('\n--x\n', '\n--x  \n').replace('boundary=x', 'boundary="x "'),
        )
      ).text,
      'hello',
    )
    assert.equal((await shown(mixed('\none', '\ntwo').replace('--x--\n', ''))).text, 'one\n\ntwo')
    assert.equal((await shown(mixed('', '', '\nhello', ''))).text, 'hello')
    const marked = Buffer.concat([Buffer.from('\ufeff>From - Sat Apr 12 2025 15:59:28\r\n'), mail('\nhello')])
    assert.equal((await read(marked, [])).headers.subject, 'foreign')
  })

  test('question marks in encoded words that are not encoded', () => {
    const words: [string, string][] = [
      ['=?utf-8?Q?Hast_du_Zeit?_Gr=C3=BC=C3=9Fe?=', 'Hast du Zeit? Grüße'],
      ['=?utf-8?Q?Zeit??=', 'Zeit?'],
      ['=?utf-8?Q?Zeit?=C3=BC?=', 'Zeit?ü'],
      ['=?utf-8?q?a?= =?utf-8?q?b?c?=', 'ab?c'],
      ['=?utf-8?q?a?=.txt', 'a.txt'],
      ['=?utf-8?q?open and =?utf-8?q?closed?=', '=?utf-8?q?open and closed'],
      ['1 =? 2 ?= 3', '1 =? 2 ?= 3'],
    ]
    for (const [given, wanted] of words) assert.equal(decodeHeader(given), wanted, given)
  })

  test('a list of recipients of 150 KB, or of 5 MB, leaves the other fields whole, and names nobody by half', async () => {
    for (const count of [5_000, 150_000]) {
      const to = Array.from({ length: count }, (_, i) => `person${i}@example.org`).join(',\r\n ')
      const raw = Buffer.from(`To: ${to}\r\nFrom: a@example.org\r\nSubject: everybody\r\n\r\nhello`)
      const seen = await read(raw, [])
      assert.ok(seen.to.every(({ address }) => address.endsWith('@example.org')))
      if (count > 100_000) continue // more header than is read
      assert.equal(seen.headers.subject, 'everybody')
      assert.equal(seen.text, 'hello')
    }
    const long = Buffer.from(
      `To: ${'"a very long name of somebody, more or less" <one@example.com>, '.repeat(1620)}x@example.org\r\nSubject: s\r\n\r\n`,
    )
    assert.ok((await read(long, [])).to.every(({ address }) => address === 'one@example.com'))
  })

  test('uuencode: as a transfer encoding, and in a text as mail was before MIME', async () => {
    const file = 'begin 644 hello.txt\n-:&5L;&\\@=V%F97(@(0H`\n`\nend\n'
    const part = await shown(
      mixed(
        `Content-Type: application/octet-stream; name=hello.txt\nContent-Transfer-Encoding: x-uuencode\n\n${file}`,
      ),
    )
    assert.equal(part.attachments[0]!.size, 13)
    const raw = mail(`\nSee below.\n\n${file}\nBye\n`)
    const seen = await read(raw, [])
    assert.match(seen.text, /See below\.\s+Bye/)
    assert.deepEqual(
      seen.attachments.map(({ name, size }) => [name, size]),
      [['hello.txt', 13]],
    )
    assert.equal(
      Buffer.from((await partOf(raw, seen.attachments[0]!.id, null))!.octets).toString(),
      'hello wafer !',
    )
    for (const prose of [
      'begin 644 a.txt\nhello\nend\n',
      'begin 644 a.txt\n',
      'We begin 100 things\nend\n',
    ]) {
      const text = await shown(`\n${prose}`)
      assert.equal(text.text.trim(), prose.trim())
      assert.deepEqual(text.attachments, [])
    }
  })

  test('a hundred and one levels of nesting: what lies below can be had as a file', async () => {
    let body = 'Content-Type: text/plain\n\nat the bottom'
    for (let level = 0; level < 130; level++)
      body = `Content-Type: multipart/mixed; boundary=b${level}\n\n--b${level}\n${body}\n--b${level}--\n`
    const raw = mail(body)
    const seen = await read(raw, [])
    assert.equal(seen.attachments.length, 1)
    const file = await partOf(raw, seen.attachments[0]!.id, null)
    assert.match(Buffer.from(file!.octets).toString(), /at the bottom/)
    assert.match((await read(file!.octets, [])).text, /at the bottom/, 'it is a mail that can be read again')
  })

  test('of several texts in an alternative the last plain one is read, never the source of another format', async () => {
    const plain = (text: string) => `Content-Type: text/plain\n\n${text}`
    const html = 'Content-Type: text/html\n\n<b>rich</b>'
    const amp = 'Content-Type: text/x-amp-html\n\n<!doctype html><html amp4email>'
    assert.equal((await shown(alternative(plain('old'), plain('new')))).text, 'new')
    assert.equal((await shown(alternative(plain('old'), plain('new'), html))).text, 'new')
    assert.equal((await shown(alternative(plain('new'), plain(' '), html))).text, 'new')
    const page = await shown(alternative(plain('words'), amp, html))
    assert.equal(page.text, 'words')
    assert.equal(page.html?.trim(), '<b>rich</b>')
    assert.equal((await shown(alternative(amp, html))).text, 'rich')
  })
})

describe('charsets that are met', () => {
  const samples: [string, string, string][] = [
    ['utf-7', 'Gr+APwA3w-e, 10 +IKw-', 'Grüße, 10 €'],
    ['unicode-1-1-utf-7', '+ZeVnLIqe-', '日本語'],
    ['iso-2022-kr', '\x1b$)C\x0e>H3gGO<<?d\x0f ok', '안녕하세요 ok'],
    ['iso-2022-cn', '\x1b$)A\x0eVPND\x0f ok', '中文 ok'],
    ['hz-gb-2312', '~{VPND~} ~~ ok', '中文 ~ ok'],
    ['cp850', 'Gr\x81\xe1e', 'Grüße'],
    ['ibm437', '\x80\x87', 'Çç'],
    ['cp866', '\x8f\xe0\xa8', 'При'],
    ['koi8-r', '\xf0\xd2\xc9', 'При'],
    ['koi8-u', '\xf0\xd2\xa6', 'Прі'],
    ['windows-1251', '\xcf\xf0\xe8', 'При'],
    ['windows-1258', '\xd2', '\u0309'],
    ['big5', '\xa4\xa4\xa4\xe5', '中文'],
    ['gb18030', '\xd6\xd0\xce\xc4', '中文'],
    ['gb2312', '\xd6\xd0\xce\xc4', '中文'],
    ['ks_c_5601-1987', '\xc7\xd1', '한'],
    ['tis-620', '\xa1', 'ก'],
    ['iso-8859-8-i', '\xe0', 'א'],
    ['macintosh', '\x8a', 'ä'],
    ['viscii', '\xd5', 'ạ'],
    ['utf-16', '\xff\xfeG\0r\0', 'Gr'],
    ['utf-16', '\xfe\xff\0G\0r', 'Gr'],
    ['utf-16', '\0G\0r', 'Gr'],
    ['utf-16le', '\xfe\xff\0G\0r', 'Gr'],
    ['utf-16be', '\xff\xfeG\0r\0', 'Gr'],
    ['', '\xff\xfeG\0r\0', 'Gr'],
    ['base64', 'aGVsbG8=', 'aGVsbG8='],
  ]
  for (const [charset, given, wanted] of samples)
    test(`${charset || 'none'}: ${JSON.stringify(given)}`, () =>
      assert.equal(decodeText(Buffer.from(given, 'latin1'), charset), wanted))

  test('a shift that nothing ends ends with its line', () => {
    assert.equal(decodeText(Buffer.from('\x1b$)C\x0e>H\nabc', 'latin1'), 'iso-2022-kr'), '안\nabc')
    assert.equal(decodeText(Buffer.from('~{VP\nabc', 'latin1'), 'hz'), '中\nabc')
  })

  test('UTF-7 is read in text and subject, never as HTML', async () => {
    const page = await shown('Content-Type: text/html; charset=utf-7\n\nhello +ADw-script+AD4-')
    assert.doesNotMatch(page.html ?? '', /<script/)
    assert.equal(decodeHeader('=?utf-7?Q?Gr+APw-+AN8-e?='), 'Grüße')
  })
})

describe('HTML as text', () => {
  const rows: [string, string, string][] = [
    [
      'a table of data without line ends',
      '<table><tr><th>Article</th><th>Qty</th><th>Price</th></tr><tr><td>Pen</td><td>10</td><td>2.50</td></tr></table>',
      'Article   Qty   Price\nPen   10   2.50',
    ],
    [
      'paragraphs in cells, as Word writes them',
      '<table><tr><td><p>Pen</p></td><td><p>10</p></td></tr><tr><td><p>Ink</p></td><td><p>1</p></td></tr></table>',
      'Pen   10\nInk   1',
    ],
    [
      'a cell of two lines',
      '<table><tr><td>Pen<br>blue</td><td>10</td></tr><tr><td>Ink</td><td>1</td></tr></table>',
      'Pen   10\nblue\nInk   1',
    ],
    [
      'head, body and foot',
      '<table><thead><tr><th>a<th>b</thead><tbody><tr><td>c<td>d</tbody></table>',
      'a   b\nc   d',
    ],
    [
      'what stands in no cell',
      '<table><caption>Sum</caption>loose<tr><td>a</td></tr></table>',
      'Sumloose\na',
    ],
    ['rows without cells, cells without rows', '<table><tr>x</tr><td>y</td></table>', 'x\ny'],
    [
      'empty cells',
      '<table><tr><td>&nbsp;</td><td>a</td><td><img src=x></td><td>b</td></tr></table>',
      'a   b',
    ],
    [
      'a layout with an order in it',
      '<table><tr><td><table><tr><td><h1>Hello</h1></td></tr></table><table><tr><td>Pen</td><td>10</td></tr></table></td></tr></table>',
      'Hello\n\nPen   10',
    ],
    [
      'articles side by side',
      `<table><tr><td><p>${'one '.repeat(30)}</p></td><td><p>${'two '.repeat(30)}</p></td></tr></table>`,
      `${'one '.repeat(30).trim()}\n\n${'two '.repeat(30).trim()}`,
    ],
    ['lines of a mail of orders', 'Pen: 10<br>Ink: 1<br/>Total: 2', 'Pen: 10\nInk: 1\nTotal: 2'],
    ['lists', '<ul><li>one<li>two</ul><ol><li>a<li>b</ol>', ' * one\n * two\n\n 1. a\n 2. b'],
    ['links with their targets', '<a href="https://example.org/x">here</a>', 'here [https://example.org/x]'],
    [
      'a picture that is a link',
      '<a href="https://example.org/x"><img src=y alt="Shop now"></a>',
      'Shop now [https://example.org/x]',
    ],
    ['a hidden preview', '<div style="color:red;DISPLAY: none">psst</div><p>Hello</p>', 'Hello'],
    ['filler of a preview', 'Hi&#847;&zwnj;&nbsp;&#847;&zwnj;&nbsp;&#847;&zwnj;&nbsp;there', 'Hi there'],
    ['joiners within words', 'a\u200cb \u{1f468}\u200d\u{1f469}', 'a\u200cb \u{1f468}\u200d\u{1f469}'],
    ['a page that hides all of itself', '<body style="display:none">text</body>', 'text'],
  ]
  for (const [what, html, wanted] of rows) test(what, () => assert.equal(htmlToText(html).trimEnd(), wanted))
})
