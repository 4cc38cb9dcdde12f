/**
 * Reading S/MIME that OpenSSL and gpgsm made: what opens, by whom it is signed, and what is said of it. The certificates
 * are made anew each time; no server is needed for what is a function of octets.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Refusal } from '../../server/ground/refusal.ts'
import type { Believed } from '../../server/locked/reader/cms-signatures.ts'
import { encryptedTo } from '../../server/locked/reader/cms-writing.ts'
import { open, read } from '../../server/locked/reader/encrypted-mail.ts'
import { summarize } from '../../server/locked/reader/summary.ts'
import { readX509 } from '../../server/locked/reader/x509.ts'
import { needs } from '../support/programs.ts'
import {
  Authorities,
  accepting,
  asMail,
  believing,
  crlf,
  entity,
  keysOf,
  signedBy,
} from '../support/smime.ts'

const refusal = async (work: Promise<unknown>): Promise<Refusal> => {
  try {
    await work
  } catch (error) {
    if (error instanceof Refusal) return error
    throw error
  }
  return assert.fail('it was not refused')
}

const legacy = ['-provider', 'legacy', '-provider', 'default']
const oaep = (...more: string[]) => [
  '-keyopt',
  'rsa_padding_mode:oaep',
  ...more.flatMap((each) => ['-keyopt', each]),
]

test('P3: What openssl encrypts opens here: each key kind, transport and cipher, in DER and in BER', async (t) => {
  if (!needs(t, 'openssl')) return
  const openssl = new Authorities(t)
  const authority = openssl.holder({ subject: '/CN=Authority', ca: 0 })
  const matrix: [
    kind: 'rsa' | 'P-256' | 'P-384' | 'P-521' | 'brainpoolP256r1',
    transports: string[][],
    ciphers: string[],
  ][] = [
    [
      'rsa',
      [[], oaep(), oaep('rsa_oaep_md:sha256', 'rsa_mgf1_md:sha256'), ['-keyid']],
      [
        '-aes128',
        '-aes192',
        '-aes256',
        '-aes-128-gcm',
        '-aes-256-gcm',
        '-des3',
        '-rc2-40',
        '-rc2-64',
        '-rc2-128',
      ],
    ],
    [
      'P-256',
      [[], ['-keyopt', 'ecdh_kdf_md:sha256'], ['-aes256-wrap'], ['-keyid']],
      ['-aes128', '-aes-256-gcm', '-des3', '-camellia128'],
    ],
    ['P-384', [[], ['-keyopt', 'ecdh_kdf_md:sha384']], ['-aes256', '-aes-192-gcm', '-camellia256']],
    ['P-521', [[]], ['-aes256']],
    ['brainpoolP256r1', [[]], ['-aes-256-gcm']],
  ]
  let opened = 0
  for (const [kind, transports, ciphers] of matrix) {
    const bob = openssl.holder({ subject: '/CN=Bob', address: 'bob@example.org', kind, by: authority })
    const other = openssl.holder({
      subject: '/CN=Other',
      address: 'other@example.org',
      kind: 'P-256',
      by: authority,
    })
    const keys = keysOf(other, bob)
    for (const transport of transports)
      for (const cipher of ciphers)
        for (const form of opened % 2 ? ['-stream'] : ['-nosmimecap']) {
          const wanted = `${kind} ${transport.join(' ')} ${cipher} ${form}`
          const args = ['cms', '-encrypt', ...legacy, cipher, form, '-recip', bob.pem, ...transport]
          const mail = asMail(openssl.ok(args, entity(`Grüße, ${wanted}`)))
          assert.equal((await summarize(mail)).security, 'encrypted', wanted)
          const came = await read(mail, [])
          assert.equal(came.security, 'encrypted')
          const shown = await open(mail, keys, [])
          assert.equal(shown.text.trim(), `Grüße, ${wanted}`)
          assert.deepEqual(
            shown.weakness,
            { isMalleable: !cipher.includes('gcm'), isOld: /des3|rc2/.test(cipher) },
            wanted,
          )
          assert.equal(shown.signature.status, 'none')
          assert.match(
            shown.signature.reason,
            cipher.includes('gcm') ? /^$/ : /could have been altered on its way/,
          )
          const { code, told } = await refusal(open(mail, keysOf(other), []))
          assert.deepEqual(
            [code, (told.detail as { reason: string }).reason],
            ['cannot-decrypt', 'no-key'],
            wanted,
          )
          opened++
        }
  }
  assert.ok(opened > 40)
  // What is decrypted piece by piece is whole.
  const carl = openssl.holder({ subject: '/CN=Carl', kind: 'rsa', by: authority })
  const long = Array.from({ length: 20_000 }, (_, line) => `Line ${line}.`).join('\n')
  const old = openssl.ok(['cms', '-encrypt', ...legacy, '-rc2-128', '-recip', carl.pem], entity(long))
  assert.equal((await open(asMail(old), keysOf(carl), [])).text.trim(), long)
  // OpenSSL 3.0 knows no X25519 in CMS (RFC 8418): here both sides are ours.
  const dana = openssl.holder({ subject: '/CN=Dana', kind: 'x25519', by: authority })
  for (const isAuthenticated of [true, false]) {
    const der = encryptedTo([readX509(dana.der)], Buffer.from(entity('By X25519.')), isAuthenticated)
    const body = `Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(der).toString('base64')}\r\n`
    const { text, weakness } = await open(asMail(Buffer.from(body)), keysOf(dana), [])
    assert.deepEqual([text.trim(), weakness?.isMalleable], ['By X25519.', !isAuthenticated])
  }
})

test('P3: What openssl signs is valid where its certificate is believed, in each form and around and within encryption', async (t) => {
  if (!needs(t, 'openssl')) return
  const openssl = new Authorities(t)
  const authority = openssl.holder({ subject: '/CN=Root', kind: 'rsa', ca: 1 })
  const between = openssl.holder({ subject: '/CN=Between', by: authority, ca: 0 })
  const bob = openssl.holder({ subject: '/CN=Bob', address: 'bob@example.org', kind: 'rsa', by: authority })
  const keys = keysOf(bob)
  const encrypt = (content: Uint8Array, cipher: string) =>
    openssl.ok(['cms', '-encrypt', cipher, '-recip', bob.pem], content)
  const text = entity('Signed, every word.')
  for (const kind of ['rsa', 'P-256', 'P-384', 'brainpoolP256r1'] as const) {
    const ann = openssl.holder({ subject: '/CN=Ann', address: 'ann@example.org', kind, by: between })
    const chain = ['-certfile', between.pem]
    const md = kind === 'P-384' ? ['-md', 'sha384'] : []
    const forms: [string, string[]][] = [
      ['beside', []],
      ['within', ['-nodetach']],
      ['by key', ['-keyid']],
      ['without attributes', ['-noattr']],
      ['indefinite', ['-nodetach', '-stream']],
      ...(kind === 'rsa' ? ([['PSS', ['-keyopt', 'rsa_padding_mode:pss']]] as [string, string[]][]) : []),
    ]
    for (const [form, options] of forms) {
      const signed = signedBy(openssl, ann, text, ...chain, ...md, ...options)
      const mails = {
        signed: asMail(signed),
        both: asMail(encrypt(crlf(signed), '-aes-128-gcm')),
        bothWithoutIntegrity: asMail(encrypt(crlf(signed), '-aes128')),
        triple: asMail(
          signedBy(openssl, ann, crlf(encrypt(crlf(signed), '-aes-256-gcm')), ...chain, ...md, ...options),
        ),
      }
      for (const [name, mail] of Object.entries(mails)) {
        const what = `${kind} ${form} ${name}`
        const isClosed = name !== 'signed'
        const seen = async (believed?: Believed) =>
          isClosed ? open(mail, keys, [], undefined, believed) : read(mail, [], believed)
        assert.equal((await summarize(mail)).security, isClosed ? 'encrypted' : 'signed', what)
        const stranger = await seen()
        assert.equal(stranger.text.trim(), 'Signed, every word.', what)
        assert.deepEqual([stranger.signature.status, stranger.signature.by], ['unknown-key', null], what)
        const trusted = await seen(believing(authority))
        const { status, by, certificate, reason } = trusted.signature
        const noTime = form === 'without attributes' // it does not say when it was signed
        assert.deepEqual(
          [status, by],
          [noTime ? 'mismatch' : 'valid', 'ann@example.org'],
          `${what}: ${reason}`,
        )
        assert.deepEqual([certificate?.isVouchedFor, certificate?.issuer], [true, 'CN=Between'])
        assert.deepEqual(trusted.attachments, [], what)
        const accepted = await seen(accepting([ann, 'ann@example.org']))
        assert.deepEqual(
          [accepted.signature.status, accepted.signature.certificate?.isVouchedFor],
          [status, false],
          what,
        )
        const forOther = await seen(accepting([ann, 'other@example.org']))
        assert.equal(forOther.signature.status, 'mismatch', what)
      }
    }
    // Only around the encryption, it says who sent the mail on.
    const around = asMail(
      signedBy(openssl, ann, crlf(encrypt(Buffer.from(text), '-aes-256-gcm')), ...chain, ...md),
    )
    const { signature } = await open(around, keys, [], undefined, believing(authority))
    assert.deepEqual([signature.status, signature.by], ['mismatch', 'ann@example.org'])
    assert.match(signature.reason, /stands around the encryption, not within/)
  }
})

const corpus = process.env.CORPUS_DIR ?? '../shared/corpus'
const skip = existsSync(join(corpus, 'cases.jsonl'))
  ? false
  : 'needs the test corpus: set CORPUS_DIR to its folder'

test('P3: Samples of KDE are what they say: encrypted however they are called, and never valid over SHA-1', {
  skip,
}, async () => {
  const expected: Record<string, [security: string, status: string, text: RegExp]> = {
    'smime-encrypted': ['encrypted', 'none', /^MIAG/],
    'smime-encrypted-octet-stream': ['encrypted', 'none', /^MIAG/],
    'smime-opaque-enc+sign': ['encrypted', 'none', /^MIAG/],
    'smime-opaque-sign': ['signed', 'invalid', /^A simple signed only test\./],
    'smime-signed-apple': ['signed', 'invalid', /^Olá Konqui,/],
    'smime-cert': ['plain', 'none', /^$/],
  }
  for (const [name, [security, status, text]] of Object.entries(expected)) {
    const octets = readFileSync(join(corpus, 'kde-messagelib', `${name}.mbox`))
    const mail = await read(octets, [])
    assert.deepEqual([name, mail.security, mail.signature.status], [name, security, status])
    assert.match(mail.text, text, name)
    if (status === 'invalid') assert.match(mail.signature.reason, /can be forged/)
    if (security === 'encrypted')
      assert.equal((await refusal(open(octets, keysOf(), []))).reason, 'not-to-your-keys')
  }
})
