/** S/MIME that somebody built to draw a text out, to be believed, or to take time and memory. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateSync } from 'node:zlib'
import { cmsLimits } from '../../server/ground/limits.ts'
import { Refusal } from '../../server/ground/refusal.ts'
import { readDer } from '../../server/locked/reader/asn1.ts'
import { encryptedTo } from '../../server/locked/reader/cms-writing.ts'
import { open, partOf, read } from '../../server/locked/reader/encrypted-mail.ts'
import { summarize } from '../../server/locked/reader/summary.ts'
import { readX509 } from '../../server/locked/reader/x509.ts'
import { needs } from '../support/programs.ts'
import {
  Authorities,
  asMail,
  believing,
  crlf,
  entity,
  type Holder,
  head,
  keysOf,
  signedBy,
} from '../support/smime.ts'

const base64 = (octets: Uint8Array) => Buffer.from(octets).toString('base64').replace(/.{76}/g, '$&\r\n')
const cms = (der: Uint8Array, type = 'application/pkcs7-mime; name=smime.p7m') =>
  `Content-Type: ${type}\r\nContent-Transfer-Encoding: base64\r\n\r\n${base64(der)}\r\n`
const cmsMail = (der: Uint8Array, type?: string) => Buffer.from(head() + cms(der, type))
const html = (text: string) =>
  `Content-Type: text/html; charset=utf-8\r\n\r\n<p>${text}</p><img src="http://evil.example/">\r\n`

const refusal = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work
  } catch (error) {
    if (error instanceof Refusal) return `${error.reason}`
    throw error
  }
  return 'opened'
}

test('P3: The decrypt gate holds for S/MIME: the root opens, parts alone or not at all, HTML only where changes show', async (t) => {
  if (!needs(t, 'openssl')) return
  const openssl = new Authorities(t)
  const bob = openssl.holder({ subject: '/CN=Bob', address: 'bob@example.org', kind: 'rsa' })
  const keys = keysOf(bob)
  const encrypted = (content: string, cipher: string) =>
    openssl.ok(['cms', '-encrypt', cipher, '-outform', 'DER', '-recip', bob.pem], content)
  const [sound, malleable] = ['-aes-256-gcm', '-aes256'].map((cipher) => encrypted(html('Secret'), cipher))
  assert.equal((await open(cmsMail(sound!), keys, [])).html?.includes('Secret'), true)
  const shown = await open(cmsMail(malleable!), keys, [])
  assert.equal(shown.html, null)
  assert.match(shown.text, /Secret/)
  // However it is called; what it claims to be in its type counts for nothing.
  for (const type of [
    'application/x-pkcs7-mime',
    'application/octet-stream; name="smime.p7m"',
    'application/pkcs7-mime; smime-type=signed-data',
    'APPLICATION/PKCS7-MIME; smime-type=certs-only; name=x.p7c',
  ])
    assert.match((await open(cmsMail(sound!, type), keys, [])).text, /Secret/, type)
  // What carries no header of a part is a text, its first line included.
  const bare = await open(cmsMail(encrypted('Dear Bob: hello\nNote: this\n', '-aes256')), keys, [])
  assert.equal(bare.text, 'Dear Bob: hello\nNote: this')

  const mixed = (...parts: string[]) =>
    Buffer.from(
      `${head()}Content-Type: multipart/mixed; boundary=b\r\n\r\n${parts.map((part) => `--b\r\n${part}\r\n`).join('')}--b--\r\n`,
    )
  for (const beside of [[], [entity('')]])
    assert.match((await open(mixed(...beside, cms(malleable!)), keys, [])).text, /Secret/)
  const around = [html('<img src="http://evil.example/'), html('">')]
  for (const [der, is] of [
    [sound!, 'sound'],
    [malleable!, 'malleable'],
  ] as const)
    for (const mail of [
      mixed(around[0]!, cms(der), around[1]!),
      mixed(entity('Look:'), `Content-Type: message/rfc822\r\n\r\n${cmsMail(der).toString('latin1')}`),
      mixed(cms(der), entity('-- \r\nA list')),
    ]) {
      assert.equal((await summarize(mail)).security, 'partly')
      const came = await read(mail, [])
      assert.equal(came.isolated.length, 1)
      assert.doesNotMatch(JSON.stringify(came), /Secret/)
      assert.equal(await refusal(open(mail, keys, [])), 'parts-open-alone')
      const part = came.isolated[0]!.id
      if (is === 'sound') assert.match((await open(mail, keys, [], part)).text, /^\s*Secret/)
      else assert.equal(await refusal(open(mail, keys, [], part)), 'part-can-be-changed')
    }
  // A signature that carries a content of its own beside another one says nothing about that.
  const eve = openssl.holder({ subject: '/CN=Ann', address: 'ann@example.org' })
  const carried = signedBy(openssl, eve, entity('Signed.'), '-nodetach', '-outform', 'DER')
  for (const type of [
    'application/pkcs7-signature; name=smime.p7s',
    'application/octet-stream; name=smime.p7s',
  ])
    for (const shownText of ['Faked.', 'Signed.']) {
      const beside = Buffer.from(
        `${head()}Content-Type: multipart/signed; protocol="application/pkcs7-signature"; boundary=s\r\n\r\n--s\r\n${entity(shownText)}\r\n--s\r\n${cms(carried, type)}--s--\r\n`,
      )
      const { text, signature } = await read(beside, [], believing(eve))
      if (shownText === 'Faked.') assert.notEqual(signature.status, 'valid', type)
      assert.match(text, new RegExp(shownText))
    }
  // Signed, compressed and what lies in them is read as any mail is: rows, search, attachments.
  const ann = openssl.holder({ subject: '/CN=Ann', address: 'ann@example.org' })
  const letter = `Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n${entity('Findable')}--c\r\nContent-Type: text/csv; name=a.csv\r\nContent-Disposition: attachment\r\n\r\n1,2\r\n--c--\r\n`
  const signed = asMail(signedBy(openssl, ann, letter, '-nodetach'))
  const packed = await read(cmsMail(compressed(Buffer.from(entity('Packed.')))), [])
  assert.deepEqual([packed.text.trim(), packed.security, packed.attachments], ['Packed.', 'plain', []])
  const bomb = await read(cmsMail(compressed(Buffer.alloc(100 * 1024 * 1024, 'a'))), [])
  assert.deepEqual([bomb.text, bomb.attachments.length], ['', 1])
  const row = await summarize(signed)
  assert.deepEqual([row.security, row.attachments, /Findable/.test(row.searchText)], ['signed', 1, true])
  const [file, certificates] = (await read(signed, [])).attachments
  assert.equal(
    Buffer.from((await partOf(signed, file!.id, null))!.octets)
      .toString()
      .trim(),
    '1,2',
  )
  assert.equal(certificates?.name, 'smime.p7s')
  const both = asMail(
    openssl.ok(['cms', '-encrypt', '-aes256', '-recip', bob.pem], signed.subarray(head().length)),
  )
  const inside = (await open(both, keys, [])).attachments[0]!
  assert.equal(
    Buffer.from((await partOf(both, inside.id, keys))!.octets)
      .toString()
      .trim(),
    '1,2',
  )
  assert.equal(await partOf(both, inside.id, null), null)
})

test('P3: Changed, cut and monstrous S/MIME is refused in one sentence, within time, and never half shown', async (t) => {
  if (!needs(t, 'openssl')) return
  const openssl = new Authorities(t)
  const bob = openssl.holder({ subject: '/CN=Bob', address: 'bob@example.org', kind: 'rsa' })
  const ann = openssl.holder({ subject: '/CN=Ann', address: 'ann@example.org' })
  const carol = openssl.holder({ subject: '/CN=Carol', kind: 'P-256' })
  const keys = keysOf(bob, carol)
  const encrypt = (...options: string[]) =>
    openssl.ok(['cms', '-encrypt', '-outform', 'DER', ...options, '-recip', bob.pem], entity('Whole.'))
  const said = new Set<string>()
  let state = 7
  const random = (below: number) => {
    state = (state * 48271) % 2147483647
    return state % below
  }
  const to = (recipient: Holder, ...options: string[]) =>
    openssl.ok(
      ['cms', '-encrypt', '-outform', 'DER', '-aes-128-gcm', '-recip', recipient.pem, ...options],
      entity('Whole.'),
    )
  for (const der of [
    encrypt('-aes-256-gcm'),
    encrypt('-aes256'),
    encrypt('-aes256', '-stream'),
    to(bob, '-keyopt', 'rsa_padding_mode:oaep', '-keyopt', 'rsa_oaep_md:sha256'),
    to(carol, '-keyopt', 'ecdh_kdf_md:sha256'),
  ]) {
    for (let length = 1; length < der.length; length += 29)
      said.add(await refusal(open(cmsMail(der.subarray(0, length)), keys, [])))
    for (let flip = 0; flip < 150; flip++) {
      const copy = Uint8Array.from(der)
      copy[random(der.length)]! ^= 1 << random(8)
      said.add(await refusal(open(cmsMail(copy), keys, [])))
    }
  }
  // What of the key and the content is wrong is one answer; whom it is for is to be read outside.
  for (const reason of said)
    assert.ok(
      ['undecryptable', 'not-to-your-keys', 'not-encrypted', 'parts-open-alone', 'opened'].includes(reason),
      reason,
    )
  // A changed content key or a changed block of a tagged text never opens.
  const tagged = encrypt('-aes-256-gcm')
  for (let at = tagged.length - 60; at < tagged.length; at++) {
    const copy = Uint8Array.from(tagged)
    copy[at]! ^= 1
    assert.equal(await refusal(open(cmsMail(copy), keys, [])), 'undecryptable')
  }
  const opaque = (signer: Holder, ...options: string[]) =>
    signedBy(openssl, signer, entity('Whole.'), '-nodetach', '-outform', 'DER', ...options)
  for (const signed of [opaque(ann, '-cades'), opaque(bob, '-keyopt', 'rsa_padding_mode:pss')])
    for (let flip = 0; flip < 200; flip++) {
      const copy = Uint8Array.from(signed)
      copy[random(signed.length)]! ^= 1 << random(8)
      const { signature, text } = await read(cmsMail(copy), [], believing(ann, bob))
      if (text.trim() !== 'Whole.') assert.notEqual(signature.status, 'valid')
    }

  const one = readX509(openssl.holder({ subject: '/CN=Other', kind: 'rsa' }).der)
  const few = encryptedTo([one, readX509(bob.der)], Buffer.from(entity('Many.')), true)
  const many = (others: number) => withMore(few, readX509(bob.der).issuerAndSerial, others)
  assert.match((await open(cmsMail(many(cmsLimits.recipients - 1)), keys, [])).text, /Many/)
  assert.equal(await refusal(open(cmsMail(many(cmsLimits.recipients)), keys, [])), 'undecryptable')

  const type = Buffer.from('06092a864886f70d010703', 'hex')
  const monsters: [string, Uint8Array][] = [
    [
      'a gigabyte that is not there',
      Buffer.concat([Buffer.from('30843fffffff', 'hex'), type, Buffer.from('a0843fffff00', 'hex')]),
    ],
    [
      'deep',
      Buffer.concat([
        Buffer.from('3080', 'hex'),
        type,
        Buffer.from('a080'.repeat(1_000) + '2480'.repeat(1_000), 'hex'),
      ]),
    ],
    [
      'empty elements',
      Buffer.concat([
        Buffer.from('3080', 'hex'),
        type,
        Buffer.from('a080', 'hex'),
        Buffer.from('0500'.repeat(300_000), 'hex'),
      ]),
    ],
    ['nothing', Buffer.from('3000', 'hex')],
  ]
  for (const [what, der] of monsters) {
    const octets = cmsMail(der)
    await summarize(octets)
    assert.ok(['undecryptable', 'not-encrypted'].includes(await refusal(open(octets, keys, []))), what)
  }
  // A thousand messages in each other: as many are unwrapped as are told of, and the rest is a file.
  let nested: Uint8Array = Buffer.from(entity('Deep within.'))
  for (let level = 0; level < 1_000; level++)
    nested = Buffer.concat([
      Buffer.from('Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: binary\r\n\r\n'),
      signedAround(nested),
    ])
  const shown = await read(Buffer.concat([Buffer.from(head()), nested]), [])
  assert.doesNotMatch(shown.text, /Deep within/)
  assert.equal(shown.attachments.length, 1)
  await summarize(crlf(nested))
})

const wrap = (tag: number, ...parts: Uint8Array[]) => {
  const inside = Buffer.concat(parts)
  const length = Buffer.alloc(6)
  length[0] = tag
  length[1] = 0x84
  length.writeUInt32BE(inside.length, 2)
  return Buffer.concat([length, inside])
}

/** A SignedData that nobody signed, around a content. */
const signedAround = (content: Uint8Array): Uint8Array => {
  const oid = (last: string) => Buffer.from(`06092a864886f70d0107${last}`, 'hex')
  const set = Buffer.from('3100', 'hex')
  const carried = wrap(0x30, oid('01'), wrap(0xa0, wrap(0x04, content)))
  return wrap(0x30, oid('02'), wrap(0xa0, wrap(0x30, Buffer.from('020101', 'hex'), set, carried, set)))
}

/** A CompressedData (RFC 3274); not every OpenSSL makes one. */
const compressed = (content: Uint8Array): Uint8Array => {
  const oid = (last: string) => Buffer.from(`060b2a864886f70d010910${last}`, 'hex')
  const data = Buffer.from('06092a864886f70d010701', 'hex')
  const inside = wrap(0x30, data, wrap(0xa0, wrap(0x04, deflateSync(content))))
  const body = wrap(0x30, Buffer.from('020100', 'hex'), wrap(0x30, oid('0308')), inside)
  return wrap(0x30, oid('0109'), wrap(0xa0, body))
}

/** The message with its other recipient repeated, and the one of that name last. */
const withMore = (message: Uint8Array, name: Uint8Array, others: number): Uint8Array => {
  const [type, inside] = readDer(message).members
  const [version, recipients, ...rest] = inside!.members[0]!.members.map(({ der }) => der)
  const each = readDer(recipients!).members.map(({ der }) => der)
  const [last] = each.filter((der) => Buffer.from(der).includes(Buffer.from(name)))
  const [other] = each.filter((der) => der !== last)
  const all = wrap(0x31, ...Array<Uint8Array>(others).fill(other!), last!)
  return wrap(0x30, type!.der, wrap(0xa0, wrap(0x30, version!, all, ...rest)))
}
