/** The border of the web: encrypted or not, framing, hosts, cookies, forms from other sites, header fields. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { Connections } from '../../server/doors/connections.ts'
import { columnOf } from '../support/databases.ts'
import { root, vectors } from '../support/places.ts'
import { password, type World, world } from '../support/world.ts'

const ann = 'ann@wafer.test'
const corpus = process.env.CORPUS_DIR ?? '../shared/corpus'
const tls = {
  WAFER_TLS_CERT: join(vectors, 'localhost-cert.pem'),
  WAFER_TLS_KEY: join(vectors, 'localhost-key.pem'),
}

/** Sends octets as they are; the answer as text, until the other side closes or falls silent. */
const raw = (server: World, octets: string | Buffer): Promise<string> =>
  new Promise((resolve) => {
    const socket = connect(server.running.web.port, '127.0.0.1')
    let text = ''
    const end = () => {
      socket.destroy()
      resolve(text)
    }
    socket.setTimeout(1_000, end)
    socket.on('data', (chunk) => (text += chunk.toString('latin1')))
    socket.on('end', end)
    socket.on('error', end) // a refusal may close before all was read
    socket.write(octets)
  })
const statusOf = (answer: string) => Number(answer.match(/^HTTP\/1\.1 (\d{3})/)?.[1] ?? 0)

const overTls = (server: World, path: string, headers: Record<string, string> = {}) =>
  new Promise<{ status: number; headers: Record<string, unknown>; text: string; protocol: string | null }>(
    (resolve, reject) => {
      const request = httpsRequest(`https://localhost:${server.running.web.port}${path}`, {
        ca: readFileSync(tls.WAFER_TLS_CERT),
        servername: 'localhost',
        headers,
      })
      request.on('response', async (response) => {
        const protocol = (response.socket as TLSSocket).getProtocol()
        let text = ''
        for await (const chunk of response) text += chunk
        resolve({ status: response.statusCode!, headers: response.headers, text, protocol })
      })
      request.on('error', reject)
      request.end()
    },
  )

test('S1010 S1020 S1030: over TLS the pages are served, cookies are __Host- and Secure, and HTTPS is the origin', async (t) => {
  const server = await world(t, tls)
  assert.match(server.url, /^https:/)
  const { status, headers, text, protocol } = await overTls(server, '/login')
  assert.equal(status, 200)
  assert.match(text, /Passphrase|Password/)
  assert.match(String(protocol), /^TLSv1\.[23]$/)
  assert.match(String(headers['set-cookie']), /__Host-wafer-pre=[^;]+;.*Path=\/;.*HttpOnly;.*Secure/i)
})

test('Browsers are told to keep to HTTPS by the public name, never by a name of their own machine', async (t) => {
  const server = await world(t, { ...tls, WAFER_ORIGIN: 'https://mail.example.org' })
  const told = async (host: string) =>
    (await overTls(server, '/login', { host })).headers['strict-transport-security']
  assert.match(String(await told('mail.example.org')), /^max-age=\d+$/)
  for (const host of ['localhost', 'LOCALHOST:8080', 'wafer.localhost', '127.0.0.1:8080', '[::1]'])
    assert.equal(await told(host), undefined, host)
})

test('HSTS: every answer over TLS says so: pages, redirects, refusals, scripts and the API', async (t) => {
  const server = await world(t, { ...tls, WAFER_ORIGIN: 'https://mail.example.org' })
  const script = readdirSync(join(root, 'dist')).find((file) => /^enhance-.*js$/.test(file))
  const answers = {
    '/login': 200,
    '/': 303,
    '/f/inbox': 303,
    '/nothing': 303,
    [`/${script}`]: 200,
    '/api/session': 401,
    '/api/no': 404,
  }
  for (const path of Object.keys(answers)) {
    const { headers } = await overTls(server, path, { host: 'mail.example.org' })
    assert.match(String(headers['strict-transport-security']), /^max-age=31536000$/, path)
  }
  const { status, headers } = await overTls(server, '/login', { host: 'other.example.org' })
  assert.deepEqual([status, headers['strict-transport-security']], [421, 'max-age=31536000'])
})

test('Clear-Site-Data: at the lock, as at log-out, a browser forgets what it was shown; its policy names what a page needs', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const terminal = await server.terminal(ann)
  await terminal.unlock()
  for (const path of ['/allowance', '/session'])
    assert.equal((await terminal.delete(path)).headers.get('clear-site-data'), '"cache", "storage"', path)
  const { token } = await server.terminal(ann)
  const headers = { cookie: `wafer=${token}`, 'upgrade-insecure-requests': '1' }
  const page = await fetch(`${server.url}/f/inbox`, { headers })
  assert.match(
    String(page.headers.get('content-security-policy')),
    /^default-src 'none';.*;connect-src 'self'$/,
  )
  const formToken = server.services.formToken(token!)
  const locked = await fetch(`${server.url}/do`, {
    method: 'POST',
    headers,
    body: new URLSearchParams({ t: formToken, a: 'lock' }),
    redirect: 'manual',
  })
  assert.equal(locked.status, 303)
  assert.equal(locked.headers.get('clear-site-data'), '"cache", "storage"')
})

/** Where a redirect leads, word by word. */
const locationOf = (answer: string) => answer.match(/^location: (.*)\r$/im)?.[1]

test('Every redirect names a whole address, under the very host that was asked: lynx waits at a bare path', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const { token } = await server.terminal(ann)
  const get = async (path: string, host: string, more = '') =>
    locationOf(
      await raw(server, `GET ${path} HTTP/1.0\r\nHost: ${host}\r\nCookie: wafer=${token}\r\n${more}\r\n`),
    )
  for (const host of ['localhost:8080', '127.0.0.1', '[::1]:99', 'wafer.localhost'])
    assert.equal(await get('/', host), `http://${host}/f/inbox`)
  assert.equal(await get('/login', 'localhost'), 'http://localhost/f/inbox')
  assert.equal(await get('/', 'localhost', 'X-Forwarded-Host: evil.example\r\n'), 'http://localhost/f/inbox')
  assert.equal(await get('/', 'evil.example'), undefined)
  assert.equal(
    await get('/', 'localhost', 'HX-Request: true\r\nHX-Boosted: true\r\n'),
    'http://localhost/f/inbox',
  )
  const loggedIn = await logIn(server, {})
  assert.equal(loggedIn.status, 303)
  assert.equal(new URL(loggedIn.headers.get('location')!).origin, server.url)
  const interrupted = await raw(server, 'GET /t HTTP/1.0\r\nHost: localhost\r\n\r\n')
  assert.equal(locationOf(interrupted), 'http://localhost/login?next=%2Ft')

  const secure = await world(t, tls)
  assert.equal(
    (await overTls(secure, '/', { host: 'localhost' })).headers.location,
    'https://localhost/login',
  )
})

test('Behind the declared proxy a redirect leads to the public origin, whatever Host the proxy sends', async (t) => {
  const server = await world(t, { WAFER_PROXY: '127.0.0.1', WAFER_ORIGIN: 'https://mail.example.org' })
  const get = async (host: string, more = '') =>
    locationOf(await raw(server, `GET / HTTP/1.0\r\nHost: ${host}\r\n${more}\r\n`))
  const login = 'https://mail.example.org/login'
  assert.equal(await get('mail.example.org', 'X-Forwarded-Proto: https\r\n'), login)
  assert.equal(await get('127.0.0.1:8080'), login)
  assert.equal(await get('127.0.0.1:8080', 'X-Forwarded-Host: mail.example.org\r\n'), login)
  const tunnel = await world(t, { WAFER_PROXY: '127.0.0.1' })
  const through = await raw(tunnel, 'GET / HTTP/1.0\r\nHost: localhost:9000\r\n\r\n')
  assert.equal(locationOf(through), 'http://localhost:9000/login')
})

test('S1040 S1060: a terminal that does not trust the certificate gets no session', async (t) => {
  const server = await world(t, tls)
  await assert.rejects(fetch(`${server.url}/login`), (error: Error) =>
    /self-signed|certificate/i.test(String(error.cause)),
  )
})

test('S1070: who speaks plain HTTP to the TLS port reads that nothing is encrypted, and where to go', async (t) => {
  const server = await world(t, tls)
  const answer = await raw(server, `GET /f/1 HTTP/1.0\r\nHost: ${new URL(server.url).host}\r\n\r\n`)
  assert.equal(statusOf(answer), 426)
  assert.match(answer, /no encrypted communication/i)
  assert.ok(answer.includes(`href="${server.url}/`) || answer.includes(`href=${server.url}/`), answer)
  const japanese = await raw(server, `GET / HTTP/1.0\r\nHost: x\r\nAccept-Language: ja\r\n\r\n`)
  assert.match(japanese, /lang="?ja/)
})

test('S1070: forwarded header fields count from the declared proxy only, and plain HTTP in front of it is refused', async (t) => {
  const server = await world(t, { WAFER_PROXY: '127.0.0.1', WAFER_ORIGIN: 'https://mail.example.test' })
  const get = (headers: string) =>
    raw(server, `GET /login HTTP/1.1\r\nHost: mail.example.test\r\nConnection: close\r\n${headers}\r\n`)
  assert.match(await get('X-Forwarded-Proto: https\r\n'), /__Host-wafer-pre=/)
  assert.equal(statusOf(await get('X-Forwarded-Proto: http\r\n')), 426)
  const direct = await world(t)
  const answer = await raw(
    direct,
    'GET /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Forwarded-Proto: https\r\n\r\n',
  )
  assert.doesNotMatch(answer, /__Host-/)
})

test('A host that is not this server’s name is refused', async (t) => {
  const server = await world(t)
  const get = (host: string) =>
    raw(server, `GET /login HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  for (const host of ['localhost', '127.0.0.1:99', 'mail.localhost:8080', 'mail.wafer.test'])
    assert.equal(statusOf(await get(host)), 200, host)
  for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example'])
    assert.equal(statusOf(await get(host)), 421, host)
})

test('B17: requests that could be read in two ways are refused', async (t) => {
  const file = join(corpus, 'generated/http-smuggling/requests.json')
  if (!existsSync(file)) return t.skip(`needs the corpus: set CORPUS_DIR to the folder that holds ${file}`)
  const server = await world(t, { WAFER_ORIGIN: 'http://wafer.example' })
  const { requests } = JSON.parse(readFileSync(file, 'utf8')) as {
    requests: { id: string; raw_hex: string; expect: string }[]
  }
  assert.ok(requests.length >= 24)
  // HTTP/0.9 waits for a header section that never comes, until the time for one is over.
  for (const { id, raw_hex, expect } of requests.filter((each) => each.id !== 'http-0.9')) {
    const answer = await raw(server, Buffer.from(raw_hex, 'hex'))
    const wanted = expect.match(/\b[1-5]\d\d\b/g)?.map(Number)
    if (wanted)
      assert.ok(wanted.includes(statusOf(answer)), `${id}: got ${statusOf(answer)}, expected ${expect}`)
    assert.ok((answer.match(/HTTP\/1\.1 /g) ?? []).length <= 1, `${id}: more than one answer`)
  }
})

test('Two session cookies are no session', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const { token } = await server.terminal(ann)
  const get = (cookie: string) => fetch(`${server.url}/t`, { headers: { cookie }, redirect: 'manual' })
  assert.equal((await get(`wafer=${token}`)).status, 200)
  assert.equal((await get(`wafer=${token}; wafer=${token}`)).status, 303)
  assert.equal((await get(`wafer=chosen-by-somebody`)).status, 303)
})

/** A browser's way through the log-in form, with the cookies it is given. */
const logIn = async (
  server: World,
  headers: Record<string, string> = {},
  change: (form: URLSearchParams) => void = () => {},
) => {
  const page = await fetch(`${server.url}/login`)
  const cookie = page.headers
    .getSetCookie()
    .map((each) => each.split(';')[0])
    .join('; ')
  const token = (await page.text()).match(/name="?t"? value="?([\w-]+)/)![1]!
  const form = new URLSearchParams({ t: token, user: ann, pass: password })
  change(form)
  return fetch(`${server.url}/login`, {
    method: 'POST',
    body: form,
    headers: { cookie, ...headers },
    redirect: 'manual',
  })
}

test('B14: a form counts with its token, and with our own Origin and Sec-Fetch-Site where a browser sends them', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const begun = (response: Response) =>
    response.status === 303 && /(^|, ?)wafer=[^;]/.test(response.headers.getSetCookie().join(', '))
  const own = server.url
  const accepted: Record<string, string>[] = [
    {}, // text browsers send none of them
    { origin: own },
    { 'sec-fetch-site': 'same-origin', origin: own },
    { 'sec-fetch-site': 'none' },
  ]
  for (const headers of accepted) assert.ok(begun(await logIn(server, headers)), JSON.stringify(headers))
  const refused: Record<string, string>[] = [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site', origin: own },
    { 'sec-fetch-site': 'same-origin', origin: 'https://evil.example' },
  ]
  for (const headers of refused) {
    const response = await logIn(server, headers)
    assert.equal(response.status, 403, JSON.stringify(headers))
    assert.ok(!begun(response))
  }
  for (const forged of ['', 'x', 'A'.repeat(16)])
    assert.ok(!begun(await logIn(server, {}, (form) => form.set('t', forged))), forged)
})

test('B14: no page changes anything without the session’s own form token', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const { token } = await server.terminal(ann)
  const { token: other } = await server.terminal(ann)
  const page = (session: string) =>
    fetch(`${server.url}/t`, { headers: { cookie: `wafer=${session}` } }).then((each) => each.text())
  const formToken = (html: string) => html.match(/name="?t"? value="?([\w-]+)/)![1]!
  const mine = formToken(await page(token!))
  const theirs = formToken(await page(other!))
  assert.notEqual(mine, theirs)
  const post = (body: Record<string, string>) =>
    fetch(`${server.url}/do`, {
      method: 'POST',
      body: new URLSearchParams(body),
      headers: { cookie: `wafer=${token}` },
      redirect: 'manual',
    })
  for (const forged of [{ a: 'logout' }, { a: 'logout', t: '' }, { a: 'logout', t: theirs }] as Record<
    string,
    string
  >[])
    assert.equal((await post(forged)).status, 403)
  assert.match(await page(token!), /Log out/)
  assert.equal((await post({ a: 'logout', t: mine })).status, 303)
  assert.doesNotMatch(await page(token!), /Terminals<\/h1>/)
})

test('A browser’s cookies alone move nothing through the API', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const { token } = await server.terminal(ann)
  const call = (headers: Record<string, string>) =>
    fetch(`${server.url}/api/folders`, {
      method: 'POST',
      body: '{"name":"X"}',
      headers: { cookie: `wafer=${token}`, ...headers },
    })
  assert.equal((await call({})).status, 401)
  assert.equal((await call({ 'sec-fetch-site': 'cross-site' })).status, 401)
  assert.equal((await call({ 'sec-fetch-site': 'same-origin' })).status, 201)
})

test('Each answer brings the header fields that it should, within 350 bytes', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const { token } = await server.terminal(ann)
  const cookie = `wafer=${token}`
  for (const path of ['/t', '/c', '/nothing-here', '/folders', '/f/inbox', '/', '/login']) {
    const answer = await raw(
      server,
      `GET ${path} HTTP/1.1\r\nHost: localhost\r\nCookie: ${cookie}\r\nConnection: close\r\n\r\n`,
    )
    const head = answer.slice(answer.indexOf('\r\n') + 2, answer.indexOf('\r\n\r\n') + 2)
    const counted = head
      .split(/(?<=\r\n)/)
      .filter((line) => !/^(date|connection|keep-alive|set-cookie|strict-transport-security):/i.test(line))
    const bytes = counted.join('').length
    assert.ok(bytes <= 350, `${path}: ${bytes} bytes\n${counted.join('')}`)
    assert.match(head, /^content-length: \d+/im, path)
    assert.match(head, /^cache-control: no-store/im)
    assert.match(head, /^x-content-type-options: nosniff/im)
    if (statusOf(answer) === 303) continue // there is no page to protect
    assert.match(head, /^referrer-policy: same-origin/im)
    const policy = head.match(/^content-security-policy: (.*)\r$/im)?.[1] ?? ''
    for (const rule of [
      "default-src 'none'",
      "base-uri 'none'",
      "frame-ancestors 'none'",
      "form-action 'self'",
    ])
      assert.ok(policy.includes(rule), rule)
    assert.doesNotMatch(policy, /unsafe|\*/)
  }
})

test('Nothing is ever streamed: to a browser of HTTP/1.0 the page comes whole', async (t) => {
  const server = await world(t)
  const answer = await raw(server, 'GET /login HTTP/1.0\r\nHost: localhost\r\n\r\n')
  assert.doesNotMatch(answer, /transfer-encoding/i)
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  assert.equal(Number(head.match(/content-length: (\d+)/i)?.[1]), Buffer.byteLength(body, 'latin1'))
})

test('B11: a form of many fields is refused before it is parsed, and nobody waits for it', async (t) => {
  const server = await world(t)
  const page = await fetch(`${server.url}/login`)
  const cookie = page.headers.getSetCookie()[0]!.split(';')[0]!
  const post = (body: string | Uint8Array, type = 'application/x-www-form-urlencoded', path = '/login') =>
    fetch(`${server.url}${path}`, {
      method: 'POST',
      body: body as never,
      headers: { cookie, 'content-type': type },
    })
  assert.equal((await post('a&'.repeat(20_000))).status, 400)
  const parts = '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'.repeat(800)
  assert.equal((await post(`${parts}--b--\r\n`, 'multipart/form-data; boundary=b')).status, 400)
  for (const path of ['/login', '/c', '/k', '/m/1', '/unlock'])
    assert.equal((await post('x'.repeat(100_000), undefined, path)).status, 413, path)
  assert.equal((await post(`user=${'x'.repeat(60_000)}&t=x`)).status, 200)
})

test('Nobody who is not logged in makes the API read much, or the database keep it', async (t) => {
  const server = await world(t)
  const call = (path: string, body: string) => fetch(`${server.url}/api${path}`, { method: 'POST', body })
  assert.equal(
    (await call('/session', JSON.stringify({ user: 'x'.repeat(30_000), password: 'x' }))).status,
    413,
  )
  assert.equal((await call('/session', JSON.stringify({ user: 'x'.repeat(300), password: 'x' }))).status, 400)
  assert.equal((await call('/messages', JSON.stringify({ to: Array(100_000).fill({}) }))).status, 401)
  await call('/session', JSON.stringify({ user: 'somebody-secret', password: 'x' }))
  const kept = await columnOf<string>(server.services.db, 'SELECT key FROM rate_limits')
  assert.doesNotMatch(kept.join(), /somebody-secret/)
})

test('B14: a log-in form that comes without a cookie begins no session, whatever token it has', async (t) => {
  const server = await world(t)
  await server.addUser(ann)
  const post = (token: string) =>
    fetch(`${server.url}/login`, {
      method: 'POST',
      body: new URLSearchParams({ t: token, user: ann, pass: password }),
      redirect: 'manual',
    })
  const token = async (response: Response) =>
    (await response.text()).match(/name="?t"? value="?([\w-]+)/)![1]!
  const first = await token(await post('x'))
  const second = await post(first)
  assert.equal(second.status, 200)
  assert.doesNotMatch(second.headers.getSetCookie().join(), /wafer=/)
  assert.equal((await post('\u00e9'.repeat(16))).status, 200)
})

test('A TLS port does not wait for ever for a connection that says nothing', async (t) => {
  const server = await world(t, tls)
  const socket = connect(server.running.web.port, '127.0.0.1')
  t.after(() => socket.destroy())
  await new Promise((resolve) => socket.on('close', resolve))
})

/** A connection from an address of this machine, with what was said on it. */
const connection = (server: World, from: string, octets: string): Socket => {
  const socket = connect({ port: server.running.web.port, host: '127.0.0.1', localAddress: from })
  socket.on('error', () => {})
  socket.write(octets)
  return socket
}
/** Until so many of them were closed by the server. */
const closedOf = (sockets: Socket[], count: number) =>
  new Promise<void>((resolve) => {
    const look = () => sockets.filter(({ closed }) => closed).length >= count && resolve()
    for (const socket of sockets) socket.once('close', look)
    look()
  })
const logInFrom = async (server: World, from: string) => {
  const body = JSON.stringify({ user: ann, password })
  const socket = connection(
    server,
    from,
    `POST /api/session HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  )
  let answer = ''
  for await (const chunk of socket) answer += chunk
  return statusOf(answer)
}

test('2,050 connections of one address, each with one octet of a log-in, shut nobody out, not even that address', async (t) => {
  const server = await world(t)
  await server.addUser(ann, { key: false })
  const held = Array.from({ length: 2050 }, () =>
    connection(
      server,
      '127.0.0.2',
      'POST /api/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60\r\n\r\n{',
    ),
  )
  t.after(() => {
    for (const socket of held) socket.destroy()
  })
  await Promise.all(held.map((socket) => once(socket, 'connect')))
  assert.equal(await logInFrom(server, '127.0.0.3'), 201)
  assert.equal(await logInFrom(server, '127.0.0.2'), 201)
  await closedOf(held, 1850)
})

test('Behind a proxy the share is the client’s, not the proxy’s', async (t) => {
  const server = await world(t, { WAFER_PROXY: '127.0.0.9' })
  await server.addUser(ann, { key: false })
  const begin = (client: string, rest: string) =>
    connection(
      server,
      '127.0.0.9',
      `POST /api/session HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: ${client}\r\n${rest}`,
    )
  const held = Array.from({ length: 300 }, () => begin('192.0.2.7', 'Content-Length: 60\r\n\r\n{'))
  const others = Array.from({ length: 100 }, (_, count) =>
    begin(`198.51.100.${count}`, 'Content-Length: 60\r\n\r\n{'),
  )
  t.after(() => {
    for (const socket of [...held, ...others]) socket.destroy()
  })
  await closedOf(held, 100)
  const body = JSON.stringify({ user: ann, password })
  const socket = begin('203.0.113.1', `Connection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  let answer = ''
  for await (const chunk of socket) answer += chunk
  assert.equal(statusOf(answer), 201)
  assert.deepEqual(
    [held, others].map((list) => list.filter(({ closed }) => !closed).length),
    [200, 100],
  )
})

test('A body that drips in is waited for as long as its kind may take, and no longer', async (t) => {
  const streams = { everyMs: 300, octets: 1000 }
  const connections = new Connections({ inAll: 10, ofClient: 10, bodyMs: 300, uploadMs: 60_000, streams })
  const kinds = { '/upload': 'upload', '/stream': 'stream' } as const
  const server = createServer((request, response) => {
    const kind = kinds[request.url as keyof typeof kinds] ?? 'usual'
    connections.follow(request, response, '127.0.0.1', kind)
    request.resume().once('end', () => response.end('whole'))
  })
  server.on('connection', (socket) => connections.admit(socket, '127.0.0.1'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    connections.destroy()
    server.close()
  })
  const begin = (path: string) => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\n\r\na`,
    )
    return socket
  }
  const [upload, other, stream] = [begin('/upload'), begin('/login'), begin('/stream')]
  for (const socket of [other, stream]) socket.on('error', () => {})
  await Promise.all([once(other, 'close'), once(stream, 'close')])
  upload.write('b')
  let answer = ''
  for await (const chunk of upload) answer += chunk
  assert.match(answer, /whole$/)
})
