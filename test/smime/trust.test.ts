/** Whose S/MIME signature counts: what stands in certificates, who issued them, when, and what was taken back. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { cmsLimits } from '../../server/ground/limits.ts'
import { read } from '../../server/locked/reader/encrypted-mail.ts'
import { examineAuthorities } from '../../server/locked/reader/trust.ts'
import { vectors } from '../support/places.ts'
import { needs } from '../support/programs.ts'
import { Authorities, accepting, asMail, believing, entity, type Holder, signedBy } from '../support/smime.ts'

const ca = (openssl: Authorities, more: Partial<Parameters<Authorities['holder']>[0]> = {}) =>
  openssl.holder({ subject: '/O=Example/CN=Authority', ca: 1, ...more })
const text = entity('Believe me.')

test('P3: A signature is believed for the addresses of its certificate, from an authority that was named, and for mail', async (t) => {
  if (!needs(t, 'openssl')) return
  const openssl = new Authorities(t)
  const authority = ca(openssl)
  const other = openssl.holder({ subject: '/CN=Other', ca: 1 })
  const noAuthority = openssl.holder({ subject: '/CN=Nobody', address: 'nobody@example.org', by: authority })
  const tooDeep = openssl.holder({
    subject: '/CN=Deep',
    ca: 0,
    by: openssl.holder({ subject: '/CN=B', ca: 0, by: authority }),
  })
  const past = ca(openssl, { days: -1 })
  // Authorities below it that may not do all that they could.
  const below = (...extensions: string[]) =>
    openssl.holder({
      subject: '/O=Example/CN=Below',
      by: authority,
      extensions: ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign', ...extensions],
    })
  const byOne = (...extensions: string[]) => {
    const one = below(...extensions)
    return mail(ann({ by: one }), '-certfile', one.pem)
  }
  const limited = (what: string) => byOne(`nameConstraints=critical,${what}`)
  const ann = (more: object = {}) =>
    openssl.holder({ subject: '/CN=Ann', address: 'ann@example.org', by: authority, ...more })
  const mail = (signer: Holder, ...more: string[]) => asMail(signedBy(openssl, signer, text, ...more))
  const cases: [what: string, mail: Uint8Array, status: string, reason: RegExp][] = [
    ['as it should be', mail(ann()), 'valid', /^$/],
    [
      'address only in the common name',
      mail(ann({ subject: '/CN=ann@example.org', address: undefined })),
      'mismatch',
      /no address/,
    ],
    [
      'address in the old place',
      mail(ann({ subject: '/CN=Ann/emailAddress=Ann@Example.org', address: undefined })),
      'valid',
      /^$/,
    ],
    ['another address', mail(ann({ address: 'eve@example.org' })), 'mismatch', /belongs to eve@/],
    [
      'an address with a line end in it',
      mail(
        ann({ address: undefined, extensions: ['subjectAltName=email:ann@example.org\\r\\n.evil.example'] }),
      ),
      'mismatch',
      /belongs to/,
    ],
    [
      'for web servers',
      mail(ann({ extensions: ['extendedKeyUsage=serverAuth', 'subjectAltName=email:ann@example.org'] })),
      'invalid',
      /not meant for signing/,
    ],
    [
      'only to encrypt',
      mail(ann({ extensions: ['keyUsage=critical,keyAgreement', 'subjectAltName=email:ann@example.org'] })),
      'invalid',
      /not meant for signing/,
    ],
    [
      'a demand that nobody understands',
      mail(ann({ extensions: ['1.2.3.4=critical,ASN1:NULL', 'subjectAltName=email:ann@example.org'] })),
      'unknown-key',
      /not accepted/,
    ],
    [
      'by one who is no authority',
      mail(ann({ by: noAuthority }), '-certfile', noAuthority.pem),
      'unknown-key',
      /not accepted/,
    ],
    [
      'below the depth that was allowed',
      mail(ann({ by: tooDeep }), '-certfile', tooDeep.pem),
      'unknown-key',
      /not accepted/,
    ],
    ['from one for this domain', limited('permitted;email:example.org'), 'valid', /^$/],
    ['from one for another', limited('permitted;email:.example.org'), 'unknown-key', /not accepted/],
    ['from one for all but this', limited('excluded;email:ann@example.org'), 'unknown-key', /not accepted/],
    ['from one for web servers', byOne('extendedKeyUsage=serverAuth'), 'unknown-key', /not accepted/],
    [
      'from another authority',
      mail(ann({ by: other }), '-certfile', other.pem),
      'unknown-key',
      /not accepted/,
    ],
    [
      'from one that ended',
      mail(ann({ by: past }), '-certfile', past.pem),
      'expired',
      /not valid on the day/,
    ],
    ['after its own end', mail(ann({ days: -1 })), 'expired', /not valid on the day/],
    ['over SHA-1', mail(ann(), '-md', 'sha1'), 'invalid', /can be forged/],
    ['with a short key', mail(ann({ kind: 'rsa1024' })), 'invalid', /too weak/],
  ]
  for (const [what, octets, status, reason] of cases) {
    const { signature } = await read(octets, [], believing(authority, past))
    assert.deepEqual([what, signature.status], [what, status], `${what}: ${signature.reason}`)
    assert.match(signature.reason, reason, what)
  }
  // Of a certificate for very many addresses the first ones count, and are told.
  const addresses = Array.from({ length: cmsLimits.addresses + 1 }, (_, at) => `ann${at}@example.org`)
  const extensions = [`subjectAltName=${addresses.map((each) => `email:${each}`).join(',')}`]
  const ofMany = signedBy(openssl, ann({ address: undefined, extensions }), text)
  const seen = async (from: string) =>
    (await read(asMail(ofMany, { from }), [], believing(authority))).signature
  const first = await seen(addresses[0]!)
  assert.deepEqual([first.status, first.certificate?.addresses], ['valid', addresses.slice(0, -1)])
  assert.equal((await seen(addresses.at(-1)!)).status, 'mismatch')
  // Not even the operator's word makes an altered text, another's name or an older date good.
  const good = mail(ann())
  const altered = Buffer.from(good.toString('latin1').replace('Believe', 'Believf'), 'latin1')
  assert.equal((await read(altered, [], believing(authority))).signature.status, 'invalid')
  const resent = asMail(signedBy(openssl, ann(), text), { date: new Date(Date.now() - 30 * 24 * 3600_000) })
  assert.match((await read(resent, [], believing(authority))).signature.reason, /another time/)
})

test('P3: Of several signers the known one speaks, and another certificate in its place, or of its key, is not believed', async (t) => {
  if (!needs(t, 'openssl')) return
  const openssl = new Authorities(t)
  // With RSA all its certificates of names of one length are of one length.
  const authority = ca(openssl, { kind: 'rsa' })
  const eves = openssl.holder({ subject: '/O=Example/CN=Authority', ca: 1 })
  const ann = openssl.holder({ subject: '/CN=Ann', address: 'ann@example.org', by: authority })
  const stranger = openssl.holder({ subject: '/CN=Zoe', address: 'zoe@example.org' })
  const both = asMail(signedBy(openssl, stranger, text, '-signer', ann.pem, '-inkey', ann.key))
  const { signature } = await read(both, [], believing(authority))
  assert.deepEqual([signature.status, signature.by], ['valid', 'ann@example.org'])
  // The same name and number, by an authority that calls itself as the true one does, before the true one in the message.
  const double = openssl.holder({
    subject: '/CN=Ann',
    address: 'ann@example.org',
    by: eves,
    serial: ann.serial,
  })
  const swapped = asMail(signedBy(openssl, double, text, '-certfile', ann.pem))
  assert.notEqual((await read(swapped, [], believing(authority))).signature.status, 'valid')
  const beside = asMail(signedBy(openssl, ann, text, '-certfile', double.pem))
  assert.equal((await read(beside, [], believing(authority))).signature.status, 'valid')
  // Eve has a certificate of her own name for Ann's key: what Ann signed is not Eve's for that.
  const taken = openssl.holder({ subject: '/CN=Eve', address: 'eve@example.org', by: authority, key: ann })
  const der = signedBy(openssl, ann, text, '-cades', '-keyid', '-outform', 'DER', '-nodetach')
  const stolen = async (octets: Uint8Array) =>
    (await read(opaque(octets, 'eve@example.org'), [], believing(authority))).signature.status
  assert.equal(await stolen(der), 'mismatch')
  assert.equal(await stolen(replaced(der, ann.der, taken.der)), 'invalid')
  // Accepted is one certificate, for the addresses that were shown.
  const own = await read(beside, [], accepting([ann, 'ann@example.org']))
  assert.deepEqual([own.signature.status, own.signature.certificate?.isVouchedFor], ['valid', false])
  assert.equal(
    (await read(beside, [], accepting([double, 'ann@example.org']))).signature.status,
    'unknown-key',
  )
})

test('P3: Of the ways to an authority the best one counts, and those that lead nowhere are not walked for ever', async (t) => {
  if (!needs(t, 'openssl')) return
  const openssl = new Authorities(t)
  const authority = ca(openssl)
  const between = openssl.holder({ subject: '/CN=Between', by: authority, ca: 0 })
  const ended = openssl.holder({ subject: '/CN=Between', by: authority, ca: 0, key: between, days: -1 })
  const ann = openssl.holder({ subject: '/CN=Ann', address: 'ann@example.org', by: between })
  const bundle = (holders: Holder[]) => {
    openssl.write('bundle.pem', holders.map(({ pem }) => readFileSync(pem, 'utf8')).join(''))
    return openssl.path('bundle.pem')
  }
  for (const order of [
    [ended, between],
    [between, ended],
  ]) {
    const octets = asMail(signedBy(openssl, ann, text, '-certfile', bundle(order)))
    assert.equal((await read(octets, [], believing(authority))).signature.status, 'valid')
  }
  // Sixteen that each issued all the others: there are more ways than can be counted.
  const eve = openssl.holder({ subject: '/CN=Swarm', ca: 9 })
  const swarm = Array.from({ length: 16 }, () =>
    openssl.holder({ subject: '/CN=Swarm', ca: 9, by: eve, key: eve }),
  )
  const victim = openssl.holder({ subject: '/CN=Ann', address: 'ann@example.org', by: eve })
  const lost = asMail(signedBy(openssl, victim, text, '-certfile', bundle(swarm)))
  assert.equal((await read(lost, [], believing(authority))).signature.status, 'unknown-key')
})

test('P3: What an authority took back counts no more, unless it was signed before and the key was not lost', async (t) => {
  if (!needs(t, 'openssl')) return
  const openssl = new Authorities(t)
  const authority = ca(openssl)
  const eve = openssl.holder({ subject: '/O=Example/CN=Authority', ca: 1 })
  const hour = 3600_000
  const now = Date.now()
  const ann = openssl.holder({ subject: '/CN=Ann', address: 'ann@example.org', by: authority })
  const mail = asMail(signedBy(openssl, ann, text))
  const judged = async (by: Holder, revoked: { at: number; reason?: string } | null) => {
    const list = openssl.revocationList(by, revoked ? [{ serial: ann.serial, ...revoked }] : [])
    const believed = believing(authority)
    believed.authorities.revocationLists.push(list)
    assert.deepEqual(examineAuthorities(believed.authorities, now), { unreadable: null, ended: 0 })
    assert.equal(examineAuthorities(believed.authorities, now + 40 * 24 * hour).ended, 1)
    const { signature } = await read(mail, [], believed)
    return `${signature.status} ${signature.reason}`
  }
  assert.equal(await judged(authority, null), 'valid ')
  assert.match(await judged(authority, { at: now - hour }), /^expired .*revoked/)
  assert.match(
    await judged(authority, { at: now + hour }),
    /^expired .*revoked/,
    'without a reason it may be the key',
  )
  assert.match(await judged(authority, { at: now + hour, reason: 'keyCompromise' }), /^expired .*revoked/)
  assert.equal(await judged(authority, { at: now + hour, reason: 'superseded' }), 'valid ')
  assert.equal(
    await judged(eve, { at: now - hour }),
    'valid ',
    'only its own authority takes a certificate back',
  )
  const broken = { certificates: [authority.der], revocationLists: [authority.der.subarray(0, 50)] }
  assert.equal(examineAuthorities(broken, now).unreadable, 'revocationLists')
  const none = { ...broken, certificates: [new Uint8Array(5)] }
  assert.equal(examineAuthorities(none, now).unreadable, 'certificates')
})

const opaque = (der: Uint8Array, from: string) =>
  Buffer.from(
    `From: ${from}\r\nDate: ${new Date().toUTCString().replace('GMT', '+0000')}\r\nContent-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(der).toString('base64')}\r\n`,
  )

const replaced = (octets: Uint8Array, one: Uint8Array, other: Uint8Array): Uint8Array => {
  const at = Buffer.from(octets).indexOf(one)
  assert.ok(at >= 0 && one.length === other.length)
  const copy = Uint8Array.from(octets)
  copy.set(other, at)
  return copy
}

test('P3: What Thunderbird’s library signed is believed by the authority that issued the certificate, and by no other', async () => {
  const sample = (name: string) => readFileSync(join(vectors, 'smime', name))
  const authority = { der: new X509Certificate(sample('TestCA.pem')).raw }
  for (const name of ['alice.dsig.SHA256.multipart.eml', 'alice.sig.SHA256.opaque.eml']) {
    const { signature, text } = await read(sample(name), [], believing(authority))
    assert.deepEqual([name, signature.status, signature.by], [name, 'valid', 'alice@example.com'])
    assert.match(text, /This is a test message from Alice to Bob\./)
    assert.equal((await read(sample(name), [], believing())).signature.status, 'unknown-key')
  }
  const altered = sample('alice.dsig.SHA256.multipart.eml').toString('latin1').replace('to Bob.', 'to Rob.')
  const { signature } = await read(Buffer.from(altered, 'latin1'), [], believing(authority))
  assert.equal(signature.status, 'invalid')
})
