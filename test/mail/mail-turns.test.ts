/** Mail from strangers keeps nobody waiting: the turns of the event loop while it comes in, is read and is deleted. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import SMTPConnection from 'nodemailer/lib/smtp-connection'
import type { Services } from '../../server/services.ts'
import { assertUndisturbed, bar, type MeasuredServer, measuredServer } from '../support/turns.ts'
import { password } from '../support/world.ts'

const twenty = Array.from({ length: 20 }, (_, count) => `user${count}@wafer.test`)
const add = (addresses: string[]) => async (services: Services) => {
  for (const address of addresses) await services.users.add({ address, password })
}

const send = async (server: MeasuredServer, to: string[], mail: Buffer) => {
  const connection = new SMTPConnection({ host: '127.0.0.1', port: server.smtpPort, ignoreTLS: true })
  connection.connect(() => {})
  await once(connection, 'connect')
  try {
    await new Promise<void>((resolve, reject) =>
      connection.send({ from: 'eve@far.example', to }, mail, (error) => (error ? reject(error) : resolve())),
    )
  } finally {
    connection.close()
  }
}

/** 24 MB of base64, as an attached file. */
const large = Buffer.concat([
  Buffer.from(
    'From: eve@far.example\r\nSubject: large\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n' +
      'Content-Transfer-Encoding: base64\r\n\r\n',
  ),
  Buffer.alloc(24_000_000, `${'QUJD'.repeat(19)}\r\n`),
])

test('24 MB by SMTP to twenty users keep nobody waiting, nor do reading and deleting them', async (t) => {
  const server = await measuredServer(t, add(twenty))
  const { figures: received } = await server.during(() => send(server, twenty, large))
  t.diagnostic(`received: ${JSON.stringify(received)}`)
  const user = await server.terminal(twenty[0]!)
  const [message] = (await user.get('/folders/Inbox/messages')).body.messages
  const { figures: read, result: raw } = await server.during(() => user.get(`/messages/${message.id}/raw`))
  t.diagnostic(`read: ${JSON.stringify(read)}`)
  assert.equal(raw.body.length, message.size)
  const { figures: deleted } = await server.during(async () => {
    for (const address of twenty) {
      const owner = await server.terminal(address)
      const [mail] = (await owner.get('/folders/Inbox/messages')).body.messages
      for (let times = 0; times < 2; times += 1)
        assert.equal((await owner.delete(`/messages/${mail.id}`)).status, 204)
    }
  })
  t.diagnostic(`deleted: ${JSON.stringify(deleted)}`)
  assertUndisturbed(received, 'received')
  assertUndisturbed(read, 'read')
  assertUndisturbed(deleted, 'deleted')
})

test('260 KB of Japanese by SMTP to twenty users keep nobody waiting, and each finds the mail', async (t) => {
  const server = await measuredServer(t, add(twenty))
  let seed = 1
  const text = Array.from({ length: 86_000 }, () => {
    seed = (seed * 48_271) % 2_147_483_647
    return String.fromCharCode(0x4e00 + (seed % 3000))
  }).join('')
  const mail = Buffer.from(
    `From: eve@far.example\r\nSubject: long\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n` +
      `Content-Transfer-Encoding: 8bit\r\n\r\n手紙${text.replace(/.{60}/g, '$&\r\n')}\r\n`,
  )
  const { figures } = await server.during(() => send(server, twenty, mail))
  t.diagnostic(JSON.stringify(figures))
  for (const address of [twenty[0]!, twenty[19]!]) {
    const user = await server.terminal(address)
    const found = (await user.get(`/folders/Inbox/messages?q=${encodeURIComponent('手紙')}`)).body.messages
    assert.equal(found.length, 1)
  }
  assertUndisturbed(figures)
})

test('Many large mails at one time stay within the memory, and those that were taken are there', async (t) => {
  const server = await measuredServer(t, add(twenty))
  const { figures, result } = await server.during(() =>
    Promise.allSettled(Array.from({ length: 8 }, () => send(server, [twenty[0]!], large))),
  )
  t.diagnostic(JSON.stringify(figures))
  const taken = result.filter(({ status }) => status === 'fulfilled').length
  assert.ok(taken >= 1)
  const user = await server.terminal(twenty[0]!)
  assert.equal((await user.get('/folders/Inbox/messages')).body.messages.length, taken)
  const { longestCpuMs, peakMemoryMB } = figures
  assert.ok(longestCpuMs <= bar.turnMs && peakMemoryMB <= bar.memoryMB, JSON.stringify(figures))
})
