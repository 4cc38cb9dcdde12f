/** The API in XML: there and back by a validator and a parser of others, and what is refused. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { xmlOf, xmlWanted } from '../../server/doors/api/xml.ts'
import { valueOfXml } from '../../server/locked/xml-bodies.ts'
import { needs } from '../support/programs.ts'
import { publicKeyLine } from '../support/ssh.ts'
import { passphrase, password, type Terminal, type World, world } from '../support/world.ts'

const ann = 'ann@wafer.test'
const namespace = 'http://www.w3.org/2005/xpath-functions'

const ask = async (
  { url }: World,
  method: string,
  path: string,
  by: Terminal | null,
  body?: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
) => {
  const response = await fetch(`${url}/api${path}`, {
    method,
    headers: {
      accept: 'application/xml',
      ...(by?.token ? { authorization: `Bearer ${by.token}` } : {}),
      ...(by?.keyToken ? { 'wafer-key': by.keyToken } : {}),
      ...(body === undefined ? {} : { 'content-type': 'application/xml' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
  })
  const octets = Buffer.from(await response.arrayBuffer())
  return { status: response.status, type: response.headers.get('content-type') ?? '', octets, response }
}

/** Lets xmllint look at documents by the schemas that the server gives. */
const validator = async (t: TestContext, server: World) => {
  const folder = mkdtempSync(join(tmpdir(), 'wafer-xml-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  for (const name of ['schema.xsd', 'problem.xsd']) {
    const { status, octets } = await ask(server, 'GET', `/${name}`, null)
    assert.equal(status, 200)
    writeFileSync(join(folder, name), octets)
  }
  return (octets: Uint8Array, schema: 'schema.xsd' | 'problem.xsd' = 'schema.xsd') => {
    writeFileSync(join(folder, 'document.xml'), octets)
    const options = ['--nonet', '--huge', '--noout', '--schema', join(folder, schema)]
    execFileSync('xmllint', [...options, join(folder, 'document.xml')], { stdio: 'pipe' })
  }
}

test('Every call answers in valid XML what it answers in JSON, and takes XML for JSON (P86)', async (t) => {
  if (!needs(t, 'xmllint')) return
  const server = await world(t)
  await server.addUser(ann, { name: 'Ann' })
  const validate = await validator(t, server)
  const hostile = 'a\\b <&>]]> "\r\n\t \u0001 \ud800 \uffff é あ 😀'
  await server.deliver(
    ann,
    `From: =?utf-8?Q?a=01=5C<=26?= <eve@far.example>\nTo: ${ann}\nSubject: <x>\n\n${hostile}`,
  )

  const said = await ask(
    server,
    'POST',
    '/session',
    null,
    await xmlOf({ user: ann, password, terminal: 'XML' }),
  )
  assert.deepEqual([said.status, said.type], [201, 'application/xml;charset=utf-8'])
  validate(said.octets)
  const terminal = await server.terminal(ann)
  terminal.token = (valueOfXml(said.octets) as { token: string }).token

  const opened = await ask(server, 'POST', '/allowance', terminal, await xmlOf({ passphrase }))
  assert.equal(opened.status, 201)
  terminal.keyToken = (valueOfXml(opened.octets) as { key_token: string }).key_token

  const letter = {
    to: [ann, ann],
    subject: hostile.replace(/[\r\n]/g, ''),
    text: hostile,
    sign: true,
    encrypt: true,
  }
  const attachments = [{ name: 'a', content: Buffer.from('octets').toString('base64') }]
  const sent = await ask(server, 'POST', '/messages', terminal, await xmlOf({ ...letter, attachments }))
  assert.equal(sent.status, 201, sent.octets.toString())
  validate(sent.octets)

  for (const [path, body] of Object.entries({
    '/files': { folder: 'a b/ü' },
    '/files?': { from: { message: 1 }, name: 'a b/<&> "x"' },
    '/ssh-keys': { name: '<&>\u0001', key: publicKeyLine() },
    '/aliases': { alias: '社員7' },
  })) {
    const made = await ask(server, 'POST', path, terminal, await xmlOf(body))
    assert.equal(made.status, 201, made.octets.toString())
    validate(made.octets)
  }
  const octets = { 'content-type': 'application/octet-stream' }
  const put = await ask(server, 'PUT', '/files/a%20b/%3Cx%3E', terminal, 'octets', octets)
  assert.deepEqual(valueOfXml(put.octets), { name: 'a b/<x>', size: 6 })
  validate(put.octets)

  const calls: [string, string, object?][] = [
    ...['/session', '/folders', '/terminals', '/queue', '/passkeys', '/keys', '/log', '/correspondents'].map(
      (path): [string, string] => ['GET', path],
    ),
    ...['/files', '/files?in=a%20b', '/files?at=a%20b', '/ssh-keys', '/aliases', '/identities'].map(
      (path): [string, string] => ['GET', path],
    ),
    ...['x', '"<x>" before:nonsense \u0001', 'is:encrypted', ''].map((query): [string, string] => [
      'GET',
      `/search?q=${encodeURIComponent(query)}`,
    ]),
    ...['/addresses?q=a', '/folders/Inbox/messages', '/folders/Sent/messages'].map(
      (path): [string, string] => ['GET', path],
    ),
    ...[1, 2].map((id): [string, string] => ['GET', `/messages/${id}`]),
    ['PATCH', '/messages/1', { seen: true }],
    ['PATCH', '/messages', { ids: [1], flagged: false }],
    ['POST', '/messages/2/decrypt', {}],
    ['POST', '/recipients', { to: ann }],
  ]
  // What time does between two calls is not the language's doing.
  const still = (value: unknown) =>
    JSON.parse(
      JSON.stringify(value, (key, each) =>
        /^(used_at|last_contact|events|ledger|at)$/.test(key) ? 0 : each,
      ),
    )
  for (const [method, path, body] of calls) {
    const xml = await ask(server, method, path, terminal, body && (await xmlOf(body)))
    const json = await terminal.call(method, path, body)
    assert.deepEqual([xml.status, xml.response.headers.get('vary')], [json.status, 'Accept'], path)
    assert.match(json.headers.get('content-type')!, /^application\/json/)
    validate(xml.octets)
    assert.deepEqual(still(valueOfXml(xml.octets)), still(json.body), path)
    validate(await xmlOf(json.body))
    assert.deepEqual(valueOfXml(await xmlOf(json.body)), json.body, path)
  }
  assert.equal((await ask(server, 'GET', '/messages/1/raw', terminal)).type, 'message/rfc822')

  for (const [method, path, body, status, headers] of [
    ['GET', '/files/a%20b/%3Cx%3E', undefined, 416, { range: 'bytes=99-' }],
    ['PATCH', '/files/a%20b/%3Cx%3E?offset=2', undefined, 409],
    ['DELETE', '/files/a%20b', undefined, 409],
    ['GET', '/files?in=none', undefined, 404],
    ['POST', '/ssh-keys', { key: 'none' }, 422],
    ['POST', '/aliases', { alias: '社員7' }, 409],
    ['GET', '/folders/None/messages', undefined, 404],
    ['POST', '/messages', { to: '<>', text: 'x' }, 422],
    ['POST', '/messages', { to: 'a@nobody.example', encrypt: true, text: 'x' }, 422],
    ['POST', '/folders', { 'a\u0001': 1 }, 400],
  ] as const) {
    const refused = await ask(server, method, path, terminal, body && (await xmlOf(body)), headers)
    assert.deepEqual(
      [refused.status, refused.type],
      [status, 'application/problem+xml'],
      refused.octets.toString(),
    )
    validate(refused.octets, 'problem.xsd')
  }
  const other = await server.terminal(ann)
  const held = await ask(server, 'POST', '/messages/2/decrypt', other)
  assert.equal(held.status, 409)
  assert.match(held.octets.toString(), /<type>urn:wafer:problem:key-in-use<\/type>.*<by><grant>/)
  validate(held.octets, 'problem.xsd')
  assert.deepEqual([(await ask(server, 'DELETE', '/session', terminal)).status], [204])
})

test('Whatever JSON can hold goes to XML and back (P86)', async (t) => {
  if (!needs(t, 'xmllint')) return
  const server = await world(t)
  const validate = await validator(t, server)
  const every = Array.from({ length: 0x3000 }, (_, code) => String.fromCharCode(code)).join('')
  const values = [
    null,
    true,
    false,
    0,
    -1.5,
    1e300,
    5e-324,
    '',
    ' ',
    [],
    {},
    [[], {}, [null]],
    { '': 1, ' a\t\n\r"&<>': [1], 'x:y': {}, '\u0000\\': '\\', a: { a: { a: [] } } },
    JSON.parse('{"__proto__": {"constructor": 1}}'),
    every,
    { [every]: every },
    '\ud800',
    '\udc00\ud800',
    '\ufffe\uffff\ud83d\ude00',
    // Longer than what is written at one time, with pairs at its ends.
    'a'.repeat(16 * 1024 - 1) + '😀'.repeat(20_000),
    `${'😀'.repeat(20_000)}\u0001\\`,
  ]
  for (const value of values) {
    const octets = await xmlOf(value)
    assert.deepEqual(valueOfXml(octets), value)
    validate(octets)
  }
})

test('XML that is more than data is refused with a sentence, and so is too much of it (P86)', async (t) => {
  const server = await world(t)
  await server.addUser(ann, { key: false })
  const terminal = await server.terminal(ann)
  const map = (inner: string) => `<map xmlns="${namespace}">${inner}</map>`
  const name = map('<string key="name">A</string>')
  const cases: [string, string | Uint8Array<ArrayBuffer>, number, RegExp][] = [
    ['a document type', `<!DOCTYPE map>${name}`, 400, /document type/],
    [
      'an entity',
      `<!DOCTYPE map [<!ENTITY a SYSTEM "file:///etc/passwd">]>${map('<string key="name">&a;</string>')}`,
      400,
      /document type/,
    ],
    ['an entity of nobody', map('<string key="name">&a;</string>'), 400, /not XML/],
    ['a processing instruction', `<?x y?>${name}`, 400, /processing instructions/],
    ['JSON', '{"name":"A"}', 400, /not XML/],
    ['no end', name.slice(0, -1), 400, /not XML/],
    ['another namespace', '<map><string key="name">A</string></map>', 400, /not XML/],
    ['a key twice', map('<string key="name">A</string><string key="name">B</string>'), 400, /not XML/],
    ['no key', map('<string>A</string>'), 400, /not XML/],
    ['text between', map('A<string key="name">A</string>'), 400, /not XML/],
    ['a number that is none', map('<number key="name">INF</number>'), 400, /not XML/],
    ['half an escape', map('<string key="name" escaped="true">\\u00</string>'), 400, /not XML/],
    ['UTF-16', Buffer.from(`\ufeff${name}`, 'utf16le'), 400, /not XML/],
    ['Latin-1', Buffer.from(map('<string key="name">é</string>'), 'latin1'), 400, /not XML/],
    [
      'attributes',
      map(
        `<string key="name" ${Array.from({ length: 9 }, (_, n) => `xmlns:a${n}="a"`).join(' ')}>A</string>`,
      ),
      400,
      /not XML/,
    ],
    ['depth', map(`<array key="name">${'<array>'.repeat(500)}`), 400, /16 levels/],
    ['an unknown member', map('<string key="name">A</string><null key="nam"/>'), 400, /no member/],
    ['a list', `<array xmlns="${namespace}"/>`, 400, /malformed/],
    ['size', map(`<string key="name">${'A'.repeat(20_000)}</string>`), 413, /larger/],
  ]
  for (const [what, body, status, sentence] of cases) {
    const refused = await ask(server, 'POST', '/folders', terminal, body)
    assert.equal(refused.status, status, `${what}: ${refused.octets}`)
    assert.match(refused.octets.toString(), sentence, what)
  }
  const many = `<array key="to">${'<null/>'.repeat(3_000_000)}</array>`
  const flooded = await ask(server, 'POST', '/messages', terminal, map(many))
  assert.deepEqual([flooded.status, /members and elements/.test(flooded.octets.toString())], [413, true])
  assert.deepEqual(
    server.logged.filter((line) => line.includes('unexpected')),
    [],
  )

  const made = await ask(
    server,
    'POST',
    '/folders',
    terminal,
    `<?xml version="1.0" encoding="utf-8"?><!-- c --><j:map xmlns:j="${namespace}" xmlns:xsi="urn:x" xsi:schemaLocation="a b"> <j:string key="name"><![CDATA[<]]>&#x41;</j:string>\n</j:map>`,
  )
  assert.deepEqual(valueOfXml(made.octets), { name: '<A', kind: 'user' })
  const file = map(
    `<string key="to">${ann}</string><array key="attachments"><map><string key="name">a</string><string key="content">${Buffer.alloc(20_000_000, 'x').toString('base64')}</string></map></array>`,
  )
  const long = await ask(server, 'POST', '/messages', terminal, file)
  assert.equal(long.status, 201, long.octets.toString().slice(0, 500))
})

test('XML is the answer where it is wanted more than JSON, by name (P86)', () => {
  const xml = 'application/xml'
  const cases: [string | undefined, string | null][] = [
    [undefined, null],
    ['*/*', null],
    ['application/*', null],
    ['application/json', null],
    ['text/plain', null],
    [xml, xml],
    ['Application/XML', xml],
    ['text/xml', 'text/xml'],
    [`${xml}, */*;q=0.8`, xml],
    [`${xml}, */*`, xml],
    [`${xml}, application/json`, null],
    [`${xml};q=0.9, application/json;q=0.8`, xml],
    [`${xml};q=0.5, application/json`, null],
    [`${xml};q=0`, null],
    [`text/xml, ${xml};q=0.9`, 'text/xml'],
    [`${xml};q=0.5, */*`, null],
  ]
  for (const [accept, type] of cases) assert.equal(xmlWanted(accept), type, accept)
})
