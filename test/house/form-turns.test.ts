/** Forms of pages: whoever sends the largest, or the most awkward, takes neither the event loop nor the memory of all. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { assertUndisturbed, bar, type MeasuredServer, measuredServer, withKey } from '../support/turns.ts'
import { password } from '../support/world.ts'

const ann = 'ann@wafer.test'
const urlEncoded = 'application/x-www-form-urlencoded'

/** A browser on Compose: what its forms have to bring. */
const onCompose = async ({ url }: MeasuredServer) => {
  const hidden = (html: string, name: string) =>
    html.match(new RegExp(` name=${name} value="?([\\w-]+)`))?.[1] ?? assert.fail(`no field ${name}`)
  const cookies = (response: Response) =>
    response.headers
      .getSetCookie()
      .map((cookie) => cookie.split(';')[0]!)
      .filter((pair) => !pair.endsWith('='))
      .join('; ')
  const before = await fetch(`${url}/login`)
  const begun = await fetch(`${url}/login`, {
    method: 'POST',
    redirect: 'manual',
    headers: { cookie: cookies(before), 'content-type': urlEncoded },
    body: String(new URLSearchParams({ t: hidden(await before.text(), 't'), user: ann, pass: password })),
  })
  const cookie = cookies(begun)
  const html = await (await fetch(`${url}/c?n=abcdefghijkl`, { headers: { cookie } })).text()
  return { cookie, t: hidden(html, 't'), park: hidden(html, 'park') }
}

const server = (t: import('node:test').TestContext) =>
  measuredServer(t, async (services) => void (await withKey(services, ann)))

describe('form bodies are bounded before they are parsed, and parsed apart', () => {
  test('a letter of 30 MB, and forms of as many fields, are refused at once', {
    timeout: 300_000,
  }, async (t) => {
    const measured = await server(t)
    const { cookie, t: token, park } = await onCompose(measured)
    const start = `t=${token}&park=${park}&a=save&to=${ann}`
    const boundary = 'no-part-has-this'
    const part = (name: string, value: string) =>
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
    const multipart = `multipart/form-data; boundary=${boundary}`
    const forms: [string, string, () => string, number, RegExp][] = [
      ['a text', urlEncoded, () => `${start}&text=${'a'.repeat(30_000_000)}`, 413, /larger than/],
      ['encoded octets', urlEncoded, () => `${start}&text=${'%41'.repeat(10_000_000)}`, 413, /larger than/],
      ['blanks', urlEncoded, () => `${start}&text=${'+'.repeat(30_000_000)}`, 413, /larger than/],
      ['a thread', urlEncoded, () => `${start}&th=${'%3Ca%3E+'.repeat(4_000_000)}`, 413, /larger than/],
      [
        'a text in parts',
        multipart,
        () => `${part('t', token)}${part('text', 'a'.repeat(30_000_000))}--${boundary}--\r\n`,
        413,
        /larger than/,
      ],
      [
        'fields behind a boundary that is none',
        `multipart/form-data; xboundary=zzzz; boundary=${boundary}`,
        () => `${part('a', 'x').repeat(500_000)}--${boundary}--\r\n`,
        400,
        /too many fields/,
      ],
    ]
    for (const [what, type, body, status, sentence] of forms) {
      const text = body()
      const { figures, result } = await measured.during(async () => {
        const answer = await fetch(`${measured.url}/c`, {
          method: 'POST',
          headers: { cookie, 'content-type': type },
          body: text,
        })
        return { status: answer.status, page: await answer.text() }
      })
      assert.equal(result.status, status, what)
      assert.match(result.page, sentence, what)
      assertUndisturbed(figures, what)
    }
  })

  test('a file of 30 MB is sealed and kept piece by piece, and is named', {
    timeout: 300_000,
  }, async (t) => {
    const measured = await server(t)
    const { cookie, t: token, park } = await onCompose(measured)
    const send = async (fields: Record<string, string>, file?: Blob) => {
      const form = new FormData()
      for (const [name, value] of Object.entries(fields)) form.set(name, value)
      if (file) form.set('file', file, 'long.bin')
      const headers = { cookie }
      return fetch(`${measured.url}/c`, { method: 'POST', headers, body: form, redirect: 'manual' })
    }
    const file = new Blob([Buffer.alloc(30_000_000, 'seal')])
    const { figures, result } = await measured.during(async () => {
      const answer = await send({ t: token, park, to: ann, a: 'attach' }, file)
      return { status: answer.status, page: await answer.text() }
    })
    assert.equal(result.status, 200)
    assert.match(result.page, /long\.bin/)
    assert.ok(figures.longestCpuMs <= bar.turnMs, JSON.stringify(figures))
  })

  test('a body in pieces of one octet each is refused before they fill the memory', async (t) => {
    const measured = await server(t)
    const { cookie } = await onCompose(measured)
    const { host, port } = new URL(measured.url)
    const { figures, result } = await measured.during(async () => {
      const socket = connect(Number(port), '127.0.0.1').on('error', () => {})
      await once(socket, 'connect')
      let answer = ''
      socket.on('data', (octets) => {
        answer += octets
      })
      socket.write(
        `POST /c HTTP/1.1\r\nHost: ${host}\r\nCookie: ${cookie}\r\nConnection: close\r\nContent-Type: ${urlEncoded}\r\nTransfer-Encoding: chunked\r\n\r\n`,
      )
      socket.end(`${'1\r\na\r\n'.repeat(300_000)}0\r\n\r\n`)
      await once(socket, 'close')
      return answer
    })
    assert.match(result, /^HTTP\/1\.1 400 /)
    assert.ok(figures.peakMemoryMB <= bar.memoryMB, JSON.stringify(figures))
  })

  test('six letters of 30 MB at one time, by one user, are in the memory one by one', {
    timeout: 300_000,
  }, async (t) => {
    const measured = await server(t)
    const terminal = await measured.terminal(ann)
    const text = `{"draft":true,"attachments":[{"name":"a","content":"${'QUJD'.repeat(7_000_000)}"}]}`
    const { figures, result } = await measured.during(() =>
      Promise.all(
        Array.from({ length: 6 }, async () => {
          const answer = await fetch(`${measured.url}/api/messages`, {
            method: 'POST',
            headers: { authorization: `Bearer ${terminal.token}` },
            body: text,
          })
          await answer.arrayBuffer()
          return answer.status
        }),
      ),
    )
    assert.deepEqual(result, Array(6).fill(201))
    // What is left of the letter before is there too, until it is collected; all six would be four times as much.
    assert.ok(figures.peakMemoryMB <= 1.5 * bar.memoryMB, JSON.stringify(figures))
  })
})
