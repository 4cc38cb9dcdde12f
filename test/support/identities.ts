/** S/MIME identities for tests, made by OpenSSL in a folder of its own as authorities and mailers make them. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { OpenIdentities } from '../../server/locked/open-keys.ts'

/** Of somebody who has none. */
export const noIdentities: OpenIdentities = {
  certificates: [],
  contentKeys: () => null,
  sign: () => assert.fail('there is nothing to sign with'),
}

export class OpenSsl {
  readonly folder = mkdtempSync(join(tmpdir(), 'wafer-openssl-'))

  constructor(t: TestContext) {
    t.after(() => rmSync(this.folder, { recursive: true, force: true }))
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  read(name: string): Buffer {
    return readFileSync(this.path(name))
  }

  write(name: string, content: string | Uint8Array) {
    writeFileSync(this.path(name), content)
  }

  /** @returns what it wrote to standard output. @throws Error with its words if it fails */
  ok(args: string[], input: string | Uint8Array = ''): Buffer {
    const { stdout, stderr, status } = spawnSync('openssl', args, {
      input,
      cwd: this.folder,
      maxBuffer: 1 << 27,
    })
    if (status !== 0) throw new Error(`expected openssl ${args.join(' ')} to succeed, got: ${stderr}`)
    return stdout
  }

  /**
   * NAME.key and NAME.pem: a key and its certificate, signed by another one or by itself.
   *
   * @param made.key as genpkey takes it, after -algorithm
   * @param made.extensions lines of a section of openssl's configuration
   */
  certificate(
    name: string,
    made: {
      subject?: string
      email?: string
      key?: string[]
      extensions?: string[]
      days?: number
      by?: string
    },
  ) {
    const {
      subject = `/CN=${name}`,
      email,
      key = ['EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
      days = 365,
    } = made
    this.ok(['genpkey', '-algorithm', ...key, '-out', `${name}.key`])
    const extensions = made.extensions ?? ['keyUsage=digitalSignature,keyEncipherment,keyAgreement']
    const all = [...extensions, ...(email ? [`subjectAltName=email:${email}`] : [])]
    this.write(`${name}.ext`, `[v3]\nsubjectKeyIdentifier=hash\n${all.join('\n')}\n`)
    // X25519 cannot sign a request for itself: its key is put in by force.
    this.ok(['pkey', '-in', `${name}.key`, '-pubout', '-out', `${name}.pub`])
    if (made.by) {
      this.ok(['genpkey', '-algorithm', 'ed25519', '-out', 'asks.key'])
      this.ok(['req', '-new', '-key', 'asks.key', '-subj', subject, '-out', 'asks.csr'])
      const issuer = ['-CA', `${made.by}.pem`, '-CAkey', `${made.by}.key`, '-CAcreateserial']
      const forced = ['-force_pubkey', `${name}.pub`]
      this.ok([
        ...['x509', '-req', '-in', 'asks.csr', ...issuer, ...forced, '-days', String(days)],
        ...['-extfile', `${name}.ext`, '-extensions', 'v3', '-out', `${name}.pem`],
      ])
    } else {
      this.ok(['req', '-new', '-key', `${name}.key`, '-subj', subject, '-out', `${name}.csr`])
      this.ok([
        ...['x509', '-req', '-in', `${name}.csr`, '-signkey', `${name}.key`, '-days', String(days)],
        ...['-extfile', `${name}.ext`, '-extensions', 'v3', '-out', `${name}.pem`],
      ])
    }
  }

  /** A PKCS #12 file of that key and certificate. @param how more of openssl's options */
  pkcs12(name: string, phrase: string, ...how: string[]): Buffer {
    const pair = ['-inkey', `${name}.key`, '-in', `${name}.pem`]
    this.write('phrase', `${phrase}\n`)
    this.ok(['pkcs12', '-export', ...pair, ...how, '-out', `${name}.p12`, '-passout', 'file:phrase'])
    return this.read(`${name}.p12`)
  }

  /** SHA-256 of the certificate, as a fingerprint is written here. */
  fingerprint(name: string): string {
    const said = this.ok(['x509', '-in', `${name}.pem`, '-noout', '-fingerprint', '-sha256']).toString()
    return said.split('=')[1]!.replaceAll(':', '').trim().toLowerCase()
  }
}
