/** Holders of certificates for S/MIME and their authorities, made by OpenSSL, and mail as its `cms` makes it. */
import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { OpenIdentities, OpenKeys } from '../../server/locked/open-keys.ts'
import type { Believed } from '../../server/locked/reader/cms-signatures.ts'
import { lentIdentities } from '../../server/locked/vault/identity-keys.ts'
import { OpenSsl } from './identities.ts'

/** Files in PEM, and the certificate in DER. */
export type Holder = { name: string; key: string; pem: string; der: Uint8Array; serial: string }
export type KeyKind =
  | 'P-521'
  | 'brainpoolP256r1'
  | 'rsa'
  | 'rsa1024'
  | 'P-256'
  | 'P-384'
  | 'x25519'
  | 'ed25519'

const keyOptions: Record<KeyKind, string[]> = {
  rsa: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  rsa1024: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'],
  'P-256': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  'P-384': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  'P-521': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-521'],
  brainpoolP256r1: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:brainpoolP256r1'],
  x25519: ['-algorithm', 'X25519'],
  ed25519: ['-algorithm', 'ED25519'],
}

/** The holders of certificates, besides what is made of files by their names. */
export class Authorities extends OpenSsl {
  #made = 0

  /**
   * A key with its certificate.
   *
   * @param wanted.by who issues it; it issues itself without one
   * @param wanted.extensions in the words of OpenSSL's configuration, instead of those that a mail certificate has
   * @param wanted.ca may issue others, as far down as the number says
   */
  holder(wanted: {
    subject: string
    address?: string
    kind?: KeyKind
    by?: Holder
    ca?: number
    extensions?: string[]
    days?: number
    /** Else it has one of its own. */
    serial?: string
    /** Whose key it is for. */
    key?: Holder
  }): Holder {
    const { subject, address, kind = 'P-256', by, ca, days = 365 } = wanted
    const name = `${++this.#made}`
    const key = this.path(`${name}.key`)
    if (wanted.key) this.write(`${name}.key`, readFileSync(wanted.key.key))
    else this.ok(['genpkey', ...keyOptions[kind], '-out', key])
    const lines = wanted.extensions ?? [
      'subjectKeyIdentifier=hash',
      ...(ca === undefined
        ? ['basicConstraints=critical,CA:FALSE', 'extendedKeyUsage=emailProtection']
        : [`basicConstraints=critical,CA:TRUE,pathlen:${ca}`, 'keyUsage=critical,keyCertSign,cRLSign']),
      ...(address ? [`subjectAltName=email:${address}`] : []),
    ]
    const extensions = this.#file(`${name}.ext`, lines.join('\n'))
    const pem = this.path(`${name}.pem`)
    const publicKey = this.#file(`${name}.pub`, this.ok(['pkey', '-in', key, '-pubout']))
    const issuer = by ? ['-CA', by.pem, '-CAkey', by.key] : ['-key', key]
    const serial = wanted.serial ?? `${0x1000 + this.#made}`
    const made = ['-set_serial', serial, '-days', `${days}`, '-extfile', extensions]
    this.ok(['x509', '-new', '-subj', subject, '-force_pubkey', publicKey, ...issuer, ...made, '-out', pem])
    const der = new Uint8Array(new X509Certificate(readFileSync(pem)).raw)
    return { name, key, pem, der, serial }
  }

  #file(name: string, content: string | Uint8Array): string {
    this.write(name, content)
    return this.path(name)
  }

  /** What an authority took back, in DER. */
  revocationList(by: Holder, revoked: { serial: string; at: number; reason?: string }[]): Uint8Array {
    const written = (at: number) =>
      `${new Date(at)
        .toISOString()
        .replace(/[-:T]|\.\d+/g, '')
        .slice(2)}`
    const rows = revoked.map(({ serial, at, reason }) => {
      const until = written(Date.now() + 365 * 24 * 3600_000)
      const number = Number(serial).toString(16).toUpperCase()
      return `R\t${until}\t${written(at)}${reason ? `,${reason}` : ''}\t${number}\tunknown\t/CN=Somebody\n`
    })
    const database = this.#file('index.txt', rows.join(''))
    const configuration = `[ca]\ndefault_ca=own\n[own]\ndatabase=${database}\ndefault_md=sha256\ndefault_crl_days=30\n`
    const config = this.#file('ca.conf', configuration)
    const pem = this.ok(['ca', '-config', config, '-gencrl', '-cert', by.pem, '-keyfile', by.key])
    return new Uint8Array(this.ok(['crl', '-outform', 'DER'], pem))
  }
}

/** The private keys of the holders as a key process lends them. */
export const lendIdentities = (holders: Holder[]): OpenIdentities =>
  lentIdentities(
    holders.map(({ der }) => ({
      fingerprint: new X509Certificate(der).fingerprint256.replaceAll(':', '').toLowerCase(),
      certificate: der,
      chain: [],
      sealedSecret: new Uint8Array(),
    })),
    ({ certificate }) => {
      const holder = holders.find(({ der }) => der === certificate)!
      return createPrivateKey(readFileSync(holder.key))
    },
  )

/** What a reader is lent who has these identities and no OpenPGP key. */
export const keysOf = (...holders: Holder[]): OpenKeys => ({
  ids: async () => new Set(),
  unwrap: async () => [],
  signDetached: () => assert.fail('nothing is signed here'),
  signCleartext: () => assert.fail('nothing is signed here'),
  identities: lendIdentities(holders),
})

export const head = ({ from = 'ann@example.org', date = new Date() } = {}): string =>
  `From: ${from}\r\nTo: bob@example.org\r\nSubject: Greetings\r\nDate: ${date.toUTCString().replace('GMT', '+0000')}\r\n`

/** With lines that end as mail's do. */
export const crlf = (octets: Uint8Array): Buffer =>
  Buffer.from(Buffer.from(octets).toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1')

/** What `openssl cms` writes as S/MIME, as a mail. */
export const asMail = (smime: Uint8Array, fields: Parameters<typeof head>[0] = {}): Buffer =>
  Buffer.concat([Buffer.from(head(fields)), crlf(smime)])

export const entity = (text: string): string =>
  `Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n${text}\r\n`

/** The content, signed, as the body of a mail. */
export const signedBy = (
  openssl: Authorities,
  signer: Holder,
  content: string | Uint8Array,
  ...more: string[]
) => openssl.ok(['cms', '-sign', '-signer', signer.pem, '-inkey', signer.key, ...more], content)

/** Who believes these authorities. */
export const believing = (...authorities: Pick<Holder, 'der'>[]): Believed => ({
  accepted: [],
  authorities: { certificates: authorities.map(({ der }) => der), revocationLists: [] },
})
/** Who accepted certificates, each for an address. */
export const accepting = (...accepted: [Holder, string][]): Believed => ({
  accepted: accepted.map(([{ der }, address]) => ({ der, addresses: [address] })),
  authorities: { certificates: [], revocationLists: [] },
})
